"""All datasets of one provider as one step.

One ``multi_asset`` per provider and not per group: the datasets of a run wait for the network together, through one
client that keeps one rate limit, and write one after another into a store that has one writer. Steps per group would
wait for each other. Groups are a property of the specs.

Rows are written inside ``refresh`` and not by the IO manager: an error there would end the step and take the other
datasets with it. The IO manager's key on the specs is how downstream assets read these tables.
"""

# Annotations are not postponed here: Dagster reads the configuration's type from the function as it stands.
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_assets import calendar
from energy_assets.assets import reporting
from energy_assets.assets.partitions import days_of
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import Storage, dataset_spec, key_of
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import EnergyAssetsError

if TYPE_CHECKING:
    from energy_assets.ingest.model import Outcome
    from energy_assets.warehouse.interface import Usage

BACKFILL_TAG = "dagster/backfill"


class RefreshConfig(dg.Config):
    """Configuration of a provider's step.

    Attributes:
        refetch: Ask again for days that receipts already cover. True for a person who presses Materialize on a covered
            day, because that is what it means; schedules and repair pass false.
        from_utc: Leave out windows that end before this instant (``2026-07-15T10:00:00Z``); empty for no bound.
        to_utc: Leave out windows that begin at this instant or later; empty for no bound.
    """

    refetch: bool = True
    from_utc: str = ""
    to_utc: str = ""

    def within(self) -> tuple[datetime, datetime] | None:
        """The bounds as instants, or ``None``.

        Raises:
            dg.Failure: Only one is given, or one is no instant with its zone.
        """
        if not self.from_utc and not self.to_utc:
            return None
        first, last = _instant(self.from_utc), _instant(self.to_utc)
        if first is None or last is None:
            said = f"{self.from_utc!r} and {self.to_utc!r}"
            raise dg.Failure(f"from_utc and to_utc are {said}; give both as 2026-07-15T10:00:00Z", allow_retries=False)
        return first, last


def _instant(text: str) -> datetime | None:
    """An instant with its zone, or ``None`` where the text is none."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def provider_assets(provider: str, datasets: Sequence[Dataset], storage: Storage) -> dg.AssetsDefinition:
    """The provider's datasets as one step that runs any subset of them.

    Args:
        provider: Provider key; also the step's name.
        datasets: The provider's catalogue entries.
        storage: The warehouse that the specs show.
    """
    by_key = {key_of(d): d for d in datasets}

    @dg.multi_asset(
        name=provider,
        specs=[dataset_spec(d, storage) for d in datasets],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def assets(
        context: dg.AssetExecutionContext, config: RefreshConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        chosen = [d for key, d in by_key.items() if key in context.selected_asset_keys]
        first, last = days_of(context)
        today = calendar.settlement_day(datetime.now(tz=UTC))
        possible = [reporting.possible_days(d, first, last, today) for d in chosen]
        if not any(possible):
            raise dg.Failure("; ".join(_impossibility(d, last) for d in chosen), allow_retries=False)
        with explained():
            outcomes, usage = _refreshed(context, config, platform, chosen, first, last)
        context.log.info(reporting.summary(outcomes))
        if tags := reporting.cost_tags(usage):
            context.instance.add_run_tags(context.run.run_id, tags)
        yield from _reports(context, config, chosen, possible, outcomes, usage)
        message = reporting.failure_message(outcomes)
        if message is not None:
            raise dg.Failure(message, allow_retries=False)

    return assets


def launched_utc(instance: dg.DagsterInstance, run: dg.DagsterRun) -> datetime:
    """When the work that the run belongs to was launched: its backfill, else the first run that it re-executes.

    A resumed run so keeps what was fetched before it was interrupted, and sets aside everything older.
    """
    backfill_id = run.tags.get(BACKFILL_TAG)
    backfill = instance.get_backfill(backfill_id) if backfill_id else None
    if backfill is not None:
        return datetime.fromtimestamp(backfill.backfill_timestamp, tz=UTC)
    records = (instance.get_run_record_by_id(run_id) for run_id in (run.root_run_id, run.run_id) if run_id)
    return min(r.create_timestamp.astimezone(UTC) for r in records if r is not None)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what we know how to explain into a failure of one sentence, not to be retried."""
    try:
        yield
    except EnergyAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _impossibility(dataset: Dataset, last: date) -> str:
    if last < dataset.begins:
        return f"{dataset.code} begins on {dataset.begins}; choose a partition from then on"
    return f"{dataset.code} is a register and can only be read as it is now; choose today's partition"


def _refreshed(
    context: dg.AssetExecutionContext,
    config: RefreshConfig,
    platform: Platform,
    chosen: Sequence[Dataset],
    first: date,
    last: date,
) -> "tuple[list[Outcome], Mapping[str, Usage]]":
    from energy_assets.ingest.model import Policy
    from energy_assets.ingest.refresh import refresh

    since = launched_utc(context.instance, context.run) if config.refetch else None
    policy = Policy(refetch_since=since, run_id=context.run.run_id, within=config.within(), whole=True)
    with platform.engine() as engine:
        outcomes = refresh(chosen, first, last, policy, engine)
        return outcomes, engine.warehouse.usage()


def _reports(
    context: dg.AssetExecutionContext,
    config: RefreshConfig,
    chosen: Sequence[Dataset],
    possible: Sequence[tuple[date, date] | None],
    outcomes: "Sequence[Outcome]",
    usage: "Mapping[str, Usage]",
) -> Iterator[dg.MaterializeResult[Any]]:
    """Tell Dagster about every dataset that has something to tell; a mixed selection skips what cannot be.

    A result speaks for all days of the run and lets downstream assets of the same run go on, so a person's run yields
    one wherever it is true. Otherwise the days that are meant are logged one by one.
    """
    first, last = days_of(context)
    everything = config.refetch or any(o.status == "failed" for o in outcomes)
    for dataset, days, outcome in zip(chosen, possible, outcomes, strict=True):
        used = usage.get(dataset.table.name)
        if dataset.files is not None:
            _log_others(context, key_of(dataset), days, outcome, used)
        if days is None:
            context.log.info(f"skipped: {_impossibility(dataset, last)}")
        elif config.refetch and days == (first, last) and reporting.speaks_for_all(outcome):
            numbers = reporting.numbers(outcome, (last - first).days + 1, used)
            yield dg.MaterializeResult(asset_key=key_of(dataset), metadata=numbers)
        else:
            _log_days(context, key_of(dataset), days, outcome, used, everything=everything)


def _log_days(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    possible: tuple[date, date],
    outcome: "Outcome",
    used: "Usage | None",
    *,
    everything: bool,
) -> None:
    known = () if everything else _materialized(context.instance, key, possible)
    days = reporting.days_to_report(outcome, possible, known, everything=everything)
    numbers = reporting.numbers(outcome, len(days), used)
    for day in days:
        context.log_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=numbers))


def _log_others(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    own: tuple[date, date] | None,
    outcome: "Outcome",
    used: "Usage | None",
) -> None:
    """Report what a file changed beside the days that the run is about."""
    changed = reporting.recent_changes(outcome, calendar.settlement_day(datetime.now(tz=UTC)))
    others = [day for day in changed if own is None or not own[0] <= day <= own[1]]
    numbers = reporting.numbers(outcome, len(others), used)
    for day in others:
        context.log_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=numbers))


def _materialized(instance: dg.DagsterInstance, key: dg.AssetKey, span: tuple[date, date]) -> list[date]:
    """Days of the span that Dagster knows as materialized."""
    keys = instance.get_materialized_partitions(key)
    return [day for day in calendar.days_between(*span) if day.isoformat() in keys]
