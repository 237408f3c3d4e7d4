"""Ancillary services: auctions of response and reserve, requirements, dispatch, adjustment data, reactive power."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import Clock, Dataset, Field, Issue, SettlementInterval
from energy_assets.catalogue.neso.build import (
    LAST_MODIFIED,
    UNSURE_KEY,
    UNSURE_ZONE,
    columns,
    entry,
    unstated,
    utc,
)
from energy_assets.catalogue.neso.fields import GBP_PER_MW_H, MW, meaning

GROUP = "ancillary_services"

_LABELLED = (
    meaning("delivery_start", "Start of delivery, as labelled.", type_="text"),
    meaning("delivery_end", "End of delivery, as labelled.", type_="text"),
)
"""Delivery in tables that do not name their clock."""

OBP_PHYSICAL_NOTIFICATIONS = entry(
    "OBP_PHYSICAL_NOTIFICATIONS",
    "Physical notifications outside the Balancing Mechanism",
    "What units outside the Balancing Mechanism plan to do, as told to the open balancing platform.",
    group=GROUP,
    package="obp-non-bm-physical-notifications",
    resources=r"Non-BM Physical Notifications",
    kind="history",
    columns=columns("""
        Data -> record_type
        Unit ID
        Time From
        Level From
        Time To
        Level To
        """),
    key="unit_id time_from",
    day_of="time_from",
    clocks=unstated("time_from", "time_to"),
    cadence="about every half hour",
    probe_minutes=30,
    profiles=("battery",),
    begins=date(2025, 9, 29),
    rows_per_day=1500,
    notes=("Unit and start are the key that NESO declares.",),
    unsure=(UNSURE_ZONE,),
)
OBP_RESERVE_INSTRUCTIONS = entry(
    "OBP_RESERVE_INSTRUCTIONS",
    "Reserve instructions outside the Balancing Mechanism",
    "Instructions to units outside the Balancing Mechanism for quick and slow reserve.",
    group=GROUP,
    package="obp-non-bm-reserve-instructions",
    resources=r"Non-BM Instructions from OBP",
    kind="history",
    columns=columns("""
        Instruction ID
        Sequence
        Unit ID
        Service ID
        Instruction Point Type
        Issue Datetime
        Point Datetime
        Target MW
        Target Price
        Instruction Point ID
        Instruction Status
        """),
    key="instruction_id sequence instruction_point_id",
    day_of="issue_datetime",
    clocks=unstated("issue_datetime", "point_datetime"),
    cadence="through the day",
    probe_minutes=60,
    profiles=("battery",),
    begins=date(2025, 8, 6),
    rows_per_day=20,
    unsure=(UNSURE_ZONE, UNSURE_KEY),
)
OBP_RESERVE_PRICES = entry(
    "OBP_RESERVE_PRICES",
    "Reserve availability and prices outside the Balancing Mechanism",
    "Power that units outside the Balancing Mechanism offer as reserve, and what using it costs.",
    group=GROUP,
    package="obp-reserve-availability-utilisation-price",
    resources=r"Non-BM Reserve Availability MW and Utilisation Price",
    kind="history",
    columns=columns(
        """
        Data -> record_type
        Unit ID
        Time From
        Time To
        Pair ID
        Availability Power
        Utilisation Price
        Service ID
        """,
        meaning("pair_id", "Number of the pair.", type_="integer"),
    ),
    key="unit_id time_from service_id pair_id",
    day_of="time_from",
    clocks=unstated("time_from", "time_to"),
    cadence="about every half hour",
    probe_minutes=30,
    profiles=("battery",),
    begins=date(2025, 8, 6),
    notes=("Unit, start and service are the key that NESO declares; the pair is added here.",),
    unsure=(UNSURE_ZONE,),
)
ASDP_INSTRUCTIONS = entry(
    "ASDP_INSTRUCTIONS",
    "Dispatch instructions outside the Balancing Mechanism",
    "Dispatch and cease instructions to providers outside the Balancing Mechanism since 2020.",
    group=GROUP,
    package="non-bm-ancillary-service-dispatch-platform-asdp-instructions",
    resources=r"Non BM Dispatch Cease Instructions_\w{3}_\d{4}",
    kind="history",
    columns=columns("""
        EntryID
        ServiceType
        InstructionStartDateTime
        MW
        IndicativePrice
        InstructionCeaseDateTime
        DispatchDateTimeStamp
        CeaseDateTimeStamp
        ? PartyID
        ? AssetID
        ? Tendered
        """),
    key="entry_id service_type instruction_start_date_time",
    day_of="instruction_start_date_time",
    clocks=unstated(
        "instruction_start_date_time",
        "instruction_cease_date_time",
        "dispatch_date_time_stamp",
        "cease_date_time_stamp",
    ),
    cadence="every 30 minutes in the open month",
    probe_minutes=60,
    profiles=("battery",),
    begins=date(2020, 6, 1),
    notes=("Party and asset are given from 2022; some months are absent.",),
    unsure=(UNSURE_ZONE, "Whether entry numbers are used again."),
)
ASDP_WINDOW_PRICES = entry(
    "ASDP_WINDOW_PRICES",
    "Window prices outside the Balancing Mechanism",
    "Changes of the price at which providers outside the Balancing Mechanism offer a window.",
    group=GROUP,
    package="non-bm-ancillary-service-dispatch-platform-asdp-window-prices",
    resources=r"Non BM Window Price Change_\d{4}",
    kind="history",
    columns=columns("""
        EntryID
        ServiceType
        SPStartDateTime -> sp_start_date_time
        SPEndDateTime -> sp_end_date_time
        WindowPrice
        CreatedTime
        PartyID
        AssetID
        """),
    key="entry_id service_type sp_start_date_time",
    day_of="sp_start_date_time",
    clocks=unstated("sp_start_date_time", "sp_end_date_time", "created_time"),
    cadence="every 30 minutes",
    probe_minutes=60,
    begins=date(2025, 1, 1),
    unsure=(UNSURE_ZONE, UNSURE_KEY),
)

_AUCTION_NOTES = (
    "Negative prices occur: a provider pays to be taken.",
    "Live tables keep what is recent; the rest is in the archives of the same family.",
)


_BOUGHT = """
        auctionID
        orderID
        serviceType
        auctionProduct
        deliveryStart
        deliveryEnd
        quantity
        price
        substitutabilityFamily
        paradoxicallyAcceptanceAllowed
        orderEntryTime
        acceptanceRatio
        status
        executedQuantity
        clearingPrice
        reasonRejected
        joinedFamily
        """
_BY_UNIT = """
        registeredAuctionParticipant
        auctionUnit
        serviceType
        auctionProduct
        executedQuantity
        clearingPrice
        deliveryStart
        deliveryEnd
        technologyType
        postCode
        unitResultID
        """
_RESULTS = """
        auctionID
        auctionProduct
        serviceType
        deliveryStart
        deliveryEnd
        clearedVolume
        clearingPrice
        ? linkedServiceWindowID
        """
_SOLD = """
        auctionID
        registeredAuctionParticipant
        auctionUnit
        basketID
        serviceType
        deliveryStart
        deliveryEnd
        orderID
        orderType
        auctionProduct
        productID
        quantity
        priceLimit
        loopedBasketID
        orderEntryTime
        acceptanceRatio
        status
        executedQuantity
        clearingPrice
        reasonRejected
        ? flexibleGroupID
        ? minimumConsecutiveWindows
        """


def _entered(own: tuple[tuple[Field, ...], tuple[str, ...]]) -> tuple[Clock, ...]:
    """The order's time of entry, where the view has it."""
    return unstated("order_entry_time") if any(f.name == "order_entry_time" for f in own[0]) else ()


