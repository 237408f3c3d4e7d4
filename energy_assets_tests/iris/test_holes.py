"""What the queue brought and nobody took is found, asked of the archive, held once, and then due no more."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from energy_assets.catalogue.iris import BY_STREAM, MESSAGES
from energy_assets.errors import SpoolError, WarehouseError
from energy_assets.ingest.asked import (
    ASK_AGAIN,
    ASK_AGAIN_MOST,
    ASKS_MOST,
    FILE,
    FORGET_AFTER,
    Asked,
    Memory,
    keep_memory,
    read_memory,
)
from energy_assets.ingest.holes import RUNNING_EVERY, SILENT_AFTER, Holes, find_holes, heard_utc
from energy_assets.ingest.loading import load
from energy_assets.ingest.model import Policy
from energy_assets.ingest.outages import AT_REST, CURRENT_AFTER
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.messages import Message
from energy_assets.sources.iris.archive import ArchiveSource, archive_client
from energy_assets.sources.iris.envelope import Envelope, seal
from energy_assets.sources.iris.heartbeat import Beat, Event, Heart
from energy_assets_tests.contract.store import Store
from energy_assets_tests.iris.archive_world import MESSAGES as SENT
from energy_assets_tests.iris.archive_world import Stage, staged
from energy_assets_tests.iris.drop import Drop, message

BEGIN = datetime(2026, 7, 15, 6, tzinfo=UTC)
HOURS = 6
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
END = BEGIN + timedelta(hours=HOURS)
NOW = END + timedelta(hours=3)
STREAMS = ("FUELINST", "FREQ")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


def asking(url: str) -> ArchiveSource:
    """The archive, at a pace that no test waits for."""
    return ArchiveSource(archive_client(url, requests_per_second=10_000.0, concurrency=16))


@pytest.fixture
def drop(drop: Drop, served: tuple[Stage, str]) -> Drop:
    """A drop folder with heartbeats, at ``NOW``, beside an archive."""
    stage, url = served
    stage.fresh().clock = lambda: NOW
    drop.now = NOW
    drop.sources["iris"] = lambda: asking(url)
    return drop


def sent(*streams: str) -> list[Message]:
    return list(SENT.all_between(BEGIN, END, streams or STREAMS))


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


def listening(
    drop: Drop,
    begin: datetime = BEGIN,
    end: datetime = NOW,
    run: str = "one",
    newest: datetime | None = None,
    first: Event = "restored",
) -> None:
    """Heartbeats of a listener that ran from ``begin`` to ``end`` and told of its newest message."""
    with drop.folder.claim():
        heart = Heart(drop.folder)
        at, event = begin, first
        while at < end:
            told = None if newest is None else min(newest, at)
            heart.line(Beat(utc=at, event=event, linked=event != "started", run=run, last_enqueued_utc=told))
            at, event = at + MINUTE, "alive"


def look(drop: Drop, at: datetime = NOW, *, thorough: bool = True) -> Holes:
    """What is found at an instant."""
    drop.now = at
    return find_holes(drop.root, drop.warehouse, at, thorough=thorough)


def fill(drop: Drop, found: Holes) -> int:
    """Do what the sensor and its runs do; gives the rows inserted."""
    inserted = 0
    keep_memory(drop.root, found.memory.asking((cell for ask in found.asks for cell in ask.cells()), drop.now))
    for ask in found.asks:
        policy = Policy(within=(ask.from_utc, ask.to_utc), run_id="repair")
        outcomes = refresh(ask.entries, ask.day, ask.day, policy, drop.engine)
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


def states(found: Holes) -> list[str]:
    return [h.state for h in found.holes]


def test_without_anything_there_is_no_hole(drop: Drop) -> None:
    found = look(drop)
    assert (found.holes, found.asks, found.newest_utc, found.heard_utc) == ((), (), None, None)
    assert not found.silent(NOW)


def test_when_all_came_nothing_is_asked(drop: Drop) -> None:
    listening(drop)
    drop.segment(*queued(sent()))
    drop.load()
    found = look(drop)
    assert (found.holes, found.asks) == ((), ())
    assert found.newest_utc == max(m.sent_utc for m in sent())
    assert not found.silent(NOW)


def test_skipped_numbers_are_filled_from_the_archive_once(drop: Drop) -> None:
    listening(drop)
    messages = sent()
    lost = range(len(messages) // 2, len(messages) // 2 + 9)
    drop.segment(*queued(messages, but=lost))
    drop.load()
    assert held(drop) == whole() - Counter(messages[n].message_id for n in lost)
    at = messages[lost[0]].sent_utc
    assert look(drop, at + AT_REST - timedelta(minutes=1)).holes == ()
    early = look(drop, at + AT_REST + timedelta(minutes=5))
    assert states(early) == ["open"] and early.asks == (), "the hour has not settled yet"
    found = look(drop)
    assert [h.reason for h in found.holes] == ["9 sequence numbers were skipped"]
    assert fill(drop, found) > 0
    assert held(drop) == whole()
    again = look(drop)
    # What the archive brought stands in the place of the numbers, or the hole is known to be filled.
    assert set(states(again)) <= {"filled"} and again.asks == ()


def test_a_restart_asks_for_nothing_when_the_queue_brings_all(drop: Drop) -> None:
    back = BEGIN + timedelta(hours=1, minutes=5, seconds=10)
    listening(drop, BEGIN, back - timedelta(seconds=10))
    listening(drop, back, NOW, run="two", newest=back + timedelta(minutes=1))
    drop.segment(*queued(sent()))
    drop.load()
    for minutes in (2, 17, 32, 47, 77, 137, 377, 600):
        found = look(drop, min(back + timedelta(minutes=minutes), NOW))
        assert found.asks == (), minutes
    assert found.holes == ()


def test_what_waits_on_disk_is_not_missed(drop: Drop) -> None:
    listening(drop)
    messages = queued(sent())
    third = len(messages) // 3
    drop.segment(*messages[:third])
    drop.load()
    waiting = drop.segment(*messages[third : 2 * third])
    os.utime(waiting, times=(messages[third].received_utc.timestamp(),) * 2)
    later = drop.segment(*messages[2 * third :])
    for manifest in drop.backlog.choose(NOW):
        # Newer files are loaded first, as where the newest day comes before a backlog.
        files = tuple(f for f in manifest.files if f.path.endswith(later.name))
        part = msgspec.structs.replace(manifest, files=files)
        load(part, drop.backlog, drop.engine, Policy(run_id="test"))
    assert look(drop).holes == ()
    drop.load()
    assert look(drop).holes == () and held(drop) == whole()


def test_a_long_outage_is_asked_whole_day_by_day_and_once(drop: Drop, served: tuple[Stage, str]) -> None:
    end = BEGIN + timedelta(days=10)
    first = sent()[:40]
    drop.segment(*queued(first))
    drop.load()
    listening(drop, BEGIN - HOUR, BEGIN + HOUR)
    listening(drop, end, end + 4 * HOUR, run="two", newest=end + HOUR)
    served[0].sandbox.clock = lambda: end + 3 * HOUR
    found = look(drop, end + 3 * HOUR)
    assert [(h.from_utc, h.to_utc, h.lasting) for h in found.holes] == [(BEGIN + 59 * MINUTE, end, False)]
    hours = sorted(hour for ask in found.asks for table, hour in ask.cells() if table.startswith("bmrs_freq"))
    assert hours == [BEGIN + n * HOUR for n in range(241)], "with a minute of reserve on both sides"
    assert [a.day for a in found.asks] == sorted({a.day for a in found.asks}, reverse=True), "the newest day first"
    keep_memory(drop.root, found.memory.asking((cell for ask in found.asks for cell in ask.cells()), drop.now))
    again = look(drop, end + 3 * HOUR + timedelta(minutes=15))
    assert (states(again), again.asks) == (["asked"], ())


def test_an_outage_of_months_is_found_from_its_beginning(drop: Drop) -> None:
    end = BEGIN + timedelta(days=150)
    drop.segment(*queued(sent()[:40]))
    drop.load()
    listening(drop, BEGIN - HOUR, BEGIN + HOUR, newest=BEGIN + HOUR)
    at = end + 3 * HOUR
    lasting = look(drop, end - HOUR, thorough=False)
    listening(drop, end, at, run="two")
    for found in (lasting, look(drop, at)):
        assert found.holes[0].from_utc == BEGIN + 59 * MINUTE
        assert min(hour for ask in found.asks for _, hour in ask.cells()) == BEGIN


def test_while_nobody_listens_each_hour_is_asked_once_and_the_running_one_rarely(
    drop: Drop, served: tuple[Stage, str]
) -> None:
    served[0].sandbox.clock = lambda: drop.now
    drop.segment(*queued(sent("FUELINST")))
    drop.load()
    listening(drop, BEGIN, END)
    requests: Counter[tuple[str, datetime]] = Counter()
    at = END
    while at < END + 6 * HOUR:
        found = look(drop, at, thorough=False)
        requests.update(cell for ask in found.asks for cell in ask.cells())
        fill(drop, found)
        if at < END + CURRENT_AFTER - 2 * MINUTE:
            assert not requests
        at += HOUR
    assert found.holes[0].lasting and states(found) == ["open"]
    hours = {hour for _, hour in requests}
    assert hours == {END - HOUR + n * HOUR for n in range(6)}
    assert max(requests.values()) <= 3 and sum(requests.values()) <= 2.1 * len(requests)
    newest = max(row["enqueued_utc"] for row in drop.rows(MESSAGES, "enqueued_utc"))
    assert at - newest.replace(tzinfo=UTC) < RUNNING_EVERY + HOUR
    assert found.newest_utc == max(m.sent_utc for m in sent("FUELINST")), (
        "what the archive brought says nothing of the queue"
    )


def test_silence_is_told_whatever_the_archive_brings(drop: Drop) -> None:
    drop.segment(*queued(sent("FUELINST")))
    drop.load()
    listening(drop, BEGIN, END)
    newest = max(m.sent_utc for m in sent("FUELINST"))
    for hours in (3, 25):
        found = look(drop, newest + hours * HOUR, thorough=False)
        assert found.silent(drop.now) == (hours >= SILENT_AFTER / HOUR)
        fill(drop, found)
        assert heard_utc(drop.root, drop.now) == found.heard_utc == newest
    assert look(drop, newest + 26 * HOUR, thorough=False).silent(newest + 26 * HOUR)


def test_a_listener_to_whom_nothing_ever_came_is_told_of(drop: Drop) -> None:
    listening(drop, BEGIN, BEGIN + HOUR)
    assert not look(drop, BEGIN + 23 * HOUR).silent(drop.now)
    found = look(drop, BEGIN + 25 * HOUR)
    assert found.silent(drop.now) and heard_utc(drop.root, drop.now) == BEGIN
    assert found.holes and not found.asks, "nobody knows of which streams"


def test_a_rare_stream_is_repaired_whenever_the_queue_last_brought_it(drop: Drop) -> None:
    long_ago = BEGIN - timedelta(days=60)
    rare = [{"publishTime": "2026-05-16T11:00:00Z", "warningType": "X", "warningText": "y"}]
    drop.segment(message(rare, 1, subject="SYS_WARN", at=long_ago, source="SANDBOX"))
    drop.load()
    drop.segment(*queued(sent()))
    drop.load()
    listening(drop, BEGIN, END)
    listening(drop, END + 70 * HOUR, END + 72 * HOUR, run="two", newest=END + 71 * HOUR)
    found = look(drop, END + 72 * HOUR)
    assert {d.alias for ask in found.asks for d in ask.entries} == {*STREAMS, "SYS_WARN"}
    (drop.root / FILE).unlink(missing_ok=True)
    keep_memory(drop.root, Memory(tables=("bmrs_remit_iris",), searched=True))
    remembered = look(drop, END + 72 * HOUR)
    assert "REMIT" in {d.alias for ask in remembered.asks for d in ask.entries}, "also where its table is gone"


def test_an_outage_before_a_new_drop_folder_is_found_by_what_is_held(drop: Drop) -> None:
    drop.segment(*queued(sent()))
    drop.load()
    back = END + timedelta(days=40)
    listening(drop, back, back + HOUR, newest=back + HOUR, first="started")
    found = look(drop, back + HOUR)
    assert found.holes[0].from_utc == max(m.sent_utc for m in sent())
    assert len({ask.day for ask in found.asks}) == 41


def test_what_never_comes_is_asked_for_ever_more_rarely_and_given_up(drop: Drop, served: tuple[Stage, str]) -> None:
    listening(drop)
    messages = sent()
    drop.segment(*queued(messages, but=range(20, 29)))
    drop.load()
    served[0].sandbox.faults.add("status", status=400)
    at = NOW
    for times in range(1, ASKS_MOST + 1):
        found = look(drop, at, thorough=False)
        assert {ask.from_utc for ask in found.asks if ask.from_utc < BEGIN + 2 * HOUR} == {BEGIN}
        if times == 1:
            fill(drop, found)
        else:
            keep_memory(drop.root, found.memory.asking((c for ask in found.asks for c in ask.cells()), at))
        assert look(drop, at + ASK_AGAIN - MINUTE, thorough=False).holes[0].state in ("asked", "given_up")
        at += min(ASK_AGAIN * 2 ** (times - 1), ASK_AGAIN_MOST)
    found = look(drop, at + timedelta(days=1) - (at - NOW) // 2, thorough=False)
    assert found.holes[0].state == "given_up" and not [a for a in found.asks if a.from_utc == BEGIN]


def test_a_blob_that_is_gone_does_not_keep_the_others_out(drop: Drop, served: tuple[Stage, str]) -> None:
    listening(drop)
    messages = sent()
    lost = range(20, 40)
    drop.segment(*queued(messages, but=lost))
    drop.load()
    gone = messages[30]
    served[0].sandbox.faults.add("vanished", dataset=f"blob/{gone.stream}", skip=1, count=1)
    fill(drop, look(drop))
    columns = ("message_id", "status", "stream", "reason")
    (bad,) = (row for row in drop.rows(MESSAGES, *columns) if row["status"] == "unreadable")
    assert bad["stream"] == gone.stream and "is listed and gone" in bad["reason"]
    assert whole() - held(drop) <= Counter([bad["message_id"]])
    assert set(states(look(drop))) <= {"filled"}


def test_rows_that_are_gone_are_filled_again(drop: Drop, store: Store) -> None:
    listening(drop)
    drop.segment(*queued(sent()))
    drop.load()
    table = BY_STREAM["FUELINST"].table
    store.delete(table)
    assert held(drop) != whole()
    assert look(drop, thorough=False).holes == ()
    found = look(drop)
    assert {h.tables for h in found.holes} == {(table.name,)}
    fill(drop, found)
    # The archive is asked for the hour before as well, which the queue had not brought.
    assert held(drop) >= whole() and set(held(drop).values()) == {1}
    assert look(drop).asks == ()


def test_a_memory_that_cannot_be_read_is_begun_anew(drop: Drop) -> None:
    path = drop.root / FILE
    path.parent.mkdir(parents=True)
    for torn in (b"", b"{", b'{"asked":3}'):
        path.write_bytes(torn)
        assert read_memory(drop.root) == Memory()
    memory = Memory(tables=("a",)).asking([("a", BEGIN)], NOW).asking([("a", BEGIN)], NOW + HOUR)
    keep_memory(drop.root, memory)
    assert read_memory(drop.root) == memory
    assert memory.of("a", BEGIN) == Asked(2, NOW + HOUR)
    assert memory.without([("a", BEGIN)]).asked == {}
    assert memory.asking([], NOW + FORGET_AFTER + 2 * HOUR).asked == {}
    path.unlink()
    path.mkdir()
    with pytest.raises(SpoolError, match="could not be remembered"):
        keep_memory(drop.root, memory)


def test_a_warehouse_that_cannot_be_read_is_told(drop: Drop, tmp_path: Path) -> None:
    drop.segment(*queued(sent()[:1]))
    drop.load()
    drop.warehouse.close()
    (file,) = tmp_path.rglob("*.duckdb")
    file.write_bytes(b"something else")
    with pytest.raises(WarehouseError):
        look(drop)


def test_on_each_warehouse_a_hole_is_found_filled_and_done_with(each: Drop, served: tuple[Stage, str]) -> None:
    stage, url = served
    stage.fresh().clock = lambda: NOW
    each.sources["iris"] = lambda: asking(url)
    messages = [m for m in sent() if m.stream == "FUELINST" and m.sent_utc < BEGIN + 2 * HOUR]
    each.now = NOW
    assert look(each).holes == ()
    listening(each)
    each.segment(*queued(messages, but=range(5, 8)))
    each.load()
    found = look(each)
    assert [h.reason for h in found.holes] == ["3 sequence numbers were skipped"]
    assert {d.alias for ask in found.asks for d in ask.entries} == {"FUELINST"}
    fill(each, found)
    rows = each.rows(BY_STREAM["FUELINST"].table, "_message_id")
    assert {m.message_id for m in messages} <= {row["_message_id"] for row in rows}
    assert look(each).asks == ()
