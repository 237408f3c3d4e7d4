"""The words shared by planner, sources, contract and warehouse: windows, receipts, outcomes.

Plain values only: nothing here fetches, types or writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from energy_assets.catalogue.model import Dataset, Field, Table

ReceiptStatus = Literal["written", "unchanged", "silent", "suspect", "not_due", "failed"]
"""What one window came to. ``written``: rows changed. ``unchanged``: every row was already held. ``silent``: empty,
and the catalogue allows that. ``suspect``: empty although data were due. ``not_due``: empty before data are due.
``failed``."""

COVERING: frozenset[ReceiptStatus] = frozenset({"written", "unchanged", "silent"})
"""Statuses that cover a window; the others leave it to be asked for again."""

OutcomeStatus = Literal["written", "unchanged", "silent", "suspect", "not_due", "before_begin", "failed"]

SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open UTC interval ``[from_utc, to_utc)`` on a dataset's fetch axis, on one branch of the query."""

    from_utc: datetime
    to_utc: datetime
    branch: tuple[tuple[str, str], ...] = ()

    @property
    def branch_text(self) -> str:
        """The branch as stored in receipts: ``bidOffer=bid``; empty without branches."""
        return ",".join(f"{k}={v}" for k, v in self.branch)

    def __str__(self) -> str:
        text = f"{self.from_utc:%Y-%m-%dT%H:%MZ} to {self.to_utc:%Y-%m-%dT%H:%MZ}"
        return f"{text} ({self.branch_text})" if self.branch else text


@dataclass(frozen=True, slots=True)
class Body:
    """One answer, whole and on disk.

    Attributes:
        path: File with the decoded body (JSON text, not compressed).
        url: The request's URL, secrets redacted.
        status: HTTP status.
        sha256: Hex digest of the decoded body.
        size: Bytes of the decoded body.
        attempts: Requests it took.
        requested_utc: When the successful request was sent.
        sandbox: Whether a local stand-in answered, by its own word.
        pushed: Whether nobody can be asked for it again, so that what may not be stored is set aside and not refused.
        mixed: Whether what was pushed together with it came from a stand-in in part.
    """

    path: Path
    url: str
    status: int
    sha256: str
    size: int
    attempts: int
    requested_utc: datetime
    sandbox: bool = False
    pushed: bool = False
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one window, by what became of them.

    ``fetched`` = inserted + updated + unchanged + duplicate + boundary + late + quarantined. ``withdrawn`` counts
    stored rows that the answer no longer holds.
    """

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    boundary: int = 0
    late: int = 0
    quarantined: int = 0
    withdrawn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def reconciled(self) -> bool:
        """Whether every fetched row is accounted for."""
        kept = self.inserted + self.updated + self.unchanged
        return self.fetched == kept + self.duplicate + self.boundary + self.late + self.quarantined


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record that one window was asked for: by which request, and what became of the answer.

    Attributes:
        receipt_id: Unique, sortable by time; stored on every row that the window brought.
        dataset: Dataset code.
        table: Table name.
        window: The window asked for.
        status: What it came to.
        requested_utc: When the request was sent (or would have been, where none was possible).
        recorded_utc: When the receipt was written.
        run_id: Dagster run or command that asked.
        url: Redacted URL.
        http_status: Last HTTP status, ``None`` when none came.
        body_sha256: Digest of the decoded body.
        body_bytes: Size of the decoded body.
        attempts: Requests it took.
        counts: Rows by what became of them.
        new_columns: Members that the catalogue does not know.
        missing_columns: Catalogued columns that no row had.
        reason: Why it failed, is suspect or was not due; empty otherwise.
    """

    receipt_id: str
    dataset: str
    table: str
    window: Window
    status: ReceiptStatus
    requested_utc: datetime
    run_id: str
    recorded_utc: datetime | None = None
    url: str = ""
    http_status: int | None = None
    body_sha256: str = ""
    body_bytes: int = 0
    attempts: int = 0
    counts: Counts = field(default_factory=Counts)
    new_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    reason: str = ""

    def answered(self, body: Body) -> Receipt:
        """The receipt with what is known of the answer that came."""
        return replace(
            self,
            requested_utc=body.requested_utc,
            url=body.url,
            http_status=body.status,
            body_sha256=body.sha256,
            body_bytes=body.size,
            attempts=body.attempts,
        )

    def with_(self, **changes: object) -> Receipt:
        """A copy with some attributes changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest believed receipts of one window, as the planner needs them.

    Attributes:
        window: The window.
        covered_utc: Request time of the newest covering receipt, or ``None``.
        empty_utc: Request time of the newest empty answer that does not cover (``suspect`` or ``not_due``), or
        ``None``.
    """

    window: Window
    covered_utc: datetime | None
    empty_utc: datetime | None


