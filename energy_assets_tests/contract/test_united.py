"""What the provider answered and what it pushed, shown as one: which rows stand, and the columns they have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from energy_assets.catalogue import dataset
from energy_assets.catalogue.derived import MELS_RESOLVED
from energy_assets.catalogue.model import Field, Table
from energy_assets.errors import WarehouseError
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.sql import UNITED_PROVENANCE
from energy_assets_tests.contract.store import DAY, Row, Store, at, batch, window

NIGHT = timedelta(days=1)


def asked(name: str) -> Table:
    return dataset(f"bmrs/{name}").table


def pushed(name: str) -> Table:
    return dataset(f"iris/{name}").table


def message(number: int, sent: str, *rows: Row) -> list[Row]:
    """Rows of one message."""
    envelope = {
        "_message_id": f"m{number}",
        "_message_sha256": f"{number:064x}",
        "_enqueued_utc": at(sent),
        "_sequence_number": number,
    }
    return [row | envelope | {"_message_row": place} for place, row in enumerate(rows)]


def push(warehouse: Warehouse, name: str, *messages: Sequence[Row]) -> None:
    rows = [row for one in messages for row in one]
    warehouse.write(batch(pushed(name), rows, window(branch=(("_source_api", "IRIS"),))))


def shown(store: Store, warehouse: Warehouse, view: str, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of a view in short, ordered."""
    warehouse.close()
    rows = [tuple(row[c] for c in columns) for row in store.view_rows(view)]
    return sorted(rows, key=lambda row: [(value is None, value) for value in row])


# Facts that are revised in place, with a publication time.


def fuel(start: str, value: float, published: str, kind: str = "CCGT") -> Row:
    day = at(start)
    return {
        "dataset": "FUELINST",
        "publishTime": at(published),
        "startTime": day,
        "settlementDate": DAY,
        "settlementPeriod": 1,
        "fuelType": kind,
        "generation": value,
    }


def test_published_later_wins_and_on_a_tie_what_was_asked_for(store: Store, warehouse: Warehouse):
    warehouse.write(
        batch(
            asked("fuelinst"),
            [
                fuel("15 10:00", 1, "15 10:05"),
                fuel("15 10:05", 1, "15 10:20"),
                fuel("15 10:10", 1, "15 10:15"),
                fuel("15 10:15", 1, "15 10:20"),
            ],
        )
    )
    push(
        warehouse,
        "fuelinst",
        message(1, "15 10:06", fuel("15 10:00", 2, "15 10:06"), fuel("15 10:05", 2, "15 10:10")),
        message(2, "15 10:16", fuel("15 10:10", 2, "15 10:15"), fuel("15 10:20", 2, "15 10:25")),
        message(3, "15 10:30", fuel("15 10:20", 3, "15 10:25"), fuel("15 10:00", 4, "15 10:01")),
    )

    assert shown(store, warehouse, "bmrs_fuelinst_all", "startTime", "generation", "_enqueued_utc") == [
        (at("15 10:00"), 2, at("15 10:06")),
        (at("15 10:05"), 1, None),
        (at("15 10:10"), 1, None),
        (at("15 10:15"), 1, None),
        (at("15 10:20"), 3, at("15 10:30")),
    ]


