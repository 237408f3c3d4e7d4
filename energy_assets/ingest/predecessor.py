"""The predecessor's tables, judged row by row: which rows can be believed, and what is wrong with the others.

Such a table is ``bmrs_<code>`` with the provider's columns (some as text), ``_window_from_utc`` and
``_window_to_utc`` as text, appended to with every request: the same rows again and again, and where the provider
ignored the window its latest sample once per window. Everything is worked out in SQL in a database beside the old one,
which is only read. What JSON becomes which type is not decided here: a row is written as the JSON that the provider
sent, and typed like any answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from energy_assets.catalogue.model import Dataset, FieldType
from energy_assets.errors import WarehouseError
from energy_assets.warehouse.sql import DUCKDB

PREFIX = "bmrs_"

FROM, TO, INGESTED = "_window_from_utc", "_window_to_utc", "_ingested_utc"

NOTHING = ("", "nan", "none", "nat", "<na>", "null")
"""Texts in which pandas writes that there is no value, in lower case; believed where text is not what belongs there."""

MEMORY = "512MB"
"""Memory of the database in which rows are judged; what does not fit goes to its folder on disk."""

FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC)
"""Rows outside belong to no settlement day that the calendar knows."""


class OldTables(Protocol):
    """Where the predecessor's tables are."""

    place: str
    """For people."""

    def names(self) -> Sequence[str]:
        """Names of all tables there."""
        ...

    def relation(self, name: str, bench: duckdb.DuckDBPyConnection) -> AbstractContextManager[str]:
        """A relation with a table's rows, as the bench's SQL names it, for as long as the context lasts."""
        ...


class DuckDBTables:
    """Tables of one schema of a DuckDB file, which is only read.

    Args:
        path: The file.
        schema: The schema.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._schema = schema
        self.place = f"{path}: {schema}"

    def names(self) -> Sequence[str]:
        """Names of all tables there."""
        query = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? ORDER BY ALL"
        with _opened(self._path) as connection:
            return [name for (name,) in connection.execute(query, [self._schema]).fetchall()]

    @contextmanager
    def relation(self, name: str, bench: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """The table itself, attached."""
        bench.execute(f"ATTACH {_text(str(self._path))} AS old (READ_ONLY)")
        try:
            yield f"old.{_q(self._schema)}.{_q(name)}"
        finally:
            bench.execute("DETACH old")


def schemas_with_tables(path: Path) -> list[str]:
    """Schemas of a DuckDB file that hold tables of the predecessor's names.

    Raises:
        WarehouseError: The file cannot be read.
    """
    query = "SELECT DISTINCT schema_name FROM duckdb_tables() WHERE starts_with(lower(table_name), ?) ORDER BY ALL"
    with _opened(path) as connection:
        return [name for (name,) in connection.execute(query, [PREFIX]).fetchall()]


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection
    except duckdb.Error as error:
        raise WarehouseError(f"{path} cannot be read as a DuckDB file: {str(error).splitlines()[0]}") from error


@contextmanager
def bench(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database to judge rows in, in a file of its own."""
    with duckdb.connect(str(folder / "bench.duckdb")) as connection:
        for setting in ("TimeZone = 'UTC'", f"memory_limit = '{MEMORY}'", "preserve_insertion_order = false"):
            connection.execute(f"SET {setting}")
        connection.execute(f"SET temp_directory = {_text(str(folder / 'spilt'))}")
        yield connection


@dataclass(frozen=True)
class Findings:
    """What a table holds.

    Each row is counted in exactly one of ``unreadable``, ``outside``, ``duplicates``, ``contradictions`` and ``sound``.

    Attributes:
        rows: All rows.
        unreadable: Rows whose window or place in time cannot be read.
        outside: Rows outside the window that they were stored under.
        repeated: Those of ``outside`` whose content is stored under other windows too: repeated samples.
        repeated_windows: Windows whose whole answer is that of a window far from them.
        duplicates: Rows with the key and content of another.
        contradictions: Rows with the key of another and other content, the one ingested last left out.
        sound: Rows that are left.
        days: Sound rows of each settlement day.
        unknown: Columns that the catalogue does not know.
    """

    rows: int
    unreadable: int
    outside: int
    repeated: int
    repeated_windows: int
    duplicates: int
    contradictions: int
    sound: int
    days: Mapping[date, int]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Column:
    """One old column: what it is called in the provider's JSON, and how it is read."""

    member: str
    json: str
    kind: FieldType
    text: str
    """SQL of its value as text, which tells equal values apart from others."""


