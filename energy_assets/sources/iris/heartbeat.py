"""What the listener tells about itself, and the outages that follow from it.

The listener appends a line per minute and per event, and replaces one file that holds its newest state. Readers turn
the lines into intervals in which nobody was listening; what is asked of the archive for them does not belong here.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from energy_assets.sources.iris.dropfolder import DropFolder

logger = logging.getLogger(__name__)

Event = Literal["started", "alive", "lost", "restored", "stopped", "paused", "resumed"]

BEAT_SECONDS = 60
"""Time between two lines of a quiet listener."""

LONGEST_SILENCE = timedelta(seconds=3 * BEAT_SECONDS)
"""Lines further apart than this mean that nobody was listening in between: one late line is a busy disk, two a stop."""

KEEP_DAYS = 92
"""Days that lines are kept: what they say was missed is asked for within days. A day is half a megabyte."""

DRAINED = "drained"
"""Reason of the last line of a listener that has emptied the queue and ended."""

_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.ndjson")

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One line: an event, and what had been counted since the process started.

    Attributes:
        utc: When.
        event: What happened; ``alive`` where a minute passed.
        linked: Whether messages could arrive from then on.
        run: Name of the process's run; counts begin anew with each.
        received: Messages that came, redeliveries included.
        durable: Messages on disk.
        completed: Messages that the queue has let go of.
        unconfirmed: Messages on disk whose completion was not confirmed; they come again.
        redelivered: Messages that came again.
        dead_lettered: Messages that could not be kept at all.
        bytes: Bytes of bodies on disk.
        missing: Sequence numbers skipped and not seen since.
        rebuilt: Connections made anew, by cause.
        lag_seconds: Time from queue to disk of the slowest message since the line before.
        last_sequence: Greatest sequence number seen.
        last_enqueued_utc: When the queue took the newest message.
        reason: Why, in words.
        since_utc: For ``lost``: the last instant at which the link was known to work.
    """

    utc: Instant
    event: Event
    linked: bool
    run: str
    received: int = 0
    durable: int = 0
    completed: int = 0
    unconfirmed: int = 0
    redelivered: int = 0
    dead_lettered: int = 0
    bytes: int = 0
    missing: int = 0
    rebuilt: dict[str, int] = {}
    lag_seconds: float | None = None
    last_sequence: int | None = None
    last_enqueued_utc: Instant | None = None
    reason: str | None = None
    since_utc: Instant | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Sequence numbers that were skipped, both ends included, and when their neighbours were enqueued."""

    first: int
    last: int
    from_utc: Instant
    to_utc: Instant


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The listener's newest state: ``heartbeat.json``.

    Attributes:
        beat: The counts, as in a line.
        queue: The queue that it listens to.
        pid: Its process.
        started_utc: When it started.
        free_bytes: Free space of the drop folder's disk.
        secret_expires: Day on which the client's secret ends, where that is set.
        gaps: The newest sequence gaps.
    """

    beat: Beat
    queue: str
    pid: int
    started_utc: Instant
    free_bytes: int | None = None
    secret_expires: date | None = None
    gaps: tuple[Gap, ...] = ()


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """Time in which nobody was listening, half-open.

    Attributes:
        from_utc: The last instant at which the link was known to work.
        to_utc: The first instant at which it worked again, or the end of what was asked for.
        reason: Why, as far as is known.
        ongoing: Whether it had not ended by then.
    """

    from_utc: datetime
    to_utc: datetime
    reason: str
    ongoing: bool


_ENCODER = msgspec.json.Encoder()
_BEATS = msgspec.json.Decoder(Beat)
_STATES = msgspec.json.Decoder(State)


class Heart:
    """Writes heartbeats into a drop folder; only its holder may.

    Args:
        folder: The drop folder.
    """

    def __init__(self, folder: DropFolder) -> None:
        self._folder = folder
        self._day: date | None = None

    def line(self, beat: Beat) -> None:
        """Append a line to its day's file.

        Raises:
            OSError: It cannot be written.
        """
        day = beat.utc.astimezone(UTC).date()
        path = self._folder.heartbeats / f"{day.isoformat()}.ndjson"
        torn = b""
        if day != self._day:
            self._remove_before(day - timedelta(days=KEEP_DAYS))
            torn = b"\n" if _is_torn(path) else b""
        with path.open("ab") as stream:
            stream.write(torn + _ENCODER.encode(beat) + b"\n")
        self._day = day

    def state(self, state: State) -> None:
        """Replace the newest state.

        Raises:
            OSError: It cannot be written.
        """
        # Not made durable: after a power cut an older state, or none, is as good.
        temporary = self._folder.state.with_name(f".{self._folder.state.stem}.tmp")
        temporary.write_bytes(_ENCODER.encode(state))
        temporary.replace(self._folder.state)

    def _remove_before(self, first: date) -> None:
        """Remove old days but for the last of them, which says since when nobody listened before the others."""
        matches = ((_FILE.fullmatch(path.name), path) for path in sorted(self._folder.heartbeats.iterdir()))
        old = [path for match, path in matches if match and match[1] < first.isoformat()]
        for path in old[:-1]:
            path.unlink(missing_ok=True)


