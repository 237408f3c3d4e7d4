"""What can be said of a batch before any store sees it: its columns as stored, its days, its bounds, its receipts.

Arrow only: both warehouses stage the same rows and complete the same receipts. No SQL is run here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets import arrow, calendar
from energy_assets.catalogue.model import PROVENANCE, Field, FieldType, Table
from energy_assets.errors import WarehouseError
from energy_assets.ingest.columns import micros
from energy_assets.ingest.model import Counts, Receipt, Window, WriteBatch
from energy_assets.warehouse.sql import Bounds, Dialect

ARROW_TYPES: Mapping[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "instant": pa.timestamp("us"),
    "json": pa.string(),
}
"""Arrow type of each stored type; an instant is UTC without a zone."""

REQUIRED = ("_partition_day", "_receipt_id", "_hash_key")
"""Provenance that no row may lack: the merge compares, prunes and counts by it."""


@dataclass
class Tally:
    """What became of one receipt's rows."""

    inserted: int = 0
    updated: int = 0
    late: int = 0
    duplicate: int = 0
    withdrawn: int = 0
    kept_late: bool = False

    @property
    def changed(self) -> bool:
        """Whether the store now holds something else than before."""
        return bool(self.inserted or self.updated or self.withdrawn or self.kept_late)


@dataclass(frozen=True)
class Staged:
    """A batch ready to be merged.

    Attributes:
        rows: Arrow table, columns under their stored names, declared types.
        days: Settlement days of the rows, ascending.
        receipt_rows: Rows per receipt.
        receipt_days: Days per receipt, ascending.
        renamed: Stored name of each uncatalogued column whose own name was taken.
    """

    rows: pa.Table
    days: tuple[date, ...]
    receipt_rows: Mapping[str, int]
    receipt_days: Mapping[str, tuple[date, ...]]
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Stored names of the columns that the rows have."""
        return list(self.rows.column_names)


def arrow_schema(columns: Sequence[tuple[str, FieldType]]) -> pa.Schema:
    """The Arrow schema of stored columns."""
    return pa.schema([(name, ARROW_TYPES[kind]) for name, kind in columns])


def extra_names(table: Table, extra: Sequence[Field], stored: Mapping[str, FieldType]) -> dict[str, str]:
    """Stored name of each column that the catalogue does not know.

    A name that some warehouse refuses, that differs only in case from another column, or whose stored column has
    another type, gets a suffix made from the name or the type alone, so that every batch and every warehouse finds the
    same column.

    Args:
        table: The table's description.
        extra: Uncatalogued columns of the batch.
        stored: Columns that the store has now, with their types.
    """
    taken = {name.lower(): name for name, _ in table.columns} | {name.lower(): name for name in stored}
    catalogued = {name for name, _ in table.columns}
    names: dict[str, str] = {}
    for item in sorted(extra, key=lambda f: f.name):
        name = _plain(item.name)
        if name in catalogued or taken.get(name.lower(), name) != name:
            name = _suffixed(name, item.name)
        if name in stored and ARROW_TYPES[stored[name]] != ARROW_TYPES[item.type]:
            name = f"{name}__{item.type}"
        taken[name.lower()] = name
        names[item.name] = name
    return names


_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
"""Column names that every warehouse takes, and that leave room for a suffix."""

_REFUSED_PREFIXES = (
    "_partition",
    "_table_",
    "_file_",
    "_row_timestamp",
    "__root__",
    "_colidentifier",
    "_change_type",
    "_change_sequence_number",
    "_change_timestamp",
)
"""Beginnings of names that BigQuery keeps for itself, in any case."""


def _plain(name: str) -> str:
    """The name, where every warehouse takes it; else its letters and digits with a suffix of its own."""
    if _PLAIN_NAME.fullmatch(name) and not name.lower().startswith(_REFUSED_PREFIXES):
        return name
    return _suffixed("x_" + re.sub(r"[^A-Za-z0-9_]", "_", name)[:90], name)


def _suffixed(name: str, own: str) -> str:
    return f"{name}__{hashlib.sha256(own.encode()).hexdigest()[:6]}"


def stage(batch: WriteBatch, names: Mapping[str, str], now: datetime) -> Staged:
    """The batch's rows by stored name and declared type, stamped with the moment of ingestion.

    Args:
        batch: What is to be written.
        names: Stored name of each uncatalogued column.
        now: The commit's instant, the value of ``_ingested_utc``.

    Raises:
        WarehouseError: A column cannot be stored as declared, a key column is absent, or a row belongs to no receipt.
    """
    table = batch.table
    count = batch.rows.num_rows
    arrays: dict[str, pa.ChunkedArray | pa.Array] = {}
    for name, kind in table.columns:
        if name == "_ingested_utc":
            arrays[name] = arrow.from_numpy(np.full(count, micros(now)), ARROW_TYPES["instant"])
        elif name in batch.rows.column_names:
            arrays[name] = _conform(batch.rows.column(name), name, kind, table)
        elif name in table.natural_key or name in dict(PROVENANCE):
            raise WarehouseError(f"{table.name}: the rows to write have no column {name}, which every row must have.")
    for item in batch.extra:
        arrays[names[item.name]] = _conform(batch.rows.column(item.name), item.name, item.type, table)
    rows = pa.table(arrays)
    _require(table, rows)
    receipt_days = _days_per_receipt(table, rows, batch.receipts)
    days = tuple(sorted({day for found in receipt_days.values() for day in found}))
    return Staged(
        rows,
        days,
        {receipt: sum(found.values()) for receipt, found in receipt_days.items()},
        {receipt: tuple(sorted(found)) for receipt, found in receipt_days.items()},
        {own: stored for own, stored in names.items() if own != stored},
    )


def _conform(column: pa.ChunkedArray, name: str, kind: FieldType, table: Table) -> pa.ChunkedArray:
    wanted = ARROW_TYPES[kind]
    if column.type == wanted:
        return column
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid as error:
        raise WarehouseError(
            f"{table.name}: column {name} came as {column.type} and is declared {kind}: {error}"
        ) from error


def _require(table: Table, rows: pa.Table) -> None:
    for name in REQUIRED:
        missing = rows.column(name).null_count
        if missing:
            raise WarehouseError(f"{table.name}: {missing} of {rows.num_rows} rows to write have no {name}.")


_EPOCH = date(1970, 1, 1)
_DAY_RANGE = 2**32
"""More than there are day numbers, so that receipt and day make one number."""


def _days_per_receipt(table: Table, rows: pa.Table, receipts: Sequence[Receipt]) -> dict[str, dict[date, int]]:
    encoded = rows.column("_receipt_id").combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    numbers = arrow.to_numpy(encoded.indices).astype(np.int64)
    pairs, counts = np.unique(numbers * _DAY_RANGE + arrow.to_numpy(rows.column("_partition_day")), return_counts=True)
    known = {receipt.receipt_id for receipt in receipts}
    days: dict[str, dict[date, int]] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        number, day = divmod(pair + _DAY_RANGE // 2, _DAY_RANGE)
        receipt = names[number]
        if receipt not in known:
            raise WarehouseError(f"{table.name}: rows name receipt {receipt}, which is not part of the batch.")
        days.setdefault(receipt, {})[_EPOCH + timedelta(days=day - _DAY_RANGE // 2)] = count
    return days


def window_days(window: Window) -> Iterator[date]:
    """The settlement days that a window touches, ascending."""
    last = calendar.settlement_day(window.to_utc - timedelta(microseconds=1))
    return iter(calendar.days_between(calendar.settlement_day(window.from_utc), last))


def asked_again(batch: WriteBatch, staged: Staged, stored: Collection[str]) -> list[Receipt]:
    """Receipts by which whole sets can be found gone.

    An empty answer proves nothing, nor does one with rows that could not be read, nor one of a branch that stored rows
    do not tell. A register needs no window: each reading is one set.
    """
    scope = batch.table.replace_scope
    if not scope or scope == ("_partition_day",):
        return []
    return [
        receipt
        for receipt in batch.receipts
        if staged.receipt_rows.get(receipt.receipt_id)
        and not receipt.counts.quarantined
        and all(name in stored for name, _ in receipt.window.branch)
    ]


def touched(table: Table, staged: Staged, asked: Sequence[Receipt]) -> Bounds:
    """Days that a merge may change: of rows and windows, and their neighbours where a set can cross midnight."""
    scope = table.replace_scope
    days = {day for receipt in asked for day in window_days(receipt.window)}.union(staged.days)
    if not scope or table.storage.column in scope or "_partition_day" in scope:
        return Bounds(tuple(sorted(days)))
    near = (-date.resolution, 0 * date.resolution, date.resolution)
    return Bounds(tuple(sorted({day + step for day in days for step in near})))


def day_records(
    days: Sequence[date],
    before: Mapping[date, int],
    after: Mapping[date, int],
    recorded: Mapping[date, tuple[int, int]],
    now: datetime,
) -> list[tuple[date, int, int, datetime | None]]:
    """What is to be recorded of the rows that days hold: day, rows, sequence number, and when a loss was found.

    Args:
        days: Days that the commit touches.
        before: Rows of each day before it.
        after: Rows of each day after it.
        recorded: Rows and sequence number of each day's newest record.
        now: The commit's instant.
    """
    records: list[tuple[date, int, int, datetime | None]] = []
    for day in days:
        rows, seq = recorded.get(day, (0, 0))
        lost = before.get(day, 0) < rows
        if lost or rows != after.get(day, 0):
            records.append((day, after.get(day, 0), seq + 1, now if lost else None))
    return records


def key_bounds(table: Table, staged: Staged, dialect: Dialect, columns: Sequence[str]) -> Bounds:
    """Constants around the staged rows: their days, and the extent of each key column that a store can prune by.

    Where the same row can arrive for neighbouring days, those are looked at as well, so that it is stored once.

    Only columns that hold a value in every staged row bound anything; a column with a fallback does not.
    """
    kinds = dict(table.columns)
    fallbacks = dict(table.key_fallback)
    found: list[tuple[str, str, str]] = []
    for name in columns:
        if kinds[name] not in ("instant", "integer", "date") or name in fallbacks or name == "_partition_day":
            continue
        column = staged.rows.column(name)
        if column.null_count == 0:
            extent = pc.min_max(column).as_py()
            found.append((name, _literal(dialect, extent["min"]), _literal(dialect, extent["max"])))
    steps = range(-table.reach_days, table.reach_days + 1)
    days = sorted({day + timedelta(days=step) for day in staged.days for step in steps})
    return Bounds(tuple(days), tuple(found))


def _literal(dialect: Dialect, value: datetime | date | int) -> str:
    if isinstance(value, datetime):
        return dialect.instant(value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return dialect.day(value)
    return str(value)


def complete(
    receipts: Sequence[Receipt], staged: Staged, tallies: Mapping[str, Tally], now: datetime
) -> tuple[Receipt, ...]:
    """The batch's receipts with exact counts, final status, stored column names and the moment of recording."""
    return tuple(_complete(receipt, staged, tallies.get(receipt.receipt_id, Tally()), now) for receipt in receipts)


def _complete(receipt: Receipt, staged: Staged, tally: Tally, now: datetime) -> Receipt:
    rows = staged.receipt_rows.get(receipt.receipt_id, 0)
    counts: Counts = replace(
        receipt.counts,
        inserted=tally.inserted,
        updated=tally.updated,
        late=tally.late,
        unchanged=rows - tally.inserted - tally.updated - tally.late - tally.duplicate,
        duplicate=receipt.counts.duplicate + tally.duplicate,
        withdrawn=tally.withdrawn,
    )
    status = receipt.status
    if status in ("written", "unchanged"):
        status = "written" if tally.changed else "unchanged"
    columns = tuple(staged.renamed.get(name, name) for name in receipt.new_columns)
    return replace(receipt, counts=counts, status=status, new_columns=columns, recorded_utc=now)


def key_text(table: Table) -> str:
    """The natural key as the store remembers it, to notice when the catalogue changes it."""
    fallbacks = dict(table.key_fallback)
    return json.dumps([f"{name}|{fallbacks[name]}" if name in fallbacks else name for name in table.natural_key])
