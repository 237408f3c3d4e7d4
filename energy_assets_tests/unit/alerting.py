"""Who is told: a webhook and a mail server on loopback that take down what comes, and fail when they are told to."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import Envelope

from energy_assets.settings import Settings, load_settings
from energy_assets.tracking.incidents import Condition, Severity

SECRET = "s3cr3t-t0ken-of-the-hook"
"""Part of every address here; it must not be seen anywhere."""


@dataclass
class Webhook:
    """What came to a local web server: bodies of POSTs, paths of GETs.

    Attributes:
        status: What it answers.
        entered: Set when a request has come.
        gate: Waited for before a request is answered; after it the request counts as taken.
    """

    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, number: int = 1) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}/{number}"

    @property
    def heartbeat(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [m["title"] for m in self.messages]


@contextmanager
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    hook.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.entered.set()
            hook.gate.wait(30)
            if hook.status == 200:
                hook.messages.append(json.loads(body) | {"path": self.path})
            self._answer()

        def do_GET(self) -> None:
            if self.path == "/elsewhere":
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if hook.status == 200:
                hook.beats.append(self.path)
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self) -> None:
            self.send_response(hook.status)
            if hook.status == 301:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """What came to a local mail server.

    Attributes:
        refuses: Whether it refuses what comes, for good.
    """

    refuses: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=alerts@example.org&to=a@example.org"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return "554 Transaction failed"
        parsed = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return "250 OK"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    import asyncio

    box = Mailbox()
    loop = asyncio.new_event_loop()
    controller = UnthreadedController(box, hostname="127.0.0.1", port=0, loop=loop)
    controller.begin()
    box.port = controller.server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(controller.finalize(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def settings_of(home: Path, *urls: str, **others: str) -> Settings:
    """Settings of a home whose alerts go to some addresses; further ones without their prefix."""
    named = {f"ENERGY_ASSETS_ALERT_{name}": value for name, value in others.items()}
    return load_settings({"ENERGY_ASSETS_HOME": str(home), "ENERGY_ASSETS_ALERT_URLS": " ".join(urls), **named}, None)


def condition(key: str = "a", severity: Severity = "warning", text: str = "It is so.") -> Condition:
    return Condition(key, "dataset_stale", severity, f"{key} is stale", text, "Mend it.")