class Judged:
    """The rows of one old table on the bench.

    Args:
        connection: The bench.
        relation: The old table.
        entry: The dataset that it belongs to.

    Raises:
        WarehouseError: It is not a table of the predecessor.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation: str, entry: Dataset) -> None:
        self._db = connection
        self._entry = entry
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        self._types = {name: kind for name, kind, *_ in described}
        self._spelt = {name.lower(): name for name in self._types}
        for name in (FROM, TO):
            if name not in self._spelt:
                raise WarehouseError(f"{relation} has no column {name}, so it is not one of the predecessor's tables.")
        self._columns, self._unknown = self._known_columns(relation)
        self._branches = [name for name, _ in entry.query.branches]
        for name in self._branches:
            if name.lower() not in self._spelt:
                raise WarehouseError(
                    f"{relation} has no column {name}, so its rows do not say which of "
                    f"{', '.join(dict(entry.query.branches)[name])} they are."
                )
        self._judge(relation)

    def close(self) -> None:
        """Remove everything from the bench."""
        for name in ("judged", "contents", "winners", "sound"):
            self._db.execute(f"DROP TABLE IF EXISTS {name}")

    # Columns.

    def _known_columns(self, relation: str) -> tuple[list[_Column], tuple[str, ...]]:
        members: dict[str, tuple[str, FieldType]] = {}
        for f in self._entry.fields:
            if f.origin == "row":
                members |= {m.lower(): (m, f.type) for m in reversed((f.name, *f.aliases))}
        members |= {name.lower(): (name, "text") for name in self._entry.ignored}
        branches = {name.lower() for name, _ in self._entry.query.branches}
        columns, unknown = [], []
        for name, stored in self._types.items():
            lower = name.lower()
            if lower in members:
                member, kind = members[lower]
                columns.append(_column(member, _q(name), stored, kind))
            elif not name.startswith("_") and lower not in branches and self._says_something(relation, name):
                columns.append(_column(name, _q(name), stored, "text"))
                unknown.append(name)
        return columns, tuple(unknown)

    def _says_something(self, relation: str, name: str) -> bool:
        return bool(self._db.execute(f"SELECT 1 FROM {relation} WHERE {_q(name)} IS NOT NULL LIMIT 1").fetchall())

    def _member(self, name: str) -> str:
        """SQL of a catalogued column's value as text, or null where the old table has none."""
        f = self._entry.table.by_name[name]
        if f.origin == "request":
            return f"CAST({_q(self._spelt[name.lower()])} AS VARCHAR)"
        found = [c.text for c in self._columns if c.member in (f.name, *f.aliases)]
        return f"coalesce({', '.join(found)})" if found else "CAST(NULL AS VARCHAR)"

    def _normal(self, name: str) -> str:
        """The same written in one way, so that 1 and 1.0 are one value."""
        return _normal(self._member(name), self._entry.table.by_name[name].type)

    # Judging.

    def _judge(self, relation: str) -> None:
        self.close()
        table = self._entry.table
        fallback = dict(table.key_fallback)
        key = []
        for name in (*table.natural_key, *(order.column for order in table.latest_order)):
            if name in table.by_name:
                own = f"nullif({self._normal(name)}, '')" if name in fallback else self._normal(name)
                key.append(f"coalesce({own}, {self._normal(fallback[name])})" if name in fallback else own)
        if table.storage.kind == "snapshot":
            key.append("CAST(_day AS VARCHAR)")
        content = [_normal(c.text, c.kind) for c in self._columns]
        branch = [self._normal_branch(name) for name in self._branches]
        ingested = f"CAST({_q(self._spelt[INGESTED])} AS VARCHAR)" if INGESTED in self._spelt else "NULL"
        self._db.execute(
            f"CREATE TABLE judged AS WITH placed AS (SELECT *, "
            f"{_utc(f'CAST({_q(self._spelt[FROM])} AS VARCHAR)')} AS _wf, "
            f"{_utc(f'CAST({_q(self._spelt[TO])} AS VARCHAR)')} AS _wt, {_utc(ingested)} AS _at_ingested "
            f"FROM {relation}), timed AS ({self._timed()}) "
            f"SELECT row_number() OVER () AS n, _at AS moment, _day AS day, _wf AS wf, _wt AS wt, "
            f"_at_ingested AS ingested, _wf IS NOT NULL AND _wt IS NOT NULL AND _at IS NOT NULL AS readable, "
            f"coalesce({self._inside()}, FALSE) AS inside, {_digest([*branch, *key])} AS key, "
            f"{_digest([*branch, *content])} AS content, {_list(branch)} AS branch, "
            f"CAST({self._json()} AS VARCHAR) AS json FROM timed"
        )
        self._db.execute(
            "CREATE TABLE contents AS SELECT key, content, count(*) AS copies, max(ingested) AS ingested, "
            "arg_max(n, coalesce(ingested, TIMESTAMP '1900-01-01')) AS n FROM judged WHERE readable AND inside "
            "GROUP BY key, content"
        )
        self._db.execute(
            "CREATE TABLE winners AS SELECT arg_max(n, (coalesce(ingested, TIMESTAMP '1900-01-01'), content)) AS n "
            "FROM contents GROUP BY key"
        )
        # In the order of time, so that a window's rows lie together.
        self._db.execute(
            "CREATE TABLE sound AS SELECT J.* FROM judged J SEMI JOIN winners W ON J.n = W.n ORDER BY moment"
        )

    def _normal_branch(self, name: str) -> str:
        return f"CAST({_q(self._spelt[name.lower()])} AS VARCHAR)"

    def _timed(self) -> str:
        """The rows with ``_at``, when each is on the axis of its window, and ``_day``, its settlement day."""
        check = self._entry.check
        if check.kind in ("none", "instant") or check.column is None:
            at = "coalesce(_at_ingested, _wf)" if check.kind == "none" else _utc(self._member(str(check.column)))
            sane = f"SELECT *, {at} AS _any, CASE WHEN _any BETWEEN {_ts(FIRST)} AND {_ts(LAST)} THEN _any END AS _at"
            return f"{sane}, {_london('_at')} AS _day FROM placed"
        # A time zone asked for each row would take longer than everything else; there are few days.
        self._db.execute(
            f"CREATE OR REPLACE TABLE london AS SELECT CAST(d AS DATE) AS _day, {_midnight('d')} AS _start, "
            f"{_midnight('d + INTERVAL 1 DAY')} AS _end "
            f"FROM generate_series({_ts(FIRST)}, {_ts(LAST)}, INTERVAL 1 DAY) S(d)"
        )
        at = "L._start"
        if check.kind == "period" and check.period_column is not None:
            period = f"TRY_CAST({self._member(check.period_column)} AS DOUBLE)"
            at += f" + (CASE WHEN {period} BETWEEN 1 AND 50 THEN CAST({period} AS BIGINT) END - 1) * INTERVAL 30 MINUTE"
        day = f"TRY_CAST(left({self._member(check.column)}, 10) AS DATE)"
        return f"SELECT P.*, L.*, {at} AS _at FROM placed P LEFT JOIN london L ON L._day = {day}"

    def _inside(self) -> str:
        """Whether a row lies in the window that it was stored under; both ends, as the provider takes them."""
        check = self._entry.check
        if check.kind == "none":
            return "TRUE"
        if check.kind == "instant":
            before, after = (int(span / timedelta(microseconds=1)) for span in (check.before, check.after))
            return f"_at BETWEEN _wf - to_microseconds({before}) AND _wt + to_microseconds({after})"
        return "_wf < _end AND greatest(_wf, _wt - INTERVAL 1 MICROSECOND) >= _start"

    def _json(self) -> str:
        if self._entry.query.scalars:
            return f"to_json({self._columns[0].json})" if self._columns else "'null'"
        return f"json_object({', '.join(f'{_text(c.member)}, {c.json}' for c in self._columns)})"

    # Findings.

    def findings(self) -> Findings:
        """What the table holds."""
        rows, unreadable, outside = self._numbers(
            "SELECT count(*), count(*) FILTER (NOT readable), count(*) FILTER (readable AND NOT inside) FROM judged"
        )
        (repeated,) = self._numbers(
            "SELECT sum(c) FROM (SELECT count(*) FILTER (NOT inside) AS c FROM judged WHERE readable "
            "GROUP BY content HAVING count(DISTINCT (wf, wt)) > 1)"
        )
        (windows,) = self._numbers(
            "SELECT sum(w) FROM (SELECT count(*) AS w FROM (SELECT wf, wt, branch, count(*) AS c, "
            "sum(CAST(hash(content) AS HUGEINT)) AS digest FROM judged WHERE readable GROUP BY ALL) "
            "GROUP BY c, digest, branch HAVING max(wf) > min(wt))"
        )
        copies, contents = self._numbers("SELECT sum(copies), count(*) FROM contents")
        (sound,) = self._numbers("SELECT count(*) FROM sound")
        days = self._db.execute("SELECT day, count(*) FROM sound GROUP BY ALL ORDER BY ALL").fetchall()
        return Findings(
            rows=rows,
            unreadable=unreadable,
            outside=outside,
            repeated=repeated,
            repeated_windows=0 if self._entry.may_repeat or self._entry.check.kind == "none" else windows,
            duplicates=copies - contents,
            contradictions=contents - sound,
            sound=sound,
            days=dict(days),
            unknown=self._unknown,
        )

    def _numbers(self, query: str) -> list[int]:
        (row,) = self._db.execute(query).fetchall()
        return [int(value or 0) for value in row]

    def branches(self) -> list[tuple[str, ...]]:
        """Values of the branch columns among the sound rows; one empty tuple where there are no such columns."""
        rows = self._db.execute("SELECT DISTINCT branch FROM sound ORDER BY ALL").fetchall()
        return [tuple(value or "" for value in branch) for (branch,) in rows]

    # Rows.

    def count(self, begin: datetime, end: datetime, branch: Sequence[str]) -> int:
        """Sound rows of a window."""
        return self._numbers(f"SELECT count(*) FROM sound WHERE {_within(begin, end, branch)}")[0]

    def body(self, begin: datetime, end: datetime, branch: Sequence[str], without: Sequence[int] = ()) -> str:
        """The sound rows of a window as the provider would send them.

        Args:
            begin: Start of the window.
            end: Its end, exclusive.
            branch: Values of the branch columns.
            without: Positions, from 0, of rows to leave out.
        """
        left_out = f" WHERE r NOT IN ({', '.join(map(str, without))})" if without else ""
        query = (
            f"SELECT string_agg(json, ',' ORDER BY r) FROM (SELECT json, row_number() OVER (ORDER BY n) - 1 AS r "
            f"FROM sound WHERE {_within(begin, end, branch)}){left_out}"
        )
        ((text,),) = self._db.execute(query).fetchall()
        return f"[{text or ''}]"

    def unsound(self, most: int, evidence: int) -> pa.Table:
        """Rows that are not loaded, as quarantine has them, with their reason; each content once.

        Args:
            most: Most unreadable and most contradicting rows.
            evidence: Most rows outside their window.
        """
        span = "coalesce(wf, wt, TIMESTAMP '1970-01-01') AS wf, coalesce(wt, wf, TIMESTAMP '1970-01-01') AS wt"
        taken = f"min(n) AS row_number, reason, json AS raw FROM (SELECT n, {span}, json"
        begin = f"(SELECT min(wf) AS wf, min(wt) AS wt, {taken}"
        parts = [
            f"{begin}, 'its window or its place in time cannot be read' AS reason "
            f"FROM judged WHERE NOT readable) GROUP BY reason, raw ORDER BY row_number LIMIT {most})",
            f"{begin}, 'outside the window that it was stored under' AS reason "
            f"FROM judged WHERE readable AND NOT inside) GROUP BY reason, raw ORDER BY row_number LIMIT {evidence})",
            f"{begin}, "
            f"'another row with the same key was ingested later or stands for it' AS reason "
            f"FROM judged J SEMI JOIN (SELECT n FROM contents ANTI JOIN winners USING (n)) L ON J.n = L.n) "
            f"GROUP BY reason, raw ORDER BY row_number LIMIT {most})",
        ]
        return self._db.sql(" UNION ALL ".join(parts)).to_arrow_table()


