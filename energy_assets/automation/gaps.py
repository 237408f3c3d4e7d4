"""The ledger of gaps in Dagster: an hourly job that looks what is missing, writes what changed, and has people told.

It reads receipts and the drop folder and asks no provider. What was missed is asked for by the refresh and the repairs,
which see it by themselves; the ledger keeps them from what was never published.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.assets.limits import BUSY_RETRIES
from energy_assets.assets.resources import Platform
from energy_assets.automation.jobs import LANE, LIVE, LONGEST_LIVE, MAX_RUNTIME
from energy_assets.automation.schedules import LONDON, while_active
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import EnergyAssetsError
from energy_assets.warehouse.io_manager import failure

if TYPE_CHECKING:
    from energy_assets.tracking.gap_look import Look

GAPS = "gaps"
SCOPE = "gaps"

HOURLY = "10 * * * *"
"""Ten past: the refresh of the full hour has ended, and the checks have not begun."""

WHOLE_LOOK_HOUR = 5
"""Hour, London, from which on the first look of a day goes back as far as the repair asks: nobody is at work, and the
clock never skips it. Of a quarter BigQuery charges for every receipt."""

WHOLE_LOOK_TAG = "energy_assets/whole_look"
"""Tag with the day of a run that looks back so far: a machine that was off at that hour does so when it is on."""

GAPS_TAGS = {LANE: LIVE, MAX_RUNTIME: str(int(LONGEST_LIVE.total_seconds()))}
"""Without priority: the refresh comes first."""


class GapsConfig(dg.Config):
    """How much is looked at.

    Attributes:
        days: Settlement days, today included; days of open gaps come on top. 0 for the usual.
    """

    days: int = 0


def gaps_job(datasets: Sequence[Dataset]) -> dg.JobDefinition:
    """The job that keeps the ledger.

    Args:
        datasets: Entries of which those are judged that the profile keeps current.
    """

    @dg.op(name="keep_ledger", description="Notes what is missing and what is no more.", retry_policy=BUSY_RETRIES)
    def keep_ledger(context: dg.OpExecutionContext, config: GapsConfig, platform: dg.ResourceParam[Platform]) -> None:
        from energy_assets.tracking.alerts import open_alerts
        from energy_assets.tracking.gap_look import LOOK_DAYS, judged_datasets, keep, look, names_of
        from energy_assets.tracking.gaps import conditions

        now = datetime.now(tz=UTC)
        try:
            settings = platform.settings()
            chosen = judged_datasets(datasets, settings.profile)
            with platform.warehouse() as warehouse:
                found = look(chosen, warehouse, now, days=config.days or LOOK_DAYS, root=settings.iris_drop_dir)
                keep(found, warehouse)
        except EnergyAssetsError as error:
            raise failure(error) from error
        open_alerts(settings).report(SCOPE, conditions(found.gaps, names_of(chosen), now), now)
        context.log.info(_summary(found))

    @dg.job(
        name=GAPS,
        tags=GAPS_TAGS,
        executor_def=dg.in_process_executor,
        description="Keeps the ledger of gaps: what is missing, since when and why; tells people of what lasts.",
    )
    def job() -> None:
        keep_ledger()

    return job


@dg.schedule(
    name=f"{GAPS}_schedule",
    job_name=GAPS,
    cron_schedule=HOURLY,
    execution_timezone=LONDON,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The last days hourly, the last quarter once a day.",
)
def gaps_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run, or a skip while the last one is active."""
    from energy_assets.tracking.gap_look import LONGEST_LOOK_DAYS

    skip = while_active(context.instance, GAPS, LONGEST_LIVE)
    if skip is not None:
        return skip
    tick = context.scheduled_execution_time
    tag = {WHOLE_LOOK_TAG: f"{tick:%Y-%m-%d}"}
    done = dg.RunsFilter(job_name=GAPS, tags=tag, statuses=[dg.DagsterRunStatus.SUCCESS])
    whole = tick.hour >= WHOLE_LOOK_HOUR and not context.instance.get_run_records(done, limit=1)
    return dg.RunRequest(
        run_key=f"{tick.astimezone(UTC):%Y-%m-%dT%H:%MZ}",
        run_config=dg.RunConfig(ops={"keep_ledger": GapsConfig(days=LONGEST_LOOK_DAYS if whole else 0)}),
        tags=tag if whole else {},
    )


def _summary(found: "Look") -> str:
    closed = sum(not g.is_open for g in found.changes)
    missed = sum(g.why == "missed" for g in found.gaps)
    return (
        f"{len(found.gaps)} gaps are open, {missed} of them missed; {len(found.changes) - closed} new or changed and "
        f"{closed} closed since the last look"
    )
