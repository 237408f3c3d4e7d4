"""Settlement: imbalance prices, what they are calculated from, and what the settlement runs make of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from energy_assets.catalogue.bmrs.build import (
    BY_ELEXON_UNIT,
    BY_NESO_UNIT,
    DAY,
    UNSURE_BEGIN,
    WHOLE_DAY,
    by_day,
    by_instant,
    by_period,
    day_query,
    entry,
    order,
    period_query,
    publish_query,
    published,
    settlement_day,
)
from energy_assets.catalogue.fields import VOCABULARY, fields, meaning
from energy_assets.catalogue.model import SETTLEMENT_RUNS, Dataset, Lag, OrderBy, Query, StorageAxis, Timing

GROUP = "settlement"

_SIDES = (("bidOffer", ("bid", "offer")),)
_SIDE = replace(VOCABULARY["bidOffer"], origin="request")
_CALCULATED = "about 14 minutes after every settlement period, and again a day later"
_RECALCULATED = (Lag(minutes=180, working_days=1), Lag(minutes=180, working_days=3))
"""Every period is calculated again about a day later, on the next working day: by two hours into the day after, all of
them. The second reading comes after a week-end or holiday has been caught up with."""

_RUN_ORDER = OrderBy("settlementRunType", SETTLEMENT_RUNS)
_LATER_RUNS = tuple(Lag(run=run) for run in SETTLEMENT_RUNS[1:-1])
"""Readings on the dates of the runs after the first; a dispute run has no date."""

_LATE_FILES = (Lag(working_days=5), Lag(working_days=10))
"""Files for a day may come and be replaced for some days."""

_BEGINS = "Years before 2023 were to be migrated later; whether they are is not established."

DISEBSP = entry(
    "DISEBSP",
    "System prices",
    "Imbalance prices, net imbalance volume and the totals behind them, for every settlement period.",
    group=GROUP,
    fields=fields(
        "settlementDate settlementPeriod startTime createdDateTime systemSellPrice systemBuyPrice bsadDefaulted "
        "priceDerivationCode reserveScarcityPrice netImbalanceVolume sellPriceAdjustment buyPriceAdjustment "
        "replacementPrice replacementPriceReferenceVolume totalAcceptedOfferVolume totalAcceptedBidVolume "
        "totalAdjustmentSellVolume totalAdjustmentBuyVolume totalSystemTaggedAcceptedOfferVolume "
        "totalSystemTaggedAcceptedBidVolume totalSystemTaggedAdjustmentSellVolume totalSystemTaggedAdjustmentBuyVolume"
    ),
    key="settlementDate settlementPeriod",
    latest=order("createdDateTime"),
    published="createdDateTime",
    storage=settlement_day(),
    query=Query("/balancing/settlement/system-prices/{date}", unit="day", atom=1, most=1, limit="one settlement day"),
    check=by_day(),
    revision="revised_in_place",
    # A day is one small request: it stays provisional until the calculation of the next working day is in.
    timing=Timing(
        _CALCULATED,
        "stated",
        settled=_RECALCULATED[0],
        rereads=_RECALCULATED[1:],
        publications_per_day=48,
    ),
    profiles=("core", "battery", "trading", "settlement"),
    rows_per_day=48,
    rows_per_period=1,
    iris="DISEBSP",
    proof="recorded",
    unsure=(_BEGINS,),
    legacy="B1770, B1780, DERSYSDATA",
)


def _by_side(
    code: str,
    title: str,
    description: str,
    *,
    path: str,
    columns: str,
    key: str,
    fallback: tuple[tuple[str, str], ...] = (),
    legacy: str,
    by_half_hour: bool = False,
    proof: bool = False,
    rows_per_day: int | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A calculated set of one side, which only the path names; a calculation replaces the period's set of that side."""
    if by_half_hour:
        query = Query(
            path + "/{period}", unit="period", atom=1, most=1, limit="a side of a settlement period", branches=_SIDES
        )
        # 96 requests a day: each is asked for until the first calculation is in, then after the second.
        timing = Timing(
            _CALCULATED,
            "stated",
            available=Lag(minutes=5),
            settled=Lag(minutes=90),
            rereads=_RECALCULATED,
            publications_per_day=48,
        )
    else:
        query = Query(path, unit="day", atom=1, most=1, limit="a side of a settlement day", branches=_SIDES)
        # A day's body is several MB, so it is asked for hourly while it grows, and again after the second calculation.
        timing = Timing(
            _CALCULATED,
            "stated",
            settled=Lag(minutes=90),
            poll_minutes=50,
            rereads=_RECALCULATED,
            publications_per_day=48,
        )
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=(*fields(columns), _SIDE),
        key=f"settlementDate settlementPeriod bidOffer {key}",
        latest=order("createdDateTime"),
        published="createdDateTime",
        fallback=fallback,
        scope="settlementDate settlementPeriod bidOffer",
        storage=settlement_day(),
        query=query,
        check=by_period() if by_half_hour else by_day(),
        revision="revised_in_place",
        timing=timing,
        profiles=("settlement",),
        rows_per_day=rows_per_day,
        # A quiet night has no action on one side; over a day there is always one.
        empty="silent" if by_half_hour else "suspect",
        iris=code,
        proof="recorded" if proof else "specified",
        unsure=(_BEGINS,),
        notes=("The side is not in the row; it is stored in bidOffer.", *notes),
        legacy=legacy,
    )


