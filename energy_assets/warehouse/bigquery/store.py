"""The warehouse in BigQuery: one dataset of a project.

The interface's calls and readings belong here. How one batch is made true is in ``commit``, tables in ``layout``,
staging in ``stager``, jobs and their costs in ``jobs``, what both warehouses answer alike in
``energy_assets.warehouse.readings``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from google.api_core import exceptions as api
from google.cloud import bigquery

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue.model import FieldType, Table
from energy_assets.errors import ForeignRowsError, WarehouseError
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Gap, Receipt, Seen, Window, WriteBatch, WriteResult
from energy_assets.warehouse import readings, service
from energy_assets.warehouse.bigquery import streams
from energy_assets.warehouse.bigquery.commit import Commit, append_quarantine, claims, insert_records
from energy_assets.warehouse.bigquery.connection import Connection
from energy_assets.warehouse.bigquery.dialect import BIGQUERY, logical, physical
from energy_assets.warehouse.bigquery.gathering import Gathering
from energy_assets.warehouse.bigquery.jobs import (
    CALL_SECONDS,
    NO_RETRY,
    OWNER,
    PATIENCE,
    Jobs,
    is_refused,
)
from energy_assets.warehouse.bigquery.layout import ID, PAGE, Layouts, Listed, stored_columns
from energy_assets.warehouse.bigquery.parts import BigQueryParts
from energy_assets.warehouse.bigquery.preflight import preflight
from energy_assets.warehouse.bigquery.stager import Rows, Stager, released
from energy_assets.warehouse.interface import Answer, DatasetStatus, Location, Place, ReadView, Usage
from energy_assets.warehouse.sql import HISTORY_COLUMNS, TableSql, history_name
from energy_assets.warehouse.staging import ARROW_TYPES, complete, stage

log = logging.getLogger(__name__)

WRITERS = 32
"""Commits under way at once: each waits seconds for jobs that run elsewhere, so that with a hundred datasets and ten
seconds a job the first refresh of all stays below five minutes. BigQuery runs a hundred queries of a project at once
and takes two changes of one table; here no table has more than one."""

RECEIPTS_TOGETHER = 400
"""Receipts that one statement appends: about a third of the longest text that BigQuery reads, a megabyte."""

DIGESTS_TOGETHER = 4_000
"""Body digests that one query looks for, for the same reason."""

SPOILED_BYTES = 500_000
"""Longest list of spoiled days in one query, likewise; those of one table in 25 years fit."""

VERSION = "service_version"
"""Label of the table ``_meta`` with the version of the service tables: it comes with the list of tables, so that
knowing it takes no query, and who may change tables may set it, which a label of the dataset asks more for."""

REACH = timedelta(days=800)
"""How far from a window the settlement days of its rows may lie, for constant bounds where days are looked up: a
season's forecast reaches a year and a half."""

QUARANTINE_KINDS: dict[str, FieldType] = {
    name: "instant" if pa.types.is_timestamp(kind) else "integer" if pa.types.is_integer(kind) else "text"
    for name, kind in zip(QUARANTINE_SCHEMA.names, QUARANTINE_SCHEMA.types, strict=True)
}

HEAVY_DAYS = 400
"""Days of a heavy table summed up by one statement: memory is BigQuery's matter, and every statement takes seconds."""

