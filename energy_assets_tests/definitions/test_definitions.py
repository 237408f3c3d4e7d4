"""The whole graph: it loads without an environment, every part resolves, and every asset says what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from energy_assets import catalogue
from energy_assets.assets import limits
from energy_assets.assets.partitions import DAYS
from energy_assets.automation.build import build_definitions
from energy_assets.catalogue import derived
from energy_assets.catalogue.model import PROVENANCE
from energy_assets.settings import SettingsError

HEAVY = (
    "pandas pyarrow duckdb httpx dagster_pandas dagster_gcp google.cloud holidays starlette uvicorn azure gspread "
    "apprise"
)
"""What a code location must not load: it is loaded by every process, and most need none of it."""

SELECTIONS = {
    "group:bid_offer": "bmrs/bod",
    "kind:elexon": "bmrs/fuelinst",
    "kind:duckdb": "gb/generation_mix_half_hourly",
    'key:"bmrs/fuelinst"': "bmrs/fuelinst",
    'key:"bmrs/*"': "bmrs/remit",
    "tag:cadence=continuous": "bmrs/fuelinst",
    "tag:revisions=vintage": "bmrs/windfor",
    'tag:"profile/core"': "bmrs/fuelhh",
    'owner:"team:energy-data"': "bmrs/mid",
    '+key:"gb/generation_mix_half_hourly"': "bmrs/fuelhh",
    'key:"bmrs/fuelhh"+': "gb/generation_mix_half_hourly",
    'group:generation and not tag:"profile/core"': "bmrs/b1610",
    "kind:ckan": "neso/historic_demand",
    "group:ancillary_services": "neso/eac_summary",
    "tag:cadence=snapshot": "neso/tec_register",
}
"""Selections that the documentation shows, each with an asset that must be among what it selects."""


@pytest.fixture
def defs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dg.Definitions:
    """The location as it loads with no variable set and nothing in the current folder."""
    from energy_assets.definitions import defs as load

    for name in list(os.environ):
        if name.startswith(("ENERGY_ASSETS_", "BMRS_", "GOOGLE_", "IRIS_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return load()


@pytest.fixture
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {"/".join(s.key.path): s for s in defs.resolve_all_asset_specs()}


def test_the_location_is_loadable_and_touches_nothing(defs: dg.Definitions, tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(defs)
    assert not list(tmp_path.iterdir())


def test_importing_the_location_loads_nothing_heavy_and_reads_no_setting(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "os.environ['ENERGY_ASSETS_WAREHOUSE'] = 'nonsense'\n"
        "import energy_assets.definitions\n"
        "del os.environ['ENERGY_ASSETS_WAREHOUSE']\n"
        "energy_assets.definitions.defs().get_repository_def()\n"
        f"print(' '.join(m for m in {HEAVY.split()!r} if m in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


def test_a_wrong_setting_is_told_when_the_location_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    from energy_assets.definitions import defs as load

    monkeypatch.setenv("ENERGY_ASSETS_WAREHOUSE", "snowflake")
    with pytest.raises(SettingsError, match="ENERGY_ASSETS_WAREHOUSE"):
        load()


def test_every_catalogue_entry_and_derived_table_is_an_asset(specs: dict[str, dg.AssetSpec]) -> None:
    names = {d.name for d in catalogue.datasets()}
    assert set(specs) == names | set(derived.TABLES)
    assert len([n for n in specs if n.startswith("bmrs/")]) == 102
    assert len([n for n in specs if n.startswith("iris/")]) == 87 + 2 + 1
    assert len([n for n in specs if n.startswith("neso/")]) == 186


def test_every_asset_says_whose_it_is_what_it_holds_and_where(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        assert list(spec.owners) == ["team:energy-data"], name
        assert spec.group_name not in (None, "default"), name
        assert len(spec.kinds) == 2 and "duckdb" in spec.kinds, name
        assert spec.description, name
        assert {"cadence", "revisions"} <= spec.tags.keys(), name
        assert spec.partitions_def == DAYS, name
        assert spec.metadata["dagster/table_name"].startswith("uk_energy_insights."), name
        assert spec.metadata["table"].endswith(f"energy.duckdb: {spec.metadata['dagster/table_name']}"), name
        assert "console" not in spec.metadata, name


def test_column_schemas_are_the_catalogues_with_meaning_and_unit(specs: dict[str, dg.AssetSpec]) -> None:
    tables = {d.name: d.table for d in catalogue.datasets()} | dict(derived.TABLES)
    for name, spec in specs.items():
        columns = spec.metadata["dagster/column_schema"].columns
        assert [c.name for c in columns] == [c for c, _ in tables[name].columns], name
        assert all(c.description for c in columns), name
        for field, column in zip(tables[name].fields, columns, strict=False):
            assert (field.unit or "") in column.description, (name, field.name)
        assert columns[-1].name == PROVENANCE[-1][0]


def test_the_bigquery_setting_shows_in_the_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_ASSETS_WAREHOUSE", "bigquery")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somewhere")
    kinds = {frozenset(s.kinds) for s in build_definitions().resolve_all_asset_specs()}
    assert kinds == {frozenset({way, "bigquery"}) for way in ("elexon", "ckan", "pandas", "arrow")}


def test_on_bigquery_every_asset_names_its_table_and_links_to_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_ASSETS_WAREHOUSE", "bigquery")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somewhere")
    pushed = {d.name: d.table.name for d in catalogue.datasets("iris")}
    for spec in build_definitions().resolve_all_asset_specs():
        table = pushed.get(spec.key.to_user_string(), "_".join(spec.key.path))
        name = f"somewhere.uk_energy_insights.{table}"
        assert spec.metadata["dagster/table_name"] == spec.metadata["table"] == name
        link = spec.metadata["console"].value
        assert link.startswith("https://console.cloud.google.com/bigquery?project=somewhere&")
        assert link.endswith(table)


def test_bigquery_without_a_project_is_told_when_the_location_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_ASSETS_WAREHOUSE", "bigquery")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(SettingsError, match="set GOOGLE_CLOUD_PROJECT"):
        build_definitions()


def test_jobs_schedules_and_sensors_resolve(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    jobs = {j.name for j in repository.get_all_jobs() if not j.name.startswith("__")}
    checks = {"bmrs_checks", "iris_checks", "neso_checks"}
    own = {"iris_load", "iris_cleanup", "gb_limits", "neso_refresh", "sync_sheet", "gaps", "housekeeping"}
    unpartitioned = {*own, *checks}
    assert jobs == {"bmrs_refresh", "bmrs_revisions", "bmrs_repair", "iris_repair", "gb_derived", *unpartitioned}
    for name in jobs - unpartitioned:
        assert defs.resolve_job_def(name).partitions_def == DAYS
    schedules = {s.name: s for s in repository.schedule_defs}
    sensors = {s.name: s for s in repository.sensor_defs}
    assert {n: (s.cron_schedule, s.execution_timezone) for n, s in schedules.items()} == {
        "bmrs_refresh_schedule": ("*/15 * * * *", "Europe/London"),
        "bmrs_revisions_schedule": ("20 7 * * *", "Europe/London"),
        "bmrs_repair_schedule": ("50 2,8,14,20 * * *", "Europe/London"),
        "iris_cleanup_schedule": ("37 * * * *", "Europe/London"),
        "neso_refresh_schedule": ("*/10 * * * *", "Europe/London"),
        "gaps_schedule": ("10 * * * *", "Europe/London"),
        "housekeeping_schedule": ("40 3 * * *", "Europe/London"),
        "bmrs_checks_hourly": ("25 * * * *", "Europe/London"),
        "bmrs_checks_daily": ("35 8 * * *", "Europe/London"),
        "iris_checks_hourly": ("27 * * * *", "Europe/London"),
        "iris_checks_daily": ("37 8 * * *", "Europe/London"),
        "neso_checks_hourly": ("55 * * * *", "Europe/London"),
        "neso_checks_daily": ("40 8 * * *", "Europe/London"),
    }
    assert set(sensors) == {
        "gb_derived_sensor",
        "gb_limits_sensor",
        "iris_drop_folder_sensor",
        "iris_repair_sensor",
        "alerts_sensor",
        "alerts_stale_sensor",
        "sync_sheet_sensor",
    }
    assert sensors["iris_drop_folder_sensor"].minimum_interval_seconds == 30
    assert all(s.default_status == dg.DefaultScheduleStatus.RUNNING for s in schedules.values())
    idle = {n for n, s in sensors.items() if s.default_status == dg.DefaultSensorStatus.STOPPED}
    assert idle == {"sync_sheet_sensor"}, "no sheet is configured"


def test_refresh_and_revisions_hold_every_dataset_and_no_derived_table(defs: dg.Definitions) -> None:
    """A failed dataset must not skip a derived table, nor a derived table delay the refresh."""
    names = {d.name for d in catalogue.datasets("bmrs")}
    chosen = {
        job: {"/".join(k.path) for k in defs.resolve_job_def(job).asset_layer.selected_asset_keys}
        for job in ("bmrs_refresh", "bmrs_revisions", "bmrs_repair", "gb_derived")
    }
    assert chosen.pop("gb_derived") == derived.TABLES.keys() - limits.SOURCES.keys()
    assert all(chosen[job] == names for job in chosen)


def test_lanes_keep_a_slot_for_the_live_refresh(defs: dg.Definitions) -> None:
    jobs = ("bmrs_refresh", "bmrs_revisions", "neso_refresh")
    lanes = {j: defs.resolve_job_def(j).tags["energy_assets/lane"] for j in jobs}
    assert lanes == {"bmrs_refresh": "live", "bmrs_revisions": "backfill", "neso_refresh": "portal"}


# Dagster warns of a beta parameter that it passes to itself.
@pytest.mark.filterwarnings("ignore:Parameter `include_sources`:dagster.BetaWarning")
@pytest.mark.parametrize("text", SELECTIONS)
def test_documented_selections_select(defs: dg.Definitions, text: str) -> None:
    keys = dg.AssetSelection.from_string(text).resolve(defs.resolve_asset_graph())
    assert SELECTIONS[text] in {"/".join(k.path) for k in keys}


def test_every_asset_runs_a_range_as_one_run(defs: dg.Definitions) -> None:
    """``--partition-range`` on the command line asks for it."""
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run(), key