def test_the_columns_are_those_of_what_is_asked_for_and_where_a_row_came_from(store: Store, warehouse: Warehouse):
    push(
        warehouse, "fuelinst", message(1, "15 23:30", fuel("15 22:55", 2, "15 23:00"), fuel("15 23:00", 2, "15 23:05"))
    )
    warehouse.close()

    first, second = sorted(store.view_rows("bmrs_fuelinst_all"), key=lambda row: row["startTime"])
    assert list(first) == [
        *(f.name for f in asked("fuelinst").fields),
        *(name for name, _ in UNITED_PROVENANCE),
    ]
    # A row is on the day that it would have had, had it been asked for: 23:00 UTC is midnight in London.
    assert (first["_partition_day"], second["_partition_day"]) == (DAY, DAY + NIGHT)
    assert first["_dataset"] == "FUELINST_IRIS"


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 29, 0, 30), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 23, 30), date(2026, 3, 30)),
        (datetime(2026, 3, 28, 23, 30), date(2026, 3, 28)),
        (datetime(2026, 10, 25, 23, 30), date(2026, 10, 25)),
        (datetime(2026, 10, 24, 23, 30), date(2026, 10, 25)),
        (datetime(2026, 1, 15, 23, 59), date(2026, 1, 15)),
    ],
)
def test_the_day_is_the_london_day(store: Store, warehouse: Warehouse, moment: datetime, day: date):
    push(warehouse, "freq", message(1, "15 10:00", {"dataset": "FREQ", "measurementTime": moment, "frequency": 50.0}))

    assert shown(store, warehouse, "bmrs_freq_all", "_partition_day") == [(day,)]


def test_without_a_publication_time_what_was_asked_for_stands(store: Store, warehouse: Warehouse):
    def index(period: int, price: float) -> Row:
        return {
            "dataset": "MID",
            "startTime": at("15 10:00"),
            "dataProvider": "APXMIDP",
            "settlementDate": DAY,
            "settlementPeriod": period,
            "price": price,
        }

    warehouse.write(batch(asked("mid"), [index(1, 10.0)]))
    push(
        warehouse, "mid", message(1, "15 10:00", index(1, 20.0), index(2, 20.0)), message(2, "15 11:00", index(2, 30.0))
    )

    assert shown(store, warehouse, "bmrs_mid_all", "settlementPeriod", "price") == [(1, 10.0), (2, 30.0)]


def test_vintages_are_all_kept(store: Store, warehouse: Warehouse):
    def wind(published: str, value: float) -> Row:
        return {"publishTime": at(published), "startTime": at("16 00:00"), "generation": value}

    warehouse.write(batch(asked("windfor"), [wind("15 03:30", 1), wind("15 07:30", 2)]))
    push(warehouse, "windfor", message(1, "15 07:31", wind("15 07:30", 9)), message(2, "15 12:31", wind("15 12:30", 3)))

    assert shown(store, warehouse, "bmrs_windfor_all", "publishTime", "generation") == [
        (at("15 03:30"), 1),
        (at("15 07:30"), 2),
        (at("15 12:30"), 3),
    ]


def test_units_without_a_neso_name_are_told_apart_by_their_other(store: Store, warehouse: Warehouse):
    def level(unit: str, value: float) -> Row:
        return {
            "dataset": "SEL",
            "time": at("15 10:00"),
            "nationalGridBmUnit": None,
            "bmUnit": unit,
            "settlementDate": DAY,
            "settlementPeriod": 1,
            "level": value,
        }

    warehouse.write(batch(asked("sel"), [level("2__A", 1)]))
    push(warehouse, "sel", message(1, "15 10:00", level("2__A", 2), level("2__B", 2)))

    assert shown(store, warehouse, "bmrs_sel_all", "bmUnit", "level") == [("2__A", 1), ("2__B", 2)]


# Sets.


def point(number: int, start: str, level: float, accepted: str) -> Row:
    return {
        "nationalGridBmUnit": "DRAXX-1",
        "acceptanceNumber": number,
        "acceptanceTime": at(accepted),
        "settlementDate": DAY,
        "timeFrom": at(start),
        "timeTo": at(start) + timedelta(minutes=10),
        "levelFrom": level,
        "levelTo": level,
    }


