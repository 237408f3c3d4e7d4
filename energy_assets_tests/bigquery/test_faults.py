"""A write into BigQuery over a line that fails: the store is as before or as after, and another attempt completes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import pyarrow as pa
import pytest

from energy_assets.catalogue.model import Table
from energy_assets.errors import WarehouseError
from energy_assets.ingest.model import QUARANTINE_SCHEMA, WriteBatch
from energy_assets.warehouse.bigquery.connection import emulated
from energy_assets.warehouse.bigquery.store import BigQueryWarehouse
from energy_assets_tests.bigquery.proxy import Proxy, proxied
from energy_assets_tests.bigquery.server import Addresses
from energy_assets_tests.contract.store import DAY, Clock, at, batch, content, counts
from energy_assets_tests.contract.tables import PRICES

IMPATIENT = 0.0
PATIENT = 20.0

_numbers = itertools.count()


class Line:
    """A dataset behind a line that can fail."""

    def __init__(self, proxy: Proxy, addresses: Addresses, dataset: str) -> None:
        self.proxy = proxy
        self._addresses = addresses
        self._dataset = dataset
        self._clock = Clock()

    def open(self, patience: float) -> BigQueryWarehouse:
        """A warehouse that gives a failing call up after so many seconds."""
        connection = emulated("local", self._dataset, "europe-west2", self.proxy.address, self._addresses.storage)
        return BigQueryWarehouse(connection, clock=self._clock, patience=patience)


@pytest.fixture(scope="module")
def line(bigquery_serving: Callable[[], Addresses]) -> Iterator[Line]:
    addresses = bigquery_serving()
    with proxied(addresses.rest) as proxy:
        yield Line(proxy, addresses, "faults")


@pytest.fixture(autouse=True)
def whole_again(line: Line) -> Iterator[None]:
    yield
    line.proxy.reset()


def price(period: int, value: float, created: str = "15 10:00") -> dict[str, Any]:
    return {"settlementDate": DAY, "settlementPeriod": period, "createdDateTime": at(created), "price": value}


def new_table() -> Table:
    return replace(PRICES, name=f"test_faults_{next(_numbers)}")


def quarantined(written: WriteBatch) -> WriteBatch:
    """The batch with one row that could not be typed."""
    (receipt,) = written.receipts
    row = {
        "dataset": receipt.dataset,
        "receipt_id": receipt.receipt_id,
        "window_from_utc": receipt.window.from_utc.replace(tzinfo=None),
        "window_to_utc": receipt.window.to_utc.replace(tzinfo=None),
        "recorded_utc": None,
        "row_number": 3,
        "reason": "it's no number",
        "raw": '{"price": "x\\n"}',
    }
    return replace(written, quarantine=pa.Table.from_pylist([row], QUARANTINE_SCHEMA))


def revising(table: Table) -> WriteBatch:
    """A batch in which everything happens: a new row, a revised one, a late one, one for the quarantine."""
    return quarantined(batch(table, [price(1, 55.0, "17 10:00"), price(3, 70.0), price(3, 71.0)]))


def everything(warehouse: BigQueryWarehouse, table: Table) -> tuple[Any, ...]:
    """Rows, history and the service rows about a table."""
    service = []
    for name, about in (("_receipts", "table_name"), ("_days", "table_name"), ("_commits", "table_name")):
        rows = warehouse.jobs.query(f"SELECT * FROM `faults`.`{name}` WHERE {about} = '{table.name}'", what="Looking")
        service.append(sorted(str(tuple(row.values())) for row in rows))
    return content(warehouse, table), content(warehouse, table, "history"), service


def begun(line: Line) -> tuple[Table, tuple[Any, ...]]:
    """A table with two rows, and all that is held of it."""
    table = new_table()
    warehouse = line.open(PATIENT)
    warehouse.write(batch(table, [price(1, 50.0), price(2, 60.0)]))
    return table, everything(warehouse, table)


def completed(line: Line, table: Table, written: WriteBatch) -> None:
    """Write the batch over a sound line, once more even if it is there; then nothing is missing and nothing twice."""
    line.proxy.reset()
    warehouse = line.open(PATIENT)
    warehouse.write(written)
    again = counts(warehouse.write(written))
    assert again == {"fetched": 3, "unchanged": 2, "late": 1}
    rows = [(r["settlementPeriod"], r["price"]) for r in content(warehouse, table)]
    history = sorted((r["settlementPeriod"], r["price"], r["_change"]) for r in content(warehouse, table, "history"))
    assert rows == [(1, 55.0), (2, 60.0), (3, 71.0)]
    assert history == [(1, 50.0, "revised"), (3, 70.0, "late")]


def calls_of_a_write(line: Line) -> int:
    table, _ = begun(line)
    warehouse = line.open(PATIENT)
    line.proxy.reset()
    warehouse.write(revising(table))
    return len(line.proxy.calls())


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_cut_at_each_call_in_turn_leaves_the_store_whole(
    line: Line, when: Literal["before", "after"]
) -> None:
    total = calls_of_a_write(line)
    assert total > 8
    failures = 0
    for nth in range(1, total + 1):
        table, before = begun(line)
        written = revising(table)
        warehouse = line.open(IMPATIENT)
        line.proxy.reset()
        line.proxy.cut(nth, when=when)
        try:
            warehouse.write(written)
        except WarehouseError as error:
            failures += 1
            assert table.name in str(error) or "faults" in str(error)
            line.proxy.reset()
            now = everything(line.open(PATIENT), table)
            # With the answer lost the server may have done all of it; part of it never.
            assert now == before or (when == "after" and [r["price"] for r in now[0]] == [55.0, 60.0, 71.0]), nth
        completed(line, table, written)
    assert failures > 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_cut_at_any_call_is_borne_where_there_is_patience(
    line: Line, when: Literal["before", "after"]
) -> None:
    for nth in range(1, calls_of_a_write(line) + 1):
        table, _ = begun(line)
        warehouse = line.open(PATIENT)
        line.proxy.reset()
        line.proxy.cut(nth, when=when)
        result = warehouse.write(revising(table))
        assert counts(result) == {"fetched": 3, "inserted": 1, "updated": 1, "late": 1}, nth
        assert len(content(warehouse, table, "history")) == 2


@pytest.mark.parametrize(
    ("status", "reason"), [(503, "backendError"), (403, "quotaExceeded"), (403, "rateLimitExceeded"), (429, "x")]
)
def test_a_refusal_for_now_is_waited_out_and_for_good_leaves_everything(line: Line, status: int, reason: str) -> None:
    table, before = begun(line)
    written = revising(table)
    warehouse = line.open(IMPATIENT)
    line.proxy.answer(status, reason, times=1000, match="insert job")
    with pytest.raises(WarehouseError, match=table.name):
        warehouse.write(written)
    line.proxy.reset()
    assert everything(line.open(PATIENT), table) == before

    line.proxy.answer(status, reason, times=2, match="insert job")
    line.proxy.answer(status, reason, times=1, match="upload")
    assert counts(line.open(PATIENT).write(written))["inserted"] == 1
    completed(line, table, written)


def test_a_column_of_another_type_is_refused_and_the_table_stays(line: Line) -> None:
    table, before = begun(line)
    warehouse = line.open(PATIENT)
    warehouse.jobs.query(f"ALTER TABLE `faults`.`{table.name}` DROP COLUMN price", what="Changing by hand")
    warehouse.jobs.query(f"ALTER TABLE `faults`.`{table.name}` ADD COLUMN price STRING", what="Changing by hand")
    warehouse.jobs.query(f"UPDATE `faults`.`{table.name}` SET price = 'fifty' WHERE TRUE", what="Changing by hand")
    with pytest.raises(WarehouseError, match="stored as STRING, the catalogue says FLOAT64, and 2 stored values"):
        warehouse.write(revising(table))
    rows = warehouse.jobs.query(f"SELECT price FROM `faults`.`{table.name}`", what="Looking")
    assert [price for (price,) in rows] == ["fifty", "fifty"]
    assert everything(warehouse, replace(table, name=table.name))[2] == before[2]


def test_a_load_that_fails_is_told_and_nothing_is_left(line: Line) -> None:
    table, before = begun(line)
    line.proxy.answer(400, "invalid", times=1, match="upload")
    with pytest.raises(WarehouseError, match=table.name):
        line.open(PATIENT).write(revising(table))
    assert everything(line.open(PATIENT), table) == before


def test_staging_tables_are_dropped(line: Line) -> None:
    table, _ = begun(line)
    line.open(PATIENT).write(revising(table))
    client = line.open(PATIENT).jobs.connection.client
    held = [t.table_id for t in client.list_tables("local.faults") if t.table_id.startswith("_stg_")]
    expiring = [client.get_table(f"local.faults.{name}").expires for name in held]
    assert all(moment is not None for moment in expiring)
