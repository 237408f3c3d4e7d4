"""Files of uploads: the redirect as it was told, transfers that break, and what is no file."""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from energy_assets.errors import ContractError, FetchError, SpoolError, StatusError, TransportError
from energy_assets.sandbox.neso.shelf import Entry
from energy_assets.sources.http import Patience
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.download import Download
from energy_assets.sources.neso.lanes import Lanes
from energy_assets.sources.neso.portal import Resource
from energy_assets.sources.neso.wire import Wire
from energy_assets_tests.neso.world import NOON, QUICK, World, with_peer
from energy_assets_tests.unit.loopback import Peer, Reply, Request

CSV = "\ufeffDATE,£/MWh\r\n2026-10-08,1.5\r\n".encode()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder / "body.csv"


def put(world: World, content: bytes | Path = CSV, **attributes: Any) -> Entry:
    return world.sandbox.shelf.put(Entry("p", "file", **attributes), content)


def listed(world: World) -> Resource:
    resource = world.run(NesoPortal.sweep).named("p", "file")
    world.sandbox.requests.clear()
    return resource


def fetched(world: World, to: Path, resource: Resource | None = None, **options: Any) -> Download:
    wanted = resource or listed(world)
    client = {name: options.pop(name) for name in ("patience",) if name in options}
    return world.run(lambda portal: portal.file(wanted, to, **options), **client)


def failure(world: World, to: Path, kind: type[Exception] = FetchError, **options: Any) -> str:
    resource = listed(world)
    with pytest.raises(kind) as caught:
        fetched(world, to, resource, **options)
    assert list(to.parent.iterdir()) == [], "a failed download must leave nothing"
    assert str(caught.value).startswith("NESO p/file: ")
    assert "X-Amz" not in str(caught.value)
    return str(caught.value)


class TestFile:
    def test_comes_as_it_lies_in_the_storage(self, world: World, to: Path) -> None:
        at = datetime(2026, 10, 8, 8, 45, 1, tzinfo=UTC)
        put(world, file_name="a b_20261008.csv", modified_utc=at)
        resource = listed(world)
        got = world.run(lambda portal: portal.file(resource, to, group="p"))
        assert to.read_bytes() == CSV
        body = got.body
        assert (body.path, body.status, body.size) == (to, 200, len(CSV))
        assert (body.sha256, body.sandbox) == (hashlib.sha256(CSV).hexdigest(), True)
        assert (body.url, body.attempts) == (resource.url, 2)
        assert (got.resource, got.zipped, got.modified_utc) == (resource, False, at)
        assert world.routes() == ["download", "storage"]
        assert list(to.parent.iterdir()) == [to]

    def test_a_large_one_streams_from_disk_to_disk(self, world: World, to: Path, tmp_path: Path) -> None:
        large = tmp_path / "large.csv"
        large.write_bytes(b"A,B\n" + b"1,2\n" * 1_000_000)
        put(world, large)
        got = fetched(world, to)
        assert (got.body.size, got.body.sha256) == (4_000_004, hashlib.sha256(large.read_bytes()).hexdigest())

    def test_signed_addresses_are_in_no_log(self, world: World, to: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        put(world)
        fetched(world, to)
        assert "Signature" not in caplog.text
        assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]

    def test_a_zip_called_csv_is_noted(self, world: World, to: Path) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("fnew-2019-1.csv", "dtm,f\n")
        put(world, archive.getvalue())
        assert fetched(world, to).zipped

    @pytest.mark.parametrize("content", [b"A\n", b"A", "\ufeffA\r\n".encode("utf-16"), b"\xa3\n", b"\n\nA\n"])
    def test_every_kind_of_text_is_kept_as_it_is(self, world: World, to: Path, content: bytes) -> None:
        put(world, content)
        got = fetched(world, to)
        assert (to.read_bytes(), got.zipped) == (content, False)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"<!DOCTYPE html><p>Just a moment", "begins with '<'"),
            (b"\xef\xbb\xbf \r\n<html>", "begins with '<'"),
            (b'{"success": false}', "begins with '{'"),
            (b"", "it is empty"),
            (b"\xef\xbb\xbf\r\n", "it is empty"),
        ],
    )
    def test_what_is_no_file_of_rows_is_refused(self, world: World, to: Path, content: bytes, said: str) -> None:
        put(world, content)
        assert said in failure(world, to, TransportError)

    def test_a_file_larger_than_allowed_is_refused_at_once(self, world: World, to: Path) -> None:
        put(world, b"A\n" + b"1\n" * 2_000_000)
        assert "more than the 1,000 bytes that are allowed for it" in failure(world, to, ContractError, most=1_000)
        assert world.routes() == ["download", "storage"]

    def test_a_file_as_large_as_allowed_is_not(self, world: World, to: Path) -> None:
        put(world)
        assert fetched(world, to, most=len(CSV)).body.size == len(CSV)

    @pytest.mark.parametrize("changes", [{"url_type": "datastore"}, {"url_type": ""}, {"url": ""}])
    def test_what_has_no_file_is_not_asked_for(self, world: World, to: Path, changes: dict[str, str]) -> None:
        put(world)
        resource = replace(listed(world), **changes)
        with pytest.raises(ContractError, match="no uploaded file"):
            fetched(world, to, resource)
        assert world.routes() == []

    def test_a_disk_that_refuses_is_one_sentence(self, world: World, to: Path) -> None:
        put(world)
        with pytest.raises(SpoolError, match="cannot be used"):
            fetched(world, to.parent / "absent" / "body.csv")