def _auction(
    market: str,
    words: str,
    package: str,
    resources: str,
    period: str,
    cadence: str,
    begins: date,
) -> tuple[Dataset, ...]:
    """The four views of an auction: what was bought, sold, and the result by unit and as a summary.

    Args:
        market: First part of the names.
        words: The auction in words.
        package: Slug of the package.
        resources: First words of the names of its resources, as a regular expression.
        period: Last words of them.
        cadence: The rhythm in words.
        begins: First day of delivery.
    """
    order_price = meaning("price", "Price of the order.", unit=GBP_PER_MW_H)
    views = (
        (
            "BUY_ORDERS",
            "buy orders",
            f"What NESO wanted to buy in the {words}, and at which price.",
            "Buy Orders",
            columns(_BOUGHT, order_price),
            "auction_id order_id auction_product delivery_start",
            False,
        ),
        (
            "UNITS",
            "results by unit",
            f"What every unit sold in the {words}, and at which price.",
            "Results By Unit",
            columns(_BY_UNIT),
            "unit_result_id delivery_start",
            False,
        ),
        (
            "SUMMARY",
            "results",
            f"Volume and price of every product and delivery window of the {words}.",
            "Results Summary",
            columns(_RESULTS),
            "auction_id auction_product service_type delivery_start",
            False,
        ),
        (
            "SELL_ORDERS",
            "sell orders",
            f"What units offered in the {words}, at which price, and what became of it.",
            "Sell Orders",
            columns(_SOLD),
            "auction_id order_id product_id delivery_start",
            True,
        ),
    )
    main = market == "EAC"
    return tuple(
        entry(
            f"{market}_{name}",
            f"{words[:1].upper()}{words[1:]}: {title}",
            description,
            group=GROUP,
            package=package,
            resources=rf"{resources} (Daily )?{view}{period}",
            kind="history",
            columns=own,
            key=key,
            day_of="delivery_start",
            clocks=(*utc("delivery_start", "delivery_end"), *_entered(own)),
            cadence=cadence,
            heavy=heavy and main,
            profiles=("core", "battery", "trading") if main and name == "SUMMARY" else ("battery",),
            begins=begins,
            proof="recorded" if main and name == "SUMMARY" else "specified",
            notes=_AUCTION_NOTES,
        )
        for name, title, description, view, own, key, heavy in views
    )


