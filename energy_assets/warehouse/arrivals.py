"""The SQL that tells when publications were first there, and when the provider was asked for them.

Written once for every warehouse; what they mean is in ``energy_assets.checks.lateness``. One scan of three columns per
table, of rows and of those that revisions displaced, because a revised row has the time of its revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.lateness import Ask
from energy_assets.checks.learned import Awaited
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Place, Warehouse
from energy_assets.warehouse.sql import history_name

AHEAD = timedelta(days=1)
"""How far beyond the present publications lie on the window axis: acceptances that are about to begin."""


def read_arrivals(
    warehouse: Warehouse, dataset: Dataset, rule: Awaited, first: date, now: datetime
) -> tuple[dict[datetime, datetime], list[Ask]]:
    """When each publication since ``first`` was first there, and the answered asks that overlap these days.

    Raises:
        WarehouseError: The store cannot be read.
    """

    def make(place: Place) -> list[str]:
        known = dataset.table.name in place.ids
        return [_arrivals(place, dataset, rule, first, now), _asks(place, dataset, first, now)] if known else []

    answers = warehouse.answers(f"Reading when {dataset.name} came", make)
    if not answers:
        return {}, []
    came, asked = answers
    arrivals: dict[datetime, datetime] = {}
    for *place_columns, at in came:
        place = _place(dataset, rule, place_columns)
        if place is not None:
            arrivals[place] = min(arrivals.get(place, _utc(at)), _utc(at))
    return arrivals, [Ask(_utc(at), _utc(low), _utc(high)) for at, low, high in asked]


def _arrivals(place: Place, dataset: Dataset, rule: Awaited, first: date, now: datetime) -> str:
    """``(place columns ..., first ingestion)`` of every publication."""
    dialect, name = place.dialect, dataset.table.name
    columns = _place_columns(place, dataset, rule)
    last = calendar.settlement_day(now) + AHEAD
    within = f"T.{dialect.partition_day} BETWEEN {dialect.day(first)} AND {dialect.day(last)}"
    kept = [n for n in (name, history_name(name)) if n in place.columns]
    named = ", ".join(f"{column} AS p{n}" for n, column in enumerate(columns))
    rows = " UNION ALL ".join(
        f"SELECT {named}, min(T._ingested_utc) AS came FROM {dialect.qualified(place.schema, n)} T "
        f"WHERE {within} GROUP BY {', '.join(columns)}"
        for n in kept
    )
    names = ", ".join(f"A.p{n}" for n in range(len(columns)))
    return f"SELECT {names}, min(A.came) FROM ({rows}) A GROUP BY {names}"


def _place_columns(place: Place, dataset: Dataset, rule: Awaited) -> list[str]:
    dialect = place.dialect
    if dataset.check.kind == "instant":
        column = f"T.{dialect.identifier(str(dataset.check.column))}"
        if rule.kind == "following" and dataset.check.column == dataset.table.publish_column:
            return [column]
        # Half hours: acceptances and measurements are too many to be awaited one by one.
        hour, half = f"EXTRACT(HOUR FROM {column})", f"(EXTRACT(MINUTE FROM {column}) >= 30)"
        return [f"CAST({column} AS DATE)", hour, half]
    if rule.kind == "periods":
        return [f"T.{dialect.partition_day}", f"T.{dialect.identifier('settlementPeriod')}"]
    return [f"T.{dialect.partition_day}"]


def _place(dataset: Dataset, rule: Awaited, values: Sequence[Any]) -> datetime | None:
    """Where the publication lies on the window axis; ``None`` where its columns are null or no place."""
    if any(value is None for value in values):
        return None
    match values:
        case [datetime() as moment]:
            return _utc(moment)
        case [date() as day]:
            return calendar.day_start_utc(day)
        case [date() as day, period]:
            return calendar.period_start_utc(day, int(period)) if 1 <= period <= calendar.periods_in_day(day) else None
        case [date() as day, hour, half]:
            return datetime(day.year, day.month, day.day, int(hour), 30 if half else 0, tzinfo=UTC)
    return None


def _asks(place: Place, dataset: Dataset, first: date, now: datetime) -> str:
    """``(requested, from, to)`` of every request that was answered."""
    dialect = place.dialect
    begin, end = calendar.day_bounds_utc(first)[0], now + AHEAD
    return (
        f"SELECT DISTINCT R.requested_utc, R.window_from_utc, R.window_to_utc "
        f"FROM {dialect.qualified(place.schema, service.RECEIPTS)} R "
        f"WHERE R.table_name = {dialect.text(dataset.table.name)} AND R.status <> 'failed' "
        f"AND {service.overlapping(dialect, begin, end)}"
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
