"""Copying between warehouses: DuckDB to BigQuery and back, killed, repeated, tampered with, refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from energy_assets import calendar
from energy_assets.catalogue import select
from energy_assets.catalogue.derived import GENERATION_MIX
from energy_assets.catalogue.model import Field, Table
from energy_assets.errors import UnknownAsOfError, WarehouseError
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Gap
from energy_assets.warehouse import copying
from energy_assets.warehouse.copying import copy, pieces
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.ledger import read_gaps
from energy_assets_tests.bigquery.server import Addresses
from energy_assets_tests.contract.store import (
    DAY,
    PROJECT,
    SCHEMA,
    BigQueryStore,
    DuckDBStore,
    Store,
    at,
    batch,
    receipt,
    window,
)
from energy_assets_tests.contract.tables import ACTIONS, FORECAST, PRICES, PROFILE, REGISTER, RUNS
from energy_assets_tests.e2e.command_line import CommandLine, stand_alone
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

FEW = (PRICES, ACTIONS)
UNWRITTEN = replace(PRICES, name="test_unwritten", dataset="UNWRITTEN")
"""Of this only the ledger of gaps knows."""

TABLES = (PRICES, FORECAST, RUNS, ACTIONS, PROFILE, REGISTER, UNWRITTEN)
LAST = DAY + timedelta(days=40)


@pytest.fixture
def bigquery(bigquery_server: Addresses) -> Iterator[BigQueryStore]:
    """An empty dataset."""
    store = BigQueryStore(bigquery_server)
    yield store
    store.discard()


def fill(store: Store) -> DuckDBWarehouse:
    """Every kind of thing that a store can hold, in a DuckDB file."""
    warehouse = store.open()
    assert isinstance(warehouse, DuckDBWarehouse)
    warehouse.claim("provider")
    price = {"settlementDate": DAY, "settlementPeriod": 1, "createdDateTime": at("15 10:00"), "price": -0.0}
    extra = Field("sprung up", "text", "")
    warehouse.write(batch(PRICES, [price, {**price, "settlementPeriod": 2, "price": None, "code": "naïve 'q' \\n\n"}]))
    warehouse.write(
        batch(
            PRICES,
            [{**price, "price": 1e300, "createdDateTime": at("16 10:00"), "sprung up": "x"}],
            extra=(extra,),
            new_columns=("sprung up", ""),
            missing_columns=("code",),
        )
    )
    warehouse.write(batch(PRICES, [{**price, "settlementDate": LAST, "price": 5.5}], window(LAST)))
    warehouse.write(batch(FORECAST, [{"publishTime": at("15 09:00"), "startTime": at("16 00:00"), "value": 1.0}]))
    warehouse.write(batch(FORECAST, [{"publishTime": at("15 11:00"), "startTime": at("16 00:00"), "value": 2.0}]))
    run = {"settlementDate": DAY, "settlementPeriod": 1, "otherUnit": "A", "settlementRunType": "SF", "quantity": 1.0}
    warehouse.write(batch(RUNS, [run, {**run, "bmUnit": "B", "settlementRunType": "II"}]))
    action = {"settlementDate": DAY, "settlementPeriod": 1, "id": 1, "cost": 5.0}
    warehouse.write(batch(ACTIONS, [action, {**action, "id": 2}]))
    warehouse.write(batch(ACTIONS, [{**action, "id": 3}]))
    warehouse.write(batch(REGISTER, [{"unit": "A", "capacity": 1.0, "details": '{"a":1}'}]))
    quarantine = pa.Table.from_pylist(
        [
            {
                "dataset": "PROFILE",
                "receipt_id": "q",
                "window_from_utc": window().from_utc.replace(tzinfo=None),
                "window_to_utc": window().to_utc.replace(tzinfo=None),
                "recorded_utc": datetime(2026, 7, 20, 12),
                "row_number": 7,
                "reason": "no number",
                "raw": '{"level":"é"}',
            }
        ],
        QUARANTINE_SCHEMA,
    )
    warehouse.record([receipt(PROFILE, window(), status="failed", reason="refused", http_status=None)], quarantine)
    warehouse.record([receipt(PRICES, window(DAY + timedelta(days=1)), status="silent")])
    warehouse.note_gaps([gap(PRICES), gap(PRICES, day=LAST), gap(ACTIONS, why="never_published", note="it's \n gone")])
    warehouse.note_gaps([gap(PRICES, closed_utc=at("20 10:00"), note="filled"), gap(UNWRITTEN)])
    return warehouse


def gap(table: Table, day: date = DAY, **others: Any) -> Gap:
    span = window(day)
    made = Gap(table.dataset, table.name, span.from_utc, span.to_utc, "", "missed", span.to_utc, span.to_utc)
    return replace(made, **others)


def answers(warehouse: Warehouse, tables: Sequence[Table], moments: Sequence[datetime]) -> dict[str, Any]:
    """Everything that a warehouse says of some tables, with the identities of its tables left out."""
    begin, end = calendar.day_start_utc(DAY - timedelta(days=400)), calendar.day_start_utc(LAST + timedelta(days=5))
    said: dict[str, Any] = {
        "coverage": {k: list(v) for k, v in warehouse.coverage(tables, begin, end).items()},
        "status": list(warehouse.status(tables, DAY, {PRICES.name: "createdDateTime"})),
    }
    days = date(2001, 1, 1), date(2040, 1, 1)
    for table in tables:
        for view in ("rows", "latest", "history"):
            said[f"{table.name} {view}"] = _read(warehouse, table, days, view=view)
        for moment in moments:
            said[f"{table.name} {moment}"] = _read(warehouse, table, days, ingested_as_of=moment)
            if table.publish_column:
                said[f"{table.name} published {moment}"] = _read(warehouse, table, days, published_as_of=moment)
    return said


def _read(warehouse: Warehouse, table: Table, days: tuple[date, date], **reading: Any) -> Any:
    try:
        found = warehouse.read(table, *days, **reading)
    except (UnknownAsOfError, WarehouseError) as error:
        return type(error).__name__
    # Columns that only the other store has made already hold nothing.
    rows = [{k: v for k, v in row.items() if v is not None} for row in found.to_pylist()]
    return sorted(rows, key=str)


def kept(store: Store, tables: Sequence[Table] = TABLES) -> dict[str, list[str]]:
    """Rows of the service tables that a copy of some tables carries, in one order."""
    found = {}
    names = {name for table in tables for name in (table.name, table.dataset)}
    for name in ("_receipts", "_quarantine", "_gaps", "_days"):
        rows = [row for row in store.service_rows(name) if row.get("table_name", row.get("dataset")) in names]
        rows = [{**row, "table_id": bool(row.get("table_id"))} for row in rows]
        found[name] = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
    return found


def moments(store: Store) -> list[datetime]:
    """Before, between and after everything that was recorded."""
    recorded = sorted({row["recorded_utc"] for row in store.service_rows("_receipts")})
    some = (recorded[0] - timedelta(seconds=1), recorded[0], recorded[len(recorded) // 2], recorded[-1])
    return [at.replace(tzinfo=UTC) for at in some]


def test_there_and_back(tmp_path: Path, bigquery: BigQueryStore) -> None:
    (tmp_path / "a").mkdir()
    first, last = DuckDBStore(tmp_path / "a"), DuckDBStore(tmp_path / "b")
    source, middle, target = fill(first), bigquery.open(), last.open()
    done = copy(source, middle, TABLES)
    assert {c.table for c in done.tables} == {t.name for t in TABLES}
    assert all(not c.changed and not c.mended and not c.equal for c in done.tables)
    wanted = answers(source, TABLES, moments(first))
    assert answers(middle, TABLES, moments(first)) == wanted
    assert kept(bigquery) == kept(first)
    copy(middle, target, TABLES)
    assert answers(target, TABLES, moments(first)) == wanted
    assert kept(last) == kept(first)
    ids = {row["table_id"] for row in first.service_rows("_receipts")} - {""}
    assert ids.isdisjoint({row["table_id"] for row in last.service_rows("_receipts")})


def test_what_goes_on_after_a_copy_is_what_would_have_gone_on(tmp_path: Path, bigquery: BigQueryStore) -> None:
    store = DuckDBStore(tmp_path)
    source, target = fill(store), bigquery.open()
    copy(source, target, [PRICES])
    row = {"settlementDate": DAY, "settlementPeriod": 2, "createdDateTime": at("18 10:00"), "price": 9.0}
    again = batch(PRICES, [row])
    results = [w.write(again) for w in (source, target)]
    assert results[0].receipts[0].counts == results[1].receipts[0].counts
    assert results[0].day_rows == results[1].day_rows
    assert len(_read(target, PRICES, (DAY, DAY), view="history")) == 2


def test_a_copy_again_moves_nothing_and_then_only_what_is_new(tmp_path: Path, bigquery: BigQueryStore) -> None:
    store = DuckDBStore(tmp_path)
    source, target = fill(store), bigquery.open()
    copy(source, target, FEW)
    assert sum(c.copied for c in copy(source, target, FEW).tables) == 0
    source.write(batch(ACTIONS, [{"settlementDate": LAST, "settlementPeriod": 3, "id": 9, "cost": 1.0}], window(LAST)))
    done = {c.table: c for c in copy(source, target, FEW).tables}
    assert done[ACTIONS.name].copied == 3  # rows, rows per day, receipts
    assert sum(c.copied for c in done.values()) == 3
    assert answers(target, FEW, moments(store)) == answers(source, FEW, moments(store))


@pytest.mark.parametrize("back", [False, True])
def test_a_tampered_target_is_noticed_and_mended(tmp_path: Path, bigquery: BigQueryStore, back: bool) -> None:
    (tmp_path / "a").mkdir()
    store, other = DuckDBStore(tmp_path / "a"), DuckDBStore(tmp_path / "b")
    source = fill(store)
    target: Any = bigquery.open()
    copy(source, target, FEW)
    tampered: Any = bigquery
    if back:
        source, target, tampered = target, other.open(), other
        copy(source, target, FEW)
    statements = [
        # A value, and two values that change their rows: no count and no sum of values tells.
        f"UPDATE {{}}.{PRICES.name} SET price = 6.5 WHERE price = 5.5",
        f"UPDATE {{}}.{ACTIONS.name}_history SET cost = 9 - cost - id WHERE TRUE",
        f"UPDATE {{}}._receipts SET url = 'elsewhere' WHERE table_name = '{ACTIONS.name}'",
        f"UPDATE {{}}._gaps SET why = 'missed' WHERE table_name = '{ACTIONS.name}'",
    ]
    for statement in statements:
        if back:
            with other.by_hand() as connection:
                connection.execute(statement.format(SCHEMA))
        else:
            bigquery.query(statement.format(bigquery.dataset))
    done = {c.table: c for c in copy(source, target, FEW).tables}
    assert {name: c.mended for name, c in done.items()} == {PRICES.name: 1, ACTIONS.name: 3}
    assert answers(target, FEW, moments(store)) == answers(source, FEW, moments(store))
    assert kept(tampered, FEW) == kept(store, FEW)


def test_rows_that_the_source_does_not_have_go(tmp_path: Path, bigquery: BigQueryStore) -> None:
    store = DuckDBStore(tmp_path)
    source, target = fill(store), bigquery.open()
    copy(source, target, [PRICES])
    bigquery.query(
        f"INSERT INTO {bigquery.dataset}.{PRICES.name} (settlementDate, settlementPeriod, partition_day, _hash_key) "
        f"SELECT DATE '2026-01-01', 1, DATE '2026-01-01', 1"
    )
    copy(source, target, [PRICES])
    assert answers(target, [PRICES], []) == answers(source, [PRICES], [])


def test_a_target_with_data_of_its_own_is_refused(tmp_path: Path, bigquery: BigQueryStore) -> None:
    store = DuckDBStore(tmp_path)
    source, target = fill(store), bigquery.open()
    both = (ACTIONS, RUNS)
    copy(source, target, both)
    target.write(batch(RUNS, [{"settlementDate": DAY, "settlementPeriod": 9, "bmUnit": "Z", "quantity": 1.0}]))
    before = bigquery.view_rows(RUNS.name)
    with pytest.raises(WarehouseError, match=r"holds test_runs from 1 requests that .* does not know"):
        copy(source, target, both)
    assert bigquery.view_rows(RUNS.name) == before
    copy(source, target, [ACTIONS])


def test_a_target_of_other_origin_is_refused(tmp_path: Path, bigquery: BigQueryStore) -> None:
    source, target = fill(DuckDBStore(tmp_path)), bigquery.open()
    target.claim("sandbox")
    with pytest.raises(WarehouseError, match="holds sandbox data and the rows to write come from a provider"):
        copy(source, target, FEW)


def test_an_empty_source_is_refused(tmp_path: Path, bigquery: BigQueryStore) -> None:
    with pytest.raises(WarehouseError, match="holds nothing yet: there is nothing to copy"):
        copy(bigquery.open(), DuckDBStore(tmp_path).open(), FEW)


def test_a_writer_that_comes_between_is_noticed(
    tmp_path: Path, bigquery: BigQueryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = fill(DuckDBStore(tmp_path)), bigquery.open()
    intruder = bigquery.open()
    spool = copying._spool
    done: list[int] = []

    def slow(*arguments: Any) -> Any:
        found = spool(*arguments)
        if not done:
            done.append(1)
            intruder.write(batch(RUNS, [{"settlementDate": DAY, "settlementPeriod": 9, "bmUnit": "Z"}]))
        return found

    monkeypatch.setattr(copying, "_spool", slow)
    with pytest.raises(WarehouseError, match="from 1 requests that"):
        copy(source, target, [RUNS])
    assert [row["bmUnit"] for row in bigquery.view_rows(RUNS.name)] == ["Z"]


def test_what_is_written_meanwhile_is_left_to_the_next_copy(
    tmp_path: Path, bigquery: BigQueryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DuckDBStore(tmp_path)
    source, target = fill(store), bigquery.open()
    spool = copying._spool
    done: list[int] = []

    def slow(*arguments: Any) -> Any:
        found = spool(*arguments)
        if not done:
            done.append(1)
            row = {"settlementDate": DAY, "settlementPeriod": 1, "createdDateTime": at("19 10:00"), "price": 3.0}
            source.write(batch(PRICES, [row]))
        return found

    monkeypatch.setattr(copying, "_spool", slow)
    assert [c.changed for c in copy(source, target, [PRICES]).tables] == [True]
    assert len(bigquery.service_rows("_receipts")) == 4
    assert [c.changed for c in copy(source, target, [PRICES]).tables] == [False]
    assert answers(target, [PRICES], []) == answers(source, [PRICES], [])


def test_a_decision_about_a_gap_that_is_made_meanwhile_is_left_to_the_next_copy(
    tmp_path: Path, bigquery: BigQueryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = fill(DuckDBStore(tmp_path)), bigquery.open()
    spool = copying._spool
    accepted = gap(PRICES, day=LAST, why="never_published", note="ticket 4711")

    def slow(*arguments: Any) -> Any:
        if all(g.note != accepted.note for g in read_gaps(source)):
            source.note_gaps([accepted])
        return spool(*arguments)

    monkeypatch.setattr(copying, "_spool", slow)
    assert [c.changed for c in copy(source, target, [PRICES]).tables] == [True]
    assert [g.why for g in read_gaps(target)] == ["missed"]
    assert [c.changed for c in copy(source, target, [PRICES]).tables] == [False]
    assert read_gaps(target) == [g for g in read_gaps(source) if g.table == PRICES.name]
    assert [g.note for g in read_gaps(target)] == ["ticket 4711"]


def test_pieces_hold_every_day_once() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(0, 90, 3)]
    there = {day: 60_000 if day.month == 2 else 10 for day in days[:-2]}
    spans = list(pieces(there, {days[-1]: 5, days[0]: 7}))
    covered = [day for first, last in spans for day in days if first <= day <= last]
    assert len(covered) == len(set(covered))
    assert {*days[:-2], days[-1]} <= set(covered)
    assert all(first.month == last.month for first, last in spans)
    assert all(sum(there.get(d, 0) for d in days if a <= d <= b) <= copying.PIECE_ROWS for a, b in spans)


# The command, over real datasets.


def environ(bigquery: BigQueryStore, home: Path) -> dict[str, str]:
    return {
        "ENERGY_ASSETS_HOME": str(home),
        "ENERGY_ASSETS_SCHEMA": bigquery.dataset,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "BIGQUERY_EMULATOR_HOST": bigquery.addresses.rest,
        "ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT": bigquery.addresses.storage,
    }


@pytest.fixture
def line(tmp_path: Path, bigquery: BigQueryStore, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line with both warehouses in reach."""
    stand_alone(monkeypatch, tmp_path)
    return CommandLine(tmp_path, "http://127.0.0.1:9/", variables=environ(bigquery, tmp_path / "home"))


