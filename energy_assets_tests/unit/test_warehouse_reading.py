"""``energy_assets.read``: names, days and types as people meet them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import energy_assets
from energy_assets.catalogue import dataset
from energy_assets.errors import CatalogueError, UnknownAsOfError, WarehouseError
from energy_assets.settings import Settings, load_settings
from energy_assets.warehouse.reading import as_day, table_named, to_pandas
from energy_assets.wiring import open_warehouse
from energy_assets_tests.contract.store import at, batch

WINDFOR = dataset("WINDFOR").table


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load_settings({"ENERGY_ASSETS_HOME": str(tmp_path)}, None)
    rows = [
        {"publishTime": at(f"15 {hour}:30"), "startTime": at("16 00:00"), "generation": value}
        for hour, value in (("03", 100), ("07", None))
    ]
    open_warehouse(made).write(batch(WINDFOR, rows))
    return made


def test_a_frame_has_aware_instants_and_nullable_integers(settings: Settings):
    frame = energy_assets.read("bmrs/windfor", "2026-07-15", date(2026, 7, 15), settings=settings)

    assert isinstance(frame, pd.DataFrame)
    assert list(frame["publishTime"]) == [pd.Timestamp("2026-07-15 03:30Z"), pd.Timestamp("2026-07-15 07:30Z")]
    assert str(frame["publishTime"].dt.tz) == "UTC"
    assert str(frame["generation"].dtype) in ("Int64", "float64")
    assert list(frame["_partition_day"]) == [date(2026, 7, 15)] * 2


def test_arrow_on_request_with_projection(settings: Settings):
    rows = energy_assets.read(
        "WINDFOR", "2026-07-15", "2026-07-15", columns=["startTime"], as_arrow=True, settings=settings
    )

    assert isinstance(rows, pa.Table)
    assert rows.column_names == ["startTime"]


def test_latest_and_both_clocks(settings: Settings):
    def values(**reading):
        frame = energy_assets.read("windfor", "2026-07-15", "2026-07-15", settings=settings, **reading)
        return [None if pd.isna(value) else float(value) for value in frame["generation"]]

    assert values() == [100.0, None]
    assert values(latest=True) == [None]
    assert values(published_as_of=datetime(2026, 7, 15, 5, tzinfo=UTC)) == [100.0]
    assert values(ingested_as_of=datetime.now(tz=UTC)) == [100.0, None]
    with pytest.raises(UnknownAsOfError):
        values(ingested_as_of=datetime(2020, 1, 1, tzinfo=UTC))


def test_a_misspelt_name_gets_a_suggestion(settings: Settings):
    with pytest.raises(CatalogueError, match=r"(?i)windfor"):
        energy_assets.read("bmrs/windfro", "2026-07-15", "2026-07-15", settings=settings)


def test_messages_are_read_by_their_stream(tmp_path: Path):
    made = load_settings({"ENERGY_ASSETS_HOME": str(tmp_path)}, None)
    rows = [
        {
            "publishTime": at("15 03:30"),
            "startTime": at("16 00:00"),
            "generation": number,
            "_message_id": f"m{number}",
            "_message_sha256": "0",
            "_message_row": 0,
            "_enqueued_utc": at(f"15 04:0{number}"),
        }
        for number in (1, 2)
    ]
    open_warehouse(made).write(batch(dataset("iris/windfor").table, rows))

    def values(**reading):
        frame = energy_assets.read("iris/windfor", "2026-07-15", "2026-07-15", settings=made, **reading)
        return [float(value) for value in frame["generation"]]

    assert values() == [1.0, 2.0]
    assert values(latest=True) == [2.0]


def test_a_derived_table_is_read_by_its_asset_name():
    assert table_named("gb/generation_mix_half_hourly").name == "gb_generation_mix_half_hourly"


def test_a_dataset_not_fetched_yet_says_so(settings: Settings):
    with pytest.raises(WarehouseError, match="refresh FUELHH first"):
        energy_assets.read("FUELHH", "2026-07-15", "2026-07-15", settings=settings)


@pytest.mark.parametrize("wrong", ["15/07/2026", "yesterday", "", datetime(2026, 7, 15, tzinfo=UTC)])
def test_what_is_no_day_is_refused(wrong):
    with pytest.raises(WarehouseError, match=r"day"):
        as_day(wrong)


def test_types_of_a_frame():
    rows = pa.table(
        {
            "count": pa.array([1, None], pa.int64()),
            "flag": pa.array([True, None]),
            "value": pa.array([1.5, None]),
            "text": pa.array(["a", None]),
            "day": pa.array([date(2026, 7, 15), None]),
            "instant": pa.array([datetime(2026, 7, 15, 1), None], pa.timestamp("us")),
        }
    )

    kinds = {name: str(kind) for name, kind in to_pandas(rows).dtypes.items()}

    assert kinds == {
        "count": "Int64",
        "flag": "boolean",
        "value": "float64",
        "text": "object",
        "day": "object",
        "instant": "datetime64[us, UTC]",
    }


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, energy_assets; energy_assets.read; "
        "print([m for m in ('duckdb', 'pyarrow', 'pandas', 'dagster', 'pydantic') if m in sys.modules])"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert ended.stdout.strip() == "[]"


def test_the_package_offers_nothing_else():
    with pytest.raises(AttributeError, match="no attribute 'write'"):
        _ = energy_assets.write
