"""One dataset's trouble is its own: all others land in the same run, and what failed is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import duckdb
import pytest

from energy_assets.catalogue import dataset
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

DAY = "2026-09-15"
SEVEN = "FUELHH,MID,DISEBSP,BOD,WINDFOR,DISBSAD,INDO"


@contextmanager
def by_hand(world: World) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse file as a person opens it who means no harm, or does."""
    settings = world.settings
    settings.duckdb_path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(settings.duckdb_path)) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {settings.schema_name}")
        connection.execute(f"USE {settings.schema_name}")
        yield connection


def test_one_that_fails_for_ever_and_one_that_cannot_be_written_leave_all_others_landed(
    make_world: MakeWorld,
) -> None:
    world, sound = make_world(), make_world()
    world.app.faults.add("status", dataset="FUELHH", status=500)
    with by_hand(world) as foreign:
        foreign.execute("CREATE TABLE bmrs_mid (price INTEGER)")
        foreign.execute("INSERT INTO bmrs_mid VALUES (42)")

    outcomes = world.refresh("all", DAY)
    undisturbed = sound.refresh("all", DAY)
    failed = {code: o.reason for code, o in outcomes.items() if o.status == "failed"}
    assert sorted(failed) == ["FUELHH", "MID"]
    assert "answered 500" in failed["FUELHH"]
    assert "bmrs_mid was not made by energy_assets" in failed["MID"]
    assert {c: (o.status, o.counts) for c, o in outcomes.items() if c not in failed} == {
        c: (o.status, o.counts) for c, o in undisturbed.items() if c not in failed
    }
    held, wanted = world.counts(), sound.counts()
    assert {n: c for n, c in held.items() if n.startswith("bmrs_") and n != "bmrs_mid"} == {
        n: c for n, c in wanted.items() if n.startswith("bmrs_") and "_mid" not in n and "_fuelhh" not in n
    }
    assert world.sql("SELECT * FROM bmrs_mid") == [(42,)], "a foreign table is left as it was"
    assert {r["status"] for code in failed for r in world.receipts(code)} == {"failed"}

    # What was named is made good, and only that is asked for.
    world.app.faults.clear()
    with by_hand(world) as foreign:
        foreign.execute("DROP TABLE bmrs_mid")
    world.app.requests.clear()
    assert {o.status for o in world.refresh("FUELHH,MID", DAY).values()} == {"written"}
    for code in failed:
        assert world.stored_rows(code) == sound.stored_rows(code)


def test_a_window_that_fails_leaves_the_datasets_other_windows_landed(world: World) -> None:
    world.patience = replace(world.patience, attempts=1)
    world.app.faults.add("status", dataset="BOD", status=500, skip=5, count=1)
    outcome = world.one("BOD", DAY)
    assert (outcome.status, len(outcome.failures)) == ("failed", 1)
    assert outcome.counts.inserted == world.count("bmrs_bod") > 0
    statuses = [r["status"] for r in world.receipts("BOD")]
    assert (statuses.count("failed"), statuses.count("written")) == (1, 11)
    world.app.faults.clear()
    again = world.one("BOD", DAY)
    assert (again.status, again.requests) == ("written", 1)
    assert world.stored_rows("BOD") == world.provider_rows("BOD", DAY)


def test_after_three_failed_windows_the_rest_is_left_alone_and_counted(world: World) -> None:
    """A provider that is down is not asked for every window of a long range, each with all its attempts."""
    world.app.faults.add("status", dataset="BOD", status=500)
    outcome = world.one("BOD", DAY)
    assert outcome.status == "failed"
    assert outcome.failures[-1].endswith("further windows were not asked for after these failures")
    assert outcome.windows < 12


@pytest.mark.parametrize("damage", ["dropped", "emptied", "cut", "a day gone"])
def test_rows_lost_by_hand_are_refilled_by_the_next_refresh(make_world: MakeWorld, damage: str) -> None:
    world = make_world()
    days = ("2026-09-14", "2026-09-15")
    world.refresh(SEVEN, *days)
    codes = SEVEN.split(",")
    before = {code: world.stored_rows(code) for code in codes}
    with by_hand(world) as hand:
        for code in codes:
            name = dataset(code).table.name
            hand.execute(
                {
                    "dropped": f"DROP TABLE {name} CASCADE",
                    "emptied": f"TRUNCATE {name}",
                    "cut": f"DELETE FROM {name} WHERE rowid % 3 = 0",
                    "a day gone": f"DELETE FROM {name} WHERE _partition_day = '2026-09-14'",
                }[damage]
            )
    world.app.requests.clear()
    world.clock.forward(minutes=1)
    outcomes = world.refresh(SEVEN, *days)
    assert {o.status for o in outcomes.values()} == {"written"}
    assert {code: world.stored_rows(code) for code in codes} == before
    assert world.repeated_keys(codes) == {}
    if damage == "a day gone":
        assert {p["from"][:10] for p in world.asked("BOD")} == {"2026-09-14"}, "only what went is asked for"
    world.app.requests.clear()
    world.refresh(SEVEN, *days)
    assert len(world.app.requests) == 0
