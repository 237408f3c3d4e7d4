"""What lies in the drop folder: which files are messages, which are not ours, and which cannot be looked at.

Exactly two layouts are messages: our segments (``segments/<UTC day>/<name>.ndjson``) and one file per message as the
provider's own clients write them (``<STREAM>/<name>.json``). Everything else is somebody else's: it is named, and
neither read nor deleted. Nothing here chooses, loads or writes.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_from_bytes

from energy_assets.calendar import settlement_day
from energy_assets.catalogue.iris import ARCHIVE_BEGINS, BY_STREAM
from energy_assets.sources.iris.dropfolder import SEGMENT_SUFFIX
from energy_assets.sources.iris.envelope import stream_of

SEGMENTS = "segments"
MANIFESTS = "manifests"
UNREADABLE = "unreadable"
OWN_FOLDERS = frozenset({SEGMENTS, MANIFESTS, UNREADABLE, "heartbeats"})
OWN_FILES = frozenset({"heartbeat.json", "listener.lock"})
MESSAGE_SUFFIX = ".json"

CONFIGURATION = frozenset({"settings.json", "appsettings.json", "local.settings.json", "package.json"})
"""Files that clients keep beside their messages; the provider's example clients have the secret in the first."""

SETTLED = timedelta(seconds=5)
"""Age from which a file of the one-message layout counts as written: the example clients write in place."""

AHEAD = timedelta(minutes=10)
"""How far ahead of ours another machine's clock may be. A file from further ahead has a wrong time, not a late one."""

IRIS_BEGINS = datetime(ARCHIVE_BEGINS.year, ARCHIVE_BEGINS.month, ARCHIVE_BEGINS.day, tzinfo=UTC)
"""No message is older."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that is to be loaded.

    Attributes:
        path: Its path below the drop folder, percent-encoded.
        lane: Stream folder, or ``segments``; lanes take turns.
        size: Bytes.
        mtime_ns: Time of modification.
        day: Settlement day on which it was written; where its time cannot be true, the day on which it was found.
    """

    path: str
    lane: str
    size: int
    mtime_ns: int
    day: date


@dataclass
class Found:
    """What lies in a drop folder.

    Attributes:
        messages: Files that hold messages, loaded ones included.
        foreign: Files and folders that hold none, percent-encoded; they are left alone.
        odd: What cannot be looked at, with the reason.
    """

    messages: list[Waiting] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)


def find(root: Path, now: datetime) -> Found:
    """Look through a drop folder. Links are not followed: what they point at is not the drop folder's.

    Args:
        root: The drop folder; where there is none, nothing is found.
        now: The present, aware.

    Raises:
        OSError: The folder itself cannot be read; what cannot be read below it is ``odd``.
    """
    found = Found()
    if not root.exists():
        return found
    with os.scandir(root) as entries:
        top = sorted(entries, key=lambda e: e.name)
    for entry in top:
        if entry.name.startswith(".") or entry.name in OWN_FILES:
            continue
        if not entry.is_dir(follow_symlinks=False):
            _foreign_file(found, (), entry)
        elif entry.name == SEGMENTS:
            _segments(found, root, now)
        elif stream_of(entry.name) is None:
            found.foreign.append(f"{_quoted((entry.name,))}/")
        elif entry.name not in OWN_FOLDERS:
            _files(found, root, (entry.name,), now)
    return found


def lane_of(parts: Sequence[str]) -> str | None:
    """The lane of a file by its path's parts below the drop folder; ``None`` where it is no message of ours.

    A folder is a stream's where the stream is known, or its files are named after it as the provider names them: a
    folder ``python`` with settings is neither.
    """
    name = parts[-1] if parts else ""
    if name.startswith(".") or "\0" in name:
        return None
    if len(parts) == 3 and parts[0] == SEGMENTS:
        return SEGMENTS if _DAY.fullmatch(parts[1]) and name.endswith(SEGMENT_SUFFIX) else None
    if len(parts) != 2 or parts[0] in OWN_FOLDERS or not name.endswith(MESSAGE_SUFFIX):
        return None
    folder = stream_of(parts[0])
    if folder is None or name.lower() in CONFIGURATION:
        return None
    return folder if folder in BY_STREAM or name.startswith(f"{folder}_") else None


def is_settled(file: Waiting, now: datetime) -> bool:
    """Whether a file is whole: segments always are; a time far ahead says nothing, so the file is not kept waiting.

    One that is changed after it was loaded is loaded again, so taking it too early loses nothing.
    """
    return file.lane == SEGMENTS or not written_after(file, now - SETTLED, now)


def written_after(file: Waiting, moment: datetime, now: datetime) -> bool:
    """Whether a file was written after a moment, as far as its time can be believed."""
    return _ns(moment) < file.mtime_ns <= _ns(now + AHEAD)


def written_utc(mtime_ns: int, found_utc: datetime) -> datetime:
    """When a file was written by its time of modification; where that cannot be true, when it was found."""
    if not _ns(IRIS_BEGINS) <= mtime_ns <= _ns(found_utc + AHEAD):
        return found_utc.astimezone(UTC)
    return datetime.fromtimestamp(mtime_ns / 1e9, tz=UTC)


def reason_of(error: Exception) -> str:
    """Why something could not be read or written, in few words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _segments(found: Found, root: Path, now: datetime) -> None:
    """The segments of all days."""
    for entry in _entries(found, root, (SEGMENTS,)):
        if entry.is_dir(follow_symlinks=False):
            _files(found, root, (SEGMENTS, entry.name), now)
        else:
            _foreign_file(found, (SEGMENTS,), entry)


def _files(found: Found, root: Path, folder: tuple[str, ...], now: datetime) -> None:
    """The files of one folder; what lies deeper holds no messages."""
    for entry in _entries(found, root, folder):
        if entry.name.startswith("."):
            continue
        lane = lane_of((*folder, entry.name))
        if entry.is_dir(follow_symlinks=False):
            found.foreign.append(f"{_quoted((*folder, entry.name))}/")
        elif lane is None:
            _foreign_file(found, folder, entry)
        else:
            _message(found, _quoted((*folder, entry.name)), entry, lane, now)


def _message(found: Found, path: str, entry: os.DirEntry[str], lane: str, now: datetime) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        found.odd[path] = reason_of(error)
        return
    if stat.S_ISREG(status.st_mode):
        day = settlement_day(written_utc(status.st_mtime_ns, now))
        found.messages.append(Waiting(path, lane, status.st_size, status.st_mtime_ns, day))


def _foreign_file(found: Found, folder: tuple[str, ...], entry: os.DirEntry[str]) -> None:
    """Name a file that might be taken for a message."""
    if entry.name.endswith((MESSAGE_SUFFIX, SEGMENT_SUFFIX)) and not entry.is_symlink():
        found.foreign.append(_quoted((*folder, entry.name)))


def _entries(found: Found, root: Path, folder: tuple[str, ...]) -> Iterator[os.DirEntry[str]]:
    """What a folder holds; one that cannot be read is noted and holds nothing."""
    try:
        with os.scandir(root.joinpath(*folder)) as entries:
            yield from entries
    except FileNotFoundError:
        return
    except OSError as error:
        found.odd[f"{_quoted(folder)}/"] = reason_of(error)


def _quoted(parts: tuple[str, ...]) -> str:
    return quote_from_bytes(os.fsencode("/".join(parts)))


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
