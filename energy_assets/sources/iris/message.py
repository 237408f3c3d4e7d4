"""From a message as the SDK hands it out to an envelope, whatever its sender put into it.

A body is taken as bytes and never read; words of the message stay words.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from energy_assets.sources.iris.envelope import Envelope, seal

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage

SANDBOX_PROPERTY = b"x-sandbox"
"""Application property by which made-up messages say so."""

FILE_PROPERTY = b"source_file_name"
"""Application property that some messages had, and from which older clients took the name of the file.

It is kept, and is the message's id only where the message has none. What the provider documents is that the archive
names a message by its id; to prefer the property where both are there and differ would give a message of the archive
and the same one of the queue two identities, if that is so. Whether they differ is logged with the first message.
"""

SHOWN_BYTES = 40
"""Bytes of the first body that are logged: enough to see whether it is JSON, a string of JSON, or packed."""


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The body as bytes: data sections joined; text as it is; any other value as JSON, which nobody sends."""
    from azure.servicebus.amqp import AmqpMessageBodyType

    if message.body_type == AmqpMessageBodyType.DATA:
        return b"".join(message.body)
    if message.body_type == AmqpMessageBodyType.SEQUENCE:
        return _as_json(list(message.body))
    value = message.body
    if value is None:
        return b""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return value.encode() if isinstance(value, str) else _as_json(value)


def envelope_of(message: ServiceBusReceivedMessage, body: bytes, origin: str, received_utc: datetime) -> Envelope:
    """The envelope of a received message.

    Args:
        message: The message.
        body: Its body, as ``body_of`` gives it.
        origin: Name of the queue.
        received_utc: When it came, aware; stands for the time of queueing where the message has none.
    """
    properties = message.application_properties or {}
    sequence = message.sequence_number
    file_name = file_name_of(message)
    return seal(
        body,
        subject=_as_text(message.subject),
        message_id=file_name if message.message_id in (None, "", b"") else message.message_id,
        file_name=file_name,
        sequence_number=sequence if isinstance(sequence, int) else None,
        enqueued_utc=enqueued_of(message) or received_utc,
        received_utc=received_utc,
        source="SANDBOX" if properties.get(SANDBOX_PROPERTY) is True else "IRIS",
        origin=origin,
        delivery_count=message.delivery_count or 0,
    )


def file_name_of(message: ServiceBusReceivedMessage) -> str | None:
    """The file name that a message's sender has given it, where there is one."""
    properties = message.application_properties or {}
    # The SDK gives names as bytes; a message that was never on a wire has them as text.
    name = properties.get(FILE_PROPERTY) or properties.get(FILE_PROPERTY.decode())
    return _as_text(name) or None if isinstance(name, str | bytes) else None


def enqueued_of(message: ServiceBusReceivedMessage) -> datetime | None:
    """When the queue took a message, aware UTC; ``None`` where it does not say so in a way that means anything."""
    try:
        return message.enqueued_time_utc
    except (OverflowError, ValueError, OSError, TypeError):
        return None


def locked_until(message: ServiceBusReceivedMessage) -> datetime | None:
    """When the lock of a message ends, aware UTC; ``None`` as for ``enqueued_of``."""
    try:
        return message.locked_until_utc
    except (OverflowError, ValueError, OSError, TypeError):
        return None


def shape_of(message: ServiceBusReceivedMessage, body: bytes, now: datetime) -> str:
    """What a message looks like, for the log: how its body is packed, how it begins, how long it is locked."""
    until = locked_until(message)
    kind = str(getattr(message.body_type, "value", "none"))
    lock = "no lock" if until is None else f"locked for {(until - now).total_seconds():.0f} s"
    return (
        f"body {kind} of {len(body):,} bytes beginning {body[:SHOWN_BYTES]!r}, subject {message.subject!r}, "
        f"id {message.message_id!r}, file name {file_name_of(message)!r}, {lock}, "
        f"delivery count {message.delivery_count}"
    )


def _as_text(words: str | bytes | None) -> str | None:
    """Words that are not UTF-8 come as bytes; they are shown by their numbers, and name no stream then."""
    return words.decode("utf-8", "backslashreplace") if isinstance(words, bytes) else words


def _as_json(value: object) -> bytes:
    return json.dumps(_plain(value), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever AMQP can hold
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return _as_text(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