def test_of_an_acceptance_the_newest_profile_stands_whole(store: Store, warehouse: Warehouse):
    warehouse.write(
        batch(
            asked("boalf"),
            [
                point(7, "15 10:00", 1, "15 09:00"),
                point(7, "15 10:10", 1, "15 09:00"),
                point(8, "15 10:00", 1, "15 09:30"),
            ],
        )
    )
    push(
        warehouse,
        "boalf",
        message(1, "15 09:01", point(7, "15 10:00", 2, "15 09:00"), point(8, "15 10:10", 2, "15 09:00")),
        message(2, "15 09:31", point(7, "15 10:20", 3, "15 09:30"), point(8, "15 10:00", 3, "15 09:30")),
        message(3, "15 09:41", point(9, "15 10:00", 4, "15 09:40"), point(9, "15 10:10", 4, "15 09:40")),
    )

    assert shown(store, warehouse, "bmrs_boalf_all", "acceptanceNumber", "timeFrom", "levelFrom") == [
        (7, at("15 10:20"), 3),
        (8, at("15 10:00"), 1),
        (9, at("15 10:00"), 4),
        (9, at("15 10:10"), 4),
    ]


def test_a_set_that_nothing_orders_is_that_which_was_asked_for(store: Store, warehouse: Warehouse):
    def action(period: int, number: int | None) -> Row:
        return {"settlementDate": DAY, "settlementPeriod": period, "id": number, "service": "System", "cost": 1.0}

    warehouse.write(batch(asked("disbsad"), [action(1, 5), action(1, 6)]))
    push(warehouse, "disbsad", message(1, "15 10:00", action(1, None), action(2, 1), action(2, 2)))

    assert shown(store, warehouse, "bmrs_disbsad_all", "settlementPeriod", "id") == [(1, 5), (1, 6), (2, 1), (2, 2)]


def test_rows_that_do_not_say_their_side_are_left_out(store: Store, warehouse: Warehouse):
    def stacked(side: str | None, sequence: int, created: str) -> Row:
        return {
            "settlementDate": DAY,
            "settlementPeriod": 20,
            "bidOffer": side,
            "sequenceNumber": sequence,
            "createdDateTime": at(created),
        }

    warehouse.write(batch(asked("ispstack"), [stacked("BID", 1, "15 12:00"), stacked("BID", 2, "15 12:00")]))
    push(
        warehouse,
        "ispstack",
        message(1, "16 12:00", stacked(None, 1, "16 12:00"), stacked(None, 2, "16 12:00")),
        message(2, "16 12:01", stacked("BID", 1, "16 12:00")),
    )

    assert shown(store, warehouse, "bmrs_ispstack_all", "bidOffer", "sequenceNumber", "createdDateTime") == [
        ("BID", 1, at("16 12:00"))
    ]


# Limits.


def limit(start: str, end: str, level: float, sequence: int, period: int = 21, unit: str = "DRAXX-1") -> Row:
    return {
        "dataset": "MELS",
        "settlementDate": DAY,
        "settlementPeriod": period,
        "nationalGridBmUnit": unit,
        "bmUnit": f"T_{unit}",
        "timeFrom": at(start),
        "timeTo": at(end),
        "levelFrom": level,
        "levelTo": level,
        "notificationSequence": sequence,
        "notificationTime": at("15 06:00"),
    }


def resolved(start: str, end: str, level: float, sequence: int, period: int = 21) -> Row:
    row = limit(start, end, level, sequence, period)
    names = dict(dataset("iris/mels").table.unites.named)  # type: ignore[union-attr]
    made = {names[name]: value for name, value in row.items() if name in names}
    return made | {"declared_from_utc": at(start), "declared_to_utc": at(end), "enqueued_utc": at("15 07:00")}


