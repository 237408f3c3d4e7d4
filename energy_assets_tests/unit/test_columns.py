"""Columns in Arrow: what is stored, where rows lie, which day they belong to; and that both readings agree."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import FieldType
from energy_assets.ingest import typed
from energy_assets.ingest.columns import london_days, repeats_a_key, stored
from energy_assets.ingest.hashing import RowWords
from energy_assets.ingest.model import Window
from energy_assets.ingest.typed import Stamp, Typed, TypingEngine

NOW = datetime(2026, 7, 16, 6, tzinfo=UTC)
DAY = Window(datetime(2026, 7, 14, 23, tzinfo=UTC), datetime(2026, 7, 15, 23, tzinfo=UTC))


def chunked(values: list[Any], kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("values", "wire", "kind", "expected"),
    [
        ([1.0, None, -0.0], pa.float64(), "integer", [1, None, 0]),
        ([None], pa.float64(), "integer", [None]),
        ([3.5], pa.float64(), "integer", None),
        ([2.0**53], pa.float64(), "integer", None),
        ([float("nan")], pa.float64(), "integer", None),
        ([1.5, None], pa.float64(), "number", [1.5, None]),
        ([float("inf")], pa.float64(), "number", None),
        ([float("nan")], pa.float64(), "number", None),
        (["2026-02-28", None, "2026-02-28"], pa.string(), "date", [date(2026, 2, 28), None, date(2026, 2, 28)]),
        (["2026-02-29"], pa.string(), "date", None),
        (["2026-W29-3"], pa.string(), "date", None),
        (["2026-07-15T00:00:00Z"], pa.string(), "date", None),
        ([NOW, None], pa.timestamp("us", "UTC"), "instant", [NOW.replace(tzinfo=None), None]),
        ([2**62], pa.timestamp("us", "UTC"), "instant", None),
        (["text", None], pa.string(), "text", ["text", None]),
    ],
)
def test_a_column_is_stored_as_declared_or_not_at_all(
    values: list[Any], wire: pa.DataType, kind: FieldType, expected: list[Any] | None
) -> None:
    found = stored(chunked(values, wire), kind)
    assert (None if found is None else found.to_pylist()) == expected


@given(st.lists(st.datetimes(datetime(1972, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=50))
@settings(deadline=None)
def test_days_are_those_of_london(instants: list[datetime]) -> None:
    days = [i.replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/London")).date() for i in instants]
    assert london_days(chunked(instants, pa.timestamp("us"))).to_pylist() == days


def test_a_key_repeats_when_its_fallback_does() -> None:
    table = dataset("BOALF").table
    columns = {f.name: pa.array([None, None], pa.string()) for f in table.fields}
    for unit, expected in ((["A", "A"], True), (["A", "B"], False)):
        rows = pa.table({**columns, "bmUnit": pa.array(unit)})
        assert repeats_a_key(RowWords(rows), table) is expected


ROWS = st.lists(
    st.fixed_dictionaries(
        {"settlementPeriod": st.integers(1, 48), "dataProvider": st.sampled_from(["A", "B", "é", ""])},
        optional={
            "dataset": st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")),
            "price": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "volume": st.none() | st.integers(-(2**40), 2**40),
            "startTime": st.none() | st.just("2026-07-15T10:00:00+01:00"),
            "unheard": st.none() | st.sampled_from(["of", '"price":', "a : b"]),
        },
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: (row["settlementPeriod"], row["dataProvider"]),
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_both_readings_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]
) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps([{"settlementDate": "2026-07-15", **row} for row in rows]), encoding="utf-8")
    fast = _typed(body)
    with monkeypatch.context() as patch:
        patch.setattr(typed._Reading, "_read_fast", lambda reading: None)
        careful = _typed(body)
    assert fast.rows.schema == careful.rows.schema
    assert _sorted(fast.rows) == _sorted(careful.rows)
    assert (fast.fetched, fast.extra, fast.missing) == (careful.fetched, careful.extra, careful.missing)


def _typed(body: Path) -> Typed:
    engine = TypingEngine()
    try:
        return engine.type_body(dataset("MID"), body, Stamp(DAY, "0123", NOW, "BMRS"))
    finally:
        engine.close()


def _sorted(rows: pa.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.to_pylist()
    return sorted(found, key=lambda row: (row["settlementPeriod"], row["dataProvider"]))


def test_an_instant_beyond_all_dates_is_quarantined(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    row = {"settlementDate": "2026-07-15", "settlementPeriod": 1, "dataProvider": "A"}
    odd = [{**row, "dataProvider": f"P{n}"} for n in range(200)]
    for text in ("infinity", "12026-07-15T00:00:00Z"):
        body.write_text(json.dumps([*odd, {**row, "startTime": text}]))
        (bad,) = _typed(body).quarantine.to_pylist()
        assert bad["reason"].startswith("startTime is")


def test_a_window_over_a_clock_change_knows_its_periods(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    start = datetime(2026, 10, 24, 23, tzinfo=UTC)
    window = Window(start, start + timedelta(hours=25))
    rows = [{"settlementDate": "2026-10-25", "settlementPeriod": p, "dataProvider": "A"} for p in range(1, 51)]
    body.write_text(json.dumps(rows))
    engine = TypingEngine()
    result = engine.type_body(dataset("MID"), body, Stamp(window, "0", NOW, "BMRS"))
    engine.close()
    assert result.rows.num_rows == 50
