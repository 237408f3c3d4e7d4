"""The one partitions definition of the project, and the days that a run is about.

A job can hold only one definition, so every asset has this one; a dataset that begins later says so in its entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import dagster as dg

FIRST_DAY = date(2001, 1, 1)
"""The first full year of the balancing mechanism under NETA; nothing in the catalogue begins earlier."""

DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), timezone="Europe/London", end_offset=1)
"""Settlement days, today included: its partition is refreshed many times while the day lasts."""

LONGEST_RANGE = 92
"""Settlement days that a run started by a schedule or sensor holds at most: a quarter, so that a run that is killed
has little to say again."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def days_of(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """First and last settlement day of the run, both inclusive.

    Raises:
        dg.Failure: The run names no partition.
    """
    if not context.has_partition_key and not context.has_partition_key_range:
        raise dg.Failure("This run names no settlement day; choose a partition or a range.", allow_retries=False)
    keys = context.partition_key_range
    return date.fromisoformat(keys.start), date.fromisoformat(keys.end)


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make a run about the settlement days ``first`` to ``last``, both inclusive."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def spans(days: Iterable[date], longest: int = LONGEST_RANGE) -> Sequence[tuple[date, date]]:
    """Days as ranges of neighbours, oldest first, none longer than ``longest``."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == timedelta(days=1) and (day - found[-1][0]).days < longest:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
