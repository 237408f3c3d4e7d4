"""What Dagster hands to asset bodies, schedules and the IO manager: settings, engine and warehouse, opened when asked.

Nothing is read or opened before that, so definitions load without an environment. Which warehouse it is, is decided in
``energy_assets.wiring``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energy_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from energy_assets.ingest.engine import Engine
    from energy_assets.warehouse.interface import Warehouse


@dataclass(frozen=True)
class Platform:
    """Settings and the objects that they describe.

    Attributes:
        settings: How settings are read; each call reads them again, so a schedule follows a changed ``.env``.
    """

    settings: Callable[[], Settings] = load_settings

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Warehouse, sources and spool for one run, with log files in place; the warehouse is closed afterwards.

        Raises:
            SettingsError: A setting is wrong, or the home is not writable.
        """
        from energy_assets import logs
        from energy_assets.wiring import open_engine

        settings = self.settings()
        engine = open_engine(settings)
        logs.configure(settings)
        try:
            yield engine
        finally:
            engine.warehouse.close()
            logs.release()

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        """The warehouse that the settings name, closed afterwards.

        Raises:
            SettingsError: A setting is wrong, or the home is not writable.
        """
        from energy_assets.wiring import open_warehouse

        warehouse = open_warehouse(self.settings())
        try:
            yield warehouse
        finally:
            warehouse.close()
