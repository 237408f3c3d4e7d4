"""What is unusual: values far from what the dataset itself has been like at that time of day on days like it.

Pure functions of arrays; the SQL that sums rows up to half hours is in ``energy_assets.warehouse.profiles``. Found is
what bounds cannot find: spikes, flat lines, drifts, categories that are missing, values in another unit. Everything is
judged against the eight weeks before the day, which are learned anew for each look, so that seasons do not matter and
nothing has to be kept.

Medians and quantiles throughout, by numpy, which comes with pandas: what is learned from holds faults itself, and a
twentieth of it may be wrong without harm. Time is a grid, days by half hours of the London clock, so that one call
serves all series of a dataset; the libraries made for this (river, ruptures, statsmodels, scikit-learn) add 112 MB of
scipy at least and take one series, or one value, at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.held import ask_again, listed, span
from energy_assets.checks.learned import Profiled
from energy_assets.checks.model import Finding
from energy_assets.checks.specs import UNUSUAL

if TYPE_CHECKING:
    from energy_assets.warehouse.interface import Warehouse

HISTORY_DAYS = 56
"""Days before the one that is judged that are learned from: eight of every weekday. Fewer tell too little of Sundays,
more of them another season."""

MOST_DAYS = 7
"""Days that one look judges: each takes some 10 ms for every category, and a day of last month was judged when it was
new."""

TOGETHER = 8
"""Datasets that are read while the store is held: a writer waits for one such group and not for all of them."""

FEWEST_DAYS = 21
"""Days with values below which a series is not judged: three weekends."""

SLOTS = 48
"""Half hours of a day by the London clock. The hour that the autumn clock shows twice is one, that which the spring
clock leaves out is none."""

FEWEST_SHARE = 0.5
"""Share of the days on which a half hour must have a value to be one that the dataset has."""

NEIGHBOURS = 3
"""Half hours on either side from which the spread of one is learned: with eight weeks, some 400 values."""

SPREADS = 5.0
"""Least number of spreads from the median at which a value is unusual."""

TAIL = (0.98, 0.998)
"""Quantiles of a series' own deviations that tell how its tail goes on: prices are spread wider than a normal
distribution, and five faults in eight weeks of half hours do not move them."""

ONCE_IN = 200_000
"""Values of which, if the tail goes on like that, one is beyond the limit, for each series of the dataset: a series has
4,000 numbers in a month. Tails of prices go on further than that, so what comes of it is measured, not believed."""

LEAST_SPREAD = 0.005
"""Least spread as a share of the range of the series: values are rounded."""

IDLE_SHARE = 0.5
"""Share of equal values from which a series counts as idle and is not judged by its level: plant that stands by starts
without being unusual."""

FLAT_SLOTS = 6
"""Least half hours of equal values that are a flat line."""

FLAT_TIMES = 2.0
"""How many times as long as the longest in the history a flat line must be."""

HABIT_SHARE = 0.02
"""Share of a history from which a value is one that the series often has; flat lines at it are compared with others."""

FAULT_SHARE = 0.05
"""Share of a history above which a stretch of equal values is taken for a habit."""

LASTING_SLOTS = 4
"""Half hours for which a level must be off to be more than a spike."""

FACTORS = (2.0, 0.5)
"""What values become that are taken for another unit: megawatts for megawatt-hours of half an hour, and the reverse."""

FACTOR_ROOM = 0.2
"""Share by which a ratio may be off such a factor."""

JUMP_ROOM = 0.3
"""The same for the ratio of one half hour to the next: it comes at once, which ramps of wind and load do not."""

SMALL = 0.3
"""Share of the usual size below which a ratio says nothing."""

DRIFT_DAYS = 7
"""Days whose median makes a drift, so that weekdays do not."""

DRIFT_SPREADS = 5.0
"""Spreads of such medians from which it is one."""

DRIFT_BEYOND = 1.5
"""How many times the greatest deviation of a week in the history it must be."""

STEADY = 0.05
"""Greatest deviation of a week, as a share of the usual size, up to which a series has no drifts of its own: those of
wind, and of what balances it, cannot be told from weather."""

AT_ONCE = 0.6
"""Share of a shift that comes from one day to the next from which it is no drift: a reactor that stops."""

MISSING_SLOTS = 4
"""Half hours in which other categories have values and one has none, which is then missing."""

PRESENT_SHARE = 0.95
"""Share of the dataset's half hours in which a category must have had values to be missed."""

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of normally spread values is this much smaller than their standard deviation."""

Kind = Literal["spike", "flat line", "level", "factor", "drift", "missing"]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ORDER: tuple[Kind, ...] = ("missing", "factor", "flat line", "level", "spike", "drift")
"""What is told first: what is most likely a fault of the data and not of the weather."""

WORDS: Mapping[Kind, str] = {
    "spike": "a spike",
    "flat line": "a flat line",
    "level": "another level",
    "factor": "another unit, megawatts for megawatt-hours or the reverse",
    "drift": "a drift",
    "missing": "values are missing",
}


@dataclass(frozen=True)
class Series:
    """One column of a dataset as a grid: days by half hours, for each category.

    Attributes:
        column: The column.
        labels: Categories in order; one empty label where there are none.
        days: Settlement days in order, without gaps.
        mean: Mean of the rows, ``(category, day, half hour)``; nan where there is none.
        low: Least value.
        high: Greatest value.
    """

    column: str
    labels: tuple[str, ...]
    days: tuple[date, ...]
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Unusual:
    """One thing that is unusual.

    Attributes:
        kind: What it looks like.
        column: Column.
        label: Category; empty without.
        day: Day.
        slot: First half hour of it, 0 to 47 by the London clock.
        slots: Half hours for which it lasts on that day.
        value: What was found, in the first of them or as the median of the days of a drift.
        low: Least value that would not have been unusual.
        high: Greatest such value.
    """

    kind: Kind
    column: str
    label: str
    day: date
    slot: int
    slots: int
    value: float
    low: float
    high: float


def day_kind(day: date) -> int:
    """0 for a working day, 1 for a Saturday, 2 for a Sunday or bank holiday."""
    if day.weekday() == 5:
        return 1
    announced = calendar.FIRST_WORKING_DAY <= day <= calendar.LAST_WORKING_DAY
    works = calendar.is_working_day(day) if announced else day.weekday() < 5
    return 0 if works else 2


def examine(series: Series, from_day: date) -> list[Unusual]:
    """What is unusual in a series on its days from ``from_day`` on, each against the days before it.

    Args:
        series: The grid; it begins ``HISTORY_DAYS`` before ``from_day`` where the dataset does.
        from_day: First day that is judged.
    """
    found: list[Unusual] = []
    kinds = np.array([day_kind(day) for day in series.days])
    for at, day in enumerate(series.days):
        if day < from_day:
            continue
        first = max(0, at - HISTORY_DAYS)
        if at - first >= FEWEST_DAYS:
            found.extend(_Day(series, kinds, first, at).look())
    return found


class _Day:
    """One day of a series against those before it."""

    def __init__(self, series: Series, kinds: npt.NDArray[np.int64], first: int, at: int) -> None:
        self.series = series
        self.at = at
        span = slice(first, at + 1)
        self.kinds = kinds[span]
        self.mean, self.low, self.high = series.mean[:, span], series.low[:, span], series.high[:, span]
        none = np.full((len(series.labels), SLOTS), np.nan)
        self.after = series.mean[:, at + 1] if at + 1 < len(series.days) else none
        past = self.mean[:, :-1]
        self.there = ~np.isnan(past)
        self.usual_slots = self.there.any(axis=0).mean(axis=0) >= FEWEST_SHARE
        self.learned = self.there.any(axis=2).sum(axis=1) >= FEWEST_DAYS
        self.size = _median(np.abs(past), axis=(1, 2))

    def look(self) -> list[Unusual]:
        found = self._missing()
        live = [c for c in np.flatnonzero(self.learned).tolist() if not np.all(np.isnan(self.mean[c, -1]))]
        if not live:
            return found
        expected = np.stack([_profile(self.mean[c], self.kinds) for c in live])
        for place, c in enumerate(live):
            found.extend(_One(self, c, expected[place]).look())
        return found

    def unusual(self, kind: Kind, c: int, slot: int, slots: int, value: float, band: tuple[float, float]) -> Unusual:
        series = self.series
        return Unusual(kind, series.column, series.labels[c], series.days[self.at], slot, slots, value, *band)

    def _missing(self) -> list[Unusual]:
        """Categories without values where others have some; a dataset that is silent altogether is others' matter."""
        if len(self.series.labels) == 1:
            return []
        today = ~np.isnan(self.mean[:, -1])
        any_today = today.any(axis=0)
        any_before = self.there.any(axis=0)
        share = (self.there & any_before).sum(axis=(1, 2)) / max(1, int(any_before.sum()))
        found = []
        for c in np.flatnonzero((share >= PRESENT_SHARE) & self.learned).tolist():
            lacking = np.flatnonzero(any_today & ~today[c] & self.usual_slots)
            if len(lacking) >= min(MISSING_SLOTS, int(self.usual_slots.sum())):
                band = _band(self.mean[c, :-1])
                found.append(self.unusual("missing", c, int(lacking[0]), len(lacking), float("nan"), band))
        return found


