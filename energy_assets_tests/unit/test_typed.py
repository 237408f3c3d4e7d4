"""From JSON text to typed rows: every record ends in exactly one of rows, boundary, duplicates and quarantine."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Window
from energy_assets.ingest.typed import (
    HOLD_BACK_ROWS,
    NEW_COLUMNS_MOST,
    RefusedBodyError,
    Stamp,
    Typed,
    TypingEngine,
    stamp_rows,
)

NOW = datetime(2026, 7, 16, 6, tzinfo=UTC)
DAY = Window(datetime(2026, 7, 14, 23, tzinfo=UTC), datetime(2026, 7, 15, 23, tzinfo=UTC))


@pytest.fixture(scope="module")
def engine() -> Iterator[TypingEngine]:
    made = TypingEngine()
    yield made
    made.close()


def typed(engine: TypingEngine, folder: Path, code: str, body: object, window: Window = DAY) -> Typed:
    path = folder / "body.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return engine.type_body(dataset(code), path, Stamp(window, "0123", NOW, "BMRS"))


def mid(**changes: Any) -> dict[str, Any]:
    row = {
        "dataset": "MID",
        "startTime": "2026-07-15T10:00:00Z",
        "dataProvider": "APXMIDP",
        "settlementDate": "2026-07-15",
        "settlementPeriod": 23,
        "price": 51.25,
        "volume": 100,
    }
    return {**row, **changes}


def many(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Rows that differ in their key."""
    return [mid(dataProvider=f"P{n}", **changes) for n in range(count)]


def accounted(result: Typed) -> bool:
    return result.fetched == result.rows.num_rows + result.boundary + result.duplicate + result.quarantine.num_rows


def test_values_keep_their_meaning(engine: TypingEngine, tmp_path: Path) -> None:
    text = json.dumps([mid()]).replace("51.25", "344.249492314814801830")
    row = typed(engine, tmp_path, "MID", text).rows.to_pylist()[0]
    assert row["price"] == 344.249492314814801830
    assert row["settlementDate"] == date(2026, 7, 15)
    assert row["startTime"] == datetime(2026, 7, 15, 10)
    assert row["settlementPeriod"] == 23
    assert row["_partition_day"] == date(2026, 7, 15)
    assert row["_window_from_utc"] == datetime(2026, 7, 14, 23)
    assert row["_receipt_id"] == "0123"


@pytest.mark.parametrize(
    ("sent", "utc"),
    [
        ("2026-07-15T10:00:00Z", datetime(2026, 7, 15, 10)),
        ("2026-07-15T10:00Z", datetime(2026, 7, 15, 10)),
        ("2026-07-15T10:00:00", datetime(2026, 7, 15, 10)),
        ("2026-07-15 10:00:00Z", datetime(2026, 7, 15, 10)),
        ("2026-07-15T11:00:00+01:00", datetime(2026, 7, 15, 10)),
        ("2026-07-15T10:00:00.123456Z", datetime(2026, 7, 15, 10, 0, 0, 123456)),
    ],
)
def test_instants_are_utc_however_they_are_written(
    engine: TypingEngine, tmp_path: Path, sent: str, utc: datetime
) -> None:
    assert typed(engine, tmp_path, "MID", [mid(startTime=sent)]).rows["startTime"].to_pylist() == [utc]
    careful = typed(engine, tmp_path, "MID", [mid(startTime=sent), mid(dataProvider="X", price="no"), *many(200)])
    assert careful.rows.filter(pa.compute.equal(careful.rows["dataProvider"], "APXMIDP"))["startTime"].to_pylist() == [
        utc
    ]


def test_absent_and_null_members_are_both_null(engine: TypingEngine, tmp_path: Path) -> None:
    absent = mid()
    del absent["volume"]
    rows = typed(engine, tmp_path, "MID", [absent, mid(dataProvider="N2EXMIDP", volume=None)]).rows
    assert rows["volume"].to_pylist() == [None, None]


