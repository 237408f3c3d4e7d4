"""Messages that may not or cannot be stored are set aside whole, named, and take nothing with them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from energy_assets.catalogue.iris import BY_STREAM, MESSAGES
from energy_assets.errors import WarehouseError
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Policy, Receipt, WriteBatch, WriteResult
from energy_assets.ingest.refresh import refresh
from energy_assets.settings import Settings
from energy_assets.sources.iris import lines, split
from energy_assets.sources.iris.envelope import Envelope, decode, raw_body
from energy_assets.wiring import open_engine
from energy_assets_tests.contract.store import Store
from energy_assets_tests.iris.archive_world import staged
from energy_assets_tests.iris.drop import FUELINST, Drop, fuel, message, twice

POISON = [
    json.dumps([fuel(1) | {f"m{n}": n for n in range(1_000)}]).encode(),
    json.dumps([fuel(2, blob="x" * (3 << 20))]).encode(),
    b"[" + b"{}," * 200_000 + b"{}]",
]
"""Messages that are JSON records and cannot be typed."""

ODD_NAMES = ("_row", "_raw", "_reason", "a\0b", "_dataset", "_PARTITIONDAY", "é", "x y")


def sources(drop: Drop) -> Counter[str]:
    return Counter(row["_source_api"] for row in drop.rows(FUELINST, "_source_api"))


def kept(drop: Drop) -> list[Envelope]:
    """Messages in the files of unreadable ones."""
    paths = sorted((drop.root / "unreadable").rglob("*.ndjson"))
    return [decode(line) for path in paths for line in path.read_bytes().splitlines()]


def reasons(store: Store) -> list[str]:
    return sorted(row["reason"] for row in store.service_rows("_quarantine"))


def test_poison_is_quarantined_and_kept_and_holds_nothing_up(drop: Drop, store: Store) -> None:
    odd = [message(body, n) for n, body in enumerate(POISON)]
    drop.segment(message([fuel(-1)], 98), *odd, message([fuel(-2)], 99))
    (loaded,) = drop.load()
    (outcome,) = loaded.outcomes
    assert not loaded.failed and loaded.unreadable == len(POISON)
    assert (outcome.counts.inserted, outcome.counts.quarantined) == (2, len(POISON))
    assert outcome.counts.reconciled
    assert kept(drop) == odd
    assert ["OutOfMemory" in r or "members that nobody knows" in r or "rows, more" in r for r in reasons(store)] == [
        True
    ] * len(POISON)
    statuses = {row["message_id"]: (row["status"], row["rows"]) for row in drop.rows(MESSAGES)}
    assert statuses == {f"FUELINST_{n}.json": ("unreadable", 0) for n in range(len(POISON))} | {
        f"FUELINST_{n}.json": ("loaded", 1) for n in (98, 99)
    }


def test_members_with_odd_names_are_stored(each: Drop) -> None:
    each.segment(message([fuel(-1)], 98), *(message([fuel(n) | {name: "kept"}], n) for n, name in enumerate(ODD_NAMES)))
    (loaded,) = each.load()
    assert not loaded.failed, loaded.outcomes
    rows = each.rows()
    assert len(rows) == len(ODD_NAMES) + 1
    assert [list(row.values()).count("kept") for row in sorted(rows, key=lambda row: row["generation"])] == [0] + [
        1
    ] * len(ODD_NAMES)


@pytest.mark.parametrize("framed", ["line", "file"])
def test_a_message_too_large_to_be_held_is_kept_whole(
    drop: Drop, store: Store, monkeypatch: pytest.MonkeyPatch, framed: str
) -> None:
    monkeypatch.setattr(lines, "LINE_MOST", 1 << 18)
    monkeypatch.setattr(split, "LINE_MOST", 1 << 18)
    large = message([fuel(n) for n in range(5_000)], 2)
    body = twice([fuel(n) for n in range(5_000)])
    if framed == "line":
        drop.segment(message([fuel(1)], 1), large, message([fuel(3)], 3))
    else:
        drop.segment(message([fuel(1)], 1), message([fuel(3)], 3))
        drop.file("FUELINST/FUELINST_202607151058_2.json", body)
    loaded = drop.load()
    assert [one.failed for one in loaded] == [False] * len(loaded)
    assert sorted(row["generation"] for row in drop.rows()) == [1, 3]
    (whole,) = kept(drop)
    assert (whole == large) if framed == "line" else (whole.body_base64 is not None)
    assert raw_body(whole) == body
    (reason,) = reasons(store)
    assert "too large" in reason


@pytest.mark.parametrize("order", [("IRIS", "SANDBOX"), ("SANDBOX", "IRIS")])
def test_of_real_and_synthetic_messages_that_come_together_the_real_ones_land(
    each: Drop, each_store: Store, order: tuple[Any, Any]
) -> None:
    sent = [message([fuel(n)], n, source=order[n % 2]) for n in range(6)]
    each.segment(*sent)
    (loaded,) = each.load()
    (outcome,) = loaded.outcomes
    assert not loaded.failed
    assert sources(each) == {"IRIS": 3}
    assert (outcome.counts.inserted, outcome.counts.quarantined, loaded.unreadable) == (3, 3, 3)
    assert outcome.counts.reconciled
    assert kept(each) == [m for m in sent if m.source == "SANDBOX"]
    assert all("never mix" in reason for reason in reasons(each_store))
    assert {row["source"] for row in each.rows(MESSAGES)} == {"IRIS"}
    assert each.backlog.manifests("open") == []


@pytest.mark.parametrize("first", ["IRIS", "SANDBOX"])
def test_what_a_warehouse_holds_decides_what_may_join_it(drop: Drop, store: Store, first: Any) -> None:
    second: Any = {"IRIS": "SANDBOX", "SANDBOX": "IRIS"}[first]
    drop.segment(message([fuel(1)], 1, source=first))
    drop.load()
    strangers = [message([fuel(2)], 2, source=second), message([fuel(3)], 3, subject="NEWONE", source=second)]
    drop.segment(*strangers, message([fuel(4)], 4, source=first))
    (loaded,) = drop.load()
    assert not loaded.failed and loaded.unreadable == 2
    assert sources(drop) == {first: 2}
    assert {m.message_id for m in kept(drop)} == {m.message_id for m in strangers}
    assert {row["source"] for row in drop.rows(MESSAGES)} == {first}
    assert any("ENERGY_ASSETS" in o.reason for o in loaded.outcomes)


def test_a_torn_line_of_a_stand_in_claims_nothing(drop: Drop) -> None:
    path = drop.segment(message([fuel(1)], 1, source="SANDBOX"))
    path.write_bytes(path.read_bytes() + b'{"torn": ')
    (loaded,) = drop.load()
    assert not loaded.failed and loaded.unreadable == 0
    assert sources(drop) == {"SANDBOX": 1}


class Watched:
    """A warehouse that says what was written, in which order, and refuses one table."""

    def __init__(self, warehouse: Any, refused: str = "") -> None:
        self._warehouse = warehouse
        self._refused = refused
        self.done: list[tuple[str, set[str]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def write(self, batch: WriteBatch) -> WriteResult:
        if batch.table.name == self._refused:
            raise WarehouseError("killed")
        result: WriteResult = self._warehouse.write(batch)
        column = "receipt_id" if batch.table is MESSAGES else "_receipt_id"
        self.done.append((batch.table.name, set(batch.rows.column(column).to_pylist())))
        return result

    def record(self, receipts: list[Receipt], quarantine: Any = None) -> None:
        self._warehouse.record(receipts, quarantine)
        self.done += [("_receipts", {r.receipt_id}) for r in receipts if r.status != "failed"]


def filled(tmp_path: Path, url: str, refused: str = "") -> tuple[Watched, Any]:
    settings = Settings(home=tmp_path, iris_archive_url=url, iris_archive_requests_per_second=200.0)
    engine: Engine = open_engine(settings)
    watched = Watched(engine.warehouse, refused)
    day = date(2026, 3, 28)
    (outcome,) = refresh([BY_STREAM["FUELHH"]], day, day, Policy(), replace(engine, warehouse=watched))  # type: ignore[arg-type]
    return watched, outcome


def test_what_became_of_archived_messages_is_written_before_their_receipts_count(tmp_path: Path) -> None:
    with staged() as (stage, url):
        stage.fresh()
        watched, outcome = filled(tmp_path / "whole", url)
        assert outcome.status == "written"
        registered: set[str] = set()
        for table, receipts in watched.done:
            if table == MESSAGES.name:
                registered |= receipts
            else:
                assert receipts <= registered
        # A kill before the register is written: nothing counts, so all is asked for again.
        _, outcome = filled(tmp_path / "killed", url, MESSAGES.name)
        assert (outcome.status, outcome.counts.inserted) == ("failed", 0)
        _, outcome = filled(tmp_path / "killed", url)
        assert (outcome.status, outcome.counts.fetched) == ("written", outcome.counts.inserted)
