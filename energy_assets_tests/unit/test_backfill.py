"""Pieces, estimates, the lane and the memory of a refetch; what is fetched goes through the real ``refresh``."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset, select
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import SettingsError, TransportError
from energy_assets.ingest import backfill
from energy_assets.ingest.backfill import (
    PIECE_DAYS,
    REFETCH_RESUMES_FOR,
    BackfillBusyError,
    estimate,
    impossible,
    lane,
    launch,
    pieces,
    refetch_since,
    row_bytes,
    run,
    seconds,
    window_seconds,
)
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Body, Policy, Window
from energy_assets.ingest.refresh import CHUNK_DAYS
from energy_assets.ingest.spool import Spool
from energy_assets.warehouse.duckdb import DuckDBWarehouse

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
FIRST, LAST = date(2026, 1, 10), date(2026, 5, 20)
QUIET = select("SMSG,SYSWARN,TEMP,OCNMFW")
"""Datasets asked by the day and by the month."""


class Answers:
    """A source that answers every window with no rows, or not at all, and remembers what it was asked."""

    def __init__(self, refuse: Callable[[Dataset, Window], bool] = lambda *_: False) -> None:
        self.asked: list[tuple[str, Window]] = []
        self.refuse = refuse

    async def fetch(self, entry: Dataset, window: Window, destination: Path) -> Body:
        self.asked.append((entry.code, window))
        if self.refuse(entry, window):
            raise TransportError(f"{entry.code}, {window}: not reached")
        destination.write_text("[]")
        digest = hashlib.sha256(b"[]").hexdigest()
        return Body(destination, self.url(entry, window), 200, digest, 2, 1, NOW)

    def url(self, entry: Dataset, window: Window) -> str:
        return f"http://provider/{entry.code}"

    def requests_sent(self, entry: Dataset) -> int:
        return len([code for code, _ in self.asked if code == entry.code])

    async def aclose(self) -> None:
        pass


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def engine(tmp_path: Path, answers: Answers) -> Engine:
    return Engine(
        warehouse=DuckDBWarehouse(tmp_path / "w.duckdb", "uk", clock=lambda: NOW),
        open_source={"bmrs": lambda: answers},
        spool=Spool(tmp_path / "spool", 0),
        source_api={"bmrs": "BMRS"},
        clock=lambda: NOW,
    )


@given(first=st.dates(date(2001, 1, 1), date(2026, 1, 1)), days=st.integers(1, 4000))
def test_pieces_hold_every_day_once_in_order_and_are_bounded(first: date, days: int) -> None:
    last = first + timedelta(days=days - 1)
    cut = pieces(first, last)
    assert (cut[0].from_day, cut[-1].to_day) == (first, last)
    assert all(0 <= (p.to_day - p.from_day).days < PIECE_DAYS for p in cut)
    assert all(b.from_day - a.to_day == timedelta(days=1) for a, b in pairwise(cut))
    assert [p.index for p in cut] == list(range(1, len(cut) + 1))
    assert {p.count for p in cut} == {len(cut)}


def test_a_range_without_days_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no day"):
        pieces(LAST, FIRST)


def test_the_estimate_names_exactly_the_windows_that_are_then_asked_for(engine: Engine, answers: Answers) -> None:
    expected = {(e.dataset.code, w) for e in estimate(QUIET, FIRST, LAST, engine) for w in e.windows}
    assert answers.asked == [], "an estimate asks no provider"
    run(QUIET, FIRST, LAST, Policy(), engine)
    assert len(answers.asked) == len(expected), "no window is asked for twice"
    assert set(answers.asked) == expected
    again = estimate(select("SMSG,SYSWARN,OCNMFW"), FIRST, LAST, engine)
    assert [e.windows for e in again] == [(), (), ()]
    assert {e.reason for e in again} == {f"{e.dataset.code} is covered" for e in again}


def test_an_interrupted_backfill_goes_on_where_it_was(engine: Engine, answers: Answers) -> None:
    half_way = datetime(2026, 3, 1, tzinfo=UTC)
    sel = select("SEL")
    everything = {w for e in estimate(sel, FIRST, LAST, engine) for w in e.windows}
    answers.refuse = lambda _, w: w.from_utc >= half_way
    run(sel, FIRST, LAST, Policy(), engine)
    answers.refuse = lambda *_: False
    answers.asked.clear()
    run(sel, FIRST, LAST, Policy(), engine)
    assert {w for _, w in answers.asked} == {w for w in everything if w.from_utc >= half_way}


def test_a_refetch_sets_older_receipts_aside_and_believes_its_own(engine: Engine, answers: Answers) -> None:
    sel = select("SEL")
    run(sel, FIRST, LAST, Policy(), engine)
    assert estimate(sel, FIRST, LAST, engine)[0].windows == ()
    since = NOW + timedelta(seconds=1)
    assert len(estimate(sel, FIRST, LAST, engine, since)[0].windows) == len(answers.asked)
    assert estimate(sel, FIRST, LAST, engine, NOW)[0].windows == ()


def test_a_provider_that_is_gone_ends_the_backfill_with_the_first_piece(engine: Engine, answers: Answers) -> None:
    answers.refuse = lambda *_: True
    seen: list[int] = []
    outcomes = run(select("SEL"), FIRST, LAST, Policy(), engine, on_piece=lambda p: seen.append(p.index))
    assert seen == [1]
    assert outcomes[0].status == "failed"
    assert all(w.from_utc <= day_bounds_utc(FIRST + timedelta(days=PIECE_DAYS))[0] for _, w in answers.asked)


def test_one_dataset_that_fails_does_not_end_the_others(engine: Engine, answers: Answers) -> None:
    answers.refuse = lambda d, _: d.code == "SEL"
    outcomes = run(select("SEL,SIL"), FIRST, LAST, Policy(), engine)
    assert [o.status for o in outcomes] == ["failed", "silent"]
    assert max(w.to_utc for code, w in answers.asked if code == "SIL") == day_bounds_utc(LAST)[1]


def test_what_can_never_be_asked_for_is_said_in_words() -> None:
    assert impossible(dataset("ATL"), date(2020, 1, 1), date(2020, 2, 1), NOW) == (
        "ATL (begins on 2023-05-01, after the days asked for)"
    )
    assert "a register" in str(impossible(dataset("BMUNITS"), FIRST, LAST, NOW))
    assert impossible(dataset("BMUNITS"), FIRST, date(2026, 7, 15), NOW) is None
    assert impossible(dataset("ATL"), date(2020, 1, 1), date(2024, 2, 1), NOW) is None


def test_days_before_a_dataset_begins_are_skipped_beside_others(engine: Engine, answers: Answers) -> None:
    first, last = date(2023, 4, 1), date(2023, 4, 20)
    young, old = estimate(select("ATL,SEL"), first, last, engine)[::-1]
    assert (young.dataset.code, young.skipped, young.windows) == ("ATL", True, ())
    assert "begins on 2023-05-01" in young.reason
    assert old.windows
    outcomes = run(select("ATL,SEL"), first, last, Policy(), engine)
    assert {o.dataset: o.status for o in outcomes} == {"SEL": "silent", "ATL": "before_begin"}
    assert {code for code, _ in answers.asked} == {"SEL"}


def test_sizes_are_estimated_from_the_entry(engine: Engine) -> None:
    day = date(2026, 5, 1)
    bod, sel = (estimate([dataset(code)], day, day, engine)[0] for code in ("BOD", "SEL"))
    assert (bod.rows, bod.days, bod.known) == (dataset("BOD").rows_per_day, 1, True)
    assert bod.bytes == bod.rows * row_bytes(dataset("BOD"))
    assert (sel.rows, sel.known) == (backfill.UNKNOWN_ROWS_PER_DAY, False)
    both = estimate([dataset("ISPSTACK")], day, day, engine)[0]
    assert both.days == 1, "two branches are two requests for one day"
    assert len(both.windows) == 96


def test_a_row_of_bids_has_about_the_bytes_that_were_measured() -> None:
    assert 230 < row_bytes(dataset("BOD")) < 290


def test_time_is_that_of_the_requests_or_of_the_bytes_whichever_is_longer(engine: Engine) -> None:
    day = date(2026, 5, 1)
    bod = estimate([dataset("BOD")], day, day, engine)
    assert seconds(bod, 40, 16) == pytest.approx(bod[0].bytes / backfill.BYTES_PER_SECOND)
    stack = estimate([dataset("ISPSTACK")], day, day, engine)
    assert seconds(stack, 2, 16) == pytest.approx(96 / 2)
    assert window_seconds(bod[0]) > window_seconds(stack[0]) > 0


def test_one_backfill_at_a_time_and_the_other_is_named(tmp_path: Path) -> None:
    with (
        lane(tmp_path, "BOD from 2026-01-01 to 2026-01-31", NOW),
        pytest.raises(BackfillBusyError, match=r"process \d+, BOD from 2026-01-01 to 2026-01-31, since 2026-07-15"),
        lane(tmp_path, "second", NOW),
    ):
        pass
    with lane(tmp_path, "third", NOW):
        pass


def test_the_lane_is_free_again_after_its_holder_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from datetime import UTC, datetime; from pathlib import Path\n"
        "from energy_assets.ingest.backfill import lane\n"
        "with lane(Path(sys.argv[1]), 'all', datetime.now(UTC)):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BackfillBusyError, match=f"process {holder.pid}"), lane(tmp_path, "mine", NOW):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with lane(tmp_path, "mine", NOW):
        pass


def test_a_refetch_remembers_its_launch_until_it_is_finished(tmp_path: Path) -> None:
    first = launch(tmp_path, QUIET, FIRST, LAST, NOW)
    assert (first.at, first.resumed) == (NOW, False)
    later = NOW + timedelta(hours=5)
    again = launch(tmp_path, tuple(reversed(QUIET)), FIRST, LAST, later)
    assert (again.at, again.resumed) == (NOW, True)
    assert refetch_since(tmp_path, QUIET, FIRST, LAST, later) == NOW
    assert not launch(tmp_path, QUIET, FIRST, LAST + timedelta(days=1), later).resumed, "other days are another refetch"
    again.finish()
    assert launch(tmp_path, QUIET, FIRST, LAST, later).at == later


def test_a_refetch_of_long_ago_is_not_taken_up_again(tmp_path: Path) -> None:
    launch(tmp_path, QUIET, FIRST, LAST, NOW)
    late = NOW + REFETCH_RESUMES_FOR + timedelta(seconds=1)
    assert (launch(tmp_path, QUIET, FIRST, LAST, late).at, refetch_since(tmp_path, QUIET, FIRST, LAST, late)) == (
        late,
        late,
    )


def test_an_unreadable_memory_of_a_refetch_is_said_and_not_ignored(tmp_path: Path) -> None:
    launch(tmp_path, QUIET, FIRST, LAST, NOW).path.write_text("{")
    with pytest.raises(SettingsError, match="remove it"):
        launch(tmp_path, QUIET, FIRST, LAST, NOW)


def test_chunks_of_an_estimate_are_those_of_a_refresh(engine: Engine) -> None:
    sel = replace(dataset("SEL"), query=replace(dataset("SEL").query, most=40 * 1440))
    longest = max(w.to_utc - w.from_utc for w in estimate([sel], FIRST, LAST, engine)[0].windows)
    assert longest <= timedelta(days=CHUNK_DAYS, hours=1)
