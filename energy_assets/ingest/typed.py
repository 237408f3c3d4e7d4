"""From a body on disk to typed rows: the only place where JSON becomes columns.

Bodies are read by an embedded DuckDB in memory, never by Python loops. Every row ends in exactly one of: typed rows,
boundary rows (the next window's), duplicates, or quarantine with its raw JSON and the reason. Whether the answer is
the one that was asked for is decided here too, because it is a question about all rows; nothing here fetches, plans
or stores.

Two readings give the same typed rows. The fast one lets DuckDB type while it parses, straight into Arrow. It serves
a body in which every row is sound, inside the window and the only one of its key; for any other the careful one reads
every member as text, so that the odd rows can be named, counted and kept.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets import arrow
from energy_assets.catalogue.model import Dataset, Field, FieldType, Table
from energy_assets.errors import ContractError
from energy_assets.ingest.columns import (
    EXACT_INTEGER,
    FIRST_INSTANT,
    LAST_INSTANT,
    Stamp,
    places,
    repeats_a_key,
    shown_place,
    stamped,
    stored,
)
from energy_assets.ingest.hashing import RowWords
from energy_assets.ingest.members import MemberCount, count_members
from energy_assets.ingest.messages import Unpacked, unpack, without
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt
from energy_assets.ingest.poison import Halving

__all__ = ["RefusedBodyError", "Stamp", "Typed", "TypingEngine", "stamp_rows"]

ENGINE_MEMORY = "192MB"
"""Memory of one typing engine: a window's body is tens of megabytes at most, and two engines work at once."""

LARGEST_RECORD = 16 * 1024 * 1024
"""Bytes of one JSON record; the largest seen are messages of a few kilobytes, so this only bounds nonsense."""

USUAL_RECORD = 1024 * 1024
"""The same for the fast reading: the parser's buffers are multiples of it, and small ones are a tenth faster."""

QUARANTINE_LIMIT = 0.01
"""Share of a window's rows that may be untypable before the window itself is refused."""

EVIDENCE_ROWS = 100
"""Rows outside the window that are quarantined with a refused answer: enough to see what was answered, and not the
whole of an answer that comes again at each tick."""

UNNAMED = "unnamed"
"""Column of a member whose name is empty."""

NEW_COLUMNS_MOST = 64
"""Members unknown to the catalogue that become columns, those of most records first: a new version brings a few."""

LONGEST_NEW = 200
"""Characters of the name of such a member; columns are named after it."""

FURTHER = "further_members"
"""Column of a JSON object with the unknown members beyond."""

HOLD_BACK_ROWS = 5_000
"""A refused window of at most this many rows is quarantined whole, so that none of its rows is lost with its body;
larger bodies stay in the spool and are asked for again."""

RAW = "_raw"
REASON = "_reason"
ROW = "_row"
WORKING = (RAW, REASON, ROW, "_winner", "_agrees")
"""Columns of the careful reading's own; a member of such a name gets another."""

_WIRE: dict[FieldType, str] = {
    "text": "VARCHAR",
    "integer": "DOUBLE",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "VARCHAR",
    "instant": "TIMESTAMPTZ",
    "json": "JSON",
}
"""How members are read. Integers come as doubles because a BIGINT rounds 3.7 without a word; instants with their zone
because a TIMESTAMP ignores an offset; dates as text because a DATE cuts the time of day off."""

_STORED: dict[FieldType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "instant": "TIMESTAMP",
    "json": "VARCHAR",
}

_UNKNOWN = "Member that the catalogue does not know yet."

_NUL = "\0"
_NUL_SQL = "' || chr(0) || '"

_DATE_TEXT = r"^\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?(Z|\+00:00)?)?$"


@dataclass(frozen=True)
class Typed:
    """One body, typed.

    Attributes:
        rows: Arrow table of ``table.columns`` and then ``extra``; complete provenance.
        quarantine: Rows that could not be typed (``QUARANTINE_SCHEMA``).
        fetched: Records in the body.
        boundary: Records at exactly the window's end, which the next window holds.
        duplicate: Records equal to another of the body in every column.
        extra: Members that the catalogue does not know, as text columns.
        missing: Catalogued columns that no record had.
        messages: Of a segment of messages, one row for each (``MESSAGES_SCHEMA``).
        unreadable: Of a segment, the digests of the bodies of messages that could not be read.
    """

    rows: pa.Table
    quarantine: pa.Table
    fetched: int
    boundary: int = 0
    duplicate: int = 0
    extra: tuple[Field, ...] = ()
    missing: tuple[str, ...] = ()
    messages: pa.Table | None = None
    unreadable: tuple[str, ...] = ()