def filled_world(make_world: MakeWorld, line: CommandLine, bigquery: BigQueryStore, codes: str) -> World:
    """A home whose schema has the dataset's name, with two settlement days."""
    world = make_world(home=line.home)
    world.schema = bigquery.dataset
    world.refresh(codes, "2026-09-14", "2026-09-15")
    mix = {"settlement_date": date(2026, 9, 14), "settlement_period": 1, "fuel_type": "WIND", "generation_mw": 5.5}
    world.warehouse.write(batch(GENERATION_MIX, [mix], window(date(2026, 9, 14))))
    world.warehouse.close()
    return world


CODES = "ISPSTACK,DISBSAD"


def test_the_command_copies_real_datasets_both_ways(
    make_world: MakeWorld, line: CommandLine, bigquery: BigQueryStore, tmp_path: Path
) -> None:
    world = filled_world(make_world, line, bigquery, CODES)
    said = line.ok("warehouse", "copy", "--from", "duckdb", "--to", "bigquery", "--json")
    report = said.json
    tables = [*(d.table for d in select(CODES)), GENERATION_MIX]
    assert {t["table"] for t in report["tables"]} == {t.name for t in tables}
    assert report["unknown_tables"] == []
    assert all(t["rows"]["receipts"] for t in report["tables"])
    back = tmp_path / "back"
    text = line.ok(
        "warehouse",
        "copy",
        "--from",
        "bigquery",
        "--to",
        "duckdb",
        "--tables",
        f"{CODES},gb/generation_mix_half_hourly",
        ENERGY_ASSETS_HOME=str(back),
    )
    assert "equal" in text.out
    there = DuckDBWarehouse(back / "energy.duckdb", bigquery.dataset)
    days = date(2026, 9, 1), date(2026, 9, 30)
    for table in tables:
        for view in ("rows", "history"):
            mine = [_read(w, table, days, view=view) for w in (world.warehouse, bigquery.open(), there)]
            assert mine[0] == mine[1] == mine[2]
    assert line.ok("warehouse", "copy", "--from", "duckdb", "--to", "bigquery", "--json").json["copied_pieces"] == 0


