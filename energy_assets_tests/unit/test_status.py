"""The status is an evaluation of receipts and rows in a real warehouse file; nothing is asked of a provider."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Receipt, ReceiptStatus, Window
from energy_assets.ingest.planner import atoms_of
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.tracking.status import DatasetReport, evaluate, evaluate_days, event_column
from energy_assets.warehouse.duckdb import DuckDBWarehouse

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
TODAY = date(2026, 7, 15)
YESTERDAY = date(2026, 7, 14)
SMSG = dataset("SMSG")
ISPSTACK = dataset("ISPSTACK")


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path / "w.duckdb", "uk", clock=lambda: NOW)


def receipt(entry: Dataset, window: Window, status: ReceiptStatus, asked: datetime, reason: str = "") -> Receipt:
    return Receipt(
        new_receipt_id(asked),
        entry.code,
        entry.table.name,
        window,
        status,
        asked,
        "test",
        reason=reason,
    )


def cover(
    warehouse: DuckDBWarehouse,
    entry: Dataset,
    days: Iterable[date],
    asked: datetime = NOW,
    status: ReceiptStatus = "silent",
    branch: tuple[tuple[str, str], ...] = (),
) -> None:
    windows = (Window(*day_bounds_utc(day), branch) for day in days)
    warehouse.record([receipt(entry, w, status, asked) for w in windows])


def one(warehouse: DuckDBWarehouse, entry: Dataset, days: int = 7, now: datetime = NOW) -> DatasetReport:
    return evaluate([entry], warehouse, now, days)[0]


def last_days(count: int) -> list[date]:
    return [TODAY - timedelta(days=n) for n in range(count)]


def test_before_anything_was_loaded_every_dataset_is_empty_and_nothing_is_made(warehouse: DuckDBWarehouse) -> None:
    reports = evaluate(datasets("bmrs"), warehouse, NOW)
    assert {r.state for r in reports} == {"empty"}
    assert [r.dataset for r in reports] == list(datasets("bmrs"))
    assert not warehouse.path.exists()


def test_days_whose_data_should_be_final_are_missing_until_a_later_answer_covers_them(
    warehouse: DuckDBWarehouse,
) -> None:
    assert [w.from_utc for w in one(warehouse, SMSG, days=3).missing] == [
        day_bounds_utc(TODAY - timedelta(days=2))[0],
        day_bounds_utc(YESTERDAY)[0],
    ]
    cover(warehouse, SMSG, last_days(3))
    report = one(warehouse, SMSG, days=3)
    assert (report.missing, report.state, report.held.last_status) == ((), "ok", "silent")


def test_today_is_not_missing_while_its_data_are_still_coming(warehouse: DuckDBWarehouse) -> None:
    assert one(warehouse, SMSG, days=1).missing == ()


def test_an_answer_from_before_the_data_were_final_does_not_cover(warehouse: DuckDBWarehouse) -> None:
    cover(warehouse, SMSG, [YESTERDAY], asked=day_bounds_utc(YESTERDAY)[1] - timedelta(hours=2))
    assert [str(w) for w in one(warehouse, SMSG, days=2).missing] == ["2026-07-13T23:00Z to 2026-07-14T23:00Z"]


def test_a_window_that_came_back_empty_is_missing_also_after_nobody_asks_any_more(warehouse: DuckDBWarehouse) -> None:
    long_ago = TODAY - timedelta(days=20)
    cover(warehouse, SMSG, last_days(30))
    again = day_bounds_utc(long_ago)[1] + timedelta(days=9)
    fresh = DuckDBWarehouse(warehouse.path.with_name("other.duckdb"), "uk")
    cover(fresh, SMSG, (d for d in last_days(30) if d != long_ago))
    cover(fresh, SMSG, [long_ago], asked=again, status="suspect")
    assert [w.from_utc for w in one(fresh, SMSG, days=30).missing] == [day_bounds_utc(long_ago)[0]]
    assert one(warehouse, SMSG, days=30).missing == ()


def test_every_branch_of_a_query_counts_by_itself(warehouse: DuckDBWarehouse) -> None:
    bids, offers = ISPSTACK.branch_choices()
    cover(warehouse, ISPSTACK, [YESTERDAY], branch=bids)
    missing = one(warehouse, ISPSTACK, days=2).missing
    assert {w.branch for w in missing if w.to_utc <= day_bounds_utc(YESTERDAY)[1]} == {offers}
    assert len([w for w in missing if w.branch == offers and w.to_utc <= day_bounds_utc(YESTERDAY)[1]]) == 48


def test_days_before_a_dataset_begins_are_not_missing(warehouse: DuckDBWarehouse) -> None:
    young = replace(SMSG, begins=YESTERDAY)
    assert [w.from_utc for w in one(warehouse, young).missing] == [day_bounds_utc(YESTERDAY)[0]]
    assert one(warehouse, replace(SMSG, begins=TODAY + timedelta(days=3))).missing == ()


def test_a_register_misses_nothing_because_its_past_cannot_be_read(warehouse: DuckDBWarehouse) -> None:
    assert one(warehouse, dataset("BMUNITS"), days=30).missing == ()


def test_the_last_outcome_is_that_of_the_newest_receipt(warehouse: DuckDBWarehouse) -> None:
    window = Window(*day_bounds_utc(YESTERDAY))
    cover(warehouse, SMSG, last_days(8))
    failed_at = NOW + timedelta(minutes=5)
    later = DuckDBWarehouse(warehouse.path, "uk", clock=lambda: failed_at)
    later.record([receipt(SMSG, window, "failed", failed_at, "SMSG: 500, after six tries")])
    report = one(warehouse, SMSG, now=NOW + timedelta(minutes=10))
    assert (report.state, report.held.last_status, report.held.last_reason) == (
        "failed",
        "failed",
        "SMSG: 500, after six tries",
    )
    assert report.held.last_recorded_utc == failed_at
    assert report.held.last_success_utc == NOW, "a failure does not move the last success"
    assert report.missing == (), "nor does it uncover what is covered"


def test_missing_windows_can_be_counted_over_chosen_days(warehouse: DuckDBWarehouse) -> None:
    day = date(2026, 6, 1)
    report = evaluate_days([SMSG], warehouse, NOW, day, day)[0]
    assert [(w.from_utc, w.to_utc) for w in report.missing] == [day_bounds_utc(day)]


def test_at_least_one_day_is_looked_at(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(ValueError, match="at least one day"):
        evaluate([SMSG], warehouse, NOW, 0)


@pytest.mark.parametrize(
    ("code", "column"),
    [("BOALF", "timeFrom"), ("WINDFOR", "publishTime"), ("FUELHH", "startTime"), ("BMUNITS", None)],
)
def test_how_new_data_are_is_told_by_an_instant_of_the_row(code: str, column: str | None) -> None:
    assert event_column(dataset(code)) == column


@settings(max_examples=15, deadline=None)
@given(covered=st.sets(st.integers(min_value=1, max_value=12)), code=st.sampled_from(["SMSG", "FREQ", "SYSWARN"]))
def test_missing_windows_are_exactly_the_final_days_that_no_answer_covers(
    tmp_path_factory: pytest.TempPathFactory, covered: set[int], code: str
) -> None:
    entry = dataset(code)
    store = DuckDBWarehouse(tmp_path_factory.mktemp("status") / "w.duckdb", "uk")
    if covered:
        cover(store, entry, (TODAY - timedelta(days=n) for n in covered))
    report = one(store, entry, days=13)
    open_days = [TODAY - timedelta(days=n) for n in range(1, 13) if n not in covered]
    atoms = [a for d in open_days for a in atoms_of(entry, d, d, NOW)]
    length = sum(
        (w.to_utc - w.from_utc for w in report.missing if w.to_utc <= day_bounds_utc(YESTERDAY)[1]), timedelta()
    )
    assert length == sum((a.to_utc - a.from_utc for a in atoms), timedelta())
    store.close()
