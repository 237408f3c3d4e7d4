"""Cells that say when: days, clocks, times of day, periods, weeks and months, by what the catalogue says they mean.

Which edge and which clock a column shows is taken from the entry's rules first and from the words of its meaning
otherwise, which the catalogue writes the same way throughout.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from energy_assets.calendar import LONDON, period_of, settlement_day
from energy_assets.catalogue.model import (
    Clock,
    Field,
    LabelInterval,
    PairInterval,
    RangeInterval,
    SettlementInterval,
    TimesInterval,
)
from energy_assets.sandbox.neso.maker_rows import HOUR, POINTS, TIME_OF_DAY, Layout, Row
from energy_assets.sandbox.neso.maker_spans import DAY
from energy_assets.sandbox.neso.maker_style import Cell, Style
from energy_assets.sandbox.neso.maker_words import WORDS

Making = Callable[[Row], Cell]
"""Makes one column's cell of a row."""

Moment = Callable[[Row], datetime]

_TOLD = re.compile(r"^When(?!.*\b(ended|began|armed|disarmed)\b)|\bbids (were|are) taken|day (of|at which) the notice")
_ENDS = re.compile(r"^(End|Until)|\bended\b")
_MADE = re.compile(r"publication|made|issued")

_WINDOWS = {"first window": (6, 10), "second window": (16, 20)}
"""Local hours of the windows of a day, by the words that name them."""

_LEAD_MINUTES = 180
"""Most minutes, beyond an hour, by which something is told before it begins."""

_REGISTER_DAYS = 900
"""Days over which the dates in a register are spread."""


def timed(layout: Layout, style: Style, field: Field) -> Making | None:
    """What makes the cells of a column that says when; ``None`` where the column says something else."""
    clock = next((c for c in layout.files.clocks if c.column == field.name), None)
    if clock is not None:
        return _clock(layout, style, field, clock)
    if field.type == "date":
        return _date(layout, style, field)
    rule = layout.files.interval
    if isinstance(rule, RangeInterval) and field.name == rule.column:
        return _range(rule, style)
    if TIME_OF_DAY in field.meaning:
        return _window(field) or _time_of_day(layout, field)
    if layout.axis == "points" and (made := _point(field)) is not None:
        return made
    return _label(layout, field) if field.type in ("text", "integer") else None


def _clock(layout: Layout, style: Style, field: Field, clock: Clock) -> Making:
    moment, pattern = _moment(layout, field), style.clock_format(clock)

    def made(row: Row) -> str:
        instant = moment(row)
        local = clock.zone == "local" and not (clock.utc_since and instant.date() >= clock.utc_since)
        return (instant.astimezone(LONDON) if local else instant).strftime(pattern)

    return made


def _start(row: Row) -> datetime:
    return row.slot.start_utc


def _end(row: Row) -> datetime:
    return row.slot.end_utc


def _told(row: Row) -> datetime:
    """When a row was told of: a while before it begins, or when its forecast was issued."""
    if row.issued_utc is not None:
        return row.issued_utc
    return row.slot.start_utc - HOUR - timedelta(minutes=row.seed % _LEAD_MINUTES)


def _moment(layout: Layout, field: Field) -> Moment:
    """The moment that a clock shows."""
    files, name = layout.files, field.name
    rule = files.interval
    if any(issue.column == name for issue in files.issue):
        return _told
    if isinstance(rule, LabelInterval) and name == rule.column:
        return _start if rule.edge == "start" else _end
    if isinstance(rule, PairInterval) and name in (rule.start, rule.end):
        return _start if name == rule.start else _end
    if name in (files.day_of, layout.dataset.table.storage.column):
        return _start
    if _TOLD.search(field.meaning):
        return _told
    return _end if _ENDS.search(field.meaning) else _start


def _date(layout: Layout, style: Style, field: Field) -> Making:
    day, pattern = _day(layout, field), style.day_format(field.name)
    return lambda row: day(row).strftime(pattern)


def _day(layout: Layout, field: Field) -> Callable[[Row], date]:
    """The day that a date says."""
    meaning, storage = field.meaning, layout.dataset.table.storage.column
    if layout.files.kind == "register":
        return lambda row: row.slot.day + row.owner % _REGISTER_DAYS * DAY
    if field.name == storage and not layout.published:
        return lambda row: row.slot.day
    if _MADE.search(meaning):
        return lambda row: settlement_day(row.issued_utc) if row.issued_utc else row.slot.day - DAY
    if "auction" in meaning:
        return lambda row: row.slot.day - DAY
    if meaning.startswith("Last day"):
        return lambda row: row.slot.day + 6 * DAY
    if meaning.startswith("Past day"):
        return lambda row: row.slot.day - (1 + row.seed % 8) * 7 * DAY
    if "half hour's end" in meaning:
        return lambda row: row.slot.end_utc.date()
    if "peak" in meaning:
        return lambda row: row.slot.day + row.seed % 5 * DAY
    return lambda row: row.slot.day


