"""What became of a dataset's requests, summed up into one outcome.

Plain values only; what a request came to is decided where it is made.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import date

from energy_assets.catalogue.model import Dataset
from energy_assets.errors import ContractError, EnergyAssetsError
from energy_assets.ingest.model import Counts, Outcome, OutcomeStatus, Receipt, ReceiptStatus, Window

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """What has become of a dataset's requests so far."""

    counts: Counts = field(default_factory=Counts)
    windows: int = 0
    bytes: int = 0
    statuses: set[ReceiptStatus] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    suspect: list[Window] = field(default_factory=list)
    new_columns: set[str] = field(default_factory=set)
    missing_columns: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)

    def add(self, receipt: Receipt) -> None:
        """Count one request by its final receipt."""
        self.counts += receipt.counts
        self.windows += 1
        self.bytes += receipt.body_bytes
        self.statuses.add(receipt.status)
        self.new_columns.update(receipt.new_columns)
        self.missing_columns.update(receipt.missing_columns)
        if receipt.status == "failed":
            self.failures.append(receipt.reason)
        elif receipt.reason:
            self.reasons.append(receipt.reason)
        if receipt.status == "suspect":
            self.suspect.append(receipt.window)

    def outcome(self, code: str, requests: int) -> Outcome:
        """All of them as one, worst first; ``requests`` were sent, retries included."""
        order: tuple[ReceiptStatus, ...] = ("failed", "written", "suspect", "unchanged", "silent", "not_due")
        status: OutcomeStatus = next((s for s in order if s in self.statuses), "unchanged")
        return Outcome(
            dataset=code,
            status=status,
            counts=self.counts,
            windows=self.windows,
            requests=requests,
            bytes=self.bytes,
            failures=tuple(self.failures),
            suspect=tuple(sorted(self.suspect)),
            new_columns=tuple(sorted(self.new_columns)),
            missing_columns=tuple(sorted(self.missing_columns)),
            days=tuple(sorted(self.days)),
            reason=next(iter([*self.failures, *self.reasons]), ""),
            unreadable=frozenset(self.unreadable),
        )


def merged(first: Outcome, second: Outcome) -> Outcome:
    """One outcome for two parts of a range."""
    rank: tuple[OutcomeStatus, ...] = ("before_begin", "not_due", "silent", "unchanged", "suspect", "written", "failed")
    worse = max(first, second, key=lambda o: rank.index(o.status))
    return Outcome(
        dataset=first.dataset,
        status=worse.status,
        counts=first.counts + second.counts,
        windows=first.windows + second.windows,
        requests=first.requests + second.requests,
        bytes=first.bytes + second.bytes,
        failures=first.failures + second.failures,
        suspect=first.suspect + second.suspect,
        new_columns=tuple(sorted({*first.new_columns, *second.new_columns})),
        missing_columns=tuple(sorted({*first.missing_columns, *second.missing_columns})),
        days=tuple(sorted({*first.days, *second.days})),
        reason=worse.reason,
        unreadable=first.unreadable | second.unreadable,
    )


def foreseen(error: Exception, dataset: Dataset, window: Window | str) -> EnergyAssetsError:
    """The error itself where it is one of ours; else one sentence for it, and its traceback in the log."""
    if isinstance(error, EnergyAssetsError):
        return error
    logger.error("%s %s: unexpected failure", dataset.code, window, exc_info=error)
    return ContractError(f"{dataset.code} {window}: unexpected {type(error).__name__}: {error}; please report this")


def log_outcome(outcome: Outcome) -> None:
    """One line in the log, as loud as the outcome is bad."""
    counts = outcome.counts
    level = (
        logging.ERROR
        if outcome.status == "failed"
        else logging.WARNING
        if outcome.status == "suspect"
        else logging.INFO
    )
    logger.log(
        level,
        "%s: %s, %d windows, %d rows fetched, %d inserted, %d updated, %d unchanged, %d quarantined%s",
        outcome.dataset,
        outcome.status,
        outcome.windows,
        counts.fetched,
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.quarantined,
        f"; {outcome.reason}" if outcome.reason else "",
    )
