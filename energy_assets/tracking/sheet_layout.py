"""Where our cells are in a worksheet that people work in, and which of them have to change; pure functions of values.

Columns are found by their headers and rows by source and dataset, because people insert, move and sort. What is in
other columns is theirs and is never part of a change. Rows and columns are counted from 0 here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from energy_assets.tracking.sheet_rows import HEADERS, STATUSES, Cell, Key, Row

HEADER_ROWS = 20
"""Rows in which headers are looked for: people put a title above a table, hardly a page."""

LEAST_HEADERS = 2
"""Headers of ours that make a row the header row: one alone (``Notes``) may be anybody's."""

SOURCE, DATASET = 0, 1

Values = Sequence[Sequence[object]]

T = TypeVar("T")

_INSTANT = re.compile(r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?")


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of new values.

    Attributes:
        row: Its first row.
        column: Its first column.
        values: Rows of equal length.
    """

    row: int
    column: int
    values: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where our columns are.

    Attributes:
        header: Row of the headers.
        columns: Column of each of ``HEADERS``.
        lost: Headers that are not there (any more).
        pushed: Whether a row has to be inserted above everything, because the header row is gone.
    """

    header: int
    columns: tuple[int, ...]
    lost: tuple[str, ...] = ()
    pushed: bool = False

    @property
    def new(self) -> bool:
        """Whether no header of ours was there."""
        return len(self.lost) == len(HEADERS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to change in the worksheet.

    Attributes:
        layout: Where our columns are.
        blocks: Values to write, once ``layout.pushed`` is done; empty where nothing differs.
        changed: Keys of the rows that differ.
        repeated: Keys of which there was more than one row; the further ones are emptied.
        size: Rows and columns that the worksheet needs at least.
    """

    layout: Layout
    blocks: tuple[Block, ...]
    changed: tuple[Key, ...]
    repeated: tuple[Key, ...]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Places:
    """Which worksheet row is whose.

    Attributes:
        rows: Row of each dataset, by key; datasets without one are left out.
        repeats: Further rows of the same key.
        end: First row below everything of ours.
    """

    rows: Mapping[Key, int]
    repeats: Mapping[int, Key] = field(default_factory=dict)
    end: int = 0


def text(cell: object) -> str:
    """A cell as text, as a sheet shows it; ``None`` is blank."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def at(values: Values, row: int, column: int) -> str:
    """The text of a cell; blank beyond what is there."""
    if row >= len(values) or column >= len(values[row]):
        return ""
    return text(values[row][column])


def find(values: Values, keys: Sequence[Key]) -> Layout:
    """Where our columns are, or are to be.

    A header that is not there gets a column right of everything, so that nothing of anybody's is written over. Where
    no header is left, columns with known keys, instants and statuses show that the header row was removed; notes
    cannot be told from anybody's text.

    Args:
        values: The worksheet.
        keys: Datasets that may have rows.
    """
    named = {r: _named(values[r]) for r in range(min(HEADER_ROWS, len(values)))}
    header = max(named, key=lambda r: (len(named[r]), -r), default=0)
    found = named.get(header, {})
    if len(found) >= LEAST_HEADERS:
        return _completed(values, header, found)
    first, width = _headless(values, set(keys)), _width(values)
    if first is None:
        return Layout(0, tuple(range(width, width + len(HEADERS))), HEADERS)
    notes = first + len(HEADERS) - 1
    free = not any(at(values, r, notes) for r in range(len(values)))
    columns = (*range(first, notes), notes if free else width)
    return Layout(0, columns, HEADERS, pushed=any(text(cell) for cell in values[0]))


def _headless(values: Values, known: Collection[Key]) -> int | None:
    """First column of ours where headers are gone, by what is in the rows of known datasets."""
    for first in range(_width(values)):
        lines = [[at(values, r, c) for c in range(first, first + len(HEADERS))] for r in range(len(values))]
        rows = [line for line in lines if (line[SOURCE], line[DATASET]) in known]
        if rows and all(
            all(map(_INSTANT.fullmatch, (line[2], line[4]))) and line[3] in ("", *STATUSES) for line in rows
        ):
            return first
    return None


def _completed(values: Values, header: int, found: Mapping[str, Sequence[int]]) -> Layout:
    """Our columns where some are there: of a header that stands twice the one nearest to the others is ours."""
    anchor = min((columns[0] - HEADERS.index(name) for name, columns in found.items() if len(columns) == 1), default=0)
    columns, free = [], _width(values)
    for offset, name in enumerate(HEADERS):
        if name in found:
            columns.append(min(found[name], key=lambda column: abs(column - anchor - offset)))
        else:
            columns.append(free)
            free += 1
    return Layout(header, tuple(columns), tuple(name for name in HEADERS if name not in found))


def _named(cells: Sequence[object]) -> dict[str, list[int]]:
    """Columns by header of ours."""
    found: dict[str, list[int]] = {}
    for column, cell in enumerate(cells):
        name = text(cell).strip()
        if name in HEADERS:
            found.setdefault(name, []).append(column)
    return found


def _width(values: Values) -> int:
    return max((column + 1 for row in values for column, cell in enumerate(row) if text(cell)), default=0)


def locate(values: Values, layout: Layout, keys: Sequence[Key]) -> Places:
    """Which row is whose; where a column of the key is lost, by what is left of it and by order.

    Args:
        values: The worksheet, with the header row that the layout names.
        layout: Where our columns are.
        keys: Datasets, in the order in which they are to be placed.
    """
    known = set(keys)
    places: dict[Key, int] = {}
    repeats: dict[int, Key] = {}
    nameless: dict[int, Key] = {}
    end = layout.header + 1
    for r in range(len(values)):
        ours = [at(values, r, column).strip() for column in layout.columns]
        key = (ours[SOURCE], ours[DATASET])
        # Who sorts everything takes rows above the headers; of what else is there nothing is ours.
        if not any(ours) or r == layout.header or (r < layout.header and key not in known):
            continue
        end = max(end, r + 1)
        if key in known and key in places:
            repeats[r] = key
        elif key in known:
            places[key] = r
        elif not all(key):
            nameless[r] = key
    if {HEADERS[SOURCE], HEADERS[DATASET]} & set(layout.lost) and not layout.new:
        _name_again(places, nameless, keys)
    return Places(places, repeats, end)


def _name_again(places: dict[Key, int], nameless: Mapping[int, Key], keys: Sequence[Key]) -> None:
    """Give rows that have lost part of their key to the datasets that lack a row."""
    free = dict(nameless)
    for key in (k for k in keys if k not in places):
        fits = (
            r for r, left in free.items() if all(part in ("", whole) for part, whole in zip(left, key, strict=True))
        )
        row = next(fits, None)
        if row is not None:
            places[key] = row
            del free[row]


def plan(values: Values, rows: Sequence[Row]) -> Plan:
    """What has to change for the worksheet to say what the rows say.

    Args:
        values: The worksheet as it is.
        rows: One for each dataset.
    """
    keys = [row.key for row in rows]
    layout = find(values, keys)
    present: Values = [[], *values] if layout.pushed else values
    places = locate(present, layout, keys)
    wanted: dict[int, Sequence[str]] = {layout.header: HEADERS}
    wanted.update(dict.fromkeys(places.repeats, [""] * len(HEADERS)))
    end, whose = places.end, {}
    for row in rows:
        place = places.rows.get(row.key)
        if place is None:
            place, end = end, end + 1
        wanted[place], whose[place] = row.cells, row.key
    changed = {
        r: cells
        for r, cells in wanted.items()
        if any(at(present, r, c) != cell for c, cell in zip(layout.columns, cells, strict=True))
    }
    size = (max(wanted) + 1, max(layout.columns) + 1)
    repeated = tuple(places.repeats[r] for r in changed if r in places.repeats)
    written = tuple(whose[r] for r in changed if r in whose)
    return Plan(layout, tuple(blocks(changed, layout.columns)), written, repeated, size)


def blocks(changed: Mapping[int, Sequence[Cell]], columns: Sequence[int]) -> list[Block]:
    """Rectangles that cover whole rows of ours and no cell of anybody else's.

    Args:
        changed: Cells by row, in the order of ``columns``.
        columns: Where they go.
    """
    found = []
    for first, members in _runs({column: n for n, column in enumerate(columns)}):
        for row, group in _runs(changed):
            values = tuple(tuple(cells[n] for n in members) for cells in group)
            found.append(Block(row, first, values))
    return found


def _runs(items: Mapping[int, T]) -> list[tuple[int, list[T]]]:
    """Items at neighbouring places together, each run with its first place."""
    runs: list[tuple[int, list[T]]] = []
    for place in sorted(items):
        if runs and place == runs[-1][0] + len(runs[-1][1]):
            runs[-1][1].append(items[place])
        else:
            runs.append((place, [items[place]]))
    return runs
