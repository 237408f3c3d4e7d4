"""The overview is put together from receipts, folders and what Dagster says; one that fails takes no other along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from energy_assets.catalogue import dataset, datasets
from energy_assets.commands.screen import keep_showing, screen
from energy_assets.commands.status import look_at, overview_json
from energy_assets.errors import SpoolError, WarehouseBusyError
from energy_assets.settings import Settings
from energy_assets.tracking import overview
from energy_assets.tracking.alerts import open_alerts
from energy_assets.tracking.orchestrator import DAEMON_SILENT, RUNS_LONG, WAITS_LONG, Daemon, Orchestrated, Run, Verdict
from energy_assets.tracking.overview import Overview, Section
from energy_assets.tracking.status import DatasetReport
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.interface import DatasetStatus
from energy_assets_tests.unit.alerting import condition
from energy_assets_tests.unit.test_status import NOW, SMSG, cover, last_days

HOUR = timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[DuckDBWarehouse]:
    settings.prepare_home()
    store = DuckDBWarehouse(settings.duckdb_path, settings.schema_name, clock=lambda: NOW)
    yield store
    store.close()


def report(code: str, status: str | None, missing: int = 0, newest: datetime | None = None) -> DatasetReport:
    entry = dataset(code)
    success = NOW if status and status != "failed" else None
    reason = f"{code}: 500 after six tries" if status == "failed" else ""
    held = DatasetStatus(entry.table.name, success, None, newest, 3, status, NOW if status else None, reason, 2)
    return DatasetReport(entry, held, tuple([None] * missing))  # type: ignore[arg-type]


REPORTS = (
    report("FUELHH", "written", newest=NOW - HOUR),
    report("WINDFOR", "written", newest=NOW + 40 * HOUR),
    report("MID", "failed"),
    report("INDO", "unchanged", missing=4),
    report("TEMP", "suspect"),
    report("FREQ", None),
)


def known(**more: object) -> Overview:
    return Overview(NOW, "there", 7, REPORTS, **more)  # type: ignore[arg-type]


def test_a_provider_is_one_line_and_forecasts_make_no_data_of_the_future() -> None:
    (line,) = known().providers
    assert line.states == {"ok": 2, "failed": 1, "missing": 1, "suspect": 1, "empty": 1}
    assert (line.missing, line.newest_utc, line.last_request_utc, line.quarantined) == (4, NOW - HOUR, NOW, 12)


def test_what_is_wrong_is_said_once_each_and_what_was_never_asked_for_is_not() -> None:
    section = Section("disk", "disk", ("full",), ("the disk is full",))
    assert known(stale=("bmrs/temp",), sections=(section,)).wrong == (
        "bmrs/mid failed: MID: 500 after six tries",
        "empty although data were due: bmrs/temp",
        "with missing windows: bmrs/indo",
        "stale, because more was due since the last success: bmrs/temp",
        "the disk is full",
    )


def test_a_look_that_fails_is_wrong_and_the_others_go_on() -> None:
    def fails() -> Section:
        raise SpoolError("the folder is gone")

    first, second = overview.sections({"IRIS listener": fails, "disk": lambda: Section("disk", "disk", ("fine",))})
    assert first.wrong == ("IRIS listener cannot be looked at: the folder is gone",)
    assert (second.lines, second.wrong) == (("fine",), ())


def test_a_machine_at_rest_is_well(settings: Settings, warehouse: DuckDBWarehouse) -> None:
    cover(warehouse, SMSG, last_days(9))
    found = look_at(settings, [SMSG], NOW, 7, everything=True)
    assert found.wrong == ()
    assert {s.name for s in found.sections} == {"checks", "runs", "gaps", "listener", "disk", "alerts"}
    assert {r.dataset.provider for r in found.reports} == {"bmrs", "iris"}
    plain = overview_json(found)
    assert plain["disk"]["warehouse_bytes"] > 0 and plain["alerts"] == {"open": [], "undeliverable": {}}  # type: ignore[index, call-overload]


def test_a_selection_tells_of_its_datasets_alone(settings: Settings, warehouse: DuckDBWarehouse) -> None:
    found = look_at(settings, [SMSG], NOW, 7, everything=False)
    assert (found.sections, [r.dataset for r in found.reports]) == ((), [SMSG])


def test_the_warehouse_is_free_for_a_writer_after_a_look(settings: Settings, warehouse: DuckDBWarehouse) -> None:
    cover(warehouse, SMSG, last_days(9))
    warehouse.close()
    look_at(settings, datasets(), NOW, 7, everything=True)
    import duckdb

    duckdb.connect(str(settings.duckdb_path), config={"threads": 1}).close()


def test_a_dataset_without_success_for_long_is_stale(settings: Settings, warehouse: DuckDBWarehouse) -> None:
    long_ago = NOW - timedelta(days=3)
    then = DuckDBWarehouse(warehouse.path, settings.schema_name, clock=lambda: long_ago)
    cover(then, SMSG, last_days(9), asked=long_ago)
    reports = look_at(settings, [SMSG], NOW, 7, everything=False).reports
    assert overview.stale(reports, "all", NOW, {}) == ("bmrs/smsg",)
    assert overview.stale(reports, "core", NOW, {}) == (), "no schedule keeps it current"


def test_open_alerts_are_wrong(settings: Settings) -> None:
    open_alerts(settings).report("s", [condition()], NOW)
    section = overview.alerts_section(settings)
    assert section.lines[0] == "1 open" and section.wrong == ("alert open since 2026-07-15 12:00Z: a is stale",)


def test_a_full_disk_is_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from shutil import _ntuple_diskusage

    monkeypatch.setattr(overview.shutil, "disk_usage", lambda _: _ntuple_diskusage(10**12, 10**12 - 10**9, 10**9))
    section = overview.disk_section(settings)
    assert section.lines[0].startswith("home: 1.0 GB free of 1,000.0 GB, warehouse: 0.00 GB")
    assert len(section.wrong) == 1 and "1.0 GB are free" in section.wrong[0]


def run(job: str, state: str, hours: float) -> Run:
    began = NOW - hours * HOUR
    return Run(f"id-{job}", job, state, began, None if state == "waiting" else began)  # type: ignore[arg-type]


def test_failed_and_stuck_runs_and_silent_daemons_are_wrong() -> None:
    fine = Orchestrated(Path("d"), (run("a", "success", 1),), (run("b", "running", 1),), daemons=(Daemon("s", NOW),))
    assert overview.runs_section(fine, NOW).wrong == ()
    bad = replace(
        fine,
        newest=(run("a", "failed", 1),),
        active=(run("b", "running", RUNS_LONG / HOUR + 1), run("c", "waiting", WAITS_LONG / HOUR + 1)),
        daemons=(Daemon("scheduler", NOW - 2 * DAEMON_SILENT), Daemon("sensor", None)),
    )
    assert overview.runs_section(bad, NOW).wrong == (
        "the newest run of a failed at 2026-07-15 11:00Z (run id-a)",
        "run id-b of b is running since 2026-07-15 05:00Z",
        "run id-c of c is waiting since 2026-07-15 09:00Z",
        "Dagster's daemon does not beat (scheduler, sensor): nothing is refreshed by itself",
    )


def test_failing_checks_are_told_of_the_datasets_that_are_looked_at() -> None:
    verdicts = (Verdict("MID", "bounds", "warning", "bmrs/mid: too high.", NOW),)
    red = Orchestrated(Path("d"), verdicts=verdicts, checks=12)
    assert overview.checks_section(red, [dataset("MID")]).wrong == ("bounds (warning): bmrs/mid: too high.",)
    assert overview.checks_section(red, [SMSG]).lines == ("12 with a verdict, all passed",)
    assert overview.checks_section(Orchestrated(Path("d")), [SMSG]).lines == ("none has run yet",)


SECTIONS = tuple(Section(n, n, (f"{n} is as it should be, at length " * 4,)) for n in ("listener", "disk", "runs"))


def shown(found: Overview | None, width: int, height: int, trouble: str = "") -> list[str]:
    with Path("/dev/null").open("w") as nowhere:
        console = Console(width=width, height=height, record=True, file=nowhere, color_system=None, highlight=False)
        console.print(screen(found, width, height, NOW + timedelta(seconds=12), trouble))
    return console.export_text().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (60, 12), (40, 8), (200, 90)])
@pytest.mark.parametrize("stale", [(), tuple(f"bmrs/{n}" for n in range(40))])
def test_the_screen_fits_and_shows_what_is_wrong_first(size: tuple[int, int], stale: tuple[str, ...]) -> None:
    many = replace(known(stale=stale, sections=SECTIONS), reports=REPORTS * 20)
    lines = shown(many, *size)
    assert len(lines) <= size[1] and max(map(len, lines)) <= size[0]
    assert "wrong" in lines[0]
    assert "12 s ago" in lines[0] or size[0] < 60
    text = "\n".join(lines)
    if size[1] >= 12:
        assert "! bmrs/mid failed" in text
    if size[1] >= 24:
        order = ["bmrs/mid", "bmrs/temp", "bmrs/indo", "bmrs/fuelhh", "bmrs/windfor"]
        names = [name for x in lines if (name := x.split(" ")[0]) in order]
        assert len(names) > 5
        assert names == sorted(names, key=lambda n: min(order.index(n), 3))
        assert "more: energy-assets status" in text


def test_a_wide_screen_says_why_a_dataset_failed() -> None:
    lines = [line for line in shown(known(), 160, 40) if line.startswith("bmrs/mid")]
    assert lines[0].rstrip().endswith("MID: 500 after six tries")


def test_before_the_first_look_and_after_one_that_failed_the_screen_says_so() -> None:
    assert shown(None, 80, 24) == ["energy-assets: looking …"]
    assert shown(None, 80, 24, "the file is held") == ["energy-assets: the file is held"]
    assert "not read since: the file is held" in shown(known(), 120, 24, "the file is held")[0]


def test_a_look_that_fails_leaves_the_last_one_on_the_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("energy_assets.commands.screen.EVERY_SECONDS", 0.0)
    answers: list[Overview | Exception] = [known(), WarehouseBusyError("held by process 7")]

    def look() -> Overview:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    console = Console(width=120, height=30, force_terminal=True, color_system=None)
    keep_showing(look, console, looks=2)
    assert not answers
    last = capsys.readouterr().out.rpartition("energy-assets 3 wrong")[2]
    assert "held by process 7" in last and "bmrs/mid failed" in last


def test_the_daemon_is_not_expected_to_beat_in_the_future() -> None:
    ahead = Orchestrated(Path("d"), daemons=(Daemon("s", datetime.now(UTC) + HOUR),))
    assert ahead.silent(datetime.now(UTC)) == ()
