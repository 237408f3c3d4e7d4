"""IRIS in Dagster: what waits is requested, loaded, reported sparingly, repeated where it failed, and cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import time_machine

from energy_assets.assets.resources import Platform
from energy_assets.automation.build import build_definitions
from energy_assets.automation.iris import LOST_AFTER
from energy_assets.automation.iris_repair import ASKS_AT_ONCE
from energy_assets.automation.jobs import NO_CHECKS
from energy_assets.ingest.asked import ASK_AGAIN
from energy_assets.ingest.holes import find_holes
from energy_assets.sandbox.archive import CONTAINER_PATH, ArchiveSandbox
from energy_assets.sandbox.messages import Messages
from energy_assets.sandbox.server import running
from energy_assets.settings import load_settings
from energy_assets.sources.iris.backlog import DELETE_AFTER, RETRY_AFTER, Backlog
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.heartbeat import Beat, Heart
from energy_assets.warehouse.interface import Warehouse
from energy_assets.wiring import open_warehouse
from energy_assets_tests.iris.drop import fuel, message

FREQ = {"measurementTime": "2026-07-15T11:00:00Z", "frequency": 50.0}
KEY = dg.AssetKey(["iris", "fuelinst"])


class World:
    """A home, its code location and an instance."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, archive_url: str) -> None:
        variables = {
            "ENERGY_ASSETS_HOME": str(folder / "home"),
            "ENERGY_ASSETS_IRIS_ARCHIVE_URL": archive_url,
            "ENERGY_ASSETS_IRIS_ARCHIVE_REQUESTS_PER_SECOND": "200",
            "ENERGY_ASSETS_IRIS_BATCH_SECONDS": "1",
            "ENERGY_ASSETS_LOG_LEVEL": "WARNING",
        }
        self.settings = load_settings(variables, None)
        self.instance = instance
        self.use(variables)
        self.folder = DropFolder(self.settings.iris_drop_dir)
        self.backlog = Backlog(self.settings.iris_drop_dir)

    def use(self, variables: dict[str, str]) -> None:
        """Build the code location with these settings."""
        self.platform = Platform(lambda: load_settings(variables, None))
        self.defs = build_definitions(self.platform)

    def put(self, *generations: float, at: datetime | None = None) -> None:
        """Write a segment of one message for each value."""
        sent = at or datetime.now(tz=UTC)
        with self.folder.claim():
            self.folder.write_segment(
                [message([fuel(g)], int(g), at=sent, source="SANDBOX") for g in generations], sent
            )

    def tick(self, name: str) -> tuple[list[dg.RunRequest], str | None]:
        """One tick of a sensor: requests, or why there are none."""
        repository = self.defs.get_repository_def()
        sensor = repository.get_sensor_def(name)
        with dg.build_sensor_context(
            self.instance, repository_def=repository, resources={"platform": self.platform}
        ) as context:
            data = sensor.evaluate_tick(context)
        return list(data.run_requests or []), data.skip_message

    def run(self, job: str, request: dg.RunRequest | None = None) -> dg.ExecuteInProcessResult:
        """Do what a request asks for, or run a job without any."""
        given: dict[str, Any] = {}
        if request is not None:
            given = {"run_config": request.run_config, "tags": dict(request.tags)}
            if request.asset_selection:
                given["asset_selection"] = list(request.asset_selection)
            if request.partition_key:
                given["partition_key"] = request.partition_key
        resolved = self.defs.resolve_job_def(job)
        return resolved.execute_in_process(instance=self.instance, raise_on_error=False, **given)

    def load(self) -> list[dg.ExecuteInProcessResult]:
        """A tick of the drop-folder sensor and the runs that it requests."""
        requests, _ = self.tick("iris_drop_folder_sensor")
        return [self.run("iris_load", request) for request in requests]

    def warehouse(self) -> Warehouse:
        return open_warehouse(self.settings)

    def values(self) -> list[float]:
        with duckdb.connect(str(self.settings.duckdb_path), read_only=True) as connection:
            query = "SELECT generation FROM uk_energy_insights.bmrs_fuelinst_iris ORDER BY 1"
            return [value for (value,) in connection.sql(query).fetchall()]

    def reported(self) -> list[str | None]:
        """Partitions of FUELINST that were reported, in order."""
        records = self.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=KEY), limit=100, ascending=True)
        return [r.partition_key for r in records.records]


@pytest.fixture
def archive() -> ArchiveSandbox:
    return ArchiveSandbox(Messages())


