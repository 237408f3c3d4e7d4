"""One batch into one DuckDB table, inside a transaction that the caller opens and closes.

The order of the steps and the short cuts that keep the usual cases cheap belong here; the statements are in ``sql``,
the file and the transaction in ``duckdb``. Nothing here commits.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb
import pyarrow as pa

from energy_assets.catalogue.model import PROVENANCE, Field, FieldType, Table
from energy_assets.errors import WarehouseError
from energy_assets.ingest.model import Receipt, WriteBatch, WriteResult
from energy_assets.warehouse import service
from energy_assets.warehouse.sql import DUCKDB, HISTORY_COLUMNS, Bounds, TableSql, history_name
from energy_assets.warehouse.staging import (
    Staged,
    Tally,
    asked_again,
    complete,
    day_records,
    extra_names,
    key_bounds,
    key_text,
    stage,
    touched,
)

log = logging.getLogger(__name__)

FEW_ROWS = 5_000
"""Up to here comparing with what is stored costs no more than one more statement."""

# Names of relations that live as long as the cursor of one operation.
STAGED = "_staged"
RANKED = "_ranked"
STANDING = "_standing"
DELTA = "_delta"
GONE = "_gone"
APPENDED = "_appended"

ROWS_PER_STATEMENT = 16
"""Rows of a service table that go in with one statement: four times as fast as one by one; more gain nothing."""

STORED_TYPES: Mapping[str, FieldType] = {
    "VARCHAR": "text",
    "BIGINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "instant",
}
"""Stored type of each column type that DuckDB names."""


@dataclass
class Known:
    """What is known of the file while this process holds it: nobody else can change it meanwhile.

    Attributes:
        layouts: Stored columns of every table of the schema, name to DuckDB type, in storage order.
        ids: Identity of each table that carries one.
        definitions: Natural key and digest of the views under which each table was last written.
        views: Views that exist.
    """

    layouts: dict[str, dict[str, str]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, tuple[str, str]] = field(default_factory=dict)
    views: set[str] = field(default_factory=set)

    def draft(self) -> Known:
        """A copy that a transaction may change; what it changes becomes known when the transaction commits."""
        layouts = {table: dict(columns) for table, columns in self.layouts.items()}
        return Known(layouts, dict(self.ids), dict(self.definitions), set(self.views))


def look(cursor: duckdb.DuckDBPyConnection, schema: str) -> Known:
    """Read tables, columns, identities and views of the schema, in a few passes over the file's own catalogue."""
    here = "database_name = current_database() AND schema_name = ?"
    known = Known()
    columns = cursor.execute(
        f"SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE {here} "
        f"ORDER BY table_name, column_index",
        [schema],
    ).fetchall()
    comments = cursor.execute(f"SELECT table_name, comment FROM duckdb_tables() WHERE {here}", [schema]).fetchall()
    views = cursor.execute(f"SELECT view_name FROM duckdb_views() WHERE {here}", [schema]).fetchall()
    tables = {table for table, _ in comments}
    for table, column, kind in columns:
        if table in tables:
            known.layouts.setdefault(table, {})[column] = kind
    known.ids = {table: found for table, comment in comments if (found := id_in_comment(comment))}
    known.views = {view for (view,) in views}
    if service.TABLES in known.layouts:
        recorded = cursor.execute(
            f"SELECT table_id, arg_max((natural_key, views), recorded_utc) "
            f"FROM {DUCKDB.qualified(schema, service.TABLES)} GROUP BY table_id"
        ).fetchall()
        by_id = dict(recorded)
        known.definitions = {table: by_id[found] for table, found in known.ids.items() if found in by_id}
    return known


def one(cursor: duckdb.DuckDBPyConnection, statement: str) -> int:
    """The single number that a statement answers with: a count, or the rows it changed."""
    rows = cursor.execute(statement).fetchall()
    return int(rows[0][0]) if rows else 0


