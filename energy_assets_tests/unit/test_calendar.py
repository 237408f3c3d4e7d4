"""The settlement calendar against independent rules: last Sundays, the government's list, plain arithmetic."""

from __future__ import annotations

import calendar as gregorian
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from energy_assets import calendar
from energy_assets.catalogue.model import SETTLEMENT_RUNS, Lag
from energy_assets.errors import CalendarError

DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))
INSTANTS = st.datetimes(datetime(2000, 1, 2), datetime(2040, 12, 30), timezones=st.just(UTC))
SPRING = date(2026, 3, 29)
AUTUMN = date(2026, 10, 25)

# www.gov.uk/bank-holidays, England and Wales: the substitute days, as published.
BANK_HOLIDAYS = {
    2011: "01-03 04-22 04-25 04-29 05-02 05-30 08-29 12-26 12-27",
    2012: "01-02 04-06 04-09 05-07 06-04 06-05 08-27 12-25 12-26",
    2020: "01-01 04-10 04-13 05-08 05-25 08-31 12-25 12-28",
    2021: "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28",
    2022: "01-03 04-15 04-18 05-02 06-02 06-03 08-29 09-19 12-26 12-27",
    2023: "01-02 04-07 04-10 05-01 05-08 05-29 08-28 12-25 12-26",
    2024: "01-01 03-29 04-01 05-06 05-27 08-26 12-25 12-26",
    2025: "01-01 04-18 04-21 05-05 05-26 08-25 12-25 12-26",
    2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
    2027: "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def last_sunday(year: int, month: int) -> date:
    """The last Sunday of a month of 31 days, by the doomsday rule's arithmetic rather than by a zone database."""
    return date(year, month, 31 - (gregorian.weekday(year, month, 31) + 1) % 7)


def expected_periods(day: date) -> int:
    if day == last_sunday(day.year, 3):
        return 46
    return 50 if day == last_sunday(day.year, 10) else 48


def expected_start(day: date) -> datetime:
    summer = last_sunday(day.year, 3) < day <= last_sunday(day.year, 10)
    return datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=1 if summer else 0)


@given(DAYS)
@example(SPRING)
@example(AUTUMN)
@example(date(2024, 2, 29))
def test_day_has_the_periods_and_the_start_that_the_last_sundays_give(day: date):
    assert calendar.periods_in_day(day) == expected_periods(day)
    assert calendar.day_start_utc(day) == expected_start(day)
    assert calendar.day_start_utc(day).tzinfo is UTC


@given(DAYS)
def test_days_partition_time(day: date):
    start, end = calendar.day_bounds_utc(day)
    assert end == calendar.day_start_utc(day + timedelta(days=1))
    assert end - start == timedelta(minutes=30) * calendar.periods_in_day(day)
    assert calendar.settlement_day(start) == calendar.settlement_day(end - timedelta.resolution) == day
    assert calendar.settlement_day(start - timedelta.resolution) == day - timedelta(days=1)


@given(DAYS)
def test_periods_partition_the_day_in_order(day: date):
    count = calendar.periods_in_day(day)
    starts = [calendar.period_start_utc(day, p) for p in range(1, count + 1)]
    assert starts == [calendar.day_start_utc(day) + timedelta(minutes=30) * n for n in range(count)]
    assert [calendar.period_of(start) for start in starts] == [(day, p) for p in range(1, count + 1)]
    assert calendar.period_of(starts[-1] + timedelta(minutes=30) - timedelta.resolution) == (day, count)


@given(INSTANTS)
def test_an_instant_lies_in_its_period(instant: datetime):
    day, period = calendar.period_of(instant)
    start = calendar.period_start_utc(day, period)
    assert start <= instant < start + timedelta(minutes=30)
    assert calendar.settlement_day(instant) == day


@given(INSTANTS, INSTANTS)
def test_periods_are_ordered_like_time(one: datetime, other: datetime):
    if one <= other:
        assert calendar.period_of(one) <= calendar.period_of(other)


