"""One IRIS message as one line of a segment: what the sender said about it, and its body exactly as it came.

Every way in (queue, archive, single files) makes the same envelope. Whether a body is JSON, and what it means, is the
loader's question: nothing here parses one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from energy_assets.errors import ContractError

Origin = Literal["IRIS", "IRIS-ARCHIVE", "IRIS-FILE", "SANDBOX"]
"""Value of ``_source_api`` for a message's rows."""

MessageId = str | bytes | int | UUID
"""What AMQP allows as the id of a message."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]

_STREAM = re.compile(r"[A-Za-z0-9_]{1,32}")


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message lies that is too large to be held.

    Attributes:
        begin: First byte of its line, or 0 where it is a file of its own.
        length: Bytes.
        sha256: Digest of the body as it lies there.
    """

    begin: int
    length: int
    sha256: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message with everything that was known when it came.

    Attributes:
        stream: Name of the stream: letters, digits and underscores, 32 at most; ``None`` where the subject is no such
            name.
        subject: The subject as sent.
        message_id: The message's id as text; ``sha256:`` and the body's digest where it has none.
        sequence_number: Number that the queue gave the message.
        enqueued_utc: When the queue took it (archive: upload; single file: its time of modification), aware UTC.
        received_utc: When it came to us, aware UTC.
        delivery_count: Deliveries that had failed before this one.
        source: Which way it came.
        origin: Where it came from, for people and receipts: the queue, the blob's address without query, or the file's
            name relative to the drop folder.
        body: The body where it is UTF-8.
        body_base64: The body where it is not.
        refused: Why the body is not to be looked into, by our own word.
        cut: Where the whole message lies, if the body is only its beginning.
        file_name: The file name that its sender gave it, where there is one; what identifies it is its id.
    """

    stream: str | None
    subject: str | None
    message_id: str
    sequence_number: int | None
    enqueued_utc: Instant
    received_utc: Instant
    delivery_count: int
    source: Origin
    origin: str
    body: str | None
    body_base64: str | None
    refused: str | None = None
    cut: Cut | None = None
    file_name: str | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Envelope)


def seal(
    body: bytes,
    *,
    subject: str | None,
    message_id: MessageId | None,
    sequence_number: int | None,
    enqueued_utc: datetime,
    received_utc: datetime,
    source: Origin,
    origin: str,
    delivery_count: int = 0,
    file_name: str | None = None,
) -> Envelope:
    """The envelope of a message; see ``Envelope`` for the arguments.

    Raises:
        ValueError: An instant has no zone.
    """
    if enqueued_utc.tzinfo is None or received_utc.tzinfo is None:
        raise ValueError("the instants of an envelope carry their zone")
    text = _as_text(body)
    return Envelope(
        stream=stream_of(subject),
        subject=subject,
        message_id=id_text(message_id, body),
        sequence_number=sequence_number,
        enqueued_utc=enqueued_utc.astimezone(UTC),
        received_utc=received_utc.astimezone(UTC),
        delivery_count=delivery_count,
        file_name=file_name,
        source=source,
        origin=origin,
        body=text,
        body_base64=base64.b64encode(body).decode("ascii") if text is None else None,
    )


def encode(envelope: Envelope) -> bytes:
    r"""One line of JSON with its ``\n``; the body's own line breaks are escaped."""
    return _ENCODER.encode(envelope) + b"\n"


def decode(line: bytes) -> Envelope:
    """The envelope that a line holds.

    Raises:
        ContractError: The line is torn, or not an envelope.
    """
    try:
        found = _DECODER.decode(line)
    except msgspec.DecodeError as error:
        raise ContractError(
            f"A line of an IRIS segment is no envelope ({error}); the file was not written by us."
        ) from error
    if found.body is None:
        raw_body(found)
    return found


def raw_body(envelope: Envelope) -> bytes:
    """The body byte for byte as it was sent.

    Raises:
        ContractError: It is neither text nor base64.
    """
    if envelope.body is not None:
        return envelope.body.encode()
    try:
        return base64.b64decode(envelope.body_base64 or "", validate=True)
    except ValueError as error:
        raise ContractError(f"The body of IRIS message {envelope.message_id!r} is no base64 ({error}).") from error


def body_digest(envelope: Envelope) -> str:
    """SHA-256 of the body, also where it is not held.

    Raises:
        ContractError: It is neither text nor base64.
    """
    return envelope.cut.sha256 if envelope.cut is not None else hashlib.sha256(raw_body(envelope)).hexdigest()


def stream_of(subject: str | None) -> str | None:
    """The stream that a subject names, or ``None``: only such a name may become part of a path or an identifier."""
    return subject if subject is not None and _STREAM.fullmatch(subject) else None


def id_text(message_id: MessageId | None, body: bytes) -> str:
    """A message's id as text: bytes as UTF-8 or else hexadecimal, and the body's digest where there is no id."""
    if isinstance(message_id, bytes):
        text = _as_text(message_id)
        message_id = message_id.hex() if text is None else text
    if message_id is None or message_id == "":
        return f"sha256:{hashlib.sha256(body).hexdigest()}"
    return str(message_id)


def _as_text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