def test_of_a_units_period_the_position_with_the_newest_declaration_stands_whole(store: Store, warehouse: Warehouse):
    newer, equal, older = 21, 22, 23
    warehouse.write(
        batch(
            asked("mels"),
            [
                limit("15 09:00", "15 09:30", 1, 5, newer),
                limit("15 09:30", "15 09:40", 1, 5, equal),
                limit("15 09:40", "15 10:00", 1, 7, equal),
                limit("15 10:00", "15 10:30", 1, 9, older),
            ],
        )
    )
    push(warehouse, "mels", message(1, "15 07:00", limit("15 02:00", "15 04:00", 99, 99)))
    warehouse.write(
        batch(
            MELS_RESOLVED,
            [
                resolved("15 09:00", "15 09:10", 2, 5, newer),
                resolved("15 09:10", "15 09:30", 2, 6, newer),
                resolved("15 09:30", "15 10:00", 2, 7, equal),
                resolved("15 10:00", "15 10:30", 2, 8, older),
                resolved("15 10:30", "15 11:00", 2, 1, 24),
            ],
        )
    )

    assert shown(store, warehouse, "bmrs_mels_all", "settlementPeriod", "timeFrom", "levelFrom", "_enqueued_utc") == [
        (newer, at("15 09:00"), 2, at("15 07:00")),
        (newer, at("15 09:10"), 2, at("15 07:00")),
        (equal, at("15 09:30"), 1, None),
        (equal, at("15 09:40"), 1, None),
        (older, at("15 10:00"), 1, None),
        (24, at("15 10:30"), 2, at("15 07:00")),
    ]


# Outages.


def outage(mrid: str, revision: int, created: str, **more: Any) -> Row:
    return {
        "mrid": mrid,
        "revisionNumber": revision,
        "createdTime": at(created),
        "publishTime": at(created),
        "affectedUnit": "DRAXX-1",
        "eventStatus": "Active",
        "outageProfile": None,
        **more,
    }


def profile(*steps: tuple[str, str, float]) -> str:
    def utc(text: str) -> str:
        return f"{at(text).isoformat()}Z"

    return json.dumps([{"startTime": utc(a), "endTime": utc(b), "capacity": level} for a, b, level in steps])


def test_a_revision_is_one_row_whenever_it_says_it_was_made(store: Store, warehouse: Warehouse):
    warehouse.write(batch(asked("remit"), [outage("A", 1, "15 10:00", cause="asked"), outage("B", 1, "15 10:00")]))
    push(
        warehouse,
        "remit",
        message(1, "15 10:01", outage("A", 1, "15 10:00", cause="pushed"), outage("A", 2, "15 11:00")),
        message(2, "15 10:02", outage("B", 1, "15 10:05", cause="again")),
    )

    assert shown(store, warehouse, "bmrs_remit_all", "mrid", "revisionNumber", "cause") == [
        ("A", 1, "asked"),
        ("A", 2, None),
        ("B", 1, "again"),
    ]
    assert shown(store, warehouse, "bmrs_remit_iris_latest", "mrid", "revisionNumber") == [("A", 2), ("B", 1)]


def test_the_latest_pushed_revision_is_that_with_the_later_creation(store: Store, warehouse: Warehouse):
    push(
        warehouse,
        "remit",
        message(1, "15 10:09", outage("A", 2, "15 10:00", cause="first")),
        message(2, "15 10:05", outage("A", 2, "15 10:03", cause="second")),
        message(3, "15 10:20", outage("A", 1, "15 10:10", cause="older revision")),
    )

    assert shown(store, warehouse, "bmrs_remit_iris_latest", "cause") == [("second",)]


def test_outage_profiles_are_those_of_newest_revisions_that_were_not_dismissed(store: Store, warehouse: Warehouse):
    steps = [("15 10:00", "15 12:00", 100.5), ("15 12:00", "15 12:00", 0.0)]
    warehouse.write(
        batch(
            asked("remit"),
            [
                outage("A", 1, "15 09:00", outageProfile=profile(("15 01:00", "15 02:00", 1.0))),
                outage("C", 1, "15 09:00", outageProfile=profile(("15 01:00", "15 02:00", 1.0))),
                outage("D", 1, "15 09:00"),
                outage("E", 1, "15 09:00", eventStatus=None, outageProfile=profile(("15 03:00", "15 04:00", 2.0))),
            ],
        )
    )
    push(
        warehouse,
        "remit",
        message(1, "15 10:01", outage("A", 2, "15 10:00", outageProfile=profile(*steps))),
        message(2, "15 10:02", outage("C", 2, "15 10:00", eventStatus="Dismissed", outageProfile=profile(*steps))),
    )

    columns = ("mrid", "revisionNumber", "affectedUnit", "startTime", "endTime", "capacity")
    assert shown(store, warehouse, "bmrs_remit_outage_profiles", *columns) == [
        ("A", 2, "DRAXX-1", at("15 10:00"), at("15 12:00"), 100.5),
        ("A", 2, "DRAXX-1", at("15 12:00"), at("15 12:00"), 0.0),
        ("E", 1, "DRAXX-1", at("15 03:00"), at("15 04:00"), 2.0),
    ]


