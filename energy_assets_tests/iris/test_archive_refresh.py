"""Three days of one stream from the archive into a warehouse: filled, filled again, interrupted and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue.iris import BY_STREAM
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.archive import ArchiveSandbox
from energy_assets.settings import Settings
from energy_assets.wiring import open_engine
from energy_assets_tests.iris.archive_world import HOUR, MESSAGES, Stage, staged

FIRST, LAST = date(2026, 3, 28), date(2026, 3, 30)
BEGIN, END = day_bounds_utc(FIRST)[0], day_bounds_utc(LAST)[1]
HOURS = (END - BEGIN) // HOUR
STREAM: Dataset = BY_STREAM["FUELHH"]


@pytest.fixture
def served() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


@pytest.fixture
def archive(served: tuple[Stage, str]) -> ArchiveSandbox:
    sandbox = served[0].fresh()
    sandbox.clock = lambda: END + timedelta(days=9)
    return sandbox


@pytest.fixture
def engine(served: tuple[Stage, str], archive: ArchiveSandbox, tmp_path: Path) -> Engine:
    return open_engine(Settings(home=tmp_path, iris_archive_url=served[1], iris_archive_requests_per_second=200.0))


def refilled(engine: Engine, since: datetime | None = None) -> Outcome:
    (outcome,) = refresh([STREAM], FIRST, LAST, Policy(refetch_since=since), engine)
    return outcome


def test_days_are_filled_once_and_the_second_time_changes_nothing(archive: ArchiveSandbox, engine: Engine) -> None:
    sent = MESSAGES.between("FUELHH", BEGIN, END)
    filled = refilled(engine)
    assert (filled.status, filled.windows, filled.requests) == ("written", HOURS, HOURS + len(sent))
    assert filled.counts.inserted == filled.counts.fetched == sum(m.body.count(b'"fuelType"') for m in sent)

    assert refilled(engine).requests == 0, "receipts cover what is there"
    again = refilled(engine, datetime.now(UTC))
    assert (again.status, again.windows) == ("unchanged", HOURS)
    assert again.counts.unchanged == again.counts.fetched == filled.counts.fetched


def test_an_interrupted_refill_asks_for_the_rest_only(archive: ArchiveSandbox, engine: Engine) -> None:
    sent = MESSAGES.between("FUELHH", BEGIN, END)
    fault = archive.faults.add("status", dataset="blob/FUELHH", status=400, skip=50, count=5)
    interrupted = refilled(engine)
    assert interrupted.status == "failed"
    assert "400" in interrupted.failures[0]
    assert interrupted.counts.inserted > 0

    archive.faults.remove(fault)
    archive.requests.clear()
    resumed = refilled(engine)
    assert resumed.status == "written"
    assert len(archive.requests.of("tags/FUELHH")) == resumed.windows < HOURS
    inserted = interrupted.counts.inserted + resumed.counts.inserted
    assert inserted == sum(m.body.count(b'"fuelType"') for m in sent)
