"""Generation as it came out: by fuel, and as metered."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import by_day, by_period, entry, order, period_query, settlement_day
from energy_assets.catalogue.fields import fields
from energy_assets.catalogue.model import SETTLEMENT_RUNS, Lag, OrderBy, Query, StorageAxis, Timing

GROUP = "generation"

_SILENT_REPUBLICATION = (Lag(minutes=2 * 1440), Lag(minutes=7 * 1440))
"""Outturn has been corrected without notice; two later readings see what comes within a week."""


def _by_settlement_date(code: str) -> Query:
    """Settlement dates and not publish times, so that a republished period meets the row that it corrects."""
    return Query(
        f"/datasets/{code}/stream",
        (("settlementDateFrom", "{date_from}"), ("settlementDateTo", "{date_to}")),
        unit="day",
        atom=1,
        most=7,
        limit="7 days inclusive, met for FUELHH; taken for granted for FUELINST",
    )


FUELINST = entry(
    "FUELINST",
    "Generation by fuel, five-minute",
    "Mean generation by fuel type and flow by interconnector over each five minutes.",
    group=GROUP,
    fields=fields(
        "dataset publishTime startTime settlementDate settlementPeriod fuelType generation",
        generation={"meaning": "Mean over five minutes; INT* positive is import, PS negative is pumping."},
    ),
    key="startTime fuelType",
    latest=order("publishTime"),
    published="publishTime",
    storage=StorageAxis(
        "instant", "startTime", "Six rows per fuel share a settlement period, so startTime is the key."
    ),
    query=_by_settlement_date("FUELINST"),
    check=by_day(),
    revision="revised_in_place",
    timing=Timing("every 5 minutes", "stated", rereads=_SILENT_REPUBLICATION, publications_per_day=288),
    profiles=("core", "battery", "trading"),
    rows_per_day=5760,
    begins=date(2016, 1, 1),
    iris="FUELINST",
    proof="recorded",
    notes=("Publish window and settlement dates exclude each other in one request.",),
    unsure=("That settlement dates are limited to 7 days, as they are for FUELHH.",),
)

FUELHH = entry(
    "FUELHH",
    "Generation by fuel, half-hourly",
    "Mean generation by fuel type and flow by interconnector over each settlement period.",
    group=GROUP,
    fields=fields(
        "dataset publishTime startTime settlementDate settlementPeriod fuelType generation",
        generation={"meaning": "Mean over the half hour; INT* positive is import, PS negative is pumping."},
    ),
    key="settlementDate settlementPeriod fuelType",
    latest=order("publishTime"),
    published="publishTime",
    storage=settlement_day(),
    query=_by_settlement_date("FUELHH"),
    check=by_day(),
    revision="revised_in_place",
    timing=Timing("every 30 minutes", "stated", rereads=_SILENT_REPUBLICATION, publications_per_day=48),
    profiles=("core", "battery", "trading"),
    rows_per_day=960,
    begins=date(2016, 1, 1),
    iris="FUELHH",
    proof="recorded",
    notes=("A new interconnector adds a code without notice.",),
)

B1610 = entry(
    "B1610",
    "Metered volume by unit",
    "Metered energy of every BM unit and settlement period, from each settlement run.",
    group=GROUP,
    fields=fields(
        "dataset psrType bmUnit nationalGridBmUnitId settlementDate settlementPeriod halfHourEndTime quantity settlementRunType"
    ),
    key="settlementDate settlementPeriod bmUnit",
    versions="settlementRunType",
    latest=(OrderBy("settlementRunType", SETTLEMENT_RUNS),),
    fallback=(("bmUnit", "nationalGridBmUnitId"),),
    storage=settlement_day(),
    query=period_query("/datasets/B1610/stream", atom=10, most=10),
    check=by_period(),
    revision="revised_in_place",
    timing=Timing(
        "daily for a settlement day, then with every settlement run",
        "stated",
        available=Lag(run="II"),
        settled=Lag(working_days=7),
        poll_minutes=120,
        rereads=tuple(Lag(run=run) for run in SETTLEMENT_RUNS[:-1]),
    ),
    profiles=("settlement",),
    heavy=True,
    begins=date(2016, 1, 1),
    proof="recorded",
    notes=("halfHourEndTime comes without Z and is UTC.", "Not on IRIS."),
    unsure=(
        "settlementRunType came in 2026 and not before; where it is missing a later run shows only by re-reading.",
    ),
)

ENTRIES = (FUELINST, FUELHH, B1610)
