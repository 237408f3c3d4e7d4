"""The sheet that mirrors the status for people without a login to the warehouse: setting up, syncing, checking.

It is a mirror and nothing reads it back: what is asked for next, receipts decide. A sync looks at the sheet, and writes
what differs in one call of fixed ranges; after any fault it looks again, so that nothing is done twice. What a row says
is decided in ``sheet_rows``, where it stands in ``sheet_layout``.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from energy_assets.errors import SheetUnreachableError
from energy_assets.tracking.sheet_book import Book, NoSuchTabError, Tab, TabInfo, TryAgainError
from energy_assets.tracking.sheet_formats import added, formats, grown, inserted_row, renamed, summary_formats
from energy_assets.tracking.sheet_layout import Block, Layout, Plan, at, find, locate, plan
from energy_assets.tracking.sheet_rows import AS_OF, HEADERS, STATUSES, SUMMARY_HEADERS, SUMMARY_ROWS, Row, summary_of

SUMMARY = "Summary"

STATUS_ID, SUMMARY_ID = 720_460_001, 720_460_002
"""Numbers of the worksheets that we make, by which they are known again when somebody renames them."""

HEARTBEAT = timedelta(hours=1)
"""Age of the summary from which it is written although nothing else differs: an old one tells people that nobody writes
any more."""

MAY_LAG = HEARTBEAT + timedelta(minutes=15)
"""How old the sheet may be for ``check``: what came to pass since it was written is no difference. A sync follows each
refresh, and a refresh each quarter of an hour."""

MOST_ATTEMPTS = 8
SYNC_SECONDS = 240.0
"""One sync tries this often and this long: the waits between eight attempts add up to one to two minutes, longer than
the minute in which Google's quota comes back."""

LEAST_WAIT, MOST_WAIT = 1.0, 64.0
"""Seconds between attempts: doubled each time as Google asks, cut by chance so that several do not come at once."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is tried.

    Attributes:
        attempts: Attempts at most.
        seconds: Time after which no further attempt begins.
        sleep: Waits some seconds.
        clock: Seconds on a clock that never goes back.
        chance: A number from 0 to 1.
    """

    attempts: int = MOST_ATTEMPTS
    seconds: float = SYNC_SECONDS
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds after an attempt, counted from 1, that failed."""
        usual: float = min(MOST_WAIT, LEAST_WAIT * 2 ** (attempt - 1)) * (0.5 + self.chance() / 2)
        return usual if asked is None else max(usual, min(asked, MOST_WAIT))


@dataclass(slots=True)
class Synced:
    """What a sync did.

    Attributes:
        rows: Rows that were written anew or for the first time.
        written: Whether anything was written.
        calls: Requests to the sheet.
        notices: What somebody did to the sheet, and what was done about it.
    """

    rows: int = 0
    written: bool = False
    calls: int = 0
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in the sheet that is not as the receipts have it.

    Attributes:
        what: The row or worksheet.
        text: What differs.
        lags: Whether it came to pass since the sheet was written, which is no fault.
    """

    what: str
    text: str
    lags: bool = False


