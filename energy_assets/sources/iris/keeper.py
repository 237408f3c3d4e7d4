"""A batch of messages: made durable as segments, then completed, and nothing in between.

When batches are taken and what happens after a failure belong to ``listener``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from energy_assets.errors import SpoolError
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.envelope import Envelope
from energy_assets.sources.iris.message import body_of, enqueued_of, envelope_of, locked_until, shape_of
from energy_assets.sources.iris.refusals import in_short
from energy_assets.sources.iris.tally import Numbering, Tally

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusReceiver

logger = logging.getLogger(__name__)

BATCH_BYTES = 16_000_000
"""Bodies written as one segment: a fraction of a second on any disk, so that locks of a minute are never at risk."""

MESSAGE_BYTES = 100_000_000
"""The largest message that Service Bus takes at all: anything beyond is nobody's data, and would fill the memory."""

LOCK_PART = 0.25
"""Part of the shortest lock left that writing one segment may take; the rest is for the outcomes to travel."""

FIRST_SPEED = 50_000_000.0
"""Bytes a second that a disk is expected to write before it has been measured."""

WRITE_SECONDS = 60.0
"""A segment takes milliseconds; a disk that hangs this long has failed, and the locks have ended."""

SETTLE_SECONDS = 30.0
"""The outcomes of a batch take two round trips; after half a usual lock they will not come."""


class BrokenLinkError(Exception):
    """The link is of no more use; never leaves the listener.

    Attributes:
        cause: The word that it is counted by.
        reason: Why, in one line.
    """

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Taken:
    """A message in hand.

    Attributes:
        message: The message, to be completed.
        envelope: What is written of it.
        size: Bytes of its body.
    """

    message: ServiceBusReceivedMessage
    envelope: Envelope
    size: int


