"""What the machine allows: one day of BOD streamed to disk, typed by DuckDB, made distinct on its key, put in the
day's place.

No receipt, no check, no history, no hash, no provenance: the least that gives a correct table. ``--pieces`` asks in
pieces of so many settlement periods, four at a time, and reads the files on all cores.
"""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402
import httpx  # noqa: E402

IMPORTED = time.perf_counter()

COLUMNS = {
    "dataset": "VARCHAR",
    "settlementDate": "DATE",
    "settlementPeriod": "BIGINT",
    "timeFrom": "TIMESTAMP",
    "levelFrom": "BIGINT",
    "timeTo": "TIMESTAMP",
    "levelTo": "BIGINT",
    "pairId": "BIGINT",
    "offer": "DOUBLE",
    "bid": "DOUBLE",
    "nationalGridBmUnit": "VARCHAR",
    "bmUnit": "VARCHAR",
}
KEY = "settlementDate, settlementPeriod, nationalGridBmUnit, pairId, timeFrom, timeTo"
AT_ONCE = 4


def download(client: httpx.Client, day: str, first: int, last: int, target: Path) -> None:
    params = {"from": f"{day}T00:00Z", "to": f"{day}T00:00Z", "settlementPeriodFrom": first, "settlementPeriodTo": last}
    with client.stream("GET", "/datasets/BOD/stream", params=params) as response, target.open("wb") as file:
        response.raise_for_status()
        for piece in response.iter_raw():
            file.write(piece)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--day", required=True)
    parser.add_argument("--pieces", type=int, default=50)
    args = parser.parse_args()
    marks = [time.perf_counter()]
    ranges = [(first, min(first + args.pieces - 1, 48)) for first in range(1, 49, args.pieces)]
    with httpx.Client(base_url=args.url, timeout=120) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(download, client, args.day, *r, args.home / f"bod-{r[0]:02d}.json") for r in ranges]
        for job in jobs:
            job.result()
    marks.append(time.perf_counter())
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    declared = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with duckdb.connect(str(args.home / "limit.duckdb")) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS bmrs_bod ({declared})")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM bmrs_bod WHERE settlementDate = CAST(? AS DATE)", [args.day])
        connection.execute(
            f"INSERT INTO bmrs_bod SELECT DISTINCT ON ({KEY}) * FROM "
            f"read_json('{args.home}/bod-*.json', format='array', columns={{{columns}}})"
        )
        connection.execute("COMMIT")
        rows = connection.execute("SELECT count(*) FROM bmrs_bod").fetchone()
    marks.append(time.perf_counter())
    print(
        json.dumps(
            {
                "rows": rows[0] if rows else 0,
                "imports_s": IMPORTED - BEGUN,
                "inside_s": marks[-1] - BEGUN,
                "steps_s": {"download": marks[1] - marks[0], "typed, distinct, replaced": marks[2] - marks[1]},
            }
        )
    )


if __name__ == "__main__":
    main()
