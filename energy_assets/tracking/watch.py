"""What is found wrong without an orchestrator: a full disk, a deaf listener, an ending secret, datasets left behind.

Each function says what holds now, for ``alerts``; nobody is told here. Failed runs are found where runs are known, and
gaps and checks by those who look for them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.model import Severity
from energy_assets.errors import EnergyAssetsError
from energy_assets.ingest.holes import SILENT_AFTER, heard_utc
from energy_assets.ingest.model import Seen
from energy_assets.ingest.planner import plan
from energy_assets.sources.iris.connection import secret_warning
from energy_assets.sources.iris.dropfolder import GIGABYTE
from energy_assets.sources.iris.heartbeat import DRAINED, outages, read_beats, read_state
from energy_assets.sources.neso.memory import Memory
from energy_assets.tracking.incidents import Condition
from energy_assets.tracking.messages import lasted
from energy_assets.tracking.status import DatasetReport

if TYPE_CHECKING:
    from energy_assets.settings import Settings

DISK_WARNING_GB = 10.0
"""A quarter of every dataset takes a few GB on its way; with less than this a backfill may not end."""

DISK_ERROR_GB = 2.0
"""Below this the listener stops receiving by default, and a merge of a large day may run out."""

DEAF_AFTER = timedelta(minutes=15)
"""A restart takes seconds, a failover of the service minutes; the queue keeps what comes meanwhile for three days."""

DEAF_LOOK = timedelta(days=3)
"""How far back it is looked since when nobody listens: as long as the queue keeps anything."""

SECRET_URGENT = timedelta(days=7)
"""A week before a secret ends its condition becomes an error: asking for another one takes a person."""

CALENDAR_ENDS = timedelta(days=180)
"""Time before the last known working day at which it is told: long enough for a release with the next bank holidays,
which are announced two years ahead."""

TICK = timedelta(minutes=15)
"""Time between two refreshes."""

STALE_POLLS = 4
"""Polls in a row without a success from which a dataset is stale: one or two are a provider's bad moment."""

STALE_PAST = timedelta(hours=36)
"""The same for days before yesterday, which are asked for once a day: one of two failed."""

STALE_FAMILY = STALE_POLLS * timedelta(hours=1)
"""The same for families of files: the portal is asked for every one at each full hour, whenever it may change."""

PAST_DAYS = 14
"""Settlement days before the present one at which something may fall due; lags in working days over Christmas included.
Later re-reads are about revisions, whose lateness is no staleness."""

SCHEDULED = frozenset({"bmrs", "neso"})
"""Providers whose datasets a schedule keeps current. What is pushed is watched by its listener."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a look at the machine came to.

    Attributes:
        found: What is wrong, by scope.
        failures: One sentence for each scope that could not be looked at, and so is in doubt.
    """

    found: Mapping[str, Sequence[Condition]]
    failures: tuple[str, ...]


def watch(settings: Settings, now: datetime) -> Watched:
    """What is wrong with this machine; reads the home and the drop folder only.

    Args:
        settings: Where things are.
        now: The present, aware UTC.
    """
    looks: dict[str, Callable[[], list[Condition]]] = {
        "disk": lambda: disk_conditions(settings.home, shutil.disk_usage(existing(settings.home)).free),
        "listener": lambda: listener_conditions(settings.iris_drop_dir, now),
        "credentials": lambda: credential_conditions(settings.iris_secret_expires, now.date()),
        "calendar": lambda: calendar_conditions(now.date()),
    }
    found: dict[str, Sequence[Condition]] = {}
    failures = []
    for scope, look in looks.items():
        try:
            found[scope] = look()
        except (EnergyAssetsError, OSError) as error:
            failures.append(f"Alerts cannot look at the {scope}: {error}; make it a place that this user may read.")
    return Watched(found, tuple(failures))


