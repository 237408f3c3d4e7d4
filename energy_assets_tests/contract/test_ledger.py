"""The ledger of gaps and the completeness: the same on every warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from energy_assets.ingest.model import Counts, Gap, Window
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.ledger import Evidence, read_completeness, read_evidence, read_gaps
from energy_assets_tests.contract.store import DAY, Store, receipt
from energy_assets_tests.contract.tables import PRICES

HOUR = timedelta(hours=1)
NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


def gap(begin: datetime = NOON, hours: float = 6, **others: object) -> Gap:
    made = Gap(PRICES.dataset, PRICES.name, begin, begin + hours * HOUR, "", "missed", begin, begin + HOUR)
    return replace(made, **others)  # type: ignore[arg-type]


def bare(gaps: list[Gap]) -> list[Gap]:
    return [replace(g, recorded_utc=None) for g in gaps]


def asked(begin: datetime, hours: float, at: datetime | None = None, **others: object):
    window = Window(begin, begin + hours * HOUR)
    return receipt(PRICES, window, requested_utc=at or window.to_utc + HOUR, **others)


def evidence(warehouse: Warehouse) -> Evidence:
    return read_evidence(warehouse, [PRICES.name], NOON - 48 * HOUR, NOON + 48 * HOUR, NOON - 96 * HOUR)


def test_an_empty_store_knows_no_gap(warehouse: Warehouse):
    warehouse.note_gaps([])
    assert read_gaps(warehouse) == []
    assert read_completeness(warehouse) == []
    assert evidence(warehouse) == Evidence()


def test_the_newest_row_of_a_gap_counts_and_every_row_stays(warehouse: Warehouse, store: Store):
    other = gap(branch="side=buy", why="suspect", note="it's \\ \n odd")
    warehouse.note_gaps([gap(), other])
    warehouse.note_gaps([gap(hours=7)])
    assert bare(read_gaps(warehouse)) == [gap(hours=7), other]

    warehouse.note_gaps([gap(hours=7, closed_utc=NOON + 9 * HOUR, note="filled")])
    assert bare(read_gaps(warehouse)) == [other]
    closed = bare(read_gaps(warehouse, closed=True))
    assert closed == [gap(hours=7, closed_utc=NOON + 9 * HOUR, note="filled"), other]
    assert len(store.service_rows(service.GAPS)) == 4

    warehouse.note_gaps([gap(opened_utc=NOON + 20 * HOUR)])
    assert bare(read_gaps(warehouse)) == [gap(opened_utc=NOON + 20 * HOUR), other]


def test_receipts_tell_since_when_a_table_is_kept_and_which_windows_are_in_trouble(warehouse: Warehouse):
    warehouse.record([asked(NOON - 24 * HOUR, 6), asked(NOON, 6), asked(NOON + 6 * HOUR, 6)])
    warehouse.record(
        [
            asked(NOON, 6, status="failed", reason="HTTP 500"),
            asked(NOON + 12 * HOUR, 6, counts=Counts(fetched=2, quarantined=2)),
            asked(NOON + 18 * HOUR, 6, status="failed"),
        ]
    )
    warehouse.record([asked(NOON + 18 * HOUR, 6)])

    found = evidence(warehouse)
    assert found.kept == {PRICES.name: NOON - 24 * HOUR}
    assert [(t.from_utc, t.failed, t.quarantined, t.reason) for t in found.troubles] == [
        (NOON, True, 0, "HTTP 500"),
        (NOON + 12 * HOUR, False, 2, ""),
    ]


def test_completeness_counts_hours_by_year_less_what_gaps_name(warehouse: Warehouse):
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    warehouse.record(
        [
            asked(new_year - 4 * HOUR, 3),
            asked(new_year - 2 * HOUR, 8),
            asked(new_year + 8 * HOUR, 4),
            # Asked for in its middle: the rest had not happened.
            asked(new_year + 12 * HOUR, 4, new_year + 14 * HOUR),
            asked(new_year + 30 * HOUR, 4, status="failed"),
        ]
    )
    (last, this) = read_completeness(warehouse)
    assert (last.dataset, last.table, last.year, this.year) == (PRICES.dataset, PRICES.name, 2025, 2026)
    assert (last.expected_hours, last.held_hours, last.missing_hours, last.completeness) == (4, 4, 0, 1)
    assert (this.expected_hours, this.held_hours, this.missing_hours) == (14, 12, 2)

    warehouse.note_gaps(
        [
            gap(new_year + 6 * HOUR, 2, why="never_published"),
            gap(new_year + 9 * HOUR, 1),
            gap(new_year + 14 * HOUR, 4),
            gap(new_year + 18 * HOUR, 50, why="not_due"),
            gap(new_year + 2 * HOUR, 1, closed_utc=NOON),
        ]
    )
    this = read_completeness(warehouse)[1]
    assert (this.expected_hours, this.held_hours, this.never_published_hours) == (18, 11, 2)
    assert (this.missing_hours, this.completeness) == (5, 0.6875)
    assert this.year == DAY.year


def test_a_leap_year_is_a_day_longer_and_a_gap_over_new_year_counts_in_both(warehouse: Warehouse):
    begin, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (2024, 2026))
    warehouse.record([asked(begin, 366 * 24), asked(begin + 366 * 24 * HOUR, 365 * 24, end)])
    rows = [(r.year, r.expected_hours, r.held_hours, r.completeness) for r in read_completeness(warehouse)]
    assert rows == [(2024, 8784, 8784, 1), (2025, 8760, 8760, 1)]
    warehouse.note_gaps([gap(datetime(2024, 12, 31, 12, tzinfo=UTC), 36)])
    assert [(r.year, r.missing_hours) for r in read_completeness(warehouse)] == [(2024, 12), (2025, 24)]
