"""Which windows of a dataset are to be asked for now.

Pure: catalogue entry, days, what receipts cover and the time go in, windows come out. Nothing here fetches or reads a
store.

A range of settlement days is cut into *atoms* on a fixed grid. Every atom has moments at which it is due; it is asked
for when no believed receipt is younger than the last of them. Adjacent due atoms are joined into the largest windows
that serve, on a grid as well, so the same range always gives the same windows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset, Lag, Query
from energy_assets.errors import CalendarError
from energy_assets.ingest.model import Seen, Window

SUSPECT_GIVE_UP = timedelta(days=7)
"""After this long an unexplained empty window is left to checks and people: a live provider fills a gap within days,
and a quiet dataset must not be asked for ever."""

MINUTES_PER_DAY = 1440

PlanStatus = Literal["due", "covered", "not_due", "before_begin", "failed"]


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest piece of the fetch axis that receipts are judged for.

    Attributes:
        from_utc: Start, inclusive.
        to_utc: End, exclusive.
        block: Atoms with equal blocks may share a request.
    """

    from_utc: datetime
    to_utc: datetime
    block: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the receipts say of one atom on one branch.

    Attributes:
        window: The atom, as a window.
        covered_utc: Request time of the newest receipt that covers it, or ``None``.
        empty_utc: Request time of the newest empty answer that does not, or ``None``.
    """

    window: Window
    covered_utc: datetime | None
    empty_utc: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked for of one dataset, or why nothing is.

    Attributes:
        windows: Windows in chronological order, branch by branch.
        status: ``due`` when there are windows; else the reason's kind; ``failed`` where none could be made.
        reason: One sentence when nothing is due.
    """

    windows: tuple[Window, ...]
    status: PlanStatus
    reason: str = ""


def plan(dataset: Dataset, from_day: date, to_day: date, seen: Sequence[Seen], now: datetime) -> Plan:
    """Plan one dataset for the settlement days ``from_day`` to ``to_day``, both inclusive.

    Args:
        dataset: The catalogue entry.
        from_day: First settlement day.
        to_day: Last settlement day.
        seen: Believed receipts that overlap the range (see ``Warehouse.coverage``).
        now: The present, aware.
    """
    if to_day < dataset.begins:
        return Plan((), "before_begin", f"{dataset.code} begins on {dataset.begins:%Y-%m-%d}")
    atoms = atoms_of(dataset, max(from_day, dataset.begins), to_day, now)
    if not atoms:
        return Plan((), "not_due", _nothing_to_ask(dataset, now))
    open_atoms = [a for a in atoms if _is_open(dataset, a, now)]
    if not open_atoms:
        return Plan((), "not_due", _opening(dataset, atoms[0]))
    windows: list[Window] = []
    for branch in dataset.branch_choices():
        mine = [s for s in seen if s.window.branch == branch]
        covered, empty = _coverage(open_atoms, mine)
        due = [
            atom
            for atom, at, none in zip(open_atoms, covered, empty, strict=True)
            if _is_due(dataset, atom, at, none, now)
        ]
        windows.extend(Window(w.from_utc, w.to_utc, branch) for w in _join(due))
    if not windows:
        return Plan((), "covered", f"{dataset.code} is covered")
    return Plan(tuple(windows), "due")


def missing(dataset: Dataset, from_day: date, to_day: date, seen: Sequence[Seen], now: datetime) -> tuple[Window, ...]:
    """Windows of these settlement days that have settled and that no receipt from after their settling covers.

    Unlike ``plan`` this counts what nobody asks for any more (an empty answer given up on) and leaves out what is
    merely due again (provisional windows, re-reads). What is read whole misses
    nothing: the past of a register cannot be read, and of files the portal tells which there are.
    """
    if to_day < dataset.begins or dataset.query.unit == "snapshot":
        return ()
    settled = dataset.timing.settled
    atoms = [
        a
        for a in atoms_of(dataset, max(from_day, dataset.begins), to_day, now)
        if calendar.lag_passed(settled, a.from_utc, a.to_utc, now)
    ]
    windows: list[Window] = []
    for branch in dataset.branch_choices():
        covered, _ = _coverage(atoms, [s for s in seen if s.window.branch == branch])
        open_atoms = (
            atom
            for atom, at in zip(atoms, covered, strict=True)
            if at is None or at < calendar.lag_end(settled, atom.from_utc, atom.to_utc)
        )
        windows.extend(Window(w.from_utc, w.to_utc, branch) for w in _join(open_atoms))
    return tuple(windows)


