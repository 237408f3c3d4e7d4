"""The SQL text itself: what no small store can show, and what a second dialect must be able to read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
import sqlglot

from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Field, OrderBy, Precedence, StorageAxis, Table, Unites
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery.dialect import BIGQUERY
from energy_assets.warehouse.sql import DUCKDB, HISTORY_COLUMNS, LISTED_DAYS, Bounds, Dialect, TableSql
from energy_assets_tests.contract.store import DAY, window
from energy_assets_tests.contract.tables import ACTIONS, FORECAST, PRICES, PROFILE, REGISTER, RUNS

NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)
TABLES = [d.table for d in datasets("bmrs")] + [ACTIONS, FORECAST, PRICES, PROFILE, REGISTER, RUNS]
BOUNDS = Bounds((DAY,))


def merge_statements(sql: TableSql) -> Iterator[tuple[str, str]]:
    """Every statement that a merge can run, by name."""
    columns = list(sql.stored)
    yield "ranked", sql.ranked("staged", columns)
    yield "delta", sql.delta("staged", columns, BOUNDS)
    yield "tally", sql.tally("staged", BOUNDS)
    yield "insert new", sql.insert(columns, "staged", sql.not_stored(BOUNDS))
    yield "keep revised", sql.keep_revised("delta", BOUNDS, NOW)
    yield "drop revised", sql.drop_revised("delta", BOUNDS)
    yield "keep late", sql.keep_late("staged", columns, "S._copy = 1", BOUNDS, NOW)
    yield "day counts", sql.day_counts(BOUNDS)
    yield "stored count", sql.stored_count(BOUNDS)
    if sql.table.replace_scope:
        yield "gone", sql.gone("staged", BOUNDS, [window()])
        yield "keep gone", sql.keep_gone("gone", NOW)
        yield "drop gone", sql.drop_gone("gone", BOUNDS)


def of(table: Table, dialect: Dialect = DUCKDB) -> TableSql:
    return TableSql(dialect, "uk", table, tuple(name for name, _ in table.columns))


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_statement_on_stored_rows_has_constant_bounds_on_the_day(table: Table):
    sql = of(table)
    bound = f"\"_partition_day\" BETWEEN DATE '{DAY}' AND DATE '{DAY}'"
    for name, text in merge_statements(sql):
        reads = text.count(f"FROM {sql.target}") + text.count(f"FROM {sql.history}")
        assert text.count(bound) >= reads, name
        assert reads or name in ("ranked", "keep gone")


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_statement_reads_as_googlesql(table: Table):
    sql = of(table, BIGQUERY)
    bodies = [sql.latest_body(), sql.ingested_as_of_body("moment")]
    if table.publish_column:
        bodies.append(sql.published_as_of_body("moment"))

    for text in [*(text for _, text in merge_statements(sql)), *bodies]:
        (parsed,) = sqlglot.parse(text, read="bigquery")
        assert parsed is not None
        assert '"' not in text
        assert "$" not in text


PUSHED = [d.table for d in datasets("iris")]


@pytest.mark.parametrize("table", PUSHED, ids=lambda t: t.name)
def test_views_of_two_tables_read_as_googlesql_and_as_duckdb(table: Table):
    for text in of(table, BIGQUERY).views(always="T.`partition_day` > DATE '2001-01-01'").values():
        (parsed,) = sqlglot.parse(text, read="bigquery")
        assert parsed is not None
        assert '"' not in text
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA uk")
        for needed in (table, *(table.unites.tables if table.unites else ())):
            connection.execute(f"CREATE TABLE uk.{needed.name} ({DUCKDB.columns(needed.columns)})")
        for name, text in of(table).views().items():
            connection.execute(f"CREATE VIEW uk.{name} AS {text}")
            assert connection.execute(f"SELECT * FROM uk.{name}").fetchall() == []


def test_every_stream_of_a_dataset_is_united_with_it_and_no_other():
    united = {t.dataset.removesuffix("_IRIS"): t.unites for t in PUSHED if t.unites is not None}
    assert {code: u.other.dataset for code, u in united.items()} == {code: code for code in united}
    assert {t.dataset for t in PUSHED if t.unites is None} == {"MIBM_MID_IRIS", "IRIS_UNMAPPED"}
    sets = {code for code, u in united.items() if u.other.replace_scope}
    assert sets == {code for code, u in united.items() if u.precedence != "row"}


UNITED = """SELECT R."measurementDate", R."temperature", R."_partition_day", R."_dataset", R."_source_api",
R."_receipt_id", R."_ingested_utc", R."_enqueued_utc" FROM
(SELECT A."measurementDate" AS "measurementDate", A."temperature" AS "temperature",
A."_partition_day" AS "_partition_day", A."_dataset" AS "_dataset", A."_source_api" AS "_source_api",
A."_receipt_id" AS "_receipt_id", A."_ingested_utc" AS "_ingested_utc", CAST(NULL AS TIMESTAMP) AS "_enqueued_utc",
CAST(NULL AS BIGINT) AS "_sequence_number", A."_hash_key" AS "_hash_key", 0 AS _way FROM "uk"."asked" A
UNION ALL SELECT T."measurementDate" AS "measurementDate", T."temperature" AS "temperature",
CAST(timezone('Europe/London', timezone('UTC', T."measurementDate")) AS DATE) AS "_partition_day",
T."_dataset" AS "_dataset", T."_source_api" AS "_source_api", T."_receipt_id" AS "_receipt_id",
T."_ingested_utc" AS "_ingested_utc", T."_enqueued_utc" AS "_enqueued_utc",
T."_sequence_number" AS "_sequence_number", T."_hash_key" AS "_hash_key", 1 AS _way FROM "uk"."pushed" T
WHERE TRUE) R WHERE TRUE QUALIFY row_number() OVER (PARTITION BY R."_partition_day", R."measurementDate"
ORDER BY R."temperature" DESC NULLS LAST, R._way, R._enqueued_utc DESC NULLS LAST,
R._sequence_number DESC NULLS LAST, R._ingested_utc DESC, R._hash_key DESC) = 1"""
SCOPE = '(PARTITION BY R."_partition_day", R."measurementDate" ORDER BY '
NEWEST = 'R."temperature" DESC NULLS LAST, R._way'
SETS = {
    "publication": f"rank() OVER {SCOPE}{NEWEST}) = 1",
    "asked": f"rank() OVER {SCOPE}R._way) = 1",
    "set": f"first_value(R._way) OVER {SCOPE}{NEWEST}) = R._way",
}


def two_tables(precedence: Precedence) -> Table:
    """A pushed table with the one that it is united with."""
    asked = Table(
        name="asked",
        dataset="ASKED",
        fields=(Field("measurementDate", "instant", ""), Field("temperature", "number", "")),
        event_key=("measurementDate",),
        version_columns=(),
        latest_order=(OrderBy("temperature"),),
        publish_column=None,
        storage=StorageAxis("instant", "measurementDate"),
        replace_scope=("measurementDate",),
    )
    arrived = (Field("_enqueued_utc", "instant", ""), Field("_sequence_number", "integer", ""))
    unites = Unites("both", asked, precedence)
    return replace(asked, name="pushed", fields=(*asked.fields, *arrived), unites=unites)


def test_the_text_of_a_view_of_two_tables():
    views = of(two_tables("row")).views()

    assert list(views) == ["pushed_latest", "both"]
    assert views["both"] == UNITED.replace("\n", " ")
    assert list(of(two_tables("row")).views(united=False)) == ["pushed_latest"]


@pytest.mark.parametrize("precedence", ["publication", "asked", "set"])
def test_the_text_of_a_choice_among_sets(precedence: Precedence):
    assert SETS[precedence] in of(two_tables(precedence)).views()["both"]


def test_the_text_of_a_view_of_elements():
    table = next(t for t in PUSHED if t.name == "bmrs_remit_iris")
    text = of(table, BIGQUERY).views()["bmrs_remit_outage_profiles"]

    assert "SAFE_CAST(JSON_VALUE(E, '$.startTime') AS TIMESTAMP) AS `startTime`" in text
    assert "FROM `uk`.`bmrs_remit_all` R WHERE TRUE QUALIFY row_number() OVER (PARTITION BY R.`mrid` ORDER BY" in text
    assert text.endswith(
        "D, UNNEST(JSON_QUERY_ARRAY(D.`outageProfile`)) AS E WHERE coalesce(D.`eventStatus`, '') <> 'Dismissed'"
    )


def test_service_tables_and_coverage_read_as_googlesql():
    texts = [text for step in service.MIGRATIONS for text in step.statements(BIGQUERY, "uk")]
    texts.append(service.believed_receipts(BIGQUERY, "uk", "asked", "spoiled", NOW, NOW, NOW))

    for text in texts:
        assert sqlglot.parse(text, read="bigquery")[0] is not None


def test_contiguous_days_are_a_range_and_sparse_days_are_listed():
    days = tuple(DAY + timedelta(days=step) for step in range(3))

    assert Bounds(days).predicate(DUCKDB, "T") == "T.\"_partition_day\" BETWEEN DATE '2026-07-15' AND DATE '2026-07-17'"
    assert Bounds((DAY, DAY + timedelta(days=9))).predicate(DUCKDB, "T") == (
        "T.\"_partition_day\" BETWEEN DATE '2026-07-15' AND DATE '2026-07-24' "
        "AND T.\"_partition_day\" IN (DATE '2026-07-15', DATE '2026-07-24')"
    )


def test_very_many_sparse_days_are_only_a_range():
    days = tuple(DAY + timedelta(days=2 * step) for step in range(LISTED_DAYS + 1))

    assert " IN " not in Bounds(days).predicate(DUCKDB, "T")


def test_literals_are_typed_and_utc():
    summer = datetime(2026, 7, 15, 0, 30, tzinfo=ZoneInfo("Europe/London"))

    assert DUCKDB.instant(summer) == "TIMESTAMP '2026-07-14 23:30:00.000000'"
    assert BIGQUERY.instant(summer) == "TIMESTAMP '2026-07-14 23:30:00.000000+00'"
    assert DUCKDB.day(date(2026, 1, 2)) == "DATE '2026-01-02'"
    assert DUCKDB.text("it's") == "'it''s'"


def test_identifiers_cannot_break_out_of_their_quotes():
    assert DUCKDB.identifier('a"; DROP TABLE x; --') == '"a""; DROP TABLE x; --"'


VERSIONS = [None, 1, 2]


@pytest.mark.parametrize("pair", list(itertools.product(itertools.product(VERSIONS, VERSIONS), repeat=2)))
def test_older_orders_tuples_with_null_first(pair):
    table = replace(PRICES, latest_order=(OrderBy("major"), OrderBy("minor")))
    a, b = pair
    values = ", ".join("NULL::INT" if v is None else str(v) for v in (*a, *b))
    query = (
        f"WITH V AS (SELECT * FROM (VALUES ({values})) t(am, an, bm, bn)), "
        f"A AS (SELECT am AS major, an AS minor FROM V), B AS (SELECT bm AS major, bn AS minor FROM V) "
        f"SELECT {of(table).older(table.latest_order, 'A', 'B')} FROM A, B"
    )

    def plain(version):
        return tuple(0 if value is None else value for value in version)

    assert duckdb.sql(query).fetchall() == [(plain(a) < plain(b),)]


def test_ranks_become_positions_and_unknown_codes_are_oldest():
    text = of(RUNS).order_expression(RUNS.latest_order[0], "S")

    ranks = [
        duckdb.sql(f"SELECT {text} FROM (SELECT '{run}' AS settlementRunType) S").fetchall() for run in ("II", "DF")
    ]
    assert ranks == [[(0,)], [(4,)]]
    assert duckdb.sql(f"SELECT {text} FROM (SELECT 'XX' AS settlementRunType) S").fetchall() == [(None,)]


def test_history_carries_the_row_and_why_it_was_displaced():
    assert [name for name, _ in HISTORY_COLUMNS] == [
        "_superseded_utc",
        "_change",
        "_superseded_by",
        "_superseded_published_utc",
    ]
    text = of(PRICES).keep_revised("delta", BOUNDS, NOW)
    assert re.search(r"'revised', D\._receipt_id", text)


def test_a_table_without_publication_time_has_no_such_reading():
    with pytest.raises(ValueError, match="no publication time"):
        of(ACTIONS).published_as_of_body("moment")
