"""When a publication is late: learned from when its forerunners came, and judged against that.

Pure functions of arrivals, asks and the time. The SQL that gives arrivals and asks is in
``energy_assets.warehouse.arrivals``. Freshness by the catalogue's own lag is another check; this one serves where the
catalogue's lag is no more than somebody's observation.

Every publication has a moment from which it is awaited, and a slot: publications of one slot come at about the same
delay. The delay of a slot is described by median and spread, and how far beyond them publications come by one quantile
of all slots together, so that a few weeks are enough. The quantile is that of conformal prediction, the
``ceil((n + 1) (1 - rate))``-th smallest: a publication that comes as its forerunners did passes it with a probability
of no more than the rate, whatever the distribution.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.expected import rhythm
from energy_assets.checks.held import listed
from energy_assets.checks.learned import Awaited, awaited
from energy_assets.checks.model import Finding, Severity
from energy_assets.checks.specs import LATENESS

if TYPE_CHECKING:
    from energy_assets.warehouse.interface import Warehouse

logger = logging.getLogger(__name__)

RATE = 0.01
"""Share of honest publications that may pass the learned quantile; the margin makes it less."""

FEWEST = 30
"""Arrivals below which nothing is learned and the catalogue's lag counts; the greatest of 30 is passed once in 31."""

SLOT_FEWEST = 5
"""Arrivals below which a slot has no median of its own and shares that of all."""

NEIGHBOURS = 2
"""Slots on either side whose arrivals tell how much delays spread; medians are each slot's own."""

TICK = timedelta(minutes=15)
"""Time between two refreshes that ask a provider."""

SLACK = timedelta(minutes=5)
"""What a refresh may take longer than the one before it."""

MARGIN_SHARE = 0.5
"""Margin beyond the quantile, as a share of its distance from the median."""

VERY_LATE = timedelta(hours=6)
"""Time beyond the deadline from which it is an error: no provider catches up within the hour any more."""

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of normally spread delays is this much smaller than their standard deviation."""

REACH = timedelta(days=2)
"""How long a publication that should be there is looked for; a longer absence is one of windows, others report it."""

TOGETHER = 8
"""Datasets that are read while the store is held: a writer waits for one such group and not for all of them."""

HALF_HOUR = timedelta(minutes=30)
ONE_DAY = timedelta(days=1)

Arrivals = Mapping[datetime, datetime]
"""When each publication was first there, by its place on the window axis, both aware."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was answered: when it was sent, and for which window."""

    at: datetime
    from_utc: datetime
    to_utc: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """One publication whose arrival is known to within a poll.

    Attributes:
        slot: Its slot.
        delay: Seconds from the moment at which it began to be awaited.
        arrived: When it came, seconds of the epoch; publications that came together have the same.
    """

    slot: int
    delay: float
    arrived: float


@dataclass(frozen=True)
class Learned:
    """When publications of one dataset come.

    Attributes:
        count: Arrivals learned from.
        medians: Median delay by slot, seconds.
        spreads: Spread of the delay by slot, seconds.
        median: That of all slots.
        spread: That of all slots.
        tail: Spreads above the median that all but ``RATE`` of the publications keep to.
        margin: Least seconds beyond that.
    """

    count: int
    medians: Mapping[int, float]
    spreads: Mapping[int, float]
    median: float
    spread: float
    tail: float
    margin: float

    def delay(self, slot: int) -> timedelta:
        """How long after it began to be awaited a publication is late."""
        beyond = self.tail * self.spreads.get(slot, self.spread)
        return timedelta(seconds=self.medians.get(slot, self.median) + beyond + max(self.margin, MARGIN_SHARE * beyond))


@dataclass(frozen=True, slots=True)
class Late:
    """A publication that should be there: its place, and since when it is late."""

    place: datetime
    since: datetime


def tolerance(dataset: Dataset) -> timedelta:
    """Longest time between two asks for which an arrival counts as seen when it came."""
    poll = timedelta(minutes=dataset.timing.poll_minutes)
    return max(1, math.ceil(poll / TICK)) * TICK + SLACK


