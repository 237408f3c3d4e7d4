"""Reading a table of the portal whole: as a dump, or page by page, with its schema.

What columns mean is the catalogue's business. A table may be loaded anew by its owner while it is read; then it is read
again from the start, because rows of two loads do not belong together.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

import httpx
import msgspec

from energy_assets.errors import ContractError, FetchError, TransportError
from energy_assets.ingest.model import Body
from energy_assets.ingest.spool import disk_error
from energy_assets.sources.body import part_of
from energy_assets.sources.neso.download import body_of
from energy_assets.sources.neso.portal import Resource
from energy_assets.sources.neso.storing import FILE_MOST_BYTES, HEADERS, Stored, store
from energy_assets.sources.neso.sweep import act
from energy_assets.sources.neso.wire import Received, Wire, explained

PAGE_ROWS = 32_000
"""Rows asked for at once, the most that CKAN gives where nothing else is configured. How many a page may have is read
from the answer."""

RESTARTS = 2
"""How often a table that was loaded anew while it was read is begun again: loads take minutes and are hours apart, so
one that moves a third time is written to all the time."""

HEADER_MOST_BYTES = 1 << 20
"""Longest header of a dump: a thousand columns with names of a thousand letters."""

COUNT_BYTES = 1 << 20
"""Piece in which a dump is looked through for the ends of its rows."""

ROW_NUMBER = "_id"
"""CKAN's own number of a row; another one after each load, so no part of the data."""

UNTOLD = frozenset({ROW_NUMBER, "_full_text"})
"""Columns that CKAN adds."""

PAGES_MOST = 4
"""Pages beyond which a table is dumped instead: a dump takes three turns of the lane, whatever its size."""

Form = Literal["csv", "pages"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: As it stands in rows and headers, blanks included.
        type: PostgreSQL type: ``text``, ``int4``, ``numeric``, ``timestamp`` and others.
        info: What the data dictionary says of it: ``title``, ``description``, ``unit`` and others; may be empty.
    """

    name: str
    type: str
    info: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a table looks like.

    Attributes:
        columns: In the table's order, without those that CKAN adds.
        total: Rows that it has.
    """

    columns: tuple[Column, ...]
    total: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table on disk.

    Attributes:
        body: The file. ``csv``: as dumped, with a header. ``pages``: one JSON object a line, in the portal's own shape
            without CKAN's columns: ``result`` with ``fields``, ``records``, ``offset`` and ``total``; values are as the
            portal wrote them.
        resource: The resource as the sweep told it.
        schema: Columns and rows, the same before and after.
        form: Which of the two.
        restarts: How often it was begun again because it moved.
    """

    body: Body
    resource: Resource
    schema: Schema
    form: Form
    restarts: int = 0


class _MovedError(Exception):
    """A table was loaded anew while it was read; the message says what differs."""


class _LongError(Exception):
    """A table has more pages than are worth reading."""


class _Field(msgspec.Struct):
    id: str
    type: str = ""
    info: dict[str, Any] | None = None


class _Search(msgspec.Struct):
    fields: list[_Field]
    total: int
    limit: int | None = None
    resource_id: str = ""
    records: list[dict[str, msgspec.Raw]] = msgspec.field(default_factory=list)


_search = msgspec.json.Decoder(_Search)
_row_number = msgspec.json.Decoder(int)


async def schema_of(wire: Wire, resource: Resource, *, group: str = "") -> Schema:
    """Columns and number of rows, in one request without rows.

    Raises:
        TransportError: No whole answer came.
        StatusError: The portal refused; 404 where the table is gone.
        ContractError: The answer is not as CKAN documents it.
    """
    return (await _asked(wire, resource, {"limit": "0"}, group)).schema


async def dump(
    wire: Wire, resource: Resource, destination: Path, *, most: int = FILE_MOST_BYTES, group: str = ""
) -> Table:
    """A whole table as CSV, in three requests: its size before, the dump, its size after.

    Args:
        wire: The portal.
        resource: Whose table.
        destination: File to make; its folder exists.
        most: Most bytes allowed.
        group: Requests that are counted together.

    Raises:
        TransportError: No whole table came, or it moved each time that it was read.
        StatusError: The portal refused; 404 where the table is gone.
        ContractError: The table is larger than allowed, or an answer is not as CKAN documents it.
        SpoolError: The disk refused.
    """
    return await _settled(resource, destination, lambda: _dump(wire, resource, destination, most, group))


async def pages(
    wire: Wire,
    resource: Resource,
    destination: Path,
    *,
    most: int = FILE_MOST_BYTES,
    page_rows: int = PAGE_ROWS,
    group: str = "",
) -> Table:
    """A whole table page by page, one JSON object a line: one request where a page holds it all.

    Args:
        wire: The portal.
        resource: Whose table.
        destination: File to make; its folder exists.
        most: Most bytes allowed.
        page_rows: Rows asked for at once; the portal may give fewer.
        group: Requests that are counted together.

    Raises:
        TransportError: No whole table came, or it moved each time that it was read.
        StatusError: The portal refused; 404 where the table is gone.
        ContractError: The table is larger than allowed, or an answer is not as CKAN documents it.
        SpoolError: The disk refused.
    """
    return await _settled(resource, destination, lambda: _pages(wire, resource, destination, most, page_rows, group))


async def whole(
    wire: Wire, resource: Resource, destination: Path, *, most: int = FILE_MOST_BYTES, group: str = ""
) -> Table:
    """A whole table in as few turns of the lane as its size allows: by page where it has few, else as a dump.

    Args:
        wire: The portal.
        resource: Whose table.
        destination: File to make; its folder exists.
        most: Most bytes allowed.
        group: Requests that are counted together.

    Raises:
        TransportError: No whole table came, or it moved each time that it was read.
        StatusError: The portal refused; 404 where the table is gone.
        ContractError: The table is larger than allowed, or an answer is not as CKAN documents it.
        SpoolError: The disk refused.
    """

    async def few() -> Table:
        return await _pages(wire, resource, destination, most, PAGE_ROWS, group, PAGES_MOST)

    try:
        return await _settled(resource, destination, few)
    except _LongError:
        return await dump(wire, resource, destination, most=most, group=group)


async def _settled(resource: Resource, destination: Path, read: Callable[[], Awaitable[Table]]) -> Table:
    """A table that did not move while it was read."""
    for restarts in range(RESTARTS + 1):
        try:
            table = await read()
        except _MovedError as error:
            moved = str(error)
            log.info("NESO %s %s while it was read, and is read again", resource, moved)
            continue
        return replace(table, restarts=restarts)
    destination.unlink(missing_ok=True)
    raise TransportError(
        f"NESO {resource}: the table {moved} each of the {RESTARTS + 1} times that it was read; nothing was taken and "
        "the next refresh asks again."
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one search told."""

    schema: Schema
    records: list[dict[str, msgspec.Raw]]
    limit: int | None
    received: Received[msgspec.Raw]


async def _asked(wire: Wire, resource: Resource, params: Mapping[str, str], group: str) -> _Answer:
    what = f"NESO {resource}"
    asked = {"resource_id": resource.id, **params}
    received = await act(wire, "datastore_search", asked, wire.lanes.datastore, what=what, group=group)
    try:
        told = await asyncio.to_thread(_search.decode, received.value)
    except msgspec.DecodeError as error:
        raise ContractError(
            f"{what}: the portal's answer to datastore_search is not as CKAN documents it ({error}); nothing was taken "
            "from it, and if this persists the portal has changed."
        ) from error
    if told.resource_id not in ("", resource.id):
        raise ContractError(
            f"{what}: the portal answered with the table {told.resource_id}; nothing was taken from it."
        )
    columns = tuple(Column(f.id, f.type, _texts(f.info or {})) for f in told.fields if f.id not in UNTOLD)
    return _Answer(Schema(columns, told.total), told.records, told.limit, received)


def _texts(info: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).strip() for name, value in info.items() if value not in (None, "")}


