"""The loading side in a process of its own, to be killed: ``python -m energy_assets_tests.iris.daemon``.

It does what Dagster's daemon does with the drop folder, against a persistent instance, but without its pauses: it
evaluates the sensor, executes the runs that are requested, one after the other, and begins anew, until its standard
input ends: signals are Dagster's.
"""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import dagster as dg

from energy_assets.assets.resources import Platform
from energy_assets.automation import iris
from energy_assets.automation.build import build_definitions
from energy_assets.settings import load_settings

PAUSE_SECONDS = 0.2
RETRY_AFTER = timedelta(seconds=1)
"""In place of a minute."""

LOST = "lost"
"""Tag of a run that was lost with its daemon."""


def main() -> None:
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    iris.RETRY_AFTER = RETRY_AFTER
    platform = Platform(lambda: load_settings(env_file=None))
    definitions = build_definitions(platform)
    with dg.DagsterInstance.get() as instance:
        report_lost(instance)
        while not stop.is_set():
            for request in requests(definitions, platform, instance):
                if not stop.is_set():
                    execute(definitions, instance, request)
            stop.wait(PAUSE_SECONDS)


def report_lost(instance: dg.DagsterInstance) -> None:
    """What Dagster's monitoring does with a run whose process is gone, some time after."""
    for run in instance.get_runs():
        if not run.is_finished:
            instance.add_run_tags(run.run_id, {LOST: "with its daemon"})
            instance.report_run_failed(run)


def requests(definitions: dg.Definitions, platform: Platform, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """One tick of the sensor."""
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("iris_drop_folder_sensor")
    with dg.build_sensor_context(instance, repository_def=repository, resources={"platform": platform}) as context:
        return list(sensor.evaluate_tick(context).run_requests or [])


def execute(definitions: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    """One run, as its worker executes it."""
    job = definitions.resolve_job_def("iris_load")
    job.execute_in_process(
        run_config=request.run_config, instance=instance, tags=dict(request.tags), raise_on_error=False
    )


if __name__ == "__main__":
    main()
