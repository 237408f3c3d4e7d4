"""What the sweep before told, kept in a small file of the home, and when each resource was first told of.

Only that file belongs here. What was fetched, and with what result, is in the receipts.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from energy_assets.ingest.spool import disk_error
from energy_assets.sources.neso.lanes import FOLDER
from energy_assets.sources.neso.portal import Changes, Portal, Resource, compare

FILE = "portal.json"

VERSION = 1
"""Of the file's layout; another one is read as no file."""

log = logging.getLogger(__name__)


class _Remembered(msgspec.Struct):
    version: int
    swept_utc: datetime
    resources: tuple[Resource, ...]
    first_seen_utc: dict[str, datetime]


@dataclass(frozen=True, slots=True)
class Learned:
    """What one sweep adds to what was known.

    Attributes:
        changes: Against the sweep before.
        first_seen_utc: For every resource of the sweep, by id: the first sweep that told of it.
        before_utc: When the sweep before was begun; ``None`` where there was none.
    """

    changes: Changes
    first_seen_utc: Mapping[str, datetime]
    before_utc: datetime | None


class Memory:
    """The file of one home. Of two processes that write at once the later one counts.

    Args:
        home: The home.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FOLDER / FILE

    def learn(self, portal: Portal) -> Learned:
        """Compare a sweep with the one before, and keep it in its place.

        Raises:
            SpoolError: The home cannot be read or written.
        """
        before = self._read()
        resources = tuple(portal.resources())
        known = before.first_seen_utc if before else {}
        seen = {resource.id: known.get(resource.id, portal.swept_utc) for resource in resources}
        changes = compare(before.resources, resources) if before else Changes(first=True)
        self._write(_Remembered(VERSION, portal.swept_utc, resources, seen))
        return Learned(changes, seen, before.swept_utc if before else None)

    def _read(self) -> _Remembered | None:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error(self.path, error) from error
        try:
            remembered = msgspec.json.decode(text, type=_Remembered)
        except msgspec.DecodeError as error:
            log.warning("%s cannot be read (%s); this sweep counts as the first", self.path, error)
            return None
        return remembered if remembered.version == VERSION else None

    def _write(self, remembered: _Remembered) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A file that a crash cut short would hide what changed; a file of its own lets two processes write at once.
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=FILE, suffix=".part")
            part = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.encode(remembered))
                part.replace(self.path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(self.path, error) from error
