"""The stand-in's contents: a synthetic file or table for every resource that the catalogue of NESO's families knows.

Everything follows from the catalogue entries: which resources there are, when they change, and which rows they have.
Two sandboxes with the same clock hold the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock

from energy_assets.catalogue.model import Dataset, FieldType, Files
from energy_assets.catalogue.neso import ENTRIES, LEFT_OUT
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.neso.maker_cells import Columns
from energy_assets.sandbox.neso.maker_rows import Layout
from energy_assets.sandbox.neso.maker_spans import Life, life_of
from energy_assets.sandbox.neso.maker_style import Style
from energy_assets.sandbox.neso.shelf import Content, Entry
from energy_assets.sandbox.neso.tables import Rows

HELD = 64
"""Contents that are kept once they are made, some kilobytes each: a table that is paged is asked for many times."""

UNKNOWN = 4
"""Packages without an entry that are listed, each with a document, so that a sweep sees what the catalogue lacks."""

_DOCUMENT = b"%PDF-1.4\n% Made by the sandbox.\n%%EOF\n"
_DOCUMENT_UTC = datetime(2024, 1, 8, 12, tzinfo=UTC)

_DOUBLED = 3
"""One resource in so many, of families whose equal rows are facts of their own, has its first row twice."""

_TYPES: dict[FieldType, str] = {"text": "text", "number": "numeric", "integer": "int4", "date": "date"}
"""PostgreSQL types of tables; times are ``timestamp``."""


@dataclass(frozen=True)
class _Resource:
    """One resource of a family.

    Attributes:
        dataset: The family's entry.
        files: Its rules.
        life: When the resource exists and changes.
        entry: It as listed, without the time of change.
    """

    dataset: Dataset
    files: Files
    life: Life
    entry: Entry

    def listed(self, stamp: datetime) -> Entry:
        """It as listed after a change; a table does not tell when it changes."""
        if self.entry.url_type == "datastore":
            return self.entry
        return replace(self.entry, modified_utc=stamp, file_name=self._file_name(stamp))

    def content(self, stamp: datetime) -> Content:
        """What it holds after a change."""
        layout = Layout(self.dataset, self.files)
        style = Style.of(self.files, self.entry.name, plain=self.entry.url_type == "datastore")
        columns = Columns(layout, self.life, style)
        made = columns.makings()
        rows = layout.rows(self.life, self.entry.name, stamp, columns.entities, many=columns.many)
        cells = [tuple(make(row) for make in made) for row in rows]
        if self.files.repeats and int(style.chance("double") * _DOUBLED) == 0:
            cells += cells[:1]
        if not style.plain:
            return style.written(columns.header, cells)
        types = [(f.aliases[0], _TYPES.get(f.type, "timestamp")) for f in columns.fields]
        return Rows(tuple(types), tuple(cells))

    def _file_name(self, stamp: datetime) -> str:
        """Name of the file: with the time of issue where the family tells it there."""
        for issue in self.files.issue:
            if issue.way == "file_name" and issue.pattern is not None and not self.life.archive:
                shape = "%Y%m%d%H%M" if r"\d{12}" in issue.pattern else "%Y%m%d"
                return re.sub(r"\(\?P<stamp>[^)]*\)", f"{stamp:{shape}}", issue.pattern).replace("\\", "")
        return self.entry.file_name


class CatalogueMaker:
    """Makes everything that the portal would hold; see ``shelf.Maker``.

    A live resource changes every ``probe_minutes`` of its family; one whose period is over, or that is an archive, has
    been changed for the last time. Safe for threads.

    Args:
        entries: Families that are held.
    """

    def __init__(self, entries: Iterable[Dataset] = ENTRIES) -> None:
        self._resources = {r.entry.key: r for dataset in entries for r in _resources(dataset)}
        self._unknown = {entry.key: entry for entry in _unknown()}
        self._latest: dict[tuple[str, str], tuple[datetime, Entry]] = {}
        self._minute: tuple[int, tuple[Entry, ...]] = (-1, ())
        self._lock = Lock()
        self._made = lru_cache(maxsize=HELD)(self._make)

    def listed(self, now: datetime) -> Sequence[Entry]:
        """Every resource that exists at a moment, aware UTC; changes are at whole minutes."""
        minute = int(now.timestamp()) // 60
        with self._lock:
            if self._minute[0] != minute:
                self._minute = minute, tuple(self._at(now))
            return self._minute[1]

    def content(self, entry: Entry, now: datetime) -> Content:
        """What a listed resource holds at a moment: that of its last change as listed, or until now for a table.

        Raises:
            SandboxError: There is no such resource at that moment.
        """
        if entry.key in self._unknown:
            return _DOCUMENT
        resource = self._resources.get(entry.key)
        stamp = resource.life.changed(entry.modified_utc or now) if resource else None
        if stamp is None:
            raise SandboxError(f"there is no resource {entry.package}/{entry.name} at {now:%Y-%m-%d %H:%M} UTC")
        return self._made(entry.key, stamp)

    def _make(self, key: tuple[str, str], stamp: datetime) -> Content:
        return self._resources[key].content(stamp)

    def _at(self, now: datetime) -> Iterator[Entry]:
        for key, resource in self._resources.items():
            stamp = resource.life.changed(now)
            if stamp is None:
                continue
            known = self._latest.get(key)
            if known is None or known[0] != stamp:
                known = self._latest[key] = stamp, resource.listed(stamp)
            yield known[1]
        yield from self._unknown.values()


def _resources(dataset: Dataset) -> Iterator[_Resource]:
    """The resources of a family: those that have been seen on the portal, under their ids.

    Raises:
        SandboxError: None has been seen, so that there is no name to give one.
    """
    files = dataset.files
    if files is None or not files.known:
        raise SandboxError(f"{dataset.code} names no resource that has been seen; add one to the catalogue")
    for known in files.known:
        life = life_of(dataset, files, known.name)
        entry = Entry(
            files.package,
            known.name,
            "datastore" if known.datastore_only else "upload",
            created_utc=life.opens_utc,
            id=known.id,
        )
        yield _Resource(dataset, files, life, entry.completed())


def _unknown() -> Iterator[Entry]:
    """Documents in packages that the catalogue leaves out."""
    for left in [left for left in LEFT_OUT if not left.resources][:UNKNOWN]:
        yield Entry(
            left.package,
            "Guidance",
            format="PDF",
            file_name="guidance.pdf",
            modified_utc=_DOCUMENT_UTC,
            created_utc=_DOCUMENT_UTC,
            datastore_active=False,
        ).completed()
