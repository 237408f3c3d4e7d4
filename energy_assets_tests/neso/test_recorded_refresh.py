"""Every recorded NESO file and answer through a whole refresh, over HTTP into a store, and a second time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Outcome
from energy_assets.sandbox.neso.shelf import Content, Entry
from energy_assets.sandbox.neso.tables import Rows
from energy_assets_tests.neso.home import Clock, Home, Row
from energy_assets_tests.neso.reading import family
from energy_assets_tests.neso.test_recorded import Recorded, as_sent, recorded
from energy_assets_tests.neso.world import Stage

NOW = datetime(2026, 10, 8, 12, tzinfo=UTC)

NAMES = {
    "bsuos_rf_2022-03-27": "Historic RF BSUoS Data",
    "constraint_breakdown_2020-2021": "Constraint Breakdown 2020-2021",
    "constraint_breakdown_2025_selected": "Constraint Breakdown 2025-2026",
    "embedded_archive_2026_selected": "Embedded Solar and Wind Forecast Archive 2026",
    "system_frequency_1s_2026-06-22": "June 2026 - Historic Frequency Data",
    "system_inertia_2026-06_a": "GB System Inertia - 2026-2027",
}
"""Resources that recordings are of, where that is not the first of their family, by the recording's name."""

KEPT_OUT = frozenset({"_receipt_id", "_ingested_utc", "_window_from_utc", "_window_to_utc"})


@pytest.fixture
def home(portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
    stage, url = portal_stage
    clock = Clock(NOW)
    made = Home.of(stage.fresh(clock=clock), url, tmp_path, clock)
    yield made
    made.warehouse.close()


def name_of(file: Recorded, entry: Dataset) -> str:
    assert entry.files is not None
    if file.alias == "historic_demand":
        return next(k.name for k in entry.files.known if k.name[-4:] in file.path.stem)
    return NAMES.get(file.path.stem, entry.files.known[0].name)


def content_of(file: Recorded, folder: Path) -> tuple[Content, dict[str, Any]]:
    """What the portal would hold: a file as it was sent, or the table that an answer is of."""
    path = as_sent(file, folder)
    if path.suffix != ".json":
        return path.read_bytes(), {"file_name": path.name}
    body = json.loads(path.read_text(encoding="utf-8-sig"))
    if "data" in body:
        # Another service's answer, whose members are the columns of the portal's own file.
        told = [{**item, **{f"intensity.{k}": v for k, v in item["intensity"].items()}} for item in body["data"]]
        records = [{name: value for name, value in item.items() if name != "intensity"} for item in told]
        columns: Sequence[tuple[str, str]] = [(name, "text") for name in records[0]]
    else:
        records = body["result"]["records"]
        columns = [(field["id"], field["type"]) for field in body["result"]["fields"]]
    return Rows.from_records(columns, records), {"url_type": "datastore", "columns": tuple(columns)}


def put(home: Home, file: Recorded, folder: Path) -> Dataset:
    entry = family(file.alias)
    assert entry.files is not None
    name = name_of(file, entry)
    assert entry.files.holds(name)
    content, options = content_of(file, folder)
    home.sandbox.shelf.put(Entry(entry.files.package, name, **options), content)
    return entry


def held(home: Home, entry: Dataset) -> list[Row]:
    """Rows without what says which request brought them, in one order."""
    rows = ({k: v for k, v in row.items() if k not in KEPT_OUT} for row in home.rows(entry))
    return sorted(rows, key=repr)


def accounted_for(outcome: Outcome, rows: int) -> int:
    return rows + outcome.counts.duplicate + outcome.counts.quarantined


@pytest.mark.parametrize("file", recorded() or [None], ids=str)
def test_a_recorded_file_is_loaded_whole_and_a_second_time_changes_nothing(
    file: Recorded | None, home: Home, tmp_path: Path
) -> None:
    if file is None:
        pytest.skip("no recorded files: set ENERGY_ASSETS_SAMPLES to the folder that holds MANIFEST.yaml")
    entry = put(home, file, tmp_path)
    (outcome,) = home.refresh(entry)
    assert (outcome.status, outcome.failures, outcome.counts.fetched) == ("written", (), file.records)
    before = held(home, entry)
    assert accounted_for(outcome, len(before)) == file.records == outcome.counts.inserted

    # The same content under a new time of change, or a table whose cadence has passed. To a forecast that time may be
    # its issue, and so another vintage: the same file is read again.
    assert entry.files is not None
    issued = entry.files.kind == "forecast"
    home.clock.forward(days=2)
    if not issued:
        put(home, file, tmp_path)
    (outcome,) = home.refresh(entry, refetch=issued)
    assert (outcome.status, outcome.failures, outcome.windows) == ("unchanged", (), len(home_windows(home)))
    assert (outcome.counts.fetched, outcome.counts.unchanged) == (file.records, file.records)
    assert held(home, entry) == before
    assert home.rows(entry, view="history") == []


def home_windows(home: Home) -> set[str]:
    """Resources that were asked for."""
    return {dict(r.params).get("resource_id") or r.path for r in home.sandbox.requests if r.dataset in ROUTES}


ROUTES = frozenset({"download", "datastore_search"})


def test_all_years_that_were_recorded_are_one_table(home: Home, tmp_path: Path) -> None:
    files = [file for file in recorded() if file.alias == "historic_demand"]
    if not files:
        pytest.skip("no recorded files: set ENERGY_ASSETS_SAMPLES to the folder that holds MANIFEST.yaml")
    for file in files:
        put(home, file, tmp_path)
    (outcome,) = home.refresh("neso/historic_demand")
    assert (outcome.status, outcome.counts.inserted) == ("written", sum(file.records for file in files))
    rows = home.rows("neso/historic_demand")
    assert len({row["start_utc"] for row in rows}) == len(rows)
    assert {(row["end_utc"] - row["start_utc"]).total_seconds() for row in rows} == {1800}
