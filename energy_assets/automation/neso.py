"""NESO's data portal in Dagster: the schedule that chooses families, and the job that asks the portal for them.

Refreshing is a job of one op and not a run of assets: which days a file is about is known when it has been read, and a
run that plans every family each hour would fill Dagster's own storage with events for families that have nothing new.
The op reports the partitions whose rows changed. The assets of ``assets.provider`` are for people, who choose a family
and days.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from energy_assets import calendar, catalogue
from energy_assets.assets import reporting
from energy_assets.assets.partitions import FIRST_DAY
from energy_assets.assets.provider import explained
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.automation.jobs import LANE, MAX_RUNTIME, PORTAL, PRIORITY
from energy_assets.automation.schedules import LONDON, Ticked, in_profile, while_active
from energy_assets.catalogue.model import Dataset

if TYPE_CHECKING:
    from energy_assets.warehouse.interface import Warehouse

NESO_REFRESH = "neso_refresh"
REFRESH_OP = "refresh_families"

EVERY_TEN_MINUTES = "*/10 * * * *"
"""As often as the fastest family changes: its files carry no time of issue, and a version that is missed is lost."""

FULL_HOUR = 0
"""Minute of the tick that looks at every family; one look at the portal costs the same for one family as for all."""

FAST_MINUTES = 60
"""Families that change more often than this are looked at by every tick. The others are not, so that what they have to
load never holds up what would be lost."""

LONGEST_REFRESH = timedelta(minutes=90)
"""A refresh begins nothing after fifty minutes, and the largest file, of some million rows, is read and written in a
quarter of an hour on a small machine. A run that takes longer has hung or was lost with its machine; what it had loaded
is held by receipts, and the next one goes on."""

PORTAL_TAGS = {LANE: PORTAL, PRIORITY: "5", MAX_RUNTIME: str(int(LONGEST_REFRESH.total_seconds()))}
"""Behind the refresh of what is new every few minutes, before everything about the past."""

DAY_TAG = "energy_assets/day_begun"
"""Tag of the run that has reported what was written of a day before it began."""


class FamiliesConfig(dg.Config):
    """What is refreshed.

    Attributes:
        families: Names, globs, ``group:…`` or ``profile:…`` as the command line takes them (``neso/historic_demand``,
            ``neso/eac_*``); none for every family of the profile that the settings keep.
    """

    families: list[str] = Field(default=[])


def neso_refresh(families: Sequence[Dataset]) -> dg.JobDefinition:
    """The job that asks the portal what is new and loads it.

    Args:
        families: Every family of files; a run is about some of them.
    """

    @dg.op(name=REFRESH_OP, description="Asks the portal once what it has, and loads what is new of some families.")
    def refresh_op(
        context: dg.OpExecutionContext, config: FamiliesConfig, platform: dg.ResourceParam[Platform]
    ) -> None:
        with explained():
            chosen = _chosen(config.families, families) if config.families else in_profile(families, platform)
        _refresh(context, platform, chosen, families)

    @dg.job(
        name=NESO_REFRESH,
        tags=PORTAL_TAGS,
        executor_def=dg.in_process_executor,
        description="Keeps the families of NESO's data portal current: loads files that changed, probes tables.",
    )
    def job() -> None:
        refresh_op()

    return job


def neso_refresh_schedule(families: Sequence[Dataset]) -> dg.ScheduleDefinition:
    """Every ten minutes: a run for the families that are due to be looked at; a skip while one is still active."""

    @dg.schedule(
        name=f"{NESO_REFRESH}_schedule",
        job_name=NESO_REFRESH,
        cron_schedule=EVERY_TEN_MINUTES,
        execution_timezone=LONDON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At the full hour every family of the portal, in between those that change faster.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]) -> Ticked:
        skip = while_active(context.instance, NESO_REFRESH, LONGEST_REFRESH)
        if skip is not None:
            yield skip
            return
        tick = context.scheduled_execution_time.astimezone(UTC)
        kept = in_profile(families, platform)
        chosen = families_at(kept, tick)
        if not chosen:
            yield dg.SkipReason(
                "no family that is kept changes more often than hourly" if kept else "no family is kept"
            )
            return
        # Every family of the profile needs no names, which would be kept with each run.
        names = [] if tick.minute == FULL_HOUR else [d.name for d in chosen]
        yield dg.RunRequest(
            run_key=f"{tick:%Y-%m-%dT%H:%MZ}",
            run_config=dg.RunConfig(ops={REFRESH_OP: FamiliesConfig(families=names)}),
        )

    return schedule


def families_at(families: Sequence[Dataset], tick: datetime) -> tuple[Dataset, ...]:
    """The families that a tick looks at.

    Args:
        families: Families to be kept current.
        tick: The tick's time, aware.
    """
    if tick.minute == FULL_HOUR:
        return tuple(families)
    return tuple(d for d in families if d.files is not None and d.files.probe_minutes < FAST_MINUTES)


def _chosen(names: Sequence[str], families: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """The families that somebody named.

    Raises:
        CatalogueError: A name is unknown.
        dg.Failure: None of what is named is a family of the portal.
    """
    wanted = {d.code for d in catalogue.select(",".join(names))}
    chosen = tuple(d for d in families if d.code in wanted)
    if not chosen:
        raise dg.Failure(f"{', '.join(names)}: no family of the portal has this name", allow_retries=False)
    return chosen


def _refresh(
    context: dg.OpExecutionContext, platform: Platform, families: Sequence[Dataset], everything: Sequence[Dataset]
) -> None:
    """Refresh families, report the days that changed, and fail naming what failed; the others stand."""
    from energy_assets.ingest.model import Policy
    from energy_assets.ingest.refresh import refresh

    # A refresh that begins before midnight may look at the clock after it, and still reads registers then.
    until = calendar.settlement_day(datetime.now(tz=UTC)) + timedelta(days=1)
    with explained(), platform.engine() as engine:
        begun = _begun(context, engine.warehouse, everything, engine.clock())
        outcomes = refresh(families, FIRST_DAY, until, Policy(run_id=context.run_id, waits=True), engine)
        usage = engine.warehouse.usage()
        today = calendar.settlement_day(engine.clock())
    context.log.info(reporting.summary(outcomes))
    if tags := reporting.cost_tags(usage):
        context.instance.add_run_tags(context.run_id, tags)
    for dataset, outcome in zip(families, outcomes, strict=True):
        days = reporting.recent_changes(outcome, today)
        numbers = reporting.numbers(outcome, len(days), usage.get(dataset.table.name))
        _report(context, dataset, days, numbers)
    _report_begun(context, begun)
    message = reporting.failure_message(outcomes)
    if message is not None:
        raise dg.Failure(message, metadata=reporting.totals(outcomes), allow_retries=False)
    context.add_output_metadata(reporting.totals(outcomes))


@dataclass(frozen=True)
class _Begun:
    """A day that has begun, with the rows that families had of it before anybody reported it.

    Attributes:
        day: The settlement day.
        rows: Rows by family; empty where an earlier run has reported them.
        known: Whether an earlier run has.
    """

    day: date
    rows: Sequence[tuple[Dataset, int]] = ()
    known: bool = True


def _begun(
    context: dg.OpExecutionContext, warehouse: "Warehouse", families: Sequence[Dataset], now: datetime
) -> _Begun:
    """What is held of the present day, asked for by the first run that a day has.

    Auctions and plans are published before their day, which has no partition until it begins; then nothing of theirs
    may change any more.

    Raises:
        WarehouseError: The store cannot be read.
    """
    day = calendar.settlement_day(now)
    same = dg.RunsFilter(job_name=NESO_REFRESH, tags={DAY_TAG: day.isoformat()})
    if context.instance.get_run_records(same, limit=1):
        return _Begun(day)
    ahead = [d for d in families if d.files is not None and d.files.kind == "history"]
    held = warehouse.status([d.table for d in ahead], day, {})
    return _Begun(day, [(d, s.rows_today) for d, s in zip(ahead, held, strict=True) if s.rows_today], known=False)


def _report_begun(context: dg.OpExecutionContext, begun: _Begun) -> None:
    """Report the day that has begun, once."""
    for dataset, rows in begun.rows:
        _report(context, dataset, [begun.day], {"rows": rows})
    if not begun.known:
        context.instance.add_run_tags(context.run_id, {DAY_TAG: begun.day.isoformat()})


def _report(
    context: dg.OpExecutionContext, dataset: Dataset, days: Iterable[date], numbers: Mapping[str, float]
) -> None:
    for day in days:
        context.log_event(dg.AssetMaterialization(key_of(dataset), partition=day.isoformat(), metadata=dict(numbers)))
