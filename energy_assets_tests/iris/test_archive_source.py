"""The archive as a source: windows into segments, over real HTTP, against the stand-in and against scripted peers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from energy_assets.catalogue import bmrs
from energy_assets.catalogue.model import Dataset, Query
from energy_assets.errors import (
    CatalogueError,
    ContractError,
    FetchError,
    SpoolError,
    StatusError,
    TransportError,
    WindowTooLargeError,
)
from energy_assets.ingest.model import Body, Source, Window
from energy_assets.sandbox.archive import ArchiveSandbox
from energy_assets.sandbox.messages import Message, Messages, tag_time
from energy_assets.settings import Settings
from energy_assets.sources.iris import archive as module
from energy_assets.sources.iris.archive import GONE_MOST, ArchiveSource, archive_client
from energy_assets.sources.iris.envelope import Envelope, decode, raw_body
from energy_assets_tests.iris.archive_world import HOUR, NOON, Stage, staged
from energy_assets_tests.unit.loopback import QUICK, Peer, Reply, Request

WINDOW = Window(NOON, NOON + HOUR)
FAST = 10_000.0
DECLARED = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>'
BMRS = {entry.code: entry for entry in bmrs.ENTRIES}


def stream(name: str, base: str = "FUELINST") -> Dataset:
    return replace(BMRS[base], code=f"{name.upper()}_IRIS", query=Query(path=name, atom=60, most=60))


FUELINST = stream("FUELINST")


async def fetched(url: str, dataset: Dataset, window: Window, to: Path, **options: Any) -> Body:
    client = archive_client(url, **{"requests_per_second": FAST, "concurrency": 8, "patience": QUICK} | options)
    source: Source = ArchiveSource(client)
    try:
        body = await source.fetch(dataset, window, to)
        assert body.attempts == source.requests_sent(dataset)
        assert body.url == source.url(dataset, window)
        return body
    finally:
        await source.aclose()


def fetch(url: str, to: Path, dataset: Dataset = FUELINST, window: Window = WINDOW, **options: Any) -> Body:
    return asyncio.run(fetched(url, dataset, window, to, **options))


def failure(url: str, to: Path, dataset: Dataset = FUELINST, window: Window = WINDOW, **options: Any) -> Exception:
    with pytest.raises((FetchError, ContractError, CatalogueError, SpoolError)) as caught:
        fetch(url, to, dataset, window, **options)
    assert list(to.parent.iterdir()) == [], "a failed fetch must leave nothing"
    assert caught.value.__context__ is None or isinstance(caught.value.__context__, FetchError | OSError)
    return caught.value


def envelopes(body: Body) -> list[Envelope]:
    text = body.path.read_bytes()
    assert (body.size, body.sha256) == (len(text), hashlib.sha256(text).hexdigest())
    return [decode(line) for line in text.splitlines(keepends=True)]


def told(messages: Sequence[Message]) -> list[tuple[str, datetime, bytes]]:
    return [(m.message_id, m.sent_utc, m.body) for m in messages]


def held(body: Body) -> list[tuple[str, datetime, bytes]]:
    return [(e.message_id, e.enqueued_utc, raw_body(e)) for e in envelopes(body)]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


@pytest.fixture
def sandbox(served: tuple[Stage, str]) -> ArchiveSandbox:
    return served[0].fresh()


@pytest.fixture
def url(served: tuple[Stage, str], sandbox: ArchiveSandbox) -> str:
    return served[1]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder / "segment.json"


class TestSegment:
    def test_holds_every_message_of_the_window_in_order(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        body = fetch(url, to)
        sent = sandbox.messages.between("FUELINST", NOON, NOON + HOUR)
        assert held(body) == told(sent)
        assert len(sent) == 12
        assert (body.path, body.status, body.sandbox, body.attempts) == (to, 200, True, 13)
        assert [path.name for path in to.parent.iterdir()] == [to.name]

    def test_says_where_each_message_came_from(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        body = fetch(url, to)
        first = envelopes(body)[0]
        message = sandbox.messages.between("FUELINST", NOON, NOON + HOUR)[0]
        assert first.origin == f"{url}/data/FUELINST/{message.message_id}"
        assert (first.stream, first.subject, first.source) == ("FUELINST", "FUELINST", "SANDBOX")
        assert (first.sequence_number, first.delivery_count) == (None, 0)
        assert first.received_utc >= body.requested_utc

    def test_is_asked_for_by_tags_alone(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        fetch(url, to)
        search = sandbox.requests[0]
        assert dict(search.params) == {
            "comp": "blobs",
            "restype": "container",
            "where": "\"Dataset\" = 'FUELINST' AND \"UploadTime\" >= '2026-03-29T12:00:00Z' AND "
            "\"UploadTime\" < '2026-03-29T13:00:00Z'",
            "maxresults": "5000",
        }

    def test_of_three_pages_is_whole(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        sandbox.page_blobs = 5
        body = fetch(url, to)
        assert held(body) == told(sandbox.messages.between("FUELINST", NOON, NOON + HOUR))
        assert body.attempts == 15
        assert len(sandbox.requests.of("tags/FUELINST")) == 3

    def test_of_nothing_is_an_empty_file(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        body = fetch(url, to, stream("UNHEARD_OF"))
        assert to.read_bytes() == b""
        assert (body.size, body.sha256, body.attempts) == (0, hashlib.sha256().hexdigest(), 1)

    def test_ends_before_the_window_does(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        sandbox.messages = Messages.only(
            Message("S", f"{second}.json", NOON + timedelta(seconds=second), tag_time(NOON), b"[]")
            for second in (-1, 0, 1, 3599, 3600)
        )
        body = fetch(url, to, stream("S"))
        assert [e.message_id for e in envelopes(body)] == ["0.json", "1.json", "3599.json"]

    def test_takes_bounds_of_any_zone(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        summer = timezone(HOUR)
        body = fetch(url, to, window=Window(NOON.astimezone(summer), (NOON + HOUR).astimezone(summer)))
        assert held(body) == told(sandbox.messages.between("FUELINST", NOON, NOON + HOUR))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"not json",
            b"\xff\xfe\x00 not text",
            b'"[{\\"a\\":1}]"',
            b"[" + b"1," * 200_000 + b"1]",
            b"[1]\r\n[2]\n",
            "\u2028\x00\x85".encode(),
        ],
    )
    def test_holds_any_body_byte_for_byte(self, sandbox: ArchiveSandbox, url: str, to: Path, body: bytes) -> None:
        sandbox.messages = Messages.only([Message("S", "1.json", NOON, tag_time(NOON), body)])
        assert [raw_body(e) for e in envelopes(fetch(url, to, stream("S")))] == [body]

    @pytest.mark.parametrize(
        "name", ["a b.json", "ü&<>\"'.json", "100%.json", "a?b=c.json", "a#b.json", "a+b.json", "%2e%2e.json", "x"]
    )
    def test_takes_any_name_as_the_message_id(self, sandbox: ArchiveSandbox, url: str, to: Path, name: str) -> None:
        sandbox.messages = Messages.only([Message("S", name, NOON, tag_time(NOON), b"[1]")])
        (envelope,) = envelopes(fetch(url, to, stream("S")))
        assert envelope.message_id == name
        assert "?" not in envelope.origin

    def test_is_built_from_settings(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        settings = Settings(iris_archive_url=url, iris_archive_concurrency=2)
        assert settings.iris_archive_label == "SANDBOX"
        assert Settings().iris_archive_label == "IRIS-ARCHIVE"

        async def run() -> Body:
            source = ArchiveSource.from_settings(settings)
            try:
                return await source.fetch(FUELINST, WINDOW, to)
            finally:
                await source.aclose()

        assert len(envelopes(asyncio.run(run()))) == 12
        assert sandbox.requests.peak <= 2


class TestFault:
    @pytest.mark.parametrize("scope", ["tags/FUELINST", "blob/FUELINST"])
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "status": 503},
            {"kind": "status", "status": 500},
            {"kind": "status", "status": 429, "seconds": 1},
            {"kind": "truncate"},
            {"kind": "reset"},
            {"kind": "short"},
            {"kind": "html"},
        ],
        ids=lambda fault: "-".join(str(value) for value in fault.values()),
    )
    def test_that_passes_costs_requests_only(
        self, sandbox: ArchiveSandbox, url: str, to: Path, scope: str, fault: dict[str, Any]
    ) -> None:
        sandbox.faults.add(dataset=scope, count=2, **fault)
        body = fetch(url, to)
        assert held(body) == told(sandbox.messages.between("FUELINST", NOON, NOON + HOUR))
        assert body.attempts == 15

    @pytest.mark.parametrize("scope", ["tags/FUELINST", "blob/FUELINST"])
    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("status", StatusError),
            ("truncate", TransportError),
            ("reset", TransportError),
            ("short", TransportError),
            ("html", TransportError),
        ],
    )
    def test_that_stays_fails_the_window(
        self, sandbox: ArchiveSandbox, url: str, to: Path, scope: str, kind: Any, expected: type[Exception]
    ) -> None:
        sandbox.faults.add(kind, dataset=scope, skip=scope.startswith("blob"), status=503)
        error = failure(url, to)
        assert type(error) is expected
        assert str(error).startswith("FUELINST_IRIS, 2026-03-29T12:00Z to 2026-03-29T13:00Z: GET http://127.0.0.1")
        assert str(error).endswith(
            "the next refresh asks again, so check "
            f"{'' if kind == 'status' else 'the network and '}ENERGY_ASSETS_IRIS_ARCHIVE_URL only if this persists."
        )

    def test_compressed_blobs_that_end_early_are_asked_again(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        long = Message("S", "1.json", NOON, tag_time(NOON), b"[" + b'{"a":1},' * 1000 + b'{"a":2}]')
        sandbox.messages = Messages.only([long])
        sandbox.faults.add("truncate", dataset="blob/S", count=2)
        body = fetch(url, to, stream("S"))
        assert [raw_body(e) for e in envelopes(body)] == [long.body]
        assert body.attempts == 4

    def test_a_blob_that_is_listed_and_gone_lets_the_others_land(
        self, sandbox: ArchiveSandbox, url: str, to: Path
    ) -> None:
        sandbox.faults.add("vanished", dataset="blob/FUELINST", skip=3, count=GONE_MOST)
        sent = sandbox.messages.between("FUELINST", NOON, NOON + HOUR)
        body = fetch(url, to)
        told = envelopes(body)
        assert [(e.message_id, e.enqueued_utc) for e in told] == [(m.message_id, m.sent_utc) for m in sent]
        gone = [e for e, m in zip(told, sent, strict=True) if raw_body(e) != m.body]
        assert len(gone) == GONE_MOST and body.attempts == len(sent) + 1
        for envelope in gone:
            assert f"data/FUELINST/{envelope.message_id} is listed and gone" in (envelope.refused or "")

    def test_an_archive_whose_blobs_are_gone_fails(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        sandbox.faults.add("vanished", dataset="blob/FUELINST", skip=3, count=GONE_MOST + 1)
        error = failure(url, to)
        assert isinstance(error, StatusError)
        assert error.status == 404
        assert "data/FUELINST/FUELINST_20260329" in str(error)
        assert "is listed and gone" in str(error)
        assert "BlobNotFound" in str(error)

    def test_a_list_whose_pages_repeat_ends(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        sandbox.faults.add("same_marker", dataset="tags/FUELINST")
        error = failure(url, to)
        assert isinstance(error, ContractError)
        assert "a list whose pages repeat" in str(error)
        assert len(sandbox.requests) == 2

    def test_a_list_without_an_end_ends(
        self, sandbox: ArchiveSandbox, url: str, to: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MOST_PAGES", 4)
        sandbox.faults.add("endless", dataset="tags/FUELINST")
        error = failure(url, to)
        assert isinstance(error, ContractError)
        assert "more than 4 pages" in str(error)
        assert len(sandbox.requests) == 4

    def test_blobs_of_another_time_are_refused(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        sandbox.faults.add("wrong_window", dataset="tags/FUELINST")
        error = failure(url, to)
        assert isinstance(error, ContractError)
        assert "2026-03-22T" in str(error)
        assert "not asked for" in str(error)

    def test_a_refused_search_is_not_repeated(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        sandbox.faults.add("status", dataset="tags/FUELINST", status=400)
        error = failure(url, to)
        assert isinstance(error, StatusError)
        assert error.status == 400
        assert "(ServerBusy: The server is currently unable to receive requests.)" in str(error)
        assert "asking again will not help" in str(error)
        assert len(sandbox.requests) == 1

    def test_a_search_that_is_too_wide_asks_for_a_shorter_window(self, url: str, to: Path) -> None:
        error = failure(url, to, window=Window(NOON, NOON + 999 * HOUR))
        assert isinstance(error, WindowTooLargeError)
        assert error.limit == timedelta(days=31)
        assert "InvalidQueryParameterValue: This stand-in searches 31 days" in str(error)

    def test_more_than_a_segment_takes_asks_for_a_shorter_window(
        self, url: str, to: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "SEGMENT_MOST_BYTES", 5_000)
        error = failure(url, to)
        assert isinstance(error, WindowTooLargeError)
        assert error.limit is None

    def test_a_blob_larger_than_any_message_is_named(
        self, sandbox: ArchiveSandbox, url: str, to: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "BLOB_MOST_BYTES", 100_000)
        sandbox.messages = Messages.only([Message("S", "big.json", NOON, tag_time(NOON), b"[]" * 100_000)])
        error = failure(url, to, stream("S"))
        assert isinstance(error, ContractError)
        assert "data/S/big.json, which is larger than 100,000 bytes" in str(error)

    def test_a_full_disk_is_told(self, url: str, tmp_path: Path) -> None:
        with pytest.raises(SpoolError):
            fetch(url, tmp_path / "missing" / "segment.json")

    @pytest.mark.parametrize(
        ("dataset", "window", "expected"),
        [
            (stream(""), WINDOW, CatalogueError),
            (stream("../escape"), WINDOW, CatalogueError),
            (stream("A' OR 'B"), WINDOW, CatalogueError),
            (FUELINST, Window(NOON, NOON), ContractError),
            (FUELINST, Window(NOON.replace(tzinfo=None), (NOON + HOUR).replace(tzinfo=None)), ContractError),
            (FUELINST, Window(NOON, NOON + timedelta(microseconds=5)), ContractError),
        ],
    )
    def test_in_our_own_question_is_not_sent(
        self, sandbox: ArchiveSandbox, url: str, to: Path, dataset: Dataset, window: Window, expected: type[Exception]
    ) -> None:
        assert type(failure(url, to, dataset, window)) is expected
        assert len(sandbox.requests) == 0


class TestDays:
    DAYS = 3
    HALFHOURLY = stream("FUELHH", "FUELHH")

    def windows(self) -> list[Window]:
        begin = NOON - 12 * HOUR
        return [Window(begin + n * HOUR, begin + (n + 1) * HOUR) for n in range(24 * self.DAYS)]

    async def refill(self, url: str, folder: Path, done: dict[Window, Body]) -> None:
        """Fetch what is not done, as a refresh does with the windows that have no receipt."""
        source = ArchiveSource(archive_client(url, requests_per_second=FAST, concurrency=8, patience=QUICK))

        async def one(number: int, window: Window) -> None:
            done[window] = await source.fetch(self.HALFHOURLY, window, folder / f"{number}.json")

        try:
            todo = [(n, window) for n, window in enumerate(self.windows()) if window not in done]
            results = await asyncio.gather(*(one(*ask) for ask in todo), return_exceptions=True)
            failed = [result for result in results if result is not None]
            if failed:
                assert all(isinstance(result, FetchError) for result in failed)
                raise failed[0]
        finally:
            await source.aclose()

    def test_are_fetched_window_by_window_interrupted_and_resumed(
        self, sandbox: ArchiveSandbox, url: str, tmp_path: Path
    ) -> None:
        begin, end = self.windows()[0].from_utc, self.windows()[-1].to_utc
        sent = sandbox.messages.between("FUELHH", begin, end)
        assert len(sent) == 48 * self.DAYS
        done: dict[Window, Body] = {}

        number = sandbox.faults.add("status", dataset="blob/FUELHH", status=400, skip=60, count=6)
        with pytest.raises(StatusError):
            asyncio.run(self.refill(url, tmp_path, done))
        interrupted = len(done)
        assert 0 < interrupted < 24 * self.DAYS
        assert len(list(tmp_path.iterdir())) == interrupted, "nothing but whole segments stays"

        sandbox.faults.remove(number)
        sandbox.requests.clear()
        asyncio.run(self.refill(url, tmp_path, done))
        assert len(sandbox.requests.of("tags/FUELHH")) == 24 * self.DAYS - interrupted
        assert [row for window in self.windows() for row in held(done[window])] == told(sent)

    def test_bring_the_same_messages_again(self, sandbox: ArchiveSandbox, url: str, to: Path) -> None:
        window = Window(NOON - 12 * HOUR, NOON + 12 * HOUR)
        first = held(fetch(url, to, self.HALFHOURLY, window))
        assert held(fetch(url, to, self.HALFHOURLY, window)) == first
        assert len(first) == 48


def listing(names: Sequence[str], marker: str = "", uploaded: str = "2026-03-29T12:00:01Z", tag: str = "S") -> bytes:
    blobs = "".join(
        f"<Blob><Name>{name}</Name><Tags><TagSet><Tag><Key>Dataset</Key><Value>{tag}</Value></Tag>"
        f"<Tag><Key>UploadTime</Key><Value>{uploaded}</Value></Tag></TagSet></Tags></Blob>"
        for name in names
    )
    return (
        f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    ).encode()


def asked(script: Callable[[int, Request], Reply], to: Path, **options: Any) -> tuple[Body, Peer]:
    """Fetch a window of the stream S from a scripted peer."""

    async def run() -> tuple[Body, Peer]:
        async with Peer(script) as peer:
            return await fetched(peer.url, stream("S"), WINDOW, to, **options), peer

    return asyncio.run(run())


def refused(script: Callable[[int, Request], Reply], to: Path) -> Exception:
    with pytest.raises((FetchError, ContractError)) as caught:
        asked(script, to)
    assert list(to.parent.iterdir()) == []
    return caught.value


class TestPeer:
    def test_is_believed_to_be_the_archive_unless_it_says_otherwise(self, to: Path) -> None:
        body, _ = asked(lambda n, _: Reply(body=listing(["data/S/1.json"]) if n == 0 else b"[1]"), to)
        assert [e.source for e in envelopes(body)] == ["IRIS-ARCHIVE"]
        assert not body.sandbox

    def test_sees_whole_gets_of_a_known_version(self, to: Path) -> None:
        _, peer = asked(lambda n, _: Reply(body=listing(["data/S/a b.json"]) if n == 0 else b"[1]"), to)
        assert peer.requests[0].target == (
            "/api/v1?comp=blobs&restype=container&where=%22Dataset%22%20%3D%20%27S%27%20AND%20%22UploadTime%22%20%3E%3D"
            "%20%272026-03-29T12:00:00Z%27%20AND%20%22UploadTime%22%20%3C%20%272026-03-29T13:00:00Z%27&maxresults=5000"
        )
        assert peer.requests[1].target == "/api/v1/data/S/a%20b.json"
        for request in peer.requests:
            assert request.headers["x-ms-version"] == module.STORE_VERSION
            assert not {"range", "x-ms-range", "authorization", "x-api-key"} & request.headers.keys()

    def test_may_send_pages_that_are_empty_overlap_or_encode_names(self, to: Path) -> None:
        name = '</Name><Name Encoded="true">data/S/%EF%BF%BE.json'
        encoded = listing(["X"]).replace(b"<Name>X", name.removeprefix("</Name>").encode())
        pages = [
            listing([], "one"),
            listing(["data/S/2.json", "data/S/1.json"], "two"),
            listing(["data/S/2.json"], "three"),
            encoded,
        ]
        body, peer = asked(lambda n, _: Reply(body=pages[n] if n < 4 else b"[1]"), to)
        assert [e.message_id for e in envelopes(body)] == ["1.json", "2.json", "\ufffe.json"]
        assert [r.target.partition("&marker=")[2] for r in peer.requests[:4]] == ["", "one", "two", "three"]

    @pytest.mark.parametrize(
        "uploaded", ["2026-03-29T12:00:01.250Z", "2026-03-29T12:00:01+00:00", "2026-03-29T12:00:01Z"]
    )
    def test_may_write_times_otherwise_than_documented(self, to: Path, uploaded: str) -> None:
        body, _ = asked(lambda n, _: Reply(body=listing(["d/1"], uploaded=uploaded) if n == 0 else b"[1]"), to)
        assert envelopes(body)[0].enqueued_utc == datetime.fromisoformat(uploaded)

    @pytest.mark.parametrize(
        "page",
        [
            listing(["d/1"], uploaded="2026-03-29T13:00:00Z"),
            listing(["d/1"], uploaded="2026-03-29T11:59:59Z"),
            listing(["d/1"], uploaded="2026-03-29T12:00:01"),
            listing(["d/1"], uploaded="2026-03-29T12 o'clock"),
            listing(["d/1"], uploaded=""),
            listing(["d/1"], tag="T"),
            listing(["d/1"], tag="s"),
            b"<EnumerationResults><Blobs><Blob><Name>d/1</Name></Blob></Blobs></EnumerationResults>",
        ],
    )
    def test_that_lists_what_was_not_asked_for_is_refused(self, to: Path, page: bytes) -> None:
        error = refused(lambda n, _: Reply(body=page), to)
        assert isinstance(error, ContractError)
        assert "'d/1'" in str(error)

    @pytest.mark.parametrize(
        "page",
        [
            b"",
            b"{}",
            b"<Error><Code>x</Code></Error>",
            b"<EnumerationResults><Other/></EnumerationResults>",
            listing(["d/1"])[:-5],
            DECLARED + listing(["d/1"]),
            (b'<?xml version="1.0" encoding="UTF-16"?>' + DECLARED + listing(["d/1"])).decode().encode("utf-16"),
            (DECLARED + listing(["d/1"])).decode().encode("utf-16-le"),
            (DECLARED + listing(["d/1"])).decode().encode("utf-16-be"),
        ],
    )
    def test_that_sends_no_list_is_asked_again_and_given_up(self, to: Path, page: bytes) -> None:
        error = refused(lambda n, _: Reply(body=page), to)
        assert isinstance(error, TransportError)
        assert "tried 6 times" in str(error)

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (Reply(body=b"[1]", framing="close"), "nothing tells where it ends"),
            (Reply(body=b"[1]", length=9), "answered brokenly"),
            (Reply(body=b"[1]", headers=(("content-md5", "AAAA"),)), "its digest is not the one told"),
            (Reply(body=b"", headers=(("content-encoding", "gzip"),)), "compressed data end early"),
        ],
    )
    def test_whose_blob_is_not_whole_is_asked_again_and_given_up(self, to: Path, reply: Reply, reason: str) -> None:
        closing = replace(reply, cut=None if reply.length is None else len(reply.wire()))
        error = refused(lambda _, r: Reply(body=listing(["d/1"])) if "comp=" in r.target else closing, to)
        assert isinstance(error, TransportError)
        assert reason in str(error)

    def test_that_is_slow_with_one_blob_is_asked_for_few_more(self, to: Path) -> None:
        """The first blob comes last: the others wait on disk, in bounded number, and the order stays."""
        names = [f"data/S/{n:03}.json" for n in range(2 * module.AHEAD)]
        gate = asyncio.Event()
        early: list[str] = []

        def script(_: int, request: Request) -> Reply:
            if "comp=" in request.target:
                return Reply(body=listing(names))
            if request.target.endswith("000.json"):
                return Reply(body=b"[0]", gate=gate)
            if not gate.is_set():
                early.append(request.target)
            if len(early) == module.AHEAD - 1:
                gate.set()
            return Reply(body=b"[1]")

        body, peer = asked(script, to)
        assert [e.origin for e in envelopes(body)] == [f"{peer.url}/{name}" for name in names]
        assert len(early) == module.AHEAD - 1
        assert peer.most_in_flight <= 8

    def test_that_hangs_can_be_left(self, to: Path) -> None:
        """A fetch that is cancelled leaves neither files nor tasks, and the next one is whole."""
        hanging = asyncio.Event()
        gate = asyncio.Event()

        def script(_: int, request: Request) -> Reply:
            if "comp=" in request.target:
                return Reply(body=listing(["data/S/1.json", "data/S/2.json"]))
            if request.target.endswith("2.json"):
                hanging.set()
                return Reply(body=b"[2]", gate=gate)
            return Reply(body=b"[1]")

        async def run() -> Body:
            async with Peer(script) as peer:
                fetching = asyncio.create_task(fetched(peer.url, stream("S"), WINDOW, to))
                await hanging.wait()
                fetching.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await fetching
                assert list(to.parent.iterdir()) == []
                gate.set()
                return await fetched(peer.url, stream("S"), WINDOW, to)

        assert [raw_body(e) for e in envelopes(asyncio.run(run()))] == [b"[1]", b"[2]"]
