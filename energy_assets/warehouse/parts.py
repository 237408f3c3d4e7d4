"""Relations as they are stored, in parts: names, columns, conditions, and the shape in which their rows travel.

Both stores read and replace parts with the SQL made here. Nothing here runs a statement or compares two stores.

Rows travel as Arrow tables under logical column names with declared types; an instant is UTC without a zone. A list
travels as one text with a separator between its items, null where it is empty, because a store that is loaded from
files takes plain columns only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.catalogue.model import Field, FieldType, Table
from energy_assets.errors import WarehouseError
from energy_assets.ingest.hashing import content_digest
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Part, Relation, StoredTable
from energy_assets.warehouse.sql import HISTORY_COLUMNS, Dialect, StoredType, history_name
from energy_assets.warehouse.staging import ARROW_TYPES

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(9999, 12, 30)
"""Days that every stored row lies between; the day after the last one can still be written."""

BATCH_ROWS = 120_000
"""Rows that travel at once: what a commit of a refresh gathers, so that memory is the same."""

SEPARATOR = "\x1f"
"""Between the items of a list that travels as text: the unit separator, which no name of a column holds."""

SERVICE: Mapping[Relation, tuple[str, tuple[tuple[str, StoredType], ...]]] = {
    "quarantine": (service.QUARANTINE, service.QUARANTINE_COLUMNS),
    "gaps": (service.GAPS, service.GAPS_COLUMNS),
    "days": (service.DAYS, service.DAYS_COLUMNS),
    "receipts": (service.RECEIPTS, service.RECEIPT_COLUMNS),
}

FENCED: frozenset[Relation] = frozenset({"rows", "history", "days"})
"""Relations that every change of the table's rows may change."""


@dataclass(frozen=True)
class Fingerprint:
    """What identifies the content of a part: how many rows, and a digest that does not depend on their order."""

    rows: int = 0
    digest: int = 0

    def with_(self, batch: pa.Table) -> Fingerprint:
        """The fingerprint of these rows and some more."""
        added = content_digest(batch, batch.column_names)
        return Fingerprint(self.rows + batch.num_rows, (self.digest + added) % 2**64)


def fingerprint(batches: Iterable[pa.Table]) -> Fingerprint:
    """The fingerprint of a part."""
    found = Fingerprint()
    for batch in batches:
        found = found.with_(batch)
    return found


@dataclass(frozen=True)
class PartSql:
    """The statements about one part.

    Attributes:
        dialect: The store's spelling.
        schema: Schema (DuckDB) or dataset (BigQuery).
        part: The part.
        stored: The table as it is stored, ``None`` where only receipts and quarantine are.
    """

    dialect: Dialect
    schema: str
    part: Part
    stored: StoredTable | None

    @property
    def name(self) -> str:
        """The relation's table."""
        if self.part.relation == "rows":
            return self.part.table.name
        return history_name(self.part.table.name) if self.part.relation == "history" else SERVICE[self.part.relation][0]

    @property
    def qualified(self) -> str:
        """Its name inside the schema."""
        return self.dialect.qualified(self.schema, self.name)

    @property
    def kinds(self) -> dict[str, StoredType]:
        """Its columns with their types."""
        if self.part.relation in SERVICE:
            return dict(SERVICE[self.part.relation][1])
        own: dict[str, StoredType] = dict(self.stored.columns) if self.stored else {}
        return own | dict(HISTORY_COLUMNS) if self.part.relation == "history" else own

    @property
    def within(self) -> str:
        """The condition that a row belongs to the part."""
        part, dialect = self.part, self.dialect
        days = f"BETWEEN {dialect.day(part.from_day)} AND {dialect.day(part.to_day)}"
        if part.relation in ("rows", "history"):
            return f"{dialect.partition_day} {days}"
        names = {"quarantine": ("dataset", part.table.dataset)}
        column, value = names.get(part.relation, ("table_name", part.table.name))
        conditions = [f"{dialect.identifier(column)} = {dialect.text(value)}"]
        if part.relation == "days":
            identity = self.stored.table_id if self.stored else ""
            conditions += [f"table_id = {dialect.text(identity)}", f"day {days}"]
        else:
            begin, end = _midnight(part.from_day), _midnight(part.to_day + timedelta(days=1))
            conditions.append(
                f"window_from_utc >= {dialect.instant(begin)} AND window_from_utc < {dialect.instant(end)}"
            )
        if part.until is not None:
            conditions.append(f"recorded_utc <= {dialect.instant(part.until)}")
        return " AND ".join(conditions)

    def counts(self, place: int) -> str:
        """Rows of each day, behind a number that tells this part from others of the same query."""
        axis = {"rows": self.dialect.partition_day, "history": self.dialect.partition_day, "days": "day"}
        day = axis.get(self.part.relation, "CAST(window_from_utc AS DATE)")
        return (
            f"SELECT {place} AS p, {day} AS d, count(*) AS n FROM {self.qualified} WHERE {self.within} GROUP BY {day}"
        )

    def count(self) -> str:
        """Rows of the part."""
        return f"SELECT count(*) FROM {self.qualified} WHERE {self.within}"

    def remove(self) -> str:
        """Delete the part."""
        return f"DELETE FROM {self.qualified} WHERE {self.within}"

    def select(self, columns: Sequence[str]) -> str:
        """The part's rows, lists as lists."""
        return f"SELECT {self.dialect.identifiers(columns)} FROM {self.qualified} WHERE {self.within}"

    def insert(self, columns: Sequence[str], source: str) -> str:
        """Append rows of a relation or query whose columns have these names and types."""
        return f"INSERT INTO {self.qualified} ({self.dialect.identifiers(columns)}) {source}"


