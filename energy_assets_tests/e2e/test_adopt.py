"""Adopting the predecessor's tables: every fault that they have, found, counted and kept out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset, select
from energy_assets.ingest.adopt import SOURCE, Adopted, adopt
from energy_assets.ingest.model import Policy
from energy_assets.ingest.predecessor import DuckDBTables
from energy_assets.ingest.refresh import make_plans
from energy_assets_tests.bigquery.server import Addresses
from energy_assets_tests.contract.store import PROJECT, BigQueryStore
from energy_assets_tests.e2e.command_line import CommandLine, stand_alone
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

Row = dict[str, Any]
OLD = "uk_energy"
DAY = date(2026, 9, 14)


def provided(world: World, code: str, day: date, branch: tuple[tuple[str, str], ...] = ()) -> list[Row]:
    """What the provider would have answered."""
    return [dict(row) for row in world.source.rows(dataset(code), day, branch)]


def stamped(rows: Sequence[Row], day: date, days: int = 1, ingested: str = "2026-09-16T10:00:00+00:00") -> list[Row]:
    """Rows as the predecessor appended them for a window."""
    begin = datetime.combine(day, datetime.min.time())
    return [
        {
            **row,
            "_window_from_utc": begin.isoformat() + "+00:00",
            "_window_to_utc": (begin + timedelta(days=days)).isoformat() + "Z",
            "_ingested_utc": ingested,
            "_dataset": "X",
            "_source_api": "BMRS",
            "_hash_key": "d41d8cd98f00b204e9800998ecf8427e",
        }
        for row in rows
    ]


def old_file(path: Path, tables: Mapping[str, Sequence[Row]], types: Mapping[str, str] | None = None) -> Path:
    """A file of the predecessor's tables; columns are text where no other type is given."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {OLD}")
        for name, rows in tables.items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            kinds = {c: (types or {}).get(c, "VARCHAR") for c in columns}
            definition = ", ".join(f'"{c}" {kind}' for c, kind in kinds.items())
            connection.execute(f"CREATE TABLE {OLD}.{name} ({definition})")
            places = ", ".join("?" * len(columns))
            values = [[_as_kept(row.get(c), kinds[c]) for c in columns] for row in rows]
            connection.executemany(f"INSERT INTO {OLD}.{name} VALUES ({places})", values)
    return path


def _as_kept(value: Any, kind: str) -> Any:
    if value is None or kind != "VARCHAR":
        return value
    return value if isinstance(value, str) else json.dumps(value)


def adopted(world: World, path: Path, codes: str | None = None, dry_run: bool = False) -> dict[str, Adopted]:
    wanted = select(codes) if codes else None
    done = adopt(DuckDBTables(path, OLD), wanted, world.warehouse, world.clock, dry_run=dry_run)
    for one in done:
        found = one.findings
        if found is not None:
            bad = found.unreadable + found.outside + found.duplicates + found.contradictions
            assert found.rows == bad + found.sound
            assert found.sound == one.untypable + one.held + one.loaded
    return {one.table: one for one in done}


def test_every_fault_is_found_and_kept_out(world: World, tmp_path: Path) -> None:
    good = provided(world, "FUELHH", DAY)
    later = provided(world, "FUELHH", DAY + timedelta(days=3))
    rows = stamped(good, DAY)
    rows += stamped(good[:10], DAY, ingested="2026-09-16T10:15:00+00:00")  # the same window appended again
    revised = {**good[0], "generation": 12345}
    rows += stamped([revised], DAY, ingested="2026-09-17T10:00:00+00:00")  # contradicts, and came later
    rows += stamped(later, DAY + timedelta(days=3))
    for month in (1, 2, 3):
        rows += stamped(later[:20], date(2025, month, 1), days=7)  # one sample, stored for each window
    rows += stamped([{**good[1], "generation": "plenty", "fuelType": "ODD"}], DAY)
    rows += stamped([{**good[2], "settlementPeriod": None}], DAY)
    broken = stamped([{**good[3], "fuelType": "NOWIN"}], DAY)
    rows += [{**broken[0], "_window_from_utc": "yesterday"}]
    path = old_file(tmp_path / "old.duckdb", {"bmrs_fuelhh": rows})

    found = adopted(world, path, dry_run=True)["bmrs_fuelhh"]
    assert not world.has("bmrs_fuelhh")
    assert adopted(world, path)["bmrs_fuelhh"] == replace(found, inserted=found.loaded)
    judged = found.findings
    assert judged is not None
    assert judged.rows == len(rows)
    assert judged.duplicates == 10
    assert judged.contradictions == 1
    assert (judged.outside, judged.repeated, judged.repeated_windows) == (60, 60, 3)
    assert judged.unreadable == 1
    assert found.untypable == 2
    assert list(judged.days) == [DAY, DAY + timedelta(days=3)]
    assert found.holes == ((DAY + timedelta(days=1), DAY + timedelta(days=2)),)

    stored = world.dicts("SELECT * FROM bmrs_fuelhh")
    assert len(stored) == len(good) + len(later) == found.loaded
    assert {row["_source_api"] for row in stored} == {SOURCE}
    assert [r["generation"] for r in stored if _same(r, good[0])] == [12345.0]
    reasons = [row["reason"] for row in world.dicts("SELECT * FROM _quarantine")]
    assert sorted(reason.split(" ")[0] for reason in reasons) == sorted(
        ["generation", "settlementPeriod", "its", "another", *["outside"] * 20]
    )
    receipts = world.receipts("FUELHH")
    assert {(r["status"], r["run_id"], r["url"]) for r in receipts} == {("suspect", "adopt", "adopted:bmrs_fuelhh")}
    assert sum(r["fetched"] for r in receipts) == found.loaded + found.untypable


