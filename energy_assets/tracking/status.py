"""What the warehouse holds of each dataset: a pure evaluation of receipts and rows.

Asks the warehouse and the planner, nothing else: no provider, no clock, no printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Gap, Window
from energy_assets.ingest.planner import fetch_interval, missing
from energy_assets.tracking.accepted import accepted
from energy_assets.warehouse.interface import DatasetStatus, Warehouse
from energy_assets.warehouse.ledger import read_gaps

STATUS_DAYS = 7
"""Settlement days in which missing windows are counted: what is older is a matter for a backfill, not for a look at the
present, and a week holds every weekly rhythm once."""

State = Literal["empty", "failed", "suspect", "missing", "ok"]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """One dataset as the warehouse knows it.

    Attributes:
        dataset: The catalogue entry.
        held: What the warehouse says of its table.
        missing: Windows that have settled and are not covered, oldest first; without those that the ledger of gaps has
            as never published.
        failing_utc: Of a family of files, since when the ledger has something of it as missed or unreadable.
    """

    dataset: Dataset
    held: DatasetStatus
    missing: tuple[Window, ...]
    failing_utc: datetime | None = None

    @property
    def state(self) -> State:
        """The one word for it; the worst that applies."""
        if self.held.last_status is None:
            return "empty"
        if self.held.last_status == "failed":
            return "failed"
        if self.held.last_status == "suspect":
            return "suspect"
        return "missing" if self.missing else "ok"


def evaluate(
    datasets: Sequence[Dataset], warehouse: Warehouse, now: datetime, days: int = STATUS_DAYS, *, newest: bool = True
) -> list[DatasetReport]:
    """The status of each dataset, in the order given.

    Args:
        datasets: Catalogue entries.
        warehouse: Where rows and receipts are; need not hold anything yet.
        now: The present, aware.
        days: How many settlement days, today included, are searched for missing windows.
        newest: Whether the newest row's time is wanted, for which a billed store reads a column of every table.

    Raises:
        ValueError: ``days`` is not positive.
        WarehouseError: The warehouse cannot be read.
    """
    if days < 1:
        raise ValueError(f"missing windows are counted over at least one day, not {days}")
    today = calendar.settlement_day(now)
    return evaluate_days(datasets, warehouse, now, today - timedelta(days=days - 1), today, newest=newest)


def evaluate_days(
    datasets: Sequence[Dataset],
    warehouse: Warehouse,
    now: datetime,
    from_day: date,
    to_day: date,
    rows_day: date | None = None,
    *,
    newest: bool = True,
) -> list[DatasetReport]:
    """As ``evaluate``, with missing windows counted over the days ``from_day`` to ``to_day``, both inclusive.

    Rows are counted on ``rows_day``, today without it.
    """
    tables = [d.table for d in datasets]
    spans = [fetch_interval(d, from_day, to_day) for d in datasets]
    low = min((start for start, _ in spans), default=now)
    high = max((end for _, end in spans), default=now)
    columns = {d.table.name: column for d in datasets if newest and (column := event_column(d)) is not None}
    with warehouse.session(write=False):
        held = {s.table: s for s in warehouse.status(tables, rows_day or calendar.settlement_day(now), columns)}
        seen = warehouse.coverage(tables, low, high)
        gaps = read_gaps(warehouse)
    never, failing = accepted(gaps, now), _failing(gaps)
    return [
        DatasetReport(
            d,
            held[d.table.name],
            missing(d, from_day, to_day, [*seen.get(d.code, ()), *never.get(d.code, ())], now),
            failing.get(d.table.name) if d.files is not None else None,
        )
        for d in datasets
    ]


def _failing(gaps: Iterable[Gap]) -> dict[str, datetime]:
    """Since when the first open gap of each table is one that asking again should close."""
    found: dict[str, datetime] = {}
    for gap in gaps:
        if gap.why in ("missed", "quarantined"):
            found[gap.table] = min(gap.since_utc, found.get(gap.table, gap.since_utc))
    return found


def event_column(dataset: Dataset) -> str | None:
    """The instant that tells how new a row is: what windows select on, else the interval's start, else publication."""
    by_name = dataset.table.by_name
    candidates = (dataset.check.column, dataset.table.storage.column, "startTime", dataset.table.publish_column)
    return next((c for c in candidates if c is not None and c in by_name and by_name[c].type == "instant"), None)