def _window(field: Field) -> Making | None:
    """An edge of one of a day's windows."""
    hours = next((hours for words, hours in _WINDOWS.items() if words in field.meaning), None)
    if hours is None:
        return None
    shown = f"{hours[bool(_ENDS.search(field.meaning))]:02d}:00"
    return lambda row: shown


def _time_of_day(layout: Layout, field: Field) -> Making:
    """A time of day as ``HH:MM`` or the number HHMM, of which 2400 closes the day."""
    meaning, rule = field.meaning, layout.files.interval
    moment = _end if _ENDS.search(meaning) else _start
    if _TOLD.search(meaning):
        moment = _told
    stated = rule.zone if isinstance(rule, TimesInterval) and field.name in (rule.start, rule.end) else "local"
    summer = "British Summer Time" in meaning
    shift = HOUR if summer else timedelta(0)
    utc = summer or re.search(r"\b(UTC|GMT)\b", meaning) or (stated == "utc" and "local" not in meaning)

    def made(row: Row) -> str:
        face = moment(row) + shift
        face = face if utc else face.astimezone(LONDON)
        if field.type == "text":
            return f"{face:%H:%M}"
        closes = face.time() == time(0) and moment is _end
        return "2400" if closes else str(face.hour * 100 + face.minute)

    return made


def _range(rule: RangeInterval, style: Style) -> Making:
    """Hours as text, the end an hour after the start whatever the clock does; with the day where no column has it."""
    pattern = "" if rule.day is not None else "%Y-%m-%d "

    def made(row: Row) -> str:
        start = row.slot.start_utc
        face = (start.astimezone(LONDON) if rule.zone == "local" else start).replace(tzinfo=UTC)
        return f"{face.strftime(pattern)}{face:%H:%M} - {face + HOUR:%H:%M}"

    return made


def _point(field: Field) -> Making | None:
    """Name, kind and feature of a cardinal point."""
    for place, meaning in enumerate(("Name of the cardinal point", "Kind of cardinal point", "Name of the feature")):
        if field.meaning.startswith(meaning):
            return lambda row: str(POINTS[row.slot.number - 1][place])
    return None


def _label(layout: Layout, field: Field) -> Making | None:
    """Periods, blocks, weeks, months and years as numbers or words."""
    rule, meaning = layout.files.interval, field.meaning
    if isinstance(rule, SettlementInterval) and field.name == rule.period:
        return lambda row: str(row.slot.number)
    if meaning.startswith("Half hour of the settlement day"):
        return lambda row: str(period_of(row.slot.start_utc)[1])
    if layout.axis == "blocks" and meaning.startswith("EFA block"):
        return lambda row: str(row.slot.number)
    if layout.axis == "blocks" and meaning.startswith("Name of the window"):
        return lambda row: WORDS["service_window"][row.slot.number - 1]
    if meaning.startswith("Days from the day of issue"):
        return lambda row: str((row.slot.day - settlement_day(_told(row))).days)
    found = next((made for start, made in _CALENDAR if meaning.startswith(start)), None)
    if found is None:
        return None
    whole, text = found
    made = whole if field.type == "integer" else text
    return lambda row: made(row.slot.day)


def _number_of_week(day: date) -> str:
    return str(day.isocalendar().week)


def _month_number(day: date) -> str:
    return str(day.month)


def _financial(day: date) -> str:
    year = day.year - (day.month < 4)
    return f"{year}/{(year + 1) % 100:02d}"


def _delivery(day: date) -> str:
    year = day.year - (day.month < 10)
    return f"{year}/{(year + 1) % 100:02d}"


def _years(day: date) -> str:
    return str(day.year)


_CALENDAR: tuple[tuple[str, tuple[Callable[[date], str], Callable[[date], str]]], ...] = (
    ("Year of the engineering week", (lambda d: str(d.isocalendar().year), _years)),
    ("Calendar year", (_years, _years)),
    ("Financial year", (_years, _financial)),
    ("Delivery year,", (_years, _delivery)),
    ("Year", (_years, _years)),
    ("Engineering week", (_number_of_week, _number_of_week)),
    ("Week of the year", (_number_of_week, _number_of_week)),
    ("Week,", (_number_of_week, lambda d: f"{d.isocalendar().year} Week {d.isocalendar().week:02d}")),
    ("Number of the month", (_month_number, _month_number)),
    ("Month in words", (_month_number, lambda d: f"{d:%B}")),
    ("Month", (_month_number, lambda d: f"{d:%b-%Y}")),
)
"""By the first words of the meaning: the number and the text that a day is shown as."""
