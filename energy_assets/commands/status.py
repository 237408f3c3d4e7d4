"""``energy-assets status``: what the warehouse holds of each dataset, and how everything that keeps it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.calendar import settlement_day
from energy_assets.commands import console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from energy_assets.catalogue.model import Dataset
    from energy_assets.settings import Settings
    from energy_assets.tracking.overview import Look, Overview, Section
    from energy_assets.tracking.status import DatasetReport, State

EVERYTHING = "all"

NARROW = 90
"""Below this width a provider's line has no room for when it was last asked."""

FAILURES_SHOWN = 5
"""Failures told in full below the table, and in each section besides those in its lines; ``--json`` has all of them."""

STYLES: dict[State, str] = {"ok": "green", "empty": "dim", "missing": "yellow", "suspect": "yellow", "failed": "red"}

WORDS: dict[State, str] = {
    "ok": "complete",
    "missing": "with missing windows",
    "suspect": "empty without reason",
    "failed": "failed",
    "empty": "never asked for",
}


def status(
    ctx: typer.Context,
    selection: Annotated[
        str, typer.Argument(metavar="SELECTION", help="Datasets, as for refresh.", show_default=EVERYTHING)
    ] = EVERYTHING,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=366, help="Count missing windows over this many days.", show_default="7"),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="A live screen, looked at anew every 30 seconds; Ctrl-C ends it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    no_fail: Annotated[bool, typer.Option("--no-fail", help="Exit code 0 also when something is wrong.")] = False,
) -> None:
    """Show what the warehouse holds, and how everything that keeps it current does.

    Per dataset: last success, newest data, rows of today, missing windows, last outcome. A window is missing when its
    data should be final by now and no request from after that moment covers it. Without a SELECTION also disk, IRIS
    listener, Dagster's runs and checks, and open alerts. Asks no provider.

    For monitors: exit code 0 when nothing is wrong, 1 when a dataset that is kept failed, is empty without reason, is
    stale or misses windows, or when anything else shown is wrong; `wrong` in `--json` says what. Datasets that were
    never asked for are not wrong.
    """
    from energy_assets.tracking.status import STATUS_DAYS
    from energy_assets.wiring import utc_now

    if watch and as_json:
        raise typer.BadParameter("--watch is for people and --json for programs; give one of them")
    settings = console.prepare(ctx)
    datasets = console.chosen(selection)
    span = days or STATUS_DAYS

    def look() -> Overview:
        return look_at(settings, datasets, utc_now(), span, everything=selection == EVERYTHING)

    if watch:
        from energy_assets.commands.screen import keep_showing

        try:
            keep_showing(look)
        except KeyboardInterrupt:
            # How it is meant to end.
            raise typer.Exit from None
    overview = look()
    if as_json:
        console.write_json(overview_json(overview))
    else:
        _show(console.stdout(), overview, selection)
    if overview.wrong and not no_fail:
        raise typer.Exit(console.FAILED)


