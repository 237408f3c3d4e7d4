"""Days that are not like others, and columns that are not as they were: through HTTP into the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets_tests.e2e.conftest import MakeWorld
from energy_assets_tests.e2e.world import World

DAY = "2026-09-15"
SHORT, LONG, LEAP = "2026-03-29", "2026-10-25", "2024-02-29"

PERIODIC = ("FUELHH", "FUELINST", "MID", "ISPSTACK", "PN", "BOD", "DISEBSP", "INDO", "NETBSAD")
"""Fixed numbers of rows in every settlement period, in every query style that knows days or periods."""


@pytest.mark.parametrize(("day", "periods"), [(SHORT, 46), (LONG, 50), (LEAP, 48), ("2026-03-30", 48)])
def test_a_day_has_its_own_number_of_periods(make_world: MakeWorld, day: str, periods: int) -> None:
    """Periods 49 and 50 were averaged as ordinary ones, and days were cut at midnight UTC."""
    world = make_world("2026-11-23T09:00")
    outcomes = world.refresh(",".join(PERIODIC), day)
    assert {o.status for o in outcomes.values()} == {"written"}
    for code in PERIODIC:
        name = dataset(code).table.name
        numbers = world.sql(f"SELECT DISTINCT settlementPeriod FROM {name} WHERE _partition_day = '{day}' ORDER BY 1")
        assert [n for (n,) in numbers] == list(range(1, periods + 1)), code
        assert world.sql(f"SELECT DISTINCT _partition_day FROM {name}") == [(date.fromisoformat(day),)], code
    first, last = world.sql("SELECT min(startTime), max(startTime) FROM bmrs_fuelhh")[0]
    start, end = calendar.day_bounds_utc(date.fromisoformat(day))
    assert (first, last) == (_naive(start), _naive(end - timedelta(minutes=30)))
    for code in ("FUELHH", "PN", "BOD", "ISPSTACK"):
        assert world.stored_rows(code) == world.provider_rows(code, day)


@pytest.mark.parametrize("day", [SHORT, LONG])
def test_a_clock_change_leaves_no_gap_and_no_overlap_to_its_neighbours(make_world: MakeWorld, day: str) -> None:
    world = make_world("2026-11-23T09:00")
    middle = date.fromisoformat(day)
    first, last = (middle - timedelta(days=1)).isoformat(), (middle + timedelta(days=1)).isoformat()
    outcomes = world.refresh("FREQ,BOALF,PN,FUELINST", first, last)
    assert {o.status for o in outcomes.values()} == {"written"}
    for code in outcomes:
        assert world.stored_rows(code) == world.provider_rows(code, first, last)
    (span,) = world.sql(
        "SELECT count(DISTINCT measurementTime), date_diff('second', min(measurementTime), max(measurementTime)) "
        "FROM bmrs_freq"
    )
    assert span[1] == (span[0] - 1) * 15
    by_day = dict(world.sql("SELECT _partition_day, count(*) FROM bmrs_freq GROUP BY ALL"))
    assert by_day[middle] == calendar.periods_in_day(middle) * 120


@pytest.mark.parametrize("minute", ["23:10", "23:50"])
def test_the_last_utc_hour_of_a_summer_day_is_the_next_settlement_day(world: World, minute: str) -> None:
    """ "Today" was the UTC day while settlementDate is London's: the first hour of each summer day went astray."""
    now = world.clock.set(f"2026-07-14T{minute}")
    today = calendar.settlement_day(now)
    assert today == date(2026, 7, 15)
    outcomes = world.refresh("FUELINST,FREQ,BOALF", today.isoformat())
    assert outcomes["FUELINST"].status == outcomes["FREQ"].status == "written"
    for code, column in (("FUELINST", "startTime"), ("FREQ", "measurementTime")):
        name = dataset(code).table.name
        (held,) = world.sql(f"SELECT min({column}), max(_partition_day), min(_partition_day) FROM {name}")
        assert held == (datetime(2026, 7, 14, 23), today, today)
    assert world.sql("SELECT DISTINCT settlementDate, settlementPeriod FROM bmrs_fuelinst ORDER BY ALL")[0] == (
        today,
        1,
    )
    # Yesterday's last hours came before 23:00 UTC and stay yesterday's.
    world.one("FUELINST", "2026-07-14")
    assert world.sql("SELECT max(startTime) FROM bmrs_fuelinst WHERE _partition_day = '2026-07-14'") == [
        (datetime(2026, 7, 14, 22, 55),)
    ]


def test_in_winter_the_days_are_the_same(world: World) -> None:
    world.clock.set("2026-01-14T23:30")
    assert calendar.settlement_day(world.clock()) == date(2026, 1, 14)
    world.one("FUELINST", "2026-01-14")
    assert world.sql("SELECT min(startTime), max(_partition_day) FROM bmrs_fuelinst") == [
        (datetime(2026, 1, 14), date(2026, 1, 14))
    ]


