"""The same assets on BigQuery: a run through real HTTP to a BigQuery server, and what Dagster is told of its costs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from energy_assets.assets.resources import Platform
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.settings import load_settings
from energy_assets_tests.definitions.conftest import DAY, ImpatientPlatform, Runs


@pytest.fixture
def on_bigquery(tmp_path: Path, sandbox: ElexonSandbox, bigquery_server: Any) -> Iterator[Platform]:
    with running(sandbox) as url:
        variables = {
            "ENERGY_ASSETS_HOME": str(tmp_path / "home"),
            "ENERGY_ASSETS_ELEXON_URL": url,
            "ENERGY_ASSETS_LOG_LEVEL": "WARNING",
            "ENERGY_ASSETS_WAREHOUSE": "bigquery",
            "GOOGLE_CLOUD_PROJECT": f"runs-{uuid.uuid4().hex[:8]}",
            "BIGQUERY_EMULATOR_HOST": bigquery_server.rest,
            "ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT": bigquery_server.storage,
        }
        yield ImpatientPlatform(lambda: load_settings(variables, None))


def test_a_day_lands_on_bigquery_and_the_run_says_what_it_used(
    on_bigquery: Platform, instance: dg.DagsterInstance
) -> None:
    run = Runs(on_bigquery, instance)
    result = run(["bmrs/fuelhh"])
    assert result.success
    ((partition, numbers),) = run.told(result, "bmrs/fuelhh")
    assert partition == str(DAY)
    assert numbers["rows_inserted"] > 0
    assert numbers["jobs"] > 0
    assert not list(on_bigquery.settings().home.glob("*.duckdb"))
    recorded = instance.get_run_by_id(result.run_id)
    assert recorded is not None
    used = {
        n.removeprefix("energy_assets/"): float(v) for n, v in recorded.tags.items() if n.startswith("energy_assets/")
    }
    assert used["jobs"] >= numbers["jobs"]
    assert used["load_jobs"] >= 1
    assert used["api_calls"] > used["jobs"]


def test_derived_assets_are_read_from_and_written_to_bigquery(
    on_bigquery: Platform, instance: dg.DagsterInstance
) -> None:
    run = Runs(on_bigquery, instance)
    assert run(["bmrs/fuelhh"]).success
    result = run(["gb/generation_mix_half_hourly"])
    assert result.success
    ((_, numbers),) = run.told(result, "gb/generation_mix_half_hourly")
    assert numbers["rows_inserted"] > 0
    assert numbers["jobs"] > 0
