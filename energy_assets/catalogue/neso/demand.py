"""Demand: as it came out, as it was forecast, and what it is made of."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import (
    Dataset,
    DateFormat,
    Field,
    LabelInterval,
    SettlementInterval,
    TextRules,
    TimesInterval,
)
from energy_assets.catalogue.neso.build import (
    ISSUES_TWICE,
    LAST_MODIFIED,
    UNSURE_KEY,
    UNSURE_LOCAL,
    columns,
    entry,
    issued_in,
    local,
    unstated,
    utc,
)
from energy_assets.catalogue.neso.fields import meaning

GROUP = "demand"

_FLOWS = """
    IFA_FLOW
    ? IFA2_FLOW
    ? BRITNED_FLOW
    ? MOYLE_FLOW
    ? EAST_WEST_FLOW
    ? NEMO_FLOW
    ? NSL_FLOW
    ? ELECLINK_FLOW
    ? VIKING_FLOW
    ? GREENLINK_FLOW
"""

HISTORIC_DEMAND = entry(
    "HISTORIC_DEMAND",
    "Historic demand",
    "Half-hourly demand in Great Britain since 2001: national and transmission system demand, estimates of wind and "
    "sun behind the meter, pumping and every interconnector's flow.",
    group=GROUP,
    package="historic-demand-data",
    resources=r"Historic Demand Data \d{4}",
    kind="history",
    columns=columns(
        """
        SETTLEMENT_DATE
        SETTLEMENT_PERIOD
        ND
        ? FORECAST_ACTUAL_INDICATOR
        TSD
        ? ENGLAND_WALES_DEMAND
        ? EMBEDDED_WIND_GENERATION
        ? EMBEDDED_WIND_CAPACITY
        ? EMBEDDED_SOLAR_GENERATION
        ? EMBEDDED_SOLAR_CAPACITY
        ? NON_BM_STOR
        ? PUMP_STORAGE_PUMPING
        ? SCOTTISH_TRANSFER
        ? IFA_FLOW
        """
        + _FLOWS.replace("IFA_FLOW\n", "", 1)
    ),
    key="settlement_date settlement_period",
    day="settlement_date",
    interval=SettlementInterval("settlement_date", "settlement_period"),
    # By year: ISO 2001-2008 and from 2025; 01-JAN-2009 2009-2022 and 2024; 01-Jan-23 2023, and in a copy of 2019.
    dates=(DateFormat(("iso", "month_name", "month_name_short")),),
    cadence="daily for the current year; earlier years are reissued without notice",
    profiles=("core", "battery", "trading"),
    begins=date(2001, 1, 1),
    rows_per_day=48,
    proof="recorded",
    notes=(
        "Files of 2001 to 2008 write NA where there was no such thing yet: those values are null.",
        "Rows marked F are forecasts, with a demand of zero.",
        "Links that a year's file does not list are null in that year.",
    ),
)

DAILY_DEMAND_UPDATE = entry(
    "DAILY_DEMAND_UPDATE",
    "Daily demand update",
    "The last weeks of the demand table, refreshed every morning: outturn, and forecast rows for the days to come.",
    group=GROUP,
    package="daily-demand-update",
    resources=r"Demand Data Update",
    kind="history",
    columns=columns(
        """
        SETTLEMENT_DATE
        SETTLEMENT_PERIOD
        ND
        FORECAST_ACTUAL_INDICATOR
        TSD
        ENGLAND_WALES_DEMAND
        EMBEDDED_WIND_GENERATION
        EMBEDDED_WIND_CAPACITY
        EMBEDDED_SOLAR_GENERATION
        EMBEDDED_SOLAR_CAPACITY
        NON_BM_STOR
        PUMP_STORAGE_PUMPING
        ? SCOTTISH_TRANSFER
        """
        + _FLOWS
    ),
    key="settlement_date settlement_period",
    day="settlement_date",
    interval=SettlementInterval("settlement_date", "settlement_period"),
    dates=(DateFormat(("iso", "month_name")),),
    cadence="daily, about 08:20 UTC",
    profiles=("core", "battery", "trading"),
    rows_per_day=2160,
    proof="recorded",
    notes=(
        "Rows marked F hold zero for national and transmission system demand: no forecast of them is meant.",
        "A row is revised for about ten days; what it said before is in its history.",
    ),
)

_CARDINAL = """
    DAYSAHEAD
    TARGETDATE
    FORECASTDEMAND
    CARDINALPOINT
    CP_TYPE
    CP_ST_TIME
    CP_END_TIME
    F_Point
    ? FORECAST_TIMESTAMP
