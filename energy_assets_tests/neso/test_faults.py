"""What goes wrong at the portal, through whole refreshes: nothing is half loaded, and the next tick makes it good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from energy_assets.catalogue import dataset
from energy_assets.sources.neso.due import REFUSED_REST, REST
from energy_assets_tests.neso.home import Clock, Home
from energy_assets_tests.neso.world import Stage

INERTIA = "neso/system_inertia"
PACKAGE, NAME = "system-inertia", "GB System Inertia - 2026-2027"
HEADER = "Settlement Date,Settlement Period,Outturn Inertia,Market Provided Inertia\n"

ONCE: list[dict[str, Any]] = [
    {"kind": "html", "dataset": "download"},
    {"kind": "html", "dataset": "storage"},
    {"kind": "busy", "dataset": "download"},
    {"kind": "busy", "dataset": "package_search"},
    {"kind": "html", "dataset": "package_search"},
    {"kind": "reset", "dataset": "storage"},
    {"kind": "short", "dataset": "storage"},
    {"kind": "truncate", "dataset": "package_search"},
    {"kind": "status", "dataset": "storage", "status": 403},
    {"kind": "status", "dataset": "download", "status": 503},
]
LASTING: list[tuple[dict[str, Any], str]] = [
    ({"kind": "html", "dataset": "storage"}, "begins with '<'"),
    ({"kind": "busy", "dataset": "download"}, "409"),
    ({"kind": "reset", "dataset": "storage"}, "asked"),
    ({"kind": "short", "dataset": "storage"}, "asked"),
    ({"kind": "truncate", "dataset": "storage"}, "it is cut off"),
    (
        {"kind": "rename_column", "dataset": PACKAGE, "column": "Outturn Inertia", "name": "Inertia"},
        "unknown 'Inertia'",
    ),
]
TABLE_FAULTS = ["html", "busy", "reset", "short", "truncate"]


@pytest.fixture
def home(portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
    stage, url = portal_stage
    clock = Clock(datetime(2026, 10, 8, 12, tzinfo=UTC))
    made = Home.of(stage.fresh(clock=clock), url, tmp_path, clock)
    yield made
    made.warehouse.close()


def put(home: Home, rows: int, value: int = 200) -> None:
    lines = (f"2026-10-0{1 + n // 48},{1 + n % 48},{value + n},{190 + n}\n" for n in range(rows))
    home.put(PACKAGE, NAME, HEADER + "".join(lines))


def values(home: Home) -> list[float]:
    return [row["outturn_inertia"] for row in home.rows(INERTIA)]


@pytest.mark.parametrize("fault", ONCE, ids=lambda f: f"{f['kind']} {f['dataset']}")
def test_what_passes_is_asked_for_again_at_once(home: Home, fault: dict[str, Any]) -> None:
    put(home, 96)
    home.sandbox.faults.add(**fault, count=1)
    (outcome,) = home.refresh(INERTIA)
    assert (outcome.status, outcome.failures, outcome.counts.inserted) == ("written", (), 96)


@pytest.mark.parametrize(("fault", "said"), LASTING, ids=lambda f: f["kind"] if isinstance(f, dict) else "")
def test_what_lasts_leaves_what_is_held_and_the_next_tick_makes_it_good(
    home: Home, fault: dict[str, Any], said: str
) -> None:
    put(home, 96)
    home.refresh(INERTIA)
    before = values(home)
    home.clock.forward(hours=1)
    put(home, 144, 300)
    number = home.sandbox.faults.add(**fault)
    (outcome,) = home.refresh(INERTIA)
    assert outcome.status == "failed"
    assert said in outcome.failures[0]
    assert PACKAGE in outcome.failures[0] or NAME in outcome.failures[0]
    assert values(home) == before

    home.sandbox.faults.remove(number)
    home.clock.forward(seconds=max(REST, REFUSED_REST).total_seconds() + 1)
    (outcome,) = home.refresh(INERTIA)
    assert (outcome.status, outcome.counts.inserted, outcome.counts.updated) == ("written", 48, 96)


@pytest.mark.parametrize("rows", [140, 141, 142, 143, 144, 145, 147])
def test_a_file_that_is_cut_anywhere_is_not_loaded(home: Home, rows: int) -> None:
    put(home, rows)
    home.sandbox.faults.add("truncate", dataset="storage")
    (outcome,) = home.refresh(INERTIA)
    assert (outcome.status, outcome.counts.inserted) == ("failed", 0)
    assert "cut off" in outcome.failures[0]


def test_a_file_without_a_last_end_of_line_is_whole_where_its_table_has_no_more_rows(home: Home) -> None:
    home.put(PACKAGE, NAME, HEADER + "2026-10-01,1,200,190\n2026-10-01,2,200,190")
    (outcome,) = home.refresh(INERTIA)
    assert (outcome.status, outcome.counts.inserted) == ("written", 2)
    assert home.asked().count("datastore_search") == 1


def test_nor_is_anybody_asked_where_there_is_no_table_of_it(home: Home) -> None:
    home.put(PACKAGE, NAME, HEADER + "2026-10-01,1,200,190", datastore_active=False)
    assert home.refresh(INERTIA)[0].status == "written"
    assert "datastore_search" not in home.asked()


@pytest.mark.parametrize("kind", ["html", "busy", "truncate", "reset"])
def test_a_list_that_does_not_come_is_a_failure_of_all_and_asks_for_nothing(home: Home, kind: Any) -> None:
    put(home, 96)
    home.sandbox.faults.add(kind, dataset="package_search")
    outcomes = home.refresh(INERTIA, "neso/historic_demand")
    assert [o.status for o in outcomes] == ["failed", "failed"]
    assert set(home.asked()) == {"package_search"}


def test_a_resource_that_moved_is_found_and_nothing_is_doubled(home: Home) -> None:
    put(home, 96)
    home.refresh(INERTIA)
    number = home.sandbox.faults.add("moved", dataset=PACKAGE)
    (outcome,) = home.refresh(INERTIA)
    assert (outcome.windows, outcome.counts.unchanged) == (1, 96)
    home.sandbox.faults.remove(number)
    assert home.refresh(INERTIA)[0].windows == 0
    assert len(values(home)) == 96


def test_a_date_format_that_the_family_has_had_is_read(home: Home) -> None:
    home.put("system-inertia-cost", "GB System Inertia Costs 2026", "Settlement Date,Cost_per_GVAs\n2026-04-03,3\n")
    home.sandbox.faults.add("date_format", dataset="system-inertia-cost")
    (outcome,) = home.refresh("neso/system_inertia_cost")
    assert (outcome.status, outcome.failures) == ("written", ())
    (row,) = home.rows("neso/system_inertia_cost")
    assert str(row["settlement_date"]) == "2026-04-03"


def test_a_date_format_that_the_family_has_not_had_refuses_the_file(home: Home) -> None:
    body = "DATETIME,FPN,BOA,Difference\n2026-04-13T00:00:00,1,2,1\n".replace("T00:00:00", " 00h00")
    home.put("carbon-intensity-of-balancing-actions", "Carbon Intensity of Balancing Actions", body)
    (outcome,) = home.refresh("neso/balancing_carbon_intensity")
    assert outcome.status == "failed"
    assert "1 of 1 rows cannot be stored" in outcome.failures[0]


@pytest.mark.parametrize("kind", TABLE_FAULTS)
def test_a_table_that_does_not_come_whole_leaves_nothing(home: Home, kind: Any) -> None:
    put_trades(home, 3)
    number = home.sandbox.faults.add(kind, dataset="datastore_search")
    (outcome,) = home.refresh("neso/upcoming_trades")
    assert (outcome.status, outcome.counts.inserted) == ("failed", 0)
    home.sandbox.faults.remove(number)
    home.clock.forward(minutes=11)
    (outcome,) = home.refresh("neso/upcoming_trades")
    assert (outcome.status, outcome.counts.inserted) == ("written", 3)


def test_a_table_that_is_loaded_anew_all_the_time_fails_and_leaves_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home.sandbox, "rows_most", 2)
    put_trades(home, 7)
    home.sandbox.faults.add("reload", dataset="upcoming-trades")
    (outcome,) = home.refresh("neso/upcoming_trades")
    assert (outcome.status, outcome.counts.inserted) == ("failed", 0)
    assert "each of the 3 times that it was read" in outcome.failures[0]


def put_trades(home: Home, rows: int) -> None:
    header = [f.aliases[0] for f in dataset("neso/upcoming_trades").fields if f.origin == "row"]
    own = [{"ID": str(n), "Date": "2026-10-08", "SP": "3", "Volume": "1", "Price": "5"} for n in range(rows)]
    text = "\n".join([",".join(header), *(",".join(row.get(name, "") for name in header) for row in own)]) + "\n"
    home.put("upcoming-trades", "Upcoming Trades", text, url_type="datastore")
