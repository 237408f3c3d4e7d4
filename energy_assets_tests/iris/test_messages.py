"""Messages become rows that know their message; what cannot be read is named and takes nothing with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.catalogue import dataset
from energy_assets.ingest.messages import UnreadableMessageError, rows_of
from energy_assets.ingest.model import Window
from energy_assets.ingest.typed import Stamp, Typed, TypingEngine
from energy_assets.sources.iris.envelope import Envelope, encode
from energy_assets_tests.iris.drop import NOON, fuel, message, twice

STAMP = Stamp(Window(NOON, NOON + timedelta(hours=1)), "r1", NOON, "IRIS")

BAD = {
    "empty": (b"", "empty"),
    "blank": (b"  \n", "empty"),
    "no JSON": (b"nonsense", "not JSON"),
    "no UTF-8": (b'[{"a":"\xff"}]', "not UTF-8"),
    "NaN": (b'[{"generation": NaN}]', "not JSON"),
    "cut off": (json.dumps([fuel(1)]).encode()[:-3], "not JSON"),
    "trailing NUL": (json.dumps([fuel(1)]).encode() + b"\0", "not JSON"),
    "half a surrogate": (b'[{"fuelType": "\\ud800"}]', "not JSON"),
    "number beyond doubles": (b'[{"generation": 1e999}]', "not JSON"),
    "nesting bomb": (b"[" * 200_000, "nested too deep"),
    "nested arrays": (b"[" * 300 + b"]" * 300, "element 0"),
    "a number": (b"17", "no array"),
    "null": (b"null", "no array"),
    "numbers": (b"[1, 2]", "element 0"),
    "a record and a text": (b'[{"a": 1}, "b"]', "element 1"),
    "text in text in text in text": (json.dumps(json.dumps(json.dumps(json.dumps("x")))).encode(), "inside text"),
    "a member of ours": (json.dumps([fuel(1, _message_id="forged")]).encode(), "kept for where"),
}


@pytest.fixture
def engine() -> Iterator[TypingEngine]:
    made = TypingEngine()
    yield made
    made.close()


def typed(engine: TypingEngine, folder: Path, *envelopes: Envelope, stream: str = "iris/fuelinst") -> Typed:
    segment = folder / "segment"
    segment.write_bytes(b"".join(map(encode, envelopes)))
    result = engine.type_body(dataset(stream), segment, STAMP)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == ["segment"]
    return result


def values(result: Typed, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in result.rows.select(list(columns)).to_pylist()]


def test_every_row_of_every_message_knows_its_message_and_place(engine: TypingEngine, tmp_path: Path) -> None:
    first, second = message([fuel(1), fuel(2, "CCGT")], 7), message([fuel(3)], 8, at=NOON + timedelta(seconds=9))
    result = typed(engine, tmp_path, first, second)
    assert values(result, "generation", "_message_id", "_message_row", "_sequence_number") == [
        (1.0, "FUELINST_7.json", 0, 7),
        (2.0, "FUELINST_7.json", 1, 7),
        (3.0, "FUELINST_8.json", 0, 8),
    ]
    assert [row[0].second for row in values(result, "_enqueued_utc")] == [0, 0, 9]
    assert (result.fetched, result.quarantine.num_rows) == (3, 0)
    assert result.messages is not None
    register = result.messages.select(["message_id", "status", "rows", "receipt_id"]).to_pylist()
    assert [tuple(r.values()) for r in register] == [
        ("FUELINST_7.json", "loaded", 2, "r1"),
        ("FUELINST_8.json", "loaded", 1, "r1"),
    ]


def test_a_message_has_one_digest_however_it_is_wrapped_and_laid_out() -> None:
    rows = [fuel(50.25), fuel(1e-7, "CCGT", note='é"\\\n')]
    bodies = [
        json.dumps(rows).encode(),
        json.dumps(rows, indent=2).encode(),
        json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(),
        b"\xef\xbb\xbf" + json.dumps(rows).encode(),
        twice(rows),
        json.dumps(json.dumps(json.dumps(rows))).encode(),
    ]
    assert len({rows_of(body)[0] for body in bodies}) == 1
    assert rows_of(json.dumps(rows[::-1]).encode())[0] != rows_of(bodies[0])[0]


@given(
    st.lists(st.dictionaries(st.text(max_size=6), st.integers() | st.text() | st.none() | st.booleans(), max_size=4))
)
def test_the_bytes_of_rows_are_the_rows(rows: list[dict[str, Any]]) -> None:
    try:
        _, found = rows_of(twice(rows))
    except UnreadableMessageError as error:
        assert any(name.startswith("_") for row in rows for name in row) or "surrogate" in str(error)
        return
    assert [json.loads(bytes(raw)) for raw in found] == rows


@pytest.mark.parametrize("case", BAD)
def test_a_message_that_cannot_be_read_is_named_and_the_rest_flows(
    engine: TypingEngine, tmp_path: Path, case: str
) -> None:
    body, reason = BAD[case]
    result = typed(engine, tmp_path, message([fuel(1)], 1), message(body, 2), message([fuel(3)], 3))
    assert [row[0] for row in values(result, "generation")] == [1.0, 3.0]
    assert result.fetched == 3
    (bad,) = result.quarantine.to_pylist()
    assert reason in bad["reason"] and "FUELINST_2.json" in bad["reason"]
    assert result.messages is not None
    assert result.messages.column("status").to_pylist() == ["loaded", "unreadable", "loaded"]


def test_a_row_that_cannot_be_typed_is_quarantined_with_its_message(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, message([fuel(1), fuel(2, startTime=None), fuel(3) | {"generation": "many"}]))
    assert values(result, "generation", "_message_row") == [(1.0, 0)]
    assert [(r["reason"][:20], r["raw"][:32]) for r in result.quarantine.to_pylist()] == [
        ("startTime is missing", '{"_message_id":"FUELINST_1.json"'),
        ("generation is not a ", '{"_message_id":"FUELINST_1.json"'),
    ]


def test_nothing_but_bad_messages_and_messages_without_rows(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, message(b"x", 1), message([], 2))
    assert (result.rows.num_rows, result.fetched, result.quarantine.num_rows) == (0, 1, 1)
    assert result.messages is not None and result.messages.num_rows == 2


def test_a_record_alone_is_a_row_and_an_empty_record_a_bad_one(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, message(json.dumps(fuel(5)).encode(), 1), message([{}], 2))
    assert values(result, "generation") == [(5.0,)]
    assert "startTime is missing" in result.quarantine.column("reason")[0].as_py()


@pytest.mark.parametrize("message_id", ["../escape", "/etc/passwd", "a\0b", 'x"y\\z', "ünïcode", "x" * 5000])
def test_an_odd_message_id_is_a_value_like_any_other(engine: TypingEngine, tmp_path: Path, message_id: str) -> None:
    result = typed(engine, tmp_path, message([fuel(1)], message_id=message_id))
    assert values(result, "_message_id") == [(message_id,)]


def test_members_that_nobody_knows_are_kept(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, message([fuel(1, news={"a": [1]})]), message([fuel(2)], 2))
    assert [f.name for f in result.extra] == ["news"]
    assert json.loads(result.rows.column("news")[0].as_py()) == {"a": [1]}


def test_unknown_streams_are_kept_whole(engine: TypingEngine, tmp_path: Path) -> None:
    odd = [message(b"\xff\xfe", 1, subject="../up"), message(b"not json", 2, subject="NEWONE"), message([fuel(1)], 3)]
    result = typed(engine, tmp_path, *odd, stream="iris/unmapped")
    assert values(result, "stream", "subject", "body") == [
        (None, "../up", "//4="),
        ("NEWONE", "NEWONE", "not json"),
        ("FUELINST", "FUELINST", twice([fuel(1)]).decode()),
    ]
    assert result.messages is not None and set(result.messages.column("status").to_pylist()) == {"unmapped"}
