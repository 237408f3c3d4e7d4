"""The types, frames and messages of the broker, against themselves and against the client library's own reading."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from azure.servicebus._pyamqp import _decode, _encode, performatives
from azure.servicebus._pyamqp.message import Message as TheirMessage
from azure.servicebus._pyamqp.message import Properties
from azure.servicebus._pyamqp.outcomes import Accepted, Modified, Released
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.sandbox.iris.codec import (
    DEEPEST,
    Array,
    Byte,
    Char,
    CodecError,
    Described,
    Float,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    Ubyte,
    Uint,
    Ulong,
    Ushort,
    decode,
    encode,
)
from energy_assets.sandbox.iris.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    MAX_FRAME,
    Frame,
    FrameBuffer,
    Kind,
    error,
    read_frame,
    symbols,
    write_disposition,
    write_frame,
    write_transfers,
)
from energy_assets.sandbox.iris.links import outcome_of
from energy_assets.sandbox.iris.messages import Message, delivered, read_message, read_request, reply
from energy_assets.sandbox.iris.queue import Outcome

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
WIDTHS: dict[Callable[[int], int], tuple[int, int]] = {
    Ubyte: (0, 2**8 - 1),
    Ushort: (0, 2**16 - 1),
    Uint: (0, 2**32 - 1),
    Ulong: (0, 2**64 - 1),
    Byte: (-(2**7), 2**7 - 1),
    Short: (-(2**15), 2**15 - 1),
    Int: (-(2**31), 2**31 - 1),
    Long: (-(2**63), 2**63 - 1),
    Timestamp: (-(2**63), 2**63 - 1),
}
NUMBERS = [st.integers(low, high).map(kind) for kind, (low, high) in WIDTHS.items()]
THEIRS = [
    *NUMBERS,
    st.booleans(),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(Float),
    st.uuids(),
    st.binary(max_size=300),
    TEXT,
    st.text(st.characters(max_codepoint=127), max_size=300).map(Symbol),
]
"""Types that the client library reads as well."""

CHARS = st.characters(exclude_categories=["Cs"]).map(Char)


def arrays(least: int) -> st.SearchStrategy[Array]:
    return st.one_of([st.lists(kind, min_size=least, max_size=5).map(tuple).map(Array) for kind in THEIRS])


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
    )


VALUES = nested(st.one_of(st.none(), arrays(0), CHARS, *THEIRS))
THEIR_VALUES = nested(st.one_of(st.none(), arrays(1), *THEIRS))
"""Without empty arrays: the library forgets to skip the type of what is not there."""


def same(one: Any, other: Any) -> bool:
    """Equal in value and in every type."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Array):
        return same(list(one.values), list(other.values))
    if isinstance(one, Described):
        return same(one.descriptor, other.descriptor) and same(one.value, other.value)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def as_they_read(value: Any) -> Any:
    """A value as the client library has it: text as bytes, arrays as lists."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Array):
        return [as_they_read(item) for item in value.values]
    if isinstance(value, list):
        return [as_they_read(item) for item in value]
    if isinstance(value, dict):
        return {as_they_read(key): as_they_read(item) for key, item in value.items()}
    return value


@given(VALUES, st.binary(max_size=4))
def test_every_value_comes_back_with_its_type(value: Any, after: bytes) -> None:
    encoded = encode(value)
    read, end = decode(encoded + after)
    assert same(read, value)
    assert end == len(encoded)


@given(st.integers(0, 255).map(Ulong), VALUES)
def test_described_values_come_back(descriptor: Ulong, value: Any) -> None:
    described = Described(descriptor, value)
    assert same(decode(encode(described))[0], described)


@given(THEIR_VALUES)
def test_the_library_reads_what_is_written(value: Any) -> None:
    encoded = memoryview(encode(value))
    rest, read = _decode._DECODE_BY_CONSTRUCTOR[encoded[0]](encoded[1:])
    assert read == as_they_read(value)
    assert not rest


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_value_or_a_codec_error(data: bytes) -> None:
    try:
        decode(data)
    except CodecError:
        return


@given(VALUES, st.data())
def test_a_value_that_is_cut_short_is_an_error(value: Any, data: st.DataObject) -> None:
    encoded = encode(value)
    with pytest.raises(CodecError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


def test_a_count_does_not_ask_for_memory() -> None:
    for constructor in (0xD0, 0xD1, 0xF0):
        with pytest.raises(CodecError):
            decode(bytes((constructor,)) + b"\x00\x00\x00\x08\x7f\xff\xff\xff" + b"\x40" * 8)


def test_nesting_ends_where_the_clients_end_it() -> None:
    value: list[Any] = []
    for _ in range(DEEPEST - 1):
        value = [value]
    assert decode(encode(value))[0] == value
    with pytest.raises(CodecError, match="nested deeper"):
        decode(encode([value]))


@pytest.mark.parametrize(
    "value", [Ubyte(256), Uint(-1), 2**63, Symbol("é"), object(), Array((Uint(1), Int(1))), Char("ab") + "\ud800"]
)
def test_what_does_not_fit_is_an_error(value: Any) -> None:
    with pytest.raises(CodecError):
        encode(value)


def test_floats_that_are_no_numbers_travel() -> None:
    read, _ = decode(encode([float("nan"), float("inf"), Float("-inf")]))
    assert math.isnan(read[0])
    assert read[1:] == [float("inf"), float("-inf")]


def test_a_timestamp_is_an_instant() -> None:
    instant = Timestamp(1_700_000_000_123).instant()
    assert Timestamp.of(instant + timedelta(microseconds=400)) == 1_700_000_000_123


# Frames.


def theirs(frame: bytes) -> tuple[int, list[Any]]:
    """A frame as the client library reads it."""
    kind, fields = _decode.decode_frame(memoryview(frame)[8:])
    return kind, fields


def test_the_library_reads_our_frames() -> None:
    kind, fields = theirs(write_frame(Kind.OPEN, container_id="us", max_frame_size=65536, idle_timeout=120_000))
    assert (kind, fields[0], fields[2], fields[4]) == (0x10, b"us", 65536, 120_000)
    kind, fields = theirs(write_frame(Kind.ATTACH, 3, name="l", handle=7, role=True, initial_delivery_count=0))
    assert (kind, fields[:3], fields[9]) == (0x12, [b"l", 7, True], 0)
    kind, fields = theirs(write_frame(Kind.DETACH, handle=7, closed=True, error=error("amqp:not-found", "no")))
    assert (kind, fields) == (0x16, [7, True, [b"amqp:not-found", b"no", {}]])
    kind, fields = theirs(write_frame(Kind.SASL_MECHANISMS, mechanisms=symbols("PLAIN", "ANONYMOUS")))
    assert (kind, fields) == (0x40, [[b"PLAIN", b"ANONYMOUS"]])


@pytest.mark.parametrize("kind", list(Kind))
def test_all_fields_of_a_frame_are_written(kind: Kind) -> None:
    """Older clients count on nulls at the end."""
    frame = read_frame(write_frame(kind, 9))
    assert (frame.kind, frame.channel) == (kind, 9)
    assert set(frame.fields.values()) <= {None}


def from_them(performative: Any, channel: int = 0) -> Frame:
    """What we read of a frame that the client library writes; the channel it writes by itself."""
    header, body = _encode.encode_frame(performative)
    return read_frame(bytes(header) + channel.to_bytes(2, "big") + bytes(body))


def test_we_read_the_library_s_frames() -> None:
    asked = {"next_incoming_id": 1, "incoming_window": 2, "next_outgoing_id": 3, "outgoing_window": 4}
    frame = from_them(performatives.FlowFrame(**asked, handle=5, link_credit=6, drain=True), 8)
    assert (frame.kind, frame.channel) == (Kind.FLOW, 8)
    assert frame.fields["link_credit"] == 6
    assert frame.fields["delivery_count"] is None
    assert frame.fields["drain"] is True


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (Accepted(), Outcome.COMPLETE),
        (Released(), Outcome.RELEASE),
        (Modified(delivery_failed=True), Outcome.ABANDON),
        (Modified(delivery_failed=True, undeliverable_here=True), Outcome.DEFER),
    ],
)
def test_we_read_the_library_s_outcomes(state: Any, outcome: Outcome) -> None:
    asked = {"role": True, "first": 5, "last": None, "settled": False, "batchable": None}
    frame = from_them(performatives.DispositionFrame(**asked, state=state))
    assert outcome_of(frame.fields["state"]) == (outcome, {})


@given(st.integers(0, 3 * MAX_FRAME), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_message_is_split_into_frames_and_comes_together_again(size: int, settled: bool, number: int) -> None:
    payload = bytes(size)
    tag = uuid.uuid4().bytes_le
    frames = list(FrameBuffer().feed(write_transfers(2, 1, number, tag, payload, settled=settled)))
    read = [read_frame(frame) for frame in frames]
    assert b"".join(frame.payload for frame in read) == payload
    assert [frame.fields["more"] for frame in read] == [True] * (len(read) - 1) + [False]
    assert all(len(frame) == MAX_FRAME for frame in frames[:-1])
    for frame in frames:
        kind, fields = theirs(frame)
        assert kind == 0x14
        assert fields[:5] == [1, number, tag, 0, settled]


def test_the_library_reads_our_dispositions() -> None:
    kind, fields = theirs(write_disposition(1, 4, 9, encode(Described(Ulong(0x24), [])), role=False))
    assert (kind, fields[:5]) == (0x15, [False, 4, 9, True, {"accepted": []}])


@given(st.lists(st.integers(1, 64), max_size=20))
def test_frames_are_found_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    parts = [AMQP_HEADER, write_frame(Kind.OPEN, container_id="c"), EMPTY_FRAME, write_frame(Kind.CLOSE)]
    stream, buffer, found = b"".join(parts), FrameBuffer(), []
    for cut in cuts:
        found += buffer.feed(stream[:cut])
        stream = stream[cut:]
    assert [*found, *buffer.feed(stream)] == parts


@pytest.mark.parametrize("garbage", [b"\xff" * 16, b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x04\x02\x00\x00\x00"])
def test_what_is_no_frame_is_an_error(garbage: bytes) -> None:
    with pytest.raises(CodecError):
        list(FrameBuffer().feed(garbage))


@given(st.binary(min_size=8, max_size=100))
def test_arbitrary_bytes_are_a_frame_or_a_codec_error(data: bytes) -> None:
    try:
        read_frame(data)
    except CodecError:
        return


# Messages.


@given(
    st.one_of(st.none(), TEXT, st.binary(max_size=50), st.uuids(), st.integers(0, 2**63).map(Ulong)),
    st.none() | TEXT,
    st.binary(max_size=500) | st.lists(st.binary(max_size=50), min_size=2, max_size=4).map(tuple),
    st.integers(0, 2**32 - 1),
    st.none() | st.integers(0, 2**40),
)
def test_the_library_reads_our_messages(
    message_id: Any, subject: str | None, body: Any, failed: int, locked_until: int | None
) -> None:
    message = Message(message_id, subject, body, {"x-sandbox": True})
    read = _decode.decode_payload(memoryview(delivered(message, failed, 7, 11, locked_until)))
    assert read.header.delivery_count == failed
    assert read.properties.message_id == as_they_read(message_id)
    assert read.properties.subject == as_they_read(subject)
    assert read.application_properties == {b"x-sandbox": True}
    assert read.data == ([body] if isinstance(body, bytes) else list(body))
    times = {b"x-opt-enqueued-time": 11, b"x-opt-sequence-number": 7}
    assert read.message_annotations == times | ({} if locked_until is None else {b"x-opt-locked-until": locked_until})


def test_we_read_the_library_s_messages() -> None:
    sent = TheirMessage(
        data=[b"one", b"two"],
        properties=Properties(message_id=uuid.UUID(int=5), subject="FREQ"),
        application_properties={"a": 1},
    )
    read = read_message(bytes(_encode.encode_payload(bytearray(), sent)))
    assert (read.message_id, read.subject, read.body) == (uuid.UUID(int=5), "FREQ", (b"one", b"two"))
    assert read.properties == {"a": 1}
    assert read_message(read.encoded) == read


def test_a_reply_names_the_request() -> None:
    read = _decode.decode_payload(memoryview(reply(uuid.UUID(int=3), {"statusCode": Int(200)}, {"a": 1})))
    assert read.properties.correlation_id == uuid.UUID(int=3)
    assert read.application_properties == {b"statusCode": 200}
    assert read.value == {b"a": 1}
    request = read_request(reply(None, {"operation": "x"}, "v"))
    assert (request.message_id, request.properties, request.value) == (None, {"operation": "x"}, "v")


def test_a_broken_message_keeps_its_bytes_and_takes_marks_where_it_can() -> None:
    sound = Message("a", "S", b"body")
    again = Message("a", wire=sound.encoded).marked({"DeadLetterReason": "why"})
    assert (again.subject, again.body, again.properties) == ("S", b"body", {"DeadLetterReason": "why"})
    broken = Message("a", wire=b"\xff").marked({"DeadLetterReason": "why"})
    assert broken.encoded == b"\xff"
