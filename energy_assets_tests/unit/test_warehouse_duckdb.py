"""What only the DuckDB warehouse has: one file, its transaction, its care."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from energy_assets.errors import WarehouseError
from energy_assets.warehouse import locking, service
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.contract.store import DAY, SCHEMA, DuckDBStore, at, batch, content, counts
from energy_assets_tests.contract.tables import FORECAST, PRICES, PROFILE


@pytest.fixture
def store(tmp_path: Path) -> DuckDBStore:
    return DuckDBStore(tmp_path)


@pytest.fixture
def warehouse(store: DuckDBStore) -> Iterator[DuckDBWarehouse]:
    opened = store.open()
    yield opened
    opened.close()


def price(period: int, value: float, created: str = "15 10:00"):
    return {"settlementDate": DAY, "settlementPeriod": period, "createdDateTime": at(created), "price": value}


def dump(store: DuckDBStore) -> dict[str, list[str]]:
    """Every row of every table of the file."""
    with store.by_hand() as connection:
        tables = connection.sql("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        return {
            name: sorted(map(str, connection.sql(f"SELECT * FROM {schema}.{name}").fetchall()))
            for schema, name in tables
        }


class Failing:
    """A cursor whose statement number ``at`` fails, as a full disk or a lost machine would have it."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, at: int, ran: list[str]) -> None:
        self._cursor, self._at, self._ran = cursor, at, ran

    def execute(self, statement: str, *more: Any) -> Any:
        if statement != "ROLLBACK":
            self._ran.append(statement)
            if len(self._ran) == self._at:
                raise duckdb.IOException(f"IO Error: Could not write file: No space left on device ({self._at})")
        return self._cursor.execute(statement, *more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


PROFILE_ROWS = [
    {"unit": "A", "number": 1, "acceptanceTime": at("15 09:00"), "timeFrom": at(f"15 1{i}:00"), "level": float(i)}
    for i in range(4)
]
AMENDED = [
    {**PROFILE_ROWS[0], "level": 9.0},
    {**PROFILE_ROWS[1], "acceptanceTime": at("15 08:00")},
    {**PROFILE_ROWS[2], "timeFrom": at("15 15:00")},
    {**PROFILE_ROWS[2], "timeFrom": at("15 15:00"), "level": 7.0},
]


def test_failing_at_each_statement_in_turn_leaves_the_store_as_it_was(
    store: DuckDBStore, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
):
    warehouse.write(batch(PROFILE, PROFILE_ROWS))
    before = dump(store)
    enter = locking.Holder._enter
    failing_at, result = 0, None
    while result is None:
        failing_at += 1
        ran: list[str] = []
        with monkeypatch.context() as patch:
            patch.setattr(
                locking.Holder, "_enter", lambda self, write, n=failing_at, r=ran: Failing(enter(self, write), n, r)
            )
            try:
                result = warehouse.write(batch(PROFILE, AMENDED))
            except WarehouseError as error:
                assert "disk" in str(error)
                assert dump(store) == before

    assert failing_at > 15
    assert counts(result) == {"fetched": 4, "inserted": 1, "updated": 1, "late": 2, "withdrawn": 2}


def limited(code: str, megabytes: int) -> subprocess.CompletedProcess[str]:
    """Run code in a process that may not write a file larger than this."""
    limit = f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nn = {megabytes} * 2**20\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))\n"
    return subprocess.run(
        [sys.executable, "-c", limit + code], capture_output=True, text=True, timeout=120, check=False
    )


FILL = """
import random
from pathlib import Path
from energy_assets.errors import WarehouseError
from energy_assets_tests.contract.store import *
from energy_assets_tests.contract.tables import PRICES
store = DuckDBStore(Path({folder!r}))
warehouse = store.open()
for step in range(40):
    rows = [{{"settlementDate": DAY, "settlementPeriod": step * 5000 + i, "createdDateTime": at("15 10:00"),
              "price": random.random(), "code": str(random.random())}} for i in range(5000)]
    try:
        warehouse.write(batch(PRICES, rows))
    except WarehouseError as error:
        print(step, "refused:", error)
        break
"""


def test_a_full_disk_is_named_and_loses_nothing(store: DuckDBStore, warehouse: DuckDBWarehouse):
    ended = limited(FILL.format(folder=str(store.path.parent)), 4)

    assert ended.returncode == 0, ended.stderr
    found = re.match(r"(\d+) refused: (.*)", ended.stdout)
    assert found, ended.stdout
    assert "full or over its quota" in found[2]
    stored = warehouse.read(PRICES, DAY, DAY, columns=["_receipt_id"]).num_rows
    warehouse.close()
    receipts = store.service_rows("_receipts")
    assert stored == sum(r["inserted"] for r in receipts) == int(found[1]) * 5000
    assert counts(warehouse.write(batch(PRICES, [price(1_000_000, 1.0)]))) == {"fetched": 1, "inserted": 1}