def _check_same(before: Schema, now: Schema) -> None:
    """Refuse two answers about different loads of a table.

    Raises:
        _MovedError: They are.
    """
    if before.total != now.total:
        raise _MovedError(f"went from {before.total} to {now.total} rows")
    if before.columns != now.columns:
        raise _MovedError("changed its columns")


async def _dump(wire: Wire, resource: Resource, destination: Path, most: int, group: str) -> Table:
    """One reading by dump.

    Raises:
        _MovedError: What came is not what the table held before and after.
    """
    what = f"NESO {resource}"

    async def receive(response: httpx.Response) -> Stored:
        return await store(response, destination, most, what)

    before = await _asked(wire, resource, {"limit": "0"}, group)
    address = wire.address(f"/datastore/dump/{quote(resource.id, safe='')}", {})
    try:
        received = await wire.get(address, wire.lanes.datastore, receive, headers=HEADERS, group=group)
    except FetchError as error:
        told = explained(error, what)
    else:
        after = await _asked(wire, resource, {"limit": "0"}, group)
        _check_same(before.schema, after.schema)
        await asyncio.to_thread(_check_dump, destination, before.schema, what)
        body = body_of(received, received.value, destination)
        attempts = body.attempts + before.received.attempts + after.received.attempts
        return Table(replace(body, attempts=attempts), resource, before.schema, "csv")
    raise told


def _check_dump(path: Path, schema: Schema, what: str) -> None:
    """Compare a dump with the table that it is of.

    Raises:
        _MovedError: It has more or fewer rows.
        ContractError: It has other columns.
    """
    with path.open("rb") as file:
        head = file.read(HEADER_MOST_BYTES).decode("utf-8-sig", "replace")
        header = tuple(name for name in next(csv.reader(io.StringIO(head, newline=""))) if name not in UNTOLD)
        file.seek(0)
        rows = _count_records(file) - 1
    if header != schema.names:
        raise ContractError(
            f"{what}: the dump has the columns {', '.join(header)}, and the table {', '.join(schema.names)}; nothing "
            "was taken from it, and if this persists the portal has changed."
        )
    if rows != schema.total:
        raise _MovedError(f"gave {rows} of {schema.total} rows")


