"""Old runs go; what they said of partitions stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import time_machine

from energy_assets.assets.partitions import DAYS
from energy_assets.automation.housekeeping import KEEP_LOADS, housekeeping, remove_old_runs
from energy_assets.automation.iris import iris_load

KEY = dg.AssetKey("prices")


def materialized_on(instance: dg.DagsterInstance, day: str) -> str:
    """A run that materializes a day twice, as a refresh that found two things to say."""

    @dg.asset(name="prices", partitions_def=DAYS)
    def prices(context) -> dg.MaterializeResult:
        context.log_event(dg.AssetMaterialization(KEY, partition=day, metadata={"rows": 1}))
        return dg.MaterializeResult(metadata={"rows": 2})

    return dg.materialize([prices], partition_key=day, instance=instance).run_id


def events_of(instance: dg.DagsterInstance) -> list[tuple[str | None, int]]:
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=KEY), limit=100).records
    return [(r.partition_key, r.asset_materialization.metadata["rows"].value) for r in records]


def test_old_runs_go_and_their_last_words_stay(instance: dg.DagsterInstance) -> None:
    old = [materialized_on(instance, "2024-07-15"), materialized_on(instance, "2024-07-16")]
    limit = datetime.now(tz=UTC)
    young = materialized_on(instance, "2024-07-15")
    assert remove_old_runs(instance, limit) == 2
    assert [r.run_id for r in instance.get_runs()] == [young]
    assert set(instance.get_materialized_partitions(KEY)) == {"2024-07-15", "2024-07-16"}
    assert events_of(instance) == [("2024-07-16", 2), ("2024-07-15", 2), ("2024-07-15", 1)]
    assert not [p for run in old for p in Path(instance.storage_directory()).rglob(f"{run}/**/*.err")]
    assert remove_old_runs(instance, limit) == 0


def test_runs_that_are_not_finished_stay(instance: dg.DagsterInstance) -> None:
    instance.create_run_for_job(housekeeping, status=dg.DagsterRunStatus.STARTED)
    assert remove_old_runs(instance, datetime.now(tz=UTC) + timedelta(days=1)) == 0


def test_one_pass_is_bounded_and_takes_the_oldest_first(instance: dg.DagsterInstance) -> None:
    runs = [materialized_on(instance, f"2024-07-{day}") for day in (15, 16, 17)]
    assert remove_old_runs(instance, datetime.now(tz=UTC), most=2) == 2
    assert [r.run_id for r in instance.get_runs()] == [runs[2]]


def test_the_job_keeps_two_weeks(instance: dg.DagsterInstance) -> None:
    run = materialized_on(instance, "2024-07-15")
    result = housekeeping.execute_in_process(instance=instance)
    assert result.success
    assert run in {r.run_id for r in instance.get_runs()}


def test_loads_of_pushed_messages_go_after_two_days(instance: dg.DagsterInstance) -> None:
    loads = [created(instance, iris_load) for _ in range(2)]
    other = created(instance, housekeeping)
    with time_machine.travel(datetime.now(UTC) + KEEP_LOADS + timedelta(hours=1)):
        young = created(instance, iris_load)
        done = housekeeping.execute_in_process(instance=instance)
    assert done.success
    left = {run.run_id for run in instance.get_runs()}
    assert left == {other, young, done.run_id}
    assert not left & set(loads)


def created(instance: dg.DagsterInstance, job: dg.JobDefinition) -> str:
    """A run that has ended."""
    config = {"ops": {"load_manifest": {"config": {"manifest": "one"}}}} if job is iris_load else {}
    return instance.create_run_for_job(job, run_config=config, status=dg.DagsterRunStatus.SUCCESS).run_id