@given(INSTANTS, st.integers(-14, 14))
def test_the_zone_in_which_an_instant_is_written_does_not_matter(instant: datetime, hours: int):
    elsewhere = instant.astimezone(timezone(timedelta(hours=hours)))
    assert calendar.period_of(elsewhere) == calendar.period_of(instant)


@given(INSTANTS)
def test_london_wall_time_is_read_by_its_fold(instant: datetime):
    assert calendar.period_of(instant.astimezone(calendar.LONDON)) == calendar.period_of(instant)


def test_the_repeated_hour_has_periods_of_its_own():
    assert calendar.period_of(utc(2026, 10, 25, 0, 30)) == (AUTUMN, 4)
    assert calendar.period_of(utc(2026, 10, 25, 1, 30)) == (AUTUMN, 6)


def test_the_last_utc_hour_of_a_summer_day_belongs_to_the_next_settlement_day():
    assert calendar.period_of(utc(2026, 7, 15, 23, 0)) == (date(2026, 7, 16), 1)
    assert calendar.period_of(utc(2026, 1, 15, 23, 0)) == (date(2026, 1, 15), 47)


@pytest.mark.parametrize(("day", "period"), [(SPRING, 47), (AUTUMN, 51), (date(2026, 7, 1), 49), (AUTUMN, 0)])
def test_a_period_that_the_day_does_not_have_is_refused(day: date, period: int):
    with pytest.raises(CalendarError, match=f"not {period}"):
        calendar.period_start_utc(day, period)


@pytest.mark.parametrize("function", [calendar.settlement_day, calendar.period_of])
def test_a_naive_instant_is_refused(function):
    with pytest.raises(CalendarError, match="no time zone"):
        function(datetime(2026, 1, 1))


@pytest.mark.parametrize("instant", [utc(1, 1, 1), utc(9999, 12, 31), datetime.max.replace(tzinfo=UTC)])
def test_a_placeholder_instant_is_refused(instant: datetime):
    with pytest.raises(CalendarError, match="outside the years"):
        calendar.settlement_day(instant)


@pytest.mark.parametrize("day", [date.min, date(1971, 12, 31), date.max])
def test_a_placeholder_day_is_refused(day: date):
    with pytest.raises(CalendarError, match="no settlement day"):
        calendar.day_bounds_utc(day)


def test_an_instant_in_place_of_a_day_is_refused():
    with pytest.raises(CalendarError, match="not the instant"):
        calendar.day_start_utc(utc(2026, 7, 1, 22))


def test_days_between_includes_both_ends_and_refuses_the_reverse():
    assert list(calendar.days_between(date(2024, 2, 28), date(2024, 3, 1))) == [
        date(2024, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 1),
    ]
    assert list(calendar.days_between(SPRING, SPRING)) == [SPRING]
    with pytest.raises(CalendarError, match="before the first"):
        calendar.days_between(AUTUMN, SPRING)


def test_summer_time_spans_run_from_last_sunday_to_last_sunday():
    spans = calendar.summer_time_spans(2000, 2040)
    expected = [
        tuple(datetime.combine(last_sunday(year, month), time(1), tzinfo=UTC) for month in (3, 10))
        for year in range(2000, 2041)
    ]
    assert spans == expected


@given(INSTANTS)
def test_summer_time_spans_agree_with_the_days(instant: datetime):
    start, end = calendar.summer_time_spans(instant.year, instant.year)[0]
    offset = timedelta(hours=1) if start <= instant < end else timedelta(0)
    assert calendar.settlement_day(instant) == (instant + offset).date()


@pytest.mark.parametrize("years", [(2026, 2025), (1900, 2000), (2026, 2500)])
def test_summer_time_of_unsupported_years_is_refused(years: tuple[int, int]):
    with pytest.raises(CalendarError, match="not"):
        calendar.summer_time_spans(*years)


