"""Tables of a BigQuery dataset that this package did not make, brought to a database on this machine.

They are only read, through the Storage Read API, and nothing is assumed of their columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from google.api_core import exceptions as api
from google.cloud import bigquery

from energy_assets.errors import WarehouseError
from energy_assets.warehouse.bigquery import streams
from energy_assets.warehouse.bigquery.connection import Connection
from energy_assets.warehouse.bigquery.jobs import CALL_SECONDS, NO_RETRY, Jobs, told
from energy_assets.warehouse.parts import joined

if TYPE_CHECKING:
    import duckdb

BROUGHT = "brought"
"""Table of the bench that holds the rows."""

PAGE = "_page"


class BigQueryTables:
    """Tables of a dataset.

    Args:
        connection: Clients of the dataset.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._jobs = Jobs(connection)
        self.place = f"{connection.project}.{connection.dataset}"

    def names(self) -> Sequence[str]:
        """Names of all tables there.

        Raises:
            WarehouseError: There is no such dataset.
        """
        reference = bigquery.DatasetReference(self._connection.project, self._connection.dataset)

        def listed(client: bigquery.Client) -> list[str]:
            items = client.list_tables(reference, page_size=1000, retry=NO_RETRY, timeout=CALL_SECONDS)
            return sorted(item.table_id for item in items if item.table_type == "TABLE")

        try:
            return self._jobs.call(f"Listing the tables of {self.place}", listed)
        except api.NotFound:
            raise WarehouseError(f"There is no dataset {self.place}: give it as PROJECT.DATASET.") from None

    @contextmanager
    def relation(self, name: str, bench: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """A copy of the table on the bench."""
        made = False
        try:
            for batch in joined(self._pages(name)):
                bench.register(PAGE, batch)
                bench.execute(
                    f"INSERT INTO {BROUGHT} SELECT * FROM {PAGE}"
                    if made
                    else f"CREATE OR REPLACE TABLE {BROUGHT} AS SELECT * FROM {PAGE}"
                )
                bench.unregister(PAGE)
                made = True
        except api.GoogleAPIError as error:
            raise WarehouseError(f"Reading {self.place}.{name} failed: {told(error)}.") from error
        if not made:
            raise WarehouseError(f"{self.place}.{name} is empty: there is nothing to adopt.")
        try:
            yield BROUGHT
        finally:
            bench.execute(f"DROP TABLE {BROUGHT}")

    def _pages(self, name: str) -> Iterator[pa.Table]:
        from google.cloud.bigquery_storage_v1 import types

        place = f"projects/{self._connection.project}/datasets/{self._connection.dataset}/tables/{name}"
        wanted = types.ReadSession(table=place, data_format=types.DataFormat.ARROW)
        reader = self._connection.reader
        opened = self._jobs.call(
            f"Reading {self.place}.{name}",
            lambda _: reader.create_read_session(
                parent=f"projects/{self._connection.project}",
                read_session=wanted,
                max_stream_count=1,
                retry=NO_RETRY,
                timeout=CALL_SECONDS,
            ),
            name,
        )
        for stream in opened.streams:
            for batch in streams.batches(reader, opened, stream.name):
                yield pa.Table.from_batches([batch])
