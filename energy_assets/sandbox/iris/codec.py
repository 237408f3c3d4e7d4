"""The types of AMQP 1.0 on the wire: values to bytes and back.

Only the type system belongs here: what a frame or a message is made of is the business of ``frames`` and ``messages``.
Integers of a certain width, symbols and the like are small subclasses, so that a value that was read can be written
again as it was. A plain ``int`` is written as a long, a ``str`` as a string, ``bytes`` as binary.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from energy_assets.sandbox.faults import SandboxError

DEEPEST = 64
"""Nesting beyond which a peer's value is refused, as the service's own clients refuse it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Buffer = bytes | bytearray | memoryview


class CodecError(SandboxError):
    """Bytes are no AMQP value, or a value has no form in AMQP."""


class Ubyte(int):
    """An unsigned byte."""


class Ushort(int):
    """An unsigned integer of 16 bits."""


class Uint(int):
    """An unsigned integer of 32 bits."""


class Ulong(int):
    """An unsigned integer of 64 bits."""


class Byte(int):
    """A signed byte."""


class Short(int):
    """A signed integer of 16 bits."""


class Int(int):
    """A signed integer of 32 bits."""


class Long(int):
    """A signed integer of 64 bits."""


class Float(float):
    """A binary floating-point number of 32 bits."""


