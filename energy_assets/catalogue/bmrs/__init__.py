"""Every BMRS dataset, by group: a module holds the entries of one group, and adding one needs nothing else."""

from __future__ import annotations

from energy_assets.catalogue.bmrs import (
    bid_offer,
    demand,
    dynamic,
    forecast,
    generation,
    market,
    physical,
    reference,
    remit,
    settlement,
    system,
    transparency,
)
from energy_assets.catalogue.model import Dataset

_GROUPS = (
    generation,
    demand,
    market,
    settlement,
    bid_offer,
    physical,
    dynamic,
    forecast,
    system,
    remit,
    transparency,
    reference,
)

ENTRIES: tuple[Dataset, ...] = tuple(entry for group in _GROUPS for entry in group.ENTRIES)
"""All entries in the order in which people read them."""
