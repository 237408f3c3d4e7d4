"""Where IRIS has holes now: heartbeats, register and receipts are read, and the archive's open windows are found.

Reading and putting together belongs here; what counts as a hole is decided in ``outages``, what is due in ``planner``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from energy_assets import calendar
from energy_assets.catalogue.iris import ENTRIES, MESSAGES
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Seen
from energy_assets.ingest.outages import LOOK_BACK, Hole, joined, skipped, streams_kept, unvouched
from energy_assets.ingest.planner import fetch_interval, plan
from energy_assets.sources.iris.heartbeat import outages, read_beats
from energy_assets.warehouse.interface import Warehouse

SILENT_AFTER = timedelta(hours=24)
"""Time without a message after which somebody has to look: the queue forgets after three days."""

REGISTER_COLUMNS = ("sequence_number", "enqueued_utc", "table_name", "rows")

RESERVE = timedelta(minutes=1)
"""What is asked for on both sides of a hole: the archive's clock need not be the queue's."""


@dataclass(frozen=True)
class Holes:
    """What was found.

    Attributes:
        holes: Intervals that were missed, in order of time, those included that have been filled.
        asks: What of them the archive is to be asked for now: hole and entries.
        newest_utc: When the newest message that is held entered the queue; ``None`` where there is none.
    """

    holes: tuple[Hole, ...]
    asks: tuple[tuple[Hole, tuple[Dataset, ...]], ...]
    newest_utc: datetime | None

    def silent(self, now: datetime) -> bool:
        """Whether messages came once and have not for long."""
        return self.newest_utc is not None and now - self.newest_utc >= SILENT_AFTER


def find_holes(root: Path, warehouse: Warehouse, now: datetime) -> Holes:
    """Look for holes of the last week.

    Streams that the queue has not brought in that week are not missed: a queue may be set to a few of them.

    Args:
        root: The drop folder.
        warehouse: Whose register and receipts are read.
        now: The present, aware UTC.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    begin = now - LOOK_BACK
    missed = [Hole(o.from_utc, o.to_utc, (), o.reason) for o in outages(read_beats(root, begin, now), begin, now)]
    first, last = calendar.settlement_day(begin), calendar.settlement_day(now)
    (state,) = warehouse.status([MESSAGES], last, {MESSAGES.name: "enqueued_utc"})
    if state.newest_utc is None:
        return Holes(tuple(joined(missed)), (), None)
    register = warehouse.read(MESSAGES, first, last, columns=REGISTER_COLUMNS)
    kept = streams_kept(register)
    entries = [d for d in ENTRIES if d.table.name in kept and d.query.path]
    seen = warehouse.coverage([d.table for d in entries], *_interval(entries, first, last)) if entries else {}
    believed = {d.table.name: seen[d.code] for d in entries}
    holes = joined([*missed, *skipped(register, now), *unvouched(register, believed)])
    asks = (
        (hole, tuple(d for d in entries if _concerns(hole, d) and _due(d, hole, seen[d.code], now))) for hole in holes
    )
    return Holes(tuple(holes), tuple((hole, due) for hole, due in asks if due), state.newest_utc)


def _interval(entries: Sequence[Dataset], first: date, last: date) -> tuple[datetime, datetime]:
    return fetch_interval(entries[0], first, last)


def _concerns(hole: Hole, entry: Dataset) -> bool:
    return not hole.tables or entry.table.name in hole.tables


def _due(entry: Dataset, hole: Hole, seen: Sequence[Seen], now: datetime) -> bool:
    """Whether the archive is to be asked for any part of a hole."""
    begin, end = hole.from_utc - RESERVE, hole.to_utc + RESERVE
    planned = plan(entry, calendar.settlement_day(begin), calendar.settlement_day(end), seen, now)
    return any(w.from_utc < end and w.to_utc > begin for w in planned.windows)
