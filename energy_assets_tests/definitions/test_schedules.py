"""Schedules and the sensor as the daemon evaluates them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from energy_assets.assets.resources import Platform
from energy_assets.automation.build import build_definitions
from energy_assets.catalogue import datasets
from energy_assets.settings import load_settings


def build(home: Path, **variables: str) -> dg.Definitions:
    values = {"ENERGY_ASSETS_HOME": str(home)} | variables
    return build_definitions(Platform(lambda: load_settings(values, None)))


def tick(
    defs: dg.Definitions, name: str, instance: dg.DagsterInstance, at: str
) -> tuple[list[dg.RunRequest], str | None]:
    """What a schedule asks for at a time, and why not if it asks for nothing."""
    repository = defs.get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime.fromisoformat(at).replace(tzinfo=UTC),
        repository_def=repository,
        resources={"platform": repository.get_top_level_resources()["platform"]},
    ) as context:
        data = defs.resolve_schedule_def(name).evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def launched(
    defs: dg.Definitions, instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """A run of a job about one asset, in some state."""
    definition = defs.resolve_job_def(job)
    return instance.create_run_for_job(
        definition,
        status=status,
        tags={"dagster/partition": "2026-07-14"},
        asset_selection={min(definition.asset_layer.selected_asset_keys)},
    )


def days_of(request: dg.RunRequest) -> tuple[str, str]:
    if request.partition_key:
        return request.partition_key, request.partition_key
    return request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"]


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-07-15T12:15", "2026-07-15"),
        ("2026-07-15T23:30", "2026-07-16"),
        ("2026-03-29T01:15", "2026-03-29"),
        ("2026-10-25T01:15", "2026-10-25"),
    ],
)
def test_the_refresh_asks_for_the_london_day(at: str, day: str, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    requests, _ = tick(build(tmp_path), "bmrs_refresh_schedule", instance, at)
    request = requests[0]
    assert request.partition_key == day
    assert request.run_config["ops"]["bmrs"]["config"]["refetch"] is False
    assert dg.AssetKey(["bmrs", "fuelinst"]) in (request.asset_selection or ())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["bmrs_refresh", "bmrs_revisions"])
def test_a_run_of_a_schedule_plans_no_check(name: str, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """The UI shows a planned check that nobody evaluates as skipped, over the verdict that was told."""
    defs = build(tmp_path)
    for request in tick(defs, f"{name}_schedule", instance, "2026-07-15T12:15")[0]:
        checks = request.asset_check_keys
        run = defs.resolve_job_def(name).get_subset(
            asset_selection=set(request.asset_selection or ()),
            # As Dagster's scheduler reads a request.
            asset_check_selection=set(checks) if checks is not None else None,
        )
        assert not run.asset_layer.asset_graph.asset_check_keys


def test_the_refresh_ticks_every_quarter_of_an_hour_through_both_clock_changes(tmp_path: Path) -> None:
    schedule = build(tmp_path).resolve_schedule_def("bmrs_refresh_schedule")
    for start in (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        times = iter_ticks(schedule, start, 30)
        assert {(b - a).total_seconds() for a, b in pairwise(times)} == {900}


def iter_ticks(schedule: dg.ScheduleDefinition, start: datetime, count: int) -> list[datetime]:
    from dagster._utils.schedules import schedule_execution_time_iterator

    times = schedule_execution_time_iterator(
        start.timestamp(), schedule.cron_schedule, schedule.execution_timezone, ascending=True
    )
    return [next(times).astimezone(UTC) for _ in range(count)]


def test_the_profile_bounds_what_is_kept_current(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    everything = build(tmp_path)
    core = build(tmp_path, ENERGY_ASSETS_PROFILE="core")
    at = "2026-07-15T05:00"
    chosen = {k for r in tick(core, "bmrs_refresh_schedule", instance, at)[0] for k in r.asset_selection or ()}
    codes = {k.path[1].upper() for k in chosen}
    assert codes == {d.code for d in datasets("bmrs") if "core" in d.profiles}
    assert len(chosen) < len(tick(everything, "bmrs_refresh_schedule", instance, at)[0][0].asset_selection or ())


@pytest.mark.parametrize("job", ["bmrs_refresh", "bmrs_revisions"])
@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
)
def test_a_tick_is_skipped_while_the_last_run_is_active_and_names_it(
    job: str, status: dg.DagsterRunStatus, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    defs = build(tmp_path)
    run = launched(defs, instance, job, status)
    requests, reason = tick(defs, f"{job}_schedule", instance, "2026-07-15T07:20")
    assert not requests
    assert reason is not None and run.run_id in reason
    other = {"bmrs_refresh": "bmrs_revisions", "bmrs_revisions": "bmrs_refresh"}[job]
    assert tick(defs, f"{other}_schedule", instance, "2026-07-15T07:20")[0]


def test_a_run_that_a_lost_machine_left_behind_holds_nothing_up_for_long(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    defs = build(tmp_path)
    with time_machine.travel(datetime.now(tz=UTC) - timedelta(minutes=31), tick=False):
        launched(defs, instance, "bmrs_refresh", dg.DagsterRunStatus.STARTED)
    assert tick(defs, "bmrs_refresh_schedule", instance, "2026-07-15T07:15")[0]


def test_a_finished_run_holds_nothing_up(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    defs = build(tmp_path)
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        launched(defs, instance, "bmrs_refresh", status)
    assert tick(defs, "bmrs_refresh_schedule", instance, "2026-07-15T07:15")[0]


def test_revisions_are_bounded_range_runs_that_believe_the_receipts(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    requests, _ = tick(build(tmp_path), "bmrs_revisions_schedule", instance, "2026-11-23T07:20")
    ranges = [days_of(r) for r in requests]
    assert ranges[0] == ("2026-11-16", "2026-11-22")
    assert len(ranges) > 3
    assert all(r.run_config["ops"]["bmrs"]["config"]["refetch"] is False for r in requests)
    assert all((date.fromisoformat(b) - date.fromisoformat(a)).days < 92 for a, b in ranges)


def test_the_derived_table_follows_exactly_the_days_of_its_source(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    defs = build(tmp_path)
    sensor = defs.resolve_sensor_def("gb_derived_sensor")
    source = dg.AssetKey(["bmrs", "fuelhh"])

    def evaluate(cursor: str | None) -> tuple[list[tuple[str, str]], str | None, str | None]:
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, repository_def=defs.get_repository_def()
        ) as context:
            data = sensor.evaluate_tick(context)
        return [days_of(r) for r in data.run_requests or []], data.cursor, data.skip_message

    assert evaluate(None)[2] == "bmrs/fuelhh has no new days"
    for day in ("2026-07-15", "2026-07-14", "2026-07-14", "2025-01-01"):
        instance.report_runless_asset_event(dg.AssetMaterialization(source, partition=day))
    found, cursor, _ = evaluate(None)
    assert found == [("2025-01-01", "2025-01-01"), ("2026-07-14", "2026-07-15")]
    assert evaluate(cursor)[0] == []
    instance.report_runless_asset_event(dg.AssetMaterialization(source, partition="2026-07-15"))
    run = launched(defs, instance, "gb_derived", dg.DagsterRunStatus.STARTED)
    assert run.run_id in (evaluate(cursor)[2] or "")
    instance.report_run_canceled(run)
    assert evaluate(cursor)[0] == [("2026-07-15", "2026-07-15")]
