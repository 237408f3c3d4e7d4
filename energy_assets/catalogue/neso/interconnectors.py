"""Interconnectors: what NESO lets each of them carry."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import Dataset, LabelInterval, RangeInterval
from energy_assets.catalogue.neso.build import UNSURE_HEADERS, columns, entry, utc

GROUP = "interconnectors"


def _live(name: str, link: str, package: str, resources: str) -> Dataset:
    """The table to which restrictions are added as they are set."""
    return entry(
        f"{name}_LIMITS",
        f"{link}: transfer limits",
        f"Hours in which NESO restricts what {link} may carry, by direction, and why.",
        group=GROUP,
        package=package,
        resources=resources,
        kind="history",
        columns=columns(
            """
            Data Upload Time GMT | Data Upload Time (GMT)
            Auction Type
            Operational Period Start Date and Time GMT | Operational Period Start Date & Time (GMT)
            Flow in MW To GB | Flow (MW) To GB
            Reason For Restriction To GB
            Flow in MW From GB | Flow (MW) From GB
            Reason For Restriction From GB
            """
        ),
        key="operational_period_start_date_and_time_gmt auction_type data_upload_time_gmt",
        day_of="operational_period_start_date_and_time_gmt",
        clocks=utc("data_upload_time_gmt", "operational_period_start_date_and_time_gmt"),
        interval=LabelInterval("operational_period_start_date_and_time_gmt", "start", minutes=60),
        cadence="when a restriction is set",
        probe_minutes=360,
        profiles=("trading",),
        begins=date(2022, 10, 19),
        proof="specified",
        notes=("Hours without restriction are not published.", "A restriction set again is a row of its own."),
        unsure=("That a period is one hour.",),
    )


_RANGE = "Operational Date (YYYY-MM-DD) & Time GMT/BST (HH:MM - HH:MM)"


def _weekly(name: str, link: str, package: str, resources: str, cadence: str = "closed") -> Dataset:
    """Limits as they were published week by week, with date and hours in one text."""
    return entry(
        f"{name}_LIMITS_WEEKLY",
        f"{link}: weekly transfer limits",
        f"Limits on what {link} may carry in every hour of a week, and why.",
        group=GROUP,
        package=package,
        resources=resources,
        kind="history",
        columns=columns(
            f"""
            {_RANGE} | Operational Date and Time GMT BST -> operational_period
            Flow (MW) to GB | Flow (MW) To GB | Flow in MW To GB
            Flow (MW) from GB | Flow (MW) From GB | Flow in MW From GB
            Reason for restriction | Reason For Restriction | Reason For Restiction
            """
        ),
        key="operational_period",
        day_of="operational_period",
        interval=RangeInterval("operational_period", "local"),
        cadence=cadence,
        begins=date(2022, 10, 12),
        rows_per_day=24,
        notes=("Hours are those of the local clock, as the header says.",),
        unsure=("How date and hours are written: 2026-03-31 10:00 - 11:00 is assumed.", UNSURE_HEADERS),
    )


def _hourly(name: str, link: str, package: str, resources: str) -> Dataset:
    """Limits as they were published day by day, with versions."""
    return entry(
        f"{name}_LIMITS_HOURLY",
        f"{link}: hourly transfer capacity, archive",
        f"What {link} might carry in every hour, by auction and version, and why.",
        group=GROUP,
        package=package,
        resources=resources,
        kind="history",
        columns=columns(
            """
            Operational Date
            Auction Type
            Version
            Hourly Time Period (GMT)
            Flow (MW) To GB
            Flow (MW) From GB
            Reason For Reduction
            """
        ),
        key="operational_date hourly_time_period_gmt auction_type version",
        day="operational_date",
        interval=RangeInterval("hourly_time_period_gmt", "utc", day="operational_date"),
        cadence="closed",
        begins=date(2022, 9, 30),
        rows_per_day=72,
        unsure=(UNSURE_HEADERS,),
    )


IFA = (
    _live("IFA", "IFA", "ifa", r"IFA ITL Data"),
    _weekly("IFA", "IFA", "ifa", r"Archived IFA DA & ID Weekly ITLs"),
)
IFA2 = (
    _live("IFA2", "IFA2", "ifa2", r"IFA2 ITL Data"),
    _weekly("IFA2", "IFA2", "ifa2", r"Archived IFA2 DA & ID Weekly ITLs"),
)
ELECLINK = (
    _live("ELECLINK", "ElecLink", "eleclink", r"ElecLink NTC Data"),
    _hourly("ELECLINK", "ElecLink", "eleclink", r"Archived ElecLink NTC Data"),
)
NEMO = (
    _live("NEMO", "Nemo Link", "nemolink", r"NemoLink NTC Data"),
    _weekly("NEMO", "Nemo Link", "nemolink", r"Archived Nemo DA & ID Weekly NTCs"),
    _hourly("NEMO", "Nemo Link", "nemolink", r"Archived NemoLink NTC Data"),
)
NSL = (
    _live("NSL", "North Sea Link", "nsl", r"NSL NTC Data"),
    _hourly("NSL", "North Sea Link", "nsl", r"Archived NSL NTC Data"),
)
VIKING = (
    _live("VIKING", "Viking Link", "viking", r"Viking Link NTC Data"),
    _hourly("VIKING", "Viking Link", "viking", r"Archived Viking NTC Data"),
)
BRITNED = (_weekly("BRITNED", "BritNed", "brit-ned", r"BritNed DA & ID Weekly ITLs \d{8}.*", "weekly"),)

ENTRIES = (*IFA, *IFA2, *ELECLINK, *NEMO, *NSL, *VIKING, *BRITNED)
