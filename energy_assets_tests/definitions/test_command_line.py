"""Dagster's own command line, in processes of its own, as people and cron use it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from energy_assets.assets.resources import Platform
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets_tests.definitions.conftest import DAY, Runs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(platform: Platform, tmp_path: Path):
    """Runs ``dagster asset materialize`` against the sandbox, with no DAGSTER_HOME."""
    settings = platform.settings()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER_", "ENERGY_ASSETS_"))}
    environment |= {
        "ENERGY_ASSETS_HOME": str(settings.home),
        "ENERGY_ASSETS_ELEXON_URL": settings.elexon_url,
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }

    def materialize(select: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        what = ["--select", select, *arguments, "-m", "energy_assets.definitions"]
        return subprocess.run(
            [sys.executable, "-m", "dagster", "asset", "materialize", *what],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )

    return materialize


def test_a_partition_is_materialized_as_users_know_it(command, run: Runs) -> None:
    done = command('key:"bmrs/fuelinst"', "--partition", str(DAY))
    assert done.returncode == 0, done.stderr
    assert run.rows("fuelinst") > 0


def test_a_range_is_one_run(command, run: Runs) -> None:
    last = DAY + timedelta(days=1)
    done = command('key:"bmrs/mid" or key:"bmrs/fuelhh"', "--partition-range", f"{DAY}...{last}")
    assert done.returncode == 0, done.stderr
    for name in ("mid", "fuelhh"):
        assert run.sql(f"SELECT count(DISTINCT _partition_day) FROM bmrs_{name}") == [(2,)]


def test_a_failure_ends_the_command_with_an_error_that_names_the_dataset(
    command, run: Runs, sandbox: ElexonSandbox
) -> None:
    sandbox.faults.add("status", dataset="MID", status=404)
    done = command('key:"bmrs/mid" or key:"bmrs/fuelhh"', "--partition", str(DAY))
    assert done.returncode != 0
    assert "1 of 2 datasets failed" in done.stderr and "MID" in done.stderr
    assert run.rows("fuelhh") > 0