_UNIT = "bmUnit bmUnitType leadPartyName nationalGridBmUnit"

BOAV = _by_side(
    "BOAV",
    "Accepted volumes by acceptance",
    "Energy of every accepted bid or offer, by acceptance and unit, for every settlement period.",
    path="/balancing/settlement/acceptance/volumes/all/{bidOffer}/{date}",
    columns="createdDateTime settlementDate settlementPeriod startTime "
    f"{_UNIT} acceptanceId acceptanceDuration totalVolumeAccepted pairVolumes",
    key="bmUnit acceptanceId",
    fallback=BY_ELEXON_UNIT,
    legacy="DERBMDATA",
)

DISPTAV = _by_side(
    "DISPTAV",
    "Accepted volumes by unit",
    "Indicative accepted energy of every unit for every settlement period: original, tagged, repriced, originally "
    "priced.",
    path="/balancing/settlement/indicative/volumes/all/{bidOffer}/{date}",
    columns="createdDateTime settlementDate settlementPeriod startTime "
    f"{_UNIT} dataType totalVolumeAccepted pairVolumes",
    key="bmUnit dataType",
    fallback=BY_ELEXON_UNIT,
    legacy="DERBMDATA",
)

EBOCF = _by_side(
    "EBOCF",
    "Bid-offer cashflows",
    "Indicative money that every unit earns from accepted bids or offers in every settlement period.",
    path="/balancing/settlement/indicative/cashflows/all/{bidOffer}/{date}",
    columns=f"settlementDate settlementPeriod startTime createdDateTime {_UNIT} bidOfferPairCashflows totalCashflow",
    key="bmUnit",
    fallback=BY_ELEXON_UNIT,
    legacy="DERBMDATA",
)

ISPSTACK = _by_side(
    "ISPSTACK",
    "Imbalance price stack",
    "Ranked actions of one side from which the imbalance price of a settlement period is calculated.",
    path="/balancing/settlement/stack/all/{bidOffer}/{date}",
    by_half_hour=True,
    columns="settlementDate settlementPeriod startTime createdDateTime sequenceNumber id acceptanceId bidOfferPairId "
    "cadlFlag soFlag storProviderFlag repricedIndicator reserveScarcityPrice originalPrice volume dmatAdjustedVolume "
    "arbitrageAdjustedVolume nivAdjustedVolume parAdjustedVolume finalPrice transmissionLossMultiplier "
    "tlmAdjustedVolume tlmAdjustedCost",
    key="sequenceNumber",
    proof=True,
    legacy="DETSYSPRICES",
    notes=("id is a unit, or the number of an adjustment action, which has no acceptance and no pair.",),
)

