"""The HTTP client that every REST provider is asked through: bounded, paced, patient, and honest about what went wrong.

Knows requests, retries and files. What to ask for, and what an answer means, is the provider module's business.

Retries are tenacity's loop around one whole transfer. A retrying transport would not do: it hands over a response
before its body has been read, and a body that breaks off is the failure that must be retried.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, urlencode

import httpx
import tenacity
from pydantic import SecretStr

from energy_assets.errors import FetchError, SettingsError, StatusError, TransportError, WindowTooLargeError
from energy_assets.ingest.model import Body
from energy_assets.ingest.spool import disk_error
from energy_assets.sources import refusals
from energy_assets.sources.body import (
    BrokenBodyError,
    OversizeError,
    check_digest,
    check_syntax,
    part_of,
    write_body,
)
from energy_assets.sources.pace import Pace
from energy_assets.sources.redaction import Redactor

BURST_SECONDS = 1.0
"""After a quiet time as many requests may leave at once as the rate allows in this time: a small refresh is not slowed,
and no second sees more than twice the rate."""

CONNECT_SECONDS = 10.0
"""A host that is there answers a handshake in well under a second; the rest is for a poor line."""

READ_SECONDS = 60.0
"""Longest silence before or within an answer: a large window may be computed for a while before its first byte."""

WRITE_SECONDS = 10.0
"""A request is a few hundred bytes."""

POOL_SECONDS = 30.0
"""Connections are as many as requests in flight, so none is waited for; a longer wait is a fault."""

KEEPALIVE_SECONDS = 30.0
"""Shorter than common server settings, so that a connection is seldom found closed when it is wanted again."""

ATTEMPTS = 6
"""Requests for one window: with the back-off below they span about 15 s, longer than a gateway's hiccup; what lasts
longer is for the next refresh, a quarter of an hour later."""

BACKOFF_SECONDS = 1.0
"""Upper end of the first random wait; it doubles with each further one (1, 2, 4, 8, 16: half of 31 s on average)."""

BACKOFF_LEAST_SECONDS = 0.1
"""Lower end of each random wait, so that no retry is immediate."""

BACKOFF_MOST_SECONDS = 30.0
"""Upper end that the doubling stops at."""

RETRY_AFTER_MOST_SECONDS = 120.0
"""Longest ``Retry-After`` that is waited out. A longer one fails at once: a run should not stand still for longer, and
to ask before the time would be just what the provider asked us not to do."""

DEADLINE_SECONDS = 300.0
"""All attempts and waits for one window, without the queue for a turn: two bodies of a heavy day on a slow line."""

UNREACHABLE_AFTER = 12
"""Connections failed in a row, over all windows, after which a window is tried once instead of ``ATTEMPTS`` times: a
machine without network fails a whole refresh in seconds."""

BODY_MOST_BYTES = 2 << 30
"""Most decoded bytes of one body: fifteen of the largest days known, and less than a small disk has free."""

REFUSAL_MOST_BYTES = 64 << 10
"""How much of a refusal's body is read for its words."""

REDIRECTS_MOST = 3
"""Redirects followed, on the same host only: requests must not carry a key, or be answered, elsewhere."""

SANDBOX_HEADER = "X-Energy-Assets-Sandbox"
"""Sent by our own stand-ins with every answer, so that made-up rows are known by their origin's word."""

API_KEY_HEADER = "X-API-Key"
"""Keys travel as a header, never in a URL: URLs are logged, stored in receipts and shown."""

THROTTLES = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
"""Refusals for volume: Elexon has answered a used-up quota with 403."""

PASSING = THROTTLES | {HTTPStatus.REQUEST_TIMEOUT}
"""Client errors (4xx) that may pass by themselves and are asked again, like every server error (5xx)."""

FRAMING = frozenset({"content-length", "transfer-encoding"})
"""Headers by which the HTTP library sees that a body was cut; without them a closed connection looks like the end."""

DIGEST_HEADER = "content-md5"
"""Some stores say what a body's digest is. Of an encoded body it may be that of either form, so it is left aside."""