class TestMoved:
    def test_an_older_address_leads_nowhere_and_says_so(self, world: World, to: Path) -> None:
        put(world, file_name="cmu_20261007.csv")
        old = listed(world)
        world.sandbox.shelf.change("p", "file", CSV, file_name="cmu_20261008.csv")
        with pytest.raises(StatusError, match=r"404 Not Found; it may have moved since the portal was listed"):
            fetched(world, to, old)
        assert fetched(world, to).body.size == len(CSV)

    def test_another_id_is_found_by_the_next_sweep(self, world: World, to: Path) -> None:
        put(world)
        old = listed(world)
        world.sandbox.faults.add("moved", dataset="p/file")
        with pytest.raises(StatusError, match="404"):
            fetched(world, to, old)
        new = listed(world)
        assert new.id != old.id
        assert fetched(world, to, new).body.size == len(CSV)


class TestBroken:
    @pytest.mark.parametrize("fault", ["reset", "short", "html", "busy"])
    def test_a_transfer_that_breaks_starts_again_at_the_portal(self, world: World, to: Path, fault: Any) -> None:
        """The storage takes each signed address once, so that one asked again would be refused."""
        put(world, b"A\n" + b"1\n" * 100_000)
        world.sandbox.faults.add(fault, dataset="storage", count=2)
        assert fetched(world, to).body.attempts == 6
        assert world.routes() == ["download", "storage"] * 3

    @pytest.mark.parametrize("status", [403, 500, 503])
    def test_an_address_that_the_storage_takes_no_more_is_asked_for_anew(
        self, world: World, to: Path, status: int
    ) -> None:
        put(world)
        world.sandbox.faults.add("status", dataset="storage", status=status, count=1)
        assert fetched(world, to).body.attempts == 4

    @pytest.mark.parametrize(("fault", "said"), [("reset", "cut off"), ("short", "answered brokenly")])
    def test_one_that_breaks_each_time_fails(self, world: World, to: Path, fault: Any, said: str) -> None:
        put(world, b"A\n" + b"1\n" * 100_000)
        world.sandbox.faults.add(fault, dataset="storage")
        assert said in failure(world, to, TransportError)

    def test_a_storage_that_refuses_is_named_without_its_address(self, world: World, to: Path) -> None:
        put(world)
        world.sandbox.faults.add("status", dataset="storage", status=404)
        assert "answered 404 Not Found by the storage at localhost" in failure(world, to, StatusError)
        assert world.routes() == ["download", "storage"]

    def test_one_that_takes_too_long_is_given_up(self, tmp_path: Path, to: Path) -> None:
        stalled = Reply(body=CSV, stall=len(Reply(body=CSV).wire()) - 1)
        patience = Patience(attempts=2, backoff=0.01, backoff_least=0.0, backoff_most=0.01, deadline=0.2)
        with pytest.raises(TransportError, match="not answered whole in the time allowed; asked 2 times"):
            from_peer([stalled], tmp_path, to, patience=patience)
        assert list(to.parent.iterdir()) == []


def from_peer(script: Any, home: Path, to: Path, path: str = "/dataset/a.csv", **options: Any) -> tuple[Download, Peer]:
    """A download from a peer that answers with a script."""

    async def work(portal: NesoPortal) -> Download:
        url = f"{portal.address}{path}"
        return await portal.file(Resource("1", "p", "1", "file", url=url, url_type="upload"), to)

    return with_peer(script, home, work, **options)


def redirect(location: str, status: int = 302) -> Reply:
    return Reply(status, b"", (("Location", location),))