@pytest.fixture
def world(tmp_path: Path, archive: ArchiveSandbox) -> Iterator[World]:
    with dg.instance_for_test() as instance, running(archive, path=CONTAINER_PATH) as url:
        yield World(tmp_path, instance, url)


def test_what_waits_is_loaded_reported_and_cleaned_up(world: World) -> None:
    assert world.tick("iris_drop_folder_sensor")[1] is not None, "no drop folder yet"
    world.put(1, 2)
    (result,) = world.load()
    assert result.success
    assert world.values() == [1.0, 2.0]
    assert len(world.reported()) == 1
    requests, reason = world.tick("iris_drop_folder_sensor")
    assert (requests, reason) == ([], "nothing new waits") or reason == "messages gather"
    assert world.run("iris_cleanup").success
    assert list(world.folder.segments.rglob("*.ndjson"))
    with time_machine.travel(datetime.now(tz=UTC) + DELETE_AFTER + timedelta(minutes=1)):
        assert world.run("iris_cleanup").success
    assert not list(world.folder.segments.rglob("*.ndjson"))


def test_a_partition_is_reported_once_in_a_quarter_of_an_hour(world: World) -> None:
    start = datetime.now(tz=UTC)
    for minute, value in ((0, 1), (5, 2), (20, 3)):
        with time_machine.travel(start + timedelta(minutes=minute)):
            world.put(value, at=start)
            assert [r.success for r in world.load()] == [True]
    assert world.values() == [1.0, 2.0, 3.0]
    assert len(world.reported()) == 2


def test_messages_gather_for_the_interval_that_is_set(world: World) -> None:
    settings = {"ENERGY_ASSETS_HOME": str(world.settings.home), "ENERGY_ASSETS_IRIS_BATCH_SECONDS": "300"}
    world.use(settings)
    start = datetime.now(tz=UTC)
    world.put(1, at=start)
    assert len(world.load()) == 1
    world.put(2, at=start)
    with time_machine.travel(start + timedelta(seconds=60)):
        assert world.tick("iris_drop_folder_sensor") == ([], "messages gather")
    with time_machine.travel(start + timedelta(seconds=301)):
        assert len(world.load()) == 1


def test_a_manifest_whose_run_failed_is_asked_for_again_ever_more_rarely(world: World) -> None:
    start = datetime.now(tz=UTC)
    world.put(1, at=start)
    (request,), _ = world.tick("iris_drop_folder_sensor")
    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        connection.execute("CREATE SCHEMA uk_energy_insights")
        connection.execute("CREATE TABLE uk_energy_insights.bmrs_fuelinst_iris (somebody TEXT)")
    failed = world.run("iris_load", request)
    assert not failed.success
    waits = "1 batch to be tried again, see `energy-assets iris status`"
    assert world.tick("iris_drop_folder_sensor") == ([], waits)
    with time_machine.travel(start + RETRY_AFTER + timedelta(seconds=20)):
        (again,), _ = world.tick("iris_drop_folder_sensor")
        assert again.run_key != request.run_key and again.run_config == request.run_config
        assert not world.run("iris_load", again).success
    with time_machine.travel(start + 2 * RETRY_AFTER + timedelta(seconds=20)):
        assert world.tick("iris_drop_folder_sensor")[0] == [], "the second wait is longer"
    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        connection.execute("DROP TABLE uk_energy_insights.bmrs_fuelinst_iris")
    with time_machine.travel(start + 5 * RETRY_AFTER):
        (result,) = world.load()
    assert result.success and world.values() == [1.0]
    assert world.run("iris_load", again).success, "a run that comes late finds that all is done"


def test_a_stream_that_fails_holds_up_no_later_run_and_waits_for_its_turn(world: World) -> None:
    start = datetime.now(tz=UTC)
    world.settings.prepare_home()
    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        connection.execute("CREATE SCHEMA uk_energy_insights")
        connection.execute("CREATE TABLE uk_energy_insights.bmrs_fuelinst_iris (somebody TEXT)")
    for number in range(5):
        at = start + timedelta(minutes=number)
        with time_machine.travel(at):
            with world.folder.claim():
                both = [
                    message([fuel(number)], number, at=start, source="SANDBOX"),
                    message([FREQ], 100 + number, subject="FREQ", at=start, source="SANDBOX"),
                ]
                world.folder.write_segment(both, at)
            assert world.load()
            assert world.backlog.waiting(at) == [] and world.backlog.manifests("open") == []
    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        (count,) = connection.sql("SELECT count(*) FROM uk_energy_insights.bmrs_freq_iris").fetchall()
        assert count == (5,)
        connection.execute("DROP TABLE uk_energy_insights.bmrs_fuelinst_iris")
    assert len(world.backlog.manifests("failed")) == 5
    with time_machine.travel(at + timedelta(hours=1)):
        assert [r.success for r in world.load()] == [True] * 5
    assert world.values() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_clean_up_in_another_warehouse_deletes_nothing(world: World, tmp_path: Path) -> None:
    world.put(1)
    assert [r.success for r in world.load()] == [True]
    (segment,) = world.folder.segments.rglob("*.ndjson")
    world.settings.duckdb_path.rename(tmp_path / "elsewhere.duckdb")
    with time_machine.travel(datetime.now(tz=UTC) + DELETE_AFTER + timedelta(minutes=1)):
        assert world.run("iris_cleanup").success
        assert segment.exists()
        assert [r.success for r in world.load()] == [True]
    assert world.values() == [1.0]


