"""Forecasts of demand, generation, availability and margin: every vintage is kept."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    DAY,
    PHYSICAL_BEGINS,
    by_instant,
    entry,
    order,
    publication_day,
    publish_query,
)
from energy_assets.catalogue.fields import fields
from energy_assets.catalogue.model import Lag, Timing

GROUP = "forecast"

WINDFOR = entry(
    "WINDFOR",
    "Wind generation forecast",
    "Forecast of total wind generation at hourly points.",
    group=GROUP,
    fields=fields(
        "dataset publishTime startTime generation",
        generation={"meaning": "Forecast wind generation at startTime, hourly points."},
    ),
    key="startTime",
    versions="publishTime",
    latest=order("publishTime"),
    published="publishTime",
    storage=publication_day(),
    query=publish_query("WINDFOR", atom=DAY, most=31 * DAY),
    check=by_instant("publishTime"),
    revision="vintage",
    timing=Timing(
        "8 times a day: 03:30 05:30 08:30 10:30 12:30 16:30 19:30 23:30 UTC",
        "stated",
        settled=Lag(minutes=180),
        poll_minutes=50,
        publications_per_day=8,
    ),
    profiles=("core", "trading", "forecast"),
    rows_per_day=584,
    begins=PHYSICAL_BEGINS,
    iris="WINDFOR",
    proof="recorded",
    notes=("An issue also holds hours before its publishTime.",),
)

ENTRIES = (WINDFOR,)
