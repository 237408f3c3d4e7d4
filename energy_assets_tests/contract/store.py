"""What the contract suite needs of a store besides the interface, and the stores it runs on.

A warehouse joins by one entry in ``STORES``: everything under this folder that uses the ``store`` fixture then runs on
it too.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from energy_assets import calendar
from energy_assets.catalogue.model import Field, Table
from energy_assets.ingest.hashing import hash_rows
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt, Window, WriteBatch, WriteResult
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.staging import ARROW_TYPES
from energy_assets_tests.bigquery.server import Addresses

if TYPE_CHECKING:
    from energy_assets.warehouse.bigquery.connection import Connection
    from energy_assets.warehouse.bigquery.store import BigQueryWarehouse

SCHEMA = "uk_energy_insights"
PROJECT = "local"
LOCATION = "europe-west2"
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
    def copy_rows(self, table: Table, changed: Mapping[str, datetime]) -> None:
        """Store every row of a table once more by hand, with other instants in some columns."""

    @abstractmethod
    def make_by_hand(self, table: Table, columns: Mapping[str, str]) -> None:
        """Create a table of the table's name with these columns, by stored type."""

    @abstractmethod
    def service_rows(self, name: str) -> list[Row]:
        """Rows of a service table."""

    @abstractmethod
    def settle(self) -> None:
        """Wait until what writers that are gone had begun has ended."""

    @abstractmethod
    def function_rows(self, name: str, moment: datetime) -> list[Row]:
        """Rows that a table function of the store gives for an instant."""

    @abstractmethod
    def view_rows(self, name: str) -> list[Row]:
        """Rows of a view or table of the store."""

    def discard(self) -> None:  # noqa: B027 - most stores are gone with the folder
        """Remove what the test's folder does not hold."""


class DuckDBStore(Store):
    """A DuckDB file."""

    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "energy.duckdb"
        self.location = str(self.path)

    def open(self, clock: Callable[[], datetime] | None = None) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.path, SCHEMA, clock=clock or self.clock, wait_seconds=30)

    def settle(self) -> None:
        """Nothing goes on without its writer."""

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

    def copy_rows(self, table: Table, changed: Mapping[str, datetime]) -> None:
        values = ", ".join(f"TIMESTAMP '{at.replace(tzinfo=None)}' AS {name}" for name, at in changed.items())
        name = f"{SCHEMA}.{table.name}"
        with self.by_hand() as connection:
            connection.execute(f"INSERT INTO {name} SELECT * REPLACE ({values}) FROM {name}")

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


