"""Service tables: their migrations, and receipts as rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_assets.errors import WarehouseError
from energy_assets.warehouse import service
from energy_assets.warehouse.service import Migration
from energy_assets.warehouse.sql import DUCKDB
from energy_assets_tests.contract.store import DAY, SCHEMA, DuckDBStore, at, batch, receipt, window
from energy_assets_tests.contract.tables import PRICES


@pytest.fixture
def store(tmp_path: Path) -> DuckDBStore:
    return DuckDBStore(tmp_path)


def one():
    row = {"settlementDate": DAY, "settlementPeriod": 1, "createdDateTime": at("15 10:00"), "price": 1.0}
    return batch(PRICES, [row])


def added(dialect, schema):
    return [f"ALTER TABLE {dialect.qualified(schema, service.RECEIPTS)} ADD COLUMN note VARCHAR DEFAULT 'kept'"]


NEXT = (*service.MIGRATIONS, Migration(service.MIGRATIONS[-1].version + 1, added))


def test_migrations_are_numbered_without_gaps():
    assert [step.version for step in service.MIGRATIONS] == list(range(1, len(service.MIGRATIONS) + 1))


def test_a_new_store_is_at_the_newest_version(store: DuckDBStore):
    store.open().write(one())

    assert [row["version"] for row in store.service_rows("_meta")] == [step.version for step in service.MIGRATIONS]


def test_service_tables_of_an_older_version_are_migrated_and_keep_their_rows(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
):
    store.open().write(one())
    monkeypatch.setattr(service, "MIGRATIONS", NEXT)

    store.open().record([receipt(PRICES, window(), status="failed")])

    assert [row["version"] for row in store.service_rows("_meta")][-1] == NEXT[-1].version
    assert "kept" in {row["note"] for row in store.service_rows("_receipts")}
    assert len(store.service_rows("_receipts")) == 2


def test_reading_an_older_version_migrates_it_first(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch):
    store.open().write(one())
    monkeypatch.setattr(service, "MIGRATIONS", NEXT)

    assert store.open().read(PRICES, DAY, DAY).num_rows == 1
    assert len(store.service_rows("_meta")) == len(NEXT)


def test_a_migration_that_fails_leaves_the_older_version(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch):
    store.open().write(one())
    broken = Migration(
        NEXT[-1].version, lambda dialect, schema: [*added(dialect, schema), "SELECT nothing FROM nowhere"]
    )
    monkeypatch.setattr(service, "MIGRATIONS", (*service.MIGRATIONS, broken))

    with pytest.raises(WarehouseError):
        store.open().record([])

    assert len(store.service_rows("_meta")) == len(service.MIGRATIONS) - 1
    assert "note" not in store.service_rows("_receipts")[0]


def test_a_newer_version_is_refused_before_anything_is_touched(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as later:
        later.setattr(service, "MIGRATIONS", NEXT)
        store.open().write(one())

    for call in (lambda w: w.record([]), lambda w: w.read(PRICES, DAY, DAY), lambda w: w.status([PRICES], DAY, {})):
        with pytest.raises(WarehouseError, match="upgrade energy_assets"):
            call(store.open())


def test_windows_come_back_as_they_were():
    asked = window(hours=(1, 2), branch=(("bidOffer", "bid"), ("x", "a=b")))

    found = service.as_window(service.naive(asked.from_utc), service.naive(asked.to_utc), asked.branch_text)

    assert found == asked


def test_a_receipt_without_a_time_is_a_bug():
    with pytest.raises(ValueError, match="recorded_utc"):
        service.as_rows([receipt(PRICES, window())], {}, {})


def test_instants_are_stored_as_utc_whatever_zone_they_come_in():
    from zoneinfo import ZoneInfo

    london = datetime(2026, 7, 15, 0, 30, tzinfo=ZoneInfo("Europe/London"))

    assert service.naive(london) == datetime(2026, 7, 14, 23, 30)
    assert service.aware(service.naive(london)) == london.astimezone(UTC)
    assert service.aware(None) is None


def test_the_coverage_query_names_constant_bounds():
    now = datetime(2026, 7, 15, tzinfo=UTC)

    text = service.believed_receipts(DUCKDB, SCHEMA, "_asked", "_spoiled", now, now, now)

    assert text.count("TIMESTAMP '2026-07-15 00:00:00.000000'") == 3
