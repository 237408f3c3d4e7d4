"""How the rows of a dataset are laid out, as far as its catalogue entry tells.

Only the reading of an entry belongs here: which column is an axis, which names an entity, why one fact has several
rows. Rows themselves are laid out by ``frame``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from energy_assets.catalogue.model import Dataset
from energy_assets.sandbox.rows import DAY, PERIOD
from energy_assets.sandbox.words import UNIT_COLUMNS, UNITS, WORDS, split

Axis = Literal["register", "periods", "grid", "publications", "events", "day"]
Target = Literal["own", "ended", "period", "hour", "day", "week", "month", "year"]
Members = Literal["one", "acceptance", "pairs", "stack", "actions", "segments", "revisions"]

PUBLISHED = frozenset(
    split(
        "publishTime createdTime createdDateTime submissionDateTime creationTime fileCreationTime sourceFileDatetime "
        "messageReceivedDateTime"
    )
)
"""Instants that say when a row was made, not what it is about."""

WEEKS = frozenset(split("week calendarWeekNumber forecastWeek forecastWeekCommencingDate weekStartDate"))
MONTHS_OF = frozenset({"month", "forecastMonth"})
YEARS = frozenset({"year", "forecastYear"})
_TIME_COLUMNS = (
    PUBLISHED
    | WEEKS
    | MONTHS_OF
    | YEARS
    | frozenset(
        split(
            "settlementDate settlementPeriod startTime timeFrom timeTo time measurementTime measurementDate "
            "forecastDate settlementPeriodFrom settlementPeriodTo acceptanceTime notificationTime"
        )
    )
)

RUN_COLUMN = "settlementRunType"

PUBLICATIONS = 4
"""Publications of a day where neither the entry nor its cadence tells."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of one dataset are laid out, as far as its entry tells.

    Attributes:
        axis: What a day is cut into.
        step: Microseconds between anchors, 0 for irregular ones.
        target: What a row of an anchor speaks of.
        members: Why one fact has several rows.
        dims: Key columns with a vocabulary, and its size; ``unit`` stands for all BM unit columns.
        serials: Key columns that number the row.
    """

    axis: Axis
    step: int
    target: Target
    members: Members
    dims: tuple[tuple[str, int], ...]
    serials: tuple[str, ...]

    @property
    def spills(self) -> bool:
        """Whether rows of a day's anchors may lie in the next day."""
        return self.members == "acceptance"


@lru_cache(maxsize=1024)
def shape_of(dataset: Dataset) -> Shape:
    """The layout that an entry implies."""
    axis, step = _axis(dataset)
    names = _key_names(dataset)
    units = [name for name in names if name in UNIT_COLUMNS]
    words = [name for name in names if name in WORDS and name not in UNIT_COLUMNS]
    if RUN_COLUMN in words:
        words.remove(RUN_COLUMN)
        # The runs of one fact stand together, so that a small day has all; a fact revised in place has the last only.
        words[:0] = [RUN_COLUMN] if dataset.revision == "vintage" else []
    dims = tuple((name, len(WORDS[name])) for name in words) + ((("unit", UNITS),) if units else ())
    known = _TIME_COLUMNS | UNIT_COLUMNS | WORDS.keys()
    return Shape(
        axis,
        step,
        _target(dataset, axis),
        _members(dataset, names),
        dims,
        tuple(name for name in names if name not in known and dataset.table.by_name[name].type == "text"),
    )


def _key_names(dataset: Dataset) -> list[str]:
    """Natural-key columns that the provider's row carries."""
    by_name = dataset.table.by_name
    return [name for name in dataset.table.natural_key if name in by_name and by_name[name].origin == "row"]


def _axis(dataset: Dataset) -> tuple[Axis, int]:
    """What the days of the window axis are cut into, and the step."""
    check, names = dataset.check, dataset.table.by_name
    per_day = dataset.timing.publications_per_day
    if check.kind == "none":
        return "register", 0
    if check.kind == "instant" and check.column in PUBLISHED:
        return _published_axis(dataset)
    if dataset.revision == "event_log":
        return "events", 0
    if per_day is not None and per_day > 50:
        return "grid", DAY // per_day
    if "{season}" in dataset.query.path:
        # A winter's answer holds its peaks, not its half hours.
        return "day", DAY
    if "settlementPeriod" in names or "settlementPeriodFrom" in names or check.kind == "instant":
        return "periods", PERIOD
    return "day", DAY


def _published_axis(dataset: Dataset) -> tuple[Axis, int]:
    """Regular publications where the entry names targets, irregular events otherwise."""
    targets = set(dataset.table.event_key) & (_TIME_COLUMNS - PUBLISHED)
    if dataset.revision == "event_log" or not targets:
        return "events", 0
    return "publications", DAY // (dataset.timing.publications_per_day or _told(dataset.timing.cadence))


def _told(cadence: str) -> int:
    """Publications of a day from a cadence in words."""
    told = cadence.lower()
    for words, number in (
        (("30 min", "half hour", "half-hour", "settlement period"), 48),
        (("hourly", "every hour"), 24),
        (("daily", "a day", "weekly", "monthly", "yearly", "every week", "every month", "every year"), 1),
    ):
        if any(word in told for word in words):
            return number
    return PUBLICATIONS


def _target(dataset: Dataset, axis: Axis) -> Target:
    """What the rows of one anchor speak of."""
    if axis != "publications":
        return "own"
    key = set(dataset.table.event_key)
    if "settlementPeriod" in key or ({"timeFrom", "startTime"} & key and "settlementPeriod" in dataset.table.by_name):
        return "ended" if dataset.revision == "revised_in_place" else "period"
    if {"timeFrom", "startTime"} & key:
        return "hour"
    if WEEKS & key:
        return "week"
    if MONTHS_OF & key:
        return "month"
    if any(dataset.table.by_name[name].type == "date" for name in key if name in dataset.table.by_name):
        return "day"
    return "year"


def _members(dataset: Dataset, names: list[str]) -> Members:
    """Why one fact may have several rows."""
    key = set(names)
    if "acceptanceNumber" in key and "timeFrom" in key:
        return "acceptance"
    if "pairId" in key:
        return "pairs"
    if "sequenceNumber" in key:
        return "stack"
    if "id" in key and dataset.table.by_name["id"].type == "integer":
        return "actions"
    if {"timeFrom", "timeTo"} <= key and "settlementPeriod" in dataset.table.by_name:
        return "segments"
    if {"documentRevisionNumber", "revisionNumber"} & key:
        return "revisions"
    return "one"
