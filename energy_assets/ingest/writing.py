"""What a refresh writes, and in which order: rows with their receipts, receipts without rows, the register of messages.

Commits are made here, one after the other in threads of their own, so that the store is open only while there is work.
What is asked for, fetched and typed is decided elsewhere; how a store makes a commit true is the warehouse's.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from energy_assets import arrow
from energy_assets.catalogue.iris import MESSAGES
from energy_assets.catalogue.model import Dataset, Table
from energy_assets.errors import ForeignRowsError, WarehouseError
from energy_assets.ingest.columns import Stamp, stamped
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt, Window, WriteBatch, WriteResult
from energy_assets.ingest.typed import Typed
from energy_assets.warehouse.interface import Origin, Warehouse

logger = logging.getLogger(__name__)

REPETITION_REACH = timedelta(days=31)
"""How far from a window others are looked at for the same body: a provider that ignores the window answers every one
with its latest data, so the neighbours show it, and a store of ten years need not be searched."""

REGISTER_ROWS = 20_000
"""Messages whose register is written at once: one commit for all streams of a usual run, and bounded memory in a long
one."""

HOLD_SECONDS = 2.0
"""How long the writer keeps the store open while work keeps coming, so that readers get their turn."""

LINGER_SECONDS = 0.2
"""How long the writer waits for the next batch before it closes the store: opening one of three hundred tables costs
about as much."""

SANDBOX_LABEL = "SANDBOX"

T = TypeVar("T")


def new_receipt_id(now: datetime) -> str:
    """A unique identifier that sorts by time: milliseconds, then randomness, in hex."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


Written = tuple[WriteResult, tuple[Receipt, ...]]


@dataclass
class _Job(Generic[T]):
    """One commit to be made, and where its result goes."""

    work: Callable[[], T]
    done: Future[T]