SMSG = entry(
    "SMSG",
    "Settlement messages",
    "Messages of the indicative settlement calculation.",
    group=GROUP,
    fields=fields(
        "settlementDate settlementPeriod startTime messageReceivedDateTime messageSeverity messageTypeCode messageType "
        "messageText"
    ),
    key="settlementDate settlementPeriod messageReceivedDateTime messageTypeCode messageText",
    published="messageReceivedDateTime",
    storage=settlement_day("The endpoint selects by settlement day, so a re-read day finds its messages in one place."),
    query=Query("/balancing/settlement/messages/{date}", unit="day", atom=1, most=1, limit="one settlement day"),
    check=by_day(),
    revision="event_log",
    timing=Timing("irregular", "unknown", poll_minutes=50, rereads=_RECALCULATED),
    profiles=("settlement",),
    empty="silent",
    iris="SMSG",
    notes=("There is no message id, so the text is part of the key.",),
    unsure=(_BEGINS,),
)

DISBSAD = entry(
    "DISBSAD",
    "Balancing adjustment actions",
    "Every balancing action outside the Balancing Mechanism that counts in the imbalance price.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriod id cost volume soFlag storFlag partyId assetId isTendered service",
        meaning("id", "Number of the action within its settlement period, from 1.", type_="integer"),
        meaning("volume", "Energy of the action; negative where energy is sold."),
    ),
    key="settlementDate settlementPeriod id service",
    scope="settlementDate settlementPeriod",
    storage=settlement_day(),
    query=period_query("/datasets/DISBSAD/stream", atom=WHOLE_DAY, most=WHOLE_DAY),
    check=by_period(),
    revision="revised_in_place",
    # Complete two working days after the day; some periods come sooner, so asking is worth it from the start.
    timing=Timing(
        "complete two working days after the settlement day",
        "learned",
        settled=Lag(working_days=3),
        poll_minutes=50,
        rereads=_LATE_FILES,
        publications_per_day=48,
    ),
    profiles=("battery", "settlement"),
    rows_per_day=300,
    iris="DISBSAD",
    proof="recorded",
    notes=(
        "A period without actions has one row: id 1, volume 0, no party, asset or service.",
        "That row goes when actions come.",
    ),
    unsure=(UNSURE_BEGIN,),
)

NETBSAD = entry(
    "NETBSAD",
    "Balancing adjustment, net",
    "Net costs and volumes of balancing actions outside the Balancing Mechanism, for every settlement period.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriod netBuyPriceCostAdjustmentEnergy netBuyPriceVolumeAdjustmentEnergy "
        "netBuyPriceVolumeAdjustmentSystem buyPricePriceAdjustment netSellPriceCostAdjustmentEnergy "
        "netSellPriceVolumeAdjustmentEnergy netSellPriceVolumeAdjustmentSystem sellPricePriceAdjustment"
    ),
    key="settlementDate settlementPeriod",
    storage=settlement_day(),
    query=period_query("/datasets/NETBSAD/stream", atom=WHOLE_DAY, most=WHOLE_DAY),
    check=by_period(),
    revision="revised_in_place",
    timing=Timing(
        "complete two working days after the settlement day, taken over from DISBSAD",
        "unknown",
        settled=Lag(working_days=3),
        poll_minutes=50,
        rereads=_LATE_FILES,
        publications_per_day=48,
    ),
    profiles=("settlement",),
    may_repeat=True,
    rows_per_day=48,
    rows_per_period=1,
    iris="NETBSAD",
    proof="recorded",
    notes=("All values were zero in August and September 2026.",),
    unsure=(UNSURE_BEGIN,),
)

QAS = entry(
    "QAS",
    "Applicable balancing services volume",
    "Energy by which balancing services outside the Balancing Mechanism shift a unit's volume.",
    group=GROUP,
    fields=fields(
        "dataset settlementDate settlementPeriod bmUnitApplicableBalancingServicesVolume nationalGridBmUnit bmUnit"
    ),
    key="settlementDate settlementPeriod nationalGridBmUnit",
    fallback=BY_NESO_UNIT,
    storage=settlement_day(),
    # 48 periods at most: the view refuses more than a day, and the long day has 25 hours.
    query=period_query("/datasets/QAS/stream", atom=48, most=48, limit="1 day, met on the view"),
    check=by_period(),
    revision="revised_in_place",
    timing=Timing(
        "daily for a settlement day",
        "unknown",
        settled=Lag(working_days=3),
        poll_minutes=120,
        rereads=_LATE_FILES,
    ),
    profiles=("settlement",),
    empty="silent",
    iris="QAS",
    notes=("Units without a volume are absent, so a period may be empty.",),
    unsure=("When it is published.", UNSURE_BEGIN),
)

