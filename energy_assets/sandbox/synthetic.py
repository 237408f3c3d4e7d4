"""Synthetic rows for every catalogue entry and any day, made from the entry alone and always the same.

Turns frames and values into blocks of JSON, holds the edits that tests make to single rows, and answers windows.
Nothing here knows a path or a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from energy_assets.calendar import day_bounds_utc, lag_passed, settlement_day
from energy_assets.catalogue.model import Dataset
from energy_assets.sandbox.frame import Frame, Volume, frame_of
from energy_assets.sandbox.rows import DAY, EMPTY, Block, BlockCache, Branch, Micros, instant_of, joined, micros
from energy_assets.sandbox.shape import shape_of
from energy_assets.sandbox.values import idle, texts_of

CACHE_BYTES = 400_000_000
"""Texts kept ready: three full days of the heaviest dataset."""

CHUNK_ROWS = 40_000
"""Rows written at once, so that a full day of bids does not hold all its Python strings in memory."""

DAYS_BACK = 45
"""How far the newest row is looked for: longer than any rhythm of publication that the sandbox makes."""

AHEAD = DAY
"""How far beyond the present rows may lie on the window axis: acceptances that are about to begin."""

IDLE_NULLS = ("partyId", "assetId", "isTendered", "service")
"""What the dummy row of a period without adjustment actions leaves null."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to what the provider holds: rows of a dataset changed, removed or added.

    Attributes:
        kind: ``change`` sets members of the matching rows, ``remove`` drops them, ``add`` brings one row.
        dataset: Dataset code.
        match: Members that a row must have, all of them.
        values: Members to set, or the row to add.
        at: Place of an added row on the window axis, UTC microseconds.
        branch: Branch of an added row; ``None`` matches every branch.
    """

    kind: Literal["change", "remove", "add"]
    dataset: str
    match: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    at: int = 0
    branch: Branch | None = None

    def apply(self, row: Row) -> Row | None:
        """The row as edited; ``None`` when it is removed."""
        if self.kind == "add" or any(row.get(name) != value for name, value in self.match.items()):
            return row
        return None if self.kind == "remove" else {**row, **self.values}


class Synthetic:
    """A source of synthetic rows.

    Attributes:
        seed: Another seed, another world.
        volume: How many rows a day has.
        revision: How often the provider has revised what it revises in place.
    """

    def __init__(self, seed: int = 0, volume: Volume | None = None, revision: int = 0) -> None:
        self.seed = seed
        self.volume = volume or Volume()
        self.revision = revision
        self._edits: list[Edit] = []
        self._cache = BlockCache(CACHE_BYTES)

    def edit(self, *edits: Edit) -> None:
        """Make changes to what the provider holds, from now on."""
        self._edits.extend(edits)
        self._cache.clear()

    def block(self, dataset: Dataset, branch: Branch, day: date) -> Block:
        """All rows of one settlement day of the window axis."""
        if dataset.check.kind != "none" and day < dataset.begins:
            return EMPTY
        key = (dataset.code, branch, day, self.revision, self.seed, self.volume)
        return self._cache.get(key, lambda: self._build(dataset, branch, day))

    def rows(self, dataset: Dataset, day: date, branch: Branch = ()) -> list[Row]:
        """The rows of one settlement day as they are sent, newest first."""
        found: list[Row] = json.loads(f"[{','.join(self.block(dataset, branch, day).texts())}]")
        return found

    def select(self, dataset: Dataset, branch: Branch, low: int, high: int, now: int) -> bytes:
        """Rows in the closed interval ``[low, high]`` of the window axis that are visible at ``now``."""
        high = min(high, now + AHEAD)
        if low > high:
            return b""
        return joined(
            self.block(dataset, branch, day).select(low, high, now)
            for day in _days_back(settlement_day(instant_of(high)), settlement_day(instant_of(low)))
            if self._due(dataset, day, now)
        )

    def newest(self, dataset: Dataset, branch: Branch, until: int, now: int) -> int | None:
        """The greatest place not after ``until`` that has a visible row."""
        last = settlement_day(instant_of(min(until, now + AHEAD)))
        for day in _days_back(last, last - timedelta(days=DAYS_BACK)):
            found = self.block(dataset, branch, day).newest(until, now) if self._due(dataset, day, now) else None
            if found is not None:
                return found
        return None

    def register(self, dataset: Dataset, now: int) -> bytes:
        """All rows of a register."""
        block = self.block(dataset, (), dataset.begins)
        return block.text[:-1]

    def _due(self, dataset: Dataset, day: date, now: int) -> bool:
        """Whether the provider has begun to publish the day, by the entry's lag in days."""
        lag = dataset.timing.available
        if lag.run is None and not lag.working_days:
            return True
        return lag_passed(lag, *day_bounds_utc(day), instant_of(now))

    def _build(self, dataset: Dataset, branch: Branch, day: date) -> Block:
        frame = frame_of(dataset, branch, day, self.seed, self.volume, self.revision)
        frame = frame.take(np.argsort(-frame.at, kind="stable"))
        if dataset.query.scalars:
            return _scalar_block(dataset, frame)
        made = _block(dataset, frame)
        edits = [edit for edit in self._edits if edit.dataset == dataset.code]
        return _edited(made, edits, branch, day) if edits else made


