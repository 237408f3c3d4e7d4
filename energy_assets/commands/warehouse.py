"""``energy-assets warehouse``: backup and restore of the store, and copying it into another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.catalogue.model import Table
    from energy_assets.settings import Settings
    from energy_assets.warehouse.copying import Copied, CopyableWarehouse
    from energy_assets.warehouse.duckdb import DuckDBWarehouse

app = typer.Typer(help="Back up, restore and copy the warehouse.", no_args_is_help=True)

Kind = Literal["duckdb", "bigquery"]


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


@app.command()
def copy(
    ctx: typer.Context,
    source: Annotated[Kind, typer.Option("--from", help="Where rows come from.", show_default=False)],
    target: Annotated[Kind, typer.Option("--to", help="Where rows go.", show_default=False)],
    tables: Annotated[
        str, typer.Option("--tables", help="Datasets, as for refresh, and derived tables (gb/...); all without it.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON on standard output.")] = False,
) -> None:
    """Make one warehouse hold exactly what the other holds: rows, history, receipts, quarantine, the ledger of gaps.

    Each piece is verified by count and content on both sides. A copy that was stopped goes on where it was; one that is
    run again moves only what has changed. Both warehouses are those that the settings describe.
    """
    from energy_assets.warehouse.copying import copy as copy_all
    from energy_assets.wiring import open_copyable

    if source == target:
        raise typer.BadParameter(f"{source} is on both sides; copy from one warehouse to the other")
    described = _described(tables)
    settings = console.prepare(ctx)
    there, here = open_copyable(settings, source), open_copyable(settings, target)
    with console.progress_of(f"looking at {source}") as show:
        done = copy_all(there, here, described, on_progress=show)
    unknown = sorted({*done.left_out} - {table.name for table in _described("")})
    if as_json:
        console.write_json(_copied_json(done, unknown))
    else:
        _show_copied(done, unknown, there, here)
    if any(one.changed for one in done.tables):
        raise typer.Exit(console.FAILED)


def _described(selection: str) -> tuple[Table, ...]:
    """The tables that a selection names; all where it is empty.

    Raises:
        CatalogueError: It names something unknown.
    """
    from energy_assets.catalogue import datasets, derived, iris, select

    if not selection:
        return (*(d.table for d in datasets()), *derived.TABLES.values(), iris.MESSAGES)
    terms = [term.strip() for term in selection.split(",") if term.strip()]
    own = [derived.TABLES[term.lower()] for term in terms if term.lower() in derived.TABLES]
    others = ",".join(term for term in terms if term.lower() not in derived.TABLES)
    return (*((d.table for d in select(others)) if others or not own else ()), *own)


def _show_copied(done: Copied, unknown: Sequence[str], source: CopyableWarehouse, target: CopyableWarehouse) -> None:
    out = console.stdout()
    if done.tables:
        table = console.new_table("table", ">rows", ">history", ">receipts", ">copied", ">equal", ">mended", ">seconds")
        for one in done.tables:
            held = (one.rows.get("rows"), one.rows.get("history"), one.rows.get("receipts"))
            pieces = (one.copied, one.equal, one.mended)
            table.add_row(one.table, *(console.count(n) for n in (*held, *pieces)), f"{one.seconds:.1f}")
        out.print(table)
        out.print()
    copied, equal = sum(one.copied for one in done.tables), sum(one.equal for one in done.tables)
    console.say(
        out,
        f"{target.parts().place} holds {console.plural(len(done.tables), 'table')} as {source.parts().place} does: "
        f"{console.plural(copied, 'piece')} copied and verified, {equal:,} equal already.",
    )
    if mended := sum(one.mended for one in done.tables):
        console.say(out, f"{console.plural(mended, 'piece')} of the target held something else before.", "yellow")
    if unknown:
        console.say(out, f"Left out, because the catalogue does not describe them: {', '.join(unknown)}.")
    if changed := [one.table for one in done.tables if one.changed]:
        names = ", ".join(changed)
        console.say(out, f"Written to while they were copied: {names}; run the same command again.", "yellow")


def _copied_json(done: Copied, unknown: Sequence[str]) -> dict[str, object]:
    return {
        "copied_pieces": sum(one.copied for one in done.tables),
        "equal_pieces": sum(one.equal for one in done.tables),
        "mended_pieces": sum(one.mended for one in done.tables),
        "complete": not any(one.changed for one in done.tables),
        "unknown_tables": list(unknown),
        "tables": [
            {
                "table": one.table,
                "dataset": one.dataset,
                "rows": one.rows,
                "copied_pieces": one.copied,
                "equal_pieces": one.equal,
                "mended_pieces": one.mended,
                "bytes": one.bytes,
                "seconds": round(one.seconds, 2),
                "changed_meanwhile": one.changed,
            }
            for one in done.tables
        ],
    }


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