STREAMS = 4
"""Streams in which a table is read; each is a connection of its own."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Appended:
    """Receipts to append that come without a change of rows."""

    receipts: tuple[Receipt, ...]
    days: Mapping[str, Sequence[date]]
    table_ids: Mapping[str, str]


class BigQueryWarehouse:
    """A warehouse in one BigQuery dataset.

    Objects and processes may write at once: of several writers of one table each in turn finds what the others did.
    Instants go in and come out as aware UTC; tables read have them without a zone, as from the embedded warehouse.

    Args:
        connection: Clients, and which dataset.
        clock: Says what time it is, aware.
        maximum_bytes_billed: Bytes above which BigQuery refuses a query; 0 for no guard.
        require_partition_filter: Whether BigQuery is to refuse queries of tables that do not say which days they want.
        patience: Seconds after which a call or job that fails transiently is given up.
    """

    name = "bigquery"
    writers = WRITERS

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], datetime] = _utc_now,
        maximum_bytes_billed: int = 0,
        require_partition_filter: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        self._connection = connection
        self._schema = connection.dataset
        self._clock = clock
        self._jobs = Jobs(connection, maximum_bytes_billed=maximum_bytes_billed, patience=patience)
        self._layouts = Layouts(self._jobs, require_partition_filter=require_partition_filter)
        self._stager = Stager(self._jobs)
        self._lock = threading.Lock()
        self._checked = self._ready = False
        self._appending: Gathering[_Appended, None] = Gathering(
            self._append_group, lambda item: len(item.receipts), RECEIPTS_TOGETHER, divides=is_refused
        )
        self._looking: Gathering[tuple[str, frozenset[str], tuple[datetime, datetime]], dict[str, list[Window]]] = (
            Gathering(self._bodies_group, lambda item: len(item[1]), DIGESTS_TOGETHER, divides=is_refused)
        )

    @property
    def schema(self) -> str:
        """The dataset."""
        return self._schema

    @property
    def jobs(self) -> Jobs:
        """What runs this warehouse's jobs."""
        return self._jobs

    def check(self) -> None:
        """Ask once whether project, dataset, location, permissions and billing allow what is to come."""
        with self._lock:
            if not self._checked:
                preflight(self._jobs)
                self._checked = True
        self._prepare()

    def session(self, *, write: bool = True) -> AbstractContextManager[None]:
        """Nothing needs to be held open."""
        return nullcontext()

    def usage(self) -> Mapping[str, Usage]:
        """What jobs and calls used so far, by table; ``""`` for what concerned several."""
        return self._jobs.usage()

    def location(self, table: Table) -> Location:
        """The table's name, and its page in the console."""
        name = f"{self._connection.project}.{self._schema}.{table.name}"
        return Location(name, self._connection.table_link(table.name))

    def close(self) -> None:
        """Close the clients; a later call opens new ones."""
        self._connection.close()

    # The dataset and its service tables.

    def _name(self, table: str) -> str:
        return BIGQUERY.qualified(self._schema, table)

    def _reference(self) -> bigquery.DatasetReference:
        return bigquery.DatasetReference(self._connection.project, self._schema)

    def _listed(self) -> dict[str, Mapping[str, str]] | None:
        """Labels of every table there is, by name, in one call or a few; ``None`` without a dataset."""

        def listed(client: bigquery.Client) -> dict[str, Mapping[str, str]]:
            items = client.list_tables(self._reference(), page_size=PAGE, retry=NO_RETRY, timeout=CALL_SECONDS)
            return {item.table_id: item.labels for item in items}

        try:
            return self._jobs.call(f"Listing the tables of {self._schema}", listed)
        except api.NotFound:
            return None

    def _prepare(self) -> None:
        """Make the dataset and its service tables, or bring them to this version, once per object."""
        with self._lock:
            if not self._ready:
                self._bring_up(self._listed())

    def _bring_up(self, found: Mapping[str, Mapping[str, str]] | None) -> None:
        """Run the steps that are lacking; all of them where a table that they make is gone."""
        if found is None:
            self._create()
            found = {}
        version = int(found.get(service.META, {}).get(VERSION, 0))
        steps = service.pending(version, service.MIGRATIONS, f"The dataset {self._schema}")
        if not found.keys() >= service.MADE:
            steps = service.MIGRATIONS
        for step in steps:
            self._migrate(step)
        if steps:
            self._note_version(steps[-1].version)
        self._ready = True

    def _create(self) -> None:
        made = bigquery.Dataset(self._reference())
        made.location = self._connection.location
        made.description = "Great Britain's electricity-market data, kept by energy_assets."
        made.labels = {"owner": OWNER}
        self._jobs.call(
            f"Making the dataset {self._schema}",
            lambda client: client.create_dataset(made, exists_ok=True, retry=NO_RETRY, timeout=CALL_SECONDS),
        )

    def _migrate(self, step: service.Migration) -> None:
        """Run one step; its statements do no harm where another process, or an interrupted one, has run them."""
        meta = self._name(service.META)
        statements = [
            f"CREATE TABLE IF NOT EXISTS {meta} ({BIGQUERY.columns(service.META_COLUMNS)})",
            *step.statements(BIGQUERY, self._schema),
            f"INSERT INTO {meta} (version, applied_utc) SELECT {step.version}, "
            f"{BIGQUERY.instant(self._clock())} FROM (SELECT 1 AS one) "
            f"WHERE NOT EXISTS (SELECT 1 FROM {meta} M WHERE M.version = {step.version})",
        ]
        what = f"Making the service tables of {self._schema}"
        self._jobs.query(";\n".join(statements) + ";", what=what, purpose="migrate")

    def _note_version(self, version: int) -> None:
        held = self._layouts.find(service.META)
        if held is None:
            raise WarehouseError(f"The table {self._schema}.{service.META} was made and is gone again: refresh again.")
        held.labels = {**held.labels, "owner": OWNER, VERSION: str(version)}
        try:
            self._layouts.update(held, ["labels"])
        except (api.Conflict, api.PreconditionFailed):
            log.info("Another process made the service tables of %s meanwhile.", self._schema)

    def _exists(self) -> bool:
        """Whether the service tables can be read; those that another version left are brought up to date first."""
        with self._lock:
            if not self._ready:
                found = self._listed()
                if found is None or service.META not in found:
                    return False
                self._bring_up(found)
            return True

    def _ask(self, text: str, what: str, table: str = "") -> Iterator[Any]:
        return iter(self._jobs.query(text, what=what, table=table))

    # Writing.

    def write(self, batch: WriteBatch) -> WriteResult:
        """Make the batch true in one commit; on any error the store is as it was.

        ``_ingested_utc`` of every row is the instant at which the commit is sent.

        Raises:
            WarehouseError: The store refused; the message names table and remedy.
        """
        what = f"Writing {batch.rows.num_rows} rows to {self._schema}.{batch.table.name}"
        quarantine = _conformed(batch.quarantine, what)
        self._prepare()
        prepared = self._layouts.prepare(batch.table, batch.extra)
        staged = stage(batch, prepared.names, self._clock())
        for own, stored in staged.renamed.items():
            log.warning("%s: the new column %s is stored as %s.", batch.table.name, own, stored)
        if not staged.rows.num_rows:
            receipts = complete(batch.receipts, staged, {}, self._clock())
            self.record(receipts, quarantine)
            return WriteResult(receipts, {})
        commit = Commit(
            self._jobs,
            self._stager,
            prepared,
            WriteBatch(batch.table, batch.rows, batch.receipts, quarantine, batch.extra),
            staged,
            self._clock,
            self._append,
        )
        return commit.run()

    def _append(self, receipts: Sequence[Receipt], days: Mapping[str, Sequence[date]], table_id: str) -> None:
        self._appending.ask(_Appended(tuple(receipts), days, {receipts[0].table: table_id}))

    def record(self, receipts: Sequence[Receipt], quarantine: pa.Table | None = None) -> None:
        """Append receipts (and quarantined rows) that come without rows.

        Raises:
            WarehouseError: The store refused.
        """
        self._prepare()
        now = self._clock()
        stamped = tuple(receipt.with_(recorded_utc=now) for receipt in receipts)
        names = {receipt.table for receipt in stamped}
        found = {name: held.labels[ID] for name in names if (held := self._layouts.find(name)) and ID in held.labels}
        item = _Appended(stamped, {}, found)
        if quarantine is None or not quarantine.num_rows:
            if stamped:
                self._appending.ask(item)
            return
        what = f"Recording {len(receipts)} receipts"
        rows = _conformed(quarantine, what)
        staged = self._stager.stage(Rows(service.QUARANTINE, rows, QUARANTINE_KINDS))
        with released([staged]):
            statements = [
                "BEGIN TRANSACTION",
                *([self._insert_receipts([item])] if stamped else []),
                append_quarantine(self._schema, rows, staged),
                "COMMIT TRANSACTION",
            ]
            self._jobs.query(";\n".join(statements) + ";", what=what, purpose="record")

    def _append_group(self, group: Sequence[_Appended]) -> list[None]:
        self._jobs.query(self._insert_receipts(group), what="Recording receipts", purpose="record")
        return [None] * len(group)

    def _insert_receipts(self, group: Sequence[_Appended]) -> str:
        rows = [row for item in group for row in service.as_rows(item.receipts, item.table_ids, item.days)]
        return insert_records(self._schema, service.RECEIPTS, service.RECEIPT_COLUMNS, rows)

    def note_gaps(self, gaps: Sequence[Gap]) -> None:
        """Append to the ledger of gaps what has changed about some, as many rows at a time as a statement holds.

        Raises:
            WarehouseError: The store refused.
        """
        if not gaps:
            return
        self._prepare()
        rows = service.gap_rows(gaps, self._clock())
        for first in range(0, len(rows), RECEIPTS_TOGETHER):
            text = insert_records(
                self._schema, service.GAPS, service.GAPS_COLUMNS, rows[first : first + RECEIPTS_TOGETHER]
            )
            self._jobs.query(text, what=f"Noting {len(gaps)} gaps", purpose="record")

    def claim(self, kind: Literal["provider", "sandbox"]) -> None:
        """Say where this store's rows come from; the first word counts.

        Raises:
            ForeignRowsError: The store holds rows of the other kind.
        """
        self._prepare()
        held = self._origin()
        if held is None:
            origin, now = self._name(service.ORIGIN), BIGQUERY.instant(self._clock())
            self._jobs.query(
                f"INSERT INTO {origin} (kind, claimed_utc) SELECT {BIGQUERY.text(kind)}, {now} "
                f"FROM (SELECT 1 AS one) WHERE NOT EXISTS (SELECT 1 FROM {origin})",
                what=f"Claiming the dataset {self._schema}",
                purpose="record",
            )
            held = self._origin()
        if held != kind:
            raise ForeignRowsError(
                f"The dataset {self._schema} holds {held} data and the rows to write come from a {kind}: synthetic "
                "and real data never mix, so use another ENERGY_ASSETS_SCHEMA."
            )

    def _origin(self) -> str | None:
        """The claim that counts: of several made at the same time the earliest."""
        found = [kind for (kind,) in self._ask(claims(self._schema), f"Claiming the dataset {self._schema}")]
        return found[0] if found else None

    # What is held.

    def coverage(
        self, tables: Sequence[Table], from_utc: datetime, to_utc: datetime, since: datetime | None = None
    ) -> Mapping[str, Sequence[Seen]]:
        """Believed receipts that overlap ``[from_utc, to_utc)``, by dataset code; see the interface."""
        found: dict[str, list[Seen]] = {table.dataset: [] for table in tables}
        if not tables or not self._exists():
            return found
        datasets = {table.name: table.dataset for table in tables}
        existing = self._layouts.listed()
        spoiled = self._spoiled(existing, _pairs(list(datasets), existing), from_utc, to_utc)
        for names, some in _groups(list(datasets), spoiled):
            asked = _pairs(names, existing)
            query = service.believed_receipts(BIGQUERY, self._schema, asked, some, from_utc, to_utc, since)
            for name, *seen in self._ask(query, "Reading the receipts"):
                found[datasets[name]].append(service.as_seen([_naive(value) for value in seen]))
        for windows in found.values():
            windows.sort(key=lambda s: s.window)
        return found

    def _spoiled(
        self, existing: Mapping[str, Listed], asked: str, from_utc: datetime, to_utc: datetime
    ) -> list[tuple[str, date, datetime | None]]:
        """The days that the range's receipts vouch for and that hold fewer rows than recorded, or once did."""
        recorded = self._recorded_days(asked, from_utc, to_utc)
        if not recorded:
            return []
        held = self._held(existing, recorded)
        return [
            (name, day, None if held.get((name, day), 0) < rows else lost)
            for (name, day), (rows, lost, touched) in recorded.items()
            if touched and (lost is not None or held.get((name, day), 0) < rows)
        ]

    def _recorded_days(
        self, asked: str, from_utc: datetime, to_utc: datetime
    ) -> dict[tuple[str, date], tuple[int, datetime | None, bool]]:
        """Newest record of every day in the months that the range's receipts touch: rows, loss, whether touched."""
        first, last = BIGQUERY.day((from_utc - REACH).date()), BIGQUERY.day((to_utc + REACH).date())
        days = (
            f"SELECT DISTINCT R.table_name, R.table_id, day FROM {self._name(service.RECEIPTS)} R "
            f"JOIN {asked} I ON R.table_name = I.table_name AND R.table_id = I.table_id, UNNEST(R.days) AS day "
            f"WHERE {service.overlapping(BIGQUERY, from_utc, to_utc)}"
        )
        query = (
            f"WITH touched AS ({days}), "
            f"months AS (SELECT DISTINCT table_name, table_id, DATE_TRUNC(day, MONTH) AS month FROM touched), "
            f"newest AS (SELECT D.table_name, D.table_id, D.day, D.`rows` AS n, "
            f"max(D.lost_utc) OVER (PARTITION BY D.table_id, D.day) AS lost "
            f"FROM {self._name(service.DAYS)} D JOIN months M ON D.table_name = M.table_name "
            f"AND D.table_id = M.table_id AND DATE_TRUNC(D.day, MONTH) = M.month "
            f"WHERE D.day BETWEEN {first} AND {last} QUALIFY row_number() OVER "
            f"(PARTITION BY D.table_id, D.day ORDER BY D.seq DESC, D.`rows` DESC) = 1) "
            f"SELECT N.table_name, N.day, N.n, N.lost, K.day IS NOT NULL FROM newest N "
            f"LEFT JOIN touched K ON N.table_name = K.table_name AND N.table_id = K.table_id AND N.day = K.day"
        )
        return {
            (name, day): (rows, _naive(lost), touched)
            for name, day, rows, lost, touched in self._ask(query, "Reading the rows of each day")
        }

    def _held(
        self, existing: Mapping[str, Listed], recorded: Mapping[tuple[str, date], tuple[int, datetime | None, bool]]
    ) -> dict[tuple[str, date], int]:
        """Rows that days hold: as recorded where the partition's total agrees, counted where it is smaller.

        A table's partitions are those that it has, whatever the catalogue says of it now.
        """
        wanted: dict[tuple[str, str], int] = {}
        for (name, day), (rows, _, _) in recorded.items():
            partition = (name, existing[name].partition(day))
            wanted[partition] = wanted.get(partition, 0) + rows
        totals = self._partitions(wanted)
        short = {partition for partition, rows in wanted.items() if totals.get(partition, 0) < rows}
        held = {key: rows for key, (rows, _, _) in recorded.items()}
        doubtful = [(name, day) for name, day in recorded if (name, existing[name].partition(day)) in short]
        return {**held, **dict.fromkeys(doubtful, 0), **self._counted(doubtful)}

    def _partitions(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Rows of partitions, from the store's own metadata: one query however many tables there are."""
        names = ", ".join(BIGQUERY.text(name) for name in sorted({name for name, _ in wanted}))
        ids = ", ".join(BIGQUERY.text(part) for part in sorted({part for _, part in wanted}))
        query = (
            f"SELECT table_name, partition_id, total_rows FROM `{self._schema}`.INFORMATION_SCHEMA.PARTITIONS "
            f"WHERE table_name IN ({names}) AND partition_id IN ({ids})"
        )
        rows = self._ask(query, "Reading the sizes of partitions")
        return {(name, part): total or 0 for name, part, total in rows}

    def _counted(self, days: Sequence[tuple[str, date]]) -> dict[tuple[str, date], int]:
        by_table: dict[str, list[date]] = {}
        existing = self._layouts.listed() if days else {}
        for name, day in days:
            if name in existing:
                by_table.setdefault(name, []).append(day)
        day_column = BIGQUERY.partition_day
        parts = [
            f"SELECT {BIGQUERY.text(name)}, T.{day_column}, count(*) FROM {self._name(name)} T "
            f"WHERE T.{day_column} BETWEEN {BIGQUERY.day(min(found))} AND {BIGQUERY.day(max(found))} "
            f"GROUP BY T.{day_column}"
            for name, found in by_table.items()
        ]
        if not parts:
            return {}
        rows = self._ask(" UNION ALL ".join(parts), "Counting the rows of days")
        return {(name, day): count for name, day, count in rows}

    def windows_with_bodies(
        self, table: Table, digests: Collection[str], around: tuple[datetime, datetime]
    ) -> Mapping[str, Sequence[Window]]:
        """Windows whose non-empty, covering receipts have one of these body digests, by digest; see the interface."""
        if not digests or not self._exists():
            return {}
        return self._looking.ask((table.name, frozenset(digests), around))

    def _bodies_group(
        self, group: Sequence[tuple[str, frozenset[str], tuple[datetime, datetime]]]
    ) -> list[dict[str, list[Window]]]:
        first = BIGQUERY.instant(min(around[0] for _, _, around in group))
        last = BIGQUERY.instant(max(around[1] for _, _, around in group))
        wanted = ", ".join(sorted({BIGQUERY.text(digest) for _, digests, _ in group for digest in digests}))
        names = ", ".join(sorted({BIGQUERY.text(name) for name, _, _ in group}))
        query = (
            f"SELECT DISTINCT table_name, body_sha256, window_from_utc, window_to_utc, branch "
            f"FROM {self._name(service.RECEIPTS)} WHERE window_from_utc BETWEEN {first} AND {last} "
            f"AND table_name IN ({names}) AND body_sha256 IN ({wanted}) AND fetched > 0 "
            f"AND status IN ({service.covering_statuses(BIGQUERY)})"
        )
        rows = list(self._ask(query, "Looking for repeated bodies"))
        answers = []
        for name, digests, (begin, end) in group:
            found: dict[str, list[Window]] = {}
            for other, digest, from_utc, to_utc, branch in rows:
                if other == name and digest in digests and begin <= from_utc <= end:
                    found.setdefault(digest, []).append(Window(from_utc, to_utc, service.parse_branch(branch)))
            answers.append({digest: sorted(windows) for digest, windows in found.items()})
        return answers

    def rows_of(self, table: Table, window: Window) -> int:
        """Stored rows that this window, or one wholly inside it of the same branch, brought; 0 without a table."""
        if not self._exists():
            return 0
        what = f"Counting rows of {self._schema}.{table.name}"
        held = self._layouts.find(table.name)
        stored = stored_columns(held) if held is not None and held.table_type == "TABLE" else {}
        if not all(name in stored for name in ("_window_from_utc", *dict(window.branch))):
            return 0
        days = self._days_brought(table, window, what)
        if not days:
            return 0
        sql = TableSql(BIGQUERY, self._schema, table, tuple(stored))
        inside = readings.within(sql, (min(days), max(days)), "T")
        (count,) = next(self._ask(f"{sql.brought(window)} AND {inside}", what, table.name))
        return int(count)

    def _days_brought(self, table: Table, window: Window, what: str) -> list[date]:
        """Settlement days of the rows that the window, or one inside it, has brought by its receipts."""
        query = (
            f"SELECT DISTINCT day FROM {self._name(service.RECEIPTS)} R, UNNEST(R.days) AS day "
            f"WHERE R.table_name = {BIGQUERY.text(table.name)} "
            f"AND R.window_from_utc BETWEEN {BIGQUERY.instant(window.from_utc)} AND {BIGQUERY.instant(window.to_utc)} "
            f"AND R.window_to_utc <= {BIGQUERY.instant(window.to_utc)}"
        )
        return [day for (day,) in self._ask(query, what, table.name)]

    def windows_behind(self, table: Table, from_day: date, to_day: date) -> Sequence[Window]:
        """Windows of the receipts that brought the rows that stand on these settlement days, both inclusive."""
        if not self._exists():
            return ()
        held = self._layouts.find(table.name)
        if held is None or held.table_type != "TABLE":
            return ()
        query = service.behind(BIGQUERY, self._schema, table.name, from_day, to_day)
        what = f"Reading the receipts of {self._schema}.{table.name}"
        return [service.as_window(*(_naive(v) for v in row)) for row in self._ask(query, what, table.name)]

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

        Rows as stored come through the Storage Read API with the wanted columns and days only; other readings are
        queries whose results come the same way. Arguments and errors are the interface's.
        """
        readings.check(table, view, ingested_as_of, published_as_of)
        what = f"Reading {self._schema}.{table.name}"
        held = self._layouts.find(history_name(table.name) if view == "history" else table.name)
        if held is None or not self._exists():
            self._refuse_unasked(table, what)
            return readings.empty(table, columns, view)
        if ingested_as_of is not None:
            self._check_known(table, held, from_day, to_day, ingested_as_of, what)
        available = stored_columns(held)
        names = readings.wanted(table, list(available), columns)
        needed = [n for n in dict.fromkeys([*names, *self._sorted_by(table)]) if n in available]
        if view in ("rows", "history") and ingested_as_of is None and published_as_of is None:
            found = self._stored(held, (from_day, to_day), needed, what)
        else:
            sql = TableSql(BIGQUERY, self._schema, table, tuple(available))
            source = readings.source(sql, (from_day, to_day), view, ingested_as_of, published_as_of)
            found = self._queried(f"SELECT {BIGQUERY.identifiers(needed, 'Y')} FROM ({source}) Y", what, table.name)
        if not found.num_rows and view == "rows":
            self._refuse_unasked(table, what)
        return _ordered(_conformed_columns(found, {**dict(table.columns), **available}, names, table), table, names)

    @staticmethod
    def _sorted_by(table: Table) -> list[str]:
        return [*table.natural_key, *dict(table.key_fallback).values(), "_hash_key"]

    def _refuse_unasked(self, table: Table, what: str) -> None:
        """An empty answer is one only where the provider was asked."""
        if self._exists():
            query = (
                f"SELECT count(*) FROM {self._name(service.RECEIPTS)} R WHERE R.table_name = "
                f"{BIGQUERY.text(table.name)} AND R.status IN ({service.covering_statuses(BIGQUERY)})"
            )
            (asked,) = next(self._ask(query, what, table.name))
            if asked:
                return
        raise readings.nothing_yet(self._schema, table)

    def _check_known(
        self, table: Table, held: bigquery.Table, from_day: date, to_day: date, moment: datetime, what: str
    ) -> None:
        """Refuse a moment at which nothing of the days had been asked for: the past before it is unknown, not empty."""
        begin, end = day_bounds_utc(from_day)[0], day_bounds_utc(to_day)[1]
        earliest = begin - max(REACH, service.LONGEST_WINDOW)
        days = f"D BETWEEN {BIGQUERY.day(from_day)} AND {BIGQUERY.day(to_day)}"
        query = (
            f"SELECT count(*) FROM {self._name(service.RECEIPTS)} R "
            f"WHERE R.window_from_utc BETWEEN {BIGQUERY.instant(earliest)} AND {BIGQUERY.instant(end + REACH)} "
            f"AND R.table_name = {BIGQUERY.text(table.name)} "
            f"AND R.table_id IN ('', {BIGQUERY.text(held.labels.get(ID, ''))}) "
            f"AND R.status IN ({service.covering_statuses(BIGQUERY)}) "
            f"AND R.recorded_utc <= {BIGQUERY.instant(moment)} "
            f"AND ((R.window_from_utc < {BIGQUERY.instant(end)} AND R.window_to_utc > {BIGQUERY.instant(begin)}) "
            f"OR EXISTS (SELECT 1 FROM UNNEST(R.days) AS D WHERE {days}))"
        )
        (known,) = next(self._ask(query, what, table.name))
        if not known:
            raise readings.unknown_as_of(table, from_day, to_day, moment)

    def _stored(self, held: bigquery.Table, days: tuple[date, date], columns: Sequence[str], what: str) -> pa.Table:
        """Rows as stored, through the Storage Read API."""
        from google.cloud.bigquery_storage_v1 import types

        column = physical("_partition_day")
        options = types.ReadSession.TableReadOptions(
            selected_fields=[physical(name) for name in columns],
            row_restriction=f"{column} BETWEEN DATE '{days[0]}' AND DATE '{days[1]}'",
        )
        table = f"projects/{held.project}/datasets/{held.dataset_id}/tables/{held.table_id}"
        wanted = types.ReadSession(table=table, data_format=types.DataFormat.ARROW, read_options=options)

        def read(_: bigquery.Client) -> pa.Table:
            reader = self._connection.reader
            opened = reader.create_read_session(
                parent=f"projects/{self._connection.project}",
                read_session=wanted,
                max_stream_count=STREAMS,
                retry=NO_RETRY,
                timeout=CALL_SECONDS,
            )
            return streams.everything(reader, opened)

        return self._jobs.call(what, read, held.table_id)

    def _queried(self, query: str, what: str, table: str) -> pa.Table:
        return self._jobs.take(
            query,
            lambda rows: rows.to_arrow(bqstorage_client=self._connection.reader, create_bqstorage_client=False),
            what=what,
            table=table,
        )

    # Sums.

    def answers(self, what: str, make: Callable[[Place], Sequence[str]]) -> Sequence[Answer]:
        """Rows of each of some statements that only read, one after another; see the interface."""
        if not self._exists():
            return ()
        ids = {name: listed.table_id for name, listed in self._layouts.listed().items()}
        stored: dict[str, list[str]] = {}
        names = f"SELECT table_name, column_name FROM `{self._schema}`.INFORMATION_SCHEMA.COLUMNS"
        for table, column in self._ask(names, what):
            stored.setdefault(table, []).append(logical(column))
        statements = make(Place(BIGQUERY, self._schema, stored, ids, HEAVY_DAYS))
        return [[tuple(_naive(value) for value in row) for row in self._ask(s, what)] for s in statements]

    def outdated(self, tables: Sequence[Table]) -> list[Table]:
        """Tables that were last made otherwise than the catalogue describes them; the next write to one mends it."""
        listed = self._layouts.listed() if self._exists() else {}
        return self._layouts.outdated([t for t in tables if t.name in listed])

    # Copying.

    def parts(self) -> BigQueryParts:
        """The relations of the dataset as they are stored."""
        return BigQueryParts(self._jobs, self._layouts, self._stager, self._exists, self._clock)

    # Status.

    def status(self, tables: Sequence[Table], today: date, event_columns: Mapping[str, str]) -> Sequence[DatasetStatus]:
        """What is held of each table; ``event_columns`` maps table names to their event-time column."""
        if not tables or not self._exists():
            return [DatasetStatus(t.name, None, None, None, 0, None, None, "", 0) for t in tables]
        existing = self._layouts.listed()
        receipts = self._newest_receipts()
        rows = self._newest_rows([t for t in tables if t.name in existing], existing, today, event_columns)
        quarantine = f"SELECT dataset, count(*) FROM {self._name(service.QUARANTINE)} GROUP BY dataset"
        bad = dict(tuple(row) for row in self._ask(quarantine, "Counting the quarantine"))
        nothing = (None, None, None, "")
        return [
            DatasetStatus(
                t.name,
                *_placed(receipts.get(t.name, nothing), rows.get(t.name, (None, None, 0))),
                bad.get(t.dataset, 0),
            )
            for t in tables
        ]

    def _newest_receipts(self) -> dict[str, tuple[datetime | None, str | None, datetime | None, str]]:
        covering = service.covering_statuses(BIGQUERY)
        query = (
            f"WITH each AS (SELECT R.table_name, max(CASE WHEN R.status IN ({covering}) THEN R.recorded_utc END) OVER "
            f"(PARTITION BY R.table_name) AS ok, max(R.recorded_utc) OVER (PARTITION BY R.table_name) AS latest, "
            f"R.status, R.recorded_utc, R.reason, R.receipt_id FROM {self._name(service.RECEIPTS)} R "
            f"WHERE TRUE QUALIFY row_number() OVER (PARTITION BY R.table_name, {service.RESOURCE} "
            f"ORDER BY R.recorded_utc DESC, R.receipt_id DESC) = 1) "
            f"SELECT N.table_name, N.ok, N.status, N.recorded_utc, N.reason FROM each N WHERE TRUE QUALIFY "
            f"row_number() OVER (PARTITION BY N.table_name ORDER BY CASE WHEN N.status = 'failed' AND "
            f"N.recorded_utc > N.latest - {service.FAILURE_COUNTS_FOR} THEN 1 ELSE 0 END DESC, "
            f"N.recorded_utc DESC, N.receipt_id DESC) = 1"
        )
        rows = self._ask(query, "Reading the status")
        return {name: (success, status, recorded, reason) for name, success, status, recorded, reason in rows}

    def _newest_rows(
        self, tables: Sequence[Table], existing: Mapping[str, Listed], today: date, event_columns: Mapping[str, str]
    ) -> dict[str, tuple[date | None, datetime | None, int]]:
        """Newest day, newest event and today's rows; only the newest day and today are looked at in the tables."""
        if not tables:
            return {}
        newest_days = self._newest_days(existing)
        day = BIGQUERY.partition_day
        parts = []
        for table in tables:
            newest = newest_days.get(table.name)
            if newest is None:
                continue
            column = event_columns.get(table.name)
            event = f"max(T.{BIGQUERY.identifier(column)})" if column else "CAST(NULL AS TIMESTAMP)"
            # The event of the newest day need not be the newest event: a day before may hold a later forecast.
            first = min(newest - timedelta(days=2), today)
            parts.append(
                f"SELECT {BIGQUERY.text(table.name)}, max(T.{day}), {event}, countif(T.{day} = {BIGQUERY.day(today)}) "
                f"FROM {self._name(table.name)} T "
                f"WHERE T.{day} BETWEEN {BIGQUERY.day(first)} AND {BIGQUERY.day(max(newest, today))}"
            )
        if not parts:
            return {}
        rows = self._ask(" UNION ALL ".join(parts), "Reading the status")
        return {name: (newest, event, count) for name, newest, event, count in rows}

    def _newest_days(self, existing: Mapping[str, Listed]) -> dict[str, date]:
        query = (
            f"SELECT table_name, table_id, max(day) FROM (SELECT D.table_name, D.table_id, D.day, D.`rows` AS n "
            f"FROM {self._name(service.DAYS)} D WHERE TRUE QUALIFY row_number() OVER "
            f"(PARTITION BY D.table_id, D.day ORDER BY D.seq DESC, D.`rows` DESC) = 1) N "
            f"WHERE N.n > 0 GROUP BY table_name, table_id"
        )
        rows = self._ask(query, "Reading the status")
        return {name: day for name, found, day in rows if name in existing and existing[name].table_id == found}


def _placed(
    receipt: tuple[datetime | None, str | None, datetime | None, str],
    rows: tuple[date | None, datetime | None, int],
) -> tuple[datetime | None, date | None, datetime | None, int, str | None, datetime | None, str]:
    """The parts of a status in the order of its attributes."""
    success, status, recorded, reason = receipt
    newest_day, newest_utc, today = rows
    return success, newest_day, newest_utc, today, status, recorded, reason


def _pairs(names: Sequence[str], existing: Mapping[str, Listed]) -> str:
    """A relation ``(table_name, table_id)``."""
    ids = {name: existing[name].table_id if name in existing else "" for name in names}
    rows = ", ".join(
        f"STRUCT({BIGQUERY.text(name)} AS table_name, {BIGQUERY.text(ids[name])} AS table_id)" for name in names
    )
    return f"(SELECT table_name, table_id FROM UNNEST([{rows}]))"


def _groups(
    names: Sequence[str], spoiled: Sequence[tuple[str, date, datetime | None]]
) -> Iterator[tuple[list[str], str | None]]:
    """Tables to ask about together, with a relation ``(table_name, day, believed_from)`` of their spoiled days.

    The relation is ``None`` where there are none; a text that BigQuery would not read is kept short by asking twice.
    """
    texts: dict[str, list[str]] = {name: [] for name in names}
    for name, day, lost in spoiled:
        moment = BIGQUERY.instant(lost.replace(tzinfo=UTC)) if lost else "NULL"
        texts[name].append(f"({BIGQUERY.text(name)}, {BIGQUERY.day(day)}, {moment})")
    together: list[str] = []
    rows: list[str] = []
    size = 0
    for name in names:
        more = sum(len(row) + 2 for row in texts[name])
        if together and size + more > SPOILED_BYTES:
            yield together, _spoiled_relation(rows)
            together, rows, size = [], [], 0
        together.append(name)
        rows += texts[name]
        size += more
    yield together, _spoiled_relation(rows)


def _spoiled_relation(rows: Sequence[str]) -> str | None:
    if not rows:
        return None
    kind = "ARRAY<STRUCT<table_name STRING, day DATE, believed_from TIMESTAMP>>"
    return f"(SELECT table_name, day, believed_from FROM UNNEST({kind}[{', '.join(rows)}]))"


def _naive(value: Any) -> Any:  # noqa: ANN401 - any value of a row
    """Instants as the zone-less UTC values that the shared code reads."""
    return service.naive(value) if isinstance(value, datetime) else value


def _conformed(quarantine: pa.Table, what: str) -> pa.Table:
    """Quarantined rows in their declared shape, before anything is sent."""
    try:
        return quarantine.select(QUARANTINE_SCHEMA.names).cast(QUARANTINE_SCHEMA)
    except (KeyError, pa.ArrowInvalid, ValueError) as error:
        raise WarehouseError(
            f"{what} failed: the quarantined rows have not the shape of such rows ({error})."
        ) from error


def _conformed_columns(found: pa.Table, kinds: Mapping[str, FieldType], names: Sequence[str], table: Table) -> pa.Table:
    """Columns by logical name with declared Arrow types; catalogued ones that are not stored yet are null."""
    history = dict(HISTORY_COLUMNS)
    arrays: dict[str, Any] = {}
    for column in found.column_names:
        name = logical(column)
        wanted = ARROW_TYPES[history.get(name) or kinds[name]]
        array = found.column(column)
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.timestamp("us"))
        arrays[name] = array.cast(wanted)
    declared = dict(table.columns)
    for name in names:
        if name not in arrays:
            arrays[name] = pa.chunked_array([pa.nulls(found.num_rows, ARROW_TYPES[declared[name]])])
    return pa.table(arrays)


def _ordered(rows: pa.Table, table: Table, names: Sequence[str]) -> pa.Table:
    """Rows in the order of the natural key, then of their content; nulls last."""
    fallbacks = dict(table.key_fallback)
    keys: dict[str, Any] = {}
    for number, name in enumerate(n for n in table.natural_key if n in rows.column_names):
        column = rows.column(name)
        if name in fallbacks and fallbacks[name] in rows.column_names:
            column = pc.coalesce(column, rows.column(fallbacks[name]))
        keys[f"k{number}"] = column
    if "_hash_key" in rows.column_names:
        keys["hash"] = rows.column("_hash_key")
    wanted = rows.select(list(names))
    if not keys or not rows.num_rows:
        return wanted.combine_chunks()
    # Nulls come last by default.
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return wanted.take(order).combine_chunks()
