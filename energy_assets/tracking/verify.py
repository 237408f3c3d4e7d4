"""Asking the provider itself whether the catalogue is right: one known past window per dataset.

Uses the same source and typing engine as a refresh, so what is compared is what a refresh would meet. Writes nothing
but temporary files, prints nothing.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import EnergyAssetsError, FetchError, StatusError, TransportError, WindowTooLargeError
from energy_assets.ingest.model import Body, Source, Window
from energy_assets.ingest.planner import MINUTES_PER_DAY, halves, plan
from energy_assets.ingest.typed import RefusedBodyError, Stamp, Typed, TypingEngine
from energy_assets.settings import Settings
from energy_assets.tracking.status import event_column

AGES = (30, 400)
"""Days between the window's end and today, the first that fits: after a month everything but the last settlement runs
has come, after 400 days the runs of most days and every yearly publication have."""

ROWS_FACTOR = 4
"""Rows a day may differ from the entry by this factor: days differ by season, week-end and events, and the entry says
roughly."""

CADENCE_FACTOR = 1.5
"""Publications a day may differ from the entry by this factor: single ones are late or left out."""

CUTS_MOST = 12
"""Halvings of a window that the provider calls too long: from twenty years to below two days."""

RAGGED_MOST_BYTES = 32 << 20
"""Bodies up to this size are looked through for left-out members; larger ones would cost too much memory."""

HEALTH_PATH = "/health"
HEALTH_SECONDS = 4.0
"""A provider that is there answers its health check within a second."""

TYPING_WORKERS = 2

REPEATED_KEY = "has the same key"

ROW_TAG = "dataset"
"""The member that names a row's dataset, which the request knows; some answers leave it out, some name a sibling."""

