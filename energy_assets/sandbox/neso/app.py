"""The stand-in of NESO's data portal: CKAN's read actions, dumps, and files that lie behind a redirect.

Answers, envelopes and refusals belong here; contents are the shelf's, files the storage's, misbehaviour the faults'.
The manners are those that the portal was seen to have or that CKAN documents: limits are cut down without a word, rows
without a sort come in no order, the files of uploads move, and what is at fault with a request is told with 409.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.control import Sandbox, control_app
from energy_assets.sandbox.faults import Fault, Faults, RequestLog
from energy_assets.sandbox.neso.delivery import Answer, RefusedError, deliver, failing, told
from energy_assets.sandbox.neso.shelf import Content, Entry, Maker, Shelf, made_id
from energy_assets.sandbox.neso.storage import Storage
from energy_assets.sandbox.neso.tables import ROW_NUMBER, Cells, Rows
from energy_assets.sandbox.server import running

ACTIONS_PATH = "/api/3/action"

ROWS_MOST = 32_000
"""Most rows of one answer, where CKAN is not configured otherwise."""

ROWS_USUAL = 100
"""Rows of an answer to a request that names no limit."""

PACKAGES_MOST = 1_000
PACKAGES_USUAL = 10

DUMP = "dump"
DOWNLOAD = "download"
SEARCH = "datastore_search"
ROUTES_OF_TABLES = frozenset({DUMP, SEARCH, "datastore_search_sql"})
"""Routes of the slower lane; the names of all routes are those of actions, and ``dump``, ``download``, ``storage``."""

_DUMP_PATH = re.compile(r"/datastore/dump/([^/]+)/?")
_DOWNLOAD_PATH = re.compile(r"/dataset/[^/]+/resource/([^/]+)/download/([^/]+)")
_ISO_DATE = re.compile(rb"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")

Params = Mapping[str, Any]


class NesoSandbox(Sandbox):
    """An ASGI application that behaves like the portal; ``storage`` is another one beside it.

    Attributes:
        shelf: What it holds.
        storage: Where its files lie.
        faults: Faults in force; their ``dataset`` is the name of a route, a package's slug, ``slug/resource name`` or
            the id of a resource.
        requests: Every request to the portal and its storage, by the name of the route.
        latency: Seconds added to every answer of the portal.
        clock: Gives the portal's present.
        rows_most: Most rows of one answer of a table.
    """

    def __init__(
        self,
        maker: Maker | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        instants: Callable[[], datetime] | None = None,
        rows_most: int = ROWS_MOST,
        latency: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Make a stand-in.

        Args:
            maker: Makes files; ``None`` for those that are put.
            clock: The portal's present; the machine's by default.
            instants: Gives the instants of the request log; the machine's clock by default.
            rows_most: Most rows of one answer of a table.
            latency: Seconds added to every answer of the portal.
            seed: Of faults that hit by chance.
        """
        self.clock = clock or _utc_now
        self.shelf = Shelf(self._present, maker)
        self.faults = Faults(seed)
        self.requests = RequestLog()
        self.latency = latency
        self.rows_most = rows_most
        self._instants = instants or _utc_now
        self.storage = Storage(self.faults, self.requests, self._instants, self._present)
        self._control = control_app(self)
        self._actions: dict[str, Callable[[Params, str], Any]] = {
            "package_list": self._package_list,
            "package_search": self._package_search,
            "package_show": self._package_show,
            "resource_show": self._resource_show,
            SEARCH: self._datastore_search,
            "status_show": lambda params, base: {"ckan_version": "2.8.7", "extensions": ["datastore"]},
        }

    @property
    def source(self) -> Shelf:
        """What it holds, as the control endpoints ask for it."""
        return self.shelf

    def gaps(self, lane: str) -> list[float]:
        """Seconds between each two requests that followed one another in a lane.

        Args:
            lane: ``datastore`` for searches and dumps of tables, ``portal`` for everything else.
        """
        tables = lane == "datastore"
        at = [asked.received_utc for asked in self.requests if (asked.dataset in ROUTES_OF_TABLES) == tables]
        return [(later - earlier).total_seconds() for earlier, later in pairwise(at)]

    def _present(self) -> datetime:
        # The clock may be changed while the stand-in is served.
        return self.clock()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["path"]
        received = self._instants()
        params = await _params(request)
        route, entry = self._asked(path, params)
        names = (route, *(entry.names if entry else ()))
        faults = self.faults.hits(*names)
        self.requests.begin(path, tuple((name, str(value)) for name, value in params.items()), route, received)
        try:
            await asyncio.sleep(self.latency + sum(fault.seconds for fault in faults if fault.kind == "latency"))
            base = f"{request.url.scheme}://{request.headers.get('host', '')}"
            answer = failing(faults)
            if answer is None:
                answer = await run_in_threadpool(self._answer, path, params, base)
            self._reload(route, entry, faults)
            await deliver(answer, faults, scope, receive, send)
        except RefusedError as refused:
            await deliver(refused.answer, (), scope, receive, send)
        finally:
            self.requests.end()

    def _asked(self, path: str, params: Params) -> tuple[str, Entry | None]:
        """The name of a path's route, and the resource that it is about."""
        if path.startswith(ACTIONS_PATH + "/"):
            action = path.removeprefix(ACTIONS_PATH + "/")
            return action, self._found(str(params.get("resource_id" if action == SEARCH else "id", "")))
        for route, pattern in ((DUMP, _DUMP_PATH), (DOWNLOAD, _DOWNLOAD_PATH)):
            if match := pattern.fullmatch(path):
                return route, self._found(match[1])
        return "", None

    def _reload(self, route: str, entry: Entry | None, faults: Sequence[Fault]) -> None:
        if entry is not None and route in ROUTES_OF_TABLES and any(fault.kind == "reload" for fault in faults):
            self.shelf.reload(entry)

    def _answer(self, path: str, params: Params, base: str) -> Answer:
        """The answer as the portal would give it.

        Raises:
            RefusedError: The portal would turn the request down.
        """
        if path.startswith(ACTIONS_PATH + "/"):
            return self._act(path.removeprefix(ACTIONS_PATH + "/"), params, base)
        if match := _DUMP_PATH.fullmatch(path):
            return self._dump(match[1], params)
        if match := _DOWNLOAD_PATH.fullmatch(path):
            return self._redirect(match[1], match[2])
        raise RefusedError(_page(HTTPStatus.NOT_FOUND, "404 Not Found"))

    def _act(self, action: str, params: Params, base: str) -> Answer:
        run = self._actions.get(action)
        help_url = f"{base}{ACTIONS_PATH}/help_show?name={action}"
        if run is None:
            raise RefusedError(told(f"Bad request - Action name not known: {action}", HTTPStatus.BAD_REQUEST))
        try:
            result = run(params, base)
        except _MistakenError as mistaken:
            body = {"help": help_url, "success": False, "error": mistaken.error}
            raise RefusedError(told(body, mistaken.status)) from None
        if isinstance(result, bytes):
            head = json.dumps({"help": help_url, "success": True})[:-1].encode()
            return Answer(head + b', "result": ' + result + b"}")
        return told({"help": help_url, "success": True, "result": result})

    def _entries(self) -> list[Entry]:
        """Every resource, those that moved under their other id."""
        return [self._seen(entry) for entry in self.shelf.entries()]

    def _seen(self, entry: Entry) -> Entry:
        moved = self.faults.standing("moved", *entry.names)
        return replace(entry, id=made_id(entry.id, "moved")) if moved else entry

    def _found(self, id_: str) -> Entry | None:
        return next((entry for entry in self._entries() if entry.id == id_), None)

    def _content(self, entry: Entry) -> Content | None:
        """What a resource holds, changed as standing faults have it."""
        content = self.shelf.content(entry)
        renamed = self.faults.standing("rename_column", *entry.names)
        dates = self.faults.standing("date_format", *entry.names)
        if content is None or isinstance(content, Path) or not (renamed or dates):
            return content
        body = content.to_csv() if isinstance(content, Rows) else content
        if renamed:
            head, end, rest = body.partition(b"\n")
            names = head.rstrip(b"\r").split(b",")
            old = renamed.column.encode() if renamed.column else names[-1]
            new = [renamed.name.encode() if name == old else name for name in names]
            body = b",".join(new) + (b"\r" if head.endswith(b"\r") else b"") + end + rest
        return _ISO_DATE.sub(rb"\3/\2/\1", body) if dates else body

    def _packages(self, base: str) -> list[dict[str, Any]]:
        grouped = groupby(self._entries(), key=lambda entry: entry.package)
        return [_package(slug, list(entries), base) for slug, entries in grouped]

    def _package_list(self, params: Params, base: str) -> list[str]:
        return [package["name"] for package in self._packages(base)]

    def _package_search(self, params: Params, base: str) -> dict[str, Any]:
        words = [word for word in str(params.get("q", "")).lower().split() if word != "*:*"]
        found = [package for package in self._packages(base) if all(word in _words(package) for word in words)]
        if str(params.get("sort", "")).strip().lower() == "name desc":
            found.reverse()
        rows = min(_integer(params, "rows", PACKAGES_USUAL), PACKAGES_MOST)
        start = _integer(params, "start", 0)
        return {
            "count": len(found),
            "facets": {},
            "results": found[start : start + rows],
            "search_facets": {},
            "sort": params.get("sort", "score desc, metadata_modified desc"),
        }

    def _package_show(self, params: Params, base: str) -> dict[str, Any]:
        wanted = _required(params, "id")
        for package in self._packages(base):
            if wanted in (package["name"], package["id"]):
                return package
        raise _missing()

    def _resource_show(self, params: Params, base: str) -> dict[str, Any]:
        wanted = _required(params, "id")
        for package in self._packages(base):
            for resource in package["resources"]:
                if resource["id"] == wanted:
                    return dict(resource)
        raise _missing()

    def _held(self, id_: str) -> tuple[Entry, Content] | None:
        """A resource that can be read as a table, and what it holds."""
        entry = self._found(id_)
        content = self._content(entry) if entry else None
        if entry is None or content is None or not (entry.datastore_active or entry.url_type == "datastore"):
            return None
        return entry, content

    def _datastore_search(self, params: Params, base: str) -> bytes:
        id_ = _required(params, "resource_id")
        limit = min(_integer(params, "limit", ROWS_USUAL), self.rows_most)
        offset = _integer(params, "offset", 0)
        held = self._held(id_)
        if held is None:
            raise _missing(f'Resource "{id_}" was not found.')
        entry, content = held
        if isinstance(content, Path) and limit == 0:
            table, total = self.shelf.measure(entry, content)
            rows: list[tuple[int, Cells]] = []
        else:
            table = self.shelf.rows(entry, content)
            rows = _chosen(table, params)
            total = len(rows)
        result = {
            "include_total": True,
            "resource_id": id_,
            "fields": _fields(table, entry),
            "records_format": "objects",
            "limit": limit,
            **({"offset": offset} if "offset" in params else {}),
            **({"filters": _filters(params)} if params.get("filters") else {}),
            "_links": _links(params, offset + limit),
            "total": total,
        }
        records = b", ".join(table.record(number, row) for number, row in rows[offset : offset + limit])
        return json.dumps(result)[:-1].encode() + b', "records": [' + records + b"]}"

    def _dump(self, id_: str, params: Params) -> Answer:
        held = self._held(id_)
        if held is None:
            raise RefusedError(_page(HTTPStatus.NOT_FOUND, "DataStore resource not found"))
        if params.get("format", "csv") != "csv":
            raise RefusedError(_page(HTTPStatus.BAD_REQUEST, "This stand-in dumps CSV only"))
        entry, content = held
        # What is too large for the memory is dumped as its file is.
        body = content if isinstance(content, Path) else self.shelf.rows(entry, content).to_csv()
        name = (("Content-disposition", f'attachment; filename="{id_}.csv"'),)
        return Answer(body, media="text/csv; charset=utf-8", headers=name)

    def _redirect(self, id_: str, file_name: str) -> Answer:
        """Where a file lies now; under the name of an older file there is nothing."""
        entry = self._found(id_)
        content = self._content(entry) if entry else None
        if entry is None or content is None or unquote(file_name) != entry.file_name:
            raise RefusedError(_page(HTTPStatus.NOT_FOUND, "Resource not found"))
        body = content.to_csv() if isinstance(content, Rows) else content
        where = (("Location", self.storage.sign(entry, body)), ("Set-Cookie", "__cf_bm=sandbox; path=/; HttpOnly"))
        return Answer(b"", HTTPStatus.FOUND, "text/html; charset=utf-8", where)


