"""Constraint management: costs, limits and flows on the boundaries of the network."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import LabelInterval, PairInterval
from energy_assets.catalogue.neso.build import (
    LAST_MODIFIED,
    UNSURE_HEADERS,
    columns,
    entry,
    local,
    unstated,
)

GROUP = "constraint_management"

THERMAL_CONSTRAINT_COSTS = entry(
    "THERMAL_CONSTRAINT_COSTS",
    "Thermal constraint costs",
    "What thermal constraints cost on every day, by group of constraints.",
    group=GROUP,
    package="thermal-constraint-costs",
    resources=r"Thermal Constraint Costs Data \d{2}-\d{2}",
    kind="history",
    columns=columns("""
        Settlement Date
        Constraint Group
        Daily Cost (GBP)
        """),
    key="settlement_date constraint_group",
    day="settlement_date",
    cadence="weekly",
    profiles=("trading",),
    begins=date(2021, 4, 1),
    rows_per_day=6,
    notes=("The first year's values have commas between thousands.",),
)
OUTTURN_VOLTAGE_COSTS = entry(
    "OUTTURN_VOLTAGE_COSTS",
    "Voltage costs",
    "What keeping the voltage cost in every month, by zone.",
    group=GROUP,
    package="outturn-voltage-costs",
    resources=r"(Historical )?Outturn Voltage Costs \d{4}-\d{4}",
    kind="register",
    columns=columns("""
        Settlement Month
        Voltage Constraint Group
        Sync Costs (£m)
        Utilisation Costs (£m)
        Coordinates
        """),
    key="settlement_month voltage_constraint_group",
    repeats=True,
    cadence="monthly; paused in 2026",
    notes=("NESO says itself that these data are incomplete.",),
    unsure=("How months are written, so they are text and all years are one snapshot.",),
)
CONSTRAINT_COST_FORECAST = entry(
    "CONSTRAINT_COST_FORECAST",
    "Constraint cost forecast, 24 months ahead",
    "What constraints are expected to cost in each of the next 24 months.",
    group=GROUP,
    package="24-months-ahead-constraint-cost-forecast",
    resources=r"24 Months Ahead Constraint Cost Forecast",
    kind="forecast",
    columns=columns(
        """
        Month
        Constraint Cost (£m) | Constraint Cost (Â£m) | Constraint Cost_GBPm -> constraint_cost_gbpm
        """
    ),
    key="month",
    issue=(LAST_MODIFIED,),
    cadence="monthly",
    profiles=("forecast",),
    rows_per_day=24,
)
CONSTRAINT_LIMITS = entry(
    "CONSTRAINT_LIMITS",
    "Constraint limits, 24 months ahead",
    "What the main boundaries can carry in each week of the next 24 months.",
    group=GROUP,
    package="24-months-ahead-constraint-limits",
    resources=r"24 Months [Aa]head [Cc]onstraint [Ll]imits",
    kind="forecast",
    columns=columns(
        """
        YEAR
        Week No
        ? DRESHEX1
        ? ESTEX
        ? FLOWSTH
        ? GM+ SNOW5A -> gm_snow5a
        ? HARSPNBLY
        ? NKILGRMO
        ? SCOTEX
        ? SEIMPPR2
        ? SSE+GRM
        ? SSEN-S
        ? SSE-SP2
        ? SSHARN3
        """
    ),
    grows=r"[A-Z][A-Za-z0-9+\- ]*",
    key="year week_no",
    issue=(LAST_MODIFIED,),
    cadence="monthly",
    profiles=("forecast",),
    rows_per_day=104,
    notes=("Boundaries come and go; one that is new gets a column of its own.",),
    unsure=("How weeks are counted.",),
)
CONSTRAINT_FLOWS = entry(
    "CONSTRAINT_FLOWS",
    "Constraint flows and limits, day ahead",
    "Expected flow and limit on about ten boundaries for every half hour of the next day, since 2023.",
    group=GROUP,
    package="day-ahead-constraint-flows-and-limits",
    resources=r"Day Ahead Constraint Flows and Limits",
    kind="history",
    columns=columns(
        """
        Constraint Group
        Date_ Time GMT_BST | Date (GMT/BST) | Date_Time GMT_BST -> date_time_gmt_bst
        Limit_MW | Limit (MW)
        Flow_MW | Flow (MW)
        """
    ),
    key="constraint_group date_time_gmt_bst",
    day_of="date_time_gmt_bst",
    clocks=local("date_time_gmt_bst"),
    interval=LabelInterval("date_time_gmt_bst", "start"),
    cadence="on working days, about 17:20 UTC",
    profiles=("trading", "forecast"),
    begins=date(2023, 1, 1),
    rows_per_day=480,
    proof="specified",
    notes=(
        "About 1,400 rows stand twice; they are kept once.",
        "On the night when clocks go back the first of two rows of a label is summer time, the second winter time.",
    ),
    unsure=("That a time marks the start of the half hour.",),
)
CMIS_ARMING = entry(
    "CMIS_ARMING",
    "Intertrip arming",
    "When intertrips were armed under contract, and what that cost.",
    group=GROUP,
    package="constraint-management-intertrip-service-information-cmis",
    resources=r"Constraint Management Intertrip Arming \d{4}-\d{4}",
    kind="history",
    columns=columns(
        """
        BMU ID
        Arming Date Time
        Disarming Date Time
        ? Current Arming Fee (£ / SP) -> arming_fee_gbp_per_period
        ? Current Arming Fee (£ / MWH) -> arming_fee_gbp_per_mwh
        Cost for this utilisation (£)
        ? B6/EC5 | B6EC5
        """
    ),
    key="bmu_id arming_date_time",
    day_of="arming_date_time",
    clocks=local("arming_date_time", "disarming_date_time"),
    interval=PairInterval("arming_date_time", "disarming_date_time"),
    cadence="monthly",
    begins=date(2022, 4, 1),
    notes=("The fee is by settlement period until March 2024 and by energy since.",),
    unsure=(UNSURE_HEADERS,),
)
VOLTAGE_REQUIREMENT = entry(
    "VOLTAGE_REQUIREMENT",
    "Overnight voltage requirement",
    "How many units are needed overnight in each zone to keep the voltage, a week ahead.",
    group=GROUP,
    package="voltage-requirement",
    resources=r"Week Ahead Overnight Voltage Requirement \d{2}-\d{2}",
    kind="history",
    columns=columns("""
        Start Date
        End Date
        Group -> voltage_group
        Units
        Notes
        Last Updated
        """),
    key="voltage_group start_date end_date last_updated",
    day="start_date",
    clocks=unstated("last_updated"),
    cadence="weekly or more often",
    begins=date(2020, 1, 1),
    rows_per_day=4,
)
NETWORK_CONGESTION = entry(
    "NETWORK_CONGESTION",
    "Network congestion, forecast and actual",
    "What the boundaries carried on every day and what they were expected to, as shown at the weekly forum.",
    group=GROUP,
    package="operational-transparency-forum-network-congestion-data",
    resources=r"Network congestion Forecast and Actual data",
    kind="history",
    columns=columns(
        "DATE\n"
        + "\n".join(
            f"? {boundary}{gap}{side} -> {name}_{side.lower()}"
            for side in ("Actual", "Forecast")
            for boundary, gap, name in (
                ("Min of B4 B5", " - ", "min_of_b4_b5"),
                ("B6", "- ", "b6"),
                ("B6a", " - ", "b6a"),
                ("B7", " - ", "b7"),
                ("GMSNOW", " - ", "gmsnow"),
                ("LE1", " - ", "le1"),
                ("B9", " - ", "b9"),
                ("DRESHEX", " - ", "dreshex"),
                ("EC5", " - ", "ec5"),
                ("B15", " -", "b15"),
                ("SC", " -", "sc"),
            )
        )
    ),
    grows=r"[A-Z][A-Za-z0-9 ]*-? ?(Actual|Forecast)",
    key="date",
    day="date",
    cadence="weekly",
    rows_per_day=1,
    notes=("Boundaries come and go; one that is new gets a column of its own.",),
)

ENTRIES = (
    THERMAL_CONSTRAINT_COSTS,
    OUTTURN_VOLTAGE_COSTS,
    CONSTRAINT_COST_FORECAST,
    CONSTRAINT_LIMITS,
    CONSTRAINT_FLOWS,
    CMIS_ARMING,
    VOLTAGE_REQUIREMENT,
    NETWORK_CONGESTION,
)
