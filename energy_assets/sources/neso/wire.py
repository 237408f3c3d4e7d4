"""One request to the portal, until its answer is whole: lanes, redirects, retries, and what a refusal means.

Knows addresses and HTTP. What is asked for, and what the answer holds, is the caller's business: a ``Receive`` takes
the body of the final answer, and raises ``BrokenBodyError`` where it is not what can have been meant.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar
from urllib.parse import quote, urlencode

import httpx
import tenacity

from energy_assets.errors import ContractError, FetchError, SettingsError, StatusError, TransportError
from energy_assets.sources import refusals
from energy_assets.sources.body import BrokenBodyError
from energy_assets.sources.http import (
    REDIRECTS_MOST,
    SANDBOX_HEADER,
    Patience,
    checked_base,
    is_loopback,
    make_client,
    phrase,
    refusal_text,
    times,
    what_broke,
)
from energy_assets.sources.neso.answers import is_final, words_of
from energy_assets.sources.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from energy_assets.sources.neso.lanes import Lane, Lanes

ACTIONS = "/api/3/action"
"""Where CKAN has its actions; what stands before is the portal's own address, which files and dumps lie below."""

FILES_AT_ONCE = 4
"""Transfers of the portal's lane under way: one may begin each second, and four large files fill any line."""

TABLES_AT_ONCE = 2
"""Transfers of the datastore's lane under way: while a large table comes another request may wait for its turn."""

PATIENCE = Patience(attempts=4, backoff=4.0, backoff_least=0.5, backoff_most=60.0, deadline=1_800.0)
"""Four requests at most, over about half a minute with their waits: what lasts longer is for the next refresh, and a
portal under load is not helped by more. Half an hour lets the largest file known (a third of a gigabyte) through a line
of two megabits."""

PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
"""Client errors that mean "later", besides a 409 that does not say what is wrong with the request."""

