"""The dataset and its tables: what making them needs, what is made again, and whose tables are taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest
from google.cloud import bigquery

from energy_assets.catalogue.model import Table
from energy_assets.errors import MovedError, WarehouseError
from energy_assets.ingest.adopt import adopt
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery import layout
from energy_assets.warehouse.bigquery.jobs import JobFailedError
from energy_assets.warehouse.bigquery.layout import BESIDE, Layouts
from energy_assets.warehouse.bigquery.stager import Rows, Stager
from energy_assets.warehouse.bigquery.store import VERSION, BigQueryWarehouse
from energy_assets.warehouse.parts import whole
from energy_assets_tests.bigquery.proxy import proxied
from energy_assets_tests.contract.store import DAY, LOCATION, BigQueryStore, at, batch, content, counts, window
from energy_assets_tests.contract.tables import PRICES


def price(period: int, day: date = DAY) -> dict[str, object]:
    return {"settlementDate": day, "settlementPeriod": period, "createdDateTime": at("15 10:00"), "price": 50.0}


@pytest.fixture
def empty(bigquery_serving: Callable[[], object]) -> Iterator[BigQueryStore]:
    """A dataset that does not exist yet."""
    made = BigQueryStore(bigquery_serving())  # type: ignore[arg-type]
    yield made
    made.discard()


@pytest.fixture(scope="module")
def shared(bigquery_serving: Callable[[], object]) -> Iterator[BigQueryStore]:
    """One dataset for tests that each have a table of their own."""
    made = BigQueryStore(bigquery_serving())  # type: ignore[arg-type]
    yield made
    made.discard()


@pytest.fixture
def warehouse(shared: BigQueryStore) -> Iterator[BigQueryWarehouse]:
    opened = shared.open()
    yield opened
    opened.close()


# Service tables.


def test_an_editor_of_a_dataset_that_somebody_else_made_can_start_and_write(empty: BigQueryStore) -> None:
    """Editors may not change a dataset, nor make one; a start of what is ready takes one call more than preflight."""
    with proxied(empty.addresses.rest) as line:
        client = empty.connection().client
        made = bigquery.Dataset(f"{client.project}.{empty.dataset}")
        made.location = LOCATION
        client.create_dataset(made)
        line.answer(403, "accessDenied", times=1000, match="update dataset")
        line.answer(403, "accessDenied", times=1000, match="create dataset")

        first = empty.open(rest=line.address)
        first.check()
        first.claim("provider")
        assert counts(first.write(batch(PRICES, [price(1)])))["inserted"] == 1
        newest = str(service.MIGRATIONS[-1].version)
        assert client.get_table(f"{empty.dataset}.{service.META}").labels[VERSION] == newest
        first.close()

        line.reset()
        second = empty.open(rest=line.address)
        second.record([])
        assert [call.kind for call in line.calls()] == ["list tables"]
        second.close()
        client.close()


def test_a_service_table_that_is_gone_is_made_again(empty: BigQueryStore) -> None:
    first = empty.open()
    first.write(batch(PRICES, [price(1)]))
    empty.query(f"DROP TABLE {empty.dataset}.{service.COMMITS}")
    empty.query(f"DROP VIEW {empty.dataset}.{service.RECEIPTS_LATEST}")
    second = empty.open()
    assert counts(second.write(batch(PRICES, [price(2)])))["inserted"] == 1
    assert [row["settlementPeriod"] for row in content(second, PRICES)] == [1, 2]
    assert [row["version"] for row in empty.service_rows(service.META)] == [step.version for step in service.MIGRATIONS]
    assert len(empty.service_rows(service.RECEIPTS_LATEST)) == 1
    first.close()
    second.close()


def test_a_dataset_of_a_newer_version_is_left_alone(empty: BigQueryStore) -> None:
    empty.open().record([])
    client = empty.connection().client
    meta = client.get_table(f"{empty.dataset}.{service.META}")
    meta.labels = {VERSION: "99"}
    client.update_table(meta, ["labels"])
    with pytest.raises(WarehouseError, match="version 99 and this energy_assets knows"):
        empty.open().record([])


def test_of_two_claims_made_at_once_the_earlier_counts_for_both(empty: BigQueryStore) -> None:
    ours, theirs = empty.open(), empty.open()
    ours.claim("sandbox")
    rows = "('provider', TIMESTAMP '2001-01-01 00:00:00+00'), ('sandbox', TIMESTAMP '2001-01-01 00:00:00+00')"
    empty.query(f"INSERT INTO {empty.dataset}.{service.ORIGIN} (kind, claimed_utc) VALUES {rows}")
    for warehouse in (ours, theirs):
        warehouse.claim("provider")
        with pytest.raises(WarehouseError, match="holds provider data and the rows to write come from a sandbox"):
            warehouse.claim("sandbox")
        assert warehouse.parts().origin() == "provider"
        warehouse.close()
    assert len(empty.service_rows(service.ORIGIN)) == 3


def test_judging_old_tables_makes_no_dataset(empty: BigQueryStore) -> None:
    class Nowhere:
        place = "nowhere"

        def names(self) -> list[str]:
            return []

    warehouse = empty.open()
    assert adopt(Nowhere(), None, warehouse, empty.clock, dry_run=True) == []  # type: ignore[arg-type]
    assert not empty._exists()
    warehouse.close()


# Tables.


def described(warehouse: BigQueryWarehouse, name: str) -> bigquery.Table:
    return warehouse.jobs.connection.client.get_table(f"{warehouse.schema}.{name}")


def test_the_partition_filter_follows_the_setting_on_and_off(
    warehouse: BigQueryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.record([])
    # The server of this machine makes no view over such a table; the live test does.
    monkeypatch.setattr(Layouts, "_define", lambda *_: None)
    table = replace(PRICES, name="test_filter")
    for wanted in (False, True, False):
        Layouts(warehouse.jobs, require_partition_filter=wanted).prepare(table, ())
        for name in (table.name, f"{table.name}_history"):
            assert bool(described(warehouse, name).require_partition_filter) == wanted


def test_our_own_looks_at_a_table_name_the_days(
    shared: BigQueryStore, warehouse: BigQueryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking a table over, and following a changed type, where unfiltered queries are refused."""
    warehouse.record([])
    monkeypatch.setattr(Layouts, "_define", lambda *_: None)
    table = replace(PRICES, name="test_filtered")
    integers = tuple(replace(f, type="integer") if f.name == "price" else f for f in table.fields)
    shared.make_by_hand(table, {**dict(table.columns), "price": "integer"})
    by_hand = described(warehouse, table.name)
    by_hand.require_partition_filter = True
    warehouse.jobs.connection.client.update_table(by_hand, ["require_partition_filter"])
    strict = Layouts(warehouse.jobs, require_partition_filter=True)
    before = strict.prepare(replace(table, fields=integers), ())
    after = strict.prepare(table, ())
    assert (before.stored["price"], after.stored["price"]) == ("integer", "number")
    assert after.table_id == before.table_id
    assert described(warehouse, table.name).require_partition_filter


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("", "is not partitioned by DATE_TRUNC(`partition_day`, MONTH): rename or drop it"),
        ("PARTITION BY partition_day", "is not partitioned by DATE_TRUNC(`partition_day`, MONTH)"),
        ("PARTITION BY DATE_TRUNC(partition_day, MONTH)", "is clustered by nothing instead of settlementDate"),
    ],
)
def test_a_table_made_by_hand_in_another_shape_is_refused(
    shared: BigQueryStore, warehouse: BigQueryWarehouse, shape: str, words: str
) -> None:
    warehouse.record([])
    table = replace(PRICES, name="test_shape")
    shared.make_by_hand(table, dict(table.columns))
    shared.query(
        f"CREATE OR REPLACE TABLE {shared.dataset}.test_shape {shape} AS SELECT * FROM {shared.dataset}.test_shape"
    )
    try:
        with pytest.raises(WarehouseError) as caught:
            warehouse.write(batch(table, [price(1)]))
        assert words in str(caught.value)
    finally:
        shared.drop(table)