class Writer:
    """The threads of a refresh that write, as many as the store has use for.

    Each opens the store when there is work and closes it soon after.

    Args:
        warehouse: Where rows go.
        clock: The present, aware UTC.
        run_id: Written into the receipts of the register.
    """

    def __init__(self, warehouse: Warehouse, clock: Callable[[], datetime], run_id: str) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self._run_id = run_id
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue()
        self._claimed: set[str] = set()
        self._foreign: dict[str, str] = {}
        self._claiming = threading.Lock()
        self._register: dict[Origin, list[pa.Table]] = {}
        self._registering = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name="writer", daemon=True) for _ in range(warehouse.writers)
        ]
        for thread in self._threads:
            thread.start()

    async def write(
        self, dataset: Dataset, receipts: Sequence[Receipt], typed: Sequence[Typed], *, pushed: bool = False
    ) -> Written:
        """Commit typed windows; gives the result and the receipts of windows refused as repeated bodies.

        What was pushed is loaded again until all has been written. Other windows are not asked for again once their
        receipts are there, so what became of their messages is written before.
        """
        return await self._submit(lambda: self._commit(dataset, receipts, typed, pushed))

    async def foreign(self, label: str) -> str:
        """Why rows with this label may not be stored here; empty where they may, which then is the store's word.

        Raises:
            WarehouseError: The store cannot be asked.
        """
        kind = _kind(label)
        return "" if kind in self._claimed else await self._submit(lambda: self._refusal(kind))

    async def record(self, receipt: Receipt, quarantine: pa.Table | None, held_in: Table | None) -> Receipt:
        """Append a receipt that comes without rows, and give it as it was recorded.

        Where ``held_in`` holds rows of the window, an empty answer is suspect, whatever the catalogue allows.
        """
        return await self._submit(lambda: self._record(receipt, quarantine, held_in))

    async def record_failed(self, receipts: Sequence[Receipt]) -> None:
        """Append the receipts of windows that failed, in one call."""
        await self._submit(lambda: self._warehouse.record(receipts))

    async def register(self, typed: Typed, *, at_once: bool) -> None:
        """Keep what became of the messages of a window whose answer held no rows, and write it where that is wanted.

        Raises:
            WarehouseError: The store refused.
        """
        if typed.messages is not None and typed.messages.num_rows:
            await self._submit(lambda: self._note([typed], least=1 if at_once else REGISTER_ROWS))

    async def finish_register(self) -> None:
        """Write what is still to be said of messages.

        Raises:
            WarehouseError: The store refused.
        """
        if self._register:
            await self._submit(lambda: self._write_register(least=1))

    def close(self) -> None:
        """Wait until all that was handed over has been written."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    async def _submit(self, work: Callable[[], T]) -> T:
        job = _Job(work, Future())
        self._jobs.put(job)
        return await asyncio.wrap_future(job.done)

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            job = self._burst(job)

    def _burst(self, job: _Job[Any]) -> _Job[Any] | None:
        """Work off what is queued with the store held open; returns the next job, or ``None`` to stop."""
        try:
            with self._warehouse.session():
                until = time.monotonic() + HOLD_SECONDS
                current: _Job[Any] | None = job
                while current is not None:
                    self._do(current)
                    if time.monotonic() >= until:
                        break
                    try:
                        current = self._jobs.get(timeout=LINGER_SECONDS)
                    except queue.Empty:
                        break
                else:
                    return None
        except WarehouseError as error:
            if job.done.done():
                logger.error("the warehouse could not be closed cleanly: %s", error)
            else:
                job.done.set_exception(error)
        return self._jobs.get()

    @staticmethod
    def _do(job: _Job[Any]) -> None:
        try:
            job.done.set_result(job.work())
        except Exception as error:
            # Not swallowed: it is raised again in the dataset that waits for this job.
            job.done.set_exception(error)

    def _record(self, receipt: Receipt, quarantine: pa.Table | None, held_in: Table | None) -> Receipt:
        if held_in is not None and receipt.status != "suspect":
            held = self._warehouse.rows_of(held_in, receipt.window)
            if held:
                reason = f"the answer is empty although {held} rows of the window are held"
                receipt = receipt.with_(status="suspect", reason=f"{receipt.dataset} {receipt.window}: {reason}")
        self._warehouse.record([receipt], quarantine)
        return receipt

    def _commit(self, dataset: Dataset, receipts: Sequence[Receipt], typed: Sequence[Typed], pushed: bool) -> Written:
        keep: list[tuple[Receipt, Typed]] = []
        refused: list[Receipt] = []
        seen = self._seen_bodies(dataset, receipts)
        for receipt, one in zip(receipts, typed, strict=True):
            repeated = _repetition(dataset, receipt, seen)
            if repeated is None:
                keep.append((receipt, one))
            else:
                refused.append(
                    receipt.with_(status="failed", counts=Counts(fetched=receipt.counts.fetched), reason=repeated)
                )
        if refused:
            self._warehouse.record(refused)
        if not keep:
            return WriteResult((), {}), tuple(refused)
        rows = pa.concat_tables([t.rows for _, t in keep], promote_options="default")
        extra = tuple({f.name: f for _, t in keep for f in t.extra}.values())
        quarantine = pa.concat_tables([t.quarantine for _, t in keep])
        self._claim(rows)
        batch = WriteBatch(dataset.table, rows, tuple(r for r, _ in keep), quarantine, extra)
        own = [one for _, one in keep]
        if not pushed:
            self._note(own, least=1)
        result = self._warehouse.write(batch)
        if pushed:
            self._note(own, least=REGISTER_ROWS)
        return result, tuple(refused)

    def _note(self, typed: Sequence[Typed], least: int) -> None:
        """Take the register's rows of windows, and write what there is from ``least`` on."""
        tables = [one.messages for one in typed if one.messages is not None and one.messages.num_rows]
        if not tables:
            return
        with self._registering:
            for rows in tables:
                # All messages of a window came from one kind of sender.
                self._register.setdefault(_kind(rows.column("source")[0].as_py()), []).append(rows)
        self._write_register(least)

    def _write_register(self, least: int) -> None:
        with self._registering:
            if sum(rows.num_rows for tables in self._register.values() for rows in tables) < least:
                return
            register, self._register = self._register, {}
        for tables in register.values():
            self._write_messages(pa.concat_tables(tables))

    def _write_messages(self, rows: pa.Table) -> None:
        """Write rows of the register that come from one kind of sender."""
        now = self._clock()
        extent = pc.min_max(rows.column("enqueued_utc")).as_py()
        window = Window(
            extent["min"].replace(tzinfo=UTC), extent["max"].replace(tzinfo=UTC) + timedelta(microseconds=1)
        )
        receipt = Receipt(new_receipt_id(now), MESSAGES.dataset, MESSAGES.name, window, "written", now, self._run_id)
        receipt = receipt.with_(counts=Counts(fetched=rows.num_rows))
        stamp = Stamp(window, receipt.receipt_id, now, rows.column("source")[0].as_py())
        own = stamped(rows, MESSAGES, stamp)
        self._claim(own)
        self._warehouse.write(WriteBatch(MESSAGES, own, (receipt,), arrow.empty(QUARANTINE_SCHEMA)))

    def _claim(self, rows: pa.Table) -> None:
        for label in pc.unique(rows.column("_source_api")).to_pylist():
            self._claim_kind(_kind(label))

    def _claim_kind(self, kind: Origin) -> None:
        with self._claiming:
            if kind not in self._claimed:
                self._warehouse.claim(kind)
                self._claimed.add(kind)

    def _refusal(self, kind: Origin) -> str:
        if kind not in self._foreign:
            try:
                self._claim_kind(kind)
            except ForeignRowsError as error:
                self._foreign[kind] = str(error)
        return self._foreign.get(kind, "")

    def _seen_bodies(self, dataset: Dataset, receipts: Sequence[Receipt]) -> dict[str, list[Window]]:
        """The windows of earlier commits that each of these bodies was the answer to."""
        if dataset.may_repeat:
            return {}
        around = (
            min(r.window.from_utc for r in receipts) - REPETITION_REACH,
            max(r.window.to_utc for r in receipts) + REPETITION_REACH,
        )
        stored = self._warehouse.windows_with_bodies(dataset.table, {r.body_sha256 for r in receipts}, around)
        return {digest: list(windows) for digest, windows in stored.items()}


def _kind(label: str) -> Origin:
    """Where rows with a label come from."""
    return "sandbox" if label == SANDBOX_LABEL else "provider"


def _repetition(dataset: Dataset, receipt: Receipt, seen: dict[str, list[Window]]) -> str | None:
    """Why a body is refused as the repetition of a distant window's, or ``None``; then ``seen`` has the body."""
    if dataset.may_repeat:
        return None
    windows = seen.setdefault(receipt.body_sha256, [])
    other = next((w for w in windows if not _related(w, receipt.window)), None)
    if other is None:
        windows.append(receipt.window)
        return None
    return (
        f"{dataset.code} {receipt.window}: the body is the same as that of {other}; the provider answers "
        "distant windows alike, so this one is not believed; run `energy-assets verify` against it"
    )


def _related(a: Window, b: Window) -> bool:
    """Whether two windows touch or overlap, so that equal answers prove nothing."""
    return a.from_utc <= b.to_utc and b.from_utc <= a.to_utc
