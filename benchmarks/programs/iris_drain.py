"""Loads everything that waits in a drop folder, as ``energy-assets iris load`` does or as Dagster's runs do.

With ``--dagster`` the sensor is evaluated at its interval and each run that it requests is made in this process, as a
run worker makes it; a real worker is a process of its own for each run, and has less in memory for it.
"""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402

from energy_assets.ingest.loading import load  # noqa: E402
from energy_assets.ingest.model import Policy  # noqa: E402
from energy_assets.settings import Settings, load_settings  # noqa: E402
from energy_assets.sources.iris.backlog import Backlog  # noqa: E402
from energy_assets.wiring import open_engine  # noqa: E402

LATER = timedelta(seconds=10)
"""Files that were written just now count as complete."""


def plainly(settings: Settings, backlog: Backlog) -> None:
    engine = open_engine(settings)
    while chosen := backlog.choose(datetime.now(UTC) + LATER):
        for manifest in chosen:
            loaded = load(manifest, backlog, engine, Policy(run_id="benchmark"))
            if loaded.failed or loaded.missing or loaded.unreadable:
                raise SystemExit(str([o.reason for o in loaded.outcomes if o.reason] or loaded.missing[:1]))
    engine.warehouse.close()


def through_dagster(settings: Settings, backlog: Backlog) -> None:
    import dagster as dg

    from energy_assets import definitions
    from energy_assets.assets.resources import Platform
    from energy_assets.automation.iris import SENSE_SECONDS

    code = definitions.defs()
    repository = code.get_repository_def()
    job = code.resolve_job_def("iris_load")
    with dg.DagsterInstance.get() as instance:
        while backlog.manifests("open") or backlog.waiting(datetime.now(UTC) + LATER):
            begun = time.monotonic()
            resources = {"platform": Platform()}
            with dg.build_sensor_context(instance, repository_def=repository, resources=resources) as context:
                ticked = repository.get_sensor_def("iris_drop_folder_sensor").evaluate_tick(context)
            for request in ticked.run_requests or ():
                job.execute_in_process(run_config=request.run_config, instance=instance, tags=dict(request.tags))
            if backlog.waiting(datetime.now(UTC) + LATER):
                time.sleep(max(0.0, SENSE_SECONDS - (time.monotonic() - begun)))


def sizes(settings: Settings) -> tuple[int, int]:
    """Messages in the register, and rows in all tables of streams."""
    import duckdb

    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        connection.execute(f"USE {settings.schema_name}")
        found = connection.execute("SELECT count(*), sum(rows) FROM _iris_messages").fetchall()
    return int(found[0][0]), int(found[0][1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dagster", action="store_true")
    given = parser.parse_args()
    settings = load_settings(env_file=None)
    backlog = Backlog(settings.iris_drop_dir)
    ready = time.perf_counter()
    (through_dagster if given.dagster else plainly)(settings, backlog)
    done = time.perf_counter()
    messages, rows = sizes(settings)
    result = {
        "messages": messages,
        "rows": rows,
        "manifests": len(backlog.manifests("done")),
        "per_second": messages / (done - ready),
        "inside_s": done - BEGUN,
        "steps_s": {"imports": ready - BEGUN, "load": done - ready},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
