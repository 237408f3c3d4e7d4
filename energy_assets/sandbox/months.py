"""Months of measurements with the shape of the real ones, and faults planted in them, to measure what is found.

Days, weeks, seasons, weather that lasts for days, prices with tails: per dataset of the catalogue a grid of values, as
``energy_assets.checks.baseline`` judges it. The sandbox's own rows are uniform noise and would teach nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from energy_assets.catalogue.model import Dataset
from energy_assets.checks.baseline import HISTORY_DAYS, SLOTS, Series, day_kind
from energy_assets.checks.learned import Profiled
from energy_assets.sandbox.words import WORDS

Fault = Literal["spike", "flat line", "drift", "missing", "factor"]
FAULTS: tuple[Fault, ...] = ("spike", "flat line", "drift", "missing", "factor")
DATASETS = ("bmrs/fuelinst", "bmrs/fuelhh", "bmrs/indo", "bmrs/mid", "bmrs/freq", "bmrs/windfor")

FLAT_HOURS = 12
"""Hours for which a planted flat line lasts."""

DRIFT_A_DAY = 0.025
"""Share of its size by which a planted drift moves a series every day, for two weeks."""

DRIFT_DAYS = 14
MISSING_HOURS = 6
FACTOR_HOURS = 24

SPIKE_SHARE = 1.0
"""Height of a planted spike, as a share of the range in which the series has been in the weeks before."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: what, in which category, and from which day and half hour on."""

    fault: Fault
    label: str
    day: date
    slot: int


def month(dataset: Dataset, column: str, first: date, days: int, seed: int) -> Series:
    """A clean grid of a column, with the weeks before ``first`` from which it is learned."""
    rng = np.random.default_rng([seed, sum(map(ord, dataset.code + column))])
    all_days = tuple(first + timedelta(days=n) for n in range(-HISTORY_DAYS, days))
    profiled = Profiled.of(dataset)
    if profiled is None:
        raise ValueError(f"{dataset.name} has no regular measurements")
    category = profiled.categories[0] if profiled.categories else None
    labels = ("",) if category is None else WORDS[category]
    weather = _Weather(rng, all_days)
    made = [_values(dataset, column, label, weather) for label in labels]
    mean = np.stack([m for m, _ in made])
    reach = np.stack([r for _, r in made])
    if dataset.code == "WINDFOR":
        mean[:, :, 1::2] = np.nan
    return Series(column, tuple(labels), all_days, mean, mean - reach, mean + reach)


