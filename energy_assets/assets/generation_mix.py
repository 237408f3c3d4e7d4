"""How the half-hourly generation mix is computed from FUELHH; plain pandas, no Dagster, no store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FUELHH_COLUMNS = ("settlementDate", "settlementPeriod", "startTime", "fuelType", "generation")
"""What is read of FUELHH."""

PERIOD = ["settlement_date", "settlement_period"]

INTERCONNECTOR_PREFIX = "INT"
"""Interconnector codes of FUELHH begin so; new ones come without notice."""


def generation_mix(fuelhh: pd.DataFrame) -> pd.DataFrame:
    """Generation by fuel in every settlement period, with its share of the period's supply.

    Supply is what comes in: positive generation and imports. Exports and pumping are uses of it and have no share.

    Args:
        fuelhh: Current rows of FUELHH: ``settlementDate`` a date, ``startTime`` aware UTC, ``generation`` in MW, the
            mean over the half hour.

    Returns:
        One row per settlement period and fuel, columns as ``gb/generation_mix_half_hourly`` declares them.
    """
    names = {
        "settlementDate": "settlement_date",
        "settlementPeriod": "settlement_period",
        "startTime": "start_utc",
        "fuelType": "fuel_type",
        "generation": "generation_mw",
    }
    mix = fuelhh[list(FUELHH_COLUMNS)].rename(columns=names)
    supply = mix["generation_mw"].where(mix["generation_mw"] > 0)
    total = supply.groupby([mix[column] for column in PERIOD]).transform("sum")
    return mix.assign(
        is_interconnector=mix["fuel_type"].str.startswith(INTERCONNECTOR_PREFIX).astype(bool),
        share_pct=100 * supply / total,
    )
