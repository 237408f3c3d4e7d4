"""Balancing: what it costs and moves, the charges that pay for it, and units passed over."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import (
    SETTLEMENT_RUNS,
    Dataset,
    Issue,
    LabelInterval,
    OrderBy,
    SettlementInterval,
)
from energy_assets.catalogue.neso.build import (
    UNSURE_HEADERS,
    UNSURE_KEY,
    UNSURE_UTC,
    columns,
    entry,
    utc,
)
from energy_assets.catalogue.neso.fields import GBP, meaning

GROUP = "balancing"

CONSTRAINT_BREAKDOWN = entry(
    "CONSTRAINT_BREAKDOWN",
    "Constraint costs by cause",
    "What managing constraints cost on every day, and how much energy it moved, by cause.",
    group=GROUP,
    package="constraint-breakdown",
    resources=r"Constraint Breakdown \d{4}-\d{4}",
    kind="history",
    columns=columns("""
        Date
        Reducing largest loss cost
        Increasing system inertia cost
        Voltage constraints cost
        Thermal constraints cost
        Reducing largest loss volume
        Increasing system inertia volume
        Voltage constraints volume
        Thermal constraints volume
        """),
    key="date",
    day="date",
    cadence="daily or weekly",
    profiles=("core", "trading"),
    begins=date(2017, 4, 1),
    rows_per_day=1,
    proof="recorded",
    notes=(
        "Some days are absent, for example 8 April 2025, and days may be tagged anew later.",
        "A thermal volume of -1 is a value like any other.",
    ),
)

_RUNS = (OrderBy("run_type", SETTLEMENT_RUNS),)
_BSUOS_CURRENT = (
    "BSUoS Tariff_GBP per MWh | BSUoS Tariff (£/MWh) -> bsuos_tariff_gbp_per_mwh",
    "? BSUoS Fund Tariff (£/MWh) -> bsuos_fund_tariff_gbp_per_mwh",
    "Volume_MWh | Volume (MWh)",
    "? BSUoS Recovery (£) -> bsuos_recovery_gbp",
    "? BSUoS Fund Recovery (£) -> bsuos_fund_recovery_gbp",
    "BSUoS Total Recovery_GBP | BSUoS Total Recovery (£) -> bsuos_total_recovery_gbp",
    "Run Type",
    "Actual BSUoS Cost_GBP | Actual BSUoS Cost (£) -> actual_bsuos_cost_gbp",
)

BSUOS = entry(
    "BSUOS",
    "BSUoS charges since April 2023",
    "Balancing charges in every half hour under the fixed tariff: volume, recovery and actual cost, by settlement run.",
    group=GROUP,
    package="current-balancing-services-use-of-system-bsuos-data",
    resources=r"(Current (II|SF|RF) BSUoS Data|Historic (II|SF|RF) BSUoS Data \d{4}-\d{4})",
    kind="history",
    columns=columns(
        "\n".join(("Settlement Date | Settlement Day", "Settlement Period", *_BSUOS_CURRENT)),
    ),
    key="settlement_date settlement_period",
    versions="run_type",
    latest=_RUNS,
    day="settlement_date",
    interval=SettlementInterval("settlement_date", "settlement_period"),
    cadence="on working days",
    profiles=("settlement", "trading"),
    begins=date(2023, 4, 1),
    rows_per_day=144,
    proof="specified",
    notes=(
        "The file named Historic II BSUoS Data 2024-2025 has held 1 to 13 April 2025.",
        "Total recovery and actual cost are called daily and differ inside a day.",
    ),
)
BSUOS_UNTIL_2023 = entry(
    "BSUOS_UNTIL_2023",
    "BSUoS charges until March 2023",
    "Balancing charges in every half hour while their price floated, by settlement run.",
    group=GROUP,
    package="current-balancing-services-use-of-system-bsuos-data",
    resources=r"Historic (II|SF|RF) BSUoS Data",
    kind="history",
    columns=columns(
        """
        Settlement Day | Settlement Date
        Settlement Period
        BSUoS Price (£/MWh Hour) | BSUoS Price_GBP per MWh Hour -> bsuos_price_gbp_per_mwh
        Half-hourly Charge | Half hourly Charge
        Total Daily BSUoS Charge -> total_daily_bsuos_charge
        Run Type
        """
    ),
    key="settlement_day settlement_period",
    versions="run_type",
    latest=_RUNS,
    day="settlement_day",
    interval=SettlementInterval("settlement_day", "settlement_period"),
    cadence="closed",
    profiles=("settlement",),
    begins=date(2016, 4, 1),
    rows_per_day=144,
    proof="recorded",
    notes=("27 March 2022 lists 48 periods, although it had 46: the last two are no instants.",),
    unsure=("Whether the periods of 27 March 2022 before the last two are numbered as usual.",),
)
BSUOS_FIXED_TARIFFS = entry(
    "BSUOS_FIXED_TARIFFS",
    "BSUoS fixed tariffs",
    "Fixed balancing tariff for every half-year, draft and final.",
    group=GROUP,
    package="bsuos-fixed-tariffs",
    resources=r"Balancing Services Use of System Charges \(BSUoS\) Tariffs",
    kind="register",
    columns=columns(
        """
        Publication
        Fixed Tariff Title
        Published Date
        Fixed Tariff Start Date
        Fixed Tariff End Date
        Fixed Tariff_GBP per MWh | Fixed Tariff £/MWh | Fixed Tariff (£/MWh) -> fixed_tariff_gbp_per_mwh
        """
    ),
    key="fixed_tariff_title publication published_date",
    cadence="every half-year",
    profiles=("settlement",),
    rows_per_day=17,
    proof="recorded",
)
BSUOS_MONTHLY_FORECAST = entry(
    "BSUOS_MONTHLY_FORECAST",
    "BSUoS monthly forecast",
    "Outlook of balancing costs by component for the months to come, one file an issue.",
    group=GROUP,
    package="bsuos-monthly-forecast",
    resources=r"Monthly BSUoS Forecast Summary - \w+ \d{4}",
    kind="forecast",
    columns=columns("""
        Month
        Energy_Imbalance_£m
        Positive_Reserve_£m
        Negative_Reserve_£m
        Frequency_Control_£m
        Constraints_£m
        Other_£m
        Restoration_£m
        Balancing Costs (Central) £m
        Estimated Internal BSUoS & ESO Incentive £m -> estimated_internal_bsuos_eso_incentive_gbpm
        Winter Security of Supply Cost (£m)
        21/22 Under-Recovered Costs (£m) -> under_recovered_costs_21_22_gbpm
        CMP398/412 Claim Costs (£m)
        Interest Repayment (£m)
        Additional NESO Framework Costs (£m)
        Estimated BSUoS Volume (TWh) -> estimated_bsuos_volume_twh
        """),
    grows=r"[A-Za-z0-9&/_ ]*£m\)?|[A-Za-z0-9&/_ ]*\((£m|TWh)\)",
    key="month",
    issue=(Issue("resource_name", pattern=r".* - (?P<stamp>\w+ \d{4})", zone="local"),),
    cadence="monthly",
    probe_minutes=1440,
    profiles=("forecast",),
    notes=("An issue counts as published at the start of the month in its name.",),
    unsure=("About twenty layouts have been counted, of which one is known: files with others are refused.",),
)
BSUOS_DAILY_FORECAST = entry(
    "BSUOS_DAILY_FORECAST",
    "BSUoS forecast by half hours, until March 2023",
    "Balancing charge expected for every half hour, while its price floated.",
    group=GROUP,
    package="balancing-services-use-of-system-bsuos-daily-forecast",
    resources=r"Daily BSUoS Forecast \d{4}-\d{2}",
    kind="history",
    columns=columns(
        """
        Date
        SP
        BSUoS £/MWh | BSUoS GBP/MWh -> bsuos_gbp_per_mwh
        Half hourly cost £ -> half_hourly_cost_gbp
        Half hourly volume MWh
        """
    ),
    key="date sp",
    day="date",
    interval=SettlementInterval("date", "sp"),
    cadence="closed",
    begins=date(2018, 4, 1),
    rows_per_day=48,
    unsure=(UNSURE_KEY,),
)
BALANCING_COSTS = entry(
    "BALANCING_COSTS",
    "Balancing costs by category",
    "What balancing cost in every half hour, by category.",
    group=GROUP,
    package="daily-balancing-costs-balancing-services-use-of-system",
    resources=r"Daily Balancing Costs \d{4}-\d{4}",
    kind="history",
    columns=columns(
        """
        SETT_DATE
        SETT_PERIOD
        Energy Imbalance
        Frequency Control
        Positive Reserve
        Negative Reserve
        Constraints
        Other
        """,
        *(
            meaning(name, f"Cost of {text}, over the half hour.", unit=GBP)
            for name, text in (
                ("energy_imbalance", "evening out the market's length"),
                ("positive_reserve", "upward reserve"),
                ("negative_reserve", "downward reserve"),
                ("other", "everything else"),
            )
        ),
    ),
    key="sett_date sett_period",
    day="sett_date",
    interval=SettlementInterval("sett_date", "sett_period"),
    cadence="weekly or so",
    profiles=("trading",),
    begins=date(2017, 4, 1),
    rows_per_day=48,
    notes=(
        "Half hours are missing in most years, and NESO's own list of them is incomplete.",
        "Nothing says of which settlement run the values are.",
    ),
)
BALANCING_VOLUMES = entry(
    "BALANCING_VOLUMES",
    "Balancing volumes by category",
    "How much energy balancing moved in every half hour, by category.",
    group=GROUP,
    package="daily-balancing-volume-balancing-services-use-of-system",
    resources=r"Daily Balancing Volume \d{4}-\d{4}",
    kind="history",
    columns=columns("""
        SETT_DATE
        SETT_PERIOD
        Energy Imbalance (MWh)
        Frequency Control Offers (MWh)
        Frequency Control Bids (MWh)
        Positive Reserve (MWh)
        Constraint Offers (MWh)
        Constraint Bids (MWh)
        Negative Reserve (MWh)
        Other (MWh)
        """),
    key="sett_date sett_period",
    day="sett_date",
    interval=SettlementInterval("sett_date", "sett_period"),
    cadence="weekly or so",
    begins=date(2017, 4, 1),
    rows_per_day=48,
    notes=("Half hours are missing in some years.",),
    unsure=(UNSURE_HEADERS,),
)
INERTIA_BID_OFFER_COSTS = entry(
    "INERTIA_BID_OFFER_COSTS",
    "Indicative cost of inertia, until 2022",
    "Indicative daily cost of inertia by three methods.",
    group=GROUP,
    package="gb-system-inertia-bid-and-offer-costs",
    resources=r"GB System Inertia Costs - combined bids and offers",
    kind="history",
    columns=columns(
        """
        Date
        Method A: Average bid price | Method A Average bid price
        Method B: Average wind price | Method B Average wind price
        Method C: Highest bid price | Method C Highest bid price
        """
    ),
    key="date",
    day="date",
    cadence="closed",
    begins=date(2017, 1, 1),
    rows_per_day=1,
    unsure=("The unit of the prices.",),
)

_MONTH = r"\w+ \d{4}"


def _skips(name: str, title: str, description: str, *, resources: str, text: str, key: str, rows: int) -> Dataset:
    """One of the monthly tables about units passed over, by the stage of the calculation."""
    return entry(
        f"SKIP_RATE_{name}",
        title,
        description,
        group=GROUP,
        package="skip-rates",
        resources=resources,
        kind="history",
        columns=columns(text, meaning("date", "Start of the half hour, UTC.", type_="instant")),
        key=key,
        day_of="date",
        clocks=utc("date"),
        interval=LabelInterval("date", "start"),
        cadence="daily",
        heavy=True,
        profiles=("battery",),
        begins=date(2024, 12, 1),
        rows_per_day=rows,
        notes=(
            "All files were reissued on 18 November 2025.",
            "Pair numbers are text in some months and whole numbers in others, and text here.",
        ),
        unsure=("That a time marks the start of the half hour.", UNSURE_HEADERS),
    )


_IN_MERIT_KEY = "date bm_unit bid_offer stage pair_id"

SKIP_RATE_ALL_BM = _skips(
    "ALL_BM",
    "Skip rates, whole Balancing Mechanism",
    "What was in merit, accepted and passed over, for every unit and half hour, among all bids and offers.",
    resources=rf"Skip Rate - In Merit All Balancing Mechanism - {_MONTH}",
    text="""
        date
        bm_unit
        fuel
        bid_offer
        stage
        available_volume_MWh
        average_price_per_MWh
        pair_id
        accepted_volume_MWh
        in_merit_volume_MWh
        skipped_volume_MWh
        """,
    key=_IN_MERIT_KEY,
    rows=45_000,
)
SKIP_RATE_PSA = _skips(
    "PSA",
    "Skip rates, after system actions",
    "What was in merit, accepted and passed over, for every unit and half hour, without actions for the system.",
    resources=rf"Skip Rate - In Merit Post System Action - {_MONTH}",
    text="""
        date
        bm_unit
        fuel
        bid_offer
        stage
        available_volume_MWh
        average_price_per_MWh
        pair_id
        accepted_volume_MWh
        in_merit_volume_MWh
        skipped_volume_MWh
        """,
    key=_IN_MERIT_KEY,
    rows=42_000,
)
SKIP_RATE_PSA_DSF = _skips(
    "PSA_DSF",
    "Skip rates, after system actions, demand side flexibility",
    "What was in merit, accepted and passed over of demand side flexibility, without actions for the system.",
    resources=r"In Merit PSA for Demand Side Flexibility Unit",
    text="""
        date
        bm_unit
        fuel
        bid_offer
        stage
        available_volume_MWh
        average_price_per_MWh
        pair_id
        accepted_volume_MWh
        in_merit_volume_MWh
        skipped_volume_MWh
        """,
    key=_IN_MERIT_KEY,
    rows=1_000,
)
SKIP_RATE_EXCLUSIONS = _skips(
    "EXCLUSIONS",
    "Skip rates, exclusions",
    "Bids and offers that the calculation left out, with the reason.",
    resources=rf"Skip Rate - Exclusion Reasons - {_MONTH}",
    text="""
        date
        bm_unit
        fuel
        bid_offer
        excluded_from_accepted_or_feasible_merit_stack
        exclusion_stage
        pair_id
        average_price_per_MWh
        excluded_volume_MWh
        exclusion_reason
        """,
    key=(
        "date bm_unit bid_offer excluded_from_accepted_or_feasible_merit_stack exclusion_stage pair_id exclusion_reason"
    ),
    rows=10_500,
)
SKIP_RATE_CONSTRAINED_UNITS = entry(
    "SKIP_RATE_CONSTRAINED_UNITS",
    "Skips behind constraints, by unit",
    "What was passed over behind constraints in every month, by unit.",
    group=GROUP,
    package="skip-rates",
    resources=r"Skips Behind Constraints - In Merit BMU-Level",
    kind="register",
    columns=columns("""
        month
        bm_unit
        bid_offer
        fuel_type
        skipped_volume_mwh
        in_merit_volume_mwh
        skip_rate
        """),
    key="month bm_unit bid_offer fuel_type",
    repeats=True,
    cadence="monthly",
)
SKIP_RATE_CONSTRAINTS = entry(
    "SKIP_RATE_CONSTRAINTS",
    "Skips behind constraints, by constraint",
    "What was passed over behind constraints in every month, by constraint.",
    group=GROUP,
    package="skip-rates",
    resources=r"Skips Behind Constraints - In Merit Constraint-Level",
    kind="register",
    columns=columns("""
        month
        constraint
        skipped_volume_mwh
        in_merit_volume_mwh
        skip_rate
        """),
    key="month constraint",
    repeats=True,
    cadence="monthly",
)


def _technology(name: str, title: str, description: str, resources: str, text: str, key: str) -> Dataset:
    """One of the rolling summaries of skip rates by technology."""
    return entry(
        f"SKIP_RATE_{name}",
        title,
        description,
        group=GROUP,
        package="skip-rates",
        resources=resources,
        kind="history",
        columns=columns(text),
        key=key,
        day_of="settlement_period_start",
        clocks=utc("settlement_period_start"),
        interval=LabelInterval("settlement_period_start", "start"),
        cadence="daily",
        begins=date(2024, 12, 1),
        rows_per_day=300,
        unsure=(UNSURE_UTC,),
    )


SKIP_RATE_DSF = _technology(
    "DSF",
    "Skip rates of demand side flexibility",
    "Share of demand side flexibility in merit that was passed over, by unit and half hour.",
    r"Stage 5 DSF Technology-Specific Skip Rate",
    """
        settlement_period_start
        bm_unit
        bid_offer
        fuel
        in_merit_volume_MWh
        skipped_volume_MWh
        technology_specific_skip_rate
        """,
    "settlement_period_start bm_unit bid_offer fuel",
)
SKIP_RATE_TECHNOLOGY = _technology(
    "TECHNOLOGY",
    "Skip rates by technology",
    "Share in merit that was passed over, by technology and half hour.",
    r"Stage 5 PSA Skip Rate by Technology",
    """
        settlement_period_start
        bid_offer
        fuel
        relative_technology_skip_rate
        technology_specific_skip_rate
        fuel_in_merit_volume_MWh
        fuel_skipped_volume_MWh
        """,
    "settlement_period_start bid_offer fuel",
)

ENTRIES = (
    CONSTRAINT_BREAKDOWN,
    BSUOS,
    BSUOS_UNTIL_2023,
    BSUOS_FIXED_TARIFFS,
    BSUOS_MONTHLY_FORECAST,
    BSUOS_DAILY_FORECAST,
    BALANCING_COSTS,
    BALANCING_VOLUMES,
    INERTIA_BID_OFFER_COSTS,
    SKIP_RATE_ALL_BM,
    SKIP_RATE_PSA,
    SKIP_RATE_PSA_DSF,
    SKIP_RATE_EXCLUSIONS,
    SKIP_RATE_CONSTRAINED_UNITS,
    SKIP_RATE_CONSTRAINTS,
    SKIP_RATE_DSF,
    SKIP_RATE_TECHNOLOGY,
)
