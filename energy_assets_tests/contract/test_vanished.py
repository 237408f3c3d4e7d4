"""Whole sets that a later answer to the same window, or to a larger one, no longer holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Counts
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import DAY, Row, Store, at, batch, content, counts, joined, window
from energy_assets_tests.contract.tables import ACTIONS, PRICES, PROFILE, REGISTER

EBOCF = dataset("EBOCF").table
MELS = dataset("MELS").table
BID = (("bidOffer", "bid"),)
OFFER = (("bidOffer", "offer"),)


def cashflow(period: int, side: str = "bid", unit: str = "T_DRAX-1") -> Row:
    return {
        "settlementDate": DAY,
        "settlementPeriod": period,
        "bidOffer": side,
        "bmUnit": unit,
        "createdDateTime": at("15 12:00"),
    }


def limit(unit: str, period: int = 21, level: int = 500) -> Row:
    return {
        "settlementDate": DAY,
        "settlementPeriod": period,
        "nationalGridBmUnit": unit,
        "timeFrom": at("15 09:00"),
        "timeTo": at("15 09:30"),
        "levelFrom": level,
        "levelTo": level,
        "notificationSequence": 1,
        "notificationTime": at("15 08:00"),
    }


def periods(warehouse: Warehouse, side: str = "bid") -> list[int]:
    return [row["settlementPeriod"] for row in content(warehouse, EBOCF) if row["bidOffer"] == side]


def units(warehouse: Warehouse) -> list[str]:
    return [row["nationalGridBmUnit"] for row in content(warehouse, MELS)]


def test_a_period_missing_from_a_later_answer_leaves_a_tombstone_and_can_come_back(warehouse: Warehouse):
    day = [cashflow(period) for period in (1, 2, 3)]
    warehouse.write(batch(EBOCF, day, window(branch=BID)))

    result = warehouse.write(batch(EBOCF, day[:2], window(branch=BID)))

    assert counts(result) == {"fetched": 2, "unchanged": 2, "withdrawn": 1}
    assert result.receipts[0].status == "written"
    assert dict(result.day_rows) == {DAY: 2}
    assert periods(warehouse) == [1, 2]
    (gone,) = warehouse.read(EBOCF, DAY, DAY, view="history").to_pylist()
    assert (gone["settlementPeriod"], gone["_change"]) == (3, "withdrawn")
    assert gone["_superseded_by"] == result.receipts[0].receipt_id

    again = warehouse.write(batch(EBOCF, day, window(branch=BID)))
    assert counts(again) == {"fetched": 3, "inserted": 1, "unchanged": 2}
    assert counts(warehouse.write(batch(EBOCF, day, window(branch=BID)))) == {"fetched": 3, "unchanged": 3}
    assert (periods(warehouse), len(content(warehouse, EBOCF, "history"))) == ([1, 2, 3], 1)


def test_receipts_are_still_believed_after_a_set_vanished(warehouse: Warehouse):
    warehouse.write(batch(EBOCF, [cashflow(1), cashflow(2)], window(branch=BID)))
    warehouse.write(batch(EBOCF, [cashflow(1)], window(branch=BID)))

    (seen,) = warehouse.coverage([EBOCF], window().from_utc, window().to_utc)["EBOCF"]
    assert seen.covered_utc is not None


def test_the_other_branch_is_not_touched(warehouse: Warehouse):
    warehouse.write(
        joined(
            batch(EBOCF, [cashflow(1), cashflow(2)], window(branch=BID)),
            batch(EBOCF, [cashflow(1, "offer"), cashflow(2, "offer")], window(branch=OFFER)),
        )
    )

    result = warehouse.write(batch(EBOCF, [cashflow(1)], window(branch=BID)))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 1}
    assert (periods(warehouse), periods(warehouse, "offer")) == ([1], [1, 2])


def test_each_branch_of_a_commit_withdraws_its_own(warehouse: Warehouse):
    both = [
        (batch(EBOCF, [cashflow(p, side) for p in (1, 2, 3)], window(branch=branch)))
        for side, branch in (("bid", BID), ("offer", OFFER))
    ]
    warehouse.write(joined(*both))

    result = warehouse.write(
        joined(
            batch(EBOCF, [cashflow(1)], window(branch=BID)),
            batch(EBOCF, [cashflow(1, "offer"), cashflow(2, "offer")], window(branch=OFFER)),
        )
    )

    assert [receipt.counts.withdrawn for receipt in result.receipts] == [2, 1]


def test_a_unit_missing_from_a_larger_window_is_withdrawn(warehouse: Warehouse):
    warehouse.write(batch(MELS, [limit("A"), limit("B")], window(hours=(10, 11))))

    result = warehouse.write(batch(MELS, [limit("A")], window(hours=(10, 12))))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 1}
    assert units(warehouse) == ["A"]


def test_a_smaller_window_does_not_touch_what_a_larger_one_brought(warehouse: Warehouse):
    warehouse.write(batch(MELS, [limit("A"), limit("B"), limit("A", 23)], window(hours=(10, 12))))

    result = warehouse.write(batch(MELS, [limit("A")], window(hours=(10, 11))))

    assert counts(result) == {"fetched": 1, "unchanged": 1}
    assert len(units(warehouse)) == 3


def test_windows_that_only_together_hold_the_earlier_one_prove_nothing(warehouse: Warehouse):
    warehouse.write(batch(MELS, [limit("A"), limit("B")], window(hours=(10, 12))))

    halves = [batch(MELS, [limit("A", p)], window(hours=h)) for p, h in ((21, (10, 11)), (23, (11, 12)))]
    result = warehouse.write(joined(*halves))

    assert counts(result) == {"fetched": 2, "inserted": 1, "unchanged": 1}


def test_a_window_without_rows_withdraws_nothing_beside_one_with_rows(warehouse: Warehouse):
    first, second = window(hours=(10, 11)), window(hours=(11, 12))
    warehouse.write(joined(batch(MELS, [limit("A")], first), batch(MELS, [limit("A", 23)], second)))

    result = warehouse.write(joined(batch(MELS, [limit("B")], first), batch(MELS, [], second)))

    assert [receipt.counts.withdrawn for receipt in result.receipts] == [1, 0]
    assert [(r["nationalGridBmUnit"], r["settlementPeriod"]) for r in content(warehouse, MELS)] == [
        ("B", 21),
        ("A", 23),
    ]


def test_an_answer_with_rows_that_could_not_be_read_proves_no_set_gone(warehouse: Warehouse):
    warehouse.write(batch(MELS, [limit("A"), limit("B")]))

    answer = batch(MELS, [limit("A")])
    unread = answer.receipts[0].with_(counts=Counts(fetched=2, quarantined=1))
    result = warehouse.write(replace(answer, receipts=(unread,)))

    assert counts(result) == {"fetched": 2, "unchanged": 1, "quarantined": 1}
    assert units(warehouse) == ["A", "B"]


def test_a_day_that_a_range_no_longer_holds_is_emptied(warehouse: Warehouse):
    range_ = replace(window(), to_utc=window(DAY + timedelta(days=1)).to_utc)
    rows = [{"settlementDate": DAY + timedelta(days=n), "settlementPeriod": 1, "id": 1, "cost": 1.0} for n in (0, 1)]
    warehouse.write(batch(ACTIONS, rows, range_))

    result = warehouse.write(batch(ACTIONS, rows[:1], range_))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 1}
    assert dict(result.day_rows) == {DAY: 1, DAY + timedelta(days=1): 0}


def test_a_set_without_a_day_of_its_own_vanishes_on_both_sides_of_midnight(warehouse: Warehouse):
    # 23:00 UTC is midnight in London.
    gone = [{"unit": "A", "number": 1, "timeFrom": at(f"15 {clock}"), "level": 1.0} for clock in ("22:30", "23:30")]
    left = {"unit": "B", "number": 2, "timeFrom": at("15 10:00"), "level": 1.0}
    warehouse.write(batch(PROFILE, [*gone, left]))

    result = warehouse.write(batch(PROFILE, [left]))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 2}
    assert len(content(warehouse, PROFILE)) == 1


def test_rows_that_are_no_set_stay(warehouse: Warehouse):
    rows = [{"settlementDate": DAY, "settlementPeriod": p, "price": 1.0} for p in (1, 2)]
    warehouse.write(batch(PRICES, rows))

    assert counts(warehouse.write(batch(PRICES, rows[:1]))) == {"fetched": 1, "unchanged": 1}


def test_a_register_keeps_its_other_readings(warehouse: Warehouse):
    for day in (DAY, DAY + timedelta(days=1)):
        warehouse.write(batch(REGISTER, [{"unit": "A"}, {"unit": "B"}], window(day), day=day))

    result = warehouse.write(batch(REGISTER, [{"unit": "A"}], window(DAY + timedelta(days=1)), day=day))

    assert counts(result) == {"fetched": 1, "unchanged": 1, "withdrawn": 1}
    assert len(content(warehouse, REGISTER)) == 3


def test_rows_are_counted_by_the_windows_that_brought_them(store: Store, warehouse: Warehouse):
    assert warehouse.rows_of(EBOCF, window(branch=BID)) == 0
    warehouse.write(
        joined(
            batch(EBOCF, [cashflow(1), cashflow(2)], window(branch=BID)),
            batch(EBOCF, [cashflow(1, "offer")], window(branch=OFFER)),
        )
    )

    assert [warehouse.rows_of(EBOCF, window(branch=branch)) for branch in (BID, OFFER, ())] == [2, 1, 3]
    assert warehouse.rows_of(EBOCF, window(hours=(-24, 48), branch=BID)) == 2
    assert warehouse.rows_of(EBOCF, window(hours=(0, 12), branch=BID)) == 0
    assert warehouse.rows_of(EBOCF, window(DAY + timedelta(days=1), branch=BID)) == 0
    assert warehouse.rows_of(EBOCF, window(branch=(("unknown", "x"),))) == 0
    assert warehouse.rows_of(MELS, window()) == 0
