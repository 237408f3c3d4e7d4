"""A line to a BigQuery server that can be cut, slowed down and made to refuse, and that remembers every call.

It is an HTTP server of its own between client and server, so that a client meets a fault as it would meet the real
one: on its socket. Only the REST API passes through here.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

BLOCK = 1 << 16
"""Bytes that are passed on at once, so that an upload is never held whole."""

REMEMBERED = 1 << 12
"""Bytes of a request in which its job id is looked for: it stands at the front, also of an upload."""

POLL_SECONDS = 10.0
"""How long a server waits for a query that is asked for without a limit of the asker's."""

UPSTREAM_SECONDS = 600.0
"""How long an answer of the server is waited for; longer than any test lasts."""

PASSED_BY_HAND = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
"""Headers that belong to one connection, not to the message."""

KINDS: tuple[tuple[str, str, str], ...] = (
    ("POST", r"/upload/.*/jobs", "upload"),
    ("PUT", r"/upload/.*/jobs", "upload"),
    ("POST", r".*/projects/[^/]+/jobs", "insert job"),
    ("GET", r".*/projects/[^/]+/jobs", "list jobs"),
    ("GET", r".*/projects/[^/]+/jobs/[^/]+", "get job"),
    ("POST", r".*/projects/[^/]+/jobs/[^/]+/cancel", "cancel job"),
    ("POST", r".*/projects/[^/]+/queries", "query"),
    ("GET", r".*/projects/[^/]+/queries/[^/]+", "results"),
    ("GET", r".*/tables", "list tables"),
    ("POST", r".*/tables", "create table"),
    ("GET", r".*/tables/[^/]+", "get table"),
    ("PUT", r".*/tables/[^/]+", "update table"),
    ("PATCH", r".*/tables/[^/]+", "update table"),
    ("DELETE", r".*/tables/[^/]+", "delete table"),
    ("GET", r".*/tables/[^/]+/data", "table rows"),
    ("GET", r".*/datasets", "list datasets"),
    ("POST", r".*/datasets", "create dataset"),
    ("GET", r".*/datasets/[^/]+", "get dataset"),
    ("PUT", r".*/datasets/[^/]+", "update dataset"),
    ("PATCH", r".*/datasets/[^/]+", "update dataset"),
    ("DELETE", r".*/datasets/[^/]+", "delete dataset"),
)
"""Method, whole path and name of each kind of call; what is not here is ``other``."""

_JOB_ID = re.compile(rb'"jobId"\s*:\s*"([^"]+)"')

Kind = str
Match = Kind | Callable[["Call"], bool] | None
"""Which calls a fault is for: those of a kind, those that a function picks, or all."""


@dataclass(frozen=True)
class Call:
    """One call that came through.

    Attributes:
        number: Its place among all calls, from 1.
        method: HTTP method.
        path: Path without query.
        kind: What it is, by ``KINDS``.
        job_id: The job that it names, ``""`` for none.
        status: Status of the answer that the client got; 0 while there is none, or when the line was cut.
        fault: What was done to it: ``cut before``, ``cut after``, ``answered``, or nothing.
    """

    number: int
    method: str
    path: str
    kind: Kind
    job_id: str = ""
    status: int = 0
    fault: str = ""


@dataclass
class _Fault:
    action: Literal["cut before", "cut after", "answered"]
    match: Match
    skip: int
    times: int
    status: int = 0
    reason: str = ""

    def takes(self, call: Call) -> bool:
        """Whether the call meets this fault; counts it."""
        wanted = self.match is None or (self.match(call) if callable(self.match) else self.match == call.kind)
        if not wanted or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class _Delay:
    low: float
    high: float
    per: Literal["job", "call"]