class Keeper:
    """Keeps the messages of one queue in one drop folder.

    Args:
        folder: The drop folder.
        queue: Name of the queue, which becomes the messages' origin.
        tally: What is counted.
        numbering: Sequence numbers seen.
        batch_bytes: Bodies in one segment.
        message_bytes: Largest body that is kept.
        clock: The present, aware UTC.

    Attributes:
        lock: The longest lock seen.
        busy_until: Until when messages may be locked that came and were not completed.
    """

    def __init__(
        self,
        folder: DropFolder,
        queue: str,
        tally: Tally,
        numbering: Numbering,
        *,
        batch_bytes: int = BATCH_BYTES,
        message_bytes: int = MESSAGE_BYTES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.lock = timedelta()
        self.busy_until = clock()
        self._folder = folder
        self._queue = queue
        self._tally = tally
        self._numbering = numbering
        self._batch_bytes = batch_bytes
        self._message_bytes = message_bytes
        self._clock = clock
        self._speed = FIRST_SPEED
        self._shape_told = False

    async def keep(self, receiver: ServiceBusReceiver, messages: Sequence[ServiceBusReceivedMessage]) -> None:
        """Make messages durable, and then have the queue forget them.

        A message whose lock has ended is written all the same: it comes again, and the loader knows it then. Leaving it
        out would lose it where this machine's clock is ahead of the queue's by more than a lock.

        Raises:
            BrokenLinkError: The disk or the link failed; what was not completed comes again.
        """
        now = self._clock()
        kept = [taken for message in messages if (taken := await self._taken(receiver, message, now)) is not None]
        for piece in self._pieces(kept):
            await self._write(piece)
            await self._complete(receiver, piece)

    def expect_again(self) -> None:
        """Messages that were sent ahead and not taken are locked for as long as a lock lasts."""
        self.busy_until = max(self.busy_until, self._clock() + self.lock)

    async def _taken(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, now: datetime
    ) -> Taken | None:
        """A message as it is written; ``None`` for one that cannot be, which goes to the dead letters."""
        self._tally.received += 1
        try:
            body = body_of(message)
            envelope = envelope_of(message, body, self._queue, now)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            await self._bury(receiver, message, "Unreadable", in_short(error))
            return None
        if len(body) > self._message_bytes:
            await self._bury(receiver, message, "TooLarge", f"{len(body)} bytes, {self._message_bytes} at most")
            return None
        self._note(message, envelope, body, now)
        return Taken(message, envelope, len(body))

    def _note(self, message: ServiceBusReceivedMessage, envelope: Envelope, body: bytes, now: datetime) -> None:
        if not self._shape_told:
            self._shape_told = True
            logger.info("The first message has %s.", shape_of(message, body, now))
        if (until := locked_until(message)) is not None:
            self.lock = max(self.lock, until - now)
        self._tally.redelivered += envelope.delivery_count > 0
        if envelope.sequence_number is not None:
            self._numbering.see(envelope.sequence_number, envelope.enqueued_utc)
        enqueued = enqueued_of(message)
        if enqueued is not None:
            newest = self._tally.last_enqueued_utc
            self._tally.last_enqueued_utc = enqueued if newest is None else max(newest, enqueued)

    def _pieces(self, kept: Sequence[Taken]) -> Iterator[list[Taken]]:
        """The messages in segments that are small enough to be written well within the locks that are left."""
        piece: list[Taken] = []
        size = 0
        for taken in kept:
            if piece and size + taken.size > self._most_bytes(piece):
                yield piece
                piece, size = [], 0
            piece.append(taken)
            size += taken.size
        if piece:
            yield piece

    def _most_bytes(self, piece: Sequence[Taken]) -> float:
        until = locked_until(piece[0].message)
        if until is None:
            return self._batch_bytes
        left = max((until - self._clock()).total_seconds(), 0.0)
        # With no lock left nothing is gained by hurrying.
        return min(self._batch_bytes, left * LOCK_PART * self._speed) if left else self._batch_bytes

    async def _write(self, piece: Sequence[Taken]) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await asyncio.to_thread(self._folder.write_segment, [t.envelope for t in piece], self._clock())
        except (SpoolError, TimeoutError) as error:
            reason = str(error) or f"the disk has not written {len(piece)} messages in {WRITE_SECONDS:.0f} s"
            raise BrokenLinkError("write", reason) from error
        now, size = self._clock(), sum(t.size for t in piece)
        if size >= self._batch_bytes / 2:
            self._speed = size / max(time.monotonic() - began, 1e-6)
        self._tally.durable += len(piece)
        self._tally.bytes += size
        self._tally.saw_lag(max((now - t.envelope.enqueued_utc).total_seconds() for t in piece))

    async def _complete(self, receiver: ServiceBusReceiver, piece: Sequence[Taken]) -> None:
        """Complete all at once: each answer takes a round trip, and one after the other they would take two hundred.

        Raises:
            BrokenLinkError: Some outcome is neither a completion nor a lost lock.
        """
        from azure.servicebus.exceptions import MessageLockLostError

        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                outcomes = await asyncio.gather(
                    *(receiver.complete_message(t.message) for t in piece), return_exceptions=True
                )
        except TimeoutError as error:
            self._left_open(piece)
            raise BrokenLinkError("settle", f"no outcome within {SETTLE_SECONDS:.0f} s") from error
        failed = [(t, o) for t, o in zip(piece, outcomes, strict=True) if o is not None]
        self._tally.completed += len(piece) - len(failed)
        self._left_open([t for t, _ in failed])
        if broken := [o for _, o in failed if not isinstance(o, MessageLockLostError)]:
            raise BrokenLinkError("settle", in_short(broken[0])) from broken[0]

    def _left_open(self, messages: Sequence[Taken]) -> None:
        self._tally.unconfirmed += len(messages)
        ends = [until for t in messages if (until := locked_until(t.message)) is not None]
        self.busy_until = max([self.busy_until, *ends])

    async def _bury(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, reason: str, why: str
    ) -> None:
        """Put a message that cannot be stored among the dead letters, where it can be looked at.

        Raises:
            BrokenLinkError: The queue does not answer.
        """
        logger.error("A message cannot be kept and goes to the queue's dead letters (%s: %s).", reason, why)
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await receiver.dead_letter_message(message, reason=reason, error_description=why)
        except Exception as error:  # Whatever it is, the message stays with the queue, and the link is made anew.
            raise BrokenLinkError("settle", in_short(error)) from error
        self._tally.dead_lettered += 1
