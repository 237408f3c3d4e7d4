"""Facts that are sets: replaced whole within their scope, vanished members leave a tombstone.

On the catalogue's own tables, so that their keys and scopes are proved with the merge.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from energy_assets.catalogue import dataset
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, at, batch, content, counts, joined, window
from energy_assets_tests.contract.tables import PROFILE

DISBSAD = dataset("DISBSAD").table
ISPSTACK = dataset("ISPSTACK").table
BOALF = dataset("BOALF").table
MELS = dataset("MELS").table


def action(period: int, number: int | None, cost: float, service: str = "System"):
    return {"settlementDate": DAY, "settlementPeriod": period, "id": number, "service": service, "cost": cost}


def test_the_dummy_row_of_disbsad_goes_when_actions_come(warehouse: Warehouse):
    warehouse.write(batch(DISBSAD, [action(1, None, 0.0, "Dummy"), action(2, None, 0.0, "Dummy")]))

    result = warehouse.write(batch(DISBSAD, [action(1, 1, 500.0), action(1, 2, 700.0), action(2, None, 0.0, "Dummy")]))

    assert counts(result) == {"fetched": 3, "inserted": 2, "unchanged": 1, "withdrawn": 1}
    assert [(r["settlementPeriod"], r.get("id")) for r in content(warehouse, DISBSAD)] == [(1, 1), (1, 2), (2, None)]
    (gone,) = content(warehouse, DISBSAD, "history")
    assert (gone["settlementPeriod"], gone["service"], gone["_change"]) == (1, "Dummy", "withdrawn")


def test_the_same_set_again_changes_nothing(warehouse: Warehouse):
    rows = [action(1, 1, 500.0), action(1, 2, 700.0)]
    warehouse.write(batch(DISBSAD, rows))

    assert counts(warehouse.write(batch(DISBSAD, rows))) == {"fetched": 2, "unchanged": 2}
    assert content(warehouse, DISBSAD, "history") == []


def test_a_period_that_was_not_asked_for_keeps_its_set(warehouse: Warehouse):
    warehouse.write(batch(DISBSAD, [action(1, 1, 500.0), action(2, 1, 600.0)]))

    result = warehouse.write(batch(DISBSAD, [action(1, 9, 1.0)], window(hours=(0, 0.5))))

    assert counts(result) == {"fetched": 1, "inserted": 1, "withdrawn": 1}
    assert [(r["settlementPeriod"], r["id"]) for r in content(warehouse, DISBSAD)] == [(1, 9), (2, 1)]


def test_an_empty_answer_never_wipes_a_set(warehouse: Warehouse):
    warehouse.write(batch(DISBSAD, [action(1, 1, 500.0)]))

    warehouse.write(batch(DISBSAD, []))

    assert len(content(warehouse, DISBSAD)) == 1


def stacked(side: str, sequence: int, price: float, created: str = "15 12:00"):
    return {
        "settlementDate": DAY,
        "settlementPeriod": 20,
        "bidOffer": side,
        "sequenceNumber": sequence,
        "createdDateTime": at(created),
        "finalPrice": price,
    }


def test_a_withdrawn_row_of_the_stack_leaves_a_tombstone_on_its_side_only(warehouse: Warehouse):
    bid = (("bidOffer", "bid"),)
    warehouse.write(batch(ISPSTACK, [stacked("BID", 1, 10.0), stacked("BID", 2, 11.0), stacked("OFFER", 1, 90.0)]))

    result = warehouse.write(batch(ISPSTACK, [stacked("BID", 1, 10.0)], window(branch=bid)))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 1}
    assert result.receipts[0].status == "written"
    assert [(r["bidOffer"], r["sequenceNumber"]) for r in content(warehouse, ISPSTACK)] == [("BID", 1), ("OFFER", 1)]
    (gone,) = content(warehouse, ISPSTACK, "history")
    assert (gone["sequenceNumber"], gone["finalPrice"], gone["_change"]) == (2, 11.0, "withdrawn")


def test_a_tombstone_says_by_which_receipt_and_a_member_can_come_back(warehouse: Warehouse):
    both = [stacked("BID", 1, 10.0), stacked("BID", 2, 11.0)]
    warehouse.write(batch(ISPSTACK, both))
    removed = warehouse.write(batch(ISPSTACK, both[:1]))

    (gone,) = warehouse.read(ISPSTACK, DAY, DAY, view="history").to_pylist()
    result = warehouse.write(batch(ISPSTACK, both))

    assert gone["_superseded_by"] == removed.receipts[0].receipt_id
    assert counts(result) == {"fetched": 2, "inserted": 1, "unchanged": 1}
    assert len(content(warehouse, ISPSTACK)) == 2


def point(number: int, start: str, end: str, level: int, accepted: str, unit: str | None = "T_DRAX-1"):
    return {
        "nationalGridBmUnit": unit,
        "bmUnit": "2__X",
        "acceptanceNumber": number,
        "acceptanceTime": at(accepted),
        "settlementDate": at(start).date(),
        "timeFrom": at(start),
        "timeTo": at(end),
        "levelFrom": level,
        "levelTo": level,
    }


def times(warehouse: Warehouse, table=BOALF):
    return [f"{row['timeFrom']:%d %H:%M}" for row in content(warehouse, table)]


def test_an_amended_acceptance_replaces_its_profile(warehouse: Warehouse):
    old = [point(7, "15 10:00", "15 10:10", 100, "15 09:00"), point(7, "15 10:10", "15 10:40", 200, "15 09:00")]
    other = [point(8, "15 10:00", "15 10:30", 50, "15 09:00")]
    warehouse.write(batch(BOALF, old + other))

    new = [point(7, "15 10:00", "15 10:20", 150, "15 09:30"), point(7, "15 10:20", "15 10:30", 0, "15 09:30")]
    result = warehouse.write(batch(BOALF, new + other))

    assert counts(result) == {"fetched": 3, "inserted": 2, "unchanged": 1, "withdrawn": 2}
    assert [(r["acceptanceNumber"], r["levelFrom"]) for r in content(warehouse, BOALF)] == [(7, 150), (7, 0), (8, 50)]
    assert {r["_change"] for r in content(warehouse, BOALF, "history")} == {"withdrawn"}


def test_a_window_that_covers_part_of_a_profile_leaves_the_rest(warehouse: Warehouse):
    whole = [point(7, f"15 {hour}:30", f"15 {hour + 1}:30", hour, "15 09:00") for hour in (10, 11, 12, 13)]
    warehouse.write(batch(BOALF, whole))

    result = warehouse.write(batch(BOALF, whole[:2], window(hours=(11, 13))))

    assert counts(result) == {"fetched": 2, "unchanged": 2}
    assert len(content(warehouse, BOALF)) == 4


def test_a_member_missing_inside_the_window_is_withdrawn_and_one_outside_is_not(warehouse: Warehouse):
    whole = [point(7, f"15 {hour}:30", f"15 {hour + 1}:30", hour, "15 09:00") for hour in (10, 11, 12, 13)]
    warehouse.write(batch(BOALF, whole))

    # 11:00 to 13:00 UTC holds the points of 11:30 and 12:30.
    result = warehouse.write(batch(BOALF, [whole[1]], window(hours=(12, 14))))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 1}
    assert times(warehouse) == ["15 10:30", "15 11:30", "15 13:30"]


def test_an_amendment_seen_through_a_partial_window_withdraws_the_older_rest(warehouse: Warehouse):
    whole = [point(7, f"15 {hour}:30", f"15 {hour + 1}:30", hour, "15 09:00") for hour in (10, 11, 12, 13)]
    warehouse.write(batch(BOALF, whole))

    amended = [point(7, "15 11:30", "15 12:00", 11, "15 09:45")]
    result = warehouse.write(batch(BOALF, amended, window(hours=(12, 14))))

    assert counts(result) == {"fetched": 1, "inserted": 1, "withdrawn": 4}
    assert times(warehouse) == ["15 11:30"]


def test_a_profile_that_no_longer_crosses_midnight_loses_its_part_of_the_next_day(warehouse: Warehouse):
    # 23:00 UTC is midnight in London.
    old = [point(7, "15 22:30", "15 23:00", 100, "15 20:00"), point(7, "15 23:00", "15 23:30", 90, "15 20:00")]
    first = warehouse.write(batch(BOALF, old, window(hours=(0, 48))))
    assert dict(first.day_rows) == {DAY: 1, DAY + timedelta(days=1): 1}

    result = warehouse.write(batch(BOALF, [point(7, "15 22:30", "15 22:45", 100, "15 21:00")]))

    assert counts(result) == {"fetched": 1, "inserted": 1, "withdrawn": 2}
    assert dict(result.day_rows) == {DAY: 1, DAY + timedelta(days=1): 0}


def test_acceptances_of_units_without_a_name_do_not_displace_each_other(warehouse: Warehouse):
    one = {**point(7, "15 10:00", "15 10:10", 1, "15 09:00", None), "bmUnit": "2__A"}
    two = {**point(7, "15 10:00", "15 10:20", 2, "15 09:00", None), "bmUnit": "2__B"}
    warehouse.write(batch(BOALF, [one]))

    result = warehouse.write(batch(BOALF, [two], window(hours=(10, 12))))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    assert len(content(warehouse, BOALF)) == 2


def segment(start: str, end: str, level: int, sequence: int, notified: str = "15 08:00", period: int = 21):
    return {
        "settlementDate": DAY,
        "settlementPeriod": period,
        "nationalGridBmUnit": "T_DRAX-1",
        "timeFrom": at(start),
        "timeTo": at(end),
        "levelFrom": level,
        "levelTo": level,
        "notificationSequence": sequence,
        "notificationTime": at(notified),
    }


def test_segments_that_move_are_replaced_and_two_segments_do_not_collapse(warehouse: Warehouse):
    warehouse.write(batch(MELS, [segment("15 09:00", "15 09:15", 500, 1), segment("15 09:15", "15 09:30", 400, 1)]))
    assert len(content(warehouse, MELS)) == 2

    moved = [segment("15 09:00", "15 09:20", 500, 1), segment("15 09:20", "15 09:30", 0, 2, "15 08:50")]
    result = warehouse.write(batch(MELS, moved))

    assert counts(result) == {"fetched": 2, "inserted": 2, "withdrawn": 2}
    assert times(warehouse, MELS) == ["15 09:00", "15 09:20"]
    assert len(content(warehouse, MELS, "history")) == 2


def test_another_unit_or_period_is_not_touched(warehouse: Warehouse):
    mine = segment("15 09:00", "15 09:30", 500, 1)
    warehouse.write(
        batch(
            MELS,
            [mine, {**mine, "nationalGridBmUnit": "T_OTHER"}, segment("15 09:30", "15 10:00", 300, 1, period=22)],
        )
    )

    result = warehouse.write(batch(MELS, [segment("15 09:00", "15 09:10", 450, 2)], window(hours=(10, 11))))

    assert counts(result) == {"fetched": 1, "inserted": 1, "withdrawn": 1}
    assert len(content(warehouse, MELS)) == 3


def test_a_set_spread_over_two_windows_of_one_commit_is_one_set(warehouse: Warehouse):
    parts = [
        batch(PROFILE, [member(1, "15 10:00", 1.0)], window(hours=(0, 12))),
        batch(PROFILE, [member(1, "15 12:00", 2.0)], window(hours=(12, 24))),
    ]
    warehouse.write(joined(*parts))

    assert counts(warehouse.write(joined(*parts))) == {"fetched": 2, "unchanged": 2}


def member(number: int, start: str, level: float, accepted: str = "15 09:00"):
    return {"unit": "A", "number": number, "acceptanceTime": at(accepted), "timeFrom": at(start), "level": level}


def test_an_older_profile_that_comes_late_does_not_displace_the_newer(warehouse: Warehouse):
    warehouse.write(batch(PROFILE, [member(1, "15 10:00", 2.0, "15 09:30")]))

    result = warehouse.write(batch(PROFILE, [member(1, "15 10:00", 1.0, "15 09:00")]))

    assert counts(result) == {"fetched": 1, "late": 1}
    assert [row["level"] for row in content(warehouse, PROFILE)] == [2.0]


def test_withdrawal_is_counted_on_the_receipt_that_brought_the_set(warehouse: Warehouse):
    warehouse.write(batch(DISBSAD, [action(1, None, 0.0, "Dummy"), action(2, None, 0.0, "Dummy")]))

    result = warehouse.write(
        joined(
            batch(DISBSAD, [action(1, 1, 5.0)], window(hours=(0, 0.5))),
            batch(DISBSAD, [action(2, None, 0.0, "Dummy")], window(hours=(0.5, 1))),
        )
    )

    assert [r.counts.withdrawn for r in result.receipts] == [1, 0]
    assert [r.status for r in result.receipts] == ["written", "unchanged"]


@pytest.mark.parametrize("days", [1, 30])
def test_other_days_keep_their_sets(warehouse: Warehouse, days: int):
    other = {**action(1, 1, 5.0), "settlementDate": DAY - timedelta(days=days)}
    warehouse.write(batch(DISBSAD, [action(1, 1, 5.0), other]))

    warehouse.write(batch(DISBSAD, [action(1, 2, 6.0)]))

    assert len(content(warehouse, DISBSAD)) == 2
    assert warehouse.read(DISBSAD, date(2026, 1, 1), DAY - timedelta(days=1)).num_rows == 1
