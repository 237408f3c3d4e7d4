"""The stand-in of Elexon's API: paths and parameters in, rows of a source out, with the provider's own manners.

Routing, the reading of windows, envelopes, refusals and the control endpoints belong here; rows come from a
``RowSource``, misbehaviour from ``faults``. Paths and parameters are those of the catalogue, read backwards; the manners are
those that the API was seen to have: unknown parameters are ignored, both bounds are included, a missing required
parameter is a 404, and a dataset that can do without a window then answers with its latest rows.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from energy_assets.calendar import day_bounds_utc, days_between, period_start_utc, periods_in_day
from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import CalendarError
from energy_assets.sandbox.faults import HTML, Fault, Faults, RequestLog, SandboxError, bends, bent, cut, dumped
from energy_assets.sandbox.frame import PUBLISHED
from energy_assets.sandbox.rows import DAY, MINUTE, PERIOD, Branch, RowSource, chunks, instant_of, joined, micros
from energy_assets.sandbox.synthetic import Edit, Synthetic

BASE_PATH = "/bmrs/api/v1"
CONTROL_PATH = "/sandbox"

MARK = (b"x-energy-assets-sandbox", b"1")
"""On every answer: the client labels such rows and never mixes them with real ones."""

CHUNK_BYTES = 1 << 20
"""Bodies leave in pieces, so that a slow reader holds back the sender and not its memory."""

ALIVE = 2
"""``status`` of a healthy API."""

WITHOUT_WINDOW = frozenset(
    "DCI IMBALNGC INDDEM INDGEN INDO ITSDO MELNGC NDF NDFD NDFW OCNMF3Y OCNMF3Y2 OCNMFD OCNMFD2 SYSWARN TEMP TSDF TSDFD TSDFW "
    "UOU2T14D UOU2T3YW WINDFOR FOU2T14D FOU2T3YW NOU2T14D NOU2T3YW NONBM SEL SIL FUELHH FUELINST FREQ".split()
)
"""Datasets that answer with their latest rows where the window is missing or misspelt; the others answer 404."""

SETTLEMENT_DATES = frozenset({"PN", "QPN", "MDO", "MDB"})
"""Datasets whose ``from`` and ``to`` are settlement dates also without settlement periods."""

PLAIN_BY_PERIOD = frozenset({"PN", "QPN", "B1610", "MDO", "MDB", "TUDM"})
"""Datasets whose plain endpoint takes one settlement period at a time."""

BY_PUBLICATION_TOO = frozenset({"FUELHH", "FUELINST"})
"""Datasets asked by settlement date or, instead, by publication."""

_HOURS = {"BOD": 1, "MELS": 1, "MILS": 1, "UOU2T14D": 4, "LOLPDRM": 12}
_DAYS = {
    1: "FREQ SOSO CBS IMBALNGC INDDEM INDGEN MELNGC NDF PBC TSDF BOALF REMIT NONBM",
    4: "AGPT",
    7: "AGWS AOBE ATL BEB DAG DATL DGWS OCNMF3Y OCNMF3Y2 OCNMFD OCNMFD2 FUELHH FUELINST",
    92: "NDFD TSDFD",
    366: "NDFW TSDFW RZDF RZDR",
    367: "FEIB MATL WATL YATL",
    731: "ABUC CCM IGCA IGCPU INDOD PPBR",
    7305: "YAFM",
}
PLAIN_LIMITS: Mapping[str, timedelta] = {
    **{code: timedelta(hours=hours) for code, hours in _HOURS.items()},
    **{code: timedelta(days=days) for days, codes in _DAYS.items() for code in codes.split()},
}
"""Longest windows of the plain endpoints, as stated or as met; the streams of the same data take more."""

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

Params = tuple[tuple[str, str], ...]
Span = tuple[int, int]


class Refused(Exception):  # noqa: N818 - the provider's word for it is a status, not an error of ours
    """A request that the provider turns down."""

    def __init__(self, status: int, member: str = "", text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.member = member
        self.text = text


@dataclass(frozen=True)
class Endpoint:
    """One path of the API.

    Attributes:
        dataset: The dataset it serves.
        pattern: The path, with a group for each placeholder.
        params: Window parameters, name to template.
        plain: Whether it is the plain dataset endpoint, which has limits of its own.
        siblings: Further datasets whose values come in the same answer.
    """

    dataset: Dataset
    pattern: re.Pattern[str]
    params: tuple[tuple[str, str], ...]
    plain: bool
    siblings: tuple[Dataset, ...] = ()

    @cached_property
    def roles(self) -> dict[str, str]:
        """What each window parameter means, by name."""
        found = {name: re.search(r"\{(\w+)\}", template) for name, template in self.params}
        return {name: match.group(1) for name, match in found.items() if match}

    @cached_property
    def constants(self) -> dict[str, str]:
        """Parameters that are always sent alike."""
        return {name: template for name, template in self.params if "{" not in template}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants: closed intervals of the window axis, or the latest rows up to a moment.

    Attributes:
        spans: Intervals, newest first; ``None`` for the latest rows.
        branch: The branch of the query.
        until: Latest place that counts where ``spans`` is ``None``.
        same: Whether both bounds were given alike.
        publications: The intervals are of publication times although the window axis is another.
    """

    spans: tuple[Span, ...] | None
    branch: Branch = ()
    until: int | None = None
    same: bool = False
    publications: bool = False


