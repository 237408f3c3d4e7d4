"""Every BMRS dataset, by group; one module per group holds its entries and nothing else is needed to add one."""

from __future__ import annotations

from energy_assets.catalogue.bmrs import bid_offer, forecast, generation, market, reference, remit, settlement
from energy_assets.catalogue.model import Dataset

_GROUPS = (generation, bid_offer, market, settlement, forecast, remit, reference)

ENTRIES: tuple[Dataset, ...] = tuple(entry for group in _GROUPS for entry in group.ENTRIES)
"""All entries in the order in which people read them."""
