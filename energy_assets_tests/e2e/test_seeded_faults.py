"""A day of every BMRS dataset in order passes every check; each planted fault fails the check that is meant to find it.

Faults are planted with SQL in copies of one DuckDB file, as a hand from outside or a bug of ours would leave it, and in
what the provider sends. Checks that rightly fail beside the one that is meant are listed with the fault.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.facts import bounded_fields
from energy_assets.checks.model import Finding
from energy_assets.checks.rules import JUDGES
from energy_assets.checks.specs import cross_specs, specs_for
from energy_assets.checks.sweep import sweep
from energy_assets.errors import TransportError
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.sandbox.synthetic import Edit, Synthetic
from energy_assets.sources.elexon import open_client
from energy_assets.sources.elexon_status import ElexonWord, ask
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import Clock, World, utc

DAY = date(2026, 7, 15)
NOW = utc("2026-07-29T09:00")
"""Everything has settled by then, and the first settlement run has been held."""

SCHEMA = "uk_energy_insights"

Sweep = Callable[..., dict[tuple[str, str], Finding]]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one day of every BMRS dataset, through HTTP."""
    home = tmp_path_factory.mktemp("clean")
    clock = Clock(NOW)
    app = ElexonSandbox(Synthetic(), clock=clock)
    with running(app) as url:
        world = World(app, url, home, clock)
        outcomes = world.refresh("bmrs/*", str(DAY))
        world.warehouse.close()
    assert not [o for o in outcomes.values() if o.status == "failed"]
    return world.settings.duckdb_path


@pytest.fixture
def swept(clean: Path, tmp_path: Path) -> Iterator[Sweep]:
    """Plants statements in a copy of the clean day and gives what every check then finds."""
    copy = tmp_path / "energy.duckdb"
    shutil.copyfile(clean, copy)
    warehouse = DuckDBWarehouse(copy, SCHEMA)

    def look(statements: Sequence[str] = (), chosen: Sequence[Dataset] = ()) -> dict[tuple[str, str], Finding]:
        with duckdb.connect(str(copy)) as connection:
            connection.execute(f"USE {SCHEMA}")
            for statement in statements:
                connection.execute(statement)
        found = sweep(chosen or datasets("bmrs"), warehouse, DAY, DAY, NOW)
        return {(dataset_name(f), f.check): f for f in found}

    yield look
    warehouse.close()


def dataset_name(finding: Finding) -> str:
    return dataset(f"bmrs/{finding.dataset}").name


def red(found: dict[tuple[str, str], Finding]) -> set[tuple[str, str]]:
    return {key for key, finding in found.items() if not finding.passed}


def told_well(finding: Finding, name: str) -> bool:
    """Whether the sentence names dataset, window and remedy."""
    text = finding.text
    return name in text and str(DAY) in text and "; " in text and text.endswith(".")


NOTHING = {"bmrs/s0142"}
"""Datasets of which the sandbox has no row on the day: silent, and no fault."""


def kept() -> list[Dataset]:
    """Datasets that have rows on the day: registers cannot be read for the past."""
    return [d for d in datasets("bmrs") if not d.is_register]


def test_a_day_in_order_passes_every_check(swept: Sweep):
    found = swept()

    assert red(found) == set()
    assert set(found) == {(d.name, s.name) for d in kept() for s in specs_for(d) + cross_specs(d)}
    assert all(f.text.endswith(".") and str(DAY) in f.text for f in found.values())


@dataclass(frozen=True)
class Planted:
    """A fault.

    Attributes:
        check: The check that is meant to find it.
        name: Dataset.
        statements: What a hand from outside does.
        beside: Further checks of the dataset that rightly fail.
        says: Words of the sentence.
    """

    check: str
    name: str
    statements: tuple[str, ...]
    says: str
    beside: frozenset[str] = frozenset()


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


def recorded(name: str, rows: str) -> str:
    """Make the record of the day agree with rows that were changed."""
    return f"UPDATE _days SET rows = {rows} WHERE table_name = 'bmrs_{name}' AND day = DATE '{DAY}'"


