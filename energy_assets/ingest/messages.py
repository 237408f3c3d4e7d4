"""From pushed messages to records: a segment of envelopes becomes one array of rows, and a register of the messages.

What a message's body means is decided here, message by message: one that cannot be read goes to quarantine with the
reason and takes no other with it. Rows are typed by ``typed``; nothing here fetches or stores.

Rows are not parsed here. A row keeps its bytes and gains the members that say which message brought it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from energy_assets import arrow
from energy_assets.catalogue.iris import MESSAGE_MEMBERS
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import ContractError
from energy_assets.ingest.columns import micros
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Window
from energy_assets.sources.iris.envelope import Envelope, decode, raw_body

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
"""How often a body may be JSON text inside a JSON string: once is what IRIS sends, twice is tolerated."""

_RESERVED = b'"_'
"""Beginning of a member's name that may be one of ours; looked for in the bytes before a message is looked at."""

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


class UnreadableMessageError(ContractError):
    """A message that holds no rows that can be told apart."""


@dataclass(frozen=True)
class Unpacked:
    """A segment taken apart.

    Attributes:
        rows: File with one JSON array of the rows of all readable messages.
        messages: The register's rows (``MESSAGES_SCHEMA``).
        quarantine: Messages that cannot be read, one row each, in ``QUARANTINE_SCHEMA``.
        unreadable: Their number.
    """

    rows: Path
    messages: pa.Table
    quarantine: pa.Table
    unreadable: int


def unpack(segment: Path, dataset: Dataset, window: Window, receipt_id: str, now: datetime) -> Unpacked:
    """Take a segment apart.

    Args:
        segment: File of envelopes, one a line; all of the dataset's stream.
        dataset: The stream's catalogue entry.
        window: The window that the segment is the answer to.
        receipt_id: Its receipt.
        now: The present, aware UTC.

    Raises:
        ContractError: A line is no envelope.
    """
    register: list[tuple[object, ...]] = []
    bad: list[tuple[object, ...]] = []
    target = segment.with_name(f"{segment.name}.rows")
    read = _raw_record if dataset.query.framing == "raw" else _records
    with target.open("wb") as out:
        out.write(b"[")
        glue = b""
        for number, message in enumerate(_envelopes(segment)):
            body = raw_body(message)
            digest, reason, count = "", "", 0
            try:
                digest, rows = read(message, body)
            except UnreadableMessageError as error:
                digest, reason = hashlib.sha256(body).hexdigest(), str(error)
                bad.append(_quarantined(dataset, window, receipt_id, now, number, message, reason))
            else:
                count = len(rows)
                if rows:
                    out.write(glue)
                    out.write(b",".join(rows))
                    glue = b",\n"
            status = "unreadable" if reason else "unmapped" if dataset.query.framing == "raw" else "loaded"
            register.append(
                _registered(message, digest, status, reason, count, len(body), dataset.table.name, receipt_id)
            )
        out.write(b"]")
    return Unpacked(target, _table(register, MESSAGES_SCHEMA), _table(bad, QUARANTINE_SCHEMA), len(bad))


def _envelopes(segment: Path) -> Iterator[Envelope]:
    with segment.open("rb") as lines:
        for line in lines:
            yield decode(line)


def rows_of(body: bytes) -> tuple[str, list[msgspec.Raw]]:
    """A body's canonical digest and its rows' bytes.

    The digest is that of the message's content, however often it was wrapped and however it is laid out: the same
    message has the same one on the queue, in the archive and in a file that a client has written.

    Raises:
        UnreadableMessageError: It is not UTF-8, not JSON, nested too deep, or no array of records.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise UnreadableMessageError(f"the message is not UTF-8 ({error.reason} at byte {error.start})") from error
    try:
        content, text = _unwrapped(text)
        records = [content] if isinstance(content, dict) else content
        if not isinstance(records, list):
            raise UnreadableMessageError("the message is no array of records")
        odd = next((place for place, record in enumerate(records) if not isinstance(record, dict)), None)
        if odd is not None:
            raise UnreadableMessageError(f"element {odd} of the message is no record")
        raws = [msgspec.Raw(text.encode())] if isinstance(content, dict) else _RAWS.decode(text)
        canonical = _ENCODER.encode(records)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UnreadableMessageError(f"the message is not JSON ({error})") from error
    except RecursionError as error:
        raise UnreadableMessageError("the message is nested too deep to be read") from error
    if _RESERVED in canonical and any(MESSAGE_MEMBERS & record.keys() for record in records):
        raise UnreadableMessageError("a record has a member whose name is kept for where the record came from")
    return hashlib.sha256(canonical).hexdigest(), raws


def _unwrapped(text: str) -> tuple[Any, str]:
    """The content of a body and its JSON text, taken out of the strings that it is wrapped in."""
    for _ in range(WRAPPINGS + 1):
        text = text.removeprefix("\ufeff").strip()
        if not text:
            raise UnreadableMessageError("the message is empty")
        content = _ANY.decode(text)
        if not isinstance(content, str):
            return content, text
        text = content
    raise UnreadableMessageError("the message is text inside text inside text")


def _records(message: Envelope, body: bytes) -> tuple[str, list[bytes]]:
    """A message's digest and its rows, each with the members that say where it came from."""
    digest, raws = rows_of(body)
    if not raws:
        return digest, []
    opening = _opening(message, digest)
    # Written into the bytes, so that no row is parsed and encoded again; the rows themselves are typed by the engine.
    rows = [b"%b%d,%b" % (opening, place, bytes(raw)[1:].lstrip()) for place, raw in enumerate(raws)]
    return digest, [row[:-2] + b"}" if row.endswith(b",}") else row for row in rows]


def _opening(message: Envelope, digest: str) -> bytes:
    """The beginning of every row of a message, up to the row's place."""
    members = {
        "_message_id": message.message_id,
        "_message_sha256": digest,
        "_enqueued_utc": message.enqueued_utc.astimezone(UTC),
        "_sequence_number": message.sequence_number,
    }
    return _ENCODER.encode(members)[:-1] + b',"_message_row":'


def _raw_record(message: Envelope, body: bytes) -> tuple[str, list[bytes]]:
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
    return digest, [_ENCODER.encode(record)]


def _quarantined(
    dataset: Dataset, window: Window, receipt_id: str, now: datetime, number: int, message: Envelope, reason: str
) -> tuple[object, ...]:
    return (
        dataset.code,
        receipt_id,
        micros(window.from_utc),
        micros(window.to_utc),
        micros(now),
        number,
        f"message {message.message_id}: {reason}",
        message.body if message.body is not None else message.body_base64,
    )


def _registered(
    message: Envelope, digest: str, status: str, reason: str, rows: int, size: int, table: str, receipt_id: str
) -> tuple[object, ...]:
    return (
        message.stream,
        message.message_id,
        digest,
        status,
        reason or None,
        rows,
        size,
        table,
        micros(message.enqueued_utc),
        micros(message.received_utc),
        message.sequence_number,
        message.source,
        message.origin,
        receipt_id,
    )


def _table(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    if not rows:
        return arrow.empty(schema)
    columns = zip(*rows, strict=True)
    return pa.table([_column(values, kind) for values, kind in zip(columns, schema.types, strict=True)], schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return arrow.texts(values) if pa.types.is_string(kind) else arrow.integers(values, kind)
