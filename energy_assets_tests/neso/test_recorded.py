"""Every recorded NESO file and answer loads, every row accounted for, every value as the file says."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import yaml

from energy_assets_tests.neso.reading import CHANGED, family, read
from energy_assets_tests.samples import folder

FAMILIES = {
    "bsuos_half_hourly_rf": "bsuos_until_2023",
    "carbon_intensity": "national_carbon_intensity",
    "day_ahead_demand_forecast_performance": "demand_forecast_performance",
    "demand_forecast_2_14_days": "demand_forecast_14_day",
    "eac_response_reserve": "eac_summary",
    "system_frequency_1s": "system_frequency",
    "wind_forecast_14_days": "wind_forecast_14_day",
}
"""Families by the manifest's names, where those differ."""


@dataclass(frozen=True)
class Recorded:
    """One recorded file."""

    path: Path
    alias: str
    records: int

    def __str__(self) -> str:
        return self.path.name


def recorded() -> list[Recorded]:
    manifest = folder() / "MANIFEST.yaml"
    if not manifest.is_file():
        return []
    entries = yaml.safe_load(manifest.read_text(encoding="utf-8"))["files"]
    return [
        Recorded(folder() / e["file"], FAMILIES.get(e["dataset"], e["dataset"]), e["records"])
        for e in entries
        if e["file"].startswith("neso/") and e["dataset"] != "package_show"
    ]


def as_sent(file: Recorded, tmp_path: Path) -> Path:
    """The file as the portal sends it: rows kept as Parquet become CSV again, without the column that was added."""
    if file.path.suffix != ".parquet":
        return file.path
    target = tmp_path / "rows.csv"
    pa_csv.write_csv(pq.read_table(file.path).drop_columns(["database"]), target)
    return target


def said(path: Path) -> Iterator[dict[str, Any]]:
    """The file's own records, read without the code under test."""
    if path.suffix == ".json":
        body = json.loads(path.read_text(encoding="utf-8-sig"))
        if "data" in body:
            for item in body["data"]:
                yield {"from": item["from"], **{f"intensity.{k}": v for k, v in item["intensity"].items()}}
            return
        for item in body["result"]["records"]:
            yield {k: v for k, v in item.items() if k != "_id"}
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield {name.strip(): value for name, value in row.items()}


def agrees(value: Any, text: Any) -> bool:
    """Whether a stored value is what the file says."""
    if text is None or str(text).strip() in ("", "NA"):
        return value is None
    if isinstance(value, float):
        return math.isclose(value, float(str(text).replace(",", "")), rel_tol=1e-15)
    if isinstance(value, int):
        return value == int(str(text).replace("-", "") if len(str(text)) == 8 else text)
    if isinstance(value, datetime):
        return value == datetime.fromisoformat(str(text).replace("Z", ""))
    if isinstance(value, date):
        return day_of(str(text)) == value
    return str(value) == str(text).strip() or str(value)[:10] == str(text)[:10]


def day_of(text: str) -> date:
    for shape in ("%d-%b-%Y", "%d-%b-%y", "%d/%m/%Y", "%Y%m%d"):
        try:
            return datetime.strptime(text, shape).date()
        except ValueError:
            continue
    return date.fromisoformat(text.strip()[:10])


@pytest.mark.parametrize("file", recorded() or [None], ids=str)
def test_a_recorded_file_loads_with_every_row_accounted_for(file: Recorded | None, tmp_path: Path) -> None:
    if file is None:
        pytest.skip("no recorded files: set ENERGY_ASSETS_SAMPLES to the folder that holds MANIFEST.yaml")
    path = as_sent(file, tmp_path)
    result = read(
        file.alias,
        path,
        tmp_path / "reading",
        resource=f"Historic Demand Data {file.path.stem[-4:]}",
        file_name=path.name,
        form="search" if path.suffix == ".json" else "csv",
        last_modified_utc=CHANGED,
    )
    assert result.fetched == file.records
    assert (result.quarantine, result.duplicate, result.blank) == ([], 0, 0)
    entry = family(file.alias)
    rows = result.rows
    names = {spelled: f.name for f in entry.fields for spelled in f.aliases}
    for row, record in zip(rows, said(path), strict=True):
        for header, text in record.items():
            assert agrees(row[names[header]], text), (header, text, row[names[header]])
    assert len({tuple(row[name] for name in entry.table.natural_key) for row in rows}) == len(rows)


def test_years_of_historic_demand_have_one_set_of_columns(tmp_path: Path) -> None:
    files = [f for f in recorded() if f.alias == "historic_demand"]
    if not files:
        pytest.skip("no recorded files: set ENERGY_ASSETS_SAMPLES to the folder that holds MANIFEST.yaml")
    columns = set()
    for number, file in enumerate(files):
        form = "search" if file.path.suffix == ".json" else "csv"
        result = read(file.alias, file.path, tmp_path / str(number), form=form)
        columns.add(tuple(result.chunks[0].rows.column_names))
        days = {row["settlement_date"] for row in result.rows}
        starts = {row["start_utc"] for row in result.rows}
        assert None not in starts
        assert len(starts) == result.fetched
        if len(days) > 300:
            assert len(days) in (365, 366)
            assert result.fetched == 48 * len(days)
    assert len(columns) == 1
