"""Wholesale market prices and the system operators' trades across borders."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    DAY,
    UNSURE_BEGIN,
    WHOLE_DAY,
    by_period,
    entry,
    period_query,
    publish_query,
    published,
    settlement_day,
    vintage,
)
from energy_assets.catalogue.fields import fields, meaning
from energy_assets.catalogue.model import Lag, Timing

GROUP = "market"

MID = entry(
    "MID",
    "Market index price",
    "Price and volume of short-term wholesale trades for every settlement period, by power exchange.",
    group=GROUP,
    fields=fields(
        "dataset startTime dataProvider settlementDate settlementPeriod price volume",
        meaning("volume", "Traded energy of the settlement period."),
    ),
    key="settlementDate settlementPeriod dataProvider",
    storage=settlement_day(),
    query=period_query("/datasets/MID/stream", atom=WHOLE_DAY, most=WHOLE_DAY, limit="7 days, met on the view"),
    check=by_period(),
    revision="revised_in_place",
    timing=Timing(
        "every settlement period",
        "learned",
        rereads=(Lag(minutes=2 * DAY), Lag(minutes=7 * DAY)),
        publications_per_day=48,
    ),
    profiles=("core", "battery", "trading", "settlement"),
    rows_per_day=96,
    iris="MID",
    proof="recorded",
    notes=("N2EXMIDP rows with price 0 and volume 0 mean no data, not a price of zero.",),
    unsure=("Whether a value is ever revised; there is no column that would tell.",),
)

SOSO = vintage(
    "SOSO",
    "Cross-border trades of system operators",
    "Prices and volumes at which neighbouring system operators offer energy across the interconnectors.",
    group=GROUP,
    fields=fields(
        "dataset publishTime senderIdentification receiverIdentification contractIdentification resourceProvider "
        "tradeDirection tradeQuantity tradePrice traderUnit startTime endTime settlementDate"
    ),
    key="contractIdentification tradeDirection",
    query=publish_query("SOSO", atom=360, most=DAY, limit="24 hours, stated for the plain endpoint"),
    timing=published("several times a day", "learned", poll=50),
    profiles=("trading",),
    empty="silent",
    rows_per_day=2300,
    proof="recorded",
    notes=("endTime comes without a zone, is UTC.", "A contract can be offered again; every publication is kept."),
    unsure=("Units of quantity and price.", UNSURE_BEGIN),
    legacy="SOSOP, SOSOT",
)

ENTRIES = (MID, SOSO)
