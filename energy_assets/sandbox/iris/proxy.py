"""A line to the broker that can be bad: latency, silence, resets, foreign bytes, little bandwidth.

It knows bytes and no AMQP. What goes wrong inside the protocol is the business of ``faults``.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from energy_assets.sandbox.iris.certificates import HOST
from energy_assets.sandbox.iris.thread import LoopThread

BUFFERED = 2**20
"""Bytes on their way in one direction before the sender has to wait."""

GARBAGE_BYTES = 512

Toward = Literal["client", "server"]


class _End(asyncio.Protocol):
    """One end of a connection through the line: what it hears goes out at the other end, later."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._ended = False
        self._gone = False
        self._deaf = False
        self._full = False
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a stream gives
        self.transport = transport
        self._line.joined(self)

    def data_received(self, data: bytes) -> None:
        self.forward(data)

    def eof_received(self) -> bool:
        self._ended = True
        self._go_on()
        # This end may still be told something.
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.left(self)
        self.transport = None
        self._gone = True
        if isinstance(exc, ConnectionError) and self.other is not None:
            self.other.reset()
        else:
            self._go_on()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hear(full=True)

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.hear(full=False)

    def forward(self, data: bytes) -> None:
        """Send bytes on, after the time that the line takes."""
        now = self._loop.time()
        pace = self._line.bytes_per_second
        begun = max(now, self._last) if pace else now
        self._last = begun + (len(data) / pace if pace else 0.0)
        self._under_way.append((self._last + self._line.latency, data))
        self._size += len(data)
        if self._size > BUFFERED:
            self.hear(full=True)
        self._go_on()

    def _go_on(self) -> None:
        """Hand over what has arrived, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._line.silent or self.other is None:
            return
        now = self._loop.time()
        while self._under_way and self._under_way[0][0] <= now:
            _, data = self._under_way.popleft()
            self._size -= len(data)
            self.other.say(data)
        if self._under_way:
            self._timer = self._loop.call_at(self._under_way[0][0], self._go_on)
        elif self._gone:
            self.other.close()
        elif self._ended:
            self.other.finish()
        elif self._full and self._size <= BUFFERED:
            self.hear(full=False)

    def go_on(self) -> None:
        """The line's condition has changed."""
        self._listen()
        self._go_on()

    def hear(self, *, full: bool) -> None:
        """Take more from this end, or let it wait."""
        self._full = full
        self._listen()

    def _listen(self) -> None:
        wanted = not (self._full or self._line.silent)
        if self.transport is None or self.transport.is_closing() or wanted is not self._deaf:
            return
        self._deaf = not wanted
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def say(self, data: bytes) -> None:
        """Send bytes to this end."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        """Say that there is no more; the end of both directions is the end of all."""
        if self._ended:
            self.close()
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """End in order."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """End with a reset."""
        if self.transport is not None:
            # Lingering for no time at all makes the kernel send a reset and not an orderly end.
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()


class Line:
    """A line in good order, to begin with. Its methods may be called from any thread.

    Attributes:
        port: Where clients come.
        latency: Seconds that bytes take, each way.
        bytes_per_second: Bandwidth each way; 0 for any.
        silent: Whether nothing gets through; what is sent meanwhile arrives afterwards, as with TCP.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.latency = 0.0
        self.bytes_per_second = 0.0
        self.silent = False
        self._ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = LoopThread("iris line")

    @property
    def endpoint(self) -> str:
        """Address for a client's ``custom_endpoint_address``."""
        return f"sb://{HOST}:{self.port}"

    def begin(self) -> None:
        """Listen."""
        self._thread.run(self._listen)

    def end(self) -> None:
        """Listen no more, and reset what is open."""
        try:
            self._thread.run(self._close)
        finally:
            self._thread.end()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._client_comes, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        self._reset()
        while self._ends or self._tasks:
            await asyncio.sleep(0)

    def _client_comes(self) -> _End:
        client = _End(self)
        task = asyncio.get_running_loop().create_task(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return client

    async def _connect(self, client: _End) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, server = await loop.create_connection(lambda: _End(self), HOST, self.target)
        except OSError:
            client.reset()
            return
        client.other, server.other = server, client
        client.go_on()

    def joined(self, end: _End) -> None:
        """An end is there."""
        self._ends.add(end)
        if self.silent:
            end.go_on()

    def left(self, end: _End) -> None:
        """An end is gone."""
        self._ends.discard(end)

    @property
    def connections(self) -> int:
        """Connections that stand."""
        return self._thread.call(lambda: sum(end.other is not None for end in self._ends) // 2)

    def set(
        self, *, latency: float | None = None, bytes_per_second: float | None = None, silent: bool | None = None
    ) -> None:
        """Make the line better or worse; what is not given stays as it is."""

        def change() -> None:
            if latency is not None:
                self.latency = latency
            if bytes_per_second is not None:
                self.bytes_per_second = bytes_per_second
            if silent is not None:
                self.silent = silent
            for end in list(self._ends):
                end.go_on()

        self._thread.call(change)

    def _reset(self) -> None:
        for end in list(self._ends):
            end.reset()

    def reset(self) -> None:
        """End all connections with a reset; new ones may come."""
        self._thread.call(self._reset)

    def inject(self, data: bytes | None = None, toward: Toward = "client") -> None:
        """Put foreign bytes into all connections; random ones by default."""
        foreign = os.urandom(GARBAGE_BYTES) if data is None else data

        def act() -> None:
            for end in list(self._ends):
                from_client = end.transport is not None and end.transport.get_extra_info("sockname")[1] == self.port
                if from_client is (toward == "client"):
                    end.say(foreign)

        self._thread.call(act)


@contextmanager
def running_line(target: int) -> Iterator[Line]:
    """A line to a port of loopback, as long as the context lasts."""
    line = Line(target)
    try:
        line.begin()
        yield line
    finally:
        line.end()
