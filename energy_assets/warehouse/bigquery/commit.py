"""One batch into BigQuery: compared with what is stored, then made true by a transaction that only one writer can run.

The comparison is one query. It gives the table's generation, which counts the commits that changed it, and everything
that the transaction has to do. Of all writers that saw the same state one gets to run (``fence``), and the others
compare anew; inside, the transaction makes sure that the generation and the numbers of rows are those of the
comparison. Where nothing differs there is no transaction at all.

The statements about rows are in ``energy_assets.warehouse.sql``; tables are prepared by ``layout``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from energy_assets.catalogue.model import FieldType, Table
from energy_assets.errors import WarehouseBusyError, WarehouseError
from energy_assets.ingest.columns import repeats_a_key
from energy_assets.ingest.hashing import RowWords
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Receipt, WriteBatch, WriteResult
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery.dialect import BIGQUERY
from energy_assets.warehouse.bigquery.fence import Fence, expect, newest_generation
from energy_assets.warehouse.bigquery.jobs import Jobs
from energy_assets.warehouse.bigquery.layout import Prepared
from energy_assets.warehouse.bigquery.stager import Rows, StagedRows, Stager, released
from energy_assets.warehouse.sql import Bounds, StoredType, TableSql
from energy_assets.warehouse.staging import (
    Staged,
    Tally,
    asked_again,
    complete,
    day_records,
    key_bounds,
    touched,
)

log = logging.getLogger(__name__)

TURNS_MOST = 60
"""Comparisons of one batch before its writer gives up: after each but the last another writer was faster, or the rows
were not those compared."""

QUARANTINE_KINDS: dict[str, FieldType] = {
    "dataset": "text",
    "receipt_id": "text",
    "window_from_utc": "instant",
    "window_to_utc": "instant",
    "recorded_utc": "instant",
    "row_number": "integer",
    "reason": "text",
    "raw": "text",
}

Append = Callable[[Sequence[Receipt], Mapping[str, Sequence[date]], str], None]
"""Appends receipts that come without a change of rows: receipts, days of each, identity of the table."""


@dataclass
class Comparison:
    """What is stored of a batch's days, and how the batch differs from it.

    Attributes:
        generation: Commits that have changed the table so far.
        tallies: What is to become of each receipt's rows.
        grown: Rows that each day gains, withdrawn ones subtracted.
        changed: Days of which rows are inserted, revised or withdrawn.
        held: Rows of each touched day.
        recorded: Rows and sequence number of each touched day's newest record.
        inserted: Rows whose key is not stored.
        updated: Rows that revise a stored one.
        late: Rows that came too late to stand, among those with one per key.
        late_new: Late rows that history does not have.
        gone: Stored rows that are withdrawn.
    """

    generation: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    grown: Counter[date] = field(default_factory=Counter)
    changed: set[date] = field(default_factory=set)
    held: dict[date, int] = field(default_factory=dict)
    recorded: dict[date, tuple[int, int]] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    late: int = 0
    late_new: int = 0
    gone: int = 0

    def tally(self, receipt: str) -> Tally:
        """One receipt's tally."""
        return self.tallies.setdefault(receipt, Tally())


