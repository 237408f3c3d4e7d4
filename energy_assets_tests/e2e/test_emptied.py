"""An empty answer about rows that are held: suspect, whatever the catalogue says of silence, and nothing is lost."""

from __future__ import annotations

from energy_assets_tests.e2e.world import World

DAY = "2026-09-15"
TODAY = "2026-09-21"


def test_silence_about_rows_that_are_held_is_suspect_and_loses_nothing(world: World) -> None:
    assert world.one("MDO", DAY).status == "written"
    held = world.stored_rows("MDO")
    fault = world.app.faults.add("empty", dataset="MDO")

    outcome = world.one("MDO", DAY, refetch=True)

    assert outcome.status == "suspect"
    assert world.stored_rows("MDO") == held
    last = world.receipts("MDO")[-1]
    assert last["status"] == "suspect"
    assert f"the answer is empty although {sum(held.values())} rows of the window are held" in last["reason"]

    world.app.faults.remove(fault)
    assert world.one("MDO", DAY, refetch=True).status == "unchanged"


def test_silence_where_nothing_is_held_stays_silence(world: World) -> None:
    world.app.faults.add("empty", dataset="MDO")

    for _ in range(2):
        assert world.one("MDO", DAY, refetch=True).status == "silent"


def test_an_emptied_window_that_is_not_settled_is_suspect(world: World) -> None:
    assert world.one("FUELHH", TODAY).status == "written"
    held = world.stored_rows("FUELHH")
    world.app.faults.add("empty", dataset="FUELHH")
    world.clock.forward(minutes=20)

    world.one("FUELHH", TODAY)

    last = world.receipts("FUELHH")[-1]
    assert (last["status"], "rows of the window are held" in last["reason"]) == ("suspect", True)
    assert world.stored_rows("FUELHH") == held


def test_a_register_of_an_earlier_day_says_nothing_about_today(world: World) -> None:
    assert world.one("BMUNITS", TODAY).status == "written"
    world.app.faults.add("empty", dataset="BMUNITS")
    world.clock.forward(hours=12)

    world.one("BMUNITS", TODAY)

    assert "are held" not in world.receipts("BMUNITS")[-1]["reason"]