LIMITING = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Statuses whose body may name the longest window."""

BodyCheck = Callable[[Path], None]
"""Looks at a body that is no JSON, or not for us to judge: raises ``BrokenBodyError`` where it is not whole."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often one window is tried; the constants above give the reasons.

    Attributes:
        attempts: Requests for one window.
        backoff: Upper end of the first random wait, seconds.
        backoff_least: Lower end of every random wait, seconds.
        backoff_most: Upper end that the doubling stops at, seconds.
        retry_after_most: Longest ``Retry-After`` that is waited out, seconds.
        deadline: Attempts and waits together, seconds.
        connect: Time for a connection, seconds.
        read: Longest silence while answering, seconds.
    """

    attempts: int = ATTEMPTS
    backoff: float = BACKOFF_SECONDS
    backoff_least: float = BACKOFF_LEAST_SECONDS
    backoff_most: float = BACKOFF_MOST_SECONDS
    retry_after_most: float = RETRY_AFTER_MOST_SECONDS
    deadline: float = DEADLINE_SECONDS
    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS


class _AgainError(Exception):
    """One attempt failed in a way that may pass.

    Attributes:
        reason: What happened, redacted, to follow "was"/"could not be" in a message.
        status: HTTP status when there was one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(slots=True)
class _Trail:
    """What one window has cost so far: requests sent, seconds spent on attempts and waits."""

    url: str
    group: str
    attempts: int = 0
    seconds: float = 0.0


