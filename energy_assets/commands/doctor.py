"""``energy-assets doctor``: what is wrong with settings, machine and data, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from rich.console import Console

    from energy_assets.settings import Settings
    from energy_assets.tracking.doctor import Fixed, Look, Looked, Verdict

ENV_FILE = Path(".env")

STYLES: dict[Verdict, str] = {
    "sound": "green",
    "note": "cyan",
    "warning": "yellow",
    "error": "red",
    "unknown": "magenta",
    "skipped": "dim",
}


def doctor(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing beyond this machine.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely; each is said before.")] = False,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=3660, help="Compare rows of this many days.", show_default="28"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Look for what is wrong, from the settings to the data, and say for each finding what to do.

    Settings, credentials, network, clock, disk, folders, Dagster's runs and daemon, leftovers; the warehouse's
    permissions and location, its tables, doubled rows and repeated samples. Receipts are looked at whole, rows on the
    last 28 days. Changes nothing without --fix.

    Exit code 1 when there is an error, or something could not be looked at; warnings alone leave it at 0.
    """
    from energy_assets.tracking.doctor import Fix, bad, examine, mend

    examined = _prepare(ctx, offline, days)
    out = console.stdout()
    looked: list[Looked] = []
    with console.progress_of("looking") as show:
        for one in examine(examined.looks):
            looked.append(one)
            show(one.name, len(looked), len(examined.looks))
    if not as_json:
        _show(out, looked)

    def before(chosen: Fix) -> None:
        if not as_json:
            console.say(out, f"Fixing: {chosen.says}")

    fixed = mend(looked, before) if fix else []
    if fixed:
        # What is reported in the end is how it stands now.
        looked = list(examine(_prepare(ctx, offline, days).looks))
    if as_json:
        console.write_json(report_json(looked, fixed))
    else:
        _tell(out, looked, fixed, wanted=fix)
    if bad(looked):
        raise typer.Exit(console.FAILED)


@dataclass(frozen=True)
class _Examined:
    looks: Sequence[Look]


def _prepare(ctx: typer.Context, offline: bool, days: int | None) -> _Examined:
    """Every look; where settings are unusable only that they are."""
    from energy_assets import logs
    from energy_assets.automation.instance import home_of, read_instance
    from energy_assets.catalogue import datasets
    from energy_assets.errors import SettingsError
    from energy_assets.settings import given_variables, load_settings, unknown_variables
    from energy_assets.tracking.ailments import Machine, looks_at
    from energy_assets.tracking.ailments_of_data import DAYS, Data, looks_into
    from energy_assets.wiring import open_warehouse, utc_now

    try:
        given = given_variables(None, ENV_FILE)
        unknown = unknown_variables(given)
        settings = load_settings({n: v for n, v in given.items() if n not in unknown}, None)
    except SettingsError as error:
        return _Examined([_unusable(str(error))])
    if settings.home.is_dir():
        _log(settings)
        ctx.call_on_close(logs.release)
    machine = Machine(
        given,
        unknown,
        settings,
        ENV_FILE.absolute(),
        home_of(settings, given),
        lambda home: read_instance(home, ()),
        utc_now(),
        offline,
    )
    data = Data(settings, lambda: open_warehouse(settings), datasets(), utc_now(), days or DAYS)
    looks = looks_at(machine)
    if settings.home.is_dir() or settings.warehouse == "bigquery":
        looks += looks_into(data, offline=offline)
    return _Examined(looks)


def _log(settings: Settings) -> None:
    from energy_assets.errors import SettingsError

    try:
        console.set_up_logging(settings, shown=False)
    except (SettingsError, OSError):
        # That the home cannot be written is a finding of the folders.
        return


def _unusable(sentence: str) -> Look:
    from energy_assets.tracking.doctor import Diagnosis, Look

    found = Diagnosis("error", sentence, "Nothing else can be looked at until it is corrected.")
    return Look("settings", lambda: [found], "")


def report_json(looked: Sequence[Looked], fixed: Sequence[Fixed]) -> dict[str, object]:
    """The report for scripts; holds no secret."""
    return {
        "looks": [
            {
                "look": one.name,
                "seconds": round(one.seconds, 3),
                "findings": [
                    {
                        "verdict": d.verdict,
                        "subject": d.subject,
                        "text": d.text,
                        "remedy": d.remedy,
                        "fix": d.fix.says if d.fix else None,
                    }
                    for d in one.diagnoses
                ],
            }
            for one in looked
        ],
        "fixed": [{"fix": f.says, "done": f.done, "error": f.error} for f in fixed],
    }


def _show(out: Console, looked: Sequence[Looked]) -> None:
    from rich.text import Text

    table = console.new_table("look", "verdict", "~what was found, and what to do")
    for one in looked:
        for number, d in enumerate(one.diagnoses):
            text = Text(d.text)
            if d.remedy:
                text.append(f"\n→ {d.remedy}", style="dim")
            if d.fix is not None:
                text.append(f"\n→ --fix: {d.fix.says}", style="cyan")
            table.add_row(one.name if not number else "", Text(d.verdict, style=STYLES[d.verdict]), text)
    out.print(table)
    out.print()


def _tell(out: Console, looked: Sequence[Looked], fixed: Sequence[Fixed], *, wanted: bool) -> None:
    for one in fixed:
        if one.error:
            console.say(out, f"Not fixed: {one.says} {one.error}", style="red")
        else:
            console.say(out, f"Fixed: {one.done}")
    tally = Counter(d.verdict for one in looked for d in one.diagnoses)
    parts = [f"{tally[v]} {v}" for v in STYLES if tally[v]]
    console.say(out, f"{console.plural(len(looked), 'look')}{' after it' if fixed else ''}: {', '.join(parts)}.")
    if not wanted and any(d.fix for one in looked for d in one.diagnoses):
        console.say_command(out, "To mend what can be mended safely: energy-assets doctor --fix")
