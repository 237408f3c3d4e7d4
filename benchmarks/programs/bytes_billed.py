"""Bytes that BigQuery would bill for recorded jobs in a warehouse of ten years, from their own texts.

For each statement, each table that it reads counts with the columns that it names, in the partitions that its constant
bounds leave, and with 10 MB at least. What MERGE, UPDATE and DELETE change counts with all columns, as Google states.
Sizes come from the catalogue; rows of service tables from the jobs themselves, as often as there are ticks.
"""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import re  # noqa: E402
from collections import Counter, defaultdict  # noqa: E402
from collections.abc import Iterator, Mapping, Sequence  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from datetime import date, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import sqlglot  # noqa: E402
from sqlglot import exp  # noqa: E402

from energy_assets.catalogue import datasets  # noqa: E402
from energy_assets.catalogue.model import FieldType, Table  # noqa: E402
from energy_assets.ingest.backfill import UNKNOWN_ROWS_PER_DAY  # noqa: E402
from energy_assets.settings import PRICE_PER_TIB_GBP  # noqa: E402
from energy_assets.warehouse import service  # noqa: E402
from energy_assets.warehouse.bigquery.dialect import physical  # noqa: E402
from energy_assets.warehouse.sql import HISTORY_COLUMNS, history_name  # noqa: E402

IMPORTED = time.perf_counter()

MEBIBYTE = 2**20
LEAST = 10 * MEBIBYTE
"""What is billed at least for each table in a query, and for a query without one that is no metadata."""

YEARS = 10
DAYS = round(YEARS * 365.25)
DAYS_OF_MONTH = 31
"""A month's partition is counted as at its end."""

TICKS = 96
"""Refreshes in a day, one each quarter of an hour."""

TEXT = 2 + 14
"""Bytes of a text: two and its characters; names of units, fuels and types have eight to twenty."""

LONG_TEXT = 2 + 400
"""Bytes of nested content kept as JSON, as the planner estimates it."""

BYTES: Mapping[FieldType, int] = {
    "text": TEXT,
    "json": LONG_TEXT,
    "boolean": 1,
    "integer": 8,
    "number": 8,
    "date": 8,
    "instant": 8,
}

OWN_BYTES = {"_receipt_id": 2 + 32, "_dataset": 2 + 6, "_source_api": 2 + 4}
"""Provenance columns whose length is known."""

BY_MONTH: Mapping[str, str] = {
    service.RECEIPTS: "window_from_utc",
    service.QUARANTINE: "window_from_utc",
    service.DAYS: "day",
}
"""Service tables that are partitioned, each by the month of a column."""

MERGES = (exp.Merge, exp.Update, exp.Delete)
CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Stored:
    """A table as it would be after ten years.

    Attributes:
        kind: What it is, for sums: ``rows``, ``history``, ``staging``, or the name of a service table.
        row: Bytes of each column in a row.
        total: Rows in all.
        column: Column that it is partitioned by, or empty.
        days: Days of a partition.
        rows: Rows of a partition.
        share: Share of the rows that one value of its first cluster column has, where clusters are to count.
    """

    kind: str
    row: Mapping[str, float]
    total: float
    column: str = ""
    days: int = 0
    rows: float = 0
    share: float = 1


@dataclass
class Reference:
    """What one statement reads of one table; references of the same table add up as sets."""

    columns: set[str] = field(default_factory=set)
    partitions: set[str] = field(default_factory=set)
    whole: bool = False
    one_value: bool = True


@dataclass
class Sum:
    """Bytes of some statements."""

    billed: float = 0
    least: float = 0
    unpruned: float = 0
    clustered: float = 0
    references: int = 0

    def __iadd__(self, other: "Sum") -> "Sum":
        for name in vars(other):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


