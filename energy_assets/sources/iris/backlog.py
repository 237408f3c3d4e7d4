"""What waits in the drop folder, and the manifests that say which files are loaded together.

Both layouts are found here: our segments, and one file per message as the provider's own example clients write them.
Choosing is fair over streams and bounded in bytes and files. What the files hold is ``split``'s question; whether their
rows are in the warehouse is the loader's, which marks a manifest as done when they are. A file is deleted only by a
manifest that has been done for a while, and only if it is still the file that was loaded.

Layout below the drop folder::

    manifests/open/<id>.json     chosen, not yet loaded
    manifests/done/<id>.json     loaded; its files are still there
    manifests/gone/<id>.json     loaded; its files have been deleted
    unreadable/<day>/<id>.ndjson messages of a manifest that could not be read, whole
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from energy_assets.calendar import settlement_day
from energy_assets.errors import SpoolError
from energy_assets.sources.iris.dropfolder import SEGMENT_SUFFIX, write_durably

logger = logging.getLogger(__name__)

SEGMENTS = "segments"
MANIFESTS = "manifests"
UNREADABLE = "unreadable"
OWN_FOLDERS = frozenset({SEGMENTS, MANIFESTS, UNREADABLE, "heartbeats"})
OWN_FILES = frozenset({"heartbeat.json", "listener.lock"})
MESSAGE_SUFFIX = ".json"

SETTLED = timedelta(seconds=5)
"""Age from which a file of the one-message layout counts as written: the example clients write in place."""

MANIFEST_BYTES = 256 << 20
"""Files of one manifest: a run takes seconds for it, so a backlog of gigabytes is a handful of runs, and one that is
killed has little to repeat. Memory does not follow this number."""

MANIFEST_FILES = 25_000
"""The same for small files, whose number counts and not their size."""

OPEN_MOST = 3
"""Manifests that wait to be loaded: more would only wait for the one writer of the warehouse."""

DELETE_AFTER = timedelta(hours=1)
"""Time between loading and deleting: whoever doubts a load can still look at what was loaded."""

FORGET_AFTER = timedelta(days=7)
"""Time for which a manifest says what was in it after its files are gone; receipts and the register last longer."""

State = Literal["open", "done", "gone"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that is to be loaded.

    Attributes:
        path: Its path below the drop folder, percent-encoded.
        lane: Stream folder, or ``segments``; lanes take turns.
        size: Bytes.
        mtime_ns: Time of modification.
    """

    path: str
    lane: str
    size: int
    mtime_ns: int

    @property
    def day(self) -> date:
        """Settlement day on which it was written."""
        return settlement_day(datetime.fromtimestamp(self.mtime_ns / 1e9, tz=UTC))


