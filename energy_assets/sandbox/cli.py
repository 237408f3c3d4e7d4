"""``energy-assets sandbox``: serve the stand-in in the foreground, and say how to point the project at it.

Options and what is printed belong here; the sandbox itself does not know that there is a command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.replay import Replay
from energy_assets.sandbox.rows import RowSource
from energy_assets.sandbox.server import bound, running, serve, url_of
from energy_assets.sandbox.synthetic import Synthetic
from energy_assets.sandbox.windows import Refused, instant

DEFAULT_PORT = 8321
HOME = Path(".energy_assets/sandbox")
"""A home of its own: synthetic rows never meet a user's warehouse."""

BAD_USAGE = 2

app = typer.Typer(help="Serve a local stand-in of the providers.", invoke_without_command=True)


@app.callback()
def sandbox(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = DEFAULT_PORT,
    replay: Annotated[
        Path | None, typer.Option(help="Serve the recorded bodies of this folder instead of synthetic rows.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Rows per day: small, full, or a multiple of full such as 0.1.")] = "small",
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to every answer.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, other synthetic values.")] = 0,
    revision: Annotated[int, typer.Option(min=0, help="How often the provider has revised its facts.")] = 0,
    now: Annotated[str | None, typer.Option(help="The provider's present, such as 2026-07-16T12:00Z.")] = None,
    iris: Annotated[
        float, typer.Option(min=0, help="Messages a second pushed through a stand-in of IRIS; its archive comes along.")
    ] = 0.0,
    sheets: Annotated[bool, typer.Option("--sheets", help="Serve a stand-in of Google Sheets as well.")] = False,
) -> None:
    """Serve local stand-ins of Elexon's API and NESO's portal, and of IRIS and Google Sheets where asked for."""
    try:
        application = build(replay, scale, seed, revision, now, latency)
        listener = bound(port)
    except SandboxError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(BAD_USAGE) from error
    typer.echo(f"Sandbox: {url_of(listener)}")
    for line in _report(application):
        typer.echo(line)
    typer.echo("Point the project at it, with a home of its own:")
    typer.echo(f"  export ENERGY_ASSETS_ELEXON_URL={url_of(listener)}")
    typer.echo(f"  export ENERGY_ASSETS_HOME={HOME}")
    with ExitStack() as stack:
        for name, value in portal(application, stack) if replay is None else ():
            typer.echo(f"  export {name}={value}")
        for name, value in pushed(iris, volume_of(scale), seed, stack) if iris else ():
            typer.echo(f"  export {name}={value}")
        for name, value in mirrored(seed, stack) if sheets else ():
            typer.echo(f"  export {name}={value}")
        serve(application, listener)


def portal(application: ElexonSandbox, stack: ExitStack) -> Iterator[tuple[str, str]]:
    """Start NESO's portal with synthetic files, on the clock and with the latency of Elexon's stand-in.

    Args:
        application: Elexon's stand-in.
        stack: Ends the portal.

    Yields:
        The settings by which the project finds it, and asks it without a pause.
    """
    from energy_assets.sandbox.neso.app import NesoSandbox, running_neso
    from energy_assets.sandbox.neso.maker import CatalogueMaker

    stand_in = NesoSandbox(CatalogueMaker(), clock=application.clock, latency=application.latency)
    yield "ENERGY_ASSETS_NESO_URL", stack.enter_context(running_neso(stand_in))
    yield "ENERGY_ASSETS_NESO_REQUEST_SECONDS", "0"
    yield "ENERGY_ASSETS_NESO_DATASTORE_SECONDS", "0"


def pushed(rate: float, volume: Volume, seed: int, stack: ExitStack) -> Iterator[tuple[str, str]]:
    """Start the queue, which brings synthetic messages from now on at a rate, and the archive, which has all of them.

    Args:
        rate: Messages a second.
        volume: Rows of a dataset and day.
        seed: Another seed, other values.
        stack: Ends both.

    Yields:
        The settings by which the project finds them.
    """
    from energy_assets.sandbox.archive import CONTAINER_PATH, ArchiveSandbox
    from energy_assets.sandbox.iris.feeder import Feed
    from energy_assets.sandbox.iris.running import running_iris
    from energy_assets.sandbox.messages import Messages

    archive = stack.enter_context(running(ArchiveSandbox(Messages.of(seed, volume)), path=CONTAINER_PATH))
    queue = stack.enter_context(running_iris())
    queue.feed(Feed(count=None, rate=rate, seed=seed, rows=volume.full))
    there = queue.addresses
    yield "ENERGY_ASSETS_IRIS_ARCHIVE_URL", archive
    yield "ENERGY_ASSETS_IRIS_AUTHORITY", there.authority
    yield "ENERGY_ASSETS_IRIS_ENDPOINT", there.endpoint
    yield "ENERGY_ASSETS_IRIS_CA", there.ca
    yield "IRIS_NAMESPACE", there.namespace
    yield "IRIS_QUEUE_NAME", there.queue
    yield "IRIS_TENANT_ID", there.tenant_id
    yield "IRIS_CLIENT_ID", there.client_id
    yield "IRIS_CLIENT_SECRET", there.client_secret


def mirrored(seed: int, stack: ExitStack) -> Iterator[tuple[str, str]]:
    """Start the stand-in of Google Sheets with one empty spreadsheet.

    Args:
        seed: Another seed, other requests that faults befall.
        stack: Ends it.

    Yields:
        The settings by which the project finds it.
    """
    from energy_assets.sandbox.sheets import SHEET_ID, SHEETS_PATH, SheetsSandbox

    yield "ENERGY_ASSETS_SHEETS_URL", stack.enter_context(running(SheetsSandbox(seed=seed), path=SHEETS_PATH))
    yield "ENERGY_ASSETS_SHEET_ID", SHEET_ID


def build(replay: Path | None, scale: str, seed: int, revision: int, now: str | None, latency: float) -> ElexonSandbox:
    """The application that the options describe.

    Raises:
        SandboxError: An option is wrong.
    """
    source: RowSource = Synthetic(seed, volume_of(scale), revision) if replay is None else Replay(replay)
    application = ElexonSandbox(source, latency=latency, seed=seed)
    if now is not None:
        fixed = _present(now)
        application.clock = lambda: fixed
    return application


def _present(text: str) -> datetime:
    try:
        return instant("now", text)
    except Refused as refused:
        raise SandboxError(f"--now takes a date-time such as 2026-07-16T12:00Z, not {text!r}") from refused


def volume_of(scale: str) -> Volume:
    """Rows per day from ``small``, ``full`` or a positive number.

    Raises:
        SandboxError: It is none of them.
    """
    if scale == "small":
        return Volume()
    try:
        full = 1.0 if scale == "full" else float(scale)
    except ValueError:
        full = 0.0
    if not 0 < full < float("inf"):
        raise SandboxError(f"--scale takes small, full or a positive number, not {scale!r}")
    return Volume(full)


def _report(application: ElexonSandbox) -> list[str]:
    """What is served, for recorded bodies."""
    if not isinstance(application.source, Replay):
        return []
    bodies = application.source.bodies
    served = [body for body in bodies if not body.reason]
    lines = [f"Serving {sum(b.rows for b in served)} rows of {len(served)} recorded bodies."]
    skipped = [f"  skipped {body.file}: {body.reason}" for body in bodies if body.reason]
    return [*lines, *skipped]