def _same(stored: Row, sent: Row) -> bool:
    return bool(stored["settlementPeriod"] == sent["settlementPeriod"] and stored["fuelType"] == sent["fuelType"]) and (
        stored["settlementDate"] == date.fromisoformat(sent["settlementDate"])
    )


def test_the_next_refresh_verifies_what_was_adopted(world: World, tmp_path: Path) -> None:
    good = provided(world, "FUELHH", DAY)
    rows = stamped([{**good[0], "generation": 1}, *good[1:-5]], DAY)
    path = old_file(tmp_path / "old.duckdb", {"bmrs_fuelhh": rows})
    adopted(world, path)
    with duckdb.connect(str(world.settings.duckdb_path)) as connection:
        # The provider of the tests says that it is a sandbox, whose rows never go beside others.
        connection.execute(f"UPDATE {world.settings.schema_name}._origin SET kind = 'sandbox'")
    plans = make_plans([dataset("FUELHH")], DAY, DAY, Policy(run_id="test"), world.engine())
    assert plans["FUELHH"].status == "due"
    outcome = world.one("FUELHH", str(DAY))
    assert (outcome.counts.inserted, outcome.counts.updated) == (5, 1)
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", str(DAY))
    # What a provider's answer has brought is left as it is.
    again = adopted(world, path, dry_run=True)["bmrs_fuelhh"]
    assert (again.held, again.loaded) == (len(rows), 0)


def test_adopting_again_changes_nothing(world: World, tmp_path: Path) -> None:
    rows = stamped(provided(world, "FUELINST", DAY), DAY)
    rows += stamped([{**rows[0], "publishTime": "never"}], DAY)
    path = old_file(tmp_path / "old.duckdb", {"bmrs_fuelinst": rows})
    first = adopted(world, path)["bmrs_fuelinst"]
    before = world.counts()
    second = adopted(world, path)["bmrs_fuelinst"]
    assert first.inserted == first.loaded == second.loaded
    assert second.inserted == 0
    changed = {name for name, count in world.counts().items() if count != before[name]}
    assert changed == {"_receipts"}


@pytest.mark.parametrize(
    "code", ["FUELINST", "BOD", "MELS", "ISPSTACK", "DISBSAD", "FREQ", "INDO", "NDF", "MID", "B1610", "REMIT"]
)
def test_a_sound_table_comes_in_as_the_provider_sent_it(world: World, tmp_path: Path, code: str) -> None:
    entry = dataset(code)
    day = date(2026, 3, 29)  # clocks go forward
    rows = []
    for branch in entry.branch_choices():
        rows += stamped([{**row, **dict(branch)} for row in provided(world, code, day, branch)], day, 2)
    early = [{**row, "_window_from_utc": "2026-03-28 12:00:00"} for row in rows]
    path = old_file(tmp_path / "old.duckdb", {f"bmrs_{code.lower()}": early})
    (found,) = adopted(world, path).values()
    assert (found.problem, found.untypable, found.findings and found.findings.outside) == ("", 0, 0)
    assert world.stored_rows(code) == world.provider_rows(code, str(day))


def test_native_types_and_odd_names(world: World, tmp_path: Path) -> None:
    good = provided(world, "FUELHH", DAY)
    rows = stamped(
        [
            {
                **{name.lower(): value for name, value in row.items()},
                "publishtime": datetime.fromisoformat(row["publishTime"]).replace(tzinfo=None),
                "starttime": datetime.fromisoformat(row["startTime"]).replace(tzinfo=None),
                "settlementdate": date.fromisoformat(row["settlementDate"]),
                "note": "seen" if number == 3 else None,
            }
            for number, row in enumerate(good)
        ],
        DAY,
    )
    types = {"publishtime": "TIMESTAMP", "starttime": "TIMESTAMP", "settlementdate": "DATE", "generation": "DOUBLE"}
    path = old_file(tmp_path / "old.duckdb", {"bmrs_fuelhh": rows}, types)
    (found,) = adopted(world, path).values()
    assert found.findings is not None
    assert found.findings.unknown == ("note",)
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", str(DAY))
    assert world.sql("SELECT note FROM bmrs_fuelhh WHERE note IS NOT NULL") == [("seen",)]


