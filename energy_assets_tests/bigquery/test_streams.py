"""Rows through the Storage Read API, whoever takes them however slowly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api_core import exceptions as api
from google.cloud.bigquery_storage_v1 import types

from energy_assets.warehouse.bigquery import streams
from energy_assets_tests.contract.store import PROJECT, BigQueryStore

ROWS = 300_000


@pytest.fixture(scope="module")
def store(bigquery_serving: Callable[[], object]) -> Iterator[BigQueryStore]:
    made = BigQueryStore(bigquery_serving())  # type: ignore[arg-type]
    made.query(f"CREATE SCHEMA {made.dataset}")
    made.query(f"CREATE TABLE {made.dataset}.t AS SELECT n FROM UNNEST(GENERATE_ARRAY(1, {ROWS})) AS n")
    yield made
    made.discard()


class Counting:
    """The reader, and where its streams were begun."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.offsets: list[int] = []

    def read_rows(self, name: str, offset: int, **named: Any) -> Any:
        self.offsets.append(offset)
        return self._reader.read_rows(name, offset, **named)


def session(store: BigQueryStore, reader: Any, most: int) -> Any:
    table = f"projects/{PROJECT}/datasets/{store.dataset}/tables/t"
    wanted = types.ReadSession(table=table, data_format=types.DataFormat.ARROW)
    return reader.create_read_session(parent=f"projects/{PROJECT}", read_session=wanted, max_stream_count=most)


def test_a_stream_outlives_its_connections_and_brings_each_row_once(
    store: BigQueryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SILENCE_SECONDS", 3.0)
    connection = store.connection()
    reader = Counting(connection.reader)
    opened = session(store, connection.reader, 1)
    found: list[int] = []
    for batch in streams.batches(reader, opened, opened.streams[0].name):  # type: ignore[arg-type]
        if not found:
            time.sleep(3.2)
        found += batch.column(0).to_pylist()
    connection.close()
    assert sorted(found) == list(range(1, ROWS + 1))
    assert len(reader.offsets) > 1
    assert reader.offsets == sorted(set(reader.offsets))


def test_streams_opened_together_are_read_whole(store: BigQueryStore) -> None:
    connection = store.connection()
    opened = session(store, connection.reader, 3)
    assert len(opened.streams) == 3
    found = streams.everything(connection.reader, opened)
    connection.close()
    assert sorted(found.column("n").to_pylist()) == list(range(1, ROWS + 1))


def test_a_stream_that_has_fallen_silent_is_given_up() -> None:
    class Silent:
        def read_rows(self, *_: Any, **__: Any) -> Any:
            raise api.DeadlineExceeded("no word")

    with pytest.raises(api.DeadlineExceeded):
        list(streams.batches(Silent(), None, "x"))  # type: ignore[arg-type]
