"""The HTTP client against a peer that misbehaves in every way a network can, over a real loopback socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from energy_assets.errors import (
    FetchError,
    SettingsError,
    SpoolError,
    StatusError,
    TransportError,
    WindowTooLargeError,
)
from energy_assets.ingest.model import Body
from energy_assets.sources import http
from energy_assets.sources.body import BrokenBodyError
from energy_assets.sources.http import HttpClient, Patience
from energy_assets_tests.unit.loopback import QUICK, ROWS, Naps, Peer, Reply, Request, Script

T = TypeVar("T")
ENVELOPE = b'{"metadata":{"datasets":["X"]},"data":[{"a":1,"b":{"c":[2]}},{"a":3}]}'
CLOSING = (("connection", "close"),)
ONCE = Patience(attempts=1, connect=5.0, read=10.0)


def served(
    script: list[Reply] | Script, scenario: Callable[[Peer, HttpClient], Awaitable[T]], **options: Any
) -> tuple[T, Peer]:
    """Run a scenario with a client of a peer that follows the script."""

    async def run() -> tuple[T, Peer]:
        async with Peer(script) as peer, peer.client(**options) as client:
            return await scenario(peer, client), peer

    return asyncio.run(run())


def fetched(script: list[Reply] | Script, to: Path, **options: Any) -> tuple[Body, Peer]:
    return served(script, lambda _, client: client.download("/x", (), to), **options)


def failed(script: list[Reply] | Script, to: Path, **options: Any) -> tuple[FetchError, Peer]:
    async def scenario(_: Peer, client: HttpClient) -> FetchError:
        with pytest.raises(FetchError) as caught:
            await client.download("/x", (), to)
        return caught.value

    error, peer = served(script, scenario, **options)
    assert list(to.parent.iterdir()) == [], "a failed fetch must leave nothing"
    return error, peer


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "body.json"


class TestWholeBody:
    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_lands_with_digest_and_size(self, to: Path, framing: Any, encoding: str) -> None:
        body, peer = fetched([Reply(framing=framing, encoding=encoding)], to)
        assert to.read_bytes() == ROWS
        assert (body.path, body.status, body.attempts) == (to, 200, 1)
        assert (body.sha256, body.size) == (hashlib.sha256(ROWS).hexdigest(), len(ROWS))
        assert body.url == f"{peer.url}/x"
        assert body.requested_utc.tzinfo is UTC
        assert [p.name for p in to.parent.iterdir()] == ["body.json"]

    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_of_many_pieces_is_byte_for_byte(self, to: Path, framing: Any, encoding: str) -> None:
        large = json.dumps([{"n": n, "text": f"Ünït {n * 7919 % 1000}"} for n in range(90_000)]).encode() + b"\n"
        assert len(large) > 3 << 20
        body, _ = fetched([Reply(body=large, framing=framing, encoding=encoding)], to)
        assert to.read_bytes() == large
        assert (body.sha256, body.size) == (hashlib.sha256(large).hexdigest(), len(large))

    @pytest.mark.parametrize(
        "whole",
        [
            b"[]",
            b'{"data":[]}',
            b'{"data": [ ]\r\n}\r\n',
            b" [1, 2] \n\n",
            b"\xef\xbb\xbf[1]",
            ENVELOPE,
            b'{"data":[{"a":1}],"metadata":{"n":1}}',
            b'{"data":[{"a":1}],"total":1}',
            b'{"status":2}',
            b"[1]" + b" " * 5000,
        ],
    )
    def test_of_every_honest_shape_is_accepted(self, to: Path, whole: bytes) -> None:
        body, _ = fetched([Reply(body=whole)], to)
        assert to.read_bytes() == whole
        assert body.attempts == 1

    def test_replaces_an_older_file(self, to: Path) -> None:
        to.write_bytes(b"older and longer than the new body" * 10)
        fetched([Reply(body=b"[1]")], to)
        assert to.read_bytes() == b"[1]"

    def test_says_when_a_stand_in_answered(self, tmp_path: Path) -> None:
        sandbox, _ = fetched([Reply(headers=((http.SANDBOX_HEADER, "1"),))], tmp_path / "a")
        real, _ = fetched([Reply()], tmp_path / "b")
        assert (sandbox.sandbox, real.sandbox) == (True, False)


class TestBodyOfTheCallersOwnKind:
    """Bodies that are no JSON: somebody else says whether they are whole."""

    @staticmethod
    def looked_at(reply: Reply, to: Path, check: Callable[[Path], None]) -> Body:
        async def scenario(_: Peer, client: HttpClient) -> Body:
            return await client.download("", (), to, check=check)

        return served([reply], scenario)[0]

    @pytest.mark.parametrize("text", [b"", b"<a/>", b"[1,", b"\x00\xff"])
    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_lands_as_it_is(self, to: Path, text: bytes, encoding: str) -> None:
        seen: list[bytes] = []
        body = self.looked_at(Reply(body=text, encoding=encoding), to, lambda path: seen.append(path.read_bytes()))
        assert seen == [text]
        assert to.read_bytes() == text
        assert (body.sha256, body.size) == (hashlib.sha256(text).hexdigest(), len(text))

    def test_is_asked_for_again_when_it_is_refused(self, to: Path) -> None:
        def whole(path: Path) -> None:
            if path.read_bytes() != b"<a/>":
                raise BrokenBodyError("it is not whole")

        async def scenario(_: Peer, client: HttpClient) -> Body:
            return await client.download("", (), to, check=whole)

        body, peer = served([Reply(body=b"<a"), Reply(body=b"<a/>")], scenario)
        assert body.attempts == len(peer.requests) == 2
        assert {request.target for request in peer.requests} == {"/api/v1"}

    def test_has_to_say_where_it_ends(self, to: Path) -> None:
        with pytest.raises(TransportError, match="nothing tells where it ends"):
            self.looked_at(Reply(body=b"<a/>", framing="close"), to, lambda _: None)
        assert not to.exists()


class TestDigest:
    ROWS_MD5 = base64.b64encode(hashlib.md5(ROWS).digest()).decode()

    def test_that_fits_is_accepted(self, to: Path) -> None:
        body, _ = fetched([Reply(headers=(("content-md5", self.ROWS_MD5),))], to)
        assert body.attempts == 1

    def test_that_differs_is_a_broken_body(self, to: Path) -> None:
        wrong = Reply(body=b"[1]", headers=(("content-md5", self.ROWS_MD5),))
        body, _ = fetched([wrong, Reply()], to)
        assert (body.attempts, to.read_bytes()) == (2, ROWS)

    def test_of_an_encoded_body_is_left_aside(self, to: Path) -> None:
        body, _ = fetched([Reply(encoding="gzip", headers=(("content-md5", "of the other form"),))], to)
        assert body.attempts == 1


class TestRequest:
    def test_carries_the_clients_own_headers(self, to: Path) -> None:
        _, peer = fetched([Reply()], to, headers={"x-ms-version": "2021-12-02", "Accept": "*/*"})
        assert peer.requests[0].headers["x-ms-version"] == "2021-12-02"
        assert peer.requests[0].headers["accept"] == "*/*"
        assert peer.requests[0].headers["user-agent"].startswith("energy-assets/")

    def test_parameters_keep_order_and_repeat(self, to: Path) -> None:
        params = (("settlementPeriod", "3"), ("settlementPeriod", "1"), ("from", "2026-01-15T23:00Z"), ("x", "a b+c&d"))
        _, peer = served([Reply()], lambda _, client: client.download("/datasets/X", params, to))
        assert [r.target for r in peer.requests] == [
            "/api/v1/datasets/X?settlementPeriod=3&settlementPeriod=1&from=2026-01-15T23:00Z&x=a%20b%2Bc%26d"
        ]

    def test_tells_who_asks_and_takes_gzip(self, to: Path) -> None:
        _, peer = fetched([Reply()], to)
        headers = peer.requests[0].headers
        assert headers["user-agent"].startswith("energy-assets/")
        assert headers["accept-encoding"] == "gzip"
        assert headers["accept"] == "application/json"
        assert "x-api-key" not in headers

    def test_a_proxy_is_not_asked_for_this_machine(self, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://proxy.invalid:9")
        fetched([Reply()], to, patience=ONCE)
        assert to.read_bytes() == ROWS

    @pytest.mark.parametrize(
        "base",
        ["", "data.elexon.co.uk", "ftp://host/x", "http://", "https://u:hunter2@host", "https://host/?key=hunter2"],
    )
    def test_refuses_an_address_that_paths_cannot_follow(self, base: str) -> None:
        with pytest.raises(SettingsError) as caught:
            HttpClient(base, requests_per_second=1, concurrency=1)
        assert "hunter2" not in str(caught.value)


class TestStatus:
    @pytest.mark.parametrize("status", [403, 408, 429, 500, 502, 503, 504, 599])
    def test_that_may_pass_is_asked_again(self, to: Path, status: int) -> None:
        body, peer = fetched([Reply(status=status, body=b"busy"), Reply(status=status), Reply()], to)
        assert (body.attempts, len(peer.requests)) == (3, 3)
        assert to.read_bytes() == ROWS

    @pytest.mark.parametrize("status", [403, 408, 429, 500, 503])
    def test_for_ever_fails_after_all_attempts(self, to: Path, status: int) -> None:
        """The predecessor swallowed 429, 5xx and timeouts, and booked them as "no data"."""
        error, peer = failed([Reply(status=status, body=b"no luck")], to)
        assert isinstance(error, StatusError)
        assert error.status == status
        assert len(peer.requests) == QUICK.attempts
        for part in (str(status), "no luck", peer.url, f"tried {QUICK.attempts} times"):
            assert part in str(error)

    @pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 404, 405, 409, 410, 414, 422, 451])
    def test_that_will_not_pass_fails_at_once(self, to: Path, status: int) -> None:
        error, peer = failed([Reply(status=status, body=b"" if status in (204, 304) else b'{"title":"never"}')], to)
        assert isinstance(error, StatusError)
        assert (error.status, len(peer.requests)) == (status, 1)
        assert f"answered {status}" in str(error)

    def test_400_quotes_the_providers_words(self, to: Path) -> None:
        problem = {
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": {
                "": ["The From field must not be later than the To field", "Errors found when parsing DateTimes"]
            },
        }
        error, _ = failed([Reply(status=400, body=json.dumps(problem).encode())], to)
        assert isinstance(error, StatusError)
        assert "The From field must not be later than the To field; Errors found when parsing DateTimes" in str(error)

    def test_400_with_a_limit_carries_it(self, to: Path) -> None:
        text = "The date range between From and To inclusive must not exceed 1 hour"
        error, peer = failed([Reply(status=400, body=json.dumps({"errors": {"": [text]}}).encode())], to)
        assert isinstance(error, WindowTooLargeError)
        assert error.limit == timedelta(hours=1)
        assert text in str(error)
        assert len(peer.requests) == 1

    def test_long_words_are_shortened(self, to: Path) -> None:
        error, _ = failed([Reply(status=404, body=b"word " * 10_000)], to)
        assert len(str(error)) < 400

    def test_half_of_a_refusal_is_no_refusal(self, to: Path) -> None:
        refusal = Reply(status=400, body=b'{"errors":{"":["must not exceed 1 day"]}}')
        cut = Reply(status=400, body=refusal.body, cut=len(refusal.wire()) - 20)
        error, peer = failed([cut, refusal], to)
        assert isinstance(error, WindowTooLargeError)
        assert len(peer.requests) == 2


class TestBrokenAnswer:
    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    @pytest.mark.parametrize("whole", [ROWS, ENVELOPE], ids=["array", "envelope"])
    def test_cut_after_any_byte_is_never_taken_for_whole(self, tmp_path: Path, framing: Any, whole: bytes) -> None:
        """Truncation: before the headers, within them, within the body, after the last comma."""
        size = len(Reply(body=whole, framing=framing).wire())

        async def scenario(_: Peer, client: HttpClient) -> list[int]:
            taken = []
            for number in range(size):
                try:
                    await client.download("/x", (), tmp_path / "body.json")
                    taken.append(number)
                except TransportError:
                    assert list(tmp_path.iterdir()) == []
            return taken

        def script(number: int, _: Request) -> Reply:
            return Reply(body=whole, framing=framing, cut=number)

        taken, peer = served(script, scenario, patience=ONCE)
        assert (taken, len(peer.requests)) == ([], size)

    @pytest.mark.parametrize(
        "broken",
        [
            Reply(cut=0),
            Reply(cut=9),
            Reply(cut=30),
            Reply(cut=len(Reply().wire()) - 1),
            Reply(framing="chunked", cut=len(Reply(framing="chunked").wire()) - 1),
            Reply(body=b'[{"a":1},', framing="close"),
            Reply(body=b'[{"a":1},'),
            Reply(body=b'[{"a":1}'),
            Reply(body=b'{"data":[{"a":1},'),
            Reply(body=b'{"data":[{"a":1},{"a":2}'),
            Reply(body=b'{"data":[{"a":1,"b":"' + b"x" * 400 + b'"}'),
            Reply(length=len(ROWS) + 5, cut=10_000),
            Reply(length=len(ROWS) - 5, headers=CLOSING),
            Reply(body=b""),
            Reply(body=b"  \r\n\t "),
            Reply(body=b"Service Unavailable"),
            Reply(body=b"<Error/>"),
            Reply(body=b"<html>sorry</html>", headers=(("content-type", "text/html; charset=utf-8"),)),
            Reply(headers=(("content-encoding", "gzip"),)),
            Reply(headers=(("content-encoding", "br"),)),
            Reply(encoding="gzip", length=30, headers=CLOSING),
            Reply(body=b"", encoding="gzip"),
        ],
        ids=str,
    )
    def test_is_asked_again(self, to: Path, broken: Reply) -> None:
        body, peer = fetched([broken, Reply()], to)
        assert (body.attempts, len(peer.requests)) == (2, 2)
        assert to.read_bytes() == ROWS

    def test_for_ever_is_a_transport_error(self, to: Path) -> None:
        error, peer = failed([Reply(body=b'[{"a":1},')], to)
        assert isinstance(error, TransportError)
        assert "ends early" in str(error)
        assert len(peer.requests) == QUICK.attempts

    def test_compressed_body_cut_on_a_row_is_seen(self, to: Path) -> None:
        """Decompressed as far as it goes the text may close by chance; the compressed stream's own end may not."""
        wire = Reply(encoding="gzip", framing="close").wire()
        error, _ = failed([Reply(encoding="gzip", framing="close", cut=len(wire) - 8)], to, patience=ONCE)
        assert "compressed data end early" in str(error)


