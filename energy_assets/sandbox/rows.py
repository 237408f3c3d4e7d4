"""Rows ready to be sent: JSON texts in provider order, found by their place on the window axis.

Only the container and the ways of cutting it belong here; where rows come from is the business of ``synthetic`` and
``replay``. Places on the axis are UTC microseconds since 1970 (an instant, or the start of a settlement day or period),
so that every kind of window is a closed interval of integers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

from energy_assets.catalogue.model import Dataset

Micros = npt.NDArray[np.int64]
Branch = tuple[tuple[str, str], ...]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERIOD = 30 * MINUTE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(instant: datetime) -> int:
    """UTC microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant_of(value: int) -> datetime:
    """The aware UTC instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(value))


@dataclass(frozen=True)
class Block:
    """Rows of one dataset and branch, newest first.

    Attributes:
        at: Place of each row on the window axis, descending.
        visible: When the provider has each row, in the same measure.
        offsets: Where each row's text begins in ``text``; one more entry than rows.
        text: The rows as JSON objects, each followed by a comma.
    """

    at: Micros
    visible: Micros
    offsets: Micros
    text: bytes

    @classmethod
    def of(cls, at: Micros, visible: Micros, texts: Sequence[str | bytes]) -> Block:
        """A block of JSON texts in any order; equal places keep their order."""
        order = np.argsort(-at, kind="stable")
        encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
        pieces = [encoded[i] + b"," for i in order.tolist()]
        offsets = np.zeros(len(pieces) + 1, dtype=np.int64)
        np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
        return cls(at[order], visible[order], offsets, b"".join(pieces))

    def __len__(self) -> int:
        return len(self.at)

    def texts(self) -> list[str]:
        """Each row's JSON text."""
        return [
            self.text[a : b - 1].decode()
            for a, b in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True)
        ]

    def select(self, low: int, high: int, now: int) -> bytes:
        """Texts of the rows with ``low <= at <= high`` that are visible at ``now``, joined by commas."""
        first = int(np.searchsorted(-self.at, -high, side="left"))
        last = int(np.searchsorted(-self.at, -low, side="right"))
        if first >= last:
            return b""
        seen = self.visible[first:last] <= now
        if bool(seen.all()):
            return self.text[int(self.offsets[first]) : int(self.offsets[last]) - 1]
        rows = (first + np.flatnonzero(seen)).tolist()
        return b",".join(self.text[int(self.offsets[i]) : int(self.offsets[i + 1]) - 1] for i in rows)

    def newest(self, until: int, now: int) -> int | None:
        """The greatest place not after ``until`` whose row is visible at ``now``."""
        fits = (self.at <= until) & (self.visible <= now)
        return int(self.at[int(np.argmax(fits))]) if bool(fits.any()) else None


EMPTY = Block(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(1, np.int64), b"")


class RowSource(Protocol):
    """Where a sandbox's rows come from."""

    def select(self, dataset: Dataset, branch: Branch, low: int, high: int, now: int) -> bytes:
        """Texts of the rows in the closed interval that are visible at ``now``, newest first, joined by commas."""
        ...

    def newest(self, dataset: Dataset, branch: Branch, until: int, now: int) -> int | None:
        """The greatest place not after ``until`` that has a visible row."""
        ...

    def register(self, dataset: Dataset, now: int) -> bytes:
        """All rows of a register, joined by commas."""
        ...


class BlockCache:
    """Blocks by key, the least recently used forgotten when their texts exceed a budget."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._size = 0
        self._blocks: OrderedDict[Hashable, Block] = OrderedDict()
        self._lock = Lock()
        self._building = Lock()

    def get(self, key: Hashable, build: Callable[[], Block]) -> Block:
        """The block of a key, built when it is not there; one at a time, so that no day is built twice at once."""
        found = self._found(key)
        if found is not None:
            return found
        with self._building:
            found = self._found(key)
            if found is None:
                found = build()
                self._keep(key, found)
        return found

    def _found(self, key: Hashable) -> Block | None:
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
            return found

    def _keep(self, key: Hashable, block: Block) -> None:
        with self._lock:
            self._blocks[key] = block
            self._size += len(block.text)
            while self._size > self._budget and len(self._blocks) > 1:
                _, dropped = self._blocks.popitem(last=False)
                self._size -= len(dropped.text)

    def clear(self) -> None:
        """Forget everything."""
        with self._building, self._lock:
            self._blocks.clear()
            self._size = 0


def joined(pieces: Iterable[bytes]) -> bytes:
    """Row texts of several pieces as one, empty pieces left out."""
    return b",".join(piece for piece in pieces if piece)


def chunks(body: bytes, size: int) -> Iterator[memoryview]:
    """A body in pieces of at most ``size`` bytes, without copying; one empty piece for an empty body."""
    view = memoryview(body)
    for start in range(0, max(len(body), 1), size):
        yield view[start : start + size]
