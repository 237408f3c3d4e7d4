"""Bringing rows to where SQL can reach them: Parquet files loaded into staging tables that expire by themselves.

Small sets of rows that wait at the same time share one file and one load job; what is done with them is not decided
here.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core import exceptions as api
from google.cloud import bigquery

from energy_assets.catalogue.model import FieldType
from energy_assets.warehouse.bigquery.dialect import BIGQUERY, loaded, physical, schema_field
from energy_assets.warehouse.bigquery.gathering import Gathering
from energy_assets.warehouse.bigquery.jobs import (
    CALL_SECONDS,
    NO_RETRY,
    OWNER,
    Jobs,
    UnsettledJobError,
    is_refused,
    safe_job_id,
)

log = logging.getLogger(__name__)

PREFIX = "_stg_"

EXPIRES = timedelta(hours=6)
"""Life of a staging table that nobody dropped: longer than any commit waits, short enough to cost nothing."""

TOGETHER_BYTES = 32 << 20
"""Rows that share one load job: as much as one upload of a second or two."""

ROW_GROUP = 100_000
"""Rows per row group: a few megabytes each, as BigQuery reads them in parallel."""

PART = "_part"


@dataclass(frozen=True)
class Rows:
    """One set of rows to stage.

    Attributes:
        label: What they are, for messages and job ids.
        table: Columns by logical name.
        kinds: Stored type of each column.
        run_id: Run that writes them.
    """

    label: str
    table: pa.Table
    kinds: Mapping[str, FieldType]
    run_id: str = ""


@dataclass(frozen=True)
class StagedRows:
    """Rows in a staging table, until it is given back.

    Attributes:
        name: Staging table.
        part: Number of the rows within it.
        columns: Staged column of each logical one.
    """

    name: str
    part: int
    columns: Mapping[str, str]
    _stager: Stager = field(repr=False)

    def relation(self, schema: str, columns: Sequence[str], computed: Mapping[str, str] | None = None) -> str:
        """A SELECT of the rows under their stored names.

        Args:
            schema: The dataset.
            columns: Logical columns wanted.
            computed: SQL for columns that are not staged.
        """
        made = computed or {}
        parts = [
            f"{made[name]} AS {BIGQUERY.identifier(name)}"
            if name in made
            else f"P.`{self.columns[name]}` AS {BIGQUERY.identifier(name)}"
            for name in columns
        ]
        return (
            f"SELECT {', '.join(parts)} FROM {BIGQUERY.qualified(schema, self.name)} P WHERE P.`{PART}` = {self.part}"
        )

    def release(self) -> None:
        """Say that the rows are no longer needed; the table is dropped with its last rows."""
        self._stager.release(self.name)


@contextmanager
def released(held: list[StagedRows]) -> Iterator[None]:
    """Give back the staged rows of a list at the end, but those that a job may still be reading: they expire."""
    try:
        yield
    except UnsettledJobError:
        held.clear()
        raise
    finally:
        for staged in held:
            staged.release()


class Stager:
    """Stages rows for several writers of one process.

    Args:
        jobs: Runs the load jobs.
        folder: Where files are written; by default the system's temporary folder.
    """

    def __init__(self, jobs: Jobs, folder: Path | None = None) -> None:
        self._jobs = jobs
        self._folder = folder
        self._gathering = Gathering(self._load, lambda rows: rows.table.nbytes, TOGETHER_BYTES, divides=is_refused)
        self._users: dict[str, int] = {}
        self._lock = threading.Lock()

    def stage(self, rows: Rows) -> StagedRows:
        """Load rows, together with those that others stage meanwhile.

        Raises:
            WarehouseError: The load failed; nothing is staged.
        """
        return self._gathering.ask(rows)

    def release(self, name: str) -> None:
        """One user less of a staging table."""
        with self._lock:
            left = self._users.pop(name) - 1
            if left:
                self._users[name] = left
                return
        try:
            self._jobs.call(f"Dropping {name}", lambda client: self._drop(client, name))
        except Exception as error:
            log.warning("%s; it expires by itself within %s.", error, EXPIRES)

    def _drop(self, client: bigquery.Client, name: str) -> None:
        client.delete_table(self._reference(name), not_found_ok=True, retry=NO_RETRY, timeout=CALL_SECONDS)

    def _reference(self, name: str) -> bigquery.TableReference:
        connection = self._jobs.connection
        return bigquery.DatasetReference(connection.project, connection.dataset).table(name)

    def _load(self, group: Sequence[Rows]) -> list[StagedRows]:
        union, columns = _union(group)
        # A table of its own for each load, so that none is dropped or filled by another's doing.
        unique = uuid.uuid4().hex[:16]
        name = f"{PREFIX}{unique}"
        with tempfile.TemporaryDirectory(prefix="energy-assets-", dir=self._folder) as folder:
            file = Path(folder) / "rows.parquet"
            _write(file, group, union, columns)
            schema = [schema_field(column, kind) for column, kind in union.items()]
            schema.append(schema_field(PART, "integer"))
            about = group[0].label if len(group) == 1 else ""
            what = f"Loading {sum(rows.table.num_rows for rows in group)} rows of {_named(group)}"
            self._jobs.call(what, lambda client: self._make(client, name, schema))
            job_id = safe_job_id("stage", group[0].run_id[:8], about, unique)
            self._jobs.load(file, name, schema, what=what, job_id=job_id, about=about)
        with self._lock:
            self._users[name] = len(group)
        return [StagedRows(name, part, found, self) for part, found in enumerate(columns)]

    def _make(self, client: bigquery.Client, name: str, schema: Sequence[bigquery.SchemaField]) -> None:
        table = bigquery.Table(self._reference(name), schema=list(schema))
        table.expires = datetime.now(UTC) + EXPIRES
        table.labels = {"owner": OWNER, "purpose": "stage"}
        try:
            client.create_table(table, retry=NO_RETRY, timeout=CALL_SECONDS)
        except api.Conflict:
            log.debug("%s is there from a call whose answer was lost", name)


def _named(group: Sequence[Rows]) -> str:
    names = sorted({rows.label for rows in group})
    return names[0] if len(names) == 1 else f"{len(names)} tables"


def _union(group: Sequence[Rows]) -> tuple[dict[str, FieldType], list[dict[str, str]]]:
    """One set of columns that holds every set of rows, and where each finds its own in it.

    Columns of one name and type are shared; names are compared without regard to case, as BigQuery does.
    """
    union: dict[str, FieldType] = {}
    spelt: dict[str, str] = {}
    columns: list[dict[str, str]] = []
    for rows in group:
        own: dict[str, str] = {}
        for name, kind in rows.kinds.items():
            plain = staged = physical(name)
            count = 1
            while spelt.get(staged.lower(), staged) != staged or union.get(staged, kind) != kind:
                count += 1
                staged = f"{plain}__{kind}{count}"
            spelt[staged.lower()] = staged
            union[staged] = kind
            own[name] = staged
        columns.append(own)
    return union, columns


def _write(
    file: Path, group: Sequence[Rows], union: Mapping[str, FieldType], columns: Sequence[Mapping[str, str]]
) -> None:
    """Write the rows as one Parquet file."""
    fields = [pa.field(name, loaded(kind)) for name, kind in union.items()]
    schema = pa.schema([*fields, pa.field(PART, pa.int64())])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part, (rows, own) in enumerate(zip(group, columns, strict=True)):
            count = rows.table.num_rows
            staged = {own[name]: rows.table.column(name).cast(loaded(kind)) for name, kind in rows.kinds.items()}
            arrays = [staged[f.name] if f.name in staged else pa.nulls(count, f.type) for f in fields]
            numbers = pa.repeat(pa.scalar(part, pa.int64()), count)
            writer.write_table(pa.table([*arrays, numbers], schema=schema), row_group_size=ROW_GROUP)
