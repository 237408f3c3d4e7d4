"""From settings to working objects: the only place that decides which warehouse and which addresses are used.

Nothing is kept here between calls and nothing happens at import; heavy libraries load when an object is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, cast

from energy_assets.errors import SettingsError

if TYPE_CHECKING:
    from energy_assets.ingest.engine import Engine
    from energy_assets.settings import Settings
    from energy_assets.tracking.sheet import Sheet
    from energy_assets.warehouse.bigquery.connection import Connection
    from energy_assets.warehouse.copying import CopyableWarehouse
    from energy_assets.warehouse.interface import Warehouse

GOOGLE_LIBRARIES = ("google.cloud.bigquery", "google.cloud.bigquery_storage_v1")

EMULATED_PROJECT = "local"
"""Project on a local stand-in, which has any, where none is set."""


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where a table is.

    Attributes:
        name: Name by which SQL finds it.
        text: The same for people: on BigQuery the name, else with the file that holds it.
        link: Its page in a web console, or ``None``.
    """

    name: str
    text: str
    link: str | None = None


def utc_now() -> datetime:
    """The present, aware UTC."""
    return datetime.now(tz=UTC)


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name; it opens its store when first used.

    Raises:
        SettingsError: The home is not writable, or BigQuery is set without project or libraries.
    """
    settings.prepare_home()
    if settings.warehouse == "bigquery":
        connection = open_connection(settings)
        require_google()
        from energy_assets.warehouse.bigquery.store import BigQueryWarehouse

        return BigQueryWarehouse(
            connection,
            maximum_bytes_billed=settings.bigquery_max_bytes_billed,
            require_partition_filter=settings.bigquery_require_partition_filter,
        )
    from energy_assets.warehouse.duckdb import DuckDBWarehouse

    return DuckDBWarehouse(settings.duckdb_path, settings.schema_name)


def open_copyable(settings: Settings, warehouse: Literal["duckdb", "bigquery"]) -> CopyableWarehouse:
    """One of the warehouses that the settings describe, whichever of them is in use, for copying it.

    Raises:
        SettingsError: As for ``open_warehouse``.
    """
    # Every warehouse of ours can be copied; the others that the interface allows are made by tests.
    return cast("CopyableWarehouse", open_warehouse(settings.model_copy(update={"warehouse": warehouse})))


def open_connection(settings: Settings) -> Connection:
    """Clients for the BigQuery dataset that the settings name; credentials are looked for when first used.

    Raises:
        SettingsError: No project is set.
    """
    project, dataset, location = settings.google_cloud_project, settings.schema_name, settings.bigquery_location
    if settings.bigquery_emulator_host is not None:
        from energy_assets.warehouse.bigquery.connection import emulated

        rest, storage = settings.bigquery_emulator_host, settings.bigquery_storage_endpoint
        return emulated(project or EMULATED_PROJECT, dataset, location, rest, storage)
    if project is None:
        raise SettingsError(
            "ENERGY_ASSETS_WAREHOUSE=bigquery needs a project: set GOOGLE_CLOUD_PROJECT to the one that is to hold "
            f"the dataset {dataset} and run the jobs."
        )
    from energy_assets.assets.gcp import connect

    return connect(project, dataset, location)


def warehouse_place(settings: Settings) -> str:
    """Where the settings put the warehouse: a file, or a dataset with its project; nothing is opened.

    Raises:
        SettingsError: BigQuery is set without a project.
    """
    if settings.warehouse == "duckdb":
        return str(settings.duckdb_path)
    connection = open_connection(settings)
    return f"{connection.project}.{connection.dataset}"


def table_place(settings: Settings, table: str) -> TablePlace:
    """Where the settings put a table; nothing is opened.

    Raises:
        SettingsError: BigQuery is set without a project.
    """
    if settings.warehouse == "duckdb":
        name = f"{settings.schema_name}.{table}"
        return TablePlace(name, f"{warehouse_place(settings)}: {name}")
    name = f"{warehouse_place(settings)}.{table}"
    return TablePlace(name, name, open_connection(settings).table_link(table))


def open_sheet(settings: Settings) -> Sheet:
    """The sheet that mirrors the status; nothing is asked of it before it is used.

    Raises:
        SettingsError: No sheet is set.
        SheetError: There are no usable credentials for it.
    """
    from energy_assets.tracking.sheet import Sheet
    from energy_assets.tracking.sheet_book import open_book

    if settings.sheet_id is None:
        raise SettingsError(
            "No sheet is configured: set ENERGY_ASSETS_SHEET_ID to the address of a Google Sheet that is shared with "
            "the account of ENERGY_ASSETS_SHEET_CREDENTIALS."
        )
    book = open_book(settings.sheet_id, settings.sheet_credentials, settings.sheets_url)
    return Sheet(book, settings.sheet_worksheet)


def require_google() -> None:
    """Refuse BigQuery without its client libraries.

    Raises:
        SettingsError: One is missing.
    """
    for name in GOOGLE_LIBRARIES:
        try:
            found = find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SettingsError(
                f"ENERGY_ASSETS_WAREHOUSE=bigquery needs the library {name}, which is not installed: run `pip install "
                "'energy_assets[bigquery]'`."
            )


def open_engine(settings: Settings) -> Engine:
    """Warehouse, sources and spool as the settings describe them."""
    from energy_assets.ingest.engine import Engine
    from energy_assets.ingest.spool import Spool
    from energy_assets.sources.elexon import ElexonSource
    from energy_assets.sources.iris.archive import ArchiveSource
    from energy_assets.sources.neso.client import PortalAccess

    settings.prepare_home()
    return Engine(
        warehouse=open_warehouse(settings),
        open_source={
            "bmrs": lambda: ElexonSource.from_settings(settings),
            "iris": lambda: ArchiveSource.from_settings(settings),
        },
        spool=Spool(settings.home / "spool", settings.keep_bodies_days),
        source_api={"bmrs": settings.source_api_label, "iris": "IRIS-ARCHIVE", "neso": settings.neso_label},
        clock=utc_now,
        portal=PortalAccess.from_settings(settings),
        personal=settings.neso_personal_data,
    )
