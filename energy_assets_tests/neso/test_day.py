"""Ticks of a day: what is asked for, how often, and in which lane; in simulated time, read from the stand-in's log."""

from __future__ import annotations

import asyncio
import heapq
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.faults import Asked
from energy_assets.sandbox.neso.app import ROUTES_OF_TABLES, NesoSandbox
from energy_assets.sandbox.neso.maker import CatalogueMaker
from energy_assets.sandbox.neso.shelf import Content, Entry
from energy_assets.sandbox.neso.tables import Rows
from energy_assets.sources.neso.client import NesoPortal, PortalAccess
from energy_assets.sources.neso.lanes import FOLDER, Lane, Lanes
from energy_assets.sources.neso.memory import Failures, Memory
from energy_assets.sources.neso.sweep import MOST_REQUESTS
from energy_assets.sources.neso.wire import Wire
from energy_assets_tests.neso.home import FIRST_DAY, LAST_DAY, Clock, Home
from energy_assets_tests.neso.world import QUICK, Stage

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 10, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TICK = 10 * MINUTE
PORTAL_SECONDS, DATASTORE_SECONDS = 1.0, 30.0
TINY = 1e-5
"""What is lost where instants are kept as seconds."""

FAMILIES = datasets("neso")
POLL_SECONDS = 0.002
"""Real time between two looks of those who sleep: each costs some work, and a day has some thousand sleeps."""


class Few(CatalogueMaker):
    """Of each family its first resource, and its first table where it has any."""

    def listed(self, now: datetime) -> Sequence[Entry]:
        first: dict[tuple[str, str], Entry] = {}
        for entry in super().listed(now):
            for dataset in FAMILIES:
                if dataset.files and dataset.files.package == entry.package and dataset.files.holds(entry.name):
                    first.setdefault((dataset.code, entry.url_type), entry)
        return list(first.values())


class Still(CatalogueMaker):
    """Everything as it is when the day begins, and of what is probed often only columns: a day is soon read."""

    def __init__(self, entries: Sequence[Dataset]) -> None:
        super().__init__(entries)
        self._still: dict[tuple[str, str], Content] = {}

    def content(self, entry: Entry, now: datetime) -> Content:
        if entry.key not in self._still:
            content = super().content(entry, now)
            often = any(d.files and d.files.package == entry.package and d.files.probe_minutes <= 60 for d in TABLED)
            self._still[entry.key] = replace(content, cells=()) if often and isinstance(content, Rows) else content
        return self._still[entry.key]


def has_tables(dataset: Dataset) -> bool:
    return dataset.files is not None and any(known.datastore_only for known in dataset.files.known)


TABLED = tuple(d for d in FAMILIES if has_tables(d))


def cadence(dataset: Dataset) -> timedelta:
    assert dataset.files is not None
    return timedelta(minutes=dataset.files.probe_minutes)


def home_of(stage: tuple[Stage, str], folder: Path, maker: CatalogueMaker, clock: Clock) -> Iterator[Home]:
    served, url = stage
    sandbox = served.fresh(maker=maker, clock=clock, instants=clock)
    made = Home.of(sandbox, url, folder, clock)
    yield made
    made.warehouse.close()