class Warehouse:
    """Sizes of all tables after ten years of ticks like the recorded one."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        self._tables: dict[str, Stored] = {}
        for dataset in datasets("bmrs"):
            rows = dataset.rows_per_day if dataset.rows_per_day is not None else UNKNOWN_ROWS_PER_DAY
            self._tables[dataset.table.name] = _stored(dataset.table, rows, "rows")
            self._tables[history_name(dataset.table.name)] = _stored(dataset.table, rows, "history")
        for name, columns in recorded["staged"].items():
            self._tables[name] = Stored("staging", dict(columns), 1)
        appended = list(_appended(recorded["queries"]))
        for name in (service.RECEIPTS, service.DAYS, service.COMMITS, service.QUARANTINE):
            widths = [row for table, row in appended if table == name]
            self._tables[name] = _service(name, widths)

    def find(self, name: str) -> Stored:
        """The table; one that nobody has filled is empty."""
        return self._tables.get(name, Stored("other", {}, 0))

    def rows_of_tick(self, name: str) -> float:
        """Rows that a service table gains in a tick."""
        return self.find(name).total / (TICKS * DAYS)


def _stored(table: Table, rows: int, kind: str) -> Stored:
    columns = [*table.columns, *(HISTORY_COLUMNS if kind == "history" else ())]
    row = {physical(name): float(OWN_BYTES.get(name, BYTES[t])) for name, t in columns}
    days = 1 if table.heavy else DAYS_OF_MONTH
    # History is counted as large as its table, as if each row had been revised once.
    return Stored(kind, row, rows * DAYS, physical("_partition_day"), days, rows * days)


def _service(name: str, widths: Sequence[Mapping[str, float]]) -> Stored:
    row = {c: sum(w.get(c, 0) for w in widths) / len(widths) for c in widths[0]} if widths else {}
    a_day = len(widths) * TICKS
    return Stored(
        name,
        row,
        a_day * DAYS,
        BY_MONTH.get(name, ""),
        DAYS_OF_MONTH,
        a_day * DAYS_OF_MONTH,
        # First in the clusters of each is the table's name.
        share=1 / len({*datasets("bmrs")}),
    )


def _appended(queries: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, dict[str, float]]]:
    """The rows that the jobs append to service tables, with the bytes of each column."""
    for query in queries:
        for text in _statements(query["text"]):
            tree = _parsed(text)
            if isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Values):
                names = [column.name for column in tree.this.expressions]
                for row in tree.expression.expressions:
                    widths = dict(zip(names, map(_width, row.expressions), strict=True))
                    yield tree.this.this.name, widths


def _width(value: exp.Expression) -> float:
    if isinstance(value, exp.Literal):
        return 2 + len(value.this.encode()) if value.is_string else 8
    if isinstance(value, exp.Cast) and isinstance(value.this, exp.Null):
        return 0
    items = list(value.find_all(exp.Array))
    if items:
        return sum(_width(item) for item in items[0].expressions)
    return 8


def _statements(text: str) -> list[str]:
    """The statements of a script; those end at a line's end."""
    return [part.strip().rstrip(";") for part in text.split(";\n") if part.strip().rstrip(";")]


_trees: dict[str, exp.Expression | None] = {}


def _parsed(text: str) -> exp.Expression | None:
    """A statement's tree; nothing of what reads no table."""
    if text not in _trees:
        _trees[text] = None if CONTROL.match(text) else sqlglot.parse_one(text, read="bigquery")
    return _trees[text]


# What a statement reads.


def references(tree: exp.Expression, warehouse: Warehouse) -> dict[str, Reference]:
    """The stored tables that a statement reads, with columns and partitions."""
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    made = _made(tree)
    found: dict[str, Reference] = defaultdict(Reference)
    for table in tree.find_all(exp.Table):
        name = table.name
        if table is made or (name in named and not table.db):
            continue
        scope = table.find_ancestor(exp.Select, *MERGES)
        if scope is None:
            continue
        if isinstance(scope, MERGES) and table is scope.this:
            found[name].whole = True
        stored = warehouse.find(name)
        reference = found[name]
        reference.columns |= _columns(scope, table, stored)
        reference.partitions |= _partitions(scope, table, stored)
        reference.one_value &= _one_value(scope, table)
    return found