CDN = entry(
    "CDN",
    "Credit default notices",
    "Credit defaults of parties to the Balancing and Settlement Code, and when they ended.",
    group=GROUP,
    fields=fields(
        "dataset publishTime bscPartyId creditDefaultLevel enteredDefaultSettlementDate enteredDefaultSettlementPeriod "
        "clearedDefaultSettlementDate clearedDefaultSettlementPeriod clearedDefaultText"
    ),
    key="bscPartyId creditDefaultLevel enteredDefaultSettlementDate enteredDefaultSettlementPeriod",
    latest=order("publishTime"),
    published="publishTime",
    storage=StorageAxis(
        "date",
        "enteredDefaultSettlementDate",
        "The fact is the default; its end is published days later and completes the same row.",
    ),
    # A default is published within days; a later notice of its end is found when its own day is asked for.
    query=publish_query("CDN", atom=DAY, most=30 * DAY, reach=(0, 7 * DAY)),
    check=by_instant("publishTime"),
    revision="revised_in_place",
    timing=published("irregular", "unknown", poll=120),
    profiles=("settlement",),
    empty="silent",
    iris="E0361",
    notes=("The window selects by publishTime, the row is stored on the day on which the default began.",),
    unsure=(UNSURE_BEGIN,),
)

TUDM = entry(
    "TUDM",
    "Trading unit volumes",
    "Import, export and net energy of every trading unit and settlement period, from every settlement run.",
    group=GROUP,
    fields=fields(
        "dataset serialNumber fileCreationTime tradingUnitType tradingUnitName settlementDate settlementPeriod "
        "settlementRunType startTime deliveryMode importVolume exportVolume netVolume"
    ),
    key="settlementDate settlementPeriod tradingUnitName tradingUnitType",
    versions="settlementRunType fileCreationTime",
    latest=(_RUN_ORDER, OrderBy("fileCreationTime")),
    published="fileCreationTime",
    storage=settlement_day("The endpoint selects by settlement day, so a later run meets the day that it restates."),
    query=period_query(
        "/datasets/TUDM/stream", atom=4, most=4, start="settlementDateFrom", end="settlementDateTo", midnight=""
    ),
    check=by_period(),
    revision="vintage",
    timing=Timing(
        "with every settlement run",
        "learned",
        available=Lag(run="II"),
        settled=Lag(run="II", working_days=2),
        poll_minutes=120,
        rereads=_LATER_RUNS,
    ),
    heavy=True,
    profiles=("settlement",),
    notes=("fileCreationTime comes without a zone and is taken as UTC.", "Not on IRIS."),
    unsure=(
        "Whether the API keeps all runs or only the latest; every run that was read is kept here.",
        "That the II run is the first one published.",
        UNSURE_BEGIN,
    ),
    legacy="TRADINGUNIT",
)

S0621 = entry(
    "S0621",
    "Exempt supply volume",
    "Supply exempt from licence, in all, for every settlement period and settlement run.",
    group=GROUP,
    fields=fields("creationTime settlementDate settlementPeriod settlementRunType totalExemptSupplyVolume"),
    key="settlementDate settlementPeriod",
    versions="settlementRunType creationTime",
    latest=(_RUN_ORDER, OrderBy("creationTime")),
    published="creationTime",
    storage=settlement_day("The endpoint selects by settlement day, so a later run meets the day that it restates."),
    # Every run is named: without it only the latest run of a period is returned.
    query=Query(
        "/saa/datasets/total-exempt-volume/{date}",
        tuple(("settlementRunType", run) for run in SETTLEMENT_RUNS),
        unit="day",
        atom=1,
        most=1,
        limit="one settlement day",
    ),
    check=by_day(),
    revision="vintage",
    timing=Timing(
        "with every settlement run",
        "stated",
        available=Lag(run="II"),
        settled=Lag(run="II", working_days=2),
        poll_minutes=120,
        rereads=_LATER_RUNS,
    ),
    profiles=("settlement",),
    begins=date(2025, 3, 1),
    notes=("Not on IRIS.",),
    unsure=("That the II run is the first one published.", "That every run name is accepted, DF too."),
)

