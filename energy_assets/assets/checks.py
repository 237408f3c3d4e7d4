"""Every dataset's checks as Dagster shows them, and one step per provider that runs any of them.

Evaluators and facts are in ``energy_assets.checks``, the jobs that look regularly in ``energy_assets.automation``.
This step serves people: who materializes an asset, or presses Execute on a check, sees the verdict on those days.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets import calendar
from energy_assets.assets.provider import explained
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.model import CheckSpec, Finding, Severity
from energy_assets.checks.specs import AGREES_WITH_ELEXON, all_specs
from energy_assets.checks.telling import Key, Told, standing, widened
from energy_assets.checks.telling import key_of as key_of_finding

if TYPE_CHECKING:
    from energy_assets.checks.sweep import AskElexon
    from energy_assets.sources.elexon_status import ElexonWord

RECENT_DAYS = 2
"""Days looked at where nobody names any: today and yesterday."""

MOST_DAYS = 92
"""Most days that one step looks at: after a backfill of years the newest quarter; the rest is asked for on demand."""

PLANS = 10
"""Newest records of a check among which a verdict is looked for, the others being plans of runs that broke off."""

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def step_name(provider: str) -> str:
    """Name of the provider's step."""
    return f"{provider}_asset_checks"


def check_key(dataset: Dataset, spec: CheckSpec) -> dg.AssetCheckKey:
    """How Dagster names one check of one dataset."""
    return dg.AssetCheckKey(key_of(dataset), spec.name)


def check_specs(datasets: Sequence[Dataset]) -> list[dg.AssetCheckSpec]:
    """Every check of every dataset."""
    return [
        dg.AssetCheckSpec(spec.name, asset=key_of(d), description=spec.says, blocking=spec.blocking)
        for d in datasets
        for spec in all_specs(d)
    ]


def provider_checks(provider: str, datasets: Sequence[Dataset]) -> dg.AssetChecksDefinition:
    """The provider's checks as one step that runs any subset of them.

    Args:
        provider: Provider key.
        datasets: The provider's catalogue entries.
    """
    by_key = {check_key(d, spec): (d, spec) for d in datasets for spec in all_specs(d)}

    @dg.multi_asset_check(
        name=step_name(provider),
        specs=check_specs(datasets),
        can_subset=True,
        description="Looks at the days of the run; today and yesterday where it names none.",
    )
    def checks(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.AssetCheckResult]:
        from energy_assets.checks.sweep import sweep

        now = datetime.now(tz=UTC)
        first, last = _days(context, now)
        chosen = {key: by_key[key] for key in context.selected_asset_check_keys}
        wanted = list({d.code: d for d, _ in chosen.values()}.values())
        told = told_verdicts(context.instance, wanted)
        elexon = (
            ask_elexon(platform, updates=False) if any(s == AGREES_WITH_ELEXON for _, s in chosen.values()) else None
        )
        with explained(), platform.warehouse() as warehouse:
            found = widened(sweep(wanted, warehouse, first, last, now, elexon), told, (first, last))
        # Days that were not looked at keep their red verdict.
        verdicts = {key_of_finding(f): f for f in [*found, *standing(found, told)]}
        for key, (dataset, spec) in chosen.items():
            finding = verdicts.get((dataset.code, spec.name)) or not_kept(dataset, spec, first, last)
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=finding.passed,
                severity=severity_of(finding),
                description=finding.text,
                metadata=metadata_of(finding),
            )

    return checks


def ask_elexon(platform: Platform, *, updates: bool) -> "AskElexon":
    """Asks Elexon what it has, at the address of the settings.

    Args:
        platform: The settings.
        updates: Whether the last updates of all datasets are asked for too.
    """

    def asked(codes: Sequence[str], from_day: date, to_day: date) -> "ElexonWord":
        from energy_assets.sources.elexon import open_client
        from energy_assets.sources.elexon_status import PATIENCE, ask

        return ask(open_client(platform.settings(), PATIENCE), codes, from_day, to_day, updates=updates)

    return asked


def severity_of(finding: Finding) -> dg.AssetCheckSeverity:
    """How the UI colours a failed check: only an error is red."""
    return dg.AssetCheckSeverity.ERROR if finding.severity == "error" else dg.AssetCheckSeverity.WARN


def metadata_of(finding: Finding) -> dict[str, float | int | str]:
    """Figures and days of a finding, few enough to be kept with every event."""
    days = {"from_day": finding.from_day, "to_day": finding.to_day}
    finite = {name: n for name, n in finding.numbers.items() if isfinite(n)}
    numbers = {name: int(n) if n == int(n) else n for name, n in finite.items()}
    return {name: day.isoformat() for name, day in days.items() if day is not None} | numbers


def not_kept(dataset: Dataset, spec: CheckSpec, first: date, last: date) -> Finding:
    """What is said of a dataset that was never asked for."""
    text = f"{dataset.name}, {first} to {last}: was never asked for, so there is nothing to check."
    return Finding(spec.name, dataset.code, first, last, True, "info", text)


def _days(context: dg.AssetCheckExecutionContext, now: datetime) -> tuple[date, date]:
    """The days of the run, or the present; of very many the newest."""
    today = calendar.settlement_day(now)
    if not (context.has_partition_key or context.has_partition_key_range):
        return today - timedelta(days=RECENT_DAYS - 1), today
    keys = context.partition_key_range
    first, last = date.fromisoformat(keys.start), date.fromisoformat(keys.end)
    return max(first, last - timedelta(days=MOST_DAYS - 1)), last


def told_verdicts(instance: dg.DagsterInstance, datasets: Sequence[Dataset]) -> dict[Key, Told]:
    """The newest verdict that Dagster has of each check."""
    keys = {check_key(d, spec): (d.code, spec.name) for d in datasets for spec in all_specs(d)}
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    plans = [r for r in records.values() if not isinstance(r.evaluation, dg.AssetCheckEvaluation)]
    going_on = _going_on(instance, {r.run_id for r in plans})
    found: dict[Key, Told] = {}
    for key, newest in records.items():
        # A run that goes on, or broke off, has left a plan before which the verdict stands.
        planned = not isinstance(newest.evaluation, dg.AssetCheckEvaluation)
        history = instance.event_log_storage.get_asset_check_execution_history(key, PLANS) if planned else [newest]
        record = next((r for r in history if isinstance(r.evaluation, dg.AssetCheckEvaluation)), None)
        if record is None or not isinstance(evaluation := record.evaluation, dg.AssetCheckEvaluation):
            continue
        days = {name: value.value for name, value in evaluation.metadata.items() if name in ("from_day", "to_day")}
        found[keys[key]] = Told(
            evaluation.passed,
            datetime.fromtimestamp(record.create_timestamp, tz=UTC),
            _severity(evaluation),
            _day(days.get("from_day")),
            _day(days.get("to_day")),
            evaluation.description or "",
            hidden=planned and newest.run_id not in going_on,
        )
    return found


def _going_on(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> set[str]:
    """Those of the runs that have not ended."""
    wanted = list(run_ids)
    if not wanted:
        return set()
    states = [state for state in dg.DagsterRunStatus if state not in ENDED]
    return {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=wanted, statuses=states))}


def _severity(evaluation: dg.AssetCheckEvaluation) -> Severity:
    if evaluation.passed:
        return "info"
    return "error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warning"


def _day(text: object) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None
