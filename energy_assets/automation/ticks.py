"""Which settlement days and datasets a tick of a schedule is about; pure functions of catalogue entries and time.

Receipts are not read here: a schedule must not wait for the store, nor keep its writer out. The rules name every
dataset that may have something to be asked for; within the run the planner asks for exactly what the receipts do not
cover. Naming fewer than all matters because Dagster keeps an event for every asset and day that a run plans, whatever
comes of it: 2.9 kB each, or 28 MB a day for a hundred datasets every quarter of an hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from energy_assets import calendar
from energy_assets.assets.partitions import spans
from energy_assets.catalogue.model import Dataset, Lag
from energy_assets.errors import CalendarError

TICK = timedelta(minutes=15)
"""Between two ticks of the refresh; the cron expression in ``schedules`` says the same."""

HOUR = timedelta(hours=1)
"""Between two looks at yesterday, once its first hour of late data is over."""

RECHECK_HOURS = 6
"""Every so many hours a tick takes nothing as given: a dataset that is asked for once a day and failed waits no longer
than that."""

RECENT_DAYS = 7
"""Complete days that the daily revisions look at for every dataset: as long as the planner doubts an empty answer, and
longer than a week-end without the machine."""

CATCH_UP = timedelta(days=7)
"""How far back a moment at which a day is read again may lie: revisions missed in a week without the machine are made
good by the next run, older ones are for a backfill."""

FARTHEST_DAYS = 1200
"""Days back at which a re-read may lie: the dispute final run comes 28 months after the day, with some
room."""

FARTHEST_BY_MINUTES = 60
"""The same for a lag of minutes only, which no entry has for longer than a month."""


@dataclass(frozen=True, slots=True)
class Request:
    """One run: settlement days ``first`` to ``last``, both inclusive, of these datasets."""

    first: date
    last: date
    datasets: tuple[Dataset, ...]


def refresh_requests(datasets: Sequence[Dataset], tick: datetime) -> Sequence[Request]:
    """What a tick of the live refresh is about: today in Europe/London, and yesterday while its late data come in.

    Yesterday is looked at in every tick of the first hour after midnight, because its last windows have only just
    closed, and then hourly. It is a run of its own, because a run about two days plans both for every dataset.

    Args:
        datasets: Entries to be kept current.
        tick: The tick's time, aware.
    """
    today = calendar.settlement_day(tick)
    age = tick - calendar.day_start_utc(today)
    looks = [(today, TICK)]
    if age < HOUR or age % HOUR < TICK:
        looks.append((today - timedelta(days=1), TICK if age < HOUR else HOUR))
    requests = (
        Request(day, day, tuple(d for d in datasets if may_be_due(d, day, tick, interval))) for day, interval in looks
    )
    return [r for r in requests if r.datasets]


def may_be_due(dataset: Dataset, day: date, tick: datetime, interval: timedelta) -> bool:
    """Whether the dataset may have something to ask for, given that the looks before asked for all they should.

    A dataset whose day lies beyond the announced bank holidays may be: that nothing can be planned is for the run to
    say of it, and no reason for the others to wait.

    Args:
        dataset: The catalogue entry.
        day: Settlement day.
        tick: The tick's time, aware.
        interval: Time between two looks at the day.
    """
    try:
        return _may_be_due(dataset, day, tick, interval)
    except CalendarError:
        return True


def _may_be_due(dataset: Dataset, day: date, tick: datetime, interval: timedelta) -> bool:
    from energy_assets.ingest.model import Seen
    from energy_assets.ingest.planner import plan

    age = tick - calendar.day_start_utc(calendar.settlement_day(tick))
    if age % (RECHECK_HOURS * HOUR) < TICK:
        return plan(dataset, day, day, (), tick).status == "due"
    poll = timedelta(minutes=dataset.timing.poll_minutes)
    begins_poll = age % poll < interval
    before = tick - (max(poll, interval) if begins_poll else interval)
    asked = [Seen(window, before, None) for window in plan(dataset, day, day, (), before).windows]
    return plan(dataset, day, day, asked, tick).status == "due"


def revision_requests(datasets: Sequence[Dataset], tick: datetime) -> Sequence[Request]:
    """What the daily revisions are about: the last week of everything, and older days that a dataset is read again for.

    Older days come as one request per range of neighbours, for the datasets that any of them concerns.

    Args:
        datasets: Entries to be kept current.
        tick: The tick's time, aware.
    """
    today = calendar.settlement_day(tick)
    recent = today - timedelta(days=RECENT_DAYS)
    lasting = tuple(d for d in datasets if not d.is_register and d.begins < today)
    requests = [Request(recent, today - timedelta(days=1), lasting)]
    older: dict[date, set[str]] = defaultdict(set)
    for lag, concerned in _by_lag(lasting).items():
        for day in _days_reached(lag, recent, tick):
            older[day].update(d.code for d in concerned if d.begins <= day)
    return [r for r in [*requests, *grouped(older, lasting)] if r.datasets]


def grouped(wanted: Mapping[date, Collection[str]], datasets: Sequence[Dataset]) -> list[Request]:
    """One request per range of neighbouring days, for all datasets that any of its days wants.

    Args:
        wanted: Dataset codes by settlement day.
        datasets: Entries in the order in which requests name them.
    """
    requests = []
    for first, last in spans(day for day, codes in wanted.items() if codes):
        codes = {code for day in calendar.days_between(first, last) for code in wanted.get(day, ())}
        requests.append(Request(first, last, tuple(d for d in datasets if d.code in codes)))
    return requests


def _by_lag(datasets: Iterable[Dataset]) -> dict[Lag, list[Dataset]]:
    """Datasets by each of the moments at which a past day of theirs is asked for."""
    found: dict[Lag, list[Dataset]] = defaultdict(list)
    for dataset in datasets:
        for lag in {dataset.timing.available, dataset.timing.settled, *dataset.timing.rereads}:
            found[lag].append(dataset)
    return found


def _days_reached(lag: Lag, before: date, tick: datetime) -> Iterator[date]:
    """Days before ``before`` whose moment came in the last ``CATCH_UP``.

    Every day is looked at: where a shorter settlement timetable takes over, moments do not move on with days.
    """
    for back in range(1, FARTHEST_DAYS if lag.run or lag.working_days else FARTHEST_BY_MINUTES):
        day = before - timedelta(days=back)
        if _reached(lag, day, tick):
            yield day


def _reached(lag: Lag, day: date, tick: datetime) -> bool:
    """Whether a day's moment came in the last ``CATCH_UP``.

    Not where bank holidays are not announced that far: the run about the recent days says so of the same datasets.
    """
    window = calendar.day_bounds_utc(day)
    try:
        return calendar.lag_passed(lag, *window, tick) and not calendar.lag_passed(lag, *window, tick - CATCH_UP)
    except CalendarError:
        return False