EAC = _auction(
    "EAC",
    "response and reserve auction",
    "eac-auction-results",
    "NESO Response-Reserve",
    r"( FY\d{4} \(Archive\)| \d{6} \(Archive\))?",
    "daily, about 13:50 UTC",
    date(2023, 11, 2),
)
EAC_BR = _auction(
    "EAC_BR",
    "balancing reserve auction",
    "eac-br-auction-results",
    "NESO Balancing-Reserve",
    r" \d{4}-\d{4}",
    "closed in 2025",
    date(2024, 3, 12),
)
EAC_MOCK = _auction(
    "EAC_MOCK",
    "trial of the response and reserve auction",
    "eac-mock-auction-results",
    "NESO Mock Response-Reserve",
    r"( \d{4}-\d{4})?",
    "weekly while trials run",
    date(2023, 9, 19),
)
EAC_BR_MOCK = _auction(
    "EAC_BR_MOCK",
    "trial of the balancing reserve auction",
    "eac-br-mock-auction-results",
    "NESO Mock Balancing-Reserve",
    r" \d{4}-\d{4}",
    "closed in 2024",
    date(2024, 1, 24),
)

_FIRST_AUCTIONS = date(2020, 9, 25)
_UNSURE_EFA = "Which clock its times show, but for the first table's, which are UTC."

