"""The same file as people load it: ``pandas.read_csv`` from disk, appended to a table of DuckDB; nothing is checked."""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402
import pandas as pd  # noqa: E402

IMPORTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dates", required=True)
    args = parser.parse_args()
    rows = pd.read_csv(args.file, parse_dates=[args.dates])
    read = time.perf_counter()
    with duckdb.connect(str(args.home / "warehouse.duckdb")) as db:
        db.register("frame", rows)
        db.execute("CREATE TABLE IF NOT EXISTS rows AS SELECT * FROM frame LIMIT 0")
        db.execute("INSERT INTO rows SELECT * FROM frame")
        (held,) = db.execute("SELECT count(*) FROM rows").fetchone() or (0,)
    done = time.perf_counter()
    result = {
        "rows": held,
        "inside_s": done - BEGUN,
        "steps_s": {"imports": IMPORTED - BEGUN, "read": read - IMPORTED, "append": done - read},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
