"""The line that can be bad: bytes get through whole and in order, late, never, or with others among them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.sandbox.iris.proxy import Line, running_line
from energy_assets.sandbox.iris.running import running_iris
from energy_assets_tests.iris.sdk import EMPTY, elsewhere, numbered, receive, receiver

HOST = "127.0.0.1"
PATIENCE = 20.0


class Echo:
    """Sends back what it hears, on every connection; ends when the client does."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass
        self.ended.set()

    def close(self) -> None:
        # Closing alone does not wake the thread that waits for connections.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with closing(Echo()) as serving:
        yield serving


@pytest.fixture
def line(echo: Echo) -> Iterator[Line]:
    with running_line(echo.port) as running:
        yield running


def connected(line: Line) -> socket.socket:
    return socket.create_connection((HOST, line.port), timeout=PATIENCE)


def hear(client: socket.socket, size: int) -> bytes:
    heard = b""
    while len(heard) < size and (data := client.recv(size - len(heard))):
        heard += data
    return heard


def test_bytes_come_through_whole_and_in_order(echo: Echo) -> None:
    with running_line(echo.port) as line, connected(line) as client:

        @given(st.lists(st.binary(min_size=1, max_size=200), max_size=5), st.sampled_from([0.0, 0.0001, 0.001]))
        def check(parts: list[bytes], latency: float) -> None:
            line.set(latency=latency)
            for part in parts:
                client.sendall(part)
            whole = b"".join(parts)
            assert hear(client, len(whole)) == whole

        check()


@pytest.mark.parametrize("bytes_per_second", [0.0, 50e6])
def test_more_than_fits_on_the_line_comes_through(line: Line, bytes_per_second: float) -> None:
    line.set(latency=0.01, bytes_per_second=bytes_per_second)
    whole = bytes(range(256)) * 20_000
    with connected(line) as client:
        sender = threading.Thread(target=client.sendall, args=(whole,))
        sender.start()
        assert hear(client, len(whole)) == whole
        sender.join()


def test_a_silent_line_keeps_what_is_sent_until_it_speaks_again(line: Line) -> None:
    with connected(line) as client:
        client.sendall(b"one")
        assert hear(client, 3) == b"one"
        line.set(silent=True)
        client.sendall(b"two")
        client.settimeout(EMPTY)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE)
        line.set(silent=False)
        assert hear(client, 3) == b"two"


def test_a_client_that_comes_to_a_silent_line_waits(line: Line) -> None:
    line.set(silent=True)
    with connected(line) as client:
        client.sendall(b"one")
        line.set(silent=False)
        assert hear(client, 3) == b"one"


def test_a_reset_ends_what_is_open_and_nothing_else(line: Line) -> None:
    with connected(line) as client:
        client.sendall(b"one")
        assert hear(client, 3) == b"one"
        assert line.connections == 1
        line.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connected(line) as client:
        client.sendall(b"two")
        assert hear(client, 3) == b"two"


def test_foreign_bytes_reach_the_side_that_is_named(line: Line) -> None:
    with connected(line) as client:
        client.sendall(b"one")
        assert hear(client, 3) == b"one"
        line.inject(b"foreign")
        assert hear(client, 7) == b"foreign"
        line.inject(b"to the echo", toward="server")
        assert hear(client, 11) == b"to the echo"
        line.inject()
        assert len(hear(client, 512)) == 512


def test_an_end_is_handed_on(line: Line, echo: Echo) -> None:
    echo.ended.clear()
    with connected(line) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert hear(client, 100) == b"last words"
    assert echo.ended.wait(PATIENCE)


def test_nobody_at_the_other_end_is_a_reset() -> None:
    with socket.create_server((HOST, 0)) as gone:
        port = gone.getsockname()[1]
    with running_line(port) as line, connected(line) as client, pytest.raises(ConnectionResetError):
        client.recv(1)


def test_the_client_library_speaks_over_the_line() -> None:
    with running_iris() as iris, running_line(iris.addresses.port) as line:
        line.set(latency=0.005)
        iris.put(numbered(3))
        with receiver(elsewhere(iris.addresses, line.endpoint)) as receiving:
            for message in receive(receiving, 3):
                receiving.complete_message(message)
        assert iris.state().messages.completed == 3
