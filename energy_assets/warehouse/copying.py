"""Copying one warehouse into another, so that the second answers every question as the first does.

What is compared, in which order, and what is refused belong here; how a store reads and replaces a part is its own
business (``Parts``), and no SQL is written here.

A table is copied relation by relation, its receipts last: until they are there, nothing vouches for the rows, so a copy
that was killed leaves a target that would ask again. Each relation goes in pieces of some days. A piece that is equal
on both sides by count and digest is left alone; any other is read into a file, put in place by one commit and read
back.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.catalogue.model import Table
from energy_assets.errors import MovedError, WarehouseError
from energy_assets.warehouse.interface import (
    Part,
    Parts,
    Recorded,
    Relation,
    StoredTable,
    Transferable,
    Warehouse,
)
from energy_assets.warehouse.parts import Fingerprint, fingerprint, whole
from energy_assets.warehouse.staging import ARROW_TYPES

RELATIONS: tuple[Relation, ...] = ("rows", "history", "quarantine", "gaps", "days", "receipts")

TABLELESS: tuple[Relation, ...] = ("quarantine", "gaps", "receipts")
"""Those that may hold something of a table that nothing was ever written to."""

PIECE_ROWS = 250_000
"""Rows above which a month is cut into days: what a commit of the largest tables takes a few seconds for."""

TABLES_AT_ONCE = 4
"""Tables under way at once in a store that takes several writers: most of the time each waits for jobs that run
elsewhere, and memory holds a batch or two of each."""

ATTEMPTS = 3
"""Times that a piece is begun anew because the target has changed under it."""

OnProgress = Callable[[str, int, int], None]


class CopyableWarehouse(Warehouse, Transferable, Protocol):
    """A warehouse whose relations can be read and replaced in parts."""


@dataclass
class TableCopy:
    """What became of one table.

    Attributes:
        table: Table name.
        dataset: Dataset code.
        rows: Rows of each relation that the source holds.
        copied: Pieces that were put in place.
        equal: Pieces that were equal already.
        mended: Copied pieces of which the target held something else before.
        bytes: Size of the rows that were copied, in memory.
        seconds: Time taken.
        changed: Whether the source was written to meanwhile, so that another copy has more to do.
    """

    table: str
    dataset: str
    rows: dict[Relation, int] = field(default_factory=dict)
    copied: int = 0
    equal: int = 0
    mended: int = 0
    bytes: int = 0
    seconds: float = 0.0
    changed: bool = False


@dataclass(frozen=True)
class Copied:
    """What became of a copy.

    Attributes:
        tables: One for each table of which the source holds anything.
        left_out: Other tables of which the source holds something.
    """

    tables: tuple[TableCopy, ...]
    left_out: tuple[str, ...] = ()


def copy(
    source: CopyableWarehouse,
    target: CopyableWarehouse,
    tables: Sequence[Table],
    *,
    on_progress: OnProgress | None = None,
    folder: Path | None = None,
) -> Copied:
    """Make the target hold, of these tables, exactly what the source holds.

    Args:
        source: Where rows come from; it may be written to meanwhile, which the next copy makes good.
        target: Where they go; it must be empty or an earlier copy.
        tables: Descriptions of the tables.
        on_progress: Called with what is worked on, rows done and rows to do.
        folder: Where pieces lie while they travel; by default the system's temporary folder.

    Raises:
        WarehouseError: The source holds nothing, the target holds data of its own, or a store refused. What was copied
            stays, and the same call goes on from there.
    """
    theirs, ours = source.parts(), target.parts()
    origin = theirs.origin()
    if origin is None:
        raise WarehouseError(f"{theirs.place} holds nothing yet: there is nothing to copy.")
    source.check()
    target.check()
    target.claim(origin)
    names = theirs.names()
    known = [table for table in tables if table.name in names]
    described = {table.name for table in tables}
    copies = [_TableCopying(theirs, ours, table, folder) for table in known]
    with target.session(), _workers(source) as looking, _workers(target) as working:
        progress = _Progress(on_progress, sum(looking.map(_TableCopying.look, copies)))
        running = [working.submit(copying.run, progress) for copying in copies]
        try:
            done = tuple(future.result() for future in running)
        finally:
            for future in running:
                future.cancel()
    return Copied(done, tuple(sorted(names - described)))


def _workers(store: CopyableWarehouse) -> ThreadPoolExecutor:
    """Threads that use a store at once."""
    return ThreadPoolExecutor(min(store.writers, TABLES_AT_ONCE), thread_name_prefix="copy")


class _Progress:
    """Rows done of all tables together."""

    def __init__(self, show: OnProgress | None, total: int) -> None:
        self._show = show
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, what: str, rows: int) -> None:
        """Some rows are equal now."""
        with self._lock:
            self._done += rows
            if self._show is not None:
                self._show(what, min(self._done, self._total), self._total)


@dataclass(frozen=True)
class _Identities:
    """The table's identity on both sides; empty where there is no table."""

    source: str = ""
    target: str = ""


