"""Columns of a body in Arrow: from the types that JSON is read with to the stored ones, where rows lie, provenance.

Here and not in SQL because a statement with an expression for every column takes longer to plan than a small body takes
to type, and a refresh types hundreds of them. Nothing here reads a file or names a bad row: a column that does not fit
is ``None``, and whoever asked has a slower way to find out why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from energy_assets import arrow, calendar
from energy_assets.catalogue.model import FieldType, Table, WindowCheck
from energy_assets.ingest.hashing import RowWords
from energy_assets.ingest.model import Window

EXACT_INTEGER = 2**53
"""From here on a double no longer holds every integer."""

INSTANT = pa.timestamp("us")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_INSTANT = datetime(1900, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9999, 1, 1, tzinfo=UTC)
"""Instants outside are nonsense, and the calendar could not place them."""

# Made once: making it takes longer than dividing by it, and every message of a register has two instants.
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Stamp:
    """What provenance columns say about the rows of one window."""

    window: Window
    receipt_id: str
    ingested_utc: datetime
    source_api: str


def micros(instant: datetime) -> int:
    """Microseconds since 1970, as Arrow and DuckDB count them."""
    return (instant - EPOCH) // _MICROSECOND


def stored(column: pa.ChunkedArray, kind: FieldType) -> pa.ChunkedArray | pa.Array | None:
    """A column as it is stored, or ``None`` where a value of it cannot be.

    Args:
        column: As read: integers as doubles, instants with a zone, dates and JSON as text.
        kind: The stored type.
    """
    if kind == "number":
        return None if pc.all(pc.is_finite(column)).as_py() is False else column
    if kind == "integer":
        return _integers(column)
    if kind == "instant":
        return _instants(column)
    return _dates(column) if kind == "date" else column


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    extent = pc.min_max(column).as_py()
    if extent["min"] is not None and not -EXACT_INTEGER < extent["min"] <= extent["max"] < EXACT_INTEGER:
        return None
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    plain = column.cast(INSTANT)
    if plain.null_count == len(plain):
        return plain
    values = arrow.to_numpy(plain)
    if plain.null_count:
        values = values[arrow.to_numpy(plain.is_valid()).view(np.bool_)]
    beyond = values.min() < micros(FIRST_INSTANT) or values.max() >= micros(LAST_INSTANT)
    return None if beyond else plain


def _dates(column: pa.ChunkedArray) -> pa.Array | None:
    """Dates from ISO text, read once for each distinct text."""
    encoded = column.combine_chunks().dictionary_encode()
    days = [_day_number(text) for text in encoded.dictionary.to_pylist()]
    if None in days:
        return None
    return arrow.from_numpy(np.array(days, dtype=np.int32), pa.date32()).take(encoded.indices)


def _day_number(text: str) -> int | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return (date.fromisoformat(text) - EPOCH.date()).days
    except ValueError:
        return None


@dataclass(frozen=True)
class Places:
    """Where rows lie: inside the window; at exactly its end, which belongs to the next one."""

    inside: Flags
    at_end: Flags

    @property
    def outside(self) -> Flags:
        """Rows that the window does not account for."""
        return ~(self.inside | self.at_end)


def places(rows: pa.Table, check: WindowCheck, window: Window) -> Places:
    """Where each row lies; columns that the check looks at hold no null."""
    nowhere = np.zeros(rows.num_rows, dtype=np.bool_)
    if check.kind == "none" or check.column is None:
        return Places(~nowhere, nowhere)
    low, high = window.from_utc - check.before, window.to_utc + check.after
    values = arrow.to_numpy(rows.column(check.column))
    if check.kind == "instant":
        inside = (values >= micros(low)) & (values < micros(high))
        return Places(inside, nowhere if check.after else values == micros(window.to_utc))
    last_instant = high - timedelta(microseconds=1)
    if check.kind == "date":
        first, last = calendar.settlement_day(low), calendar.settlement_day(last_instant)
        return Places((values >= _number(first)) & (values <= _number(last)), nowhere)
    periods = arrow.to_numpy(rows.column(check.period_column))
    known = np.array([day * _DAY_STEP + period for day, period in _periods(low, last_instant)])
    sane = (periods > 0) & (periods < _DAY_STEP)
    return Places(sane & np.isin(values.astype(np.int64) * _DAY_STEP + periods, known), nowhere)


_DAY_STEP = 64
"""More than the settlement periods of any day, so that day and period make one number."""


def _periods(low: datetime, last_instant: datetime) -> list[tuple[int, int]]:
    """Day number and settlement period of every period from one instant to another."""
    first_day, first = calendar.period_of(low)
    last_day, last = calendar.period_of(last_instant)
    found = []
    for day in calendar.days_between(first_day, last_day):
        start = first if day == first_day else 1
        end = last if day == last_day else calendar.periods_in_day(day)
        found += [(_number(day), period) for period in range(start, end + 1)]
    return found


def shown_place(rows: pa.Table, check: WindowCheck, index: int) -> str:
    """What a message says of where a row lies."""
    values = [rows.column(name)[index].as_py() for name in (check.column, check.period_column) if name]
    return f"{values[0]} period {values[1]}" if check.kind == "period" else f"{check.column} {values[0]}"


def same_day(day: date, count: int) -> pa.Array:
    """A column that holds one day."""
    return arrow.from_numpy(np.full(count, _number(day), dtype=np.int32), pa.date32())


def _number(day: date) -> int:
    return (day - EPOCH.date()).days


def repeats_a_key(words: RowWords, table: Table) -> bool:
    """Whether two rows have one natural key; a snapshot's day is the same for all and left out."""
    keys = np.sort(words.keys([n for n in table.natural_key if n in table.by_name], dict(table.key_fallback)))
    return bool((keys[1:] == keys[:-1]).any())