def judged(dataset: Dataset, from_day: date, to_day: date, seen: Sequence[Seen], now: datetime) -> Iterator[Judged]:
    """Every atom of these settlement days with what the receipts say of it, branch by branch in order of time.

    Args:
        dataset: The catalogue entry; what is read whole has no atoms in the past.
        from_day: First settlement day.
        to_day: Last settlement day.
        seen: Believed receipts that overlap the range.
        now: The present, aware.
    """
    if to_day < dataset.begins:
        return
    atoms = atoms_of(dataset, max(from_day, dataset.begins), to_day, now)
    for branch in dataset.branch_choices():
        covered, empty = _coverage(atoms, [s for s in seen if s.window.branch == branch])
        for atom, at, none in zip(atoms, covered, empty, strict=True):
            yield Judged(Window(atom.from_utc, atom.to_utc, branch), at, none)


def fetch_interval(dataset: Dataset, from_day: date, to_day: date) -> tuple[datetime, datetime]:
    """The part of the fetch axis that can hold rows of these settlement days, ``[from, to)`` in UTC."""
    before, after = dataset.query.reach
    start = calendar.day_start_utc(from_day) - timedelta(minutes=before)
    end = calendar.day_bounds_utc(to_day)[1] + timedelta(minutes=after)
    return start, end


def atoms_of(dataset: Dataset, from_day: date, to_day: date, now: datetime) -> list[Atom]:
    """The grid of atoms that can hold rows of these settlement days, in order of time.

    A register has one atom, today, because it can only be read as it is now.
    """
    query = dataset.query
    if query.unit == "snapshot":
        today = calendar.settlement_day(now)
        return list(_day_atoms(query, [today])) if from_day <= today <= to_day else []
    start, end = fetch_interval(dataset, from_day, to_day)
    days = calendar.days_between(
        calendar.settlement_day(start), calendar.settlement_day(end - timedelta(microseconds=1))
    )
    cut = {"instant": _instant_atoms, "day": _day_atoms, "period": _period_atoms}[query.unit]
    return [a for a in cut(query, days) if a.to_utc > start and a.from_utc < end]


def halves(dataset: Dataset, window: Window) -> tuple[Window, Window] | None:
    """The window cut in two on the dataset's grid, or below it in periods or minutes; ``None`` if indivisible."""
    middle = _middle(dataset.query, window)
    if middle is None or not window.from_utc < middle < window.to_utc:
        return None
    return Window(window.from_utc, middle, window.branch), Window(middle, window.to_utc, window.branch)


def _nothing_to_ask(dataset: Dataset, now: datetime) -> str:
    if dataset.query.unit == "snapshot":
        today = calendar.settlement_day(now)
        return f"{dataset.code} is a register and can only be read for today, {today:%Y-%m-%d}"
    return f"{dataset.code} has nothing to ask for in these days"


