"""Checks of one dataset against another that says the same thing: which, how far apart they may be, what that means.

The table of tolerances is ``COMPARED`` (with ``docs/checks.md``, which says how often each was wrong on recorded days);
the SQL is in ``energy_assets.warehouse.pairs``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from energy_assets import catalogue
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.expected import settled
from energy_assets.checks.held import Held, ask_again, failed, passed
from energy_assets.checks.model import CheckSpec, Finding
from energy_assets.checks.specs import (
    AGREES_WITH_API,
    AGREES_WITH_FUELINST,
    AGREES_WITH_INDO,
    AGREES_WITH_NESO,
    cross_specs,
)
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.pairs import Comparison, PairFacts, Tolerance, by_count, by_mean, by_period, read_pairs

FIVE_MINUTES_IN_HALF_HOUR = 6

PUSHED_LATE = timedelta(days=1)
"""Time after the end of a settled day at which what was pushed of it has been loaded: a message waits three days at
most, and nearly all are loaded within a minute."""

TOLERANCES: Mapping[CheckSpec, Tolerance] = {
    AGREES_WITH_FUELINST: Tolerance(
        -100.0,
        100.0,
        0.05,
        0.02,
        "Both are sums of the same operational metering; a mean of six spot values misses a ramp within five minutes.",
    ),
    AGREES_WITH_INDO: Tolerance(
        0.0,
        12_000.0,
        0.0,
        0.02,
        "ITSDO is INDO with station load, pumping and exports: never less, and all pumps and interconnectors together "
        "take less than 12,000 MW.",
    ),
    AGREES_WITH_NESO: Tolerance(
        -500.0,
        500.0,
        0.02,
        0.02,
        "Both are the initial outturn of national demand; later readings of meters move it by some hundred MW.",
    ),
    AGREES_WITH_API: Tolerance(
        -2.0, 2.0, 0.01, 0.0, "The same publications by two ways; the last ones of a day may be counted a moment apart."
    ),
}
"""How far apart what is compared may be, and why that far."""


def cross_findings(
    helds: Sequence[Held], warehouse: Warehouse, from_day: date, to_day: date, now: datetime
) -> list[Finding]:
    """What the comparisons of these datasets with others find, for settled days only.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    wanted = [(held, spec) for held in helds if held.asked for spec in cross_specs(held.dataset)]
    if not wanted:
        return []
    compared = [comparison(held.dataset, spec) for held, spec in wanted]
    found = read_pairs(warehouse, compared, from_day, to_day)
    return [
        judge(spec, held, {day: f for day, f in facts.items() if _comparable(held.dataset, day, now)})
        for (held, spec), facts in zip(wanted, found, strict=True)
    ]


def comparison(dataset: Dataset, spec: CheckSpec) -> Comparison:
    """How the rows of a dataset are set beside another's."""
    own, limits = dataset.table, TOLERANCES[spec]
    period = ("settlementDate", "settlementPeriod")
    if spec == AGREES_WITH_API:
        assert own.unites is not None  # noqa: S101 - the check is for streams with a view of both
        return Comparison((own.name, own.unites.other.name), by_count(own.unites.other, own), limits)
    if spec == AGREES_WITH_FUELINST:
        other = catalogue.dataset("bmrs/fuelinst").table
        keys = (*period, "fuelType")
        made = by_mean(own, "generation", other, "generation", keys, FIVE_MINUTES_IN_HALF_HOUR)
    elif spec == AGREES_WITH_INDO:
        other = catalogue.dataset("bmrs/indo").table
        # The difference is told from INDO: what is compared is the second minus the first.
        made = by_period(other, "demand", own, "demand", {name: name for name in period})
    else:
        other = catalogue.dataset("neso/daily_demand_update").table
        keyed = {"settlementDate": "settlement_date", "settlementPeriod": "settlement_period"}
        made = by_period(own, "demand", other, "nd", keyed, "B.forecast_actual_indicator = 'A' AND B.nd > 0")
    return Comparison((own.name, other.name), made, limits)


def judge(spec: CheckSpec, held: Held, facts: Mapping[date, PairFacts]) -> Finding:
    """What the pairs of each day say."""
    limits = TOLERANCES[spec]
    wrong = {day: f for day, f in facts.items() if f.breaches > limits.breaches * f.pairs}
    pairs = sum(f.pairs for f in facts.values())
    numbers = {"pairs": pairs, "breaches": sum(f.breaches for f in facts.values())}
    if not wrong:
        said = f"{pairs} pairs compared" if pairs else "nothing to compare yet"
        return passed(spec, held, said, numbers)
    day, first = min(wrong.items())
    text = f"{first.breaches} of {first.pairs} values of {day} do not agree, the first {first.first}"
    remedy = (
        f"one of the two is wrong or incomplete: ask again with {ask_again(held.dataset, min(wrong), max(wrong))} and "
        "do the same for the other"
    )
    return failed(spec, held, wrong, text, remedy, numbers | {"worst": max(f.worst for f in wrong.values())})


def _comparable(dataset: Dataset, day: date, now: datetime) -> bool:
    base = dataset
    if dataset.provider == "iris" and dataset.table.unites is not None:
        base, now = catalogue.dataset(f"bmrs/{dataset.table.unites.other.dataset}"), now - PUSHED_LATE
    return settled(base, day, now)