@pytest.mark.parametrize("to", ["duckdb", "bigquery"])
def test_the_same_warehouse_on_both_sides_is_refused(line: CommandLine, to: str) -> None:
    said = line.run("warehouse", "copy", "--from", to, "--to", to)
    assert said.code != 0
    assert "is on both sides" in " ".join(said.err.split())


def test_an_unknown_table_is_refused(line: CommandLine) -> None:
    said = line.run("warehouse", "copy", "--from", "duckdb", "--to", "bigquery", "--tables", "FUELINZT")
    assert "did you mean FUELINST?" in said.sentence


def test_a_copy_killed_at_any_moment_goes_on(
    make_world: MakeWorld, line: CommandLine, bigquery: BigQueryStore, tmp_path: Path
) -> None:
    world = filled_world(make_world, line, bigquery, "FUELINST,MELS")
    arguments = ("warehouse", "copy", "--from", "duckdb", "--to", "bigquery")
    chance = random.Random(7)
    killed = 0
    for _ in range(2):
        process = start(line, *arguments)
        until = time.monotonic() + 60
        seen = len(_commits(bigquery))
        while len(_commits(bigquery)) <= seen and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
    assert killed
    line.ok(*arguments)
    tables = [d.table for d in select("FUELINST,MELS")]
    days = date(2026, 9, 1), date(2026, 9, 30)
    for table in tables:
        for view in ("rows", "history"):
            assert _read(bigquery.open(), table, days, view=view) == _read(world.warehouse, table, days, view=view)
    begin, end = calendar.day_start_utc(days[0]), calendar.day_start_utc(days[1])
    assert dict(bigquery.open().coverage(tables, begin, end)) == dict(world.warehouse.coverage(tables, begin, end))


