"""``energy-assets sheet``: set up, sync and check the Google Sheet that mirrors the status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.settings import Settings
    from energy_assets.tracking.sheet import Difference, Synced
    from energy_assets.tracking.sheet_rows import Row

ADDRESS = "https://docs.google.com/spreadsheets/d/"

app = typer.Typer(help="The Google Sheet that mirrors the status.", no_args_is_help=True)


@app.command()
def setup(ctx: typer.Context) -> None:
    """Make the worksheets with headers and formatting, and write every row; safe to repeat."""
    from energy_assets.wiring import open_sheet, utc_now

    settings = console.prepare(ctx)
    sheet, now = open_sheet(settings), utc_now()
    rows = _rows(settings)(now)
    _tell(settings, rows, sheet.setup(rows, now))
    if settings.sheets_url is None:
        console.say(console.stdout(), f"The sheet: {ADDRESS}{settings.sheet_id}")


@app.command()
def sync(ctx: typer.Context) -> None:
    """Make the sheet say what the receipts say, as Dagster does after each refresh.

    What Dagster has under way is shown by its own syncs only.
    """
    from energy_assets.wiring import open_sheet, utc_now

    settings = console.prepare(ctx)
    sheet, now = open_sheet(settings), utc_now()
    rows = _rows(settings)(now)
    _tell(settings, rows, sheet.sync(rows, now))


@app.command()
def check(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The differences as JSON on standard output.")] = False,
) -> None:
    """Read the sheet and say what differs from the receipts; changes nothing. Exit code 1 when something does.

    What came to pass since the sheet was written is shown and is no difference, while it was written within the last
    75 minutes.
    """
    from energy_assets.wiring import open_sheet, utc_now

    settings = console.prepare(ctx)
    now = utc_now()
    found = open_sheet(settings).check(_rows(settings), now)
    wrong = [d for d in found if not d.lags]
    if as_json:
        console.write_json(
            {
                "checked_utc": now,
                "differences": [{"what": d.what, "text": d.text, "since_written": d.lags} for d in found],
            }
        )
    else:
        _show(found, wrong)
    if wrong:
        raise typer.Exit(console.FAILED)


def _rows(settings: Settings) -> Callable[[datetime], list[Row]]:
    """Gives every dataset's row as of a moment."""
    from energy_assets.tracking.sheet_rows import rows_at
    from energy_assets.wiring import open_warehouse

    def at(moment: datetime) -> list[Row]:
        warehouse = open_warehouse(settings)
        try:
            return rows_at(warehouse, settings, moment)
        finally:
            warehouse.close()

    return at


def _tell(settings: Settings, rows: Sequence[Row], done: Synced) -> None:
    out = console.stdout()
    for notice in done.notices:
        console.say(out, f"Note: {notice}.", "yellow")
    place = f"worksheet {settings.sheet_worksheet}"
    if not done.written:
        console.say(out, f"Nothing to write: the {place} says what the receipts say of {_datasets(len(rows))}.")
        return
    console.say(out, f"{done.rows:,} of {console.plural(len(rows), 'row')} written to the {place}.")


def _show(found: Sequence[Difference], wrong: Sequence[Difference]) -> None:
    out = console.stdout()
    for difference in wrong:
        console.say(out, f"{difference.what}: {difference.text}")
    if lagging := len(found) - len(wrong):
        console.say(out, f"The receipts of {_datasets(lagging)} are newer than the sheet; the next sync brings them.")
    if wrong:
        console.say(out, f"{console.plural(len(wrong), 'difference')}.")
        console.say_command(out, "To write them: energy-assets sheet sync")
    else:
        console.say(out, "Else the sheet says what they say." if lagging else "The sheet says what the receipts say.")


def _datasets(number: int) -> str:
    return console.plural(number, "dataset")
