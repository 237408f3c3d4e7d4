"""The looks at what is held: hourly at today and yesterday, daily at the last weeks, on demand at any days.

Jobs of one op and not runs of checks: Dagster keeps an event for every check that a run plans, whatever comes of it,
4 MB for the checks of one provider, and another 9 MB for their verdicts. Here only what is worth telling becomes an
event (``energy_assets.checks.telling``).
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from energy_assets import calendar
from energy_assets.assets.checks import (
    MOST_DAYS,
    RECENT_DAYS,
    ask_elexon,
    metadata_of,
    severity_of,
    told_verdicts,
)
from energy_assets.assets.provider import explained
from energy_assets.assets.resources import Platform
from energy_assets.automation.jobs import LANE, LIVE, LONGEST_LIVE, MAX_RUNTIME
from energy_assets.automation.schedules import LONDON, while_active
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.specs import all_specs
from energy_assets.checks.telling import Key, Told, conditions, key_of, standing, widened, worth_telling

if TYPE_CHECKING:
    from energy_assets.checks.model import Finding

WEEKS_DAYS = 28
"""Days that the daily look goes back: four weeks, so that every weekday and most corrections are in it."""

SCOPE = "checks {provider}"
"""Scope of the incidents of a provider's checks."""

HOURLY = {"bmrs": 25, "iris": 27, "neso": 55}
"""Minute of the hourly look: off the quarter hours at which the refresh writes, and one provider after the other."""

DAILY = {"bmrs": "35 8", "iris": "37 8", "neso": "40 8"}
"""Minute and hour, London, of the daily look: after the revisions of 07:20 and beside no hourly look."""

CHECK_TAGS = {LANE: LIVE, MAX_RUNTIME: str(int(LONGEST_LIVE.total_seconds()))}
"""Without priority: the refresh comes first."""


class CheckConfig(dg.Config):
    """What is looked at.

    Attributes:
        from_day: First settlement day (``2026-07-15``); empty for the newest days.
        to_day: Last one, inclusive; empty for today.
        days: How many days back from the last one, where no first is named.
        datasets: Names of datasets (``bmrs/fuelinst``); empty for all of the provider.
        reds: Whether days of older red verdicts are looked at too.
        elexon: Whether Elexon is asked what it has, to compare.
    """

    from_day: str = ""
    to_day: str = ""
    days: int = RECENT_DAYS
    datasets: list[str] = Field(default_factory=list)
    reds: bool = False
    elexon: bool = False

    def span(self, now: datetime) -> tuple[date, date]:
        """First and last day.

        Raises:
            dg.Failure: They are no days, or the last comes before the first.
        """
        try:
            last = date.fromisoformat(self.to_day) if self.to_day else calendar.settlement_day(now)
            first = date.fromisoformat(self.from_day) if self.from_day else last - timedelta(days=self.days - 1)
        except ValueError as error:
            said = f"from_day is {self.from_day!r} and to_day {self.to_day!r}; give days as 2026-07-15"
            raise dg.Failure(said, allow_retries=False) from error
        if first > last:
            raise dg.Failure(f"the last day, {last}, comes before the first, {first}", allow_retries=False)
        return first, last


@dataclass(frozen=True)
class Looks:
    """The job and the schedules of one provider."""

    job: dg.JobDefinition
    schedules: tuple[dg.ScheduleDefinition, ...]


def job_name(provider: str) -> str:
    """Name of the provider's job."""
    return f"{provider}_checks"


def looks(provider: str, datasets: Sequence[Dataset]) -> Looks:
    """The job that looks, and the schedules that start it."""
    name = job_name(provider)

    @dg.op(name=f"look_at_{provider}", description="Sums up what is held of every dataset and judges it.")
    def look(context: dg.OpExecutionContext, config: CheckConfig, platform: dg.ResourceParam[Platform]) -> None:
        _look(context, config, platform, datasets, SCOPE.format(provider=provider))

    @dg.job(
        name=name,
        tags=CHECK_TAGS,
        executor_def=dg.in_process_executor,
        description="Checks what is held of every dataset; reports verdicts that changed, and red ones daily.",
    )
    def job() -> None:
        look()

    hourly = _schedule(provider, f"{HOURLY[provider]} * * * *", "hourly", CheckConfig(), "Today and yesterday.")
    weeks = CheckConfig(days=WEEKS_DAYS, reds=True, elexon=provider == "bmrs")
    daily = _schedule(provider, f"{DAILY[provider]} * * *", "daily", weeks, "The last four weeks.")
    return Looks(job, (hourly, daily))


