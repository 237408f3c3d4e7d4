"""Bodies on disk: where a download goes, how long a body is kept, and how it is found again from its receipt.

Files only: nothing here fetches, reads JSON or knows which receipts exist. Layout below the root::

    incoming/<process>/            downloads of one process, guarded by its lock file incoming/<process>.lock
    <dataset>/<day>/<receipt>.json.zst   kept bodies, by the settlement day on which their window begins
                                         (``.json`` until they are compressed)
"""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import secrets
import shutil
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pyarrow as pa
from filelock import FileLock, Timeout

from energy_assets.calendar import settlement_day
from energy_assets.errors import SpoolError
from energy_assets.ingest.model import Body, Receipt

COMPRESS_SECONDS = 2.0
"""Longest time for which one call of ``compress_pending`` begins new files: a BOD day takes a tenth or two, and what is
left over stays readable and is compressed by a later call."""

BACKLOG_BYTES = 256 << 20
"""Uncompressed bodies that may wait for the end of a refresh, a few heavy days. With more, a thread compresses beside
the work, so that a long backfill needs the disk of compressed bodies only."""

SWEEP_EVERY = timedelta(hours=1)
"""Least time between two looks at every kept file: a refresh each quarter of an hour leaves tens of thousands of files
in three days, and how long they are kept is counted in days."""

STRAY_LOCK_SECONDS = 3600.0
"""Age from which a lock file without its folder counts as a dead process's: a living one makes its folder at once."""

COPY_BYTES = 1 << 20
"""Piece in which bodies are compressed: memory stays bounded whatever the body's size."""

INCOMING = "incoming"
RAW = ".json"
COMPRESSED = ".json.zst"
_SWEPT = ".swept"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

log = logging.getLogger(__name__)


