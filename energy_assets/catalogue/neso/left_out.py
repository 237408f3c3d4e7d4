"""What of the portal is no entry, and why.

Every package of the portal is either in an entry or here; so is every table that has been seen in a package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNKNOWN = "Its columns have been recorded nowhere: the first file read will tell them."
_SHAPES = "Shapes on a map, not a table."
_WIDE = "A column for every month, headed in ways that differ: the years from 2025 come as a plain table."


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A package, or some resources of one, that the catalogue leaves out.

    Attributes:
        package: Slug of the package.
        reason: Why, in one sentence.
        resources: Regular expression of the names of the resources; empty for the whole package.
    """

    package: str
    reason: str
    resources: str = ""

    def holds(self, package: str, resource: str) -> bool:
        """Whether a resource of a package is left out by this."""
        named = not self.resources or re.fullmatch(self.resources, resource.strip()) is not None
        return package == self.package and named


LEFT_OUT = (
    LeftOut("year-ahead-constraint-limits", "Withdrawn, with its package; the limits 24 months ahead took its place."),
    LeftOut("monthly-utilisation-data-of-voltage-contracted-units", _UNKNOWN),
    LeftOut("phase-2-ffr-auction-results-summary", f"Closed in 2021. {_UNKNOWN}"),
    LeftOut(
        "firm-frequency-response-post-tender-reports",
        "Workbooks and files in many layouts, some with line breaks in their headers; closed in October 2023.",
    ),
    LeftOut("gis-boundaries-for-gb-generation-charging-zones", _SHAPES),
    LeftOut("gis-boundaries-for-gb-dno-license-areas", _SHAPES),
    LeftOut("etys-gb-transmission-system-boundaries", _SHAPES),
    LeftOut("ssep-onshore-publication-zone-shapefile", _SHAPES),
    LeftOut("future-energy-scenario-fes-building-block-data", f"By edition, in wide tables. {_UNKNOWN}"),
    LeftOut("future-energy-scenario-electricity-supply-data-table-es1", _UNKNOWN),
    LeftOut("fes-electricity-demand-summary-data-table-ed1", _UNKNOWN),
    LeftOut("fes-european-electricity-supply-data-table-es2", _UNKNOWN),
    LeftOut("fes-flexibility-data-table-data-table-flx1", _UNKNOWN),
    LeftOut("fes-natural-gas-demand-definitions-ed4", f"Definitions in words. {_UNKNOWN}"),
    LeftOut(
        "fes-natural-gas-residential-and-non-domestic-i-c-heat-demand-summary-data-table-ed3",
        _UNKNOWN,
    ),
    LeftOut("fes-road-transport-notes-data-table-ed6", f"Notes in words. {_UNKNOWN}"),
    LeftOut("fes-road-transport-summary-data-table-ed5", _UNKNOWN),
    LeftOut("fes-whole-system-gas-supply-data-table-ws1", _UNKNOWN),
    LeftOut("fes-whole-system-gas-supply-emissions-data-table-ws2", _UNKNOWN),
    LeftOut("levelised-cost-of-green-hydrogen", f"Withdrawn for rework in 2026. {_UNKNOWN}"),
    LeftOut(
        "obligatory-reactive-power-service-orps-utilisation",
        _WIDE,
        r"(Historic )?Reactive Utilisation Data - Apr-\d{4} - .+",
    ),
    LeftOut("optional-downward-flexibility-management-odfm-market-information", _UNKNOWN, r"ODFM Load Factors"),
    LeftOut("demand-flexibility-service", _UNKNOWN, r"DFS Utilisation Report \(2023/24\)"),
    LeftOut("demand-flexibility-service-live-events", _UNKNOWN, r"DFS Utilisation Report - LIVE"),
    LeftOut("demand-flexibility-service-test-events", _UNKNOWN, r"DFS Utilisation Report - TEST"),
    LeftOut("nemolink", "One day's file left over from a trial, without its day.", r"NemoLink-Intraday1-\d{8}-\d+"),
    LeftOut(
        "regional-breakdown-of-fes-data-electricity",
        f"Tables by edition other than the one entered. {_UNKNOWN}",
        r"Regional [Bb]reakdown of (FES \d{4}|\d{4} FES): (?!Distributed).+",
    ),
    LeftOut(
        "skip-rates",
        f"Tables of single stages with millions of rows, whose names are not known. {_UNKNOWN}",
        r"(Stage \d|Accept).*(?<!Rate)(?<!Technology)",
    ),
    LeftOut(
        "thermal-constraint-costs",
        "Workbooks of the years before 2021.",
        r"Thermal Constraint Costs \d{2}-\d{2}",
    ),
    LeftOut(
        "current-balancing-services-use-of-system-bsuos-data",
        "Workbooks on single code changes.",
        r"CMP\d+ .+",
    ),
    LeftOut("daily-balancing-costs-balancing-services-use-of-system", "A workbook of gaps.", r"Missing .+"),
    LeftOut("daily-balancing-volume-balancing-services-use-of-system", "A workbook of gaps.", r"Missing .+"),
    LeftOut("balancing-services-contract-enactment", "An archive of workbooks.", r".*\(Archived files\)"),
    LeftOut("index-linked-contract-volume", "An archive of workbooks.", r".*\(Archived files\)"),
    LeftOut("gis-boundaries-for-gb-grid-supply-points", _SHAPES, r"GSP Regions .+"),
)
"""Packages and resources that are left out; documents and pictures beside a table are not listed one by one."""
