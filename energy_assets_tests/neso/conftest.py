"""The portal's stand-in: one server a module, fresh contents for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets_tests.neso.world import Stage, World, staged


@pytest.fixture(scope="module")
def portal_stage() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


@pytest.fixture
def world(portal_stage: tuple[Stage, str], tmp_path: Path) -> World:
    stage, url = portal_stage
    return World(stage.fresh(), url, tmp_path)