DC_BLOCK_ORDERS = entry(
    "DC_BLOCK_ORDERS",
    "Response auctions 2021 to 2023: block orders",
    "Block orders in the daily auctions of dynamic containment, regulation and moderation.",
    group=GROUP,
    package="dynamic-containment-data",
    resources=r"DC, DR & DM Block Orders Master Data 2021-2023",
    kind="history",
    columns=columns(
        """
        MarketName
        BiddingLevelName
        MemberName
        OrderID
        Portfolio
        OrderEntryTime
        OrderEntryUser
        SettlementCurrency
        ClearingPrice
        Price
        MAR
        Status
        BlockCode
        BlockCodePRM
        Paradoxically
        OrderPeriodID
        TradeID
        EFA
        DeliveryStart
        DeliveryEnd
        ExecutedVolume
        Volume
        Invalid
        Bid Validity
        """,
        *_LABELLED,
        meaning("price", "Price of the order.", unit=GBP_PER_MW_H),
    ),
    key="order_id order_period_id trade_id block_code market_name delivery_start",
    day_of="delivery_start",
    clocks=unstated("delivery_start", "delivery_end", "order_entry_time"),
    repeats=True,
    cadence="closed",
    begins=_FIRST_AUCTIONS,
    unsure=(_UNSURE_EFA, UNSURE_KEY),
)
DC_LINEAR_ORDERS = entry(
    "DC_LINEAR_ORDERS",
    "Response auctions 2021 to 2023: linear orders",
    "Linear orders in the daily auctions of dynamic containment, regulation and moderation, with up to 32 steps.",
    group=GROUP,
    package="dynamic-containment-data",
    resources=r"DC, DR & DM Linear Orders Master Data 2021-2023",
    kind="history",
    columns=columns(
        """
        MarketName
        BiddingLevelName
        MemberName
        OrderID
        Portfolio
        OrderEntryTime
        OrderEntryUser
        SettlementCurrency
        OrderPeriodID
        TradeID
        EFA
        DeliveryStart
        DeliveryEnd
        ExecutedVolume
        """
        + "".join(f"\n? {step}P -> price_{step}\n? {step}V -> volume_{step}" for step in range(1, 33)),
        *_LABELLED,
        *(Field(f"price_{step}", "number", f"Price of step {step}.", GBP_PER_MW_H) for step in range(1, 33)),
        *(Field(f"volume_{step}", "number", f"Volume of step {step}.", MW) for step in range(1, 33)),
    ),
    key="order_id order_period_id trade_id market_name delivery_start",
    day_of="delivery_start",
    clocks=unstated("delivery_start", "delivery_end", "order_entry_time"),
    repeats=True,
    cadence="closed",
    begins=_FIRST_AUCTIONS,
    unsure=(_UNSURE_EFA, "How the columns of the steps are headed.", UNSURE_KEY),
)
DC_UNITS = entry(
    "DC_UNITS",
    "Response auctions 2021 to 2023: results by unit",
    "What every unit sold in the daily auctions of dynamic containment, regulation and moderation.",
    group=GROUP,
    package="dynamic-containment-data",
    resources=r"DC, DR & DM Results By Unit Master Data 2021-2023",
    kind="history",
    columns=columns(
        """
        Company
        Unit Name
        EFA Date
        Delivery Start
        Delivery End
        EFA
        Service
        Cleared Volume
        Clearing Price
        Technology Type
        Location
        Cancelled
        """,
        *_LABELLED,
    ),
    key="unit_name service delivery_start efa_date efa",
    day="efa_date",
    clocks=unstated("delivery_start", "delivery_end"),
    cadence="closed",
    begins=_FIRST_AUCTIONS,
    unsure=(_UNSURE_EFA, UNSURE_KEY),
)
DC_SUMMARY = entry(
    "DC_SUMMARY",
    "Response auctions 2021 to 2023: results",
    "Volume and price of every product and block in the daily auctions of dynamic containment, regulation and "
    "moderation.",
    group=GROUP,
    package="dynamic-containment-data",
    resources=r"DC, DR & DM Results Summary Master Data 2021-2023",
    kind="history",
    columns=columns(
        """
        Service
        EFA Date
        Delivery Start
        Delivery End
        EFA
        Cleared Volume
        Clearing Price
        """,
        *_LABELLED,
    ),
    key="service efa_date efa delivery_start",
    day="efa_date",
    clocks=unstated("delivery_start", "delivery_end"),
    cadence="closed",
    begins=_FIRST_AUCTIONS,
    notes=("An EFA day begins at 23:00 of the evening before.",),
    unsure=(_UNSURE_EFA,),
)
DC_MASTERDATA = entry(
    "DC_MASTERDATA",
    "Dynamic containment, first auctions",
    "Bids in the first auctions of dynamic containment, 2020 and 2021.",
    group=GROUP,
    package="dynamic-containment-data",
    resources=r"Dynamic Containment Masterdata",
    kind="history",
    columns=columns("""
        Market Name
        Delivery Date
        Unique bid number
        Response Unit
        Unit type
        Agent/Applicant
        Related Entity
        Volume offered
        Volume Accepted
        Delivery Start UTC
        Delivery End UTC
        Service Duration
        Availability Fee
        Total Cost
        RTM/no RTM
        Accepted/Rejected
        Rejection code
        Technology Type
        """),
    key="delivery_date unique_bid_number response_unit delivery_start_utc",
    day="delivery_date",
    clocks=utc("delivery_start_utc", "delivery_end_utc"),
    repeats=True,
    cadence="closed",
    begins=_FIRST_AUCTIONS,
    unsure=(UNSURE_KEY,),
)

DC_FORECAST = entry(
    "DC_FORECAST",
    "Dynamic containment requirement, four days ahead",
    "How much dynamic containment is needed in every EFA block of the next four days, with every former forecast.",
    group=GROUP,
    package="dynamic-containment-4-day-forecast",
    resources=r"Dynamic Containment - 4 Day forecast|Dynamic Containment 4 Day Forecast - History",
    kind="forecast",
    columns=columns("""
        ? Forecast_Created
        Forecast_Target_Date | Date
        Service_Type
        EFA_1
        EFA_2
        EFA_3
        EFA_4
        EFA_5
        EFA_6
        """),
    key="forecast_target_date service_type",
    issue=(Issue("column", "forecast_created"), LAST_MODIFIED),
    cadence="daily, about 13:05 UTC",
    profiles=("battery", "forecast"),
    begins=date(2022, 3, 31),
    notes=(
        "The history names the day of issue only, which counts from its start; the live file has the portal's time.",
    ),
)


def _requirement(name: str, words: str, package: str, resources: str) -> Dataset:
    """An indicative requirement by EFA block, overwritten now and then."""
    return entry(
        f"{name}_REQUIREMENT",
        f"{words[:1].upper()}{words[1:]} requirement",
        f"How much {words} is expected to be needed in every EFA block.",
        group=GROUP,
        package=package,
        resources=resources,
        kind="forecast",
        columns=columns("""
        EFA_DATE
        Service
        EFA1
        EFA2
        EFA3
        EFA4
        EFA5
        EFA6
        """),
        key="efa_date service",
        issue=(LAST_MODIFIED,),
        cadence="every quarter or so",
        profiles=("battery", "forecast"),
    )


