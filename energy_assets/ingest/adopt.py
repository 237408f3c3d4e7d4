"""``adopt``: a way in for owners of the predecessor's tables.

What becomes of each judged row belongs here: sound ones are typed like a provider's answer and written through the
ordinary write primitive, the others go to quarantine. How rows are judged is in ``predecessor``.

Adopted rows never cover a window: their receipts are ``suspect``, as old as the window itself, so that the next refresh
asks the provider and finds each row confirmed, revised or withdrawn. What a provider's answer has brought here already
is left as it is.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from energy_assets import arrow, calendar
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset, Field
from energy_assets.errors import CatalogueError, EnergyAssetsError
from energy_assets.ingest.columns import Stamp, micros
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt, Window, WriteBatch
from energy_assets.ingest.planner import halves
from energy_assets.ingest.predecessor import PREFIX, Findings, Judged, OldTables, bench
from energy_assets.ingest.refresh import BATCH_ROWS, BATCH_WINDOWS
from energy_assets.ingest.typed import RefusedBodyError, Typed, TypingEngine
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.warehouse.interface import Warehouse

logger = logging.getLogger(__name__)

SOURCE = "ADOPTED"
"""``_source_api`` of adopted rows, until a refresh has brought them itself."""

RUN = "adopt"

WINDOW_ROWS = 60_000
"""Rows above which a day is typed in parts, where the dataset's windows can be cut: a body of some twenty megabytes."""

QUARANTINE_MOST = 10_000
"""Unreadable and contradicting rows of one table that are kept; all are counted."""

EVIDENCE_ROWS = 100
"""Rows outside their window that are kept: enough to see what was answered; a repeated sample is all alike."""

OnProgress = Callable[[str, int, int], None]


@dataclass
class Adopted:
    """What became of one old table.

    Attributes:
        table: Its name.
        dataset: Dataset code, empty where there is none.
        findings: What it holds; ``None`` where it cannot be adopted.
        untypable: Sound rows that cannot be typed.
        held: Sound rows of windows that a provider's answer covers here already.
        loaded: Sound rows that were handed to the warehouse, or would be.
        inserted: Those that are new there.
        holes: Spans of settlement days between the first and the last loadable one that have no row.
        problem: Why the table, or a part of it, could not be adopted.
    """

    table: str
    dataset: str = ""
    findings: Findings | None = None
    untypable: int = 0
    held: int = 0
    loaded: int = 0
    inserted: int = 0
    holes: tuple[tuple[date, date], ...] = ()
    problem: str = ""


@dataclass
class _Gathered:
    receipts: list[Receipt] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)
    rows: int = 0


