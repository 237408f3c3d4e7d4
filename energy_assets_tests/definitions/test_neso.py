"""NESO's portal in Dagster: which families a tick is about, what a run brings from the portal, and what it reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from energy_assets import calendar
from energy_assets.assets import reporting
from energy_assets.assets.partitions import range_tags
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import Storage, cadence
from energy_assets.automation.build import build_definitions
from energy_assets.automation.neso import LONGEST_REFRESH, families_at
from energy_assets.catalogue import dataset, datasets
from energy_assets.sandbox.neso.app import NesoSandbox
from energy_assets.settings import load_settings
from energy_assets.wiring import TablePlace
from energy_assets_tests.definitions.conftest import failure_text
from energy_assets_tests.definitions.test_schedules import build, iter_ticks, tick
from energy_assets_tests.neso.world import Stage, staged

NOON = datetime(2026, 10, 8, 12, tzinfo=UTC)
"""When a test's run begins, far from midnight; time goes on from there."""

SCHEDULE = "neso_refresh_schedule"

DEMAND = "neso/historic_demand"
FORECAST = "neso/embedded_forecast"
REGISTER = "neso/interconnector_register"
REQUIREMENTS = "neso/dfs_requirement"
KEPT = (DEMAND, FORECAST, REGISTER, REQUIREMENTS)

FAST = {
    "neso/generation_mix",
    "neso/national_carbon_intensity",
    "neso/regional_carbon_intensity",
    "neso/country_carbon_intensity",
    "neso/obp_physical_notifications",
    "neso/obp_reserve_prices",
    "neso/interconnector_auctions",
    "neso/upcoming_trades",
}
"""Families that change more often than hourly."""


def today() -> date:
    return calendar.settlement_day(datetime.now(tz=UTC))


def ago(days: int) -> date:
    return today() - timedelta(days=days)


def body(name: str, *rows: dict[str, object]) -> str:
    """A file of a family with the columns that every one has, and those that a row names; other cells are empty."""
    entry = dataset(name)
    assert entry.files is not None
    named = {header for row in rows for header in row}
    own = [(f.aliases[0], f.name in entry.files.optional) for f in entry.fields if f.origin == "row"]
    header = [h for h, optional in own if not optional or h in named]
    assert named <= set(header)
    return "\n".join([",".join(header), *(",".join(str(row.get(h, "")) for h in header) for row in rows)]) + "\n"


class World:
    """A portal, a home that keeps a few of its families, and an instance."""

    def __init__(self, sandbox: NesoSandbox, url: str, folder: Path, instance: dg.DagsterInstance) -> None:
        variables = {
            "ENERGY_ASSETS_HOME": str(folder / "home"),
            "ENERGY_ASSETS_NESO_URL": url,
            "ENERGY_ASSETS_NESO_REQUEST_SECONDS": "0",
            "ENERGY_ASSETS_NESO_DATASTORE_SECONDS": "0",
            "ENERGY_ASSETS_LOG_LEVEL": "WARNING",
        }
        self.sandbox = sandbox
        self.instance = instance
        self.platform = Platform(lambda: load_settings(variables, None))
        self.defs = build_definitions(self.platform, [dataset(n) for n in ("bmrs/fuelhh", *KEPT)])

    def put(self, name: str, resource: str, *rows: dict[str, object], text: str | None = None) -> None:
        """Put a file on the portal, or another one in its place; it was changed now."""
        from energy_assets.sandbox.neso.shelf import Entry

        entry = dataset(name)
        assert entry.files is not None and entry.files.holds(resource)
        content = body(name, *rows) if text is None else text
        self.sandbox.shelf.put(Entry(entry.files.package, resource), content.encode())

    def put_all(self, value: int = 1) -> None:
        """A file of every family: demand of yesterday, a forecast issued today, a register, today's requirement."""
        self.put_demand({ago(1): value})
        issued = f"{today()}T00:00:00"
        row = {"DATE_GMT": today(), "TIME_GMT": "12:00:00", "SETTLEMENT_DATE": today(), "SETTLEMENT_PERIOD": 24}
        self.put(FORECAST, "Embedded Solar and Wind Forecast", row | {"Forecast_Datetime": issued})
        self.put(REGISTER, "Interconnector Register", {"Project Name": "A", "Project Number": "PRO-A"})
        self.put_requirements({today(): value})

    def put_demand(self, values: dict[date, int]) -> None:
        rows = [{"SETTLEMENT_DATE": day, "SETTLEMENT_PERIOD": 1, "ND": value} for day, value in values.items()]
        self.put(DEMAND, "Historic Demand Data 2026", *rows)

    def put_requirements(self, values: dict[date, int]) -> None:
        rows = [{"Delivery Date": day, "Service Requirement MW": value} for day, value in values.items()]
        self.put(REQUIREMENTS, "DFS Service Requirement", *rows)

    def refresh(self, *families: str) -> dg.ExecuteInProcessResult:
        """A run of the job, of these families or those that it chooses itself."""
        config = {"ops": {"refresh_families": {"config": {"families": list(families)}}}} if families else {}
        self.sandbox.requests.clear()
        job = self.defs.resolve_job_def("neso_refresh")
        return job.execute_in_process(run_config=config, instance=self.instance, raise_on_error=False)

    def materialize(
        self, *names: str, first: date, last: date | None = None, refetch: bool = True
    ) -> dg.ExecuteInProcessResult:
        """A run of assets, as a person starts it."""
        self.sandbox.requests.clear()
        about: dict[str, Any] = {"partition_key": str(first)} if last is None else {"tags": range_tags(first, last)}
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"ops": {"neso": {"config": {"refetch": refetch}}}},
            instance=self.instance,
            asset_selection=[dg.AssetKey(name.split("/")) for name in names],
            raise_on_error=False,
            **about,
        )

    def told(self, result: dg.ExecuteInProcessResult, name: str) -> list[date]:
        """Partitions of a family that a run reported."""
        return sorted(date.fromisoformat(partition) for partition, _ in self.told_with_numbers(result, name))

    def told_with_numbers(self, result: dg.ExecuteInProcessResult, name: str) -> list[tuple[str, dict[str, Any]]]:
        filters = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name.split("/")))
        records = self.instance.fetch_materializations(filters, limit=1000).records
        return [
            (r.partition_key or "", {label: value.value for label, value in r.asset_materialization.metadata.items()})
            for r in records
            if r.run_id == result.run_id and r.asset_materialization is not None
        ]

    def asked(self) -> list[str]:
        """What the last run asked, by the names of routes."""
        return [str(request.dataset) for request in self.sandbox.requests]

    def rows(self, name: str) -> int:
        with self.platform.warehouse() as warehouse:
            return warehouse.read(dataset(name).table, date(2001, 1, 1), date(2100, 1, 1)).num_rows


