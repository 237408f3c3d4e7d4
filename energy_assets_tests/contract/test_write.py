"""The write primitive: what a batch makes of a table, its history and its receipts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest

from energy_assets.catalogue.model import Field
from energy_assets.errors import WarehouseError
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, WriteBatch
from energy_assets.warehouse.interface import Warehouse
from energy_assets_tests.contract.store import (
    DAY,
    Store,
    at,
    batch,
    content,
    counts,
    joined,
    receipt,
    typed_rows,
    window,
)
from energy_assets_tests.contract.tables import ACTIONS, FORECAST, PRICES, REGISTER, RUNS


def price(period: int, value: float | None, created: str = "15 10:00", **more):
    row = {"settlementDate": DAY, "settlementPeriod": period, "createdDateTime": at(created), "price": value}
    return {**row, **more}


def test_first_write_inserts_and_says_so(warehouse: Warehouse):
    result = warehouse.write(batch(PRICES, [price(1, 50.0), price(2, -3.5)]))

    assert counts(result) == {"fetched": 2, "inserted": 2}
    assert result.receipts[0].status == "written"
    assert result.receipts[0].recorded_utc is not None
    assert dict(result.day_rows) == {DAY: 2}
    assert content(warehouse, PRICES) == [
        {"settlementDate": DAY, "settlementPeriod": 1, "createdDateTime": at("15 10:00"), "price": 50.0},
        {"settlementDate": DAY, "settlementPeriod": 2, "createdDateTime": at("15 10:00"), "price": -3.5},
    ]


def test_writing_the_same_again_changes_nothing(warehouse: Warehouse):
    rows = [price(1, 50.0), price(2, None)]
    warehouse.write(batch(PRICES, rows))
    before = warehouse.read(PRICES, DAY, DAY)

    result = warehouse.write(batch(PRICES, rows))

    assert counts(result) == {"fetched": 2, "unchanged": 2}
    assert result.receipts[0].status == "unchanged"
    assert warehouse.read(PRICES, DAY, DAY).equals(before)
    assert content(warehouse, PRICES, "history") == []


def test_columns_are_matched_by_name_not_by_position(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    again = batch(PRICES, [price(1, 50.0), price(2, 60.0)])
    turned = again.rows.select(list(reversed(again.rows.column_names)))

    result = warehouse.write(replace(again, rows=turned))

    assert counts(result) == {"fetched": 2, "inserted": 1, "unchanged": 1}
    assert [row["price"] for row in content(warehouse, PRICES)] == [50.0, 60.0]


def test_revision_replaces_the_row_and_keeps_the_old_one_once(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0), price(2, 60.0)]))
    revised = [price(1, 55.0, "17 10:00"), price(2, 60.0)]

    result = warehouse.write(batch(PRICES, revised))
    again = warehouse.write(batch(PRICES, revised))

    assert counts(result) == {"fetched": 2, "updated": 1, "unchanged": 1}
    assert counts(again) == {"fetched": 2, "unchanged": 2}
    assert [row["price"] for row in content(warehouse, PRICES)] == [55.0, 60.0]
    (old,) = content(warehouse, PRICES, "history")
    assert (old["price"], old["_change"]) == (50.0, "revised")


def test_history_says_when_and_by_which_receipt(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    result = warehouse.write(batch(PRICES, [price(1, 55.0, "17 10:00")]))

    (old,) = warehouse.read(PRICES, DAY, DAY, view="history").to_pylist()
    (new,) = warehouse.read(PRICES, DAY, DAY).to_pylist()

    assert old["_superseded_by"] == result.receipts[0].receipt_id
    assert old["_superseded_utc"] == new["_ingested_utc"] == result.receipts[0].recorded_utc.replace(tzinfo=None)
    assert old["_superseded_published_utc"] == at("17 10:00")
    assert old["_ingested_utc"] < old["_superseded_utc"]


def test_an_older_publication_does_not_replace_a_newer_one(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 55.0, "17 10:00")]))

    result = warehouse.write(batch(PRICES, [price(1, 50.0, "15 10:00")]))
    again = warehouse.write(batch(PRICES, [price(1, 50.0, "15 10:00")]))

    assert counts(result) == counts(again) == {"fetched": 1, "late": 1}
    assert (result.receipts[0].status, again.receipts[0].status) == ("written", "unchanged")
    assert [row["price"] for row in content(warehouse, PRICES)] == [55.0]
    assert [(r["price"], r["_change"]) for r in content(warehouse, PRICES, "history")] == [(50.0, "late")]


def test_a_publication_without_time_is_the_oldest(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 55.0)]))

    result = warehouse.write(batch(PRICES, [{**price(1, 50.0), "createdDateTime": None}]))

    assert counts(result) == {"fetched": 1, "late": 1}
    assert [row["price"] for row in content(warehouse, PRICES)] == [55.0]


def test_a_value_changed_in_place_without_a_new_time_is_a_revision(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 55.0)]))

    assert counts(warehouse.write(batch(PRICES, [price(1, 50.0)]))) == {"fetched": 1, "updated": 1}
    assert counts(warehouse.write(batch(PRICES, [price(1, 55.0)]))) == {"fetched": 1, "updated": 1}
    assert [row["price"] for row in content(warehouse, PRICES, "history")] == [50.0, 55.0] or [
        row["price"] for row in content(warehouse, PRICES, "history")
    ] == [55.0, 50.0]


def test_vintages_are_kept_side_by_side(warehouse: Warehouse):
    early = {"publishTime": at("15 09:00"), "startTime": at("16 00:00"), "value": 1.0}
    late = {"publishTime": at("15 10:00"), "startTime": at("16 00:00"), "value": 2.0}

    warehouse.write(batch(FORECAST, [late]))
    result = warehouse.write(batch(FORECAST, [early]))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    assert content(warehouse, FORECAST) == [early, late]
    assert content(warehouse, FORECAST, "latest") == [late]
    assert content(warehouse, FORECAST, "history") == []


def test_ranks_order_settlement_runs(warehouse: Warehouse):
    def of(run: str, quantity: float):
        return {
            "settlementDate": DAY,
            "settlementPeriod": 1,
            "bmUnit": "A",
            "settlementRunType": run,
            "quantity": quantity,
        }

    warehouse.write(batch(RUNS, [of("SF", 2.0), of("RF", 4.0), of("II", 1.0), of("R1", 3.0)]))

    assert len(content(warehouse, RUNS)) == 4
    assert [row["quantity"] for row in content(warehouse, RUNS, "latest")] == [4.0]


def test_rows_with_null_in_the_key_do_not_collapse(warehouse: Warehouse):
    base = {"settlementDate": DAY, "settlementPeriod": 1, "settlementRunType": "II"}
    rows = [
        {**base, "bmUnit": None, "otherUnit": "X", "quantity": 1.0},
        {**base, "bmUnit": None, "otherUnit": "Y", "quantity": 2.0},
        {**base, "bmUnit": None, "otherUnit": None, "quantity": 3.0},
        {**base, "bmUnit": "B", "otherUnit": "X", "quantity": 4.0},
    ]

    first = warehouse.write(batch(RUNS, rows))
    second = warehouse.write(batch(RUNS, rows))

    assert counts(first) == {"fetched": 4, "inserted": 4}
    assert counts(second) == {"fetched": 4, "unchanged": 4}
    assert len(content(warehouse, RUNS)) == 4


def test_rows_without_a_settlement_run_are_one_version(warehouse: Warehouse):
    row = {"settlementDate": DAY, "settlementPeriod": 1, "bmUnit": "A", "quantity": 1.0}

    warehouse.write(batch(RUNS, [row]))
    result = warehouse.write(batch(RUNS, [{**row, "quantity": 2.0}]))

    assert counts(result) == {"fetched": 1, "updated": 1}
    assert [r["quantity"] for r in content(warehouse, RUNS)] == [2.0]


def test_equal_rows_of_a_batch_are_stored_once(warehouse: Warehouse):
    result = warehouse.write(batch(PRICES, [price(1, 50.0), price(1, 50.0), price(2, 60.0)]))

    assert counts(result) == {"fetched": 3, "inserted": 2, "duplicate": 1}
    assert len(content(warehouse, PRICES)) == 2


def test_of_differing_rows_with_one_key_the_newest_stands_and_the_others_are_kept_as_late(warehouse: Warehouse):
    rows = [
        price(1, 50.0, "15 10:00"),
        price(1, 55.0, "17 10:00"),
        price(1, 52.0, "16 10:00"),
        price(1, 52.0, "16 10:00"),
    ]

    result = warehouse.write(batch(PRICES, rows))
    again = warehouse.write(batch(PRICES, list(reversed(rows))))

    assert counts(result) == {"fetched": 4, "inserted": 1, "late": 2, "duplicate": 1}
    assert counts(again) == {"fetched": 4, "unchanged": 1, "late": 2, "duplicate": 1}
    assert again.receipts[0].status == "unchanged"
    assert [row["price"] for row in content(warehouse, PRICES)] == [55.0]
    assert sorted(row["price"] for row in content(warehouse, PRICES, "history")) == [50.0, 52.0]


def test_duplicates_found_before_the_write_are_added_to_those_found_by_it(warehouse: Warehouse):
    one = batch(PRICES, [price(1, 50.0), price(1, 50.0)])
    with_earlier = replace(one, receipts=(one.receipts[0].with_(counts=Counts(fetched=5, duplicate=2, boundary=1)),))

    (done,) = warehouse.write(with_earlier).receipts

    assert done.counts == Counts(fetched=5, inserted=1, duplicate=3, boundary=1)
    assert done.counts.reconciled


def test_several_windows_of_one_commit_keep_their_own_counts(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0), price(3, 1.0)], window(hours=(0, 2))))

    result = warehouse.write(
        joined(
            batch(PRICES, [price(1, 51.0), price(2, 60.0)], window(hours=(0, 1))),
            batch(PRICES, [price(3, 1.0)], window(hours=(1, 2))),
        )
    )

    first, second = result.receipts
    assert first.counts == Counts(fetched=2, inserted=1, updated=1)
    assert second.counts == Counts(fetched=1, unchanged=1)
    assert (first.status, second.status) == ("written", "unchanged")


def test_the_overlap_of_two_windows_is_stored_once(warehouse: Warehouse):
    result = warehouse.write(
        joined(
            batch(PRICES, [price(1, 50.0), price(2, 60.0)], window(hours=(0, 1))),
            batch(PRICES, [price(2, 60.0)], window(hours=(1, 2))),
        )
    )

    assert counts(result) == {"fetched": 3, "inserted": 2, "duplicate": 1}
    assert result.receipts[1].counts.inserted == 1


def test_receipts_without_rows_keep_their_status_in_a_batch(warehouse: Warehouse):
    full = batch(PRICES, [price(1, 50.0)])
    silent = receipt(PRICES, window(date(2026, 7, 16)), status="silent")

    result = warehouse.write(replace(full, receipts=(*full.receipts, silent)))

    assert [r.status for r in result.receipts] == ["written", "silent"]


def test_a_batch_without_rows_makes_the_table_and_records_the_receipt(store: Store, warehouse: Warehouse):
    result = warehouse.write(batch(PRICES, []))

    assert counts(result) == {}
    assert result.receipts[0].status == "unchanged"
    assert dict(result.day_rows) == {}
    assert warehouse.read(PRICES, DAY, DAY).num_rows == 0
    assert len(store.service_rows("_receipts")) == 1


def test_a_commit_stamps_its_rows_with_its_own_instant(store: Store, warehouse: Warehouse):
    before = store.clock.now
    result = warehouse.write(batch(PRICES, [price(1, 50.0)]))

    (row,) = warehouse.read(PRICES, DAY, DAY).to_pylist()
    assert before.replace(tzinfo=None) < row["_ingested_utc"] <= store.clock.now.replace(tzinfo=None)
    assert result.receipts[0].recorded_utc.replace(tzinfo=None) == row["_ingested_utc"]
    assert row["_receipt_id"] == result.receipts[0].receipt_id


def test_a_new_column_is_added_and_older_rows_hold_null(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    flag = Field("flag", "text", "")

    result = warehouse.write(batch(PRICES, [price(2, 60.0, flag="x")], extra=[flag]))
    warehouse.write(batch(PRICES, [price(3, 70.0)]))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    rows = warehouse.read(PRICES, DAY, DAY, columns=["settlementPeriod", "flag"]).to_pylist()
    assert [row["flag"] for row in rows] == [None, "x", None]


def test_a_new_column_of_a_known_row_is_a_revision_of_it(warehouse: Warehouse):
    flag = Field("flag", "text", "")
    warehouse.write(batch(PRICES, [price(1, 50.0)]))

    assert counts(warehouse.write(batch(PRICES, [price(1, 50.0, flag="x")], extra=[flag]))) == {
        "fetched": 1,
        "updated": 1,
    }
    assert counts(warehouse.write(batch(PRICES, [price(1, 50.0)]))) == {"fetched": 1, "updated": 1}
    history = warehouse.read(PRICES, DAY, DAY, view="history", columns=["price", "flag", "_change"]).to_pylist()
    assert sorted(str(row["flag"]) for row in history) == ["None", "x"]


def test_a_column_catalogued_later_is_added(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    grown = replace(PRICES, fields=(*PRICES.fields, Field("volume", "number", "")))

    warehouse.write(batch(grown, [price(2, 60.0, volume=7.5)]))

    assert [row.get("volume") for row in content(warehouse, grown)] == [None, 7.5]


def test_a_catalogued_column_can_be_read_before_the_table_has_it(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    grown = replace(PRICES, fields=(*PRICES.fields, Field("volume", "number", "")))

    assert warehouse.read(grown, DAY, DAY).column("volume").to_pylist() == [None]


def test_a_column_dropped_from_the_catalogue_stays(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0, code="a")]))
    shrunk = replace(PRICES, fields=PRICES.fields[:-1])

    warehouse.write(batch(shrunk, [price(2, 60.0)]))

    assert warehouse.read(PRICES, DAY, DAY, columns=["code"]).column("code").to_pylist() == ["a", None]


def test_names_that_differ_only_in_case_are_different_columns(warehouse: Warehouse):
    loud, louder = Field("Price", "number", ""), Field("PRICE", "text", "")

    written = batch(
        PRICES, [price(1, 50.0, Price=7.0, PRICE="x")], extra=[loud, louder], new_columns=("Price", "PRICE")
    )
    (done,) = warehouse.write(written).receipts
    again = warehouse.write(batch(PRICES, [price(1, 50.0, Price=7.0, PRICE="x")], extra=[louder, loud]))

    assert counts(again) == {"fetched": 1, "unchanged": 1}
    assert len({name.lower() for name in done.new_columns}) == 2
    assert all(name.startswith(("Price__", "PRICE__")) for name in done.new_columns)
    (row,) = warehouse.read(PRICES, DAY, DAY).to_pylist()
    assert (row["price"], *(row[name] for name in done.new_columns)) == (50.0, 7.0, "x")


def test_an_uncatalogued_column_that_changes_its_type_goes_on_beside_the_old_one(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0, flag=1)], extra=[Field("flag", "integer", "")]))

    (done,) = warehouse.write(
        batch(PRICES, [price(2, 50.0, flag="a")], extra=[Field("flag", "text", "")], new_columns=("flag",))
    ).receipts

    assert done.new_columns == ("flag__text",)
    rows = warehouse.read(PRICES, DAY, DAY, columns=["flag", "flag__text"]).to_pylist()
    assert rows == [{"flag": 1, "flag__text": None}, {"flag": None, "flag__text": "a"}]


def test_an_integer_column_becomes_a_number_where_the_catalogue_says_so(warehouse: Warehouse):
    narrow = replace(PRICES, fields=(*PRICES.fields[:3], Field("price", "integer", ""), PRICES.fields[4]))
    warehouse.write(batch(narrow, [price(1, 50), price(2, -7)]))

    result = warehouse.write(batch(PRICES, [price(3, 0.5)]))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    assert [row["price"] for row in content(warehouse, PRICES)] == [50.0, -7.0, 0.5]


def test_a_type_change_that_would_alter_stored_values_is_refused(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 0.5)]))
    narrow = replace(PRICES, fields=(*PRICES.fields[:3], Field("price", "integer", ""), PRICES.fields[4]))

    with pytest.raises(WarehouseError, match=r"price.*1 stored values would change"):
        warehouse.write(batch(narrow, [price(2, 1)]))

    assert [row["price"] for row in content(warehouse, PRICES)] == [0.5]


def test_a_wider_natural_key_is_followed(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0, code="a")]))
    wider = replace(PRICES, event_key=(*PRICES.event_key, "code"))

    result = warehouse.write(batch(wider, [price(1, 51.0, code="b")]))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    assert len(content(warehouse, wider)) == 2


def test_a_narrower_natural_key_that_would_merge_rows_is_refused(warehouse: Warehouse):
    wider = replace(PRICES, event_key=(*PRICES.event_key, "code"))
    warehouse.write(batch(wider, [price(1, 50.0, code="a"), price(1, 51.0, code="b")]))

    with pytest.raises(WarehouseError, match="natural key has changed"):
        warehouse.write(batch(PRICES, [price(2, 51.0)]))


def test_a_view_follows_a_changed_catalogue(store: Store, warehouse: Warehouse):
    warehouse.write(batch(FORECAST, [{"publishTime": at("15 09:00"), "startTime": at("16 00:00"), "value": 1.0}]))
    one_event = replace(FORECAST, event_key=("value",))

    warehouse.write(batch(one_event, [{"publishTime": at("15 10:00"), "startTime": at("16 00:30"), "value": 1.0}]))

    assert len(store.view_rows("test_forecast_latest")) == 1


def test_a_value_that_does_not_fit_its_column_is_refused_and_nothing_written(warehouse: Warehouse):
    warehouse.write(batch(PRICES, [price(1, 50.0)]))
    bad = batch(PRICES, [price(2, 60.0)])
    index = bad.rows.column_names.index("settlementPeriod")
    rows = bad.rows.set_column(index, "settlementPeriod", pa.array([2.5]))

    with pytest.raises(WarehouseError, match="settlementPeriod"):
        warehouse.write(replace(bad, rows=rows))

    assert len(content(warehouse, PRICES)) == 1


@pytest.mark.parametrize("column", ["settlementPeriod", "_partition_day", "_hash_key", "_receipt_id"])
def test_rows_without_a_column_that_every_row_needs_are_refused(warehouse: Warehouse, column: str):
    whole = batch(PRICES, [price(1, 50.0)])

    with pytest.raises(WarehouseError, match=column):
        warehouse.write(replace(whole, rows=whole.rows.drop_columns([column])))


def test_rows_of_an_unknown_receipt_are_refused(warehouse: Warehouse):
    asked = window()
    rows = typed_rows(PRICES, [price(1, 50.0)], asked, "nobody")

    with pytest.raises(WarehouseError, match="nobody"):
        warehouse.write(WriteBatch(PRICES, rows, (receipt(PRICES, asked),), QUARANTINE_SCHEMA.empty_table()))


def test_missing_nullable_columns_are_null(warehouse: Warehouse):
    whole = batch(PRICES, [price(1, 50.0, code="x")])

    warehouse.write(replace(whole, rows=whole.rows.drop_columns(["code"])))

    assert warehouse.read(PRICES, DAY, DAY).column("code").to_pylist() == [None]


def quarantined(raw: str, number: int = 0):
    row = {
        "dataset": "PRICES",
        "receipt_id": "r",
        "window_from_utc": window().from_utc.replace(tzinfo=None),
        "window_to_utc": window().to_utc.replace(tzinfo=None),
        "recorded_utc": at("20 12:00"),
        "row_number": number,
        "reason": "price is not a number",
        "raw": raw,
    }
    return pa.Table.from_pylist([row], schema=QUARANTINE_SCHEMA)


def test_quarantined_rows_are_kept_once(store: Store, warehouse: Warehouse):
    for _ in range(2):
        warehouse.write(replace(batch(PRICES, [price(1, 50.0)]), quarantine=quarantined('{"price": "x"}')))
    # Another place in the body is the same row; another content is not.
    warehouse.record([receipt(PRICES, window(), status="failed")], quarantined('{"price": "x"}', number=1))
    result = warehouse.write(
        replace(
            batch(PRICES, [price(1, 50.0)]),
            quarantine=pa.concat_tables([quarantined('{"price": "x"}'), quarantined('{"price": "y"}', number=2)]),
        )
    )

    rows = store.service_rows("_quarantine")
    assert sorted((row["row_number"], row["raw"]) for row in rows) == [(0, '{"price": "x"}'), (2, '{"price": "y"}')]
    assert result.receipts[0].status == "unchanged"


def test_a_receipt_counts_quarantined_rows_that_are_already_kept(store: Store, warehouse: Warehouse):
    bad = quarantined('{"price": "x"}')
    for _ in range(2):
        whole = batch(PRICES, [price(1, 50.0)])
        counted = whole.receipts[0].with_(counts=Counts(fetched=2, quarantined=1))
        result = warehouse.write(replace(whole, receipts=(counted,), quarantine=bad))

        assert counts(result)["quarantined"] == 1
    assert len(store.service_rows("_quarantine")) == 1


def test_the_same_bad_row_of_another_window_is_kept(store: Store, warehouse: Warehouse):
    bad = quarantined('{"price": "x"}')
    other = bad.set_column(
        bad.schema.get_field_index("window_from_utc"),
        "window_from_utc",
        pa.array([window(hours=(12, 24)).from_utc.replace(tzinfo=None)], pa.timestamp("us")),
    )
    for rows in (bad, other, bad, other):
        warehouse.record([receipt(PRICES, window(), status="failed")], rows)

    assert len(store.service_rows("_quarantine")) == 2


def test_a_register_keeps_a_snapshot_per_day(warehouse: Warehouse):
    monday, tuesday = date(2026, 7, 13), date(2026, 7, 14)
    unit = {"unit": "A", "capacity": 1.0, "details": '{"a":[1,2]}'}
    warehouse.write(batch(REGISTER, [unit, {"unit": "B", "capacity": 2.0}], window(monday), day=monday))

    result = warehouse.write(batch(REGISTER, [unit], window(tuesday), day=tuesday))

    assert counts(result) == {"fetched": 1, "inserted": 1}
    assert len(content(warehouse, REGISTER)) == 3
    assert content(warehouse, REGISTER, "latest") == [unit]


def test_a_register_read_again_on_the_same_day_is_replaced_whole(warehouse: Warehouse):
    warehouse.write(batch(REGISTER, [{"unit": "A"}, {"unit": "B"}, {"unit": None, "capacity": 3.0}]))

    result = warehouse.write(batch(REGISTER, [{"unit": "A", "capacity": 5.0}, {"unit": "C"}]))

    assert counts(result) == {"fetched": 2, "inserted": 1, "updated": 1, "withdrawn": 2}
    assert [row["unit"] for row in content(warehouse, REGISTER)] == ["A", "C"]


def test_days_far_apart_in_one_batch(warehouse: Warehouse):
    old, new = date(2009, 1, 5), date(2026, 7, 15)
    rows = [price(1, 50.0), {**price(1, 40.0), "settlementDate": old}]
    warehouse.write(batch(PRICES, rows))
    warehouse.write(batch(PRICES, [{**price(1, 1.0), "settlementDate": date(2015, 3, 3)}]))

    result = warehouse.write(batch(PRICES, [*rows, {**price(2, 1.0), "settlementDate": old}]))

    assert counts(result) == {"fetched": 3, "inserted": 1, "unchanged": 2}
    assert dict(result.day_rows) == {old: 2, new: 1}
    assert result.changed == {old}


def test_a_write_names_the_days_that_it_changed_and_no_others(warehouse: Warehouse):
    same, revised, added = (DAY + timedelta(days=n) for n in range(3))
    rows = [{**price(1, 50.0), "settlementDate": day} for day in (same, revised)]
    assert warehouse.write(batch(PRICES, rows)).changed == {same, revised}
    assert warehouse.write(batch(PRICES, rows)).changed == set()

    late = {**price(1, 1.0, "15 09:00"), "settlementDate": same}
    news = [{**price(1, 51.0, "15 11:00"), "settlementDate": revised}, {**price(1, 7.0), "settlementDate": added}]
    result = warehouse.write(batch(PRICES, [late, *news]))

    assert counts(result) == {"fetched": 3, "inserted": 1, "updated": 1, "late": 1}
    assert result.changed == {revised, added}


def test_a_day_of_which_one_member_took_the_place_of_another_has_changed(warehouse: Warehouse):
    warehouse.write(batch(REGISTER, [{"unit": "A"}, {"unit": "B"}]))
    result = warehouse.write(batch(REGISTER, [{"unit": "A"}, {"unit": "C"}]))
    assert counts(result) == {"fetched": 2, "inserted": 1, "unchanged": 1, "withdrawn": 1}
    assert result.changed == {DAY}


def test_the_first_claim_of_a_store_counts(store: Store, warehouse: Warehouse):
    warehouse.claim("provider")
    warehouse.claim("provider")

    with pytest.raises(WarehouseError, match="synthetic and real data never mix"):
        store.open().claim("sandbox")


def test_actions_without_an_id_are_one_row(warehouse: Warehouse):
    dummy = {"settlementDate": DAY, "settlementPeriod": 1, "cost": 0.0}

    warehouse.write(batch(ACTIONS, [dummy]))
    result = warehouse.write(batch(ACTIONS, [dummy]))

    assert counts(result) == {"fetched": 1, "unchanged": 1}
