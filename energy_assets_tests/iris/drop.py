"""A drop folder for tests: messages put into it in either layout, and a loader that works on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Table
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.loading import Cleaned, Loaded, clean, load
from energy_assets.ingest.model import Policy, Source
from energy_assets.ingest.spool import Spool
from energy_assets.sources.iris.backlog import DELETE_AFTER, Backlog
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.envelope import Envelope, Origin, seal
from energy_assets.warehouse.interface import Warehouse

NOON = datetime(2026, 7, 15, 11, tzinfo=UTC)
"""Noon in London on a summer day."""

FUELINST = dataset("iris/fuelinst").table
UNMAPPED = dataset("iris/unmapped").table


def fuel(generation: float, fuel_type: str = "WIND", **members: Any) -> dict[str, Any]:
    """One row of FUELINST."""
    return {
        "dataset": "FUELINST",
        "publishTime": "2026-07-15T11:00:00Z",
        "startTime": "2026-07-15T10:55:00Z",
        "settlementDate": "2026-07-15",
        "settlementPeriod": 24,
        "fuelType": fuel_type,
        "generation": generation,
    } | members


def twice(rows: Any) -> bytes:
    """A body as the queue has it: JSON text in a JSON string."""
    return json.dumps(json.dumps(rows)).encode()


def message(
    body: bytes | Sequence[Any],
    number: int = 1,
    *,
    subject: str | None = "FUELINST",
    message_id: str | None = None,
    at: datetime = NOON,
    source: Origin = "IRIS",
) -> Envelope:
    """A message; rows are wrapped as on the queue."""
    return seal(
        body if isinstance(body, bytes) else twice(body),
        subject=subject,
        message_id=message_id or f"{subject}_{number}.json",
        sequence_number=number,
        enqueued_utc=at,
        received_utc=at + timedelta(seconds=1),
        source=source,
        origin="iris.test",
    )


@dataclass
class Drop:
    """A drop folder, a warehouse, and the loader between them."""

    root: Path
    spool: Path
    warehouse: Warehouse
    now: datetime = field(default_factory=lambda: datetime.now(tz=UTC) + timedelta(minutes=5))
    sources: dict[str, Callable[[], Source]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.backlog = Backlog(self.root)
        self.folder = DropFolder(self.root)

    @property
    def engine(self) -> Engine:
        labels = {"iris": "IRIS-ARCHIVE"}
        return Engine(self.warehouse, self.sources, Spool(self.spool, 3), labels, lambda: self.now)

    def segment(self, *envelopes: Envelope) -> Path:
        """Write one segment as the listener does."""
        with self.folder.claim():
            return self.folder.write_segment(envelopes, NOON)

    def file(self, path: str, body: bytes, at: datetime = NOON) -> Path:
        """Write one file of the one-message layout."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        os.utime(target, (at.timestamp(), at.timestamp()))
        return target

    def load(self) -> list[Loaded]:
        """Choose and load everything that waits."""
        chosen = self.backlog.choose(self.now)
        return [load(m, self.backlog, self.engine, Policy(run_id="test")) for m in chosen]

    def clean(self, later: timedelta = DELETE_AFTER) -> Cleaned:
        """Clean up as if that much later."""
        return clean(self.backlog, self.warehouse, self.now + later)

    def rows(self, table: Table = FUELINST, *columns: str) -> list[dict[str, Any]]:
        """What the warehouse holds around the test's day."""
        day = NOON.date()
        names = columns or None
        return self.warehouse.read(table, day - timedelta(days=9), day + timedelta(days=9), columns=names).to_pylist()
