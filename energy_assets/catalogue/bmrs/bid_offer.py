"""Bids, offers and their acceptances."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    BM_UNIT_BY_NESO,
    DAY,
    PHYSICAL_BEGINS,
    by_instant,
    by_period,
    entry,
    instant_query,
    order,
    period_query,
    settlement_day,
)
from energy_assets.catalogue.fields import fields
from energy_assets.catalogue.model import Lag, StorageAxis, Timing

GROUP = "bid_offer"

BOD = entry(
    "BOD",
    "Bid-offer data",
    "Prices and MW bands of the bid-offer pairs of every BM unit.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriod timeFrom levelFrom timeTo levelTo pairId offer bid nationalGridBmUnit bmUnit"
    ),
    key="settlementDate settlementPeriod nationalGridBmUnit pairId timeFrom timeTo",
    fallback=BM_UNIT_BY_NESO,
    storage=settlement_day(),
    query=period_query(
        "/datasets/BOD/stream", atom=2, most=2, limit="1 hour on the plain endpoint; none met on the stream"
    ),
    check=by_period(),
    revision="immutable",
    timing=Timing(
        "every settlement period, at gate closure", "learned", settled=Lag(minutes=180), publications_per_day=48
    ),
    profiles=("trading", "battery"),
    heavy=True,
    rows_per_day=480_000,
    begins=PHYSICAL_BEGINS,
    iris="BOD",
    proof="recorded",
)

BOALF = entry(
    "BOALF",
    "Bid-offer acceptances",
    "Accepted MW profile of a BM unit, in straight segments, with flags.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriodFrom settlementPeriodTo timeFrom timeTo levelFrom levelTo acceptanceNumber "
        "acceptanceTime deemedBoFlag soFlag amendmentFlag storFlag rrFlag nationalGridBmUnit bmUnit"
    ),
    key="nationalGridBmUnit acceptanceNumber timeFrom timeTo",
    latest=order("acceptanceTime"),
    published="acceptanceTime",
    fallback=BM_UNIT_BY_NESO,
    scope="nationalGridBmUnit acceptanceNumber",
    set_column="timeFrom",
    storage=StorageAxis(
        "instant", "timeFrom", "A profile may cross midnight; each segment belongs to the day on which it begins."
    ),
    query=instant_query(
        "/datasets/BOALF/stream", "from", "to", atom=240, most=DAY, limit="1 day on the plain endpoint, met by others"
    ),
    check=by_instant("timeFrom"),
    revision="revised_in_place",
    timing=Timing("as acceptances are issued", "learned", settled=Lag(minutes=180)),
    profiles=("trading", "battery"),
    rows_per_day=16_000,
    begins=PHYSICAL_BEGINS,
    iris="BOALF",
    proof="recorded",
)

ENTRIES = (BOD, BOALF)
