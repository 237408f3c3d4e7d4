"""Schedules of the provider jobs. They decide when; ``ticks`` decides about what; the planner what is asked for.

They run from the start (``RUNNING``): keeping the data current is what the project is for, and a fresh deployment that
waits for somebody to press a switch is the silent gap that it must not have. ``ENERGY_ASSETS_PROFILE`` bounds what they
keep; whoever stops one in the UI is remembered by the instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from energy_assets.assets.partitions import range_tags
from energy_assets.assets.provider import RefreshConfig
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.automation.jobs import (
    BMRS_REFRESH,
    BMRS_REPAIR,
    BMRS_REVISIONS,
    LONGEST_LIVE,
    LONGEST_PAST,
    NO_CHECKS,
)
from energy_assets.automation.repair import repair_requests
from energy_assets.automation.ticks import Request, refresh_requests, revision_requests
from energy_assets.catalogue.model import Dataset

LONDON = "Europe/London"

EVERY_QUARTER_HOUR = "*/15 * * * *"
"""Elexon publishes by five minutes, settlement period and hour; a quarter of an hour is the freshness promised."""

AFTER_THE_NIGHT = "20 7 * * *"
"""07:20: yesterday has settled for most datasets (six hours), nobody is at work yet, and no clock changes then. Off the
quarter hour, so that it does not start beside a refresh."""

Ticked = Iterator[dg.RunRequest | dg.SkipReason]

EVERY_SIX_HOURS = "50 2,8,14,20 * * *"
"""A gap is no hurry, a day with one is. Ten to, so that it reads while no refresh writes; 02:50 exists on every day."""

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def bmrs_refresh_schedule(datasets: Sequence[Dataset]) -> dg.ScheduleDefinition:
    """Every quarter of an hour: a run for today, now and then one for yesterday; a skip while one is still active."""

    @dg.schedule(
        name=f"{BMRS_REFRESH}_schedule",
        job_name=BMRS_REFRESH,
        cron_schedule=EVERY_QUARTER_HOUR,
        execution_timezone=LONDON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Today's partition, and yesterday's while its late data come in.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]) -> Ticked:
        yield from _ticked(context, platform, datasets, BMRS_REFRESH, LONGEST_LIVE, refresh_requests)

    return schedule


def bmrs_revisions_schedule(datasets: Sequence[Dataset]) -> dg.ScheduleDefinition:
    """Daily: one run per range of days that are to be read again, or a skip while one of them is still active."""

    @dg.schedule(
        name=f"{BMRS_REVISIONS}_schedule",
        job_name=BMRS_REVISIONS,
        cron_schedule=AFTER_THE_NIGHT,
        execution_timezone=LONDON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The last week, and older days whose settlement run or correction is due.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]) -> Ticked:
        yield from _ticked(context, platform, datasets, BMRS_REVISIONS, LONGEST_PAST, revision_requests)

    return schedule


def bmrs_repair_schedule(datasets: Sequence[Dataset]) -> dg.ScheduleDefinition:
    """Every six hours: one run per range of days found open, or a skip while one of them is still active."""

    @dg.schedule(
        name=f"{BMRS_REPAIR}_schedule",
        job_name=BMRS_REPAIR,
        cron_schedule=EVERY_SIX_HOURS,
        execution_timezone=LONDON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Compares receipts and rows of the last quarter with what should be there.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]) -> Ticked:
        def rule(kept: Sequence[Dataset], tick: datetime) -> Sequence[Request]:
            with platform.warehouse() as warehouse:
                return repair_requests(kept, tick, warehouse)

        yield from _ticked(context, platform, datasets, BMRS_REPAIR, LONGEST_PAST, rule)

    return schedule


def while_active(instance: dg.DagsterInstance, job: str, longest: timedelta) -> dg.SkipReason | None:
    """The reason to skip while a run of the job is queued or running, or ``None``.

    A run older than ``longest`` is not waited for: a machine that lost power leaves runs that look alive for ever.
    """
    since = datetime.now(tz=UTC) - longest
    runs = instance.get_runs(filters=dg.RunsFilter(job_name=job, statuses=ACTIVE, created_after=since), limit=1)
    return dg.SkipReason(f"run {runs[0].run_id} of {job} is still active") if runs else None


def in_profile(datasets: Sequence[Dataset], platform: Platform) -> tuple[Dataset, ...]:
    """The datasets that the settings' profile keeps current."""
    profile = platform.settings().profile
    return tuple(d for d in datasets if profile in d.profiles)


def _ticked(
    context: dg.ScheduleEvaluationContext,
    platform: Platform,
    datasets: Sequence[Dataset],
    job: str,
    longest: timedelta,
    rule: Callable[[Sequence[Dataset], datetime], Sequence[Request]],
) -> Ticked:
    """The runs that a rule asks for at this tick, or why there are none."""
    skip = while_active(context.instance, job, longest)
    if skip is not None:
        yield skip
        return
    tick = context.scheduled_execution_time
    requests = rule(in_profile(datasets, platform), tick)
    if not requests:
        yield dg.SkipReason("nothing is to be asked for")
    yield from (run_request(r, tick) for r in requests)


def run_request(request: Request, tick: datetime) -> dg.RunRequest:
    """One run of a provider's step that believes the receipts; a tick that is evaluated twice starts it once."""
    provider = request.datasets[0].provider
    single = request.first == request.last
    return dg.RunRequest(
        run_key=f"{tick.astimezone(UTC):%Y-%m-%dT%H:%MZ} {request.first} {request.last}",
        partition_key=request.first.isoformat() if single else None,
        tags={} if single else range_tags(request.first, request.last),
        asset_selection=[key_of(d) for d in request.datasets],
        asset_check_keys=NO_CHECKS,
        run_config=dg.RunConfig(ops={provider: RefreshConfig(refetch=False)}),
    )