def counted(receipt: Receipt, typed: Typed) -> Receipt:
    """The receipt with what typing tells of the answer's rows and columns."""
    counts = Counts(
        fetched=typed.fetched,
        boundary=typed.boundary,
        duplicate=typed.duplicate,
        quarantined=typed.quarantine.num_rows,
    )
    return receipt.with_(counts=counts, new_columns=tuple(f.name for f in typed.extra), missing_columns=typed.missing)


class RefusedBodyError(ContractError):
    """A window's answer is not what was asked for.

    Attributes:
        fetched: Records in the answer, zero where it cannot be read.
        quarantine: The rows that show it, where there are such.
        outside: Whether it is refused for rows outside the window.
    """

    def __init__(self, message: str, fetched: int, quarantine: pa.Table, *, outside: bool = False) -> None:
        super().__init__(message)
        self.fetched = fetched
        self.quarantine = quarantine
        self.outside = outside


class TypingEngine:
    """Types bodies, one at a time; hold one per worker thread and close it."""

    def __init__(self, threads: int = 1) -> None:
        # Arrow's own allocator keeps what was freed: 40 MB more at the peak of a day of BOD, and no faster.
        pa.set_memory_pool(pa.system_memory_pool())
        self._connection = duckdb.connect(":memory:")
        for setting in (f"threads={int(threads)}", f"memory_limit='{ENGINE_MEMORY}'", "TimeZone='UTC'"):
            self._connection.execute(f"SET {setting}")

    def close(self) -> None:
        """Release the engine's memory."""
        self._connection.close()

    def type_body(self, dataset: Dataset, body: Path, stamp: Stamp, refused: str = "") -> Typed:
        """Type one whole body.

        Args:
            dataset: The catalogue entry.
            body: File with the decoded JSON text.
            stamp: The window that was asked for, and what provenance is to say.
            refused: Why the messages of a segment are all to be set aside, where that is so.

        Raises:
            RefusedBodyError: The body is not JSON rows, rows lie outside the window, or too many cannot be typed.
        """
        if dataset.query.framing != "rows":
            return self._type_messages(dataset, body, stamp, refused)
        with _rows_file(dataset, body, stamp) as path:
            return self._read(dataset, path, stamp)

    def _type_messages(self, dataset: Dataset, body: Path, stamp: Stamp, refused: str) -> Typed:
        """Type the rows of a segment; a message that cannot be read counts as one record, which is quarantined."""
        unpacked = unpack(body, dataset, stamp, refused)
        try:
            typed, unpacked = self._read_messages(dataset, body, stamp, unpacked)
        finally:
            unpacked.rows.unlink()
        return replace(
            typed,
            quarantine=pa.concat_tables([unpacked.quarantine, typed.quarantine]),
            fetched=typed.fetched + len(unpacked.unreadable),
            # What is set aside is no part of what this store knows.
            messages=None if refused else unpacked.messages,
            unreadable=unpacked.unreadable,
        )

    def _read_messages(self, dataset: Dataset, body: Path, stamp: Stamp, unpacked: Unpacked) -> tuple[Typed, Unpacked]:
        try:
            return self._read(dataset, unpacked.rows, stamp), unpacked
        except Exception as error:
            # Whatever it is: a message that nobody foresaw must not take the others with it.
            halving = Halving(lambda piece: self._read(dataset, piece, stamp), unpacked)
            typed = halving.run(error)
        return typed, without(unpacked, halving.reasons, body, dataset, stamp)

    def _read(self, dataset: Dataset, path: Path, stamp: Stamp) -> Typed:
        reading = _Reading(self._connection, dataset, path, stamp)
        try:
            return reading.run()
        except duckdb.Error as error:
            raise reading.refusal(f"the body cannot be read ({_first_line(error)})") from error


