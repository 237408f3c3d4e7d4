"""Synthetic files of every family: each is read whole by the rules of its entry, and stays until it changes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from energy_assets.catalogue.model import Dataset
from energy_assets.catalogue.neso import ENTRIES, LEFT_OUT
from energy_assets.errors import ContractError
from energy_assets.ingest.tables import Part, TableReader, with_personal
from energy_assets.ingest.typed import Typed
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.neso.maker import UNKNOWN, CatalogueMaker
from energy_assets.sandbox.neso.maker_spans import Span, named_span
from energy_assets.sandbox.neso.shelf import Entry
from energy_assets.sandbox.neso.tables import Rows
from energy_assets.sources.neso.client import NesoPortal
from energy_assets_tests.neso.reading import STAMP, Row, family
from energy_assets_tests.neso.world import Stage, World

SUMMER = datetime(2026, 7, 10, 12, tzinfo=UTC)
SPRING = datetime(2026, 3, 30, 9, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 26, 9, tzinfo=UTC)
DAY = timedelta(days=1)

MAKER = CatalogueMaker()

EVERY = pytest.mark.parametrize("dataset", ENTRIES, ids=lambda d: d.code)


def listed(dataset: Dataset, now: datetime) -> list[Entry]:
    files = dataset.files
    assert files is not None
    return [e for e in MAKER.listed(now) if e.package == files.package and files.holds(e.name)]


def body(entry: Entry, now: datetime) -> bytes:
    content = MAKER.content(entry, now)
    assert not isinstance(content, Path)
    return content.to_csv() if isinstance(content, Rows) else content


def resource(alias: str, name: str, now: datetime) -> Entry:
    return next(e for e in listed(family(alias), now) if e.name == name)


def cells(entry: Entry, now: datetime) -> list[list[str]]:
    content = body(entry, now)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    return list(csv.reader(io.StringIO(text, newline="")))


class Reading:
    """One reader for all tests of a worker."""

    def __init__(self, folder: Path) -> None:
        self.reader = TableReader()
        self.folder = folder

    def __call__(self, dataset: Dataset, entry: Entry, now: datetime) -> list[Row]:
        path = self.folder / "body"
        path.write_bytes(body(entry, now))
        part = Part(entry.name, entry.file_name, entry.modified_utc)
        with self.reader.read(dataset, path, part, STAMP) as reading:
            chunks: list[Typed] = list(reading.chunks())
            rows: list[Row] = pa.concat_tables([chunk.rows for chunk in chunks]).to_pylist()
            assert reading.quarantine.num_rows == 0
            assert (reading.duplicate, reading.blank) == (0, 0)
            assert reading.fetched == len(rows) > 0
        return rows


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    reading = Reading(tmp_path_factory.mktemp("maker"))
    yield reading
    reading.reader.close()


def check_no_contradiction(dataset: Dataset, known: dict[Any, Row], rows: list[Row]) -> None:
    """A fact says the same wherever it stands; what one file lacks another may have."""
    own = [f.name for f in dataset.fields if f.origin == "row"]
    key = [name for name in dataset.table.natural_key if name in dataset.table.by_name]
    for row in rows:
        other = known.setdefault(tuple(row[name] for name in key), row)
        for name in own:
            assert row[name] == other[name] or None in (row[name], other[name]), (name, row, other)


class TestEveryFamily:
    @EVERY
    def test_every_resource_is_read_whole_and_none_contradicts_another(self, dataset: Dataset, read: Reading) -> None:
        entries = listed(dataset, AUTUMN)
        assert entries
        known: dict[Any, Row] = {}
        for entry in entries:
            check_no_contradiction(dataset, known, read(dataset, entry, AUTUMN))

    @EVERY
    def test_one_resource_is_read_in_summer_and_after_the_clock_went_forward(
        self, dataset: Dataset, read: Reading
    ) -> None:
        for now in (SUMMER, SPRING):
            for entry in listed(dataset, now)[-1:]:
                read(dataset, entry, now)

    @EVERY
    def test_headers_are_the_first_spellings_in_the_order_of_the_entry(self, dataset: Dataset) -> None:
        files = dataset.files
        assert files is not None
        spelled = [f.aliases[0] for f in (*dataset.fields, *files.personal) if f.aliases]
        needed = {f.aliases[0] for f in dataset.fields if f.aliases and f.name not in files.optional}
        for entry in listed(dataset, AUTUMN):
            header = cells(entry, AUTUMN)[0]
            grown = [name for name in header if name not in spelled]
            assert not grown or (files.grows and all(re.fullmatch(files.grows, name) for name in grown))
            assert [name for name in header if name in spelled] == [name for name in spelled if name in header]
            assert needed <= set(header)

    @EVERY
    def test_a_file_stays_the_same_until_it_says_that_it_has_changed(self, dataset: Dataset) -> None:
        files = dataset.files
        assert files is not None
        step = timedelta(minutes=files.probe_minutes / 3)
        begin = SUMMER if listed(dataset, SUMMER) else AUTUMN
        name = listed(dataset, begin)[-1].name
        seen: dict[datetime, bytes] = {}
        for now in (begin + n * step for n in range(4)):
            (told,) = (e for e in listed(dataset, now) if e.name == name)
            if told.modified_utc is not None:
                assert told.modified_utc <= now
                made = CatalogueMaker([dataset]).content(told, now)
                assert seen.setdefault(told.modified_utc, body(told, now)) == made


class TestListing:
    def test_known_resources_have_the_ids_under_which_they_were_seen(self) -> None:
        seen = {(d.files.package, k.name): k for d in ENTRIES if d.files for k in d.files.known}
        for entry in MAKER.listed(AUTUMN):
            if entry.format == "CSV":
                assert entry.id == seen[entry.key].id
                assert (entry.url_type == "datastore") == seen[entry.key].datastore_only
                assert (entry.modified_utc is None) == (entry.url_type == "datastore")

    def test_packages_are_listed_that_the_catalogue_does_not_know(self) -> None:
        unknown = [e for e in MAKER.listed(SUMMER) if e.format != "CSV"]
        assert len(unknown) == UNKNOWN
        assert {e.package for e in unknown} <= {left.package for left in LEFT_OUT if not left.resources}
        assert all(body(e, SUMMER).startswith(b"%PDF") and not e.datastore_active for e in unknown)

    def test_two_makers_list_the_same(self) -> None:
        assert CatalogueMaker().listed(SUMMER) == MAKER.listed(SUMMER)

    def test_a_minute_is_listed_once(self) -> None:
        assert MAKER.listed(SUMMER) is MAKER.listed(SUMMER.replace(second=30))

    def test_what_has_not_begun_is_not_there(self) -> None:
        names = {e.name for e in MAKER.listed(datetime(2025, 6, 1, tzinfo=UTC))}
        assert "Historic Demand Data 2025" in names
        assert not names & {"Historic Demand Data 2026", "Aggregated BSAD 2026-27", "Skip Rate - PSA - July 2026"}
        with pytest.raises(SandboxError, match="there is no resource historic-demand-data/Historic Demand Data 2026"):
            to_come = resource("historic_demand", "Historic Demand Data 2026", SUMMER)
            MAKER.content(replace(to_come, modified_utc=None), SUMMER - 300 * DAY)

    def test_what_is_over_never_changes(self) -> None:
        summer = {e.key: e for e in MAKER.listed(SUMMER)}
        closed = [e for e in MAKER.listed(AUTUMN) if summer.get(e.key) == e and e.modified_utc]
        assert len(closed) > 200
        assert all(e.modified_utc and e.modified_utc < SUMMER for e in closed)
        year = resource("historic_demand", "Historic Demand Data 2025", SUMMER)
        assert year in closed
        assert year.modified_utc is not None and year.modified_utc.date() == date(2026, 1, 3)

    def test_a_family_without_resources_cannot_be_held(self) -> None:
        entry = family("system_inertia")
        assert entry.files is not None
        with pytest.raises(SandboxError, match="NESO_SYSTEM_INERTIA names no resource"):
            CatalogueMaker([replace(entry, files=replace(entry.files, known=()))])

    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [
            ("Historic Demand Data 2026", "2026-01-01", "2026-12-31"),
            ("Constraint Breakdown 2017-2018", "2017-04-01", "2018-03-31"),
            ("Wind BOA Volumes 2018/19", "2018-04-01", "2019-03-31"),
            ("Thermal Constraint Costs Data 26-27", "2026-04-01", "2027-03-31"),
            ("Week Ahead Overnight Voltage Requirement 20-26", "2020-01-01", "2026-12-31"),
            ("NESO Response-Reserve Buy Orders FY2023 (Archive)", "2023-04-01", "2024-03-31"),
            ("NESO Response-Reserve Sell Orders 202312 (Archive)", "2023-12-01", "2023-12-31"),
            ("February 2024 - Historic Frequency Data", "2024-02-01", "2024-02-29"),
            ("Non BM Dispatch Cease Instructions_Aug_2020", "2020-08-01", "2020-08-31"),
            ("Historic GTMA Trades Data - Apr 2016 - March 2017", "2016-04-01", "2017-03-31"),
            ("Historic GTMA Trades Data - Apr 2021 - Mar 2022 (Pre June 2021)", "2021-04-01", "2021-05-31"),
            ("Balancing Service Contract Enactment 21-22 (Pre June 2021)", "2021-04-01", "2021-05-31"),
            ("ODFM Instructed Volume for 05-07-2020 V2", "2020-07-05", "2020-07-05"),
            ("BritNed DA & ID Weekly ITLs 20260331", "2026-03-31", "2026-04-06"),
            ("Market Information Results 2020", "2020-01-01", "2020-12-31"),
        ],
    )
    def test_a_name_tells_its_days(self, name: str, first: str, last: str) -> None:
        assert named_span(name) == Span(date.fromisoformat(first), date.fromisoformat(last))

    @pytest.mark.parametrize("name", ["2-14 Days Ahead Half Hourly Forecast", "Weekly 2-52 week National", "IFA2 ITL"])
    def test_a_name_may_tell_none(self, name: str) -> None:
        assert named_span(name) is None

    def test_a_name_that_no_calendar_has(self) -> None:
        with pytest.raises(ContractError, match="'Orders 202313' tells no period"):
            named_span("Orders 202313")


class TestDays:
    def test_days_have_the_periods_that_they_have(self, read: Reading) -> None:
        entry = resource("historic_demand", "Historic Demand Data 2026", AUTUMN)
        counts: dict[date, int] = {}
        for row in read(family("historic_demand"), entry, AUTUMN):
            counts[row["settlement_date"]] = counts.get(row["settlement_date"], 0) + 1
            assert row["start_utc"] is not None
        assert (counts[date(2026, 1, 1)], counts[date(2026, 3, 29)], counts[date(2026, 10, 24)]) == (48, 46, 48)
        assert entry.modified_utc is not None
        assert max(counts) == (entry.modified_utc - timedelta(minutes=30)).date()

    def test_labels_of_the_local_clock_come_back_to_every_half_hour(self, read: Reading) -> None:
        for alias in ("constraint_flows", "demand_forecast_performance"):
            (entry,) = listed(family(alias), AUTUMN)
            rows = read(family(alias), entry, AUTUMN)
            starts = {row["start_utc"] for row in rows}
            night = datetime(2026, 10, 25)
            assert {night + n * timedelta(minutes=30) for n in range(8)} <= starts
            assert {row["utc_fold"] for row in rows} == {0, 1}

    def test_a_history_ends_with_the_present(self, read: Reading) -> None:
        (entry,) = listed(family("generation_mix"), SUMMER)
        last = max(row["end_utc"] for row in read(family("generation_mix"), entry, SUMMER))
        assert timedelta(0) <= SUMMER.replace(tzinfo=None) - last < timedelta(hours=1)

    def test_a_few_facts_are_revised_once(self, read: Reading) -> None:
        dataset = family("daily_demand_update")
        versions: dict[tuple[date, int], set[float | None]] = {}
        for day in range(4):
            now = SUMMER + day * DAY
            (entry,) = listed(dataset, now)
            for row in read(dataset, entry, now):
                versions.setdefault((row["settlement_date"], row["settlement_period"]), set()).add(row["nd"])
        revised = sum(len(found) == 2 for found in versions.values())
        assert max(len(found) for found in versions.values()) == 2
        assert 0 < revised < len(versions) / 6

    def test_a_register_changes_now_and_then(self) -> None:
        dataset = family("tec_register")
        bodies = []
        for day in range(30):
            now = SUMMER + day * DAY
            (entry,) = listed(dataset, now)
            bodies.append(body(entry, now))
        changes = sum(before != after for before, after in pairwise(bodies))
        assert 1 <= changes <= 12


class TestIssues:
    def test_the_name_of_the_live_file_tells_its_issue(self, read: Reading) -> None:
        dataset = family("embedded_forecast")
        entry = resource("embedded_forecast", "Embedded Solar and Wind Forecast", SUMMER)
        assert entry.modified_utc is not None
        assert entry.file_name == f"{entry.modified_utc:%Y%m%d%H%M}_embedded_forecast.csv"
        issues = {row["issue_utc"] for row in read(dataset, entry, SUMMER)}
        assert issues == {entry.modified_utc.replace(tzinfo=None)}

    def test_an_archive_names_its_issues_row_by_row(self, read: Reading) -> None:
        dataset = family("embedded_forecast")
        entry = resource("embedded_forecast", "Embedded Solar and Wind Forecast Archive 2025", SUMMER)
        rows = read(dataset, entry, SUMMER)
        assert {str(row["issue_utc"]) for row in rows} == {
            "2025-01-01 09:15:00",
            "2025-03-30 08:15:00",
            "2025-10-26 09:15:00",
            "2025-12-31 09:15:00",
        }

    def test_a_month_in_the_name_of_the_resource(self, read: Reading) -> None:
        (entry,) = listed(family("bsuos_monthly_forecast"), AUTUMN)
        rows = read(family("bsuos_monthly_forecast"), entry, AUTUMN)
        assert {str(row["issue_utc"]) for row in rows} == {"2026-03-31 23:00:00"}

    def test_the_portal_tells_the_issue_where_the_rows_do_not(self, read: Reading) -> None:
        live = resource("dc_forecast", "Dynamic Containment - 4 Day forecast", SUMMER)
        assert live.modified_utc is not None
        rows = read(family("dc_forecast"), live, SUMMER)
        assert {row["issue_utc"] for row in rows} == {live.modified_utc.replace(tzinfo=None)}
        old = resource("dc_forecast", "Dynamic Containment 4 Day Forecast - History", SUMMER)
        assert "Forecast_Created" in cells(old, SUMMER)[0]


class TestManners:
    def test_every_manner_occurs(self) -> None:
        bodies = [body(e, AUTUMN) for e in MAKER.listed(AUTUMN) if e.url_type == "upload" and e.format == "CSV"]
        for manner in (
            b"\xef\xbb\xbf",
            b"\r\n",
            b",NA,",
            b",N/A,",
            b",-,",
            b'""synthetic""',
            b",,",
            b"%",
            b'",',
            b"\xa3",
        ):
            assert any(manner in one for one in bodies), manner
        assert any(b"\r\n" not in one for one in bodies)
        assert any(not one.startswith(b"\xef\xbb\xbf") for one in bodies)

    def test_data_of_nobody_stand_where_data_of_persons_would(self, read: Reading) -> None:
        dataset = family("capacity_units")
        (entry,) = listed(dataset, AUTUMN)
        assert "secondary_trading_contact_email" not in read(dataset, entry, AUTUMN)[0]
        rows = read(with_personal(dataset), entry, AUTUMN)
        mails = {row["secondary_trading_contact_email"] for row in rows} - {None}
        numbers = {row["secondary_trading_contact_telephone"] for row in rows} - {None}
        assert len(mails) > 10 and all(str(mail).endswith("@example.com") for mail in mails)
        assert len(numbers) > 10 and all(str(number).startswith("020 7946 0") for number in numbers)

    def test_optional_columns_are_in_some_files_and_not_in_others(self) -> None:
        headers = [cells(e, AUTUMN)[0] for e in listed(family("historic_demand"), AUTUMN)]
        flows = [sum(name == "VIKING_FLOW" for name in header) for header in headers]
        assert 0 < sum(flows) < len(flows)

    def test_a_resource_holds_the_runs_that_it_names(self, read: Reading) -> None:
        for run in ("II", "SF", "RF"):
            entry = resource("bsuos", f"Current {run} BSUoS Data", AUTUMN)
            assert {row["run_type"] for row in read(family("bsuos"), entry, AUTUMN)} == {run}


@pytest.fixture
def held(portal_stage: tuple[Stage, str], tmp_path: Path) -> World:
    stage, url = portal_stage
    return World(stage.fresh(maker=MAKER, clock=lambda: AUTUMN, rows_most=50), url, tmp_path)


class TestThroughThePortal:
    def test_it_is_swept(self, held: World) -> None:
        portal = held.run(NesoPortal.sweep)
        assert len(list(portal.resources())) == len(MAKER.listed(AUTUMN))

    @pytest.mark.parametrize(
        "alias", ["upcoming_trades", "day_ahead_price", "system_operating_plan", "dc_linear_orders", "ifa_limits"]
    )
    def test_tables_are_paged_and_dumped(self, held: World, alias: str, tmp_path: Path) -> None:
        (entry,) = listed(family(alias), AUTUMN)
        table = held.run(NesoPortal.sweep).named(entry.package, entry.name)
        paged, dumped = tmp_path / "paged", tmp_path / "dumped"
        told = held.run(lambda portal: portal.pages(table, paged, page_rows=40))
        held.run(lambda portal: portal.dump(table, dumped))
        records = [
            record for line in paged.read_text().splitlines() for record in json.loads(line)["result"]["records"]
        ]
        expected = list(csv.DictReader(io.StringIO(body(entry, AUTUMN).decode(), newline="")))
        assert len(records) == told.schema.total == len(expected) > 40
        assert dumped.read_bytes() == body(entry, AUTUMN)
        reader = TableReader()
        try:
            part = Part(entry.name, form="search", total=told.schema.total)
            with reader.read(family(alias), paged, part, STAMP) as reading:
                assert (reading.fetched, reading.quarantine.num_rows) == (len(expected), 0)
        finally:
            reader.close()

    def test_files_are_downloaded(self, held: World, tmp_path: Path) -> None:
        entry = resource("embedded_forecast", "Embedded Solar and Wind Forecast", AUTUMN)
        file = held.run(NesoPortal.sweep).named(entry.package, entry.name)
        got = held.run(lambda portal: portal.file(file, tmp_path / "file"))
        assert got.modified_utc == entry.modified_utc
        assert file.last_modified_utc == entry.modified_utc