def _within(begin: datetime, end: datetime, branch: Sequence[str]) -> str:
    condition = f"moment >= {_ts(begin)} AND moment < {_ts(end)}"
    return condition + (f" AND branch = [{', '.join(map(_text, branch))}]" if branch else "")


def _column(member: str, column: str, stored: str, kind: FieldType) -> _Column:
    json = _value(column, stored, kind)
    quoted = stored == "VARCHAR" and kind in ("integer", "number")
    return _Column(member, json, kind, f"lower(trim({column}))" if quoted else f"CAST({json} AS VARCHAR)")


def _value(column: str, stored: str, kind: FieldType) -> str:
    """SQL of an old column's value as it stands in the provider's JSON."""
    if stored == "VARCHAR":
        if kind == "text":
            return column
        nothing = ", ".join(map(_text, NOTHING))
        value = f"CASE WHEN lower(trim({column})) NOT IN ({nothing}) THEN {column} END"
        if kind == "json":
            return f"coalesce(TRY_CAST({value} AS JSON), to_json({value}))"
        if kind in ("integer", "number"):
            # A number as such, where it is one: the fast reading takes no number in quotes.
            number = f"TRY_CAST({column} AS DOUBLE)"
            return f"coalesce(CASE WHEN isfinite({number}) THEN to_json({number}) END, to_json({value}))"
        return value
    if stored.startswith("TIMESTAMP"):
        return f"strftime({column}, '{'%Y-%m-%d' if kind == 'date' else '%Y-%m-%dT%H:%M:%S.%fZ'}')"
    if stored == "DATE":
        return f"strftime({column}, '%Y-%m-%d')"
    if stored in ("DOUBLE", "FLOAT"):
        finite = f"CASE WHEN NOT isnan({column}) THEN {column} END"
        whole = f"CASE WHEN {column} = floor({column}) AND abs({column}) < 1e15 THEN CAST({column} AS BIGINT) END"
        return f"coalesce(CAST({whole} AS VARCHAR), CAST({finite} AS VARCHAR))" if kind == "text" else finite
    return f"CAST({column} AS VARCHAR)" if kind == "text" else column


