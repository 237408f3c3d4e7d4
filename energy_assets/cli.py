"""``energy-assets``: the command line. Only the commands' names and what stands before them are here."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand

from energy_assets.commands.adopt import adopt
from energy_assets.commands.alerts import app as alerts_app
from energy_assets.commands.backfill import backfill
from energy_assets.commands.console import Options, SentenceGroup
from energy_assets.commands.cost import cost
from energy_assets.commands.demo import demo
from energy_assets.commands.doctor import doctor
from energy_assets.commands.gaps import app as gaps_app
from energy_assets.commands.iris import app as iris_app
from energy_assets.commands.metrics import metrics
from energy_assets.commands.refresh import refresh
from energy_assets.commands.sheet import app as sheet_app
from energy_assets.commands.status import status
from energy_assets.commands.verify import verify
from energy_assets.commands.warehouse import app as warehouse_app

LATER = {
    "catalogue": ("energy_assets.catalogue.cli", "What datasets there are, and everything known about each."),
    "sandbox": ("energy_assets.sandbox.cli", "Serve a local stand-in of the providers, with made-up or recorded data."),
}
"""Sub-applications that are imported when they are called, with their line in the overview: they load servers and
numpy."""


class Commands(SentenceGroup):
    """The top level, which knows the names of sub-applications without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - Typer's own context
        """Names in the order of the overview."""
        return [*super().list_commands(ctx), *LATER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - Typer's own types
        """A command, or what stands for a sub-application in the overview."""
        if cmd_name in LATER:
            return TyperCommand(cmd_name, help=LATER[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - Typer's own types
        """The command to run, its sub-application now imported."""
        if args and args[0] in LATER:
            module = import_module(LATER[args[0]][0])
            command = typer.main.get_command(module.app)
            command.name = args[0]
            return args[0], command, args[1:]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="energy-assets",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
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
app.command()(doctor)
app.command()(metrics)
app.command()(verify)
app.command()(adopt)
app.command()(cost)
app.add_typer(alerts_app, name="alerts")
app.add_typer(gaps_app, name="gaps")
app.add_typer(iris_app, name="iris")
app.add_typer(sheet_app, name="sheet")
app.add_typer(warehouse_app, name="warehouse")


def main() -> None:
    """Run the command line; the console script."""
    app()
