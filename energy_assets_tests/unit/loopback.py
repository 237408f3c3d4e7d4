"""A scripted HTTP peer on a loopback socket: says exactly the bytes it is told to, and hangs up where it is told to.

A real server would mend what these tests need broken: wrong lengths, half headers, a connection cut after any byte.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from energy_assets.sources.http import HttpClient, Patience

ROWS = json.dumps([{"settlementDate": "2026-01-15", "value": n} for n in range(3)], separators=(",", ":")).encode()

QUICK = Patience(backoff=0.02, backoff_least=0.0, backoff_most=0.05, deadline=20.0, connect=5.0, read=10.0)
"""Waits short enough for a test, limits long enough for a busy machine."""


@dataclass(frozen=True)
class Request:
    """What arrived: target as sent, headers by lower-case name."""

    target: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """What goes out.

    Attributes:
        status: Status code.
        body: Decoded body.
        headers: Further headers.
        framing: How the body's end is told.
        encoding: ``gzip`` to compress the body.
        length: A ``Content-Length`` other than the true one.
        cut: Bytes of the whole answer after which the connection is dropped.
        stall: Bytes of the whole answer after which nothing more is sent while the client waits.
        gate: Waited for before the first byte.
    """

    status: int = 200
    body: bytes = ROWS
    headers: tuple[tuple[str, str], ...] = ()
    framing: Literal["length", "chunked", "close"] = "length"
    encoding: str = ""
    length: int | None = None
    cut: int | None = None
    stall: int | None = None
    gate: asyncio.Event | None = None

    def head_and_payload(self) -> tuple[bytes, bytes]:
        body = gzip.compress(self.body) if self.encoding == "gzip" else self.body
        headers = [("content-type", "application/json"), *self.headers]
        if self.encoding:
            headers.append(("content-encoding", self.encoding))
        if self.framing == "length":
            headers.append(("content-length", str(len(body) if self.length is None else self.length)))
        elif self.framing == "chunked":
            headers.append(("transfer-encoding", "chunked"))
            pieces = [body[n : n + 40_000] for n in range(0, len(body), 40_000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            headers.append(("connection", "close"))
        head = "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items())
        return f"HTTP/1.1 {self.status} Said So\r\n{head}\r\n".encode(), body

    def wire(self) -> bytes:
        return b"".join(self.head_and_payload())


Script = Callable[[int, Request], Reply]


@dataclass
class Peer:
    """Serves a script: one reply after another, the last one for ever; or a function of number and request."""

    script: Sequence[Reply] | Script
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0

    async def __aenter__(self) -> Peer:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def client(self, **options: Any) -> HttpClient:
        given = {"requests_per_second": 10_000.0, "concurrency": 8, "patience": QUICK} | options
        return HttpClient(self.url, **given)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        request = Request(lines[0].split(" ")[1], {name.lower(): value for name, value in headers.items()})
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._send(self._reply(request), writer)
        finally:
            self.in_flight -= 1

    def _reply(self, request: Request) -> Reply:
        number = len(self.requests) - 1
        if callable(self.script):
            return self.script(number, request)
        return self.script[min(number, len(self.script) - 1)]

    async def _send(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        if reply.gate is not None:
            await reply.gate.wait()
        wire = reply.wire()
        if reply.stall is not None:
            writer.write(wire[: reply.stall])
            await writer.drain()
            await asyncio.Event().wait()
        writer.write(wire if reply.cut is None else wire[: reply.cut])
        await writer.drain()
        return reply.cut is None and reply.framing != "close"


class Naps:
    """Stands in for sleeping between attempts: remembers the waits and takes none."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)
