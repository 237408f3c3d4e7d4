"""From a manifest of the drop folder to the warehouse, by the machinery that refreshes every other dataset.

What is loaded, in which order, what marks it as loaded, and what has to be true before its files are deleted belongs
here. Loading the same manifest twice changes nothing: a row is identified by its message, so a run that was killed at
any point is simply run again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from energy_assets.catalogue.iris import ENTRIES
from energy_assets.ingest.engine import Engine, tidied_spool
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.planner import Plan
from energy_assets.ingest.refresh import carry_out
from energy_assets.sources.iris.backlog import Backlog, Brought, Manifest, unread_error
from energy_assets.sources.iris.split import DropSource, Split, split, whole_of
from energy_assets.warehouse.interface import Warehouse

logger = logging.getLogger(__name__)


NEARBY = timedelta(days=1)
"""Windows so close that one question about receipts is cheaper than two: a store counts the days in between."""


@dataclass(frozen=True)
class Loaded:
    """What a manifest came to.

    Attributes:
        outcomes: One per stream that it holds.
        messages: Messages in its files, redeliveries included.
        missing: Files that were gone.
        unread: Files that could not be read, with the reason; they wait in a manifest of their own.
        unreadable: Messages that could not be read; they are in quarantine, and whole in the drop folder.
    """

    outcomes: tuple[Outcome, ...]
    messages: int
    missing: tuple[str, ...]
    unread: Mapping[str, str]
    unreadable: int

    @property
    def failed(self) -> bool:
        """Whether something failed and is to be loaded again."""
        return bool(self.unread) or any(o.status == "failed" for o in self.outcomes)


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up came to.

    Attributes:
        deleted: Files deleted.
        stuck: Files that could not be deleted, with the reason.
        released: Manifests whose rows the warehouse does not have (any more); their files are loaded again.
    """

    deleted: int
    stuck: Mapping[str, str]
    released: tuple[str, ...]


def load(manifest: Manifest, backlog: Backlog, engine: Engine, policy: Policy) -> Loaded:
    """Load the messages of a manifest's files and, when all is committed, mark it as done.

    Args:
        manifest: What is to be loaded.
        backlog: The drop folder that it is of.
        engine: Warehouse and spool; its sources are not used.
        policy: The run to name in receipts.

    Returns:
        What became of it. Where a stream failed or a file could not be read, that is put aside to be tried again, and
        everything else is loaded.

    Raises:
        SpoolError: The drop folder or the spool cannot be written; the manifest is put aside where that is possible.
        WarehouseError: The warehouse cannot be used; the same.
    """
    engine.warehouse.check()
    try:
        found, outcomes = _carried_out(manifest, backlog, engine, policy)
        unreadable = _keep_unreadable(manifest, backlog, engine, outcomes)
    except Exception as error:
        # Whatever it was, it must not come first again and keep the others waiting.
        backlog.fail(manifest, engine.clock(), str(error) or type(error).__name__)
        raise
    if found.missing:
        logger.error("%s: %d files vanished before they were loaded", manifest.manifest_id, len(found.missing))
    _settle(manifest, backlog, engine.clock(), found, outcomes)
    return Loaded(outcomes, found.messages, tuple(found.missing), found.unread, unreadable)


def clean(backlog: Backlog, warehouse: Warehouse, now: datetime) -> Cleaned:
    """Delete the files of manifests that were loaded a while ago and whose receipts the warehouse still believes.

    A warehouse that was replaced, emptied, restored from before, or is another one than was loaded into does not
    believe them: nothing is deleted then, and the files are loaded again.

    Args:
        backlog: The drop folder.
        warehouse: The warehouse that is set now.
        now: The present, aware UTC.

    Raises:
        SpoolError: The drop folder cannot be read or written.
        WarehouseError: The warehouse cannot be read; nothing has been deleted.
    """
    due = backlog.loaded_before(now)
    lost = _not_believed(due, warehouse)
    needed = backlog.needed()
    deleted = 0
    stuck: dict[str, str] = {}
    for manifest in due:
        if manifest.manifest_id in lost:
            logger.error("%s is not in this warehouse (any more); it is loaded again", manifest.manifest_id)
            backlog.release(manifest)
            continue
        gone = backlog.delete(manifest, needed)
        deleted += gone.files
        stuck.update(gone.stuck)
    backlog.sweep(now)
    return Cleaned(deleted, stuck, tuple(sorted(lost)))


