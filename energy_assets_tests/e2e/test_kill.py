"""kill -9 at random moments, again and again, then one clean run: as if nothing had happened.

A day of BOD (inserted once), FUELINST (revised in place) and ISPSTACK (sets that shrink): after most kills the provider
has restated the day, so that every round has rows to insert, to revise and to withdraw.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.ingest.spool import Spool
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.server import running
from energy_assets.sandbox.synthetic import Synthetic
from energy_assets_tests.e2e import victims
from energy_assets_tests.e2e.victims import CODES
from energy_assets_tests.e2e.world import Clock, World

KILLS = 25
TURNS = 13
"""Runs that each home has to bear before the clean one."""

RESTATED_FROM = 3
KILLED_EARLY = 0.15
BOD_ROWS = 6_000
SEED = 20261123
LONGEST_SECONDS = 120.0
"""A run of a few seconds that takes so long hangs, be the machine ever so busy."""

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Start = Callable[[World, int], BaseProcess]


@pytest.fixture
def provider() -> Iterator[tuple[ElexonSandbox, str]]:
    """A provider whose day of BOD is large enough to be killed in the middle of."""
    app = ElexonSandbox(Synthetic(volume=Volume(rows=(("BOD", BOD_ROWS),))))
    with running(app) as url:
        yield app, url


@pytest.fixture
def day() -> str:
    """A settlement day that has settled by the machine's own clock, which the victims go by."""
    return (calendar.settlement_day(datetime.now(UTC)) - timedelta(days=20)).isoformat()


def new_world(provider: tuple[ElexonSandbox, str], home: Path) -> World:
    """One more home for the same provider."""
    app, url = provider
    (home / "dagster").mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return World(app, url, home, Clock(datetime.now(UTC)))


def outlived(process: BaseProcess) -> int:
    """The exit code of a victim that is left alone."""
    process.join(LONGEST_SECONDS)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


@dataclass
class Pace:
    """How long the parts of an undisturbed run take at present; the machine may be busy with other tests.

    Attributes:
        before: Seconds until the first request.
        after: Seconds from then to the end.
    """

    before: float
    after: float


def first_request(world: World, process: BaseProcess) -> None:
    """Wait until a victim has begun to ask, or has ended."""
    until = time.monotonic() + LONGEST_SECONDS
    while process.is_alive() and not world.app.requests and time.monotonic() < until:
        time.sleep(0.002)


def clean(start: Start, world: World) -> Pace:
    """One run that is left alone."""
    world.app.requests.clear()
    begun = time.monotonic()
    process = start(world, TURNS)
    first_request(world, process)
    asked = time.monotonic()
    assert outlived(process) == 0, output(world)
    return Pace(asked - begun, time.monotonic() - asked)


def killed(process: BaseProcess, world: World, pace: Pace, chance: random.Random) -> float | None:
    """Kill a victim at a random moment; ``None`` when it was faster, else how far it had come, below 0 at the start.

    Most moments lie after the first request; what comes before is the same each time.
    """
    if chance.random() < KILLED_EARLY:
        moment = chance.uniform(0.0, pace.before)
        process.join(moment)
        moment -= pace.before
    else:
        first_request(world, process)
        moment = chance.uniform(0.0, pace.after)
        process.join(moment)
    alive = process.is_alive()
    process.kill()
    process.join()
    return moment if alive else None


