"""An event loop in a thread of its own, and calls into it from other threads.

Only the thread belongs here; what runs in its loop is the business of whoever starts it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

ANSWERS_WITHIN = 60.0
"""Seconds for which a call waits for the loop, on a machine that is busy."""

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, action: Callable[[], Awaitable[T]]) -> T:
        """Run something that waits, in the loop, and give its result."""

        async def started() -> T:
            return await action()

        return asyncio.run_coroutine_threadsafe(started(), self._loop).result(ANSWERS_WITHIN)

    def call(self, action: Callable[[], T]) -> T:
        """Call something in the loop and give its result."""

        async def called() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(ANSWERS_WITHIN)

    def end(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWERS_WITHIN)
        self._loop.close()
