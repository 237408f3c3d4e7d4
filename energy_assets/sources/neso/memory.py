"""What the sweep before told, when it was asked for whom, and what failed lately: small files of the home.

Only those files belong here. What was fetched, and with what result, is in the receipts; what failed is here as well
because a failure says how soon to ask again, which concerns this home and nobody else.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from energy_assets.ingest.spool import disk_error
from energy_assets.sources.neso.lanes import FOLDER
from energy_assets.sources.neso.portal import Changes, Portal, Resource, compare

FILE = "portal.json"
FAILURES_FILE = "failures.json"

FORGOTTEN_AFTER = timedelta(days=7)
"""Failures older than this say nothing of when to ask again."""

VERSION = 1
"""Of the file's layout; another one is read as no file."""

log = logging.getLogger(__name__)


class _Remembered(msgspec.Struct):
    version: int
    swept_utc: datetime
    resources: tuple[Resource, ...]
    first_seen_utc: dict[str, datetime]
    asked_utc: dict[str, datetime] = {}


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
        asked = before.asked_utc if before else {}
        self._write(_Remembered(VERSION, portal.swept_utc, resources, seen, asked))
        return Learned(changes, seen, before.swept_utc if before else None)

    def note_asked(self, families: Iterable[str], at: datetime) -> None:
        """Keep that the portal was asked for all that is due of some families, by dataset code, and answered.

        Raises:
            SpoolError: The home cannot be read or written.
        """
        known = self._read()
        if known is not None:
            known.asked_utc |= dict.fromkeys(families, at)
            self._write(known)

    def asked_utc(self) -> Mapping[str, datetime]:
        """When the portal was last asked for each family, by dataset code; nothing new may have come of it.

        Raises:
            SpoolError: The home cannot be read.
        """
        known = self._read()
        return known.asked_utc if known else {}

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
            log.warning("%s cannot be read (%s); nothing is known of earlier sweeps", self.path, error)
            return None
        return remembered if remembered.version == VERSION else None

    def _write(self, remembered: _Remembered) -> None:
        _write(self.path, msgspec.json.encode(remembered))


class Failure(msgspec.Struct, frozen=True):
    """One failure.

    Attributes:
        at: When, aware UTC.
        refused: What the portal said of the version that came and was refused; ``None`` where nothing came.
    """

    at: datetime
    refused: str | None = None


class Failures:
    """What failed lately, by id of the resource. Of two processes that write at once the later one counts.

    Args:
        home: The home.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FOLDER / FAILURES_FILE

    def read(self) -> Mapping[str, Failure]:
        """All that is remembered.

        Raises:
            SpoolError: The home cannot be read.
        """
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Failure])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise disk_error(self.path, error) from error
        except msgspec.DecodeError as error:
            log.warning("%s cannot be read (%s); nothing counts as failed", self.path, error)
            return {}

    def note(self, failed: Mapping[str, Failure], succeeded: Collection[str], now: datetime) -> None:
        """Remember failures, and forget those that were made good or are old.

        Raises:
            SpoolError: The home cannot be written to.
        """
        before = self.read()
        kept = {k: f for k, f in before.items() if k not in succeeded and now - f.at < FORGOTTEN_AFTER} | dict(failed)
        if kept != before:
            _write(self.path, msgspec.json.encode(kept))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A file that a crash cut short would hide what changed; a file of its own lets two processes write at once.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(path, error) from error
