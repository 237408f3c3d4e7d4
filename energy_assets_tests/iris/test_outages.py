"""Holes by heartbeats, sequence numbers and receipts, and how they are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.ingest.model import Seen, Window
from energy_assets.ingest.outages import (
    AT_REST,
    CURRENT_AFTER,
    HOUR,
    NUMBERINGS_MOST,
    REMEMBERED,
    SPARSE_LEAST,
    Hole,
    joined,
    skipped,
    unlistened,
    unvouched,
)
from energy_assets.sources.iris.heartbeat import DRAINED, Beat, Event, outages
from energy_assets.sources.iris.tally import SWAPPED

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Row:
    """A message of the register."""

    number: int | None
    at: datetime
    origin: str = "queue"
    table: str = "t"
    rows: int = 1
    received: datetime | None = None


def register(*messages: Row) -> pa.Table:
    instant = pa.timestamp("us")
    columns: dict[str, tuple[pa.DataType, Callable[[Row], object]]] = {
        "sequence_number": (pa.int64(), lambda m: m.number),
        "enqueued_utc": (instant, lambda m: m.at.replace(tzinfo=None)),
        "received_utc": (instant, lambda m: (m.received or m.at).replace(tzinfo=None)),
        "table_name": (pa.string(), lambda m: m.table),
        "rows": (pa.int64(), lambda m: m.rows),
        "origin": (pa.string(), lambda m: m.origin),
    }
    return pa.table({name: pa.array(map(of, messages), kind) for name, (kind, of) in columns.items()})


def numbered(*numbers: int | None) -> pa.Table:
    return register(*(Row(n, NOON + SECOND * (n or 0)) for n in numbers))


def found(*messages: Row) -> list[Hole]:
    told = skipped(register(*messages), LATER)
    assert not told.doubt
    return list(told.holes)


def seen(begin: datetime, end: datetime, *, covered: bool = True) -> Seen:
    return Seen(Window(begin, end), LATER if covered else None, None)


# Sequence numbers.


def test_a_skipped_number_is_a_hole_between_its_neighbours() -> None:
    (hole,) = skipped(numbered(4, 1, 2, 7, 3, 4, None), LATER).holes
    assert hole.from_utc == NOON + 4 * SECOND
    assert hole.to_utc == NOON + 7 * SECOND + TICK
    assert hole.reason == "2 sequence numbers were skipped" and hole.tables == ()


def test_what_may_still_come_is_not_missing() -> None:
    table = numbered(1, 2, 9)
    assert len(skipped(table, NOON + 9 * SECOND + TICK).holes) == 1
    assert skipped(table, NOON + 9 * SECOND).holes == ()
    late = register(Row(1, NOON), Row(9, NOON, received=NOON + HOUR))
    assert skipped(late, NOON + HOUR).holes == (), "files that were written before still wait"
    assert len(skipped(late, NOON + HOUR + TICK).holes) == 1


def test_messages_that_came_from_the_archive_first_fill_their_numbers_places() -> None:
    held = [Row(n, NOON + n * SECOND) for n in (1, 2, 6, 7)]
    without = [Row(None, NOON + n * SECOND, origin=f"blob {n}") for n in (3, 4, 5)]
    assert found(*held, *without) == []
    (hole,) = found(*held, *without[:2])
    assert hole.reason == "3 sequence numbers were skipped"


def test_queues_and_partitions_are_numbered_apart() -> None:
    lanes = (("a", 0), ("b", 0), ("a", 3 << 48), ("a", -7 << 48))
    rows = [
        Row(base + n, NOON + (n * 4 + k) * SECOND, origin) for n in range(50) for k, (origin, base) in enumerate(lanes)
    ]
    assert found(*rows) == []
    lost = rows.pop(101)
    (hole,) = found(*rows)
    assert hole.from_utc < lost.at < hole.to_utc and hole.reason == "1 sequence numbers were skipped"


def test_between_two_numberings_nothing_is_known() -> None:
    old = [Row(n, NOON + n * MINUTE) for n in range(5_000, 5_020)]
    new = [Row(n, old[-1].at + HOUR + n * MINUTE) for n in range(1, 20)]
    assert found(*new, *old) == [
        Hole(old[-1].at, new[0].at + TICK, (), "the queue's numbering began anew"),
    ]
    other = [Row(n, old[3].at + n * MINUTE, origin="second") for n in range(1, 200)]
    assert found(*new, *old, *other) == [], "another queue brought what was sent meanwhile"


def test_numbers_that_begin_anew_again_and_again_are_not_believed() -> None:
    rows = [Row(1, NOON + k * HOUR) for k in range(NUMBERINGS_MOST + 1)]
    told = skipped(register(*rows), LATER)
    assert told.holes == () and "begin anew" in told.doubt
    assert not skipped(register(*rows[:-1]), LATER).doubt


def test_numbers_that_count_no_messages_are_not_believed() -> None:
    def every(step: int, count: int) -> pa.Table:
        return register(*(Row(n * step, NOON + n * SECOND) for n in range(count)))

    told = skipped(every(1_000, SPARSE_LEAST), LATER)
    assert told.holes == () and "not believed" in told.doubt
    assert len(skipped(every(1_000, SPARSE_LEAST - 1), LATER).holes) == SPARSE_LEAST - 2, "too few to tell"
    assert len(skipped(every(2, 1_000), LATER).holes) == 999, "another listener takes every other message"


@given(st.sets(st.integers(0, 40)))
def test_every_missing_number_lies_in_exactly_one_hole(numbers: set[int]) -> None:
    holes = skipped(numbered(*numbers), LATER).holes
    missing = set(range(min(numbers), max(numbers))) - numbers if numbers else set()
    for number in range(41):
        at = NOON + SECOND * number
        inside = [h for h in holes if h.from_utc < at < h.to_utc - TICK]
        assert len(inside) == (number in missing)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Messages of some queues, each made anew now and then, and those of them that were lost.

    The first and the last of each numbering are held: without them nothing shows that it began anew.
    """
    rows: list[Row] = []
    inner: list[int] = []
    for queue in range(draw(st.integers(1, 3))):
        at, base = NOON + draw(st.integers(0, 600)) * SECOND, draw(st.sampled_from([0, 9, 5 << 48]))
        for _ in range(draw(st.integers(1, NUMBERINGS_MOST))):
            count = draw(st.integers(2, 12))
            inner += range(len(rows) + 1, len(rows) + count - 1)
            for number in range(count):
                rows.append(Row(base + number, at, f"queue {queue}"))
                at += draw(st.integers(0, 300)) * SECOND
            at += SWAPPED + SECOND
    lost = draw(st.sets(st.sampled_from(inner))) if inner else set()
    return [r for n, r in enumerate(rows) if n not in lost], [rows[n] for n in sorted(lost)]


