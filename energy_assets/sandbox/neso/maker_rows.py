"""Which rows a synthetic file of the portal has: intervals, days or months by the rules of the entry, times entities.

A row's place in time and its identity belong here; what is in its cells does not. The same fact has the same row in
every file of its family, so files do not contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from energy_assets.calendar import LONDON, day_bounds_utc, day_start_utc, period_of, periods_in_day, settlement_day
from energy_assets.catalogue.model import (
    Dataset,
    Files,
    LabelInterval,
    RangeInterval,
    SettlementInterval,
    TimesInterval,
)
from energy_assets.sandbox.frame import seed_of
from energy_assets.sandbox.neso.maker_spans import DAY, Life

Axis = Literal[
    "half_hours", "hours", "blocks", "evening", "points", "instants", "days", "weeks", "months", "years", "one"
]
"""What the rows of a family are cut into."""

TIME_OF_DAY = "ime of day"
"""Words by which the catalogue says that a column has a time of day, with a capital or without."""

HALF_HOUR = timedelta(minutes=30)
HOUR = timedelta(hours=1)

POINTS = (
    ("1F", "F", "Overnight", time(4, 30), time(4, 30)),
    ("1A", "P", "", time(7), time(8, 30)),
    ("2F", "F", "Midday", time(12), time(12)),
    ("2A", "T", "", time(14, 30), time(16)),
    ("3B", "P", "", time(17), time(18, 30)),
    ("4C", "T", "", time(23), time(0)),
)
"""Cardinal points of a day: name, kind, feature, local start and end; midnight closes the day."""

_EUROPE = ZoneInfo("Europe/Brussels")
_BLOCKS = tuple(time(hour) for hour in range(0, 24, 4))
_EFA_EVE = time(23)
_EFA_BLOCKS = tuple(time(hour) for hour in range(3, 23, 4))
_EVENING = (time(17), time(18))
_ISSUED_AT = time(9, 15)
"""Local time of day at which archived forecasts were issued: the clock never shows it twice."""

_RECENT: dict[Axis, int] = {"days": 14}
_RECENT_OTHERWISE = 3
"""Last days that a file holds while it goes on: enough for a day to be there before and after it is revised."""

_INSTANTS = 60
"""Instants of a day, where a family has one every few seconds."""

_AHEAD: dict[Axis, int] = {"half_hours": 48, "blocks": 12, "points": 2, "days": 13, "weeks": 26, "months": 12}
"""How many intervals, or days of cardinal points, a forecast looks ahead."""

_AHEAD_OF_MANY = 12
"""The same in a file of many issues, at most."""

_ENTRIES = 24
"""Rows of a register, at most."""

_STEPS = 4
"""Months or years of a register that is about several things."""

_HISTORY_ENTITIES = 3
_FORECAST_ENTITIES = 4
_ORIGIN = date(2026, 1, 1)
"""First day after the months and years of registers that name no period."""

_FIRST_CHANGE = date(2024, 1, 1)
_CHANGES = 5
"""A register changes on about one day in so many, in one row."""

_REVISED = 12
"""One fact of a history in so many is revised, once."""

_REVISED_AFTER = timedelta(hours=30)
"""Age at which it is: a file of the last days has had it before."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An interval: aware UTC, start included; the day that it is counted to, and its number there, from 1."""

    start_utc: datetime
    end_utc: datetime
    day: date
    number: int


@dataclass(frozen=True, slots=True)
class Row:
    """What one row speaks of.

    Attributes:
        slot: When.
        entity: Which of the things that the file is about, from 0.
        issued_utc: When the forecast was issued, aware UTC; ``None`` where it is none.
        seed: A number that no other fact of the family has.
        owner: A number that all rows of the entity have.
        level: 0; another number after each revision.
    """

    slot: Slot
    entity: int
    issued_utc: datetime | None
    seed: int
    owner: int
    level: int