def disk_error(path: Path, error: OSError) -> SpoolError:
    """The one sentence for a disk that does not take or give a file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SpoolError(
            f"The disk that holds {path} is full: free space, lower ENERGY_ASSETS_KEEP_BODIES_DAYS or point "
            "ENERGY_ASSETS_HOME at a larger disk; nothing was written and the next refresh asks again."
        )
    reason = error.strerror or type(error).__name__
    return SpoolError(f"{path} cannot be used ({reason}): make ENERGY_ASSETS_HOME a folder this user may write to.")


class Spool:
    """Downloads of this process and the kept bodies of all processes below one folder.

    Safe to use from several threads and processes. A process killed at any moment leaves files that the next ``sweep``
    of any process removes; downloads of a living process are never touched by another one's ``sweep``. Downloads that
    were not kept go with the object or its process.

    Args:
        root: Folder for everything; made when first needed.
        keep_days: Days that a kept body stays; 0 keeps none.
    """

    def __init__(self, root: Path, keep_days: int) -> None:
        if keep_days < 0:
            raise ValueError(f"bodies cannot be kept for {keep_days} days")
        self._root = root
        self._keep_days = keep_days
        self._guard = threading.Lock()
        self._pending: deque[tuple[Path, int]] = deque()
        self._backlog = 0
        self._helper: threading.Thread | None = None
        self._own: Path | None = None
        self._give_up: weakref.finalize[..., Spool] | None = None
        self._count = 0

    def new_path(self, dataset: str) -> Path:
        """A path for one body of ``dataset``, never given before, in this process's own folder.

        Raises:
            SpoolError: The folder cannot be made.
        """
        with self._guard:
            own = self._own_folder()
            self._count += 1
            return own / f"{_checked(dataset)}-{self._count:06d}{RAW}"

    def keep(self, body: Body, receipt: Receipt) -> None:
        """File a body under its receipt, uncompressed for now; with ``keep_days`` 0 the body is discarded.

        Raises:
            SpoolError: The file cannot be moved.
        """
        if self._keep_days == 0:
            self.discard(body)
            return
        day = settlement_day(receipt.window.from_utc)
        target = self._root / _checked(receipt.dataset) / day.isoformat() / f"{_checked(receipt.receipt_id)}{RAW}"
        try:
            _move(body.path, target)
        except OSError as error:
            raise disk_error(target, error) from error
        self._queue(target, body.size)
        with self._guard:
            idle = self._helper is None or not self._helper.is_alive()
            if self._backlog > BACKLOG_BYTES and idle:
                self._helper = threading.Thread(target=self._work_off_backlog, name="spool-compression")
                self._helper.start()

    def discard(self, body: Body) -> None:
        """Delete a body that is not to be kept."""
        try:
            body.path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(body.path, error) from error

    def compress_pending(self, seconds: float = COMPRESS_SECONDS) -> int:
        """Compress bodies kept by this process (and those that ``sweep`` found left over), oldest first.

        Args:
            seconds: No further file is begun after this time.

        Returns:
            Files compressed.

        Raises:
            SpoolError: The disk is full or not writable; the bodies stay as they are.
        """
        until = time.monotonic() + seconds
        done = 0
        while time.monotonic() < until and self._compress_oldest():
            done += 1
        return done

    def open_body(self, receipt_id: str) -> IO[bytes]:
        """The kept body of a receipt, decompressed, to be read once and closed.

        Raises:
            SpoolError: No body of that receipt is kept.
        """
        pattern = f"*/*/{_checked(receipt_id)}"
        # Compressed first, then raw, then compressed again: a body may be compressed between the looks.
        for suffix in (COMPRESSED, RAW, COMPRESSED):
            for path in self._root.glob(pattern + suffix):
                try:
                    return _open_compressed(path) if suffix == COMPRESSED else path.open("rb")
                except FileNotFoundError:
                    continue
        raise SpoolError(
            f"No body of receipt {receipt_id} is kept in {self._root} (bodies stay {self._keep_days} days, "
            "ENERGY_ASSETS_KEEP_BODIES_DAYS): fetch its window again."
        )

    def sweep(self, now: datetime) -> int:
        """Remove what dead processes left and, at most every ``SWEEP_EVERY``, bodies older than ``keep_days``.

        Bodies that a killed process left uncompressed are queued for ``compress_pending``.

        Args:
            now: The present, aware.

        Returns:
            Files removed.

        Raises:
            SpoolError: A file cannot be removed.
        """
        if not self._root.is_dir():
            return 0
        try:
            removed = self.clear_left_behind()
            _clear_stray_locks(self._root / INCOMING)
            if self._sweep_due(now):
                removed += self._sweep_kept(now - timedelta(days=self._keep_days))
        except OSError as error:
            raise disk_error(self._root, error) from error
        return removed

    def left_behind(self) -> list[Path]:
        """Folders of downloads whose process is gone; the next ``sweep`` removes them."""
        return [folder for folder in self._others() if _is_dead(folder)]

    def clear_left_behind(self) -> int:
        """Remove what dead processes left, and nothing that was kept; gives the files removed."""
        return sum(_clear_if_dead(folder) for folder in self._others())

    def close(self) -> None:
        """Give up this process's folder with whatever was not kept; a later call makes a new one."""
        if self._helper is not None:
            self._helper.join()
        with self._guard:
            if self._give_up is not None:
                self._give_up()
            self._own = self._give_up = None

    def _queue(self, path: Path, size: int) -> None:
        with self._guard:
            self._pending.append((path, size))
            self._backlog += size

    def _compress_oldest(self) -> bool:
        """Compress the body that waits longest; ``False`` when none waits."""
        with self._guard:
            if not self._pending:
                return False
            path, size = self._pending.popleft()
            self._backlog -= size
            scratch = self._own_folder() / f"{path.name}.zst.part"
        try:
            _compress(path, scratch)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            self._queue(path, size)
            raise disk_error(path, error) from error
        return True

    def _work_off_backlog(self) -> None:
        try:
            while self._backlog > BACKLOG_BYTES // 2 and self._compress_oldest():
                pass
        except SpoolError as error:
            # The bodies stay readable as they are; whoever next needs the disk raises what is the matter.
            log.warning("kept bodies stay uncompressed: %s", error)

    def _own_folder(self) -> Path:
        """This process's folder, locked. A forked child makes its own: the parent's lock is not its to hold."""
        if self._own is not None and self._own.name.startswith(f"{os.getpid()}-"):
            return self._own
        own = self._root / INCOMING / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            own.parent.mkdir(parents=True, exist_ok=True)
            lock = _lock_of(own)
            lock.acquire(timeout=0)
            # After the lock, so that a folder without a held lock is always a dead process's.
            own.mkdir()
        except OSError as error:
            raise disk_error(own, error) from error
        self._own = own
        self._give_up = weakref.finalize(self, _give_up, own, lock)
        return own

    def _others(self) -> Iterator[Path]:
        incoming = self._root / INCOMING
        if incoming.is_dir():
            yield from (path for path in sorted(incoming.iterdir()) if path.is_dir() and path != self._own)

    def _sweep_due(self, now: datetime) -> bool:
        """Whether the kept files are due to be looked at; if so, the look counts from ``now``."""
        marker = self._root / _SWEPT
        try:
            last = datetime.fromtimestamp(marker.stat().st_mtime, UTC)
        except FileNotFoundError:
            last = None
        if last is not None and timedelta(0) <= now - last < SWEEP_EVERY:
            return False
        marker.touch()
        os.utime(marker, (now.timestamp(), now.timestamp()))
        return True

    def _sweep_kept(self, oldest: datetime) -> int:
        with self._guard:
            queued = {path for path, _ in self._pending}
        removed = 0
        for path in self._root.glob(f"*/*/*{RAW}*"):
            if path.parent.parent.name == INCOMING:
                continue
            try:
                facts = path.stat()
                if facts.st_mtime < oldest.timestamp():
                    path.unlink()
                    removed += 1
                elif path.suffix == RAW and path not in queued:
                    self._queue(path, facts.st_size)
            except FileNotFoundError:
                continue
        _remove_empty(self._root)
        return removed


