"""The predecessor's 23 tables that held one sample repeated: refused at fetch, and found when loaded by force.

Its tables are those whose row counts in its own report are multiples of one answer: a parameter with a wrong name was
ignored, and every window was answered with 200 and the latest data.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt, Window, WriteBatch
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.tracking.ailments_of_data import Data, duplicates_look, samples_look, schema_look
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

TABLES = (
    *("INDO", "ITSDO", "NDFD", "TSDFD", "OCNMFD", "OCNMFD2", "NOU2T14D", "NDFW", "TSDFW", "FUELHH", "INDDEM", "INDGEN"),
    *("TEMP", "WINDFOR", "NDF", "TSDF", "FOU2T14D", "FOU2T3YW", "NOU2T3YW", "OCNMF3Y", "OCNMF3Y2", "UOU2T14D", "FREQ"),
)
"""Those of its report: 22 multiples of 504 windows, and FREQ, a multiple of one day's 5,761 samples."""

ENTRIES = [dataset(code) for code in TABLES]
TODAY = "2026-09-21"
WEEK = timedelta(days=7)
WINDOWS = 8
"""Windows of seven days, as the predecessor asked; it had 504 of them."""


def data_of(world: World) -> Data:
    return Data(world.settings, lambda: world.warehouse, datasets(), world.clock())


def test_all_23_are_refused_when_they_are_fetched(world: World) -> None:
    assert len(TABLES) == len(set(TABLES)) == 23
    world.app.faults.add("ignore_parameters")
    outcomes = world.refresh(ENTRIES, "2026-07-15")
    assert {o.status for o in outcomes.values()} == {"failed"}
    assert not [name for name in world.counts() if not name.startswith("_")]


def test_one_body_for_every_window_is_refused_for_all_23(world: World) -> None:
    world.app.faults.add("identical")
    first = world.refresh(ENTRIES, "2026-06-10")
    # Those with several windows a day had the first one's answer again at once.
    assert all(o.status == "written" or o.windows > 1 for o in first.values())
    before = world.counts()
    assert {o.status for o in world.refresh(ENTRIES, "2026-08-12").values()} == {"failed"}
    assert {n: c for n, c in world.counts().items() if not n.startswith("_")} == {
        n: c for n, c in before.items() if not n.startswith("_")
    }


def forced(entry: Dataset, honest: World, bad: World, *, same_digest: bool) -> None:
    """The newest answer written once for every window, with receipts that say that all is well."""
    names = [name for name, _ in entry.table.columns]
    days = honest.sql(f"SELECT min(_partition_day), max(_partition_day) FROM {entry.table.name}")[0]
    rows = honest.warehouse.read(entry.table, *days, columns=names)
    digest = honest.receipts(entry.code)[-1]["body_sha256"]
    end = datetime(2026, 7, 1, tzinfo=UTC)
    for number in range(WINDOWS):
        window = Window(end - WEEK * (number + 1), end - WEEK * number)
        asked = bad.clock()
        receipt = Receipt(
            new_receipt_id(asked),
            entry.code,
            entry.table.name,
            window,
            "written",
            asked,
            "force",
            http_status=200,
            body_sha256=digest if same_digest else f"{number:064d}",
            counts=Counts(fetched=rows.num_rows),
        )
        changed = {
            "_window_from_utc": pa.scalar(window.from_utc.replace(tzinfo=None), pa.timestamp("us")),
            "_window_to_utc": pa.scalar(window.to_utc.replace(tzinfo=None), pa.timestamp("us")),
            "_receipt_id": pa.scalar(receipt.receipt_id),
        }
        batch = rows
        for name, value in changed.items():
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(
                place, batch.schema.field(name), pa.repeat(value, rows.num_rows).cast(batch.schema.field(name).type)
            )
        bad.warehouse.write(WriteBatch(entry.table, batch, (receipt,), QUARANTINE_SCHEMA.empty_table()))


@pytest.mark.parametrize("same_digest", [True, False])
def test_loaded_by_force_all_23_are_found_with_window_and_remedy(make_world: MakeWorld, same_digest: bool) -> None:
    honest, bad = make_world(), make_world()
    assert {o.status for o in honest.refresh(ENTRIES, "2026-09-20", TODAY).values()} <= {"written", "suspect"}
    kept = [e for e in ENTRIES if honest.count(e.table.name)]
    assert len(kept) == 23
    for entry in kept:
        forced(entry, honest, bad, same_digest=same_digest)
    found = {d.subject: d for d in samples_look(data_of(bad))}
    assert set(found) == {e.table.name for e in kept}
    for entry in kept:
        diagnosis = found[entry.table.name]
        assert diagnosis.verdict == "error"
        if same_digest:
            assert f"{WINDOWS} windows from 2026-05-06 on had one answer, byte for byte" in diagnosis.text
        assert "windows brought rows of days that they cannot hold" in diagnosis.text
        assert f"`energy-assets verify --dataset {entry.name}`" in diagnosis.remedy
        assert f"energy-assets refresh {entry.name} --from 2026-05-06" in diagnosis.remedy
    assert list(samples_look(data_of(honest))) == [], "what the provider really sent is not suspected"


def test_honest_data_of_every_dataset_raise_no_suspicion(world: World) -> None:
    world.refresh(datasets("bmrs"), "2026-09-14", "2026-09-15")
    world.refresh(datasets("bmrs"), TODAY)
    data = data_of(world)
    assert [d.text for d in samples_look(data)] == []
    assert [d.text for d in duplicates_look(data)] == []
    assert [d.text for d in schema_look(data)] == []