class Timestamp(int):
    """Milliseconds since 1970, UTC."""

    @classmethod
    def of(cls, instant: datetime) -> Timestamp:
        """The timestamp of an aware instant, cut to milliseconds."""
        return cls((instant - _EPOCH) // timedelta(milliseconds=1))

    def instant(self) -> datetime:
        """The aware UTC instant."""
        return _EPOCH + timedelta(milliseconds=int(self))


class Char(str):
    """One Unicode character."""

    __slots__ = ()


class Symbol(str):
    """A name out of a defined set, ASCII."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Array:
    """Values of one type, told once: the type of the first is that of all."""

    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor that says what it stands for."""

    descriptor: Any
    value: Any


class _Code(NamedTuple):
    """How the values of a type are written one after another: a constructor and the bytes of each."""

    constructor: int
    write: Callable[[Any], bytes]


def _fixed(constructor: int, form: str) -> _Code:
    return _Code(constructor, struct.Struct(form).pack)


def _variable(constructor: int, data: Callable[[Any], bytes]) -> _Code:
    """Four bytes of length and then the data."""

    def write(value: Any) -> bytes:  # noqa: ANN401 - each type has its own
        encoded = data(value)
        return struct.pack(">I", len(encoded)) + encoded

    return _Code(constructor, write)


def _compound(constructor: int, items: Callable[[Any], Sequence[Any]]) -> _Code:
    """Four bytes of size, four of count, and then the items, each with its constructor."""

    def write(value: Any) -> bytes:  # noqa: ANN401 - each type has its own
        inner = items(value)
        encoded = b"".join(map(encode, inner))
        return struct.pack(">II", len(encoded) + 4, len(inner)) + encoded

    return _Code(constructor, write)


def _flat(mapping: Mapping[Any, Any]) -> list[Any]:
    return [part for pair in mapping.items() for part in pair]


def _array(value: Array) -> bytes:
    """Size, count, the constructor of all, and their bytes."""
    if not value.values:
        encoded = b"\x40"
    else:
        kind = type(value.values[0])
        if any(type(item) is not kind for item in value.values):
            raise CodecError("the values of an AMQP array have one type")
        code = _code(value.values[0])
        encoded = bytes((code.constructor,)) + b"".join(map(code.write, value.values))
    return struct.pack(">II", len(encoded) + 4, len(value.values)) + encoded


_CODES: dict[type, _Code] = {
    bool: _Code(0x56, lambda value: b"\x01" if value else b"\x00"),
    Ubyte: _fixed(0x50, ">B"),
    Ushort: _fixed(0x60, ">H"),
    Uint: _fixed(0x70, ">I"),
    Ulong: _fixed(0x80, ">Q"),
    Byte: _fixed(0x51, ">b"),
    Short: _fixed(0x61, ">h"),
    Int: _fixed(0x71, ">i"),
    Long: _fixed(0x81, ">q"),
    int: _fixed(0x81, ">q"),
    Float: _fixed(0x72, ">f"),
    float: _fixed(0x82, ">d"),
    Char: _Code(0x73, lambda value: value.encode("utf-32-be")),
    Timestamp: _fixed(0x83, ">q"),
    uuid.UUID: _Code(0x98, lambda value: value.bytes),
    bytes: _variable(0xB0, bytes),
    bytearray: _variable(0xB0, bytes),
    str: _variable(0xB1, lambda value: value.encode()),
    Symbol: _variable(0xB3, lambda value: value.encode("ascii")),
    list: _compound(0xD0, lambda value: value),
    tuple: _compound(0xD0, lambda value: value),
    dict: _compound(0xD1, _flat),
    Array: _Code(0xF0, _array),
}


def _code(value: Any) -> _Code:  # noqa: ANN401 - any value
    try:
        return _CODES[type(value)]
    except KeyError:
        raise CodecError(f"a {type(value).__name__} has no form in AMQP") from None


def encode(value: Any) -> bytes:  # noqa: ANN401 - any value
    """A value with its constructor.

    Raises:
        CodecError: The value has no form in AMQP, or is out of its type's range.
    """
    if value is None:
        return b"\x40"
    if type(value) is Described:
        return b"\x00" + encode(value.descriptor) + encode(value.value)
    code = _code(value)
    short = _SHORT.get(code.constructor)
    try:
        encoded = code.write(value)
    except (struct.error, UnicodeError) as error:
        raise CodecError(f"{value!r} does not fit an AMQP {type(value).__name__.lower()}: {error}") from error
    return (short and short(encoded)) or bytes((code.constructor,)) + encoded


def _short_number(constructor: int, zero: bytes, *, signed: bool) -> Callable[[bytes], bytes | None]:
    """Numbers that fit one byte are written as one, and zero as none where the type has such a form."""

    def shorten(encoded: bytes) -> bytes | None:
        value = int.from_bytes(encoded, "big", signed=signed)
        if value == 0 and zero:
            return zero
        fits = -128 <= value < 128 if signed else value < 256
        return bytes((constructor,)) + encoded[-1:] if fits else None

    return shorten


def _short_data(constructor: int) -> Callable[[bytes], bytes | None]:
    return lambda encoded: bytes((constructor,)) + encoded[3:] if len(encoded) < 4 + 256 else None


def _short_list(encoded: bytes) -> bytes | None:
    if len(encoded) == 8:
        return b"\x45"
    return _short_compound(0xC0)(encoded)


def _short_compound(constructor: int) -> Callable[[bytes], bytes | None]:
    """One byte of size and one of count; the size counts the count's byte."""

    def shorten(encoded: bytes) -> bytes | None:
        size, count = struct.unpack_from(">II", encoded)
        return bytes((constructor, size - 3, count)) + encoded[8:] if size - 3 < 256 and count < 256 else None

    return shorten


_SHORT: dict[int, Callable[[bytes], bytes | None]] = {
    0x56: lambda encoded: b"\x41" if encoded == b"\x01" else b"\x42",
    0x70: _short_number(0x52, b"\x43", signed=False),
    0x80: _short_number(0x53, b"\x44", signed=False),
    0x71: _short_number(0x54, b"", signed=True),
    0x81: _short_number(0x55, b"", signed=True),
    0xB0: _short_data(0xA0),
    0xB1: _short_data(0xA1),
    0xB3: _short_data(0xA3),
    0xD0: _short_list,
    0xD1: _short_compound(0xC1),
    0xF0: _short_compound(0xE0),
}
"""Shorter forms by the constructor of the long one."""

_Reader = Callable[[Buffer, int, int], tuple[Any, int]]
"""Reads a value that begins at a place, at a depth; gives it and the place after it."""


def decode(data: Buffer, at: int = 0) -> tuple[Any, int]:
    """The value that begins at a place, and the place after it.

    Raises:
        CodecError: The bytes are no value: unknown constructor, cut short, nested too deeply, not UTF-8.
    """
    try:
        return _read(data, at, 0)
    except (IndexError, struct.error, UnicodeError, ValueError, OverflowError, TypeError) as error:
        raise CodecError(f"no AMQP value at byte {at}: {error}") from error


def decode_all(data: Buffer) -> list[Any]:
    """The values that follow one another to the end of the bytes."""
    found, at = [], 0
    while at < len(data):
        value, at = decode(data, at)
        found.append(value)
    return found


def _read(data: Buffer, at: int, depth: int) -> tuple[Any, int]:
    return _READERS[data[at]](data, at + 1, depth)


def _unknown(data: Buffer, at: int, depth: int) -> tuple[Any, int]:
    raise CodecError(f"there is no AMQP constructor 0x{data[at - 1]:02x}")


def _constant(value: Any) -> _Reader:  # noqa: ANN401 - any value
    return lambda _data, at, _depth: (value, at)


def _number(form: str, kind: Callable[[Any], Any]) -> _Reader:
    unpack, size = struct.Struct(form).unpack_from, struct.calcsize(form)

    def read(data: Buffer, at: int, _depth: int) -> tuple[Any, int]:
        return kind(unpack(data, at)[0]), at + size

    return read


def _cut(data: Buffer, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise CodecError(f"an AMQP value of {size} bytes is cut short")
    return bytes(data[at : at + size])


def _data(form: str, kind: Callable[[bytes], Any]) -> _Reader:
    """A length and so many bytes."""
    unpack, width = struct.Struct(form).unpack_from, struct.calcsize(form)

    def read(data: Buffer, at: int, _depth: int) -> tuple[Any, int]:
        begin = at + width
        size = unpack(data, at)[0]
        return kind(_cut(data, begin, size)), begin + size

    return read


def _deeper(depth: int) -> int:
    if depth >= DEEPEST:
        raise CodecError(f"an AMQP value is nested deeper than {DEEPEST}")
    return depth + 1


def _items(form: str, kind: Callable[[list[Any]], Any]) -> _Reader:
    """Size and count, and so many values with their constructors."""
    unpack, width = struct.Struct(form).unpack_from, struct.calcsize(form)

    def read(data: Buffer, at: int, depth: int) -> tuple[Any, int]:
        depth = _deeper(depth)
        size, count = unpack(data, at)
        at += width
        # Each value has a byte at least; a count alone must not ask for memory.
        if count > len(data) - at:
            raise CodecError(f"an AMQP list of {size} bytes cannot hold {count} values")
        values = []
        for _ in range(count):
            value, at = _read(data, at, depth)
            values.append(value)
        return kind(values), at

    return read


def _no_items(_data: Buffer, at: int, depth: int) -> tuple[Any, int]:
    _deeper(depth)
    return [], at


def _mapping(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise CodecError("an AMQP map has a key without a value")
    return dict(zip(values[::2], values[1::2], strict=True))


def _elements(form: str) -> _Reader:
    """Size, count, one constructor, and the bytes of each value."""
    unpack, width = struct.Struct(form).unpack_from, struct.calcsize(form)

    def read(data: Buffer, at: int, depth: int) -> tuple[Any, int]:
        depth = _deeper(depth)
        size, count = unpack(data, at)
        end = at + width // 2 + size
        at += width
        if count > size:
            raise CodecError(f"an AMQP array of {size} bytes cannot hold {count} values")
        if not count:
            if end > len(data):
                raise CodecError("an AMQP array is cut short")
            return Array(), end
        if not data[at]:
            raise CodecError("an AMQP array of described values is not understood here")
        values, reader = [], _READERS[data[at]]
        at += 1
        for _ in range(count):
            value, at = reader(data, at, depth)
            values.append(value)
        return Array(tuple(values)), at

    return read


def _described(data: Buffer, at: int, depth: int) -> tuple[Any, int]:
    depth = _deeper(depth)
    descriptor, at = _read(data, at, depth)
    value, at = _read(data, at, depth)
    return Described(descriptor, value), at


def _character(code: int) -> Char:
    return Char(chr(code))


def _ascii(data: bytes) -> Symbol:
    return Symbol(data.decode("ascii"))


def _table(readers: Iterable[tuple[int, _Reader]]) -> list[_Reader]:
    table: list[_Reader] = [_unknown] * 256
    for constructor, reader in readers:
        table[constructor] = reader
    return table


_READERS: list[_Reader] = _table(
    (
        (0x00, _described),
        (0x40, _constant(None)),
        (0x41, _constant(True)),
        (0x42, _constant(False)),
        (0x43, _constant(Uint(0))),
        (0x44, _constant(Ulong(0))),
        (0x45, _no_items),
        (0x50, _number(">B", Ubyte)),
        (0x51, _number(">b", Byte)),
        (0x52, _number(">B", Uint)),
        (0x53, _number(">B", Ulong)),
        (0x54, _number(">b", Int)),
        (0x55, _number(">b", Long)),
        (0x56, _number(">B", bool)),
        (0x60, _number(">H", Ushort)),
        (0x61, _number(">h", Short)),
        (0x70, _number(">I", Uint)),
        (0x71, _number(">i", Int)),
        (0x72, _number(">f", Float)),
        (0x73, _number(">I", _character)),
        (0x80, _number(">Q", Ulong)),
        (0x81, _number(">q", Long)),
        (0x82, _number(">d", float)),
        (0x83, _number(">q", Timestamp)),
        (0x98, lambda data, at, _depth: (uuid.UUID(bytes=_cut(data, at, 16)), at + 16)),
        (0xA0, _data(">B", bytes)),
        (0xA1, _data(">B", lambda data: data.decode())),
        (0xA3, _data(">B", _ascii)),
        (0xB0, _data(">I", bytes)),
        (0xB1, _data(">I", lambda data: data.decode())),
        (0xB3, _data(">I", _ascii)),
        (0xC0, _items(">BB", list)),
        (0xC1, _items(">BB", _mapping)),
        (0xD0, _items(">II", list)),
        (0xD1, _items(">II", _mapping)),
        (0xE0, _elements(">BB")),
        (0xF0, _elements(">II")),
    )
)
"""Readers by constructor."""
