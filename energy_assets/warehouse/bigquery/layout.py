"""Tables as the catalogue describes them: made, widened, migrated, and given their views and table functions.

Metadata calls are free and change one table at a time; whatever is changed here leaves every stored row as it was, and
an interrupted call is made good by the next. Nothing here writes rows of data.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from google.api_core import exceptions as api
from google.cloud import bigquery

from energy_assets.catalogue.model import PROVENANCE, Field, FieldType, Table
from energy_assets.errors import WarehouseBusyError, WarehouseError
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery.dialect import (
    BIGQUERY,
    KINDS,
    clustering,
    described,
    history_schema,
    logical,
    physical,
    schema_field,
    table_schema,
)
from energy_assets.warehouse.bigquery.fence import Fence, newest_generation
from energy_assets.warehouse.bigquery.jobs import CALL_SECONDS, NO_RETRY, OWNER, Jobs
from energy_assets.warehouse.sql import TableSql, history_name
from energy_assets.warehouse.staging import extra_names, key_text

log = logging.getLogger(__name__)

ID = "table_id"
"""Label with a table's identity, which dies with the table."""

LAYOUT = "layout"
"""Label with a digest of all that was last made for the table: columns, history, views, functions."""

KEY = "natural_key"
"""Label with a digest of the natural key by which the table is merged."""

PAGE = 1000
"""Tables that one call lists, which is the most."""

LOOK_AGAIN_SECONDS = 2.0
"""Longest pause before looking again, drawn anew each time: about as long as the views take to make."""

PARTITIONS_MOST = 4_000
"""Partitions that one job may change: a table with more of them is rewritten in pieces."""

SHORTEST_MONTH = 28
"""Days that a partition of a month has at least."""

BESIDE = "_rewritten"
"""End of the name of the table that such pieces are gathered in; one that a killed process left is made anew."""

CHANGES_MOST = 8
"""Attempts to change a table's description while others change it too."""


_DAY = f"T.{BIGQUERY.partition_day}"
ALWAYS = f"({_DAY} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' OR {_DAY} IS NULL)"
"""A condition on the day that every row of ``T`` meets: tables may refuse queries that do not name days."""


@dataclass(frozen=True)
class Listed:
    """A table of ours, as the list of tables tells of it.

    Attributes:
        table_id: Its identity.
        by_day: Whether it is partitioned by day, not by month.
    """

    table_id: str
    by_day: bool

    def partition(self, day: date) -> str:
        """Name of the partition that a day belongs to."""
        return f"{day:%Y%m%d}" if self.by_day else f"{day:%Y%m}"


@dataclass(frozen=True)
class Prepared:
    """A table that is ready to be merged into.

    Attributes:
        table_id: Its identity.
        stored: Stored columns by logical name, in storage order.
        names: Stored name of each uncatalogued column of the batch.
    """

    table_id: str
    stored: Mapping[str, FieldType]
    names: Mapping[str, str]


