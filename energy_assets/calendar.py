"""Settlement days and periods, working days and settlement runs: the only place that knows clock changes and holidays.

Pure functions of their arguments: no clock, no I/O. Instants are aware and come back in UTC; a settlement day is a
plain date of the Europe/London calendar; sums are made in UTC, so a day has 46, 48 or 50 half hours.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from energy_assets.catalogue.model import SETTLEMENT_RUNS, Lag, Standing
from energy_assets.errors import CalendarError

LONDON = ZoneInfo("Europe/London")
PERIOD = timedelta(minutes=30)
DAY = timedelta(days=1)

FIRST_DAY = date(1972, 1, 1)
"""Clock changes are whole hours on single nights from here on (British Standard Time ended in 1971)."""

LAST_DAY = date(2199, 12, 31)
"""Later dates are a provider's placeholder (9999-12-31), never a settlement day."""

FIRST_WORKING_DAY = date(2001, 1, 1)
"""First day of the project's partitions; no lag is counted from before it."""

LAST_WORKING_DAY = date(2027, 12, 31)
"""End of the bank holidays that count as announced.

``holidays`` goes on by rule for ever and does not say how far the government has published. The government's list
reaches at least to the end of the next calendar year, and the release that ``constraints.txt`` pins is of 2026. To be
moved on with that pin, after a look at www.gov.uk/bank-holidays: one-off holidays (2002, 2011, 2012, 2022, 2023) come
by proclamation.
"""


@dataclass(frozen=True, slots=True)
class SettlementTimetable:
    """Working days from a settlement day to each of its settlement runs.

    Attributes:
        effective_from: First settlement day that it applies to.
        offsets: Working days after the settlement day, by run; a run that is not held is absent.
        standing: How the offsets are known.
        note: What is sure about them and what is not.
    """

    effective_from: date
    offsets: Mapping[str, int]
    standing: Standing
    note: str


SETTLEMENT_TIMETABLES = (
    SettlementTimetable(
        effective_from=FIRST_WORKING_DAY,
        offsets={"II": 5, "SF": 16, "R1": 39, "R2": 84, "R3": 154, "RF": 292},
        standing="stated",
        note="Elexon's fourteen-month timetable; its published calendars move single runs by a day or two. "
        "A dispute run (DF) is held only when a dispute asks for one, up to 28 months after the day.",
    ),
    SettlementTimetable(
        effective_from=date(2027, 7, 2),
        offsets={"II": 5, "SF": 8, "R1": 39, "RF": 92},
        standing="unknown",
        note="Market-wide half-hourly settlement: four months to RF, SF within seven working days, one reconciliation "
        "between them; the cut-over is planned for 2 July 2027 (MHHS-DEL1590). The offsets are upper bounds, not "
        "Elexon's numbers: a value read too late is still the run's value, one read too early is not. Runs still "
        "owed to earlier days may be brought forward.",
    ),
)
"""Offsets by settlement day, oldest first."""


def settlement_day(instant: datetime) -> date:
    """The settlement day that an instant belongs to: its Europe/London date.

    Raises:
        CalendarError: ``instant`` is naive or outside the supported years.
    """
    return _checked_instant(instant).astimezone(LONDON).date()


@lru_cache(maxsize=16384)
def day_start_utc(day: date) -> datetime:
    """The instant, in UTC, at which a settlement day begins (London midnight).

    Raises:
        CalendarError: ``day`` is a datetime or outside the supported years.
    """
    return datetime.combine(_checked_day(day), time(), tzinfo=LONDON).astimezone(UTC)


def day_bounds_utc(day: date) -> tuple[datetime, datetime]:
    """Begin and end of a settlement day as a half-open UTC interval of 23, 24 or 25 hours.

    Raises:
        CalendarError: ``day`` is a datetime or outside the supported years.
    """
    return day_start_utc(day), _day_end_utc(day)


def periods_in_day(day: date) -> Literal[46, 48, 50]:
    """How many settlement periods a day has: 46 when clocks go forward, 50 when they go back, else 48.

    Raises:
        CalendarError: ``day`` is a datetime or outside the supported years.
    """
    start, end = day_bounds_utc(day)
    match (end - start) // PERIOD:
        case 46:
            return 46
        case 48:
            return 48
        case 50:
            return 50
        case other:
            raise CalendarError(f"{day} would have {other} settlement periods: the time zone data are broken.")


def period_start_utc(day: date, period: int) -> datetime:
    """The instant, in UTC, at which a settlement period begins; it lasts thirty minutes.

    Raises:
        CalendarError: The day has no such period.
    """
    if not 1 <= period <= periods_in_day(day):
        raise CalendarError(f"{day} has settlement periods 1 to {periods_in_day(day)}, not {period}.")
    return day_start_utc(day) + (period - 1) * PERIOD


