"""Which files of the drop folder are loaded together, and what became of them: the manifests.

Choosing is fair over streams and bounded in bytes and files. What the files hold is ``split``'s question; whether their
rows are in the warehouse is the loader's, which says when a manifest is done, failed, or may be cleaned up. A file is
deleted only if it is still the file that was loaded.

A manifest that fails does not keep others waiting: it is put aside with the streams that failed and tried again, ever
more rarely; many of them are joined, so that a stream that fails for ever costs a few manifests and not thousands.

Layout below the drop folder::

    manifests/open/<id>.json     chosen, not yet loaded
    manifests/failed/<id>.json   not loaded, or not all of it: tried again later
    manifests/done/<id>.json     loaded; its files are still there
    manifests/gone/<id>.json     loaded; its files have been deleted
    manifests/<state>/<id>.json.bad   no manifest; its files are chosen anew
    unreadable/<day>/<id>.ndjson messages of a manifest that could not be read, whole
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote_to_bytes

import msgspec

from energy_assets.errors import SpoolError
from energy_assets.sources.iris.dropfolder import SEGMENT_SUFFIX, write_durably
from energy_assets.sources.iris.found import (
    AHEAD,
    MANIFESTS,
    SEGMENTS,
    UNREADABLE,
    Found,
    Waiting,
    find,
    is_settled,
    lane_of,
    reason_of,
    written_after,
)

logger = logging.getLogger(__name__)

MANIFEST_BYTES = 256 << 20
"""Files of one manifest: a run takes seconds for it, so a backlog of gigabytes is a handful of runs, and one that is
killed has little to repeat. Memory does not follow this number."""

MANIFEST_FILES = 25_000
"""The same for small files, whose number counts and not their size."""

OPEN_MOST = 3
"""Manifests that wait for their first load: more would only wait for the one writer of the warehouse."""

FAILED_MOST = 8
"""Failed manifests above which those of a day are joined: each is a run when its time comes."""

RETRY_AFTER = timedelta(minutes=1)
"""Time after a failed load before the first repetition; it doubles up to ``RETRY_MOST``."""

RETRY_MOST = timedelta(minutes=30)
"""A warehouse that is down for a day has been asked fifty times, and is caught up within half an hour of its return."""

PAUSE = timedelta(minutes=5)
"""Time before anything new is chosen where the last ``OPEN_MOST`` loads brought nothing at all: the warehouse takes
nothing, and each new batch would only be another failed run."""

DELETE_AFTER = timedelta(hours=1)
"""Time between loading and deleting: whoever doubts a load can still look at what was loaded."""

FORGET_AFTER = timedelta(days=7)
"""Time for which a manifest says what was in it after its files are gone; receipts and the register last longer."""

STALE_AFTER = timedelta(days=1)
"""Age at which a half-written file is nobody's: writing one takes a moment."""

ERROR_LENGTH = 400
"""Characters of a failure that a manifest keeps: a sentence, not a traceback."""

State = Literal["open", "failed", "done", "gone"]

HELD: tuple[State, ...] = ("open", "failed", "done")
"""States of manifests whose files are there, in the order in which a manifest passes through them: read in this order,
one that moves meanwhile is seen at least once."""

