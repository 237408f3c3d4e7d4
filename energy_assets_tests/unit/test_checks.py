"""Evaluators and what is told of them: pure functions, with facts made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.expected import due_count, due_instant, expectation
from energy_assets.checks.facts import BodyFacts, ColumnFacts, DayFacts, Question, ReceiptFacts, TableFacts
from energy_assets.checks.held import Held
from energy_assets.checks.model import Finding
from energy_assets.checks.rules import JUDGES, evaluate
from energy_assets.checks.specs import APPLIES, ROW_COUNT, all_specs, specs_for
from energy_assets.checks.telling import GREEN_AT_ONCE, Told, standing, widened, worth_telling
from energy_assets.warehouse import facts as sql
from energy_assets.warehouse.interface import Place
from energy_assets.warehouse.sql import DUCKDB

DAY = date(2026, 7, 15)
NOW = datetime(2026, 7, 29, 9, tzinfo=UTC)
UTC_DAY = calendar.day_start_utc(DAY)


def held(name: str = "bmrs/indo", now: datetime = NOW, **facts: Any) -> Held:
    return Held(dataset(name), DAY, DAY, now, TableFacts(exists=True, **facts), DAY, UTC_DAY + timedelta(hours=23.5))


def finding(check: str, found: Held) -> Finding:
    return next(f for f in evaluate(found) if f.check == check)


def test_every_check_has_an_evaluator_and_every_dataset_has_checks():
    applied = [spec for spec, _ in APPLIES]
    assert JUDGES.keys() <= set(applied)
    assert len({spec.name for spec in applied}) == len(applied)
    assert all(specs_for(d) for d in datasets())


def test_files_have_no_checks_of_windows():
    names = {spec.name for d in datasets("neso") for spec in all_specs(d)}
    kept = {
        "reconciliation",
        "receipts_against_rows",
        "unique_key",
        "null_rules",
        "bounds",
        "schema_drift",
        "quarantine",
    }
    assert names & {spec.name for spec in JUDGES} == kept


@pytest.mark.parametrize("provider", ["bmrs", "iris", "neso"])
def test_the_statements_of_every_dataset_can_be_run(provider: str):
    entries = datasets(provider)
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA s")
        for d in entries:
            connection.execute(f"CREATE TABLE s.{d.table.name} ({DUCKDB.columns(d.table.columns)})")
        columns = {d.table.name: [name for name, _ in d.table.columns] for d in entries}
        place = Place(DUCKDB, "s", columns, dict.fromkeys(columns, "id"))
        for d in entries:
            assert connection.execute(sql.rows_of_days(place, Question.of(d), (DAY, DAY))).fetchall() == []
            assert connection.execute(sql.repeated_keys(place, Question.of(d), (DAY, DAY))).fetchall() == []


def test_what_was_never_asked_for_has_no_findings():
    assert evaluate(Held(dataset("bmrs/indo"), DAY, DAY, NOW, asked=False)) == []


@pytest.mark.parametrize(
    ("day", "name", "whole"),
    [
        (date(2026, 3, 29), "bmrs/fuelinst", 276),
        (date(2026, 10, 25), "bmrs/fuelinst", 300),
        (date(2026, 3, 29), "bmrs/indo", 46),
        (date(2025, 10, 26), "bmrs/mid", 50),
        (DAY, "bmrs/freq", int(5760 * 0.98)),
        (DAY, "bmrs/ndf", int(48 * 0.9)),
        (DAY, "bmrs/indod", 1),
    ],
)
def test_how_much_a_settled_day_must_have(day: date, name: str, whole: int):
    assert due_count(dataset(name), day, datetime(2026, 12, 1, tzinfo=UTC)) == whole


@pytest.mark.parametrize(("hours", "due"), [(5.9, 0), (6.0, 0), (6.5, 1), (16, 20), (30, 48)])
def test_of_a_day_that_goes_on_what_has_settled_must_be_there(hours: float, due: int):
    assert due_count(dataset("bmrs/indo"), DAY, UTC_DAY + timedelta(hours=hours)) == due


def test_what_settles_by_working_days_is_expected_when_they_have_passed():
    b1610 = dataset("bmrs/b1610")
    friday = date(2026, 7, 24)
    newest = due_instant(b1610, datetime(2026, 7, 24, 9, tzinfo=UTC))
    assert newest is not None and calendar.settlement_day(newest) < friday - timedelta(days=6)
    assert due_count(b1610, friday, datetime(2026, 7, 27, 9, tzinfo=UTC)) == 0


def test_where_silence_is_no_fault_nothing_is_expected():
    assert expectation(dataset("bmrs/syswarn")) is None
    assert due_instant(dataset("bmrs/syswarn"), NOW) is None
    assert due_instant(dataset("neso/historic_demand"), NOW) is None


def test_a_row_of_the_future_does_not_make_a_dataset_fresh():
    ahead = Held(dataset("bmrs/fuelinst"), DAY, DAY, NOW, newest_utc=NOW + timedelta(days=900))
    found = finding("freshness", ahead)
    assert (found.passed, found.severity) == (False, "error")
    assert "which is still to come" in found.text and "bmrs/fuelinst" in found.text and "delete it" in found.text


@pytest.mark.parametrize(("begun", "passes"), [(23.0, True), (22.5, False)])
def test_what_settles_at_the_end_of_its_interval_is_told_by_its_start(begun: float, passes: bool):
    """At 01:25 the half hour to 23:30 has settled, by a lag of 90 minutes, and that to 00:00 has not."""
    now, newest = UTC_DAY + timedelta(hours=26, minutes=25), UTC_DAY + timedelta(hours=begun + 1)
    assert (
        finding("freshness", Held(dataset("bmrs/boav"), DAY, DAY + timedelta(days=1), now, newest_utc=newest)).passed
        is passes
    )


@pytest.mark.parametrize("kept_from", [None, DAY + timedelta(days=1)])
def test_nothing_is_due_of_days_that_nobody_asked_for(kept_from: date | None):
    empty = Held(dataset("bmrs/indo"), DAY, DAY, NOW, kept_from=kept_from)
    assert {f.check for f in evaluate(empty) if not f.passed} == set()


def history(rows: int, weeks: int = 8, jump: int = 0) -> dict[date, int]:
    days = (DAY - timedelta(days=n) for n in range(1, 7 * weeks + 1))
    return {day: rows + (jump if day.weekday() >= 5 else 0) + day.day % 3 for day in days}


@pytest.mark.parametrize(("rows", "passes"), [(1000, True), (1290, True), (1400, False), (600, False), (0, False)])
def test_a_day_is_compared_with_days_like_it(rows: int, passes: bool):
    days = {DAY: DayFacts(rows, rows)} if rows else {}
    found = finding(ROW_COUNT.name, held("bmrs/disbsad", days=days, recorded=history(1000)))
    assert found.passed is passes
    assert passes or ("bmrs/disbsad" in found.text and str(DAY) in found.text)


def test_weekends_are_not_compared_with_working_days():
    recorded = history(1000, weeks=2, jump=-700)
    assert finding(ROW_COUNT.name, held("bmrs/disbsad", days={DAY: DayFacts(1000, 1000)}, recorded=recorded)).passed


def test_without_a_history_no_count_is_unusual():
    found = finding(ROW_COUNT.name, held("bmrs/disbsad", days={DAY: DayFacts(1, 1)}, recorded=history(1000, weeks=0)))
    assert found.passed and found.numbers == {"days_judged": 0}


def test_a_short_day_is_scaled_before_it_is_compared():
    short = date(2026, 3, 29)
    recorded = {short - timedelta(days=7 * n): 4800 for n in range(1, 9)}
    entry = dataset("bmrs/disbsad")
    facts = TableFacts(True, {short: DayFacts(4600, 4600)}, recorded)
    found = finding(ROW_COUNT.name, Held(entry, short, short, NOW, facts))
    assert found.passed and found.numbers == {"days_judged": 1}


def test_a_column_missing_in_some_windows_is_none_that_is_gone():
    some, everywhere = ColumnFacts(3, UTC_DAY), ColumnFacts(4, UTC_DAY)
    receipts = ReceiptFacts(windows=4, answered=4, missing_columns={"demand": some})
    assert finding("schema_drift", held(receipts=receipts)).passed
    receipts = ReceiptFacts(windows=4, answered=4, missing_columns={"demand": everywhere, "dataset": everywhere})
    found = finding("schema_drift", held(receipts=receipts))
    assert not found.passed and "missing column demand since" in found.text


def test_equal_answers_are_no_fault_where_the_entry_allows_them():
    receipts = ReceiptFacts(bodies=(BodyFacts(2, UTC_DAY, UTC_DAY),))
    assert not finding("repeated_sample", held(receipts=receipts)).passed
    assert "repeated_sample" not in {s.name for s in specs_for(dataset("bmrs/netbsad"))}


@pytest.mark.parametrize(("bad", "severity"), [(1, "warning"), (11, "error")])
def test_many_unreadable_rows_are_an_error(bad: int, severity: str):
    receipts = ReceiptFacts(1, 1, {"fetched": 1000, "quarantined": bad}, quarantined=1, quarantined_utc=UTC_DAY)
    assert finding("quarantine", held(receipts=receipts)).severity == severity


# What is told.


def verdict(passed: bool, day: date = DAY, check: str = "bounds", severity: Any = "warning") -> Finding:
    return Finding(check, "INDO", day, day, passed, "info" if passed else severity, "text")


def told(passed: bool, hours: float, day: date = DAY, check: str = "bounds", severity: Any = "warning"):
    kept = Told(passed, NOW - timedelta(hours=hours), "info" if passed else severity, day, day, "older")
    return {("INDO", check): kept}


YESTERDAY = DAY - timedelta(days=1)


@pytest.mark.parametrize(
    ("found", "before", "news"),
    [
        (verdict(True), {}, True),
        (verdict(True), told(True, 24 * 5), False),
        (verdict(True), told(True, 24 * 8), True),
        (verdict(True), told(False, 1), True),
        (verdict(True), told(False, 1, YESTERDAY), False),
        (verdict(True, check="freshness"), told(False, 1, YESTERDAY, "freshness"), True),
        # A look at the past says nothing of the present.
        (verdict(True, YESTERDAY, "freshness"), told(False, 1, DAY, "freshness"), False),
        # What no look judges any more is history.
        (verdict(True, check="unusual"), told(False, 1, DAY - timedelta(days=6), "unusual"), False),
        (verdict(True, check="unusual"), told(False, 1, DAY - timedelta(days=7), "unusual"), True),
        (verdict(False), {}, True),
        (verdict(False), told(True, 1), True),
        (verdict(False), told(False, 23), False),
        (verdict(False), told(False, 25), True),
        (verdict(False, severity="error"), told(False, 1), True),
        (verdict(False), told(False, 1, severity="error"), False),
    ],
)
def test_what_is_worth_an_event(found: Finding, before: dict[tuple[str, str], Told], news: bool):
    assert bool(worth_telling([found], before, NOW)) is news


def test_what_stands_holds_older_faults_of_days_that_were_not_looked_at():
    assert [f.text for f in standing([verdict(True)], told(False, 1, YESTERDAY))] == ["older"]
    assert standing([verdict(True)], told(False, 1)) == []
    assert [f.text for f in standing([verdict(False)], told(False, 1, YESTERDAY))] == ["text"]
    assert [f.text for f in standing([], told(False, 1))] == ["older"]


def test_a_red_verdict_keeps_the_days_of_an_older_one_that_were_not_looked_at():
    red, older = verdict(False), told(False, 25, YESTERDAY, severity="error")
    (wide,) = widened([red], older, (DAY, DAY))
    assert (wide.from_day, wide.to_day, wide.severity, wide.text) == (YESTERDAY, DAY, "error", "text")
    kept = Told(False, NOW, wide.severity, wide.from_day, wide.to_day, wide.text)
    assert standing([verdict(True)], {("INDO", "bounds"): kept})

    assert widened([red], older, (YESTERDAY, DAY)) == [red]
    assert widened([verdict(True)], older, (DAY, DAY)) == [verdict(True)]
    assert widened([red], told(True, 1, YESTERDAY), (DAY, DAY)) == [red]


def test_a_first_look_tells_every_fault_and_some_of_the_rest():
    many = [Finding(f"c{n}", "INDO", DAY, DAY, n % 2 == 0, "info", "") for n in range(1000)]
    news = worth_telling(many, {}, NOW)
    assert sum(not f.passed for f in news) == 500
    assert sum(f.passed for f in news) == GREEN_AT_ONCE


def entries() -> list[Dataset]:
    return [d for d in datasets() if d.provider != "neso"]


def test_asset_checks_have_names_that_dagster_takes():
    assert all(spec.name.isidentifier() for d in entries() for spec in all_specs(d))
