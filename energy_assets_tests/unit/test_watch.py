"""What is found wrong with the machine and with datasets: limits from both sides, outages in simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.automation.ticks import refresh_requests, revision_requests
from energy_assets.calendar import LONDON
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Seen
from energy_assets.ingest.planner import plan
from energy_assets.settings import load_settings
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.heartbeat import DRAINED, Beat, Event, Heart, State
from energy_assets.tracking.status import DatasetReport
from energy_assets.tracking.watch import (
    DEAF_AFTER,
    DISK_ERROR_GB,
    DISK_WARNING_GB,
    GIGABYTE,
    STALE_FAMILY,
    calendar_conditions,
    credential_conditions,
    disk_conditions,
    expected,
    is_stale,
    listener_conditions,
    stale_conditions,
    watch,
)
from energy_assets.warehouse.interface import DatasetStatus

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def report(entry: Dataset, success: datetime | None, status: str | None = "written", reason: str = "") -> DatasetReport:
    held = DatasetStatus(entry.table.name, success, None, None, 0, status, success, reason, 0)
    return DatasetReport(entry, held, ())


@pytest.mark.parametrize(
    ("gigabytes", "severity"),
    [
        (DISK_WARNING_GB, None),
        (DISK_WARNING_GB - 0.1, "warning"),
        (DISK_ERROR_GB, "warning"),
        (DISK_ERROR_GB - 0.1, "error"),
        (0, "error"),
    ],
)
def test_the_disk_runs_short_below_a_limit(gigabytes: float, severity: str | None):
    found = disk_conditions(Path("home"), gigabytes * GIGABYTE)
    assert [c.severity for c in found] == ([severity] if severity else [])
    assert all("GB are free" in c.text and "ENERGY_ASSETS_HOME" in c.remedy for c in found)


@pytest.mark.parametrize(
    ("days", "severity"), [(61, None), (60, "warning"), (8, "warning"), (7, "error"), (-3, "error")]
)
def test_a_secret_that_ends_is_told_before(days: int, severity: str | None):
    today = date(2026, 7, 15)
    found = credential_conditions(today + timedelta(days=days), today)
    assert [c.severity for c in found] == ([severity] if severity else [])
    assert all("IRIS_CLIENT_SECRET" in c.remedy for c in found)
    assert credential_conditions(None, today) == []


@pytest.mark.parametrize(
    ("today", "severity"),
    [
        (date(2027, 7, 3), None),
        (date(2027, 7, 4), "warning"),
        (date(2027, 12, 30), "warning"),
        (date(2027, 12, 31), "error"),
        (date(2029, 1, 1), "error"),
    ],
)
def test_the_end_of_the_known_bank_holidays_is_told_before(today: date, severity: str | None) -> None:
    found = calendar_conditions(today)
    assert [c.severity for c in found] == ([severity] if severity else [])
    assert all("2027-12-31" in c.text and "newer release" in c.remedy for c in found)


class Listener:
    """A listener's heartbeats, written as it writes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._heart: Heart | None = None

    def beats(self, at: datetime, event: Event = "alive", *, linked: bool = True, reason: str | None = None) -> None:
        folder = DropFolder(self.root)
        with folder.claim():
            heart = self._heart = self._heart or Heart(folder)
            beat = Beat(
                utc=at, event=event, linked=linked, run="r", reason=reason, last_enqueued_utc=at if linked else None
            )
            heart.line(beat)
            heart.state(State(beat=beat, queue="q", pid=1, started_utc=at))

    def alive(self, first: datetime, last: datetime, *, linked: bool = True) -> None:
        while first <= last:
            self.beats(first, linked=linked)
            first += MINUTE


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path / "iris")


def test_a_listener_that_never_was_is_not_missed(tmp_path: Path):
    assert listener_conditions(tmp_path / "iris", NOW) == []


