"""The sensors that report to the alerts: failed runs and the machine every few minutes, staleness twice an hour.

What holds is evaluated anew in every tick and not gathered from events, so that a tick that was missed misses nothing.
The jobs and checks of others report for themselves through ``tracking.alerts``.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.assets.provider import explained
from energy_assets.assets.resources import Platform
from energy_assets.catalogue.model import Dataset
from energy_assets.tracking.incidents import Condition

if TYPE_CHECKING:
    from energy_assets.tracking.alerts import Reported

ALERTS = "alerts"
ALERTS_STALE = "alerts_stale"

RUNS = "runs"
STALE = "stale"
"""Scopes of the reports."""

LOOK_SECONDS = 300
"""A failed run is told within five minutes; a look costs two small queries for each job. A watcher of the heartbeat is
told to expect one in this time."""

STALE_SECONDS = 1800
"""Staleness counts in hours. Looking reads receipts, for which BigQuery charges, and waits for DuckDB's writer."""

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
"""How a run says something of its job; a cancelled one does not."""

CAUSE = frozenset({dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE})


@dg.sensor(
    name=f"{ALERTS}_sensor",
    minimum_interval_seconds=LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of failed runs, a full disk, a deaf listener and ending credentials, once each.",
)
def alerts_sensor(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
    """Report failing jobs, the disk, the listener and credentials; then the heartbeat.

    Raises:
        dg.Failure: Something could not be looked at, or incidents not be remembered.
    """
    from energy_assets.tracking.alerts import open_alerts
    from energy_assets.tracking.watch import watch

    now = datetime.now(tz=UTC)
    with explained():
        settings = platform.settings()
    if context.repository_def is None:
        raise dg.Failure("Alerts do not know which jobs there are: Dagster gave this tick no code location.")
    alerts, watched = open_alerts(settings), watch(settings, now)
    found = {**watched.found, RUNS: failing_jobs(context.instance, started_jobs(context.repository_def))}
    sentences = _told(alerts.report(scope, conditions, now) for scope, conditions in found.items())
    if watched.failures:
        # What could be looked at has been told; a tick that saw only half gives no heartbeat.
        raise dg.Failure(" ".join(watched.failures))
    silent = alerts.heartbeat(now)
    return dg.SkipReason("; ".join([*sentences, *([silent] if silent else [])]) or "nothing new to be told")


def alerts_stale_sensor(datasets: Sequence[Dataset]) -> dg.SensorDefinition:
    """Reports datasets that had no success for too long.

    Args:
        datasets: Entries among which those are watched that a schedule keeps current.
    """

    @dg.sensor(
        name=f"{ALERTS_STALE}_sensor",
        minimum_interval_seconds=STALE_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people of datasets that have had no success for four of their polls.",
    )
    def sensor(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
        from energy_assets.tracking.alerts import open_alerts
        from energy_assets.tracking.status import evaluate
        from energy_assets.tracking.watch import asked_families, expected, stale_conditions

        now = datetime.now(tz=UTC)
        with explained(), platform.warehouse() as warehouse:
            settings = platform.settings()
            asked = asked_families(settings)
            reports = evaluate(expected(datasets, settings.profile), warehouse, now, days=1, newest=False)
        reported = open_alerts(settings).report(STALE, stale_conditions(reports, now, asked), now)
        return dg.SkipReason("; ".join(_told([reported])) or "nothing new to be told")

    return sensor


def started_jobs(repository: dg.RepositoryDefinition) -> set[str]:
    """Jobs that schedules and sensors start; who starts one by hand sees what becomes of it."""
    by_schedules = {s.job_name for s in repository.schedule_defs}
    return by_schedules | {target.job_name for s in repository.sensor_defs for target in s.targets}


def failing_jobs(instance: dg.DagsterInstance, jobs: Collection[str]) -> list[Condition]:
    """The jobs whose newest ended run has failed.

    Args:
        instance: Dagster's instance.
        jobs: Names of jobs.
    """
    found = []
    for job in sorted(jobs):
        newest = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=ENDED), limit=1)
        if newest and newest[0].dagster_run.status == dg.DagsterRunStatus.FAILURE:
            found.append(_failing(instance, job, newest[0]))
    return found


def _failing(instance: dg.DagsterInstance, job: str, record: dg.RunRecord) -> Condition:
    run_id = record.dagster_run.run_id
    ended = datetime.fromtimestamp(record.end_time, tz=UTC) if record.end_time else record.create_timestamp
    return Condition(
        f"job {job}",
        "run_failed",
        "error",
        f"{job} fails",
        f"Run {run_id} failed at {ended:%Y-%m-%d %H:%MZ}: {_cause(instance, run_id)}",
        f"Dagster's UI shows the run at /runs/{run_id}; the next run of {job} that succeeds resolves this.",
    )


def _cause(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the run's first failed step says, else what the run itself does."""
    records = instance.get_records_for_run(run_id, of_type=set(CAUSE)).records
    events = [e for r in records if (e := r.event_log_entry.dagster_event) is not None]
    for event in sorted(events, key=lambda e: e.event_type != dg.DagsterEventType.STEP_FAILURE):
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            said = failure.user_failure_data.description if failure.user_failure_data else None
            if said or failure.error:
                return said or str(failure.error.message if failure.error else "")
        elif event.message:
            return event.message
    return "nothing is known of why"


def _told(reports: "Iterable[Reported]") -> list[str]:
    """What became of reports, for the tick's line.

    Raises:
        dg.Failure: Incidents could not be remembered: red on the overview, because nobody is told.
    """
    sentences: list[str] = []
    for reported in reports:
        if reported.error is not None:
            raise dg.Failure(reported.error)
        sentences += [f"opened {key}" for key in reported.opened]
        sentences += [f"no longer holds: {key}" for key in reported.resolved]
        sentences += reported.failed
    return sentences