class Commit:
    """Makes one batch true.

    Args:
        jobs: Runs jobs.
        stager: Stages rows.
        prepared: The table as ``layout`` left it.
        batch: What is to be written.
        staged: Its rows by stored name.
        clock: Says what time it is.
        append: Appends receipts where no row changes.
    """

    def __init__(
        self,
        jobs: Jobs,
        stager: Stager,
        prepared: Prepared,
        batch: WriteBatch,
        staged: Staged,
        clock: Callable[[], datetime],
        append: Append,
    ) -> None:
        self._jobs = jobs
        self._stager = stager
        self._prepared = prepared
        self._batch = batch
        self._table: Table = batch.table
        self._staged = staged
        self._clock = clock
        self._append = append
        self._schema = jobs.connection.dataset
        self._run_id = next((r.run_id for r in batch.receipts), "")
        self._what = f"Writing {staged.rows.num_rows} rows to {self._schema}.{self._table.name}"
        self._kinds = {**dict(self._table.columns), **{prepared.names[f.name]: f.type for f in batch.extra}}
        self._sql = TableSql(BIGQUERY, self._schema, self._table, tuple(prepared.stored), self._solid())
        self._asked = asked_again(batch, staged, self._sql.stored)
        self._days = touched(self._table, staged, self._asked)

    def run(self) -> WriteResult:
        """Stage, compare, and commit what differs."""
        held: list[StagedRows] = []
        with released(held):
            rows = self._stage(held)
            quarantine = self._stage_quarantine(held)
            return self._take_turns(rows, quarantine)

    def _stage(self, held: list[StagedRows]) -> StagedRows:
        # The moment of ingestion is that of the commit, which is not known yet.
        kinds = {n: k for n, k in self._kinds.items() if n in self._staged.columns and n != "_ingested_utc"}
        rows = self._stager.stage(Rows(self._table.name, self._staged.rows.select(list(kinds)), kinds, self._run_id))
        held.append(rows)
        return rows

    def _stage_quarantine(self, held: list[StagedRows]) -> StagedRows | None:
        if not self._batch.quarantine.num_rows:
            return None
        rows = self._batch.quarantine.cast(QUARANTINE_SCHEMA)
        staged = self._stager.stage(Rows(self._table.name, rows, QUARANTINE_KINDS, self._run_id))
        held.append(staged)
        return staged

    def _take_turns(self, rows: StagedRows, quarantine: StagedRows | None) -> WriteResult:
        fence = Fence(self._jobs, self._table.name, self._prepared.table_id, self._what)
        generations = set()
        for _ in range(TURNS_MOST):
            found = self._compare(rows)
            generations.add(found.generation)
            if not self._changes(found, quarantine):
                return self._finished(found, self._record(found))
            sent: list[tuple[Receipt, ...]] = []
            if fence.run(found.generation, partial(self._send, rows, quarantine, found, sent)):
                return self._finished(found, sent[-1])
        if len(generations) > 1:
            raise WarehouseBusyError(
                f"{self._what} failed: other writers of the table were faster {TURNS_MOST} times; refresh again when "
                "they have ended."
            )
        raise WarehouseError(
            f"{self._what} failed: {TURNS_MOST} times the rows were not those compared a moment before, though no "
            "writer of ours was there; see who else changes the table, then refresh."
        )

    def _send(
        self,
        rows: StagedRows,
        quarantine: StagedRows | None,
        found: Comparison,
        sent: list[tuple[Receipt, ...]],
        job_id: str,
    ) -> None:
        """Run the transaction with the moment at which it is sent, and keep the receipts that it records."""
        now = self._clock()
        receipts = complete(self._batch.receipts, self._staged, found.tallies, now)
        sent.append(receipts)
        self._jobs.once(
            self._transaction(rows, quarantine, found, receipts, now),
            what=self._what,
            job_id=job_id,
            table=self._table.name,
            purpose="commit",
        )

    def _changes(self, found: Comparison, quarantine: StagedRows | None) -> bool:
        """Whether anything but receipts is to be written."""
        changed = found.inserted or found.updated or found.gone or found.late_new or quarantine is not None
        return bool(changed or self._records(found, self._clock()))

    def _record(self, found: Comparison) -> tuple[Receipt, ...]:
        receipts = complete(self._batch.receipts, self._staged, found.tallies, self._clock())
        self._append(receipts, self._staged.receipt_days, self._prepared.table_id)
        return receipts

    def _finished(self, found: Comparison, receipts: tuple[Receipt, ...]) -> WriteResult:
        after = self._after(found)
        days = {d: n for d, n in after.items() if n or found.held.get(d) or d in self._staged.days}
        return WriteResult(receipts, days, frozenset(found.changed))

    def _after(self, found: Comparison) -> dict[date, int]:
        return {day: found.held.get(day, 0) + found.grown[day] for day in self._days.days}

    def _records(self, found: Comparison, now: datetime) -> list[tuple[date, int, int, datetime | None]]:
        return day_records(self._days.days, found.held, self._after(found), found.recorded, now)

    def _solid(self) -> frozenset[str]:
        """Key columns without a null among the staged rows."""
        fallbacks = dict(self._table.key_fallback)
        rows = self._staged.rows
        wanted = {*self._table.natural_key, *self._table.replace_scope}
        full = {name for name in rows.column_names if not rows.column(name).null_count}
        return frozenset(name for name in wanted if name in full or fallbacks.get(name) in full)

    # The staged rows as relations.

    @cached_property
    def _columns(self) -> list[str]:
        return self._staged.columns

    @cached_property
    def _bounds(self) -> Bounds:
        return key_bounds(self._table, self._staged, BIGQUERY, self._table.natural_key)

    def _relation(self, rows: StagedRows, now: datetime | None) -> str:
        moment = "CAST(NULL AS TIMESTAMP)" if now is None else BIGQUERY.instant(now)
        return rows.relation(self._schema, self._columns, {"_ingested_utc": moment})

    @cached_property
    def _repeats(self) -> bool:
        """Whether two staged rows have one natural key."""
        return repeats_a_key(RowWords(self._staged.rows), self._table)

    def _with(self, rows: StagedRows, now: datetime | None) -> list[tuple[str, str]]:
        """Named relations: the staged rows, and of those the one row per natural key that stands."""
        relations = [("staged", self._relation(rows, now))]
        if not self._repeats:
            return [*relations, ("standing", "SELECT * FROM staged")]
        names = BIGQUERY.identifiers(self._columns)
        relations.append(("ranked", self._sql.ranked("staged", self._columns)))
        relations.append(("standing", f"SELECT {names} FROM ranked WHERE _copy = 1 AND _place = 1"))
        return relations

    # The comparison.

    def _compare(self, rows: StagedRows) -> Comparison:
        found = Comparison()
        for what, receipt, day, count, more in self._jobs.query(
            self.comparison(rows), what=self._what, table=self._table.name, purpose="compare"
        ):
            _take(found, what, receipt, day, count, more)
        for tally in found.tallies.values():
            tally.kept_late = bool(found.late_new and tally.late)
        return found

    def comparison(self, rows: StagedRows) -> str:
        """The query whose rows ``(what, receipt, day, count, more)`` make a ``Comparison``."""
        relations = self._with(rows, None)
        relations.append(("delta", self._sql.delta("standing", ["_receipt_id", "_partition_day"], self._bounds)))
        parts = list(self._questions())
        named = ", ".join(f"{name} AS ({query})" for name, query in relations)
        return f"WITH {named} " + " UNION ALL ".join(parts)

    def _questions(self) -> Iterator[str]:
        day = BIGQUERY.partition_day
        none = "CAST(NULL AS DATE)"
        mine = f"table_name = {BIGQUERY.text(self._table.name)} AND table_id = {BIGQUERY.text(self._prepared.table_id)}"
        yield (
            f"SELECT 'generation' AS what, '' AS receipt, {none} AS day, generation AS n, 0 AS m "
            f"FROM ({newest_generation(self._schema, self._prepared.table_id)})"
        )
        yield f"SELECT _change, _receipt_id, {day}, count(*), 0 FROM delta GROUP BY _change, _receipt_id, {day}"
        yield f"SELECT 'held', '', H.* , 0 FROM ({self._sql.day_counts(self._days)}) H"
        first, last = BIGQUERY.day(self._days.days[0]), BIGQUERY.day(self._days.days[-1])
        rows, seq = "D.`rows`", "D.seq"
        yield (
            f"SELECT 'recorded', '', D.day, {rows}, {seq} FROM {BIGQUERY.qualified(self._schema, service.DAYS)} D "
            f"WHERE {mine} AND D.day BETWEEN {first} AND {last} "
            f"QUALIFY row_number() OVER (PARTITION BY D.day ORDER BY {seq} DESC, {rows} DESC) = 1"
        )
        if self._repeats:
            yield (
                f"SELECT 'ranked', _receipt_id, {none}, countif(_copy > 1), countif(_copy = 1 AND _place > 1) "
                f"FROM ranked GROUP BY _receipt_id"
            )
            late = self._sql.late_count("ranked", "S._copy = 1 AND S._place > 1", self._bounds)
            yield f"SELECT 'late new', '', {none}, L.*, 0 FROM ({late}) L"
        if self._sql.orders_within_key:
            whole = self._sql.delta("standing", self._columns, self._bounds)
            late = self._sql.late_count(f"({whole})", "S._change = 'late'", self._bounds)
            yield f"SELECT 'late new', '', {none}, L.*, 0 FROM ({late}) L"
        gone = self._gone()
        if gone:
            yield f"SELECT 'gone', _gone_by, {day}, count(*), 0 FROM ({gone}) GROUP BY _gone_by, {day}"

    def _gone(self) -> str:
        """The query for stored members of sets that the batch shows to be gone; empty where facts are no sets."""
        if not self._table.replace_scope:
            return ""
        scope = [c for c in self._table.replace_scope if c != "_partition_day"]
        extent = Bounds(self._days.days, key_bounds(self._table, self._staged, BIGQUERY, scope).columns)
        queries = [self._sql.gone("staged", extent, [receipt.window for receipt in self._batch.receipts])]
        if self._asked:
            begin = BIGQUERY.instant(min(receipt.window.from_utc for receipt in self._asked))
            end = BIGQUERY.instant(max(receipt.window.to_utc for receipt in self._asked))
            bounds = Bounds(self._days.days, (("_window_from_utc", begin, end), ("_window_to_utc", begin, end)))
            branches = sorted({name for receipt in self._asked for name, _ in receipt.window.branch})
            unread = sorted(self._staged.receipt_rows.keys() - {receipt.receipt_id for receipt in self._asked})
            queries.append(self._sql.vanished("staged", bounds, branches, unread))
        return " UNION ALL ".join(f"({query})" for query in queries)

    # The transaction.

    def _transaction(
        self,
        rows: StagedRows,
        quarantine: StagedRows | None,
        found: Comparison,
        receipts: Sequence[Receipt],
        now: datetime,
    ) -> str:
        newest = newest_generation(self._schema, self._prepared.table_id)
        statements = ["BEGIN TRANSACTION", expect(f"({newest}) = {found.generation}")]
        statements += self._row_statements(rows, found, now)
        statements += self._service_statements(found, receipts, now)
        if quarantine is not None:
            statements.append(append_quarantine(self._schema, self._batch.quarantine, quarantine))
        statements.append("COMMIT TRANSACTION")
        return ";\n".join(statements) + ";"

    def _row_statements(self, rows: StagedRows, found: Comparison, now: datetime) -> Iterator[str]:
        differs = found.inserted or found.updated or found.late_new or found.gone
        if not differs:
            return
        for name, query in self._with(rows, now):
            # Relations that each statement reads again are worked out once, in tables that die with the job.
            needed = name != "standing" or self._repeats
            if needed:
                yield f"CREATE TEMP TABLE {name} AS {query}"
        standing = "standing" if self._repeats else "staged"
        if found.gone:
            yield f"CREATE TEMP TABLE gone AS {self._gone()}"
            yield self._sql.keep_gone("gone", now)
            yield expect_rows(found.gone)
            yield self._sql.drop_gone("gone", self._days)
            yield expect_rows(found.gone)
        if found.updated or found.late:
            yield f"CREATE TEMP TABLE delta AS {self._sql.delta(standing, self._columns, self._bounds)}"
        if found.updated:
            yield self._sql.keep_revised("delta", self._bounds, now)
            yield expect_rows(found.updated)
        if found.inserted or found.updated:
            yield self._sql.merge(standing, self._columns, self._bounds, revising=bool(found.updated))
            yield expect_rows(found.inserted + found.updated)
        if found.late_new and self._repeats:
            yield self._sql.keep_late("ranked", self._columns, "S._copy = 1 AND S._place > 1", self._bounds, now)
        if found.late:
            yield self._sql.keep_late("delta", self._columns, "S._change = 'late'", self._bounds, now)

    def _service_statements(self, found: Comparison, receipts: Sequence[Receipt], now: datetime) -> Iterator[str]:
        records = self._records(found, now)
        if records:
            days = service.day_rows(self._table.name, self._prepared.table_id, records, now)
            yield insert_records(self._schema, service.DAYS, service.DAYS_COLUMNS, days)
        written = service.as_rows(receipts, {self._table.name: self._prepared.table_id}, self._staged.receipt_days)
        yield insert_records(self._schema, service.RECEIPTS, service.RECEIPT_COLUMNS, written)
        commit = commit_record(self._table.name, self._prepared.table_id, found.generation + 1, self._run_id, now)
        yield insert_records(self._schema, service.COMMITS, service.COMMITS_COLUMNS, [commit])


