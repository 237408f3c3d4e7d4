"""The SQL that reads the ledger of gaps, what receipts say about gaps, and the completeness; the same for every store.

What follows from it is judged in ``energy_assets.tracking.gaps``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from energy_assets.ingest.model import Gap
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Place, Warehouse
from energy_assets.warehouse.sql import Dialect


@dataclass(frozen=True, slots=True)
class Trouble:
    """The newest receipt of a window that failed or left rows in quarantine.

    Attributes:
        table: Table name.
        from_utc: Beginning of the window.
        to_utc: Its end, excluded.
        branch: Its branch, as stored.
        failed: Whether the window failed.
        quarantined: Rows in quarantine.
        requested_utc: When it was asked for.
        recorded_utc: When that was written.
        reason: Why it failed, or is suspect.
        empty: Whether its answer was empty although there should have been rows.
    """

    table: str
    from_utc: datetime
    to_utc: datetime
    branch: str
    failed: bool
    quarantined: int
    requested_utc: datetime
    recorded_utc: datetime
    reason: str
    empty: bool = False


@dataclass(frozen=True)
class Evidence:
    """What receipts say.

    Attributes:
        kept: From when on each table was ever covered within the span looked at, by table name.
        troubles: Windows that failed or have rows in quarantine, by their newest receipts.
    """

    kept: Mapping[str, datetime] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Completeness:
    """Hours of a dataset in a year, as the view ``completeness`` counts them (``service.completeness_body``)."""

    dataset: str
    table: str
    year: int
    expected_hours: float
    held_hours: float
    never_published_hours: float
    missing_hours: float
    completeness: float | None


def read_gaps(warehouse: Warehouse, *, closed: bool = False) -> list[Gap]:
    """Gaps as the ledger has them now, by table and time; with ``closed`` those that are no more as well.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    found = warehouse.answers("Reading the ledger of gaps", lambda place: [_gaps(place, closed=closed)])
    return [_gap(row) for rows in found for row in rows]


def read_evidence(
    warehouse: Warehouse, tables: Collection[str], from_utc: datetime, to_utc: datetime, kept_since: datetime
) -> Evidence:
    """What receipts say about gaps of some tables in ``[from_utc, to_utc)``; no row is read.

    Args:
        warehouse: Where they are.
        tables: Names of the tables.
        from_utc: Beginning of the windows looked at.
        to_utc: Their end.
        kept_since: How far back it is looked since when a table is kept.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """

    def make(place: Place) -> list[str]:
        return [
            _kept(place, tables, kept_since, to_utc),
            _troubles(place, tables, from_utc, to_utc),
        ]

    found = warehouse.answers("Reading receipts for the ledger", make) if tables else ()
    if not found:
        return Evidence()
    kept, troubles = found
    return Evidence(
        {name: first.replace(tzinfo=UTC) for name, first in kept},
        tuple(_trouble(row) for row in troubles),
    )


def read_completeness(warehouse: Warehouse) -> list[Completeness]:
    """Every row of the view ``completeness``, by dataset and year.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """

    def make(place: Place) -> list[str]:
        view = place.dialect.qualified(place.schema, service.COMPLETENESS)
        return [
            "SELECT dataset, table_name, year, expected_hours, held_hours, never_published_hours, missing_hours, "
            f"completeness FROM {view} ORDER BY dataset, year"
        ]

    found = warehouse.answers("Reading the completeness", make)
    return [Completeness(*row) for rows in found for row in rows]


def _gaps(place: Place, *, closed: bool) -> str:
    names = place.dialect.identifiers([name for name, _ in service.GAPS_COLUMNS], "G")
    source = place.dialect.qualified(place.schema, service.GAPS_LATEST)
    condition = "" if closed else "WHERE G.closed_utc IS NULL "
    return f"SELECT {names} FROM {source} G {condition}ORDER BY G.table_name, G.window_from_utc, G.branch"


def _named(dialect: Dialect, tables: Collection[str]) -> str:
    return f"R.table_name IN ({', '.join(map(dialect.text, sorted(tables)))})"


def _kept(place: Place, tables: Collection[str], since: datetime, until: datetime) -> str:
    dialect = place.dialect
    return (
        f"SELECT R.table_name, min(R.window_from_utc) FROM {dialect.qualified(place.schema, service.RECEIPTS)} R "
        f"WHERE {_named(dialect, tables)} AND R.window_from_utc >= {dialect.instant(since)} "
        f"AND R.window_from_utc < {dialect.instant(until)} "
        f"AND R.status IN ({service.covering_statuses(dialect)}) GROUP BY R.table_name"
    )


def _troubles(place: Place, tables: Collection[str], from_utc: datetime, to_utc: datetime) -> str:
    dialect = place.dialect
    newest = (
        f"SELECT R.table_name, R.window_from_utc, R.window_to_utc, R.branch, R.status, R.quarantined, "
        f"R.requested_utc, R.recorded_utc, R.reason FROM {dialect.qualified(place.schema, service.RECEIPTS_LATEST)} R "
        f"WHERE {_named(dialect, tables)} AND {service.overlapping(dialect, from_utc, to_utc)}"
    )
    # Of a portal's files the newest of each counts, and whether one came later is seen in all of them.
    return (
        f"SELECT * FROM ({newest}) N WHERE N.status = 'failed' OR N.quarantined > 0 OR N.branch LIKE 'resource=%' "
        "ORDER BY N.table_name, N.window_from_utc, N.branch"
    )


def _gap(row: tuple[Any, ...]) -> Gap:
    values = dict(zip((name for name, _ in service.GAPS_COLUMNS), row, strict=True))
    values = {name: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for name, v in values.items()}
    return Gap(
        dataset=values["dataset"],
        table=values["table_name"],
        from_utc=values["window_from_utc"],
        to_utc=values["window_to_utc"],
        branch=values["branch"],
        why=values["why"],
        since_utc=values["since_utc"],
        opened_utc=values["opened_utc"],
        closed_utc=values["closed_utc"],
        recorded_utc=values["recorded_utc"],
        note=values["note"],
    )


def _trouble(row: tuple[Any, ...]) -> Trouble:
    table, begin, end, branch, status, quarantined, requested, recorded, reason = row
    begin, end, requested, recorded = (at.replace(tzinfo=UTC) for at in (begin, end, requested, recorded))
    told = (status == "failed", int(quarantined), requested, recorded, reason or "", status == "suspect")
    return Trouble(table, begin, end, branch, *told)
