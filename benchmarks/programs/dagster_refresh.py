"""The live refresh's run for today, made in process as Dagster's run worker makes it; what it took and what it left."""

import time

BEGUN = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import sqlite3  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

import dagster as dg  # noqa: E402

from energy_assets import definitions  # noqa: E402
from energy_assets.automation.schedules import run_request  # noqa: E402
from energy_assets.automation.ticks import Request, refresh_requests  # noqa: E402
from energy_assets.calendar import day_start_utc, settlement_day  # noqa: E402
from energy_assets.catalogue import datasets  # noqa: E402

TICK = timedelta(minutes=15)
TICKS_A_DAY = 96


def stored(folder: Path) -> int:
    """Bytes of Dagster's databases, with what waits in their logs folded in."""
    for file in folder.rglob("*.db"):
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(file.stat().st_size for file in folder.rglob("*.db*"))


def planned_in_a_day(now: datetime) -> tuple[int, int]:
    """Runs, and assets planned in all of them, that the schedule asks for in a day of ticks."""
    start = day_start_utc(settlement_day(now))
    requests = [r for n in range(TICKS_A_DAY) for r in refresh_requests(datasets("bmrs"), start + n * TICK)]
    return len(requests), sum(len(r.datasets) for r in requests)


def execute(request: Request, instance: dg.DagsterInstance) -> None:
    wanted = run_request(request, datetime.now(UTC))
    job = definitions.defs().resolve_job_def("bmrs_refresh")
    done = job.execute_in_process(
        run_config=wanted.run_config,
        instance=instance,
        partition_key=wanted.partition_key,
        asset_selection=wanted.asset_selection,
        tags=wanted.tags,
    )
    if not done.success:
        raise SystemExit("the run failed")


def main() -> None:
    folder = Path(os.environ["DAGSTER_HOME"])
    instance = dg.DagsterInstance.get()
    now = datetime.now(UTC)
    today = settlement_day(now)
    everything = Request(today, today, datasets("bmrs"))
    before = stored(folder)
    begun = time.perf_counter()
    execute(everything, instance)
    done = time.perf_counter()
    grown = stored(folder) - before
    few = Request(today, today, datasets("bmrs")[:1])
    for _ in range(10):
        execute(few, instance)
    base = (stored(folder) - before - grown) / 10
    runs, planned = planned_in_a_day(now)
    each = max(0.0, (grown - base) / (len(everything.datasets) - 1))
    result = {
        "bytes": grown,
        "bytes_per_day": runs * base + max(0, planned - runs) * each,
        "runs_per_day": runs,
        "planned_per_day": planned,
        "start_s": begun - BEGUN,
        "inside_s": done - BEGUN,
        "steps_s": {"start and definitions": begun - BEGUN, "run": done - begun},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
