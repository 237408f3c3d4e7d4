"""What a row of the sheet says is what receipts say: in a real warehouse file, and of every state."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Receipt, ReceiptStatus, Window
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.settings import load_settings
from energy_assets.tracking.sheet_rows import (
    HEADERS,
    MOST_NOTE,
    SUMMARY_HEADERS,
    SUMMARY_ROWS,
    Row,
    instant_text,
    one_line,
    rows_at,
    summary_of,
)
from energy_assets.warehouse.duckdb import DuckDBWarehouse

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
SMSG = dataset("SMSG")
NOBODY = load_settings({"ENERGY_ASSETS_PROFILE": "core", "BMRS_API_KEY_1": "hunter2-hunter2"}, None)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path / "w.duckdb", "uk", clock=lambda: NOW)


def record(warehouse: DuckDBWarehouse, day: date, status: ReceiptStatus, asked: datetime, reason: str = "") -> None:
    window = Window(*day_bounds_utc(day))
    receipt = Receipt(new_receipt_id(asked), SMSG.code, SMSG.table.name, window, status, asked, "test", reason=reason)
    warehouse.record([receipt.with_(recorded_utc=asked)])


def last_week(warehouse: DuckDBWarehouse, until: date, asked: datetime = NOW) -> None:
    for back in range(8):
        record(warehouse, until - timedelta(days=back), "silent", asked)


def row(warehouse: DuckDBWarehouse, now: datetime = NOW, began: datetime | None = None) -> Row:
    (found,) = (
        r
        for r in rows_at(warehouse, NOBODY, now, {} if began is None else {SMSG.name: began}, [SMSG])
        if r.key == ("BMRS", "SMSG")
    )
    return found


def test_what_was_received_is_a_success_with_its_time(warehouse: DuckDBWarehouse) -> None:
    last_week(warehouse, NOW.date())
    assert row(warehouse).cells == (
        "BMRS",
        "SMSG",
        "2026-07-15T12:00:00Z",
        "SUCCESS",
        "2026-07-15T12:00:00Z",
        "",
    )


@pytest.mark.parametrize("status", ["failed", "suspect"])
def test_what_failed_says_why_and_does_not_move_the_last_update(warehouse: DuckDBWarehouse, status) -> None:
    last_week(warehouse, NOW.date(), NOW - timedelta(hours=2))
    before = row(warehouse)
    record(warehouse, NOW.date(), status, NOW, "SMSG failed: HTTP 503 at …?key=hunter2-hunter2 \n asked again")
    after = row(warehouse)
    assert (after.status, after.last_update) == ("FAILED", before.last_update)
    assert after.notes == "SMSG failed: HTTP 503 at …?key=*** asked again"


def test_holes_of_the_past_are_told_and_are_no_failure_of_the_present(warehouse: DuckDBWarehouse) -> None:
    record(warehouse, NOW.date(), "silent", NOW)
    found = row(warehouse)
    assert found.status == "SUCCESS"
    assert found.notes == "6 windows since 2026-07-09 missing; the repair asks for them."


def test_a_scheduler_that_died_leaves_no_green_row(warehouse: DuckDBWarehouse) -> None:
    last_week(warehouse, NOW.date())
    later = [row(warehouse, NOW + timedelta(days=n)) for n in (1, 3)]
    assert [r.status for r in later] == ["SUCCESS", "FAILED"]
    assert later[1].last_update == row(warehouse).last_update
    assert "from 2026-07-15 to 2026-07-16 should have come by now" in later[1].notes


def test_nothing_is_claimed_of_what_nobody_asked_for_or_what_was_not_due(warehouse: DuckDBWarehouse) -> None:
    fuelinst = dataset("FUELINST")
    assert rows_at(warehouse, NOBODY, NOW, {}, [SMSG, fuelinst]) == [], "nothing at all was asked for"
    record(warehouse, NOW.date(), "not_due", NOW, "SMSG is not due before 18:00.")
    rows = {r.dataset: r for r in rows_at(warehouse, NOBODY, NOW, {}, [SMSG, fuelinst, dataset("iris/fuelinst")])}
    assert set(rows) == {"SMSG", "FUELINST"}, "no pushed stream: its provider was never asked"
    assert rows["FUELINST"].cells[2:] == ("", "", "", "Nothing has been asked for yet.")
    assert (rows["SMSG"].last_update, rows["SMSG"].tracked_at) == (None, NOW)


def test_a_run_under_way_is_shown_until_its_first_receipt(warehouse: DuckDBWarehouse) -> None:
    last_week(warehouse, NOW.date())
    shown = row(warehouse, began=NOW + timedelta(minutes=1))
    assert (shown.status, shown.notes) == ("STARTED", "A refresh has been under way since 2026-07-15T12:01:00Z.")
    assert shown.last_update == NOW, "starting moves nothing"
    assert row(warehouse, began=NOW - timedelta(minutes=1)).status == "SUCCESS"


def test_notes_are_one_bounded_line() -> None:
    assert one_line("a\r\n\tb\x07\x00  c\u2028d") == "a b c d"
    long = one_line("x" * 10_000)
    assert len(long) == MOST_NOTE and long.endswith("…")


def test_instants_are_utc_whatever_they_came_in() -> None:
    summer = datetime.fromisoformat("2026-07-15T13:00:00+01:00")
    assert instant_text(summer) == "2026-07-15T12:00:00Z"


def test_the_summary_counts_and_always_takes_the_same_room() -> None:
    rows = [
        Row("BMRS", "A", NOW, "SUCCESS", NOW),
        Row("BMRS", "B", None, "FAILED", NOW, "why"),
        Row("NESO", "C", None, "", None),
    ]
    cells = summary_of(rows, NOW)
    assert cells[1][:2] == ["As of (UTC)", "2026-07-15T12:00:00Z"]
    assert cells[4] == list(SUMMARY_HEADERS)
    assert cells[5:8] == [
        ["BMRS", 2, 1, 1, 0, 0, "2026-07-15T12:00:00Z"],
        ["NESO", 1, 0, 0, 0, 1, ""],
        ["All", 3, 1, 1, 0, 1, "2026-07-15T12:00:00Z"],
    ]
    for some in (rows, [], rows * 9):
        assert {len(line) for line in summary_of(some, NOW)} == {len(SUMMARY_HEADERS)}
        assert len(summary_of(some, NOW)) == SUMMARY_ROWS
    assert HEADERS == ("Source", "Dataset", "Last_Update", "Status", "Tracked_At", "Notes")