def test_a_killed_listener_is_missed_after_a_quarter_of_an_hour_and_graver_after_a_day(listener: Listener):
    listener.alive(NOW - 10 * MINUTE, NOW)
    assert listener_conditions(listener.root, NOW) == []
    assert listener_conditions(listener.root, NOW + DEAF_AFTER - MINUTE) == []
    (found,) = listener_conditions(listener.root, NOW + DEAF_AFTER)
    assert (found.key, found.severity) == ("listener deaf", "warning")
    assert "since 2026-07-15 12:00Z (not running)" in found.text
    (found,) = listener_conditions(listener.root, NOW + 6 * HOUR)
    assert found.key == "listener deaf"
    (found,) = listener_conditions(listener.root, NOW + 25 * HOUR)
    assert (found.key, found.severity) == ("listener silent", "error")
    listener.alive(NOW + 25 * HOUR, NOW + 25 * HOUR)
    assert listener_conditions(listener.root, NOW + 25 * HOUR + MINUTE) == []


def test_a_listener_that_runs_without_the_queue_is_missed_and_is_not_when_it_has_it_back(listener: Listener):
    listener.alive(NOW - 10 * MINUTE, NOW)
    listener.beats(NOW + MINUTE, "lost", linked=False, reason="the connection was cut")
    listener.alive(NOW + 2 * MINUTE, NOW + 20 * MINUTE, linked=False)
    (found,) = listener_conditions(listener.root, NOW + 20 * MINUTE)
    assert found.key == "listener deaf" and "the connection was cut" in found.text
    listener.beats(NOW + 21 * MINUTE, "restored")
    assert listener_conditions(listener.root, NOW + 22 * MINUTE) == []


def test_a_listener_that_emptied_the_queue_and_ended_is_not_missed_until_nothing_comes(listener: Listener):
    listener.beats(NOW - MINUTE, "started")
    listener.beats(NOW, "stopped", reason=DRAINED)
    assert listener_conditions(listener.root, NOW + 6 * HOUR) == []
    assert [c.key for c in listener_conditions(listener.root, NOW + 25 * HOUR)] == ["listener silent"]


def test_a_home_that_is_not_made_yet_is_nothing_wrong(tmp_path: Path):
    home = tmp_path / "not" / "yet"
    watched = watch(load_settings({"ENERGY_ASSETS_HOME": str(home)}, None), NOW)
    assert watched.failures == ()
    assert watched.found.keys() == {"disk", "listener", "credentials", "calendar"}
    assert not home.exists()


def test_what_cannot_be_looked_at_keeps_nothing_else_from_being_found(tmp_path: Path):
    home = tmp_path / "home"
    (home / "iris" / "heartbeat.json").mkdir(parents=True)
    settings = load_settings({"ENERGY_ASSETS_HOME": str(home), "IRIS_SECRET_EXPIRES": "2026-07-01"}, None)
    watched = watch(settings, NOW)
    assert [c.key for c in watched.found["credentials"]] == ["credentials iris"]
    assert "listener" not in watched.found, "what is in doubt is not resolved"
    (failure,) = watched.failures
    assert failure.startswith("Alerts cannot look at the listener")


# Staleness.


def test_a_dataset_is_stale_when_what_fell_due_was_not_had_for_four_polls():
    entry = dataset("FUELINST")
    assert not is_stale(report(entry, NOW - 55 * MINUTE), NOW, {})
    (found,) = stale_conditions([report(entry, NOW - 90 * MINUTE, "failed", "Elexon answered 503.")], NOW, {})
    assert (found.key, found.kind, found.severity) == ("stale bmrs/fuelinst", "dataset_stale", "warning")
    assert "2026-07-15 10:30Z, 90 min ago" in found.text
    assert "failed. Elexon answered 503." in found.text
    assert "energy-assets refresh bmrs/fuelinst" in found.remedy


def test_what_was_never_asked_for_is_not_stale_and_what_only_ever_failed_is():
    entry = dataset("FUELINST")
    assert not is_stale(report(entry, None, None), NOW, {})
    assert is_stale(report(entry, None, "failed"), NOW, {})


