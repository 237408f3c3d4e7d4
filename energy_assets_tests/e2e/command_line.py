"""The command line as a user meets it: a home, a provider's address, arguments in, exit code and both streams out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from energy_assets.calendar import settlement_day
from energy_assets.catalogue import dataset, select
from energy_assets.cli import app
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.wiring import utc_now

SCHEMA = "uk_energy_insights"

NOWHERE = "http://127.0.0.1:9/bmrs/api/v1"
"""The discard port: connections are refused at once."""

CORE = ",".join(d.code for d in select("profile:core") if d.provider == "bmrs")
"""What the stand-in has of the headline datasets."""


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one error sentence, without its line breaks."""
        text = " ".join(self.err.split())
        assert text.startswith("Error: "), self.err
        assert "Traceback" not in text
        return text.removeprefix("Error: ")


@dataclass
class CommandLine:
    """Runs ``energy-assets`` for one home against one provider."""

    folder: Path
    url: str
    sandbox: ElexonSandbox | None = None
    variables: dict[str, str] = field(default_factory=dict)
    columns: int = 120

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def database(self) -> Path:
        return self.home / "energy.duckdb"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ENERGY_ASSETS_HOME": str(self.home),
            "ENERGY_ASSETS_ELEXON_URL": self.url,
            "ENERGY_ASSETS_NESO_URL": "http://127.0.0.1:9/api/3/action",
            "COLUMNS": str(self.columns),
            **self.variables,
        }

    def run(self, *arguments: str, **variables: str) -> Said:
        """Run a command in this process."""
        result = CliRunner().invoke(app, list(arguments), env={**self.environ, **variables})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def ok(self, *arguments: str, **variables: str) -> Said:
        """Run a command that must succeed."""
        said = self.run(*arguments, **variables)
        assert said.code == 0, said
        return said

    def start(self, *arguments: str, before: str = "") -> subprocess.Popen[str]:
        """Start a command as a process of its own, after the statements ``before``."""
        # Whoever runs the tests in the background has told processes to ignore Ctrl-C, and children inherit that.
        heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"import sys; {heard}\n{before or 'pass'}\nfrom energy_assets.cli import main\nsys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**_clean(os.environ), **self.environ},
            cwd=self.folder,
        )

    def finish(self, process: subprocess.Popen[str]) -> Said:
        """Wait for a started command."""
        out, err = process.communicate(timeout=120)
        return Said(process.returncode, out, err)

    def rows(self, code: str, from_day: date, to_day: date | None = None) -> pa.Table:
        """What the warehouse holds, provenance left out."""
        table = dataset(code).table
        names = [f.name for f in table.fields]
        store = DuckDBWarehouse(self.database, SCHEMA)
        try:
            return store.read(table, from_day, to_day or from_day, columns=names)
        finally:
            store.close()


def days_ago(count: int) -> date:
    """The settlement day so many days before today."""
    return settlement_day(utc_now()) - timedelta(days=count)


def stand_alone(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Keep the developer's own environment and ``.env`` out."""
    for name in set(os.environ) - set(_clean(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    return {n: v for n, v in environ.items() if not n.startswith(("ENERGY_ASSETS_", "BMRS_API_KEY_"))}