def _made(tree: exp.Expression) -> exp.Expression | None:
    """The table that a statement makes or appends to, which it does not read."""
    if isinstance(tree, (exp.Insert, exp.Create)):
        return tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return None


def _columns(scope: exp.Expression, table: exp.Table, stored: Stored) -> set[str]:
    alias = table.alias_or_name
    found = set()
    for column in scope.find_all(exp.Column):
        if column.table == alias or (not column.table and column.find_ancestor(exp.Select, *MERGES) is scope):
            found |= set(stored.row) if isinstance(column.this, exp.Star) else {column.name}
    if any(isinstance(e, exp.Star) for e in getattr(scope, "expressions", ())):
        found |= set(stored.row)
    return found & set(stored.row)


def _partitions(scope: exp.Expression, table: exp.Table, stored: Stored) -> set[str]:
    """The partitions that constants in the scope leave; ``*`` for all."""
    if not stored.column:
        return {"*"}
    alias = table.alias_or_name
    low, high, listed = None, None, None
    for condition in scope.find_all(exp.Between, exp.GTE, exp.GT, exp.LTE, exp.LT, exp.EQ, exp.In):
        column = condition.this
        own = isinstance(column, exp.Column) and column.name == stored.column and column.table in (alias, "")
        if not own or not _always(condition, scope):
            continue
        if isinstance(condition, exp.In):
            days = [_day(e) for e in condition.expressions]
            listed = {d for d in days if d} if all(days) else listed
            continue
        begin = condition.args.get("low") if isinstance(condition, exp.Between) else condition.expression
        end = condition.args.get("high") if isinstance(condition, exp.Between) else condition.expression
        if not isinstance(condition, (exp.LT, exp.LTE)):
            low = _later(low, _day(begin))
        if not isinstance(condition, (exp.GT, exp.GTE)):
            high = _earlier(high, _day(end))
    if listed:
        return {_partition(day, stored) for day in listed}
    if low is None or high is None:
        return {"*"}
    return {_partition(low + timedelta(days=n), stored) for n in range((high - low).days + 1)}


def _always(condition: exp.Expression, scope: exp.Expression) -> bool:
    """Whether all rows of the scope meet the condition: it belongs to no scope within, and nothing weakens it."""
    above = condition.parent
    while above is not None and not isinstance(above, (exp.Select, *MERGES, exp.Or, exp.Not, exp.Case)):
        above = above.parent
    return above is scope


def _one_value(scope: exp.Expression, table: exp.Table) -> bool:
    """Whether the scope wants one table's rows only, by a constant: the first column that service tables cluster by."""
    return any(
        isinstance(condition.this, exp.Column)
        and condition.this.name == "table_name"
        and condition.this.table in (table.alias_or_name, "")
        and isinstance(condition.expression, exp.Literal)
        and _always(condition, scope)
        for condition in scope.find_all(exp.EQ)
    )


def _later(a: date | None, b: date | None) -> date | None:
    return max(x for x in (a, b) if x) if a or b else None


def _earlier(a: date | None, b: date | None) -> date | None:
    return min(x for x in (a, b) if x) if a or b else None


def _day(value: exp.Expression | None) -> date | None:
    """The day of a constant; nothing for what is none."""
    if value is None or value.find(exp.Column) is not None:
        return None
    literal = value if isinstance(value, exp.Literal) else value.find(exp.Literal)
    try:
        return date.fromisoformat(literal.this[:10]) if literal is not None else None
    except ValueError:
        return None


def _partition(day: date, stored: Stored) -> str:
    return f"{day:%Y%m%d}" if stored.days == 1 else f"{day:%Y%m}"


# What that is billed.


