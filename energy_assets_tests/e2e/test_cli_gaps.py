"""``energy-assets gaps``: what is missing and why, accepted and taken back, and the completeness."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from energy_assets import calendar
from energy_assets.assets.resources import Platform
from energy_assets.automation.gaps import WHOLE_LOOK_TAG, gaps_job, gaps_schedule
from energy_assets.automation.repair import repair_requests
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Gap, Receipt, Window
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.settings import load_settings
from energy_assets.tracking.gap_look import LONGEST_LOOK_DAYS
from energy_assets.wiring import open_warehouse, utc_now
from energy_assets_tests.e2e.command_line import NOWHERE, CommandLine, days_ago

MID = dataset("MID")
GONE = 12
"""Days ago of the day that nobody asked for, so that the live schedules are done with it."""


def seen(cli: CommandLine, day: date, status: str = "silent") -> None:
    """A receipt of a day, requested now."""
    now = utc_now()
    window = Window(*calendar.day_bounds_utc(day))
    made = Receipt(new_receipt_id(now), MID.code, MID.table.name, window, status, now, "test")  # type: ignore[arg-type]
    warehouse = open_warehouse(load_settings(cli.environ, None))
    warehouse.record([made])
    warehouse.close()


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A home in which one day of MID is missing."""
    made = CommandLine(tmp_path, NOWHERE)
    for back in range(20, -1, -1):
        if back != GONE:
            seen(made, days_ago(back))
    return made


def test_nothing_is_missing_of_an_empty_home(tmp_path: Path):
    cli = CommandLine(tmp_path, NOWHERE)
    assert cli.ok("gaps").out.strip() == "Nothing is missing."
    assert cli.ok("gaps", "--completeness").out.strip() == "Nothing has been loaded yet."
    assert cli.run("gaps", "accept", "MID", "--from", "2026-07-15", "--note", "x").sentence.startswith(
        "MID has no such gap"
    )
    assert cli.run("gaps", "nonsense").code == 1


def test_a_gap_is_listed_accepted_and_taken_back(cli: CommandLine):
    gone = days_ago(GONE)
    # The hourly look goes back eight days; what is older is found once a day, or when it is named.
    assert cli.ok("gaps").out.strip() == "Nothing is missing."
    said = cli.ok("gaps", "accept", "MID", "--from", str(gone), "--note", "Elexon says so")
    assert "1 dataset marked as never published." in said.out

    assert "1 gap open: 1 never published." in cli.ok("gaps", "mid").out
    listed = cli.ok("gaps", "MID", "--all").out
    assert "bmrs/mid" in listed and "nothing: it is not asked for again (Elexon says so)" in " ".join(listed.split())
    assert cli.ok("gaps", "FUELINST", "--all").out.strip() == "Nothing is missing."
    (gap,) = cli.ok("gaps", "--all", "--json").json["gaps"]
    assert (gap["dataset"], gap["why"], gap["note"]) == ("bmrs/mid", "never_published", "Elexon says so")
    begin, end = calendar.day_bounds_utc(gone)
    assert (gap["from_utc"], gap["to_utc"]) == (f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}")

    status = cli.ok("status", "MID", "--days", "20", "--json").json["datasets"][0]
    assert status["missing_windows"] == [] and status["state"] == "ok"
    assert gone not in asked(cli)

    assert "1 dataset taken back." in cli.ok("gaps", "forget", "MID", "--from", str(gone)).out
    assert len(cli.run("status", "MID", "--days", "20", "--json").json["datasets"][0]["missing_windows"]) == 1
    assert gone in asked(cli)
    assert cli.run("gaps", "forget", "MID", "--from", str(gone)).code == 1


def test_tables_are_whole_at_eighty_columns(cli: CommandLine):
    """Dataset, window, reason and what becomes of it can be read, whatever is listed."""
    family = dataset("neso/historic_demand")
    gone, now = days_ago(GONE), utc_now()
    begin, end = calendar.day_bounds_utc(gone)
    resource = "resource=14ebc6eb-aa0d-50d7-88d4-495ea9009b2b"
    refused = Gap(family.code, family.table.name, begin, end, resource, "missed", end, now, note="It was refused.")
    cli.ok("gaps", "accept", "MID", "--from", str(gone), "--note", "Elexon says so")
    warehouse = open_warehouse(load_settings(cli.environ, None))
    warehouse.note_gaps([refused])
    warehouse.close()
    for words in (["gaps", "--all"], ["gaps", "--completeness"]):
        out = cli.ok(*words, COLUMNS="80").out
        *table, _ = out.splitlines()
        assert "…" not in out and max(map(len, table)) <= 80, out
    listed = cli.ok("gaps", "--all", COLUMNS="80").out
    for whole in ("bmrs/mid", "never published", f"{begin:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", "Elexon"):
        assert whole in listed


