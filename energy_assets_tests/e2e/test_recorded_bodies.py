"""Real input: every record of every recorded BMRS body is in the table or in quarantine with a reason, value for value.

The comparison reads the files by itself (``samples.py``), so it does not lean on the code it judges.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import CatalogueError
from energy_assets.ingest.model import Counts, Receipt, Window, WriteBatch
from energy_assets.ingest.typed import RefusedBodyError, Stamp, Typed, TypingEngine
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.samples import Sample, bmrs_samples, comparable, expected, folder, instant

SAMPLES = bmrs_samples()
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SAMPLES, reason=f"no recorded answers in {folder()}; set ENERGY_ASSETS_SAMPLES")


LEAST_STORED = 0.99
"""Share of an answer's records that must be in the table: refusing everything is no way to lose nothing."""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBWarehouse]:
    """One file for all tests, each of which has a table of its own: making a warehouse takes longer than most loads."""
    made = DuckDBWarehouse(tmp_path_factory.mktemp("recorded") / "energy.duckdb", "uk_energy_insights")
    with made.session():
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
TABLES = itertools.count()


def own_table(sample: Sample) -> Dataset:
    """The sample's entry, with a table that no other test writes to."""
    entry = dataset(sample.code)
    return replace(entry, table=replace(entry.table, name=f"{entry.table.name}_{next(TABLES)}"))


def must_be_stored(sample: Sample, entry: Dataset, records: list[Any]) -> bool:
    """Whether the file is an answer of the dataset, and not another view of the same facts."""
    if not sample.kind.startswith("API"):
        return False
    return entry.check.column is None or any(r.get(entry.check.column) is not None for r in records)


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
    entry = own_table(sample)
    records = sample.records
    body = _body(sample, records, tmp_path)
    window = _window(entry, records)
    table, quarantine = _load(entry, body, window, engine, warehouse)

    quarantined = Counter(json.dumps(json.loads(row["raw"]), sort_keys=True) for row in quarantine)
    assert all(row["reason"] for row in quarantine)
    kept = []
    for record in records:
        text = json.dumps(record, sort_keys=True)
        if quarantined[text]:
            quarantined[text] -= 1
            continue
        kept.append(expected(entry, record, dict(window.branch)))
    assert quarantined.total() == 0, "quarantine holds what the body does not"
    assert {comparable(entry, row) for row in table} == set(kept)
    if must_be_stored(sample, entry, records):
        assert len(kept) >= LEAST_STORED * len(records), quarantine[0]["reason"]


@pytest.mark.parametrize("sample", LOADABLE, ids=lambda s: s.path.name)
def test_a_second_load_changes_nothing(
    sample: Sample, warehouse: DuckDBWarehouse, engine: TypingEngine, tmp_path: Path
) -> None:
    entry = own_table(sample)
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
    """The recorded bytes, in a copy that the engine may put its working files beside: samples are read-only.

    CSV files become the JSON text that the API would send.
    """
    path = tmp_path / f"{sample.path.stem}.json"
    if sample.path.suffix == ".csv":
        path.write_text(json.dumps(records), encoding="utf-8")
    else:
        path.write_bytes(sample.path.read_bytes())
    return path


def _window(entry: Dataset, records: list[Any]) -> Window:
    """A window that holds every record by the entry's own check."""
    branch = tuple((name, values[0]) for name, values in entry.query.branches)
    check = entry.check
    values = [r.get(check.column) for r in records if isinstance(r, dict) and check.column and r.get(check.column)]
    if not values:
        start, end = calendar.day_bounds_utc(date(2026, 1, 15))
    elif check.kind == "instant":
        instants = [instant(v) for v in values]
        start, end = min(instants), max(instants) + timedelta(seconds=1)
    else:
        days = [date.fromisoformat(v[:10]) for v in values]
        start, end = calendar.day_start_utc(min(days)), calendar.day_bounds_utc(max(days))[1]
    return Window(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC), branch)


def _load(
    entry: Dataset, body: Path, window: Window, engine: TypingEngine, warehouse: DuckDBWarehouse, *, again: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    receipt_id = f"{entry.table.name}.{2 if again else 1}"
    receipt = Receipt(receipt_id, entry.code, entry.table.name, window, "written", NOW, "test")
    try:
        typed = engine.type_body(entry, body, Stamp(window, receipt.receipt_id, NOW, "BMRS"))
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


def _batch(entry: Dataset, typed: Typed, receipt: Receipt) -> WriteBatch:
    counts = Counts(
        fetched=typed.fetched, boundary=typed.boundary, duplicate=typed.duplicate, quarantined=typed.quarantine.num_rows
    )
    rows: pa.Table = typed.rows
    return WriteBatch(entry.table, rows, (receipt.with_(counts=counts),), typed.quarantine, typed.extra)