"""


def _cardinal(
    name: str, title: str, description: str, *, package: str, resources: str, cadence: str, rows: int
) -> Dataset:
    """A forecast of the turning points of a day's demand."""
    return entry(
        name,
        title,
        description,
        group=GROUP,
        package=package,
        resources=resources,
        kind="forecast",
        columns=columns(_CARDINAL),
        key="targetdate cardinalpoint f_point",
        issue=issued_in("forecast_timestamp"),
        clocks=local("forecast_timestamp"),
        interval=TimesInterval("targetdate", "cp_st_time", "cp_end_time", "local"),
        dates=(DateFormat(("iso", "compact"), ("targetdate",)),),
        cadence=cadence,
        profiles=("trading", "forecast"),
        rows_per_day=rows,
        proof="specified",
        notes=(
            "The live file writes the target day as a number, the archive as a date.",
            "At a fixed point start and end are the same instant; 2400 closes the day.",
            "The archive's times of issue are local, although a Z stands behind them.",
        ),
        unsure=(UNSURE_LOCAL, ISSUES_TWICE, UNSURE_KEY),
    )


DEMAND_FORECAST_1_DAY = _cardinal(
    "DEMAND_FORECAST_1_DAY",
    "Demand forecast, one day ahead",
    "National demand at the turning points of tomorrow, with every former forecast.",
    package="1-day-ahead-demand-forecast",
    resources=r"Day Ahead National Demand Forecast|Historic Day Ahead Demand Forecasts",
    cadence="daily, about 11:00 UTC",
    rows=12,
)
DEMAND_FORECAST_2_DAY = _cardinal(
    "DEMAND_FORECAST_2_DAY",
    "Demand forecast, two days ahead",
    "National demand at the turning points of the day after tomorrow, with every former forecast.",
    package="2-day-ahead-demand-forecast",
    resources=r"(Historic )?2 Day Ahead Demand Forecasts?",
    cadence="daily, about 15:15 UTC",
    rows=12,
)
DEMAND_FORECAST_7_DAY = _cardinal(
    "DEMAND_FORECAST_7_DAY",
    "Demand forecast, seven days ahead",
    "National demand at the turning points of the next seven days, with every former forecast.",
    package="7-day-ahead-national-forecast",
    resources=r"(Historic )?7 Day Ahead Demand Forecasts?",
    cadence="daily, about 15:15 UTC",
    rows=84,
)
DEMAND_FORECAST_14_DAY = _cardinal(
    "DEMAND_FORECAST_14_DAY",
    "Demand forecast, two to fourteen days ahead",
    "National demand at the turning points of the next two to fourteen days, with every former forecast.",
    package="2-14-days-ahead-national-demand-forecast",
    resources=r"2-14 Days Ahead Cardinal Point Forecast|Historic 2-14 Days? Ahead Demand Forecasts",
    cadence="twice daily, 09:20 and 14:20 stated",
    rows=312,
)

DEMAND_FORECAST_14_DAY_HALF_HOURLY = entry(
    "DEMAND_FORECAST_14_DAY_HALF_HOURLY",
    "Demand forecast by half hours, two to fourteen days ahead",
    "National demand in every half hour of the next two to fourteen days.",
    group=GROUP,
    package="2-14-days-ahead-national-demand-forecast",
    resources=r"2-14 Days Ahead Half Hourly Forecast",
    kind="forecast",
    columns=columns("""
        DATE
        CTIME
        GDATETIME
        NATIONALDEMAND
        """),
    key="gdatetime",
    issue=(LAST_MODIFIED,),
    clocks=utc("gdatetime"),
    interval=LabelInterval("gdatetime", "end"),
    dates=(DateFormat(("iso", "compact")),),
    cadence="twice daily, 09:20 and 14:20 stated",
    profiles=("trading", "forecast"),
    rows_per_day=1248,
    unsure=("That gdatetime marks the end of the half hour, in UTC, is measured and not confirmed.",),
)

