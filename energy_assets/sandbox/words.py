"""The codes and names that synthetic rows are made of, by field name.

Vocabulary only: spellings that occur in the provider's data, most telling first, because small days take the first.
No invented measurement and no row belongs here.
"""

from __future__ import annotations

from functools import lru_cache

from energy_assets.catalogue.model import SETTLEMENT_RUNS


def split(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


FUELS = split(
    "CCGT WIND NUCLEAR INTFR PS BIOMASS NPSHYD OCGT OTHER COAL OIL INTIRL INTNED INTEW INTNEM INTELEC INTIFA2 INTNSL "
    "INTVKL INTGRNL"
)
MONTHS = split("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
RUNS = tuple(run for run in SETTLEMENT_RUNS if run != "DF")
"""Settlement runs that are held for every day; a dispute run is not."""

_GSP_GROUPS = tuple(f"_{letter}" for letter in "ABCDEFGHJKLMNP")
_PARTIES = ("Northern Example Power Limited", "Lowland Example Trading plc", "Sample Flexibility Limited")
_PARTY_IDS = ("SYNNORTH", "SYNLOW", "SYNFLEX")

WORDS: dict[str, tuple[str, ...]] = {
    "fuelType": FUELS,
    "boundary": ("N", *(f"B{n}" for n in range(1, 18))),
    "dataProvider": ("APXMIDP", "N2EXMIDP"),
    "psrType": (
        "Wind Offshore",
        "Wind Onshore",
        "Solar",
        "Fossil Gas",
        "Nuclear",
        "Biomass",
        "Hydro Pumped Storage",
        "Hydro Run-of-river and poundage",
        "Fossil Hard coal",
        "Fossil Oil",
        "Other",
    ),
    "businessType": ("Production", "Wind generation", "Solar generation"),
    "processType": ("Day ahead", "Intraday process"),
    "flowDirection": ("Up", "Down"),
    "priceDirection": ("Expenditure", "Income"),
    "status": ("Intermediate", "Final"),
    "marketAgreementType": ("Daily", "Weekly"),
    "settlementRunType": RUNS,
    "amendmentFlag": ("ORI",),
    "tradeDirection": ("Bid", "Offer"),
    "traderUnit": ("EWIC_NG", "NEMO_NG"),
    "gspGroupId": _GSP_GROUPS,
    "gspGroupName": ("Eastern", "East Midlands", "London", "Merseyside and North Wales"),
    "region": ("North Scotland", "South Scotland", "North England", "South England and Wales"),
    "systemZone": ("GB",),
    "forecastDateTimezone": ("Europe/London",),
    "priceDerivationCode": ("N", "P"),
    "dataType": ("Original", "Tagged", "Repriced", "Originally-priced"),
    "acceptanceDuration": ("L", "S"),
    "bmUnitType": ("T", "E", "S", "I", "V"),
    "productionOrConsumptionFlag": ("P", "C"),
    "leadPartyName": _PARTIES,
    "leadPartyId": _PARTY_IDS,
    "participantId": _PARTY_IDS,
    "bscPartyId": _PARTY_IDS,
    "partyId": _PARTIES,
    "service": ("Energy", "System", "Reserve"),
    "tradingUnitType": ("Base", "Sole Trading Unit"),
    "tradingUnitName": tuple(f"DEFAULT_{group}" for group in _GSP_GROUPS),
    "deliveryMode": ("Delivering", "Offtaking"),
    "warningType": ("SYSTEM WARNING", "SO-SO TRADES", "INFORMATION"),
    "warningText": (
        "Synthetic warning text, made by the sandbox.",
        "Synthetic cancellation text, made by the sandbox.",
    ),
    "messageSeverity": ("Information", "Warning", "Error"),
    "messageTypeCode": ("INF-BM-001", "WRN-BM-002", "ERR-BM-001"),
    "messageText": ("Synthetic message, made by the sandbox.",),
    "messageType": ("UnavailabilitiesOfElectricityFacilities", "OtherMarketInformation"),
    "messageHeading": ("REMIT Information",),
    "eventType": ("Production unavailability", "Transmission unavailability"),
    "eventStatus": ("Active", "Inactive", "Dismissed"),
    "unavailabilityType": ("Planned", "Unplanned"),
    "assetType": ("Production", "Consumption", "Transmission"),
    "biddingZone": ("10YGB----------A",),
    "cause": ("Planned outage", "Turbine / Generator", "Fuel supply"),
    "durationUncertainty": ("+- 1 day", "Unknown"),
    "affectedArea": ("B1", "B7", "N"),
    "affectedDso": ("SP(D)", "UKPN", "NGED"),
    "demandControlEventFlag": ("I", "L"),
    "systemManagementActionFlag": ("T", "F"),
    "interconnectorId": tuple(fuel for fuel in FUELS if fuel.startswith("INT")),
    "interconnectorName": tuple(f"{fuel} interconnector" for fuel in FUELS if fuel.startswith("INT")),
    "interconnectorBiddingZone": ("10YFR-RTE------C", "10YNL----------L", "10YBE----------2"),
    "connectionTypeIndicator": ("W", "L", "H"),
    "marketSegmentIndicator": ("S", "A", "U"),
    "domesticPremiseIndicator": ("T", "F"),
    "measurementQuantityId": ("AI", "AE"),
    "defaultLoadShapeFlag": ("F", "T"),
}
"""Spellings by field name."""

UNIT_COLUMNS = frozenset({"bmUnit", "nationalGridBmUnit", "nationalGridBmUnitId", "elexonBmUnit"})
UNITS = 3000
"""Units of the register, about as many as there are."""

_LETTERS = "BCDFGHKLMNPRSTWY"
_PREFIXES = ("T_", "E_", "2__", "T_", "V__", "I_")


@lru_cache(maxsize=UNITS)
def neso_unit(number: int) -> str:
    """NESO's id of a synthetic unit, such as ``BFKTW-1``."""
    stem, turned = "", number // 2 * 7919 + 104_729
    for _ in range(5):
        turned, letter = divmod(turned, len(_LETTERS))
        stem += _LETTERS[letter]
    return f"{stem}-{number % 2 + 1}"


@lru_cache(maxsize=UNITS)
def elexon_unit(number: int) -> str | None:
    """Elexon's id of a synthetic unit; one unit in about a hundred has none."""
    if number % 97 == 2:
        return None
    prefix = _PREFIXES[number % len(_PREFIXES)]
    return prefix + (neso_unit(number).replace("-", "00") if prefix.endswith("__") else neso_unit(number))