_SHAPE = (
    "gspGroupId connectionTypeIndicator marketSegmentIndicator domesticPremiseIndicator measurementQuantityId "
    "runNumber eventCode settlementPeriodDuration"
)
_SHAPE_KEY = (
    "gspGroupId connectionTypeIndicator marketSegmentIndicator domesticPremiseIndicator measurementQuantityId "
    "settlementPeriodDuration"
)
_SHAPE_TIMING = Timing(
    "with every run of the load shaping service",
    "unknown",
    settled=Lag(run="II", working_days=2),
    poll_minutes=120,
    rereads=_LATER_RUNS,
)
_SHAPE_BEGINS = date(2025, 9, 1)
_SHAPE_UNSURE = (
    "Units of the values.",
    "Key: taken from the dimensions of a load-shape category.",
    "When it is published and revised; the dates of the settlement runs are assumed.",
    UNSURE_BEGIN,
)

IF022 = entry(
    "IF022",
    "Load shapes by settlement period",
    "Load shapes of market-wide half-hourly settlement, for every settlement period and category of meters.",
    group=GROUP,
    fields=fields(
        "sourceFileName sourceFileDatetime settlementDate settlementPeriodStartDateTime settlementPeriodEndDateTime "
        f"settlementPeriod {_SHAPE} loadShapePeriodValue defaultLoadShapeFlag"
    ),
    key=f"settlementDate settlementPeriod {_SHAPE_KEY}",
    versions="runNumber sourceFileDatetime",
    latest=order("runNumber", "sourceFileDatetime"),
    published="sourceFileDatetime",
    storage=settlement_day("The endpoint selects by settlement day, so a later run meets the day that it restates."),
    query=period_query(
        "/lss/load-shape-period/stream",
        atom=WHOLE_DAY,
        most=WHOLE_DAY,
        start="fromDate",
        end="toDate",
        midnight="",
    ),
    check=by_period(),
    revision="vintage",
    timing=_SHAPE_TIMING,
    heavy=True,
    profiles=("settlement",),
    begins=_SHAPE_BEGINS,
    unsure=_SHAPE_UNSURE,
)

IF023 = entry(
    "IF023",
    "Load shape totals",
    "Daily, seven-day and yearly sums of the load shapes of market-wide half-hourly settlement.",
    group=GROUP,
    fields=fields(
        f"sourceFileName sourceFileDatetime settlementDate {_SHAPE} loadShapeDayTotal loadShapeDayPeakTotal "
        "loadShapeDayOffPeakTotal loadShape7DayRollingTotal loadShape7DayRollingPeakTotal "
        "loadShape7DayRollingOffPeakTotal loadShapeRollingAnnualTotal"
    ),
    key=f"settlementDate {_SHAPE_KEY}",
    versions="runNumber sourceFileDatetime",
    latest=order("runNumber", "sourceFileDatetime"),
    published="sourceFileDatetime",
    storage=settlement_day("The endpoint selects by settlement day, so a later run meets the day that it restates."),
    query=day_query("/lss/load-shape-totals/stream", "fromDate", "toDate", most=7),
    check=by_day(),
    revision="vintage",
    timing=_SHAPE_TIMING,
    profiles=("settlement",),
    begins=_SHAPE_BEGINS,
    unsure=_SHAPE_UNSURE,
)

ENTRIES = (DISEBSP, ISPSTACK, BOAV, DISPTAV, EBOCF, SMSG, DISBSAD, NETBSAD, QAS, CDN, TUDM, S0621, IF022, IF023)
