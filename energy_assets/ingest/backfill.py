"""Long ranges in bounded pieces: what they would cost, and how they are worked off.

Everything that is fetched goes through ``refresh``; here are only the cut into pieces, the estimate, the lane that one
backfill at a time holds, and the memory of when a refetch was launched. Nothing here prints.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset, FieldType
from energy_assets.errors import EnergyAssetsError, SettingsError
from energy_assets.ingest.engine import Engine, OnOutcome, OnProgress
from energy_assets.ingest.model import Outcome, Policy, Seen, Window
from energy_assets.ingest.planner import fetch_interval, plan
from energy_assets.ingest.refresh import CHUNK_DAYS, refresh
from energy_assets.ingest.tally import merged

PIECE_DAYS = 92
"""Settlement days of one piece: a quarter. Long enough that the cut costs nothing, short enough that progress is told
and a provider that is gone is noticed before years have been asked for in vain."""

REFETCH_RESUMES_FOR = timedelta(days=7)
"""How long an interrupted refetch may be taken up again: what it fetched before is then not asked for a second time.
After longer than that the same command means the data of today, all of them."""

UNKNOWN_ROWS_PER_DAY = 500
"""Rows a day assumed of a dataset whose entry knows no number: between a daily forecast and a half-hourly one by
fuel."""

IN_FILES = "{code} comes in whole files: what the portal has and the warehouse lacks is fetched, whichever the days"

NAME_BYTES = 4
"""JSON spends two quotes, a colon and a comma on every member besides its name and value."""

VALUE_BYTES: dict[FieldType, int] = {
    "text": 12,
    "integer": 4,
    "number": 6,
    "boolean": 5,
    "date": 12,
    "instant": 22,
    "json": 400,
}
"""Bytes of a value in the provider's JSON, a guess per type: recorded rows of BOD, FUELINST and MID have 258, 184 and
160 bytes where this gives 277, 193 and 171."""

BYTES_PER_SECOND = 8e6
"""Decoded bytes that are fetched, typed and written in a second: a line of some 10 Mbit/s with gzip, or one core's
work."""

SECONDS_PER_REQUEST = 0.25
"""Answer time of a small window at the provider; requests in flight share it."""

LANE_FILE = "backfill.lock"
HOLDER_FILE = "backfill.json"


class BackfillBusyError(EnergyAssetsError):
    """Another backfill holds this home's lane."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a backfill would ask for of one dataset, and roughly what comes.

    Attributes:
        dataset: The catalogue entry.
        windows: The windows it would ask for now; one request each, unless the provider refuses their length.
        days: Settlement days that the windows touch.
        rows: Rows expected.
        bytes: Decoded bytes expected.
        known: Whether the entry knows its rows a day; otherwise ``UNKNOWN_ROWS_PER_DAY`` is assumed.
        reason: Why nothing would be asked for, empty otherwise.
        skipped: Whether nothing of the range can ever be asked for.
    """

    dataset: Dataset
    windows: tuple[Window, ...]
    days: int
    rows: int
    bytes: int
    known: bool
    reason: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Part ``index`` of ``count`` of a backfill: settlement days ``from_day`` to ``to_day``, both inclusive."""

    index: int
    count: int
    from_day: date
    to_day: date


def pieces(from_day: date, to_day: date, longest: int = PIECE_DAYS) -> tuple[Piece, ...]:
    """The range cut into pieces of at most ``longest`` days, oldest first.

    Raises:
        ValueError: The range holds no day.
    """
    if to_day < from_day:
        raise ValueError(f"the range {from_day} to {to_day} holds no day; give the earlier day first")
    spans = list(_spans(from_day, to_day, longest))
    return tuple(Piece(n, len(spans), first, last) for n, (first, last) in enumerate(spans, start=1))


def impossible(dataset: Dataset, from_day: date, to_day: date, now: datetime) -> str | None:
    """Why nothing of these days can ever be asked for, or ``None``."""
    if to_day < dataset.begins:
        return f"{dataset.code} (begins on {dataset.begins:%Y-%m-%d}, after the days asked for)"
    today = calendar.settlement_day(now)
    if dataset.is_register and not from_day <= today <= to_day:
        return f"{dataset.code} (a register, which can only be read for today, {today:%Y-%m-%d})"
    return None


