"""Electricity market reform: the capacity market's register."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import Dataset, Field, PersonalRows
from energy_assets.catalogue.neso.build import UNSURE_KEY, columns, entry

GROUP = "electricity_market_reform"

_PACKAGE = "capacity-market-register"
_CADENCE = "weekly or so"
_BEGINS = date(2025, 2, 18)


CONTACTS = PersonalRows("attribute", "contact|phone|e-?mail", ("previous", "latest"))
"""Every column of the register may be an attribute that changed, those with a telephone and an e-mail among them."""

CHANGES_OF_CONTACTS = ("What was and is written is left out where a contact changed.",)


def _register(
    name: str,
    title: str,
    description: str,
    *,
    resources: str,
    own: tuple[tuple[Field, ...], tuple[str, ...]],
    key: str,
    rows: int | None = None,
    personal: tuple[Field, ...] = (),
    personal_rows: PersonalRows | None = None,
    notes: tuple[str, ...] = (),
    unsure: tuple[str, ...] = (),
) -> Dataset:
    """One table of the register, as it stood on a day."""
    return entry(
        f"CAPACITY_{name}",
        title,
        description,
        group=GROUP,
        package=_PACKAGE,
        resources=resources,
        kind="register",
        columns=own,
        key=key,
        repeats=True,
        personal=personal,
        personal_rows=personal_rows,
        cadence=_CADENCE,
        begins=_BEGINS,
        rows_per_day=rows,
        notes=notes,
        unsure=unsure,
    )


AUCTIONS = _register(
    "AUCTION_COST",
    "Capacity market: auctions",
    "Capacity awarded in every auction and what it is expected to cost.",
    resources=r"Capacity Market Auction Capacity and Cost",
    own=columns("""
        Auction Name
        Delivery Year
        Capacity Awarded
        Forecast Cost_GBP | Forecast Cost (£)
        """),
    key="auction_name delivery_year",
)
AUCTION_RULES = _register(
    "AUCTION_RULES",
    "Capacity market: terms of the auctions",
    "Clearing price, target, fees and caps of every auction.",
    resources=r"Capacity Market Auction Static Data",
    own=columns(
        """
        Auction Name
        Clearing Price_GBP per kW per year | Clearing Price (£/kW/year) -> clearing_price_gbp_per_kw_per_year
        Base Period for the Agreement
        Auction Target Capacity_MW | Auction Target Capacity (MW)
        Total Volume of Agreements Awarded
        Termination Fee 1 Rate
        Termination Fee 2 Rate
        Termination Fee 3 Rate
        Termination Fee 4 Rate
        Termination Fee 5 Rate
        Termination Fee 6 Rate
        Termination Fee 7 Rate
        Termination Fee 8 Rate
        Termination Fee 9 Rate
        Annual Penalty Cap
        Monthly Penalty Cap
        """
    ),
    key="auction_name",
    notes=("Fees and caps are text, with pound sign and unit.",),
)
DERATING = _register(
    "DERATING",
    "Capacity market: de-rating factors",
    "Share of its capacity that counts, by auction and class of technology.",
    resources=r"Capacity Market De-Rating Factors",
    own=columns("""
        Auction Name
        Primary Fuel Type
        Generating Technology Class
        De Rating Factor | De-Rating Factor
        """),
    key="auction_name primary_fuel_type generating_technology_class",
)
UNITS = _register(
    "UNITS",
    "Capacity market: units",
    "Every application of a capacity market unit, with its capacities, agreement and milestones.",
    resources=r"Capacity Market Unit \(CMU\)",
    own=columns("""
        Auction Name
        Application ID
        CMU ID
        Type
        Auction
        Delivery Year
        Name of Applicant
        Agent Name
        CM Unit Name
        Parent Company
        Transmission or Distribution
        CM Unit Type
        CM Unit Category
        Primary Fuel Type
        CMU Technology
        Storage Facility
        Pre Qualification Decision | Pre-Qualification Decision
        Opt Out Status
        Opt Out Reason
        Maximum Obligation Period
        Unproven DSR
        New Build Yet to Satisfy FCM
        Connection Agreement Deferral Declaration
        TEC Deferral
        Amount of Credit Cover
        Planning Consents Conditions
        Connection or DSR Capacity | Connection / DSR Capacity
        Proven DSR Capacity
        DSR Bidding Capacity
        De Rated Capacity | De-Rated Capacity
        Pre Refurbishing De Rated Capacity | Pre-Refurbishing De-Rated Capacity
        Post Refurbishing De Rated Capacity | Post-Refurbishing De-Rated Capacity
        Pre Refurbishing CMU Status | Pre-Refurbishing CMU Status
        Anticipated De Rated Capacity | Anticipated De-Rated Capacity
        Anticipated Pre Refurbishing De Rated Capacity | Anticipated Pre-Refurbishing De-Rated Capacity
        Anticipated Post Refurbishing De Rated Capacity | Anticipated Post-Refurbishing De-Rated Capacity
        Date of Issue of DSR Test Certificate
        DSR Test Method
        CMU confirmed entry into Auction
        Duration of Capacity Agreement in First Bidding Round
        Pre Refurbishment Bidding Status | Pre-Refurbishment Bidding Status
        Capacity Agreement Awarded
        Duration of Capacity Agreement Awarded
        Unique Agreement Identifier
        Registered Holder
        Date of Issue of Capacity Agreement
        Term of the Capacity Agreement
        Delivery Years for which Agreement Valid
        Auction Acquired Capacity Obligation
        Is FCM required
        Date for Financial Commitment Milestone
        Is Connection Agreement required
        Date for provision of deferred Connection Agreement
        Subject to a Minimum Completion Requirement
        Subject to Substantial Completion Milestone
        Long Stop Date for the Minimum Completion Requirement
        Earliest Date SCM is expected to be achieved
        Latest Date SCM is expected to be achieved
        Is copy of Grid Connection Agreement required
        Date for provision of deferred TEC
        Termination Fee 1 Rate
        Termination Fee 2 Rate
        Termination Fee 3 Rate
        Termination Fee 4 Rate
        Termination Fee 5 Rate
        Annual Penalty Cap
        Monthly Penalty Cap
        Legal Name of any Person with a Security Interest
        Nature of the Security Interest
        Capacity Agreement has been Terminated
        Date of Termination of Capacity Agreement
        List of Traded Capacity Obligations
        Period for which the transfer applies
        Capacity obligation Summary
        Beta Value
        Has Capacity Agreement been Suspended
        """),
    key="auction_name application_id cmu_id",
    rows=18_200,
    personal=(
        Field(
            "secondary_trading_contact_telephone",
            "text",
            "Telephone number of the contact for secondary trading.",
            aliases=(
                "Secondary Trading Contact_Telephone",
                "Secondary Trading Contact - Telephone",
                "Secondary Trading Contact (Telephone)",
            ),
        ),
        Field(
            "secondary_trading_contact_email",
            "text",
            "E-mail address of the contact for secondary trading.",
            aliases=(
                "Secondary Trading Contact_Email",
                "Secondary Trading Contact - Email",
                "Secondary Trading Contact (Email)",
            ),
        ),
    ),
    notes=(
        "Telephone number and e-mail address of the contact are left out unless a setting asks for them.",
        "Rates are text, with pound sign and unit.",
    ),
    unsure=("Whether dates with slashes have the day first in every column.",),
)
UNIT_CHANGES = _register(
    "UNIT_CHANGES",
    "Capacity market: changes of units",
    "Every change of an entry about a capacity market unit.",
    resources=r"Capacity Market Unit \(CMU\) History",
    own=columns("""
        Auction Name
        Application ID
        CMU ID
        Type
        Delivery Year
        Attribute
        Previous
        Latest
        Change Type
        Change Date
        """),
    key="auction_name application_id cmu_id attribute change_date change_type",
    personal_rows=CONTACTS,
    notes=CHANGES_OF_CONTACTS,
)
COMPONENTS = _register(
    "COMPONENTS",
    "Capacity market: components",
    "Components of every capacity market unit, with technology, capacity and place.",
    resources=r"Components",
    own=columns("""
        Auction Name
        Application ID
        CMU ID
        Delivery Year
        Component ID
        Type
        Generating Technology Class
        Permitted On Site Generating Unit
        Primary Fuel of Component
        Connection or DSR Capacity | Connection / DSR Capacity
        De Rated Capacity | De-Rated Capacity
        Pre Refurbishing De Rated Capacity | Pre-Refurbishing De-Rated Capacity
        Post Refurbishing De Rated Capacity | Post-Refurbishing De-Rated Capacity
        Generating Capacity of On Site Generating Unit
        Description of CMU Components
        Location and Post Code
        OS Grid Reference
        Number of Components
        """),
    key="auction_name application_id cmu_id component_id",
    rows=29_849,
    notes=("A component's number may be N/A or 000000: it is text.",),
    unsure=(UNSURE_KEY,),
)
COMPONENT_CHANGES = _register(
    "COMPONENT_CHANGES",
    "Capacity market: changes of components",
    "Every change of an entry about a component, since components were brought together in July 2026.",
    resources=r"Component History",
    own=columns("""
        Auction Name
        Application ID
        CMU ID
        Component ID
        Type
        Delivery Year
        Attribute
        Previous
        Latest
        Change Type
        Change Date
        """),
    key="auction_name application_id cmu_id component_id attribute change_date change_type",
    personal_rows=CONTACTS,
    notes=CHANGES_OF_CONTACTS,
    rows=7_460,
)
COMPONENT_CHANGES_BEFORE = _register(
    "COMPONENT_CHANGES_BEFORE",
    "Capacity market: changes of components until July 2026",
    "Every change of an entry about a component, before components were brought together.",
    resources=r"Component History - Pre Aggregation",
    own=columns("""
        Auction Name
        Application ID
        CMU ID
        Component ID
        Type
        Delivery Year
        Attribute
        Previous
        Latest
        Change Type
        Change Date
        """),
    key="auction_name application_id cmu_id component_id attribute change_date change_type",
    personal_rows=CONTACTS,
    notes=CHANGES_OF_CONTACTS,
    rows=1_918_503,
)

ENTRIES = (
    AUCTIONS,
    AUCTION_RULES,
    DERATING,
    UNITS,
    UNIT_CHANGES,
    COMPONENTS,
    COMPONENT_CHANGES,
    COMPONENT_CHANGES_BEFORE,
)