@dataclass(frozen=True)
class Layout:
    """How the rows of a family are laid out.

    Attributes:
        dataset: The entry.
        files: Its rules.
    """

    dataset: Dataset
    files: Files

    @cached_property
    def axis(self) -> Axis:
        """What rows are cut into, by the interval rule and the key."""
        rule, kind = self.files.interval, self.files.kind
        if kind == "register":
            return self._calendar() or "one"
        if isinstance(rule, SettlementInterval) or (isinstance(rule, LabelInterval) and rule.minutes == 30):
            return "half_hours"
        if isinstance(rule, LabelInterval | RangeInterval):
            return "hours"
        if isinstance(rule, TimesInterval):
            return "points" if kind == "forecast" else "evening"
        if (kind == "forecast" or self.published) and (calendar := self._calendar()) is not None:
            return calendar
        if kind == "history" and self._timed():
            return "evening"
        if kind == "forecast" or self.files.day_of is None:
            return "blocks" if self._keyed("EFA block", "Name of the window") else "days"
        lone = len(self.dataset.table.event_key) == 1
        return "instants" if lone and self.dataset.rows_per_day and rule is None else "blocks"

    @cached_property
    def published(self) -> bool:
        """Whether a history is of publications, each with rows for days to come."""
        table = self.dataset.table
        return self.files.kind == "history" and table.storage.column in table.version_columns

    @property
    def ahead(self) -> bool:
        """Whether rows lie ahead of an issue."""
        return self.files.kind == "forecast" or self.published

    def entities(self, most: int | None) -> int:
        """How many things a file is about.

        Args:
            most: How many the key can tell apart; ``None`` for any number.
        """
        wanted = _FORECAST_ENTITIES if self.ahead else _HISTORY_ENTITIES
        if self.files.kind == "register":
            wanted = _ENTRIES
        return wanted if most is None else min(wanted, most)

    def rows(self, life: Life, name: str, as_of: datetime, entities: int, *, many: bool) -> Iterator[Row]:
        """The rows of a resource as it was changed at a moment, in the order of the file.

        Args:
            life: Life of the resource.
            name: Its name.
            as_of: When it was changed, aware UTC.
            entities: How many things it is about.
            many: Whether the file may hold more than one issue.
        """
        if self.files.kind == "register":
            yield from self._register(life, name, as_of, entities)
        elif self.ahead:
            for issued in self._issues(life, as_of, many=many):
                for slot in self._slots_ahead(issued, many=many):
                    yield from (self._row(slot, entity, issued, as_of) for entity in range(entities))
        else:
            days = life.days(as_of, _RECENT.get(self.axis, _RECENT_OTHERWISE))
            for slot in (slot for day in days for slot in self._slots(day) if slot.end_utc <= as_of):
                yield from (self._row(slot, entity, None, as_of) for entity in range(entities))

    def _row(self, slot: Slot, entity: int, issued: datetime | None, as_of: datetime) -> Row:
        code = self.dataset.code
        seed = seed_of(code, slot.start_utc, slot.day, slot.number, entity, issued)
        known = issued or slot.end_utc
        revised = self.files.kind == "history" and seed % _REVISED == 0 and as_of >= known + _REVISED_AFTER
        return Row(slot, entity, issued, seed, seed_of(code, entity), int(revised))

    def _keyed(self, *meanings: str) -> bool:
        """Whether a column of the key means one of these, by its first words."""
        table = self.dataset.table
        return any(table.by_name[n].meaning.startswith(meanings) for n in table.natural_key if n in table.by_name)

    def _timed(self) -> bool:
        """Whether a time of day is in the key."""
        table = self.dataset.table
        return any(TIME_OF_DAY in f.meaning for f in table.fields if f.name in table.natural_key)

    def _calendar(self) -> Axis | None:
        """The finest step of the calendar that is in the key."""
        if self._keyed("Week", "Engineering week"):
            return "weeks"
        if self._keyed("Month", "Number of the month", "First day of the month"):
            return "months"
        if self._keyed("Calendar year", "Financial year", "Delivery year", "Year"):
            return "years"
        return None

    def _slots(self, day: date) -> list[Slot]:
        """The intervals of a day that is over or not."""
        return _DAILY[self.axis](self, day)

    def _slots_ahead(self, issued: datetime, *, many: bool) -> list[Slot]:
        """The intervals that a forecast issued at a moment looks at."""
        count = min(_AHEAD[self.axis], _AHEAD_OF_MANY) if many else _AHEAD[self.axis]
        today = settlement_day(issued)
        if self.axis == "half_hours":
            first = issued.replace(minute=issued.minute // 30 * 30, second=0, microsecond=0)
            starts = [first + n * HALF_HOUR for n in range(count)]
            return [Slot(start, start + HALF_HOUR, *period_of(start)) for start in starts]
        if self.axis in ("points", "blocks"):
            days = count if self.axis == "points" else count // len(_BLOCKS)
            return [slot for n in range(days) for slot in self._slots(today + (n + 1) * DAY)]
        if self.axis == "days":
            return [_whole(today + n * DAY, today + (n + 1) * DAY, n) for n in range(1, count + 1)]
        return [_step(self.axis, today, n) for n in range(1, count + 1)]

    def _issues(self, life: Life, as_of: datetime, *, many: bool) -> list[datetime]:
        """When the forecasts of a file were issued."""
        if many:
            found = [_local(day, _ISSUED_AT) for day in life.days(as_of, _RECENT_OTHERWISE)]
            issued = [instant for instant in found if instant <= as_of]
        else:
            named = any(issue.way == "resource_name" for issue in self.files.issue)
            issued = [day_start_utc(life.first) if named else as_of]
        # A column of dates tells the day only, which counts from its start.
        return [day_start_utc(settlement_day(instant)) for instant in issued] if self._issued_by_day() else issued

    def _issued_by_day(self) -> bool:
        if self.published:
            return True
        columns = [issue.column for issue in self.files.issue if issue.way == "column"]
        return any(column and self.dataset.table.by_name[column].type == "date" for column in columns)

    def _register(self, life: Life, name: str, as_of: datetime, entities: int) -> Iterator[Row]:
        """Entries, each with its own latest change."""
        steps = 1 if self.axis == "one" else _STEPS if entities > 1 else _ENTRIES
        count = min(entities, _ENTRIES // steps)
        changes = self._changes(name, settlement_day(as_of), steps * count)
        origin = life.last + DAY if life.last is not None and life.last > life.first else _ORIGIN
        for n in range(steps):
            slot = _step(self.axis, origin, -1 - n)
            for entity in range(count):
                seed = seed_of(self.dataset.code, name, n, entity)
                owner = seed_of(self.dataset.code, name, entity)
                yield Row(slot, entity, None, seed, owner, changes.get(n * count + entity, 0))

    def _changes(self, name: str, today: date, rows: int) -> dict[int, int]:
        """The day of the latest change of each row that has changed, as a number."""
        found: dict[int, int] = {}
        for day in range(_FIRST_CHANGE.toordinal(), today.toordinal() + 1):
            draw = seed_of(self.dataset.code, name, "change", day)
            if draw % _CHANGES == 0:
                found[draw // _CHANGES % rows] = day
        return found


def _half_hours(layout: Layout, day: date) -> list[Slot]:
    start = day_start_utc(day)
    starts = [start + n * HALF_HOUR for n in range(periods_in_day(day))]
    return [Slot(at, at + HALF_HOUR, day, n) for n, at in enumerate(starts, start=1)]


def _hours(layout: Layout, day: date) -> list[Slot]:
    """The hours of a day of the clock that the rule counts days by."""
    rule = layout.files.interval
    if isinstance(rule, RangeInterval) and rule.european_day:
        starts = _hours_between(*(datetime.combine(d, time(), tzinfo=_EUROPE) for d in (day, day + DAY)))
        # Labels tell 24 hours apart: the last of the autumn's 25 would have that of the first.
        starts = starts[:24]
    elif isinstance(rule, RangeInterval) and rule.zone == "utc":
        starts = _hours_between(*(datetime.combine(d, time(), tzinfo=UTC) for d in (day, day + DAY)))
    else:
        starts = _hours_between(*day_bounds_utc(day))
    return [Slot(at, at + HOUR, day, n) for n, at in enumerate(starts, start=1)]


def _hours_between(start: datetime, end: datetime) -> list[datetime]:
    first, last = start.astimezone(UTC), end.astimezone(UTC)
    return [first + n * HOUR for n in range((last - first) // HOUR)]


def _blocks(layout: Layout, day: date) -> list[Slot]:
    """Six blocks of the local clock; those of EFA begin on the evening before."""
    if any(f.meaning.startswith("EFA") for f in layout.dataset.fields):
        starts = [_local(day - DAY, _EFA_EVE), *(_local(day, at) for at in _EFA_BLOCKS), _local(day, _EFA_EVE)]
    else:
        starts = [*(_local(day, at) for at in _BLOCKS), day_start_utc(day + DAY)]
    return [Slot(a, b, day, n) for n, (a, b) in enumerate(pairwise(starts), start=1)]


def _evening(layout: Layout, day: date) -> list[Slot]:
    starts = [_local(day, at) for at in _EVENING]
    return [Slot(at, at + HOUR, day, n) for n, at in enumerate(starts, start=1)]


def _points(layout: Layout, day: date) -> list[Slot]:
    found = []
    for n, (_, _, _, start, end) in enumerate(POINTS, start=1):
        last = day_start_utc(day + DAY) if end == time(0) else _local(day, end)
        found.append(Slot(_local(day, start), last, day, n))
    return found


def _instants(layout: Layout, day: date) -> list[Slot]:
    """The first instants of the day that the family has one of every few seconds."""
    step = DAY / (layout.dataset.rows_per_day or _INSTANTS)
    start = day_start_utc(day)
    return [Slot(start + n * step, start + (n + 1) * step, day, n + 1) for n in range(_INSTANTS)]


_DAILY: dict[Axis, Callable[[Layout, date], list[Slot]]] = {
    "half_hours": _half_hours,
    "hours": _hours,
    "blocks": _blocks,
    "evening": _evening,
    "points": _points,
    "instants": _instants,
    "days": lambda layout, day: [_whole(day, day + DAY, 1)],
}


def _whole(first: date, after: date, number: int) -> Slot:
    return Slot(day_start_utc(first), day_start_utc(after), first, number)


def _step(axis: Axis, origin: date, n: int) -> Slot:
    """The ``n``-th week, month or year from the one that a day lies in."""
    if axis == "weeks":
        monday = origin - origin.weekday() * DAY + n * 7 * DAY
        return _whole(monday, monday + 7 * DAY, monday.isocalendar().week)
    if axis == "months":
        months = origin.year * 12 + origin.month - 1 + n
        return _whole(_month(months), _month(months + 1), months % 12 + 1)
    return _whole(date(origin.year + n, 1, 1), date(origin.year + n + 1, 1, 1), 1)


def _month(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)


def _local(day: date, at: time) -> datetime:
    return datetime.combine(day, at, tzinfo=LONDON).astimezone(UTC)
