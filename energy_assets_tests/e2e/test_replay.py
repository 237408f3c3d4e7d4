"""``sandbox --replay``: recorded answers, served again, fill the tables of the days that they were recorded for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import energy_assets
from energy_assets.assets.resources import Platform
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.replay import Replay
from energy_assets.sandbox.server import running
from energy_assets.settings import Settings, load_settings
from energy_assets_tests import samples
from energy_assets_tests.definitions.conftest import Runs
from energy_assets_tests.e2e.command_line import NOWHERE, CommandLine

CODES = ("MID", "FUELINST", "BOALF", "REMIT", "DISEBSP", "BOD", "WINDFOR")

MID_DAY = date(2026, 9, 20)

COMMAND_SECONDS = 150
"""Longest wait for a run of Dagster's command on a machine that is busy with other tests."""

recorded = pytest.mark.skipif(
    not samples.bmrs_samples(), reason=f"no recorded answers in {samples.folder()}; set ENERGY_ASSETS_SAMPLES"
)

Span = tuple[date, date]
MakeRuns = Callable[[str], Runs]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of ``energy-assets sandbox --replay`` in a process of its own."""
    user = CommandLine(tmp_path_factory.mktemp("sandbox"), NOWHERE)
    process = user.start("sandbox", "--replay", str(samples.folder()), "--port", "0")
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("Sandbox: "), process.communicate(timeout=COMMAND_SECONDS)
        yield said.removeprefix("Sandbox: ").strip()
    finally:
        process.terminate()
        process.communicate(timeout=COMMAND_SECONDS)


@pytest.fixture
def runs_at(tmp_path: Path) -> Iterator[MakeRuns]:
    """Runs of Dagster in this process, against the provider of an address."""
    with dg.instance_for_test() as instance:

        def make(url: str) -> Runs:
            variables = {
                "ENERGY_ASSETS_HOME": str(tmp_path / "home"),
                "ENERGY_ASSETS_ELEXON_URL": url,
                "ENERGY_ASSETS_LOG_LEVEL": "WARNING",
            }
            return Runs(Platform(lambda: load_settings(variables, None)), instance)

        yield make


@recorded
@pytest.mark.timeout(len(CODES) * COMMAND_SECONDS)
def test_dagster_asset_materialize_fills_a_recorded_day_of_every_dataset(served: str, tmp_path: Path) -> None:
    """MUST 2: both commands as people type them; one call for each day, until every dataset has had one."""
    variables = {"ENERGY_ASSETS_HOME": str(tmp_path / "home"), "ENERGY_ASSETS_ELEXON_URL": served}
    wanted = {code: days_of(dataset(code), samples.rows_of(dataset(code))) for code in CODES}
    for day, codes in fewest_days(wanted).items():
        done = materialize(codes, day, variables, tmp_path)
        assert done.returncode == 0, done.stderr
        for code in codes:
            assert_filled(code, [(day, day)], load_settings(variables, None))


@recorded
@pytest.mark.parametrize("code", CODES)
def test_every_recorded_day_is_filled_value_for_value(code: str, served: str, runs_at: MakeRuns) -> None:
    """MUST 2, every day of every dataset: the same assets, run in this process for speed."""
    run, entry = runs_at(served), dataset(code)
    days = days_of(entry, samples.rows_of(entry))
    if not days:
        pytest.skip(f"no recorded row of {code} in {samples.folder()}")
    for span in spans(days):
        assert run([entry.name], span).success
    assert_filled(code, spans(days), run.platform.settings())


@pytest.mark.parametrize("names", [("a_full.json", "b_trimmed.json"), ("b_full.json", "a_trimmed.json")])
def test_a_full_and_a_trimmed_recording_of_the_same_periods_are_one_row_each(
    names: tuple[str, str], tmp_path: Path, runs_at: MakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without ``dataset`` say nothing else than those that have it, whichever stands first in the answer."""
    full = [mid(period) for period in (1, 2, 3)]
    trimmed = [{name: value for name, value in mid(period).items() if name != "dataset"} for period in (2, 3, 4)]
    texts = (json.dumps(full), json.dumps({"data": trimmed}))
    recording(tmp_path / "recorded", monkeypatch, dict(zip(names, texts, strict=True)))
    with running(ElexonSandbox(Replay(tmp_path / "recorded"))) as url:
        run = runs_at(url)
        assert run(["bmrs/mid"], MID_DAY).success
    assert_filled("MID", [(MID_DAY, MID_DAY)], run.platform.settings())
    assert run.sql("SELECT settlementPeriod, dataset FROM bmrs_mid ORDER BY 1") == [
        (1, "MID"),
        (2, "MID"),
        (3, "MID"),
        (4, None),
    ]
    assert run.sql("SELECT count(*) FROM _quarantine") == [(0,)]


