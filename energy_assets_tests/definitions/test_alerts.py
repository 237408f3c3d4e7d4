"""Alerts in Dagster: failing jobs, the machine and stale datasets reach a webhook once and are resolved."""

# Annotations are not postponed here: Dagster reads the config's type from the function as it stands.
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from energy_assets.assets.resources import Platform
from energy_assets.automation.alerts import alerts_sensor, alerts_stale_sensor, failing_jobs, started_jobs
from energy_assets.automation.build import build_definitions
from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Receipt, Window
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.settings import load_settings
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.heartbeat import Beat, Heart, State
from energy_assets.sources.neso.memory import Memory
from energy_assets.sources.neso.portal import Portal
from energy_assets.tracking.alerts import open_alerts
from energy_assets.tracking.incidents import SETTLED_AFTER
from energy_assets.wiring import open_warehouse
from energy_assets_tests.unit.alerting import SECRET, Webhook

MINUTE = timedelta(minutes=1)


class Config(dg.Config):
    fails: str = ""


@dg.op
def work(config: Config) -> None:
    if config.fails:
        raise dg.Failure(config.fails)


@dg.job
def nightly() -> None:
    work()


@dg.job
def untouched() -> None:
    work()


@dg.job
def by_hand() -> None:
    work()


@dg.sensor(job=untouched)
def follows_nobody() -> dg.SkipReason:
    return dg.SkipReason("nothing to follow")