class File(msgspec.Struct, frozen=True):
    """A file of a manifest, with what shows that it is still the same one."""

    path: str
    size: int
    mtime_ns: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are loaded together.

    Attributes:
        manifest_id: Sortable by time, and the same for the same files chosen at the same moment.
        created_utc: When they were chosen.
        day: Settlement day on which they were written.
        files: The files.
        loaded_utc: When their rows and messages were committed; ``None`` before.
    """

    manifest_id: str
    created_utc: datetime
    day: date
    files: tuple[File, ...]
    loaded_utc: datetime | None = None


class Backlog:
    """The loader's side of a drop folder.

    Args:
        root: The drop folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def waiting(self, now: datetime) -> list[Waiting]:
        """Files that no manifest holds, in no particular order.

        Raises:
            SpoolError: The folder cannot be read.
        """
        taken = {(f.path, f.mtime_ns) for state in ("open", "done") for m in self.manifests(state) for f in m.files}
        latest = (now - SETTLED).timestamp() * 1e9
        try:
            found = [w for w in _found(self.root) if w.lane == SEGMENTS or w.mtime_ns <= latest]
        except OSError as error:
            raise _unusable(self.root, error) from error
        return [w for w in found if (w.path, w.mtime_ns) not in taken]

    def choose(self, now: datetime) -> list[Manifest]:
        """Make manifests of what waits, as many as may be open, and give all that are open.

        Raises:
            SpoolError: The folder cannot be read or written.
        """
        already = self.manifests("open")
        room = OPEN_MOST - len(already)
        if room <= 0:
            return already
        made = [_manifest(files, now) for files in batches(self.waiting(now), room)]
        for manifest in made:
            self._write(manifest, "open")
        return [*already, *made]

    def manifests(self, state: State) -> list[Manifest]:
        """Manifests of a state, oldest first.

        Raises:
            SpoolError: The folder cannot be read.
        """
        folder = self._folder(state)
        try:
            paths = sorted(p for p in folder.iterdir() if p.suffix == ".json" and not p.name.startswith("."))
            return [_DECODER.decode(path.read_bytes()) for path in paths]
        except FileNotFoundError:
            return self.manifests(state) if folder.exists() else []
        except (OSError, msgspec.DecodeError) as error:
            raise _unusable(folder, error) from error

    def manifest(self, manifest_id: str) -> Manifest | None:
        """One open manifest; ``None`` where it is not open (any more).

        Raises:
            SpoolError: The folder cannot be read.
        """
        return next((m for m in self.manifests("open") if m.manifest_id == manifest_id), None)

    def finish(self, manifest: Manifest, now: datetime) -> None:
        """Mark a manifest as loaded, which from then on allows its files to be deleted.

        Raises:
            SpoolError: The folder cannot be written.
        """
        self._move(msgspec.structs.replace(manifest, loaded_utc=now), "open", "done")

    def clean(self, now: datetime) -> int:
        """Delete the files of manifests that have been loaded for a while, if they are still what was loaded.

        Returns:
            How many files were deleted.

        Raises:
            SpoolError: A file cannot be deleted.
        """
        deleted = 0
        for manifest in self.manifests("done"):
            if manifest.loaded_utc is not None and manifest.loaded_utc <= now - DELETE_AFTER:
                deleted += sum(self._delete(file) for file in manifest.files)
                self._move(manifest, "done", "gone")
        for manifest in self.manifests("gone"):
            if manifest.created_utc <= now - FORGET_AFTER:
                (self._folder("gone") / f"{manifest.manifest_id}.json").unlink(missing_ok=True)
        return deleted

    def path(self, file: File) -> Path:
        """Where a file of a manifest is.

        Raises:
            SpoolError: The path leads out of the drop folder: the manifest was not written by us.
        """
        parts = Path(os.fsdecode(unquote_to_bytes(file.path))).parts
        if not parts or ".." in parts or Path(*parts).is_absolute():
            raise SpoolError(f"The manifest names {file.path!r}, which is not in the drop folder {self.root}.")
        return self.root.joinpath(*parts)

    def keep_unreadable(self, manifest: Manifest, lines: Iterable[bytes]) -> Path:
        """Keep messages that could not be read, whole, where no clean-up goes.

        Raises:
            SpoolError: The folder cannot be written.
        """
        path = self.root / UNREADABLE / manifest.day.isoformat() / f"{manifest.manifest_id}{SEGMENT_SUFFIX}"
        self._put(path, b"".join(lines))
        return path

    def _delete(self, file: File) -> bool:
        path = self.path(file)
        try:
            found = path.stat(follow_symlinks=False)
            if (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns):
                logger.warning("%s has changed since it was loaded; it is loaded again and not deleted", path)
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unusable(path, error) from error
        self._remove_empty(path.parent)
        return True

    def _remove_empty(self, folder: Path) -> None:
        """Remove a past day's segment folder with its last segment; stream folders belong to the client."""
        today = datetime.now(tz=UTC).date().isoformat()
        if folder.parent.name == SEGMENTS and folder.name < today and not any(folder.iterdir()):
            folder.rmdir()

    def _move(self, manifest: Manifest, before: State, after: State) -> None:
        self._write(manifest, after)
        (self._folder(before) / f"{manifest.manifest_id}.json").unlink(missing_ok=True)

    def _write(self, manifest: Manifest, state: State) -> None:
        self._put(self._folder(state) / f"{manifest.manifest_id}.json", msgspec.json.encode(manifest))

    def _put(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)
        except OSError as error:
            raise _unusable(path, error) from error

    def _folder(self, state: State) -> Path:
        return self.root / MANIFESTS / state