def disk_conditions(home: Path, free_bytes: float) -> list[Condition]:
    """Whether the home's disk runs short."""
    free = free_bytes / GIGABYTE
    if free >= DISK_WARNING_GB:
        return []
    severity: Severity = "error" if free < DISK_ERROR_GB else "warning"
    return [
        Condition(
            "disk home",
            "disk_low",
            severity,
            "the disk of the home runs short",
            f"{free:.1f} GB are free on the disk that holds {home}; below {DISK_WARNING_GB:.0f} GB a refresh may fail.",
            "Free space, lower ENERGY_ASSETS_KEEP_BODIES_DAYS or move ENERGY_ASSETS_HOME to a larger disk.",
        )
    ]


def listener_conditions(root: Path, now: datetime) -> list[Condition]:
    """Whether nobody listens to the queue, or nothing comes; nothing where nobody ever listened.

    One that has emptied the queue and ended, as a scheduled one does, is not missed; that nothing comes is.

    Args:
        root: The drop folder.
        now: The present, aware UTC.
    """
    found = [*_deaf(root, now), *_silent(root, now)]
    # Who does not listen hears nothing: the graver of the two says it.
    return found[-1:]


def credential_conditions(expires: date | None, today: date) -> list[Condition]:
    """Whether the secret of the queue's client ends soon."""
    warning = secret_warning(expires, today)
    if warning is None or expires is None:
        return []
    sentence, _, remedy = warning.partition(": ")
    severity: Severity = "error" if expires - today <= SECRET_URGENT else "warning"
    subject = f"the IRIS client's secret {'has ended' if expires <= today else 'ends soon'}"
    return [
        Condition("credentials iris", "credentials", severity, subject, f"{sentence}.", remedy[:1].upper() + remedy[1:])
    ]


def asked_families(settings: Settings) -> Mapping[str, datetime]:
    """When this home last asked the portal for each family of files, by dataset code.

    Raises:
        SpoolError: The home cannot be read.
    """
    return Memory(settings.home).asked_utc()


def calendar_conditions(today: date) -> list[Condition]:
    """Whether the working days that this release knows end soon: what settles by them cannot be planned beyond."""
    last = calendar.LAST_WORKING_DAY
    if last - today > CALENDAR_ENDS:
        return []
    return [
        Condition(
            "calendar ends",
            "outdated",
            "error" if today >= last else "warning",
            f"bank holidays are known to {last} only",
            f"This release knows the bank holidays to {last}; datasets whose lag is in working days or settlement runs "
            "fail from then on, and their status and gaps cannot be told.",
            "Install a newer release of energy_assets.",
        )
    ]


def stale_conditions(reports: Sequence[DatasetReport], now: datetime, asked: Mapping[str, datetime]) -> list[Condition]:
    """Which datasets had no success for too long.

    A dataset is stale when something fell due since its last success, and was due for four of its polls. So nothing is
    expected while there is nothing to ask for, and a quiet dataset that was asked is not stale. Of a family of files
    the portal says what is due: it is stale when the portal was not asked for it, or what is due of it has failed, for
    that long. However seldom its files are issued, that says nothing.

    Args:
        reports: What the warehouse holds of datasets that are asked for by a schedule.
        now: The present, aware UTC.
        asked: See ``asked_families``; a family that this home has never asked for is not late.
    """
    return [_stale(r, now, asked) for r in reports if is_stale(r, now, asked)]


def is_stale(report: DatasetReport, now: datetime, asked: Mapping[str, datetime]) -> bool:
    """Whether a dataset should have had a success by now; one that was never asked for should not."""
    if report.dataset.files is not None:
        return _neglected(report, now, asked) or _fails(report, now)
    success = report.held.last_success_utc
    if success is None:
        return report.held.last_status in ("failed", "suspect")
    today = calendar.settlement_day(now)
    return any(
        _was_due(report.dataset, today - timedelta(days=back), success, now - patience)
        for back, patience in _looks(report.dataset)
    )


