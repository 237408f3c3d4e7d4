"""Tables that are made from provider tables: their columns and keys.

Only descriptions belong here; how a table is computed belongs to its asset. Names are snake_case with unit suffixes.
"""

from __future__ import annotations

from collections.abc import Mapping

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

TABLES: Mapping[str, Table] = {"gb/generation_mix_half_hourly": GENERATION_MIX}
"""Derived tables by asset name."""
