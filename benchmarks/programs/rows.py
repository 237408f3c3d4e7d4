"""Rows and distinct natural keys of a table, to see that a measured run did what it says."""

import argparse
import json
from pathlib import Path

import duckdb

from energy_assets.catalogue import dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--dataset", required=True)
    args = parser.parse_args()
    key = ", ".join(f'"{name}"' for name in dataset(args.dataset).table.natural_key)
    with duckdb.connect(str(args.file), read_only=True) as connection:
        counted = f"SELECT count(*), count(DISTINCT hash({key})) FROM {args.table}"
        rows, distinct = connection.execute(counted).fetchall()[0]
    print(json.dumps({"rows": rows, "distinct": distinct, "inside_s": 0.0}))


if __name__ == "__main__":
    main()
