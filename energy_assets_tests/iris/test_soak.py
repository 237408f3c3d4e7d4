"""Broker, listener, sensor and warehouse while each is killed or cut off again and again: every message once.

The broker is a process of its own with TLS and claims-based security, the listener the real command, the loading side
a process with a persistent Dagster instance. What is killed is killed by ``kill -9``, at random moments of its work.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from energy_assets.catalogue.iris import BY_STREAM
from energy_assets.ingest.spool import Spool
from energy_assets.sandbox.iris.feeder import Feeder
from energy_assets.sandbox.iris.remote import RemoteIris, serving_iris
from energy_assets.settings import load_settings
from energy_assets.sources.iris.backlog import Backlog
from energy_assets.sources.iris.envelope import decode, raw_body
from energy_assets_tests.e2e.world import row_text
from energy_assets_tests.iris.daemon import LOST
from energy_assets_tests.iris.listening import COMMAND, environment_of
from energy_assets_tests.iris.mixture import SHARES, UNKNOWN, Fed, expected_register, expected_rows, mixture

MESSAGES = int(os.environ.get("ENERGY_ASSETS_TEST_SOAK_MESSAGES", "20000"))
"""As many as keep the test within a minute on two quiet cores; 50,000 take about two."""

RATE = float(os.environ.get("ENERGY_ASSETS_TEST_SOAK_RATE", "500"))
"""Messages a second that come while the others, half of all, are worked off."""

SEED = 20261123
LISTENER_KILLS = 10
DAEMON_KILLS = 3
BREAKS = ("reset", "close", "reset", "close", "reset")
BROKEN_AT = ("delivery", "settlement")

LOCK_SECONDS = 4
KILLED_EARLY = 0.2
"""Part of the listener's kills that meet it while it starts."""

STARTING_SECONDS = 2.0
LOAD_SECONDS = 0.5
"""About how long starting and loading take; moments are drawn from within."""

REPEATED = 40
"""Messages that the queue itself brings twice."""

LONGEST_SECONDS = 540.0
"""A minute's work that takes so long hangs, be the machine ever so busy."""

LOOKS_EVERY = 0.05

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800 if MESSAGES > 20_000 else 600)]