def stamp_rows(table: Table, rows: pa.Table, stamp: Stamp) -> pa.Table:
    """Add provenance and hash to rows that already have the table's columns (derived tables).

    Args:
        table: The table's description.
        rows: Columns by name; order does not matter, types are cast to the table's, instants are UTC.
        stamp: What provenance is to say.

    Raises:
        ContractError: A column is missing, unknown, or cannot be cast.
    """
    wanted = [f.name for f in table.fields]
    if sorted(rows.column_names) != sorted(wanted):
        odd = sorted(set(rows.column_names) ^ set(wanted))
        raise ContractError(
            f"{table.name}: columns missing or unknown: {', '.join(odd)}; they must be those of its description"
        )
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET TimeZone='UTC'")
        connection.register("staged", rows)
        typed = ", ".join(f"CAST({_q(f.name)} AS {_STORED[f.type]}) AS {_q(f.name)}" for f in table.fields)
        return stamped(connection.sql(f"SELECT {typed} FROM staged").to_arrow_table(), table, stamp)
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        raise ContractError(f"{table.name}: a value does not fit its column: {_first_line(error)}") from error
    finally:
        connection.close()


class _Reading:
    """One body's way through the engine."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, dataset: Dataset, path: Path, stamp: Stamp) -> None:
        self._db = connection
        self._dataset = dataset
        self._table = dataset.table
        self._path = path
        self._file = f"'{_escape(str(path))}'"
        self._stamp = stamp
        self._extra: tuple[Field, ...] = ()
        self._wire: list[tuple[str, Field]] = []

    def run(self) -> Typed:
        self._wire = [(member, f) for f in self._table.fields if f.origin == "row" for member in (f.name, *f.aliases)]
        read = self._read_fast()
        counted = self._counted(read) if read is not None else None
        if read is not None and counted is not None and counted.literals == self._flags(read):
            keys = self._known_keys(read, counted)
            if keys is not None:
                return self._judged(read, keys) or self._run_carefully(read.num_rows, keys)
        else:
            # A flag where a number belongs, or the reverse, would be turned into the other without a word.
            read = None
        fetched, counts = self._members()
        if fetched == 0:
            return Typed(self._empty(), arrow.empty(QUARANTINE_SCHEMA), 0)
        keys = set(counts)
        self._extra = self._unknown(counts)
        sound = self._judged(read, keys) if read is not None and not self._extra else None
        return sound or self._run_carefully(fetched, keys)

    def _judged(self, read: pa.Table, keys: set[str]) -> Typed | None:
        """What the fast reading gives, or ``None`` where a row needs a closer look."""
        if any(self._present(read, name).null_count for name in self._required()):
            return None
        found = places(read, self._dataset.check, self._stamp.window)
        if found.outside.any():
            return None
        boundary = int(found.at_end.sum())
        rows = read.filter(arrow.flags(found.inside)) if boundary else read
        words = RowWords(rows)
        if repeats_a_key(words, self._table):
            return None
        rows = stamped(rows, self._table, self._stamp, words)
        nothing = arrow.empty(QUARANTINE_SCHEMA)
        return Typed(rows, nothing, read.num_rows, boundary, 0, self._extra, self._missing(keys))

    def _run_carefully(self, fetched: int, keys: set[str]) -> Typed:
        # What does not fit in memory goes beside the body, never into the current folder.
        self._db.execute(f"SET temp_directory='{_escape(str(self._path.parent / 'typing'))}'")
        try:
            self._read_carefully()
            quarantine = self._quarantine(fetched)
            rows, boundary = self._within(fetched, quarantine)
            rows, quarantine, duplicate = self._settle_duplicates(rows, fetched, quarantine)
        finally:
            for name in ("wire", "typed", "ranked", "judged"):
                self._db.execute(f"DROP TABLE IF EXISTS temp.{name}")
        return Typed(rows, quarantine, fetched, boundary, duplicate, self._extra, self._missing(keys))

    def _missing(self, keys: set[str]) -> tuple[str, ...]:
        """Catalogued columns that no record has."""
        if self._dataset.query.scalars:
            return ()
        return tuple(f.name for f in self._table.fields if f.origin == "row" and not keys & {f.name, *f.aliases})

    def _whole(self, read: pa.Table) -> set[str]:
        """Columns without nulls: each accounts for one member a record."""
        plain = (f.name for f in self._table.fields if f.origin == "row" and not f.aliases)
        return {name for name in plain if not read.column(name).null_count}

    def _counted(self, read: pa.Table) -> MemberCount | None:
        """Members counted in the body's bytes, one by one where a column does not account for them."""
        whole = self._whole(read)
        return count_members(
            self._path, [*(member for member, _ in self._wire if member not in whole), *self._dataset.ignored]
        )

    def _flags(self, read: pa.Table) -> int:
        """How many values of the body are true or false by the catalogue."""
        flags = [f.name for f in self._table.fields if f.type == "boolean"]
        return sum(read.num_rows - read.column(name).null_count for name in flags)

    def _known_keys(self, read: pa.Table, counted: MemberCount) -> set[str] | None:
        """Every member that any record has, where the body's bytes prove that no unknown one is among them."""
        whole = self._whole(read)
        if counted.total != len(whole) * read.num_rows + sum(counted.named.values()):
            return None
        return whole | {name for name, count in counted.named.items() if count}

    def _members(self) -> tuple[int, Counter[str]]:
        """Number of records, and how many of them have a member, by its name."""
        if self._dataset.query.scalars:
            found = self._first(f"SELECT count(*) FROM {self._objects()}")
            return (int(found[0]) if found else 0), Counter()
        try:
            groups = self._db.execute(
                f"SELECT json_keys(json) AS k, count(*) FROM {self._objects()} GROUP BY k"
            ).fetchall()
        except duckdb.Error as error:
            raise self.refusal(f"the body is not a JSON array of records ({_first_line(error)})") from error
        counts: Counter[str] = Counter()
        for keys, number in groups:
            counts.update(dict.fromkeys(keys or (), int(number)))
        return sum(int(n) for _, n in groups), counts

    def _objects(self) -> str:
        return f"read_json_objects({self._file}, format='array', maximum_object_size={LARGEST_RECORD})"

    def _unknown(self, counts: Mapping[str, int]) -> tuple[Field, ...]:
        """Members that the entry does not name, as text columns; a name differs from others in more than case."""
        members = {member for member, _ in self._wire}
        unknown = sorted(counts.keys() - members - set(self._dataset.ignored))
        usual = sorted((key for key in unknown if len(key) <= LONGEST_NEW), key=lambda key: -counts[key])
        own = sorted(usual[:NEW_COLUMNS_MOST])
        taken = {name.lower() for name in (*members, *map(_raw_of, members), *WORKING, *dict(self._table.columns))}
        extra = [Field(_free(key.replace(_NUL, "") or UNNAMED, taken), "text", _UNKNOWN, aliases=(key,)) for key in own]
        if len(own) < len(unknown):
            extra.append(
                Field(_free(FURTHER, taken), "text", "Further members that the catalogue does not know, JSON.")
            )
        return tuple(extra)

    def _extra_value(self, f: Field) -> str:
        """SQL for what a record has in a column that the catalogue does not know."""
        if f.aliases:
            return _member(f.aliases[0], "text")
        kept = [
            *(member for member, _ in self._wire),
            *self._dataset.ignored,
            *(x for e in self._extra for x in e.aliases),
        ]
        # A patch takes away the members that it says are null.
        patch = _escape(json.dumps(dict.fromkeys(kept)))
        return f"nullif(CAST(json_merge_patch(json, '{patch}') AS VARCHAR), '{{}}')"

    def _read_fast(self) -> pa.Table | None:
        """All rows as stored, without provenance; ``None`` where there is none or a value does not fit its type.

        Members whose names differ only in case cannot be told apart this way.
        """
        members = {member: _WIRE[f.type] for member, f in self._wire}
        if self._dataset.query.scalars or len({member.lower() for member in members}) < len(members):
            return None
        spec = ", ".join(f"'{_escape(m)}': '{t}'" for m, t in members.items())
        wire = f"read_json({self._file}, columns={{{spec}}}, format='array', maximum_object_size={USUAL_RECORD})"
        # JSON has a type of its own in Arrow; every other wire type has a plain one.
        nested = ", ".join(f"{_q(m)}::VARCHAR AS {_q(m)}" for m, t in members.items() if t == "JSON")
        wanted = f"* REPLACE ({nested})" if nested else "*"
        try:
            read = self._db.sql(f"SELECT {wanted} FROM {wire}").to_arrow_table()
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            return None
        return self._stored_columns(read) if read.num_rows else None

    def _stored_columns(self, read: pa.Table) -> pa.Table | None:
        """The table's fields."""
        columns: dict[str, pa.ChunkedArray | pa.Array] = {}
        for f in self._table.fields:
            if f.origin == "request":
                columns[f.name] = arrow.repeated(dict(self._stamp.window.branch)[f.name], read.num_rows)
                continue
            found = stored(read.column(f.name), f.type)
            for alias in f.aliases:
                other = stored(read.column(alias), f.type)
                found = None if found is None or other is None else pc.coalesce(found, other)
            if found is None:
                return None
            columns[f.name] = _without_blanks(found) if f.name in dict(self._table.key_fallback) else found
        return pa.table(columns)

    def _present(self, read: pa.Table, name: str) -> pa.ChunkedArray:
        """A column, with its fallback's values where it is null."""
        fallback = dict(self._table.key_fallback).get(name)
        return pc.coalesce(read.column(name), read.column(fallback)) if fallback else read.column(name)

    def _read_carefully(self) -> None:
        """Read every member as text and cast it, keeping each record's JSON and position."""
        parts = []
        for member, f in self._wire:
            value = raw = self._said(member, f)
            if self._dataset.query.scalars:
                value, raw = "CASE WHEN json_type(json) = 'VARCHAR' THEN json->>'$' END", "json::VARCHAR"
            parts.append(f"{_careful_cast(value, f.type)} AS {_q(member)}, {raw} AS {_q(_raw_of(member))}")
        parts += [f"{self._extra_value(f)} AS {_q(f.name)}" for f in self._extra]
        self._db.execute(
            f"CREATE OR REPLACE TEMP TABLE wire AS SELECT row_number() OVER () - 1 AS {ROW}, json::VARCHAR AS {RAW}, "
            f"{', '.join(parts)} FROM {self._objects()}"
        )
        columns = self._typed_columns([f.name for f in self._extra])
        reason = f"{self._reason()} AS {REASON}"
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT {columns}, {ROW}, {RAW}, {reason} FROM wire")
        self._db.execute("DROP TABLE wire")

    def _said(self, member: str, f: Field) -> str:
        """SQL for what the record says of a member; an empty text says nothing where text is not what belongs there."""
        value = _member(member, f.type)
        return f"nullif({value}, '')" if f.type != "text" or f.name in dict(self._table.key_fallback) else value

    def _typed_columns(self, extra: Sequence[str]) -> str:
        """SELECT list from wire values to stored ones; ``extra`` names the wire columns of unknown members."""
        columns = []
        branch = dict(self._stamp.window.branch)
        for f in self._table.fields:
            if f.origin == "request":
                columns.append(f"'{_escape(branch[f.name])}' AS {_q(f.name)}")
                continue
            value = _coalesced(f)
            columns.append(f"{_stored(value, f.type)} AS {_q(f.name)}")
        columns += [f"{_q(wire)} AS {_q(f.name)}" for wire, f in zip(extra, self._extra, strict=True)]
        return ", ".join(columns)

    def _reason(self) -> str:
        """SQL text giving the first reason why a row cannot be stored, or null."""
        faults = [fault for member, f in self._wire for fault in _faults(member, f.type)]
        faults += [(f"{self._identity(name)} IS NULL", f"'{_escape(name)} is missing'") for name in self._required()]
        if not faults:
            return "CAST(NULL AS VARCHAR)"
        return "CASE " + " ".join(f"WHEN {condition} THEN {text}" for condition, text in faults) + " END"

    def _required(self) -> list[str]:
        """Columns without which a row has no identity, day or place in the window."""
        table, check = self._table, self._dataset.check
        names = [n for n in table.natural_key if n in table.by_name and not table.by_name[n].nullable]
        names += [n for n in (table.storage.column, check.column, check.period_column) if n is not None]
        return [n for n in dict.fromkeys(names) if table.by_name[n].origin == "row"]

    def _identity(self, name: str) -> str:
        fallback = dict(self._table.key_fallback).get(name)
        own = _coalesced(self._table.by_name[name])
        return f"coalesce({own}, {_coalesced(self._table.by_name[fallback])})" if fallback else own

    def _quarantine(self, fetched: int) -> pa.Table:
        """Rows that cannot be typed; refuses the body when they are too many."""
        bad = self._scalar(f"SELECT count({REASON}) FROM typed")
        # Messages were sent one by one: however many are bad, that says nothing of the others.
        if bad <= fetched * QUARANTINE_LIMIT or self._dataset.query.framing != "rows":
            return self._quarantined(f"{REASON} IS NOT NULL", REASON)
        first = self._first(f"SELECT {REASON} FROM typed WHERE {REASON} IS NOT NULL ORDER BY {ROW} LIMIT 1")
        message = f"{bad} of {fetched} rows cannot be typed, first: {first[0] if first else '?'}"
        held = f"coalesce({REASON}, 'held back: {bad} of the {fetched} rows of the window cannot be typed')"
        rows = self._quarantined("TRUE" if fetched <= HOLD_BACK_ROWS else f"{REASON} IS NOT NULL", held)
        raise self.refusal(message, fetched, rows)

    def _quarantined(self, condition: str, reason: str, source: str = "typed") -> pa.Table:
        window, stamp = self._stamp.window, self._stamp
        text = f"""
            SELECT '{_escape(self._dataset.code)}' AS dataset, '{_escape(stamp.receipt_id)}' AS receipt_id,
                {_ts(window.from_utc)} AS window_from_utc, {_ts(window.to_utc)} AS window_to_utc,
                {_ts(stamp.ingested_utc)} AS recorded_utc, {ROW} AS row_number, {reason} AS reason, {RAW} AS raw
            FROM {source} WHERE {condition} ORDER BY {ROW}"""
        return self._db.sql(text).to_arrow_table().cast(QUARANTINE_SCHEMA)

    def _within(self, fetched: int, quarantine: pa.Table) -> tuple[pa.Table, int]:
        """Sound rows inside the window with their position, and the number of those at its inclusive end.

        Raises:
            RefusedBodyError: A row lies outside the window.
        """
        names = ", ".join(_q(f.name) for f in (*self._table.fields, *self._extra))
        good = self._db.sql(f"SELECT {names}, {ROW} FROM typed WHERE {REASON} IS NULL ORDER BY {ROW}").to_arrow_table()
        check = self._dataset.check
        found = places(good, check, self._stamp.window)
        outside = found.outside
        if outside.any():
            first = shown_place(good, check, int(outside.argmax()))
            numbers = arrow.to_numpy(good.column(ROW))[outside][:EVIDENCE_ROWS]
            shown = self._quarantined(f"{ROW} IN ({', '.join(map(str, numbers))})", "'outside the window'")
            raise RefusedBodyError(
                f"{self._dataset.code} {self._stamp.window}: {int(outside.sum())} of {fetched} rows lie outside the "
                f"window, first: {first}; the provider answered another question than the one asked",
                fetched,
                pa.concat_tables([quarantine, shown]),
                outside=True,
            )
        return good.filter(arrow.flags(found.inside)), int(found.at_end.sum())

    def _settle_duplicates(self, rows: pa.Table, fetched: int, quarantine: pa.Table) -> tuple[pa.Table, pa.Table, int]:
        """Keep one of equal rows; of rows that contradict each other keep one and quarantine the rest.

        Returns:
            Rows, quarantine, and the number of rows that equal another.
        """
        numbers = rows.column(ROW)
        marked = stamped(rows.drop_columns([ROW]), self._table, self._stamp)
        groups = ", ".join([*self._key_expressions(), *(_q(o.column) for o in self._table.latest_order)])
        self._db.register("kept", marked.append_column(ROW, numbers))
        try:
            if self._scalar(
                f"SELECT count(*) FROM (SELECT 1 FROM kept GROUP BY {groups} HAVING count(DISTINCT _hash_key) > 1)"
            ):
                return self._settle_contradictions(groups, quarantine)
            names = ", ".join(_q(n) for n in marked.column_names)
            distinct = self._db.sql(f"SELECT DISTINCT {names} FROM kept").to_arrow_table()
        finally:
            self._db.unregister("kept")
        return distinct, quarantine, marked.num_rows - distinct.num_rows

    def _settle_contradictions(self, groups: str, quarantine: pa.Table) -> tuple[pa.Table, pa.Table, int]:
        """Of rows with one key keep the fullest (then the one with the greatest hash, so that order never matters).

        A row that says nothing else than the kept one is a duplicate of it; one that does is quarantined.
        """
        own = [_q(f.name) for f in (*self._table.fields, *self._extra)]
        filled = " + ".join(f"({c} IS NOT NULL)::INTEGER" for c in own)
        said = " + ".join(f"(count({c}) OVER same > 0)::INTEGER" for c in own)
        agree = " AND ".join(f"min({c}) OVER same IS NOT DISTINCT FROM max({c}) OVER same" for c in own)
        self._db.execute(
            f"CREATE OR REPLACE TEMP TABLE ranked AS SELECT *, first_value(_hash_key) OVER best AS _winner, "
            f"{agree} AND {said} = max({filled}) OVER same AS _agrees FROM kept "
            f"WINDOW same AS (PARTITION BY {groups}), "
            f"best AS (PARTITION BY {groups} ORDER BY {filled} DESC, _hash_key DESC)"
        )
        key = _escape(", ".join(self._table.natural_key))
        self._db.execute(
            f"CREATE OR REPLACE TEMP TABLE judged AS SELECT w.{ROW}, w.{RAW}, "
            f"'another row of the same answer has the same key ({key}) and other values' AS {REASON} "
            f"FROM typed w JOIN ranked r USING ({ROW}) WHERE r._hash_key <> r._winner AND NOT r._agrees"
        )
        refused = self._quarantined("TRUE", REASON, "judged")
        names = ", ".join(_q(n) for n in self._output_names())
        rows = self._db.sql(f"SELECT DISTINCT {names} FROM ranked WHERE _hash_key = _winner").to_arrow_table()
        duplicate = self._scalar("SELECT count(*) FROM ranked") - rows.num_rows - refused.num_rows
        return rows, pa.concat_tables([quarantine, refused]), duplicate

    def _key_expressions(self) -> list[str]:
        """The natural key's columns that a body has; the snapshot day is the same for all of its rows."""
        fallback = dict(self._table.key_fallback)
        names = [n for n in self._table.natural_key if n in self._table.by_name]
        return [f"coalesce({_q(n)}, {_q(fallback[n])})" if n in fallback else _q(n) for n in names]

    def _output_names(self) -> list[str]:
        return [name for name, _ in self._table.columns] + [f.name for f in self._extra]

    def _empty(self) -> pa.Table:
        columns = ", ".join(f"CAST(NULL AS {_STORED[kind]}) AS {_q(name)}" for name, kind in self._table.columns)
        return self._db.sql(f"SELECT {columns} LIMIT 0").to_arrow_table()

    def _scalar(self, text: str) -> int:
        found = self._first(text)
        return int(found[0]) if found else 0

    def _first(self, text: str) -> tuple[Any, ...] | None:
        # The whole result is taken: a connection with an unfinished one refuses other work.
        rows = self._db.execute(text).fetchall()
        return rows[0] if rows else None

    def refusal(self, message: str, fetched: int = 0, quarantine: pa.Table | None = None) -> RefusedBodyError:
        """The error that refuses the body, naming dataset and window."""
        text = f"{self._dataset.code} {self._stamp.window}: {message}"
        return RefusedBodyError(text, fetched, arrow.empty(QUARANTINE_SCHEMA) if quarantine is None else quarantine)


