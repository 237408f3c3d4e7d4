"""``energy-assets iris``: listen to Elexon's push service, load what came, fill what was missed, and look at it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console
from energy_assets.errors import (
    EnergyAssetsError,
    ListenError,
    RefusedError,
    SecondListenerError,
    SettingsError,
    SpoolError,
    UnreachableError,
)

if TYPE_CHECKING:
    from energy_assets.catalogue.model import Dataset
    from energy_assets.ingest.model import Outcome
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

app = typer.Typer(help="Elexon's push service: listen, load, fill from the archive.", no_args_is_help=True)


@app.callback()
def iris() -> None:
    """Elexon's push service: listen, load what came, fill from the archive what was missed."""


@app.command()
def listen(
    ctx: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Empty the queue and exit.")] = False,
) -> None:
    """Take messages off your IRIS queue into the drop folder until interrupted.

    Ctrl-C or SIGTERM finish the batch in hand. Exit codes: 3, a setting or credential must be changed; 4, the queue
    could not be reached for long; 5, another listener runs.
    """
    import asyncio

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


@app.command()
def load(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Outcomes as JSON on standard output.")] = False,
) -> None:
    """Load what waits in the drop folder, without Dagster.

    What is written meanwhile is left for the next time. The sensor of the Dagster project does the same by itself
    every half minute; loading twice changes nothing.
    """
    from energy_assets.catalogue.iris import ENTRIES
    from energy_assets.commands.outcomes import outcome_json, show_outcomes
    from energy_assets.ingest.loading import load as load_manifest
    from energy_assets.ingest.model import Policy
    from energy_assets.ingest.tally import merged
    from energy_assets.sources.iris.backlog import Backlog
    from energy_assets.wiring import open_engine, utc_now

    settings = console.prepare(ctx)
    engine = open_engine(settings)
    backlog = Backlog(settings.iris_drop_dir)
    policy = Policy(run_id=f"iris-load-{utc_now():%Y%m%dT%H%M%SZ}")
    total: dict[str, Outcome] = {}
    messages = files = unreadable = 0
    failed: set[str] = set()
    tried: set[str] = set()
    begin = utc_now()
    with console.progress_of("looking into the drop folder") as show:
        while chosen := [m for m in backlog.choose(utc_now(), until=begin) if m.manifest_id not in tried]:
            for manifest in chosen:
                tried.add(manifest.manifest_id)
                try:
                    loaded = load_manifest(manifest, backlog, engine, policy)
                except SpoolError as error:
                    console.tell_error(str(error))
                    failed.add(manifest.manifest_id)
                    continue
                if loaded.failed:
                    failed.add(manifest.manifest_id)
                messages, files = messages + loaded.messages, files + len(manifest.files)
                unreadable += loaded.unreadable
                for outcome in loaded.outcomes:
                    known = total.get(outcome.dataset)
                    total[outcome.dataset] = merged(known, outcome) if known else outcome
                show(f"{messages:,} messages of {files:,} files", messages, None)
    datasets = [d for d in ENTRIES if d.code in total]
    outcomes = [total[d.code] for d in datasets]
    if as_json:
        console.write_json([outcome_json(o, d) for o, d in zip(outcomes, datasets, strict=True)])
    elif not files:
        console.say(console.stdout(), f"Nothing waits in {settings.iris_drop_dir}.")
    else:
        show_outcomes(console.stdout(), datasets, outcomes)
        kept = f"; {unreadable:,} could not be read and are in _quarantine" if unreadable else ""
        what = f"{console.plural(messages, 'message')} of {console.plural(files, 'file')}"
        console.say(console.stdout(), f"{what}{kept}.")
    if failed:
        raise typer.Exit(console.FAILED)


@app.command()
def archive(
    ctx: typer.Context,
    stream: Annotated[str, typer.Option("--stream", help="Streams as on IRIS, with commas: FUELINST,REMIT; or all.")],
    from_day: Annotated[
        date, typer.Option("--from", metavar="DAY", parser=console.day, help="First settlement day, as 2026-07-15.")
    ],
    to_day: Annotated[
        date | None, typer.Option("--to", metavar="DAY", parser=console.day, help="Last one; the first without it.")
    ] = None,
    refetch: Annotated[bool, typer.Option("--refetch", help="Ask again for what is already covered.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Outcomes as JSON on standard output.")] = False,
) -> None:
    """Fill days of the past from the public archive; it needs no account.

    Asks only for hours that it has not been asked for, so an interrupted run goes on where it stopped. Every message
    is a download of its own: a busy stream has thousands a day.
    """
    from energy_assets.commands.outcomes import tell_outcomes
    from energy_assets.commands.refresh import refresh_with_progress, refuse_impossible
    from energy_assets.ingest.model import Policy
    from energy_assets.wiring import open_engine, utc_now

    last = to_day or from_day
    console.check_range(from_day, last)
    datasets = _streams(stream)
    settings = console.prepare(ctx)
    engine = open_engine(settings)
    refuse_impossible(datasets, from_day, last, engine)
    now = utc_now()
    policy = Policy(refetch_since=now if refetch else None, run_id=f"iris-archive-{now:%Y%m%dT%H%M%SZ}")
    outcomes = refresh_with_progress(datasets, from_day, last, policy, engine)
    tell_outcomes(datasets, outcomes, as_json=as_json)
    if any(o.status == "failed" for o in outcomes):
        raise typer.Exit(console.FAILED)


@app.command()
def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON on standard output.")] = False,
) -> None:
    """Say whether the listener lives, what waits, and what was missed; exit code 1 where somebody has to look."""
    from energy_assets.tracking.push import look
    from energy_assets.wiring import open_warehouse, utc_now

    settings = console.prepare(ctx)
    warehouse = open_warehouse(settings)
    try:
        report = look(settings.iris_drop_dir, warehouse, utc_now())
    finally:
        warehouse.close()
    if as_json:
        console.write_json(report.as_plain())
    else:
        for line in report.lines():
            console.say(console.stdout(), line)
    if report.problems:
        raise typer.Exit(console.FAILED)


def _streams(text: str) -> tuple[Dataset, ...]:
    """The entries of streams that the archive has.

    Raises:
        CatalogueError: A stream is unknown; the message suggests the nearest.
    """
    from energy_assets.catalogue import select

    names = [name.strip() for name in text.split(",") if name.strip()]
    wanted = ",".join("iris/*" if name.lower() == "all" else f"iris/{name}" for name in names)
    return tuple(d for d in select(wanted) if d.query.path)


async def _listen(settings: Settings, drain: bool, show: Callable[[Tally], None]) -> Tally:
    import asyncio
    import signal

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