def _schedule(provider: str, cron: str, often: str, config: CheckConfig, says: str) -> dg.ScheduleDefinition:
    name = job_name(provider)

    @dg.schedule(
        name=f"{name}_{often}",
        job_name=name,
        cron_schedule=cron,
        execution_timezone=LONDON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=says,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        skip = while_active(context.instance, name, LONGEST_LIVE)
        if skip is not None:
            return skip
        tick = context.scheduled_execution_time.astimezone(UTC)
        return dg.RunRequest(
            run_key=f"{often} {tick:%Y-%m-%dT%H:%MZ}", run_config=dg.RunConfig(ops={f"look_at_{provider}": config})
        )

    return schedule


def _look(
    context: dg.OpExecutionContext, config: CheckConfig, platform: Platform, datasets: Sequence[Dataset], scope: str
) -> None:
    from energy_assets.checks.sweep import sweep
    from energy_assets.tracking.alerts import open_alerts

    now = datetime.now(tz=UTC)
    chosen = _chosen(config, datasets)
    told = told_verdicts(context.instance, chosen)
    first, last = config.span(now)
    if config.reds:
        first = min([first, *_red_days(told, last)])
    with explained(), platform.warehouse() as warehouse:
        elexon = ask_elexon(platform, updates=True) if config.elexon else None
        found = sweep(chosen, warehouse, first, last, now, elexon, learned_file(platform))
    findings = widened(found, told, (first, last))
    shown = {(d.code, spec.name) for d in chosen for spec in all_specs(d)}
    news = [f for f in worth_telling(findings, told, now) if key_of(f) in shown]
    tell(context.instance, chosen, news)
    red = standing(findings, told)
    for finding in red:
        context.log.warning(f"{finding.check} ({finding.severity}): {finding.text}")
    if not config.datasets:
        # A look at a few says nothing of the others, whose incidents it would end.
        names = {d.code: d.name for d in datasets}
        # What is no check of an asset is not remembered: the next look, which does not ask for it, would end it.
        lasting = [finding for finding in red if key_of(finding) in shown]
        open_alerts(platform.settings()).report(scope, conditions(lasting, names), now)
    context.log.info(f"{len(findings)} checks of {first} to {last}: {len(red)} not passed, {len(news)} reported")


def learned_file(platform: Platform) -> Path:
    """Where what was learned of lateness in the warehouse is kept for a day."""
    settings = platform.settings()
    return settings.home / "learned" / f"lateness_{settings.warehouse}_{settings.schema_name}.json"


def _chosen(config: CheckConfig, datasets: Sequence[Dataset]) -> Sequence[Dataset]:
    """The datasets named, or all of them; those that nobody keeps have nothing to be looked at.

    Raises:
        dg.Failure: One is none of the provider's.
    """
    if not config.datasets:
        return datasets
    by_name = {d.name: d for d in datasets}
    unknown = [name for name in config.datasets if name.lower() not in by_name]
    if unknown:
        raise dg.Failure(f"{unknown[0]} is no dataset of this provider", allow_retries=False)
    return [by_name[name.lower()] for name in config.datasets]


def _red_days(told: Mapping[Key, Told], last: date) -> list[date]:
    """Days at fault by older verdicts, as far back as one look goes."""
    reach = last - timedelta(days=MOST_DAYS - 1)
    return [t.from_day for t in told.values() if not t.passed and t.from_day is not None and t.from_day >= reach]


def tell(instance: dg.DagsterInstance, datasets: Sequence[Dataset], findings: "Sequence[Finding]") -> None:
    """Report verdicts without planning them."""
    by_code = {d.code: d for d in datasets}
    for finding in findings:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(list(by_code[finding.dataset].asset_key)),
            check_name=finding.check,
            passed=finding.passed,
            severity=severity_of(finding),
            description=finding.text,
            metadata={name: _value(v) for name, v in metadata_of(finding).items()},
        )
        instance.report_runless_asset_event(evaluation)


def _value(value: float | str) -> dg.MetadataValue[Any]:
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)
