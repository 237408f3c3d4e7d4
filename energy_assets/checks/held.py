"""What is held of one dataset on some days, as every evaluator gets it, and the words that findings share.

Plain values and sentences; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.facts import TableFacts
from energy_assets.checks.model import CheckSpec, Finding, Severity

if TYPE_CHECKING:
    from energy_assets.ingest.model import Window

SHOWN = 3
"""Days or columns that a sentence names; a longer list is a number."""


@dataclass(frozen=True)
class Held:
    """One dataset on some settlement days.

    Attributes:
        dataset: The catalogue entry.
        first: First day looked at.
        last: Last day, inclusive.
        now: The present, aware.
        facts: What rows and receipts of these days come to.
        newest_day: Newest settlement day that has rows at all.
        newest_utc: Newest instant of the dataset's own event time, where it has one.
        asked: Whether the provider was ever asked for it.
        taken_utc: When an answer that covers a window was last recorded.
        missing: Windows of these days that have settled and are not covered.
        kept_from: First day that was wanted here; ``None`` where the dataset is not kept current on these days.
    """

    dataset: Dataset
    first: date
    last: date
    now: datetime
    facts: TableFacts = field(default_factory=TableFacts)
    newest_day: date | None = None
    newest_utc: datetime | None = None
    asked: bool = True
    taken_utc: datetime | None = None
    missing: tuple[Window, ...] = ()
    kept_from: date | None = date.min

    @property
    def days(self) -> list[date]:
        """The days looked at on which the dataset existed."""
        first = max(self.first, self.dataset.begins)
        return list(calendar.days_between(first, self.last)) if first <= self.last else []

    @property
    def wanted(self) -> list[date]:
        """Those of them that ought to be there: what lies before the first window ever held was never asked for."""
        return [] if self.kept_from is None else [day for day in self.days if day >= self.kept_from]

    @property
    def as_of(self) -> datetime:
        """The moment that newness is judged for: the present, or the end of days that are over."""
        return min(self.now, calendar.day_bounds_utc(self.last)[1])


def passed(spec: CheckSpec, held: Held, text: str, numbers: Mapping[str, float] | None = None) -> Finding:
    """What the check says is true."""
    sentence = f"{held.dataset.name}, {span(held.first, held.last)}: {text}."
    return Finding(spec.name, held.dataset.code, held.first, held.last, True, "info", sentence, dict(numbers or {}))


def failed(
    spec: CheckSpec,
    held: Held,
    days: Iterable[date],
    text: str,
    remedy: str,
    numbers: Mapping[str, float] | None = None,
    severity: Severity | None = None,
) -> Finding:
    """What the check says is not true, on these days (all that were looked at where none are named)."""
    at_fault = sorted(days) or [held.first, held.last]
    sentence = f"{held.dataset.name}, {listed(at_fault)}: {text}; {remedy}."
    return Finding(
        spec.name,
        held.dataset.code,
        at_fault[0],
        at_fault[-1],
        False,
        severity or spec.severity,
        sentence,
        dict(numbers or {}),
    )


def span(first: date, last: date) -> str:
    """Days in words."""
    return f"{first}" if first == last else f"{first} to {last}"


def listed(days: Iterable[date]) -> str:
    """Single days where they are few, else the span with how many of it."""
    known = sorted(set(days))
    if len(known) <= SHOWN:
        return ", ".join(map(str, known))
    return f"{len(known)} days from {known[0]} to {known[-1]}"


def some(names: Iterable[str]) -> str:
    """A few names, and how many more."""
    known = list(names)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more


def ask_again(dataset: Dataset, first: date, last: date) -> str:
    """The command that brings the days anew."""
    if dataset.provider == "iris":
        return f"`energy-assets iris archive --stream {dataset.code} --from {first} --to {last} --refetch`"
    if dataset.is_register or dataset.files is not None:
        return f"`energy-assets refresh {dataset.name} --refetch`"
    return f"`energy-assets refresh {dataset.name} --from {first} --to {last} --refetch`"
