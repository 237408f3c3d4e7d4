"""What the listener counts: messages by their fate, connections made anew by cause, and holes in the numbering."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from energy_assets.sources.iris.heartbeat import Gap

MOST_GAPS = 1000
"""Holes of a numbering that are remembered: with more it says nothing any more, and the oldest are forgotten."""

PARTITION_BITS = 48
"""A queue that is kept in partitions has the partition's number above these bits of each sequence number, and numbers
every partition by itself."""

SWAPPED = timedelta(minutes=1)
"""How much later than a greater number's a message of the same numbering may have been enqueued: the queue numbers in
the order of enqueuing, and clocks of its parts are this close."""


@dataclass(slots=True)
class Tally:
    """Counts since the process started; the names are those of a heartbeat's line.

    Attributes:
        lag_seconds: Time from queue to disk of the slowest message of the newest segment.
        worst_lag_seconds: Of the slowest message since ``take_worst_lag``.
    """

    received: int = 0
    durable: int = 0
    completed: int = 0
    unconfirmed: int = 0
    redelivered: int = 0
    dead_lettered: int = 0
    bytes: int = 0
    rebuilt: Counter[str] = field(default_factory=Counter)
    last_enqueued_utc: datetime | None = None
    lag_seconds: float | None = None
    worst_lag_seconds: float | None = None

    def saw_lag(self, seconds: float) -> None:
        """Take note of a segment's slowest message."""
        self.lag_seconds = seconds
        self.worst_lag_seconds = seconds if self.worst_lag_seconds is None else max(self.worst_lag_seconds, seconds)

    def take_worst_lag(self) -> float | None:
        """The slowest since the last time it was taken."""
        lag, self.worst_lag_seconds = self.worst_lag_seconds, None
        return lag


class Numbering:
    """Sequence numbers seen, and the holes between them, which close when what is missing comes after all.

    Each partition of a queue is numbered by itself. A number that falls although time goes on begins its numbering
    anew: the queue was made anew, and the holes of the old one will not close.

    Args:
        greatest: Greatest number seen last by an earlier process.
        seen_utc: When its message was enqueued.

    Attributes:
        greatest: Greatest number seen, of the partition that a message of such a number came from last.
    """

    def __init__(self, greatest: int | None = None, seen_utc: datetime | None = None) -> None:
        self.greatest = greatest
        self._ends: dict[int, tuple[int, datetime | None]] = {}
        self._gaps: dict[int, list[Gap]] = {}
        if greatest is not None:
            self._ends[greatest >> PARTITION_BITS] = (greatest, seen_utc)

    @property
    def missing(self) -> int:
        """Numbers in all holes together."""
        return sum(gap.last - gap.first + 1 for gap in chain.from_iterable(self._gaps.values()))

    def newest(self, most: int) -> tuple[Gap, ...]:
        """The newest holes."""
        return tuple(sorted(chain.from_iterable(self._gaps.values()), key=lambda gap: gap.to_utc)[-most:])

    def see(self, number: int, enqueued_utc: datetime) -> None:
        """Take note of a message's number.

        Args:
            number: The number.
            enqueued_utc: When the queue took the message, aware.
        """
        partition = number >> PARTITION_BITS
        gaps = self._gaps.setdefault(partition, [])
        end, seen_utc = self._ends.get(partition, (None, None))
        if end is not None and number <= end:
            if seen_utc is None or enqueued_utc <= seen_utc + SWAPPED:
                _close(gaps, number)
                return
            gaps.clear()
        elif end is not None and number > end + 1:
            since = min(seen_utc or enqueued_utc, enqueued_utc)
            gaps.append(Gap(first=end + 1, last=number - 1, from_utc=since, to_utc=enqueued_utc))
            del gaps[:-MOST_GAPS]
        self._ends[partition] = (number, enqueued_utc)
        self.greatest = number


def _close(gaps: list[Gap], number: int) -> None:
    """Take a number out of the hole that it lies in."""
    index = bisect_right(gaps, number, key=lambda gap: gap.first) - 1
    if index < 0 or number > gaps[index].last:
        return
    gap = gaps[index]
    pieces = ((gap.first, number - 1), (number + 1, gap.last))
    gaps[index : index + 1] = [
        Gap(first=first, last=last, from_utc=gap.from_utc, to_utc=gap.to_utc) for first, last in pieces if first <= last
    ]
