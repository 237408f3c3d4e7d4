"""Who may hold the file: writers in turn, readers for a moment, nobody for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from energy_assets.errors import WarehouseBusyError, WarehouseError
from energy_assets.warehouse import locking
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.contract.store import DAY, SCHEMA, DuckDBStore, at, batch
from energy_assets_tests.contract.tables import PRICES


@pytest.fixture
def store(tmp_path: Path) -> DuckDBStore:
    made = DuckDBStore(tmp_path)
    made.open().write(one(1))
    return made


def one(period: int):
    row = {"settlementDate": DAY, "settlementPeriod": period, "createdDateTime": at("15 10:00"), "price": 1.0}
    return batch(PRICES, [row])


@contextmanager
def other_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that says when it is ready and ends with its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", process.communicate()
        yield process
    finally:
        process.communicate()


HOLDS = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("ready", flush=True)
sys.stdin.read()
"""

HOLDS_SESSION = """
import sys
from pathlib import Path
from energy_assets.warehouse.duckdb import DuckDBWarehouse
warehouse = DuckDBWarehouse(Path(sys.argv[1]), "uk_energy_insights")
with warehouse.session():
    warehouse.record([])
    print("ready", flush=True)
    sys.stdin.read()
"""

HOLDS_GATE = """
import sys, filelock
with filelock.FileLock(sys.argv[1] + ".lock"):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_writer_names_the_process_that_keeps_the_file(store: DuckDBStore, mode: str):
    warehouse = store.open()
    warehouse._holder._wait_seconds = warehouse._holder._patience = 0.2

    with other_process(HOLDS, str(store.path), mode) as process, pytest.raises(WarehouseBusyError) as refused:
        warehouse.write(one(2))

    assert f"process {process.pid} (" in str(refused.value)
    assert "python" in str(refused.value)
    assert "longer than 0.2 s" in str(refused.value)
    assert "\n" not in str(refused.value)

    assert warehouse.write(one(2)).receipts[0].status == "written"


def test_a_reader_names_the_process_that_keeps_the_file(store: DuckDBStore):
    warehouse = store.open()
    warehouse._holder._wait_seconds = warehouse._holder._patience = 0.2

    with other_process(HOLDS, str(store.path), "write") as process, pytest.raises(WarehouseBusyError) as refused:
        warehouse.read(PRICES, DAY, DAY)

    assert f"process {process.pid} (" in str(refused.value)

    assert warehouse.read(PRICES, DAY, DAY).num_rows == 1


def test_a_wait_at_the_gate_ends_too(store: DuckDBStore):
    warehouse = store.open()
    warehouse._holder._wait_seconds = warehouse._holder._patience = 0.2

    with other_process(HOLDS_GATE, str(store.path)), pytest.raises(WarehouseBusyError, match="another process"):
        warehouse.write(one(2))


def test_after_a_wait_in_vain_the_next_ones_are_short_until_the_file_was_had(store: DuckDBStore):
    holder = store.open()._holder
    holder._wait_seconds = holder._patience = 0.3
    impatient = min(0.3, locking.IMPATIENT_SECONDS)

    with other_process(HOLDS, str(store.path), "write"):
        with pytest.raises(WarehouseBusyError):
            store.open().read(PRICES, DAY, DAY)
        assert holder._patience == impatient
    store.open().read(PRICES, DAY, DAY)
    assert holder._patience == 0.3


def test_readers_of_two_processes_read_at_once(store: DuckDBStore):
    with other_process(HOLDS, str(store.path), "read"):
        assert store.open().read(PRICES, DAY, DAY).num_rows == 1


def test_an_idle_session_elsewhere_does_not_keep_others_out(store: DuckDBStore):
    with other_process(HOLDS_SESSION, str(store.path)):
        warehouse = store.open()
        assert warehouse.read(PRICES, DAY, DAY).num_rows == 1
        assert warehouse.write(one(2)).receipts[0].status == "written"


def test_an_idle_session_gives_the_file_up_and_goes_on_later(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locking, "IDLE_SECONDS", 0.05)
    warehouse = store.open()
    with warehouse.session():
        warehouse.write(one(2))
        assert warehouse._holder._connection is not None
        deadline = time.monotonic() + 30
        while warehouse._holder._connection is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert warehouse._holder._connection is None
        assert warehouse.write(one(3)).receipts[0].status == "written"


def test_a_busy_session_lets_others_in_from_time_to_time(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locking, "MAX_HOLD_SECONDS", 0.0)
    monkeypatch.setattr(locking, "PAUSE_SECONDS", 0.0)
    warehouse = store.open()
    opened = []
    with warehouse.session():
        for period in range(2, 5):
            warehouse.write(one(period))
            opened.append(warehouse._holder._opened)

    assert len(set(opened)) == 3
    assert warehouse.read(PRICES, DAY, DAY).num_rows == 4


def test_within_a_session_the_file_stays_open(store: DuckDBStore):
    warehouse = store.open()
    with warehouse.session(), warehouse.session():
        warehouse.windows_with_bodies(PRICES, ["x"], (at("15 00:00"), at("16 00:00")))
        first = warehouse._holder._opened
        warehouse.write(one(2))
        warehouse.read(PRICES, DAY, DAY)
        assert warehouse._holder._opened == first

    assert warehouse._holder._connection is None


def test_a_reading_session_opens_for_writing_only_when_something_is_written(store: DuckDBStore):
    warehouse = store.open()
    with warehouse.session(write=False):
        warehouse.read(PRICES, DAY, DAY)
        assert not warehouse._holder._writable
        warehouse.write(one(2))
        assert warehouse._holder._writable


def test_nothing_is_held_between_calls(store: DuckDBStore):
    warehouse = store.open()
    warehouse.write(one(2))

    with duckdb.connect(str(store.path)) as by_hand:
        assert by_hand.sql(f"SELECT count(*) FROM {SCHEMA}.test_prices").fetchall() == [(2,)]


def test_another_connection_of_this_process_is_named_as_such(store: DuckDBStore):
    warehouse = store.open()
    warehouse._holder._wait_seconds = warehouse._holder._patience = 0.1

    with duckdb.connect(str(store.path)), pytest.raises(WarehouseBusyError, match="another connection of this process"):
        warehouse.read(PRICES, DAY, DAY)


def test_reading_does_not_make_a_file(tmp_path: Path):
    warehouse = DuckDBWarehouse(tmp_path / "none.duckdb", SCHEMA)

    with pytest.raises(WarehouseError, match="holds nothing yet"):
        warehouse.read(PRICES, DAY, DAY)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_waits_for_a_reader_of_its_own_process(store: DuckDBStore):
    warehouse = store.open()
    reading, go_on = threading.Event(), threading.Event()

    def read() -> None:
        with warehouse._holder.use(write=False):
            reading.set()
            go_on.wait(30)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(30)
    writer = threading.Thread(target=lambda: warehouse.write(one(2)))
    writer.start()
    writer.join(0.1)
    assert writer.is_alive()
    go_on.set()
    writer.join(30)
    reader.join(30)

    assert warehouse.read(PRICES, DAY, DAY).num_rows == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Conflicting lock is held in /usr/bin/duckdb (PID 999999999).", "process 999999999 (/usr/bin/duckdb)"),
        ("Conflicting lock is held somewhere", "another process"),
    ],
)
def test_a_holder_is_described_from_what_duckdb_says(text: str, said: str):
    assert locking.describe_holder(text) == said


def test_a_command_line_is_shown_only_in_part():
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    with other_process(code, "--one", "--two", "secret") as process:
        said = locking.describe_holder(f"held in python (PID {process.pid})")

    assert "python" in said
    assert "secret" not in said
