"""What the contract suite needs of a store besides the interface, and the stores it runs on.

A second warehouse joins by one entry in ``STORES``: everything under this folder that uses the ``store`` fixture then
runs on it too.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from energy_assets import calendar
from energy_assets.catalogue.model import Field, Table
from energy_assets.ingest.hashing import hash_rows
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt, Window, WriteBatch, WriteResult
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.staging import ARROW_TYPES

SCHEMA = "uk_energy_insights"
DAY = date(2026, 7, 15)
Row = dict[str, Any]


class Clock:
    """A clock that a test moves; every look moves it by one second."""

    def __init__(self, start: datetime = datetime(2026, 7, 20, 12, tzinfo=UTC)) -> None:
        self.now = start

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def forward(self, **step: float) -> datetime:
        """Let time pass; gives the new present."""
        self.now += timedelta(**step)
        return self.now


class Store(ABC):
    """One store under test: the warehouse, its clock, and what hands from outside can do to it."""

    name: str
    location: str

    def __init__(self) -> None:
        self.clock = Clock()

    @abstractmethod
    def open(self, clock: Callable[[], datetime] | None = None) -> Warehouse:
        """A warehouse object on this store, with the store's clock by default."""

    @abstractmethod
    def drop(self, table: Table) -> None:
        """Drop a table by hand."""

    @abstractmethod
    def delete(self, table: Table, day: date | None = None) -> None:
        """Delete rows by hand: of one day, or all."""

    @abstractmethod
    def make_by_hand(self, table: Table, columns: Mapping[str, str]) -> None:
        """Create a table of the table's name with these columns, by stored type."""

    @abstractmethod
    def service_rows(self, name: str) -> list[Row]:
        """Rows of a service table."""

    @abstractmethod
    def function_rows(self, name: str, moment: datetime) -> list[Row]:
        """Rows that a table function of the store gives for an instant."""

    @abstractmethod
    def view_rows(self, name: str) -> list[Row]:
        """Rows of a view or table of the store."""


class DuckDBStore(Store):
    """A DuckDB file."""

    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "energy.duckdb"
        self.location = str(self.path)

    def open(self, clock: Callable[[], datetime] | None = None) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.path, SCHEMA, clock=clock or self.clock, wait_seconds=30)

    @contextmanager
    def by_hand(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(self.path)) as connection:
            yield connection

    def drop(self, table: Table) -> None:
        with self.by_hand() as connection:
            connection.execute(f"DROP TABLE {SCHEMA}.{table.name}")

    def delete(self, table: Table, day: date | None = None) -> None:
        condition = f" WHERE _partition_day = DATE '{day}'" if day else ""
        with self.by_hand() as connection:
            connection.execute(f"DELETE FROM {SCHEMA}.{table.name}{condition}")

    def make_by_hand(self, table: Table, columns: Mapping[str, str]) -> None:
        kinds = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "date": "DATE", "instant": "TIMESTAMP"}
        text = ", ".join(f'"{name}" {kinds[kind]}' for name, kind in columns.items())
        with self.by_hand() as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; CREATE TABLE {SCHEMA}.{table.name} ({text})")

    def _rows(self, query: str) -> list[Row]:
        if not self.path.exists():
            return []
        with self.by_hand() as connection:
            return connection.sql(query).to_arrow_table().to_pylist()

    def service_rows(self, name: str) -> list[Row]:
        return self._rows(f"SELECT * FROM {SCHEMA}.{name}")

    def function_rows(self, name: str, moment: datetime) -> list[Row]:
        return self._rows(f"SELECT * FROM {SCHEMA}.{name}(TIMESTAMP '{moment.replace(tzinfo=None)}')")

    def view_rows(self, name: str) -> list[Row]:
        return self._rows(f"SELECT * FROM {SCHEMA}.{name}")


STORES: dict[str, Callable[[Path], Store]] = {"duckdb": DuckDBStore}


def reopen(name: str, location: str) -> Warehouse:
    """The warehouse of a store, in another process."""
    if name == "duckdb":
        return DuckDBWarehouse(Path(location), SCHEMA, wait_seconds=60)
    raise ValueError(name)


# Batches.

_numbers = itertools.count(1)


def receipt_id() -> str:
    """A receipt id that is new and greater than every one before."""
    return f"receipt-{next(_numbers):08d}"