def test_csv_with_headers_in_pascal_case_is_read_and_its_empty_cells_are_null(
    tmp_path: Path, runs_at: MakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elexon answers ``format=csv`` with ``SettlementDate`` where its JSON has ``settlementDate``."""
    rows = [mid(1), {**mid(2), "price": None}, {**mid(3), "volume": None, "dataset": None}]
    recording(
        tmp_path / "recorded", monkeypatch, {"answer.csv": pascal_csv([{**row, "newMember": "x"} for row in rows])}
    )
    with running(ElexonSandbox(Replay(tmp_path / "recorded"))) as url:
        run = runs_at(url)
        assert run(["bmrs/mid"], MID_DAY).success
    assert_filled("MID", [(MID_DAY, MID_DAY)], run.platform.settings())
    # Names are compared as they are written; SQL would not tell them apart.
    names = (
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 'bmrs_mid' AND lower(column_name) = 'newmember'"
    )
    assert run.sql(names) == [("newMember",)]
    assert run.sql("SELECT settlementPeriod, price, volume, dataset, newMember FROM bmrs_mid ORDER BY 1") == [
        (1, 80.01, 100.5, "MID", "x"),
        (2, None, 100.5, "MID", "x"),
        (3, 80.03, None, None, "x"),
    ]


def mid(period: int) -> dict[str, Any]:
    """A row of MID of a summer day, whose first period begins at 23:00 UTC of the day before."""
    start = datetime(2026, 9, 19, 23, tzinfo=UTC) + timedelta(minutes=30 * (period - 1))
    return {
        "dataset": "MID",
        "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "dataProvider": "APXMIDP",
        "settlementDate": str(MID_DAY),
        "settlementPeriod": period,
        "price": 80 + period / 100,
        "volume": 100.5,
    }


def pascal_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [[name[:1].upper() + name[1:] for name in rows[0]]]
    lines += [["" if value is None else str(value) for value in row.values()] for row in rows]
    return "".join(",".join(line) + "\r\n" for line in lines)


def recording(folder: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> None:
    """A folder of recorded answers of MID, which is also the one that ``samples`` reads."""
    (folder / "bmrs" / "MID").mkdir(parents=True)
    for name, text in files.items():
        (folder / "bmrs" / "MID" / name).write_text(text, encoding="utf-8")
    listed = [{"file": f"bmrs/MID/{name}", "dataset": "MID", "kind": "API response"} for name in files]
    (folder / "MANIFEST.yaml").write_text(yaml.safe_dump({"files": listed}), encoding="utf-8")
    monkeypatch.setenv("ENERGY_ASSETS_SAMPLES", str(folder))


def materialize(
    codes: Sequence[str], day: date, variables: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """``dagster asset materialize`` with a home of its own and no DAGSTER_HOME."""
    keys = " or ".join(f'key:"{dataset(code).name}"' for code in codes)
    what = ["--select", keys, "--partition", str(day), "-m", "energy_assets.definitions"]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER_", "ENERGY_ASSETS_", "BMRS_API_KEY_"))}
    environment = {**own, **variables, "DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(samples.ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "dagster", "asset", "materialize", *what],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )


def days_of(entry: Dataset, rows: Sequence[samples.Record]) -> list[date]:
    """Settlement days that hold recorded rows, in order."""
    return sorted({stored_on(entry, row) for row in rows})


def stored_on(entry: Dataset, row: samples.Record) -> date:
    return samples.day_of(entry.table.storage.kind, row[entry.table.storage.column or ""])


def fewest_days(wanted: Mapping[str, Sequence[date]]) -> dict[date, list[str]]:
    """Days on which every dataset has rows at least once, with the datasets to fill on each."""
    left = {code for code, days in wanted.items() if days}
    chosen: dict[date, list[str]] = {}
    while left:
        shared = {day: [c for c in sorted(left) if day in wanted[c]] for c in left for day in wanted[c]}
        day = max(shared, key=lambda d: (len(shared[d]), d))
        chosen[day] = shared[day]
        left -= set(shared[day])
    return chosen


def spans(days: Sequence[date]) -> list[Span]:
    """Runs of consecutive days."""
    breaks = [i for i, (a, b) in enumerate(pairwise(days), 1) if b - a > timedelta(days=1)]
    return [(days[a], days[b - 1]) for a, b in zip([0, *breaks], [*breaks, len(days)], strict=True)]


def assert_filled(code: str, filled: Sequence[Span], settings: Settings) -> None:
    """Recorded rows of these days and no others are in the table, value for value, and known as a sandbox's."""
    entry = dataset(code)
    rows = [r for r in samples.rows_of(entry) if any(a <= stored_on(entry, r) <= b for a, b in filled)]
    standing = samples.standing(entry, (samples.expected(entry, row, {}) for row in rows))
    assert standing
    tables = [energy_assets.read(entry.name, a, b, as_arrow=True, settings=settings) for a, b in filled]
    stored = [row for table in tables for row in table.to_pylist()]
    assert {row["_source_api"] for row in stored} == {"SANDBOX"}
    assert len(stored) == len(standing)
    ours = samples.standing(entry, (samples.comparable(entry, row) for row in stored))
    assert ours.keys() == standing.keys()
    wrong = {key: (row, standing[key]) for key, (row,) in ours.items() if row not in standing[key]}
    assert not wrong
