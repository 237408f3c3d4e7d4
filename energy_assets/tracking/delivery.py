"""Sending: a message through Apprise to one address, and the heartbeat that a watcher elsewhere waits for.

Addresses are secrets. Nothing that a service or a library says about a failure is passed on, because it may repeat
them; why something failed is told in words of our own.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from energy_assets.tracking.messages import APP, Message, Tone

HEARTBEAT_SECONDS = 10.0
"""Longest wait for the watcher's answer; the next beat comes in minutes."""

NAME_DIGITS = 12
"""Digits of an address's name in the ledger: enough to tell addresses apart, a digest so that it shows none of it."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://")
_STATUS = re.compile(r"\berror[=: ]+(\d{3})\b")
_SMTP_STATUS = re.compile(r"\((\d{3}), b?['\"]")
_CAUSES = (
    ("refused", "the connection was refused"),
    ("timed out", "no answer came in time"),
    ("timeout", "no answer came in time"),
    ("certificate", "the certificate is not trusted"),
    ("name or service", "the host is not known"),
    ("nodename nor servname", "the host is not known"),
    ("name resolution", "the host is not known"),
    ("getaddrinfo", "the host is not known"),
    ("authentication", "the login was refused"),
    ("unreachable", "the network cannot reach it"),
    ("disconnected", "the connection was cut"),
    ("connection", "the connection failed"),
)
"""What a library's word for a failure contains, and ours for it; the first that fits."""

_TONES: dict[Tone, str] = {"info": "info", "warning": "warning", "error": "failure", "good": "success"}


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody who can be told.

    Attributes:
        name: Its name in the ledger, which shows nothing of it.
        label: Its name for people: scheme and place in the setting.
        url: The Apprise address.
    """

    name: str
    label: str
    url: SecretStr


def addresses(urls: Sequence[SecretStr], variable: str) -> tuple[Address, ...]:
    """The addresses of a setting, each once.

    Args:
        urls: Apprise addresses.
        variable: The setting's variable, for people.
    """
    found: dict[str, Address] = {}
    for number, url in enumerate(urls, start=1):
        plain = url.get_secret_value()
        name = hashlib.sha256(plain.encode()).hexdigest()[:NAME_DIGITS]
        scheme = _SCHEME.match(plain)
        label = f"{scheme[1].lower() if scheme else 'address'} (number {number} of {variable})"
        found.setdefault(name, Address(name, label, url))
    return tuple(found.values())


def send(address: Address, message: Message) -> str | None:
    """Send a message and wait until the service has taken it.

    Returns:
        ``None`` when it was taken, else why not; nothing of the address is in it. Never raises for what a service does.
    """
    import apprise

    asset = apprise.AppriseAsset(
        app_id=APP,
        app_desc=APP,
        # No picture from elsewhere in our messages.
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        # A redirected POST becomes a GET, which succeeds without having told anybody.
        http_redirects=False,
        # Without a limit per service it is called in this thread, and its own time-outs hold.
        service_timeout=0,
    )
    with _hushed() as said:
        try:
            service = apprise.Apprise(asset=asset)
            if not service.add(address.url.get_secret_value()):
                return "the address is not one that Apprise understands"
            for plugin in service:
                # Some services take 1,000 characters and refuse more, each time; an address may ask for `truncate`.
                if plugin.overflow_mode == apprise.OverflowMode.UPSTREAM:
                    plugin.overflow_mode = apprise.OverflowMode.SPLIT
            taken = service.notify(
                body=message.body,
                title=message.title,
                notify_type=apprise.NotifyType(_TONES[message.tone]),
                body_format=apprise.NotifyFormat.TEXT,
            )
        # Whatever a plug-in of a hundred services raises: its text may hold the address, and no work may end here.
        except Exception as error:
            return f"the service's plug-in failed ({type(error).__name__})"
    return None if taken else _reason(said)


def beat(url: SecretStr) -> str | None:
    """Ask for the watcher's address.

    Returns:
        ``None`` when the watcher took it, else why not; nothing of the address is in it.
    """
    with _hushed():
        try:
            # The settings take http and https only.
            request = urllib.request.Request(url.get_secret_value(), headers={"User-Agent": APP})  # noqa: S310
            with urllib.request.urlopen(request, timeout=HEARTBEAT_SECONDS) as answer:  # noqa: S310
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered with status {error.code}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _cause(str(error)) or f"it cannot be reached ({type(error).__name__})"
    return None


class _Hush(logging.Filter):
    """Keeps what a library says to itself."""

    def __init__(self, thread: int | None) -> None:
        super().__init__()
        self.said: list[str] = []
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        """Let nothing through of the thread that sends, or of any."""
        if self._thread not in (None, record.thread):
            return True
        self.said.append(record.getMessage())
        return False


@contextmanager
def _hushed() -> Iterator[list[str]]:
    """Keep addresses out of the logs while sending: Apprise and urllib3 write them, the latter with their whole path.

    Yields:
        What Apprise said, in order.
    """
    apprise_logger = logging.getLogger("apprise")
    others = logging.getLogger("urllib3.connectionpool")
    hush, hush_others = _Hush(None), _Hush(threading.get_ident())
    level = apprise_logger.level
    apprise_logger.addFilter(hush)
    others.addFilter(hush_others)
    # The reason of a failed connection is said at this level only.
    apprise_logger.setLevel(logging.DEBUG)
    try:
        yield hush.said
    finally:
        apprise_logger.setLevel(level)
        apprise_logger.removeFilter(hush)
        others.removeFilter(hush_others)


def _reason(said: Sequence[str]) -> str:
    """Why a service did not take a message, from what Apprise said of it."""
    for line in reversed(said):
        if status := _STATUS.search(line):
            return f"it answered with status {status[1]}"
        if status := _SMTP_STATUS.search(line):
            return f"the mail server answered with status {status[1]}"
        if cause := _cause(line):
            return cause
    return "the service did not take it"


def _cause(text: str) -> str | None:
    lowered = text.lower()
    return next((ours for theirs, ours in _CAUSES if theirs in lowered), None)