class TestRedirect:
    QUERY = 'b=2&a=1&a=%2f%2F+%20\'()*!~&empty=&q="|"&X-Amz-Signature=0aF'

    @pytest.mark.parametrize(
        "location",
        ["http://localhost:{port}/k%2fey/x?{query}", "/k%2fey/x?{query}", "//localhost:{port}/k%2fey/x?{query}"],
    )
    def test_is_followed_to_the_letter(self, tmp_path: Path, to: Path, location: str) -> None:
        def answer(number: int, request: Request) -> Reply:
            port = request.headers["host"].rpartition(":")[2]
            at = location.format(port=port, query=self.QUERY)
            return redirect(at + "#part") if number == 0 else Reply(body=CSV)

        got, peer = from_peer(answer, tmp_path, to)
        assert peer.requests[1].target == f"/k%2fey/x?{self.QUERY}"
        assert got.body.attempts == 2
        assert "Signature" not in got.body.url

    def test_no_cookie_crosses_and_nothing_is_compressed(self, tmp_path: Path, to: Path) -> None:
        cookie = ("Set-Cookie", "__cf_bm=1; path=/")

        def answer(number: int, request: Request) -> Reply:
            return (
                replace(redirect("/there"), headers=(("Location", "/there"), cookie)) if not number else Reply(body=CSV)
            )

        _, peer = from_peer(answer, tmp_path, to)
        assert all("cookie" not in request.headers for request in peer.requests)
        assert [request.headers["accept-encoding"] for request in peer.requests] == ["identity"] * 2
        assert all("referer" not in request.headers for request in peer.requests)

    def test_a_body_that_is_compressed_all_the_same_is_read(self, tmp_path: Path, to: Path) -> None:
        got, _ = from_peer([Reply(body=CSV, encoding="gzip")], tmp_path, to)
        assert (to.read_bytes(), got.body.sha256) == (CSV, hashlib.sha256(CSV).hexdigest())

    @pytest.mark.parametrize(
        "location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://user:pass@127.0.0.1/x", "http://"]
    )
    def test_never_leads_where_no_file_can_lie(self, tmp_path: Path, to: Path, location: str) -> None:
        with pytest.raises(ContractError, match="where no file of the portal can lie") as caught:
            from_peer([redirect(location)], tmp_path, to)
        assert "pass@" not in str(caught.value)

    @pytest.mark.parametrize("location", ["gopher:x", "http:x"])
    def test_to_what_is_no_address_is_a_broken_answer(self, tmp_path: Path, to: Path, location: str) -> None:
        with pytest.raises(TransportError, match="answered brokenly"):
            from_peer([redirect(location)], tmp_path, to)

    def test_never_ends(self, tmp_path: Path, to: Path) -> None:
        with pytest.raises(StatusError, match="redirected more than 3 times"):
            from_peer([redirect("/again")], tmp_path, to)

    def test_a_length_that_is_not_kept_is_seen(self, tmp_path: Path, to: Path) -> None:
        got, peer = from_peer([Reply(body=CSV, length=len(CSV) + 5, cut=10_000), Reply(body=CSV)], tmp_path, to)
        assert (got.body.size, len(peer.requests)) == (len(CSV), 2)

    def test_a_body_whose_end_nothing_tells_is_not_believed(self, tmp_path: Path, to: Path) -> None:
        with pytest.raises(TransportError, match="nothing tells where it ends"):
            from_peer([Reply(body=CSV, framing="close")], tmp_path, to)

    def test_pieces_that_end_are(self, tmp_path: Path, to: Path) -> None:
        assert from_peer([Reply(body=CSV, framing="chunked")], tmp_path, to)[0].body.size == len(CSV)


class TestWay:
    """From the encrypted web nothing leads to this machine or into the open."""

    @pytest.mark.parametrize(
        "address",
        ["http://api.neso.energy/dataset/x.csv", "https://127.0.0.1/x.csv", "https://localhost/x.csv", "x.csv"],
    )
    def test_an_address_that_is_not_safe_is_not_asked(self, tmp_path: Path, to: Path, address: str) -> None:
        async def run() -> None:
            wire = Wire("https://api.neso.example/api/3/action", Lanes.of(tmp_path, 0, 0), patience=QUICK)
            async with NesoPortal(wire) as portal:
                try:
                    await portal.file(Resource("1", "p", "1", "file", url=address, url_type="upload"), to)
                finally:
                    assert portal.requests_sent() == 0

        with pytest.raises(ContractError, match="it was not asked"):
            asyncio.run(run())


def test_files_of_one_tick_are_fetched_beside_each_other(world: World, tmp_path: Path) -> None:
    for number in range(8):
        world.sandbox.shelf.put(Entry("p", f"file {number}", modified_utc=NOON), b"A\n%d\n" % number)

    async def work(portal: NesoPortal) -> list[Download]:
        resources = list((await portal.sweep()).resources())
        got = await asyncio.gather(*(portal.file(r, tmp_path / f"{r.position}.csv", group=r.name) for r in resources))
        assert {portal.requests_sent(r.name) for r in resources} == {2}
        assert portal.requests_sent() == 17
        return got

    got = world.run(work)
    assert [one.body.path.read_bytes() for one in got] == [b"A\n%d\n" % number for number in range(8)]
