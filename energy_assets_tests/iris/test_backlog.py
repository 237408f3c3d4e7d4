"""What waits is chosen fairly and within bounds, and only what was loaded is ever deleted."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.errors import SpoolError
from energy_assets.sources.iris.backlog import (
    DELETE_AFTER,
    FAILED_MOST,
    FORGET_AFTER,
    OPEN_MOST,
    PAUSE,
    RETRY_AFTER,
    RETRY_MOST,
    Backlog,
    Brought,
    File,
    Manifest,
    batches,
)
from energy_assets.sources.iris.found import Waiting

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
    return Waiting(f"{lane}/{number}.json", lane, size, int(at.timestamp() * 1e9), at.date())


def test_both_layouts_are_found_and_nothing_of_ours(tmp_path: Path) -> None:
    for path in (
        "segments/2026-07-15/a.ndjson",
        "FREQ/one.json",
        "FREQ/na me%.json",
        "NEWONE/NEWONE_202607151100_1.json",
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
        "FREQ/deeper/two.json",
        "odd name/three.json",
        "loose.json",
        "settings.json",
        "FREQ/settings.json",
        "python/settings.json",
        "clients/python/settings.json",
        "segments/loose.ndjson",
        "segments/notes/2026-07-15/a.ndjson",
        "segments/2026-07-15/deeper/b.ndjson",
        "manifests/manifests_1.json",
    ):
        put(tmp_path, path)
    (tmp_path / "FREQ" / "link.json").symlink_to(tmp_path / "loose.json")
    (tmp_path / "linked").symlink_to(tmp_path / "FREQ", target_is_directory=True)
    backlog = Backlog(tmp_path)
    found = backlog.found(NOW)
    assert {w.path: w.lane for w in found.messages} == {
        "segments/2026-07-15/a.ndjson": "segments",
        "FREQ/one.json": "FREQ",
        "FREQ/na%20me%25.json": "FREQ",
        "NEWONE/NEWONE_202607151100_1.json": "NEWONE",
    }
    assert set(found.foreign) == {
        "FREQ/deeper/",
        "FREQ/settings.json",
        "clients/python/",
        "loose.json",
        "odd%20name/",
        "python/settings.json",
        "segments/2026-07-15/deeper/",
        "segments/loose.ndjson",
        "segments/notes/2026-07-15/",
        "settings.json",
    }
    assert found.odd == {}
    (manifest,) = backlog.choose(NOW)
    assert all(backlog.path(file).read_bytes() == b"[]" for file in manifest.files)


def test_a_file_that_may_still_be_written_waits(tmp_path: Path) -> None:
    put(tmp_path, "FREQ/new.json", at=NOW - timedelta(seconds=2))
    put(tmp_path, "segments/2026-07-15/new.ndjson", at=NOW)
    assert [w.lane for w in Backlog(tmp_path).waiting(NOW)] == ["segments"]
    assert len(Backlog(tmp_path).waiting(NOW + timedelta(seconds=9))) == 2


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path / "none")
    assert (backlog.waiting(NOW), backlog.choose(NOW), cleaned(backlog, NOW)) == ([], [], 0)


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


def cleaned(backlog: Backlog, now: datetime) -> int:
    """Delete what may be deleted, as after a look into the warehouse."""
    deleted = sum(backlog.delete(m, backlog.needed()).files for m in backlog.loaded_before(now))
    backlog.sweep(now)
    return deleted


def test_only_what_was_loaded_an_hour_ago_and_has_not_changed_is_deleted(tmp_path: Path) -> None:
    loaded, changed = put(tmp_path, "FREQ/one.json"), put(tmp_path, "FREQ/two.json")
    segment = put(tmp_path, "segments/2026-07-14/a.ndjson")
    backlog = Backlog(tmp_path)
    manifests = backlog.choose(NOW)
    for manifest in manifests:
        backlog.finish(manifest, NOW)
    late = put(tmp_path, "FREQ/three.json")
    put(tmp_path, "FREQ/two.json", b"[2]", at=NOW - timedelta(seconds=20))
    assert cleaned(backlog, NOW + DELETE_AFTER - timedelta(seconds=1)) == 0
    assert loaded.exists() and segment.exists()
    assert cleaned(backlog, NOW + DELETE_AFTER) == 2
    assert not loaded.exists() and not segment.exists() and not segment.parent.exists()
    assert changed.exists() and late.exists()
    assert {w.path for w in backlog.waiting(NOW)} == {"FREQ/two.json", "FREQ/three.json"}
    assert len(backlog.manifests("gone")) == len(manifests)
    cleaned(backlog, NOW + FORGET_AFTER)
    assert backlog.manifests("gone") == []


def test_what_has_not_been_loaded_is_not_deleted(tmp_path: Path) -> None:
    chosen, failed = put(tmp_path, "FREQ/one.json"), put(tmp_path, "REMIT/one.json", at=EARLIER - timedelta(days=1))
    backlog = Backlog(tmp_path)
    first, second = backlog.choose(NOW)
    assert [f.path for f in first.files] == ["FREQ/one.json"]
    backlog.fail(second, NOW, "no")
    assert cleaned(backlog, NOW + timedelta(days=30)) == 0
    assert chosen.exists() and failed.exists()


def test_a_file_that_another_manifest_waits_for_is_not_deleted(tmp_path: Path) -> None:
    path = put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    backlog.finish(manifest, NOW)
    other = msgspec.structs.replace(manifest, manifest_id="20260715T110000Z-other")
    backlog.fail(other, NOW, "no", ["REMIT_IRIS"])
    assert cleaned(backlog, NOW + DELETE_AFTER) == 0
    assert path.exists()
    backlog.finish(other, NOW)
    assert cleaned(backlog, NOW + DELETE_AFTER) == 1


def test_a_file_that_cannot_be_deleted_stays_in_its_manifest_and_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        put(tmp_path, f"FREQ/{name}.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    backlog.finish(manifest, NOW)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "two.json":
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert cleaned(backlog, NOW + DELETE_AFTER) == 2
    (left,) = backlog.manifests("done")
    assert [f.path for f in left.files] == ["FREQ/two.json"]
    assert left.error == "FREQ/two.json cannot be deleted (Operation not permitted)"
    assert cleaned(backlog, NOW + DELETE_AFTER) == 1
    assert backlog.manifests("done") == []


@pytest.mark.parametrize("path", ["../up.json", "%2E%2E/up.json", "/etc/passwd", "%2Fetc/passwd", "a/..%2F..%2Fb", ""])
def test_a_manifest_cannot_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(SpoolError, match="no message of the drop folder"):
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


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"manifest_id": "x"}', b"\xff"])
def test_a_torn_manifest_is_put_aside_and_its_files_are_chosen_anew(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    path = tmp_path / "manifests" / "open" / f"{manifest.manifest_id}.json"
    path.write_bytes(content)
    assert backlog.manifests("open") == []
    assert list(backlog.bad_manifests()) == [f"manifests/open/{path.name}"]
    assert [w.path for w in backlog.waiting(NOW)] == ["FREQ/one.json"]
    (again,) = backlog.choose(NOW)
    assert again.files == manifest.files
    assert list(backlog.bad_manifests()) == [f"manifests/open/{path.name}.bad"]


def test_a_link_to_nothing_and_a_folder_among_manifests_hold_nothing_up(tmp_path: Path) -> None:
    put(tmp_path, "FREQ/one.json")
    folder = tmp_path / "manifests" / "done"
    (folder / "folder.json").mkdir(parents=True)
    (folder / "link.json").symlink_to("/nowhere/at/all")
    backlog = Backlog(tmp_path)
    assert len(backlog.choose(NOW)) == 1
    assert set(backlog.bad_manifests()) == {"manifests/done/folder.json.bad", "manifests/done/link.json.bad"}


def test_a_manifest_is_found_by_a_plain_name_only(tmp_path: Path) -> None:
    put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    assert backlog.manifest(f"../open/{manifest.manifest_id}") is None
    failed = backlog.fail(manifest, NOW, "no")
    assert backlog.manifest(manifest.manifest_id) == failed


@pytest.mark.parametrize("year", [1970, 1980, 2031, 2500])
def test_a_file_whose_time_cannot_be_true_is_chosen_as_of_today(tmp_path: Path, year: int) -> None:
    put(tmp_path, "FREQ/one.json", at=datetime(year, 1, 1, tzinfo=UTC))
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW, until=EARLIER)
    assert manifest.day == NOW.date()


def test_what_is_written_after_the_beginning_is_left_for_the_next_time(tmp_path: Path) -> None:
    put(tmp_path, "segments/2026-07-15/a.ndjson", at=EARLIER)
    put(tmp_path, "segments/2026-07-15/b.ndjson", at=NOW)
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW + timedelta(seconds=1), until=EARLIER)
    assert [f.path for f in manifest.files] == ["segments/2026-07-15/a.ndjson"]


def test_a_manifest_of_a_clock_that_was_ahead_keeps_nothing_waiting(tmp_path: Path) -> None:
    ahead = NOW + timedelta(days=4000)
    put(tmp_path, "FREQ/one.json")
    put(tmp_path, "REMIT/one.json", at=EARLIER - timedelta(days=1))
    backlog = Backlog(tmp_path)
    first, second = backlog.choose(ahead)
    assert backlog.newest_choice(NOW) is None
    assert first.is_due(NOW)
    backlog.finish(first, ahead)
    assert backlog.fail(second, ahead, "no").is_due(NOW)
    assert cleaned(backlog, NOW) == 1


def test_failed_manifests_do_not_count_and_are_joined_when_they_are_many(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    for number in range(3 * FAILED_MOST):
        now = NOW + timedelta(minutes=number)
        put(tmp_path, f"segments/2026-07-15/{number:03d}.ndjson", at=now)
        new = [m for m in backlog.choose(now) if m.failed_utc is None]
        assert len(new) == 1
        brought = Brought("FREQ_IRIS", now, now + timedelta(seconds=1), "")
        backlog.fail(new[0], now, f"failure {number}", ["FUELINST_IRIS"], [brought])
        assert len(backlog.manifests("failed")) <= FAILED_MOST + 1
    failed = backlog.manifests("failed")
    assert sorted(f.path for m in failed for f in m.files) == [
        f"segments/2026-07-15/{number:03d}.ndjson" for number in range(3 * FAILED_MOST)
    ]
    assert {m.streams for m in failed} == {("FUELINST_IRIS",)}
    assert all(len(m.brought) == 1 for m in failed), "of what is joined the newest of each stream is enough"
    assert failed[-1].error == f"failure {3 * FAILED_MOST - 1}"
    assert backlog.waiting(now) == []


def test_a_manifest_is_tried_again_ever_more_rarely(tmp_path: Path) -> None:
    put(tmp_path, "FREQ/one.json")
    backlog = Backlog(tmp_path)
    (manifest,) = backlog.choose(NOW)
    waits = []
    for _ in range(9):
        manifest = backlog.fail(manifest, NOW, "no" * 1000)
        waits.append(manifest.due_utc() - NOW)
    assert waits == [min(RETRY_AFTER * 2**n, RETRY_MOST) for n in range(9)]
    assert not manifest.is_due(NOW) and manifest.is_due(NOW + RETRY_MOST)
    assert len(manifest.error) <= 400


def test_where_nothing_lands_at_all_choosing_pauses(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    for day in range(9):
        put(tmp_path, f"segments/2026-07-{day + 1:02d}/a.ndjson", at=EARLIER - timedelta(days=day))
    for manifest in backlog.choose(NOW):
        backlog.fail(manifest, NOW, "the warehouse is down")
    assert backlog.manifests("open") == []
    soon = NOW + timedelta(minutes=1)
    assert all(m.failed_utc is not None for m in backlog.choose(soon))
    backlog.finish(backlog.manifests("failed")[0], soon)
    assert len([m for m in backlog.choose(soon) if m.failed_utc is None]) == OPEN_MOST


def test_after_a_pause_something_new_is_tried(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path)
    for day in range(9):
        put(tmp_path, f"segments/2026-07-{day + 1:02d}/a.ndjson", at=EARLIER - timedelta(days=day))
    for manifest in backlog.choose(NOW):
        backlog.fail(manifest, NOW, "the warehouse is down")
    assert len([m for m in backlog.choose(NOW + PAUSE) if m.failed_utc is None]) == OPEN_MOST


def test_half_written_files_are_removed_after_a_day(tmp_path: Path) -> None:
    for folder in ("manifests/open", "manifests/gone", "unreadable/2026-07-15"):
        put(tmp_path, f"{folder}/.old.tmp", at=NOW - timedelta(days=2))
        put(tmp_path, f"{folder}/.new.tmp", at=NOW)
    Backlog(tmp_path).sweep(NOW)
    assert [p.name for p in tmp_path.rglob(".*.tmp")] == [".new.tmp"] * 3


def test_a_folder_that_cannot_be_listed_is_named_and_the_others_are_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "FREQ/one.json")
    put(tmp_path, "REMIT/one.json")
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "REMIT":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = Backlog(tmp_path).found(NOW)
    assert [w.path for w in found.messages] == ["FREQ/one.json"]
    assert found.odd == {"REMIT/": "Permission denied"}
