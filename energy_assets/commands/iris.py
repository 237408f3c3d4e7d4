"""``energy-assets iris``: listen to Elexon's push service."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console
from energy_assets.errors import (
    EnergyAssetsError,
    ListenError,
    RefusedError,
    SecondListenerError,
    SettingsError,
    UnreachableError,
)

if TYPE_CHECKING:
    from energy_assets.settings import Settings
    from energy_assets.sources.iris.tally import Tally

EXIT_CODES: dict[type[EnergyAssetsError], int] = {
    SettingsError: 3,
    RefusedError: 3,
    UnreachableError: 4,
    SecondListenerError: 5,
}
"""What a supervisor may tell apart: 3, somebody must change something; 4, starting again may help; 5, one runs already.
Anything else is ``console.FAILED``."""

_CHATTY = ("azure", "msal", "asyncio", "aiohttp")
"""Loggers that tell a failure as a traceback before we tell it as a sentence."""

app = typer.Typer(help="Listen to Elexon's push service.", no_args_is_help=True)


@app.callback()
def iris() -> None:
    """Listen to Elexon's push service."""


@app.command()
def listen(
    ctx: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Empty the queue and exit.")] = False,
) -> None:
    """Take messages off your IRIS queue into the drop folder until interrupted.

    Ctrl-C or SIGTERM finish the batch in hand. Exit codes: 3, a setting or credential must be changed; 4, the queue
    could not be reached for long; 5, another listener runs.
    """
    options = ctx.find_object(console.Options) or console.Options()
    settings = console.prepare(ctx)
    live = console.stderr().is_terminal
    _set_up_logging(settings, shown="INFO" if options.log_level or not live else "WARNING")
    try:
        with _live_line() as show:
            tally = asyncio.run(_listen(settings, drain, show))
    except (SettingsError, ListenError) as error:
        if options.debug:
            raise
        console.tell_error(str(error))
        raise typer.Exit(EXIT_CODES.get(type(error), console.FAILED)) from None
    ending = "The queue is empty" if drain else "Stopped"
    console.say(console.stdout(), f"{ending}: {_counts(tally)}.")


async def _listen(settings: Settings, drain: bool, show: Callable[[Tally], None]) -> Tally:
    from energy_assets.sources.iris.connection import connection_of
    from energy_assets.sources.iris.dropfolder import GIGABYTE, DropFolder
    from energy_assets.sources.iris.listener import Limits, listen
    from energy_assets.sources.redaction import Redactor

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: signal.Signals) -> None:
        stop.set()
        # Who asks a second time does not want to wait for the batch.
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    return await listen(
        connection_of(settings),
        DropFolder(settings.iris_drop_dir),
        Limits(
            min_free_bytes=settings.iris_min_free_gb * GIGABYTE,
            silence_seconds=settings.iris_silence_seconds,
            give_up_seconds=settings.iris_give_up_seconds,
        ),
        stop,
        drain=drain,
        redact=Redactor(settings.secrets()),
        secret_expires=settings.iris_secret_expires,
        on_progress=show,
    )


@contextmanager
def _live_line() -> Iterator[Callable[[Tally], None]]:
    """A line of counts that is kept up to date on a terminal; elsewhere the log tells them each minute."""
    from rich.live import Live
    from rich.text import Text

    err = console.stderr()
    if not err.is_terminal:
        yield lambda tally: None
        return
    line = Text("connecting", no_wrap=True, overflow="ellipsis")

    def show(tally: Tally) -> None:
        line.plain = _counts(tally)

    with Live(line, console=err, transient=True):
        yield show


def _counts(tally: Tally) -> str:
    """The counts in words: what came, what is safe, what the queue has let go of, and how late the newest was."""
    parts = [
        f"{tally.received:,} received",
        f"{tally.durable:,} durable",
        f"{tally.completed:,} completed",
    ]
    if tally.unconfirmed:
        parts.append(f"{tally.unconfirmed:,} unconfirmed")
    if tally.lag_seconds is not None:
        parts.append(f"lag {tally.lag_seconds:.1f} s")
    return ", ".join(parts)


def _set_up_logging(settings: Settings, shown: str) -> None:
    """Show the log from a level on, and keep other libraries' out of sight; at DEBUG they are logged with ours."""
    from energy_assets import logs

    ours = logging.getLogger(logs.LOGGER).handlers
    for handler in ours:
        if isinstance(handler, logs.ConsoleHandler):
            handler.setLevel(shown)
    for name in _CHATTY:
        chatty = logging.getLogger(name)
        chatty.propagate = False
        chatty.addHandler(logging.NullHandler())
        for handler in ours if settings.log_level == "DEBUG" else ():
            chatty.addHandler(handler)
