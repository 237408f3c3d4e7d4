"""What a queue does with messages: locks, redelivery, dead letters, deferral, time to live.

A pure model: it has no sockets, no tasks and no clock of its own; whoever holds it says what time it is. All times are
milliseconds since 1970, UTC, as AMQP sends them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.messages import Message

DEAD_LETTERS = "$DeadLetterQueue"
"""Name of the sub-queue of dead letters, below the queue's."""

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""

MILLISECOND = timedelta(milliseconds=1)


class LockLostError(SandboxError):
    """The lock of a delivery has ended, or never was."""


class Outcome(StrEnum):
    """What a consumer does with a delivery, in the words of the management link."""

    COMPLETE = "completed"
    ABANDON = "abandoned"
    DEFER = "defered"
    DEAD_LETTER = "suspended"
    RELEASE = "released"


@dataclass(frozen=True, slots=True)
class Rules:
    """The properties of a queue.

    Attributes:
        lock: How long a delivery is locked.
        most_deliveries: Failed deliveries after which a message is a dead letter.
        ttl: How long a message lives that does not say so itself; IRIS keeps three days.
        bury_expired: Whether a message whose time is over becomes a dead letter instead of nothing.
    """

    lock: timedelta = timedelta(seconds=60)
    most_deliveries: int = 10
    ttl: timedelta = timedelta(days=3)
    bury_expired: bool = False


@dataclass(slots=True)
class Entry:
    """A message in a queue.

    Attributes:
        sequence: Its number, which it keeps.
        message: The message.
        enqueued: When it came.
        expires: When its time is over.
        failed: Deliveries that have failed.
    """

    sequence: int
    message: Message
    enqueued: int
    expires: int
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a consumer holds.

    Attributes:
        token: Name of the lock.
        entry: The message.
        locked_until: When the lock ends.
    """

    token: UUID
    entry: Entry
    locked_until: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages are where.

    Attributes:
        ready: Wait for a consumer.
        locked: Are held by one.
        deferred: Were set aside.
        dead_lettered: Lie among the dead letters.
        completed: Were completed.
        expired: Outlived their time and are gone.
        accepted: Ever came.
        deliveries: Were handed out, counting each time.
    """

    ready: int
    locked: int
    deferred: int
    dead_lettered: int
    completed: int
    expired: int
    accepted: int
    deliveries: int


@dataclass(slots=True)
class _Tally:
    accepted: int = 0
    deliveries: int = 0
    expired: int = 0
    completed: list[tuple[int, str]] = field(default_factory=list)


