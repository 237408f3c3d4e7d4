"""Runs the benchmarks: ``make bench``, or ``python benchmarks/run.py bod year --rounds 3``.

Each writes ``results/<name>.json``; together they make the page ``RESULTS.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import bigquery
import bod
import everything
import iris
import iris_load
import location
import neso
import year
from report import NotHereError, Result, write_page

HERE = Path(__file__).parent

NESO_ROUNDS = 3
"""Each takes minutes."""

Benchmark = Callable[[argparse.Namespace], Result]

BENCHMARKS: dict[str, Benchmark] = {
    "bod": lambda args: bod.first_load(args.rounds, args.units),
    "refetch": lambda args: bod.again(args.rounds, args.units),
    "everything": lambda args: everything.refresh(args.rounds),
    "year": lambda args: year.fuelinst(args.rounds, args.days),
    "location": lambda args: location.load(args.rounds),
    "iris": lambda args: iris.take(args.rounds),
    "iris_load": lambda args: iris_load.load(args.rounds, args.small, args.part),
    "iris_live": lambda args: iris_load.live(args.seconds, args.warm),
    "neso": lambda args: neso.load(min(args.rounds, NESO_ROUNDS), args.part),
    "bigquery": lambda args: bigquery.warehouse(args.rounds, args.units),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way, taken in turns")
    parser.add_argument("--units", type=int, default=bod.UNITS, help="BM units in a day of BOD, 192 rows each")
    parser.add_argument("--days", type=int, default=year.DAYS, help="days of FUELINST")
    parser.add_argument("--small", type=int, default=iris_load.SMALL, help="small messages in the drop folder")
    parser.add_argument("--part", type=float, default=1.0, help="part of the backlog of 100,000 files, of NESO's files")
    parser.add_argument("--seconds", type=float, default=iris_load.SECONDS, help="of messages from queue to query")
    parser.add_argument("--warm", type=float, default=iris_load.WARM_SECONDS, help="seconds before that")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of RESULTS.md and results/")
    args = parser.parse_args()
    for name in args.names or BENCHMARKS:
        print(f"{name} …", flush=True)
        try:
            result = BENCHMARKS[name](args)
        except NotHereError as why:
            print(f"  left out: {why}", flush=True)
            continue
        result.write(args.out / "results")
        for figure in result.figures:
            met = {True: "met", False: "missed", None: ""}[figure.met]
            print(f"  {figure.what}: {figure.value:g} {figure.unit}  {figure.target}  {met}".rstrip(), flush=True)
        write_page(args.out / "results", args.out / "RESULTS.md")


if __name__ == "__main__":
    main()