class TableLayout:
    """Makes one stored table what the catalogue and the batch need, or refuses a foreign one."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, schema: str, table: Table, known: Known, now: datetime
    ) -> None:
        self._cursor = cursor
        self._schema = schema
        self._table = table
        self._known = known
        self._now = now
        self.created = False

    def prepare(self, extra: Sequence[Field]) -> tuple[TableSql, dict[str, str]]:
        """The statements for the table as it now is, and the stored name of each uncatalogued column.

        Args:
            extra: Columns that the catalogue does not know.

        Raises:
            WarehouseError: The table is foreign, or a change of the catalogue would change stored values.
        """
        name = self._table.name
        stored = self._known.layouts.get(name)
        if stored is None:
            stored = self._create()
        elif name not in self._known.ids:
            self._adopt(stored)
        self._check_types(stored)
        names = extra_names(self._table, extra, {n: STORED_TYPES.get(t, "text") for n, t in stored.items()})
        self._add(stored, [*self._table.columns, *((names[f.name], f.type) for f in extra)])
        self._keep_history(stored)
        sql = TableSql(DUCKDB, self._schema, self._table, tuple(stored))
        self._define(sql)
        return sql, names

    def _unite(self) -> str | None:
        """Make or widen the tables that the views need besides this one; gives why one of them cannot be had."""
        unites = self._table.unites
        for table in unites.tables if unites is not None else ():
            try:
                TableLayout(self._cursor, self._schema, table, self._known, self._now).prepare(())
            except WarehouseError as error:
                # Somebody else's table has the name; that must not keep this one's rows out.
                return str(error)
        return None

    def _create(self) -> dict[str, str]:
        name, columns = self._table.name, self._table.columns
        if name in self._known.views:
            raise self._foreign("is a view")
        self._cursor.execute(f"CREATE TABLE {DUCKDB.qualified(self._schema, name)} ({DUCKDB.columns(columns)})")
        self.created = True
        self._identify()
        stored = {column: DUCKDB.types[kind] for column, kind in columns}
        self._known.layouts[name] = stored
        return stored

    def _identify(self) -> None:
        table_id = uuid.uuid4().hex
        comment = DUCKDB.text(compose_comment(self._table.description, table_id))
        self._cursor.execute(f"COMMENT ON TABLE {DUCKDB.qualified(self._schema, self._table.name)} IS {comment}")
        self._known.ids[self._table.name] = table_id

    def _keep_history(self, stored: Mapping[str, str]) -> None:
        """Make the history table, or give it the columns that the table has gained."""
        name = history_name(self._table.name)
        history = DUCKDB.qualified(self._schema, name)
        held = self._known.layouts.setdefault(name, {})
        wanted = {**stored, **{column: DUCKDB.types[kind] for column, kind in HISTORY_COLUMNS}}
        if not held:
            columns = ", ".join(f"{DUCKDB.identifier(column)} {kind}" for column, kind in wanted.items())
            self._cursor.execute(f"CREATE TABLE {history} ({columns})")
        else:
            for column in wanted.keys() - held.keys():
                self._cursor.execute(f"ALTER TABLE {history} ADD COLUMN {DUCKDB.identifier(column)} {wanted[column]}")
        held.update(wanted)

    def _define(self, sql: TableSql) -> None:
        """Follow the catalogue's natural key, views and table functions where they have changed."""
        name, lacking = self._table.name, self._unite()
        views, functions = sql.views(united=lacking is None), sql.functions(MOMENT)
        wanted = definition(sql, views, functions)
        held = self._known.definitions.get(name)
        if held == wanted and self._known.views.issuperset(views):
            return
        if lacking is not None:
            log.warning("%s: the view of all rows is not made: %s", name, lacking)
        if held is not None and held[0] != wanted[0]:
            self._check_key(sql)
        for view, body in views.items():
            self._cursor.execute(f"CREATE OR REPLACE VIEW {DUCKDB.qualified(self._schema, view)} AS {body}")
        for own, body in functions.items():
            function = DUCKDB.qualified(self._schema, own)
            self._cursor.execute(DUCKDB.function.format(name=function, parameter="moment", body=body))
        values = [name, self._known.ids[name], self._table.dataset, *wanted, service.naive(self._now)]
        tables = DUCKDB.qualified(self._schema, service.TABLES)
        self._cursor.execute(f"INSERT INTO {tables} VALUES (?, ?, ?, ?, ?, ?)", values)
        self._known.definitions[name] = wanted
        self._known.views.update(views)

    def _adopt(self, stored: Mapping[str, str]) -> None:
        """Take over a table that has our shape and no identity; older receipts are no longer believed."""
        missing = [name for name, _ in PROVENANCE if name not in stored]
        if missing:
            raise self._foreign(f"has no column {missing[0]}")
        for name, kind in self._table.columns:
            if name in stored and stored[name] != DUCKDB.types[kind]:
                raise self._foreign(f"has column {name} as {stored[name]} instead of {DUCKDB.types[kind]}")
        sql = TableSql(DUCKDB, self._schema, self._table, tuple(stored))
        absent = [name for name in self._table.natural_key if name not in stored]
        if absent:
            raise self._foreign(f"has no key column {absent[0]}")
        if self._repeated_keys(sql):
            raise self._foreign("holds several rows of one natural key")
        self._identify()

    def _foreign(self, difference: str) -> WarehouseError:
        return WarehouseError(
            f"{self._schema}.{self._table.name} was not made by energy_assets and {difference}: rename or drop it, "
            f"then refresh."
        )

    def _repeated_keys(self, sql: TableSql) -> int:
        return one(self._cursor, f"SELECT count(*) FROM ({sql.repeated_keys()})")

    def _check_types(self, stored: dict[str, str]) -> None:
        for name, kind in self._table.columns:
            held, wanted = stored.get(name), DUCKDB.types[kind]
            if held is not None and held != wanted:
                self._retype(name, held, wanted)
                stored[name] = wanted

    def _retype(self, column: str, held: str, wanted: str) -> None:
        """Follow a changed type in the catalogue, when no stored value would change by it."""
        name = DUCKDB.identifier(column)
        back = (
            f"CAST(TRY_CAST(T.{name} AS {wanted}) AS {held})"
            if held != "VARCHAR"
            else f"TRY_CAST(T.{name} AS {wanted})"
        )
        lost = f"{back} IS DISTINCT FROM T.{name}" if held != "VARCHAR" else f"T.{name} IS NOT NULL AND {back} IS NULL"
        names = (self._table.name, history_name(self._table.name))
        tables = [DUCKDB.qualified(self._schema, n) for n in names if column in self._known.layouts.get(n, {})]
        for table in tables:
            count = one(self._cursor, f"SELECT count(*) FROM {table} T WHERE {lost}")
            if count:
                raise WarehouseError(
                    f"{self._schema}.{self._table.name}: column {column} is stored as {held}, the catalogue says "
                    f"{wanted}, and {count} stored values would change: rename the table, then refresh to fill a "
                    f"new one."
                )
        for table in tables:
            self._cursor.execute(
                f"ALTER TABLE {table} ALTER {name} SET DATA TYPE {wanted} USING TRY_CAST({name} AS {wanted})"
            )
        log.warning("%s: column %s is now stored as %s (was %s).", self._table.name, column, wanted, held)

    def _add(self, stored: dict[str, str], wanted: Sequence[tuple[str, FieldType]]) -> None:
        lower = {name.lower(): name for name in stored}
        for name, kind in wanted:
            if name in stored:
                continue
            clash = lower.get(name.lower())
            if clash is not None:
                raise self._foreign(f"has column {clash}, which differs from {name} only in case")
            qualified = DUCKDB.qualified(self._schema, self._table.name)
            self._cursor.execute(f"ALTER TABLE {qualified} ADD COLUMN {DUCKDB.identifier(name)} {DUCKDB.types[kind]}")
            stored[name] = DUCKDB.types[kind]
            log.info("%s: added column %s.", self._table.name, name)

    def _check_key(self, sql: TableSql) -> None:
        repeated = self._repeated_keys(sql)
        if repeated:
            raise WarehouseError(
                f"{self._schema}.{self._table.name}: the catalogue's natural key has changed and {repeated} keys would "
                f"hold several rows: rename the table, then refresh to fill a new one."
            )


