"""What the push service has brought and we do not hold: found by heartbeats, sequence numbers and receipts.

Pure: beats, the register of messages and believed receipts go in, intervals to ask the archive for come out. Whether
the archive has been asked already is the planner's question, by its receipts; so an interval may be found again and
costs nothing. Nothing here reads a store or a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets import arrow
from energy_assets.ingest.columns import EPOCH, micros
from energy_assets.ingest.model import Seen

LOOK_BACK = timedelta(days=7)
"""How far back is looked: twice the queue's memory and a day. Older gaps were found while they were younger."""

AT_REST = timedelta(minutes=30)
"""Age from which a skipped number counts as missing: the batches around it have been loaded by then, and a message
whose lock had to run out has come again."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """An interval of enqueuing that the archive is to be asked for.

    Attributes:
        from_utc: Beginning, included.
        to_utc: End, excluded.
        tables: Tables that it concerns; empty where it concerns every stream.
        reason: Why.
    """

    from_utc: datetime
    to_utc: datetime
    tables: tuple[str, ...] = ()
    reason: str = ""


def skipped(register: pa.Table, now: datetime) -> list[Hole]:
    """Intervals in which the queue gave out numbers that never came.

    Args:
        register: Rows of ``_iris_messages``; ``sequence_number`` and ``enqueued_utc`` are looked at. Of messages from
            the archive there is no number.
        now: The present, aware UTC.
    """
    known = register.filter(register["sequence_number"].is_valid())
    times = arrow.to_numpy(known["enqueued_utc"])
    settled = times < micros(now - AT_REST)
    numbers, first = np.unique(arrow.to_numpy(known["sequence_number"])[settled], return_index=True)
    times = times[settled][first]
    holes = []
    for place in np.flatnonzero(np.diff(numbers) > 1):
        count = int(numbers[place + 1] - numbers[place] - 1)
        begin, end = sorted((_aware(times[place]), _aware(times[place + 1])))
        holes.append(Hole(begin, end + timedelta(microseconds=1), (), f"{count} sequence numbers were skipped"))
    return holes


def unvouched(register: pa.Table, believed: Mapping[str, Sequence[Seen]]) -> list[Hole]:
    """Hours in which messages were loaded for which no receipt vouches any more: their rows are gone.

    Args:
        register: Rows of ``_iris_messages``; ``table_name``, ``rows`` and ``enqueued_utc`` are looked at.
        believed: Believed receipts by table name; other tables are left alone.
    """
    loaded = register.filter(arrow.flags(arrow.to_numpy(register["rows"]) > 0))
    hours = pc.floor_temporal(loaded["enqueued_utc"], unit="hour")
    named = pa.table({"table": loaded["table_name"], "hour": hours}).group_by(["table", "hour"]).aggregate([])
    by_hour: dict[datetime, list[str]] = {}
    for row in named.to_pylist():
        table, begin = row["table"], row["hour"].replace(tzinfo=UTC)
        if table in believed and not _vouched(begin, begin + HOUR, believed[table]):
            by_hour.setdefault(begin, []).append(table)
    return [
        Hole(hour, hour + HOUR, tuple(sorted(tables)), "rows that were loaded are gone")
        for hour, tables in sorted(by_hour.items())
    ]


def joined(holes: Iterable[Hole]) -> list[Hole]:
    """Holes that touch and concern the same tables as one, in order of time."""
    by_tables: dict[tuple[str, ...], list[Hole]] = {}
    for hole in sorted(holes):
        own = by_tables.setdefault(hole.tables, [])
        if own and hole.from_utc <= own[-1].to_utc:
            last = own.pop()
            reason = last.reason if hole.reason in last.reason else f"{last.reason}; {hole.reason}"
            own.append(Hole(last.from_utc, max(last.to_utc, hole.to_utc), last.tables, reason))
        else:
            own.append(hole)
    return sorted(hole for own in by_tables.values() for hole in own)


def streams_kept(register: pa.Table) -> Collection[str]:
    """Tables that the queue fills: a queue may be set to a few streams, and others are not missing."""
    return frozenset(pc.unique(register["table_name"]).to_pylist())


def _vouched(begin: datetime, end: datetime, seen: Sequence[Seen]) -> bool:
    return any(s.covered_utc is not None and s.window.from_utc < end and s.window.to_utc > begin for s in seen)


def _aware(value: np.int64) -> datetime:
    return EPOCH + timedelta(microseconds=int(value))
