"""Lateness is learned from when publications came; what was late because we were down teaches nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.programs.lateness import DRAWS, INDO, START, called_late, simulate, taught
from energy_assets.catalogue import dataset, datasets
from energy_assets.checks import lateness
from energy_assets.checks.lateness import FEWEST, HALF_HOUR, RATE, Ask, Late, Observation, learn, observed
from energy_assets.checks.learned import OFTEN_DAYS, awaited

MARGIN = timedelta(minutes=20)
CUT = START + timedelta(days=OFTEN_DAYS)
RULE = awaited(INDO)


def observations(delays: list[float], slot: int = 0) -> list[Observation]:
    return [Observation(slot, delay, float(n)) for n, delay in enumerate(delays)]


@pytest.mark.parametrize("name", DRAWS)
def test_honest_publications_are_called_late_no_more_often_than_the_rate(name: str):
    world = simulate(DRAWS[name], OFTEN_DAYS + 14, seed=3)

    false = called_late(world, taught(world, CUT), CUT, CUT + timedelta(days=14))

    assert len(false) <= RATE * 14 * 48


@pytest.mark.parametrize("name", DRAWS)
def test_an_outage_of_the_provider_is_told_within_hours(name: str):
    begin = CUT + timedelta(days=2, hours=3)
    span = (begin, begin + timedelta(hours=6))
    world = simulate(DRAWS[name], OFTEN_DAYS + 4, seed=3, outage=[span])

    found = called_late(world, taught(world, CUT), *span)

    assert min(found.values()) - begin < timedelta(hours=2, minutes=30)


def test_our_own_outages_teach_nothing():
    nights = [(START + timedelta(days=d, hours=1), START + timedelta(days=d, hours=9)) for d in range(0, OFTEN_DAYS, 2)]
    draw = DRAWS["normal, 15 ± 3 min"]

    calm = taught(simulate(draw, OFTEN_DAYS, seed=5), CUT)
    down = taught(simulate(draw, OFTEN_DAYS, seed=5, down=nights), CUT)

    assert calm is not None and down is not None and down.count < calm.count
    for slot in range(48):
        assert abs(down.delay(slot) - calm.delay(slot)) <= timedelta(minutes=20)


def test_an_outage_of_the_provider_does_not_become_its_habit():
    day = START + timedelta(days=10)
    draw = DRAWS["normal, 15 ± 3 min"]

    calm = taught(simulate(draw, OFTEN_DAYS, seed=5), CUT)
    broken = taught(simulate(draw, OFTEN_DAYS, seed=5, outage=[(day, day + timedelta(hours=12))]), CUT)

    assert calm is not None and broken is not None
    assert all(broken.delay(slot) <= calm.delay(slot) + timedelta(minutes=15) for slot in range(48))


def test_what_is_absent_while_nobody_asks_is_not_late():
    draw = DRAWS["normal, 15 ± 3 min"]
    down = (CUT + timedelta(days=1), CUT + timedelta(days=1, hours=8))
    world = simulate(draw, OFTEN_DAYS + 2, seed=5, down=[down])

    assert called_late(world, taught(world, CUT), *down) == {}


def test_without_enough_arrivals_the_catalogues_lag_counts():
    place = CUT
    asks = [Ask(CUT + timedelta(hours=8), CUT - timedelta(days=1), CUT + timedelta(days=1))]
    settled = timedelta(minutes=INDO.timing.settled.minutes)

    def first(now: datetime) -> list[Late]:
        found = lateness.late(INDO, RULE, None, {}, asks, now)
        return [late for late in found if late.place == place]

    assert learn(observations([60.0] * (FEWEST - 1)), MARGIN) is None
    assert first(CUT + HALF_HOUR + settled - timedelta(minutes=1)) == []
    assert first(CUT + timedelta(hours=8)) == [Late(place, place + HALF_HOUR + settled)]


@given(st.lists(st.floats(0, 1e5), min_size=FEWEST, max_size=300), st.floats(0, 1e5))
def test_the_deadline_is_beyond_nearly_all_arrivals_and_moves_with_them(delays: list[float], shift: float):
    learned = learn(observations(delays), MARGIN)
    moved = learn(observations([d + shift for d in delays]), MARGIN)
    assert learned is not None and moved is not None

    beyond = sum(timedelta(seconds=d) > learned.delay(0) for d in delays)
    assert beyond <= RATE * len(delays)
    assert abs((moved.delay(0) - learned.delay(0)).total_seconds() - shift) < 1
    assert learned.delay(0) >= timedelta(seconds=learned.medians[0]) + MARGIN


@given(st.integers(0, 47), st.integers(0, 90))
def test_an_arrival_teaches_only_if_the_ask_before_it_was_a_poll_ago(period: int, minutes: int):
    place = CUT + period * HALF_HOUR
    since = place + HALF_HOUR
    window = (CUT - timedelta(days=1), CUT + timedelta(days=2))
    own = since + timedelta(hours=3)
    asks = [Ask(own - timedelta(minutes=minutes), *window), Ask(own, *window)]

    found = observed(INDO, RULE, {place: own + timedelta(seconds=5)}, asks)

    known = minutes * 60 <= lateness.tolerance(INDO).total_seconds()
    # Two asks at the same moment are one look, and the one before it was three hours ago.
    assert [o.slot for o in found] == ([RULE.slot(place)] if known else [])


def test_a_late_publication_is_told_with_dataset_day_and_what_to_do():
    found = lateness.judge(INDO, None, [Late(CUT, CUT + timedelta(hours=1))], CUT + timedelta(hours=9))

    assert (found.passed, found.severity, found.numbers["minutes_late"]) == (False, "error", 480)
    assert "bmrs/indo, 2026-06-29" in found.text and "the catalogue's lag" in found.text and found.text.endswith(".")
    assert lateness.judge(INDO, None, [], CUT).passed


def test_lateness_is_learned_where_the_provider_states_no_lag():
    rules = {d.name: awaited(d) for d in datasets()}

    assert rules["bmrs/fuelinst"] is None and rules["bmrs/sel"] is None
    assert rules["bmrs/indo"].kind == "periods" and rules["bmrs/ndf"].kind == "following"
    assert rules["bmrs/disbsad"].kind == "days" and rules["bmrs/disbsad"].by_weekday
    assert all(d.timing.standing != "stated" for d in datasets() if rules[d.name])
    assert not any(rules[d.name] for d in datasets() if d.is_register or d.files or d.provider == "iris")


def test_publications_that_follow_no_grid_are_awaited_from_the_one_before():
    forecast = dataset("NDF")
    rule = awaited(forecast)
    places = [START + timedelta(minutes=30 * n) for n in range(40)]
    window = (START - timedelta(days=1), START + timedelta(days=3))
    arrivals = {p: p + timedelta(minutes=2) for p in places}
    asks = [Ask(START + timedelta(minutes=15 * n + 1), *window) for n in range(200)]

    learned = learn(observed(forecast, rule, arrivals, asks), timedelta(minutes=20))
    assert learned is not None
    soon = lateness.late(forecast, rule, learned, arrivals, asks, places[-1] + timedelta(minutes=40))
    later = lateness.late(forecast, rule, learned, arrivals, asks, places[-1] + timedelta(hours=3))

    assert soon == []
    assert [late.place for late in later] == [places[-1]]


def test_what_was_learned_is_kept_for_the_day(tmp_path: Path):
    file = tmp_path / "learned" / "lateness.json"
    made = learn(observations([60.0 * n for n in range(200)], slot=3), MARGIN)
    today = date(2026, 7, 1)

    assert lateness.recall(file, today) == {}
    lateness.remember(file, today, {"bmrs/indo": made, "bmrs/mid": None})

    assert lateness.recall(file, today) == {"bmrs/indo": made, "bmrs/mid": None}
    assert lateness.recall(file, today + timedelta(days=1)) == {}
    file.write_text('{"day": "2026-07-01", "learned": {"bmrs/indo": {"count": 1}}}')
    assert lateness.recall(file, today) == {}


def test_slots_follow_the_london_clock():
    assert RULE.slot(datetime(2026, 7, 1, 11, 30, tzinfo=UTC)) == 25
    assert RULE.slot(datetime(2026, 1, 1, 12, 30, tzinfo=UTC)) == 25