def observed(dataset: Dataset, rule: Awaited, arrivals: Arrivals, asks: Sequence[Ask]) -> list[Observation]:
    """Arrivals that teach: those before which the provider was asked in vain no longer than a poll ago.

    What came while nobody asked, because we were down or the provider did not answer, says nothing about the provider.
    """
    looks = _Looks.of(asks)
    found = []
    for place, since in _references(dataset, rule, sorted(arrivals)):
        arrived = arrivals[place]
        gap = looks.gap(place, since, arrived)
        if gap is not None and gap <= tolerance(dataset).total_seconds():
            slot = rule.slot(place if rule.kind != "following" else since)
            found.append(Observation(slot, (arrived - since).total_seconds(), arrived.timestamp()))
    return found


def learn(observations: Sequence[Observation], margin: timedelta, rate: float = RATE) -> Learned | None:
    """What the arrivals teach; ``None`` where there are too few.

    Publications that came together count once beyond the median: an outage of the provider is one event, not as many
    as there were publications in it.

    Args:
        observations: Arrivals of one dataset.
        margin: Least time beyond the quantile: what one poll may add.
        rate: Share of honest publications that may pass the quantile.
    """
    together = len({o.arrived for o in observations})
    if together < FEWEST:
        return None
    delays = np.array([o.delay for o in observations])
    slots = np.array([o.slot for o in observations])
    floor = max(1.0, margin.total_seconds() / 2)
    median, spread = _middle(delays, floor)
    medians = {
        int(s): float(np.median(delays[slots == s]))
        for s in np.unique(slots)
        if np.count_nonzero(slots == s) >= SLOT_FEWEST
    }
    off = delays - np.array([medians.get(int(s), median) for s in slots])
    spreads = {s: max(floor, MAD_TO_SIGMA * float(np.median(np.abs(off[_near(slots, s)])))) for s in medians}
    beyond: dict[float, list[float]] = defaultdict(list)
    for o in observations:
        z = (o.delay - medians.get(o.slot, median)) / spreads.get(o.slot, spread)
        beyond[o.arrived].append(z)
    tails = np.sort([float(np.median(z)) for z in beyond.values()])
    rank = min(math.ceil((together + 1) * (1 - rate)), together)
    return Learned(together, medians, spreads, median, spread, max(0.0, float(tails[rank - 1])), margin.total_seconds())


def late(
    dataset: Dataset,
    rule: Awaited,
    learned: Learned | None,
    arrivals: Arrivals,
    asks: Sequence[Ask],
    now: datetime,
) -> list[Late]:
    """Publications that are not there although they should be, and although the provider was asked after that.

    Args:
        dataset: The catalogue entry.
        rule: How its publications are told apart.
        learned: When they come; the catalogue's lag counts without it.
        arrivals: What is there of the last days.
        asks: Requests of the last days.
        now: The present, aware.
    """
    looks = _Looks.of(asks)
    found = []
    for place, since in _expected(dataset, rule, arrivals, now):
        deadline = _deadline(dataset, rule, learned, place, since)
        if deadline <= now and looks.asked(deadline if rule.kind == "following" else place, deadline):
            found.append(Late(place, deadline))
    return found


def judge(dataset: Dataset, learned: Learned | None, found: Sequence[Late], now: datetime) -> Finding:
    """The verdict on a dataset."""
    by = "its own history" if learned is not None else "the catalogue's lag, for want of a history,"
    numbers: dict[str, float] = {"late": len(found), "arrivals_learned": 0 if learned is None else learned.count}
    today = calendar.settlement_day(now)
    if not found:
        text = f"{dataset.name}, {today}: every publication that {by} lets expect is there."
        return Finding(LATENESS.name, dataset.code, today, today, True, "info", text, numbers)
    first = min(found, key=lambda late: late.since)
    over = now - first.since
    numbers["minutes_late"] = round(over.total_seconds() / 60)
    days = sorted({calendar.settlement_day(late.place) for late in found})
    severity: Severity = "error" if over >= VERY_LATE else LATENESS.severity
    text = (
        f"{dataset.name}, {listed(days)}: {_publications(len(found))} not there, the first of "
        f"{first.place:%Y-%m-%d %H:%MZ} or after it, since {first.since:%Y-%m-%d %H:%MZ} later than {by} "
        f"lets expect, and the provider was asked since; look at the provider's notices: what comes late is fetched by "
        f"itself."
    )
    return Finding(LATENESS.name, dataset.code, days[0], days[-1], False, severity, text, numbers)


