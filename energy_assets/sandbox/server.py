"""Serving a sandbox on loopback: in a thread for tests, in the foreground for the command line.

Only sockets and the server's life belong here.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from energy_assets.sandbox.elexon import BASE_PATH
from energy_assets.sandbox.faults import SandboxError

HOST = "127.0.0.1"

BACKLOG = 512
"""More connections than any client of the project opens at once."""

START_SECONDS = 15.0
"""Longest wait for the server to listen, on a machine that is busy with other tests."""

STOP_SECONDS = 2
"""How long open answers may finish when the server stops."""

Client = tuple[str, int]


class _Connections:
    """Open connections by the client's address, so that a fault can end one."""

    def __init__(self) -> None:
        self._open: dict[Client, Callable[[bool], None]] = {}

    def protocol(self) -> type[H11Protocol]:
        """A protocol class that keeps this record."""
        connections = self._open

        class Recorded(H11Protocol):
            def connection_made(self, transport) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
                super().connection_made(transport)
                self._peer = transport.get_extra_info("peername")

                def hang_up(reset: bool) -> None:
                    if not reset:
                        transport.close()
                        return
                    # Lingering for no time at all makes the kernel send a reset and not an orderly end.
                    linger = struct.pack("ii", 1, 0)
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    transport.abort()

                connections[self._peer] = hang_up

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self._peer, None)
                super().connection_lost(exc)

        return Recorded

    def hang_up(self, client: Client, reset: bool) -> None:
        """End a client's connection, with a reset or in order."""
        end = self._open.get(client)
        if end is not None:
            end(reset)


def _config(app: ASGIApp) -> uvicorn.Config:
    connections = _Connections()

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["hang_up"] = connections.hang_up
        await app(scope, receive, send)

    return uvicorn.Config(
        with_state,
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def bound(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one.

    Raises:
        SandboxError: The port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SandboxError(
            f"port {port} of {HOST} cannot be used ({error.strerror}); choose another with --port"
        ) from error
    listener.listen(BACKLOG)
    return listener


def url_of(listener: socket.socket, path: str = BASE_PATH) -> str:
    """The base URL of a sandbox that listens there, with the path that its provider has."""
    return f"http://{HOST}:{listener.getsockname()[1]}{path}"


@contextmanager
def running(app: ASGIApp, port: int = 0, path: str = BASE_PATH) -> Iterator[str]:
    """Serve an application from a thread while the context lasts.

    Args:
        app: The application.
        port: Port on loopback; 0 takes a free one.
        path: Path that the provider's address has.

    Yields:
        The base URL, as the setting for the provider's address takes it.

    Raises:
        SandboxError: The port is taken, or the server does not start.
    """
    listener = bound(port)
    server = uvicorn.Server(_config(app))
    started = threading.Event()
    thread = threading.Thread(target=_run, args=(server, listener, started), name="sandbox", daemon=True)
    thread.start()
    if not started.wait(START_SECONDS):
        raise SandboxError(f"the sandbox did not start within {START_SECONDS:.0f} seconds")
    try:
        yield url_of(listener, path)
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        listener.close()


def _run(server: uvicorn.Server, listener: socket.socket, started: threading.Event) -> None:
    # The socket already listens: requests wait in its backlog until the loop takes them.
    started.set()
    server.run(sockets=[listener])


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve in the foreground until interrupted."""
    uvicorn.Server(_config(app)).run(sockets=[listener])