class ElexonSandbox:
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
        self.clock = clock or (lambda: datetime.now(UTC))
        self._endpoints = endpoints(datasets() if catalogue is None else catalogue)
        self._first_bodies: dict[str, bytes] = {}
        self._control = _control_app(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == CONTROL_PATH or path.startswith(CONTROL_PATH + "/") or path == "/replay":
            await self._control(scope, receive, _marked(send))
            return
        await self._serve(scope, receive, _marked(send))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(BASE_PATH)
        params = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        found = self._find(path, params)
        code = found[0].dataset.code if found else None
        faults = self.faults.hits(code)
        self.requests.begin(path, params, code, datetime.now(UTC))
        try:
            await asyncio.sleep(self.latency + sum(f.seconds for f in faults if f.kind == "latency"))
            status = next((f for f in faults if f.kind == "status"), None)
            if status is not None:
                await _failure(status)(scope, receive, send)
                return
            try:
                body = await run_in_threadpool(self._body, path, params, found, faults)
            except Refused as refused:
                await _problem(refused)(scope, receive, send)
                return
            await _deliver(body, faults, scope, receive, send)
        finally:
            self.requests.end()

    def _find(self, path: str, params: Params) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint of a path, that with fitting constants first, and the values in the path."""
        given = dict(params)
        fitting = [(e, m) for e in self._endpoints if (m := e.pattern.fullmatch(path))]
        fitting.sort(key=lambda pair: any(given.get(k) != v for k, v in pair[0].constants.items()))
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
            return self._plain_answer(path.lower().rstrip("/"), params, now)
        endpoint, values = found
        kinds = {fault.kind for fault in faults}
        dataset = endpoint.dataset
        if "identical" in kinds and dataset.code in self._first_bodies:
            return self._first_bodies[dataset.code]
        ask = read_ask(endpoint, values, params)
        _check_limit(endpoint, ask, params, faults)
        rows = (
            b""
            if "empty" in kinds or ("start_end_empty" in kinds and ask.same)
            else self._rows(endpoint, _bent_ask(ask, faults), now)
        )
        rows = _filtered(rows, params, dataset)
        if bends(faults):
            rows = dumped(bent(json.loads(b"[" + rows + b"]"), faults, dataset))
        body = enveloped(path, dataset, rows)
        self._first_bodies.setdefault(dataset.code, body)
        return body

    def _rows(self, endpoint: Endpoint, ask: Ask, now: int) -> bytes:
        """Rows of an ask, newest first, joined by commas."""
        dataset, source = endpoint.dataset, self.source
        if dataset.check.kind == "none":
            return source.register(dataset, now)
        if ask.publications:
            return self._by_publication(dataset, ask, now)
        spans = ask.spans
        if spans is None:
            spans = self._latest(dataset, ask.branch, now if ask.until is None else ask.until, now)
        rows = joined(source.select(dataset, ask.branch, low, high, now) for low, high in spans)
        if not endpoint.siblings or not rows:
            return rows
        merged = self._with_siblings(endpoint.siblings, json.loads(b"[" + rows + b"]"), ask.branch, spans, now)
        return dumped(merged)

    def _latest(self, dataset: Dataset, branch: Branch, until: int, now: int) -> tuple[Span, ...]:
        """The last publication, or the last day of facts."""
        newest = self.source.newest(dataset, branch, until, now)
        if newest is None:
            return ()
        published = dataset.check.kind == "instant" and dataset.check.column in PUBLISHED
        back = LATEST_DAYS.get(dataset.code, 0 if published else 1) * DAY
        return ((newest - back, newest),)

    def _by_publication(self, dataset: Dataset, ask: Ask, now: int) -> bytes:
        """Rows whose publication lies in the intervals; it follows the fact by less than a day."""
        chosen: list[dict[str, Any]] = []
        for low, high in ask.spans or ():
            text = self.source.select(dataset, ask.branch, low - DAY, high, now)
            rows = json.loads(b"[" + text + b"]")
            chosen.extend(row for row in rows if low <= micros(_instant("publishTime", row["publishTime"])) <= high)
        return dumped(chosen)

    def _with_siblings(
        self, siblings: Sequence[Dataset], rows: list[dict[str, Any]], branch: Branch, spans: Sequence[Span], now: int
    ) -> list[dict[str, Any]]:
        """Rows with the values of the datasets that share the answer, joined on the columns that both have."""
        for sibling in siblings:
            text = joined(self.source.select(sibling, branch, low, high, now) for low, high in spans)
            key = [name for name in sibling.table.event_key if name in rows[0]]
            others = {tuple(row.get(n) for n in key): row for row in json.loads(b"[" + text + b"]")}
            empty = {f.name: None for f in sibling.fields if f.origin == "row"}
            rows = [{**empty, **others.get(tuple(row.get(n) for n in key), {}), **row} for row in rows]
        return rows

    def _plain_answer(self, path: str, params: Params, now: int) -> bytes:
        """Endpoints that are no dataset."""
        if path == "/health":
            return json.dumps({"status": ALIVE}).encode()
        if path == "/datasets/metadata/latest":
            return json.dumps({"data": self._last_updates(now)}).encode()
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
            if at
        ]

    def _data_status(self, code: str, params: Params, now: int) -> bytes:
        """Rows per settlement period; the last 25 periods unless days are named."""
        dataset = next((e.dataset for e in self._endpoints if e.dataset.code == code), None)
        if dataset is None:
            raise Refused(404)
        given = dict(params)
        if "settlementDateFrom" in given and "settlementDateTo" in given:
            days = list(days_between(_day("settlementDateFrom", given), _day("settlementDateTo", given)))
            starts = [micros(period_start_utc(d, p)) for d in days for p in range(1, periods_in_day(d) + 1)]
        else:
            last = now // PERIOD * PERIOD
            starts = [last - n * PERIOD for n in range(24, -1, -1)]
        rows = [self._point(dataset, start, now) for start in starts]
        return json.dumps({"metadata": {"datasets": [code]}, "data": rows}).encode()

    def _point(self, dataset: Dataset, start: int, now: int) -> dict[str, Any]:
        """How many rows one settlement period has."""
        from energy_assets.calendar import period_of

        day, period = period_of(instant_of(start))
        texts = (
            self.source.select(dataset, branch, start, start + PERIOD - 1, now) for branch in dataset.branch_choices()
        )
        count = sum(len(json.loads(b"[" + text + b"]")) for text in texts)
        return {"settlementDate": day.isoformat(), "settlementPeriod": period, "dataPointCount": count}


def endpoints(entries: Sequence[Dataset]) -> tuple[Endpoint, ...]:
    """Every path of the catalogue, and the plain endpoints beside its streams."""
    made: dict[tuple[str, tuple[tuple[str, str], ...]], Endpoint] = {}
    for dataset in entries:
        path, params = dataset.query.path, dataset.query.params
        constants = tuple((name, template) for name, template in params if "{" not in template)
        first = made.get((path, constants))
        if first is not None:
            made[path, constants] = replace(first, siblings=(*first.siblings, dataset))
            continue
        plain = path == f"/datasets/{dataset.code}"
        made[path, constants] = Endpoint(dataset, _pattern(path), params, plain)
        beside = f"/datasets/{dataset.code}"
        if path == beside + "/stream":
            made[beside, ()] = Endpoint(dataset, _pattern(beside), params, plain=True)
    return tuple(made.values())


def _pattern(path: str) -> re.Pattern[str]:
    """A path template as a pattern; the provider does not mind case or a slash at the end."""
    pieces = re.split(r"\{(\w+)\}", path)
    text = "".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(pieces))
    return re.compile(text + "/?", re.IGNORECASE)


def read_ask(endpoint: Endpoint, values: Mapping[str, str], params: Params) -> Ask:
    """What a request wants.

    Raises:
        Refused: 404 where a required parameter is missing, 400 where a value is wrong.
    """
    dataset, given = endpoint.dataset, dict(params)
    branch = tuple(
        (name, _branch_value(endpoint, name, choices, values, given)) for name, choices in dataset.query.branches
    )
    if dataset.check.kind == "none":
        return Ask(None, branch)
    if endpoint.plain and dataset.code in PLAIN_BY_PERIOD:
        return _period_ask(branch, given)
    if dataset.code in BY_PUBLICATION_TOO and {"publishDateTimeFrom", "publishDateTimeTo"} <= given.keys():
        low, high = (micros(_instant(name, given[name])) for name in ("publishDateTimeFrom", "publishDateTimeTo"))
        return Ask(((low, high),), branch, publications=dataset.check.column != "publishTime")
    if "publishDate" in given and "publishDate" not in endpoint.roles and dataset.check.column == "publishTime":
        return Ask((_days_span(_day("publishDate", given), _day("publishDate", given)),), branch)
    return _window_ask(endpoint, values, params, branch)


def _branch_value(
    endpoint: Endpoint, name: str, choices: Sequence[str], values: Mapping[str, str], given: Mapping[str, str]
) -> str:
    """The branch that a path or a parameter names."""
    sent = next((given[p] for p, role in endpoint.roles.items() if role == name and p in given), None)
    text = values.get(name) or sent or ""
    if text not in choices:
        raise Refused(404) if not text else Refused(400, name, f"The value '{text}' is not valid.")
    return text


def _period_ask(branch: Branch, given: Mapping[str, str]) -> Ask:
    if not {"settlementDate", "settlementPeriod"} <= given.keys():
        raise Refused(404)
    day, period = _day("settlementDate", given), _period("settlementPeriod", given["settlementPeriod"])
    return Ask((_periods_span(day, period, day, period),), branch)


def _window_ask(endpoint: Endpoint, values: Mapping[str, str], params: Params, branch: Branch) -> Ask:
    """The window by the roles of the endpoint's own parameters and path."""
    given = dict(params)
    bounds = {role: (name, given[name]) for name, role in endpoint.roles.items() if name in given}
    bounds.update({role: (role, value) for role, value in values.items()})
    if "as_of" in bounds:
        return Ask(None, branch, until=micros(_instant(*bounds["as_of"])))
    if "season" in bounds:
        return Ask((_season_span(bounds["season"][1]),), branch)
    low, high = _first(bounds, "from", "date_from", "date"), _first(bounds, "to", "date_to", "date")
    if low is None or high is None:
        return _latest_or_404(endpoint, bounds, branch)
    numbers = [_period(name, value) for name, value in params if endpoint.roles.get(name) in ("periods", "period")]
    numbers += [_period("settlementPeriod", v) for r, (n, v) in bounds.items() if r == "period" and n == r]
    spans = _spans(endpoint, low, high, given, numbers)
    return Ask(
        spans,
        branch,
        same=low[1][:10] == high[1][:10] and endpoint.dataset.query.unit != "instant" or low[1] == high[1],
    )


def _latest_or_404(endpoint: Endpoint, bounds: Mapping[str, object], branch: Branch) -> Ask:
    """What comes without a window."""
    needs = {"from", "to", "date", "date_from", "date_to"} & set(endpoint.roles.values())
    if needs and endpoint.dataset.code not in WITHOUT_WINDOW:
        raise Refused(404)
    return Ask(None, branch)


def _first(bounds: Mapping[str, tuple[str, str]], *roles: str) -> tuple[str, str] | None:
    return next((bounds[role] for role in roles if role in bounds), None)


def _spans(
    endpoint: Endpoint, low: tuple[str, str], high: tuple[str, str], given: Mapping[str, str], numbers: Sequence[int]
) -> tuple[Span, ...]:
    """Closed intervals between two bounds.

    ``from`` and ``to`` are settlement dates when a settlement period comes with them, instants otherwise; other
    parameters mean what their role says.
    """
    roles = {**{r: r for r in ("date",)}, **endpoint.roles}
    code = endpoint.dataset.code
    first = _bound(low, roles, given.get("settlementPeriodFrom"), code in SETTLEMENT_DATES, lower=True)
    last = _bound(high, roles, given.get("settlementPeriodTo"), code in SETTLEMENT_DATES, lower=False)
    if first > last + 1:
        # Periods 49 and 50 of a shorter day are asked for and hold nothing; other inversions are mistakes.
        if "settlementPeriodFrom" in given and low[1][:10] == high[1][:10]:
            return ()
        raise Refused(400, "", "The From field must not be later than the To field")
    if not numbers:
        return ((first, last),)
    days = days_between(date.fromisoformat(low[1][:10]), date.fromisoformat(high[1][:10]))
    spans = [_periods_span(day, n, day, n) for day in days for n in sorted(set(numbers))]
    return tuple(sorted((s for s in spans if s[0] <= s[1]), reverse=True))


def _bound(bound: tuple[str, str], roles: Mapping[str, str], period: str | None, dates: bool, *, lower: bool) -> int:
    """One bound as a place on the axis, included."""
    name, value = bound
    by_day = "date" in roles.get(name, name) if name not in ("from", "to") else dates or period is not None
    if not by_day:
        return micros(_instant(name, value))
    day = _date(name, value)
    number = 1 if lower else 50
    if period is not None:
        number = _period("settlementPeriodFrom" if lower else "settlementPeriodTo", period)
    span = _periods_span(day, number if lower else 1, day, number)
    return span[0] if lower else span[1]


def _periods_span(first_day: date, first: int, last_day: date, last: int) -> Span:
    """From the begin of one settlement period to the last moment of another; a period beyond its day has no length."""
    start = micros(day_bounds_utc(first_day)[0]) + (min(first, periods_in_day(first_day) + 1) - 1) * PERIOD
    end = micros(day_bounds_utc(last_day)[0]) + min(last, periods_in_day(last_day)) * PERIOD
    return start, end - 1


def _days_span(first: date, last: date) -> Span:
    return micros(day_bounds_utc(first)[0]), micros(day_bounds_utc(last)[1]) - 1


def _season_span(text: str) -> Span:
    """The winter that begins in a year: November to February."""
    if not re.fullmatch(r"\d{4}", text):
        raise Refused(400, "triadSeason", f"The value '{text}' is not valid.")
    year = int(text)
    return _days_span(date(year, 11, 1), date(year + 1, 3, 1) - timedelta(days=1))


def _instant(name: str, text: str) -> datetime:
    """A date-time as the provider reads it: a bare date is midnight UTC, no zone means UTC."""
    try:
        value = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Refused(400, name, f"The value '{text}' is not valid.") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _day(name: str, given: Mapping[str, str]) -> date:
    return _date(name, given[name])


def _date(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text[:10])
        day_bounds_utc(day)
    except (ValueError, CalendarError):
        raise Refused(400, name, f"The value '{text}' is not valid.") from None
    return day


def _period(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,2}", text) or not 1 <= int(text) <= 50:
        raise Refused(400, name, "Settlement period must be between 1 and 50.")
    return int(text)


def _bent_ask(ask: Ask, faults: Sequence[Fault]) -> Ask:
    """An ask as a confused provider understands it."""
    for fault in faults:
        if fault.kind == "ignore_parameters":
            ask = replace(ask, spans=None, publications=False)
        elif fault.kind == "wrong_window" and ask.spans is not None:
            ask = replace(
                ask, spans=tuple((low - fault.days * DAY, high - fault.days * DAY) for low, high in ask.spans)
            )
        elif fault.kind == "boundary" and ask.spans is not None:
            ask = replace(ask, spans=tuple((low, high + 1) for low, high in ask.spans))
    return ask


def _check_limit(endpoint: Endpoint, ask: Ask, params: Params, faults: Sequence[Fault]) -> None:
    """Refuse a window that is longer than the endpoint takes.

    Raises:
        Refused: With the provider's sentence, which names the limit.
    """
    limits = [timedelta(minutes=fault.minutes) for fault in faults if fault.kind == "small_limit"]
    own = PLAIN_LIMITS.get(endpoint.dataset.code) if endpoint.plain else _told_limit(endpoint.dataset)
    limits.extend([own] if own else [])
    if not limits or not ask.spans:
        return
    limit = min(limits)
    if ask.spans[0][1] - ask.spans[-1][0] > limit // timedelta(microseconds=1):
        names = [name for name in dict(params) if name in endpoint.roles or name in ("from", "to")]
        first, last = (name[:1].upper() + name[1:] for name in (names[:2] if len(names) > 1 else ("from", "to")))
        raise Refused(400, "", f"The date range between {first} and {last} inclusive must not exceed {_spoken(limit)}")


def _told_limit(dataset: Dataset) -> timedelta | None:
    """The limit that an entry states for the very endpoint that it uses."""
    told = dataset.query.limit
    match = re.match(r"(\d+) (minute|hour|day)s?\b", told)
    if match is None or any(word in told for word in ("plain", "view", "stream")):
        return None
    return timedelta(**{match.group(2) + "s": int(match.group(1))})


def _spoken(limit: timedelta) -> str:
    """A limit in the provider's words."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if limit >= size and limit % size == timedelta(0):
            number = limit // size
            return f"{number} {unit}" + ("" if number == 1 else "s")
    return f"{limit.total_seconds():g} seconds"


def _filtered(rows: bytes, params: Params, dataset: Dataset) -> bytes:
    """Rows that the optional filters choose."""
    names = dataset.table.by_name
    wanted: dict[str, set[str]] = {}
    for name, value in params:
        if any(column in names for column in FILTERS.get(name, ())):
            wanted.setdefault(name, set()).add(value)
    if not wanted or not rows:
        return rows
    kept = [
        row
        for row in json.loads(b"[" + rows + b"]")
        if all(values & {row.get(column) for column in FILTERS[name]} for name, values in wanted.items())
    ]
    return dumped(kept)


def enveloped(path: str, dataset: Dataset, rows: bytes) -> bytes:
    """Rows in the envelope of the path: bare for streams and registers, with metadata for the opinionated endpoints."""
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
    for kind in ("truncate", "truncate_comma"):
        if kind in kinds:
            body = cut(body, kind)
    headers = [(b"content-type", media), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if kinds & {"reset", "short"}:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _hang_up(scope, receive, reset="reset" in kinds)
        return
    for piece in chunks(body, CHUNK_BYTES):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """End the connection in mid-answer; the server puts the means into the scope."""
    scope["state"]["hang_up"](scope["client"], reset)
    while (await receive())["type"] != "http.disconnect":
        pass


def _marked(send: Send) -> Send:
    """A sender that marks every answer as the sandbox's."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), MARK]}
        await send(message)

    return marked


def _control_app(sandbox: ElexonSandbox) -> Starlette:
    """The endpoints that change and question the sandbox itself."""

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            options = await request.json()
            try:
                return JSONResponse({"id": sandbox.faults.add(options.pop("kind", ""), **options)}, status_code=201)
            except SandboxError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        if request.method == "DELETE":
            number = request.path_params.get("number")
            sandbox.faults.clear() if number is None else sandbox.faults.remove(number)
        return JSONResponse(sandbox.faults.listed())

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.requests.clear()
        listed = [
            {
                "path": asked.path,
                "params": asked.params,
                "dataset": asked.dataset,
                "received_utc": asked.received_utc.isoformat(),
                "in_flight": asked.in_flight,
            }
            for asked in sandbox.requests
        ]
        return JSONResponse({"count": len(listed), "peak": sandbox.requests.peak, "requests": listed})

    async def edits(request: Request) -> Response:
        if not isinstance(sandbox.source, Synthetic):
            return JSONResponse({"error": "recorded rows are not edited"}, status_code=400)
        sandbox.source.edit(*(Edit(**edit) for edit in await request.json()))
        return JSONResponse({}, status_code=201)

    async def settings(request: Request) -> Response:
        if request.method == "POST":
            _set(sandbox, await request.json())
        revision = sandbox.source.revision if isinstance(sandbox.source, Synthetic) else 0
        return JSONResponse({"latency": sandbox.latency, "revision": revision, "now": sandbox.clock().isoformat()})

    async def replay(request: Request) -> Response:
        return JSONResponse(getattr(sandbox.source, "listed", dict)())

    return Starlette(
        routes=[
            Route(CONTROL_PATH + "/faults", faults, methods=["GET", "POST", "DELETE"]),
            Route(CONTROL_PATH + "/faults/{number:int}", faults, methods=["DELETE"]),
            Route(CONTROL_PATH + "/requests", requests, methods=["GET", "DELETE"]),
            Route(CONTROL_PATH + "/edits", edits, methods=["POST"]),
            Route(CONTROL_PATH + "/settings", settings, methods=["GET", "POST"]),
            Route("/replay", replay),
        ]
    )


def _set(sandbox: ElexonSandbox, changes: Mapping[str, Any]) -> None:
    """Change latency, revision or the present."""
    if "latency" in changes:
        sandbox.latency = float(changes["latency"])
    if "now" in changes:
        fixed = _instant("now", changes["now"])
        sandbox.clock = lambda: fixed
    if "revision" in changes and isinstance(sandbox.source, Synthetic):
        sandbox.source.revision = int(changes["revision"])