class Sheet:
    """The mirror in one spreadsheet.

    Args:
        book: The spreadsheet.
        title: The worksheet of the rows.
        patience: How long is tried.
    """

    def __init__(self, book: Book, title: str, patience: Patience | None = None) -> None:
        self._book = book
        self._title = title
        self._patience = patience or Patience()

    def sync(self, rows: Sequence[Row], now: datetime) -> Synced:
        """Make the sheet say what the rows say.

        One read and, where something differs, one write; worksheets, columns and rows that are gone are made anew.

        Args:
            rows: One for each dataset.
            now: The present, aware.

        Raises:
            SheetUnreachableError: It could not be reached in the time given.
            SheetError: It refuses us.
        """
        return self._counted("synced", lambda: self._sync(rows, now, setup=False))

    def setup(self, rows: Sequence[Row], now: datetime) -> Synced:
        """As ``sync``, and give both worksheets their formatting, also where they were there before."""
        return self._counted("set up", lambda: self._sync(rows, now, setup=True))

    def check(self, rows_at: Callable[[datetime], Sequence[Row]], now: datetime) -> list[Difference]:
        """What in the sheet is not as the rows have it; nothing is changed.

        Args:
            rows_at: Gives every dataset's row as of a moment: that at which the sheet was written, where that is
                recent, because what is missing changes by the mere passing of time.
            now: The present, aware.

        Raises:
            SheetError: As for ``sync``.
        """
        return self._patiently("checked", lambda: self._check(rows_at, now))

    def _counted(self, what: str, work: Callable[[], Synced]) -> Synced:
        """A sync with all its attempts' calls."""
        before = self._book.calls
        done = self._patiently(what, work)
        done.calls = self._book.calls - before
        return done

    def _patiently(self, what: str, work: Callable[[], T]) -> T:
        """Do something until it succeeds, from the beginning each time: what was read may no longer be so."""
        patience, begun = self._patience, self._patience.clock()
        for attempt in range(1, patience.attempts + 1):
            try:
                return work()
            except (TryAgainError, NoSuchTabError) as error:
                wait = patience.wait(attempt, error.wait if isinstance(error, TryAgainError) else None)
                left = begun + patience.seconds - patience.clock()
                if attempt == patience.attempts or wait > left:
                    tried = "once" if attempt == 1 else f"{attempt} times"
                    raise SheetUnreachableError(
                        f"The sheet could not be {what}, tried {tried} ({error}); the next sync makes it good."
                    ) from error
                logger.info("the sheet is tried again in %.1f s: %s", wait, error)
                patience.sleep(wait)
        raise SheetUnreachableError(f"The sheet could not be {what}: no attempt is allowed.")

    def _sync(self, rows: Sequence[Row], now: datetime, *, setup: bool) -> Synced:
        done = Synced()
        title, status, summary = self._open(done.notices)
        wanted = plan(status.values, rows)
        self._shape(status, summary, wanted, done.notices, setup=setup)
        page = _summary_block(summary, rows, now, forced=bool(wanted.blocks))
        changes = {title: wanted.blocks, SUMMARY: [page] if page else []}
        if any(changes.values()):
            self._book.write({name: blocks for name, blocks in changes.items() if blocks})
            done.written = True
            done.rows = len(wanted.changed)
        done.notices += [
            f"the row of {' '.join(key)} stood there twice; the further one was emptied" for key in wanted.repeated
        ]
        return done

    def _open(self, notices: list[str]) -> tuple[str, Tab, Tab]:
        """Both worksheets, made where they are not there, and the name that the first one has now."""
        try:
            status, summary = self._book.read([self._title, SUMMARY])
        except NoSuchTabError:
            title = self._restore(self._book.tabs(), notices)
            status, summary = self._book.read([title, SUMMARY])
        return status.title, status, summary

    def _restore(self, tabs: Sequence[TabInfo], notices: list[str]) -> str:
        """Make the worksheets that are not there; one that was renamed is followed, or a summary named back."""
        titles = {tab.title: tab for tab in tabs}
        ours = {tab.sheet_id: tab for tab in tabs}
        title, requests = self._title, []
        if title not in titles and STATUS_ID in ours and ours[STATUS_ID].title != SUMMARY:
            title = ours[STATUS_ID].title
            notices.append(
                f"the worksheet {self._title} is called {title} now and is written there; set "
                "ENERGY_ASSETS_SHEET_WORKSHEET to its name"
            )
        elif title not in titles:
            requests += [added(STATUS_ID if STATUS_ID not in ours else None, title, 1)]
            notices.append(f"the worksheet {title} was not there and was made")
        if SUMMARY not in titles and SUMMARY_ID in ours and ours[SUMMARY_ID].title != title:
            requests += [renamed(SUMMARY_ID, SUMMARY)]
            notices.append(f"the worksheet {ours[SUMMARY_ID].title} has its name {SUMMARY} back")
        elif SUMMARY not in titles:
            requests += [added(SUMMARY_ID if SUMMARY_ID not in ours else None, SUMMARY, 0)]
            notices.append(f"the worksheet {SUMMARY} was not there and was made")
        if requests:
            self._book.change(requests)
        return title

    def _shape(self, status: Tab, summary: Tab, wanted: Plan, notices: list[str], *, setup: bool) -> None:
        """What has to happen to the worksheets themselves before values are written."""
        layout, (rows, columns), title = wanted.layout, wanted.size, status.title
        plain, plain_summary = setup or layout.new, setup or not summary.values
        short = (max(0, rows - status.rows), max(0, columns - status.columns))
        summary_short = (max(0, SUMMARY_ROWS - summary.rows), max(0, len(SUMMARY_HEADERS) - summary.columns))
        if layout.lost and not layout.new:
            notices.append(f"the columns {', '.join(layout.lost)} were not there and were made anew")
        if layout.pushed:
            notices.append("the header row was not there and was made anew")
        if not (plain or plain_summary or layout.pushed or any(short) or any(summary_short)):
            return
        tabs = {tab.title: tab for tab in self._book.tabs()}
        if title not in tabs or SUMMARY not in tabs:
            raise TryAgainError("a worksheet went away meanwhile")
        requests = [inserted_row(tabs[title].sheet_id)] if layout.pushed else []
        requests += grown(tabs[title].sheet_id, *short) + grown(tabs[SUMMARY].sheet_id, *summary_short)
        requests += formats(tabs[title], layout) if plain else []
        requests += summary_formats(tabs[SUMMARY]) if plain_summary else []
        self._book.change(requests)
        if layout.pushed:
            # The change cannot be repeated blindly: what is written next is planned on what is there now.
            raise_if_moved(self._book.read([title])[0], layout)

    def _check(self, rows_at: Callable[[datetime], Sequence[Row]], now: datetime) -> list[Difference]:
        try:
            status, summary = self._book.read([self._title, SUMMARY])
        except NoSuchTabError:
            names = ", ".join(tab.title for tab in self._book.tabs())
            return [Difference("worksheets", f"{self._title} or {SUMMARY} is not there, but only {names}")]
        found = []
        written = _as_of(summary)
        if written is None:
            found.append(Difference(SUMMARY, "does not say when it was written"))
        elif now - written > MAY_LAG:
            found.append(Difference(SUMMARY, f"was last written {written:%Y-%m-%d %H:%M}Z; see whether syncs run"))
        fresh = written if written is not None and now - written <= MAY_LAG else None
        rows = rows_at(fresh or now)
        layout = find(status.values, [row.key for row in rows])
        if layout.lost:
            return [*found, Difference(self._title, f"lacks the columns {', '.join(layout.lost)}")]
        return found + _differences(status, layout, rows, fresh)


