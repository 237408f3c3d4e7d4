"""The benchmarks still run; what they measure is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(folder: Path, *arguments: str) -> str:
    """One benchmark with little of everything; gives the page."""
    command = [sys.executable, str(BENCHMARKS / "run.py"), *arguments, "--rounds", "1", "--out", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "results" / f"{arguments[0]}.json").read_text())["figures"]
    return (folder / "RESULTS.md").read_text()


def test_a_tiny_day_goes_every_measured_way(tmp_path: Path) -> None:
    assert "A day of BOD, 576 rows" in run(tmp_path, "bod", "--units", "3")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_tiny_drop_folder_is_loaded_every_measured_way(tmp_path: Path) -> None:
    page = run(tmp_path, "iris_load", "--small", "600", "--part", "0.002")
    assert "Small messages: 600 of one row" in page


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_few_messages_are_followed_from_the_queue_to_a_query(tmp_path: Path) -> None:
    page = run(tmp_path, "iris_live", "--seconds", "5", "--warm", "0")
    assert "enqueued to queryable, p95" in page
