"""The sheet in Dagster: asked for after refreshes, sparingly, and never in anything's way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from energy_assets.assets.resources import Platform
from energy_assets.automation.build import build_definitions
from energy_assets.automation.iris import iris_load
from energy_assets.automation.sheet import AT_LEAST_EVERY, LOADS_EVERY, SYNC_SHEET, under_way
from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Receipt, ReceiptStatus, Window
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.sandbox.server import running
from energy_assets.sandbox.sheets import SHEET_ID, SHEETS_PATH, SheetsSandbox
from energy_assets.settings import load_settings
from energy_assets.tracking import sheet as mirror
from energy_assets.wiring import open_warehouse
from energy_assets_tests.definitions.conftest import failure_text

SENSOR = f"{SYNC_SHEET}_sensor"
FUELINST = dataset("FUELINST")
MID = dataset("MID")


class World:
    """A home with receipts, a code location with a sheet, and an instance."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, app: SheetsSandbox, url: str) -> None:
        self.app, self.instance = app, instance
        self.variables = {
            "ENERGY_ASSETS_HOME": str(folder / "home"),
            "ENERGY_ASSETS_LOG_LEVEL": "WARNING",
            "ENERGY_ASSETS_SHEETS_URL": url,
            "ENERGY_ASSETS_SHEET_ID": SHEET_ID,
        }
        self.platform = Platform(lambda: load_settings(self.variables, None))
        self.defs = build_definitions(self.platform, [FUELINST, dataset("FUELHH"), MID])
        self.cursor: str | None = None

    def record(self, code: str, status: ReceiptStatus, reason: str = "") -> None:
        entry, now = dataset(code), datetime.now(tz=UTC)
        window = Window(*day_bounds_utc(date(2026, 7, 14)))
        warehouse = open_warehouse(self.platform.settings())
        made = Receipt(
            new_receipt_id(now), entry.code, entry.table.name, window, status, now, "test", reason=reason
        ).with_(recorded_utc=now)
        warehouse.record([made])
        warehouse.close()

    def tick(self) -> tuple[list[dg.RunRequest], str | None]:
        """One tick of the sensor, whose cursor is kept."""
        repository = self.defs.get_repository_def()
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=repository, resources={"platform": self.platform}
        ) as context:
            data = repository.get_sensor_def(SENSOR).evaluate_tick(context)
        self.cursor = data.cursor or self.cursor
        return list(data.run_requests or []), data.skip_message

    def sync(self) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(SYNC_SHEET).execute_in_process(instance=self.instance, raise_on_error=False)

    def ended(self, job: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> None:
        """A run of a job that has ended just now."""
        made = iris_load if job == "iris_load" else self.defs.resolve_job_def(job)
        config = {"ops": {"load_manifest": {"config": {"manifest": "one"}}}} if job == "iris_load" else {}
        run = self.instance.create_run_for_job(made, run_config=config, status=dg.DagsterRunStatus.STARTED)
        self.report(run, f"PIPELINE_{status.value}")

    def report(self, run: dg.DagsterRun, event: str) -> None:
        """Let a run come to something now."""
        self.instance.report_dagster_event(dg.DagsterEvent(event_type_value=event, job_name=run.job_name), run.run_id)

    def rows(self) -> dict[object, list[object]]:
        return {line[1]: line for line in self.app.books[SHEET_ID].tab("Status").values()[1:]}


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> Iterator[World]:
    app = SheetsSandbox()
    with running(app, path=SHEETS_PATH) as url:
        yield World(tmp_path, instance, app, url)


def test_the_job_writes_what_receipts_say(world: World) -> None:
    world.record("FUELINST", "written")
    world.record("MID", "failed", "=MID failed: HTTP 503")
    assert world.sync().success
    rows = world.rows()
    assert rows["FUELINST"][0] == "BMRS" and rows["FUELINST"][3] == "SUCCESS"
    assert rows["MID"][3:4] + rows["MID"][5:] == ["FAILED", "=MID failed: HTTP 503"]


def test_a_sheet_that_cannot_be_reached_is_a_warning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "MOST_WAIT", 0.01)
    world.app.faults.add("status", status=503)
    result = world.sync()
    assert result.success
    (event,) = (e for e in world.instance.all_logs(result.run_id) if "could not be synced" in e.user_message)
    assert event.level == 30


