from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import STORES, Store


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each store in turn, empty."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def warehouse(store: Store) -> Iterator[Warehouse]:
    """A warehouse on the store."""
    opened = store.open()
    yield opened
    opened.close()
