"""Lanes: spacing over tasks and processes, crashes, clocks that are set back; in simulated time where time matters."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.errors import SettingsError, SpoolError
from energy_assets.sandbox.neso.shelf import Entry
from energy_assets.settings import load_settings
from energy_assets.sources.neso.lanes import Lane, Lanes
from energy_assets_tests.neso.world import World

ROOT = Path(__file__).parents[2]
SECONDS = 10.0
TINY = 1e-6


class Simulation:
    """Time that passes only while everyone sleeps; the wall clock may be moved beside it."""

    def __init__(self) -> None:
        self.true = 1_000_000.0
        self.shift = 0.0
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def clock(self) -> float:
        return self.true + self.shift

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.true + max(seconds, TINY), next(self._number), wake))
        await wake

    async def run(self, *work: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.ensure_future(one) for one in work]
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if all(task.done() for task in tasks):
                break
            self.true, _, wake = heapq.heappop(self._asleep)
            if not wake.done():
                wake.set_result(None)
        for task in tasks:
            task.result()

    def lane(self, home: Path, seconds: float = SECONDS) -> Lane:
        return Lane(home / "neso" / "portal.lane", seconds, clock=self.clock, sleep=self.sleep)


class Log:
    """When requests left and when their answers began, in true time."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.turns: list[tuple[float, float]] = []

    async def user(self, lane: Lane, after: float, lasting: float) -> None:
        await self.simulation.sleep(after)
        async with lane.turn():
            began = self.simulation.true
            await self.simulation.sleep(lasting)
            self.turns.append((began, self.simulation.true))

    def check(self, seconds: float) -> None:
        for (_, ended), (began, _) in itertools.pairwise(sorted(self.turns)):
            assert began - ended >= seconds - TINY


def simulate(simulation: Simulation, *work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(simulation.run(*work))


users = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 40), st.floats(0, 1.5)),
    min_size=1,
    max_size=8,
)
steps_back = st.lists(st.tuples(st.floats(0, 60), st.floats(0, 100_000)), max_size=2)


