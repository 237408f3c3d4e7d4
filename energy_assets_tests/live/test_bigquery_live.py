"""What only BigQuery itself can show: bytes, pruning, partition filters, names, transactions and roles. Not part of CI.

``ENERGY_ASSETS_LIVE_BIGQUERY=project.dataset pytest -m live energy_assets_tests/live``, with credentials that may make
datasets in the project. Everything happens in a new dataset whose name begins with the one given: it is deleted in the
end, its tables expire after an hour in any case, and the one named is not touched. The bill is a few pence at most.

Whether the roles of the docs suffice is shown apart, with the credentials of a service account that has no others, in
an empty dataset that somebody else has made for it: ``ENERGY_ASSETS_LIVE_BIGQUERY_EDITOR=project.dataset``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_assets.calendar import day_start_utc
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Table
from energy_assets.errors import WarehouseError
from energy_assets.settings import Settings
from energy_assets_tests.contract.store import Row, batch, counts, joined, window
from energy_assets_tests.contract.tables import ACTIONS, PRICES

VARIABLE = "ENERGY_ASSETS_LIVE_BIGQUERY"
NAMED = os.environ.get(VARIABLE, "")
EDITOR_VARIABLE = "ENERGY_ASSETS_LIVE_BIGQUERY_EDITOR"
EDITED = os.environ.get(EDITOR_VARIABLE, "")

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

NEEDS_SCRATCH = f"needs {VARIABLE}=project.dataset and Google credentials"

FUELINST = dataset("FUELINST").table
FIRST, SECOND = date(2026, 6, 30), date(2026, 7, 1)
"""Neighbours in different months, and so in different partitions however a table is partitioned."""

FUELS = ("BIOMASS", "CCGT", "COAL", "INTFR", "INTIRL", "INTNED", "NPSHYD", "NUCLEAR", "OCGT", "OIL", "OTHER", "WIND")
STEP = timedelta(minutes=5)
STEPS = 288

EXPIRES_MS = 3_600_000

Asked = Callable[[str], int]


def settings_of(project: str, name: str, **more: Any) -> Settings:
    """Settings without the environment, in which the test's own variable is none of ours."""
    given = {
        "bigquery_location": os.environ.get("ENERGY_ASSETS_BIGQUERY_LOCATION"),
        "bigquery_emulator_host": os.environ.get("BIGQUERY_EMULATOR_HOST"),
        "bigquery_storage_endpoint": os.environ.get("ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT"),
    }
    chosen = {key: value for key, value in given.items() if value}
    return Settings(warehouse="bigquery", google_cloud_project=project, schema_name=name, **chosen, **more)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A dataset that dies with the module."""
    from google.cloud import bigquery

    from energy_assets.wiring import open_connection

    if not NAMED:
        pytest.skip(NEEDS_SCRATCH)
    project, _, prefix = NAMED.rpartition(".")
    assert project and prefix, f"{VARIABLE} is {NAMED!r}, but it should be project.dataset"
    name = f"{prefix}_live_{uuid.uuid4().hex[:8]}"
    settings = settings_of(project, name, home=tmp_path_factory.mktemp("home"))
    connection = open_connection(settings)
    made = bigquery.Dataset(f"{project}.{name}")
    made.location = settings.bigquery_location
    made.default_table_expiration_ms = EXPIRES_MS
    connection.client.create_dataset(made)
    try:
        yield settings
    finally:
        connection.client.delete_dataset(made, delete_contents=True, not_found_ok=True)
        connection.close()


def opened(settings: Settings, **more: Any) -> Any:
    """The real warehouse of these settings."""
    from energy_assets.wiring import open_warehouse

    return open_warehouse(settings.model_copy(update=more))


def rows_of(day: date) -> list[Row]:
    """A day of FUELINST in shape: 3,456 rows."""
    start = day_start_utc(day).replace(tzinfo=None)
    return [
        {
            "dataset": "FUELINST",
            "publishTime": start + (step + 1) * STEP,
            "startTime": start + step * STEP,
            "settlementDate": day,
            "settlementPeriod": step // 6 + 1,
            "fuelType": fuel,
            "generation": float(step * 10 + place),
        }
        for step in range(STEPS)
        for place, fuel in enumerate(FUELS)
    ]


@pytest.fixture(scope="module")
def warehouse(scratch: Settings) -> Iterator[Any]:
    """Two days of rows, written by the real warehouse after its preflight."""
    store = opened(scratch)
    try:
        store.check()
        store.claim("sandbox")
        first = store.write(joined(*(batch(FUELINST, rows_of(day), window(day)) for day in (FIRST, SECOND))))
        assert counts(first)["inserted"] == 2 * STEPS * len(FUELS)
        yield store
    finally:
        store.close()


@pytest.fixture
def estimate(warehouse: Any) -> Asked:
    """Bytes that a statement would read, by a dry run."""
    from google.cloud import bigquery

    connection = warehouse.jobs.connection
    config = bigquery.QueryJobConfig(
        dry_run=True, use_query_cache=False, default_dataset=f"{connection.project}.{connection.dataset}"
    )

    def ask(text: str) -> int:
        return int(connection.client.query(text, config, location=connection.location).total_bytes_processed)

    return ask


def test_the_same_rows_again_change_nothing(warehouse: Any) -> None:
    again = counts(warehouse.write(batch(FUELINST, rows_of(SECOND), window(SECOND))))
    assert again.get("inserted", 0) == again.get("updated", 0) == 0
    assert again["unchanged"] == STEPS * len(FUELS)


def test_what_was_written_is_read(warehouse: Any) -> None:
    held = warehouse.read(FUELINST, SECOND, SECOND, columns=["startTime", "fuelType", "generation"]).to_pylist()
    written = [{name: row[name] for name in ("startTime", "fuelType", "generation")} for row in rows_of(SECOND)]
    assert held == sorted(written, key=lambda row: (row["startTime"], row["fuelType"]))


def test_reading_a_day_reads_its_partition_only(warehouse: Any, estimate: Asked) -> None:
    everything = estimate(f"SELECT * FROM {FUELINST.name}")
    assert 0 < estimate(f"SELECT * FROM {FUELINST.name} WHERE partition_day = DATE '{SECOND}'") < 0.7 * everything


def test_a_merge_reads_the_partitions_of_its_days_only(warehouse: Any, estimate: Asked) -> None:
    from energy_assets.warehouse.bigquery.dialect import BIGQUERY
    from energy_assets.warehouse.sql import Bounds, TableSql

    schema = warehouse.schema
    stored = tuple(name for name, _ in FUELINST.columns)
    sql = TableSql(BIGQUERY, schema, FUELINST, stored, frozenset(FUELINST.natural_key))
    whole = estimate(f"SELECT * FROM {FUELINST.name}")
    both = sql.merge(sql.target, stored, Bounds((FIRST, SECOND)))
    one = sql.merge(sql.target, stored, Bounds((SECOND,)))
    # The table stands on both sides of the statement.
    assert 0 < estimate(one) <= 0.6 * estimate(both)
    assert estimate(one) < 1.4 * whole


def test_views_and_table_functions_answer(warehouse: Any) -> None:
    def rows(source: str) -> int:
        text = f"SELECT count(*) FROM {warehouse.schema}.{source} WHERE partition_day = DATE '{SECOND}'"
        return int(next(iter(warehouse.jobs.query(text, what="Counting")))[0])

    now = f"TIMESTAMP '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}+00'"
    number = STEPS * len(FUELS)
    assert rows(f"{FUELINST.name}_latest") == number
    assert rows(f"{FUELINST.name}_ingested_as_of({now})") == number
    assert rows(f"{FUELINST.name}_ingested_as_of(TIMESTAMP '2020-01-01 00:00:00+00')") == 0
    assert rows(f"{FUELINST.name}_published_as_of({now})") == number


def test_an_unfiltered_query_is_refused_and_our_own_writes_are_not(scratch: Settings) -> None:
    from google.api_core.exceptions import BadRequest

    store = opened(scratch, bigquery_require_partition_filter=True)
    try:
        revised_and_replaced(store)
        client = store.jobs.connection.client
        for table in (PRICES, ACTIONS):
            name = f"{store.schema}.{table.name}"
            assert client.get_table(name).require_partition_filter
            with pytest.raises(BadRequest, match="partition"):
                client.query(f"SELECT count(*) FROM `{name}`").result()
        latest = f"SELECT * FROM `{store.schema}.{PRICES.name}_latest` WHERE partition_day = DATE '{SECOND}'"
        assert client.query(latest).result().total_rows == 48
        held = store.coverage([PRICES, ACTIONS], day_start_utc(FIRST), day_start_utc(SECOND + timedelta(days=1)))
        assert all(held.values())
        assert store.status([PRICES, ACTIONS], SECOND, {})
    finally:
        store.close()
    without = opened(scratch)
    try:
        without.write(batch(PRICES, [{"settlementDate": SECOND, "settlementPeriod": 1, "price": 9.0}], window(SECOND)))
        for name in (PRICES.name, f"{PRICES.name}_history"):
            assert not client.get_table(f"{store.schema}.{name}").require_partition_filter
    finally:
        without.close()


def revised_and_replaced(store: Any) -> None:
    """Every kind of statement about rows: insert, revise, withdraw, read."""

    def prices(value: float) -> list[Row]:
        return [{"settlementDate": SECOND, "settlementPeriod": n, "price": value + n % 2} for n in range(1, 49)]

    def actions(ids: range) -> list[Row]:
        return [{"settlementDate": SECOND, "settlementPeriod": 1, "id": n, "cost": 1.0} for n in ids]

    asked = window(SECOND)
    assert counts(store.write(batch(PRICES, prices(1.0), asked)))["inserted"] == 48
    assert counts(store.write(batch(PRICES, prices(2.0), asked)))["updated"] == 48
    assert counts(store.write(batch(ACTIONS, actions(range(5)), asked)))["inserted"] == 5
    assert counts(store.write(batch(ACTIONS, actions(range(3)), asked)))["withdrawn"] == 2
    assert store.read(PRICES, SECOND, SECOND).num_rows == 48
    assert store.read(PRICES, SECOND, SECOND, view="history").num_rows == 48
    assert store.read(ACTIONS, SECOND, SECOND, view="latest").num_rows == 3


def test_bigquery_accepts_the_columns_of_every_dataset(warehouse: Any) -> None:
    from google.cloud import bigquery

    from energy_assets.warehouse.bigquery.dialect import clustering, history_schema, physical, table_schema

    def refusal(table: Table) -> str:
        made = bigquery.Table(
            f"{warehouse.jobs.connection.project}.{warehouse.schema}.names_{table.name}",
            schema=history_schema(table_schema(table)),
        )
        made.time_partitioning = bigquery.TimePartitioning(field=physical("_partition_day"))
        made.clustering_fields = clustering(table) or None
        try:
            warehouse.jobs.call(f"Making {table.name}", lambda client: client.create_table(made))
        except WarehouseError as error:
            return str(error)
        return ""

    assert [told for d in datasets("bmrs") if (told := refusal(d.table))] == []


def test_a_query_above_the_guard_is_refused_and_costs_nothing(scratch: Settings, warehouse: Any) -> None:
    store = opened(scratch, bigquery_max_bytes_billed=1)
    try:
        with pytest.raises(WarehouseError, match="bytes billed"):
            store.jobs.query(f"SELECT * FROM {FUELINST.name}", what="Reading everything")
    finally:
        store.close()


def test_the_first_claim_counts(warehouse: Any) -> None:
    warehouse.claim("sandbox")
    with pytest.raises(WarehouseError, match="holds sandbox data"):
        warehouse.claim("provider")


def test_a_transaction_that_is_not_to_happen_leaves_nothing(warehouse: Any) -> None:
    from energy_assets.warehouse.bigquery.fence import MOVED, expect
    from energy_assets.warehouse.bigquery.jobs import JobFailedError

    table = f"`{warehouse.schema}`.`turns`"
    warehouse.jobs.query(f"CREATE TABLE {table} (n INT64)", what="Making a table")

    def transaction(condition: str) -> str:
        insert = f"INSERT INTO {table} (n) VALUES (1), (2)"
        return ";\n".join(["BEGIN TRANSACTION", insert, expect(condition), "COMMIT TRANSACTION"]) + ";"

    with pytest.raises(JobFailedError, match=MOVED) as caught:
        warehouse.jobs.query(transaction("@@row_count = 1"), what="Trying")
    assert not caught.value.transient
    query = f"SELECT count(*) FROM {table}"
    assert [tuple(row) for row in warehouse.jobs.query(query, what="Counting")] == [(0,)]
    warehouse.jobs.query(transaction("@@row_count = 2"), what="Trying")
    assert [tuple(row) for row in warehouse.jobs.query(query, what="Counting")] == [(2,)]


def test_a_staging_table_still_expires_after_the_load(warehouse: Any) -> None:
    import pyarrow as pa

    from energy_assets.warehouse.bigquery.stager import Rows, Stager

    staged = Stager(warehouse.jobs).stage(Rows("x", pa.table({"a": ["one"]}), {"a": "text"}))
    held = warehouse.jobs.connection.client.get_table(f"{warehouse.schema}.{staged.name}")
    assert held.num_rows == 1
    assert held.expires is not None
    assert held.expires > datetime.now(UTC) + timedelta(minutes=30)
    staged.release()


def test_a_table_rewritten_in_pieces_keeps_its_shape(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from energy_assets.warehouse.bigquery import layout

    monkeypatch.setattr(layout, "PARTITIONS_MOST", 2)
    fields = tuple(replace(f, type="integer") if f.name == "price" else f for f in PRICES.fields)
    whole = replace(PRICES, name="pieces", heavy=True, fields=fields)
    days = [SECOND + timedelta(days=n) for n in range(5)]
    rows = [{"settlementDate": day, "settlementPeriod": 1, "price": 5} for day in days]
    warehouse.write(joined(*(batch(whole, [row], window(row["settlementDate"])) for row in rows)))
    get = warehouse.jobs.connection.client.get_table
    before = get(f"{warehouse.schema}.pieces")
    numbers = replace(PRICES, name="pieces", heavy=True)
    warehouse.write(joined(*(batch(numbers, [row], window(row["settlementDate"])) for row in rows)))
    after = get(f"{warehouse.schema}.pieces")
    assert after.labels["table_id"] == before.labels["table_id"]
    assert after.time_partitioning == before.time_partitioning
    assert after.clustering_fields == before.clustering_fields
    assert warehouse.read(numbers, days[0], days[-1]).num_rows == len(days)


@pytest.mark.skipif(not EDITED, reason=f"needs {EDITOR_VARIABLE}=project.dataset and credentials with the docs' roles")
def test_the_roles_of_the_docs_suffice_in_a_dataset_that_somebody_else_made(tmp_path: Path) -> None:
    project, _, name = EDITED.rpartition(".")
    store = opened(settings_of(project, name, home=tmp_path))
    client = store.jobs.connection.client
    try:
        assert [t.table_id for t in client.list_tables(f"{project}.{name}")] == [], "the dataset is not empty"
        store.check()
        store.claim("sandbox")
        revised_and_replaced(store)
        again = opened(settings_of(project, name, home=tmp_path))
        again.check()
        again.close()
    finally:
        for item in client.list_tables(f"{project}.{name}"):
            client.delete_table(item, not_found_ok=True)
        for routine in client.list_routines(f"{project}.{name}"):
            client.delete_routine(routine, not_found_ok=True)
        store.close()


def test_the_jobs_are_found_with_their_costs(warehouse: Any) -> None:
    from energy_assets.warehouse.bigquery.cost import read_costs

    today = datetime.now(UTC).date()
    lines = [e for e in read_costs(warehouse.jobs, today - timedelta(days=1), today).lines if e.table == FUELINST.name]
    assert sum(e.loads for e in lines) >= 1
    assert sum(e.bytes_billed for e in lines) > 0
    used = warehouse.usage()[FUELINST.name]
    assert used.bytes_billed > 0
    assert used.slot_ms > 0
