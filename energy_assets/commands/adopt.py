"""``energy-assets adopt``: the predecessor's tables, judged and loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.ingest.adopt import Adopted
    from energy_assets.ingest.predecessor import OldTables
    from energy_assets.settings import Settings

HOLES_SHOWN = 3
"""Spans of missing days told for each table; all of them are in ``--json``."""


def adopt(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="FILE|DATASET", help="DuckDB file, or PROJECT.DATASET of BigQuery.", show_default=False
        ),
    ],
    schema: Annotated[str, typer.Option("--schema", help="Schema of the tables in the DuckDB file.")] = "",
    tables: Annotated[str, typer.Option("--tables", help="Datasets, as for refresh; every table without it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; nothing is written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Look what tables of the older collector hold, and load what is sound.

    Reads `bmrs_<code>` tables that were appended to window by window, and says for each how many rows are copies,
    contradict each other, lie outside the window that they were stored under or cannot be typed, and which days are
    missing. The tables are only read. Adopted rows do not count as asked for: the next refresh of their days verifies
    them.
    """
    from energy_assets.ingest.adopt import adopt as adopt_all
    from energy_assets.wiring import open_warehouse, utc_now

    wanted = console.chosen(tables) if tables else None
    settings = console.prepare(ctx)
    old = _old_tables(settings, source, schema)
    warehouse = open_warehouse(settings)
    with console.progress_of(f"reading {old.place}") as show:
        done = adopt_all(old, wanted, warehouse, utc_now, dry_run=dry_run, on_progress=show)
    if as_json:
        console.write_json({"source": old.place, "dry_run": dry_run, "tables": [_json(one) for one in done]})
    else:
        _show(done, old.place, dry_run)
    if not done or any(one.problem for one in done):
        raise typer.Exit(console.FAILED)


def _old_tables(settings: Settings, source: str, schema: str) -> OldTables:
    """Where the tables are.

    Raises:
        SettingsError: It is neither a file nor a dataset in reach, or is the warehouse itself.
    """
    from energy_assets.errors import SettingsError

    path = Path(source).expanduser().absolute()
    if path.exists():
        return _in_file(settings, path, schema)
    if settings.warehouse != "bigquery":
        raise SettingsError(
            f"There is no file {source}: give the DuckDB file that holds the tables, or set "
            "ENERGY_ASSETS_WAREHOUSE=bigquery to adopt from a dataset of BigQuery."
        )
    from energy_assets.warehouse.bigquery.foreign import BigQueryTables
    from energy_assets.wiring import open_connection

    project, _, dataset = source.rpartition(".")
    own = open_connection(settings)
    if (project or own.project, dataset) == (own.project, own.dataset):
        raise SettingsError(
            f"{source} is the warehouse itself: set ENERGY_ASSETS_SCHEMA to a dataset of its own, because the tables "
            "there have the same names."
        )
    changes = {"schema_name": dataset, "google_cloud_project": project or settings.google_cloud_project}
    return BigQueryTables(open_connection(settings.model_copy(update=changes)))


def _in_file(settings: Settings, path: Path, schema: str) -> OldTables:
    from energy_assets.errors import SettingsError
    from energy_assets.ingest.predecessor import DuckDBTables, schemas_with_tables

    if settings.warehouse == "duckdb" and path.resolve() == settings.duckdb_path.resolve():
        raise SettingsError(
            f"{path} is the warehouse itself: copy the older tables into a file of their own, then adopt from it."
        )
    found = schemas_with_tables(path)
    if not schema and len(found) != 1:
        have = f"has them in {', '.join(found)}: say which with --schema" if found else "has no table named bmrs_<code>"
        raise SettingsError(f"{path} {have}.")
    return DuckDBTables(path, schema or found[0])


def _show(done: Sequence[Adopted], place: str, dry_run: bool) -> None:
    out = console.stdout()
    if not done:
        console.say(out, f"{place} holds no table named bmrs_<code> that was asked for.")
        return
    table = console.new_table(
        "table", ">rows", ">copies", ">contradict", ">outside", ">repeated", ">unreadable", ">held", ">sound", ">days"
    )
    for one in done:
        found = one.findings
        if found is None:
            continue
        numbers = (found.rows, found.duplicates, found.contradictions, found.outside, found.repeated)
        bad = found.unreadable + one.untypable
        cells = (*numbers, bad, one.held, one.loaded, len(found.days))
        table.add_row(one.table, *(console.count(n) for n in cells))
    if table.row_count:
        out.print(table)
        out.print()
    for one in done:
        for line in _lines(one):
            console.say(out, f"{one.table}: {line}")
    loaded, inserted = sum(one.loaded for one in done), sum(one.inserted for one in done)
    if dry_run:
        console.say(out, f"{loaded:,} rows would be loaded. Nothing was written.")
    else:
        console.say(
            out,
            f"{loaded:,} rows loaded, {inserted:,} of them new. No day counts as asked for by this: the next "
            "refresh or backfill of these days verifies them.",
        )


def _lines(one: Adopted) -> list[str]:
    """What a table's numbers do not say."""
    lines = [f"{one.problem.rstrip('.')}."] if one.problem else []
    found = one.findings
    if found is None:
        return lines
    if found.repeated_windows:
        lines.append(
            f"{found.repeated_windows:,} windows hold the same answer as one far from them: the provider's latest "
            "sample, stored again and again."
        )
    if one.holes:
        shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in one.holes[:HOLES_SHOWN])
        more = f" and {len(one.holes) - HOLES_SHOWN} more spans" if len(one.holes) > HOLES_SHOWN else ""
        lines.append(f"no row of {shown}{more}.")
    if found.unknown:
        lines.append(f"columns that the catalogue does not know: {', '.join(found.unknown)}.")
    return lines


def _json(one: Adopted) -> dict[str, object]:
    found = one.findings
    report: dict[str, object] = {"table": one.table, "dataset": one.dataset, "problem": one.problem}
    if found is None:
        return report
    return report | {
        "rows": found.rows,
        "duplicates": found.duplicates,
        "contradictions": found.contradictions,
        "outside_window": found.outside,
        "repeated_samples": found.repeated,
        "repeated_windows": found.repeated_windows,
        "unreadable": found.unreadable,
        "untypable": one.untypable,
        "already_held": one.held,
        "loaded": one.loaded,
        "inserted": one.inserted,
        "days": len(found.days),
        "first_day": min(found.days, default=None),
        "last_day": max(found.days, default=None),
        "holes": [{"from": a, "to": b} for a, b in one.holes],
        "unknown_columns": list(found.unknown),
    }
