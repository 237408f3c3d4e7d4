"""What goes on over one link: a consumer's deliveries, requests and their answers, messages that a client sends.

Frames of a connection and its sessions are the business of ``connection``; what a queue does with a message is that of
``queue``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from energy_assets.sandbox.iris.codec import CodecError, Described, Ulong, encode
from energy_assets.sandbox.iris.faults import Fault, Faults
from energy_assets.sandbox.iris.frames import error
from energy_assets.sandbox.iris.messages import Request, delivered, read_message, read_request
from energy_assets.sandbox.iris.queue import Delivery, LockLostError, Outcome, Queue

BATCH = 200
"""Messages that are locked at once: enough to fill a write, few enough that none waits long for its turn."""

CREDIT = 100
"""Messages that a client may send before it is given more credit."""

LOCK_LOST = "com.microsoft:message-lock-lost"

ACCEPTED = Described(Ulong(0x24), [])
_ACCEPTED = encode(ACCEPTED)
_ECHOES = {Outcome.COMPLETE: _ACCEPTED, Outcome.DEAD_LETTER: encode(Described(Ulong(0x25), []))}
"""Outcomes as they are confirmed; a rejection with its reason in it would say that the settlement failed."""

Fields = Mapping[str, Any]


class Carrier(Protocol):
    """What a link needs of its session."""

    faults: Faults

    @property
    def open(self) -> bool:
        """Whether anything can be sent at present."""
        ...

    def deliver(self, link: SendingLink, tag: bytes, payload: bytes, *, settled: bool) -> int:
        """Send a message and give the delivery's number."""
        ...

    def grant(self, link: Link, credit: int) -> None:
        """Tell a client how much it may send."""
        ...

    def report(self, link: SendingLink) -> None:
        """Tell a client how far its credit is used up."""
        ...

    def answer(self, first: int, last: int, outcome: bytes, *, role: bool) -> None:
        """Tell the settled outcome of deliveries."""
        ...

    def befall(self, fault: Fault) -> None:
        """Let a fault happen to the whole connection."""
        ...

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a while, if the connection is still there."""
        ...


class Link:
    """One link of a session.

    Attributes:
        name: Its name, as the client chose it.
        handle: Its number in the session.
        node: Path of what it leads to.
    """

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str) -> None:
        self.carrier = carrier
        self.name = name
        self.handle = handle
        self.node = node

    def attached(self) -> None:
        """The client has been told that the link stands."""

    def flow(self, fields: Fields) -> None:
        """The client has told of credit."""

    def detached(self) -> None:
        """The link has ended."""


class SendingLink(Link):
    """A link over which the broker sends."""

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str) -> None:
        super().__init__(carrier, name, handle, node)
        self.sent = 0
        self.credit = 0

    def flow(self, fields: Fields) -> None:
        """Take note of the credit, and send what it allows."""
        self.credit = max(0, (fields["delivery_count"] or 0) + (fields["link_credit"] or 0) - self.sent)
        self.pump()
        if fields["drain"]:
            self.sent += self.credit
            self.credit = 0
        if fields["drain"] or fields["echo"]:
            self.carrier.report(self)

    def pump(self) -> None:
        """Send what there is and credit allows."""

    def _send(self, tag: bytes, payload: bytes, *, settled: bool) -> int:
        number = self.carrier.deliver(self, tag, payload, settled=settled)
        self.sent += 1
        self.credit -= 1
        return number


class ReplyLink(SendingLink):
    """Carries answers to requests."""

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str) -> None:
        super().__init__(carrier, name, handle, node)
        self._waiting: deque[bytes] = deque()

    def put(self, payload: bytes) -> None:
        """Send an answer as soon as there is credit."""
        self._waiting.append(payload)
        self.pump()

    def pump(self) -> None:
        """Send the answers that wait."""
        while self._waiting and self.credit and self.carrier.open:
            self._send(self.sent.to_bytes(8, "big"), self._waiting.popleft(), settled=True)


class ConsumerLink(SendingLink):
    """Delivers a queue's messages and settles them.

    Attributes:
        queue: The queue.
        locks: Whether deliveries are locked until they are settled; else they are gone when they are sent.
    """

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str, queue: Queue, *, locks: bool) -> None:
        super().__init__(carrier, name, handle, node)
        self.queue = queue
        self.locks = locks
        self._held: deque[Delivery] = deque()
        self._unsettled: dict[int, UUID] = {}
        self._slowed = False
        self._ended = False

    def detached(self) -> None:
        """Send nothing more; what is locked stays so until its locks end, as in the real service."""
        self._ended = True

    def pump(self) -> None:
        """Send what is ready, as far as credit and the connection allow."""
        while self.credit and self.carrier.open and not self._slowed and not self._ended:
            if not self._held and not self._take():
                return
            self._one(self._held.popleft())

    def _take(self) -> bool:
        batch = self.queue.acquire(min(self.credit, BATCH))
        if self.carrier.faults.shuffles():
            self.carrier.faults.random.shuffle(batch)
        self._held.extend(batch)
        return bool(batch)

    def _one(self, delivery: Delivery) -> None:
        entry, until = delivery.entry, delivery.locked_until
        payload = delivered(entry.message, entry.failed, entry.sequence, entry.enqueued, until if self.locks else None)
        number = self._send(delivery.token.bytes_le, payload, settled=not self.locks)
        if self.locks:
            self._unsettled[number] = delivery.token
        else:
            self.queue.settle(delivery.token, Outcome.COMPLETE)
        for fault in self.carrier.faults.hits("delivery"):
            self._befall(fault, delivery)

    def _befall(self, fault: Fault, delivery: Delivery) -> None:
        if fault.kind == "duplicate":
            self.queue.put([delivery.entry.message])
        elif fault.kind == "slow":
            self._slowed = True
            self.carrier.later(fault.seconds, self._resume)
        else:
            self.carrier.befall(fault)

    def _resume(self) -> None:
        self._slowed = False
        self.pump()

    def unsettled(self, first: int, last: int) -> list[int]:
        """Deliveries of this link in a range, by number."""
        if last - first < len(self._unsettled):
            return [number for number in range(first, last + 1) if number in self._unsettled]
        return sorted(number for number in self._unsettled if first <= number <= last)

    def settle(self, numbers: list[int], state: Described, *, settled: bool) -> None:
        """Settle deliveries as a client asks for it, and answer where it waits for an answer."""
        outcome, marks = outcome_of(state)
        good = _ECHOES.get(outcome) or encode(state)
        answers: list[tuple[int, bytes]] = []
        for number in numbers:
            refusal = self._settle(number, outcome, marks)
            if refusal is not None:
                answers.append((number, good if not refusal else _refused(refusal)))
        if settled:
            return
        if len(answers) == len(numbers) and all(answer == good for _, answer in answers):
            self.carrier.answer(numbers[0], numbers[-1], good, role=False)
            return
        for number, answer in answers:
            self.carrier.answer(number, number, answer, role=False)

    def _settle(self, number: int, outcome: Outcome, marks: Mapping[str, str]) -> str | None:
        """Settle one; gives why it was refused, nothing for done, ``None`` where no answer is due."""
        token = self._unsettled.pop(number)
        applied, silent, lost = True, False, False
        for fault in self.carrier.faults.hits("settlement"):
            if fault.kind == "swallow":
                applied, silent = fault.applied, True
            elif fault.kind == "lock_lost":
                applied, lost = False, True
            else:
                self.carrier.befall(fault)
        refusal = "The lock supplied is invalid." if lost else ""
        if applied:
            try:
                self.queue.settle(token, outcome, marks)
            except LockLostError as reason:
                refusal = str(reason)
        return None if silent else refusal


def _refused(why: str) -> bytes:
    return encode(Described(Ulong(0x25), [error(LOCK_LOST, why)]))


def outcome_of(state: Described) -> tuple[Outcome, dict[str, str]]:
    """What a client's delivery state asks for, and the marks of a dead letter.

    Raises:
        CodecError: It is no outcome.
    """
    fields = list(state.value) if isinstance(state.value, list) else []
    if state.descriptor == 0x24:
        return Outcome.COMPLETE, {}
    if state.descriptor == 0x25:
        return Outcome.DEAD_LETTER, _marks(fields[0] if fields else None)
    if state.descriptor == 0x26:
        return Outcome.RELEASE, {}
    if state.descriptor == 0x27:
        failed, elsewhere = ([*fields, None, None])[:2]
        return (Outcome.DEFER if elsewhere else Outcome.ABANDON if failed else Outcome.RELEASE), {}
    raise CodecError(f"0x{int(state.descriptor):02x} is no outcome")


def _marks(given: Any) -> dict[str, str]:  # noqa: ANN401 - whatever the client sent
    parts = given.value if isinstance(given, Described) else given
    info = parts[2] if isinstance(parts, list) and len(parts) > 2 and parts[2] else {}
    return {text(key): text(value) for key, value in info.items() if value is not None}


def text(value: Any) -> str:  # noqa: ANN401 - clients send bytes where names are meant
    """A name or text, however it was sent."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class ReceivingLink(Link):
    """A link over which a client sends."""

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str) -> None:
        super().__init__(carrier, name, handle, node)
        self._payload = bytearray()
        self._number: int | None = None
        self._left = 0
        self.received = 0

    def attached(self) -> None:
        """Give the client credit."""
        self._grant()

    def _grant(self) -> None:
        self._left = CREDIT
        self.carrier.grant(self, CREDIT)

    def transfer(self, fields: Fields, payload: bytes) -> None:
        """Take a part of a message, and the whole when it is there."""
        if fields["delivery_id"] is not None:
            self._number = int(fields["delivery_id"])
        self._payload += payload
        if fields["more"]:
            return
        whole, self._payload = bytes(self._payload), bytearray()
        self.received += 1
        self._left -= 1
        self.take(whole)
        if not fields["settled"] and self._number is not None:
            self.carrier.answer(self._number, self._number, _ACCEPTED, role=True)
        if self._left < CREDIT // 2:
            self._grant()

    def take(self, payload: bytes) -> None:
        """Deal with a message."""
        raise NotImplementedError


class RequestLink(ReceivingLink):
    """Takes requests and has them answered."""

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str, serve: Callable[[Request], None]) -> None:
        super().__init__(carrier, name, handle, node)
        self._serve = serve

    def take(self, payload: bytes) -> None:
        """Answer a request."""
        self._serve(read_request(payload))


class ProducerLink(ReceivingLink):
    """Takes messages into a queue."""

    def __init__(self, carrier: Carrier, name: str, handle: int, node: str, queue: Queue) -> None:
        super().__init__(carrier, name, handle, node)
        self._queue = queue

    def take(self, payload: bytes) -> None:
        """Put a message into the queue."""
        self._queue.put([read_message(payload)])
