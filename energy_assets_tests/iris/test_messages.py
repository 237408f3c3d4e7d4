"""Messages become rows that know their message; what cannot be read is named and takes nothing with it."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.catalogue import dataset
from energy_assets.ingest import poison
from energy_assets.ingest import typed as typing_engine
from energy_assets.ingest.messages import UnreadableMessageError, rows_of, unpack
from energy_assets.ingest.model import Window
from energy_assets.ingest.typed import Stamp, Typed, TypingEngine
from energy_assets.sources.iris import lines
from energy_assets.sources.iris.envelope import Envelope, decode, encode, raw_body
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
    "a thousand new members": (json.dumps([fuel(1) | {f"m{n}": n for n in range(1_000)}]).encode(), "1,000 members"),
    "a large new member": (json.dumps([fuel(1, blob="x" * (3 << 20))]).encode(), "OutOfMemory"),
    "a bomb of empty records": (b"[" + b"{}," * 1_000_000 + b"{}]", "2,000,002 values"),
    "a bomb inside one record": (b'{"a":[' + b"[]," * 1_000_000 + b"[]]}", "values, more than"),
    "too many rows": (b"[" + b"{}," * 200_000 + b"{}]", "200,001 rows"),
}

ODD_NAMES = [
    "_row",
    "_raw",
    "_reason",
    "_winner",
    "_ROW",
    "raw fuelType",
    "a\0b",
    "\0",
    "a\"b'c",
    "a\nb\\c",
    "~/",
    "",
    "n" * 5000,
]
"""Names of members that the typing engine uses itself, or that cannot stand in a statement as they are."""


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


def test_members_with_odd_names_are_kept_with_their_rows(engine: TypingEngine, tmp_path: Path) -> None:
    odd = [message([fuel(n) | {name: f"value {n}"}], n) for n, name in enumerate(ODD_NAMES)]
    result = typed(engine, tmp_path, message([fuel(-1)], 99), *odd)
    assert (result.fetched, result.rows.num_rows, result.quarantine.num_rows) == (len(odd) + 1, len(odd) + 1, 0)
    names = [f.name for f in result.extra]
    assert len({name.lower() for name in names}) == len(names)
    assert not any("\0" in name for name in names)
    for row in result.rows.select(["generation", *names]).to_pylist():
        kept = [value for name, value in row.items() if name in names and value is not None]
        number = int(row["generation"])
        wanted = [] if number < 0 else [f"value {number}"]
        assert [
            value if not value.startswith("{") else next(iter(json.loads(value).values())) for value in kept
        ] == wanted


def test_of_many_new_members_the_usual_become_columns(engine: TypingEngine, tmp_path: Path) -> None:
    rare = [message([fuel(n, news=n) | {f"m{n}": n}], n) for n in range(100)]
    result = typed(engine, tmp_path, *rare)
    assert len(result.extra) == typing_engine.NEW_COLUMNS_MOST + 1
    assert sorted(map(int, result.rows.column("news").to_pylist())) == list(range(100))
    further = [json.loads(text) for text in result.rows.column("further_members").to_pylist() if text is not None]
    assert len(further) == 100 - (typing_engine.NEW_COLUMNS_MOST - 1)
    assert all(list(one) == [f"m{value}"] for one in further for value in one.values())


def refusing(engine: TypingEngine, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """Make the engine refuse whatever holds a poisoned row."""
    read = engine._read

    def picky(entry: Any, path: Path, stamp: Stamp) -> Typed:
        if b"POISON" in path.read_bytes():
            raise error("unheard of")
        return read(entry, path, stamp)

    monkeypatch.setattr(engine, "_read", picky)


@pytest.mark.parametrize("bad", [{0}, {32}, {7, 8, 20}, set(range(0, 33, 2)), set(range(33))])
def test_what_nobody_foresaw_takes_no_other_message_with_it(
    engine: TypingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: set[int]
) -> None:
    refusing(engine, monkeypatch, KeyError)
    sent = [message([fuel(n, "POISON" if n in bad else "WIND"), fuel(n, "CCGT", startTime=None)], n) for n in range(33)]
    result = typed(engine, tmp_path, message(b"no JSON", 98), *sent)
    good = [n for n in range(33) if n not in bad]
    assert [row[0] for row in values(result, "generation")] == good
    assert result.fetched == 1 + 2 * len(good) + len(bad)
    assert result.fetched == result.rows.num_rows + result.quarantine.num_rows
    assert result.messages is not None
    register = {r["message_id"]: (r["status"], r["rows"]) for r in result.messages.to_pylist()[1:]}
    assert register == {f"FUELINST_{n}.json": ("unreadable", 0) if n in bad else ("loaded", 2) for n in range(33)}
    assert len(result.unreadable) == len(bad) + 1
    refused = [r for r in result.quarantine.to_pylist() if "unheard of" in r["reason"]]
    assert {r["raw"] for r in refused} == {sent[n].body for n in bad}


@pytest.mark.parametrize("error", [OSError, KeyError])
def test_what_no_message_is_to_blame_for_is_not_blamed_on_them(
    engine: TypingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(poison, "GIVE_UP_AFTER", 4)
    refusing(engine, monkeypatch, error)
    with pytest.raises(error, match="unheard of"):
        typed(engine, tmp_path, *(message([fuel(n, "POISON")], n) for n in range(5)))


BOMBS: dict[str, Callable[[int], bytes]] = {
    "empty records": lambda size: b"[" + b"{}," * (size // 3) + b"{}]",
    "small records": lambda size: b"[" + b'{"":0},' * (size // 7) + b"{}]",
    "lists in a record": lambda size: b'{"a":[' + b"[]," * (size // 3) + b"[]]}",
    "wrapped": lambda size: json.dumps("[" + "{}," * (size // 3) + "{}]").encode(),
    "one large text": lambda size: json.dumps([fuel(1, "x" * size)]).encode(),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_takes_a_few_times_its_size(kind: str) -> None:
    body = BOMBS[kind](6 << 20)
    tracemalloc.start()
    try:
        rows_of(body)
    except UnreadableMessageError as error:
        assert "more than" in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 5 * len(body)


def test_a_message_that_is_too_large_is_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_MOST", 1 << 20)
    large = message([fuel(n) for n in range(40_000)], 2)
    segment = tmp_path / "segment"
    segment.write_bytes(b"".join(map(encode, [message([fuel(1)], 1), large, message([fuel(3)], 3)])))
    size = segment.stat().st_size
    assert size > 8 << 20
    tracemalloc.start()
    unpacked = unpack(segment, dataset("iris/fuelinst"), STAMP)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2
    assert unpacked.messages.column("status").to_pylist() == ["loaded", "unreadable", "loaded"]
    assert unpacked.messages.column("bytes").to_pylist()[1] > 8 << 20
    (bad,) = unpacked.quarantine.to_pylist()
    assert "too large" in bad["reason"] and "FUELINST_2.json" in bad["reason"]
    assert len(bad["raw"]) <= lines.BEGINNING
    (stub,) = [m for m in lines.read_segment(segment) if isinstance(m, Envelope) and m.cut is not None]
    whole = b"".join(lines.whole(stub, segment, line=True))
    assert decode(whole) == large


def test_a_large_file_of_one_message_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    body = random.Random(4).randbytes(5_000_001)
    path.write_bytes(body)
    found = message(b"", 1)
    cut = Envelope(**{name: getattr(found, name) for name in found.__struct_fields__} | {"cut": lines.cut_of(path)})
    assert raw_body(decode(b"".join(lines.whole(cut, path, line=False)))) == body


def test_a_long_line_that_is_no_envelope_is_no_envelope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_MOST", 1 << 16)
    segment = tmp_path / "segment"
    good = encode(message([fuel(1)], 1))
    segment.write_bytes(b"x" * (1 << 18) + b"\n" + good + b'{"stream": 1, "body":' * (1 << 14))
    found = list(lines.read_segment(segment))
    assert [isinstance(one, bytes) for one in found] == [True, False, True]