def torment(start: Start, provider: tuple[ElexonSandbox, str], folder: Path, day: str) -> list[World]:
    """Kill runs until ``KILLS`` have died, over several homes; judge each home after one clean run."""
    chance = random.Random(SEED)
    undisturbed = new_world(provider, folder / "undisturbed")
    # The first run also waits for the server that victims are forked from.
    _, pace = clean(start, undisturbed), clean(start, undisturbed)
    source = undisturbed.source
    deaths, worlds = 0, []
    while deaths < KILLS:
        world = new_world(provider, folder / f"home{len(worlds)}")
        worlds.append(world)
        for turn in range(TURNS):
            if deaths == KILLS:
                break
            # The first runs meet an empty home, the later ones a provider that has restated the day.
            source.revision += turn >= RESTATED_FROM
            world.app.requests.clear()
            moment = killed(start(world, turn), world, pace, chance)
            deaths += moment is not None
            fate = "ended before its moment" if moment is None else f"killed at {moment:+.2f} s of {pace.after:.2f} s"
            log.info("home %d turn %d: %s, after %d requests", len(worlds), turn, fate, len(world.app.requests))
        pace = clean(start, world)
        judge(world, day)
    log.info("%d deaths in %d homes", deaths, len(worlds))
    clean(start, undisturbed)
    for code in CODES:
        assert worlds[-1].stored_rows(code) == undisturbed.stored_rows(code), code
    return worlds


def output(world: World) -> str:
    """What the victims of a home said."""
    path = world.home / "output"
    return path.read_text()[-4000:] if path.exists() else ""


def judge(world: World, day: str) -> None:
    """Everything that must hold after one clean run."""
    for code in CODES:
        assert world.stored_rows(code) == world.provider_rows(code, day), code
    assert world.repeated_keys(CODES) == {}
    rows_and_receipts_agree(world)
    nothing_is_left_behind(world)


def rows_and_receipts_agree(world: World) -> None:
    """No row without the receipt that brought it, and no receipt without the rows that it claims."""
    for code in CODES:
        table = dataset(code).table.name
        brought = (
            f"SELECT _receipt_id FROM {table} UNION ALL SELECT _receipt_id FROM {table}_history WHERE _change <> 'late'"
        )
        differing = world.sql(
            f"SELECT R.receipt_id, R.status, R.inserted, R.updated, coalesce(B.rows, 0) "
            f"FROM (SELECT * FROM _receipts WHERE dataset = '{code}') R "
            f"FULL JOIN (SELECT _receipt_id, count(*) AS rows FROM ({brought}) GROUP BY ALL) B "
            f"ON R.receipt_id = B._receipt_id "
            f"WHERE R.receipt_id IS NULL OR R.inserted + R.updated IS DISTINCT FROM coalesce(B.rows, 0)"
        )
        assert differing == []
        withdrawn = f"SELECT _superseded_by FROM {table}_history"
        assert world.sql(f"{withdrawn} EXCEPT SELECT receipt_id FROM _receipts") == []
        counted = f"SELECT count(*) FROM {table}_history WHERE _change = 'withdrawn'"
        claimed = f"SELECT coalesce(sum(withdrawn), 0) FROM _receipts WHERE dataset = '{code}'"
        assert world.sql(counted) == world.sql(claimed)
    assert world.sql("SELECT count(*) FROM (SELECT receipt_id FROM _receipts GROUP BY ALL HAVING count(*) > 1)") == [
        (0,)
    ]


def nothing_is_left_behind(world: World) -> None:
    """No lock held, no write-ahead log, no download of a dead process, no body that no receipt names.

    A process that died before it had made its folder leaves an empty lock file, which nobody holds and which goes an
    hour later, when no living process can be just about to make its own.
    """
    database = world.settings.duckdb_path
    with FileLock(f"{database}.lock", timeout=0):
        assert not database.with_name(f"{database.name}.wal").exists()
    spool = world.home / "spool"
    left = list((spool / "incoming").iterdir())
    assert [path.name for path in left if path.suffix != ".lock"] == []
    for path in left:
        with FileLock(path, timeout=0):
            os.utime(path, (0, 0))
    Spool(spool, keep_days=3).sweep(datetime.now(UTC))
    assert list((spool / "incoming").iterdir()) == []
    receipts = {r for (r,) in world.sql("SELECT receipt_id FROM _receipts")}
    bodies = [p for p in spool.glob("*/*/*") if p.is_file()]
    assert bodies
    assert {p.name.split(".")[0] for p in bodies} <= receipts