class Layouts:
    """Makes stored tables what the catalogue and the batches need, or refuses foreign ones.

    Args:
        jobs: Runs calls and statements.
        require_partition_filter: Whether BigQuery is to refuse queries that do not say which days they want.
    """

    def __init__(self, jobs: Jobs, *, require_partition_filter: bool = False) -> None:
        self._jobs = jobs
        self._schema = jobs.connection.dataset
        self._filter = require_partition_filter
        self._otherwise: set[str] = set()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def prepare(self, table: Table, extra: Sequence[Field]) -> Prepared:
        """Make the table, or give it what it lacks.

        Raises:
            WarehouseError: The table is foreign, or a change of the catalogue would change stored values.
        """
        with self._lock:
            lock = self._locks.setdefault(table.name, threading.Lock())
        with lock:
            for _ in range(CHANGES_MOST):
                try:
                    return self._prepare(table, extra)
                except (api.Conflict, api.PreconditionFailed, api.NotFound) as error:
                    log.info("%s changed while it was prepared (%s); looking again", table.name, error.message)
                    time.sleep(random.uniform(0, LOOK_AGAIN_SECONDS))  # noqa: S311
        raise WarehouseError(f"{self._named(table)} keeps being changed by others: refresh again in a minute.")

    def outdated(self, tables: Sequence[Table]) -> list[Table]:
        """Tables of ours for which something else was last made than the catalogue describes; one call for each."""
        return [t for t in tables if (held := self.find(t.name)) is not None and not self._follows(t, held)]

    def _follows(self, table: Table, held: bigquery.Table) -> bool:
        """Whether what was last made for a table is what is wanted; somebody else's is not looked at."""
        stored = stored_columns(held)
        sql = TableSql(BIGQUERY, self._schema, table, tuple(stored))
        # The view of all rows is left out where a table that it needs cannot be had.
        wanted = {self._layout_of(table, stored, _made_over(sql, united=united)) for united in (True, False)}
        return ID not in held.labels or held.labels.get(LAYOUT) in wanted

    def find(self, name: str) -> bigquery.Table | None:
        """A table as it is, or ``None``."""
        try:
            return self._jobs.call(
                f"Looking at {self._schema}.{name}",
                lambda client: client.get_table(self._reference(name), retry=NO_RETRY, timeout=CALL_SECONDS),
                name,
            )
        except api.NotFound:
            return None

    def listed(self) -> dict[str, Listed]:
        """Every table of ours, by name, in one call or a few."""
        where = bigquery.DatasetReference(self._jobs.connection.project, self._schema)

        def listed(client: bigquery.Client) -> dict[str, Listed]:
            items = client.list_tables(where, page_size=PAGE, retry=NO_RETRY, timeout=CALL_SECONDS)
            return {i.table_id: Listed(i.labels[ID], _by_day(i)) for i in items if i.labels.get(ID)}

        try:
            return self._jobs.call(f"Listing the tables of {self._schema}", listed)
        except api.NotFound:
            return {}

    def _prepare(self, table: Table, extra: Sequence[Field]) -> Prepared:
        held = self.find(table.name)
        if held is None:
            held = self._create(table)
        if held.table_type != "TABLE":
            raise self._foreign(table, f"is a {held.table_type.lower().replace('_', ' ')}")
        stored = stored_columns(held)
        if ID not in held.labels:
            self._adopt(table, held, stored)
        elif _partitioning(held) != _partitions(table) and table.name not in self._otherwise:
            self._otherwise.add(table.name)
            found, due = (_partitioning(held) or "nothing").lower(), _partitions(table).lower()
            log.warning("%s is partitioned by %s, not by %s: it stays as it is.", table.name, found, due)
        if self._retype(table, held, stored):
            return self._prepare(table, extra)
        names = extra_names(table, extra, stored)
        wanted = [*table.columns, *((names[f.name], f.type) for f in extra)]
        missing = self._missing(table, stored, wanted)
        stored |= missing
        sql = TableSql(BIGQUERY, self._schema, table, tuple(stored))
        made = _made_over(sql, united=True)
        lacking = None
        if missing or held.labels.get(LAYOUT) != self._layout_of(table, stored, made):
            lacking = self._unite(table)
            made = _made_over(sql, united=lacking is None)
        digest = self._layout_of(table, stored, made)
        if missing or held.labels.get(LAYOUT) != digest:
            if lacking is not None:
                log.warning("%s: the view of all rows is not made: %s", table.name, lacking)
            held = self._follow(table, held, missing, made, digest)
        return Prepared(held.labels[ID], stored, names)

    def _layout_of(self, table: Table, stored: Mapping[str, FieldType], made: Sequence[str]) -> str:
        """Digest of all that is made for a table."""
        meanings = [described(f) for f in table.fields]
        return _digest(list(stored.items()), made, table.description, meanings, self._filter)

    def _unite(self, table: Table) -> str | None:
        """Make or widen the tables that the views need besides this one; gives why one of them cannot be had."""
        for other in table.unites.tables if table.unites is not None else ():
            try:
                self.prepare(other, ())
            except WarehouseError as error:
                # Somebody else's table has the name; that must not keep this one's rows out.
                return str(error)
        return None

    def _reference(self, name: str) -> bigquery.TableReference:
        return bigquery.DatasetReference(self._jobs.connection.project, self._schema).table(name)

    def _create(self, table: Table) -> bigquery.Table:
        made = bigquery.Table(self._reference(table.name), schema=table_schema(table))
        made.description = table.description
        made.labels = {"owner": OWNER, "dataset": physical_label(table.dataset), ID: uuid.uuid4().hex}
        self._shape(made, table)
        log.info("%s: making the table.", table.name)
        return self._make(made)

    def _shape(self, made: bigquery.Table, table: Table) -> None:
        made.time_partitioning = bigquery.TimePartitioning(type_=_partitions(table), field=physical("_partition_day"))
        made.clustering_fields = clustering(table) or None
        made.require_partition_filter = self._filter

    def _make(self, made: bigquery.Table) -> bigquery.Table:
        return self._jobs.call(
            f"Making {self._schema}.{made.table_id}",
            lambda client: client.create_table(made, retry=NO_RETRY, timeout=CALL_SECONDS),
            made.table_id,
        )

    def update(self, changed: bigquery.Table, fields: Sequence[str]) -> bigquery.Table:
        """Change some of what is kept of a table.

        Raises:
            google.api_core.exceptions.PreconditionFailed: Somebody else has changed it meanwhile, which is not undone.
        """
        return self._jobs.call(
            f"Changing {self._schema}.{changed.table_id}",
            lambda client: client.update_table(changed, list(fields), retry=NO_RETRY, timeout=CALL_SECONDS),
            changed.table_id,
        )

    def _follow(
        self,
        table: Table,
        held: bigquery.Table,
        missing: Mapping[str, FieldType],
        made: Sequence[str],
        digest: str,
    ) -> bigquery.Table:
        """Bring columns, history, views and functions to what is wanted; the label that says so is set last."""
        key = _digest(key_text(table))
        if held.labels.get(KEY, key) != key:
            self._check_key(table, stored_columns(held))
        before = _described(held)
        held.schema = _redescribed(held.schema, table, missing)
        held.description = table.description
        held.labels = {**held.labels, "owner": OWNER, "dataset": physical_label(table.dataset)}
        held.labels.setdefault(ID, uuid.uuid4().hex)
        held.require_partition_filter = self._filter
        # A change that changes nothing would still undo the turn of another process at the same work.
        if _described(held) != before:
            held = self.update(held, ["schema", "description", "labels", "require_partition_filter"])
        self._keep_history(table, held)
        self._define(table, held, made, digest)
        for name in missing:
            log.info("%s: added column %s.", table.name, name)
        held.labels = {**held.labels, LAYOUT: digest, KEY: key}
        return self.update(held, ["labels"])

    def _keep_history(self, table: Table, held: bigquery.Table) -> None:
        name = history_name(table.name)
        wanted = history_schema(held.schema)
        found = self.find(name)
        if found is None:
            made = bigquery.Table(self._reference(name), schema=wanted)
            made.description = f"Rows that {table.name} held before, and what displaced them."
            made.labels = {"owner": OWNER, "dataset": physical_label(table.dataset)}
            self._shape(made, table)
            self._make(made)
            return
        have = {f.name.lower() for f in found.schema}
        lacking = [f for f in wanted if f.name.lower() not in have]
        if lacking or bool(found.require_partition_filter) != self._filter:
            found.schema = [*found.schema, *lacking]
            found.require_partition_filter = self._filter
            self.update(found, ["schema", "require_partition_filter"])

    def _define(self, table: Table, held: bigquery.Table, made: Sequence[str], digest: str) -> None:
        statements = list(made)
        columns = BIGQUERY.identifiers([name for name, _ in service.TABLES_COLUMNS])
        values = [table.name, held.labels[ID], table.dataset, key_text(table), digest]
        literals = ", ".join(map(BIGQUERY.text, values))
        tables = BIGQUERY.qualified(self._schema, service.TABLES)
        statements.append(f"INSERT INTO {tables} ({columns}) VALUES ({literals}, CURRENT_TIMESTAMP())")
        what = f"Making the views of {self._schema}.{table.name}"
        self._jobs.query(";\n".join(statements) + ";", what=what, table=table.name, purpose="layout")

    # What is refused or migrated.

    def _named(self, table: Table) -> str:
        return f"{self._schema}.{table.name}"

    def _foreign(self, table: Table, difference: str) -> WarehouseError:
        return WarehouseError(
            f"{self._named(table)} was not made by energy_assets and {difference}: rename or drop it, then refresh."
        )

    def _adopt(self, table: Table, held: bigquery.Table, stored: Mapping[str, FieldType]) -> None:
        """Refuse a table that has not our shape; one that has gets an identity, and no older receipt is believed."""
        lacking = [name for name, _ in PROVENANCE if name not in stored]
        if lacking:
            raise self._foreign(table, f"has no column {lacking[0]}")
        for name, kind in table.columns:
            if name in stored and BIGQUERY.types[stored[name]] != BIGQUERY.types[kind]:
                found, wanted = BIGQUERY.types[stored[name]], BIGQUERY.types[kind]
                raise self._foreign(table, f"has column {name} as {found} instead of {wanted}")
        absent = [name for name in table.natural_key if name not in stored]
        if absent:
            raise self._foreign(table, f"has no key column {absent[0]}")
        if _partitioning(held) != _partitions(table):
            raise self._foreign(table, f"is not partitioned by {_partition(by_day=table.heavy)}")
        if list(held.clustering_fields or []) != clustering(table):
            fields = (held.clustering_fields, clustering(table))
            found, wanted = (", ".join(names or []) or "nothing" for names in fields)
            raise self._foreign(table, f"is clustered by {found} instead of {wanted}")
        if self._repeated_keys(table, stored):
            raise self._foreign(table, "holds several rows of one natural key")

    def _repeated_keys(self, table: Table, stored: Mapping[str, FieldType]) -> int:
        sql = TableSql(BIGQUERY, self._schema, table, tuple(stored))
        rows = self._jobs.query(
            f"SELECT count(*) FROM ({sql.repeated_keys(ALWAYS)})",
            what=f"Looking for repeated keys in {self._named(table)}",
            table=table.name,
            purpose="check",
        )
        return int(next(iter(rows))[0])

    def _check_key(self, table: Table, stored: Mapping[str, FieldType]) -> None:
        repeated = self._repeated_keys(table, stored)
        if repeated:
            raise WarehouseError(
                f"{self._named(table)}: the catalogue's natural key has changed and {repeated} keys would hold several "
                "rows: rename the table, then refresh to fill a new one."
            )

    def _retype(self, table: Table, held: bigquery.Table, stored: Mapping[str, FieldType]) -> bool:
        """Follow changed types in the catalogue, when no stored value would change by it; whether there were any."""
        changed = {
            name: (stored[name], kind)
            for name, kind in table.columns
            if name in stored and BIGQUERY.types[stored[name]] != BIGQUERY.types[kind]
        }
        if not changed:
            return False
        tables = [found for found in (held, self.find(history_name(table.name))) if found is not None]
        for found in tables:
            self._refuse_loss(table, found, changed)
        for found in tables:
            self._rewrite(table, held, found, changed)
        for name, (old, new) in changed.items():
            old_type, new_type = BIGQUERY.types[old], BIGQUERY.types[new]
            log.warning("%s: column %s is now stored as %s (was %s).", table.name, name, new_type, old_type)
        return True

    def _refuse_loss(
        self, table: Table, found: bigquery.Table, changed: Mapping[str, tuple[FieldType, FieldType]]
    ) -> None:
        lost = []
        for name, (old, new) in changed.items():
            column = f"T.{BIGQUERY.identifier(name)}"
            there = f"SAFE_CAST({column} AS {BIGQUERY.types[new]})"
            back = f"SAFE_CAST({there} AS {BIGQUERY.types[old]})"
            differs = (
                f"{column} IS NOT NULL AND {there} IS NULL" if old == "text" else f"{back} IS DISTINCT FROM {column}"
            )
            lost.append(f"countif({differs})")
        rows = self._jobs.query(
            f"SELECT {', '.join(lost)} FROM {BIGQUERY.qualified(self._schema, found.table_id)} T WHERE {ALWAYS}",
            what=f"Comparing types in {self._named(table)}",
            table=table.name,
            purpose="migrate",
        )
        for (name, (old, new)), count in zip(changed.items(), next(iter(rows)).values(), strict=True):
            if count:
                raise WarehouseError(
                    f"{self._named(table)}: column {name} is stored as {BIGQUERY.types[old]}, the catalogue says "
                    f"{BIGQUERY.types[new]}, and {count} stored values would change: rename the table, then refresh "
                    "to fill a new one."
                )

    def _rewrite(
        self,
        table: Table,
        held: bigquery.Table,
        found: bigquery.Table,
        changed: Mapping[str, tuple[FieldType, FieldType]],
    ) -> None:
        """Copy a table, or its history, over itself with other types; it happens whole or not at all."""
        name = BIGQUERY.qualified(self._schema, found.table_id)
        casts = ", ".join(
            f"SAFE_CAST({BIGQUERY.identifier(column)} AS {BIGQUERY.types[new]}) AS {BIGQUERY.identifier(column)}"
            for column, (_, new) in changed.items()
        )
        select = f"SELECT * REPLACE ({casts}) FROM {name} T WHERE"
        spans = self._spans(table, found)
        if len(spans) == 1:
            self._migrate(table, f"CREATE OR REPLACE TABLE {name} {_shape(found)} AS {select} {ALWAYS}")
        else:
            self._rewrite_apart(table, held, found, [f"{select} {span}" for span in spans])

    def _migrate(self, table: Table, statement: str) -> list[Any]:
        what = f"Changing types in {self._named(table)}"
        return self._jobs.query(statement, what=what, table=table.name, purpose="migrate")

    def _spans(self, table: Table, found: bigquery.Table) -> list[str]:
        """Conditions that cut a table's rows so that none meets more partitions than one job may change."""
        name = BIGQUERY.qualified(self._schema, found.table_id)
        ((first, last),) = self._migrate(table, f"SELECT min({_DAY}), max({_DAY}) FROM {name} T WHERE {ALWAYS}")
        most = timedelta(days=PARTITIONS_MOST - 1 if _by_day(found) else SHORTEST_MONTH * PARTITIONS_MOST)
        if first is None or last - first < most:
            return [ALWAYS]
        spans = []
        while first <= last:
            end = min(first + most - timedelta(days=1), last)
            spans.append(f"{_DAY} BETWEEN {BIGQUERY.day(first)} AND {BIGQUERY.day(end)}")
            first = end + timedelta(days=1)
        return [*spans, f"{_DAY} IS NULL"]

    def _rewrite_apart(self, table: Table, held: bigquery.Table, found: bigquery.Table, pieces: Sequence[str]) -> None:
        """Fill a table beside it piece by piece, and copy that over it unless a commit has come between."""
        beside = f"{found.table_id}{BESIDE}"
        target = BIGQUERY.qualified(self._schema, beside)
        what = f"Changing types in {self._named(table)}"
        ((generation,),) = self._migrate(table, newest_generation(self._schema, held.labels[ID]))
        self._migrate(table, f"CREATE OR REPLACE TABLE {target} {_shape(found)} AS {pieces[0]}")

        def send(job_id: str) -> None:
            self._jobs.copy_once(beside, found.table_id, what=what, job_id=job_id, table=table.name, purpose="migrate")

        try:
            for piece in pieces[1:]:
                self._migrate(table, f"INSERT INTO {target} {piece}")
            if not Fence(self._jobs, table.name, held.labels[ID], what).run(generation, send):
                raise WarehouseBusyError(f"{what} failed: it was written to meanwhile; refresh again in a minute.")
        finally:
            self._migrate(table, f"DROP TABLE IF EXISTS {target}")
        copied = self.find(found.table_id)
        if copied is not None and ID not in copied.labels:
            copied.labels = {name: value for name, value in found.labels.items() if name != LAYOUT}
            self.update(copied, ["labels"])

    def _missing(
        self, table: Table, stored: Mapping[str, FieldType], wanted: Sequence[tuple[str, FieldType]]
    ) -> dict[str, FieldType]:
        lower = {name.lower(): name for name in stored}
        missing: dict[str, FieldType] = {}
        for name, kind in wanted:
            if name in stored or name in missing:
                continue
            clash = lower.get(name.lower())
            if clash is not None:
                raise self._foreign(table, f"has column {clash}, which differs from {name} only in case")
            missing[name] = kind
        return missing


