"""The embedded warehouse: one DuckDB file.

The interface's calls, transactions, errors and readings belong here; the merge of one batch is in ``merge``, the file's
sharing in ``locking``, the SQL text in ``sql``.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue.model import Table
from energy_assets.errors import ForeignRowsError, WarehouseError
from energy_assets.ingest.model import Gap, Receipt, Seen, Window, WriteBatch, WriteResult
from energy_assets.warehouse import locking, readings, service
from energy_assets.warehouse.duckdb_parts import DuckDBParts
from energy_assets.warehouse.interface import Answer, DatasetStatus, Location, Place, ReadView, Usage
from energy_assets.warehouse.merge import Known, Merge, append, append_quarantine, follows, look, one
from energy_assets.warehouse.sql import DUCKDB, HISTORY_COLUMNS, Bounds, TableSql

log = logging.getLogger(__name__)

MEMORY_LIMIT = "128MB"
"""DuckDB's own memory: enough for the usual merge, so that the whole process stays below 450 MB."""

ROOMY_MEMORY_LIMIT = "1GB"
"""What a merge gets that did not fit: one in which hundreds of thousands of rows were revised or repeated at once."""

CHECKPOINT_THRESHOLD = "64MB"
"""Size of the write-ahead log that is folded into the file at once; closing folds whatever there is."""

MAX_THREADS = 4
"""More threads make one merge no faster and take memory each."""


TABLES_PER_STATEMENT = 32
"""Tables that one statement looks at: each costs a call less, and memory for as long as the statement runs."""

_DISK_FULL = ("No space left", "File too large", "Could not write", "Disk quota")


class _TooLargeError(WarehouseError):
    """An operation did not fit into DuckDB's memory limit."""


_Newest = tuple[datetime | None, str | None, datetime | None, str]
"""Of a table: its last success, and the newest receipt's status, time and reason."""


