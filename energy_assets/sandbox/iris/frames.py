"""Frames of AMQP 1.0: cutting a stream into them, their fields by name, and writing them.

What a frame does to a connection is the business of ``connection``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from energy_assets.sandbox.iris.codec import (
    Array,
    CodecError,
    Described,
    Symbol,
    Ubyte,
    Uint,
    Ulong,
    Ushort,
    decode,
    encode,
)

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
HEADER_SIZE = 8

MAX_FRAME = 65_536
"""Largest frame, as the real service announces it: longer messages are really split."""

EMPTY_FRAME = struct.pack(">IBBH", 8, 2, 0, 0)
"""Says no more than that the peer is alive."""

AMQP_TYPE, SASL_TYPE = 0, 1

_HEAD = struct.Struct(">IBBH")


class Kind(IntEnum):
    """What a frame is, by the code of its descriptor."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_OUTCOME = 0x44


Convert = Callable[[Any], Any]


def _same(value: Any) -> Any:  # noqa: ANN401 - any value
    return value


_FIELDS: dict[Kind, tuple[tuple[str, Convert], ...]] = {
    Kind.OPEN: (
        ("container_id", str),
        ("hostname", str),
        ("max_frame_size", Uint),
        ("channel_max", Ushort),
        ("idle_timeout", Uint),
        ("outgoing_locales", _same),
        ("incoming_locales", _same),
        ("offered_capabilities", _same),
        ("desired_capabilities", _same),
        ("properties", _same),
    ),
    Kind.BEGIN: (
        ("remote_channel", Ushort),
        ("next_outgoing_id", Uint),
        ("incoming_window", Uint),
        ("outgoing_window", Uint),
        ("handle_max", Uint),
        ("offered_capabilities", _same),
        ("desired_capabilities", _same),
        ("properties", _same),
    ),
    Kind.ATTACH: (
        ("name", str),
        ("handle", Uint),
        ("role", bool),
        ("snd_settle_mode", Ubyte),
        ("rcv_settle_mode", Ubyte),
        ("source", _same),
        ("target", _same),
        ("unsettled", _same),
        ("incomplete_unsettled", bool),
        ("initial_delivery_count", Uint),
        ("max_message_size", Ulong),
        ("offered_capabilities", _same),
        ("desired_capabilities", _same),
        ("properties", _same),
    ),
    Kind.FLOW: (
        ("next_incoming_id", Uint),
        ("incoming_window", Uint),
        ("next_outgoing_id", Uint),
        ("outgoing_window", Uint),
        ("handle", Uint),
        ("delivery_count", Uint),
        ("link_credit", Uint),
        ("available", Uint),
        ("drain", bool),
        ("echo", bool),
        ("properties", _same),
    ),
    Kind.TRANSFER: (
        ("handle", Uint),
        ("delivery_id", Uint),
        ("delivery_tag", bytes),
        ("message_format", Uint),
        ("settled", bool),
        ("more", bool),
        ("rcv_settle_mode", Ubyte),
        ("state", _same),
        ("resume", bool),
        ("aborted", bool),
        ("batchable", bool),
    ),
    Kind.DISPOSITION: (
        ("role", bool),
        ("first", Uint),
        ("last", Uint),
        ("settled", bool),
        ("state", _same),
        ("batchable", bool),
    ),
    Kind.DETACH: (("handle", Uint), ("closed", bool), ("error", _same)),
    Kind.END: (("error", _same),),
    Kind.CLOSE: (("error", _same),),
    Kind.SASL_MECHANISMS: (("mechanisms", _same),),
    Kind.SASL_INIT: (("mechanism", Symbol), ("initial_response", bytes), ("hostname", str)),
    Kind.SASL_OUTCOME: (("code", Ubyte), ("additional_data", bytes)),
}
"""Fields of each kind in their order, and what makes a value one of the field's type."""

