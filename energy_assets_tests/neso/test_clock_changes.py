"""Labels become UTC as they should on the nights when clocks change; every instant here was worked out by hand.

In 2026 clocks go forward at 01:00 UTC on 29 March (46 periods) and back at 01:00 UTC on 25 October (50 periods).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets import calendar
from energy_assets.ingest.casting import NOTE_BY_ORDER, NOTE_BY_PERIOD, NOTE_DOUBT, NOTE_GAP, NOTE_PERIOD
from energy_assets_tests.neso.reading import CHANGED, Row, family, read, utc

HEADER = "SETTLEMENT_DATE,SETTLEMENT_PERIOD,ND,TSD\n"

WRITTEN = {
    2001: "2001-{m:02}-{d:02}",
    2008: "2008-{m:02}-{d:02}",
    2009: "{d:02}-{mon}-2009",
    2019: "{d:02}-{mon}-19",
    2022: "{d:02}-{mon}-2022",
    2023: "{d:02}-{mon}-23",
    2024: "{d:02}-{mon}-2024",
    2025: "2025-{m:02}-{d:02}",
    2026: "2026-{m:02}-{d:02}",
}
"""How historic demand writes its dates, by year."""

CHANGES = {
    2001: ((3, 25), (10, 28)),
    2008: ((3, 30), (10, 26)),
    2009: ((3, 29), (10, 25)),
    2019: ((3, 31), (10, 27)),
    2022: ((3, 27), (10, 30)),
    2023: ((3, 26), (10, 29)),
    2024: ((3, 31), (10, 27)),
    2025: ((3, 30), (10, 26)),
    2026: ((3, 29), (10, 25)),
}
"""Days on which clocks go forward and back: the last Sundays of March and October."""


def demand(year: int, month: int, day: int, periods: int) -> str:
    """A file with one day of historic demand, dates as that year's file writes them."""
    name = {3: "Mar", 10: "OCT", 6: "Jun"}[month]
    text = WRITTEN[year].format(m=month, d=day, mon=name)
    return HEADER + "".join(f"{text},{p},{30000 + p},NA\n" for p in range(1, periods + 1))


