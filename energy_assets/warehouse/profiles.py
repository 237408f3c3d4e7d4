"""The SQL that sums the measured columns of a table up to half hours, written once for every warehouse.

What comes back is at most days by half hours by categories; rows stay where they are. What is unusual in it is judged
in ``energy_assets.checks.baseline``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from energy_assets import calendar
from energy_assets.checks.baseline import SLOTS, Series
from energy_assets.checks.learned import Profiled
from energy_assets.warehouse.interface import Place, Warehouse

MOST_LABELS = 60
"""Categories of a dataset that are looked at, those with the most rows: twice as many as any dataset has by its entry,
so that a column which turns out to name documents cannot fill the memory."""

STATISTICS = 3
"""Mean, least and greatest value of each column."""


def read_series(warehouse: Warehouse, profiled: Profiled, first: date, last: date) -> list[Series]:
    """The measured columns of a dataset on the days ``first`` to ``last``, both inclusive; none without rows.

    Raises:
        WarehouseError: The store cannot be read.
    """
    table = profiled.dataset.table

    def make(place: Place) -> list[str]:
        stored = frozenset(place.columns.get(table.name, ()))
        known = table.name in place.ids and stored.issuperset(_needed(profiled))
        return [_profile(place, profiled, first, last)] if known else []

    answers = warehouse.answers(f"Summing up {profiled.dataset.name}", make)
    if not answers or not answers[0]:
        return []
    return _grids(profiled, answers[0], tuple(calendar.days_between(first, last)))


def _needed(profiled: Profiled) -> set[str]:
    own = (*profiled.columns, *profiled.categories, profiled.period, profiled.instant)
    return {name for name in own if name is not None}


def _profile(place: Place, profiled: Profiled, first: date, last: date) -> str:
    """``(day, period or hour, half, category ..., rows, mean, least, greatest of each column ...)``."""
    dialect, table = place.dialect, profiled.dataset.table
    keys = [f"T.{dialect.partition_day}", *_slot(place, profiled)]
    keys += [f"T.{dialect.identifier(name)}" for name in profiled.categories]
    sums = ["count(*)"]
    for name in profiled.columns:
        value = f"CAST(T.{dialect.identifier(name)} AS {dialect.types['number']})"
        for code in table.by_name[name].sentinels:
            value = f"NULLIF({value}, {code!r})"
        sums += [f"avg({value})", f"min({value})", f"max({value})"]
    within = f"T.{dialect.partition_day} BETWEEN {dialect.day(first)} AND {dialect.day(last)}"
    named = ", ".join(f"{text} AS v{n}" for n, text in enumerate([*keys, *sums]))
    return (
        f"SELECT {named} FROM {dialect.qualified(place.schema, table.name)} T WHERE {within} GROUP BY {', '.join(keys)}"
    )


def _slot(place: Place, profiled: Profiled) -> list[str]:
    if profiled.instant is not None:
        column = f"T.{place.dialect.identifier(profiled.instant)}"
        return [f"EXTRACT(HOUR FROM {column})", f"(EXTRACT(MINUTE FROM {column}) >= 30)"]
    return [] if profiled.period is None else [f"T.{place.dialect.identifier(profiled.period)}"]


def _grids(profiled: Profiled, answer: Iterable[Sequence[Any]], days: tuple[date, ...]) -> list[Series]:
    place_columns = 1 + (2 if profiled.instant is not None else 0 if profiled.period is None else 1)
    named = place_columns + len(profiled.categories)
    rows: dict[str, int] = {}
    cells = []
    for row in answer:
        slot = _slot_of(row[0], row[1:place_columns])
        label = ", ".join(str(value) for value in row[place_columns:named])
        rows[label] = rows.get(label, 0) + int(row[named])
        if slot is not None:
            cells.append((label, (row[0] - days[0]).days, slot, row[named + 1 :]))
    labels = tuple(sorted(sorted(rows), key=lambda label: -rows[label])[:MOST_LABELS])
    place_of: Mapping[str, int] = {label: n for n, label in enumerate(labels)}
    grid = np.full((len(profiled.columns) * STATISTICS, len(labels), len(days), SLOTS), np.nan)
    for label, day, slot, values in cells:
        if label in place_of:
            grid[:, place_of[label], day, slot] = [np.nan if value is None else float(value) for value in values]
    # An infinite value is no habit and no measurement: the bounds tell of it.
    grid[~np.isfinite(grid)] = np.nan
    return [
        Series(column, labels, days, grid[n], grid[n + 1], grid[n + 2])
        for n, column in zip(range(0, len(grid), STATISTICS), profiled.columns, strict=True)
    ]


def _slot_of(day: date, values: Sequence[Any]) -> int | None:
    """The half hour of the London clock; ``None`` where the row has no period or one that the day does not have."""
    match values:
        case []:
            return 0
        case [None, *_]:
            return None
        case [period]:
            if not 1 <= int(period) <= calendar.periods_in_day(day):
                return None
            moment = calendar.period_start_utc(day, int(period))
        case [hour, half]:
            # The instant may lie on another day, as those of forecasts do; the clock of this one serves.
            moment = datetime(day.year, day.month, day.day, int(hour), 30 if half else 0, tzinfo=UTC)
        case _:
            return None
    local = moment.astimezone(calendar.LONDON)
    return local.hour * 2 + local.minute // 30