def _normal(value: str, kind: FieldType) -> str:
    """SQL of a value as text, written in one way."""
    if kind in ("integer", "number"):
        nothing = ", ".join(map(_text, NOTHING))
        said = f"CASE WHEN {value} NOT IN ({nothing}) THEN {value} END"
        return f"coalesce(CAST(TRY_CAST({said} AS DOUBLE) AS VARCHAR), {said})"
    if kind == "instant":
        return f"coalesce(CAST({_utc(value)} AS VARCHAR), {value})"
    if kind == "date":
        return f"left({value}, 10)"
    return f"lower({value})" if kind == "boolean" else value


def _digest(values: Sequence[str]) -> str:
    """128 bits over several texts, null told from an empty one."""
    marked = ", ".join(f"coalesce('+' || {value}, '-')" for value in values)
    return f"md5_number(concat_ws(chr(31), {marked}))" if values else "md5_number('')"


def _list(values: Sequence[str]) -> str:
    return f"CAST([{', '.join(values)}] AS VARCHAR[])"


def _utc(value: str) -> str:
    """SQL of a text's instant as UTC without a zone; a text without an offset is UTC."""
    return f"timezone('UTC', TRY_CAST({value} AS TIMESTAMPTZ))"


def _midnight(day: str) -> str:
    """SQL of the zone-less UTC instant at which a settlement day begins."""
    return f"timezone('UTC', timezone('Europe/London', {day}))"


def _london(instant: str) -> str:
    """SQL of the settlement day of a zone-less UTC instant."""
    return f"CAST(timezone('Europe/London', timezone('UTC', {instant})) AS DATE)"


def _ts(instant: datetime) -> str:
    return DUCKDB.instant(instant)


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
