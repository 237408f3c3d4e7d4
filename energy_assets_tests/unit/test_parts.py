"""Parts of relations: what identifies their content, and how lists travel."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.warehouse.interface import Part, Relation, StoredTable
from energy_assets.warehouse.parts import SEPARATOR, PartSql, fingerprint, travelling
from energy_assets.warehouse.sql import DUCKDB
from energy_assets_tests.contract.tables import PRICES

Rows = st.lists(st.tuples(st.integers(-5, 5), st.none() | st.sampled_from(["", "a", "b"])), max_size=8)


def table(rows: list[tuple[int, str | None]]) -> pa.Table:
    return pa.table({"n": pa.array([n for n, _ in rows], pa.int64()), "t": pa.array([t for _, t in rows], pa.string())})


@given(Rows, Rows, st.integers(0, 8))
def test_equal_content_and_nothing_else_has_an_equal_fingerprint(
    rows: list[tuple[int, str | None]], others: list[tuple[int, str | None]], cut: int
) -> None:
    whole = fingerprint([table(rows)])
    assert fingerprint([table(rows[cut:]), table(rows[:cut])]) == whole
    same = sorted(rows, key=str) == sorted(others, key=str)
    assert (fingerprint([table(others)]) == whole) is same


def test_values_that_change_their_rows_are_seen() -> None:
    assert fingerprint([table([(1, "a"), (2, "b")])]) != fingerprint([table([(1, "b"), (2, "a")])])


def test_a_column_of_nulls_is_as_good_as_none() -> None:
    rows = table([(1, None), (2, None)])
    assert fingerprint([rows]) == fingerprint([rows.select(["n"])])


def test_lists_travel_as_text() -> None:
    rows = pa.table(
        {
            "texts": pa.array([["a", "b"], [], [""], None], pa.list_(pa.string())),
            "dates": pa.array([[date(2026, 1, 2)], [], None, None], pa.list_(pa.date32())),
            "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC")),
        }
    )
    moved = travelling(rows, {"texts": "texts", "dates": "dates", "at": "instant"})
    assert moved.column("texts").to_pylist() == [f"a{SEPARATOR}b", None, "", None]
    assert moved.column("dates").to_pylist() == ["2026-01-02", None, None, None]
    assert moved.column("at").to_pylist() == [datetime(2026, 1, 1)] * 4


@pytest.mark.parametrize("relation", ["rows", "history", "quarantine", "days", "receipts"])
def test_every_statement_has_constant_bounds(relation: Relation) -> None:
    part = Part(PRICES, relation, date(2026, 1, 1), date(2026, 1, 31))
    sql = PartSql(DUCKDB, "s", part, StoredTable("id", dict(PRICES.columns)))
    for statement in (sql.counts(0), sql.count(), sql.remove(), sql.select(["x"])):
        assert "2026-01-01" in statement
        assert "2026-01-31" in statement or "2026-02-01" in statement
