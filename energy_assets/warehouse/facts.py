"""The SQL that sums up tables, receipts and rows per day for the checks, written once for every warehouse.

One scan per table, several tables to a statement, bounds on ``_partition_day`` always constant, and nothing but sums in
the answers. What the sums mean is judged in ``energy_assets.checks``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue.model import Field, Table, WindowCheck
from energy_assets.checks.facts import (
    HISTORY,
    PERIOD,
    BodyFacts,
    ColumnFacts,
    DayFacts,
    Question,
    ReceiptFacts,
    TableFacts,
)
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Place, Warehouse
from energy_assets.warehouse.sql import Dialect, TableSql

TOGETHER = 12
"""Tables that are summed up while the store is held: a writer waits for one such group and not for all of them."""

_KEPT = ("inserted", "updated", "unchanged", "duplicate", "boundary", "late", "quarantined")
"""Counts that together are what was fetched."""

NEVER = "FALSE"
"""A condition that no row meets, so that nothing needs to be looked at."""

Days = tuple[date, date]


def read_facts(
    warehouse: Warehouse, questions: Sequence[Question], from_day: date, to_day: date
) -> Mapping[str, TableFacts]:
    """What tables come to on the settlement days ``from_day`` to ``to_day``, both inclusive, by table name.

    Raises:
        WarehouseError: The store cannot be read.
    """
    found: dict[str, TableFacts] = {}
    for start in range(0, len(questions), TOGETHER):
        found.update(_group(warehouse, questions[start : start + TOGETHER], (from_day, to_day)))
    return found


def _group(warehouse: Warehouse, questions: Sequence[Question], days: Days) -> dict[str, TableFacts]:
    there: set[str] = set()

    def make(place: Place) -> list[str]:
        there.update(q.table.name for q in questions if q.table.name in place.ids)
        recorded = recorded_days(place, questions, days)
        # Before the rows and after them: a store without one moment for all statements shows commits in between.
        return [recorded, receipts(place, questions, days), *_statements(place, questions, days), recorded]

    answers = warehouse.answers("Summing up what is held", make)
    if not answers:
        return {q.table.name: TableFacts() for q in questions}
    first, sums, *rows, last = answers
    by_receipt = _receipts(sums)
    by_day = _days(questions, (row for answer in rows for row in answer))
    by_table = _recorded(first, last, by_day)
    _detail(warehouse, questions, by_day)
    return {
        name: TableFacts(name in there, by_day.get(name, {}), by_table.get(name, {}), by_receipt[name])
        for name in (q.table.name for q in questions)
    }


# Rows.


def _statements(place: Place, questions: Sequence[Question], days: Days) -> list[str]:
    """The statements that sum up rows: one for all light tables, one for each piece of a heavy one."""
    there = [q for q in questions if q.table.name in place.ids]
    light = [rows_of_days(place, q, days) for q in there if not q.table.heavy]
    heavy = [rows_of_days(place, q, piece) for q in there if q.table.heavy for piece in _pieces(days, place.heavy_days)]
    return [*([" UNION ALL ".join(light)] if light else []), *heavy]


def _pieces(days: Days, longest: int) -> Iterator[Days]:
    """Days in a row, cut into pieces."""
    first, last = days
    while first <= last:
        end = min(last, first + timedelta(days=longest - 1))
        yield first, end
        first = end + timedelta(days=1)


def rows_of_days(place: Place, question: Question, days: Days) -> str:
    """Sums over the rows of each day: ``(table, day, numbers, first offenders)`` in the order of ``_tests``."""
    dialect, table = place.dialect, question.table
    sql = TableSql(dialect, place.schema, table, tuple(place.columns[table.name]))
    keys = dialect.digest.format(columns=sql.key(table.natural_key, "T"))
    counts = [
        "count(*)",
        f"count(DISTINCT {keys})",
        *(_distinct(dialect, column, place.columns[table.name]) for column in (question.periods, question.instants)),
    ]
    told = _key_text(sql)
    firsts = ["''"]
    for column, condition in _tests(dialect, question, place.columns[table.name]):
        if condition == NEVER:
            counts.append("0")
            firsts.append("''")
            continue
        counts.append(f"count(CASE WHEN {condition} THEN 1 END)")
        value = _text(dialect, f"T.{dialect.identifier(column)}")
        firsts.append(f"coalesce(min(CASE WHEN {condition} THEN {told} || ': {column} ' || {value} END), '')")
    day = f"T.{dialect.partition_day}"
    return (
        f"SELECT {dialect.text(table.name)} AS name, {day} AS own_day, [{', '.join(counts)}] AS n, "
        f"[{', '.join(firsts)}] AS f FROM {sql.target} T WHERE {_within(dialect, days)} GROUP BY {day}"
    )


def _tests(dialect: Dialect, question: Question, stored: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Column and condition of what is wrong with a row: outside its window, without a value, beyond bounds.

    Always as many, whatever is stored; a column that is not there cannot be wrong.
    """
    held = frozenset(stored)
    outside = _outside(dialect, question.check, question.table.storage.kind == "snapshot")
    column = question.check.column or "_partition_day"
    yield column, outside if column in held else NEVER
    for name in question.required:
        yield name, f"T.{dialect.identifier(name)} IS NULL" if name in held else NEVER
    for f in question.bounded:
        yield f.name, _beyond(dialect, f) if f.name in held else NEVER