def adopt(
    old: OldTables,
    wanted: Sequence[Dataset] | None,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    *,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> list[Adopted]:
    """Judge the predecessor's tables and load what is sound.

    Args:
        old: Where they are.
        wanted: Datasets to look for; ``None`` for every table there is.
        warehouse: Where sound rows go.
        clock: Says what time it is, aware.
        dry_run: Judge and type, and write nothing, not even what a warehouse needs before its first write.
        on_progress: Called with the table, rows done and rows to do of it.

    Returns:
        One for each old table. A table that cannot be adopted is told in its ``problem`` and takes no other with it.
    """
    if not dry_run:
        warehouse.check()
    done = []
    codes = None if wanted is None else {d.code for d in wanted}
    for name in old.names():
        entry = _entry(name)
        if not name.lower().startswith(PREFIX) or (codes is not None and (entry is None or entry.code not in codes)):
            continue
        if entry is None:
            done.append(Adopted(name, problem=f"no dataset is called {name.lower().removeprefix(PREFIX).upper()}"))
            continue
        with tempfile.TemporaryDirectory(prefix="energy-assets-adopt-") as folder, bench(Path(folder)) as connection:
            result = Adopted(name, entry.code)
            try:
                with old.relation(name, connection) as relation:
                    judged = Judged(connection, relation, entry)
                _Adoption(entry, name, judged, warehouse, clock, Path(folder), dry_run, on_progress, result).run()
            except EnergyAssetsError as error:
                result.problem = str(error)
            done.append(result)
    return done


def _entry(name: str) -> Dataset | None:
    try:
        return dataset(name.lower().removeprefix(PREFIX))
    except CatalogueError:
        return None


class _Adoption:
    """One table's way in."""

    def __init__(
        self,
        entry: Dataset,
        name: str,
        judged: Judged,
        warehouse: Warehouse,
        clock: Callable[[], datetime],
        folder: Path,
        dry_run: bool,
        on_progress: OnProgress | None,
        result: Adopted,
    ) -> None:
        self._entry = entry
        self._name = name
        self._judged = judged
        self._warehouse = warehouse
        self._clock = clock
        self._folder = folder
        self._dry_run = dry_run
        self._on_progress = on_progress
        self._result = result
        self._gathered = _Gathered()

    def run(self) -> None:
        """Report, load, quarantine."""
        found = self._result.findings = self._judged.findings()
        self._result.holes = holes(found.days) if not self._entry.is_register else ()
        if not self._dry_run:
            self._warehouse.claim("provider")
            self._record_unsound(found)
        engine = TypingEngine()
        try:
            for window, branch in self._windows(found):
                self._window(engine, window, branch)
        finally:
            engine.close()
        self._commit()

    def _windows(self, found: Findings) -> Iterator[tuple[Window, tuple[str, ...]]]:
        """Settlement days with sound rows, cut where they are large, that no provider's answer covers."""
        if not found.days:
            return
        first, last = min(found.days), max(found.days)
        begin, end = calendar.day_start_utc(first), calendar.day_bounds_utc(last)[1]
        seen = self._warehouse.coverage([self._entry.table], begin, end).get(self._entry.code, ())
        covered = [s.window for s in seen if s.covered_utc is not None]
        names = [name for name, _ in self._entry.query.branches]
        choices = set(self._entry.branch_choices())
        for values in self._judged.branches():
            branch = tuple(zip(names, values, strict=True))
            if branch not in choices:
                self._result.untypable += self._judged.count(begin, end, values)
                continue
            answered = [w for w in covered if w.branch == branch]
            for day in found.days:
                for window in self._cut(Window(*calendar.day_bounds_utc(day), branch), values):
                    rows = self._judged.count(window.from_utc, window.to_utc, values)
                    if any(w.from_utc < window.to_utc and window.from_utc < w.to_utc for w in answered):
                        self._result.held += rows
                    elif rows:
                        yield window, values

    def _cut(self, window: Window, values: tuple[str, ...]) -> Iterator[Window]:
        parts = None
        if self._judged.count(window.from_utc, window.to_utc, values) > WINDOW_ROWS:
            parts = halves(self._entry, window)
        if parts is None:
            yield window
            return
        for part in parts:
            yield from self._cut(part, values)

    def _window(self, engine: TypingEngine, window: Window, values: tuple[str, ...]) -> None:
        """Type one window's rows and gather them."""
        stamp = Stamp(window, new_receipt_id(self._clock()), self._clock(), SOURCE)
        text = self._judged.body(window.from_utc, window.to_utc, values)
        refused = arrow.empty(QUARANTINE_SCHEMA)
        try:
            typed = self._typed(engine, text, stamp)
        except RefusedBodyError as error:
            refused = _untypable(error.quarantine)
            bad = refused.column("row_number").to_pylist()
            if not bad or error.outside:
                self._result.untypable += self._judged.count(window.from_utc, window.to_utc, values)
                self._result.problem = self._result.problem or str(error)
                return
            text = self._judged.body(window.from_utc, window.to_utc, values, bad)
            typed = self._typed(engine, text, stamp)
        quarantine = pa.concat_tables([refused, typed.quarantine])
        self._result.untypable += quarantine.num_rows
        self._result.loaded += typed.rows.num_rows
        receipt = self._receipt(window, stamp.receipt_id).with_(
            body_sha256=hashlib.sha256(text.encode()).hexdigest(),
            body_bytes=len(text.encode()),
            counts=Counts(
                fetched=typed.fetched + refused.num_rows,
                boundary=typed.boundary,
                duplicate=typed.duplicate,
                quarantined=quarantine.num_rows,
            ),
            new_columns=tuple(f.aliases[0] for f in typed.extra),
            missing_columns=typed.missing,
        )
        gathered = self._gathered
        gathered.receipts.append(receipt)
        gathered.typed.append(Typed(typed.rows, quarantine, typed.fetched, extra=typed.extra))
        gathered.rows += typed.rows.num_rows
        if gathered.rows >= BATCH_ROWS - WINDOW_ROWS or len(gathered.receipts) >= BATCH_WINDOWS:
            self._commit()

    def _typed(self, engine: TypingEngine, text: str, stamp: Stamp) -> Typed:
        file = self._folder / "body.json"
        file.write_text(text)
        return engine.type_body(self._entry, file, stamp)

    def _receipt(self, window: Window, receipt_id: str) -> Receipt:
        return Receipt(
            receipt_id=receipt_id,
            dataset=self._entry.code,
            table=self._entry.table.name,
            window=window,
            status="suspect",
            # Nobody here asked. A receipt as old as its window is never taken for an answer that settles it.
            requested_utc=window.from_utc,
            run_id=RUN,
            url=f"adopted:{self._name}",
            reason=f"{self._entry.code} {window}: rows adopted from {self._name}; the next refresh verifies them",
        )

    def _commit(self) -> None:
        gathered, self._gathered = self._gathered, _Gathered()
        if self._dry_run or not gathered.receipts:
            return
        extra: dict[str, Field] = {f.name: f for typed in gathered.typed for f in typed.extra}
        batch = WriteBatch(
            self._entry.table,
            pa.concat_tables([typed.rows for typed in gathered.typed], promote_options="default"),
            tuple(gathered.receipts),
            pa.concat_tables([typed.quarantine for typed in gathered.typed]),
            tuple(extra.values()),
        )
        written = self._warehouse.write(batch)
        self._result.inserted += sum(receipt.counts.inserted for receipt in written.receipts)
        if self._on_progress is not None and self._result.findings is not None:
            done = self._result.loaded + self._result.held + self._result.untypable
            self._on_progress(self._name, done, self._result.findings.sound)

    def _record_unsound(self, found: Findings) -> None:
        """Quarantine what is not loaded, with one receipt that says what the table held."""
        rows = self._judged.unsound(QUARANTINE_MOST, EVIDENCE_ROWS)
        if not rows.num_rows:
            return
        now = self._clock()
        today = calendar.settlement_day(now)
        days = found.days or {today: 0}
        window = Window(calendar.day_start_utc(min(days)), calendar.day_bounds_utc(max(days))[1])
        receipt = self._receipt(window, new_receipt_id(now)).with_(
            reason=f"{self._entry.code}: of {found.rows} rows of {self._name} {found.unreadable} cannot be placed, "
            f"{found.outside} lie outside their window, {found.duplicates} are copies and {found.contradictions} "
            "contradict another"
        )
        count = rows.num_rows
        quarantine = pa.table(
            {
                "dataset": pa.repeat(self._entry.code, count),
                "receipt_id": pa.repeat(receipt.receipt_id, count),
                "window_from_utc": rows.column("wf"),
                "window_to_utc": rows.column("wt"),
                "recorded_utc": pa.repeat(pa.scalar(micros(now), pa.timestamp("us")), count),
                "row_number": rows.column("row_number"),
                "reason": rows.column("reason"),
                "raw": rows.column("raw"),
            }
        ).cast(QUARANTINE_SCHEMA)
        self._warehouse.record([receipt], quarantine)


def _untypable(quarantine: pa.Table) -> pa.Table:
    """Of the rows of a refused body those that are themselves at fault."""
    return quarantine.filter(pc.invert(pc.starts_with(quarantine.column("reason"), "held back")))


def holes(days: Iterable[date]) -> tuple[tuple[date, date], ...]:
    """Spans of days between the first and the last that are not among them."""
    held = sorted(days)
    gaps = itertools.pairwise(held)
    step = timedelta(days=1)
    return tuple((a + step, b - step) for a, b in gaps if b - a > step)