@pytest.fixture(scope="module")
def portal_stage() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


@pytest.fixture
def world(portal_stage: tuple[Stage, str], tmp_path: Path, instance: dg.DagsterInstance) -> Iterator[World]:
    stage, url = portal_stage
    with time_machine.travel(NOON):
        yield World(stage.fresh(clock=lambda: datetime.now(tz=UTC)), url, tmp_path, instance)


class TestDefinitions:
    def test_every_family_is_an_asset_in_the_portals_group_with_its_page(self) -> None:
        specs = {"/".join(s.key.path): s for s in build_definitions().resolve_all_asset_specs()}
        for entry in datasets("neso"):
            spec = specs[entry.name]
            assert (spec.group_name, set(spec.kinds)) == (entry.group, {"ckan", "duckdb"})
            assert spec.metadata["dagster/uri"].value == entry.docs_url
            assert {"package", "resources", "kind"} <= spec.metadata.keys()

    @pytest.mark.parametrize(
        ("name", "word"),
        [
            ("neso/upcoming_trades", "continuous"),
            ("neso/generation_mix", "half_hourly"),
            (FORECAST, "hourly"),
            (DEMAND, "daily"),
            (REGISTER, "snapshot"),
        ],
    )
    def test_how_often_a_family_changes_is_one_word(self, name: str, word: str) -> None:
        assert cadence(dataset(name)) == word

    def test_the_step_of_the_families_is_made_whatever_families_there_are(self) -> None:
        from energy_assets.assets.provider import provider_assets

        storage = Storage("duckdb", lambda table: TablePlace(table, table))
        made = provider_assets("neso", [dataset(DEMAND)], storage)
        assert (made.op.name, made.keys) == ("neso", {dg.AssetKey(["neso", "historic_demand"])})


