"""What the stand-in holds: packages, resources and their contents, as tests put them or as a maker makes them.

Contents and times only. How they are asked for is the application's business; what synthetic files look like is the
maker's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Literal, Protocol

from energy_assets.sandbox.elexon import CHUNK_BYTES
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.neso.tables import Rows

NAMESPACE = uuid.UUID("4f0c7f5e-6b0f-5d8e-9d1e-6e65736f0000")
"""Ids are made of names, so that they are the same in every run."""

UrlType = Literal["upload", "datastore"]

Content = bytes | Path | Rows
"""A file in memory, a large file on disk, or a table as it was recorded."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource as it is listed.

    Attributes:
        package: Slug of the package.
        name: Name of the resource, blanks around it included where they belong to the test.
        url_type: A file, or a table alone.
        format: What the portal says that it is.
        file_name: Name of the file in its address; by default made of the name.
        modified_utc: When the file was last changed; ``None`` where the portal does not tell.
        created_utc: When the resource was made.
        columns: Types of the table's columns by name, in PostgreSQL's words; others are text.
        info: What the data dictionary says of columns, by name.
        datastore_active: Whether a file can be read as a table as well.
        id: Its id; by default made of package and name.
    """

    package: str
    name: str
    url_type: UrlType = "upload"
    format: str = "CSV"
    file_name: str = ""
    modified_utc: datetime | None = None
    created_utc: datetime | None = None
    columns: tuple[tuple[str, str], ...] = ()
    info: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    datastore_active: bool = True
    id: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Package and name, which tell resources apart."""
        return self.package, self.name.strip()

    @property
    def names(self) -> tuple[str, ...]:
        """Words that a fault may be scoped by."""
        return self.package, f"{self.package}/{self.name.strip()}", self.id

    def completed(self) -> Entry:
        """The same with the id and the file name that follow from its name."""
        plain = re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_") or "file"
        return replace(
            self,
            id=self.id or made_id(*self.key),
            file_name=self.file_name or f"{plain}.csv",
        )


class Maker(Protocol):
    """Makes files for the stand-in; the catalogue of families does so for every family that it knows."""

    def listed(self, now: datetime) -> Sequence[Entry]:
        """Every resource that exists at a moment, each with the time at which its file was last changed by then.

        Must be quick and always the same for a moment: it is called for every request.
        """
        ...

    def content(self, entry: Entry, now: datetime) -> Content:
        """The content that a resource has at a moment; the same as long as its ``modified_utc`` is."""
        ...


def made_id(*words: str) -> str:
    """An id that is always the same for the same words."""
    return str(uuid.uuid5(NAMESPACE, "/".join(words)))


class Shelf:
    """Everything held. What is put goes before what is made; safe to change while it is served.

    Args:
        clock: The present, aware UTC.
        maker: Makes further resources; ``None`` for none.
    """

    def __init__(self, clock: Callable[[], datetime], maker: Maker | None = None) -> None:
        self._clock = clock
        self._maker = maker
        self._put: dict[tuple[str, str], tuple[Entry, Content | None]] = {}
        self._gone: set[tuple[str, str]] = set()
        self._reloads: dict[tuple[str, str], int] = {}
        self._parsed: dict[tuple[str, str], tuple[str, Rows]] = {}
        self._lock = RLock()

    def put(self, entry: Entry, content: Content | None) -> Entry:
        """Add a resource, or put new content in place of what it had.

        An upload that tells no time is told as changed now. Without content it is listed and its file is not there.

        Returns:
            The resource as it will be listed.
        """
        with self._lock:
            held = self._put.get(entry.key)
            now = self._clock()
            stamped = entry.url_type == "upload" and entry.modified_utc is None
            entry = replace(
                entry,
                id=entry.id or (held[0].id if held else ""),
                modified_utc=now if stamped else entry.modified_utc,
                created_utc=entry.created_utc or (held[0].created_utc if held else now),
            ).completed()
            self._put[entry.key] = entry, content
            self._gone.discard(entry.key)
            return entry

    def change(self, package: str, name: str, content: Content, *, file_name: str | None = None) -> Entry:
        """Put new content in a resource that was put; its file was changed now.

        Raises:
            SandboxError: There is no such resource.
        """
        with self._lock:
            entry = self._of(package, name)
            stamp = None if entry.url_type == "upload" else entry.modified_utc
            return self.put(replace(entry, modified_utc=stamp, file_name=file_name or entry.file_name), content)

    def remove(self, package: str, name: str) -> None:
        """Take a resource away, put or made."""
        with self._lock:
            self._put.pop((package, name), None)
            self._gone.add((package, name))

    def move(self, package: str, name: str) -> Entry:
        """Give a resource that was put another id, as the portal does now and then.

        Raises:
            SandboxError: There is no such resource.
        """
        with self._lock:
            entry = self._of(package, name)
            moved = replace(entry, id=made_id(entry.id, "moved"))
            self._put[entry.key] = moved, self._put[entry.key][1]
            return moved

    def reload(self, entry: Entry) -> None:
        """Load a table anew: it has one row more than before, and no row keeps its number."""
        with self._lock:
            self._reloads[entry.key] = self._reloads.get(entry.key, 0) + 1

    def entries(self) -> list[Entry]:
        """Every resource as it is listed now, by package in the order of their slugs."""
        with self._lock:
            made = self._maker.listed(self._clock()) if self._maker else ()
            hidden = self._gone | self._put.keys()
            held = [entry.completed() for entry in made if entry.key not in hidden]
            return sorted(held + [entry for entry, _ in self._put.values()], key=lambda entry: entry.package)

    def content(self, entry: Entry) -> Content | None:
        """What a listed resource holds now; ``None`` where its file is not there."""
        with self._lock:
            if entry.key in self._put:
                return self._put[entry.key][1]
            return self._maker.content(entry, self._clock()) if self._maker else None

    def rows(self, entry: Entry, content: Content) -> Rows:
        """The table that the portal makes of a content."""
        table = content if isinstance(content, Rows) else self._read(entry, content)
        with self._lock:
            reloads = self._reloads.get(entry.key, 0)
        if not reloads or not table.cells:
            return table
        turn = reloads % len(table.cells)
        return replace(table, cells=table.cells[turn:] + table.cells[:turn] + table.cells[-1:] * reloads)

    def measure(self, entry: Entry, path: Path) -> tuple[Rows, int]:
        """The columns of a large file's table, without its rows, and how many lines of rows it has."""
        with path.open("rb") as file:
            columns = Rows.from_csv(file.readline(), dict(entry.columns))
            total = sum(piece.count(b"\n") for piece in iter(lambda: file.read(CHUNK_BYTES), b""))
        return columns, total

    def _read(self, entry: Entry, content: bytes | Path) -> Rows:
        body = content.read_bytes() if isinstance(content, Path) else content
        digest = sha256(body).hexdigest()
        with self._lock:
            known = self._parsed.get(entry.key)
            if known is None or known[0] != digest:
                known = self._parsed[entry.key] = digest, Rows.from_csv(body, dict(entry.columns))
            return known[1]

    def _of(self, package: str, name: str) -> Entry:
        held = self._put.get((package, name.strip()))
        if held is None:
            raise SandboxError(f"no resource {package}/{name} was put")
        return held[0]