class _TableCopying:
    """One table's way into the target."""

    def __init__(self, source: Parts, target: Parts, table: Table, folder: Path | None) -> None:
        self._source = source
        self._target = target
        self._table = table
        self._folder = folder
        self._result = TableCopy(table.name, table.dataset)
        self._ids = _Identities()
        self._generation = 0
        self._known = Recorded()
        self._days: dict[Relation, Mapping[date, int]] = {}

    def look(self) -> int:
        """See what there is to copy; gives its rows.

        Receipts recorded after this moment are left to the next copy: the rows that they vouch for may be read before
        they are written. So are gaps.
        """
        self._known = self._source.newest(self._table)
        found = self._source.days([self._part(r, self._until(r)) for r in RELATIONS])
        self._days = dict(zip(RELATIONS, found, strict=True))
        self._result.rows = {r: sum(days.values()) for r, days in self._days.items()}
        return sum(self._result.rows.values())

    def run(self, progress: _Progress) -> TableCopy:
        """Copy what differs."""
        began = time.monotonic()
        here = dict(zip(RELATIONS, self._target.days([self._part(r) for r in RELATIONS]), strict=True))
        if here["receipts"]:
            self._refuse_other_data()
        held = self._source.held(self._table)
        if held is not None:
            self._check_types(held)
            made = self._target.prepare(self._table, held.columns)
            self._ids = _Identities(held.table_id, made.table_id)
        self._generation = self._target.generation(self._table)
        for relation in RELATIONS if held is not None else TABLELESS:
            self._relation(relation, here[relation], progress)
        self._result.changed = self._source.newest(self._table) != self._known
        self._result.seconds = time.monotonic() - began
        return self._result

    def _until(self, relation: Relation) -> datetime | None:
        return self._known.gap_utc if relation == "gaps" else self._known.receipt_utc

    def _part(self, relation: Relation, until: datetime | None = None) -> Part:
        return whole(self._table, relation, until)

    def _refuse_other_data(self) -> None:
        """Refuse a target that has asked a provider itself: what it got would be lost."""
        part = self._part("receipts")
        own = _texts(self._target.batches(part, ["receipt_id"]))
        known = _texts(self._source.batches(part, ["receipt_id"]))
        foreign = len(own) - (pc.sum(pc.is_in(own, value_set=known)).as_py() or 0)
        if foreign:
            raise WarehouseError(
                f"{self._target.place} holds {self._table.name} from {foreign:,} requests that {self._source.place} "
                "does not know, so a copy would lose data: copy into another ENERGY_ASSETS_SCHEMA, or leave the table "
                "out with --tables."
            )

    def _check_types(self, held: StoredTable) -> None:
        wanted = dict(self._table.columns)
        for name, kind in held.columns.items():
            if ARROW_TYPES[wanted.get(name, kind)] != ARROW_TYPES[kind]:
                raise WarehouseError(
                    f"{self._source.place}: column {name} of {self._table.name} is stored as {kind} and the catalogue "
                    f"says {wanted[name]}: refresh {self._table.dataset} there first, which brings it up to date."
                )

    def _relation(self, relation: Relation, here: Mapping[date, int], progress: _Progress) -> None:
        there = self._days[relation]
        for first, last in pieces(there, here):
            part = Part(self._table, relation, first, last, self._until(relation))
            rows = sum(count for day, count in there.items() if first <= day <= last)
            before = sum(count for day, count in here.items() if first <= day <= last)
            self._piece(part, rows, before)
            progress.add(str(part), rows)

    def _piece(self, part: Part, rows: int, before: int) -> None:
        for _ in range(ATTEMPTS):
            if rows == before and fingerprint(self._from_source(part)) == self._there(part):
                self._result.equal += 1
                return
            try:
                self._replace(part, before)
            except MovedError:
                # An earlier copy that was killed may still have had a job under way; another writer's data may not go.
                self._refuse_other_data()
                self._generation = self._target.generation(self._table)
                before = sum(self._target.days([_here(part)])[0].values())
                continue
            self._result.copied += 1
            self._result.mended += before > 0
            return
        raise WarehouseError(
            f"{self._target.place}: {part} keeps being changed by others while it is copied into: stop what writes to "
            "the target, then copy again."
        )

    def _replace(self, part: Part, before: int) -> None:
        with tempfile.TemporaryDirectory(prefix="energy-assets-copy-", dir=self._folder) as folder:
            file = Path(folder) / "piece.arrow"
            wanted, size = _spool(self._from_source(part), file)
            self._generation = self._target.replace(_here(part), _spooled(file), before, self._generation)
        found = self._there(part)
        if found != wanted:
            raise WarehouseError(
                f"{self._target.place}: {part} holds {found.rows:,} rows after it was copied that are not the "
                f"{wanted.rows:,} of {self._source.place}: copy again, and report it with the log if it stays so."
            )
        self._result.bytes += size

    def _from_source(self, part: Part) -> Iterator[pa.Table]:
        """The source's rows as the target is to hold them."""
        for batch in self._source.batches(part):
            yield self._renamed(batch) if part.relation in ("days", "receipts") else batch

    def _renamed(self, batch: pa.Table) -> pa.Table:
        """Rows that name the table by its identity in the target."""
        column = batch.column("table_id")
        if not self._ids.source:
            return batch
        named = pc.if_else(pc.equal(column, self._ids.source), self._ids.target, column)
        return batch.set_column(batch.column_names.index("table_id"), "table_id", named)

    def _there(self, part: Part) -> Fingerprint:
        return fingerprint(self._target.batches(_here(part)))


