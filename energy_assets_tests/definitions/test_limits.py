"""Resolved limits follow their declarations: every day that a late or a long one concerns, in any order of arrival."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_assets import calendar, read
from energy_assets.assets.limits import SOURCES, resolve_days
from energy_assets.assets.resources import Platform
from energy_assets.automation.build import build_definitions
from energy_assets.automation.limits import DAYS_PER_RUN, LOOK_AGAIN, RETRY_AFTER, Cursor
from energy_assets.catalogue import dataset
from energy_assets.catalogue.derived import DECLARED_AFTER, DECLARED_AHEAD, TABLES
from energy_assets.ingest.limits import touched_days
from energy_assets.settings import load_settings
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Clock, at, batch, window

MELS, RESOLVED = dataset("iris/mels").table, "gb/mels_resolved"
KEY = dg.AssetKey(["iris", "mels"])
NIGHT = timedelta(days=1)

_numbers = itertools.count(1)


def declared(begin: str, end: str, level: float, sequence: int, sent: str, unit: str = "DRAXX-1") -> dict[str, Any]:
    """A message of one row, as it is stored."""
    number = next(_numbers)
    day, period = calendar.period_of(at(begin).replace(tzinfo=UTC))
    return {
        "dataset": "MELS",
        "settlementDate": day,
        "settlementPeriod": period,
        "timeFrom": at(begin),
        "timeTo": at(end),
        "levelFrom": level,
        "levelTo": level,
        "notificationTime": at("14 06:00"),
        "notificationSequence": sequence,
        "nationalGridBmUnit": unit,
        "bmUnit": f"T_{unit}",
        "_message_id": f"m{number}",
        "_message_sha256": f"{number:064x}",
        "_message_row": 0,
        "_enqueued_utc": at(sent),
        "_sequence_number": number,
    }


def send(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    warehouse.write(batch(MELS, rows, window(DAY, branch=(("_source_api", "IRIS"),))))


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    variables = {"ENERGY_ASSETS_HOME": str(tmp_path), "ENERGY_ASSETS_LOG_LEVEL": "WARNING"}
    return Platform(lambda: load_settings(variables, None))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def follow(platform: Platform, instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[Any, str | None]:
    """Evaluate the sensor and carry out what it asks for: the run's result, or why there is none, and the cursor."""
    defs = build_definitions(platform, [dataset("iris/mels"), dataset("iris/mils"), dataset("bmrs/fuelhh")])
    with dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=defs.get_repository_def()) as context:
        told = defs.resolve_sensor_def("gb_limits_sensor").evaluate_tick(context)
    if not told.run_requests:
        return told.skip_message, told.cursor
    (request,) = told.run_requests
    job = defs.resolve_job_def("gb_limits")
    result = job.execute_in_process(
        run_config=request.run_config, tags=dict(request.tags), instance=instance, raise_on_error=False
    )
    return result, told.cursor


def report(instance: dg.DagsterInstance, *days: date) -> None:
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=day.isoformat()))


def position(platform: Platform, first: date = DAY - 9 * NIGHT, last: date = DAY + 9 * NIGHT) -> list[tuple[Any, ...]]:
    rows = read(RESOLVED, first, last, as_arrow=True, settings=platform.settings()).to_pylist()
    return [(r["settlement_date"], f"{r['from_utc']:%H:%M}", f"{r['to_utc']:%H:%M}", r["level_from_mw"]) for r in rows]


def told_of(instance: dg.DagsterInstance) -> list[str | None]:
    filters = dg.AssetRecordsFilter(asset_key=dg.AssetKey(RESOLVED.split("/")))
    return sorted(r.partition_key or "" for r in instance.fetch_materializations(filters, limit=100).records)


def test_new_declarations_change_every_day_that_they_concern(platform: Platform, instance: dg.DagsterInstance) -> None:
    with platform.warehouse() as warehouse:
        send(warehouse, [declared("15 11:00", "15 11:30", 100, 1, "15 10:00")])
    report(instance, DAY)
    result, cursor = follow(platform, instance)
    assert result.success
    assert position(platform) == [(DAY, "11:00", "11:30", 100)]

    with platform.warehouse() as warehouse:
        late = declared("15 11:10", "15 11:20", 50, 9, "17 04:00")
        over_night = declared("16 22:45", "17 23:15", 70, 5, "17 04:00")
        send(warehouse, [late, over_night])
    report(instance, DAY + 2 * NIGHT)
    result, _ = follow(platform, instance, cursor)

    assert result.success
    found = position(platform)
    assert found[:3] == [(DAY, "11:00", "11:10", 100), (DAY, "11:10", "11:20", 50), (DAY, "11:20", "11:30", 100)]
    by_day = {day: len([row for row in found if row[0] == day]) for day, *_ in found}
    assert by_day == {DAY: 3, DAY + NIGHT: 1, DAY + 2 * NIGHT: 48, DAY + 3 * NIGHT: 1}
    # The ends of what stood before have moved; how it looked is kept.
    history = read(RESOLVED, DAY, DAY, as_arrow=True, settings=platform.settings())
    assert history.num_rows == 3
    with platform.warehouse() as warehouse:
        (old,) = warehouse.read(TABLES[RESOLVED], DAY, DAY, view="history").to_pylist()
    assert (f"{old['to_utc']:%H:%M}", old["_change"]) == ("11:30", "revised")


