"""``energy-assets sheet`` and ``sandbox --sheets`` as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset, datasets
from energy_assets.cli import app
from energy_assets.ingest.model import Receipt, Window
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.sandbox.cli import mirrored
from energy_assets.settings import load_settings
from energy_assets.wiring import open_warehouse


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A home with one failed dataset, and the settings that the sandbox prints."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        variables = {"ENERGY_ASSETS_HOME": str(tmp_path / "home"), **dict(mirrored(0, stack))}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        entry, now = dataset("FUELINST"), datetime.now(tz=UTC)
        window = Window(*day_bounds_utc(date(2026, 7, 14)))
        receipt = Receipt(new_receipt_id(now), entry.code, entry.table.name, window, "failed", now, "t", reason="=1+1")
        warehouse = open_warehouse(load_settings(variables, None))
        warehouse.record([receipt])
        warehouse.close()
        yield variables


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sheet", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_set_up_check_and_sync(home: dict[str, str]) -> None:
    code, output = run("check")
    assert code == 1 and "Status or Summary is not there" in output and "energy-assets sheet sync" in output
    code, output = run("setup")
    assert code == 0 and "the worksheet Status was not there and was made" in output
    count = len(datasets("bmrs"))
    assert f"{count} of {count} rows written to the worksheet Status." in output
    assert run("check") == (0, "The sheet says what the receipts say.")
    assert run("sync")[1].startswith("Nothing to write: the worksheet Status says what the receipts say")


def test_check_tells_scripts_what_differs(home: dict[str, str]) -> None:
    run("setup")
    code, output = run("check", "--json")
    told: dict[str, Any] = json.loads(output)
    assert (code, told["differences"]) == (0, [])


def test_an_error_is_one_sentence(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_ASSETS_SHEET_ID", "some-other-sheet")
    code, output = run("sync")
    assert code == 1 and "There is no spreadsheet some-other-sheet: set ENERGY_ASSETS_SHEET_ID" in output
    assert "Traceback" not in output
    monkeypatch.delenv("ENERGY_ASSETS_SHEET_ID")
    code, output = run("sync")
    assert code == 1 and "No sheet is configured: set ENERGY_ASSETS_SHEET_ID" in output
