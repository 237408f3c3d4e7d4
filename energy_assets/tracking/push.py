"""How the push service is doing: the listener's heartbeat, what waits in the drop folder, and what was missed.

Reads the drop folder and the warehouse and puts it into words; nothing is loaded or repaired here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from energy_assets.ingest.holes import SILENT_AFTER, Holes, find_holes
from energy_assets.sources.iris.backlog import Backlog
from energy_assets.sources.iris.dropfolder import GIGABYTE, WARN_FREE_GB
from energy_assets.sources.iris.heartbeat import LONGEST_SILENCE, State, read_state
from energy_assets.warehouse.interface import Warehouse

WAITS_LONG = timedelta(minutes=15)
"""Age of the oldest waiting file from which somebody should look: the sensor looks every half minute."""

SECRET_WARNING = timedelta(days=60)
"""How long before its end a secret is worth a word: asking for a new one takes days."""


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
        open_manifests: Batches that are not loaded yet.
        holes: What was missed in the last week.
        problems: One sentence for each thing that somebody has to see to.
    """

    listener: State | None
    alive: bool
    linked: bool
    waiting: int
    waiting_bytes: int
    oldest_utc: datetime | None
    open_manifests: int
    holes: Holes
    problems: tuple[str, ...] = field(default=())

    def lines(self) -> list[str]:
        """The report for people."""
        lines = [self._listener()]
        newest = self.holes.newest_utc
        lines.append(f"newest message held: {newest:%Y-%m-%d %H:%M:%SZ}" if newest else "no message is held yet")
        lines.append(
            f"waiting to be loaded: {self.waiting:,} files, {self.waiting_bytes / 1e6:.1f} MB; "
            f"{self.open_manifests} batches being loaded"
        )
        lines += [
            f"missed {h.from_utc:%Y-%m-%d %H:%M:%SZ} to {h.to_utc:%Y-%m-%d %H:%M:%SZ}: {h.reason}"
            for h in self.holes.holes
        ]
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
            "newest_message_utc": self.holes.newest_utc.isoformat() if self.holes.newest_utc else None,
            "waiting_files": self.waiting,
            "waiting_bytes": self.waiting_bytes,
            "open_manifests": self.open_manifests,
            "holes": [
                {"from_utc": h.from_utc.isoformat(), "to_utc": h.to_utc.isoformat(), "reason": h.reason}
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
    waiting = backlog.waiting(now)
    oldest = min((datetime.fromtimestamp(w.mtime_ns / 1e9, tz=now.tzinfo) for w in waiting), default=None)
    holes = find_holes(root, warehouse, now)
    alive = state is not None and state.beat.event != "stopped" and now - state.beat.utc <= LONGEST_SILENCE
    return Push(
        listener=state,
        alive=alive,
        linked=state is not None and state.beat.linked,
        waiting=len(waiting),
        waiting_bytes=sum(w.size for w in waiting),
        oldest_utc=oldest,
        open_manifests=len(backlog.manifests("open")),
        holes=holes,
        problems=tuple(_problems(state, alive, oldest, holes, now)),
    )


def _problems(state: State | None, alive: bool, oldest: datetime | None, holes: Holes, now: datetime) -> list[str]:
    found = []
    if state is not None and not alive:
        found.append("the listener is not running: start it with `energy-assets iris listen`")
    if state is not None and alive and not state.beat.linked:
        found.append(f"the listener cannot receive: {state.beat.reason or state.beat.event}")
    if holes.silent(now):
        hours = SILENT_AFTER // timedelta(hours=1)
        found.append(f"no message for more than {hours} hours: the queue forgets after three days")
    if oldest is not None and now - oldest > WAITS_LONG:
        found.append(f"files wait since {oldest:%Y-%m-%d %H:%MZ}: see whether the Dagster daemon runs")
    if state is not None and state.free_bytes is not None and state.free_bytes < WARN_FREE_GB * GIGABYTE:
        found.append(f"{state.free_bytes / GIGABYTE:.1f} GB are free: below {WARN_FREE_GB:.0f} GB the disk runs short")
    if state is not None and state.secret_expires is not None and state.secret_expires - now.date() <= SECRET_WARNING:
        found.append(f"the client secret ends on {state.secret_expires}: ask Elexon for a new one")
    return found
