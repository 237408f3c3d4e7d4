"""Trades of NESO outside the Balancing Mechanism, and the day-ahead price."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import Dataset, RangeInterval, SettlementInterval
from energy_assets.catalogue.neso.build import (
    UNSURE_KEY,
    UNSURE_ZONE,
    columns,
    entry,
    unstated,
)
from energy_assets.catalogue.neso.fields import GBP_PER_MWH, meaning

GROUP = "trade_data"

INTERCONNECTOR_AUCTIONS = entry(
    "INTERCONNECTOR_AUCTIONS",
    "Interconnector trades: needs and auctions",
    "What NESO wanted to trade over interconnectors, lot by lot, and how the auctions ended.",
    group=GROUP,
    package="interconnector-requirement-and-auction-summary-data",
    resources=r"Interconnector Requirements and Auction Summary",
    kind="history",
    columns=columns(
        """
        Published DateTime
        Notes
        Auction ID
        Auction Lot ID
        Buy Sell
        Volume Required
        Qualified IC
        Start Time
        End Time
        Bid Deadline
        Default Price
        Clearing Price
        Best Price
        VWA Price
        Cleared Volume
        Total Bid Volume
        IFA1 Volume
        BN Volume
        NEMO Volume
        IFA2 Volume
        EL Volume
        VKL Volume
        System Flag
        """,
        meaning("auction_id", "Auction.", type_="text"),
    ),
    key="auction_lot_id auction_id start_time",
    day_of="start_time",
    clocks=unstated("published_date_time", "start_time", "end_time", "bid_deadline"),
    cadence="through the day",
    probe_minutes=30,
    profiles=("trading",),
    begins=date(2020, 12, 16),
    rows_per_day=15,
    unsure=(UNSURE_ZONE,),
)
UPCOMING_TRADES = entry(
    "UPCOMING_TRADES",
    "Trades to be delivered",
    "Trades of NESO that are about to be delivered, by half hour.",
    group=GROUP,
    package="upcoming-trades",
    resources=r"Upcoming Trades",
    kind="history",
    columns=columns("""
        ID
        Date
        SP
        Volume
        Price
        Cost
        SO_Flag
        Reason
        Note
        Last_Updated
        """),
    key="id date sp",
    day="date",
    clocks=unstated("last_updated"),
    interval=SettlementInterval("date", "sp"),
    cadence="every ten minutes",
    probe_minutes=10,
    profiles=("core", "trading"),
    rows_per_day=200,
    proof="specified",
    notes=("The table holds about one day: what is not read in time is gone.",),
)

_MARKET = (
    meaning("price", "Price of the contract.", unit=GBP_PER_MWH),
    meaning("volume", "Power of the contract, as written; negative sells."),
)


def _contracts(
    name: str,
    title: str,
    description: str,
    *,
    package: str,
    resources: str,
    begins: date,
    cadence: str,
    seen: bool = True,
) -> Dataset:
    """Contracts by financial year, in the layout that all kinds have had since June 2021."""
    return entry(
        name,
        title,
        description,
        group=GROUP,
        package=package,
        resources=resources,
        kind="history",
        columns=columns(
            """
            ID
            StartTime
            EndTime
            Volume
            Price
            Cost
            SO_Flag
            Reason
            AssetID
            CP_Name
            Area
            Note
            Last_Updated
            """,
            *_MARKET,
        ),
        key="id start_time",
        day_of="start_time",
        clocks=unstated("start_time", "end_time", "last_updated"),
        cadence=cadence,
        probe_minutes=60 if "minutes" in cadence else 1440,
        begins=begins,
        unsure=(
            UNSURE_ZONE,
            UNSURE_KEY,
            *(() if seen else ("Its columns: those of the other contracts are assumed.",)),
        ),
    )


GTMA_TRADES = entry(
    "GTMA_TRADES",
    "Grid trades",
    "Trades of NESO under the grid trade master agreement since June 2021.",
    group=GROUP,
    package="historic-gtma-grid-trade-master-agreement-trades-data",
    resources=r"Historic GTMA Trades FY \d{2}-\d{2}",
    kind="history",
    columns=columns(
        """
        ID
        StartTime
        EndTime
        Volume
        Price
        Cost
        SO_Flag
        Reason
        Note
        Last_Updated
        """,
        *_MARKET,
    ),
    key="id start_time",
    day_of="start_time",
    clocks=unstated("start_time", "end_time", "last_updated"),
    cadence="daily",
    profiles=("trading",),
    begins=date(2021, 6, 1),
    rows_per_day=150,
    unsure=(UNSURE_ZONE, UNSURE_KEY),
)
GTMA_TRADES_UNTIL_2021 = entry(
    "GTMA_TRADES_UNTIL_2021",
    "Grid trades until May 2021",
    "Trades of NESO under the grid trade master agreement from 2015 to May 2021.",
    group=GROUP,
    package="historic-gtma-grid-trade-master-agreement-trades-data",
    resources=r"Historic GTMA Trades Data - Apr \d{4} - Mar(ch)? \d{4}( \(Pre June 2021\))?",
    kind="history",
    columns=columns(
        """
        Trade ID
        Start Time
        End Time
        Volume
        Price
        Cost
        SO Flag
        """,
        *_MARKET,
    ),
    key="trade_id start_time",
    day_of="start_time",
    clocks=unstated("start_time", "end_time"),
    repeats=True,
    cadence="closed",
    begins=date(2015, 4, 1),
    rows_per_day=60,
    unsure=(UNSURE_ZONE, "How times are written before 2020."),
)
BALANCING_CONTRACTS = _contracts(
    "BALANCING_CONTRACTS",
    "Balancing contracts",
    "Contracts for balancing services that NESO enacted since June 2021.",
    package="balancing-services-contract-enactment",
    resources=r"Balancing Contract Enactment FY \d{2}-\d{2}",
    begins=date(2021, 6, 1),
    cadence="every ten minutes when there is something",
)
BALANCING_CONTRACTS_UNTIL_2021 = entry(
    "BALANCING_CONTRACTS_UNTIL_2021",
    "Balancing contracts until May 2021",
    "Contracts for balancing services that NESO enacted in April and May 2021.",
    group=GROUP,
    package="balancing-services-contract-enactment",
    resources=r"Balancing Service Contract Enactment \d{2}-\d{2} \(Pre June 2021\)",
    kind="history",
    columns=columns(
        """
        Record
        Counterparty
        Unit
        Start Time
        End Time
        Volume
        Price
        Notes
        Last Updated
        """,
        *_MARKET,
    ),
    key="record counterparty unit start_time",
    day_of="start_time",
    clocks=unstated("start_time", "end_time", "last_updated"),
    repeats=True,
    cadence="closed",
    begins=date(2021, 4, 1),
    unsure=(UNSURE_ZONE, "Whether the start has a time of day."),
)
INDEX_LINKED_CONTRACTS = _contracts(
    "INDEX_LINKED_CONTRACTS",
    "Index-linked contracts",
    "Energy contracts of NESO whose price follows an index.",
    package="index-linked-contract-volume",
    resources=r"Index Linked Contract Enactment FY \d{2}-\d{2}",
    begins=date(2021, 4, 1),
    cadence="rarely",
)
SUPER_SEL_CONTRACTS = _contracts(
    "SUPER_SEL_CONTRACTS",
    "Contracts for a lower stable export limit",
    "Contracts by which units run below their usual stable export limit.",
    package="super-stable-export-limit-contract-enactment",
    resources=r"Super Stable Export Limit Contract Enactment FY \d{2}-\d{2}",
    begins=date(2020, 4, 1),
    cadence="every ten minutes when there is something",
    seen=False,
)
DAY_AHEAD_PRICE = entry(
    "DAY_AHEAD_PRICE",
    "Day-ahead price",
    "Price of the hourly day-ahead auction of N2EX for Great Britain since September 2021.",
    group=GROUP,
    package="day-ahead-power-exchange-prices-nordpool",
    resources=r"N2EX GB Day-Ahead Price",
    kind="history",
    columns=columns(
        """
        Date
        Delivery Period
        Price
        """,
        meaning("price", "Price of the hour.", unit=GBP_PER_MWH),
    ),
    key="date delivery_period",
    day="date",
    interval=RangeInterval("delivery_period", "utc", day="date", european_day=True),
    cadence="daily",
    probe_minutes=360,
    profiles=("core", "battery", "trading"),
    begins=date(2021, 9, 1),
    rows_per_day=24,
    proof="specified",
    notes=(
        "Hours are GMT. The day seems to be that of central Europe: its hours at 22:00 and 23:00 are of the evening "
        "before.",
        "Whether Nord Pool's prices may be passed on has to be looked up.",
        "The package has been seen as gb-n2ex-day-ahead-price too.",
    ),
    unsure=("On which evening the hours at 22:00 and 23:00 lie: that before the printed date is assumed.",),
)

ENTRIES = (
    INTERCONNECTOR_AUCTIONS,
    UPCOMING_TRADES,
    GTMA_TRADES,
    GTMA_TRADES_UNTIL_2021,
    BALANCING_CONTRACTS,
    BALANCING_CONTRACTS_UNTIL_2021,
    INDEX_LINKED_CONTRACTS,
    SUPER_SEL_CONTRACTS,
    DAY_AHEAD_PRICE,
)
