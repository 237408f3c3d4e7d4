"""Plans, reports and scenarios: NESO's own log of the portal, and what scenarios come as plain tables."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.neso.build import UNSURE_HEADERS, UNSURE_ZONE, columns, entry, unstated
from energy_assets.catalogue.neso.fields import meaning

PORTAL_CHANGES = entry(
    "PORTAL_CHANGES",
    "Changes and known issues of the portal",
    "NESO's own log of planned changes and known faults of its data.",
    group="plans_reports_analysis",
    package="data-portal-planned-changes-known-issues",
    resources=r"Planned Changes and Issues Log",
    kind="register",
    columns=columns("""
        po
        Change_Issue_Title
        Description
        Dataset_Specific
        File_Specific
        Status
        Change_DateTime_From
        Change_DateTime_To
        Last_Updated
        Notes
        """),
    key="po",
    repeats=True,
    clocks=unstated("change_date_time_from", "change_date_time_to", "last_updated"),
    cadence="now and then",
    probe_minutes=360,
    profiles=("core",),
    rows_per_day=241,
    proof="specified",
    notes=("Renamed columns, pauses and moved files are announced here.",),
    unsure=(UNSURE_ZONE,),
)
FES_DISTRIBUTED_GENERATION = entry(
    "FES_DISTRIBUTED_GENERATION",
    "Scenarios: small generation by grid supply point",
    "Generation below 1 MW in every scenario and year, by technology and grid supply point.",
    group="future_energy_scenarios",
    package="regional-breakdown-of-fes-data-electricity",
    resources=r"Regional Breakdown of 2024 FES: Distributed generation less than 1 MW",
    kind="register",
    columns=columns(
        """
        scenario
        tech
        year
        etys_location
        capacity
        wintpk
        summam
        summpm
        """,
        meaning("year", "Year, as written.", type_="text"),
        meaning("capacity", "Capacity, as written.", type_="text"),
    ),
    key="scenario tech year etys_location",
    repeats=True,
    cadence="yearly",
    begins=date(2024, 7, 1),
    notes=("Columns of numbers are text in this edition, and text here.",),
    unsure=(UNSURE_HEADERS, "Units of capacity and contributions."),
)
FES_HEATING_STOCK = entry(
    "FES_HEATING_STOCK",
    "Scenarios: heating by local authority",
    "Homes by heating technology in every pathway, by local authority.",
    group="future_energy_scenarios",
    package="local-authority-level-spatial-heat-model-outputs-fes",
    resources=r"FES \d{4} local authority outputs \d{4} residential all scenarios",
    kind="register",
    columns=columns(
        """
        la_code
        Local_Authority
        Year
        Pathway
        Sector
        """
    ),
    grows=r"[A-Za-z][A-Za-z0-9 _()+/&-]*",
    key="la_code pathway year sector",
    repeats=True,
    cadence="yearly",
    begins=date(2022, 3, 9),
    notes=("Every heating technology has a column of its own.",),
    unsure=("How the columns of the technologies are headed.",),
)
RESOURCE_ADEQUACY_PEAK = entry(
    "RESOURCE_ADEQUACY_PEAK",
    "Adequacy in the 2030s: peak demand",
    "Peak demand in every year of the study, under the weather of every past year.",
    group="future_energy_scenarios",
    package="resource-adequacy-in-2030s",
    resources=r"Peak Demand",
    kind="register",
    columns=columns("""
        Spotlight year
        Historical weather year
        Peak Demand (MW)
        """),
    key="spotlight_year historical_weather_year",
    repeats=True,
    cadence="once",
    begins=date(2025, 12, 11),
)

ENTRIES = (PORTAL_CHANGES, FES_DISTRIBUTED_GENERATION, FES_HEATING_STOCK, RESOURCE_ADEQUACY_PEAK)
