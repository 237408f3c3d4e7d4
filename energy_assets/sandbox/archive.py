"""The stand-in of the public IRIS archive: a blob container that is searched by tags, behind a caching front.

The store's manners belong here: the search, its pages, its refusals, blobs and ranges. Which messages there are is the
business of ``messages``, what a ``where`` may say that of ``tags``, misbehaviour that of ``faults``.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.control import Sandbox, control_app
from energy_assets.sandbox.elexon import hang_up
from energy_assets.sandbox.faults import HTML, Fault, Faults, RequestLog, cut
from energy_assets.sandbox.frame import seed_of
from energy_assets.sandbox.messages import Message, Messages, tag_time
from energy_assets.sandbox.rows import RowSource
from energy_assets.sandbox.tags import Condition, TagQueryError, fit, parse

CONTAINER = "iris-archive"
CONTAINER_PATH = f"/{CONTAINER}"

PAGE_BLOBS = 5_000
"""Most blobs of one answer, whatever ``maxresults`` asks for."""

COMPRESS_BYTES = 1_024
"""Smallest blob that the front compresses."""

SEARCH_SPAN = timedelta(days=31)
"""Longest interval of uploads that is searched for synthetic messages: there is one for every moment, so that a search
without bounds would not end. A store that holds what it has needs no such limit."""

SEARCHED = "tags/"
"""Scope of faults that befall the search for a stream: ``tags/FUELINST``."""

FETCHED = "blob/"
"""Scope of faults that befall the stream's blobs: ``blob/FUELINST``."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SECOND = timedelta(seconds=1)


