"""Rate and burst, slowing down and recovering, counted in requests and never timed."""

from __future__ import annotations

import asyncio

import pytest

from energy_assets.sources.pace import RECOVER_AFTER, SLOWEST, Pace


async def immediate(pace: Pace, most: int = 50) -> int:
    """How many turns come without waiting for the clock."""
    for number in range(most):
        turn = asyncio.ensure_future(pace.turn())
        for _ in range(5):
            await asyncio.sleep(0)
        if not turn.done():
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            return number
    return most


@pytest.mark.parametrize("burst", [1, 2, 17])
def test_burst_leaves_at_once_and_not_one_more(burst: int) -> None:
    async def run() -> int:
        return await immediate(Pace(0.0001, burst))

    assert asyncio.run(run()) == burst


def test_a_refusal_halves_the_rate_and_takes_the_burst_away() -> None:
    async def run() -> tuple[int, int]:
        pace = Pace(0.0001, 10)
        pace.refused(await pace.turn())
        return pace.slowdown, await immediate(pace)

    assert asyncio.run(run()) == (2, 1)


def test_requests_that_left_before_the_change_do_not_count_again() -> None:
    async def run() -> int:
        pace = Pace(1e6, 10)
        tokens = [await pace.turn() for _ in range(8)]
        for token in tokens:
            pace.refused(token)
        return pace.slowdown

    assert asyncio.run(run()) == 2


def test_slows_down_no_further_than_the_slowest() -> None:
    async def run() -> int:
        pace = Pace(1e9, 1)
        for _ in range(20):
            pace.refused(await pace.turn())
        return pace.slowdown

    assert asyncio.run(run()) == SLOWEST


def test_recovers_step_by_step_and_a_refusal_starts_the_count_again() -> None:
    async def run() -> list[int]:
        pace = Pace(1e9, 1)
        pace.refused(await pace.turn())
        pace.refused(await pace.turn())
        seen = [pace.slowdown]
        for answers in (RECOVER_AFTER - 1, 1, RECOVER_AFTER - 1):
            for _ in range(answers):
                pace.answered(await pace.turn())
            seen.append(pace.slowdown)
        pace.refused(await pace.turn())
        seen.append(pace.slowdown)
        for _ in range(2 * RECOVER_AFTER):
            pace.answered(await pace.turn())
        seen.append(pace.slowdown)
        return seen

    assert asyncio.run(run()) == [4, 4, 2, 2, 4, 1]


def test_answers_to_earlier_requests_prove_nothing_about_the_new_pace() -> None:
    async def run() -> int:
        pace = Pace(1e9, 1)
        early = await pace.turn()
        pace.refused(early)
        for _ in range(3 * RECOVER_AFTER):
            pace.answered(early)
        return pace.slowdown

    assert asyncio.run(run()) == 2


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_pace_that_never_moves_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive rate"):
        Pace(rate, burst)
