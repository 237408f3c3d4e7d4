"""Every family of NESO's data portal, by portal group, and what of the portal is left out and why.

A module holds the entries of one portal group (small groups share one); adding a family needs nothing else.
"""

from __future__ import annotations

from energy_assets.catalogue.model import Dataset
from energy_assets.catalogue.neso import (
    ancillary,
    balancing,
    capacity_market,
    carbon,
    charges,
    connections,
    constraints,
    demand,
    flexibility,
    generation,
    interconnectors,
    plans,
    system,
    trade,
)
from energy_assets.catalogue.neso.left_out import LEFT_OUT, LeftOut

__all__ = ["ENTRIES", "LEFT_OUT", "LeftOut"]

_GROUPS = (
    demand,
    generation,
    carbon,
    balancing,
    constraints,
    system,
    ancillary,
    flexibility,
    trade,
    interconnectors,
    capacity_market,
    connections,
    charges,
    plans,
)

ENTRIES: tuple[Dataset, ...] = tuple(entry for group in _GROUPS for entry in group.ENTRIES)
"""All entries in the order in which people read them."""
