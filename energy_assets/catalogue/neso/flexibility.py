"""Demand flexibility service: what was wanted, what was bought, what it came to."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import Dataset, Field, IntervalRule, TimesInterval
from energy_assets.catalogue.neso.build import UNSURE_LOCAL, columns, entry
from energy_assets.catalogue.neso.fields import GBP, MW, meaning

GROUP = "dfs"

_UTC = TimesInterval("delivery_date", "from_utc", "to_utc", "utc")
_LOCAL = TimesInterval("delivery_date", "from_time", "to_time", "local")
_SINCE_2025 = date(2025, 4, 1)
_SINCE_2023 = date(2023, 9, 20)
_SINCE_2022 = date(2022, 11, 1)
_UNSURE_MIDNIGHT = "Whether the day of an event near midnight is that of its local or of its UTC time."


def _service(
    name: str,
    title: str,
    description: str,
    *,
    package: str,
    resources: str,
    own: tuple[tuple[Field, ...], tuple[str, ...]],
    key: str,
    begins: date,
    interval: IntervalRule | None = None,
    day: str = "delivery_date",
    cadence: str = "closed",
    notes: tuple[str, ...] = (),
    unsure: tuple[str, ...] = (),
) -> Dataset:
    """One table of the service; rows that are alike are facts of their own."""
    return entry(
        f"DFS_{name}",
        title,
        description,
        group=GROUP,
        package=package,
        resources=resources,
        kind="history",
        columns=own,
        key=key,
        day=day,
        interval=interval,
        repeats=True,
        cadence=cadence,
        begins=begins,
        notes=notes,
        unsure=unsure,
    )


_PACKAGE = "demand-flexibility"
_LIVE = "daily on days with events"

REQUIREMENT = _service(
    "REQUIREMENT",
    "Demand flexibility: requirement",
    "Events for which demand flexibility is wanted, and how much of it.",
    package=_PACKAGE,
    resources=r"DFS Service Requirement",
    own=columns("""
        Event ID
        DFS Submission Time (Local)
        Event Type
        Event Tag
        Delivery Date
        From_Local
        To_Local
        From_UTC
        To_UTC
        Service Requirement MW
        Service Requirement Type
        Guaranteed Acceptance Price GBP per MWh
        Dispatch Type
        Participant Bids Eligible
        Zonal Cap
        """),
    key="event_id event_tag delivery_date from_utc",
    interval=_UTC,
    begins=date(2026, 3, 1),
    cadence=_LIVE,
    unsure=(_UNSURE_MIDNIGHT,),
)
REQUIREMENT_2025 = _service(
    "REQUIREMENT_2025",
    "Demand flexibility 2025/26: requirement",
    "Events of 2025/26 for which demand flexibility was wanted, and how much of it.",
    package=_PACKAGE,
    resources=r"DFS Service Requirement \(Archive \d{4}/\d{4}\)",
    own=columns("""
        Delivery Date
        From -> from_time
        To -> to_time
        Service Requirement MW
        Service Requirement Type
        Guaranteed Acceptance Price GBP per MWh
        Dispatch Type
        Participant Bids Eligible
        """),
    key="delivery_date from_time service_requirement_type",
    interval=_LOCAL,
    begins=_SINCE_2025,
    unsure=(UNSURE_LOCAL,),
)
UTILISATION = _service(
    "UTILISATION",
    "Demand flexibility: utilisation",
    "Demand flexibility bought for every event, by unit.",
    package=_PACKAGE,
    resources=r"DFS Utilisation Report",
    own=columns(
        """
        Event ID
        Event Type
        Event Tag
        Delivery Date
        From_Local
        To_Local
        From_UTC
        To_UTC
        Registered DFS Participant
        DFS Unit ID
        Zone
        DFS Procured MW
        Service Requirement Type
        Utilisation Price GBP per MWh
        Status
        """,
        meaning("zone", "Number of the zone.", type_="integer"),
    ),
    key="event_id dfs_unit_id zone delivery_date from_utc",
    interval=_UTC,
    begins=date(2026, 3, 1),
    cadence=_LIVE,
    unsure=(_UNSURE_MIDNIGHT,),
)
UTILISATION_2025 = _service(
    "UTILISATION_2025",
    "Demand flexibility 2025/26: utilisation",
    "Demand flexibility bought for every event of 2025/26, by unit and region.",
    package=_PACKAGE,
    resources=r"DFS Utilisation Report \(Archive \d{4}/\d{4}\)",
    own=columns(
        """
        Delivery Date
        Registered DFS Participant
        DFS Unit ID
        DFS Volume MW
        From -> from_time
        To -> to_time
        Service Requirement Type
        Utilisation Price GBP per MWh
        Status
        North Scotland -> north_scotland_mw
        South and Central Scotland -> south_and_central_scotland_mw
        North East England -> north_east_england_mw
        North West England -> north_west_england_mw
        Yorkshire -> yorkshire_mw
        East Midlands -> east_midlands_mw
        West Midlands -> west_midlands_mw
        London -> london_mw
        East England -> east_england_mw
        South East England -> south_east_england_mw
        South West England -> south_west_england_mw
        Southern England -> southern_england_mw
        North Wales Merseyside and Cheshire -> north_wales_merseyside_and_cheshire_mw
        South Wales -> south_wales_mw
        Other -> other_mw
        Total -> total_mw
        """
    ),
    key="delivery_date from_time dfs_unit_id",
    interval=_LOCAL,
    begins=_SINCE_2025,
    unsure=(UNSURE_LOCAL, "That the columns of the regions are power."),
)
SUMMARY = _service(
    "SUMMARY",
    "Demand flexibility: summary",
    "What every event wanted, bought, settled and cost.",
    package=_PACKAGE,
    resources=r"DFS Utilisation Report Summary",
    own=columns("""
        Event ID
        Event Type
        Event Tag
        Delivery Date
        From_Local
        To_Local
        From_UTC
        To_UTC
        Service Requirement Type
        Service Requirement MW
        DFS Procured MW
        DFS Provider Bids Accepted Total Cost GBP
        Settled Volume MW
        Settled Cost GBP
        """),
    key="event_id delivery_date from_utc",
    interval=_UTC,
    begins=date(2026, 3, 1),
    cadence=_LIVE,
    unsure=(_UNSURE_MIDNIGHT,),
)
SUMMARY_2025 = _service(
    "SUMMARY_2025",
    "Demand flexibility 2025/26: summary",
    "What every event of 2025/26 wanted, bought, settled and cost.",
    package=_PACKAGE,
    resources=r"DFS Utilisation Report Summary \(Archive \d{4}/\d{4}\)",
    own=columns("""
        Delivery Date
        From -> from_time
        To -> to_time
        Service Requirement Type
        Service Requirement MW
        DFS Procured MW
        DFS Provider Bids Accepted Total Cost GBP
        Settled Volume MW
        Settled Cost GBP
        """),
    key="delivery_date from_time service_requirement_type",
    interval=_LOCAL,
    begins=_SINCE_2025,
    unsure=(UNSURE_LOCAL,),
)
NOTIFICATIONS = _service(
    "NOTIFICATIONS",
    "Demand flexibility 2025/26: notices",
    "Notices to the industry that demand flexibility was wanted in 2025/26.",
    package=_PACKAGE,
    resources=r"DFS Industry Notification( \(Archive \d{4}/\d{4}\))?",
    own=columns("""
        Notification Issued Date
        Notification Issued Time
        Requirement For
        Requirement Type
        Status
        Notification Type
        """),
    key="notification_issued_date notification_issued_time requirement_for requirement_type",
    day="notification_issued_date",
    begins=_SINCE_2025,
)
NOTIFICATIONS_2023 = _service(
    "NOTIFICATIONS_2023",
    "Demand flexibility 2023/24: notices",
    "Notices to the industry that demand flexibility was wanted in 2023/24.",
    package="demand-flexibility-service",
    resources=r"DFS Industry Notification \(2023/24\)",
    own=columns("""
        Notification Issued Date
        Notification Issued Time
        Requirement For
        Requirement Type
        Status
        Notification Type
        """),
    key="notification_issued_date notification_issued_time requirement_for requirement_type",
    day="notification_issued_date",
    begins=_SINCE_2023,
)
REQUIREMENT_2023 = _service(
    "REQUIREMENT_2023",
    "Demand flexibility 2023/24: requirement",
    "Events of 2023/24 for which demand flexibility was wanted, and how much of it.",
    package="demand-flexibility-service",
    resources=r"DFS Service Requirements \(2023/24\)",
    own=columns("""
        Delivery Date
        From -> from_time
        To -> to_time
        DFS Required MW
        Service Requirement Type
        Guaranteed Acceptance Price GBP per MWh
        Despatch Type
        Participant Bids Eligible
        """),
    key="delivery_date from_time service_requirement_type",
    interval=_LOCAL,
    begins=_SINCE_2023,
    unsure=(UNSURE_LOCAL,),
)
SUMMARY_2023 = _service(
    "SUMMARY_2023",
    "Demand flexibility 2023/24: summary",
    "What every event of 2023/24 wanted, bought, settled and cost.",
    package="demand-flexibility-service",
    resources=r"DFS Utilisation Report Summary \(2023/24\)",
    own=columns("""
        Delivery Date
        From -> from_time
        To -> to_time
        Service Requirement Type
        DFS Required MW
        DFS Procured MW
        DFS Provider Bids Accepted Total Cost GBP
        Settled Volume MW
        Settled Cost GBP
        """),
    key="delivery_date from_time service_requirement_type",
    interval=_LOCAL,
    begins=_SINCE_2023,
    unsure=(UNSURE_LOCAL,),
)


def _events(kind: str, words: str, suffix: str, package: str) -> tuple[Dataset, ...]:
    """The three tables of live or test events in 2022/23."""
    return (
        _service(
            f"{kind}_REQUIREMENT",
            f"Demand flexibility 2022/23, {words}: requirement",
            f"Events of 2022/23 for which demand flexibility was wanted ({words}), and how much of it.",
            package=package,
            resources=rf"DFS Service Requirement - {suffix}",
            own=columns(
                """
                Delivery Date
                From GMT | From (GMT)
                To GMT | To (GMT)
                DFS Required MW | DFS Required (MW)
                """
            ),
            key="delivery_date from_gmt",
            interval=TimesInterval("delivery_date", "from_gmt", "to_gmt", "utc"),
            begins=_SINCE_2022,
        ),
        _service(
            f"{kind}_NOTIFICATIONS",
            f"Demand flexibility 2022/23, {words}: notices",
            f"Notices to the industry about events of 2022/23 ({words}).",
            package=package,
            resources=rf"Service Update Industry Notifications - {suffix}",
            own=columns(
                """
                Date
                Status
                Type
                Time -> notice_time
                """
            ),
            key="date notice_time type status",
            day="date",
            begins=_SINCE_2022,
        ),
        _service(
            f"{kind}_SUMMARY",
            f"Demand flexibility 2022/23, {words}: summary",
            f"What every event of 2022/23 ({words}) wanted, bought, settled and cost.",
            package=package,
            resources=rf"Utilisation Report Summary - {suffix}",
            own=columns(
                """
                Date
                From | From (GMT) | From GMT -> from_time
                To | To (GMT) | To GMT -> to_time
                DFS Required
                DFS Procured
                Bids Accepted Total Cost
                D0 DFS Procured
                D0 Bids Accepted Total Cost
                Settled Volume
                Settled Cost
                """,
                meaning("settled_volume", "Power settled.", unit=MW),
                meaning("settled_cost", "Cost settled.", unit=GBP),
            ),
            key="date from_time",
            day="date",
            interval=TimesInterval("date", "from_time", "to_time", "utc"),
            begins=_SINCE_2022,
            notes=("Times are GMT, as the headers have said; all events were in winter.",),
        ),
    )


LIVE_EVENTS = _events("LIVE_EVENTS", "live events", "LIVE", "demand-flexibility-service-live-events")
TEST_EVENTS = _events("TEST_EVENTS", "test events", "TEST", "demand-flexibility-service-test-events")

ENTRIES = (
    REQUIREMENT,
    REQUIREMENT_2025,
    UTILISATION,
    UTILISATION_2025,
    SUMMARY,
    SUMMARY_2025,
    NOTIFICATIONS,
    NOTIFICATIONS_2023,
    REQUIREMENT_2023,
    SUMMARY_2023,
    *LIVE_EVENTS,
    *TEST_EVENTS,
)