class Queue:
    """One queue with its dead letters.

    Attributes:
        name: Its path.
        rules: Its properties; may be replaced while it lives.
        dead_letters: The queue of its dead letters; ``None`` for one that is such a queue itself.
    """

    def __init__(self, name: str, clock: Clock, rules: Rules | None = None, *, buried: bool = False) -> None:
        self.name = name
        self.rules = rules or Rules()
        self.dead_letters = None if buried else Queue(f"{name}/{DEAD_LETTERS}", clock, self.rules, buried=True)
        self._clock = clock
        self._next = 1
        self._entries: dict[int, Entry] = {}
        self._ready: list[int] = []
        self._deferred: set[int] = set()
        self._locks: dict[UUID, Delivery] = {}
        self._ends: list[tuple[int, UUID]] = []
        self._random = random.Random(name)
        self._tally = _Tally()

    def put(self, messages: Iterable[Message], *, enqueued: int | None = None) -> list[int]:
        """Take messages in.

        Args:
            messages: The messages.
            enqueued: When they came; now by default.

        Returns:
            Their numbers.
        """
        now = self._clock() if enqueued is None else enqueued
        numbers = []
        for message in messages:
            ttl = self.rules.ttl if message.ttl is None else message.ttl
            self._admit(Entry(self._next, message, now, now + ttl // MILLISECOND))
            numbers.append(self._next)
            self._next += 1
        self._tally.accepted += len(numbers)
        return numbers

    def _admit(self, entry: Entry) -> None:
        self._entries[entry.sequence] = entry
        heapq.heappush(self._ready, entry.sequence)

    def acquire(self, most: int) -> list[Delivery]:
        """Lock up to so many messages that are ready, those with the lowest numbers first."""
        self.expire()
        now = self._clock()
        until = now + self.rules.lock // MILLISECOND
        taken: list[Delivery] = []
        while self._ready and len(taken) < most:
            entry = self._entries[heapq.heappop(self._ready)]
            if entry.expires <= now:
                self._outlived(entry)
                continue
            taken.append(self._lock(entry, until))
        return taken

    def _lock(self, entry: Entry, until: int) -> Delivery:
        delivery = Delivery(UUID(int=self._random.getrandbits(128)), entry, until)
        self._locks[delivery.token] = delivery
        heapq.heappush(self._ends, (until, delivery.token))
        self._tally.deliveries += 1
        return delivery

    def _outlived(self, entry: Entry) -> None:
        if self.rules.bury_expired and self.dead_letters is not None:
            self._bury(entry, "TTLExpiredException", "The message expired and was dead lettered.")
            return
        self._remove(entry)
        self._tally.expired += 1

    def _remove(self, entry: Entry) -> None:
        del self._entries[entry.sequence]
        self._deferred.discard(entry.sequence)

    def _bury(self, entry: Entry, reason: str, description: str) -> None:
        if self.dead_letters is None:
            # There is nothing below the dead letters: what fails there stays there.
            heapq.heappush(self._ready, entry.sequence)
            return
        self._remove(entry)
        marked = entry.message.marked({"DeadLetterReason": reason, "DeadLetterErrorDescription": description})
        # Dead letters do not grow old.
        self.dead_letters._admit(Entry(entry.sequence, marked, entry.enqueued, 2**62, entry.failed))
        self.dead_letters._tally.accepted += 1

    def settle(self, token: UUID, outcome: Outcome, marks: Mapping[str, str] | None = None) -> None:
        """End a lock with an outcome.

        Args:
            token: Name of the lock.
            outcome: What becomes of the message.
            marks: Reason and description of a dead letter.

        Raises:
            LockLostError: The lock has ended before.
        """
        self.expire()
        delivery = self._locks.pop(token, None)
        if delivery is None:
            raise LockLostError(
                "The lock supplied is invalid. Either the lock expired, or the message has already been removed from "
                "the queue."
            )
        entry = delivery.entry
        if outcome is Outcome.COMPLETE:
            self._remove(entry)
            self._tally.completed.append((entry.sequence, entry.message.label))
        elif outcome is Outcome.DEFER:
            self._deferred.add(entry.sequence)
        elif outcome is Outcome.DEAD_LETTER:
            given = marks or {}
            self._bury(entry, given.get("DeadLetterReason", ""), given.get("DeadLetterErrorDescription", ""))
        elif outcome is Outcome.RELEASE:
            self._return(entry)
        else:
            self._fail(entry)

    def _return(self, entry: Entry) -> None:
        """Make a message ready again, unless it was set aside before."""
        if entry.sequence not in self._deferred:
            heapq.heappush(self._ready, entry.sequence)

    def _fail(self, entry: Entry) -> None:
        entry.failed += 1
        if entry.failed >= self.rules.most_deliveries:
            self._bury(
                entry,
                "MaxDeliveryCountExceeded",
                f"Message could not be consumed after {self.rules.most_deliveries} delivery attempts.",
            )
        else:
            self._return(entry)

    def renew(self, token: UUID) -> int:
        """Lengthen a lock by its full time from now.

        Returns:
            When it ends.

        Raises:
            LockLostError: The lock has ended before.
        """
        self.expire()
        held = self._locks.get(token)
        if held is None:
            raise LockLostError("The lock supplied is invalid; it cannot be renewed.")
        until = self._clock() + self.rules.lock // MILLISECOND
        self._locks[token] = Delivery(token, held.entry, until)
        heapq.heappush(self._ends, (until, token))
        return until

    def expire(self) -> int:
        """End the locks whose time is over.

        Returns:
            How many there were.
        """
        now, ended = self._clock(), 0
        while self._ends and self._ends[0][0] <= now:
            until, token = heapq.heappop(self._ends)
            delivery = self._locks.get(token)
            # Settled ones are gone, and renewed ones stand further back as well.
            if delivery is not None and delivery.locked_until == until:
                del self._locks[token]
                self._fail(delivery.entry)
                ended += 1
        return ended

    def next_end(self) -> int | None:
        """When the next lock may end; ``None`` where there is none."""
        while self._ends and self._ends[0][1] not in self._locks:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def peek(self, first: int, most: int) -> list[Entry]:
        """Up to so many messages from a number on, whoever holds them."""
        self.expire()
        now = self._clock()
        found = sorted(n for n, entry in self._entries.items() if n >= first and entry.expires > now)
        return [self._entries[number] for number in found[:most]]

    def receive_deferred(self, numbers: Iterable[int]) -> list[Delivery]:
        """Lock messages that were set aside.

        Raises:
            LockLostError: One of them is not set aside, or held already.
        """
        self.expire()
        wanted = list(numbers)
        held = {delivery.entry.sequence for delivery in self._locks.values()}
        if any(number not in self._deferred or number in held for number in wanted):
            raise LockLostError("Failed to lock one or more specified messages. The message does not exist.")
        until = self._clock() + self.rules.lock // MILLISECOND
        return [self._lock(self._entries[number], until) for number in wanted]

    def counts(self) -> Counts:
        """How many messages are where."""
        self.expire()
        buried = 0 if self.dead_letters is None else len(self.dead_letters._entries)
        tally = self._tally
        return Counts(
            ready=len(self._ready),
            locked=len(self._locks),
            deferred=len(self._deferred),
            dead_lettered=buried,
            completed=len(tally.completed),
            expired=tally.expired,
            accepted=tally.accepted,
            deliveries=tally.deliveries,
        )

    @property
    def ready(self) -> int:
        """Messages that wait for a consumer."""
        return len(self._ready)

    def completed(self) -> list[tuple[int, str]]:
        """Number and id of each completed message, in the order of completion."""
        return list(self._tally.completed)

    def entries(self) -> Iterator[Entry]:
        """All messages in the queue by number."""
        return (self._entries[number] for number in sorted(self._entries))