class TestSilence:
    @pytest.mark.parametrize("stall", [0, 20, len(Reply().wire()) - 5], ids=["first byte", "headers", "body"])
    def test_ends_in_a_timeout_and_is_asked_again(self, to: Path, stall: int) -> None:
        patience = Patience(attempts=2, backoff=0.0, backoff_least=0.0, read=0.1)
        error, peer = failed([Reply(stall=stall)], to, patience=patience)
        assert isinstance(error, TransportError)
        assert "nothing came for too long" in str(error)
        assert len(peer.requests) == 2

    def test_deadline_ends_an_answer_that_never_ends(self, to: Path) -> None:
        patience = Patience(deadline=0.2, read=60.0)
        error, peer = failed([Reply(stall=20)], to, patience=patience)
        assert isinstance(error, TransportError)
        assert "in the time allowed" in str(error)
        assert len(peer.requests) == 1

    def test_no_retry_begins_after_the_deadline(self, to: Path) -> None:
        naps = Naps()
        patience = Patience(attempts=50, backoff=8.0, backoff_least=8.0, backoff_most=8.0, deadline=20.0)
        error, peer = failed([Reply(status=500)], to, patience=patience, sleep=naps)
        assert isinstance(error, StatusError)
        assert naps.taken == [8.0, 8.0]
        assert len(peer.requests) == 3


