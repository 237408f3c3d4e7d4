"""One refresh through the library, as a process to be measured: no Dagster, default settings, a home of its own."""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import replace  # noqa: E402
from datetime import UTC, date, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

from energy_assets.catalogue import select  # noqa: E402
from energy_assets.ingest.model import Policy  # noqa: E402
from energy_assets.ingest.refresh import refresh  # noqa: E402
from energy_assets.settings import Settings  # noqa: E402
from energy_assets.wiring import open_engine  # noqa: E402

IMPORTED = time.perf_counter()


def clock_from(now: datetime | None) -> Callable[[], datetime]:
    """A clock that goes on from ``now``: how much of today there is to ask for depends on the time of day."""
    offset = now - datetime.now(UTC) if now else timedelta(0)
    return lambda: datetime.now(UTC) + offset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--datasets", default="BOD")
    parser.add_argument("--day", type=date.fromisoformat, required=True)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--refetch", action="store_true")
    parser.add_argument("--now", type=datetime.fromisoformat)
    parser.add_argument("--concurrency", type=int)
    args = parser.parse_args()
    settings = Settings(home=args.home, elexon_url=args.url)
    if args.concurrency:
        settings = settings.model_copy(update={"elexon_concurrency": args.concurrency})
    clock = clock_from(args.now)
    engine = replace(open_engine(settings), clock=clock)
    policy = Policy(refetch_since=clock() if args.refetch else None, run_id="benchmark")
    last = args.day + timedelta(days=args.days - 1)
    ready: list[float] = []
    outcomes = refresh(
        select(args.datasets), args.day, last, policy, engine, on_outcome=lambda _: ready.append(time.perf_counter())
    )
    engine.warehouse.close()
    done = time.perf_counter()
    counts = sum((o.counts for o in outcomes[1:]), outcomes[0].counts)
    result = {
        "rows": counts.fetched,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "requests": sum(o.requests for o in outcomes),
        "failures": [failure for o in outcomes for failure in o.failures],
        "inside_s": done - BEGUN,
        "housekeeping_s": done - ready[-1],
        "steps_s": {"imports": IMPORTED - BEGUN, "refresh": ready[-1] - IMPORTED, "housekeeping": done - ready[-1]},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