def test_a_dataset_of_working_days_is_not_stale_over_the_weekend():
    entry = dataset("B1610")
    monday = datetime(2026, 7, 13, 6, 0, tzinfo=UTC)
    assert not is_stale(report(entry, monday - timedelta(days=2, hours=5)), monday - timedelta(days=1), {})
    assert is_stale(report(entry, monday - timedelta(days=7)), monday, {})


def test_only_what_a_schedule_keeps_current_is_expected():
    assert {d.provider for d in expected(datasets(), "all")} == {"bmrs", "neso"}
    assert 0 < len(expected(datasets(), "core")) < 30


def test_a_family_is_stale_when_the_portal_was_not_asked_for_it_or_it_fails_for_long():
    entry = dataset("neso/historic_demand")
    seldom = report(entry, NOW - timedelta(days=300))
    assert not is_stale(seldom, NOW, {entry.code: NOW - HOUR}), "files that are issued once a year are no fault"
    assert not is_stale(seldom, NOW, {}), "another home asks for it"
    (found,) = stale_conditions([seldom], NOW, {entry.code: NOW - STALE_FAMILY})
    assert (found.key, found.kind) == ("stale neso/historic_demand", "dataset_stale")
    assert "last asked for it at 2026-07-15 08:00Z, 4 h ago" in found.text

    asked = {entry.code: NOW - HOUR}
    once = replace(report(entry, NOW - timedelta(days=300), "failed", "HTTP 404"), failing_utc=NOW - HOUR)
    assert not is_stale(once, NOW, asked), "one failure is the portal's bad moment"
    (found,) = stale_conditions([replace(once, failing_utc=NOW - STALE_FAMILY)], NOW, asked)
    assert "failed since 2026-07-15 08:00Z, for 4 h." in found.text and "HTTP 404" in found.text


class Schedule:
    """The schedules in simulated time, with a provider that always answers."""

    def __init__(self, entries: Sequence[Dataset]) -> None:
        self.entries = entries
        self._seen: dict[str, list[Seen]] = {d.code: [] for d in entries}
        self.success: dict[str, datetime] = {}

    def tick(self, now: datetime) -> None:
        requests = list(refresh_requests(self.entries, now))
        wall = now.astimezone(LONDON)
        if (wall.hour, wall.minute) == (7, 15):
            requests += revision_requests(self.entries, now)
        for request in requests:
            for entry in request.datasets:
                windows = plan(entry, request.first, request.last, self._seen[entry.code], now).windows
                self._seen[entry.code] += [Seen(window, now, None) for window in windows]
                if windows:
                    self.success[entry.code] = now

    def stale(self, now: datetime) -> set[str]:
        return {
            d.code
            for d in self.entries
            if d.code in self.success and is_stale(report(d, self.success[d.code]), now, {})
        }


def test_no_false_alarm_while_schedules_run_and_hourly_ones_are_told_within_hours_when_they_stop():
    codes = [
        "FUELINST",
        "FUELHH",
        "B1610",
        "BMUNITS",
        "S0142",
        "DISEBSP",
        "WINDFOR",
        "TEMP",
        "NDFW",
        "NONBM",
        "MID",
        "FREQ",
        "REMIT",
    ]
    schedule = Schedule([dataset(code) for code in codes])
    begin = datetime(2026, 7, 10, 12, 0, tzinfo=UTC)  # a Friday; Sunday lies within
    for tick in range(3 * 96):
        now = begin + tick * 15 * MINUTE
        schedule.tick(now)
        if tick > 96 and tick % 4 == 0:
            assert schedule.stale(now) == set()
    stopped = begin + 3 * 24 * HOUR
    assert {"FUELINST", "FREQ", "REMIT"} <= schedule.stale(stopped + 2 * HOUR)
    assert schedule.stale(stopped + 48 * HOUR) == set(codes)
