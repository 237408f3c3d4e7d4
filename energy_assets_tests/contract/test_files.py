"""Tables that several files fill: which files brought what, and whether the newest request for each failed."""

from __future__ import annotations

from datetime import date, timedelta

from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Store, at, batch, receipt, window
from energy_assets_tests.contract.tables import PRICES

FIRST = (("resource", "11111111-aaaa-aaaa-aaaa-111111111111"), ("modified", "2026-07-15T10:00:00"))
SECOND = (("resource", "22222222-aaaa-aaaa-aaaa-222222222222"), ("modified", "2026-07-15T10:00:00"))
CHANGED = (FIRST[0], ("modified", "2026-07-16T10:00:00"))
NEXT = DAY + timedelta(days=1)


def price(day: date, period: int, value: float = 1.0) -> dict[str, object]:
    return {"settlementDate": day, "settlementPeriod": period, "createdDateTime": at("15 10:00"), "price": value}


def test_windows_behind_rows_are_those_that_brought_them(warehouse: Warehouse) -> None:
    assert warehouse.windows_behind(PRICES, DAY, NEXT) == ()
    warehouse.write(batch(PRICES, [price(DAY, 1)], window(branch=FIRST)))
    warehouse.write(batch(PRICES, [price(NEXT, 1)], window(branch=SECOND)))

    assert list(warehouse.windows_behind(PRICES, DAY, DAY)) == [window(branch=FIRST)]
    assert list(warehouse.windows_behind(PRICES, NEXT, NEXT)) == [window(branch=SECOND)]
    assert set(warehouse.windows_behind(PRICES, DAY, NEXT)) == {window(branch=FIRST), window(branch=SECOND)}
    assert list(warehouse.windows_behind(PRICES, DAY - timedelta(days=9), DAY - timedelta(days=8))) == []


def test_rows_that_came_again_unchanged_stay_with_who_brought_them(warehouse: Warehouse) -> None:
    warehouse.write(batch(PRICES, [price(DAY, 1), price(DAY, 2)], window(branch=FIRST)))
    warehouse.write(batch(PRICES, [price(DAY, 1), price(DAY, 2, 5.0)], window(branch=CHANGED)))
    assert set(warehouse.windows_behind(PRICES, DAY, DAY)) == {window(branch=FIRST), window(branch=CHANGED)}


def test_a_file_that_failed_is_not_hidden_by_another_that_came(store: Store, warehouse: Warehouse) -> None:
    failed = receipt(PRICES, window(branch=FIRST), status="failed", reason="cut off")
    warehouse.record([failed])
    store.clock.forward(hours=1)
    warehouse.write(batch(PRICES, [price(DAY, 1)], window(branch=SECOND)))
    (status,) = warehouse.status([PRICES], DAY, {})
    assert (status.last_status, status.last_reason) == ("failed", "cut off")
    assert status.last_success_utc is not None

    store.clock.forward(hours=1)
    warehouse.write(batch(PRICES, [price(DAY, 2)], window(branch=CHANGED)))
    (status,) = warehouse.status([PRICES], DAY, {})
    assert status.last_status == "written"


def test_a_file_that_is_not_asked_for_any_more_is_no_failure_for_ever(store: Store, warehouse: Warehouse) -> None:
    warehouse.record([receipt(PRICES, window(branch=FIRST), status="failed", reason="gone")])
    store.clock.forward(days=3)
    warehouse.write(batch(PRICES, [price(DAY, 1)], window(branch=SECOND)))
    (status,) = warehouse.status([PRICES], DAY, {})
    assert status.last_status == "written"
