"""One settlement day of every dataset into both warehouses: the same rows, and the second time nothing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Table
from energy_assets.errors import WarehouseError
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.settings import Settings
from energy_assets.wiring import open_engine
from energy_assets_tests.bigquery.server import Addresses

DAY = date(2026, 7, 14)
NOW = datetime(2026, 7, 15, 9, 7, tzinfo=UTC)
LATER = datetime(2040, 1, 1, tzinfo=UTC)
"""After every receipt, so that none is believed."""

ALWAYS = (date(2001, 1, 1), date(2040, 1, 1))
OF_ITS_OWN = ("_ingested_utc", "_receipt_id")
"""Columns in which two warehouses that asked separately must differ."""


def engine(settings: Settings) -> Engine:
    return replace(open_engine(settings), clock=lambda: NOW)


def run(opened: Engine, run_id: str, since: datetime | None = None) -> dict[str, Outcome]:
    outcomes = refresh(datasets("bmrs"), DAY, DAY, Policy(run_id=run_id, refetch_since=since), opened)
    assert {o.dataset: o.reason for o in outcomes if o.status == "failed"} == {}
    return {o.dataset: o for o in outcomes}


def held(opened: Engine, table: Table) -> pa.Table | None:
    try:
        return opened.warehouse.read(table, *ALWAYS)
    except WarehouseError as error:
        assert "holds nothing yet" in str(error)
        return None


@pytest.mark.timeout(600)
def test_a_day_of_every_dataset_is_the_same_in_both(tmp_path: Path, bigquery_server: Addresses) -> None:
    with running(ElexonSandbox(clock=lambda: NOW)) as url:
        ours = engine(Settings(home=tmp_path / "duckdb", elexon_url=url))
        theirs = engine(
            Settings(
                home=tmp_path / "bigquery",
                elexon_url=url,
                warehouse="bigquery",
                schema_name="two_warehouses",
                google_cloud_project="local",
                bigquery_emulator_host=bigquery_server.rest,
                bigquery_storage_endpoint=bigquery_server.storage,
            )
        )
        first, second = run(ours, "first"), run(theirs, "first")
        assert {code: (o.status, o.counts) for code, o in first.items()} == {
            code: (o.status, o.counts) for code, o in second.items()
        }

        rows = 0
        for dataset in datasets("bmrs"):
            here, there = held(ours, dataset.table), held(theirs, dataset.table)
            assert (here is None) == (there is None), dataset.code
            if here is None or there is None:
                continue
            # Each holds every row of the other: equal tables in equal order, both ways.
            assert here.schema.equals(there.schema), dataset.code
            assert here.drop_columns(OF_ITS_OWN).equals(there.drop_columns(OF_ITS_OWN)), dataset.code
            rows += here.num_rows
        assert rows > 15_000

        for opened in (ours, theirs):
            again = run(opened, "again", since=LATER)
            counts = sum((o.counts for o in again.values()), type(first["FREQ"].counts)())
            assert (counts.inserted, counts.updated, counts.withdrawn) == (0, 0, 0)
            assert counts.fetched > 15_000
            opened.warehouse.close()
