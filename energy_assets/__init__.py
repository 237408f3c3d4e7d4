"""Great Britain's electricity-market data, complete, current and correct, in DuckDB or BigQuery.

``read`` is what the package offers to people; it loads what it needs when it is first asked for, so that importing the
package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energy_assets.warehouse.reading import read

__all__ = ["read"]


def __getattr__(name: str) -> object:
    if name == "read":
        from energy_assets.warehouse.reading import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
