"""The listener: takes messages off the queue in batches, and lets the queue forget them once they are on disk.

One asyncio service, one connection, one drop folder. A message is completed only after the segment that holds it is
durable, so a kill at any moment costs repeated messages and never lost ones; the loader knows a message that it has
seen. How a batch is kept belongs to ``keeper``, how the outside hears of it to ``pulse``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from energy_assets.errors import SpoolError, UnreachableError
from energy_assets.sources.iris.connection import PREFETCH, Connection
from energy_assets.sources.iris.dropfolder import GIGABYTE, DropFolder
from energy_assets.sources.iris.heartbeat import DRAINED, Event, read_state
from energy_assets.sources.iris.keeper import BATCH_BYTES, MESSAGE_BYTES, BrokenLinkError, Keeper
from energy_assets.sources.iris.pulse import Pulse
from energy_assets.sources.iris.refusals import in_short, refusal
from energy_assets.sources.iris.tally import Numbering, Tally

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusReceiver

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
"""Longest wait for a first message; also how long a quiet listener takes to notice that it is to stop."""

HONEST_PART = 0.9
"""An empty answer that came sooner than this part of the wait did not wait: the link is dead and does not say so."""

ANSWER_SECONDS = 20.0
"""What the SDK gets beyond its own wait; it may open the link anew within a call."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
"""Pauses between attempts double from one to the other: a reset costs little, a long failure is not hammered."""

MOST_DOUBLINGS = 10
"""Doublings after which the longest pause is reached whatever it is."""

REFUSALS_BELIEVED = 3
"""Refusals in a row that end a listener which had been let in before: services refuse for moments while they move."""

ROOM_SECONDS = 5.0
"""How often a full disk is looked at again."""

ROOM_AGAIN = 1.05
"""Receiving begins again with this many times the least free space, so that it does not stop again at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long.

    Attributes:
        min_free_bytes: Free space below which nothing is received.
        silence_seconds: Time without a message after which the link is taken for dead.
        give_up_seconds: Time without the queue after which the listener ends.
        batch_bytes: Bodies in one segment.
        message_bytes: Largest body that is kept.
        wait_seconds: Longest wait for a first message.
        longest_pause_seconds: Longest pause between attempts.
        room_seconds: How often a full disk is looked at again.
    """

    min_free_bytes: float
    silence_seconds: float
    give_up_seconds: float
    batch_bytes: int = BATCH_BYTES
    message_bytes: int = MESSAGE_BYTES
    wait_seconds: float = WAIT_SECONDS
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS
    room_seconds: float = ROOM_SECONDS


async def listen(
    connection: Connection,
    folder: DropFolder,
    limits: Limits,
    stop: asyncio.Event,
    *,
    drain: bool = False,
    redact: Callable[[str], str] = str,
    secret_expires: date | None = None,
    on_progress: Callable[[Tally], None] = lambda tally: None,
    free_bytes: Callable[[], int] | None = None,
) -> Tally:
    """Listen until told to stop; the folder is this listener's alone meanwhile.

    Args:
        connection: The queue.
        folder: The drop folder.
        limits: How much and how long.
        stop: Set to end after the batch in hand.
        drain: End as well when the queue is empty and nothing of it is locked by a failure of ours.
        redact: Takes secrets out of what goes into heartbeats and errors.
        secret_expires: Day on which the client's secret ends.
        on_progress: Called on the event loop after each batch and each wait.
        free_bytes: Measures free space; that of the folder's disk by default.

    Returns:
        What was counted.

    Raises:
        SecondListenerError: Another listener holds the folder.
        RefusedError: Credentials or queue are refused.
        UnreachableError: The queue could not be reached for ``Limits.give_up_seconds``.
        SpoolError: The folder cannot be used, or its disk is too full to drain into.
    """
    with folder.claim():
        if removed := folder.remove_stray():
            logger.info("Removed %d half-written files of an earlier listener.", removed)
        queue, tally = connection.address.queue, Tally()
        numbering = _numbering_before(folder, queue)
        measure = free_bytes or folder.free_bytes
        pulse = Pulse(folder, queue, tally, numbering, redact=redact, secret_expires=secret_expires, free_bytes=measure)
        keeper = Keeper(
            folder, queue, tally, numbering, batch_bytes=limits.batch_bytes, message_bytes=limits.message_bytes
        )
        logger.info("Listening to %s, writing to %s.", connection.address, folder.root)
        session = _Session(connection, keeper, pulse, tally, limits, measure, stop, drain, on_progress)
        async with _beating(pulse, lambda: DRAINED if session.drained else "told to stop"):
            try:
                await session.run()
            finally:
                await connection.close()
    return tally