def read_state(root: Path) -> State | None:
    """The newest state in a drop folder, or ``None`` where no listener has left a readable one."""
    path = DropFolder(root).state
    try:
        return _STATES.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        logger.warning("%s cannot be read (%s) and is passed over.", path, error)
        return None


def read_beats(root: Path, from_utc: datetime, to_utc: datetime) -> list[Beat]:
    """The lines of an interval in order of time, with the last one before it, which says how it begins.

    Args:
        root: The drop folder.
        from_utc: Beginning of the half-open interval, aware.
        to_utc: Its end, aware.
    """
    files = _files(root)
    earlier = [day for day in files if day < from_utc.astimezone(UTC).date()]
    first = earlier[-1] if earlier else date.min
    beats = [b for day, path in files.items() if first <= day <= to_utc.astimezone(UTC).date() for b in _beats(path)]
    beats = sorted((b for b in beats if b.utc < to_utc), key=lambda b: b.utc)
    before = [b for b in beats if b.utc < from_utc]
    return before[-1:] + beats[len(before) :]


def outages(beats: Iterable[Beat], from_utc: datetime, to_utc: datetime) -> list[Outage]:
    """Times within an interval in which nobody was listening.

    What lies before the first line of all is no outage: nobody listened yet.

    Args:
        beats: Lines in order of time, as ``read_beats`` gives them.
        from_utc: Beginning of the half-open interval, aware.
        to_utc: Its end, aware.

    Returns:
        Outages in order of time; those that touch are one.
    """
    found: list[Outage] = []
    for outage in _uncovered(list(beats), to_utc):
        start, end = max(outage.from_utc, from_utc), min(outage.to_utc, to_utc)
        if start >= end:
            continue
        cut = msgspec.structs.replace(outage, from_utc=start, to_utc=end)
        if found and found[-1].to_utc == start:
            reason = found[-1].reason if cut.reason in found[-1].reason else f"{found[-1].reason}; {cut.reason}"
            cut = msgspec.structs.replace(cut, from_utc=found.pop().from_utc, reason=reason)
        found.append(cut)
    return found


def _uncovered(beats: list[Beat], to_utc: datetime) -> Iterator[Outage]:
    """What lies between lines and is not known to have been listened to."""
    for beat, following in pairwise(beats):
        good = _known_until(beat, following)
        if good < following.utc:
            reason = _reason(beat) if not beat.linked else following.reason or "not running"
            yield Outage(from_utc=good, to_utc=following.utc, reason=reason, ongoing=False)
    if beats and beats[-1].utc < to_utc:
        last = beats[-1]
        if not last.linked:
            yield Outage(from_utc=last.utc, to_utc=to_utc, reason=_reason(last), ongoing=True)
        elif to_utc - last.utc > LONGEST_SILENCE:
            yield Outage(from_utc=last.utc, to_utc=to_utc, reason="not running", ongoing=True)


def _known_until(beat: Beat, following: Beat) -> datetime:
    """Until when the link is known to have worked between two lines."""
    same = beat.run == following.run
    if not beat.linked or not same or following.utc - beat.utc > LONGEST_SILENCE:
        return beat.utc
    if following.since_utc is not None:
        return min(max(following.since_utc, beat.utc), following.utc)
    return following.utc


def _reason(beat: Beat) -> str:
    return beat.reason or {"started": "not connected yet", "stopped": "stopped"}.get(beat.event, beat.event)


def _files(root: Path) -> dict[date, Path]:
    folder = DropFolder(root).heartbeats
    if not folder.is_dir():
        return {}
    matches = ((_FILE.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
    return {date.fromisoformat(match[1]): path for match, path in matches if match}


def _beats(path: Path) -> Iterator[Beat]:
    """The lines of a file; one that was torn by a kill or a full disk is passed over."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip(b"\0 "):
            continue
        try:
            yield _BEATS.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.warning("Line %d of %s is torn (%s) and is passed over.", number, path, error)


def _is_torn(path: Path) -> bool:
    """Whether a file ends within a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"
