"""Costs: which jobs count, how they add up, and what the command tells."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner

from energy_assets.cli import app
from energy_assets.errors import WarehouseError
from energy_assets.warehouse.bigquery import cost
from energy_assets.warehouse.bigquery.connection import emulated
from energy_assets.warehouse.bigquery.cost import Line
from energy_assets.warehouse.bigquery.jobs import Jobs, labels
from energy_assets_tests.unit.google import LOCATION, Answer, Call, Google, job, refusal, running

MONDAY = date(2026, 7, 13)
TUESDAY = MONDAY + timedelta(days=1)
LIST = r"GET jobs"
DENIED = refusal(403, "accessDenied", "Access Denied: Permission bigquery.jobs.listAll denied.")


@pytest.fixture
def google() -> Iterator[Google]:
    with running(Google()) as service:
        yield service


def ran(
    at: datetime,
    table: str,
    billed: int = 0,
    slot_ms: int = 0,
    *,
    kind: str = "QUERY",
    owner: bool = True,
    schema: str = "energy",
) -> dict:
    """A job in the project's list."""
    config = {"jobType": kind, kind.lower(): {"query": "SELECT 1"} if kind == "QUERY" else {}}
    if kind == "LOAD":
        config["load"] = {"destinationTable": {"projectId": "mine", "datasetId": "energy", "tableId": "_stage"}}
    config["labels"] = labels(table, "merge", schema) if owner else {"team": "other"}
    if not schema:
        del config["labels"]["schema"]
    made = job(uuid.uuid4().hex, {"configuration": config}, creationTime=str(int(at.timestamp() * 1000)))
    if kind == "QUERY":
        made["statistics"]["query"] = {"totalBytesBilled": str(billed), "totalSlotMs": str(slot_ms)}
    return made


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


WEEK = [
    ran(at(MONDAY), "bmrs_mid", 2**30, 3_600_000),
    ran(at(MONDAY, 23), "bmrs_mid", 2**30, 1_800_000),
    ran(at(MONDAY), "bmrs_mid", kind="LOAD"),
    ran(at(TUESDAY), "bmrs_mid", 2**30),
    ran(at(TUESDAY), "bmrs_bod", 2**40),
    # A job that does not say which dataset it was for counts, one for another does not.
    ran(at(TUESDAY), "", 10_485_760, schema=""),
    ran(at(TUESDAY), "bmrs_bod", 2**50, schema="another"),
    ran(at(TUESDAY), "somebody_elses", 2**50, owner=False),
    ran(at(TUESDAY + timedelta(days=1), 0), "bmrs_mid", 2**50),
]


def read(google: Google) -> cost.Costs:
    connection = google.connection()
    try:
        return cost.read_costs(Jobs(connection, patience=0.0), MONDAY, TUESDAY)
    finally:
        connection.close()


def test_our_jobs_are_summed_by_day_and_table(google):
    google.rules[LIST] = Answer(200, {"jobs": WEEK})
    costs = read(google)
    assert costs.everyone
    assert list(costs.lines) == [
        Line(MONDAY, "bmrs_mid", 3, 1, 2**31, 5_400_000),
        Line(TUESDAY, "", 1, 0, 10_485_760),
        Line(TUESDAY, "bmrs_bod", 1, 0, 2**40),
        Line(TUESDAY, "bmrs_mid", 1, 0, 2**30),
    ]
    (call,) = google.calls
    asked = parse_qs(call.parameters)
    assert asked["allUsers"] == ["True"]
    assert asked["projection"] == ["full"]
    assert "parentJobId" not in asked
    assert int(asked["minCreationTime"][0]) == at(MONDAY, 0).timestamp() * 1000


def test_every_page_of_the_list_is_read(google):
    def page(call: Call) -> Answer:
        if "pageToken=second" in call.parameters:
            return Answer(200, {"jobs": WEEK[3:]})
        return Answer(200, {"jobs": WEEK[:3], "nextPageToken": "second"})

    google.rules[LIST] = page
    assert cost.total(read(google).lines).jobs == 6


def test_without_permission_for_everyones_jobs_our_own_are_read(google):
    google.rules[LIST] = lambda call: DENIED if "allUsers=True" in call.parameters else Answer(200, {"jobs": WEEK})
    costs = read(google)
    assert not costs.everyone
    assert cost.total(costs.lines).jobs == 6