@dataclass
class Victim:
    """A process that is started anew after each kill.

    Attributes:
        command: What it runs.
        environment: Its variables.
        said: File with what it printed, in all its lives.
        ends_by_signal: Whether SIGTERM ends it; otherwise the end of its input does.
        lives: How often it was started.
        told_to_end: Whether it was.
    """

    command: Sequence[str]
    environment: dict[str, str]
    said: Path
    ends_by_signal: bool
    lives: int = 0
    told_to_end: bool = False
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        with self.said.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.said.parent,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
            )
        self.lives += 1

    def kill(self) -> None:
        assert self.process.poll() is None, f"it ended by itself: {self.tail()}"
        self.destroy()

    def destroy(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it end as it should: the listener by the signal, the daemon by the end of its input."""
        self.told_to_end = True
        assert self.process.stdin is not None
        self.process.stdin.close()
        if self.ends_by_signal:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.tail()

    def tail(self) -> str:
        return self.said.read_text()[-4000:]


@dataclass
class Soak:
    """Everything that runs, and the moments at which it is disturbed."""

    iris: RemoteIris
    home: Path
    listener: Victim
    daemon: Victim
    chance: random.Random
    until: float = field(default_factory=lambda: time.monotonic() + LONGEST_SECONDS * max(1, MESSAGES / 20_000))

    @property
    def backlog(self) -> Backlog:
        return Backlog(self.home / "iris")

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        while not reached():
            assert time.monotonic() < self.until, f"{what} did not happen: {self.iris.state()}"
            for victim in (self.listener, self.daemon):
                # One that has just been killed is about to be started anew.
                code = victim.process.poll()
                fine = code in (None, -signal.SIGKILL) or victim.told_to_end
                assert fine, f"{victim.command[-1]} ended with {code}: {victim.tail()}"
            time.sleep(LOOKS_EVERY)

    def wait_for(self, completed: int) -> None:
        def reached() -> bool:
            counts = self.iris.state().messages
            assert counts.dead_lettered == 0, self.listener.tail()
            return counts.completed >= completed

        self.wait(reached, f"{completed} messages completed")

    def moments(self, count: int) -> list[int]:
        """Numbers of completed messages at which something happens, in order."""
        return sorted(self.chance.sample(range(MESSAGES // 50, MESSAGES * 9 // 10), count))

    def kill_listeners(self, moments: Sequence[int], chance: random.Random) -> None:
        for moment in moments:
            if chance.random() < KILLED_EARLY:
                time.sleep(chance.uniform(0, STARTING_SECONDS))
            else:
                self.wait_for(max(moment, self.iris.state().messages.completed + 1))
                time.sleep(chance.uniform(0, 0.3))
            self.listener.kill()
            log.info("listener killed, %s", self.iris.state().messages)
            self.listener.start()

    def kill_daemons(self, moments: Sequence[int], chance: random.Random) -> None:
        for moment in moments:
            self.wait_for(moment)
            self.wait(lambda: bool(self.backlog.manifests("open")), "a manifest")
            time.sleep(chance.uniform(0, LOAD_SECONDS))
            self.daemon.kill()
            log.info("daemon killed, %d manifests open", len(self.backlog.manifests("open")))
            self.daemon.start()

    def break_links(self, moments: Sequence[int]) -> None:
        for number, (moment, kind) in enumerate(zip(moments, BREAKS, strict=True)):
            self.wait_for(moment)
            self.iris.fault(kind, on=BROKEN_AT[number % 2], count=1)

    def work_off(self) -> None:
        """Until the queue is empty, and then the drop folder."""
        self.wait(lambda: _emptied(self.iris), "an empty queue")
        self.listener.end()
        now = datetime.now(UTC)
        self.wait(lambda: not self.backlog.waiting(now) and not self.backlog.needed(), "the last load")
        self.daemon.end()


def _emptied(iris: RemoteIris) -> bool:
    counts = iris.state().messages
    return counts.completed == counts.accepted and counts.accepted >= MESSAGES


@contextmanager
def soaking(home: Path) -> Iterator[Soak]:
    """A broker with a listener and a loading side, which all end with the test."""
    (home / "dagster").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "deploy" / "dagster.yaml", home / "dagster")
    with serving_iris(["--lock-seconds", str(LOCK_SECONDS), "--most-deliveries", "1000"]) as iris:
        environment = environment_of(
            iris,
            home,
            ENERGY_ASSETS_IRIS_BATCH_SECONDS="1",
            DAGSTER_HOME=str(home / "dagster"),
            PYTHONPATH=str(Path(__file__).parents[2]),
        )
        program = [sys.executable, "-W", "error::UserWarning", "-m", "energy_assets_tests.iris.daemon"]
        listener = Victim(COMMAND, environment, home / "listener.out", ends_by_signal=True)
        daemon = Victim(program, environment, home / "daemon.out", ends_by_signal=False)
        soak = Soak(iris, home, listener, daemon, random.Random(SEED))
        listener.start()
        daemon.start()
        try:
            yield soak
        finally:
            for victim in (listener, daemon):
                victim.destroy()


def test_every_message_is_in_the_tables_once_whatever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The instance's settings name their folder by it.
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    fed = mixture(MESSAGES, SEED)
    with soaking(tmp_path) as soak:
        disturb(soak, fed)
        soak.work_off()
        completed = Counter(label for _, label in soak.iris.completed())
        struck = Counter[str]()
        for fault in soak.iris.faults():
            struck[fault["kind"]] += fault["hit"]
    assert (soak.listener.lives, soak.daemon.lives) == (LISTENER_KILLS + 1, DAEMON_KILLS + 1)
    assert (struck["reset"] + struck["close"], struck["duplicate"]) == (len(BREAKS), REPEATED)
    assert completed.keys() == {f.message.label for f in fed}
    assert sum(completed.values()) >= MESSAGES + REPEATED
    tables_hold_what_was_fed(tmp_path, fed)
    unreadable_are_kept(tmp_path, fed)
    nothing_is_left_behind(tmp_path)
    runs_were_lost_only_with_their_daemon(tmp_path)


def disturb(soak: Soak, fed: Sequence[Fed]) -> None:
    """Feed, kill and break at the same time, until all of it is done."""
    begun = time.monotonic()
    half = len(fed) // 2
    for start in range(0, half, 2_000):
        soak.iris.put(f.message for f in fed[start : min(start + 2_000, half)])
    soak.iris.fault("duplicate", count=REPEATED, probability=0.05)
    soak.iris.fault("out_of_order", probability=0.2)
    feeder = Feeder(soak.iris.put, (f.message for f in fed[half:]), RATE)
    draws = [random.Random(soak.chance.random()) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        work = [
            pool.submit(feeder.run, threading.Event()),
            pool.submit(soak.kill_listeners, soak.moments(LISTENER_KILLS), draws[0]),
            pool.submit(soak.kill_daemons, soak.moments(DAEMON_KILLS), draws[1]),
            pool.submit(soak.break_links, soak.moments(len(BREAKS))),
        ]
        for part in work:
            part.result()
    log.info("disturbed for %.0f s", time.monotonic() - begun)


def tables_hold_what_was_fed(home: Path, fed: Sequence[Fed]) -> None:
    """The register and every table, message by message and row by row, both ways."""
    register = "SELECT stream, message_id, status, rows FROM _iris_messages"
    assert Counter(sql(home, register)) == expected_register(fed)
    for stream in (s for s in SHARES if s != UNKNOWN):
        assert stored_rows(home, stream) == expected_rows(fed, stream), stream
    unmapped = Counter(sql(home, "SELECT stream, _message_id, body FROM iris_unmapped"))
    assert unmapped == Counter((f.stream, f.message.label, text(f.message.body)) for f in fed if f.status == "unmapped")
    tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'bmrs_%_iris_history' AND estimated_size > 0"
    assert sql(home, tables) == [(0,)], "nothing displaces anything: a message is what it is"


def stored_rows(home: Path, stream: str) -> Counter[tuple[str, str, int, str]]:
    entry = BY_STREAM[stream]
    with connected(home) as connection:
        rows = connection.sql(f"SELECT * FROM {entry.table.name}").to_arrow_table().to_pylist()
    assert {row["_source_api"] for row in rows} == {"SANDBOX"}
    return Counter(
        (
            row["_message_id"],
            row["_message_sha256"],
            row["_message_row"],
            row_text({name: value for name, value in row.items() if not name.startswith("_")}, entry),
        )
        for row in rows
    )


def unreadable_are_kept(home: Path, fed: Sequence[Fed]) -> None:
    """Whole in the drop folder, and with the reason in quarantine; nothing else is there."""
    meant = {f.message.label: f.message.body for f in fed if f.status == "unreadable"}
    paths = (home / "iris" / "unreadable").rglob("*.ndjson")
    kept = [decode(line) for path in paths for line in path.read_bytes().splitlines(keepends=True)]
    assert {e.message_id: raw_body(e) for e in kept} == meant
    reasons = [reason for (reason,) in sql(home, "SELECT DISTINCT reason FROM _quarantine")]
    assert {reason.split(":")[0].removeprefix("message ") for reason in reasons} == meant.keys()


def nothing_is_left_behind(home: Path) -> None:
    """Nothing half-written, and nothing in the spool but bodies that a receipt names."""
    assert [p for p in (home / "iris").rglob(".*") if p.is_file()] == []
    assert not list((home / "iris" / "manifests" / "open").iterdir())
    database = load_settings({"ENERGY_ASSETS_HOME": str(home)}, None).duckdb_path
    assert not database.with_name(f"{database.name}.wal").exists()
    # What a killed loader had taken apart is removed by the next refresh of anything.
    Spool(home / "spool", keep_days=3).sweep(datetime.now(UTC))
    assert [p for p in (home / "spool" / "incoming").iterdir() if p.suffix != ".lock"] == []
    receipts = {r for (r,) in sql(home, "SELECT receipt_id FROM _receipts")}
    assert {p.name.split(".")[0] for p in (home / "spool").glob("*/*/*") if p.is_file()} <= receipts


def runs_were_lost_only_with_their_daemon(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        runs = instance.get_runs()
        failed = [run for run in runs if run.status is not dg.DagsterRunStatus.SUCCESS]
        lost = [run for run in failed if LOST in run.tags]
        log.info("%d runs, %d lost", len(runs), len(lost))
    assert failed == lost
    assert len(lost) <= DAEMON_KILLS


@contextmanager
def connected(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    settings = load_settings({"ENERGY_ASSETS_HOME": str(home)}, None)
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        connection.execute(f"USE {settings.schema_name}")
        yield connection


def sql(home: Path, query: str) -> list[tuple[Any, ...]]:
    with connected(home) as connection:
        return connection.execute(query).fetchall()


def text(body: Any) -> str:
    assert isinstance(body, bytes)
    return body.decode()
