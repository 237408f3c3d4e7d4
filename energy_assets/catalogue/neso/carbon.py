"""Generation mix and carbon intensity."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import LabelInterval
from energy_assets.catalogue.neso.build import UNSURE_UTC, columns, entry, utc

GROUP = "carbon_intensity1"

_NO_ISSUE = (
    "A row does not say when it was forecast: what it said before is in its history, from the first reading here on."
)

GENERATION_MIX = entry(
    "GENERATION_MIX",
    "Generation mix",
    "Generation by fuel and carbon intensity of Great Britain in every half hour since 2009.",
    group=GROUP,
    package="historic-generation-mix",
    resources=r"Historic GB Generation Mix",
    kind="history",
    columns=columns("""
        DATETIME
        GAS
        COAL
        NUCLEAR
        WIND
        WIND_EMB
        HYDRO
        IMPORTS
        BIOMASS
        OTHER
        SOLAR
        STORAGE
        GENERATION
        CARBON_INTENSITY
        LOW_CARBON
        ZERO_CARBON
        RENEWABLE
        FOSSIL
        GAS_perc
        COAL_perc
        NUCLEAR_perc
        WIND_perc
        WIND_EMB_perc
        HYDRO_perc
        IMPORTS_perc
        BIOMASS_perc
        OTHER_perc
        SOLAR_perc
        STORAGE_perc
        GENERATION_perc
        LOW_CARBON_perc
        ZERO_CARBON_perc
        RENEWABLE_perc
        FOSSIL_perc
        """),
    key="datetime",
    day_of="datetime",
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="every half hour; the whole file of 60 MB is replaced",
    probe_minutes=30,
    profiles=("core", "battery"),
    begins=date(2009, 1, 1),
    rows_per_day=48,
    proof="recorded",
    notes=("That times are UTC and mark the start of the half hour is how NESO's own readers take them.",),
)

NATIONAL_CARBON_INTENSITY = entry(
    "NATIONAL_CARBON_INTENSITY",
    "Carbon intensity, national",
    "Carbon intensity of Great Britain in every half hour, forecast and estimated, two days into the future.",
    group=GROUP,
    package="national-carbon-intensity-forecast",
    resources=r"National Carbon Intensity Forecast",
    kind="history",
    columns=columns(
        """
        datetime | from
        forecast | intensity.forecast
        actual | intensity.actual
        index | intensity.index -> intensity_index
        """
    ),
    ignored=("to",),
    key="datetime",
    day_of="datetime",
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="every half hour",
    probe_minutes=30,
    profiles=("core", "battery"),
    begins=date(2017, 9, 1),
    rows_per_day=48,
    proof="recorded",
    notes=(
        _NO_ISSUE,
        "Values above 1000 and actual values of zero occur and are faults of the source.",
        "Answers of the Carbon Intensity API hold the same rows and are read by the same rules.",
    ),
)
REGIONAL_CARBON_INTENSITY = entry(
    "REGIONAL_CARBON_INTENSITY",
    "Carbon intensity, regional",
    "Forecast carbon intensity in every half hour in the regions of the fourteen distribution networks.",
    group=GROUP,
    package="regional-carbon-intensity-forecast",
    resources=r"Regional Carbon Intensity Forecast",
    kind="history",
    columns=columns("""
        datetime
        North Scotland
        South Scotland
        North West England
        North East England
        Yorkshire
        North Wales and Merseyside
        South Wales
        West Midlands
        East Midlands
        East England
        South West England
        South England
        London
        South East England
        """),
    key="datetime",
    day_of="datetime",
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="every half hour",
    probe_minutes=30,
    begins=date(2018, 9, 1),
    rows_per_day=48,
    notes=(_NO_ISSUE, "Values below zero and runs of -1 occur."),
    unsure=(UNSURE_UTC, "Whether a time marks start or end of its half hour."),
)
COUNTRY_CARBON_INTENSITY = entry(
    "COUNTRY_CARBON_INTENSITY",
    "Carbon intensity by country",
    "Forecast carbon intensity in every half hour in Scotland, England and Wales.",
    group=GROUP,
    package="country-carbon-intensity-forecast",
    resources=r"Country Carbon Intensity Forecast",
    kind="history",
    columns=columns("""
        datetime
        Scotland
        England
        Wales
        """),
    key="datetime",
    day_of="datetime",
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="every half hour",
    probe_minutes=30,
    begins=date(2018, 9, 1),
    rows_per_day=48,
    notes=(_NO_ISSUE,),
)
BALANCING_CARBON_INTENSITY = entry(
    "BALANCING_CARBON_INTENSITY",
    "Carbon intensity of balancing",
    "Carbon intensity as units planned to run, as they ran after balancing actions, and the difference.",
    group=GROUP,
    package="carbon-intensity-of-balancing-actions",
    resources=r"Carbon Intensity of Balancing Actions",
    kind="history",
    columns=columns("""
        DATETIME
        FPN
        BOA
        Difference
        """),
    key="datetime",
    day_of="datetime",
    clocks=utc("datetime"),
    interval=LabelInterval("datetime", "start"),
    cadence="daily",
    begins=date(2021, 4, 1),
    rows_per_day=48,
    notes=("A difference of -1 is a value like any other.",),
    unsure=(UNSURE_UTC, "Whether a time marks start or end of its half hour."),
)

ENTRIES = (
    GENERATION_MIX,
    NATIONAL_CARBON_INTENSITY,
    REGIONAL_CARBON_INTENSITY,
    COUNTRY_CARBON_INTENSITY,
    BALANCING_CARBON_INTENSITY,
)
