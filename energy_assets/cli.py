"""``energy-assets``: the command line. Only the commands' names and what stands before them are here."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from energy_assets.catalogue.cli import app as catalogue_app
from energy_assets.commands.backfill import backfill
from energy_assets.commands.console import Options, SentenceGroup
from energy_assets.commands.demo import demo
from energy_assets.commands.refresh import refresh
from energy_assets.commands.status import status
from energy_assets.commands.verify import verify

app = typer.Typer(
    name="energy-assets",
    cls=SentenceGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("energy-assets"))
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            "--log-level",
            metavar="LEVEL",
            case_sensitive=False,
            help="DEBUG, INFO, WARNING or ERROR: log this much, and show the log on standard error.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Great Britain's electricity-market data in a warehouse of your own: complete, current and correct.

    Settings come from the environment or `.env`; without any, everything is kept in `.energy_assets` in this folder.
    """
    ctx.obj = Options(log_level.value if log_level else None, debug)


app.command()(demo)
app.command()(refresh)
app.command()(backfill)
app.command()(status)
app.command()(verify)
app.add_typer(catalogue_app, name="catalogue")


def main() -> None:
    """Run the command line; the console script."""
    app()
