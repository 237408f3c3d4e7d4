"""Runs through real HTTP and DuckDB: what lands, what Dagster is told, and what a failure says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from energy_assets import calendar
from energy_assets.assets.partitions import DAYS
from energy_assets.assets.provider import launched_utc
from energy_assets.assets.resources import Platform
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.settings import load_settings
from energy_assets_tests.definitions.conftest import DAY, Runs, failure_text

THREE = ("bmrs/fuelhh", "bmrs/mid", "bmrs/disebsp")


def backfill(name: str, launched: datetime) -> PartitionBackfill:
    """A backfill as the UI records it when somebody launches one."""
    return PartitionBackfill(
        backfill_id=name,
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=launched.timestamp(),
        asset_selection=[dg.AssetKey(["bmrs", "mid"])],
    )


def test_a_day_lands_and_is_reported_with_a_few_numbers(run: Runs) -> None:
    result = run(["bmrs/fuelhh"])
    assert result.success
    ((partition, numbers),) = run.told(result, "bmrs/fuelhh")
    assert partition == str(DAY)
    assert numbers["rows_inserted"] == run.rows("fuelhh") > 0
    assert set(numbers) == {"rows_inserted", "rows_updated", "requests"}


def test_a_schedule_finds_a_covered_day_done_and_says_nothing(run: Runs, sandbox: ElexonSandbox) -> None:
    assert run.told(run(THREE, refetch=False), "bmrs/mid")
    asked = len(sandbox.requests)
    again = run(THREE, refetch=False)
    assert again.success
    assert len(sandbox.requests) == asked
    assert not again.asset_materializations_for_node("bmrs")


def test_a_person_asks_for_a_covered_day_again(run: Runs, sandbox: ElexonSandbox) -> None:
    run(THREE)
    asked = len(sandbox.requests)
    again = run(THREE)
    assert again.success
    assert len(sandbox.requests) == 2 * asked
    ((_, numbers),) = run.told(again, "bmrs/fuelhh")
    assert (numbers["rows_inserted"], numbers["rows_updated"]) == (0, 0)


def test_a_schedule_reports_a_covered_day_that_dagster_does_not_know(run: Runs) -> None:
    """A killed run leaves rows and receipts of which Dagster has heard nothing."""
    run(["bmrs/mid"])
    with dg.instance_for_test() as other:
        run.instance = other
        assert run.told(run(["bmrs/mid"], refetch=False), "bmrs/mid") == [
            (str(DAY), {"rows_inserted": 0, "rows_updated": 0, "requests": 0})
        ]
        assert not run.told(run(["bmrs/mid"], refetch=False), "bmrs/mid")


def test_one_failing_dataset_and_one_failing_write_leave_the_others_landed(run: Runs, sandbox: ElexonSandbox) -> None:
    """MUST 6: 500 for ever, and a write that fails; the run fails and names both, the third lands and is yielded."""
    assert run(["bmrs/mid"], DAY - timedelta(days=1)).success
    run.sql("DROP TABLE bmrs_mid CASCADE")
    run.sql("CREATE VIEW bmrs_mid AS SELECT 1 AS x")
    sandbox.faults.add("status", dataset="DISEBSP", status=500)
    for refetch in (False, True):
        result = run(THREE, refetch=refetch)
        assert not result.success
        text = failure_text(result)
        assert "2 of 3 datasets failed, the others were not held up" in text
        assert "DISEBSP: " in text and "500" in text
        assert "MID: " in text
        assert [str(DAY)] == [p for p, _ in run.told(result, "bmrs/fuelhh")]
    assert run.rows("fuelhh") > 0
    failed = {n: run.instance.get_status_by_partition(dg.AssetKey(n.split("/")), [str(DAY)], DAYS) for n in THREE}
    assert {n: status[str(DAY)].value for n, status in failed.items() if status} == {
        "bmrs/fuelhh": "MATERIALIZED",
        "bmrs/mid": "FAILED",
        "bmrs/disebsp": "FAILED",
    }


def test_a_failed_dataset_is_made_good_by_the_next_run(run: Runs, sandbox: ElexonSandbox) -> None:
    fault = sandbox.faults.add("status", dataset="MID", status=503)
    assert not run(THREE, refetch=False).success
    sandbox.faults.remove(fault)
    asked = len(sandbox.requests)
    result = run(THREE, refetch=False)
    assert result.success
    assert {r.dataset for r in sandbox.requests[asked:]} == {"MID"}
    assert [p for p, _ in run.told(result, "bmrs/mid")] == [str(DAY)]


def test_a_table_dropped_by_hand_is_refilled_by_the_next_refresh(run: Runs) -> None:
    run(["bmrs/mid"], refetch=False)
    before = run.rows("mid")
    run.sql("DROP TABLE bmrs_mid CASCADE")
    assert run(["bmrs/mid"], refetch=False).success
    assert run.rows("mid") == before


def test_a_range_is_one_run_and_reports_every_day(run: Runs) -> None:
    last = DAY + timedelta(days=2)
    result = run(["bmrs/mid"], (DAY, last))
    assert result.success
    days = [str(DAY + timedelta(days=n)) for n in range(3)]
    assert [p for p, _ in run.told(result, "bmrs/mid")] == days
    assert {str(d) for (d,) in run.sql("SELECT DISTINCT _partition_day FROM bmrs_mid")} == set(days)


def test_a_scheduled_range_reports_only_the_days_that_it_filled(run: Runs) -> None:
    run(["bmrs/mid"], DAY)
    result = run(["bmrs/mid"], (DAY - timedelta(days=1), DAY + timedelta(days=1)), refetch=False)
    assert [p for p, _ in run.told(result, "bmrs/mid")] == [
        str(DAY - timedelta(days=1)),
        str(DAY + timedelta(days=1)),
    ]


def test_a_backfill_that_goes_on_does_not_ask_again_for_what_it_has(run: Runs, sandbox: ElexonSandbox) -> None:
    launched = datetime.now(tz=UTC)
    run.instance.add_backfill(backfill("resumed", launched))
    tags = {"dagster/backfill": "resumed"}
    run(["bmrs/mid"], tags=tags)
    asked = len(sandbox.requests)
    resumed = run(["bmrs/mid"], tags=tags)
    assert len(sandbox.requests) == asked
    assert [p for p, _ in run.told(resumed, "bmrs/mid")] == [str(DAY)]


def test_a_new_backfill_sets_older_receipts_aside(run: Runs, sandbox: ElexonSandbox) -> None:
    run(["bmrs/mid"])
    asked = len(sandbox.requests)
    run.instance.add_backfill(backfill("new", datetime.now(tz=UTC)))
    run(["bmrs/mid"], tags={"dagster/backfill": "new"})
    assert len(sandbox.requests) == 2 * asked


def test_a_re_executed_run_counts_from_its_root(run: Runs) -> None:
    root = run(["bmrs/mid"]).dagster_run
    again = run.instance.create_run_for_job(
        run.definitions(["bmrs/mid"]).resolve_job_def("bmrs_refresh"),
        root_run_id=root.run_id,
        parent_run_id=root.run_id,
        tags={"dagster/partition": str(DAY)},
    )
    assert launched_utc(run.instance, again) == launched_utc(run.instance, root) < datetime.now(tz=UTC)


def test_a_day_before_the_data_begin_is_an_error_when_asked_for_alone(run: Runs, sandbox: ElexonSandbox) -> None:
    result = run(["bmrs/fuelhh"], date(2001, 2, 3))
    assert not result.success
    assert "FUELHH begins on " in failure_text(result)
    assert not len(sandbox.requests)


def test_a_register_of_the_past_is_an_error_when_asked_for_alone(run: Runs) -> None:
    result = run(["bmrs/bmunits"])
    assert "BMUNITS is a register and can only be read as it is now" in failure_text(result)


def test_what_cannot_be_is_skipped_with_the_reason_in_a_mixed_selection(run: Runs) -> None:
    result = run(["bmrs/bmunits", "bmrs/mid"])
    assert result.success
    assert not run.told(result, "bmrs/bmunits")
    assert run.told(result, "bmrs/mid")


def test_a_register_is_read_for_today(run: Runs) -> None:
    today = calendar.settlement_day(datetime.now(tz=UTC))
    result = run(["bmrs/fueltypes"], today)
    assert result.success
    assert [p for p, _ in run.told(result, "bmrs/fueltypes")] == [str(today)]


def test_an_unwritable_home_and_a_wrong_setting_fail_with_one_sentence(instance: dg.DagsterInstance) -> None:
    good = {"ENERGY_ASSETS_HOME": "/proc/nowhere"}
    answers = iter([load_settings({}, None)])

    def settings():
        return next(answers, None) or load_settings(good, None)

    result = Runs(Platform(settings), instance)(["bmrs/mid"])
    assert failure_text(result).count("\n") <= 1
    assert "ENERGY_ASSETS_HOME" in failure_text(result)
