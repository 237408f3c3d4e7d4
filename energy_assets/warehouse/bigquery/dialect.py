"""BigQuery's spelling: types, literals, names, and the schemas of tables made through the API."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from google.cloud import bigquery

from energy_assets.catalogue.model import PROVENANCE, Field, FieldType, Table
from energy_assets.warehouse import service
from energy_assets.warehouse.sql import HISTORY_COLUMNS, Dialect
from energy_assets.warehouse.staging import ARROW_TYPES

DAY = "partition_day"
"""Column that ``_partition_day`` is stored in: BigQuery refuses every column name that begins with ``_partition``."""

BIGQUERY = Dialect(
    name="bigquery",
    types={
        "text": "STRING",
        "integer": "INT64",
        "number": "FLOAT64",
        "boolean": "BOOL",
        "date": "DATE",
        "instant": "TIMESTAMP",
        "json": "STRING",
        "texts": "ARRAY<STRING>",
        "dates": "ARRAY<DATE>",
    },
    quote="`",
    instant_suffix="+00",
    escapes=(("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\000")),
    # A join needs an equality that can be hashed; this one holds for nulls too.
    same="TO_JSON_STRING({a}) = TO_JSON_STRING({b})",
    member="{item} IN UNNEST({array})",
    london_day="DATE({instant}, 'Europe/London')",
    elements="UNNEST(JSON_QUERY_ARRAY({array})) AS {alias}",
    element="JSON_VALUE({alias}, '$.{name}')",
    parsed={
        "text": "{text}",
        "integer": "SAFE_CAST({text} AS INT64)",
        "number": "SAFE_CAST({text} AS FLOAT64)",
        "instant": "SAFE_CAST({text} AS TIMESTAMP)",
    },
    digest="TO_JSON_STRING(STRUCT({columns}))",
    unnested="UNNEST({array}) AS {name}",
    seconds="UNIX_SECONDS({instant})",
    function="CREATE OR REPLACE TABLE FUNCTION {name}({parameter} TIMESTAMP) AS {body}",
    renamed={"_partition_day": DAY},
    service_options={
        service.RECEIPTS: "PARTITION BY TIMESTAMP_TRUNC(window_from_utc, MONTH) CLUSTER BY table_name",
        service.QUARANTINE: "PARTITION BY TIMESTAMP_TRUNC(window_from_utc, MONTH) CLUSTER BY dataset",
        service.DAYS: "PARTITION BY DATE_TRUNC(day, MONTH) CLUSTER BY table_name",
        service.GAPS: "PARTITION BY TIMESTAMP_TRUNC(window_from_utc, MONTH) CLUSTER BY table_name",
        service.COMMITS: f"PARTITION BY RANGE_BUCKET(slot, GENERATE_ARRAY(0, {service.SLOTS}, 1)) CLUSTER BY table_id",
    },
)

KINDS: dict[str, FieldType] = {
    "STRING": "text",
    "INTEGER": "integer",
    "INT64": "integer",
    "FLOAT": "number",
    "FLOAT64": "number",
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "DATE": "date",
    "TIMESTAMP": "instant",
}
"""Stored type of each column type that the API names."""

CLUSTERED: frozenset[FieldType] = frozenset({"text", "integer", "boolean", "date", "instant"})
MOST_CLUSTERED = 4
"""BigQuery clusters by four columns at most, and by no floating-point one."""

_PROVENANCE_MEANING = {
    "_dataset": "Code of the dataset.",
    "_partition_day": "Settlement day (Europe/London) that the row belongs to.",
    "_window_from_utc": "Start of the window that was asked for, UTC.",
    "_window_to_utc": "End of that window, exclusive, UTC.",
    "_ingested_utc": "When this warehouse stored the row, UTC.",
    "_source_api": "Where the row came from.",
    "_receipt_id": "Receipt of the request that brought the row.",
    "_hash_key": "Hash of the provider's columns, by which a revision is seen.",
}
_HISTORY_MEANING = {
    "_superseded_utc": "When this warehouse set the row aside, UTC.",
    "_change": "Why: revised, withdrawn or late.",
    "_superseded_by": "Receipt of the request that displaced the row.",
    "_superseded_published_utc": "When the row ceased to stand by the provider's publication clock, UTC.",
}

MOST_DESCRIPTION = 1024
"""Characters that BigQuery keeps of a column's description."""


def physical(name: str) -> str:
    """The name under which a column is stored."""
    return BIGQUERY.renamed.get(name, name)


def logical(name: str) -> str:
    """The column that is stored under a name."""
    return next((own for own, stored in BIGQUERY.renamed.items() if stored == name), name)


def schema_field(name: str, kind: FieldType, description: str = "") -> bigquery.SchemaField:
    """One nullable column."""
    if not description:
        return bigquery.SchemaField(physical(name), BIGQUERY.types[kind])
    return bigquery.SchemaField(physical(name), BIGQUERY.types[kind], description=description[:MOST_DESCRIPTION])


def described(f: Field) -> str:
    """A column's meaning with its unit."""
    return f"{f.meaning} Unit: {f.unit}." if f.unit else f.meaning


def table_schema(table: Table, extra: Sequence[tuple[str, FieldType]] = ()) -> list[bigquery.SchemaField]:
    """The columns of a table, described, with further ones behind them."""
    own = [schema_field(f.name, f.type, described(f)) for f in table.fields]
    provenance = [schema_field(name, kind, _PROVENANCE_MEANING[name]) for name, kind in PROVENANCE]
    return [*own, *provenance, *(schema_field(name, kind) for name, kind in extra)]


def history_schema(columns: Sequence[bigquery.SchemaField]) -> list[bigquery.SchemaField]:
    """The columns of a history table: those of the table and what became of the row."""
    return [*columns, *(schema_field(name, kind, _HISTORY_MEANING[name]) for name, kind in HISTORY_COLUMNS)]


def clustering(table: Table) -> list[str]:
    """The event key's first columns that a table can be clustered by."""
    kinds = dict(table.columns)
    key = [name for name in table.event_key if kinds.get(name) in CLUSTERED and name != "_partition_day"]
    return [physical(name) for name in key[:MOST_CLUSTERED]]


def loaded(kind: FieldType) -> pa.DataType:
    """Arrow type in a file to load: an instant says that it is UTC, or it would become a DATETIME."""
    return pa.timestamp("us", "UTC") if kind == "instant" else ARROW_TYPES[kind]
