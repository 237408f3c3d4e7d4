"""One server for all tests of a module, serving a fresh stand-in of the archive to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.archive import CONTAINER_PATH, ArchiveSandbox
from energy_assets.sandbox.messages import Messages
from energy_assets.sandbox.server import running

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""Of the day on which summer time begins."""

MESSAGES = Messages()
"""Shared for its cache: a test that puts messages makes its own."""


class Stage:
    """Passes every request on to the stand-in of the test that runs."""

    def __init__(self) -> None:
        self.sandbox = ArchiveSandbox(MESSAGES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.sandbox(scope, receive, send)

    def fresh(self, page_blobs: int = 5_000) -> ArchiveSandbox:
        """A stand-in whose present is some days after the messages under test."""
        self.sandbox = ArchiveSandbox(MESSAGES, clock=lambda: NOON + 100 * HOUR, page_blobs=page_blobs)
        return self.sandbox


@contextmanager
def staged() -> Iterator[tuple[Stage, str]]:
    """A served stage and its address."""
    stage = Stage()
    with running(stage, path=CONTAINER_PATH) as url:
        yield stage, url
