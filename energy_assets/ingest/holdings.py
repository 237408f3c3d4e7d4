"""Which files of a portal are held, by the receipts, and which are to be asked for now.

Pure: catalogue entries, what the portal lists, what receipts say and the time go in, jobs come out. Nothing here asks,
reads a file or a store.

A resource's version is written into the branch of its receipts: its id, the portal's word on when it was changed, and,
where its rows were written in several commits, which of them. The window of such a receipt is the day of asking.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset, Files
from energy_assets.errors import ContractError
from energy_assets.ingest.model import Seen, Window
from energy_assets.sources.neso.due import REFUSED_REST, Held, Wanted, due, next_table
from energy_assets.sources.neso.portal import Portal, Resource

RESOURCE = "resource"
MODIFIED = "modified"
PART = "part"
LAST = "last"

_RESERVED = re.compile(r"[,=]")
"""Characters that divide a branch where it is stored."""

FIRST_UTC = datetime(2001, 1, 1, tzinfo=calendar.LONDON)
"""Before any receipt: what is held of a file may have been asked for at any time."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is fetched and loaded as one: a file or table, or all of a register's together.

    Attributes:
        dataset: The family.
        resources: One resource; of a register every one, because together they are the snapshot.
    """

    dataset: Dataset
    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Agenda:
    """What is to be done now, and what may become due while it is done.

    Attributes:
        files: Jobs of uploads, in the order in which they are asked for.
        tables: Jobs of tables without a file that are due now, likewise.
        left: Files of each family that are due and wait for the next time, by dataset code.
        absent: Families of which the portal has nothing, by dataset code, with one sentence each.
        wanted: Every resource of the families.
        families: The families' resources, by dataset code.
        by_code: The families, by dataset code.
    """

    files: tuple[Job, ...]
    tables: tuple[Job, ...]
    left: Mapping[str, int]
    absent: Mapping[str, str]
    wanted: tuple[Wanted, ...]
    families: Mapping[str, tuple[Resource, ...]]
    by_code: Mapping[str, Dataset]

    @cached_property
    def owner(self) -> Mapping[str, str]:
        """Dataset code of each resource, by its id."""
        return {r.id: code for code, resources in self.families.items() for r in resources}

    def next_table(
        self, held: Mapping[str, Held], now: datetime, under_way: Collection[str], *, waits: bool
    ) -> tuple[Job, datetime] | None:
        """The job of the table to be probed next, and when it is due; see ``due.next_table``.

        Args:
            held: What is held of each resource by now, by its id.
            now: The present, aware.
            under_way: Ids of resources that are being read.
            waits: Whether a table that is due soon may be waited for.
        """
        free = (w for w in self.wanted if w.resource.id not in under_way)
        chosen = next_table(free, held, now, waits=waits)
        if chosen is None:
            return None
        (job,) = self.jobs([chosen.resource])
        return job, chosen.due_utc

    def jobs(self, resources: Iterable[Resource]) -> list[Job]:
        """Resources as jobs, in their order; a register is one job wherever any of its resources is due."""
        jobs: dict[str, Job] = {}
        for resource in resources:
            dataset = self.by_code[self.owner[resource.id]]
            if dataset.is_register:
                jobs.setdefault(dataset.code, Job(dataset, self.families[dataset.code]))
            else:
                jobs[resource.id] = Job(dataset, (resource,))
        return list(jobs.values())


def window_of(now: datetime, resource: Resource, part: int = 1, *, last: bool = True) -> Window:
    """The window of a receipt for a resource, or for the part of its rows that one commit holds.

    Args:
        now: When it is asked for, aware.
        resource: The resource as the portal tells it.
        part: Which commit, from 1.
        last: Whether no further one follows.
    """
    pairs = [(RESOURCE, _plain(resource.id))]
    if resource.last_modified:
        pairs.append((MODIFIED, resource.last_modified))
    if part > 1 or not last:
        pairs.append((PART, f"{part} {LAST}" if last else str(part)))
    return Window(*calendar.day_bounds_utc(calendar.settlement_day(now)), tuple(pairs))


def resource_of(window: Window) -> str:
    """Id of the resource that a receipt's window names; empty where it names none."""
    return dict(window.branch).get(RESOURCE, "")


def absence(dataset: Dataset, seen: Iterable[Seen], now: datetime) -> Window | None:
    """The window of a receipt that says that the portal has nothing of a family; ``None`` where one said so lately.

    The family's package takes the place of a resource, so that absence fails and ends as a file's failure does. Each
    such window begins when the portal was asked: what became of the newest says whether the family is absent.

    Args:
        dataset: The family.
        seen: Its receipts.
        now: When the portal was asked, aware.
    """
    package = _plain(_files(dataset).package)
    own = [s for s in seen if resource_of(s.window) == package]
    newest = max(own, key=lambda s: s.window.from_utc, default=None)
    if newest is not None and not _answered(newest) and now - newest.window.from_utc < REFUSED_REST:
        return None
    return Window(now, calendar.day_bounds_utc(calendar.settlement_day(now))[1], ((RESOURCE, package),))


def over(dataset: Dataset, seen: Iterable[Seen], resources: Collection[Resource]) -> list[Window]:
    """Windows under which receipts are to say that a failure is over, because what failed is not asked for any more.

    That is a resource that the portal no longer lists, or the absence of the whole family where it lists any.

    Args:
        dataset: The family.
        seen: Its receipts.
        resources: What the portal lists of it.
    """
    asked = {r.id for r in resources} or {_plain(_files(dataset).package)}
    by_resource: dict[str, list[Seen]] = {}
    for item in seen:
        by_resource.setdefault(resource_of(item.window), []).append(item)
    found = []
    for key in sorted(by_resource.keys() - asked - {""}):
        newest = max(s.window for s in by_resource[key])
        if not any(_answered(s) for s in by_resource[key] if s.window.from_utc == newest.from_utc):
            # Without the version: should it come again as it was, it is still to be read.
            found.append(Window(newest.from_utc, newest.to_utc, ((RESOURCE, key),)))
    return found


