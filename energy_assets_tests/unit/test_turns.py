"""Turns: never more at once than allowed, never more bytes, large work alone, and in the order of asking."""

from __future__ import annotations

import asyncio

import pytest

from energy_assets.ingest.turns import Turns


def observed(sizes: list[int], most: int, most_bytes: int) -> tuple[list[int], list[tuple[int, ...]]]:
    """The order in which work began, and what was being worked on whenever something began."""
    began: list[int] = []
    together: list[tuple[int, ...]] = []
    now: set[int] = set()

    async def work(turns: Turns, number: int) -> None:
        async with turns.turn(sizes[number]):
            began.append(number)
            now.add(number)
            together.append(tuple(sorted(now)))
            for _ in range(3):
                await asyncio.sleep(0)
            now.discard(number)

    async def everything() -> None:
        turns = Turns(most, most_bytes)
        await asyncio.wait_for(asyncio.gather(*(work(turns, n) for n in range(len(sizes)))), 10)

    asyncio.run(everything())
    return began, together


def test_turns_are_bounded_by_number_and_bytes() -> None:
    began, together = observed([1, 1, 1, 9, 1, 1], most=2, most_bytes=4)
    assert began == list(range(6))
    assert max(map(len, together)) == 2
    assert (3,) in together
    assert not any(3 in some and len(some) > 1 for some in together)


def test_small_work_does_not_pass_large_work() -> None:
    began, _ = observed([3, 3, 1, 1], most=2, most_bytes=4)
    assert began == [0, 1, 2, 3]


def test_a_failure_gives_its_turn_back() -> None:
    async def failing(turns: Turns) -> None:
        async with turns.turn(5):
            raise ValueError

    async def everything() -> None:
        turns = Turns(1, 1)
        for _ in range(3):
            with pytest.raises(ValueError):
                await asyncio.wait_for(failing(turns), 10)

    asyncio.run(everything())