DEMAND_FORECAST_52_WEEK = entry(
    "DEMAND_FORECAST_52_WEEK",
    "Demand forecast, two to 52 weeks ahead",
    "Peak and least demand on the transmission system in every week of the next year.",
    group=GROUP,
    package="long-term-2-52-weeks-ahead-national-demand-forecast",
    resources=r"Long term demand forecast",
    kind="forecast",
    columns=columns("""
        calendar_year
        financial_year
        ESIWK
        CDATE_peak
        tsd_peak
        tsd_min
        day_min
        night_min
        """),
    key="calendar_year esiwk cdate_peak",
    issue=(LAST_MODIFIED,),
    cadence="now and then",
    profiles=("forecast",),
    unsure=("How its weeks are counted; one week has been seen twice.",),
)

DEMAND_PROFILE_DATES = entry(
    "DEMAND_PROFILE_DATES",
    "Demand profile dates",
    "Which past day's shape turns the cardinal points of a day into half hours.",
    group=GROUP,
    package="demand-profile-dates",
    resources=r"Demand Profile Dates",
    kind="history",
    columns=columns("""
        FORECAST_DATE
        PROFILE_DATE
        """),
    key="forecast_date",
    day="forecast_date",
    cadence="daily",
    begins=date(2024, 4, 23),
    notes=("The choice for a day to come is revised as the day comes nearer.",),
)

DEMAND_FORECAST_PERFORMANCE = entry(
    "DEMAND_FORECAST_PERFORMANCE",
    "Day-ahead demand forecast against outturn",
    "Day-ahead forecast of demand, outturn and error for every half hour since April 2021.",
    group=GROUP,
    package="day-ahead-half-hourly-demand-forecast-performance",
    resources=r"Day Ahead Half Hourly Demand Forecast Performance",
    kind="history",
    columns=columns(
        """
        Month
        Date
        Datetime
        Settlement_Period
        Demand_Forecast
        Demand_Outturn
        TRIAD_Avoidance_Estimate
        TRIAD_Avoidance_Corrected_Demand_Outturn
        APE
        Absolute_Error
        Publish_Datetime
        """,
        meaning("datetime", "End of the half hour, local clock, as labelled.", type_="text"),
    ),
    key="date datetime",
    day="date",
    clocks=(*local("datetime"), *unstated("publish_datetime")),
    interval=LabelInterval("datetime", "end", period="settlement_period"),
    cadence="daily; monthly stated",
    profiles=("trading",),
    begins=date(2021, 4, 1),
    rows_per_day=48,
    proof="recorded",
    notes=(
        "datetime is the end of the half hour on the local clock, although a Z stands behind it in files.",
        "Period numbers are misprinted on 31 October 2021 and 30 October 2022: there the label decides.",
    ),
)

NATIONAL_DEMAND_BM_UNITS = entry(
    "NATIONAL_DEMAND_BM_UNITS",
    "Units in national demand",
    "Balancing Mechanism units that count towards the definition of national demand.",
    group=GROUP,
    package="national-demand-balancing-mechanism-units",
    resources=r"National Demand Balancing Mechanism Units",
    kind="register",
    columns=columns("""
        BM_Name
        """),
    key="bm_name",
    cadence="monthly or so",
    rows_per_day=1001,
)

SCHOOL_HOLIDAYS = entry(
    "SCHOOL_HOLIDAYS",
    "School holidays",
    "Share of schools on holiday on every day, by local authority and for Great Britain.",
    group=GROUP,
    package="school-holiday-percentages",
    resources=r"School Holiday Percentages \d{4}/\d{2}",
    kind="history",
    columns=columns(
        """
        Local_Authority
        Multiplier
        Date
        School_Holiday
        """,
        Field("multiplier", "text", "Weight of the local authority in the total, as written."),
    ),
    key="local_authority date",
    day="date",
    cadence="yearly",
    begins=date(2021, 8, 1),
    text=TextRules(percent=("school_holiday",)),
    notes=("In one year's file the multiplier is text, so it is text throughout.",),
    unsure=("Whether the shares of the total rows are fractions or percentages.",),
)