def test_writing_the_same_over_and_over_does_not_make_the_file_grow(store: DuckDBStore, warehouse: DuckDBWarehouse):
    rows = [price(i, i / 7) for i in range(20_000)]
    warehouse.write(batch(PRICES, rows))
    sizes = []
    for _ in range(8):
        warehouse.write(batch(PRICES, rows))
        sizes.append(warehouse.size())

    assert sizes[-1] <= sizes[1] + 2 * 262_144
    assert len(store.service_rows("_days")) == 1
    assert len(store.service_rows("_tables")) == 1


def test_a_merge_that_does_not_fit_gets_more_memory_once(tmp_path: Path):
    tight = DuckDBWarehouse(tmp_path / "tight.duckdb", SCHEMA, memory_limit="24MB", threads=2)
    rows = [price(i % 60_000, float(i), f"15 {i // 60_000:02d}:00") | {"code": f"{i:040d}"} for i in range(180_000)]

    with tight.session():
        result = tight.write(batch(PRICES, rows))
        assert counts(result) == {"fetched": 180_000, "inserted": 60_000, "late": 120_000}
        with tight._holder.use(write=True) as cursor:
            assert cursor.execute("SELECT current_setting('memory_limit')").fetchall() == [("22.8 MiB",)]


def test_the_connection_reads_and_writes_in_utc(warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/London")
    warehouse.write(batch(PRICES, [price(1, 1.0)]))

    with warehouse._holder.use(write=False) as cursor:
        assert cursor.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_an_unwritable_folder_is_one_clear_sentence(tmp_path: Path):
    blocker = tmp_path / "home"
    blocker.write_text("a file where the folder should be")

    with pytest.raises(WarehouseError, match=r"folder .*home.* cannot be made"):
        DuckDBWarehouse(blocker / "energy.duckdb", SCHEMA).record([])


def test_a_folder_in_the_place_of_the_file_is_one_clear_sentence(tmp_path: Path):
    (tmp_path / "energy.duckdb").mkdir()

    with pytest.raises(WarehouseError, match=r"energy\.duckdb cannot be opened"):
        DuckDBWarehouse(tmp_path / "energy.duckdb", SCHEMA).record([])


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    path = tmp_path / "energy.duckdb"
    path.write_text("not a database " * 1000)

    with pytest.raises(WarehouseError, match=r"energy\.duckdb cannot be opened: .*not a valid DuckDB"):
        DuckDBWarehouse(path, SCHEMA).status([PRICES], DAY, {})


def test_a_file_with_other_tables_only_is_an_empty_warehouse(store: DuckDBStore, warehouse: DuckDBWarehouse):
    with store.by_hand() as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")

    assert warehouse.status([PRICES], DAY, {})[0].last_status is None
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    assert dump(store)["mine"] == ["(1,)"]


def test_two_schemas_share_a_file(store: DuckDBStore, warehouse: DuckDBWarehouse):
    other = DuckDBWarehouse(store.path, "another", clock=store.clock)
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    other.write(batch(PRICES, [price(1, 2.0)]))

    assert [row["price"] for row in content(warehouse, PRICES)] == [1.0]
    assert [row["price"] for row in content(other, PRICES)] == [2.0]


def test_objects_of_one_process_see_each_others_writes(store: DuckDBStore, warehouse: DuckDBWarehouse):
    other = store.open()
    with warehouse.session():
        warehouse.write(batch(PRICES, [price(1, 1.0)]))
        other.write(batch(FORECAST, []))
        other.write(batch(PRICES, [price(2, 2.0)]))
        assert len(content(warehouse, PRICES)) == 2
        assert warehouse.read(FORECAST, DAY, DAY).num_rows == 0


def test_views_dropped_by_hand_come_back(store: DuckDBStore, warehouse: DuckDBWarehouse):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    with store.by_hand() as connection:
        connection.execute(f"DROP VIEW {SCHEMA}.test_prices_latest")

    warehouse.write(batch(PRICES, [price(2, 1.0)]))

    assert len(store.view_rows("test_prices_latest")) == 2


def test_a_history_dropped_by_hand_comes_back_empty(store: DuckDBStore, warehouse: DuckDBWarehouse):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    with store.by_hand() as connection:
        connection.execute(f"DROP TABLE {SCHEMA}.test_prices_history")

    warehouse.write(batch(PRICES, [price(1, 2.0)]))

    assert [row["price"] for row in content(warehouse, PRICES, "history")] == [1.0]


def test_a_table_adopted_with_repeated_keys_is_refused(store: DuckDBStore, warehouse: DuckDBWarehouse):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    with store.by_hand() as connection:
        connection.execute(
            f"CREATE TABLE x AS SELECT * FROM {SCHEMA}.test_prices; DROP TABLE {SCHEMA}.test_prices; "
            f"CREATE TABLE {SCHEMA}.test_prices AS FROM x UNION ALL FROM x"
        )

    with pytest.raises(WarehouseError, match="several rows of one natural key"):
        warehouse.write(batch(PRICES, [price(2, 1.0)]))


def test_a_view_in_the_place_of_a_table_is_refused(store: DuckDBStore, warehouse: DuckDBWarehouse):
    with store.by_hand() as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}; CREATE VIEW {SCHEMA}.test_prices AS SELECT 1 AS one")

    with pytest.raises(WarehouseError, match=r"test_prices was not made by energy_assets and is a view"):
        warehouse.write(batch(PRICES, [price(2, 1.0)]))