def plant(series: Series, fault: Fault, first: date, rng: np.random.Generator) -> tuple[Series, Planted] | None:
    """The grid with one fault on some day from ``first`` on; ``None`` where the series cannot have it."""
    grids = [series.mean.copy(), series.low.copy(), series.high.copy()]
    begin = series.days.index(first)
    lively = [
        c
        for c in range(len(series.labels))
        if np.nanstd(series.mean[c]) > 0 and np.median(np.abs(series.mean[c][~np.isnan(series.mean[c])])) > 0
    ]
    if fault == "missing" and len(lively) < 2:
        return None
    c = int(rng.choice(lively))
    length = DRIFT_DAYS if fault == "drift" else 1
    day = begin + int(rng.integers(0, len(series.days) - begin - length + 1))
    at = day * SLOTS + (0 if fault == "drift" else int(rng.integers(0, SLOTS // 2 - 1)) * 2)
    lines = [g[c].reshape(-1) for g in grids]
    if not _PLANT[fault](lines, at, rng):
        return None
    mean, low, high = grids
    planted = Planted(fault, series.labels[c], series.days[day], at % SLOTS)
    return replace(series, mean=mean, low=low, high=high), planted


def _spike(lines: list[Floats], at: int, rng: np.random.Generator) -> bool:
    low, high = np.nanquantile(lines[1][:at], 0.001), np.nanquantile(lines[2][:at], 0.999)
    height = SPIKE_SHARE * (high - low) * float(rng.choice([-1, 1]))
    many = bool(np.nanmax(lines[2] - lines[1]) > 0)
    # Of several readings in the half hour one is wrong.
    lines[0][at] += height / 10 if many else height
    lines[1][at] += min(height, 0.0)
    lines[2][at] += max(height, 0.0)
    if not many:
        lines[1][at] = lines[2][at] = lines[0][at]
    return True


def _flat(lines: list[Floats], at: int, rng: np.random.Generator) -> bool:
    value = lines[0][at]
    for line in lines:
        span = line[at : at + FLAT_HOURS * 2]
        span[~np.isnan(span)] = value
    return True


def _drift(lines: list[Floats], at: int, rng: np.random.Generator) -> bool:
    size = float(np.nanmedian(np.abs(lines[0][:at])))
    way = float(rng.choice([-1, 1]))
    for line in lines:
        ahead = np.arange(len(line) - at)
        line[at:] += way * size * DRIFT_A_DAY * np.minimum(ahead / SLOTS, DRIFT_DAYS)
    return True


def _missing(lines: list[Floats], at: int, rng: np.random.Generator) -> bool:
    for line in lines:
        line[at : at + MISSING_HOURS * 2] = np.nan
    return True


def _factor(lines: list[Floats], at: int, rng: np.random.Generator) -> bool:
    if np.nanmin(lines[0]) < 0:
        return False
    by = float(rng.choice([2.0, 0.5]))
    for line in lines:
        line[at : at + FACTOR_HOURS * 2] *= by
    return True


_PLANT: dict[Fault, Callable[[list[Floats], int, np.random.Generator], bool]] = {
    "spike": _spike,
    "flat line": _flat,
    "drift": _drift,
    "missing": _missing,
    "factor": _factor,
}


class _Weather:
    """What several series share: temperature, wind, sun and the calendar."""

    def __init__(self, rng: np.random.Generator, days: tuple[date, ...]) -> None:
        self.rng = rng
        self.days = days
        self.shape = (len(days), SLOTS)
        self.hour = np.broadcast_to(np.arange(SLOTS) / 2, self.shape)
        self.kind = np.array([day_kind(d) for d in days])[:, None]
        year = np.array([d.timetuple().tm_yday for d in days])[:, None] / 365.25
        self.winter = np.cos(2 * np.pi * (year - 0.05))
        self.temperature = 10 - 7 * self.winter + 2.5 * self.wander(96) + 3 * np.sin((self.hour - 9) / 24 * 2 * np.pi)
        self.wind = np.clip(1 / (1 + np.exp(-(1.1 * self.wander(40) - 0.6 + 0.4 * self.winter))), 0.02, 0.98)
        day_length = 12 - 4.2 * self.winter
        height = np.sin(np.clip((self.hour - 12.5 + day_length / 2) / day_length, 0, 1) * np.pi)
        self.sun = np.clip(height * (0.55 - 0.25 * self.winter) * (0.75 + 0.25 * np.tanh(self.wander(24))), 0, 1)

    def wander(self, slots: float) -> Floats:
        """A smooth process of variance 1 that forgets in about so many half hours."""
        n = self.shape[0] * self.shape[1]
        keep = np.exp(-1 / slots)
        noise = self.rng.normal(size=n) * np.sqrt(1 - keep**2)
        line = np.empty(n)
        line[0] = self.rng.normal()
        for k in range(1, n):
            line[k] = keep * line[k - 1] + noise[k]
        smooth = np.convolve(line, np.ones(5) / 5, mode="same")
        return smooth.reshape(self.shape)

    def demand(self) -> Floats:
        """Transmission demand, MW."""
        h = self.hour
        work = (
            1
            + 0.18 * np.exp(-(((h - 18) / 2.6) ** 2))
            + 0.13 * np.tanh((h - 6.5) / 1.4)
            - 0.10 * np.tanh((h - 22) / 1.5)
        )
        rest = np.where(self.kind == 0, 1.0, np.where(self.kind == 1, 0.93, 0.90))
        base = 24_500 + 4_500 * self.winter
        cold = np.maximum(0, 15 - self.temperature) * 260
        demand: Floats = base * work * rest + cold - 6_000 * self.sun + self.rng.normal(0, 90, self.shape)
        return demand


def _values(dataset: Dataset, column: str, label: str, weather: _Weather) -> tuple[Floats, Floats]:
    """Means of half hours, and how far readings lie from them."""
    none = np.zeros(weather.shape)
    if dataset.code == "INDO":
        return weather.demand().round(), none
    if dataset.code == "FREQ":
        swing = 0.045 + 0.012 * weather.rng.gamma(4, 0.25, weather.shape)
        return (50 + weather.rng.normal(0, 0.012, weather.shape)).round(3), swing.round(3)
    if dataset.code == "WINDFOR":
        return (1_500 + 15_000 * weather.wind).round(), (1_200 * weather.wind).round()
    if dataset.code == "MID":
        if label != WORDS["dataProvider"][0]:
            return none, none
        load = (weather.demand() - 16_000 * weather.wind) / 10_000
        if column == "volume":
            traded = 600 + 300 * load + 120 * np.abs(weather.wander(6)) + weather.rng.gamma(3, 30, weather.shape)
            return traded.round(2), none
        tail = weather.rng.standard_t(4, weather.shape) * 4 + np.where(weather.rng.random(weather.shape) < 0.002, 60, 0)
        return (25 + 22 * load + 7 * weather.wander(48) + tail).round(2), none
    values = _fuel(label, weather)
    swing = 0.02 * np.abs(values) * weather.rng.random(weather.shape) if dataset.code == "FUELINST" else none
    return values.round(), swing.round()


def _fuel(label: str, w: _Weather) -> Floats:
    """Generation of one fuel, MW."""
    residual = w.demand() - 15_000 * w.wind - 4_500
    match label:
        case "WIND":
            return 700 + 14_500 * w.wind + w.rng.normal(0, 60, w.shape)
        case "NUCLEAR":
            return 4_400 + 350 * np.sign(w.wander(20 * SLOTS)[:, :1]) + w.rng.normal(0, 12, w.shape)
        case "CCGT":
            return np.maximum(900, 0.62 * residual + w.rng.normal(0, 150, w.shape))
        case "BIOMASS":
            return np.clip(1_900 + 500 * w.wander(60), 300, 3_100) + w.rng.normal(0, 15, w.shape)
        case "NPSHYD":
            water = 380 + 160 * w.wander(200) + 60 * np.sin((w.hour - 12) / 24 * 2 * np.pi)
            return np.asarray(np.clip(water, 60, 1_100) + w.rng.normal(0, 8, w.shape))
        case "PS":
            evening = np.exp(-(((w.hour - 18) / 1.8) ** 2)) + 0.5 * np.exp(-(((w.hour - 8) / 1.5) ** 2))
            return 1_500 * evening - 900 * (w.hour < 6) + w.rng.normal(0, 90, w.shape)
        case "OTHER":
            return 300 + 120 * w.wander(60) + w.rng.normal(0, 10, w.shape)
        case "COAL" | "OIL":
            return np.zeros(w.shape)
        case "OCGT":
            return np.where(w.wander(6) > 2.2, 150.0, 0.0) + np.where(w.rng.random(w.shape) < 0.05, 5.0, 0.0)
    # Interconnectors follow the price difference, full in one direction for hours.
    flow = np.clip(1_000 * (1.1 * w.wander(30) + 0.5 * np.sin((w.hour - 4) / 24 * 2 * np.pi)), -1_000, 1_000)
    return flow + w.rng.normal(0, 3, w.shape)
