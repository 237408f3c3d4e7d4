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

from google.api_core import exceptions as api
from google.cloud import bigquery

from energy_assets.catalogue.model import PROVENANCE, Field, FieldType, Table
from energy_assets.errors import WarehouseError
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
from energy_assets.warehouse.bigquery.jobs import CALL_SECONDS, NO_RETRY, OWNER, Jobs
from energy_assets.warehouse.sql import TableSql, history_name, latest_name
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

CHANGES_MOST = 8
"""Attempts to change a table's description while others change it too."""


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

    def identities(self) -> dict[str, str]:
        """Identity of every table of ours, by name, in one call or a few."""
        where = bigquery.DatasetReference(self._jobs.connection.project, self._schema)

        def listed(client: bigquery.Client) -> dict[str, str]:
            items = client.list_tables(where, page_size=PAGE, retry=NO_RETRY, timeout=CALL_SECONDS)
            return {item.table_id: item.labels[ID] for item in items if item.labels.get(ID)}

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
            self._adopt(table, stored)
        if self._retype(table, held, stored):
            return self._prepare(table, extra)
        names = extra_names(table, extra, stored)
        wanted = [*table.columns, *((names[f.name], f.type) for f in extra)]
        missing = self._missing(table, stored, wanted)
        stored |= missing
        sql = TableSql(BIGQUERY, self._schema, table, tuple(stored))
        bodies = _bodies(sql)
        digest = _digest(list(stored.items()), bodies, table.description, [described(f) for f in table.fields])
        if missing or held.labels.get(LAYOUT) != digest:
            held = self._follow(table, held, missing, bodies, digest)
        return Prepared(held.labels[ID], stored, names)

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
        kind = bigquery.TimePartitioningType.DAY if table.heavy else bigquery.TimePartitioningType.MONTH
        made.time_partitioning = bigquery.TimePartitioning(type_=kind, field=physical("_partition_day"))
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
        bodies: Mapping[str, str],
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
        self._define(table, held, bodies, digest)
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
        if lacking:
            found.schema = [*found.schema, *lacking]
            self.update(found, ["schema"])

    def _define(self, table: Table, held: bigquery.Table, bodies: Mapping[str, str], digest: str) -> None:
        rest = dict(bodies)
        latest = BIGQUERY.qualified(self._schema, latest_name(table.name))
        statements = [f"CREATE OR REPLACE VIEW {latest} AS {rest.pop('latest')}"]
        for reading, body in rest.items():
            function = BIGQUERY.qualified(self._schema, f"{table.name}_{reading}")
            statements.append(BIGQUERY.function.format(name=function, parameter="moment", body=body))
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

    def _adopt(self, table: Table, stored: Mapping[str, FieldType]) -> None:
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
        if self._repeated_keys(table, stored):
            raise self._foreign(table, "holds several rows of one natural key")

    def _repeated_keys(self, table: Table, stored: Mapping[str, FieldType]) -> int:
        sql = TableSql(BIGQUERY, self._schema, table, tuple(stored))
        rows = self._jobs.query(
            f"SELECT count(*) FROM ({sql.repeated_keys()})",
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
            self._rewrite(table, found, changed)
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
            f"SELECT {', '.join(lost)} FROM {BIGQUERY.qualified(self._schema, found.table_id)} T",
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

    def _rewrite(self, table: Table, found: bigquery.Table, changed: Mapping[str, tuple[FieldType, FieldType]]) -> None:
        """Copy a table over itself with other types, in one statement that happens or does not."""
        name = BIGQUERY.qualified(self._schema, found.table_id)
        casts = ", ".join(
            f"SAFE_CAST({BIGQUERY.identifier(column)} AS {BIGQUERY.types[new]}) AS {BIGQUERY.identifier(column)}"
            for column, (_, new) in changed.items()
        )
        day = BIGQUERY.identifier("_partition_day")
        partition = day if table.heavy else f"DATE_TRUNC({day}, MONTH)"
        cluster = f" CLUSTER BY {', '.join(found.clustering_fields)}" if found.clustering_fields else ""
        kept = {key: value for key, value in found.labels.items() if key != LAYOUT}
        pairs = ", ".join(f"({BIGQUERY.text(key)}, {BIGQUERY.text(value)})" for key, value in kept.items())
        self._jobs.query(
            f"CREATE OR REPLACE TABLE {name} PARTITION BY {partition}{cluster} OPTIONS(labels=[{pairs}]) "
            f"AS SELECT * REPLACE ({casts}) FROM {name}",
            what=f"Changing types in {self._named(table)}",
            table=table.name,
            purpose="migrate",
        )

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


def _bodies(sql: TableSql) -> dict[str, str]:
    bodies = {"latest": sql.latest_body(), "ingested_as_of": sql.ingested_as_of_body("moment")}
    if sql.table.publish_column:
        bodies["published_as_of"] = sql.published_as_of_body("moment")
    return bodies


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
