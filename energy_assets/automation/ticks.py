"""Which settlement days and datasets a tick of a schedule is about; pure functions of catalogue entries and time.

Receipts are not read here: a schedule must not wait for the store, nor keep its writer out. The rules name every dataset
that may have something to be asked for; within the run the planner asks for exactly what the receipts do not cover.
Naming fewer than all matters because Dagster keeps an event for every asset and day that a run plans, whatever comes of
it: 1.4 kB each, or 14 MB a day for a hundred datasets every quarter of an hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from energy_assets import calendar
from energy_assets.assets.partitions import spans
from energy_assets.catalogue.model import Dataset, Lag

TICK = timedelta(minutes=15)
"""Between two ticks of the refresh; the cron expression in ``schedules`` says the same."""

HOUR = timedelta(hours=1)

LATE_DATA = timedelta(days=1)
"""Late data of yesterday are waited for by the refresh when they settle within a day; what settles later is asked for
by the daily revisions."""

RECENT_DAYS = 7
"""Complete days that the daily revisions look at for every dataset: as long as the planner doubts an empty answer, and
longer than a week-end without the machine."""

CATCH_UP = timedelta(days=7)
"""How far back a moment at which a day is read again may lie: revisions missed in a week without the machine are made
good by the next run, older ones are for a backfill."""

FARTHEST_DAYS = 1200
"""Days back at which a re-read may lie: the dispute final run comes 28 months after the day, with room for calendars."""

FARTHEST_BY_MINUTES = 60
"""The same for a lag of minutes only, which no entry has for longer than a month."""


@dataclass(frozen=True, slots=True)
class Request:
    """One run: settlement days ``first`` to ``last``, both inclusive, of these datasets."""

    first: date
    last: date
    datasets: tuple[Dataset, ...]


def refresh_request(datasets: Sequence[Dataset], tick: datetime) -> Request:
    """What a tick of the live refresh is about: today in Europe/London, and yesterday while its late data come in.

    Yesterday is looked at in every tick of the first hour after midnight, because its last windows have only just
    closed, and then hourly.

    Args:
        datasets: Entries to be kept current.
        tick: The tick's time, aware.
    """
    today = calendar.settlement_day(tick)
    yesterday = today - timedelta(days=1)
    fresh = tick - calendar.day_start_utc(today) < HOUR
    late = fresh or (_is_full_hour(tick) and any(_comes_late(d, yesterday, tick) for d in datasets))
    first = yesterday if late else today
    return Request(first, today, tuple(d for d in datasets if may_be_due(d, first, today, tick)))


def may_be_due(dataset: Dataset, first: date, last: date, tick: datetime) -> bool:
    """Whether the dataset may have something to ask for, given that the ticks before asked for all they should.

    At the full hour nothing is taken as given, so that what failed in between is asked for again.

    Args:
        dataset: The catalogue entry.
        first: First settlement day.
        last: Last settlement day.
        tick: The tick's time, aware.
    """
    from energy_assets.ingest.model import Seen
    from energy_assets.ingest.planner import plan

    if _is_full_hour(tick):
        return plan(dataset, first, last, (), tick).status == "due"
    before = tick - _since_last_poll(dataset, tick)
    asked = [Seen(window, before, None) for window in plan(dataset, first, last, (), before).windows]
    return plan(dataset, first, last, asked, tick).status == "due"


def revision_requests(datasets: Sequence[Dataset], tick: datetime) -> Sequence[Request]:
    """What the daily revisions are about: the last week of everything, and older days that a dataset is read again for.

    Older days come as one request per range of neighbours, for the datasets that any of them concerns.

    Args:
        datasets: Entries to be kept current.
        tick: The tick's time, aware.
    """
    today = calendar.settlement_day(tick)
    recent = today - timedelta(days=RECENT_DAYS)
    requests = [Request(recent, today - timedelta(days=1), _lasting(datasets, today))]
    older: dict[date, set[str]] = defaultdict(set)
    for lag, concerned in _by_lag(datasets).items():
        for day in _days_reached(lag, recent, tick):
            older[day].update(d.code for d in concerned if d.begins <= day)
    for first, last in spans(day for day, codes in older.items() if codes):
        codes = set().union(*(older[day] for day in calendar.days_between(first, last)))
        requests.append(Request(first, last, tuple(d for d in datasets if d.code in codes)))
    return requests


def _is_full_hour(tick: datetime) -> bool:
    return tick.minute == 0


def _since_last_poll(dataset: Dataset, tick: datetime) -> timedelta:
    """How long ago the dataset was last asked, if it is asked at every tick that begins a new poll interval."""
    minutes = dataset.timing.poll_minutes
    since_midnight = tick - calendar.day_start_utc(calendar.settlement_day(tick))
    poll = timedelta(minutes=minutes)
    return max(poll, TICK) if since_midnight % poll < TICK else TICK


def _comes_late(dataset: Dataset, yesterday: date, tick: datetime) -> bool:
    """Whether the day's last window is still provisional, and settles soon enough to be waited for."""
    if dataset.query.unit == "snapshot" or yesterday < dataset.begins:
        return False
    _, end = calendar.day_bounds_utc(yesterday)
    window = (end - TICK, end)
    settled = dataset.timing.settled
    return not calendar.lag_passed(settled, *window, tick) and calendar.lag_passed(settled, *window, end + LATE_DATA)


def _lasting(datasets: Iterable[Dataset], today: date) -> tuple[Dataset, ...]:
    """Those with past days to look at: not registers, and begun."""
    return tuple(d for d in datasets if d.query.unit != "snapshot" and d.begins < today)


def _by_lag(datasets: Iterable[Dataset]) -> dict[Lag, list[Dataset]]:
    """Datasets by each of the moments at which a past day of theirs is asked for."""
    found: dict[Lag, list[Dataset]] = defaultdict(list)
    for dataset in datasets:
        if dataset.query.unit != "snapshot":
            for lag in {dataset.timing.available, dataset.timing.settled, *dataset.timing.rereads}:
                found[lag].append(dataset)
    return found


def _days_reached(lag: Lag, before: date, tick: datetime) -> Iterator[date]:
    """Days before ``before`` whose moment came in the last ``CATCH_UP``.

    Every day is looked at: where a shorter settlement timetable takes over, moments do not move on with days.
    """
    for back in range(1, FARTHEST_DAYS if lag.run or lag.working_days else FARTHEST_BY_MINUTES):
        day = before - timedelta(days=back)
        window = calendar.day_bounds_utc(day)
        if calendar.lag_passed(lag, *window, tick) and not calendar.lag_passed(lag, *window, tick - CATCH_UP):
            yield day
