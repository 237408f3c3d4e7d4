"""What an orchestrator says of its runs, its daemons and the checks: plain values for the status and the doctor.

Where they come from is not known here; nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from energy_assets.checks.model import Severity

RunState = Literal["waiting", "running", "success", "failed", "cancelled"]

DAEMON_SILENT = timedelta(minutes=5)
"""A daemon beats every half minute, and is given as long by Dagster's own overview before it shows it as dead."""

WAITS_LONG = timedelta(hours=2)
"""A run waits for its lane while a backfill or a refresh before it lasts; nothing scheduled waits for so long."""

RUNS_LONG = timedelta(hours=6)
"""The longest bounded piece of a backfill takes less; run monitoring ends what takes longer, where it is alive."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        run_id: Its identity.
        job: What it runs.
        state: What has become of it.
        created: When it was asked for.
        started: When it began; ``None`` before.
        ended: When it ended; ``None`` before.
    """

    run_id: str
    job: str
    state: RunState
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def changed(self) -> datetime:
        """When something was last known to happen to it."""
        return self.ended or self.started or self.created


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check that did not pass when it was last told of."""

    dataset: str
    check: str
    severity: Severity
    text: str
    told_utc: datetime


@dataclass(frozen=True, slots=True)
class Daemon:
    """One of the orchestrator's daemons, and when it last beat; ``None`` for never."""

    name: str
    beat_utc: datetime | None


@dataclass(frozen=True, slots=True)
class Orchestrated:
    """What an instance of the orchestrator knows.

    Attributes:
        home: Where it is.
        newest: The newest run of each job among those looked at, the newest first.
        active: Every run that waits or goes on, the oldest first.
        verdicts: Checks that have not passed.
        checks: How many checks have a verdict.
        daemons: Those that should be alive.
    """

    home: Path
    newest: tuple[Run, ...] = ()
    active: tuple[Run, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    checks: int = 0
    daemons: tuple[Daemon, ...] = ()

    def silent(self, now: datetime) -> tuple[Daemon, ...]:
        """Daemons that do not beat any more."""
        return tuple(d for d in self.daemons if d.beat_utc is None or now - d.beat_utc > DAEMON_SILENT)

    def stuck(self, now: datetime) -> Iterator[Run]:
        """Runs that wait, or go on, for longer than any should."""
        for run in self.active:
            longest = WAITS_LONG if run.state == "waiting" else RUNS_LONG
            if now - run.changed > longest:
                yield run
