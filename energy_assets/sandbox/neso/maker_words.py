"""Words that synthetic files of the portal are made of, by column and by what the catalogue says that a column means.

Vocabulary only. Where a column is part of a key, its words tell rows apart.
"""

from __future__ import annotations

import re

from energy_assets.catalogue.model import SETTLEMENT_RUNS, Field
from energy_assets.sandbox.words import split

_YES_NO = ("Yes", "No")
_FLAG = ("T", "F")
_FUELS = split("WIND CCGT BIOMASS PS BATTERY NPSHYD OCGT")
_TECHNOLOGIES = ("Wind Onshore", "Energy Storage System", "PV Array (Photo Voltaic/solar)", "CCGT (Combined Cycle)")
_PRODUCTS = split("DCL DCH DRL DRH DML DMH PQR NQR PSR NSR PBR NBR")
_SERVICES = split("DC DR DM QR SR BR STOR")
_PATHWAYS = ("Holistic Transition", "Electric Engagement", "Hydrogen Evolution", "Falling Behind")
_BOUNDARIES = split("SCOTEX SSE-SP2 SSHARN3 FLOWSTH SEIMPPR2 ESTEX")
_AREAS = ("England", "Scotland", "Wales")
_REGIONS = ("North Scotland", "South Scotland", "North England", "South England and Wales")
_DISTRICTS = ("Northern Example", "Lowland Example", "Example upon Sample", "Sample, City of")
_DISTRIBUTORS = ("Example Power Networks (North)", "Example Power Networks (South)", "Sample Grid Distribution")
_VOLTAGES = ("132/kV", "275/kV", "400/kV")
_REASONS = ("Energy balancing", "Planned outage, agreed with both operators", "Ramping", 'Known as "system security"')
_STATES = ("Accepted", "Rejected")

WORDS: dict[str, tuple[str, ...]] = {
    "forecast_actual_indicator": ("A",),
    "run_type": SETTLEMENT_RUNS,
    "cp": ("OVN", "1A", "DP", "2B", "3A", "EVE"),
    "cardinal_point": ("OVN", "1A", "DP", "2B", "3A", "EVE"),
    "fuel": _FUELS,
    "fuel_type": _FUELS,
    "bid_offer": ("Bid", "Offer"),
    "pair_id": ("1", "-1", "2", "-2"),
    "excluded_from_accepted_or_feasible_merit_stack": ("accepted", "feasible"),
    "exclusion_reason": ("system action", "dynamic parameter", "response, or reserve", "out of merit"),
    "auction_product": _PRODUCTS,
    "service": _SERVICES,
    "service_name": _SERVICES,
    "service_id": ("PQR", "NQR", "PSR", "NSR"),
    "service_type": _PRODUCTS,
    "service_catalog": ("STOR Day Ahead",),
    "interval_bound": ("Lower", "Central", "Upper"),
    "forecast_type": ("Day ahead", "Medium term"),
    "intensity_index": ("very low", "low", "moderate", "high", "very high"),
    "status": _STATES,
    "bid_validity": ("Valid", "Invalid"),
    "trade_flag": _FLAG,
    "so_flag": _FLAG,
    "system_flag": _FLAG,
    "buy_sell": ("Buy", "Sell"),
    "bm_nbm": ("BM", "NBM"),
    "wd_nwd": ("WD", "NWD"),
    "season": tuple(f"{season}" for season in range(1, 7)),
    "publication": ("Draft", "Final", "Initial"),
    "publication_type": ("Draft", "Final"),
    "pathway": _PATHWAYS,
    "scenario": _PATHWAYS,
    "constraint_group": _BOUNDARIES,
    "constraint": _BOUNDARIES,
    "voltage_constraint_group": ("North", "Mersey Ring", "South West", "London & South"),
    "voltage_group": ("North", "Mersey Ring", "South West", "London & South"),
    "auction_type": ("Day Ahead", "Intraday 1", "Intraday 2"),
    "event_type": ("Live", "Test"),
    "event_tag": ("Day ahead", "Within day"),
    "service_requirement_type": ("Live", "Test"),
    "requirement_type": ("Live", "Test"),
    "notification_type": ("Anticipated requirement", "Cancellation"),
    "type": ("Live", "Test"),
    "record_type": ("PN", "MEL"),
    "instruction_code": ("STRT", "CEASE"),
    "market_name": ("GB DC Low", "GB DC High"),
    "local_authority": _DISTRICTS,
    "resp_region": _AREAS,
    "region": _REGIONS,
    "region_name": _REGIONS,
    "dno": _DISTRIBUTORS,
    "dno_licence_area": _DISTRIBUTORS,
    "pes_name": _DISTRIBUTORS,
    "host_to": split("NGET SPT SHET OFTO"),
    "b6_ec5": ("B6", "EC5"),
    "tdr_band": ("Domestic", "LV No MIC Band 1", "LV MIC Band 1", "HV Band 1", "EHV Band 4"),
    "voltage": _VOLTAGES,
    "connection_type": ("Redundancy", "No redundancy"),
    "sum_of_tec_at_connecting_substation": ("<1320 MW", ">=1320 MW"),
    "sector": ("Residential", "Commercial"),
    "settlement_currency": ("GBP",),
    "service_window": ("WD1", "WD2", "WD3", "WD4", "WD5", "WD6"),
    "transfer_status": ("Approved", "Pending"),
    "change_type": ("Updated", "Added", "Removed"),
    "project_status": ("Built", "Scoping", "Awaiting Consents", "Under Construction/Commissioning"),
    "order_type": ("Child", "Parent", "Substitutable Child"),
    "transmission_or_distribution": ("Transmission", "Distribution", "N/A"),
    "component_id": ("000000", "000001", "N/A", "014512"),
    "qualified_ic": ("IFA1,IFA2,NEMO", "BN", "EL,VKL"),
    "coordinates": ("53.4084, -2.9916", "51.5072, -0.1276"),
    "post_code": ("EX1 1PL", "SA3 4MP"),
    "multiplier": ("0.0125", "1.25%"),
    "beta_value": ("0.98", "1"),
}
"""Spellings by column, most telling first."""

