"""Steering a sandbox of another process: its HTTP endpoints, on loopback, and how messages and state travel over them.

They stand beside the stand-in and are no part of what it stands in for.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.feeder import Feed
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Rules
from energy_assets.sandbox.iris.steering import Steering

Json = dict[str, Any]


def control_app(iris: Steering) -> Starlette:
    """The application that serves the endpoints."""
    control = _Control(iris)
    return Starlette(
        routes=[
            Route("/addresses", control.serve(lambda _: asdict(iris.addresses))),
            Route("/messages", control.serve(control.put), methods=["POST"]),
            Route("/feed", control.serve(control.feed), methods=["POST"]),
            Route("/feed", control.serve(lambda _: iris.stop_feeding()), methods=["DELETE"]),
            Route("/state", control.serve(lambda _: asdict(iris.state()))),
            Route("/completed", control.serve(lambda _: iris.completed())),
            Route("/dead-letters", control.serve(lambda _: [asdict(letter) for letter in iris.dead_letters()])),
            Route("/faults", control.serve(lambda _: iris.faults()), methods=["GET"]),
            Route("/faults", control.serve(lambda given: {"id": iris.fault(**given)}), methods=["POST"]),
            Route("/faults", control.serve(lambda _: iris.clear()), methods=["DELETE"]),
            Route("/faults/{number:int}", control.remove, methods=["DELETE"]),
            Route("/rules", control.serve(lambda given: iris.govern(read_rules(given))), methods=["POST"]),
            Route("/settings", control.serve(lambda given: iris.configure(**given)), methods=["POST"]),
            Route("/broker/stop", control.serve(lambda _: iris.stop()), methods=["POST"]),
            Route("/broker/start", control.serve(lambda _: iris.start()), methods=["POST"]),
            Route("/broker/restart", control.serve(lambda _: iris.restart()), methods=["POST"]),
        ],
        exception_handlers={SandboxError: _refusal},
    )


async def _refusal(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


class _Control:
    def __init__(self, iris: Steering) -> None:
        self._iris = iris

    def serve(self, act: Callable[[Any], Any]) -> Callable[[Request], Any]:
        """An endpoint that does something with the request's JSON; in a thread, since it waits for the broker's."""

        async def endpoint(request: Request) -> Response:
            given = await request.json() if request.method == "POST" and await request.body() else {}
            try:
                return JSONResponse(await run_in_threadpool(act, given))
            except (KeyError, TypeError, ValueError) as error:
                raise SandboxError(f"the request does not say what is needed: {error!r}") from error

        return endpoint

    async def remove(self, request: Request) -> Response:
        """Disarm one fault."""
        await run_in_threadpool(self._iris.clear, request.path_params["number"])
        return JSONResponse(None)

    def put(self, given: list[Json]) -> Json:
        """Put messages into the queue."""
        return {"sequence_numbers": self._iris.put(map(read_message_json, given))}

    def feed(self, given: Json) -> None:
        """Start the feeder."""
        self._iris.feed(read_feed(given))


def message_json(message: Message) -> Json:
    """A message with its sections as they are sent, so that every type comes through."""
    return {
        "message_id": message.label,
        "wire": base64.b64encode(message.encoded).decode(),
        "ttl_seconds": None if message.ttl is None else message.ttl.total_seconds(),
    }


def read_message_json(given: Mapping[str, Any]) -> Message:
    """A message of its JSON: what ``message_json`` makes, or id, subject, text of the body and properties."""
    seconds = given.get("ttl_seconds")
    ttl = None if seconds is None else timedelta(seconds=seconds)
    if "wire" in given:
        return Message(given["message_id"], ttl=ttl, wire=base64.b64decode(given["wire"]))
    body = given.get("body", "")
    return Message(given.get("message_id"), given.get("subject"), body.encode(), given.get("properties") or {}, ttl)


def rules_json(rules: Rules) -> Json:
    """A queue's properties, times in seconds."""
    return {
        "lock_seconds": rules.lock.total_seconds(),
        "most_deliveries": rules.most_deliveries,
        "ttl_seconds": rules.ttl.total_seconds(),
        "bury_expired": rules.bury_expired,
    }


def read_rules(given: Mapping[str, Any]) -> Rules:
    """A queue's properties of their JSON; what is not given is as usual."""
    usual = rules_json(Rules()) | dict(given)
    return Rules(
        timedelta(seconds=usual["lock_seconds"]),
        usual["most_deliveries"],
        timedelta(seconds=usual["ttl_seconds"]),
        usual["bury_expired"],
    )


def feed_json(feed: Feed) -> Json:
    """What is fed, as JSON has it."""
    return asdict(feed) | {
        "from_utc": None if feed.from_utc is None else feed.from_utc.isoformat(),
        "folder": None if feed.folder is None else str(feed.folder),
    }


def read_feed(given: Mapping[str, Any]) -> Feed:
    """What is to be fed, of its JSON."""
    options = dict(given)
    if options.get("from_utc") is not None:
        options["from_utc"] = datetime.fromisoformat(options["from_utc"])
    if options.get("folder") is not None:
        options["folder"] = Path(options["folder"])
    options["streams"] = tuple(options.get("streams") or ())
    return Feed(**options)
