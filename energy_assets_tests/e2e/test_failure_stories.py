"""How the predecessor failed, told again to this system: one test per story, the story in its docstring.

The stories are incidents of a collector that ran for a year and was believed. Each is replayed over real HTTP against
the sandbox, into a real DuckDB file, through ``refresh`` as every caller uses it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from typer.testing import CliRunner

from energy_assets import calendar
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import WindowCheck
from energy_assets.errors import WarehouseError
from energy_assets.ingest.planner import missing
from energy_assets.sandbox.control import MARK
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.server import running
from energy_assets.sandbox.synthetic import Edit
from energy_assets.tracking.status import evaluate, evaluate_days
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import QUICK, World

DAY = "2026-09-15"
"""A Tuesday; six days before the worlds' present."""

YESTERDAY = "2026-09-20"
LONG_AGO = "2026-07-15"
COVERING = {"written", "unchanged", "silent"}

WHOLE_WINTER = "S0142"
"""Answers a whole winter for any day of it, so that rows far from the day are what was asked for."""

WINDOWED = [d for d in datasets("bmrs") if d.query.unit != "snapshot" and d.code != WHOLE_WINTER]

EVERY_STYLE = "FUELHH,FREQ,WINDFOR,NDF,MID,DISEBSP,BOALF,NETBSAD,OCNMFW,TEMP,INDO,AGPT"
"""One dataset of every way to ask, each with one window a day."""


# The watermark and the question.


def test_an_ignored_parameter_fails_every_window(world: World) -> None:
    """A wrong parameter name was answered with 200 and the latest data: 23 of 30 tables held one sample repeated."""
    world.app.faults.add("ignore_parameters")
    outcomes = world.refresh(WINDOWED, LONG_AGO)
    assert {o.status for o in outcomes.values()} == {"failed"}
    assert sum(o.counts.inserted for o in outcomes.values()) == 0
    assert not [name for name in world.counts() if not name.startswith("_")]
    receipts = world.dicts("SELECT * FROM _receipts")
    assert {r["dataset"] for r in receipts} == {d.code for d in WINDOWED}
    assert {r["status"] for r in receipts} == {"failed"}
    assert all("lie outside the window, first: " in r["reason"] and r["fetched"] > 0 for r in receipts)

    world.app.faults.clear()
    assert world.one("FUELHH", LONG_AGO).status == "written"
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", LONG_AGO)


def test_an_ignored_parameter_of_a_winter_is_seen_two_winters_back(world: World) -> None:
    """The one dataset that answers a whole winter has a tolerance of a year, and not more."""
    world.app.faults.add("ignore_parameters", dataset=WHOLE_WINTER)
    assert world.one(WHOLE_WINTER, "2024-07-15").status == "failed"
    assert world.count("bmrs_s0142") == 0


def test_a_repeated_body_fails_the_distant_window(world: World) -> None:
    """One sample was stored once per window: 504 windows of 7 days, and 22 row counts were exact multiples of 504."""
    world.app.faults.add("identical")
    first = world.refresh(EVERY_STYLE, "2026-06-10")
    assert {o.status for o in first.values()} == {"written"}
    before = _rows_of_data(world)
    again = world.refresh(EVERY_STYLE, "2026-08-12")
    assert {o.status for o in again.values()} == {"failed"}
    assert _rows_of_data(world) == before


def test_a_repeated_body_is_known_by_its_digest_where_no_row_tells(world: World) -> None:
    """Where rows carry no time of their own, only the body's equality with a distant window's gives it away."""
    untimed = replace(dataset("FUELHH"), check=WindowCheck("none"))
    world.app.faults.add("identical")
    assert world.refresh([untimed], "2026-08-03")["FUELHH"].status == "written"
    held = world.count("bmrs_fuelhh")
    outcome = world.refresh([untimed], "2026-09-01")["FUELHH"]
    assert outcome.status == "failed"
    assert "the body is the same as that of 2026-08-02T23:00Z to 2026-08-03T23:00Z" in outcome.reason
    assert world.count("bmrs_fuelhh") == held
    # The same within one run, before any receipt of it is written.
    outcome = world.refresh([untimed], "2026-05-04", "2026-05-31")["FUELHH"]
    assert outcome.windows > 2
    assert outcome.status == "failed"
    assert world.count("bmrs_fuelhh") == held