def _carried_out(
    manifest: Manifest, backlog: Backlog, engine: Engine, policy: Policy
) -> tuple[Split, tuple[Outcome, ...]]:
    """Take a manifest apart and write its parts."""
    folder = engine.spool.new_path("IRIS")
    folder.mkdir(parents=True)
    try:
        found = split(backlog, manifest, folder, engine.clock())
        datasets = [d for d in ENTRIES if d.code in found.parts]
        plans = {code: Plan(tuple(part.window for part in parts), "due") for code, parts in found.parts.items()}
        source = DropSource(found.parts, engine.clock)
        own = replace(engine, open_source={"iris": lambda: source}, source_api={"iris": "IRIS"})
        with tidied_spool(own):
            return found, tuple(carry_out(datasets, plans, policy, own))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(manifest: Manifest, backlog: Backlog, now: datetime, found: Split, outcomes: Sequence[Outcome]) -> None:
    """Write down what of a manifest is loaded and what is to be tried again."""
    failed = [o for o in outcomes if o.status == "failed"]
    codes = {o.dataset for o in failed}
    brought = [
        Brought(code, part.window.from_utc, part.window.to_utc, part.window.branch_text)
        for code, parts in found.parts.items()
        if code not in codes
        for part in parts
    ]
    if found.unread:
        if len(found.unread) == len(manifest.files):
            backlog.fail(manifest, now, unread_error(found.unread))
            return
        manifest = backlog.part(manifest, found.unread, now)
    if failed:
        backlog.fail(manifest, now, failed[0].reason or f"{failed[0].dataset} failed", codes, brought)
    else:
        backlog.finish(manifest, now, brought)


def _not_believed(manifests: Sequence[Manifest], warehouse: Warehouse) -> set[str]:
    """Manifests of which the warehouse does not believe every receipt."""
    wanted = sorted(((b, m.manifest_id) for m in manifests for b in m.brought), key=lambda w: w[0].from_utc)
    lost: set[str] = set()
    with warehouse.session(write=False) if wanted else nullcontext():
        for some in _nearby(wanted):
            believed = _believed({b.dataset for b, _ in some}, some, warehouse)
            lost.update(name for brought, name in some if brought not in believed)
    return lost


def _nearby(wanted: Sequence[tuple[Brought, str]]) -> Iterator[list[tuple[Brought, str]]]:
    """What was brought, in order of time, cut where there is a long time between."""
    some: list[tuple[Brought, str]] = []
    until = None
    for brought, name in wanted:
        if until is not None and brought.from_utc > until + NEARBY:
            yield some
            some = []
        some.append((brought, name))
        until = brought.to_utc if until is None else max(until, brought.to_utc)
    if some:
        yield some


def _believed(codes: Collection[str], some: Sequence[tuple[Brought, str]], warehouse: Warehouse) -> set[Brought]:
    """What the warehouse has receipts for among streams and times: one question for all of them.

    A receipt of messages without rows counts as well: they are in quarantine and whole in the drop folder.
    """
    tables = [d.table for d in ENTRIES if d.code in codes]
    from_utc, to_utc = min(b.from_utc for b, _ in some), max(b.to_utc for b, _ in some)
    return {
        Brought(code, s.window.from_utc, s.window.to_utc, s.window.branch_text)
        for code, seen in warehouse.coverage(tables, from_utc, to_utc).items()
        for s in seen
        if s.covered_utc or s.empty_utc
    }


def _keep_unreadable(manifest: Manifest, backlog: Backlog, engine: Engine, outcomes: Sequence[Outcome]) -> int:
    """Keep the messages that could not be read, whole; the files are read again only where there are some."""
    digests = frozenset[str]().union(*(o.unreadable for o in outcomes))
    kept = 0

    def lines() -> Iterator[bytes]:
        nonlocal kept
        for message in whole_of(backlog, manifest, engine.clock(), digests):
            kept += 1
            yield from message

    if digests:
        path = backlog.keep_unreadable(manifest, digests, lines())
        logger.warning("%d messages of %s could not be read; they are in %s", kept, manifest.manifest_id, path)
    return kept