def test_forecast_rows_may_lie_in_the_past(world: World) -> None:
    """An issue of the wind forecast holds hours before its publication; it is kept whole, by its publication."""
    world.one("WINDFOR", DAY)
    assert world.sql("SELECT count(*) > 0 FROM bmrs_windfor WHERE startTime < publishTime") == [(True,)]
    assert world.sql("SELECT count(*) > 0 FROM bmrs_windfor WHERE startTime > publishTime + INTERVAL 1 DAY") == [
        (True,)
    ]
    assert world.stored_rows("WINDFOR") == world.provider_rows("WINDFOR", DAY)
    assert world.sql("SELECT DISTINCT _partition_day FROM bmrs_windfor") == [(date.fromisoformat(DAY),)]


def test_rows_of_tomorrow_are_rows_of_a_later_day(world: World) -> None:
    """Day-ahead documents published today speak of tomorrow and are found under the day of their publication."""
    outcomes = world.refresh("DAG,NDF", DAY)
    assert {o.status for o in outcomes.values()} == {"written"}
    later = "SELECT count(*) > 0 FROM bmrs_ndf WHERE settlementDate > _partition_day"
    assert world.sql(later) == [(True,)]
    assert world.stored_rows("NDF") == world.provider_rows("NDF", DAY)


# Columns.


def test_reordered_columns_change_nothing(world: World) -> None:
    """The stock IO manager wrote by position: two columns of one type changed places without a word."""
    world.refresh("DISEBSP,BOD", DAY)
    before = {code: world.stored_rows(code) for code in ("DISEBSP", "BOD")}
    world.app.faults.add("reorder_columns")
    outcomes = world.refresh("DISEBSP,BOD", DAY, refetch=True)
    assert [(o.status, o.counts.updated, o.counts.inserted) for o in outcomes.values()] == [("unchanged", 0, 0)] * 2
    assert {code: world.stored_rows(code) for code in before} == before


def test_a_new_column_is_kept_and_reported(world: World) -> None:
    world.one("FUELHH", "2026-09-14")
    world.app.faults.add("new_column", dataset="FUELHH", column="carbonIntensity")
    outcome = world.one("FUELHH", DAY)
    assert (outcome.status, outcome.new_columns) == ("written", ("carbonIntensity",))
    assert world.receipts("FUELHH")[-1]["new_columns"] == ["carbonIntensity"]
    kept = "SELECT _partition_day::VARCHAR, carbonIntensity, count(*) FROM bmrs_fuelhh GROUP BY ALL ORDER BY ALL"
    assert world.sql(kept) == [("2026-09-14", None, 288), ("2026-09-15", "something new", 288)]
    # When it goes again, the column stays and reads as null; nothing is lost.
    world.app.faults.clear()
    assert world.one("FUELHH", "2026-09-16").status == "written"
    assert world.sql("SELECT count(*) FROM bmrs_fuelhh WHERE carbonIntensity IS NULL") == [(576,)]
    # With the member gone from a day that had it, the day is revised and history has what it said.
    assert world.one("FUELHH", DAY, refetch=True).counts.updated == 288
    assert {h["carbonIntensity"] for h in world.history("FUELHH")} == {"something new"}


def test_a_missing_column_is_reported_and_its_rows_are_kept(world: World) -> None:
    world.app.faults.add("missing_column", dataset="DISEBSP", column="netImbalanceVolume")
    outcome = world.one("DISEBSP", DAY)
    assert (outcome.status, outcome.missing_columns) == ("written", ("netImbalanceVolume",))
    assert world.receipts("DISEBSP")[0]["missing_columns"] == ["netImbalanceVolume"]
    assert world.sql("SELECT count(*), count(netImbalanceVolume), count(systemBuyPrice) > 0 FROM bmrs_disebsp") == [
        (48, 0, True)
    ]


def test_a_missing_key_column_fails_the_window_and_keeps_its_rows(world: World) -> None:
    world.app.faults.add("missing_column", dataset="DISEBSP", column="settlementPeriod")
    outcome = world.one("DISEBSP", DAY)
    assert outcome.status == "failed"
    assert "settlementPeriod is missing" in outcome.reason
    assert world.count("bmrs_disebsp") == 0
    assert world.count("_quarantine") == 48


def test_a_renamed_column_is_both_new_and_missing(world: World) -> None:
    world.app.faults.add("rename_column", dataset="DISEBSP", column="systemBuyPrice", name="buyPrice")
    outcome = world.one("DISEBSP", DAY)
    assert (outcome.new_columns, outcome.missing_columns) == (("buyPrice",), ("systemBuyPrice",))
    prices = world.sql("SELECT count(buyPrice), count(systemBuyPrice) FROM bmrs_disebsp")
    assert prices[0][0] > 40
    assert prices[0][1] == 0


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
