"""The sheet in Dagster: a job that mirrors the status, and the sensor that asks for it after refreshes.

It is a job of its own that nothing waits for: a sheet that cannot be reached is a warning in its log and no failure of
anything, and the next refresh brings the next sync. Only a sheet that refuses us fails the run, because somebody has
to change something.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from energy_assets import catalogue
from energy_assets.assets.limits import BUSY_RETRIES
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.automation.iris import IRIS_LOAD
from energy_assets.automation.jobs import (
    BMRS_REFRESH,
    BMRS_REPAIR,
    BMRS_REVISIONS,
    IRIS_REPAIR,
    LANE,
    LIVE,
    LONGEST_LIVE,
    LONGEST_PAST,
    MAX_RUNTIME,
)
from energy_assets.automation.schedules import while_active
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import EnergyAssetsError, SheetUnreachableError
from energy_assets.warehouse.io_manager import failure

SYNC_SHEET = "sync_sheet"

NESO_REFRESH = "neso_refresh"

FOLLOWED = (BMRS_REFRESH, NESO_REFRESH, BMRS_REVISIONS, BMRS_REPAIR, IRIS_REPAIR)
"""Jobs after each of which the sheet is synced; those about the past too, because they end what is shown as STARTED."""

POLL_SECONDS = 60
"""The sheet follows a refresh within about a minute, and is never synced more often: a sync makes two requests of the
sixty that Google allows one user in a minute."""

LOADS_EVERY = timedelta(minutes=15)
"""Pushed messages are loaded each half minute; the sheet follows them as often as what is asked for."""

AT_LEAST_EVERY = timedelta(hours=1)
"""Without any refresh the sheet is synced all the same: it then has to say that nothing comes any more."""

LONGEST = timedelta(minutes=15)
"""A sync gives up on the sheet after four minutes; the rest is for a warehouse that is written to."""

SYNC_TAGS = {LANE: LIVE, MAX_RUNTIME: str(int(LONGEST.total_seconds()))}

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
AT_WORK = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

RUNS_AT_ONCE = 100
"""Runs at work that are looked at; the run queue allows fewer."""


def under_way(instance: dg.DagsterInstance, datasets: Iterable[Dataset], now: datetime) -> dict[str, datetime]:
    """When the run that is at work on a dataset began, by dataset name.

    Only runs that name their assets say what they are about. A run older than any may be was lost with its machine.

    Args:
        instance: Dagster's instance.
        datasets: Catalogue entries.
        now: The present, aware.
    """
    names = {key_of(d): d.name for d in datasets}
    found: dict[str, datetime] = {}
    at_work = dg.RunsFilter(statuses=AT_WORK, created_after=now - LONGEST_PAST - LONGEST_LIVE)
    for record in instance.get_run_records(at_work, limit=RUNS_AT_ONCE):
        run = record.dagster_run
        longest = timedelta(seconds=float(run.tags.get(MAX_RUNTIME, LONGEST_PAST.total_seconds())))
        if record.start_time is None or now.timestamp() - record.start_time > longest.total_seconds():
            continue
        began = datetime.fromtimestamp(record.start_time, tz=UTC)
        for name in (names[key] for key in run.asset_selection or () if key in names):
            found[name] = max(began, found.get(name, began))
    return found


@dg.op(name="mirror_status", description="Makes the sheet say what the receipts say.", retry_policy=BUSY_RETRIES)
def mirror_status(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    """Sync the sheet; warn where it cannot be reached, and do nothing where none is configured."""
    from energy_assets.tracking.sheet_rows import rows_at
    from energy_assets.wiring import open_sheet

    try:
        settings = platform.settings()
        if settings.sheet_id is None:
            context.log.info(NOT_CONFIGURED)
            return
        now = datetime.now(tz=UTC)
        begun = under_way(context.instance, catalogue.datasets(), now)
        with platform.warehouse() as warehouse:
            rows = rows_at(warehouse, settings, now, begun)
        done = open_sheet(settings).sync(rows, now)
    except SheetUnreachableError as error:
        context.log.warning(str(error))
        return
    except EnergyAssetsError as error:
        raise failure(error) from error
    for notice in done.notices:
        context.log.warning(notice)
    context.log.info(f"{done.rows} of {len(rows)} rows written, {done.calls} requests")


NOT_CONFIGURED = "no sheet is configured; set ENERGY_ASSETS_SHEET_ID for one"


@dg.job(
    name=SYNC_SHEET,
    tags=SYNC_TAGS,
    executor_def=dg.in_process_executor,
    description="Mirrors the status of every dataset into the Google Sheet that is configured.",
)
def sync_sheet() -> None:
    """Syncs the sheet."""
    mirror_status()


def sheet_sensor(configured: bool) -> dg.SensorDefinition:
    """Asks for a sync after refreshes.

    Args:
        configured: Whether a sheet is, so that the sensor runs from the start; without one it writes no ticks.
    """

    @dg.sensor(
        name=f"{SYNC_SHEET}_sensor",
        job_name=SYNC_SHEET,
        minimum_interval_seconds=POLL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if configured else dg.DefaultSensorStatus.STOPPED,
        description="Follows refreshes, loads at most each quarter of an hour, and the clock once an hour.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.SensorResult | dg.SkipReason:
        if platform.settings().sheet_id is None:
            return dg.SkipReason(NOT_CONFIGURED)
        skip = while_active(context.instance, SYNC_SHEET, LONGEST)
        if skip is not None:
            return skip
        now = datetime.now(tz=UTC)
        asked = datetime.fromisoformat(context.cursor) if context.cursor else None
        reason = _reason(context.instance, asked, now)
        if reason is None:
            return dg.SkipReason("no refresh has ended since the last sync")
        request = dg.RunRequest(run_key=now.isoformat(), tags={"energy_assets/after": reason})
        return dg.SensorResult(run_requests=[request], cursor=now.isoformat())

    return sensor


def _reason(instance: dg.DagsterInstance, asked: datetime | None, now: datetime) -> str | None:
    """After what a sync is due, or ``None``.

    Args:
        instance: Dagster's instance.
        asked: When the last sync was asked for, aware.
        now: The present, aware.
    """
    # A moment that lies ahead was written by a clock that was wrong.
    if asked is None or not timedelta(0) <= now - asked < AT_LEAST_EVERY:
        return "the clock"
    jobs: Sequence[str] = FOLLOWED if now - asked < LOADS_EVERY else (*FOLLOWED, IRIS_LOAD)
    return next((job for job in jobs if _has_ended(instance, job, asked)), None)


def _has_ended(instance: dg.DagsterInstance, job: str, since: datetime) -> bool:
    ended = dg.RunsFilter(job_name=job, statuses=ENDED, updated_after=since)
    return bool(instance.get_run_records(ended, limit=1))
