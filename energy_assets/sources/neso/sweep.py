"""Asking CKAN's actions, and the sweep: the whole catalogue of the portal in a few pages.

What an answer holds is read by ``answers`` and ``portal``; how a request travels is the wire's business.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import msgspec

from energy_assets.errors import ContractError, FetchError, TransportError
from energy_assets.sources.body import BrokenBodyError
from energy_assets.sources.neso.answers import result_of
from energy_assets.sources.neso.lanes import Lane
from energy_assets.sources.neso.portal import Package, Portal, read_package, read_page
from energy_assets.sources.neso.wire import ACTIONS, Received, Wire, explained

PAGE_PACKAGES = 100
"""Packages asked for at once. A page with all of their resources is one or two megabytes."""

MOST_REQUESTS = 5
"""Pages of one sweep: the portal's 131 packages are two, and a list that changed meanwhile can be begun again."""

ORDER = "name asc"
"""Without an order of their own packages may move from one page to another between two requests."""

ANSWER_MOST_BYTES = 256 << 20
"""Largest answer held in memory: a page of 32,000 rows of a wide table is about 60 MB."""


async def act(
    wire: Wire, action: str, params: Mapping[str, str], lane: Lane, *, what: str, group: str = ""
) -> Received[msgspec.Raw]:
    """Ask an action and check its answer: status, a whole JSON object, success.

    Args:
        wire: The portal.
        action: Name, such as ``package_search``.
        params: In the order sent.
        lane: The lane that the action belongs to.
        what: What is asked for, as messages name it.
        group: Requests that are counted together.

    Raises:
        TransportError: No whole answer came after all attempts.
        StatusError: The portal refused.
        ContractError: It answered without success, or with another object.
    """

    async def receive(response: httpx.Response) -> msgspec.Raw:
        return result_of(await read_whole(response), what)

    address = wire.address(f"{ACTIONS}/{action}", params)
    try:
        return await wire.get(address, lane, receive, group=group)
    except FetchError as error:
        told = explained(error, what)
    raise told


async def read_whole(response: httpx.Response) -> bytes:
    """An answer's body, decoded, in memory.

    Raises:
        BrokenBodyError: It is larger than any answer can be.
    """
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > ANSWER_MOST_BYTES:
            raise BrokenBodyError(f"it has more than {ANSWER_MOST_BYTES:,} bytes")
    return bytes(body)


async def sweep(wire: Wire) -> Portal:
    """The whole catalogue, in at most ``MOST_REQUESTS`` pages.

    Where the list changes while it is read it is begun again, because a package could have slipped from a page not
    yet read to one read before.

    Raises:
        TransportError: No whole list came.
        StatusError: The portal refused.
        ContractError: The list is not as CKAN documents it, or longer than it can be.
    """
    answers: list[Received[msgspec.Raw]] = []
    needed = 1
    while len(answers) + needed <= MOST_REQUESTS:
        reading = _Reading()
        while not reading.is_over and len(answers) < MOST_REQUESTS:
            answers.append(await _page(wire, reading.read))
            reading.add(answers[-1])
        if reading.is_whole:
            return Portal(
                packages=tuple(sorted(reading.packages.values(), key=lambda package: package.name)),
                swept_utc=answers[0].requested_utc,
                requests=sum(answer.attempts for answer in answers),
                sandbox=any(answer.sandbox for answer in answers),
            )
        needed = -(-reading.count // PAGE_PACKAGES)
        if needed > MOST_REQUESTS:
            raise ContractError(
                f"The portal lists {reading.count} packages, more than {MOST_REQUESTS} pages of {PAGE_PACKAGES}; "
                "nothing was taken from the list, so look at what it lists now."
            )
    raise TransportError(
        f"The list of packages changed while it was read, {len(answers)} pages in all; nothing was taken from it and "
        "the next refresh asks again."
    )


async def show_package(wire: Wire, slug: str) -> Package:
    """One package, by slug or id.

    Raises:
        TransportError: No whole answer came.
        StatusError: There is no such package (404), or the portal refused.
        ContractError: The answer is not as CKAN documents it.
    """
    received = await act(wire, "package_show", {"id": slug}, wire.lanes.portal, what=f"NESO package {slug}")
    return read_package(received.value)


class _Reading:
    """One way through the list."""

    def __init__(self) -> None:
        self.packages: dict[str, Package] = {}
        self.read = 0
        self.count = 0
        self._ended = False
        self._has_changed = False

    def add(self, received: Received[msgspec.Raw]) -> None:
        page = read_page(received.value)
        self._has_changed |= self.read > 0 and page.count != self.count
        self.packages |= {package.id: package for package in page.packages}
        self.read += len(page.packages)
        self.count = page.count
        # The end is where the portal says that it is, never where a page is shorter than was asked for.
        self._ended = not page.packages or self.read >= page.count
        self._has_changed |= len(self.packages) != self.read or (self._ended and self.read != page.count)

    @property
    def is_over(self) -> bool:
        return self._ended or self._has_changed

    @property
    def is_whole(self) -> bool:
        return self._ended and not self._has_changed


async def _page(wire: Wire, start: int) -> Received[msgspec.Raw]:
    params = {"q": "*:*", "sort": ORDER, "rows": str(PAGE_PACKAGES), "start": str(start)}
    return await act(wire, "package_search", params, wire.lanes.portal, what="The list of NESO's packages", group="")
