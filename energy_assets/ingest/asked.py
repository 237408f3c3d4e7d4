"""What has been asked of the archive because messages were missing, and what else the look for holes remembers.

Kept as one file of the drop folder, beside the manifests: the daemon that asks and the command that shows are different
processes. Losing it costs repeated requests and a longer look, never a message. What counts as filled is said by
receipts and is not kept here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from energy_assets.errors import SpoolError
from energy_assets.sources.iris.dropfolder import write_durably

logger = logging.getLogger(__name__)

FILE = Path("manifests") / "holes.json"
"""Below the drop folder, where the loader keeps its own."""

ASKS_MOST = 10
"""Times that an hour is asked for before it is given up: with the waits between them two and a half days, in which a
service that is down has come back."""

ASK_AGAIN = timedelta(minutes=30)
ASK_AGAIN_MOST = timedelta(hours=12)
"""Time after a request in vain before the next; it doubles from one to the other."""

FORGET_AFTER = timedelta(days=31)
"""Age of a request from which it is forgotten: holes are looked at for half of it."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """How often an hour of a stream was asked for, and when at last."""

    times: int
    last_utc: Instant

    def again_utc(self) -> datetime:
        """When it may be asked for again."""
        doubled: timedelta = ASK_AGAIN * 2 ** min(self.times - 1, 10)
        return self.last_utc + min(doubled, ASK_AGAIN_MOST)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a look for holes leaves to the next.

    Attributes:
        tables: Tables of the streams that the queue has ever brought.
        newest_utc: When the newest message held was enqueued that came by the queue or a client's file.
        settled_utc: Until when all that had come was loaded at the last look.
        vouched_utc: When it was last looked whether loaded rows are still there.
        searched: Whether the past before what is looked at has been searched for messages that the queue brought.
        began_utc: First line of the heartbeats that ``before_utc`` is about.
        before_utc: When the newest message that was held when listening began here was enqueued.
        asked: Requests by table and hour.
    """

    tables: tuple[str, ...] = ()
    newest_utc: Instant | None = None
    settled_utc: Instant | None = None
    vouched_utc: Instant | None = None
    searched: bool = False
    began_utc: Instant | None = None
    before_utc: Instant | None = None
    asked: dict[str, dict[str, Asked]] = {}

    def of(self, table: str, hour: datetime) -> Asked | None:
        """What was asked of an hour of a stream."""
        return self.asked.get(table, {}).get(hour_text(hour))

    def asking(self, cells: Iterable[tuple[str, datetime]], now: datetime) -> Memory:
        """The same, with requests for some hours of streams made now; old ones are forgotten."""
        kept = _younger(self.asked, now - FORGET_AFTER)
        for table, hour in cells:
            own = kept.setdefault(table, {})
            before = own.get(hour_text(hour))
            own[hour_text(hour)] = Asked(before.times + 1 if before else 1, now)
        return msgspec.structs.replace(self, asked=kept)

    def without(self, cells: Iterable[tuple[str, datetime]]) -> Memory:
        """The same, without the requests for hours that have been answered."""
        done = {(table, hour_text(hour)) for table, hour in cells}
        kept = {t: {h: a for h, a in own.items() if (t, h) not in done} for t, own in self.asked.items()}
        return msgspec.structs.replace(self, asked={t: own for t, own in kept.items() if own})


_DECODER = msgspec.json.Decoder(Memory)


def read_memory(root: Path) -> Memory:
    """What is remembered in a drop folder; nothing where that cannot be read.

    Args:
        root: The drop folder.
    """
    path = _path(root)
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return Memory()
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("%s cannot be read (%s); what was asked for is asked for again", path, error)
        return Memory()


def keep_memory(root: Path, memory: Memory) -> None:
    """Replace what is remembered.

    Raises:
        SpoolError: The drop folder cannot be written.
    """
    path = _path(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, msgspec.json.encode(memory))
    except OSError as error:
        raise SpoolError(
            f"{path} cannot be written ({error.strerror}): what the archive is asked for could not be remembered, so "
            "nothing is asked; make ENERGY_ASSETS_IRIS_DROP_DIR a folder that this user may write to."
        ) from error


def hour_text(hour: datetime) -> str:
    """An hour as it is kept."""
    return f"{hour.astimezone(UTC):%Y-%m-%dT%HZ}"


def _younger(asked: Mapping[str, Mapping[str, Asked]], oldest: datetime) -> dict[str, dict[str, Asked]]:
    kept = {table: {h: a for h, a in own.items() if a.last_utc >= oldest} for table, own in asked.items()}
    return {table: own for table, own in kept.items() if own}


def _path(root: Path) -> Path:
    return root / FILE