def test_a_step_that_cannot_be_read_is_null(store: Store, warehouse: Warehouse):
    odd = '[{"startTime":"soon","capacity":"much"},{"endTime":"2026-07-15T10:00:00+01:00"}]'
    push(warehouse, "remit", message(1, "15 10:01", outage("A", 1, "15 10:00", outageProfile=odd)))

    assert shown(store, warehouse, "bmrs_remit_outage_profiles", "startTime", "endTime", "capacity") == [
        (None, at("15 09:00"), None),
        (None, None, None),
    ]


# Making the views.


def test_the_table_of_answers_is_made_empty_and_still_says_that_nobody_asked(warehouse: Warehouse):
    push(warehouse, "fuelinst", message(1, "15 10:00", fuel("15 10:00", 1, "15 10:05")))

    with pytest.raises(WarehouseError, match="refresh FUELINST first"):
        warehouse.read(asked("fuelinst"), DAY, DAY)
    assert warehouse.coverage([asked("fuelinst")], *(window().from_utc, window().to_utc))["FUELINST"] == []


def test_rows_asked_for_before_the_first_message_are_shown_too(store: Store, warehouse: Warehouse):
    warehouse.write(batch(asked("fuelinst"), [fuel("15 10:00", 1, "15 10:05")]))
    push(warehouse, "fuelinst", message(1, "15 10:06", fuel("15 10:05", 2, "15 10:10")))
    warehouse.write(batch(asked("fuelinst"), [fuel("15 10:10", 3, "15 10:15")]))

    assert shown(store, warehouse, "bmrs_fuelinst_all", "generation") == [(1,), (2,), (3,)]


def test_the_view_follows_a_catalogue_that_gains_a_column(store: Store, warehouse: Warehouse):
    push(warehouse, "fuelinst", message(1, "15 10:00", fuel("15 10:00", 1, "15 10:05")))
    more = Field("note", "text", "")
    other = replace(asked("fuelinst"), fields=(*asked("fuelinst").fields, more))
    own = pushed("fuelinst")
    assert own.unites is not None
    changed = replace(own, fields=(*own.fields, more), unites=replace(own.unites, other=other))

    rows = message(2, "15 10:10", fuel("15 10:05", 2, "15 10:10") | {"note": "new"})
    warehouse.write(batch(changed, rows, window(branch=(("_source_api", "IRIS"),))))

    assert shown(store, warehouse, "bmrs_fuelinst_all", "generation", "note") == [(1, None), (2, "new")]


def test_a_foreign_table_of_that_name_does_not_keep_messages_out(
    store: Store, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
):
    store.make_by_hand(asked("fuelinst"), {"startTime": "instant", "value": "number"})

    push(warehouse, "fuelinst", message(1, "15 10:00", fuel("15 10:00", 1, "15 10:05")))
    push(warehouse, "fuelinst", message(2, "15 10:10", fuel("15 10:05", 2, "15 10:10")))

    assert warehouse.read(pushed("fuelinst"), DAY, DAY).num_rows == 2
    told = [r.getMessage() for r in caplog.records if "view of all rows is not made" in r.getMessage()]
    assert len(told) == 1
    assert "bmrs_fuelinst was not made by energy_assets" in told[0]
    store.drop(asked("fuelinst"))
    opened = store.open()
    opened.write(batch(pushed("fuelinst"), message(3, "15 10:20", fuel("15 10:10", 3, "15 10:15"))))
    assert shown(store, opened, "bmrs_fuelinst_all", "generation") == [(1,), (2,), (3,)]