TO_LOAD: tuple[State, ...] = ("open", "failed")
"""States of manifests that are to be loaded."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]

_ID_TIME = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*")
_BAD = ".bad"


class File(msgspec.Struct, frozen=True):
    """A file of a manifest, with what shows that it is still the same one."""

    path: str
    size: int
    mtime_ns: int

    @property
    def identity(self) -> tuple[str, int]:
        """What tells it from another file that has its name later."""
        return self.path, self.mtime_ns


class Brought(msgspec.Struct, frozen=True):
    """A window for which the warehouse has a receipt of this manifest's load."""

    dataset: str
    from_utc: Instant
    to_utc: Instant
    branch: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are loaded together.

    Attributes:
        manifest_id: Sortable by time, and the same for the same files chosen at the same moment.
        created_utc: When they were chosen.
        day: Settlement day on which they were written.
        files: The files.
        streams: Codes of the streams that are still to be loaded; ``None`` for all.
        brought: What has been loaded: receipts that have to be believed before a file is deleted.
        loaded_utc: When all rows and messages were committed; ``None`` before.
        failures: Loads that failed.
        failed_utc: When the last of them did.
        landed_utc: When a load that failed brought at least some streams.
        error: Why the last load failed, or why a file could not be deleted.
    """

    manifest_id: str
    created_utc: Instant
    day: date
    files: tuple[File, ...]
    streams: tuple[str, ...] | None = None
    brought: tuple[Brought, ...] = ()
    loaded_utc: Instant | None = None
    failures: int = 0
    failed_utc: Instant | None = None
    landed_utc: Instant | None = None
    error: str = ""

    def due_utc(self) -> datetime:
        """When it is to be loaded, for the first time or again."""
        if self.failed_utc is None:
            return self.created_utc
        return self.failed_utc + retry_wait(self.failures)

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be loaded now; a time that lies ahead was written by a wrong clock."""
        return self.due_utc() <= now or (self.failed_utc or self.created_utc) > now + AHEAD


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of a manifest's files.

    Attributes:
        files: Number of files deleted.
        stuck: Files that could not be deleted, with the reason.
    """

    files: int
    stuck: Mapping[str, str]


class Backlog:
    """The loader's side of a drop folder.

    Args:
        root: The drop folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def found(self, now: datetime) -> Found:
        """What lies in the folder: messages that no manifest holds, and what is left alone or cannot be looked at.

        Raises:
            SpoolError: The folder cannot be read.
        """
        return self._untaken(now, [m for state in HELD for m in self.manifests(state)])

    def waiting(self, now: datetime) -> list[Waiting]:
        """Files that no manifest holds, in no particular order.

        Raises:
            SpoolError: The folder cannot be read.
        """
        return self.found(now).messages

    def choose(self, now: datetime, until: datetime | None = None) -> list[Manifest]:
        """Make manifests of what waits, as many as may be open, and give all that are to be loaded.

        Args:
            now: The present, aware.
            until: Leave files that were written later; ``None`` takes all.

        Returns:
            Open manifests, then failed ones; whether these are due is the caller's to ask.

        Raises:
            SpoolError: The folder cannot be read or written.
        """
        self._put_bad_aside()
        already, failed, done = (self.manifests(state) for state in HELD)
        if len(failed) > FAILED_MOST:
            failed = self._join(failed)
        room = OPEN_MOST - len(already)
        if room > 0 and not _pausing(failed, done, now):
            waiting = self._untaken(now, [*already, *failed, *done]).messages
            if until is not None:
                waiting = [w for w in waiting if not written_after(w, until, now)]
            for files in batches(waiting, room):
                already.append(_manifest([File(w.path, w.size, w.mtime_ns) for w in files], files[0].day, now))
                self._write(already[-1], "open")
        return [*already, *failed]

    def manifests(self, state: State) -> list[Manifest]:
        """Readable manifests of a state, oldest first.

        Raises:
            SpoolError: Their folder cannot be read.
        """
        return [m for path in self._paths(state) if isinstance(m := _read(path), Manifest)]

    def bad_manifests(self) -> dict[str, str]:
        """Manifests that cannot be read, by their path below the drop folder, with the reason.

        Raises:
            SpoolError: Their folder cannot be read.
        """
        found: dict[str, str] = {}
        for state in HELD:
            for path in self._paths(state, f".json{_BAD}"):
                found[f"{MANIFESTS}/{state}/{path.name}"] = "put aside, its files are loaded anew: delete it"
            for path in self._paths(state):
                if isinstance(reason := _read(path), str):
                    found[f"{MANIFESTS}/{state}/{path.name}"] = reason
        return found

    def manifest(self, manifest_id: str) -> Manifest | None:
        """One manifest that is to be loaded; ``None`` where it is not (any more)."""
        if not _ID.fullmatch(manifest_id):
            return None
        found = (_read(self._folder(state) / f"{manifest_id}.json") for state in TO_LOAD)
        return next((m for m in found if isinstance(m, Manifest)), None)

    def newest_choice(self, now: datetime) -> datetime | None:
        """When the newest manifest was made, by its name; those of a clock that was ahead do not count.

        Raises:
            SpoolError: The manifests' folder cannot be read.
        """
        made = [at for state in HELD for p in self._paths(state) if (at := _made(p)) is not None and at <= now]
        return max(made, default=None)

    def finish(self, manifest: Manifest, now: datetime, brought: Iterable[Brought] = ()) -> None:
        """Mark a manifest as loaded, which from then on allows its files to be deleted.

        Args:
            manifest: The manifest.
            now: The present, aware.
            brought: What this load brought.

        Raises:
            SpoolError: The folder cannot be written.
        """
        whole = tuple(dict.fromkeys((*manifest.brought, *brought)))
        changed = msgspec.structs.replace(manifest, loaded_utc=now, streams=None, brought=whole, error="")
        self._move(changed, "done")

    def fail(
        self,
        manifest: Manifest,
        now: datetime,
        error: str,
        streams: Iterable[str] | None = None,
        brought: Iterable[Brought] = (),
    ) -> Manifest:
        """Put a manifest aside, to be tried again.

        Args:
            manifest: The manifest.
            now: The present, aware.
            error: Why it failed.
            streams: Codes of the streams that failed; ``None`` where nothing was loaded.
            brought: What of it was loaded.

        Raises:
            SpoolError: The folder cannot be written.
        """
        brought = tuple(brought)
        failed = msgspec.structs.replace(
            manifest,
            streams=manifest.streams if streams is None else tuple(sorted(streams)),
            brought=tuple(dict.fromkeys((*manifest.brought, *brought))),
            failures=manifest.failures + 1,
            failed_utc=now,
            landed_utc=now if brought else manifest.landed_utc,
            error=error[:ERROR_LENGTH],
        )
        self._move(failed, "failed")
        return failed

    def part(self, manifest: Manifest, unread: Mapping[str, str], now: datetime) -> Manifest:
        """Put the files of a manifest that could not be read aside in one of their own, and give the rest.

        Args:
            manifest: A manifest of which some files, not all, could be read.
            unread: Paths of the others, with the reason.
            now: The present, aware.

        Raises:
            SpoolError: The folder cannot be written.
        """
        apart = _manifest([f for f in manifest.files if f.path in unread], manifest.day, manifest.created_utc)
        apart = msgspec.structs.replace(apart, streams=manifest.streams, failures=manifest.failures)
        self.fail(apart, now, unread_error(unread))
        return msgspec.structs.replace(manifest, files=tuple(f for f in manifest.files if f.path not in unread))

    def loaded_before(self, now: datetime) -> list[Manifest]:
        """Manifests that were loaded so long ago that their files may go, if the warehouse still has their rows.

        Raises:
            SpoolError: The folder cannot be read.
        """
        return [
            m
            for m in self.manifests("done")
            if m.loaded_utc is not None and not now - DELETE_AFTER < m.loaded_utc <= now + AHEAD
        ]

    def release(self, manifest: Manifest) -> None:
        """Forget that a manifest was loaded; its files are chosen and loaded anew.

        Raises:
            SpoolError: The folder cannot be written.
        """
        self._remove(self._folder("done") / f"{manifest.manifest_id}.json")

    def needed(self) -> set[tuple[str, int]]:
        """Files that a manifest still waits for.

        Raises:
            SpoolError: The folder cannot be read.
        """
        return {f.identity for state in TO_LOAD for m in self.manifests(state) for f in m.files}

    def delete(self, manifest: Manifest, needed: Collection[tuple[str, int]] = ()) -> Deleted:
        """Delete a loaded manifest's files that are still what was loaded.

        One that cannot be deleted stays in its manifest and is tried again.

        Args:
            manifest: The manifest.
            needed: Files that another manifest waits for; they are left to it.

        Raises:
            SpoolError: The manifest cannot be written.
        """
        deleted = 0
        stuck: dict[str, str] = {}
        for file in manifest.files:
            try:
                deleted += file.identity not in needed and self._delete(file)
            except (OSError, SpoolError) as error:
                stuck[file.path] = reason_of(error)
        if not stuck:
            self._move(manifest, "gone")
            return Deleted(deleted, stuck)
        path, reason = next(iter(stuck.items()))
        left = tuple(f for f in manifest.files if f.path in stuck)
        text = f"{path} cannot be deleted ({reason})"[:ERROR_LENGTH]
        self._write(msgspec.structs.replace(manifest, files=left, error=text), "done")
        return Deleted(deleted, stuck)

    def sweep(self, now: datetime) -> None:
        """Remove records of deleted files after a while, and what killed processes left half-written.

        Raises:
            SpoolError: The folder cannot be read or written.
        """
        oldest = (now - FORGET_AFTER).astimezone(UTC).strftime(_ID_TIME)
        for path in self._paths("gone"):
            # The name begins with the time: a week of records is not read for it.
            if path.name[: len(oldest)] <= oldest:
                self._remove(path)
        stale = (now - STALE_AFTER).timestamp()
        for folder in (*(self._folder(state) for state in (*HELD, "gone")), *self._unreadable_days()):
            for path in _listed(folder, ".tmp"):
                if path.name.startswith(".") and path.lstat().st_mtime < stale:
                    self._remove(path)

    def path(self, file: File) -> Path:
        """Where a file of a manifest is.

        Raises:
            SpoolError: It is no message of the drop folder: the manifest was not written by us.
        """
        parts = os.fsdecode(unquote_to_bytes(file.path)).split("/")
        if lane_of(parts) is None:
            raise SpoolError(f"The manifest names {file.path!r}, which is no message of the drop folder {self.root}.")
        return self.root.joinpath(*parts)

    def keep_unreadable(self, manifest: Manifest, digests: Collection[str], lines: Iterable[bytes]) -> Path:
        """Keep messages that could not be read, whole, where no clean-up goes.

        Args:
            manifest: The manifest that they are of.
            digests: Of their bodies. Where only some streams of a manifest are loaded again, what was kept of the
                others stays beside it.
            lines: The messages, one a line; in pieces of any size.

        Raises:
            SpoolError: The folder cannot be written.
        """
        mark = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:12]
        path = self.root / UNREADABLE / manifest.day.isoformat() / f"{manifest.manifest_id}-{mark}{SEGMENT_SUFFIX}"
        self._put(path, lines)
        return path

    def _untaken(self, now: datetime, holding: Iterable[Manifest]) -> Found:
        taken = {f.identity for m in holding for f in m.files}
        try:
            found = find(self.root, now)
        except OSError as error:
            raise _unusable(self.root, error) from error
        found.messages = [w for w in found.messages if (w.path, w.mtime_ns) not in taken and is_settled(w, now)]
        return found

    def _put_bad_aside(self) -> None:
        """Rename what lies among the manifests and is none; its files count as waiting."""
        for state in HELD:
            for path in self._paths(state):
                if isinstance(reason := _read(path), str):
                    logger.error("manifest %r cannot be read (%s); its files are loaded anew", path.name, reason)
                    try:
                        path.rename(path.with_name(f"{path.name}{_BAD}"))
                    except OSError as error:
                        logger.warning("manifest %r cannot be put aside (%s)", path.name, reason_of(error))

    def _join(self, failed: Sequence[Manifest]) -> list[Manifest]:
        """Of failed manifests make one for each day, within the limits of any manifest, and give all that are left."""
        left: list[Manifest] = []
        for _, alike in groupby(sorted(failed, key=_likeness), _likeness):
            for some in _within_limits(alike):
                if len(some) == 1:
                    left += some
                    continue
                left.append(_joined(some))
                self._write(left[-1], "failed")
                for manifest in some:
                    if manifest.manifest_id != left[-1].manifest_id:
                        self._remove(self._folder("failed") / f"{manifest.manifest_id}.json")
        return left

    def _delete(self, file: File) -> bool:
        """Delete a file that is still the one that was loaded.

        Raises:
            OSError: It cannot be deleted.
            SpoolError: It is no message of the drop folder.
        """
        path = self.path(file)
        try:
            found = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        if (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns):
            logger.warning("%s has changed since it was loaded; it is loaded again and not deleted", file.path)
            return False
        path.unlink(missing_ok=True)
        self._remove_empty(path.parent)
        return True

    def _remove_empty(self, folder: Path) -> None:
        """Remove a past day's segment folder with its last segment; stream folders belong to the client."""
        today = datetime.now(tz=UTC).date().isoformat()
        if folder.parent.name != SEGMENTS or folder.name >= today:
            return
        try:
            if not any(folder.iterdir()):
                folder.rmdir()
        except OSError as error:
            # An empty folder harms nobody.
            logger.debug("%r stays (%s)", folder.name, reason_of(error))

    def _move(self, manifest: Manifest, after: State) -> None:
        self._write(manifest, after)
        for state in HELD:
            if state != after:
                self._remove(self._folder(state) / f"{manifest.manifest_id}.json")

    def _write(self, manifest: Manifest, state: State) -> None:
        self._put(self._folder(state) / f"{manifest.manifest_id}.json", msgspec.json.encode(manifest))

    def _put(self, path: Path, content: bytes | Iterable[bytes]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)
        except OSError as error:
            raise _unusable(path, error) from error

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error

    def _paths(self, state: State, suffix: str = ".json") -> list[Path]:
        """Files of a state's folder, oldest manifest first."""
        folder = self._folder(state)
        try:
            return [path for path in _listed(folder, suffix) if not path.name.startswith(".")]
        except OSError as error:
            raise _unusable(folder, error) from error

    def _unreadable_days(self) -> list[Path]:
        folder = self.root / UNREADABLE
        return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []

    def _folder(self, state: State) -> Path:
        return self.root / MANIFESTS / state


