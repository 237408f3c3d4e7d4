"""A write into BigQuery over a line that fails: the store is as before or as after, and the next attempt ends it."""

from __future__ import annotations

import contextlib
import itertools
import time
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
from energy_assets_tests.bigquery.proxy import Call, Proxy, proxied
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
        self.patient = self.open(PATIENT)

    def open(self, patience: float) -> BigQueryWarehouse:
        """A warehouse that gives a failing call up after so many seconds."""
        connection = emulated("local", self._dataset, "europe-west2", self.proxy.address, self._addresses.storage)
        return BigQueryWarehouse(connection, clock=self._clock, patience=patience)

    def settle(self) -> None:
        """Wait until the jobs have ended whose writer has given up."""
        client = self.patient.jobs.connection.client
        while any(list(client.list_jobs(state_filter=state)) for state in ("pending", "running")):
            time.sleep(0.02)


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


STEP = 10
"""Between the first periods of two trials."""


class Trial:
    """Rows of a table that one attempt is about: two that are stored, of which one is to be revised, and a new one."""

    def __init__(self, table: Table, number: int) -> None:
        self.table = table
        self.first = STEP * number
        self.written = quarantined(
            batch(
                table,
                [
                    price(self.first + 1, 55.0, "17 10:00"),
                    price(self.first + 3, 70.0),
                    price(self.first + 3, 71.0, "16 10:00"),
                ],
            )
        )

    def stored(self) -> list[dict[str, Any]]:
        """What is stored before."""
        return [price(self.first + 1, 50.0), price(self.first + 2, 60.0)]

    def held(self, warehouse: BigQueryWarehouse) -> tuple[list[float], list[tuple[float, str]], int]:
        """Prices of the trial, those in its history with their change, and receipts of its batch."""
        mine = f"settlementPeriod BETWEEN {self.first} AND {self.first + STEP - 1}"
        (receipt,) = self.written.receipts
        query = (
            f"SELECT price, 'held' AS what FROM `faults`.`{self.table.name}` WHERE {mine} "
            f"UNION ALL SELECT price, _change FROM `faults`.`{self.table.name}_history` WHERE {mine} "
            f"UNION ALL SELECT 0.0, 'receipt' FROM `faults`.`_receipts` WHERE receipt_id = '{receipt.receipt_id}'"
        )
        rows = sorted(tuple(row) for row in warehouse.jobs.query(query, what="Looking"))
        prices = [price for price, what in rows if what == "held"]
        history = [(price, what) for price, what in rows if what not in ("held", "receipt")]
        return prices, history, sum(what == "receipt" for _, what in rows)


BEFORE = ([50.0, 60.0], [], 0)
AFTER = ([55.0, 60.0, 71.0], [(50.0, "revised"), (70.0, "late")], 1)


def trials(line: Line, count: int) -> list[Trial]:
    """So many trials in one table, none begun."""
    table = new_table()
    made = [Trial(table, number) for number in range(count)]
    line.open(PATIENT).write(batch(table, [row for trial in made for row in trial.stored()]))
    return made


def calls_of_a_write(line: Line) -> list[Call]:
    (trial,) = trials(line, 1)
    line.proxy.reset()
    line.open(PATIENT).write(trial.written)
    return line.proxy.calls()


def completed(line: Line, trial: Trial) -> None:
    """Nothing of the batch is there or all of it; written over a sound line, nothing is missing and nothing twice.

    With an answer lost after the commit was sent, the server may have done all of it.
    """
    line.proxy.reset()
    line.settle()
    held = trial.held(line.patient)
    assert held in (BEFORE, AFTER)
    if held == BEFORE:
        line.patient.write(trial.written)
        assert trial.held(line.patient) == AFTER


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_cut_at_each_call_in_turn_leaves_the_store_whole(
    line: Line, when: Literal["before", "after"]
) -> None:
    total = len(calls_of_a_write(line))
    assert total > 8
    failures = 0
    for nth, trial in enumerate(trials(line, total), start=1):
        line.proxy.reset()
        line.proxy.cut(nth, when=when)
        try:
            line.open(IMPATIENT).write(trial.written)
        except WarehouseError as error:
            failures += 1
            assert trial.table.name in str(error) or "faults" in str(error)
        completed(line, trial)
    assert failures > 3


