"""What every warehouse checks and answers alike when rows are read: arguments, columns, sources, refusals.

No store is asked here; which rows there are belongs to the warehouses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import pyarrow as pa

from energy_assets import arrow
from energy_assets.catalogue.model import Table
from energy_assets.errors import NothingYetError, UnknownAsOfError, WarehouseError
from energy_assets.warehouse.interface import ReadView
from energy_assets.warehouse.sql import HISTORY_COLUMNS, TableSql
from energy_assets.warehouse.staging import arrow_schema


def check(table: Table, view: ReadView, ingested_as_of: datetime | None, published_as_of: datetime | None) -> None:
    """Refuse readings that contradict themselves.

    Raises:
        WarehouseError: They do.
    """
    moments = [moment for moment in (ingested_as_of, published_as_of) if moment is not None]
    if len(moments) > 1:
        raise WarehouseError(
            f"{table.name}: ask for ingested_as_of or published_as_of, not both; they are different clocks."
        )
    if moments and view == "history":
        raise WarehouseError(f"{table.name}: the history has no as-of reading; read rows or latest.")
    if moments and moments[0].tzinfo is None:
        raise WarehouseError(f"{table.name}: the as-of instant {moments[0]} has no time zone; give an aware datetime.")
    if published_as_of is not None and table.publish_column is None:
        raise WarehouseError(f"{table.name} has no publication time: read it with ingested_as_of instead.")


def nothing_yet(schema: str, table: Table) -> NothingYetError:
    """The refusal where nobody has asked the provider yet."""
    return NothingYetError(f"{schema}.{table.name} holds nothing yet: refresh {table.dataset} first.")


def unknown_as_of(table: Table, from_day: date, to_day: date, moment: datetime) -> UnknownAsOfError:
    """The refusal of a moment before which nothing of the days was held."""
    return UnknownAsOfError(
        f"{table.dataset}: nothing of {from_day} to {to_day} had been ingested by "
        f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}, so what was held then is unknown: ask for a later moment "
        f"or use published_as_of."
    )


def empty(table: Table, columns: Sequence[str] | None, view: ReadView) -> pa.Table:
    """No rows, with the columns that there would be."""
    schema = arrow_schema([*table.columns, *(HISTORY_COLUMNS if view == "history" else ())])
    return arrow.empty(schema).select(list(columns) if columns is not None else schema.names)


def wanted(table: Table, available: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """The columns to give: those asked for, or all; a catalogued one that is not stored yet reads as null.

    Raises:
        WarehouseError: A column is neither stored nor catalogued.
    """
    kinds = dict(table.columns)
    names = list(columns) if columns is not None else [*available, *(n for n in kinds if n not in available)]
    unknown = [name for name in names if name not in available and name not in kinds]
    if unknown:
        raise WarehouseError(f"{table.name} has no column {unknown[0]}; it has {', '.join(available)}.")
    return names


def within(sql: TableSql, days: tuple[date, date], alias: str) -> str:
    """The condition that a row belongs to the days, both inclusive."""
    dialect = sql.dialect
    return f"{alias}.{dialect.partition_day} BETWEEN {dialect.day(days[0])} AND {dialect.day(days[1])}"


def source(
    sql: TableSql,
    days: tuple[date, date],
    view: ReadView,
    ingested_as_of: datetime | None,
    published_as_of: datetime | None,
) -> str:
    """A query for the rows of the days, unordered."""
    inside = within(sql, days, "X")
    if published_as_of is not None:
        return sql.published_as_of_body(sql.dialect.instant(published_as_of), inside)
    if view == "history":
        return f"SELECT X.* FROM {sql.history} X WHERE {inside}"
    if ingested_as_of is not None:
        rows = sql.ingested_as_of_body(sql.dialect.instant(ingested_as_of), inside)
    else:
        rows = f"SELECT X.* FROM {sql.target} X WHERE {inside}"
    if view == "rows":
        return rows
    if sql.is_register:
        day = sql.dialect.partition_day
        return f"SELECT Z.* FROM ({rows}) Z WHERE TRUE QUALIFY Z.{day} = max(Z.{day}) OVER ()"
    return sql.newest_per_event(f"({rows})", sql.stored) if sql.table.version_columns else rows
