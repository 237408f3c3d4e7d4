"""Planted faults are found in synthetic months, and clean months are left alone."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from benchmarks.programs.unusual import Clean, Score, measure
from energy_assets.catalogue import dataset, datasets
from energy_assets.checks import baseline
from energy_assets.checks.baseline import SLOTS, Series, Unusual, day_kind, examine
from energy_assets.checks.learned import Profiled
from energy_assets.sandbox.months import month

FIRST = date(2026, 3, 1)
SEED = 7
TRIES = 6
FLOOR = 0.9
STEADY = ("bmrs/indo", "bmrs/freq")
"""Series in which weather does not move whole weeks, so that a drift can be told."""

HONEST = {("bmrs/mid", "spike")}
"""Prices have spikes of their own, so that one as great as those is none to be told."""

Measured = dict[str, tuple[Clean, list[Score]]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    names = ("bmrs/indo", "bmrs/mid", "bmrs/freq", "bmrs/windfor")
    return {name: measure(name, [FIRST], TRIES, SEED) for name in names}


def test_clean_months_are_flagged_on_one_day_at_most(measured: Measured):
    assert {name: clean.flagged for name, (clean, _) in measured.items() if clean.flagged > 1} == {}


@pytest.mark.parametrize("fault", ["spike", "flat line", "factor"])
def test_faults_of_a_day_are_found_at_once(measured: Measured, fault: str):
    judged = [name for name in measured if (name, fault) not in HONEST]
    scores = [s for name in judged for s in measured[name][1] if s.fault == fault]

    assert sum(s.found for s in scores) >= FLOOR * sum(s.planted for s in scores)
    assert all((s.delay_days or 0) <= 1 for s in scores)


def test_drifts_of_steady_series_are_found_within_two_weeks(measured: Measured):
    scores = [s for name in STEADY for s in measured[name][1] if s.fault == "drift"]

    assert sum(s.found for s in scores) >= FLOOR * sum(s.planted for s in scores)
    assert all(s.delay_days is not None and s.delay_days <= 14 for s in scores)


@pytest.fixture(scope="module")
def fuels() -> Series:
    """A few fuels, eight weeks and a day."""
    series = month(dataset("FUELHH"), "generation", FIRST, 1, SEED)
    kept = [series.labels.index(label) for label in ("WIND", "CCGT", "COAL", "NUCLEAR")]
    labels = tuple(series.labels[c] for c in kept)
    return replace(series, labels=labels, mean=series.mean[kept], low=series.low[kept], high=series.high[kept])


def changed(series: Series, label: str, first: int, last: int, value: float | None, times: float = 1.0) -> Series:
    grids = [g.copy() for g in (series.mean, series.low, series.high)]
    for grid in grids:
        part = grid[series.labels.index(label), -1, first:last]
        part[:] = part * times if value is None else value
    return replace(series, mean=grids[0], low=grids[1], high=grids[2])


def told(series: Series) -> list[tuple[str, str, int, int]]:
    return [(u.kind, u.label, u.slot, u.slots) for u in examine(series, FIRST)]


def test_a_fuel_that_is_missing_is_told(fuels: Series):
    assert told(fuels) == []
    assert told(changed(fuels, "NUCLEAR", 20, 30, math.nan)) == [("missing", "NUCLEAR", 20, 10)]
    assert told(changed(fuels, "WIND", 0, SLOTS, math.nan)) == [("missing", "WIND", 0, SLOTS)]


def test_nothing_is_missing_where_the_whole_dataset_has_not_come_yet(fuels: Series):
    late = fuels
    for label in fuels.labels:
        late = changed(late, label, 20, SLOTS, math.nan)

    assert told(late) == []


def test_megawatts_for_megawatt_hours_are_told_by_their_factor(fuels: Series):
    (half,) = told(changed(fuels, "CCGT", 16, SLOTS, None, 0.5))
    (twice,) = told(changed(fuels, "NUCLEAR", 16, SLOTS, None, 2.0))

    assert half == ("factor", "CCGT", 16, 32)
    assert twice == ("factor", "NUCLEAR", 16, 32)


def test_plant_that_stands_by_may_stand_still_and_may_start(fuels: Series):
    assert told(changed(fuels, "COAL", 30, 34, 500.0)) == []


def test_a_flat_line_is_told_from_where_it_begins(fuels: Series):
    (found,) = told(changed(fuels, "WIND", 10, 40, 4321.0))[:1]

    assert found[:3] == ("flat line", "WIND", 10)


def test_too_little_history_says_nothing(fuels: Series):
    short = replace(
        fuels, days=fuels.days[-20:], mean=fuels.mean[:, -20:], low=fuels.low[:, -20:], high=fuels.high[:, -20:]
    )

    assert told(changed(short, "WIND", 10, 11, 90_000.0)) == []


def test_a_finding_names_dataset_column_day_band_and_remedy():
    found = Unusual("factor", "generation", "CCGT", FIRST, 16, 32, 5000.0, 9000.0, 11000.0)

    finding = baseline.judge(dataset("FUELHH"), [found, replace(found, kind="spike")], FIRST, FIRST, 56)

    assert (finding.check, finding.passed, finding.severity) == ("unusual", False, "warning")
    assert finding.from_day == finding.to_day == FIRST
    assert finding.text.startswith("bmrs/fuelhh, 2026-03-01: generation of CCGT on 2026-03-01 from 08:00 London")
    assert "5000 MW where 9000 to 11000 MW is usual" in finding.text and "1 more" in finding.text
    assert "energy-assets refresh bmrs/fuelhh --from 2026-03-01" in finding.text
    missing = replace(found, kind="missing", value=math.nan)
    assert "value" not in baseline.judge(dataset("FUELHH"), [missing], FIRST, FIRST, 56).numbers


def test_days_are_of_three_kinds_also_beyond_the_announced_holidays():
    assert [day_kind(date(2026, 4, day)) for day in (2, 3, 4, 5, 6)] == [0, 2, 1, 2, 2]
    assert day_kind(date(2031, 6, 4)) == 0


def test_what_is_learned_follows_from_the_entry():
    known = {d.name: Profiled.of(d) for d in datasets()}

    assert known["bmrs/fuelinst"].categories == ("fuelType",) and known["bmrs/fuelinst"].instant == "startTime"
    assert known["bmrs/mid"].columns == ("price", "volume") and known["bmrs/mid"].period == "settlementPeriod"
    assert not any(known[d.name] for d in datasets() if d.table.heavy or d.is_register or d.provider == "iris")


def test_a_constant_series_and_one_without_values_raise_nothing():
    days = tuple(FIRST + timedelta(days=n) for n in range(-56, 1))
    for value in (0.0, 5.0, math.nan):
        grid = np.full((1, len(days), SLOTS), value)
        assert examine(Series("x", ("",), days, grid, grid, grid), FIRST) == []
