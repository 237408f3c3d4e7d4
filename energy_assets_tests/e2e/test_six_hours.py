"""Nobody asks and nobody listens for six hours: people are told in time and once, the gaps close by themselves.

The provider is the sandbox behind real HTTP, schedules, sensors, jobs, the command and the store are the real ones,
webhook and mail server are real servers on loopback. Simulated is time, and the listener by the heartbeats and files
that it leaves.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
import time_machine

from energy_assets.assets.resources import Platform
from energy_assets.automation.build import build_definitions
from energy_assets.catalogue import dataset
from energy_assets.ingest.loading import load
from energy_assets.ingest.model import Gap, Policy
from energy_assets.sandbox.messages import Messages
from energy_assets.settings import load_settings
from energy_assets.sources.iris.backlog import Backlog
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.envelope import seal
from energy_assets.sources.iris.heartbeat import Beat, Heart, State
from energy_assets.tracking.alerts import open_alerts
from energy_assets.tracking.gaps import MESSAGES_TABLE, TOLD_AFTER
from energy_assets.tracking.incidents import SETTLED_AFTER
from energy_assets.tracking.watch import DEAF_AFTER
from energy_assets.warehouse.ledger import read_gaps
from energy_assets.wiring import open_engine
from energy_assets_tests.e2e.command_line import CommandLine
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World, utc
from energy_assets_tests.unit.alerting import Mailbox, Webhook

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TIMER = 15 * MINUTE
"""How often the timer beside the daemon runs, as the docs have it."""

STOPPED = utc("2026-07-15T10:05")
BACK = STOPPED + 6 * HOUR
END = BACK + 2 * HOUR
KEPT = ("FUELINST", "FUELHH")
STREAM = "FUELINST"
GAP_TOLD = HOUR + TOLD_AFTER + TIMER
"""Four polls until it is a gap, three hours until it is told, a look."""


class Machine:
    """A home with its daemon, its listener and the timer beside them, all on one simulated clock."""

    def __init__(self, world: World, instance: dg.DagsterInstance, runs: dg.DagsterInstance, urls: str) -> None:
        self.world = world
        self.instance = instance
        # Runs leave their events in memory: thirty of them on disk take longer than all the rest.
        self.runs = runs
        self.variables = {
            "ENERGY_ASSETS_HOME": str(world.home),
            "ENERGY_ASSETS_ELEXON_URL": world.url,
            "ENERGY_ASSETS_ALERT_URLS": urls,
            "ENERGY_ASSETS_LOG_LEVEL": "ERROR",
        }
        self.platform = Platform(lambda: load_settings(self.variables, None))
        self.settings = self.platform.settings()
        self.settings.prepare_home()
        entries = [dataset(code) for code in KEPT] + [dataset(f"iris/{STREAM}")]
        self.defs = build_definitions(self.platform, entries)
        self.repository = self.defs.get_repository_def()
        self.command = CommandLine(world.home, world.url, variables=self.variables)
        self.drop = DropFolder(self.settings.iris_drop_dir)
        self.heart: Heart | None = None
        self.number = 0
        self.messages = Messages()

    # The daemon.

    def schedule(self, name: str, at: datetime) -> list[dg.RunRequest]:
        """Evaluate a schedule and carry out what it requests."""
        definition = self.defs.resolve_schedule_def(name)
        resources = {"platform": self.platform} if definition.required_resource_keys else {}
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=at,
            repository_def=self.repository,
            resources=resources,
        ) as context:
            requests = list(definition.evaluate_tick(context).run_requests or [])
        for request in requests:
            result = self.defs.resolve_job_def(definition.job_name).execute_in_process(
                run_config=request.run_config,
                instance=self.runs,
                partition_key=request.partition_key,
                tags=dict(request.tags),
                asset_selection=list(request.asset_selection) if request.asset_selection else None,
            )
            assert result.success
        return requests

    def sensor(self, name: str) -> None:
        """Evaluate a sensor that only tells."""
        with dg.build_sensor_context(
            self.instance, repository_def=self.repository, resources={"platform": self.platform}
        ) as context:
            self.defs.resolve_sensor_def(name).evaluate_tick(context)

    def daemon(self, at: datetime, *, refresh: bool = True) -> None:
        """What the daemon does in five minutes."""
        minute = at.minute
        if refresh and minute % 15 == 0:
            self.schedule("bmrs_refresh_schedule", at)
        if minute == 10:
            self.schedule("gaps_schedule", at)
        self.sensor("alerts_sensor")
        if minute % 30 == 0:
            self.sensor("alerts_stale_sensor")

    # The timer.

    def check(self) -> None:
        said = self.command.run("alerts", "check", "--json")
        assert said.code == 0, said.out + said.err

    # The listener.

    def beat(self, at: datetime, newest: datetime) -> None:
        """What the listener leaves in a minute."""
        with self.drop.claim():
            self.heart = self.heart or Heart(self.drop)
            beat = Beat(utc=at, event="alive", linked=True, run="one", last_enqueued_utc=newest)
            self.heart.line(beat)
            self.heart.state(State(beat=beat, queue="q", pid=1, started_utc=at))

    def receive(self, begin: datetime, end: datetime) -> int:
        """Take off the queue what was sent meanwhile, and load it."""
        sealed = []
        for message in self.messages.between(STREAM, begin, end):
            self.number += 1
            sealed.append(
                seal(
                    message.pushed,
                    subject=message.stream,
                    message_id=message.message_id,
                    sequence_number=self.number,
                    enqueued_utc=message.sent_utc,
                    received_utc=end,
                    source="SANDBOX",
                    origin="iris.test",
                )
            )
        with self.drop.claim():
            path = self.drop.write_segment(sealed, end)
        os.utime(path, (end.timestamp(), end.timestamp()))
        backlog = Backlog(self.settings.iris_drop_dir)
        engine = open_engine(self.settings)
        for manifest in backlog.choose(end + MINUTE):
            load(manifest, backlog, engine, Policy(run_id="load"))
        engine.warehouse.close()
        return len(sealed)

    # What came of it.

    def gaps(self, *, closed: bool = True) -> dict[str, list[Gap]]:
        """The ledger by table."""
        found: dict[str, list[Gap]] = {}
        with self.platform.warehouse() as warehouse:
            for gap in read_gaps(warehouse, closed=closed):
                found.setdefault(gap.table, []).append(gap)
        return found

    def incidents(self) -> Mapping[str, Any]:
        return {i.key: i for i in open_alerts(self.settings).incidents()}


@pytest.fixture
def machine(make_world: MakeWorld, hook: Webhook, box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    # The disk of whoever runs the tests is not what they are about.
    monkeypatch.setattr("energy_assets.tracking.watch.DISK_WARNING_GB", 0.0)
    with ExitStack() as stack:
        instance = stack.enter_context(dg.instance_for_test())
        runs = stack.enter_context(dg.DagsterInstance.ephemeral())
        world = make_world(STOPPED)
        yield Machine(world, instance, runs, f"{hook.url()} {box.url}")


def travel(machine: Machine, at: datetime) -> time_machine.travel:
    machine.world.clock.set(at)
    return time_machine.travel(at, tick=True)


def told(hook: Webhook, box: Mailbox, subject: str) -> tuple[list[str], list[str]]:
    """Which messages with some words came to the webhook and by mail: how they were headed."""
    hooked = [m["title"] for m in hook.messages if subject in f"{m['title']} {m['message']}"]
    mailed = [m["subject"] for m in box.mails if subject in f"{m['subject']} {m.get_body(('plain', 'html'))}"]
    return hooked, mailed


def assert_told_once(hook: Webhook, box: Mailbox, subject: str) -> None:
    for titles in told(hook, box, subject):
        kinds = Counter("resolved" if "resolved" in title else "opened" for title in titles)
        assert kinds == {"opened": 1, "resolved": 1}, (subject, titles)


def test_the_machine_stands_for_six_hours(machine: Machine, hook: Webhook, box: Mailbox) -> None:
    """Daemon and listener are dead: the timer tells; both come back: everything is filled and told to be over."""
    start = STOPPED - 2 * HOUR
    with travel(machine, start):
        machine.schedule("bmrs_refresh_schedule", start)
    for minutes in range(0, 121):
        machine.beat(start + minutes * MINUTE, start + minutes * MINUTE)
    with travel(machine, STOPPED - 5 * MINUTE):
        assert machine.receive(start, STOPPED - 5 * MINUTE) > 10
        machine.schedule("bmrs_refresh_schedule", STOPPED - 5 * MINUTE)
        machine.schedule("gaps_schedule", STOPPED - 5 * MINUTE)
    assert machine.gaps() == {}, "all is well"

    at = STOPPED + 5 * MINUTE
    while at < BACK:
        with travel(machine, at):
            machine.check()
        at += TIMER
    assert set(machine.gaps(closed=False)) == {"bmrs_fuelinst", "bmrs_fuelhh", MESSAGES_TABLE}

    for minutes in range(0, 120):
        machine.beat(BACK + minutes * MINUTE, BACK + minutes * MINUTE)
        if minutes == 5:
            with travel(machine, BACK + 5 * MINUTE):
                assert machine.receive(STOPPED - 5 * MINUTE, BACK + 5 * MINUTE) > 60
        at = BACK + minutes * MINUTE
        if at.minute % 5 == 0:
            with travel(machine, at):
                machine.daemon(at)

    _told_in_time(machine, hook, box)
    _filled(machine)


def _told_in_time(machine: Machine, hook: Webhook, box: Mailbox) -> None:
    within = {
        "listener deaf": DEAF_AFTER + TIMER,
        "stale bmrs/fuelinst": HOUR + TIMER,
        "stale bmrs/fuelhh": HOUR + TIMER,
        "gap bmrs/fuelinst": GAP_TOLD,
        "gap bmrs/fuelhh": GAP_TOLD,
        "gap iris": GAP_TOLD,
    }
    incidents = machine.incidents()
    assert set(incidents) == set(within)
    for key, longest in within.items():
        incident = incidents[key]
        assert incident.told_utc() - STOPPED <= longest + 10 * MINUTE, key
        assert {d.paid_utc is not None for d in incident.resolved.values()} == {True}, key
        assert incident.resolved_utc - BACK <= 75 * MINUTE, key
        assert max(d.paid_utc for d in incident.resolved.values()) - BACK <= 75 * MINUTE + SETTLED_AFTER + TIMER, key
        assert_told_once(hook, box, incident.subject)


def _filled(machine: Machine) -> None:
    ledger = machine.gaps()
    assert machine.gaps(closed=False) == {}
    for table in ("bmrs_fuelinst", "bmrs_fuelhh"):
        (gap,) = ledger[table]
        assert (gap.why, gap.note) == ("missed", "filled"), table
        assert STOPPED - 10 * MINUTE <= gap.since_utc <= STOPPED, "the last time that anybody asked"
        assert HOUR <= gap.opened_utc - gap.since_utc <= HOUR + 2 * TIMER
        assert gap.closed_utc is not None and BACK < gap.closed_utc <= BACK + 75 * MINUTE
        assert gap.to_utc >= BACK - TIMER - 10 * MINUTE, "as long as it was at the last look"
    (hole,) = ledger[MESSAGES_TABLE]
    assert (hole.why, hole.note) == ("missed", "filled")
    assert abs(hole.from_utc - STOPPED) <= 3 * MINUTE

    instants = machine.world.sql("SELECT DISTINCT startTime FROM bmrs_fuelinst WHERE _partition_day = '2026-07-15'")
    times = sorted(t for (t,) in instants)
    assert {b - a for a, b in pairwise(times)} == {5 * MINUTE}, "not one is missing"
    assert times[-1].replace(tzinfo=UTC) >= END - 30 * MINUTE
    pushed = machine.world.sql("SELECT DISTINCT startTime FROM bmrs_fuelinst_iris")
    pushed_times = sorted(t for (t,) in pushed)
    assert {b - a for a, b in pairwise(pushed_times)} == {5 * MINUTE}

    with travel(machine, END):
        listed = machine.command.run("gaps", "--all", "--json").json["gaps"]
        assert {(g["table"], g["note"]) for g in listed} >= {("bmrs_fuelinst", "filled"), (MESSAGES_TABLE, "filled")}
        assert machine.command.run("gaps").out.strip() == "Nothing is missing."


def test_the_schedule_is_switched_off_for_six_hours(machine: Machine, hook: Webhook, box: Mailbox) -> None:
    """The daemon lives and nobody asks: sensors and the hourly job tell, and say when it is over."""
    with travel(machine, STOPPED - 5 * MINUTE):
        machine.schedule("bmrs_refresh_schedule", STOPPED - 5 * MINUTE)
    at = STOPPED
    while at < BACK + 2 * HOUR:
        with travel(machine, at):
            machine.daemon(at, refresh=at >= BACK)
        at += 5 * MINUTE

    incidents = machine.incidents()
    assert set(incidents) == {f"{what} bmrs/{code.lower()}" for what in ("stale", "gap") for code in KEPT}
    for key, incident in incidents.items():
        longest = 2 * HOUR if key.startswith("stale") else GAP_TOLD + HOUR
        assert incident.told_utc() - STOPPED <= longest, key
        assert_told_once(hook, box, incident.subject)
    ledger = machine.gaps()
    assert set(ledger) == {"bmrs_fuelinst", "bmrs_fuelhh"}
    assert {(g.why, g.note) for own in ledger.values() for g in own} == {("missed", "filled")}
    history = machine.world.sql(
        "SELECT window_to_utc, closed_utc FROM _gaps WHERE dataset = 'FUELINST' ORDER BY recorded_utc"
    )
    assert len(history) == 7, "opened, grown each hour, closed"
