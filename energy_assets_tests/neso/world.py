"""One server for all tests of a module, serving a fresh stand-in of the portal and its storage to each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.neso.app import ACTIONS_PATH, NesoSandbox
from energy_assets.sandbox.server import running
from energy_assets.sources.http import Patience
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.lanes import Lanes
from energy_assets.sources.neso.wire import Wire
from energy_assets_tests.unit.loopback import Peer, Reply

T = TypeVar("T")

NOON = datetime(2026, 10, 8, 12, tzinfo=UTC)

QUICK = Patience(attempts=3, backoff=0.01, backoff_least=0.0, backoff_most=0.02, deadline=20.0, connect=5.0, read=10.0)
"""Waits short enough for a test, limits long enough for a busy machine."""


class Stage:
    """Passes every request on to the stand-in of the test that runs."""

    def __init__(self) -> None:
        self.sandbox = NesoSandbox()
        self.storage_url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.sandbox(scope, receive, send)

    async def storage(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.sandbox.storage(scope, receive, send)

    def fresh(self, **options: Any) -> NesoSandbox:
        """A stand-in that holds nothing, at noon."""
        self.sandbox = NesoSandbox(**{"clock": lambda: NOON} | options)
        self.sandbox.storage.url = self.storage_url
        return self.sandbox


@contextmanager
def staged() -> Iterator[tuple[Stage, str]]:
    """A served stage, and the address of its actions."""
    stage = Stage()
    with running(stage.storage, path="") as storage, running(stage, path=ACTIONS_PATH) as url:
        stage.storage_url = storage.replace("127.0.0.1", "localhost")
        yield stage, url


@dataclass(frozen=True)
class World:
    """A fresh stand-in, and a client of it that does not wait."""

    sandbox: NesoSandbox
    url: str
    home: Path

    def run(self, work: Callable[[NesoPortal], Awaitable[T]], **options: Any) -> T:
        """What ``work`` gives with a client of its own."""
        return ask(self.url, self.home, work, **options)

    def routes(self) -> list[str]:
        """What was asked, by the names of routes."""
        return [str(asked.dataset) for asked in self.sandbox.requests]


def ask(url: str, home: Path, work: Callable[[NesoPortal], Awaitable[T]], **options: Any) -> T:
    """What ``work`` gives with a client of an address."""

    async def run() -> T:
        async with NesoPortal(Wire(url, Lanes.of(home, 0, 0), **{"patience": QUICK} | options)) as portal:
            return await work(portal)

    return asyncio.run(run())


def told(result: Any, **envelope: Any) -> Reply:
    """An answer of CKAN."""
    return Reply(body=json.dumps({"help": "", "success": True, "result": result} | envelope).encode())


def with_peer(script: Any, home: Path, work: Callable[[NesoPortal], Awaitable[T]], **options: Any) -> tuple[T, Peer]:
    """What ``work`` gives with a client of a peer that answers with a script, and the peer."""

    async def run() -> tuple[T, Peer]:
        async with Peer(script) as peer:
            wire = Wire(
                f"http://127.0.0.1:{peer.port}{ACTIONS_PATH}", Lanes.of(home, 0, 0), **{"patience": QUICK} | options
            )
            async with NesoPortal(wire) as portal:
                return await work(portal), peer

    return asyncio.run(run())
