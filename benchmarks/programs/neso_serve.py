"""The stand-in of NESO's portal with files from disk; prints its address, then serves until its standard input ends."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from energy_assets.sandbox.neso.app import NesoSandbox, running_neso
from energy_assets.sandbox.neso.shelf import Entry

PLACES = {
    "skip": ("skip-rates", "Skip Rate - In Merit All Balancing Mechanism - July 2026"),
    "frequency": ("system-frequency-data", "July 2026 - Historic Frequency Data"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    sandbox = NesoSandbox()
    for name, place in PLACES.items():
        changed = datetime(2026, 8, 1, tzinfo=UTC)
        sandbox.shelf.put(Entry(*place, modified_utc=changed), args.folder / f"{name}.csv")
    with running_neso(sandbox) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