def look_at(settings: Settings, datasets: Sequence[Dataset], now: datetime, days: int, *, everything: bool) -> Overview:
    """Look at the warehouse and, where everything is wanted, at all that keeps it current.

    The warehouse is given up before anything is worked out or shown.

    Args:
        settings: Where things are.
        datasets: Entries that are looked at.
        now: The present, aware.
        days: How many settlement days, today included, are searched for missing windows.
        everything: Whether the machine is looked at too.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    from energy_assets.tracking import overview
    from energy_assets.tracking.gap_look import judged_datasets
    from energy_assets.tracking.status import evaluate
    from energy_assets.tracking.watch import asked_families
    from energy_assets.wiring import open_warehouse, warehouse_place

    if everything:
        datasets = list(dict.fromkeys([*datasets, *pushed()]))
    warehouse = open_warehouse(settings)
    try:
        reports = tuple(_without_archive(r) for r in evaluate(datasets, warehouse, now, days))
        looks: dict[str, Look] = {}
        if everything:
            kept = judged_datasets(datasets, settings.profile)
            looks["gaps"] = lambda: overview.gaps_section(warehouse, kept, now)
            looks["IRIS listener"] = lambda: overview.listener_section(settings.iris_drop_dir, warehouse, now)
            looks["disk"] = lambda: overview.disk_section(settings)
            looks["alerts"] = lambda: overview.alerts_section(settings)
        found = (*_of_dagster(settings, datasets, now, everything=everything), *overview.sections(looks))
    finally:
        warehouse.close()
    stale = overview.stale(reports, settings.profile, now, asked_families(settings))
    return overview.Overview(now, warehouse_place(settings), days, reports, stale, found)


def pushed() -> tuple[Dataset, ...]:
    """The streams of the push service, which are looked at with everything although nobody refreshes them."""
    from energy_assets.catalogue import datasets

    return datasets("iris")


def _without_archive(report: DatasetReport) -> DatasetReport:
    """What is pushed misses no windows of the archive: what was missed are holes, told of with the listener."""
    return replace(report, missing=()) if report.dataset.provider == "iris" else report


def _of_dagster(
    settings: Settings, datasets: Sequence[Dataset], now: datetime, *, everything: bool
) -> tuple[Section, ...]:
    """Checks and runs, where Dagster has been used; it loads only then."""
    import os

    from energy_assets.automation.instance import home_of, read_instance
    from energy_assets.tracking import overview

    home = home_of(settings, os.environ)
    if home is None:
        none = ("no Dagster instance here: `make run` makes one",)
        return (overview.Section("checks", "checks", none), overview.Section("runs", "runs", none)) * everything
    known = []

    def checks() -> Section:
        known.append(read_instance(home, datasets))
        return overview.checks_section(known[0], datasets)

    (found,) = overview.sections({"checks": checks})
    if not known or not everything:
        return (found,)
    return found, overview.runs_section(known[0], now)


def overview_json(overview: Overview) -> dict[str, object]:
    """The report for scripts; every instant in UTC."""
    stale = set(overview.stale)
    report = status_json(overview.reports, overview.now, overview.days, overview.place)
    providers = [
        {
            "provider": p.provider,
            "states": {state: p.states.get(state, 0) for state in WORDS},
            "missing_windows": p.missing,
            "newest_utc": p.newest_utc,
            "last_success_utc": p.last_success_utc,
            "last_request_utc": p.last_request_utc,
            "quarantined_rows": p.quarantined,
        }
        for p in overview.providers
    ]
    rows = report["datasets"]
    assert isinstance(rows, list)  # noqa: S101 - what status_json makes
    return {
        **report,
        "wrong": list(overview.wrong),
        "providers": providers,
        "datasets": [{**row, "stale": row["dataset"] in stale} for row in rows],
        **{section.name: section.plain for section in overview.sections},
    }


def _show(out: Console, overview: Overview, selection: str) -> None:
    held = any(r.state != "empty" for r in overview.reports)
    if held:
        out.print(providers_table(overview, brief=out.width < NARROW))
        out.print()
    show_status(out, overview.reports, overview.now)
    out.print()
    for line in status_lines(overview.reports, overview.days, overview.place):
        console.say(out, line)
    if overview.stale:
        console.say(
            out, f"! stale, because more was due since the last success: {', '.join(overview.stale)}", style="red"
        )
    for section in overview.sections:
        _show_section(out, section)
    for line in what_to_do(overview.reports, selection):
        console.say_command(out, line)


def providers_table(overview: Overview, *, brief: bool = False) -> Table:
    """One line for each provider; without the time of the last request where it is to be brief."""
    columns = ["provider", ">ok", ">missing", ">suspect", ">failed", ">never", "newest (UTC)", "last success", "asked"]
    table = console.new_table(*(columns[:-1] if brief else columns))
    for p in overview.providers:
        states = [p.states.get(state, 0) for state in ("ok", "missing", "suspect", "failed", "empty")]
        cells = [
            p.provider,
            *(console.count(n or None) for n in states),
            f"{p.newest_utc:%Y-%m-%d %H:%M}" if p.newest_utc else "–",
            console.ago(p.last_success_utc, overview.now),
            console.ago(p.last_request_utc, overview.now),
        ]
        table.add_row(*(cells[:-1] if brief else cells))
    return table


def _show_section(out: Console, section: Section) -> None:
    """One section, each thing that is wrong in it once."""
    first, *rest = section.lines or ("–",)
    console.say(out, f"{section.title}: {first}")
    for line in rest:
        wrong = line in section.wrong
        console.say(out, f"{'!' if wrong else ' '} {line}", style="red" if wrong else "dim")
    others = [w for w in section.wrong if w not in section.lines]
    for sentence in others[:FAILURES_SHOWN]:
        console.say(out, f"! {sentence}", style="red")
    if len(others) > FAILURES_SHOWN:
        console.say(out, f"! and {len(others) - FAILURES_SHOWN:,} more: --json has them", style="red")


def show_status(out: Console, reports: Sequence[DatasetReport], now: datetime, rows_of: str = "today") -> None:
    """The status table, with rows counted on the day named ``rows_of``; nothing when no dataset holds anything."""
    held = [r for r in reports if r.state != "empty"]
    if not held:
        return
    # Families of NESO's have long names; when a provider last answered stands in the table above.
    brief = out.width < NARROW
    columns = ["~dataset", "success", "newest (UTC)", f">{rows_of}", ">missing", "outcome"]
    table = console.new_table(*(name for name in columns if not (brief and name == "success")))
    for report in held:
        table.add_row(
            report.dataset.code,
            *(() if brief else (console.ago(report.held.last_success_utc, now),)),
            newest_text(report),
            console.count(report.held.rows_today),
            console.count(len(report.missing)),
            outcome_text(report),
        )
    out.print(table)


def status_lines(reports: Sequence[DatasetReport], days: int, place: str) -> list[str]:
    """What the table comes to."""
    tally = Counter(r.state for r in reports)
    if tally["empty"] == len(reports):
        return [f"The warehouse {place} is empty: nothing has been loaded yet."]
    parts = [f"{tally[state]} {word}" for state, word in WORDS.items() if tally[state]]
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


def newest_text(report: DatasetReport) -> str:
    """How new the newest row is."""
    if report.held.newest_utc is not None:
        return f"{report.held.newest_utc:%Y-%m-%d %H:%M}"
    return str(report.held.newest_day or "–")


def outcome_text(report: DatasetReport) -> Text:
    """What the last request came to."""
    from rich.text import Text

    words = {"not_due": "not due", "silent": "nothing new", "suspect": "empty?"}
    last = report.held.last_status or "–"
    style = STYLES[report.state] if report.state in ("failed", "suspect") else ""
    return Text(words.get(last, last), style=style)
