"""The stand-in's own manners: what CKAN documents, what the portal was seen to do, and faults on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.neso.app import NesoSandbox, running_neso
from energy_assets.sandbox.neso.replay import Recorded, replay
from energy_assets.sandbox.neso.shelf import Content, Entry
from energy_assets.sources.neso.client import NesoPortal
from energy_assets_tests import samples
from energy_assets_tests.neso.world import NOON, Stage, World, ask

HOUR = timedelta(hours=1)
CSV = b"DATE,Unit,MW\n2026-10-08,A,1.50\n2026-10-09,B,\n2026-10-10,A,3\n"
COLUMNS = (("DATE", "date"), ("MW", "numeric"))


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


class Asking:
    """Actions of one stand-in."""

    def __init__(self, world: World, http: httpx.Client) -> None:
        self.world = world
        self.http = http
        self.root = world.url.removesuffix("/api/3/action")

    def __call__(self, action: str, **params: Any) -> httpx.Response:
        return self.http.get(f"{self.world.url}/{action}", params=params)

    def result(self, action: str, **params: Any) -> Any:
        answer = self(action, **params)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert answer.json()["help"].endswith(f"/api/3/action/help_show?name={action}")
        assert answer.headers["x-energy-assets-sandbox"] == "1"
        return answer.json()["result"]

    def error(self, status: int, action: str, **params: Any) -> Any:
        answer = self(action, **params)
        assert (answer.status_code, answer.json()["success"]) == (status, False)
        return answer.json()["error"]


@pytest.fixture
def asking(world: World, http: httpx.Client) -> Asking:
    return Asking(world, http)


@pytest.fixture
def entry(world: World) -> Entry:
    return world.sandbox.shelf.put(Entry("wind", "Daily", columns=COLUMNS, file_name="w.csv"), CSV)


class TestCatalogue:
    def test_package_search_pages_and_finds(self, world: World, asking: Asking, entry: Entry) -> None:
        for n in range(12):
            world.sandbox.shelf.put(Entry(f"demand-{n:02}", "Half hourly"), CSV)
        first = asking.result("package_search")
        assert (first["count"], len(first["results"])) == (13, 10)
        last = asking.result("package_search", rows=100, start=10)
        assert [package["name"] for package in last["results"]] == ["demand-10", "demand-11", "wind"]
        assert asking.result("package_search", q="wind daily")["count"] == 1
        assert asking.result("package_search", q="nothing")["results"] == []
        assert asking.result("package_search", rows=0)["results"] == []
        assert asking.result("package_list") == [f"demand-{n:02}" for n in range(12)] + ["wind"]

    def test_packages_and_resources_are_shown(self, asking: Asking, entry: Entry) -> None:
        package = asking.result("package_show", id="wind")
        assert asking.result("package_show", id=package["id"]) == package
        (resource,) = package["resources"]
        assert asking.result("resource_show", id=entry.id) == resource
        assert (resource["last_modified"], resource["hash"], resource["size"]) == (
            "2026-10-08T12:00:00.000000",
            "",
            None,
        )
        assert resource["url"].endswith(f"/resource/{entry.id}/download/w.csv")

    def test_parameters_may_come_as_json(self, asking: Asking, entry: Entry) -> None:
        answer = asking.http.post(f"{asking.world.url}/package_show", json={"id": "wind"})
        assert answer.json()["result"]["name"] == "wind"

    @pytest.mark.parametrize(
        ("action", "params", "status", "kind"),
        [
            ("package_show", {"id": "none"}, 404, "Not Found Error"),
            ("resource_show", {"id": "none"}, 404, "Not Found Error"),
            ("resource_show", {}, 409, "Validation Error"),
            ("package_search", {"rows": "many"}, 409, "Validation Error"),
            ("datastore_search", {"resource_id": "none"}, 404, "Not Found Error"),
            ("datastore_search", {}, 409, "Validation Error"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, asking: Asking, action: str, params: dict[str, str], status: int, kind: str
    ) -> None:
        assert asking.error(status, action, **params)["__type"] == kind

    def test_an_unknown_action_is_a_bare_string(self, asking: Asking) -> None:
        answer = asking("package_delete")
        assert (answer.status_code, answer.json()) == (400, "Bad request - Action name not known: package_delete")

    def test_anything_else_is_a_page(self, asking: Asking) -> None:
        answer = asking.http.get(f"{asking.root}/elsewhere")
        assert (answer.status_code, "html" in answer.headers["content-type"]) == (404, True)


class TestTables:
    def test_are_searched(self, asking: Asking, entry: Entry) -> None:
        found = asking.result("datastore_search", resource_id=entry.id)
        assert [(field["id"], field["type"]) for field in found["fields"]] == [
            ("_id", "int"),
            ("DATE", "date"),
            ("Unit", "text"),
            ("MW", "numeric"),
        ]
        assert (found["total"], found["limit"], "offset" in found) == (3, 100, False)
        assert sorted(found["records"], key=lambda record: record["_id"])[:2] == [
            {"_id": 1, "DATE": "2026-10-08", "Unit": "A", "MW": 1.5},
            {"_id": 2, "DATE": "2026-10-09", "Unit": "B", "MW": None},
        ]

    def test_numbers_are_told_with_their_digits(self, asking: Asking, entry: Entry) -> None:
        assert '"MW": 1.50' in asking("datastore_search", resource_id=entry.id).text

    @pytest.mark.parametrize(
        ("params", "numbers", "total"),
        [
            ({"sort": "_id asc"}, [1, 2, 3], 3),
            ({"sort": "_id desc"}, [3, 2, 1], 3),
            ({"sort": "Unit desc, MW"}, [2, 1, 3], 3),
            ({"sort": "MW desc"}, [2, 3, 1], 3),
            ({"sort": "_id", "limit": "1", "offset": "1"}, [2], 3),
            ({"sort": "_id", "limit": "0"}, [], 3),
            ({"sort": "_id", "offset": "9"}, [], 3),
            ({"sort": "_id", "filters": '{"Unit": "A"}'}, [1, 3], 2),
            ({"sort": "_id", "filters": '{"_id": [2, 3]}'}, [2, 3], 2),
        ],
    )
    def test_sort_filter_limit_and_offset(
        self, asking: Asking, entry: Entry, params: dict[str, str], numbers: list[int], total: int
    ) -> None:
        found = asking.result("datastore_search", resource_id=entry.id, **params)
        assert ([record["_id"] for record in found["records"]], found["total"]) == (numbers, total)

    def test_limits_are_cut_down_without_a_word(self, world: World, asking: Asking, entry: Entry) -> None:
        world.sandbox.rows_most = 2
        found = asking.result("datastore_search", resource_id=entry.id, limit=32_000)
        assert (found["limit"], len(found["records"]), found["total"]) == (2, 2, 3)

    @pytest.mark.parametrize(
        "params",
        [{"limit": "-1"}, {"limit": "x"}, {"sort": "Nothing"}, {"filters": '{"Nothing": 1}'}, {"filters": "{"}],
    )
    def test_mistakes_are_409(self, asking: Asking, entry: Entry, params: dict[str, str]) -> None:
        assert asking.error(409, "datastore_search", resource_id=entry.id, **params)["__type"] == "Validation Error"

    def test_are_dumped_without_row_numbers(self, asking: Asking, entry: Entry) -> None:
        answer = asking.http.get(f"{asking.root}/datastore/dump/{entry.id}")
        assert (answer.content, answer.headers["content-type"]) == (CSV, "text/csv; charset=utf-8")
        assert asking.http.get(f"{asking.root}/datastore/dump/none").status_code == 404
        assert asking.http.get(f"{asking.root}/datastore/dump/{entry.id}?format=xml").status_code == 400

    def test_a_file_that_is_no_table(self, world: World, asking: Asking) -> None:
        entry = world.sandbox.shelf.put(Entry("p", "report", datastore_active=False), b"PK\x03\x04")
        assert asking.error(404, "datastore_search", resource_id=entry.id)

    @pytest.mark.parametrize(
        "body", ["\ufeffA,£\r\n1,2\r\n\r\n".encode(), "A,£\n1,2\n".encode("cp1252"), b"A,\xc2\xa3\n1,2,3\n"]
    )
    def test_are_read_from_any_text(self, world: World, asking: Asking, body: bytes) -> None:
        entry = world.sandbox.shelf.put(Entry("p", "odd"), body)
        (record,) = asking.result("datastore_search", resource_id=entry.id)["records"]
        assert record == {"_id": 1, "A": "1", "£": "2"}


class TestFiles:
    def test_lie_behind_a_signed_address_on_another_host(self, asking: Asking, entry: Entry) -> None:
        url = asking.result("resource_show", id=entry.id)["url"]
        answer = asking.http.get(url)
        assert (answer.status_code, "__cf_bm" in answer.headers["set-cookie"]) == (302, True)
        there = answer.headers["location"]
        assert (urlsplit(there).hostname, urlsplit(url).hostname) == ("localhost", "127.0.0.1")
        assert urlsplit(there).port != urlsplit(url).port

    @pytest.mark.parametrize(
        ("change", "status"),
        [(("%2fs3", "%2Fs3"), 403), (("&empty=&empty=", "&empty="), 403), (("Signature=", "Signature=0"), 403)],
    )
    def test_an_address_that_was_touched_is_refused(
        self, world: World, asking: Asking, entry: Entry, change: tuple[str, str], status: int
    ) -> None:
        there = world.sandbox.storage.sign(entry, CSV)
        assert change[0] in there
        asking.http.cookies.clear()
        answer = self.raw(there.replace(*change))
        assert (answer[0], b"SignatureDoesNotMatch" in answer[1]) == (status, True)

    def test_an_address_holds_once(self, world: World, entry: Entry) -> None:
        there = world.sandbox.storage.sign(entry, CSV)
        assert self.raw(there) == (200, CSV)
        assert self.raw(there)[0] == 403

    def test_cookies_have_no_place_there(self, world: World, entry: Entry) -> None:
        assert self.raw(world.sandbox.storage.sign(entry, CSV), cookie="__cf_bm=1")[0] == 400

    def raw(self, address: str, cookie: str = "") -> tuple[int, bytes]:
        """A request whose target is sent as it is."""
        import http.client

        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.putrequest("GET", address.partition(parts.netloc)[2], skip_host=True)
        connection.putheader("Host", parts.netloc)
        if cookie:
            connection.putheader("Cookie", cookie)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def test_the_time_moves_as_files_change(self, portal_stage: tuple[Stage, str], tmp_path: Path) -> None:
        stage, url = portal_stage
        now = [NOON]
        world = World(stage.fresh(clock=lambda: now[0]), url, tmp_path)
        first = world.sandbox.shelf.put(Entry("p", "f"), CSV)
        now[0] += HOUR
        second = world.sandbox.shelf.change("p", "f", CSV + b"x\n", file_name="f_2.csv")
        assert (first.id, first.modified_utc, first.created_utc) == (second.id, NOON, NOON)
        assert (second.modified_utc, second.created_utc, second.file_name) == (NOON + HOUR, NOON, "f_2.csv")
        told = world.run(NesoPortal.sweep).named("p", "f")
        assert told.last_modified_utc == NOON + HOUR
        assert world.sandbox.shelf.put(Entry("p", "t", "datastore"), CSV).modified_utc is None

    def test_moves_and_removals(self, world: World, entry: Entry) -> None:
        moved = world.sandbox.shelf.move("wind", "Daily")
        assert moved.id != entry.id
        assert [e.id for e in world.sandbox.shelf.entries()] == [moved.id]
        world.sandbox.shelf.remove("wind", "Daily")
        assert world.sandbox.shelf.entries() == []
        with pytest.raises(SandboxError, match="no resource wind/Daily was put"):
            world.sandbox.shelf.move("wind", "Daily")


class Clockwork:
    """A maker: one file that changes every hour, and one table."""

    def listed(self, now: datetime) -> Sequence[Entry]:
        hour = now.replace(minute=0, second=0, microsecond=0)
        return [
            Entry("made", "Hourly", modified_utc=hour, file_name=f"{hour:%Y%m%d%H}.csv"),
            Entry("made", "Table", "datastore", columns=(("N", "int4"),)),
        ]

    def content(self, entry: Entry, now: datetime) -> Content:
        return f"N\n{now:%H}\n".encode()


def test_a_maker_is_asked_for_the_present(portal_stage: tuple[Stage, str], tmp_path: Path) -> None:
    stage, url = portal_stage
    world = World(stage.fresh(maker=Clockwork()), url, tmp_path)
    stamps, bodies = [], []
    for hours in range(3):
        world.sandbox.clock = lambda hours=hours: NOON + hours * HOUR
        portal = world.run(NesoPortal.sweep)
        hourly = portal.named("made", "Hourly")
        world.run(lambda client, r=hourly: client.file(r, tmp_path / "f.csv"))
        stamps.append(hourly.last_modified)
        bodies.append((tmp_path / "f.csv").read_bytes())
        table = portal.named("made", "Table")
        assert world.run(lambda client, r=table: client.schema(r)).total == 1
    assert stamps == [f"2026-10-08T{hour}:00:00.000000" for hour in (12, 13, 14)]
    assert bodies == [b"N\n12\n", b"N\n13\n", b"N\n14\n"]
    world.sandbox.shelf.put(Entry("made", "Hourly"), b"N\nput\n")
    world.sandbox.shelf.remove("made", "Table")
    assert [resource.name for resource in world.run(NesoPortal.sweep).resources()] == ["Hourly"]


class TestFaults:
    def test_a_renamed_column(self, world: World, asking: Asking, entry: Entry) -> None:
        world.sandbox.faults.add("rename_column", dataset="wind", column="MW", name="Limit_MW")
        found = asking.result("datastore_search", resource_id=entry.id)
        assert [field["id"] for field in found["fields"]] == ["_id", "DATE", "Unit", "Limit_MW"]
        assert asking.http.get(f"{asking.root}/datastore/dump/{entry.id}").text.startswith("DATE,Unit,Limit_MW\n")

    def test_another_date_format(self, world: World, tmp_path: Path, entry: Entry) -> None:
        world.sandbox.faults.add("date_format", dataset="wind/Daily")
        resource = world.run(NesoPortal.sweep).named("wind", "Daily")
        world.run(lambda portal: portal.file(resource, tmp_path / "f.csv"))
        assert (tmp_path / "f.csv").read_bytes().splitlines()[1] == b"08/10/2026,A,1.50"

    def test_a_moved_resource(self, world: World, asking: Asking, entry: Entry) -> None:
        fault = world.sandbox.faults.add("moved", dataset=entry.id)
        assert asking.error(404, "resource_show", id=entry.id)
        (resource,) = asking.result("package_show", id="wind")["resources"]
        assert asking.result("datastore_search", resource_id=resource["id"])["total"] == 3
        world.sandbox.faults.remove(fault)
        assert asking.result("resource_show", id=entry.id)["name"] == "Daily"

    def test_a_table_that_is_loaded_anew(self, world: World, asking: Asking, entry: Entry) -> None:
        world.sandbox.faults.add("reload", dataset="datastore_search", count=1)
        totals = [asking.result("datastore_search", resource_id=entry.id)["total"] for _ in range(3)]
        assert totals == [3, 4, 4]

    def test_busy_html_and_errors(self, world: World, asking: Asking, entry: Entry) -> None:
        world.sandbox.faults.add("busy", dataset="package_list", count=1)
        assert (asking("package_list").status_code, asking("package_list").status_code) == (409, 200)
        world.sandbox.faults.add("html", dataset="package_list", count=1)
        answer = asking("package_list")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
        world.sandbox.faults.add("status", dataset="package_list", status=503, seconds=3, count=1)
        assert asking("package_list").headers["retry-after"] == "3"

    @pytest.mark.parametrize("kind", ["reset", "short"])
    def test_a_connection_that_ends(self, world: World, asking: Asking, kind: Any) -> None:
        world.sandbox.faults.add(kind, count=1)
        with pytest.raises(httpx.TransportError):
            asking("package_list")

    def test_are_armed_over_http_as_well(self, world: World, asking: Asking, entry: Entry) -> None:
        fault = {"kind": "busy", "dataset": "package_list", "count": 1}
        assert asking.http.post(f"{asking.root}/sandbox/faults", json=fault).status_code == 201
        assert asking("package_list").status_code == 409
        listed = asking.http.get(f"{asking.root}/sandbox/requests").json()
        assert [request["dataset"] for request in listed["requests"]] == ["package_list"]
        assert asking.http.get(f"{asking.root}/sandbox/settings").json()["now"] == NOON.isoformat()


def test_the_log_tells_the_gaps_of_each_lane(portal_stage: tuple[Stage, str], tmp_path: Path) -> None:
    stage, url = portal_stage
    instants = iter(NOON + n * HOUR for n in range(100))
    world = World(stage.fresh(instants=lambda: next(instants)), url, tmp_path)
    world.sandbox.shelf.put(Entry("p", "f"), CSV)
    world.sandbox.shelf.put(Entry("p", "t", "datastore"), CSV)
    portal = world.run(NesoPortal.sweep)
    world.run(lambda client: client.dump(portal.named("p", "t"), tmp_path / "t"))
    world.run(lambda client: client.file(portal.named("p", "f"), tmp_path / "f"))
    assert world.sandbox.gaps("datastore") == [3600.0, 3600.0]
    assert world.sandbox.gaps("portal") == [4 * 3600.0, 3600.0]


def test_serves_on_a_free_port_with_its_storage(tmp_path: Path) -> None:
    sandbox = NesoSandbox()
    sandbox.shelf.put(Entry("p", "f"), CSV)

    async def work(portal: NesoPortal) -> bytes:
        resource = (await portal.sweep()).named("p", "f")
        return (await portal.file(resource, tmp_path / "f.csv")).body.path.read_bytes()

    with running_neso(sandbox) as url:
        assert ask(url, tmp_path, work) == CSV
    assert abs(datetime.now(UTC) - sandbox.requests[0].received_utc) < timedelta(minutes=10)


def recording(folder: Path) -> Path:
    """A folder of recordings of every kind."""
    (folder / "wind_daily").mkdir(parents=True)
    (folder / "wind_daily" / "wind.csv").write_bytes("\ufeffA,B\r\n1,2\r\n".encode())
    (folder / "trades").mkdir()
    fields = [{"id": "_id", "type": "int"}, {"id": "Price", "type": "numeric", "info": {"unit": "£"}}]
    answer = {
        "success": True,
        "result": {"resource_id": "r-1", "fields": fields, "records": [{"_id": 1, "Price": 1.5}]},
    }
    text = json.dumps(answer).replace("1.5", "1.50")
    (folder / "trades" / "search.json").write_text("\ufeff" + text)
    shown = {
        "id": "x",
        "name": "Listed",
        "url_type": "upload",
        "url": "https://h/a/b.csv",
        "last_modified": "2026-01-02T03:04:05",
    }
    package = {"success": True, "result": {"name": "slug", "resources": [shown]}}
    (folder / "trades" / "package.json").write_text(json.dumps(package))
    (folder / "trades" / "other.json").write_text("[]")
    (folder / "trades" / "odd.parquet").write_bytes(b"PAR1")
    return folder


class TestReplay:
    def test_serves_what_was_recorded(self, world: World, asking: Asking, tmp_path: Path) -> None:
        found = replay(recording(tmp_path / "recorded"), world.sandbox.shelf)
        assert {one.file: one.reason for one in found if one.reason} == {
            "trades/odd.parquet": ".parquet is not what the portal sends",
            "trades/other.json": "no answer of CKAN",
        }
        portal = world.run(NesoPortal.sweep)
        assert [str(resource) for resource in portal.resources()] == ["slug/Listed", "trades/search", "wind-daily/wind"]
        file = portal.named("wind-daily", "wind")
        world.run(lambda client: client.file(file, tmp_path / "f.csv"))
        assert (tmp_path / "f.csv").read_bytes() == "\ufeffA,B\r\n1,2\r\n".encode()
        assert '"Price": 1.50' in asking("datastore_search", resource_id="r-1").text
        listed = portal.named("slug", "Listed")
        assert (listed.id, listed.last_modified) == ("x", "2026-01-02T03:04:05.000000")
        assert asking.http.get(listed.url).status_code == 404

    def test_files_are_placed_by_who_knows_them(self, world: World, tmp_path: Path) -> None:
        def placing(recorded: Recorded) -> tuple[str, str] | None:
            return ("wind", "Daily") if recorded.folder == "wind_daily" else None

        replay(recording(tmp_path / "recorded"), world.sandbox.shelf, placing)
        assert {entry.key for entry in world.sandbox.shelf.entries()} == {("wind", "Daily"), ("slug", "Listed")}

    def test_nothing_to_serve_is_a_mistake(self, world: World, tmp_path: Path) -> None:
        with pytest.raises(SandboxError, match="there is no folder"):
            replay(tmp_path / "absent", world.sandbox.shelf)
        with pytest.raises(SandboxError, match="could be served"):
            replay(tmp_path, world.sandbox.shelf)

    @pytest.mark.skipif(not (samples.folder() / "neso").is_dir(), reason="no recorded samples")
    def test_every_recorded_file_of_the_portal_is_served_byte_for_byte(self, world: World, tmp_path: Path) -> None:
        folder = samples.folder() / "neso"
        found = replay(folder, world.sandbox.shelf)
        portal = world.run(NesoPortal.sweep)
        files = [one for one in found if one.file.endswith(".csv")]
        assert len(files) > 10

        async def work(client: NesoPortal) -> None:
            for one in files:
                got = await client.file(portal.named(one.package, one.name), tmp_path / "f.csv")
                assert got.body.path.read_bytes() == (folder / one.file).read_bytes()
            for one in found:
                if one.rows is not None:
                    table = await client.pages(portal.by_id[one.resource_id], tmp_path / "t")
                    assert table.schema.total == one.rows

        world.run(work)
        assert not {one.file for one in found if one.reason and one.file.endswith(".csv")}
