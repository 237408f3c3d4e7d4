"""What every benchmark needs: a program run as a process of its own and measured, helpers started, machine facts,
medians.

The standard library only, because what this process holds in memory would be counted as its children's: a process's
peak begins with what it was forked from.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import urlopen

HERE = Path(__file__).parent
ROOT = HERE.parent
LIBRARIES = ("dagster", "duckdb", "httpx", "numpy", "pandas", "pyarrow")
START_SECONDS = 60.0
"""Longest wait for a helper's address; it may import Dagster first on a busy machine."""


@dataclass(frozen=True)
class Run:
    """One measured process.

    Attributes:
        wall: Seconds from start to exit.
        cpu: Processor seconds, user and system.
        peak: Greatest resident memory, MB (10**6 bytes).
        told: What the program printed last: one JSON object.
    """

    wall: float
    cpu: float
    peak: float
    told: Mapping[str, Any]

    @property
    def inside(self) -> float:
        """Seconds from the program's first line to its result, without the interpreter's start and exit."""
        return float(self.told["inside_s"])


@dataclass
class Series:
    """Runs of one way, in the order in which they were made."""

    runs: list[Run] = field(default_factory=list)

    def add(self, run: Run) -> Run:
        self.runs.append(run)
        return run

    def median(self, what: str = "wall") -> float:
        return statistics.median(self.values(what))

    def values(self, what: str = "wall") -> list[float]:
        return [float(getattr(r, what)) for r in self.runs]

    def told(self, name: str) -> float:
        return statistics.median(float(r.told[name]) for r in self.runs)

    def summary(self) -> dict[str, Any]:
        """Medians with least and greatest, for the result file."""
        found: dict[str, Any] = {"n": len(self.runs)}
        for what in ("wall", "inside", "cpu", "peak"):
            unit = "mb" if what == "peak" else "s"
            values = self.values(what)
            found[f"{what}_{unit}"] = [round(v, 3) for v in (statistics.median(values), min(values), max(values))]
        steps = [r.told.get("steps_s", {}) for r in self.runs]
        found["steps_s"] = {name: round(statistics.median(s[name] for s in steps), 3) for name in steps[0]}
        last = self.runs[-1].told
        found["told"] = {k: v for k, v in last.items() if k not in ("inside_s", "steps_s", "failures", "paths")}
        return found


def ratio(above: Series, below: Series, what: str = "wall") -> float:
    """Median over pairs: each run of ``above`` against the run of ``below`` made in the same round."""
    return statistics.median(a / b for a, b in zip(above.values(what), below.values(what), strict=True))


def run(program: str, *arguments: object, environment: Mapping[str, str] | None = None) -> Run:
    """Run one of the programs beside this file and measure it.

    Raises:
        RuntimeError: It failed, or tells of failures.
    """
    measured = measure([sys.executable, str(HERE / program), *map(str, arguments)], environment)
    told = json.loads(measured.told["output"].splitlines()[-1])
    if told.get("failures"):
        raise RuntimeError(f"{program}: {told['failures'][0]}")
    return Run(measured.wall, measured.cpu, measured.peak, told)


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command and measure it.

    Raises:
        RuntimeError: It failed; the end of what it printed is in the message.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=_clean(environment), cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output, errors = out.read().decode(), err.read().decode()
    if process.returncode:
        raise RuntimeError(f"{Path(command[1]).name} ended with {process.returncode}: {errors[-2000:]}")
    told = {"output": output, "inside_s": wall}
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_UNIT / 1e6, told)


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _clean(environment: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment without the project's own variables: settings are the defaults."""
    own = ("ENERGY_ASSETS_", "BMRS_API_KEY_", "IRIS_", "DAGSTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | dict(environment or {})


@contextmanager
def helper(command: Sequence[str], marker: str = "http") -> Iterator[str]:
    """A process that prints its address and serves until the block ends."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_clean(None), cwd=ROOT
    )
    try:
        yield _address(process, marker)
    finally:
        process.terminate()
        process.communicate()


def _address(process: subprocess.Popen[str], marker: str) -> str:
    assert process.stdout is not None
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        line = process.stdout.readline()
        if marker in line:
            return line[line.index("http") :].strip()
        if not line and process.poll() is not None:
            break
    raise RuntimeError("a helper process did not start")


@contextmanager
def server(*arguments: object) -> Iterator[str]:
    """The benchmarks' own server."""
    with helper([sys.executable, str(HERE / "server.py"), *map(str, arguments)]) as url:
        yield url


def get(url: str) -> Any:
    """JSON from one of the helpers."""
    with urlopen(url) as answer:
        return json.loads(answer.read())


@contextmanager
def home() -> Iterator[Path]:
    """A folder for one run's warehouse, spool and logs."""
    folder = Path(tempfile.mkdtemp(prefix="energy-assets-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def variables(folder: Path, url: str) -> dict[str, str]:
    """The project's settings for a home and a provider of our own."""
    return {"ENERGY_ASSETS_HOME": str(folder), "ENERGY_ASSETS_ELEXON_URL": url, "ENERGY_ASSETS_LOG_LEVEL": "WARNING"}


def dagster_home(folder: Path) -> dict[str, str]:
    """A Dagster instance made ready as ``make setup`` does, and the variable that names it."""
    made = folder / "dagster"
    dagster = Path(sys.executable).with_name("dagster")
    command = ["sh", str(ROOT / "deploy" / "init-dagster-home"), str(made), str(dagster)]
    subprocess.run(command, check=True, env=_clean(None), stdout=subprocess.DEVNULL)
    return {"DAGSTER_HOME": str(made)}


def machine() -> dict[str, str]:
    """What the figures depend on, without names or paths."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return {
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "processor": _processor(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "energy_assets": own,
        **{name: version(name) for name in LIBRARIES},
        "load average": f"{os.getloadavg()[0]:.1f}",
    }


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
