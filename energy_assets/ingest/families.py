"""``refresh`` for families of files: from what a portal lists to rows with receipts.

A portal is asked once what it has; what is held by the receipts is not asked for again. Each file is read whole and
found sound before any row of it is written. Which files are due is decided in ``holdings``, how they are read in
``tables``, how they are asked for by the source.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from energy_assets import arrow, calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import ContractError, EnergyAssetsError, FetchError, StatusError
from energy_assets.ingest import holdings
from energy_assets.ingest.columns import Stamp, same_day
from energy_assets.ingest.engine import Engine, OnOutcome, OnProgress, tidy
from energy_assets.ingest.holdings import Agenda, Job
from energy_assets.ingest.model import Body, Counts, Outcome, OutcomeStatus, Policy, Receipt, Seen, Window
from energy_assets.ingest.sheets import Form
from energy_assets.ingest.snapshots import united
from energy_assets.ingest.tables import CHUNK_ROWS, Part, TableReader, TableReading, with_personal
from energy_assets.ingest.tally import Tally, foreseen, log_outcome
from energy_assets.ingest.typed import RefusedBodyError, Typed, counted
from energy_assets.ingest.writing import SANDBOX_LABEL, Writer, new_receipt_id
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.due import Held
from energy_assets.sources.neso.memory import Failure
from energy_assets.sources.neso.portal import Changes, Portal, Resource

logger = logging.getLogger(__name__)

T = TypeVar("T")

WHOLE_ROWS = 250_000
"""Most rows that one commit replaces as a set: a register, or the sets of a file. What has more is written in several
commits, which together can add and revise and not take away."""

FILES_AHEAD = 8
TABLES_AHEAD = 2
"""Files and tables that are fetched or wait to be loaded: the disk holds no more of them than this, whatever is due."""

LOADS_AT_ONCE = 4
"""Files whose rows are on their way into a store that takes several commits at once; each has two batches in memory."""

LONGEST = timedelta(minutes=50)
"""After this no further file and no further table is asked for in one refresh: the rest is for the next one, which must
not be kept from looking at what changes by the hour. A policy may ask for the whole instead."""

LIST_AGAIN = timedelta(minutes=10)
"""While a refresh lasts the list is asked for again after this long, for families that change while it does: as often
as the ticks that are left out meanwhile would."""

STAMPS_APART = timedelta(minutes=2)
"""Between what the portal and what its storage say of the same change lie seconds."""

LOOK_AGAIN_SECONDS = 30.0
"""Longest sleep while a table is waited for: a turn of the lane, after which another one may be nearer."""

GIVE_UP_AFTER = 5
"""Requests in a row that may bring no answer before the rest is left for the next time: each has been retried for
long, and a portal that is gone would be asked three hundred times."""

TOLD_MOST = 5
"""Resources of one kind of news named in the log."""


def refresh_families(
    datasets: Sequence[Dataset],
    from_day: date,
    to_day: date,
    policy: Policy,
    engine: Engine,
    on_outcome: OnOutcome | None = None,
    on_progress: OnProgress | None = None,
) -> list[Outcome]:
    """Ask the portal what is new of some families, and load it.

    Which days a file is about is known when it has been read, so whatever is due of a family is loaded, and the days
    choose what is read once more: where the policy sets receipts aside, the files that brought the rows of these days.
    A register is read where today is among the days.

    Args:
        datasets: Families of files.
        from_day: First settlement day.
        to_day: Last settlement day.
        policy: Which receipts to believe, how many files to ask for, and the run to name in new receipts.
        engine: Warehouse, portal and spool.
        on_outcome: Called with each family's outcome.
        on_progress: Called with code, resources done and resources planned.

    Returns:
        One outcome per family, in the order given.

    Raises:
        WarehouseError: The receipts cannot be read, so nothing can be planned.
        SpoolError: The home cannot be used.
    """
    if not datasets:
        return []
    outcomes = asyncio.run(_Check(datasets, from_day, to_day, policy, engine, on_progress).run())
    for outcome in outcomes:
        log_outcome(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    return outcomes


@dataclass(frozen=True)
class _Fetched:
    """A resource on disk."""

    resource: Resource
    body: Body
    part: Part


class _Check:
    """One look at the portal and all that follows from it."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        from_day: date,
        to_day: date,
        policy: Policy,
        engine: Engine,
        on_progress: OnProgress | None,
    ) -> None:
        if engine.portal is None:
            raise ContractError("this engine has no portal to ask for files")
        self._access = engine.portal
        self._datasets = datasets
        self._possible: Sequence[Dataset] = ()
        self._days = (from_day, to_day)
        self._policy = policy
        self._engine = engine
        self._on_progress = on_progress
        self._tallies = {d.code: Tally() for d in datasets}
        self._planned = {d.code: 0 for d in datasets}
        self._not_asked: dict[str, int] = {}
        self._put_off: dict[str, int] = {}
        self._set_aside: set[str] = set()
        self._seen: Mapping[str, Sequence[Seen]] = {}
        self._held_now: dict[str, Held] = {}
        self._failed: dict[str, Failure] = {}
        self._succeeded: set[str] = set()
        self._unanswered = 0
        self._under_way: set[str] = set()
        self._now = self._first_listed = self._listed = engine.clock()

    async def run(self) -> list[Outcome]:
        """Outcomes in the order of the datasets."""
        reasons = {d.code: holdings.impossibility(d, *self._days, self._now) for d in self._datasets}
        possible = self._possible = [d for d in self._datasets if not reasons[d.code]]
        idle = {d.code: self._idle(d, reasons[d.code]) for d in self._datasets if reasons[d.code]}
        if not possible:
            return list(idle.values())
        # Before anybody is asked: a store that cannot be read is no reason to ask.
        self._seen = self._engine.warehouse.coverage([d.table for d in possible], holdings.FIRST_UTC, self._now)
        async with self._access.open() as portal:
            try:
                listed = _not_empty(await portal.sweep())
            except (FetchError, ContractError) as error:
                return [idle.get(d.code) or _unlisted(d, error) for d in self._datasets]
            self._first_listed = listed.swept_utc
            learned = self._access.memory.learn(listed)
            _tell(learned.changes)
            now = self._now = self._listed = self._engine.clock()
            held = self._known(possible, listed)
            for key in self._again(possible, listed, held) & held.keys():
                held[key] = replace(held[key], fetched_utc=None)
            self._held_now = held
            most = None if self._policy.whole else self._policy.max_windows
            planned = holdings.agenda(possible, listed, held, learned.first_seen_utc, now, most_files=most)
            await self._work(portal, planned)
            self._access.failures.note(self._failed, self._succeeded, self._engine.clock())
            self._access.memory.note_asked(
                [d.code for d in possible if d.code not in self._not_asked], listed.swept_utc
            )
        return [idle.get(d.code) or self._outcome(d, planned, portal) for d in self._datasets]

    def _known(self, datasets: Sequence[Dataset], listed: Portal) -> dict[str, Held]:
        """What is held of the resources that are listed, with when each last failed.

        What another family has of a resource, which had another name by then, is nothing of this one's. A person does
        not wait for what failed before, and nobody for what is to fail by a clock that was set back since.
        """
        known: dict[str, Held] = {}
        for dataset in datasets:
            own = holdings.held_resources(self._seen[dataset.code])
            known |= {r.id: own[r.id] for r in holdings.family_resources(dataset, listed) if r.id in own}
        since = self._policy.refetch_since
        for key, failure in self._access.failures.read().items():
            if failure.at <= self._now and (since is None or failure.at >= since):
                known[key] = replace(known.get(key, Held()), failed_utc=failure.at, refused=failure.refused)
        return known

    def _again(self, datasets: Sequence[Dataset], listed: Portal, held: Mapping[str, Held]) -> set[str]:
        """Resources that are to be read whatever is held of them: those behind the rows of the days."""
        since = self._policy.refetch_since
        if since is None:
            return set()
        found: set[str] = set()
        for dataset in datasets:
            resources = {r.id: r for r in holdings.family_resources(dataset, listed)}
            if dataset.is_register:
                behind = set(resources)
            else:
                windows = self._engine.warehouse.windows_behind(dataset.table, *self._days)
                behind = {holdings.resource_of(w) for w in windows}
            behind |= {key for key, r in resources.items() if r.is_table and self._covers_today()}
            found |= behind & resources.keys()
        asked = {key: held[key].fetched_utc for key in found if key in held}
        return {key for key in found if (at := asked.get(key)) is None or at < since}

    def _covers_today(self) -> bool:
        return self._days[0] <= calendar.settlement_day(self._now) <= self._days[1]

    async def _work(self, portal: NesoPortal, planned: Agenda) -> None:
        for job in (*planned.files, *planned.tables):
            self._planned[job.dataset.code] += len(job.resources)
        for code, reason in planned.absent.items():
            self._tallies[code].statuses.add("failed")
            self._tallies[code].failures.append(reason)
        with _Loader(self._engine, self._policy, self._now) as loader:
            await self._note_absences(loader, planned)
            ahead = asyncio.Semaphore(FILES_AHEAD)
            newest: dict[str, asyncio.Task[None]] = {}
            async with asyncio.TaskGroup() as group:
                for job in planned.files:
                    earlier = newest.get(job.dataset.code)
                    newest[job.dataset.code] = group.create_task(self._file(portal, loader, job, ahead, earlier))
                group.create_task(self._tables(portal, loader, planned))

    async def _note_absences(self, loader: _Loader, planned: Agenda) -> None:
        """Receipts of families that the portal does not have, and of failures that nobody can make good any more."""
        for dataset in self._possible:
            code, seen = dataset.code, self._seen[dataset.code]
            windows = [(w, "") for w in holdings.over(dataset, seen, planned.families[code])]
            reason = planned.absent.get(code)
            if reason and (absent := holdings.absence(dataset, seen, self._first_listed)):
                windows.append((absent, reason))
            for window, why in windows:
                await loader.note(dataset, window, why, self._first_listed, self._tallies[code])

    async def _file(
        self,
        portal: NesoPortal,
        loader: _Loader,
        job: Job,
        ahead: asyncio.Semaphore,
        earlier: asyncio.Task[None] | None,
    ) -> None:
        """One file, loaded after those of its family that changed before it: what both have is as the later says."""
        async with ahead:
            if not self._leaves(job):
                await self._job(portal, loader, job, earlier)

    async def _tables(self, portal: NesoPortal, loader: _Loader, planned: Agenda) -> None:
        """Probe tables, always that whose deadline is nearest: some become due while the lane is busy with others."""
        under_way: dict[str, asyncio.Task[None]] = {}
        expected = {r.id for job in planned.tables for r in job.resources}
        async with asyncio.TaskGroup() as group:
            while True:
                under_way = {key: task for key, task in under_way.items() if not task.done()}
                now = self._engine.clock()
                upcoming = planned.next_table(
                    self._held_now, now, under_way.keys() | self._set_aside, waits=self._policy.waits
                )
                if len(set(under_way.values())) >= TABLES_AHEAD or (upcoming is None and under_way):
                    await asyncio.wait(under_way.values(), return_when=asyncio.FIRST_COMPLETED)
                    continue
                if upcoming is None:
                    return
                job, at = upcoming
                if at > now:
                    if self._is_over(at):
                        return
                    await portal.sleep(min((at - now).total_seconds(), LOOK_AGAIN_SECONDS))
                    continue
                if self._leaves(job):
                    self._set_aside.update(r.id for r in job.resources)
                    continue
                if not expected & {r.id for r in job.resources}:
                    self._planned[job.dataset.code] += len(job.resources)
                expected -= {r.id for r in job.resources}
                task = group.create_task(self._job(portal, loader, job))
                under_way |= dict.fromkeys((r.id for r in job.resources), task)

    def _leaves(self, job: Job) -> bool:
        """Whether a job is not begun any more, because nobody answers or the time is over; then it is counted."""
        code = job.dataset.code
        if self._unanswered >= GIVE_UP_AFTER:
            counts = self._not_asked
        elif self._is_over(self._engine.clock()):
            counts = self._put_off
        else:
            return False
        counts[code] = counts.get(code, 0) + len(job.resources)
        return True

    def _is_over(self, at: datetime) -> bool:
        return not self._policy.whole and at - self._now >= LONGEST

    async def _job(
        self, portal: NesoPortal, loader: _Loader, job: Job, earlier: asyncio.Task[None] | None = None
    ) -> None:
        """One job from request to receipts; what one meets, foreseen or not, never ends the others."""
        await self._list_again(portal, loader)
        self._under_way.update(r.id for r in job.resources)
        code = job.dataset.code
        fetched: list[_Fetched] = []
        requested = self._engine.clock()
        try:
            for resource in job.resources:
                requested = self._engine.clock()
                fetched.append(await self._fetch(portal, job.dataset, resource))
            if earlier is not None:
                await asyncio.wait([earlier])
            receipts = await loader.load(job.dataset, fetched, self._tallies[code])
        except Exception as error:
            await self._fail(loader, job, fetched, requested, error)
            return
        finally:
            for one in fetched:
                tidy(partial(self._engine.spool.discard, one.body))
            self._under_way.difference_update(r.id for r in job.resources)
        self._unanswered = 0
        for receipt in receipts:
            self._tallies[code].add(receipt)
        for one in fetched:
            said = one.resource.last_modified
            self._held_now[one.resource.id] = Held(said, fetched_utc=one.body.requested_utc)
        self._succeeded.update(r.id for r in job.resources)
        self._tell_progress(code)

    async def _list_again(self, portal: NesoPortal, loader: _Loader) -> None:
        """Where a refresh lasts, load what has changed of files that change faster: a version missed is lost."""
        now = self._engine.clock()
        fast = [d for d in self._possible if d.files is not None and timedelta(minutes=d.files.probe_minutes) < LONGEST]
        if not fast or now - self._listed < LIST_AGAIN or self._unanswered >= GIVE_UP_AFTER:
            return
        # Before anything is waited for: one of the jobs that begin is enough.
        self._listed = now
        try:
            listed = _not_empty(await portal.sweep())
        except EnergyAssetsError as error:
            logger.warning("NESO's portal was not listed again while a refresh lasts: %s", error)
            return
        for job in holdings.agenda(fast, listed, self._held_now, {}, now).files:
            if not self._under_way & {r.id for r in job.resources}:
                self._planned[job.dataset.code] += len(job.resources)
                await self._job(portal, loader, job)

    async def _fetch(self, portal: NesoPortal, dataset: Dataset, resource: Resource) -> _Fetched:
        destination = self._engine.spool.new_path(dataset.code)
        if resource.is_file:
            download = await portal.file(resource, destination, group=dataset.code)
            resource = await self._as_it_came(portal, dataset, resource, download.modified_utc)
            least = 0 if download.zipped else await self._least(portal, dataset, resource, download.body)
            return _Fetched(resource, download.body, Part.of(resource, at_least=least))
        table = await portal.table(resource, destination, group=dataset.code)
        form: Form = "csv" if table.form == "csv" else "search"
        return _Fetched(resource, table.body, Part.of(resource, form, table.schema.total))

    async def _as_it_came(
        self, portal: NesoPortal, dataset: Dataset, resource: Resource, modified: datetime | None
    ) -> Resource:
        """The resource with the portal's word on the file that came, which may be a newer one than was listed.

        Otherwise that one would be stored as the issue before it, whose place it took.
        """
        told = resource.last_modified_utc
        if modified is None or modified <= self._first_listed or (told and modified <= told + STAMPS_APART):
            return resource
        package = await portal.package(resource.package)
        listed = holdings.family_resources(dataset, Portal((package,), self._now))
        return next((r for r in listed if r.id == resource.id), resource)

    async def _least(self, portal: NesoPortal, dataset: Dataset, resource: Resource, body: Body) -> int:
        """Rows that a file must have which ends without an end of line, as the portal's own table of it tells.

        It may be cut inside its last value, which would be read as another one, and nothing in it shows that.
        """
        known = dataset.files is not None and dataset.files.text.half_last_row
        if known or not resource.datastore_active or _ends_a_line(body.path):
            return 0
        try:
            schema = await portal.schema(resource, group=dataset.code)
        except StatusError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return 0
        return schema.total

    async def _fail(
        self, loader: _Loader, job: Job, fetched: Sequence[_Fetched], requested: datetime, error: Exception
    ) -> None:
        told = foreseen(error, job.dataset, str(job.resources[min(len(fetched), len(job.resources) - 1)]))
        refused = isinstance(told, ContractError)
        if isinstance(told, FetchError) and not (isinstance(told, StatusError) and told.status in OF_THE_RESOURCE):
            self._unanswered += 1
        for resource in job.resources:
            said = resource.last_modified if refused else None
            failure = self._failed[resource.id] = Failure(self._engine.clock(), said)
            before = self._held_now.get(resource.id, Held())
            self._held_now[resource.id] = replace(before, failed_utc=failure.at, refused=failure.refused)
        bodies = {one.resource.id: one.body for one in fetched}
        await loader.failed(job, bodies, requested, told, self._tallies[job.dataset.code])
        self._tell_progress(job.dataset.code)

    def _tell_progress(self, code: str) -> None:
        if self._on_progress is not None:
            self._on_progress(code, min(self._tallies[code].windows, self._planned[code]), self._planned[code])

    def _idle(self, dataset: Dataset, reason: str) -> Outcome:
        status: OutcomeStatus = "before_begin" if self._days[1] < dataset.begins else "not_due"
        return Outcome(dataset.code, status, reason=reason)

    def _outcome(self, dataset: Dataset, planned: Agenda, portal: NesoPortal) -> Outcome:
        code, tally = dataset.code, self._tallies[dataset.code]
        if left := self._not_asked.get(code):
            tally.failures.append(f"{code}: {left} further files were not asked for after these failures")
            tally.statuses.add("failed")
        elif left := planned.left.get(code, 0) + self._put_off.get(code, 0):
            tally.reasons.append(f"{code}: {left} further files are due and are asked for the next time")
        elif not tally.statuses:
            tally.reasons.append(f"{code}: the portal has nothing new")
        return tally.outcome(code, portal.requests_sent(code))


