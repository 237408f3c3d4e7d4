"""Bids, offers and their acceptances."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    BY_NESO_UNIT,
    DAY,
    NEXT_DAY,
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
        "dataset settlementDate settlementPeriod timeFrom levelFrom timeTo levelTo pairId offer bid nationalGridBmUnit "
        "bmUnit"
    ),
    key="settlementDate settlementPeriod nationalGridBmUnit pairId timeFrom timeTo",
    fallback=BY_NESO_UNIT,
    storage=settlement_day(),
    # Two hours are 10 MB on a heavy day; pieces of an hour load in parallel, 1.65 times as fast as the day in one.
    query=period_query(
        "/datasets/BOD/stream", atom=2, most=4, limit="1 hour, met on the plain endpoint; none met on the stream"
    ),
    check=by_period(),
    revision="immutable",
    timing=Timing(
        "every settlement period, after gate closure",
        "learned",
        settled=Lag(minutes=60),
        rereads=NEXT_DAY,
        publications_per_day=48,
    ),
    heavy=True,
    profiles=("battery", "trading"),
    rows_per_day=250_000,
    iris="BOD",
    proof="recorded",
    notes=(
        "Final at gate closure, an hour before the period.",
        "Pairs with both levels zero are kept; the provider's bid-offer views drop them.",
    ),
    legacy="PHYBMDATA",
)

BOALF = entry(
    "BOALF",
    "Bid-offer acceptances",
    "Accepted MW profile of a BM unit, in straight segments, with flags.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriodFrom settlementPeriodTo timeFrom timeTo levelFrom levelTo "
        "acceptanceNumber acceptanceTime deemedBoFlag soFlag amendmentFlag storFlag rrFlag nationalGridBmUnit bmUnit"
    ),
    key="nationalGridBmUnit acceptanceNumber timeFrom timeTo",
    latest=order("acceptanceTime"),
    published="acceptanceTime",
    fallback=BY_NESO_UNIT,
    scope="nationalGridBmUnit acceptanceNumber",
    set_column="timeFrom",
    storage=StorageAxis(
        "instant", "timeFrom", "A profile may cross midnight; a segment belongs to the day it begins on."
    ),
    # Instants and not periods: a row has no single settlement period, and which of its two the provider compares is
    # not stated, while timeFrom is. One boundary instant is the whole overlap.
    query=instant_query(
        "/datasets/BOALF/stream", "from", "to", atom=240, most=DAY, limit="1 day, met on the plain endpoint"
    ),
    check=by_instant("timeFrom"),
    revision="revised_in_place",
    timing=Timing("as acceptances are issued", "learned", settled=Lag(minutes=180), rereads=NEXT_DAY),
    profiles=("battery", "trading"),
    rows_per_day=15_000,
    iris="BOALF",
    proof="recorded",
    notes=(
        "A later message for the same acceptance replaces its whole profile.",
        "An acceptance number is unique within its unit only.",
    ),
    unsure=("Values of amendmentFlag other than ORI; the member is missing in some answers.",),
    legacy="PHYBMDATA",
)

ENTRIES = (BOD, BOALF)