def _outside(dialect: Dialect, check: WindowCheck, snapshot: bool) -> str:
    """Whether a row lies outside the window that brought it; of days only what no clock change can explain."""
    if check.kind == "none" or check.column is None or snapshot:
        return NEVER
    column = f"T.{dialect.identifier(check.column)}"
    by_instant = check.kind == "instant"
    # The London date of an instant is its UTC date, or that of an hour later.
    more = round(check.after.total_seconds()) + (0 if by_instant else 3600)
    begin = f"T._window_from_utc - INTERVAL {round(check.before.total_seconds())} SECOND"
    end = f"T._window_to_utc + INTERVAL {more} SECOND"
    if by_instant:
        return f"({column} < {begin} OR {column} >= {end})"
    return f"({column} < CAST({begin} AS DATE) OR {column} > CAST({end} AS DATE))"


def _beyond(dialect: Dialect, f: Field) -> str:
    column = f"T.{dialect.identifier(f.name)}"
    parts = []
    if f.low is not None:
        parts.append(f"{column} < {f.low!r}")
    if f.high is not None:
        parts.append(f"{column} > {f.high!r}")
    codes = f" AND {column} NOT IN ({', '.join(repr(s) for s in f.sentinels)})" if f.sentinels else ""
    return f"(({' OR '.join(parts)}){codes})"


def _distinct(dialect: Dialect, column: str | None, stored: Iterable[str]) -> str:
    return f"count(DISTINCT T.{dialect.identifier(column)})" if column in frozenset(stored) and column else "0"


def _text(dialect: Dialect, value: str) -> str:
    return f"coalesce(CAST({value} AS {dialect.types['text']}), 'nothing')"


def _key_text(sql: TableSql) -> str:
    """The natural key of a row as text."""
    parts = (_text(sql.dialect, sql.key_expression(c, "T")) for c in sql.table.natural_key)
    return " || ', ' || ".join(parts)


def _within(dialect: Dialect, days: Days) -> str:
    return f"T.{dialect.partition_day} BETWEEN {dialect.day(days[0])} AND {dialect.day(days[1])}"


def _days(questions: Sequence[Question], answer: Iterable[tuple[Any, ...]]) -> dict[str, dict[date, DayFacts]]:
    by_name = {q.table.name: q for q in questions}
    found: dict[str, dict[date, DayFacts]] = defaultdict(dict)
    for name, day, numbers, firsts in answer:
        found[name][day] = _day(by_name[name], [int(n) for n in numbers], firsts)
    return found


def _day(question: Question, numbers: Sequence[int], firsts: Sequence[str]) -> DayFacts:
    rows, keys, periods, instants, outside, *rest = numbers
    nulls = dict(zip(question.required, rest, strict=False))
    beyond = dict(zip((f.name for f in question.bounded), rest[len(nulls) :], strict=True))
    names = ("outside", *question.required, *(f"{f.name} beyond" for f in question.bounded))
    first = {name: text for name, text in zip(names, firsts[1:], strict=True) if text}
    return DayFacts(
        rows,
        keys,
        periods,
        instants,
        outside,
        {name: n for name, n in nulls.items() if n},
        {name: n for name, n in beyond.items() if n},
        first,
    )


# Repeated keys, looked at closely only where there seem to be some.


def _detail(warehouse: Warehouse, questions: Sequence[Question], by_day: dict[str, dict[date, DayFacts]]) -> None:
    """Count repeated keys exactly where digests say that there are some."""
    asked = [
        (q, day) for q in questions for day, facts in by_day.get(q.table.name, {}).items() if facts.keys < facts.rows
    ]
    if not asked:
        return

    def make(place: Place) -> list[str]:
        return [repeated_keys(place, q, (day, day)) for q, day in asked]

    for (question, _), answer in zip(asked, warehouse.answers("Looking at repeated keys", make), strict=False):
        facts = by_day[question.table.name]
        for day, repeated, copies, first in answer:
            facts[day] = replace(facts[day], repeated=int(repeated), copies=int(copies), first_repeated=first)


