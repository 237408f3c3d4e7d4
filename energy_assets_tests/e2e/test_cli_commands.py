"""refresh, backfill, status and verify from the command line, against a sandbox over real HTTP."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from energy_assets.calendar import days_between, periods_in_day
from energy_assets.catalogue import datasets
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets_tests.e2e.command_line import CORE, CommandLine, days_ago, stand_alone

DAY = days_ago(30)

ANSWERED = 12
"""Requests that a provider answers before it fails for good."""


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[ElexonSandbox, str]]:
    sandbox = ElexonSandbox()
    with running(sandbox) as url:
        yield sandbox, url


@pytest.fixture
def cli(provider: tuple[ElexonSandbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    stand_alone(monkeypatch, tmp_path)
    sandbox, url = provider
    sandbox.requests.clear()
    yield CommandLine(tmp_path, url, sandbox)
    sandbox.faults.clear()
    sandbox.latency = 0.0


def asked(cli: CommandLine, code: str) -> int:
    assert cli.sandbox is not None
    return len(cli.sandbox.requests.of(code))


def test_the_overview_names_every_command_and_loads_nothing_heavy(cli: CommandLine) -> None:
    said = cli.ok("--help")
    for command in ("demo", "refresh", "backfill", "status", "verify", "warehouse", "catalogue", "sandbox"):
        assert re.search(rf"\b{command}\b", said.out)
    heavy = "{'dagster', 'duckdb', 'pyarrow', 'httpx', 'numpy', 'uvicorn', 'pydantic'}"
    code = f"import energy_assets.cli; loaded = {heavy} & set(sys.modules); assert not loaded, loaded"
    assert cli.finish(cli.start("--version", before=code)).code == 0


@pytest.mark.parametrize(
    "command", ["demo", "refresh", "backfill", "status", "verify", "warehouse", "catalogue", "sandbox"]
)
def test_every_command_explains_itself(cli: CommandLine, command: str) -> None:
    assert "Usage: energy-assets" in cli.ok(command, "--help").out


def test_a_refresh_shows_what_became_of_every_dataset(cli: CommandLine) -> None:
    said = cli.ok("refresh", "FUELHH,MID,BMUNITS", "--from", str(DAY))
    assert re.search(r"FUELHH +written +\d+ +[\d,]+ +[\d,]+ +0 +0", said.out)
    assert "3 datasets: 3 written." in said.out
    assert said.err == ""
    assert cli.rows("FUELHH", DAY).num_rows == 288


def test_what_is_covered_is_not_asked_for_again_unless_refetched(cli: CommandLine) -> None:
    cli.ok("refresh", "MID", "--from", str(DAY), "--to", str(DAY))
    assert asked(cli, "MID") == 1
    assert (
        "1 dataset: 1 unchanged. 0 rows in 0 requests"
        in cli.ok("refresh", "MID", "--from", str(DAY), "--to", str(DAY)).out
    )
    assert asked(cli, "MID") == 1
    again = cli.ok("refresh", "MID", "--from", str(DAY), "--to", str(DAY), "--refetch", "--json").json
    assert asked(cli, "MID") == 2
    assert [(o["dataset"], o["inserted"], o["updated"], o["unchanged"]) for o in again] == [("bmrs/mid", 0, 0, 96)]


def test_today_is_what_a_refresh_without_days_means(cli: CommandLine) -> None:
    for arguments in ((), ("--today",)):
        outcome = cli.ok("refresh", "BMUNITS", *arguments, "--json").json[0]
        assert outcome["status"] in ("written", "unchanged")
    assert cli.rows("BMUNITS", days_ago(0)).num_rows == 40


def test_days_before_a_dataset_begins_are_skipped_with_the_reason_in_a_mixed_selection(cli: CommandLine) -> None:
    said = cli.ok("refresh", "FUELHH,ATL", "--from", "2020-01-01", "--to", "2020-01-01")
    assert "ATL begins on 2023-05-01" in said.out
    assert cli.ok("refresh", "FUELHH,ATL", "--from", "2020-01-01", "--to", "2020-01-01", "--json").json[1][
        "status"
    ] == ("before_begin")


def test_one_failing_dataset_is_told_by_itself_and_the_others_land(cli: CommandLine) -> None:
    assert cli.sandbox is not None
    cli.sandbox.faults.add("status", dataset="MID", status=404)
    said = cli.run("refresh", "FUELHH,MID,INDO", "--from", str(DAY), "--to", str(DAY))
    assert said.code == 1
    assert "3 datasets: 2 written, 1 failed." in said.out
    assert re.search(r"MID.* 404 Not Found", said.out)
    assert (cli.rows("FUELHH", DAY).num_rows, cli.rows("INDO", DAY).num_rows) == (288, 48)


def test_what_is_odd_but_no_failure_is_remarked_on(cli: CommandLine) -> None:
    assert cli.sandbox is not None
    cli.sandbox.faults.add("new_column", dataset="MID", column="surprise")
    cli.sandbox.faults.add("empty", dataset="INDO")
    said = cli.ok("refresh", "MID,INDO", "--from", str(DAY), "--to", str(DAY))
    assert "MID: new columns kept as text: surprise" in said.out
    assert "INDO: 1 window came back empty although data were due" in said.out


def test_status_before_anything_was_loaded_says_so_and_what_to_do(cli: CommandLine) -> None:
    said = cli.ok("status")
    assert "is empty: nothing has been loaded yet" in said.out
    assert "energy-assets refresh profile:core" in said.out
    report = cli.ok("status", "--json").json
    assert {d["state"] for d in report["datasets"]} == {"empty"}
    assert {d["dataset"] for d in report["datasets"]} == {d.name for d in datasets()}
    assert report["wrong"] == []


def test_status_tells_success_newest_data_rows_of_today_gaps_and_last_outcome(cli: CommandLine) -> None:
    cli.ok("refresh", "INDO,BMUNITS", "--from", str(days_ago(4)), "--to", str(days_ago(0)))
    said = cli.run("status", "INDO,BMUNITS,MID")
    assert said.code == 1, "a monitor is to know of the missing window"
    assert re.search(r"^INDO +just now +\d{4}-\d\d-\d\d \d\d:\d\d +\d+ +1 +written", said.out, re.MULTILINE)
    assert "3 datasets: 1 complete, 1 with missing windows, 1 never asked for." in said.out
    assert f"energy-assets backfill INDO,BMUNITS,MID --from {days_ago(6)} --to today" in said.out
    indo, bmunits, mid = sorted(
        cli.ok("status", "INDO,BMUNITS,MID", "--json", "--no-fail").json["datasets"],
        key=lambda d: ["bmrs/indo", "bmrs/bmunits", "bmrs/mid"].index(d["dataset"]),
    )
    assert (indo["state"], bmunits["state"], mid["state"]) == ("missing", "ok", "empty")
    assert bmunits["rows_today"] == 40
    assert indo["last_outcome"] == "written"
    assert indo["last_success_utc"].endswith("Z")


def test_what_status_suggests_fills_the_gap(cli: CommandLine) -> None:
    cli.ok("refresh", "INDO", "--from", str(days_ago(2)), "--to", str(days_ago(0)))
    suggested = re.search(r"energy-assets backfill (\S+) --from (\S+) --to today", cli.run("status", "INDO").out)
    assert suggested is not None
    cli.ok("backfill", suggested[1], "--from", suggested[2], "--to", "today")
    assert "1 dataset: 1 complete." in cli.ok("status", "INDO").out


def test_a_dry_run_asks_nobody_and_names_exactly_what_would_be_asked(cli: CommandLine) -> None:
    arguments = ("backfill", "MID,INDO,BMUNITS", "--from", str(days_ago(100)), "--to", str(days_ago(5)))
    said = cli.ok(*arguments, "--dry-run")
    assert re.search(r"MID +96 +96 +9,200 +1\.6 MB", said.out)
    assert "Nothing was asked for yet." in said.out
    assert "Skipped: BMUNITS (a register, which can only be read for today" in said.out
    plan = cli.ok(*arguments, "--dry-run", "--json").json
    assert cli.sandbox is not None
    assert len(cli.sandbox.requests) == 0
    by_name = {d["dataset"]: d for d in plan["datasets"]}
    assert plan["requests"] == sum(len(d["windows"]) for d in plan["datasets"])
    cli.ok(*arguments)
    assert asked(cli, "MID") == len(by_name["bmrs/mid"]["windows"])
    assert asked(cli, "INDO") == len(by_name["bmrs/indo"]["windows"])
    assert "Nothing is to be asked for" in cli.ok(*arguments, "--dry-run").out


def test_a_backfill_goes_through_all_its_pieces(cli: CommandLine) -> None:
    first, last = days_ago(200), days_ago(10)
    outcomes = cli.ok("backfill", "INDO", "--from", str(first), "--to", str(last), "--json").json
    assert (outcomes[0]["status"], outcomes[0]["failures"]) == ("written", [])
    days = set(cli.rows("INDO", first, last).column("settlementDate").to_pylist())
    assert days == {first + timedelta(days=n) for n in range(191)}


def test_a_killed_backfill_goes_on_where_it_was(cli: CommandLine) -> None:
    first, last = days_ago(60), days_ago(20)
    arguments = ("backfill", "MID", "--from", str(first), "--to", str(last))
    assert cli.sandbox is not None
    cli.sandbox.latency = 0.2
    process = cli.start(*arguments)
    while asked(cli, "MID") < 12:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    cli.finish(process)
    cli.sandbox.latency = 0.0
    cli.ok(*arguments)
    periods = sum(periods_in_day(day) for day in days_between(first, last))
    assert cli.rows("MID", first, last).num_rows == periods * 2
    assert not list(cli.home.glob("*.json")), "nothing of the killed one is left behind"


def test_an_interrupted_refetch_goes_on_and_does_not_ask_again_for_what_it_has(cli: CommandLine) -> None:
    first, last = days_ago(50), days_ago(20)
    arguments = ("backfill", "MID", "--from", str(first), "--to", str(last))
    cli.ok(*arguments)
    assert cli.sandbox is not None
    whole = asked(cli, "MID")
    cli.sandbox.requests.clear()
    cli.sandbox.faults.add("status", dataset="MID", status=404, skip=ANSWERED)
    assert cli.run(*arguments, "--refetch").code == 1
    cli.sandbox.faults.clear()
    cli.sandbox.requests.clear()
    said = cli.ok(*arguments, "--refetch")
    assert "Going on with the refetch launched at" in said.err
    assert asked(cli, "MID") == whole - ANSWERED
    cli.sandbox.requests.clear()
    assert "Going on" not in cli.ok(*arguments, "--refetch").err, "a finished one is forgotten"
    assert asked(cli, "MID") == whole


def test_a_second_backfill_is_refused_while_one_runs_and_refreshes_go_on(cli: CommandLine) -> None:
    assert cli.sandbox is not None
    cli.sandbox.latency = 0.2
    process = cli.start("backfill", "MID", "--from", str(days_ago(150)), "--to", str(days_ago(60)))
    while asked(cli, "MID") < 4:
        assert process.poll() is None
        time.sleep(0.02)
    refused = cli.run("backfill", "INDO", "--from", str(DAY), "--to", str(DAY))
    assert refused.code == 1
    assert f"process {process.pid}, MID from" in refused.sentence
    cli.ok("refresh", "INDO", "--from", str(DAY), "--to", str(DAY))
    assert process.poll() is None, "the refresh did not wait for the backfill to end"
    process.send_signal(signal.SIGKILL)
    cli.finish(process)


def test_ctrl_c_says_that_the_command_can_go_on(cli: CommandLine) -> None:
    assert cli.sandbox is not None
    cli.sandbox.latency = 1.0
    process = cli.start("backfill", "MID", "--from", str(days_ago(150)), "--to", str(days_ago(60)))
    while asked(cli, "MID") < 4:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = cli.finish(process)
    assert said.code == 130
    assert "the same command goes on from here" in said.err
    assert "Traceback" not in said.err


def test_verify_reports_as_table_and_as_json_and_its_exit_code_says_whether_something_differs(cli: CommandLine) -> None:
    said = cli.ok("verify", "--dataset", "MID", "--dataset", "FREQ,INDOD")
    assert "3 as the catalogue says" in said.out
    assert cli.sandbox is not None
    cli.sandbox.faults.add("new_column", dataset="MID", column="surprise")
    report = cli.folder / "report.json"
    said = cli.run("verify", "--dataset", "MID,FREQ", "--json", str(report))
    assert said.code == 1
    assert re.search(r"MID +differs .*surprise", said.out)
    written = json.loads(report.read_text())
    assert {d["dataset"]: d["verdict"] for d in written["datasets"]} == {"bmrs/mid": "differs", "bmrs/freq": "agrees"}
    assert written["url"] == cli.url
    assert cli.run("verify", "--dataset", "MID", "--json", "-").json["datasets"][0]["verdict"] == "differs"
    assert not cli.database.exists(), "nothing was written"


def test_a_backup_is_a_warehouse_and_can_be_put_back(cli: CommandLine) -> None:
    cli.ok("refresh", "INDO", "--from", str(DAY), "--to", str(DAY))
    said = cli.ok("warehouse", "backup", "kept.duckdb")
    assert f"Backed up to {cli.folder / 'kept.duckdb'}" in said.out
    assert cli.run("warehouse", "backup", "kept.duckdb").sentence.endswith("give the backup another name.")
    cli.ok("refresh", "MID", "--from", str(DAY), "--to", str(DAY))
    assert "is kept in" in cli.ok("warehouse", "restore", "kept.duckdb").out
    assert "2 datasets: 1 with missing windows, 1 never asked for." in cli.run("status", "INDO,MID").out
    assert cli.rows("INDO", DAY).num_rows in (46, 48, 50)
    (cli.folder / "other").write_text("no warehouse")
    assert str(cli.folder / "other") in cli.run("warehouse", "restore", "other").sentence


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal_and_have_no_colour_in_a_pipe(cli: CommandLine, columns: int) -> None:
    cli.columns = columns
    cli.ok("refresh", CORE, "--from", str(DAY), "--to", str(DAY))
    cli.ok("refresh", "REMIT_PARTICIPANTS")
    for arguments in (
        ("status", "--no-fail"),
        ("refresh", f"{CORE},REMIT_PARTICIPANTS", "--refetch"),
        ("backfill", "all", "--from", str(DAY), "--to", str(DAY), "--dry-run"),
    ):
        out = cli.ok(*arguments).out
        tables = [t.splitlines() for t in out.split("\n\n") if "──" in t]
        assert tables
        assert all(len(line) <= columns and "…" not in line for table in tables for line in table)
        assert "\x1b" not in out


def test_a_log_is_written_always_and_shown_when_asked_for(cli: CommandLine) -> None:
    arguments = ("refresh", "MID", "--from", str(DAY), "--to", str(DAY))
    assert cli.ok(*arguments).err == ""
    logged = "".join(p.read_text() for p in (cli.home / "logs").glob("*.log"))
    assert "MID: written" in logged
    shown = cli.ok("--log-level", "info", *arguments, "--refetch").err
    assert "MID: unchanged" in shown
