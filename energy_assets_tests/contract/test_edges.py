"""Values at the edge of what a store takes go in and out whole, and the second time change nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from energy_assets.catalogue.model import Field
from energy_assets.errors import WarehouseError
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, at, batch, counts, window
from energy_assets_tests.contract.tables import ACTIONS, PRICES

EDGES = replace(
    PRICES,
    name="test_edges",
    fields=(*PRICES.fields, Field("day", "date", ""), Field("moment", "instant", ""), Field("whole", "integer", "")),
)
TEN_MEGABYTES = 10 * 2**20


def row(period: int, **values: object) -> dict[str, object]:
    return {
        "settlementDate": DAY,
        "settlementPeriod": period,
        "createdDateTime": at("15 10:00"),
        "price": 1.0,
        **values,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"day": date(1, 1, 1), "moment": datetime(1, 1, 1)},
        {"day": date(9999, 12, 31), "moment": datetime(9999, 12, 31, 23, 59, 59, 999999)},
        {"day": date(1969, 12, 31), "moment": datetime(1969, 12, 31, 23, 59, 59, 999999)},
        {"day": date(2024, 2, 29), "moment": datetime(2026, 3, 29, 1, 0)},
        {"whole": 2**63 - 1},
        {"whole": -(2**63)},
        {"price": 5e-324},
        {"price": 1.7976931348623157e308},
        {"price": 0.1 + 0.2},
        {"code": ""},
        {"code": 'it\'s \\ a `tick` "quote" \n two \r lines \t é \u2028 🔌 $20260715'},
        {"code": "-- comment; DROP TABLE x"},
    ],
    ids=lambda values: ",".join(f"{k}={str(v)[:20]!r}" for k, v in values.items()),
)
def test_an_edge_value_comes_back_and_the_second_time_nothing_changes(
    warehouse: Warehouse, values: dict[str, object]
) -> None:
    assert counts(warehouse.write(batch(EDGES, [row(1, **values)]))) == {"fetched": 1, "inserted": 1}
    (found,) = warehouse.read(EDGES, DAY, DAY).to_pylist()
    assert {name: found[name] for name in values} == values
    assert counts(warehouse.write(batch(EDGES, [row(1, **values)]))) == {"fetched": 1, "unchanged": 1}


def test_a_row_of_ten_megabytes_is_a_row_like_any_other(warehouse: Warehouse) -> None:
    text = "0123456789abcdef" * (TEN_MEGABYTES // 16)
    assert counts(warehouse.write(batch(EDGES, [row(1, code=text), row(2)]))) == {"fetched": 2, "inserted": 2}
    revised = warehouse.write(batch(EDGES, [row(1, code=text + "!"), row(2)]))
    assert counts(revised) == {"fetched": 2, "updated": 1, "unchanged": 1}
    found = warehouse.read(EDGES, DAY, DAY, columns=["code"]).column("code").to_pylist()
    assert found == [text + "!", None]
    (old,) = warehouse.read(EDGES, DAY, DAY, columns=["code"], view="history").column("code").to_pylist()
    assert old == text


def test_a_batch_without_rows_leaves_its_receipt_and_nothing_else(warehouse: Warehouse) -> None:
    result = warehouse.write(batch(EDGES, []))
    assert (counts(result), result.day_rows) == ({}, {})
    (seen,) = warehouse.coverage([EDGES], window().from_utc, window().to_utc)[EDGES.dataset]
    assert seen.covered_utc is not None


def test_a_column_widened_in_the_catalogue_takes_the_stored_values_along(warehouse: Warehouse) -> None:
    warehouse.write(batch(EDGES, [row(1, whole=7), row(2, whole=None)]))
    fields = tuple(replace(f, type="number") if f.name == "whole" else f for f in EDGES.fields)
    wider = replace(EDGES, fields=fields)
    warehouse.write(batch(wider, [row(3, whole=0.5)]))
    assert warehouse.read(wider, DAY, DAY, columns=["whole"]).column("whole").to_pylist() == [7.0, None, 0.5]


def test_a_column_that_would_lose_values_by_its_new_type_is_refused_and_stays(warehouse: Warehouse) -> None:
    warehouse.write(batch(EDGES, [row(1, price=1.5)]))
    fields = tuple(replace(f, type="integer") if f.name == "price" else f for f in EDGES.fields)
    with pytest.raises(WarehouseError, match="column price is stored as"):
        warehouse.write(batch(replace(EDGES, fields=fields), [row(2, price=2)]))
    assert warehouse.read(EDGES, DAY, DAY, columns=["price"]).column("price").to_pylist() == [1.5]


def test_a_null_where_the_catalogue_expects_a_key_is_a_key_of_its_own(warehouse: Warehouse) -> None:
    rows = [
        {"settlementDate": DAY, "settlementPeriod": 1, "id": None},
        {"settlementDate": DAY, "settlementPeriod": 1, "id": 1},
    ]
    assert counts(warehouse.write(batch(ACTIONS, rows))) == {"fetched": 2, "inserted": 2}
    assert counts(warehouse.write(batch(ACTIONS, rows))) == {"fetched": 2, "unchanged": 2}


def test_the_last_moment_of_a_day_is_that_day_and_the_next_is_not(warehouse: Warehouse) -> None:
    last = window().to_utc - timedelta(microseconds=1)
    warehouse.write(batch(EDGES, [row(1, moment=last.replace(tzinfo=None))]))
    assert warehouse.read(EDGES, DAY, DAY, columns=["moment"]).num_rows == 1
    assert warehouse.read(EDGES, DAY + timedelta(days=1), DAY + timedelta(days=2)).num_rows == 0