FREE = (
    "Made by the sandbox.",
    "Made by the sandbox, with a comma.",
    'Called "synthetic" by the sandbox, and so it is.',
)
"""Texts that need quoting, for columns in which people write."""

UNITS_OF_VALUES = ("GWh", "MW")
"""What values are measured in that have their unit beside them."""

COMPANIES = ("Northern Example Power Limited", "Lowland Example Trading plc", "Sample, Flexibility & Co")

PERSONAL = {"telephone": "020 7946 0{number:03d}", "email": "person{number}@example.com"}
"""Data of nobody: numbers set aside for drama, and a name set aside for examples."""

GROWN = ("Synthetic £m", "SYNTHEX1", "SYNTHEX - Actual", "synthetic_link", "Synthetic heat pumps")
"""Headers for families whose columns come and go."""

_UNITS = re.compile(r"\b([Uu]nit|unit or farm)\b(?! of the value)")
_UNIT_NAMES = frozenset({"bm_name", "unit"})
_COMPANY = re.compile(
    r"^(Company|Counterparty|Participant|Party|Provider|Customer|Agent|Applicant|Parent|Holder|Related)"
)
_FREE = re.compile(r"^(notes?|remark|description.*|reasons?|change_issue_title|previous|latest)$")
_TECHNOLOGY = re.compile(r"^(Technology|Class of technology|Main fuel|Kind of plant)")


def words_of(field: Field, resource: str) -> tuple[str, ...]:
    """The words that a column may hold; where the resource's name has some of them, only those; often none.

    Args:
        field: The column.
        resource: Name of the resource.
    """
    words = WORDS.get(field.name, ())
    if not words and _TECHNOLOGY.match(field.meaning):
        words = _TECHNOLOGIES
    if not words and field.meaning.startswith("Why"):
        words = _REASONS
    named = set(re.findall(r"[\w-]+", resource))
    return tuple(word for word in words if word in named) or words


def is_free(field: Field) -> bool:
    """Whether people write what they like in a column."""
    return _FREE.match(field.name) is not None


def is_unit(field: Field) -> bool:
    """Whether a column names a generating or consuming unit."""
    if field.name in _UNIT_NAMES:
        return True
    named = field.name.endswith(("_id", "unit", "_name")) and "full" not in field.name
    return named and _UNITS.search(field.meaning) is not None and not field.meaning.startswith(("Name", "Whether"))


def plain_text(field: Field, number: int) -> str:
    """A text for a column without vocabulary; another number gives another text.

    Args:
        field: The column.
        number: From 0.
    """
    meaning = field.meaning
    if is_free(field):
        return f"{FREE[number % len(FREE)]} ({number + 1})"
    if field.name.endswith("_id") or field.name == "id" or "dentifier" in meaning:
        return f"SYN{field.name.removesuffix('_id').upper()[:6]}-{number:06d}"
    if meaning.startswith("Whether"):
        return _YES_NO[number % 2]
    if _COMPANY.match(meaning):
        return COMPANIES[number % len(COMPANIES)] + ("" if number < len(COMPANIES) else f" {number}")
    if meaning.endswith("as written."):
        return _written(meaning, number)
    return f"{field.name.replace('_', ' ').capitalize()} {number + 1}"


def _written(meaning: str, number: int) -> str:
    """Days, fees and lengths as people write them."""
    if " day " in f" {meaning.lower()} ":
        return f"{number % 28 + 1:02d}/{number % 12 + 1:02d}/2027"
    if meaning.startswith(("Fee", "Most that")):
        return f"£{5000 + 250 * (number % 40):,}.00 /MW"
    if meaning.startswith(("Length", "Longest", "Term")):
        return f"{number % 15 + 1} year(s)"
    return f"{number % 400 + 0.5}"
