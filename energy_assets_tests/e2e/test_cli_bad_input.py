"""Bad input gets one clear sentence and loses nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets.catalogue import select
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.e2e.command_line import CORE, NOWHERE, CommandLine, days_ago, stand_alone

DAY = days_ago(30)
DAYS = ("--from", str(DAY), "--to", str(DAY))


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with running(ElexonSandbox()) as url:
        yield url


@pytest.fixture
def cli(provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    stand_alone(monkeypatch, tmp_path)
    return CommandLine(tmp_path, provider)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ENERGY_ASSETS_PROFILE", "cor", "ENERGY_ASSETS_PROFILE is 'cor'"),
        ("ENERGY_ASSETS_WAREHOUSE", "postgres", "ENERGY_ASSETS_WAREHOUSE is 'postgres'"),
        ("ENERGY_ASSETS_ELEXON_URL", "data.elexon.co.uk", "it must begin with http"),
        ("ENERGY_ASSETS_KEEP_BODIES_DAYS", "many", "ENERGY_ASSETS_KEEP_BODIES_DAYS is 'many'"),
        ("ENERGY_ASSETS_HOEM", "/tmp/x", "the nearest is ENERGY_ASSETS_HOME"),
    ],
)
@pytest.mark.parametrize("command", [("status",), ("refresh", "MID"), ("demo", "--offline"), ("verify",)])
def test_a_wrong_setting_is_named(
    cli: CommandLine, command: tuple[str, ...], variable: str, value: str, expected: str
) -> None:
    said = cli.run(*command, **{variable: value})
    assert (said.code, said.out) == (1, "")
    assert expected in said.sentence


def test_a_wrong_value_in_the_settings_file_is_named_too(cli: CommandLine) -> None:
    (cli.folder / ".env").write_text("ENERGY_ASSETS_PROFILE=cor\n")
    assert "ENERGY_ASSETS_PROFILE is 'cor'" in cli.run("status").sentence


@pytest.mark.parametrize("command", ["refresh", "backfill"])
def test_an_unknown_dataset_is_answered_with_the_nearest(cli: CommandLine, command: str) -> None:
    said = cli.run(command, "FULEINST", *DAYS)
    assert said.code == 1
    assert said.sentence == "unknown dataset 'FULEINST'; did you mean FUELINST?"


@pytest.mark.parametrize("command", ["refresh", "backfill"])
def test_days_before_the_data_begin_are_an_error_when_asked_for_alone(cli: CommandLine, command: str) -> None:
    said = cli.run(command, "ATL", "--from", "2020-01-01", "--to", "2020-01-02")
    assert said.code == 1
    assert "ATL (begins on 2023-05-01, after the days asked for); choose other days" in said.sentence


@pytest.mark.parametrize("command", ["refresh", "backfill"])
def test_the_past_of_a_register_is_an_error_when_asked_for_alone(cli: CommandLine, command: str) -> None:
    assert "can only be read for today" in cli.run(command, "BMUNITS", *DAYS).sentence


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("refresh", "MID", "--from", "2026-02-30"), "is not a day; write it as 2026-07-15"),
        (("refresh", "MID", "--from", "2026-03-02", "--to", "2026-03-01"), "give the earlier day first"),
        (("refresh", "MID", "--to", "2026-03-01"), "--to needs --from"),
        (("refresh", "MID", "--today", "--from", "2026-03-01"), "--today stands alone"),
        (("backfill", "MID"), "Missing option"),
        (("status", "--days", "0"), "greater than or equal to 1"),
        (("refresh",), "Missing argument"),
        (("refrehs", "MID"), "No such command"),
        (("--log-level", "loud", "status"), "loud"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    said = cli.run(*arguments)
    assert said.code == 2
    assert words in " ".join(said.err.replace("│", " ").split())


def test_an_unreachable_api_fails_every_dataset_and_is_told_in_one_line(cli: CommandLine) -> None:
    said = cli.run("refresh", CORE, "--from", str(DAY), "--to", str(days_ago(0)), ENERGY_ASSETS_ELEXON_URL=NOWHERE)
    assert said.code == 1
    count = len(select(CORE))
    assert f"{count} datasets: {count} failed." in said.out
    assert re.search(rf"All {count} failed for one reason: GET http://127\.0\.0\.1:9 was not reached", said.out)
    assert len([line for line in said.out.splitlines() if "not reached" in line]) == 1
    assert "failed" in cli.run("status", "MID").out


def test_a_backfill_ends_with_the_first_piece_when_nothing_can_be_reached(cli: CommandLine) -> None:
    years = ("--from", str(days_ago(900)), "--to", str(DAY))
    said = cli.run("backfill", CORE, *years, ENERGY_ASSETS_ELEXON_URL=NOWHERE)
    assert said.code == 1
    assert "Stopped after piece 1 of 10, which brought nothing but failures" in said.err
    assert "failed for one reason" in said.out


def test_verify_says_once_that_the_api_cannot_be_reached(cli: CommandLine) -> None:
    said = cli.run("verify", ENERGY_ASSETS_ELEXON_URL=NOWHERE)
    assert (said.code, said.out) == (1, "")
    assert said.sentence.startswith(
        "nothing could be verified, because the API cannot be reached: GET http://127.0.0.1:9"
    )


def test_a_report_that_cannot_be_written_is_told(cli: CommandLine) -> None:
    said = cli.run("verify", "--dataset", "MID", "--json", str(cli.folder / "no" / "such" / "folder.json"))
    assert (said.code, said.out) == (1, "")
    assert "choose another --json" in said.sentence


@pytest.mark.parametrize(
    "command", [("status",), ("refresh", "MID"), ("backfill", "MID", *DAYS), ("demo", "--offline")]
)
def test_an_unwritable_home_is_named_with_its_setting(cli: CommandLine, command: tuple[str, ...]) -> None:
    blocked = cli.folder / "file"
    blocked.write_text("a file where a folder is wanted")
    said = cli.run(*command, ENERGY_ASSETS_HOME=str(blocked / "home"))
    assert said.code == 1
    assert str(blocked / "home") in said.sentence
    assert "set ENERGY_ASSETS_HOME to a place that this user may write to" in said.sentence


def test_a_warehouse_file_held_by_another_process_is_named_with_the_process(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("refresh", "MID", *DAYS)
    # People wait a minute for the other process; a test need not.
    monkeypatch.setitem(DuckDBWarehouse.__init__.__kwdefaults__, "wait_seconds", 0.5)
    cli.variables["ENERGY_ASSETS_DUCKDB_PATH"] = str(cli.home / "held.duckdb")
    code = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(cli.home / "held.duckdb")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        said = cli.run("refresh", "MID", *DAYS)
        assert said.code == 1
        assert f"process {holder.pid}" in said.sentence
        assert "close it there, or try again later" in said.sentence
        assert f"process {holder.pid}" in cli.run("status").sentence
        holder.kill()
    cli.ok("refresh", "MID", *DAYS)


@pytest.mark.parametrize("what", ["body", "warehouse"])
def test_a_full_disk_is_told_and_loses_nothing(cli: CommandLine, what: str) -> None:
    week = ("--from", str(days_ago(36)), "--to", str(DAY))
    cli.ok("refresh", "MID,TEMP", *DAYS)
    # No file may grow beyond this: too little for the body of a day of FREQ, or for a week of it in the warehouse.
    limit = 100_000 if what == "body" else cli.database.stat().st_size
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    said = cli.finish(cli.start("refresh", "FREQ,WINDFOR,INDO", *week, before=full))
    assert said.code == 1
    assert "Traceback" not in said.err
    assert re.search(r"failed.*\n.*(full|too large)", said.out, re.DOTALL | re.IGNORECASE), said
    assert cli.rows("MID", DAY).num_rows == 96
    cli.ok("refresh", "FREQ,WINDFOR,INDO", *week)
    assert cli.rows("FREQ", DAY).num_rows in (23 * 240, 24 * 240, 25 * 240)
    assert "3 datasets: 3 unchanged" in cli.ok("refresh", "FREQ,WINDFOR,INDO", *week).out


def test_an_unexpected_error_is_shown_whole_only_when_asked_for(cli: CommandLine) -> None:
    process = cli.start("--debug", "refresh", "FULEINST")
    said = cli.finish(process)
    assert said.code == 1
    assert "Traceback" in said.err
    assert "did you mean FUELINST?" in said.err