def definition(sql: TableSql, views: Mapping[str, str], functions: Mapping[str, str]) -> tuple[str, str]:
    """Natural key and digest of the views and functions, by which a change of the catalogue is noticed."""
    bodies = "\n".join([*views.values(), *functions.values()])
    return key_text(sql.table), hashlib.sha256(bodies.encode()).hexdigest()[:16]


def follows(known: Known, schema: str, table: Table) -> bool:
    """Whether columns, views and functions of a stored table are those of the catalogue."""
    stored = known.layouts[table.name]
    if any(stored.get(name) != DUCKDB.types[kind] for name, kind in table.columns):
        return False
    sql, held = TableSql(DUCKDB, schema, table, tuple(stored)), known.definitions.get(table.name)
    functions = sql.functions(MOMENT)
    # Without the tables that it needs, the view of all rows is not made.
    made = (sql.views(united=united) for united in (True, False))
    return any(held == definition(sql, views, functions) and known.views.issuperset(views) for views in made)


MOMENT = "CAST(moment AS TIMESTAMP)"
"""The parameter of table functions, as an expression."""

COMMENT_MARK = "energy_assets table"


def compose_comment(description: str, table_id: str) -> str:
    """A table's comment: what it is, and its identity, which dies with the table."""
    return f"{description} [{COMMENT_MARK} {table_id}]".strip()


