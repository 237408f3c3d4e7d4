"""The file of the home that holds the ledger of incidents, and who may write it.

Changes are made under a lock that the operating system frees when a process dies, and put in place whole. Sending goes
under a lock of its own: a slow service must not keep other processes from reporting.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from energy_assets.errors import SpoolError
from energy_assets.tracking.incidents import Ledger

logger = logging.getLogger(__name__)

FOLDER = "alerts"
"""Folder in the home."""

FILE = "incidents.json"
UNREADABLE = "incidents.unreadable.json"
"""What could not be read is put aside under this name, in place of one put aside earlier."""

LOCK_SECONDS = 10.0
"""A change takes milliseconds; who waits this long waits for a process that is stopped."""

_DECODER = msgspec.json.Decoder(Ledger)


class LedgerFile:
    """The ledger of one home, shared by all processes that use it.

    Args:
        home: The home.
        lock_seconds: Longest wait for another process.
    """

    def __init__(self, home: Path, lock_seconds: float = LOCK_SECONDS) -> None:
        self._folder = home / FOLDER
        self._lock_seconds = lock_seconds

    def read(self) -> Ledger:
        """What is remembered; nothing where nothing was ever reported, or where it cannot be understood.

        Raises:
            SpoolError: The file cannot be read.
        """
        path = self._folder / FILE
        try:
            ledger = _DECODER.decode(path.read_bytes())
        except FileNotFoundError:
            return Ledger()
        except OSError as error:
            raise _unusable(path, error) from error
        except msgspec.DecodeError as error:
            logger.error("%s cannot be understood (%s): open incidents are told anew.", path, error)
            return Ledger()
        if ledger.version != Ledger().version:
            logger.error("%s is of another version of this program: open incidents are told anew.", path)
            return Ledger()
        return ledger

    def change(self, rule: Callable[[Ledger], Ledger], *, anew: bool = False) -> tuple[Ledger, Ledger]:
        """Put another ledger in the place of the present one; nobody else changes it meanwhile.

        Args:
            rule: Makes the other one.
            anew: Whether it is written also where it is the same, to see whether it can be.

        Returns:
            The ledger before and after.

        Raises:
            SpoolError: The file cannot be read or written, or another process does not let go of it.
        """
        path = self._folder / FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock"), timeout=self._lock_seconds):
                before = self.read()
                after = rule(before)
                if anew or after != before:
                    self._write(path, msgspec.json.encode(after))
        except Timeout as error:
            raise SpoolError(
                f"{path} is held by another process for more than {self._lock_seconds:.0f} s: end the process that "
                "hangs; the next report is taken as ever."
            ) from error
        except OSError as error:
            raise _unusable(path, error) from error
        return before, after

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Whether this process is the one that sends now; only one does, and only while it can note what it has sent.

        Raises:
            SpoolError: The file cannot be written.
        """
        lock = FileLock(self._folder / "sending.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except OSError as error:
            raise _unusable(self._folder, error) from error
        try:
            # Who cannot note that a message was delivered would deliver it again with every report.
            self.change(lambda ledger: ledger, anew=True)
            yield True
        finally:
            lock.release()

    def _write(self, path: Path, content: bytes) -> None:
        if path.exists() and _not_ours(path):
            path.replace(path.with_name(UNREADABLE))
        # Under the lock nobody else has it, and what a killed process left is written over.
        part = path.with_suffix(".part")
        try:
            # Readable by its owner only: texts may name machines and paths.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _not_ours(path: Path) -> bool:
    """Whether what is there would be lost by writing over it."""
    try:
        return _DECODER.decode(path.read_bytes()).version != Ledger().version
    except msgspec.DecodeError:
        return True


def _unusable(path: Path, error: OSError) -> SpoolError:
    reason = error.strerror or type(error).__name__
    return SpoolError(
        f"{path} cannot be used ({reason}), so incidents are not remembered and nobody is told: free space, or make "
        "ENERGY_ASSETS_HOME a folder that this user may write to."
    )
