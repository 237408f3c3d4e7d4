"""``refresh``: the one function that carries data from the providers into the warehouse.

It plans, fetches concurrently, types, writes and returns one outcome per dataset. Asset bodies, command line, repair
and tests call it; none of them does any part of this by itself. A dataset that fails never takes another with it, and
a window that fails leaves the dataset's other windows landed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset, Table
from energy_assets.errors import (
    ContractError,
    EnergyAssetsError,
    StatusError,
    WarehouseError,
    WindowTooLargeError,
)
from energy_assets.ingest.engine import Engine, OnOutcome, OnProgress, tidied_spool, tidy
from energy_assets.ingest.model import (
    Body,
    Counts,
    Outcome,
    OutcomeStatus,
    Policy,
    Receipt,
    ReceiptStatus,
    Seen,
    Source,
    Window,
)
from energy_assets.ingest.planner import Plan, fetch_interval, halves, plan
from energy_assets.ingest.tally import Tally, foreseen, log_outcome, merged
from energy_assets.ingest.turns import Turns
from energy_assets.ingest.typed import RefusedBodyError, Stamp, Typed, TypingEngine, counted
from energy_assets.ingest.writing import SANDBOX_LABEL, Writer, new_receipt_id

logger = logging.getLogger(__name__)

CHUNK_DAYS = 31
"""Settlement days planned at once: bounds the plan's memory, and a killed range resumes at the chunk it was in."""

WINDOWS_AT_ONCE = 4
"""Windows of one dataset in flight: enough to hide latency, few enough that a large dataset leaves room for the
others."""

TYPING_WORKERS = 2
"""Bodies typed at once: one per core of the smallest machine this runs on; DuckDB releases the interpreter
meanwhile."""

TYPING_BYTES = 24 << 20
"""Bytes of the bodies typed at once: two of a usual BOD window. A larger body is typed alone; typing takes about five
times its size."""

MESSAGES_WEIGHT = 2
"""How many times its size a segment of messages counts while it is typed: it is taken apart before, and its rows, with
what says where they came from, are twice as large."""

BATCH_ROWS = 120_000
"""Rows that one commit gathers, unless a single window has more: a commit costs the same for one row as for thousands,
and memory follows this number."""

EAGER_ROWS = 35_000
"""Rows that are handed over without waiting for more while the writer has nothing to do: two hours of BOD, so that a
heavy day is written from its first answer on. Smaller ones wait, because a commit has its price."""

BATCH_WINDOWS = 96
"""Windows that one commit gathers at most: what a killed backfill of a small dataset has to ask for again."""

BATCH_REQUESTS = 2_000
"""Requests whose answers one commit gathers, while the writer has nothing to do: an archive has a download for each
message, and a killed refill must not have to repeat hours of them. A minute's worth at the archive's pace."""

GIVE_UP_AFTER = 3
"""Windows of one dataset that may bring no answer before the rest are left alone: each has been retried for long."""

GIVE_UP_REFUSED = 10
"""Answers of one dataset that may be refused, with none accepted, before the rest are left alone: a provider that
answers another question does so for every window, and one odd window must not keep the later ones out."""


