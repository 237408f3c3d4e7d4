"""What Dagster's instance knows of runs, daemons and checks, read into plain values for commands that run beside it.

Never required: where no ``DAGSTER_HOME`` has been made ready there is nothing to be read, and nothing is made. Dagster
loads when something is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.catalogue.model import Dataset
from energy_assets.errors import SettingsError
from energy_assets.tracking.orchestrator import Daemon, Orchestrated, Run, RunState, Verdict

if TYPE_CHECKING:
    import dagster as dg

    from energy_assets.settings import Settings

VARIABLE = "DAGSTER_HOME"

RUNS = 200
"""Newest runs that are looked at: a day of every job, so that each job's newest is among them, in one query."""

ACTIVE_MOST = 500
"""Runs under way that are looked at, the oldest first; a queue with more has the same trouble."""

STATES: Mapping[str, RunState] = {
    "QUEUED": "waiting",
    "NOT_STARTED": "waiting",
    "STARTING": "waiting",
    "MANAGED": "waiting",
    "STARTED": "running",
    "CANCELING": "running",
    "SUCCESS": "success",
    "FAILURE": "failed",
    "CANCELED": "cancelled",
}


def home_of(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """The folder of Dagster's instance: ``DAGSTER_HOME``, else that of ``make run``; ``None`` where none is ready."""
    named = environ.get(VARIABLE, "").strip()
    folder = Path(named).expanduser() if named else settings.home / "dagster"
    return folder.absolute() if (folder / "dagster.yaml").is_file() else None


def read_instance(home: Path, datasets: Sequence[Dataset]) -> Orchestrated:
    """What the instance knows now.

    Args:
        home: Its folder, with a ``dagster.yaml``.
        datasets: Entries whose checks are asked for.

    Raises:
        SettingsError: It cannot be read; the message says why.
    """
    with _opened(home) as instance:
        newest = _newest_of_each(_runs(instance.get_run_records(limit=RUNS)))
        verdicts, checks = _verdicts(instance, datasets)
        return Orchestrated(home, newest, _active(instance), verdicts, checks, _daemons(instance))


@contextmanager
def _opened(home: Path) -> Iterator[dg.DagsterInstance]:
    import dagster as dg

    # The shipped dagster.yaml names the variable, also where nobody has set it.
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(home)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
    except Exception as error:
        # Storage may be any database, whose libraries have errors of their own.
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(
            f"Dagster's instance in {home} cannot be read ({first}): see its dagster.yaml, and bring its storage up "
            f"to date with `dagster instance migrate`."
        ) from error
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _runs(records: Sequence[dg.RunRecord]) -> list[Run]:
    return [_run(record) for record in records]


def _run(record: dg.RunRecord) -> Run:
    run = record.dagster_run
    return Run(
        run.run_id,
        run.job_name,
        STATES.get(run.status.value, "waiting"),
        record.create_timestamp.astimezone(UTC),
        _instant(record.start_time),
        _instant(record.end_time),
    )


def _newest_of_each(runs: Sequence[Run]) -> tuple[Run, ...]:
    newest: dict[str, Run] = {}
    for run in runs:
        newest.setdefault(run.job, run)
    return tuple(newest.values())


def _active(instance: dg.DagsterInstance) -> tuple[Run, ...]:
    import dagster as dg

    statuses = [dg.DagsterRunStatus(name) for name, state in STATES.items() if state in ("waiting", "running")]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=ACTIVE_MOST, ascending=True)
    return tuple(_runs(records))


def _verdicts(instance: dg.DagsterInstance, datasets: Sequence[Dataset]) -> tuple[tuple[Verdict, ...], int]:
    from energy_assets.assets.checks import told_verdicts

    told = told_verdicts(instance, datasets)
    failed = (
        Verdict(code, check, t.severity, t.text, t.at.astimezone(UTC))
        for (code, check), t in told.items()
        if not t.passed
    )
    return tuple(sorted(failed, key=lambda v: (v.severity != "error", v.dataset, v.check))), len(told)


def _daemons(instance: dg.DagsterInstance) -> tuple[Daemon, ...]:
    return tuple(
        Daemon(name.removesuffix("_DAEMON").lower(), _instant(s.last_heartbeat.timestamp if s.last_heartbeat else None))
        for name, s in instance.get_daemon_statuses().items()
        if s.required
    )


def _instant(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds is not None else None