FAULTS = {
    "a row was lost on the way": Planted(
        "reconciliation",
        "bmrs/indo",
        ("UPDATE _receipts SET fetched = fetched + 1 WHERE dataset = 'INDO'",),
        "rows of 1 of 1 windows are not all accounted for",
    ),
    "a row was deleted by hand": Planted(
        "receipts_against_rows",
        "bmrs/fuelhh",
        ("DELETE FROM bmrs_fuelhh WHERE settlementPeriod = 7 AND fuelType = (SELECT min(fuelType) FROM bmrs_fuelhh)",),
        "were recorded: somebody else changed the table",
        # Receipts of a day with fewer rows than recorded are not believed, so its windows count as missing.
        of("expected_periods"),
    ),
    "a table was dropped": Planted(
        "expected_periods", "bmrs/mid", ("DROP TABLE bmrs_mid CASCADE",), "0 of 48 settlement periods", of("freshness")
    ),
    "a row was stored twice": Planted(
        "unique_key",
        "bmrs/indo",
        ("INSERT INTO bmrs_indo SELECT * FROM bmrs_indo WHERE settlementPeriod = 7",),
        "rows that repeat the natural key of another: 1, the first 2026-07-15, 7",
        of("receipts_against_rows"),
    ),
    "rows came for another window": Planted(
        "in_window",
        "bmrs/freq",
        (
            "UPDATE bmrs_freq SET _window_from_utc = _window_from_utc - INTERVAL 10 DAY, "
            "_window_to_utc = _window_to_utc - INTERVAL 10 DAY",
        ),
        "rows outside the window that was asked for",
    ),
    "the same answer for distant windows": Planted(
        "repeated_sample",
        "bmrs/bod",
        ("UPDATE _receipts SET body_sha256 = repeat('0', 64) WHERE dataset = 'BOD'",),
        "had equal answers",
    ),
    "the same rows appended for another window": Planted(
        "repeated_sample",
        "bmrs/fuelhh",
        (
            "INSERT INTO bmrs_fuelhh SELECT * REPLACE (_window_from_utc - INTERVAL 7 DAY AS _window_from_utc, "
            "_window_to_utc - INTERVAL 7 DAY AS _window_to_utc) FROM bmrs_fuelhh",
        ),
        "rows that came again, equal, for other windows",
        of("unique_key", "receipts_against_rows", "in_window"),
    ),
    "a period never came": Planted(
        "expected_periods",
        "bmrs/indo",
        ("DELETE FROM bmrs_indo WHERE settlementPeriod = 7", recorded("indo", "47")),
        "47 of 48 rows that are due are there on 2026-07-15",
        # What never came is late as well, by the dataset's own history.
        of("lateness"),
    ),
    "five-minute values are missing": Planted(
        "expected_periods",
        "bmrs/fuelinst",
        (
            "DELETE FROM bmrs_fuelinst WHERE startTime = (SELECT min(startTime) FROM bmrs_fuelinst)",
            recorded("fuelinst", "(SELECT count(*) FROM bmrs_fuelinst)"),
        ),
        "instants that are due are there",
    ),
    "publications are missing": Planted(
        "expected_periods",
        "bmrs/ndf",
        (
            "DELETE FROM bmrs_ndf WHERE publishTime < TIMESTAMP '2026-07-15 10:00:00'",
            recorded("ndf", "(SELECT count(*) FROM bmrs_ndf)"),
        ),
        "publications that are due are there",
    ),
    "a required column is empty": Planted(
        "null_rules",
        "bmrs/fuelinst",
        ("UPDATE bmrs_fuelinst SET settlementDate = NULL WHERE startTime = TIMESTAMP '2026-07-15 10:00:00'",),
        "rows without a value in settlementDate",
        # What has no settlement day lies in no window of days.
    ),
    "kilowatts taken for megawatts": Planted(
        "bounds",
        "bmrs/indo",
        ("UPDATE bmrs_indo SET demand = demand * 1000 WHERE settlementPeriod = 7",),
        "values of demand outside physical bounds: 1, the first 2026-07-15, 7: demand",
    ),
    "a new column": Planted(
        "schema_drift",
        "bmrs/indo",
        ("UPDATE _receipts SET new_columns = ['surprise'] WHERE dataset = 'INDO'",),
        "new column surprise",
    ),
    "a column is gone": Planted(
        "schema_drift",
        "bmrs/indo",
        ("UPDATE _receipts SET missing_columns = ['demand'] WHERE dataset = 'INDO'",),
        "missing column demand",
    ),
    "nothing came since noon": Planted(
        "freshness",
        "bmrs/fuelinst",
        (
            "DELETE FROM bmrs_fuelinst WHERE startTime >= TIMESTAMP '2026-07-15 12:00:00'",
            recorded("fuelinst", "(SELECT count(*) FROM bmrs_fuelinst)"),
        ),
        "the newest row is of 2026-07-15 11:55Z and there should be one of 2026-07-15 16:50Z or later",
        of("expected_periods"),
    ),
    "a third of the usual rows": Planted(
        "row_count",
        "bmrs/disbsad",
        (
            "INSERT INTO _days SELECT * REPLACE (CAST(day - INTERVAL (n) WEEK AS DATE) AS day, rows * 3 AS rows) "
            f"FROM _days, range(1, 8) t(n) WHERE table_name = 'bmrs_disbsad' AND day = DATE '{DAY}'".replace(
                "SELECT * REPLACE", "SELECT * EXCLUDE (n) REPLACE"
            ),
        ),
        "where days like it have about",
    ),
    "a row that cannot be read": Planted(
        "quarantine",
        "bmrs/indo",
        ("UPDATE _receipts SET quarantined = 1, fetched = fetched + 1 WHERE dataset = 'INDO'",),
        "1 of 49 rows are in quarantine",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_fails_its_check_and_says_so(swept: Sweep, fault: str):
    planted = FAULTS[fault]
    # The dataset among others: a fault of one is not to be seen in another.
    concerned = [dataset(name) for name in sorted({other.name for other in FAULTS.values()})]
    found = swept(planted.statements, concerned)

    assert red(found) == {(planted.name, check) for check in {planted.check} | planted.beside}
    finding = found[planted.name, planted.check]
    assert planted.says in finding.text
    assert told_well(finding, planted.name)
    assert "energy-assets" in finding.text or "report it" in finding.text
    assert finding.from_day == finding.to_day == DAY


BROKEN = {
    "a key column renamed": 'ALTER TABLE bmrs_mid RENAME "settlementPeriod" TO sp',
    "text for numbers": "ALTER TABLE bmrs_mid ALTER price TYPE VARCHAR",
    "a table of somebody else": "DROP TABLE bmrs_mid CASCADE; CREATE TABLE bmrs_mid AS SELECT 1 AS x",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_table_that_cannot_be_read_is_a_finding_and_keeps_no_other_from_being_looked_at(swept: Sweep, fault: str):
    others = [dataset(f"bmrs/{code}") for code in ("indo", "fuelinst", "fuelhh")]
    found = swept([BROKEN[fault]], [others[0], dataset("bmrs/mid"), *others[1:]])

    assert red(found) == {("bmrs/mid", "receipts_against_rows")}
    assert "cannot be read" in found["bmrs/mid", "receipts_against_rows"].text
    assert told_well(found["bmrs/mid", "receipts_against_rows"], "bmrs/mid")
    assert {name for name, _ in found} == {"bmrs/mid", *(d.name for d in others)}


def test_rows_that_no_commit_brought_are_found(swept: Sweep):
    found = swept([f"DELETE FROM _days WHERE table_name = 'bmrs_disbsad' AND day = DATE '{DAY}'"])

    assert red(found) == {("bmrs/disbsad", "receipts_against_rows")}
    assert "and 0 were recorded" in found["bmrs/disbsad", "receipts_against_rows"].text


def test_what_may_be_silent_must_have_been_asked(swept: Sweep):
    found = swept(["UPDATE _receipts SET status = 'failed' WHERE dataset = 'SYSWARN'"])

    assert red(found) == {("bmrs/syswarn", "expected_periods")}
    assert told_well(found["bmrs/syswarn", "expected_periods"], "bmrs/syswarn")


def test_of_the_days_before_an_installation_nothing_is_missing(make_world: MakeWorld):
    """Today and yesterday are asked for on the first day; the daily look goes four weeks back."""
    world = make_world("2026-07-15T09:00")
    chosen = [dataset(f"bmrs/{code}") for code in ("indo", "fuelinst", "b1610", "syswarn", "pn", "netbsad")]
    world.refresh(chosen, "2026-07-14", "2026-07-15")

    asked: list[date] = []

    def word(codes: Sequence[str], first: date, last: date) -> ElexonWord:
        asked.extend((first, last))
        return ask(open_client(world.settings), codes, first, last)

    found = sweep(chosen, world.warehouse, date(2026, 6, 18), DAY, world.clock(), word)
    assert asked == [date(2026, 6, 18), DAY]
    assert [f.text for f in found if not f.passed] == []

    # The same of what a person once fetched and nobody goes on with.
    later = utc("2026-12-01T09:00")
    found = sweep(chosen, world.warehouse, date(2026, 11, 4), date(2026, 12, 1), later)
    assert [f.text for f in found if not f.passed] == []


def test_every_check_has_a_planted_fault():
    assert {planted.check for planted in FAULTS.values()} == {spec.name for spec in JUDGES}


def failing(swept: Sweep, check: str, statement: Callable[[Dataset], Sequence[str]]) -> tuple[set[str], set[str]]:
    """Plants a fault in every dataset that the check is for; gives these, and those for which it failed well."""
    held = [d for d in kept() if d.name not in NOTHING and check in {s.name for s in specs_for(d)}]
    asked = [d for d in held if statement(d)]
    found = swept([text for d in asked for text in statement(d)])
    failed = {name for name, c in red(found) if c == check and told_well(found[name, c], name)}
    return {d.name for d in asked}, failed


def test_a_doubled_row_is_found_in_every_table(swept: Sweep):
    def doubled(d: Dataset) -> list[str]:
        one = f"SELECT * FROM {d.table.name} WHERE _partition_day = DATE '{DAY}' LIMIT 1"
        return [f"INSERT INTO {d.table.name} {one}"]

    asked, failed = failing(swept, "unique_key", doubled)
    assert failed == asked and len(asked) > 90


def test_an_empty_required_column_is_found_in_every_table(swept: Sweep):
    def emptied(d: Dataset) -> list[str]:
        fallbacks = dict(d.table.key_fallback)
        return [
            f'UPDATE {d.table.name} SET "{f.name}" = NULL'
            for f in d.fields
            if not f.nullable and f.name not in fallbacks
        ][:1]

    asked, failed = failing(swept, "null_rules", emptied)
    assert failed == asked and len(asked) > 90


def test_a_value_beyond_bounds_is_found_in_every_table(swept: Sweep):
    def beyond(d: Dataset) -> list[str]:
        f = next(f for f in bounded_fields(d))
        value = f.low - 1 if f.low is not None else f.high + 1
        return [f'UPDATE {d.table.name} SET "{f.name}" = {value}']

    asked, failed = failing(swept, "bounds", beyond)
    assert failed == asked and len(asked) > 85


def test_an_emptied_table_is_found_in_every_dataset(swept: Sweep):
    asked, failed = failing(swept, "receipts_against_rows", lambda d: [f"DELETE FROM {d.table.name}"])
    assert failed == asked and len(asked) > 90


def test_what_the_provider_does_wrong_is_found(make_world: MakeWorld):
    """Through HTTP and ingest: a period left out, a new column, a value that is no number."""
    world = make_world(NOW)
    world.source.edit(
        Edit("remove", "DISEBSP", match={"settlementPeriod": 7}),
        Edit("change", "NETBSAD", match={"settlementPeriod": 7}, values={"surprise": 1}),
        Edit("change", "FUELHH", match={"settlementPeriod": 7, "fuelType": "CCGT"}, values={"generation": "many"}),
    )
    chosen = [dataset(f"bmrs/{code}") for code in ("disebsp", "netbsad", "fuelhh")]
    world.refresh(chosen, str(DAY))

    found = {(f.dataset, f.check): f for f in sweep(chosen, world.warehouse, DAY, DAY, NOW)}
    assert {key for key, f in found.items() if not f.passed} == {
        ("DISEBSP", "expected_periods"),
        ("NETBSAD", "schema_drift"),
        ("FUELHH", "quarantine"),
    }


def test_of_a_day_that_goes_on_only_what_has_settled_is_expected(make_world: MakeWorld):
    world = make_world("2026-07-15T14:00")
    world.refresh("bmrs/indo,bmrs/fuelinst,bmrs/b1610,bmrs/bod", str(DAY))
    chosen = [dataset(f"bmrs/{code}") for code in ("indo", "fuelinst", "b1610", "bod")]

    found = sweep(chosen, world.warehouse, DAY, DAY, datetime(2026, 7, 15, 14, tzinfo=UTC))
    assert [f.text for f in found if not f.passed] == []

    late = sweep(chosen, world.warehouse, DAY, DAY, datetime(2026, 7, 15, 22, 30, tzinfo=UTC))
    wrong = {(f.dataset, f.check) for f in late if not f.passed}
    assert {("INDO", "expected_periods"), ("FUELINST", "freshness"), ("BOD", "expected_periods")} <= wrong
    assert not {check for code, check in wrong if code == "B1610"}


@pytest.mark.parametrize(("day", "periods"), [("2026-03-29", 46), ("2025-10-26", 50)])
def test_days_of_a_clock_change_have_their_own_number_of_periods(make_world: MakeWorld, day: str, periods: int):
    world = make_world("2026-05-20T09:00")
    chosen = [dataset(f"bmrs/{code}") for code in ("indo", "fuelinst", "mid", "freq", "disebsp")]
    world.refresh(chosen, day)
    days = date.fromisoformat(day), date.fromisoformat(day)

    found = sweep(chosen, world.warehouse, *days, utc("2026-05-20T09:00"))
    assert [f.text for f in found if not f.passed] == []

    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        connection.execute(f"DELETE FROM {SCHEMA}.bmrs_mid WHERE settlementPeriod = {periods}")
    texts = [f.text for f in sweep(chosen, world.warehouse, *days, utc("2026-05-20T09:00")) if not f.passed]
    assert any(f"{periods - 1} of {periods} settlement periods" in text for text in texts)


def test_elexons_own_word_is_compared_with_what_is_held(make_world: MakeWorld):
    """Through HTTP: data points of each period, and when each dataset was last updated."""
    world = make_world(NOW)
    chosen = [dataset(f"bmrs/{code}") for code in ("pn", "netbsad", "freq", "indo")]
    world.refresh(chosen, str(DAY))

    def look() -> dict[tuple[str, str], Finding]:
        found = sweep(
            chosen, world.warehouse, DAY, DAY, world.clock(), lambda *asked: ask(open_client(world.settings), *asked)
        )
        return {(f.dataset, f.check): f for f in found if f.check in ("agrees_with_elexon", "last_update")}

    found = look()
    assert red(found) == set()
    assert {code for code, check in found if check == "agrees_with_elexon"} == {"PN", "NETBSAD", "FREQ"}
    assert found["PN", "agrees_with_elexon"].numbers["data_points"] == found["PN", "agrees_with_elexon"].numbers["rows"]

    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        connection.execute(f"DELETE FROM {SCHEMA}.bmrs_pn WHERE settlementPeriod = 7; DELETE FROM {SCHEMA}.bmrs_freq")
    world.clock.forward(hours=9)
    found = look()
    assert {key for key in red(found) if key[1] == "agrees_with_elexon"} == {
        ("PN", "agrees_with_elexon"),
        ("FREQ", "agrees_with_elexon"),
    }
    assert "nothing is held of 2026-07-15 period 7" in found["PN", "agrees_with_elexon"].text
    assert ("INDO", "last_update") in red(found)
    assert told_well(found["PN", "agrees_with_elexon"], "bmrs/pn")


def test_elexon_that_cannot_be_asked_is_a_warning(make_world: MakeWorld):
    world = make_world(NOW)
    chosen = [dataset("bmrs/netbsad")]
    world.refresh(chosen, str(DAY))

    def unreachable(*_: object) -> ElexonWord:
        raise TransportError("nobody answers")

    found = {f.check: f for f in sweep(chosen, world.warehouse, DAY, DAY, NOW, unreachable)}
    assert (found["agrees_with_elexon"].passed, found["agrees_with_elexon"].severity) == (False, "warning")
    assert "could not be asked (nobody answers)" in found["agrees_with_elexon"].text