class Proxy:
    """The line, and what is to happen on it.

    Args:
        server: Address of the REST API behind it, with scheme.
        seed: Of the delays that are drawn from a range.
    """

    def __init__(self, server: str, seed: int = 20260715) -> None:
        target = urlsplit(server)
        self._host, self._port = str(target.hostname), int(target.port or 80)
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._faults: list[_Fault] = []
        self._delay: _Delay | None = None
        self._calls: list[Call] = []
        self._done_at: dict[str, float] = {}
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler, self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        """Address of the REST API as clients are to use it, with scheme."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and stop."""
        self._server.shutdown()
        self._thread.join()
        self.drop_connections()
        self._server.server_close()

    # What is to happen.

    def cut(self, nth: int = 1, *, when: Literal["before", "after"] = "before", match: Match = None) -> None:
        """Close the connection at the ``nth`` call from now on that matches.

        Args:
            nth: Which call, from 1.
            when: ``before`` the server hears of it, or ``after`` the server has done it, with the answer lost.
            match: Which calls count.
        """
        self._add(_Fault("cut before" if when == "before" else "cut after", match, nth - 1, 1))

    def answer(self, status: int, reason: str, times: int = 1, match: Match = None, *, nth: int = 1) -> None:
        """Answer calls with an error instead of passing them on.

        Args:
            status: HTTP status.
            reason: BigQuery's word for the error, such as ``backendError``.
            times: How many calls.
            match: Which calls.
            nth: The first of them, from 1, among those that match from now on.
        """
        self._add(_Fault("answered", match, nth - 1, times, status, reason))

    def delay(self, seconds: float | tuple[float, float], per: Literal["job", "call"] = "job") -> None:
        """Make every job or call last longer, by so many seconds or by some number between two; 0 ends it.

        A slow job is done by the server at once, but the client is told that it runs until its time has passed.
        """
        low, high = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        with self._lock:
            self._delay = _Delay(low, high, per) if high else None

    def reset(self) -> None:
        """Let everything pass, and forget the calls so far."""
        with self._lock:
            self._faults.clear()
            self._calls.clear()
            self._done_at.clear()
            self._delay = None

    def drop_connections(self) -> None:
        """Close every connection that is open now, whatever is being asked on it."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _close(connection)

    def _add(self, fault: _Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    # What has happened.

    def calls(self, match: Match = None) -> list[Call]:
        """The calls since the last reset, those that match."""
        with self._lock:
            found = list(self._calls)
        if match is None:
            return found
        return [call for call in found if (match(call) if callable(match) else match == call.kind)]

    @property
    def pending(self) -> int:
        """Faults that have not happened yet: a test that set one can see that it was met."""
        with self._lock:
            return sum(fault.times for fault in self._faults)

    # For the handler.

    def _met(self, method: str, path: str, front: bytes) -> tuple[Call, _Fault | None]:
        kind = next((kind for m, p, kind in KINDS if m == method and re.fullmatch(p, path)), "other")
        with self._lock:
            call = Call(len(self._calls) + 1, method, path, kind, _named_job(kind, path, front))
            fault = next((fault for fault in self._faults if fault.takes(call)), None)
            if fault is not None:
                call = replace(call, fault=fault.action)
            self._calls.append(call)
            return call, fault

    def _answered(self, call: Call, status: int) -> None:
        with self._lock:
            # The log may have been reset since the call came.
            if call.number <= len(self._calls) and self._calls[call.number - 1] == call:
                self._calls[call.number - 1] = replace(call, status=status)

    def _draw(self, per: Literal["job", "call"]) -> float:
        with self._lock:
            if self._delay is None or self._delay.per != per:
                return 0.0
            return self._random.uniform(self._delay.low, self._delay.high)

    def _job_begins(self, job_id: str) -> None:
        seconds = self._draw("job")
        if seconds:
            with self._lock:
                self._done_at.setdefault(job_id, time.monotonic() + seconds)

    def _job_lasts(self, job_id: str) -> float:
        with self._lock:
            return max(0.0, self._done_at.get(job_id, 0.0) - time.monotonic())

    def _opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def _closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)


@contextmanager
def proxied(server: str) -> Iterator[Proxy]:
    """A line to a server, for as long as the context lasts."""
    line = Proxy(server)
    line.start()
    try:
        yield line
    finally:
        line.stop()


def _named_job(kind: Kind, path: str, front: bytes) -> str:
    if kind in ("get job", "results"):
        return path.rpartition("/")[2]
    found = _JOB_ID.search(front) if kind in ("insert job", "upload") else None
    return found[1].decode() if found else ""


def _close(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was faster; it is closed either way.
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Clients of many threads connect at once.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], proxy: Proxy) -> None:
        super().__init__(address, handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-sentence is no error here: tests kill clients."""


