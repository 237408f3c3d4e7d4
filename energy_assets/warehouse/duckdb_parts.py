"""The embedded warehouse's relations in parts, for copying.

The statements are in ``parts``, the file and its transactions in ``duckdb``; when to replace what is decided in
``copying``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol, cast

import duckdb
import pyarrow as pa

from energy_assets.catalogue.model import FieldType, Table
from energy_assets.errors import MovedError, WarehouseError
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Origin, Part, Recorded, StoredTable
from energy_assets.warehouse.merge import STORED_TYPES, Known, TableLayout, one
from energy_assets.warehouse.parts import (
    BATCH_ROWS,
    FENCED,
    SEPARATOR,
    PartSql,
    by_part,
    check_names,
    names_asked,
    newest,
    travelling,
    uncatalogued,
)
from energy_assets.warehouse.sql import DUCKDB, StoredType

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE = "_piece"
"""Relation under which a batch is seen by the statement that inserts it."""


class Opened(Protocol):
    """What is needed of the warehouse: its file, opened for one operation."""

    def reading(self, what: str) -> AbstractContextManager[tuple[duckdb.DuckDBPyConnection, Known] | None]:
        """A cursor for reading; ``None`` where nothing has been written yet."""
        ...

    def writing(self, what: str) -> AbstractContextManager[tuple[duckdb.DuckDBPyConnection, Known]]:
        """One transaction."""
        ...


class DuckDBParts:
    """The parts of one schema of a DuckDB file.

    Args:
        place: The file, for people.
        schema: The schema.
        opened: Opens the file.
        clock: Says what time it is, aware.
    """

    def __init__(self, place: str, schema: str, opened: Opened, clock: Callable[[], datetime]) -> None:
        self.place = place
        self._schema = schema
        self._opened = opened
        self._clock = clock

    def origin(self) -> Origin | None:
        """Where the store's rows come from; ``None`` where nothing was ever written."""
        with self._opened.reading("Reading the origin") as opened:
            held = opened[0].execute(f"SELECT kind FROM {self._name(service.ORIGIN)}").fetchall() if opened else []
        return cast("Origin", held[0][0]) if held else None

    def names(self) -> set[str]:
        """Tables of which anything is held."""
        with self._opened.reading("Listing the tables") as opened:
            if opened is None:
                return set()
            cursor, known = opened
            asked = cursor.execute(names_asked(DUCKDB, self._schema)).fetchall()
        return {*known.ids, *(name for (name,) in asked)}

    def held(self, table: Table) -> StoredTable | None:
        """The table as it is stored; ``None`` where there is none of ours."""
        with self._opened.reading(f"Looking at {table.name}") as opened:
            return _stored(opened[1], table) if opened else None

    def prepare(self, table: Table, columns: Mapping[str, FieldType]) -> StoredTable:
        """Make the table, or give it the columns that it lacks."""
        extra = uncatalogued(table, columns)
        with self._opened.writing(f"Making {self._schema}.{table.name}") as (cursor, known):
            layout = TableLayout(cursor, self._schema, table, known, self._clock())
            _, names = layout.prepare(extra)
            check_names(table, names)
            found = _stored(known, table)
        if found is None:
            raise WarehouseError(f"{self._schema}.{table.name} could not be made: drop it by hand, then copy again.")
        return found

    def newest(self, table: Table) -> Recorded:
        """When the newest record of each kind was written about the table."""
        with self._opened.reading("Reading the receipts") as opened:
            rows = opened[0].execute(newest(DUCKDB, self._schema, table)).fetchall() if opened else [(None, None)]
        return Recorded(*map(service.aware, rows[0]))

    def generation(self, table: Table) -> int:
        """Receipts of the table: every refresh leaves one."""
        with self._opened.reading("Reading the receipts") as opened:
            return self._generation(opened[0], table) if opened else 0

    def days(self, parts: Sequence[Part]) -> Sequence[Mapping[date, int]]:
        """Rows of each day of some parts of one table."""
        rows: list[tuple[int, date, int]] = []
        with self._opened.reading(f"Counting {', '.join(map(str, parts))}") as opened:
            if opened is not None:
                sqls = [(place, self._sql(part, opened[1])) for place, part in enumerate(parts)]
                query = " UNION ALL ".join(sql.counts(place) for place, sql in sqls if sql is not None)
                rows = opened[0].execute(query).fetchall() if query else []
        return by_part(rows, len(parts))

    def batches(self, part: Part, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of a part; the file stays open until the last batch is taken."""
        with self._opened.reading(f"Reading {part}") as opened:
            sql = self._sql(part, opened[1]) if opened else None
            if opened is None or sql is None:
                return
            kinds = sql.kinds
            for batch in opened[0].sql(sql.select(list(columns or kinds))).to_arrow_reader(BATCH_ROWS):
                yield travelling(pa.Table.from_batches([batch]), kinds)

    def replace(self, part: Part, batches: Iterable[pa.Table], before: int, generation: int) -> int:
        """Put rows in the place of a part's, in one transaction."""
        with self._opened.writing(f"Copying {part}") as (cursor, known):
            sql = self._sql(part, known)
            if sql is None:
                raise WarehouseError(f"Copying {part} failed: the table is gone; copy again.")
            fenced = part.relation in FENCED and self._generation(cursor, part.table) != generation
            if fenced or one(cursor, sql.count()) != before:
                raise MovedError(f"{self.place}: {part} was changed by another process while it was copied into.")
            if before:
                cursor.execute(sql.remove())
            for batch in batches:
                columns = batch.column_names
                cursor.register(PIECE, batch)
                values = ", ".join(_value(name, sql.kinds[name]) for name in columns)
                cursor.execute(sql.insert(columns, f"SELECT {values} FROM {PIECE}"))
                cursor.unregister(PIECE)
            return self._generation(cursor, part.table)

    def _name(self, table: str) -> str:
        return DUCKDB.qualified(self._schema, table)

    def _generation(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> int:
        receipts = self._name(service.RECEIPTS)
        return one(cursor, f"SELECT count(*) FROM {receipts} WHERE table_name = {DUCKDB.text(table.name)}")

    def _sql(self, part: Part, known: Known) -> PartSql | None:
        """The statements about a part; ``None`` where its relation is not there."""
        sql = PartSql(DUCKDB, self._schema, part, _stored(known, part.table))
        if sql.name not in known.layouts or (part.relation in FENCED and sql.stored is None):
            return None
        return sql


def _stored(known: Known, table: Table) -> StoredTable | None:
    layout, table_id = known.layouts.get(table.name), known.ids.get(table.name)
    if layout is None or table_id is None:
        return None
    return StoredTable(table_id, {name: STORED_TYPES.get(kind, "text") for name, kind in layout.items()})


def _value(name: str, kind: StoredType) -> str:
    """What is stored of a column of a batch: itself, or the list that travelled as text."""
    column = DUCKDB.identifier(name)
    if kind not in ("texts", "dates"):
        return column
    items = f"string_split({column}, chr({ord(SEPARATOR)}))"
    return f"CAST(CASE WHEN {column} IS NULL THEN [] ELSE {items} END AS {DUCKDB.types[kind]})"
