"""Everything that a person, or a monitor, wants to know at a glance, put together from those who know it.

Sections are made here, each from one source; a source that cannot be read is itself something wrong and takes no other
with it. Nothing is printed, repaired or asked of a provider. Another part joins with a function that gives a
``Section``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.errors import EnergyAssetsError
from energy_assets.sources.iris.dropfolder import GIGABYTE
from energy_assets.tracking import push
from energy_assets.tracking.alerts import open_alerts
from energy_assets.tracking.gap_look import names_of
from energy_assets.tracking.gaps import conditions
from energy_assets.tracking.orchestrator import Orchestrated, Run
from energy_assets.tracking.status import DatasetReport, State
from energy_assets.tracking.watch import disk_conditions, existing, expected, is_stale
from energy_assets.warehouse.ledger import read_gaps

if TYPE_CHECKING:
    from energy_assets.catalogue.model import Dataset
    from energy_assets.settings import Settings
    from energy_assets.warehouse.interface import Warehouse

NAMED = 5
"""Datasets, checks or runs that a line names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Section:
    """What is known of one thing.

    Attributes:
        name: Its name in JSON.
        title: Its name for people.
        lines: The report for people, the most important line first; may have some of what is wrong, word for word.
        wrong: One sentence for each thing that somebody has to see to.
        plain: The report for programs.
    """

    name: str
    title: str
    lines: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    plain: object = None


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """The datasets of one provider in one line.

    Attributes:
        provider: Provider key.
        states: How many datasets are in each state.
        missing: Windows missing over all of them.
        newest_utc: Newest instant of any row that is not of the future.
        last_success_utc: When a request last succeeded.
        last_request_utc: When one was last made.
        quarantined: Rows in quarantine.
    """

    provider: str
    states: Mapping[State, int]
    missing: int
    newest_utc: datetime | None
    last_success_utc: datetime | None
    last_request_utc: datetime | None
    quarantined: int


@dataclass(frozen=True)
class Overview:
    """What is known now.

    Attributes:
        now: When it was looked at.
        place: Where the warehouse is.
        days: Settlement days over which missing windows are counted.
        reports: One for each dataset.
        stale: Names of datasets that should have had a success by now.
        sections: What is known besides.
    """

    now: datetime
    place: str
    days: int
    reports: tuple[DatasetReport, ...]
    stale: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())

    @property
    def providers(self) -> tuple[ProviderReport, ...]:
        """One line for each provider."""
        return tuple(
            _provider(name, [r for r in self.reports if r.dataset.provider == name], self.now)
            for name in dict.fromkeys(r.dataset.provider for r in self.reports)
        )

    @property
    def wrong(self) -> tuple[str, ...]:
        """Everything that somebody has to see to, one sentence each; empty where all is well."""
        return (*_of_datasets(self.reports), *self._of_stale(), *(w for s in self.sections for w in s.wrong))

    def _of_stale(self) -> Iterator[str]:
        if self.stale:
            yield f"stale, because more was due since the last success: {some(self.stale)}"


Look = Callable[[], Section]


def sections(looks: Mapping[str, Look]) -> tuple[Section, ...]:
    """One section for each look, by title; a look that fails is told of as its section."""
    found = []
    for title, look in looks.items():
        try:
            found.append(look())
        except (EnergyAssetsError, OSError) as error:
            reason = f"{title} cannot be looked at: {error}"
            found.append(Section(title.replace(" ", "_"), title, (reason,), (reason,), {"error": str(error)}))
    return tuple(found)


def stale(
    reports: Sequence[DatasetReport], profile: str, now: datetime, asked: Mapping[str, datetime]
) -> tuple[str, ...]:
    """Names of the datasets that a schedule keeps current and that had no success for too long (``watch.is_stale``)."""
    kept = set(expected([r.dataset for r in reports], profile))
    found = (r for r in reports if r.dataset in kept and r.state != "empty")
    return tuple(r.dataset.name for r in found if is_stale(r, now, asked))