_DECODER = msgspec.json.Decoder(Manifest)


def _listed(folder: Path, suffix: str) -> list[Path]:
    """Paths of a folder that may not be there, by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
    except FileNotFoundError:
        return []


def _read(path: Path) -> Manifest | str | None:
    """A manifest; the reason where it is none; ``None`` where it has just moved on."""
    try:
        manifest = _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return "a link to nothing" if path.is_symlink() else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        return reason_of(error)
    return manifest if f"{manifest.manifest_id}.json" == path.name else "named otherwise than it says"


def _made(path: Path) -> datetime | None:
    """When a manifest was made, by its name."""
    try:
        return datetime.strptime(path.name.partition("-")[0], _ID_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _pausing(failed: Sequence[Manifest], done: Sequence[Manifest], now: datetime) -> bool:
    """Whether the newest loads brought nothing at all, so lately that the next one would not either."""
    landed = [at for m in (*failed, *done) if (at := m.landed_utc if m.loaded_utc is None else m.loaded_utc)]
    since = max(landed, default=None)
    barren = [m for m in failed if m.failed_utc is not None and (since is None or m.failed_utc > since)]
    newest = max((m.failed_utc for m in barren if m.failed_utc is not None), default=None)
    return sum(m.failures for m in barren) >= OPEN_MOST and newest is not None and timedelta(0) <= now - newest < PAUSE


def _likeness(manifest: Manifest) -> tuple[date, bool]:
    """What failed manifests that are joined have in common."""
    return manifest.day, manifest.streams is None


def _within_limits(manifests: Iterable[Manifest]) -> Iterator[list[Manifest]]:
    some: list[Manifest] = []
    files = size = 0
    for manifest in manifests:
        own = sum(f.size for f in manifest.files)
        if some and (files + len(manifest.files) > MANIFEST_FILES or size + own > MANIFEST_BYTES):
            yield some
            some, files, size = [], 0, 0
        some.append(manifest)
        files, size = files + len(manifest.files), size + own
    if some:
        yield some


def _joined(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest in the place of several.

    Of what they brought only each stream's newest is kept: a warehouse that has lost anything of it has lost that.
    """
    newest = max(manifests, key=lambda m: m.failed_utc or m.created_utc)
    created = min(m.created_utc for m in manifests)
    files = {f.identity: f for m in manifests for f in m.files}
    streams = None if newest.streams is None else tuple(sorted({code for m in manifests for code in m.streams or ()}))
    landed = sorted(manifests, key=lambda m: m.landed_utc or m.created_utc)
    brought = {b.dataset: b for m in landed for b in m.brought}
    return msgspec.structs.replace(
        _manifest(list(files.values()), newest.day, created),
        streams=streams,
        brought=tuple(brought.values()),
        failures=max(m.failures for m in manifests),
        failed_utc=newest.failed_utc,
        landed_utc=max((m.landed_utc for m in manifests if m.landed_utc), default=None),
        error=newest.error,
    )


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