@pytest.mark.parametrize("year", sorted(BANK_HOLIDAYS))
def test_bank_holidays_are_those_that_the_government_published(year: int):
    days = calendar.days_between(date(year, 1, 1), date(year, 12, 31))
    closed = [d for d in days if d.weekday() < 5 and not calendar.is_working_day(d)]
    assert " ".join(f"{d:%m-%d}" for d in closed) == BANK_HOLIDAYS[year]


def test_weekends_are_no_working_days():
    days = calendar.days_between(calendar.FIRST_WORKING_DAY, calendar.LAST_WORKING_DAY)
    assert not any(calendar.is_working_day(d) for d in days if d.weekday() >= 5)


@given(st.dates(date(2001, 1, 1), date(2026, 6, 30)), st.integers(0, 300))
def test_adding_working_days_is_walking_them_one_by_one(day: date, n: int):
    walked, left = day, n
    while left:
        walked += timedelta(days=1)
        left -= calendar.is_working_day(walked)
    assert calendar.add_working_days(day, n) == walked


def test_working_days_around_christmas():
    assert calendar.add_working_days(date(2026, 12, 24), 1) == date(2026, 12, 29)
    assert calendar.add_working_days(date(2026, 12, 26), 1) == date(2026, 12, 29)


@pytest.mark.parametrize("day", [date(2000, 12, 31), date(2028, 1, 4)])
def test_working_days_outside_the_announced_years_are_refused(day: date):
    for ask in (calendar.is_working_day, lambda d: calendar.add_working_days(d, 1)):
        with pytest.raises(CalendarError, match="Working days are known from 2001-01-01 to 2027-12-31"):
            ask(day)


def test_counting_beyond_the_announced_years_or_backwards_is_refused():
    with pytest.raises(CalendarError, match="end beyond 2027-12-31"):
        calendar.add_working_days(date(2027, 12, 1), 292)
    assert calendar.add_working_days(date(2027, 12, 30), 1) == date(2027, 12, 31)
    with pytest.raises(CalendarError, match="end beyond"):
        calendar.add_working_days(date(2027, 12, 31), 1)
    with pytest.raises(CalendarError, match="forward only"):
        calendar.add_working_days(date(2026, 7, 1), -1)


def test_settlement_runs_of_one_day():
    day = date(2025, 7, 1)
    runs = {run: calendar.settlement_run_date(day, run) for run in ("II", "SF", "R1", "R2", "R3", "RF")}
    assert runs == {
        "II": date(2025, 7, 8),
        "SF": date(2025, 7, 23),
        "R1": date(2025, 8, 26),
        "R2": date(2025, 10, 28),
        "R3": date(2026, 2, 6),
        "RF": date(2026, 8, 25),
    }


def test_the_shortened_timetable_applies_from_its_settlement_day():
    before, after = date(2027, 7, 1), date(2027, 7, 2)
    assert calendar.settlement_run_date(before, "R2") == date(2027, 10, 28)
    assert calendar.settlement_run_date(after, "SF") < calendar.settlement_run_date(before, "SF")
    with pytest.raises(CalendarError, match="holds no run R2"):
        calendar.settlement_run_date(after, "R2")


@pytest.mark.parametrize("timetable", calendar.SETTLEMENT_TIMETABLES, ids=lambda t: str(t.effective_from))
def test_timetables_hold_known_runs_in_their_order(timetable: calendar.SettlementTimetable):
    held = [timetable.offsets[run] for run in SETTLEMENT_RUNS if run in timetable.offsets]
    assert held == sorted(set(held))
    assert set(timetable.offsets) <= set(SETTLEMENT_RUNS)
    assert timetable.note


def test_timetables_are_in_order_and_cover_every_working_day():
    starts = [t.effective_from for t in calendar.SETTLEMENT_TIMETABLES]
    assert starts == sorted(set(starts))
    assert starts[0] == calendar.FIRST_WORKING_DAY