def _here(part: Part) -> Part:
    """The same part of the target, where nothing is to be that is newer."""
    return replace(part, until=None)


def pieces(there: Mapping[date, int], here: Mapping[date, int]) -> Iterator[tuple[date, date]]:
    """Spans of days to copy at once: a month, or the days of one that has many rows.

    Args:
        there: Rows of each day of the source.
        here: Rows of each day of the target.

    Yields:
        First and last day, ascending; together they hold every day of either.
    """
    days = sorted({*there, *here})
    first, count = None, 0
    for place, day in enumerate(days, 1):
        following = days[place] if place < len(days) else None
        first = first or day
        count += there.get(day, 0)
        if (
            following is None
            or (following.year, following.month) != (day.year, day.month)
            or count + there.get(following, 0) > PIECE_ROWS
        ):
            yield first, day
            first, count = None, 0


def _texts(batches: Iterator[pa.Table]) -> pa.Array:
    """The only column of some batches, as one array."""
    arrays = [chunk for batch in batches for chunk in batch.column(0).chunks]
    return pa.concat_arrays(arrays) if arrays else pa.array([], pa.string())


def _spool(batches: Iterator[pa.Table], file: Path) -> tuple[Fingerprint, int]:
    """Write batches to a file, so that the store they come from is free while they are loaded."""
    found, size = Fingerprint(), 0
    writer: pa.ipc.RecordBatchFileWriter | None = None
    try:
        for batch in batches:
            if writer is None:
                writer = pa.ipc.new_file(str(file), batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
            writer.write_table(batch.combine_chunks())
            found, size = found.with_(batch), size + batch.nbytes
    finally:
        if writer is not None:
            writer.close()
    return found, size


def _spooled(file: Path) -> Iterator[pa.Table]:
    """The batches of a file; none where nothing was written."""
    if not file.exists():
        return
    with pa.OSFile(str(file), "rb") as opened:
        reader = pa.ipc.open_file(opened)
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])