def id_in_comment(comment: str | None) -> str | None:
    """The identity in a table's comment, or ``None`` where the table is not ours."""
    if not comment or not comment.endswith("]"):
        return None
    _, mark, rest = comment.rpartition(f"[{COMMENT_MARK} ")
    return rest[:-1] if mark else None


class Merge:
    """Merges one batch: rows, history, rows per day, receipts, quarantine."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, schema: str, batch: WriteBatch, known: Known, now: datetime
    ) -> None:
        self._cursor = cursor
        self._schema = schema
        self._batch = batch
        self._table = batch.table
        self._known = known
        self._now = now
        self._tallies: dict[str, Tally] = {}
        self._temporary: list[str] = []
        self._changed: set[date] = set()

    def run(self) -> WriteResult:
        """Make the batch true; the caller commits."""
        layout = TableLayout(self._cursor, self._schema, self._table, self._known, self._now)
        self._sql, names = layout.prepare(self._batch.extra)
        self._created = layout.created
        staged = stage(self._batch, names, self._now)
        for own, stored in staged.renamed.items():
            log.warning("%s: the new column %s is stored as %s.", self._table.name, own, stored)
        day_rows: Mapping[date, int] = {}
        if staged.rows.num_rows:
            day_rows = self._merge_rows(staged)
        receipts = complete(self._batch.receipts, staged, self._tallies, self._now)
        self._append_receipts(receipts, staged)
        append_quarantine(self._cursor, self._schema, self._batch.quarantine)
        return WriteResult(receipts, day_rows, frozenset(self._changed))

    def _merge_rows(self, staged: Staged) -> Mapping[date, int]:
        self._cursor.register(STAGED, staged.rows)
        days = touched(self._table, staged, self._asked(staged))
        before = {} if self._created else self._day_counts(days)
        # A row that may be stored under a neighbouring day is looked for even where its own day holds nothing yet.
        self._merge(staged, stored=sum(before.values()) or self._table.reach_days)
        changed = any(tally.inserted or tally.withdrawn for tally in self._tallies.values())
        after = self._day_counts(days) if changed else before
        self._changed.update(day for day, rows in after.items() if rows != before.get(day, 0))
        for name in self._temporary:
            self._cursor.execute(f"DROP TABLE temp.{name}")
        self._record_days(days, before, after)
        return {day: rows for day, rows in after.items() if rows or before.get(day) or day in staged.days}

    def _make(self, name: str, query: str) -> None:
        """Keep a query's rows for the rest of this merge; a rollback drops them too."""
        self._cursor.execute(f"CREATE TEMP TABLE {name} AS {query}")
        self._temporary.append(name)

    def _asked(self, staged: Staged) -> list[Receipt]:
        return asked_again(self._batch, staged, self._sql.stored)

    def _day_counts(self, days: Bounds) -> dict[date, int]:
        counted = dict(self._cursor.execute(self._sql.day_counts(days)).fetchall())
        return {day: counted.get(day, 0) for day in days.days}

    def _merge(self, staged: Staged, stored: int) -> None:
        """Bring staged rows in; ``stored`` is zero where no stored row can meet them."""
        bounds = key_bounds(self._table, staged, DUCKDB, self._table.natural_key)
        source = self._standing(staged)
        if self._table.replace_scope and stored:
            self._withdraw(staged)
        if stored and self._may_meet(staged, bounds):
            self._upsert(staged, source, bounds)
        else:
            self._insert_all(staged, source)
        if source != STAGED:
            self._keep_late(RANKED, "S._copy = 1 AND S._place > 1", staged, bounds)

    def _may_meet(self, staged: Staged, bounds: Bounds) -> bool:
        """Whether stored rows can have a staged key; asked first only where comparing is dearer than asking."""
        return staged.rows.num_rows < FEW_ROWS or bool(one(self._cursor, self._sql.stored_count(bounds)))

    def _standing(self, staged: Staged) -> str:
        """The relation with one row per natural key: the staged rows themselves, where no key repeats."""
        key = self._sql.key(self._table.natural_key, "S")
        distinct = f"SELECT count(*) - count(DISTINCT hash({key})) FROM {STAGED} S"
        if not one(self._cursor, distinct):
            return STAGED
        self._make(RANKED, self._sql.ranked(STAGED, staged.columns))
        if not one(self._cursor, f"SELECT count(*) FROM {RANKED} WHERE _copy > 1 OR _place > 1"):
            return STAGED
        columns = DUCKDB.identifiers(staged.columns)
        self._make(STANDING, f"SELECT {columns} FROM {RANKED} WHERE _copy = 1 AND _place = 1")
        rows = self._cursor.execute(
            f"SELECT _receipt_id, count(CASE WHEN _copy > 1 THEN 1 END), "
            f"count(CASE WHEN _copy = 1 AND _place > 1 THEN 1 END) FROM {RANKED} GROUP BY _receipt_id"
        ).fetchall()
        for receipt, duplicate, late in rows:
            self._tally(receipt).duplicate += duplicate
            self._tally(receipt).late += late
        return STANDING

    def _tally(self, receipt: str) -> Tally:
        return self._tallies.setdefault(receipt, Tally())

    def _insert_all(self, staged: Staged, source: str) -> None:
        self._cursor.execute(self._sql.insert(staged.columns, source))
        for receipt, rows in staged.receipt_rows.items():
            tally = self._tally(receipt)
            tally.inserted += rows - tally.duplicate - tally.late

    def _upsert(self, staged: Staged, source: str, bounds: Bounds) -> None:
        counted = self._cursor.execute(self._sql.tally(source, bounds)).fetchall()
        if any(differing for _, _, differing in counted):
            self._revise(staged, source, bounds)
            return
        new = 0
        for receipt, inserted, _ in counted:
            self._tally(receipt).inserted += inserted
            new += inserted
        if new:
            everything = new == sum(staged.receipt_rows.values())
            condition = "" if everything else self._sql.not_stored(bounds)
            self._cursor.execute(self._sql.insert(staged.columns, source, condition))

    def _revise(self, staged: Staged, source: str, bounds: Bounds) -> None:
        self._make(DELTA, self._sql.delta(source, staged.columns, bounds))
        counted = self._cursor.execute(f"SELECT _receipt_id, _change, count(*) FROM {DELTA} GROUP BY ALL").fetchall()
        for receipt, change, count in counted:
            tally = self._tally(receipt)
            setattr(tally, change, getattr(tally, change) + count)
        changes = {change for _, change, _ in counted}
        if "updated" in changes:
            self._note_days(f"{DELTA} S WHERE S._change <> 'late'")
            self._cursor.execute(self._sql.keep_revised(DELTA, bounds, self._now))
            self._cursor.execute(self._sql.drop_revised(DELTA, bounds))
        if changes & {"inserted", "updated"}:
            self._cursor.execute(self._sql.insert(staged.columns, DELTA, "S._change <> 'late'"))
        if "late" in changes:
            self._keep_late(DELTA, "S._change = 'late'", staged, bounds)

    def _keep_late(self, source: str, condition: str, staged: Staged, bounds: Bounds) -> None:
        statement = self._sql.keep_late(source, staged.columns, condition, bounds, self._now)
        if one(self._cursor, statement):
            for tally in self._tallies.values():
                tally.kept_late = tally.kept_late or tally.late > 0

    def _withdraw(self, staged: Staged) -> None:
        scope = [c for c in self._table.replace_scope if c != "_partition_day"]
        days = touched(self._table, staged, self._asked(staged))
        extent = Bounds(days.days, key_bounds(self._table, staged, DUCKDB, scope).columns)
        queries: list[str] = []
        if one(self._cursor, self._sql.stored_count(extent)):
            windows = [receipt.window for receipt in self._batch.receipts]
            queries.append(self._sql.gone(STAGED, extent, windows))
        queries += self._vanished(staged, days)
        if not queries:
            return
        self._make(GONE, " UNION ALL ".join(f"({query})" for query in queries))
        counted = self._cursor.execute(f"SELECT _gone_by, count(*) FROM {GONE} GROUP BY ALL").fetchall()
        if not counted:
            return
        for receipt, count in counted:
            self._tally(receipt).withdrawn += count
        self._note_days(f"{GONE} S")
        self._cursor.execute(self._sql.keep_gone(GONE, self._now))
        self._cursor.execute(self._sql.drop_gone(GONE, days))

    def _note_days(self, source: str) -> None:
        """Remember days whose number of rows may stay the same although the rows do not."""
        rows = self._cursor.execute(f"SELECT DISTINCT S.{DUCKDB.partition_day} FROM {source}").fetchall()
        self._changed.update(day for (day,) in rows)

    def _vanished(self, staged: Staged, days: Bounds) -> list[str]:
        """The query for whole sets that are gone, where the batch asked again for what earlier windows brought."""
        asked = self._asked(staged)
        if not asked:
            return []
        begin = DUCKDB.instant(min(receipt.window.from_utc for receipt in asked))
        end = DUCKDB.instant(max(receipt.window.to_utc for receipt in asked))
        bounds = Bounds(days.days, (("_window_from_utc", begin, end), ("_window_to_utc", begin, end)))
        # Most batches ask for new windows and most others find every set again; both are told at little cost.
        if not one(self._cursor, self._sql.stored_count(bounds)):
            return []
        if not one(self._cursor, self._sql.absent_count(STAGED, bounds)):
            return []
        branches = sorted({name for receipt in asked for name, _ in receipt.window.branch})
        unread = sorted(staged.receipt_rows.keys() - {receipt.receipt_id for receipt in asked})
        return [self._sql.vanished(STAGED, bounds, branches, unread)]

    def _record_days(self, days: Bounds, before: Mapping[date, int], after: Mapping[date, int]) -> None:
        """Append the rows that each day now holds, where that is news, and notice days that lost rows unseen."""
        table_id = self._known.ids[self._table.name]
        name = DUCKDB.qualified(self._schema, service.DAYS)
        newest = self._cursor.execute(
            f"SELECT T.day, arg_max(T.rows, T.seq), max(T.seq) FROM {name} T WHERE T.table_id = ? "
            f"AND T.day BETWEEN {DUCKDB.day(days.days[0])} AND {DUCKDB.day(days.days[-1])} GROUP BY T.day",
            [table_id],
        ).fetchall()
        recorded = {day: (rows, seq) for day, rows, seq in newest}
        records = day_records(days.days, before, after, recorded, self._now)
        if records:
            append(
                self._cursor,
                self._schema,
                service.DAYS,
                service.day_rows(self._table.name, table_id, records, self._now),
            )

    def _append_receipts(self, receipts: Sequence[Receipt], staged: Staged) -> None:
        rows = service.as_rows(receipts, self._known.ids, staged.receipt_days)
        append(self._cursor, self._schema, service.RECEIPTS, rows)


