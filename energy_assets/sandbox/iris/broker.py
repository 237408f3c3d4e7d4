"""The broker: its socket, its queue, who may come in, and which fault strikes whom.

It belongs to the thread of one event loop. How a client is spoken with is the business of ``connection``.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.authority import Issuer
from energy_assets.sandbox.iris.certificates import HOST
from energy_assets.sandbox.iris.codec import Int
from energy_assets.sandbox.iris.connection import Connection, RefusedError, Session
from energy_assets.sandbox.iris.faults import ENDS_CONNECTION, Faults, Kind
from energy_assets.sandbox.iris.links import ConsumerLink, Link, ProducerLink, ReplyLink, RequestLink, text
from energy_assets.sandbox.iris.management import manage
from energy_assets.sandbox.iris.messages import Message, Request, reply
from energy_assets.sandbox.iris.queue import Clock, Queue, Rules

NAMESPACE = "elexon-insights-iris.servicebus.windows.net"
"""Name of the real service, which a client keeps while its connection is led to loopback."""

IDLE_SECONDS = 120.0
"""Silence after which the real service ends a connection."""

CBS = "$cbs"
MANAGEMENT = "/$management"

ACCEPTED, BAD_REQUEST, UNAUTHORIZED = 202, 400, 401
"""Answers to a token."""

PRE_SETTLED = 1
"""Settle mode of a consumer that settles nothing."""

SecondConsumer = Literal["compete", "refuse", "steal"]
"""What a second consumer of a queue meets: its share of the messages, a refusal, or the place of the first."""


class Broker:
    """A broker with one queue.

    Attributes:
        queue: The queue.
        faults: What goes wrong.
        idle_seconds: Silence after which a connection is ended; for connections to come.
        second_consumer: What a second consumer meets.
        accepted: Connections so far.
    """

    def __init__(self, queue: Queue, issuer: Issuer, clock: Clock, tls: ssl.SSLContext) -> None:
        self.queue = queue
        self.faults = Faults()
        self.idle_seconds = IDLE_SECONDS
        self.second_consumer: SecondConsumer = "compete"
        self.accepted = 0
        self._issuer = issuer
        self._clock = clock
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.port = 0

    # Its life.

    async def start(self) -> None:
        """Listen; on the same port as before, after the first time.

        Raises:
            SandboxError: The port is taken.
        """
        if self._server is not None:
            return
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self.port))
        except OSError as error:
            listener.close()
            raise SandboxError(f"port {self.port} of {HOST} cannot be used ({error.strerror})") from error
        self.port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(partial(Connection, self), sock=listener, ssl=self._tls)

    async def stop(self) -> None:
        """Listen no more, and reset all connections."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._forget_timer()
        for connection in list(self._connections):
            connection.reset()
        while self._connections:
            await asyncio.sleep(0)

    @property
    def listening(self) -> bool:
        """Whether clients can come."""
        return self._server is not None

    @property
    def connections(self) -> int:
        """Connections that stand."""
        return len(self._connections)

    def joined(self, connection: Connection) -> None:
        """A client has come."""
        self.accepted += 1
        self._connections.add(connection)

    def left(self, connection: Connection) -> None:
        """A client has gone."""
        self._connections.discard(connection)

    # Messages.

    def put(self, messages: Sequence[Message]) -> list[int]:
        """Take messages in, and deliver them to consumers that wait."""
        numbers = self.queue.put(messages)
        self.wake()
        return numbers

    def wake(self) -> None:
        """Deliver what is ready, and come back when a lock ends."""
        for connection in list(self._connections):
            connection.pump()
        self.mind_locks()

    def serve(self) -> None:
        """Deliver what a client's words have made ready for others."""
        if any(queue.ready for queue in self._queues()):
            self.wake()

    def mind_locks(self) -> None:
        """Look at the locks when the next one ends: what was held then goes to who waits."""
        if self._timer is not None or not self.listening:
            return
        ends = [end for end in (queue.next_end() for queue in self._queues()) if end is not None]
        if ends:
            wait = max(0.0, (min(ends) - self._clock()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(wait, self._locks_end)

    def govern(self, rules: Rules) -> None:
        """Give the queue other properties, for locks and messages to come."""
        for queue in self._queues():
            queue.rules = rules
        self._forget_timer()

    def _locks_end(self) -> None:
        self._timer = None
        for queue in self._queues():
            queue.expire()
        self.wake()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _queues(self) -> list[Queue]:
        buried = self.queue.dead_letters
        return [self.queue] if buried is None else [self.queue, buried]

    # Faults.

    def arm(self, kind: Kind, **options: Any) -> int:  # noqa: ANN401 - each option has its own type
        """Arm a fault; one that strikes now strikes every connection, and is over unless it is a black hole.

        Returns:
            A number to remove it by.
        """
        number, fault = self.faults.add(kind, **options)
        if fault.point == "now":
            for connection in list(self._connections):
                connection.befall(fault)
            if fault.kind in ENDS_CONNECTION and fault.kind != "black_hole":
                self.faults.remove(number)
        return number

    # Links.

    def link(self, session: Session, fields: Mapping[str, Any]) -> Link:
        """The link that a client asks for.

        Raises:
            RefusedError: It may not have it.
        """
        receives = bool(fields["role"])
        node = _node(fields["source" if receives else "target"])
        make = partial(_made, session, str(fields["name"]), int(fields["handle"]), node)
        if node == CBS:
            return make(ReplyLink) if receives else make(RequestLink, serve=partial(self._token, session))
        self._admit(session, node)
        queue = self._queue(node.removesuffix(MANAGEMENT))
        if node.endswith(MANAGEMENT):
            return make(ReplyLink) if receives else make(RequestLink, serve=partial(self._manage, session, node, queue))
        if not receives:
            return make(ProducerLink, queue=queue)
        self._consumer_comes(queue)
        return make(ConsumerLink, queue=queue, locks=fields["snd_settle_mode"] != PRE_SETTLED)

    def _queue(self, node: str) -> Queue:
        for queue in self._queues():
            if queue.name.casefold() == node.casefold():
                return queue
        raise RefusedError("amqp:not-found", f"The messaging entity '{NAMESPACE}/{node}' could not be found.")

    def _admit(self, session: Session, node: str) -> None:
        """Refuse who has shown no token that is for the queue and has time left."""
        now = self._clock()
        for audience, expiry in session.connection.grants.items():
            entity = urlsplit(audience).path.strip("/").casefold()
            if expiry > now and node.casefold().startswith(entity):
                return
        raise RefusedError(
            "amqp:unauthorized-access",
            f"Unauthorized access. 'Listen' claim(s) are required to perform this operation. Resource: '{node}'.",
        )

    def _consumer_comes(self, queue: Queue) -> None:
        for fault in self.faults.hits("attach"):
            raise RefusedError(fault.error, "The sandbox was asked to refuse this link.")
        others = [
            (session, link)
            for connection in self._connections
            for session in connection.sessions.values()
            for link in session.consumers()
            if link.queue is queue
        ]
        if others and self.second_consumer == "refuse":
            raise RefusedError("amqp:resource-limit-exceeded", "The queue has a consumer, and allows one.")
        if self.second_consumer == "steal":
            for session, link in others:
                session.drop(link, "amqp:link:stolen", "Another consumer has taken the queue.")

    def refusal(self, token: str) -> str | None:
        """Why a token is none that opens the queue; ``None`` for one that does."""
        expiry = self._issuer.expiry(token)
        if expiry is None:
            return "InvalidSignature: The token has an invalid signature."
        return None if expiry > self._clock() else "ExpiredToken: The token is expired."

    def _token(self, session: Session, request: Request) -> None:
        """Check a token that a client shows."""
        token, name = text(request.value or ""), text(request.properties.get("name", ""))
        status, said = ACCEPTED, "Accepted"
        refusal = self.refusal(token)
        if refusal is not None:
            status, said = UNAUTHORIZED, refusal
        if text(request.properties.get("operation", "")) != "put-token":
            status, said = BAD_REQUEST, "The only operation of this node is put-token."
        for fault in self.faults.hits("token"):
            status, said = fault.status, "The sandbox was asked to refuse this token."
        if not status:
            return
        if status == ACCEPTED:
            self._grant(session, name, self._issuer.expiry(token) or 0)
        _reply(session, CBS, reply(request.message_id, {"status-code": Int(status), "status-description": said}))

    def _grant(self, session: Session, name: str, expiry: int) -> None:
        connection = session.connection
        connection.grants[name] = expiry

        def over() -> None:
            # A newer token may have been shown since.
            if connection.grants.get(name) == expiry:
                connection.detach("amqp:unauthorized-access", "ExpiredToken: The token is expired.")

        connection.later(max(0.0, (expiry - self._clock()) / 1000), over)

    def _manage(self, session: Session, node: str, queue: Queue, request: Request) -> None:
        _reply(session, node, manage(queue, request))
        self.wake()


def _made(session: Session, name: str, handle: int, node: str, kind: Callable[..., Link], **options: Any) -> Link:  # noqa: ANN401
    return kind(session, name, handle, node, **options)


def _reply(session: Session, node: str, payload: bytes) -> None:
    """Send an answer over the link that the client has made for answers of the node."""
    for link in session.links.values():
        if isinstance(link, ReplyLink) and link.node == node:
            link.put(payload)
            return


def _node(terminus: Any) -> str:  # noqa: ANN401 - whatever the client sent
    """Path of what a source or target names: clients send it bare, or as an address."""
    address = text(terminus.value[0] or "") if terminus is not None and terminus.value else ""
    path = urlsplit(address).path if "://" in address else address
    return path.strip("/")
