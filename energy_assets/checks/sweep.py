"""One look at everything that is held of some datasets, and what the evaluators find in it.

Asks the warehouse and the planner, and Elexon only through a function that the caller gives; no clock, no Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks import baseline, lateness
from energy_assets.checks.cross import cross_findings
from energy_assets.checks.facts import Question
from energy_assets.checks.held import Held, ask_again, failed
from energy_assets.checks.model import Finding
from energy_assets.checks.oracle import agrees_with_elexon, last_update
from energy_assets.checks.rules import evaluate
from energy_assets.checks.specs import AGREES_WITH_ELEXON, RECEIPTS_AGAINST_ROWS, oracle_specs
from energy_assets.errors import ContractError, FetchError, WarehouseBusyError, WarehouseError
from energy_assets.ingest.model import Seen, Window
from energy_assets.ingest.planner import fetch_interval, judged, missing
from energy_assets.tracking.accepted import accepted
from energy_assets.tracking.gaps import patience
from energy_assets.tracking.status import event_column
from energy_assets.warehouse.facts import first_asked, read_facts, read_periods
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.ledger import read_gaps

if TYPE_CHECKING:
    from energy_assets.sources.elexon_status import ElexonWord


KEPT_WITHIN = timedelta(days=92)
"""How far back it is looked since when a dataset is kept: as far as the repair goes."""

MOST_BROKEN = 5
"""Tables that may be broken; where more cannot be read it is the store that is."""

AskElexon = Callable[[Sequence[str], date, date], "ElexonWord"]
"""Asks Elexon what it has of some datasets on some days."""


def sweep(
    datasets: Sequence[Dataset],
    warehouse: Warehouse,
    from_day: date,
    to_day: date,
    now: datetime,
    elexon: AskElexon | None = None,
    memory: Path | None = None,
) -> list[Finding]:
    """Findings about every dataset that is kept, for the settlement days ``from_day`` to ``to_day``, both inclusive.

    A table that cannot be read as the catalogue describes it is a finding, and keeps no other from being looked at.

    Args:
        datasets: Catalogue entries.
        warehouse: Where rows and receipts are.
        from_day: First settlement day.
        to_day: Last one.
        now: The present, aware.
        elexon: Asks Elexon what it has; without it the checks against its word are left out.
        memory: File that keeps for a day what was learned of lateness; without it that is learned each time.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    broken: list[str] = []

    def apart(some: Sequence[Dataset]) -> list[Finding]:
        try:
            return _sweep(some, warehouse, from_day, to_day, now, elexon, memory)
        except WarehouseBusyError:
            raise
        except WarehouseError as error:
            if len(some) > 1:
                return apart(some[: len(some) // 2]) + apart(some[len(some) // 2 :])
            broken.append(some[0].code)
            if len(broken) > MOST_BROKEN or len(broken) == len(datasets):
                raise
            return [_unreadable(Held(some[0], from_day, to_day, now), error)]

    return apart(datasets)


def _unreadable(held: Held, error: WarehouseError) -> Finding:
    text = f"the table, or one that it is compared with, cannot be read ({str(error).rstrip('.')})"
    remedy = (
        "if somebody else made or changed it, drop it and ask again with "
        f"{ask_again(held.dataset, held.first, held.last)}"
    )
    return failed(RECEIPTS_AGAINST_ROWS, held, (), text, remedy)


def _sweep(
    datasets: Sequence[Dataset],
    warehouse: Warehouse,
    from_day: date,
    to_day: date,
    now: datetime,
    elexon: AskElexon | None,
    memory: Path | None,
) -> list[Finding]:
    helds = look(datasets, warehouse, from_day, to_day, now)
    found = [finding for held in helds for finding in evaluate(held)]
    found += cross_findings(helds, warehouse, from_day, to_day, now)
    kept = [held.dataset for held in helds if held.asked]
    as_of = min(now, calendar.day_bounds_utc(to_day)[1] - timedelta.resolution)
    found += lateness.findings(kept, warehouse, as_of, memory if as_of == now else None)
    found += baseline.findings(kept, warehouse, from_day, to_day, calendar.settlement_day(now))
    return found if elexon is None else found + _by_elexons_word(helds, warehouse, (from_day, to_day), elexon)


def _by_elexons_word(
    helds: Sequence[Held], warehouse: Warehouse, days: tuple[date, date], elexon: AskElexon
) -> list[Finding]:
    """What is held against what Elexon says that it has; where it cannot be asked, the finding says so."""
    kept = [held for held in helds if held.asked and held.dataset.provider == "bmrs" and held.kept_from is not None]
    counted = [held for held in kept if oracle_specs(held.dataset)]
    try:
        word = elexon([held.dataset.code for held in counted], *days)
    except (FetchError, ContractError) as error:
        text = f"Elexon could not be asked ({error})"
        return [failed(AGREES_WITH_ELEXON, h, [], text, "look again later", severity="warning") for h in counted]
    rows = read_periods(warehouse, [held.dataset.table for held in counted], *days)
    found = [
        agrees_with_elexon(held, word.points.get(held.dataset.code, {}), rows[held.dataset.table.name])
        for held in counted
    ]
    updated = [h for h in kept if h.dataset.code in word.updated]
    return found + [last_update(held, word.updated[held.dataset.code], held.taken_utc) for held in updated]


def look(datasets: Sequence[Dataset], warehouse: Warehouse, from_day: date, to_day: date, now: datetime) -> list[Held]:
    """What is held of each dataset on these days, in the order given.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    if not datasets:
        return []
    tables = [d.table for d in datasets]
    columns = {d.table.name: column for d in datasets if (column := event_column(d)) is not None}
    status = {s.table: s for s in warehouse.status(tables, calendar.settlement_day(now), columns)}
    asked = [d for d in datasets if status[d.table.name].last_status is not None]
    facts = read_facts(warehouse, [Question.of(d) for d in asked], from_day, to_day)
    spans = [fetch_interval(d, from_day, to_day) for d in asked] or [(now, now)]
    seen = warehouse.coverage([d.table for d in asked], min(s for s, _ in spans), max(e for _, e in spans))
    kept = _kept_from(asked, warehouse, from_day, to_day)
    never = accepted(read_gaps(warehouse), now)
    found = []
    for dataset in datasets:
        known = status[dataset.table.name]
        if known.last_status is None:
            found.append(Held(dataset, from_day, to_day, now, asked=False))
            continue
        since = kept[dataset.code]
        receipts = [*seen.get(dataset.code, ()), *never.get(dataset.code, ())]
        wanted = dataset.files is None and dataset.provider != "iris" and since is not None and since <= to_day
        days = max(from_day, since or from_day), to_day
        open_windows = tuple(_overdue(dataset, days, receipts, now)) if wanted else ()
        found.append(
            Held(
                dataset,
                from_day,
                to_day,
                now,
                facts[dataset.table.name],
                known.newest_day,
                known.newest_utc,
                taken_utc=known.last_success_utc,
                missing=open_windows,
                kept_from=since,
            )
        )
    return found


def _overdue(dataset: Dataset, days: tuple[date, date], seen: Sequence[Seen], now: datetime) -> Iterator[Window]:
    """Windows that settled some polls ago and were not answered since: what is asked for in time is not missing."""
    if not missing(dataset, *days, seen, now):
        return
    lag = dataset.timing.settled
    for item in judged(dataset, *days, seen, now):
        window = item.window
        if not calendar.lag_passed(lag, window.from_utc, window.to_utc, now):
            continue
        settled = calendar.lag_end(lag, window.from_utc, window.to_utc)
        # What may be silent has answered with nothing, too.
        answers = [item.covered_utc] if dataset.empty == "suspect" else [item.covered_utc, item.empty_utc]
        answered = any(at is not None and at >= settled for at in answers)
        if not answered and now - settled >= patience(dataset, window, now):
            yield window


def _kept_from(
    datasets: Sequence[Dataset], warehouse: Warehouse, from_day: date, to_day: date
) -> dict[str, date | None]:
    """First day that was wanted of each dataset, by code: that of the first window asked for in the last quarter.

    Nobody asks for the days before an installation, or goes on with what a person once fetched, so nothing of them is
    missing. Of what is not asked for by windows every day counts.
    """
    windowed = [d for d in datasets if d.files is None and d.provider != "iris" and not d.is_register]
    if not windowed:
        return dict.fromkeys((d.code for d in datasets), date.min)
    spans = [fetch_interval(d, min(from_day, to_day - KEPT_WITHIN), to_day) for d in windowed]
    first = first_asked(warehouse, [d.table for d in windowed], min(s for s, _ in spans), max(e for _, e in spans))
    found: dict[str, date | None] = dict.fromkeys((d.code for d in datasets), date.min)
    for dataset in windowed:
        begin = first.get(dataset.table.name)
        # Windows begin before the first day whose rows they can hold.
        reach = timedelta(minutes=dataset.query.reach[0])
        found[dataset.code] = None if begin is None else calendar.settlement_day(begin + reach)
    return found
