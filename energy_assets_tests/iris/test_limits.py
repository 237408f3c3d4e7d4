"""Limits from messages to the view of API and stream, on each warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from energy_assets.assets.limits import resolve_days
from energy_assets.catalogue import dataset
from energy_assets.catalogue.derived import MELS_RESOLVED
from energy_assets_tests.contract.store import Store
from energy_assets_tests.iris.drop import NOON, Drop, message

DAY = date(2026, 7, 15)
MELS = dataset("iris/mels").table


def declared(begin: str, end: str, levels: tuple[int, int], sequence: int, **more: Any) -> dict[str, Any]:
    """One row as IRIS sends it."""
    return {
        "dataset": "MELS",
        "settlementDate": "2026-07-15",
        "settlementPeriod": 23,
        "timeFrom": f"2026-07-15T{begin}:00Z",
        "timeTo": f"2026-07-15T{end}:00Z",
        "levelFrom": levels[0],
        "levelTo": levels[1],
        "notificationTime": "2026-07-15T06:00:00Z",
        "notificationSequence": sequence,
        "nationalGridBmUnit": "DRAXX-1",
        "bmUnit": "T_DRAXX-1",
    } | more


def shown(store: Store) -> list[tuple[str, str, float, float]]:
    rows = sorted(store.view_rows("bmrs_mels_all"), key=lambda row: row["timeFrom"])
    return [(f"{r['timeFrom']:%H:%M}", f"{r['timeTo']:%H:%M}", r["levelFrom"], r["levelTo"]) for r in rows]


def test_declarations_are_loaded_resolved_and_shown(each: Drop, each_store: Store) -> None:
    gate = message([declared("11:00", "11:30", (100, 400), 1)], 1, subject="MELS")
    later = message([declared("11:20", "11:30", (450, 450), 2)], 2, subject="MELS")
    # A declaration over several periods may name none.
    spanning = declared("11:45", "12:15", (7, 7), 3)
    del spanning["settlementDate"], spanning["settlementPeriod"]
    each.segment(later, gate, later, message([spanning], 3, subject="MELS", at=NOON + timedelta(days=1)))
    assert not any(loaded.failed for loaded in each.load())
    assert each.warehouse.read(MELS, DAY, DAY + timedelta(days=1)).num_rows == 3

    (written,) = resolve_days(each.warehouse, "gb/mels_resolved", [DAY], "run")

    assert written.changed
    first = each.warehouse.read(MELS_RESOLVED, DAY, DAY).to_pylist()[0]
    assert first["enqueued_utc"].replace(tzinfo=UTC) == NOON
    assert first["declared_to_utc"] == datetime(2026, 7, 15, 11, 30)
    assert shown(each_store) == [
        ("11:00", "11:20", 100, 400),
        ("11:20", "11:30", 450, 450),
        ("11:45", "12:00", 7, 7),
        ("12:00", "12:15", 7, 7),
    ]
    (again,) = resolve_days(each.warehouse, "gb/mels_resolved", [DAY], "run")
    assert not again.changed