class TestNothingNew:
    """All families of the catalogue are held, and the portal has the same as before."""

    @pytest.fixture
    def home(self, portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
        yield from home_of(portal_stage, tmp_path, Few(), Clock(BEGIN))

    def test_a_tick_with_nothing_new_takes_a_sweep_and_no_probe_before_its_time(self, home: Home) -> None:
        # Held open, because to open the file again for each family takes longer than all else.
        with home.warehouse.session():
            outcomes = home.refresh(*FAMILIES, whole=True)
        assert [o.failures for o in outcomes if o.failures] == []
        assert len(home.asked()) > len(FAMILIES)

        outcomes = home.refresh(*FAMILIES)
        assert {o.status for o in outcomes} == {"unchanged"}
        assert home.asked() == ["package_search"] * len(home.asked())
        assert len(home.asked()) <= MOST_REQUESTS == 5

        # Nothing becomes due before the shortest cadence has passed since it was probed; uploads tell what is new.
        quick = [d for d in TABLED if cadence(d) == min(map(cadence, TABLED))]
        home.clock.now = BEGIN + 9 * MINUTE
        home.refresh(*TABLED)
        assert not ROUTES_OF_TABLES & set(home.asked())
        home.clock.now = BEGIN + 11 * MINUTE
        home.refresh(*TABLED)
        probed = {family_of(asked) for asked in home.sandbox.requests if asked.dataset in ROUTES_OF_TABLES}
        assert probed == {d.code for d in quick}


OWNERS = {known.id: d.code for d in TABLED if d.files for known in d.files.known}


def table_of(asked: Asked) -> str:
    """Id of the table that a request is about."""
    return dict(asked.params).get("resource_id") or asked.path.rsplit("/", 1)[-1]


def family_of(asked: Asked) -> str:
    return OWNERS[table_of(asked)]


@dataclass
class Day(Clock):
    """A clock that stands still while anything is done, and jumps to the next that wakes where everyone sleeps."""

    now: datetime = BEGIN
    sandbox: NesoSandbox | None = None
    asking: int = 0
    asleep: list[datetime] = field(default_factory=list)

    def seconds(self) -> float:
        return self().timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.now + timedelta(seconds=seconds)
        heapq.heappush(self.asleep, until)
        while self.now < until:
            await asyncio.sleep(POLL_SECONDS)
            if self.asleep[0] == until and not self._is_busy():
                self.now = max(self.now, until)
        self.asleep.remove(until)
        heapq.heapify(self.asleep)

    def _is_busy(self) -> bool:
        return self.asking > 0 or (self.sandbox is not None and self.sandbox.requests.under_way > 0)

    def lanes(self, home: Path) -> Lanes:
        """The lanes of a home, between whose requests time passes as on this clock."""
        portal, datastore = home / FOLDER / "portal.lane", home / FOLDER / "datastore.lane"
        return Lanes(DayLane(self, portal, PORTAL_SECONDS), DayLane(self, datastore, DATASTORE_SECONDS))


class DayLane(Lane):
    """A lane during whose requests no time passes."""

    def __init__(self, day: Day, path: Path, seconds: float) -> None:
        super().__init__(path, seconds, clock=day.seconds, sleep=day.sleep)
        self._day = day

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with super().turn():
            self._day.asking += 1
            try:
                yield
            finally:
                self._day.asking -= 1


class TestDay:
    """A day of all families that have tables, by the real lanes and cadences."""

    @pytest.fixture
    def home(self, portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
        yield from home_of(portal_stage, tmp_path, Still(TABLED), Day())

    @pytest.mark.timeout(600)
    def test_every_table_is_probed_within_twice_its_cadence_and_both_lanes_are_kept(self, home: Home) -> None:
        with home.warehouse.session():
            log = self.live(home)
        check_lanes(log)
        probes: dict[str, list[datetime]] = {}
        for asked in log:
            if asked.dataset in ROUTES_OF_TABLES:
                probes.setdefault(table_of(asked), []).append(asked.received_utc)
        tables = {k.id: d for d in TABLED if d.files for k in d.files.known if k.datastore_only}
        assert probes.keys() == tables.keys()
        for key, at in probes.items():
            allowed = cadence(tables[key])
            for earlier, later in pairwise([BEGIN, *at, home.clock.now]):
                assert later - earlier <= 2 * allowed, (tables[key].code, earlier, later)
            for earlier, later in pairwise(at):
                assert later - earlier >= allowed, (tables[key].code, earlier, later)

    def live(self, home: Home) -> list[Asked]:
        """Every request of a day of ticks: a tick is skipped while a run lasts, and runs begin some seconds late."""
        clock = home.clock
        assert isinstance(clock, Day)
        clock.sandbox = home.sandbox
        lateness = Random(5)
        log: list[Asked] = []
        for number in range(DAY // TICK):
            tick = BEGIN + number * TICK
            if clock.now > tick + MINUTE:
                continue
            clock.now = max(clock.now, tick + timedelta(seconds=lateness.uniform(0, 45)))
            entries = TABLED if tick.minute == 0 else [d for d in TABLED if cadence(d) < timedelta(hours=1)]
            outcomes = self.tick(home, entries)
            assert [o.failures for o in outcomes if o.failures] == []
            log += home.sandbox.requests
            home.sandbox.requests.clear()
        return log

    def tick(self, home: Home, entries: Sequence[Dataset]) -> Sequence[Outcome]:
        clock = home.clock
        assert isinstance(clock, Day)

        def opened() -> NesoPortal:
            return NesoPortal(Wire(home.url, clock.lanes(home.folder), patience=QUICK, sleep=clock.sleep, now=clock))

        access = PortalAccess(opened, Memory(home.folder), Failures(home.folder))
        return refresh(entries, FIRST_DAY, LAST_DAY, Policy(run_id="tick", waits=True), home.engine(portal=access))


def check_lanes(log: Sequence[Asked], portal: float = PORTAL_SECONDS, datastore: float = DATASTORE_SECONDS) -> None:
    for tables, least in ((False, portal), (True, datastore)):
        at = [asked.received_utc for asked in log if (asked.dataset in ROUTES_OF_TABLES) == tables]
        assert min((b - a).total_seconds() for a, b in pairwise(at)) >= least - TINY


PROCESS = """
import sys
from datetime import date
from pathlib import Path

from energy_assets.catalogue import select
from energy_assets.ingest.model import Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.settings import Settings
from energy_assets.wiring import open_engine

url, home, names = sys.argv[1:]
settings = Settings(home=Path(home), neso_url=url, neso_request_seconds=0.05, neso_datastore_seconds=0.15)
engine = open_engine(settings)
print("ready", flush=True)
sys.stdin.readline()
outcomes = refresh(select(names), date(2001, 1, 1), date(2040, 1, 1), Policy(run_id="two"), engine)
engine.warehouse.close()
print([o.failures for o in outcomes if o.failures], sum(o.counts.inserted for o in outcomes))
"""


def test_two_processes_that_refresh_one_home_at_once_keep_both_lanes_and_both_complete(
    portal_stage: tuple[Stage, str], tmp_path: Path
) -> None:
    stage, url = portal_stage
    # Both ask for files and for tables.
    halves = [list(TABLED[4:14:2]), list(TABLED[5:15:2])]
    sandbox = stage.fresh(maker=CatalogueMaker(TABLED), clock=lambda: datetime.now(UTC), instants=None)
    command = [sys.executable, "-c", PROCESS, url, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    names = [",".join(d.name for d in half) for half in halves]
    with (
        subprocess.Popen([*command, names[0]], **pipes) as one,
        subprocess.Popen([*command, names[1]], **pipes) as other,
    ):
        assert [process.stdout.readline() for process in (one, other)] == ["ready\n"] * 2
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.close()
        said = [process.stdout.read() for process in (one, other)]
        assert [process.wait(120) for process in (one, other)] == [0, 0]
    assert all(text.startswith("[] ") for text in said)
    assert all(int(text.split()[-1]) > 0 for text in said)
    assert min(sandbox.gaps("portal")) >= 0.05
    assert min(sandbox.gaps("datastore")) >= 0.15