def period_of(instant: datetime) -> tuple[date, int]:
    """The settlement day and period in which an instant lies; a period holds its beginning, not its end.

    Raises:
        CalendarError: ``instant`` is naive or outside the supported years.
    """
    day = settlement_day(instant)
    return day, (_checked_instant(instant) - day_start_utc(day)) // PERIOD + 1


def days_between(from_day: date, to_day: date) -> Iterator[date]:
    """Settlement days from ``from_day`` to ``to_day``, both included.

    Raises:
        CalendarError: ``to_day`` comes before ``from_day``, or a day is outside the supported years.
    """
    if _checked_day(to_day) < _checked_day(from_day):
        raise CalendarError(f"The last day, {to_day}, comes before the first, {from_day}.")
    return (from_day + n * DAY for n in range((to_day - from_day).days + 1))


def is_working_day(day: date) -> bool:
    """Whether a day is Monday to Friday and no bank holiday in England and Wales.

    Raises:
        CalendarError: The day lies outside the years whose bank holidays are announced.
    """
    days = _working_days()
    place = bisect_left(days, _checked_working_range(day))
    return place < len(days) and days[place] == day


def add_working_days(day: date, n: int) -> date:
    """The ``n``-th working day after ``day``, which need not be one itself; ``day`` for ``n`` = 0.

    Raises:
        CalendarError: ``n`` is negative, or the answer lies outside the years whose bank holidays are announced.
    """
    answer = _working_day_after(day, n)
    if answer is None:
        raise CalendarError(
            f"{n} working days after {day} end beyond {LAST_WORKING_DAY}, the last day whose bank holidays are known."
        )
    return answer


def settlement_run_date(day: date, run: str) -> date:
    """The date on which a settlement run for ``day`` is held, by the timetable in force for that day.

    Raises:
        CalendarError: The run is unknown, is not held by timetable, or lies beyond the announced bank holidays.
    """
    offset = _timetable(day).offsets.get(_checked_run(run))
    if offset is None:
        raise CalendarError(f"The settlement timetable for {day} holds no run {run}.")
    return add_working_days(day, offset)


def lag_end(lag: Lag, window_from: datetime, window_to: datetime) -> datetime:
    """The instant, in UTC, at which a lag after the window ``[window_from, window_to)`` is over.

    Without run and working days: the window's end plus the minutes. Otherwise days are counted from the settlement day
    of the window's last moment, because a window is complete only when its last day is: the run's date, then the
    working days, then the minutes from the end of that London day. The end, because providers publish in the course of
    the day.
    A run that the timetable does not hold counts as the next one that it holds (with R2 and R3 gone, RF).

    Raises:
        CalendarError: The lag ends beyond the announced bank holidays; ``lag_passed`` needs no such date.
    """
    last_day = _window_day(window_from, window_to)
    if lag.run is None and not lag.working_days:
        return _checked_instant(window_to) + timedelta(minutes=lag.minutes)
    end = _lag_day(last_day, lag.run, lag.working_days)
    if end is None:
        raise CalendarError(
            f"A lag after {last_day} ends beyond {LAST_WORKING_DAY}, the last day whose bank holidays are known."
        )
    return _day_end_utc(end) + timedelta(minutes=lag.minutes)


def lag_passed(lag: Lag, window_from: datetime, window_to: datetime, now: datetime) -> bool:
    """Whether a lag after the window is over at ``now``, also where its end cannot be dated yet.

    A lag that ends beyond the announced bank holidays is not over while ``now`` lies within them.

    Raises:
        CalendarError: ``now`` and the lag's end both lie beyond the announced bank holidays.
    """
    counts_days = lag.run is not None or lag.working_days
    if (
        counts_days
        and _checked_instant(now) < _day_end_utc(LAST_WORKING_DAY)
        and _lag_day(_window_day(window_from, window_to), lag.run, lag.working_days) is None
    ):
        return False
    return _checked_instant(now) >= lag_end(lag, window_from, window_to)


def summer_time_spans(first_year: int, last_year: int) -> list[tuple[datetime, datetime]]:
    """British Summer Time of each year as half-open UTC intervals, first year to last, both included.

    Raises:
        CalendarError: A year is not supported, or the last comes before the first.
    """
    if not FIRST_DAY.year <= first_year <= last_year <= LAST_DAY.year:
        raise CalendarError(
            f"Summer time is known for the years {FIRST_DAY.year} to {LAST_DAY.year}, not {first_year} to {last_year}."
        )
    return [_summer_time(year) for year in range(first_year, last_year + 1)]


