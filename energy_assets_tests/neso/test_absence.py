"""A family that the portal no longer has: receipts say so, and the ledger has it since when until it is back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Gap
from energy_assets.sources.neso.due import REFUSED_REST
from energy_assets.sources.neso.memory import Memory
from energy_assets.tracking.gap_look import keep, look, mark
from energy_assets.tracking.status import DatasetReport, evaluate
from energy_assets.tracking.watch import STALE_FAMILY, stale_conditions
from energy_assets.warehouse.ledger import read_gaps
from energy_assets_tests.neso.home import Clock, Home
from energy_assets_tests.neso.test_refresh import put_demand
from energy_assets_tests.neso.world import NOON, Stage

DEMAND = "neso/historic_demand"
ENTRY = dataset(DEMAND)
PACKAGE = "historic-demand-data"
FILE = "Historic Demand Data 2026"


@pytest.fixture
def home(portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
    stage, url = portal_stage
    clock = Clock(NOON)
    made = Home.of(stage.fresh(clock=clock), url, tmp_path, clock)
    made.put("some-package", "x", "a\n1\n")
    yield made
    made.warehouse.close()


def ledger(home: Home) -> list[Gap]:
    """Open gaps after a look that is kept."""
    keep(look([ENTRY], home.warehouse, home.clock()), home.warehouse)
    return read_gaps(home.warehouse)


def receipts(home: Home) -> list[tuple[str, str]]:
    with home.warehouse._holder.use(write=False) as cursor:  # type: ignore[attr-defined]
        return cursor.execute("SELECT status, branch FROM gb._receipts ORDER BY receipt_id").fetchall()


def report(home: Home) -> DatasetReport:
    (found,) = evaluate([ENTRY], home.warehouse, home.clock())
    return found


def test_an_absent_family_is_a_gap_with_its_reason_until_it_is_back(home: Home) -> None:
    put_demand(home, 1)
    home.refresh(DEMAND)
    assert ledger(home) == []

    home.clock.forward(days=3)
    file = home.sandbox.shelf._put[PACKAGE, FILE]
    home.sandbox.shelf.remove(PACKAGE, FILE)
    gone = home.clock.now
    assert home.refresh(DEMAND)[0].status == "failed"
    (gap,) = ledger(home)
    assert (gap.dataset, gap.why, gap.branch) == (ENTRY.code, "missed", f"resource={PACKAGE}")
    assert abs(gap.from_utc - gone) < timedelta(seconds=1) and abs(gap.since_utc - gone) < timedelta(seconds=1)
    assert f"{ENTRY.code}: the portal has no package {PACKAGE}" in gap.note
    assert report(home).state == "failed"

    # Asked for at every full hour of five days, some receipts in all; the gap stays one and keeps since when.
    for _ in range(5 * 24):
        home.clock.forward(hours=1)
        assert home.refresh(DEMAND)[0].status == "failed"
    (later,) = ledger(home)
    assert (later.from_utc, later.since_utc, later.opened_utc) == (gap.from_utc, gap.since_utc, gap.opened_utc)
    failed = [branch for status, branch in receipts(home) if status == "failed"]
    assert len(failed) == 1 + timedelta(days=5) // REFUSED_REST
    (condition,) = stale_conditions([report(home)], home.clock(), Memory(home.folder).asked_utc())
    assert "the portal has no package" in condition.text

    # Back with the same file: nothing of it is to be read, and it is no gap any more.
    home.sandbox.shelf.put(*file)
    (outcome,) = home.refresh(DEMAND)
    assert (outcome.status, outcome.windows) == ("unchanged", 0)
    assert ledger(home) == []
    assert report(home).state == "ok"
    (closed,) = (g for g in read_gaps(home.warehouse, closed=True) if g.branch == gap.branch)
    assert closed.note == "filled" and closed.opened_utc == gap.opened_utc
    count = len(receipts(home))
    home.clock.forward(hours=1)
    home.refresh(DEMAND)
    assert len(receipts(home)) == count, "told once"


def test_an_absence_that_comes_again_on_the_same_day_is_another_gap(home: Home) -> None:
    for _ in range(2):
        home.refresh(DEMAND)
        assert len(ledger(home)) == 1
        home.clock.forward(minutes=20)
        put_demand(home, 1)
        home.refresh(DEMAND)
        assert ledger(home) == []
        home.clock.forward(minutes=20)
        home.sandbox.shelf.remove(PACKAGE, FILE)


def test_a_file_that_failed_and_is_gone_is_no_gap_any_more_and_is_read_when_it_is_back(home: Home) -> None:
    put_demand(home, 1)
    home.put(PACKAGE, "Historic Demand Data 2025", "<html>down for maintenance</html>")
    home.refresh(DEMAND)
    (gap,) = ledger(home)
    assert gap.branch != f"resource={PACKAGE}"
    file = home.sandbox.shelf._put[PACKAGE, "Historic Demand Data 2025"]
    home.sandbox.shelf.remove(PACKAGE, "Historic Demand Data 2025")
    home.clock.forward(hours=1)
    home.refresh(DEMAND)
    assert ledger(home) == [] and report(home).state == "ok"
    home.sandbox.shelf.put(*file)
    home.clock.forward(hours=24)
    assert home.refresh(DEMAND)[0].status == "failed"
    assert len(ledger(home)) == 1


def test_a_person_s_word_on_a_family_stands_until_it_is_back(home: Home) -> None:
    home.refresh(DEMAND)
    today = home.clock.now.date()
    home.warehouse.note_gaps(mark(ledger(home), today, today, "discontinued", home.clock()))
    for _ in range(3):
        home.clock.forward(days=1)
        home.refresh(DEMAND)
        (gap,) = ledger(home)
        assert (gap.why, gap.note) == ("never_published", "discontinued")
    assert not stale_conditions([report(home)], home.clock(), Memory(home.folder).asked_utc())
    put_demand(home, 1)
    home.refresh(DEMAND)
    assert ledger(home) == []


def test_only_a_portal_that_answers_counts_as_asked(home: Home) -> None:
    home.refresh(DEMAND)
    asked = Memory(home.folder).asked_utc()[ENTRY.code]
    home.sandbox.faults.add("status", status=503)
    home.clock.forward(hours=STALE_FAMILY / timedelta(hours=1))
    home.refresh(DEMAND)
    assert Memory(home.folder).asked_utc() == {ENTRY.code: asked}
    quiet = replace(report(home), failing_utc=None)
    (condition,) = stale_conditions([quiet], home.clock(), {ENTRY.code: asked})
    assert "The portal was last asked for it at 2026-10-08 12:00Z, 4 h ago" in condition.text
