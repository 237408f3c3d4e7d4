from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import STORES, Serving, Store, made


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path, bigquery_serving: Serving) -> Iterator[Store]:
    """Each store in turn, empty."""
    with made(request.param, tmp_path, bigquery_serving) as store:
        yield store


@pytest.fixture
def warehouse(store: Store) -> Iterator[Warehouse]:
    """A warehouse on the store."""
    opened = store.open()
    yield opened
    opened.close()