class _One:
    """One category on one day."""

    def __init__(self, day: _Day, c: int, expected: Floats) -> None:
        self.day = day
        self.c = c
        self.mean, self.low, self.high = day.mean[c], day.low[c], day.high[c]
        self.slots = np.flatnonzero(np.mean(~np.isnan(self.mean[:-1]), axis=0) >= FEWEST_SHARE)
        self.expected = expected
        low, high = np.nanquantile(self.low[:-1], 1 - TAIL[1]), np.nanquantile(self.high[:-1], TAIL[1])
        self.floor = max(LEAST_SPREAD * float(high - low), 1e-9)

    def look(self) -> list[Unusual]:
        if not len(self.slots):
            return []
        flat = self._flat()
        if self._idle():
            return flat
        factor = self._factor()
        level = [] if factor else self._level()
        return [*flat, *factor, *level, *([] if factor or level else self._drift())]

    def _idle(self) -> bool:
        values = self.mean[:-1]
        known = values[~np.isnan(values)]
        _, counts = np.unique(known, return_counts=True)
        return bool(len(known)) and int(counts.max()) / len(known) > IDLE_SHARE

    # Levels and spikes.

    def _level(self) -> list[Unusual]:
        """Values beyond the band of their half hour, or too far off their neighbours."""
        series = len(self.day.series.labels)
        off, _, width, limit = _scores(self.mean - self.expected, self.floor, self.slots, series)
        usual, reach = self.expected[-1].copy(), width[-1] * limit
        strange, values = off[-1] > limit, self.mean[-1].copy()
        around = self._around()
        # A wrong reading of one moment hides in a mean of many, so the extremes of a half hour are judged as well.
        for extreme in (self.high, self.low):
            lone, middle, width, limit = _scores(extreme - around, self.floor, self.slots, series)
            beyond = (lone[-1] > limit) & ~strange
            values = np.where(beyond, extreme[-1], values)
            usual = np.where(beyond, around[-1] + middle[-1], usual)
            reach = np.where(beyond, width[-1] * limit, reach)
            strange |= beyond
        found = []
        for first, count in _runs(strange, self.slots):
            kind: Kind = "level" if count >= LASTING_SLOTS else "spike"
            band = (float(usual[first] - reach[first]), float(usual[first] + reach[first]))
            found.append(self.day.unusual(kind, self.c, first, count, float(values[first]), band))
        return found

    def _around(self) -> Floats:
        """The median of the half hours around each, where there is one on both sides."""
        line = self.mean[:, self.slots].reshape(-1)
        after = self.day.after[self.c][self.slots][:2]
        padded = np.concatenate([np.full(2, np.nan), line, after, np.full(2 - len(after), np.nan)])
        around = np.stack([padded[n : n + len(line)] for n in (0, 1, 3, 4)])
        middle = _median(around, axis=0)
        middle[np.isnan(around[1]) | np.isnan(around[2])] = np.nan
        grid = np.full(self.mean.shape, np.nan)
        grid[:, self.slots] = middle.reshape(len(self.mean), -1)
        return grid

    # Twice or half.

    def _factor(self) -> list[Unusual]:
        """A step to twice or half of what the hours before and the time of day let expect, that lasts."""
        if np.nanmin(self.mean[:-1]) < 0 or not self.day.size[self.c] > 0:
            return []
        line = self.mean[:, self.slots].reshape(-1)
        usual = self.expected[:, self.slots].reshape(-1)
        per_day = len(self.slots)
        jump = _jump(line) - _jump(usual)
        past = np.abs(jump[:-per_day][~np.isnan(jump[:-per_day])])
        if len(past) < FEWEST_DAYS:
            return []
        spread = max(MAD_TO_SIGMA * float(np.median(past)), LEAST_SPREAD)
        limit = max(SPREADS * spread, float(np.quantile(past, TAIL[1])))
        step, jump = (_step(line) - _step(usual))[-per_day:], jump[-per_day:]
        before = _before(line)[-per_day:]
        for factor in FACTORS:
            sharp = (np.abs(jump) > limit) & (np.abs(np.exp(jump) / factor - 1) < JUMP_ROOM)
            lasts = np.abs(np.exp(step) / factor - 1) < FACTOR_ROOM
            hits = np.flatnonzero(sharp & lasts & (before > SMALL * self.day.size[self.c]))
            if len(hits):
                first, edge = int(hits[0]), float(np.exp(limit))
                value = float(self.mean[-1, self.slots[first]])
                band = (float(before[first]) / edge, float(before[first]) * edge)
                return [self.day.unusual("factor", self.c, int(self.slots[first]), per_day - first, value, band)]
        return []

    # Flat lines.

    def _flat(self) -> list[Unusual]:
        """Equal values for much longer than ever in the history; zeros only against zeros."""
        line = self.mean[:, self.slots].reshape(-1)
        still = (self.high - self.low)[:, self.slots].reshape(-1) == 0
        same = np.concatenate([[False], (line[1:] == line[:-1]) & still[1:] & still[:-1]])
        length = _lengths(same)
        per_day = len(self.slots)
        today, past = slice(len(line) - per_day, None), slice(0, len(line) - per_day)
        found = []
        for kind in self._habits(line, past):
            known = length[past][kind[past] & ~np.isnan(line[past])]
            longest = _longest(known, len(line) - per_day)
            now = np.where(kind[today], length[today], 0)
            limit = max(FLAT_SLOTS, FLAT_TIMES * longest)
            if per_day > 1 and now.max() > limit:
                end = int(np.argmax(now))
                first = max(0, end - int(now[end]) + 1)
                value = float(self.mean[-1, self.slots[end]])
                band = _band(self.mean[:-1])
                found.append(
                    self.day.unusual("flat line", self.c, int(self.slots[first]), end - first + 1, value, band)
                )
        return found

    @staticmethod
    def _habits(line: Floats, past: slice) -> list[Flags]:
        """Where the series has each of the values that it often has, such as nothing or all, and where any other."""
        values, counts = np.unique(line[past][~np.isnan(line[past])], return_counts=True)
        often = values[counts > HABIT_SHARE * counts.sum()]
        return [*(line == value for value in often), ~np.isin(line, often)]

    # Drifts.

    def _drift(self) -> list[Unusual]:
        """A week that lies off the trend of the weeks before, more than weeks do."""
        off = (self.mean - self.expected)[:, self.slots]
        level = _median(off, axis=1)
        if len(level) < FEWEST_DAYS + 2 * DRIFT_DAYS or np.isnan(level[-DRIFT_DAYS:]).any():
            return []
        weeks = np.array([np.nanmedian(level[n - DRIFT_DAYS : n]) for n in range(DRIFT_DAYS, len(level) + 1)])
        past, ahead = weeks[:-DRIFT_DAYS], np.arange(len(weeks))
        slope, start = _trend(ahead[: len(past)].astype(float), past)
        rest = weeks - (start + slope * ahead)
        spread = max(MAD_TO_SIGMA * float(np.nanmedian(np.abs(rest[: len(past)]))), self.floor)
        if float(np.nanmax(np.abs(rest[: len(past)]))) > STEADY * self.day.size[self.c]:
            return []
        limit = max(DRIFT_SPREADS * spread, DRIFT_BEYOND * float(np.nanmax(np.abs(rest[: len(past)]))))
        if np.nanmax(np.abs(np.diff(level[-2 * DRIFT_DAYS :]))) > AT_ONCE * abs(rest[-1]):
            return []
        same_way = np.sign(level[-DRIFT_DAYS:] - np.nanmedian(level[:-DRIFT_DAYS])) == np.sign(rest[-1])
        if not abs(rest[-1]) > limit or same_way.sum() < DRIFT_DAYS - 1:
            return []
        middle = float(np.nanmedian(self.expected[-1, self.slots]))
        shift = float(start + slope * ahead[-1])
        band = (middle + shift - limit, middle + shift + limit)
        return [self.day.unusual("drift", self.c, 0, len(self.slots), middle + float(weeks[-1]), band)]


