"""A running sandbox of IRIS: broker, token endpoint and a way to steer both, in a thread.

``running_iris`` gives an ``Iris``, whose methods may be called from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from energy_assets.sandbox.iris.authority import Account, Authority, Issuer
from energy_assets.sandbox.iris.broker import NAMESPACE, Broker, SecondConsumer
from energy_assets.sandbox.iris.certificates import HOST, Certificates, make_certificates
from energy_assets.sandbox.iris.faults import Kind
from energy_assets.sandbox.iris.feeder import Feed, Feeder
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Clock, Queue, Rules
from energy_assets.sandbox.iris.steering import Addresses, DeadLetter, State, Steering
from energy_assets.sandbox.iris.thread import ANSWERS_WITHIN, LoopThread

QUEUE = "iris.sandbox"
"""Name of the queue, in the form of the real ones."""


def now() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is set up.

    Attributes:
        queue: Name of the queue.
        rules: Its properties.
        token_seconds: Life of a token.
        second_consumer: What a second consumer meets.
        idle_seconds: Silence after which a connection is ended; ``None`` for the real service's.
        port: Port of the broker; 0 takes a free one.
    """

    queue: str = QUEUE
    rules: Rules = field(default_factory=Rules)
    token_seconds: int | None = None
    second_consumer: SecondConsumer = "compete"
    idle_seconds: float | None = None
    port: int = 0


class Iris(Steering):
    """A sandbox that runs.

    Attributes:
        account: Who may come in.
    """

    def __init__(self, options: Options, folder: Path, clock: Clock) -> None:
        self.account = Account()
        self._certificates = make_certificates(folder)
        self._issuer = Issuer(clock)
        if options.token_seconds is not None:
            self._issuer.seconds = options.token_seconds
        self._authority = Authority(self.account, self._issuer)
        self._web = _Web(self._authority.app(), self._certificates)
        queue = Queue(options.queue, clock, options.rules)
        self._broker = Broker(queue, self._issuer, clock, self._certificates.context())
        self._broker.second_consumer = options.second_consumer
        self._broker.port = options.port
        if options.idle_seconds is not None:
            self._broker.idle_seconds = options.idle_seconds
        self._feeder: Feeder | None = None
        self._feeding: threading.Thread | None = None
        self._fed_before = 0
        self._stop_feeding = threading.Event()
        self._thread = LoopThread("iris sandbox")

    def begin(self) -> None:
        """Listen.

        Raises:
            SandboxError: The port is taken.
        """
        self._thread.run(self._broker.start)
        self._thread.run(self._web.start)

    def end(self) -> None:
        """End everything."""
        try:
            self.stop_feeding()
            self._thread.run(self._broker.stop)
            self._thread.run(self._web.stop)
        finally:
            self._thread.end()

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
        """Put messages into the queue and give their sequence numbers."""
        made = list(messages)
        return self._thread.call(lambda: self._broker.put(made))

    def feed(self, feed: Feed) -> None:
        """Have messages put by the feeder: all before this returns, where no rate is given, else as time goes on."""
        self.stop_feeding()
        self._stop_feeding.clear()
        self._feeder = feeder = Feeder(self.put, feed.messages(), feed.rate)
        if feed.rate is None:
            feeder.run(self._stop_feeding)
            return
        self._feeding = threading.Thread(target=feeder.run, args=(self._stop_feeding,), name="iris feeder", daemon=True)
        self._feeding.start()

    def stop_feeding(self) -> None:
        """Put no more."""
        self._stop_feeding.set()
        if self._feeding is not None:
            self._feeding.join(ANSWERS_WITHIN)
            self._feeding = None
        if self._feeder is not None:
            self._fed_before += self._feeder.fed
            self._feeder = None

    def state(self) -> State:
        """What it holds and has seen."""
        broker, feeder, feeding = self._broker, self._feeder, self._feeding
        return self._thread.call(
            lambda: State(
                messages=broker.queue.counts(),
                connections=broker.connections,
                accepted=broker.accepted,
                tokens=self._issuer.issued,
                fed=self._fed_before + (0 if feeder is None else feeder.fed),
                feeding=feeding is not None and feeding.is_alive(),
                listening=broker.listening,
            )
        )

    def completed(self) -> list[tuple[int, str]]:
        """Sequence number and id of each completed message, in the order of completion."""
        return self._thread.call(self._broker.queue.completed)

    def dead_letters(self) -> list[DeadLetter]:
        """What lies among the dead letters."""
        buried = self._broker.queue.dead_letters
        if buried is None:
            return []
        return [
            DeadLetter(
                entry.sequence,
                entry.message.label,
                entry.message.properties["DeadLetterReason"],
                entry.message.properties["DeadLetterErrorDescription"],
            )
            for entry in self._thread.call(lambda: list(buried.entries()))
        ]

    def fault(self, kind: Kind, **options: Any) -> int:  # noqa: ANN401 - each option has its own type
        """Arm a fault; options are the attributes of ``faults.Fault``.

        Returns:
            A number to remove it by.
        """
        return self._thread.call(lambda: self._broker.arm(kind, **options))

    def faults(self) -> list[dict[str, Any]]:
        """Armed faults with how often each has struck."""
        return self._thread.call(self._broker.faults.listed)

    def clear(self, number: int | None = None) -> None:
        """Disarm one fault, or all."""
        faults = self._broker.faults
        self._thread.call(faults.clear if number is None else lambda: faults.remove(number))

    def govern(self, rules: Rules) -> None:
        """Give the queue other properties, for locks and messages to come."""
        self._thread.call(lambda: self._broker.govern(rules))

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

        self._thread.call(change)

    def stop(self) -> None:
        """Take the broker down: connections are reset and new ones refused, the queue stays."""
        self._thread.run(self._broker.stop)

    def start(self) -> None:
        """Bring the broker up again, on the same port."""
        self._thread.run(self._broker.start)


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
        # An end in good order would wait for clients, who keep their connections.
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            for server in self._server.servers:
                server.close()
        for transport in list(self._transports):
            transport.abort()
        while self._transports:
            await asyncio.sleep(0)
        self._listener.close()


@contextmanager
def running_iris(
    options: Options | None = None, *, lock: timedelta | None = None, clock: Clock = now
) -> Iterator[Iris]:
    """A sandbox that runs as long as the context.

    Args:
        options: How it is set up.
        lock: How long a delivery is locked, in place of what the options say.
        clock: What time it is for locks, messages and tokens.

    Raises:
        SandboxError: The port is taken.
    """
    chosen = options or Options()
    if lock is not None:
        chosen = replace(chosen, rules=replace(chosen.rules, lock=lock))
    with tempfile.TemporaryDirectory(prefix="iris-sandbox-") as folder:
        iris = Iris(chosen, Path(folder), clock)
        try:
            iris.begin()
            yield iris
        finally:
            iris.end()