def refresh(
    datasets: Sequence[Dataset],
    from_day: date,
    to_day: date,
    policy: Policy,
    engine: Engine,
    on_outcome: OnOutcome | None = None,
    on_progress: OnProgress | None = None,
) -> list[Outcome]:
    """Bring datasets up to date for the settlement days ``from_day`` to ``to_day``, both inclusive.

    Args:
        datasets: Catalogue entries; each is worked on by itself.
        from_day: First settlement day.
        to_day: Last settlement day.
        policy: Which receipts to believe, and the run to name in new ones.
        engine: Warehouse, sources and spool.
        on_outcome: Called with each dataset's outcome as soon as it is known (once per chunk of a long range).
        on_progress: Called with code, windows done and windows planned.

    Returns:
        One outcome per dataset, in the order given. Provider and contract failures are outcomes, not exceptions.

    Raises:
        ValueError: The range is empty.
        WarehouseError: The warehouse cannot be used or read, so nothing can be planned.
    """
    if to_day < from_day:
        raise ValueError(f"the range {from_day} to {to_day} holds no day; give the earlier day first")
    engine.warehouse.check()
    asked = [d for d in datasets if d.files is None]
    filed = [d for d in datasets if d.files is not None]
    total: dict[str, Outcome] = {}
    with tidied_spool(engine):
        for first, last in _chunks(from_day, to_day) if asked else ():
            plans = make_plans(asked, first, last, policy, engine)
            for outcome in carry_out(asked, plans, policy, engine, on_progress):
                known = total.get(outcome.dataset)
                total[outcome.dataset] = outcome if known is None else merged(known, outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
        if filed:
            # The portal's client and readers take a tenth of a second to load.
            from energy_assets.ingest.families import refresh_families

            for outcome in refresh_families(filed, from_day, to_day, policy, engine, on_outcome, on_progress):
                total[outcome.dataset] = outcome
    return [total[d.code] for d in datasets]


def carry_out(
    datasets: Sequence[Dataset],
    plans: Mapping[str, Plan],
    policy: Policy,
    engine: Engine,
    on_progress: OnProgress | None = None,
) -> list[Outcome]:
    """Fetch, type and write what plans say, by dataset code; one outcome per dataset, in the order given.

    Raises:
        WarehouseError: What became of messages could not be recorded; their rows may be written, and are found so when
            the same is done again.
    """
    return asyncio.run(_Refresh(datasets, plans, policy, engine, on_progress).run())


def make_plans(
    datasets: Sequence[Dataset], from_day: date, to_day: date, policy: Policy, engine: Engine
) -> dict[str, Plan]:
    """What a refresh of these days would ask for now, by dataset code; asks nobody but the warehouse."""
    now = engine.clock()
    spans = [fetch_interval(d, from_day, to_day) for d in datasets]
    low = min((s for s, _ in spans), default=now)
    high = max((e for _, e in spans), default=now)
    seen = engine.warehouse.coverage([d.table for d in datasets], low, high, policy.refetch_since)
    plans = {d.code: _planned(d, from_day, to_day, seen.get(d.code, ()), now) for d in datasets}
    return plans if policy.within is None else {code: _bounded(p, *policy.within) for code, p in plans.items()}


def _planned(dataset: Dataset, from_day: date, to_day: date, seen: Sequence[Seen], now: datetime) -> Plan:
    """One dataset's plan; where none can be made, that is its outcome and not the others'."""
    try:
        return plan(dataset, from_day, to_day, seen, now)
    except EnergyAssetsError as error:
        return Plan((), "failed", f"{dataset.code}: {error}")


def _bounded(planned: Plan, from_utc: datetime, to_utc: datetime) -> Plan:
    """The part of a plan that overlaps ``[from_utc, to_utc)``."""
    if planned.status != "due":
        return planned
    windows = tuple(w for w in planned.windows if w.from_utc < to_utc and w.to_utc > from_utc)
    return Plan(windows, "due") if windows else Plan((), "covered", "nothing between the given instants is due")


def _chunks(from_day: date, to_day: date) -> Iterator[tuple[date, date]]:
    first = from_day
    while first <= to_day:
        last = min(first + timedelta(days=CHUNK_DAYS - 1), to_day)
        yield first, last
        first = last + timedelta(days=1)


class _Refresh:
    """One chunk of a refresh: opens sources, workers and the writer, runs every dataset, closes all."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        plans: Mapping[str, Plan],
        policy: Policy,
        engine: Engine,
        on_progress: OnProgress | None,
    ) -> None:
        self._datasets = datasets
        self._plans = plans
        self._policy = policy
        self._engine = engine
        self._on_progress = on_progress

    async def run(self) -> list[Outcome]:
        """Outcomes in the order of the datasets."""
        due = [d for d in self._datasets if self._plans[d.code].status == "due"]
        if not due:
            return [_idle(d, self._plans[d.code]) for d in self._datasets]
        sources = {provider: self._engine.open_source[provider]() for provider in {d.provider for d in due}}
        writer = Writer(self._engine.warehouse, self._engine.clock, self._policy.run_id)
        typists = _Typists()
        try:
            runs = [
                _DatasetRun(
                    d,
                    self._plans[d.code],
                    self._policy,
                    self._engine,
                    sources[d.provider],
                    typists,
                    writer,
                    self._on_progress,
                )
                for d in due
            ]
            done = dict(zip((d.code for d in due), await asyncio.gather(*(r.run() for r in runs)), strict=True))
            await writer.finish_register()
        finally:
            typists.close()
            writer.close()
            for source in sources.values():
                await source.aclose()
        return [done.get(d.code) or _idle(d, self._plans[d.code]) for d in self._datasets]


def _idle(dataset: Dataset, planned: Plan) -> Outcome:
    statuses: dict[str, OutcomeStatus] = {"covered": "unchanged", "not_due": "not_due", "before_begin": "before_begin"}
    failures = (planned.reason,) if planned.status == "failed" else ()
    return Outcome(dataset.code, statuses.get(planned.status, "failed"), failures=failures, reason=planned.reason)


@dataclass
class _Gathered:
    """Typed windows of one dataset that wait for their commit."""

    receipts: list[Receipt] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    rows: int = 0
    label: str | None = None


class _DatasetRun:
    """One dataset's windows, from request to receipt, with its own error handling."""

    def __init__(
        self,
        dataset: Dataset,
        planned: Plan,
        policy: Policy,
        engine: Engine,
        source: Source,
        typists: _Typists,
        writer: Writer,
        on_progress: OnProgress | None,
    ) -> None:
        self._dataset = dataset
        self._windows = planned.windows[: policy.max_windows]
        self._policy = policy
        self._engine = engine
        self._source = source
        self._typists = typists
        self._writer = writer
        self._on_progress = on_progress
        self._slots = asyncio.Semaphore(WINDOWS_AT_ONCE)
        self._handing = asyncio.Lock()
        self._commit: asyncio.Task[None] | None = None
        self._gathered = _Gathered()
        self._asked_before = 0
        self._tally = Tally()
        self._unanswered = 0
        self._refused = 0
        self._accepted = False
        self._longest: timedelta | None = None

    async def run(self) -> Outcome:
        await asyncio.gather(*(self._in_slot(w) for w in self._windows))
        await self._hand_over()
        if self._commit is not None:
            await self._commit
        left = len(self._windows) - self._tally.windows
        if left > 0 and self._tally.failures:
            self._tally.failures.append(
                f"{self._dataset.code}: {left} further windows were not asked for after these failures"
            )
        outcome = self._tally.outcome(self._dataset.code, self._source.requests_sent(self._dataset))
        log_outcome(outcome)
        return outcome

    async def _in_slot(self, window: Window) -> None:
        async with self._slots:
            if self._gives_up():
                return
            for part in self._within_limit(window):
                await self._window(part)
            if self._on_progress is not None:
                self._on_progress(self._dataset.code, min(self._tally.windows, len(self._windows)), len(self._windows))

    def _gives_up(self) -> bool:
        return self._unanswered >= GIVE_UP_AFTER or (self._refused >= GIVE_UP_REFUSED and not self._accepted)

    def _within_limit(self, window: Window) -> list[Window]:
        """The window, cut as often as a limit that the provider named in this run demands."""
        parts = [window]
        while self._longest is not None and parts[0].to_utc - parts[0].from_utc > self._longest:
            cut = [halves(self._dataset, p) for p in parts]
            if None in cut:
                break
            parts = [half for pair in cut if pair is not None for half in pair]
        return parts

    async def _window(self, window: Window) -> None:
        requested = self._engine.clock()
        receipt = Receipt(
            receipt_id=new_receipt_id(requested),
            dataset=self._dataset.code,
            table=self._dataset.table.name,
            window=window,
            status="failed",
            requested_utc=requested,
            run_id=self._policy.run_id,
        )
        try:
            receipt = receipt.with_(url=self._source.url(self._dataset, window))
            destination = self._engine.spool.new_path(self._dataset.code)
            body = await self._source.fetch(self._dataset, window, destination)
            await self._type(receipt, body)
        except WindowTooLargeError as error:
            await self._halve(window, receipt, error)
        except Exception as error:
            # The wall between windows: what one meets, foreseen or not, must neither end the others nor go unseen.
            await self._fail(receipt, foreseen(error, self._dataset, window))

    async def _halve(self, window: Window, receipt: Receipt, error: WindowTooLargeError) -> None:
        pair = halves(self._dataset, window)
        if pair is None:
            await self._fail(receipt, error)
            return
        length = window.to_utc - window.from_utc
        self._longest = min(filter(None, (self._longest, error.limit, length / 2)))
        logger.info("%s: the provider refuses windows of %s; asking in halves", self._dataset.code, length)
        for half in pair:
            for part in self._within_limit(half):
                await self._window(part)

    async def _type(self, receipt: Receipt, body: Body) -> None:
        dataset = self._dataset
        label = SANDBOX_LABEL if body.sandbox else self._engine.source_api[dataset.provider]
        stamp = Stamp(receipt.window, receipt.receipt_id, self._engine.clock(), label)
        asked = receipt.answered(body)
        foreign = await self._foreign(label, body) if body.pushed else ""
        try:
            async with self._typists.turns.turn(_weight(dataset, body)):
                # While the writer is behind, nothing more is typed: memory holds two batches and never a queue of them.
                if self._is_full():
                    await self._hand_over()
                typed = await self._typists.type_body(dataset, body, stamp, foreign)
        except RefusedBodyError as error:
            counts = Counts(fetched=error.fetched, quarantined=error.quarantine.num_rows)
            await self._fail(asked.with_(counts=counts), error, error.quarantine)
            self._keep(body, asked)
            return
        self._accepted = True
        self._tally.unreadable.update(typed.unreadable)
        asked = counted(asked, typed)
        if typed.rows.num_rows == 0:
            await self._empty(asked.with_(reason=foreign), typed, body)
            return
        while self._gathered.label not in (None, label):
            # A stand-in and the provider never share a commit.
            await self._hand_over()
        self._gathered.label = label
        self._gathered.receipts.append(asked.with_(status="written"))
        self._gathered.typed.append(typed)
        self._gathered.bodies.append(body)
        self._gathered.rows += typed.rows.num_rows
        idle = self._commit is None or self._commit.done()
        if idle and (self._is_full() or self._is_worth_writing()):
            await self._hand_over()

    async def _foreign(self, label: str, body: Body) -> str:
        """Why what was pushed may not be stored here, in which case it is set aside; empty where it may."""
        if body.mixed:
            # Where the store has no word on it yet, what is genuine has the first.
            await self._writer.foreign(self._engine.source_api[self._dataset.provider])
        foreign = await self._writer.foreign(label)
        if foreign:
            logger.error("%s: messages are set aside: %s", self._dataset.code, foreign)
        return foreign

    def _is_worth_writing(self) -> bool:
        """Whether what has been gathered pays for a commit of its own."""
        asked = self._source.requests_sent(self._dataset) - self._asked_before
        return self._gathered.rows >= EAGER_ROWS or asked >= BATCH_REQUESTS

    def _is_full(self) -> bool:
        """Whether another window like the last one would be too much for one commit."""
        gathered = self._gathered
        another = gathered.typed[-1].rows.num_rows if gathered.typed else 0
        return gathered.rows + another > BATCH_ROWS or len(gathered.receipts) >= BATCH_WINDOWS

    async def _empty(self, receipt: Receipt, typed: Typed, body: Body) -> None:
        status, reason = empty_status(self._dataset, receipt.window, receipt.requested_utc)
        judged = receipt.with_(status=status, reason=receipt.reason or reason)
        # What is held of a register is an earlier reading, not what this one answers for.
        register = self._dataset.is_register
        await self._writer.register(typed, at_once=not body.pushed)
        final = await self._recorded(judged, typed.quarantine, None if register else self._dataset.table)
        self._tally.add(final)
        self._keep(body, final)

    async def _fail(self, receipt: Receipt, error: EnergyAssetsError, quarantine: pa.Table | None = None) -> None:
        failed = self._failed(receipt, error)
        await self._recorded(failed, quarantine)
        self._tally.add(failed)

    async def _fail_all(self, receipts: Sequence[Receipt], error: Exception) -> None:
        """Fail a batch's windows in one go: a store that has just failed to answer is not asked once for each."""
        failed = [self._failed(r.with_(counts=Counts()), foreseen(error, self._dataset, r.window)) for r in receipts]
        try:
            await self._writer.record_failed(failed)
        except WarehouseError as other:
            self._tally.failures.append(
                f"{self._dataset.code}: the receipts of {len(failed)} failed windows could not be written: {other}"
            )
        for receipt in failed:
            self._tally.add(receipt)

    def _failed(self, receipt: Receipt, error: EnergyAssetsError) -> Receipt:
        """The receipt of a window that failed, which counts towards giving up."""
        if isinstance(error, ContractError):
            self._refused += 1
        else:
            self._unanswered += 1
        status = error.status if isinstance(error, StatusError) else receipt.http_status
        return receipt.with_(status="failed", reason=str(error), http_status=status)

    async def _recorded(self, receipt: Receipt, quarantine: pa.Table | None, held_in: Table | None = None) -> Receipt:
        """Write a receipt that comes without rows; where even that fails, the failure is the dataset's."""
        try:
            return await self._writer.record(receipt, quarantine, held_in)
        except WarehouseError as error:
            self._tally.statuses.add("failed")
            self._tally.failures.append(
                f"{receipt.dataset} {receipt.window}: the receipt could not be written: {error}"
            )
            return receipt

    async def _hand_over(self) -> None:
        """Begin to write the gathered windows in one commit, once the one that is under way has ended.

        Two batches at most are in memory: the one being written and the one that gathers meanwhile.
        """
        async with self._handing:
            if self._commit is not None:
                await self._commit
            gathered, self._gathered = self._gathered, _Gathered()
            self._asked_before = self._source.requests_sent(self._dataset)
            self._commit = asyncio.create_task(self._write(gathered)) if gathered.receipts else None

    async def _write(self, gathered: _Gathered) -> None:
        try:
            result, refused = await self._writer.write(
                self._dataset, gathered.receipts, gathered.typed, pushed=all(body.pushed for body in gathered.bodies)
            )
        except Exception as error:
            # The same wall: the batch's windows get receipts that say why, whatever it was.
            await self._fail_all(gathered.receipts, error)
            return
        for receipt in result.receipts:
            self._tally.add(receipt)
        self._tally.days.update(result.day_rows)
        for receipt in refused:
            self._tally.add(receipt)
        final = {r.receipt_id: r for r in (*result.receipts, *refused)}
        for receipt, body in zip(gathered.receipts, gathered.bodies, strict=True):
            self._keep(body, final[receipt.receipt_id])

    def _keep(self, body: Body, receipt: Receipt) -> None:
        tidy(lambda: self._engine.spool.keep(body, receipt))


def _weight(dataset: Dataset, body: Body) -> int:
    """Bytes that typing a body takes, in multiples of which memory follows."""
    return body.size if dataset.query.framing == "rows" else MESSAGES_WEIGHT * body.size


def empty_status(dataset: Dataset, window: Window, asked: datetime) -> tuple[ReceiptStatus, str]:
    """What an empty answer means for this dataset at this time, and why."""
    settled = calendar.lag_passed(dataset.timing.settled, window.from_utc, window.to_utc, asked)
    if not settled and not dataset.is_register:
        return "not_due", f"{dataset.code} {window}: nothing is published yet; it is asked for again until it settles"
    if dataset.empty == "silent":
        return "silent", ""
    return "suspect", f"{dataset.code} {window}: the answer is empty although data are due by now"


class _Typists:
    """Worker threads, each with a typing engine of its own.

    Attributes:
        turns: One is held while a body is typed, and before that while its dataset waits for the writer.
    """

    def __init__(self) -> None:
        self.turns = Turns(TYPING_WORKERS, TYPING_BYTES)
        self._pool = ThreadPoolExecutor(TYPING_WORKERS, thread_name_prefix="typing")
        self._local = threading.local()
        self._engines: list[TypingEngine] = []
        # The engines open while the first answers are on their way.
        for _ in range(TYPING_WORKERS):
            self._pool.submit(self._engine)

    async def type_body(self, dataset: Dataset, body: Body, stamp: Stamp, refused: str) -> Typed:
        """Type a body in a worker thread; ``refused`` says why its messages are to be set aside, if they are."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, dataset, body, stamp, refused)

    def close(self) -> None:
        self._pool.shutdown()
        for engine in self._engines:
            engine.close()

    def _engine(self) -> TypingEngine:
        engine: TypingEngine | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = TypingEngine()
            self._engines.append(engine)
        return engine

    def _work(self, dataset: Dataset, body: Body, stamp: Stamp, refused: str) -> Typed:
        return self._engine().type_body(dataset, body.path, stamp, refused)
