"""The SQL that every warehouse shares: names, literals, key comparisons, the merge, view and function bodies.

Text only: nothing here connects to a store, and nothing knows one dataset from another. What differs between stores
(quotes, type names, literals) is a ``Dialect``; everything else is written once, in the part of SQL that DuckDB and
BigQuery read alike. Each statement that meets a stored table carries constant bounds on ``_partition_day``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Literal

from energy_assets.catalogue.model import PROVENANCE, FieldType, OrderBy, Precedence, Table, Unfolded, Unites
from energy_assets.ingest.model import Window

StoredType = FieldType | Literal["texts", "dates"]
"""Types of stored columns: those of rows, and the lists that service tables hold."""

HISTORY_COLUMNS: tuple[tuple[str, FieldType], ...] = (
    ("_superseded_utc", "instant"),
    ("_change", "text"),
    ("_superseded_by", "text"),
    ("_superseded_published_utc", "instant"),
)
"""Columns that a displaced row carries besides its own: when this warehouse set it aside, why (``revised``,
``withdrawn``, ``late``), by which receipt, and when, by the provider's publication clock, it ceased to stand."""

UNITED_PROVENANCE: tuple[tuple[str, FieldType], ...] = (
    ("_partition_day", "date"),
    ("_dataset", "text"),
    ("_source_api", "text"),
    ("_receipt_id", "text"),
    ("_ingested_utc", "instant"),
    ("_enqueued_utc", "instant"),
)
"""Columns of a view of two tables besides the provider's; ``_enqueued_utc`` is null where rows were asked for."""

LISTED_DAYS = 400
"""Most days written out one by one beside the range they span; more than a year of them makes the text long, not the
scan short."""


@dataclass(frozen=True)
class Dialect:
    """What one store's SQL spells differently.

    Attributes:
        name: Store, as in settings.
        types: Type name per stored type.
        quote: The character around identifiers.
        instant_suffix: Text after the seconds of a timestamp literal (a UTC offset where the type has a zone).
        escapes: What characters inside a text literal become, in the order of replacement.
        same: Template of a null-safe comparison of ``{a}`` and ``{b}``.
        member: Template of whether ``{item}`` is among the array ``{array}``.
        london_day: Template of the Europe/London day of a UTC ``{instant}``.
        elements: Template of a relation ``{alias}`` that is joined to its row: elements of the JSON array ``{array}``.
        element: Template of the text of the member ``{name}`` of such an element.
        parsed: Templates that read a stored type from ``{text}``, null where it is none.
        digest: Template of a value that is equal where the ``{columns}`` are equal, nulls included, and nearly always
            differs where they differ.
        unnested: Template of a relation that is joined to its row: the elements of its ``{array}``, each as ``{name}``.
        seconds: Template of the seconds of a UTC ``{instant}`` since 1970.
        function: Template that defines a table function ``{name}`` of one parameter ``{parameter}`` with ``{body}``.
        renamed: Columns that the store keeps under another name, because it refuses theirs.
        service_options: What follows the columns of a service table when it is made, by table.
    """

    name: str
    types: Mapping[StoredType, str]
    quote: str
    instant_suffix: str
    escapes: tuple[tuple[str, str], ...]
    same: str
    member: str
    london_day: str
    elements: str
    element: str
    parsed: Mapping[StoredType, str]
    digest: str
    unnested: str
    seconds: str
    function: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    service_options: Mapping[str, str] = field(default_factory=dict)

    def identifier(self, name: str) -> str:
        """A quoted name."""
        name = self.renamed.get(name, name)
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"

    def identifiers(self, names: Sequence[str], alias: str = "") -> str:
        """Quoted names in a row, each behind the alias where one is given."""
        prefix = f"{alias}." if alias else ""
        return ", ".join(prefix + self.identifier(name) for name in names)

    def qualified(self, schema: str, name: str) -> str:
        """A quoted name inside its schema."""
        return f"{self.identifier(schema)}.{self.identifier(name)}"

    def text(self, value: str) -> str:
        """A text literal."""
        for found, written in self.escapes:
            value = value.replace(found, written)
        return f"'{value}'"

    def day(self, value: date) -> str:
        """A typed date literal."""
        return f"DATE '{value.isoformat()}'"

    def instant(self, value: datetime) -> str:
        """A typed timestamp literal of an aware instant."""
        # strftime writes years before 1000 with fewer than four digits.
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return f"TIMESTAMP '{utc.isoformat(' ', 'microseconds')}{self.instant_suffix}'"

    @property
    def partition_day(self) -> str:
        """The quoted column of the settlement day."""
        return self.identifier("_partition_day")

    def equal(self, a: str, b: str) -> str:
        """A comparison in which null equals null."""
        return self.same.format(a=a, b=b)

    def columns(self, columns: Sequence[tuple[str, StoredType]]) -> str:
        """Column definitions of a table, all nullable."""
        return ", ".join(f"{self.identifier(name)} {self.types[kind]}" for name, kind in columns)


