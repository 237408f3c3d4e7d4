"""Settlement: imbalance prices, what they are calculated from, and what parties are credited with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from energy_assets.catalogue.bmrs.build import WHOLE_DAY, by_day, by_period, entry, order, period_query, settlement_day
from energy_assets.catalogue.fields import VOCABULARY, fields
from energy_assets.catalogue.model import Lag, Query, Timing

GROUP = "settlement"

_SIDES = (("bidOffer", ("bid", "offer")),)
_SIDE = replace(VOCABULARY["bidOffer"], origin="request", nullable=False)
_CALCULATED = Timing(
    "about 14 minutes after each settlement period; again on the next working day",
    "stated",
    settled=Lag(working_days=1),
    rereads=(Lag(working_days=2), Lag(working_days=5)),
    publications_per_day=48,
)

DISEBSP = entry(
    "DISEBSP",
    "System prices",
    "Imbalance prices, net imbalance volume and the totals behind them for each settlement period.",
    group=GROUP,
    fields=fields(
        "settlementDate settlementPeriod startTime createdDateTime systemSellPrice systemBuyPrice bsadDefaulted priceDerivationCode "
        "reserveScarcityPrice netImbalanceVolume sellPriceAdjustment buyPriceAdjustment replacementPrice "
        "replacementPriceReferenceVolume totalAcceptedOfferVolume totalAcceptedBidVolume totalAdjustmentSellVolume "
        "totalAdjustmentBuyVolume totalSystemTaggedAcceptedOfferVolume totalSystemTaggedAcceptedBidVolume "
        "totalSystemTaggedAdjustmentSellVolume totalSystemTaggedAdjustmentBuyVolume"
    ),
    key="settlementDate settlementPeriod",
    latest=order("createdDateTime"),
    published="createdDateTime",
    storage=settlement_day(),
    query=Query("/balancing/settlement/system-prices/{date}", unit="day", atom=1, most=1, limit="one settlement day"),
    check=by_day(),
    revision="revised_in_place",
    timing=_CALCULATED,
    profiles=("core", "battery", "trading", "settlement"),
    rows_per_day=48,
    rows_per_period=1,
    begins=date(2016, 1, 1),
    iris="DISEBSP",
    proof="recorded",
    legacy="B1770",
)

ISPSTACK = entry(
    "ISPSTACK",
    "Imbalance price stack",
    "Ranked actions of one side, bid or offer, from which the imbalance price of a settlement period is calculated.",
    group=GROUP,
    fields=(
        *fields(
            "settlementDate settlementPeriod startTime createdDateTime sequenceNumber id acceptanceId bidOfferPairId cadlFlag soFlag "
            "storProviderFlag repricedIndicator reserveScarcityPrice originalPrice volume dmatAdjustedVolume arbitrageAdjustedVolume "
            "nivAdjustedVolume parAdjustedVolume finalPrice transmissionLossMultiplier tlmAdjustedVolume tlmAdjustedCost"
        ),
        _SIDE,
    ),
    key="settlementDate settlementPeriod bidOffer sequenceNumber",
    latest=order("createdDateTime"),
    published="createdDateTime",
    scope="settlementDate settlementPeriod bidOffer",
    storage=settlement_day(),
    query=Query(
        "/balancing/settlement/stack/all/{bidOffer}/{date}/{period}",
        unit="period",
        atom=1,
        most=1,
        limit="one side of one settlement period",
        branches=_SIDES,
    ),
    check=by_period(),
    revision="revised_in_place",
    timing=_CALCULATED,
    profiles=("settlement",),
    begins=date(2016, 1, 1),
    iris="ISPSTACK",
    proof="recorded",
)

DISBSAD = entry(
    "DISBSAD",
    "Balancing adjustment actions",
    "Every balancing action outside the Balancing Mechanism that counts in the imbalance price.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriod id cost volume soFlag storFlag partyId assetId isTendered service",
        id={"type": "integer", "meaning": "Number of the action within its settlement period, from 1."},
    ),
    key="settlementDate settlementPeriod id service",
    scope="settlementDate settlementPeriod",
    storage=settlement_day(),
    query=period_query("/datasets/DISBSAD/stream", atom=WHOLE_DAY, most=WHOLE_DAY),
    check=by_period(),
    revision="revised_in_place",
    timing=Timing(
        "two working days after the settlement day", "learned", settled=Lag(working_days=3), publications_per_day=48
    ),
    profiles=("settlement",),
    begins=date(2016, 1, 1),
    iris="DISBSAD",
    proof="recorded",
)

ENTRIES = (DISEBSP, ISPSTACK, DISBSAD)
