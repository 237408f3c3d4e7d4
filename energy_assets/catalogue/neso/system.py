"""The system: frequency, inertia, stability and the control room's plan."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import LabelInterval, SettlementInterval
from energy_assets.catalogue.neso.build import (
    UNSURE_HEADERS,
    UNSURE_LOCAL,
    columns,
    entry,
    local,
    unstated,
    utc,
)
from energy_assets.catalogue.neso.fields import GVA_S, meaning

GROUP = "system"

SYSTEM_FREQUENCY = entry(
    "SYSTEM_FREQUENCY",
    "System frequency by seconds",
    "Frequency of the system in every second since 2014.",
    group=GROUP,
    package="system-frequency-data",
    resources=r"\w+ \d{4} - Historic Frequency Data",
    kind="history",
    columns=columns("""
        dtm
        f
        """),
    key="dtm",
    day_of="dtm",
    clocks=utc("dtm"),
    cadence="monthly",
    heavy=True,
    profiles=("battery",),
    begins=date(2014, 1, 1),
    rows_per_day=86_400,
    proof="recorded",
    notes=(
        "Files of 39 early months are called CSV and are ZIP archives.",
        "Times are GMT from January 2020, as stated; that they are before is assumed.",
    ),
    unsure=("How times are written in April to December 2019, and which clock they show before 2020.",),
)
SYSTEM_INERTIA = entry(
    "SYSTEM_INERTIA",
    "System inertia",
    "Inertia of the system in every half hour, and what the market alone provided.",
    group=GROUP,
    package="system-inertia",
    resources=r"GB System Inertia - \d{4}-\d{4}",
    kind="history",
    columns=columns("""
        Settlement Date
        Settlement Period
        Outturn Inertia
        Market Provided Inertia
        """),
    key="settlement_date settlement_period",
    day="settlement_date",
    interval=SettlementInterval("settlement_date", "settlement_period"),
    cadence="monthly or less",
    profiles=("battery", "trading"),
    begins=date(2017, 4, 1),
    rows_per_day=48,
    proof="recorded",
    notes=("Some days have two periods only.",),
)
SYSTEM_INERTIA_COST = entry(
    "SYSTEM_INERTIA_COST",
    "System inertia cost",
    "What a unit of inertia cost on every day.",
    group=GROUP,
    package="system-inertia-cost",
    resources=r"GB System Inertia Costs \d{4}",
    kind="history",
    columns=columns(
        """
        Settlement Date
        Cost_per_GVAs | Cost -> cost_per_gvas
        """
    ),
    key="settlement_date",
    day="settlement_date",
    cadence="monthly or less",
    begins=date(2017, 1, 1),
    rows_per_day=1,
    notes=("Dates are written day first in some years' files and as ISO in others.",),
)
STABILITY_AVAILABILITY = entry(
    "STABILITY_AVAILABILITY",
    "Stability contracts: availability",
    "Whether every unit under a stability contract was available in every half hour.",
    group=GROUP,
    package="stability-pathfinder-service-information",
    resources=r"Stability Pathfinder Availability Report \d{4}-\d{4}",
    kind="history",
    columns=columns("""
        UNIT
        Settlement Period Start Date Time
        Settlement Period End Date Time
        Availability Flag
        REMARK
        """),
    key="unit settlement_period_start_date_time",
    day_of="settlement_period_start_date_time",
    clocks=local("settlement_period_start_date_time", "settlement_period_end_date_time"),
    interval=LabelInterval("settlement_period_start_date_time", "start"),
    cadence="weekly",
    begins=date(2023, 4, 1),
    rows_per_day=800,
    notes=("Some rows stand twice, wholly alike; they are kept once.",),
    unsure=(UNSURE_LOCAL,),
)
STABILITY_UTILISATION = entry(
    "STABILITY_UTILISATION",
    "Stability contracts: utilisation",
    "Instructions to units under a stability contract, by half hour, with the inertia that they gave.",
    group=GROUP,
    package="stability-pathfinder-service-information",
    resources=r"Stability Pathfinder Utilisation Report \d{4}-\d{4}",
    kind="history",
    columns=columns(
        """
        UNIT
        Settlement Period Start Date Time
        Settlement Period End Date Time
        Instruction Code
        Instruction Issue Time
        Actual Service Start or Cease Time
        Inertia
        """,
        meaning("inertia", "Inertia that the unit gave, as written.", unit=GVA_S),
    ),
    key="unit settlement_period_start_date_time instruction_code instruction_issue_time",
    day_of="settlement_period_start_date_time",
    clocks=local(
        "settlement_period_start_date_time",
        "settlement_period_end_date_time",
        "instruction_issue_time",
        "actual_service_start_or_cease_time",
    ),
    interval=LabelInterval("settlement_period_start_date_time", "start"),
    cadence="weekly",
    begins=date(2023, 4, 1),
    rows_per_day=700,
    unsure=(UNSURE_LOCAL, "The unit of inertia is not stated."),
)
STABILITY_MIDTERM = entry(
    "STABILITY_MIDTERM",
    "Stability contracts of the year ahead: utilisation",
    "When units under a year-ahead stability contract ran for inertia.",
    group=GROUP,
    package="stability-midterm-y-1-utilisation-report",
    resources=r"Stability midterm \(Y-1\) utilisation report \d{2}/\d{2}",
    kind="history",
    columns=columns("""
        BMU ID
        Inertia (in MVA.s) -> inertia_mva_s
        Month & Year
        Utilisation Start Datetime
        Utilisation End Datetime
        Hours Utilised
        """),
    key="bmu_id utilisation_start_datetime",
    day_of="utilisation_start_datetime",
    clocks=utc("utilisation_start_datetime", "utilisation_end_datetime"),
    cadence="monthly",
    begins=date(2025, 4, 1),
    unsure=(UNSURE_HEADERS,),
)
SYSTEM_OPERATING_PLAN = entry(
    "SYSTEM_OPERATING_PLAN",
    "System operating plan",
    "The control room's plan for every cardinal point: demand, reserve, plant and interconnectors.",
    group=GROUP,
    package="system-operating-plan-sop",
    resources=r"System Operating Plan - Data Table",
    kind="history",
    columns=columns("""
        sop_datetime
        ? report_date
        latest_version
        ? latest_status
        cardinal_point
        ? customer_demand_forcast
        ? station_transformer
        ? dsbr
        ? total_sop_demand
        ? standing_reserve_requirement
        ? standing_reserve_availability
        ? standing_reserve_shortfall
        ? standing_reserve_excess
        ? standing_res_wind_adj
        ? net_positive_regulating_reserve
        ? positive_reg_res_wind_adj
        ? reserve_for_response
        ? total_positive_reserve
        ? percentage_of_standing_reserve_excess
        ? net_negative_regulating_reserve
        ? negative_reg_res_wind_adj
        ? negative_response_reserve
        ? total_negative_reserve
        ? maximum_loss_generation
        ? maximum_loss_demand
        ? positive_residual
        ? imbalance
        ? negative_residual
        sop_report_creation_time_gmt
        ? sop_d_and_c_time_gmt
        ? contingency_requirement
        ? operating_margin_surplus
        ? trigger_level
        ? total_temx
        ? total_teol
        ? total_temi
        """),
    grows=r"[a-z0-9_]+",
    key="sop_datetime cardinal_point sop_report_creation_time_gmt",
    versions="latest_version",
    day_of="sop_datetime",
    clocks=(*unstated("sop_datetime", "report_date"), *utc("sop_report_creation_time_gmt", "sop_d_and_c_time_gmt")),
    cadence="several times a day",
    probe_minutes=360,
    rows_per_day=100,
    notes=("Columns for new interconnectors are added on the right; each gets a column of its own.",),
    unsure=("Of its more than ninety columns 36 are known.", "NESO flags its quality.", "The clock of sop_datetime."),
)
GSP_LOOKUP = entry(
    "GSP_LOOKUP",
    "Grid supply points and regions, 2018",
    "Which network nodes, direct connections and regions belong to which grid supply point.",
    group=GROUP,
    package="gis-boundaries-for-gb-grid-supply-points",
    resources=r"GSP - Gnode - Direct Connect - Region Lookup \d{8}",
    kind="register",
    columns=columns("""
        ng_id
        ggd_id
        gnode_id
        gnode_name
        gnode_lat
        gnode_lon
        gsp_id
        gsp_name
        gsp_lat
        gsp_lon
        dc_id
        dc_name
        dc_lat
        dc_lon
        region_id
        region_name
        has_pv
        pes_id
        pes_name
        """),
    key="gnode_id gsp_id dc_id region_id",
    repeats=True,
    cadence="closed",
    rows_per_day=380,
)

ENTRIES = (
    SYSTEM_FREQUENCY,
    SYSTEM_INERTIA,
    SYSTEM_INERTIA_COST,
    STABILITY_AVAILABILITY,
    STABILITY_UTILISATION,
    STABILITY_MIDTERM,
    SYSTEM_OPERATING_PLAN,
    GSP_LOOKUP,
)
