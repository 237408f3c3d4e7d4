"""From pushed messages to records: a segment of envelopes becomes one array of rows, and a register of the messages.

What a message's body means is decided here, message by message: one that cannot be read goes to quarantine with the
reason and takes no other with it. Rows are typed by ``typed``, which may still refuse a message; nothing here fetches
or stores.

Rows are not parsed here. A row keeps its bytes and gains the members that say which message brought it.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from energy_assets import arrow
from energy_assets.catalogue.iris import MESSAGE_MEMBERS
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import ContractError
from energy_assets.ingest.columns import Stamp, micros
from energy_assets.ingest.model import QUARANTINE_SCHEMA
from energy_assets.sources.iris.envelope import Envelope, body_digest, decode, raw_body
from energy_assets.sources.iris.lines import read_segment

MESSAGES_SCHEMA = pa.schema(
    [
        ("stream", pa.string()),
        ("message_id", pa.string()),
        ("message_sha256", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("table_name", pa.string()),
        ("enqueued_utc", pa.timestamp("us")),
        ("received_utc", pa.timestamp("us")),
        ("sequence_number", pa.int64()),
        ("source", pa.string()),
        ("origin", pa.string()),
        ("receipt_id", pa.string()),
    ]
)
"""One row per message of a segment, redeliveries included."""

WRAPPINGS = 2
"""How many JSON strings a body's JSON text may be wrapped in: one is what IRIS sends, two are tolerated."""

PLAIN_BYTES = 64 << 10
"""Bodies up to here are parsed without a look at them first: whatever they hold, it takes a megabyte or two."""

VALUES_MOST = 1_000_000
"""Values of one message, by its commas and brackets: each takes up to a hundred bytes once it is parsed."""

ROWS_MOST = 100_000
"""Rows of one message, each of which gets the members that say where it came from; the largest seen has hundreds."""

ROWS_BYTES_MOST = 32 << 20
"""Bytes of those members in one message."""

NEW_MEMBERS_MOST = 64
"""Members of one record that the catalogue does not know: a new version of a stream brings a few, nonsense thousands,
and each would become a column."""

_RESERVED = b'"_'
"""Beginning of a member's name that may be one of ours; looked for in the bytes before a message is looked at."""

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


Taken = tuple[str, int, Iterator[bytes]]
"""A message's digest, the number of its rows, and the rows."""

_GLUE = b",\n"
"""Between two rows."""


class UnreadableMessageError(ContractError):
    """A message that holds no rows that can be told apart."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the rows of one message lie in a file of rows.

    Attributes:
        number: The message's place in its segment, from 0.
        begin: First byte of its first row.
        end: Just after its last row.
    """

    number: int
    begin: int
    end: int


@dataclass(frozen=True)
class Unpacked:
    """A segment taken apart.

    Attributes:
        rows: File with one JSON array of the rows of all readable messages.
        spans: Where in it the rows of each message lie, of those that have any.
        messages: The register's rows (``MESSAGES_SCHEMA``), one for each message in order.
        quarantine: Messages that cannot be read, one row each, in ``QUARANTINE_SCHEMA``.
        unreadable: Digests of their bodies.
    """

    rows: Path
    spans: tuple[Span, ...]
    messages: pa.Table
    quarantine: pa.Table
    unreadable: tuple[str, ...]


def unpack(segment: Path, dataset: Dataset, stamp: Stamp, refused: str = "") -> Unpacked:
    """Take a segment apart.

    Args:
        segment: File of envelopes, one a line; all of the dataset's stream.
        dataset: The stream's catalogue entry.
        stamp: The window that the segment is the answer to, its receipt, and the present.
        refused: Why none of its messages is to be looked into, where that is so.

    Raises:
        ContractError: A line is no envelope.
    """
    register: list[tuple[object, ...]] = []
    bad: list[tuple[object, ...]] = []
    digests: list[str] = []
    spans: list[Span] = []
    known = None if dataset.query.framing == "raw" else _known(dataset)
    target = segment.with_name(f"{segment.name}.rows")
    with target.open("wb") as out:
        at = out.write(b"[")
        for number, message in enumerate(_envelopes(segment)):
            try:
                size, (digest, count, rows) = _taken(message, known, refused)
            except UnreadableMessageError as error:
                register.append(_unread(message, dataset, stamp, str(error)))
                bad.append(_quarantined(message, dataset, stamp, number, str(error)))
                digests.append(body_digest(message))
                continue
            if count:
                at += out.write(_GLUE) if spans else 0
                begin = at
                for place, row in enumerate(rows):
                    at += out.write(_GLUE + row if place else row)
                spans.append(Span(number, begin, at))
            status = "loaded" if known is not None else "unmapped"
            register.append(_registered(message, dataset, stamp, (digest, status, None, count, size)))
        out.write(b"]")
    quarantine = _table(bad, QUARANTINE_SCHEMA)
    return Unpacked(target, tuple(spans), _table(register, MESSAGES_SCHEMA), quarantine, tuple(digests))