def names_asked(dialect: Dialect, schema: str) -> str:
    """Names of the tables that receipts or gaps are about."""
    receipts, gaps = (dialect.qualified(schema, name) for name in (service.RECEIPTS, service.GAPS))
    both = f"SELECT R.table_name FROM {receipts} R UNION ALL SELECT G.table_name FROM {gaps} G"
    return f"SELECT DISTINCT N.table_name FROM ({both}) N"


def newest(dialect: Dialect, schema: str, table: Table) -> str:
    """When the newest receipt and the newest gap of a table were recorded, as one row."""
    about = f"WHERE N.table_name = {dialect.text(table.name)}"
    receipt, gap = (
        f"(SELECT max(N.recorded_utc) FROM {dialect.qualified(schema, name)} N {about})"
        for name in (service.RECEIPTS, service.GAPS)
    )
    return f"SELECT {receipt}, {gap}"


def by_part(rows: Iterable[Sequence[Any]], count: int) -> list[dict[date, int]]:
    """The answer to several ``counts`` in one query."""
    found: list[dict[date, int]] = [{} for _ in range(count)]
    for place, day, rows_of_day in rows:
        found[place][day] = rows_of_day
    return found


def whole(table: Table, relation: Relation, until: datetime | None = None) -> Part:
    """Everything that a relation holds of a table."""
    return Part(table, relation, FIRST_DAY, LAST_DAY, until)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def travelling(rows: pa.Table, kinds: Mapping[str, StoredType]) -> pa.Table:
    """Rows, as a store gives them, in the shape in which they travel."""
    arrays = {name: _travelling(rows.column(name).combine_chunks(), kinds[name]) for name in rows.column_names}
    return pa.table(arrays) if arrays else rows


def _travelling(column: pa.Array, kind: StoredType) -> pa.Array:
    if kind in ("texts", "dates"):
        items = column.cast(pa.list_(pa.string()))
        joined = pc.binary_join(items, SEPARATOR)
        return pc.if_else(pc.equal(pc.list_value_length(items), 0), None, joined)
    if kind == "instant" and column.type.tz is not None:
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.timestamp("us"))
    return column.cast(travelling_type(kind))


def travelling_type(kind: StoredType) -> pa.DataType:
    """The Arrow type in which a column travels."""
    return ARROW_TYPES[travelling_kind(kind)]


def travelling_kind(kind: StoredType) -> FieldType:
    """The plain type in which a column travels."""
    return "text" if kind == "texts" or kind == "dates" else kind


def joined(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small tables together, up to the size of a batch."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        if count and count + table.num_rows > BATCH_ROWS:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
        waiting.append(table)
        count += table.num_rows
    if count:
        yield pa.concat_tables(waiting)


def uncatalogued(table: Table, columns: Mapping[str, FieldType]) -> tuple[Field, ...]:
    """Stored columns that the catalogue does not know, as fields."""
    known = dict(table.columns)
    return tuple(
        Field(name, kind, "Member that the catalogue does not know yet.")
        for name, kind in columns.items()
        if name not in known
    )


def check_names(table: Table, names: Mapping[str, str]) -> None:
    """Refuse a target in which a column would get another name than in the source.

    Raises:
        WarehouseError: It would.
    """
    for own, stored in names.items():
        if own != stored:
            raise WarehouseError(
                f"{table.name}: the column {own} cannot be copied under its name, because the target has one of "
                "another type: drop the target's table, then copy again."
            )
