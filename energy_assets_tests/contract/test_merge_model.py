"""Any sequence of batches leaves what a few lines of plain Python say it must."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_assets.catalogue.model import Field, OrderBy, StorageAxis, Table
from energy_assets.ingest.model import Window, WriteBatch
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, STORES, Clock, Row, Serving, batch, joined, made, window

NEXT = DAY + timedelta(days=1)
BASE = datetime(2026, 7, 15, 9)

UPSERTED = Table(
    name="model",
    dataset="MODEL",
    fields=(
        Field("day", "date", "", nullable=False),
        Field("unit", "text", ""),
        Field("at", "instant", "", nullable=False),
        Field("version", "integer", ""),
        Field("value", "number", ""),
    ),
    event_key=("day", "unit", "at"),
    version_columns=(),
    latest_order=(OrderBy("version"),),
    publish_column=None,
    storage=StorageAxis("date", "day"),
)
REPLACED = replace(UPSERTED, replace_scope=("day", "unit"))
WINDOWED = replace(REPLACED, set_column="at")


@dataclass
class Model:
    """What the table and its history must hold, by natural key and content."""

    table: Table
    rows: dict[tuple[object, ...], Row] = field(default_factory=dict)
    history: list[tuple[tuple[object, ...], int, str]] = field(default_factory=list)

    def write(self, written: WriteBatch) -> Counter[str]:
        """Merge a batch; gives the counts over all its receipts."""
        staged = written.rows.to_pylist()
        counts = Counter(fetched=len(staged))
        groups: dict[tuple[object, ...], dict[int, Row]] = {}
        for row in sorted(staged, key=self._precedence):
            groups.setdefault(self._key(row), {})[row["_hash_key"]] = row
        counts["duplicate"] = len(staged) - sum(map(len, groups.values()))
        gone = self._vanished(staged)
        self._withdraw(staged, [r.window for r in written.receipts], counts)
        for key in gone:
            counts["withdrawn"] += 1
            self.history.append((key, self.rows.pop(key)["_hash_key"], "withdrawn"))
        losers = []
        for key, copies in groups.items():
            *older, standing = sorted(copies.values(), key=self._precedence)
            losers += [(key, row["_hash_key"]) for row in older]
            self._stand(key, standing, counts, losers)
        counts["late"] += len(losers) - counts["_stood_late"]
        for key, content in losers:
            if not any(held[:2] == (key, content) for held in self.history):
                self.history.append((key, content, "late"))
        del counts["_stood_late"]
        return counts

    def _stand(self, key, row: Row, counts: Counter[str], losers) -> None:
        held = self.rows.get(key)
        if held is None:
            counts["inserted"] += 1
            self.rows[key] = row
        elif held["_hash_key"] == row["_hash_key"]:
            counts["unchanged"] += 1
        elif self._order(row) < self._order(held):
            counts["late"] += 1
            counts["_stood_late"] += 1
            losers.append((key, row["_hash_key"]))
        else:
            counts["updated"] += 1
            self.history.append((key, held["_hash_key"], "revised"))
            self.rows[key] = row

    def _withdraw(self, staged: list[Row], windows: list[Window], counts: Counter[str]) -> None:
        if not self.table.replace_scope:
            return
        newest: dict[tuple[object, ...], Row] = {}
        for row in sorted(staged, key=self._precedence):
            newest[self._scope(row)] = row
        present = {self._key(row) for row in staged}
        for key, row in list(self.rows.items()):
            leader = newest.get(self._scope(row))
            if leader is None or key in present:
                continue
            if self._covered(row, windows) or self._order(row) < self._order(leader):
                counts["withdrawn"] += 1
                self.history.append((key, row["_hash_key"], "withdrawn"))
                del self.rows[key]

    def _vanished(self, staged: list[Row]) -> list[tuple[object, ...]]:
        """Keys of sets that are not staged, of rows whose window lies inside a staged one."""
        if not self.table.replace_scope:
            return []
        sets = {self._scope(row) for row in staged}
        asked = {(row["_window_from_utc"], row["_window_to_utc"]) for row in staged}
        # Every window of this test lies in one day; rows of others come from providers that mix days up.
        days = {row["_partition_day"] for row in staged} | {DAY}
        return [
            key
            for key, row in self.rows.items()
            if self._scope(row) not in sets
            and row["_partition_day"] in days
            and any(begin <= row["_window_from_utc"] and row["_window_to_utc"] <= end for begin, end in asked)
        ]

    def _covered(self, row: Row, windows: list[Window]) -> bool:
        if self.table.set_column is None:
            return True
        return any(w.from_utc.replace(tzinfo=None) <= row["at"] < w.to_utc.replace(tzinfo=None) for w in windows)

    def _key(self, row: Row):
        return tuple(row[name] for name in self.table.natural_key)

    def _scope(self, row: Row):
        return tuple(row[name] for name in self.table.replace_scope)

    @staticmethod
    def _order(row: Row) -> int:
        return -1 if row["version"] is None else row["version"]

    def _precedence(self, row: Row):
        return self._order(row), row["_window_from_utc"], row["_receipt_id"], row["_hash_key"]


rows_of_a_window = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.sampled_from([DAY, NEXT]),
            "unit": st.sampled_from(["A", "B", None]),
            "at": st.integers(0, 2).map(lambda n: BASE + timedelta(hours=n)),
            "version": st.sampled_from([None, 1, 2, 3]),
            "value": st.sampled_from([1.0, 2.0]),
        }
    ),
    max_size=7,
)
commits = st.lists(st.lists(rows_of_a_window, min_size=1, max_size=3), min_size=1, max_size=4)
WINDOWS = (window(hours=(10, 12)), window(hours=(11, 13)), window(hours=(10, 13)))
names = itertools.count()


@pytest.fixture(scope="module", params=sorted(STORES))
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bigquery_serving: Serving
) -> Iterator[Warehouse]:
    """One store for all examples: each has a table of its own."""
    folder: Path = tmp_path_factory.mktemp("model")
    with made(request.param, folder, bigquery_serving) as store:
        warehouse = store.open(Clock())
        with warehouse.session():
            yield warehouse
        warehouse.close()


EXAMPLES = {"duckdb": 25, "bigquery": 4}
"""Sequences of commits tried on each store: one commit is ten calls and jobs where the store is a service."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("table", [UPSERTED, REPLACED, WINDOWED], ids=["upserted", "replaced", "windowed"])
def test_any_sequence_of_batches_merges_as_the_model_says(shared: Warehouse, table: Table):
    @settings(max_examples=EXAMPLES[shared.name], deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(sequence=commits)
    def holds(sequence):
        merges_as_the_model_says(shared, replace(table, name=f"model_{next(names)}"), sequence)

    holds()


def merges_as_the_model_says(shared: Warehouse, table: Table, sequence) -> None:
    model = Model(table)
    for parts in sequence:
        written = joined(*(batch(table, rows, WINDOWS[i]) for i, rows in enumerate(parts)))
        expected = model.write(written)
        result = shared.write(written)
        found: Counter[str] = Counter()
        for receipt in result.receipts:
            found.update({name: getattr(receipt.counts, name) for name in receipt.counts.__slots__})
            assert receipt.counts.reconciled
        assert +found == +expected

    stored = shared.read(table, date(2026, 1, 1), date(2026, 12, 31)).to_pylist()
    assert {model._key(row): row["_hash_key"] for row in stored} == {k: r["_hash_key"] for k, r in model.rows.items()}
    assert len(stored) == len(model.rows)
    history = shared.read(table, date(2026, 1, 1), date(2026, 12, 31), view="history").to_pylist()
    assert Counter((model._key(r), r["_hash_key"], r["_change"]) for r in history) == Counter(model.history)