def repeated_keys(place: Place, question: Question, days: Days) -> str:
    """Per day: rows beyond the first of their key, those with equal content from another window, the first key."""
    dialect, table = place.dialect, question.table
    sql = TableSql(dialect, place.schema, table, tuple(place.columns[table.name]))
    day = f"T.{dialect.partition_day}"
    groups = (
        f"SELECT {day} AS own_day, count(*) - 1 AS more, min({_key_text(sql)}) AS told, "
        f"CASE WHEN count(DISTINCT T._window_from_utc) > 1 THEN count(*) - count(DISTINCT T._hash_key) ELSE 0 END "
        f"AS copies FROM {sql.target} T WHERE {_within(dialect, days)} "
        f"GROUP BY {day}, {sql.key(table.natural_key, 'T')} HAVING count(*) > 1"
    )
    return f"SELECT G.own_day, sum(G.more), sum(G.copies), min(G.told) FROM ({groups}) G GROUP BY G.own_day"


# Rows per settlement period.


def read_periods(
    warehouse: Warehouse, tables: Sequence[Table], from_day: date, to_day: date
) -> Mapping[str, Mapping[tuple[date, int], int]]:
    """Rows of each settlement period of these days, by table; nothing where a table is not there or has no periods.

    Raises:
        WarehouseError: The store cannot be read.
    """

    def make(place: Place) -> list[str]:
        there = [t for t in tables if t.name in place.ids and PERIOD in place.columns[t.name]]
        parts = [
            f"SELECT {place.dialect.text(t.name)} AS name, T.{place.dialect.partition_day} AS own_day, "
            f"T.{place.dialect.identifier(PERIOD)} AS period, count(*) AS n "
            f"FROM {place.dialect.qualified(place.schema, t.name)} T "
            f"WHERE {_within(place.dialect, (from_day, to_day))} AND T.{place.dialect.identifier(PERIOD)} IS NOT NULL "
            f"GROUP BY T.{place.dialect.partition_day}, T.{place.dialect.identifier(PERIOD)}"
            for t in there
        ]
        return [" UNION ALL ".join(parts)] if parts else []

    found: dict[str, dict[tuple[date, int], int]] = {t.name: {} for t in tables}
    for answer in warehouse.answers("Counting rows of settlement periods", make):
        for name, day, period, rows in answer:
            found[name][day, int(period)] = int(rows)
    return found


# Rows per day, by the word of the commits.


def recorded_days(place: Place, questions: Sequence[Question], days: Days) -> str:
    """Rows that each day had after its newest commit: ``(table, day, rows)``."""
    dialect = place.dialect
    first, last = dialect.day(days[0] - HISTORY), dialect.day(days[1])
    rows = dialect.identifier("rows")
    newest = (
        f"SELECT D.table_name, D.day, D.{rows} AS n FROM {dialect.qualified(place.schema, service.DAYS)} D "
        f"JOIN {_identities(place, questions)} I ON D.table_name = I.table_name AND D.table_id = I.table_id "
        f"WHERE D.day BETWEEN {first} AND {last} QUALIFY row_number() OVER "
        f"(PARTITION BY D.table_id, D.day ORDER BY D.seq DESC, D.{rows} DESC) = 1"
    )
    return f"SELECT N.table_name, N.day, N.n FROM ({newest}) N"


def _identities(place: Place, questions: Sequence[Question]) -> str:
    """A relation ``(table_name, table_id)``; an empty identity where the table is not there."""
    text = place.dialect.text
    rows = (
        f"SELECT {text(q.table.name)} AS table_name, {text(place.ids.get(q.table.name, ''))} AS table_id"
        for q in questions
    )
    return f"({' UNION ALL '.join(rows)})"


def _recorded(
    first: Iterable[tuple[Any, ...]], last: Iterable[tuple[Any, ...]], held: Mapping[str, Iterable[date]]
) -> dict[str, dict[date, int]]:
    """Days that no commit touched while the rows were counted; of days with rows and no commit at all, none."""
    before, after = ({(name, day): int(rows) for name, day, rows in answer} for answer in (first, last))
    found: dict[str, dict[date, int]] = defaultdict(dict)
    for (name, day), rows in after.items():
        if before.get((name, day)) == rows:
            found[name][day] = rows
    for name, days in held.items():
        found[name].update((day, 0) for day in days if (name, day) not in before and (name, day) not in after)
    return found


# Receipts.


