"""The files around the package: pins, example settings, ignore rules, Dagster's instance, the scripts behind make."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.instance.config import dagster_instance_config
from dotenv import dotenv_values
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from energy_assets.settings import Settings, load_settings, variable_names

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LARGEST_FILE = 1_000_000

git = pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no git work tree")


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # The tests may themselves run under make, whose flags would reach a make started here.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command, cwd=ROOT, env=inherited | environment, capture_output=True, text=True, timeout=120, check=False
    )


def constraint_lines() -> list[str]:
    return [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def pins_for(python: str) -> dict[str, str]:
    """Pinned versions by name on one Python."""
    pins: dict[str, str] = {}
    for line in constraint_lines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            (specifier,) = requirement.specifier
            assert canonicalize_name(requirement.name) not in pins, f"{requirement.name} is pinned twice"
            pins[canonicalize_name(requirement.name)] = specifier.version
    return pins


def test_constraints_hold_versions_and_nothing_else():
    shape = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*(; python_version (<|>=) '3\.\d+')?")
    assert [line for line in constraint_lines() if not shape.fullmatch(line)] == []
    assert constraint_lines() == sorted(constraint_lines(), key=lambda line: line.split("==")[0])


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_every_dependency_is_pinned_within_its_bounds(python: str):
    pins = pins_for(python)
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            version = pins[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_the_example_names_every_setting_with_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert all(line.startswith("#") or not line for line in lines), "the example changes something as it stands"
    Path(".env").write_text("\n".join(line.removeprefix("#") for line in lines if re.match(r"#[A-Z0-9_]+=", line)))
    assert set(dotenv_values(".env")) == variable_names() | {"BMRS_API_KEY_1"}
    assert load_settings({}) == Settings()


@git
@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.production",
        "deploy/service-account.json",
        "gcp_credentials.json",
        "key.pem",
        ".energy_assets/energy.duckdb",
        "somewhere/w.duckdb",
        "w.duckdb.wal",
        "spool/bod/2026-07-01/body.json.gz",
        "rows.parquet",
        "export.csv",
        "iris/segment.ndjson",
        "energy_assets-2026-07-15.log",
    ],
)
def test_secrets_data_and_warehouses_are_ignored(name: str):
    assert run("git", "check-ignore", "--no-index", "--quiet", name).returncode == 0


@git
@pytest.mark.parametrize(
    "name", [".env.example", "energy_assets/py.typed", "docs/img/graph.png", "energy_assets/new.py"]
)
def test_the_projects_own_files_are_not_ignored(name: str):
    assert run("git", "check-ignore", "--no-index", "--quiet", name).returncode == 1


@git
def test_nothing_that_is_ignored_or_large_is_committed():
    assert run("git", "ls-files", "--cached", "--ignored", "--exclude-standard").stdout == ""
    tracked = [ROOT / name for name in run("git", "ls-files", "-z").stdout.split("\0") if name]
    assert [path for path in tracked if path.exists() and path.stat().st_size > LARGEST_FILE] == []


def test_dagster_settings_name_only_what_dagster_knows():
    settings = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
    known = dagster_instance_config(str(ROOT / "deploy"))[0]
    assert set(settings) <= set(known)


def test_dagster_instance_is_limited_monitored_and_silent(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(ROOT / "deploy" / "dagster.yaml", tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        limits = {(limit["key"], limit.get("value")): limit for limit in queue.tag_concurrency_limits}
        lanes = {("energy_assets/lane", lane) for lane in ("backfill", "repair", "portal")}
        assert limits.keys() == {*lanes, ("dagster/backfill", None)}
        assert sum(limit["limit"] for limit in limits.values()) < queue.max_concurrent_runs
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 1
        assert not instance.telemetry_enabled


def test_workspace_names_the_definitions():
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    (location,) = workspace["load_from"]
    module = location["python_module"]["module_name"]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert module == tools["dagster"]["module_name"] == "energy_assets.definitions"
    assert location["python_module"]["location_name"] == tools["dg"]["project"]["code_location_name"]


def test_the_interpreter_that_is_found_can_run_the_project():
    found = run("sh", "deploy/find-python")
    assert found.returncode == 0, found.stderr
    version = run(
        found.stdout.strip(), "-c", "import venv, ensurepip, sys; print(*sys.version_info[:2])"
    ).stdout.split()
    assert (3, 11) <= tuple(map(int, version)) < (3, 15)


def test_a_machine_without_a_suitable_interpreter_is_told_so(tmp_path):
    shell = shutil.which("sh")
    assert shell is not None
    found = run(shell, "deploy/find-python", PATH=str(tmp_path), HOME=str(tmp_path), PYENV_ROOT=str(tmp_path))
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.startswith("No Python from 3.11 to 3.14")
    assert found.stderr.count("\n") == 1


@pytest.mark.slow
def test_dagster_home_is_made_ready_once_and_then_left_alone(tmp_path):
    home = tmp_path / "dagster"
    dagster = str(Path(sys.executable).parent / "dagster")
    first = run("sh", "deploy/init-dagster-home", str(home), dagster)
    assert (first.returncode, first.stdout) == (0, "")
    assert (home / "event_log.db").exists()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    second = run("sh", "deploy/init-dagster-home", str(home), dagster)
    assert second.returncode == 0
    assert second.stdout.endswith("differs from deploy/dagster.yaml and is left as it is.\n")
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


@pytest.mark.parametrize("target", ["setup", "demo", "run", "test", "lint", "bench", "clean"])
@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_knows_its_targets(target: str):
    assert run("make", "--dry-run", target).returncode == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize(("offline", "flag"), [("1", True), ("0", False), ("", False)])
def test_the_demo_is_offline_when_asked(offline: str, flag: bool):
    assert ("demo --offline" in run("make", "--dry-run", "demo", f"OFFLINE={offline}").stdout) is flag


def test_ci_runs_what_everyone_runs():
    script = ROOT / ".ci" / "run"
    commands = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"
    assert commands[-1] == "exec make lint test"
    assert os.access(script, os.X_OK)
