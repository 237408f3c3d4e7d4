"""Old runs are removed, so that Dagster's own storage stops growing; ticks are purged by the instance's settings.

A run's events go with it, and among them may be the only word that a partition was materialized. Such a word is
reported again first, without a run, so that the days of past years stay green for a kilobyte each.
"""

# Annotations are not postponed here: Dagster reads the context's type from the function as it stands.
from datetime import UTC, datetime, timedelta

import dagster as dg

from energy_assets.automation import checks
from energy_assets.automation.iris import IRIS_LOAD

HOUSEKEEPING = "housekeeping"

KEEP_RUNS = timedelta(days=14)
"""A holiday: whoever comes back can still read why something failed. Receipts and log files last longer."""

KEEP_LOADS = timedelta(days=2)
"""Runs that load pushed messages come each half minute, 90 MB a day, and say no more than receipts and register do;
those that look at what is held take 3 MB a day for each provider, and their verdicts stay without them."""

RUNS_AT_ONCE = 20_000
"""Runs removed by one pass at most, a week's worth: a neglected instance is caught up in a few nights, and at a
fiftieth of a second each no pass takes longer than minutes."""

AT_NIGHT = "40 3 * * *"
"""03:40: no clock changes then, and little else runs."""

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def remove_old_runs(
    instance: dg.DagsterInstance, before: datetime, most: int = RUNS_AT_ONCE, job: str | None = None
) -> int:
    """Remove finished runs with their events and captured output, oldest first.

    Args:
        instance: Dagster's instance.
        before: Runs created earlier than this go; aware.
        most: Runs removed at most.
        job: The job whose runs they are; ``None`` for all jobs.

    Returns:
        How many were removed.
    """
    old = dg.RunsFilter(job_name=job, statuses=FINISHED, created_before=before)
    records = instance.get_run_records(filters=old, limit=most, order_by="create_timestamp", ascending=True)
    for record in records:
        run_id = record.dagster_run.run_id
        for word in _last_words(instance, run_id):
            instance.report_runless_asset_event(word)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    return len(records)


def _last_words(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetMaterialization]:
    """Materializations of the run that no other run has repeated since, one per partition."""
    words: dict[tuple[dg.AssetKey, str], dg.AssetMaterialization] = {}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        word = record.event_log_entry.asset_materialization
        if word is not None and word.partition is not None:
            words[word.asset_key, word.partition] = word
    return [word for word in words.values() if _newest_run(instance, word) == run_id]


def _newest_run(instance: dg.DagsterInstance, word: dg.AssetMaterialization) -> str | None:
    """The run that materialized the word's partition last."""
    same = dg.AssetRecordsFilter(asset_key=word.asset_key, asset_partitions=[str(word.partition)])
    records = instance.fetch_materializations(same, limit=1).records
    return records[0].run_id if records else None


@dg.op(description="Removes runs older than two weeks, loads and looks sooner; keeps the word on partitions.")
def remove_runs(context: dg.OpExecutionContext) -> None:
    """Remove what is older than ``KEEP_RUNS``, or ``KEEP_LOADS``."""
    now = datetime.now(tz=UTC)
    often = (IRIS_LOAD, *(checks.job_name(provider) for provider in checks.HOURLY))
    removed = sum(remove_old_runs(context.instance, now - KEEP_LOADS, job=job) for job in often)
    removed += remove_old_runs(context.instance, now - KEEP_RUNS)
    context.log.info(f"{removed} runs removed")


@dg.job(name=HOUSEKEEPING, executor_def=dg.in_process_executor, description="Keeps Dagster's own storage small.")
def housekeeping() -> None:
    """Removes old runs."""
    remove_runs()


housekeeping_schedule = dg.ScheduleDefinition(
    name=f"{HOUSEKEEPING}_schedule",
    job=housekeeping,
    cron_schedule=AT_NIGHT,
    execution_timezone="Europe/London",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
"""Every night."""