T = TypeVar("T")
Receive = Callable[[httpx.Response], Awaitable[T]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """A whole answer.

    Attributes:
        value: What the receiver made of it.
        url: The address asked first, secrets redacted; never that of a storage.
        status: HTTP status of the final answer.
        attempts: Requests it took, redirects and retries included.
        requested_utc: When the successful attempt began.
        sandbox: Whether a local stand-in answered, by its own word.
    """

    value: T
    url: str
    status: int
    attempts: int
    requested_utc: datetime
    sandbox: bool


class _AgainError(Exception):
    """One attempt failed in a way that may pass.

    Attributes:
        reason: What happened, redacted, to follow "was" in a message.
        status: HTTP status when there was one.
        wait: Seconds that the portal asked to wait, 0 when it did not say.
    """

    def __init__(self, reason: str, status: int | None = None, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.wait = wait


@dataclass(slots=True)
class _Trail:
    """What one answer has cost so far."""

    url: str
    group: str
    attempts: int = 0
    sandbox: bool = False


class Wire:
    """The portal's HTTP side. Belongs to one event loop.

    Args:
        actions_url: Address of CKAN's actions, ending in ``/api/3/action``.
        lanes: The lanes of the home.
        patience: Attempts, waits and time limits.
        sleep: Waits between attempts.
        now: The present, aware UTC.

    Raises:
        SettingsError: ``actions_url`` is no such address.
    """

    def __init__(
        self,
        actions_url: str,
        lanes: Lanes,
        *,
        patience: Patience = PATIENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.lanes = lanes
        self._redact = Redactor()
        base = checked_base(actions_url, self._redact)
        if not base.endswith(ACTIONS):
            raise SettingsError(
                f"ENERGY_ASSETS_NESO_URL is {self._redact(base)!r}, but it must end in {ACTIONS}: files and tables are "
                "found beside the actions."
            )
        self.root = base.removesuffix(ACTIONS)
        self._patience = patience
        self._sleep = sleep
        self._now = now
        # Each lane has its own: whoever waits half a minute for a table holds up no file.
        self._slots = {
            lanes.portal: asyncio.Semaphore(FILES_AT_ONCE),
            lanes.datastore: asyncio.Semaphore(TABLES_AT_ONCE),
        }
        self._sent: Counter[str] = Counter()
        self._client = make_client(base, FILES_AT_ONCE + TABLES_AT_ONCE, patience, {})
        # The edge in front of the portal sets cookies, and none of them is for the storage that it sends us to.
        self._client.cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))

    def address(self, path: str, params: Mapping[str, str]) -> str:
        """The address of a path below the portal's own, with a query in the order given."""
        query = urlencode(params, quote_via=quote, safe=":")
        return f"{self.root}{path}?{query}" if query else f"{self.root}{path}"

    def shown(self, address: str) -> str:
        """An address for people, secrets redacted."""
        return self._redact(address)

    def requests_sent(self, group: str | None = None) -> int:
        """Requests sent so far, retries and redirects included, in all or for one group."""
        return self._sent[group] if group is not None else self._sent.total()

    async def get(
        self,
        address: str,
        lane: Lane,
        receive: Receive[T],
        *,
        headers: Mapping[str, str] | None = None,
        group: str = "",
    ) -> Received[T]:
        """Ask until an answer is whole.

        Args:
            address: Sent exactly as it is.
            lane: Whose turn every request waits for, redirects and retries too.
            receive: Takes the body of a 200; called again for another attempt.
            headers: Further headers.
            group: Requests that are counted together.

        Raises:
            TransportError: No whole answer came after all attempts.
            StatusError: The portal or its storage refused, at once or after all attempts.
            ContractError: ``address`` or a redirect leads where no answer of the portal can lie; it was not asked.
            SpoolError: The home cannot be written to.
        """
        trail = _Trail(self._redact(address), group)
        self._check_way(httpx.URL(self.root), _parsed(address), trail)
        again: _AgainError
        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type(_AgainError),
                wait=self._backoff,
                stop=self._is_enough,
                before_sleep=_tell(trail),
                sleep=self._sleep,
                reraise=True,
            ):
                with attempt:
                    return await self._attempt(address, lane, receive, headers or {}, trail)
        except _AgainError as error:
            again = error
        # Raised out here, so that no inner exception with unredacted text hangs on the one that is shown.
        raise _last_word(again, trail)

    async def sleep(self, seconds: float) -> None:
        """Let time pass as between two attempts."""
        await self._sleep(seconds)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _backoff(self, state: tenacity.RetryCallState) -> float:
        patience = self._patience
        jittered = tenacity.wait_random_exponential(
            multiplier=patience.backoff, min=patience.backoff_least, max=patience.backoff_most
        )
        return max(_failure(state).wait, jittered(state))

    def _is_enough(self, state: tenacity.RetryCallState) -> bool:
        asked = _failure(state).wait
        return state.attempt_number >= self._patience.attempts or asked > self._patience.retry_after_most

    async def _attempt(
        self, address: str, lane: Lane, receive: Receive[T], headers: Mapping[str, str], trail: _Trail
    ) -> Received[T]:
        async with self._slots[lane]:
            try:
                return await self._follow(address, lane, receive, headers, trail)
            except TimeoutError:
                raise _AgainError("not answered whole in the time allowed") from None
            except httpx.InvalidURL:
                raise _AgainError("answered brokenly: it was redirected to what is no address") from None
            except httpx.RequestError as error:
                raise _AgainError(self._redact(what_broke(error))) from None
            except BrokenBodyError as error:
                raise _AgainError(f"answered with a broken body: {self._redact(str(error))}", HTTPStatus.OK) from None

    async def _follow(
        self, address: str, lane: Lane, receive: Receive[T], headers: Mapping[str, str], trail: _Trail
    ) -> Received[T]:
        """The request and its redirects, each with a turn of its own."""
        target = address
        requested: datetime | None = None
        for _ in range(REDIRECTS_MOST + 1):
            async with self._answered(target, lane, headers, trail) as (sent, response):
                requested = requested or sent
                if response.status_code == HTTPStatus.OK:
                    async with asyncio.timeout(self._patience.deadline):
                        value = await receive(response)
                    return Received(value, trail.url, response.status_code, trail.attempts, requested, trail.sandbox)
                if not response.has_redirect_location:
                    await self._refuse(response, target, trail)
                target = self._redirected(target, response, trail)
        raise StatusError(f"GET {trail.url} was redirected more than {REDIRECTS_MOST} times.", HTTPStatus.FOUND)

    @asynccontextmanager
    async def _answered(
        self, target: str, lane: Lane, headers: Mapping[str, str], trail: _Trail
    ) -> AsyncIterator[tuple[datetime, httpx.Response]]:
        """When the request was sent, and its answer, whose body is still to come."""
        request = self._client.build_request("GET", target, headers=dict(headers), extensions=_exactly(target))
        async with lane.turn():
            trail.attempts += 1
            self._sent[trail.group] += 1
            sent = self._now()
            response = await self._client.send(request, stream=True)
        trail.sandbox |= SANDBOX_HEADER in response.headers
        try:
            yield sent, response
        finally:
            await response.aclose()

    def _redirected(self, asked: str, response: httpx.Response, trail: _Trail) -> str:
        """Where a redirect leads, in the very characters in which it was told.

        Raises:
            ContractError: No answer of the portal can lie there.
        """
        told = next(value for name, value in response.headers.raw if name.lower() == b"location").decode("latin-1")
        target = _joined(asked, told).partition("#")[0]
        self._check_way(_parsed(asked), _parsed(target), trail)
        return target

    def _check_way(self, asked: httpx.URL, target: httpx.URL, trail: _Trail) -> None:
        """Refuse to go from the encrypted web to anywhere else, or from elsewhere to this machine.

        Raises:
            ContractError: ``target`` is such a place, or no address.
        """
        safe = target.scheme == "https" or (target.scheme == "http" and asked.scheme == "http")
        inward = is_loopback(target.host) and not is_loopback(asked.host)
        if not safe or inward or not target.host or target.userinfo:
            raise ContractError(
                f"GET {trail.url} leads to {self._redact(str(target.copy_with(query=None)))!r}, where no file of the "
                "portal can lie; it was not asked, and if this persists ENERGY_ASSETS_NESO_URL is not the portal's."
            )

    async def _refuse(self, response: httpx.Response, target: str, trail: _Trail) -> NoReturn:
        """Raise what an answer other than 200 means."""
        status = response.status_code
        text = await refusal_text(response)
        words = self._redact(words_of(text))
        stored = not target.startswith(self.root + "/")
        where = f" by the storage at {_parsed(target).host}" if stored else ""
        said = f"answered {phrase(status)}{where}" + (f" ({words})" if words else "")
        later = status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        busy = status == HTTPStatus.CONFLICT and not is_final(text)
        # A signed address holds for a short time, which may have passed in the queue for a turn.
        expired = status == HTTPStatus.FORBIDDEN and stored
        if later or busy or expired:
            wait = refusals.retry_after(response.headers.get("retry-after"), self._now()) or 0.0
            raise _AgainError(said, status, wait)
        raise StatusError(f"GET {trail.url} was {said}.", status)