class TestHistoricDemand:
    @pytest.mark.parametrize("year", WRITTEN)
    def test_the_short_and_the_long_day_of_every_way_to_write_dates(self, year: int, tmp_path: Path) -> None:
        (m1, d1), (m2, d2) = CHANGES[year]
        resource = f"Historic Demand Data {year}"
        spring = read("historic_demand", demand(year, m1, d1, 46), tmp_path, resource=resource).rows
        starts = {row["settlement_period"]: row["start_utc"] for row in spring}
        # Periods 1 and 2 are in winter time; the clock then jumps to 02:00, which is still 01:00 UTC.
        assert starts[1] == utc(f"{year}-03-{d1:02} 00:00")
        assert starts[2] == utc(f"{year}-03-{d1:02} 00:30")
        assert starts[3] == utc(f"{year}-03-{d1:02} 01:00")
        assert starts[46] == utc(f"{year}-03-{d1:02} 22:30")
        autumn = read("historic_demand", demand(year, m2, d2, 50), tmp_path, resource=resource).rows
        starts = {row["settlement_period"]: row["start_utc"] for row in autumn}
        # The day begins in summer time, at 23:00 UTC of the evening before, and its second hour comes twice.
        assert starts[1] == utc(f"{year}-10-{d2 - 1:02} 23:00")
        assert starts[3] == utc(f"{year}-10-{d2:02} 00:00")
        assert starts[5] == utc(f"{year}-10-{d2:02} 01:00")
        assert starts[50] == utc(f"{year}-10-{d2:02} 23:30")
        for row in (*spring, *autumn):
            assert row["end_utc"] - row["start_utc"] == timedelta(minutes=30)
            assert row["settlement_date"].year == year
            assert row["_partition_day"] == row["settlement_date"]
            assert (row["tsd"], row["utc_note"]) == (None, None)

    def test_summer_and_winter(self, tmp_path: Path) -> None:
        rows = read("historic_demand", HEADER + "2026-06-01,1,1,1\n2026-12-01,1,1,1\n", tmp_path).rows
        assert [row["start_utc"] for row in rows] == [utc("2026-05-31 23:00"), utc("2026-12-01 00:00")]

    @pytest.mark.parametrize(
        ("day", "periods", "impossible"),
        [("2026-03-29", 48, [47, 48]), ("2026-10-25", 50, []), ("2026-06-01", 50, [49, 50])],
    )
    def test_a_period_that_the_day_does_not_have_keeps_its_row_and_has_no_instant(
        self, day: str, periods: int, impossible: list[int], tmp_path: Path
    ) -> None:
        body = HEADER + "".join(f"{day},{p},1,1\n" for p in range(1, periods + 1))
        rows = read("historic_demand", body, tmp_path).rows
        assert [r["settlement_period"] for r in rows if r["start_utc"] is None] == impossible
        assert {r["utc_note"] for r in rows if r["start_utc"] is None} == ({NOTE_PERIOD} if impossible else set())

    @given(st.dates(date(2001, 1, 1), date(2035, 12, 31)), st.integers(1, 50))
    @settings(max_examples=40, deadline=None)
    def test_any_period_is_where_the_calendar_puts_it(
        self, tmp_path_factory: pytest.TempPathFactory, day: date, period: int
    ) -> None:
        row = read("historic_demand", f"{HEADER}{day},{period},1,1\n", tmp_path_factory.mktemp("day")).rows[0]
        known = period <= calendar.periods_in_day(day)
        expected = calendar.period_start_utc(day, period).replace(tzinfo=None) if known else None
        assert row["start_utc"] == expected


FLOWS = "Constraint Group,Date_ Time GMT_BST,Limit_MW,Flow_MW\n"


def flows(tmp_path: Path, *rows: str) -> list[Row]:
    return read("constraint_flows", FLOWS + "".join(f"{row}\n" for row in rows), tmp_path).rows


