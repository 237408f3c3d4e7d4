"""Tables that are made from provider tables: their columns and keys.

Only descriptions belong here; how a table is computed belongs to its asset. Names are snake_case with unit suffixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from energy_assets.catalogue.model import Field, StorageAxis, Table

GENERATION_MIX = Table(
    name="gb_generation_mix_half_hourly",
    dataset="GB_GENERATION_MIX_HALF_HOURLY",
    fields=(
        Field("settlement_date", "date", "Settlement day: a Europe/London calendar day.", nullable=False),
        Field("settlement_period", "integer", "Half hour of the day, from 1.", nullable=False, low=1, high=50),
        Field("start_utc", "instant", "Start of the settlement period (included), UTC.", nullable=False),
        Field("fuel_type", "text", "Fuel or interconnector code of FUELHH.", nullable=False),
        Field("is_interconnector", "boolean", "Whether the code is an interconnector (INT*).", nullable=False),
        Field("generation_mw", "number", "Mean over the half hour; negative is export or pumping.", "MW"),
        Field(
            "share_pct",
            "number",
            "Share of all positive generation and import of the period; null where generation_mw is not positive.",
            "%",
            low=0,
            high=100,
        ),
    ),
    # One row per fuel and not one column: new codes come without notice.
    event_key=("settlement_date", "settlement_period", "fuel_type"),
    version_columns=(),
    latest_order=(),
    publish_column=None,
    storage=StorageAxis("date", "settlement_date"),
    replace_scope=("settlement_date", "settlement_period"),
    description="Generation by fuel in every settlement period with its share of the whole, from FUELHH.",
)


DECLARED_AHEAD = timedelta(days=3)
"""How long before a settlement day a declaration of limits about it may have been sent. Units submit whole operational
days (05:00 to 05:00) the day before, which reach into the second settlement day after the submission; one more is left
for room."""

DECLARED_AFTER = timedelta(days=7)
"""How long after a settlement day a declaration about it may be sent. Redeclarations may concern the past, and after
an outage files come late; a week sees out a long week-end, and costs nothing where the days have not come yet."""


def _resolved(code: str, limit: str, source: str) -> Table:
    """The position that a unit's declarations come to; keyed by where a piece begins, for pieces never overlap."""
    return Table(
        name=f"gb_{code}_resolved",
        dataset=f"GB_{code.upper()}_RESOLVED",
        fields=(
            Field("settlement_date", "date", "Settlement day: a Europe/London calendar day.", nullable=False),
            Field("settlement_period", "integer", "Half hour of the day, from 1.", nullable=False, low=1, high=50),
            Field("national_grid_bm_unit", "text", "Unit, by NESO's id."),
            Field("bm_unit", "text", "Unit, by Elexon's id."),
            Field("from_utc", "instant", "From when the piece holds (included), UTC.", nullable=False),
            Field("to_utc", "instant", "Until when (excluded), UTC; within the settlement period.", nullable=False),
            Field("level_from_mw", "number", f"{limit} at declared_from_utc, as declared; not interpolated.", "MW"),
            Field("level_to_mw", "number", f"{limit} at declared_to_utc, as declared; not interpolated.", "MW"),
            Field("notification_utc", "instant", "When the declaration was notified, UTC."),
            Field("notification_sequence", "integer", "Order of notifications; the greatest counts."),
            Field("declared_from_utc", "instant", "Start of the whole declaration, UTC.", nullable=False),
            Field("declared_to_utc", "instant", "End of the whole declaration, UTC.", nullable=False),
            Field(
                "enqueued_utc",
                "instant",
                "When the first message with the declaration entered the queue, UTC.",
                hashed=False,
            ),
        ),
        event_key=("settlement_date", "settlement_period", "national_grid_bm_unit", "from_utc"),
        version_columns=(),
        # Nothing orders them: what was computed last, from all declarations, stands.
        latest_order=(),
        publish_column=None,
        storage=StorageAxis("date", "settlement_date"),
        key_fallback=(("national_grid_bm_unit", "bm_unit"),),
        replace_scope=("national_grid_bm_unit", "settlement_date", "settlement_period"),
        heavy=True,
        description=f"{limit} in force, resolved from the declarations of {source} by Elexon's published rules; that "
        "the API answers the same is not established.",
    )


MELS_RESOLVED = _resolved("mels", "Maximum export limit", "iris/mels")
MILS_RESOLVED = _resolved("mils", "Maximum import limit", "iris/mils")

RESOLVED_NAMES = (
    ("settlementDate", "settlement_date"),
    ("settlementPeriod", "settlement_period"),
    ("nationalGridBmUnit", "national_grid_bm_unit"),
    ("bmUnit", "bm_unit"),
    ("timeFrom", "from_utc"),
    ("timeTo", "to_utc"),
    ("levelFrom", "level_from_mw"),
    ("levelTo", "level_to_mw"),
    ("notificationTime", "notification_utc"),
    ("notificationSequence", "notification_sequence"),
    ("_enqueued_utc", "enqueued_utc"),
)
"""Columns of the API's rows with their names in the resolved tables."""

TABLES: Mapping[str, Table] = {
    "gb/generation_mix_half_hourly": GENERATION_MIX,
    "gb/mels_resolved": MELS_RESOLVED,
    "gb/mils_resolved": MILS_RESOLVED,
}
"""Derived tables by asset name."""