def _answered(seen: Seen) -> bool:
    """Whether there was an answer, and nothing suspect about a later one."""
    return seen.covered_utc is not None and (seen.empty_utc is None or seen.empty_utc <= seen.covered_utc)


def held_resources(seen: Iterable[Seen]) -> dict[str, Held]:
    """What is held whole of each resource, by its id: the version asked for last.

    A version counts only when every part of it is held; it is as old as the oldest of them. An answer without rows
    counts as well: it was what the portal had.
    """
    parts: dict[tuple[str, str], dict[str, datetime]] = {}
    for item in seen:
        branch = dict(item.window.branch)
        asked = max(filter(None, (item.covered_utc, item.empty_utc)), default=None)
        if asked is None or RESOURCE not in branch:
            continue
        known = parts.setdefault((branch[RESOURCE], branch.get(MODIFIED, "")), {})
        part = branch.get(PART, f"1 {LAST}")
        known[part] = max(asked, known.get(part, asked))
    found: dict[str, Held] = {}
    for (resource, modified), known in parts.items():
        at = max(_completed(known), default=None)
        before = found.get(resource)
        if at is not None and (before is None or before.fetched_utc is None or at > before.fetched_utc):
            found[resource] = Held(modified, fetched_utc=at)
    return found


def _completed(parts: Mapping[str, datetime]) -> Iterator[datetime]:
    """When each sequence of parts that is whole was asked for."""
    for name, at in parts.items():
        number, _, last = name.partition(" ")
        earlier = [parts.get(str(n)) for n in range(1, int(number))]
        if last == LAST and None not in earlier:
            yield min(at, *(e for e in earlier if e is not None)) if earlier else at


def family_resources(dataset: Dataset, portal: Portal) -> tuple[Resource, ...]:
    """The resources of a family that the portal lists, files and tables alike, in its order."""
    files = _files(dataset)
    package = portal.by_slug.get(files.package)
    if package is None:
        return ()
    found = (r for r in package.resources if files.holds(r.name) and (r.is_file or r.is_table))
    # The portal's word is compared with what a receipt could keep of it.
    return tuple(replace(r, last_modified=_plain(r.last_modified)) for r in found)


def agenda(
    datasets: Sequence[Dataset],
    portal: Portal,
    held: Mapping[str, Held],
    first_seen: Mapping[str, datetime],
    now: datetime,
    *,
    most_files: int | None = None,
) -> Agenda:
    """What is to be asked for now.

    Args:
        datasets: Families.
        portal: What the portal lists.
        held: What is held of each resource, by its id, with when it last failed.
        first_seen: When the portal first told of each resource, by its id.
        now: The present, aware.
        most_files: Most files asked for; ``None`` for no bound.
    """
    families = {d.code: family_resources(d, portal) for d in datasets}
    by_code = {d.code: d for d in datasets}
    wanted = tuple(
        # Where the machine's clock was set back, what is known from later is known now.
        Wanted(r, timedelta(minutes=_files(by_code[code]).probe_minutes), min(now, first_seen.get(r.id, now)))
        for code, resources in families.items()
        for r in resources
    )
    absent = {code: _absence(by_code[code], portal) for code, resources in families.items() if not resources}
    planned = due(wanted, held, now)
    empty = Agenda((), (), {}, absent, wanted, families, by_code)
    files = empty.jobs(d.resource for d in planned.files)
    tables = empty.jobs(d.resource for d in planned.tables)
    beyond = () if most_files is None else _beyond(files, most_files)
    left: dict[str, int] = {}
    for job in beyond:
        left[job.dataset.code] = left.get(job.dataset.code, 0) + len(job.resources)
    return replace(empty, files=tuple(files[: len(files) - len(beyond)]), tables=tuple(tables), left=left)


def impossibility(dataset: Dataset, from_day: date, to_day: date, now: datetime) -> str:
    """Why a family can have nothing of these days; empty where it can."""
    if to_day < dataset.begins:
        return f"{dataset.code} begins on {dataset.begins:%Y-%m-%d}"
    today = calendar.settlement_day(now)
    if dataset.is_register and not from_day <= today <= to_day:
        return f"{dataset.code} is a register and can only be read for today, {today:%Y-%m-%d}"
    return ""


def _files(dataset: Dataset) -> Files:
    """How the family's files are found.

    Raises:
        ContractError: It is no family of files.
    """
    if dataset.files is None:
        raise ContractError(f"{dataset.code} does not come as files")
    return dataset.files


def _plain(text: str) -> str:
    return _RESERVED.sub("_", text)


def _beyond(jobs: Sequence[Job], most: int) -> Sequence[Job]:
    """The jobs that are not begun once so many resources are asked for; the last one begun may go beyond."""
    count = 0
    for number, job in enumerate(jobs):
        if count >= most:
            return jobs[number:]
        count += len(job.resources)
    return ()


def _absence(dataset: Dataset, portal: Portal) -> str:
    """One sentence for a family of which the portal has nothing."""
    files = _files(dataset)
    if files.package not in portal.by_slug:
        return (
            f"{dataset.code}: the portal has no package {files.package}; it was renamed or taken away, so look at the "
            "portal and correct the catalogue entry"
        )
    return (
        f"{dataset.code}: package {files.package} has no resource whose name matches {files.resources!r}; look at the "
        "portal and correct the catalogue entry"
    )
