"""Arrivals and half-hourly sums, as what is learned asks for them: the same on every warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset
from energy_assets.checks import baseline, lateness
from energy_assets.checks.learned import Profiled, awaited
from energy_assets.warehouse.arrivals import read_arrivals
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.profiles import read_series
from energy_assets_tests.contract.store import DAY, Store, batch, receipt, window

INDO, FUELHH, FREQ, NDF = (dataset(name) for name in ("INDO", "FUELHH", "FREQ", "NDF"))
NOW = calendar.day_start_utc(DAY) + timedelta(hours=20)


def demand(period: int, value: float | None = 30_000.0, day: date = DAY) -> dict[str, Any]:
    start = calendar.period_start_utc(day, period).replace(tzinfo=None)
    return {
        "dataset": "INDO",
        "publishTime": start + timedelta(minutes=30),
        "startTime": start,
        "settlementDate": day,
        "settlementPeriod": period,
        "demand": value,
    }


def arrivals(warehouse: Warehouse, asked: Dataset) -> tuple[dict[datetime, datetime], list[lateness.Ask]]:
    return read_arrivals(warehouse, asked, awaited(asked), DAY - timedelta(days=1), NOW)


def test_an_empty_store_teaches_nothing(warehouse: Warehouse):
    assert arrivals(warehouse, INDO) == ({}, [])
    assert read_series(warehouse, Profiled.of(INDO), DAY, DAY) == []
    assert [f.passed for f in baseline.findings([INDO], warehouse, DAY, DAY, DAY)] == [True]


def test_a_revised_row_keeps_the_moment_of_its_first_arrival(store: Store, warehouse: Warehouse):
    warehouse.write(batch(INDO.table, [demand(1), demand(2)]))
    came, _ = arrivals(warehouse, INDO)
    store.clock.forward(hours=5)
    warehouse.write(batch(INDO.table, [demand(1, 31_000.0), demand(3)]))

    again, asks = arrivals(warehouse, INDO)
    first, second, third = (calendar.period_start_utc(DAY, n) for n in (1, 2, 3))
    assert sorted(again) == [first, second, third]
    assert (again[first], again[second]) == (came[first], came[second])
    assert again[third] >= came[second] + timedelta(hours=5)
    assert {(a.from_utc, a.to_utc) for a in asks} == {(window().from_utc, window().to_utc)}


def test_what_is_no_number_is_not_learned(warehouse: Warehouse):
    warehouse.write(batch(INDO.table, [demand(1, float("inf")), demand(2, float("nan")), demand(3)]))

    (series,) = read_series(warehouse, Profiled.of(INDO), DAY, DAY)
    assert np.flatnonzero(~np.isnan(series.mean)).size == 1
    assert np.isfinite(series.high[~np.isnan(series.high)]).all()
    assert [f.passed for f in baseline.findings([INDO], warehouse, DAY, DAY, DAY)] == [True]


def test_failed_requests_are_no_asks(warehouse: Warehouse):
    warehouse.write(batch(INDO.table, [demand(1)]))
    later = datetime(2026, 7, 20, 15, tzinfo=UTC)
    failure = receipt(
        INDO.table, window(), status="failed", requested_utc=later, recorded_utc=later, reason="no answer"
    )
    warehouse.record([failure])

    assert later not in {a.at for a in arrivals(warehouse, INDO)[1]}


def test_publications_are_told_apart_by_their_instant(warehouse: Warehouse):
    start = calendar.day_start_utc(DAY).replace(tzinfo=None)
    moments = [start + timedelta(minutes=m) for m in (1, 31)]
    rows = [
        {
            "publishTime": at,
            "settlementDate": DAY,
            "settlementPeriod": n,
            "boundary": "N",
            "startTime": at,
            "demand": 1.0,
        }
        for at in moments
        for n in (1, 2)
    ]
    warehouse.write(batch(NDF.table, rows))

    assert sorted(arrivals(warehouse, NDF)[0]) == [at.replace(tzinfo=UTC) for at in moments]


def test_rows_are_summed_up_by_half_hour_of_the_london_clock_and_category(warehouse: Warehouse):
    rows = [
        {"settlementDate": DAY, "settlementPeriod": n, "fuelType": fuel, "generation": value * n}
        for n in (1, 48)
        for fuel, value in (("WIND", 10.0), ("CCGT", 20.0))
    ]
    warehouse.write(batch(FUELHH.table, [*rows, rows[0] | {"settlementPeriod": 2, "generation": None}]))

    (series,) = read_series(warehouse, Profiled.of(FUELHH), DAY, DAY)
    wind = series.mean[series.labels.index("WIND"), 0]
    assert sorted(series.labels) == ["CCGT", "WIND"]
    assert (wind[0], wind[47]) == (10.0, 480.0)
    assert np.isnan(wind[1:47]).all()


@pytest.mark.parametrize(("day", "periods"), [(date(2026, 3, 29), 46), (date(2026, 10, 25), 50)])
def test_days_on_which_clocks_change_keep_their_half_hours(warehouse: Warehouse, day: date, periods: int):
    rows = [demand(n, float(n), day) for n in range(1, periods + 1)]
    warehouse.write(batch(INDO.table, rows, window(day)))

    (series,) = read_series(warehouse, Profiled.of(INDO), day, day)
    line = series.mean[0, 0]
    assert (line[0], line[47]) == (1.0, periods)
    assert np.isnan(line).sum() == (2 if periods == 46 else 0)


def test_readings_of_a_half_hour_keep_their_extremes(warehouse: Warehouse):
    start = calendar.day_start_utc(DAY).replace(tzinfo=None) + timedelta(hours=12)
    rows = [
        {"measurementTime": start + timedelta(seconds=15 * n), "frequency": f} for n, f in enumerate((49.9, 50.0, 50.4))
    ]
    warehouse.write(batch(FREQ.table, rows))

    (series,) = read_series(warehouse, Profiled.of(FREQ), DAY, DAY)
    found = [round(float(g[0, 0, 24]), 6) for g in (series.mean, series.low, series.high)]
    assert found == [50.1, 49.9, 50.4]


def test_a_spike_in_the_store_is_found_and_what_is_learned_comes_from_it(warehouse: Warehouse):
    for back in range(30, 0, -1):
        day = DAY - timedelta(days=back)
        rows = [demand(n, 30_000.0 + 100 * n + (7 * n * back) % 90, day) for n in range(1, 49)]
        warehouse.write(batch(INDO.table, rows, window(day)))
    today = [demand(n, 30_000.0 + 100 * n + (20_000 if n == 20 else 0)) for n in range(1, 49)]
    warehouse.write(batch(INDO.table, today))

    (finding,) = baseline.findings([INDO], warehouse, DAY, DAY, DAY)
    assert not finding.passed and "a spike" in finding.text and "from 09:30 London" in finding.text
    assert finding.numbers["days_learned"] == 30
    (verdict,) = lateness.findings([INDO], warehouse, NOW)
    assert verdict.check == "lateness"
