"""Inside information of market participants."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import DAY, by_instant, entry, order, publication_day, publish_query
from energy_assets.catalogue.fields import fields
from energy_assets.catalogue.model import Lag, Timing

GROUP = "remit"

REMIT = entry(
    "REMIT",
    "Outage messages",
    "Outages and other inside information as participants publish it, every revision of every message.",
    group=GROUP,
    fields=fields(
        "dataset mrid revisionNumber publishTime createdTime messageType messageHeading eventType unavailabilityType participantId "
        "registrationCode assetId assetType affectedUnit affectedUnitEIC affectedArea biddingZone fuelType normalCapacity "
        "availableCapacity unavailableCapacity eventStatus eventStartTime eventEndTime durationUncertainty cause relatedInformation "
        "outageProfile"
    ),
    key="mrid",
    versions="revisionNumber createdTime",
    latest=order("revisionNumber", "createdTime"),
    published="publishTime",
    storage=publication_day(
        "createdTime", "createdTime is in the key and publishTime is not: live messages repeat mrid and revision."
    ),
    query=publish_query("REMIT", atom=360, most=DAY, limit="1 day, met"),
    check=by_instant("publishTime"),
    revision="document_revision",
    timing=Timing("as submitted", "learned", settled=Lag(minutes=180)),
    profiles=("core", "trading"),
    empty="silent",
    begins=date(2017, 6, 1),
    iris="REMIT",
    proof="recorded",
)

ENTRIES = (REMIT,)
