"""The sensor that has the archive fill what the push service brought and we missed.

What is missing is found by ``ingest.holes``; here it becomes runs of the archive job, one for each hole. A hole that
the archive has been asked for is due no more, so nothing is requested twice.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets import calendar
from energy_assets.assets.partitions import range_tags
from energy_assets.assets.provider import RefreshConfig
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.automation.jobs import IRIS_REPAIR, LONGEST_PAST
from energy_assets.automation.schedules import active_run
from energy_assets.catalogue.model import Dataset

if TYPE_CHECKING:
    from energy_assets.ingest.outages import Hole

logger = logging.getLogger(__name__)

LOOK_SECONDS = 900
"""A hole is seen within a quarter of an hour, as fresh as what is asked for. Looking reads a week of the register, for
which BigQuery charges."""

HOLES_AT_ONCE = 8
"""Runs requested by one look at most; the others follow when these have ended."""


@dg.sensor(
    name=f"{IRIS_REPAIR}_sensor",
    job_name=IRIS_REPAIR,
    minimum_interval_seconds=LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for outages of the listener, skipped sequence numbers and lost rows, and has them filled.",
)
def iris_repair_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run for each hole, or a skip while one of them is still active."""
    from energy_assets.ingest.holes import SILENT_AFTER, find_holes

    settings = platform.settings()
    if not settings.iris_drop_dir.exists():
        yield dg.SkipReason(f"{settings.iris_drop_dir} is not there; `energy-assets iris listen` makes it")
        return
    active = active_run(context.instance, IRIS_REPAIR, LONGEST_PAST)
    if active is not None:
        yield dg.SkipReason(f"run {active} of {IRIS_REPAIR} is still active")
        return
    now = datetime.now(tz=UTC)
    with platform.warehouse() as warehouse:
        found = find_holes(settings.iris_drop_dir, warehouse, now)
    if found.silent(now):
        # The alerts of a deployment follow the log; the queue forgets in three days what nobody takes.
        logger.error(
            "no IRIS message for %d hours, the newest is of %s; see whether `energy-assets iris listen` runs",
            SILENT_AFTER // timedelta(hours=1),
            found.newest_utc,
        )
    if not found.asks:
        yield dg.SkipReason(f"{len(found.holes)} holes in the last week, none to be filled now")
    for hole, entries in found.asks[:HOLES_AT_ONCE]:
        yield _request(hole, entries, now)


def _request(hole: "Hole", entries: Sequence[Dataset], now: datetime) -> dg.RunRequest:
    from energy_assets.ingest.holes import RESERVE

    begin, end = hole.from_utc - RESERVE, hole.to_utc + RESERVE
    first, last = _days(begin, end, now)
    single = first == last
    config = RefreshConfig(refetch=False, from_utc=begin.isoformat(), to_utc=end.isoformat())
    return dg.RunRequest(
        run_key=f"{now:%Y-%m-%dT%H:%MZ} {begin.isoformat()} {end.isoformat()} {len(entries)}",
        partition_key=first.isoformat() if single else None,
        tags={} if single else range_tags(first, last),
        asset_selection=[key_of(d) for d in entries],
        run_config=dg.RunConfig(ops={"iris": config}),
    )


def _days(begin: datetime, end: datetime, now: datetime) -> tuple[date, date]:
    """Settlement days of an interval; a hole that lasts ends with today."""
    last = min(end - timedelta(microseconds=1), now)
    return calendar.settlement_day(begin), calendar.settlement_day(last)