def price(tree: exp.Expression, warehouse: Warehouse, touched: dict[str, set[str]], today: date) -> dict[str, Sum]:
    """Bytes of one statement, by kind of table."""
    sums: dict[str, Sum] = defaultdict(Sum)
    changes = isinstance(tree, exp.Merge)
    last = f"{today:%Y%m%d}"
    for name, reference in references(tree, warehouse).items():
        stored = warehouse.find(name)
        columns = set(stored.row) if reference.whole else reference.columns
        width = sum(stored.row[c] for c in columns)
        if "*" in reference.partitions:
            rows, count = stored.total, None
        else:
            # Of service tables nothing lies ahead; rows of forecasts do.
            known = [p for p in reference.partitions if stored.kind in ("rows", "history") or p <= last[: len(p)]]
            rows, count = stored.rows * len(known), len(known)
        if stored.kind == "rows" and count is not None:
            touched[name] |= reference.partitions
        size = rows * width
        share = stored.share if reference.one_value else 1
        unpruned = stored.total * width if changes and stored.kind == "rows" else size
        sums[stored.kind] += Sum(
            billed=max(LEAST, size),
            least=LEAST if size < LEAST else 0,
            unpruned=max(LEAST, unpruned),
            clustered=max(LEAST, size * share),
            references=1,
        )
    return sums


def _most_at_once(queries: Sequence[Mapping[str, Any]]) -> int:
    """Jobs that append receipts and begin within the same ten seconds, at most."""
    begun = sorted(q["at_s"] for q in queries if q["purpose"] in ("commit", "record"))
    return max((sum(1 for at in begun if first <= at < first + 10) for first in begun), default=0)


def kind_of(text: str) -> str:
    """A statement's first words."""
    words = text.split(None, 3)
    if text.startswith("SELECT IF("):
        return "assertion"
    return {"CREATE": "CREATE TEMP TABLE", "WITH": "SELECT"}.get(words[0].upper(), words[0].upper())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, required=True, help="jobs as recorded by bigquery_refresh.py")
    parser.add_argument("--today", type=date.fromisoformat, required=True)
    args = parser.parse_args()
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    recorded = json.loads(args.record.read_text("utf-8"))
    warehouse = Warehouse(recorded)
    total = Sum()
    by_kind: dict[str, Sum] = defaultdict(Sum)
    by_statement: dict[str, Sum] = defaultdict(Sum)
    touched: dict[str, set[str]] = defaultdict(set)
    for query in recorded["queries"]:
        for text in _statements(query["text"]):
            tree = _parsed(text)
            if tree is None:
                continue
            for kind, one in price(tree, warehouse, touched, args.today).items():
                total += one
                by_kind[kind] += one
                by_statement[f"{query['purpose']}: {kind_of(text)}"] += one
    counts = Counter(len(p) for p in touched.values())
    jobs = Counter(query["purpose"] for query in recorded["queries"])
    a_job = {
        purpose: sum(one.references for name, one in by_statement.items() if name.startswith(f"{purpose}:")) / count
        for purpose, count in jobs.items()
    }
    result = {
        "billed": total.billed,
        "least": total.least,
        "unpruned": total.unpruned,
        "clustered": total.clustered,
        "references": total.references,
        "references_of_job": {purpose: round(count, 2) for purpose, count in sorted(a_job.items())},
        "least_of_reference": LEAST,
        "floor": total.references * LEAST,
        "most_in_10_s": _most_at_once(recorded["queries"]),
        "streams": sum(1 for dataset in datasets("bmrs") if dataset.iris_stream),
        "by_kind": {k: vars(s) for k, s in sorted(by_kind.items(), key=lambda x: -x[1].billed)},
        "by_statement": {k: vars(s) for k, s in sorted(by_statement.items(), key=lambda x: -x[1].billed)},
        "touched": {str(k): v for k, v in sorted(counts.items())},
        "more_than_two": {name: len(p) for name, p in sorted(touched.items()) if len(p) > 2},
        "rows_of_tick": {
            name: round(warehouse.rows_of_tick(name), 1) for name in (service.RECEIPTS, service.DAYS, service.COMMITS)
        },
        "price_per_tib": PRICE_PER_TIB_GBP,
        "inside_s": time.perf_counter() - BEGUN,
        "steps_s": {"imports": IMPORTED - BEGUN},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
