"""The vocabulary of provider fields: each name's type, unit, sign and interval convention, written once.

Entries pick fields by name and override only what means something else in their dataset. No entry and no provider
behaviour belongs here. Units are the provider's; ``(not stated)`` in a meaning says that the provider does not give one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from energy_assets.catalogue.model import Field, FieldType

MW = "MW"
MWH = "MWh"
GBP = "GBP"
GBP_PER_MWH = "GBP/MWh"

NO_PRICE = (-99999.0, 99999.0)
"""Prices at which a participant offers nothing: codes, not prices."""


def _texts(**meanings: str) -> Iterable[Field]:
    return (Field(name, "text", meaning) for name, meaning in meanings.items())


def _of(type_: FieldType, unit: str | None, **meanings: str) -> Iterable[Field]:
    return (Field(name, type_, meaning, unit) for name, meaning in meanings.items())


_TIMES = (
    *_of(
        "date",
        None,
        settlementDate="Settlement day: a Europe/London calendar day.",
    ),
    *_of(
        "instant",
        None,
        startTime="Start of the interval that the row describes (included), UTC.",
        timeFrom="Start of the segment (included), UTC; the level runs in a straight line from here to timeTo.",
        timeTo="End of the segment (excluded), UTC.",
        publishTime="When the provider published the row, UTC.",
        createdDateTime="When the provider calculated the row, UTC; the latest calculation counts.",
        createdTime="When this version of the message was created, UTC.",
        acceptanceTime="When the acceptance was issued, UTC.",
        eventStartTime="Start of the event (included), UTC.",
        eventEndTime="End of the event (excluded), UTC; missing while it is open.",
        halfHourEndTime="End of the settlement period (excluded), UTC: half an hour after its start.",
    ),
    *_of(
        "integer",
        None,
        settlementPeriod="Half hour of the settlement day, from 1 to 46, 48 or 50.",
        settlementPeriodFrom="Settlement period in which the segment begins.",
        settlementPeriodTo="Settlement period in which the segment ends.",
    ),
)

_IDENTITIES = (
    *_texts(
        dataset="Dataset tag as the provider writes it.",
        bmUnit="Elexon id of the Balancing Mechanism unit; null for units that only NESO knows.",
        nationalGridBmUnit="NESO id of the Balancing Mechanism unit.",
        nationalGridBmUnitId="NESO id of the Balancing Mechanism unit.",
        elexonBmUnit="Elexon id of the Balancing Mechanism unit.",
        fuelType="Fuel or interconnector code; codes beginning with INT are interconnectors. New codes appear unannounced.",
        psrType="Type of production, in words.",
        dataProvider="Power exchange that reports the index: APXMIDP or N2EXMIDP.",
        settlementRunType="Settlement run: II, SF, R1, R2, R3, RF or DF, in that order.",
        priceDerivationCode="How the price was derived.",
        amendmentFlag="Whether the message is an original (ORI) or an amendment.",
        partyId="Party that provides the action.",
        assetId="Asset concerned.",
        service="Balancing service under which the action was taken.",
        mrid="Message id; all revisions of a message share it.",
        messageType="Kind of message.",
        messageHeading="Heading of the message.",
        eventType="Kind of event.",
        unavailabilityType="Planned or unplanned.",
        participantId="Market participant that reports.",
        registrationCode="Registration (ACER) code of the participant.",
        assetType="Kind of asset: production, consumption, transmission.",
        affectedUnit="Unit concerned.",
        affectedUnitEIC="Energy identification code of the unit concerned.",
        affectedArea="Area concerned.",
        biddingZone="Bidding zone, as an energy identification code.",
        eventStatus="Active, Inactive or Dismissed; Inactive is also used for events that are over.",
        durationUncertainty="How uncertain the end is, in words.",
        cause="Cause of the event, in words.",
        relatedInformation="Further remarks.",
        eic="Energy identification code.",
        leadPartyName="Name of the lead party.",
        leadPartyId="Id of the lead party.",
        bmUnitType="Type of unit: T transmission, E embedded, S supplier, G, I interconnector, V secondary.",
        bmUnitName="Name of the unit.",
        productionOrConsumptionFlag="P production, C consumption.",
        gspGroupId="Grid supply point group.",
        gspGroupName="Name of the grid supply point group.",
        interconnectorId="Interconnector of the unit.",
        value="The listed value.",
        id="Balancing Mechanism unit, or number of the adjustment action, whose volume stands here.",
        bidOffer="Side of the stack, known from the request: bid or offer.",
    ),
    *_of(
        "integer",
        None,
        acceptanceNumber="Number of the acceptance, unique within its unit only.",
        acceptanceId="Number of the acceptance, unique within its unit only.",
        pairId="Bid-offer pair: negative below the notified level, positive above it.",
        bidOfferPairId="Bid-offer pair: negative below the notified level, positive above it.",
        sequenceNumber="Rank in the stack, from 1.",
        revisionNumber="Revision of the message; the highest counts.",
    ),
    *_of(
        "boolean",
        None,
        deemedBoFlag="Deemed acceptance: no bid or offer had been submitted.",
        soFlag="Taken for reasons of the system and not of energy balance.",
        storFlag="Short-term operating reserve action.",
        rrFlag="Replacement reserve action.",
        isTendered="Whether the action was tendered.",
        bsadDefaulted="Whether adjustment data were missing and replaced by defaults.",
        cadlFlag="Action too short to count: continuous acceptance duration limit.",
        storProviderFlag="Provider of short-term operating reserve.",
        repricedIndicator="Whether the action was repriced.",
        fpnFlag="Whether the unit submits physical notifications.",
        creditQualifyingStatus="Whether the unit qualifies for credit cover purposes.",
        demandInProductionFlag="Whether demand counts in a production account.",
    ),
    Field("outageProfile", "json", "Steps of available capacity in MW: startTime, endTime, capacity."),
)

_MEASURES = (
    *_of(
        "number",
        MW,
        generation="Mean power over the interval; negative is consumption.",
        levelFrom="Level at timeFrom; positive is export to the system, negative import from it.",
        levelTo="Level at timeTo; positive is export to the system, negative import from it.",
        normalCapacity="Capacity without the event.",
        availableCapacity="Capacity left during the event.",
        unavailableCapacity="Capacity lost during the event.",
        demandCapacity="Registered greatest demand, at most zero by convention.",
        generationCapacity="Registered greatest generation.",
        workingDayCreditAssessmentImportCapability="Import capability for credit assessment on working days.",
        nonWorkingDayCreditAssessmentImportCapability="Import capability for credit assessment on other days.",
        workingDayCreditAssessmentExportCapability="Export capability for credit assessment on working days.",
        nonWorkingDayCreditAssessmentExportCapability="Export capability for credit assessment on other days.",
    ),
    *_of(
        "number",
        MWH,
        quantity="Metered volume of the settlement period; positive is export, negative consumption.",
        volume="Energy of the settlement period.",
        netImbalanceVolume="System imbalance; positive when the system was short and energy was bought.",
        replacementPriceReferenceVolume="Volume from which the replacement price was derived.",
        totalAcceptedOfferVolume="Accepted offers.",
        totalAcceptedBidVolume="Accepted bids, negative.",
        totalAdjustmentSellVolume="Adjustment actions that sell, negative.",
        totalAdjustmentBuyVolume="Adjustment actions that buy.",
        totalSystemTaggedAcceptedOfferVolume="Accepted offers tagged as system actions.",
        totalSystemTaggedAcceptedBidVolume="Accepted bids tagged as system actions, negative.",
        totalSystemTaggedAdjustmentSellVolume="Selling adjustment actions tagged as system actions, negative.",
        totalSystemTaggedAdjustmentBuyVolume="Buying adjustment actions tagged as system actions.",
        dmatAdjustedVolume="Volume left after removal of actions below the de minimis threshold.",
        arbitrageAdjustedVolume="Volume left after arbitrage tagging.",
        nivAdjustedVolume="Volume left after net imbalance volume tagging.",
        parAdjustedVolume="Volume left after price average reference tagging.",
        tlmAdjustedVolume="Volume after transmission losses.",
    ),
    *_of(
        "number",
        GBP_PER_MWH,
        price="Volume-weighted price of the settlement period.",
        systemSellPrice="Price paid for surplus energy; equal to systemBuyPrice since single pricing.",
        systemBuyPrice="Price charged for missing energy; equal to systemSellPrice since single pricing.",
        reserveScarcityPrice="Price of reserve from the loss of load probability and the value of lost load.",
        sellPriceAdjustment="Adjustment of the sell price.",
        buyPriceAdjustment="Adjustment of the buy price.",
        replacementPrice="Price given to actions that have none of their own.",
        originalPrice="Price before repricing.",
        finalPrice="Price that enters the calculation.",
    ),
    *_of(
        "number", GBP, cost="Cost of the action; negative is income.", tlmAdjustedCost="Cost after transmission losses."
    ),
    *_of(
        "number",
        "factor",
        transmissionLossMultiplier="Transmission loss multiplier.",
        transmissionLossFactor="Transmission loss factor.",
    ),
    Field(
        "offer",
        "number",
        "Price at which the unit goes up; ±99999 means that nothing is offered.",
        GBP_PER_MWH,
        sentinels=NO_PRICE,
    ),
    Field(
        "bid",
        "number",
        "Price at which the unit goes down; ±99999 means that nothing is offered.",
        GBP_PER_MWH,
        sentinels=NO_PRICE,
    ),
)

VOCABULARY: dict[str, Field] = {f.name: f for f in (*_TIMES, *_IDENTITIES, *_MEASURES)}
"""Every known field by name."""


def fields(names: str, **overrides: dict[str, Any]) -> tuple[Field, ...]:
    """Fields of one dataset, in the order named.

    Args:
        names: Field names separated by blanks.
        overrides: Attributes that differ in this dataset, by field name.

    Raises:
        KeyError: A name is not in the vocabulary, or an override names no chosen field.
    """
    chosen = names.split()
    unused = set(overrides) - set(chosen)
    if unused:
        raise KeyError(f"overrides of fields that are not chosen: {sorted(unused)}")
    return tuple(replace(VOCABULARY[name], **overrides.get(name, {})) for name in chosen)