def expected(datasets: Sequence[Dataset], profile: str) -> tuple[Dataset, ...]:
    """The datasets that a schedule keeps current."""
    return tuple(d for d in datasets if d.provider in SCHEDULED and profile in d.profiles)


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there: a home is made by the first who writes to it."""
    return next((p for p in (folder, *folder.parents) if p.exists()), folder)


def _looks(dataset: Dataset) -> Iterator[tuple[int, timedelta]]:
    """Days back at which something may be due, and how long it may wait."""
    poll = timedelta(minutes=dataset.timing.poll_minutes)
    yield 0, STALE_POLLS * max(poll, TICK)
    # Yesterday is looked at every hour.
    yield 1, STALE_POLLS * max(poll, timedelta(hours=1))
    if not dataset.is_register:
        for back in range(2, PAST_DAYS + 1):
            yield back, max(STALE_PAST, STALE_POLLS * poll)


def _was_due(dataset: Dataset, day: date, success: datetime, at: datetime) -> bool:
    """Whether at an instant something of a day was to be asked for, given that all was asked for at the success."""
    if at <= success:
        return False
    asked = [Seen(window, success, None) for window in plan(dataset, day, day, (), success).windows]
    return plan(dataset, day, day, asked, at).status == "due"


def _neglected(report: DatasetReport, now: datetime, asked: Mapping[str, datetime]) -> bool:
    last = asked.get(report.dataset.code)
    return last is not None and now - last >= STALE_FAMILY


def _fails(report: DatasetReport, now: datetime) -> bool:
    return report.failing_utc is not None and now - report.failing_utc >= STALE_FAMILY


def _stale(report: DatasetReport, now: datetime, asked: Mapping[str, datetime]) -> Condition:
    held, name = report.held, report.dataset.name
    if report.dataset.files is not None and _neglected(report, now, asked):
        last_asked = asked[report.dataset.code]
        since = (
            f"The portal was last asked for it at {last_asked:%Y-%m-%d %H:%MZ}, {lasted(now - last_asked)} ago, and is "
            "to be asked every hour."
        )
    elif report.failing_utc is not None:
        age = lasted(now - report.failing_utc)
        since = f"Something of it has failed since {report.failing_utc:%Y-%m-%d %H:%MZ}, for {age}."
    elif held.last_success_utc is None:
        since = "It has never been fetched with success."
    else:
        age = lasted(now - held.last_success_utc)
        since = f"The last success was at {held.last_success_utc:%Y-%m-%d %H:%MZ}, {age} ago, and more was due since."
    last = (
        f" The last request: {held.last_status}. {held.last_reason}"
        if held.last_status in ("failed", "suspect")
        else ""
    )
    return Condition(
        f"stale {name}",
        "dataset_stale",
        "warning",
        f"{name} is stale",
        f"{since}{last}",
        f"See the runs of the refresh and whether Dagster's daemon runs; `energy-assets refresh {name}` asks now.",
    )


def _deaf(root: Path, now: datetime) -> Iterator[Condition]:
    state = read_state(root)
    if state is None or (state.beat.event == "stopped" and state.beat.reason == DRAINED):
        return
    since = now - DEAF_LOOK
    last = outages(read_beats(root, since, now), since, now)[-1:]
    if last and last[0].to_utc >= now and now - last[0].from_utc >= DEAF_AFTER:
        yield Condition(
            "listener deaf",
            "listener_silent",
            "warning",
            "nobody listens to IRIS",
            f"The listener has received nothing since {last[0].from_utc:%Y-%m-%d %H:%MZ} ({last[0].reason}); the queue "
            "forgets after three days.",
            "Start it with `energy-assets iris listen`; `energy-assets iris status` says how it is.",
        )


def _silent(root: Path, now: datetime) -> Iterator[Condition]:
    heard = heard_utc(root, now)
    if heard is not None and now - heard >= SILENT_AFTER:
        yield Condition(
            "listener silent",
            "listener_silent",
            "error",
            "no IRIS message comes",
            f"The newest IRIS message is of {heard:%Y-%m-%d %H:%MZ}, {lasted(now - heard)} ago; the queue forgets "
            "after three days.",
            "`energy-assets iris status` says whether the listener runs; see whether the queue still exists at "
            "bmrs.elexon.co.uk/iris.",
        )
