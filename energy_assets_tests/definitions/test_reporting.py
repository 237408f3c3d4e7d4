"""Which days an asset is reported for, and what a failed run says; pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from energy_assets.assets import reporting
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Counts, Outcome, OutcomeStatus
from energy_assets.warehouse.interface import Usage

FIRST = date(2024, 7, 15)
SPAN = (FIRST, FIRST + timedelta(days=2))
DAYS = tuple(FIRST + timedelta(days=n) for n in range(3))
TODAY = date(2026, 11, 23)


def outcome(status: OutcomeStatus, inserted: int = 0, days: tuple[date, ...] = ()) -> Outcome:
    return Outcome("MID", status, counts=Counts(fetched=inserted, inserted=inserted), days=days)


@pytest.mark.parametrize(
    ("made", "known", "everything", "reported"),
    [
        (outcome("written", 5, DAYS[:1]), DAYS, False, DAYS[:1]),
        (outcome("written", 5, DAYS[:1]), (), False, DAYS),
        (outcome("unchanged", 0, DAYS), DAYS, False, ()),
        (outcome("unchanged"), DAYS[:1], False, DAYS[1:]),
        (outcome("silent"), DAYS, False, ()),
        (outcome("unchanged"), DAYS, True, DAYS),
        (outcome("suspect"), (), False, ()),
        (outcome("suspect"), (), True, ()),
        (outcome("suspect", 5, DAYS[:2]), DAYS, False, DAYS[:2]),
        (outcome("not_due"), (), True, ()),
        (outcome("failed", 5, DAYS), (), True, ()),
        (outcome("written", 5, (FIRST - timedelta(days=1), FIRST)), DAYS, False, DAYS[:1]),
    ],
)
def test_days_reported(made: Outcome, known: tuple[date, ...], everything: bool, reported: tuple[date, ...]) -> None:
    assert reporting.days_to_report(made, SPAN, known, everything=everything) == reported


def test_a_doubtful_nothing_does_not_count_as_materialized() -> None:
    assert reporting.speaks_for_all(outcome("suspect", 5))
    assert not reporting.speaks_for_all(outcome("suspect"))
    assert not reporting.speaks_for_all(outcome("not_due"))


def test_days_before_the_data_begin_and_after_today_are_left_out() -> None:
    entry = replace(dataset("MID"), begins=DAYS[1])
    assert reporting.possible_days(entry, *SPAN, TODAY) == (DAYS[1], DAYS[2])
    assert reporting.possible_days(entry, *SPAN, DAYS[1]) == (DAYS[1], DAYS[1])
    assert reporting.possible_days(entry, DAYS[0], DAYS[0], TODAY) is None


def test_a_register_has_only_today() -> None:
    assert reporting.possible_days(dataset("BMUNITS"), DAYS[0], TODAY, TODAY) == (TODAY, TODAY)
    assert reporting.possible_days(dataset("BMUNITS"), *SPAN, TODAY) is None


def test_zeros_are_left_out_of_the_numbers() -> None:
    assert reporting.numbers(outcome("written", 3), 1) == {"rows_inserted": 3, "rows_updated": 0, "requests": 0}
    many = reporting.numbers(outcome("written", 3), 7)
    assert many["days_in_run"] == 7


def test_what_a_tables_jobs_came_to_is_told_where_somebody_bills() -> None:
    told = reporting.numbers(outcome("written", 3), 1, Usage(jobs=4, bytes_billed=20_971_520, slot_ms=2_340))
    assert {n: told[n] for n in ("jobs", "bytes_billed", "slot_seconds")} == {
        "jobs": 4,
        "bytes_billed": 20_971_520,
        "slot_seconds": 2.3,
    }
    assert "bytes_billed" not in reporting.numbers(outcome("written", 3), 1, Usage(jobs=1))
    assert "jobs" not in reporting.numbers(outcome("unchanged"), 1, Usage(calls=3))


def test_a_run_is_tagged_with_what_all_of_its_jobs_came_to() -> None:
    usage = {"bmrs_mid": Usage(2, 1, 9, 10_485_760_000, 500), "": Usage(1, 0, 3, 0, 0)}
    assert reporting.cost_tags(usage) == {
        "energy_assets/jobs": "3",
        "energy_assets/load_jobs": "1",
        "energy_assets/api_calls": "12",
        "energy_assets/bytes_billed": "10485760000",
        "energy_assets/slot_seconds": "0.5",
    }
    assert reporting.cost_tags({}) == {}


def failed(code: str, *failures: str) -> Outcome:
    return Outcome(code, "failed", failures=failures, reason=failures[0])


def test_a_failure_names_every_dataset_and_tells_a_shared_reason_once() -> None:
    codes = [f"SET{n}" for n in range(40)]
    text = reporting.failure_message([failed(c, f"{c}, window: no connection") for c in codes] + [outcome("written")])
    assert text is not None
    assert all(code in text for code in codes)
    assert text.count("no connection") == 1
    assert text.startswith("40 of 41 datasets failed, the others were not held up. SET0, SET1")


def test_a_failure_stays_readable_whatever_went_wrong() -> None:
    text = reporting.failure_message([failed(f"SET{n}", f"SET{n}: reason {n} " + "x" * 5000) for n in range(40)])
    assert text is not None
    assert len(text) < 6000
    assert all(f"SET{n}" in text for n in range(40))


def test_a_failure_says_how_many_windows_share_it() -> None:
    text = reporting.failure_message([failed("MID", "MID, a to b: HTTP 500", "MID, b to c: HTTP 500")])
    assert text == "1 of 1 datasets failed. MID: a to b: HTTP 500 (1 more)"


def test_no_failure_no_message() -> None:
    assert reporting.failure_message([outcome("written"), outcome("suspect")]) is None
