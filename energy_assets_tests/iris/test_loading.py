"""From the drop folder into each warehouse: every message once, whatever comes between."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from energy_assets.catalogue import dataset
from energy_assets.catalogue.iris import MESSAGES
from energy_assets.catalogue.model import Table
from energy_assets.sources.iris.envelope import decode
from energy_assets.sources.iris.split import split
from energy_assets.warehouse.sql import DUCKDB, TableSql
from energy_assets_tests.contract.store import SCHEMA, DuckDBStore, Store
from energy_assets_tests.iris.drop import FUELINST, NOON, UNMAPPED, Drop, fuel, message, twice

LATE = NOON.replace(hour=22, minute=59, second=59)
"""The last second of the settlement day in London."""


def generations(drop: Drop) -> Counter[float]:
    return Counter(row["generation"] for row in drop.rows(FUELINST, "generation"))


def freq(second: int) -> dict[str, Any]:
    return {"dataset": "FREQ", "measurementTime": f"2026-07-15T11:00:{second:02d}Z", "frequency": 50.0}


def test_messages_of_both_layouts_land_once_and_are_registered(each: Drop) -> None:
    each.segment(message([fuel(1), fuel(2, "CCGT")], 1), message([freq(0)], 2, subject="FREQ"), message([fuel(3)], 3))
    each.file("FUELINST/FUELINST_202607151058_77.json", json.dumps([fuel(4)], indent=1).encode())
    each.file("NEWONE/NEWONE_x.json", b'[{"a": 1}]')
    results = each.load()
    assert [r.failed for r in results] == [False] * len(results)
    assert generations(each) == {1.0: 1, 2.0: 1, 3.0: 1, 4.0: 1}
    assert [row["frequency"] for row in each.rows(dataset("iris/freq").table)] == [50.0]
    assert [(row["stream"], row["body"]) for row in each.rows(UNMAPPED)] == [("NEWONE", '[{"a": 1}]')]
    register = {row["message_id"]: row for row in each.rows(MESSAGES)}
    assert {name: (row["status"], row["rows"], row["source"]) for name, row in register.items()} == {
        "FUELINST_1.json": ("loaded", 2, "IRIS"),
        "FREQ_2.json": ("loaded", 1, "IRIS"),
        "FUELINST_3.json": ("loaded", 1, "IRIS"),
        "FUELINST_202607151058_77.json": ("loaded", 1, "IRIS-FILE"),
        "NEWONE_x.json": ("unmapped", 1, "IRIS-FILE"),
    }
    assert register["FUELINST_202607151058_77.json"]["enqueued_utc"].minute == 58, "the name says when it was sent"
    assert {row["_receipt_id"] for row in each.rows()} <= {row["receipt_id"] for row in register.values()}
    assert each.backlog.manifests("open") == [] and len(each.backlog.manifests("done")) == len(results)


def test_redelivered_and_loaded_again_nothing_changes(each: Drop) -> None:
    first, second = message([fuel(1)], 1), message([fuel(2)], 2)
    each.segment(first, second, first)
    (loaded,) = each.load()
    (outcome,) = loaded.outcomes
    assert (outcome.counts.inserted, outcome.counts.duplicate) == (2, 1)
    # As after a kill between commit and mark.
    (manifest,) = each.backlog.manifests("done")
    each.backlog.release(manifest)
    (again,) = each.load()
    assert (again.outcomes[0].status, again.outcomes[0].counts.inserted) == ("unchanged", 0)
    # As after a kill between making durable and completing: the broker delivers once more.
    each.segment(second, message([fuel(3)], 3))
    (later,) = each.load()
    assert (later.outcomes[0].counts.inserted, later.outcomes[0].counts.unchanged) == (1, 1)
    assert generations(each) == {1.0: 1, 2.0: 1, 3.0: 1}
    assert len(each.rows(MESSAGES)) == 3


def test_a_message_that_comes_by_two_ways_around_midnight_is_stored_once(each: Drop) -> None:
    by_queue = message([fuel(1)], at=LATE)
    by_archive = message(json.dumps([fuel(1)]).encode(), at=LATE + timedelta(seconds=4), source="IRIS-ARCHIVE")
    each.segment(by_queue)
    each.load()
    each.segment(by_archive)
    (loaded,) = each.load()
    assert loaded.outcomes[0].status == "unchanged"
    assert [row["_partition_day"] for row in each.rows()] == [NOON.date()]
    assert len(each.rows(MESSAGES)) == 1


def test_an_id_used_again_for_another_message_keeps_both(drop: Drop) -> None:
    drop.segment(message([fuel(1)], 1, message_id="same"), message([fuel(2)], 2, message_id="same"))
    drop.load()
    assert generations(drop) == {1.0: 1, 2.0: 1}
    assert len(drop.rows(MESSAGES)) == 2


def test_equal_rows_of_different_messages_are_both_kept_and_shown_once(drop: Drop, store: Store) -> None:
    drop.segment(message([fuel(1)], 1), message([fuel(1), fuel(1)], 2))
    drop.load()
    assert generations(drop) == {1.0: 3}
    assert len(store.view_rows(f"{FUELINST.name}_latest")) == 1


def test_hostile_messages_are_quarantined_kept_whole_and_hold_nothing_up(drop: Drop) -> None:
    bodies = [b"", b"nonsense", b"\xff\xfe\x00", b"[NaN]", b"[" * 100_000, b'{"a":' * 100_000, twice([1]), twice("x")]
    names = ["../escape", "/etc/passwd", "a\0b", "NEWONE", None]
    odd = [message(body, n) for n, body in enumerate(bodies)]
    strange = [message([fuel(9)], 100 + n, subject=name, message_id=f"../../{n}") for n, name in enumerate(names)]
    large = message([fuel(n) for n in range(30_000)], 50)
    assert large.body is not None and len(large.body) > 5_000_000
    drop.segment(*odd, *strange, large, message([fuel(-1)], 51))
    (loaded,) = drop.load()
    assert not loaded.failed and loaded.unreadable == len(bodies)
    assert len(drop.rows(FUELINST, "generation")) == 30_001
    assert len(drop.rows(UNMAPPED)) == len(names)
    (kept,) = (drop.root / "unreadable").rglob("*.ndjson")
    assert [decode(line) for line in kept.read_bytes().splitlines()] == odd
    statuses = Counter(row["status"] for row in drop.rows(MESSAGES))
    assert statuses == {"unreadable": len(bodies), "unmapped": len(names), "loaded": 2}
    top = {path.relative_to(drop.root).parts[0] for path in drop.root.rglob("*")}
    assert top == {"segments", "heartbeats", "manifests", "unreadable", "listener.lock"}
    drop.clean(timedelta(days=2))
    assert kept.exists() and not list((drop.root / "segments").rglob("*.ndjson"))


def test_a_stream_that_cannot_be_written_leaves_the_others_and_is_loaded_later(each: Drop, each_store: Store) -> None:
    each.warehouse.check()
    each_store.make_by_hand(FUELINST, {"somebody": "text"})
    each.segment(message([fuel(1)], 1), message([freq(0)], 2, subject="FREQ"))
    (loaded,) = each.load()
    assert loaded.failed
    assert len(each.rows(dataset("iris/freq").table)) == 1
    (failed,) = each.backlog.manifests("failed")
    assert failed.streams == ("FUELINST_IRIS",) and "bmrs_fuelinst_iris" in failed.error
    assert each.clean(timedelta(days=2)).deleted == 0
    each_store.drop(FUELINST)
    (loaded,) = each.load()
    assert not loaded.failed
    assert [o.dataset for o in loaded.outcomes] == ["FUELINST_IRIS"], "the others are not loaded again"
    assert generations(each) == {1.0: 1}
    assert len(each.rows(dataset("iris/freq").table)) == 1
    assert each.clean(timedelta(days=2)).deleted == 1


def test_files_that_are_no_segments_lose_nothing(drop: Drop) -> None:
    path = drop.segment(message([fuel(1)], 1))
    path.write_bytes(path.read_bytes() + b'{"torn": ')
    os.utime(path, (NOON.timestamp(), NOON.timestamp()))
    drop.load()
    assert generations(drop) == {1.0: 1}
    assert [row["body"] for row in drop.rows(UNMAPPED)] == ['{"torn": ']


def test_a_file_that_vanishes_is_told_and_the_rest_is_loaded(drop: Drop) -> None:
    drop.file("FUELINST/a.json", twice([fuel(1)]))
    gone = drop.file("FUELINST/b.json", twice([fuel(2)]))
    (manifest,) = drop.backlog.choose(drop.now)
    gone.unlink()
    (loaded,) = drop.load()
    assert loaded.missing == ("FUELINST/b.json",) and not loaded.failed
    assert generations(drop) == {1.0: 1}
    assert manifest.manifest_id == drop.backlog.manifests("done")[0].manifest_id


def test_days_of_one_batch_are_written_to_their_days(drop: Drop) -> None:
    drop.segment(message([fuel(1)], 1, at=LATE), message([fuel(2)], 2, at=LATE + timedelta(seconds=1)))
    (loaded,) = drop.load()
    assert loaded.outcomes[0].days == (NOON.date(), NOON.date() + timedelta(days=1))


def test_a_new_member_becomes_a_column(drop: Drop) -> None:
    drop.segment(message([fuel(1)], 1))
    drop.load()
    drop.segment(message([fuel(2, news="yes")], 2))
    (loaded,) = drop.load()
    assert loaded.outcomes[0].new_columns == ("news",)
    assert {row["generation"]: row["news"] for row in drop.rows()} == {1.0: None, 2.0: "yes"}


def test_streams_are_cut_into_parts_with_windows_of_their_own(drop: Drop, monkeypatch: Any) -> None:
    monkeypatch.setattr("energy_assets.sources.iris.split.PART_MESSAGES", 2)
    drop.segment(*(message([fuel(n)], n) for n in range(5)))
    (manifest,) = drop.backlog.choose(drop.now)
    folder = drop.spool / "parts"
    folder.mkdir(parents=True)
    parts = split(drop.backlog, manifest, folder, drop.now).parts["FUELINST_IRIS"]
    assert [p.messages for p in parts] == [2, 2, 1]
    assert len({p.window for p in parts}) == 3
    shutil.rmtree(folder)
    drop.load()
    assert sum(generations(drop).values()) == 5


def test_the_way_of_a_part_is_in_its_receipt(drop: Drop, store: Store) -> None:
    drop.segment(message([fuel(1)], 1))
    drop.load()
    receipts = [r for r in store.service_rows("_receipts") if r["table_name"] == FUELINST.name]
    (manifest,) = drop.backlog.manifests("done")
    assert [r["url"] for r in receipts] == [f"drop:{manifest.manifest_id}/FUELINST/1"]
    assert receipts[0]["receipt_id"] == drop.rows()[0]["_receipt_id"]


def repeated(each: Drop, store: Store, table: Table) -> int:
    """How many stored rows repeat another's key, by the check that every adopted table passes."""
    if isinstance(store, DuckDBStore):
        each.warehouse.close()
        with store.by_hand() as connection:
            sql = TableSql(DUCKDB, SCHEMA, table, tuple(name for name, _ in table.columns))
            return len(connection.execute(sql.repeated_keys()).fetchall())
    from energy_assets.warehouse.bigquery.dialect import BIGQUERY
    from energy_assets.warehouse.bigquery.layout import ALWAYS
    from energy_assets.warehouse.bigquery.store import BigQueryWarehouse

    warehouse = each.warehouse
    assert isinstance(warehouse, BigQueryWarehouse)
    sql = TableSql(BIGQUERY, warehouse.schema, table, tuple(name for name, _ in table.columns))
    return len(list(warehouse.jobs.query(sql.repeated_keys(ALWAYS), what="Looking", table=table.name, purpose="check")))


def test_keys_that_are_repeated_on_different_days_are_found(each: Drop, each_store: Store) -> None:
    each.segment(message([fuel(1)], 1), message([fuel(2)], 2))
    each.load()
    # The queue gave the same message another time: further apart than is looked for, so both are kept.
    each.segment(message([fuel(1)], 1, at=NOON + timedelta(days=2)))
    each.load()
    assert sum(generations(each).values()) == 3
    assert repeated(each, each_store, FUELINST) == 0
    assert repeated(each, each_store, replace(FUELINST, reach_days=2)) == 1
