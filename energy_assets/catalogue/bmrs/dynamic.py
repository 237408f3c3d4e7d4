"""Dynamic parameters of units: a log of declarations, each in force until the unit's next one."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import (
    BY_NESO_UNIT,
    DAY,
    NEXT_DAY,
    by_instant,
    entry,
    instant_query,
)
from energy_assets.catalogue.fields import fields, meaning
from energy_assets.catalogue.model import Dataset, Field, Lag, StorageAxis, Timing

GROUP = "balancing_dynamic"

_LEAD = "dataset settlementDate settlementPeriod time"
_UNITS = "nationalGridBmUnit bmUnit"
_RATES = "rate1 elbow2 rate2 elbow3 rate3"


def _declared(code: str, title: str, description: str, values: str, *special: Field) -> Dataset:
    """Rows come when something changes, so an empty window says nothing. Six hours are cheap to ask for again."""
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(f"{_LEAD} {values} {_UNITS}", *special),
        key="nationalGridBmUnit time",
        fallback=BY_NESO_UNIT,
        storage=StorageAxis("instant", "time", "The day on which the declaration comes into force; it is in the key."),
        query=instant_query(f"/datasets/{code}/stream", "from", "to", atom=360, most=7 * DAY),
        check=by_instant("time"),
        revision="event_log",
        timing=Timing("on change", "learned", settled=Lag(minutes=180), rereads=NEXT_DAY),
        empty="silent",
        iris=code,
        unsure=("Whether two declarations of a unit can share an instant; the last one read would then be current.",),
        notes=("A unit that did not change returns nothing: its state is its last row, however old.",),
        legacy="DYNBMDATA",
    )


SEL = _declared("SEL", "Stable export limit", "Lowest level at which a BM unit exports stably.", "level")
SIL = _declared("SIL", "Stable import limit", "Smallest level at which a BM unit imports stably.", "level")
MZT = _declared(
    "MZT",
    "Minimum zero time",
    "Shortest time for which a BM unit stays at zero.",
    "periodMin",
    meaning("periodMin", "Shortest time at zero."),
)
MNZT = _declared(
    "MNZT",
    "Minimum non-zero time",
    "Shortest time for which a BM unit stays away from zero.",
    "periodMin",
    meaning("periodMin", "Shortest time away from zero."),
)
MDV = _declared(
    "MDV",
    "Maximum delivery volume",
    "Greatest energy that a BM unit delivers within its maximum delivery period.",
    "volumeMax",
)
MDP = _declared("MDP", "Maximum delivery period", "Time over which the maximum delivery volume holds.", "periodMax")
NTB = _declared("NTB", "Notice to deliver bids", "Notice that a BM unit needs before it delivers a bid.", "notice")
NTO = _declared("NTO", "Notice to deliver offers", "Notice that a BM unit needs before it delivers an offer.", "notice")
NDZ = _declared("NDZ", "Notice to deviate from zero", "Notice that a BM unit needs before it leaves zero.", "notice")
RURE = _declared("RURE", "Run-up rate, export", "How fast a BM unit raises its export, in up to three steps.", _RATES)
RDRE = _declared("RDRE", "Run-down rate, export", "How fast a BM unit lowers its export, in up to three steps.", _RATES)
RURI = _declared(
    "RURI", "Run-up rate, import", "How fast a BM unit reduces its import towards zero, in up to three steps.", _RATES
)
RDRI = _declared(
    "RDRI", "Run-down rate, import", "How fast a BM unit deepens its import, in up to three steps.", _RATES
)

ENTRIES = (SEL, SIL, MZT, MNZT, MDV, MDP, NTB, NTO, NDZ, RURE, RDRE, RURI, RDRI)
