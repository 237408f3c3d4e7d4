"""That the BigQuery server of this machine answers as BigQuery does, where the warehouse rests on it."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy_assets_tests.bigquery import server
from energy_assets_tests.bigquery.server import NEEDS_PYTHON, Addresses, absence, missing_names, running

bigquery = pytest.importorskip("google.cloud.bigquery", reason="the extra bigquery is not installed")
api = pytest.importorskip("google.api_core.exceptions")

DAY = date(2026, 7, 15)


def test_the_server_can_be_started_wherever_all_tests_have_to_run():
    reason, excused = absence()

    assert not reason or excused, reason
    assert bool(reason) == (sys.version_info < NEEDS_PYTHON)


@pytest.mark.parametrize(
    ("version", "ci", "excused"),
    [((3, 12, 1), "", True), ((3, 12, 1), "1", False), ((3, 13, 0), "", False), ((3, 14, 0), "1", False)],
)
def test_only_an_old_python_outside_ci_excuses_the_absence_of_the_server(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], ci: str, excused: bool
):
    monkeypatch.setattr(server.sys, "version_info", version)
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("CI", ci)

    reason, found = absence()

    assert reason
    assert found is excused


@pytest.mark.skipif(sys.version_info < NEEDS_PYTHON, reason="the package needs a newer Python")
def test_the_installed_package_has_every_name_that_is_replaced_in_it():
    missing = missing_names()

    assert missing == [], (
        f"local-bigquery has changed: {', '.join(missing)} are used by energy_assets_tests/bigquery/server.py; go back "
        "to the pinned version, or write the patches that use them anew"
    )


class Dataset:
    """A dataset with a client, for statements in short."""

    def __init__(self, addresses: Addresses) -> None:
        from energy_assets.warehouse.bigquery.connection import emulated

        self.name = f"server_{uuid.uuid4().hex[:12]}"
        self.connection = emulated("local", self.name, "europe-west2", addresses.rest, addresses.storage)
        made = bigquery.Dataset(f"local.{self.name}")
        made.location = "europe-west2"
        self.client.create_dataset(made)

    @property
    def client(self):
        return self.connection.client

    def run(self, text: str, **options):
        config = bigquery.QueryJobConfig(default_dataset=f"local.{self.name}")
        job = self.client.query(text, job_config=config, retry=None, job_retry=None, **options)
        return [tuple(row) for row in job.result(retry=None, job_retry=None)]

    def table(self, name: str = "t"):
        return self.client.get_table(f"{self.name}.{name}")

    def make(self, *fields: tuple[str, str], name: str = "t", **options):
        schema = [bigquery.SchemaField(*field) for field in fields]
        table = bigquery.Table(f"local.{self.name}.{name}", schema=schema)
        for option, value in options.items():
            setattr(table, option, value)
        return self.client.create_table(table)

    def load(self, rows: pa.Table, name: str = "t", **options):
        file = io.BytesIO()
        pq.write_table(rows, file)
        config = bigquery.LoadJobConfig(source_format="PARQUET", **options)
        job = self.client.load_table_from_file(
            file, f"local.{self.name}.{name}", rewind=True, size=file.tell(), job_config=config
        )
        return job.result()


@pytest.fixture
def dataset(bigquery_server: Addresses) -> Iterator[Dataset]:
    made = Dataset(bigquery_server)
    yield made
    made.client.delete_dataset(made.name, delete_contents=True)
    made.connection.close()


@pytest.fixture
def stored(dataset: Dataset) -> Dataset:
    """A dataset with one table ``t`` of two rows."""
    dataset.run("CREATE TABLE t (k INT64, v STRING, day DATE) PARTITION BY DATE_TRUNC(day, MONTH)")
    dataset.run("INSERT INTO t (k, v, day) VALUES (1, 'a', DATE '2026-07-15'), (2, 'b', DATE '2026-08-15')")
    return dataset


# Jobs.


def test_of_calls_with_one_job_id_one_succeeds(dataset: Dataset):
    for _ in range(5):
        name = uuid.uuid4().hex
        together = threading.Barrier(6)

        def insert(name: str = name, together: threading.Barrier = together) -> str:
            together.wait()
            try:
                dataset.run("SELECT 1", job_id=name)
            except api.Conflict:
                return "refused"
            return "ran"

        with ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(insert) for _ in range(6)]

        assert Counter(call.result() for call in calls) == {"ran": 1, "refused": 5}


def test_a_job_keeps_its_id_for_good(dataset: Dataset):
    with pytest.raises(api.BadRequest):
        dataset.run("SELECT nothing", job_id="failed-once")
    with pytest.raises(api.Conflict):
        dataset.run("SELECT 1", job_id="failed-once")


@pytest.mark.parametrize("bad", [{"Owner": "x"}, {"owner": "Big"}, {"owner": "with space"}, {"owner": "x" * 64}])
def test_labels_that_are_none_are_refused(dataset: Dataset, bad: dict[str, str]):
    with pytest.raises(api.BadRequest, match="label"):
        dataset.make(("k", "INT64"), labels=bad)
    with pytest.raises(api.BadRequest, match="label"):
        dataset.client.query("SELECT 1", job_config=bigquery.QueryJobConfig(labels=bad), retry=None, job_retry=None)


# Scripts and transactions.


MERGE = """
MERGE t T USING (SELECT * FROM staged) S ON T.k = S.k
WHEN MATCHED AND T.v <> S.v THEN UPDATE SET v = S.v, day = NULL
WHEN NOT MATCHED THEN INSERT (k, v, day) VALUES (S.k, S.v, S.day)
"""
STAGED = "CREATE TEMP TABLE staged AS SELECT k, 'new' AS v, DATE '2026-07-15' AS day FROM UNNEST([2, 3]) AS k"


def test_merges_are_part_of_the_transaction_around_them(stored: Dataset):
    stored.run(f"""
        BEGIN TRANSACTION;
        {STAGED};
        {MERGE};
        ASSERT @@row_count = 2 AS 'merged';
        UPDATE staged SET v = 'newer' WHERE k = 3;
        {MERGE};
        ASSERT @@row_count = 1 AS 'merged again';
        DELETE FROM t WHERE k = 1;
        ASSERT @@row_count = 1 AS 'deleted';
        COMMIT TRANSACTION;
    """)

    assert stored.run("SELECT k, v, day FROM t ORDER BY k") == [(2, "new", None), (3, "newer", None)]


def test_a_merge_of_two_rows_into_one_is_refused_and_changes_nothing(stored: Dataset):
    before = stored.run("SELECT * FROM t ORDER BY k")
    twice = MERGE.replace("SELECT * FROM staged", "SELECT * FROM staged UNION ALL SELECT k, 'other', day FROM staged")

    with pytest.raises(api.BadRequest, match="at most one source row"):
        stored.run(f"{STAGED}; {twice}")

    assert stored.run("SELECT * FROM t ORDER BY k") == before


def test_a_script_that_fails_leaves_nothing_of_its_transaction(stored: Dataset):
    before = stored.run("SELECT * FROM t ORDER BY k")

    with pytest.raises(api.BadRequest, match="as was said"):
        stored.run(f"BEGIN TRANSACTION; {STAGED}; {MERGE}; ASSERT FALSE AS 'as was said'; COMMIT TRANSACTION;")

    assert stored.run("SELECT * FROM t ORDER BY k") == before
    stored.run(f"BEGIN TRANSACTION; {STAGED}; {MERGE}; COMMIT TRANSACTION;")
    assert stored.run("SELECT count(*) FROM t") == [(3,)]


def test_a_transaction_that_is_not_committed_leaves_nothing(stored: Dataset):
    stored.run("BEGIN TRANSACTION; DELETE FROM t WHERE TRUE;")

    assert stored.run("SELECT count(*) FROM t") == [(2,)]


def test_a_transaction_sees_its_own_changes_and_can_take_them_back(stored: Dataset):
    stored.run("""
        BEGIN TRANSACTION;
        INSERT INTO t (k, v, day) VALUES (9, 'mine', DATE '2026-07-15');
        ASSERT (SELECT count(*) FROM t) = 3 AS 'its own row';
        ROLLBACK TRANSACTION;
    """)

    assert stored.run("SELECT count(*) FROM t") == [(2,)]


def test_two_transactions_that_change_the_same_rows_are_told_apart_in_bigquerys_words(stored: Dataset):
    wait = "(SELECT count(*) FROM UNNEST(GENERATE_ARRAY(1, 3000000)) AS a WHERE MOD(a * 7, 3) = 5)"
    errors: list[str] = []

    def change(value: str) -> None:
        script = f"BEGIN TRANSACTION; UPDATE t SET v = '{value}' WHERE k = 1; ASSERT {wait} = 0; COMMIT TRANSACTION;"
        try:
            stored.run(script)
        except api.BadRequest as error:
            errors.append(str(error))

    for _ in range(10):
        threads = [threading.Thread(target=change, args=(value,)) for value in ("x", "y", "z")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            break

    assert errors
    assert all("aborted due to concurrent update" in error for error in errors)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE other (k INT64)", "DROP TABLE t", "ALTER TABLE t ADD COLUMN more STRING"]
)
def test_permanent_tables_are_not_made_or_changed_inside_a_transaction(stored: Dataset, statement: str):
    with pytest.raises(api.BadRequest, match="not supported in a transaction"):
        stored.run(f"BEGIN TRANSACTION; {statement}; COMMIT TRANSACTION;")

    assert [f.name for f in stored.table().schema] == ["k", "v", "day"]


# Tables.


RESERVED = ["_partition_day", "_PARTITIONTIME", "_table_suffix", "_File_name", "_row_timestamp_x", "__root__a"]


@pytest.mark.parametrize("name", [*RESERVED, "_colidentifier", "_CHANGE_TYPE"])
def test_reserved_column_names_are_refused(dataset: Dataset, name: str):
    refused = pytest.raises(api.BadRequest, match="Invalid field name")
    with refused:
        dataset.make((name, "DATE"))
    for statement in (
        f"CREATE TABLE t (`{name}` DATE)",
        f"CREATE TABLE t AS SELECT CURRENT_DATE() AS `{name}`",
        f"CREATE TEMP TABLE t AS SELECT CURRENT_DATE() AS `{name}`",
        f"CREATE VIEW t AS SELECT CURRENT_DATE() AS `{name}`",
        f"SELECT CURRENT_DATE() AS `{name}`",
    ):
        with refused:
            dataset.run(statement)
    with refused:
        dataset.load(pa.table({name: [DAY]}))
    held = dataset.make(("k", "INT64"))
    held.schema = [*held.schema, bigquery.SchemaField(name, "DATE")]
    with refused:
        dataset.client.update_table(held, ["schema"])
    with refused:
        dataset.run(f"ALTER TABLE t ADD COLUMN `{name}` DATE")


def test_an_update_with_an_old_etag_is_refused(dataset: Dataset):
    first = dataset.make(("k", "INT64"), labels={"a": "1"})
    second = dataset.table()
    first.labels = {"a": "2"}
    dataset.client.update_table(first, ["labels"])

    second.labels = {"a": "3"}
    with pytest.raises(api.PreconditionFailed):
        dataset.client.update_table(second, ["labels"])

    assert dataset.table().labels == {"a": "2"}
    items = dataset.client.list_tables(dataset.name)
    assert [(item.table_id, item.labels) for item in items] == [("t", {"a": "2"})]


def test_of_updates_with_one_etag_one_succeeds(dataset: Dataset):
    dataset.make(("k", "INT64"))
    together = threading.Barrier(5)

    def update(number: int) -> str:
        held = dataset.table()
        held.labels = {"by": str(number)}
        together.wait()
        try:
            dataset.client.update_table(held, ["labels"])
        except api.PreconditionFailed:
            return "refused"
        return "done"

    with ThreadPoolExecutor(5) as pool:
        outcomes = Counter(pool.map(update, range(5)))

    assert outcomes == {"done": 1, "refused": 4}


def test_views_and_functions_go_on_when_their_table_gains_a_column(stored: Dataset):
    stored.run("CREATE VIEW w AS SELECT * FROM t")
    stored.run("CREATE TABLE FUNCTION f(moment TIMESTAMP) AS SELECT k, v FROM t X WHERE TIMESTAMP(X.day) <= moment")
    held = stored.table()
    held.schema = [*held.schema, bigquery.SchemaField("more", "FLOAT64")]

    stored.client.update_table(held, ["schema"])

    assert stored.run("SELECT k FROM w ORDER BY k") == [(1,), (2,)]
    assert stored.run("SELECT k, v FROM f(TIMESTAMP '2026-08-01 00:00:00+00')") == [(1, "a")]
    assert stored.run("SELECT count(*) FROM INFORMATION_SCHEMA.COLUMNS WHERE table_name = 't'") == [(4,)]


def test_row_counts_are_those_of_now(stored: Dataset):
    counts = "SELECT partition_id, total_rows FROM INFORMATION_SCHEMA.PARTITIONS WHERE table_name = 't' ORDER BY 1"
    assert stored.run(counts) == [("202607", 1), ("202608", 1)]

    stored.run("INSERT INTO t (k, v, day) VALUES (5, 'c', DATE '2026-08-16')")
    assert stored.run(counts) == [("202607", 1), ("202608", 2)]
    stored.run("DELETE FROM t WHERE k = 2")
    assert stored.run(counts) == [("202607", 1), ("202608", 1)]
    stored.run(f"{STAGED}; {MERGE}")
    assert stored.run(counts) == [("202607", 3), ("202608", 1)]
    assert stored.table().num_rows == 4
    assert stored.run("SELECT row_count FROM __TABLES__ WHERE table_id = 't'") == [(4,)]


def test_a_table_past_its_time_is_gone(dataset: Dataset):
    soon = datetime.now(UTC) + timedelta(seconds=1)
    dataset.make(("k", "INT64"), expires=soon)
    assert dataset.run("SELECT count(*) FROM t") == [(0,)]

    threading.Event().wait(1.5)

    with pytest.raises(api.NotFound):
        dataset.run("SELECT count(*) FROM t")
    with pytest.raises(api.NotFound):
        dataset.table()
    assert list(dataset.client.list_tables(dataset.name)) == []


# Loading and reading.


def test_parquet_is_loaded_by_name_and_comes_back_through_the_storage_api(dataset: Dataset):
    dataset.make(("a", "FLOAT64"), ("b", "STRING"), ("at", "TIMESTAMP"))
    moment = datetime(2026, 7, 15, 9, 30, 0, 123456, tzinfo=UTC)
    rows = pa.table({"b": ["x", "y"], "at": pa.array([moment, None], pa.timestamp("us", "UTC")), "a": [0.1, -0.0]})

    dataset.load(rows, create_disposition="CREATE_NEVER")

    assert dataset.table().num_rows == 2
    query = dataset.client.query(f"SELECT b, at, a FROM {dataset.name}.t ORDER BY b", job_retry=None).result()
    read = query.to_arrow(bqstorage_client=dataset.connection.reader, create_bqstorage_client=False)
    assert read.to_pylist() == rows.to_pylist()


def test_a_reader_gets_the_rows_of_the_moment_at_which_it_asked(stored: Dataset):
    from google.cloud.bigquery_storage_v1 import types

    reader = stored.connection.reader
    path = f"projects/local/datasets/{stored.name}/tables/t"
    asked = types.ReadSession(table=path, data_format=types.DataFormat.ARROW)
    session = reader.create_read_session(parent="projects/local", read_session=asked, max_stream_count=1)

    stored.run("DELETE FROM t WHERE TRUE")

    batches = [page.to_arrow() for page in reader.read_rows(session.streams[0].name).rows(session).pages]
    assert sorted(pa.Table.from_batches(batches).column("k").to_pylist()) == [1, 2]


# The process.


def test_the_server_ends_with_whoever_started_it():
    with running() as addresses:
        assert addresses.rest.startswith("http://127.0.0.1:")
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-m", "energy_assets_tests.bigquery.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert b'"rest"' in process.stdout.readline()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
