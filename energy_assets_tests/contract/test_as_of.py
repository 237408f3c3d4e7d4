"""Readings of the past by either clock: what this warehouse held, and what the provider had published."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from energy_assets.catalogue import dataset
from energy_assets.errors import UnknownAsOfError, WarehouseError
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Store, at, batch, content, receipt, window
from energy_assets_tests.contract.tables import ACTIONS, FORECAST, PRICES, PROFILE, REGISTER

DISEBSP = dataset("DISEBSP").table
WINDFOR = dataset("WINDFOR").table


def price(period: int, value: float, created: str = "15 10:00"):
    return {"settlementDate": DAY, "settlementPeriod": period, "createdDateTime": at(created), "systemSellPrice": value}


def prices(warehouse: Warehouse, **reading: datetime):
    return [row["systemSellPrice"] for row in content(warehouse, DISEBSP, **reading)]


def test_a_revision_reads_differently_on_both_sides_by_ingestion(store: Store, warehouse: Warehouse):
    warehouse.write(batch(DISEBSP, [price(1, 50.0), price(2, 60.0)]))
    before = store.clock.forward(hours=1)
    warehouse.write(batch(DISEBSP, [price(1, 55.0, "17 10:00"), price(2, 60.0)]))
    after = store.clock.forward(hours=1)

    assert prices(warehouse, ingested_as_of=before) == [50.0, 60.0]
    assert prices(warehouse, ingested_as_of=after) == [55.0, 60.0]
    assert prices(warehouse) == [55.0, 60.0]


def test_exactly_at_the_revision_the_new_value_stands(warehouse: Warehouse):
    warehouse.write(batch(DISEBSP, [price(1, 50.0)]))
    (revised,) = warehouse.write(batch(DISEBSP, [price(1, 55.0, "17 10:00")])).receipts
    moment = revised.recorded_utc
    assert moment is not None

    assert prices(warehouse, ingested_as_of=moment) == [55.0]
    assert prices(warehouse, ingested_as_of=moment - timedelta(microseconds=1)) == [50.0]


def test_before_the_first_ingestion_the_answer_is_unknown(store: Store, warehouse: Warehouse):
    before = store.clock.now
    warehouse.write(batch(DISEBSP, [price(1, 50.0)]))

    with pytest.raises(UnknownAsOfError, match="unknown"):
        prices(warehouse, ingested_as_of=before)


def test_other_days_do_not_make_a_day_known(store: Store, warehouse: Warehouse):
    other = DAY - timedelta(days=3)
    warehouse.write(batch(DISEBSP, [{**price(1, 40.0), "settlementDate": other}], window(other)))
    between = store.clock.forward(hours=1)
    warehouse.write(batch(DISEBSP, [price(1, 50.0)]))

    with pytest.raises(UnknownAsOfError):
        warehouse.read(DISEBSP, DAY, DAY, ingested_as_of=between)
    assert warehouse.read(DISEBSP, other, other, ingested_as_of=between).num_rows == 1


def test_a_day_known_to_be_empty_reads_as_empty(store: Store, warehouse: Warehouse):
    warehouse.record([receipt(DISEBSP, window(), status="silent")])
    between = store.clock.forward(hours=1)
    warehouse.write(batch(DISEBSP, [price(1, 50.0)]))

    assert prices(warehouse, ingested_as_of=between) == []


def test_a_failure_does_not_make_a_day_known(store: Store, warehouse: Warehouse):
    warehouse.record([receipt(DISEBSP, window(), status="failed"), receipt(DISEBSP, window(), status="suspect")])
    between = store.clock.forward(hours=1)
    warehouse.write(batch(DISEBSP, [price(1, 50.0)]))

    with pytest.raises(UnknownAsOfError):
        prices(warehouse, ingested_as_of=between)


def test_rows_of_a_day_reached_by_another_days_window_make_it_known(store: Store, warehouse: Warehouse):
    warehouse.write(batch(DISEBSP, [price(1, 50.0)], window(DAY + timedelta(days=5))))
    after = store.clock.forward(hours=1)

    assert prices(warehouse, ingested_as_of=after) == [50.0]


def test_what_came_too_late_to_stand_was_never_held(store: Store, warehouse: Warehouse):
    warehouse.write(batch(DISEBSP, [price(1, 55.0, "17 10:00")]))
    warehouse.write(batch(DISEBSP, [price(1, 50.0, "15 10:00")]))
    after = store.clock.forward(hours=1)

    assert prices(warehouse, ingested_as_of=after) == [55.0]


def test_a_withdrawn_row_is_held_until_it_is_withdrawn(store: Store, warehouse: Warehouse):
    dummy = {"settlementDate": DAY, "settlementPeriod": 1, "cost": 0.0}
    real = {"settlementDate": DAY, "settlementPeriod": 1, "id": 1, "cost": 5.0}
    warehouse.write(batch(ACTIONS, [dummy]))
    before = store.clock.forward(hours=1)
    warehouse.write(batch(ACTIONS, [real]))
    after = store.clock.forward(hours=1)

    assert content(warehouse, ACTIONS, ingested_as_of=before) == [dummy]
    assert content(warehouse, ACTIONS, ingested_as_of=after) == [real]


def vintage(published: str, value: int):
    return {"publishTime": at(published), "startTime": at("16 00:00"), "generation": value}


def test_a_vintage_reads_differently_on_both_sides_by_publication(warehouse: Warehouse):
    warehouse.write(batch(WINDFOR, [vintage("15 03:30", 100), vintage("15 07:30", 200)]))

    def read(text: str):
        rows = content(warehouse, WINDFOR, published_as_of=at(text).replace(tzinfo=UTC))
        return [row["generation"] for row in rows]

    assert read("15 03:00") == []
    assert read("15 03:30") == [100]
    assert read("15 07:29") == [100]
    assert read("15 08:00") == [200]


def test_publication_is_not_ingestion(store: Store, warehouse: Warehouse):
    warehouse.write(batch(WINDFOR, [vintage("15 07:30", 200)]))
    later = store.clock.forward(days=1)
    warehouse.write(batch(WINDFOR, [vintage("15 03:30", 100)]))

    assert [r["generation"] for r in content(warehouse, WINDFOR, ingested_as_of=later)] == [200]
    read = content(warehouse, WINDFOR, published_as_of=at("15 05:00").replace(tzinfo=UTC))
    assert [r["generation"] for r in read] == [100]


def test_a_revision_by_publication(warehouse: Warehouse):
    warehouse.write(batch(DISEBSP, [price(1, 50.0, "15 10:00")]))
    warehouse.write(batch(DISEBSP, [price(1, 55.0, "17 10:00")]))
    warehouse.write(batch(DISEBSP, [price(1, 53.0, "16 10:00")]))

    def read(text: str):
        return prices(warehouse, published_as_of=at(text).replace(tzinfo=UTC))

    assert read("15 12:00") == [50.0]
    assert read("16 12:00") == [53.0]
    assert read("17 12:00") == [55.0]


def test_a_value_changed_without_a_new_publication_time_reads_as_it_stands(warehouse: Warehouse):
    warehouse.write(batch(DISEBSP, [price(1, 50.0)]))
    warehouse.write(batch(DISEBSP, [price(1, 51.0)]))

    assert prices(warehouse, published_as_of=at("15 12:00").replace(tzinfo=UTC)) == [51.0]


def test_an_amended_set_by_publication_shows_one_profile_at_a_time(warehouse: Warehouse):
    def member(start: str, accepted: str):
        return {"unit": "A", "number": 1, "acceptanceTime": at(accepted), "timeFrom": at(start), "level": 1.0}

    warehouse.write(batch(PROFILE, [member("15 10:00", "15 09:00"), member("15 10:10", "15 09:00")]))
    warehouse.write(batch(PROFILE, [member("15 10:05", "15 09:30")]))

    def read(text: str):
        rows = content(warehouse, PROFILE, published_as_of=at(text).replace(tzinfo=UTC))
        return [f"{row['timeFrom']:%H:%M}" for row in rows]

    assert read("15 09:10") == ["10:00", "10:10"]
    assert read("15 09:30") == ["10:05"]
    assert read("15 11:00") == ["10:05"]


def test_the_latest_view_of_the_past(store: Store, warehouse: Warehouse):
    def of(published: str, value: float):
        return {"publishTime": at(published), "startTime": at("16 00:00"), "value": value}

    warehouse.write(batch(FORECAST, [of("15 03:00", 1.0), of("15 04:00", 2.0)]))
    before = store.clock.forward(hours=1)
    warehouse.write(batch(FORECAST, [of("15 05:00", 3.0)]))

    read = content(warehouse, FORECAST, "latest", ingested_as_of=before)
    assert [row["value"] for row in read] == [2.0]


def test_table_functions_read_as_python_does(store: Store, warehouse: Warehouse):
    warehouse.write(batch(PRICES, [{**price(1, 50.0), "price": 50.0}]))
    before = store.clock.forward(hours=1)
    warehouse.write(batch(PRICES, [{**price(1, 55.0, "17 10:00"), "price": 55.0}]))
    warehouse.close()

    held = store.function_rows("test_prices_ingested_as_of", before)
    published = store.function_rows("test_prices_published_as_of", datetime(2026, 7, 16, tzinfo=UTC))
    assert [row["price"] for row in held] == [50.0]
    assert [row["price"] for row in published] == [50.0]


def test_table_functions_follow_new_columns(store: Store, warehouse: Warehouse):
    from energy_assets.catalogue.model import Field

    warehouse.write(batch(PRICES, [{**price(1, 50.0), "price": 50.0}]))
    warehouse.write(batch(PRICES, [{**price(2, 55.0), "price": 55.0, "flag": "x"}], extra=[Field("flag", "text", "")]))
    warehouse.close()

    rows = store.function_rows("test_prices_ingested_as_of", store.clock.forward(hours=1))
    assert sorted(str(row["flag"]) for row in rows) == ["None", "x"]
    assert sorted(str(row["flag"]) for row in store.view_rows("test_prices_latest")) == ["None", "x"]


def test_the_two_clocks_are_never_mixed(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    now = datetime(2026, 7, 21, tzinfo=UTC)

    with pytest.raises(WarehouseError, match="different clocks"):
        warehouse.read(PRICES, DAY, DAY, ingested_as_of=now, published_as_of=now)
    with pytest.raises(WarehouseError, match="no as-of reading"):
        warehouse.read(PRICES, DAY, DAY, view="history", ingested_as_of=now)
    with pytest.raises(WarehouseError, match="time zone"):
        warehouse.read(PRICES, DAY, DAY, ingested_as_of=datetime(2026, 7, 21))


def test_publication_is_refused_where_there_is_none(warehouse: Warehouse):
    warehouse.write(batch(ACTIONS, [{"settlementDate": DAY, "settlementPeriod": 1, "id": 1}]))

    with pytest.raises(WarehouseError, match="no publication time"):
        warehouse.read(ACTIONS, DAY, DAY, published_as_of=datetime(2026, 7, 21, tzinfo=UTC))


def test_a_register_as_it_was_held(store: Store, warehouse: Warehouse):
    monday, tuesday = date(2026, 7, 13), date(2026, 7, 14)
    warehouse.write(batch(REGISTER, [{"unit": "A"}], window(monday), day=monday))
    between = store.clock.forward(hours=1)
    warehouse.write(batch(REGISTER, [{"unit": "B"}], window(tuesday), day=tuesday))

    assert content(warehouse, REGISTER, "latest", ingested_as_of=between) == [{"unit": "A"}]
    assert content(warehouse, REGISTER, "latest") == [{"unit": "B"}]