def test_a_history_column_typed_by_a_later_catalogue_follows(warehouse: DuckDBWarehouse):
    from dataclasses import replace

    from energy_assets.catalogue.model import Field

    narrow = replace(PRICES, fields=(*PRICES.fields[:3], Field("price", "integer", ""), PRICES.fields[4]))
    warehouse.write(batch(narrow, [price(1, 50)]))
    warehouse.write(batch(narrow, [price(1, 51, "16 10:00")]))

    warehouse.write(batch(PRICES, [price(1, 0.5, "17 10:00")]))

    assert sorted(row["price"] for row in content(warehouse, PRICES, "history")) == [50.0, 51.0]


def test_a_backup_holds_everything_and_is_itself_a_warehouse(
    store: DuckDBStore, warehouse: DuckDBWarehouse, tmp_path: Path
):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    warehouse.write(batch(PRICES, [price(1, 2.0, "16 10:00")]))
    target = tmp_path / "copies.duckdb"

    warehouse.backup(target)

    copy = DuckDBWarehouse(target, SCHEMA, clock=store.clock)
    assert content(copy, PRICES) == content(warehouse, PRICES)
    assert content(copy, PRICES, "history") == content(warehouse, PRICES, "history")
    bounds = at("15 00:00").replace(tzinfo=service.UTC), at("16 00:00").replace(tzinfo=service.UTC)
    assert len(copy.coverage([PRICES], *bounds)["PRICES"]) == 1
    assert counts(copy.write(batch(PRICES, [price(1, 2.0, "16 10:00")]))) == {"fetched": 1, "unchanged": 1}
    with pytest.raises(WarehouseError, match="exists already"):
        warehouse.backup(target)


def test_a_backup_of_nothing_is_refused(warehouse: DuckDBWarehouse, tmp_path: Path):
    with pytest.raises(WarehouseError, match="nothing to back up"):
        warehouse.backup(tmp_path / "copy.duckdb")


def test_a_restore_brings_the_backup_back_and_keeps_what_it_replaces(
    store: DuckDBStore, warehouse: DuckDBWarehouse, tmp_path: Path
):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    warehouse.backup(tmp_path / "copy.duckdb")
    warehouse.write(batch(PRICES, [price(2, 2.0)]))

    with warehouse.session():
        replaced = warehouse.restore(tmp_path / "copy.duckdb")
        assert len(content(warehouse, PRICES)) == 1
        warehouse.write(batch(PRICES, [price(3, 2.0)]))

    assert len(content(DuckDBWarehouse(replaced, SCHEMA), PRICES)) == 2
    assert (tmp_path / "copy.duckdb").exists()


def test_a_broken_store_can_be_restored(store: DuckDBStore, warehouse: DuckDBWarehouse, tmp_path: Path):
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    warehouse.backup(tmp_path / "copy.duckdb")
    store.path.write_bytes(b"broken" * 5000)

    warehouse.restore(tmp_path / "copy.duckdb")

    assert len(content(warehouse, PRICES)) == 1


def test_only_a_backup_is_restored(warehouse: DuckDBWarehouse, tmp_path: Path):
    foreign = tmp_path / "foreign.duckdb"
    duckdb.connect(str(foreign)).close()

    with pytest.raises(WarehouseError, match="not a backup"):
        warehouse.restore(foreign)
    with pytest.raises(WarehouseError, match="does not exist"):
        warehouse.restore(tmp_path / "none.duckdb")


def test_status_of_a_damaged_instance_is_not_reused(store: DuckDBStore, warehouse: DuckDBWarehouse):
    """After a fatal error DuckDB refuses everything on that instance; the next call has a new one."""
    warehouse.write(batch(PRICES, [price(1, 1.0)]))
    with warehouse.session():
        with pytest.raises(duckdb.FatalException), warehouse._holder.use(write=True):
            raise duckdb.FatalException("database has been invalidated")
        assert len(content(warehouse, PRICES)) == 1
