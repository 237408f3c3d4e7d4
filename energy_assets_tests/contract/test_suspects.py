"""What the doctor and the metrics ask of a warehouse: the same on every one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import WindowCheck
from energy_assets.ingest.model import Counts
from energy_assets.tracking.metrics import count_receipts
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.suspects import Stored, answers_from_elsewhere, equal_answers, stored
from energy_assets_tests.contract.store import DAY, Store, at, batch, receipt, window
from energy_assets_tests.contract.tables import FORECAST, PRICES

ENTRY = replace(dataset("DISEBSP"), table=PRICES, check=WindowCheck("date", "settlementDate"), may_repeat=False)
WEEK = timedelta(days=7)


def price(day=DAY):  # type: ignore[no-untyped-def]
    return {"settlementDate": day, "settlementPeriod": 1, "createdDateTime": at("15 10:00"), "price": 5.0, "code": "x"}


def test_nothing_is_suspected_of_an_empty_store(warehouse: Warehouse):
    assert equal_answers(warehouse, [ENTRY]) == answers_from_elsewhere(warehouse, [ENTRY]) == []
    assert stored(warehouse, [PRICES]) == Stored({}, (), ())
    assert count_receipts(warehouse, datetime.now(UTC)) == {}


def test_equal_answers_of_windows_without_a_common_bound_are_found(warehouse: Warehouse):
    days = [DAY, DAY + WEEK, DAY + 2 * WEEK]
    for day, digest in zip(days, ("a", "a", "b"), strict=True):
        warehouse.write(batch(PRICES, [price(day)], window(day), body_sha256=digest * 64))
    (found,) = equal_answers(warehouse, [ENTRY])
    assert (found.table, found.windows, found.answers) == (PRICES.name, 2, 1)
    assert (found.first_utc, found.last_utc) == (window(DAY).from_utc, window(DAY + WEEK).from_utc)
    assert equal_answers(warehouse, [replace(ENTRY, may_repeat=True)]) == []
    assert answers_from_elsewhere(warehouse, [ENTRY]) == []


def test_equal_answers_of_neighbours_and_failures_are_no_finding(warehouse: Warehouse):
    after = DAY + timedelta(days=1)
    for day in (DAY, after):
        warehouse.write(batch(PRICES, [price(day)], window(day), body_sha256="a" * 64))
    told = receipt(PRICES, window(DAY + WEEK), status="failed", body_sha256="a" * 64, counts=Counts(fetched=1))
    warehouse.record([told])
    assert equal_answers(warehouse, [ENTRY]) == []


def test_windows_that_brought_rows_of_other_days_are_found(warehouse: Warehouse):
    for number in range(3):
        warehouse.write(batch(PRICES, [price()], window(DAY - number * WEEK), body_sha256=str(number) * 64))
    (found,) = answers_from_elsewhere(warehouse, [ENTRY])
    assert (found.windows, found.last_utc) == (2, window(DAY - WEEK).from_utc)
    assert answers_from_elsewhere(warehouse, [replace(ENTRY, check=WindowCheck("none"))]) == []


def test_tables_are_compared_with_the_catalogue(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price()]))
    warehouse.close()
    store.make_by_hand(FORECAST, {"publishTime": "instant"})
    fewer = replace(PRICES, fields=PRICES.fields[:-1])
    again = store.open()
    assert stored(again, [fewer, FORECAST]) == Stored({}, (FORECAST.name,), ())
    more = replace(PRICES, fields=(*PRICES.fields, replace(PRICES.fields[-1], name="extra")))
    assert stored(again, [more]).lacking == {PRICES.name: ("extra",)}
    assert stored(again, [FORECAST]).unknown == (PRICES.name,)


def test_receipts_are_counted_by_what_came_of_them(warehouse: Warehouse, store: Store):
    warehouse.write(batch(PRICES, [price()]))
    warehouse.record([receipt(PRICES, window(DAY + WEEK), status="failed")])
    assert count_receipts(warehouse, store.clock.now) == {("PRICES", "written"): 1, ("PRICES", "failed"): 1}
    assert count_receipts(warehouse, store.clock.now + timedelta(days=2)) == {}
