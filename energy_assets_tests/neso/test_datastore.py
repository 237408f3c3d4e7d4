"""Tables: schema, dump and pages; tables that move while they are read, and portals that page in their own way."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from energy_assets.errors import ContractError, FetchError, SpoolError, StatusError, TransportError
from energy_assets.sandbox.neso.app import NesoSandbox
from energy_assets.sandbox.neso.shelf import Entry
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.datastore import RESTARTS, Column, Schema, Table
from energy_assets.sources.neso.portal import Resource
from energy_assets_tests.neso.world import World, told, with_peer
from energy_assets_tests.unit.loopback import Peer, Reply, Request

COLUMNS = (("Unit ID", "text"), ("Volume (MW)", "numeric"), ("Note", "text"))
ROWS = [[f"U-{n:03}", f"{n}.10", f'line {n}\n"quoted"' if n % 3 else ""] for n in range(25)]
RESOURCE = Resource("1", "p", "1", "table", url_type="datastore")


def as_csv(rows: list[list[str]], header: tuple[str, ...] = tuple(name for name, _ in COLUMNS)) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder / "body"


@pytest.fixture
def table(world: World) -> Resource:
    world.sandbox.rows_most = 10
    info = {"Volume (MW)": {"title": " Volume\t", "unit": "MW", "comment": ""}}
    world.sandbox.shelf.put(Entry("p", "table", "datastore", columns=COLUMNS, info=info), as_csv(ROWS))
    resource = world.run(NesoPortal.sweep).named("p", "table")
    world.sandbox.requests.clear()
    return resource


SCHEMA = Schema(
    (
        Column("Unit ID", "text", {}),
        Column("Volume (MW)", "numeric", {"title": "Volume", "unit": "MW"}),
        Column("Note", "text", {}),
    ),
    25,
)


def dumped(world: World, table: Resource, to: Path, **options: Any) -> Table:
    return world.run(lambda portal: portal.dump(table, to, **options))


def paged(world: World, table: Resource, to: Path, **options: Any) -> Table:
    return world.run(lambda portal: portal.pages(table, to, **options))


def records(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line)["result"] for line in path.read_bytes().splitlines()]
    found: list[dict[str, Any]] = []
    for line in lines:
        assert line["offset"] == len(found)
        found += line["records"]
    return found


def check_nothing_left(to: Path) -> None:
    assert list(to.parent.iterdir()) == [], "a failure must leave nothing"


class TestSchema:
    def test_tells_columns_and_rows_in_one_request(self, world: World, table: Resource) -> None:
        assert world.run(lambda portal: portal.schema(table)) == SCHEMA
        assert world.routes() == ["datastore_search"]
        assert dict(world.sandbox.requests[0].params)["limit"] == "0"

    def test_of_a_table_that_is_gone(self, world: World, table: Resource) -> None:
        world.sandbox.shelf.remove("p", "table")
        with pytest.raises(StatusError, match=r"NESO p/table: .*404 Not Found .*may have moved"):
            world.run(lambda portal: portal.schema(table))


class TestDump:
    def test_is_the_whole_table_as_the_portal_writes_it(self, world: World, table: Resource, to: Path) -> None:
        got = dumped(world, table, to, group="p")
        assert to.read_bytes() == as_csv(ROWS)
        assert (got.schema, got.form, got.restarts, got.resource) == (SCHEMA, "csv", 0, table)
        assert got.body.sha256 == hashlib.sha256(as_csv(ROWS)).hexdigest()
        assert (got.body.url, got.body.attempts) == (table.url, 3)
        assert world.routes() == ["datastore_search", "dump", "datastore_search"]

    @pytest.mark.parametrize("content", [as_csv([]), as_csv(ROWS[:1]), as_csv(ROWS)[:-1], as_csv([["a\n\n", "", ""]])])
    def test_rows_are_counted_whatever_is_in_them(
        self, world: World, table: Resource, to: Path, content: bytes
    ) -> None:
        world.sandbox.shelf.change("p", "table", content)
        got = dumped(world, table, to)
        assert got.schema.total == len(list(csv.reader(io.StringIO(to.read_text(), newline="")))) - 1

    @pytest.mark.parametrize("route", ["dump", "datastore_search"])
    def test_is_begun_again_where_the_table_moved(self, world: World, table: Resource, to: Path, route: str) -> None:
        world.sandbox.faults.add("reload", dataset=route, count=1)
        got = dumped(world, table, to)
        assert (got.restarts, got.schema.total) == (1, 26)
        assert to.read_bytes().count(b"\nU-") == 26

    def test_that_never_settles_fails(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.faults.add("reload", dataset="dump")
        with pytest.raises(
            TransportError, match=r"NESO p/table: the table went from 27 to 28 rows each of the 3 times"
        ):
            dumped(world, table, to)
        assert world.routes().count("dump") == RESTARTS + 1
        check_nothing_left(to)

    def test_that_is_cut_is_seen_by_its_rows(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.faults.add("truncate", dataset="dump")
        with pytest.raises(TransportError, match=r"the table gave \d+ of 25 rows each of the 3 times"):
            dumped(world, table, to)
        check_nothing_left(to)

    def test_that_breaks_is_asked_for_again(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.faults.add("short", dataset="dump", count=1)
        assert dumped(world, table, to).body.attempts == 4

    def test_larger_than_allowed_is_refused(self, world: World, table: Resource, to: Path) -> None:
        with pytest.raises(ContractError, match="more than the 100 bytes"):
            dumped(world, table, to, most=100)
        check_nothing_left(to)

    def test_with_other_columns_than_the_table_is_refused(self, tmp_path: Path, to: Path) -> None:
        def answer(number: int, request: Request) -> Reply:
            return Reply(body=b"A,C\n1,2\n") if "dump" in request.target else searched([], 1, ["A", "B"])

        with pytest.raises(ContractError, match="the dump has the columns A, C, and the table A, B"):
            from_peer(answer, tmp_path, lambda portal: portal.dump(RESOURCE, to))

    def test_with_the_row_number_is_the_same_table(self, tmp_path: Path, to: Path) -> None:
        def answer(number: int, request: Request) -> Reply:
            return (
                Reply(body=b"\xef\xbb\xbf_id,A,B\n1,1,2\n") if "dump" in request.target else searched([], 1, ["A", "B"])
            )

        got, _ = from_peer(answer, tmp_path, lambda portal: portal.dump(RESOURCE, to))
        assert got.schema.names == ("A", "B")


class TestPages:
    def test_are_the_whole_table_without_the_portals_own_columns(self, world: World, table: Resource, to: Path) -> None:
        got = paged(world, table, to)
        assert [list(record) for record in records(to)] == [[name for name, _ in COLUMNS]] * 25
        assert [record["Unit ID"] for record in records(to)] == [row[0] for row in ROWS]
        assert (got.schema, got.form, got.restarts, got.body.attempts) == (SCHEMA, "pages", 0, 3)
        assert (got.body.sha256, got.body.size) == (hashlib.sha256(to.read_bytes()).hexdigest(), to.stat().st_size)

    def test_numbers_keep_their_digits(self, world: World, table: Resource, to: Path) -> None:
        paged(world, table, to)
        assert b'"Volume (MW)":24.10,' in to.read_bytes()

    def test_the_limit_is_the_one_that_was_applied(self, world: World, table: Resource, to: Path) -> None:
        paged(world, table, to)
        asked = [dict(request.params) for request in world.sandbox.requests]
        assert [(one["limit"], one["offset"]) for one in asked] == [("32000", "0"), ("10", "10"), ("10", "20")]
        assert {one["sort"] for one in asked} == {"_id asc"}

    def test_one_request_is_enough_where_a_page_holds_the_table(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.rows_most = 25
        assert paged(world, table, to).body.attempts == 1
        assert len(to.read_bytes().splitlines()) == 1

    def test_of_an_empty_table_is_one_line(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.shelf.change("p", "table", as_csv([]))
        assert paged(world, table, to).schema.total == 0
        assert [record["id"] for record in json.loads(to.read_bytes())["result"]["fields"]] == list(SCHEMA.names)
        assert records(to) == []

    def test_two_readings_of_one_table_are_equal_after_it_was_loaded_anew(self, tmp_path: Path, to: Path) -> None:
        """Row numbers go on after a load, and are no part of what is kept."""
        digests = set()
        for first in (1, 1000):
            rows = [{"_id": first, "A": 1, "_full_text": "'1'"}, {"_id": first + 1, "A": 2}]
            got, _ = from_peer([searched(rows, 2, ["A"])], tmp_path, lambda portal: portal.pages(RESOURCE, to))
            digests.add(got.body.sha256)
        assert len(digests) == 1

    @pytest.mark.parametrize("skip", [0, 1])
    def test_are_begun_again_where_the_table_moved_between_two(
        self, world: World, table: Resource, to: Path, skip: int
    ) -> None:
        world.sandbox.faults.add("reload", dataset="p/table", skip=skip, count=1)
        got = paged(world, table, to)
        assert (got.restarts, got.schema.total, len(records(to))) == (1, 26, 26)

    def test_that_never_settle_fail(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.faults.add("reload")
        with pytest.raises(TransportError, match="each of the 3 times that it was read; nothing was taken"):
            paged(world, table, to)
        assert len(world.routes()) == 2 * (RESTARTS + 1)
        check_nothing_left(to)

    def test_columns_that_change_between_two_are_seen(self, tmp_path: Path, to: Path) -> None:
        def answer(number: int, request: Request) -> Reply:
            at = offset_of(request)
            return searched([{"_id": at + 1, "A": 1}], 2, ["A"] if number != 1 else ["A", "B"])

        got, _ = from_peer(answer, tmp_path, lambda portal: portal.pages(RESOURCE, to))
        assert got.restarts == 1

    def test_a_portal_that_ignores_the_offset_is_not_believed(self, tmp_path: Path, to: Path) -> None:
        same = searched([{"_id": 1, "A": 1}, {"_id": 2, "A": 2}], 4, ["A"])
        with pytest.raises(TransportError, match="gave rows a second time"):
            from_peer([same], tmp_path, lambda portal: portal.pages(RESOURCE, to))
        check_nothing_left(to)

    @pytest.mark.parametrize("total", [3, 1])
    def test_rows_that_are_missing_or_too_many_are_seen(self, tmp_path: Path, to: Path, total: int) -> None:
        def answer(number: int, request: Request) -> Reply:
            rows = [{"_id": 1, "A": 1}, {"_id": 2, "A": 2}] if offset_of(request) == 0 else []
            return searched(rows, total, ["A"])

        with pytest.raises(TransportError, match=rf"gave 2 of {total} rows"):
            from_peer(answer, tmp_path, lambda portal: portal.pages(RESOURCE, to))

    def test_a_page_shorter_than_its_limit_is_not_the_end(self, tmp_path: Path, to: Path) -> None:
        def answer(number: int, request: Request) -> Reply:
            at = offset_of(request)
            return searched([{"_id": n + 1, "A": n} for n in range(at, min(at + 2 + number, 9))], 9, ["A"])

        _, peer = from_peer(answer, tmp_path, lambda portal: portal.pages(RESOURCE, to))
        assert [record["A"] for record in records(to)] == list(range(9))
        assert len(peer.requests) == 3

    @pytest.mark.parametrize("row", [{"A": 1}, {"_id": None, "A": 1}, {"_id": "x", "A": 1}])
    def test_a_row_without_its_number_is_refused(self, tmp_path: Path, to: Path, row: dict[str, Any]) -> None:
        with pytest.raises(ContractError, match="a row without its number _id"):
            from_peer([searched([row], 1, ["A"])], tmp_path, lambda portal: portal.pages(RESOURCE, to))
        check_nothing_left(to)

    def test_another_table_than_was_asked_for_is_refused(self, tmp_path: Path, to: Path) -> None:
        with pytest.raises(ContractError, match="answered with the table other"):
            from_peer([searched([], 0, ["A"], resource_id="other")], tmp_path, lambda p: p.pages(RESOURCE, to))

    @pytest.mark.parametrize("result", [{"fields": [{"id": "A"}]}, {"total": 1}, {"fields": [], "total": "many"}])
    def test_an_answer_without_fields_or_total_is_refused(self, tmp_path: Path, to: Path, result: Any) -> None:
        with pytest.raises(ContractError, match="not as CKAN documents it"):
            from_peer([told(result)], tmp_path, lambda portal: portal.pages(RESOURCE, to))

    def test_json_over_several_lines_is_one_line(self, tmp_path: Path, to: Path) -> None:
        result = b'{"fields": [{"id": "A"}], "total": 1, "records": [\n{"_id": 1, "A": [\n1 ]}]}'
        reply = Reply(body=b'{"success": true, "result": ' + result + b"}")
        from_peer([reply], tmp_path, lambda portal: portal.pages(RESOURCE, to))
        assert to.read_bytes().count(b"\n") == 1
        assert records(to) == [{"A": [1]}]

    def test_larger_than_allowed_are_refused(self, world: World, table: Resource, to: Path) -> None:
        with pytest.raises(ContractError, match="more than the 500 bytes"):
            paged(world, table, to, most=500)
        check_nothing_left(to)

    def test_a_disk_that_refuses_is_one_sentence(self, world: World, table: Resource, to: Path) -> None:
        with pytest.raises(SpoolError):
            paged(world, table, to.parent / "absent" / "body")

    def test_busy_is_asked_again(self, world: World, table: Resource, to: Path) -> None:
        world.sandbox.faults.add("busy", dataset="datastore_search", skip=1, count=1)
        assert paged(world, table, to).body.attempts == 4

    def test_dump_and_pages_hold_the_same(self, world: World, table: Resource, to: Path) -> None:
        paged(world, table, to)
        rows = [[str(value) if value is not None else "" for value in record.values()] for record in records(to)]
        other = to.with_name("dump")
        dumped(world, table, other)
        read = list(csv.reader(io.StringIO(other.read_text(), newline="")))[1:]
        assert [[row[0], float(row[1]), row[2]] for row in rows] == [[row[0], float(row[1]), row[2]] for row in read]


def test_a_table_too_large_for_the_stand_ins_memory_is_dumped(world: World, tmp_path: Path, to: Path) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(b"A,B\n" + b"1,2\n" * 500_000)
    world.sandbox.shelf.put(Entry("p", "table", "datastore", columns=(("A", "int4"),)), large)
    resource = world.run(NesoPortal.sweep).named("p", "table")
    assert dumped(world, resource, to).schema.total == 500_000
    assert isinstance(world.sandbox, NesoSandbox)


def searched(rows: list[dict[str, Any]], total: int, columns: list[str], **result: Any) -> Reply:
    fields = [{"id": "_id", "type": "int"}, *({"id": name, "type": "text"} for name in columns)]
    return told({"fields": fields, "records": rows, "total": total, "limit": 100} | result)


def offset_of(request: Request) -> int:
    return int(request.target.split("offset=")[1].split("&")[0])


def from_peer(script: Any, home: Path, work: Any) -> tuple[Table, Peer]:
    try:
        return with_peer(script, home, work)
    except FetchError as error:
        assert "NESO p/table" in str(error)
        raise
