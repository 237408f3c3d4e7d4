"""Generation as it came out: by fuel, as metered, and outside the Balancing Mechanism."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    DAY,
    UNSURE_BEGIN,
    by_day,
    by_instant,
    by_period,
    day_query,
    entry,
    instant_query,
    order,
    period_query,
    settlement_day,
)
from energy_assets.catalogue.fields import MWH, fields, meaning
from energy_assets.catalogue.model import SETTLEMENT_RUNS, Lag, OrderBy, Query, StorageAxis, Timing

GROUP = "generation"

_REPUBLISHED = (Lag(minutes=2 * DAY), Lag(minutes=7 * DAY))
"""Outturn has been corrected without notice; two later readings see what comes within a week."""


def _by_settlement_day(code: str, limit: str) -> Query:
    """Settlement days and not publish times, so that a republished period meets the row that it corrects."""
    return day_query(f"/datasets/{code}/stream", "settlementDateFrom", "settlementDateTo", most=7, limit=limit)


FUELINST = entry(
    "FUELINST",
    "Generation by fuel, five-minute",
    "Mean generation by fuel and flow by interconnector over every five minutes.",
    group=GROUP,
    fields=fields(
        "dataset publishTime startTime settlementDate settlementPeriod fuelType generation",
        meaning("generation", "Mean over five minutes; for INT* positive is import, for PS negative is pumping."),
    ),
    key="startTime fuelType",
    latest=order("publishTime"),
    published="publishTime",
    storage=StorageAxis(
        "instant", "startTime", "Six rows of a fuel share a settlement period, so startTime is the key."
    ),
    query=_by_settlement_day("FUELINST", "7 days inclusive, taken over from FUELHH"),
    check=by_day(),
    revision="revised_in_place",
    timing=Timing("every 5 minutes", "stated", rereads=_REPUBLISHED, publications_per_day=288),
    profiles=("core", "battery", "trading"),
    rows_per_day=5760,
    iris="FUELINST",
    proof="recorded",
    notes=("Publish window and settlement days exclude each other in one request.",),
    unsure=("That settlement days are limited to 7, as they are for FUELHH.", UNSURE_BEGIN),
)

FUELHH = entry(
    "FUELHH",
    "Generation by fuel, half-hourly",
    "Mean generation by fuel and flow by interconnector over every settlement period.",
    group=GROUP,
    fields=fields(
        "dataset publishTime startTime settlementDate settlementPeriod fuelType generation",
        meaning("generation", "Mean over the half hour; for INT* positive is import, for PS negative is pumping."),
    ),
    key="settlementDate settlementPeriod fuelType",
    latest=order("publishTime"),
    published="publishTime",
    storage=settlement_day(),
    query=_by_settlement_day("FUELHH", "7 days inclusive, met"),
    check=by_day(),
    revision="revised_in_place",
    timing=Timing("every 30 minutes", "stated", rereads=_REPUBLISHED, publications_per_day=48),
    profiles=("core", "battery", "trading"),
    rows_per_day=960,
    iris="FUELHH",
    proof="recorded",
    notes=("A new interconnector adds a code without notice.", "A republished period revises its row in place."),
    unsure=(UNSURE_BEGIN,),
)

B1610 = entry(
    "B1610",
    "Metered volume by unit",
    "Metered energy of every BM unit and settlement period, from every settlement run.",
    group=GROUP,
    fields=fields(
        "dataset psrType bmUnit nationalGridBmUnitId settlementDate settlementPeriod halfHourEndTime quantity "
        "settlementRunType",
        meaning(
            "quantity", "Metered energy of the settlement period; positive is export, negative consumption.", unit=MWH
        ),
    ),
    key="settlementDate settlementPeriod bmUnit",
    versions="settlementRunType",
    latest=(OrderBy("settlementRunType", SETTLEMENT_RUNS),),
    fallback=(("bmUnit", "nationalGridBmUnitId"),),
    storage=settlement_day(),
    query=period_query("/datasets/B1610/stream", atom=10, most=10, limit="none for the stream, stated"),
    check=by_period(),
    revision="revised_in_place",
    # Nothing is there before the II run, about five working days after the day; every later run overwrites.
    timing=Timing(
        "once for a settlement day with the II run, then with every later run",
        "stated",
        available=Lag(run="II"),
        settled=Lag(run="II", working_days=2),
        poll_minutes=120,
        rereads=tuple(Lag(run=run) for run in SETTLEMENT_RUNS[1:-1]),
    ),
    heavy=True,
    profiles=("battery", "settlement"),
    proof="recorded",
    notes=(
        "halfHourEndTime comes without a zone, is UTC, and is the end of the period.",
        "Runs are kept beside each other where settlementRunType is given; without it a later run revises the row.",
        "Not on IRIS.",
    ),
    unsure=(
        "settlementRunType is in recordings of 2026 and not in earlier ones, nor in the specification.",
        UNSURE_BEGIN,
    ),
    legacy="B1610",
)

NONBM = entry(
    "NONBM",
    "Reserve outside the Balancing Mechanism",
    "Mean generation of short-term operating reserve that is not a BM unit.",
    group=GROUP,
    fields=fields("dataset publishTime startTime settlementDate settlementPeriod generation"),
    key="settlementDate settlementPeriod",
    latest=order("publishTime"),
    published="publishTime",
    storage=settlement_day("A fact belongs to its day; from and to select by publishTime, minutes after the period."),
    # A period is published a few minutes after its end: the day's last ones in the first hours of the next day.
    query=instant_query(
        "/datasets/NONBM/stream", "from", "to", atom=360, most=DAY, limit="1 day, claimed by others", reach=(0, 360)
    ),
    check=by_instant("publishTime"),
    revision="revised_in_place",
    timing=Timing("every settlement period while in use", "learned", rereads=_REPUBLISHED),
    empty="silent",
    may_repeat=True,
    iris="NONBM",
    proof="recorded",
    notes=(
        "from and to select by publishTime; publishDateTimeFrom and To are ignored here without an error.",
        "Hardly used in 2026.",
    ),
    unsure=(UNSURE_BEGIN,),
)

ENTRIES = (FUELINST, FUELHH, B1610, NONBM)
