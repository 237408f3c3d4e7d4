"""The text of what BigQuery is asked: what no stand-in judges is read off it, for every table of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlglot

from energy_assets.catalogue import dataset, datasets, derived
from energy_assets.catalogue.model import Field, Table
from energy_assets.ingest.model import Receipt, WriteBatch
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery.commit import Commit, Comparison, insert_records, literal
from energy_assets.warehouse.bigquery.connection import emulated
from energy_assets.warehouse.bigquery.dialect import (
    BIGQUERY,
    MOST_CLUSTERED,
    clustering,
    history_schema,
    logical,
    physical,
    table_schema,
)
from energy_assets.warehouse.bigquery.jobs import Jobs, labels, safe_job_id
from energy_assets.warehouse.bigquery.layout import ALWAYS, Prepared, _made_over
from energy_assets.warehouse.bigquery.stager import Rows, StagedRows, Stager, _union
from energy_assets.warehouse.bigquery.store import SPOILED_BYTES, _groups
from energy_assets.warehouse.sql import DUCKDB, TableSql, history_name
from energy_assets.warehouse.staging import Tally, extra_names, stage
from energy_assets_tests.contract.store import DAY, batch
from energy_assets_tests.contract.tables import ACTIONS, FORECAST, PRICES, PROFILE, REGISTER, RUNS

NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)
TABLES = [d.table for d in datasets("bmrs")] + list(derived.TABLES.values())
OWN = [ACTIONS, FORECAST, PRICES, PROFILE, REGISTER, RUNS]
SHAPES = list(
    {
        (t.storage.kind, bool(t.replace_scope), bool(t.set_column), bool(t.key_fallback), len(t.latest_order)): t
        for t in TABLES + OWN
    }.values()
)
"""One table of each shape: parsing the statements of every one tells no more and takes a minute."""

CONNECTION = emulated("local", "uk", "europe-west2", "http://127.0.0.1:9", "127.0.0.1:9")
BOUNDED = re.compile(r"\.`partition_day` BETWEEN DATE '\d{4}-\d\d-\d\d' AND DATE '\d{4}-\d\d-\d\d'")
REFUSED = re.compile(
    r"(_PARTITION|_TABLE_|_FILE_|_ROW_TIMESTAMP|__ROOT__|_COLIDENTIFIER|_CHANGE_(TYPE|SEQ|TIME))", re.IGNORECASE
)

VALUES: dict[str, Any] = {
    "text": "T",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "date": DAY,
    "instant": datetime(2026, 7, 15, 10),
    "json": "{}",
}


def row(table: Table, **other: Any) -> dict[str, Any]:
    return {f.name: VALUES[f.type] for f in table.fields} | other


def commit(table: Table, written: WriteBatch) -> tuple[Commit, StagedRows]:
    """A commit of the batch as it would be, and its staged rows; nothing is sent."""
    jobs = Jobs(CONNECTION)
    staged = stage(written, {f.name: f.name for f in written.extra}, NOW)
    prepared = Prepared("0123", dict(table.columns), {})
    stager = Stager(jobs)
    made = Commit(jobs, stager, prepared, written, staged, lambda: NOW, lambda *_: None)
    columns = {name: physical(name) for name in staged.columns if name != "_ingested_utc"}
    return made, StagedRows("_stg_x", 0, columns, stager)


def everything(table: Table) -> Iterator[str]:
    """The comparison, and a transaction in which everything happens, with and without a repeated key."""
    for count in (1, 2):
        written = batch(table, [row(table)] * count)
        made, rows = commit(table, written)
        yield made.comparison(rows)
        found = Comparison(
            generation=7, inserted=1, updated=1, late=1, late_new=1, gone=1 if table.replace_scope else 0
        )
        found.tallies = {r.receipt_id: Tally(inserted=1, updated=1) for r in written.receipts}
        found.grown[DAY] = 1
        yield made._transaction(rows, None, found, recorded(written), NOW)


def recorded(written: WriteBatch) -> list[Receipt]:
    return [receipt.with_(recorded_utc=NOW) for receipt in written.receipts]


def statements(table: Table) -> Iterator[Any]:
    """Every statement about rows, parsed."""
    for text in everything(table):
        for part in text.removesuffix(";").split(";\n"):
            if not part.startswith(("SELECT IF(", "BEGIN", "COMMIT")):
                yield sqlglot.parse_one(part, read="bigquery")


@pytest.mark.parametrize("table", TABLES + OWN, ids=lambda t: t.name)
def test_every_statement_on_rows_has_constant_bounds_on_the_day(table: Table) -> None:
    stored = {table.name, history_name(table.name)}
    seen = 0
    for text in everything(table):
        for statement in text.split(";\n"):
            reads = sum(statement.count(f"FROM `uk`.`{name}` ") for name in stored)
            reads += statement.count(f"MERGE INTO `uk`.`{table.name}` ")
            bounds = re.findall(
                r"\.`partition_day` BETWEEN DATE '\d{4}-\d\d-\d\d' AND DATE '\d{4}-\d\d-\d\d'", statement
            )
            assert len(bounds) >= reads, statement
            seen += reads
    assert seen > 4


@pytest.mark.parametrize("table", SHAPES, ids=lambda t: t.name)
def test_the_merge_is_bounded_on_both_sides_and_by_name(table: Table) -> None:
    merges = [s for s in statements(table) if isinstance(s, sqlglot.exp.Merge)]
    assert len(merges) == 2
    for merge in merges:
        on, source = merge.args["on"].sql("bigquery"), merge.args["using"].sql("bigquery")
        assert "T.`partition_day` BETWEEN CAST('2026-07-" in on or "T.`partition_day` BETWEEN DATE" in on
        assert "X.`partition_day` BETWEEN" in source
        assert "INSERT (`" in merge.sql("bigquery")


@pytest.mark.parametrize("table", SHAPES, ids=lambda t: t.name)
def test_every_join_has_an_equality_that_can_be_hashed(table: Table) -> None:
    for statement in statements(table):
        for join in statement.find_all(sqlglot.exp.Join):
            condition = join.args.get("on")
            assert (
                condition is None or condition.find(sqlglot.exp.EQ) is not None or "_window_from_utc" in str(condition)
            )
        assert not list(statement.find_all(sqlglot.exp.NullSafeEQ)), statement.sql("bigquery")


@pytest.mark.parametrize("table", TABLES + OWN, ids=lambda t: t.name)
def test_literals_are_typed_and_no_partition_is_decorated(table: Table) -> None:
    for text in everything(table):
        assert "$" not in text
        assert '"' not in re.sub(r"'(?:[^'\\]|\\.)*'", "", text)
        for moment in re.finditer(r"'\d{4}-\d\d-\d\d[^']*'", text):
            assert text[: moment.start()].endswith(("DATE ", "TIMESTAMP ")), moment
        for moment in re.findall(r"TIMESTAMP '([^']*)'", text):
            assert moment.endswith("+00")


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_a_day_touches_at_most_two_partitions(table: Table) -> None:
    """Sets that can cross midnight look at the neighbours of a day; elsewhere a day is a day."""
    made, _ = commit(table, batch(table, [row(table)]))
    days = made._days.days
    partitions = {d if table.heavy else d.replace(day=1) for d in days}
    assert len(partitions) <= (3 if table.heavy and table.replace_scope else 2)
    assert len(days) <= 3


@pytest.mark.parametrize("table", TABLES + OWN, ids=lambda t: t.name)
def test_columns_are_named_as_bigquery_allows_and_described_with_units(table: Table) -> None:
    fields = history_schema(table_schema(table))
    assert not [f.name for f in fields if REFUSED.match(f.name)]
    assert len({f.name.lower() for f in fields}) == len(fields)
    for own in table.fields:
        described = next(f for f in fields if f.name == physical(own.name)).description
        assert own.unit is None or f"Unit: {own.unit}." in described
    assert len(clustering(table)) <= MOST_CLUSTERED
    assert not set(clustering(table)) - {f.name for f in fields}


def test_the_day_has_another_name_there_and_its_own_here() -> None:
    assert (physical("_partition_day"), logical("partition_day")) == ("partition_day", "_partition_day")
    assert physical("price") == logical("price") == "price"


def test_the_transaction_is_fenced_by_generation_and_counts() -> None:
    written = batch(PRICES, [row(PRICES)])
    made, rows = commit(PRICES, written)
    found = Comparison(generation=41, inserted=1)
    text = made._transaction(rows, None, found, recorded(written), NOW)
    refusal = ", 1, ERROR('energy_assets: the table has changed since it was compared'))"
    assert text.index("BEGIN TRANSACTION") < text.index(f" = 41{refusal};")
    assert f"SELECT IF(@@row_count = 1{refusal};" in text
    assert text.index("MERGE INTO") < text.index("INSERT INTO `uk`.`_receipts`") < text.index("COMMIT TRANSACTION")
    assert ", 42, " in text[text.index("INSERT INTO `uk`.`_commits`") :]


@pytest.mark.parametrize("table", TABLES + OWN, ids=lambda t: t.name)
def test_a_transaction_has_only_the_statements_that_google_lists_for_one(table: Table) -> None:
    allowed = ("SELECT ", "INSERT INTO ", "DELETE FROM ", "MERGE INTO ", "CREATE TEMP TABLE ")
    for text in everything(table):
        if text.startswith("WITH "):
            continue
        first, *inside, last = text.removesuffix(";").split(";\n")
        assert (first, last) == ("BEGIN TRANSACTION", "COMMIT TRANSACTION")
        assert [part for part in inside if not part.startswith(allowed)] == []


def test_nothing_that_did_not_change_is_in_the_transaction() -> None:
    made, rows = commit(PRICES, batch(PRICES, [row(PRICES)]))
    text = made._transaction(rows, None, Comparison(inserted=1), recorded(made._batch), NOW)
    assert "_history" not in text
    assert "DELETE" not in text


def test_small_batches_share_a_file_and_keep_columns_of_one_name_apart() -> None:
    import pyarrow as pa

    text, number = pa.table({"price": ["x"], "Price": ["y"]}), pa.table({"price": [1.5]})
    union, columns = _union(
        [Rows("a", text, {"price": "text", "Price": "text"}), Rows("b", number, {"price": "number"})]
    )
    assert union == {"price": "text", "Price__text2": "text", "price__number2": "number"}
    assert columns == [{"price": "price", "Price": "Price__text2"}, {"price": "price__number2"}]


@pytest.mark.parametrize("text", ["it's", "back\\slash", "two\nlines", "`tick`", "\r\n", "é\u2028", "'; DROP TABLE x"])
def test_text_goes_in_and_out_whole(text: str) -> None:
    parsed = sqlglot.parse_one(f"SELECT {BIGQUERY.text(text)}", read="bigquery")
    assert parsed.expressions[0].this == text


def test_service_rows_are_written_with_types() -> None:
    assert literal("texts", ["a", "b"]) == "ARRAY<STRING>['a', 'b']"
    assert literal("dates", [date(2026, 7, 15)]) == "ARRAY<DATE>[DATE '2026-07-15']"
    assert literal("dates", []) == "ARRAY<DATE>[]"
    assert literal("integer", None) == "CAST(NULL AS INT64)"
    assert literal("instant", datetime(2026, 7, 15, 10, 0, 0, 5)) == "TIMESTAMP '2026-07-15 10:00:00.000005+00'"
    assert insert_records("uk", "_x", [("a", "text"), ("b", "integer")], [{"b": 1, "a": "q"}]) == (
        "INSERT INTO `uk`.`_x` (`a`, `b`) VALUES ('q', 1)"
    )


def test_job_ids_and_labels_are_what_bigquery_takes() -> None:
    assert safe_job_id("commit", "bmrs_bod", "a/b c") == "energy_assets-commit-bmrs_bod-a_b_c"
    assert labels("gb/Mix", "read", "Energy") == {
        "owner": "energy_assets",
        "schema": "energy",
        "table": "gb_mix",
        "purpose": "read",
    }
    assert all(len(value) <= 63 for value in labels("x" * 200, "read", "y" * 200).values())


def test_the_reach_of_a_window_is_bounded() -> None:
    made, _ = commit(PROFILE, batch(PROFILE, [row(PROFILE)]))
    assert made._days.days[-1] - made._days.days[0] <= timedelta(days=2)


@pytest.mark.parametrize("year", [1, 999, 1000, 9999])
def test_years_have_four_digits(year: int) -> None:
    moment = datetime(year, 6, 1, 12, 30, 5, 7, tzinfo=UTC)
    written = f"TIMESTAMP '{year:04d}-06-01 12:30:05.000007"
    assert BIGQUERY.instant(moment) == f"{written}+00'" == literal("instant", moment.replace(tzinfo=None))
    assert DUCKDB.instant(moment) == f"{written}'"


def test_spoiled_days_are_asked_about_in_texts_that_bigquery_reads() -> None:
    lost = datetime(2026, 7, 20, 12)
    spoiled = [(name, DAY + timedelta(days=n), lost if n % 2 else None) for name in "abc" for n in range(4_000)]
    groups = list(_groups(["a", "b", "none", "c"], spoiled))
    assert [name for names, _ in groups for name in names] == ["a", "b", "none", "c"]
    assert len(groups) > 1
    texts = [text for _, text in groups if text is not None]
    assert max(map(len, texts)) < 1.1 * SPOILED_BYTES
    assert sum(text.count("DATE '") for text in texts) == len(spoiled)
    ((_, short),) = _groups(["a"], spoiled[:2])
    parsed = sqlglot.parse_one(f"SELECT * FROM {short}", read="bigquery")
    assert len(list(parsed.find_all(sqlglot.exp.Tuple))) == 2


def test_without_spoiled_days_there_is_one_question() -> None:
    assert list(_groups(["a", "b"], [])) == [(["a", "b"], None)]


@pytest.mark.parametrize("column", ["_CHANGE_TYPE", "_change_sequence_number", "_Change_Timestamp_x", "_partition"])
def test_a_name_that_bigquery_keeps_for_itself_is_stored_as_another(column: str) -> None:
    (stored,) = extra_names(PRICES, [Field(column, "text", "")], {}).values()
    assert stored.startswith(f"x_{column}__")


def test_service_tables_are_those_that_the_steps_make() -> None:
    made = " ".join(text for step in service.MIGRATIONS for text in step.statements(BIGQUERY, "uk"))
    names = set(re.findall(r"(?:TABLE IF NOT EXISTS|OR REPLACE VIEW) `uk`\.`(\w+)`", made))
    assert names | {service.META} == service.MADE


def test_views_of_two_tables_are_made_after_those_that_they_read_and_name_days_of_sending() -> None:
    table = dataset("iris/remit").table
    sql = TableSql(BIGQUERY, "uk", table, tuple(name for name, _ in table.columns))

    made = _made_over(sql, united=True)

    names = [re.match(r"CREATE OR REPLACE (?:VIEW|TABLE FUNCTION) `uk`\.`(\w+)`", text) for text in made]
    assert [found and found.group(1) for found in names] == [
        "bmrs_remit_iris_latest",
        "bmrs_remit_all",
        "bmrs_remit_outage_profiles",
        "bmrs_remit_iris_ingested_as_of",
        "bmrs_remit_iris_published_as_of",
    ]
    assert f"FROM `uk`.`bmrs_remit_iris` T WHERE {ALWAYS}" in made[1]
    assert "DATE(T.`createdTime`, 'Europe/London') AS `partition_day`" in made[1]
    assert _made_over(sql, united=False) == [made[0], *made[3:]]
