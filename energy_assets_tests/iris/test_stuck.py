"""One bad item in the drop folder takes no other with it, and nothing is deleted that this warehouse does not hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_assets.catalogue import dataset
from energy_assets.errors import WarehouseError
from energy_assets.ingest.loading import load
from energy_assets.ingest.model import Policy
from energy_assets.sources.iris import split
from energy_assets.sources.iris.backlog import DELETE_AFTER, FAILED_MOST, OPEN_MOST
from energy_assets.tracking.push import Push, look
from energy_assets_tests.contract.store import DuckDBStore, Store
from energy_assets_tests.iris.drop import FUELINST, NOON, Drop, fuel, message, twice

FREQ = dataset("iris/freq").table
ROUNDS = 10


def freq(second: int) -> dict[str, Any]:
    return {"dataset": "FREQ", "measurementTime": f"2026-07-15T11:00:{second:02d}Z", "frequency": 50.0}


def looked(drop: Drop, later: timedelta = timedelta(0)) -> Push:
    return look(drop.root, drop.warehouse, drop.now + later)


def generations(drop: Drop) -> list[float]:
    return sorted(row["generation"] for row in drop.rows(FUELINST, "generation"))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Callable[[Drop], Drop]]:
    """Makes a loader of the same drop folder into another, empty warehouse."""
    opened: list[Drop] = []

    def switch(drop: Drop) -> Drop:
        folder = tmp_path / f"other{len(opened)}"
        folder.mkdir()
        opened.append(Drop(drop.root, folder / "spool", DuckDBStore(folder).open(), drop.now))
        return opened[-1]

    yield switch
    for drop in opened:
        drop.warehouse.close()


def test_a_stream_that_fails_for_ever_never_stops_the_others(drop: Drop, store: Store) -> None:
    drop.warehouse.check()
    store.make_by_hand(FUELINST, {"somebody": "text"})
    for number in range(ROUNDS):
        drop.segment(message([fuel(number)], number), message([freq(number)], 100 + number, subject="FREQ"))
        drop.now += timedelta(minutes=1)
        drop.load()
        assert len(drop.rows(FREQ, "frequency")) == number + 1
        assert drop.backlog.waiting(drop.now) == [] and drop.backlog.manifests("open") == []
        assert len(drop.backlog.manifests("failed")) <= FAILED_MOST + 1
    report = looked(drop, timedelta(hours=5))
    told = [problem for problem in report.problems if "FUELINST_IRIS" in problem]
    assert told and all("could not be loaded" in problem and "h ago" in problem for problem in told)
    assert "bmrs_fuelinst_iris" in told[0]
    assert drop.clean(timedelta(days=9)).deleted == 0
    store.drop(FUELINST)
    drop.load()
    assert generations(drop) == [float(number) for number in range(ROUNDS)]
    assert drop.backlog.manifests("failed") == []
    assert drop.clean().deleted == ROUNDS
    assert not list(drop.folder.segments.rglob("*.ndjson"))


def test_files_of_only_the_stream_that_fails_do_not_stop_the_others(drop: Drop, store: Store) -> None:
    drop.warehouse.check()
    store.make_by_hand(FUELINST, {"somebody": "text"})
    for number in range(ROUNDS):
        day = NOON - timedelta(days=number)
        drop.file(f"FUELINST/{number}.json", twice([fuel(number)]), day)
    for number in range(ROUNDS):
        drop.file(f"FREQ/{number}.json", twice([freq(number)]), NOON)
        drop.now += timedelta(minutes=6)
        drop.load()
        assert len(drop.rows(FREQ, "frequency")) == number + 1


def test_a_warehouse_that_takes_nothing_is_not_asked_for_ever_more(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise WarehouseError("The warehouse is down.")

    monkeypatch.setattr("energy_assets.ingest.loading.carry_out", refuse)
    for number in range(ROUNDS):
        drop.file(f"FREQ/{number}.json", twice([freq(number)]), NOON - timedelta(days=number))
    tried = 0
    for _ in range(ROUNDS):
        due = [m for m in drop.backlog.choose(drop.now) if m.is_due(drop.now)]
        tried += len(due)
        for manifest in due:
            with pytest.raises(WarehouseError):
                load(manifest, drop.backlog, drop.engine, Policy(run_id="test"))
        drop.now += timedelta(seconds=30)
    assert tried <= 4 * OPEN_MOST
    assert any("The warehouse is down." in problem for problem in looked(drop).problems)


def torn_manifest(drop: Drop, content: bytes) -> str:
    path = drop.root / "manifests" / "open" / "20260715T110000Z-0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path.name


def dangling(drop: Drop) -> str:
    path = drop.root / "manifests" / "open" / "x.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/nowhere/at/all")
    return path.name


@pytest.mark.parametrize(
    "spoil", [lambda d: torn_manifest(d, b""), lambda d: torn_manifest(d, b'{"manifest_id": "20'), dangling]
)
def test_what_is_no_manifest_is_named_and_everything_flows(drop: Drop, spoil: Callable[[Drop], str]) -> None:
    name = spoil(drop)
    drop.segment(message([fuel(1)], 1))
    assert any(name in problem for problem in looked(drop).problems)
    drop.load()
    assert generations(drop) == [1.0]
    assert any(f"{name}.bad is no manifest" in problem for problem in looked(drop).problems)
    assert drop.clean().deleted == 1


@pytest.mark.parametrize("year", [1970, 1980, 2031, 2400])
def test_a_file_with_an_absurd_time_is_loaded_as_of_today(drop: Drop, year: int) -> None:
    drop.file("FUELINST/a.json", twice([fuel(1)]), datetime(year, 1, 1, tzinfo=UTC))
    drop.file("FUELINST/FUELINST_202607151100_b.json", twice([fuel(2)]), datetime(year, 1, 1, tzinfo=UTC))
    drop.file("FREQ/a.json", twice([freq(0)]))
    drop.load()
    held = {
        r["generation"]: r["_enqueued_utc"]
        for r in drop.warehouse.read(
            FUELINST,
            NOON.date(),
            drop.now.date(),
            columns=("generation", "_enqueued_utc"),
        ).to_pylist()
    }
    assert held[1.0].date() == drop.now.date(), "when it was found"
    assert held[2.0].replace(tzinfo=UTC) == NOON, "what its name says"
    assert len(drop.rows(FREQ, "frequency")) == 1


def test_a_file_that_cannot_be_read_waits_alone(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.file("FUELINST/a.json", twice([fuel(1)]))
    drop.file("FUELINST/b.json", twice([fuel(2)]))
    drop.segment(message([fuel(3)], 3))
    os.utime(next(drop.folder.segments.rglob("*.ndjson")), (NOON.timestamp(), NOON.timestamp()))
    single = split._single

    def refuse(path: Path, *rest: Any) -> Any:
        if path.name == "b.json":
            raise PermissionError(13, "Permission denied")
        return single(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(split, "_single", refuse)
        (loaded,) = drop.load()
        assert loaded.failed and loaded.unread == {"FUELINST/b.json": "Permission denied"}
        assert generations(drop) == [1.0, 3.0]
        (told,) = [p for p in looked(drop).problems if "FUELINST/b.json" in p]
        assert "Permission denied" in told
        drop.load()
        (left,) = drop.backlog.manifests("failed")
        assert [f.path for f in left.files] == ["FUELINST/b.json"] and left.failures == 2
        assert drop.clean().deleted == 2
    drop.load()
    assert generations(drop) == [1.0, 2.0, 3.0]
    assert drop.clean().deleted == 1
    assert not [p for p in looked(drop).problems if "FUELINST" in p]


def test_what_cannot_be_looked_at_or_deleted_is_named(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.file("FUELINST/a.json", twice([fuel(1)]))
    drop.file("FREQ/a.json", twice([freq(0)]))
    drop.file("REMIT/a.json", b"[]")
    scan, unlink = os.scandir, Path.unlink

    def closed(path: Any) -> Any:
        if isinstance(path, Path) and path.name == "REMIT":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    def kept(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "FREQ":
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "scandir", closed)
    monkeypatch.setattr(Path, "unlink", kept)
    drop.load()
    assert generations(drop) == [1.0]
    cleaned = drop.clean()
    assert (cleaned.deleted, cleaned.stuck) == (1, {"FREQ/a.json": "Operation not permitted"})
    told = looked(drop).problems
    assert any("REMIT/ cannot be looked at (Permission denied)" in problem for problem in told)
    assert any("FREQ/a.json cannot be deleted (Operation not permitted)" in problem for problem in told)


def test_a_batch_that_is_never_loaded_is_told(drop: Drop) -> None:
    drop.segment(message([fuel(1)], 1))
    drop.backlog.choose(drop.now)
    assert not [p for p in looked(drop).problems if "iris_load" in p]
    (told,) = [p for p in looked(drop, timedelta(hours=3)).problems if "iris_load" in p]
    assert told.startswith("1 file chosen 3 h ago")


@pytest.mark.parametrize(
    "path", ["settings.json", "python/settings.json", "clients/python/settings.json", "FUELINST/settings.json"]
)
def test_settings_of_a_client_are_neither_loaded_nor_deleted(drop: Drop, path: str) -> None:
    settings = drop.file(path, b'{"Secret": "of somebody"}')
    drop.file("FUELINST/a.json", twice([fuel(1)]))
    drop.load()
    assert drop.clean().deleted == 1
    assert settings.read_bytes() == b'{"Secret": "of somebody"}'
    held = b"".join(p.read_bytes() for p in drop.root.parent.rglob("*") if p.is_file() and p != settings)
    assert b"of somebody" not in held
    assert any("left alone" in line for line in looked(drop).lines())


def test_another_warehouse_deletes_nothing_and_loads_again(each: Drop, other: Callable[[Drop], Drop]) -> None:
    path = each.segment(message([fuel(1)], 1), message([freq(0)], 2, subject="FREQ"), message(b"nonsense", 3))
    each.load()
    switched = other(each)
    cleaned = switched.clean()
    assert cleaned.deleted == 0 and len(cleaned.released) == 1
    assert path.exists()
    switched.load()
    assert generations(switched) == [1.0] and len(switched.rows(FREQ, "frequency")) == 1
    assert switched.clean().deleted == 1
    assert not path.exists()


def test_what_is_held_is_deleted(each: Drop) -> None:
    path = each.segment(message([fuel(1)], 1), message([freq(0)], 2, subject="FREQ"), message(b"nonsense", 3))
    each.file("FUELINST/empty.json", b"[]")
    each.file("NEWONE/NEWONE_202301010000_1.json", b"{}")
    each.load()
    each.load()
    assert each.clean(DELETE_AFTER - timedelta(minutes=1)).deleted == 0
    cleaned = each.clean()
    assert (cleaned.deleted, cleaned.released, cleaned.stuck) == (3, (), {})
    assert not path.exists()


def test_what_may_not_be_stored_here_is_deleted_when_it_is_kept_elsewhere(drop: Drop) -> None:
    drop.segment(message([fuel(1)], 1))
    drop.load()
    drop.segment(message([fuel(2)], 2, source="SANDBOX"), message([fuel(3)], 3))
    drop.load()
    assert generations(drop) == [1.0, 3.0]
    cleaned = drop.clean()
    assert (cleaned.deleted, cleaned.released) == (2, ())
    assert list((drop.root / "unreadable").rglob("*.ndjson"))


def test_a_warehouse_whose_file_is_gone_loads_again(drop: Drop, tmp_path: Path) -> None:
    path = drop.segment(message([fuel(1)], 1))
    drop.load()
    drop.warehouse.close()
    (tmp_path / "energy.duckdb").unlink()
    assert drop.clean().deleted == 0 and path.exists()
    drop.load()
    assert generations(drop) == [1.0]
    assert drop.clean().deleted == 1


def test_a_table_that_was_dropped_or_emptied_is_loaded_again(each: Drop, each_store: Store) -> None:
    path = each.segment(message([fuel(1)], 1))
    for spoil in (each_store.drop, each_store.delete):
        each.load()
        spoil(FUELINST)
        assert each.clean().deleted == 0 and path.exists()
    each.load()
    assert generations(each) == [1.0]
    assert each.clean().deleted == 1


def test_a_backup_from_before_the_load_is_loaded_again(drop: Drop, tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    first = drop.segment(message([fuel(1)], 1))
    drop.load()
    warehouse = store.open()
    warehouse.backup(tmp_path / "backup.duckdb")
    second = drop.segment(message([fuel(2)], 2, at=NOON + timedelta(seconds=1)))
    drop.load()
    drop.warehouse.close()
    warehouse.restore(tmp_path / "backup.duckdb")
    warehouse.close()
    assert drop.clean().deleted == 1
    assert not first.exists() and second.exists()
    drop.load()
    assert generations(drop) == [1.0, 2.0]


def test_a_warehouse_that_cannot_be_read_deletes_nothing(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop.segment(message([fuel(1)], 1))
    drop.load()

    def refuse(*_: object) -> None:
        raise WarehouseError("The warehouse is down.")

    monkeypatch.setattr(drop.warehouse, "coverage", refuse)
    with pytest.raises(WarehouseError):
        drop.clean()
    assert path.exists()


def test_the_same_file_written_again_days_later_is_stored_once(each: Drop) -> None:
    body = twice([fuel(1)])
    name = "FUELINST/FUELINST_202607151058_77.json"
    for later in (timedelta(0), timedelta(days=3), timedelta(days=80)):
        each.file(name, body, NOON + later)
        each.load()
        assert each.clean().deleted == 1
    assert generations(each) == [1.0]
