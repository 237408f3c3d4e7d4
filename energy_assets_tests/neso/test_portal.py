"""The sweep and the checks on every answer, over real HTTP; what changed between two sweeps."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_assets.errors import ContractError, FetchError, SettingsError, SpoolError, StatusError, TransportError
from energy_assets.sandbox.neso.shelf import Content, Entry
from energy_assets.sources.neso import sweep as module
from energy_assets.sources.neso.answers import is_final, words_of
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.lanes import Lanes
from energy_assets.sources.neso.memory import Memory
from energy_assets.sources.neso.portal import Package, Portal, Resource, compare, instant
from energy_assets.sources.neso.wire import Wire
from energy_assets_tests.neso.world import NOON, Stage, World, ask, told, with_peer
from energy_assets_tests.unit.loopback import Naps, Reply, Request


class Many:
    """A maker of packages, one more for each look at them where that is wanted."""

    def __init__(self, packages: int, growing: int = 0) -> None:
        self.packages = packages
        self.growing = growing
        self.looks = 0

    def listed(self, now: datetime) -> Sequence[Entry]:
        self.looks += 1
        grown = min(self.looks, self.growing)
        return [Entry(f"package-{n:03}", f"Resource {n}", modified_utc=NOON) for n in range(self.packages + grown)]

    def content(self, entry: Entry, now: datetime) -> Content:
        return b"A\n1\n"


def swept(world: World, **options: Any) -> Portal:
    return world.run(NesoPortal.sweep, **options)


def failure(world: World, kind: type[Exception] = FetchError, **options: Any) -> Exception:
    with pytest.raises(kind) as caught:
        swept(world, **options)
    # Neither the error nor what hangs on it may hold text that was not redacted.
    assert caught.value.__cause__ is None
    assert str(caught.value).count(". ") <= 1
    return caught.value


class TestSweep:
    def test_tells_packages_and_resources_with_their_times(self, world: World) -> None:
        at = datetime(2026, 8, 16, 18, 25, 3, 877001, tzinfo=UTC)
        world.sandbox.shelf.put(Entry("wind", "  Forecast – daily ", file_name="f 1.csv", modified_utc=at), b"A\n")
        world.sandbox.shelf.put(Entry("balancing", "Trades", "datastore"), b"A\n")
        portal = swept(world)
        assert [package.name for package in portal.packages] == ["balancing", "wind"]
        file = portal.named("wind", "Forecast – daily ")
        assert (file.name, file.url_type, file.format) == ("Forecast – daily", "upload", "CSV")
        assert (file.last_modified, file.last_modified_utc) == ("2026-08-16T18:25:03.877001", at)
        assert file.url.endswith(f"/dataset/{file.package_id}/resource/{file.id}/download/f%201.csv")
        table = portal.named("balancing", "Trades")
        assert (table.is_table, table.is_file, table.datastore_active) == (True, False, True)
        assert (table.last_modified, table.last_modified_utc, table.created_utc) == ("", None, NOON)
        assert portal.by_id[table.id] is table
        assert (portal.requests, portal.sandbox) == (1, True)
        assert world.routes() == ["package_search"]

    @pytest.mark.parametrize(("packages", "requests"), [(0, 1), (1, 1), (100, 1), (101, 2), (131, 2), (450, 5)])
    def test_takes_as_many_pages_as_it_must(
        self, portal_stage: tuple[Stage, str], tmp_path: Path, packages: int, requests: int
    ) -> None:
        stage, url = portal_stage
        world = World(stage.fresh(maker=Many(packages)), url, tmp_path)
        portal = swept(world)
        assert len(portal.packages) == packages
        assert portal.requests == len(world.routes()) == requests

    def test_begins_again_where_the_list_changes_while_it_is_read(
        self, portal_stage: tuple[Stage, str], tmp_path: Path
    ) -> None:
        stage, url = portal_stage
        world = World(stage.fresh(maker=Many(131, growing=3)), url, tmp_path)
        portal = swept(world)
        assert len({package.name for package in portal.packages}) == 134
        assert len(world.routes()) == 4

    def test_gives_up_within_five_requests(self, portal_stage: tuple[Stage, str], tmp_path: Path) -> None:
        stage, url = portal_stage
        world = World(stage.fresh(maker=Many(131, growing=10_000)), url, tmp_path)
        assert "changed while it was read" in str(failure(world, TransportError))
        assert len(world.routes()) <= module.MOST_REQUESTS

    def test_a_list_longer_than_it_can_be_is_no_list(self, portal_stage: tuple[Stage, str], tmp_path: Path) -> None:
        stage, url = portal_stage
        world = World(stage.fresh(maker=Many(501)), url, tmp_path)
        assert "lists 501 packages" in str(failure(world, ContractError))
        assert len(world.routes()) == module.MOST_REQUESTS

    def test_pages_by_what_came_and_not_by_what_was_asked_for(self, tmp_path: Path) -> None:
        """A portal that gives fewer packages than asked for."""

        def answer(number: int, request: Request) -> Reply:
            start = int(request.target.split("start=")[1])
            packages = [{"id": str(n), "name": f"p{n}"} for n in range(start, min(start + 3, 7))]
            return told({"count": 7, "results": packages})

        portal = scripted(answer, tmp_path)
        assert [package.name for package in portal.packages] == [f"p{n}" for n in range(7)]

    def test_the_same_page_again_and_again_is_no_list(self, tmp_path: Path) -> None:
        page = told({"count": 4, "results": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]})
        with pytest.raises(TransportError, match="changed while it was read"):
            scripted([page], tmp_path)

    def test_a_package_may_lack_everything_but_its_names(self, tmp_path: Path) -> None:
        bare = {"id": "1", "name": "a", "title": None, "resources": [{"id": "r", "name": None, "last_modified": "x"}]}
        portal = scripted([told({"count": 1, "results": [bare]})], tmp_path)
        (resource,) = portal.resources()
        assert (resource.name, resource.url, resource.last_modified, resource.last_modified_utc) == ("", "", "x", None)

    def test_one_package(self, world: World) -> None:
        entry = world.sandbox.shelf.put(Entry("demand", "2026"), b"A\n")
        package = world.run(lambda portal: portal.package("demand"))
        assert [resource.id for resource in package.resources] == [entry.id]
        with pytest.raises(StatusError, match=r"NESO package supply: .*404 Not Found .*Not found.*may have moved"):
            world.run(lambda portal: portal.package("supply"))


def scripted(script: Any, home: Path, **options: Any) -> Portal:
    """A sweep of a peer that answers with a script."""
    return with_peer(script, home, NesoPortal.sweep, **options)[0]


EMPTY = told({"count": 0, "results": []})


class TestAnswers:
    @pytest.mark.parametrize("fault", ["html", "busy", "reset", "short"])
    def test_what_passes_is_asked_again(self, world: World, fault: Any) -> None:
        world.sandbox.faults.add(fault, count=2)
        assert swept(world).requests == len(world.routes()) == 3

    @pytest.mark.parametrize("status", [500, 502, 503, 520, 408, 429])
    def test_a_passing_status_is_asked_again(self, world: World, status: int) -> None:
        world.sandbox.faults.add("status", status=status, count=2)
        assert swept(world).requests == 3

    @pytest.mark.parametrize(
        ("fault", "options", "said"),
        [
            ("html", {}, "broken body: it is a page of HTML"),
            ("busy", {}, "answered 409 Conflict"),
            ("status", {"status": 503}, "answered 503 Service Unavailable"),
            ("reset", {}, "cut off"),
            ("short", {}, "answered brokenly"),
            ("truncate", {}, "broken body: it is not one whole JSON object"),
        ],
    )
    def test_what_lasts_fails_after_a_handful(
        self, world: World, fault: Any, options: dict[str, Any], said: str
    ) -> None:
        world.sandbox.faults.add(fault, **options)
        error = failure(world)
        assert said in str(error) and "asked 3 times" in str(error)
        assert str(error).startswith("The list of NESO's packages: GET http://127.0.0.1:")
        assert isinstance(error, StatusError) is (fault in ("busy", "status"))
        assert len(world.routes()) == 3

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
    def test_a_refusal_is_final(self, world: World, status: int) -> None:
        world.sandbox.faults.add("status", status=status)
        assert isinstance(failure(world, StatusError), StatusError)
        assert len(world.routes()) == 1

    def test_a_blocked_address_is_told_what_to_look_for(self, world: World) -> None:
        world.sandbox.faults.add("status", status=403)
        assert "the portal blocks addresses that ask too often" in str(failure(world, StatusError))

    def test_a_mistake_of_ours_is_told_by_409_and_not_repeated(self, world: World) -> None:
        odd = Resource("no-such-id", "p", "1", "odd")
        with pytest.raises(StatusError, match=r"404 Not Found .*was not found"):
            world.run(lambda portal: portal.schema(odd))
        with pytest.raises(StatusError, match=r"409 Conflict \(resource_id: Missing value\)"):
            world.run(lambda portal: portal.schema(replace(odd, id="")))
        assert len(world.routes()) == 2

    def test_a_bare_string_is_a_refusal_too(self, tmp_path: Path) -> None:
        with pytest.raises(StatusError, match=r"400 Bad Request \(Bad request - Action name not known: x\)"):
            scripted([Reply(400, b'"Bad request - Action name not known: x"')], tmp_path)

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"success": false, "error": {"message": "Not today", "__type": "X"}}', r"without success \(Not today\)"),
            (b'{"result": {"count": 0, "results": []}}', "without success"),
            (b'{"success": "true", "result": {}}', "without success"),
            (b'{"success": true}', "has no result"),
            (b'{"success": true, "result": {"results": []}}', "not as CKAN documents it"),
            (b'{"success": true, "result": [1]}', "not as CKAN documents it"),
        ],
    )
    def test_an_object_that_is_no_success_is_not_believed(self, tmp_path: Path, body: bytes, said: str) -> None:
        with pytest.raises(ContractError, match=said):
            scripted([Reply(body=body)], tmp_path)

    @pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"null", b'{"success": true, "result": {"count": 1, '])
    def test_what_is_no_whole_object_is_asked_for_again(self, tmp_path: Path, body: bytes) -> None:
        portal = scripted([Reply(body=body), EMPTY], tmp_path)
        assert portal.requests == 2

    def test_a_byte_order_mark_does_no_harm(self, tmp_path: Path) -> None:
        assert scripted([Reply(body=b"\xef\xbb\xbf" + EMPTY.body)], tmp_path).packages == ()

    def test_an_answer_larger_than_any_is_refused(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ANSWER_MOST_BYTES", 10)
        assert "more than 10 bytes" in str(failure(world, TransportError))

    def test_a_wait_that_is_asked_for_is_waited(self, tmp_path: Path) -> None:
        naps = Naps()
        scripted([Reply(503, headers=(("Retry-After", "7"),)), EMPTY], tmp_path, sleep=naps)
        assert naps.taken == [7.0]

    def test_a_wait_that_is_too_long_is_not_waited(self, tmp_path: Path) -> None:
        naps = Naps()
        with pytest.raises(StatusError, match="asking to wait 3600 s; asked once"):
            scripted([Reply(503, headers=(("Retry-After", "3600"),))], tmp_path, sleep=naps)
        assert naps.taken == []

    def test_says_who_asks(self, tmp_path: Path) -> None:
        _, peer = with_peer([EMPTY], tmp_path, NesoPortal.sweep)
        assert peer.requests[0].headers["user-agent"].startswith("energy-assets/")

    def test_nobody_there(self, tmp_path: Path) -> None:
        with pytest.raises(TransportError, match=r"not reached.*check the network and ENERGY_ASSETS_NESO_URL"):
            ask("http://127.0.0.1:9/api/3/action", tmp_path, NesoPortal.sweep)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9/bmrs", "http://127.0.0.1:9", "http://127.0.0.1:9/api/3/action/x"]
    )
    def test_an_address_without_actions_is_refused(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(SettingsError, match=r"ENERGY_ASSETS_NESO_URL is .*must end in /api/3/action"):
            Wire(url, Lanes.of(tmp_path, 0, 0))

    @pytest.mark.parametrize(
        ("text", "final"),
        [
            ('{"success": false, "error": {"__type": "Validation Error", "limit": ["Invalid integer"]}}', True),
            ('{"error": {"__type": "Search Query Error", "message": "bad"}}', True),
            ('{"success": false, "error": {"__type": "Search Error", "message": "timeout"}}', False),
            ('{"error": "busy"}', False),
            ("<html>busy</html>", False),
            ('"busy"', False),
            ("", False),
        ],
    )
    def test_which_409_is_final(self, text: str, final: bool) -> None:
        assert is_final(text) is final

    def test_words_of_a_refusal(self) -> None:
        validation = {
            "error": {"__type": "Validation Error", "limit": ["Invalid integer"], "query": ["select"], "x": []}
        }
        assert words_of(json.dumps(validation)) == "limit: Invalid integer"
        assert words_of('{"error": {"message": "Not found", "__type": "Not Found Error"}}') == "Not found"
        assert words_of("<html>Just a moment</html>") == ""
        assert words_of('"bare"') == "bare"


class TestNames:
    @pytest.mark.parametrize(("package", "name"), [("p", "other"), ("q", "one")])
    def test_no_match_is_loud(self, world: World, package: str, name: str) -> None:
        world.sandbox.shelf.put(Entry("p", "one"), b"A\n")
        with pytest.raises(ContractError, match=f"{package}/{name}: .*correct the catalogue entry"):
            swept(world).named(package, name)

    def test_two_matches_are_loud(self, world: World) -> None:
        portal = swept(world)
        twins = (resource(id="1"), resource(id="2"))
        package = portal_of(*twins).packages[0]
        with pytest.raises(ContractError, match="2 resources of that name"):
            Portal((package,), NOON).named("p", "one")
        assert portal.packages == ()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-08-16T18:25:03.877001", datetime(2026, 8, 16, 18, 25, 3, 877001, tzinfo=UTC)),
            ("2026-08-16T18:25:03", datetime(2026, 8, 16, 18, 25, 3, tzinfo=UTC)),
            ("2026-08-16", datetime(2026, 8, 16, tzinfo=UTC)),
            ("2026-08-16T19:25:03+01:00", datetime(2026, 8, 16, 18, 25, 3, tzinfo=UTC)),
            ("", None),
            (None, None),
        ],
    )
    def test_times_without_a_zone_are_utc(self, text: str | None, expected: datetime | None) -> None:
        assert instant(text) == expected

    def test_a_time_that_is_none_is_told_and_set_aside(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            assert instant("16/08/2026") is None
        assert "16/08/2026" in caplog.text


def resource(**attributes: Any) -> Resource:
    return Resource(**{"id": "1", "package": "p", "package_id": "P", "name": "one", "last_modified": "a"} | attributes)


def portal_of(*resources: Resource, at: datetime = NOON) -> Portal:
    return Portal((Package("P", "p", "P", None, resources),), at)


class TestChanges:
    def test_new_vanished_changed_and_moved(self) -> None:
        before = [resource(id="same"), resource(id="old", name="two"), resource(id="gone", name="three")]
        now = [
            resource(id="same", last_modified="b"),
            resource(id="fresh", name="two"),
            resource(id="new", name="four"),
        ]
        changes = compare(before, now)
        assert [r.id for r in changes.new] == ["fresh", "new"]
        assert [r.id for r in changes.vanished] == ["old", "gone"]
        assert [(c.now.id, c.attributes) for c in changes.changed] == [("same", ("last_modified",))]
        assert [(c.before.id, c.now.id) for c in changes.moved] == [("old", "fresh")]
        assert changes

    def test_what_moves_with_any_edit_is_no_change(self) -> None:
        edited = resource(metadata_modified_utc=NOON, position=4)
        assert not compare([resource()], [edited])

    @pytest.mark.parametrize(
        "changed", [{"url": "u"}, {"name": "n"}, {"url_type": "datastore"}, {"format": "X"}, {"datastore_active": True}]
    )
    def test_every_other_difference_is(self, changed: dict[str, Any]) -> None:
        (change,) = compare([resource()], [resource(**changed)]).changed
        assert change.attributes == tuple(changed)


class TestMemory:
    def test_the_first_sweep_has_no_changes(self, tmp_path: Path) -> None:
        learned = Memory(tmp_path).learn(portal_of(resource()))
        assert (learned.changes.first, bool(learned.changes), learned.before_utc) == (True, False, None)
        assert learned.first_seen_utc == {"1": NOON}

    def test_the_next_is_compared_with_it_and_keeps_when_each_was_first_seen(self, tmp_path: Path) -> None:
        later = NOON + timedelta(hours=1)
        Memory(tmp_path).learn(portal_of(resource(last_modified_utc=NOON, created_utc=NOON)))
        learned = Memory(tmp_path).learn(portal_of(resource(last_modified="b"), resource(id="2"), at=later))
        assert [c.now.id for c in learned.changes.changed] == ["1"]
        assert [r.id for r in learned.changes.new] == ["2"]
        assert learned.first_seen_utc == {"1": NOON, "2": later}
        assert learned.before_utc == NOON
        assert not Memory(tmp_path).learn(portal_of(resource(last_modified="b"), resource(id="2"), at=later)).changes
        assert [path.name for path in Memory(tmp_path).path.parent.iterdir()] == ["portal.json"]

    @pytest.mark.parametrize("text", [b"", b"{", b'{"version": 1}', b"\xff\xfe"])
    def test_a_file_that_cannot_be_read_is_told_and_counts_as_none(
        self, tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        memory = Memory(tmp_path)
        memory.path.parent.mkdir()
        memory.path.write_bytes(text)
        with caplog.at_level(logging.WARNING):
            assert memory.learn(portal_of(resource())).changes.first
        assert "nothing is known of earlier sweeps" in caplog.text
        assert not memory.learn(portal_of(resource())).changes.first

    def test_another_version_counts_as_none(self, tmp_path: Path) -> None:
        memory = Memory(tmp_path)
        memory.learn(portal_of(resource()))
        memory.path.write_text(memory.path.read_text().replace('"version":1', '"version":2'))
        assert memory.learn(portal_of(resource())).changes.first

    def test_a_home_that_cannot_be_written_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "neso").write_text("in the way")
        with pytest.raises(SpoolError):
            Memory(tmp_path).learn(portal_of())
