"""What is due: examples, laws over all inputs, and whole days simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.sources.neso.due import REST, DueTable, Held, Plan, Wanted, due, lane_load, next_table
from energy_assets.sources.neso.portal import Resource

NOON = datetime(2026, 10, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
LANE = timedelta(seconds=30)


def file(id_: str = "f", last_modified: str = "a", at: datetime | None = NOON - HOUR, **wanted: Any) -> Wanted:
    resource = Resource(
        id_,
        "p",
        "1",
        id_,
        url_type="upload",
        last_modified=last_modified,
        last_modified_utc=at if last_modified else None,
    )
    return Wanted(resource, **{"cadence": DAY, "since_utc": NOON - 10 * DAY} | wanted)


def table(id_: str = "t", **wanted: Any) -> Wanted:
    resource = Resource(id_, "p", "1", id_, url_type="datastore")
    return Wanted(resource, **{"cadence": HOUR, "since_utc": NOON - 10 * DAY} | wanted)


def files(plan: Plan) -> list[str]:
    return [one.resource.id for one in plan.files]


def tables(plan: Plan) -> list[str]:
    return [one.resource.id for one in plan.tables]


class TestFiles:
    def test_never_fetched_is_due(self) -> None:
        (one,) = due([file()], {}, NOON).files
        assert (one.resource.id, one.due_utc, one.deadline_utc) == ("f", NOON - HOUR, NOON + 23 * HOUR)

    def test_another_text_is_due_whatever_it_says(self) -> None:
        held = {"f": Held("a", "sha", NOON)}
        assert files(due([file(last_modified="b", at=NOON - 90 * DAY)], held, NOON)) == ["f"]
        assert files(due([file(last_modified="not a time", at=None)], held, NOON)) == ["f"]

    def test_a_change_to_come_by_our_clock_is_due_now(self) -> None:
        (one,) = due([file(at=NOON + 900 * DAY)], {}, NOON).files
        assert one.due_utc == NOON

    def test_the_same_text_is_not(self) -> None:
        plan = due([file()], {"f": Held("a", "sha", NOON - 900 * DAY)}, NOON)
        assert not plan
        assert plan == Plan()

    def test_one_that_moved_to_another_id_is_due(self) -> None:
        assert files(due([file("new")], {"old": Held("a", "sha", NOON)}, NOON)) == ["new"]

    @pytest.mark.parametrize(("since", "expected"), [(DAY, ["f"]), (DAY - MINUTE, [])])
    def test_without_a_stamp_the_cadence_counts(self, since: timedelta, expected: list[str]) -> None:
        assert files(due([file(last_modified="")], {"f": Held("", "sha", NOON - since)}, NOON)) == expected

    def test_those_that_change_fastest_come_first(self) -> None:
        wanted = [
            file("yearly", cadence=365 * DAY, at=NOON - 900 * DAY),
            file("half-hourly", cadence=30 * MINUTE),
            file("older", at=NOON - 3 * HOUR),
            file("newer", at=NOON - 2 * HOUR),
        ]
        assert files(due(wanted, {}, NOON)) == ["half-hourly", "older", "newer", "yearly"]

    def test_links_and_others_are_left_aside(self) -> None:
        other = replace(file(), resource=replace(file().resource, url_type=""))
        assert not due([other], {}, NOON)


class TestTables:
    def test_never_probed_is_due_from_the_moment_it_was_first_told_of(self) -> None:
        (one,) = due([table(since_utc=NOON - HOUR, cadence=DAY)], {}, NOON).tables
        assert (one.due_utc, one.deadline_utc) == (NOON - HOUR, NOON + 23 * HOUR)

    @pytest.mark.parametrize(("since", "expected"), [(HOUR, ["t"]), (HOUR - timedelta(microseconds=1), [])])
    def test_never_before_its_time(self, since: timedelta, expected: list[str]) -> None:
        plan = due([table()], {"t": Held("", "sha", NOON - since)}, NOON)
        assert tables(plan) == expected
        assert plan.next_utc == (None if expected else NOON - since + HOUR)

    def test_a_stamp_on_a_table_is_not_believed(self) -> None:
        stamped = table()
        stamped = replace(stamped, resource=replace(stamped.resource, last_modified="new", last_modified_utc=NOON))
        assert not due([stamped], {"t": Held("old", "sha", NOON - MINUTE)}, NOON).tables

    def test_the_nearest_deadline_comes_first(self) -> None:
        held = {id_: Held("", "sha", NOON - ago) for id_, ago in (("slow", 25 * HOUR), ("quick", 12 * MINUTE))}
        wanted = [table("slow", cadence=DAY), table("quick", cadence=10 * MINUTE), table("new", cadence=30 * DAY)]
        assert tables(due(wanted, held, NOON)) == ["quick", "slow", "new"]

    def test_the_next_is_that_with_the_nearest_deadline_of_those_that_are_due(self) -> None:
        held = {id_: Held("", "sha", NOON - ago) for id_, ago in (("slow", 30 * HOUR), ("quick", 11 * MINUTE))}
        wanted = [table("slow", cadence=DAY), table("quick", cadence=10 * MINUTE), file()]
        chosen = next_table(wanted, held, NOON)
        assert chosen is not None
        assert (chosen.resource.id, chosen.due_utc) == ("quick", NOON - MINUTE)

    @pytest.mark.parametrize(
        ("cadence", "longest"),
        [(10 * MINUTE, 2.5 * MINUTE), (HOUR, 15 * MINUTE), (DAY, 15 * MINUTE)],
    )
    def test_only_who_may_wait_does_so_and_not_long(self, cadence: timedelta, longest: timedelta) -> None:
        held = {"t": Held("", "sha", NOON - cadence + longest)}
        assert next_table([table(cadence=cadence)], held, NOON) is None
        chosen = next_table([table(cadence=cadence)], held, NOON, waits=True)
        assert chosen is not None
        assert chosen.due_utc == NOON + longest
        assert next_table([table(cadence=cadence)], held, NOON - timedelta(seconds=1), waits=True) is None

    @pytest.mark.parametrize("turns", [0, -1])
    def test_no_turns_is_a_mistake(self, turns: int) -> None:
        with pytest.raises(ValueError, match="at least one turn"):
            table(turns=turns)

    @pytest.mark.parametrize("cadence", [timedelta(0), -HOUR])
    def test_no_cadence_is_a_mistake(self, cadence: timedelta) -> None:
        with pytest.raises(ValueError, match="needs a cadence"):
            table(cadence=cadence)


class TestFailures:
    @pytest.mark.parametrize("wanted", [file("x"), table("x")])
    def test_what_failed_rests(self, wanted: Wanted) -> None:
        failed = {"x": Held(failed_utc=NOON - REST + MINUTE)}
        assert not due([wanted], failed, NOON)
        assert due([wanted], failed, NOON + MINUTE)

    def test_but_no_longer_than_its_cadence(self) -> None:
        quick = table(cadence=10 * MINUTE)
        assert due([quick], {"t": Held(failed_utc=NOON - 10 * MINUTE)}, NOON)

    def test_a_failure_before_the_last_success_is_forgotten(self) -> None:
        held = {"t": Held("", "sha", fetched_utc=NOON - HOUR, failed_utc=NOON - HOUR - MINUTE)}
        assert due([table()], held, NOON)


def test_the_load_of_a_lane() -> None:
    wanted = [table(cadence=10 * MINUTE), table(cadence=HOUR, turns=3), file()]
    assert lane_load(wanted, 30) == pytest.approx(30 / 600 + 90 / 3600)


instants = st.integers(0, 5_000).map(lambda minutes: NOON - minutes * MINUTE)
maybe = st.none() | instants
helds = st.builds(Held, st.sampled_from(["", "a", "b"]), st.just("sha"), maybe, maybe)
names = st.sampled_from("abcdefgh")


@st.composite
def wanteds(draw: st.DrawFn) -> list[Wanted]:
    found = []
    for name in draw(st.lists(names, unique=True)):
        kind = draw(st.sampled_from([file, table]))
        options: dict[str, Any] = {"since_utc": draw(instants), "cadence": draw(st.integers(1, 9_000)) * MINUTE}
        if kind is file:
            options |= {"last_modified": draw(st.sampled_from(["", "a", "b"])), "at": draw(maybe)}
        else:
            options |= {"turns": draw(st.integers(1, 5))}
        found.append(kind(name, **options))
    return found


@given(wanteds(), st.dictionaries(names, helds))
def test_laws(wanted: list[Wanted], held: dict[str, Held]) -> None:
    plan = due(wanted, held, NOON)
    for one in (*plan.files, *plan.tables):
        assert one.due_utc <= NOON
    # Whatever is not due now becomes due, and nothing but a tables' own time is waited for.
    if plan.next_utc is not None:
        assert plan.next_utc > NOON
        later = {one.resource.id for one in due(wanted, held, plan.next_utc).tables}
        assert later > {one.resource.id for one in plan.tables}
    # The next table is the first of those that are due, and else the one that becomes due first.
    chosen = next_table(wanted, held, NOON, waits=True)
    if plan.tables:
        assert chosen == plan.tables[0]
    elif chosen is not None:
        assert chosen.due_utc == plan.next_utc
    # What was just fetched is not due again.
    done = held | {w.resource.id: Held(w.resource.last_modified, "sha", NOON) for w in wanted}
    assert not due(wanted, done, NOON)
    assert next_table(wanted, done, NOON) is None


def simulate(wanted: Sequence[Wanted], until: datetime, begin: datetime = NOON) -> dict[str, list[datetime]]:
    """Probe table after table, each turn of the lane half a minute, whenever something is due."""
    now = begin
    held: dict[str, Held] = {}
    probes: dict[str, list[datetime]] = {one.resource.id: [] for one in wanted}
    while now < until:
        plan = due(wanted, held, now)
        if not plan.tables:
            if plan.next_utc is None:
                break
            now = plan.next_utc
            continue
        first: DueTable = plan.tables[0]
        probes[first.resource.id].append(now)
        held[first.resource.id] = Held("", "sha", now)
        now += first.wanted.turns * LANE
    return probes


def check(wanted: Sequence[Wanted], probes: dict[str, list[datetime]], end: datetime, held_up: timedelta) -> None:
    """Each is probed within twice its cadence, or later by as long as one other probe holds the lane; never early."""
    for one in wanted:
        at = [one.since_utc, *probes[one.resource.id]]
        assert max(later - earlier for earlier, later in pairwise([*at, end])) <= 2 * one.cadence + held_up
        assert all(later - earlier >= one.cadence for earlier, later in pairwise(at[1:]))


def test_a_day_of_the_whole_portal() -> None:
    """152 tables as the portal has them: some of ten minutes, most of a day or longer, a few with many pages."""
    kinds = [
        (8, 10 * MINUTE, 1),
        (2, 30 * MINUTE, 1),
        (6, HOUR, 1),
        (20, 12 * HOUR, 1),
        (60, DAY, 1),
        (10, 7 * DAY, 20),
    ]
    kinds += [(46, 30 * DAY, 3)]
    wanted = [
        table(f"{number}-{n}", cadence=cadence, turns=turns, since_utc=NOON)
        for number, (count, cadence, turns) in enumerate(kinds)
        for n in range(count)
    ]
    assert len(wanted) == 152
    assert lane_load(wanted, 30) < 1
    check(wanted, simulate(wanted, NOON + DAY), NOON + DAY, held_up=20 * LANE)


@settings(max_examples=30)
@given(st.lists(st.integers(10, 24 * 60), min_size=1, max_size=18))
def test_every_table_is_probed_within_twice_its_cadence_wherever_the_lane_can_bear_it(minutes: list[int]) -> None:
    wanted = [table(str(n), cadence=cadence * MINUTE, since_utc=NOON) for n, cadence in enumerate(minutes)]
    assert lane_load(wanted, 30) <= 0.9
    check(wanted, simulate(wanted, NOON + 6 * HOUR), NOON + 6 * HOUR, held_up=timedelta(0))


def test_the_simulation_visits_in_the_order_of_deadlines() -> None:
    wanted = [table("a", cadence=HOUR, since_utc=NOON), table("b", cadence=2 * HOUR, since_utc=NOON)]
    probes = simulate(wanted, NOON + 5 * HOUR)
    visits = sorted((instant, name) for name, at in probes.items() for instant in at)
    assert [name for _, name in visits][:4] == ["a", "b", "a", "a"]