@contextmanager
def _rows_file(dataset: Dataset, body: Path, stamp: Stamp) -> Iterator[Path]:
    """The file holding the body's array of records: the body itself, or what stands under ``data`` in its envelope."""
    opening, closing = _ends(body)

    def refuse(message: str) -> RefusedBodyError:
        return RefusedBodyError(f"{dataset.code} {stamp.window}: {message}", 0, arrow.empty(QUARANTINE_SCHEMA))

    if opening == b"[":
        if closing != b"]":
            raise refuse("the body ends before its array does; ask for the window again")
        yield body
        return
    if opening != b"{" or closing != b"}":
        raise refuse("the body is not JSON, or ends early; ask for the window again")
    rows = _enveloped(body.read_bytes(), refuse)
    inner = body.with_name(f"{body.name}.rows")
    inner.write_bytes(rows)
    try:
        yield inner
    finally:
        inner.unlink()


def _ends(body: Path) -> tuple[bytes, bytes]:
    """First and last byte of a file that is not white space."""
    edge = 4096
    with body.open("rb") as file:
        first = file.read(edge).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        file.seek(max(0, body.stat().st_size - edge))
        last = file.read().rstrip()[-1:]
    return first, last


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"")


def _enveloped(text: bytes, refuse: Callable[[str], RefusedBodyError]) -> bytes:
    try:
        inner = bytes(msgspec.json.decode(text.removeprefix(codecs.BOM_UTF8), type=_Envelope).data)
    except msgspec.DecodeError as error:
        raise refuse(f"the body is not JSON ({error}); ask for the window again") from error
    if not inner.lstrip().startswith(b"["):
        raise refuse("the body has no array under 'data'; the provider answered something else than rows")
    return inner


