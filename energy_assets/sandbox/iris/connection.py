"""One client's connection: headers, opening, sessions, and handing frames to the links that they are for.

The state of the protocol belongs here. Which queues there are and who may come in is said by the ``Host``; what goes
on over a link is the business of ``links``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from energy_assets.sandbox.iris.codec import CodecError, Described, Symbol
from energy_assets.sandbox.iris.faults import Fault, Faults
from energy_assets.sandbox.iris.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    MAX_FRAME,
    SASL_HEADER,
    FrameBuffer,
    Kind,
    error,
    read_frame,
    symbols,
    write_disposition,
    write_frame,
    write_transfers,
)
from energy_assets.sandbox.iris.links import ConsumerLink, Link, ReceivingLink, SendingLink

logger = logging.getLogger(__name__)

MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
"""What the real service offers; all lead on to the check of a token."""

CHANNEL_MAX = 4999
HANDLE_MAX = 255
"""As the real service announces them."""

WINDOW = 2**31 - 1
"""Transfers that a client may send in a session: more than any sends, so that it is never told again."""

MAX_MESSAGE = 100 * 2**20
"""Largest message, as the service's larger offer has it."""

WRITE_BUFFER = 2**20
"""Bytes that wait for the client before the broker stops giving it more."""

GARBAGE_BYTES = 512

Fields = Mapping[str, Any]


class RefusedError(Exception):
    """A link is refused.

    Attributes:
        condition: The error's condition.
    """

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(description)
        self.condition = condition


class Host(Protocol):
    """What a connection needs of its broker."""

    faults: Faults
    idle_seconds: float

    def joined(self, connection: Connection) -> None:
        """A client has come."""
        ...

    def left(self, connection: Connection) -> None:
        """A client has gone."""
        ...

    def link(self, session: Session, fields: Fields) -> Link:
        """The link that an attach asks for; raises ``RefusedError``."""
        ...

    def serve(self) -> None:
        """Deliver what a client's words have made ready."""
        ...

    def mind_locks(self) -> None:
        """Make sure that locks end when their time is over."""
        ...