def listener_section(root: Path, warehouse: Warehouse, now: datetime) -> Section:
    """The push service, by the listener's heartbeat and the drop folder; nothing is wrong where nobody ever listened.

    Raises:
        SpoolError: The drop folder cannot be read.
        WarehouseError: The warehouse cannot be read.
    """
    if not root.is_dir():
        return Section("listener", "IRIS listener", ("never started here",), (), None)
    found = push.look(root, warehouse, now)
    line, *rest = found.lines()
    return Section(
        "listener",
        "IRIS listener",
        (line.removeprefix("listener: "), *(r for r in rest if not r.startswith("! "))),
        found.problems,
        found.as_plain(),
    )


def gaps_section(warehouse: Warehouse, datasets: Sequence[Dataset], now: datetime) -> Section:
    """What the ledger has as missing; wrong is what was missed and has stayed open for longer than it takes to repair.

    Raises:
        WarehouseError: The ledger cannot be read.
    """
    by_table = names_of(datasets)
    gaps = [g for g in read_gaps(warehouse) if g.table in by_table]
    tally = Counter(g.why for g in gaps)
    lines = [", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in sorted(tally.items())) or "none known"]
    wrong = [f"{c.subject}: {c.text}" for c in conditions(gaps, by_table, now)]
    lines += wrong[:NAMED]
    plain = [
        {
            "dataset": by_table[g.table],
            "from_utc": g.from_utc,
            "to_utc": g.to_utc,
            "branch": g.branch,
            "why": g.why,
            "since_utc": g.since_utc,
            "opened_utc": g.opened_utc,
            "note": g.note,
        }
        for g in gaps
    ]
    return Section("gaps", "gaps", tuple(lines), tuple(wrong), plain)


def disk_section(settings: Settings) -> Section:
    """Space on the disks of home and warehouse, and what the warehouse takes of it."""
    home = existing(settings.home)
    usage = shutil.disk_usage(home)
    lines = [f"home: {usage.free / GIGABYTE:,.1f} GB free of {usage.total / GIGABYTE:,.1f} GB"]
    plain: dict[str, object] = {
        "home": str(settings.home),
        "home_free_bytes": usage.free,
        "home_used_bytes": usage.used,
        "home_total_bytes": usage.total,
    }
    wrong = [c.text for c in disk_conditions(settings.home, usage.free)]
    if settings.warehouse == "duckdb":
        size, there = warehouse_bytes(settings.duckdb_path), existing(settings.duckdb_path.parent)
        free = shutil.disk_usage(there).free
        plain |= {"warehouse": str(settings.duckdb_path), "warehouse_bytes": size, "warehouse_free_bytes": free}
        lines.append(f"warehouse: {size / GIGABYTE:,.2f} GB in {settings.duckdb_path.name}")
        if there.stat().st_dev != home.stat().st_dev:
            lines[-1] += f", {free / GIGABYTE:,.1f} GB free on its disk"
            wrong += [c.text for c in disk_conditions(settings.duckdb_path.parent, free)]
    return Section("disk", "disk", (", ".join(lines),), tuple(wrong), plain)


def alerts_section(settings: Settings) -> Section:
    """Open incidents.

    Raises:
        SpoolError: The home cannot be read.
    """
    alerts = open_alerts(settings)
    holding = [i for i in alerts.incidents() if i.holds]
    deaf = alerts.trouble()
    wrong = [f"alert open since {i.opened_utc:%Y-%m-%d %H:%MZ}: {i.subject}" for i in holding]
    # What an incident says at length is told where it was found.
    lines = [f"{len(holding)} open" if holding else "none open", *wrong[:NAMED]]
    wrong += [f"{label} does not take messages: {reason}" for label, reason in deaf.items()]
    plain = {
        "open": [
            {
                "key": i.key,
                "kind": i.kind,
                "severity": i.severity,
                "subject": i.subject,
                "text": i.text,
                "remedy": i.remedy,
                "opened_utc": i.opened_utc,
                "told_utc": i.told_utc(),
            }
            for i in holding
        ],
        "undeliverable": dict(deaf),
    }
    return Section("alerts", "alerts", tuple(lines), tuple(wrong), plain)


def checks_section(known: Orchestrated, datasets: Sequence[Dataset]) -> Section:
    """Checks of these datasets that did not pass when they were last told of."""
    codes = {d.code for d in datasets}
    red = [v for v in known.verdicts if v.dataset in codes]
    errors = sum(v.severity == "error" for v in red)
    wrong = tuple(f"{v.check} ({v.severity}): {v.text}" for v in red)
    lines = (_checks_line(known.checks, errors, len(red) - errors), *wrong[:NAMED])
    plain = {
        "with_verdict": known.checks,
        "failing": [
            {"dataset": v.dataset, "check": v.check, "severity": v.severity, "text": v.text, "told_utc": v.told_utc}
            for v in red
        ],
    }
    return Section("checks", "checks", lines, wrong, plain)


def runs_section(known: Orchestrated, now: datetime) -> Section:
    """The newest run of each job, runs that are stuck, and daemons that are silent."""
    failed = [r for r in known.newest if r.state == "failed"]
    running = [r for r in known.active if r.state == "running"]
    waiting = len(known.active) - len(running)
    lines = [f"{len(known.newest)} jobs have run, {len(failed)} failed last; {len(running)} running, {waiting} waiting"]
    lines += [f"{r.job}: {r.state}, {r.changed:%Y-%m-%d %H:%MZ}" for r in known.newest[:NAMED]]
    wrong = [f"the newest run of {r.job} failed at {r.changed:%Y-%m-%d %H:%MZ} (run {r.run_id})" for r in failed]
    wrong += [f"run {r.run_id} of {r.job} is {r.state} since {r.changed:%Y-%m-%d %H:%MZ}" for r in known.stuck(now)]
    if silent := [d.name for d in known.silent(now)]:
        wrong.append(f"Dagster's daemon does not beat ({some(silent)}): nothing is refreshed by itself")
    plain = {
        "dagster_home": str(known.home),
        "newest": [_run_plain(r) for r in known.newest],
        "active": [_run_plain(r) for r in known.active],
        "daemons": [{"name": d.name, "beat_utc": d.beat_utc} for d in known.daemons],
    }
    return Section("runs", "runs", tuple(lines), tuple(wrong), plain)


def some(names: Sequence[str]) -> str:
    """A few names, and how many more."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def warehouse_bytes(path: Path) -> int:
    """Bytes of a database file and its write-ahead log."""
    return sum(p.stat().st_size for p in (path, path.with_name(f"{path.name}.wal")) if p.exists())


def _checks_line(checks: int, errors: int, warnings: int) -> str:
    if not checks:
        return "none has run yet"
    if not errors + warnings:
        return f"{checks:,} with a verdict, all passed"
    return f"{checks:,} with a verdict: {errors} not passed as errors, {warnings} as warnings"


def _run_plain(run: Run) -> dict[str, object]:
    return {
        "job": run.job,
        "run_id": run.run_id,
        "state": run.state,
        "created_utc": run.created,
        "started_utc": run.started,
        "ended_utc": run.ended,
    }


def _provider(name: str, reports: Sequence[DatasetReport], now: datetime) -> ProviderReport:
    held = [r.held for r in reports]
    return ProviderReport(
        name,
        Counter(r.state for r in reports),
        sum(len(r.missing) for r in reports if r.state != "empty"),
        max((h.newest_utc for h in held if h.newest_utc is not None and h.newest_utc <= now), default=None),
        max((h.last_success_utc for h in held if h.last_success_utc is not None), default=None),
        max((h.last_recorded_utc for h in held if h.last_recorded_utc is not None), default=None),
        sum(h.quarantined for h in held),
    )


def _of_datasets(reports: Sequence[DatasetReport]) -> Iterator[str]:
    for report in reports:
        if report.state == "failed":
            yield f"{report.dataset.name} failed: {report.held.last_reason}"
    for state, words in (("suspect", "empty although data were due"), ("missing", "with missing windows")):
        names = [r.dataset.name for r in reports if r.state == state]
        if names:
            yield f"{words}: {some(names)}"
