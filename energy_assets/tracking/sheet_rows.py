"""What the sheet says of each dataset: one row from its receipts, and a summary of all rows.

Where a row stands in a worksheet is the business of ``sheet_layout``, reaching a worksheet that of ``sheet_book``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from energy_assets import calendar, catalogue
from energy_assets.catalogue.model import Dataset, Profile
from energy_assets.settings import Settings
from energy_assets.sources.redaction import Redactor
from energy_assets.tracking.status import DatasetReport, evaluate
from energy_assets.warehouse.interface import Warehouse

HEADERS = ("Source", "Dataset", "Last_Update", "Status", "Tracked_At", "Notes")
"""The columns that users of the older collector know, in their order."""

Status = Literal["SUCCESS", "FAILED", "STARTED", ""]
"""Empty where nothing has been asked for yet, or nothing was due: neither a success nor a failure."""

STATUSES: tuple[Status, ...] = ("SUCCESS", "FAILED", "STARTED")

OVERDUE_AFTER = timedelta(days=1)
"""Time after a window's data became final at which a dataset that has not succeeded since counts as failed: the daily
revisions and four rounds of the repair have had their chance by then."""

MOST_NOTE = 500
"""Characters of a note: a sentence, and never a page of HTML that a provider sent."""

SUMMARY_HEADERS = ("Source", "Datasets", *STATUSES, "No status", "Newest update")
SUMMARY_ROWS = 16
"""Rows that the summary takes, blank ones included, so that a shorter one leaves nothing of a longer one behind."""

AS_OF = (1, 1)
"""Row and column, from 0, of the moment at which the summary was written."""

Cell = str | int
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One dataset's row.

    Attributes:
        source: Provider, in capitals.
        dataset: Its name there, in capitals.
        last_update: When a request last brought its data, aware; ``None`` where none did.
        status: What the newest request came to.
        tracked_at: When that was, aware.
        notes: Why, in one sentence; empty where all is well.
    """

    source: str
    dataset: str
    last_update: datetime | None
    status: Status
    tracked_at: datetime | None
    notes: str = ""

    @property
    def key(self) -> Key:
        """What tells rows apart."""
        return self.source, self.dataset

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of ``HEADERS``; instants in UTC."""
        return (
            self.source,
            self.dataset,
            instant_text(self.last_update),
            self.status,
            instant_text(self.tracked_at),
            self.notes,
        )


def instant_text(instant: datetime | None) -> str:
    """``2026-07-15T12:00:00Z``: sorts as text, and means the same whatever zone a sheet is set to."""
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def shown(reports: Sequence[DatasetReport], profile: Profile) -> list[DatasetReport]:
    """The reports that get a row: what was ever asked for, and the rest of the profile where its provider was.

    Args:
        reports: All datasets.
        profile: What the schedules keep current.
    """
    asked = {r.dataset.provider for r in reports if r.state != "empty"}
    return [r for r in reports if r.state != "empty" or (r.dataset.provider in asked and profile in r.dataset.profiles)]


def rows_at(
    warehouse: Warehouse,
    settings: Settings,
    now: datetime,
    under_way: Mapping[str, datetime] | None = None,
    datasets: Sequence[Dataset] | None = None,
) -> list[Row]:
    """Every dataset's row, from receipts.

    Args:
        warehouse: Where receipts are.
        settings: Name the profile, and the secrets that no note may hold.
        now: The present, aware.
        under_way: When the run that is at work on a dataset began, by dataset name.
        datasets: Catalogue entries in place of all.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    entries = catalogue.datasets() if datasets is None else datasets
    reports = shown(evaluate(entries, warehouse, now, newest=False), settings.profile)
    redact = Redactor(settings.secrets())
    return [replace(row, notes=redact(row.notes)) for row in rows_of(reports, now, under_way)]


