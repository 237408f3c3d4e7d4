"""What rows a day has, before they have values: one array per coordinate, derived from a catalogue entry.

A row's coordinates are its anchor (a period, a grid point, a publication, an event), the target it speaks of, its
entity and its rank among several rows of one fact. What an entry implies is read by ``shape``; values and JSON belong
to ``values`` and ``synthetic``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from energy_assets.calendar import day_bounds_utc, settlement_run_date, summer_time_spans
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import CalendarError
from energy_assets.sandbox.rows import DAY, HOUR, MINUTE, PERIOD, SECOND, Micros, instant_of, micros
from energy_assets.sandbox.shape import PUBLICATIONS, PUBLISHED, RUN_COLUMN, Shape, shape_of
from energy_assets.sandbox.words import RUNS

Ints = npt.NDArray[np.int64]

SMALL_ROWS = 300
"""Rows that a small day aims at: enough for every kind of row, little enough for a demo of all datasets in seconds."""

SMALL_ENTITIES = 6
SMALL_EVENTS = 24
FULL_EVENTS = 400
"""Events of a full day where the entry does not say how many there are."""

FULL_ENTITIES = 40
LONGEST_HORIZON = 110
"""Half hours or hours that a full publication looks ahead at most: two days and a margin."""

NEVER = 4_000_000_000_000_000
"""A moment in 2096, later than any present that the sandbox is set to."""

AHEAD = {"acceptanceTime": 25 * MINUTE, "notificationTime": 90 * MINUTE}
"""Instants of publication that come before what they announce, and by how much."""

EVENING = 17 * HOUR
"""Where the peak of a winter's day lies."""

GOLDEN = 0.6180339887498949
"""Spreads the members of one fact over the unit interval."""

FACTS_A_DAY = 1_000_000
"""More facts than any day has, so that serial numbers of different days never meet."""

WEEKS_AHEAD = 51
DAYS_AHEAD = 13


