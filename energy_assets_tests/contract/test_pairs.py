"""Two tables' values of the same thing beside each other, on every warehouse, and what is said of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.checks.cross import cross_findings
from energy_assets.checks.held import Held
from energy_assets.checks.model import Finding
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, batch, window

NOW = calendar.day_start_utc(DAY) + timedelta(days=20)


def keep(warehouse: Warehouse, name: str, rows: list[dict[str, Any]], day: date = DAY) -> None:
    warehouse.write(batch(dataset(name).table, rows, window(day)))


def found(warehouse: Warehouse, name: str, now: datetime = NOW) -> Finding:
    held = Held(dataset(name), DAY, DAY, now)
    (finding,) = cross_findings([held], warehouse, DAY, DAY, now)
    return finding


def periods(*values: float, **more: Any) -> list[dict[str, Any]]:
    return [
        {"settlementDate": DAY, "settlementPeriod": n, "demand": value} | more
        for n, value in enumerate(values, start=1)
    ]


def test_nothing_is_compared_where_a_table_is_not_there(warehouse: Warehouse):
    keep(warehouse, "bmrs/indo", periods(30_000.0))

    assert "nothing to compare yet" in found(warehouse, "bmrs/itsdo").text
    assert found(warehouse, "bmrs/itsdo").passed


@pytest.mark.parametrize(("transmission", "passes"), [(30_600.0, True), (29_000.0, False), (45_000.0, False)])
def test_transmission_demand_is_never_less_and_never_far_more(warehouse: Warehouse, transmission: float, passes: bool):
    keep(warehouse, "bmrs/indo", periods(30_000.0, 30_000.0))
    keep(warehouse, "bmrs/itsdo", periods(30_600.0, transmission))

    finding = found(warehouse, "bmrs/itsdo")
    assert finding.passed is passes
    if not passes:
        assert f"1 of 2 values of {DAY} do not agree, the first {DAY}, 2: 30000" in finding.text
        assert "bmrs/itsdo" in finding.text and "energy-assets refresh" in finding.text


def test_a_day_that_has_not_settled_is_not_compared(warehouse: Warehouse):
    keep(warehouse, "bmrs/indo", periods(30_000.0))
    keep(warehouse, "bmrs/itsdo", periods(20_000.0))

    assert found(warehouse, "bmrs/itsdo", calendar.day_start_utc(DAY) + timedelta(hours=20)).passed


def five_minutes(count: int, value: float) -> list[dict[str, Any]]:
    start = calendar.day_start_utc(DAY).replace(tzinfo=None)
    return [
        {
            "startTime": start + n * timedelta(minutes=5),
            "settlementDate": DAY,
            "settlementPeriod": 1,
            "fuelType": "CCGT",
            "generation": value + n,
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(("value", "count", "passes"), [(10_000, 6, True), (8_000, 6, False), (8_000, 5, True)])
def test_half_hours_are_the_mean_of_their_five_minutes(warehouse: Warehouse, value: float, count: int, passes: bool):
    half_hour = {"settlementDate": DAY, "settlementPeriod": 1, "fuelType": "CCGT", "generation": 10_000.0}
    keep(warehouse, "bmrs/fuelhh", [half_hour])
    keep(warehouse, "bmrs/fuelinst", five_minutes(count, value))

    assert found(warehouse, "bmrs/fuelhh").passed is passes


@pytest.mark.parametrize(("demand", "indicator", "passes"), [(30_300, "A", True), (27_000, "A", False), (1, "F", True)])
def test_national_demand_is_that_of_neso(warehouse: Warehouse, demand: float, indicator: str, passes: bool):
    keep(warehouse, "bmrs/indo", periods(30_000.0))
    row = {"settlement_date": DAY, "settlement_period": 1, "nd": float(demand), "forecast_actual_indicator": indicator}
    keep(warehouse, "neso/daily_demand_update", [row])

    assert found(warehouse, "bmrs/indo").passed is passes


@pytest.mark.parametrize(("pushed", "passes"), [(48, True), (46, True), (40, False)])
def test_as_many_facts_are_pushed_as_asked_for(warehouse: Warehouse, pushed: int, passes: bool):
    keep(warehouse, "bmrs/indo", periods(*(30_000.0 for _ in range(48))))
    start = calendar.day_start_utc(DAY).replace(tzinfo=None)
    twice = [
        {"_message_id": f"{n}-{copy}", "_message_sha256": "s", "_message_row": 0}
        | {"_enqueued_utc": start + timedelta(hours=n / 2 + copy), "settlementDate": DAY, "settlementPeriod": n + 1}
        for n in range(pushed)
        for copy in range(2)
    ]
    keep(
        warehouse,
        "iris/indo",
        [r for r in twice if calendar.settlement_day(r["_enqueued_utc"].replace(tzinfo=NOW.tzinfo)) == DAY],
    )

    finding = found(warehouse, "iris/indo")
    assert finding.passed is passes
    assert passes or "iris/indo" in finding.text
