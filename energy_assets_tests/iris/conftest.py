"""A drop folder before a warehouse: the embedded one, or each in turn where a test is about what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets_tests.contract.store import STORES, DuckDBStore, Serving, Store, made
from energy_assets_tests.iris.drop import Drop


@pytest.fixture(params=sorted(STORES))
def each_store(request: pytest.FixtureRequest, tmp_path: Path, bigquery_serving: Serving) -> Iterator[Store]:
    """Each store in turn, empty."""
    with made(request.param, tmp_path, bigquery_serving) as store:
        yield store


@pytest.fixture
def each(each_store: Store, tmp_path: Path) -> Iterator[Drop]:
    """A drop folder and a loader into each store."""
    yield from _drop(each_store, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The embedded store, empty."""
    return DuckDBStore(tmp_path)


@pytest.fixture
def drop(store: Store, tmp_path: Path) -> Iterator[Drop]:
    """A drop folder and a loader into the embedded store."""
    yield from _drop(store, tmp_path)


def _drop(store: Store, folder: Path) -> Iterator[Drop]:
    warehouse = store.open()
    yield Drop(folder / "iris", folder / "spool", warehouse)
    warehouse.close()
