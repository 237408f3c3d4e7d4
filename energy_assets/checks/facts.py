"""What is asked of a table's rows and receipts, and what comes back: sums, never rows.

Plain values and the questions that follow from a catalogue entry. The SQL is in ``energy_assets.warehouse.facts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property

from energy_assets.catalogue.model import Dataset, Field, Table, WindowCheck

HISTORY = timedelta(days=56)
"""Days before one with which its rows are compared: eight of every weekday."""

PERIOD = "settlementPeriod"
"""Elexon's name of the settlement period, in every dataset that has one."""

FILE_PERIODS = ("settlement_period",)
"""Names of the settlement period in files, as our catalogue spells them."""


UNIT_BOUNDS: Mapping[str, tuple[float, float]] = {
    "MW": (-200_000.0, 200_000.0),
    "MWh": (-5_000_000.0, 5_000_000.0),
    "GBP/MWh": (-100_000.0, 100_000.0),
}
"""What no value of a unit can exceed in Great Britain, where the entry says nothing narrower: all plant together has
some 110,000 MW, a day's demand is below 1,500,000 MWh, and prices end at 99,999. Values in another unit (kW, p/MWh) are
beyond them; what is merely unusual is not found by bounds."""


@dataclass(frozen=True)
class Question:
    """What is asked of one table.

    Attributes:
        table: The table.
        required: Columns that must hold a value in every row.
        bounded: Columns with physical bounds.
        periods: Column whose distinct values are counted as settlement periods.
        instants: Instant column whose distinct values are counted as publications or measurements.
        check: How a row is shown to lie in its window.
    """

    table: Table
    required: tuple[str, ...]
    bounded: tuple[Field, ...]
    periods: str | None
    instants: str | None
    check: WindowCheck

    @classmethod
    def of(cls, dataset: Dataset) -> Question:
        """What a dataset's entry lets us ask."""
        table = dataset.table
        fallbacks = dict(table.key_fallback)
        names = set(table.by_name)
        required = tuple(f.name for f in table.fields if not f.nullable and f.name not in fallbacks)
        bounded = bounded_fields(dataset)
        periods = next((n for n in (PERIOD, *FILE_PERIODS) if n in table.event_key), None)
        return cls(table, required, bounded, periods, _instants(dataset, names), dataset.check)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Columns that the questions look at, besides those of the key."""
        own = (*self.required, *(f.name for f in self.bounded), self.periods, self.instants, self.check.column)
        return frozenset(name for name in own if name is not None)


def bounded_fields(dataset: Dataset) -> tuple[Field, ...]:
    """Columns with physical bounds: their own, or those of their unit."""
    found = (_bounded(f) for f in dataset.fields if f.type in ("number", "integer"))
    return tuple(f for f in found if f.low is not None or f.high is not None)


def _bounded(f: Field) -> Field:
    if f.low is not None or f.high is not None or f.unit is None or f.unit not in UNIT_BOUNDS:
        return f
    low, high = UNIT_BOUNDS[f.unit]
    return replace(f, low=low, high=high)


def _instants(dataset: Dataset, names: set[str]) -> str | None:
    """The instant that tells one publication, or one measurement, from the next."""
    candidates = (dataset.table.storage.column, dataset.check.column, dataset.table.publish_column)
    return next((c for c in candidates if c in names and dataset.table.by_name[c].type == "instant"), None)


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What the rows of one settlement day come to.

    Attributes:
        rows: Rows.
        keys: Distinct natural keys; that many or a little fewer, where a store counts digests.
        periods: Distinct settlement periods.
        instants: Distinct instants.
        outside: Rows that lie outside the window that brought them.
        nulls: Rows without a value, by required column; only columns that have some.
        beyond: Rows outside physical bounds, by column; only columns that have some.
        first: The first offender, by what is wrong: ``outside`` or the name of a column.
        repeated: Rows beyond the first of their natural key, counted exactly.
        copies: Those of them that another window brought with equal content.
        first_repeated: The first repeated key.
    """

    rows: int
    keys: int
    periods: int = 0
    instants: int = 0
    outside: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    beyond: Mapping[str, int] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)
    repeated: int = 0
    copies: int = 0
    first_repeated: str = ""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """In how many windows a column was new or missing, and in which first (its begin, UTC)."""

    windows: int
    first_utc: datetime


@dataclass(frozen=True, slots=True)
class BodyFacts:
    """An answer that came for several windows without a common bound: how many, the first and the last begin, UTC."""

    windows: int
    first_utc: datetime
    last_utc: datetime


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What the newest receipt of every window that overlaps the days comes to.

    Attributes:
        windows: Windows.
        answered: Windows that brought rows.
        counts: Sums of the counts of their rows, by the names that receipts have; empty without windows.
        failed: Windows whose newest receipt is a failure.
        suspect: Windows that were empty although data were due.
        unreconciled: Windows whose rows are not all accounted for.
        unreconciled_utc: Begin of the first of these.
        quarantined: Windows with rows in quarantine.
        quarantined_utc: Begin of the first of these.
        suspect_utc: Begin of the first suspect window.
        new_columns: Columns that the catalogue does not know.
        missing_columns: Catalogued columns that no row of a window had.
        bodies: Equal answers of windows that share no bound.
    """

    windows: int = 0
    answered: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    suspect: int = 0
    unreconciled: int = 0
    unreconciled_utc: datetime | None = None
    quarantined: int = 0
    quarantined_utc: datetime | None = None
    suspect_utc: datetime | None = None
    new_columns: Mapping[str, ColumnFacts] = field(default_factory=dict)
    missing_columns: Mapping[str, ColumnFacts] = field(default_factory=dict)
    bodies: tuple[BodyFacts, ...] = ()

    @property
    def fetched(self) -> int:
        """Rows fetched."""
        return self.counts.get("fetched", 0)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What one table comes to.

    Attributes:
        exists: Whether the table is there.
        days: The asked-for days that have rows.
        recorded: Rows that each day had after the newest commit that touched it, by the commit's own word: the
            asked-for days and those before them that make their history.
        receipts: What its receipts come to.
    """

    exists: bool = False
    days: Mapping[date, DayFacts] = field(default_factory=dict)
    recorded: Mapping[date, int] = field(default_factory=dict)
    receipts: ReceiptFacts = field(default_factory=ReceiptFacts)