def _near(slots: npt.NDArray[np.int64], slot: int) -> npt.NDArray[np.bool_]:
    """Observations of a slot and its neighbours: those of one slot are too few to tell a spread."""
    return np.abs(slots - slot) <= NEIGHBOURS


def _publications(count: int) -> str:
    return "1 publication is" if count == 1 else f"{count} publications are"


def _middle(delays: npt.NDArray[np.float64], floor: float) -> tuple[float, float]:
    """Median and robust spread, the latter no less than the floor."""
    middle = float(np.median(delays))
    return middle, max(floor, MAD_TO_SIGMA * float(np.median(np.abs(delays - middle))))


def _references(dataset: Dataset, rule: Awaited, places: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """Each publication with the moment from which it was awaited."""
    if rule.kind == "following":
        yield from ((place, before) for before, place in pairwise(places))
        return
    for place in places:
        yield place, _reference(dataset, rule, place)


def _reference(dataset: Dataset, rule: Awaited, place: datetime) -> datetime:
    """The moment from which the publication of a period or a day is awaited: its end, or the run's date."""
    if rule.kind == "periods":
        return place + HALF_HOUR
    return calendar.lag_end(
        replace(dataset.timing.settled, minutes=0), *calendar.day_bounds_utc(calendar.settlement_day(place))
    )


def _expected(
    dataset: Dataset, rule: Awaited, arrivals: Arrivals, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Publications that are awaited and not there, with the moment since when."""
    if rule.kind == "following":
        newest = max(arrivals, default=None)
        if newest is not None:
            yield newest, newest
        return
    for place in _places(dataset, rule, now):
        since = _reference(dataset, rule, place)
        if place not in arrivals and since <= now:
            yield place, since


def _places(dataset: Dataset, rule: Awaited, now: datetime) -> Iterator[datetime]:
    """Places of the publications that may be late now, newest day last."""
    first = max(dataset.begins, first_day(dataset, now))
    for day in calendar.days_between(first, max(first, calendar.settlement_day(now))):
        start, end = calendar.day_bounds_utc(day)
        if rule.kind == "days":
            yield start
            continue
        yield from (start + n * HALF_HOUR for n in range((end - start) // HALF_HOUR))


def first_day(dataset: Dataset, now: datetime) -> date:
    """First settlement day whose publications are looked for: further back where the lag is counted in days."""
    back = REACH
    lag = dataset.timing.settled
    if lag.run is not None or lag.working_days:
        today = calendar.settlement_day(now)
        settled = (n for n in range(1, 60) if calendar.lag_passed(lag, *_bounds(today, n), now))
        back += timedelta(days=next(settled, 0))
    return calendar.settlement_day(now - back)


def _bounds(today: date, back: int) -> tuple[datetime, datetime]:
    return calendar.day_bounds_utc(today - timedelta(days=back))


def _deadline(dataset: Dataset, rule: Awaited, learned: Learned | None, place: datetime, since: datetime) -> datetime:
    if learned is not None:
        return since + learned.delay(rule.slot(place))
    lag = dataset.timing.settled
    step = rhythm(dataset) or ONE_DAY
    match rule.kind:
        case "following":
            return place + step + timedelta(minutes=lag.minutes)
        case "periods":
            return calendar.lag_end(lag, place, place + HALF_HOUR)
        case "days":
            return calendar.lag_end(lag, *calendar.day_bounds_utc(calendar.settlement_day(place)))


@dataclass(frozen=True)
class _Looks:
    """Asks as arrays, seconds of the epoch, in order of time."""

    at: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    @classmethod
    def of(cls, asks: Iterable[Ask]) -> _Looks:
        ordered = sorted(asks, key=lambda a: a.at)
        return cls(
            np.array([a.at.timestamp() for a in ordered]),
            np.array([a.from_utc.timestamp() for a in ordered]),
            np.array([a.to_utc.timestamp() for a in ordered]),
        )

    def gap(self, place: datetime, since: datetime, arrived: datetime) -> float | None:
        """Seconds in which the publication may have come: from the ask before, or from when it was awaited."""
        at = place.timestamp()
        until = int(np.searchsorted(self.at, arrived.timestamp(), side="right"))
        moments = self.at[:until][(self.low[:until] <= at) & (at < self.high[:until])]
        if not len(moments):
            return None
        begin = since.timestamp()
        before = moments[-2] if len(moments) > 1 else begin
        return max(0.0, float(moments[-1]) - max(float(before), begin))

    def asked(self, place: datetime, deadline: datetime) -> bool:
        """Whether the provider was asked for a place at or after the deadline."""
        begin = int(np.searchsorted(self.at, deadline.timestamp()))
        at = place.timestamp()
        return bool(np.any((self.low[begin:] <= at) & (at < self.high[begin:])))


def findings(
    datasets: Sequence[Dataset], warehouse: Warehouse, now: datetime, memory: Path | None = None
) -> list[Finding]:
    """The verdict on every dataset whose lateness is learned and that anybody asks for.

    Args:
        datasets: Catalogue entries; others than those that ``awaited`` knows are left out.
        warehouse: Where rows and receipts are.
        now: The present, or the moment of the past for which it is judged, aware.
        memory: File in which a day's learning is kept, so that it is done once a day; ``None`` to learn each time.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    from energy_assets.warehouse.arrivals import read_arrivals

    today = calendar.settlement_day(now)
    known = {} if memory is None else recall(memory, today)
    rules = [(d, rule) for d in datasets if (rule := awaited(d)) is not None]
    found = []
    for start in range(0, len(rules), TOGETHER):
        group = rules[start : start + TOGETHER]
        with warehouse.session(write=False):
            read = [
                read_arrivals(warehouse, d, rule, _since(d, rule, now, fresh=d.name not in known), now)
                for d, rule in group
            ]
        for (dataset, rule), (arrivals, asks) in zip(group, read, strict=True):
            if dataset.name not in known:
                known[dataset.name] = learn(observed(dataset, rule, arrivals, asks), tolerance(dataset))
            absent = late(dataset, rule, known[dataset.name], arrivals, asks, now)
            found.append(judge(dataset, known[dataset.name], absent, now))
    if memory is not None:
        remember(memory, today, known)
    return found


def _since(dataset: Dataset, rule: Awaited, now: datetime, *, fresh: bool) -> date:
    """First day that is read: those that are learned from where that is still to be done, else the last few."""
    back = first_day(dataset, now)
    learned_from = calendar.settlement_day(now) - timedelta(days=rule.days)
    return max(dataset.begins, min(back, learned_from) if fresh else back)


def recall(memory: Path, today: date) -> dict[str, Learned | None]:
    """What was learned today; nothing where the file is of another day, of another version, or not there."""
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
        if kept["day"] != today.isoformat():
            return {}
        return {name: None if made is None else _remembered(made) for name, made in kept["learned"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s cannot be read, so lateness is learned anew: %s", memory, error)
        return {}


def remember(memory: Path, today: date, known: Mapping[str, Learned | None]) -> None:
    """Keep what was learned today; where it cannot be kept it is learned again next time."""
    learned = {name: None if made is None else asdict(made) for name, made in known.items()}
    part = memory.with_name(f"{memory.name}.{os.getpid()}.part")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"day": today.isoformat(), "learned": learned}), encoding="utf-8")
        part.replace(memory)
    except OSError as error:
        logger.warning("%s cannot be written, so lateness is learned again next time: %s", memory, error)


def _remembered(made: Mapping[str, Any]) -> Learned:
    by_slot = {name: {int(slot): value for slot, value in made[name].items()} for name in ("medians", "spreads")}
    return Learned(**{**made, **by_slot})