class TestUnreachable:
    @staticmethod
    def nobody() -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{free.getsockname()[1]}"

    def test_is_told_after_all_attempts(self, to: Path) -> None:
        naps = Naps()

        async def scenario() -> None:
            options = {"requests_per_second": 1000.0, "concurrency": 2, "patience": QUICK, "sleep": naps}
            async with HttpClient(self.nobody(), **options) as client:
                with pytest.raises(TransportError, match=r"was not reached .*tried 6 times"):
                    await client.download("/x", (), to)
                assert client.requests_sent() == QUICK.attempts

        asyncio.run(scenario())
        assert len(naps.taken) == QUICK.attempts - 1

    def test_is_not_tried_over_and_over_for_every_window(self, tmp_path: Path) -> None:
        windows = 40

        async def scenario() -> int:
            options = {"requests_per_second": 1e6, "concurrency": 4, "patience": QUICK, "sleep": Naps()}
            async with HttpClient(self.nobody(), **options) as client:
                for number in range(windows):
                    with pytest.raises(TransportError):
                        await client.download("/x", (), tmp_path / str(number))
                return client.requests_sent()

        assert asyncio.run(scenario()) <= windows + http.UNREACHABLE_AFTER


class TestBackOff:
    def test_grows_is_random_and_capped(self, to: Path) -> None:
        naps = Naps()
        patience = Patience(attempts=9, backoff=1.0, backoff_least=0.1, backoff_most=4.0, deadline=1000.0)
        failed([Reply(status=500)], to, patience=patience, sleep=naps)
        assert len(naps.taken) == 8
        for number, seconds in enumerate(naps.taken):
            assert 0.1 <= seconds <= min(4.0, 2.0**number)
        assert len(set(naps.taken)) > 1

    @pytest.mark.parametrize("status", [403, 429, 503])
    def test_retry_after_seconds_is_obeyed(self, to: Path, status: int) -> None:
        naps = Naps()
        fetched([Reply(status=status, headers=(("retry-after", "37"),)), Reply()], to, sleep=naps, patience=Patience())
        assert 36 < max(naps.taken) <= 37

    def test_retry_after_date_is_obeyed(self, to: Path) -> None:
        naps = Naps()
        now = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)
        date = format_datetime(now + timedelta(seconds=45), usegmt=True)
        script = [Reply(status=429, headers=(("retry-after", date),)), Reply()]
        fetched(script, to, sleep=naps, patience=Patience(), now=lambda: now)
        assert 44 < max(naps.taken) <= 45

    def test_unreadable_retry_after_falls_to_back_off(self, to: Path) -> None:
        naps = Naps()
        fetched([Reply(status=429, headers=(("retry-after", "soon"),)), Reply()], to, sleep=naps)
        assert len(naps.taken) == 1

    def test_a_retry_after_beyond_the_cap_fails_now_and_asks_nobody_again(self, to: Path) -> None:
        async def scenario(peer: Peer, client: HttpClient) -> list[str]:
            told = []
            for group in ("BOD", "BOD", "MID"):
                with pytest.raises(StatusError) as caught:
                    await client.download("/x", (), to, group=group)
                assert caught.value.status == 429
                told.append(f"{len(peer.requests)} {caught.value}")
            return told

        naps = Naps()
        told, _ = served([Reply(status=429, headers=(("retry-after", "3600"),))], scenario, sleep=naps)
        assert told[0].startswith("1 ")
        assert "asking to wait 3600 s" in told[0]
        assert told[1].startswith("1 ")
        assert "was not sent" in told[1]
        assert told[2].startswith("2 ")
        assert naps.taken == []

    def test_retry_after_holds_the_dataset_and_no_other(self, tmp_path: Path) -> None:
        """One dataset that is refused for long must not take the others with it."""

        def script(_: int, request: Request) -> Reply:
            return Reply(status=429, headers=(("retry-after", "9"),)) if request.target.endswith("held") else Reply()

        async def scenario(_: Peer, client: HttpClient) -> bool:
            held = asyncio.ensure_future(client.download("/held", (), tmp_path / "held", group="held"))
            while client.slowdown == 1:
                await asyncio.sleep(0.005)
            await client.download("/free", (), tmp_path / "free", group="free")
            waiting = not held.done()
            held.cancel()
            await asyncio.gather(held, return_exceptions=True)
            return waiting

        waiting, peer = served(script, scenario)
        assert waiting
        assert sorted(r.target for r in peer.requests) == ["/api/v1/free", "/api/v1/held"]