def test_a_refresh_killed_at_any_moment_is_made_good_by_one_clean_run(
    provider: tuple[ElexonSandbox, str], day: str, tmp_path: Path
) -> None:
    context = victims.context()

    def start(world: World, turn: int) -> BaseProcess:
        variables, said = victims.environment(world.home, world.url), str(world.home / "output")
        # While the provider stands still the receipts are believed; what it restates has to be asked for again.
        process = context.Process(target=victims.plain, args=(variables, said, day, turn >= RESTATED_FROM))
        process.start()
        return process

    torment(start, provider, tmp_path, day)


def test_receipts_alone_bring_a_killed_refresh_to_its_end(
    provider: tuple[ElexonSandbox, str], day: str, tmp_path: Path
) -> None:
    """Killed again and again, and never told to ask anew: what receipts cover is there and is not asked for twice."""
    context, chance = victims.context(), random.Random(SEED)
    world = new_world(provider, tmp_path / "home")
    arguments = (victims.environment(world.home, world.url), str(world.home / "output"), day, False)

    def start() -> BaseProcess:
        world.app.requests.clear()
        process = context.Process(target=victims.plain, args=arguments)
        process.start()
        return process

    for turn in range(6):
        process = start()
        first_request(world, process)
        process.join(chance.uniform(0.05, 0.6))
        log.info("turn %d: %s, %d requests", turn, process.is_alive() and "killed", len(world.app.requests))
        process.kill()
        process.join()
    assert outlived(start()) == 0, output(world)
    for code in CODES:
        assert world.stored_rows(code) == world.provider_rows(code, day)
    rows_and_receipts_agree(world)
    nothing_is_left_behind(world)
    assert outlived(start()) == 0, output(world)
    assert len(world.app.requests) == 0


def test_refreshes_at_once_store_every_row_once(provider: tuple[ElexonSandbox, str], day: str, tmp_path: Path) -> None:
    """Two writers of one table: the file's own lock keeps them apart, whoever started them."""
    context = victims.context()
    world = new_world(provider, tmp_path / "home")
    arguments = (victims.environment(world.home, world.url), str(world.home / "output"), day, True)
    crowd = [context.Process(target=victims.plain, args=arguments) for _ in range(3)]
    for process in crowd:
        process.start()
    assert [outlived(process) for process in crowd] == [0, 0, 0], output(world)
    for code in CODES:
        assert world.stored_rows(code) == world.provider_rows(code, day)
        assert world.history(code) == []
    assert world.repeated_keys(CODES) == {}
    rows_and_receipts_agree(world)
    nothing_is_left_behind(world)


def test_a_dagster_run_killed_at_any_moment_is_made_good_by_one_clean_run(
    provider: tuple[ElexonSandbox, str], day: str, tmp_path: Path
) -> None:
    context = victims.context()

    def start(world: World, turn: int) -> BaseProcess:
        variables, said = victims.environment(world.home, world.url), str(world.home / "output")
        process = context.Process(target=victims.dagster, args=(variables, said, day))
        process.start()
        return process

    for world in torment(start, provider, tmp_path, day):
        dagster_goes_on(world, day)


def dagster_goes_on(world: World, day: str) -> None:
    """No concurrency slot is taken, the clean run is the newest and succeeded, and the day counts as materialized."""
    with dg.DagsterInstance.from_config(str(world.home / "dagster")) as instance:
        storage = instance.event_log_storage
        taken = {key: storage.get_concurrency_info(key).active_slot_count for key in storage.get_concurrency_keys()}
        assert not any(taken.values())
        (newest,) = instance.get_runs(limit=1)
        assert newest.status is dg.DagsterRunStatus.SUCCESS
        for code in CODES:
            assert day in instance.get_materialized_partitions(dg.AssetKey(["bmrs", code.lower()]))
