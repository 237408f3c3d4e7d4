"""One file of NESO's portal through the library: swept, fetched, read whole, checked and written; default settings."""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from datetime import date  # noqa: E402
from pathlib import Path  # noqa: E402

from energy_assets.catalogue import select  # noqa: E402
from energy_assets.ingest.model import Policy  # noqa: E402
from energy_assets.ingest.refresh import refresh  # noqa: E402
from energy_assets.settings import Settings  # noqa: E402
from energy_assets.wiring import open_engine  # noqa: E402

IMPORTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--family", required=True)
    parser.add_argument("--refetch", action="store_true")
    args = parser.parse_args()
    settings = Settings(home=args.home, neso_url=args.url, neso_request_seconds=0, neso_datastore_seconds=0)
    engine = open_engine(settings)
    policy = Policy(refetch_since=engine.clock() if args.refetch else None, run_id="benchmark")
    ready: list[float] = []
    (outcome,) = refresh(
        select(args.family),
        date(2001, 1, 1),
        date(2100, 1, 1),
        policy,
        engine,
        on_outcome=lambda _: ready.append(time.perf_counter()),
    )
    engine.warehouse.close()
    done = time.perf_counter()
    result = {
        "rows": outcome.counts.fetched,
        "inserted": outcome.counts.inserted,
        "updated": outcome.counts.updated,
        "quarantined": outcome.counts.quarantined,
        "commits": outcome.windows,
        "failures": list(outcome.failures),
        "inside_s": done - BEGUN,
        "steps_s": {"imports": IMPORTED - BEGUN, "refresh": ready[-1] - IMPORTED, "housekeeping": done - ready[-1]},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
