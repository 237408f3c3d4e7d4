"""``energy-assets status``: what the warehouse holds of each dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.calendar import settlement_day
from energy_assets.commands import console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from energy_assets.tracking.status import DatasetReport, State

FAILURES_SHOWN = 5
"""Failures told in full below the table; all of them are in the table and in ``--json``."""

STYLES: dict[State, str] = {"ok": "green", "empty": "dim", "missing": "yellow", "suspect": "yellow", "failed": "red"}


def status(
    ctx: typer.Context,
    selection: Annotated[
        str, typer.Argument(metavar="SELECTION", help="Datasets, as for refresh.", show_default="all")
    ] = "all",
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=366, help="Count missing windows over this many days.", show_default="7"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Show what the warehouse holds: last success, newest data, rows of today, missing windows, last outcome.

    Asks no provider. A window is missing when its data should be final by now and no request from after that moment
    covers it.
    """
    from energy_assets.tracking.status import STATUS_DAYS, evaluate
    from energy_assets.wiring import open_warehouse, utc_now, warehouse_place

    settings = console.prepare(ctx)
    datasets = console.chosen(selection)
    now = utc_now()
    span = days or STATUS_DAYS
    reports = evaluate(datasets, open_warehouse(settings), now, span)
    if as_json:
        console.write_json(status_json(reports, now, span, warehouse_place(settings)))
        return
    out = console.stdout()
    show_status(out, reports, now)
    out.print()
    for line in status_lines(reports, span, warehouse_place(settings)):
        console.say(out, line)
    for line in what_to_do(reports, selection):
        console.say_command(out, line)


def show_status(out: Console, reports: Sequence[DatasetReport], now: datetime, rows_of: str = "today") -> None:
    """The status table, with rows counted on the day named ``rows_of``; nothing when no dataset holds anything."""
    held = [r for r in reports if r.state != "empty"]
    if not held:
        return
    table = console.new_table("dataset", "success", "newest (UTC)", f">{rows_of}", ">missing", "outcome")
    for report in held:
        table.add_row(
            report.dataset.code,
            console.ago(report.held.last_success_utc, now),
            _newest(report),
            console.count(report.held.rows_today),
            console.count(len(report.missing)),
            _outcome(report),
        )
    out.print(table)


def status_lines(reports: Sequence[DatasetReport], days: int, place: str) -> list[str]:
    """What the table comes to."""
    tally = Counter(r.state for r in reports)
    if tally["empty"] == len(reports):
        return [f"The warehouse {place} is empty: nothing has been loaded yet."]
    words: dict[State, str] = {
        "ok": "complete",
        "missing": "with missing windows",
        "suspect": "empty without reason",
        "failed": "failed",
        "empty": "never asked for",
    }
    parts = [f"{tally[state]} {word}" for state, word in words.items() if tally[state]]
    lines = [f"{console.plural(len(reports), 'dataset')}: {', '.join(parts)}."]
    if gaps := sum(len(r.missing) for r in reports if r.state != "empty"):
        lines.append(f"{console.plural(gaps, 'window')} missing in the last {console.plural(days, 'day')}.")
    lines += [f"{r.dataset.code} failed: {r.held.last_reason}" for r in reports if r.state == "failed"][:FAILURES_SHOWN]
    return lines


def what_to_do(reports: Sequence[DatasetReport], selection: str) -> list[str]:
    """The command that mends what is missing."""
    if all(r.state == "empty" for r in reports):
        return ["Begin with: energy-assets refresh profile:core"]
    missing = [w.from_utc for r in reports if r.state != "empty" for w in r.missing]
    if not missing:
        return []
    return [
        f"To ask for them: energy-assets backfill {quote(selection)} --from {settlement_day(min(missing))} --to today"
    ]


def status_json(reports: Sequence[DatasetReport], now: datetime, days: int, place: str) -> dict[str, object]:
    """The report for scripts; every instant in UTC."""
    return {
        "generated_utc": now,
        "warehouse": place,
        "missing_counted_over_days": days,
        "datasets": [
            {
                "dataset": r.dataset.name,
                "table": r.held.table,
                "state": r.state,
                "last_success_utc": r.held.last_success_utc,
                "newest_utc": r.held.newest_utc,
                "newest_day": r.held.newest_day,
                "rows_today": r.held.rows_today,
                "missing_windows": [
                    {"from_utc": w.from_utc, "to_utc": w.to_utc, "branch": w.branch_text} for w in r.missing
                ],
                "last_outcome": r.held.last_status,
                "last_outcome_utc": r.held.last_recorded_utc,
                "last_reason": r.held.last_reason,
                "quarantined_rows": r.held.quarantined,
            }
            for r in reports
        ],
    }


def _newest(report: DatasetReport) -> str:
    if report.held.newest_utc is not None:
        return f"{report.held.newest_utc:%Y-%m-%d %H:%M}"
    return str(report.held.newest_day or "–")


def _outcome(report: DatasetReport) -> Text:
    from rich.text import Text

    words = {"not_due": "not due", "silent": "nothing new", "suspect": "empty?"}
    last = report.held.last_status or "–"
    style = STYLES[report.state] if report.state in ("failed", "suspect") else ""
    return Text(words.get(last, last), style=style)