def _profile(grid: Floats, kinds: npt.NDArray[np.int64]) -> Floats:
    """What each half hour of each day is expected to be: the median of the days before the last of its kind."""
    past = grid[:-1]
    whole = _median(past, axis=0)
    expected = np.broadcast_to(whole, grid.shape).copy()
    for kind in np.unique(kinds):
        mine = past[kinds[:-1] == kind]
        if len(mine) >= 4:
            middle = _median(mine, axis=0)
            expected[kinds == kind] = np.where(np.isnan(middle), whole, middle)
    return expected


def _scores(
    off: Floats, floor: float, slots: npt.NDArray[np.int64], series: int
) -> tuple[Floats, Floats, Floats, float]:
    """How many spreads each value is off, the middle and the spread of each, and from how many on it is unusual."""
    past = off[:-1][:, slots]
    middle, width = np.full(off.shape, np.nan), np.full(off.shape, np.nan)
    middle[:, slots] = _median(past, axis=0)
    rest = np.abs(off - middle)
    around = [rest[:-1][:, slots[max(0, n - NEIGHBOURS) : n + NEIGHBOURS + 1]] for n in range(len(slots))]
    width[:, slots] = np.maximum(np.nan_to_num([MAD_TO_SIGMA * _median(a) for a in around]), floor)
    scores = rest / width
    return scores, middle, width, max(SPREADS, _limit(scores[:-1], series))