def first_asked(
    warehouse: Warehouse, tables: Sequence[Table], since: datetime, until: datetime
) -> Mapping[str, datetime]:
    """The beginning of the first window in ``[since, until)`` that was ever asked for, whatever came of it, by table.

    Raises:
        WarehouseError: The store cannot be read.
    """

    def make(place: Place) -> list[str]:
        dialect = place.dialect
        return [
            f"SELECT R.table_name, min(R.window_from_utc) FROM {dialect.qualified(place.schema, service.RECEIPTS)} R "
            f"WHERE R.window_from_utc >= {dialect.instant(since)} AND R.window_from_utc < {dialect.instant(until)} "
            f"GROUP BY R.table_name"
        ]

    answers = warehouse.answers("Reading since when tables are kept", make) if tables else ()
    names = {table.name for table in tables}
    return {name: _utc(first) for rows in answers for name, first in rows if name in names}


def receipts(place: Place, questions: Sequence[Question], days: Days) -> str:
    """Sums over the newest receipt of each window: ``(kind, table, label, from, to, numbers)``."""
    dialect = place.dialect
    begin, end = day_bounds_utc(days[0])[0], day_bounds_utc(days[1])[1]
    newest = (
        f"SELECT R.* FROM {dialect.qualified(place.schema, service.RECEIPTS_LATEST)} R "
        f"JOIN {_identities(place, questions)} I ON R.table_name = I.table_name "
        f"WHERE (R.table_id = '' OR R.table_id = I.table_id) AND {service.overlapping(dialect, begin, end)}"
    )
    covering = f"L.status IN ({service.covering_statuses(dialect)})"
    marks = {
        "failed": "L.status = 'failed'",
        "suspect": "L.status = 'suspect'",
        "unreconciled": f"{covering} AND L.fetched <> {' + '.join(f'L.{name}' for name in _KEPT)}",
        "quarantined": "L.quarantined > 0",
        "answered": "L.fetched > 0 AND L.status <> 'failed'",
    }
    sums = [f"CAST(sum(L.{name}) AS {dialect.types['integer']})" for name in service.COUNTED]
    parts = [
        _part("sums", "''", f"[count(*), {', '.join(sums)}]", "TRUE", "L.table_name"),
        *(_part(kind, "''", "[count(*)]", condition, "L.table_name") for kind, condition in marks.items()),
        *(
            _part(
                kind, "item", "[count(*)]", "TRUE", "L.table_name, item", dialect.unnested.format(array=a, name="item")
            )
            for kind, a in (("new", "L.new_columns"), ("missing", "L.missing_columns"))
        ),
        _part(
            "body",
            "L.body_sha256",
            "[count(DISTINCT L.window_from_utc)]",
            f"{marks['answered']} AND L.body_sha256 <> ''",
            "L.table_name, L.body_sha256 HAVING max(L.window_from_utc) > min(L.window_to_utc)",
        ),
    ]
    return f"WITH newest AS ({newest}) {' UNION ALL '.join(parts)}"


def _part(kind: str, label: str, numbers: str, condition: str, group: str, joined: str = "") -> str:
    source = f"newest L, {joined}" if joined else "newest L"
    return (
        f"SELECT '{kind}' AS kind, L.table_name AS name, {label} AS label, min(L.window_from_utc) AS first_utc, "
        f"max(L.window_from_utc) AS last_utc, {numbers} AS n FROM {source} WHERE {condition} GROUP BY {group}"
    )


def _receipts(answer: Iterable[tuple[Any, ...]]) -> defaultdict[str, ReceiptFacts]:
    found: defaultdict[str, ReceiptFacts] = defaultdict(ReceiptFacts)
    for kind, name, label, first, last, numbers in answer:
        found[name] = _with(found[name], kind, label, (_utc(first), _utc(last)), [int(n) for n in numbers])
    return found


def _with(
    facts: ReceiptFacts, kind: str, label: str, span: tuple[datetime, datetime], numbers: Sequence[int]
) -> ReceiptFacts:
    """The facts with one more row of the answer."""
    first, last = span
    match kind:
        case "sums":
            counts = dict(zip(service.COUNTED, numbers[1:], strict=True))
            return replace(facts, windows=numbers[0], counts=counts)
        case "new":
            return replace(facts, new_columns={**facts.new_columns, label: ColumnFacts(numbers[0], first)})
        case "missing":
            return replace(facts, missing_columns={**facts.missing_columns, label: ColumnFacts(numbers[0], first)})
        case "body":
            return replace(facts, bodies=(*facts.bodies, BodyFacts(numbers[0], first, last)))
        case "suspect":
            return replace(facts, suspect=numbers[0], suspect_utc=first)
        case "unreconciled":
            return replace(facts, unreconciled=numbers[0], unreconciled_utc=first)
        case "quarantined":
            return replace(facts, quarantined=numbers[0], quarantined_utc=first)
        case "failed":
            return replace(facts, failed=numbers[0])
        case _:
            return replace(facts, answered=numbers[0])


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