class _RefusedError(Exception):
    """What the store turns down.

    Attributes:
        status: HTTP status.
        code: The store's own word for it.
        parameter: Query parameter that is at fault, with its value.
    """

    def __init__(self, status: int, code: str, text: str, parameter: tuple[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class _Search:
    """What a search asks for: its conditions, where it goes on, and how much it wants at once."""

    where: str
    conditions: tuple[Condition, ...]
    marker: str
    most: int

    @property
    def stream(self) -> str | None:
        """The stream that it is bound to, if to one."""
        named = [c.value for c in self.conditions if c.tag == "Dataset" and c.sign == "="]
        return named[0] if named else None

    @property
    def tags(self) -> set[str]:
        """Tags that it names; an answer shows no others."""
        return {condition.tag for condition in self.conditions}


class ArchiveSandbox(Sandbox):
    """An ASGI application that behaves like the archive.

    Attributes:
        messages: What it holds.
        faults: Faults in force; their ``dataset`` is ``tags/STREAM`` or ``blob/STREAM``.
        requests: Every request received, by the same names.
        latency: Seconds added to every answer.
        clock: Gives the present; nothing uploaded later is found.
        page_blobs: Most blobs of one answer.
    """

    def __init__(
        self,
        messages: Messages | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        page_blobs: int = PAGE_BLOBS,
        latency: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.messages = messages if messages is not None else Messages()
        self.source: RowSource = self.messages.source
        self.faults = Faults(seed)
        self.requests = RequestLog()
        self.latency = latency
        self.clock = clock or _utc_now
        self.page_blobs = page_blobs
        self._fresh_markers = 0
        self._control = control_app(self)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["path"].removeprefix(CONTAINER_PATH)
        params = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        name = _scope_of(path, dict(params))
        faults = self.faults.hits(name)
        self.requests.begin(path, params, name, _utc_now())
        try:
            await asyncio.sleep(self.latency + sum(f.seconds for f in faults if f.kind == "latency"))
            answer = await run_in_threadpool(self._answer, request, path, dict(params), faults)
            await _deliver(answer, faults, scope, receive, send)
        except _RefusedError as refused:
            await _refusal(refused)(scope, receive, send)
        finally:
            self.requests.end()

    def _answer(self, request: Request, path: str, params: Mapping[str, str], faults: Sequence[Fault]) -> Response:
        """The answer as the store would give it.

        Raises:
            _RefusedError: The store would turn the request down.
        """
        failure = next((fault for fault in faults if fault.kind == "status"), None)
        if failure is not None:
            return _failure(failure)
        if request.method != "GET":
            raise _RefusedError(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")
        if path in ("", "/"):
            return self._page(_read_search(params, self.page_blobs), faults)
        return self._blob(request, path.removeprefix("/"), faults)

    def _page(self, search: _Search, faults: Sequence[Fault]) -> Response:
        """One page of what a search finds."""
        kinds = {fault.kind for fault in faults}
        found = [] if "empty" in kinds else self._found(search)
        # No order is promised: neither by name nor by time.
        found.sort(key=_place)
        if search.marker and not kinds & {"same_marker", "endless"}:
            found = [message for message in found if _place(message) > _place_after(search.marker)]
        page, rest = found[: search.most], found[search.most :]
        marker = _marker(page[-1]) if rest else ""
        if "same_marker" in kinds:
            marker = "always-the-same"
        elif "endless" in kinds:
            self._fresh_markers += 1
            marker = f"fresh-{self._fresh_markers}"
        for fault in faults:
            if fault.kind == "wrong_window":
                page = [replace(m, sent_utc=m.sent_utc - timedelta(days=fault.days)) for m in page]
        return Response(_listing(search, page, marker), media_type="application/xml")

    def _found(self, search: _Search) -> list[Message]:
        now = self.clock()
        from_utc, to_utc = _upload_span(search)
        to_utc = min(to_utc, now + _SECOND)
        names = [search.stream] if search.stream is not None else self.messages.names()
        sent = self.messages.all_between(from_utc, to_utc, names)
        return [message for message in sent if message.sent_utc <= now and fit(search.conditions, message.tags)]

    def _blob(self, request: Request, name: str, faults: Sequence[Fault]) -> Response:
        """A blob whole, or the part that a standard range names.

        The store's own header ``x-ms-range`` does not pass the front: the whole blob comes, without a word on ranges.
        """
        message = self.messages.blob(name)
        gone = any(fault.kind == "vanished" for fault in faults)
        if message is None or gone or message.sent_utc > self.clock():
            raise _RefusedError(404, "BlobNotFound", "The specified blob does not exist.")
        body = message.body
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {
            "Content-MD5": digest,
            "ETag": f'"0x{digest.encode().hex()[:15].upper()}"',
            "x-ms-blob-type": "BlockBlob",
            "Accept-Ranges": "bytes",
        }
        wanted = request.headers.get("range")
        if wanted is not None:
            return _part(body, wanted, {name: value for name, value in headers.items() if name != "Content-MD5"})
        # A digest of cut bytes would not be the blob's.
        if "gzip" in request.headers.get("accept-encoding", "") and len(body) >= COMPRESS_BYTES:
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers, media_type="application/json")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _scope_of(path: str, params: Mapping[str, str]) -> str | None:
    """Which stream's search or blob a request is about."""
    parts = path.strip("/").split("/")
    if path in ("", "/"):
        try:
            conditions = parse(params.get("where", ""))
        except TagQueryError:
            return None
        stream = _Search("", conditions, "", 0).stream
        return None if stream is None else SEARCHED + stream
    return FETCHED + parts[1] if len(parts) > 2 else None


def _read_search(params: Mapping[str, str], page_blobs: int) -> _Search:
    """What the parameters of a search mean.

    Raises:
        _RefusedError: They are not those of a search, or wrong.
    """
    if params.get("comp") != "blobs" or params.get("restype") != "container":
        raise _RefusedError(404, "ResourceNotFound", "The specified resource does not exist.")
    if not params.get("where"):
        raise _RefusedError(
            400, "MissingRequiredQueryParameter", "A required query parameter was not specified.", ("where", "")
        )
    try:
        conditions = parse(params["where"])
    except TagQueryError as error:
        raise _wrong("where", params["where"], str(error)) from None
    return _Search(params["where"], conditions, params.get("marker", ""), _most(params, page_blobs))


def _most(params: Mapping[str, str], page_blobs: int) -> int:
    told = params.get("maxresults", str(PAGE_BLOBS))
    if not re.fullmatch(r"-?[0-9]{1,9}", told):
        raise _wrong("maxresults", told, "Value for one of the query parameters is invalid.")
    if int(told) <= 0:
        raise _RefusedError(
            400,
            "OutOfRangeQueryParameterValue",
            "One of the query parameters specified in the request URI is outside the permissible range.",
            ("maxresults", told),
        )
    return min(int(told), page_blobs)


def _upload_span(search: _Search) -> tuple[datetime, datetime]:
    """The half-open interval outside of which no blob can fit.

    Raises:
        _RefusedError: The search has no bounds, or too wide ones for a stand-in.
    """
    lows = [_moment(c) for c in search.conditions if c.tag == "UploadTime" and c.sign in ("=", ">", ">=")]
    highs = [_moment(c) for c in search.conditions if c.tag == "UploadTime" and c.sign in ("=", "<", "<=")]
    if not lows or not highs or min(highs) - max(lows) > SEARCH_SPAN:
        raise _wrong(
            "where", search.where, f"This stand-in searches {SEARCH_SPAN.days} days of UploadTime at most: give bounds."
        )
    return max(lows), min(highs) + _SECOND


def _moment(condition: Condition) -> datetime:
    """The instant that a bound tells; bounds are text, and a shorter one is the beginning of what it names."""
    try:
        moment = datetime.fromisoformat(condition.value)
    except ValueError:
        raise _wrong("where", condition.value, "This stand-in needs bounds of UploadTime that are times.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _place(message: Message) -> tuple[int, str]:
    """Where a blob stands in an answer."""
    return seed_of(message.blob), message.blob


def _marker(message: Message) -> str:
    return base64.urlsafe_b64encode(message.blob.encode()).decode()


def _place_after(marker: str) -> tuple[int, str]:
    """Where a page begins.

    Raises:
        _RefusedError: No answer gave that marker.
    """
    try:
        blob = base64.b64decode(marker.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise _wrong("marker", marker, "Value for one of the query parameters is invalid.") from None
    return seed_of(blob), blob


def _listing(search: _Search, page: Sequence[Message], marker: str) -> bytes:
    """A page as the store writes it, byte order mark included."""
    blobs = "".join(
        f"<Blob><Name>{escape(message.blob)}</Name><ContainerName>{CONTAINER}</ContainerName>"
        f"<Tags><TagSet>{_tag_set(message, search.tags)}</TagSet></Tags></Blob>"
        for message in page
    )
    told = f"<NextMarker>{escape(marker)}</NextMarker>" if marker else "<NextMarker />"
    return (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint={quoteattr("http://sandbox/")}>'
        f"<Where>{escape(search.where)}</Where><Blobs>{blobs}</Blobs>{told}</EnumerationResults>"
    ).encode()


def _tag_set(message: Message, named: set[str]) -> str:
    return "".join(
        f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>"
        for key, value in message.tags.items()
        if key in named
    )


def _part(body: bytes, wanted: str, headers: Mapping[str, str]) -> Response:
    """The part of a blob that a range names.

    Raises:
        _RefusedError: It lies beyond the blob's end.
    """
    match = _RANGE.fullmatch(wanted)
    if match is None or not any(match.groups()):
        return Response(body, headers=dict(headers), media_type="application/json")
    first, last = match.groups()
    begin = int(first) if first else max(0, len(body) - int(last))
    end = min(int(last), len(body) - 1) if first and last else len(body) - 1
    if begin > end:
        raise _RefusedError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    told = {**headers, "Content-Range": f"bytes {begin}-{end}/{len(body)}"}
    return Response(body[begin : end + 1], HTTPStatus.PARTIAL_CONTENT, headers=told, media_type="application/json")


def _wrong(parameter: str, value: str, text: str) -> _RefusedError:
    return _RefusedError(400, "InvalidQueryParameterValue", text, (parameter, value))


def _refusal(refused: _RefusedError) -> Response:
    """A refusal as the store words it."""
    lines = f"{refused}\nRequestId:00000000-0000-0000-0000-000000000000\nTime:{tag_time(_utc_now())}"
    about = ""
    if refused.parameter is not None:
        name, value = (escape(text) for text in refused.parameter)
        about = f"<QueryParameterName>{name}</QueryParameterName><QueryParameterValue>{value}</QueryParameterValue>"
    body = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{refused.code}</Code>'
        f"<Message>{escape(lines)}</Message>{about}</Error>"
    )
    return Response(
        body.encode(), refused.status, headers={"x-ms-error-code": refused.code}, media_type="application/xml"
    )


def _failure(fault: Fault) -> Response:
    """An error status."""
    answer = _refusal(_RefusedError(fault.status, "ServerBusy", "The server is currently unable to receive requests."))
    if fault.seconds > 0:
        answer.headers["Retry-After"] = f"{fault.seconds:g}"
    return answer


async def _deliver(answer: Response, faults: Sequence[Fault], scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer whole, or as the faults have it."""
    kinds = {fault.kind for fault in faults}
    if "html" in kinds:
        answer = Response(HTML, media_type="text/html")
    elif "truncate" in kinds:
        answer = _truncated(answer)
    if not kinds & {"reset", "short"}:
        await answer(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    body = bytes(answer.body)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await hang_up(scope, receive, reset="reset" in kinds)


def _truncated(answer: Response) -> Response:
    """The same answer, whose body ends early although it is framed as whole."""
    kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(cut(bytes(answer.body), after_comma=False), answer.status_code, headers=kept)
