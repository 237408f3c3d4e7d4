"""Troubles of every kind at random, several at once, over several rounds: the end is the same as without them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

DAYS = ("2026-09-18", "2026-09-20")
CODES = ("FUELHH", "FUELINST", "BOD", "PN", "MID", "DISEBSP", "BOALF", "WINDFOR", "FREQ", "NDF", "DISBSAD", "MELS")
ROUNDS = 3

TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 403},
    {"kind": "reset"},
    {"kind": "short"},
    {"kind": "truncate"},
    {"kind": "truncate_comma"},
    {"kind": "html"},
    {"kind": "empty"},
    {"kind": "identical"},
    {"kind": "wrong_window"},
    {"kind": "ignore_parameters"},
    {"kind": "small_limit", "minutes": 120},
    {"kind": "boundary"},
    {"kind": "duplicate_rows"},
    {"kind": "reorder_columns"},
    {"kind": "untypable", "share": 0.3},
)
"""Everything that fails a window, delays it or changes nothing about its rows. A window may come through: then it must
hold what the provider has."""


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_goes_wrong_on_the_way_the_end_is_the_same(make_world: MakeWorld, seed: int) -> None:
    world, sound = make_world(), make_world()
    chance = random.Random(seed)
    failures = 0
    for _ in range(ROUNDS):
        arm(world, chance)
        outcomes = world.refresh(",".join(CODES), *DAYS)
        failures += sum(o.status == "failed" for o in outcomes.values())
        for code in CODES:
            assert not world.stored(code) - sound.provider_rows(code, *DAYS), f"{code} holds what nobody sent"
        world.clock.forward(hours=2)
    assert failures > ROUNDS

    world.app.faults.clear()
    # An unexplained empty answer is doubted again after as long as the window was old when it came.
    world.clock.forward(days=4)
    world.refresh(",".join(CODES), *DAYS)
    sound.clock.set(world.clock())
    sound.refresh(",".join(CODES), *DAYS)
    for code in CODES:
        assert world.stored_rows(code) == sound.stored_rows(code), code
        assert sound.stored_rows(code) == sound.provider_rows(code, *DAYS), code
    assert world.repeated_keys(CODES) == {}
    assert all(r["reason"] for r in world.dicts("SELECT * FROM _receipts WHERE status IN ('failed', 'suspect')"))


def arm(world: World, chance: random.Random) -> None:
    """Arm a third of the troubles, each for a third of the requests."""
    world.app.faults.clear()
    for trouble in chance.sample(TROUBLES, len(TROUBLES) // 3):
        options = dict(trouble)
        world.app.faults.add(options.pop("kind"), probability=0.3, **options)
