"""The stand-in of Google Sheets: what gspread asks over HTTP, answered from spreadsheets in memory.

Requests, quotas and error shapes belong here; what a spreadsheet is, to ``sheets_model``; misbehaviour to ``faults``.
Faults are scoped by ``read``, ``write`` (values) and ``change`` (worksheets). A ``reset`` comes after the request has
been done: its effect is there and its answer is lost. What a person does to a spreadsheet is done to ``books``.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.control import Sandbox, control_app
from energy_assets.sandbox.elexon import hang_up
from energy_assets.sandbox.faults import HTML, Fault, Faults, RequestLog
from energy_assets.sandbox.sheets_model import Formula, Spreadsheet, WrongRequestError, a1, described

BASE_PATH = "/v4/spreadsheets"
SHEETS_PATH = ""
"""Path of the address that a client is given: it adds ``BASE_PATH`` itself."""

SHEET_ID = "sandbox-sheet"
"""The spreadsheet that is there from the start."""

READ, WRITE, CHANGE = "read", "write", "change"

PER_MINUTE = 60
"""Reads, and as many writes, that one user may make in a minute."""

MINUTE = timedelta(minutes=1)

STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}

_PATH = re.compile(rf"{BASE_PATH}/([^/:]+)(?:/values/(.+)|(/values)?:([A-Za-z]+))?")


class SheetsSandbox(Sandbox):
    """An ASGI application that behaves like the API.

    Attributes:
        books: Spreadsheets by identifier.
        faults: Faults in force.
        requests: Every request received; its dataset is ``read``, ``write`` or ``change``.
        latency: Seconds added to every answer.
        clock: The present, by which quotas refill.
        per_minute: Reads, and writes, that are answered in a minute.
        appended: Requests that appended, which are not repeatable and never to be made.
    """

    def __init__(
        self, *, seed: int = 0, per_minute: int = PER_MINUTE, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.books = {SHEET_ID: Spreadsheet()}
        self.faults = Faults(seed)
        self.requests = RequestLog()
        self.latency = 0.0
        self.clock = clock or _utc_now
        self.per_minute = per_minute
        self.appended = 0
        self.source = None
        self._recent: dict[bool, deque[datetime]] = {True: deque(), False: deque()}
        self._control = control_app(self)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        # The path as it was sent: a worksheet's name may hold a slash.
        path = unquote(scope["raw_path"].decode())
        kind = READ if request.method == "GET" else CHANGE if path.endswith(":batchUpdate") else WRITE
        kind = WRITE if path.endswith("/values:batchUpdate") else kind
        faults = self.faults.hits(kind)
        self.requests.begin(path, (), kind, self.clock())
        try:
            body = await request.body()
            await asyncio.sleep(self.latency + sum(f.seconds for f in faults if f.kind == "latency"))
            answer = self._refused(kind, faults) or self._answer(request.method, path, scope["query_string"], body)
            await _deliver(answer, faults, scope, receive, send)
        finally:
            self.requests.end()

    def _refused(self, kind: str, faults: list[Fault]) -> Response | None:
        """What is answered before the request is looked at: a fault, or that the quota is spent."""
        for fault in faults:
            if fault.kind == "status":
                return _failure(fault)
            if fault.kind == "html":
                return Response(HTML, media_type="text/html")
        now, recent = self.clock(), self._recent[kind == READ]
        while recent and now - recent[0] >= MINUTE:
            recent.popleft()
        if len(recent) >= self.per_minute:
            metric = "Read requests" if kind == READ else "Write requests"
            return _error(429, f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute per user'.")
        recent.append(now)
        return None

    def _answer(self, method: str, path: str, query: bytes, body: bytes) -> Response:
        match = _PATH.fullmatch(path)
        if match is None:
            return _error(404, "The requested URL was not found on this server.")
        sheet_id, cells, values, verb = match[1], match[2], bool(match[3]), match[4] or ""
        if sheet_id not in self.books:
            return _error(404, "Requested entity was not found.")
        # Every request is done whole or not at all.
        book = copy.deepcopy(self.books[sheet_id])
        params = parse_qs(query.decode())
        try:
            told = self._done(book, sheet_id, (method, cells, values, verb), params, json.loads(body) if body else {})
        except WrongRequestError as error:
            return _error(400, str(error))
        except (KeyError, ValueError, TypeError) as error:
            return _error(400, f"Invalid JSON payload received: {error!r}")
        self.books[sheet_id] = book
        return JSONResponse(told)

    def _done(
        self,
        book: Spreadsheet,
        sheet_id: str,
        asked: tuple[str, str | None, bool, str],
        params: Mapping[str, list[str]],
        body: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Do one request to a copy of the spreadsheet.

        Raises:
            WrongRequestError: Google would not do it, or the stand-in does not know it.
        """
        option = params.get("valueInputOption", [""])[0]
        match asked:
            case "GET", None, False, "":
                return _spreadsheet(sheet_id, book)
            case "GET", None, True, "batchGet":
                ranges = [_read(book, cells) for cells in params.get("ranges", [])]
                return {"spreadsheetId": sheet_id, "valueRanges": ranges}
            case "GET", str(cells), False, "":
                return _read(book, cells)
            case "PUT", str(cells), False, "":
                return {"updatedRange": cells, "updatedCells": book.write(cells, body["values"], option)}
            case "POST", None, True, "batchUpdate":
                option = body.get("valueInputOption", "")
                counts = [book.write(block["range"], block["values"], option) for block in body["data"]]
                return {"spreadsheetId": sheet_id, "totalUpdatedCells": sum(counts)}
            case "POST", None, False, "batchUpdate":
                return {"spreadsheetId": sheet_id, "replies": [book.change(request) for request in body["requests"]]}
            case "POST", str(cells), False, "" if cells.endswith(":append"):
                self.appended += 1
        raise WrongRequestError(f"This stand-in does not know {asked[0]} {asked[1] or asked[3]}")