class BigQueryStore(Store):
    """A dataset of its own on a BigQuery server of this machine.

    Args:
        addresses: Where the server listens.
        dataset: Name of the dataset, by default one that nobody else has; it is made by the warehouse.
    """

    name = "bigquery"

    def __init__(self, addresses: Addresses, dataset: str = "") -> None:
        super().__init__()
        self.dataset = dataset or f"energy_{uuid.uuid4().hex[:12]}"
        self.addresses = addresses
        self.location = json.dumps([addresses.rest, addresses.storage, self.dataset])

    def connection(self, rest: str = "") -> Connection:
        """Clients of the dataset; through another address of the REST API where one is given."""
        from energy_assets.warehouse.bigquery.connection import emulated

        return emulated(PROJECT, self.dataset, LOCATION, rest or self.addresses.rest, self.addresses.storage)

    def open(self, clock: Callable[[], datetime] | None = None, *, rest: str = "", **options: Any) -> BigQueryWarehouse:
        from energy_assets.warehouse.bigquery.store import BigQueryWarehouse

        return BigQueryWarehouse(self.connection(rest), clock=clock or self.clock, **options)

    def settle(self) -> None:
        """Jobs go on without the process that began them."""
        connection = self.connection()
        try:
            while any(list(connection.client.list_jobs(state_filter=state)) for state in ("pending", "running")):
                time.sleep(0.1)
        finally:
            connection.close()

    def query(self, text: str) -> pa.Table:
        """What a statement gives, as it is stored."""
        connection = self.connection()
        try:
            rows = connection.client.query(text, job_retry=None).result(job_retry=None)
            return rows.to_arrow(create_bqstorage_client=False)
        finally:
            connection.close()

    def drop(self, table: Table) -> None:
        self.query(f"DROP TABLE {self.dataset}.{table.name}")

    def delete(self, table: Table, day: date | None = None) -> None:
        condition = f"partition_day = DATE '{day}'" if day else "TRUE"
        self.query(f"DELETE FROM {self.dataset}.{table.name} WHERE {condition}")

    def copy_rows(self, table: Table, changed: Mapping[str, datetime]) -> None:
        values = ", ".join(f"TIMESTAMP '{at.replace(tzinfo=None)}+00' AS {name}" for name, at in changed.items())
        name = f"{self.dataset}.{table.name}"
        self.query(f"INSERT INTO {name} SELECT * REPLACE ({values}) FROM {name}")

    def make_by_hand(self, table: Table, columns: Mapping[str, str]) -> None:
        from energy_assets.warehouse.bigquery.dialect import clustering, physical

        kinds = {"text": "STRING", "integer": "INT64", "number": "FLOAT64", "date": "DATE", "instant": "TIMESTAMP"}
        text = ", ".join(f"`{physical(name)}` {kinds[kind]}" for name, kind in columns.items())
        shape = ""
        if "_partition_day" in columns:
            shape = "PARTITION BY partition_day" if table.heavy else "PARTITION BY DATE_TRUNC(partition_day, MONTH)"
            shape += f" CLUSTER BY {', '.join(clustering(table))}"
        self.query(f"CREATE SCHEMA IF NOT EXISTS {self.dataset}")
        self.query(f"CREATE TABLE {self.dataset}.{table.name} ({text}) {shape}")

    def _rows(self, query: str) -> list[Row]:
        """Rows as the other store hands them over: logical names, instants without a zone."""
        from google.api_core.exceptions import NotFound

        from energy_assets.warehouse.bigquery.dialect import logical

        try:
            found = self.query(query)
        except NotFound:
            # As the file of the other store, the dataset is not there before the first write.
            if self._exists():
                raise
            return []
        zoned = [pa.types.is_timestamp(f.type) for f in found.schema]
        columns = [
            column.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")) if instant else column
            for column, instant in zip(found.columns, zoned, strict=True)
        ]
        return pa.table(columns, [logical(name) for name in found.column_names]).to_pylist()

    def _exists(self) -> bool:
        connection = self.connection()
        try:
            return self.dataset in {item.dataset_id for item in connection.client.list_datasets()}
        finally:
            connection.close()

    def service_rows(self, name: str) -> list[Row]:
        return self._rows(f"SELECT * FROM {self.dataset}.{name}")

    def function_rows(self, name: str, moment: datetime) -> list[Row]:
        text = moment.replace(tzinfo=None)
        return self._rows(f"SELECT * FROM {self.dataset}.{name}(TIMESTAMP '{text}+00')")

    def view_rows(self, name: str) -> list[Row]:
        return self._rows(f"SELECT * FROM {self.dataset}.{name}")

    def discard(self) -> None:
        connection = self.connection()
        try:
            connection.client.delete_dataset(self.dataset, delete_contents=True, not_found_ok=True)
        finally:
            connection.close()


Serving = Callable[[], Addresses]
"""Starts the BigQuery server, or says where it listens already."""

STORES: dict[str, Callable[[Path, Serving], Store]] = {
    "bigquery": lambda _, serving: BigQueryStore(serving()),
    "duckdb": lambda folder, _: DuckDBStore(folder),
}


@contextmanager
def made(name: str, folder: Path, serving: Serving) -> Iterator[Store]:
    """A store, empty, for as long as the context lasts."""
    store = STORES[name](folder, serving)
    try:
        yield store
    finally:
        store.discard()


def reopen(name: str, location: str) -> Warehouse:
    """The warehouse of a store, in another process."""
    if name == "duckdb":
        return DuckDBWarehouse(Path(location), SCHEMA, wait_seconds=60)
    if name == "bigquery":
        rest, storage, dataset = json.loads(location)
        return BigQueryStore(Addresses(rest, storage), dataset).open(lambda: datetime.now(UTC))
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