def test_a_failure_moves_no_watermark(world: World) -> None:
    """The watermark was set to now before the ingestion and again on FAILED: what failed was never asked for again."""
    fault = world.app.faults.add("status", dataset="FUELHH", status=500)
    assert world.one("FUELHH", DAY).status == "failed"
    assert world.warehouse.coverage([dataset("FUELHH").table], *_bounds(DAY))["FUELHH"] == [
        s for s in world.warehouse.coverage([dataset("FUELHH").table], *_bounds(DAY))["FUELHH"] if s.covered_utc is None
    ]
    assert [r["status"] for r in world.receipts("FUELHH")] == ["failed"]

    world.app.faults.remove(fault)
    outcome = world.one("FUELHH", DAY)
    assert (outcome.status, outcome.requests) == ("written", 1)
    assert world.one("FUELHH", DAY).requests == 0


def test_an_unexplained_empty_answer_moves_no_watermark(world: World) -> None:
    """An empty answer moved the watermark like a full one, and the gap was never filled."""
    fault = world.app.faults.add("empty", dataset="FUELHH")
    outcome = world.one("FUELHH", YESTERDAY)
    assert outcome.status == "suspect"
    assert "empty although data are due" in outcome.reason
    entry = dataset("FUELHH")
    seen = world.warehouse.coverage([entry.table], *_bounds(YESTERDAY))["FUELHH"]
    assert [s.covered_utc for s in seen] == [None]
    assert missing(entry, *_days(YESTERDAY), seen, world.clock())

    world.app.faults.remove(fault)
    world.clock.forward(hours=12)
    assert world.one("FUELHH", YESTERDAY).status == "written"
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", YESTERDAY)


def test_a_part_of_the_day_is_not_taken_for_the_day(world: World) -> None:
    """Asked at noon and answered, a day counted as done; its afternoon came only by chance."""
    today = "2026-09-21"
    world.clock.set("2026-09-21T11:10")
    morning = world.one("FUELHH", today).counts.inserted
    world.clock.set("2026-09-21T17:10")
    assert world.one("FUELHH", today).counts.inserted > 0
    world.clock.set("2026-09-22T09:00")
    assert world.one("FUELHH", today).counts.inserted > 0
    assert world.count("bmrs_fuelhh") == 288
    assert morning == 144
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", today)


# Start equals end.


@pytest.mark.parametrize("code", ["FUELINST", "FUELHH", "FREQ", "DISEBSP", "BOD", "WINDFOR", "INDOD"])
def test_start_equals_end_means_that_day(world: World, code: str) -> None:
    """Dates were cut to days and start = end gave no window: a run that did nothing and succeeded."""
    outcome = world.one(code, DAY, DAY)
    assert (outcome.status, outcome.requests > 0) == ("written", True)
    assert world.stored_rows(code) == world.provider_rows(code, DAY)


def test_equal_bounds_that_a_provider_answers_with_nothing_are_no_success(world: World) -> None:
    """A provider that gives nothing for equal bounds makes a gap, and it is shown as one."""
    world.app.faults.add("start_end_empty", dataset="FUELINST")
    outcome = world.one("FUELINST", DAY)
    assert outcome.status == "suspect"
    assert outcome.suspect
    assert [r["status"] for r in world.receipts("FUELINST")] == ["suspect"]


def test_a_range_without_days_is_refused(world: World) -> None:
    """An end before the start was another empty loop that succeeded."""
    with pytest.raises(ValueError, match="holds no day; give the earlier day first"):
        world.one("FUELINST", DAY, "2026-09-14")
    assert len(world.app.requests) == 0


# Writing.


