"""Wholesale market prices and cross-border trades of the system operator."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    PHYSICAL_BEGINS,
    WHOLE_DAY,
    by_period,
    entry,
    period_query,
    settlement_day,
)
from energy_assets.catalogue.fields import fields
from energy_assets.catalogue.model import Timing

GROUP = "market"

MID = entry(
    "MID",
    "Market index price",
    "Price and volume of short-term wholesale trades in each settlement period, by power exchange.",
    group=GROUP,
    fields=fields(
        "dataset startTime dataProvider settlementDate settlementPeriod price volume",
        volume={"meaning": "Traded energy of the settlement period."},
    ),
    key="settlementDate settlementPeriod dataProvider",
    storage=settlement_day(),
    query=period_query("/datasets/MID/stream", atom=WHOLE_DAY, most=WHOLE_DAY, limit="7 days, met on the view"),
    check=by_period(),
    revision="revised_in_place",
    timing=Timing("every settlement period", "learned", publications_per_day=48),
    profiles=("core", "battery", "trading"),
    rows_per_day=96,
    begins=PHYSICAL_BEGINS,
    iris="MID",
    proof="recorded",
    notes=("N2EXMIDP rows with price 0 and volume 0 mean no data, not a price of zero.",),
)

ENTRIES = (MID,)
