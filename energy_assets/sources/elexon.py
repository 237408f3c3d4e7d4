"""Elexon's Insights API: a catalogue entry and a window become one request, and its answer a file.

Parameter names come from the catalogue alone. What an answer holds is judged elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from energy_assets.calendar import PERIOD, day_bounds_utc, period_of, period_start_utc, settlement_day
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import (
    CatalogueError,
    ContractError,
    FetchError,
    StatusError,
    TransportError,
    WindowTooLargeError,
)
from energy_assets.ingest.model import Body, Window
from energy_assets.sources.http import PASSING, HttpClient, Patience

if TYPE_CHECKING:
    from energy_assets.settings import Settings

SEASON_BEGINS_MONTH = 4
"""A winter is asked for by the year in which it begins; days before April belong to the winter that began last year."""

PERIODS = "{periods}"
"""The one template that repeats its parameter, once for each settlement period of the window."""

REFRESH_PATIENCE = Patience()
"""A window's: the next refresh is a quarter of an hour later, and nobody waits."""

_TICK = timedelta(seconds=1)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def render(dataset: Dataset, window: Window) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The path and query parameters that ask for one window of a dataset.

    Bounds are sent as the provider reads them, inclusive at both ends: ``{to}`` is the window's own end, whose rows
    belong to the next window and are set aside later; ``{date_to}`` and ``{period_to}`` are the last inside the window.

    Args:
        dataset: The catalogue entry.
        window: On one of the query's branches, and aligned: whole settlement days where the query's unit is ``day``,
            whole settlement periods of one day where it is ``period``, whole seconds otherwise.

    Returns:
        Path below the API's base address, percent-encoded, and the parameters in the order sent.

    Raises:
        ContractError: The window is not aligned as the templates need it, or is on no branch of the query.
        CatalogueError: A template has a placeholder that does not exist for the query's unit.
    """
    request = _Request(dataset, window)
    request.check()
    path = request.fill(dataset.query.path, encode=True)
    params: list[tuple[str, str]] = []
    for name, template in dataset.query.params:
        if template == PERIODS and dataset.query.unit == "period":
            first, last = request.periods()
            params += [(name, str(period)) for period in range(first, last + 1)]
        else:
            params.append((name, request.fill(template)))
    return path, tuple(params)


class ElexonSource:
    """Elexon as a ``Source``: windows in, bodies on disk out.

    Args:
        client: The client for the API's address; closed together with this object.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @classmethod
    def from_settings(cls, settings: Settings) -> ElexonSource:
        """The source at the address, with the rate, bound and keys that the settings give."""
        return cls(open_client(settings))

    async def fetch(self, dataset: Dataset, window: Window, destination: Path) -> Body:
        """Fetch one window into ``destination``.

        Raises:
            TransportError: No whole answer came after all retries.
            StatusError: Elexon answered with an error after all retries, or with one that no retry mends.
            WindowTooLargeError: Elexon names a limit; ``limit`` is ``None`` where it is not shorter than the window.
            SpoolError: The disk refused.
            ContractError: The window does not fit the catalogue entry; nothing was sent.
            CatalogueError: The entry has an unknown placeholder; nothing was sent.
        """
        path, params = render(dataset, window)
        try:
            return await self._client.download(path, params, destination, group=dataset.code)
        except FetchError as error:
            explained = _explained(error, dataset, window)
        raise explained

    def url(self, dataset: Dataset, window: Window) -> str:
        """The URL that ``fetch`` would ask, secrets redacted."""
        return self._client.url(*render(dataset, window))

    def requests_sent(self, dataset: Dataset) -> int:
        """Requests sent for a dataset so far, retries included."""
        return self._client.requests_sent(dataset.code)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()


def open_client(settings: Settings, patience: Patience = REFRESH_PATIENCE) -> HttpClient:
    """A client for Elexon's address, with the rate, bound and keys that the settings give.

    Args:
        settings: Address, rate, bound and keys.
        patience: How long one request is tried; that of a refresh by default.
    """
    return HttpClient(
        settings.elexon_url,
        requests_per_second=settings.elexon_requests_per_second,
        concurrency=settings.elexon_concurrency,
        api_keys=settings.bmrs_api_keys,
        patience=patience,
    )


