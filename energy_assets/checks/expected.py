"""What a dataset's entry lets us expect of a day and of the present: how much, and by when.

Pure functions of the catalogue entry and the time. Learned lateness is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.facts import DayFacts, Question

PUBLICATION_SHARE = 0.9
"""Share of the usual publications that must be there: how many a day has was counted on recorded days, and providers
leave one out now and then, which loses no fact because the next publication repeats what is still to come."""

MEASUREMENT_SHARE = 0.98
"""Share of measurements by the second or minute that must be there; the provider's own series have short holes."""

MANY = 1440
"""Instants a day from which they are such measurements."""

DAY_LAG_REACH = 60
"""Days looked back for the newest one that has settled; lags in days are at most a settlement run's."""

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Expectation:
    """What is counted on a day.

    Attributes:
        what: What is counted, in words.
        per_day: How many a day of 24 hours has; ``None`` where it is the day's settlement periods.
        share: Share of them that must be there.
        found: How many there are.
        each: How many belong to each settlement period, where periods count.
    """

    what: str
    per_day: int | None
    share: float
    found: Callable[[DayFacts], int]
    each: int = 1

    def on(self, day: date) -> int:
        """How many a whole day has."""
        periods = calendar.periods_in_day(day)
        if self.per_day is None:
            return self.each * periods
        # What comes once or a few times a day does so on short days too.
        return round(self.per_day * periods / 48) if self.per_day >= 24 else self.per_day


def expectation(dataset: Dataset) -> Expectation | None:
    """What can be counted; ``None`` where the entry does not say how much there must be."""
    question = Question.of(dataset)
    by_day = dataset.table.storage.kind == "date"
    if dataset.rows_per_period is not None and by_day:
        return Expectation("rows", None, 1.0, lambda d: d.rows, dataset.rows_per_period)
    if dataset.empty != "suspect":
        return None
    if question.periods is not None and by_day:
        return Expectation("settlement periods", None, 1.0, lambda d: d.periods)
    often = dataset.timing.publications_per_day
    if often is None or question.instants is None:
        return None
    if question.instants in dataset.table.event_key:
        share = MEASUREMENT_SHARE if often >= MANY else 1.0
        return Expectation("instants", often, share, lambda d: d.instants)
    return Expectation("publications", often, PUBLICATION_SHARE if often > 1 else 1.0, lambda d: d.instants)


def due_count(dataset: Dataset, day: date, now: datetime) -> int:
    """How many must be there by ``now``: of a day that has not settled those that have."""
    expected = expectation(dataset)
    if expected is None:
        return 0
    whole = expected.on(day)
    if settled(dataset, day, now):
        return int(whole * expected.share)
    lag = dataset.timing.settled
    if lag.run is not None or lag.working_days or (expected.per_day is not None and expected.per_day < 24):
        return 0
    begin, end = calendar.day_bounds_utc(day)
    passed = (now - timedelta(minutes=lag.minutes) - begin) / (end - begin)
    steps = whole // expected.each if expected.per_day is None else whole
    return int(int(max(0.0, passed) * steps) * (whole / steps) * expected.share)


def settled(dataset: Dataset, day: date, now: datetime) -> bool:
    """Whether nothing of a day is to come any more, by the entry's lag."""
    return calendar.lag_passed(dataset.timing.settled, *calendar.day_bounds_utc(day), now)


def scaled(rows: int, day: date) -> float:
    """Rows as a day of 24 hours would have them."""
    return rows * 48 / calendar.periods_in_day(day)


def rhythm(dataset: Dataset) -> timedelta | None:
    """Time between two publications, a day where that is not known; ``None`` where silence is no fault."""
    base = _base(dataset)
    if (
        base.files is not None
        or base.empty != "suspect"
        or (base is not dataset and not base.timing.publications_per_day)
    ):
        return None
    often = base.timing.publications_per_day
    return ONE_DAY / often if often else ONE_DAY


def due_instant(dataset: Dataset, now: datetime) -> datetime | None:
    """The newest moment of which, or after which, there must be a row by ``now``."""
    step = rhythm(dataset)
    if step is None:
        return None
    if dataset.is_register:
        return calendar.day_bounds_utc(calendar.settlement_day(now) - ONE_DAY)[0]
    lag = dataset.timing.settled
    if lag.run is None and not lag.working_days:
        return now - timedelta(minutes=lag.minutes) - step
    today = calendar.settlement_day(now)
    for back in range(DAY_LAG_REACH):
        day = today - timedelta(days=back)
        if calendar.lag_passed(lag, *calendar.day_bounds_utc(day), now):
            return calendar.day_bounds_utc(day)[0]
    return None


def _base(dataset: Dataset) -> Dataset:
    """The dataset that a stream pushes, whose rhythm is known; the dataset itself where it is none."""
    if dataset.provider != "iris" or dataset.table.unites is None:
        return dataset
    from energy_assets import catalogue

    return catalogue.dataset(f"bmrs/{dataset.table.unites.other.dataset}")