DUCKDB = Dialect(
    name="duckdb",
    types={
        "text": "VARCHAR",
        "integer": "BIGINT",
        "number": "DOUBLE",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "instant": "TIMESTAMP",
        "json": "VARCHAR",
        "texts": "VARCHAR[]",
        "dates": "DATE[]",
    },
    quote='"',
    instant_suffix="",
    escapes=(("'", "''"),),
    same="{a} IS NOT DISTINCT FROM {b}",
    member="list_contains({array}, {item})",
    london_day="CAST(timezone('Europe/London', timezone('UTC', {instant})) AS DATE)",
    elements="LATERAL (SELECT unnest(from_json({array}, '[\"JSON\"]')) AS item) {alias}",
    element="json_extract_string({alias}.item, '$.{name}')",
    parsed={
        "text": "{text}",
        "integer": "TRY_CAST({text} AS BIGINT)",
        "number": "TRY_CAST({text} AS DOUBLE)",
        "instant": "timezone('UTC', TRY_CAST({text} AS TIMESTAMPTZ))",
    },
    digest="hash({columns})",
    unnested="LATERAL (SELECT unnest({array}) AS {name}) {name}_",
    seconds="epoch({instant})",
    function="CREATE OR REPLACE MACRO {name}({parameter}) AS TABLE {body}",
)


def history_name(table: str) -> str:
    """Name of the table that keeps displaced rows."""
    return f"{table}_history"


def latest_name(table: str) -> str:
    """Name of the view with one row per event key."""
    return f"{table}_latest"


@dataclass(frozen=True)
class Bounds:
    """Constants that every stored row that can match the staged ones satisfies.

    Attributes:
        days: Settlement days of the staged rows, ascending.
        columns: Key columns with their least and greatest staged value, as literals.
    """

    days: tuple[date, ...]
    columns: tuple[tuple[str, str, str], ...] = ()

    def predicate(self, dialect: Dialect, alias: str) -> str:
        """The bounds as a condition on the rows of ``alias``."""
        day = f"{alias}.{dialect.partition_day}"
        parts = [f"{day} BETWEEN {dialect.day(self.days[0])} AND {dialect.day(self.days[-1])}"]
        span = (self.days[-1] - self.days[0]).days + 1
        if len(self.days) < span and len(self.days) <= LISTED_DAYS:
            parts.append(f"{day} IN ({', '.join(dialect.day(d) for d in self.days)})")
        for column, low, high in self.columns:
            parts.append(f"{alias}.{dialect.identifier(column)} BETWEEN {low} AND {high}")
        return " AND ".join(parts)