def test_an_answer_lost_at_any_call_is_borne_where_there_is_patience(line: Line) -> None:
    calls = calls_of_a_write(line)
    # Of several polls of one job one is enough.
    places = [call.number for one, call in itertools.pairwise(calls) if call.kind != one.kind]
    for nth, trial in zip(places, trials(line, len(places)), strict=True):
        warehouse = line.open(PATIENT)
        line.proxy.reset()
        line.proxy.cut(nth, when="after")
        result = warehouse.write(trial.written)
        assert counts(result) == {"fetched": 3, "inserted": 1, "updated": 1, "late": 1}, nth
        assert trial.held(warehouse) == AFTER, nth


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_table_that_is_made_over_a_failing_line_is_made_whole(line: Line, when: Literal["before", "after"]) -> None:
    for nth in range(1, 12, 3):
        table = new_table()
        written = batch(table, [price(1, 50.0)])
        line.proxy.reset()
        line.proxy.cut(nth, when=when)
        with contextlib.suppress(WarehouseError):
            line.open(IMPATIENT).write(written)
        line.proxy.reset()
        warehouse = line.open(PATIENT)
        warehouse.write(written)
        assert [r["price"] for r in content(warehouse, table)] == [50.0]
        assert content(warehouse, table, "history") == []


@pytest.mark.parametrize(("status", "reason"), [(503, "backendError"), (403, "quotaExceeded")])
def test_a_refusal_for_now_is_waited_out_and_for_good_leaves_everything(line: Line, status: int, reason: str) -> None:
    (trial,) = trials(line, 1)
    line.proxy.answer(status, reason, times=1000, match="insert job")
    with pytest.raises(WarehouseError, match=trial.table.name):
        line.open(IMPATIENT).write(trial.written)
    line.proxy.reset()
    assert trial.held(line.open(PATIENT)) == BEFORE

    line.proxy.answer(status, reason, times=2, match="insert job")
    line.proxy.answer(status, reason, times=1, match="upload")
    warehouse = line.open(PATIENT)
    assert counts(warehouse.write(trial.written))["inserted"] == 1
    assert trial.held(warehouse) == AFTER


def test_a_column_of_another_type_is_refused_and_the_table_stays(line: Line) -> None:
    (trial,) = trials(line, 1)
    warehouse = line.open(PATIENT)
    name = f"`faults`.`{trial.table.name}`"
    for change in ("DROP COLUMN price", "ADD COLUMN price STRING"):
        warehouse.jobs.query(f"ALTER TABLE {name} {change}", what="Changing by hand")
    warehouse.jobs.query(f"UPDATE {name} SET price = 'fifty' WHERE TRUE", what="Changing by hand")
    with pytest.raises(WarehouseError, match="stored as STRING, the catalogue says FLOAT64, and 2 stored values"):
        warehouse.write(trial.written)
    assert [tuple(row) for row in warehouse.jobs.query(f"SELECT price FROM {name}", what="Looking")] == [("fifty",)] * 2


def test_a_load_that_is_refused_is_told_and_nothing_is_left(line: Line) -> None:
    (trial,) = trials(line, 1)
    line.proxy.answer(400, "invalid", times=1, match="upload")
    with pytest.raises(WarehouseError, match=trial.table.name):
        line.open(PATIENT).write(trial.written)
    assert trial.held(line.open(PATIENT)) == BEFORE


def test_staging_tables_are_dropped_or_expire(line: Line) -> None:
    (trial,) = trials(line, 1)
    warehouse = line.open(PATIENT)
    client = warehouse.jobs.connection.client

    def staging() -> set[str]:
        return {t.table_id for t in client.list_tables("local.faults") if t.table_id.startswith("_stg_")}

    before = staging()
    warehouse.write(trial.written)
    assert staging() == before
    assert all(client.get_table(f"local.faults.{name}").expires is not None for name in before)