def test_days_that_changed_are_reported_as_far_as_they_have_come(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    today = calendar.settlement_day(datetime.now(tz=UTC))
    start = calendar.day_start_utc(today).replace(tzinfo=None)
    row = declared("15 11:00", "15 11:30", 100, 1, "15 10:00")
    row |= {"timeFrom": start - timedelta(hours=1), "timeTo": start + timedelta(days=2), "_enqueued_utc": start}
    with platform.warehouse() as warehouse:
        send(warehouse, [row])
    report(instance, today)

    assert follow(platform, instance)[0].success
    assert told_of(instance) == [(today - NIGHT).isoformat(), today.isoformat()]
    assert {row[0] for row in position(platform, today - NIGHT, today + 2 * NIGHT)} >= {today + NIGHT}
    report(instance, today)
    assert follow(platform, instance)[0].success
    assert len(told_of(instance)) == 2


def test_nothing_new_asks_for_nothing(platform: Platform, instance: dg.DagsterInstance) -> None:
    skipped, cursor = follow(platform, instance)
    assert skipped == "no new declarations"
    assert follow(platform, instance, cursor)[0] == "no new declarations"


def test_a_day_is_computed_by_hand_too_and_a_range_in_pieces(platform: Platform, instance: dg.DagsterInstance) -> None:
    with platform.warehouse() as warehouse:
        send(warehouse, [declared("13 22:00", "18 10:00", 100, 1, "15 10:00")])
    defs = build_definitions(platform, [dataset("iris/mels"), dataset("iris/mils"), dataset("bmrs/fuelhh")])
    job = defs.resolve_implicit_global_asset_job_def()
    tags = {
        "dagster/asset_partition_range_start": (DAY - NIGHT).isoformat(),
        "dagster/asset_partition_range_end": (DAY + 3 * NIGHT).isoformat(),
    }
    key = dg.AssetKey(RESOLVED.split("/"))

    result = job.execute_in_process(instance=instance, asset_selection=[key], tags=tags)

    assert result.success
    assert [row[0] for row in position(platform)].count(DAY) == 48
    assert {row[0] for row in position(platform)} == {DAY + n * NIGHT for n in range(-1, 4)}


def test_a_day_without_any_declaration_loaded_says_what_to_do(platform: Platform, instance: dg.DagsterInstance) -> None:
    defs = build_definitions(platform, [dataset("iris/mels"), dataset("iris/mils"), dataset("bmrs/fuelhh")])
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(RESOLVED.split("/"))],
        partition_key=DAY.isoformat(),
        raise_on_error=False,
    )
    assert not result.success
    (failed,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert "refresh MELS_IRIS first" in str(failed.step_failure_data.error)


def test_what_was_sent_too_far_from_a_day_does_not_count_and_is_told(
    platform: Platform, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    end = DAY + DECLARED_AHEAD + 3 * NIGHT
    with platform.warehouse() as warehouse:
        send(warehouse, [declared("15 11:00", f"{end.day} 12:00", 100, 1, "15 10:00")])
    report(instance, DAY)

    assert follow(platform, instance)[0].success
    assert {row[0] for row in position(platform)} == {DAY + n * NIGHT for n in range(DECLARED_AHEAD.days + 1)}
    assert "1 declarations sent on 2026-07-15 concern days too far from it" in capfd.readouterr().err


# What the sensor remembers.

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)


def test_a_day_is_followed_once_more_for_what_was_not_reported() -> None:
    cursor = Cursor()
    assert cursor.choose({RESOLVED: {DAY: NOW}}, NOW) == {RESOLVED: [DAY]}
    cursor = Cursor.of(cursor.text())
    assert cursor.choose({}, NOW + LOOK_AGAIN - timedelta(seconds=1)) == {}
    again = NOW + LOOK_AGAIN - timedelta(minutes=1)
    assert cursor.choose({RESOLVED: {DAY: again}}, again) == {RESOLVED: [DAY]}
    assert cursor.choose({}, NOW + LOOK_AGAIN) == {}
    assert cursor.choose({}, again + LOOK_AGAIN) == {RESOLVED: [DAY]}
    assert cursor.choose({}, again + 9 * LOOK_AGAIN) == {}


def test_a_long_refill_is_followed_newest_first_and_whole() -> None:
    days = {DAY - n * NIGHT: NOW for n in range(2 * DAYS_PER_RUN + 3)}
    cursor = Cursor()

    runs = [cursor.choose({RESOLVED: days}, NOW)[RESOLVED], cursor.choose({}, NOW)[RESOLVED]]
    runs.append(cursor.choose({}, NOW)[RESOLVED])

    assert [len(run) for run in runs] == [DAYS_PER_RUN, DAYS_PER_RUN, 3]
    assert max(runs[0]) == DAY
    assert {day for run in runs for day in run} == set(days)


def test_days_of_a_failed_run_are_followed_again_until_one_succeeds(
    platform: Platform, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(instance, DAY)
    result, cursor = follow(platform, instance)
    assert not result.success

    assert follow(platform, instance, cursor)[0] == "no new declarations"
    monkeypatch.setattr("energy_assets.automation.limits.RETRY_AFTER", -RETRY_AFTER)
    with platform.warehouse() as warehouse:
        send(warehouse, [declared("15 11:00", "15 11:30", 100, 1, "15 10:00")])
    result, cursor = follow(platform, instance, cursor)
    assert result.success
    assert position(platform) == [(DAY, "11:00", "11:30", 100)]
    assert follow(platform, instance, cursor)[0] == "no new declarations"


def test_days_are_kept_until_a_run_that_held_them_has_succeeded() -> None:
    days = [DAY - n * NIGHT for n in range(10)]
    cursor = Cursor()
    cursor.under_way["first"] = cursor.choose({RESOLVED: dict.fromkeys(days, NOW)}, NOW)
    cursor.settle("first", True, NOW)
    again = NOW + LOOK_AGAIN
    cursor.under_way["second"] = cursor.choose({}, again)
    cursor = Cursor.of(cursor.text())
    assert cursor.under_way["second"] == {RESOLVED: sorted(days)}

    cursor.settle("second", False, again)
    # A later run about something else succeeds meanwhile.
    cursor.under_way["third"] = cursor.choose({RESOLVED: {DAY + NIGHT: again}}, again)
    assert cursor.under_way["third"] == {RESOLVED: [DAY + NIGHT]}
    cursor.settle("third", True, again)

    assert cursor.choose({}, again + RETRY_AFTER - timedelta(seconds=1)) == {}
    assert cursor.choose({}, again + RETRY_AFTER) == {RESOLVED: sorted(days)}


def test_a_cursor_of_before_is_understood() -> None:
    assert Cursor.of('{"after": {"a": 1}, "look": {}}') == Cursor({"a": 1})


# Any order of arrival, in any number of runs.


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """A declaration about a night, sent within days of it."""
    begin = datetime(2026, 7, 15, 23) + timedelta(minutes=15 * draw(st.integers(-6, 6)))
    sent = DAY + draw(st.integers(-DECLARED_AHEAD.days, DECLARED_AFTER.days)) * NIGHT
    row = declared("15 11:00", "15 11:30", float(draw(st.integers(0, 3))), draw(st.integers(0, 3)), "15 10:00")
    row["_enqueued_utc"] = datetime.combine(sent, datetime.min.time()) + timedelta(hours=12)
    return row | {"timeFrom": begin, "timeTo": begin + timedelta(minutes=15 * draw(st.integers(0, 12)))}


def arrived(folder: Path, batches: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The resolved table after batches that are each loaded and followed in a run of their own."""
    warehouse = DuckDBWarehouse(folder / f"{next(_numbers)}.duckdb", "uk", clock=Clock())
    for rows in batches:
        if not rows:
            continue
        send(warehouse, rows)
        days: set[date] = set()
        for sent in {calendar.settlement_day(row["_enqueued_utc"].replace(tzinfo=UTC)) for row in rows}:
            declarations = warehouse.read(dataset(SOURCES[RESOLVED]).table, sent, sent)
            days.update(touched_days(declarations, sent)[0])
        resolve_days(warehouse, RESOLVED, days, "run")
    try:
        table = warehouse.read(TABLES[RESOLVED], DAY - 9 * NIGHT, DAY + 9 * NIGHT)
    finally:
        warehouse.close()
    return table.select([f.name for f in TABLES[RESOLVED].fields if f.hashed]).to_pylist()


@pytest.mark.slow
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(messages(), min_size=2, max_size=7).flatmap(lambda m: st.tuples(st.just(m), st.permutations(m))))
def test_any_split_into_runs_gives_the_same_table(
    tmp_path: Path, orders: tuple[list[dict[str, Any]], list[dict[str, Any]]]
) -> None:
    rows, shuffled = orders
    rows[0]["timeTo"] = rows[0]["timeFrom"] + timedelta(minutes=45)
    half = len(rows) // 2

    whole = arrived(tmp_path, [rows])

    assert arrived(tmp_path, [[row] for row in shuffled]) == whole
    assert arrived(tmp_path, [shuffled[half:], shuffled[:half]]) == whole