@dataclass(frozen=True)
class TableSql:
    """The statements about one table, given the columns that are stored.

    Attributes:
        dialect: The store's spelling.
        schema: Schema (DuckDB) or dataset (BigQuery).
        table: The table's description.
        stored: Names of the stored columns, provenance included, in storage order.
        solid: Key columns that hold a value in every staged row, so that a plain comparison with staged rows will do.
    """

    dialect: Dialect
    schema: str
    table: Table
    stored: tuple[str, ...]
    solid: frozenset[str] = frozenset()

    @property
    def target(self) -> str:
        """Qualified name of the table."""
        return self.dialect.qualified(self.schema, self.table.name)

    @property
    def history(self) -> str:
        """Qualified name of the history table."""
        return self.dialect.qualified(self.schema, history_name(self.table.name))

    @cached_property
    def _fallback(self) -> dict[str, str]:
        return dict(self.table.key_fallback)

    def key_expression(self, column: str, alias: str) -> str:
        """What identifies a row in ``column``: its value, or its fallback's where it may be null."""
        own = f"{alias}.{self.dialect.identifier(column)}"
        other = self._fallback.get(column)
        return f"coalesce({own}, {alias}.{self.dialect.identifier(other)})" if other else own

    def key(self, columns: Sequence[str], alias: str) -> str:
        """Key expressions of several columns in a row."""
        return ", ".join(self.key_expression(column, alias) for column in columns)

    def same(self, columns: Sequence[str], a: str, b: str) -> str:
        """Whether rows ``a`` and ``b`` agree in key columns, null agreeing with null."""
        pairs = ((c, self.key_expression(c, a), self.key_expression(c, b)) for c in columns)
        return " AND ".join(f"{x} = {y}" if c in self.solid else self.dialect.equal(x, y) for c, x, y in pairs)

    def same_row(self, a: str, b: str) -> str:
        """Whether ``a`` and ``b`` have one natural key.

        As a rule equal keys lie on equal days, which a store can prune by.
        """
        if self.table.reach_days:
            return self.same(self.table.natural_key, a, b)
        day = self.dialect.partition_day
        return f"{a}.{day} = {b}.{day} AND {self.same(self.table.natural_key, a, b)}"

    def order_expression(self, order: OrderBy, alias: str) -> str:
        """The value by which publications are ordered: the column's, or the rank of its code."""
        column = f"{alias}.{self.dialect.identifier(order.column)}"
        if not order.ranks:
            return column
        cases = " ".join(f"WHEN {self.dialect.text(code)} THEN {rank}" for rank, code in enumerate(order.ranks))
        return f"CASE {column} {cases} END"

    def newest_first(self, orders: Sequence[OrderBy], alias: str) -> list[str]:
        """ORDER BY terms that put the newest publication first; nothing known counts as oldest."""
        return [f"{self.order_expression(order, alias)} DESC NULLS LAST" for order in orders]

    def older(self, orders: Sequence[OrderBy], a: str, b: str) -> str:
        """Whether publication ``a`` comes before ``b``; false where nothing orders them."""
        condition = "FALSE"
        for order in reversed(orders):
            x, y = self.order_expression(order, a), self.order_expression(order, b)
            less = f"coalesce({x} < {y}, {x} IS NULL AND {y} IS NOT NULL)"
            condition = f"({less} OR ({self.dialect.equal(x, y)} AND {condition}))" if condition != "FALSE" else less
        return condition

    @property
    def orders_within_key(self) -> tuple[OrderBy, ...]:
        """Order columns that can differ between two rows of one natural key."""
        return tuple(order for order in self.table.latest_order if order.column not in self.table.natural_key)

    # What follows is the merge of staged rows.

    def ranked(self, staged: str, columns: Sequence[str]) -> str:
        """Staged rows with ``_copy`` (1 for the one kept of equal rows) and ``_place`` (1 for the one that stands)."""
        order = self.newest_first(self.orders_within_key, "S")
        order += ["S._window_from_utc DESC", "S._receipt_id DESC", "S._hash_key DESC"]
        key = self.key(self.table.natural_key, "S")
        names = self.dialect.identifiers(columns)
        copies = (
            f"SELECT {self.dialect.identifiers(columns, 'S')}, "
            f"row_number() OVER (PARTITION BY {key}, S._hash_key ORDER BY {', '.join(order)}) AS _copy FROM {staged} S"
        )
        return (
            f"SELECT {names}, _copy, row_number() OVER (PARTITION BY {key}, "
            f"least(S._copy, 2) ORDER BY {', '.join(order)}) AS _place FROM ({copies}) S"
        )

    def delta(self, staged: str, columns: Sequence[str], bounds: Bounds) -> str:
        """Staged rows that differ from what is stored, with ``_change`` and the displaced row's ``_old_hash``."""
        late = self.older(self.orders_within_key, "S", "T")
        return (
            f"SELECT {self.dialect.identifiers(columns, 'S')}, T._hash_key AS _old_hash, "
            f"CASE WHEN T._hash_key IS NULL THEN 'inserted' WHEN {late} THEN 'late' ELSE 'updated' END AS _change "
            f"FROM {staged} S LEFT JOIN {self._stored(bounds)} T ON {self.same_row('S', 'T')} "
            f"WHERE T._hash_key IS NULL OR T._hash_key <> S._hash_key"
        )

    def merge(self, staged: str, columns: Sequence[str], bounds: Bounds, *, revising: bool = True) -> str:
        """One statement that inserts staged rows whose key is not stored and replaces stored ones that they revise.

        Args:
            staged: Staged rows, one per natural key.
            columns: Their columns.
            bounds: Constants that hold on both sides.
            revising: Whether there is anything to replace: where there is not, a store that bills by columns reads
                only those of the key.
        """
        present = set(columns)
        late = self.older(self.orders_within_key, "S", "T")
        assignments = ", ".join(
            f"{self.dialect.identifier(name)} = {f'S.{self.dialect.identifier(name)}' if name in present else 'NULL'}"
            for name in self.stored
        )
        names, values = self.dialect.identifiers(columns), self.dialect.identifiers(columns, "S")
        source = f"SELECT X.* FROM {staged} X WHERE {bounds.predicate(self.dialect, 'X')}"
        update = f"WHEN MATCHED AND T._hash_key <> S._hash_key AND NOT ({late}) THEN UPDATE SET {assignments} "
        return (
            f"MERGE INTO {self.target} T USING ({source}) S "
            f"ON {self.same_row('S', 'T')} AND {bounds.predicate(self.dialect, 'T')} "
            f"{update if revising else ''}WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})"
        )

    def repeated_keys(self, within: str = "TRUE") -> str:
        """One row for each natural key that several stored rows have; ``within`` restricts rows of ``T``.

        Where the same row may arrive on different days, one for each row that another precedes within their reach.
        """
        key = self.key(self.table.natural_key, "T")
        day = self.dialect.partition_day
        if self.table.reach_days:
            before = f"lag(T.{day}) OVER (PARTITION BY {key} ORDER BY T.{day})"
            return (
                f"SELECT 1 AS repeated FROM (SELECT T.{day} AS own_day, {before} AS day_before FROM {self.target} T "
                f"WHERE {within}) R WHERE R.day_before >= R.own_day - {self.table.reach_days}"
            )
        return f"SELECT 1 AS repeated FROM {self.target} T WHERE {within} GROUP BY T.{day}, {key} HAVING count(*) > 1"

    def tally(self, staged: str, bounds: Bounds) -> str:
        """Per receipt: staged rows without a stored one, and those that differ from the stored one."""
        return (
            f"SELECT S._receipt_id, count(*) - count(T._hash_key), "
            f"count(CASE WHEN T._hash_key <> S._hash_key THEN 1 END) "
            f"FROM {staged} S LEFT JOIN {self._stored(bounds)} T ON {self.same_row('S', 'T')} GROUP BY S._receipt_id"
        )

    def _stored(self, bounds: Bounds) -> str:
        needed = [*self.table.natural_key, *self._fallback.values(), "_partition_day", "_hash_key"]
        needed += [order.column for order in self.table.latest_order]
        names = self.dialect.identifiers(tuple(dict.fromkeys(needed)), "X")
        return f"(SELECT {names} FROM {self.target} X WHERE {bounds.predicate(self.dialect, 'X')})"

    def insert(self, columns: Sequence[str], source: str, condition: str = "") -> str:
        """Append the rows of ``source`` (as ``S``) by name."""
        where = f" WHERE {condition}" if condition else ""
        names = self.dialect.identifiers(columns)
        values = self.dialect.identifiers(columns, "S")
        return f"INSERT INTO {self.target} ({names}) SELECT {values} FROM {source} S{where}"

    def not_stored(self, bounds: Bounds) -> str:
        """Whether no stored row has the natural key of ``S``."""
        return f"NOT EXISTS (SELECT 1 FROM {self._stored(bounds)} T WHERE {self.same_row('S', 'T')})"

    def _insert_history(self, values: str, rest: str) -> str:
        names = self.dialect.identifiers([*self.stored, *(name for name, _ in HISTORY_COLUMNS)])
        return f"INSERT INTO {self.history} ({names}) SELECT {values} {rest}"

    def _until_published(self, new: str, old: str, now: str) -> str:
        column = self.table.publish_column
        if column is None:
            return f"CAST(NULL AS {self.dialect.types['instant']})"
        name = self.dialect.identifier(column)
        return f"CASE WHEN {new}.{name} > {old}.{name} THEN {new}.{name} ELSE {now} END"

    def keep_revised(self, delta: str, bounds: Bounds, now: datetime) -> str:
        """Copy the stored rows that ``delta`` updates into history."""
        instant = self.dialect.instant(now)
        values = (
            f"{self.dialect.identifiers(self.stored, 'T')}, {instant}, 'revised', D._receipt_id, "
            f"{self._until_published('D', 'T', instant)}"
        )
        return self._insert_history(
            values,
            f"FROM {self.target} T JOIN {delta} D ON T._hash_key = D._old_hash AND {self.same_row('D', 'T')} "
            f"WHERE D._change = 'updated' AND {bounds.predicate(self.dialect, 'T')}",
        )

    def drop_revised(self, delta: str, bounds: Bounds) -> str:
        """Delete the stored rows that ``delta`` updates."""
        return (
            f"DELETE FROM {self.target} T WHERE {bounds.predicate(self.dialect, 'T')} "
            f"AND EXISTS (SELECT 1 FROM {delta} D WHERE D._change = 'updated' AND T._hash_key = D._old_hash "
            f"AND {self.same_row('D', 'T')})"
        )

    def keep_late(self, source: str, columns: Sequence[str], condition: str, bounds: Bounds, now: datetime) -> str:
        """Append rows of ``source`` that came too late to stand, unless history already has them."""
        present = set(columns)
        values = ", ".join(f"S.{self.dialect.identifier(name)}" if name in present else "NULL" for name in self.stored)
        instant = self.dialect.instant(now)
        published = f"CAST(NULL AS {self.dialect.types['instant']})"
        return self._insert_history(
            f"{values}, {instant}, 'late', S._receipt_id, {published}",
            f"FROM {source} S WHERE {condition} AND NOT EXISTS ({self._in_history(bounds)})",
        )

    def late_count(self, source: str, condition: str, bounds: Bounds) -> str:
        """Rows of ``source`` that ``keep_late`` would append."""
        return f"SELECT count(*) FROM {source} S WHERE {condition} AND NOT EXISTS ({self._in_history(bounds)})"

    def _in_history(self, bounds: Bounds) -> str:
        return (
            f"SELECT 1 FROM {self.history} H WHERE {bounds.predicate(self.dialect, 'H')} "
            f"AND H._hash_key = S._hash_key AND {self.same_row('S', 'H')}"
        )

    def gone(self, staged: str, bounds: Bounds, windows: Sequence[Window]) -> str:
        """Stored members of a staged set that the set no longer holds, with what displaces them.

        A member is gone when it lies in a window of the batch, or is older than the newest staged member of its set.
        """
        scope = self.table.replace_scope
        orders = self.table.latest_order
        newest = [*self.newest_first(orders, "S"), "S._window_from_utc DESC", "S._receipt_id DESC"]
        wanted = [*scope, *(self._fallback[c] for c in scope if c in self._fallback), "_receipt_id"]
        wanted += [order.column for order in orders]
        if self.table.publish_column:
            wanted.append(self.table.publish_column)
        sets = (
            f"SELECT {self.dialect.identifiers(tuple(dict.fromkeys(wanted)), 'S')} FROM {staged} S WHERE TRUE "
            f"QUALIFY row_number() OVER (PARTITION BY {self.key(scope, 'S')} ORDER BY {', '.join(newest)}) = 1"
        )
        published = "CAST(NULL AS " + self.dialect.types["instant"] + ")"
        if self.table.publish_column:
            published = f"N.{self.dialect.identifier(self.table.publish_column)}"
        still = f"SELECT 1 FROM {staged} S WHERE {self.same_row('S', 'T')}"
        displaced = f"{self._covered(windows)} OR {self.older(orders, 'T', 'N')}"
        return (
            f"SELECT {self.dialect.identifiers(self.stored, 'T')}, N._receipt_id AS _gone_by, "
            f"{published} AS _gone_published FROM {self.target} T JOIN ({sets}) N ON {self.same(scope, 'N', 'T')} "
            f"WHERE {bounds.predicate(self.dialect, 'T')} AND ({displaced}) AND NOT EXISTS ({still})"
        )

    def _covered(self, windows: Sequence[Window]) -> str:
        if self.table.set_column is None:
            return "TRUE"
        column = f"T.{self.dialect.identifier(self.table.set_column)}"
        spans = sorted({(w.from_utc, w.to_utc) for w in windows})
        conditions = [
            f"({column} >= {self.dialect.instant(begin)} AND {column} < {self.dialect.instant(end)})"
            for begin, end in spans
        ]
        return "(" + " OR ".join(conditions) + ")"

    def vanished(self, staged: str, bounds: Bounds, branches: Sequence[str], unread: Sequence[str]) -> str:
        """Stored rows of whole sets that a staged window asked for and did not bring, in the shape of ``gone``.

        A stored row was asked for again when the window that brought it lies inside a staged one of the same branch.

        Args:
            staged: The staged rows; a window without any is not among them and proves nothing.
            bounds: Constants around the days and windows of the batch.
            branches: Columns that tell the branches of a window apart.
            unread: Receipts whose answers hold rows that could not be read, and so prove nothing either.
        """
        windows = self.dialect.identifiers(["_receipt_id", "_window_from_utc", "_window_to_utc", *branches], "S")
        proved = f" WHERE S._receipt_id NOT IN ({', '.join(map(self.dialect.text, unread))})" if unread else ""
        same_branch = "".join(f" AND N.{name} = T.{name}" for name in map(self.dialect.identifier, branches))
        inside = f"N._window_from_utc <= T._window_from_utc AND T._window_to_utc <= N._window_to_utc{same_branch}"
        key = self.key(self.table.natural_key, "T")
        return (
            f"SELECT {self.dialect.identifiers(self.stored, 'T')}, N._receipt_id AS _gone_by, "
            f"CAST(NULL AS {self.dialect.types['instant']}) AS _gone_published FROM {self.target} T "
            f"JOIN (SELECT DISTINCT {windows} FROM {staged} S{proved}) N ON {inside} "
            f"WHERE {self._absent(staged, bounds)} QUALIFY row_number() OVER "
            f"(PARTITION BY {key} ORDER BY N._window_from_utc DESC, N._receipt_id DESC) = 1"
        )

    def absent_count(self, staged: str, bounds: Bounds) -> str:
        """Stored rows within the bounds whose set is not staged."""
        return f"SELECT count(*) FROM {self.target} T WHERE {self._absent(staged, bounds)}"

    def _absent(self, staged: str, bounds: Bounds) -> str:
        staged_set = f"SELECT 1 FROM {staged} S WHERE {self.same(self.table.replace_scope, 'S', 'T')}"
        return f"{bounds.predicate(self.dialect, 'T')} AND NOT EXISTS ({staged_set})"

    def brought(self, window: Window) -> str:
        """Stored rows that the window, or one inside it of the same branch, brought.

        Bounded by the windows of the rows instead of their days: where the two axes differ the days are others.
        """
        begin, end = self.dialect.instant(window.from_utc), self.dialect.instant(window.to_utc)
        branch = [
            f" AND T.{self.dialect.identifier(name)} = {self.dialect.text(value)}" for name, value in window.branch
        ]
        return (
            f"SELECT count(*) FROM {self.target} T WHERE T._window_from_utc BETWEEN {begin} AND {end} "
            f"AND T._window_to_utc BETWEEN {begin} AND {end}{''.join(branch)}"
        )

    def keep_gone(self, gone: str, now: datetime) -> str:
        """Append tombstones of the members that are gone to history."""
        instant = self.dialect.instant(now)
        until = f"CAST(NULL AS {self.dialect.types['instant']})"
        if self.table.publish_column:
            own = f"G.{self.dialect.identifier(self.table.publish_column)}"
            until = f"CASE WHEN G._gone_published > {own} THEN G._gone_published ELSE {instant} END"
        values = f"{self.dialect.identifiers(self.stored, 'G')}, {instant}, 'withdrawn', G._gone_by, {until}"
        return self._insert_history(values, f"FROM {gone} G")

    def drop_gone(self, gone: str, bounds: Bounds) -> str:
        """Delete the members that are gone."""
        # Stored rows on both sides, which may lack what every staged row has.
        same = replace(self, solid=frozenset()).same_row("G", "T")
        return (
            f"DELETE FROM {self.target} T WHERE {bounds.predicate(self.dialect, 'T')} "
            f"AND EXISTS (SELECT 1 FROM {gone} G WHERE G._hash_key = T._hash_key AND {same})"
        )

    def day_counts(self, bounds: Bounds) -> str:
        """Stored rows per settlement day."""
        return (
            f"SELECT T.{self.dialect.partition_day}, count(*) FROM {self.target} T "
            f"WHERE {bounds.predicate(self.dialect, 'T')} GROUP BY T.{self.dialect.partition_day}"
        )

    def stored_count(self, bounds: Bounds) -> str:
        """Stored rows within the bounds."""
        return f"SELECT count(*) FROM {self.target} T WHERE {bounds.predicate(self.dialect, 'T')}"

    # What follows is reading.

    def newest_per_event(self, source: str, columns: Sequence[str], first: Sequence[str] = ()) -> str:
        """One row of ``source`` per event key, the newest publication; ``first`` orders before ingestion."""
        order = [*self.newest_first(self.table.latest_order, "R"), *first, "R._ingested_utc DESC", "R._hash_key DESC"]
        return (
            f"SELECT {self.dialect.identifiers(columns, 'R')} FROM {source} R WHERE TRUE QUALIFY row_number() OVER "
            f"(PARTITION BY {self.key(self.table.event_key, 'R')} ORDER BY {', '.join(order)}) = 1"
        )

    @property
    def is_register(self) -> bool:
        """Whether each day holds one snapshot of the whole."""
        return self.table.storage.kind == "snapshot"

    def latest_body(self) -> str:
        """One row per event key: of a register the newest snapshot, else the newest publication."""
        everything = f"SELECT {self.dialect.identifiers(self.stored, 'R')} FROM {self.target} R"
        if self.is_register:
            day = self.dialect.partition_day
            return f"{everything} WHERE R.{day} = (SELECT max(N.{day}) FROM {self.target} N)"
        if not self.table.version_columns:
            return everything
        return self.newest_per_event(self.target, self.stored)

    def views(self, *, united: bool = True, always: str = "TRUE") -> dict[str, str]:
        """Bodies of the table's views by name, in the order in which they can be made.

        Args:
            united: Whether the views that need other tables are among them.
            always: A condition that every row ``T`` of this table meets, where a store wants one.
        """
        made = {latest_name(self.table.name): self.latest_body()}
        unites = self.table.unites
        if united and unites is not None:
            made[unites.view] = self.united_body(unites, always)
            for unfolded in unites.unfolded:
                made[unfolded.view] = self.unfolded_body(unites, unfolded)
        return made

    def united_body(self, unites: Unites, always: str = "TRUE") -> str:
        """One row per fact of two tables, by the rules of ``unites``."""
        other = replace(self, table=unites.other)
        orders = other.newest_first(unites.other.latest_order, "R")
        source = f"({self._both(unites, always)})"
        chosen = other._chosen_sets(unites.precedence, orders)
        if chosen:
            source = f"(SELECT R.* FROM {source} R WHERE TRUE QUALIFY {chosen})"
        rest = ["R._way", "R._enqueued_utc DESC NULLS LAST", "R._sequence_number DESC NULLS LAST"]
        order = ", ".join([*orders, *rest, "R._ingested_utc DESC", "R._hash_key DESC"])
        names = [f.name for f in unites.other.fields] + [name for name, _ in UNITED_PROVENANCE]
        return (
            f"SELECT {self.dialect.identifiers(names, 'R')} FROM {source} R WHERE TRUE QUALIFY row_number() OVER "
            f"(PARTITION BY {other._within_day(unites.key or unites.other.natural_key)} ORDER BY {order}) = 1"
        )

    def _both(self, unites: Unites, always: str) -> str:
        """Rows of both tables in the columns of the other; ``_way`` is 0 for those of the other."""
        other, own = unites.other, unites.stead or self.table
        kinds: dict[str, FieldType] = {f.name: f.type for f in other.fields} | dict(UNITED_PROVENANCE)
        kinds |= {"_sequence_number": "integer", "_hash_key": "integer"}
        asked = {name: f"A.{self.dialect.identifier(name)}" for name, _ in other.columns}
        sides = [self._as(columns, kinds) for columns in (asked, self._pushed(unites))]
        # What does not say which branch of the provider's answers it belongs to is not known to be the same fact.
        told = [f"T.{self.dialect.identifier(f.name)} IS NOT NULL" for f in other.fields if f.origin == "request"]
        return (
            f"SELECT {sides[0]}, 0 AS _way FROM {self.dialect.qualified(self.schema, other.name)} A UNION ALL "
            f"SELECT {sides[1]}, 1 AS _way FROM {self.dialect.qualified(self.schema, own.name)} T "
            f"WHERE {' AND '.join([always, *told])}"
        )

    def _pushed(self, unites: Unites) -> dict[str, str]:
        """Expressions on rows ``T`` of this table, or the one in its stead, for the columns of the other."""
        names = dict(unites.named)
        if unites.stead is None:
            names = {name: name for name, _ in self.table.columns}
        names = {**{name: name for name, _ in PROVENANCE}, **names}
        found = {name: f"T.{self.dialect.identifier(own)}" for name, own in names.items()}
        day = found[str(unites.other.storage.column)]
        by_date = unites.other.storage.kind == "date"
        return found | {"_partition_day": day if by_date else self.dialect.london_day.format(instant=day)}

    def _as(self, expressions: Mapping[str, str], kinds: Mapping[str, FieldType]) -> str:
        """Columns of a SELECT in the order of ``kinds``; those without an expression are null."""
        nulls = {name: f"CAST(NULL AS {self.dialect.types[kind]})" for name, kind in kinds.items()}
        return ", ".join(f"{expressions.get(n, null)} AS {self.dialect.identifier(n)}" for n, null in nulls.items())

    def _chosen_sets(self, precedence: Precedence, orders: Sequence[str]) -> str:
        """The condition on rows ``R`` of both tables that their set is the one that stands; empty for single rows."""
        if precedence == "row":
            return ""
        scope = self._within_day(self.table.replace_scope)
        newest = ", ".join([*orders, "R._way"])
        match precedence:
            case "publication":
                return f"rank() OVER (PARTITION BY {scope} ORDER BY {newest}) = 1"
            case "asked":
                return f"rank() OVER (PARTITION BY {scope} ORDER BY R._way) = 1"
            case "set":
                return f"first_value(R._way) OVER (PARTITION BY {scope} ORDER BY {newest}) = R._way"

    def _within_day(self, columns: Sequence[str]) -> str:
        """Key expressions of ``R``, behind the day where it follows from them: other days can then be left out."""
        key = self.key(columns, "R")
        return f"R.{self.dialect.partition_day}, {key}" if self.table.storage.column in columns else key

    def unfolded_body(self, unites: Unites, unfolded: Unfolded) -> str:
        """One row per element of a JSON column of ``unites``, of the newest row of each document."""
        column, value = unfolded.without
        left_out = f"coalesce(D.{self.dialect.identifier(column)}, '') <> {self.dialect.text(value)}"
        newest = ", ".join(self.newest_first(unites.other.latest_order, "R"))
        needed = dict.fromkeys([*unfolded.kept, unfolded.column, column])
        documents = (
            f"SELECT {self.dialect.identifiers(tuple(needed), 'R')} "
            f"FROM {self.dialect.qualified(self.schema, unites.view)} R WHERE TRUE QUALIFY row_number() OVER "
            f"(PARTITION BY {self.dialect.identifiers(unfolded.document, 'R')} ORDER BY {newest}) = 1"
        )
        members = ", ".join(
            self.dialect.parsed[f.type].format(text=self.dialect.element.format(alias="E", name=f.name))
            + f" AS {self.dialect.identifier(f.name)}"
            for f in unfolded.members
        )
        array = f"D.{self.dialect.identifier(unfolded.column)}"
        return (
            f"SELECT {self.dialect.identifiers(unfolded.kept, 'D')}, {members} FROM ({documents}) D, "
            f"{self.dialect.elements.format(array=array, alias='E')} WHERE {left_out}"
        )

    def functions(self, moment: str) -> dict[str, str]:
        """Bodies of the table's functions of an instant by name; ``moment`` is their parameter as an SQL expression."""
        made = {f"{self.table.name}_ingested_as_of": self.ingested_as_of_body(moment)}
        if self.table.publish_column:
            made[f"{self.table.name}_published_as_of"] = self.published_as_of_body(moment)
        return made

    def ingested_as_of_body(self, moment: str, within: str = "TRUE") -> str:
        """Rows that this warehouse held at ``moment`` (an SQL expression); ``within`` restricts rows of ``X``."""
        names = self.dialect.identifiers(self.stored, "X")
        return (
            f"SELECT {names} FROM {self.target} X WHERE {within} AND X._ingested_utc <= {moment} UNION ALL "
            f"SELECT {names} FROM {self.history} X WHERE {within} AND X._change <> 'late' "
            f"AND X._ingested_utc <= {moment} AND X._superseded_utc > {moment}"
        )

    def published_as_of_body(self, moment: str, within: str = "TRUE") -> str:
        """Newest publication of each event at ``moment`` by the provider's clock, among all that was ever held here."""
        if self.table.publish_column is None:
            raise ValueError(f"{self.table.name} has no publication time")
        published = f"X.{self.dialect.identifier(self.table.publish_column)}"
        names = self.dialect.identifiers(self.stored, "X")
        rows = (
            f"SELECT {names}, 1 AS _stands FROM {self.target} X WHERE {within} AND {published} <= {moment} UNION ALL "
            f"SELECT {names}, 0 AS _stands FROM {self.history} X WHERE {within} AND {published} <= {moment} "
            f"AND (X._change <> 'withdrawn' OR X._superseded_published_utc > {moment})"
        )
        return self.newest_per_event(f"({rows})", self.stored, ["R._stands DESC"])

    def by_natural_key(self, alias: str) -> str:
        """ORDER BY terms of the natural key, then of the content, so that the order is the same everywhere."""
        terms = [f"{self.key_expression(c, alias)} NULLS LAST" for c in self.table.natural_key]
        return ", ".join([*terms, f"{alias}._hash_key"])