class TestLocalLabels:
    def test_the_hour_that_comes_twice_is_told_by_the_order_of_the_rows(self, tmp_path: Path) -> None:
        rows = flows(
            tmp_path,
            "SCOTEX,2024-10-27T00:30:00,5000,100",
            "SCOTEX,2024-10-27T01:00:00,5000,200",
            "SCOTEX,2024-10-27T01:30:00,5000,300",
            "SCOTEX,2024-10-27T01:00:00,5000,400",
            "SCOTEX,2024-10-27T01:30:00,5000,500",
            "SCOTEX,2024-10-27T02:00:00,5000,600",
        )
        assert [(r["flow_mw"], r["start_utc"], r["utc_fold"]) for r in rows] == [
            (100.0, utc("2024-10-26 23:30"), 0),
            (200.0, utc("2024-10-27 00:00"), 0),
            (300.0, utc("2024-10-27 00:30"), 0),
            (400.0, utc("2024-10-27 01:00"), 1),
            (500.0, utc("2024-10-27 01:30"), 1),
            (600.0, utc("2024-10-27 02:00"), 0),
        ]
        assert [r["utc_note"] for r in rows] == [None, *[NOTE_BY_ORDER] * 4, None]
        assert {r["_partition_day"] for r in rows} == {date(2024, 10, 27)}

    def test_two_hours_with_equal_values_are_two_rows(self, tmp_path: Path) -> None:
        rows = flows(tmp_path, *["SCOTEX,2024-10-27T01:00:00,5000,200"] * 2)
        assert [r["start_utc"] for r in rows] == [utc("2024-10-27 00:00"), utc("2024-10-27 01:00")]

    def test_a_lone_row_in_that_hour_has_no_instant(self, tmp_path: Path) -> None:
        (row,) = flows(tmp_path, "SCOTEX,2024-10-27T01:00:00,5000,200")
        assert (row["start_utc"], row["end_utc"], row["utc_note"]) == (None, None, NOTE_DOUBT)
        assert row["date_time_gmt_bst"] == "2024-10-27T01:00:00"

    def test_doubled_rows_are_told_apart_by_what_they_say(self, tmp_path: Path) -> None:
        result = read(
            "constraint_flows",
            FLOWS + "A,2024-10-27T01:00:00,1,200\nA,2024-10-27T01:00:00,1,400\n" * 2,
            tmp_path,
        )
        assert result.duplicate == 2
        assert [(r["flow_mw"], r["start_utc"]) for r in result.rows] == [
            (200.0, utc("2024-10-27 00:00")),
            (400.0, utc("2024-10-27 01:00")),
        ]

    def test_a_time_that_the_clock_leaves_out_has_no_instant(self, tmp_path: Path) -> None:
        rows = flows(tmp_path, "A,2026-03-29T00:30:00,1,1", "A,2026-03-29T01:30:00,1,1", "A,2026-03-29T02:00:00,1,1")
        assert [r["start_utc"] for r in rows] == [utc("2026-03-29 00:30"), None, utc("2026-03-29 01:00")]
        assert [r["utc_note"] for r in rows] == [None, NOTE_GAP, None]

    def test_groups_are_told_apart_each_by_itself(self, tmp_path: Path) -> None:
        rows = flows(tmp_path, *(f"{g},2024-10-27T01:00:00,1,{v}" for v in (1, 2) for g in ("A", "B")))
        assert [(r["constraint_group"], r["start_utc"].hour) for r in rows] == [("A", 0), ("B", 0), ("A", 1), ("B", 1)]

    PERFORMANCE = (
        "Month,Date,Datetime,Settlement_Period,Demand_Forecast,Demand_Outturn,TRIAD_Avoidance_Estimate,"
        "TRIAD_Avoidance_Corrected_Demand_Outturn,APE,Absolute_Error,Publish_Datetime\n"
    )

    def test_ends_are_told_by_their_period_and_a_z_is_no_utc(self, tmp_path: Path) -> None:
        # As recorded in 2023: sorted by label, so that period 4 stands before period 3.
        labels = [("01:00", 2), ("01:00", 4), ("01:30", 3), ("01:30", 5), ("02:00", 6), ("02:30", 7)]
        body = self.PERFORMANCE + "".join(
            f"Oct,2023-10-29,2023-10-29T{label}:00Z,{p},1,1,0,1,0.1,1,2023-10-28T08:45:00Z\n" for label, p in labels
        )
        rows = read("demand_forecast_performance", body, tmp_path).rows
        assert {r["settlement_period"]: r["end_utc"] for r in rows} == {
            2: utc("2023-10-29 00:00"),
            3: utc("2023-10-29 00:30"),
            4: utc("2023-10-29 01:00"),
            5: utc("2023-10-29 01:30"),
            6: utc("2023-10-29 02:00"),
            7: utc("2023-10-29 02:30"),
        }
        assert {r["utc_note"] for r in rows[:4]} == {NOTE_BY_PERIOD}

    def test_where_periods_are_misprinted_the_order_tells(self, tmp_path: Path) -> None:
        labels = [("01:30", 3), ("02:00", 4), ("01:30", 3), ("02:00", 4), ("02:30", 5)]
        body = self.PERFORMANCE + "".join(
            f"Oct,2021-10-31,2021-10-31T{label}:00,{p},{i},1,0,1,0.1,1,2021-10-30T08:45:00\n"
            for i, (label, p) in enumerate(labels)
        )
        result = read("demand_forecast_performance", body, tmp_path)
        assert not result.quarantine
        assert [r["end_utc"] for r in sorted(result.rows, key=lambda r: r["demand_forecast"])] == [
            utc("2021-10-31 00:30"),
            utc("2021-10-31 01:00"),
            utc("2021-10-31 01:30"),
            utc("2021-10-31 02:00"),
            utc("2021-10-31 02:30"),
        ]


