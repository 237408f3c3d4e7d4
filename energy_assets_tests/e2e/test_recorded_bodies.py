"""Real input: every record of every recorded BMRS body is in the table or in quarantine with a reason, value for value.

The comparison reads the files by itself (``samples.py``), so it does not lean on the code it judges.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset, Field
from energy_assets.errors import CatalogueError
from energy_assets.ingest.model import Counts, Receipt, Window, WriteBatch
from energy_assets.ingest.typed import RefusedBodyError, Stamp, Typed, TypingEngine
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.samples import Sample, bmrs_samples, folder

SAMPLES = bmrs_samples()
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SAMPLES, reason=f"no recorded answers in {folder()}; set ENERGY_ASSETS_SAMPLES")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    made = DuckDBWarehouse(tmp_path / "energy.duckdb", "uk_energy_insights")
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[TypingEngine]:
    made = TypingEngine()
    yield made
    made.close()


def known(sample: Sample) -> bool:
    try:
        dataset(sample.code)
    except CatalogueError:
        return False
    return sample.has_records


LOADABLE = [s for s in SAMPLES if known(s)]


def test_what_is_left_out_is_no_answer_of_a_dataset() -> None:
    """Error bodies, legacy reports and views that are not assets are the only files that are not loaded."""
    left = [s for s in SAMPLES if s not in LOADABLE]
    assert all(
        not s.has_records or "legacy" in s.kind.lower() or s.code in ("MARKET_DEPTH", "ERROR_BODY") for s in left
    )


@pytest.mark.parametrize("sample", LOADABLE, ids=lambda s: s.path.name)
def test_every_record_is_in_the_table_or_in_quarantine(
    sample: Sample, warehouse: DuckDBWarehouse, engine: TypingEngine, tmp_path: Path
) -> None:
    entry = dataset(sample.code)
    records = sample.records
    body = _body(sample, records, tmp_path)
    window = _window(entry, records)
    table, quarantine = _load(entry, body, window, engine, warehouse)

    quarantined = Counter(json.dumps(json.loads(row["raw"]), sort_keys=True) for row in quarantine)
    assert all(row["reason"] for row in quarantine)
    kept: set[tuple[Any, ...]] = set()
    for record in records:
        text = json.dumps(record, sort_keys=True)
        if quarantined[text]:
            quarantined[text] -= 1
            continue
        kept.add(_expected(entry, record, window))
    assert quarantined.total() == 0, "quarantine holds what the body does not"
    stored = {tuple(row[f.name] for f in entry.fields) for row in table}
    assert {_comparable(entry, row) for row in stored} == kept
    if sample.kind.startswith("API") and "nested" not in sample.kind and entry.check.column in (records[0] or {}):
        assert len(quarantine) <= len(records) * 0.01


@pytest.mark.parametrize("sample", LOADABLE, ids=lambda s: s.path.name)
def test_a_second_load_changes_nothing(
    sample: Sample, warehouse: DuckDBWarehouse, engine: TypingEngine, tmp_path: Path
) -> None:
    entry = dataset(sample.code)
    body = _body(sample, sample.records, tmp_path)
    window = _window(entry, sample.records)
    first, _ = _load(entry, body, window, engine, warehouse)
    second, _ = _load(entry, body, window, engine, warehouse, again=True)
    assert second == first


def test_the_register_keeps_its_numbers_and_its_duplicate() -> None:
    wanted = [s for s in LOADABLE if s.code == "BMUNITS"]
    if not wanted:
        pytest.skip("no recorded register of BM units")
    types = {f.name: f.type for f in dataset("BMUNITS").fields}
    assert types["demandCapacity"] == types["generationCapacity"] == types["transmissionLossFactor"] == "number"


def _body(sample: Sample, records: list[Any], tmp_path: Path) -> Path:
    """The recorded bytes; CSV files become the JSON text that the API would send."""
    if sample.path.suffix != ".csv":
        return sample.path
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def _window(entry: Dataset, records: list[Any]) -> Window:
    """A window that holds every record by the entry's own check."""
    branch = tuple((name, values[0]) for name, values in entry.query.branches)
    check = entry.check
    values = [r.get(check.column) for r in records if isinstance(r, dict) and check.column and r.get(check.column)]
    if not values:
        start, end = calendar.day_bounds_utc(date(2026, 1, 15))
    elif check.kind == "instant":
        instants = [_instant(v) for v in values]
        start, end = min(instants), max(instants) + timedelta(seconds=1)
    else:
        days = [date.fromisoformat(v[:10]) for v in values]
        start, end = calendar.day_start_utc(min(days)), calendar.day_bounds_utc(max(days))[1]
    return Window(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC), branch)


def _load(
    entry: Dataset, body: Path, window: Window, engine: TypingEngine, warehouse: DuckDBWarehouse, *, again: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    receipt = Receipt("r2" if again else "r1", entry.code, entry.table.name, window, "written", NOW, "test")
    copy = body if body.parent.name == "work" else _copied(body, warehouse)
    try:
        typed = engine.type_body(entry, copy, Stamp(window, receipt.receipt_id, NOW, "BMRS"))
    except RefusedBodyError as error:
        warehouse.record([receipt.with_(status="failed", reason=str(error))], error.quarantine)
        return [], error.quarantine.to_pylist()
    assert typed.boundary == 0
    result = warehouse.write(_batch(entry, typed, receipt))
    assert all(r.counts.reconciled for r in result.receipts)
    if again:
        assert result.receipts[0].counts.inserted == result.receipts[0].counts.updated == 0
    days = typed.rows["_partition_day"].to_pylist()
    rows = warehouse.read(entry.table, min(days), max(days)).to_pylist()
    return rows, typed.quarantine.to_pylist()


def _copied(body: Path, warehouse: DuckDBWarehouse) -> Path:
    """A copy that the engine may put its working files beside; samples are read-only."""
    target = warehouse.path.parent / "work" / body.name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(body.read_bytes())
    return target


def _batch(entry: Dataset, typed: Typed, receipt: Receipt) -> WriteBatch:
    counts = Counts(
        fetched=typed.fetched, boundary=typed.boundary, duplicate=typed.duplicate, quarantined=typed.quarantine.num_rows
    )
    rows: pa.Table = typed.rows
    return WriteBatch(entry.table, rows, (receipt.with_(counts=counts),), typed.quarantine, typed.extra)


def _expected(entry: Dataset, record: dict[str, Any], window: Window) -> tuple[Any, ...]:
    branch = dict(window.branch)
    if entry.query.scalars:
        return (record,)
    return tuple(
        branch[f.name]
        if f.origin == "request"
        else _value(f, next((record[m] for m in (f.name, *f.aliases) if record.get(m) is not None), None))
        for f in entry.fields
    )


def _value(field: Field, value: Any) -> Any:
    if value is None:
        return None
    match field.type:
        case "number":
            return float(value)
        case "integer":
            return int(float(value))
        case "boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        case "date":
            return date.fromisoformat(value[:10])
        case "instant":
            return _instant(value).replace(tzinfo=None)
        case "json":
            return json.dumps(value, sort_keys=True)
        case _:
            return value if isinstance(value, str) else json.dumps(value)


def _comparable(entry: Dataset, row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        json.dumps(json.loads(value), sort_keys=True) if f.type == "json" and value is not None else value
        for f, value in zip(entry.fields, row, strict=True)
    )


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
