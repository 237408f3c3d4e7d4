"""What the queue brought and nobody took is found, asked of the archive, held once, and then due no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets import calendar
from energy_assets.catalogue.iris import BY_STREAM, MESSAGES
from energy_assets.errors import WarehouseError
from energy_assets.ingest.holes import RESERVE, SILENT_AFTER, Holes, find_holes
from energy_assets.ingest.model import Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.messages import Message
from energy_assets.settings import Settings
from energy_assets.sources.iris.archive import ArchiveSource
from energy_assets.sources.iris.envelope import Envelope, seal
from energy_assets.sources.iris.heartbeat import Beat, Heart
from energy_assets_tests.contract.store import Store
from energy_assets_tests.iris.archive_world import MESSAGES as SENT
from energy_assets_tests.iris.archive_world import Stage, staged
from energy_assets_tests.iris.drop import Drop

BEGIN = datetime(2026, 7, 15, 6, tzinfo=UTC)
HOURS = 6
END = BEGIN + timedelta(hours=HOURS)
NOW = END + timedelta(hours=3)
STREAMS = ("FUELINST", "FREQ")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


@pytest.fixture
def drop(drop: Drop, served: tuple[Stage, str], tmp_path: Path) -> Drop:
    """A drop folder with heartbeats, at ``NOW``, beside an archive."""
    stage, url = served
    stage.fresh().clock = lambda: NOW
    drop.now = NOW
    settings = Settings(home=tmp_path, iris_archive_url=url, iris_archive_requests_per_second=200.0)
    drop.sources["iris"] = lambda: ArchiveSource.from_settings(settings)
    return drop


def sent() -> list[Message]:
    return list(SENT.all_between(BEGIN, END, STREAMS))


def queued(messages: list[Message], *, but: range = range(0)) -> list[Envelope]:
    """The messages as the queue gives them, numbered, without those in ``but``."""
    return [
        seal(
            m.pushed,
            subject=m.stream,
            message_id=m.message_id,
            sequence_number=number,
            enqueued_utc=m.sent_utc,
            received_utc=m.sent_utc,
            source="SANDBOX",
            origin="iris.test",
        )
        for number, m in enumerate(messages)
        if number not in but
    ]


def listening(drop: Drop, begin: datetime = BEGIN, end: datetime = NOW, run: str = "one") -> None:
    """Heartbeats of a listener that ran from ``begin`` to ``end``."""
    with drop.folder.claim():
        heart = Heart(drop.folder)
        at = begin
        while at < end:
            heart.line(Beat(utc=at, event="alive", linked=True, run=run))
            at += timedelta(minutes=1)


def fill(drop: Drop, found: Holes) -> int:
    """Do what the sensor's runs do; gives the rows inserted."""
    inserted = 0
    for hole, entries in found.asks:
        within = (hole.from_utc - RESERVE, hole.to_utc + RESERVE)
        days = [calendar.settlement_day(at) for at in within]
        outcomes = refresh(entries, days[0], days[1], Policy(within=within, run_id="repair"), drop.engine)
        assert not any(o.failures for o in outcomes)
        inserted += sum(o.counts.inserted for o in outcomes)
    return inserted


def held(drop: Drop) -> Counter[str]:
    """Messages by id, and how often each is in the tables."""
    found: Counter[str] = Counter()
    for stream in STREAMS:
        rows = drop.rows(BY_STREAM[stream].table, "_message_id", "_message_row")
        found.update(row["_message_id"] for row in rows if row["_message_row"] == 0)
    return found


def whole() -> Counter[str]:
    return Counter(m.message_id for m in sent())


def test_without_anything_there_is_no_hole(drop: Drop) -> None:
    found = find_holes(drop.root, drop.warehouse, NOW)
    assert (found.holes, found.asks, found.newest_utc) == ((), (), None)
    assert not found.silent(NOW)


def test_when_all_came_nothing_is_asked(drop: Drop) -> None:
    listening(drop)
    drop.segment(*queued(sent()))
    drop.load()
    found = find_holes(drop.root, drop.warehouse, NOW)
    assert (found.holes, found.asks) == ((), ())
    assert found.newest_utc == max(m.sent_utc for m in sent())
    assert not found.silent(NOW)
    assert found.silent(found.newest_utc + SILENT_AFTER)


def test_skipped_numbers_are_filled_from_the_archive_once(drop: Drop) -> None:
    listening(drop)
    messages = sent()
    lost = range(len(messages) // 2, len(messages) // 2 + 9)
    drop.segment(*queued(messages, but=lost))
    drop.load()
    assert held(drop) == whole() - Counter(messages[n].message_id for n in lost)
    found = find_holes(drop.root, drop.warehouse, NOW)
    assert [h.reason for h in found.holes] == ["9 sequence numbers were skipped"]
    assert fill(drop, found) > 0
    assert held(drop) == whole()
    ways = Counter(row["source"] for row in drop.rows(MESSAGES, "source"))
    assert ways == {"SANDBOX": len(messages)}
    again = find_holes(drop.root, drop.warehouse, NOW)
    assert again.holes == found.holes and again.asks == ()


def test_an_outage_of_the_listener_is_filled(drop: Drop) -> None:
    out = (BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=3))
    listening(drop, BEGIN, out[0])
    listening(drop, out[1], NOW, run="two")
    # The queue had forgotten what came meanwhile, and gave numbers on as if nothing had been.
    drop.segment(*queued([m for m in sent() if not out[0] <= m.sent_utc < out[1]]))
    drop.load()
    found = find_holes(drop.root, drop.warehouse, NOW)
    (hole,) = found.holes
    assert (hole.from_utc, hole.to_utc) == (out[0] - timedelta(minutes=1), out[1])
    assert {d.alias for _, entries in found.asks for d in entries} == set(STREAMS)
    fill(drop, found)
    assert held(drop) == whole()
    assert find_holes(drop.root, drop.warehouse, NOW).asks == ()


def test_rows_that_are_gone_are_filled_again(drop: Drop, store: Store) -> None:
    listening(drop)
    drop.segment(*queued(sent()))
    drop.load()
    table = BY_STREAM["FREQ"].table
    store.delete(table)
    assert held(drop) != whole()
    found = find_holes(drop.root, drop.warehouse, NOW)
    assert {h.tables for h in found.holes} == {(table.name,)}
    fill(drop, found)
    # The archive is asked for the hour before as well, which the queue had not brought.
    assert held(drop) >= whole() and set(held(drop).values()) == {1}
    assert find_holes(drop.root, drop.warehouse, NOW).asks == ()


def test_a_warehouse_that_cannot_be_read_is_told(drop: Drop, store: Store) -> None:
    store.make_by_hand(MESSAGES, {"somebody": "text"})
    with pytest.raises(WarehouseError):
        drop.segment(*queued(sent()[:1]))
        drop.load()