@settings(max_examples=40)
@given(users, steps_back)
def test_no_two_requests_are_closer_than_the_interval_whoever_sends_them(
    asked: list[tuple[int, float, float]], back: list[tuple[float, float]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation()
        log = Log(simulation)
        lanes = [simulation.lane(Path(folder)) for _ in range(3)]

        async def set_back(after: float, by: float) -> None:
            await simulation.sleep(after)
            simulation.shift -= by

        work = [log.user(lanes[process], after, lasting) for process, after, lasting in asked]
        simulate(simulation, *work, *(set_back(after, by) for after, by in back))
        assert len(log.turns) == len(asked)
        log.check(SECONDS)
        # Nobody waits for more than the turns of all, each with its interval, and one more for each step of the clock.
        latest = max(after for _, after, _ in asked) + (len(asked) + len(back)) * (SECONDS + 1.5 + 1)
        assert max(ended for _, ended in log.turns) <= 1_000_000 + latest


def test_a_clock_that_was_set_back_costs_one_interval(tmp_path: Path) -> None:
    simulation = Simulation()
    log = Log(simulation)
    simulate(simulation, log.user(simulation.lane(tmp_path), 0, 0))
    simulation.shift = -500_000
    noticed = simulation.true
    simulate(simulation, log.user(simulation.lane(tmp_path), 0, 0))
    assert log.turns[-1][0] == pytest.approx(noticed + SECONDS, abs=0.01)


@pytest.mark.parametrize("text", ["", "not a number", "nan", "inf", "1e400", "\udcff"])
def test_a_file_that_says_nothing_costs_one_interval_and_is_told(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation()
    log = Log(simulation)
    path = tmp_path / "neso" / "portal.lane"
    path.parent.mkdir()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING):
        simulate(simulation, log.user(simulation.lane(tmp_path), 0, 0))
    assert log.turns[0][0] == pytest.approx(1_000_000 + SECONDS, abs=0.01)
    assert "one interval is waited out" in caplog.text


def test_a_lane_never_used_is_free(tmp_path: Path) -> None:
    simulation = Simulation()
    log = Log(simulation)
    simulate(simulation, log.user(simulation.lane(tmp_path), 0, 0))
    assert log.turns[0][0] == pytest.approx(1_000_000, abs=0.01)


def test_the_two_lanes_do_not_wait_for_each_other(tmp_path: Path) -> None:
    simulation = Simulation()
    log = Log(simulation)
    lanes = Lanes.of(tmp_path, 10, 300, clock=simulation.clock, sleep=simulation.sleep)
    simulate(
        simulation,
        *(log.user(lanes.portal, 0, 0) for _ in range(3)),
        *(log.user(lanes.datastore, 0, 0) for _ in range(2)),
    )
    assert sorted(round(began - 1_000_000) for began, _ in log.turns) == [0, 0, 10, 20, 300]


def test_who_waits_does_not_hold_up_the_event_loop_and_may_give_up(tmp_path: Path) -> None:
    async def run() -> int:
        lane, other = Lane(tmp_path / "a.lane", 0), Lane(tmp_path / "a.lane", 0)
        ticks = 0
        async with lane.turn():
            waiting = asyncio.create_task(_use(other))
            while ticks < 5:
                await asyncio.sleep(0.001)
                ticks += 1
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(_use(other), 10)
        return ticks

    assert asyncio.run(run()) == 5


def test_a_request_that_fails_or_is_cancelled_frees_the_lane(tmp_path: Path) -> None:
    async def run() -> None:
        lane = Lane(tmp_path / "a.lane", 0)
        with pytest.raises(ZeroDivisionError):
            async with lane.turn():
                raise ZeroDivisionError
        task = asyncio.create_task(_use(lane, 60))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(_use(Lane(tmp_path / "a.lane", 0)), 10)

    asyncio.run(run())


async def _use(lane: Lane, lasting: float = 0.0) -> None:
    async with lane.turn():
        await asyncio.sleep(lasting)


HOLD = """
import asyncio, sys
from pathlib import Path
from energy_assets.sources.neso.lanes import Lane

async def hold():
    async with Lane(Path(sys.argv[1]), 0.2).turn():
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


def test_a_process_that_is_killed_leaves_the_lane_free(tmp_path: Path) -> None:
    path = tmp_path / "neso" / "portal.lane"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        blocked = asyncio.run(_blocked(Lane(path, 0.2)))
        held.kill()
    assert blocked, "two processes were in the lane at once"
    left = float(path.read_text())
    asyncio.run(asyncio.wait_for(_use(Lane(path, 0.2)), 30))
    assert time.time() - left >= 0.2, "the request of the killed process counts"


async def _blocked(lane: Lane) -> bool:
    try:
        await asyncio.wait_for(_use(lane), 0.3)
    except TimeoutError:
        return True
    return False


CLIENT = """
import asyncio, sys
from pathlib import Path
from energy_assets.settings import Settings
from energy_assets.sources.neso.client import NesoPortal

async def work(url, home):
    settings = Settings(home=home, neso_url=url, neso_request_seconds=0.1, neso_datastore_seconds=0.25)
    async with NesoPortal.from_settings(settings) as portal:
        told = await portal.sweep()
        file, table = told.named("p", "file"), told.named("p", "table")
        print("ready", flush=True)
        sys.stdin.readline()
        files = (portal.file(file, home / f"{sys.argv[3]}-{n}.csv") for n in range(3))
        tables = (portal.schema(table) for n in range(3))
        await asyncio.gather(*files, *tables)

asyncio.run(work(sys.argv[1], Path(sys.argv[2])))
"""


def test_two_processes_at_once_keep_both_lanes(world: World) -> None:
    world.sandbox.shelf.put(Entry("p", "file"), b"A\n1\n")
    world.sandbox.shelf.put(Entry("p", "table", "datastore"), b"A\n1\n")
    # Retries and redirects have turns of their own.
    world.sandbox.faults.add("status", dataset="download", status=503, count=1)
    command = [sys.executable, "-c", CLIENT, world.url, str(world.home)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen([*command, "a"], **pipes) as one, subprocess.Popen([*command, "b"], **pipes) as other:
        assert [process.stdout.readline() for process in (one, other)] == ["ready\n"] * 2
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.close()
        assert [process.wait(60) for process in (one, other)] == [0, 0]
    assert world.routes().count("storage") == 6
    assert world.routes().count("download") == 7
    assert world.routes().count("datastore_search") == 6
    assert min(world.sandbox.gaps("portal")) >= 0.1
    assert min(world.sandbox.gaps("datastore")) >= 0.25


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "neso").write_text("in the way")
    with pytest.raises(SpoolError, match="make ENERGY_ASSETS_HOME a folder"):
        asyncio.run(_use(Lanes.of(tmp_path, 0, 0).portal))


def load(**variables: str) -> Any:
    return load_settings(variables, env_file=None)


def test_the_intervals_are_those_that_the_portal_asks_for() -> None:
    lanes = Lanes.from_settings(load())
    assert (lanes.portal.seconds, lanes.datastore.seconds) == (1.0, 30.0)
    slower = Lanes.from_settings(
        load(ENERGY_ASSETS_NESO_REQUEST_SECONDS="2", ENERGY_ASSETS_NESO_DATASTORE_SECONDS="60")
    )
    assert (slower.portal.seconds, slower.datastore.seconds) == (2.0, 60.0)


@pytest.mark.parametrize(
    ("name", "value"), [("ENERGY_ASSETS_NESO_REQUEST_SECONDS", "0.5"), ("ENERGY_ASSETS_NESO_DATASTORE_SECONDS", "29")]
)
def test_shorter_intervals_are_for_stand_ins_only(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is not usable: NESO asks for (1|30) seconds or more"):
        load(**{name: value})
    with pytest.raises(SettingsError, match="only a stand-in on loopback for less"):
        load(**{name: value, "ENERGY_ASSETS_NESO_URL": "https://elsewhere.example/api/3/action"})
    load(**{name: value, "ENERGY_ASSETS_NESO_URL": "http://127.0.0.1:8000/api/3/action"})


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "3601", "soon"])
def test_no_interval_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="ENERGY_ASSETS_NESO_REQUEST_SECONDS"):
        load(ENERGY_ASSETS_NESO_REQUEST_SECONDS=value, ENERGY_ASSETS_NESO_URL="http://localhost/api/3/action")


def test_rows_of_a_stand_in_are_labelled_as_made_up() -> None:
    assert load().neso_label == "NESO"
    assert load(ENERGY_ASSETS_NESO_URL="http://127.0.0.1:8000/api/3/action").neso_label == "SANDBOX"
