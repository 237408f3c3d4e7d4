"""What waits is chosen fairly and within bounds, and only what was loaded is ever deleted."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.errors import SpoolError
from energy_assets.sources.iris.backlog import DELETE_AFTER, FORGET_AFTER, Backlog, File, Manifest, Waiting, batches

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=1)


def put(root: Path, path: str, content: bytes = b"[]", at: datetime = EARLIER) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    os.utime(target, (at.timestamp(), at.timestamp()))
    return target


def waiting(lane: str, number: int, size: int = 1, day: int = 15) -> Waiting:
    at = datetime(2026, 7, day, 6, tzinfo=UTC) + timedelta(seconds=number)
    return Waiting(f"{lane}/{number}.json", lane, size, int(at.timestamp() * 1e9))


def test_both_layouts_are_found_and_nothing_of_ours(tmp_path: Path) -> None:
    for path in (
        "segments/2026-07-15/a.ndjson",
        "FREQ/one.json",
        "FREQ/deeper/two.json",
        "odd name/three.json",
        "loose.json",
        "FREQ/na me%.json",
    ):
        put(tmp_path, path)
    for path in (
        "segments/2026-07-15/.a.tmp",
        "segments/2026-07-15/notes.txt",
        "heartbeat.json",
        "listener.lock",
        "heartbeats/2026-07-15.ndjson",
        "manifests/open/x.tmp",
        "unreadable/2026-07-15/x.ndjson",
        "FREQ/half.json.part",
        "FREQ/.hidden.json",
    ):
        put(tmp_path, path)
    (tmp_path / "FREQ" / "link.json").symlink_to(tmp_path / "loose.json")
    (tmp_path / "linked").symlink_to(tmp_path / "FREQ", target_is_directory=True)
    backlog = Backlog(tmp_path)
    found = {w.path: w.lane for w in backlog.waiting(NOW)}
    assert found == {
        "segments/2026-07-15/a.ndjson": "segments",
        "FREQ/one.json": "FREQ",
        "FREQ/deeper/two.json": "FREQ",
        "odd%20name/three.json": "odd name",
        "loose.json": "",
        "FREQ/na%20me%25.json": "FREQ",
    }
    (manifest,) = backlog.choose(NOW)
    assert all(backlog.path(file).read_bytes() == b"[]" for file in manifest.files)


def test_a_file_that_may_still_be_written_waits(tmp_path: Path) -> None:
    put(tmp_path, "FREQ/new.json", at=NOW - timedelta(seconds=2))
    put(tmp_path, "segments/2026-07-15/new.ndjson", at=NOW)
    assert [w.lane for w in Backlog(tmp_path).waiting(NOW)] == ["segments"]
    assert len(Backlog(tmp_path).waiting(NOW + timedelta(seconds=9))) == 2


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path / "none")
    assert (backlog.waiting(NOW), backlog.choose(NOW), backlog.clean(NOW)) == ([], [], 0)


def test_what_is_chosen_is_chosen_once_until_it_changes(tmp_path: Path) -> None:
    path = put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    assert backlog.waiting(NOW) == []
    assert backlog.choose(NOW) == [manifest] == backlog.manifests("open")
    backlog.finish(manifest, NOW)
    assert (backlog.waiting(NOW), backlog.manifests("open")) == ([], [])
    put(tmp_path, "FREQ/one.json", b"[1]", at=NOW - timedelta(seconds=20))
    assert [w.path for w in backlog.waiting(NOW)] == ["FREQ/one.json"]
    assert path.read_bytes() == b"[1]"


def test_only_what_was_loaded_an_hour_ago_and_has_not_changed_is_deleted(tmp_path: Path) -> None:
    loaded, changed = put(tmp_path, "FREQ/one.json"), put(tmp_path, "FREQ/two.json")
    segment = put(tmp_path, "segments/2026-07-14/a.ndjson")
    backlog = Backlog(tmp_path)
    manifests = backlog.choose(NOW)
    for manifest in manifests:
        backlog.finish(manifest, NOW)
    late = put(tmp_path, "FREQ/three.json")
    put(tmp_path, "FREQ/two.json", b"[2]", at=NOW - timedelta(seconds=20))
    assert backlog.clean(NOW + DELETE_AFTER - timedelta(seconds=1)) == 0
    assert loaded.exists() and segment.exists()
    assert backlog.clean(NOW + DELETE_AFTER) == 2
    assert not loaded.exists() and not segment.exists() and not segment.parent.exists()
    assert changed.exists() and late.exists()
    assert {w.path for w in backlog.waiting(NOW)} == {"FREQ/two.json", "FREQ/three.json"}
    assert len(backlog.manifests("gone")) == len(manifests)
    backlog.clean(NOW + FORGET_AFTER)
    assert backlog.manifests("gone") == []


def test_an_open_manifest_deletes_nothing(tmp_path: Path) -> None:
    path = put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    backlog.choose(NOW)
    assert backlog.clean(NOW + timedelta(days=30)) == 0
    assert path.exists()


@pytest.mark.parametrize("path", ["../up.json", "%2E%2E/up.json", "/etc/passwd", "%2Fetc/passwd", "a/..%2F..%2Fb", ""])
def test_a_manifest_cannot_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(SpoolError, match="not in the drop folder"):
        Backlog(tmp_path).path(File(path, 0, 0))


def test_lanes_take_turns_so_that_a_large_one_does_not_keep_a_small_one_waiting() -> None:
    files = [waiting("BOD", n) for n in range(100)] + [waiting("REMIT", 5), waiting("REMIT", 4), waiting("FREQ", 9)]
    (batch,) = batches(files, 1, most_files=6)
    assert [w.path for w in batch] == [
        "BOD/0.json",
        "FREQ/9.json",
        "REMIT/4.json",
        "BOD/1.json",
        "REMIT/5.json",
        "BOD/2.json",
    ]


def test_the_newest_day_comes_first_then_the_oldest() -> None:
    files = [waiting("FREQ", n, day=day) for day in (12, 13, 14, 15) for n in range(3)]
    days = [batch[0].day.day for batch in batches(files, 9)]
    assert days == [15, 12, 13, 14]


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 40), st.integers(13, 15)), max_size=60),
    st.integers(1, 50),
    st.integers(1, 10),
    st.integers(1, 5),
)
def test_batches_hold_what_fits_once_and_of_one_day(
    sizes: list[tuple[str, int, int]], most_bytes: int, most_files: int, most: int
) -> None:
    files = [waiting(lane, n, size, day) for n, (lane, size, day) in enumerate(sizes)]
    chosen = batches(files, most, most_bytes, most_files)
    assert len(chosen) <= most
    for batch in chosen:
        assert len({w.day for w in batch}) == 1
        assert len(batch) <= most_files
        assert len(batch) == 1 or sum(w.size for w in batch) <= most_bytes
        for _, own in groupby(sorted(batch, key=lambda w: w.lane), key=lambda w: w.lane):
            times = [w.mtime_ns for w in own]
            assert times == sorted(times)
    taken = Counter(w for batch in chosen for w in batch)
    assert all(count == 1 for count in taken.values())
    everything = batches(files, len(files) + 1, most_bytes, most_files)
    assert sorted(w.path for batch in everything for w in batch) == sorted(w.path for w in files)


def test_a_manifest_survives_its_file(tmp_path: Path) -> None:
    put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    assert isinstance(manifest, Manifest)
    assert Backlog(tmp_path).manifest(manifest.manifest_id) == manifest
    assert Backlog(tmp_path).manifest("another") is None
    (tmp_path / "manifests" / "open" / f"{manifest.manifest_id}.json").write_bytes(b"{")
    with pytest.raises(SpoolError, match="cannot be used"):
        backlog.manifests("open")
