"""What each unit plans and can do: notifications and limits, as profiles of straight segments."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import (
    BY_NESO_UNIT,
    NEXT_DAY,
    WHOLE_DAY,
    by_period,
    entry,
    order,
    period_query,
    settlement_day,
)
from energy_assets.catalogue.fields import NOT_STATED, fields, meaning
from energy_assets.catalogue.model import Dataset, Lag, Profile, Timing

GROUP = "balancing_physical"

_SEGMENT_KEY = "settlementDate settlementPeriod nationalGridBmUnit timeFrom timeTo"


def _notification(
    code: str, title: str, description: str, *, profiles: tuple[Profile, ...] = (), rows_per_day: int | None = None
) -> Dataset:
    """Fixed at gate closure, an hour before the period: an hour after it nothing more comes.

    About 2,580 rows (0.55 MB) a period: six hours make a body of 7 MB, and two hours are cheap to ask for again.
    """
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(
            "dataset settlementDate settlementPeriod timeFrom timeTo levelFrom levelTo nationalGridBmUnit bmUnit"
        ),
        key=_SEGMENT_KEY,
        fallback=BY_NESO_UNIT,
        storage=settlement_day(),
        query=period_query(f"/datasets/{code}/stream", atom=4, most=12, limit="1 period on the plain endpoint"),
        check=by_period(),
        revision="immutable",
        timing=Timing(
            "every settlement period, after gate closure",
            "learned",
            settled=Lag(minutes=60),
            rereads=NEXT_DAY,
            publications_per_day=48,
        ),
        heavy=True,
        profiles=profiles,
        rows_per_day=rows_per_day,
        iris=code,
        proof="recorded",
        notes=("A period may hold several segments of one unit.",),
        legacy="PHYBMDATA",
    )


def _limit(code: str, title: str, description: str) -> Dataset:
    """Declared again and again; the API serves the profile that results, so a unit's period is replaced whole."""
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(
            "dataset settlementDate settlementPeriod timeFrom timeTo levelFrom levelTo notificationTime "
            "notificationSequence nationalGridBmUnit bmUnit"
        ),
        key=_SEGMENT_KEY,
        latest=order("notificationSequence", "notificationTime"),
        published="notificationTime",
        fallback=BY_NESO_UNIT,
        scope="nationalGridBmUnit settlementDate settlementPeriod",
        storage=settlement_day(),
        query=period_query(
            f"/datasets/{code}/stream",
            atom=2,
            most=4,
            limit="1 hour, met on the plain endpoint; none met on the stream",
        ),
        check=by_period(),
        revision="revised_in_place",
        timing=Timing(
            "every settlement period, within 15 minutes of its end",
            "stated",
            settled=Lag(minutes=180),
            rereads=NEXT_DAY,
            publications_per_day=48,
        ),
        heavy=True,
        profiles=("battery", "trading"),
        iris=code,
        proof="recorded",
        notes=(
            "A new declaration moves the bounds of segments; rows of the former profile go to history.",
            "IRIS carries the declarations themselves, which is a different thing.",
        ),
        legacy="PHYBMDATA",
    )


def _delivery(code: str, title: str, description: str) -> Dataset:
    """Known from observed rows only; taken to behave as the limits do, because its rows look like theirs."""
    level = "Level; whether MW or MWh is not established."
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(
            "dataset settlementDate settlementPeriod timeFrom timeTo levelFrom levelTo nationalGridBmUnit bmUnit "
            "publishTime serialNumber",
            meaning("levelFrom", level, unit=NOT_STATED),
            meaning("levelTo", level, unit=NOT_STATED),
        ),
        key=_SEGMENT_KEY,
        latest=order("publishTime", "serialNumber"),
        published="publishTime",
        fallback=BY_NESO_UNIT,
        scope="nationalGridBmUnit settlementDate settlementPeriod",
        storage=settlement_day("The endpoint selects by settlement period, so the day is that of the event."),
        query=period_query(f"/datasets/{code}/stream", atom=10, most=WHOLE_DAY),
        check=by_period(),
        revision="revised_in_place",
        timing=Timing("as declared", "unknown", settled=Lag(minutes=180), rereads=NEXT_DAY),
        profiles=("battery",),
        empty="silent",
        begins=date(2026, 6, 22),
        proof="inferred",
        unsure=(
            "Types, units, key and revisions: the dataset is in no copy of the specification.",
            "The unit of the levels, MW or MWh.",
            "Whether IRIS carries it.",
        ),
        notes=("In force since 22 June 2026 (P499, GC0166).",),
    )


PN = _notification(
    "PN",
    "Physical notifications",
    "Planned output or demand of every BM unit, fixed at gate closure.",
    profiles=("battery", "trading"),
    rows_per_day=120_000,
)
QPN = _notification(
    "QPN",
    "Quiescent physical notifications",
    "Part of a BM unit's planned level that is not meant to be balanced, to be taken off its physical notification.",
)
MELS = _limit("MELS", "Maximum export limits", "Highest level to which each BM unit can export, as finally resolved.")
MILS = _limit("MILS", "Maximum import limits", "Deepest level to which each BM unit can import, as finally resolved.")
MDO = _delivery(
    "MDO", "Maximum delivery offers", "How much storage and other limited units can still deliver upwards, by segment."
)
MDB = _delivery(
    "MDB", "Maximum delivery bids", "How much storage and other limited units can still deliver downwards, by segment."
)

ENTRIES = (PN, QPN, MELS, MILS, MDO, MDB)