def london_days(instants: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The Europe/London day of every UTC instant, looked up once for each distinct hour: clocks change on the hour."""
    hours = arrow.to_numpy(instants) // _HOUR
    distinct = np.unique(hours)
    days = [_number((EPOCH + timedelta(hours=int(hour))).astimezone(calendar.LONDON).date()) for hour in distinct]
    return arrow.from_numpy(np.array(days, dtype=np.int32)[np.searchsorted(distinct, hours)], pa.date32())


def stamped(rows: pa.Table, table: Table, stamp: Stamp, words: RowWords | None = None) -> pa.Table:
    """Rows with provenance after the table's own columns; further columns stay behind it.

    Args:
        rows: The table's fields, then any others.
        table: The table's description.
        stamp: What provenance is to say.
        words: The rows' words, where they have been worked out already.
    """
    count, window = rows.num_rows, stamp.window
    own = [f.name for f in table.fields]
    others = rows.column_names[len(own) :]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: rows.column(name) for name in own}
    columns["_dataset"] = arrow.repeated(table.dataset, count)
    columns["_partition_day"] = _partition_day(rows, table, stamp)
    for name, instant in (
        ("_window_from_utc", window.from_utc),
        ("_window_to_utc", window.to_utc),
        ("_ingested_utc", stamp.ingested_utc),
    ):
        columns[name] = arrow.from_numpy(np.full(count, micros(instant)), INSTANT)
    columns["_source_api"] = arrow.repeated(stamp.source_api, count)
    columns["_receipt_id"] = arrow.repeated(stamp.receipt_id, count)
    hashes = (words or RowWords(rows)).hashes([*(f.name for f in table.fields if f.hashed), *others])
    columns["_hash_key"] = arrow.from_numpy(hashes, pa.int64())
    return pa.table(columns | {name: rows.column(name) for name in others})


def _partition_day(rows: pa.Table, table: Table, stamp: Stamp) -> pa.Array | pa.ChunkedArray:
    """A pure function of a natural-key column, or the snapshot's day."""
    storage = table.storage
    if storage.kind == "snapshot" or storage.column is None:
        return same_day(calendar.settlement_day(stamp.window.from_utc), rows.num_rows)
    column = rows.column(storage.column)
    return column if storage.kind == "date" else london_days(column)
