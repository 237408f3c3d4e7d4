"""Feeds the queue: synthetic or recorded messages, all at once or at a chosen rate.

Which synthetic messages there are is said by ``energy_assets.sandbox.messages``, for the archive's stand-in as well.
How they travel and when they are put belongs here. Each says by a property that it is none of Elexon's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Literal

from energy_assets.sandbox import messages as sandbox
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.iris.messages import Message

MARK = "x-sandbox"
"""Property of every message that was fed; a listener takes such a message for what it is."""

TICK = 0.02
"""Seconds between two puts at a rate: short beside any wait of a listener."""

CHUNK = 1000
"""Messages put at once where no rate is given."""

STEP = timedelta(days=1)
"""Synthetic messages are made for so long a time at once."""

Encoding = Literal["double", "single", "recorded"]
"""How a body travels.

- ``double``: a JSON string whose content is JSON text, as the official clients take it to be.
- ``single``: the JSON text.
- ``recorded``: the bytes as they were recorded.
"""


@dataclass(frozen=True, slots=True)
class Feed:
    """What is fed, and how fast.

    Attributes:
        count: Messages in all; ``None`` for as many as there are: recorded ones once, synthetic ones without end.
        rate: Messages a second; ``None`` for all at once.
        streams: Streams of synthetic messages; empty for all.
        from_utc: When the first synthetic message was sent, aware UTC; ``None`` for the day before today.
        seed: Another seed, other values.
        rows: Rows of a dataset and day in multiples of a real one; ``None`` for the small days of the demo.
        encoding: How bodies travel.
        folder: Folder with recorded messages, in place of synthetic ones.
    """

    count: int | None = 1000
    rate: float | None = None
    streams: tuple[str, ...] = ()
    from_utc: datetime | None = None
    seed: int = 0
    rows: float | None = None
    encoding: Encoding = "double"
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not self.rate > 0:
            raise SandboxError(f"a rate is a positive number of messages a second, not {self.rate}")
        if self.count is None and self.rate is None and self.folder is None:
            raise SandboxError("synthetic messages have no end: give a count or a rate")

    def messages(self) -> Iterator[Message]:
        """The messages in their order.

        Raises:
            SandboxError: A stream is unknown, or the folder holds no messages.
        """
        source = _synthetic(self) if self.folder is None else sandbox.recorded(self.folder)
        return (fed(message, self.encoding) for message in islice(source, self.count))


def _synthetic(feed: Feed) -> Iterator[sandbox.Message]:
    """Synthetic messages, day after day."""
    made = sandbox.Messages.of(feed.seed, None if feed.rows is None else Volume(feed.rows))
    unknown = sorted(set(feed.streams) - set(made.names()))
    if unknown:
        raise SandboxError(f"there is no stream {', '.join(unknown)}; there are {', '.join(made.names())}")
    at = feed.from_utc or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return _days(made, at, feed.streams or None)


def _days(made: sandbox.Messages, at: datetime, streams: Iterable[str] | None) -> Iterator[sandbox.Message]:
    while True:
        yield from made.all_between(at, at + STEP, streams)
        at += STEP


def fed(message: sandbox.Message, encoding: Encoding = "double") -> Message:
    """A message as it is put into the queue."""
    return Message(message.message_id, message.stream, _body(message, encoding), {MARK: True})


def _body(message: sandbox.Message, encoding: Encoding) -> bytes:
    if encoding != "double":
        return message.body
    # A recorded body may be as the queue had it.
    if message.body.lstrip().startswith(b'"'):
        return message.body
    try:
        return json.dumps(message.body.decode()).encode()
    except UnicodeDecodeError:
        return message.body


class Feeder:
    """Puts messages at a rate.

    Attributes:
        fed: How many were put.
    """

    def __init__(
        self,
        put: Callable[[list[Message]], object],
        messages: Iterable[Message],
        rate: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fed = 0
        self._put = put
        self._messages = iter(messages)
        self._rate = rate
        self._clock = clock

    def run(self, stopped: Event) -> None:
        """Put messages until there are no more, or it is told to stop."""
        begun = self._clock()
        while not stopped.is_set():
            due = CHUNK if self._rate is None else int((self._clock() - begun) * self._rate) - self.fed
            if due > 0:
                batch = list(islice(self._messages, due))
                if not batch:
                    return
                self._put(batch)
                self.fed += len(batch)
            if self._rate is not None:
                stopped.wait(TICK)
