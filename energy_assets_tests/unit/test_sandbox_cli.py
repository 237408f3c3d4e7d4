"""The command line of the sandbox: what it prints, what it refuses, and that it serves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from energy_assets.sandbox.cli import app, build, volume_of
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.replay import Replay


@pytest.mark.parametrize(("scale", "full"), [("small", None), ("full", 1.0), ("0.25", 0.25)])
def test_scale(scale: str, full: float | None) -> None:
    assert volume_of(scale).full == full


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "huge"], "small, full or a positive number"),
        (["--scale", "-1"], "small, full or a positive number"),
        (["--scale", "nan"], "small, full or a positive number"),
        (["--now", "yesterday"], "--now takes a date-time"),
        (["--replay", "no/such/folder"], "there is no folder"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert message in result.output and result.output.startswith("Error: ") and "Traceback" not in result.output


def test_the_present_can_be_fixed() -> None:
    application = build(None, "small", 0, 0, "2026-07-16T12:00Z", 0.0)
    assert application.clock().isoformat() == "2026-07-16T12:00:00+00:00"


def test_recorded_bodies_are_served_where_a_folder_is_given(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="it is empty"):
        build(tmp_path, "small", 0, 0, None, 0.0)
    (tmp_path / "FREQ").mkdir()
    (tmp_path / "FREQ" / "a.json").write_text('[{"measurementTime": "2026-01-01T00:00:00Z", "frequency": 50.0}]')
    assert isinstance(build(tmp_path, "small", 0, 0, None, 0.0).source, Replay)


def test_it_serves_and_says_what_to_export(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from energy_assets.sandbox.cli import app; app()", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            printed = "".join(process.stdout.readline() for _ in range(4))
            url = re.search(r"ENERGY_ASSETS_ELEXON_URL=(\S+)", printed)
            assert url and "export ENERGY_ASSETS_HOME=.energy_assets/sandbox" in printed
            answer = httpx.get(url.group(1) + "/health")
            assert answer.json() == {"status": 2} and answer.headers["x-energy-assets-sandbox"] == "1"
        finally:
            process.terminate()
        process.wait(20)
