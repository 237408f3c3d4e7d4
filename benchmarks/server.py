"""Serves bodies on loopback, in a process of its own, and remembers what it was asked for.

Bodies are generated ones of BOD and FUELINST, or, with ``--behind URL``, whatever that address answered once: then each
answer waits for ``--latency`` seconds. A body is made or fetched before the measured run (``/prepare/...``, or a run
that is not measured) and leaves as the bytes that it is kept as, so the server takes little of the cores that it
shares with what is measured. Prints its address, then serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from bodies import bod_day, fuelinst_day

LONGEST_DAY = 50
"""Settlement periods; a request that names none is for all of the day."""

BOD_DAYS = 1
"""Days of BOD kept: each is 126 MB, 252 MB at twice the rows."""

Pieces = list[bytes]


class Generated:
    """Generated bodies by day, kept from when they are first asked for."""

    def __init__(self, units: int) -> None:
        self._units = units
        self._bod: dict[date, Pieces] = {}
        self._fuelinst: dict[date, bytes] = {}
        self._lock = threading.Lock()

    def pieces(self, path: str) -> Pieces:
        """A body in pieces. Both ends of the range asked for are included, as Elexon does."""
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        with self._lock:
            rows = self._bod_rows(query) if "/BOD" in url.path else self._fuelinst_rows(query)
        commas = [b","] * max(2 * len(rows) - 1, 0)
        commas[::2] = rows
        return [b"[", *commas, b"]"]

    def _bod_rows(self, query: dict[str, str]) -> Pieces:
        day = _day(query["from"])
        if day not in self._bod:
            while len(self._bod) >= BOD_DAYS:
                self._bod.pop(next(iter(self._bod)))
            self._bod[day] = bod_day(day, self._units)
        first = int(query.get("settlementPeriodFrom", 1))
        last = int(query.get("settlementPeriodTo", LONGEST_DAY))
        return self._bod[day][first - 1 : last]

    def _fuelinst_rows(self, query: dict[str, str]) -> Pieces:
        low, high = _day(query["settlementDateFrom"]), _day(query["settlementDateTo"])
        days = [low + timedelta(days=n) for n in range((high - low).days, -1, -1)]
        for day in days:
            if day not in self._fuelinst:
                self._fuelinst[day] = fuelinst_day(day)
        return [self._fuelinst[day] for day in days]


class Behind:
    """What another server answered, kept from when it was first asked for."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._kept: dict[str, bytes] = {}

    def pieces(self, path: str) -> Pieces:
        """The origin's body for the same path."""
        if path not in self._kept:
            with urlopen(self._origin + path) as answer:
                self._kept[path] = answer.read()
        return [self._kept[path]]


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


class Handler(BaseHTTPRequestHandler):
    """Answers every path with its body; ``/asked`` tells what was asked for since it was last asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        if self.path == "/asked":
            self._send([json.dumps(self.server.take_asked()).encode()])
        elif self.path.startswith("/prepare/"):
            self.server.bodies.pieces(self.path)
            self._send([b"{}"])
        elif "/data-status/" in self.path:
            # What the checks of an asset ask about; no dataset of the benchmarks.
            self.send_error(404)
        else:
            self.server.begin(self.path)
            if self.server.latency:
                time.sleep(self.server.latency)
            self.server.end(self._send(self.server.bodies.pieces(self.path)))

    def _send(self, pieces: Pieces) -> int:
        size = sum(map(len, pieces))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size))
        self.send_header("X-Energy-Assets-Sandbox", "1")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
        return size

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged: that would cost what is not to be measured."""


class Server(ThreadingHTTPServer):
    """The server with its bodies and its record of requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, bodies: Generated | Behind, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = bodies
        self.latency = latency
        self._lock = threading.Lock()
        self._forget()

    def begin(self, path: str) -> None:
        with self._lock:
            self._paths.append(path)
            self._now += 1
            self._peak = max(self._peak, self._now)

    def end(self, size: int) -> None:
        with self._lock:
            self._now -= 1
            self._bytes += size

    def take_asked(self) -> dict[str, object]:
        with self._lock:
            asked = {"paths": self._paths, "bytes": self._bytes, "peak": self._peak}
            self._forget()
        return asked

    def _forget(self) -> None:
        self._paths: list[str] = []
        self._bytes = self._now = self._peak = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=2500, help="BM units with bids")
    parser.add_argument("--behind", help="address whose answers are kept and given again")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    args = parser.parse_args()
    server = Server(Behind(args.behind) if args.behind else Generated(args.units), args.latency)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