def _partitions(table: Table) -> str:
    """The partitioning that the catalogue wants."""
    kind = bigquery.TimePartitioningType
    return str(kind.DAY if table.heavy else kind.MONTH)


def _partition(*, by_day: bool) -> str:
    day = BIGQUERY.partition_day
    return day if by_day else f"DATE_TRUNC({day}, MONTH)"


def _shape(found: bigquery.Table) -> str:
    """How a table is partitioned, clustered, guarded and labelled, but for the label that says it is up to date."""
    fields = found.clustering_fields or []
    cluster = f" CLUSTER BY {', '.join(map(BIGQUERY.identifier, fields))}" if fields else ""
    kept = {key: value for key, value in found.labels.items() if key != LAYOUT}
    pairs = ", ".join(f"({BIGQUERY.text(key)}, {BIGQUERY.text(value)})" for key, value in kept.items())
    guard = ", require_partition_filter=TRUE" if found.require_partition_filter else ""
    return f"PARTITION BY {_partition(by_day=_by_day(found))}{cluster} OPTIONS(labels=[{pairs}]{guard})"


def _by_day(listed: Any) -> bool:  # noqa: ANN401 - a table, or an item of a list of tables
    found = listed.time_partitioning
    return found is not None and found.type_ == bigquery.TimePartitioningType.DAY


