"""From settings to working objects: the only place that decides which warehouse and which addresses are used.

Nothing is kept here between calls and nothing happens at import; heavy libraries load when an object is asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from energy_assets.errors import SettingsError

if TYPE_CHECKING:
    from energy_assets.ingest.refresh import Engine
    from energy_assets.settings import Settings
    from energy_assets.warehouse.interface import Warehouse


def utc_now() -> datetime:
    """The present, aware UTC."""
    return datetime.now(tz=UTC)


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name; it opens its store when first used.

    Raises:
        SettingsError: The home is not writable, or the warehouse is not built.
    """
    if settings.warehouse != "duckdb":
        raise SettingsError("ENERGY_ASSETS_WAREHOUSE=bigquery is not available in this version; use duckdb")
    from energy_assets.warehouse.duckdb import DuckDBWarehouse

    settings.prepare_home()
    return DuckDBWarehouse(settings.duckdb_path, settings.schema_name)


def open_engine(settings: Settings) -> Engine:
    """Warehouse, sources and spool as the settings describe them."""
    from energy_assets.ingest.refresh import Engine
    from energy_assets.ingest.spool import Spool
    from energy_assets.sources.elexon import ElexonSource

    settings.prepare_home()
    return Engine(
        warehouse=open_warehouse(settings),
        open_source={"bmrs": lambda: ElexonSource.from_settings(settings)},
        spool=Spool(settings.home / "spool", settings.keep_bodies_days),
        source_api={"bmrs": settings.source_api_label},
        clock=utc_now,
    )