class Session:
    """One session of a connection."""

    def __init__(self, connection: Connection, channel: int, fields: Fields) -> None:
        self.connection = connection
        self.channel = channel
        self.links: dict[int, Link] = {}
        self._next_transfer = 0
        self._next_delivery = 0
        self._next_incoming = int(fields["next_outgoing_id"] or 0)
        self._window = int(fields["incoming_window"] or 0)

    @property
    def faults(self) -> Faults:
        """The broker's faults."""
        return self.connection.host.faults

    @property
    def open(self) -> bool:
        """Whether the client takes more at present."""
        return self._window > 0 and self.connection.writable

    def deliver(self, link: SendingLink, tag: bytes, payload: bytes, *, settled: bool) -> int:
        """Send a message, in as many frames as it needs."""
        number = self._next_delivery
        self._next_delivery += 1
        frames = write_transfers(self.channel, link.handle, number, tag, payload, settled=settled)
        used = -(-len(frames) // MAX_FRAME)
        self._next_transfer += used
        self._window -= used
        self.connection.send(frames)
        return number

    def grant(self, link: Link, credit: int) -> None:
        """Tell a client how much it may send."""
        received = link.received if isinstance(link, ReceivingLink) else 0
        self._flow(handle=link.handle, delivery_count=received, link_credit=credit)

    def report(self, link: SendingLink) -> None:
        """Tell a client how far its credit is used up."""
        self._flow(handle=link.handle, delivery_count=link.sent, link_credit=link.credit, available=0)

    def _flow(self, **fields: int) -> None:
        own = {"next_incoming_id": self._next_incoming, "incoming_window": WINDOW}
        own |= {"next_outgoing_id": self._next_transfer, "outgoing_window": WINDOW}
        self.connection.send(write_frame(Kind.FLOW, self.channel, **own, **fields))

    def answer(self, first: int, last: int, outcome: bytes, *, role: bool) -> None:
        """Tell the settled outcome of deliveries."""
        self.connection.send(write_disposition(self.channel, first, last, outcome, role=role))

    def befall(self, fault: Fault) -> None:
        """Let a fault happen to the connection."""
        self.connection.befall(fault)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a while, if the connection is still there."""
        self.connection.later(seconds, action)

    def begin(self) -> None:
        """Answer the client's begin."""
        fields = {"remote_channel": self.channel, "next_outgoing_id": 0, "incoming_window": WINDOW}
        fields |= {"outgoing_window": WINDOW, "handle_max": HANDLE_MAX}
        self.connection.send(write_frame(Kind.BEGIN, self.channel, **fields))

    def attach(self, fields: Fields) -> None:
        """Let a client have a link, or refuse it: an attach without its source or target, and the reason."""
        client_receives = bool(fields["role"])
        answer = {
            "name": fields["name"],
            "handle": fields["handle"],
            "role": not client_receives,
            "snd_settle_mode": fields["snd_settle_mode"],
            "rcv_settle_mode": fields["rcv_settle_mode"],
            "initial_delivery_count": 0 if client_receives else None,
            "max_message_size": MAX_MESSAGE,
            "properties": fields["properties"],
        }
        try:
            link = self.connection.host.link(self, fields)
        except RefusedError as refused:
            kept = "target" if client_receives else "source"
            self.connection.send(write_frame(Kind.ATTACH, self.channel, **answer, **{kept: fields[kept]}))
            self._detach(int(fields["handle"]), refused.condition, str(refused))
            return
        answer |= {"source": fields["source"], "target": fields["target"]}
        self.links[link.handle] = link
        self.connection.send(write_frame(Kind.ATTACH, self.channel, **answer))
        link.attached()

    def _detach(self, handle: int, condition: str, description: str) -> None:
        fields = {"handle": handle, "closed": True, "error": error(condition, description)}
        self.connection.send(write_frame(Kind.DETACH, self.channel, **fields))

    def drop(self, link: Link, condition: str, description: str) -> None:
        """End a link from our side."""
        if self.links.pop(link.handle, None) is not None:
            link.detached()
            self._detach(link.handle, condition, description)

    def detach(self, fields: Fields) -> None:
        """A client ends a link; the answer is due only where we have not ended it before."""
        link = self.links.pop(int(fields["handle"]), None)
        if link is not None:
            link.detached()
            self.connection.send(
                write_frame(Kind.DETACH, self.channel, handle=link.handle, closed=bool(fields["closed"]))
            )

    def flow(self, fields: Fields) -> None:
        """A client tells how much it takes."""
        self._window = int(fields["next_incoming_id"] or 0) + int(fields["incoming_window"]) - self._next_transfer
        link = None if fields["handle"] is None else self.links.get(int(fields["handle"]))
        if link is not None:
            link.flow(fields)
        self.pump()

    def transfer(self, fields: Fields, payload: bytes) -> None:
        """A client sends a part of a message."""
        self._next_incoming += 1
        link = self.links.get(int(fields["handle"]))
        if isinstance(link, ReceivingLink):
            link.transfer(fields, payload)

    def disposition(self, fields: Fields) -> None:
        """A client settles deliveries."""
        state = fields["state"]
        if not fields["role"] or not isinstance(state, Described) or state.descriptor == 0x23:
            return
        first = int(fields["first"])
        last = first if fields["last"] is None else int(fields["last"])
        for link in self.consumers():
            numbers = link.unsettled(first, last)
            if numbers:
                link.settle(numbers, state, settled=bool(fields["settled"]))

    def consumers(self) -> list[ConsumerLink]:
        """Links that deliver a queue's messages."""
        return [link for link in self.links.values() if isinstance(link, ConsumerLink)]

    def pump(self) -> None:
        """Let every link send what waits."""
        for link in list(self.links.values()):
            if isinstance(link, SendingLink):
                link.pump()

    def ended(self) -> None:
        """The session is over."""
        for link in self.links.values():
            link.detached()
        self.links.clear()


class Connection(asyncio.Protocol):
    """The server's side of a connection.

    Attributes:
        host: The broker.
        grants: When the tokens that the client has shown end, by what they are for; milliseconds since 1970.
        sessions: Sessions by channel.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.grants: dict[str, int] = {}
        self.sessions: dict[int, Session] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = FrameBuffer()
        self._out: list[bytes] = []
        self._waiting = 0
        self._paused = False
        self._deaf = False
        self._heard = self._loop.time()
        self._timers: set[asyncio.TimerHandle] = set()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a stream server gives
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.host.joined(self)
        self._watch()
        if self.host.faults.swallowing():
            self.go_deaf()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for session in self.sessions.values():
            session.ended()
        self.sessions.clear()
        self._transport = None
        self.host.left(self)

    def data_received(self, data: bytes) -> None:
        """Deal with what a client sends."""
        self._heard = self._loop.time()
        try:
            for part in self._buffer.feed(data):
                if self._over():
                    return
                self._take(part)
        except (CodecError, TypeError, AttributeError) as wrong:
            logger.info("The sandbox's broker closes a connection that does not speak AMQP: %s", wrong)
            self.close("amqp:decode-error", str(wrong))
        self.host.serve()

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self._paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        self.pump()

    # What links and the broker call.

    @property
    def writable(self) -> bool:
        """Whether the client keeps up, and there is one."""
        return not self._paused and not self._over() and self._waiting < WRITE_BUFFER

    def _over(self) -> bool:
        """Whether nothing is said or heard any more."""
        return self._deaf or self._transport is None or self._transport.is_closing()

    def send(self, data: bytes) -> None:
        """Send bytes; those of one turn of the loop go together, which is what makes the broker fast."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        self._waiting += len(data)

    def _flush(self) -> None:
        data, full = b"".join(self._out), self._waiting >= WRITE_BUFFER
        self._out.clear()
        self._waiting = 0
        if self._transport is not None and not self._over():
            self._transport.write(data)
        if full:
            self.pump()
        self.host.mind_locks()

    def pump(self) -> None:
        """Let every link send what waits."""
        for session in list(self.sessions.values()):
            session.pump()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a while, if the connection is still there."""
        timer: asyncio.TimerHandle

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = self._loop.call_later(seconds, act)
        self._timers.add(timer)

    def close(self, condition: str, description: str) -> None:
        """Close the connection with a reason."""
        if self._transport is None or self._deaf:
            return
        self.send(write_frame(Kind.CLOSE, error=error(condition, description)))
        self._flush()
        self._transport.close()

    def reset(self) -> None:
        """End the connection at once, with a reset."""
        if self._transport is None:
            return
        # Lingering for no time at all makes the kernel send a reset and not an orderly end.
        linger = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def go_deaf(self) -> None:
        """Neither read nor write any more."""
        self._deaf = True
        if self._transport is not None:
            self._transport.pause_reading()

    def detach(self, condition: str, description: str) -> None:
        """End the links of consumers."""
        for session in self.sessions.values():
            for link in session.consumers():
                session.drop(link, condition, description)

    def befall(self, fault: Fault) -> None:
        """Let a fault happen; what was to be sent before it goes out first."""
        self._flush()
        said = f"The sandbox was asked for this fault: {fault.kind}."
        if fault.kind == "reset":
            self.reset()
        elif fault.kind == "close":
            self.close(fault.error, said)
        elif fault.kind == "detach":
            self.detach(fault.error, said)
        elif fault.kind == "black_hole":
            self.go_deaf()
        elif fault.kind == "garbage":
            self.send(os.urandom(GARBAGE_BYTES))

    # What the client says.

    def _take(self, part: bytes) -> None:
        if part[:4] == b"AMQP":
            self._header(part)
            return
        frame = read_frame(part)
        if frame.kind is None:
            return
        session = self.sessions.get(frame.channel)
        if frame.kind is Kind.TRANSFER and session is not None:
            session.transfer(frame.fields, frame.payload)
        elif session is not None and frame.kind in _FOR_SESSIONS:
            _FOR_SESSIONS[frame.kind](session, frame.fields)
        elif frame.kind is Kind.SASL_INIT:
            self.send(write_frame(Kind.SASL_OUTCOME, code=0))
        elif frame.kind is Kind.OPEN:
            self._open(frame.fields)
        elif frame.kind is Kind.BEGIN:
            self.sessions[frame.channel] = Session(self, frame.channel, frame.fields)
            self.sessions[frame.channel].begin()
        elif frame.kind is Kind.END and session is not None:
            session.ended()
            del self.sessions[frame.channel]
            self.send(write_frame(Kind.END, frame.channel))
        elif frame.kind is Kind.CLOSE:
            self._closed()

    def _header(self, header: bytes) -> None:
        if header == SASL_HEADER:
            self.send(SASL_HEADER + write_frame(Kind.SASL_MECHANISMS, mechanisms=symbols(*MECHANISMS)))
        elif header == AMQP_HEADER:
            self.send(AMQP_HEADER)
        else:
            raise CodecError(f"{header!r} is no header of AMQP 1.0")

    def _open(self, fields: Fields) -> None:
        self.send(
            write_frame(
                Kind.OPEN,
                container_id="energy_assets-sandbox",
                max_frame_size=MAX_FRAME,
                channel_max=CHANNEL_MAX,
                idle_timeout=int(self.host.idle_seconds * 1000),
                properties={Symbol("product"): "energy_assets sandbox"},
            )
        )
        if fields["idle_timeout"]:
            self._keep_alive(int(fields["idle_timeout"]) / 2000)

    def _closed(self) -> None:
        self.send(write_frame(Kind.CLOSE))
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _keep_alive(self, seconds: float) -> None:
        """Show a client that asks for it that the connection lives."""
        self.send(EMPTY_FRAME)
        self.later(seconds, lambda: self._keep_alive(seconds))

    def _watch(self) -> None:
        """End a connection over which nothing has come for too long."""
        left = self._heard + self.host.idle_seconds - self._loop.time()
        if left > 0:
            self.later(left, self._watch)
        else:
            self.close("amqp:connection:forced", "The connection was inactive for more than the allowed time.")


_FOR_SESSIONS: dict[Kind, Callable[[Session, Fields], None]] = {
    Kind.ATTACH: Session.attach,
    Kind.FLOW: Session.flow,
    Kind.DISPOSITION: Session.disposition,
    Kind.DETACH: Session.detach,
}