class _Holds:
    """How long the requests of a group have to wait because a ``Retry-After`` said so."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, int]] = {}

    def add(self, group: str, seconds: float, status: int) -> None:
        """Hold ``group`` for ``seconds`` from now, or longer where it is held longer already."""
        until = asyncio.get_running_loop().time() + seconds
        self._until[group] = max((until, status), self._until.get(group, (until, status)))

    def remaining(self, group: str) -> float:
        """Seconds still to wait, 0 when free."""
        until, _ = self._until.get(group, (0.0, 0))
        return max(0.0, until - asyncio.get_running_loop().time())

    def status(self, group: str) -> int:
        """The status that came with the ``Retry-After``."""
        return self._until[group][1]


class HttpClient:
    """One provider's client: one connection pool, one pace, one bound on requests in flight.

    Belongs to one event loop. Failures are told in one sentence that holds the URL and never a secret.

    Args:
        base_url: Address that paths are appended to.
        requests_per_second: Sustained rate.
        concurrency: Requests in flight.
        api_keys: Keys sent in turn as ``X-API-Key``, one a request; may be none.
        headers: Further headers of every request; no secrets.
        patience: Attempts, waits and time limits.
        body_most: Most decoded bytes of one body.
        sleep: Waits between attempts.
        now: The present, aware UTC.

    Raises:
        SettingsError: ``base_url`` is not an http(s) address without user, query and fragment, or a key cannot be one.
    """

    def __init__(
        self,
        base_url: str,
        *,
        requests_per_second: float,
        concurrency: int,
        api_keys: Sequence[SecretStr] = (),
        headers: Mapping[str, str] | None = None,
        patience: Patience = Patience(),
        body_most: int = BODY_MOST_BYTES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._redact = Redactor(api_keys)
        self._base = checked_base(base_url, self._redact)
        self._keys = itertools.cycle(_checked_keys(api_keys)) if api_keys else None
        self._patience = patience
        self._body_most = body_most
        self._sleep = sleep
        self._now = now
        self._pace = Pace(requests_per_second, burst=max(1, round(requests_per_second * BURST_SECONDS)))
        self._slots = asyncio.Semaphore(concurrency)
        self._holds = _Holds()
        self._sent: Counter[str] = Counter()
        self._unreachable = 0
        self._client = make_client(self._base, concurrency, patience, headers or {})

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def slowdown(self) -> int:
        """How many times slower than configured requests leave at present; 1 when undisturbed."""
        return self._pace.slowdown

    def requests_sent(self, group: str | None = None) -> int:
        """Requests sent so far, retries and redirects included, in all or for one group."""
        return self._sent[group] if group is not None else self._sent.total()

    def url(self, path: str, params: Sequence[tuple[str, str]] = ()) -> str:
        """The address of a request, secrets redacted."""
        return self._redact(self._address(path, params))

    async def download(
        self,
        path: str,
        params: Sequence[tuple[str, str]],
        destination: Path,
        *,
        group: str = "",
        check: BodyCheck | None = None,
    ) -> Body:
        """Get one body into ``destination``, which appears only when the body is whole.

        Args:
            path: Path below the base address, percent-encoded, beginning with a slash; empty for the address itself.
            params: Query parameters in the order sent; names may repeat.
            destination: File to make; its folder exists.
            group: Requests that one ``Retry-After`` holds back together, and that are counted together.
            check: In place of the look at whether the body is whole JSON; called in a thread, on a file that the
                provider framed. A body that it refuses is asked for again.

        Raises:
            TransportError: No whole answer came after all attempts.
            StatusError: An error status, at once (404 and its like) or after all attempts.
            WindowTooLargeError: The provider names a limit for the window, or the body is larger than allowed.
            SpoolError: The disk refused.
        """
        trail = _Trail(self.url(path, params), group)
        again: _AgainError
        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type(_AgainError),
                wait=self._backoff(trail),
                stop=self._is_enough(trail),
                before_sleep=_tell_and_count(trail),
                sleep=self._sleep,
                reraise=True,
            ):
                with attempt:
                    return await self._attempt(self._address(path, params), destination, trail, check)
        except _AgainError as error:
            again = error
        # Raised out here, so that no inner exception with unredacted text hangs on the one that is shown.
        raise _last_word(again, trail)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _address(self, path: str, params: Sequence[tuple[str, str]]) -> str:
        query = urlencode(list(params), quote_via=quote, safe=":")
        return f"{self._base}{path}?{query}" if query else f"{self._base}{path}"

    def _backoff(self, trail: _Trail) -> Callable[[tenacity.RetryCallState], float]:
        patience = self._patience
        jittered = tenacity.wait_random_exponential(
            multiplier=patience.backoff, min=patience.backoff_least, max=patience.backoff_most
        )

        def wait(state: tenacity.RetryCallState) -> float:
            # A hold is waited out before the attempt, together with all others of the group.
            return 0.0 if self._holds.remaining(trail.group) else jittered(state)

        return wait

    def _is_enough(self, trail: _Trail) -> Callable[[tenacity.RetryCallState], bool]:
        def stop(state: tenacity.RetryCallState) -> bool:
            held = self._holds.remaining(trail.group)
            return (
                trail.attempts >= self._patience.attempts
                or trail.seconds + state.upcoming_sleep + held >= self._patience.deadline
                or held > self._patience.retry_after_most
                or self._unreachable >= UNREACHABLE_AFTER
            )

        return stop

    async def _attempt(self, address: str, destination: Path, trail: _Trail, check: BodyCheck | None) -> Body:
        await self._wait_for_hold(trail)
        async with self._slots:
            token = await self._pace.turn()
            loop = asyncio.get_running_loop()
            begun = loop.time()
            trail.attempts += 1
            try:
                async with asyncio.timeout(max(0.0, self._patience.deadline - trail.seconds)):
                    body = await self._exchange(address, destination, trail, token, check)
            except TimeoutError:
                trail.seconds = self._patience.deadline
                raise _AgainError("not answered whole in the time allowed") from None
            except httpx.RequestError as error:
                self._note_unreachable(error)
                raise _AgainError(self._redact(what_broke(error))) from None
            except BrokenBodyError as error:
                raise _AgainError(f"answered with a broken body: {error}", HTTPStatus.OK) from None
            finally:
                trail.seconds += loop.time() - begun
        self._pace.answered(token)
        return body

    async def _wait_for_hold(self, trail: _Trail) -> None:
        """Wait until the group may ask again.

        Raises:
            StatusError: The provider asks to wait for longer than a run should stand still.
        """
        held = self._holds.remaining(trail.group)
        if held > self._patience.retry_after_most:
            raise StatusError(
                f"GET {trail.url} was not sent: the provider asked to wait, and {held:.0f} s of that are to come.",
                self._holds.status(trail.group),
            )
        if held:
            trail.seconds += held
            await self._sleep(held)

    def _note_unreachable(self, error: httpx.RequestError) -> None:
        self._unreachable = self._unreachable + 1 if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else 0

    async def _exchange(
        self, address: str, destination: Path, trail: _Trail, token: int, check: BodyCheck | None
    ) -> Body:
        """One request and its redirects; the body on disk, or the exception that says what to do."""
        headers = {API_KEY_HEADER: next(self._keys)} if self._keys else {}
        target = httpx.URL(address)
        for _ in range(REDIRECTS_MOST + 1):
            self._sent[trail.group] += 1
            requested = self._now()
            async with self._client.stream("GET", target, headers=headers) as response:
                self._unreachable = 0
                if response.status_code == HTTPStatus.OK:
                    return await self._receive(response, destination, trail, requested, check)
                if not response.has_redirect_location:
                    await self._refuse(response, trail, token)
                target = self._redirected(target, response, trail)
        raise StatusError(f"GET {trail.url} was redirected more than {REDIRECTS_MOST} times.", HTTPStatus.FOUND)

    def _redirected(self, asked: httpx.URL, response: httpx.Response, trail: _Trail) -> httpx.URL:
        try:
            target = asked.join(response.headers["location"])
        except httpx.InvalidURL:
            target = httpx.URL("")
        upgraded = (asked.scheme, target.scheme) == ("http", "https") and asked.port is None and target.port is None
        same = (asked.scheme, asked.port) == (target.scheme, target.port) or upgraded
        if asked.host != target.host or not same:
            raise StatusError(
                f"GET {trail.url} was answered {phrase(response.status_code)} to {self._redact(str(target))}, another "
                "host or port, which is not followed.",
                response.status_code,
            )
        return target

    async def _receive(
        self,
        response: httpx.Response,
        destination: Path,
        trail: _Trail,
        requested: datetime,
        check: BodyCheck | None,
    ) -> Body:
        if "html" in response.headers.get("content-type", ""):
            raise BrokenBodyError("it is a page of HTML")
        part = part_of(destination)
        encoding = response.headers.get("content-encoding", "").strip().lower()
        try:
            with part.open("wb") as file:
                written = await write_body(response.aiter_raw(), encoding, file, self._body_most, json=check is None)
            await self._look(part, response, encoding, check)
            part.replace(destination)
        except OversizeError:
            raise WindowTooLargeError(
                f"GET {trail.url} brings more than {self._body_most:,} bytes; ask for a shorter window.", None
            ) from None
        except OSError as error:
            raise disk_error(part, error) from error
        finally:
            part.unlink(missing_ok=True)
        return Body(
            path=destination,
            url=trail.url,
            status=response.status_code,
            sha256=written.sha256,
            size=written.size,
            attempts=trail.attempts,
            requested_utc=requested,
            sandbox=SANDBOX_HEADER in response.headers,
        )

    async def _look(self, part: Path, response: httpx.Response, encoding: str, check: BodyCheck | None) -> None:
        """Whether a body is whole, beyond what was seen while it came."""
        framed = bool(encoding or FRAMING & response.headers.keys())
        digest = response.headers.get(DIGEST_HEADER)
        if digest and not encoding:
            await asyncio.to_thread(check_digest, part, digest)
        if check is not None and not framed:
            raise BrokenBodyError("nothing tells where it ends")
        if check is not None:
            await asyncio.to_thread(check, part)
        elif not framed:
            await asyncio.to_thread(check_syntax, part)

    async def _refuse(self, response: httpx.Response, trail: _Trail, token: int) -> NoReturn:
        """Raise what an answer other than 200 means."""
        status = response.status_code
        words = self._redact(refusals.provider_words(await refusal_text(response)))
        said = f"answered {phrase(status)}" + (f" ({words})" if words else "")
        if status in THROTTLES:
            self._pace.refused(token)
        if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = refusals.retry_after(response.headers.get("retry-after"), self._now())
            if wait:
                self._holds.add(trail.group, wait, status)
                said += f", asking to wait {wait:.0f} s"
            raise _AgainError(said, status)
        if status in LIMITING and refusals.names_limit(words):
            raise WindowTooLargeError(f"GET {trail.url} was {said}.", refusals.named_limit(words))
        raise StatusError(f"GET {trail.url} was {said}.", status)


def _tell_and_count(trail: _Trail) -> Callable[[tenacity.RetryCallState], None]:
    def before_sleep(state: tenacity.RetryCallState) -> None:
        trail.seconds += state.upcoming_sleep
        error = state.outcome.exception() if state.outcome else None
        log.info("GET %s was %s; asked again in %.1f s", trail.url, error, state.upcoming_sleep)

    return before_sleep


def _last_word(again: _AgainError, trail: _Trail) -> FetchError:
    message = f"GET {trail.url} was {again.reason}; tried {times(trail.attempts)} in {trail.seconds:.0f} s."
    if again.status is None or again.status == HTTPStatus.OK:
        return TransportError(message)
    return StatusError(message, again.status)


def user_agent() -> str:
    """Product and version, as every request tells."""
    try:
        release = version("energy-assets")
    except PackageNotFoundError:  # a source tree that is not installed
        release = "unreleased"
    return f"energy-assets/{release} (Great Britain electricity market data; python-httpx/{httpx.__version__})"


def make_client(base: str, concurrency: int, patience: Patience, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """The HTTP library's client for one provider, with our limits; redirects are the caller's."""
    # They log every address at INFO, its query included, and keys and signatures are in some.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    usual = {"User-Agent": user_agent(), "Accept": "application/json", "Accept-Encoding": "gzip"}
    return httpx.AsyncClient(
        headers={**usual, **headers},
        timeout=httpx.Timeout(connect=patience.connect, read=patience.read, write=WRITE_SECONDS, pool=POOL_SECONDS),
        limits=httpx.Limits(
            max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=KEEPALIVE_SECONDS
        ),
        follow_redirects=False,
        # Reading the trusted certificates takes longer than a request; an address without TLS trusts none.
        verify=True if base.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        # A proxy of the environment cannot reach this machine's own loopback.
        trust_env=not is_loopback(httpx.URL(base).host),
    )


def checked_base(base_url: str, redact: Redactor) -> str:
    """An address without a slash at its end.

    Raises:
        SettingsError: It is not an http(s) address without user, query and fragment.
    """
    try:
        parsed = httpx.URL(base_url)
        plain = not (parsed.query or parsed.fragment or parsed.userinfo)
        usable = parsed.scheme in ("http", "https") and bool(parsed.host) and plain
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise SettingsError(f"{redact(base_url)!r} is not an http or https address that paths can be appended to.")
    return base_url.rstrip("/")


def _checked_keys(keys: Sequence[SecretStr]) -> list[str]:
    plain = [key.get_secret_value() for key in keys]
    for number, key in enumerate(plain, start=1):
        if not key.isascii() or not key.isprintable() or not key or " " in key:
            raise SettingsError(f"API key {number} of {len(plain)} is empty or has characters that no key can have.")
    return plain


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def refusal_text(response: httpx.Response) -> str:
    """The beginning of a refusal's body."""
    read = bytearray()
    async for chunk in response.aiter_bytes():
        read += chunk
        if len(read) >= REFUSAL_MOST_BYTES:
            break
    return read[:REFUSAL_MOST_BYTES].decode("utf-8", "replace")


def what_broke(error: httpx.RequestError) -> str:
    """A failed transfer in words that follow "was"; to be redacted."""
    names: tuple[tuple[type[httpx.RequestError], str], ...] = (
        (httpx.ConnectTimeout, "not reached: the connection took too long"),
        (httpx.ConnectError, "not reached"),
        (httpx.ReadTimeout, "not answered: nothing came for too long"),
        (httpx.RemoteProtocolError, "answered brokenly"),
        (httpx.DecodingError, "answered brokenly"),
        (httpx.NetworkError, "cut off"),
    )
    name = next((name for kind, name in names if isinstance(error, kind)), f"not answered: {type(error).__name__}")
    return f"{name} ({error})" if str(error) else name


def phrase(status: int) -> str:
    """A status with its name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"