def test_a_sheet_that_refuses_us_fails_its_own_run(world: World) -> None:
    world.app.faults.add("status", status=403)
    result = world.sync()
    assert not result.success and "as an editor" in failure_text(result)


def test_without_a_sheet_nothing_runs_and_nothing_fails(world: World) -> None:
    del world.variables["ENERGY_ASSETS_SHEET_ID"]
    assert world.tick() == ([], "no sheet is configured; set ENERGY_ASSETS_SHEET_ID for one")
    assert world.sync().success and len(world.app.requests) == 0
    defs = build_definitions(world.platform, [FUELINST, dataset("FUELHH")])
    assert defs.get_repository_def().get_sensor_def(SENSOR).default_status == dg.DefaultSensorStatus.STOPPED
    running_one = world.defs.get_repository_def().get_sensor_def(SENSOR)
    assert running_one.default_status == dg.DefaultSensorStatus.RUNNING


def test_a_sync_follows_each_refresh_and_loads_only_each_quarter_of_an_hour(world: World) -> None:
    start = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        assert len(world.tick()[0]) == 1, "the first one at once"
        clock.shift(timedelta(minutes=1))
        assert world.tick() == ([], "no refresh has ended since the last sync")
        for job, status in (("bmrs_refresh", "SUCCESS"), ("bmrs_revisions", "FAILURE"), ("bmrs_repair", "CANCELED")):
            clock.shift(timedelta(minutes=1))
            world.ended(job, dg.DagsterRunStatus[status])
            clock.shift(timedelta(minutes=1))
            assert [r.tags["energy_assets/after"] for r in world.tick()[0]] == [job]
            assert world.tick()[0] == []
        clock.shift(timedelta(minutes=1))
        world.ended("iris_load")
        assert world.tick()[0] == []
        clock.shift(LOADS_EVERY)
        assert [r.tags["energy_assets/after"] for r in world.tick()[0]] == ["iris_load"]
        clock.shift(AT_LEAST_EVERY - timedelta(minutes=1))
        assert world.tick()[0] == []
        clock.shift(timedelta(minutes=1))
        assert [r.tags["energy_assets/after"] for r in world.tick()[0]] == ["the clock"]


def test_a_clock_that_was_ahead_does_not_stop_syncs(world: World) -> None:
    start = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
    with time_machine.travel(start + timedelta(days=365), tick=False):
        assert len(world.tick()[0]) == 1
    with time_machine.travel(start, tick=False):
        assert [r.tags["energy_assets/after"] for r in world.tick()[0]] == ["the clock"]
        assert world.tick()[0] == []


def test_no_two_syncs_at_once(world: World) -> None:
    world.instance.create_run_for_job(world.defs.resolve_job_def(SYNC_SHEET), status=dg.DagsterRunStatus.STARTED)
    requests, reason = world.tick()
    assert requests == [] and "is still active" in str(reason)


def test_a_run_under_way_is_shown_for_the_datasets_that_it_names(world: World) -> None:
    world.record("FUELINST", "written")
    job = world.defs.resolve_job_def("bmrs_refresh")
    chosen = frozenset({dg.AssetKey(["bmrs", "mid"])})
    run = world.instance.create_run_for_job(
        job.get_subset(asset_selection=chosen),
        asset_selection=chosen,
        status=dg.DagsterRunStatus.STARTING,
        tags=job.tags,
    )
    world.report(run, "PIPELINE_START")
    now = datetime.now(tz=UTC)
    assert set(under_way(world.instance, [FUELINST, MID], now)) == {"bmrs/mid"}
    assert under_way(world.instance, [MID], now + timedelta(hours=1)) == {}, "lost with its machine"
    assert world.sync().success
    assert (world.rows()["MID"][3], world.rows()["FUELINST"][3]) == ("STARTED", "SUCCESS")
    world.instance.report_run_canceled(world.instance.get_run_by_id(run.run_id))
    assert world.sync().success
    assert world.rows()["MID"][2:] == ["", "", "", "Nothing has been asked for yet."]
