"""Every catalogue entry agrees with itself, with the vocabulary, and with the planner and client that read it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from energy_assets import calendar
from energy_assets.catalogue import datasets
from energy_assets.catalogue.derived import TABLES
from energy_assets.catalogue.fields import VOCABULARY, fields, meaning
from energy_assets.catalogue.model import SETTLEMENT_RUNS, Dataset, Field, Lag, Table
from energy_assets.ingest.planner import plan
from energy_assets.sources.elexon import render

VIEWS = {
    "DISEBSP",
    "BOAV",
    "DISPTAV",
    "EBOCF",
    "ISPSTACK",
    "SMSG",
    "OCNMFW",
    "OCNMFW2",
    "S0621",
    "S0142",
    "IF022",
    "IF023",
}
REGISTERS = {"BMUNITS", "FUELTYPES", "INTERCONNECTORS", "REMIT_PARTICIPANTS", "REMIT_ASSETS", "REMIT_FUELTYPES"}
DATASET_ENDPOINTS = 84
OUTTURN = {"INDO", "ITSDO", "INDOD"}
"""Asked by settlement day through the demand outturn streams, because their own endpoints have no settlement days."""

COMMON = {"from", "to", "date", "date_from", "date_to", "season", "as_of"}
PLACEHOLDERS = {
    "instant": COMMON,
    "day": COMMON,
    "period": COMMON | {"period", "period_from", "period_to", "periods"},
    "snapshot": set(),
}
CHECKED_TYPES = {"date": "date", "period": "date", "instant": "instant"}

ALL = pytest.mark.parametrize("entry", datasets("bmrs"), ids=lambda d: d.code)
EVERY_TABLE = pytest.mark.parametrize(
    "table", [*(d.table for d in datasets("bmrs")), *TABLES.values()], ids=lambda table: table.name
)


def of(codes: str) -> Iterable[Dataset]:
    """Entries by code, blanks between."""
    return (next(d for d in datasets("bmrs") if d.code == code) for code in codes.split())


class TestTheWhole:
    def test_every_code_of_the_issue_is_there_once(self) -> None:
        codes = [d.code for d in datasets("bmrs")]
        assert not [code for code, times in Counter(codes).items() if times > 1]
        assert set(codes) >= VIEWS | REGISTERS
        assert len(set(codes) - VIEWS - REGISTERS) == DATASET_ENDPOINTS

    def test_codes_with_a_dataset_endpoint_are_asked_there(self) -> None:
        elsewhere = {d.code for d in datasets("bmrs") if not re.match(rf"/datasets/{d.code}(/stream)?$", d.query.path)}
        assert elsewhere == VIEWS | REGISTERS | OUTTURN

    def test_groups_stand_together_so_that_the_page_has_each_once(self) -> None:
        groups = list(dict.fromkeys(d.group for d in datasets("bmrs")))
        in_order = [d.group for d in datasets("bmrs")]
        assert in_order == sorted(in_order, key=groups.index)

    def test_core_profile_suits_a_laptop(self) -> None:
        core = [d for d in datasets("bmrs") if "core" in d.profiles]
        assert 12 <= len(core) <= 15
        assert not any(d.table.heavy for d in core)

    def test_names_and_streams_are_not_shared(self) -> None:
        for values in (
            [d.name for d in datasets("bmrs")],
            [d.table.name for d in datasets("bmrs")],
            [d.iris_stream for d in datasets("bmrs") if d.iris_stream],
        ):
            assert len(values) == len(set(values))

    def test_importing_is_pure(self) -> None:
        heavy = "{'dagster', 'duckdb', 'httpx', 'pandas', 'pyarrow', 'pydantic', 'holidays'}"
        probe = (
            f"import sys; import energy_assets.catalogue as c; c.datasets(); print(sorted({heavy} & set(sys.modules)))"
        )
        found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
        assert found.stdout.strip() == "[]"


@EVERY_TABLE
class TestTable:
    def test_columns_are_named_once(self, table: Table) -> None:
        names = [f.name for f in table.fields]
        assert len(names) == len(set(names))
        assert not [name for name in names if name.startswith("_")]

    def test_natural_key_is_of_its_columns(self, table: Table) -> None:
        own = {"_partition_day"} if table.storage.kind == "snapshot" else set()
        assert table.event_key
        assert set(table.natural_key) <= set(table.by_name) | own
        assert not set(table.event_key) & set(table.version_columns)

    def test_day_is_a_function_of_the_natural_key(self, table: Table) -> None:
        storage = table.storage
        if storage.kind == "snapshot":
            assert (storage.column, table.natural_key[0]) == (None, "_partition_day")
            return
        assert storage.column in table.natural_key
        assert table.by_name[storage.column].type == storage.kind
        assert not table.by_name[storage.column].nullable

    def test_order_and_publication_columns_exist(self, table: Table) -> None:
        for by in table.latest_order:
            assert by.column in table.by_name
            assert not by.ranks or table.by_name[by.column].type == "text"
        if table.publish_column is not None:
            assert table.by_name[table.publish_column].type == "instant"

    def test_fallbacks_and_sets_are_of_the_key(self, table: Table) -> None:
        for column, substitute in table.key_fallback:
            assert column in table.event_key
            assert substitute in table.by_name
            assert substitute not in table.event_key
            assert table.by_name[column].nullable
        assert set(table.replace_scope) < set(table.natural_key)
        if table.set_column is not None:
            assert table.replace_scope
            assert table.by_name[table.set_column].type == "instant"

    def test_numbers_have_units_and_codes_have_none(self, table: Table) -> None:
        for f in table.fields:
            if f.type == "number":
                assert f.unit, f.name
            elif f.type != "integer":
                assert f.unit is None, f.name
            assert f.meaning.endswith("."), f.name
            assert f.low is None or f.high is None or f.low < f.high, f.name
            assert f.type in {"number", "integer"} or (f.low, f.high, f.sentinels) == (None, None, ()), f.name


@ALL
class TestEntry:
    def test_names_fit_dagster_and_sql(self, entry: Dataset) -> None:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", entry.code)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", entry.group)
        assert entry.table.name == f"bmrs_{entry.code.lower()}"
        assert entry.table.dataset == entry.code
        assert entry.name == f"bmrs/{entry.code.lower()}"

    def test_words(self, entry: Dataset) -> None:
        assert entry.title and not entry.title.endswith(".")
        for sentence in (entry.description, *entry.notes, *entry.unsure):
            assert sentence.endswith("."), sentence
        assert entry.licence.startswith("Contains BMRS data © Elexon")
        assert entry.docs_url is not None and entry.docs_url.startswith("https://")
        assert "{" not in entry.docs_url

    def test_profiles(self, entry: Dataset) -> None:
        assert entry.profiles[-1] == "all"
        assert len(entry.profiles) == len(set(entry.profiles))

    def test_begins_within_living_memory(self, entry: Dataset) -> None:
        assert date(2001, 1, 1) <= entry.begins <= date(2026, 12, 31)

    def test_window_columns_exist_and_are_required(self, entry: Dataset) -> None:
        check, known = entry.check, entry.table.by_name
        assert (check.kind == "none") == (entry.query.unit == "snapshot")
        if check.kind == "none":
            return
        assert check.column is not None
        assert known[check.column].type == CHECKED_TYPES[check.kind]
        assert not known[check.column].nullable
        assert (check.period_column is not None) == (check.kind == "period")
        if check.period_column is not None:
            assert known[check.period_column].type == "integer"
            assert not known[check.period_column].nullable

    def test_a_tolerance_is_argued(self, entry: Dataset) -> None:
        assert entry.check.reason or not (entry.check.before or entry.check.after)

    def test_fetch_axis_that_is_not_the_storage_axis_reaches_and_says_so(self, entry: Dataset) -> None:
        differ = entry.check.kind == "instant" and entry.check.column != entry.table.storage.column
        assert any(entry.query.reach) == differ
        assert not differ or entry.table.storage.reason

    def test_placeholders_are_those_of_the_unit(self, entry: Dataset) -> None:
        query = entry.query
        templates = [query.path, *(template for _, template in query.params)]
        used = {name for template in templates for name in re.findall(r"\{([^{}]*)\}", template)}
        branches = {name for name, _ in query.branches}
        assert used <= PLACEHOLDERS[query.unit] | branches
        assert bool(used - branches) == (query.unit != "snapshot")
        assert branches <= used

    def test_branches_are_columns_of_the_key_that_only_the_request_knows(self, entry: Dataset) -> None:
        asked = {f.name for f in entry.fields if f.origin == "request"}
        assert asked == {name for name, _ in entry.query.branches}
        assert asked <= set(entry.table.event_key)
        assert all(not entry.table.by_name[name].nullable for name in asked)

    def test_windows_are_on_a_grid(self, entry: Dataset) -> None:
        query = entry.query
        assert query.most % query.atom == 0
        if query.unit == "instant":
            assert 1440 % query.atom == 0
            assert 1440 % query.most == 0 if query.most < 1440 else query.most % 1440 == 0
        elif query.unit == "day":
            assert query.atom == 1
        elif query.unit == "period":
            assert query.most <= 50

    def test_plain_values_have_one_column(self, entry: Dataset) -> None:
        assert entry.query.scalars == ([f.name for f in entry.fields] == ["value"])

    def test_revision_rule_agrees_with_the_key(self, entry: Dataset) -> None:
        table = entry.table
        if entry.revision in {"vintage", "document_revision"}:
            assert table.version_columns and table.latest_order
            assert not table.replace_scope
        elif entry.code != "B1610":
            assert not table.version_columns
        if entry.revision in {"immutable", "event_log"}:
            assert not (table.replace_scope or table.latest_order)

    def test_runs_are_ranked(self, entry: Dataset) -> None:
        for by in entry.table.latest_order:
            assert by.ranks == (SETTLEMENT_RUNS if by.column == "settlementRunType" else ())

    def test_lags_come_one_after_the_other(self, entry: Dataset) -> None:
        timing = entry.timing
        start, end = datetime(2025, 2, 3, tzinfo=UTC), datetime(2025, 2, 4, tzinfo=UTC)
        moments = [calendar.lag_end(lag, start, end) for lag in (timing.available, timing.settled, *timing.rereads)]
        assert moments == sorted(moments)
        assert moments[-1] <= end + timedelta(days=3 * 366)
        assert 10 <= timing.poll_minutes <= 360

    def test_left_out_members_are_no_columns(self, entry: Dataset) -> None:
        spellings = set(entry.table.by_name) | {alias for f in entry.fields for alias in f.aliases}
        assert not spellings & set(entry.ignored)

    @pytest.mark.parametrize("day", [date(2026, 7, 15), date(2026, 10, 25), date(2027, 3, 28)], ids=str)
    def test_every_window_of_a_day_becomes_a_request(self, entry: Dataset, day: date) -> None:
        on_the_day = calendar.day_start_utc(day)
        asked_at = on_the_day if entry.query.unit == "snapshot" else on_the_day + timedelta(days=30)
        planned = plan(entry, day, day, (), asked_at)
        assert planned.status == "due", planned.reason
        for window in planned.windows:
            path, params = render(entry, window)
            assert not re.search(r"[{}]|%7B", path + "".join(value for _, value in params))
        starts = sorted((w.branch, w.from_utc, w.to_utc) for w in planned.windows)
        assert all(a[2] == b[1] for a, b in pairwise(starts) if a[0] == b[0])


class TestVocabulary:
    def test_a_name_means_the_same_unless_an_entry_says_otherwise(self) -> None:
        for d in datasets("bmrs"):
            for f in d.fields:
                known = VOCABULARY[f.name]
                if f.meaning == known.meaning:
                    assert (f.type, f.unit, f.low, f.high) == (known.type, known.unit, known.low, known.high), (
                        d.code,
                        f,
                    )

    def test_same_words_mean_the_same_everywhere(self) -> None:
        told: dict[tuple[str, str], Field] = {}
        for d in datasets("bmrs"):
            for f in d.fields:
                first = told.setdefault((f.name, f.meaning), f)
                assert (f.type, f.unit, f.sentinels) == (first.type, first.unit, first.sentinels), (d.code, f.name)

    def test_no_word_is_idle(self) -> None:
        used = {f.name for d in datasets("bmrs") for f in d.fields}
        assert set(VOCABULARY) == used

    def test_a_special_field_must_be_chosen(self) -> None:
        with pytest.raises(KeyError, match="generation"):
            fields("dataset publishTime", meaning("generation", "Something else."))

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(KeyError, match="publishTme"):
            fields("dataset publishTme")


class TestWhatWasLearnedTheHardWay:
    """Facts of single datasets whose loss would bring a known failure back."""

    def test_publish_parameters_are_not_sent_where_they_are_ignored(self) -> None:
        for d in of("FREQ NONBM"):
            assert not [name for name, _ in d.query.params if name.startswith("publish")]

    def test_segments_of_one_period_do_not_collapse(self) -> None:
        for d in of("PN QPN MELS MILS BOD MDO MDB BOALF"):
            assert {"timeFrom", "timeTo"} <= set(d.table.natural_key)

    def test_units_without_an_elexon_id_do_not_collapse(self) -> None:
        for d in datasets("bmrs"):
            if "bmUnit" in d.table.event_key and "nationalGridBmUnit" in d.table.by_name:
                assert dict(d.table.key_fallback) == {"bmUnit": "nationalGridBmUnit"}
            if "nationalGridBmUnit" in d.table.event_key and "bmUnit" in d.table.by_name:
                assert dict(d.table.key_fallback) == {"nationalGridBmUnit": "bmUnit"}

    def test_no_price_is_a_code_and_is_kept(self) -> None:
        (bod,) = of("BOD")
        assert {f.name: f.sentinels for f in bod.fields if f.sentinels} == {
            "offer": (-99999.0, 99999.0),
            "bid": (-99999.0, 99999.0),
        }

    def test_sets_are_replaced_whole(self) -> None:
        scopes = {d.code: set(d.table.replace_scope) for d in datasets("bmrs")}
        period = {"settlementDate", "settlementPeriod"}
        assert scopes["DISBSAD"] == period
        for code in ("MELS", "MILS"):
            assert scopes[code] == period | {"nationalGridBmUnit"}
        for code in ("ISPSTACK", "BOAV", "DISPTAV", "EBOCF"):
            assert scopes[code] == period | {"bidOffer"}
        assert scopes["BOALF"] == {"nationalGridBmUnit", "acceptanceNumber"}
        for code in REGISTERS:
            assert scopes[code] == {"_partition_day"}

    def test_measured_outturn_is_asked_by_settlement_day(self) -> None:
        for d in of("FUELINST FUELHH INDO ITSDO INDOD"):
            assert [name for name, _ in d.query.params] == ["settlementDateFrom", "settlementDateTo"]

    def test_metered_volume_is_not_due_before_its_first_run(self) -> None:
        for d in of("B1610 TUDM S0621"):
            assert d.timing.available == Lag(run="II")

    def test_every_settlement_run_is_asked_for_by_name(self) -> None:
        (s0621,) = of("S0621")
        assert s0621.query.params == tuple(("settlementRunType", run) for run in SETTLEMENT_RUNS)

    def test_windows_stay_within_limits_of_a_day_even_when_it_has_25_hours(self) -> None:
        for d in of("FREQ SOSO BOALF REMIT NDF TSDF INDGEN INDDEM IMBALNGC MELNGC CBS PBC"):
            assert d.query.most == 1440
        for code, hours in {"LOLPDRM": 12, "UOU2T14D": 4}.items():
            (d,) = of(code)
            assert d.query.most == hours * 60

    def test_demand_outturn_takes_its_own_value_of_the_shared_answer(self) -> None:
        indo, itsdo = of("INDO ITSDO")
        assert indo.table.by_name["demand"].aliases == itsdo.ignored
        assert itsdo.table.by_name["demand"].aliases == indo.ignored

    def test_register_numbers_given_as_text_are_numbers(self) -> None:
        (units,) = of("BMUNITS")
        assert {units.table.by_name[name].type for name in ("demandCapacity", "transmissionLossFactor")} == {"number"}