def _spreadsheet(sheet_id: str, book: Spreadsheet) -> dict[str, Any]:
    sheets = [
        {"properties": described(tab), **({"conditionalFormats": tab.rules} if tab.rules else {})} for tab in book.tabs
    ]
    return {"spreadsheetId": sheet_id, "properties": {"title": "Sandbox", "timeZone": "Etc/GMT"}, "sheets": sheets}


def _read(book: Spreadsheet, cells: str) -> dict[str, Any]:
    tab, top, left, bottom, right = book.resolve(cells)
    values = [
        ["#computed" if isinstance(v, Formula) else v for v in line] for line in tab.values(top, left, bottom, right)
    ]
    told = {"range": a1(tab, top, left, bottom, right), "majorDimension": "ROWS"}
    return {**told, "values": values} if values else told


def _error(code: int, message: str) -> Response:
    """A refusal in Google's shape."""
    error = {"code": code, "message": message, "status": STATUSES.get(code, "INTERNAL")}
    return JSONResponse({"error": error}, status_code=code)


def _failure(fault: Fault) -> Response:
    """An error status: a web page from the front for those of servers, JSON for the others."""
    if fault.status >= 500:
        answer = Response(HTML, fault.status, media_type="text/html")
    else:
        answer = _error(
            fault.status, "Quota exceeded." if fault.status == 429 else "The caller does not have permission"
        )
    if fault.seconds > 0:
        answer.headers["Retry-After"] = f"{fault.seconds:g}"
    return answer


async def _deliver(answer: Response, faults: list[Fault], scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer, or lose it on the way."""
    if any(fault.kind == "reset" for fault in faults):
        await hang_up(scope, receive, reset=True)
        return
    await answer(scope, receive, send)


def _utc_now() -> datetime:
    return datetime.now(UTC)
