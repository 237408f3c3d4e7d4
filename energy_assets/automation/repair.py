"""Repair: days for which something is due although nobody looks at them any more, found by receipts and rows.

The refresh looks at two days and the revisions at a week and at settlement runs; what a longer outage, a failure that
outlasted them or a lost table left open is found here. Pure, but for the reading of receipts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from energy_assets import calendar
from energy_assets.automation.ticks import Request, grouped
from energy_assets.catalogue.model import Dataset

if TYPE_CHECKING:
    from energy_assets.ingest.model import Seen
    from energy_assets.warehouse.interface import Warehouse

REPAIR_DAYS = 92
"""How far back repair looks: a quarter, one bounded piece. What has been open for longer is shown by the status and
left to a person with a backfill: it may be gone from the provider, or not wanted."""

LIVE_DAYS = 2
"""Today and yesterday are the live refresh's."""


def repair_requests(datasets: Sequence[Dataset], now: datetime, warehouse: Warehouse) -> Sequence[Request]:
    """Ranges of the last quarter in which receipts or rows are missing, for the datasets that miss them.

    Args:
        datasets: Entries to be kept current.
        now: The present, aware.
        warehouse: Whose receipts are looked at; only those whose rows are still there count.

    Raises:
        WarehouseError: The receipts cannot be read.
    """
    from energy_assets.ingest.planner import fetch_interval
    from energy_assets.tracking.accepted import accepted
    from energy_assets.warehouse.ledger import read_gaps

    last = calendar.settlement_day(now) - timedelta(days=LIVE_DAYS)
    first = last - timedelta(days=REPAIR_DAYS - 1)
    lasting = [d for d in datasets if not d.is_register and d.begins <= last]
    intervals = [fetch_interval(d, first, last) for d in lasting]
    if not intervals:
        return []
    low, high = min(start for start, _ in intervals), max(end for _, end in intervals)
    with warehouse.session(write=False):
        seen = warehouse.coverage([d.table for d in lasting], low, high)
        never = accepted(read_gaps(warehouse), now)
    return open_ranges(lasting, first, last, seen, now, never)


def open_ranges(
    datasets: Sequence[Dataset],
    first: date,
    last: date,
    seen: Mapping[str, Sequence[Seen]],
    now: datetime,
    never: Mapping[str, Sequence[Seen]] | None = None,
) -> list[Request]:
    """Ranges of days for which the planner has something due, since each dataset was first covered.

    A dataset that has never been covered in these days is not kept here, and nothing of it is missing.

    Args:
        datasets: Catalogue entries without registers.
        first: First settlement day looked at.
        last: Last one.
        seen: Believed receipts by dataset code.
        now: The present, aware.
        never: What the ledger of gaps has as never published, as if it were held, by dataset code.
    """
    from energy_assets.ingest.planner import plan

    wanted: dict[date, set[str]] = defaultdict(set)
    for dataset in datasets:
        covered = [s.window for s in seen.get(dataset.code, ()) if s.covered_utc is not None]
        if not covered:
            continue
        kept = max(first, dataset.begins, calendar.settlement_day(min(covered).from_utc))
        known = [*seen[dataset.code], *(never or {}).get(dataset.code, ())]
        for window in plan(dataset, kept, last, known, now).windows if kept <= last else ():
            final = calendar.settlement_day(window.to_utc - timedelta(microseconds=1))
            # A window asked for on the fetch axis may lie beside the days whose rows it holds.
            for day in calendar.days_between(calendar.settlement_day(window.from_utc), final):
                wanted[min(max(day, kept), last)].add(dataset.code)
    return grouped(wanted, datasets)