def _partitioning(held: bigquery.Table) -> str:
    """How a table is partitioned by our column; empty where it is not."""
    found = held.time_partitioning
    return str(found.type_) if found is not None and found.field == physical("_partition_day") else ""


def stored_columns(held: bigquery.Table) -> dict[str, FieldType]:
    """Columns by logical name with their stored types; a type that we never store counts as text."""
    return {logical(f.name): KINDS.get(f.field_type, "text") for f in held.schema}


def _described(held: bigquery.Table) -> tuple[object, ...]:
    """What is kept of a table besides its rows, for comparison."""
    columns = [(f.name, f.description) for f in held.schema]
    return columns, held.description, dict(held.labels), bool(held.require_partition_filter)


def physical_label(code: str) -> str:
    """A dataset code as a label's value."""
    return code.lower().replace("/", "_")


def _redescribed(
    schema: Sequence[bigquery.SchemaField], table: Table, missing: Mapping[str, FieldType]
) -> list[bigquery.SchemaField]:
    """The stored columns with the catalogue's descriptions, and the new ones behind them."""
    wanted = {f.name: f for f in table_schema(table)}
    kept = [wanted.get(f.name, f) for f in schema]
    return [*kept, *(wanted.get(physical(name)) or schema_field(name, kind) for name, kind in missing.items())]


def _made_over(sql: TableSql, *, united: bool) -> list[str]:
    """Statements that make a table's views, those over several tables where wanted, and its functions."""
    views, functions = sql.views(united=united, always=ALWAYS), sql.functions("moment")
    names = {name: BIGQUERY.qualified(sql.schema, name) for name in (*views, *functions)}
    return [
        *(f"CREATE OR REPLACE VIEW {names[view]} AS {body}" for view, body in views.items()),
        *(BIGQUERY.function.format(name=names[n], parameter="moment", body=body) for n, body in functions.items()),
    ]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
