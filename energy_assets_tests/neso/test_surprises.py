"""Facts of the notes on NESO's data that no other test is about: conventions of time by family, odd values and rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from energy_assets_tests.neso.reading import Row, family, read, utc

SUMMER = "2026-07-10"


def row_of(alias: str, folder: Path, **cells: str) -> Row:
    """The row that comes of some cells, by header, and a 1 in all others."""
    entry = family(alias)
    assert entry.files is not None
    optional = entry.files.optional
    header = [f.aliases[0] for f in entry.fields if f.origin == "row"]
    wanted = [n for n, f in zip(header, (f for f in entry.fields if f.origin == "row"), strict=True)
              if n in cells or f.name not in optional]  # fmt: skip
    line = [cells.get(name, "1") for name in wanted]
    (row,) = read(alias, ",".join(wanted) + "\n" + ",".join(line) + "\n", folder).rows
    return row


class TestConventions:
    """A half hour of summer, where an hour's mistake shows; every instant from the notes' table, by hand."""

    @pytest.mark.parametrize(
        ("alias", "cells", "start", "end"),
        [
            ("generation_mix", {"DATETIME": f"{SUMMER} 12:00:00"}, "12:00", "12:30"),
            ("national_carbon_intensity", {"datetime": f"{SUMMER}T12:00:00"}, "12:00", "12:30"),
            ("country_carbon_intensity", {"datetime": f"{SUMMER}T12:00:00"}, "12:00", "12:30"),
            ("balancing_carbon_intensity", {"DATETIME": f"{SUMMER}T12:00:00"}, "12:00", "12:30"),
            (
                "wind_forecast_14_day",
                {"Datetime": f"{SUMMER}T12:00:00Z", "Date": SUMMER, "ForecastDateTime": f"{SUMMER}T08:00:00Z"},
                "12:00",
                "12:30",
            ),
            (
                "wind_forecast_day_ahead",
                {"Datetime_GMT": f"{SUMMER}T12:00:00", "Date": SUMMER, "Forecast_Timestamp": f"{SUMMER}T08:00:00"},
                "12:00",
                "12:30",
            ),
            ("skip_rate_all_bm", {"date": f"{SUMMER} 12:00:00"}, "12:00", "12:30"),
            (
                "nemo_limits",
                {
                    "Data Upload Time GMT": f"{SUMMER}T08:00:00",
                    "Operational Period Start Date and Time GMT": f"{SUMMER}T12:00:00",
                },
                "12:00",
                "13:00",
            ),
            (
                "eleclink_limits_hourly",
                {"Operational Date": SUMMER, "Hourly Time Period (GMT)": "12:00 - 13:00"},
                "12:00",
                "13:00",
            ),
            (
                "cmis_arming",
                {"Arming Date Time": f"{SUMMER} 13:00:00", "Disarming Date Time": f"{SUMMER} 13:30:00"},
                "12:00",
                "12:30",
            ),
            (
                "stability_utilisation",
                {
                    "Settlement Period Start Date Time": f"{SUMMER} 13:00:00",
                    "Settlement Period End Date Time": f"{SUMMER} 13:30:00",
                    "Instruction Issue Time": f"{SUMMER} 12:50:00",
                    "Actual Service Start or Cease Time": f"{SUMMER} 13:00:00",
                },
                "12:00",
                "12:30",
            ),
            (
                "dfs_requirement",
                {"Delivery Date": SUMMER, "From_Local": "13:00", "To_Local": "13:30", "From_UTC": "12:00",
                 "To_UTC": "12:30"},
                "12:00",
                "12:30",
            ),
            ("dfs_requirement_2025", {"Delivery Date": SUMMER, "From": "13:00", "To": "13:30"}, "12:00", "12:30"),
            ("bsuos", {"Settlement Date": SUMMER, "Settlement Period": "27"}, "12:00", "12:30"),
            ("system_inertia", {"Settlement Date": SUMMER, "Settlement Period": "27"}, "12:00", "12:30"),
        ],
        ids=lambda value: value if isinstance(value, str) and "_" in value else "",
    )  # fmt: skip
    def test_a_half_hour_of_summer(
        self, alias: str, cells: dict[str, str], start: str, end: str, tmp_path: Path
    ) -> None:
        row = row_of(alias, tmp_path, **cells)
        assert (row["start_utc"], row["end_utc"]) == (utc(f"{SUMMER} {start}"), utc(f"{SUMMER} {end}"))
        assert row["_partition_day"] == date(2026, 7, 10)

    @pytest.mark.parametrize(
        ("alias", "cells", "column", "instant"),
        [
            ("eac_summary", {"deliveryStart": f"{SUMMER}T12:00:00", "deliveryEnd": f"{SUMMER}T16:00:00"},
             "delivery_start", "12:00"),
            ("system_frequency", {"dtm": f"{SUMMER} 12:00:00"}, "dtm", "12:00"),
            ("stability_midterm", {"Utilisation Start Datetime": f"{SUMMER} 12:00:00",
             "Utilisation End Datetime": f"{SUMMER} 13:00:00"}, "utilisation_start_datetime", "12:00"),
        ],
    )  # fmt: skip
    def test_columns_that_are_utc(
        self, alias: str, cells: dict[str, str], column: str, instant: str, tmp_path: Path
    ) -> None:
        assert row_of(alias, tmp_path, **cells)[column] == utc(f"{SUMMER} {instant}")

    def test_an_efa_block_whose_clock_nobody_names_keeps_its_label_and_has_its_efa_day(self, tmp_path: Path) -> None:
        cells = {"EFA Date": SUMMER, "Delivery Start": "09/07/2026 23:00", "Delivery End": "10/07/2026 03:00"}
        row = row_of("dc_summary", tmp_path, **cells)
        assert (row["efa_date"], row["_partition_day"]) == (date(2026, 7, 10), date(2026, 7, 10))
        assert row["delivery_start"] == "2026-07-09T23:00:00"

    def test_the_z_of_the_cardinal_archive_is_no_utc(self, tmp_path: Path) -> None:
        cells = {
            "TARGETDATE": SUMMER,
            "CP_ST_TIME": "1300",
            "CP_END_TIME": "1330",
            "FORECAST_TIMESTAMP": f"{SUMMER}T09:00:00Z",
        }
        row = row_of("demand_forecast_14_day", tmp_path, **cells)
        assert row["issue_utc"] == utc(f"{SUMMER} 08:00")
        assert (row["start_utc"], row["end_utc"]) == (utc(f"{SUMMER} 12:00"), utc(f"{SUMMER} 12:30"))


class TestDates:
    @pytest.mark.parametrize(
        "text", ["2026-04-03T00:00:00 ", " 2026-04-03T00:00:00", "2026-04-03", "03/04/2026", "03-APR-2026"]
    )
    def test_charges_write_days_with_midnight_and_blanks(self, text: str, tmp_path: Path) -> None:
        row = row_of("bsuos", tmp_path, **{"Settlement Date": text, "Settlement Period": "1"})
        assert row["settlement_date"] == date(2026, 4, 3)

    @pytest.mark.parametrize("text", ["03/04/2026", "2026-04-03"])
    def test_inertia_cost_changes_its_dates_from_year_to_year(self, text: str, tmp_path: Path) -> None:
        row = row_of("system_inertia_cost", tmp_path, **{"Settlement Date": text})
        assert row["settlement_date"] == date(2026, 4, 3)

    @pytest.mark.parametrize("text", ["31/08/2026", "2026-08-31", ""])
    def test_registers_write_days_first(self, text: str, tmp_path: Path) -> None:
        row = row_of("embedded_register", tmp_path, **{"MW Effective From": text})
        assert row["mw_effective_from"] == (date(2026, 8, 31) if text else None)

    @pytest.mark.parametrize("text", ["13/31/2026", "31/02/2026", "00/01/2026", "2026-13-01"])
    def test_a_day_that_is_none_is_no_other_day(self, text: str, tmp_path: Path) -> None:
        # One bad row of many is quarantined, with what stood there.
        lines = [f"2026-04-03,{n + 1}" for n in range(300)]
        body = "Settlement Date,Cost_per_GVAs\n" + "\n".join([f"{text},7", *_days(lines)]) + "\n"
        (bad,) = read("system_inertia_cost", body, tmp_path).quarantine
        assert text in bad["raw"]


def _days(lines: list[str]) -> list[str]:
    """The lines, each on a day of its own."""
    start = date(2025, 1, 1).toordinal()
    return [f"{date.fromordinal(start + n)},{line.partition(',')[2]}" for n, line in enumerate(lines)]


class TestValues:
    @pytest.mark.parametrize(("text", "value"), [("1044", 1044.0), ("-12", -12.0), ("-1", -1.0), ('"1,044"', 1044.0)])
    def test_what_seems_odd_is_kept_as_it_is(self, text: str, value: float, tmp_path: Path) -> None:
        row = row_of("national_carbon_intensity", tmp_path, datetime=f"{SUMMER}T12:00:00", forecast=text)
        assert row["forecast"] == value

    def test_percentages_with_their_sign(self, tmp_path: Path) -> None:
        entry = family("school_holidays")
        (name,) = (f.aliases[0] for f in entry.fields if f.name == "school_holiday")
        row = row_of("school_holidays", tmp_path, **{"Date": SUMMER, name: "12.5%"})
        assert row["school_holiday"] == pytest.approx(12.5)

    def test_a_price_with_words_around_it_is_no_number(self, tmp_path: Path) -> None:
        head = "Settlement Date,Cost_per_GVAs\n"
        body = head + "2026-04-03,£5000.00 /MW\n" + "".join(f"{line}\n" for line in _days(["x,1"] * 200))
        result = read("system_inertia_cost", body, tmp_path)
        (bad,) = result.quarantine
        assert ("£5000.00 /MW" in bad["raw"], len(result.rows)) == (True, 200)

    def test_forecast_rows_with_a_demand_of_zero_are_rows(self, tmp_path: Path) -> None:
        cells = {"SETTLEMENT_DATE": SUMMER, "SETTLEMENT_PERIOD": "1", "ND": "0", "TSD": "0"}
        row = row_of("daily_demand_update", tmp_path, FORECAST_ACTUAL_INDICATOR="F", **cells)
        assert (row["forecast_actual_indicator"], row["nd"]) == ("F", 0)

    def test_rows_belong_to_their_own_day_whatever_the_files_name_says(self, tmp_path: Path) -> None:
        body = "Settlement Date,Settlement Period,Outturn Inertia,Market Provided Inertia\n2025-04-03,1,200,190\n"
        (row,) = read("system_inertia", body, tmp_path, resource="GB System Inertia - 2024-2025").rows
        assert row["_partition_day"] == date(2025, 4, 3)

    def test_half_hours_that_are_missing_are_no_rows(self, tmp_path: Path) -> None:
        head = "Settlement Date,Settlement Period,Outturn Inertia,Market Provided Inertia\n"
        rows = read("system_inertia", head + "2026-01-01,1,200,190\n2026-01-01,4,200,190\n", tmp_path).rows
        assert [r["settlement_period"] for r in rows] == [1, 4]