def _numbering_before(folder: DropFolder, queue: str) -> Numbering:
    """Numbering that goes on from an earlier listener's, so that what was skipped in between is noticed."""
    state = read_state(folder.root)
    if state is None or state.queue != queue:
        return Numbering()
    return Numbering(state.beat.last_sequence, state.beat.last_enqueued_utc)


@asynccontextmanager
async def _beating(pulse: Pulse, ending: Callable[[], str]) -> AsyncIterator[None]:
    """The heartbeat, from ``started`` to ``stopped``; ``ending`` says why where nothing was raised."""
    await pulse.tell("started")
    beating = asyncio.create_task(pulse.keep_beating())
    reason = ""
    try:
        yield
        reason = ending()
    except BaseException as error:
        reason = in_short(error)
        raise
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        pulse.linked = False
        await pulse.tell("stopped", reason)


@dataclass(slots=True)
class _Session:
    """The life of one listener: links that open and break, and pauses between them."""

    connection: Connection
    keeper: Keeper
    pulse: Pulse
    tally: Tally
    limits: Limits
    free_bytes: Callable[[], int]
    stop: asyncio.Event
    drain: bool
    on_progress: Callable[[Tally], None]
    drained: bool = False
    opening: bool = False
    was_linked: bool = False
    coming_up: Event = "restored"
    known_good: datetime = field(default_factory=lambda: datetime.now(UTC))
    last_success: float = field(default_factory=time.monotonic)
    failures: int = 0
    refusals: int = 0

    async def run(self) -> None:
        """Work; opening a link is broken off when told to stop, a batch is finished and a link closed in order."""
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() or not self.opening:
                await working
        finally:
            for task in (stopping, working):
                task.cancel()
            await asyncio.gather(stopping, working, return_exceptions=True)

    async def _work(self) -> None:
        while not self.stop.is_set() and not self.drained:
            if not self._has_room():
                await self._wait_for_room()
                continue
            try:
                async with self._link() as receiver:
                    await self._take(receiver)
            except BrokenLinkError as broken:
                await self._pause_after(broken)

    @asynccontextmanager
    async def _link(self) -> AsyncIterator[ServiceBusReceiver]:
        """An open link, told of in the heartbeat.

        Raises:
            BrokenLinkError: It could not be opened, or broke.
            RefusedError: It is refused, and trying again changes nothing.
        """
        link = self.connection.receiver()
        self.opening = True
        try:
            receiver = await link.__aenter__()
        except Exception as error:  # The SDK wraps what happened in half a dozen ways; ``refusal`` tells them apart.
            self._check_refused(error)
            raise BrokenLinkError("open", in_short(error)) from error
        finally:
            self.opening = False
        broken: BrokenLinkError | None = None
        try:
            await self._came_up()
            yield receiver
        except BrokenLinkError as error:
            broken = error
            raise
        finally:
            self.pulse.linked = False
            if broken is not None:
                self.keeper.expect_again()
            await link.__aexit__(None, None, None)

    async def _take(self, receiver: ServiceBusReceiver) -> None:
        """Take batches until told to stop, drained, or short of space.

        Raises:
            BrokenLinkError: The link or the disk failed, or nothing has come for long.
        """
        last_message = time.monotonic()
        while not self.stop.is_set() and self._has_room():
            messages = await self._receive(receiver)
            if messages:
                await self.keeper.keep(receiver, messages)
                last_message, self.known_good = time.monotonic(), datetime.now(UTC)
            self.last_success, self.failures = time.monotonic(), 0
            self.on_progress(self.tally)
            if messages:
                continue
            if self.drain and datetime.now(UTC) >= self.keeper.busy_until:
                self.drained = True
                return
            if time.monotonic() - last_message > self.limits.silence_seconds:
                raise BrokenLinkError("silence", f"nothing came for {self.limits.silence_seconds:g} s")

    async def _receive(self, receiver: ServiceBusReceiver) -> list[ServiceBusReceivedMessage]:
        """The next batch, empty after an honest wait.

        Raises:
            BrokenLinkError: The SDK raised, never answered, or answered without having waited.
        """
        wait = self.limits.wait_seconds
        began = time.monotonic()
        try:
            async with asyncio.timeout(wait + ANSWER_SECONDS):
                messages = await receiver.receive_messages(PREFETCH, max_wait_time=wait)
        except Exception as error:  # Any error ends the link; a new one is made.
            raise BrokenLinkError("receive", in_short(error)) from error
        if not messages and time.monotonic() - began < HONEST_PART * wait:
            raise BrokenLinkError("short", "the link answers without waiting, so it is dead")
        return messages

    async def _came_up(self) -> None:
        self.pulse.linked = self.was_linked = True
        self.refusals = 0
        self.known_good = datetime.now(UTC)
        if self.coming_up != "alive":
            await self.pulse.tell(self.coming_up)
        self.coming_up = "alive"

    async def _pause_after(self, broken: BrokenLinkError) -> None:
        """Count and tell a broken link, and wait longer each time.

        Raises:
            UnreachableError: It has gone on for too long.
        """
        self.tally.rebuilt[broken.cause] += 1
        # A quiet queue looks the same: it is an outage only if the new link does not open either.
        if broken.cause == "silence":
            logger.info("The link is made anew: %s.", broken.reason)
            return
        logger.warning("The link is made anew (%s): %s", broken.cause, broken.reason)
        if self.coming_up == "alive":
            self.coming_up = "restored"
            await self.pulse.tell("lost", f"{broken.cause}: {broken.reason}", self.known_good)
        lasted = time.monotonic() - self.last_success
        if lasted > self.limits.give_up_seconds:
            raise UnreachableError(
                f"The queue {self.connection.address} could not be listened to for {lasted:.0f} s, at last because of "
                f"{broken.reason}; check the network, or wait, and start the listener again."
            )
        longest = min(FIRST_PAUSE_SECONDS * 2**self.failures, self.limits.longest_pause_seconds)
        self.failures = min(self.failures + 1, MOST_DOUBLINGS)
        # Not a secret: listeners that lost their link together must not come back together.
        await self._pause(longest * random.uniform(0.5, 1.0))  # noqa: S311

    def _check_refused(self, error: Exception) -> None:
        refused = refusal(error, self.connection.address)
        if refused is None:
            self.refusals = 0
            return
        self.refusals += 1
        if not self.was_linked or self.refusals >= REFUSALS_BELIEVED:
            raise refused from error

    def _has_room(self) -> bool:
        return self.free_bytes() >= self.limits.min_free_bytes

    async def _wait_for_room(self) -> None:
        """Wait, without a link, until the disk has room: the queue keeps its messages for three days.

        Raises:
            SpoolError: The queue was to be drained.
        """
        least = self.limits.min_free_bytes
        reason = (
            f"the drop folder's disk has {self.free_bytes() / GIGABYTE:.2f} GB left, {least / GIGABYTE:g} are needed"
        )
        if self.drain:
            raise SpoolError(
                f"Nothing more is received: {reason}; free space, or lower ENERGY_ASSETS_IRIS_MIN_FREE_GB."
            )
        logger.error("Receiving stops: %s; the queue keeps messages for three days.", reason)
        await self.pulse.tell("paused", reason)
        while self.free_bytes() < least * ROOM_AGAIN and not self.stop.is_set():
            await self._pause(self.limits.room_seconds)
            self.last_success = time.monotonic()
        self.coming_up = "resumed"

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond being told to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
