"""Demand as it came out."""

from __future__ import annotations

from datetime import timedelta

from energy_assets.catalogue.bmrs.build import UNSURE_BEGIN, by_day, day_query, entry, order, settlement_day
from energy_assets.catalogue.fields import MWH, fields, meaning
from energy_assets.catalogue.model import SETTLEMENT_RUNS, Dataset, Lag, OrderBy, Query, Timing, WindowCheck

GROUP = "demand"

_REPUBLISHED = (Lag(minutes=2 * 1440), Lag(minutes=7 * 1440))
"""Outturn has been corrected without notice; two later readings see what comes within a week."""


def _outturn(code: str, title: str, description: str, *, member: str, other: str) -> Dataset:
    """One of the two values of an answer that carries both; asked by settlement day, so a correction meets its row."""
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(
            "dataset publishTime startTime settlementDate settlementPeriod demand",
            meaning("demand", "Mean over the half hour.", aliases=(member,)),
        ),
        key="settlementDate settlementPeriod",
        latest=order("publishTime"),
        published="publishTime",
        storage=settlement_day(),
        query=day_query("/demand/outturn/stream", "settlementDateFrom", "settlementDateTo", most=31),
        check=by_day(),
        revision="revised_in_place",
        timing=Timing("every settlement period", "learned", rereads=_REPUBLISHED, publications_per_day=48),
        profiles=("core", "trading"),
        ignored=(other,),
        rows_per_day=48,
        rows_per_period=1,
        iris=code,
        proof="recorded",
        notes=(
            f"The demand outturn stream carries INDO and ITSDO together; {member} is stored as demand.",
            "dataset is null in rows of that stream.",
        ),
        unsure=("The recorded bodies are of the plain endpoint, which has no settlement days.", UNSURE_BEGIN),
        legacy="INDOITSDO",
    )


INDO = _outturn(
    "INDO",
    "National demand outturn",
    "Mean national demand over every settlement period, first figures: without station load, pumping and exports.",
    member="initialDemandOutturn",
    other="initialTransmissionSystemDemandOutturn",
)
ITSDO = _outturn(
    "ITSDO",
    "Transmission system demand outturn",
    "Mean demand on the transmission system over every settlement period, first figures: station load, pumping and "
    "exports included.",
    member="initialTransmissionSystemDemandOutturn",
    other="initialDemandOutturn",
)

INDOD = entry(
    "INDOD",
    "National demand outturn, daily",
    "Energy of national demand over a settlement day, first figures.",
    group=GROUP,
    fields=fields(
        "dataset publishTime settlementDate demand", meaning("demand", "Energy of the settlement day.", unit=MWH)
    ),
    key="settlementDate",
    latest=order("publishTime"),
    published="publishTime",
    storage=settlement_day(),
    query=day_query(
        "/demand/outturn/daily/stream",
        "settlementDateFrom",
        "settlementDateTo",
        most=366,
        limit="731 days, stated for the view without stream",
    ),
    check=by_day(),
    revision="revised_in_place",
    # The row comes about a quarter of an hour after the day: asking sooner is pointless.
    timing=Timing(
        "daily, about 15 minutes after the settlement day",
        "learned",
        available=Lag(minutes=10),
        settled=Lag(minutes=1440),
        poll_minutes=50,
        rereads=_REPUBLISHED,
        publications_per_day=1,
    ),
    rows_per_day=1,
    iris="INDOD",
    proof="recorded",
    unsure=(UNSURE_BEGIN,),
    legacy="DEVINDOD",
)

S0142 = entry(
    "S0142",
    "Triad demand peaks",
    "Peak demands of a winter from settlement data, from which the Triads are taken.",
    group=GROUP,
    fields=fields(
        "settlementDate settlementPeriod halfHourEndTime demand settlementRunType",
        meaning("demand", "Mean over the half hour, from settlement data."),
    ),
    key="settlementDate settlementPeriod",
    versions="settlementRunType",
    latest=(OrderBy("settlementRunType", SETTLEMENT_RUNS),),
    storage=settlement_day("There is no time of publication; the run is the version."),
    query=Query(
        "/demand/peak/indicative/settlement/{season}", unit="day", atom=1, most=1, limit="one winter, named by a year"
    ),
    check=WindowCheck(
        "date",
        "settlementDate",
        before=timedelta(days=366),
        after=timedelta(days=366),
        reason="The answer is the whole winter that the day belongs to.",
    ),
    revision="vintage",
    timing=Timing(
        "with every settlement run of the winter",
        "unknown",
        settled=Lag(run="II", working_days=2),
        poll_minutes=360,
        rereads=tuple(Lag(run=run) for run in ("SF", "R1", "RF")),
    ),
    profiles=("settlement",),
    empty="silent",
    may_repeat=True,
    notes=(
        "Peaks fall between November and February; every day's request returns the peaks of its winter.",
        "A period that a later run no longer counts as a peak stays, with the run that did.",
    ),
    unsure=(
        "That the year in the path is the one in which the winter begins.",
        "Whether earlier runs stay visible once a later one is in.",
        UNSURE_BEGIN,
    ),
    legacy="INDPKDEMINFO, INDTRIADDEMINFO",
)

ENTRIES = (INDO, ITSDO, INDOD, S0142)
