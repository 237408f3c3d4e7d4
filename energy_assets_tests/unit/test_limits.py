"""Resolved export and import limits: Elexon's published examples, and an overlay record by record to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets import calendar
from energy_assets.catalogue import dataset, derived
from energy_assets.catalogue.derived import DECLARED_AFTER, DECLARED_AHEAD
from energy_assets.ingest.limits import DECLARED_COLUMNS, RESOLVED_SCHEMA, resolve, sent_days, touched_days
from energy_assets.warehouse.staging import arrow_schema

DAY = date(2026, 7, 15)
MINUTE = timedelta(minutes=1)


def at(clock: str, day: date = DAY) -> datetime:
    """A UTC instant without a zone; the day of the test unless another is given."""
    return datetime.combine(day, datetime.strptime(clock, "%H:%M").time())


@dataclass(frozen=True)
class Declared:
    """One raw declaration."""

    begin: datetime
    end: datetime
    levels: tuple[float, float]
    sequence: int | None
    notified: datetime | None = datetime(2026, 7, 15, 6)
    unit: str = "DRAXX-1"
    sent: date = DAY
    enqueued: datetime = datetime(2026, 7, 15, 7)

    @property
    def rank(self) -> tuple[Any, ...]:
        """What decides between declarations, the greatest first; the rule as the module states it."""
        published = (
            -1 if self.sequence is None else self.sequence,
            datetime.min if self.notified is None else self.notified,
        )
        return (*published, self.begin - self.end, self.begin, *self.levels)


def declared(begin: str, end: str, levels: tuple[float, float], sequence: int, **more: Any) -> Declared:
    return Declared(at(begin), at(end), levels, sequence, **more)


def table(rows: Iterable[Declared]) -> pa.Table:
    """Declarations as they are read from a table of messages."""
    columns: dict[str, list[Any]] = {name: [] for name in DECLARED_COLUMNS}
    for r in rows:
        values = (r.unit, f"T_{r.unit}", r.begin, r.end, *r.levels, r.notified, r.sequence, r.enqueued, r.sent)
        for name, value in zip(DECLARED_COLUMNS, values, strict=True):
            columns[name].append(value)
    kinds = dict(dataset("iris/mels").table.columns)
    return pa.Table.from_pydict(columns, arrow_schema([(name, kinds[name]) for name in DECLARED_COLUMNS]))


def resolved(rows: Iterable[Declared], days: Sequence[date] = (DAY,)) -> list[dict[str, Any]]:
    return resolve(table(rows), days).to_pylist()


def pieces(rows: Iterable[Declared], days: Sequence[date] = (DAY,)) -> list[tuple[Any, ...]]:
    """Resolved rows in short: times of day, levels, sequence."""
    return [
        (
            f"{r['from_utc']:%H:%M}",
            f"{r['to_utc']:%H:%M}",
            (r["level_from_mw"], r["level_to_mw"]),
            r["notification_sequence"],
        )
        for r in resolved(rows, days)
    ]


# The published examples.

ORIGINAL = [
    declared("11:00", "11:15", (10, 10), 0),
    declared("11:15", "11:30", (20, 20), 1),
    declared("11:30", "12:00", (30, 30), 2),
]
FIRST = declared("11:09", "11:24", (40, 40), 3)
SECOND = declared("11:22", "11:45", (50, 50), 8)
THIRD = declared("11:03", "11:52", (60, 60), 5)


def spans(found: list[tuple[Any, ...]]) -> list[tuple[str, str, int]]:
    return [(begin, end, sequence) for begin, end, _, sequence in found]


def test_the_published_diagram_a_later_sequence_truncates():
    assert spans(pieces([*ORIGINAL, FIRST])) == [
        ("11:00", "11:09", 0),
        ("11:09", "11:24", 3),
        ("11:24", "11:30", 1),
        ("11:30", "12:00", 2),
    ]


def test_the_published_diagram_what_is_covered_wholly_vanishes_and_a_period_boundary_splits():
    assert spans(pieces([*ORIGINAL, FIRST, SECOND])) == [
        ("11:00", "11:09", 0),
        ("11:09", "11:22", 3),
        ("11:22", "11:30", 8),
        ("11:30", "11:45", 8),
        ("11:45", "12:00", 2),
    ]


def test_the_published_diagram_a_redeclaration_out_of_order_is_valid_in_part():
    assert spans(pieces([*ORIGINAL, FIRST, SECOND, THIRD])) == [
        ("11:00", "11:03", 0),
        ("11:03", "11:22", 5),
        ("11:22", "11:30", 8),
        ("11:30", "11:45", 8),
        ("11:45", "11:52", 5),
        ("11:52", "12:00", 2),
    ]


def test_a_slope_is_squeezed_and_keeps_its_levels():
    slope, later = declared("11:00", "11:30", (100, 400), 1), declared("11:20", "11:30", (450, 450), 2)

    assert pieces([slope, later]) == [("11:00", "11:20", (100, 400), 1), ("11:20", "11:30", (450, 450), 2)]


def test_a_slope_is_repeated_where_it_is_split():
    slope, later = declared("11:00", "12:00", (0, 600), 1), declared("11:10", "11:20", (50, 50), 2)

    assert pieces([slope, later]) == [
        ("11:00", "11:10", (0, 600), 1),
        ("11:10", "11:20", (50, 50), 2),
        ("11:20", "11:30", (0, 600), 1),
        ("11:30", "12:00", (0, 600), 1),
    ]
    assert {(r["declared_from_utc"], r["declared_to_utc"]) for r in resolved([slope])} == {(at("11:00"), at("12:00"))}


def test_of_equal_sequences_the_later_notification_counts():
    early = declared("11:00", "11:30", (1, 1), 7, notified=datetime(2026, 7, 15, 6))
    late = declared("11:10", "11:20", (2, 2), 7, notified=datetime(2026, 7, 15, 6, 1))

    assert [levels for _, _, levels, _ in pieces([late, early])] == [(1, 1), (2, 2), (1, 1)]
    assert [levels for _, _, levels, _ in pieces([replace(early, sequence=8), late])] == [(1, 1)]


def test_a_lower_sequence_that_was_notified_later_does_not_count():
    standing = declared("11:00", "11:30", (1, 1), 7, notified=datetime(2026, 7, 15, 6))
    other = declared("11:00", "11:30", (2, 2), 6, notified=datetime(2026, 7, 15, 9))

    assert pieces([standing, other]) == [("11:00", "11:30", (1, 1), 7)]


def test_a_change_of_the_past_changes_the_past():
    gate = [declared("02:00", "02:30", (100, 100), 1), declared("02:30", "03:00", (100, 100), 2)]
    retrospective = declared("02:10", "02:40", (0, 0), 9, notified=datetime(2026, 7, 15, 15))

    assert pieces([*gate, retrospective]) == [
        ("02:00", "02:10", (100, 100), 1),
        ("02:10", "02:30", (0, 0), 9),
        ("02:30", "02:40", (0, 0), 9),
        ("02:40", "03:00", (100, 100), 2),
    ]


# What the rules leave open.


def test_a_declaration_repeated_by_several_messages_counts_once():
    once = declared("11:00", "11:30", (10, 20), 5)
    again = replace(once, enqueued=once.enqueued + timedelta(hours=30), sent=DAY + timedelta(days=1))

    (row,) = resolved([again, once, once])

    assert row["enqueued_utc"] == once.enqueued


def test_spans_without_length_change_nothing():
    row = declared("11:00", "11:30", (10, 10), 1)

    assert pieces([row, declared("11:10", "11:10", (0, 0), 9), declared("11:20", "11:10", (0, 0), 9)]) == pieces([row])
    assert pieces([declared("11:10", "11:10", (0, 0), 9)]) == []


def test_of_equal_declarations_the_part_stands_over_the_whole():
    whole, part = declared("11:00", "13:00", (0, 400), 5), declared("11:30", "12:00", (100, 200), 5)

    found = pieces([whole, part])

    assert [levels for _, _, levels, _ in found] == [(0, 400), (100, 200), (0, 400), (0, 400)]


def test_pieces_of_different_declarations_stay_apart():
    rows = [declared("11:00", "11:10", (10, 20), 5), declared("11:10", "11:30", (10, 20), 5)]

    assert pieces(rows) == [("11:00", "11:10", (10, 20), 5), ("11:10", "11:30", (10, 20), 5)]


def test_a_declaration_without_sequence_or_time_gives_way_to_any_other():
    bare = Declared(at("11:00"), at("11:30"), (9, 9), None, None)

    assert pieces([bare, declared("11:10", "11:30", (1, 1), 0)]) == [
        ("11:00", "11:10", (9, 9), None),
        ("11:10", "11:30", (1, 1), 0),
    ]


def test_units_do_not_meet_and_one_without_a_neso_name_goes_by_its_other():
    rows = table([declared("11:00", "11:30", (1, 1), 1), declared("11:00", "11:30", (2, 2), 9, unit="LBAR-1")])
    nameless = rows.set_column(0, "nationalGridBmUnit", pa.nulls(2, pa.string()))

    for given_rows, named in ((rows, True), (nameless, False)):
        found = resolve(given_rows, [DAY]).to_pylist()
        assert [r["bm_unit"] for r in found] == ["T_DRAXX-1", "T_LBAR-1"]
        assert [r["national_grid_bm_unit"] is not None for r in found] == [named, named]


def test_rows_are_those_of_the_catalogue():
    assert [(f.name, f.type) for f in RESOLVED_SCHEMA] == [
        (f.name, f.type) for f in arrow_schema([(f.name, f.type) for f in derived.TABLES["gb/mels_resolved"].fields])
    ]
    assert resolve(table([]), [DAY]).schema == RESOLVED_SCHEMA
    assert resolve(table([]), []).schema == RESOLVED_SCHEMA


# Days.


@pytest.mark.parametrize(("day", "periods"), [(date(2026, 3, 29), 46), (date(2026, 10, 25), 50), (DAY, 48)])
def test_a_day_has_its_periods_and_midnight_belongs_to_the_next(day: date, periods: int):
    begin, end = (bound.replace(tzinfo=None) for bound in calendar.day_bounds_utc(day))
    long = Declared(begin - timedelta(hours=5), end + timedelta(hours=5), (1, 2), 1, sent=day)

    found = resolved([long], [day])

    assert [r["settlement_period"] for r in found] == list(range(1, periods + 1))
    assert (found[0]["from_utc"], found[-1]["to_utc"]) == (begin, end)
    for r in found:
        assert calendar.period_of(r["from_utc"].replace(tzinfo=UTC)) == (r["settlement_date"], r["settlement_period"])
        assert r["to_utc"] - r["from_utc"] == timedelta(minutes=30)


def test_a_declaration_over_midnight_is_on_both_days():
    # London midnight is 23:00 UTC in summer.
    night = Declared(at("22:45"), at("23:15"), (5, 5), 1)
    following = DAY + timedelta(days=1)

    found = resolved([night], [DAY, following])

    assert [(r["settlement_date"], r["settlement_period"]) for r in found] == [(DAY, 48), (following, 1)]


def test_a_declaration_counts_for_the_days_about_its_sending_only():
    begin, end = at("11:00"), at("11:30")
    near = [Declared(begin, end, (1, 1), 1, sent=day) for day in (DAY - DECLARED_AHEAD, DAY + DECLARED_AFTER)]
    far = [
        Declared(begin, end, (1, 1), 1, sent=day)
        for day in (DAY - DECLARED_AHEAD - timedelta(days=1), DAY + DECLARED_AFTER + timedelta(days=1))
    ]

    assert [len(resolved([row])) for row in (*near, *far)] == [1, 1, 0, 0]
    assert sent_days([DAY, DAY + timedelta(days=2)]) == (DAY - DECLARED_AHEAD, DAY + timedelta(days=2) + DECLARED_AFTER)


def test_touched_are_the_days_that_a_span_covers_an_instant_of():
    day = timedelta(days=1)
    rows = [
        Declared(at("10:00"), at("23:00"), (1, 1), 1),
        Declared(at("23:00", DAY - 2 * day), at("23:01", DAY - 2 * day), (1, 1), 1),
        Declared(at("10:00", DAY + day), at("10:00", DAY + day), (1, 1), 1),
    ]

    assert touched_days(table(rows), DAY) == ([DAY - day, DAY], 0)
    beyond = Declared(at("10:00"), at("10:00", DAY + DECLARED_AHEAD + 2 * day), (1, 1), 1)
    assert touched_days(table([beyond]), DAY) == ([DAY + n * day for n in range(DECLARED_AHEAD.days + 1)], 1)
    assert touched_days(table([]), DAY) == ([], 0)


# Any order, and a model.


@dataclass(frozen=True)
class Record:
    """A record of a resolved position: a declaration and what it holds."""

    of: Declared
    begin: datetime
    end: datetime


def overlay(position: list[Record], new: Declared) -> list[Record]:
    """One declaration laid over a position, as the published text has it: valid where nothing later holds."""
    free = [(new.begin, new.end)] if new.begin < new.end else []
    for record in position:
        if record.of.rank >= new.rank:
            free = [part for span in free for part in without(span, (record.begin, record.end))]
    kept = list(position)
    for span in free:
        kept = [
            Record(record.of, begin, end) for record in kept for begin, end in without((record.begin, record.end), span)
        ]
    return kept + [Record(new, begin, end) for begin, end in free]


def without(span: tuple[datetime, datetime], cut: tuple[datetime, datetime]) -> list[tuple[datetime, datetime]]:
    parts = [(span[0], min(span[1], cut[0])), (max(span[0], cut[1]), span[1])]
    return [(begin, end) for begin, end in parts if begin < end]


def cut_at_periods(record: Record) -> Iterable[Record]:
    begin = record.begin
    while begin < record.end:
        aware = begin.replace(tzinfo=UTC)
        end = (calendar.period_start_utc(*calendar.period_of(aware)) + calendar.PERIOD).replace(tzinfo=None)
        yield Record(record.of, begin, min(end, record.end))
        begin = end


def modelled(rows: Iterable[Declared], days: Sequence[date]) -> list[tuple[Any, ...]]:
    """The position by overlaying one declaration after the other, cut at settlement periods."""
    found = []
    for unit in {r.unit for r in rows}:
        position: list[Record] = []
        for row in rows:
            if row.unit == unit:
                position = overlay(position, row)
        for record in sorted(position, key=lambda r: r.begin):
            for piece in cut_at_periods(record):
                day, period = calendar.period_of(piece.begin.replace(tzinfo=UTC))
                if day in days:
                    found.append((day, period, unit, piece.begin, piece.end, *piece.of.levels, piece.of.sequence))
    return sorted(found)


def short(rows: pa.Table) -> list[tuple[Any, ...]]:
    names = ["settlement_date", "settlement_period", "national_grid_bm_unit", "from_utc", "to_utc"]
    names += ["level_from_mw", "level_to_mw", "notification_sequence"]
    return sorted(zip(*(rows.column(name).to_pylist() for name in names), strict=True))


@st.composite
def declarations(draw: st.DrawFn, middle: datetime = datetime(2026, 7, 15, 23)) -> Declared:
    """A declaration within a few hours of an instant; few values, so that ties and equal bounds are met."""
    begin = middle + draw(st.integers(-24, 24)) * 5 * MINUTE
    return Declared(
        begin,
        begin + draw(st.integers(-1, 30)) * 5 * MINUTE,
        (float(draw(st.integers(0, 2))), float(draw(st.integers(0, 2)))),
        draw(st.integers(0, 3)),
        datetime(2026, 7, 15, 6) + draw(st.integers(0, 1)) * MINUTE,
        draw(st.sampled_from(["A", "B"])),
    )


DAYS = (DAY, DAY + timedelta(days=1))


@settings(max_examples=80, deadline=None)
@given(st.lists(declarations(), max_size=8).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_any_order_of_arrival_gives_the_position_of_the_overlay(orders: tuple[list[Declared], list[Declared]]):
    rows, shuffled = orders
    answer = resolve(table(rows), DAYS)

    assert resolve(table(shuffled), DAYS).equals(answer)
    assert short(answer) == modelled(rows, DAYS) == modelled(shuffled, DAYS)


@settings(max_examples=30, deadline=None)
@given(st.lists(declarations(middle=datetime(2026, 10, 25, 1)), max_size=8))
def test_the_night_on_which_clocks_go_back_is_no_exception(rows: list[Declared]):
    days = (date(2026, 10, 24), date(2026, 10, 25))
    rows = [replace(row, sent=days[0]) for row in rows]

    assert short(resolve(table(rows), days)) == modelled(rows, days)


@settings(max_examples=30, deadline=None)
@given(st.lists(declarations(), max_size=8))
def test_a_day_is_the_same_alone_and_among_others(rows: list[Declared]):
    together = resolve(table(rows), DAYS)

    apart = pa.concat_tables([resolve(table(rows), [day]) for day in DAYS])
    assert sorted(map(str, apart.to_pylist())) == sorted(map(str, together.to_pylist()))


@settings(max_examples=30, deadline=None)
@given(st.lists(declarations(), max_size=8))
def test_a_position_has_no_overlap_and_covers_all_that_was_declared(rows: list[Declared]):
    found = resolve(table(rows), DAYS).to_pylist()

    for unit in ("A", "B"):
        minutes = [
            r["from_utc"] + n * MINUTE
            for r in found
            if r["national_grid_bm_unit"] == unit
            for n in range((r["to_utc"] - r["from_utc"]) // MINUTE)
        ]
        wanted = {
            r.begin + n * MINUTE for r in rows if r.unit == unit for n in range(max(0, (r.end - r.begin) // MINUTE))
        }
        assert len(minutes) == len(set(minutes))
        assert set(minutes) == wanted