def _raw_of(member: str) -> str:
    """Column with what a record said of a catalogued member."""
    return f"raw {member}"


def _free(name: str, taken: set[str]) -> str:
    """The name, or one with a number where it differs from another in case at most; it is taken from then on."""
    plain = name
    count = 1
    while name.lower() in taken:
        count += 1
        name = f"{plain}_{count}"
    taken.add(name.lower())
    return name


def _faults(member: str, kind: FieldType) -> Iterator[tuple[str, str]]:
    """Conditions under which a member's value cannot be stored, each with SQL for the reason."""
    value, raw, name = _q(member), _q(_raw_of(member)), _escape(member)
    yield f"{raw} IS NOT NULL AND {value} IS NULL", f"'{name} is not {_an(kind)}: ' || left({raw}, 80)"
    if kind in ("integer", "number"):
        yield f"NOT isfinite({value})", f"'{name} is not a finite number'"
    if kind == "integer":
        whole = f"{value} <> floor({value}) OR abs({value}) >= {EXACT_INTEGER}"
        yield whole, f"'{name} is not a whole number: ' || {value}"
    if kind == "date":
        unread = f"{value} IS NOT NULL AND {_stored(value, 'date')} IS NULL"
        yield unread, f"'{name} is not a date: ' || left({value}, 80)"
    if kind == "instant":
        beyond = f"{value}::TIMESTAMP NOT BETWEEN {_ts(FIRST_INSTANT)} AND {_ts(LAST_INSTANT)}"
        yield beyond, f"'{name} is beyond all dates: ' || left({raw}, 80)"


