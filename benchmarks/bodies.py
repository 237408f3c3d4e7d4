"""The answers that the benchmarks' server gives: generated Elexon bodies of any size, the same at every run.

Only bytes are made here. Values are plausible and hardly repeat, so that parsing, hashing and storing cost what they
cost with real ones; a BOD row has 263 bytes, as the peers were measured with.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from energy_assets.calendar import period_start_utc, periods_in_day
from energy_assets.sandbox.words import FUELS

PAIRS = (-2, -1, 1, 2)
"""Bid-offer pairs of every unit: four rows a unit and settlement period."""

FIVE_MINUTES = timedelta(minutes=5)
HALF_HOUR = timedelta(minutes=30)


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def bod_period(day: date, period: int, units: int) -> bytes:
    """One settlement period's rows, joined by commas, without the array's brackets."""
    dice = random.Random(f"{day}/{period}")
    start = period_start_utc(day, period)
    head = (
        f'{{"dataset":"BOD","settlementDate":"{day}","settlementPeriod":{period},"timeFrom":"{_instant(start)}",'
        f'"levelFrom":'
    )
    end = f',"timeTo":"{_instant(start + HALF_HOUR)}","levelTo":'
    rows = []
    for unit in range(units):
        name = f"{unit:05d}"
        level, price = dice.randrange(0, 400), dice.random() * 150
        tail = f',"nationalGridBmUnit":"SYNTH-{name}","bmUnit":"T_SYNTH-{name}"}}'
        for pair in PAIRS:
            mw = level if pair > 0 else -level
            offer, bid = price + 37.5 * pair, price - 12.25 * pair
            rows.append(f'{head}{mw}{end}{mw},"pairId":{pair},"offer":{offer:.2f},"bid":{bid:.2f}{tail}')
    return ",".join(rows).encode()


def bod_day(day: date, units: int) -> list[bytes]:
    """A day's settlement periods in order."""
    return [bod_period(day, period, units) for period in range(1, periods_in_day(day) + 1)]


def fuelinst_day(day: date) -> bytes:
    """A settlement day of five-minute generation by fuel, joined by commas, newest first as the provider sends it."""
    dice = random.Random(str(day))
    rows = []
    for start, period in reversed(list(_five_minutes(day))):
        head = (
            f'{{"dataset":"FUELINST","publishTime":"{_instant(start + FIVE_MINUTES)}","startTime":"{_instant(start)}",'
            f'"settlementDate":"{day}","settlementPeriod":{period},"fuelType":"'
        )
        rows.extend(f'{head}{fuel}","generation":{dice.randrange(-1000, 20000)}}}' for fuel in FUELS)
    return ",".join(rows).encode()


def _five_minutes(day: date) -> Iterator[tuple[datetime, int]]:
    for period in range(1, periods_in_day(day) + 1):
        first = period_start_utc(day, period)
        for step in range(6):
            yield first + step * FIVE_MINUTES, period