def expect_rows(rows: int) -> str:
    """That the statement before changed as many rows as the comparison promised."""
    return expect(f"@@row_count = {rows}")


def _take(found: Comparison, what: str, receipt: str, day: date | None, count: int, more: int) -> None:
    """One row of the comparison."""
    if what == "generation":
        found.generation = count
    elif what in ("inserted", "updated", "late") and day is not None:
        tally = found.tally(receipt)
        setattr(tally, what, getattr(tally, what) + count)
        setattr(found, what, getattr(found, what) + count)
        if what != "late":
            found.changed.add(day)
        if what == "inserted":
            found.grown[day] += count
    elif what == "held" and day is not None:
        found.held[day] = count
    elif what == "recorded" and day is not None:
        found.recorded[day] = (count, more)
    elif what == "ranked":
        found.tally(receipt).duplicate += count
        found.tally(receipt).late += more
    elif what == "gone" and day is not None:
        found.tally(receipt).withdrawn += count
        found.gone += count
        found.grown[day] -= count
        found.changed.add(day)
    elif what == "late new":
        found.late_new += count


def claims(schema: str) -> str:
    """A query for the kinds of rows that were claimed for the dataset, the word that counts first."""
    return f"SELECT kind FROM {BIGQUERY.qualified(schema, service.ORIGIN)} ORDER BY claimed_utc, kind"


