"""What the push service has brought and we do not hold: found by heartbeats, sequence numbers and receipts.

Pure: beats, the register of messages and believed receipts go in, intervals in which messages may be missing come out.
Whether and when the archive is asked for them is decided in ``holes``. Nothing here reads a store or a clock.

The queue delivers by itself what an outage within its memory kept back, so such an outage is no hole: what does not
come although later messages do is missing in the queue's numbering. An outage that the queue's memory does not span is
a hole whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from energy_assets import arrow
from energy_assets.ingest.columns import EPOCH, micros
from energy_assets.ingest.model import Seen
from energy_assets.sources.iris.heartbeat import DRAINED, Beat, Outage
from energy_assets.sources.iris.tally import PARTITION_BITS, SWAPPED

REMEMBERED = timedelta(hours=66)
"""Length up to which an outage is left to the queue: its memory of three days, less six hours in which a backlog of
that size is taken off it."""

CURRENT_AFTER = timedelta(hours=2)
"""Length from which an outage that goes on is filled from the archive, so that data stay current without a listener: a
restart or an update of the machine is over by then, and the archive has had its hour to take a message in."""

AT_REST = timedelta(minutes=30)
"""Age from which a skipped number counts as missing: the batches around it have been loaded by then, and a message
whose lock had to run out has come again. Also the time of listening after which a backlog of days has been taken."""

PARTITIONS = 1 << (64 - PARTITION_BITS)
"""Partitions that a sequence number can name."""

NUMBERINGS_MOST = 4
"""Times that a queue may begin its numbering anew within what is looked at; with more the numbers are no numbering."""

SPARSE_PART = 0.5
SPARSE_COUNT = 10
SPARSE_LEAST = 100
"""Numbers that are skipped after more than this part of the messages, by more than this count each, count no messages:
two listeners that share a queue skip every other one, and no loss is spread so evenly. Judged from so many messages
on."""

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)

State = Literal["open", "asked", "filled", "given_up"]
"""``open``: the archive is still to be asked for a part of it, or the queue may bring it. ``asked``: the archive has
been asked for all of it, and a part has not come yet. ``filled``: it has answered for all of it. ``given_up``: a part
has not come however often it was asked for."""


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """An interval of enqueuing in which messages may be missing.

    Attributes:
        from_utc: Beginning, included.
        to_utc: End, excluded.
        tables: Tables that it concerns; empty where it concerns every stream.
        reason: Why.
        lasting: Whether it goes on, so that its end is the present.
        queued: Whether it is left to the queue.
        state: What has become of it.
    """

    from_utc: datetime
    to_utc: datetime
    tables: tuple[str, ...] = ()
    reason: str = ""
    lasting: bool = False
    queued: bool = False
    state: State = "open"


@dataclass(frozen=True, slots=True)
class Skipped:
    """What the queue's numbering says.

    Attributes:
        holes: Intervals in which numbers are missing, or between two numberings.
        doubt: Why numbers are not believed; empty where they are.
    """

    holes: tuple[Hole, ...]
    doubt: str = ""


def unlistened(
    beats: Sequence[Beat], outages: Iterable[Outage], held_before: datetime | None, now: datetime
) -> list[Hole]:
    """Outages that the queue cannot make good, or may not have yet.

    Outages between which the listener did not catch up are one: what was queued in the first is still waiting in the
    last. One that begins with a line that tells of no link began when the newest message before it was enqueued.

    Args:
        beats: Lines in order of time, the outages' own.
        outages: Outages in order of time, apart.
        held_before: When the newest message held before the first line was enqueued, as far as is known.
        now: The present, aware UTC.
    """
    holes: list[Hole] = []
    for told, end, reason, lasting in _uncaught(beats, list(outages)):
        untold = told == beats[0].utc and not beats[0].linked and held_before is not None
        begin = min(told, held_before) if untold and held_before is not None else told
        length = end - begin
        if length > REMEMBERED or (lasting and length >= CURRENT_AFTER):
            holes.append(Hole(begin, end, (), reason, lasting))
        elif lasting or not _caught_up(beats, end, now):
            holes.append(Hole(begin, end, (), f"{reason}; the queue is to bring it", lasting, queued=True))
    return holes


def _uncaught(beats: Sequence[Beat], outages: Sequence[Outage]) -> Iterator[tuple[datetime, datetime, str, bool]]:
    """Beginning, end, reason and whether it lasts, of outages joined where nobody caught up between them."""
    current: tuple[datetime, datetime, str, bool] | None = None
    for outage in outages:
        begin, reason = outage.from_utc, outage.reason
        if current is not None:
            if _caught_up(beats, current[1], outage.from_utc):
                yield current
            else:
                begin = current[0]
                reason = current[2] if reason in current[2] else f"{current[2]}; {reason}"
        current = (begin, outage.to_utc, reason, outage.ongoing)
    if current is not None:
        yield current


def _caught_up(beats: Sequence[Beat], back: datetime, until: datetime) -> bool:
    """Whether a listener that was back at an instant had taken by another what was queued meanwhile."""
    if until - back >= AT_REST:
        return True
    return any(
        b.reason == DRAINED or (b.last_enqueued_utc is not None and b.last_enqueued_utc >= back)
        for b in beats
        if back <= b.utc <= until
    )


def skipped(register: pa.Table, settled: datetime) -> Skipped:
    """Where the queue gave out numbers that never came.

    Every queue has numberings of its own: one for each partition, and a new one where it was made anew. Between two
    numberings nothing says what was sent.

    Args:
        register: Rows of ``_iris_messages``: ``sequence_number``, ``enqueued_utc``, ``received_utc`` and ``origin``.
            Messages that came from the archive first have no number; they fill the place of those that are missing.
        settled: Messages that were enqueued or received from then on are not looked at: what lies before them may
            still be on its way.
    """
    known = register.filter(register["sequence_number"].is_valid())
    enqueued, received = arrow.to_numpy(known["enqueued_utc"]), arrow.to_numpy(known["received_utc"])
    still = np.maximum(enqueued, received) < micros(settled)
    known = known.filter(arrow.flags(still))
    others = register.filter(register["sequence_number"].is_null())
    unnumbered = np.sort(arrow.to_numpy(others["enqueued_utc"]))
    holes: list[Hole] = []
    spans: list[tuple[np.int64, np.int64]] = []
    pairs = jumps = missing = 0
    for numbers, times in _lanes(known):
        eras = _numberings(numbers, times)
        if len(eras) > NUMBERINGS_MOST:
            return Skipped((), f"the queue's numbers begin anew more than {NUMBERINGS_MOST} times and are not believed")
        for own, at in eras:
            found = list(_jumps(own, at, unnumbered))
            pairs, jumps = pairs + len(own), jumps + len(found)
            missing += sum(count for count, _ in found)
            holes += [hole for _, hole in found]
            spans.append((at.min(), at.max()))
    if pairs >= SPARSE_LEAST and jumps > SPARSE_PART * pairs and missing > SPARSE_COUNT * jumps:
        return Skipped((), f"the queue gave {missing} numbers more than messages, so its numbers are not believed")
    return Skipped(tuple(sorted([*holes, *_between(spans)])))


def _lanes(known: pa.Table) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Numbers and times of each partition of each queue, in order of time."""
    numbers, times = arrow.to_numpy(known["sequence_number"]), arrow.to_numpy(known["enqueued_utc"])
    queues = known["origin"].combine_chunks().dictionary_encode().indices.cast(pa.int64())
    lanes = arrow.to_numpy(queues) * PARTITIONS + (numbers >> PARTITION_BITS) % PARTITIONS
    order = np.lexsort((numbers, times))
    numbers, times, lanes = numbers[order], times[order], lanes[order]
    for lane in np.unique(lanes):
        yield numbers[lanes == lane], times[lanes == lane]


