"""The storage behind the portal: files at signed addresses, each good for one request, on a host of its own.

An address is answered only when it arrives byte for byte as it was told, without cookies of another host. What a file
holds is decided when its address is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.control import marked
from energy_assets.sandbox.faults import Faults, RequestLog
from energy_assets.sandbox.neso.delivery import Answer, deliver, failing

if TYPE_CHECKING:
    from energy_assets.sandbox.neso.shelf import Entry

ROUTE = "storage"
"""Name by which faults are scoped to requests that arrive here."""

ODD = (
    "X-Amz-Date={date}&X-Amz-SignedHeaders=host&x-id=GetObject&empty=&empty="
    "&response-content-disposition=attachment%3b+filename%3D'a(b)*!~%20c.csv'&q=\"|\""
)
"""Part of every signed query: in no order, with escapes in both cases, and characters that clients like to encode."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """A file as it was when its address was told."""

    entry: Entry
    body: bytes | Path


class Storage:
    """An ASGI application that holds the files.

    Attributes:
        url: Its address, set by whoever serves it.
    """

    def __init__(
        self, faults: Faults, requests: RequestLog, instants: Callable[[], datetime], clock: Callable[[], datetime]
    ) -> None:
        self.url = ""
        self._faults = faults
        self._requests = requests
        self._instants = instants
        self._clock = clock
        self._signed: dict[bytes, _Signed] = {}
        self._count = 0
        self._lock = Lock()

    def sign(self, entry: Entry, body: bytes | Path) -> str:
        """The address of a file, to be told once and used once."""
        with self._lock:
            self._count += 1
            signature = sha256(f"{self._count}/{entry.id}".encode()).hexdigest()
            query = (
                f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Credential=sandbox%2Fauto%2fs3%2Faws4_request"
                f"&X-Amz-Signature={signature}&{ODD.format(date=f'{self._clock():%Y%m%dT%H%M%SZ}')}"
            )
            target = f"/ckan/resources/{entry.id}/{quote(entry.file_name)}?{query}"
            self._signed[target.encode()] = _Signed(entry, body)
            return self.url + target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        target = scope["raw_path"].partition(b"?")[0] + b"?" + scope["query_string"]
        with self._lock:
            signed = self._signed.pop(target, None)
        names = (ROUTE, *(signed.entry.names if signed else ()))
        faults = self._faults.hits(*names)
        self._requests.begin(f"/{ROUTE}{scope['path']}", (), ROUTE, self._instants())
        try:
            await asyncio.sleep(sum(fault.seconds for fault in faults if fault.kind == "latency"))
            answer = failing(faults) or self._answer(scope, signed)
            await deliver(answer, faults, scope, receive, marked(send))
        finally:
            self._requests.end()

    def _answer(self, scope: Scope, signed: _Signed | None) -> Answer:
        headers = dict(scope["headers"])
        if b"cookie" in headers:
            return _refusal(HTTPStatus.BAD_REQUEST, "InvalidRequest", "Cookies of another host have no place here.")
        if signed is None or not self.url.endswith(headers.get(b"host", b"").decode()):
            text = "The request signature we calculated does not match the signature you provided."
            return _refusal(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", text)
        modified = signed.entry.modified_utc or self._clock()
        return Answer(
            signed.body,
            media="application/octet-stream",
            headers=(("Last-Modified", format_datetime(modified, usegmt=True)),),
        )


def _refusal(status: int, code: str, text: str) -> Answer:
    """A refusal as stores word it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return Answer(body.encode(), status, "application/xml")