def test_a_copy_back_killed_at_any_moment_goes_on(
    make_world: MakeWorld, line: CommandLine, bigquery: BigQueryStore, tmp_path: Path
) -> None:
    world = filled_world(make_world, line, bigquery, "FUELINST,ISPSTACK")
    tables = [*(d.table for d in select("FUELINST,ISPSTACK")), GENERATION_MIX]
    copy(world.warehouse, bigquery.open(), tables)
    line.variables["ENERGY_ASSETS_HOME"] = str(tmp_path / "back")
    path = tmp_path / "back" / "energy.duckdb"
    chance = random.Random(11)
    killed = 0
    for _ in range(2):
        process = start(line, "warehouse", "copy", "--from", "bigquery", "--to", "duckdb")
        until = time.monotonic() + 60
        while not path.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        try:
            process.wait(chance.uniform(0, 3))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
    assert killed
    line.ok("warehouse", "copy", "--from", "bigquery", "--to", "duckdb")
    there = DuckDBWarehouse(path, bigquery.dataset)
    days = date(2026, 9, 1), date(2026, 9, 30)
    for table in tables:
        assert _read(there, table, days) == _read(world.warehouse, table, days)
    begin, end = calendar.day_start_utc(days[0]), calendar.day_start_utc(days[1])
    assert dict(there.coverage(tables, begin, end)) == dict(world.warehouse.coverage(tables, begin, end))


def start(line: CommandLine, *arguments: str) -> subprocess.Popen[bytes]:
    code = "import sys\nfrom energy_assets.cli import main\nsys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **line.environ},
        cwd=line.folder,
    )


def _commits(bigquery: BigQueryStore) -> list[Any]:
    from google.api_core.exceptions import GoogleAPIError

    try:
        return bigquery.service_rows("_commits")
    except GoogleAPIError:
        return []
