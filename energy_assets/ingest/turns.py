"""Turns at work that takes memory: so many at once, and so many bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Gives turns first come, first served. Work that is larger than all bytes together has its turn alone.

    Args:
        most: Turns at once.
        most_bytes: Bytes that turns may come to together.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._turns = 0
        self._bytes = 0
        self._queue = asyncio.Lock()
        self._change = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait for a turn with ``size`` bytes and hold it."""
        # One at a time waits for room, so that small work does not pass large work for ever.
        async with self._queue, self._change:
            await self._change.wait_for(lambda: self._has_room(size))
            self._turns += 1
            self._bytes += size
        try:
            yield
        finally:
            async with self._change:
                self._turns -= 1
                self._bytes -= size
                self._change.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._turns or (self._turns < self._most and self._bytes + size <= self._most_bytes)