class TestTimesOfDay:
    CARDINAL = "DAYSAHEAD,TARGETDATE,FORECASTDEMAND,CARDINALPOINT,CP_TYPE,CP_ST_TIME,CP_END_TIME,F_Point"

    @pytest.mark.parametrize("target", ["20261010", "2026-10-10"])
    def test_cardinal_points_with_the_day_as_number_or_date(self, target: str, tmp_path: Path) -> None:
        body = (
            f"{self.CARDINAL}\n2,{target},1,1F,F,30,30,\n2,{target},1,2A,P,830,1200,DM\n2,{target},1,4C,F,2400,2400,\n"
        )
        rows = read("demand_forecast_14_day", body, tmp_path, last_modified_utc=CHANGED).rows
        assert {r["targetdate"] for r in rows} == {date(2026, 10, 10)}
        assert [(r["start_utc"], r["end_utc"]) for r in rows] == [
            (utc("2026-10-09 23:30"), utc("2026-10-09 23:30")),
            (utc("2026-10-10 07:30"), utc("2026-10-10 11:00")),
            (utc("2026-10-10 23:00"), utc("2026-10-10 23:00")),
        ]
        assert {r["issue_utc"] for r in rows} == {CHANGED.replace(tzinfo=None)}

    def test_a_half_hour_labelled_by_its_end_and_2400(self, tmp_path: Path) -> None:
        body = "DATE,CTIME,GDATETIME,NATIONALDEMAND\n2026-10-10,2400,2026-10-11T00:00:00,20000\n"
        (row,) = read("demand_forecast_14_day_half_hourly", body, tmp_path, last_modified_utc=CHANGED).rows
        assert (row["start_utc"], row["end_utc"]) == (utc("2026-10-10 23:30"), utc("2026-10-11 00:00"))
        assert row["ctime"] == 2400

    def test_an_event_over_midnight_ends_on_the_next_day(self, tmp_path: Path) -> None:
        header = "Delivery Date,From GMT,To GMT,DFS Required MW\n"
        (row,) = read("dfs_live_events_requirement", header + "2023-01-23,23:30,00:30,300\n", tmp_path).rows
        assert (row["start_utc"], row["end_utc"]) == (utc("2023-01-23 23:30"), utc("2023-01-24 00:30"))

    def test_hours_in_text_with_their_day(self, tmp_path: Path) -> None:
        header = (
            "Operational Date (YYYY-MM-DD) & Time GMT/BST (HH:MM - HH:MM),Flow (MW) From GB,Flow (MW) To GB,"
            "Reason For Restiction\n"
        )
        body = header + "2026-07-01 23:00 - 00:00,1000,500,Maintenance\n2026-01-01 09:00 - 10:00,1000,500,\n"
        rows = read("britned_limits_weekly", body, tmp_path).rows
        assert [(r["day"], r["start_utc"], r["end_utc"]) for r in rows] == [
            (date(2026, 7, 1), utc("2026-07-01 22:00"), utc("2026-07-01 23:00")),
            (date(2026, 1, 1), utc("2026-01-01 09:00"), utc("2026-01-01 10:00")),
        ]
        assert rows[0]["reason_for_restriction"] == "Maintenance"

    def test_prices_of_the_european_day_begin_on_the_evening_before(self, tmp_path: Path) -> None:
        body = "Date,Delivery Period,Price\n2026-01-10,23:00 - 00:00,50\n2026-01-10,00:00 - 01:00,51\n"
        body += "2026-07-10,22:00 - 23:00,52\n2026-07-10,21:00 - 22:00,53\n"
        rows = read("day_ahead_price", body, tmp_path).rows
        assert [r["start_utc"] for r in rows] == [
            utc("2026-01-09 23:00"),
            utc("2026-01-10 00:00"),
            utc("2026-07-09 22:00"),
            utc("2026-07-10 21:00"),
        ]