DM_REQUIREMENT = _requirement(
    "DM", "dynamic moderation", "dynamic-moderation-requirements", r"Indicative DM Requirements"
)
DR_REQUIREMENT = _requirement(
    "DR", "dynamic regulation", "dynamic-regulation-requirements", r"Indicative DR Requirements"
)
SFFR_REQUIREMENT = _requirement(
    "SFFR",
    "static firm frequency response",
    "static-firm-frequency-response-requirement",
    r"Static Firm Frequency Response Requirement",
)
DX_REQUIREMENT = entry(
    "DX_REQUIREMENT",
    "Response requirements in the long run",
    "Range of what may be needed of dynamic containment, moderation and regulation in months to come.",
    group=GROUP,
    package="long-term-forecasts-for-dc-dm-dr-requirements",
    resources=r"DX Future Requirement",
    kind="forecast",
    columns=columns("""
        Forecast Created
        Forecast Target Month
        Service Type
        EFA
        Interval -> interval_bound
        Possibilities
        """),
    key="forecast_target_month service_type efa interval_bound",
    issue=(Issue("column", "forecast_created"),),
    cadence="yearly or so",
    profiles=("battery", "forecast"),
    rows_per_day=4212,
)
SFFR_BUY_ORDERS = entry(
    "SFFR_BUY_ORDERS",
    "Static firm frequency response: buy orders",
    "What NESO wanted to buy in the daily auction of static response, by EFA block.",
    group=GROUP,
    package="static-firm-frequency-response-auction-results",
    resources=r"Static Firm Frequency Response Auction Buy Orders",
    kind="history",
    columns=columns(
        "EFA Date\nEFA" + "".join(f"\n? {step} -> step_{step}" for step in range(25, 275, 25)),
        *(
            Field(f"step_{step}", "number", f"Price of the order at a volume of {step} MW, as written.", GBP_PER_MW_H)
            for step in range(25, 275, 25)
        ),
    ),
    key="efa_date efa",
    day="efa_date",
    cadence="daily",
    begins=date(2023, 3, 31),
    rows_per_day=6,
    unsure=("Whether the steps are volumes or prices.",),
)
SFFR_RESULTS = entry(
    "SFFR_RESULTS",
    "Static firm frequency response: results",
    "Bids in the daily auction of static response, and what became of them.",
    group=GROUP,
    package="static-firm-frequency-response-auction-results",
    resources=r"Static Firm Frequency Response Auction Results",
    kind="history",
    columns=columns(
        """
        Date
        Provider
        Unit
        Delivery Start
        Delivery End
        EFA
        Service
        Status
        Volume
        Accepted Volume
        Price
        Clearing Price
        Technology Type
        Location
        Rank
        """,
        *_LABELLED,
        meaning("volume", "Power offered.", unit=MW),
        meaning("accepted_volume", "Power accepted.", unit=MW),
        meaning("price", "Price of the bid.", unit=GBP_PER_MW_H),
    ),
    key="date unit efa rank",
    day="date",
    clocks=unstated("delivery_start", "delivery_end"),
    cadence="daily",
    profiles=("battery",),
    begins=date(2023, 3, 31),
    rows_per_day=180,
    unsure=(UNSURE_ZONE, UNSURE_KEY),
)


def _reserve_requirement(
    name: str, words: str, *, package: str, resources: str, text: str, cadence: str, typed: bool
) -> Dataset:
    """How much reserve an auction is to buy, by delivery window."""
    return entry(
        name,
        f"{words[:1].upper()}{words[1:]} requirement",
        f"How much {words} the auctions are to buy, by window of delivery.",
        group=GROUP,
        package=package,
        resources=resources,
        kind="forecast",
        columns=columns(text),
        key="service_delivery_date service_window" + (" forecast_type" if typed else ""),
        issue=(Issue("column", "forecast_produced_on"),),
        clocks=unstated("service_window_start_time", "service_window_end_time"),
        cadence=cadence,
        profiles=("battery", "forecast"),
        begins=date(2024, 2, 16),
        notes=("A forecast names its day only, which counts from its start.",),
        unsure=(UNSURE_ZONE, UNSURE_KEY),
    )