@lru_cache(maxsize=256)
def _summer_time(year: int) -> tuple[datetime, datetime]:
    """Begin and end of summer time, found in the time zone data."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    hours = math.ceil((datetime(year + 1, 1, 1, tzinfo=UTC) - start) / timedelta(hours=1))
    summer = [h for h in range(hours) if (start + timedelta(hours=h)).astimezone(LONDON).dst()]
    if not summer or summer[-1] - summer[0] + 1 != len(summer):
        raise CalendarError(f"{year} has no single span of summer time in the time zone data.")
    return start + timedelta(hours=summer[0]), start + timedelta(hours=summer[-1] + 1)


@lru_cache(maxsize=1)
def _working_days() -> tuple[date, ...]:
    """Every working day of the announced years, in order."""
    # Takes 75 ms to import; most commands never count a working day.
    import holidays

    # The library's England has the bank holidays of England and Wales, which share them.
    closed = holidays.country_holidays(
        "GB", subdiv="ENG", years=range(FIRST_WORKING_DAY.year, LAST_WORKING_DAY.year + 1), expand=False
    )
    days = days_between(FIRST_WORKING_DAY, LAST_WORKING_DAY)
    return tuple(d for d in days if d.weekday() < 5 and d not in closed)  # Monday is 0.


def _working_day_after(day: date, n: int) -> date | None:
    """The ``n``-th working day after ``day``; ``None`` beyond the announced bank holidays."""
    _checked_working_range(day)
    if n < 0:
        raise CalendarError(f"Working days are counted forward only, not {n} from {day}.")
    if n == 0:
        return day
    days = _working_days()
    place = bisect_right(days, day) + n - 1
    return days[place] if place < len(days) else None


def _timetable(day: date) -> SettlementTimetable:
    """The settlement timetable in force for a settlement day."""
    _checked_working_range(day)
    return next(t for t in reversed(SETTLEMENT_TIMETABLES) if t.effective_from <= day)


@lru_cache(maxsize=16384)
def _lag_day(day: date, run: str | None, working_days: int) -> date | None:
    """The day at whose end a lag in days is over; ``None`` beyond the announced bank holidays."""
    base: date | None = day
    if run is not None:
        offsets = _timetable(day).offsets
        later = SETTLEMENT_RUNS[SETTLEMENT_RUNS.index(_checked_run(run)) :]
        held = next((r for r in later if r in offsets), None)
        if held is None:
            raise CalendarError(f"The settlement timetable for {day} holds no run {run} and none after it.")
        base = _working_day_after(day, offsets[held])
    return None if base is None else _working_day_after(base, working_days)


def _window_day(window_from: datetime, window_to: datetime) -> date:
    """The settlement day of a window's last moment."""
    if not _checked_instant(window_from) < _checked_instant(window_to):
        raise CalendarError(f"A window must end after it begins, not run from {window_from} to {window_to}.")
    return settlement_day(_checked_instant(window_to) - timedelta.resolution)


def _day_end_utc(day: date) -> datetime:
    return datetime.combine(_checked_day(day) + DAY, time(), tzinfo=LONDON).astimezone(UTC)


def _checked_day(day: date) -> date:
    # A datetime is a date to Python, and its zone would be dropped without a word.
    if isinstance(day, datetime):
        raise CalendarError(f"A settlement day is a date, not the instant {day}.")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise CalendarError(f"{day} is no settlement day: the calendar knows {FIRST_DAY} to {LAST_DAY}.")
    return day


def _checked_instant(instant: datetime) -> datetime:
    """The instant in UTC: two times of one other zone would be compared by their clock faces."""
    if instant.utcoffset() is None:
        raise CalendarError(f"The instant {instant} has no time zone; instants are aware, in UTC.")
    if not FIRST_DAY.year <= instant.year <= LAST_DAY.year:
        raise CalendarError(f"The instant {instant} is outside the years {FIRST_DAY.year} to {LAST_DAY.year}.")
    return instant.astimezone(UTC)


def _checked_working_range(day: date) -> date:
    if not FIRST_WORKING_DAY <= _checked_day(day) <= LAST_WORKING_DAY:
        raise CalendarError(
            f"Working days are known from {FIRST_WORKING_DAY} to {LAST_WORKING_DAY}, the years whose bank holidays are "
            f"announced, not for {day}; a newer release of energy_assets knows more."
        )
    return day


def _checked_run(run: str) -> str:
    if run not in SETTLEMENT_RUNS:
        raise CalendarError(f"There is no settlement run {run!r}; runs are {', '.join(SETTLEMENT_RUNS)}.")
    return run
