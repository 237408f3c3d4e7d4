"""Heartbeats: lines that survive a kill, and the outages that they mean."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.heartbeat import (
    KEEP_DAYS,
    LONGEST_SILENCE,
    Beat,
    Event,
    Gap,
    Heart,
    Outage,
    State,
    outages,
    read_beats,
    read_state,
)

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
LINKED = {"alive", "restored"}


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def beat(minute: float, event: Event = "alive", run: str = "a", reason: str | None = None, since: float | None = None):
    since_utc = None if since is None else at(since)
    return Beat(utc=at(minute), event=event, linked=event in LINKED, run=run, reason=reason, since_utc=since_utc)


def found(beats: list[Beat], first: float = -100, last: float = 3) -> list[tuple[float, float, str, bool]]:
    minute = timedelta(minutes=1)
    return [
        ((o.from_utc - NOON) / minute, (o.to_utc - NOON) / minute, o.reason, o.ongoing)
        for o in outages(beats, at(first), at(last))
    ]


@pytest.fixture
def folder(tmp_path: Path) -> DropFolder:
    folder = DropFolder(tmp_path / "iris")
    with folder.claim():
        pass
    return folder


def test_a_listener_that_runs_has_no_outage():
    assert found([beat(0, "started"), beat(0, "restored"), beat(1), beat(2), beat(3)]) == []


def test_connecting_takes_the_time_until_it_is_linked():
    assert found([beat(0, "started"), beat(1, "restored"), beat(2)]) == [(0, 1, "not connected yet", False)]


def test_a_lost_link_is_an_outage_since_it_was_last_known_to_work():
    beats = [beat(0, "restored"), beat(1), beat(2, "lost", reason="reset", since=1.5), beat(2.5, "restored")]
    assert found(beats) == [(1.5, 2.5, "reset", False)]


def test_a_link_lost_without_a_word_is_an_outage_from_its_own_line():
    assert found([beat(0, "restored"), beat(1, "lost"), beat(2, "restored")]) == [(1, 2, "lost", False)]


def test_a_kill_is_an_outage_from_the_last_line_to_the_next_link():
    beats = [beat(0, "restored"), beat(1), beat(30, "started", "b"), beat(31, "restored", "b")]
    assert found(beats, last=32) == [(1, 31, "not running; not connected yet", False)]


def test_a_machine_that_slept_was_not_listening():
    assert found([beat(0, "restored"), beat(60)], last=61) == [(0, 60, "not running", False)]


def test_a_stop_and_a_pause_are_outages_that_go_on():
    assert found([beat(0, "restored"), beat(1, "stopped")]) == [(1, 3, "stopped", True)]
    assert found([beat(0, "restored"), beat(1, "paused", reason="disk low")]) == [(1, 3, "disk low", True)]


def test_silence_since_the_last_line_is_an_outage_once_it_is_long():
    assert found([beat(0, "restored")], last=3) == []
    assert found([beat(0, "restored")], last=3.1) == [(0, 3.1, "not running", True)]


def test_time_before_the_first_line_is_no_outage():
    assert found([beat(1, "restored")], first=-1000) == []
    assert outages([], at(0), at(9)) == []


def test_an_outage_is_cut_to_what_is_asked():
    beats = [beat(0, "stopped"), beat(60, "restored", "b"), beat(61, run="b")]
    assert found(beats, 10, 20) == [(10, 20, "stopped", False)]
    assert found(beats, 60, 61) == []


EVENTS = st.sampled_from(["started", "alive", "lost", "restored", "stopped", "paused"])
STEPS = st.lists(st.tuples(st.floats(0, 10), EVENTS, st.sampled_from("ab")), max_size=12)


@given(STEPS, st.floats(-5, 60), st.floats(0, 60))
def test_outages_are_ordered_apart_and_within_bounds(
    steps: list[tuple[float, Event, str]], first: float, length: float
):
    minute, beats = 0.0, []
    for step, event, run in steps:
        minute += step
        beats.append(beat(minute, event, run))
    told = outages(beats, at(first), at(first + length))
    for outage in told:
        assert at(first) <= outage.from_utc < outage.to_utc <= at(first + length)
        assert outage.reason
    assert all(a.to_utc < b.from_utc for a, b in pairwise(told))
    whole = outages(beats, at(-10), at(200))
    assert {o.from_utc for o in told} <= {o.from_utc for o in whole} | {at(first)}


@given(STEPS)
def test_time_is_covered_only_between_lines_of_one_linked_run(steps: list[tuple[float, Event, str]]):
    minute, beats = 0.0, []
    for step, event, run in steps:
        minute += step
        beats.append(beat(minute, event, run))
    told = outages(beats, at(-1), at(500))
    for before, after in pairwise(beats):
        middle = before.utc + (after.utc - before.utc) / 2
        covered = not any(o.from_utc <= middle < o.to_utc for o in told)
        kept = before.linked and before.run == after.run and after.utc - before.utc <= LONGEST_SILENCE
        assert covered == kept or before.utc == after.utc


def test_lines_come_back_with_the_last_one_before(folder: DropFolder):
    heart = Heart(folder)
    beats = [beat(-3 * 24 * 60, "stopped"), beat(0, "started", "b"), beat(1, "restored", "b"), beat(2, run="b")]
    for one in beats:
        heart.line(one)
    assert [p.name for p in sorted(folder.heartbeats.iterdir())] == ["2026-07-12.ndjson", "2026-07-15.ndjson"]
    assert read_beats(folder.root, at(1), at(9)) == beats[1:]
    assert read_beats(folder.root, at(-1), at(9)) == beats
    assert read_beats(folder.root, at(-1), at(1)) == beats[:2]
    assert read_beats(folder.root, at(-9000), at(-8000)) == []


@pytest.mark.parametrize("torn", [b'{"utc":"2026-07-15T12', b"\0\0\0", b"\xff\xfe", b"{}"])
def test_a_torn_last_line_costs_itself_only(folder: DropFolder, torn: bytes, caplog: pytest.LogCaptureFixture):
    Heart(folder).line(beat(0, "restored"))
    path = folder.heartbeats / "2026-07-15.ndjson"
    with path.open("ab") as stream:
        stream.write(torn)
    assert len(read_beats(folder.root, at(-1), at(9))) == 1
    heart = Heart(folder)
    heart.line(beat(1, "started", "b"))
    heart.line(beat(2, "restored", "b"))
    with caplog.at_level(logging.WARNING):
        assert [b.event for b in read_beats(folder.root, at(-1), at(9))] == ["restored", "started", "restored"]
    assert ("is torn" in caplog.text) == (torn.strip(b"\0") != b"")


def test_the_newest_state_is_replaced_whole(folder: DropFolder):
    assert read_state(folder.root) is None
    gaps = (Gap(first=3, last=5, from_utc=at(0), to_utc=at(1)),)
    for minute in (0, 1):
        state = State(beat=beat(minute), queue="q", pid=7, started_utc=at(0), gaps=gaps)
        Heart(folder).state(state)
        assert read_state(folder.root) == state
    assert [p.name for p in folder.root.iterdir() if "heartbeat" in p.name and p.is_file()] == ["heartbeat.json"]


def test_a_state_that_cannot_be_read_is_none(folder: DropFolder):
    folder.state.write_bytes(b'{"beat":')
    assert read_state(folder.root) is None


def test_old_days_are_removed_and_strangers_stay(folder: DropFolder):
    older, old, kept = (f"{NOON.date() - timedelta(days=KEEP_DAYS + n)}.ndjson" for n in (2, 1, 0))
    for name in (older, old, kept, "notes.txt"):
        (folder.heartbeats / name).write_text("")
    Heart(folder).line(beat(0))
    assert {p.name for p in folder.heartbeats.iterdir()} == {old, kept, "notes.txt", "2026-07-15.ndjson"}


def test_after_months_of_silence_it_is_still_known_since_when(folder: DropFolder):
    months = 200 * 24 * 60
    Heart(folder).line(beat(-months))
    Heart(folder).line(beat(0, "restored", "b"))
    assert [o.from_utc for o in outages(read_beats(folder.root, at(-9), at(9)), at(-2 * months), at(1))] == [
        at(-months)
    ]


def test_a_folder_without_heartbeats_has_none(tmp_path: Path):
    assert read_beats(tmp_path, at(0), at(1)) == []


def test_an_outage_says_whether_it_goes_on():
    (outage,) = outages([beat(0, "stopped")], at(-1), at(1))
    assert outage == Outage(from_utc=at(0), to_utc=at(1), reason="stopped", ongoing=True)
