"""What tables and receipts come to, as the checks ask for it: the same on every warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from energy_assets import calendar
from energy_assets.catalogue.model import Field, WindowCheck
from energy_assets.checks.facts import DayFacts, Question, TableFacts
from energy_assets.ingest.model import Counts
from energy_assets.warehouse.facts import first_asked, read_facts
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Store, at, batch, receipt, window
from energy_assets_tests.contract.tables import FORECAST, PRICES, RUNS

PRICE = Field("price", "number", "", low=-100.0, high=1000.0, sentinels=(9999.0,))
ASKED = Question(
    PRICES,
    required=("settlementDate", "settlementPeriod", "code"),
    bounded=(PRICE,),
    periods="settlementPeriod",
    instants=None,
    check=WindowCheck("date", "settlementDate"),
)
BEFORE = DAY - timedelta(days=1)


def price(period: int, value: float | None = 50.0, day: date = DAY, code: str | None = "x") -> dict[str, Any]:
    made = {"settlementDate": day, "settlementPeriod": period, "createdDateTime": at("15 10:00"), "price": value}
    return made | {"code": code}


def facts(warehouse: Warehouse, question: Question = ASKED, first: date = DAY, last: date = DAY) -> TableFacts:
    return read_facts(warehouse, [question], first, last)[question.table.name]


def test_nothing_is_known_of_an_empty_store(warehouse: Warehouse):
    assert facts(warehouse) == TableFacts()


def test_a_day_in_order(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1), price(2), price(3, None), price(4, 9999.0)]))

    found = facts(warehouse)
    assert found.exists
    assert found.days == {DAY: DayFacts(rows=4, keys=4, periods=4)}
    assert found.recorded == {DAY: 4}
    assert (found.receipts.windows, found.receipts.answered) == (1, 1)
    assert {name: n for name, n in found.receipts.counts.items() if n} == {"fetched": 4, "inserted": 4}


def test_only_the_days_asked_for_are_summed_up_and_those_before_make_the_history(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, day=BEFORE), price(2, day=BEFORE)], window(BEFORE)))
    warehouse.write(batch(PRICES, [price(1)]))

    found = facts(warehouse)
    assert list(found.days) == [DAY]
    assert found.recorded == {BEFORE: 2, DAY: 1}
    assert facts(warehouse, first=BEFORE).days[BEFORE].rows == 2


def test_a_heavy_table_is_summed_up_in_pieces(warehouse: Warehouse):
    table = replace(PRICES, heavy=True)
    for day in (BEFORE, DAY):
        warehouse.write(batch(table, [price(1, day=day), price(2, day=day)], window(day)))

    found = facts(warehouse, replace(ASKED, table=table), first=BEFORE - timedelta(days=3))
    assert {day: f.rows for day, f in found.days.items()} == {BEFORE: 2, DAY: 2}


def test_nulls_and_values_out_of_bounds_are_counted_with_the_first_of_them(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, -101.0), price(2, 1001.0), price(3, code=None), price(4)]))

    day = facts(warehouse).days[DAY]
    assert day.nulls == {"code": 1}
    assert day.beyond == {"price": 2}
    assert day.first["price beyond"].startswith(f"{DAY}, 1: price -101")
    assert day.first["code"] == f"{DAY}, 3: code nothing"


def test_rows_outside_the_window_that_brought_them_are_counted(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1), price(2)], window(DAY - timedelta(days=10))))

    assert facts(warehouse).days[DAY].outside == 2


def test_instants_outside_their_window_are_counted_to_the_second(warehouse: Warehouse):
    question = Question(FORECAST, (), (), None, "publishTime", WindowCheck("instant", "publishTime"))
    start = calendar.day_start_utc(DAY).replace(tzinfo=None)
    rows = [
        {"publishTime": start + timedelta(hours=h), "startTime": start, "value": 1.0} for h in (5.999, 6, 11.999, 12)
    ]
    warehouse.write(batch(FORECAST, rows, window(hours=(6, 12))))

    day = facts(warehouse, question).days[DAY]
    assert (day.outside, day.instants) == (2, 4)


def test_repeated_keys_are_counted_exactly(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1), price(2)]))
    warehouse.close()
    store.copy_rows(PRICES, {"_window_from_utc": datetime(2026, 7, 1, tzinfo=UTC)})
    opened = store.open()
    day = facts(opened).days[DAY]
    opened.close()

    assert (day.rows, day.repeated, day.copies) == (4, 2, 2)
    assert day.first_repeated == f"{DAY}, 1"


def test_null_keys_with_a_fallback_are_told_apart(warehouse: Warehouse):
    question = Question(RUNS, (), (), "settlementPeriod", None, WindowCheck("date", "settlementDate"))
    rows = [
        {"settlementDate": DAY, "settlementPeriod": 1, "bmUnit": None, "otherUnit": unit, "settlementRunType": run}
        for unit in ("A", "B")
        for run in (None, "II")
    ]
    warehouse.write(batch(RUNS, rows))

    day = facts(warehouse, question).days[DAY]
    assert (day.rows, day.keys, day.repeated) == (4, 4, 0)


def test_rows_deleted_by_hand_differ_from_what_was_recorded(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, day=BEFORE)], window(BEFORE)))
    warehouse.write(batch(PRICES, [price(1)]))
    warehouse.close()
    store.delete(PRICES, DAY)
    opened = store.open()
    found = facts(opened, first=BEFORE)
    opened.close()

    assert (list(found.days), found.recorded[DAY]) == ([BEFORE], 1)


def test_since_when_a_table_is_asked_for_is_known_whatever_came_of_it(warehouse: Warehouse):
    begin, end = calendar.day_start_utc(BEFORE), calendar.day_bounds_utc(DAY)[1]
    assert first_asked(warehouse, [PRICES], begin, end) == {}

    warehouse.write(batch(PRICES, [price(1)]))
    assert first_asked(warehouse, [PRICES, RUNS], begin, end) == {PRICES.name: window().from_utc}
    warehouse.record(
        [receipt(PRICES, window(BEFORE), status="failed"), receipt(PRICES, window(BEFORE - timedelta(days=5)))]
    )
    assert first_asked(warehouse, [PRICES], begin, end) == {PRICES.name: window(BEFORE).from_utc}


@pytest.mark.parametrize(("status", "name"), [("failed", "failed"), ("suspect", "suspect")])
def test_the_newest_receipt_of_a_window_counts(warehouse: Warehouse, status: Any, name: str):
    warehouse.record([receipt(PRICES, window(), status=status)])
    assert getattr(facts(warehouse).receipts, name) == 1

    warehouse.write(batch(PRICES, [price(1)]))
    found = facts(warehouse).receipts
    assert (getattr(found, name), found.windows) == (0, 1)


def test_receipts_that_do_not_add_up_are_found(warehouse: Warehouse):
    lost = receipt(PRICES, window(hours=(0, 6)), status="unchanged", counts=Counts(fetched=3, unchanged=2))
    whole = receipt(PRICES, window(hours=(6, 12)), status="unchanged", counts=Counts(fetched=3, unchanged=3))
    warehouse.record([lost, whole])

    found = facts(warehouse).receipts
    assert (found.unreconciled, found.unreconciled_utc) == (1, window().from_utc)


def test_columns_and_quarantine_of_receipts_are_summed_up(warehouse: Warehouse):
    counts = Counts(fetched=2, unchanged=1, quarantined=1)
    told = {"new_columns": ("extra",), "missing_columns": ("price", "code"), "counts": counts, "status": "unchanged"}
    warehouse.record([receipt(PRICES, window(hours=(h, h + 1)), body_sha256=f"{h:064}", **told) for h in (2, 3)])

    found = facts(warehouse).receipts
    assert {name: column.windows for name, column in found.new_columns.items()} == {"extra": 2}
    assert {name: column.windows for name, column in found.missing_columns.items()} == {"price": 2, "code": 2}
    assert found.new_columns["extra"].first_utc == window(hours=(2, 3)).from_utc
    assert (found.quarantined, found.quarantined_utc) == (2, window(hours=(2, 3)).from_utc)


def test_equal_answers_of_distant_windows_are_found(warehouse: Warehouse):
    hours = [(0, 1), (1, 2), (5, 6)]
    counts = Counts(fetched=1, unchanged=1)
    same = [receipt(PRICES, window(hours=h), status="unchanged", counts=counts) for h in hours]
    warehouse.record(same[:2])
    assert facts(warehouse).receipts.bodies == ()

    warehouse.record(same[2:])
    (body,) = facts(warehouse).receipts.bodies
    assert (body.windows, body.first_utc) == (3, window().from_utc)


def test_a_catalogued_column_that_is_not_stored_yet_is_not_wrong(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)]))
    newer = Question(
        PRICES, (*ASKED.required, "later"), (PRICE, Field("much", "number", "", low=0.0)), None, None, ASKED.check
    )

    assert facts(warehouse, newer).days[DAY] == DayFacts(rows=1, keys=1)
