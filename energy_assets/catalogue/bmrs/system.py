"""The state of the system: frequency, temperature, warnings, demand control, restoration."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import (
    DAY,
    NEXT_DAY,
    UNSURE_BEGIN,
    by_instant,
    entry,
    instant_query,
    order,
    publication_day,
    publish_query,
    published,
)
from energy_assets.catalogue.fields import MW, fields, meaning
from energy_assets.catalogue.model import Lag, StorageAxis, Timing

GROUP = "system"

FREQ = entry(
    "FREQ",
    "System frequency",
    "Frequency of the system every 15 seconds.",
    group=GROUP,
    fields=fields("dataset measurementTime frequency"),
    key="measurementTime",
    storage=StorageAxis("instant", "measurementTime"),
    query=instant_query(
        "/datasets/FREQ/stream",
        "measurementDateTimeFrom",
        "measurementDateTimeTo",
        atom=240,
        most=DAY,
        limit="24 hours, stated for the plain endpoint",
    ),
    check=by_instant("measurementTime"),
    revision="immutable",
    timing=Timing(
        "every 15 seconds, delivered about every 2 minutes",
        "stated",
        settled=Lag(minutes=180),
        rereads=NEXT_DAY,
        publications_per_day=5760,
    ),
    profiles=("core", "battery"),
    rows_per_day=5760,
    iris="FREQ",
    proof="recorded",
    notes=("publishDateTimeFrom and To are ignored here without an error, and the latest day comes instead.",),
    unsure=(UNSURE_BEGIN,),
)

TEMP = entry(
    "TEMP",
    "Temperature",
    "Average temperature of Great Britain around noon, with its usual range.",
    group=GROUP,
    fields=fields(
        "dataset measurementDate publishTime temperature temperatureReferenceAverage temperatureReferenceHigh "
        "temperatureReferenceLow"
    ),
    key="measurementDate",
    latest=order("publishTime"),
    published="publishTime",
    storage=StorageAxis(
        "date", "measurementDate", "A fact belongs to its day; it is published in the afternoon of it."
    ),
    # Published on the same afternoon; one day more finds what was late.
    query=publish_query("TEMP", atom=DAY, most=31 * DAY, stream=False, reach=(0, DAY)),
    check=by_instant("publishTime"),
    revision="revised_in_place",
    timing=published("daily, about 16:00", "learned", poll=50, per_day=1),
    profiles=("core", "trading", "forecast"),
    rows_per_day=1,
    iris="TEMP",
    proof="recorded",
    notes=(
        "The window selects by publishTime, the row is stored on its measurementDate.",
        "The reference temperatures are filled by the provider's view only.",
    ),
    unsure=(UNSURE_BEGIN,),
    legacy="TEMP",
)

SYSWARN = entry(
    "SYSWARN",
    "System warnings",
    "Warnings and notices of the system operator, in words.",
    group=GROUP,
    fields=fields("dataset publishTime warningType warningText"),
    key="publishTime warningType warningText",
    published="publishTime",
    storage=publication_day(),
    query=publish_query("SYSWARN", atom=DAY, most=30 * DAY),
    check=by_instant("publishTime"),
    revision="event_log",
    timing=published("irregular", "learned", poll=10),
    profiles=("core", "battery", "trading"),
    empty="silent",
    iris="SYS_WARN",
    notes=("There is no message id, so the text is part of the key.", "A cancellation is a message of its own."),
    unsure=(UNSURE_BEGIN,),
    legacy="SYSWARN, SYSMSG",
)

DCI = entry(
    "DCI",
    "Demand control instructions",
    "Instructions to distribution operators to reduce or restore demand.",
    group=GROUP,
    fields=fields(
        "dataset mRID revisionNumber publishTime publishingPeriodCommencingTime affectedDso demandControlId "
        "instructionSequence demandControlEventFlag timeFrom timeTo volume systemManagementActionFlag amendmentFlag",
        meaning("timeFrom", "Start of the instruction (included), UTC."),
        meaning("timeTo", "End of the instruction (excluded), UTC; null while it is open."),
        meaning("volume", "Demand that is controlled.", unit=MW),
    ),
    key="affectedDso demandControlId instructionSequence demandControlEventFlag",
    versions="mRID revisionNumber publishTime",
    latest=order("publishTime", "revisionNumber"),
    published="publishTime",
    storage=publication_day(),
    query=publish_query("DCI", atom=DAY, most=30 * DAY),
    check=by_instant("publishTime"),
    revision="document_revision",
    timing=published("irregular, rare", "stated", poll=10),
    profiles=("trading",),
    empty="silent",
    iris="DCI",
    unsure=(UNSURE_BEGIN,),
    legacy="DEMCI",
)

RZDR = entry(
    "RZDR",
    "Demand restored",
    "Demand restored in every restoration region after a shutdown or in a test.",
    group=GROUP,
    fields=fields("dataset submissionDateTime publishTime region gspGroupId restoredDemand"),
    key="region gspGroupId submissionDateTime",
    published="publishTime",
    storage=publication_day("submissionDateTime", "The endpoint selects by submission, and it is in the key."),
    query=instant_query(
        "/datasets/RZDR/stream",
        "submissionDateTimeFrom",
        "submissionDateTimeTo",
        atom=DAY,
        most=30 * DAY,
        limit="12 months, stated for the plain endpoint",
    ),
    check=by_instant("submissionDateTime"),
    revision="event_log",
    timing=Timing("in a restoration or test only", "unknown", settled=Lag(minutes=DAY), rereads=NEXT_DAY),
    empty="silent",
    begins=date(2024, 8, 1),
    notes=("Times come without a zone and are taken as UTC.", "Not on IRIS."),
    unsure=("The unit and the zone of the times.", UNSURE_BEGIN),
)

ENTRIES = (FREQ, TEMP, SYSWARN, DCI, RZDR)
