"""How often an honest publication is called late, and how soon one that does not come, with known distributions.

python -m benchmarks.programs.lateness
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.checks.lateness import (
    HALF_HOUR,
    TICK,
    Ask,
    Learned,
    late,
    learn,
    observed,
    tolerance,
)
from energy_assets.checks.learned import OFTEN_DAYS, awaited

Draw = Callable[[np.random.Generator, datetime], float]
Span = tuple[datetime, datetime]

START = datetime(2026, 5, 31, 23, tzinfo=UTC)
TEST_DAYS = 28
BACK = timedelta(days=4)
KEPT_ASKS = 400
"""Asks that a look knows: those of four days."""

INDO = dataset("INDO")

DRAWS: Mapping[str, Draw] = {
    "normal, 15 ± 3 min": lambda rng, _: max(0.0, rng.normal(15, 3)),
    "exponential, 15 min": lambda rng, _: rng.exponential(15),
    "log-normal, 10 min, sigma 0.8": lambda rng, _: 10 * rng.lognormal(0, 0.8),
    "nights an hour later": lambda rng, place: (
        (60 if place.astimezone(calendar.LONDON).hour < 6 else 10) + rng.exponential(5)
    ),
}


@dataclass(frozen=True)
class World:
    """Publications of half hours: when each was there for us, and when we asked."""

    arrivals: Mapping[datetime, datetime]
    asks: Sequence[Ask]


def simulate(draw: Draw, days: int, seed: int, down: Sequence[Span] = (), outage: Sequence[Span] = ()) -> World:
    """A provider that publishes with random delays, asked every quarter of an hour.

    Args:
        draw: Minutes from a period's end to its publication.
        days: Days from ``START``.
        seed: Of the random numbers.
        down: Spans in which we did not ask.
        outage: Spans in which the provider published nothing; what was due came at their end.
    """
    rng = np.random.default_rng(seed)
    places = [START + n * HALF_HOUR for n in range(days * 48)]
    moments = [START + n * TICK for n in range(1, days * 96 + 1)]
    moments = [m for m in moments if not any(a <= m < b for a, b in down)]
    ticks = np.array([m.timestamp() for m in moments])
    arrivals = {}
    for place in places:
        came = place + HALF_HOUR + timedelta(minutes=draw(rng, place))
        came = next((b for a, b in outage if a <= came < b), came)
        n = int(np.searchsorted(ticks, came.timestamp()))
        if n < len(moments):
            arrivals[place] = moments[n] + timedelta(seconds=20)
    asks = [Ask(m, *_days_asked(m)) for m in moments]
    return World(arrivals, asks)


def _days_asked(moment: datetime) -> Span:
    today = calendar.settlement_day(moment)
    return calendar.day_bounds_utc(today - timedelta(days=2))[0], calendar.day_bounds_utc(today)[1]


def taught(world: World, until: datetime) -> Learned | None:
    """What is learned of everything that arrived before ``until``."""
    seen = {place: came for place, came in world.arrivals.items() if came < until}
    return learn(observed(INDO, awaited(INDO), seen, world.asks), tolerance(INDO))


def called_late(world: World, learned: Learned | None, begin: datetime, end: datetime) -> dict[datetime, datetime]:
    """Publications that were called late at some look, and when first; looked at with every ask."""
    rule, found = awaited(INDO), {}
    asks = [ask for ask in world.asks if begin - BACK <= ask.at < end]
    arrivals = {p: c for p, c in world.arrivals.items() if begin - BACK <= p < end}
    for n, ask in enumerate(asks):
        now = ask.at + timedelta(minutes=1)
        if begin <= now < end:
            there = {p: c for p, c in arrivals.items() if c <= now}
            for item in late(INDO, rule, learned, there, asks[max(0, n - KEPT_ASKS) : n + 1], now):
                found.setdefault(item.place, now)
    return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    cut = START + timedelta(days=OFTEN_DAYS)
    end = cut + timedelta(days=TEST_DAYS)
    outage = (cut + timedelta(days=3), cut + timedelta(days=3, hours=6))
    for name, draw in DRAWS.items():
        world = simulate(draw, OFTEN_DAYS + TEST_DAYS, 1)
        learned = taught(world, cut)
        false = called_late(world, learned, cut, end)
        silent = called_late(simulate(draw, OFTEN_DAYS + TEST_DAYS, 1, outage=[outage]), learned, outage[0], outage[1])
        delay = (min(silent.values()) - outage[0]) if silent else None
        looked = TEST_DAYS * 48
        print(
            f"{name:<32} late at noon after {learned.delay(24)}, false {len(false)} of {looked}, outage told after {delay}"
        )


if __name__ == "__main__":
    main()