def _instant_atoms(query: Query, days: Iterable[date]) -> Iterator[Atom]:
    step = timedelta(minutes=query.atom)
    for day in days:
        start, end = calendar.day_bounds_utc(day)
        at = start
        while at < end:
            offset = int((at - start).total_seconds() // 60)
            if query.most > MINUTES_PER_DAY:
                block = (day.toordinal() // (query.most // MINUTES_PER_DAY), 0)
            else:
                block = (day.toordinal(), offset // query.most)
            yield Atom(at, min(at + step, end), block)
            at += step


def _day_atoms(query: Query, days: Iterable[date]) -> Iterator[Atom]:
    for day in days:
        start, end = calendar.day_bounds_utc(day)
        yield Atom(start, end, (day.toordinal() // max(query.most, 1), 0))


def _period_atoms(query: Query, days: Iterable[date]) -> Iterator[Atom]:
    for day in days:
        last = calendar.periods_in_day(day)
        end = calendar.day_bounds_utc(day)[1]
        for first in range(1, last + 1, query.atom):
            after = first + query.atom
            yield Atom(
                calendar.period_start_utc(day, first),
                calendar.period_start_utc(day, after) if after <= last else end,
                (day.toordinal(), (first - 1) // query.most),
            )


def _is_open(dataset: Dataset, atom: Atom, now: datetime) -> bool:
    """Whether asking for the atom makes sense yet."""
    if dataset.timing.available == Lag():
        return atom.from_utc <= now
    return calendar.lag_passed(dataset.timing.available, atom.from_utc, atom.to_utc, now)


def _opening(dataset: Dataset, atom: Atom) -> str:
    """When asking for the atom first makes sense, in words; a lag may end beyond the days that can be dated yet."""
    try:
        opens = calendar.lag_end(dataset.timing.available, atom.from_utc, atom.to_utc)
    except CalendarError:
        return f"{dataset.code} is not published yet"
    return f"{dataset.code} is not published before {max(opens, atom.from_utc):%Y-%m-%d %H:%MZ}"


def _is_due(dataset: Dataset, atom: Atom, covered: datetime | None, empty: datetime | None, now: datetime) -> bool:
    poll = timedelta(minutes=dataset.timing.poll_minutes)
    passed = [
        calendar.lag_end(lag, atom.from_utc, atom.to_utc)
        for lag in (dataset.timing.settled, *dataset.timing.rereads)
        if calendar.lag_passed(lag, atom.from_utc, atom.to_utc, now)
    ]
    if not calendar.lag_passed(dataset.timing.settled, atom.from_utc, atom.to_utc, now):
        asked = max((at for at in (covered, empty) if at is not None), default=None)
        return asked is None or asked <= now - poll
    last_moment = max(passed)
    if covered is not None and covered >= last_moment:
        return False
    if empty is None or empty < last_moment:
        return True
    age = empty - atom.to_utc
    return age < SUSPECT_GIVE_UP and now >= empty + max(poll, age)


def _coverage(atoms: Sequence[Atom], seen: Iterable[Seen]) -> tuple[list[datetime | None], list[datetime | None]]:
    """For each atom the request times of the newest covering and the newest empty answer that does not cover.

    A window that holds the atom counts by itself; smaller windows (a provider's limit made us halve) count together
    when they tile the atom, with the age of the oldest.
    """
    starts = [a.from_utc for a in atoms]
    covered: list[datetime | None] = [None] * len(atoms)
    empty: list[datetime | None] = [None] * len(atoms)
    pieces: dict[int, list[Seen]] = {}
    for item in seen:
        index = max(bisect_right(starts, item.window.from_utc) - 1, 0)
        while index < len(atoms) and atoms[index].from_utc < item.window.to_utc:
            atom = atoms[index]
            if item.window.from_utc <= atom.from_utc and atom.to_utc <= item.window.to_utc:
                covered[index] = _later(covered[index], item.covered_utc)
                empty[index] = _later(empty[index], item.empty_utc)
            elif item.window.to_utc > atom.from_utc:
                pieces.setdefault(index, []).append(item)
                empty[index] = _later(empty[index], item.empty_utc)
            index += 1
    for index, parts in pieces.items():
        covered[index] = _later(covered[index], _tiled(atoms[index], parts))
    return covered, empty


def _tiled(atom: Atom, parts: Iterable[Seen]) -> datetime | None:
    """The oldest request time among the parts that together hold the atom, or ``None`` if they leave a hole."""
    at, oldest = atom.from_utc, None
    for part in sorted(parts, key=lambda p: p.window):
        if part.covered_utc is None or part.window.to_utc <= at:
            continue
        if part.window.from_utc > at:
            return None
        at = part.window.to_utc
        oldest = part.covered_utc if oldest is None else min(oldest, part.covered_utc)
    return oldest if at >= atom.to_utc else None


def _later(a: datetime | None, b: datetime | None) -> datetime | None:
    if a is None or b is None:
        return a or b
    return max(a, b)


def _join(atoms: Iterable[Atom]) -> Iterator[Atom]:
    """Adjacent atoms of one block as one."""
    current: Atom | None = None
    for atom in atoms:
        if current is not None and atom.from_utc == current.to_utc and atom.block == current.block:
            current = Atom(current.from_utc, atom.to_utc, atom.block)
            continue
        if current is not None:
            yield current
        current = atom
    if current is not None:
        yield current


def _middle(query: Query, window: Window) -> datetime | None:
    """The cut nearest the window's middle that the query can express."""
    if query.unit == "snapshot":
        return None
    if query.unit == "day":
        first = calendar.settlement_day(window.from_utc)
        count = (calendar.settlement_day(window.to_utc - timedelta(microseconds=1)) - first).days + 1
        return calendar.day_start_utc(first + timedelta(days=count // 2)) if count > 1 else None
    step = timedelta(minutes=30) if query.unit == "period" else timedelta(minutes=1)
    steps = (window.to_utc - window.from_utc) // step
    return window.from_utc + (steps // 2) * step if steps > 1 else None
