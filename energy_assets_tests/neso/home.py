"""A portal, a warehouse and a clock: what a test of whole refreshes needs, with nothing replaced but time and pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.ingest.spool import Spool
from energy_assets.sandbox.neso.app import NesoSandbox
from energy_assets.sandbox.neso.shelf import Entry
from energy_assets.sources.neso.client import NesoPortal, PortalAccess
from energy_assets.sources.neso.lanes import Lanes
from energy_assets.sources.neso.memory import Failures, Memory
from energy_assets.sources.neso.wire import Wire
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.neso.world import QUICK

FIRST_DAY = date(2001, 1, 1)
LAST_DAY = date(2030, 12, 31)

Row = dict[str, Any]


class Clock:
    """The present, moved by hand; every look takes a microsecond, so that no two moments are the same."""

    def __init__(self, now: datetime = datetime(2026, 10, 8, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def forward(self, **step: float) -> None:
        """Let time pass."""
        self.now += timedelta(**step)


@dataclass
class Home:
    """One home that keeps families of the stand-in's portal.

    Attributes:
        sandbox: The portal.
        url: Address of its actions.
        folder: The home.
        clock: The present of both.
        warehouse: Where rows go.
    """

    sandbox: NesoSandbox
    url: str
    folder: Path
    clock: Clock
    warehouse: Warehouse

    @classmethod
    def of(cls, sandbox: NesoSandbox, url: str, folder: Path, clock: Clock) -> Home:
        """A home with an empty warehouse."""
        return cls(sandbox, url, folder, clock, DuckDBWarehouse(folder / "w.duckdb", "gb", clock=clock))

    def engine(self, **changes: Any) -> Engine:
        """What a refresh works with: an unhurried portal, everything else as in production."""

        def opened() -> NesoPortal:
            return NesoPortal(Wire(self.url, Lanes.of(self.folder, 0, 0), patience=QUICK, now=self.clock))

        engine = Engine(
            warehouse=self.warehouse,
            open_source={},
            spool=Spool(self.folder / "spool", 3),
            source_api={"neso": "NESO"},
            clock=self.clock,
            portal=PortalAccess(opened, Memory(self.folder), Failures(self.folder)),
        )
        return replace(engine, **changes)

    def refresh(
        self,
        *names: str | Dataset,
        days: tuple[date, date] = (FIRST_DAY, LAST_DAY),
        refetch: bool = False,
        most: int | None = None,
        whole: bool = False,
        **changes: Any,
    ) -> Sequence[Outcome]:
        """Outcomes of a refresh, one per family."""
        entries = [dataset(name) if isinstance(name, str) else name for name in names]
        since = self.clock() if refetch else None
        policy = Policy(refetch_since=since, run_id="test", max_windows=most, whole=whole)
        self.sandbox.requests.clear()
        return refresh(entries, *days, policy, self.engine(**changes))

    def rows(self, name: str | Dataset, **view: Any) -> list[Row]:
        """Everything held of a family."""
        entry = dataset(name) if isinstance(name, str) else name
        return self.warehouse.read(entry.table, FIRST_DAY, LAST_DAY, **view).to_pylist()

    def put(self, package: str, name: str, content: bytes | str, **entry: Any) -> Entry:
        """Put a resource on the portal, or new content in its place; it was changed now."""
        body = content.encode() if isinstance(content, str) else content
        return self.sandbox.shelf.put(Entry(package, name, **entry), body)

    def asked(self) -> list[str]:
        """What was asked in the last refresh, by the names of routes."""
        return [str(request.dataset) for request in self.sandbox.requests]