_DECODER = msgspec.json.Decoder(Manifest)


def batches(
    waiting: Sequence[Waiting], most: int, most_bytes: int = MANIFEST_BYTES, most_files: int = MANIFEST_FILES
) -> list[list[Waiting]]:
    """Files that go together: each batch of one settlement day, within the limits, its lanes in turns, oldest first.

    The newest day comes first, so that a backlog never keeps the present waiting; then the others from the oldest on.

    Args:
        waiting: What there is.
        most: Batches at most.
        most_bytes: Bytes of a batch; a larger file makes one of its own.
        most_files: Files of a batch.
    """
    by_day: dict[date, list[Waiting]] = {}
    for file in waiting:
        by_day.setdefault(file.day, []).append(file)
    days = sorted(by_day)
    chosen: list[list[Waiting]] = []
    for day in [*days[-1:], *days[:-1]]:
        turns = _in_turns(by_day[day])
        for batch in _cut(turns, most_bytes, most_files):
            if len(chosen) == most:
                return chosen
            chosen.append(batch)
    return chosen


def _in_turns(files: Sequence[Waiting]) -> Iterator[Waiting]:
    """The files lane by lane in turns, each lane's oldest first."""
    lanes: dict[str, list[Waiting]] = {}
    for file in files:
        lanes.setdefault(file.lane, []).append(file)
    queues = {lane: iter(sorted(own, key=lambda f: (f.mtime_ns, f.path))) for lane, own in sorted(lanes.items())}
    while queues:
        for lane in list(queues):
            following = next(queues[lane], None)
            if following is None:
                del queues[lane]
            else:
                yield following


def _cut(files: Iterable[Waiting], most_bytes: int, most_files: int) -> Iterator[list[Waiting]]:
    batch: list[Waiting] = []
    size = 0
    for file in files:
        if batch and (size + file.size > most_bytes or len(batch) == most_files):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _manifest(files: Sequence[Waiting], now: datetime) -> Manifest:
    digest = hashlib.sha256("\n".join(f"{f.path} {f.mtime_ns}" for f in files).encode()).hexdigest()[:12]
    return Manifest(
        manifest_id=f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest}",
        created_utc=now,
        day=files[0].day,
        files=tuple(File(f.path, f.size, f.mtime_ns) for f in files),
    )


def _found(root: Path) -> Iterator[Waiting]:
    """Every file of either layout. Links are not followed: what they point at is not the drop folder's."""
    if not root.exists():
        return
    with os.scandir(root) as entries:
        top = list(entries)
    for entry in top:
        if entry.is_dir(follow_symlinks=False):
            if entry.name == SEGMENTS:
                yield from _below(root, Path(entry.path), SEGMENTS, SEGMENT_SUFFIX)
            elif entry.name not in OWN_FOLDERS:
                yield from _below(root, Path(entry.path), entry.name, MESSAGE_SUFFIX)
        elif entry.name not in OWN_FILES:
            yield from _file(root, entry, "", MESSAGE_SUFFIX)


def _below(root: Path, folder: Path, lane: str, suffix: str) -> Iterator[Waiting]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(root, Path(entry.path), lane, suffix)
            else:
                yield from _file(root, entry, lane, suffix)


def _file(root: Path, entry: os.DirEntry[str], lane: str, suffix: str) -> Iterator[Waiting]:
    if entry.name.startswith(".") or not entry.name.endswith(suffix) or not entry.is_file(follow_symlinks=False):
        return
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    relative = quote_from_bytes(os.fsencode(os.path.relpath(entry.path, root)))
    yield Waiting(relative, lane, found.st_size, found.st_mtime_ns)


def _unusable(path: Path, error: Exception) -> SpoolError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return SpoolError(
        f"{path} cannot be used ({reason}): make ENERGY_ASSETS_IRIS_DROP_DIR a folder that this user may write to."
    )


def shown(manifest: Manifest) -> Mapping[str, object]:
    """A manifest in a few numbers, for logs and run metadata."""
    size = sum(f.size for f in manifest.files)
    return {"manifest": manifest.manifest_id, "files": len(manifest.files), "bytes": size}
