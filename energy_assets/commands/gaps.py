"""``energy-assets gaps``: what is missing, since when, why, and what will become of it; completeness by year."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from rich.text import Text

    from energy_assets.catalogue.model import Dataset
    from energy_assets.ingest.model import Gap, GapWhy
    from energy_assets.warehouse.ledger import Completeness

    Change = Callable[[Sequence[Gap], date, date, datetime], Sequence[Gap]]

LIST = "list"


class Gaps(console.SentenceGroup):
    """The group, in which what is no command is a selection to be listed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's own context
        """Put the command in front where none is named."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [LIST, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="gaps",
    cls=Gaps,
    help="What is missing, since when and why; `gaps [SELECTION]` lists it. Gaps that nobody can fill can be accepted.",
)

WORDS: dict[GapWhy, str] = {
    "missed": "missed",
    "quarantined": "in quarantine",
    "suspect": "empty?",
    "not_due": "not due",
    "never_published": "never published",
}
STYLES: dict[GapWhy, str] = {
    "missed": "red",
    "quarantined": "yellow",
    "suspect": "yellow",
    "not_due": "dim",
    "never_published": "dim",
}

FromDay = Annotated[str, typer.Option("--from", metavar="DAY", help="First settlement day, as 2026-07-15.")]
ToDay = Annotated[
    str | None, typer.Option("--to", metavar="DAY", help="Last settlement day, inclusive.", show_default="the first")
]


@app.command(LIST)
def list_gaps(
    ctx: typer.Context,
    selection: Annotated[
        str, typer.Argument(metavar="SELECTION", help="Datasets, as for refresh.", show_default="all and IRIS")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also what is not due, was never published, or is no gap any more.")
    ] = False,
    completeness: Annotated[
        bool, typer.Option("--completeness", help="Hours expected and held by dataset and year instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """Show what is missing now: since when, why, and what will become of it.

    Looks at receipts and the drop folder as the hourly job does; asks no provider and writes nothing. Exit code 0
    whatever is missing.
    """
    from energy_assets.tracking.gap_look import judged_datasets, look
    from energy_assets.tracking.gaps import now_open
    from energy_assets.warehouse.ledger import read_completeness, read_gaps
    from energy_assets.wiring import open_warehouse, utc_now

    settings = console.prepare(ctx)
    chosen = _chosen(selection)
    warehouse, now = open_warehouse(settings), utc_now()
    if completeness:
        kept = {d.table.name for d in chosen.values() if not d.is_register}
        _tell_completeness([row for row in read_completeness(warehouse) if row.table in kept], as_json)
        return
    entries = judged_datasets(tuple(chosen.values()), settings.profile)
    root = settings.iris_drop_dir if any(d.provider == "iris" for d in entries) else None
    found = look(entries, warehouse, now, root=root)
    gaps = list(found.gaps)
    if every:
        gaps = sorted(
            {g.key: g for g in (*read_gaps(warehouse, closed=True), *found.changes, *now_open(gaps, ()))}.values(),
            key=lambda g: (g.table, g.from_utc, g.branch),
        )
    shown = [g for g in gaps if _is_chosen(g, chosen) and (every or g.why not in ("not_due", "never_published"))]
    if as_json:
        console.write_json({"generated_utc": now, "gaps": [gap_json(g, chosen.get(g.table), now) for g in shown]})
        return
    _show(shown, chosen, now)
    _sum_up([g for g in gaps if _is_chosen(g, chosen)])


@app.command()
def accept(
    ctx: typer.Context,
    selection: console.Selection,
    from_day: FromDay,
    note: Annotated[str, typer.Option("--note", help="Why it was never published, for those who ask later.")],
    to_day: ToDay = None,
) -> None:
    """Mark gaps as never published: no alert, not counted as missing, not asked for by the repair.

    What comes all the same closes the gap. Exit code 1 when there is no gap on these days.
    """
    from energy_assets.tracking.gap_look import mark

    def change(gaps: Sequence[Gap], first: date, last: date, now: datetime) -> list[Gap]:
        # What empty answers say is still to be written down where the hourly look did not go back so far.
        new = [g for g in gaps if g.why != "never_published" or g.recorded_utc is None]
        return mark(new, first, last, note.strip(), now)

    _change(ctx, selection, (from_day, to_day), change, "marked as never published")


@app.command()
def forget(ctx: typer.Context, selection: console.Selection, from_day: FromDay, to_day: ToDay = None) -> None:
    """Take back that gaps were never published: they are judged anew.

    Where the provider's own empty answers say so, they say it again; `energy-assets backfill` with `--refetch` asks
    once more. Exit code 1 when there is no such gap on these days.
    """
    from energy_assets.tracking.gap_look import take_back

    _change(ctx, selection, (from_day, to_day), take_back, "taken back")


def _change(ctx: typer.Context, selection: str, days: tuple[str, str | None], change: Change, done: str) -> None:
    from energy_assets import calendar
    from energy_assets.errors import EnergyAssetsError
    from energy_assets.tracking.gap_look import judged_datasets, look
    from energy_assets.wiring import open_warehouse, utc_now

    first, last = console.day(days[0]), console.day(days[1] or days[0])
    console.check_range(first, last)
    settings = console.prepare(ctx)
    chosen = _chosen(selection)
    warehouse, now = open_warehouse(settings), utc_now()
    entries = judged_datasets(tuple(chosen.values()), settings.profile)
    root = settings.iris_drop_dir if any(d.provider == "iris" for d in entries) else None
    from_now = (now.date() - first).days + 2
    found = look(entries, warehouse, now, days=max(1, from_now), root=root)
    changes = change([g for g in found.gaps if _is_chosen(g, chosen)], first, last, now)
    if not changes:
        raise EnergyAssetsError(
            f"{selection} has no such gap on {first} to {last}; `energy-assets gaps --all` lists what there is."
        )
    # What a look so far back found besides is for the hourly one to tell. One row of a gap: of two that are written at
    # once neither is the newest.
    begin, end = calendar.day_start_utc(first), calendar.day_bounds_utc(last)[1]
    near = [g for g in found.changes if g.from_utc < end and g.to_utc > begin]
    warehouse.note_gaps(list({g.key: g for g in (*near, *changes)}.values()))
    _show([g for g in changes if g.is_open], chosen, now)
    console.say(console.stdout(), f"{console.plural(len({g.table for g in changes}), 'dataset')} {done}.")


def _chosen(selection: str) -> dict[str, Dataset]:
    """Datasets by table name; without a selection all, those that are pushed included."""
    from energy_assets.catalogue import datasets

    return {d.table.name: d for d in (console.chosen(selection) if selection else datasets())}


def _is_chosen(gap: Gap, chosen: Mapping[str, Dataset]) -> bool:
    """A gap of every stream belongs to whoever asks for any of them."""
    from energy_assets.tracking.gaps import MESSAGES_TABLE

    if gap.table == MESSAGES_TABLE:
        return any(d.provider == "iris" for d in chosen.values())
    return gap.table in chosen


def gap_json(gap: Gap, dataset: Dataset | None, now: datetime) -> dict[str, object]:
    """A gap for scripts."""
    from energy_assets.tracking.gaps import outlook

    return {
        "dataset": dataset.name if dataset else gap.dataset.lower(),
        "table": gap.table,
        "from_utc": gap.from_utc,
        "to_utc": gap.to_utc,
        "branch": gap.branch,
        "why": gap.why,
        "since_utc": gap.since_utc,
        "opened_utc": gap.opened_utc,
        "closed_utc": gap.closed_utc,
        "note": gap.note,
        "outlook": outlook(gap, dataset, now) if gap.is_open else None,
    }


def _show(gaps: Sequence[Gap], chosen: Mapping[str, Dataset], now: datetime) -> None:
    from energy_assets.tracking.gaps import outlook

    if not gaps:
        return
    # Times stand one above the other, so that everything fits into eighty columns.
    table = console.new_table("~dataset", "from, to (UTC)", "why", "~since when (UTC), what will happen")
    for gap in gaps:
        entry = chosen.get(gap.table)
        ahead = outlook(gap, entry, now) if gap.is_open else f"closed {gap.closed_utc:%Y-%m-%d %H:%M}: {gap.note}"
        note = f" ({gap.note})" if gap.note and gap.is_open else ""
        name = entry.name if entry else gap.dataset.lower()
        table.add_row(
            f"{name}\n{gap.branch}".strip(),
            f"{gap.from_utc:%Y-%m-%d %H:%M}\n{gap.to_utc:%Y-%m-%d %H:%M}",
            _why(gap),
            f"{gap.since_utc:%Y-%m-%d %H:%M}: {ahead}{note}",
        )
    out = console.stdout()
    out.print(table)
    out.print()


def _why(gap: Gap) -> Text:
    from rich.text import Text

    return Text(WORDS[gap.why], style=STYLES[gap.why]) if gap.is_open else Text("no more", style="green")


def _sum_up(gaps: Sequence[Gap]) -> None:
    tally = Counter(g.why for g in gaps if g.is_open)
    parts = [f"{tally[why]} {word}" for why, word in WORDS.items() if tally[why]]
    counted = (
        f"{console.plural(sum(tally.values()), 'gap')} open: {', '.join(parts)}." if parts else "Nothing is missing."
    )
    console.say(console.stdout(), counted)


def _tell_completeness(rows: Sequence[Completeness], as_json: bool) -> None:
    if as_json:
        console.write_json([{name: getattr(row, name) for name in row.__slots__} for row in rows])
        return
    out = console.stdout()
    if not rows:
        console.say(out, "Nothing has been loaded yet.")
        return
    table = console.new_table(
        "~dataset", ">year", ">expected h", ">held h", ">never published h", ">missing h", ">complete"
    )
    for row in rows:
        share = "–" if row.completeness is None else f"{row.completeness:.2%}"
        hours = (row.expected_hours, row.held_hours, row.never_published_hours, row.missing_hours)
        table.add_row(row.dataset, str(row.year), *(f"{h:,.1f}" for h in hours), share)
    out.print(table)
    console.say(out, "Hours of each branch from its first window held to its last; a window counts up to its request.")
