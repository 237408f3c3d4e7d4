"""The given requests one after another over one connection, each body read and thrown away: the least that serial
costs."""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import httpx  # noqa: E402

IMPORTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--paths", type=Path, required=True)
    args = parser.parse_args()
    paths = json.loads(args.paths.read_text())
    with httpx.Client(base_url=args.url, timeout=60) as client:
        for path in paths:
            client.get(path).raise_for_status()
    done = time.perf_counter()
    steps = {"imports": IMPORTED - BEGUN, "requests": done - IMPORTED}
    print(json.dumps({"requests": len(paths), "inside_s": done - BEGUN, "steps_s": steps}))


if __name__ == "__main__":
    main()
