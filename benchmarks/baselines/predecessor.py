"""The predecessor's way with one day of BOD: ``httpx``, ``pandas``, an MD5 of each row's JSON, append.

Kept as a yardstick, not as an example. Its hash is computed row by row over the row's non-null columns; rows of one
load that hash alike are dropped, and what is already in the table is not looked at, so a second load doubles it.
``--hash-list`` hashes the same text in a plain loop over the records instead of ``DataFrame.apply``, the friendliest
reading of how it was done.
"""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
from datetime import UTC, datetime  # noqa: E402

import duckdb  # noqa: E402
import httpx  # noqa: E402
import pandas as pd  # noqa: E402

IMPORTED = time.perf_counter()


def md5_of(row: dict) -> str:
    kept = {name: value for name, value in row.items() if not name.startswith("_") and pd.notna(value)}
    return hashlib.md5(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def fetch(url: str, day: str) -> list[dict]:
    params = {"from": f"{day}T00:00Z", "to": f"{day}T00:00Z", "settlementPeriodFrom": 1, "settlementPeriodTo": 50}
    response = httpx.get(f"{url}/datasets/BOD/stream", params=params, timeout=120)
    response.raise_for_status()
    return response.json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", required=True)
    parser.add_argument("--day", required=True)
    parser.add_argument("--hash-list", action="store_true")
    args = parser.parse_args()
    marks = [time.perf_counter()]
    records = fetch(args.url, args.day)
    marks.append(time.perf_counter())
    frame = pd.DataFrame(records)
    marks.append(time.perf_counter())
    if args.hash_list:
        frame["_hash_key"] = [md5_of(record) for record in records]
    else:
        frame["_hash_key"] = frame.apply(lambda row: md5_of(row.to_dict()), axis=1)
    marks.append(time.perf_counter())
    frame["_dataset"] = "BOD"
    frame["_window_from_utc"] = f"{args.day}T00:00:00Z"
    frame["_ingested_utc"] = datetime.now(tz=UTC).isoformat()
    frame["_source_api"] = "BMRS"
    frame = frame.drop_duplicates("_hash_key")
    with duckdb.connect(f"{args.home}/predecessor.duckdb") as connection:
        connection.register("frame", frame)
        connection.execute("CREATE TABLE IF NOT EXISTS bmrs_bod AS SELECT * FROM frame LIMIT 0")
        connection.execute("INSERT INTO bmrs_bod SELECT * FROM frame")
    marks.append(time.perf_counter())
    steps = ("fetch and decode", "frame", "hash", "drop duplicates and append")
    print(
        json.dumps(
            {
                "rows": len(frame),
                "imports_s": IMPORTED - BEGUN,
                "inside_s": marks[-1] - BEGUN,
                "steps_s": {name: b - a for name, a, b in zip(steps, marks, marks[1:], strict=False)},
            }
        )
    )


if __name__ == "__main__":
    main()