class TestIssues:
    EMBEDDED = (
        "DATE_GMT,TIME_GMT,SETTLEMENT_DATE,SETTLEMENT_PERIOD,EMBEDDED_WIND_FORECAST,EMBEDDED_WIND_CAPACITY,"
        "EMBEDDED_SOLAR_FORECAST,EMBEDDED_SOLAR_CAPACITY"
    )

    def test_the_live_file_is_issued_when_its_name_says(self, tmp_path: Path) -> None:
        body = f"{self.EMBEDDED}\n2026-08-16T00:00:00,18:30,2026-08-16T00:00:00,39,468,6417,1323,23301\n"
        (row,) = read("embedded_forecast", body, tmp_path, file_name="202608161825_embedded_forecast.csv").rows
        assert row["issue_utc"] == utc("2026-08-16 18:25")
        assert (row["start_utc"], row["end_utc"]) == (utc("2026-08-16 18:00"), utc("2026-08-16 18:30"))
        assert row["_partition_day"] == date(2026, 8, 16)

    def test_the_archive_is_local_until_may_2026_whatever_stands_behind_it(self, tmp_path: Path) -> None:
        line = "2025-07-01T00:00:00Z,12:30:00,2025-07-01T00:00:00Z,26,1,1,1,1,{}\n"
        issues = ("2025-07-01T12:12:00Z", "2025-01-01T12:12:00Z", "2026-05-31T12:12:00", "2026-06-12T11:54:02")
        body = f"{self.EMBEDDED},Forecast_Datetime\n" + "".join(line.format(issue) for issue in issues)
        rows = read("embedded_forecast", body, tmp_path).rows
        assert [r["issue_utc"] for r in rows] == [
            utc("2025-07-01 11:12"),
            utc("2025-01-01 12:12"),
            utc("2026-05-31 11:12"),
            utc("2026-06-12 11:54:02"),
        ]
        assert rows[0]["forecast_datetime"] == "2025-07-01T12:12:00"

    def test_dates_that_carry_a_time_of_day_are_the_day(self, tmp_path: Path) -> None:
        body = f"{self.EMBEDDED},Forecast_Datetime\n"
        body += "2026-06-12T12:30:00,12:30,2026-06-12T13:00:00,27,4012,6417,7877,22126,2026-06-12T11:54:02\n"
        (row,) = read("embedded_forecast", body, tmp_path).rows
        assert (row["settlement_date"], row["end_utc"]) == (date(2026, 6, 12), utc("2026-06-12 12:30"))

    def test_three_issues_are_three_vintages_of_a_half_hour(self, tmp_path: Path) -> None:
        body = f"{self.EMBEDDED}\n2026-08-16T00:00:00,18:30,2026-08-16T00:00:00,39,468,6417,1323,23301\n"
        names = [f"2026081618{minute}_embedded_forecast.csv" for minute in (25, 26, 27)]
        rows = [read("embedded_forecast", body, tmp_path, file_name=name).rows[0] for name in names]
        key = ("settlement_date", "settlement_period", "issue_utc")
        assert len({tuple(row[c] for c in key) for row in rows}) == 3

    def test_a_month_in_the_name_stands_for_its_first_day(self, tmp_path: Path) -> None:
        entry = family("bsuos_monthly_forecast")
        header = ",".join(f.aliases[0] for f in entry.fields if f.aliases)
        body = f"{header}\nMay-26,{','.join('1' for f in entry.fields[1:] if f.aliases)}\n"
        (row,) = read(entry, body, tmp_path, resource="Monthly BSUoS Forecast Summary - May 2026").rows
        assert row["issue_utc"] == utc("2026-04-30 23:00")