def estimate(
    datasets: Sequence[Dataset], from_day: date, to_day: date, engine: Engine, since: datetime | None = None
) -> list[Estimate]:
    """What a backfill of these days would ask for now, in the order of the datasets; asks nobody but the warehouse.

    Args:
        datasets: Catalogue entries.
        from_day: First settlement day.
        to_day: Last settlement day.
        engine: Warehouse and clock.
        since: Receipts older than this are set aside.
    """
    now = engine.clock()
    windows: dict[str, list[Window]] = {d.code: [] for d in datasets}
    reasons = {d.code: impossible(d, from_day, to_day, now) for d in datasets}
    possible = [d for d in datasets if reasons[d.code] is None and d.files is None]
    idle = {d.code: IN_FILES.format(code=d.code) for d in datasets if d.files is not None}
    assumed: dict[str, list[Seen]] = {d.code: [] for d in datasets}
    with engine.warehouse.session(write=False):
        for piece in pieces(from_day, to_day):
            for first, last in _spans(piece.from_day, piece.to_day, CHUNK_DAYS):
                seen = _seen(possible, first, last, engine, since)
                for dataset in possible:
                    known = [*seen.get(dataset.code, ()), *assumed[dataset.code]]
                    planned = plan(dataset, first, last, known, now)
                    windows[dataset.code] += planned.windows
                    idle[dataset.code] = planned.reason
                    # Days whose windows reach into the next chunk will be covered when that one is planned.
                    assumed[dataset.code] = [Seen(w, now, None) for w in planned.windows]
    return [_estimate(d, tuple(windows[d.code]), reasons[d.code], idle.get(d.code, "")) for d in datasets]


def seconds(estimates: Sequence[Estimate], per_second: float, concurrency: int) -> float:
    """Roughly how long it takes: the slower of asking and of carrying what comes.

    Args:
        estimates: What would be asked for.
        per_second: The client's sustained request rate.
        concurrency: Its requests in flight.
    """
    requests = sum(len(e.windows) for e in estimates)
    asking = max(requests / per_second, requests * SECONDS_PER_REQUEST / concurrency)
    return max(asking, sum(e.bytes for e in estimates) / BYTES_PER_SECOND)


def window_seconds(item: Estimate) -> float:
    """Roughly what one window of it takes, for weighing progress."""
    return SECONDS_PER_REQUEST + item.bytes / max(len(item.windows), 1) / BYTES_PER_SECOND


def row_bytes(dataset: Dataset) -> int:
    """Bytes of one row in the provider's JSON, by ``VALUE_BYTES``."""
    return sum(len(f.name) + NAME_BYTES + VALUE_BYTES[f.type] for f in dataset.fields if f.origin == "row")


def run(
    datasets: Sequence[Dataset],
    from_day: date,
    to_day: date,
    policy: Policy,
    engine: Engine,
    on_piece: Callable[[Piece], None] | None = None,
    on_outcome: OnOutcome | None = None,
    on_progress: OnProgress | None = None,
) -> list[Outcome]:
    """Work off a range piece by piece.

    What receipts cover is not asked for again, so a killed backfill goes on where it was. It stops when a whole
    piece brought nothing but failures: the provider is gone, and the rest would fail alike.

    Returns:
        One outcome per dataset over all pieces that were worked on, in the order given.
    """
    total: dict[str, Outcome] = {}
    for piece in pieces(from_day, to_day):
        if on_piece is not None:
            on_piece(piece)
        outcomes = refresh(datasets, piece.from_day, piece.to_day, policy, engine, on_outcome, on_progress)
        for outcome in outcomes:
            total[outcome.dataset] = merged(total[outcome.dataset], outcome) if outcome.dataset in total else outcome
        asked = [o for o in outcomes if o.windows or o.failures]
        if asked and all(o.status == "failed" and not o.counts.fetched for o in asked):
            break
    return [total[d.code] for d in datasets]


