"""Which days and datasets a tick is about, at the hours at which people get it wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from energy_assets import calendar
from energy_assets.assets.partitions import spans
from energy_assets.automation.ticks import CATCH_UP, RECENT_DAYS, TICK, refresh_requests, revision_requests
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Lag

LIVE = tuple(dataset(n) for n in ("FUELINST", "FUELHH", "MID", "BOD"))


def days(first: date, last: date) -> list[date]:
    return list(calendar.days_between(first, last))


def bounds(day: date) -> tuple[datetime, datetime]:
    return calendar.day_bounds_utc(day)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("tick", "today"),
    [
        ("2026-07-15T22:45", date(2026, 7, 15)),
        ("2026-07-15T23:00", date(2026, 7, 16)),
        ("2026-07-15T23:30", date(2026, 7, 16)),
        ("2026-01-15T23:30", date(2026, 1, 15)),
        ("2026-03-29T00:45", date(2026, 3, 29)),
        ("2026-03-29T01:00", date(2026, 3, 29)),
        ("2026-03-29T22:45", date(2026, 3, 29)),
        ("2026-03-29T23:00", date(2026, 3, 30)),
        ("2026-10-24T23:00", date(2026, 10, 25)),
        ("2026-10-25T00:30", date(2026, 10, 25)),
        ("2026-10-25T01:30", date(2026, 10, 25)),
        ("2026-10-25T23:45", date(2026, 10, 25)),
        ("2026-10-26T00:00", date(2026, 10, 26)),
        ("2024-02-28T23:45", date(2024, 2, 28)),
        ("2024-02-29T00:00", date(2024, 2, 29)),
    ],
)
def test_today_is_the_london_day(tick: str, today: date) -> None:
    request = refresh_requests(LIVE, at(tick))[0]
    assert (request.first, request.last) == (today, today)
    assert request.datasets


def test_yesterday_is_looked_at_in_the_first_hour_and_then_hourly() -> None:
    midnight = at("2026-07-14T23:00")
    looks = {
        str(n * TICK)
        for n in range(24 * 4)
        for r in refresh_requests(LIVE, midnight + n * TICK)
        if r.first == date(2026, 7, 14)
    }
    assert {"0:00:00", "0:15:00", "0:30:00", "0:45:00", "1:00:00"} <= looks
    assert not looks & {"1:15:00", "2:30:00", "12:45:00"}


@pytest.mark.parametrize("day", [date(2026, 7, 15), date(2026, 3, 29), date(2026, 10, 25)])
def test_a_live_dataset_is_in_every_tick_of_the_day(day: date) -> None:
    start, end = calendar.day_bounds_utc(day)
    ticks = int((end - start) / TICK)
    assert ticks in (92, 96, 100)
    for n in range(ticks):
        request = refresh_requests(LIVE, start + n * TICK)[0]
        assert request.first == day
        assert LIVE[0] in request.datasets, start + n * TICK


def test_a_daily_dataset_is_in_few_ticks_yet_waits_no_longer_than_six_hours() -> None:
    start, end = calendar.day_bounds_utc(date(2026, 7, 15))
    slow = dataset("NDFW")
    found = [start + n * TICK for n in range(96) if refresh_requests([slow], start + n * TICK)]
    assert 4 <= len(found) <= 40
    assert max(b - a for a, b in zip(found, [*found[1:], end], strict=True)) <= timedelta(hours=6)


def test_a_quarter_of_an_hour_plans_far_fewer_than_all() -> None:
    """Every dataset planned is an event kept, whatever comes of it."""
    start, _ = calendar.day_bounds_utc(date(2026, 7, 15))
    morning = start + timedelta(hours=6)
    planned = sum(len(r.datasets) for n in range(24) for r in refresh_requests(datasets("bmrs"), morning + n * TICK))
    assert planned < 0.75 * 24 * len(datasets("bmrs"))


def test_revisions_look_at_the_last_week_of_everything_but_registers() -> None:
    first = revision_requests(datasets("bmrs"), at("2026-11-23T07:20"))[0]
    assert (first.first, first.last) == (date(2026, 11, 16), date(2026, 11, 22))
    assert {d.code for d in datasets("bmrs") if d.query.unit == "snapshot"}.isdisjoint(d.code for d in first.datasets)
    assert len(first.datasets) > 90


@pytest.mark.parametrize("run", ["II", "SF", "R1", "R2", "R3", "RF"])
def test_revisions_reach_the_days_of_every_settlement_run(run: str) -> None:
    """A day is asked for in the week after its run, by the dataset that is read again for it."""
    tick = at("2026-11-23T07:20")
    covered = {d for r in revision_requests([dataset("B1610")], tick) for d in days(r.first, r.last)}
    lately = days(date(2026, 11, 23) - timedelta(days=CATCH_UP.days - 1), date(2026, 11, 22))
    ran = {d for d in days(date(2025, 6, 1), date(2026, 11, 20)) if calendar.lag_passed(Lag(run=run), *bounds(d), tick)}
    due = {d for d in ran if calendar.settlement_run_date(d, run) in lately}
    assert due
    assert due <= covered


def test_revisions_survive_the_change_to_a_shorter_timetable() -> None:
    """After July 2027 newer days reach a run before older ones do."""
    covered = {d for r in revision_requests([dataset("B1610")], at("2027-07-24T07:20")) for d in days(r.first, r.last)}
    assert any(d >= date(2027, 7, 2) for d in covered)
    assert any(d < date(2027, 7, 2) for d in covered)


def test_revisions_are_bounded_ranges_that_do_not_meet() -> None:
    for month in (1, 4, 7, 10):
        requests = revision_requests(datasets("bmrs"), datetime(2026, month, 20, 7, 20, tzinfo=UTC))
        ranges = sorted((r.first, r.last) for r in requests)
        assert all((last - first).days < 92 for first, last in ranges)
        assert all(a[1] < b[0] for a, b in pairwise(ranges))
        assert sum((last - first).days + 1 for first, last in ranges) < 92
        assert ranges[-1] == (date(2026, month, 20) - timedelta(days=RECENT_DAYS), date(2026, month, 19))


def test_spans_join_neighbours_and_stay_bounded() -> None:
    start = date(2024, 2, 27)
    every = [start + timedelta(days=n) for n in range(100)]
    assert spans([every[5], every[0], every[1], every[0]]) == [(every[0], every[1]), (every[5], every[5])]
    assert spans(every) == [(every[0], every[91]), (every[92], every[99])]
    assert spans([]) == []


@pytest.mark.parametrize("tick", ["2028-01-05T12:15", "2028-02-28T12:15", "2029-06-28T06:00"])
def test_beyond_the_announced_bank_holidays_the_others_are_still_asked_for(tick: str) -> None:
    """That nothing can be planned is said by the run, of the datasets that it concerns."""
    everything = datasets("bmrs")
    named = {d.code for r in refresh_requests(everything, at(tick)) for d in r.datasets}
    assert {"FUELINST", "FREQ", "BOD"} <= named
    (recent, *_) = revision_requests(everything, at(tick))
    assert {d.code for d in recent.datasets} == {d.code for d in everything if not d.is_register}
