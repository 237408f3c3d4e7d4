"""Holes by sequence numbers and receipts, and how they are joined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.ingest.model import Seen, Window
from energy_assets.ingest.outages import AT_REST, Hole, joined, skipped, streams_kept, unvouched

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=12)
SECOND = timedelta(seconds=1)

Message = tuple[int | None, datetime, str, int]


def register(*messages: Message) -> pa.Table:
    kinds = {
        "sequence_number": pa.int64(),
        "enqueued_utc": pa.timestamp("us"),
        "table_name": pa.string(),
        "rows": pa.int64(),
    }
    columns = list(zip(*messages, strict=True)) or [(), (), (), ()]
    columns[1] = tuple(at.replace(tzinfo=None) for at in columns[1])
    return pa.table({name: pa.array(values, kind) for (name, kind), values in zip(kinds.items(), columns, strict=True)})


def numbered(*numbers: int | None) -> pa.Table:
    return register(*((n, NOON + SECOND * (n or 0), "t", 1) for n in numbers))


def seen(begin: datetime, end: datetime, *, covered: bool = True) -> Seen:
    return Seen(Window(begin, end), LATER if covered else None, None)


def test_a_skipped_number_is_a_hole_between_its_neighbours() -> None:
    (hole,) = skipped(numbered(4, 1, 2, 7, 3, 4, None), LATER)
    assert hole.from_utc == NOON + 4 * SECOND
    assert hole.to_utc == NOON + 7 * SECOND + timedelta(microseconds=1)
    assert hole.reason == "2 sequence numbers were skipped" and hole.tables == ()


def test_what_may_still_come_is_not_missing() -> None:
    table = numbered(1, 2, 9)
    assert len(skipped(table, NOON + 9 * SECOND + AT_REST + SECOND)) == 1
    assert skipped(table, NOON + 9 * SECOND + AT_REST) == []


@given(st.sets(st.integers(0, 40)))
def test_every_missing_number_lies_in_exactly_one_hole(numbers: set[int]) -> None:
    holes = skipped(numbered(*numbers), LATER)
    missing = set(range(min(numbers), max(numbers))) - numbers if numbers else set()
    for number in range(41):
        at = NOON + SECOND * number
        inside = [h for h in holes if h.from_utc < at < h.to_utc - timedelta(microseconds=1)]
        assert len(inside) == (number in missing)


def test_hours_without_a_receipt_that_vouches_are_holes_of_their_tables() -> None:
    table = register((1, NOON, "a", 3), (2, NOON, "b", 1), (3, NOON + timedelta(hours=1), "a", 1), (4, NOON, "c", 0))
    believed: dict[str, Sequence[Seen]] = {
        "a": [seen(NOON, NOON + SECOND)],
        "b": [seen(NOON, NOON + SECOND, covered=False)],
        "c": [],
    }
    assert unvouched(table, believed) == [
        Hole(NOON, NOON + timedelta(hours=1), ("b",), "rows that were loaded are gone"),
        Hole(NOON + timedelta(hours=1), NOON + timedelta(hours=2), ("a",), "rows that were loaded are gone"),
    ]
    assert unvouched(table, {}) == [], "tables that nobody asks about are left alone"
    assert unvouched(register(), believed) == []


def test_holes_that_touch_are_one() -> None:
    hour = timedelta(hours=1)
    holes = [
        Hole(NOON + hour, NOON + 2 * hour, (), "stopped"),
        Hole(NOON, NOON + hour, (), "not running"),
        Hole(NOON + 3 * hour, NOON + 4 * hour, (), "stopped"),
        Hole(NOON, NOON + hour, ("a",), "gone"),
    ]
    assert joined(holes) == [
        Hole(NOON, NOON + hour, ("a",), "gone"),
        Hole(NOON, NOON + 2 * hour, (), "not running; stopped"),
        Hole(NOON + 3 * hour, NOON + 4 * hour, (), "stopped"),
    ]


def test_streams_are_kept_that_the_queue_brings() -> None:
    assert streams_kept(register((1, NOON, "a", 1), (2, NOON, "b", 0))) == {"a", "b"}
