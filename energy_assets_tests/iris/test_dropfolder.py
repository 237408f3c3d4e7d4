"""The drop folder: one listener, segments whole or absent, nothing outside the folder."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_assets.errors import SecondListenerError, SpoolError
from energy_assets.sources.iris import dropfolder
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.envelope import Envelope, decode, seal

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


def message(number: int | None, body: bytes = b"{}", subject: str | None = "FUELINST") -> Envelope:
    return seal(
        body,
        subject=subject,
        message_id=f"{number}.json",
        sequence_number=number,
        enqueued_utc=NOON,
        received_utc=NOON,
        source="IRIS",
        origin="q",
    )


@pytest.fixture
def folder(tmp_path: Path) -> DropFolder:
    folder = DropFolder(tmp_path / "iris")
    with folder.claim():
        pass
    return folder


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name != "listener.lock")


def test_a_segment_is_named_by_what_it_holds_and_reads_back(folder: DropFolder):
    envelopes = [message(12), message(7), message(9)]
    path = folder.write_segment(envelopes, NOON)
    assert path.parent == folder.segments / "2026-07-15"
    assert path.name.startswith(f"{7:020d}-{12:020d}-")
    assert [decode(line) for line in path.read_bytes().splitlines()] == envelopes
    assert files(folder.root) == [str(path.relative_to(folder.root))]


def test_the_same_messages_twice_are_one_segment_and_others_are_another(folder: DropFolder):
    first = folder.write_segment([message(1)], NOON)
    assert folder.write_segment([message(1)], NOON) == first
    assert folder.write_segment([message(1, b"other")], NOON) != first


def test_a_message_without_number_has_a_name(folder: DropFolder):
    assert folder.write_segment([message(None)], NOON).name.startswith("0" * 20)
    assert folder.write_segment([message(-5)], NOON).name.startswith("0" * 20)


@pytest.mark.parametrize("subject", ["../../escape", "/etc/passwd", "a\0b", "..", None, "É" * 300])
def test_words_of_a_message_reach_no_path(folder: DropFolder, tmp_path: Path, subject: str | None):
    path = folder.write_segment([message(3, subject=subject)], NOON)
    assert files(tmp_path) == [str(path.relative_to(tmp_path))]
    assert decode(path.read_bytes()).subject == subject


def test_a_full_disk_leaves_nothing_behind(folder: DropFolder, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dropfolder.os, "fsync", full)
    with pytest.raises(SpoolError, match="No space left on device"):
        folder.write_segment([message(1)], NOON)
    assert files(folder.root) == []


def test_half_written_files_are_removed_and_nothing_else(folder: DropFolder):
    kept = folder.write_segment([message(1)], NOON)
    for name in (".a.tmp", "b.tmp", ".c.ndjson", "d.ndjson"):
        (kept.parent / name).write_bytes(b"x")
    (folder.root / ".heartbeat.tmp").write_bytes(b"x")
    (folder.root / "FUELINST").mkdir()
    (folder.root / "FUELINST" / ".x.tmp").write_bytes(b"x")
    assert folder.remove_stray() == 2
    day = "segments/2026-07-15/"
    assert files(folder.root) == sorted(
        ["FUELINST/.x.tmp", *(day + name for name in (".c.ndjson", "b.tmp", "d.ndjson", kept.name))]
    )


def test_a_second_listener_is_refused_until_the_first_is_gone(folder: DropFolder):
    with folder.claim():
        holder = "import sys; from pathlib import Path; from energy_assets.sources.iris.dropfolder import DropFolder\n"
        holder += "with DropFolder(Path(sys.argv[1])).claim(): pass"
        other = subprocess.run(
            [sys.executable, "-c", holder, str(folder.root)], capture_output=True, text=True, check=False
        )
        assert "SecondListenerError: Another listener writes to" in other.stderr
        with pytest.raises(SecondListenerError), DropFolder(folder.root).claim():
            pass
    with folder.claim():
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot be written"), DropFolder(tmp_path / "file" / "iris").claim():
        pass


def test_free_space_is_that_of_the_folders_disk(folder: DropFolder, tmp_path: Path):
    usage = os.statvfs(folder.root)
    assert 0 < folder.free_bytes() <= usage.f_frsize * usage.f_blocks
    with pytest.raises(SpoolError):
        DropFolder(tmp_path / "none").free_bytes()