@dataclass
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and body leave in one piece.
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.proxy._opened(self.connection)

    def finish(self) -> None:
        self.server.proxy._closed(self.connection)
        super().finish()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on the terminal: the proxy has its own record of calls."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names that the base class looks for

    def _handle(self) -> None:
        proxy = self.server.proxy
        body = self._body()
        front = next(body, b"")
        call, fault = proxy._met(self.command, urlsplit(self.path).path, front[:REMEMBERED])
        time.sleep(proxy._draw("call"))
        if fault is None:
            answer = self._ask(front, body)
            self._begun(call, answer)
        else:
            if fault.action == "cut after":
                self._begun(call, self._ask(front, body))
            # What is left unread on a closed socket would reach the client as a reset in the midst of its sending.
            for _ in body:
                pass
            if fault.action != "answered":
                self.close_connection = True
                _close(self.connection)
                return
            answer = _refusal(fault.status, fault.reason)
        self._send(call, self._slowed(call, answer))

    def _body(self) -> Iterator[bytes]:
        """The request's body in blocks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            block = self.rfile.read(min(left, BLOCK))
            if not block:
                raise ConnectionError("the client went away")
            left -= len(block)
            yield block

    def _ask(self, front: bytes, rest: Iterator[bytes]) -> _Answer:
        proxy = self.server.proxy
        headers = {name: value for name, value in self.headers.items() if name.lower() not in PASSED_BY_HAND}
        length = self.headers.get("Content-Length")
        chunked = length is None and bool(front)
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif length is not None:
            headers["Content-Length"] = length

        def blocks() -> Iterator[bytes]:
            if front:
                yield front
            yield from rest

        connection = http.client.HTTPConnection(proxy._host, proxy._port, timeout=UPSTREAM_SECONDS)
        try:
            # The Host header stays that of this line, so that addresses in answers lead through it again.
            connection.request(self.command, self.path, blocks() if front else None, headers, encode_chunked=chunked)
            response = connection.getresponse()
            kept = [(n, v) for n, v in response.getheaders() if n.lower() not in PASSED_BY_HAND]
            return _Answer(response.status, kept, response.read())
        finally:
            connection.close()

    def _begun(self, call: Call, answer: _Answer) -> None:
        if call.kind in ("insert job", "upload") and answer.status == 200 and "status" in _json(answer.body):
            self.server.proxy._job_begins(call.job_id)

    def _slowed(self, call: Call, answer: _Answer) -> _Answer:
        """The answer as it is while the job lasts: not even an error is told before its end."""
        proxy = self.server.proxy
        if call.kind == "results":
            asked = parse_qs(urlsplit(self.path).query).get("timeoutMs")
            patience = float(asked[0]) / 1000 if asked else POLL_SECONDS
            time.sleep(min(patience, proxy._job_lasts(call.job_id)))
            if not proxy._job_lasts(call.job_id):
                return answer
            told: dict[str, Any] = {"jobReference": {"jobId": call.job_id}, "jobComplete": False}
        elif call.kind in ("insert job", "upload", "get job") and proxy._job_lasts(call.job_id):
            told = _json(answer.body)
            if "status" not in told:
                return answer
            kept = ("creationTime", "startTime")
            told["status"] = {"state": "RUNNING"}
            told["statistics"] = {n: v for n, v in (told.get("statistics") or {}).items() if n in kept}
        else:
            return answer
        return _Answer(200, [("Content-Type", "application/json")], json.dumps(told).encode())

    def _send(self, call: Call, answer: _Answer) -> None:
        self.server.proxy._answered(call, answer.status)
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()


def _json(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _refusal(status: int, reason: str) -> _Answer:
    """An error as the API words it."""
    message = f"The line refuses: {reason}"
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message, "domain": "global"}]}
    return _Answer(status, [("Content-Type", "application/json")], json.dumps({"error": error}).encode())