@dataclass(frozen=True, slots=True)
class _Request:
    """One window of one dataset, and what the placeholders stand for in it."""

    dataset: Dataset
    window: Window

    def check(self) -> None:
        """Refuse a window that the query cannot mean, whatever its templates use."""
        window = self.window
        for bound in (window.from_utc, window.to_utc):
            if bound.tzinfo is None:
                raise self.misfit("has a bound without time zone")
            if bound.microsecond:
                raise self.misfit("has a bound that is not a whole second")
        if window.from_utc >= window.to_utc:
            raise self.misfit("is empty")
        if window.branch not in set(self.dataset.branch_choices()):
            raise self.misfit("is on no branch of the query")
        if self.dataset.query.unit == "day":
            self.days()
        elif self.dataset.query.unit == "period":
            self.periods()

    def fill(self, template: str, *, encode: bool = False) -> str:
        values = self.values()

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in values:
                raise CatalogueError(
                    f"{self.dataset.code} uses {{{name}}} in {template!r}, which a query by {self.dataset.query.unit} "
                    f"does not have: correct the catalogue entry (known are: {', '.join(sorted(values)) or 'none'})."
                )
            text = values[name]()
            return quote(text, safe=":") if encode else text

        return _PLACEHOLDER.sub(value, template)

    def values(self) -> Mapping[str, Callable[[], str]]:
        """What each placeholder stands for, worked out when used: only a used one can be at odds with the window."""
        window = self.window
        values: dict[str, Callable[[], str]] = {name: value.__str__ for name, value in window.branch}
        if self.dataset.query.unit == "snapshot":
            return values
        values |= {
            "from": lambda: _instant(window.from_utc),
            "to": lambda: _instant(window.to_utc),
            "as_of": lambda: _instant(window.to_utc - _TICK),
            "date": lambda: str(self.one_day()),
            "date_from": lambda: str(self.dates()[0]),
            "date_to": lambda: str(self.dates()[1]),
            "season": lambda: str(self.season()),
        }
        if self.dataset.query.unit == "period":
            values |= {
                "period": lambda: str(self.one_period()),
                "period_from": lambda: str(self.periods()[0]),
                "period_to": lambda: str(self.periods()[1]),
            }
        return values

    def days(self) -> tuple[date, date]:
        """First and last settlement day of a window that begins and ends with one."""
        window = self.window
        first, last = settlement_day(window.from_utc), settlement_day(window.to_utc - _TICK)
        if window.from_utc != day_bounds_utc(first)[0] or window.to_utc != day_bounds_utc(last)[1]:
            raise self.misfit("does not begin and end with a settlement day")
        return first, last

    def dates(self) -> tuple[date, date]:
        """First and last settlement day named: whole days, or the one day of a window of periods."""
        if self.dataset.query.unit == "period":
            day = settlement_day(self.window.from_utc)
            return day, day
        return self.days()

    def one_day(self) -> date:
        first, last = self.dates()
        if first != last:
            raise self.misfit("spans several settlement days, and the request can name one")
        return first

    def periods(self) -> tuple[int, int]:
        """First and last settlement period of a window that lies in one settlement day."""
        window = self.window
        day, first = period_of(window.from_utc)
        last_day, last = period_of(window.to_utc - _TICK)
        if day != last_day:
            raise self.misfit("crosses the end of a settlement day")
        if (window.from_utc, window.to_utc) != (period_start_utc(day, first), period_start_utc(day, last) + PERIOD):
            raise self.misfit("does not begin and end with a settlement period")
        return first, last

    def one_period(self) -> int:
        first, last = self.periods()
        if first != last:
            raise self.misfit("spans several settlement periods, and the request can name one")
        return first

    def season(self) -> int:
        first, last = (day.year - (day.month < SEASON_BEGINS_MONTH) for day in self.dates())
        if first != last:
            raise self.misfit("spans two winters, and the request can name one")
        return first

    def misfit(self, what: str) -> ContractError:
        window = self.window
        branch = f" ({window.branch_text})" if window.branch else ""
        span = f"{window.from_utc.isoformat()} to {window.to_utc.isoformat()}{branch}"
        return ContractError(
            f"{self.dataset.code}: the window {span} {what}; nothing was sent, which is a fault in the planner or the "
            "catalogue entry."
        )


def _instant(instant: datetime) -> str:
    """RFC 3339 in UTC, with seconds only where they are not zero: ``2026-01-15T23:00Z``."""
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}" if utc.second else f"{utc:%Y-%m-%dT%H:%MZ}"


def _explained(error: FetchError, dataset: Dataset, window: Window) -> FetchError:
    """The same error, naming dataset and window and what to do."""
    said = f"{dataset.code}, {window}: {str(error).removesuffix('.')}"
    if isinstance(error, WindowTooLargeError):
        shorter = error.limit if error.limit and error.limit < window.to_utc - window.from_utc else None
        return WindowTooLargeError(f"{said}; a shorter window is to be asked for.", shorter)
    if isinstance(error, StatusError):
        return StatusError(f"{said}; {_advice(error.status)}", error.status)
    if isinstance(error, TransportError):
        return TransportError(
            f"{said}; nothing was written and the next refresh asks again, so check the network and "
            "ENERGY_ASSETS_ELEXON_URL only if this persists."
        )
    return error


def _advice(status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return (
            "Elexon answers so when a required parameter is missing or misspelt, so correct the catalogue entry "
            "(`energy-assets verify` shows what differs)."
        )
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in PASSING:
        return "asking again will not help: correct the catalogue entry (`energy-assets verify` shows what differs)."
    return "nothing was written and the next refresh asks again."