def commit_record(name: str, table_id: str, generation: int, run_id: str, now: datetime) -> service.Record:
    """A commit as a row of ``_commits``."""
    return {
        "slot": service.slot_of(table_id),
        "table_name": name,
        "table_id": table_id,
        "generation": generation,
        "run_id": run_id,
        "recorded_utc": service.naive(now),
    }


def insert_records(
    schema: str, name: str, columns: Sequence[tuple[str, StoredType]], records: Sequence[service.Record]
) -> str:
    """A statement that appends rows to a service table, with their values written out."""
    kinds = dict(columns)
    rows = ", ".join(
        "(" + ", ".join(literal(kinds[column], record[column]) for column in kinds) + ")" for record in records
    )
    return f"INSERT INTO {BIGQUERY.qualified(schema, name)} ({BIGQUERY.identifiers(list(kinds))}) VALUES {rows}"


def literal(kind: StoredType, value: Any) -> str:  # noqa: ANN401 - any stored value
    """A typed literal of a service table's value; instants are zone-less UTC."""
    if value is None:
        return f"CAST(NULL AS {BIGQUERY.types[kind]})"
    if kind == "texts":
        return f"ARRAY<STRING>[{', '.join(BIGQUERY.text(item) for item in value)}]"
    if kind == "dates":
        return f"ARRAY<DATE>[{', '.join(BIGQUERY.day(item) for item in value)}]"
    if kind == "instant":
        return BIGQUERY.instant(value.replace(tzinfo=UTC))
    if kind == "date":
        return BIGQUERY.day(value)
    return str(value) if kind in ("integer", "number") else BIGQUERY.text(str(value))


def append_quarantine(schema: str, rows: pa.Table, staged: StagedRows) -> str:
    """A statement that appends quarantined rows that are not there yet, as a window read again has them again."""
    import pyarrow.compute as pc

    extent = pc.min_max(rows.column("window_from_utc")).as_py()
    within = f"Q.window_from_utc BETWEEN {literal('instant', extent['min'])} AND {literal('instant', extent['max'])}"
    columns = list(QUARANTINE_KINDS)
    names = BIGQUERY.identifiers(columns)
    quarantine = BIGQUERY.qualified(schema, service.QUARANTINE)
    same = " AND ".join(
        BIGQUERY.equal(f"Q.{name}", f"S.{name}") for name in ("dataset", "window_from_utc", "window_to_utc", "reason")
    )
    # A raw row can have megabytes: what is joined by is its digest.
    same += " AND SHA256(Q.raw) = SHA256(S.raw)"
    return (
        f"INSERT INTO {quarantine} ({names}) SELECT {names} FROM ({staged.relation(schema, columns)}) S "
        f"WHERE NOT EXISTS (SELECT 1 FROM {quarantine} Q WHERE {within} AND {same})"
    )