def _days_back(last: date, first: date) -> Iterator[date]:
    """Days from last to first."""
    return (last - timedelta(days=n) for n in range((last - first).days + 1))


def sent_names(dataset: Dataset) -> tuple[str, ...]:
    """Members of the provider's rows, in order."""
    return tuple(f.name for f in dataset.fields if f.origin == "row" and not f.name.startswith("_"))


def _block(dataset: Dataset, frame: Frame) -> Block:
    """Rows of a sorted frame, written in chunks."""
    pieces: list[bytes] = []
    kept: list[Micros] = []
    for first in range(0, len(frame), CHUNK_ROWS):
        part = frame.take(np.arange(first, min(first + CHUNK_ROWS, len(frame))))
        texts, rows = _distinct(dataset, part)
        pieces.extend(text.encode() + b"," for text in texts)
        kept.append(rows + first)
    rows = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    offsets = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    return Block(frame.at[rows], frame.visible[rows], offsets, b"".join(pieces))


def _distinct(dataset: Dataset, frame: Frame) -> tuple[list[str], Micros]:
    """JSON texts of the rows whose natural key occurs for the first time, and which rows these are."""
    names = sent_names(dataset)
    columns = texts_of(dataset, frame, names)
    if shape_of(dataset).members == "actions":
        _blank(columns, names, np.flatnonzero(idle(frame)).tolist())
    key = [columns[names.index(name)] for name in dataset.table.natural_key if name in names]
    first = dict.fromkeys(zip(*key, strict=True)) if key else {}
    if key and len(first) < len(frame):
        seen: set[tuple[str, ...]] = set()
        rows = [i for i, k in enumerate(zip(*key, strict=True)) if not (k in seen or seen.add(k))]  # type: ignore[func-returns-value]
        columns = [[column[i] for i in rows] for column in columns]
    else:
        rows = list(range(len(frame)))
    template = "{" + ",".join(f"{json.dumps(name)}:%s" for name in names) + "}"
    return [template % values for values in zip(*columns, strict=True)], np.array(rows, dtype=np.int64)


def _blank(columns: Sequence[list[str]], names: Sequence[str], rows: Sequence[int]) -> None:
    """Make the rows dummies."""
    for name in IDLE_NULLS:
        if name in names:
            column = columns[names.index(name)]
            for row in rows:
                column[row] = "null"


def _scalar_block(dataset: Dataset, frame: Frame) -> Block:
    """A register that is a list of plain values."""
    (column,) = texts_of(dataset, frame, sent_names(dataset)[:1])
    texts = list(dict.fromkeys(column))
    zeros = np.zeros(len(texts), dtype=np.int64)
    return Block.of(zeros, zeros, texts)


def _edited(block: Block, edits: Sequence[Edit], branch: Branch, day: date) -> Block:
    """A block with edits applied in order."""
    low, high = (micros(bound) for bound in day_bounds_utc(day))
    rows = list(zip(block.at.tolist(), block.visible.tolist(), map(json.loads, block.texts()), strict=True))
    for edit in edits:
        if edit.kind == "add":
            mine = edit.branch in (None, branch) and low <= edit.at < high
            rows.extend([(edit.at, edit.at, dict(edit.values))] if mine else [])
        elif edit.branch in (None, branch):
            changed = ((at, seen, edit.apply(row)) for at, seen, row in rows)
            rows = [(at, seen, row) for at, seen, row in changed if row is not None]
    texts = [json.dumps(row, separators=(",", ":")) for _, _, row in rows]
    return Block.of(np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows], np.int64), texts)
