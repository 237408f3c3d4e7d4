"""Families of every kind into both warehouses: the same rows, without change again, and revised alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.catalogue.model import Dataset
from energy_assets.catalogue.neso import ENTRIES
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.neso.app import NesoSandbox, running_neso
from energy_assets.sandbox.neso.maker import CatalogueMaker
from energy_assets.settings import Settings
from energy_assets.wiring import open_engine
from energy_assets_tests.bigquery.server import Addresses

ALWAYS = (date(2001, 1, 1), date(2040, 1, 1))
OF_ITS_OWN = ("_ingested_utc", "_receipt_id")
"""Columns in which two warehouses that asked separately must differ."""


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 10, 27, 9, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def traits(dataset: Dataset) -> tuple[object, ...]:
    """What a store can treat differently."""
    files, table = dataset.files, dataset.table
    assert files is not None
    kind = (files.kind, files.way, files.repeats, bool(files.grows), bool(files.personal))
    return (*kind, table.storage.kind, bool(table.replace_scope), bool(table.version_columns))


def one_of_each() -> list[Dataset]:
    """A family of each combination of traits, one with few files where there are several."""
    by_files = sorted(ENTRIES, key=lambda d: len(d.files.known) if d.files else 0, reverse=True)
    return list({traits(d): d for d in by_files}.values())


@pytest.fixture
def engines(tmp_path: Path, bigquery_server: Addresses) -> Iterator[tuple[Clock, Engine, Engine]]:
    clock = Clock()
    families = one_of_each()
    with running_neso(NesoSandbox(CatalogueMaker(families), clock=clock)) as url:
        unhurried = {"neso_url": url, "neso_request_seconds": 0, "neso_datastore_seconds": 0}
        ours = Settings(home=tmp_path / "duckdb", **unhurried)
        theirs = Settings(
            home=tmp_path / "bigquery",
            warehouse="bigquery",
            schema_name="two_warehouses_of_files",
            google_cloud_project="local",
            bigquery_emulator_host=bigquery_server.rest,
            bigquery_storage_endpoint=bigquery_server.storage,
            **unhurried,
        )
        opened = [replace(open_engine(settings), clock=clock) for settings in (ours, theirs)]
        yield clock, opened[0], opened[1]
        for engine in opened:
            engine.warehouse.close()


def run(engine: Engine, families: list[Dataset], since: datetime | None = None) -> dict[str, Outcome]:
    outcomes = refresh(families, *ALWAYS, Policy(run_id="test", refetch_since=since), engine)
    assert {o.dataset: o.reason for o in outcomes if o.status == "failed"} == {}
    return {o.dataset: o for o in outcomes}


def check_equal(ours: Engine, theirs: Engine, families: list[Dataset]) -> int:
    rows = 0
    for family in families:
        for view in ("rows", "latest", "history"):
            here, there = (e.warehouse.read(family.table, *ALWAYS, view=view) for e in (ours, theirs))
            assert here.schema.equals(there.schema), family.code
            own = [c for c in here.column_names if c in OF_ITS_OWN or c.startswith("_supersed")]
            assert here.drop_columns(own).equals(there.drop_columns(own)), (family.code, view)
            rows += here.num_rows
    return rows


@pytest.mark.timeout(600)
def test_families_of_every_kind_are_the_same_in_both(engines: tuple[Clock, Engine, Engine]) -> None:
    clock, ours, theirs = engines
    families = one_of_each()
    assert len(families) > 15
    first, second = run(ours, families), run(theirs, families)
    assert {c: (o.status, o.counts) for c, o in first.items()} == {c: (o.status, o.counts) for c, o in second.items()}
    assert check_equal(ours, theirs, families) > 2_000

    for engine in (ours, theirs):
        again = run(engine, families, since=clock.now + timedelta(hours=1))
        assert {c for c, o in again.items() if o.counts.inserted or o.counts.updated or o.counts.withdrawn} == set()

    clock.now += timedelta(hours=36)
    later, as_late = run(ours, families), run(theirs, families)
    assert {c: o.counts for c, o in later.items()} == {c: o.counts for c, o in as_late.items()}
    assert sum(o.counts.updated for o in later.values()) > 0
    check_equal(ours, theirs, families)
