"""Every family of the NESO catalogue agrees with itself, and every package of the portal is accounted for."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from energy_assets.catalogue import datasets, select
from energy_assets.catalogue.cli import app
from energy_assets.catalogue.describe import as_plain
from energy_assets.catalogue.model import (
    Dataset,
    LabelInterval,
    PairInterval,
    RangeInterval,
    SettlementInterval,
    TimesInterval,
)
from energy_assets.catalogue.neso import ENTRIES, LEFT_OUT
from energy_assets.catalogue.neso.build import snake
from energy_assets.catalogue.neso.page import PAGE, page
from energy_assets.catalogue.neso.resources import RESOURCES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (Path(__file__).parent / "packages.txt").read_text(encoding="utf-8").split()
"""Every package of the portal, as it was in October 2026 or has been before."""

GROUPS = {
    "ancillary_services",
    "balancing",
    "carbon_intensity1",
    "connection_registers",
    "constraint_management",
    "demand",
    "dfs",
    "electricity_market_reform",
    "future_energy_scenarios",
    "generation",
    "interconnectors",
    "network_charges",
    "plans_reports_analysis",
    "strategic_energy_planning",
    "system",
    "trade_data",
}

EVERY = pytest.mark.parametrize("entry", ENTRIES, ids=lambda d: d.code)


def held(package: str) -> list[Dataset]:
    return [d for d in ENTRIES if d.files is not None and d.files.package == package]


class TestTheWhole:
    def test_every_package_is_in_an_entry_or_left_out_for_a_reason(self) -> None:
        entered = {d.files.package for d in ENTRIES if d.files is not None}
        whole = {left.package for left in LEFT_OUT if not left.resources}
        assert len(PACKAGES) == len(set(PACKAGES)) == 131
        assert entered | whole == set(PACKAGES)
        assert not entered & whole
        assert {left.package for left in LEFT_OUT} <= set(PACKAGES)
        assert all(left.reason.endswith(".") for left in LEFT_OUT)

    def test_every_table_that_was_seen_belongs_to_one_family_or_is_left_out(self) -> None:
        for package, resources in RESOURCES.items():
            left = [rule for rule in LEFT_OUT if rule.package == package]
            for resource in resources:
                families = [d.code for d in held(package) if d.files is not None and d.files.holds(resource.name)]
                out = [r for r in left if not r.resources or re.fullmatch(r.resources, resource.name)]
                assert len(families) + len(out) == 1, (package, resource.name, families, out)

    def test_codes_names_and_tables_are_not_shared_with_anybody(self) -> None:
        everything = datasets()
        for values in (
            [d.code for d in everything],
            [d.name for d in everything],
            [d.table.name for d in everything],
            [d.table.name + suffix for d in everything for suffix in ("_history", "_latest")],
        ):
            assert not [value for value, times in Counter(values).items() if times > 1]

    def test_groups_are_those_of_the_portal_and_stand_together(self) -> None:
        in_order = [d.group for d in ENTRIES]
        groups = list(dict.fromkeys(in_order))
        assert set(groups) <= GROUPS
        assert in_order == sorted(in_order, key=groups.index)

    def test_a_resource_of_next_year_belongs_to_its_family(self) -> None:
        for package, name, code in (
            ("historic-demand-data", " Historic Demand Data 2031 ", "NESO_HISTORIC_DEMAND"),
            ("system-frequency-data", "May 2031 - Historic Frequency Data", "NESO_SYSTEM_FREQUENCY"),
            ("disaggregated-bsad", "Disaggregated BSAD 2031-32", "NESO_BSAD_DISAGGREGATED"),
            ("skip-rates", "Skip Rate - Exclusion Reasons - May 2031", "NESO_SKIP_RATE_EXCLUSIONS"),
        ):
            assert [d.code for d in held(package) if d.files is not None and d.files.holds(name)] == [code]

    def test_they_are_among_what_is_asked_for(self) -> None:
        assert set(ENTRIES) <= set(select("all"))
        assert select("neso/*") == ENTRIES

    def test_every_setting_of_an_entry_can_be_written_as_json(self) -> None:
        for entry in ENTRIES:
            json.dumps(as_plain(entry))


class TableChecks:
    def check_columns_are_named_once_and_fit_both_warehouses(self, entry: Dataset) -> None:
        names = [f.name for f in entry.fields]
        assert len(names) == len(set(names))
        for name in names:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name

    def check_the_natural_key_is_of_its_columns(self, entry: Dataset) -> None:
        table = entry.table
        own = {"_partition_day"} if table.storage.kind == "snapshot" else set()
        assert set(table.natural_key) <= set(table.by_name) | own
        assert not set(table.event_key) & set(table.version_columns)
        assert len(table.event_key) == len(set(table.event_key))
        assert set(table.replace_scope) < set(table.natural_key)

    def check_the_day_is_a_function_of_the_natural_key(self, entry: Dataset) -> None:
        storage, table = entry.table.storage, entry.table
        if storage.kind == "snapshot":
            assert (storage.column, table.natural_key[0]) == (None, "_partition_day")
            return
        assert storage.column in table.natural_key
        assert table.by_name[storage.column].type == storage.kind
        assert not table.by_name[storage.column].nullable

    def check_numbers_have_units_and_everything_a_meaning(self, entry: Dataset) -> None:
        for f in (*entry.fields, *(entry.files.personal if entry.files else ())):
            assert f.meaning.endswith("."), f.name
            assert f.unit if f.type == "number" else f.unit is None, f.name
            assert f.type in {"text", "integer", "number", "date", "instant"}, f.name

    def check_headers_are_told_apart(self, entry: Dataset) -> None:
        assert entry.files is not None
        headers = [h for f in (*entry.fields, *entry.files.personal) for h in f.aliases] + list(entry.files.ignored)
        assert len(headers) == len(set(headers))
        for f in entry.fields:
            assert bool(f.aliases) == (f.origin == "row"), f.name


class RuleChecks:
    def check_names(self, entry: Dataset) -> None:
        assert entry.provider == "neso"
        assert entry.code == f"NESO_{str(entry.alias).upper()}"
        assert entry.name == f"neso/{entry.alias}"
        assert entry.table.name == f"neso_{entry.alias}"
        assert entry.table.dataset == entry.code
        assert entry.licence == "Supported by National Energy SO Open Data."
        for sentence in (entry.description, *entry.notes, *entry.unsure):
            assert sentence.endswith("."), sentence

    def check_kind_and_storage_agree(self, entry: Dataset) -> None:
        assert entry.files is not None
        kind, storage = entry.files.kind, entry.table.storage
        if kind == "register":
            assert storage.kind == "snapshot"
        elif kind == "forecast":
            assert (storage.kind, storage.column) == ("instant", "issue_utc")
            assert "issue_utc" in entry.table.version_columns
            assert entry.table.publish_column == "issue_utc"
            assert entry.files.issue
            assert entry.revision == "vintage"
        else:
            assert storage.kind in {"date", "instant"}
            assert not entry.files.issue

    def check_rules_name_columns_that_there_are(self, entry: Dataset) -> None:
        assert entry.files is not None
        files, known = entry.files, entry.table.by_name
        named = [*files.optional, *files.text.percent, *(c for rule in files.dates for c in rule.columns)]
        named += [issue.column for issue in files.issue if issue.column]
        named += [files.day_of] if files.day_of else []
        assert set(named) <= set(known)
        assert not set(files.optional) & set(entry.table.natural_key) - {"service", "forecast_timestamp"}

    def check_every_date_with_a_time_has_a_clock(self, entry: Dataset) -> None:
        assert entry.files is not None
        clocks = {clock.column: clock for clock in entry.files.clocks}
        assert set(clocks) <= set(entry.table.by_name)
        for f in entry.fields:
            if f.origin == "row" and f.type == "instant":
                assert clocks[f.name].zone == "utc", f.name
            if f.name in clocks and f.type == "text":
                assert clocks[f.name].zone != "utc", f.name

    def check_the_interval_is_of_columns_of_the_right_type(self, entry: Dataset) -> None:
        assert entry.files is not None
        rule, kinds = entry.files.interval, {f.name: f.type for f in entry.fields}
        clocks = {clock.column for clock in entry.files.clocks}
        if isinstance(rule, SettlementInterval):
            assert (kinds[rule.day], kinds[rule.period]) == ("date", "integer")
        elif isinstance(rule, LabelInterval):
            assert rule.column in clocks
            assert rule.period is None or kinds[rule.period] == "integer"
        elif isinstance(rule, PairInterval):
            assert {rule.start, rule.end} <= clocks
        elif isinstance(rule, TimesInterval):
            assert kinds[rule.day] == "date"
            assert {kinds[rule.start], kinds[rule.end]} <= {"integer", "text"}
        elif isinstance(rule, RangeInterval):
            assert kinds[rule.column] == "text"
            assert rule.day is None or kinds[rule.day] == "date"

    def check_what_is_known_of_it_is_of_it(self, entry: Dataset) -> None:
        assert entry.files is not None
        for resource in entry.files.known:
            assert entry.files.holds(resource.name)
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", resource.id)
        assert 10 <= entry.files.probe_minutes <= 1440


CHECKS = tuple(check for checks in (TableChecks, RuleChecks) for name, check in vars(checks).items() if "check" in name)


@EVERY
def test_an_entry_agrees_with_itself(entry: Dataset) -> None:
    for check in CHECKS:
        check(None, entry)


class TestWords:
    @pytest.mark.parametrize(
        ("header", "name"),
        [
            ("SETTLEMENT_DATE", "settlement_date"),
            ("Limit (MW)", "limit_mw"),
            ("B6/EC5", "b6_ec5"),
            ("deliveryStart", "delivery_start"),
            ("Cost for this utilisation (£)", "cost_for_this_utilisation_gbp"),
            ("TDR Tariff in Â£/(Site Day)", "tdr_tariff_in_gbp_site_day"),
        ],
    )
    def test_headers_become_snake_case(self, header: str, name: str) -> None:
        assert snake(header) == name

    def test_the_page_in_the_repository_is_current(self) -> None:
        assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run `energy-assets catalogue docs`"

    def test_the_page_has_one_heading_for_each(self) -> None:
        headings = [line.lstrip("# ").lower() for line in page().splitlines() if line.startswith("#")]
        assert {str(d.alias) for d in ENTRIES} <= set(headings)
        assert not [h for h, times in Counter(headings).items() if times > 1 and h in {d.alias for d in ENTRIES}]

    def test_the_command_line_counts_by_provider(self) -> None:
        result = CliRunner().invoke(app, [])
        assert result.exit_code == 0
        assert f"neso {len(ENTRIES)}" in result.stdout
        assert f"bmrs {len(datasets('bmrs'))}" in result.stdout

    def test_the_command_line_shows_and_lists_a_family(self) -> None:
        shown = CliRunner().invoke(app, ["show", "neso/historic_demand"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0
        assert "Historic Demand Data" in shown.stdout
        listed = CliRunner().invoke(app, ["list", "--provider", "neso", "--json"])
        assert [entry["code"] for entry in json.loads(listed.stdout)] == [d.code for d in ENTRIES]
