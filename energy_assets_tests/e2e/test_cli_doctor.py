"""doctor, status --watch and metrics as a person and a monitor use them, against a sandbox over real HTTP."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyte
import pytest
from prometheus_client.parser import text_string_to_metric_families

from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets_tests.bigquery.server import Addresses
from energy_assets_tests.e2e.command_line import SCHEMA, CommandLine, days_ago, stand_alone

SIZES = [(80, 24), (160, 45)]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with running(ElexonSandbox()) as url:
        yield url


@pytest.fixture
def cli(provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    stand_alone(monkeypatch, tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    # Every provider a stand-in, so that nothing contradicts and everything can be reached.
    others = {"ENERGY_ASSETS_NESO_URL": provider, "ENERGY_ASSETS_IRIS_ARCHIVE_URL": provider}
    return CommandLine(tmp_path, provider, variables=others)


def verdicts(report: dict[str, list[dict[str, object]]]) -> dict[str, list[str]]:
    return {one["look"]: [f["verdict"] for f in one["findings"]] for one in report["looks"]}  # type: ignore[misc, index, attr-defined, union-attr]


def test_a_sound_home_passes_every_look_and_nothing_is_changed(cli: CommandLine) -> None:
    cli.ok("refresh", "FUELHH,MID,BMUNITS", "--from", str(days_ago(3)), "--to", str(days_ago(0)))
    before = cli.database.stat().st_mtime_ns
    report = cli.ok("doctor", "--json").json
    assert {v for found in verdicts(report).values() for v in found} <= {"sound", "skipped"}
    assert list(verdicts(report)) == [
        *("settings", "credentials", "network", "clock", "disk", "folders", "runs", "daemon", "leftovers"),
        *("warehouse", "schema", "duplicates", "repeated samples"),
    ]
    assert cli.database.stat().st_mtime_ns == before
    assert "13 looks: 11 sound, 2 skipped." in cli.ok("doctor").out


def test_before_anything_is_there_nothing_is_made(cli: CommandLine) -> None:
    assert cli.ok("doctor", "--offline").code == 0
    assert not cli.home.exists()


def test_settings_that_no_command_starts_with_are_told_with_the_rest(cli: CommandLine) -> None:
    cli.variables |= {"ENERGY_ASSETS_HOEM": "x", "ENERGY_ASSETS_SHEMA": "y"}
    said = cli.run("doctor", "--offline", "--json")
    assert said.code == 1
    settings = said.json["looks"][0]["findings"]
    assert [f["subject"] for f in settings] == ["ENERGY_ASSETS_HOEM", "ENERGY_ASSETS_SHEMA"]
    assert len(said.json["looks"]) > 8
    cli.variables["ENERGY_ASSETS_WAREHOUSE"] = "sqlite"
    unusable = cli.run("doctor", "--offline", "--json")
    assert (
        unusable.code == 1 and "ENERGY_ASSETS_WAREHOUSE is 'sqlite'" in unusable.json["looks"][0]["findings"][0]["text"]
    )


def test_what_hands_did_to_the_tables_is_found_and_what_is_safe_is_mended(cli: CommandLine) -> None:
    cli.ok("refresh", "FUELHH,MID", "--from", str(days_ago(3)), "--to", str(days_ago(0)))
    dead = cli.home / "spool" / "incoming" / "999-dead"
    dead.mkdir(parents=True)
    (dead / "a.json").write_text("[]")
    with duckdb.connect(str(cli.database)) as connection:
        whole = connection.execute(f"SELECT count(*) FROM {SCHEMA}.bmrs_mid").fetchall()[0][0]
        connection.execute(f"DROP VIEW {SCHEMA}.bmrs_fuelhh_latest")
        connection.execute(f"INSERT INTO {SCHEMA}.bmrs_mid SELECT * FROM {SCHEMA}.bmrs_mid")
        connection.execute(f"CREATE TABLE {SCHEMA}.bmrs_temp AS SELECT 1 AS temperature")
    said = cli.run("doctor", "--json")
    assert said.code == 1
    by_look = {one["look"]: one["findings"] for one in said.json["looks"]}
    assert by_look["leftovers"][0]["fix"].startswith("Remove the downloads of dead processes")
    schema = {f["subject"]: f for f in by_look["schema"]}
    assert schema["bmrs_fuelhh"]["fix"] and "was not made by energy_assets" in schema["bmrs_temp"]["text"]
    (doubled,) = by_look["duplicates"]
    assert doubled["subject"] == "bmrs_mid" and "repeat the natural key" in doubled["text"] and doubled["fix"] is None
    assert dead.exists(), "nothing is mended unasked"

    said = cli.run("doctor", "--fix")
    assert said.code == 1, "what cannot be mended safely stands"
    first = said.out.index("Fixing: Bring columns and views of bmrs_fuelhh up to date.")
    assert first < said.out.index("Fixed: bmrs_fuelhh is as the catalogue describes it.")
    assert not dead.exists()
    with duckdb.connect(str(cli.database), read_only=True) as connection:
        assert connection.execute(f"SELECT count(*) FROM {SCHEMA}.bmrs_fuelhh_latest").fetchall()[0][0] > 0
    left = {d for one in cli.run("doctor", "--json").json["looks"] for f in one["findings"] if (d := f["subject"])}
    assert left == {"bmrs_temp", "bmrs_mid"}

    # What the remedy says, word for word.
    found = re.search(
        r"delete its rows of these days, then `energy-assets (refresh .*--from (\S+) --to (\S+) .*)`", str(doubled)
    )
    assert found is not None
    with duckdb.connect(str(cli.database)) as connection:
        days = f"_partition_day BETWEEN DATE '{found[2]}' AND DATE '{found[3]}'"
        connection.execute(f"DELETE FROM {SCHEMA}.bmrs_mid WHERE {days}")
    cli.ok(*found[1].split())
    assert verdicts(cli.run("doctor", "--json").json)["duplicates"] == ["sound"]
    with duckdb.connect(str(cli.database), read_only=True) as connection:
        assert connection.execute(f"SELECT count(*) FROM {SCHEMA}.bmrs_mid").fetchall()[0][0] == whole


def test_on_bigquery_the_same_is_found_and_mended(cli: CommandLine, bigquery_server: Addresses) -> None:
    from energy_assets.warehouse.bigquery.connection import emulated

    project = f"doctor-{uuid.uuid4().hex[:8]}"
    cli.variables |= {
        "ENERGY_ASSETS_WAREHOUSE": "bigquery",
        "GOOGLE_CLOUD_PROJECT": project,
        "BIGQUERY_EMULATOR_HOST": bigquery_server.rest,
        "ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT": bigquery_server.storage,
    }
    looks = ("warehouse", "schema", "duplicates", "repeated samples")
    assert all(verdicts(cli.ok("doctor", "--json").json)[look] == ["sound"] for look in looks), "nothing is there yet"
    cli.ok("refresh", "FUELHH,MID", "--from", str(days_ago(1)), "--to", str(days_ago(0)))
    assert all(verdicts(cli.ok("doctor", "--json").json)[look] == ["sound"] for look in looks)
    connection = emulated(project, SCHEMA, "europe-west2", bigquery_server.rest, bigquery_server.storage)
    try:
        for statement in (
            f"INSERT INTO {SCHEMA}.bmrs_mid SELECT * FROM {SCHEMA}.bmrs_mid",
            f"CREATE TABLE {SCHEMA}.bmrs_temp AS SELECT 1 AS temperature",
        ):
            connection.client.query(statement, job_retry=None).result(job_retry=None)
        older = connection.client.get_table(f"{project}.{SCHEMA}.bmrs_fuelhh")
        older.labels = {**older.labels, "layout": "of-an-older-catalogue"}
        connection.client.update_table(older, ["labels"])
    finally:
        connection.close()
    by_look = {one["look"]: one["findings"] for one in cli.run("doctor", "--json").json["looks"]}
    assert {f["subject"]: bool(f["fix"]) for f in by_look["schema"]} == {"bmrs_temp": False, "bmrs_fuelhh": True}
    assert [f["subject"] for f in by_look["duplicates"]] == ["bmrs_mid"]
    assert "Fixed: bmrs_fuelhh is as the catalogue describes it." in cli.run("doctor", "--fix").out
    by_look = {one["look"]: one["findings"] for one in cli.run("doctor", "--json").json["looks"]}
    assert [f["subject"] for f in by_look["schema"]] == ["bmrs_temp"]


def test_metrics_are_printed_once_for_a_collector_of_text_files(cli: CommandLine) -> None:
    cli.ok("refresh", "FUELHH", "--from", str(days_ago(0)))
    said = cli.ok("metrics", "--once")
    states = {
        sample.labels["state"]: sample.value
        for family in text_string_to_metric_families(said.out)
        for sample in family.samples
        if sample.name == "energy_assets_dataset_state" and sample.labels["dataset"] == "bmrs/fuelhh"
    }
    assert sum(states.values()) == 1
    assert "ENERGY_ASSETS_METRICS_PORT" in cli.run("metrics").sentence


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_the_live_screen_in_a_terminal_until_ctrl_c(cli: CommandLine, columns: int, lines: int) -> None:
    cli.ok("refresh", "FUELHH,MID,BMUNITS", "--from", str(days_ago(0)))
    screen, code = _watched(cli, columns, lines)
    text = "\n".join(screen)
    assert "Ctrl-C ends" in screen[0] and "energy-assets" in screen[0]
    for word in ("provider", "bmrs", "disk:", "alerts:", "IRIS listener:", "bmrs/fuelhh", "bmrs/mid"):
        assert word in text
    assert code == 0


def _watched(cli: CommandLine, columns: int, lines: int) -> tuple[list[str], int]:
    """What ``status --watch`` shows in a terminal of this size, and its exit code after Ctrl-C."""
    terminal = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(terminal)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environ = {n: v for n, v in {**os.environ, **cli.environ}.items() if n not in ("COLUMNS", "LINES", "DAGSTER_HOME")}
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from energy_assets.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "status", "--watch"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environ, "TERM": "xterm"},
        cwd=cli.folder,
        start_new_session=True,
    )
    os.close(theirs)
    shown: list[str] = []
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.3)[0]:
                stream.feed(os.read(ours, 65536))
                shown = list(terminal.display)
            elif any(line.startswith("bmrs/") for line in shown):
                # The table of datasets is drawn last, and what follows waits a second.
                break
        process.send_signal(signal.SIGINT)
        while process.poll() is None and select.select([ours], [], [], 30)[0]:
            try:
                os.read(ours, 65536)
            except OSError:
                break
        return shown, process.wait(30)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