def _united(cursor: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of queries of one shape, some of them in a statement."""
    for first in range(0, len(queries), TABLES_PER_STATEMENT):
        yield from cursor.execute(" UNION ALL ".join(queries[first : first + TABLES_PER_STATEMENT])).fetchall()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Opened:
    """The file opened for one operation, as ``DuckDBParts`` asks for it."""

    reading: Callable[[str], AbstractContextManager[tuple[duckdb.DuckDBPyConnection, Known] | None]]
    writing: Callable[[str], AbstractContextManager[tuple[duckdb.DuckDBPyConnection, Known]]]


class DuckDBWarehouse:
    """A warehouse in one DuckDB file.

    Objects that name the same file share one connection per process; other processes wait for their turn. Instants go
    in and come out as aware UTC; columns hold them without a zone.

    Args:
        path: The database file; made on the first write, with its folder.
        schema: Schema of all tables.
        clock: Says what time it is, aware.
        memory_limit: DuckDB's memory limit.
        threads: DuckDB's threads; by default those of the machine, at most ``MAX_THREADS``.
        wait_seconds: Longest wait for another process that holds the file.
    """

    name = "duckdb"
    writers = 1

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        clock: Callable[[], datetime] = _utc_now,
        memory_limit: str = MEMORY_LIMIT,
        threads: int | None = None,
        wait_seconds: float = locking.WAIT_SECONDS,
    ) -> None:
        self._path = Path(path)
        self._schema = schema
        self._clock = clock
        self._memory_limit = memory_limit
        settings: dict[str, str | int] = {
            "memory_limit": memory_limit,
            "threads": threads or min(os.cpu_count() or 1, MAX_THREADS),
            "preserve_insertion_order": "false",
            "checkpoint_threshold": CHECKPOINT_THRESHOLD,
            "autoinstall_known_extensions": "false",
        }
        self._holder = locking.holder_of(self._path, settings, wait_seconds)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    @property
    def schema(self) -> str:
        """Schema of all tables."""
        return self._schema

    def session(self, *, write: bool = True) -> AbstractContextManager[None]:
        """Keep the file open between calls, within the limits of ``locking``; re-entrant and for all threads.

        Args:
            write: Whether the calls will write; ``False`` lets other processes read meanwhile.
        """
        return self._holder.session(write=write)

    def check(self) -> None:
        """Nothing can be told of a file before it is opened; what is wrong with it is said then."""

    def usage(self) -> Mapping[str, Usage]:
        """Nothing: nobody bills a file."""
        return {}

    def location(self, table: Table) -> Location:
        """The file, and the table's name in it."""
        return Location(f"{self._path}: {self._schema}.{table.name}")

    def close(self) -> None:
        """Give the file up; a later call opens it again."""
        self._holder.close()

    # Opening.

    @contextmanager
    def _writing(self, what: str, memory_limit: str | None = None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Known]]:
        """One transaction of the one writer; everything or nothing stays of what happens inside."""
        with self._holder.turn:
            try:
                with self._holder.use(write=True) as cursor, self._limited(cursor, memory_limit):
                    self._migrate(cursor)
                    yield from self._transaction(cursor)
            except duckdb.Error as error:
                raise self._refused(what, error) from error

    @contextmanager
    def _limited(self, cursor: duckdb.DuckDBPyConnection, memory_limit: str | None) -> Iterator[None]:
        """Another memory limit for the whole instance, for as long as one operation lasts."""
        if memory_limit is None:
            yield
            return
        cursor.execute("SET GLOBAL memory_limit = ?", [memory_limit])
        try:
            yield
        finally:
            cursor.execute("SET GLOBAL memory_limit = ?", [self._memory_limit])

    def _transaction(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[duckdb.DuckDBPyConnection, Known]]:
        draft = self._look(cursor).draft()
        cursor.execute("BEGIN TRANSACTION")
        try:
            yield cursor, draft
            cursor.execute("COMMIT")
        except BaseException:
            self._rollback(cursor)
            raise
        self._holder.facts[self._schema] = draft

    @staticmethod
    def _rollback(cursor: duckdb.DuckDBPyConnection) -> None:
        try:
            cursor.execute("ROLLBACK")
        except duckdb.Error as error:
            # A failed commit has rolled back already, and a broken instance is thrown away by the holder.
            log.debug("Nothing to roll back: %s", locking.first_line(error))

    def _refused(self, what: str, error: duckdb.Error) -> WarehouseError:
        text = str(error)
        kind = WarehouseError
        if any(sign in text for sign in _DISK_FULL):
            remedy = f"the disk that holds {self._path} is full or over its quota: free space, then refresh"
        elif isinstance(error, duckdb.OutOfMemoryException):
            kind = _TooLargeError
            remedy = "DuckDB ran out of memory: free memory or disk for its temporary files, then refresh"
        else:
            remedy = "the store is as it was; if it persists, report it with the log"
        return kind(f"{what} failed ({locking.first_line(error)}): {remedy}.")

    def _migrate(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Bring the service tables to this version, once per opening of the file."""
        if self._schema in self._holder.facts:
            return
        steps = service.pending(self._version(cursor), service.MIGRATIONS, str(self._path))
        if not steps:
            return
        meta = DUCKDB.qualified(self._schema, service.META)
        cursor.execute("BEGIN TRANSACTION")
        try:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {DUCKDB.identifier(self._schema)}")
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {meta} ({DUCKDB.columns(service.META_COLUMNS)})")
            for step in steps:
                for statement in step.statements(DUCKDB, self._schema):
                    cursor.execute(statement)
                cursor.execute(f"INSERT INTO {meta} VALUES (?, ?)", [step.version, service.naive(self._clock())])
            cursor.execute("COMMIT")
        except BaseException:
            self._rollback(cursor)
            raise

    def _version(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Version of the service tables; 0 where there are none."""
        held = one(
            cursor,
            f"SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() "
            f"AND schema_name = {DUCKDB.text(self._schema)} AND table_name = {DUCKDB.text(service.META)}",
        )
        return one(cursor, f"SELECT coalesce(max(version), 0) FROM {self._name(service.META)}") if held else 0

    def _name(self, table: str) -> str:
        return DUCKDB.qualified(self._schema, table)

    def _look(self, cursor: duckdb.DuckDBPyConnection) -> Known:
        known = self._holder.facts.get(self._schema)
        if not isinstance(known, Known):
            known = self._holder.facts[self._schema] = look(cursor, self._schema)
        return known

    @contextmanager
    def _reading(self, what: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Known] | None]:
        """A cursor for reading, or ``None`` where nothing has been written yet."""
        if not self._path.exists():
            yield None
            return
        try:
            with self._holder.use(write=False) as cursor:
                version = self._usable(cursor)
                if version is True:
                    yield cursor, self._look(cursor)
            if version is False:
                yield None
            elif version is None:
                yield from self._reading_outdated(what)
        except duckdb.Error as error:
            raise self._refused(what, error) from error

    def _usable(self, cursor: duckdb.DuckDBPyConnection) -> bool | None:
        """Whether the service tables can be read as they are; ``None`` where they have to be migrated first."""
        if self._schema in self._holder.facts:
            return True
        version = self._version(cursor)
        if not version:
            return False
        return None if service.pending(version, service.MIGRATIONS, str(self._path)) else True

    def _reading_outdated(self, what: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Known]]:
        with self._writing(what) as opened:
            yield opened

    # Writing.

    def write(self, batch: WriteBatch) -> WriteResult:
        """Make the batch true in one commit; on any error the store is as it was.

        ``_ingested_utc`` of every row is the instant of this commit, so that no reading of the past shows a row
        before the store held it.

        Raises:
            WarehouseError: The store refused; the message names table and remedy.
        """
        with self._holder.turn:
            try:
                return self._merge(batch)
            except _TooLargeError:
                log.info("%s: %d rows need more memory to merge.", batch.table.name, batch.rows.num_rows)
                return self._merge(batch, ROOMY_MEMORY_LIMIT)

    def _merge(self, batch: WriteBatch, memory_limit: str | None = None) -> WriteResult:
        what = f"Writing {batch.rows.num_rows} rows to {self._schema}.{batch.table.name}"
        with self._writing(what, memory_limit) as (cursor, known):
            return Merge(cursor, self._schema, batch, known, self._clock()).run()

    def record(self, receipts: Sequence[Receipt], quarantine: pa.Table | None = None) -> None:
        """Append receipts (and quarantined rows) that come without rows.

        Raises:
            WarehouseError: The store refused.
        """
        with self._writing(f"Recording {len(receipts)} receipts") as (cursor, known):
            now = self._clock()
            stamped = [receipt.with_(recorded_utc=now) for receipt in receipts]
            append(cursor, self._schema, service.RECEIPTS, service.as_rows(stamped, known.ids, {}))
            if quarantine is not None:
                append_quarantine(cursor, self._schema, quarantine)

    def note_gaps(self, gaps: Sequence[Gap]) -> None:
        """Append to the ledger of gaps what has changed about some.

        Raises:
            WarehouseError: The store refused.
        """
        if not gaps:
            return
        with self._writing(f"Noting {len(gaps)} gaps") as (cursor, _):
            append(cursor, self._schema, service.GAPS, service.gap_rows(gaps, self._clock()))

    def claim(self, kind: Literal["provider", "sandbox"]) -> None:
        """Say where this store's rows come from; the first word counts.

        Raises:
            ForeignRowsError: The store holds rows of the other kind.
        """
        with self._writing("Claiming the store") as (cursor, _):
            origin = self._name(service.ORIGIN)
            held = cursor.execute(f"SELECT kind FROM {origin}").fetchall()
            if not held:
                cursor.execute(f"INSERT INTO {origin} VALUES (?, ?)", [kind, service.naive(self._clock())])
            elif held[0][0] != kind:
                raise ForeignRowsError(
                    f"{self._path} holds {held[0][0]} data and the rows to write come from a {kind}: synthetic and "
                    f"real data never mix, so use another ENERGY_ASSETS_HOME."
                )

    # What is held.

    def coverage(
        self, tables: Sequence[Table], from_utc: datetime, to_utc: datetime, since: datetime | None = None
    ) -> Mapping[str, Sequence[Seen]]:
        """Believed receipts that overlap ``[from_utc, to_utc)``, by dataset code; see the interface."""
        found: dict[str, list[Seen]] = {table.dataset: [] for table in tables}
        with self._reading("Reading the receipts") as opened:
            if opened is None or not tables:
                return found
            cursor, known = opened
            datasets = {table.name: table.dataset for table in tables}
            self._register_pairs(cursor, datasets, known)
            self._register_spoiled(cursor, list(datasets), known, from_utc, to_utc)
            query = service.believed_receipts(DUCKDB, self._schema, "_asked", "_spoiled", from_utc, to_utc, since)
            rows = cursor.execute(query).fetchall()
        for name, *seen in rows:
            found[datasets[name]].append(service.as_seen(seen))
        for windows in found.values():
            windows.sort(key=lambda s: s.window)
        return found

    @staticmethod
    def _register_pairs(
        cursor: duckdb.DuckDBPyConnection, names: Sequence[str] | Mapping[str, str], known: Known
    ) -> None:
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE _asked AS SELECT unnest(CAST(? AS VARCHAR[])) AS table_name, "
            "unnest(CAST(? AS VARCHAR[])) AS table_id",
            [list(names), [known.ids.get(name, "") for name in names]],
        )

    def _register_spoiled(
        self,
        cursor: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        known: Known,
        from_utc: datetime,
        to_utc: datetime,
    ) -> None:
        """The days that the range's receipts vouch for and that hold fewer rows than recorded, or once did."""
        recorded = cursor.execute(
            f"WITH touched AS (SELECT DISTINCT R.table_id, unnest(R.days) AS day FROM {self._name(service.RECEIPTS)} R "
            f"JOIN _asked I ON R.table_name = I.table_name AND R.table_id = I.table_id "
            f"WHERE R.window_from_utc < {DUCKDB.instant(to_utc)} AND R.window_to_utc > {DUCKDB.instant(from_utc)}) "
            f"SELECT D.table_name, D.day, arg_max(D.rows, D.seq), max(D.lost_utc) FROM {self._name(service.DAYS)} D "
            f"JOIN touched K ON D.table_id = K.table_id AND D.day = K.day GROUP BY D.table_name, D.day"
        ).fetchall()
        days: dict[str, list[date]] = {}
        for name, day, _, _ in recorded:
            days.setdefault(name, []).append(day)
        held = self._count_days(cursor, days)
        spoiled = [
            (name, day, None if held.get((name, day), 0) < rows else lost)
            for name, day, rows, lost in recorded
            if lost is not None or held.get((name, day), 0) < rows
        ]
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE _spoiled AS SELECT unnest(CAST(? AS VARCHAR[])) AS table_name, "
            "unnest(CAST(? AS DATE[])) AS day, unnest(CAST(? AS TIMESTAMP[])) AS believed_from",
            [[row[place] for row in spoiled] for place in range(3)],
        )

    def _count_days(
        self, cursor: duckdb.DuckDBPyConnection, days: Mapping[str, Sequence[date]]
    ) -> dict[tuple[str, date], int]:
        counts = [
            f"SELECT {DUCKDB.text(name)}, T._partition_day, count(*) FROM {self._name(name)} T "
            f"WHERE {Bounds(tuple(sorted(wanted))).predicate(DUCKDB, 'T')} GROUP BY T._partition_day"
            for name, wanted in days.items()
        ]
        return {(name, day): count for name, day, count in _united(cursor, counts)}

    def windows_with_bodies(
        self, table: Table, digests: Collection[str], around: tuple[datetime, datetime]
    ) -> Mapping[str, Sequence[Window]]:
        """Windows whose non-empty, covering receipts have one of these body digests, by digest; see the interface."""
        found: dict[str, list[Window]] = {}
        with self._reading("Reading the receipts") as opened:
            if opened is None:
                return found
            cursor, _ = opened
            rows = cursor.execute(
                f"SELECT DISTINCT body_sha256, window_from_utc, window_to_utc, branch "
                f"FROM {self._name(service.RECEIPTS)} "
                f"WHERE table_name = ? AND list_contains(?, body_sha256) AND fetched > 0 "
                f"AND window_from_utc BETWEEN {DUCKDB.instant(around[0])} AND {DUCKDB.instant(around[1])} "
                f"AND status IN ({service.covering_statuses(DUCKDB)}) ORDER BY ALL",
                [table.name, list(digests)],
            ).fetchall()
        for digest, *window in rows:
            found.setdefault(digest, []).append(service.as_window(*window))
        return found

    def rows_of(self, table: Table, window: Window) -> int:
        """Stored rows that this window, or one wholly inside it of the same branch, brought; 0 without a table."""
        with self._reading(f"Counting rows of {self._schema}.{table.name}") as opened:
            stored = opened[1].layouts.get(table.name, {}) if opened else {}
            if opened is None or not all(name in stored for name in ("_window_from_utc", *dict(window.branch))):
                return 0
            return one(opened[0], TableSql(DUCKDB, self._schema, table, tuple(stored)).brought(window))

    def windows_behind(self, table: Table, from_day: date, to_day: date) -> Sequence[Window]:
        """Windows of the receipts that brought the rows that stand on these settlement days, both inclusive."""
        with self._reading(f"Reading the receipts of {self._schema}.{table.name}") as opened:
            if opened is None or table.name not in opened[1].layouts:
                return ()
            rows = opened[0].execute(service.behind(DUCKDB, self._schema, table.name, from_day, to_day)).fetchall()
        return [service.as_window(*row) for row in rows]

    # Reading.

    def read(
        self,
        table: Table,
        from_day: date,
        to_day: date,
        *,
        columns: Sequence[str] | None = None,
        view: ReadView = "rows",
        ingested_as_of: datetime | None = None,
        published_as_of: datetime | None = None,
    ) -> pa.Table:
        """Rows of the settlement days ``from_day`` to ``to_day``, both inclusive, ordered by natural key.

        Args:
            table: The table's description.
            from_day: First settlement day.
            to_day: Last settlement day, inclusive.
            columns: Columns wanted, in this order; by default all.
            view: ``rows`` as stored; ``latest`` the newest publication of each event among these days (of a register
                the newest snapshot among them); ``history`` the displaced rows.
            ingested_as_of: What this warehouse held at that instant.
            published_as_of: What the provider had published at that instant, the newest publication of each event.

        Raises:
            UnknownAsOfError: ``ingested_as_of`` lies before the first ingestion of these days.
            WarehouseError: Nothing was ever fetched, a column is unknown, or the readings contradict each other.
        """
        readings.check(table, view, ingested_as_of, published_as_of)
        with self._reading(f"Reading {self._schema}.{table.name}") as opened:
            if opened is None or table.name not in opened[1].layouts:
                return self._read_nothing(opened, table, columns, view)
            cursor, known = opened
            stored = tuple(known.layouts[table.name])
            sql = TableSql(DUCKDB, self._schema, table, stored)
            if ingested_as_of is not None:
                self._check_known(cursor, known, table, from_day, to_day, ingested_as_of)
            source = readings.source(sql, (from_day, to_day), view, ingested_as_of, published_as_of)
            available = [*stored, *(name for name, _ in HISTORY_COLUMNS)] if view == "history" else list(stored)
            wanted = self._wanted(table, available, columns)
            query = f"SELECT {wanted} FROM ({source}) Y ORDER BY {sql.by_natural_key('Y')}"
            found = cursor.sql(query).to_arrow_table()
            # A table may have been made for a view that shows it with another, before anybody asked the provider.
            return found if found.num_rows or view != "rows" else self._read_nothing(opened, table, columns, view)

    def _read_nothing(
        self,
        opened: tuple[duckdb.DuckDBPyConnection, Known] | None,
        table: Table,
        columns: Sequence[str] | None,
        view: ReadView,
    ) -> pa.Table:
        """An empty table where the provider was asked and had nothing; an error where nobody asked."""
        asked = opened is not None and one(
            opened[0],
            f"SELECT count(*) FROM {self._name(service.RECEIPTS)} WHERE table_name = {DUCKDB.text(table.name)} "
            f"AND status IN ({service.covering_statuses(DUCKDB)})",
        )
        if not asked:
            raise readings.nothing_yet(self._schema, table)
        return readings.empty(table, columns, view)

    def _check_known(
        self,
        cursor: duckdb.DuckDBPyConnection,
        known: Known,
        table: Table,
        from_day: date,
        to_day: date,
        moment: datetime,
    ) -> None:
        """Refuse a moment at which nothing of the days had been asked for: the past before it is unknown, not empty."""
        begin, end = day_bounds_utc(from_day)[0], day_bounds_utc(to_day)[1]
        held = one(
            cursor,
            f"SELECT count(*) FROM {self._name(service.RECEIPTS)} R WHERE R.table_name = {DUCKDB.text(table.name)} "
            f"AND R.table_id IN ('', {DUCKDB.text(known.ids.get(table.name, ''))}) "
            f"AND R.status IN ({service.covering_statuses(DUCKDB)}) AND R.recorded_utc <= {DUCKDB.instant(moment)} "
            f"AND ((R.window_from_utc < {DUCKDB.instant(end)} AND R.window_to_utc > {DUCKDB.instant(begin)}) "
            f"OR len(list_filter(R.days, lambda d: d BETWEEN {DUCKDB.day(from_day)} AND {DUCKDB.day(to_day)})) > 0)",
        )
        if not held:
            raise readings.unknown_as_of(table, from_day, to_day, moment)

    @staticmethod
    def _wanted(table: Table, available: Sequence[str], columns: Sequence[str] | None) -> str:
        """The projection; a catalogued column that the stored table does not have yet reads as null."""
        kinds = dict(table.columns)
        return ", ".join(
            f"Y.{DUCKDB.identifier(name)}"
            if name in available
            else f"CAST(NULL AS {DUCKDB.types[kinds[name]]}) AS {DUCKDB.identifier(name)}"
            for name in readings.wanted(table, available, columns)
        )

    # Status.

    def status(self, tables: Sequence[Table], today: date, event_columns: Mapping[str, str]) -> Sequence[DatasetStatus]:
        """What is held of each table; ``event_columns`` maps table names to their event-time column."""
        blank = {t.name: DatasetStatus(t.name, None, None, None, 0, None, None, "", 0) for t in tables}
        with self._reading("Reading the status") as opened:
            if opened is None or not tables:
                return list(blank.values())
            cursor, known = opened
            self._register_pairs(cursor, [t.name for t in tables], known)
            receipts = self._newest_receipts(cursor)
            rows = self._newest_rows(cursor, [t.name for t in tables if t.name in known.layouts], today, event_columns)
            bad = self._quarantined(cursor)
        return [self._status_of(t, receipts.get(t.name), rows.get(t.name, (None, None, 0)), bad) for t in tables]

    def _newest_receipts(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, _Newest]:
        covering = service.covering_statuses(DUCKDB)
        rows = cursor.execute(
            f"WITH each AS (SELECT R.table_name, "
            f"max(CASE WHEN R.status IN ({covering}) THEN R.recorded_utc END) AS ok, "
            f"max((R.recorded_utc, R.receipt_id)) AS place, "
            f"arg_max((R.status, R.recorded_utc, R.reason), (R.recorded_utc, R.receipt_id)) AS newest "
            f"FROM {self._name(service.RECEIPTS)} R JOIN _asked I ON R.table_name = I.table_name "
            f"GROUP BY R.table_name, {service.RESOURCE}), "
            f"aged AS (SELECT *, max(newest[2]) OVER (PARTITION BY table_name) AS latest FROM each) "
            f"SELECT table_name, max(ok), arg_max(newest, (newest[1] = 'failed' "
            f"AND newest[2] > latest - {service.FAILURE_COUNTS_FOR}, place)) FROM aged GROUP BY table_name"
        ).fetchall()
        return {table: (success, *newest) for table, success, newest in rows}

    @staticmethod
    def _status_of(
        table: Table,
        receipt: _Newest | None,
        rows: tuple[date | None, datetime | None, int],
        quarantined: Mapping[str, int],
    ) -> DatasetStatus:
        success, status, recorded, reason = receipt or (None, None, None, "")
        newest_day, newest_utc, rows_today = rows
        return DatasetStatus(
            table=table.name,
            last_success_utc=service.aware(success),
            newest_day=newest_day,
            newest_utc=newest_utc,
            rows_today=rows_today,
            last_status=status,
            last_recorded_utc=service.aware(recorded),
            last_reason=reason,
            quarantined=quarantined.get(table.dataset, 0),
        )

    def _newest_rows(
        self, cursor: duckdb.DuckDBPyConnection, names: Sequence[str], today: date, event_columns: Mapping[str, str]
    ) -> dict[str, tuple[date | None, datetime | None, int]]:
        # A greatest value asked for by itself is answered from the table's statistics; together they would be scans.
        parts = []
        for name in names:
            table, column = self._name(name), event_columns.get(name)
            newest = f"(SELECT max({DUCKDB.identifier(column)}) FROM {table})" if column else "NULL"
            parts.append(
                f"SELECT {DUCKDB.text(name)}, (SELECT max(_partition_day) FROM {table}), CAST({newest} AS TIMESTAMP), "
                f"(SELECT count(*) FROM {table} WHERE _partition_day = {DUCKDB.day(today)})"
            )
        return {name: (day, service.aware(newest), count) for name, day, newest, count in _united(cursor, parts)}

    def _quarantined(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
        rows = cursor.execute(
            f"SELECT dataset, count(*) FROM {self._name(service.QUARANTINE)} GROUP BY dataset"
        ).fetchall()
        return dict(rows)

    # Sums.

    def answers(self, what: str, make: Callable[[Place], Sequence[str]]) -> Sequence[Answer]:
        """Rows of each of some statements that only read, all of one moment; see the interface."""
        with self._reading(what) as opened:
            if opened is None:
                return ()
            cursor, known = opened
            statements = make(Place(DUCKDB, self._schema, known.layouts, known.ids))
            cursor.execute("BEGIN TRANSACTION")
            try:
                return [cursor.execute(statement).fetchall() for statement in statements]
            finally:
                self._rollback(cursor)

    def outdated(self, tables: Sequence[Table]) -> list[Table]:
        """Tables that are stored otherwise than the catalogue describes them; the next write to one mends it."""
        with self._reading("Looking at tables and views") as opened:
            if opened is None:
                return []
            known = opened[1]
            return [t for t in tables if t.name in known.ids and not follows(known, self._schema, t)]

    # Copying.

    def parts(self) -> DuckDBParts:
        """The relations of the schema as they are stored."""
        return DuckDBParts(str(self._path), self._schema, _Opened(self._reading, self._writing), self._clock)

    # Care of the file.

    def size(self) -> int:
        """Bytes of the database file and its write-ahead log."""
        files = (self._path, Path(f"{self._path}.wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def backup(self, to: Path) -> None:
        """Copy the whole store, as of one commit, into a new DuckDB file; the copy has no unused space in it.

        Others wait meanwhile, and the copy appears under its name only when it is whole.

        Raises:
            WarehouseError: The target exists, cannot be written, or nothing has been stored yet.
        """
        if to.exists():
            raise WarehouseError(f"{to} exists already: give the backup another name.")
        if not self._path.exists():
            raise WarehouseError(f"{self._path} holds nothing yet: there is nothing to back up.")
        part = to.with_name(f"{to.name}.part")
        part.unlink(missing_ok=True)
        try:
            with self._holder.turn, self._holder.use(write=True) as cursor:
                own = cursor.execute("SELECT current_database()").fetchall()[0][0]
                cursor.execute(f"ATTACH {DUCKDB.text(str(part))} AS _backup")
                try:
                    cursor.execute(f"COPY FROM DATABASE {DUCKDB.identifier(own)} TO _backup")
                finally:
                    cursor.execute("DETACH _backup")
            part.rename(to)
        except duckdb.Error as error:
            part.unlink(missing_ok=True)
            raise self._refused(f"Backing up to {to}", error) from error

    def restore(self, backup: Path) -> Path:
        """Put a backup in the place of the store, which is kept beside it.

        Returns:
            Where the replaced file is now.

        Raises:
            WarehouseError: The backup is not one of this warehouse, or the store is in use.
        """
        if not backup.exists():
            raise WarehouseError(f"{backup} does not exist.")
        try:
            with duckdb.connect(str(backup), read_only=True) as connection:
                version = self._version(connection)
        except duckdb.Error as error:
            raise WarehouseError(f"{backup} cannot be read: {locking.first_line(error)}") from error
        if not version:
            raise WarehouseError(f"{backup} holds no schema {self._schema} of energy_assets: it is not a backup of it.")
        service.pending(version, service.MIGRATIONS, str(backup))
        part = self._path.with_name(f"{self._path.name}.restoring")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(backup, part)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise WarehouseError(f"{backup} cannot be copied to {part}: {error.strerror}.") from error
        with self._holder.turn:
            return self._holder.replace_with(part)
