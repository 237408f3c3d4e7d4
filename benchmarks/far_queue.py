"""A queue behind a slow line, in a process of its own: the sandbox of IRIS and, before it, a line with a round trip.

Prints the address of the sandbox's control endpoints, whose query names the end of the line, then serves until it is
terminated.
"""

from __future__ import annotations

import argparse
import signal
import threading
from urllib.parse import urlencode

from energy_assets.sandbox.iris.proxy import running_line
from energy_assets.sandbox.iris.remote import serving_iris


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round-trip", type=float, required=True, help="seconds")
    given = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with serving_iris() as iris, running_line(iris.addresses.port) as line:
        line.set(latency=given.round_trip / 2)
        print(f"{iris.control}?{urlencode({'endpoint': line.endpoint})}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
