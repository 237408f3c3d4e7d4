"""The BigQuery warehouse's relations in parts, for copying.

Rows are read through the Storage Read API and replaced by one transaction, which takes the turn of the table's next
commit: a refresh that writes the same table either comes before it, and the transaction is not run, or after it.
Receipts, quarantine and gaps, to which others only append, are counted apart, so that of two copies one comes first.
The statements are in ``energy_assets.warehouse.parts``; when to replace what is decided in ``copying``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

import pyarrow as pa
from google.api_core import exceptions as api

from energy_assets.catalogue.model import FieldType, Table
from energy_assets.errors import MovedError, WarehouseError
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery import streams
from energy_assets.warehouse.bigquery.commit import claims, commit_record, insert_records
from energy_assets.warehouse.bigquery.dialect import BIGQUERY, logical, physical
from energy_assets.warehouse.bigquery.fence import Fence, expect, newest_generation
from energy_assets.warehouse.bigquery.jobs import CALL_SECONDS, NO_RETRY, Jobs, told
from energy_assets.warehouse.bigquery.layout import ID, Layouts, stored_columns
from energy_assets.warehouse.bigquery.stager import Rows, StagedRows, Stager, released
from energy_assets.warehouse.interface import Origin, Part, Recorded, StoredTable
from energy_assets.warehouse.parts import (
    FENCED,
    SEPARATOR,
    PartSql,
    by_part,
    check_names,
    joined,
    names_asked,
    newest,
    travelling,
    travelling_kind,
    uncatalogued,
)
from energy_assets.warehouse.sql import StoredType

RUN = "copy"
"""What the record of a commit names in the place of a run."""

STREAMS = 1
"""Streams in which a part is read: it is taken batch by batch, and several at once would only wait in memory."""


class BigQueryParts:
    """The parts of one dataset.

    Args:
        jobs: Runs jobs and calls.
        layouts: Makes tables.
        stager: Stages rows.
        ready: Says whether the service tables are there, and brings them up to date.
        clock: Says what time it is, aware.
    """

    def __init__(
        self,
        jobs: Jobs,
        layouts: Layouts,
        stager: Stager,
        ready: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._jobs = jobs
        self._layouts = layouts
        self._stager = stager
        self._ready = ready
        self._clock = clock
        self._schema = jobs.connection.dataset
        self._held: dict[str, StoredTable] = {}
        self.place = f"{jobs.connection.project}.{self._schema}"

    def origin(self) -> Origin | None:
        """Where the store's rows come from; ``None`` where nothing was ever written."""
        if not self._ready():
            return None
        held = [kind for (kind,) in self._ask(claims(self._schema), "Reading the origin")]
        return cast("Origin", held[0]) if held else None

    def names(self) -> set[str]:
        """Tables of which anything is held."""
        if not self._ready():
            return set()
        asked = self._ask(names_asked(BIGQUERY, self._schema), "Listing the tables")
        return {*self._layouts.listed(), *(name for (name,) in asked)}

    def held(self, table: Table) -> StoredTable | None:
        """The table as it is stored; ``None`` where there is none of ours."""
        if table.name not in self._held:
            found = self._layouts.find(table.name)
            if found is None or ID not in found.labels:
                return None
            self._held[table.name] = StoredTable(found.labels[ID], stored_columns(found))
        return self._held[table.name]

    def prepare(self, table: Table, columns: Mapping[str, FieldType]) -> StoredTable:
        """Make the table, or give it the columns that it lacks."""
        prepared = self._layouts.prepare(table, uncatalogued(table, columns))
        check_names(table, prepared.names)
        self._held[table.name] = StoredTable(prepared.table_id, prepared.stored)
        return self._held[table.name]

    def newest(self, table: Table) -> Recorded:
        """When the newest record of each kind was written about the table."""
        if not self._ready():
            return Recorded()
        return Recorded(*self._one(newest(BIGQUERY, self._schema, table), table))

    def generation(self, table: Table) -> int:
        """Commits that have changed the table so far."""
        held = self.held(table) if self._ready() else None
        if held is None:
            return 0
        return self._newest(held.table_id, table)

    def days(self, parts: Sequence[Part]) -> Sequence[Mapping[date, int]]:
        """Rows of each day of some parts of one table."""
        sqls = [(place, self._sql(part)) for place, part in enumerate(parts)]
        query = " UNION ALL ".join(sql.counts(place) for place, sql in sqls if sql is not None)
        name = parts[0].table.name
        rows = self._ask(query, f"Counting the rows of {self._schema}.{name}", name) if query else ()
        return by_part(rows, len(parts))

    def batches(self, part: Part, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of a part, through the Storage Read API, which goes on by itself where a connection breaks."""
        sql = self._sql(part)
        if sql is None:
            return
        what, kinds = f"Reading {part}", sql.kinds
        opened = self._jobs.call(what, lambda _: self._session(sql, list(columns or kinds)), sql.name)
        try:
            for batch in joined(self._pages(opened)):
                yield travelling(batch.rename_columns([logical(name) for name in batch.column_names]), kinds)
        except api.GoogleAPIError as error:
            raise WarehouseError(f"{what} failed: {told(error)}.") from error

    def _session(self, sql: PartSql, columns: Sequence[str]) -> Any:  # noqa: ANN401 - a read session
        from google.cloud.bigquery_storage_v1 import types

        connection = self._jobs.connection
        wanted = types.ReadSession(
            table=f"projects/{connection.project}/datasets/{self._schema}/tables/{sql.name}",
            data_format=types.DataFormat.ARROW,
            read_options=types.ReadSession.TableReadOptions(
                selected_fields=[physical(name) for name in columns], row_restriction=sql.within
            ),
        )
        return connection.reader.create_read_session(
            parent=f"projects/{connection.project}",
            read_session=wanted,
            max_stream_count=STREAMS,
            retry=NO_RETRY,
            timeout=CALL_SECONDS,
        )

    def _pages(self, opened: Any) -> Iterator[pa.Table]:  # noqa: ANN401 - a read session
        reader = self._jobs.connection.reader
        for stream in opened.streams:
            for batch in streams.batches(reader, opened, stream.name):
                yield pa.Table.from_batches([batch])

    def replace(self, part: Part, batches: Iterable[pa.Table], before: int, generation: int) -> int:
        """Put rows in the place of a part's, in one transaction."""
        sql = self._sql(part)
        if sql is None:
            raise WarehouseError(f"Copying {part} failed: the table is gone; copy again.")
        identity, fenced = _identity(sql), part.relation in FENCED
        number = generation if fenced else self._newest(identity, part.table)
        fence = Fence(self._jobs, part.table.name, identity, f"Copying {part}")
        staged: list[StagedRows] = []
        with released(staged):
            for batch in batches:
                kinds = {name: travelling_kind(sql.kinds[name]) for name in batch.column_names}
                staged.append(self._stager.stage(Rows(sql.name, batch, kinds, RUN)))
            script = ";\n".join(self._transaction(sql, staged, before, number)) + ";"

            def send(job_id: str) -> None:
                self._jobs.once(script, what=f"Copying {part}", job_id=job_id, table=part.table.name, purpose=RUN)

            if not fence.run(number, send):
                raise MovedError(f"{self.place}: {part} was changed by another process while it was copied into.")
        return generation + fenced

    def _transaction(self, sql: PartSql, staged: Sequence[StagedRows], before: int, generation: int) -> Iterator[str]:
        identity, table = _identity(sql), sql.part.table
        yield "BEGIN TRANSACTION"
        yield expect(f"({newest_generation(self._schema, identity)}) = {generation}")
        yield expect(f"({sql.count()}) = {before}")
        if before:
            yield sql.remove()
        for rows in staged:
            columns = list(rows.columns)
            lists = {n: _list(rows.columns[n], k) for n, k in sql.kinds.items() if n in columns and k in _ITEMS}
            yield sql.insert(columns, rows.relation(self._schema, columns, lists))
        commit = commit_record(table.name, identity, generation + 1, RUN, self._clock())
        yield insert_records(self._schema, service.COMMITS, service.COMMITS_COLUMNS, [commit])
        yield "COMMIT TRANSACTION"

    def _newest(self, identity: str, table: Table) -> int:
        (newest,) = self._one(newest_generation(self._schema, identity), table)
        return int(newest)

    def _name(self, table: str) -> str:
        return BIGQUERY.qualified(self._schema, table)

    def _ask(self, text: str, what: str, table: str = "") -> list[Any]:
        return self._jobs.query(text, what=what, table=table)

    def _one(self, text: str, table: Table) -> Any:  # noqa: ANN401 - one row
        return next(iter(self._ask(text, f"Looking at {self._schema}.{table.name}", table.name)))

    def _sql(self, part: Part) -> PartSql | None:
        """The statements about a part; ``None`` where its relation is not there."""
        if not self._ready():
            return None
        stored = self.held(part.table)
        if part.relation in FENCED and stored is None:
            return None
        return PartSql(BIGQUERY, self._schema, part, stored)


def _identity(sql: PartSql) -> str:
    """What counts the commits of a part: its table, or for what only grows a number made from its name."""
    if sql.part.relation in FENCED and sql.stored is not None:
        return sql.stored.table_id
    return hashlib.md5(f"{sql.part.relation} {sql.part.table.name}".encode(), usedforsecurity=False).hexdigest()


_ITEMS: Mapping[StoredType, str] = {"texts": "STRING", "dates": "DATE"}


def _list(column: str, kind: StoredType) -> str:
    """The list that travelled as the text of a staged column."""
    text, item = f"P.`{column}`", _ITEMS[kind]
    items = f"SPLIT({text}, '\\x{ord(SEPARATOR):02x}')"
    if kind == "dates":
        items = f"ARRAY(SELECT CAST(e AS DATE) FROM UNNEST({items}) AS e WITH OFFSET AS o ORDER BY o)"
    return f"CASE WHEN {text} IS NULL THEN ARRAY<{item}>[] ELSE {items} END"