class TestPace:
    def test_no_more_requests_in_flight_than_allowed(self, tmp_path: Path) -> None:
        gate = asyncio.Event()

        async def scenario(peer: Peer, client: HttpClient) -> None:
            all_of_them = [client.download("/x", (), tmp_path / str(n)) for n in range(12)]
            running = asyncio.gather(*all_of_them)
            while peer.in_flight < 3:
                await asyncio.sleep(0.005)
            gate.set()
            await running

        _, peer = served([Reply(gate=gate)], scenario, concurrency=3)
        assert len(peer.requests) == 12
        assert peer.most_in_flight == 3

    def test_no_more_requests_leave_than_the_rate_allows(self, tmp_path: Path) -> None:
        """One may leave at once; the next turn is a thousand seconds away."""

        async def scenario(peer: Peer, client: HttpClient) -> int:
            running = [asyncio.ensure_future(client.download("/x", (), tmp_path / str(n))) for n in range(9)]
            done, waiting = await asyncio.wait(running, timeout=0.5)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return len(done)

        done, peer = served([Reply()], scenario, requests_per_second=0.001)
        assert (done, len(peer.requests)) == (1, 1)

    @pytest.mark.parametrize("status", [403, 429])
    def test_refusal_for_volume_slows_down_and_answers_recover(self, tmp_path: Path, status: int) -> None:
        seen: list[int] = []

        async def scenario(_: Peer, client: HttpClient) -> None:
            for number in range(50):
                await client.download("/x", (), tmp_path / str(number))
                seen.append(client.slowdown)

        served([Reply(status=status), Reply(status=status), Reply()], scenario)
        assert (seen[0], seen[-1]) == (4, 1)
        assert seen == sorted(seen, reverse=True)

    def test_requests_refused_together_halve_the_pace_once(self, tmp_path: Path) -> None:
        gate = asyncio.Event()

        async def scenario(peer: Peer, client: HttpClient) -> int:
            running = asyncio.gather(
                *(client.download("/x", (), tmp_path / str(n)) for n in range(8)), return_exceptions=True
            )
            while peer.in_flight < 8:
                await asyncio.sleep(0.005)
            gate.set()
            await running
            return client.slowdown

        slowdown, _ = served([Reply(status=429, gate=gate)], scenario, patience=ONCE)
        assert slowdown == 2

    def test_server_errors_do_not_slow_down(self, to: Path) -> None:
        async def scenario(_: Peer, client: HttpClient) -> int:
            await client.download("/x", (), to)
            return client.slowdown

        slowdown, _ = served([Reply(status=500), Reply(status=503), Reply()], scenario)
        assert slowdown == 1

    def test_requests_are_counted_by_group(self, tmp_path: Path) -> None:
        async def scenario(_: Peer, client: HttpClient) -> tuple[int, int, int]:
            await client.download("/x", (), tmp_path / "a", group="a")
            await client.download("/x", (), tmp_path / "b", group="b")
            return client.requests_sent("a"), client.requests_sent("b"), client.requests_sent()

        counted, _ = served([Reply(status=500), Reply(cut=3), Reply()], scenario)
        assert counted == (3, 1, 4)