def without(unpacked: Unpacked, reasons: Mapping[int, str], segment: Path, dataset: Dataset, stamp: Stamp) -> Unpacked:
    """A segment in which further messages cannot be read after all.

    Args:
        unpacked: The segment taken apart.
        reasons: Why not, by the message's place in the segment.
        segment: See ``unpack``.
        dataset: See ``unpack``.
        stamp: See ``unpack``.
    """
    register = unpacked.messages.to_pylist()
    bad: list[tuple[object, ...]] = []
    digests: list[str] = []
    for number, message in enumerate(_envelopes(segment)):
        if number in reasons:
            unread = _unread(message, dataset, stamp, reasons[number])
            register[number] = dict(zip(MESSAGES_SCHEMA.names, unread, strict=True))
            bad.append(_quarantined(message, dataset, stamp, number, reasons[number]))
            digests.append(body_digest(message))
    return replace(
        unpacked,
        messages=_table([tuple(_plain(value) for value in row.values()) for row in register], MESSAGES_SCHEMA),
        quarantine=pa.concat_tables([unpacked.quarantine, _table(bad, QUARANTINE_SCHEMA)]),
        unreadable=(*unpacked.unreadable, *digests),
    )


def _plain(value: object) -> object:
    """A value of the register as it was before it was a column."""
    return micros(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


def _envelopes(segment: Path) -> Iterator[Envelope]:
    for found in read_segment(segment):
        # Decoded once more where it is none, for the error that says why.
        yield decode(found) if isinstance(found, bytes) else found


def _taken(message: Envelope, known: frozenset[str] | None, refused: str) -> tuple[int, Taken]:
    """Size and rows of a message; ``known`` are the members of its stream's records, ``None`` of an unknown stream."""
    reason = refused or message.refused
    if reason:
        raise UnreadableMessageError(reason)
    body = raw_body(message)
    return len(body), _raw_record(message, body) if known is None else _records(message, body, known)


def _known(dataset: Dataset) -> frozenset[str]:
    """Members that the catalogue knows."""
    own = (name for f in dataset.table.fields for name in (f.name, *f.aliases))
    return frozenset((*own, *dataset.ignored))


def rows_of(body: bytes, known: Collection[str] | None = None) -> tuple[str, list[msgspec.Raw]]:
    """A body's canonical digest and its rows' bytes.

    The digest is that of the message's content, however often it was wrapped and however it is laid out: the same
    message has the same one on the queue, in the archive and in a file that a client has written.

    Args:
        body: As sent.
        known: Members that the catalogue knows, where a record may bring few others only.

    Raises:
        UnreadableMessageError: It is not UTF-8, not JSON, nested too deep, larger inside than can be held, or no array
            of records.
    """
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as error:
        raise UnreadableMessageError(f"the message is not UTF-8 ({error.reason} at byte {error.start})") from error
    try:
        raws = _raws_of(_unwrapped(body))
        return _digest(raws, known), raws
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UnreadableMessageError(f"the message is not JSON ({error})") from error
    except RecursionError as error:
        raise UnreadableMessageError("the message is nested too deep to be read") from error


def _unwrapped(text: bytes) -> bytes:
    """A body's JSON text, taken out of the strings that it is wrapped in."""
    for _ in range(WRAPPINGS + 1):
        text = text.removeprefix(codecs.BOM_UTF8).strip()
        if not text:
            raise UnreadableMessageError("the message is empty")
        if not text.startswith(b'"'):
            return text
        text = _TEXT.decode(text).encode()
    raise UnreadableMessageError("the message is text inside text inside text")


def _raws_of(text: bytes) -> list[msgspec.Raw]:
    """The records of a JSON text, not yet looked at; one record may come without an array."""
    if len(text) > PLAIN_BYTES:
        values = text.count(b",") + text.count(b"[") + text.count(b"{")
        if values > VALUES_MOST:
            raise UnreadableMessageError(
                f"the message has {values:,} values, more than the {VALUES_MOST:,} that are read"
            )
    if text.startswith(b"{"):
        return [msgspec.Raw(text)]
    if not text.startswith(b"["):
        _ANY.decode(text)
        raise UnreadableMessageError("the message is no array of records")
    raws = _RAWS.decode(text)
    if len(raws) > ROWS_MOST:
        raise UnreadableMessageError(f"the message has {len(raws):,} rows, more than the {ROWS_MOST:,} that are read")
    return raws


def _digest(raws: Sequence[msgspec.Raw], known: Collection[str] | None) -> str:
    """Digest of the records in canonical form; record by record, because large messages have tens of thousands."""
    if len(raws) == 1:
        return hashlib.sha256(b"[%b]" % _canonical(raws[0], 0, known)).hexdigest()
    digest = hashlib.sha256(b"[")
    for place, raw in enumerate(raws):
        digest.update(b",%b" % _canonical(raw, place, known) if place else _canonical(raw, place, known))
    digest.update(b"]")
    return digest.hexdigest()


def _canonical(raw: msgspec.Raw, place: int, known: Collection[str] | None) -> bytes:
    """A record in canonical form; refuses what is none, or brings members that no record may have."""
    record = _ANY.decode(raw)
    if not isinstance(record, dict):
        raise UnreadableMessageError(f"element {place} of the message is no record")
    canonical = _ENCODER.encode(record)
    if _RESERVED in canonical and MESSAGE_MEMBERS & record.keys():
        raise UnreadableMessageError("a record has a member whose name is kept for where the record came from")
    if known is not None and len(record) > NEW_MEMBERS_MOST:
        new = len(record.keys() - known)
        if new > NEW_MEMBERS_MOST:
            raise UnreadableMessageError(f"a record has {new:,} members that nobody knows")
    return canonical


def _records(message: Envelope, body: bytes, known: Collection[str]) -> Taken:
    """A message's digest and its rows, each with the members that say where it came from."""
    digest, raws = rows_of(body, known)
    opening = _opening(message, digest)
    if len(opening) * len(raws) > ROWS_BYTES_MOST:
        raise UnreadableMessageError(f"the message's id is too long to be said in each of its {len(raws):,} rows")
    return digest, len(raws), (_named(opening, place, raw) for place, raw in enumerate(raws))


def _named(opening: bytes, place: int, raw: msgspec.Raw) -> bytes:
    """A row with its message's members written into its bytes, so that it is not parsed and encoded again."""
    row = b"%b%d,%b" % (opening, place, bytes(raw)[1:].lstrip())
    return row[:-2] + b"}" if row.endswith(b",}") else row


def _opening(message: Envelope, digest: str) -> bytes:
    """The beginning of every row of a message, up to the row's place."""
    members = {
        "_message_id": message.message_id,
        "_message_sha256": digest,
        "_enqueued_utc": message.enqueued_utc.astimezone(UTC),
        "_sequence_number": message.sequence_number,
    }
    return _ENCODER.encode(members)[:-1] + b',"_message_row":'


def _raw_record(message: Envelope, body: bytes) -> Taken:
    """A message of an unknown stream as one record; whatever its body is, it is kept."""
    try:
        digest = rows_of(body)[0]
    except UnreadableMessageError:
        digest = hashlib.sha256(body).hexdigest()
    record = {
        "stream": message.stream,
        "subject": message.subject,
        "body": message.body if message.body is not None else message.body_base64,
        "_message_id": message.message_id,
        "_message_sha256": digest,
        "_enqueued_utc": message.enqueued_utc.astimezone(UTC),
        "_sequence_number": message.sequence_number,
    }
    return digest, 1, iter([_ENCODER.encode(record)])


def _quarantined(message: Envelope, dataset: Dataset, stamp: Stamp, number: int, reason: str) -> tuple[object, ...]:
    return (
        dataset.code,
        stamp.receipt_id,
        micros(stamp.window.from_utc),
        micros(stamp.window.to_utc),
        micros(stamp.ingested_utc),
        number,
        f"message {message.message_id}: {reason}",
        message.body if message.body is not None else message.body_base64,
    )


def _unread(message: Envelope, dataset: Dataset, stamp: Stamp, reason: str) -> tuple[object, ...]:
    """What the register says of a message that cannot be read."""
    size = message.cut.length if message.cut is not None else len(raw_body(message))
    return _registered(message, dataset, stamp, (body_digest(message), "unreadable", reason, 0, size))


def _registered(
    message: Envelope, dataset: Dataset, stamp: Stamp, found: tuple[str, str, str | None, int, int]
) -> tuple[object, ...]:
    """A row of the register; ``found`` is digest, status, reason, rows and bytes."""
    return (
        message.stream,
        message.message_id,
        *found,
        dataset.table.name,
        micros(message.enqueued_utc),
        micros(message.received_utc),
        message.sequence_number,
        message.source,
        message.origin,
        stamp.receipt_id,
    )


def _table(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    if not rows:
        return arrow.empty(schema)
    columns = zip(*rows, strict=True)
    return pa.table([_column(values, kind) for values, kind in zip(columns, schema.types, strict=True)], schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return arrow.texts(values) if pa.types.is_string(kind) else arrow.integers(values, kind)
