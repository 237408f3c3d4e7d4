"""What the listener counts: messages by their fate, connections made anew by cause, and holes in the numbering."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from energy_assets.sources.iris.heartbeat import Gap

MOST_GAPS = 1000
"""Holes that are remembered: with more the numbering says nothing any more, and the oldest are forgotten."""


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

    Args:
        greatest: Greatest number seen by an earlier process.
        seen_utc: When its message was enqueued.

    Attributes:
        greatest: Greatest number seen.
    """

    def __init__(self, greatest: int | None = None, seen_utc: datetime | None = None) -> None:
        self.greatest = greatest
        self._seen_utc = seen_utc
        self._gaps: list[Gap] = []

    @property
    def missing(self) -> int:
        """Numbers in all holes together."""
        return sum(gap.last - gap.first + 1 for gap in self._gaps)

    def newest(self, most: int) -> tuple[Gap, ...]:
        """The newest holes."""
        return tuple(self._gaps[-most:])

    def see(self, number: int, enqueued_utc: datetime) -> None:
        """Take note of a message's number.

        Args:
            number: The number.
            enqueued_utc: When the queue took the message, aware.
        """
        if self.greatest is not None and number <= self.greatest:
            self._close(number)
            return
        if self.greatest is not None and number > self.greatest + 1:
            since = min(self._seen_utc or enqueued_utc, enqueued_utc)
            self._gaps.append(Gap(first=self.greatest + 1, last=number - 1, from_utc=since, to_utc=enqueued_utc))
            del self._gaps[:-MOST_GAPS]
        self.greatest = number
        self._seen_utc = enqueued_utc

    def _close(self, number: int) -> None:
        index = bisect_right(self._gaps, number, key=lambda gap: gap.first) - 1
        if index < 0 or number > self._gaps[index].last:
            return
        gap = self._gaps[index]
        pieces = ((gap.first, number - 1), (number + 1, gap.last))
        self._gaps[index : index + 1] = [
            Gap(first=first, last=last, from_utc=gap.from_utc, to_utc=gap.to_utc)
            for first, last in pieces
            if first <= last
        ]