def _limit(values: Floats, series: int) -> float:
    """What one of very many values passes, if the tail goes on as it has begun: exponentially."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.inf
    begin, end = np.quantile(known, TAIL)
    ahead = np.log((1 - TAIL[1]) * ONCE_IN * series) / np.log((1 - TAIL[0]) / (1 - TAIL[1]))
    return float(end + ahead * (end - begin))


def _jump(line: Floats) -> Floats:
    """Logarithm of the ratio of each half hour to the one before."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.concatenate([[np.nan], np.log(line[1:] / line[:-1])])
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _step(line: Floats) -> Floats:
    """Logarithm of the ratio of the next hours to the hours before, at each half hour."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(_after(line) / _before(line))
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _before(line: Floats) -> Floats:
    padded = np.concatenate([np.full(LASTING_SLOTS, np.nan), line])
    return _median(np.stack([padded[n : n + len(line)] for n in range(LASTING_SLOTS)]), axis=0)


def _after(line: Floats) -> Floats:
    padded = np.concatenate([line, np.full(LASTING_SLOTS, np.nan)])
    there = np.stack([padded[n : n + len(line)] for n in range(LASTING_SLOTS)])
    # A step is seen when all the hours after it are there.
    return np.asarray(np.where(np.isnan(there[-1]), np.nan, _median(there, axis=0)))


def _runs(flags: Flags, slots: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Stretches of consecutive flagged half hours: first and length."""
    chosen = flags[slots]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    return [(int(slots[a]), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _lengths(same: Flags) -> npt.NDArray[np.int64]:
    """How many values in a row have been equal so far, 1 where a value differs from the one before."""
    place = np.arange(len(same))
    begun = np.maximum.accumulate(np.where(same, 0, place))
    return np.asarray(place - begun + 1)


def _longest(lengths: npt.NDArray[np.int64], whole: int) -> int:
    """The longest stretch of a history of ``whole`` values, but for one that may be a fault itself."""
    if not len(lengths):
        return 0
    ends = np.sort(lengths[np.append(lengths[1:] <= lengths[:-1], True)])
    # What takes a good part of the history is no fault but a habit.
    return int(ends[-1] if ends[-1] > FAULT_SHARE * whole or len(ends) == 1 else ends[-2])


def _trend(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and start of the line by Theil and Sen: the median of all slopes."""
    known = ~np.isnan(y)
    x, y = x[known], y[known]
    a, b = np.triu_indices(len(x), 1)
    slope = float(np.median((y[b] - y[a]) / (x[b] - x[a])))
    return slope, float(np.median(y - slope * x))


def _band(values: Floats) -> tuple[float, float]:
    """Where nearly all values of the history lie."""
    low, high = np.nanquantile(values, (1 - TAIL[1], TAIL[1]))
    return float(low), float(high)


def _median(values: Floats, axis: int | tuple[int, ...] | None = None) -> Floats:
    """The median of what is known; nan for a slice that holds nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values) if axis is None else np.nanmedian(values, axis))


def judge(dataset: Dataset, found: Sequence[Unusual], first: date, last: date, days_learned: int) -> Finding:
    """The verdict on a dataset.

    Args:
        dataset: The catalogue entry.
        found: What is unusual on these days.
        first: First day looked at.
        last: Last one.
        days_learned: Days with values that it could be judged by.
    """
    numbers: dict[str, float] = {"unusual": len(found), "days_learned": days_learned}
    name = dataset.name
    if not found:
        said = "nothing is unusual" if days_learned >= FEWEST_DAYS else "too little history to say what is usual"
        text = f"{name}, {span(first, last)}: {said}."
        return Finding(UNUSUAL.name, dataset.code, first, last, True, "info", text, numbers)
    days = sorted({u.day for u in found})
    worst = min(found, key=lambda u: (ORDER.index(u.kind), u.day, u.label, u.slot))
    numbers |= {"low": worst.low, "high": worst.high}
    if worst.value == worst.value:  # not nan
        numbers["value"] = worst.value
    more = f", and {len(found) - 1} more that is unusual" if len(found) > 1 else ""
    text = (
        f"{name}, {listed(days)}: {_told(dataset, worst)}{more}; compare with the provider's own page, and if it "
        f"differs ask again with {ask_again(dataset, days[0], days[-1])}, else tell the provider."
    )
    return Finding(UNUSUAL.name, dataset.code, days[0], days[-1], False, UNUSUAL.severity, text, numbers)


def _told(dataset: Dataset, unusual: Unusual) -> str:
    """One unusual thing in words."""
    unit = f" {dataset.table.by_name[unusual.column].unit}"
    label = f" of {unusual.label}" if unusual.label else ""
    clock = f"{unusual.slot // 2:02d}:{unusual.slot % 2 * 30:02d}"
    lasting = "" if unusual.slots <= 1 else f" for {unusual.slots / 2:g} h"
    band = f"{unusual.low:.6g} to {unusual.high:.6g}{unit}"
    begin = f"{unusual.column}{label} on {unusual.day} from {clock} London{lasting}"
    if unusual.kind == "missing":
        return f"{begin} has no values where others have some (usual are {band})"
    return f"{begin} is {unusual.value:.6g}{unit} where {band} is usual, which looks like {WORDS[unusual.kind]}"


def findings(
    datasets: Sequence[Dataset], warehouse: Warehouse, from_day: date, to_day: date, today: date
) -> list[Finding]:
    """The verdict on every dataset that has regular measurements, on the newest days of a span.

    A few datasets are in memory at a time, summed up to half hours. Days that are not over are judged as far as they
    have come.

    Args:
        datasets: Catalogue entries; others than those that ``Profiled.of`` knows are left out.
        warehouse: Where the rows are.
        from_day: First settlement day.
        to_day: Last one, inclusive; of more than ``MOST_DAYS`` the newest are judged.
        today: The present settlement day; later ones are not judged.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    from energy_assets.warehouse.profiles import read_series

    last = max(from_day, min(to_day, today))
    first = max(from_day, last - timedelta(days=MOST_DAYS - 1))
    known = [p for d in datasets if (p := Profiled.of(d)) is not None]
    found = []
    for start in range(0, len(known), TOGETHER):
        group = known[start : start + TOGETHER]
        with warehouse.session(write=False):
            read = [read_series(warehouse, p, first - timedelta(days=HISTORY_DAYS), last) for p in group]
        for profiled, series in zip(group, read, strict=True):
            days = [(~np.isnan(s.mean)).any(axis=(0, 2))[:HISTORY_DAYS].sum() for s in series]
            unusual = [u for s in series for u in examine(s, first)]
            found.append(judge(profiled.dataset, unusual, first, last, int(max(days, default=0))))
    return found
