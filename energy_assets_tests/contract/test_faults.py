"""What a store is after a failure: as before it, or as after the write, never between."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta

import pyarrow as pa
import pytest

from energy_assets.errors import WarehouseError
from energy_assets.ingest.model import WriteBatch
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Store, at, batch, content, counts
from energy_assets_tests.contract.tables import ACTIONS, PRICES
from energy_assets_tests.contract.worker import numbered

SERVICE = ("_receipts", "_quarantine", "_days", "_tables")

KILLS = {"duckdb": 6, "bigquery": 3}
SHARED_BATCHES = {"duckdb": 8, "bigquery": 4}
COMMITS = {"duckdb": 60, "bigquery": 15}
STEPS = {"duckdb": 4, "bigquery": 2}
"""How often each store is tried: one commit is ten calls and jobs where the store is a service, so that a few last as
long, and leave as much room for others to come between, as many elsewhere."""


def price(period: int, value: float, created: str = "15 10:00"):
    return {"settlementDate": DAY, "settlementPeriod": period, "createdDateTime": at(created), "price": value}


def start_worker(store: Store, first: int, count: int, rows: int) -> subprocess.Popen[str]:
    arguments = [store.name, store.location, str(first), str(count), str(rows)]
    return subprocess.Popen(
        [sys.executable, "-m", "energy_assets_tests.contract.worker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(worker: subprocess.Popen[str]) -> list[int]:
    out, errors = worker.communicate(timeout=150)
    assert worker.returncode == 0, errors
    return [int(line) for line in out.split()]


def everything(store: Store, warehouse: Warehouse):
    warehouse.close()
    service = {name: sorted(map(str, store.service_rows(name))) for name in SERVICE}
    return service, content(warehouse, PRICES), content(warehouse, PRICES, "history")


def failing_late(written: WriteBatch) -> WriteBatch:
    """The batch with a quarantine that no store can take: it is the last thing that a write appends."""
    return replace(written, quarantine=pa.table({"no_such_column": ["x"]}))


def test_a_write_that_fails_at_its_very_end_leaves_everything_as_it_was(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0), price(2, 60.0)]))
    before = everything(store, warehouse)
    revising = batch(PRICES, [price(1, 55.0, "17 10:00"), price(3, 70.0), price(3, 71.0)])

    with pytest.raises(WarehouseError, match="test_prices"):
        warehouse.write(failing_late(revising))
    assert everything(store, warehouse) == before

    result = warehouse.write(revising)
    assert counts(result) == {"fetched": 3, "inserted": 1, "updated": 1, "late": 1}


def test_a_first_write_that_fails_leaves_no_table_behind(store: Store, warehouse: Warehouse):
    with pytest.raises(WarehouseError):
        warehouse.write(failing_late(batch(PRICES, [price(1, 50.0)])))

    assert store.service_rows("_tables") == []
    with pytest.raises(WarehouseError, match="holds nothing yet"):
        warehouse.read(PRICES, DAY, DAY)
    assert counts(warehouse.write(batch(PRICES, [price(1, 50.0)]))) == {"fetched": 1, "inserted": 1}


def test_a_failed_write_of_one_table_does_not_hinder_another(warehouse: Warehouse):
    with warehouse.session():
        with pytest.raises(WarehouseError):
            warehouse.write(failing_late(batch(PRICES, [price(1, 50.0)])))
        result = warehouse.write(batch(ACTIONS, [{"settlementDate": DAY, "settlementPeriod": 1, "id": 1}]))

    assert counts(result) == {"fetched": 1, "inserted": 1}


@pytest.mark.slow
def test_kill_9_leaves_rows_and_receipts_together(store: Store, warehouse: Warehouse):
    chance = random.Random(20260715)
    rows, first = 400, 0
    for _ in range(KILLS[store.name]):
        worker = start_worker(store, first, 1000, rows)
        assert worker.stdout is not None
        assert worker.stdout.readline() == f"{first}\n"
        timer = threading.Timer(chance.uniform(0.0, 0.4), worker.kill)
        timer.start()
        worker.wait(timeout=60)
        timer.cancel()
        worker.communicate()
        first = consistent(store, warehouse) + 1

    again = [warehouse.write(numbered(n, rows)) for n in range(first)]
    assert sum((Counter(counts(result)) for result in again), Counter()) == {
        "fetched": first * rows,
        "unchanged": first * rows,
    }


def consistent(store: Store, warehouse: Warehouse) -> int:
    """Check that rows and receipts agree; gives the number of the last batch that is there."""
    store.settle()
    read = warehouse.read(PRICES, DAY - timedelta(days=1), DAY, columns=["settlementPeriod", "_receipt_id"])
    warehouse.close()
    held = Counter(read.column("_receipt_id").to_pylist())
    receipts = store.service_rows("_receipts")
    promised = Counter({r["receipt_id"]: r["inserted"] for r in receipts})
    assert held == +promised
    keys = read.column("settlementPeriod").to_pylist()
    assert len(keys) == len(set(keys))
    newest: dict[object, dict[str, int]] = {}
    for record in store.service_rows("_days"):
        newest[record["day"]] = max(record, newest.get(record["day"], record), key=lambda r: r["seq"])
    assert sum(record["rows"] for record in newest.values()) == len(keys)
    return max(int(r["body_sha256"], 16) for r in receipts)


@pytest.mark.slow
def test_processes_that_write_the_same_keys_at_once_store_them_once(store: Store, warehouse: Warehouse):
    count = SHARED_BATCHES[store.name]
    workers = [start_worker(store, 0, count, 400) for _ in range(3)]

    assert [finish(worker) for worker in workers] == [list(range(count))] * 3

    assert consistent(store, warehouse) == count - 1
    receipts = store.service_rows("_receipts")
    assert len(receipts) == 3 * count
    assert sum(r["inserted"] for r in receipts) == count * 300 + 100
    assert sum(r["updated"] + r["late"] for r in receipts) == 0


# As many readings as fit between the commits.
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_readers_and_a_writer_in_other_processes_all_come_to_their_turn(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    count = COMMITS[store.name]
    worker = start_worker(store, 0, count, 400)
    reads = 0
    while worker.poll() is None:
        assert warehouse.read(PRICES, DAY, DAY, columns=["price"]).num_rows >= 1
        warehouse.status([PRICES], DAY, {})
        reads += 1

    assert finish(worker) == list(range(count))
    assert reads > 0


def test_threads_write_and_read_at_once(warehouse: Warehouse):
    failures: list[BaseException] = []
    steps = STEPS[warehouse.name]

    def work(number: int) -> None:
        try:
            for step in range(steps):
                table = replace(PRICES, name=f"test_thread_{number % 3}")
                warehouse.write(batch(table, [price(number * 10 + step, 1.0)]))
                warehouse.read(table, DAY, DAY)
                warehouse.coverage([table], at("15 00:00").replace(tzinfo=UTC), at("16 00:00").replace(tzinfo=UTC))
        except BaseException as error:
            failures.append(error)

    with warehouse.session():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failures == []
    held = [warehouse.read(replace(PRICES, name=f"test_thread_{n}"), DAY, DAY).num_rows for n in range(3)]
    assert held == [2 * steps] * 3