@dataclass(frozen=True)
class WriteBatch:
    """What one commit makes true: these rows, in place of what they displace, with these receipts.

    Attributes:
        table: The table's description.
        rows: Arrow table with exactly ``table.columns`` (by name) and then ``extra`` columns. Typed, in-window,
            complete keys; ``_receipt_id`` says which receipt brought the row. Duplicate natural keys are allowed; the
            warehouse keeps the latest by ``latest_order``.
        receipts: One per window in the batch; ``inserted``, ``updated``, ``unchanged``, ``late``, ``withdrawn``,
        further
            ``duplicate`` and the final ``status`` are completed by the warehouse.
        quarantine: Rows that could not be typed (``QUARANTINE_SCHEMA``); may be empty.
        extra: Columns that the catalogue does not know, to be added as nullable.
    """

    table: Table
    rows: pa.Table
    receipts: tuple[Receipt, ...]
    quarantine: pa.Table
    extra: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a commit did.

    Attributes:
        receipts: The completed receipts.
        day_rows: Rows that each day of the batch, and each that it changed, now holds.
        changed: Days of which rows were inserted, revised or withdrawn.
    """

    receipts: tuple[Receipt, ...]
    day_rows: Mapping[date, int]
    changed: frozenset[date] = frozenset()


QUARANTINE_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("receipt_id", pa.string()),
        ("window_from_utc", pa.timestamp("us")),
        ("window_to_utc", pa.timestamp("us")),
        ("recorded_utc", pa.timestamp("us")),
        ("row_number", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)
"""Rows that could not be stored, with their raw JSON: ``row_number`` counts from 0 in the body."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a refresh is to go about it.

    Attributes:
        refetch_since: Receipts older than this are set aside, so every window is asked for again once; ``None``
        believes all.
        run_id: Written into the receipts.
        max_windows: Most windows asked for in this call (bounded runs), ``None`` for no bound.
        within: Leave out windows that do not overlap ``[from, to)``; ``None`` for no bound.
        whole: Ask for every file that is due, however long the portal's pace makes that; otherwise a call ends in time
            for the next one, which goes on.
        waits: Whether tables of a portal that are due soon are waited for, some minutes at most: for refreshes that
            come at a tick, and not for those that a person waits for.
    """

    refetch_since: datetime | None = None
    run_id: str = ""
    max_windows: int | None = None
    within: tuple[datetime, datetime] | None = None
    whole: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a refresh came to for one dataset.

    Attributes:
        dataset: Dataset code.
        status: The whole's status; ``failed`` when any window failed.
        counts: Rows over all windows.
        windows: Windows asked for.
        requests: HTTP requests sent, retries included.
        bytes: Decoded bytes received.
        failures: One sentence per failed window.
        suspect: Windows that were empty although data were due.
        new_columns: Members that the catalogue does not know.
        missing_columns: Catalogued columns that no row of a window had.
        days: Settlement days whose rows changed.
        reason: Why nothing was asked for, or the first failure.
        unreadable: Digests of the bodies of messages that could not be read, or may not be stored.
    """

    dataset: str
    status: OutcomeStatus
    counts: Counts = field(default_factory=Counts)
    windows: int = 0
    requests: int = 0
    bytes: int = 0
    failures: tuple[str, ...] = ()
    suspect: tuple[Window, ...] = ()
    new_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    days: tuple[date, ...] = ()
    reason: str = ""
    unreadable: frozenset[str] = frozenset()


class Source(Protocol):
    """One provider's way of turning a window into a body on disk."""

    async def fetch(self, dataset: Dataset, window: Window, destination: Path) -> Body:
        """Fetch one window into ``destination``.

        Raises:
            TransportError: No whole answer came after all retries.
            StatusError: The provider answered with an error after all retries.
            WindowTooLargeError: The provider names a smaller limit.
        """
        ...

    def url(self, dataset: Dataset, window: Window) -> str:
        """The URL that ``fetch`` would ask, secrets redacted."""
        ...

    def requests_sent(self, dataset: Dataset) -> int:
        """Requests sent for the dataset so far, retries included."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


GapWhy = Literal["never_published", "not_due", "missed", "quarantined", "suspect"]
"""Why something is not there. ``never_published``: the provider does not have it, by its empty answers or by a person's
word. ``not_due``: it is not published yet. ``missed``: nobody asked in time, or asking failed. ``quarantined``: it came
and could not be typed. ``suspect``: the answer was empty although data were due, and is asked for again."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not held, as the ledger has it. Table, branch and ``from_utc`` together are its identity.

    Attributes:
        dataset: Dataset code.
        table: Table name.
        from_utc: Beginning of what is missing on the fetch axis, included.
        to_utc: End, excluded.
        branch: Branch of the query, as in receipts; of a portal's file ``resource=`` and its id.
        why: Why it is not there.
        since_utc: From when on it should have been.
        opened_utc: When the ledger first had it.
        closed_utc: When it was there, or no gap any more; ``None`` while it is open.
        recorded_utc: When this was written.
        note: What is known beside that: the failure, a person's reason.
    """

    dataset: str
    table: str
    from_utc: datetime
    to_utc: datetime
    branch: str
    why: GapWhy
    since_utc: datetime
    opened_utc: datetime
    closed_utc: datetime | None = None
    recorded_utc: datetime | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, datetime]:
        """What identifies it."""
        return self.table, self.branch, self.from_utc

    @property
    def is_open(self) -> bool:
        """Whether it is still a gap."""
        return self.closed_utc is None


def datasets_by_code(datasets: Sequence[Dataset]) -> dict[str, Dataset]:
    """Datasets by their code."""
    return {d.code: d for d in datasets}
