"""The stand-in of Elexon's API: requests in, rows of a source out, with the provider's own manners.

Answers, envelopes and refusals belong here; what a request wants is read by ``windows``, rows come from a
``RowSource``, misbehaviour from ``faults``. The manners are those that the API was seen to have: unknown parameters are
ignored, both bounds are included, rows come newest first, and a window without data is an empty array.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from energy_assets.calendar import days_between, period_of, period_start_utc, periods_in_day
from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import CalendarError
from energy_assets.sandbox.control import Sandbox, control_app
from energy_assets.sandbox.faults import HTML, Fault, Faults, RequestLog, bends, bent, cut, dumped
from energy_assets.sandbox.rows import DAY, PERIOD, Branch, RowSource, chunks, instant_of, joined, micros
from energy_assets.sandbox.shape import PUBLISHED
from energy_assets.sandbox.synthetic import Synthetic
from energy_assets.sandbox.windows import (
    Ask,
    Endpoint,
    Params,
    Refused,
    Span,
    bent_ask,
    check_limit,
    endpoints,
    instant,
    read_ask,
)

BASE_PATH = "/bmrs/api/v1"

CHUNK_BYTES = 1 << 20
"""Bodies leave in pieces, so that a slow reader holds back the sender and not its memory."""

ALIVE = 2
"""``status`` of a healthy API."""

FILTERS = {
    "bmUnit": ("bmUnit", "nationalGridBmUnit"),
    "fuelType": ("fuelType",),
    "boundary": ("boundary",),
    "dataProviders": ("dataProvider",),
    "settlementRunType": ("settlementRunType",),
}
"""Optional parameters that choose rows, with the columns they look at."""

LATEST_DAYS = {"TEMP": 31}
"""How many days the latest rows of a dataset reach back, where not one publication or one day."""

STATUS_PERIODS = 25
"""Settlement periods that ``/data-status`` answers without dates."""

Row = dict[str, Any]


class ElexonSandbox(Sandbox):
    """An ASGI application that behaves like the API.

    Attributes:
        source: Where rows come from.
        faults: Faults in force.
        requests: Every request received.
        latency: Seconds added to every answer.
        clock: Gives the provider's present; nothing later is served.
    """

    def __init__(
        self,
        source: RowSource | None = None,
        *,
        catalogue: Sequence[Dataset] | None = None,
        clock: Callable[[], datetime] | None = None,
        latency: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.source: RowSource = source if source is not None else Synthetic(seed)
        self.faults = Faults(seed)
        self.requests = RequestLog()
        self.latency = latency
        self.clock = clock or _utc_now
        self._endpoints = endpoints(datasets("bmrs") if catalogue is None else catalogue)
        self._repeated: dict[str, bytes] = {}
        self._control = control_app(self)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(BASE_PATH)
        params = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        found = self._find(path, params)
        code = found[0].dataset.code if found else None
        faults = self.faults.hits(code)
        self.requests.begin(path, params, code, _utc_now())
        try:
            await asyncio.sleep(self.latency + sum(f.seconds for f in faults if f.kind == "latency"))
            failure = next((f for f in faults if f.kind == "status"), None)
            if failure is not None:
                await _failure(failure)(scope, receive, send)
                return
            body = await run_in_threadpool(self._body, path, params, found, faults)
            await _deliver(body, faults, scope, receive, send)
        except Refused as refused:
            await _problem(refused)(scope, receive, send)
        finally:
            self.requests.end()

    def _find(self, path: str, params: Params) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint of a path, that with fitting constants first, and the values in the path."""
        fitting = [(e, match) for e in self._endpoints if (match := e.pattern.fullmatch(path))]
        fitting.sort(key=lambda pair: not set(pair[0].constants.items()) <= set(params))
        return (fitting[0][0], fitting[0][1].groupdict()) if fitting else None

    def _body(
        self, path: str, params: Params, found: tuple[Endpoint, dict[str, str]] | None, faults: Sequence[Fault]
    ) -> bytes:
        """The whole body of an answer.

        Raises:
            Refused: The provider would turn the request down.
        """
        now = micros(self.clock())
        if found is None:
            return self._other_body(path.lower().rstrip("/"), params, now)
        endpoint, values = found
        dataset, kinds = endpoint.dataset, {fault.kind for fault in faults}
        ask = read_ask(endpoint, values, params)
        check_limit(endpoint, ask, params, faults)
        nothing = "empty" in kinds or ("start_end_empty" in kinds and ask.same)
        rows = b"" if nothing else self._rows(path, endpoint, bent_ask(ask, faults), now)
        rows = _filtered(rows, params, dataset)
        if bends(faults):
            rows = dumped(bent(_loaded(rows), faults, dataset))
        body = enveloped(path, dataset, rows)
        if "identical" not in kinds:
            self._repeated.pop(dataset.code, None)
            return body
        return self._repeated.setdefault(dataset.code, body)

    def _rows(self, path: str, endpoint: Endpoint, ask: Ask, now: int) -> bytes:
        """Rows of an ask, newest first, joined by commas."""
        dataset = endpoint.dataset
        if dataset.check.kind == "none":
            return self.source.register(dataset, now)
        if ask.publications:
            return self._by_publication(dataset, ask, now)
        spans = ask.spans
        if spans is None:
            spans = self._latest(dataset, ask.branch, now if ask.until is None else ask.until, now)
        renamed = {f.name: f.aliases[0] for f in dataset.fields if f.aliases}
        if not renamed or endpoint.plain:
            return self._select(dataset, ask.branch, spans, now)
        return dumped(self._merged((dataset, *endpoint.siblings), ask.branch, spans, now))

    def _select(self, dataset: Dataset, branch: Branch, spans: Sequence[Span], now: int) -> bytes:
        return joined(self.source.select(dataset, branch, low, high, now) for low, high in spans)

    def _latest(self, dataset: Dataset, branch: Branch, until: int, now: int) -> tuple[Span, ...]:
        """The last publication, or the last day of facts."""
        newest = self.source.newest(dataset, branch, until, now)
        if newest is None:
            return ()
        published = dataset.check.kind == "instant" and dataset.check.column in PUBLISHED
        back = LATEST_DAYS.get(dataset.code, 0 if published else 1) * DAY
        return ((newest - back, newest),)

    def _by_publication(self, dataset: Dataset, ask: Ask, now: int) -> bytes:
        """Rows whose publication lies in the intervals; it follows the fact by less than two days."""
        chosen: list[Row] = []
        for low, high in ask.spans or ():
            rows = _loaded(self.source.select(dataset, ask.branch, low - 2 * DAY, high, now))
            chosen.extend(row for row in rows if low <= micros(instant("publishTime", row["publishTime"])) <= high)
        return dumped(chosen)

    def _merged(self, sharing: Sequence[Dataset], branch: Branch, spans: Sequence[Span], now: int) -> list[Row]:
        """Rows of datasets that share an answer, each under the member name that it has there, joined on their key."""
        merged: dict[tuple[Any, ...], Row] = {}
        for dataset in sharing:
            names = {f.name: f.aliases[0] for f in dataset.fields if f.aliases}
            for row in _loaded(self._select(dataset, branch, spans, now)):
                place = tuple(row.get(name) for name in dataset.table.event_key)
                # The shared answer does not say which dataset a row is of: it is of both.
                told = {names.get(name, name): value for name, value in row.items() if name != "dataset"}
                merged[place] = {**merged.get(place, {}), **told}
        return list(merged.values())

    def _other_body(self, path: str, params: Params, now: int) -> bytes:
        """Endpoints that are no dataset."""
        if path == "/health":
            return _json({"status": ALIVE})
        if path == "/datasets/metadata/latest":
            return _json({"data": self._last_updates(now)})
        if path.startswith("/data-status/"):
            return self._data_status(path.rsplit("/", 1)[1].upper(), params, now)
        raise Refused(404)

    def _last_updates(self, now: int) -> list[dict[str, str]]:
        """When each dataset was last updated."""
        known = {e.dataset.code: e.dataset for e in self._endpoints if e.dataset.check.kind != "none"}
        newest = {code: self.source.newest(d, next(iter(d.branch_choices())), now, now) for code, d in known.items()}
        return [
            {"dataset": code, "lastUpdated": f"{instant_of(at):%Y-%m-%dT%H:%M:%SZ}"}
            for code, at in newest.items()
            if at is not None
        ]

    def _data_status(self, code: str, params: Params, now: int) -> bytes:
        """Rows per settlement period; the last periods unless days are named."""
        dataset = next((e.dataset for e in self._endpoints if e.dataset.code == code), None)
        if dataset is None:
            raise Refused(404)
        given = dict(params)
        if {"settlementDateFrom", "settlementDateTo"} <= given.keys():
            starts = _period_starts(given["settlementDateFrom"], given["settlementDateTo"])
        else:
            starts = [now // PERIOD * PERIOD - n * PERIOD for n in reversed(range(STATUS_PERIODS))]
        rows = [self._data_point(dataset, start, now) for start in starts]
        return _json({"metadata": {"datasets": [code]}, "data": rows})

    def _data_point(self, dataset: Dataset, start: int, now: int) -> Row:
        """How many rows one settlement period has."""
        day, period = period_of(instant_of(start))
        span = [(start, start + PERIOD - 1)]
        count = sum(len(_loaded(self._select(dataset, branch, span, now))) for branch in dataset.branch_choices())
        return {"settlementDate": day.isoformat(), "settlementPeriod": period, "dataPointCount": count}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _loaded(rows: bytes) -> list[Row]:
    """Joined row texts as Python values."""
    found: list[Row] = json.loads(b"[" + rows + b"]")
    return found


def _period_starts(first: str, last: str) -> list[int]:
    """Begins of all settlement periods of the days named.

    Raises:
        Refused: They are no days.
    """
    try:
        days = list(days_between(date.fromisoformat(first), date.fromisoformat(last)))
    except (ValueError, CalendarError):
        raise Refused(400, "settlementDateFrom", "The settlement dates are not valid.") from None
    return [micros(period_start_utc(day, p)) for day in days for p in range(1, periods_in_day(day) + 1)]


def _filtered(rows: bytes, params: Params, dataset: Dataset) -> bytes:
    """Rows that the optional filters choose."""
    names = dataset.table.by_name
    wanted: dict[str, set[str]] = {}
    for name, value in params:
        if any(column in names for column in FILTERS.get(name, ())):
            wanted.setdefault(name, set()).add(value)
    if not wanted or not rows:
        return rows
    return dumped(
        row
        for row in _loaded(rows)
        if all(values & {row.get(column) for column in FILTERS[name]} for name, values in wanted.items())
    )


def enveloped(path: str, dataset: Dataset, rows: bytes) -> bytes:
    """Rows in the envelope of the path.

    Bare for streams and registers, under ``data`` for plain datasets, with metadata for the other endpoints.
    """
    lower = path.lower().rstrip("/")
    if lower.endswith("/stream") or lower.startswith("/reference/"):
        return b"[" + rows + b"]"
    if lower.startswith("/datasets/"):
        return b'{"data":[' + rows + b"]}"
    return b'{"metadata":{"datasets":["' + dataset.code.encode() + b'"]},"data":[' + rows + b"]}"


def _problem(refused: Refused) -> Response:
    """A refusal as the provider words it; the gateway's own 404 has no problem body."""
    if refused.status == 404:
        return JSONResponse({"statusCode": 404, "message": "Resource not found"}, status_code=404)
    body = {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "One or more validation errors occurred.",
        "status": refused.status,
        "errors": {refused.member: [refused.text]},
    }
    return JSONResponse(body, status_code=refused.status, media_type="application/problem+json")


def _failure(fault: Fault) -> Response:
    """An error status."""
    texts = {403: "Out of call volume quota.", 429: "Rate limit is exceeded. Try again later."}
    headers = {"Retry-After": f"{fault.seconds:g}"} if fault.seconds > 0 else {}
    body = {"statusCode": fault.status, "message": texts.get(fault.status, "The service is unavailable.")}
    return JSONResponse(body, status_code=fault.status, headers=headers)


async def _deliver(body: bytes, faults: Sequence[Fault], scope: Scope, receive: Receive, send: Send) -> None:
    """Send a body whole, or as the faults have it."""
    kinds = {fault.kind for fault in faults}
    media = b"application/json; charset=utf-8"
    if "html" in kinds:
        body, media = HTML, b"text/html; charset=utf-8"
    elif kinds & {"truncate", "truncate_comma"}:
        body = cut(body, after_comma="truncate_comma" in kinds)
    headers = [(b"content-type", media), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if kinds & {"reset", "short"}:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await hang_up(scope, receive, reset="reset" in kinds)
        return
    for piece in chunks(body, CHUNK_BYTES):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """End the connection in mid-answer; the server puts the means into the scope."""
    scope["state"]["hang_up"](scope["client"], reset)
    while (await receive())["type"] != "http.disconnect":
        pass
