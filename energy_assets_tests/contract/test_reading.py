"""What comes out is what went in: types, order, projection, views."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.errors import WarehouseError
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.staging import arrow_schema
from energy_assets_tests.contract.store import DAY, STORES, Serving, Store, at, batch, content, made, receipt, window
from energy_assets_tests.contract.tables import FORECAST, PRICES, REGISTER


def price(period: int, value: float | None, code: str | None = None, day: date = DAY):
    return {
        "settlementDate": day,
        "settlementPeriod": period,
        "createdDateTime": at("15 10:00"),
        "price": value,
        "code": code,
    }


def test_rows_come_in_the_order_of_the_natural_key(warehouse: Warehouse):
    days = [DAY, DAY - timedelta(days=2), DAY - timedelta(days=1)]
    warehouse.write(batch(PRICES, [price(period, 1.0, day=day) for period in (3, 1, 2) for day in days]))

    rows = warehouse.read(PRICES, DAY - timedelta(days=2), DAY).to_pylist()

    keys = [(row["settlementDate"], row["settlementPeriod"]) for row in rows]
    assert keys == sorted(keys)


def test_text_is_ordered_by_code_point_and_null_comes_last(warehouse: Warehouse):
    units = ["b", "A", "a", "Z", "é", None, ""]
    warehouse.write(batch(REGISTER, [{"unit": unit} for unit in units]))

    read = warehouse.read(REGISTER, DAY, DAY, columns=["unit"]).column("unit").to_pylist()

    assert read == ["", "A", "Z", "a", "b", "é", None]


def test_only_the_days_asked_for_come(warehouse: Warehouse):
    days = [DAY + timedelta(days=step) for step in range(-2, 3)]
    warehouse.write(batch(PRICES, [price(1, 1.0, day=day) for day in days]))

    read = warehouse.read(PRICES, days[1], days[3], columns=["settlementDate"])

    assert read.column("settlementDate").to_pylist() == days[1:4]


def test_only_the_columns_asked_for_come_in_the_order_asked(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))

    assert warehouse.read(PRICES, DAY, DAY, columns=["price", "_dataset"]).to_pylist() == [
        {"price": 1.0, "_dataset": "PRICES"}
    ]


def test_an_unknown_column_is_refused_by_name(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))

    with pytest.raises(WarehouseError, match=r"no column prise.*settlementDate"):
        warehouse.read(PRICES, DAY, DAY, columns=["prise"])


def test_columns_have_the_declared_types(warehouse: Warehouse):
    warehouse.write(batch(REGISTER, [{"unit": "A", "details": "{}"}]))

    schema = warehouse.read(REGISTER, DAY, DAY).schema

    assert schema.equals(arrow_schema(REGISTER.columns))


def test_a_day_without_rows_is_an_empty_table_with_the_same_columns(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    other = DAY + timedelta(days=9)

    read = warehouse.read(PRICES, other, other)

    assert read.num_rows == 0
    assert read.schema.equals(arrow_schema(PRICES.columns))


def test_a_dataset_that_was_never_fetched_is_an_error(warehouse: Warehouse):
    with pytest.raises(WarehouseError, match="holds nothing yet: refresh PRICES"):
        warehouse.read(PRICES, DAY, DAY)
    warehouse.write(batch(FORECAST, []))
    with pytest.raises(WarehouseError, match="holds nothing yet: refresh PRICES"):
        warehouse.read(PRICES, DAY, DAY)


def test_a_dataset_that_was_asked_for_and_had_nothing_is_empty(warehouse: Warehouse):
    warehouse.record([receipt(PRICES, window(), status="silent")])

    assert warehouse.read(PRICES, DAY, DAY).num_rows == 0
    assert warehouse.read(PRICES, DAY, DAY, columns=["price"]).column_names == ["price"]
    assert "_change" in warehouse.read(PRICES, DAY, DAY, view="history").column_names


def test_latest_is_the_newest_publication_among_the_days_read(warehouse: Warehouse):
    def of(published: str, value: float):
        return {"publishTime": at(published), "startTime": at("18 00:00"), "value": value}

    warehouse.write(batch(FORECAST, [of("14 09:00", 1.0), of("14 10:00", 2.0), of("15 09:00", 3.0)]))

    def latest(first: date, last: date):
        return warehouse.read(FORECAST, first, last, view="latest").column("value").to_pylist()

    assert latest(DAY - timedelta(days=1), DAY) == [3.0]
    assert latest(DAY - timedelta(days=1), DAY - timedelta(days=1)) == [2.0]


def test_the_latest_view_of_the_store_has_one_row_per_event(store: Store, warehouse: Warehouse):
    warehouse.write(
        batch(
            FORECAST,
            [
                {"publishTime": at(f"15 {hour:02d}:00"), "startTime": at(f"16 {start:02d}:00"), "value": float(hour)}
                for hour in (8, 9)
                for start in (0, 1)
            ],
        )
    )
    warehouse.close()

    assert [row["value"] for row in store.view_rows("test_forecast_latest")] == [9.0, 9.0]


TEXTS = ["", "plain", "quote ' and \" and \\", "ünïcødé ⚡", "line\nbreak\ttab", "x" * 100_000, "NaN", "null", "1e5"]


def test_text_and_json_come_back_exactly(warehouse: Warehouse):
    details = '{"a":[1,2.50,null],"b":"ü","c":{"d":true}}'
    warehouse.write(batch(REGISTER, [{"unit": text, "details": details} for text in TEXTS]))

    rows = warehouse.read(REGISTER, DAY, DAY).to_pylist()

    assert sorted(row["unit"] for row in rows) == sorted(TEXTS)
    assert {row["details"] for row in rows} == {details}


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2001, 1, 1),
        datetime(2026, 3, 29, 0, 59, 59, 999_999),
        datetime(2026, 10, 25, 1, 30),
        datetime(1970, 1, 1),
        datetime(2262, 4, 12),
        datetime(9999, 12, 31, 23, 59, 59),
    ],
)
def test_instants_come_back_exactly(warehouse: Warehouse, moment: datetime):
    warehouse.write(batch(PRICES, [{**price(1, 1.0), "createdDateTime": moment}]))

    assert warehouse.read(PRICES, DAY, DAY).column("createdDateTime").to_pylist() == [moment]


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 3, 29), date(2026, 10, 25), date(2001, 1, 1)])
def test_days_come_back_exactly(warehouse: Warehouse, day: date):
    warehouse.write(batch(PRICES, [price(1, 1.0, day=day)], window(day)))

    (row,) = warehouse.read(PRICES, day, day).to_pylist()
    assert (row["settlementDate"], row["_partition_day"]) == (day, day)
    assert row["_window_from_utc"] == window(day).from_utc.replace(tzinfo=None)


@pytest.mark.parametrize("integer", [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_integers_come_back_exactly(warehouse: Warehouse, integer: int):
    warehouse.write(batch(PRICES, [price(integer, 1.0)]))

    assert warehouse.read(PRICES, DAY, DAY).column("settlementPeriod").to_pylist() == [integer]


EDGE_DOUBLES = [0.0, -0.0, 99999.0, -99999.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3]


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def test_edge_doubles_come_back_bit_for_bit(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(i, value) for i, value in enumerate(EDGE_DOUBLES)]))

    read = warehouse.read(PRICES, DAY, DAY).column("price").to_pylist()

    assert [bits(value) for value in read] == [bits(value) for value in EDGE_DOUBLES]


@pytest.fixture(scope="module", params=sorted(STORES))
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bigquery_serving: Serving):
    folder: Path = tmp_path_factory.mktemp("doubles")
    with made(request.param, folder, bigquery_serving) as store:
        warehouse = store.open()
        with warehouse.session():
            yield warehouse
        warehouse.close()


# Few writes of many values: a write costs the same for one as for hundreds.
@settings(max_examples=5, deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), min_size=50, max_size=250))
def test_doubles_come_back_bit_for_bit(shared: Warehouse, values: list[float | None]):
    shared.write(batch(PRICES, [{**price(i, value), "createdDateTime": None} for i, value in enumerate(values)]))

    read = content(shared, PRICES)[: len(values)]

    for row, value in zip(read, values, strict=True):
        stored = row.get("price")
        # Zeros of either sign have one hash, so the one written first stays.
        same = stored == value if value == 0 else (stored is None) == (value is None)
        assert same
        if value:
            assert bits(stored) == bits(value)


def test_a_large_answer_reads_whole(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(i, float(i)) for i in range(20_000)]))

    read = warehouse.read(PRICES, DAY, DAY, columns=["settlementPeriod"])

    assert read.column("settlementPeriod").equals(pa.chunked_array([pa.array(range(20_000), pa.int64())]))