def _checked(name: str) -> str:
    """``name`` when it can be one path segment and no pattern.

    Raises:
        SpoolError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise SpoolError(f"{name!r} cannot name a body: only letters, digits, dot, dash and underscore may be used.")
    return name


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except FileNotFoundError:
        # A sweep may remove the still empty folder in between.
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    # How long a body is kept counts from here, not from the download's first byte.
    os.utime(target)


def _compress(path: Path, scratch: Path) -> None:
    """Compress ``path`` beside itself through ``scratch``; nothing is left to do when it is gone."""
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return
    with source:
        stamp = os.fstat(source.fileno()).st_mtime
        with pa.OSFile(str(scratch), "wb") as raw, pa.CompressedOutputStream(raw, "zstd") as packed:
            while piece := source.read(COPY_BYTES):
                packed.write(piece)
    os.utime(scratch, (stamp, stamp))
    scratch.replace(path.with_name(path.name + ".zst"))
    path.unlink(missing_ok=True)


def _open_compressed(path: Path) -> IO[bytes]:
    raw = pa.OSFile(str(path), "rb")
    return io.BufferedReader(pa.CompressedInputStream(raw, "zstd"), COPY_BYTES)


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder.with_name(folder.name + ".lock"), thread_local=False)


def _give_up(own: Path, lock: FileLock) -> None:
    # A forked child inherits this duty, and must not perform it on its parent's folder.
    if own.name.startswith(f"{os.getpid()}-"):
        shutil.rmtree(own, ignore_errors=True)
        _release(lock)


def _release(lock: FileLock) -> None:
    # While still held: whoever opened the file meanwhile sees that it has no name any more and begins anew.
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release(force=True)


def _clear_if_dead(folder: Path) -> int:
    """Remove a process's folder when nobody holds its lock; returns the files removed."""
    lock = _lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return 0
    try:
        files = sum(1 for _ in folder.iterdir())
        shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:
        files = 0
    finally:
        _release(lock)
    return files


def _is_dead(folder: Path) -> bool:
    """Whether nobody holds a process's folder."""
    lock = _lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    _release(lock)
    return True


def _clear_stray_locks(incoming: Path) -> None:
    for path in incoming.glob("*.lock"):
        try:
            age = time.time() - path.stat().st_mtime
            if age > STRAY_LOCK_SECONDS and not path.with_suffix("").is_dir():
                path.unlink()
        except FileNotFoundError:
            continue


def _remove_empty(root: Path) -> None:
    for folder in [*root.glob("*/*"), *root.glob("*")]:
        if folder.is_dir() and INCOMING not in folder.relative_to(root).parts:
            try:
                folder.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    raise