OF_THE_RESOURCE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Statuses that say something of one resource. Any other one says that the portal is overloaded or asks to be left
alone."""


class _Loader:
    """Reads bodies in a thread of its own and writes what they hold."""

    def __init__(self, engine: Engine, policy: Policy, now: datetime) -> None:
        self._engine = engine
        self._policy = policy
        self._now = now
        self._writer = Writer(engine.warehouse, engine.clock, policy.run_id)
        self._slots = asyncio.Semaphore(min(LOADS_AT_ONCE, engine.warehouse.writers))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._reader: TableReader | None = None

    def __enter__(self) -> _Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        if self._reader is not None:
            self._reader.close()
        self._writer.close()

    async def load(self, dataset: Dataset, fetched: Sequence[_Fetched], tally: Tally) -> list[Receipt]:
        """Read what was fetched as one, and write it.

        Raises:
            RefusedBodyError: A body must not be loaded; nothing of any was.
            WarehouseError: The store refused.
        """
        async with self._slots:
            entry = with_personal(dataset) if self._engine.personal else dataset
            with ExitStack() as open_readings:
                readings = []
                for one in fetched:
                    receipt = self._receipt(dataset, one)
                    reading = await self._in_thread(partial(self._read, entry, one, receipt))
                    readings.append((open_readings.enter_context(reading), receipt, one))
                if dataset.is_register:
                    receipts = await self._write_register(entry, readings, tally)
                else:
                    ((reading, receipt, one),) = readings
                    receipts = await self._write_file(entry, reading, receipt, one, tally)
            first = {holdings.resource_of(r.window): r for r in reversed(receipts)}
            for one in fetched:
                self._keep(dataset, one.body, first[one.resource.id])
            return receipts

    async def failed(
        self, job: Job, bodies: Mapping[str, Body], requested: datetime, error: EnergyAssetsError, tally: Tally
    ) -> None:
        """Write the receipts of a job that failed, and keep what was fetched."""
        quarantine = error.quarantine if isinstance(error, RefusedBodyError) else None
        status = error.status if isinstance(error, StatusError) else None
        for resource in job.resources:
            body = bodies.get(resource.id)
            receipt = self._blank(job.dataset, resource, requested).with_(
                status="failed", reason=str(error), http_status=status
            )
            if body is not None:
                receipt = receipt.answered(body)
            if isinstance(error, RefusedBodyError) and resource is job.resources[0]:
                counts = Counts(fetched=error.fetched, quarantined=error.quarantine.num_rows)
                receipt = receipt.with_(counts=counts)
            try:
                await self._writer.record(receipt, quarantine, None)
            except EnergyAssetsError as other:
                tally.failures.append(f"{job.dataset.code}: the receipt could not be written: {other}")
            quarantine = None
            tally.add(receipt)
            if body is not None:
                self._keep(job.dataset, body, receipt)

    async def note(self, dataset: Dataset, window: Window, reason: str, asked: datetime, tally: Tally) -> None:
        """Write what the portal's list alone says: why a window failed, or without a reason that this is over."""
        receipt = Receipt(
            receipt_id=new_receipt_id(asked),
            dataset=dataset.code,
            table=dataset.table.name,
            window=window,
            status="failed" if reason else "silent",
            requested_utc=asked,
            run_id=self._policy.run_id,
            reason=reason,
        )
        try:
            await self._writer.record(receipt, None, None)
        except EnergyAssetsError as error:
            tally.failures.append(f"{dataset.code}: the receipt could not be written: {error}")
            tally.statuses.add("failed")

    def _keep(self, dataset: Dataset, body: Body, receipt: Receipt) -> None:
        """Keep a body for a while; one with data about persons is kept only where their columns are."""
        unwanted = dataset.files is not None and dataset.files.leaves_persons_out and not self._engine.personal
        spool = self._engine.spool
        tidy(partial(spool.discard, body) if unwanted else partial(spool.keep, body, receipt))

    def _read(self, dataset: Dataset, one: _Fetched, receipt: Receipt) -> TableReading:
        """Read a body whole; called in the reading thread."""
        if self._reader is None:
            self._reader = TableReader()
        label = SANDBOX_LABEL if one.body.sandbox else self._engine.source_api[dataset.provider]
        stamp = Stamp(receipt.window, receipt.receipt_id, self._engine.clock(), label)
        return self._reader.read(dataset, one.body.path, one.part, stamp)

    async def _write_file(
        self, dataset: Dataset, reading: TableReading, receipt: Receipt, one: _Fetched, tally: Tally
    ) -> list[Receipt]:
        """Write the rows of one file, in as many commits as memory asks for."""
        whole = bool(dataset.table.replace_scope) and reading.fetched <= WHOLE_ROWS
        ids = [receipt.receipt_id]
        # A set that two commits share would lose to the second what the first brought.
        pieces = map(_all_rows, [reading]) if whole else self._pieces(reading, ids)
        entry = dataset if whole else _without_sets(dataset)
        done: list[Receipt] = []
        piece = await self._in_thread(partial(next, pieces, None))
        while piece is not None:
            # The next piece is cut while this one is written: two are in memory.
            following = self._thread.submit(next, pieces, None)
            number = len(done) + 1
            upcoming = await asyncio.wrap_future(following)
            window = holdings.window_of(self._now, one.resource, number, last=upcoming is None)
            own = receipt.with_(window=window, receipt_id=ids[number - 1])
            done += await self._written(entry, [own], [piece], tally)
            piece = upcoming
        return done

    @staticmethod
    def _pieces(reading: TableReading, ids: list[str]) -> Iterator[Typed]:
        """Rows in pieces, each under a receipt of its own."""

        def next_id() -> str:
            # A receipt's later parts sort after it.
            ids.append(f"{ids[0]}{len(ids) + 1:04d}")
            return ids[-1]

        return reading.chunks(CHUNK_ROWS, next_id)

    async def _write_register(
        self, dataset: Dataset, readings: Sequence[tuple[TableReading, Receipt, _Fetched]], tally: Tally
    ) -> list[Receipt]:
        """Write all files of a register as the snapshot of today, or find that they say what is held.

        Raises:
            ContractError: It is too large to take the place of another snapshot of today.
        """
        day, hashes = await asyncio.to_thread(self._newest_snapshot, dataset)
        rows = [await self._in_thread(partial(_all_rows, reading)) for reading, _, _ in readings]
        rows = await self._in_thread(partial(united, rows, dataset.table))
        own = np.sort(np.concatenate([arrow.to_numpy(typed.rows.column("_hash_key")) for typed in rows]))
        total = sum(typed.rows.num_rows for typed in rows)
        receipts = [receipt for _, receipt, _ in readings]
        if not total and day is not None:
            reason = f"{dataset.code}: the register came without rows although {len(hashes):,} are held"
            empty = [counted(r.with_(status="suspect", reason=reason), t) for r, t in zip(receipts, rows, strict=True)]
            return [await self._writer.record(r, t.quarantine, None) for r, t in zip(empty, rows, strict=True)]
        if day is not None and np.array_equal(own, hashes):
            # The same rows under the day that has them: the store finds that nothing changes, and vouches for them.
            rows = [replace(typed, rows=_on_day(typed.rows, day)) for typed in rows]
            day = None
        if total > WHOLE_ROWS:
            if day == calendar.settlement_day(self._now):
                raise ContractError(
                    f"{dataset.code}: a register of {total:,} rows has changed twice in a day, which is too large to "
                    "be replaced; it is read again tomorrow"
                )
            dataset = _without_sets(dataset)
        return await self._written(dataset, receipts, rows, tally)

    def _newest_snapshot(self, dataset: Dataset) -> tuple[date | None, np.ndarray]:
        """Day and sorted row hashes of the snapshot that is held last."""
        warehouse, table = self._engine.warehouse, dataset.table
        with warehouse.session(write=False):
            (status,) = warehouse.status([table], calendar.settlement_day(self._now), {})
            if status.newest_day is None:
                return None, np.empty(0, np.int64)
            held = warehouse.read(table, status.newest_day, status.newest_day, columns=["_hash_key"])
        return status.newest_day, np.sort(arrow.to_numpy(held.column("_hash_key")))

    async def _written(
        self, dataset: Dataset, receipts: Sequence[Receipt], rows: Sequence[Typed], tally: Tally
    ) -> list[Receipt]:
        """Commit rows with their receipts; those without rows get receipts alone."""
        told = [counted(r, t) for r, t in zip(receipts, rows, strict=True)]
        full = [(r.with_(status="written"), t) for r, t in zip(told, rows, strict=True) if t.rows.num_rows]
        done = [
            await self._writer.record(r.with_(status="silent"), t.quarantine, None)
            for r, t in zip(told, rows, strict=True)
            if not t.rows.num_rows
        ]
        if full:
            result, refused = await self._writer.write(dataset, [r for r, _ in full], [t for _, t in full])
            tally.days.update(result.changed)
            done = [*result.receipts, *refused, *done]
        return done

    def _receipt(self, dataset: Dataset, one: _Fetched) -> Receipt:
        return self._blank(dataset, one.resource, one.body.requested_utc).answered(one.body)

    def _blank(self, dataset: Dataset, resource: Resource, requested: datetime) -> Receipt:
        return Receipt(
            receipt_id=new_receipt_id(requested),
            dataset=dataset.code,
            table=dataset.table.name,
            window=holdings.window_of(self._now, resource),
            status="failed",
            requested_utc=requested,
            run_id=self._policy.run_id,
            url=resource.url,
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() in (b"\n", b"\r")


def _all_rows(reading: TableReading) -> Typed:
    """All rows of a file as one."""
    pieces = list(reading.chunks())
    return replace(
        pieces[0],
        rows=pa.concat_tables([piece.rows for piece in pieces]),
        fetched=sum(piece.fetched for piece in pieces),
    )


def _on_day(rows: pa.Table, day: date) -> pa.Table:
    days = same_day(day, rows.num_rows)
    return rows.set_column(rows.column_names.index("_partition_day"), "_partition_day", days)


def _without_sets(dataset: Dataset) -> Dataset:
    """The same family, rows upserted one by one."""
    return replace(dataset, table=replace(dataset.table, replace_scope=()))


def _not_empty(listed: Portal) -> Portal:
    """What the portal lists.

    Raises:
        ContractError: It is nothing, which would look as if every family had been taken away.
    """
    if not listed.packages:
        raise ContractError("the portal lists no package; nothing was taken from that, and the next refresh asks again")
    return listed


def _unlisted(dataset: Dataset, error: EnergyAssetsError) -> Outcome:
    reason = f"{dataset.code}: {error}"
    return Outcome(dataset.code, "failed", failures=(reason,), reason=reason)


def _tell(changes: Changes) -> None:
    """Say in the log what is new on the portal; what concerns a family shows in its outcome as well."""
    for what, resources in (
        ("has new resources", changes.new),
        ("no longer has", changes.vanished),
        ("gave other ids to", tuple(change.now for change in changes.moved)),
    ):
        if resources:
            named = ", ".join(map(str, resources[:TOLD_MOST]))
            more = f" and {len(resources) - TOLD_MOST} more" if len(resources) > TOLD_MOST else ""
            logger.warning("NESO's portal %s: %s%s", what, named, more)