BR_REQUIREMENT = _reserve_requirement(
    "BR_REQUIREMENT",
    "balancing reserve",
    package="balancing-reserve-auction-requirement-forecast",
    resources=(
        r"Balancing Reserve (Day ahead auction requirements? forecast|Requirements Medium term forecast)"
        r"( \(Archive\))?"
    ),
    text="""
        Auction Date
        Service Delivery Date
        Service Window
        Service window start time
        Service Window End Time
        Positive Balancing Reserve Requirement MW
        Negative Balancing Reserve Requirement MW
        Forecast produced on
        Forecast type
        """,
    cadence="daily, about 13:05 UTC",
    typed=True,
)
QR_REQUIREMENT = _reserve_requirement(
    "QR_REQUIREMENT",
    "quick reserve",
    package="quick-reserve-auction-requirement-forecast",
    resources=r"Quick Reserve Auction Requirement Forecast",
    text="""
        Auction Date
        Service Delivery Date
        Service Window
        Service window Start Time
        Service Window End Time
        Positive Quick Reserve Requirement MW
        Negative Quick Reserve Requirement MW
        Forecast produced on
        """,
    cadence="monthly",
    typed=False,
)
SR_REQUIREMENT = _reserve_requirement(
    "SR_REQUIREMENT",
    "slow reserve",
    package="slow-reserve-requirement-forecast",
    resources=r"Slow Reserve Requirement Forecast",
    text="""
        Auction Date
        Service Delivery Date
        Service Window
        Service Window Start Time
        Service Window End Time
        Positive Slow Reserve Requirement MW
        Negative Slow Reserve Requirement MW
        Forecast produced on
        """,
    cadence="monthly",
    typed=False,
)

STOR_RESULTS = entry(
    "STOR_RESULTS",
    "Short-term operating reserve: auction results",
    "Tenders in the day-ahead auction of short-term operating reserve, and what became of them.",
    group=GROUP,
    package="short-term-operating-reserve-stor-day-ahead-auction-results",
    resources=r"STOR DA Auction Results",
    kind="history",
    columns=columns("""
        Service Name
        Tender Round ID
        Buy Curve ID
        Tender Submission ID
        Service Delivery From
        Service Delivery To
        Unit ID
        Company Name
        BM/NBM | BMNBM
        Fuel Type
        Tendered MW
        Minimum Acceptable MW
        Contracted MW
        Tendered Availability Price
        Market Clearing Price
        Status
        """),
    key="tender_submission_id service_delivery_from",
    day_of="service_delivery_from",
    clocks=unstated("service_delivery_from", "service_delivery_to"),
    cadence="daily until 30 March 2026",
    begins=date(2021, 3, 31),
    rows_per_day=60,
    unsure=(UNSURE_ZONE,),
)
STOR_BUY_CURVE = entry(
    "STOR_BUY_CURVE",
    "Short-term operating reserve: buy curve",
    "What NESO was ready to pay for short-term operating reserve, by step.",
    group=GROUP,
    package="short-term-operating-reserve-stor-day-ahead-buy-curve",
    resources=r"STOR DA Auction Buy Curve Report",
    kind="history",
    columns=columns(
        """
        Buy Curve Name
        Service Catalog
        Curve to be applied to
        Effective From Date
        Effective To Date
        Buy Curve Step: Buy Curve Step Id -> buy_curve_step_id
        MW
        Availability Price (£/MWh) | Availability Price_GBP per MWh -> availability_price_gbp_per_mwh
        Buy Curve: Buy Curve ID -> buy_curve_id
        """
    ),
    key="buy_curve_step_id effective_from_date",
    day_of="effective_from_date",
    clocks=unstated("effective_from_date", "effective_to_date"),
    cadence="daily until 30 March 2026",
    begins=date(2021, 3, 31),
    unsure=(UNSURE_ZONE,),
)
STOR_WINDOWS = entry(
    "STOR_WINDOWS",
    "Short-term operating reserve: windows",
    "Hours of the day in which short-term operating reserve was committed.",
    group=GROUP,
    package="stor-windows",
    resources=r"STOR Windows",
    kind="history",
    columns=columns(
        """
        Date
        Season
        WD/NWD | WDNWD
        Window 1 Start Time
        Window 1 End Time
        Window 2 Start Time
        Window 2 End Time
        """,
        meaning("season", "Season of the contract, as numbered.", type_="text"),
    ),
    key="date",
    day="date",
    cadence="yearly",
    rows_per_day=1,
    notes=("Times of day are local.",),
)
INDUSTRY_NOTIFICATIONS = entry(
    "INDUSTRY_NOTIFICATIONS",
    "Notices on ancillary services",
    "Short notices on changes in how each service is bought.",
    group=GROUP,
    package="ancillary-services-important-industry-notifications",
    resources=r".+ Important Industry Notifications?",
    kind="history",
    columns=columns("""
        Notification Issued Date Time
        ? Service
        Description
        Effective From Date Time
        Effective To Date Time
        Notes
        """),
    key="notification_issued_date_time service description",
    day_of="notification_issued_date_time",
    clocks=unstated("notification_issued_date_time", "effective_from_date_time", "effective_to_date_time"),
    repeats=True,
    cadence="now and then",
    notes=("Files without rows are normal.", "Two services' files do not name their service."),
    unsure=(UNSURE_ZONE,),
)
OBLIGATION_TRANSFERS = entry(
    "OBLIGATION_TRANSFERS",
    "Transfers of obligation",
    "Auction obligations that passed from one unit to another.",
    group=GROUP,
    package="contract-transfer-of-obligation",
    resources=r"Contract Transfer of Obligation \d{4}-\d{4}",
    kind="history",
    columns=columns(
        """
        registeredAuctionParticipant
        auctionUnit
        serviceType
        auctionProduct
        executedQuantity
        clearingPrice
        deliveryStart
        deliveryEnd
        Transfer To Unit
        Transfer Status
        """,
        *_LABELLED,
    ),
    key="auction_unit auction_product delivery_start transfer_to_unit",
    day_of="delivery_start",
    clocks=unstated("delivery_start", "delivery_end"),
    cadence="now and then",
    begins=date(2024, 4, 18),
    unsure=(UNSURE_ZONE, UNSURE_KEY),
)