@contextmanager
def running_neso(sandbox: NesoSandbox, port: int = 0) -> Iterator[str]:
    """Serve a stand-in and its storage while the context lasts.

    Args:
        sandbox: The stand-in.
        port: Port of the portal; 0 takes a free one. The storage takes a free one, under another name of this machine.

    Yields:
        The address of the actions, as ``ENERGY_ASSETS_NESO_URL`` takes it.

    Raises:
        SandboxError: The port is taken, or a server does not start.
    """
    with running(sandbox.storage, path="") as storage, running(sandbox, port, ACTIONS_PATH) as url:
        sandbox.storage.url = storage.replace("127.0.0.1", "localhost")
        yield url


class _MistakenError(Exception):
    """A request that an action turns down, with the ``error`` that it is answered."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.error = error


def _missing(what: str = "") -> _MistakenError:
    message = f"Not found: {what}" if what else "Not found"
    return _MistakenError(HTTPStatus.NOT_FOUND, {"message": message, "__type": "Not Found Error"})


def _invalid(member: str, text: str) -> _MistakenError:
    return _MistakenError(HTTPStatus.CONFLICT, {member: [text], "__type": "Validation Error"})


def _required(params: Params, name: str) -> str:
    if not params.get(name):
        raise _invalid(name, "Missing value")
    return str(params[name])


def _integer(params: Params, name: str, usual: int) -> int:
    text = str(params.get(name, usual))
    if not text.isascii() or not text.isdigit():
        raise _invalid(name, "Must be a natural number" if text.lstrip("-").isdigit() else "Invalid integer")
    return int(text)


def _filters(params: Params) -> dict[str, Any]:
    given = params.get("filters") or {}
    try:
        filters = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        filters = None
    if not isinstance(filters, dict):
        raise _invalid("filters", "Cannot parse JSON")
    return filters


def _chosen(table: Rows, params: Params) -> list[tuple[int, Cells]]:
    """Rows that a search finds, in its order."""
    try:
        return table.ordered(table.filtered(table.numbered(), _filters(params)), str(params.get("sort", "")))
    except KeyError as error:
        raise _invalid("fields", f"field {error} not in table") from None


async def _params(request: Request) -> dict[str, Any]:
    """Parameters of the query, and of a JSON body."""
    params: dict[str, Any] = dict(request.query_params)
    if request.method == "POST":
        body = await request.body()
        params |= json.loads(body) if body else {}
    return params


def _package(slug: str, entries: Sequence[Entry], base: str) -> dict[str, Any]:
    id_ = made_id(slug)
    modified = max((entry.modified_utc or entry.created_utc or _EPOCH for entry in entries), default=_EPOCH)
    return {
        "id": id_,
        "name": slug,
        "title": slug.replace("-", " ").capitalize(),
        "license_id": "ESO",
        "license_title": "NESO Open Data Licence",
        "isopen": False,
        "metadata_modified": _stamp(modified),
        "num_resources": len(entries),
        "extras": [{"key": "Update frequency", "value": "Daily"}],
        "resources": [_resource(entry, id_, place, base) for place, entry in enumerate(entries)],
    }


def _resource(entry: Entry, package_id: str, place: int, base: str) -> dict[str, Any]:
    path = f"/dataset/{package_id}/resource/{entry.id}/download/{quote(entry.file_name)}"
    return {
        "id": entry.id,
        "package_id": package_id,
        "name": entry.name,
        "position": place,
        "format": entry.format,
        "url": base + (f"/datastore/dump/{entry.id}" if entry.url_type == "datastore" else path),
        "url_type": entry.url_type,
        "datastore_active": entry.datastore_active or entry.url_type == "datastore",
        "created": _stamp(entry.created_utc),
        "last_modified": _stamp(entry.modified_utc),
        "metadata_modified": _stamp(entry.modified_utc or entry.created_utc),
        "hash": "",
        "size": None,
        "mimetype": None,
        "cache_last_updated": None,
        "state": "active",
    }


def _fields(table: Rows, entry: Entry) -> list[dict[str, Any]]:
    told_of = ({"id": name, "type": type_, "info": dict(entry.info.get(name, {}))} for name, type_ in table.columns)
    known = ({key: value for key, value in field.items() if value} for field in told_of)
    return [{"id": ROW_NUMBER, "type": "int"}, *known]


def _links(params: Params, offset: int) -> dict[str, str]:
    start = f"{ACTIONS_PATH}/{SEARCH}?" + urlencode({k: v for k, v in params.items() if k != "offset"})
    return {"start": start, "next": f"{start}&offset={offset}"}


def _words(package: Mapping[str, Any]) -> str:
    return " ".join((package["name"], package["title"], *(r["name"] for r in package["resources"]))).lower()


def _stamp(instant: datetime | None) -> str | None:
    """A time as CKAN tells it: UTC without saying so, to the microsecond."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _page(status: int, title: str) -> Answer:
    return Answer(f"<html><head><title>{title}</title></head></html>".encode(), status, "text/html; charset=utf-8")


def _utc_now() -> datetime:
    return datetime.now(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
