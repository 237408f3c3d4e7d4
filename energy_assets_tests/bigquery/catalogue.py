"""What the BigQuery server of this machine knows of its tables and jobs, kept in this process.

The package asks DuckDB for it anew with each statement, dozens of times: more than half of what a write costs. Nothing
here changes an answer; what is kept of DuckDB's own catalogue is forgotten when a statement that can change it passes.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

USED_NAMES: Mapping[str, Sequence[str]] = {
    "local_bigquery.catalog.metadata": ("KINDS", "delete", "list_", "load", "save"),
    "local_bigquery.catalog.row_access": ("secured",),
    "local_bigquery.catalog.names": ("label",),
    "local_bigquery.catalog.tables": ("INGESTION_TIME", "RESULTS", "columns", "physical"),
    "local_bigquery.engine.database": ("RESOURCES", "connection", "cursor", "fetch", "objects", "quote"),
    "local_bigquery.engine.types": ("field",),
    "local_bigquery.errors": ("not_found",),
    "local_bigquery.jobs.store": ("delete", "list_", "load", "save"),
    "local_bigquery.models": ("RowAccessPolicy",),
    "local_bigquery.sql.rules.partitions": ("_hidden",),
}
"""Names of the package that are used or replaced here, by module."""

CHANGES = re.compile(r"\s*(CREATE|ALTER|DROP|ATTACH|DETACH)\b(.*)", re.IGNORECASE | re.DOTALL)
TEMPORARY = re.compile(r"\s*(?:(?:OR\s+REPLACE\s+)?TEMP|TABLE\s+(?:IF\s+EXISTS\s+)?\"?temp\"?\.)", re.IGNORECASE)
PLACED = re.compile(
    r"\s*(?:OR\s+REPLACE\s+)?(TABLE|VIEW|FUNCTION|MACRO|SCHEMA)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    r'("(?:[^"]|"")+"|\w+)\.("(?:[^"]|"")+"|\w+)(?:\.("(?:[^"]|"")+"|\w+))?',
    re.IGNORECASE,
)
"""Kind, database, schema and name of what a statement makes, changes or drops."""

COLLECTED_AFTER = 100_000
"""Objects between two looks of Python's garbage collector: each statement makes tens of thousands that die at once."""


Place = tuple[str, str, str]
"""Database, schema and name of a table or view."""


@dataclass(frozen=True)
class _Stamp:
    """How often something has changed that a table or view depends on."""

    everywhere: int
    schema: int
    beside: int
    own: int

    def holds(self, now: _Stamp, *, view: bool) -> bool:
        """Whether what was found then is so now; a view depends on what is beside it."""
        same = (self.everywhere, self.schema, self.own) == (now.everywhere, now.schema, now.own)
        return same and (self.beside == now.beside or not view)