TRANSMISSION_LOSSES = entry(
    "TRANSMISSION_LOSSES",
    "Transmission losses by month",
    "Energy lost on each owner's transmission network, by month.",
    group=GROUP,
    package="transmission-losses",
    resources=r"Transmission Losses",
    kind="register",
    columns=columns(
        """
        Financial Year
        Month
        NGET
        SPT
        SHETL
        GB totals
        """,
        meaning("month", "Month in words."),
    ),
    key="financial_year month",
    cadence="monthly",
    unsure=("Its unit is not stated.",),
)
TRANSMISSION_LOSSES_BY_YEAR = entry(
    "TRANSMISSION_LOSSES_BY_YEAR",
    "Transmission losses by financial year",
    "Energy lost on each owner's transmission network, by financial year.",
    group=GROUP,
    package="transmission-losses",
    resources=r"Financial Year Losses",
    kind="register",
    columns=columns("""
        Financial Year
        Sum of NGET
        Sum of SPT
        Sum of SHETL
        Sum of GB totals
        """),
    key="financial_year",
    cadence="monthly",
    unsure=("Its unit is not stated.",),
)


def _pathways(name: str, place: str, resources: str, text: str, key: str) -> Dataset:
    """A table of the transitional regional energy strategic plan."""
    return entry(
        f"TRESP_DEMAND_{name}",
        f"tRESP demand pathways by {place}",
        f"Demand to come under every pathway of the transitional regional plan, by {place}.",
        group=GROUP,
        package="tresp-demand-pathways",
        resources=resources,
        kind="register",
        columns=columns(text),
        key=key,
        repeats=True,
        cadence="once, in January 2026",
        begins=date(2026, 1, 28),
        notes=("The unit of a value stands beside it.",),
    )


TRESP_DEMAND_GSP = _pathways(
    "GSP",
    "grid supply point area",
    r"tRESP Demand Pathways per Grid Supply Point Area",
    """
        Building_block_id
        tRESP_GSP_area -> tresp_gsp_area
        Pathway
        Year
        Value
        Unit
        DNO_licence_area
        """,
    "building_block_id tresp_gsp_area dno_licence_area pathway year",
)
TRESP_DEMAND_REGION = _pathways(
    "REGION",
    "nation and region",
    r"tRESP Demand Pathways per RESP Nation and Region",
    """
        Building_block_id
        RESP_region
        Pathway
        Year
        Value
        Unit
        """,
    "building_block_id resp_region pathway year",
)
TRESP_DEMAND_LOCAL_AUTHORITY = _pathways(
    "LOCAL_AUTHORITY",
    "local authority",
    r"tRESP Indicative Demand Pathways per Local Authority for .+",
    """
        Building_block_id
        LAD24CD
        LAD24NM
        Pathway
        Year
        Unit
        Value
        """,
    "building_block_id lad24cd pathway year",
)

ENTRIES = (
    HISTORIC_DEMAND,
    DAILY_DEMAND_UPDATE,
    DEMAND_FORECAST_1_DAY,
    DEMAND_FORECAST_2_DAY,
    DEMAND_FORECAST_7_DAY,
    DEMAND_FORECAST_14_DAY,
    DEMAND_FORECAST_14_DAY_HALF_HOURLY,
    DEMAND_FORECAST_52_WEEK,
    DEMAND_PROFILE_DATES,
    DEMAND_FORECAST_PERFORMANCE,
    NATIONAL_DEMAND_BM_UNITS,
    SCHOOL_HOLIDAYS,
    TRANSMISSION_LOSSES,
    TRANSMISSION_LOSSES_BY_YEAR,
    TRESP_DEMAND_GSP,
    TRESP_DEMAND_REGION,
    TRESP_DEMAND_LOCAL_AUTHORITY,
)
