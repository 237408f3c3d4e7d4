"""A disk that fills, a file that someone holds, a provider that goes away, in the middle of the work.

What the command line says of bad input is tested with the command line; here it is what is left behind: nothing that
was there is lost, the failure names its cause, and the next refresh completes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from energy_assets.errors import EnergyAssetsError
from energy_assets.sandbox.server import running
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

DAY = "2026-09-15"
WORK = ("FREQ", "BOD", "PN", "FUELINST")
DISK_BYTES = 12_000_000

HOLD = (
    "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); "
    "sys.stdin.readline(); c.close(); print('freed', flush=True)"
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if made.returncode:
        pytest.skip(f"a small file system cannot be made here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """A file that leaves so many bytes free."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        free = _free(disk) - left
        block = b"\0" * 4096
        for _ in range(max(0, free // len(block))):
            file.write(block)
    return ballast


def _free(disk: Path) -> int:
    facts = os.statvfs(disk)
    return facts.f_bavail * facts.f_frsize


@pytest.mark.parametrize("left", [0, 40_000, 200_000, 600_000, 1_500_000])
def test_a_disk_that_fills_is_named_and_loses_nothing(make_world: MakeWorld, small_disk: Path, left: int) -> None:
    world, sound = make_world(home=small_disk / "home"), make_world()
    world.refresh("MID,DISEBSP", DAY)
    held = {code: world.stored_rows(code) for code in ("MID", "DISEBSP")}
    ballast = fill(small_disk, left)

    said = _refreshed_or_refused(world)
    assert said
    for failure in said:
        assert "full" in failure, failure
        assert str(small_disk) in failure, failure

    ballast.unlink()
    outcomes = world.refresh(",".join(WORK), DAY)
    assert {o.status for o in outcomes.values()} <= {"written", "unchanged"}
    sound.refresh(",".join(WORK), DAY)
    for code in WORK:
        assert world.stored_rows(code) == sound.stored_rows(code)
    assert {code: world.stored_rows(code) for code in held} == held
    assert world.repeated_keys([*WORK, *held]) == {}
    _rows_and_receipts_agree(world)


def _refreshed_or_refused(world: World) -> list[str]:
    """Why a refresh on a full disk failed: as outcomes, or as one error where nothing could even begin."""
    try:
        outcomes = world.refresh(",".join(WORK), DAY)
    except EnergyAssetsError as error:
        return [str(error)]
    return [failure for o in outcomes.values() for failure in o.failures if "not asked for" not in failure]


def _rows_and_receipts_agree(world: World) -> None:
    """Every row was brought by a receipt that is there, and every receipt that wrote rows has them."""
    for code in WORK:
        name = f"bmrs_{code.lower()}"
        orphans = f"SELECT count(*) FROM {name} WHERE _receipt_id NOT IN (SELECT receipt_id FROM _receipts)"
        assert world.sql(orphans) == [(0,)]
        inserted = f"SELECT sum(inserted) FROM _receipts WHERE dataset = '{code}' AND status = 'written'"
        assert world.sql(inserted)[0][0] == world.count(name)


@contextmanager
def holding(file: Path) -> Iterator[int]:
    """Another process that holds the file while the context lasts; gives its id."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], text=True, **pipes) as holder:  # type: ignore[call-overload]
        try:
            assert holder.stdout.readline() == "held\n"
            yield holder.pid
        finally:
            holder.communicate("\n")


def test_a_file_held_by_another_process_is_named_with_it(world: World) -> None:
    world.lock_wait = 0.5
    world.one("MID", DAY)
    world.app.requests.clear()
    with (
        holding(world.settings.duckdb_path) as pid,
        pytest.raises(EnergyAssetsError, match=f"held by process {pid} .*for longer than 0.5 s: close it there"),
    ):
        world.refresh("FREQ,FUELINST", DAY)
    assert len(world.app.requests) == 0, "nobody is asked for what cannot be planned"
    assert {o.status for o in world.refresh("FREQ,FUELINST", DAY).values()} == {"written"}
    assert world.stored_rows("FREQ") == world.provider_rows("FREQ", DAY)


def test_a_file_taken_while_windows_are_on_their_way_fails_them_by_name(world: World) -> None:
    world.lock_wait = 0.5
    world.one("MID", DAY)
    held = world.stored_rows("MID")
    with ExitStack() as taken:
        pids: list[int] = []

        async def provider(scope: Scope, receive: Receive, send: Send) -> None:
            if not pids:
                pids.append(taken.enter_context(holding(world.settings.duckdb_path)))
            await world.app(scope, receive, send)

        good = world.url
        world.url = taken.enter_context(running(provider))
        outcomes = world.refresh("FREQ,FUELINST,BOD", DAY)
    assert {o.status for o in outcomes.values()} == {"failed"}
    for outcome in outcomes.values():
        assert f"held by process {pids[0]} " in outcome.reason
    world.url = good
    assert {o.status for o in world.refresh("FREQ,FUELINST,BOD", DAY).values()} == {"written"}
    for code in outcomes:
        assert world.stored_rows(code) == world.provider_rows(code, DAY)
    assert world.stored_rows("MID") == held


def test_a_provider_that_cannot_be_reached_fails_and_covers_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    good = world.url
    with running(world.app) as gone:
        world.url = gone
    outcomes = world.refresh("FREQ,BOD,DISEBSP", DAY)
    assert {o.status for o in outcomes.values()} == {"failed"}
    for outcome in outcomes.values():
        assert "was not reached" in outcome.reason
        assert gone in outcome.reason
        assert "ENERGY_ASSETS_ELEXON_URL" in outcome.reason
    assert {r["status"] for r in world.dicts("SELECT * FROM _receipts")} == {"failed"}
    world.url = good
    assert {o.status for o in world.refresh("FREQ,BOD,DISEBSP", DAY).values()} == {"written"}