class _Changes:
    """How often the catalogue has changed, and which views were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._everywhere = 0
        self._of: Counter[tuple[str, ...]] = Counter()
        self._names: dict[tuple[str, ...], tuple[str, str]] = {}

    def of(self, place: Place) -> _Stamp:
        """What has changed so far of a table."""
        parts = tuple(part.casefold() for part in place)
        return _Stamp(self._everywhere, *(self._of[parts[:count]] for count in (1, 2, 3)))

    def made(self, place: Place) -> tuple[str, str]:
        """Kind and name of what stands in a place, by the newest statement that was about it."""
        return self._names.get(tuple(part.casefold() for part in place), ("TABLE", place[2]))

    def note(self, text: str) -> bool:
        """Whether a statement may change the catalogue; it counts as a change then."""
        found = CHANGES.match(text)
        if found is None or TEMPORARY.match(found[2]):
            return False
        place = PLACED.match(found[2])
        with self._lock:
            # A renamed table appears where no statement has named it.
            if place is None or "RENAME" in text or (place[1].upper() != "SCHEMA") != bool(place[4]):
                self._everywhere += 1
            else:
                self._note(place[1].upper(), _plain(place[2]), _plain(place[3]), _plain(place[4] or ""), found[1])
        return True

    def _note(self, kind: str, database: str, schema: str, name: str, verb: str) -> None:
        place = (database.casefold(), schema.casefold(), name.casefold())
        if kind == "SCHEMA":
            self._of[place[:1]] += 1
        self._of[place[:2]] += 1
        if name:
            self._of[place] += 1
            if verb.upper() == "CREATE" and kind in ("TABLE", "VIEW"):
                self._names[place] = kind, name


def _plain(identifier: str) -> str:
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier


class _Watched:
    """A cursor of DuckDB whose statements are looked at as they pass."""

    def __init__(self, cursor: Any, changes: _Changes) -> None:
        self._cursor = cursor
        self._changes = changes

    def execute(self, text: str, *arguments: Any) -> Any:
        changes = self._changes.note(text)
        try:
            return self._cursor.execute(text, *arguments)
        finally:
            # Whoever has looked meanwhile has seen the catalogue as it was before.
            if changes:
                self._changes.note(text)

    def cursor(self) -> _Watched:
        return _Watched(self._cursor.cursor(), self._changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def keep_the_catalogue() -> None:
    """Remember which tables there are, and their columns, until a statement changes them."""
    import duckdb
    from local_bigquery.catalog import names, tables
    from local_bigquery.engine import database, types
    from local_bigquery.errors import not_found
    from local_bigquery.sql.rules import partitions

    changes = _Changes()
    connection, objects = database.connection, database.objects

    def kept(function: Callable[[Place], Any], *, views: bool) -> Callable[[Place], Any]:
        found: dict[Place, tuple[_Stamp, Any]] = {}

        def ask(place: Place) -> Any:
            now = changes.of(place)
            held = found.get(place)
            if held is None or not held[0].holds(now, view=views and changes.made(place)[0] == "VIEW"):
                held = found[place] = now, function(place)
            return held[1]

        return ask

    def look(place: Place) -> list[tuple[str, str, int]]:
        # Looking for it in the list of all tables takes ten times as long.
        kind, name = changes.made(place)
        try:
            database.fetch(f"SELECT 1 FROM {database.quote(*place)} LIMIT 0")
        except (duckdb.CatalogException, duckdb.BinderException):
            return []
        return [(name, kind, 0)] if name == place[2] else []

    def describe(place: Place) -> list[tuple[str, Any, bool]]:
        name = database.quote(*place)
        with database.cursor() as cursor:
            required = {row[0] for row in cursor.execute(f"DESCRIBE {name}").fetchall() if row[2] == "NO"}
            relation = cursor.sql(f"SELECT * FROM {name} LIMIT 0")
            return [(c, t, c in required) for c, t in zip(relation.columns, relation.types, strict=True)]

    found, described = kept(look, views=False), kept(describe, views=True)

    def listed(project: str, dataset: str, table: str | None = None) -> Any:
        return list(found((project, dataset, table))) if table is not None else objects(project, dataset)

    def columns(project: str, dataset: str, table: str) -> list[Any]:
        try:
            all_ = described(tables.physical(project, dataset, table))
        except duckdb.CatalogException:
            raise not_found("Table", names.label(project, dataset, table)) from None
        return [types.field(*c) for c in all_ if c[0] != tables.INGESTION_TIME or dataset == tables.RESULTS]

    def hidden(table: Any) -> bool:
        if not (table.catalog and table.db and table.name):
            return False
        try:
            return any(c[0] == tables.INGESTION_TIME for c in described((table.catalog, table.db, table.name)))
        except duckdb.CatalogException:
            return False

    # One for each connection: the package tells them apart by their identity.
    watched = functools.cache(lambda raw: _Watched(raw, changes))
    database.connection = lambda: watched(connection())
    database.objects, tables.columns, partitions._hidden = listed, columns, hidden


def keep_descriptions() -> None:
    """Keep datasets, tables, routines and the rest of what the API describes in a dictionary."""
    from local_bigquery.catalog import metadata, row_access
    from local_bigquery.engine import database
    from local_bigquery.models import RowAccessPolicy

    held: dict[type, dict[tuple[str, ...], Any]] = {model: {} for model in metadata.KINDS}
    delete = metadata.delete

    def listed(model: type, *keys: str) -> list[Any]:
        some = list(held[model].items())
        return [found for own, found in some if own[: len(keys)] == keys]

    def load(model: type, *keys: str) -> Any:
        if len(keys) == len(database.RESOURCES[metadata.KINDS[model]]):
            return held[model].get(keys)
        return next(iter(listed(model, *keys)), None)

    def save(resource: Any, *keys: str) -> Any:
        body = {k: v for k, v in resource.dump().items() if k != "etag"}
        etag = hashlib.md5(json.dumps(body, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
        held[type(resource)][keys] = type(resource).model_validate(body | {"etag": etag})
        return resource.replace(etag=etag)

    def forget(model: type, *keys: str) -> None:
        for own in [own for own in list(held[model]) if own[: len(keys)] == keys]:
            held[model].pop(own, None)
        # Policies of the resource are the package's own business.
        delete(model, *keys)

    def secured() -> frozenset[tuple[str, ...]]:
        return frozenset(keys[:3] for keys in list(held[RowAccessPolicy]))

    metadata.list_, metadata.load, metadata.save, metadata.delete = listed, load, save, forget
    row_access.secured = secured


def keep_jobs() -> None:
    """Keep jobs in a dictionary."""
    from local_bigquery.jobs import store

    held: dict[tuple[str, str], Any] = {}

    def save(job: Any) -> Any:
        held[job.jobReference.projectId, job.jobReference.jobId] = job
        return job

    def load(project: str, job: str) -> Any:
        return held.get((project, job))

    def listed(
        project: str,
        states: Sequence[str] | None = None,
        parent: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> list[Any]:
        def wanted(job: Any) -> bool:
            created = int(job.statistics.creationTime)
            return (
                job.jobReference.projectId == project
                and job.statistics.parentJobId == parent
                and (states is None or job.status.state in states)
                and (first is None or created >= first)
                and (last is None or created <= last)
            )

        found = [job for job in list(held.values()) if wanted(job)]
        return sorted(found, key=lambda job: (-int(job.statistics.creationTime), job.jobReference.jobId))

    def delete(project: str, name: str) -> None:
        for key, job in list(held.items()):
            if key[0] == project and name in (key[1], job.statistics.parentJobId):
                del held[key]

    store.save, store.load, store.list_, store.delete = save, load, listed, delete


def collect_garbage_less_often() -> None:
    """Leave the garbage collector more to do at once."""
    gc.set_threshold(COLLECTED_AFTER, 50, 50)


PATCHES: Sequence[Callable[[], None]] = (
    keep_the_catalogue,
    keep_descriptions,
    keep_jobs,
    collect_garbage_less_often,
)
