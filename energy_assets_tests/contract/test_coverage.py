"""Which receipts are believed: only those whose table and rows are still there."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from energy_assets.errors import WarehouseError
from energy_assets.ingest.model import Seen, Window
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Store, at, batch, content, counts, joined, receipt, window
from energy_assets_tests.contract.tables import ACTIONS, FORECAST, PRICES

RANGE = (window().from_utc, window().to_utc)
ASKED = datetime(2026, 7, 20, 11, tzinfo=UTC)


def price(period: int, value: float = 50.0, day: date = DAY):
    return {"settlementDate": day, "settlementPeriod": period, "createdDateTime": at("15 10:00"), "price": value}


def seen(warehouse: Warehouse, since: datetime | None = None, between: tuple[datetime, datetime] = RANGE):
    return list(warehouse.coverage([PRICES], *between, since)["PRICES"])


def covered(warehouse: Warehouse, **asked) -> list[Window]:
    return [item.window for item in seen(warehouse, **asked) if item.covered_utc is not None]


def test_an_empty_store_covers_nothing(warehouse: Warehouse):
    assert dict(warehouse.coverage([PRICES, ACTIONS], *RANGE)) == {"PRICES": [], "ACTIONS": []}


def test_a_written_window_is_covered_from_when_it_was_asked(warehouse: Warehouse):
    asked = window(hours=(0, 6), branch=(("bidOffer", "bid"), ("unit", "A")))
    warehouse.write(batch(PRICES, [price(1)], asked))

    assert seen(warehouse) == [Seen(asked, ASKED, None)]


@pytest.mark.parametrize(
    ("status", "covers", "empty"),
    [
        ("silent", True, False),
        ("suspect", False, True),
        ("not_due", False, True),
        ("failed", False, False),
    ],
)
def test_what_each_status_says_of_a_window(warehouse: Warehouse, status, covers, empty):
    warehouse.record([receipt(PRICES, window(), status=status)])

    assert seen(warehouse) == [Seen(window(), ASKED if covers else None, ASKED if empty else None)]


def test_the_newest_of_several_receipts_counts(warehouse: Warehouse):
    later = ASKED + timedelta(hours=2)
    warehouse.record([receipt(PRICES, window(), status="suspect")])
    warehouse.write(batch(PRICES, [price(1)], requested_utc=later))
    warehouse.record([receipt(PRICES, window(), status="failed", requested_utc=later + timedelta(hours=1))])

    assert seen(warehouse) == [Seen(window(), later, ASKED)]


def test_receipts_from_before_a_moment_can_be_set_aside(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)]))

    assert covered(warehouse, since=ASKED) == [window()]
    assert covered(warehouse, since=ASKED + timedelta(seconds=1)) == []


def test_only_windows_that_overlap_the_range_come_back(warehouse: Warehouse):
    for hours in ((0, 6), (6, 12), (12, 18)):
        warehouse.write(batch(PRICES, [price(hours[0])], window(hours=hours)))
    six_to_twelve = window(hours=(6, 12))

    assert covered(warehouse, between=(six_to_twelve.from_utc, six_to_twelve.to_utc)) == [six_to_twelve]


def test_datasets_are_kept_apart_in_one_question(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)]))
    warehouse.record([receipt(ACTIONS, window(hours=(0, 1)), status="silent")])

    found = warehouse.coverage([PRICES, ACTIONS, FORECAST], *RANGE)

    assert {name: [item.window for item in items] for name, items in found.items()} == {
        "PRICES": [window()],
        "ACTIONS": [window(hours=(0, 1))],
        "FORECAST": [],
    }


def test_a_dropped_table_takes_its_receipts_with_it(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)]))
    warehouse.close()
    store.drop(PRICES)

    assert covered(warehouse) == []


def test_a_table_dropped_and_made_again_does_not_bring_old_receipts_back(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)], window(hours=(0, 12))))
    warehouse.close()
    store.drop(PRICES)

    result = warehouse.write(batch(PRICES, [price(1)], window(hours=(12, 24))))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    assert covered(warehouse) == [window(hours=(12, 24))]


def test_a_truncated_table_is_not_believed(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)]))
    warehouse.close()
    store.delete(PRICES)

    assert covered(warehouse) == []


def test_rows_deleted_from_one_day_discredit_that_day_only(store: Store, warehouse: Warehouse):
    other = DAY - timedelta(days=1)
    warehouse.write(batch(PRICES, [price(1), price(2)]))
    warehouse.write(batch(PRICES, [price(1, day=other)], window(other)))
    warehouse.close()
    store.delete(PRICES, DAY)

    assert covered(warehouse, between=(window(other).from_utc, window().to_utc)) == [window(other)]


def test_refilling_one_window_of_a_damaged_day_does_not_vouch_for_the_others(store: Store, warehouse: Warehouse):
    first, second = window(hours=(0, 12)), window(hours=(12, 24))
    warehouse.write(batch(PRICES, [price(1)], first))
    warehouse.write(batch(PRICES, [price(30)], second))
    warehouse.close()
    store.delete(PRICES, DAY)

    warehouse.write(batch(PRICES, [price(1)], first))
    assert covered(warehouse) == [first]
    warehouse.write(batch(PRICES, [price(30)], second))
    assert covered(warehouse) == [first, second]
    assert len(content(warehouse, PRICES)) == 2


def test_a_window_whose_rows_lie_on_other_days_is_judged_by_those_days(store: Store, warehouse: Warehouse):
    far = DAY - timedelta(days=40)
    warehouse.write(batch(PRICES, [price(1, day=far)]))
    assert covered(warehouse) == [window()]
    warehouse.close()
    store.delete(PRICES, far)

    assert covered(warehouse) == []


def test_an_unchanged_window_vouches_for_its_rows_too(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)]))
    warehouse.write(batch(PRICES, [price(1)], requested_utc=ASKED + timedelta(hours=1)))
    warehouse.close()
    store.delete(PRICES)

    assert covered(warehouse) == []


def test_rows_that_the_warehouse_withdrew_itself_are_no_damage(warehouse: Warehouse):
    def action(number: int):
        return {"settlementDate": DAY, "settlementPeriod": 1, "id": number, "cost": 1.0}

    warehouse.write(batch(ACTIONS, [action(1), action(2)]))
    warehouse.write(batch(ACTIONS, [action(3)]))

    assert len(warehouse.coverage([ACTIONS], *RANGE)["ACTIONS"]) == 1


def test_silent_windows_do_not_need_rows(store: Store, warehouse: Warehouse):
    warehouse.record([receipt(PRICES, window(hours=(0, 1)), status="silent")])
    warehouse.write(batch(PRICES, [price(5)], window(hours=(1, 2))))

    assert covered(warehouse) == [window(hours=(0, 1)), window(hours=(1, 2))]


def test_a_foreign_table_is_refused_and_left_alone(store: Store, warehouse: Warehouse):
    store.make_by_hand(PRICES, {"settlementDate": "date", "price": "number"})

    with pytest.raises(WarehouseError, match=r"test_prices.*_dataset.*rename or drop it"):
        warehouse.write(batch(PRICES, [price(1)]))

    assert covered(warehouse) == []
    assert store.service_rows("_receipts") == []


def test_a_foreign_table_with_another_type_is_refused(store: Store, warehouse: Warehouse):
    store.make_by_hand(PRICES, {**dict(PRICES.columns), "price": "text"})

    with pytest.raises(WarehouseError, match="column price as"):
        warehouse.write(batch(PRICES, [price(1)]))


def test_a_table_put_in_place_by_hand_is_taken_over_but_old_receipts_are_not_believed(
    store: Store, warehouse: Warehouse
):
    warehouse.write(batch(PRICES, [price(1)], window(hours=(0, 12))))
    warehouse.close()
    store.drop(PRICES)
    store.make_by_hand(PRICES, dict(PRICES.columns))

    assert covered(warehouse) == []
    assert counts(warehouse.write(batch(PRICES, [price(1)], window(hours=(12, 24))))) == {"fetched": 1, "inserted": 1}
    assert covered(warehouse) == [window(hours=(12, 24))]


def test_a_failed_write_covers_nothing(warehouse: Warehouse):
    bad = batch(PRICES, [price(1)])

    with pytest.raises(WarehouseError):
        warehouse.write(type(bad)(bad.table, bad.rows.drop_columns(["settlementDate"]), bad.receipts, bad.quarantine))

    assert covered(warehouse) == []


def test_bodies_are_found_again_by_their_digest(warehouse: Warehouse):
    asked = window(hours=(0, 1), branch=(("side", "bid"),))
    warehouse.write(batch(PRICES, [price(1)], asked, body_sha256="aa"))
    warehouse.write(batch(PRICES, [], window(hours=(1, 2)), body_sha256="aa"))
    warehouse.record([receipt(PRICES, window(hours=(2, 3)), status="failed", body_sha256="aa")])
    warehouse.write(batch(PRICES, [price(9)], window(hours=(3, 4)), body_sha256="bb"))

    other = window(hours=(3, 4))
    day = (window().from_utc, window().to_utc)
    assert dict(warehouse.windows_with_bodies(PRICES, ["aa", "bb", "cc"], day)) == {"aa": [asked], "bb": [other]}
    assert dict(warehouse.windows_with_bodies(PRICES, ["aa", "bb"], (other.from_utc, other.to_utc))) == {"bb": [other]}
    assert dict(warehouse.windows_with_bodies(ACTIONS, ["aa"], day)) == {}
    assert dict(warehouse.windows_with_bodies(PRICES, [], day)) == {}


def test_receipts_keep_what_the_request_was(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1)], new_columns=("a", "b"), missing_columns=("c",)))
    warehouse.record([receipt(PRICES, window(), status="failed", http_status=None, reason="500 for ever")])
    warehouse.close()

    written, failed = sorted(store.service_rows("_receipts"), key=lambda row: row["receipt_id"])
    assert (written["status"], written["fetched"], written["inserted"]) == ("written", 1, 1)
    assert (written["new_columns"], written["missing_columns"]) == (["a", "b"], ["c"])
    assert (written["url"], written["http_status"], written["body_bytes"]) == ("https://example.org/data", 200, 100)
    assert (failed["status"], failed["http_status"], failed["reason"]) == ("failed", None, "500 for ever")
    assert [row["status"] for row in store.service_rows("_receipts_latest")] == ["failed"]


def test_status_of_every_table_in_one_look(store: Store, warehouse: Warehouse):
    warehouse.write(
        joined(batch(PRICES, [price(1), price(2)]), batch(PRICES, [price(1, day=DAY - timedelta(days=1))], window(DAY)))
    )
    success = store.clock.now
    warehouse.record([receipt(PRICES, window(), status="failed", reason="timeout")])
    warehouse.record([receipt(ACTIONS, window(), status="silent")])

    prices, actions, forecast = warehouse.status([PRICES, ACTIONS, FORECAST], DAY, {"test_prices": "createdDateTime"})

    assert (prices.rows_today, prices.newest_day) == (2, DAY)
    assert prices.newest_utc == at("15 10:00").replace(tzinfo=UTC)
    assert (prices.last_status, prices.last_reason, prices.last_success_utc) == ("failed", "timeout", success)
    assert prices.last_recorded_utc is not None
    assert prices.last_recorded_utc > success
    assert (actions.last_status, actions.rows_today, actions.newest_day) == ("silent", 0, None)
    assert (forecast.last_status, forecast.last_success_utc) == (None, None)


def test_status_of_an_empty_store(warehouse: Warehouse):
    (status,) = warehouse.status([PRICES], DAY, {})

    assert (status.table, status.rows_today, status.last_status) == ("test_prices", 0, None)