@given(worlds(), st.randoms())
def test_every_lost_number_lies_in_a_hole_in_any_order(world: tuple[list[Row], list[Row]], shuffler: Random) -> None:
    held, lost = world
    shuffled = list(held)
    shuffler.shuffle(shuffled)
    told = skipped(register(*shuffled), LATER)
    assert told == skipped(register(*held), LATER)
    assert not told.doubt
    for row in lost:
        assert any(h.from_utc <= row.at < h.to_utc for h in told.holes)


@given(worlds(), st.integers(0, 600))
def test_where_every_number_is_held_no_number_is_missing(world: tuple[list[Row], list[Row]], late: int) -> None:
    held, lost = world
    told = skipped(register(*held, *lost), LATER + late * SECOND)
    assert not told.doubt
    assert {h.reason for h in told.holes} <= {"the queue's numbering began anew"}


# Outages.


Told = tuple[float, Event, float | None]
"""Hour after noon, event, and hour at which the newest message had been queued."""


def beats(*told: Told) -> list[Beat]:
    """Lines by hours after noon, with the time at which the newest message had been queued."""
    run, made = 0, []
    for hour, event, newest in told:
        run += event == "started"
        linked = event in ("alive", "restored")
        reason = DRAINED if event == "stopped" and newest == -1 else None
        queued = None if newest is None or reason else NOON + newest * HOUR
        made.append(
            Beat(
                utc=NOON + hour * HOUR,
                event=event,
                linked=linked,
                run=str(run),
                reason=reason,
                last_enqueued_utc=queued,
            )
        )
    return made


def missed(lines: list[Beat], now: float, held_before: datetime | None = None) -> list[tuple[float, float, bool, bool]]:
    at = NOON + now * HOUR
    holes = unlistened(lines, outages(lines, lines[0].utc, at), held_before, at)
    return [((h.from_utc - NOON) / HOUR, (h.to_utc - NOON) / HOUR, h.lasting, h.queued) for h in holes]


def every_minute(first: float, last: float, newest: float | None = None) -> list[Told]:
    count = round((last - first) * 60)
    return [(first + n / 60, "alive", newest) for n in range(count + 1)]


def test_a_restart_is_left_to_the_queue_and_forgotten_when_that_has_brought_what_came_meanwhile() -> None:
    def after(*newest: float) -> list[tuple[float, float, bool, bool]]:
        restart: list[Told] = [(0, "restored", None), (0.01, "stopped", None)]
        again: list[Told] = [(0.02, "started", None), (0.03, "restored", None)]
        taken: list[Told] = [(0.05, "alive", at) for at in newest]
        return missed(beats(*restart, *again, *taken), 0.06)

    assert after() == after(0.029) == [(0.01, 0.03, False, True)]
    assert after(0.031) == []


def test_a_quiet_queue_is_believed_to_be_empty_after_a_while() -> None:
    rest = AT_REST / HOUR
    lines = beats((0, "stopped", None), *every_minute(1, 1 + rest))
    assert missed(lines, 1 + rest - 0.01)[0][3]
    assert missed(lines, 1 + rest) == []


