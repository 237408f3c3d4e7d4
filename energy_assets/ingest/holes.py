"""Where IRIS has holes now, and what the archive is to be asked for because of them.

Reading and putting together belongs here, and the schedule of requests; what counts as a hole is decided in
``outages``, what is remembered from look to look in ``asked``, whether a window is covered in ``planner``.

Work is judged in *cells*: one hour of one stream, the archive's own window. A cell of a hole is filled when a receipt
of the archive from after its settling covers it; until then it is asked for ever more rarely, and in the end given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets import arrow, calendar
from energy_assets.catalogue.iris import ARCHIVE_BEGINS, ENTRIES, MESSAGES
from energy_assets.catalogue.model import Dataset, Table
from energy_assets.errors import NothingYetError
from energy_assets.ingest.asked import ASKS_MOST, Memory, read_memory
from energy_assets.ingest.columns import EPOCH, micros
from energy_assets.ingest.outages import AT_REST, HOUR, TICK, Hole, State, joined, skipped, unlistened, unvouched
from energy_assets.ingest.planner import missing
from energy_assets.ingest.writing import SANDBOX_LABEL
from energy_assets.sources.iris.backlog import TO_LOAD, Backlog
from energy_assets.sources.iris.heartbeat import Beat, outages, read_beats
from energy_assets.sources.iris.split import BRANCH
from energy_assets.warehouse.interface import Warehouse

SILENT_AFTER = timedelta(hours=24)
"""Time without a message after which somebody has to look: the queue forgets after three days."""

NUMBERS_BACK = timedelta(days=4)
"""How far back from what was loaded at the last look numbers are looked at: the queue's memory and a day. Older gaps
were found while they were younger."""

LONGEST_LOOK = timedelta(days=31)
"""The same where nothing was loaded for long: bounds what one look reads."""

OUTAGES_BACK = timedelta(days=14)
"""Outages that ended longer ago are not looked at; those that did not are looked at from their beginning."""

WAIT_MOST = timedelta(days=1)
"""A file that has waited longer for its load is waited for no more: what it may hold is asked for."""

RUNNING_EVERY = timedelta(hours=2)
"""How often an hour that is not settled is asked for at most, while nobody listens: each request loads all of it."""

VOUCH_EVERY = timedelta(hours=6)
"""How often it is looked whether what was loaded is still there: it reads every receipt of these days."""

RESERVE = timedelta(minutes=1)
"""What is asked for on both sides of a hole: the archive's clock need not be the queue's."""

SEARCH_DAYS = 31
"""Days of the register that one step of a search through the past reads."""

PIECE = timedelta(days=7)
"""Receipts of this long are read at once: bounds memory where an outage lasted for months."""

APART = timedelta(hours=3)
"""Hours further apart are not worth reading the receipts between them."""

SPANS = tuple(timedelta(days=d) for d in (1 / 24, 1, 7, 31, 92, 366))
"""Spans before the newest message in which receipts are looked for, until every stream has one: a busy stream shows
itself in the first, and only rare ones, which have few, are looked for in the last."""

PUSHED = ("IRIS", "IRIS-FILE")
"""Ways of a message that came by itself; what was asked of the archive says nothing about the queue. A stand-in's
messages came by themselves where their origin is no address."""

REGISTER_COLUMNS = ("sequence_number", "enqueued_utc", "received_utc", "table_name", "rows", "source", "origin")

Cell = tuple[str, datetime]
"""Table and hour."""


@dataclass(frozen=True)
class Ask:
    """What the archive is to be asked for in one run: whole hours of one settlement day.

    Attributes:
        from_utc: First hour.
        to_utc: End of the last one.
        entries: The streams.
    """

    from_utc: datetime
    to_utc: datetime
    entries: tuple[Dataset, ...]

    @property
    def day(self) -> date:
        """The settlement day."""
        return calendar.settlement_day(self.from_utc)

    def cells(self) -> Iterator[Cell]:
        """Its hours, stream by stream."""
        hours = list(_hours(self.from_utc, self.to_utc))
        return ((entry.table.name, hour) for entry in self.entries for hour in hours)


@dataclass(frozen=True)
class Holes:
    """What was found.

    Attributes:
        holes: Intervals in which messages may be missing, or were until they were filled, in order of time.
        asks: What the archive is to be asked for now, the newest first.
        newest_utc: When the newest message was enqueued that is held and did not come from the archive.
        heard_utc: When the newest message was enqueued that has come by the queue, loaded or not; where none has, when
            the listener was first started; ``None`` where neither is known.
        doubt: Why the queue's numbers are not believed; empty where they are.
        memory: What the next look is to know; a caller that requests ``asks`` keeps it.
    """

    holes: tuple[Hole, ...]
    asks: tuple[Ask, ...]
    newest_utc: datetime | None
    heard_utc: datetime | None = None
    doubt: str = ""
    memory: Memory = field(default_factory=Memory)

    def silent(self, now: datetime) -> bool:
        """Whether messages should come and have not for long."""
        return self.heard_utc is not None and now - self.heard_utc >= SILENT_AFTER

    def in_state(self, state: State) -> tuple[Hole, ...]:
        """Holes in one state."""
        return tuple(h for h in self.holes if h.state == state)


def find_holes(root: Path, warehouse: Warehouse, now: datetime, *, thorough: bool | None = None) -> Holes:
    """Look for holes, and for what the archive is to be asked because of them.

    Args:
        root: The drop folder.
        warehouse: Whose register and receipts are read.
        now: The present, aware UTC.
        thorough: Whether to look as well whether loaded rows are still there; by default every ``VOUCH_EVERY``.

    Raises:
        SpoolError: The drop folder cannot be read.
        WarehouseError: The warehouse cannot be read.
    """
    before = read_memory(root)
    with warehouse.session(write=False):
        beats = _beats(root, now)
        register = _register(warehouse, *_looked_at(before, now))
        memory = _learned(before, register, beats, warehouse, now)
        settled = _settled(root, now)
        if thorough is None:
            thorough = before.vouched_utc is None or now - before.vouched_utc >= VOUCH_EVERY
        memory = msgspec.structs.replace(
            memory, settled_utc=settled, vouched_utc=now if thorough else before.vouched_utc
        )
        entries = tuple(d for d in ENTRIES if d.table.name in memory.tables and d.query.path)
        of_queue = register.filter(pc.is_in(register["table_name"], arrow.texts(memory.tables)))
        numbers = skipped(of_queue, settled - AT_REST)
        heard = _heard(memory, beats)
        found = [*_outages(beats, memory, now), *_silence(heard, now), *numbers.holes]
        if thorough:
            found += _gone(register, entries, warehouse)
        judged = _Judge(entries, memory, warehouse, now).judge(joined(found))
    holes, asks, answered = judged
    return Holes(tuple(holes), tuple(asks), memory.newest_utc, heard, numbers.doubt, memory.without(answered))


def heard_utc(root: Path, now: datetime) -> datetime | None:
    """When the newest message was enqueued that has come by the queue, by what is in the drop folder alone.

    Args:
        root: The drop folder.
        now: The present, aware UTC.

    Returns:
        As ``Holes.heard_utc``; messages loaded since the last look for holes count where the listener told of them.
    """
    return _heard(read_memory(root), _beats(root, now))


# What is read.


def _beats(root: Path, now: datetime) -> list[Beat]:
    """Lines of the last weeks, and before them to one that was linked, so that no outage lacks its beginning."""
    beats = read_beats(root, now - OUTAGES_BACK, now)
    span = OUTAGES_BACK
    while beats and not beats[0].linked:
        more = read_beats(root, beats[0].utc - span, now)
        if len(more) == len(beats):
            break
        beats, span = more, 2 * span
    return beats


def _looked_at(memory: Memory, now: datetime) -> tuple[date, date]:
    """Days of the register that are looked at."""
    settled = min(now, memory.settled_utc or now)
    begin = max(settled - NUMBERS_BACK, now - LONGEST_LOOK)
    return calendar.settlement_day(begin), calendar.settlement_day(now)


def _register(warehouse: Warehouse, first: date, last: date) -> pa.Table:
    try:
        return warehouse.read(MESSAGES, first, last, columns=REGISTER_COLUMNS)
    except NothingYetError:
        return _EMPTY


def _settled(root: Path, now: datetime) -> datetime:
    """Until when all that has come is loaded: when the oldest file that still waits was written."""
    backlog = Backlog(root)
    written = [w.mtime_ns for w in backlog.waiting(now)]
    written += [file.mtime_ns for state in TO_LOAD for m in backlog.manifests(state) for file in m.files]
    oldest = (now - WAIT_MOST).timestamp() * 1e9
    times = (datetime.fromtimestamp(at / 1e9, tz=UTC) for at in written if at >= oldest)
    return min([now, *times])


# What follows from it.


def _learned(memory: Memory, register: pa.Table, beats: Sequence[Beat], warehouse: Warehouse, now: datetime) -> Memory:
    """What is known of the queue, with what this look adds; the past is searched once, where nothing is remembered."""
    first, _ = _looked_at(memory, now)
    pushed = _pushed(register)
    newest = _latest(memory.newest_utc, _newest(pushed))
    if newest is None and not memory.searched:
        newest = _newest(_earlier(warehouse, first))
    tables = {*memory.tables, *pc.unique(pushed["table_name"]).to_pylist()}
    if not memory.searched and newest is not None:
        tables |= _brought(warehouse, newest)
    memory = msgspec.structs.replace(
        memory, newest_utc=newest, tables=tuple(sorted(tables)), searched=memory.searched or newest is not None
    )
    began = beats[0].utc if beats and beats[0].utc > now - OUTAGES_BACK else None
    if began is None or began == memory.began_utc:
        return memory
    held = _newest(_received(pushed, began)) or _newest(_earlier(warehouse, first, began))
    return msgspec.structs.replace(memory, began_utc=began, before_utc=held)


def _earlier(warehouse: Warehouse, before: date, received: datetime | None = None) -> pa.Table:
    """The last rows of the register before a day that came by the queue, as far back as there are any."""
    last = before - timedelta(days=1)
    while last >= ARCHIVE_BEGINS:
        first = last - timedelta(days=SEARCH_DAYS - 1)
        found = _pushed(_register(warehouse, first, last))
        if received is not None:
            found = _received(found, received)
        if found.num_rows:
            return found
        last = first - timedelta(days=1)
    return _EMPTY


def _brought(warehouse: Warehouse, newest: datetime) -> set[str]:
    """Tables that the queue has ever filled, by receipts: a queue may be set to a few streams."""
    left = {d.code: d.table for d in ENTRIES if d.query.path}
    brought: set[str] = set()
    begins = datetime.combine(ARCHIVE_BEGINS, datetime.min.time(), tzinfo=UTC)
    for begin in (*(newest - span for span in SPANS), begins):
        seen = warehouse.coverage(list(left.values()), begin, newest + TICK)
        for code in [c for c in left if any(s.window.branch == BRANCH for s in seen.get(c, ()))]:
            brought.add(left.pop(code).name)
        if not left:
            break
    return brought


def _heard(memory: Memory, beats: Sequence[Beat]) -> datetime | None:
    """When the newest message that came was enqueued; the listener knows of it before it is loaded."""
    told = (b.last_enqueued_utc for b in beats)
    newest = _latest(memory.newest_utc, max((at for at in told if at is not None), default=None))
    return newest or (beats[0].utc if beats else None)


def _outages(beats: Sequence[Beat], memory: Memory, now: datetime) -> list[Hole]:
    if not beats:
        return []
    return unlistened(beats, outages(beats, beats[0].utc, now), memory.before_utc, now)


def _silence(heard: datetime | None, now: datetime) -> list[Hole]:
    """A queue from which nothing comes may be empty, or broken; the archive knows."""
    if heard is None or now - heard < SILENT_AFTER:
        return []
    hours = SILENT_AFTER // HOUR
    return [Hole(heard, now, (), f"nothing has come for more than {hours} hours", lasting=True)]


def _gone(register: pa.Table, entries: Sequence[Dataset], warehouse: Warehouse) -> list[Hole]:
    """Hours whose rows were loaded and are gone, day by day: a day has receipts by the ten thousand."""
    holes: list[Hole] = []
    tables = [d.table for d in entries]
    enqueued = arrow.to_numpy(register["enqueued_utc"])
    day = 24 * HOUR
    for number in np.unique(enqueued // (day // TICK)):
        begin = EPOCH + int(number) * day
        seen = warehouse.coverage(tables, begin, begin + day)
        of_day = register.filter(arrow.flags(enqueued // (day // TICK) == number))
        holes += unvouched(of_day, {d.table.name: seen[d.code] for d in entries})
    return holes


# What has become of it, and what is to be asked for.


class _Judge:
    """Tells of every cell of every hole whether it is filled, and when it is asked for."""

    def __init__(self, entries: Sequence[Dataset], memory: Memory, warehouse: Warehouse, now: datetime) -> None:
        self._entries = {d.table.name: d for d in entries}
        self._memory = memory
        self._warehouse = warehouse
        self._now = now

    def judge(self, holes: Sequence[Hole]) -> tuple[list[Hole], list[Ask], list[Cell]]:
        """The holes with their states, requests that are due now, and cells that have been answered."""
        wanted: dict[datetime, dict[str, bool]] = {}
        for hole in (h for h in holes if not h.queued):
            for hour in self._hours_of(hole):
                own = wanted.setdefault(hour, {})
                for table in self._tables_of(hole):
                    own[table] = own.get(table, False) or hole.lasting
        states: dict[Cell, State] = {}
        due: dict[datetime, list[str]] = {}
        for piece in _pieces(sorted(wanted)):
            unanswered = self._unanswered(piece, wanted)
            for hour in piece:
                for table, lasting in wanted[hour].items():
                    state, now = self._state(table, hour, (table, hour) in unanswered, lasting)
                    states[table, hour] = state
                    if now:
                        due.setdefault(hour, []).append(table)
        judged = [replace(hole, state=self._whole(hole, states)) for hole in holes]
        return judged, self._asks(due), [cell for cell, state in states.items() if state == "filled"]

    def _hours_of(self, hole: Hole) -> Iterator[datetime]:
        return _hours(hole.from_utc - RESERVE, min(hole.to_utc + RESERVE, self._now))

    def _tables_of(self, hole: Hole) -> Iterable[str]:
        return (t for t in hole.tables if t in self._entries) if hole.tables else self._entries

    def _unanswered(self, hours: Sequence[datetime], wanted: Mapping[datetime, Mapping[str, bool]]) -> set[Cell]:
        """Cells of some hours for which no receipt from after their settling vouches, unsettled ones included."""
        tables = {table for hour in hours for table in wanted[hour]}
        entries = [self._entries[table] for table in sorted(tables)]
        if not entries:
            return set()
        seen = self._warehouse.coverage([d.table for d in entries], hours[0], hours[-1] + HOUR)
        days = sorted({calendar.settlement_day(hour) for hour in hours})
        found = {(d.table.name, hour) for d in entries for hour in hours if not self._is_settled(d, hour)}
        for entry in entries:
            own = [s for s in seen[entry.code] if s.window.branch != BRANCH]
            windows = (w for day in days for w in missing(entry, day, day, own, self._now))
            found.update((entry.table.name, w.from_utc) for w in windows)
        return found

    def _is_settled(self, entry: Dataset, hour: datetime) -> bool:
        return calendar.lag_passed(entry.timing.settled, hour, hour + HOUR, self._now)

    def _state(self, table: str, hour: datetime, unanswered: bool, lasting: bool) -> tuple[State, bool]:
        """What has become of a cell, and whether it is to be asked for now."""
        if not unanswered:
            return "filled", False
        asked = self._memory.of(table, hour)
        settles = calendar.lag_end(self._entries[table].timing.settled, hour, hour + HOUR)
        if self._now < settles:
            return "open", lasting and (asked is None or self._now - asked.last_utc >= RUNNING_EVERY)
        # What was asked for before it had settled is asked for once more, however often that was.
        if asked is None or asked.last_utc < settles:
            return "open", True
        if asked.times >= ASKS_MOST:
            return "given_up", False
        return "asked", asked.again_utc() <= self._now

    def _whole(self, hole: Hole, states: Mapping[Cell, State]) -> State:
        """What has become of a hole, by its cells; one of which nothing can be asked stays open."""
        if hole.queued:
            return "open"
        found = {states[table, hour] for hour in self._hours_of(hole) for table in self._tables_of(hole)}
        order: tuple[State, ...] = ("open", "asked", "given_up", "filled")
        return next((state for state in order if state in found), "open")

    def _asks(self, due: Mapping[datetime, Sequence[str]]) -> list[Ask]:
        """Hours that follow each other, of one day and the same streams, as one request."""
        asks: list[Ask] = []
        for hour, tables in sorted(due.items()):
            entries = tuple(self._entries[table] for table in sorted(tables))
            last = asks[-1] if asks else None
            if last and last.to_utc == hour and last.entries == entries and last.day == calendar.settlement_day(hour):
                asks[-1] = Ask(last.from_utc, hour + HOUR, entries)
            else:
                asks.append(Ask(hour, hour + HOUR, entries))
        return asks[::-1]


def _pieces(hours: Sequence[datetime]) -> Iterator[list[datetime]]:
    """Hours in order of time, cut where they are far apart and where a piece grows long."""
    piece = list(hours[:1])
    for hour, following in pairwise(hours):
        if following - hour > APART or following - piece[0] >= PIECE:
            yield piece
            piece = []
        piece.append(following)
    if piece:
        yield piece


def _hours(begin: datetime, end: datetime) -> Iterator[datetime]:
    """Beginnings of the UTC hours that an interval touches; the archive's windows are these."""
    hour = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < end:
        yield hour
        hour += HOUR


def _pushed(register: pa.Table) -> pa.Table:
    standin = pc.equal(register["source"], SANDBOX_LABEL)
    told = pc.and_not(standin, pc.match_substring(register["origin"], "://"))
    return register.filter(pc.or_(pc.is_in(register["source"], arrow.texts(PUSHED)), told))


def _received(register: pa.Table, before: datetime) -> pa.Table:
    return register.filter(arrow.flags(arrow.to_numpy(register["received_utc"]) < micros(before)))


def _newest(register: pa.Table) -> datetime | None:
    newest = pc.max(register["enqueued_utc"]).as_py()
    return None if newest is None else newest.replace(tzinfo=UTC)


def _latest(a: datetime | None, b: datetime | None) -> datetime | None:
    return max(a, b) if a is not None and b is not None else a or b


def _columns(table: Table, names: Sequence[str]) -> pa.Schema:
    kinds = {"integer": pa.int64(), "instant": pa.timestamp("us"), "text": pa.string()}
    stored = dict(table.columns)
    return pa.schema([(name, kinds[stored[name]]) for name in names])


_EMPTY = arrow.empty(_columns(MESSAGES, REGISTER_COLUMNS))