_NAMES = {int(kind): tuple(name for name, _ in fields) for kind, fields in _FIELDS.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that came.

    Attributes:
        channel: Channel of its session.
        kind: What it is; ``None`` for one without content.
        fields: Its fields by name; those that the peer left out are ``None``.
        payload: What follows the fields: part of a message.
    """

    channel: int
    kind: Kind | None
    fields: Mapping[str, Any]
    payload: bytes = b""


def read_frame(data: bytes) -> Frame:
    """A frame of its bytes, size and all.

    Raises:
        CodecError: The bytes are no frame.
    """
    _, offset, _, channel = _HEAD.unpack_from(data)
    at = offset * 4
    if at < HEADER_SIZE or at > len(data):
        raise CodecError(f"a frame of {len(data)} bytes cannot begin at byte {at}")
    if at == len(data):
        return Frame(channel, None, {})
    found, at = decode(data, at)
    names = _NAMES.get(found.descriptor) if isinstance(found, Described) else None
    if names is None or not isinstance(found.value, list) or len(found.value) > len(names):
        raise CodecError("a frame holds none of the frames' types")
    fields = dict.fromkeys(names)
    fields.update(zip(names, found.value, strict=False))
    return Frame(channel, Kind(found.descriptor), fields, data[at:])


def write_frame(kind: Kind, channel: int = 0, /, **values: Any) -> bytes:  # noqa: ANN401 - each field has its type
    """A frame with the fields given; the others are null, and all are written: older clients need each of them."""
    declared = _FIELDS[kind]
    fields = [None if values.get(name) is None else convert(values[name]) for name, convert in declared]
    body = encode(Described(Ulong(kind), fields))
    frame_type = SASL_TYPE if kind >= Kind.SASL_MECHANISMS else AMQP_TYPE
    return _HEAD.pack(HEADER_SIZE + len(body), 2, frame_type, channel) + body


def error(condition: str, description: str) -> Described:
    """The error of a detach, an end or a close, with every field: a client that finds one missing dies of it."""
    return Described(Ulong(0x1D), [Symbol(condition), description, {}])


def symbols(*names: str) -> Array:
    """An array of symbols."""
    return Array(tuple(map(Symbol, names)))


def write_transfers(channel: int, handle: int, delivery: int, tag: bytes, payload: bytes, *, settled: bool) -> bytes:
    """The frames of one message, as many as its size needs.

    Written by hand: this is what a fast consumer makes the broker do most.
    """
    middle = b"\x70%b\xa0%b%b\x43%b" % (
        delivery.to_bytes(4, "big"),
        bytes((len(tag),)),
        tag,
        b"\x41" if settled else b"\x42",
    )
    begin = b"\x00\x53\x14\xc0"
    head = b"\x70" + handle.to_bytes(4, "big") + middle
    # Size of the list (its count, and all fields: these, `more`, and five nulls), and the number of fields.
    fields = bytes((1 + len(head) + 6, 11)) + head
    room = MAX_FRAME - HEADER_SIZE - len(begin) - len(fields) - 6
    out = []
    for start in range(0, max(len(payload), 1), room):
        part = payload[start : start + room]
        more = b"\x41" if start + room < len(payload) else b"\x42"
        body = begin + fields + more + b"\x40\x40\x40\x40\x40"
        out.append(_HEAD.pack(HEADER_SIZE + len(body) + len(part), 2, AMQP_TYPE, channel) + body + part)
    return b"".join(out)


def write_disposition(channel: int, first: int, last: int, outcome: bytes, *, role: bool) -> bytes:
    """The settled outcome of deliveries.

    Args:
        channel: Channel of the session.
        first: First delivery.
        last: Last delivery.
        outcome: The outcome, encoded.
        role: Whether we are the receiver of the deliveries.
    """
    fields = b"%b\x70%b\x70%b\x41%b\x40" % (
        b"\x41" if role else b"\x42",
        first.to_bytes(4, "big"),
        last.to_bytes(4, "big"),
        outcome,
    )
    body = b"\x00\x53\x15\xd0" + struct.pack(">II", len(fields) + 4, 6) + fields
    return _HEAD.pack(HEADER_SIZE + len(body), 2, AMQP_TYPE, channel) + body


class FrameBuffer:
    """Bytes as they come, given out as protocol headers and whole frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Headers and frames that are whole, in order.

        Raises:
            CodecError: What comes is neither.
        """
        self._data += data
        at = 0
        try:
            while len(self._data) - at >= HEADER_SIZE:
                size = HEADER_SIZE if self._data[at : at + 4] == b"AMQP" else _HEAD.unpack_from(self._data, at)[0]
                if not HEADER_SIZE <= size <= MAX_FRAME:
                    raise CodecError(f"a frame of {size} bytes is no frame")
                if len(self._data) - at < size:
                    break
                yield bytes(self._data[at : at + size])
                at += size
        finally:
            del self._data[:at]