def _without_blanks(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A key column in which an empty text is no identity."""
    # Comparing with a Python value would import pandas; see ``energy_assets.arrow``.
    if pc.min(pc.binary_length(column)).as_py() != 0:
        return column
    return pc.if_else(pc.equal(column, ""), None, column)


def _coalesced(f: Field) -> str:
    names = [_q(member) for member in (f.name, *f.aliases)]
    return names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"


def _stored(value: str, kind: FieldType) -> str:
    """SQL that turns a wire value into the stored one; null where it cannot."""
    if kind == "integer":
        return f"CASE WHEN {value} = floor({value}) AND abs({value}) < {EXACT_INTEGER} THEN CAST({value} AS BIGINT) END"
    if kind == "date":
        midnight = f"regexp_matches({value}, '{_DATE_TEXT}')"
        return f"CASE WHEN length({value}) = 10 OR {midnight} THEN TRY_CAST(left({value}, 10) AS DATE) END"
    if kind == "instant":
        return f"CAST({value} AS TIMESTAMP)"
    if kind == "json":
        return f"CAST({value} AS VARCHAR)"
    return value


def _member(member: str, kind: FieldType) -> str:
    """SQL for one member of the record as text (as JSON for nested ones); null for JSON null."""
    # A path cannot name a member without a name; a pointer can.
    path = '$."' + member.replace('"', '\\"') + '"' if member else "/"
    # A statement ends at a NUL.
    value = f"(json->('{_escape(path).replace(_NUL, _NUL_SQL)}'))" if _NUL in path else f"(json->'{_escape(path)}')"
    if kind == "json":
        return f"nullif(CAST({value} AS VARCHAR), 'null')"
    # Writes a number as the fast reading does, which ``->>`` does not: 1e+300 and 1e300.
    return f"json_transform({value}, '\"VARCHAR\"')"


def _careful_cast(value: str, kind: FieldType) -> str:
    if kind in ("text", "date", "json"):
        return value
    return f"TRY_CAST({value} AS {_WIRE[kind]})"


def _an(kind: FieldType) -> str:
    return {"integer": "a number", "number": "a number", "boolean": "true or false", "instant": "a date and time"}.get(
        kind, "usable"
    )


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escape(text: str) -> str:
    return text.replace("'", "''")


def _ts(instant: datetime) -> str:
    return f"TIMESTAMP '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"


def _first_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error).splitlines()[0])[:200]
