"""Lanes: the time between two requests to the portal, kept over all processes of one home.

Only timing belongs here: no request, no answer. A lane is two small files in the home. One holds the instant at which
the lane was last used; the other is locked while a request is under way, and the operating system frees it when a
process dies, however it dies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from energy_assets.ingest.spool import disk_error

if TYPE_CHECKING:
    from energy_assets.settings import Settings

POLL_SECONDS = 0.05
"""Between two looks at a lane on which another process's request is under way: a twentieth of the shorter interval, and
a look costs one system call."""

FOLDER = "neso"
"""Folder in the home for everything that concerns the portal."""

log = logging.getLogger(__name__)


class Lane:
    """One request at a time, and a least time between them, for everyone who names the same file.

    The time counts from the moment at which the answer before began (``turn`` ended), so that the provider sees at
    least the interval whatever the network does. A process that is killed leaves the lane free one interval after its
    request left. Belongs to one event loop; any number of lanes may name one file.

    The clock is the wall clock, because processes share no other one that outlives a restart. Where it was set back,
    one interval is waited out from the moment at which that is noticed; where it was set forward, one request may leave
    early.

    Args:
        path: File that holds the instant of the last use; its lock lies beside it, and the folder is made.
        seconds: Least time between two requests; 0 for none.
        clock: The present in seconds, for all users of the file alike.
        sleep: Waits without holding up the event loop.
    """

    def __init__(
        self,
        path: Path,
        seconds: float,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.seconds = seconds
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
        self._queue = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the lane and hold it, until the answer has begun or the request has failed.

        Raises:
            SpoolError: The home cannot be written to.
        """
        async with self._queue:
            while wait := self._try_enter():
                await self._sleep(wait)
            try:
                yield
            finally:
                self._leave()

    def _try_enter(self) -> float:
        """Take the lane and return 0, or return how long to wait before the next try.

        Called on the event loop on purpose: it never waits, and an attempt that is cancelled in a thread would keep
        the lock.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            return POLL_SECONDS
        except OSError as error:
            raise disk_error(self._path, error) from error
        entered = False
        try:
            wait = self._remaining()
            if not wait:
                # A process that dies from here on has used the lane.
                self._stamp()
                entered = True
        except OSError as error:
            raise disk_error(self._path, error) from error
        finally:
            if not entered:
                self._lock.release()
        return wait

    def _leave(self) -> None:
        try:
            self._stamp()
        except OSError as error:
            raise disk_error(self._path, error) from error
        finally:
            self._lock.release()

    def _remaining(self) -> float:
        """Seconds until the lane is free."""
        try:
            text = self._path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return 0.0
        now = self._clock()
        last = _instant(text)
        if last is None or not last <= now:
            # Cut short by a crash, or written before the clock was set back: neither says when the last request left.
            log.warning("%s holds no past instant; one interval is waited out", self._path)
            self._stamp()
            return self.seconds
        return max(0.0, last + self.seconds - now)

    def _stamp(self) -> None:
        self._path.write_text(repr(self._clock()), encoding="ascii")


@dataclass(frozen=True, slots=True)
class Lanes:
    """The two lanes that the portal asks for.

    Attributes:
        portal: Actions and files, redirects included.
        datastore: Everything that reads a table: search and dump.
    """

    portal: Lane
    datastore: Lane

    @classmethod
    def of(
        cls,
        home: Path,
        portal_seconds: float,
        datastore_seconds: float,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> Lanes:
        """The lanes of a home; see ``Lane`` for clock and sleep."""
        folder = home / FOLDER
        return cls(
            Lane(folder / "portal.lane", portal_seconds, clock=clock, sleep=sleep),
            Lane(folder / "datastore.lane", datastore_seconds, clock=clock, sleep=sleep),
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Lanes:
        """The lanes that the settings describe."""
        return cls.of(settings.home, settings.neso_request_seconds, settings.neso_datastore_seconds)


def _instant(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