def test_a_run_that_is_under_way_is_not_asked_for_twice(world: World) -> None:
    world.put(1)
    (request,), _ = world.tick("iris_drop_folder_sensor")
    job = world.defs.resolve_job_def("iris_load")
    world.instance.create_run_for_job(
        job, run_config=request.run_config, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
    )
    requests, reason = world.tick("iris_drop_folder_sensor")
    assert (requests, reason) == ([], "1 batch being loaded")
    with time_machine.travel(datetime.now(tz=UTC) + LOST_AFTER + timedelta(minutes=1)):
        assert len(world.tick("iris_drop_folder_sensor")[0]) == 1, "its machine was lost"


def beating(world: World, now: datetime, first: int, last: int, run: str) -> None:
    """Heartbeats each minute, from ``first`` to ``last`` minutes before now, of a listener that has caught up."""
    with world.folder.claim():
        heart = Heart(world.folder)
        for minute in range(first, last, -1):
            at = now - timedelta(minutes=minute)
            heart.line(Beat(utc=at, event="alive", linked=True, run=run, last_enqueued_utc=at))


def test_an_outage_that_the_queue_forgot_is_filled_by_runs_that_the_sensor_requests(
    world: World, archive: ArchiveSandbox
) -> None:
    now = datetime.now(tz=UTC).replace(minute=30, second=0, microsecond=0)
    archive.clock = lambda: now
    days = 3 * 24 * 60 + 120
    with time_machine.travel(now):
        world.put(1, at=now - timedelta(minutes=days + 60))
        assert [r.success for r in world.load()] == [True]
        beating(world, now, days + 90, days + 60, "one")
        beating(world, now, 180, 0, "two")
        requests, _ = world.tick("iris_repair_sensor")
        assert len(requests) == ASKS_AT_ONCE and all(r.asset_selection == [KEY] for r in requests)
        assert all(r.asset_check_keys == NO_CHECKS for r in requests)
        assert [r.partition_key for r in requests] == sorted((r.partition_key for r in requests), reverse=True)
        assert len({r.run_key for r in requests}) == ASKS_AT_ONCE
        assert world.tick("iris_repair_sensor")[0] == [], "a request is remembered before it has been answered"
        assert all(world.run("iris_repair", request).success for request in requests)
        requests, reason = world.tick("iris_repair_sensor")
        assert (requests, reason) == ([], "nothing is to be asked of the archive now: 1 holes known")
        assert find_holes(world.settings.iris_drop_dir, world.warehouse(), now).holes[0].state == "filled"
    assert len(set(world.values()) - {1.0}) > 1


def test_a_request_that_nobody_answers_is_made_again_later(world: World, archive: ArchiveSandbox) -> None:
    now = datetime.now(tz=UTC)
    archive.clock = lambda: now
    with time_machine.travel(now):
        world.put(1, at=now - timedelta(hours=6))
        assert [r.success for r in world.load()] == [True]
        beating(world, now, 7 * 60, 6 * 60, "one")
        first, _ = world.tick("iris_repair_sensor")
        assert first
    with time_machine.travel(now + ASK_AGAIN - timedelta(minutes=1)):
        settled = {r.run_config["ops"]["iris"]["config"]["from_utc"] for r in first}
        again, _ = world.tick("iris_repair_sensor")
        assert not settled & {r.run_config["ops"]["iris"]["config"]["from_utc"] for r in again}
    with time_machine.travel(now + 2 * ASK_AGAIN):
        assert world.tick("iris_repair_sensor")[0]


def test_a_past_partition_is_filled_from_the_archive_as_users_know_it(world: World) -> None:
    job = world.defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=world.instance, asset_selection=[KEY], partition_key="2026-07-15", raise_on_error=False
    )
    assert result.success
    assert world.values()
    assert world.reported() == ["2026-07-15"]