def raise_if_moved(tab: Tab, layout: Layout) -> None:
    """See that a row was inserted above the first one of ours.

    Raises:
        TryAgainError: Something else is there.
    """
    if any(at(tab.values, layout.header, column) for column in layout.columns):
        raise TryAgainError("the worksheet changed meanwhile")


def _differences(status: Tab, layout: Layout, rows: Sequence[Row], fresh: datetime | None) -> list[Difference]:
    """Rows that are not as they should be.

    Args:
        status: The worksheet.
        layout: Where our columns are.
        rows: What they should be.
        fresh: When the sheet was written, where that is recent.
    """
    places = locate(status.values, layout, [row.key for row in rows])
    found = [Difference(" ".join(key), f"stands in row {r + 1} as well") for r, key in places.repeats.items()]
    for row in rows:
        name = " ".join(row.key)
        lags = fresh is not None and row.tracked_at is not None and row.tracked_at > fresh
        place = places.rows.get(row.key)
        if place is None:
            found.append(Difference(name, "has no row", lags))
            continue
        cells = [at(status.values, place, column) for column in layout.columns]
        # Which runs are at work is known to the orchestrator only, and is of the moment.
        ignored = {"Status", "Notes"} if cells[HEADERS.index("Status")] == STATUSES[2] and fresh is not None else set()
        texts = [
            f"{header} is {cell or 'blank'}, not {right or 'blank'}"
            for header, cell, right in zip(HEADERS, cells, row.cells, strict=True)
            if cell != right and header not in ignored
        ]
        if texts:
            found.append(Difference(name, "; ".join(texts), lags))
    return found


def _summary_block(summary: Tab, rows: Sequence[Row], now: datetime, *, forced: bool) -> Block | None:
    """The summary, where it has to be written."""
    cells = summary_of(rows, now)
    written = _as_of(summary)
    same = all(
        at(summary.values, r, c) == str(cell)
        for r, line in enumerate(cells)
        for c, cell in enumerate(line)
        if (r, c) != AS_OF
    )
    if same and not forced and written is not None and timedelta(0) <= now - written < HEARTBEAT:
        return None
    return Block(0, 0, tuple(tuple(line) for line in cells))


def _as_of(summary: Tab) -> datetime | None:
    """When the summary says that it was written."""
    try:
        return datetime.strptime(at(summary.values, *AS_OF), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
