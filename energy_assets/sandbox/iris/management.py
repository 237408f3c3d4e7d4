"""What clients ask of a queue beside receiving: renewing locks, settling without a link, looking without taking.

Requests and answers of the ``$management`` node belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from energy_assets.sandbox.iris.codec import Array, CodecError, Int, Symbol
from energy_assets.sandbox.iris.links import LOCK_LOST, text
from energy_assets.sandbox.iris.messages import Request, delivered, reply, timestamps
from energy_assets.sandbox.iris.queue import LockLostError, Outcome, Queue

PREFIX = "com.microsoft:"

OK, NO_CONTENT, BAD_REQUEST, GONE, NOT_IMPLEMENTED = 200, 204, 400, 410, 501

Answer = tuple[int, Any]
"""Status and value."""

Values = Mapping[str, Any]


def manage(queue: Queue, request: Request) -> bytes:
    """Do what a request asks of a queue.

    Returns:
        The answer's sections.
    """
    operation = text(request.properties.get("operation", "")).removeprefix(PREFIX)
    serve = _OPERATIONS.get(operation)
    condition = ""
    try:
        values = {text(key): value for key, value in (request.value or {}).items()}
        status, value = (NOT_IMPLEMENTED, None) if serve is None else serve(queue, values)
        said = "OK" if serve else f"The operation {operation!r} is not known here."
    except LockLostError as lost:
        status, value, condition, said = GONE, None, LOCK_LOST, str(lost)
    except (KeyError, ValueError, TypeError, AttributeError, CodecError) as wrong:
        status, value, condition, said = BAD_REQUEST, None, f"{PREFIX}argument-error", f"Bad request: {wrong!r}"
    outcome: dict[str, Any] = {"statusCode": Int(status), "statusDescription": said}
    if condition:
        outcome["errorCondition"] = Symbol(condition)
    return reply(request.message_id, outcome, value)


def _tokens(values: Values) -> list[UUID]:
    given = values["lock-tokens"]
    listed = given.values if isinstance(given, Array) else given
    return [token if isinstance(token, UUID) else UUID(text(token)) for token in listed]


def _renew(queue: Queue, values: Values) -> Answer:
    return OK, {"expirations": Array(timestamps([queue.renew(token) for token in _tokens(values)]))}


def _dispose(queue: Queue, values: Values) -> Answer:
    outcome = Outcome(text(values["disposition-status"]))
    marks = {
        "DeadLetterReason": text(values.get("deadletter-reason") or ""),
        "DeadLetterErrorDescription": text(values.get("deadletter-description") or ""),
    }
    for token in _tokens(values):
        queue.settle(token, outcome, marks)
    return OK, None


def _peek(queue: Queue, values: Values) -> Answer:
    found = queue.peek(int(values["from-sequence-number"]), int(values["message-count"]))
    messages = [{"message": delivered(e.message, e.failed, e.sequence, e.enqueued, None)} for e in found]
    return (OK, {"messages": messages}) if messages else (NO_CONTENT, None)


def _receive_deferred(queue: Queue, values: Values) -> Answer:
    given = values["sequence-numbers"]
    messages = [
        {"message": delivered(e.message, e.failed, e.sequence, e.enqueued, held.locked_until), "lock-token": held.token}
        for held in queue.receive_deferred(map(int, given.values if isinstance(given, Array) else given))
        for e in (held.entry,)
    ]
    return OK, {"messages": messages}


_OPERATIONS: dict[str, Callable[[Queue, Values], Answer]] = {
    "renew-lock": _renew,
    "update-disposition": _dispose,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive_deferred,
}