def test_a_weight_that_the_catalogue_changes_discredits_nothing(
    warehouse: BigQueryWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    light = replace(PRICES, name="test_weight", dataset="WEIGHT")
    heavy = replace(light, heavy=not light.heavy)
    warehouse.write(batch(light, [price(1)]))
    span = window().from_utc, window().to_utc
    assert warehouse.coverage([heavy], *span) == warehouse.coverage([light], *span) != {"WEIGHT": []}
    for period in (2, 3):
        warehouse.write(batch(heavy, [price(period)]))
    assert [r.getMessage() for r in caplog.records if "partitioned" in r.getMessage()] == [
        "test_weight is partitioned by month, not by day: it stays as it is."
    ]


# Types that change in a table of very many partitions.


def heavy_of(name: str, kind: str) -> Table:
    fields = tuple(replace(f, type=kind) if f.name == "price" else f for f in PRICES.fields)  # type: ignore[arg-type]
    return replace(PRICES, name=name, dataset=name, heavy=True, fields=fields)


def spread(table: Table) -> object:
    days = [DAY + timedelta(days=n) for n in (0, 1, 2, 5)]
    rows = [price(1, day) | {"price": 50} for day in days]
    return batch(table, rows, window(DAY, (0, 24 * 6)))


def test_a_table_of_many_partitions_is_rewritten_in_pieces(
    warehouse: BigQueryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "PARTITIONS_MOST", 3)
    whole_numbers, numbers = heavy_of("test_pieces", "integer"), heavy_of("test_pieces", "number")
    warehouse.write(spread(whole_numbers))  # type: ignore[arg-type]
    before = described(warehouse, "test_pieces")
    again = counts(warehouse.write(spread(numbers)))  # type: ignore[arg-type]
    after = described(warehouse, "test_pieces")
    assert len(content(warehouse, numbers)) == 4
    assert again["fetched"] == 4
    assert {f.name: f.field_type for f in after.schema}["price"] == "FLOAT"
    assert after.labels["table_id"] == before.labels["table_id"]
    assert after.time_partitioning.type_ == "DAY"
    assert after.clustering_fields == before.clustering_fields
    tables = [t.table_id for t in warehouse.jobs.connection.client.list_tables(warehouse.schema)]
    assert not [name for name in tables if name.endswith(BESIDE)]


def test_a_rewriting_that_a_commit_has_overtaken_changes_nothing(
    shared: BigQueryStore, warehouse: BigQueryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "PARTITIONS_MOST", 3)
    whole_numbers, numbers = heavy_of("test_overtaken", "integer"), heavy_of("test_overtaken", "number")
    warehouse.write(spread(whole_numbers))  # type: ignore[arg-type]
    migrate = Layouts._migrate
    other = shared.open()

    def overtaken(self: Layouts, table: Table, statement: str) -> object:
        if statement.startswith("INSERT"):
            other.write(batch(whole_numbers, [price(2) | {"price": 60}]))
        return migrate(self, table, statement)

    monkeypatch.setattr(Layouts, "_migrate", overtaken)
    with pytest.raises(WarehouseError, match="was written to meanwhile"):
        warehouse.write(spread(numbers))  # type: ignore[arg-type]
    assert len(content(other, whole_numbers)) == 5
    other.close()


# Copying, staging, streams.


def test_of_two_copies_of_what_only_grows_one_comes_first(warehouse: BigQueryWarehouse) -> None:
    table = replace(PRICES, name="test_copied", dataset="COPIED")
    warehouse.write(batch(table, [price(1)]))
    receipts = whole(table, "receipts")
    ours, theirs = warehouse.parts(), warehouse.parts()
    held = list(ours.batches(receipts))
    ours.replace(receipts, held, 1, 0)
    with pytest.raises(MovedError, match="was changed by another process"):
        theirs.replace(receipts, held, 0, 0)
    assert [sum(days.values()) for days in ours.days([receipts])] == [1]


def test_nothing_is_loaded_over_rows_that_are_there(warehouse: BigQueryWarehouse, tmp_path: object) -> None:
    warehouse.record([])
    stager = Stager(warehouse.jobs)
    staged = stager.stage(Rows("x", pa.table({"a": ["one"]}), {"a": "text"}))
    loaded = warehouse.jobs.load

    def into_the_same(file: object, table: str, *arguments: object, **named: object) -> None:
        loaded(file, staged.name, *arguments, **named)  # type: ignore[arg-type]

    warehouse.jobs.load = into_the_same  # type: ignore[method-assign, assignment]
    with pytest.raises(JobFailedError, match="Already Exists"):
        stager.stage(Rows("y", pa.table({"a": ["two"]}), {"a": "text"}))
    warehouse.jobs.load = loaded  # type: ignore[method-assign]
    query = f"SELECT a FROM `{warehouse.schema}`.`{staged.name}`"
    assert [tuple(row) for row in warehouse.jobs.query(query, what="Looking")] == [("one",)]
    staged.release()
