"""The listener's side of the drop folder: one listener at a time, segments that are whole or absent, free space.

What the loader does with segments (manifests, deleting, unreadable files) does not belong here. No path is ever built
from a message's own words.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from energy_assets.errors import SecondListenerError, SpoolError
from energy_assets.sources.iris.envelope import Envelope, encode

SEGMENT_SUFFIX = ".ndjson"

GIGABYTE = 1_000_000_000

WARN_FREE_GB = 22.0
"""Less free space than this is worth a warning: three days of all streams, 20 GB with what the warehouse makes of them,
and the 2 GB below which receiving stops."""

_STRAY = re.compile(r"\..+\.tmp")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class DropFolder:
    """A drop folder as the listener sees it.

    Args:
        root: The folder; made when it is claimed.

    Attributes:
        root: The folder.
        segments: Folder of the segments, by UTC day of writing.
        heartbeats: Folder of the daily heartbeat files.
        state: File of the listener's newest state.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.segments = root / "segments"
        self.heartbeats = root / "heartbeats"
        self.state = root / "heartbeat.json"
        self._lock = root / "listener.lock"

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the folder as its only listener; the system frees it even when the process is killed.

        Raises:
            SecondListenerError: Another listener holds it.
            SpoolError: It cannot be made or written to.
        """
        try:
            for folder in (self.segments, self.heartbeats):
                folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._lock, timeout=0)
            lock.acquire()
        except Timeout:
            raise SecondListenerError(
                f"Another listener writes to {self.root} (it holds {self._lock.name}); stop it first: a queue takes "
                "one connection, and a second queue needs an ENERGY_ASSETS_IRIS_DROP_DIR of its own."
            ) from None
        except OSError as error:
            raise _unwritable(self.root, error) from error
        try:
            yield
        finally:
            lock.release()

    def remove_stray(self) -> int:
        """Remove what a killed listener left half-written; only the folder's holder may.

        Returns:
            How many files were removed.
        """
        folders = [self.root, *(day for day in self.segments.iterdir() if _DAY.fullmatch(day.name) and day.is_dir())]
        stray = [
            path for folder in folders for path in folder.iterdir() if _STRAY.fullmatch(path.name) and path.is_file()
        ]
        for path in stray:
            path.unlink(missing_ok=True)
        return len(stray)

    def write_segment(self, envelopes: Sequence[Envelope], now: datetime) -> Path:
        """Write messages as one segment that survives a power cut; on return it is durable, on an error absent.

        Args:
            envelopes: The messages, at least one.
            now: Instant of writing; its UTC day names the folder.

        Raises:
            SpoolError: The disk is full or cannot be written.
        """
        content = b"".join(map(encode, envelopes))
        folder = self.segments / now.astimezone(UTC).date().isoformat()
        path = folder / (_name(envelopes, content) + SEGMENT_SUFFIX)
        try:
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
                _sync_folder(self.segments)
            write_durably(path, content)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return path

    def free_bytes(self) -> int:
        """Free space of the disk that holds the folder.

        Raises:
            SpoolError: The folder is gone.
        """
        try:
            return shutil.disk_usage(self.root).free
        except OSError as error:
            raise _unwritable(self.root, error) from error


def write_durably(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Put a file in place whole: a reader sees the old one or the new one, also after a power cut.

    Args:
        path: The file.
        content: What it is to hold, or the pieces of it.

    Raises:
        OSError: It cannot be written; nothing half-written is left.
    """
    temporary = path.with_name(f".{path.stem}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.writelines((content,) if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _name(envelopes: Sequence[Envelope], content: bytes) -> str:
    """First and last sequence number, and a digest of the content."""
    numbers = [max(e.sequence_number or 0, 0) for e in envelopes]
    return f"{min(numbers):020d}-{max(numbers):020d}-{hashlib.sha256(content).hexdigest()[:12]}"


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable: the rename itself is only in memory until then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(folder: Path, error: OSError) -> SpoolError:
    return SpoolError(
        f"The drop folder {folder} cannot be written ({error.strerror or error}): free space, or set "
        "ENERGY_ASSETS_IRIS_DROP_DIR to a place that this user may write to."
    )
