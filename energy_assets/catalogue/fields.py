"""The vocabulary of provider fields: each name's type, unit, sign and interval convention, written once.

Entries pick fields by name and override only what means something else in their dataset. No entry and no provider
behaviour belongs here. Every number has a unit; ``NOT_STATED`` where the provider gives none and none can be told.
Text in a key may be null; whether a column may be is decided per dataset (see ``bmrs.build``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from energy_assets.catalogue.model import Field, FieldType

MW = "MW"
MWH = "MWh"
GBP = "GBP"
GBP_PER_MW = "GBP/MW"
GBP_PER_MWH = "GBP/MWh"
MW_PER_MINUTE = "MW/min"
MINUTES = "min"
NOT_STATED = "not stated"

NO_PRICE = (-99999.0, 99999.0)
"""Prices at which a participant offers nothing: codes, not prices."""


def _of(type_: FieldType, unit: str | None = None, **meanings: str) -> Iterable[Field]:
    """Fields that share a type and a unit, by name and meaning."""
    return (Field(name, type_, meaning, unit) for name, meaning in meanings.items())


_TIMES = (
    *_of(
        "date",
        settlementDate="Settlement day: a Europe/London calendar day.",
        forecastDate="Europe/London day that the forecast is for.",
        forecastWeekCommencingDate="First day of the week that the forecast is for.",
        weekStartDate="First day of the week that the forecast is for.",
        measurementDate="Day that the measurement is for.",
        effectiveFrom="First day on which the row holds.",
        enteredDefaultSettlementDate="Settlement day on which the default began.",
        clearedDefaultSettlementDate="Settlement day on which the default ended; null while it lasts.",
    ),
    *_of(
        "instant",
        startTime="Start of the interval that the row describes (included), UTC.",
        endTime="End of the interval that the row describes (excluded), UTC.",
        timeFrom="Start of the segment (included), UTC; the level runs in a straight line from here to timeTo.",
        timeTo="End of the segment (excluded), UTC.",
        time="From when the declaration holds, UTC, until the unit's next one.",
        measurementTime="Instant of the measurement, UTC.",
        publishTime="When the provider published the row, UTC.",
        publishingPeriodCommencingTime="Start of the half hour of publication, UTC.",
        notificationTime="When the limit was notified, UTC; the nearest thing to a time of publication.",
        submissionDateTime="When the row was submitted, UTC.",
        createdDateTime="When the provider calculated the row, UTC; the latest calculation counts.",
        createdTime="When this version of the message was created, UTC.",
        creationTime="When the settlement run wrote the row, UTC.",
        fileCreationTime="When the settlement file was written, UTC.",
        sourceFileDatetime="When the source file was written, UTC.",
        messageReceivedDateTime="When the message was received, UTC.",
        acceptanceTime="When the acceptance was issued, UTC.",
        eventStartTime="Start of the event (included), UTC.",
        eventEndTime="End of the event (excluded), UTC; missing while it is open.",
        halfHourEndTime="End of the settlement period (excluded), UTC: half an hour after its start.",
        settlementPeriodStartDateTime="Start of the settlement period (included), UTC.",
        settlementPeriodEndDateTime="End of the settlement period (excluded), UTC.",
    ),
    Field("settlementPeriod", "integer", "Half hour of the settlement day, from 1 to 46, 48 or 50.", low=1, high=50),
    Field("settlementPeriodFrom", "integer", "Settlement period in which the segment begins.", low=1, high=50),
    Field("settlementPeriodTo", "integer", "Settlement period in which the segment ends.", low=1, high=50),
    Field("enteredDefaultSettlementPeriod", "integer", "Period in which the default began.", low=1, high=50),
    Field("clearedDefaultSettlementPeriod", "integer", "Period in which the default ended.", low=1, high=50),
    Field("settlementPeriodDuration", "integer", "Length of the settlement period in minutes.", MINUTES, low=1),
    Field("week", "integer", "Week of the year, ISO style.", low=1, high=53),
    Field("calendarWeekNumber", "integer", "Week of the year, ISO style.", low=1, high=53),
    Field("forecastWeek", "integer", "Week of the year, ISO style.", low=1, high=53),
    *_of("integer", year="Year of the week, month or value.", forecastYear="Year that the forecast is for."),
    *_of(
        "text",
        month="Month as a three-letter English name.",
        forecastMonth="Month as a three-letter English name.",
        forecastDateTimezone="Time zone of forecastDate: Europe/London.",
    ),
)

_UNITS_AND_PARTIES = (
    *_of(
        "text",
        bmUnit="Elexon id of the Balancing Mechanism unit; null for units that only NESO knows.",
        nationalGridBmUnit="NESO id of the Balancing Mechanism unit.",
        nationalGridBmUnitId="NESO id of the Balancing Mechanism unit.",
        elexonBmUnit="Elexon id of the Balancing Mechanism unit.",
        bmUnitType="Kind of unit: T transmission, E embedded, S or G supplier, I interconnector, V secondary.",
        bmUnitName="Name of the unit.",
        leadPartyName="Name of the unit's lead party.",
        leadPartyId="Id of the unit's lead party.",
        eic="Energy identification code.",
        productionOrConsumptionFlag="P production, C consumption.",
        fuelType="Fuel or interconnector code; INT* are interconnectors, and new codes come without notice.",
        psrType="Type of production, in words.",
        interconnectorId="Id of the interconnector.",
        interconnectorName="Name of the interconnector; null for fuels.",
        interconnectorBiddingZone="Bidding zone at the far end of the interconnector.",
        biddingZone="Bidding zone, as an energy identification code.",
        systemZone="Zone of the system; null where seen.",
        boundary="N for the nation, B1 to B17 for zones of the transmission system.",
        region="Restoration region.",
        gspGroupId="Grid supply point group.",
        gspGroupName="Name of the grid supply point group.",
        tradingUnitName="Trading unit.",
        tradingUnitType="Kind of trading unit: Base, Sole or Others.",
        traderUnit="Unit of the trader.",
        bscPartyId="Party to the Balancing and Settlement Code.",
        partyId="Party that provides the action.",
        assetId="Asset concerned.",
        dataProvider="Power exchange that reports the index: APXMIDP or N2EXMIDP.",
        registeredResourceEicCode="Energy identification code of the production unit.",
        registeredResourceName="Name of the production unit.",
        senderIdentification="System operator that sends the offer.",
        receiverIdentification="System operator that receives the offer.",
        resourceProvider="System operator that provides the energy.",
        affectedDso="Distribution operator that is instructed.",
    ),
    *_of(
        "boolean",
        interconnector="Whether the row is an interconnector.",
        fpnFlag="Whether the unit submits physical notifications.",
        creditQualifyingStatus="Whether the unit qualifies for the calculation of credit cover.",
        demandInProductionFlag="Whether the unit's demand is settled in a production account.",
    ),
)

_CODES = (
    *_of(
        "text",
        dataset="Dataset tag as the provider writes it.",
        documentId="Document in which the value was published.",
        timeSeriesId="Series within the document.",
        bidId="Bid.",
        serialNumber="Serial number of the submission or file.",
        sourceFileName="File from which the row came.",
        businessType="Kind of value, in words.",
        processType="Day ahead, intraday process or intraday total.",
        marketAgreementType="Kind of contract, in words.",
        flowDirection="Direction, in words: up or down.",
        priceDirection="Direction of the price, in words.",
        tradeDirection="Bid or Offer; the provider's specification shows codes such as A02.",
        status="Standing of the figure, such as Intermediate.",
        settlementRunType="Settlement run: II, SF, R1, R2, R3, RF or DF, in that order.",
        priceDerivationCode="Code of how the price was derived; N and P were seen.",
        dataType="Which volume the row holds: original, tagged, repriced or originally priced.",
        acceptanceDuration="Length class of the acceptance.",
        amendmentFlag="Whether the message is an original (ORI) or amends one.",
        service="Balancing service under which the action was taken.",
        id="Balancing Mechanism unit, or number of the adjustment action, that stands at this rank.",
        bidOffer="Side, known from the request: bid or offer.",
        deliveryMode="Whether the trading unit delivers or takes off.",
        contractIdentification="Contract: border, date, hour and a sequence.",
        connectionTypeIndicator="Connection type of the load-shape category.",
        marketSegmentIndicator="Market segment of the load-shape category.",
        domesticPremiseIndicator="Whether the load-shape category is domestic.",
        measurementQuantityId="Measured quantity of the load-shape category.",
        eventCode="Event that caused the run.",
        defaultLoadShapeFlag="Whether a default shape was used.",
        value="The listed value.",
    ),
    *_of(
        "integer",
        documentRevisionNumber="Revision of the document; the highest counts.",
        revisionNumber="Revision of the message; the highest counts.",
        runNumber="Run that calculated the shape; the highest counts.",
        notificationSequence="Order of notifications; the highest counts.",
        instructionSequence="Order of instructions under one control id.",
        acceptanceNumber="Number of the acceptance, unique within its unit only.",
        acceptanceId="Number of the acceptance, unique within its unit only; null for adjustment actions.",
        pairId="Bid-offer pair: negative below the notified level, positive above it.",
        bidOfferPairId="Bid-offer pair: negative below the notified level, positive above it.",
        sequenceNumber="Rank in the stack, from 1.",
        creditDefaultLevel="Level of the default, 1 or 2.",
    ),
    *_of(
        "boolean",
        deemedBoFlag="Deemed acceptance: no bid or offer had been submitted.",
        soFlag="Taken for reasons of the system and not of energy balance.",
        storFlag="Short-term operating reserve.",
        rrFlag="Replacement reserve.",
        isTendered="Whether the action was tendered.",
        bsadDefaulted="Whether adjustment data were missing and defaults stood in.",
        cadlFlag="Too short to set the price (continuous acceptance duration limit).",
        storProviderFlag="Provider of short-term operating reserve.",
        repricedIndicator="Whether the action was repriced.",
    ),
)

_MESSAGES = (
    *_of(
        "text",
        mrid="Message id; all revisions of a message share it.",
        mRID="Message id; all revisions of a message share it.",
        messageType="Kind of message.",
        messageTypeCode="Code of the kind of message.",
        messageSeverity="Severity.",
        messageHeading="Heading.",
        messageText="Text.",
        warningType="Kind of warning; missing in older messages.",
        warningText="Text.",
        clearedDefaultText="Text on the end of the default.",
        demandControlId="Demand control that the instruction belongs to.",
        demandControlEventFlag="Event that is instructed, such as its start or end.",
        systemManagementActionFlag="Whether the instruction is a system management action.",
        eventType="Kind of event.",
        eventStatus="Active, Inactive or Dismissed; Inactive is also used for events that are over.",
        unavailabilityType="Planned or unplanned.",
        participantId="Market participant that reports.",
        registrationCode="Registration (ACER) code of the participant.",
        assetType="Kind of asset: production, consumption or transmission.",
        affectedUnit="Unit concerned.",
        affectedUnitEIC="Energy identification code of the unit concerned.",
        affectedArea="Area concerned.",
        durationUncertainty="How uncertain the end is, in words.",
        cause="Cause of the event, in words.",
        relatedInformation="Further remarks.",
    ),
    Field("outageProfile", "json", "Steps of available capacity in MW: startTime, endTime, capacity."),
)

_POWER = (
    *_of(
        "number",
        MW,
        generation="Mean power over the interval; negative is consumption.",
        demand="Mean power over the interval, positive.",
        surplus="Generation expected to be available beyond demand and reserve.",
        margin="Generation expected to be available beyond demand.",
        imbalance="Indicated generation less indicated demand.",
        quantity="Mean power over the interval.",
        level="Lowest level at which the unit runs stably.",
        levelFrom="Level at timeFrom; positive is export to the system, negative import from it.",
        levelTo="Level at timeTo; positive is export to the system, negative import from it.",
        elbow2="Level from which rate2 holds.",
        elbow3="Level from which rate3 holds.",
        outputUsable="Output expected to be available.",
        minimumPossible="Lowest forecast load.",
        maximumAvailable="Highest forecast load.",
        deratedMargin="Forecast margin after derating of each kind of plant.",
        forecastDemand60="Forecast peak demand at 60 % restoration; unit inferred.",
        forecastDemand100="Forecast peak demand at full restoration; unit inferred.",
        restoredDemand="Demand restored so far; unit inferred.",
        tradeQuantity="Traded power; unit inferred.",
        normalCapacity="Capacity without the event.",
        availableCapacity="Capacity left during the event.",
        unavailableCapacity="Capacity lost during the event.",
        demandCapacity="Registered greatest import of the unit, not above zero.",
        generationCapacity="Registered greatest export of the unit.",
        workingDayCreditAssessmentImportCapability="Import capability for credit assessment on working days.",
        nonWorkingDayCreditAssessmentImportCapability="Import capability for credit assessment on other days.",
        workingDayCreditAssessmentExportCapability="Export capability for credit assessment on working days.",
        nonWorkingDayCreditAssessmentExportCapability="Export capability for credit assessment on other days.",
    ),
    Field("installedCapacity", "number", "Installed capacity of the production unit.", MW, low=0),
    *_of(
        "number",
        MW_PER_MINUTE,
        rate1="Rate from zero to elbow2.",
        rate2="Rate from elbow2 to elbow3.",
        rate3="Rate beyond elbow3.",
    ),
    Field("frequency", "number", "System frequency.", "Hz", low=0, high=100),
    Field("voltageLimit", "number", "Voltage of the connection; unit inferred.", "kV", low=0),
    Field("temperature", "number", "Average of six weather stations around noon.", "degC", low=-90, high=60),
    Field("temperatureReferenceAverage", "number", "Usual temperature on this day.", "degC", low=-90, high=60),
    Field("temperatureReferenceHigh", "number", "High reference for this day.", "degC", low=-90, high=60),
    Field("temperatureReferenceLow", "number", "Low reference for this day.", "degC", low=-90, high=60),
    Field("lossOfLoadProbability", "number", "Probability that demand is not met.", "probability", low=0, high=1),
    Field("notice", "number", "Notice that the unit needs.", MINUTES, low=0),
    Field("periodMin", "number", "Shortest time that the unit must stay in this state.", MINUTES, low=0),
    Field("periodMax", "number", "Longest time over which the maximum delivery volume holds.", MINUTES, low=0),
)

_ENERGY = (
    *_of(
        "number",
        MWH,
        volume="Energy of the settlement period; bids are negative.",
        volumeMax="Greatest energy that the unit delivers within its maximum delivery period.",
        importVolume="Energy imported by the trading unit.",
        exportVolume="Energy exported by the trading unit.",
        netVolume="Exported less imported energy of the trading unit.",
        totalExemptSupplyVolume="Supply exempt from licence, in all.",
        bmUnitApplicableBalancingServicesVolume="Energy that balancing services add to the unit's volume, signed.",
        netBuyPriceVolumeAdjustmentEnergy="Net bought volume taken for energy balance.",
        netBuyPriceVolumeAdjustmentSystem="Net bought volume taken for the system.",
        netSellPriceVolumeAdjustmentEnergy="Net sold volume taken for energy balance.",
        netSellPriceVolumeAdjustmentSystem="Net sold volume taken for the system.",
        netImbalanceVolume="System imbalance; positive when the system was short and energy was bought.",
        replacementPriceReferenceVolume="Volume from which the replacement price was derived.",
        totalVolumeAccepted="Accepted energy of the settlement period; bids are negative.",
        totalAcceptedOfferVolume="Accepted offers.",
        totalAcceptedBidVolume="Accepted bids, negative.",
        totalAdjustmentSellVolume="Adjustment actions that sell, negative.",
        totalAdjustmentBuyVolume="Adjustment actions that buy.",
        totalSystemTaggedAcceptedOfferVolume="Accepted offers tagged as system actions.",
        totalSystemTaggedAcceptedBidVolume="Accepted bids tagged as system actions, negative.",
        totalSystemTaggedAdjustmentSellVolume="Selling adjustment actions tagged as system actions, negative.",
        totalSystemTaggedAdjustmentBuyVolume="Buying adjustment actions tagged as system actions.",
        dmatAdjustedVolume="Volume left after removal of actions below the smallest size that counts.",
        arbitrageAdjustedVolume="Volume left after removal of opposite actions that cancel.",
        nivAdjustedVolume="Volume left after tagging by net imbalance volume.",
        parAdjustedVolume="Volume left after tagging by price average reference volume.",
        tlmAdjustedVolume="Volume after transmission losses.",
    ),
    Field(
        "pairVolumes",
        "json",
        "Accepted energy in MWh by bid-offer pair: negative1 to negative6, positive1 to positive6.",
    ),
    *_of(
        "number",
        NOT_STATED,
        secondaryQuantity="Second quantity of the offer.",
        loadShapePeriodValue="Shape of the settlement period.",
        loadShapeDayTotal="Sum of the shape over the day.",
        loadShapeDayPeakTotal="Sum over the day's peak periods.",
        loadShapeDayOffPeakTotal="Sum over the day's other periods.",
        loadShape7DayRollingTotal="Sum over seven days.",
        loadShape7DayRollingPeakTotal="Sum over the peak periods of seven days.",
        loadShape7DayRollingOffPeakTotal="Sum over the other periods of seven days.",
        loadShapeRollingAnnualTotal="Sum over a year.",
    ),
)

_MONEY = (
    *_of(
        "number",
        GBP_PER_MWH,
        price="Volume-weighted price of the settlement period.",
        systemSellPrice="Price paid for surplus energy; equal to systemBuyPrice since there is one price.",
        systemBuyPrice="Price charged for missing energy; equal to systemSellPrice since there is one price.",
        reserveScarcityPrice="Price of reserve: probability of lost load times its value.",
        sellPriceAdjustment="Adjustment of the sell price.",
        buyPriceAdjustment="Adjustment of the buy price.",
        sellPricePriceAdjustment="Adjustment of the sell price.",
        buyPricePriceAdjustment="Adjustment of the buy price.",
        replacementPrice="Price given to actions that have none of their own.",
        originalPrice="Price of the action before repricing.",
        finalPrice="Price of the action in the calculation.",
        energyPrice="Price of the bid; unit inferred.",
        tradePrice="Price of the offer; unit inferred.",
    ),
    Field("offer", "number", "Price to move up; ±99999 means no offer.", GBP_PER_MWH, sentinels=NO_PRICE),
    Field("bid", "number", "Price to move down; ±99999 means no bid.", GBP_PER_MWH, sentinels=NO_PRICE),
    Field("procurementPrice", "number", "Price of the procured capacity; unit inferred.", GBP_PER_MW),
    *_of(
        "number",
        GBP,
        amount="Money of the month.",
        cost="Cost of the action; negative is income.",
        tlmAdjustedCost="Cost after transmission losses.",
        totalCashflow="Money paid to the unit in the settlement period; negative when it pays.",
        netBuyPriceCostAdjustmentEnergy="Net cost of bought energy.",
        netSellPriceCostAdjustmentEnergy="Net cost of sold energy.",
    ),
    Field(
        "bidOfferPairCashflows",
        "json",
        "Cashflow in GBP by bid-offer pair: negative1 to negative6, positive1 to positive6.",
    ),
    Field("transmissionLossMultiplier", "number", "Multiplier for transmission losses.", "factor", low=0),
    Field("transmissionLossFactor", "number", "Zonal factor for transmission losses, signed.", "factor"),
)

VOCABULARY: Mapping[str, Field] = {
    f.name: f for f in (*_TIMES, *_UNITS_AND_PARTIES, *_CODES, *_MESSAGES, *_POWER, *_ENERGY, *_MONEY)
}
"""Every known field by name."""


def fields(names: str, *special: Field) -> tuple[Field, ...]:
    """Fields of one dataset, in the order named.

    Args:
        names: Field names separated by blanks.
        special: Fields that mean something else in this dataset, made with ``meaning``; they take the place of their
            namesakes.

    Raises:
        KeyError: A name is not in the vocabulary, or a special field is not among the names.
    """
    chosen = names.split()
    own = {f.name: f for f in special}
    if unused := own.keys() - set(chosen):
        raise KeyError(f"special fields that are not chosen: {sorted(unused)}")
    return tuple(own[name] if name in own else VOCABULARY[name] for name in chosen)


def meaning(
    name: str,
    text: str,
    *,
    type_: FieldType | None = None,
    unit: str | None = None,
    aliases: tuple[str, ...] = (),
    low: float | None = None,
) -> Field:
    """A field of the vocabulary that means something else in one dataset; what is not given stays."""
    known = VOCABULARY[name]
    return replace(
        known,
        meaning=text,
        type=type_ or known.type,
        unit=unit or known.unit,
        aliases=aliases or known.aliases,
        low=known.low if low is None else low,
    )