def _manifest(files: Sequence[File], day: date, now: datetime) -> Manifest:
    digest = hashlib.sha256("\n".join(f"{f.path} {f.mtime_ns}" for f in files).encode()).hexdigest()[:12]
    return Manifest(
        manifest_id=f"{now.astimezone(UTC).strftime(_ID_TIME)}-{digest}", created_utc=now, day=day, files=tuple(files)
    )


def retry_wait(failures: int) -> timedelta:
    """Time from the last of some failed loads to the next."""
    doublings = max(0, min(failures - 1, 10))
    return min(RETRY_AFTER * (1 << doublings), RETRY_MOST)


def counted(number: int) -> str:
    """``1 batch``, ``2 batches``."""
    return f"{number:,} batch" if number == 1 else f"{number:,} batches"


def unread_error(unread: Mapping[str, str]) -> str:
    """One sentence about files that could not be read."""
    path, reason = next(iter(unread.items()))
    more = f" and {len(unread) - 1} other files" if len(unread) > 1 else ""
    return f"{path}{more} cannot be read ({reason}): see to permissions or disk."


def _unusable(path: Path, error: Exception) -> SpoolError:
    return SpoolError(
        f"{path} cannot be used ({reason_of(error)}): make ENERGY_ASSETS_IRIS_DROP_DIR a folder that this user may "
        "write to."
    )


def shown(manifest: Manifest) -> Mapping[str, object]:
    """A manifest in a few numbers, for logs and run metadata."""
    size = sum(f.size for f in manifest.files)
    return {"manifest": manifest.manifest_id, "files": len(manifest.files), "bytes": size}