def test_without_permission_for_any_job_the_role_is_named(google):
    google.rules[LIST] = DENIED
    with pytest.raises(WarehouseError, match=r"may not list the jobs of project mine: grant roles/bigquery.resource"):
        read(google)


def test_tables_stand_dearest_first_and_days_in_order(google):
    google.rules[LIST] = Answer(200, {"jobs": WEEK})
    lines = read(google).lines
    assert [line.table for line in cost.by_table(lines)] == ["bmrs_bod", "bmrs_mid", ""]
    assert [(line.day, line.jobs) for line in cost.by_day(lines)] == [(MONDAY, 3), (TUESDAY, 3)]
    assert cost.by_table(lines)[0].pounds(5.0) == 5.0
    assert cost.by_table([]) == cost.by_day([]) == []


def command(google: Google | None, tmp_path, *arguments: str) -> str:
    variables = {"ENERGY_ASSETS_HOME": str(tmp_path), "COLUMNS": "160"}
    if google is not None:
        variables |= {
            "ENERGY_ASSETS_WAREHOUSE": "bigquery",
            "GOOGLE_CLOUD_PROJECT": "mine",
            "ENERGY_ASSETS_SCHEMA": "energy",
            "BIGQUERY_EMULATOR_HOST": google.rest,
        }
    result = CliRunner().invoke(app, ["cost", *arguments], env=variables)
    assert result.exit_code == 0, result.output
    return result.stdout


RANGE = ("--from", str(MONDAY), "--to", str(TUESDAY))


def test_the_command_shows_tables_days_and_the_arithmetic(google, tmp_path):
    google.rules[LIST] = Answer(200, {"jobs": WEEK})
    text = command(google, tmp_path, *RANGE)
    assert text.index("bmrs_bod") < text.index("bmrs_mid") < text.index("(several tables)") < text.index(str(MONDAY))
    billed = 3 * 2**30 + 2**40 + 10_485_760
    assert f"6 jobs, 1 of them loads; {billed:,} bytes billed = 1.0029 TiB × £5.00 = £5.01" in text
    assert "or £75.22 in 30 days like these 2." in text
    assert "first TiB of each month" in text
    assert "1 load job on one day, of 100,000" in text


def test_the_command_says_whose_jobs_it_could_not_see(google, tmp_path):
    google.rules[LIST] = lambda call: DENIED if "allUsers=True" in call.parameters else Answer(200, {"jobs": []})
    text = command(google, tmp_path, "--from", "2020-01-01", "--to", "2020-01-02")
    assert "No job of ours" in text
    assert "roles/bigquery.resourceViewer" in text
    assert "180 days only" in text


def test_the_command_gives_json(google, tmp_path):
    google.rules[LIST] = Answer(200, {"jobs": WEEK})
    report = json.loads(command(google, tmp_path, *RANGE, "--json"))
    assert report["total"]["bytes_billed"] == sum(line["bytes_billed"] for line in report["lines"])
    assert report["lines"][0] == {
        "day": str(MONDAY),
        "table": "bmrs_mid",
        "jobs": 3,
        "load_jobs": 1,
        "bytes_billed": 2**31,
        "slot_hours": 1.5,
        "gbp": round(2**31 / 2**40 * 5, 6),
    }
    assert (report["project"], report["all_users"], report["price_per_tib_gbp"]) == ("mine", True, 5.0)


def test_a_file_costs_nothing(tmp_path):
    assert command(None, tmp_path) == "Nothing is billed: the warehouse is a DuckDB file on this machine.\n"
    report = json.loads(command(None, tmp_path, "--json"))
    assert (report["warehouse"], report["lines"], report["total"]["gbp"]) == ("duckdb", [], 0)


def test_jobs_of_a_server_are_found_by_their_label(bigquery_server):
    project = f"cost-{uuid.uuid4().hex[:8]}"
    connection = emulated(project, "energy", LOCATION, bigquery_server.rest, bigquery_server.storage)
    try:
        jobs = Jobs(connection, patience=10.0)
        connection.client.create_dataset("energy")
        jobs.query("SELECT 1", what="Asking", table="bmrs_mid", purpose="read")
        connection.client.query("SELECT 2").result()
        today = datetime.now(UTC).date()
        (line,) = cost.read_costs(jobs, today - timedelta(days=1), today).lines
        assert (line.table, line.jobs, line.loads) == ("bmrs_mid", 1, 0)
    finally:
        connection.close()
