"""``energy-assets sandbox``: serve the stand-in in the foreground, and say how to point the project at it.

Options and what is printed belong here; the sandbox itself does not know that there is a command line.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.replay import Replay
from energy_assets.sandbox.rows import RowSource
from energy_assets.sandbox.server import bound, serve, url_of
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
) -> None:
    """Serve a local stand-in of Elexon's API until interrupted."""
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
    serve(application, listener)


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
