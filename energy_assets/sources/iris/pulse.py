"""Keeps the heartbeat files and the log up to date while the listener works, and warns of what a person must see to.

What a line means belongs to ``heartbeat``; when the link is lost or restored is told by ``listener``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeVar

from energy_assets.errors import SpoolError
from energy_assets.sources.iris.connection import secret_warning
from energy_assets.sources.iris.dropfolder import GIGABYTE, WARN_FREE_GB, DropFolder
from energy_assets.sources.iris.heartbeat import BEAT_SECONDS, Beat, Event, Heart, State
from energy_assets.sources.iris.tally import Numbering, Tally

logger = logging.getLogger(__name__)

Written = TypeVar("Written", Beat, State)

STATE_SECONDS = 10.0
"""How often the newest state is written: fresh enough to watch, and six small files a minute."""

GAPS_SHOWN = 20
"""Sequence gaps in the newest state: enough to see whether they are many."""


class Pulse:
    """The listener's word to the outside.

    Args:
        folder: The drop folder.
        queue: Name of the queue.
        tally: What is counted.
        numbering: Sequence numbers seen.
        redact: Takes secrets out of reasons.
        secret_expires: Day on which the client's secret ends.
        free_bytes: Measures free space.

    Attributes:
        linked: Whether messages can arrive.
        started: When the listener started, aware UTC.
    """

    def __init__(
        self,
        folder: DropFolder,
        queue: str,
        tally: Tally,
        numbering: Numbering,
        *,
        redact: Callable[[str], str],
        secret_expires: date | None,
        free_bytes: Callable[[], int],
    ) -> None:
        self.linked = False
        self.started = datetime.now(UTC)
        self._heart = Heart(folder)
        self._queue = queue
        self._tally = tally
        self._numbering = numbering
        self._redact = redact
        self._secret_expires = secret_expires
        self._free_bytes = free_bytes
        self._run = f"{self.started:%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"
        self._writing = asyncio.Lock()
        self._warned_of_space = False
        self._warned_of_secret: date | None = None

    async def tell(self, event: Event, reason: str | None = None, since: datetime | None = None) -> None:
        """Write a line and the newest state.

        Args:
            event: What happened.
            reason: Why, in words.
            since: For ``lost``: the last instant at which the link was known to work.
        """
        beat = self._beat(event, None if reason is None else self._redact(reason), since)
        self._tally.take_worst_lag()
        await self._write(self._heart.line, beat)
        await self._write(self._heart.state, self._state(beat))

    async def keep_beating(self) -> None:
        """Write the newest state every few seconds and a line every minute, until cancelled."""
        told = time.monotonic()
        while True:
            self._warn()
            await asyncio.sleep(STATE_SECONDS)
            if time.monotonic() - told >= BEAT_SECONDS:
                told = time.monotonic()
                self._log_counts()
                await self.tell("alive")
            else:
                await self._write(self._heart.state, self._state(self._beat("alive", None, None)))

    def _beat(self, event: Event, reason: str | None, since: datetime | None) -> Beat:
        tally = self._tally
        return Beat(
            utc=datetime.now(UTC),
            event=event,
            linked=self.linked,
            run=self._run,
            received=tally.received,
            durable=tally.durable,
            completed=tally.completed,
            unconfirmed=tally.unconfirmed,
            redelivered=tally.redelivered,
            dead_lettered=tally.dead_lettered,
            bytes=tally.bytes,
            missing=self._numbering.missing,
            rebuilt=dict(tally.rebuilt),
            lag_seconds=tally.worst_lag_seconds,
            last_sequence=self._numbering.greatest,
            last_enqueued_utc=tally.last_enqueued_utc,
            reason=reason,
            since_utc=since,
        )

    def _state(self, beat: Beat) -> State:
        return State(
            beat=beat,
            queue=self._queue,
            pid=os.getpid(),
            started_utc=self.started,
            free_bytes=self._free(),
            secret_expires=self._secret_expires,
            gaps=self._numbering.newest(GAPS_SHOWN),
        )

    async def _write(self, write: Callable[[Written], None], what: Written) -> None:
        """Write in a thread, one at a time; a heartbeat that cannot be written must not end the listening."""
        async with self._writing:
            try:
                await asyncio.to_thread(write, what)
            except OSError as error:
                logger.warning("The heartbeat cannot be written (%s).", error.strerror or error)

    def _log_counts(self) -> None:
        tally = self._tally
        lag = tally.worst_lag_seconds
        logger.info(
            "%d received, %d durable, %d completed, %d unconfirmed%s; %s.",
            tally.received,
            tally.durable,
            tally.completed,
            tally.unconfirmed,
            "" if lag is None else f", at most {lag:.1f} s from queue to disk",
            "linked" if self.linked else "not linked",
        )

    def _warn(self) -> None:
        """Warn of a disk that fills, once each time, and of a secret that ends, once a day."""
        free, today = self._free(), datetime.now(UTC).date()
        low = free is not None and free < WARN_FREE_GB * GIGABYTE
        if free is not None and low and not self._warned_of_space:
            logger.warning(
                "The drop folder's disk has %.1f GB left: three days of messages and their tables need %.0f GB.",
                free / GIGABYTE,
                WARN_FREE_GB,
            )
        self._warned_of_space = low
        warning = secret_warning(self._secret_expires, today)
        if warning is not None and self._warned_of_secret != today:
            self._warned_of_secret = today
            logger.warning("%s", warning)

    def _free(self) -> int | None:
        try:
            return self._free_bytes()
        except SpoolError:
            return None