@contextmanager
def lane(home: Path, description: str, now: datetime) -> Iterator[None]:
    """Hold this home's one backfill lane; the system frees it when the process dies, however it dies.

    Args:
        home: Folder of the lock; exists.
        description: What is being backfilled, for whoever finds the lane taken.
        now: The present, aware.

    Raises:
        BackfillBusyError: Another backfill holds it; the message names it.
    """
    lock = FileLock(home / LANE_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BackfillBusyError(
            f"another backfill is running in {home}{_holder(home)}; wait for it or stop it, then run this again"
        ) from None
    holder = home / HOLDER_FILE
    try:
        _write(holder, {"pid": os.getpid(), "what": description, "since": f"{now:%Y-%m-%d %H:%MZ}"})
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@dataclass(frozen=True, slots=True)
class Launch:
    """When a refetch was launched: receipts from before are set aside.

    Attributes:
        at: The launch, aware UTC.
        resumed: Whether an interrupted one goes on.
        path: Where it is remembered until it is finished.
    """

    at: datetime
    resumed: bool
    path: Path

    def finish(self) -> None:
        """Forget it: the same command means a new refetch from here on."""
        self.path.unlink(missing_ok=True)


def refetch_since(home: Path, datasets: Sequence[Dataset], from_day: date, to_day: date, now: datetime) -> datetime:
    """What ``launch`` would give, without remembering it."""
    remembered = _launched(_launch_file(home, datasets, from_day, to_day))
    return remembered if remembered is not None and now - remembered <= REFETCH_RESUMES_FOR else now


def launch(home: Path, datasets: Sequence[Dataset], from_day: date, to_day: date, now: datetime) -> Launch:
    """The launch time of a refetch of exactly this: that of the interrupted one that it resumes, or now.

    Raises:
        SettingsError: The home is not writable.
    """
    path = _launch_file(home, datasets, from_day, to_day)
    since = refetch_since(home, datasets, from_day, to_day, now)
    if since != now:
        return Launch(since, True, path)
    _write(path, {"launched_utc": now.isoformat(), "from": str(from_day), "to": str(to_day)})
    return Launch(now, False, path)


def _launch_file(home: Path, datasets: Sequence[Dataset], from_day: date, to_day: date) -> Path:
    key = json.dumps([sorted(d.code for d in datasets), str(from_day), str(to_day)])
    return home / f"refetch-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"


def _launched(path: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(path.read_text())["launched_utc"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); remove it, and the refetch begins anew") from error


def _write(path: Path, content: dict[str, object]) -> None:
    """Write a small file so that it is whole or not there."""
    draft = path.with_suffix(".part")
    try:
        draft.write_text(json.dumps(content))
        draft.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}); see to ENERGY_ASSETS_HOME") from error


def _holder(home: Path) -> str:
    """Who holds the lane, as far as it can be read: it is written just after the lane is taken."""
    try:
        held = json.loads((home / HOLDER_FILE).read_text())
        return f" (process {held['pid']}, {held['what']}, since {held['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _spans(from_day: date, to_day: date, longest: int) -> Iterator[tuple[date, date]]:
    first = from_day
    while first <= to_day:
        last = min(first + timedelta(days=longest - 1), to_day)
        yield first, last
        first = last + timedelta(days=1)


def _seen(
    datasets: Sequence[Dataset], first: date, last: date, engine: Engine, since: datetime | None
) -> dict[str, Sequence[Seen]]:
    if not datasets:
        return {}
    spans = [fetch_interval(d, first, last) for d in datasets]
    low, high = min(s for s, _ in spans), max(e for _, e in spans)
    return dict(engine.warehouse.coverage([d.table for d in datasets], low, high, since))


def _estimate(dataset: Dataset, windows: tuple[Window, ...], impossibility: str | None, idle: str) -> Estimate:
    if impossibility is not None:
        return Estimate(dataset, (), 0, 0, 0, True, impossibility, skipped=True)
    if not windows:
        return Estimate(dataset, (), 0, 0, 0, True, idle)
    choices = len(list(dataset.branch_choices()))
    length = sum((w.to_utc - w.from_utc for w in windows), timedelta()) / choices
    days = max(1, round(length / timedelta(days=1)))
    known = dataset.rows_per_day is not None
    per_day = dataset.rows_per_day if dataset.rows_per_day is not None else UNKNOWN_ROWS_PER_DAY
    rows = round(per_day * (length / timedelta(days=1)))
    return Estimate(dataset, windows, days, rows, rows * row_bytes(dataset), known)
