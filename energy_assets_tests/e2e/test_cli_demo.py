"""The demo: what a newcomer sees first."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from energy_assets.catalogue import datasets, select
from energy_assets.commands import demo
from energy_assets.ingest.model import Counts, Outcome
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets_tests.e2e.command_line import NOWHERE, SCHEMA, CommandLine, days_ago, stand_alone

FEW = "FUELHH,MID,INDO,BMUNITS"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with running(ElexonSandbox()) as url:
        yield url


@pytest.fixture
def cli(provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    stand_alone(monkeypatch, tmp_path)
    return CommandLine(tmp_path, provider)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_offline_every_dataset_gets_a_day_and_a_second_time_changes_nothing(cli: CommandLine) -> None:
    said = cli.ok("demo", "--offline", ENERGY_ASSETS_ELEXON_URL=NOWHERE)
    count = len(datasets("bmrs")) + len(datasets("neso"))
    assert f"{count} datasets: {count} written." in said.out
    families = len(datasets("neso"))
    assert f"{families} of {families} families of NESO's portal have rows" in said.out
    assert "0 inserted, 0 updated." in said.out
    assert (said.err, "rror" in said.out.replace("_error", ""), "failed" in said.out) == ("", False, False)
    for entry in datasets("bmrs"):
        when = r"(?:just now|\d+ min ago)"
        line = re.search(rf"^{entry.code} +{when} +(\S+).* ([\d,]+) +0 +written *$", said.out, re.MULTILINE)
        assert line is not None, f"{entry.code} has no line in the status table"
        assert line[1] != "–", f"{entry.code} holds nothing"
        # An answer about a whole winter need not hold the day itself.
        assert line[2] != "0" or entry.check.before, f"{entry.code} has no rows of the day"
    for proof in ("recorded", "specified", "inferred"):
        entries = (*datasets("bmrs"), *datasets("neso"))
        assert re.search(rf"^{proof} +{sum(d.proof == proof for d in entries)} ", said.out, re.MULTILINE)
    assert not cli.database.exists(), "made-up data never meet the user's own warehouse"
    assert (cli.home / "demo" / "energy.duckdb").exists()


def test_a_second_demo_finds_everything_there(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SANDBOX_SELECTION", FEW)
    assert "4 datasets: 4 written." in cli.ok("demo", "--offline").out
    again = cli.ok("demo", "--offline").out
    assert "4 datasets: 4 unchanged. 0 rows in 0 requests: 0 inserted, 0 updated" in again
    assert "rows came again: 0 inserted, 0 updated." in again


def test_without_network_it_says_so_and_uses_the_sandbox(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SANDBOX_SELECTION", FEW)
    said = cli.ok("demo", ENERGY_ASSETS_ELEXON_URL=NOWHERE)
    assert "Elexon cannot be reached from here: GET http://127.0.0.1:9 was not reached" in said.out
    assert "The demo uses the sandbox: made-up data from this machine" in said.out
    assert (cli.home / "demo" / "energy.duckdb").exists()


def test_where_the_provider_answers_yesterdays_core_data_land_in_the_users_own_home(cli: CommandLine) -> None:
    core = sum(d.provider == "bmrs" for d in select("profile:core"))
    said = cli.ok("demo")
    assert f"Loading {core} datasets for {days_ago(1)} from {cli.url} into {cli.database}" in said.out
    assert cli.rows("FUELHH", days_ago(1)).num_rows > 0
    assert cli.rows("BMUNITS", days_ago(0)).num_rows > 0
    assert not (cli.home / "demo").exists()


def test_what_it_suggests_works(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SANDBOX_SELECTION", FEW)
    said = cli.ok("demo", "--offline")
    suggested = re.search(r"(ENERGY_ASSETS_HOME=\S+) \.venv/bin/python -c '(.*)'", said.out)
    assert suggested is not None
    assert suggested[1] == "ENERGY_ASSETS_HOME=home/demo"
    shown = StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("ENERGY_ASSETS_HOME", "home/demo")
    exec(suggested[2])
    assert "[288 rows x" in shown.getvalue()


def test_rows_of_the_sandbox_are_labelled(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    monkeypatch.setattr(demo, "SANDBOX_SELECTION", FEW)
    cli.ok("demo", "--offline")
    with duckdb.connect(str(cli.home / "demo" / "energy.duckdb"), read_only=True) as connection:
        found = connection.sql(f"SELECT DISTINCT _source_api FROM {SCHEMA}.bmrs_fuelhh").fetchall()
    assert found == [("SANDBOX",)]


def test_a_second_time_that_changes_something_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    again = [Outcome("MID", "written", Counts(fetched=96, updated=1, unchanged=95)), Outcome("FUELHH", "unchanged")]
    shown = demo._show_second(Console(file=StringIO()), again, real=False)
    assert shown is False
    assert "the same data changed the warehouse a second time (MID); please report this" in capsys.readouterr().err
    assert demo._show_second(Console(file=StringIO()), again, real=True), "a provider may publish something in between"


def test_a_day_that_cannot_be_loaded_ends_the_demo_with_the_reason(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SANDBOX_SELECTION", FEW)
    blocked = cli.home / "demo" / "spool"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder is wanted")
    said = cli.run("demo", "--offline")
    assert said.code == 1
    assert "4 datasets: 4 failed." in said.out
    assert str(blocked) in said.out
    assert "Where to look next" not in said.out
