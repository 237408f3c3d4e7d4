"""``verify`` sees every way in which the portal can differ from its entries; the portal is the stand-in, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.cli import app
from energy_assets.errors import FetchError
from energy_assets.sandbox.neso.app import NesoSandbox
from energy_assets.sandbox.neso.maker import CatalogueMaker
from energy_assets.sandbox.neso.shelf import Entry
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.lanes import Lanes
from energy_assets.sources.neso.wire import Wire
from energy_assets.tracking.verify import Kind
from energy_assets.tracking.verify_portal import Expected, PortalVerification, verify_portal
from energy_assets_tests.neso.world import QUICK, Stage

NOW = datetime(2026, 10, 8, 12, tzinfo=UTC)
FAMILIES = datasets("neso")
INERTIA = "neso/system_inertia"
PLACE = ("system-inertia", "GB System Inertia - 2026-2027")
HEADER = "Settlement Date,Settlement Period,Outturn Inertia,Market Provided Inertia\n"
TRADES = "neso/upcoming_trades"


class Asked:
    """A stand-in with everything that the catalogue knows, and verifications of it."""

    def __init__(self, sandbox: NesoSandbox, url: str, folder: Path) -> None:
        self.sandbox = sandbox
        self.url = url
        self.folder = folder
        self.expected: list[Expected] = []

    def verify(self, *entries: Dataset | str, pace: tuple[float, float] = (0, 0)) -> PortalVerification:
        chosen = [dataset(e) if isinstance(e, str) else e for e in entries]

        def opened() -> NesoPortal:
            return NesoPortal(Wire(self.url, Lanes.of(self.folder, 0, 0), patience=QUICK))

        return verify_portal(chosen, FAMILIES, opened, NOW, pace, self.expected.append)

    def seen(self, entry: Dataset | str) -> dict[Kind, str]:
        """What differs, by kind."""
        (result,) = self.verify(entry).families
        return {f.kind: f.text for f in result.findings if f.differs}

    def put(self, *lines: str, header: str = HEADER) -> None:
        self.sandbox.shelf.put(Entry(*PLACE), (header + "".join(f"{line}\n" for line in lines)).encode())


@pytest.fixture
def asked(portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Asked]:
    stage, url = portal_stage
    yield Asked(stage.fresh(maker=CatalogueMaker(), clock=lambda: NOW), url, tmp_path)


def test_the_whole_catalogue_agrees_with_the_stand_in_made_from_it(asked: Asked) -> None:
    told = asked.verify(*FAMILIES, pace=(1, 30))
    assert {r.dataset.code: [f.text for f in r.findings if f.differs] for r in told.families} == {
        d.code: [] for d in FAMILIES
    }
    assert (told.new, told.differs) == ((), False)
    assert all(r.resource and r.status == 200 for r in told.families)
    # Said before anything was asked for but the list: two requests a file, and half a minute a table.
    (expected,) = asked.expected
    assert expected.files + expected.tables == len(FAMILIES)
    assert expected.least.total_seconds() == max(2 * expected.files, 30 * expected.tables)
    routes = [str(one.dataset) for one in asked.sandbox.requests]
    assert (routes.count("download"), routes.count("package_search")) == (expected.files, 2)


def test_the_newest_file_is_read(asked: Asked) -> None:
    (result,) = asked.verify("neso/historic_demand").families
    assert result.resource == "historic-demand-data/Historic Demand Data 2026"
    (result,) = asked.verify(TRADES).families
    assert (result.resource, result.verdict) == ("upcoming-trades/Upcoming Trades", "agrees")


class TestListing:
    def test_a_package_that_is_gone(self, asked: Asked) -> None:
        entry = dataset(INERTIA)
        assert entry.files is not None
        moved = replace(entry, files=replace(entry.files, package="inertia-of-the-system"))
        assert asked.seen(moved) == {"package": "the portal has no package inertia-of-the-system"}

    def test_a_family_without_a_resource(self, asked: Asked) -> None:
        asked.sandbox.shelf.remove("upcoming-trades", "Upcoming Trades")
        asked.sandbox.shelf.put(Entry("upcoming-trades", "Trades To Come", "datastore"), b"ID\n1\n")
        told = asked.verify(TRADES)
        (finding,) = told.families[0].findings
        assert (finding.kind, finding.differs) == ("resource", True)
        assert "no resource of package upcoming-trades matches" in finding.text
        assert [str(r) for r in told.new] == ["upcoming-trades/Trades To Come"]

    def test_a_table_that_no_family_takes(self, asked: Asked) -> None:
        asked.sandbox.shelf.put(Entry("system-inertia", "Inertia by Region"), b"A\n1\n")
        asked.sandbox.shelf.put(Entry("brand-new", "Something"), b"A\n1\n")
        asked.sandbox.shelf.put(Entry("brand-new", "Guide", format="PDF"), b"A\n1\n")
        told = asked.verify(INERTIA)
        assert [str(r) for r in told.new] == ["system-inertia/Inertia by Region"], "only of the packages asked about"
        assert (told.families[0].verdict, told.differs) == ("agrees", True)

    def test_another_id_is_a_remark(self, asked: Asked) -> None:
        asked.sandbox.faults.add("moved", dataset="system-inertia")
        (result,) = asked.verify(INERTIA).families
        assert result.verdict == "agrees"
        assert "has another id" in result.findings[0].text


class TestFiles:
    def test_a_renamed_column(self, asked: Asked) -> None:
        column = {"column": "Outturn Inertia", "name": "Inertia"}
        asked.sandbox.faults.add("rename_column", dataset="system-inertia", **column)
        assert "missing 'Outturn Inertia'; unknown 'Inertia'" in asked.seen(INERTIA)["unknown field"]

    def test_a_missing_column(self, asked: Asked) -> None:
        asked.put("2026-10-01,1,200", header="Settlement Date,Settlement Period,Outturn Inertia\n")
        assert "missing 'Market Provided Inertia'" in asked.seen(INERTIA)["missing field"]

    def test_some_rows_that_cannot_be_typed(self, asked: Asked) -> None:
        rows = [f"2026-0{1 + n // 480}-{1 + n % 480 // 48:02},{1 + n % 48},200,190" for n in range(960)]
        asked.put(*rows, "2026-03-01,1,many,190")
        assert asked.seen(INERTIA)["type"].startswith("1 of 961 rows: ")

    def test_dates_in_a_new_form(self, asked: Asked) -> None:
        asked.put("Oct 1 2026,1,200,190")
        assert "cannot be stored" in asked.seen(INERTIA)["type"]

    def test_repeated_keys(self, asked: Asked) -> None:
        asked.put("2026-10-01,1,200,190", "2026-10-01,1,201,190")
        assert "has the same key" in asked.seen(INERTIA)["repeated key"]

    def test_a_header_alone_is_empty(self, asked: Asked) -> None:
        asked.put()
        (result,) = asked.verify(INERTIA).families
        assert (result.verdict, result.rows) == ("empty", 0)

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            ({"kind": "html", "dataset": "storage"}, "no answer"),
            ({"kind": "reset", "dataset": "storage"}, "no answer"),
            ({"kind": "busy", "dataset": "download"}, "status"),
            ({"kind": "status", "dataset": "download", "status": 404}, "status"),
        ],
    )
    def test_no_file(self, asked: Asked, fault: dict[str, Any], kind: Kind) -> None:
        asked.sandbox.faults.add(**fault)
        assert asked.seen(INERTIA).keys() == {kind}

    def test_a_table_that_answers_with_pages_of_html(self, asked: Asked) -> None:
        asked.sandbox.faults.add("html", dataset="datastore_search")
        assert asked.seen(TRADES).keys() == {"no answer"}


def test_a_portal_that_does_not_tell_what_it_has_is_an_error(asked: Asked) -> None:
    asked.sandbox.faults.add("busy", dataset="package_search")
    with pytest.raises(FetchError, match="list of NESO's packages"):
        asked.verify(INERTIA)


class TestCommand:
    def run(self, asked: Asked, *arguments: str) -> Any:
        environment = {
            "ENERGY_ASSETS_HOME": str(asked.folder / "home"),
            "ENERGY_ASSETS_NESO_URL": asked.url,
            "ENERGY_ASSETS_NESO_REQUEST_SECONDS": "0",
            "ENERGY_ASSETS_NESO_DATASTORE_SECONDS": "0",
        }
        return CliRunner().invoke(app, ["verify", *arguments], env=environment)

    def test_families_alone_do_not_ask_elexon(self, asked: Asked) -> None:
        result = self.run(asked, "--dataset", f"{INERTIA},{TRADES}")
        assert result.exit_code == 0, result.output
        assert "2 datasets asked at" in result.output.replace("\n", " ")
        said = " ".join(result.stderr.split())
        assert "NESO's portal is asked for 1 file and 1 table" in said

    def test_the_report_tells_resource_and_what_is_new(self, asked: Asked) -> None:
        asked.sandbox.shelf.put(Entry("system-inertia", "Inertia by Region"), b"A\n1\n")
        result = self.run(asked, "--dataset", INERTIA, "--json", "-")
        assert result.exit_code == 1
        report = json.loads(result.stdout)
        (told,) = report["datasets"]
        assert (told["verdict"], told["resource"]) == ("agrees", "/".join(PLACE))
        assert [one["name"] for one in report["new_resources"]] == ["Inertia by Region"]
        assert report["neso_url"] == asked.url
