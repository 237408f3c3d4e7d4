"""How often unusual data are found, and how often something is called unusual that is not, on synthetic months.

python -m benchmarks.programs.unusual --months 2 --tries 20
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

import numpy as np

from energy_assets.catalogue import dataset
from energy_assets.checks.baseline import Series, Unusual, examine
from energy_assets.checks.learned import Profiled
from energy_assets.sandbox.months import DATASETS, DRIFT_DAYS, FAULTS, Fault, Planted, month, plant

MONTHS = (date(2026, 3, 1), date(2026, 7, 1), date(2026, 11, 1), date(2026, 12, 15))
"""A month with a clock change, summer, autumn, and one with Christmas in it."""

DAYS = 30


@dataclass(frozen=True)
class Score:
    """What one kind of fault came to in one dataset."""

    dataset: str
    fault: str
    planted: int
    found: int
    named: int
    delay_days: float | None

    @property
    def rate(self) -> float:
        return self.found / self.planted if self.planted else float("nan")


@dataclass(frozen=True)
class Clean:
    """What clean months came to in one dataset."""

    dataset: str
    days: int
    flagged: int
    seconds_a_day: float


def measure(name: str, months: Sequence[date], tries: int, seed: int) -> tuple[Clean, list[Score]]:
    """Clean months and planted faults of one dataset, ``tries`` of each kind for each month and column."""
    profiled = Profiled.of(dataset(name))
    flagged: set[date] = set()
    seconds = 0.0
    hits: dict[Fault, list[tuple[bool, bool, int]]] = {fault: [] for fault in FAULTS}
    for first in months:
        for column in profiled.columns:
            series = month(profiled.dataset, column, first, DAYS, seed)
            begun = time.perf_counter()
            clean = examine(series, first)
            seconds += time.perf_counter() - begun
            flagged |= {u.day for u in clean}
            known = {(u.day, u.label, u.kind) for u in clean}
            for fault, planted, unusual in _planted(series, first, tries, seed):
                news = [u for u in unusual if u.label == planted.label and (u.day, u.label, u.kind) not in known]
                delay = min(((u.day - planted.day).days for u in news), default=0)
                hits[fault].append((bool(news), any(u.kind == fault for u in news), delay))
    scores = [_score(name, fault, found) for fault, found in hits.items() if found]
    days = DAYS * len(months)
    return Clean(name, days, len(flagged), seconds / days), scores


def _planted(series: Series, first: date, tries: int, seed: int) -> Iterator[tuple[Fault, Planted, list[Unusual]]]:
    rng = np.random.default_rng(seed)
    for fault in FAULTS:
        for _ in range(tries):
            made = plant(series, fault, first, rng)
            if made is None:
                continue
            faulty, planted = made
            last = planted.day + timedelta(days=DRIFT_DAYS if fault == "drift" else 1)
            n = sum(day <= last for day in faulty.days)
            # The other categories only take time, but for a missing one, which is missed beside them.
            alone = np.array([fault != "missing" and label != planted.label for label in faulty.labels])
            grids = [np.where(alone[:, None, None], np.nan, g[:, :n]) for g in (faulty.mean, faulty.low, faulty.high)]
            short = replace(faulty, days=faulty.days[:n], mean=grids[0], low=grids[1], high=grids[2])
            yield fault, planted, examine(short, planted.day)


def _score(name: str, fault: str, found: Sequence[tuple[bool, bool, int]]) -> Score:
    delays = [delay for hit, _, delay in found if hit]
    middle = statistics.median(delays) if delays else None
    return Score(name, fault, len(found), len(delays), sum(named for _, named, _ in found), middle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=2)
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    print("dataset        clean days flagged  s/day   " + "".join(f"{fault:>24}" for fault in FAULTS))
    for name in DATASETS:
        clean, scores = measure(name, MONTHS[: args.months], args.tries, args.seed)
        if args.json:
            print(json.dumps([asdict(clean), *map(asdict, scores)]))
            continue
        cells = {s.fault: f"{s.found}/{s.planted} ({s.named} named) {s.delay_days} d" for s in scores}
        line = "".join(f"{cells.get(fault, '-'):>24}" for fault in FAULTS)
        print(f"{name:<14} {clean.flagged:>4} of {clean.days:<10} {clean.seconds_a_day:>6.2f}   {line}", flush=True)


if __name__ == "__main__":
    main()