def append(cursor: duckdb.DuckDBPyConnection, schema: str, name: str, rows: Sequence[service.Record]) -> None:
    """Append rows of equal columns to a service table by column name."""
    for first in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[first : first + ROWS_PER_STATEMENT]
        columns = list(some[0])
        places = ", ".join([f"({', '.join('?' * len(columns))})"] * len(some))
        cursor.execute(
            f"INSERT INTO {DUCKDB.qualified(schema, name)} ({DUCKDB.identifiers(columns)}) VALUES {places}",
            [row[column] for row in some for column in columns],
        )


def append_quarantine(cursor: duckdb.DuckDBPyConnection, schema: str, rows: pa.Table) -> None:
    """Append quarantined rows that are not there yet: a window read again must not make the table grow.

    A row is there when its window has one of the same content and reason, wherever in the body it stood.
    """
    if not rows.num_rows:
        return
    cursor.register(APPENDED, rows)
    ((datasets, begin, end),) = cursor.execute(
        f"SELECT list(DISTINCT dataset), min(window_from_utc), max(window_from_utc) FROM {APPENDED}"
    ).fetchall()
    same = ("dataset", "window_from_utc", "window_to_utc", "reason", "raw")
    condition = " AND ".join(DUCKDB.equal(f"Q.{name}", f"S.{name}") for name in same)
    columns = DUCKDB.identifiers(rows.column_names)
    quarantine = DUCKDB.qualified(schema, service.QUARANTINE)
    cursor.execute(
        f"INSERT INTO {quarantine} ({columns}) SELECT {columns} FROM {APPENDED} S "
        f"WHERE NOT EXISTS (SELECT 1 FROM {quarantine} Q WHERE list_contains(?, Q.dataset) "
        f"AND Q.window_from_utc BETWEEN ? AND ? AND {condition})",
        [datasets, begin, end],
    )
