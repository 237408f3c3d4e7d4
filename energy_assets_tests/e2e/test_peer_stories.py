"""What public peers lose, repeat or overlook, told to this system: one test per weakness, told in its docstring.

Their losses of segments, pairs and equal bounds are among the failure stories; here are those of re-reading, overlap,
completeness and late arrivals.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import energy_assets
from energy_assets.catalogue import dataset
from energy_assets.sandbox.synthetic import Edit, Synthetic
from energy_assets.tracking.status import evaluate_days
from energy_assets_tests.e2e.world import World

DAY = "2026-09-15"
TODAY = "2026-09-21"
ROUNDS = 5


def test_cost_does_not_grow_with_each_refresh(world: World) -> None:
    """Every raw answer was read again on each transform: the fifth refresh of a day took three times the first."""
    first = world.one("PN", DAY)
    rows, asked = world.count("bmrs_pn"), len(world.asked("PN"))
    sizes = []
    for _ in range(ROUNDS):
        world.clock.forward(hours=1)
        outcome = world.one("PN", DAY, refetch=True)
        assert (outcome.requests, outcome.bytes, outcome.counts.fetched) == (first.requests, first.bytes, rows)
        assert outcome.counts.unchanged == rows
        sizes.append(world.warehouse.size())
    assert world.count("bmrs_pn") == rows
    assert world.count("bmrs_pn_history") == 0
    assert len(world.asked("PN")) == asked * (ROUNDS + 1)
    assert sizes[-1] <= sizes[0] * 1.1


def test_incremental_does_not_ask_for_more_than_the_first_load(world: World) -> None:
    """A fixed look-back of 72 hours made the second, "incremental" run ask 333 times where the first had asked 138."""
    world.clock.set("2026-09-21T12:03")
    first = sum(o.requests for o in world.refresh("all", TODAY).values())
    at_once = sum(o.requests for o in world.refresh("all", TODAY).values())
    assert first > 150
    assert at_once == 0
    world.clock.forward(minutes=15)
    later = world.refresh("all", TODAY)
    assert 0 < sum(o.requests for o in later.values()) < first
    assert {o.status for o in later.values()} <= {"written", "unchanged", "silent", "not_due"}


def test_a_complete_day_raises_no_false_alarm(world: World) -> None:
    """A complete day of FUELINST, FUELHH and FREQ failed three checks: all were judged as half-hourly series."""
    codes = ("FUELINST", "FUELHH", "FREQ")
    world.refresh(",".join(codes), DAY)
    days = date.fromisoformat(DAY), date.fromisoformat(DAY)
    reports = evaluate_days([dataset(c) for c in codes], world.warehouse, world.clock(), *days, rows_day=days[0])
    assert [(r.state, r.missing) for r in reports] == [("ok", ())] * 3
    assert [r.held.rows_today for r in reports] == [world.count(dataset(c).table.name) for c in codes]


def test_a_dataset_without_rows_is_not_a_success(world: World) -> None:
    """The status listed "success, rows_out 0" for a dataset that had never brought a row."""
    world.app.faults.add("empty", dataset="MID")
    world.one("MID", DAY)
    days = date.fromisoformat(DAY), date.fromisoformat(DAY)
    (report,) = evaluate_days([dataset("MID")], world.warehouse, world.clock(), *days)
    assert report.state == "suspect"
    assert report.missing
    assert (report.held.last_success_utc, report.held.newest_day) == (None, None)


def test_a_missing_afternoon_is_filled_by_a_later_reading(world: World) -> None:
    """A check that asked for "some rows of today" let a day without its afternoon pass, and nobody read it again."""
    rows = [r for r in world.source.rows(dataset("FUELHH"), date.fromisoformat(DAY)) if r["settlementPeriod"] > 24]
    gone = [Edit("remove", "FUELHH", {"settlementPeriod": p}) for p in sorted({r["settlementPeriod"] for r in rows})]
    world.source.edit(*gone)
    world.clock.set("2026-09-16T09:00")
    world.one("FUELHH", DAY)
    assert world.sql("SELECT max(settlementPeriod) FROM bmrs_fuelhh") == [(24,)]

    world.app.source = Synthetic()
    world.clock.set("2026-09-18T09:00")
    outcome = world.one("FUELHH", DAY)
    assert (outcome.counts.inserted, outcome.counts.updated) == (len(rows), 0)
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", DAY)


def test_an_older_backfill_reaches_every_reader(world: World) -> None:
    """Silver looked at the last 35 days only: an older backfill landed in bronze and never went further."""
    world.one("WINDFOR", "2026-09-20")
    world.clock.forward(minutes=5)
    world.one("WINDFOR", "2026-03-02")
    old = world.provider_rows("WINDFOR", "2026-03-02").total()
    held = energy_assets.read("WINDFOR", "2026-03-02", "2026-03-02", settings=world.settings)
    assert len(held) == old > 0
    events = world.sql("SELECT count(DISTINCT startTime) FROM bmrs_windfor WHERE _partition_day = '2026-03-02'")
    newest = "SELECT count(*) FROM bmrs_windfor_latest WHERE startTime < '2026-04-01'"
    assert world.sql(newest) == events


def test_a_partial_answer_does_not_cover_the_day(world: World) -> None:
    """A watermark that moved on whatever came left out what came later."""
    world.clock.set("2026-09-21T06:05")
    world.one("FUELINST", TODAY)
    (receipt,) = world.receipts("FUELINST")
    assert receipt["status"] == "written"
    for hours in (1, 6, 12):
        world.clock.forward(hours=hours)
        world.one("FUELINST", TODAY)
    assert world.stored_rows("FUELINST") == world.provider_rows("FUELINST", TODAY)
    held = world.sql("SELECT count(*), count(DISTINCT startTime) FROM bmrs_fuelinst")[0]
    assert held == (world.provider_rows("FUELINST", TODAY).total(), 288)


def test_all_fields_are_kept(world: World) -> None:
    """A table kept 8 of the 12 fields of BOD: no times, no unit of NESO's, no dataset."""
    codes = ("BOD", "BOALF", "PN", "DISEBSP", "FUELINST", "REMIT", "ISPSTACK")
    world.refresh(",".join(codes), DAY)
    for code in codes:
        entry = dataset(code)
        columns = [name for (name,) in world.sql(f"SELECT column_name FROM (DESCRIBE {entry.table.name})")]
        assert columns == [name for name, _ in entry.table.columns]
        assert set(world.source.rows(entry, date.fromisoformat(DAY), next(entry.branch_choices()))[0]) <= set(columns)


DOCUMENTS = ("README.md", "docs/guide.md")
ROOT = Path(energy_assets.__file__).parents[1]


def blocks(language: str) -> list[str]:
    """Every example in that language that the documents show."""
    texts = ((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def test_the_examples_of_the_documents_run_as_they_stand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample query of a README named a column that the view did not have."""
    world.clock.set("2026-07-02T05:00")
    world.refresh("DISEBSP,WINDFOR,MID", "2026-07-01", "2026-07-02")
    world.clock.set("2026-07-09T09:00")
    world.refresh("FUELINST,FUELHH", "2026-07-01", "2026-07-07")
    queries = [q for block in blocks("sql") for q in block.split(";") if "SELECT" in q]
    assert len(queries) >= 4
    for query in queries:
        assert world.sql(query), query

    monkeypatch.setenv("ENERGY_ASSETS_HOME", str(world.home))
    shown = [b for b in blocks("python") if "from energy_assets import read" in b]
    assert shown
    for block in shown:
        names: dict[str, Any] = {}
        exec(compile(block, "example", "exec"), names)
        frames = [value for value in names.values() if isinstance(value, pd.DataFrame)]
        assert frames
        assert all(len(frame) for frame in frames)
