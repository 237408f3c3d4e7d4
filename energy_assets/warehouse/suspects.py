"""The SQL that looks for repeated samples and doubled rows in everything that a warehouse holds.

Sums only, in groups so that nobody waits long for the store. What is made of them belongs to the doctor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from energy_assets.catalogue.model import Dataset, Table
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Place, Warehouse
from energy_assets.warehouse.sql import Dialect

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Repeated:
    """Windows of one table whose answers cannot be theirs.

    Attributes:
        table: Name of the table.
        windows: How many windows.
        answers: How many different answers they had; 0 where that is not what was looked at.
        first_utc: Begin of the first of them.
        last_utc: Begin of the last.
    """

    table: str
    windows: int
    answers: int
    first_utc: datetime
    last_utc: datetime


def windowed(dataset: Dataset) -> bool:
    """Whether the provider is asked for windows of it."""
    return dataset.files is None and dataset.provider != "iris" and not dataset.is_register


def equal_answers(warehouse: Warehouse, datasets: Sequence[Dataset]) -> list[Repeated]:
    """Tables of which windows that share no bound had byte for byte the same answer, whenever that was.

    Raises:
        WarehouseError: The receipts cannot be read.
    """
    tables = [d.table.name for d in datasets if windowed(d) and not d.may_repeat]
    if not tables:
        return []

    def make(place: Place) -> list[str]:
        newest = place.dialect.qualified(place.schema, service.RECEIPTS_LATEST)
        same = (
            f"SELECT R.table_name, count(DISTINCT R.window_from_utc) AS n, min(R.window_from_utc) AS first_utc, "
            f"max(R.window_from_utc) AS last_utc FROM {newest} R WHERE {_answered(place.dialect, tables)} "
            f"AND R.body_sha256 <> '' GROUP BY R.table_name, R.body_sha256 "
            f"HAVING max(R.window_from_utc) > min(R.window_to_utc)"
        )
        return [
            f"SELECT S.table_name, sum(S.n), count(*), min(S.first_utc), max(S.last_utc) FROM ({same}) S "
            f"GROUP BY S.table_name ORDER BY S.table_name"
        ]

    return list(_repeated(warehouse.answers("Comparing answers", make)))


def answers_from_elsewhere(warehouse: Warehouse, datasets: Sequence[Dataset]) -> list[Repeated]:
    """Tables of which windows brought rows of days that they cannot hold, by the word of their receipts.

    Raises:
        WarehouseError: The receipts cannot be read.
    """
    alike: dict[tuple[int, int], list[str]] = defaultdict(list)
    for dataset in datasets:
        if windowed(dataset) and dataset.check.kind != "none":
            alike[_reach(dataset)].append(dataset.table.name)
    if not alike:
        return []

    def make(place: Place) -> list[str]:
        parts = (_elsewhere(place, tables, reach) for reach, tables in alike.items())
        return [f"SELECT * FROM ({' UNION ALL '.join(parts)}) P ORDER BY 1"]

    return list(_repeated(warehouse.answers("Comparing windows with their rows", make)))


def _elsewhere(place: Place, tables: Sequence[str], reach: tuple[int, int]) -> str:
    dialect = place.dialect
    before, after = reach
    newest = dialect.qualified(place.schema, service.RECEIPTS_LATEST)
    days = dialect.unnested.format(array="R.days", name="item")
    begin = f"CAST(R.window_from_utc - INTERVAL {before} DAY AS DATE)"
    end = f"CAST(R.window_to_utc + INTERVAL {after} DAY AS DATE)"
    return (
        f"SELECT R.table_name, count(DISTINCT R.receipt_id), 0, min(R.window_from_utc), max(R.window_from_utc) "
        f"FROM {newest} R, {days} WHERE {_answered(dialect, tables)} AND (item < {begin} OR item > {end}) "
        f"GROUP BY R.table_name"
    )


def _reach(dataset: Dataset) -> tuple[int, int]:
    """Whole days before and after a window on which its rows may lie, the tolerance of the entry and a day of room."""
    before, after = (timedelta(minutes=m) for m in dataset.query.reach)
    check = dataset.check
    # What a window reaches back to for a day is what the day lies ahead of the window, and the other way round.
    return (after + check.before) // ONE_DAY + 2, (before + check.after) // ONE_DAY + 2


def _answered(dialect: Dialect, tables: Sequence[str]) -> str:
    names = ", ".join(dialect.text(name) for name in tables)
    return f"R.table_name IN ({names}) AND R.fetched > 0 AND R.status <> 'failed'"


def _repeated(answers: Sequence[Sequence[tuple[object, ...]]]) -> Iterator[Repeated]:
    for table, windows, bodies, first, last in answers[0] if answers else ():
        assert isinstance(first, datetime) and isinstance(last, datetime)  # noqa: S101 - types of the query's columns
        yield Repeated(
            str(table), int(str(windows)), int(str(bodies)), first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What stands in the schema.

    Attributes:
        lacking: Columns of the catalogue that a table of ours does not have, by table.
        foreign: Tables under a name of ours that are not ours.
        unknown: Tables of ours that the catalogue does not know.
    """

    lacking: dict[str, tuple[str, ...]]
    foreign: tuple[str, ...]
    unknown: tuple[str, ...]


def stored(warehouse: Warehouse, tables: Sequence[Table]) -> Stored:
    """Compare the tables of the schema with those of the catalogue.

    Raises:
        WarehouseError: The schema cannot be read.
    """
    places: list[Place] = []

    def make(place: Place) -> list[str]:
        places.append(place)
        return []

    warehouse.answers("Listing the tables", make)
    if not places:
        return Stored({}, (), ())
    (place,) = places[:1]
    by_name = {t.name: t for t in tables}
    lacking = {}
    for name in sorted(by_name.keys() & place.ids.keys()):
        held = frozenset(place.columns[name])
        if missing := tuple(c for c, _ in by_name[name].columns if c not in held):
            lacking[name] = missing
    foreign = sorted(n for n in by_name.keys() & place.columns.keys() if n not in place.ids)
    return Stored(lacking, tuple(foreign), tuple(sorted(place.ids.keys() - by_name.keys())))