def _failure(state: tenacity.RetryCallState) -> _AgainError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _AgainError)  # noqa: S101 - the only exception that is tried again
    return error


def _tell(trail: _Trail) -> Callable[[tenacity.RetryCallState], None]:
    def before_sleep(state: tenacity.RetryCallState) -> None:
        log.info("GET %s was %s; asked again in %.1f s", trail.url, _failure(state), state.upcoming_sleep)

    return before_sleep


def _last_word(again: _AgainError, trail: _Trail) -> FetchError:
    held = f", asking to wait {again.wait:.0f} s" if again.wait else ""
    message = f"GET {trail.url} was {again.reason}{held}; asked {times(trail.attempts)}, redirects included."
    if again.status is None or again.status == HTTPStatus.OK:
        return TransportError(message)
    return StatusError(message, again.status)


def _parsed(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except httpx.InvalidURL:
        return httpx.URL("")


def _joined(asked: str, told: str) -> str:
    """Where a redirect leads that may leave out what stays the same."""
    scheme, _, rest = asked.partition("://")
    if told.startswith("//"):
        return f"{scheme}:{told}"
    if told.startswith("/"):
        return f"{scheme}://{rest.partition('/')[0]}{told}"
    return told if "://" in told.partition("?")[0] else str(_parsed(asked).join(told))


def _exactly(address: str) -> dict[str, bytes]:
    """Makes the HTTP library send an address as it is, where it would encode some characters of its own accord.

    Blanks and characters beyond ASCII cannot stand in a request and are encoded all the same. Where nothing would
    change nothing is said: a proxy takes what is said for its own address.
    """
    parsed = _parsed(address)
    rest = address.partition("://")[2].partition("#")[0]
    place = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    told = rest[place:] if rest[place : place + 1] == "/" else "/" + rest[place:]
    if not told.isascii() or not told.isprintable() or " " in told or told.encode() == parsed.raw_path:
        return {}
    return {"target": told.encode()}


def explained(error: FetchError, what: str) -> FetchError:
    """The same error, naming what was asked for and what to do."""
    said = f"{what}: {str(error).removesuffix('.')}"
    again = "nothing was taken and the next refresh asks again"
    if not isinstance(error, StatusError):
        return TransportError(
            f"{said}; {again}, so check the network and ENERGY_ASSETS_NESO_URL only if this persists."
        )
    if error.status == HTTPStatus.FORBIDDEN:
        return StatusError(
            f"{said}; the portal blocks addresses that ask too often, so look for another program that asks it from "
            "here, and ask NESO if there is none.",
            error.status,
        )
    if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return StatusError(f"{said}; it may have moved since the portal was listed, and the next refresh looks.", 404)
    if HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status not in PASSING:
        return StatusError(f"{said}; {again}, and if this persists the portal has changed.", error.status)
    return StatusError(f"{said}; {again}.", error.status)