def test_the_same_window_twice_changes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Every cycle appended the same window: 14.5 % of BOALF and half of BOD were copies."""
    first = world.refresh("all", DAY)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [], "all is well"
    rows = _rows_of_data(world)
    asked = len(world.app.requests)
    at_once = world.refresh("all", DAY)
    assert len(world.app.requests) == asked, "asking again at once asks nobody"
    assert not [o for o in at_once.values() if o.status == "failed"]

    world.clock.forward(minutes=1)
    again = world.refresh("all", DAY, refetch=True)
    changed = [c for c, o in again.items() if o.counts.inserted or o.counts.updated or o.counts.withdrawn]
    assert changed == []
    assert {c: o.counts.fetched for c, o in again.items()} == {c: o.counts.fetched for c, o in first.items()}
    assert sum(o.requests for o in again.values()) <= sum(o.requests for o in first.values())
    assert _rows_of_data(world) == rows
    assert sum(count for name, count in rows.items() if name.endswith("_history")) == 0
    assert world.repeated_keys([d.code for d in datasets("bmrs") if d.table.name in rows]) == {}


def test_acceptances_are_not_appended_every_cycle(make_world: MakeWorld) -> None:
    """BOALF of one day was added at 17:45 (23,170 rows) and again at 18:00 (the same 23,170)."""
    today = "2026-09-21"
    live = make_world("2026-09-21T15:00")
    for _ in range(8):
        live.one("BOALF", today)
        live.clock.forward(minutes=15)
    live.one("BOALF", today)
    once = make_world(live.clock())
    once.one("BOALF", today)
    assert live.stored_rows("BOALF") == once.stored_rows("BOALF")
    assert live.count("bmrs_boalf") > 100
    assert live.repeated_keys(["BOALF"]) == {}


def test_a_settlement_period_of_prices_stays_one_row(world: World) -> None:
    """COSTS held 55,000 settlement periods twice or more, one row for each time that they were fetched."""
    world.one("DISEBSP", DAY)
    for revision in range(1, 5):
        world.source.revision = revision
        world.clock.forward(minutes=15)
        assert world.one("DISEBSP", DAY, refetch=True).counts.updated > 0
    assert world.stored_rows("DISEBSP") == world.provider_rows("DISEBSP", DAY)
    assert world.sql("SELECT count(*), count(DISTINCT settlementPeriod) FROM bmrs_disebsp") == [(48, 48)]
    history = world.history("DISEBSP")
    assert {row["_change"] for row in history} == {"revised"}


def test_two_segments_of_one_unit_and_period_both_stay(world: World) -> None:
    """A ramp is two segments of one unit and period; one came out, without its times."""
    world.one("PN", DAY)
    ramps = world.sql(
        "SELECT settlementPeriod, coalesce(nationalGridBmUnit, bmUnit), count(*), count(DISTINCT timeFrom) FROM bmrs_pn"
        " GROUP BY ALL HAVING count(*) > 1"
    )
    assert ramps
    assert all(rows == times for _, _, rows, times in ramps)
    assert world.stored_rows("PN") == world.provider_rows("PN", DAY)


def test_every_bid_offer_pair_stays_with_its_prices(world: World) -> None:
    """Four bid-offer pairs of a unit went in and one row without prices came out."""
    world.one("BOD", DAY)
    assert world.stored_rows("BOD") == world.provider_rows("BOD", DAY)
    assert world.sql("SELECT count(*) FROM bmrs_bod WHERE offer IS NULL AND bid IS NULL") == [(0,)]
    assert world.sql("SELECT count(DISTINCT pairId) > 1 FROM bmrs_bod") == [(True,)]


def test_rows_with_nulls_are_kept_apart(world: World) -> None:
    """The clean-up dropped every row whose hash was null, and units without an id fell together into one."""
    rows = world.source.rows(dataset("PN"), date.fromisoformat(DAY))
    units = {(row["nationalGridBmUnit"], row["bmUnit"]) for row in rows}
    both = sorted(pair for pair in units if None not in pair)[:2]
    assert len(both) == 2
    world.source.edit(*(Edit("change", "PN", {"bmUnit": unit}, {"nationalGridBmUnit": None}) for _, unit in both))
    world.one("PN", DAY)
    assert world.stored_rows("PN") == world.provider_rows("PN", DAY)
    nameless = (
        "SELECT count(DISTINCT bmUnit), count(*) FILTER (_hash_key IS NULL) FROM bmrs_pn WHERE nationalGridBmUnit"
    )
    assert world.sql(f"{nameless} IS NULL")[0][0] >= 2
    assert world.sql(f"{nameless} IS NULL")[0][1] == 0


def test_a_boundary_half_hour_is_stored_once(world: World) -> None:
    """Both bounds are inclusive: each adjacent window brought the half hour between them once more."""
    for day in ("2026-09-14", "2026-09-15", "2026-09-16"):
        world.one("BOALF", day)
        world.one("TSDF", day)
    set_aside = sum(r["boundary"] for code in ("BOALF", "TSDF") for r in world.receipts(code))
    assert set_aside > 0
    for code in ("BOALF", "TSDF"):
        assert world.stored_rows(code) == world.provider_rows(code, "2026-09-14", "2026-09-16")
    # Asked by settlement periods nothing is fetched twice in the first place.
    outcome = world.one("BOD", DAY)
    assert outcome.counts.fetched == outcome.counts.inserted == sum(world.provider_rows("BOD", DAY).values())


def test_rows_that_a_provider_doubles_are_stored_once(world: World) -> None:
    """Rows at the excluded end and the newest row twice: what one answer doubles is counted, not stored."""
    world.app.faults.add("boundary")
    world.app.faults.add("duplicate_rows")
    outcomes = world.refresh("BOALF,FREQ,WINDFOR,TSDF", DAY)
    for code, outcome in outcomes.items():
        assert outcome.status == "written"
        assert outcome.counts.duplicate >= outcome.counts.inserted
        assert world.stored_rows(code) == world.provider_rows(code, DAY)


def test_a_day_of_frequency_cannot_hold_more_than_a_day(world: World) -> None:
    """1,207,693 rows of FREQ were reported for a week that can have 40,320."""
    world.app.faults.add("duplicate_rows", dataset="FREQ")
    for _ in range(2):
        world.one("FREQ", DAY, refetch=True)
    assert world.sql("SELECT count(*), count(DISTINCT measurementTime) FROM bmrs_freq") == [(5760, 5760)]


# Refusals and broken answers.

TROUBLES: dict[str, dict[str, Any]] = {
    "too many requests": {"kind": "status", "status": 429},
    "quota used up": {"kind": "status", "status": 403},
    "server error": {"kind": "status", "status": 500},
    "unavailable": {"kind": "status", "status": 503},
    "connection reset": {"kind": "reset"},
    "connection closed": {"kind": "short"},
    "body cut": {"kind": "truncate"},
    "body cut between rows": {"kind": "truncate_comma"},
    "web page instead of rows": {"kind": "html"},
    "timeout": {"kind": "latency", "seconds": 4.0},
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_passing_trouble_is_waited_out(world: World, trouble: str) -> None:
    """Every 429, 5xx, timeout and parse error was swallowed into an empty frame and logged as "no data"."""
    if trouble == "timeout":
        world.patience = replace(QUICK, read=1.5)
    options = dict(TROUBLES[trouble])
    world.app.faults.add(options.pop("kind"), dataset="DISEBSP", count=2, **options)
    outcome = world.one("DISEBSP", DAY)
    assert (outcome.status, outcome.requests) == ("written", 3)
    assert world.receipts("DISEBSP")[0]["attempts"] == 3
    assert world.stored_rows("DISEBSP") == world.provider_rows("DISEBSP", DAY)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_lasting_trouble_is_a_failure_and_never_no_data(world: World, trouble: str) -> None:
    """What lasted became a silent gap that looked like success."""
    if trouble == "timeout":
        world.patience = replace(QUICK, read=0.5, attempts=2)
    options = dict(TROUBLES[trouble])
    world.app.faults.add(options.pop("kind"), dataset="DISEBSP", **options)
    outcome = world.one("DISEBSP", DAY)
    assert outcome.status == "failed"
    assert outcome.failures[0].startswith("DISEBSP")
    assert outcome.requests == len(world.app.requests.of("DISEBSP")) == world.patience.attempts
    (receipt,) = world.receipts("DISEBSP")
    assert (receipt["status"], receipt["inserted"]) == ("failed", 0)
    assert receipt["reason"]
    assert evaluate([dataset("DISEBSP")], world.warehouse, world.clock())[0].state == "failed"


def test_a_failure_is_told_by_the_exit_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 53 datasets was loaded, hundreds of requests were refused, and the run had "finished"."""
    from energy_assets.cli import app

    monkeypatch.setenv("ENERGY_ASSETS_HOME", str(world.home))
    monkeypatch.setenv("ENERGY_ASSETS_ELEXON_URL", world.url)
    # A wait longer than a run may stand still is not waited out.
    world.app.faults.add("status", dataset="MID", status=429, seconds=600.0)
    # The command goes by the machine's clock, and so must the provider.
    now = world.clock.set(datetime.now(UTC))
    settled = str(calendar.settlement_day(now) - timedelta(days=20))
    command = ["refresh", "MID,FUELHH,DISEBSP", "--from", settled, "--to", settled, "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1, result.output
    told = {o["dataset"]: o["status"] for o in json.loads(result.stdout)}
    assert told == {"bmrs/mid": "failed", "bmrs/fuelhh": "written", "bmrs/disebsp": "written"}

    world.app.faults.clear()
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output


def test_a_smaller_limit_is_obeyed_and_the_dataset_not_called_offline(world: World) -> None:
    """MILS and MELS, which take an hour at most, were listed as "likely offline" and left out."""
    world.app.faults.add("small_limit", dataset="MELS", minutes=60)
    outcome = world.one("MELS", DAY)
    assert outcome.status == "written"
    assert outcome.failures == ()
    assert world.stored_rows("MELS") == world.provider_rows("MELS", DAY)
    assert world.one("MELS", DAY).requests == 0, "halves cover the windows that they were cut from"


# Rows that cannot be stored.


def test_a_bad_row_is_kept_in_quarantine(world: World) -> None:
    """Rows that could not be parsed were dropped; nobody knew how many, or what stood in them."""
    world.app.faults.add("untypable", dataset="FUELINST")
    outcome = world.one("FUELINST", DAY)
    assert (outcome.status, outcome.counts.quarantined) == ("written", 1)
    assert outcome.counts.inserted == outcome.counts.fetched - 1
    (row,) = world.dicts("SELECT * FROM _quarantine")
    assert row["dataset"] == "FUELINST"
    assert row["reason"] == "generation is not a number: not a number"
    assert json.loads(row["raw"])["generation"] == "not a number"
    assert row["receipt_id"] == world.receipts("FUELINST")[0]["receipt_id"]


def test_quarantine_is_kept_when_the_window_fails(world: World) -> None:
    """A refused batch took with it the rows that would have shown what was wrong."""
    fault = world.app.faults.add("untypable", dataset="FUELINST", share=0.2)
    outcome = world.one("FUELINST", DAY)
    assert outcome.status == "failed"
    assert "rows cannot be typed, first: generation is not a number" in outcome.reason
    assert world.count("bmrs_fuelinst") == 0
    kept = world.dicts("SELECT * FROM _quarantine")
    assert len(kept) == outcome.counts.fetched
    assert sum("not a number" in row["raw"] for row in kept) == round(len(kept) * 0.2)
    assert all(row["reason"] for row in kept)

    world.app.faults.remove(fault)
    assert world.one("FUELINST", DAY).status == "written"
    assert world.stored_rows("FUELINST") == world.provider_rows("FUELINST", DAY)
    assert world.count("_quarantine") == len(kept)


def test_rows_without_values_are_not_loaded_as_provenance_alone(world: World) -> None:
    """A "minimal load" wrote only the metadata columns where the data did not fit, and reported success."""
    world.app.faults.add("rename_column", dataset="FUELHH", column="settlementPeriod")
    outcome = world.one("FUELHH", DAY)
    assert outcome.status == "failed"
    assert "settlementPeriod is missing" in outcome.reason
    assert world.count("bmrs_fuelhh") == 0


# What is told.


def test_freshness_is_measured_from_rows_and_not_from_what_was_asked(world: World) -> None:
    """Freshness was the greatest window asked for: it measured questions, not answers."""
    world.one("INDO", "2026-09-19")
    before = evaluate([dataset("INDO")], world.warehouse, world.clock())[0]
    world.clock.forward(hours=1)
    world.app.faults.add("empty", dataset="INDO")
    world.one("INDO", YESTERDAY)
    after = evaluate([dataset("INDO")], world.warehouse, world.clock())[0]
    assert before.held.newest_day == after.held.newest_day == date(2026, 9, 19)
    assert before.held.newest_utc == after.held.newest_utc
    assert before.held.last_success_utc == after.held.last_success_utc
    assert after.state == "suspect"


def test_success_is_not_said_where_no_rows_came(world: World) -> None:
    """SUCCESS was written with the time of day whatever had been loaded; 0 rows were a success too."""
    world.app.faults.add("empty")
    outcomes = world.refresh("FUELHH,BOD,DISEBSP,MID,WINDFOR,FREQ", DAY)
    assert {o.status for o in outcomes.values()} == {"suspect"}
    assert not [r for r in world.dicts("SELECT * FROM _receipts") if r["status"] in COVERING]
    reports = evaluate([dataset(code) for code in outcomes], world.warehouse, world.clock())
    assert {r.state for r in reports} == {"suspect"}
    assert {r.held.last_success_utc for r in reports} == {None}


def test_large_totals_do_not_hide_an_empty_dataset(world: World) -> None:
    """745 million rows looked healthy while 14 of 62 tables were empty: a few large tables carry every total."""
    world.app.faults.add("empty", dataset="DISEBSP")
    outcomes = world.refresh("profile:core", DAY)
    assert sum(o.counts.inserted for o in outcomes.values()) > 5000
    assert [c for c, o in outcomes.items() if o.status == "suspect"] == ["DISEBSP"]
    states = {r.dataset.code: r.state for r in evaluate([dataset(c) for c in outcomes], world.warehouse, world.clock())}
    assert states["DISEBSP"] == "suspect"
    assert all(r.missing for r in evaluate([dataset("DISEBSP")], world.warehouse, world.clock()))


def test_a_publication_lag_is_not_taken_for_a_fault(world: World) -> None:
    """DISBSAD comes two working days late; it was chased as stale every day."""
    world.app.faults.add("empty", dataset="DISBSAD")
    world.clock.set("2026-09-16T09:00")
    outcome = world.one("DISBSAD", DAY)
    assert outcome.status == "not_due"
    (report,) = evaluate_days([dataset("DISBSAD")], world.warehouse, world.clock(), *_days(DAY))
    assert (report.state, report.missing) == ("ok", ())
    # B1610 is not even asked for in its first working days.
    assert (world.one("B1610", DAY).status, len(world.app.requests.of("B1610"))) == ("not_due", 0)
    world.clock.set("2026-09-19T09:00")
    assert world.one("DISBSAD", DAY).status == "suspect"


def test_a_body_is_not_cut_at_a_page(make_world: MakeWorld) -> None:
    """Every large resource stopped at exactly 10,000 rows, one at 50,000: a page limit taken for the whole."""
    world = make_world(volume=Volume(rows=(("PN", 96_000),)))
    outcome = world.one("PN", DAY)
    assert max(r["fetched"] for r in world.receipts("PN")) > 20_000
    assert (
        outcome.counts.inserted == world.count("bmrs_pn") == len(world.source.block(dataset("PN"), (), _days(DAY)[0]))
    )
    assert outcome.counts.inserted % 10_000 != 0


def test_every_measured_column_says_its_unit() -> None:
    """MW were summed as if they were MWh, and a dashboard showed 2,695 GW."""
    silent = [f"{d.code}.{f.name}" for d in datasets("bmrs") for f in d.fields if f.type == "number" and not f.unit]
    assert silent == []
    units = {(d.code, f.name): f.unit for d in datasets("bmrs") for f in d.fields}
    assert (units["FUELHH", "generation"], units["INDOD", "demand"]) == ("MW", "MWh")


def test_a_batch_that_quietly_stopped_is_seen_in_the_data(world: World) -> None:
    """Three datasets stopped in autumn and were missed in December: the schedule was gone and so was its watcher."""
    codes = "FUELHH,BOD,MID"
    world.refresh(codes, "2026-09-15", "2026-09-21")
    datasets_of = [dataset(code) for code in codes.split(",")]
    assert {r.state for r in evaluate(datasets_of, world.warehouse, world.clock(), days=7)} == {"ok"}
    world.clock.forward(days=3)
    for report in evaluate(datasets_of, world.warehouse, world.clock(), days=7):
        assert report.state == "missing"
        assert report.held.newest_day == date(2026, 9, 21)
        assert sum((w.to_utc - w.from_utc for w in report.missing), timedelta()) >= timedelta(days=2)
        assert max(w.to_utc for w in report.missing) >= _bounds("2026-09-23")[1]


def test_windows_and_times_are_instants_and_not_text(world: World) -> None:
    """Windows were stored as strings, so that the newest of them was the greatest text."""
    world.one("FUELHH", DAY)
    kinds = dict(world.sql("SELECT column_name, column_type FROM (DESCRIBE bmrs_fuelhh)"))
    instants = ("_window_from_utc", "_window_to_utc", "_ingested_utc", "publishTime", "startTime")
    assert {kinds[name] for name in instants} == {"TIMESTAMP"}
    assert (kinds["_partition_day"], kinds["settlementDate"], kinds["generation"]) == ("DATE", "DATE", "DOUBLE")
    window = world.sql("SELECT DISTINCT _window_from_utc, _window_to_utc FROM bmrs_fuelhh")
    assert window == [tuple(bound.replace(tzinfo=None) for bound in _bounds(DAY))]


def test_made_up_rows_and_real_ones_never_share_a_store(world: World) -> None:
    """Five invented events stood in a production table, and a document called it operational."""

    async def provider(scope: Scope, receive: Receive, send: Send) -> None:
        async def unmarked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [h for h in message["headers"] if h != MARK]}
            await send(message)

        await world.app(scope, receive, unmarked)

    assert world.one("FUELHH", DAY).status == "written"
    assert world.sql("SELECT DISTINCT _source_api FROM bmrs_fuelhh") == [("SANDBOX",)]
    with running(provider) as real:
        world.url, world.label = real, "BMRS"
        outcome = world.one("FUELHH", "2026-09-16")
    assert outcome.status == "failed"
    assert "holds sandbox data and the rows to write come from a provider" in outcome.reason
    assert world.sql("SELECT DISTINCT _source_api FROM bmrs_fuelhh") == [("SANDBOX",)]
    with pytest.raises(WarehouseError, match="synthetic and real data never mix"):
        world.warehouse.claim("provider")


def _days(day: str) -> tuple[date, date]:
    return date.fromisoformat(day), date.fromisoformat(day)


def _bounds(day: str) -> tuple[Any, Any]:
    return calendar.day_bounds_utc(date.fromisoformat(day))


def _rows_of_data(world: World) -> dict[str, int]:
    """Rows of every table and its history, without the service tables."""
    return {name: count for name, count in world.counts().items() if not name.startswith("_")}