def test_dispute_runs_have_no_date_and_other_words_are_no_runs():
    with pytest.raises(CalendarError, match="holds no run DF"):
        calendar.settlement_run_date(date(2025, 7, 1), "DF")
    with pytest.raises(CalendarError, match="no settlement run 'R9'"):
        calendar.settlement_run_date(date(2025, 7, 1), "R9")


@pytest.mark.parametrize(
    ("lag", "end"),
    [
        (Lag(), utc(2026, 7, 10, 23)),
        (Lag(minutes=90), utc(2026, 7, 11, 0, 30)),
        (Lag(working_days=1), utc(2026, 7, 13, 23)),  # The day is a Friday; Monday ends at 23:00 UTC.
        (Lag(minutes=30, working_days=2), utc(2026, 7, 14, 23, 30)),
        (Lag(run="II"), utc(2026, 7, 17, 23)),
        (Lag(run="II", working_days=1, minutes=5), utc(2026, 7, 20, 23, 5)),
        (Lag(run="R1"), utc(2026, 9, 4, 23)),
        (Lag(run="RF"), utc(2027, 9, 6, 23)),
    ],
)
def test_lag_of_a_settlement_day(lag: Lag, end: datetime):
    assert calendar.lag_end(lag, *calendar.day_bounds_utc(date(2026, 7, 10))) == end


def test_lag_in_days_counts_from_the_last_day_of_a_window():
    start, _ = calendar.day_bounds_utc(date(2026, 7, 6))
    _, end = calendar.day_bounds_utc(date(2026, 7, 8))
    assert calendar.lag_end(Lag(working_days=1), start, end) == calendar.day_bounds_utc(date(2026, 7, 9))[1]


def test_lag_ends_at_london_midnight_across_a_clock_change():
    start, end = calendar.day_bounds_utc(date(2026, 10, 23))
    assert calendar.lag_end(Lag(working_days=1), start, end) == utc(2026, 10, 27)


def test_a_run_that_is_no_longer_held_counts_as_the_next_one():
    window = calendar.day_bounds_utc(date(2027, 7, 5))
    assert calendar.lag_end(Lag(run="R3"), *window) == calendar.lag_end(Lag(run="RF"), *window)
    with pytest.raises(CalendarError, match="none after it"):
        calendar.lag_end(Lag(run="DF"), *window)


@given(
    st.dates(date(2001, 1, 1), date(2026, 9, 30)), st.sampled_from([Lag(minutes=5), Lag(working_days=3), Lag(run="SF")])
)
def test_lags_are_never_over_before_their_window_and_move_with_it(day: date, lag: Lag):
    window, following = calendar.day_bounds_utc(day), calendar.day_bounds_utc(day + timedelta(days=1))
    end = calendar.lag_end(lag, *window)
    assert window[1] <= end <= calendar.lag_end(lag, *following)
    assert not calendar.lag_passed(lag, *window, now=end - timedelta.resolution)
    assert calendar.lag_passed(lag, *window, now=end)


def test_a_lag_that_cannot_be_dated_is_not_over_while_holidays_are_known():
    window = calendar.day_bounds_utc(date(2027, 6, 1))
    with pytest.raises(CalendarError, match="ends beyond 2027-12-31"):
        calendar.lag_end(Lag(run="RF"), *window)
    assert not calendar.lag_passed(Lag(run="RF"), *window, now=utc(2027, 12, 31, 23, 59))
    with pytest.raises(CalendarError, match="ends beyond 2027-12-31"):
        calendar.lag_passed(Lag(run="RF"), *window, now=utc(2028, 1, 1))


def test_an_empty_window_and_a_naive_now_are_refused():
    start, end = calendar.day_bounds_utc(SPRING)
    with pytest.raises(CalendarError, match="end after it begins"):
        calendar.lag_end(Lag(working_days=1), end, start)
    with pytest.raises(CalendarError, match="no time zone"):
        calendar.lag_passed(Lag(), start, end, now=datetime(2026, 7, 1))
