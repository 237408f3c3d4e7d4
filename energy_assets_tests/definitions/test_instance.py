"""What status and doctor read of a Dagster instance: a home made ready as `make run` does it, and none."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from energy_assets.assets.checks import check_key
from energy_assets.automation.instance import VARIABLE, home_of, read_instance
from energy_assets.catalogue import dataset
from energy_assets.checks.specs import BOUNDS, UNIQUE_KEY
from energy_assets.errors import SettingsError
from energy_assets.settings import Settings

SHIPPED = Path(__file__).parents[2] / "deploy" / "dagster.yaml"
MID = dataset("MID")


@dg.op
def fails() -> None:
    raise dg.Failure("no")


@dg.op
def works() -> None:
    pass


@dg.job
def nightly() -> None:
    fails()


@dg.job
def hourly() -> None:
    works()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home" / "dagster"
    folder.mkdir(parents=True)
    shutil.copy(SHIPPED, folder / "dagster.yaml")
    monkeypatch.setenv(VARIABLE, str(folder))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        for job in (hourly, nightly, hourly):
            job.execute_in_process(instance=instance, raise_on_error=False)
        instance.create_run_for_job(hourly, status=dg.DagsterRunStatus.STARTED)
        for spec, passed in ((BOUNDS, False), (UNIQUE_KEY, True)):
            key = check_key(MID, spec)
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=passed,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=f"bmrs/mid: {spec.name}.",
                )
            )
    monkeypatch.delenv(VARIABLE)
    return folder


def test_runs_verdicts_and_daemons_are_read_and_the_environment_stays_as_it_was(home: Path) -> None:
    known = read_instance(home, [MID, dataset("INDO")])
    assert VARIABLE not in os.environ
    assert {r.job: r.state for r in known.newest} == {"hourly": "running", "nightly": "failed"}
    assert [(r.job, r.state) for r in known.active] == [("hourly", "running")]
    assert [(v.dataset, v.check, v.severity, v.text) for v in known.verdicts] == [
        ("MID", "bounds", "warning", "bmrs/mid: bounds.")
    ]
    assert known.checks == 2
    now = datetime.now(UTC)
    assert {d.name for d in known.daemons} >= {"scheduler", "sensor"}
    assert known.silent(now) == known.daemons, "none was ever started"
    assert list(known.stuck(now)) == []
    assert [r.job for r in known.stuck(now + timedelta(hours=7))] == ["hourly"]


def test_an_instance_is_found_by_its_variable_or_beside_the_home(home: Path, tmp_path: Path) -> None:
    settings = Settings(home=home.parent)
    assert home_of(settings, {}) == home
    assert home_of(settings, {VARIABLE: str(tmp_path)}) is None, "no instance was made ready there"
    assert home_of(Settings(home=tmp_path / "other"), {VARIABLE: str(home)}) == home


def test_an_instance_that_cannot_be_read_is_one_sentence(home: Path) -> None:
    (home / "dagster.yaml").write_text("event_log_storage: 7\n")
    with pytest.raises(SettingsError, match=r"cannot be read .*dagster instance migrate"):
        read_instance(home, [MID])