def rows_of(
    reports: Sequence[DatasetReport], now: datetime, under_way: Mapping[str, datetime] | None = None
) -> list[Row]:
    """A row for each report, in the order given.

    Args:
        reports: What the warehouse knows.
        now: The present, aware.
        under_way: When the run that is at work on a dataset began, by dataset name.
    """
    begun = under_way or {}
    return [row_of(report, now, begun.get(report.dataset.name)) for report in reports]


def row_of(report: DatasetReport, now: datetime, began: datetime | None = None) -> Row:
    """One dataset's row.

    ``FAILED`` is a dataset whose newest request failed or came back empty without reason, and one that nothing was
    heard of since data became final ``OVERDUE_AFTER`` ago: a scheduler that has died must not leave green rows. A run
    that is under way counts until its first receipt, which says more.

    Args:
        report: What the warehouse knows.
        now: The present, aware.
        began: When the run that is at work on it began, aware.
    """
    held, (provider, _, name) = report.held, report.dataset.name.partition("/")
    status, notes = _judged(report, now)
    if began is not None and (held.last_recorded_utc is None or held.last_recorded_utc < began):
        status, notes = "STARTED", f"A refresh has been under way since {instant_text(began)}."
    return Row(provider.upper(), name.upper(), held.last_success_utc, status, held.last_recorded_utc, one_line(notes))


def _judged(report: DatasetReport, now: datetime) -> tuple[Status, str]:
    held = report.held
    if report.state == "empty":
        return "", "Nothing has been asked for yet."
    if report.state in ("failed", "suspect"):
        return "FAILED", held.last_reason
    late = [w for w in report.missing if _overdue(report, w.from_utc, w.to_utc, now)]
    if late:
        first, last = (calendar.settlement_day(w.from_utc) for w in (min(late), max(late)))
        return "FAILED", (
            f"{_windows(len(late))} from {first} to {last} should have come by now and nothing was received since; see "
            "whether the schedules run."
        )
    if held.last_success_utc is None:
        return "", held.last_reason or "Nothing was due yet."
    if report.missing:
        first = calendar.settlement_day(min(report.missing).from_utc)
        return "SUCCESS", f"{_windows(len(report.missing))} since {first} missing; the repair asks for them."
    return "SUCCESS", ""


def _overdue(report: DatasetReport, from_utc: datetime, to_utc: datetime, now: datetime) -> bool:
    success = report.held.last_success_utc
    if success is not None and success >= to_utc:
        return False
    return calendar.lag_passed(report.dataset.timing.settled, from_utc, to_utc, now - OVERDUE_AFTER)


def _windows(number: int) -> str:
    return "1 window" if number == 1 else f"{number:,} windows"


def one_line(text: str) -> str:
    """Text as one line of bounded length, without control characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= MOST_NOTE else clean[: MOST_NOTE - 1] + "…"


def summary_of(rows: Sequence[Row], now: datetime) -> list[list[Cell]]:
    """The summary's cells, ``SUMMARY_ROWS`` rows of equal length.

    Args:
        rows: Every dataset's row.
        now: When it is written, aware.
    """
    sources = list(dict.fromkeys(row.source for row in rows))
    counted = [_counted(source, [r for r in rows if r.source == source]) for source in sources]
    lines: list[list[Cell]] = [
        ["Great Britain's electricity-market data: state of every dataset"],
        ["As of (UTC)", instant_text(now)],
        ["Written by a program at least once an hour while it runs; an older time above means that it does not."],
        [],
        list(SUMMARY_HEADERS),
        *counted,
        _counted("All", rows),
    ]
    blank: list[Cell] = [""] * len(SUMMARY_HEADERS)
    return [(line + blank)[: len(blank)] for line in [*lines, *([[]] * SUMMARY_ROWS)][:SUMMARY_ROWS]]


def _counted(source: str, rows: Sequence[Row]) -> list[Cell]:
    newest = max((r.last_update for r in rows if r.last_update is not None), default=None)
    counts = [sum(r.status == status for r in rows) for status in (*STATUSES, "")]
    return [source, len(rows), *counts, instant_text(newest)]
