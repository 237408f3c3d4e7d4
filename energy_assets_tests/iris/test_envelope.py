"""Envelopes: a message comes back byte for byte, one line each, and only safe names become streams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.errors import ContractError
from energy_assets.sources.iris.envelope import Envelope, MessageId, decode, encode, id_text, raw_body, seal, stream_of

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


def sealed(body: bytes = b"{}", subject: str | None = "FUELINST", message_id: MessageId | None = "m.json") -> Envelope:
    return seal(
        body,
        subject=subject,
        message_id=message_id,
        sequence_number=7,
        enqueued_utc=NOON,
        received_utc=NOON + timedelta(seconds=1),
        source="IRIS",
        origin="iris.queue",
    )


@given(
    st.binary() | st.text().map(str.encode),
    st.none() | st.text(),
    st.none() | st.text() | st.binary() | st.integers(0, 2**64 - 1) | st.uuids(),
)
def test_a_message_comes_back_from_its_line(body: bytes, subject: str | None, message_id: MessageId | None):
    envelope = sealed(body, subject, message_id)
    line = encode(envelope)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == envelope
    assert raw_body(decode(line)) == body
    assert (envelope.body is None) != (envelope.body_base64 is None)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"\xef\xbb\xbf{}", b"NaN", b"a\nb\r\n", b"\0", b'"{\\"a\\": 1}"'])
def test_bodies_are_kept_unread(body: bytes):
    assert raw_body(decode(encode(sealed(body)))) == body


@pytest.mark.parametrize("subject", ["FUELINST", "SYS_WARN", "mibm_mid", "E0361", "A" * 32])
def test_names_of_streams(subject: str):
    assert sealed(subject=subject).stream == subject


@pytest.mark.parametrize(
    "subject",
    [None, "", "../escape", "/etc/passwd", "A/B", "A\0B", "A\n", "A B", "..", ".", "Ä", "A" * 33, "C:", "é", "١٢"],
)
def test_other_subjects_name_no_stream_and_are_kept(subject: str | None):
    assert stream_of(subject) is None
    assert decode(encode(sealed(subject=subject))).subject == subject


@pytest.mark.parametrize(
    ("given_id", "text"),
    [
        ("ABUC_202311140741.json", "ABUC_202311140741.json"),
        ("../escape", "../escape"),
        (0, "0"),
        (42, "42"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (b"name", "name"),
        (b"\xff\x00", "ff00"),
        (None, f"sha256:{sha256(b'body').hexdigest()}"),
        ("", f"sha256:{sha256(b'body').hexdigest()}"),
        (b"", f"sha256:{sha256(b'body').hexdigest()}"),
    ],
)
def test_ids_become_text(given_id: MessageId | None, text: str):
    assert id_text(given_id, b"body") == text


def test_instants_are_kept_in_utc_and_need_a_zone():
    summer = timezone(timedelta(hours=1))
    envelope = seal(
        b"",
        subject=None,
        message_id=None,
        sequence_number=None,
        enqueued_utc=NOON.astimezone(summer),
        received_utc=NOON.astimezone(summer),
        source="IRIS-ARCHIVE",
        origin="x",
    )
    assert decode(encode(envelope)).enqueued_utc.isoformat() == "2026-07-15T12:00:00+00:00"
    with pytest.raises(ValueError, match="zone"):
        seal(
            b"",
            subject=None,
            message_id=None,
            sequence_number=None,
            enqueued_utc=NOON.replace(tzinfo=None),
            received_utc=NOON,
            source="IRIS",
            origin="x",
        )


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"{}", b"\xff", encode(sealed())[:-5], b"null"])
def test_what_is_no_envelope_is_refused(line: bytes):
    with pytest.raises(ContractError, match="no envelope"):
        decode(line)


def test_an_instant_without_zone_is_no_envelope():
    with pytest.raises(ContractError):
        decode(encode(sealed()).replace(b"12:00:00Z", b"12:00:00"))


def test_base64_that_is_none_is_refused():
    line = encode(sealed(b"\xff")).replace(b'"/w=="', b'"/"')
    with pytest.raises(ContractError, match="base64"):
        raw_body(decode(line))
