"""Every surprise that a file of the portal has had, in its header, its cells or its end."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.catalogue.model import Dataset
from energy_assets.catalogue.neso import ENTRIES
from energy_assets.ingest.tables import with_personal
from energy_assets.ingest.typed import RefusedBodyError
from energy_assets_tests.neso.reading import CHANGED, family, read, utc

INERTIA = "Settlement Date,Settlement Period,Outturn Inertia,Market Provided Inertia\n"
COSTS = "Settlement Date,Constraint Group,Daily Cost (GBP)\n"
BSAD = "Date,SettlementPeriod,DisaggregatedBSADCost,DisaggregatedBSADVolume,TradeFlag\n"
TEC = (
    "Project Name,Customer Name,Connection Site,Stage,MW Connected,MW Increase / Decrease,"
    "Cumulative Total Capacity (MW),MW Effective From,Project Status,Agreement Type,HOST TO,Plant Type,"
    "Project ID,Project Number,Gate\n"
)


def inertia(*rows: str) -> str:
    return INERTIA + "".join(f"{row}\n" for row in rows)


PLAIN = inertia("2026-01-01,1,200,190", "2026-01-01,2,201,191")


class TestText:
    def test_a_byte_order_mark_is_no_part_of_the_first_header(self, tmp_path: Path) -> None:
        assert len(read("system_inertia", b"\xef\xbb\xbf" + PLAIN.encode(), tmp_path).rows) == 2

    @pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
    def test_line_ends(self, ending: str, tmp_path: Path) -> None:
        assert len(read("system_inertia", PLAIN.replace("\n", ending), tmp_path).rows) == 2

    def test_line_ends_of_both_kinds_in_one_file(self, tmp_path: Path) -> None:
        mixed = INERTIA.replace("\n", "\r\n") + "2026-01-01,1,200,190\n2026-01-01,2,201,191\r\n"
        assert [r["market_provided_inertia"] for r in read("system_inertia", mixed, tmp_path).rows] == [190.0, 191.0]

    def test_windows_1252(self, tmp_path: Path) -> None:
        body = "Month,Constraint Cost (£m)\nApr-26,12.5\n".encode("cp1252")
        (row,) = read("constraint_cost_forecast", body, tmp_path, last_modified_utc=CHANGED).rows
        assert (row["month"], row["constraint_cost_gbpm"]) == ("Apr-26", 12.5)

    def test_a_pound_sign_that_was_encoded_twice(self, tmp_path: Path) -> None:
        body = "Month,Constraint Cost (Â£m)\nApr-26,12.5\n"
        assert read("constraint_cost_forecast", body, tmp_path, last_modified_utc=CHANGED).rows

    def test_bytes_that_are_in_no_encoding(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="none of the encodings utf-8, cp1252"):
            read("system_inertia", PLAIN.encode() + b"\x81\x8d", tmp_path)

    def test_blank_lines_and_empty_records_are_dropped_and_counted(self, tmp_path: Path) -> None:
        result = read("system_inertia", PLAIN + "\n , ,, \n,,,\n\n", tmp_path)
        assert (len(result.rows), result.fetched, result.blank) == (2, 2, 2)

    def test_blanks_around_headers_and_cells(self, tmp_path: Path) -> None:
        body = " Settlement Date ,Settlement Period,Outturn Inertia\xa0, Market Provided Inertia\n"
        (row,) = read("system_inertia", body + " 2026-01-01T00:00:00 , 1 , 200 ,190\t\n", tmp_path).rows
        assert (row["settlement_date"], row["outturn_inertia"]) == (date(2026, 1, 1), 200.0)

    @pytest.mark.parametrize("word", ["NA", "N/A", "-", "", '""'])
    def test_words_for_nothing(self, word: str, tmp_path: Path) -> None:
        (row,) = read("system_inertia", inertia(f"2026-01-01,1,{word},190"), tmp_path).rows
        assert row["outturn_inertia"] is None

    def test_commas_between_thousands(self, tmp_path: Path) -> None:
        body = COSTS + '01/04/2021,SCOTEX,"2,150,551"\n2021-04-02,SCOTEX,"-1,000.5"\n'
        assert [r["daily_cost_gbp"] for r in read("thermal_constraint_costs", body, tmp_path).rows] == [
            2150551,
            -1000.5,
        ]

    @pytest.mark.parametrize("number", ['"21,50"', '"1,2345"', "1_000", "nan", "inf", "12a", "0x10", "1 000"])
    def test_what_is_no_number_is_quarantined_with_its_text(self, number: str, tmp_path: Path) -> None:
        rows = [f"2026-01-{day:02},{p},1,1" for day in (1, 2, 3) for p in range(1, 41)]
        result = read("system_inertia", inertia(f"2026-02-01,1,{number},190", *rows), tmp_path)
        (bad,) = result.quarantine
        assert "Outturn Inertia is not a number" in bad["reason"]
        assert json.loads(bad["raw"])["Outturn Inertia"] == number.strip('"')
        assert (bad["row_number"], len(result.rows)) == (0, 120)

    def test_minus_one_is_a_value(self, tmp_path: Path) -> None:
        body = "DATETIME,FPN,BOA,Difference\n2026-01-01T00:00:00,100,99,-1\n"
        assert read("balancing_carbon_intensity", body, tmp_path).rows[0]["difference"] == -1.0

    def test_identifiers_keep_their_zeros(self, tmp_path: Path) -> None:
        entry = family("capacity_components")
        header = ",".join(f'"{f.aliases[0]}"' for f in entry.fields if f.aliases)
        values = {"Component ID": "000000", "Application ID": "N/A"}
        cells = ",".join(values.get(f.aliases[0], "1") for f in entry.fields if f.aliases)
        (row,) = read(entry, f"{header}\n{cells}\n", tmp_path).rows
        assert (row["component_id"], row["application_id"]) == ("000000", "N/A")

    def test_line_breaks_and_commas_in_quotes(self, tmp_path: Path) -> None:
        body = "Start Date,End Date,Group,Units,Notes,Last Updated\n"
        body += '2026-01-01,2026-01-02,North,2,"one, ""two""\nthree",2026-01-01T10:00:00\n'
        (row,) = read("voltage_requirement", body, tmp_path).rows
        assert row["notes"] == 'one, "two"\nthree'
        assert row["last_updated"] == "2026-01-01T10:00:00"


class TestDates:
    @pytest.mark.parametrize(
        "text",
        [
            "2017-04-01",
            "2017-04-01T00:00:00",
            "2017-04-01T00:00:00 ",
            "2017-04-01 00:00:00+00:00",
            "01/04/2017",
            "1/4/2017",
            "01-Apr-2017",
            "01-APR-17",
        ],
    )
    def test_one_day_in_all_ways(self, text: str, tmp_path: Path) -> None:
        (row,) = read("system_inertia_cost", f"Settlement Date,Cost\n{text},1.5\n", tmp_path).rows
        assert (row["settlement_date"], row["cost_per_gvas"]) == (date(2017, 4, 1), 1.5)

    @pytest.mark.parametrize("text", ["20170401", "31/02/2017", "04/13/2017", "2017-04-01T10:00:00", "April 2017"])
    def test_what_is_no_date_is_never_guessed(self, text: str, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="Settlement Date is not a date"):
            read("system_inertia_cost", f"Settlement Date,Cost\n{text},1.5\n", tmp_path)

    def test_a_family_takes_only_the_ways_that_it_has_had(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="SETTLEMENT_DATE is not a date: 01/02/2026"):
            read("historic_demand", "SETTLEMENT_DATE,SETTLEMENT_PERIOD,ND,TSD\n01/02/2026,1,1,1\n", tmp_path)

    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2019-04-01 00:00:00", "2019-04-01 00:00"),
            ("2019-04-01T00:00:01Z", "2019-04-01 00:00:01"),
            ("01/04/2019 00:00:02", "2019-04-01 00:00:02"),
            ("2019-04-01 01:00:00+01:00", "2019-04-01 00:00"),
            ("2019-04-01 00:00:00.500", "2019-04-01 00:00:00.500"),
        ],
    )
    def test_seconds_in_text(self, text: str, instant: str, tmp_path: Path) -> None:
        (row,) = read("system_frequency", f"dtm,f\n{text},50.01\n", tmp_path).rows
        assert (row["dtm"], row["f"]) == (utc(instant), 50.01)

    def test_labels_of_an_unnamed_clock_are_kept_in_one_form(self, tmp_path: Path) -> None:
        header = "Trade ID,Start Time,End Time,Volume,Price,Cost,SO Flag\n"
        body = header + "T1,01/04/2016 05:00,01/04/2016 06:00,50,40,2000,T\nT2,2021-05-01T05:00:00,,50,40,2000,T\n"
        rows = read("gtma_trades_until_2021", body, tmp_path).rows
        assert [r["start_time"] for r in rows] == ["2016-04-01T05:00:00", "2021-05-01T05:00:00"]
        assert [r["day"] for r in rows] == [date(2016, 4, 1), date(2021, 5, 1)]


FLOW = "A,2026-01-01,5,4"
BSUOS_NOW = (
    "Settlement Date,Settlement Period,BSUoS Tariff_GBP per MWh,Volume_MWh,BSUoS Total Recovery_GBP,Run Type,"
    "Actual BSUoS Cost_GBP"
)
BSUOS_THEN = (
    "Settlement Day,Settlement Period,BSUoS Tariff (£/MWh),BSUoS Fund Tariff (£/MWh),Volume (MWh),BSUoS Recovery (£),"
    "BSUoS Fund Recovery (£),BSUoS Total Recovery (£),Run Type,Actual BSUoS Cost (£)"
)
DERATING = "Auction Name,Primary Fuel Type,Generating Technology Class,De-Rating Factor"
LIMITS = (
    "Data Upload Time (GMT),Auction Type,Operational Period Start Date & Time (GMT),Flow (MW) To GB,"
    "Reason For Restriction To GB,Flow (MW) From GB,Reason For Restriction From GB"
)
BSAD_THEN = (
    "Date,Settlement Period,Disaggregated BSAD Volume (MWh),Disaggregated BSAD Cost (£),"
    "Trade Flag System (T) / Energy (F)"
)


class TestHeaders:
    @pytest.mark.parametrize(
        ("alias", "header", "cells", "column", "value"),
        [
            ("constraint_flows", "Constraint Group,Date (GMT/BST),Limit (MW),Flow (MW)", FLOW, "limit_mw", 5.0),
            ("constraint_flows", "Constraint Group,Date_ Time GMT_BST,Limit_MW,Flow_MW", FLOW, "flow_mw", 4.0),
            ("bsuos", BSUOS_NOW, "2026-04-01,1,12.5,100,1250,II,1300", "bsuos_tariff_gbp_per_mwh", 12.5),
            ("bsuos", BSUOS_THEN, " 2024-04-01T00:00:00 ,1,12,1,99,1,1,1250,SF,1", "bsuos_total_recovery_gbp", 1250.0),
            ("capacity_derating", DERATING, "A,B,C,0.9", "de_rating_factor", 0.9),
            ("system_inertia_cost", "Settlement Date,Cost_per_GVAs", "2026-01-01,3", "cost_per_gvas", 3.0),
            (
                "ifa_limits",
                LIMITS,
                "2026-01-01T10:00:00,ID1,2026-01-01T12:00:00,500,x,600,y",
                "flow_in_mw_to_gb",
                500.0,
            ),
            ("bsad_disaggregated", BSAD_THEN, "01/04/2013,1,10,500,T", "disaggregated_bsad_cost", 500.0),
        ],
    )
    def test_former_and_later_spellings(
        self, alias: str, header: str, cells: str, column: str, value: float, tmp_path: Path
    ) -> None:
        assert read(alias, f"{header}\n{cells}\n", tmp_path).rows[0][column] == value

    def test_order_does_not_matter(self, tmp_path: Path) -> None:
        body = "Market Provided Inertia,Settlement Period,Settlement Date,Outturn Inertia\n190,1,2026-01-01,200\n"
        (row,) = read("system_inertia", body, tmp_path).rows
        assert (row["outturn_inertia"], row["market_provided_inertia"]) == (200.0, 190.0)

    @pytest.mark.parametrize(
        ("header", "difference"),
        [
            ("Settlement Date,Settlement Period,Inertia,Market Provided Inertia",
             "missing 'Outturn Inertia'; unknown 'Inertia'"),
            ("Settlement Date,Settlement Period,Outturn Inertia", "missing 'Market Provided Inertia'"),
            ("Settlement Date,Settlement Period,Outturn Inertia,Outturn Inertia,Market Provided Inertia",
             "repeated 'Outturn Inertia'"),
            ("Settlement Date,Settlement Period,Outturn Inertia,Market Provided Inertia,New", "unknown 'New'"),
            ("settlement date,Settlement Period,Outturn Inertia,Market Provided Inertia",
             "missing 'Settlement Date'; unknown 'settlement date'"),
        ],
    )  # fmt: skip
    def test_what_does_not_match_refuses_the_file_whole(self, header: str, difference: str, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="the file is kept raw") as caught:
            read("system_inertia", header + "\n2026-01-01,1,200,190\n", tmp_path)
        assert difference in str(caught.value)
        (evidence,) = caught.value.quarantine.to_pylist()
        assert (difference in evidence["reason"], json.loads(evidence["raw"])) == (True, header.split(","))

    def test_columns_that_come_and_go(self, tmp_path: Path) -> None:
        body = "YEAR,Week No,SCOTEX,NEWEX 2\n2026,40,5000,1200\n"
        result = read("constraint_limits", body, tmp_path, last_modified_utc=CHANGED)
        assert [f.name for f in result.chunks[0].extra] == ["newex_2"]
        assert (result.rows[0]["scotex"], result.rows[0]["newex_2"], result.rows[0]["estex"]) == (5000.0, 1200.0, None)
        assert "estex" in result.chunks[0].missing

    def test_a_comma_too_many_in_every_line_is_an_empty_column(self, tmp_path: Path) -> None:
        assert len(read("system_inertia", PLAIN.replace("\n", ",\n"), tmp_path).rows) == 2

    def test_a_value_under_no_header_is_not_lost(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="a value stands under no header"):
            read("system_inertia", PLAIN.replace("\n", ",\n").replace("190,", "190,7"), tmp_path)

    def test_a_header_alone_is_an_honest_nothing(self, tmp_path: Path) -> None:
        result = read("system_inertia", INERTIA, tmp_path)
        assert (result.rows, result.fetched, len(result.chunks)) == ([], 0, 1)
        assert result.chunks[0].rows.column_names == [name for name, _ in family("system_inertia").table.columns]


class TestEnds:
    def test_a_last_line_without_its_end_is_whole_if_its_cells_are(self, tmp_path: Path) -> None:
        assert len(read("system_inertia", PLAIN.rstrip("\n"), tmp_path).rows) == 2

    @pytest.mark.parametrize("cut", [12, 5])
    def test_a_file_that_ends_inside_a_row_is_refused(self, cut: int, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="the file ends inside a row"):
            read("system_inertia", PLAIN[:-cut], tmp_path)

    def test_a_family_that_is_known_to_end_so_loses_that_row_alone(self, tmp_path: Path) -> None:
        line = "2019-12-21T00:00:00Z,12:30:00,2019-12-21T00:00:00Z,25,1,1,1,1,2019-12-21T11:12:00Z\n"
        header = (
            "DATE_GMT,TIME_GMT,SETTLEMENT_DATE,SETTLEMENT_PERIOD,EMBEDDED_WIND_FORECAST,EMBEDDED_WIND_CAPACITY,"
            "EMBEDDED_SOLAR_FORECAST,EMBEDDED_SOLAR_CAPACITY,Forecast_Datetime\n"
        )
        for rest in (line[:-13], "2019-12-21T00:00:00Z,13:0"):
            result = read("embedded_forecast", header + line + rest, tmp_path)
            assert len(result.rows) == 1
            assert len(result.quarantine) == 1

    def test_an_open_quote_at_the_end(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="ends inside quotes"):
            read("system_inertia", PLAIN + '2026-01-01,3,"20', tmp_path)

    @pytest.mark.parametrize("bad", ["{p},x,1", "{p},1"])
    def test_every_bad_row_of_a_file_that_is_loaded_is_accounted_for(
        self, bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("energy_assets.ingest.tables.HOLD_BACK_ROWS", 2)
        days = [f"20{20 + n // 365:02}-{1 + n % 12:02}-{1 + n // 12 % 28:02}" for n in range(600)]
        rows = [f"{day},{p},1,1" for day in dict.fromkeys(days) for p in (1, 2)]
        spoiled = [f"2026-12-31,{bad.format(p=p)}" for p in range(1, 5)]
        result = read("system_inertia", inertia(*spoiled, *rows), tmp_path)
        assert (len(result.quarantine), len(result.rows)) == (4, len(rows))

    @pytest.mark.parametrize("bad", ["2026-01-0{n},1,x,190", "2026-01-0{n},1,190"])
    def test_a_file_of_which_most_is_bad_is_refused_without_keeping_all_of_it(
        self, bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("energy_assets.ingest.tables.NOTED_MOST", 3)
        monkeypatch.setattr("energy_assets.ingest.sheets.ODD_MOST", 3)
        with pytest.raises(RefusedBodyError, match=r"5 of 5 rows cannot be stored|the file is no CSV"):
            read("system_inertia", inertia(*(bad.format(n=n) for n in range(1, 6))), tmp_path)

    def test_a_row_of_another_width_is_quarantined_with_its_text(self, tmp_path: Path) -> None:
        rows = [f"2026-01-{day:02},{p},1,1" for day in (1, 2, 3) for p in range(1, 41)]
        result = read("system_inertia", inertia(*rows[:60], "2026-01-09,1,5", *rows[60:]), tmp_path)
        (bad,) = result.quarantine
        assert bad["reason"] == "the row has 3 cells and the header 4"
        assert json.loads(bad["raw"]) == {"_text": "2026-01-09,1,5"}
        assert len(result.rows) == 120

    def test_rows_are_counted_against_what_the_portal_says(self, tmp_path: Path) -> None:
        assert read("system_inertia", PLAIN, tmp_path, total=2).fetched == 2
        assert read("system_inertia", PLAIN + ",,,\n", tmp_path, total=3).blank == 1
        with pytest.raises(RefusedBodyError, match="it has 2 rows and must have 3"):
            read("system_inertia", PLAIN, tmp_path, total=3)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("<!DOCTYPE html><html></html>", "a web page came instead of the file"),
            ('{"success": false}', "an answer in JSON came instead of the file"),
            ("", "the file is empty"),
            ("\n\n  \n", "the file is empty"),
            ("a,b\x00\n1,2\n", "zero bytes"),
        ],
    )
    def test_other_things_than_files(self, body: str, words: str, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match=words):
            read("system_inertia", body, tmp_path)

    def test_more_than_one_bad_row_in_a_hundred_refuses_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="2 of 102 rows cannot be stored") as caught:
            rows = [f"2026-01-{1 + p // 40:02},{p % 40 + 1},1,1" for p in range(100)]
            read("system_inertia", inertia(*rows, "2026-02-01,1,x,1", "2026-02-01,2,x,1"), tmp_path)
        assert caught.value.quarantine.num_rows == 2


class TestArchives:
    def zipped(self, *names: str) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, "dtm,f\n2015-01-01 00:00:00,49.98\n")
        return packed.getvalue()

    def test_a_zip_that_is_called_csv(self, tmp_path: Path) -> None:
        body = self.zipped("f 2015 1.csv", "__MACOSX/._f 2015 1.csv")
        (row,) = read("system_frequency", body, tmp_path, file_name="f-2015-1.csv").rows
        assert (row["dtm"], row["f"]) == (utc("2015-01-01 00:00"), 49.98)

    def test_a_zip_of_two_tables_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="the archive holds 2 files"):
            read("system_frequency", self.zipped("a.csv", "b.csv"), tmp_path)

    def test_half_a_zip(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="cannot be unpacked"):
            read("system_frequency", self.zipped("a.csv")[:-30], tmp_path)


class TestKeys:
    def test_rows_that_say_the_same_are_kept_once(self, tmp_path: Path) -> None:
        result = read("system_inertia", PLAIN + "2026-01-01,2,201,191\n2026-01-01,2,201,\n", tmp_path)
        assert (len(result.rows), result.duplicate) == (2, 2)

    def test_rows_that_contradict_each_other(self, tmp_path: Path) -> None:
        rows = [f"2026-01-{day:02},{p},1,1" for day in (1, 2, 3) for p in range(1, 41)]
        result = read("system_inertia", inertia(*rows, "2026-01-03,40,2,"), tmp_path)
        (bad,) = result.quarantine
        assert "the same key (settlement_date, settlement_period)" in bad["reason"]
        assert json.loads(bad["raw"])["Outturn Inertia"] == "2"
        assert next(r for r in result.rows if r["settlement_period"] == 40 and r["outturn_inertia"] == 1.0)

    def test_actions_that_are_alike_are_two_actions(self, tmp_path: Path) -> None:
        body = BSAD + "2026-04-01,1,500,10,T\n2026-04-01,1,,10,F\n2026-04-01,1,500,10,T\n2026-04-01,1,,10,F\n"
        result = read("bsad_disaggregated", body, tmp_path)
        assert [(r["disaggregated_bsad_cost"], r["repeat"]) for r in result.rows] == [
            (500.0, 1),
            (None, 1),
            (500.0, 2),
            (None, 2),
        ]
        assert result.rows[0]["start_utc"] == utc("2026-03-31 23:00")

    def test_a_snapshot_keeps_every_row(self, tmp_path: Path) -> None:
        line = "A,B,C,1,0,10,10,30/06/2030,Scoping,Directly Connected,NGET,Wind,a0l4L,PRO-1,\n"
        result = read("tec_register", TEC + line + line.replace("a0l4L", "a0l4l") + line, tmp_path)
        assert [(r["project_id"], r["repeat"]) for r in result.rows] == [("a0l4L", 1), ("a0l4l", 1), ("a0l4L", 2)]
        assert {r["mw_effective_from"] for r in result.rows} == {date(2030, 6, 30)}
        assert {r["_partition_day"] for r in result.rows} == {date(2026, 11, 1)}

    def test_a_missing_key_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="Settlement Period is missing"):
            read("system_inertia", inertia("2026-01-01,,200,190"), tmp_path)

    @given(st.permutations([(d, p, v) for d in (1, 2) for p in (1, 2, 3) for v in (1, 2)]), st.integers(1, 5))
    @settings(max_examples=25, deadline=None)
    def test_order_and_size_of_pieces_change_nothing(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]], most: int
    ) -> None:
        sound = [f"2026-02-{1 + n // 40:02},{n % 40 + 1},1,1" for n in range(1000)]
        body = inertia(*(f"2026-01-{d:02},{p},{v},{v}" for d, p, v in rows), *sound)
        result = read("system_inertia", body, tmp_path_factory.mktemp("order"), most=most * 300)
        kept = {(r["settlement_date"].day, r["settlement_period"]): r["outturn_inertia"] for r in result.rows[:12]}
        assert len(result.quarantine) == 6
        assert all(chunk.rows.num_rows <= most * 300 for chunk in result.chunks)
        again = read("system_inertia", body, tmp_path_factory.mktemp("again"))
        assert sorted(r["_hash_key"] for r in again.rows) == sorted(r["_hash_key"] for r in result.rows)
        assert kept


class TestPersons:
    HEADERS = tuple(f.aliases[0] for f in family("capacity_units").fields if f.aliases)
    PERSONAL = ("Secondary Trading Contact_Telephone", "Secondary Trading Contact_Email")

    def body(self, cover: str = "1") -> str:
        cells = ["020 7946 0000", "somebody@example.com", *("1" for _ in self.HEADERS)]
        cells[2 + self.HEADERS.index("Amount of Credit Cover")] = cover
        return ",".join((*self.PERSONAL, *self.HEADERS)) + "\n" + ",".join(cells) + "\n"

    def test_contacts_are_left_out(self, tmp_path: Path) -> None:
        result = read("capacity_units", self.body(), tmp_path)
        assert not [c for c in result.chunks[0].rows.column_names if "telephone" in c or "email" in c]
        assert "somebody" not in str(result.rows)

    def test_nor_are_they_in_the_quarantine(self, tmp_path: Path) -> None:
        for body in (self.body("not a number"), self.body() + "020 7946 0000,somebody@example.com,1\n"):
            with pytest.raises(RefusedBodyError) as caught:
                read("capacity_units", body, tmp_path)
            assert caught.value.quarantine.num_rows
            assert "somebody" not in str(caught.value.quarantine.to_pylist())

    def test_a_setting_brings_them_in(self, tmp_path: Path) -> None:
        (row,) = read(with_personal(family("capacity_units")), self.body(), tmp_path).rows
        assert row["secondary_trading_contact_email"] == "somebody@example.com"


def answer(records: list[dict[str, object]], total: int | None = None, **result: object) -> str:
    fields = [{"id": "_id", "type": "int"}, *({"id": name, "type": "text"} for name in INERTIA.strip().split(","))]
    whole = {"fields": fields, "records": records, "total": len(records) if total is None else total, **result}
    return json.dumps({"help": "", "success": True, "result": whole})


def record(number: int, period: int) -> dict[str, object]:
    names = INERTIA.strip().split(",")
    return {"_id": number, **dict(zip(names, ["2026-01-01", period, "200.5", None], strict=True))}


class TestSearch:
    def test_pages_one_a_line(self, tmp_path: Path) -> None:
        pages = "\n".join(answer([record(n, n) for n in page], 4) for page in ((1, 2), (3, 4)))
        result = read("system_inertia", pages, tmp_path, form="search", total=4)
        assert [r["settlement_period"] for r in result.rows] == [1, 2, 3, 4]
        assert (result.rows[0]["outturn_inertia"], result.rows[0]["market_provided_inertia"]) == (200.5, None)
        assert result.announced == 4

    def test_a_table_without_rows(self, tmp_path: Path) -> None:
        assert read("system_inertia", answer([]), tmp_path, form="search", total=0).rows == []

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("\n".join((answer([record(1, 1)], 4), answer([record(2, 2)], 5))), "loaded anew between two pages"),
            (answer([record(1, 1)], records_truncated=True), "cut the answer off"),
            ('{"success": false, "error": {"message": "Not found"}}', "the search failed \\(Not found\\)"),
            ('{"success": true, "result": {}}', "the answer has no records"),
            ("<html>", "a web page came"),
            (answer([record(1, 1)])[:-20], "cannot be read"),
            ('"Bad request"', "does not begin with"),
        ],
    )
    def test_answers_that_are_none(self, body: str, words: str, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match=words):
            read("system_inertia", body, tmp_path, form="search")

    def test_a_page_too_few(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="it has 1 rows and must have 4"):
            read("system_inertia", answer([record(1, 1)], 4), tmp_path, form="search", total=4)

    def test_a_dot_in_a_header_is_part_of_it(self, tmp_path: Path) -> None:
        entry = family("opmr_weekly")
        names = [f.aliases[0] for f in entry.fields if f.aliases]
        assert "ENG.Week" in names
        values = {name: "2026-01-01" if name == "Publish Date" else 7 for name in names}
        result = {"fields": [{"id": name} for name in names], "records": [values], "total": 1}
        (row,) = read(entry, json.dumps({"success": True, "result": result}), tmp_path, form="search").rows
        assert (row["eng_week"], row["publish_date"]) == (7, date(2026, 1, 1))


class TestForecasts:
    def test_a_file_that_nobody_says_the_issue_of(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedBodyError, match="nothing says when the forecast was issued"):
            read("wind_availability_daily", "BMU_ID,Date,MW\nT_A,2026-01-01,5\n", tmp_path)

    def test_a_day_of_issue_counts_from_its_start(self, tmp_path: Path) -> None:
        header = "Forecast_Created,Forecast_Target_Date,Service_Type,EFA_1,EFA_2,EFA_3,EFA_4,EFA_5,EFA_6\n"
        (row,) = read("dc_forecast", header + "2026-07-01,2026-07-02,DCL,1,2,3,4,5,6\n", tmp_path).rows
        assert row["issue_utc"] == utc("2026-06-30 23:00")
        live = header.replace("Forecast_Created,Forecast_Target_Date", "Date")
        (row,) = read("dc_forecast", live + "2026-07-02,DCL,1,2,3,4,5,6\n", tmp_path, last_modified_utc=CHANGED).rows
        assert (row["issue_utc"], row["forecast_created"]) == (CHANGED.replace(tzinfo=None), None)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda d: d.code)
def test_every_family_reads_a_row_under_a_header_of_its_own(entry: Dataset, tmp_path: Path) -> None:
    """Each set of rules gives a statement that runs, and that knows a cell that is none."""
    assert entry.files is not None
    own = [f for f in entry.fields if f.aliases]
    header = ",".join('"' + f.aliases[0].replace('"', '""') + '"' for f in own)
    known = entry.files.known
    resource = known[0].name if known else ""
    with pytest.raises(RefusedBodyError, match="cannot be stored"):
        read(
            entry,
            f"{header}\n{','.join('?' for _ in own)}\n{','.join('!' for _ in own)},\n",
            tmp_path,
            resource=resource,
            last_modified_utc=CHANGED,
        )
