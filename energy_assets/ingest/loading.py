"""From a manifest of the drop folder to the warehouse, by the machinery that refreshes every other dataset.

What is loaded, in which order, and what marks it as loaded belongs here. Loading the same manifest twice changes
nothing: a row is identified by its message, so a run that was killed at any point is simply run again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from energy_assets.catalogue.iris import ENTRIES
from energy_assets.ingest.messages import UnreadableMessageError, rows_of
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.planner import Plan
from energy_assets.ingest.refresh import Engine, carry_out
from energy_assets.sources.iris.backlog import Backlog, Manifest
from energy_assets.sources.iris.envelope import encode, raw_body
from energy_assets.sources.iris.split import DropSource, envelopes, split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What a manifest came to.

    Attributes:
        outcomes: One per stream that it holds.
        messages: Messages in its files, redeliveries included.
        missing: Files that were gone.
        unreadable: Messages that could not be read; they are in quarantine, and whole in the drop folder.
    """

    outcomes: tuple[Outcome, ...]
    messages: int
    missing: tuple[str, ...]
    unreadable: int

    @property
    def failed(self) -> bool:
        """Whether a stream failed, so that the manifest is to be loaded again."""
        return any(o.status == "failed" for o in self.outcomes)


def load(manifest: Manifest, backlog: Backlog, engine: Engine, policy: Policy) -> Loaded:
    """Load the messages of a manifest's files and, when all is committed, mark it as done.

    Args:
        manifest: What is to be loaded.
        backlog: The drop folder that it is of.
        engine: Warehouse and spool; its sources are not used.
        policy: The run to name in receipts.

    Returns:
        What became of it. Where a stream failed, the manifest stays open and the other streams are loaded.

    Raises:
        SpoolError: A file cannot be read or written.
        WarehouseError: The warehouse cannot be used.
    """
    engine.warehouse.check()
    folder = engine.spool.new_path("IRIS")
    folder.mkdir(parents=True)
    try:
        found = split(backlog, manifest, folder, engine.clock())
        datasets = [d for d in ENTRIES if d.code in found.parts]
        plans = {code: Plan(tuple(part.window for part in parts), "due") for code, parts in found.parts.items()}
        source = DropSource(found.parts, engine.clock)
        own = replace(engine, open_source={"iris": lambda: source}, source_api={"iris": "IRIS"})
        outcomes = tuple(carry_out(datasets, plans, policy, own))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    unreadable = _keep_unreadable(manifest, backlog, engine, outcomes)
    loaded = Loaded(outcomes, found.messages, tuple(found.missing), unreadable)
    if found.missing:
        logger.error("%s: %d files vanished before they were loaded", manifest.manifest_id, len(found.missing))
    if not loaded.failed:
        backlog.finish(manifest, engine.clock())
    return loaded


def _keep_unreadable(manifest: Manifest, backlog: Backlog, engine: Engine, outcomes: Sequence[Outcome]) -> int:
    """Keep the messages that could not be read, whole; the files are read again only where there are some."""
    if not any(o.counts.quarantined for o in outcomes):
        return 0
    lines = list(_unreadable(manifest, backlog, engine))
    if lines:
        path = backlog.keep_unreadable(manifest, lines)
        logger.warning("%d messages of %s could not be read; they are in %s", len(lines), manifest.manifest_id, path)
    return len(lines)


def _unreadable(manifest: Manifest, backlog: Backlog, engine: Engine) -> Iterator[bytes]:
    for message in envelopes(backlog, manifest, engine.clock(), []):
        try:
            rows_of(raw_body(message))
        except UnreadableMessageError:
            yield encode(message)