def test_tables_that_cannot_be_adopted_take_no_other_with_them(world: World, tmp_path: Path) -> None:
    good = provided(world, "FUELHH", DAY)
    path = old_file(
        tmp_path / "old.duckdb",
        {
            "bmrs_fuelhh": stamped(good, DAY),
            "bmrs_costs_of_nothing": [{"a": "1"}],
            "bmrs_mid": [{"a": "1"}],
            "bmrs_ispstack": stamped([{"settlementDate": "2026-09-14"}], DAY),
            "notes": [{"a": "1"}],
        },
    )
    done = adopted(world, path)
    assert {name: one.problem.split(",")[0] for name, one in done.items() if one.problem} == {
        "bmrs_costs_of_nothing": "no dataset is called COSTS_OF_NOTHING",
        "bmrs_mid": f'old."{OLD}"."bmrs_mid" has no column _window_from_utc',
        "bmrs_ispstack": f'old."{OLD}"."bmrs_ispstack" has no column bidOffer',
    }
    assert done["bmrs_fuelhh"].loaded == len(good)


# The command.


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    stand_alone(monkeypatch, tmp_path)
    return CommandLine(tmp_path, "http://127.0.0.1:9/")


def test_the_command_reports_and_loads(world: World, line: CommandLine, tmp_path: Path) -> None:
    good = provided(world, "FUELHH", DAY)
    rows = stamped(good, DAY) + stamped(good[:5], DAY)
    path = old_file(tmp_path / "old.duckdb", {"bmrs_fuelhh": rows})
    said = line.ok("adopt", "--source", str(path), "--dry-run")
    assert f"{len(good):,} rows would be loaded. Nothing was written." in said.out
    report = line.ok("adopt", "--source", str(path), "--json").json
    assert report["tables"][0]["duplicates"] == 5
    assert report["tables"][0]["inserted"] == len(good)
    assert report["tables"][0]["first_day"] == str(DAY)
    assert line.rows("FUELHH", DAY).num_rows == len(good)


def test_sources_that_are_none(line: CommandLine, tmp_path: Path) -> None:
    assert "There is no file nowhere.duckdb" in line.run("adopt", "--source", "nowhere.duckdb").sentence
    (tmp_path / "text").write_text("no database")
    assert "cannot be read as a DuckDB file" in line.run("adopt", "--source", str(tmp_path / "text")).sentence
    path = old_file(tmp_path / "old.duckdb", {"notes": [{"a": "1"}]})
    assert "has no table named bmrs_<code>" in line.run("adopt", "--source", str(path)).sentence
    line.home.mkdir(exist_ok=True)
    path.rename(line.database)
    assert "is the warehouse itself" in line.run("adopt", "--source", str(line.database)).sentence


@pytest.fixture
def bigquery(bigquery_server: Addresses) -> Iterator[BigQueryStore]:
    store = BigQueryStore(bigquery_server)
    yield store
    store.discard()


def test_from_a_bigquery_dataset(make_world: MakeWorld, line: CommandLine, bigquery: BigQueryStore) -> None:
    world = make_world()
    good = provided(world, "FUELHH", DAY)[:40]
    old = BigQueryStore(bigquery.addresses)
    rows = stamped(good, DAY) + stamped(good[:4], DAY) + stamped(good[:3], date(2025, 1, 1))
    columns = list(rows[0])
    old.query(f"CREATE SCHEMA {old.dataset}")
    old.query(f"CREATE TABLE {old.dataset}.bmrs_fuelhh ({', '.join(f'`{c}` STRING' for c in columns)})")
    values = ", ".join("(" + ", ".join(_literal(row[c]) for c in columns) + ")" for row in rows)
    old.query(f"INSERT INTO {old.dataset}.bmrs_fuelhh VALUES {values}")
    line.variables |= {
        "ENERGY_ASSETS_WAREHOUSE": "bigquery",
        "ENERGY_ASSETS_SCHEMA": bigquery.dataset,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "BIGQUERY_EMULATOR_HOST": bigquery.addresses.rest,
        "ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT": bigquery.addresses.storage,
    }
    try:
        report = line.ok("adopt", "--source", f"{PROJECT}.{old.dataset}", "--json").json
        (table,) = report["tables"]
        assert (table["rows"], table["duplicates"], table["repeated_samples"], table["inserted"]) == (47, 4, 3, 40)
        assert len(bigquery.view_rows("bmrs_fuelhh")) == 40
        begin, end = calendar.day_bounds_utc(DAY)
        assert not any(s.covered_utc for s in bigquery.open().coverage([dataset("FUELHH").table], begin, end)["FUELHH"])
        said = line.run("adopt", "--source", f"{PROJECT}.{bigquery.dataset}")
        assert "is the warehouse itself" in said.sentence
        assert "There is no dataset" in line.run("adopt", "--source", f"{PROJECT}.nowhere").sentence
    finally:
        old.discard()


def _literal(value: Any) -> str:
    return "'" + (value if isinstance(value, str) else json.dumps(value)) + "'"
