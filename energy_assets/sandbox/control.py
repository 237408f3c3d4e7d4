"""What every sandbox has in common: endpoints that change and question it while it runs, and the mark on its answers.

Faults, edits, settings, requests and recorded bodies stand beside the provider's paths and are never part of the
provider's behaviour.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from energy_assets.sandbox.faults import Faults, RequestLog, SandboxError
from energy_assets.sandbox.replay import Replay
from energy_assets.sandbox.synthetic import Edit, Synthetic
from energy_assets.sandbox.windows import Refused, instant

CONTROL_PATH = "/sandbox"
REPLAY_PATH = "/replay"

MARK = (b"x-energy-assets-sandbox", b"1")
"""On every answer: the client labels such rows and never mixes them with real ones."""


class Controlled(Protocol):
    """What may be changed and asked of a sandbox."""

    faults: Faults
    requests: RequestLog
    latency: float
    clock: Callable[[], datetime]

    @property
    def source(self) -> object:
        """Where rows come from; only sources of Elexon's rows can be edited and questioned."""
        ...


class Sandbox(ABC):
    """A provider's stand-in as an application: these endpoints beside the provider's own, every answer marked."""

    _control: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answer = self._control if is_control(scope["path"]) else self._serve
        await answer(scope, receive, marked(send))

    @abstractmethod
    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as the provider does."""


def marked(send: Send) -> Send:
    """A sender that marks every answer as the sandbox's."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), MARK]}
        await send(message)

    return sending


def is_control(path: str) -> bool:
    """Whether a path is the sandbox's own."""
    return path in (CONTROL_PATH, REPLAY_PATH) or path.startswith(CONTROL_PATH + "/")


def control_app(sandbox: Controlled) -> Starlette:
    """The application that serves these endpoints."""
    control = _Control(sandbox)
    return Starlette(
        routes=[
            Route(CONTROL_PATH + "/faults", control.faults, methods=["GET", "POST", "DELETE"]),
            Route(CONTROL_PATH + "/faults/{number:int}", control.faults, methods=["DELETE"]),
            Route(CONTROL_PATH + "/requests", control.requests, methods=["GET", "DELETE"]),
            Route(CONTROL_PATH + "/edits", control.edits, methods=["POST"]),
            Route(CONTROL_PATH + "/settings", control.settings, methods=["GET", "POST"]),
            Route(REPLAY_PATH, control.replay),
        ],
        exception_handlers={SandboxError: _refusal},
    )


async def _refusal(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


class _Control:
    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox

    async def faults(self, request: Request) -> Response:
        """List, arm or disarm faults."""
        faults = self._sandbox.faults
        if request.method == "POST":
            options = await request.json()
            return JSONResponse({"id": faults.add(options.pop("kind", ""), **options)}, status_code=201)
        if request.method == "DELETE":
            number = request.path_params.get("number")
            if number is None:
                faults.clear()
            else:
                faults.remove(number)
        return JSONResponse(faults.listed())

    async def requests(self, request: Request) -> Response:
        """What was asked so far, or forget it."""
        log = self._sandbox.requests
        if request.method == "DELETE":
            log.clear()
        listed = [
            {
                "path": asked.path,
                "params": asked.params,
                "dataset": asked.dataset,
                "received_utc": asked.received_utc.isoformat(),
                "in_flight": asked.in_flight,
            }
            for asked in log
        ]
        return JSONResponse({"count": len(listed), "peak": log.peak, "requests": listed})

    async def edits(self, request: Request) -> Response:
        """Change single synthetic rows."""
        source = self._sandbox.source
        if not isinstance(source, Synthetic):
            raise SandboxError("recorded rows are not edited; start the sandbox without --replay")
        try:
            edits = [Edit(**edit) for edit in await request.json()]
        except TypeError as error:
            raise SandboxError(f"an edit has kind, dataset, match, values, at and branch: {error}") from error
        source.edit(*edits)
        return JSONResponse({"edits": len(edits)}, status_code=201)

    async def settings(self, request: Request) -> Response:
        """Read or change latency, revision and the present."""
        if request.method == "POST":
            self._set(await request.json())
        source = self._sandbox.source
        return JSONResponse(
            {
                "latency": self._sandbox.latency,
                "now": self._sandbox.clock().isoformat(),
                "revision": source.revision if isinstance(source, Synthetic) else 0,
            }
        )

    def _set(self, changes: Mapping[str, Any]) -> None:
        sandbox = self._sandbox
        if "latency" in changes:
            sandbox.latency = float(changes["latency"])
        if "now" in changes:
            try:
                fixed = instant("now", str(changes["now"]))
            except Refused as refused:
                raise SandboxError(f"now: {refused.text}") from refused
            sandbox.clock = lambda: fixed
        if "revision" in changes and isinstance(sandbox.source, Synthetic):
            sandbox.source.revision = int(changes["revision"])

    async def replay(self, request: Request) -> Response:
        """Which recorded bodies are served, and which are not and why."""
        source = self._sandbox.source
        return JSONResponse(source.listed() if isinstance(source, Replay) else {"served": [], "skipped": []})
