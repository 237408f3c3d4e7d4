"""``energy-assets cost``: what BigQuery has charged for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from rich.table import Table

    from energy_assets.settings import Settings
    from energy_assets.warehouse.bigquery.cost import Costs, Line

DAYS = 7
"""Days that are told of by default: a whole week, because weekends are lighter."""

MONTH_DAYS = 30

SEVERAL = "(several tables)"


def cost(
    ctx: typer.Context,
    from_day: Annotated[
        date | None,
        typer.Option("--from", metavar="DAY", parser=console.day, help="First day (UTC); a week's worth without it."),
    ] = None,
    to_day: Annotated[
        date | None,
        typer.Option("--to", metavar="DAY", parser=console.day, help="Last day (UTC); today without it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every table and day as JSON on standard output.")] = False,
) -> None:
    """Show what BigQuery has charged for: jobs, bytes billed, slot hours and pounds, by table and by day.

    Reads the project's list of jobs, which is free, and counts those with our label.
    """
    from energy_assets.wiring import utc_now

    last = to_day or utc_now().date()
    first = from_day or last - timedelta(days=DAYS - 1)
    console.check_range(first, last)
    settings = console.prepare(ctx)
    costs = _read(settings, first, last)
    if as_json:
        console.write_json(cost_json(settings, first, last, costs))
    elif costs is None:
        console.say(console.stdout(), "Nothing is billed: the warehouse is a DuckDB file on this machine.")
    else:
        _show(settings, first, last, costs)


def _read(settings: Settings, first: date, last: date) -> Costs | None:
    if settings.warehouse == "duckdb":
        return None
    from energy_assets.wiring import open_connection, require_google

    require_google()
    connection = open_connection(settings)
    from energy_assets.warehouse.bigquery.cost import read_costs
    from energy_assets.warehouse.bigquery.jobs import Jobs

    try:
        with console.progress_of("listing the project's jobs"):
            return read_costs(Jobs(connection), first, last)
    finally:
        connection.close()


def cost_json(settings: Settings, first: date, last: date, costs: Costs | None) -> dict[str, object]:
    """The report for scripts."""
    from energy_assets.warehouse.bigquery.cost import total

    price = settings.bigquery_price_per_tib_gbp
    lines = costs.lines if costs else ()
    return {
        "warehouse": settings.warehouse,
        "project": settings.google_cloud_project if costs else None,
        "from": first,
        "to": last,
        "price_per_tib_gbp": price,
        "all_users": costs.everyone if costs else None,
        "total": _line_json(total(lines), price),
        "lines": [{"day": e.day, "table": e.table or None, **_line_json(e, price)} for e in lines],
    }


def _line_json(line: Line, price: float) -> dict[str, object]:
    return {
        "jobs": line.jobs,
        "load_jobs": line.loads,
        "bytes_billed": line.bytes_billed,
        "slot_hours": round(line.slot_hours, 6),
        "gbp": round(line.pounds(price), 6),
    }


def _show(settings: Settings, first: date, last: date, costs: Costs) -> None:
    from energy_assets.warehouse.bigquery.cost import by_day, by_table

    out = console.stdout()
    price = settings.bigquery_price_per_tib_gbp
    if costs.lines:
        out.print(_table("table", [(e.table or SEVERAL, e) for e in by_table(costs.lines)], price))
        out.print()
        out.print(_table("day (UTC)", [(e.day.isoformat(), e) for e in by_day(costs.lines)], price))
        out.print()
    for line in cost_lines(costs, first, last, price):
        console.say(out, line)


def _table(heading: str, rows: Sequence[tuple[str, Line]], price: float) -> Table:
    table = console.new_table(heading, ">jobs", ">loads", ">billed", ">slot hours", ">£")
    for name, line in rows:
        table.add_row(
            name,
            console.count(line.jobs),
            console.count(line.loads),
            console.size(line.bytes_billed),
            f"{line.slot_hours:,.2f}",
            f"{line.pounds(price):,.4f}",
        )
    return table


def cost_lines(costs: Costs, first: date, last: date, price: float) -> list[str]:
    """The total with its arithmetic, and what it leaves out."""
    from energy_assets.warehouse.bigquery.cost import KEPT, LOAD_JOBS_PER_DAY, TIB, by_day, total
    from energy_assets.wiring import utc_now

    days = (last - first).days + 1
    lines = []
    if not costs.lines:
        lines.append(f"No job of ours was run from {first} to {last} (UTC).")
    else:
        whole = total(costs.lines)
        pounds = whole.pounds(price)
        loads = max(line.loads for line in by_day(costs.lines))
        lines.append(
            f"{first} to {last}: {console.plural(whole.jobs, 'job')}, {whole.loads:,} of them loads; "
            f"{whole.bytes_billed:,} bytes billed = {whole.bytes_billed / TIB:.4f} TiB × £{price:.2f} = £{pounds:,.2f}"
            f", or £{pounds / days * MONTH_DAYS:,.2f} in {MONTH_DAYS} days like these {days}."
        )
        lines.append(
            "Before the first TiB of each month, which is free; loading and dry runs are free; storage and reading "
            "through the storage API are billed apart. The price is ENERGY_ASSETS_BIGQUERY_PRICE_PER_TIB_GBP."
        )
        lines.append(f"At most {console.plural(loads, 'load job')} on one day, of {LOAD_JOBS_PER_DAY:,} for a project.")
    if not costs.everyone:
        lines.append(
            "Only jobs of these credentials are counted: roles/bigquery.resourceViewer on the project shows everyone's."
        )
    if first < (utc_now() - KEPT).date():
        lines.append(f"BigQuery remembers jobs for {KEPT.days} days only.")
    return lines