class World:
    """A home with its alerts, and an instance with two jobs."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, hook: Webhook) -> None:
        self.variables = {
            "ENERGY_ASSETS_HOME": str(folder / "home"),
            "ENERGY_ASSETS_ALERT_URLS": hook.url(),
            "ENERGY_ASSETS_ALERT_HEARTBEAT_URL": hook.heartbeat,
        }
        self.platform = Platform(lambda: load_settings(self.variables, None))
        self.settings = self.platform.settings()
        self.settings.prepare_home()
        self.instance = instance
        defs = dg.Definitions(
            jobs=[nightly, untouched, by_hand],
            schedules=[dg.ScheduleDefinition(job=nightly, cron_schedule="0 3 * * *")],
            sensors=[follows_nobody],
        )
        self.repository = defs.get_repository_def()

    def run(self, job: dg.JobDefinition, fails: str = "") -> None:
        config = {"ops": {"work": {"config": {"fails": fails}}}}
        job.execute_in_process(config, instance=self.instance, raise_on_error=False)

    def tick(self, sensor: dg.SensorDefinition) -> str | None:
        with dg.build_sensor_context(
            self.instance, repository_def=self.repository, resources={"platform": self.platform}
        ) as context:
            return sensor.evaluate_tick(context).skip_message

    def look(self) -> str | None:
        return self.tick(alerts_sensor)

    def stale(self) -> str | None:
        names = ("FUELINST", "B1610", "iris/fuelinst", "neso/historic_demand", "neso/upcoming_trades")
        return self.tick(alerts_stale_sensor([dataset(name) for name in names]))


@pytest.fixture
def world(tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # The disk of whoever runs the tests is not what they are about.
    monkeypatch.setattr("energy_assets.tracking.watch.DISK_WARNING_GB", 0.0)
    with dg.instance_for_test() as instance:
        yield World(tmp_path, instance, hook)


def test_a_failing_job_is_told_once_and_resolved_by_its_next_success(world: World, hook: Webhook):
    assert world.look() == "nothing new to be told"
    world.run(nightly, f"nothing came of GET https://example.org/?apikey={SECRET}")
    assert world.look() == "opened job nightly"
    world.run(nightly, "nothing came again")
    assert world.look() == "nothing new to be told"
    (message,) = hook.messages
    assert message["title"] == "energy_assets: error: nightly fails"
    assert "nothing came of GET https://example.org/?apikey=***" in message["message"]
    assert SECRET not in message["message"]
    world.run(untouched)
    world.run(by_hand, "somebody sees it")
    assert world.look() == "nothing new to be told"
    world.run(nightly)
    assert world.look() == "no longer holds: job nightly"
    with time_machine.travel(datetime.now(tz=UTC) + SETTLED_AFTER + MINUTE):
        world.look()
    assert hook.titles[1:] == ["energy_assets: resolved: nightly fails"]
    assert len(hook.beats) == 6, "one for each tick"


def test_a_run_that_was_cancelled_says_nothing(world: World):
    world.run(nightly, "it failed")
    run = world.instance.create_run_for_job(nightly)
    world.instance.report_run_canceled(run)
    assert [c.key for c in failing_jobs(world.instance, ["nightly"])] == ["job nightly"]


def test_a_run_whose_worker_died_is_told_with_what_dagster_knows(world: World):
    run = world.instance.create_run_for_job(nightly)
    world.instance.report_run_failed(run, "the worker died")
    (found,) = failing_jobs(world.instance, ["nightly"])
    assert "the worker died" in found.text


def test_the_listener_killed_for_six_hours_is_told_within_half_an_hour_once_and_resolved(world: World, hook: Webhook):
    start = datetime(2026, 7, 15, 10, 0, tzinfo=UTC)
    folder = DropFolder(world.settings.iris_drop_dir)
    heart: list[Heart] = []

    def listens(at: datetime) -> None:
        with folder.claim():
            heart[:] = heart or [Heart(folder)]
            beat = Beat(utc=at, event="alive", linked=True, run="r", last_enqueued_utc=at)
            heart[0].line(beat)
            heart[0].state(State(beat=beat, queue="q", pid=1, started_utc=at))

    told: list[datetime] = []
    for minutes in range(0, 9 * 60):
        now = start + minutes * MINUTE
        if not 60 <= minutes < 7 * 60:
            listens(now - timedelta(seconds=5))
        if minutes % 5 == 0:
            before = len(hook.messages)
            with time_machine.travel(now, tick=False):
                world.look()
            told += [now] * (len(hook.messages) - before)
    assert hook.titles == [
        "energy_assets: warning: nobody listens to IRIS",
        "energy_assets: resolved: nobody listens to IRIS",
    ]
    assert told[0] <= start + 80 * MINUTE, "killed at 60, missed from 75, looked at every 5"
    assert told[1] <= start + 7 * 60 * MINUTE + SETTLED_AFTER + 5 * MINUTE


def test_a_scheduler_that_stands_for_six_hours_is_told_once_and_resolved(world: World, hook: Webhook):
    entry = dataset("FUELINST")
    stopped = datetime(2026, 7, 15, 10, 0, tzinfo=UTC)
    warehouse = open_warehouse(world.settings)

    def succeeds(at: datetime) -> None:
        with time_machine.travel(at, tick=False):
            window = Window(*day_bounds_utc(at.date()))
            identity = new_receipt_id(at)
            warehouse.record([Receipt(identity, entry.code, entry.table.name, window, "silent", at, "test", reason="")])

    succeeds(stopped)
    for half_hours in range(13):
        with time_machine.travel(stopped + half_hours * 30 * MINUTE, tick=False):
            world.stale()
    assert hook.titles == ["energy_assets: warning: bmrs/fuelinst is stale"], "the others were never asked for"
    succeeds(stopped + timedelta(hours=6, minutes=40))
    for minutes in (41, 72):
        with time_machine.travel(stopped + timedelta(hours=6, minutes=minutes), tick=False):
            world.stale()
    assert hook.titles[1:] == ["energy_assets: resolved: bmrs/fuelinst is stale"]


def test_a_portal_that_is_not_asked_for_six_hours_is_told_once_and_resolved(world: World, hook: Webhook):
    """Nothing new comes of most looks, and so no receipt: that the portal was asked is what counts."""
    stopped = datetime(2026, 7, 15, 10, 0, tzinfo=UTC)
    family = dataset("neso/historic_demand")
    memory = Memory(world.settings.home)

    def asked(at: datetime) -> None:
        memory.learn(Portal((), at))
        memory.note_asked([family.code], at)

    for days in range(30, 0, -1):
        with time_machine.travel(stopped - timedelta(days=days), tick=False):
            asked(stopped - timedelta(days=days))
            world.stale()
    asked(stopped)
    for half_hours in range(13):
        with time_machine.travel(stopped + half_hours * 30 * MINUTE, tick=False):
            world.stale()
    assert hook.titles == ["energy_assets: warning: neso/historic_demand is stale"]
    asked(stopped + timedelta(hours=6, minutes=40))
    for minutes in (41, 72):
        with time_machine.travel(stopped + timedelta(hours=6, minutes=minutes), tick=False):
            world.stale()
    assert hook.titles[1:] == ["energy_assets: resolved: neso/historic_demand is stale"]


def test_a_tick_that_cannot_look_at_everything_tells_the_rest_and_gives_no_heartbeat(world: World, hook: Webhook):
    (world.settings.iris_drop_dir / "heartbeat.json").mkdir(parents=True)
    world.run(nightly, "it failed")
    with pytest.raises(Exception, match="Alerts cannot look at the listener"):
        world.look()
    assert hook.titles == ["energy_assets: error: nightly fails"]
    assert hook.beats == []


def test_a_tick_that_cannot_remember_fails(world: World, hook: Webhook):
    (world.settings.home / "alerts").write_text("a file in the folder's place")
    with pytest.raises(Exception, match="incidents are not remembered"):
        world.look()
    assert hook.beats == []


def test_deliveries_that_fail_do_not_fail_the_tick(world: World, hook: Webhook):
    hook.status = 500
    world.run(nightly, "it failed")
    assert "could not be told" in str(world.look())
    assert len(open_alerts(world.settings).incidents()) == 1


def test_every_job_that_runs_by_itself_is_watched(tmp_path: Path):
    variables = {"ENERGY_ASSETS_HOME": str(tmp_path / "home")}
    platform = Platform(lambda: load_settings(variables, None))
    repository = build_definitions(platform).get_repository_def()
    with (
        dg.instance_for_test() as instance,
        dg.build_sensor_context(instance, repository_def=repository, resources={"platform": platform}) as context,
    ):
        # Whatever the machine's disk, a home that is not made yet is nothing that a tick fails for.
        assert repository.get_sensor_def("alerts_sensor").evaluate_tick(context).skip_message
    watched = started_jobs(repository)
    assert {"bmrs_refresh", "bmrs_repair", "gb_derived", "iris_load", "iris_repair", "housekeeping"} <= watched
    assert watched <= set(repository.job_names)
