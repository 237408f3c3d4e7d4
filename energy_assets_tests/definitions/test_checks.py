"""Checks as Dagster runs and keeps them: the step for people, the jobs that look, what becomes an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned

from energy_assets import catalogue
from energy_assets.assets.checks import check_key, metadata_of, told_verdicts
from energy_assets.assets.resources import Platform
from energy_assets.automation import checks as automation
from energy_assets.automation.build import build_definitions
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.derived import TABLES
from energy_assets.checks.model import Finding
from energy_assets.checks.specs import EXPECTED_PERIODS, all_specs
from energy_assets.sources.elexon_status import ElexonWord
from energy_assets.tracking.alerts import open_alerts
from energy_assets_tests.definitions.conftest import DAY, Runs

NAMES = ("bmrs/fuelhh", "bmrs/indo")


def evaluations(instance: dg.DagsterInstance, check: str, name: str = "bmrs/indo") -> list[dg.AssetCheckEvaluation]:
    """Verdicts of one check that the instance holds, newest first."""
    key = dg.AssetCheckKey(dg.AssetKey(name.split("/")), check)
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    return [r.evaluation for r in records if isinstance(r.evaluation, dg.AssetCheckEvaluation)]


def look(run: Runs, **config: Any) -> dg.ExecuteInProcessResult:
    """The job that looks, as a person starts it."""
    job = run.definitions(NAMES).resolve_job_def("bmrs_checks")
    settings = {"from_day": DAY.isoformat(), "to_day": DAY.isoformat()} | config
    return job.execute_in_process(
        run_config={"ops": {"look_at_bmrs": {"config": settings}}}, instance=run.instance, raise_on_error=False
    )


def reported(run: Runs) -> int:
    return sum(len(evaluations(run.instance, spec.name, name)) for name in NAMES for spec in all_specs(dataset(name)))


def test_every_dataset_has_its_checks_with_words() -> None:
    graph = build_definitions().resolve_asset_graph()
    wanted = {check_key(d, s) for d in datasets() for s in all_specs(d)}
    assert set(graph.asset_check_keys) == wanted
    names = Counter(key.name for key in wanted)
    assert names["reconciliation"] == 102 + 90 + 186
    assert all(graph.get_check_spec(key).description for key in wanted)
    assert not any(graph.get_check_spec(key).blocking for key in wanted)


def test_every_asset_has_a_freshness_policy() -> None:
    policies = {s.key.to_user_string(): s.freshness_policy for s in build_definitions().resolve_all_asset_specs()}
    assert {d.name for d in catalogue.datasets()} | set(TABLES) <= set(policies)
    assert [name for name, policy in policies.items() if policy is None] == []


def test_jobs_that_refresh_plan_no_check() -> None:
    defs = build_definitions()
    for name in ("bmrs_refresh", "bmrs_revisions", "bmrs_repair", "iris_repair", "gb_derived"):
        assert not defs.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys


def test_who_materializes_an_asset_sees_its_checks_for_these_days(run: Runs) -> None:
    result = run(["bmrs/indo"])

    assert result.success
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert set(found) == {s.name for s in all_specs(dataset("bmrs/indo"))}
    assert all(e.passed for e in found.values()), {n: e.description for n, e in found.items() if not e.passed}
    assert str(DAY) in str(found["reconciliation"].description)


def test_a_check_that_fails_does_not_fail_the_run(run: Runs) -> None:
    run(["bmrs/indo"])
    run.sql("UPDATE bmrs_indo SET demand = -500000 WHERE settlementPeriod = 7")

    result = look(run)

    assert result.success
    (bounds, *_) = evaluations(run.instance, "bounds")
    assert (bounds.passed, bounds.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "bmrs/indo, 2024-07-15" in str(bounds.description) and "energy-assets refresh" in str(bounds.description)


def test_what_does_not_pass_is_an_incident_and_a_look_at_a_few_ends_none(run: Runs) -> None:
    run(["bmrs/indo"])
    run.sql("UPDATE bmrs_indo SET demand = -500000 WHERE settlementPeriod = 7")
    look(run)
    found = {i.key for i in open_alerts(run.platform.settings()).incidents() if i.scope == "checks bmrs"}
    assert "bounds bmrs/indo" in found

    look(run, datasets=["bmrs/fuelhh"])
    after = {i.key for i in open_alerts(run.platform.settings()).incidents() if i.resolved_utc is None}
    assert found <= after


def test_a_look_reports_what_is_new_and_then_only_what_changes(run: Runs) -> None:
    run(list(NAMES))
    before = reported(run)
    run.sql("UPDATE bmrs_indo SET demand = -500000 WHERE settlementPeriod = 7")

    look(run)
    assert reported(run) == before + 1
    look(run)
    assert reported(run) == before + 1

    run.sql("UPDATE bmrs_indo SET demand = 30000 WHERE settlementPeriod = 7")
    look(run)
    assert reported(run) == before + 2
    assert [e.passed for e in evaluations(run.instance, "bounds")] == [True, False, True]


def test_a_look_at_other_days_does_not_clear_a_red_verdict(run: Runs) -> None:
    run(["bmrs/indo"])
    run.sql("DELETE FROM bmrs_indo WHERE settlementPeriod = 7")
    look(run)
    assert not evaluations(run.instance, "expected_periods")[0].passed

    other = DAY - timedelta(days=1)
    run(["bmrs/fuelhh"], other)
    look(run, from_day=other.isoformat(), to_day=other.isoformat(), datasets=["bmrs/indo"])
    assert not evaluations(run.instance, "expected_periods")[0].passed


def test_who_executes_checks_on_other_days_does_not_clear_a_red_verdict(run: Runs) -> None:
    run(["bmrs/indo"])
    run.sql("DELETE FROM bmrs_indo WHERE settlementPeriod = 7")
    look(run)

    run(["bmrs/indo"], DAY - timedelta(days=1))
    (newest, *_) = evaluations(run.instance, "expected_periods")
    assert not newest.passed and str(DAY) in str(newest.description)
    assert evaluations(run.instance, "bounds")[0].passed

    run(["bmrs/indo"], refetch=True)
    assert evaluations(run.instance, "expected_periods")[0].passed


def test_a_run_that_broke_off_does_not_hide_a_red_verdict(run: Runs) -> None:
    run(["bmrs/indo"])
    run.sql("DELETE FROM bmrs_indo WHERE settlementPeriod = 7")
    look(run)
    key = check_key(dataset("bmrs/indo"), EXPECTED_PERIODS)
    planned = AssetCheckEvaluationPlanned(asset_key=key.asset_key, check_name=key.name)
    run.instance.report_dagster_event(
        dg.DagsterEvent("ASSET_CHECK_EVALUATION_PLANNED", "a_job", event_specific_data=planned), run_id="broken-off"
    )

    told = told_verdicts(run.instance, [dataset("bmrs/indo")])["INDO", "expected_periods"]
    assert (told.passed, told.hidden) == (False, True)
    # A look at other days shows it again, as it was.
    look(run, from_day=str(DAY + timedelta(days=1)), to_day=str(DAY + timedelta(days=1)))
    again = told_verdicts(run.instance, [dataset("bmrs/indo")])["INDO", "expected_periods"]
    assert (again.passed, again.hidden, again.from_day) == (False, False, DAY)


def test_figures_that_are_no_numbers_are_left_out() -> None:
    found = Finding("bounds", "INDO", DAY, DAY, False, "warning", "", {"low": float("-inf"), "worst": float("nan")})
    assert metadata_of(found) == {"from_day": DAY.isoformat(), "to_day": DAY.isoformat()}


def test_an_update_that_only_the_daily_look_asks_about_is_no_incident(
    run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["bmrs/indo"])
    updated = {"INDO": datetime.now(tz=UTC) + timedelta(days=2)}

    def asks(*_: object, **__: object) -> Callable[..., ElexonWord]:
        return lambda *_: ElexonWord({}, updated)

    monkeypatch.setattr(automation, "ask_elexon", asks)
    result = look(run, elexon=True)

    assert result.success
    assert not [i.key for i in open_alerts(run.platform.settings()).incidents() if "last_update" in i.key]


def test_what_was_never_asked_for_is_no_matter_of_a_look(run: Runs) -> None:
    result = look(run)

    assert result.success
    assert reported(run) == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"from_day": "yesterday"}, "give days as 2026-07-15"),
        ({"from_day": "2024-07-16"}, "comes before the first"),
        ({"datasets": ["bmrs/nothing"]}, "is no dataset of this provider"),
    ],
)
def test_wrong_words_are_told(run: Runs, config: dict[str, Any], said: str) -> None:
    result = look(run, **config)

    assert not result.success
    (event,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert said in str(event.step_failure_data.error)


@pytest.mark.parametrize(("name", "days"), [("bmrs_checks_hourly", 2), ("bmrs_checks_daily", 28)])
def test_schedules_look_at_the_newest_days(platform: Platform, name: str, days: int) -> None:
    defs = build_definitions(platform)
    repository = defs.get_repository_def()
    at = datetime(2026, 7, 15, 8, 35, tzinfo=UTC)
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            repository_def=repository,
            resources={"platform": repository.get_top_level_resources()["platform"]},
        ) as context,
    ):
        (request,) = defs.resolve_schedule_def(name).evaluate_tick(context).run_requests or []
    assert request.run_config["ops"]["look_at_bmrs"]["config"]["days"] == days
