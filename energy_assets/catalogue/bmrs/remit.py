"""Inside information of market participants."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import (
    DAY,
    by_instant,
    entry,
    order,
    publication_day,
    publish_query,
    published,
)
from energy_assets.catalogue.fields import fields

GROUP = "remit"

REMIT = entry(
    "REMIT",
    "Outage messages",
    "Outages and other inside information as participants publish it, every revision of every message.",
    group=GROUP,
    fields=fields(
        "dataset mrid revisionNumber publishTime createdTime messageType messageHeading eventType unavailabilityType "
        "participantId registrationCode assetId assetType affectedUnit affectedUnitEIC affectedArea biddingZone "
        "fuelType normalCapacity availableCapacity unavailableCapacity eventStatus eventStartTime eventEndTime "
        "durationUncertainty cause relatedInformation outageProfile"
    ),
    key="mrid",
    versions="revisionNumber createdTime",
    latest=order("revisionNumber", "createdTime", "publishTime"),
    published="publishTime",
    storage=publication_day(
        "createdTime", "createdTime is in the key and publishTime is not: messages repeat their id and revision."
    ),
    # A message is published up to hours after it was created, so the day's last ones are found early in the next day.
    query=publish_query("REMIT", atom=360, most=DAY, limit="1 day, met", reach=(0, 360)),
    check=by_instant("publishTime"),
    revision="document_revision",
    timing=published("as submitted", "learned", poll=10),
    profiles=("core", "trading"),
    empty="silent",
    begins=date(2017, 6, 1),
    iris="REMIT",
    proof="recorded",
    notes=(
        "Members without a value are left out, so rows differ in shape.",
        "The window selects by publishTime; a row is stored on the day of its createdTime.",
    ),
    unsure=("Whether a message can be published more than six hours after it was created.",),
    legacy="B1510 to B1540",
)

ENTRIES = (REMIT,)