class TestSecrets:
    KEYS = (SecretStr("first-key/+1"), SecretStr("second-key-2"), SecretStr("third-key-3"))

    def shown(self, *texts: object) -> bool:
        return any(key.get_secret_value() in str(text) for key in self.KEYS for text in texts)

    def test_keys_rotate_in_the_header_and_never_show(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario(_: Peer, client: HttpClient) -> None:
            for number in range(5):
                await client.download("/x", (("a", "1"),), tmp_path / str(number))

        with caplog.at_level(logging.DEBUG):
            _, peer = served([Reply(), Reply(status=500), Reply()], scenario, api_keys=self.KEYS)
        sent = [r.headers["x-api-key"] for r in peer.requests]
        plain = [key.get_secret_value() for key in self.KEYS]
        assert sent == (plain * 2)
        assert not self.shown(caplog.text, *(r.target for r in peer.requests))

    @pytest.mark.parametrize("status", [400, 403, 404, 500, 302, 200])
    def test_a_peer_that_says_the_key_back_does_not_bring_it_to_light(
        self, to: Path, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        def script(_: int, request: Request) -> Reply:
            key = request.headers["x-api-key"]
            location = (("location", f"http://elsewhere.invalid/?apikey={key}"),) if status == 302 else ()
            return Reply(status=status, body=f"key {key} is over quota".encode(), headers=location)

        with caplog.at_level(logging.INFO):
            error, _ = failed(script, to, api_keys=self.KEYS)
        assert not self.shown(error, repr(error), caplog.text)
        assert error.__cause__ is None
        assert error.__context__ is None

    def test_broken_framing_does_not_bring_it_to_light(self, to: Path, caplog: pytest.LogCaptureFixture) -> None:
        def script(_: int, request: Request) -> Reply:
            return Reply(headers=((f"bad header {request.headers['x-api-key']}", "x"),))

        with caplog.at_level(logging.INFO):
            error, _ = failed(script, to, api_keys=self.KEYS)
        assert isinstance(error, TransportError)
        assert not self.shown(error, repr(error), caplog.text)

    @pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
    def test_a_key_that_no_header_can_carry_is_refused_unseen(self, key: str) -> None:
        with pytest.raises(SettingsError) as caught:
            HttpClient("http://host", requests_per_second=1, concurrency=1, api_keys=(SecretStr("ok"), SecretStr(key)))
        assert "API key 2 of 2" in str(caught.value)
        assert not key or key not in str(caught.value)


class TestRedirect:
    def test_on_the_same_host_is_followed(self, to: Path) -> None:
        script = [Reply(status=302, body=b"", headers=(("location", "/api/v1/moved?a=1"),)), Reply()]
        body, peer = fetched(script, to)
        assert [r.target for r in peer.requests] == ["/api/v1/x", "/api/v1/moved?a=1"]
        assert to.read_bytes() == ROWS
        assert body.url.endswith("/api/v1/x")

    @pytest.mark.parametrize("location", ["http://127.0.0.2:1/x", "//localhost/x", "https://127.0.0.1/x", "http://["])
    def test_to_another_host_or_port_is_not(self, to: Path, location: str) -> None:
        error, peer = failed([Reply(status=301, body=b"", headers=(("location", location),)), Reply()], to)
        assert isinstance(error, StatusError)
        assert (error.status, len(peer.requests)) == (301, 1)

    def test_in_a_circle_ends(self, to: Path) -> None:
        error, peer = failed([Reply(status=307, body=b"", headers=(("location", "/api/v1/x"),))], to)
        assert isinstance(error, StatusError)
        assert len(peer.requests) == http.REDIRECTS_MOST + 1


class TestDisk:
    def test_a_body_beyond_the_guard_asks_for_a_shorter_window(self, to: Path) -> None:
        error, peer = failed([Reply(body=b"[" + b"1," * 5000 + b"1]")], to, body_most=10_000)
        assert isinstance(error, WindowTooLargeError)
        assert error.limit is None
        assert "10,000 bytes" in str(error)
        assert len(peer.requests) == 1

    def test_a_small_body_that_unpacks_beyond_the_guard_is_stopped(self, to: Path) -> None:
        bomb = b"[" + b" " * (64 << 20) + b"]"
        error, _ = failed([Reply(body=bomb, encoding="gzip")], to, body_most=2 << 20)
        assert isinstance(error, WindowTooLargeError)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    @pytest.mark.parametrize("size", [10, 5 << 20])
    def test_full_is_one_clear_error_and_is_not_asked_again(self, to: Path, size: int) -> None:
        to.with_name(to.name + ".part").symlink_to("/dev/full")

        async def scenario(_: Peer, client: HttpClient) -> None:
            with pytest.raises(SpoolError, match="is full: free space"):
                await client.download("/x", (), to)

        _, peer = served([Reply(body=b"[" + b" " * size + b"]")], scenario)
        assert len(peer.requests) == 1
        assert list(to.parent.iterdir()) == []

    def test_missing_folder_is_one_clear_error(self, tmp_path: Path) -> None:
        async def scenario(_: Peer, client: HttpClient) -> None:
            with pytest.raises(SpoolError, match="ENERGY_ASSETS_HOME"):
                await client.download("/x", (), tmp_path / "gone" / "body.json")

        served([Reply()], scenario)

    def test_cancelled_in_the_middle_leaves_nothing(self, to: Path) -> None:
        large = Reply(body=b"[" + b" " * (4 << 20) + b"]", framing="chunked")

        async def scenario(_: Peer, client: HttpClient) -> None:
            running = asyncio.ensure_future(client.download("/x", (), to))
            while not list(to.parent.iterdir()):
                await asyncio.sleep(0.005)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        served([Reply(body=large.body, framing="chunked", stall=3 << 20)], scenario)
        assert list(to.parent.iterdir()) == []
