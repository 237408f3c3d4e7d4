"""Choosing entries by name, the commands that show them, and the page made from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from energy_assets.catalogue import dataset, datasets, select
from energy_assets.catalogue.cli import app
from energy_assets.catalogue.describe import lag_text, minutes_text
from energy_assets.catalogue.docs import PAGE, page
from energy_assets.catalogue.model import Lag
from energy_assets.errors import CatalogueError

ROOT = Path(__file__).parents[2]
runner = CliRunner()


class TestDataset:
    @pytest.mark.parametrize("name", ["FUELINST", "fuelinst", "bmrs/fuelinst", " BMRS/Fuelinst "])
    def test_spellings(self, name: str) -> None:
        assert dataset(name).code == "FUELINST"

    @pytest.mark.parametrize(
        ("name", "near"),
        [("FUELINTS", "FUELINST"), ("fuelins", "FUELINST"), ("bmrs/fuelinstt", "bmrs/fuelinst"), ("B1601", "B1610")],
    )
    def test_the_nearest_is_suggested(self, name: str, near: str) -> None:
        with pytest.raises(CatalogueError, match=rf"unknown dataset '{name}'; did you mean {near}\?"):
            dataset(name)

    def test_without_a_near_one_the_list_is_named(self) -> None:
        with pytest.raises(CatalogueError, match="lists what there is"):
            dataset("quarterly earnings")


class TestSelect:
    @pytest.mark.parametrize(
        ("expression", "codes"),
        [
            ("mid", "MID"),
            ("bmrs/fuel*", "FUELINST FUELHH FUELTYPES"),
            ("UOU*", "UOU2T14D UOU2T3YW"),
            ("group:remit", "REMIT"),
            ("MID, MID, bmrs/mid", "MID"),
            ("REMIT, FUELINST", "FUELINST REMIT"),
        ],
    )
    def test_terms(self, expression: str, codes: str) -> None:
        assert [d.code for d in select(expression)] == codes.split()

    def test_all(self) -> None:
        asked = (*datasets("bmrs"), *datasets("neso"))
        assert select("all") == select("bmrs/*,neso/*") == select("profile:all") == asked

    def test_profile_narrows(self) -> None:
        assert select("all", "core") == select("profile:core")
        assert [d.code for d in select("group:forecast", "core")] == ["NDF", "WINDFOR"]

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("", "no dataset selected"),
            (" , ", "no dataset selected"),
            ("zz*", "no dataset matches"),
            ("group:forcast", "did you mean forecast"),
            ("profile:cor", "did you mean core"),
            ("MID,FUELINTS", "did you mean FUELINST"),
        ],
    )
    def test_what_is_not_there_is_said(self, expression: str, message: str) -> None:
        with pytest.raises(CatalogueError, match=message):
            select(expression)


class TestCommands:
    def test_without_a_command_everything_is_listed(self) -> None:
        result = runner.invoke(app, ["--json"])
        assert result.exit_code == 0
        assert [entry["code"] for entry in json.loads(result.stdout)] == [d.code for d in datasets()]

    def test_list_is_a_table(self) -> None:
        result = runner.invoke(app, ["list", "group:market"])
        assert result.exit_code == 0
        assert "2 datasets" in result.stdout
        assert "SOSO" in result.stdout

    def test_search_wants_every_word(self) -> None:
        result = runner.invoke(app, ["search", "Wind", "FORECAST", "--json"])
        found = [entry["code"] for entry in json.loads(result.stdout)]
        assert [c for c in found if not c.startswith("NESO_")] == ["WINDFOR", "DGWS", "WINDFOR_IRIS", "DGWS_IRIS"]
        assert "NESO_WIND_FORECAST_DAY_AHEAD" in found

    def test_search_finds_columns_and_former_names(self) -> None:
        for word, code in (("netImbalanceVolume", "DISEBSP"), ("B1770", "DISEBSP")):
            found = json.loads(runner.invoke(app, ["search", word, "--json"]).stdout)
            assert code in [entry["code"] for entry in found]

    @pytest.mark.parametrize("code", [d.code for d in datasets()])
    def test_show_prints_the_whole_entry(self, code: str) -> None:
        result = runner.invoke(app, ["show", code.lower()], env={"COLUMNS": "200"})
        assert result.exit_code == 0
        entry = dataset(code)
        for text in (entry.title, entry.table.name, *(f.name for f in entry.fields)):
            assert text in result.stdout

    def test_show_as_json_is_the_entry(self) -> None:
        entry = json.loads(runner.invoke(app, ["show", "REMIT", "--json"]).stdout)
        assert entry["natural_key"] == ["mrid", "revisionNumber", "createdTime"]
        assert entry["begins"] == "2017-06-01"
        assert entry["query"]["reach"] == [0, 360]
        assert {"name": "mrid", "type": "text"}.items() <= entry["table"]["fields"][1].items()

    @pytest.mark.parametrize("arguments", [["show", "FUELINTS"], ["list", "FUELINTS"]])
    def test_an_unknown_name_is_one_sentence_and_an_exit_code(self, arguments: list[str]) -> None:
        result = runner.invoke(app, arguments)
        assert result.exit_code == 2
        assert result.stderr == "unknown dataset 'FUELINTS'; did you mean FUELINST?\n"

    def test_docs_writes_checks_and_notices(self, tmp_path: Path) -> None:
        target = tmp_path / "docs" / "datasets.md"
        assert runner.invoke(app, ["docs", "--check", "--path", str(target)]).exit_code == 1
        assert runner.invoke(app, ["docs", "--path", str(target)]).exit_code == 0
        assert runner.invoke(app, ["docs", "--check", "--path", str(target)]).exit_code == 0
        target.write_text(target.read_text(encoding="utf-8") + "by hand\n", encoding="utf-8")
        stale = runner.invoke(app, ["docs", "--check", "--path", str(target)])
        assert stale.exit_code == 1
        assert "does not agree with the catalogue" in stale.stderr


class TestPage:
    def test_the_page_in_the_repository_is_current(self) -> None:
        assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run `energy-assets catalogue docs`"

    def test_it_opens_with_the_attribution(self) -> None:
        opening = page().split("\n\n")[1]
        assert opening == "Contains BMRS data © Elexon Limited copyright and database right 2026."

    def test_it_says_what_is_not_an_asset(self) -> None:
        text = page().split("## What is not an asset")[1].split("\n## ")[0]
        for endpoint in ("/balancing/physical*", "/data-status/*", "/datasets/metadata/latest", "/remit*"):
            assert f"`{endpoint}`" in text

    def test_every_entry_and_group_has_one_heading(self) -> None:
        headings = [line.lstrip("# ").lower() for line in page().splitlines() if line.startswith("#")]
        assert len(headings) == len(set(headings))
        assert {d.code.lower() for d in datasets("bmrs")} <= set(headings)


@pytest.mark.parametrize(
    ("lag", "text"),
    [
        (Lag(), "the window's end"),
        (Lag(minutes=240), "4 hours after the window"),
        (Lag(minutes=90), "90 minutes after the window"),
        (Lag(working_days=1, minutes=180), "1 working day and 3 hours after the day"),
        (Lag(run="II"), "the II run"),
        (Lag(run="II", working_days=2), "2 working days after the II run"),
    ],
)
def test_lags_in_words(lag: Lag, text: str) -> None:
    assert lag_text(lag) == text


def test_lengths_of_time_in_words() -> None:
    assert [minutes_text(m) for m in (1, 60, 1440, 44640)] == ["1 minute", "1 hour", "1 day", "31 days"]