def test_an_outage_beyond_the_queues_memory_is_a_hole_whole_however_long() -> None:
    for hours in (REMEMBERED / HOUR + 1, 24.0 * 200):
        lines = beats(
            (0, "restored", None), (0.01, "stopped", None), (hours, "restored", None), (hours, "alive", hours)
        )
        assert missed(lines, hours) == [(0.01, hours, False, False)]


def test_an_outage_that_lasts_is_filled_after_a_while() -> None:
    after = CURRENT_AFTER / HOUR
    lines = beats((0, "stopped", None))
    assert missed(lines, after - 0.1) == [(0, after - 0.1, True, True)]
    assert missed(lines, after) == [(0, after, True, False)]


def test_outages_between_which_nobody_caught_up_are_one() -> None:
    lines = beats((0, "stopped", None), (50, "restored", None), (50.01, "lost", None), (80, "restored", 80))
    assert missed(lines, 80.01) == [(0, 80, False, False)]
    caught = beats((0, "stopped", None), (50, "restored", None), (50.01, "lost", 50.001), (80, "restored", 80))
    assert missed(caught, 80.01) == []


def test_a_queue_that_is_drained_now_and_then_has_no_hole() -> None:
    lines: list[Told] = []
    for hour in range(0, 200, 20):
        lines += [(hour, "started", None), (hour + 0.001, "restored", None), (hour + 0.01, "stopped", -1)]
    assert missed(beats(*lines), 180.5) == [(180.01, 180.5, True, True)]


def test_before_the_first_line_the_newest_message_held_says_since_when_nobody_listened() -> None:
    lines = beats((0, "started", None), (0.01, "restored", 0.01))
    assert missed(lines, 0.02) == []
    assert missed(lines, 0.02, NOON - 10 * HOUR) == []
    assert missed(lines, 0.02, NOON - 100 * HOUR) == [(-100, 0.01, False, False)]


EVENTS = st.sampled_from(["started", "restored", "alive", "lost", "stopped"])


@given(st.lists(st.tuples(st.floats(0, 90), EVENTS), min_size=1, max_size=12), st.floats(0, 90))
def test_time_that_the_queue_has_forgotten_lies_in_a_hole(steps: list[tuple[float, Event]], rest: float) -> None:
    hour = 0.0
    lines: list[Told] = []
    for step, event in steps:
        hour += step
        lines.append((hour, event, None))
    told = beats(*lines)
    now = NOON + (hour + rest) * HOUR
    gone = outages(told, told[0].utc, now)
    holes = unlistened(told, gone, None, now)
    assert all(a.to_utc < b.from_utc for a, b in pairwise(holes))
    for outage in gone:
        if outage.to_utc - outage.from_utc > REMEMBERED:
            assert any(h.from_utc <= outage.from_utc and outage.to_utc <= h.to_utc and not h.queued for h in holes)
    for hole in holes:
        assert any(o.from_utc == hole.from_utc for o in gone) and any(o.to_utc == hole.to_utc for o in gone)


# Rows.


def test_hours_without_a_receipt_that_vouches_are_holes_of_their_tables() -> None:
    table = register(
        Row(1, NOON, table="a", rows=3),
        Row(2, NOON, table="b"),
        Row(3, NOON + HOUR, table="a"),
        Row(4, NOON, table="c", rows=0),
    )
    believed: dict[str, Sequence[Seen]] = {
        "a": [seen(NOON, NOON + SECOND)],
        "b": [seen(NOON, NOON + SECOND, covered=False)],
        "c": [],
    }
    assert unvouched(table, believed) == [
        Hole(NOON, NOON + HOUR, ("b",), "rows that were loaded are gone"),
        Hole(NOON + HOUR, NOON + 2 * HOUR, ("a",), "rows that were loaded are gone"),
    ]
    assert unvouched(table, {}) == [], "tables that nobody asks about are left alone"
    assert unvouched(register(), believed) == []


@pytest.mark.parametrize("tables", [(), ("a",)])
def test_holes_that_touch_and_are_alike_are_one(tables: tuple[str, ...]) -> None:
    holes = [
        Hole(NOON + HOUR, NOON + 2 * HOUR, tables, "stopped"),
        Hole(NOON, NOON + HOUR, tables, "not running"),
        Hole(NOON + 3 * HOUR, NOON + 4 * HOUR, tables, "stopped"),
        Hole(NOON, NOON + HOUR, ("b",), "gone"),
        Hole(NOON, NOON + HOUR, tables, "restarted", queued=True),
    ]
    assert sorted(joined(holes), key=lambda h: h.reason) == [
        Hole(NOON, NOON + HOUR, ("b",), "gone"),
        Hole(NOON, NOON + 2 * HOUR, tables, "not running; stopped"),
        Hole(NOON, NOON + HOUR, tables, "restarted", queued=True),
        Hole(NOON + 3 * HOUR, NOON + 4 * HOUR, tables, "stopped"),
    ]
