"""Sending an answer whole, or as the faults have it.

Bytes only: what an answer says is decided before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from starlette.types import Receive, Scope, Send

from energy_assets.sandbox.elexon import CHUNK_BYTES, hang_up
from energy_assets.sandbox.faults import HTML, Fault, cut

JSON = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent.

    Attributes:
        body: In memory, or a file that is too large for it.
        status: HTTP status.
        media: Content type.
        headers: Further headers.
    """

    body: bytes | Path
    status: int = HTTPStatus.OK
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    def pieces(self, most: int) -> Iterator[bytes]:
        """The first bytes of the body, in pieces that a slow reader holds back."""
        if isinstance(self.body, Path):
            with self.body.open("rb") as file:
                while most > 0 and (piece := file.read(min(CHUNK_BYTES, most))):
                    most -= len(piece)
                    yield piece
            return
        for start in range(0, min(most, len(self.body)), CHUNK_BYTES):
            yield self.body[start : min(start + CHUNK_BYTES, most)]


class RefusedError(Exception):
    """What is answered in place of what was asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def told(content: object, status: int = HTTPStatus.OK) -> Answer:
    """JSON."""
    return Answer(json.dumps(content).encode(), status)


def failing(faults: Sequence[Fault]) -> Answer | None:
    """What faults answer in place of everything else, if any does."""
    for fault in faults:
        if fault.kind == "status":
            wait = (("Retry-After", f"{fault.seconds:g}"),) if fault.seconds > 0 else ()
            return Answer(HTML, fault.status, "text/html; charset=UTF-8", wait)
        if fault.kind == "busy":
            return Answer(HTML, HTTPStatus.CONFLICT, "text/html; charset=UTF-8")
        if fault.kind == "html":
            return Answer(HTML, HTTPStatus.OK, "text/html; charset=UTF-8")
    return None


async def deliver(answer: Answer, faults: Sequence[Fault], scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer; ``truncate`` frames a cut body as whole, ``reset`` and ``short`` end the connection in it."""
    kinds = {fault.kind for fault in faults}
    if "truncate" in kinds and isinstance(answer.body, bytes):
        answer = replace(answer, body=cut(answer.body, after_comma=False))
    headers = [("content-type", answer.media), ("content-length", str(answer.size)), *answer.headers]
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    broken = bool(kinds & {"reset", "short"})
    for piece in answer.pieces(answer.size // 2 if broken else answer.size):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if broken:
        await hang_up(scope, receive, reset="reset" in kinds)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})
