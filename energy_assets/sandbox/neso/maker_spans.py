"""When a synthetic resource exists, when it was changed, and which days are its own.

All of it follows from the catalogue entry and the name of the resource. What is in a file belongs to the other parts of
the maker.
"""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from energy_assets.calendar import day_start_utc, settlement_day, summer_time_spans
from energy_assets.catalogue.model import Dataset, Files
from energy_assets.errors import ContractError
from energy_assets.sandbox.frame import seed_of

DAY = timedelta(days=1)

LAST_TOUCHED = 2 * DAY
"""Time after the end of its days at which a resource was changed for the last time: its last rows have been revised."""

ARCHIVE_DAYS = 364
"""Days after the family's first that are held by an archive whose name tells no period."""

_MONTHS = tuple(month_name)[1:]
_MONTH = re.compile(r"(?<![A-Za-z])(" + "|".join(f"{m[:3]}(?:{m[3:]})?" for m in _MONTHS) + r")[ _-]+(\d{4})(?!\d)")
_BEFORE = re.compile(r"\(Pre (?P<month>\w+ \d{4})\)")
_ARCHIVE = re.compile(r"Historic|Archive|History")
_ENDED = ("closed", "once")
"""How the cadence of a family begins that nothing is added to."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days from ``first`` to ``last``, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Life:
    """The life of one resource.

    Attributes:
        first: First day that is its own.
        last: Last one; ``None`` where it goes on with the present.
        opens_utc: Change before which it is not there.
        fixed_utc: When it was changed for the last time; ``None`` where it goes on.
        cadence: Minutes between two changes.
        phase: Minutes by which its changes are shifted, so that not everything changes at once.
        archive: Whether it holds what another resource of the family held before.
    """

    first: date
    last: date | None
    opens_utc: datetime
    fixed_utc: datetime | None
    cadence: int
    phase: int
    archive: bool

    def changed(self, now: datetime) -> datetime | None:
        """When it was changed last, aware UTC; ``None`` where it does not exist yet."""
        if self.fixed_utc is not None and now >= self.fixed_utc:
            return self.fixed_utc
        minutes = int(now.timestamp()) // 60 - self.phase
        stamp = datetime.fromtimestamp((minutes - minutes % self.cadence + self.phase) * 60, tz=UTC)
        return stamp if stamp >= self.opens_utc else None

    def days(self, as_of: datetime, recent: int) -> list[date]:
        """Days that it holds: the last ones, and of a period also its first, its last, and those of clock changes.

        Args:
            as_of: When it was changed, aware UTC.
            recent: How many of the last days are held while it goes on.
        """
        today = settlement_day(as_of)
        going_on = self.fixed_utc is None or as_of < self.fixed_utc
        found = {today - n * DAY for n in range(recent)} if going_on else set()
        if self.last is not None:
            found |= {self.first, self.last, *_clock_changes(self.first, self.last)}
        end = min(today, self.last or today)
        return sorted(day for day in found if self.first <= day <= end)


def life_of(dataset: Dataset, files: Files, name: str) -> Life:
    """The life of a resource of a family.

    Raises:
        ContractError: The name tells a period that no calendar has.
    """
    # All resources of a family change together, so that none has an older word on a fact than another.
    phase = seed_of(dataset.code, "phase") % files.probe_minutes
    archive = bool(_ARCHIVE.search(name)) and any(not _ARCHIVE.search(r.name) for r in files.known)
    span = named_span(name)
    if span is None and (archive or dataset.timing.cadence.startswith(_ENDED)):
        length = 0 if files.kind == "register" else ARCHIVE_DAYS
        span = Span(dataset.begins, dataset.begins + length * DAY)
    first = span.first if span else dataset.begins
    if span and span.first <= dataset.begins <= span.last:
        first = dataset.begins
    # A day's rows are there when it is over.
    opens = day_start_utc(first + DAY if files.kind == "history" else first)
    fixed = day_start_utc(span.last + DAY) + LAST_TOUCHED + timedelta(minutes=phase) if span else None
    if archive and fixed is not None and files.kind == "history":
        # Until a period is over, another resource of the family has it.
        opens = fixed
    return Life(first, span.last if span else None, opens, fixed, files.probe_minutes, phase, archive)


def named_span(name: str) -> Span | None:
    """The days that the name of a resource tells; ``None`` where it tells none.

    Raises:
        ContractError: It tells a day that no calendar has.
    """
    before = _BEFORE.search(name)
    plain = _BEFORE.sub("", name)
    try:
        span = next((found for found in (read(plain) for read in _READERS) if found is not None), None)
        if span is None or before is None or (until := _months(before["month"])) is None:
            return span
    except ValueError as error:
        raise ContractError(f"the name {name!r} tells no period: {error}") from error
    return Span(span.first, min(span.last, until.first - DAY))


def _day(name: str) -> Span | None:
    """``05-07-2020``: the day."""
    found = re.search(r"(?<!\d)(\d{2})-(\d{2})-(\d{4})(?!\d)", name)
    if found is None:
        return None
    day = date(int(found[3]), int(found[2]), int(found[1]))
    return Span(day, day)


def _digits(name: str) -> Span | None:
    """``20260331``: the day, or the week that begins with it; ``202603``: the month."""
    found = re.search(r"(?<!\d)(\d{4})(\d{2})(\d{2})?(?!\d)", name)
    if found is None:
        return None
    if found[3] is None:
        return _month_span(int(found[1]), int(found[2]))
    day = date(int(found[1]), int(found[2]), int(found[3]))
    return Span(day, day + 6 * DAY if "Weekly" in name else day)


def _months(name: str) -> Span | None:
    """``March 2026``: the month; ``Apr 2016 - March 2017``: those and what lies between."""
    found = [_month_span(int(year), _number(month)) for month, year in _MONTH.findall(name)]
    return Span(found[0].first, found[-1].last) if found else None


def _financial(name: str) -> Span | None:
    """``FY2023``, ``2025-2026``, ``2025/26`` or ``25-26``: the financial year; of years further apart, both whole."""
    if found := re.search(r"FY ?(\d{4})(?!\d)", name):
        return Span(date(int(found[1]), 4, 1), date(int(found[1]) + 1, 3, 31))
    found = re.search(r"(?<!\d)((?:20)?\d{2})[-/]((?:20)?\d{2})(?!\d)", name)
    if found is None:
        return None
    begins, ends = (2000 + int(year) % 100 for year in found.groups())
    if begins + 1 < ends:
        return Span(date(begins, 1, 1), date(ends, 12, 31))
    return Span(date(begins, 4, 1), date(ends, 3, 31)) if begins < ends else None


def _year(name: str) -> Span | None:
    """``2026``: the calendar year; of two numbers the first."""
    found = re.search(r"(?<!\d)(20\d{2})(?!\d)", name)
    return Span(date(int(found[1]), 1, 1), date(int(found[1]), 12, 31)) if found else None


_READERS: tuple[Callable[[str], Span | None], ...] = (_day, _digits, _months, _financial, _year)
"""In this order: each finds less than those before it."""


def _number(month: str) -> int:
    return next(n for n, known in enumerate(_MONTHS, start=1) if known.startswith(month))


def _month_span(year: int, month: int) -> Span:
    return Span(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1) - DAY)


def _clock_changes(first: date, last: date) -> set[date]:
    spans = summer_time_spans(first.year, last.year)
    return {day for span in spans for day in map(settlement_day, span) if first <= day <= last}
