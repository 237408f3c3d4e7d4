"""Generation: forecasts of wind and sun, availability, margins, and metered wind."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import (
    Clock,
    Dataset,
    DateFormat,
    Issue,
    LabelInterval,
    OrderBy,
    SettlementInterval,
    TextRules,
)
from energy_assets.catalogue.neso.build import (
    ISSUES_TWICE,
    LAST_MODIFIED,
    UNSURE_HEADERS,
    UNSURE_KEY,
    columns,
    entry,
    issued_in,
    utc,
)
from energy_assets.catalogue.neso.fields import meaning

GROUP = "generation"

EMBEDDED_FORECAST = entry(
    "EMBEDDED_FORECAST",
    "Embedded wind and solar forecast",
    "Forecast of wind and sun on the distribution networks for every half hour, from now to fourteen days ahead, with "
    "every forecast since 2019.",
    group=GROUP,
    package="embedded-wind-and-solar-forecasts",
    resources=r"Embedded Solar and Wind Forecast( Archive \d{4}.*)?",
    kind="forecast",
    columns=columns(
        """
        DATE_GMT
        TIME_GMT
        SETTLEMENT_DATE
        SETTLEMENT_PERIOD
        EMBEDDED_WIND_FORECAST
        EMBEDDED_WIND_CAPACITY
        EMBEDDED_SOLAR_FORECAST
        EMBEDDED_SOLAR_CAPACITY
        ? Forecast_Datetime -> forecast_datetime
        ? source_file
        """
    ),
    key="settlement_date settlement_period",
    issue=(
        Issue("column", "forecast_datetime"),
        Issue("file_name", pattern=r"(?P<stamp>\d{12})_embedded_forecast\.csv"),
        LAST_MODIFIED,
    ),
    # From June 2026 the times agree with the first half hour of an issue only if they are UTC.
    clocks=(Clock("forecast_datetime", "local", utc_since=date(2026, 6, 1)),),
    interval=SettlementInterval("settlement_date", "settlement_period"),
    dates=(DateFormat(("iso_time",), ("date_gmt", "settlement_date")),),
    text=TextRules(half_last_row=True),
    cadence="hourly, about 25 minutes past",
    probe_minutes=60,
    heavy=True,
    profiles=("core", "battery", "forecast"),
    begins=date(2019, 1, 1),
    rows_per_day=16000,
    proof="recorded",
    notes=(
        "time_gmt is the end of the half hour in GMT; start and end here follow from settlement date and period.",
        "The archive's times of issue are local until May 2026, although a Z may stand behind them.",
        "The archive of 2019 ends inside a row, on 21 December: that row is quarantined.",
        "The live file's issue is the time in its name, to the minute.",
    ),
    unsure=("That the archive's times of issue are UTC from June 2026.", ISSUES_TWICE),
)

_UNSURE_ISSUE = "That its time of issue is UTC is not stated; it fits the first half hour better if it were local."

WIND_FORECAST_14_DAY = entry(
    "WIND_FORECAST_14_DAY",
    "Wind forecast, fourteen days ahead",
    "Forecast of metered wind in Great Britain for every half hour of the next fourteen days.",
    group=GROUP,
    package="14-days-ahead-wind-forecasts",
    resources=r"14 Days Ahead Wind Forecast",
    kind="forecast",
    columns=columns("""
        Datetime
        Date
        Settlement_Period
        Capacity
        Wind_Forecast
        ForecastDateTime
        """),
    key="datetime",
    issue=issued_in("forecast_date_time"),
    clocks=utc("datetime", "forecast_date_time"),
    interval=LabelInterval("datetime", "start"),
    cadence="about hourly",
    probe_minutes=60,
    profiles=("core", "battery", "trading", "forecast"),
    begins=date(2021, 2, 22),
    rows_per_day=16000,
    proof="recorded",
    notes=("A file still holds a few half hours before its own time of issue.",),
    unsure=(_UNSURE_ISSUE,),
)
WIND_FORECAST_14_DAY_UNITS = entry(
    "WIND_FORECAST_14_DAY_UNITS",
    "Wind forecast by unit, fourteen days ahead",
    "Forecast of every metered wind unit for every half hour of the next fourteen days.",
    group=GROUP,
    package="14-days-ahead-wind-forecasts",
    resources=r"14 Day Ahead Wind BMU Forecast",
    kind="forecast",
    columns=columns("""
        Datetime
        Date
        Settlement_Period
        Generator_Name
        Generator_Full_Name
        Region
        Capacity
        Wind_Forecast
        """),
    key="datetime generator_name",
    issue=(LAST_MODIFIED,),
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="about hourly",
    probe_minutes=60,
    heavy=True,
    profiles=("forecast",),
    begins=date(2021, 2, 22),
    rows_per_day=3_700_000,
    notes=("The file does not say when it was issued: the portal's time of change stands for it.",),
)
WIND_FORECAST_OPERATIONAL = entry(
    "WIND_FORECAST_OPERATIONAL",
    "Operationally metered wind forecast, fourteen days ahead",
    "Forecast of operationally metered wind for every half hour of the next fourteen days.",
    group=GROUP,
    package="14-days-ahead-operational-metered-wind-forecasts",
    resources=r"14 Day Ahead Operational Metered Wind Forecast",
    kind="forecast",
    columns=columns(
        """
        Datetime
        Date
        Settlement_Period
        Capacity
        Wind_Forecast
        ? ForecastDateTime
        """
    ),
    key="datetime",
    issue=issued_in("forecast_date_time"),
    clocks=utc("datetime", "forecast_date_time"),
    interval=LabelInterval("datetime", "start"),
    cadence="about hourly; daily stated",
    probe_minutes=60,
    profiles=("forecast",),
    begins=date(2024, 7, 16),
    rows_per_day=16000,
    unsure=("Its columns: those of the forecast of settlement metering are assumed.",),
)
WIND_FORECAST_OPERATIONAL_FARMS = entry(
    "WIND_FORECAST_OPERATIONAL_FARMS",
    "Operationally metered wind forecast by farm, fourteen days ahead",
    "Forecast of every operationally metered wind farm for every half hour of the next fourteen days.",
    group=GROUP,
    package="14-days-ahead-operational-metered-wind-forecasts",
    resources=r"14 Day Ahead Operational Metered Windfarm-Level Wind Forecast",
    kind="forecast",
    columns=columns("""
        Datetime
        Date
        Settlement_Period
        Generator_Name
        Generator_Full_Name
        Region
        Capacity
        Wind_Forecast
        """),
    key="datetime generator_name",
    issue=(LAST_MODIFIED,),
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="about hourly; daily stated",
    probe_minutes=60,
    heavy=True,
    profiles=("forecast",),
    begins=date(2024, 7, 16),
)
WIND_FORECAST_DAY_AHEAD = entry(
    "WIND_FORECAST_DAY_AHEAD",
    "Wind forecast, day ahead",
    "The day-ahead forecast of wind by which NESO is measured, with every former forecast.",
    group=GROUP,
    package="day-ahead-wind-forecast",
    resources=r"Day Ahead Wind Forecast|Historic Day Ahead Wind Forecasts",
    kind="forecast",
    columns=columns(
        """
        Datetime_GMT
        Date
        Settlement_period
        Capacity
        Incentive_forecast
        ? Forecast_Timestamp
        """,
        meaning("forecast_timestamp", "When the forecast was issued, UTC.", type_="instant"),
    ),
    key="datetime_gmt",
    issue=issued_in("forecast_timestamp"),
    clocks=utc("datetime_gmt", "forecast_timestamp"),
    interval=LabelInterval("datetime_gmt", "start"),
    cadence="daily, about 08:40 UTC",
    profiles=("core", "trading", "forecast"),
    begins=date(2018, 1, 1),
    rows_per_day=48,
    proof="specified",
    notes=("Many archived times of issue lie after the half hour that they are for.",),
    unsure=("That its times of issue are UTC is not stated.", ISSUES_TWICE),
)
WIND_FORECAST_DAY_AHEAD_UNITS = entry(
    "WIND_FORECAST_DAY_AHEAD_UNITS",
    "Wind forecast by unit, day ahead",
    "The day-ahead forecast of every wind unit, with every former forecast since 2018.",
    group=GROUP,
    package="day-ahead-wind-forecast",
    resources=r"Day Ahead Wind BMU Forecast|Historic Day Ahead Wind BMU Forecasts \d{4}",
    kind="forecast",
    columns=columns("""
        Datetime
        Date
        Settlement_Period
        Generator_Name
        Generator_Full_Name
        Region
        Capacity
        Wind_Forecast
        ? Timestamp -> issued
        """),
    key="datetime generator_name",
    issue=issued_in("issued"),
    clocks=utc("datetime", "issued"),
    interval=LabelInterval("datetime", "start"),
    cadence="daily, about 08:40 UTC",
    heavy=True,
    profiles=("forecast",),
    begins=date(2018, 1, 1),
    rows_per_day=11088,
    unsure=("That its times of issue are UTC is not stated.", ISSUES_TWICE),
)

WIND_AVAILABILITY_DAILY = entry(
    "WIND_AVAILABILITY_DAILY",
    "Wind availability, two to fourteen days ahead",
    "What every wind unit could technically give on each of the next two to fourteen days.",
    group=GROUP,
    package="daily-wind-availability",
    resources=r"Daily Wind Availability",
    kind="forecast",
    columns=columns("""
        BMU_ID
        Date
        MW
        """),
    key="bmu_id date",
    issue=(LAST_MODIFIED,),
    cadence="through the day",
    probe_minutes=60,
    profiles=("forecast",),
    rows_per_day=88_000,
)
WIND_AVAILABILITY_WEEKLY = entry(
    "WIND_AVAILABILITY_WEEKLY",
    "Wind availability, two to 52 weeks ahead",
    "What every wind unit could technically give in each of the next two to 52 weeks.",
    group=GROUP,
    package="weekly-wind-availability",
    resources=r"Weekly Wind Availability",
    kind="register",
    columns=columns("""
        BMU_ID
        Week Number
        MW
        """),
    key="bmu_id week_number",
    repeats=True,
    cadence="weekly; the file is touched every hour",
    rows_per_day=43_556,
    notes=("The file keeps its past, so every snapshot holds it whole.",),
    unsure=("How its weeks are counted.",),
)

_UNSURE_MARGIN = "Nothing says which of the rows of one publication day came first."

OPMR_DAILY = entry(
    "OPMR_DAILY",
    "Operating margin, two to fourteen days ahead",
    "Operational planning margin requirement and surplus for each of the next two to fourteen days, as published every "
    "day since March 2021.",
    group=GROUP,
    package="daily-opmr",
    resources=r"Daily Operational Planning Margin Requirement",
    kind="history",
    columns=columns(
        """
        Publish Date
        Date
        Peak Demand Forecast
        Generator Availability
        Maximum I/C Import | Maximum IC Import
        Maximum I/C Export | Maximum IC Export
        Generation Availability Margin
        Operating Reserve provided by I/Cs | Operating Reserve provided by ICs
        OPMR total
        Constrained Plant
        National Surplus
        Minimum Demand Forecast
        High Freq Response Requirement
        Negative Reserve
        """
    ),
    key="date",
    versions="publish_date",
    latest=(OrderBy("publish_date"),),
    day="publish_date",
    cadence="daily; the file is touched every hour",
    profiles=("core", "trading", "forecast"),
    begins=date(2021, 3, 1),
    rows_per_day=13,
    proof="recorded",
    notes=("A peak of zero on the last days of a publication means that there is none yet.",),
    unsure=(_UNSURE_MARGIN, UNSURE_KEY),
)
OPMR_WEEKLY = entry(
    "OPMR_WEEKLY",
    "Operating margin, two to 52 weeks ahead",
    "Operational planning margin requirement and surplus for each of the next two to 52 weeks, as published.",
    group=GROUP,
    package="weekly-opmr",
    resources=r"Weekly Operational Planning Margin Requirement \(OPMR\)",
    kind="history",
    columns=columns(
        """
        ENG.Week | ENG_Week | ENG Week
        ENG.Year | ENG_Year | ENG Year
        Publish Date
        Peak Demand Forecast
        Generator Availability
        Maximum I/C Import | Maximum IC Import
        Maximum I/C Export | Maximum IC Export
        Generation Availability Margin
        Operating Reserve provided by I/Cs | Operating Reserve provided by ICs
        OPMR total
        Constrained Plant
        National Surplus
        Minimum Demand Forecast
        High Freq Response Requirement
        Negative Reserve
        """
    ),
    key="eng_year eng_week",
    versions="publish_date",
    latest=(OrderBy("publish_date"),),
    day="publish_date",
    cadence="weekly; the file is touched every hour",
    profiles=("trading", "forecast"),
    begins=date(2019, 12, 10),
    unsure=("How engineering weeks are counted.", _UNSURE_MARGIN, UNSURE_KEY),
)


def _nrapm(name: str, title: str, description: str, resources: str, text: str, key: str) -> Dataset:
    """One of the four files on too little demand for the plant that must run."""
    return entry(
        f"NRAPM_{name}",
        title,
        description,
        group=GROUP,
        package="negative-reserve-active-power-margin-nrapm-forecast",
        resources=resources,
        kind="forecast",
        columns=columns(text),
        key=key,
        issue=(LAST_MODIFIED,),
        cadence="daily" if "DAILY" in name else "weekly",
        profiles=("forecast",),
        unsure=(UNSURE_KEY,),
    )


NRAPM_DAILY = _nrapm(
    "DAILY",
    "Negative reserve margin, national, two to fourteen days ahead",
    "How far the system is from having too little demand, at the cardinal points of the next days.",
    r"National Daily 2-14 days NRAPM Forecast",
    """
        Date
        CP
        MW away from risk of System Level NRAPM (Forecast Conditions) -> margin_mw
        """,
    "date cp",
)
NRAPM_DAILY_SCOTLAND = _nrapm(
    "DAILY_SCOTLAND",
    "Negative reserve margin, Scotland, two to fourteen days ahead",
    "How far Scotland is from having too little demand, at the cardinal points of the next days.",
    r"Scotland Daily 2-14 days NRAPM Forecast",
    """
        Date
        CP
        MW away from risk of Scotland Level NRAPM (Forecast Conditions) -> margin_mw
        """,
    "date cp",
)
NRAPM_WEEKLY = _nrapm(
    "WEEKLY",
    "Negative reserve margin, national, two to 52 weeks ahead",
    "How much wind would bring the system to having too little demand, by week, and how likely that is.",
    r"Weekly 2-52 week National NRAPM Forecast",
    """
        Week number
        Date
        Wind Load Factor required to cause a System Level NRAPM -> wind_load_factor_required
        Probability of seeing Wind load factor above
        """,
    "date week_number",
)
NRAPM_WEEKLY_SCOTLAND = _nrapm(
    "WEEKLY_SCOTLAND",
    "Negative reserve margin, Scotland, two to 52 weeks ahead",
    "How much wind would bring Scotland to having too little demand, by week, and how likely that is.",
    r"Weekly 2-52 week Scotland NRAPM [Ff]orecast",
    """
        Week number
        Date
        Wind Load Factor required to cause a Scotland Level NRAPM -> wind_load_factor_required
        Probability of seeing Wind load factor above
        """,
    "date week_number",
)

WIND_OUTPUT = entry(
    "WIND_OUTPUT",
    "Operationally metered wind output",
    "Metered wind in every half hour, in Scotland and in England and Wales.",
    group=GROUP,
    package="monthly-operational-metered-wind-output",
    resources=r"Monthly Operational Metered Wind Output \d{4}-\d{4}",
    kind="history",
    columns=columns(
        """
        Sett_Date
        Sett_Period
        Scottish Wind Output
        England/Wales Wind Output
        Total
        """,
        meaning("total", "Metered wind in Great Britain, mean over the half hour."),
    ),
    key="sett_date sett_period",
    day="sett_date",
    interval=SettlementInterval("sett_date", "sett_period"),
    cadence="monthly or weekly",
    begins=date(2018, 4, 1),
    rows_per_day=48,
    unsure=(UNSURE_HEADERS,),
)
WIND_BOA_VOLUMES = entry(
    "WIND_BOA_VOLUMES",
    "Accepted bids and offers of wind",
    "Energy by which acceptances moved every wind unit in every half hour.",
    group=GROUP,
    package="wind-bmu-boa-volumes",
    resources=r"Wind BOA Volumes \d{4}/\d{2}",
    kind="history",
    columns=columns("""
        Date
        Settlement_Period
        Generator_Name
        Generator_Full_Name
        BOA_Volume
        """),
    key="date settlement_period generator_name",
    day="date",
    interval=SettlementInterval("date", "settlement_period"),
    cadence="daily",
    begins=date(2018, 4, 1),
    rows_per_day=1500,
    notes=("All past years were reissued on 10 August 2026.",),
)


def _pathways(name: str, place: str, resources: str, text: str, key: str) -> Dataset:
    """A table of the transitional regional energy strategic plan."""
    return entry(
        f"TRESP_GENERATION_{name}",
        f"tRESP generation pathways by {place}",
        f"Generation and storage to come under every pathway of the transitional regional plan, by {place}.",
        group=GROUP,
        package="tresp-generation-pathways",
        resources=resources,
        kind="register",
        columns=columns(text),
        key=key,
        repeats=True,
        cadence="once, in January 2026",
        begins=date(2026, 1, 28),
        notes=("The unit of a value stands beside it.",),
    )


TRESP_GENERATION_GSP = _pathways(
    "GSP",
    "grid supply point area",
    r"tRESP Generation Pathways per Grid Supply Point Area",
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
TRESP_GENERATION_REGION = _pathways(
    "REGION",
    "nation and region",
    r"tRESP Generation Pathways per RESP Nation and Region",
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
TRESP_GENERATION_LOCAL_AUTHORITY = _pathways(
    "LOCAL_AUTHORITY",
    "local authority",
    r"tRESP Indicative Generation Pathways per Local Authority for .+",
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
    EMBEDDED_FORECAST,
    WIND_FORECAST_14_DAY,
    WIND_FORECAST_14_DAY_UNITS,
    WIND_FORECAST_OPERATIONAL,
    WIND_FORECAST_OPERATIONAL_FARMS,
    WIND_FORECAST_DAY_AHEAD,
    WIND_FORECAST_DAY_AHEAD_UNITS,
    WIND_AVAILABILITY_DAILY,
    WIND_AVAILABILITY_WEEKLY,
    OPMR_DAILY,
    OPMR_WEEKLY,
    NRAPM_DAILY,
    NRAPM_DAILY_SCOTLAND,
    NRAPM_WEEKLY,
    NRAPM_WEEKLY_SCOTLAND,
    WIND_OUTPUT,
    WIND_BOA_VOLUMES,
    TRESP_GENERATION_GSP,
    TRESP_GENERATION_REGION,
    TRESP_GENERATION_LOCAL_AUTHORITY,
)
