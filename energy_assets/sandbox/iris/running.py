"""A running sandbox of IRIS: broker, token endpoint and a way to steer both, in a thread.

``running_iris`` gives an ``Iris``, whose methods may be called from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.authority import Account, Authority, Issuer
from energy_assets.sandbox.iris.broker import NAMESPACE, Broker, SecondConsumer
from energy_assets.sandbox.iris.certificates import HOST, Certificates, make_certificates
from energy_assets.sandbox.iris.faults import Kind
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Clock, Counts, Queue, Rules

QUEUE = "iris.sandbox"
"""Name of the queue, in the form of the real ones."""

ANSWERS_WITHIN = 60.0
"""Seconds for which a call from another thread waits for the sandbox's thread, on a machine that is busy."""

T = TypeVar("T")


def now() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """How a client comes in.

    Attributes:
        namespace: Name of the namespace, which the client keeps.
        queue: The queue.
        endpoint: Where the client's connection is led to instead, as ``custom_endpoint_address`` takes it.
        authority: Where tokens come from, as the credential's ``authority`` takes it.
        ca: File of the certificate authority that the client has to trust.
        tenant_id: Directory of the credential.
        client_id: Application of the credential.
        client_secret: Its secret.
    """

    namespace: str
    queue: str
    endpoint: str
    authority: str
    ca: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def port(self) -> int:
        """Port of the broker."""
        return int(self.endpoint.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class State:
    """What a sandbox holds and has seen.

    Attributes:
        messages: How many messages are where.
        connections: Connections that stand.
        accepted: Connections so far.
        tokens: Tokens issued so far.
        listening: Whether the broker can be reached.
    """

    messages: Counts
    connections: int
    accepted: int
    tokens: int
    listening: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is set up.

    Attributes:
        queue: Name of the queue.
        rules: Its properties.
        token_seconds: Life of a token.
        second_consumer: What a second consumer meets.
        idle_seconds: Silence after which a connection is ended; ``None`` for the real service's.
    """

    queue: str = QUEUE
    rules: Rules = field(default_factory=Rules)
    token_seconds: int | None = None
    second_consumer: SecondConsumer = "compete"
    idle_seconds: float | None = None


class Iris:
    """A sandbox that runs.

    Attributes:
        addresses: How a client comes in.
        account: Who may come in; may be changed while it runs.
    """

    def __init__(self, options: Options, folder: Path, clock: Clock) -> None:
        self._certificates = make_certificates(folder)
        self.account = Account()
        self._issuer = Issuer(clock)
        if options.token_seconds is not None:
            self._issuer.seconds = options.token_seconds
        self._authority = Authority(self.account, self._issuer)
        self._web = _Web(self._authority.app(), self._certificates)
        self._broker = Broker(
            Queue(options.queue, clock, options.rules), self._issuer, clock, self._certificates.context()
        )
        self._broker.second_consumer = options.second_consumer
        if options.idle_seconds is not None:
            self._broker.idle_seconds = options.idle_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="iris sandbox", daemon=True)

    # Its life.

    def _begin(self) -> None:
        self._thread.start()
        self._do(self._broker.start)
        self._do(self._web.start)

    def _end(self) -> None:
        try:
            self._do(self._broker.stop)
            self._do(self._web.stop)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(ANSWERS_WITHIN)
            self._loop.close()

    def _do(self, action: Callable[[], Awaitable[T]]) -> T:
        """Run something in the sandbox's thread."""

        async def run() -> T:
            return await action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(ANSWERS_WITHIN)

    def _call(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(ANSWERS_WITHIN)

    # What a test does with it.

    @property
    def addresses(self) -> Addresses:
        """How a client comes in."""
        return Addresses(
            namespace=NAMESPACE,
            queue=self._broker.queue.name,
            endpoint=f"sb://{HOST}:{self._broker.port}",
            authority=f"https://{HOST}:{self._web.port}",
            ca=str(self._certificates.authority),
            tenant_id=self.account.tenant_id,
            client_id=self.account.client_id,
            client_secret=self.account.client_secret,
        )

    def put(self, messages: Iterable[Message]) -> list[int]:
        """Put messages into the queue.

        Returns:
            Their sequence numbers.
        """
        made = list(messages)
        return self._call(lambda: self._broker.put(made))

    def state(self) -> State:
        """What it holds and has seen."""
        return self._call(self._state)

    def _state(self) -> State:
        broker = self._broker
        return State(broker.queue.counts(), broker.connections, broker.accepted, self._issuer.issued, broker.listening)

    def completed(self) -> list[tuple[int, str]]:
        """Sequence number and id of each completed message, in the order of completion."""
        return self._call(self._broker.queue.completed)

    def dead_letters(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Sequence number, id and application properties of each dead letter."""
        buried = self._broker.queue.dead_letters
        if buried is None:
            return []
        return self._call(lambda: [(e.sequence, e.message.label, dict(e.message.properties)) for e in buried.entries()])

    def wait(self, reached: Callable[[State], bool], seconds: float = ANSWERS_WITHIN) -> State:
        """Wait until a state is reached.

        Raises:
            SandboxError: It is not reached in time; the message tells the last one.
        """
        deadline = time.monotonic() + seconds
        while not reached(state := self.state()):
            if time.monotonic() > deadline:
                raise SandboxError(f"the sandbox did not come into the state that was waited for; it is {state}")
            time.sleep(LOOKS_EVERY)
        return state

    def fault(self, kind: Kind, **options: Any) -> int:  # noqa: ANN401 - each option has its own type
        """Arm a fault; options are the attributes of ``faults.Fault``.

        Returns:
            A number to remove it by.
        """
        return self._call(lambda: self._broker.arm(kind, **options))

    def faults(self) -> list[dict[str, Any]]:
        """Armed faults with how often each has struck."""
        return self._call(self._broker.faults.listed)

    def clear(self, number: int | None = None) -> None:
        """Disarm one fault, or all."""
        faults = self._broker.faults
        self._call(faults.clear if number is None else lambda: faults.remove(number))

    def govern(self, rules: Rules) -> None:
        """Give the queue other properties, for locks and messages to come."""
        self._call(lambda: self._broker.govern(rules))

    def configure(
        self,
        *,
        secret_expired: bool | None = None,
        authority_unavailable: bool | None = None,
        token_seconds: int | None = None,
        second_consumer: SecondConsumer | None = None,
    ) -> None:
        """Change how clients are let in; what is not given stays as it is."""

        def change() -> None:
            if secret_expired is not None:
                self.account.expired = secret_expired
            if authority_unavailable is not None:
                self._authority.unavailable = authority_unavailable
            if token_seconds is not None:
                self._issuer.seconds = token_seconds
            if second_consumer is not None:
                self._broker.second_consumer = second_consumer

        self._call(change)

    def stop(self) -> None:
        """Take the broker down: connections are reset and new ones refused, the queue stays."""
        self._do(self._broker.stop)

    def start(self) -> None:
        """Bring the broker up again, on the same port."""
        self._do(self._broker.start)

    def restart(self) -> None:
        """Take the broker down and up again; locks go on."""
        self.stop()
        self.start()

    def described(self) -> dict[str, Any]:
        """The state as JSON has it."""
        return asdict(self.state())


LOOKS_EVERY = 0.01
"""Seconds between two looks at the state."""


class _Web:
    """A web application with TLS on loopback, in the loop of the sandbox."""

    def __init__(self, app: ASGIApp, certificates: Certificates) -> None:
        transports = self._transports = set[asyncio.Transport]()

        class Recorded(H11Protocol):
            """Keeps record of connections: clients keep theirs, and would hold up the end."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                transports.add(transport)
                self._made = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.discard(self._made)
                super().connection_lost(exc)

        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Recorded,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="warning",
                ssl_certfile=certificates.certificate,
                ssl_keyfile=certificates.key,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))

    async def stop(self) -> None:
        for transport in list(self._transports):
            transport.abort()
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()


@contextmanager
def running_iris(
    options: Options | None = None,
    *,
    lock: timedelta | None = None,
    clock: Clock = now,
) -> Iterator[Iris]:
    """A sandbox that runs as long as the context.

    Args:
        options: How it is set up.
        lock: How long a delivery is locked, in place of the options'.
        clock: What time it is for locks, messages and tokens.
    """
    chosen = options or Options()
    if lock is not None:
        chosen = Options(chosen.queue, Rules(lock), chosen.token_seconds, chosen.second_consumer, chosen.idle_seconds)
    with tempfile.TemporaryDirectory(prefix="iris-sandbox-") as folder:
        iris = Iris(chosen, Path(folder), clock)
        iris._begin()
        try:
            yield iris
        finally:
            iris._end()
