"""The SQL that sets two tables' values of the same thing beside each other and sums up how far they are apart.

Written once for every warehouse; which tables, and how far apart is too far, is said in ``energy_assets.checks.cross``.
Synthetic rows are left out: a stand-in makes each dataset by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from energy_assets.catalogue.model import Table
from energy_assets.warehouse.interface import Place, Warehouse
from energy_assets.warehouse.sql import Dialect, TableSql

Days = tuple[date, date]

BEFORE, AFTER = timedelta(days=1), timedelta(days=2)
"""Days around that on which messages about a day were sent."""

SYNTHETIC = "SANDBOX"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two values may be.

    Attributes:
        low: Least difference, second minus first.
        high: Greatest difference.
        share: Share of the first value that a difference may always have, whatever the other limits say.
        breaches: Share of a day's pairs that may be further apart.
        source: Where the limits come from.
    """

    low: float
    high: float
    share: float
    breaches: float
    source: str


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What the pairs of one day come to: how many, how many too far apart, the greatest difference, the first one."""

    pairs: int
    breaches: int
    worst: float
    first: str


Pairing = Callable[[Place, Days], str]
"""Makes a query for rows ``(own_day, x, y, label)``."""


@dataclass(frozen=True)
class Comparison:
    """Two tables to be compared: which must be there, how rows are paired, how far apart they may be."""

    tables: tuple[str, ...]
    pairing: Pairing
    tolerance: Tolerance


def read_pairs(
    warehouse: Warehouse, comparisons: Sequence[Comparison], from_day: date, to_day: date
) -> Sequence[Mapping[date, PairFacts]]:
    """How far apart the values of each comparison are, day by day; nothing where a table is not there.

    Raises:
        WarehouseError: The store cannot be read.
    """
    found: list[dict[date, PairFacts]] = [{} for _ in comparisons]
    there: list[int] = []

    def make(place: Place) -> list[str]:
        there[:] = [n for n, c in enumerate(comparisons) if all(name in place.ids for name in c.tables)]
        return [_summed(place, comparisons[n], (from_day, to_day)) for n in there]

    answers = warehouse.answers("Comparing tables", make)
    for n, answer in zip(there, answers, strict=True):
        found[n] = {
            day: PairFacts(int(p), int(b), float(worst or 0), first or "") for day, p, b, worst, first in answer
        }
    return found


def _summed(place: Place, comparison: Comparison, days: Days) -> str:
    limits = comparison.tolerance
    apart = "P.y - P.x"
    breach = f"abs({apart}) > {limits.share!r} * abs(P.x) AND ({apart} < {limits.low!r} OR {apart} > {limits.high!r})"
    text = place.dialect.types["text"]
    told = f"P.label || ': ' || CAST(P.x AS {text}) || ' and ' || CAST(P.y AS {text})"
    return (
        f"SELECT P.own_day, count(*), count(CASE WHEN {breach} THEN 1 END), max(abs({apart})), "
        f"min(CASE WHEN {breach} THEN {told} END) FROM ({comparison.pairing(place, days)}) P "
        f"WHERE P.x IS NOT NULL AND P.y IS NOT NULL GROUP BY P.own_day"
    )


def by_period(first: Table, x: str, second: Table, y: str, keys: Mapping[str, str], only: str = "TRUE") -> Pairing:
    """Pairs rows of two tables with equal keys.

    Args:
        first: Table of ``x``; its settlement day is the pair's.
        x: Its value.
        second: Table of ``y``.
        y: Its value.
        keys: Columns of the first with those of the second.
        only: A condition on rows ``B`` of the second.
    """

    def pairing(place: Place, days: Days) -> str:
        d = place.dialect
        same = " AND ".join(f"A.{d.identifier(a)} = B.{d.identifier(b)}" for a, b in keys.items())
        label = _label(d, "A", list(keys))
        return (
            f"SELECT A.{d.partition_day} AS own_day, A.{d.identifier(x)} AS x, B.{d.identifier(y)} AS y, "
            f"{label} AS label FROM {d.qualified(place.schema, first.name)} A "
            f"JOIN {d.qualified(place.schema, second.name)} B ON {same} "
            f"WHERE {_within(d, 'A', days)} AND {_real(d, 'A')} AND {_within(d, 'B', days)} AND {_real(d, 'B')} "
            f"AND {only}"
        )

    return pairing


def by_mean(first: Table, x: str, second: Table, y: str, keys: Sequence[str], least: int) -> Pairing:
    """Pairs rows of one table with the mean of the rows that another has of the same key, where there are enough.

    Args:
        first: Table of ``x``.
        x: Its value.
        second: Table of which means are taken.
        y: Its value.
        keys: Columns of both.
        least: Rows that make a mean.
    """

    def pairing(place: Place, days: Days) -> str:
        d = place.dialect
        named = d.identifiers(keys, "T")
        means = (
            f"SELECT {named}, avg(T.{d.identifier(y)}) AS mean FROM {d.qualified(place.schema, second.name)} T "
            f"WHERE {_within(d, 'T', days)} AND {_real(d, 'T')} GROUP BY {named} HAVING count(*) >= {least}"
        )
        same = " AND ".join(f"A.{d.identifier(k)} = B.{d.identifier(k)}" for k in keys)
        return (
            f"SELECT A.{d.partition_day} AS own_day, A.{d.identifier(x)} AS x, B.mean AS y, "
            f"{_label(d, 'A', keys)} AS label FROM {d.qualified(place.schema, first.name)} A "
            f"JOIN ({means}) B ON {same} WHERE {_within(d, 'A', days)} AND {_real(d, 'A')}"
        )

    return pairing


def by_count(asked: Table, pushed: Table) -> Pairing:
    """Pairs the rows of a day that were asked for with the facts of that day that were pushed."""

    def pairing(place: Place, days: Days) -> str:
        d = place.dialect
        column = f"T.{d.identifier(str(asked.storage.column))}"
        day = column if asked.storage.kind == "date" else d.london_day.format(instant=column)
        own = TableSql(d, place.schema, asked, ())
        key = d.digest.format(columns=own.key(asked.natural_key, "T"))
        sent = _within(d, "T", (days[0] - BEFORE, days[1] + AFTER))
        facts = (
            f"SELECT {day} AS own_day, count(DISTINCT {key}) AS n FROM {d.qualified(place.schema, pushed.name)} T "
            f"WHERE {sent} AND {_real(d, 'T')} GROUP BY {day}"
        )
        rows = (
            f"SELECT A.{d.partition_day} AS own_day, count(*) AS n FROM {d.qualified(place.schema, asked.name)} A "
            f"WHERE {_within(d, 'A', days)} AND {_real(d, 'A')} GROUP BY A.{d.partition_day}"
        )
        return (
            f"SELECT R.own_day, R.n AS x, F.n AS y, 'rows' AS label FROM ({rows}) R "
            f"JOIN ({facts}) F ON R.own_day = F.own_day"
        )

    return pairing


def _within(dialect: Dialect, alias: str, days: Days) -> str:
    return f"{alias}.{dialect.partition_day} BETWEEN {dialect.day(days[0])} AND {dialect.day(days[1])}"


def _real(dialect: Dialect, alias: str) -> str:
    return f"{alias}._source_api <> {dialect.text(SYNTHETIC)}"


def _label(dialect: Dialect, alias: str, keys: Sequence[str]) -> str:
    parts = (f"CAST({alias}.{dialect.identifier(k)} AS {dialect.types['text']})" for k in keys)
    return " || ', ' || ".join(parts)
