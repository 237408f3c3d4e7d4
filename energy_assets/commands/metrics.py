"""``energy-assets metrics``: the status for Prometheus, served on loopback or printed once."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.settings import Settings
    from energy_assets.tracking.metrics import Measured, Metrics


def metrics(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Print the metrics and end, as for a text-file collector.")
    ] = False,
) -> None:
    """Serve the status as Prometheus metrics on this machine, at the port of ENERGY_ASSETS_METRICS_PORT.

    Looks at the warehouse at most every 30 seconds, however often it is asked. Ctrl-C ends it.
    """
    from prometheus_client import generate_latest

    from energy_assets.tracking.metrics import registry_of

    settings = console.prepare(ctx)
    registry = registry_of(measuring(settings, patient=once))
    if once:
        sys.stdout.write(generate_latest(registry).decode())
        return
    port = _port(settings)
    from prometheus_client import start_http_server

    from energy_assets.errors import SettingsError
    from energy_assets.tracking.metrics import LOOPBACK

    try:
        server, thread = start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise SettingsError(
            f"Port {port} cannot be served ({error.strerror}): set ENERGY_ASSETS_METRICS_PORT to a free one."
        ) from error
    console.say(console.stderr(), f"Metrics on http://{LOOPBACK}:{port}/metrics; Ctrl-C ends.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        raise typer.Exit from None
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def measuring(settings: Settings, *, patient: bool = False) -> Metrics:
    """Metrics of everything that the settings name; nothing is looked at before somebody asks.

    Args:
        settings: What is measured.
        patient: Whether who asks waits until the look ends.
    """
    from energy_assets.catalogue import datasets
    from energy_assets.commands.status import look_at
    from energy_assets.tracking.metrics import WAIT_SECONDS, Measured, Metrics, count_receipts
    from energy_assets.tracking.status import STATUS_DAYS
    from energy_assets.wiring import open_warehouse, utc_now

    def measure() -> Measured:
        now = utc_now()
        overview = look_at(settings, datasets(), now, STATUS_DAYS, everything=True)
        warehouse = open_warehouse(settings)
        try:
            return Measured(overview, count_receipts(warehouse, now), settings.warehouse)
        finally:
            warehouse.close()

    return Metrics(measure, wait_seconds=None if patient else WAIT_SECONDS)


def _port(settings: Settings) -> int:
    from energy_assets.errors import SettingsError

    if settings.metrics_port is None:
        raise SettingsError("No port is set: set ENERGY_ASSETS_METRICS_PORT, or print the metrics with --once.")
    return settings.metrics_port
