"""The portal as one object: everything that is asked of it, over one set of connections and lanes.

Puts the parts together and holds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.sources.neso import datastore
from energy_assets.sources.neso.datastore import PAGE_ROWS, Schema, Table
from energy_assets.sources.neso.download import Download, download
from energy_assets.sources.neso.lanes import Lanes
from energy_assets.sources.neso.memory import Failures, Memory
from energy_assets.sources.neso.portal import Package, Portal, Resource
from energy_assets.sources.neso.storing import FILE_MOST_BYTES
from energy_assets.sources.neso.sweep import show_package, sweep
from energy_assets.sources.neso.wire import Wire

if TYPE_CHECKING:
    from energy_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class PortalAccess:
    """The portal as one home reaches and remembers it.

    Attributes:
        open: Opens it; called inside an event loop, once a refresh.
        memory: What the sweep before told.
        failures: What failed lately.
    """

    open: Callable[[], NesoPortal]
    memory: Memory
    failures: Failures

    @classmethod
    def from_settings(cls, settings: Settings) -> PortalAccess:
        """The portal that the settings describe; nothing is opened."""
        return cls(lambda: NesoPortal.from_settings(settings), Memory(settings.home), Failures(settings.home))


class NesoPortal:
    """The data portal. Belongs to one event loop; ``aclose`` ends its connections.

    The errors of each method are those of the function that it calls.

    Args:
        wire: How it is reached.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @classmethod
    def from_settings(cls, settings: Settings) -> NesoPortal:
        """The portal at the address, and with the lanes, that the settings give.

        Raises:
            SettingsError: The address is not that of CKAN's actions.
        """
        return cls(Wire(settings.neso_url, Lanes.from_settings(settings)))

    async def __aenter__(self) -> NesoPortal:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def address(self) -> str:
        """The portal's own address, below which its actions, files and dumps lie."""
        return self._wire.root

    async def sweep(self) -> Portal:
        """The whole catalogue; see ``sweep.sweep``."""
        return await sweep(self._wire)

    async def package(self, slug: str) -> Package:
        """One package; see ``sweep.show_package``."""
        return await show_package(self._wire, slug)

    async def file(
        self, resource: Resource, destination: Path, *, most: int = FILE_MOST_BYTES, group: str = ""
    ) -> Download:
        """The file of an upload; see ``download.download``."""
        return await download(self._wire, resource, destination, most=most, group=group)

    async def schema(self, resource: Resource, *, group: str = "") -> Schema:
        """Columns and number of rows of a table; see ``datastore.schema_of``."""
        return await datastore.schema_of(self._wire, resource, group=group)

    async def dump(
        self, resource: Resource, destination: Path, *, most: int = FILE_MOST_BYTES, group: str = ""
    ) -> Table:
        """A table as CSV, in three requests; see ``datastore.dump``."""
        return await datastore.dump(self._wire, resource, destination, most=most, group=group)

    async def pages(
        self,
        resource: Resource,
        destination: Path,
        *,
        most: int = FILE_MOST_BYTES,
        page_rows: int = PAGE_ROWS,
        group: str = "",
    ) -> Table:
        """A table page by page, in one request where a page holds it; see ``datastore.pages``."""
        return await datastore.pages(self._wire, resource, destination, most=most, page_rows=page_rows, group=group)

    async def table(
        self, resource: Resource, destination: Path, *, most: int = FILE_MOST_BYTES, group: str = ""
    ) -> Table:
        """A table in as few turns of the lane as its size allows; see ``datastore.whole``."""
        return await datastore.whole(self._wire, resource, destination, most=most, group=group)

    def shown(self, resource: Resource) -> str:
        """The address of a resource for people, secrets redacted."""
        return self._wire.shown(resource.url)

    def requests_sent(self, group: str | None = None) -> int:
        """Requests sent so far, retries and redirects included, in all or for one group."""
        return self._wire.requests_sent(group)

    async def sleep(self, seconds: float) -> None:
        """Let time pass, by the clock that the lanes go by."""
        await self._wire.sleep(seconds)

    async def aclose(self) -> None:
        """Close connections."""
        await self._wire.aclose()