@dataclass(frozen=True)
class Frame:
    """Coordinates of rows; every array has one entry per row, instants in UTC microseconds.

    Attributes:
        at: Place on the window axis.
        start: Begin of the interval that the row describes.
        end: Its end, excluded.
        publish: When the row was published.
        visible: When the provider has it.
        anchor: Number of the anchor within the day.
        entity: Number of the entity.
        member: Rank within the fact, from 0.
        members: How many rows the fact has.
        serial: A number no other row of the dataset and day has; rows of one fact share it.
        level: How often the row has been revised.
        draw: A uniform number in [0, 1), the same for every build of the row.
    """

    at: Micros
    start: Micros
    end: Micros
    publish: Micros
    visible: Micros
    anchor: Ints
    entity: Ints
    member: Ints
    members: Ints
    serial: Ints
    level: Ints
    draw: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at)

    def take(self, rows: Ints | npt.NDArray[np.bool_]) -> Frame:
        """The rows chosen, in that order."""
        return Frame(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def with_(self, other: Frame) -> Frame:
        """These rows and then those of another frame."""
        return Frame(**{f.name: np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Volume:
    """How many rows a day has.

    Attributes:
        full: ``None`` for a small day; else the multiple of the entry's rows per day.
        rows: Rows per day by dataset code, where the entry's number does not serve.
    """

    full: float | None = None
    rows: tuple[tuple[str, int], ...] = ()

    def wanted(self, dataset: Dataset) -> int | None:
        """Rows per day to aim at; ``None`` for a full day of a dataset whose number is unknown."""
        explicit = dict(self.rows).get(dataset.code)
        if explicit is not None:
            return explicit
        if self.full is None:
            return SMALL_ROWS
        return None if dataset.rows_per_day is None else round(dataset.rows_per_day * self.full)

    def small(self, dataset: Dataset) -> bool:
        """Whether the dataset is served at the demo's size."""
        return self.full is None and dataset.code not in dict(self.rows)


def seed_of(*parts: object) -> int:
    """A 64-bit number from anything printable, the same in every process."""
    return int.from_bytes(blake2b("|".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def frame_of(dataset: Dataset, branch: object, day: date, seed: int, volume: Volume, revision: int) -> Frame:
    """The rows whose place on the window axis lies in a settlement day, in no particular order."""
    shape = shape_of(dataset)
    low, high = map(micros, day_bounds_utc(day))
    built = _day_frame(dataset, shape, branch, day, seed, volume, revision)
    if shape.axis == "register":
        return built
    if shape.spills:
        built = built.with_(_day_frame(dataset, shape, branch, day - timedelta(days=1), seed, volume, revision))
    return built.take((built.at >= low) & (built.at < high))


def _day_frame(
    dataset: Dataset, shape: Shape, branch: object, day: date, seed: int, volume: Volume, revision: int
) -> Frame:
    """The rows whose anchors lie in a settlement day."""
    low, high = map(micros, day_bounds_utc(day))
    rng = np.random.default_rng(seed_of(seed, dataset.code, branch, day))
    anchors = _anchors(dataset, shape, low, high, volume, rng)
    return _frame(dataset, shape, anchors, volume, rng, revision)


def _anchors(dataset: Dataset, shape: Shape, low: int, high: int, volume: Volume, rng: np.random.Generator) -> Micros:
    """Begins of periods and grid steps, instants of publications and events."""
    if shape.axis in ("register", "day"):
        return np.array([low], dtype=np.int64)
    if shape.axis == "events":
        small = volume.small(dataset)
        number = dataset.timing.publications_per_day or (
            SMALL_EVENTS if small else volume.wanted(dataset) or FULL_EVENTS
        )
        minutes = (high - low) // MINUTE
        # A minute of its own for each event keeps keys made of unit and time apart.
        chosen = rng.choice(minutes, size=min(number, minutes), replace=False)
        # Whole minutes for redeclarations, seconds for messages, as the provider writes them.
        seconds = rng.integers(0, 60, len(chosen)) if dataset.check.column in PUBLISHED else 0
        return low + np.sort(chosen) * MINUTE + seconds * SECOND
    offset = 0
    if shape.axis == "publications" and shape.step > 2 * HOUR:
        offset = seed_of(dataset.code) % (12 * 4) * 15 * MINUTE % min(shape.step, 23 * HOUR)
    elif shape.axis == "publications" and shape.target == "period":
        offset = 17 * MINUTE
    return np.arange(low + offset, high, shape.step, dtype=np.int64)


def _sizes(dataset: Dataset, shape: Shape, anchors: int, volume: Volume) -> tuple[int, int]:
    """Horizon and entities per anchor."""
    kinds = 1
    for _, size in shape.dims:
        kinds *= size
    if shape.members in ("stack", "actions"):
        return 1, 1
    small = volume.small(dataset)
    horizon = _fixed_horizon(dataset, shape, anchors, small, kinds)
    if shape.axis in ("events", "register"):
        wanted = volume.wanted(dataset)
        rows = 1 if shape.axis == "events" else 40 if small else wanted or 3000
        return 1, min(rows, kinds) if kinds > 1 else rows
    if dataset.rows_per_period is not None and shape.axis == "periods":
        return 1, min(dataset.rows_per_period, kinds)
    each = {"acceptance": 3, "pairs": 2 if small else 4, "stack": 3, "actions": 2}.get(shape.members, 1)
    wanted = volume.wanted(dataset) or anchors * (horizon or 1) * min(kinds, FULL_ENTITIES) * each
    if horizon == 0:
        entities = min(kinds, 3 if small else FULL_ENTITIES)
        return max(1, min(LONGEST_HORIZON, round(wanted / (anchors * entities)))), entities
    fitting = round(wanted / (anchors * horizon * each))
    least, most = (3, SMALL_ENTITIES) if small else (1, kinds)
    return horizon, max(1, min(max(fitting, least), most, kinds))


def _fixed_horizon(dataset: Dataset, shape: Shape, anchors: int, small: bool, kinds: int) -> int:
    """Targets of one publication; 0 where the volume decides."""
    if shape.target in ("own", "ended", "month", "year"):
        return 1
    if dataset.revision != "vintage":
        # Documents name the half hour they are about; the daily ones a whole day ahead.
        return 48 if shape.target == "period" and anchors <= PUBLICATIONS else 1
    if shape.target == "day":
        return 3 if small and kinds > 1 else DAYS_AHEAD
    if shape.target == "week":
        return 4 if small else WEEKS_AHEAD
    return 0


def _counts(dataset: Dataset, shape: Shape, facts: int, volume: Volume, rng: np.random.Generator) -> Ints:
    """How many rows each fact has."""
    draw = rng.random(facts)
    if shape.members == "acceptance":
        return np.full(facts, 3)
    if shape.members == "pairs":
        return np.full(facts, 2 if volume.small(dataset) else 4)
    if shape.members == "stack":
        return (1 + draw * 4 if volume.small(dataset) else 8 + draw * 40).astype(np.int64)
    if shape.members == "actions":
        # Every other period has no action and one dummy row instead.
        return np.where(draw < 0.5, 1, (1 + draw * 4).astype(np.int64))
    if shape.members in ("segments", "revisions"):
        return np.where(draw < 0.06, 2, 1)
    return np.ones(facts, dtype=np.int64)


def _frame(
    dataset: Dataset, shape: Shape, anchors: Micros, volume: Volume, rng: np.random.Generator, revision: int
) -> Frame:
    """All rows of the anchors."""
    horizon, entities = _sizes(dataset, shape, len(anchors), volume)
    fact = np.arange(len(anchors) * horizon * entities, dtype=np.int64)
    anchor, lead, entity = fact // (horizon * entities), fact // entities % horizon, fact % entities
    if shape.axis == "events" and shape.dims:
        entity = rng.integers(0, 10_000, len(fact))
    level = _levels(dataset, anchors, revision)[anchor]
    counts = _counts(dataset, shape, len(fact), volume, rng)
    counts = _revised_counts(dataset, shape, counts, level, entity == entities - 1)
    draw = rng.random(len(fact))
    row = np.repeat(fact, counts)
    member = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    start, end, publish = (values[row] for values in _times(dataset, shape, anchors[anchor], lead))
    start, end = _split(shape, start, end, member, counts[row])
    if RUN_COLUMN in dict(shape.dims):
        publish = _run_times(start, entity[row])
    seen = np.maximum(publish, end) if shape.axis in ("periods", "grid", "day") and not shape.spills else publish
    publish = publish + _republished(dataset, shape, level[row], member)
    first_day = (int(anchors[0]) + HOUR) // DAY if len(anchors) else 0
    return Frame(
        at=publish if dataset.check.kind == "instant" and dataset.check.column in PUBLISHED else start,
        start=start,
        end=end,
        publish=publish,
        visible=seen + max(dataset.timing.available.minutes, 0) * MINUTE,
        anchor=anchor[row],
        entity=entity[row],
        member=member,
        members=counts[row],
        serial=first_day * FACTS_A_DAY + row,
        level=level[row],
        # Drawn by fact and not by row, so that a revision changes no row that it does not touch.
        draw=(draw[row] + member * GOLDEN) % 1.0,
    )


def _levels(dataset: Dataset, anchors: Micros, revision: int) -> Ints:
    """How often each anchor has been revised: every revision touches about one in sixteen, and one at least."""
    level = np.zeros(len(anchors), dtype=np.int64)
    if dataset.revision != "revised_in_place" or not len(anchors):
        return level
    salt = seed_of(dataset.code) % 1_000_003
    for number in range(1, revision + 1):
        level += (anchors // MINUTE * 7919 + salt + number * 97_003) % 104_729 % 16 == 0
        level[(salt + number) % len(anchors)] += 1
    return level


def _revised_counts(dataset: Dataset, shape: Shape, counts: Ints, level: Ints, last: npt.NDArray[np.bool_]) -> Ints:
    """Rows per fact after revisions: a revised set loses its last member, an idle set of actions gains one."""
    if not dataset.table.replace_scope or shape.axis == "register":
        return counts
    if shape.members == "actions":
        return np.where((level > 0) & (counts == 1), 2, counts)
    if shape.members == "one":
        return np.where((level > 0) & last, 0, counts)
    return np.where((level > 0) & (counts > 1), counts - 1, counts)


def _run_times(start: Micros, entity: Ints) -> Micros:
    """When the settlement run of each row was held; runs beyond the known holidays are never seen."""
    day, place = np.unique(day_number(start), return_inverse=True)
    held = np.array([[_run_time(int(number), run) for run in RUNS] for number in day.tolist()], dtype=np.int64)
    return held.reshape(-1, len(RUNS))[place, entity % len(RUNS)]


def _run_time(day: int, run: str) -> int:
    try:
        held = settlement_run_date(date(1970, 1, 1) + timedelta(days=day), run)
    except CalendarError:
        return NEVER
    return micros(day_bounds_utc(held)[0]) + 10 * HOUR


def _times(dataset: Dataset, shape: Shape, anchor: Micros, lead: Ints) -> tuple[Micros, Micros, Micros]:
    """Begin, end and publication of each fact."""
    if shape.axis in ("register", "periods", "grid", "day"):
        length = shape.step or DAY
        end = local_midnight(day_number(anchor) + 1) if shape.axis == "day" else anchor + length
        if shape.axis == "day" and "settlementPeriod" in dataset.table.by_name:
            anchor, end = anchor + EVENING, anchor + EVENING + PERIOD
        return anchor, end, _fact_published(dataset, shape, anchor, end)
    start, end = _targets(dataset, shape, anchor, lead)
    return start, end, anchor


def _fact_published(dataset: Dataset, shape: Shape, start: Micros, end: Micros) -> Micros:
    """When a fact is published: acceptances before they begin, calculations a while after, outturn at its end."""
    column = dataset.table.publish_column
    if column in AHEAD:
        return start - AHEAD[column]
    if column == "createdDateTime":
        return end + 14 * MINUTE
    return end + 15 * MINUTE if shape.axis == "day" else end


def _targets(dataset: Dataset, shape: Shape, publish: Micros, lead: Ints) -> tuple[Micros, Micros]:
    """The interval that each row of a publication speaks of."""
    half_hour = publish // PERIOD * PERIOD
    if shape.target == "own":
        return publish, publish + (1 + publish // MINUTE % 72) * HOUR
    if shape.target == "ended":
        return half_hour - PERIOD, half_hour
    if shape.target == "period":
        return _target_periods(dataset, shape, publish, half_hour, lead)
    if shape.target == "hour":
        # An issue begins in the past, as the real wind forecast does.
        start = (publish // HOUR - 3 + lead) * HOUR
        return start, start + HOUR
    day = day_number(publish)
    if shape.target == "day":
        ahead = (
            day + (2 if dataset.revision == "vintage" else 1 if dataset.revision == "document_revision" else 0) + lead
        )
        return local_midnight(ahead), local_midnight(ahead + 1)
    if shape.target == "week":
        monday = day - (day + 3) % 7 + 7 * (lead + 2)
        return local_midnight(monday), local_midnight(monday + 7)
    return local_midnight(day), local_midnight(day + 1)


def _target_periods(
    dataset: Dataset, shape: Shape, publish: Micros, half_hour: Micros, lead: Ints
) -> tuple[Micros, Micros]:
    """Half hours: ahead for forecasts, the whole next day for daily documents, well behind for the others."""
    if dataset.revision == "vintage":
        start = half_hour + (1 + lead) * PERIOD
    elif shape.step > 4 * HOUR:
        start = local_midnight(day_number(publish) + 1) + lead * PERIOD
    else:
        start = half_hour - 5 * PERIOD
    return start, start + PERIOD


def _split(shape: Shape, start: Micros, end: Micros, member: Ints, members: Ints) -> tuple[Micros, Micros]:
    """Segments of one fact, end to end."""
    if shape.members == "acceptance":
        # Up, level and down again; the last one reaches into the next period.
        cuts = np.array([0, 10, 35, 50]) * MINUTE
        return start + cuts[member], start + cuts[member + 1]
    if shape.members == "segments":
        cut = start + 12 * MINUTE
        return np.where(member == 1, cut, start), np.where((members == 2) & (member == 0), cut, end)
    return start, end


def _republished(dataset: Dataset, shape: Shape, level: Ints, member: Ints) -> Ints:
    """How much later than at first a row was published."""
    if shape.axis in ("publications", "events"):
        return member * 7 * MINUTE if shape.members == "revisions" else np.zeros_like(level)
    later = 5 * MINUTE if dataset.table.publish_column in AHEAD else DAY
    return np.where(level > 0, level * later, 0)


@lru_cache(maxsize=256)
def _summer(first_year: int, last_year: int) -> tuple[Micros, Micros]:
    """Begins and ends of summer time."""
    spans = summer_time_spans(first_year, last_year)
    return np.array([micros(a) for a, _ in spans]), np.array([micros(b) for _, b in spans])


def _offset(instant: Micros) -> Micros:
    """London's offset from UTC at each instant."""
    if not len(instant):
        return instant
    begins, ends = _summer(instant_of(int(instant.min())).year, instant_of(int(instant.max())).year)
    place = np.searchsorted(begins, instant, side="right") - 1
    return np.where((place >= 0) & (instant < ends[np.maximum(place, 0)]), HOUR, 0)


def day_number(instant: Micros) -> Ints:
    """Settlement day of each instant, counted from 1970-01-01."""
    return (instant + _offset(instant)) // DAY


def local_midnight(day: Ints) -> Micros:
    """UTC begin of each settlement day; clocks change an hour later, so the hour before tells the offset."""
    midnight = day * DAY
    return midnight - _offset(midnight - HOUR)


def period_number(instant: Micros) -> Ints:
    """Settlement period of each instant."""
    return (instant - local_midnight(day_number(instant))) // PERIOD + 1
