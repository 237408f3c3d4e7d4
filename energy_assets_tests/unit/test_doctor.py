"""The doctor's looks at the machine, each with what is wrong planted; looks that fail or hang take no other along."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from wsgiref.handlers import format_date_time

import pytest
from filelock import FileLock

from energy_assets.catalogue import datasets
from energy_assets.errors import SpoolError, WarehouseBusyError
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.settings import Settings, given_variables, load_settings, unknown_variables
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.heartbeat import Beat, Heart, State
from energy_assets.tracking import ailments
from energy_assets.tracking.ailments import Answer, Machine
from energy_assets.tracking.ailments_of_data import Data, looks_into
from energy_assets.tracking.doctor import Diagnosis, Fix, Look, bad, examine, mend
from energy_assets.tracking.orchestrator import Daemon, Orchestrated, Run
from energy_assets.warehouse.interface import Warehouse

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def machine(folder: Path, known: Orchestrated | None = None, **variables: str) -> Machine:
    env_file = folder / ".env"
    given = given_variables({"ENERGY_ASSETS_HOME": str(folder / "home"), **variables}, env_file)
    unknown = unknown_variables(given)
    settings = load_settings({n: v for n, v in given.items() if n not in unknown}, None)

    def read(_: Path) -> Orchestrated:
        assert known is not None
        return known

    return Machine(given, unknown, settings, env_file, folder / "dagster" if known else None, read, NOW)


def texts(found: object) -> list[str]:
    return [f"{d.verdict}: {d.text}" for d in found]  # type: ignore[attr-defined]


# How looks are made.


def test_a_look_that_fails_or_hangs_says_so_and_the_others_go_on() -> None:
    never = threading.Event()

    def fails() -> list[Diagnosis]:
        raise SpoolError("the folder is gone")

    def breaks() -> list[Diagnosis]:
        raise ZeroDivisionError("by zero")

    def half() -> object:
        yield Diagnosis("error", "found before it broke")
        raise SpoolError("then it broke")

    def hangs() -> list[Diagnosis]:
        never.wait()
        return []

    looks = [
        Look("a", fails, ""),
        Look("b", breaks, ""),
        Look("c", half, ""),  # type: ignore[arg-type]
        Look("d", hangs, "", seconds=0.05),
        Look("e", lambda: [], "All is well."),
    ]
    found = list(examine(looks))
    never.set()
    assert [texts(one.diagnoses) for one in found] == [
        ["unknown: It cannot be looked at: the folder is gone"],
        ["unknown: The look itself failed: ZeroDivisionError: by zero"],
        ["error: found before it broke", "unknown: It cannot be looked at: then it broke"],
        ["unknown: It was given up after 0 s."],
        ["sound: All is well."],
    ]
    assert bad(found) and not bad(found[-1:])


def test_each_fix_is_said_before_and_told_after_and_one_that_fails_stops_no_other() -> None:
    said: list[str] = []

    def run() -> str:
        assert said[-1] == "Second."
        return "Done."

    def refuse() -> str:
        raise ZeroDivisionError("no")

    looked = list(
        examine(
            [
                Look(
                    "a",
                    lambda: [
                        Diagnosis("warning", "x", fix=Fix(s, f)) for s, f in (("First.", refuse), ("Second.", run))
                    ],
                    "",
                )
            ]
        )
    )
    fixed = mend(looked, lambda fix: said.append(fix.says))
    assert [(f.says, f.done, f.error) for f in fixed] == [("First.", "", "no"), ("Second.", "Done.", "")]


# Settings and credentials.


def test_every_unknown_variable_is_named_with_its_nearest(tmp_path: Path) -> None:
    found = list(ailments.settings_look(machine(tmp_path, ENERGY_ASSETS_HOEM="x", ENERGY_ASSETS_WAREHUOSE="y")))
    assert texts(found) == [
        "error: ENERGY_ASSETS_HOEM is not a setting; the nearest is ENERGY_ASSETS_HOME.",
        "error: ENERGY_ASSETS_WAREHUOSE is not a setting; the nearest is ENERGY_ASSETS_WAREHOUSE.",
    ]


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"}, "the warehouse is DuckDB"),
        ({"ENERGY_ASSETS_WAREHOUSE": "bigquery", "ENERGY_ASSETS_DUCKDB_PATH": "/x"}, "the warehouse is BigQuery"),
        ({"ENERGY_ASSETS_ELEXON_URL": "http://127.0.0.1:1"}, "some are real"),
        ({"ENERGY_ASSETS_SHEET_CREDENTIALS": "/key.json"}, "no sheet is named"),
        ({"ENERGY_ASSETS_ALERT_QUIET_HOURS": "22:00-07:00"}, "nobody is told"),
        ({"IRIS_CONNECTION_STRING": "Endpoint=sb://x/", "IRIS_CLIENT_ID": "me"}, "both set"),
        ({"DAGSTER_HOME": "/nowhere"}, "DAGSTER_HOME is /nowhere, where no dagster.yaml is"),
    ],
)
def test_settings_that_cannot_be_meant_together(tmp_path: Path, variables: dict[str, str], word: str) -> None:
    (found,) = ailments.settings_look(machine(tmp_path, **variables))
    assert found.verdict == "warning" and word in found.text and found.remedy


def test_settings_that_are_as_they_should_be(tmp_path: Path) -> None:
    assert list(ailments.settings_look(machine(tmp_path))) == []
    assert list(ailments.credentials_look(machine(tmp_path))) == []


def test_secrets_that_others_can_read_are_found_and_closed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IRIS_CLIENT_SECRET=s3cr3t-of-mine\n")
    (tmp_path / ".env").chmod(0o644)
    (found,) = ailments.settings_look(machine(tmp_path))
    assert "can be read by other users" in found.text and "s3cr3t" not in found.text and found.fix
    found.fix.run()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert list(ailments.settings_look(machine(tmp_path))) == []


def test_credentials_in_part_ended_or_unreadable(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    (tmp_path / "key.json").chmod(0o600)
    patient = machine(
        tmp_path,
        IRIS_CLIENT_ID="me",
        IRIS_SECRET_EXPIRES=str(date(2026, 7, 18)),
        ENERGY_ASSETS_SHEET_CREDENTIALS=str(tmp_path / "key.json"),
        BMRS_API_KEY_1="abc",
    )
    in_part, ends, needless, key = texts(ailments.credentials_look(patient))
    assert in_part.startswith("error: IRIS_CLIENT_SECRET and IRIS_QUEUE_NAME are not set")
    assert ends.startswith("error: The secret of the IRIS client ends on 2026-07-18")
    assert needless.startswith("note: ") and "abc" not in needless
    assert key.endswith("is no key file of a service account.")


# Network and clock.


def test_hosts_that_answer_and_one_that_does_not(tmp_path: Path) -> None:
    with running(ElexonSandbox()) as url:
        dead = "http://127.0.0.1:9"
        patient = machine(
            tmp_path, ENERGY_ASSETS_ELEXON_URL=url, ENERGY_ASSETS_NESO_URL=dead, ENERGY_ASSETS_IRIS_ARCHIVE_URL=url
        )
        (found,) = ailments.network_look(patient)
    assert found.verdict == "error" and found.text.startswith("NESO's portal at 127.0.0.1:9: not reached")


@pytest.mark.parametrize("proxy", ["socks5://user:hunter2@127.0.0.1:9", "odd://user:hunter2@127.0.0.1", "http://["])
def test_a_proxy_that_cannot_be_used_is_a_host_that_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    found = list(ailments.network_look(machine(tmp_path)))
    assert {d.verdict for d in found} == {"error"} and all("proxy" in d.remedy for d in found)
    assert "hunter2" not in str(found)


def test_the_queue_that_is_asked_is_the_one_that_would_be_listened_to(tmp_path: Path) -> None:
    string = "Endpoint=sb://127.0.0.1:9/;SharedAccessKeyName=me;SharedAccessKey=aHVudGVyMg==;EntityPath=mine"
    dead = {f"ENERGY_ASSETS_{name}_URL": "http://127.0.0.1:9" for name in ("ELEXON", "NESO", "IRIS_ARCHIVE")}
    found = list(ailments.network_look(machine(tmp_path, IRIS_CONNECTION_STRING=string, **dead)))
    assert [d.text.partition(":")[0] for d in found[3:]] == ["the IRIS queue at 127.0.0.1"]
    assert len(list(ailments.network_look(machine(tmp_path, IRIS_CONNECTION_STRING="Endpoint=x", **dead)))) == 3


def test_offline_nothing_is_asked(tmp_path: Path) -> None:
    patient = replace(machine(tmp_path), offline=True)
    assert texts(ailments.network_look(patient)) == ["skipped: Nothing beyond this machine was asked (--offline)."]
    assert [d.verdict for d in ailments.clock_look(patient)] == ["skipped"]
    assert "answers" not in patient.__dict__


@pytest.mark.parametrize(
    ("ahead", "verdicts"),
    [
        ((0.5, 1, -1), []),
        ((45, 44, 0), ["warning"]),
        ((-3600, -3599, 0), ["error"]),
        ((0, 3600, 0.2), []),
        ((), ["unknown"]),
    ],
)
def test_the_clock_is_compared_with_the_middle_of_the_hosts(
    tmp_path: Path, ahead: tuple[float, ...], verdicts: list[str]
) -> None:
    patient = machine(tmp_path)
    patient.__dict__["answers"] = tuple(Answer("a", "h", 200, ahead=timedelta(seconds=s)) for s in ahead)
    found = list(ailments.clock_look(patient))
    assert [d.verdict for d in found] == verdicts
    assert all("behind" in d.text for d in found if ahead and ahead[0] < 0)


def test_a_date_header_is_read_and_a_broken_one_is_nothing() -> None:
    at = time.time()
    assert abs(ailments._ahead(format_date_time(at - 60), at) - timedelta(seconds=60)) < timedelta(seconds=2)
    assert ailments._ahead("yesterday", at) is None and ailments._ahead(None, at) is None


# Disk, folders, leftovers.


def test_a_disk_that_runs_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shutil import _ntuple_diskusage

    settings = machine(tmp_path).settings
    assert [d for d in ailments.disk_look(settings) if "free" not in d.text] == []
    monkeypatch.setattr(ailments.shutil, "disk_usage", lambda _: _ntuple_diskusage(10**12, 10**12 - 10**9, 10**9))
    assert {d.verdict for d in ailments.disk_look(settings)} == {"error"}


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    patient = machine(tmp_path)
    patient.settings.home.mkdir()
    patient.settings.home.chmod(0o500)
    found = list(ailments.folders_look(patient))
    patient.settings.home.chmod(0o700)
    assert found and all("cannot be written" in d.text for d in found)


def test_a_home_that_is_not_made_yet_is_no_error_and_is_not_made(tmp_path: Path) -> None:
    patient = machine(tmp_path)
    assert [d.verdict for d in ailments.folders_look(patient)] == ["note"]
    assert not patient.settings.home.exists()


def test_a_listener_that_writes_elsewhere_is_found(tmp_path: Path) -> None:
    patient = machine(tmp_path, ENERGY_ASSETS_IRIS_DROP_DIR=str(tmp_path / "other"))
    folder = DropFolder(patient.settings.home / "iris")
    with folder.claim():
        beat = Beat(utc=NOW, event="alive", linked=True, run="r")
        Heart(folder).state(State(beat=beat, queue="q", pid=1, started_utc=NOW))
    (found,) = ailments.folders_look(patient)
    assert found.verdict == "error" and "A listener writes to" in found.text


def test_dagster_beside_another_warehouse_is_found(tmp_path: Path) -> None:
    patient = machine(tmp_path, Orchestrated(tmp_path / "dagster"))
    patient.settings.home.mkdir()
    (tmp_path / "dagster").mkdir()
    assert list(ailments.folders_look(patient)) == []
    (tmp_path / "energy.duckdb").write_bytes(b"")
    (found,) = ailments.folders_look(patient)
    assert found.verdict == "warning" and found.subject == "DAGSTER_HOME"


def test_what_dead_processes_left_is_found_and_removed_and_what_lives_stays(tmp_path: Path) -> None:
    settings = machine(tmp_path).settings
    incoming = settings.home / "spool" / "incoming"
    dead, alive = incoming / "999-dead", incoming / "998-alive"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "body.json").write_text("[]")
    body = settings.home / "spool" / "bmrs" / "fuelhh" / "old.json"
    body.parent.mkdir(parents=True)
    body.write_text("[]")
    os.utime(body, (0, 0))
    (settings.home / "energy.duckdb.restoring").write_text("half")
    os.utime(settings.home / "energy.duckdb.restoring", (0, 0))
    (settings.home / "energy.duckdb.replaced").write_text("whole")
    with FileLock(f"{alive}.lock"):
        spool, half, kept = ailments.leftovers_look(settings, NOW)
        assert "1 folder of downloads" in spool.text and spool.fix and half.fix and not kept.fix
        assert spool.fix.run() == "1 files removed."
        half.fix.run()
        assert not dead.exists() and alive.exists()
        assert [d.verdict for d in ailments.leftovers_look(settings, NOW)] == ["note"]
    assert body.exists(), "how long bodies are kept may be set otherwise where refreshes run"


# Dagster.


def test_stuck_runs_and_a_dead_daemon_are_found(tmp_path: Path) -> None:
    stuck = Run("r1", "bmrs_refresh", "running", NOW - 9 * HOUR, NOW - 9 * HOUR)
    known = Orchestrated(tmp_path, active=(stuck,), daemons=(Daemon("scheduler", NOW - 2 * HOUR),))
    patient = machine(tmp_path, known)
    assert texts(ailments.runs_look(patient)) == ["error: Run r1 of bmrs_refresh is running for 9 hours."]
    assert "last beat at 2026-07-15 10:00Z" in texts(ailments.daemon_look(patient))[0]
    never = machine(tmp_path, replace(known, daemons=(Daemon("scheduler", None),)))
    assert texts(ailments.daemon_look(never))[0].startswith("warning: Dagster's daemon was never started")
    alive = machine(tmp_path, replace(known, daemons=(Daemon("scheduler", NOW),)))
    assert texts(ailments.daemon_look(alive)) == []


def test_without_an_instance_nothing_is_said_of_dagster(tmp_path: Path) -> None:
    patient = machine(tmp_path)
    assert [d.verdict for d in (*ailments.runs_look(patient), *ailments.daemon_look(patient))] == ["skipped", "skipped"]


def test_every_finding_that_is_bad_has_a_remedy(tmp_path: Path) -> None:
    patient = machine(tmp_path, ENERGY_ASSETS_HOEM="x", IRIS_CLIENT_ID="me")
    patient = replace(patient, settings=Settings(home=tmp_path / "home", neso_url="http://127.0.0.1:9"), offline=True)
    for one in examine(ailments.looks_at(patient)):
        for d in one.diagnoses:
            assert d.remedy or d.verdict in ("sound", "skipped", "note")


def test_a_store_that_cannot_be_used_is_told_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def held() -> Warehouse:
        asked.append(1)
        raise WarehouseBusyError("The file is held by process 9.")

    data = Data(machine(tmp_path).settings, held, datasets(), NOW)
    first, *others = examine(looks_into(data))
    assert texts(first.diagnoses) == ["error: The file is held by process 9."]
    assert {d.verdict for one in others for d in one.diagnoses} == {"skipped"} and len(others) == 3
    assert len(asked) == 1, "each would wait for a minute"
