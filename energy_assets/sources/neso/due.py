"""What is due: which files to fetch and which tables to probe now, from what is known and without asking anyone.

Pure functions over plain values. An upload says when it was changed, and is fetched when what it says differs; a table
says nothing that can be believed, and is probed when its cadence has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from energy_assets.sources.neso.portal import Resource

WAIT_SHARE = 4
WAIT_MOST = timedelta(minutes=15)
"""A refresh that may wait does so for a table that becomes due within this part of its cadence, and no longer than
this. Ticks are as far apart as the shortest cadences, and a table that was probed a moment after one tick is not due at
the next: without waiting it would be probed at every other tick. An hour's tables take ten minutes of the lane, so
that the last of them is due ten minutes after the tick."""

REST = timedelta(minutes=30)
"""After a failure something is left alone for this long, or for its cadence if that is shorter: what failed stays due,
and must not take the turns of everything else."""

REFUSED_REST = timedelta(hours=12)
"""The same after what came could not be taken for what the catalogue describes: it comes alike until somebody changes
it, here or there."""

T = TypeVar("T", bound="_Due")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource that the catalogue wants, as the newest sweep tells it.

    Attributes:
        resource: The resource.
        cadence: How often its content may change.
        since_utc: When it was first told of, aware UTC (``Memory.learn``).
        turns: Requests that a probe of it takes in the datastore's lane: one for a table that a page holds.
    """

    resource: Resource
    cadence: timedelta
    since_utc: datetime
    turns: int = 1

    def __post_init__(self) -> None:
        if self.cadence <= timedelta(0) or self.turns < 1:
            raise ValueError(f"{self.resource} needs a cadence and at least one turn, not {self.cadence}, {self.turns}")


@dataclass(frozen=True, slots=True)
class Held:
    """What was fetched last of a resource, by its id.

    Attributes:
        last_modified: The text that it was known by then; empty for a table.
        sha256: Digest of the body.
        fetched_utc: When it was last asked for with success, changed or not, aware UTC; ``None`` if never.
        failed_utc: When it was last asked for in vain, aware UTC; ``None`` if never.
        refused: What the portal said of the version that came and was refused at that time; ``None`` where nothing
            came.
    """

    last_modified: str = ""
    sha256: str = ""
    fetched_utc: datetime | None = None
    failed_utc: datetime | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    wanted: Wanted
    due_utc: datetime
    deadline_utc: datetime

    @property
    def resource(self) -> Resource:
        return self.wanted.resource


@dataclass(frozen=True, slots=True)
class DueFile(_Due):
    """A file to fetch: since when, and until when it may be replaced by the next."""


@dataclass(frozen=True, slots=True)
class DueTable(_Due):
    """A table to probe: since when, and until when it should have been."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in this order.

    Attributes:
        files: Files to fetch, that with the shortest cadence first: of those, a version that is missed is lost.
        tables: Tables to probe, that with the nearest deadline first.
        next_utc: When the next table becomes due, of those that are not; ``None`` where there is none.
    """

    files: tuple[DueFile, ...] = ()
    tables: tuple[DueTable, ...] = ()
    next_utc: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.files or self.tables)


def due(wanted: Iterable[Wanted], held: Mapping[str, Held], now: datetime) -> Plan:
    """What to fetch and to probe now.

    A file is due when the text of its ``last_modified`` differs from that of the one held, or none is held. Where the
    portal tells no such text, and for every table, it is due one cadence after it was fetched, and never before; its
    deadline is another cadence later. Ordered by deadlines, all are met whenever any order meets them, as long as a
    single probe is short.

    Args:
        wanted: Resources that the catalogue wants; those that are neither file nor table are left aside.
        held: What was fetched last, by id of the resource.
        now: The present, aware UTC.
    """
    known = [(one, held.get(one.resource.id, Held())) for one in wanted]
    files = [_file(one, last, now) for one, last in known if one.resource.is_file]
    tables = [_table(DueTable, one, last) for one, last in known if one.resource.is_table]
    return Plan(
        files=tuple(sorted((f for f in files if f is not None and f.due_utc <= now), key=_file_order)),
        tables=tuple(sorted((t for t in tables if t.due_utc <= now), key=_table_order)),
        next_utc=min((table.due_utc for table in tables if table.due_utc > now), default=None),
    )


def next_table(
    wanted: Iterable[Wanted], held: Mapping[str, Held], now: datetime, *, waits: bool = False
) -> DueTable | None:
    """The table to be probed next, now or, where it is not yet due, when it is; ``None`` where there is none.

    Of those that are due it is that with the nearest deadline.

    Args:
        wanted: Resources that the catalogue wants; those that are no tables are left aside.
        held: What was fetched last, by id of the resource.
        now: The present, aware UTC.
        waits: Whether a table that is due soon may be waited for, where none is due.
    """
    tables = [_table(DueTable, one, held.get(one.resource.id, Held())) for one in wanted if one.resource.is_table]
    now_due = [t for t in tables if t.due_utc <= now]
    if now_due or not waits:
        return min(now_due, key=_table_order, default=None)
    soon = (t for t in tables if t.due_utc - now <= min(t.wanted.cadence / WAIT_SHARE, WAIT_MOST))
    return min(soon, key=lambda t: (t.due_utc, t.resource.id), default=None)


def lane_load(wanted: Iterable[Wanted], seconds: float) -> float:
    """Share of the datastore's lane that the tables take when each is probed once a cadence.

    Above 1 they cannot all be probed as often as they change, whatever the order.

    Args:
        wanted: Resources that the catalogue wants.
        seconds: Least time between two requests of the lane.
    """
    tables = (one for one in wanted if one.resource.is_table)
    return sum(one.turns * seconds / one.cadence.total_seconds() for one in tables)


def _file(wanted: Wanted, last: Held, now: datetime) -> DueFile | None:
    """When a file is due; ``None`` where the one held is still there."""
    resource = wanted.resource
    if not resource.last_modified:
        return _table(DueFile, wanted, last)
    if last.fetched_utc is not None and last.last_modified == resource.last_modified:
        return None
    # A change that is still to come by our clock has been told of all the same.
    changed = min(resource.last_modified_utc or wanted.since_utc, now)
    return DueFile(wanted, _rested(wanted, last, changed), changed + wanted.cadence)


def _table(kind: Callable[[Wanted, datetime, datetime], T], wanted: Wanted, last: Held) -> T:
    """When something without a stamp is due: at once where it never was fetched, else one cadence later."""
    since = wanted.since_utc if last.fetched_utc is None else last.fetched_utc + wanted.cadence
    return kind(wanted, _rested(wanted, last, since), since + wanted.cadence)


def _rested(wanted: Wanted, last: Held, since: datetime) -> datetime:
    """The instant from which something may be asked for, given when it failed."""
    if last.failed_utc is None or (last.fetched_utc is not None and last.failed_utc < last.fetched_utc):
        return since
    refused = last.refused is not None and last.refused == wanted.resource.last_modified
    return max(since, last.failed_utc + (REFUSED_REST if refused else min(wanted.cadence, REST)))


def _file_order(file: DueFile) -> tuple[timedelta, datetime, str]:
    return file.wanted.cadence, file.due_utc, file.resource.id


def _table_order(table: DueTable) -> tuple[datetime, datetime, str]:
    return table.deadline_utc, table.due_utc, table.resource.id