_BSAD_FINANCIAL = r"\d{4}-\d{2}"

BSAD_AGGREGATED = entry(
    "BSAD_AGGREGATED",
    "Balancing adjustment data, totals",
    "Cost and energy of balancing actions outside the Balancing Mechanism in every half hour.",
    group=GROUP,
    package="aggregated-bsad",
    resources=rf"Aggregated BSAD {_BSAD_FINANCIAL}",
    kind="history",
    columns=columns(
        """
        Date
        SettlementPeriod | Settlement Period
        EBCA | EBCA (£)
        EBVA | EBVA (MWh)
        SBVA | SBVA (MWh)
        BPA | BPA (£/MWh)
        ESCA | ESCA (£)
        ESVA | ESVA (MWh)
        SSVA | SSVA (MWh)
        SPA | SPA (£/MWh)
        """
    ),
    key="date settlement_period",
    day="date",
    interval=SettlementInterval("date", "settlement_period"),
    cadence="twice a day",
    probe_minutes=720,
    profiles=("trading", "settlement"),
    begins=date(2013, 4, 1),
    rows_per_day=48,
    notes=("2015-16 is absent.",),
)
BSAD_DISAGGREGATED = entry(
    "BSAD_DISAGGREGATED",
    "Balancing adjustment data, by action",
    "Every balancing action outside the Balancing Mechanism, by half hour, with cost, energy and flag.",
    group=GROUP,
    package="disaggregated-bsad",
    resources=rf"Disaggregated BSAD {_BSAD_FINANCIAL}",
    kind="history",
    columns=columns(
        """
        Date
        SettlementPeriod | Settlement Period
        DisaggregatedBSADCost | Disaggregated BSAD Cost (£) -> disaggregated_bsad_cost
        DisaggregatedBSADVolume | Disaggregated BSAD Volume (MWh) -> disaggregated_bsad_volume
        TradeFlag | Trade Flag | Trade Flag System (T) / Energy (F)
        """
    ),
    key="date settlement_period disaggregated_bsad_cost disaggregated_bsad_volume trade_flag",
    day="date",
    interval=SettlementInterval("date", "settlement_period"),
    scope="date settlement_period",
    repeats=True,
    cadence="twice a day",
    probe_minutes=720,
    profiles=("trading", "settlement"),
    begins=date(2013, 4, 1),
    rows_per_day=380,
    notes=(
        "Two actions may be wholly alike; repeat tells them apart.",
        "A period's actions are a set: one that is corrected leaves the old one behind in the history.",
    ),
)
BSAD_FORWARD_CONTRACTS = entry(
    "BSAD_FORWARD_CONTRACTS",
    "Balancing adjustment data, forward contracts",
    "The part of balancing actions outside the Balancing Mechanism that was contracted ahead, by half hour.",
    group=GROUP,
    package="balancing-services-adjustment-data-forward-contracts",
    resources=rf"BSAD Forward Contracts {_BSAD_FINANCIAL}",
    kind="history",
    columns=columns(
        """
        Date
        SettlementPeriod | Settlement Period
        BCA | BCA (£)
        BSA | BSA (MWh)
        BVA | BVA (MWh)
        SCA | SCA (£)
        SSA | SSA (MWh)
        SVA | SVA (MWh)
        """
    ),
    key="date settlement_period",
    day="date",
    interval=SettlementInterval("date", "settlement_period"),
    cadence="twice a day",
    probe_minutes=720,
    begins=date(2016, 4, 1),
    rows_per_day=48,
)