def window(day: date = DAY, hours: tuple[float, float] = (0, 24), branch: tuple[tuple[str, str], ...] = ()) -> Window:
    """Hours of a settlement day, counted from its start."""
    start = calendar.day_start_utc(day)
    return Window(start + timedelta(hours=hours[0]), start + timedelta(hours=hours[1]), branch)


def receipt(table: Table, asked: Window, **changes: Any) -> Receipt:
    """A receipt as the ingest hands it over."""
    base = Receipt(
        receipt_id=receipt_id(),
        dataset=table.dataset,
        table=table.name,
        window=asked,
        status="written",
        requested_utc=datetime(2026, 7, 20, 11, tzinfo=UTC),
        run_id="run",
        url="https://example.org/data",
        http_status=200,
        body_sha256="ab" * 32,
        body_bytes=100,
        attempts=1,
    )
    return base.with_(**changes)


def typed_rows(
    table: Table, rows: Sequence[Row], asked: Window, receipt_id: str, extra: Sequence[Field] = (), day: date = DAY
) -> pa.Table:
    """Rows with provenance and hash; absent members are null. ``day`` is the day of a register's snapshot."""
    fields = [*table.fields, *extra]
    arrays = {f.name: pa.array([row.get(f.name) for row in rows], ARROW_TYPES[f.type]) for f in fields}
    plain = pa.table(arrays)
    provenance = {
        "_dataset": pa.array([table.dataset] * len(rows), pa.string()),
        "_partition_day": pa.array([_partition_day(table, row, day) for row in rows], pa.date32()),
        "_window_from_utc": pa.array([asked.from_utc.replace(tzinfo=None)] * len(rows), pa.timestamp("us")),
        "_window_to_utc": pa.array([asked.to_utc.replace(tzinfo=None)] * len(rows), pa.timestamp("us")),
        "_ingested_utc": pa.nulls(len(rows), pa.timestamp("us")),
        "_source_api": pa.array(["BMRS"] * len(rows), pa.string()),
        "_receipt_id": pa.array([receipt_id] * len(rows), pa.string()),
        "_hash_key": hash_rows(plain, plain.column_names) if rows else pa.array([], pa.int64()),
    }
    own = {name: plain.column(name) for name in (f.name for f in table.fields)}
    return pa.table({**own, **provenance, **{f.name: plain.column(f.name) for f in extra}})


def _partition_day(table: Table, row: Row, snapshot: date) -> date:
    if table.storage.kind == "snapshot":
        return snapshot
    value = row[str(table.storage.column)]
    return value if table.storage.kind == "date" else calendar.settlement_day(value.replace(tzinfo=UTC))


def batch(
    table: Table,
    rows: Sequence[Row],
    asked: Window | None = None,
    *,
    extra: Sequence[Field] = (),
    day: date = DAY,
    **changes: Any,
) -> WriteBatch:
    """One window's rows and receipt."""
    asked = asked or window()
    made = receipt(table, asked, counts=Counts(fetched=len(rows)), **changes)
    staged = typed_rows(table, rows, asked, made.receipt_id, extra, day)
    return WriteBatch(table, staged, (made,), QUARANTINE_SCHEMA.empty_table(), tuple(extra))


def joined(*parts: WriteBatch) -> WriteBatch:
    """Several windows as one commit."""
    first = parts[0]
    return WriteBatch(
        first.table,
        pa.concat_tables([part.rows for part in parts]),
        tuple(receipt for part in parts for receipt in part.receipts),
        pa.concat_tables([part.quarantine for part in parts]),
        first.extra,
    )


def counts(result: WriteResult) -> dict[str, int]:
    """The counts of all receipts of a write, those that are not zero."""
    total = sum((receipt.counts for receipt in result.receipts), Counts())
    return {name: value for name in Counts.__slots__ if (value := getattr(total, name))}


def content(warehouse: Warehouse, table: Table, view: Any = "rows", **reading: Any) -> list[Row]:
    """Rows of all days without provenance, history rows with their change; in the order of the natural key."""
    names = [f.name for f in table.fields] + (["_change"] if view == "history" else [])
    rows = warehouse.read(table, date(2001, 1, 1), date(2040, 1, 1), columns=names, view=view, **reading).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def at(text: str) -> datetime:
    """A zone-less UTC instant, as columns hold it: ``15 09:30`` is 2026-07-15T09:30Z."""
    day, clock = text.split()
    return datetime.fromisoformat(f"2026-07-{int(day):02d}T{clock}")