def _numberings(
    numbers: NDArray[np.int64], times: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """One lane cut where its numbers fall although time goes on; no more than are believed and one."""
    eras: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    while len(numbers) and len(eras) <= NUMBERINGS_MOST:
        greatest = np.maximum.accumulate(numbers)
        before = np.searchsorted(times, times - SWAPPED // TICK, side="left") - 1
        falls = np.flatnonzero((before >= 0) & (greatest[np.maximum(before, 0)] >= numbers))
        end = int(falls[0]) if len(falls) else len(numbers)
        eras.append((numbers[:end], times[:end]))
        numbers, times = numbers[end:], times[end:]
    return eras


def _jumps(
    numbers: NDArray[np.int64], times: NDArray[np.int64], unnumbered: NDArray[np.int64]
) -> Iterator[tuple[int, Hole]]:
    """Numbers that are missing within a numbering, and the interval in which their messages were enqueued."""
    numbers, first = np.unique(numbers, return_index=True)
    times = times[first]
    for place in np.flatnonzero(np.diff(numbers) > 1):
        count = int(numbers[place + 1] - numbers[place] - 1)
        begin, end = times[place], times[place + 1]
        # A numbering that began anew within a minute has its first numbers here: they are no neighbours.
        if begin > end + SWAPPED // TICK:
            continue
        begin, end = min(begin, end), max(begin, end)
        held = np.searchsorted(unnumbered, end, side="right") - np.searchsorted(unnumbered, begin, side="left")
        if held < count:
            yield count, Hole(_aware(begin), _aware(end) + TICK, (), f"{count} sequence numbers were skipped")


def _between(spans: Iterable[tuple[np.int64, np.int64]]) -> Iterator[Hole]:
    """Time that no numbering spans, between one and the next."""
    until: np.int64 | None = None
    for begin, end in sorted(spans):
        if until is not None and begin > until:
            yield Hole(_aware(until), _aware(begin) + TICK, (), "the queue's numbering began anew")
        until = end if until is None else max(until, end)


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
    """Holes that touch and are alike but for their reasons as one, in order of time."""
    alike: dict[tuple[object, ...], list[Hole]] = {}
    for hole in sorted(holes):
        own = alike.setdefault((hole.tables, hole.queued, hole.lasting), [])
        if own and hole.from_utc <= own[-1].to_utc:
            last = own.pop()
            reason = last.reason if hole.reason in last.reason else f"{last.reason}; {hole.reason}"
            end = max(last.to_utc, hole.to_utc)
            own.append(Hole(last.from_utc, end, hole.tables, reason, hole.lasting, hole.queued))
        else:
            own.append(hole)
    return sorted(hole for own in alike.values() for hole in own)


def _vouched(begin: datetime, end: datetime, seen: Sequence[Seen]) -> bool:
    return any(s.covered_utc is not None and s.window.from_utc < end and s.window.to_utc > begin for s in seen)


def _aware(value: np.int64) -> datetime:
    return EPOCH + timedelta(microseconds=int(value))
