"""Worlds for the end-to-end tests; each has its own provider, home and clock, so that tests may run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.server import running
from energy_assets.sandbox.synthetic import Synthetic
from energy_assets_tests.e2e.world import Clock, World, utc

NOW = "2026-09-21T09:00"
"""A Monday morning. Days of the week before have settled for most datasets, and their dates are like any others."""

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds that end with the test."""
    with ExitStack() as stack:
        made: list[World] = []

        def make(now: str | datetime = NOW, *, volume: Volume | None = None, home: Path | None = None) -> World:
            clock = Clock(utc(now) if isinstance(now, str) else now)
            app = ElexonSandbox(Synthetic(volume=volume), clock=clock)
            url = stack.enter_context(running(app))
            world = World(app, url, home or tmp_path / f"home{len(made)}", clock)
            made.append(world)
            return world

        yield make
        for world in made:
            world.warehouse.close()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """One world on a Monday morning."""
    return make_world()
