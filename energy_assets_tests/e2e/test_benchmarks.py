"""The benchmarks still run; what they measure is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_tiny_day_goes_every_measured_way(tmp_path: Path) -> None:
    command = [sys.executable, BENCHMARKS / "run.py", "bod", "--rounds", "1", "--units", "3", "--out", tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "bod.json").read_text())
    assert "A day of BOD, 576 rows" in (tmp_path / "RESULTS.md").read_text()