Kind = Literal[
    "status",
    "no answer",
    "window limit",
    "window",
    "unknown field",
    "missing field",
    "type",
    "cadence",
    "repeated key",
    "size",
    "empty",
    "package",
    "resource",
]
Verdict = Literal["agrees", "differs", "empty"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was seen.

    Attributes:
        kind: What it is about.
        text: One sentence.
        differs: Whether it contradicts the entry; otherwise it is a remark.
    """

    kind: Kind
    text: str
    differs: bool = True


@dataclass(frozen=True, slots=True)
class Verification:
    """One dataset, compared with the provider's answers.

    Attributes:
        dataset: The catalogue entry.
        windows: The windows that were asked for, one per branch.
        url: The last URL asked, secrets redacted.
        status: The last HTTP status, ``None`` without an answer.
        rows: Records received.
        bytes: Decoded bytes received.
        seconds: Time that answers took.
        findings: What was seen.
        resource: Package and name of the resource that was read, of a portal of files.
    """

    dataset: Dataset
    windows: tuple[Window, ...]
    url: str
    status: int | None
    rows: int
    bytes: int
    seconds: float
    findings: tuple[Finding, ...]
    resource: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the entry holds, as far as the answers show."""
        if any(f.differs for f in self.findings):
            return "differs"
        return "agrees" if self.rows else "empty"


def verify(
    datasets: Sequence[Dataset],
    open_source: Mapping[str, Callable[[], Source]],
    now: datetime,
    on_done: Callable[[Verification], None] | None = None,
) -> list[Verification]:
    """Compare entries with what their provider answers, in the order given.

    Args:
        datasets: Catalogue entries.
        open_source: Per provider, how to open its source.
        now: The present, aware.
        on_done: Called with each dataset's result as soon as it is there.
    """
    return asyncio.run(_verify_all(datasets, open_source, now, on_done))


def unreachable(settings: Settings) -> str | None:
    """Why Elexon cannot be asked, in one sentence, or ``None`` when it answers its health check or anything else."""
    return asyncio.run(_health(settings))


def known_window(dataset: Dataset, now: datetime) -> Window | None:
    """The newest window of full length that is old enough to be final; a register's only one is today's.

    ``None`` when the dataset has no such window yet.
    """
    today = calendar.settlement_day(now)
    if dataset.query.unit == "snapshot":
        return Window(*calendar.day_bounds_utc(today), next(dataset.branch_choices()))
    branch = next(dataset.branch_choices())
    for age in AGES:
        last = today - timedelta(days=age)
        first = max(last - timedelta(days=2 * _most_days(dataset) - 1), dataset.begins)
        if last < first:
            continue
        windows = [
            w
            for w in plan(dataset, first, last, (), now).windows
            if w.branch == branch and calendar.lag_passed(dataset.timing.settled, w.from_utc, w.to_utc, now)
        ]
        if windows:
            return max(windows, key=lambda w: (w.to_utc - w.from_utc, w.to_utc))
    return None


async def _health(settings: Settings) -> str | None:
    from energy_assets.sources.http import HttpClient, Patience

    patience = Patience(attempts=1, connect=HEALTH_SECONDS, read=HEALTH_SECONDS, deadline=2 * HEALTH_SECONDS)
    async with HttpClient(settings.elexon_url, requests_per_second=1.0, concurrency=1, patience=patience) as client:
        with tempfile.TemporaryDirectory(prefix="energy-assets-") as folder:
            try:
                await client.download(HEALTH_PATH, (), Path(folder) / "health")
            except StatusError as error:
                return str(error) if error.status >= 500 else None
            except FetchError as error:
                return str(error)
    return None


async def _verify_all(
    datasets: Sequence[Dataset],
    open_source: Mapping[str, Callable[[], Source]],
    now: datetime,
    on_done: Callable[[Verification], None] | None,
) -> list[Verification]:
    sources = {provider: open_source[provider]() for provider in {d.provider for d in datasets}}
    typists = _Typists()
    try:
        with tempfile.TemporaryDirectory(prefix="energy-assets-") as folder:

            async def one(number: int, dataset: Dataset) -> Verification:
                probe = _Probe(dataset, sources[dataset.provider], typists, Path(folder) / str(number), now)
                done = await probe.run()
                if on_done is not None:
                    on_done(done)
                return done

            return list(await asyncio.gather(*(one(n, d) for n, d in enumerate(datasets))))
    finally:
        typists.close()
        for source in sources.values():
            await source.aclose()


class _Typists:
    """Worker threads with a typing engine each."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(TYPING_WORKERS, thread_name_prefix="verify")
        self._local = threading.local()
        self._engines: list[TypingEngine] = []

    async def type_body(self, dataset: Dataset, path: Path, stamp: Stamp) -> Typed:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, dataset, path, stamp)

    def close(self) -> None:
        self._pool.shutdown()
        for engine in self._engines:
            engine.close()

    def _work(self, dataset: Dataset, path: Path, stamp: Stamp) -> Typed:
        engine: TypingEngine | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = TypingEngine()
            self._engines.append(engine)
        return engine.type_body(dataset, path, stamp)


class _Probe:
    """One dataset's questions and what was seen in the answers."""

    def __init__(self, dataset: Dataset, source: Source, typists: _Typists, folder: Path, now: datetime) -> None:
        self._dataset = dataset
        self._source = source
        self._typists = typists
        self._folder = folder
        self._now = now
        self._findings: list[Finding] = []
        self._windows: list[Window] = []
        self._url = ""
        self._status: int | None = None
        self._rows = self._bytes = 0
        self._seconds = 0.0

    async def run(self) -> Verification:
        window = known_window(self._dataset, self._now)
        if window is None:
            self._see("empty", "no window of it is old enough to be final", differs=False)
        else:
            self._folder.mkdir()
            for branch in self._dataset.branch_choices():
                await self._ask(Window(window.from_utc, window.to_utc, branch))
        return Verification(
            self._dataset,
            tuple(self._windows),
            self._url,
            self._status,
            self._rows,
            self._bytes,
            self._seconds,
            tuple(self._findings),
        )

    def _see(self, kind: Kind, text: str, *, differs: bool = True) -> None:
        finding = Finding(kind, text, differs)
        if finding not in self._findings:
            self._findings.append(finding)

    async def _ask(self, window: Window) -> None:
        path = self._folder / f"{len(self._windows)}.json"
        try:
            window, body = await self._fetch(window, path)
        except StatusError as error:
            self._status = error.status
            self._see("status", str(error))
            return
        except TransportError as error:
            self._see("no answer", str(error))
            return
        except EnergyAssetsError as error:
            self._see("window limit", str(error))
            return
        try:
            await self._compare(window, body)
        finally:
            path.unlink(missing_ok=True)

    async def _fetch(self, window: Window, path: Path) -> tuple[Window, Body]:
        """The body of the window, or of the largest part of it that the provider gives."""
        asked = window
        for _ in range(CUTS_MOST):
            self._windows = [w for w in self._windows if w.branch != window.branch] + [window]
            self._url = self._source.url(self._dataset, window)
            begun = asyncio.get_running_loop().time()
            try:
                body = await self._source.fetch(self._dataset, window, path)
            except WindowTooLargeError as error:
                pair = halves(self._dataset, window)
                if pair is None:
                    raise
                if window is asked:
                    limit = f"allows {_spoken(error.limit)}" if error.limit else "refuses that"
                    length = _spoken(asked.to_utc - asked.from_utc)
                    self._see("window limit", f"the entry asks for {length} at once, the provider {limit}")
                window = pair[0]
                continue
            finally:
                self._seconds += asyncio.get_running_loop().time() - begun
            self._status = body.status
            return window, body
        raise WindowTooLargeError(f"{self._dataset.code}: even {window} is refused as too long", None)

    async def _compare(self, window: Window, body: Body) -> None:
        dataset = self._dataset
        self._bytes += body.size
        stamp = Stamp(window, "verify", self._now, "VERIFY")
        try:
            typed = await self._typists.type_body(dataset, body.path, stamp)
        except RefusedBodyError as error:
            self._rows += error.fetched
            self._see("window" if error.outside else "type", str(error))
            return
        self._rows += typed.fetched
        if typed.fetched == 0:
            self._empty(window)
            return
        self._fields(typed, body.path)
        self._quarantined(typed)
        if typed.duplicate:
            self._see("repeated key", f"{typed.duplicate} rows are equal to another in every column", differs=False)
        days = (window.to_utc - window.from_utc) / timedelta(days=1)
        self._size(typed, days, sandbox=body.sandbox)
        self._cadence(typed.rows, days)

    def _empty(self, window: Window) -> None:
        if self._dataset.empty == "silent":
            self._see("empty", f"nothing was published in {window}, which the entry allows", differs=False)
        else:
            self._see("empty", f"the answer for {window} is empty, and the entry says that data were due")

    def _fields(self, typed: Typed, body: Path) -> None:
        if typed.extra:
            unknown = ", ".join(f.aliases[0] for f in typed.extra)
            self._see("unknown field", f"members that the entry does not know: {unknown}")
        if typed.missing:
            text = f"no row has: {', '.join(typed.missing)}"
            # A provider that leaves null members out may have had no value for them; one that does not has dropped
            # them.
            dropped = set(typed.missing) != {ROW_TAG} and not _leaves_members_out(body)
            self._see("missing field", text, differs=dropped)

    def _quarantined(self, typed: Typed) -> None:
        reasons = Counter(_general(reason) for reason in typed.quarantine.column("reason").to_pylist())
        for reason, count in reasons.items():
            kind: Kind = "repeated key" if REPEATED_KEY in reason else "type"
            self._see(kind, f"{count} of {typed.fetched} rows: {reason}")

    def _size(self, typed: Typed, days: float, *, sandbox: bool) -> None:
        expected = self._dataset.rows_per_day
        if not expected or days < 1:
            return
        per_day = typed.fetched / days
        if not expected / ROWS_FACTOR <= per_day <= expected * ROWS_FACTOR:
            # A sandbox makes small days on purpose.
            self._see("size", f"{per_day:,.0f} rows a day, and the entry says about {expected:,}", differs=not sandbox)

    def _cadence(self, rows: pa.Table, days: float) -> None:
        expected = self._dataset.timing.publications_per_day
        columns = _rhythm_columns(self._dataset)
        if not expected or not columns or days < 1:
            return
        seen = len(rows.group_by(list(columns)).aggregate([])) / days
        if not expected / CADENCE_FACTOR <= seen <= expected * CADENCE_FACTOR:
            self._see("cadence", f"{seen:.1f} different {', '.join(columns)} a day, and the entry says {expected}")


def _rhythm_columns(dataset: Dataset) -> tuple[str, ...]:
    """The columns whose distinct values show how often something is published."""
    instant = event_column(dataset)
    if instant is not None:
        return (instant,)
    period = ("settlementDate", "settlementPeriod")
    return period if all(c in dataset.table.by_name for c in period) else ()


def _most_days(dataset: Dataset) -> int:
    query = dataset.query
    if query.unit == "day":
        return max(query.most, 1)
    if query.unit == "period":
        return 1
    return max(1, -(-query.most // MINUTES_PER_DAY))


def _leaves_members_out(body: Path) -> bool:
    """Whether records of the body differ in their members; ``True`` as well for bodies too large to look through."""
    if body.stat().st_size > RAGGED_MOST_BYTES:
        return True
    content = msgspec.json.decode(body.read_bytes())
    rows: Iterable[object] = content["data"] if isinstance(content, dict) else content
    return len({frozenset(row) for row in rows if isinstance(row, dict)}) > 1


def _spoken(length: timedelta) -> str:
    """A length in the largest unit that it is whole in."""
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if length >= unit and not length % unit:
            return f"{length // unit} {name}" + ("s" if length // unit > 1 else "")
    return f"{length.total_seconds():g} seconds"


def _general(reason: str) -> str:
    """A reason without the value that showed it, so that equal ones are counted together."""
    return reason.partition(": ")[0]
