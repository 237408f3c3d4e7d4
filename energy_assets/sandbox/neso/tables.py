"""Tables as the portal's datastore holds them: read from files, searched, and written out again.

Rows only. Which table belongs to which resource is the shelf's business, what an answer looks like the application's.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

NUMBERS = frozenset({"int", "int2", "int4", "int8", "numeric", "float4", "float8"})
"""PostgreSQL types whose values are numbers in JSON."""

ROW_NUMBER = "_id"

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        columns: Names and PostgreSQL types, without the portal's own.
        cells: Rows; every value as text, a number with the digits that it was given.
    """

    columns: tuple[tuple[str, str], ...]
    cells: tuple[Cells, ...]

    @classmethod
    def from_csv(cls, body: bytes, types: Mapping[str, str]) -> Rows:
        """The table that the portal makes of a file; columns without a type are text, blank rows are left out."""
        reader = csv.reader(io.StringIO(_decoded(body), newline=""))
        names = tuple(next(reader, []))
        width = len(names)
        cells = tuple(
            tuple(cell or None for cell in (*row, *[""] * (width - len(row)))[:width]) for row in reader if any(row)
        )
        return cls(tuple((name, types.get(name, "text")) for name in names), cells)

    @classmethod
    def from_records(cls, columns: Sequence[tuple[str, str]], records: Sequence[Mapping[str, Any]]) -> Rows:
        """A table of recorded answers."""
        kept = tuple((name, type_) for name, type_ in columns if name != ROW_NUMBER)
        return cls(kept, tuple(tuple(_text(record.get(name)) for name, _ in kept) for record in records))

    def to_csv(self) -> bytes:
        """The table as the portal dumps it: lines end with a line feed, and there is no row number."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(name for name, _ in self.columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.cells)
        return text.getvalue().encode()

    def numbered(self) -> list[tuple[int, Cells]]:
        """Rows with the numbers that the portal gives them."""
        return list(enumerate(self.cells, start=1))

    def place(self, name: str) -> int | None:
        """Where a column stands; ``None`` for the row number.

        Raises:
            KeyError: There is no such column.
        """
        if name == ROW_NUMBER:
            return None
        places = {column: at for at, (column, _) in enumerate(self.columns)}
        return places[name]

    def filtered(self, rows: list[tuple[int, Cells]], filters: Mapping[str, Any]) -> list[tuple[int, Cells]]:
        """Rows whose values are exactly those given.

        Raises:
            KeyError: There is no such column.
        """
        for name, wanted in filters.items():
            place = self.place(name)
            texts = {_text(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
            rows = [(number, row) for number, row in rows if (str(number) if place is None else row[place]) in texts]
        return rows

    def ordered(self, rows: list[tuple[int, Cells]], sort: str) -> list[tuple[int, Cells]]:
        """Rows in the order of ``column [asc|desc], …``; without one, in none that could be relied on.

        Raises:
            KeyError: There is no such column.
        """
        if not sort.strip():
            return sorted(rows, key=lambda numbered: (numbered[0] * 7919) % 10_007)
        for part in reversed(sort.split(",")):
            name, _, direction = part.strip().rpartition(" ")
            if direction.lower() not in ("asc", "desc"):
                name, direction = part.strip(), "asc"
            key = partial(self._key, self.place(name.strip('" ')))
            rows = sorted(rows, key=key, reverse=direction.lower() == "desc")
        return rows

    def record(self, number: int, row: Cells) -> bytes:
        """One row as JSON."""
        members = (
            json.dumps(name) + ": " + _json(cell, type_) for (name, type_), cell in zip(self.columns, row, strict=True)
        )
        return ("{" + ", ".join((f'"{ROW_NUMBER}": {number}', *members)) + "}").encode()

    def _key(self, place: int | None, numbered: tuple[int, Cells]) -> tuple[bool, float, str]:
        number, row = numbered
        if place is None:
            return False, number, ""
        cell = row[place]
        if cell is not None and self.columns[place][1] in NUMBERS and _NUMBER.fullmatch(cell):
            return False, float(cell), ""
        return cell is None, 0.0, cell or ""


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _json(cell: str | None, type_: str) -> str:
    if cell is None:
        return "null"
    return cell if type_ in NUMBERS and _NUMBER.fullmatch(cell) else json.dumps(cell)
