"""``energy-assets warehouse``: backup and restore of the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.settings import Settings
    from energy_assets.warehouse.duckdb import DuckDBWarehouse

app = typer.Typer(help="Back up and restore the warehouse.", no_args_is_help=True)


@app.command()
def backup(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="The new file.", show_default=False)],
) -> None:
    """Copy the whole warehouse, as of one moment, into a new DuckDB file.

    The copy can be read like any DuckDB file. Refreshes wait while it is made.
    """
    settings = console.prepare(ctx)
    store = _embedded(settings)
    with console.progress_of(f"copying {settings.duckdb_path}"):
        store.backup(path.absolute())
    console.say(console.stdout(), f"Backed up to {path.absolute()} ({console.size(path.stat().st_size)}).")


@app.command()
def restore(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file that backup made.", show_default=False)],
) -> None:
    """Put a backup in the warehouse's place; the file that it replaces is kept beside it."""
    settings = console.prepare(ctx)
    store = _embedded(settings)
    with console.progress_of(f"copying {path}"):
        replaced = store.restore(path.absolute())
    kept = f"; what it held before is kept in {replaced}" if replaced.exists() else ""
    console.say(console.stdout(), f"{settings.duckdb_path} is now what {path.absolute()} holds{kept}.")


def _embedded(settings: Settings) -> DuckDBWarehouse:
    """The embedded warehouse.

    Raises:
        SettingsError: Another one is set.
    """
    from energy_assets.errors import SettingsError
    from energy_assets.warehouse.duckdb import DuckDBWarehouse
    from energy_assets.wiring import open_warehouse

    store = open_warehouse(settings)
    if not isinstance(store, DuckDBWarehouse):
        raise SettingsError(
            f"backup and restore are for the embedded warehouse; {settings.warehouse} keeps its own snapshots"
        )
    return store