def _count_records(file: BinaryIO) -> int:
    """Records of a CSV file, header included; a line's end inside quotes ends no record."""
    ends = quoted = 0
    last = b""
    while piece := file.read(COUNT_BYTES):
        parts = piece.split(b'"')
        ends += sum(part.count(b"\n") for part in parts[quoted::2])
        quoted = (quoted + len(parts) - 1) % 2
        last = piece
    return ends + (not last.endswith(b"\n"))


async def _pages(
    wire: Wire,
    resource: Resource,
    destination: Path,
    most: int,
    page_rows: int,
    group: str,
    pages_most: int | None = None,
) -> Table:
    """One reading page by page.

    Raises:
        _MovedError: Two pages are of different loads, or rows are missing.
        _LongError: It would take more than ``pages_most`` pages.
    """
    part = part_of(destination)
    answers: list[Received[msgspec.Raw]] = []
    try:
        with part.open("wb") as file:
            writer = _Writer(file, most, resource)
            schema: Schema | None = None
            while schema is None or (writer.rows < schema.total and writer.grew):
                params = {"limit": str(page_rows), "offset": str(writer.rows), "sort": f"{ROW_NUMBER} asc"}
                answer = await _asked(wire, resource, params, group)
                schema = schema or answer.schema
                _check_same(schema, answer.schema)
                await asyncio.to_thread(writer.add, answer.records, schema)
                answers.append(answer.received)
                page_rows = min(page_rows, answer.limit or page_rows)
                if pages_most is not None and schema.total > pages_most * page_rows:
                    raise _LongError
        if writer.rows != schema.total:
            raise _MovedError(f"gave {writer.rows} of {schema.total} rows")
        part.replace(destination)
    except OSError as error:
        raise disk_error(part, error) from error
    finally:
        part.unlink(missing_ok=True)
    return Table(_paged(answers, writer, destination), resource, schema, "pages")


def _paged(answers: list[Received[msgspec.Raw]], writer: _Writer, destination: Path) -> Body:
    first = answers[0]
    return Body(
        path=destination,
        url=first.url,
        status=first.status,
        sha256=writer.digest,
        size=writer.size,
        attempts=sum(answer.attempts for answer in answers),
        requested_utc=first.requested_utc,
        sandbox=any(answer.sandbox for answer in answers),
    )


class _Writer:
    """Writes pages, and sees that each goes on where the one before ended; used by one thread at a time.

    Attributes:
        rows: Rows written.
        size: Bytes written.
        grew: Whether the last page had rows.
    """

    def __init__(self, file: BinaryIO, most: int, resource: Resource) -> None:
        self._file = file
        self._most = most
        self._resource = resource
        self._hash = hashlib.sha256()
        self._last = -1
        self.rows = 0
        self.size = 0
        self.grew = True

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what was written."""
        return self._hash.hexdigest()

    def add(self, records: list[dict[str, msgspec.Raw]], schema: Schema) -> None:
        """Append a page of a table, without CKAN's own columns.

        Raises:
            _MovedError: Its rows are not those that follow.
            ContractError: The table is larger than allowed, or its rows have no number.
        """
        for record in records:
            self._follow(record)
        fields = [{"id": column.name, "type": column.type} for column in schema.columns]
        page = {"fields": fields, "total": schema.total, "offset": self.rows, "records": records}
        line = msgspec.json.encode({"result": page})
        # A portal that sets out its JSON over several lines would end ours early.
        line = (msgspec.json.format(line, indent=-1) if b"\n" in line else line) + b"\n"
        self.size += len(line)
        if self.size > self._most:
            raise ContractError(
                f"NESO {self._resource}: the table has more than the {self._most:,} bytes that are allowed for it; "
                "nothing was kept, so look at it and raise the limit in the catalogue entry if it is what it should be."
            )
        if records or not self.rows:
            self._file.write(line)
            self._hash.update(line)
        self.rows += len(records)
        self.grew = bool(records)

    def _follow(self, record: dict[str, msgspec.Raw]) -> None:
        try:
            number = _row_number.decode(record[ROW_NUMBER])
        except (KeyError, msgspec.DecodeError):
            raise ContractError(
                f"NESO {self._resource}: the portal gave a row without its number {ROW_NUMBER}, so that pages cannot "
                "be told apart; nothing was kept, and if this persists the portal has changed."
            ) from None
        if number <= self._last:
            raise _MovedError("gave rows a second time")
        self._last = number
        for name in UNTOLD & record.keys():
            del record[name]
