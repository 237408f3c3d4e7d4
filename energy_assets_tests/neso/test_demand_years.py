"""Historic demand of 26 years, each file as that year's is written, in one table; instants were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from energy_assets_tests.neso.home import Clock, Home, Row
from energy_assets_tests.neso.reading import NOW
from energy_assets_tests.neso.world import Stage

DEMAND = "neso/historic_demand"
DAY = timedelta(days=1)

CHANGES = """
2001 25 28
2002 31 27
2003 30 26
2004 28 31
2005 27 30
2006 26 29
2007 25 28
2008 30 26
2009 29 25
2010 28 31
2011 27 30
2012 25 28
2013 31 27
2014 30 26
2015 29 25
2016 27 30
2017 26 29
2018 25 28
2019 31 27
2020 29 25
2021 28 31
2022 27 30
2023 26 29
2024 31 27
2025 30 26
2026 29 25
"""
"""Days of March and October on which clocks go forward and back."""

YEARS = {int(year): (date(int(year), 3, int(m)), date(int(year), 10, int(o))) for year, m, o in
         (line.split() for line in CHANGES.split("\n") if line)}  # fmt: skip

FIRST = "SETTLEMENT_DATE,SETTLEMENT_PERIOD,ND,TSD,ENGLAND_WALES_DEMAND,EMBEDDED_WIND_GENERATION,EMBEDDED_WIND_CAPACITY,"
SUN = "EMBEDDED_SOLAR_GENERATION,EMBEDDED_SOLAR_CAPACITY,NON_BM_STOR,PUMP_STORAGE_PUMPING,"
OLD_LINKS = "IFA_FLOW,IFA2_FLOW,BRITNED_FLOW,MOYLE_FLOW,EAST_WEST_FLOW,NEMO_FLOW"
NEW_LINKS = ",NSL_FLOW,ELECLINK_FLOW,VIKING_FLOW,GREENLINK_FLOW"


def header_of(year: int) -> list[str]:
    """The columns of a year's file: the set changed five times."""
    if year <= 2008 or 2023 <= year <= 2025:
        return (FIRST + SUN + "SCOTTISH_TRANSFER," + OLD_LINKS + NEW_LINKS).split(",")
    if year <= 2018:
        return (FIRST + SUN + OLD_LINKS).split(",")
    if year <= 2022:
        return (FIRST + SUN + OLD_LINKS + NEW_LINKS).split(",")
    marked = FIRST.replace(",ND,", ",ND,FORECAST_ACTUAL_INDICATOR,")
    return (marked + SUN + "SCOTTISH_TRANSFER," + OLD_LINKS + NEW_LINKS).split(",")


def written(day: date) -> str:
    """A date as its year's file writes it."""
    if day.year <= 2008 or day.year >= 2025:
        return day.isoformat()
    month = ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"][day.month]
    return f"{day.day:02}-{month.capitalize()}-23" if day.year == 2023 else f"{day.day:02}-{month}-{day.year}"


def cell(name: str, day: date, period: int) -> str:
    if name == "SETTLEMENT_DATE":
        return written(day)
    if name == "FORECAST_ACTUAL_INDICATOR":
        return "A"
    if name == "TSD" and day.year <= 2004:
        return "NA"
    values = {"SETTLEMENT_PERIOD": period, "ND": 20_000 + period, "ENGLAND_WALES_DEMAND": 18_000 + day.year}
    missing = "NA" if day.year <= 2008 else "0"
    return str(values.get(name, missing))


def file_of(year: int) -> bytes:
    """A year's file: the short day, the long day and midsummer, with that year's line ends and quotes."""
    spring, autumn = YEARS[year]
    header = header_of(year)
    days = [(spring, 46), (date(year, 6, 21), 48), (autumn, 50)]
    rows = [[cell(name, day, p) for name in header] for day, periods in days for p in range(1, periods + 1)]
    if year >= 2025:
        header = [f'"{name}"' for name in header]
        rows = [[f'"{row[0]}"', *row[1:]] for row in rows]
    ends = "\r\n" if 2009 <= year <= 2018 else "\n"
    text = ends.join(",".join(line) for line in [header, *rows]) + ends
    return (b"\xef\xbb\xbf" if year % 3 == 0 else b"") + text.encode()


@pytest.fixture(scope="module")
def home(portal_stage: tuple[Stage, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    stage, url = portal_stage
    clock = Clock(NOW)
    made = Home.of(stage.fresh(clock=clock), url, tmp_path_factory.mktemp("home"), clock)
    for year in YEARS:
        made.put("historic-demand-data", f"Historic Demand Data {year}", file_of(year))
    (outcome,) = made.refresh(DEMAND)
    assert (outcome.status, outcome.failures) == ("written", ())
    assert (outcome.windows, outcome.counts.inserted) == (26, 26 * 144)
    assert (outcome.counts.quarantined, outcome.counts.duplicate) == (0, 0)
    yield made
    made.warehouse.close()


@pytest.fixture(scope="module")
def rows(home: Home) -> dict[tuple[date, int], Row]:
    return {(row["settlement_date"], row["settlement_period"]): row for row in home.rows(DEMAND)}


@pytest.mark.parametrize("year", YEARS)
def test_both_nights_of_a_year_are_where_they_were_in_utc(year: int, rows: dict[tuple[date, int], Row]) -> None:
    spring, autumn = YEARS[year]
    midnight = datetime(spring.year, spring.month, spring.day)
    # Clocks go forward at 01:00 UTC, which is the third half hour; 23 hours end at 23:00 UTC.
    for period, minutes in ((1, 0), (2, 30), (3, 60), (4, 90), (46, 22 * 60 + 30)):
        row = rows[spring, period]
        assert row["start_utc"] == midnight + timedelta(minutes=minutes)
        assert row["end_utc"] == midnight + timedelta(minutes=minutes + 30)
        assert row["nd"] == 20_000 + period
    assert (spring, 47) not in rows
    # Clocks go back at 01:00 UTC, which is the fifth half hour of a day that began at 23:00 UTC of the day before.
    midnight = datetime(autumn.year, autumn.month, autumn.day)
    for period, minutes in ((1, -60), (2, -30), (3, 0), (4, 30), (5, 60), (6, 90), (50, 23 * 60 + 30)):
        assert rows[autumn, period]["start_utc"] == midnight + timedelta(minutes=minutes)
    assert (autumn, 51) not in rows


def test_one_set_of_columns_with_nulls_where_a_year_has_nothing(home: Home, rows: dict[tuple[date, int], Row]) -> None:
    assert len({tuple(row) for row in rows.values()}) == 1
    first, middle, last = (rows[date(year, 6, 21), 1] for year in (2001, 2010, 2026))
    assert (first["tsd"], first["nsl_flow"], middle["nsl_flow"], last["nsl_flow"]) == (None, None, None, 0)
    assert (middle["forecast_actual_indicator"], last["forecast_actual_indicator"]) == (None, "A")
    assert [rows[date(year, 6, 21), 1]["england_wales_demand"] for year in YEARS] == [18_000 + y for y in YEARS]
    assert all(row["_partition_day"] == day for (day, _), row in rows.items())


def test_nothing_changes_when_all_years_are_issued_again(home: Home) -> None:
    home.clock.forward(days=1)
    for year in YEARS:
        home.put("historic-demand-data", f"Historic Demand Data {year}", file_of(year))
    (outcome,) = home.refresh(DEMAND)
    assert (outcome.status, outcome.windows, outcome.counts.unchanged) == ("unchanged", 26, 26 * 144)
