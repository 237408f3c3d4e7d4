"""Rows through the Storage Read API, batch by batch; which rows, and what becomes of them, is the caller's business."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from google.api_core import exceptions as api

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

SILENCE_SECONDS = 120.0
"""Longest life of one connection of a stream. A stream takes as long as its rows and whoever takes them need, so this
ends only a connection: what has brought rows goes on where it was, and what has brought none has fallen silent."""


def batches(reader: BigQueryReadClient, opened: Any, stream: str) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
    """The rows of one stream of an opened session.

    Raises:
        google.api_core.exceptions.GoogleAPIError: The service refuses, or has fallen silent.
    """
    offset = 0
    while True:
        before = offset
        try:
            for page in reader.read_rows(stream, offset, timeout=SILENCE_SECONDS).rows(opened).pages:
                offset += page.num_items
                yield page.to_arrow()
            return
        except api.DeadlineExceeded:
            if offset == before:
                raise


def everything(reader: BigQueryReadClient, opened: Any) -> pa.Table:  # noqa: ANN401 - a read session
    """The rows of all streams of an opened session, read at once."""
    schema = pa.ipc.read_schema(pa.py_buffer(opened.arrow_schema.serialized_schema))
    names = [stream.name for stream in opened.streams]
    if not names:
        return schema.empty_table()
    with ThreadPoolExecutor(len(names), thread_name_prefix="stream") as pool:
        parts = pool.map(lambda name: list(batches(reader, opened, name)), names)
        found = [batch for part in parts for batch in part]
    return pa.Table.from_batches(found, schema) if found else schema.empty_table()
