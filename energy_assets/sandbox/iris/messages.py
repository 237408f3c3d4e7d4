"""Messages as AMQP sends them: sections of bytes, and what the broker reads out of a client's requests.

Only the form of a message belongs here. Who holds it and for how long is the business of ``queue``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from energy_assets.sandbox.iris.codec import CodecError, Described, Symbol, Timestamp, Ulong, decode_all, encode

MessageId = str | bytes | int | UUID
"""What AMQP allows as the id of a message."""

HEADER, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, SEQUENCE, VALUE = 0x70, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77
"""Sections by the code of their descriptor."""

CORRELATION_ID = 5
PROPERTY_FIELDS = 13

_HEADER = b"\x00\x53\x70\xc0\x0a\x05\x40\x40\x40\x40\x70"
_ENQUEUED = encode(Symbol("x-opt-enqueued-time")) + b"\x83"
_SEQUENCE = encode(Symbol("x-opt-sequence-number")) + b"\x81"
_LOCKED = encode(Symbol("x-opt-locked-until")) + b"\x83"
_LONG = struct.Struct(">q").pack


@dataclass(frozen=True)
class Message:
    """A message as its sender made it.

    Attributes:
        message_id: Its id; any type that AMQP allows, or none.
        subject: Its subject: on IRIS the name of the stream.
        body: One data section; several as a tuple; a described value for any other section; ``None`` for no body.
        properties: Application properties.
        ttl: Time to live; ``None`` for the queue's.
        wire: The sections as they are sent, in place of those made of the id, subject, body and properties: for
            messages that are no sound AMQP.
    """

    message_id: MessageId | None = None
    subject: str | None = None
    body: bytes | tuple[bytes, ...] | Described | None = b""
    properties: Mapping[str, Any] = field(default_factory=dict)
    ttl: timedelta | None = None
    wire: bytes | None = None

    @cached_property
    def encoded(self) -> bytes:
        """Properties, application properties and body; what the broker adds is not in it."""
        if self.wire is not None:
            return self.wire
        named = [self.message_id, None, None, self.subject]
        sections = [section(PROPERTIES, named + [None] * (PROPERTY_FIELDS - len(named)))]
        if self.properties:
            sections.append(section(APPLICATION, dict(self.properties)))
        if isinstance(self.body, Described):
            sections.append(encode(self.body))
        elif self.body is not None:
            parts = (self.body,) if isinstance(self.body, bytes) else self.body
            sections.extend(section(DATA, part) for part in parts)
        return b"".join(sections)

    def marked(self, marks: Mapping[str, str]) -> Message:
        """The message with further application properties; one that cannot be read is sent on without them."""
        read = self
        if self.wire is not None:
            try:
                read = read_message(self.wire)
            except CodecError:
                return replace(self, properties={**self.properties, **marks})
        return replace(read, properties={**read.properties, **marks})

    @property
    def label(self) -> str:
        """The id as text."""
        return self.message_id.hex() if isinstance(self.message_id, bytes) else str(self.message_id)


def section(code: int, value: Any) -> bytes:  # noqa: ANN401 - each section has its own
    """One section of a message."""
    return encode(Described(Ulong(code), value))


def delivered(message: Message, failed: int, sequence: int, enqueued: int, locked_until: int | None) -> bytes:
    """A message as it goes to a consumer.

    Args:
        message: The message.
        failed: Deliveries that have failed before.
        sequence: Its number in the queue.
        enqueued: When it came into the queue, milliseconds since 1970.
        locked_until: When its lock ends, in the same measure; ``None`` without a lock.
    """
    marks = _ENQUEUED + _LONG(enqueued) + _SEQUENCE + _LONG(sequence)
    if locked_until is not None:
        marks += _LOCKED + _LONG(locked_until)
    head = b"\x00\x53\x72\xc1" + bytes((len(marks) + 1, 4 if locked_until is None else 6))
    return b"".join((_HEADER, failed.to_bytes(4, "big"), head, marks, message.encoded))


def reply(correlation: Any, status: Mapping[str, Any], value: Any = None) -> bytes:  # noqa: ANN401 - ids have types
    """The answer to a request: its id, application properties with the outcome, and a value."""
    properties = [None] * PROPERTY_FIELDS
    properties[CORRELATION_ID] = correlation
    return section(PROPERTIES, properties) + section(APPLICATION, dict(status)) + section(VALUE, value)


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client.

    Attributes:
        message_id: Its id, to which the answer refers.
        properties: Its application properties.
        value: Its body.
    """

    message_id: Any
    properties: Mapping[str, Any]
    value: Any


def read_request(payload: bytes) -> Request:
    """The request in a message's sections.

    Raises:
        CodecError: The bytes are no message.
    """
    named: list[Any] = []
    properties: Mapping[str, Any] = {}
    value = None
    for part in _sections(payload):
        if part.descriptor == PROPERTIES:
            named = part.value
        elif part.descriptor == APPLICATION:
            properties = {_text(key): given for key, given in part.value.items()}
        elif part.descriptor == VALUE:
            value = part.value
    return Request(named[0] if named else None, properties, value)


def read_message(payload: bytes) -> Message:
    """The message that a client sends, of one section of data or another body.

    Raises:
        CodecError: The bytes are no message.
    """
    named: list[Any] = []
    properties: dict[str, Any] = {}
    body: list[Described] = []
    ttl = None
    for part in _sections(payload):
        if part.descriptor == HEADER and len(part.value) > 2 and part.value[2] is not None:
            ttl = timedelta(milliseconds=int(part.value[2]))
        elif part.descriptor == PROPERTIES:
            named = part.value
        elif part.descriptor == APPLICATION:
            properties = {_text(key): given for key, given in part.value.items()}
        elif part.descriptor in (DATA, SEQUENCE, VALUE):
            body.append(part)
    message_id, _, _, subject = (named + [None] * 4)[:4]
    data = tuple(part.value for part in body if part.descriptor == DATA)
    kept: bytes | tuple[bytes, ...] | Described | None = data[0] if len(data) == 1 else data or None
    if not data and body:
        kept = body[0]
    return Message(message_id, subject, kept, properties, ttl)


def _sections(payload: bytes) -> list[Described]:
    sections = decode_all(payload)
    if not all(isinstance(part, Described) for part in sections):
        raise CodecError("a message consists of described sections")
    return sections


def _text(name: Any) -> str:  # noqa: ANN401 - clients send bytes as well
    return name.decode() if isinstance(name, bytes) else str(name)


def timestamps(values: list[int]) -> tuple[Timestamp, ...]:
    """Milliseconds since 1970 as AMQP's timestamps."""
    return tuple(map(Timestamp, values))