REACTIVE_RATES = entry(
    "REACTIVE_RATES",
    "Reactive power: default payment rate",
    "Indices and rate by which reactive power is paid, by month.",
    group=GROUP,
    package="obligatory-reactive-power-service-orps-utilisation",
    resources=r"Reactive Default Payment Rate - \w+ - \d{4}",
    kind="register",
    columns=columns(
        """
        Year
        Month
        HPIm
        PAPIm
        PPIm
        FRPIm
        Im
        X = 1
        X = 0.2
        """,
        meaning("month", "Number of the month.", type_="integer"),
        meaning("year", "Year, as written.", type_="text"),
    ),
    key="year month",
    repeats=True,
    cadence="monthly",
    unsure=("Units of the indices and rates.",),
)
REACTIVE_UTILISATION = entry(
    "REACTIVE_UTILISATION",
    "Reactive power: utilisation",
    "Reactive energy of every unit by month, leading and lagging.",
    group=GROUP,
    package="obligatory-reactive-power-service-orps-utilisation",
    resources=r"Reactive Utilisation Data",
    kind="register",
    columns=columns(
        """
        Company
        Unit
        Default/Market | DefaultMarket
        Location
        Month-Year | Month Year
        LEAD
        LAG
        TOTAL
        """,
        meaning("total", "Reactive energy, leading and lagging together.", unit="Mvarh"),
    ),
    key="company unit month_year",
    repeats=True,
    cadence="monthly",
    rows_per_day=19_130,
    notes=("Months are text; the years until 2024 have a column for every month and are not read.",),
)
ODFM_RESULTS = entry(
    "ODFM_RESULTS",
    "Downward flexibility 2020 and 2021: offers",
    "Offers of downward flexibility in the summers of 2020 and 2021, and what became of them.",
    group=GROUP,
    package="optional-downward-flexibility-management-odfm-market-information",
    resources=r"Market Information Results \d{4}",
    kind="history",
    columns=columns(
        """
        Unique ID
        Contracted Unit ID
        Applicant/Agent | ApplicantAgent
        Price (£/MW/hr) -> price_gbp_per_mw_h
        Allocated Registered Service Volume (MW)
        Technology type
        Start time (BST)
        Start date
        Cease time (BST)
        Cease Date
        GSP
        DNO
        Accept/Reject | AcceptReject
        Reasons
        Date -> notice
        """
    ),
    key="unique_id contracted_unit_id start_date start_time_bst",
    day="start_date",
    repeats=True,
    cadence="closed",
    begins=date(2020, 5, 1),
    notes=("Times of day are British Summer Time, as the headers say.",),
)
ODFM_VOLUME = entry(
    "ODFM_VOLUME",
    "Downward flexibility 2020: instructed volume",
    "Downward flexibility instructed on 5 July 2020, by half hour.",
    group=GROUP,
    package="optional-downward-flexibility-management-odfm-market-information",
    resources=r"ODFM Instructed Volume for \d{2}-\d{2}-\d{4}( V2)?",
    kind="history",
    columns=columns("""
        Settlement Period
        ODFM Instructed MW
        Time
        Date
        """),
    key="date settlement_period",
    day="date",
    interval=SettlementInterval("date", "settlement_period"),
    cadence="closed",
    begins=date(2020, 5, 1),
    rows_per_day=48,
)

ENTRIES = (
    OBP_PHYSICAL_NOTIFICATIONS,
    OBP_RESERVE_INSTRUCTIONS,
    OBP_RESERVE_PRICES,
    ASDP_INSTRUCTIONS,
    ASDP_WINDOW_PRICES,
    *EAC,
    *EAC_BR,
    *EAC_MOCK,
    *EAC_BR_MOCK,
    DC_BLOCK_ORDERS,
    DC_LINEAR_ORDERS,
    DC_UNITS,
    DC_SUMMARY,
    DC_MASTERDATA,
    DC_FORECAST,
    DM_REQUIREMENT,
    DR_REQUIREMENT,
    SFFR_REQUIREMENT,
    DX_REQUIREMENT,
    SFFR_BUY_ORDERS,
    SFFR_RESULTS,
    BR_REQUIREMENT,
    QR_REQUIREMENT,
    SR_REQUIREMENT,
    STOR_RESULTS,
    STOR_BUY_CURVE,
    STOR_WINDOWS,
    INDUSTRY_NOTIFICATIONS,
    OBLIGATION_TRANSFERS,
    BSAD_AGGREGATED,
    BSAD_DISAGGREGATED,
    BSAD_FORWARD_CONTRACTS,
    REACTIVE_RATES,
    REACTIVE_UTILISATION,
    ODFM_RESULTS,
    ODFM_VOLUME,
)
