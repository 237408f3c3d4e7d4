"""How the push service is doing: the listener's heartbeat, what waits in the drop folder, and what was missed.

Reads the drop folder and the warehouse and puts it into words; nothing is loaded or repaired here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from energy_assets.ingest.holes import SILENT_AFTER, Holes, find_holes
from energy_assets.ingest.outages import Hole
from energy_assets.ingest.outages import State as HoleState
from energy_assets.sources.iris.backlog import HELD, Backlog, Manifest, counted
from energy_assets.sources.iris.connection import secret_warning
from energy_assets.sources.iris.dropfolder import GIGABYTE, WARN_FREE_GB
from energy_assets.sources.iris.found import Found, written_utc
from energy_assets.sources.iris.heartbeat import LONGEST_SILENCE, State, read_state
from energy_assets.warehouse.interface import Warehouse

WAITS_LONG = timedelta(minutes=15)
"""Age of the oldest waiting file from which somebody should look: the sensor looks every half minute."""

NAMED_MOST = 3
"""Files that one sentence names; it counts the others."""

STATES: dict[HoleState, str] = {
    "open": "to be filled",
    "asked": "asked of the archive, not all of it has come",
    "filled": "filled",
    "given_up": "the archive does not have it",
}
"""What has become of a hole, in words."""


@dataclass(frozen=True)
class Push:
    """What is known of the push service.

    Attributes:
        listener: The listener's newest state; ``None`` where none was ever there.
        alive: Whether it beat lately.
        linked: Whether it could receive then.
        waiting: Files that no manifest holds.
        waiting_bytes: Their size.
        oldest_utc: When the oldest of them was written.
        manifests: Batches whose files are there: to be loaded, failed, or loaded and not deleted yet.
        foreign: Files and folders in the drop folder that hold no messages; they are left alone.
        holes: What was missed.
        problems: One sentence for each thing that somebody has to see to.
    """

    listener: State | None
    alive: bool
    linked: bool
    waiting: int
    waiting_bytes: int
    oldest_utc: datetime | None
    manifests: tuple[Manifest, ...]
    foreign: tuple[str, ...]
    holes: Holes
    problems: tuple[str, ...] = field(default=())

    @property
    def being_loaded(self) -> int:
        """Batches that wait for their first load."""
        return sum(m.loaded_utc is None and m.failed_utc is None for m in self.manifests)

    @property
    def failed(self) -> tuple[Manifest, ...]:
        """Batches that failed and are tried again."""
        return tuple(m for m in self.manifests if m.loaded_utc is None and m.failed_utc is not None)

    def lines(self) -> list[str]:
        """The report for people."""
        lines = [self._listener()]
        newest = self.holes.newest_utc
        lines.append(f"newest message held: {newest:%Y-%m-%d %H:%M:%SZ}" if newest else "no message is held yet")
        lines.append(
            f"waiting to be loaded: {self.waiting:,} files, {self.waiting_bytes / 1e6:.1f} MB; "
            f"{counted(self.being_loaded)} being loaded, {counted(len(self.failed))} failed"
        )
        if self.foreign:
            lines.append(f"left alone, as no messages: {_named(self.foreign)}")
        lines += [f"missed {_span(h)}: {h.reason}; {STATES[h.state]}" for h in self.holes.holes]
        return [*lines, *(f"! {problem}" for problem in self.problems)]

    def _listener(self) -> str:
        if self.listener is None:
            return "listener: never started here; `energy-assets iris listen` starts it"
        beat = self.listener.beat
        state = "running" if self.alive else "not running"
        link = "" if self.linked or not self.alive else f", not connected ({beat.reason or beat.event})"
        return (
            f"listener: {state}{link}, last word {beat.utc:%Y-%m-%d %H:%M:%SZ}, {beat.received:,} received, "
            f"{beat.durable:,} durable, {beat.completed:,} completed"
        )

    def as_plain(self) -> dict[str, object]:
        """The report for programs."""
        beat = self.listener.beat if self.listener else None
        return {
            "alive": self.alive,
            "linked": self.linked,
            "last_beat_utc": beat.utc.isoformat() if beat else None,
            "received": beat.received if beat else None,
            "durable": beat.durable if beat else None,
            "completed": beat.completed if beat else None,
            "lag_seconds": beat.lag_seconds if beat else None,
            "newest_message_utc": self.holes.newest_utc.isoformat() if self.holes.newest_utc else None,
            "waiting_files": self.waiting,
            "waiting_bytes": self.waiting_bytes,
            "open_manifests": self.being_loaded,
            "failed_manifests": [
                {
                    "manifest": m.manifest_id,
                    "created_utc": m.created_utc.isoformat(),
                    "files": len(m.files),
                    "streams": list(m.streams) if m.streams is not None else None,
                    "failures": m.failures,
                    "error": m.error,
                    "due_utc": m.due_utc().isoformat(),
                }
                for m in self.failed
            ],
            "foreign": list(self.foreign),
            "holes": [
                {
                    "from_utc": h.from_utc.isoformat(),
                    "to_utc": h.to_utc.isoformat(),
                    "reason": h.reason,
                    "state": h.state,
                }
                for h in self.holes.holes
            ],
            "problems": list(self.problems),
        }


def look(root: Path, warehouse: Warehouse, now: datetime) -> Push:
    """Look at drop folder and warehouse.

    Args:
        root: The drop folder.
        warehouse: Where messages are loaded.
        now: The present, aware UTC.

    Raises:
        SpoolError: The drop folder cannot be read.
        WarehouseError: The warehouse cannot be read.
    """
    state = read_state(root)
    backlog = Backlog(root)
    found = backlog.found(now)
    manifests = tuple(m for held in HELD for m in backlog.manifests(held))
    oldest = min((written_utc(w.mtime_ns, now) for w in found.messages), default=None)
    holes = find_holes(root, warehouse, now)
    alive = state is not None and state.beat.event != "stopped" and now - state.beat.utc <= LONGEST_SILENCE
    problems = [
        *_of_listener(state, alive, now),
        *_of_drop_folder(found, oldest, now),
        *_of_manifests(manifests, backlog.bad_manifests(), now),
        *_of_holes(holes, now),
    ]
    return Push(
        listener=state,
        alive=alive,
        linked=state is not None and state.beat.linked,
        waiting=len(found.messages),
        waiting_bytes=sum(w.size for w in found.messages),
        oldest_utc=oldest,
        manifests=manifests,
        foreign=tuple(found.foreign),
        holes=holes,
        problems=tuple(problems),
    )


def _of_listener(state: State | None, alive: bool, now: datetime) -> Iterator[str]:
    if state is None:
        return
    if not alive:
        yield "the listener is not running: start it with `energy-assets iris listen`"
    elif not state.beat.linked:
        yield f"the listener cannot receive: {state.beat.reason or state.beat.event}"
    if state.free_bytes is not None and state.free_bytes < WARN_FREE_GB * GIGABYTE:
        yield f"{state.free_bytes / GIGABYTE:.1f} GB are free: below {WARN_FREE_GB:.0f} GB the disk runs short"
    warning = secret_warning(state.secret_expires, now.date())
    if warning is not None:
        yield warning


def _of_drop_folder(found: Found, oldest: datetime | None, now: datetime) -> Iterator[str]:
    if oldest is not None and now - oldest > WAITS_LONG:
        yield f"files wait since {oldest:%Y-%m-%d %H:%MZ}: see whether the Dagster daemon runs"
    if found.odd:
        reason = next(iter(found.odd.values()))
        yield f"in the drop folder {_named(found.odd)} cannot be looked at ({reason}): see to permissions"


def _of_manifests(manifests: Sequence[Manifest], bad: Mapping[str, str], now: datetime) -> Iterator[str]:
    for manifest in manifests:
        files = f"{len(manifest.files):,} {'file' if len(manifest.files) == 1 else 'files'}"
        if manifest.loaded_utc is not None:
            if manifest.error:
                yield f"{files} loaded {_ago(manifest.loaded_utc, now)} cannot be deleted: {manifest.error}"
        elif manifest.failed_utc is not None:
            streams = ", ".join(manifest.streams or ()) or "all streams"
            yield (
                f"{files} chosen {_ago(manifest.created_utc, now)} could not be loaded ({streams}), tried "
                f"{manifest.failures} times, last {_ago(manifest.failed_utc, now)}: {manifest.error}"
            )
        elif now - manifest.created_utc > WAITS_LONG:
            yield (
                f"{files} chosen {_ago(manifest.created_utc, now)} are not loaded yet: see the runs of iris_load, and "
                "whether the Dagster daemon runs"
            )
    for path, reason in bad.items():
        yield f"{path} is no manifest ({reason})"


def _of_holes(holes: Holes, now: datetime) -> Iterator[str]:
    if holes.silent(now):
        hours = SILENT_AFTER // timedelta(hours=1)
        yield f"no message for more than {hours} hours: the queue forgets after three days"
    if holes.doubt:
        yield f"the queue's numbers are not believed, so gaps in them go unnoticed: {holes.doubt}"
    lost = holes.in_state("given_up")
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield f"what was missed {_span(lost[0])}{more} is not in the archive, however often it was asked for"


def _span(hole: Hole) -> str:
    return f"{hole.from_utc:%Y-%m-%d %H:%M:%SZ} to {hole.to_utc:%Y-%m-%d %H:%M:%SZ}"


def _named(paths: Collection[str]) -> str:
    shown = ", ".join(list(paths)[:NAMED_MOST])
    return f"{shown} and {len(paths) - NAMED_MOST:,} more" if len(paths) > NAMED_MOST else shown


def _ago(moment: datetime, now: datetime) -> str:
    """How long ago, roughly; a moment that lies ahead was written by a wrong clock and is told as it is."""
    passed = now - moment
    if passed < timedelta(0):
        return f"at {moment:%Y-%m-%d %H:%MZ}"
    if passed < timedelta(hours=2):
        return f"{passed // timedelta(minutes=1)} min ago"
    return f"{passed // timedelta(hours=1)} h ago" if passed < timedelta(days=2) else f"{passed.days} d ago"
