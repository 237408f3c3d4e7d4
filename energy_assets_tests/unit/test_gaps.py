"""What is missing and why, by receipts alone, and what that makes of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets import calendar
from energy_assets.automation import repair
from energy_assets.automation.ticks import Request, refresh_requests, revision_requests
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Gap, Seen, Window
from energy_assets.ingest.outages import Hole
from energy_assets.ingest.planner import judged, missing, plan
from energy_assets.tracking import gaps
from energy_assets.tracking.accepted import accepted
from energy_assets.tracking.gap_look import mark, take_back
from energy_assets.tracking.gaps import (
    NEVER_AFTER,
    TOLD_AFTER,
    TOLD_AFTER_PAST,
    Found,
    conditions,
    family_gaps,
    hole_gaps,
    now_open,
    outlook,
    reconcile,
    windowed_gaps,
)
from energy_assets.warehouse.ledger import Trouble

FUEL = dataset("FUELINST")
MID = dataset("MID")
UNITS = dataset("B1610")
FAMILY = dataset("neso/historic_demand")
NOW = datetime(2026, 7, 20, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def day_start(n: int) -> datetime:
    return calendar.day_start_utc(date(2026, 7, n))


def seen(begin: datetime, end: datetime, covered: datetime | None, empty: datetime | None = None) -> Seen:
    return Seen(Window(begin, end), covered, empty)


def held(first: int, last: int, but: tuple[int, ...] = ()) -> list[Seen]:
    """Whole days covered two days after each."""
    return [
        seen(day_start(n), day_start(n + 1), day_start(n) + 3 * DAY) for n in range(first, last + 1) if n not in but
    ]


def find(
    entry: Dataset,
    receipts: list[Seen],
    now: datetime = NOW,
    troubles: list[Trouble] | None = None,
    known: list[Gap] | None = None,
    first: int = 10,
) -> list[Found]:
    last = calendar.settlement_day(now)
    return windowed_gaps(
        entry, date(2026, 7, first), last, day_start(first), receipts, troubles or [], known or [], now
    )


def told(found: list[Found]) -> list[tuple[datetime, datetime, str]]:
    return [(f.from_utc, f.to_utc, f.why) for f in found]


def gap(begin: datetime, end: datetime, why: str = "missed", **others: object) -> Gap:
    made = Gap("MID", "bmrs_mid", begin, end, "", why, begin, begin + HOUR)  # type: ignore[arg-type]
    return replace(made, **others)  # type: ignore[arg-type]


def trouble(begin: datetime, end: datetime, *, failed: bool = True, rows: int = 0, branch: str = "", at: int = 0):
    asked = end + timedelta(hours=at)
    return Trouble("bmrs_mid", begin, end, branch, failed, rows, asked, asked, "HTTP 500" if failed else "")


def test_days_on_which_the_schedules_do_their_work_have_no_gap():
    """The real rules of schedule and planner, tick by tick, over datasets of every rhythm; looked at every hour."""
    codes = ("FUELINST", "MID", "DISBSAD", "DISEBSP", "INDOD", "RZDR", "B1610", "SYSWARN", "NDFD")
    kept = [dataset(code) for code in codes]
    begin, now = date(2026, 7, 9), datetime(2026, 7, 9, 8, tzinfo=UTC)
    held_now: dict[str, dict[Window, Seen]] = {code: {} for code in codes}

    def ask(requests: Sequence[Request]) -> None:
        for request in requests:
            for entry in request.datasets if request.last >= begin else ():
                own = held_now[entry.code]
                days = max(request.first, begin), request.last
                own.update({w: Seen(w, now, None) for w in plan(entry, *days, list(own.values()), now).windows})

    found: set[tuple[str, str]] = set()
    while now < datetime(2026, 7, 14, 12, tzinfo=UTC):
        if now.minute % 15 == 0:
            ask(refresh_requests(kept, now))
        if (now.hour, now.minute) == (6, 20):
            ask(revision_requests(kept, now))
        if now.minute == 10 and now > datetime(2026, 7, 9, 10, tzinfo=UTC):
            for entry in kept:
                own = list(held_now[entry.code].values())
                since = min((s.window.from_utc for s in own), default=now)
                today = calendar.settlement_day(now)
                found |= {(f.dataset, f.why) for f in windowed_gaps(entry, begin, today, since, own, [], [], now)}
        now += timedelta(minutes=5)
    assert {why for _, why in found} <= {"not_due"}, found


def test_what_the_schedule_asks_for_in_time_is_no_gap():
    """All day long, asked for every quarter of an hour from midnight."""
    past = held(10, 19)
    at = day_start(20)
    while at < day_start(21):
        at += timedelta(minutes=15)
        today = [
            seen(w.from_utc, w.to_utc, at) for w in plan(FUEL, date(2026, 7, 20), date(2026, 7, 20), [], at).windows
        ]
        later = at + timedelta(minutes=44)
        if calendar.settlement_day(later) == date(2026, 7, 20):
            assert find(FUEL, past + today, later) == []


def test_an_hour_without_anybody_asking_is_a_gap_from_the_last_request_on():
    asked = NOW - 6 * HOUR
    receipts = [*held(10, 19), seen(day_start(20), day_start(21), asked)]
    assert told(find(FUEL, receipts, asked + timedelta(minutes=59))) == []
    assert told(find(FUEL, receipts, asked + HOUR)) == [(asked, asked + HOUR, "missed")]
    assert told(find(FUEL, receipts)) == [(asked, NOW, "missed")]
    back = [*receipts, seen(day_start(20), day_start(21), NOW + HOUR)]
    assert told(find(FUEL, back, NOW + HOUR)) == []


def test_a_day_nobody_asked_for_is_missed_and_neighbours_are_one_gap():
    found = find(MID, held(10, 20, but=(13, 14, 17)))
    assert told(found) == [
        (day_start(13), day_start(15), "missed"),
        (day_start(17), day_start(18), "missed"),
    ]


def test_an_empty_answer_is_suspect_for_a_week_and_then_never_published():
    for age, why in ((2, "suspect"), (9, "never_published")):
        now = day_start(14) + age * DAY
        receipts = [*held(10, 13), seen(day_start(14), day_start(15), None, now - HOUR)]
        receipts += [seen(day_start(n), day_start(n + 1), now) for n in range(15, 24)]
        receipts[-1:] = []
        (found,) = find(MID, receipts, now)
        assert (found.from_utc, found.why) == (day_start(14), why)
        assert (now - HOUR - day_start(15) >= NEVER_AFTER) == (why == "never_published")


def test_what_is_not_published_yet_is_not_due():
    receipts = [seen(day_start(n), day_start(n + 1), day_start(n) + 8 * DAY) for n in range(10, 13)]
    found = find(UNITS, receipts, day_start(16))
    assert {f.why for f in found} == {"not_due"}
    assert max(f.to_utc for f in found) <= day_start(16)
    assert min(f.from_utc for f in found) == day_start(13)


def test_a_failure_is_the_note_and_unreadable_rows_are_quarantined():
    receipts = held(10, 20, but=(13, 17))
    troubles = [trouble(day_start(13), day_start(14)), trouble(day_start(17), day_start(18), rows=9)]
    found = find(MID, receipts, troubles=troubles)
    assert [(f.why, f.note) for f in found] == [("missed", "HTTP 500"), ("quarantined", "HTTP 500")]


def test_rows_in_quarantine_of_a_window_that_is_held_are_a_gap_until_it_is_read_again():
    bad = trouble(day_start(12), day_start(13), failed=False, rows=2, at=1)
    assert find(MID, held(10, 20), troubles=[bad]) == [], "what was read later stands"
    late = replace(bad, requested_utc=NOW)
    (found,) = find(MID, held(10, 20), troubles=[late])
    assert (found.from_utc, found.why, found.note) == (day_start(12), "quarantined", "2 rows could not be typed")


def test_a_person_s_word_stands_until_it_is_there():
    never = gap(day_start(13), day_start(15), "never_published", note="the service was down")
    receipts = held(10, 20, but=(13, 14, 15))
    found = find(MID, receipts, known=[never])
    assert told(found) == [
        (day_start(13), day_start(15), "never_published"),
        (day_start(15), day_start(16), "missed"),
    ]
    changes = reconcile(found, [never], NOW)
    assert [(c.from_utc, c.why) for c in changes] == [(day_start(15), "missed")]
    (closed,) = reconcile(find(MID, held(10, 20), known=[never]), [never], NOW)
    assert (closed.closed_utc, closed.note) == (NOW, "published after all")


def test_nobody_asks_for_what_was_never_published_and_it_counts_as_nothing_missing():
    never = gap(day_start(13), day_start(14), "never_published")
    receipts = held(10, 18, but=(13,))
    days = date(2026, 7, 10), date(2026, 7, 18)
    own = Window(day_start(13), day_start(14))
    taken = [*receipts, *accepted([never], NOW)["MID"]]
    assert {*plan(MID, *days, receipts, NOW).windows} - {*plan(MID, *days, taken, NOW).windows} == {own}
    assert missing(MID, *days, receipts, NOW) == (own,)
    assert missing(MID, *days, taken, NOW) == ()

    def asked_days(never_asked: dict[str, list[Seen]] | None) -> set[date]:
        requests = repair.open_ranges([MID], *days, {"MID": receipts}, NOW, never_asked)
        return {day for r in requests for day in calendar.days_between(r.first, r.last)}

    assert asked_days(None) - asked_days(accepted([never], NOW)) == {date(2026, 7, 13)}
    assert accepted([gap(day_start(13), day_start(14)), replace(never, closed_utc=NOW)], NOW) == {}


def test_the_ledger_writes_what_changed_and_nothing_else():
    first = reconcile([item(13, 14)], [], NOW)
    assert [(g.opened_utc, g.closed_utc) for g in first] == [(NOW, None)]
    assert reconcile([item(13, 14)], first, NOW + HOUR) == []

    (grown,) = reconcile([item(13, 15)], first, NOW + HOUR)
    assert (grown.opened_utc, grown.to_utc) == (NOW, day_start(15))
    later, closed = reconcile([item(14, 15)], [grown], NOW + 2 * HOUR)
    assert (later.opened_utc, later.from_utc) == (NOW, day_start(14))
    assert (closed.key, closed.closed_utc) == (grown.key, NOW + 2 * HOUR)
    assert closed.note == "goes on from 2026-07-13 23:00Z"
    assert now_open([grown], [later, closed]) == [later]
    (filled,) = reconcile([], [later], NOW + 3 * HOUR)
    assert (filled.note, now_open([later], [filled])) == ("filled", [])


def item(first: int, end: int, why: str = "missed", branch: str = "", note: str = "") -> Found:
    begin = day_start(first)
    return Found("MID", "bmrs_mid", begin, day_start(end), branch, why, begin, note)  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["missed", "suspect", "never_published"])), max_size=6),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["missed", "suspect", "never_published"])), max_size=6),
)
def test_after_its_changes_the_ledger_says_what_was_found(before: list[tuple[int, str]], after: list[tuple[int, str]]):
    looks = [[item(n, n + 1, why) for n, why in {n: (n, w) for n, w in look}.values()] for look in (before, after)]
    known = reconcile(looks[0], [], NOW)
    changes = reconcile(looks[1], known, NOW + HOUR)
    state = now_open(known, changes)
    assert sorted((g.from_utc, g.to_utc, g.why) for g in state) == sorted(told(looks[1]))
    assert reconcile(looks[1], state, NOW + 2 * HOUR) == []
    assert all(g.closed_utc == NOW + HOUR for g in changes if not g.is_open)


def test_people_are_told_of_what_was_missed_and_lasts():
    live = gap(NOW - HOUR, NOW, opened_utc=NOW)
    past = gap(day_start(13), day_start(14), opened_utc=NOW)
    names = {"bmrs_mid": "bmrs/mid"}
    assert conditions([live, past], names, NOW + TOLD_AFTER - HOUR) == []
    (one,) = conditions([live, past], names, NOW + TOLD_AFTER)
    assert (one.key, one.kind, one.severity) == ("gap bmrs/mid", "gap", "warning")
    assert "between 2026-07-20 15:00Z and 2026-07-20 16:00Z" in one.text
    assert "`energy-assets gaps accept 'bmrs/mid' --from 2026-07-20 --to 2026-07-20 --note ...`" in one.remedy
    (both,) = conditions([live, past], names, NOW + TOLD_AFTER_PAST)
    assert both.text.startswith("2 gaps between 2026-07-12 23:00Z")
    quiet = [replace(past, why=why) for why in ("never_published", "suspect", "not_due", "quarantined")]
    assert conditions(quiet, names, NOW + 30 * DAY) == []
    assert conditions([past], {}, NOW + 30 * DAY) == [], "nobody keeps it any more"


def test_a_resource_that_keeps_failing_is_a_gap_of_its_family_until_it_succeeds():
    begin = day_start(18)

    def newest(hours: int, failed: bool, version: str) -> Trouble:
        made = trouble(begin, begin + DAY, failed=failed, branch=f"resource=abc,modified={version}")
        return replace(made, recorded_utc=begin + hours * HOUR)

    assert family_gaps(FAMILY, [newest(1, False, "1")], []) == []
    (found,) = family_gaps(FAMILY, [newest(1, False, "1"), newest(3, True, "2"), newest(5, True, "3")], [])
    assert (found.branch, found.why, found.since_utc) == ("resource=abc", "missed", begin + 3 * HOUR)
    (known,) = reconcile([found], [], NOW)
    (again,) = family_gaps(FAMILY, [newest(9, True, "3")], [known])
    assert (again.from_utc, again.since_utc) == (known.from_utc, known.since_utc)
    assert family_gaps(FAMILY, [newest(9, True, "3"), newest(10, False, "3")], [known]) == []
    empty = replace(newest(10, False, "4"), empty=True, reason="the register came without rows")
    (suspect,) = family_gaps(FAMILY, [newest(9, True, "3"), empty], [known])
    assert (suspect.why, suspect.note, suspect.since_utc) == ("suspect", empty.reason, known.since_utc)
    (changed,) = reconcile([suspect], [known], NOW)
    assert outlook(changed, FAMILY, NOW) == "read again when the portal has it anew"


@pytest.mark.parametrize(
    ("hole", "why"),
    [
        (Hole(NOW - 6 * HOUR, NOW, (), "down", lasting=True), "missed"),
        (Hole(NOW - HOUR / 2, NOW, (), "down", lasting=True, queued=True), None),
        (Hole(NOW - 6 * HOUR, NOW, (), "skipped", state="filled"), None),
        (Hole(NOW - 6 * HOUR, NOW, (), "skipped", state="given_up"), "never_published"),
        (Hole(NOW - HOUR / 60, NOW, ("bmrs_freq_iris",), "2 sequence numbers were skipped"), "missed"),
    ],
)
def test_holes_of_the_push_service_are_gaps_until_they_are_filled(hole: Hole, why: str | None):
    found = hole_gaps([hole], {"bmrs_freq_iris": "IRIS-FREQ"})
    assert [f.why for f in found] == ([why] if why else [])
    assert {f.table for f in found} <= {"_iris_messages", "bmrs_freq_iris"}


def test_marking_cuts_a_gap_to_the_days_and_taking_back_closes_it():
    whole = gap(day_start(12), day_start(16))
    changes = mark([whole], date(2026, 7, 13), date(2026, 7, 14), "Elexon said so", NOW)
    state = now_open([whole], changes)
    assert [(g.from_utc, g.to_utc, g.why) for g in state] == [
        (day_start(12), day_start(13), "missed"),
        (day_start(13), day_start(15), "never_published"),
        (day_start(15), day_start(16), "missed"),
    ]
    back = take_back(state, date(2026, 7, 13), date(2026, 7, 13), NOW)
    assert [(g.from_utc, g.note) for g in back] == [(day_start(13), "taken back")]
    assert mark([whole], date(2026, 7, 17), date(2026, 7, 18), "", NOW) == []


def test_what_will_happen_is_said_in_words():
    assert gaps.REPAIR_DAYS == repair.REPAIR_DAYS
    assert outlook(gap(NOW - HOUR, NOW), MID, NOW) == "the next refresh asks for it"
    ahead = outlook(gap(day_start(13), day_start(14)), MID, NOW)
    last = date(2026, 7, 13) + (repair.LIVE_DAYS + repair.REPAIR_DAYS - 1) * DAY
    assert ahead == f"the next repair asks for it, every six hours until {last}"
    holes = held(14, 20)
    held_before = [seen(day_start(12), day_start(13), day_start(20))]
    for later, asks in ((0, True), (1, False)):
        now = day_start(13) + (last - date(2026, 7, 13)).days * DAY + 12 * HOUR + later * DAY
        end = calendar.settlement_day(now) - repair.LIVE_DAYS * DAY
        first = end - (repair.REPAIR_DAYS - 1) * DAY
        found = repair.open_ranges([MID], first, end, {"MID": [*held_before, *holes]}, now)
        assert (date(2026, 7, 13) in {r.first for r in found}) == asks
        assert ("repair" in outlook(gap(day_start(13), day_start(14)), MID, now)) == asks
    old = gap(day_start(13) - 200 * DAY, day_start(14) - 200 * DAY)
    assert "energy-assets backfill bmrs/mid --from 2025-12-24" in outlook(old, MID, NOW)
    assert outlook(gap(day_start(13), day_start(14), "suspect"), MID, NOW) == "asked for again until 2026-07-20"
    assert "due by 2026-07-" in outlook(gap(day_start(13), day_start(14), "not_due"), UNITS, NOW)


def test_every_atom_is_judged_on_every_branch():
    stack = dataset("ISPSTACK")
    found = list(judged(stack, date(2026, 7, 15), date(2026, 7, 15), [], NOW))
    assert {j.window.branch for j in found} == set(stack.branch_choices())
    assert list(judged(stack, date(1999, 1, 1), date(1999, 1, 2), [], NOW)) == []
