"""What repair finds: days without receipts, days whose rows are gone, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from energy_assets import calendar
from energy_assets.automation.build import build_definitions
from energy_assets.automation.repair import REPAIR_DAYS, open_ranges, repair_requests
from energy_assets.automation.ticks import Request
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Seen, Window
from energy_assets_tests.definitions.conftest import Runs

MID = dataset("MID")
NOW = datetime(2024, 7, 31, 12, tzinfo=UTC)
FIRST, LAST = date(2024, 7, 1), date(2024, 7, 29)


def day(n: int) -> date:
    return date(2024, 7, n)


def covered(*days: int) -> dict[str, list[Seen]]:
    return {"MID": [Seen(Window(*calendar.day_bounds_utc(day(n))), NOW, None) for n in days]}


def ranges(requests: list[Request]) -> list[tuple[date, date]]:
    return [(r.first, r.last) for r in requests]


def test_days_without_receipts_are_found_as_ranges() -> None:
    seen = covered(*(n for n in range(1, 30) if n not in (5, 6, 20)))
    assert ranges(open_ranges([MID], FIRST, LAST, seen, NOW)) == [(day(5), day(6)), (day(20), day(20))]


def test_a_dataset_that_was_never_kept_misses_nothing() -> None:
    assert open_ranges([MID], FIRST, LAST, {}, NOW) == []


def test_days_before_the_first_one_kept_are_not_missing() -> None:
    assert ranges(open_ranges([MID], FIRST, LAST, covered(*range(12, 29)), NOW)) == [(day(29), day(29))]


def test_an_empty_answer_that_was_given_up_is_left_to_people() -> None:
    seen = covered(*(n for n in range(1, 30) if n != 5))
    seen["MID"].append(Seen(Window(*calendar.day_bounds_utc(day(5))), None, NOW - timedelta(days=1)))
    assert open_ranges([MID], FIRST, LAST, seen, NOW) == []


def test_requests_name_the_datasets_that_miss_something() -> None:
    both = [MID, dataset("FUELHH")]
    seen = covered(*(n for n in range(1, 30) if n != 5))
    seen["FUELHH"] = covered(*(n for n in range(1, 30) if n not in (6, 15)))["MID"]
    found = open_ranges(both, FIRST, LAST, seen, NOW)
    assert [(r.first, r.last, [d.code for d in r.datasets]) for r in found] == [
        (day(5), day(6), ["MID", "FUELHH"]),
        (day(15), day(15), ["FUELHH"]),
    ]


def test_the_schedule_asks_for_a_day_whose_rows_are_gone_and_the_run_brings_them_back(run: Runs) -> None:
    now = datetime.now(tz=UTC)
    last = calendar.settlement_day(now) - timedelta(days=10)
    gone = last - timedelta(days=2)
    run(["bmrs/mid"], (last - timedelta(days=4), last), refetch=False)
    rows = run.rows("mid")
    run.sql(f"DELETE FROM bmrs_mid WHERE _partition_day = DATE '{gone}'")
    defs = build_definitions(run.platform, [MID, dataset("FUELHH")])
    repository = defs.get_repository_def()
    with dg.build_schedule_context(
        instance=run.instance,
        scheduled_execution_time=now,
        repository_def=repository,
        resources={"platform": repository.get_top_level_resources()["platform"]},
    ) as context:
        requests = defs.resolve_schedule_def("bmrs_repair_schedule").evaluate_tick(context).run_requests or []
    wanted = [r for r in requests if r.partition_key == str(gone)]
    assert [list(r.asset_selection or ()) for r in wanted] == [[dg.AssetKey(["bmrs", "mid"])]]
    result = run(["bmrs/mid"], gone, refetch=False)
    assert [p for p, _ in run.told(result, "bmrs/mid")] == [str(gone)]
    assert run.rows("mid") == rows


def test_an_empty_warehouse_asks_for_nothing(run: Runs) -> None:
    with run.platform.warehouse() as warehouse:
        assert not repair_requests([MID], datetime.now(tz=UTC), warehouse)
    assert REPAIR_DAYS <= 92