class TestTicks:
    @pytest.mark.parametrize("at", ["2026-07-15T12:00", "2026-07-15T23:00", "2026-03-29T01:00", "2026-10-25T01:00"])
    def test_at_the_full_hour_every_family_is_looked_at(
        self, at: str, tmp_path: Path, instance: dg.DagsterInstance
    ) -> None:
        ((request,), _) = tick(build(tmp_path), SCHEDULE, instance, at)
        assert request.run_config["ops"] == {"refresh_families": {"config": {"families": []}}}
        assert request.run_key == f"{at}Z"
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("minute", [10, 20, 30, 40, 50])
    def test_in_between_those_are_that_change_faster(
        self, minute: int, tmp_path: Path, instance: dg.DagsterInstance
    ) -> None:
        ((request,), _) = tick(build(tmp_path), SCHEDULE, instance, f"2026-07-15T12:{minute}")
        assert set(request.run_config["ops"]["refresh_families"]["config"]["families"]) == FAST

    def test_it_ticks_every_ten_minutes_through_both_clock_changes(self, tmp_path: Path) -> None:
        schedule = build(tmp_path).resolve_schedule_def(SCHEDULE)
        for start in (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
            times = iter_ticks(schedule, start, 40)
            assert {(b - a).total_seconds() for a, b in pairwise(times)} == {600}
            assert sum(len(families_at(datasets("neso"), at)) == 186 for at in times) in (6, 7)

    def test_the_profile_bounds_what_is_kept_current(self, tmp_path: Path, instance: dg.DagsterInstance) -> None:
        core = build(tmp_path, ENERGY_ASSETS_PROFILE="core")
        ((request,), _) = tick(core, SCHEDULE, instance, "2026-07-15T12:10")
        names = set(request.run_config["ops"]["refresh_families"]["config"]["families"])
        assert names == {n for n in FAST if "core" in dataset(n).profiles} < FAST
        settlement = build(tmp_path, ENERGY_ASSETS_PROFILE="settlement")
        requests, reason = tick(settlement, SCHEDULE, instance, "2026-07-15T12:10")
        assert (requests, reason) == ([], "no family that is kept changes more often than hourly")
        assert tick(settlement, SCHEDULE, instance, "2026-07-15T12:00")[0]

    def test_a_tick_is_skipped_while_the_last_run_is_active_and_names_it(
        self, tmp_path: Path, instance: dg.DagsterInstance
    ) -> None:
        defs = build(tmp_path)
        run = instance.create_run_for_job(defs.resolve_job_def("neso_refresh"), status=dg.DagsterRunStatus.STARTED)
        requests, reason = tick(defs, SCHEDULE, instance, "2026-07-15T12:00")
        assert (requests, reason) == ([], f"run {run.run_id} of neso_refresh is still active")
        assert tick(defs, "bmrs_refresh_schedule", instance, "2026-07-15T12:00")[0]

    def test_a_run_that_a_lost_machine_left_behind_holds_nothing_up_for_long(
        self, tmp_path: Path, instance: dg.DagsterInstance
    ) -> None:
        defs = build(tmp_path)
        with time_machine.travel(datetime.now(tz=UTC) - LONGEST_REFRESH - timedelta(minutes=1), tick=False):
            instance.create_run_for_job(defs.resolve_job_def("neso_refresh"), status=dg.DagsterRunStatus.STARTED)
        assert tick(defs, SCHEDULE, instance, "2026-07-15T12:00")[0]


class TestTheJob:
    def test_it_loads_what_is_new_and_reports_the_days_that_changed(self, world: World) -> None:
        world.put_all()
        result = world.refresh()
        assert result.success, failure_text(result)
        assert [world.told(result, name) for name in KEPT] == [[ago(1)], [today()], [today()], [today()]]
        ((_, numbers),) = world.told_with_numbers(result, DEMAND)
        assert numbers["rows_inserted"] == 1
        assert {name: world.rows(name) for name in KEPT} == dict.fromkeys(KEPT, 1)

    def test_a_tick_with_nothing_new_writes_events_of_the_run_only(self, world: World) -> None:
        world.put_all()
        world.refresh()
        result = world.refresh()
        assert result.success
        assert world.asked() == ["package_search"]
        entries = world.instance.all_logs(result.run_id)
        kinds = [e.dagster_event.event_type_value for e in entries if e.dagster_event is not None]
        assert not [kind for kind in kinds if kind.startswith("ASSET")]
        assert len(entries) <= 20
        assert [world.told(result, name) for name in KEPT] == [[], [], [], []]

    def test_only_days_whose_rows_changed_are_reported(self, world: World) -> None:
        world.put_demand({ago(n): 10 for n in range(1, 6)})
        assert world.told(world.refresh(), DEMAND) == [ago(n) for n in range(5, 0, -1)]
        world.put_demand({ago(n): 10 if n != 3 else 11 for n in range(1, 6)})
        assert world.told(world.refresh(), DEMAND) == [ago(3)]

    def test_of_a_first_load_the_last_quarter_is_reported_and_nothing_that_is_to_come(self, world: World) -> None:
        world.put_demand({ago(n): 1 for n in range(-2, reporting.RECENT_DAYS + 20)})
        told = world.told(world.refresh(), DEMAND)
        assert (len(told), told[0], told[-1]) == (reporting.RECENT_DAYS, ago(reporting.RECENT_DAYS - 1), today())

    def test_a_day_written_before_it_began_is_reported_when_it_has_begun_and_once(self, world: World) -> None:
        tomorrow = ago(-1)
        world.put_requirements({today(): 1, tomorrow: 2})
        assert world.told(world.refresh(), REQUIREMENTS) == [today()]
        with time_machine.travel(calendar.day_start_utc(tomorrow) + timedelta(minutes=10)):
            first, second = world.refresh(FORECAST), world.refresh()
            assert world.told_with_numbers(first, REQUIREMENTS) == [(str(tomorrow), {"rows": 1})]
            assert world.told(second, REQUIREMENTS) == []

    def test_a_failure_takes_no_other_family_with_it_and_is_told_in_one_sentence(self, world: World) -> None:
        world.put_all()
        world.put(DEMAND, "Historic Demand Data 2025", text="nonsense\n1\n")
        world.put(FORECAST, "Embedded Solar and Wind Forecast", text="nonsense\n1\n")
        result = world.refresh()
        assert not result.success
        text = failure_text(result)
        assert "2 of 4 datasets failed, the others were not held up" in text
        assert "NESO_HISTORIC_DEMAND" in text and "NESO_EMBEDDED_FORECAST" in text
        # What the family's sound file brought stands, and is not brought again.
        assert [world.told(result, name) for name in KEPT] == [[ago(1)], [], [today()], [today()]]

    def test_a_person_chooses_families_by_name(self, world: World) -> None:
        world.put_all()
        assert world.refresh("neso/dfs_*", "NESO_HISTORIC_DEMAND").success
        assert {name: world.rows(name) for name in (DEMAND, REQUIREMENTS)} == {DEMAND: 1, REQUIREMENTS: 1}
        asked = world.refresh()
        assert [len(world.told(asked, name)) for name in KEPT] == [0, 1, 1, 0]

    @pytest.mark.parametrize(
        ("name", "said"), [("neso/historic_demnd", "did you mean"), ("bmrs/fuelhh", "no family of the portal")]
    )
    def test_a_name_that_is_no_familys_is_told(self, world: World, name: str, said: str) -> None:
        result = world.refresh(name)
        assert said in failure_text(result)
        assert not world.asked()

    def test_numbers_of_the_run_are_kept_with_it(self, world: World) -> None:
        world.put_all()
        result = world.refresh()
        (event,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
        numbers = {name: value.value for name, value in event.step_output_data.metadata.items()}
        assert (numbers["datasets"], numbers["failed"], numbers["files"], numbers["rows_inserted"]) == (4, 0, 4, 4)


class TestTheAssets:
    def test_a_person_materializes_a_range(self, world: World) -> None:
        world.put_demand({ago(n): 10 for n in range(1, 4)})
        result = world.materialize(DEMAND, first=ago(3), last=ago(2))
        assert result.success, failure_text(result)
        # The file holds yesterday as well.
        assert world.told(result, DEMAND) == [ago(3), ago(2), ago(1)]
        assert world.rows(DEMAND) == 3

    def test_pressing_it_again_reads_the_file_behind_the_day_again(self, world: World) -> None:
        world.put_demand({ago(1): 10})
        world.materialize(DEMAND, first=ago(1))
        result = world.materialize(DEMAND, first=ago(1))
        assert "download" in world.asked()
        assert world.told(result, DEMAND) == [ago(1)]

    def test_a_backfill_that_believes_the_receipts_asks_for_nothing_that_is_held(self, world: World) -> None:
        old = ago(reporting.RECENT_DAYS + 100)
        world.put_demand({old: 1, ago(1): 1})
        assert world.told(world.refresh(), DEMAND) == [ago(1)]
        result = world.materialize(DEMAND, first=old, last=old + timedelta(days=1), refetch=False)
        assert world.asked() == ["package_search"]
        assert world.told(result, DEMAND) == [old, old + timedelta(days=1)]

    def test_a_family_that_fails_is_shown_failed_and_the_others_stand(self, world: World) -> None:
        world.put_all()
        world.put(FORECAST, "Embedded Solar and Wind Forecast", text="nonsense\n1\n")
        result = world.materialize(FORECAST, REQUIREMENTS, first=today())
        assert "1 of 2 datasets failed" in failure_text(result)
        assert [world.told(result, name) for name in (FORECAST, REQUIREMENTS)] == [[], [today()]]

    def test_the_past_of_a_register_is_an_error_when_asked_for_alone(self, world: World) -> None:
        result = world.materialize(REGISTER, first=ago(3))
        assert "can only be read as it is now; choose today's partition" in failure_text(result)
        assert not world.asked()
