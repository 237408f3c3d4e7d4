"""Of which datasets a habit can be learned, and by what: how publications are told apart, which columns are measured.

What the catalogue entry lets us learn and nothing more, so that the code location can show the checks without anything
heavy. What is learned is in ``lateness`` and ``baseline``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset, Field
from energy_assets.checks.expected import rhythm

OFTEN_DAYS = 28
"""Days that are learned from where there are several publications a day: four of every weekday, and a habit that the
provider has given up is forgotten within the month."""

RARE_DAYS = 91
"""The same for publications by the day, of which a month has too few."""

CATEGORIES = frozenset(
    (
        "fuelType",
        "psrType",
        "dataProvider",
        "businessType",
        "boundary",
        "flowDirection",
        "bidOffer",
        "processType",
        "gspGroupId",
    )
)
"""Columns of keys whose few values are series of their own. Units, parties and documents are not among them: too many,
and each with habits that change."""

UNLIKE = frozenset(("settlementPeriodDuration",))
"""Numbers with a unit that are no measurements."""

Kind = Literal["periods", "days", "following"]


@dataclass(frozen=True, slots=True)
class Awaited:
    """How the publications of a dataset are told apart.

    Attributes:
        kind: ``periods``: one for each half hour of a day. ``days``: one for each settlement day. ``following``: it is
            not known beforehand when there is one; each is awaited from the one before it.
        by_weekday: Whether slots are weekdays; otherwise half hours of the day.
    """

    kind: Kind
    by_weekday: bool

    @property
    def days(self) -> int:
        """Days that are learned from."""
        return RARE_DAYS if self.by_weekday else OFTEN_DAYS

    def slot(self, place: datetime) -> int:
        """The slot of a publication at ``place``, or of the one after it."""
        local = place.astimezone(calendar.LONDON)
        return local.weekday() if self.by_weekday else local.hour * 2 + local.minute // 30


def awaited(dataset: Dataset) -> Awaited | None:
    """How a dataset's publications are told apart; ``None`` where its lateness is not learned.

    That is so where the provider states the lag, where silence is no fault, and of what nobody is asked for by window:
    registers, files and streams.
    """
    if dataset.provider == "iris" or dataset.is_register or dataset.files is not None:
        return None
    if dataset.timing.standing == "stated" or rhythm(dataset) is None:
        return None
    lag, often = dataset.timing.settled, dataset.timing.publications_per_day
    if lag.run is not None or lag.working_days:
        return Awaited("days", by_weekday=True) if dataset.table.storage.kind == "date" else None
    if dataset.check.kind == "instant":
        dense = often is not None and often >= 48 and dataset.check.column != dataset.table.publish_column
        return Awaited("periods" if dense else "following", by_weekday=often == 1)
    by_period = "settlementPeriod" in dataset.table.event_key
    return Awaited("periods", by_weekday=False) if by_period else Awaited("days", by_weekday=True)


@dataclass(frozen=True, slots=True)
class Profiled:
    """What is learned of one dataset.

    Attributes:
        dataset: The catalogue entry.
        columns: Measured columns.
        categories: Key columns whose values are series of their own.
        period: Column with the settlement period; ``None`` where there is none.
        instant: Instant whose half hour counts otherwise; ``None`` where a day is one value.
    """

    dataset: Dataset
    columns: tuple[str, ...]
    categories: tuple[str, ...]
    period: str | None
    instant: str | None

    @classmethod
    def of(cls, dataset: Dataset) -> Profiled | None:
        """What a dataset's entry lets us learn; ``None`` for what has no regular measurements.

        Left out are registers, logs of events, what may be silent, streams (the same rows are learned where they were
        asked for), files, and what has a row for each unit: its baseline would be that of units coming and going.
        """
        table = dataset.table
        if dataset.provider == "iris" or dataset.is_register or dataset.files is not None or table.heavy:
            return None
        if dataset.empty != "suspect" or dataset.revision == "event_log":
            return None
        columns = tuple(f.name for f in dataset.fields if _measured(f) and f.name not in table.natural_key)
        keys = [table.by_name[name] for name in table.event_key]
        categories = tuple(f.name for f in keys if f.type == "text" and f.name in CATEGORIES)
        if not columns or any(f.type == "text" and f.name not in CATEGORIES for f in keys):
            return None
        period = "settlementPeriod" if "settlementPeriod" in table.by_name else None
        instants = (f.name for f in keys if f.type == "instant")
        return cls(dataset, columns, categories, period, None if period in table.event_key else next(instants, None))


def _measured(f: Field) -> bool:
    return f.type in ("number", "integer") and f.unit is not None and f.name not in UNLIKE
