"""A queue, the real listener, the real daemon with the whole code location, and a reader: from enqueued to queryable.

A message counts as there when its entry in the register of messages can be read, which is written after its rows. The
reader opens the file for a moment each second, as users do. Providers are the sandbox, so that every schedule and
sensor of the location runs as it would.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from energy_assets.automation.iris import REPORT_EVERY, SENSE_SECONDS
from energy_assets.settings import Settings, load_settings
from energy_assets.sources.iris.backlog import Backlog, Manifest

LOOK_SECONDS = 1.0
"""Time between two looks of the reader; a latency is up to this too long."""

AFTER_SECONDS = 120.0
"""Longest wait for the last messages that are measured."""

START_SECONDS = 240.0

A_DAY = 86_400.0


@dataclass(frozen=True)
class Seen:
    """A message, and when the reader first saw it; seconds since 1970."""

    sequence: int
    enqueued: float
    received: float
    seen: float


def bin_of(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file; ended by SIGTERM."""
    with said.open("wb") as out:
        process = subprocess.Popen(
            command, env=dict(environment), cwd=environment["ENERGY_ASSETS_HOME"], stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def exports(said: Path) -> dict[str, str]:
    """The settings that the sandbox prints when all of it is up."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        lines = said.read_text().splitlines()
        found = dict(line.strip().removeprefix("export ").split("=", 1) for line in lines if "export " in line)
        if "IRIS_CLIENT_SECRET" in found:
            return found
        time.sleep(0.1)
    raise SystemExit(f"the sandbox did not start: {said.read_text()[-500:]}")


class Reader:
    """Sees messages come."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._after = 0
        self.seen: list[Seen] = []
        self.kept_out = 0

    def look(self) -> None:
        """Look once; a file that a writer holds is looked at again next time."""
        if not self._settings.duckdb_path.exists():
            return
        try:
            with duckdb.connect(str(self._settings.duckdb_path), read_only=True) as connection:
                query = (
                    "SELECT sequence_number, epoch(enqueued_utc), epoch(received_utc) FROM "
                    f'"{self._settings.schema_name}"._iris_messages'
                )
                rows = connection.execute(query).fetchall()
        except (duckdb.IOException, duckdb.CatalogException):
            self.kept_out += 1
            return
        now = time.time()
        known = {s.sequence for s in self.seen}
        self.seen.extend(Seen(n, enqueued, received, now) for n, enqueued, received in rows if n not in known)

    def until(self, reached: Any, seconds: float) -> bool:
        """Look each second until something is reached; whether it was."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begun = time.monotonic()
            self.look()
            if reached():
                return True
            time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - begun)))
        return False

    def streams(self) -> int:
        """How many streams have brought something."""
        with duckdb.connect(str(self._settings.duckdb_path), read_only=True) as connection:
            query = f'SELECT count(DISTINCT stream) FROM "{self._settings.schema_name}"._iris_messages'
            return int(connection.execute(query).fetchall()[0][0])

    def newest(self) -> float:
        return max((s.enqueued for s in self.seen), default=0.0)


def spread(values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [values[0]] * 99
    return {"p50": cuts[49], "p95": cuts[94], "most": max(values)}


def steps(messages: Sequence[Seen], settings: Settings) -> dict[str, float]:
    """Where the time went, as means over messages: on disk, chosen by a tick, begun by a run, read by the reader."""
    import dagster as dg

    manifests = sorted(chosen(settings), key=lambda m: m.created_utc)
    first: dict[int, Any] = {}
    for manifest in reversed(manifests):
        for file in manifest.files:
            low, high, _ = Path(file.path).name.split("-")
            first |= dict.fromkeys(range(int(low), int(high) + 1), manifest)
    with dg.DagsterInstance.get() as instance:
        records = instance.get_run_records(dg.RunsFilter(job_name="iris_load"))
    begun = {r.dagster_run.tags["energy_assets/manifest"]: (r.start_time, r.end_time) for r in records}
    found: dict[str, list[float]] = {name: [] for name in ("to disk", "until a tick", "until the run works", "load")}
    for message in messages:
        manifest = first[message.sequence]
        start, _ = begun[manifest.manifest_id]
        ticked = manifest.created_utc.timestamp()
        parts = (message.enqueued, message.received, ticked, start, message.seen)
        for name, before, after in zip(found, parts, parts[1:], strict=False):
            found[name].append(after - before)
    return {name: statistics.fmean(values) for name, values in found.items()}


def chosen(settings: Settings) -> list[Manifest]:
    """All manifests that there are."""
    backlog = Backlog(settings.iris_drop_dir)
    return [*backlog.manifests("open"), *backlog.manifests("done")]


def between_ticks(settings: Settings, first: float, last: float) -> float:
    """Mean seconds between two manifests chosen in the time that is measured."""
    times = sorted(m.created_utc.timestamp() for m in chosen(settings))
    times = times[max(0, bisect_left(times, first) - 1) : bisect_left(times, last)]
    # Too short a time tells nothing of its own.
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else float(SENSE_SECONDS)


@dataclass(frozen=True)
class Kept:
    """What one of Dagster's databases keeps of the load.

    Attributes:
        path: The database, below Dagster's home.
        table: Its largest table.
        size: Size of a row's content.
        own: Which rows are the load's.
    """

    path: str
    table: str
    size: str
    own: str


RUNS = "SELECT run_id FROM h.runs WHERE pipeline_name = 'iris_load'"

KEPT = (
    Kept("history/runs.db", "runs", "length(run_body)", "pipeline_name = 'iris_load'"),
    Kept("event_log.db", "event_logs", "length(event)", f"run_id IN ({RUNS})"),
    Kept("schedules/schedules.db", "job_ticks", "length(tick_body)", "tick_body LIKE '%iris_drop_folder_sensor%'"),
)

Marks = list[tuple[int, int]]
"""Bytes and greatest row of each database."""


def marks(dagster: Path) -> Marks:
    """How far each database has come."""
    found = []
    for kept in KEPT:
        with closing(sqlite3.connect(dagster / kept.path)) as database:
            count, size = (int(database.execute(f"PRAGMA {n}").fetchone()[0]) for n in ("page_count", "page_size"))
            newest = database.execute(f"SELECT coalesce(max(id), 0) FROM {kept.table}").fetchone()[0]
            found.append((count * size, newest))
    return found


def kept_per_day(dagster: Path, before: Marks, after: Marks, tick: float, streams: int) -> dict[str, float]:
    """Bytes by which Dagster's storage grows: each run, each report of a partition, and a day of both.

    Databases grow by more than what their rows say, by indexes and half-filled pages; by how much is taken from the
    time between the marks, whatever else happened in it.
    """
    run = report = 0.0
    ids: list[str] = []
    for kept, (size, first), (later, last) in zip(KEPT, before, after, strict=True):
        with closing(sqlite3.connect(dagster / kept.path)) as database:
            database.execute("ATTACH ? AS h", (str(dagster / "history" / "runs.db"),))
            new = f"FROM main.{kept.table} WHERE id > {first} AND id <= {last}"
            total = database.execute(f"SELECT coalesce(sum({kept.size}), 0) {new}").fetchone()[0]
            own = f"{new} AND {kept.own}"
            if kept.table == "event_logs":
                reports = f"{own} AND dagster_event_type = 'ASSET_MATERIALIZATION'"
                own = f"{own} AND dagster_event_type IS NOT 'ASSET_MATERIALIZATION'"
                content = database.execute(f"SELECT avg({kept.size}) {reports}").fetchone()[0]
                report = (later - size) / max(1, total) * (content or 0)
            if kept.table == "runs":
                ids = [i for (i,) in database.execute(f"SELECT run_id {own}")]
            mine = database.execute(f"SELECT coalesce(sum({kept.size}), 0) {own}").fetchone()[0]
            run += (later - size) / max(1, total) * mine
    captured = (p for i in ids for p in (dagster / "storage" / i).rglob("*") if p.is_file())
    run = (run + sum(p.stat().st_size for p in captured)) / max(1, len(ids))
    runs, reports_a_day = A_DAY / tick, streams * A_DAY / REPORT_EVERY.total_seconds()
    return {
        "bytes_per_run": run,
        "bytes_per_report": report,
        "runs_per_day": runs,
        "reports_per_day": reports_a_day,
        "bytes_per_day": run * runs + report * reports_a_day,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, required=True, help="messages a second")
    parser.add_argument("--seconds", type=float, required=True, help="how long is measured")
    parser.add_argument("--warm", type=float, required=True, help="seconds before that, from the first message on")
    given = parser.parse_args()
    begun = time.perf_counter()
    settings = load_settings(env_file=None)
    home, dagster = settings.home, Path(os.environ["DAGSTER_HOME"])
    reader = Reader(settings)
    with ExitStack() as stack:
        sandbox = [bin_of("energy-assets"), "sandbox", "--port", "0", "--iris", str(given.rate)]
        stack.enter_context(started(sandbox, os.environ, home / "sandbox.out"))
        environment = os.environ | exports(home / "sandbox.out") | {"ENERGY_ASSETS_HOME": str(home)}
        listen = [bin_of("energy-assets"), "iris", "listen"]
        stack.enter_context(started(listen, environment, home / "listener.out"))
        daemon = [bin_of("dagster-daemon"), "run", "-m", "energy_assets.definitions"]
        stack.enter_context(started(daemon, environment, home / "daemon.out"))
        if not reader.until(lambda: bool(reader.seen), START_SECONDS):
            raise SystemExit(f"no message was loaded: {(home / 'daemon.out').read_text()[-1500:]}")
        reader.until(lambda: False, given.warm)
        first, before = time.time(), marks(dagster)
        reader.until(lambda: False, given.seconds)
        last = time.time()
        if not reader.until(lambda: reader.newest() > last, AFTER_SECONDS):
            raise SystemExit("the last messages did not come")
        measured = [s for s in reader.seen if first <= s.enqueued < last]
        ticks = between_ticks(settings, first, last)
        kept = kept_per_day(dagster, before, marks(dagster), ticks, reader.streams())
    numbers = sorted(s.sequence for s in measured)
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    latency = spread([s.seen - s.enqueued for s in measured])
    result = {
        **latency,
        "messages": len(measured),
        "missing": missing,
        "kept_out": reader.kept_out,
        **kept,
        "tick_s": ticks,
        "failures": [f"{missing} messages are missing"] if missing else [],
        "inside_s": time.perf_counter() - begun,
        "steps_s": steps(measured, settings),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