def test_numbers_sent_as_text_become_numbers(engine: TypingEngine, tmp_path: Path) -> None:
    rows = typed(engine, tmp_path, "MID", [mid(price="51.250", settlementPeriod="23")]).rows
    assert rows["price"].to_pylist() == [51.25]
    assert rows["settlementPeriod"].to_pylist() == [23]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": "cheap"}, "price is not a number: cheap"),
        ({"settlementPeriod": 23.5}, "settlementPeriod is not a whole number: 23.5"),
        ({"settlementPeriod": 2**60}, "settlementPeriod is not a whole number"),
        ({"settlementDate": "15/07/2026"}, "settlementDate is not a date: 15/07/2026"),
        ({"settlementDate": "2026-07-15T13:00:00Z"}, "settlementDate is not a date"),
        ({"settlementDate": None}, "settlementDate is missing"),
        ({"settlementPeriod": None}, "settlementPeriod is missing"),
        ({"startTime": "soon"}, "startTime is not a date and time: soon"),
        ({"price": {"a": 1}}, "price is not a number"),
        ({"price": True}, "price is not a number: true"),
        ({"settlementPeriod": False}, "settlementPeriod is not a number: false"),
    ],
)
def test_a_row_that_cannot_be_typed_is_quarantined_with_its_json(
    engine: TypingEngine, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    bad = mid(dataProvider="BAD", **change)
    result = typed(engine, tmp_path, "MID", [*many(200), bad])
    (row,) = result.quarantine.to_pylist()
    assert row["reason"].startswith(reason)
    assert json.loads(row["raw"]) == bad
    assert row["row_number"] == 200
    assert row["receipt_id"] == "0123"
    assert result.rows.num_rows == 200
    assert accounted(result)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_quarantined(engine: TypingEngine, tmp_path: Path, token: str) -> None:
    text = json.dumps([*many(200), mid(dataProvider="BAD", price=123456)]).replace("123456", token)
    result = typed(engine, tmp_path, "MID", text)
    assert result.quarantine.num_rows == 1
    assert all(math.isfinite(v) for v in result.rows["price"].to_pylist())


@pytest.mark.parametrize("odd", ['"text"', "null", "[]", "3"])
def test_a_record_that_is_no_object_is_quarantined(engine: TypingEngine, tmp_path: Path, odd: str) -> None:
    text = json.dumps(many(200))[:-1] + f", {odd}]"
    result = typed(engine, tmp_path, "MID", text)
    assert result.quarantine["raw"].to_pylist() == [odd]
    assert result.rows.num_rows == 200


def test_more_than_one_in_a_hundred_bad_rows_refuse_the_window_and_keep_every_row(
    engine: TypingEngine, tmp_path: Path
) -> None:
    with pytest.raises(
        RefusedBodyError, match=r"MID .*: 3 of 203 rows cannot be typed, first: price is not a number: x"
    ) as caught:
        typed(engine, tmp_path, "MID", [*many(200), *[mid(dataProvider=f"B{n}", price="x") for n in range(3)]])
    quarantine = caught.value.quarantine
    assert quarantine.num_rows == 203
    reasons = quarantine["reason"].to_pylist()
    assert sum(r.startswith("held back") for r in reasons) == 200
    assert sum(r.startswith("price is not a number") for r in reasons) == 3


def test_a_large_refused_window_quarantines_only_its_bad_rows(engine: TypingEngine, tmp_path: Path) -> None:
    rows = many(HOLD_BACK_ROWS) + [mid(dataProvider=f"B{n}", price="x") for n in range(100)]
    with pytest.raises(RefusedBodyError) as caught:
        typed(engine, tmp_path, "MID", rows)
    assert caught.value.quarantine.num_rows == 100


@pytest.mark.parametrize(
    "change",
    [
        {"settlementDate": "2026-07-16"},
        {"settlementDate": "2026-07-14"},
        {"settlementPeriod": 49},
        {"settlementPeriod": 0},
    ],
)
def test_one_row_outside_the_window_refuses_the_answer(
    engine: TypingEngine, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(RefusedBodyError, match=r"1 of 11 rows lie outside the window, first: 2026-07-1"):
        typed(engine, tmp_path, "MID", [*many(10), mid(**change)])


def test_rows_at_the_inclusive_end_belong_to_the_next_window(engine: TypingEngine, tmp_path: Path) -> None:
    hour = Window(datetime(2026, 7, 15, 10, tzinfo=UTC), datetime(2026, 7, 15, 11, tzinfo=UTC))
    rows = [{"measurementTime": f"2026-07-15T{t}Z", "frequency": 50.0} for t in ("10:00:00", "10:59:45", "11:00:00")]
    result = typed(engine, tmp_path, "FREQ", rows, hour)
    assert (result.rows.num_rows, result.boundary) == (2, 1)
    with pytest.raises(RefusedBodyError, match="1 of 4 rows lie outside"):
        typed(engine, tmp_path, "FREQ", [*rows, {"measurementTime": "2026-07-15T11:00:15Z", "frequency": 50.0}], hour)


def test_equal_rows_are_counted_once(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, "MID", [mid(), mid(), mid(dataProvider="N2EXMIDP")])
    assert (result.rows.num_rows, result.duplicate) == (2, 1)


def test_rows_that_contradict_each_other_keep_the_last_and_quarantine_the_rest(
    engine: TypingEngine, tmp_path: Path
) -> None:
    result = typed(engine, tmp_path, "MID", [mid(price=1.0), *many(200), mid(price=2.0), mid(price=2.0)])
    kept = [r["price"] for r in result.rows.to_pylist() if r["dataProvider"] == "APXMIDP"]
    assert kept == [2.0]
    assert result.duplicate == 1
    (row,) = result.quarantine.to_pylist()
    assert row["reason"].startswith("another row of the same answer has the same key")
    assert json.loads(row["raw"])["price"] == 1.0
    assert accounted(result)


def test_contradictions_never_refuse_the_window_and_never_depend_on_the_order(
    engine: TypingEngine, tmp_path: Path
) -> None:
    rows = [mid(price=1.0), mid(price=2.0), mid(dataProvider="N2EXMIDP")]
    results = [typed(engine, tmp_path, "MID", body) for body in (rows, rows[::-1])]
    kept = [sorted((r["dataProvider"], r["price"], r["_hash_key"]) for r in t.rows.to_pylist()) for t in results]
    assert kept[0] == kept[1]
    assert [t.quarantine.num_rows for t in results] == [1, 1]
    assert all(accounted(t) for t in results)


def test_a_row_that_says_less_than_another_is_its_duplicate(engine: TypingEngine, tmp_path: Path) -> None:
    trimmed = mid()
    del trimmed["dataset"]
    result = typed(engine, tmp_path, "MID", [trimmed, mid(), trimmed])
    assert result.rows["dataset"].to_pylist() == ["MID"]
    assert (result.duplicate, result.quarantine.num_rows) == (2, 0)


def test_rows_that_each_say_something_of_their_own_are_not_duplicates(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, "MID", [mid(dataset=None), mid(volume=None)])
    assert (result.rows.num_rows, result.quarantine.num_rows) == (1, 1)


def test_an_empty_text_is_null_where_text_does_not_belong(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, "MID", [mid(price="", startTime="", dataset="")])
    (row,) = result.rows.to_pylist()
    assert (row["price"], row["startTime"], row["dataset"]) == (None, None, "")


def test_an_empty_unit_is_no_identity(engine: TypingEngine, tmp_path: Path) -> None:
    row = {
        "settlementDate": "2026-07-15",
        "settlementPeriod": 23,
        "timeFrom": "2026-07-15T10:00:00Z",
        "timeTo": "2026-07-15T10:30:00Z",
        "levelFrom": 1,
        "levelTo": 1,
        "pairId": 1,
        "nationalGridBmUnit": "",
    }
    result = typed(engine, tmp_path, "BOD", [{**row, "bmUnit": "T_A-1"}, {**row, "bmUnit": "T_B-1"}])
    assert result.rows["nationalGridBmUnit"].to_pylist() == [None, None]
    assert sorted(result.rows["bmUnit"].to_pylist()) == ["T_A-1", "T_B-1"]


@pytest.mark.parametrize("odd", ["1", '{"fuelType": "A"}', "null", "[]", "true"])
def test_a_register_of_plain_texts_quarantines_what_is_no_text(engine: TypingEngine, tmp_path: Path, odd: str) -> None:
    names = ", ".join(f'"F{n}"' for n in range(200))
    result = typed(engine, tmp_path, "FUELTYPES", f"[{names}, {odd}]")
    assert result.rows.num_rows == 200
    assert [json.loads(raw) for raw in result.quarantine["raw"].to_pylist()] == [json.loads(odd)]


def test_a_member_without_a_name_is_kept(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, "MID", [mid(**{"": 5})])
    assert [f.name for f in result.extra] == ["unnamed"]
    assert result.rows["unnamed"].to_pylist() == ["5"]


def test_rows_outside_the_window_are_shown(engine: TypingEngine, tmp_path: Path) -> None:
    with pytest.raises(RefusedBodyError) as caught:
        typed(engine, tmp_path, "MID", [*many(3), mid(settlementPeriod=49)])
    (row,) = caught.value.quarantine.to_pylist()
    assert (row["reason"], row["row_number"]) == ("outside the window", 3)


def test_flags_stay_flags(engine: TypingEngine, tmp_path: Path) -> None:
    row = {
        "settlementDate": "2026-07-15",
        "settlementPeriod": 23,
        "id": 1,
        "volume": 0,
        "soFlag": True,
        "storFlag": False,
    }
    for body in (json.dumps([row]), json.dumps([row], separators=(",", ":")), json.dumps([row], indent=2)):
        (got,) = typed(engine, tmp_path, "DISBSAD", body).rows.to_pylist()
        assert (got["soFlag"], got["storFlag"], got["volume"]) == (True, False, 0.0)


VALUES = st.sampled_from(
    [
        None,
        1,
        -2.5,
        "3",
        "",
        "x",
        True,
        False,
        [1],
        {"a": 1},
        1e300,
        2**60,
        "2026-07-15",
        "2026-07-15T10:00:00Z",
        "é\u2028:t",
    ]
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("startTime", "settlementPeriod", "price", "volume", "dataset", "odd"), VALUES),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_both_readings_agree(engine: TypingEngine, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """What the fast reading takes, the careful one takes alike; a bad row forces the careful one."""
    filler = many(800)
    odd = [{**mid(dataProvider=f"K{n}"), **row} for n, row in enumerate(rows)]

    def read(body: list[dict[str, Any]]) -> dict[str, Any]:
        try:
            found = typed(engine, tmp_path, "MID", body)
        except RefusedBodyError as error:
            return {"refused": str(error).split(":")[-1]}
        return {r["dataProvider"]: r for r in found.rows.to_pylist() if r["dataProvider"].startswith("K")}

    alone = read([*filler, *odd])
    forced = read([*filler, *odd, mid(dataProvider="BAD", price="no")])
    assert alone == forced


@pytest.mark.parametrize("number", [1e300, 1e-07, -0.0, 1.5])
def test_a_number_where_text_belongs_is_written_alike_by_both_readings(
    engine: TypingEngine, tmp_path: Path, number: float
) -> None:
    body = [mid(dataset=number), *many(200)]
    for more in ([], [mid(dataProvider="BAD", price="no")]):
        rows = typed(engine, tmp_path, "MID", [*body, *more]).rows.to_pylist()
        assert str(number) in {row["dataset"] for row in rows}


@pytest.mark.parametrize("name", ["_row", "_raw", "_reason", "_Row", "_winner", "_agrees", "raw price", "a\0b", "\0"])
def test_members_with_names_of_the_engine_or_none_a_statement_can_hold_are_kept(
    engine: TypingEngine, tmp_path: Path, name: str
) -> None:
    # One row contradicts another, and one cannot be typed: every step of the careful reading is gone through.
    rows = [mid(**{name: "kept"}), mid(price=7), mid(dataProvider="N2EXMIDP", volume="odd")]
    result = typed(engine, tmp_path, "MID", [*rows, *many(500)])
    (extra,) = result.extra
    assert "\0" not in extra.name
    assert result.rows.column(extra.name).to_pylist().count("kept") == 1
    assert (result.fetched, result.quarantine.num_rows) == (503, 2)
    assert accounted(result)


def test_thousands_of_unknown_members_make_few_columns(engine: TypingEngine, tmp_path: Path) -> None:
    odd = mid(dataProvider="ODD") | {f"m{n}": n for n in range(300)}
    result = typed(engine, tmp_path, "MID", [odd, *many(9, news=1)])
    names = [f.name for f in result.extra]
    assert len(names) == NEW_COLUMNS_MOST + 1 and {"news", "further_members"} <= set(names)
    (row,) = [row for row in result.rows.to_pylist() if row["dataProvider"] == "ODD"]
    kept = {name: int(row[name]) for name in names if name.startswith("m") and row[name] is not None}
    assert kept | json.loads(row["further_members"]) == {f"m{n}": n for n in range(300)}


def test_unknown_members_are_kept_as_text_and_named(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, "MID", [mid(newMember={"a": 1.5}, Price="x"), *many(3)])
    assert sorted(f.name for f in result.extra) == ["Price_2", "newMember"]
    row = next(r for r in result.rows.to_pylist() if r["dataProvider"] == "APXMIDP")
    assert row["newMember"] == '{"a":1.5}'
    assert row["Price_2"] == "x"
    assert row["price"] == 51.25


def test_columns_may_come_in_any_order_and_missing_ones_are_named(engine: TypingEngine, tmp_path: Path) -> None:
    backwards = dict(reversed(list(mid().items())))
    del backwards["volume"]
    result = typed(engine, tmp_path, "MID", [backwards])
    assert result.missing == ("volume",)
    assert result.rows["price"].to_pylist() == [51.25]


@pytest.mark.parametrize(
    "body",
    [
        '[{"a": 1},',
        '[{"a": 1}',
        "",
        "<html></html>",
        '{"data": [{"a": 1}',
        '{"message": "no"}',
        '{"data": {"a": 1}}',
        '{"data": "x"}',
        "[1] and more]",
    ],
)
def test_a_body_that_is_not_whole_rows_is_refused(engine: TypingEngine, tmp_path: Path, body: str) -> None:
    with pytest.raises(RefusedBodyError, match="MID 2026-07-14T23:00Z"):
        typed(engine, tmp_path, "MID", body)


@pytest.mark.parametrize(
    "envelope",
    ['{{"metadata": {{"datasets": ["MID"]}}, "data": {rows}}}', ' {{"data":{rows}, "x": 1}}\n', "\ufeff{rows}"],
)
def test_envelopes_are_opened(engine: TypingEngine, tmp_path: Path, envelope: str) -> None:
    assert typed(engine, tmp_path, "MID", envelope.format(rows=json.dumps([mid()]))).rows.num_rows == 1


@pytest.mark.parametrize("body", ["[]", '{"data": []}', '{"metadata": null, "data": [ ]}'])
def test_empty_is_empty(engine: TypingEngine, tmp_path: Path, body: str) -> None:
    result = typed(engine, tmp_path, "MID", body)
    assert (result.fetched, result.rows.num_rows) == (0, 0)
    assert result.rows.column_names == [name for name, _ in dataset("MID").table.columns]


def test_plain_values_become_rows(engine: TypingEngine, tmp_path: Path) -> None:
    result = typed(engine, tmp_path, "FUELTYPES", ["CCGT", "WIND", "CCGT"])
    assert sorted(result.rows["value"].to_pylist()) == ["CCGT", "WIND"]
    assert result.duplicate == 1


def test_the_side_that_only_the_path_knows_becomes_a_column(engine: TypingEngine, tmp_path: Path) -> None:
    window = Window(
        datetime(2026, 7, 15, 10, tzinfo=UTC), datetime(2026, 7, 15, 10, 30, tzinfo=UTC), (("bidOffer", "offer"),)
    )
    row = {
        "settlementDate": "2026-07-15",
        "settlementPeriod": 23,
        "sequenceNumber": 1,
        "repricedIndicator": False,
        "volume": 1.0,
    }
    assert typed(engine, tmp_path, "ISPSTACK", [row], window).rows["bidOffer"].to_pylist() == ["offer"]


@pytest.mark.parametrize(
    ("created", "day"),
    [
        ("2026-03-29T00:30:00Z", date(2026, 3, 29)),
        ("2026-03-28T23:59:59Z", date(2026, 3, 28)),
        ("2026-07-15T22:59:59Z", date(2026, 7, 15)),
        ("2026-07-15T23:00:00Z", date(2026, 7, 16)),
        ("2026-10-25T00:30:00Z", date(2026, 10, 25)),
        ("2026-10-25T23:30:00Z", date(2026, 10, 25)),
        ("2019-07-15T23:30:00Z", date(2019, 7, 16)),
        ("2024-02-29T23:30:00Z", date(2024, 2, 29)),
    ],
)
def test_the_partition_day_is_the_london_day_of_the_instant(
    engine: TypingEngine, tmp_path: Path, created: str, day: date
) -> None:
    row = {
        "mrid": "A",
        "revisionNumber": 1,
        "publishTime": "2026-07-15T10:00:00Z",
        "createdTime": created,
        "eventStartTime": created,
    }
    assert typed(engine, tmp_path, "REMIT", [row]).rows["_partition_day"].to_pylist() == [day]


def test_the_hash_sees_every_value_and_neither_order_nor_new_nulls(engine: TypingEngine, tmp_path: Path) -> None:
    def hashed(row: dict[str, Any]) -> int:
        return typed(engine, tmp_path, "MID", [row]).rows["_hash_key"].to_pylist()[0]

    same = hashed(mid())
    assert hashed(dict(reversed(list(mid().items())))) == same
    assert hashed(mid(brandNew=None)) == same
    changed = [
        {"price": 51.26},
        {"volume": None},
        {"dataset": None},
        {"dataProvider": "X"},
        {"brandNew": "x"},
        {"startTime": None},
    ]
    assert len({same, *(hashed(mid(**c)) for c in changed)}) == len(changed) + 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_doubles_come_through_exactly(engine: TypingEngine, tmp_path: Path, values: list[float]) -> None:
    rows = [mid(dataProvider=f"P{n}", price=value) for n, value in enumerate(values)]
    got = {r["dataProvider"]: r["price"] for r in typed(engine, tmp_path, "MID", rows).rows.to_pylist()}
    assert got == {f"P{n}": value for n, value in enumerate(values)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1),
    other=st.sampled_from(["plain", None]),
)
def test_text_comes_through_exactly(engine: TypingEngine, tmp_path: Path, text: str, other: str | None) -> None:
    rows = typed(engine, tmp_path, "MID", [mid(dataset=text), mid(dataProvider="X", dataset=other)]).rows.to_pylist()
    assert {r["dataset"] for r in rows} == {text, other}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.fixed_dictionaries({"p": st.integers(0, 6), "v": st.integers(0, 2), "bad": st.booleans()}), max_size=30
    )
)
def test_every_record_is_accounted_for(engine: TypingEngine, tmp_path: Path, data: list[dict[str, Any]]) -> None:
    filler = many(3000)
    odd = [mid(dataProvider=f"K{d['p']}", price="bad" if d["bad"] else float(d["v"])) for d in data]
    result = typed(engine, tmp_path, "MID", [*filler, *odd])
    assert result.fetched == len(filler) + len(odd)
    assert accounted(result)
    assert result.rows.num_rows == len(filler) + len({d["p"] for d in data if not d["bad"]})


def test_derived_rows_are_stamped_like_fetched_ones() -> None:
    table = dataset("MID").table
    rows = pa.table({f.name: pa.array([None], pa.string()) for f in table.fields})
    rows = rows.set_column(rows.column_names.index("price"), "price", pa.array([1.5]))
    rows = rows.set_column(rows.column_names.index("settlementDate"), "settlementDate", pa.array([date(2026, 7, 15)]))
    stamped = stamp_rows(table, rows.select(list(reversed(rows.column_names))), Stamp(DAY, "r", NOW, "DERIVED"))
    assert stamped.column_names == [name for name, _ in table.columns]
    assert stamped["_partition_day"].to_pylist() == [date(2026, 7, 15)]
