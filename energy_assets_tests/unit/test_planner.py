"""The planner is pure: entry, days, receipts and time in; windows out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets import calendar
from energy_assets.catalogue.model import (
    Dataset,
    Field,
    Lag,
    OrderBy,
    Query,
    StorageAxis,
    Table,
    Timing,
    WindowCheck,
)
from energy_assets.ingest.model import Seen, Window
from energy_assets.ingest.planner import SUSPECT_GIVE_UP, atoms_of, halves, plan

DAY = date(2026, 7, 15)
LATER = datetime(2026, 7, 25, 12, tzinfo=UTC)


def entry(query: Query, timing: Timing | None = None, begins: date = date(2016, 1, 1)) -> Dataset:
    table = Table(
        name="bmrs_made_up",
        dataset="MADE_UP",
        fields=(Field("startTime", "instant", "Start of the period.", nullable=False),),
        event_key=("startTime",),
        version_columns=(),
        latest_order=(OrderBy("startTime"),),
        publish_column=None,
        storage=StorageAxis("instant", "startTime"),
    )
    return Dataset(
        code="MADE_UP",
        provider="bmrs",
        title="Made up",
        description="For tests.",
        group="tests",
        profiles=("all",),
        query=query,
        table=table,
        check=WindowCheck("instant", "startTime"),
        revision="revised_in_place",
        timing=timing or Timing("half-hourly", "stated", settled=Lag(minutes=120), poll_minutes=10),
        begins=begins,
    )


HOURLY = Query("/x", unit="instant", atom=60, most=240)
DAILY = Query("/x", unit="day", atom=1, most=7)
PERIODS = Query("/x", unit="period", atom=2, most=4)
LIMITED_TO_A_DAY = Query("/x", unit="instant", atom=1440, most=1440)
YEARLY = Query("/x", unit="instant", atom=1440, most=1440 * 366)
SIDES = Query("/x", unit="period", atom=1, most=1, branches=(("bidOffer", ("bid", "offer")),))
REGISTER = Query("/x", unit="snapshot")

QUERIES = [HOURLY, DAILY, PERIODS, LIMITED_TO_A_DAY, YEARLY, SIDES]


def covered(windows: Sequence[Window], at: datetime) -> list[Seen]:
    return [Seen(w, at, None) for w in windows]


def length(dataset: Dataset) -> timedelta:
    query = dataset.query
    return {
        "instant": timedelta(minutes=query.most),
        "day": timedelta(days=query.most, hours=1),
        "period": timedelta(minutes=30 * query.most),
    }[query.unit]


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: f"{q.unit}-{q.atom}-{q.most}")
@given(first=st.dates(date(2016, 1, 1), date(2040, 1, 1)), count=st.integers(1, 12))
def test_windows_tile_the_days_without_gap_or_overlap(query: Query, first: date, count: int) -> None:
    dataset = entry(query)
    last = first + timedelta(days=count - 1)
    result = plan(dataset, first, last, (), calendar.day_bounds_utc(last)[1] + timedelta(days=30))
    for branch in dataset.branch_choices():
        mine = [w for w in result.windows if w.branch == branch]
        assert mine[0].from_utc == calendar.day_start_utc(first)
        assert mine[-1].to_utc == calendar.day_bounds_utc(last)[1]
        assert all(a.to_utc == b.from_utc for a, b in pairwise(mine))
        assert all(w.to_utc - w.from_utc <= length(dataset) for w in mine)


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: f"{q.unit}-{q.atom}-{q.most}")
@given(first=st.dates(date(2016, 1, 1), date(2030, 1, 1)), count=st.integers(1, 9))
def test_what_receipts_cover_is_not_asked_again(query: Query, first: date, count: int) -> None:
    dataset = entry(query)
    last = first + timedelta(days=count - 1)
    now = calendar.day_bounds_utc(last)[1] + timedelta(days=30)
    once = plan(dataset, first, last, (), now)
    again = plan(dataset, first, last, covered(once.windows, now), now)
    assert again.status == "covered"
    assert again.windows == ()


def test_only_the_missing_windows_are_asked_for() -> None:
    dataset = entry(PERIODS)
    windows = plan(dataset, DAY, DAY, (), LATER).windows
    left_out = windows[5]
    seen = covered([w for w in windows if w != left_out], LATER)
    assert plan(dataset, DAY, DAY, seen, LATER).windows == (left_out,)


@pytest.mark.parametrize(
    ("day", "periods"), [(date(2026, 3, 29), 46), (date(2026, 10, 25), 50), (date(2024, 2, 29), 48)]
)
def test_every_period_of_a_clock_change_day_is_planned(day: date, periods: int) -> None:
    dataset = entry(SIDES)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    windows = plan(dataset, day, day, (), now).windows
    assert len(windows) == 2 * periods
    assert [calendar.period_of(w.from_utc)[1] for w in windows[:periods]] == list(range(1, periods + 1))


def test_a_25_hour_day_is_cut_to_the_providers_24_hours() -> None:
    windows = plan(
        entry(LIMITED_TO_A_DAY), date(2026, 10, 25), date(2026, 10, 25), (), datetime(2027, 1, 1, tzinfo=UTC)
    ).windows
    assert [w.to_utc - w.from_utc for w in windows] == [timedelta(hours=24), timedelta(hours=1)]


def test_the_same_days_give_the_same_windows_whatever_the_range() -> None:
    dataset = entry(DAILY)
    wide = plan(dataset, date(2026, 6, 1), date(2026, 7, 10), (), LATER).windows
    narrow = plan(dataset, date(2026, 6, 8), date(2026, 7, 10), (), LATER).windows
    inner = [w for w in wide if w.from_utc >= narrow[1].from_utc]
    assert list(narrow[1:]) == inner


def test_an_unsettled_window_is_asked_again_after_the_poll_interval_and_once_after_it_has_settled() -> None:
    dataset = entry(DAILY, Timing("", "stated", settled=Lag(minutes=120), poll_minutes=10))
    end = calendar.day_bounds_utc(DAY)[1]
    (window,) = plan(dataset, DAY, DAY, (), end).windows
    at = end - timedelta(hours=3)
    assert plan(dataset, DAY, DAY, covered([window], at), at + timedelta(minutes=9)).status == "covered"
    assert plan(dataset, DAY, DAY, covered([window], at), at + timedelta(minutes=10)).status == "due"
    settled = end + timedelta(hours=2)
    assert plan(dataset, DAY, DAY, covered([window], settled - timedelta(minutes=1)), settled).status == "due"
    assert plan(dataset, DAY, DAY, covered([window], settled), settled + timedelta(days=30)).status == "covered"


def test_rereads_are_due_once_each() -> None:
    timing = Timing("", "stated", settled=Lag(minutes=60), rereads=(Lag(working_days=1), Lag(working_days=5)))
    dataset = entry(DAILY, timing)
    (window,) = plan(dataset, DAY, DAY, (), LATER).windows
    settled = calendar.day_bounds_utc(DAY)[1] + timedelta(hours=1)
    first = calendar.lag_end(Lag(working_days=1), window.from_utc, window.to_utc)
    second = calendar.lag_end(Lag(working_days=5), window.from_utc, window.to_utc)
    assert plan(dataset, DAY, DAY, covered([window], settled), first - timedelta(seconds=1)).status == "covered"
    assert plan(dataset, DAY, DAY, covered([window], settled), first).status == "due"
    assert plan(dataset, DAY, DAY, covered([window], first), second - timedelta(seconds=1)).status == "covered"
    assert plan(dataset, DAY, DAY, covered([window], first), second).status == "due"
    assert plan(dataset, DAY, DAY, covered([window], second), second + timedelta(days=400)).status == "covered"


def test_an_unexplained_empty_answer_does_not_cover_is_asked_again_less_and_less_and_not_for_ever() -> None:
    dataset = entry(DAILY)
    (window,) = plan(dataset, DAY, DAY, (), LATER).windows
    now = window.to_utc + timedelta(hours=2)
    asks = []
    empty: list[Seen] = []
    while now < window.to_utc + timedelta(days=40):
        if plan(dataset, DAY, DAY, empty, now).status == "due":
            asks.append(now)
            empty = [Seen(window, None, now)]
        now += timedelta(minutes=15)
    gaps = [b - a for a, b in pairwise(asks)]
    assert len(asks) > 3
    assert gaps == sorted(gaps)
    assert asks[-1] - window.to_utc < 2 * SUSPECT_GIVE_UP + timedelta(hours=1)


def test_a_window_before_its_first_publication_is_not_due_and_says_when() -> None:
    dataset = entry(DAILY, Timing("", "stated", available=Lag(working_days=5), settled=Lag(working_days=6)))
    result = plan(dataset, DAY, DAY, (), calendar.day_bounds_utc(DAY)[1] + timedelta(days=2))
    assert result.status == "not_due"
    assert "MADE_UP is not published before 2026-07-22" in result.reason


def test_days_before_the_data_begin() -> None:
    dataset = entry(DAILY, begins=date(2026, 7, 14))
    assert plan(dataset, date(2026, 7, 1), date(2026, 7, 13), (), LATER).status == "before_begin"
    (window,) = plan(dataset, date(2026, 7, 13), date(2026, 7, 14), (), LATER).windows
    assert window.from_utc == calendar.day_start_utc(date(2026, 7, 14))


def test_the_future_is_not_asked_for() -> None:
    now = datetime(2026, 7, 15, 10, 20, tzinfo=UTC)
    windows = plan(entry(HOURLY), DAY, DAY + timedelta(days=1), (), now).windows
    assert max(w.from_utc for w in windows) <= now < max(w.to_utc for w in windows)


def test_a_register_is_read_for_today_only() -> None:
    now = datetime(2026, 7, 15, 23, 30, tzinfo=UTC)
    dataset = entry(REGISTER)
    assert plan(dataset, date(2026, 7, 16), date(2026, 7, 16), (), now).status == "due"
    result = plan(dataset, DAY, DAY, (), now)
    assert result.status == "not_due"
    assert "2026-07-16" in result.reason


def test_smaller_windows_cover_together() -> None:
    dataset = entry(LIMITED_TO_A_DAY)
    (window,) = plan(dataset, DAY, DAY, (), LATER).windows
    pair = halves(dataset, window)
    assert pair is not None
    assert plan(dataset, DAY, DAY, covered(pair, LATER), LATER).status == "covered"
    assert plan(dataset, DAY, DAY, covered(pair[:1], LATER), LATER).windows == (window,)


def test_reach_takes_in_neighbouring_windows() -> None:
    query = dataclasses.replace(LIMITED_TO_A_DAY, reach=(0, 60))
    windows = plan(entry(query), DAY, DAY, (), LATER).windows
    assert [calendar.settlement_day(w.from_utc) for w in windows] == [DAY, DAY + timedelta(days=1)]


@pytest.mark.parametrize("query", [HOURLY, DAILY, PERIODS, YEARLY], ids=lambda q: q.unit)
def test_halves_join_to_the_whole_and_end_somewhere(query: Query) -> None:
    dataset = entry(query)
    window = plan(dataset, DAY, DAY + timedelta(days=6), (), LATER).windows[0]
    rounds = 0
    while (pair := halves(dataset, window)) is not None:
        assert pair[0].from_utc == window.from_utc
        assert pair[0].to_utc == pair[1].from_utc
        assert pair[1].to_utc == window.to_utc
        window = pair[0]
        rounds += 1
        assert rounds < 40


def test_atoms_of_a_long_range_are_many_and_quick_to_judge() -> None:
    dataset = entry(PERIODS)
    atoms = atoms_of(dataset, date(2025, 1, 1), date(2025, 3, 31), LATER)
    assert len(atoms) == sum(
        calendar.periods_in_day(d) // 2 for d in calendar.days_between(date(2025, 1, 1), date(2025, 3, 31))
    )