@pytest.mark.parametrize("status", [None, "suspect"])
def test_days_of_years_ago_can_be_accepted(cli: CommandLine, status: str | None):
    """A backfill may go back for years, and so does the completeness."""
    gone = days_ago(800)
    for back in (802, 801, 799, 798):
        seen(cli, days_ago(back))
    if status:
        seen(cli, gone, status)

    def missing() -> float:
        rows = cli.ok("gaps", "MID", "--completeness", "--json").json
        return sum(row["missing_hours"] for row in rows)

    before = missing()
    said = cli.ok("gaps", "accept", "MID", "--from", str(gone), "--note", "Elexon: not published")
    assert "1 dataset marked as never published." in said.out
    begin, end = calendar.day_bounds_utc(gone)
    assert round(before - missing()) == (end - begin) / timedelta(hours=1)
    assert [g["from_utc"] for g in cli.ok("gaps", "--all", "--json").json["gaps"]] == [f"{begin:%Y-%m-%dT%H:%M:%SZ}"]
    assert cli.run("gaps", "accept", "MID", "--from", str(gone), "--note", "again").code == 1


def asked(cli: CommandLine) -> set[date]:
    """Days that the repair asks for."""
    warehouse = open_warehouse(load_settings(cli.environ, None))
    requests = repair_requests([MID], utc_now(), warehouse)
    warehouse.close()
    return {day for r in requests for day in calendar.days_between(r.first, r.last)}


def test_the_job_finds_what_is_missing_tells_of_it_and_closes_it(cli: CommandLine):
    platform = Platform(lambda: load_settings(cli.environ, None))
    job = gaps_job([MID])
    config = {"ops": {"keep_ledger": {"config": {"days": LONGEST_LOOK_DAYS}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            assert job.execute_in_process(config, instance=instance, resources={"platform": platform}).success
        out = " ".join(cli.ok("gaps").out.split())
        assert "missed" in out and "the next repair asks for it" in out and "1 gap open: 1 missed." in out
        seen(cli, days_ago(GONE))
        assert job.execute_in_process(instance=instance, resources={"platform": platform}).success
    assert "Nothing is missing." in cli.ok("gaps").out
    (gap,) = cli.ok("gaps", "--all", "--json").json["gaps"]
    assert (gap["note"], gap["closed_utc"] is not None) == ("filled", True)


def test_completeness_is_told_by_year(cli: CommandLine):
    rows = cli.ok("gaps", "MID", "--completeness", "--json").json
    assert {row["dataset"] for row in rows} == {"MID"}
    assert round(sum(row["missing_hours"] for row in rows)) in (23, 24, 25)
    assert "MID" in cli.ok("gaps", "--completeness").out


@pytest.mark.parametrize("hour", [4, 13])
def test_the_schedule_looks_far_back_once_a_day(hour: int):
    """At five in the morning; a machine that is off at that hour does so when it is on."""
    tick = (utc_now() - timedelta(days=1)).replace(month=7, day=15, hour=hour, minute=10, second=0)
    looked: list[tuple[int, str | None]] = []

    with dg.instance_for_test() as instance:
        for before in (2, 0, -1, -2, -24):
            local = (tick - timedelta(hours=before)).astimezone(calendar.LONDON)
            with dg.build_schedule_context(instance=instance, scheduled_execution_time=local) as context:
                (request,) = gaps_schedule.evaluate_tick(context).run_requests or []
            tag = request.tags.get(WHOLE_LOOK_TAG)
            looked.append((request.run_config["ops"]["keep_ledger"]["config"]["days"], tag))
            if before != 0:
                # A look that fails, as that at the tick itself does, is made again.
                instance.create_run_for_job(gaps_job([MID]), tags=request.tags, status=dg.DagsterRunStatus.SUCCESS)
    far, near = (LONGEST_LOOK_DAYS, f"{tick:%Y-%m-%d}"), (0, None)
    assert looked[:4] == ([near, far, far, near] if hour == 4 else [far, near, near, near])
    assert looked[4] == (LONGEST_LOOK_DAYS, f"{tick + timedelta(days=1):%Y-%m-%d}")
