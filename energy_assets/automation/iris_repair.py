"""The sensor that has the archive fill what the push service brought and we missed.

What is missing, and when it is asked for, is found by ``ingest.holes``; here it becomes runs of the archive job, one
for each request. A request is remembered before it is made, so that a run that fails or never begins counts as one.
That nothing comes at all is told by the alerts (``tracking.watch``).
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.assets.provider import RefreshConfig, explained
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.automation.jobs import IRIS_REPAIR, LONGEST_PAST, NO_CHECKS
from energy_assets.automation.schedules import while_active

if TYPE_CHECKING:
    from energy_assets.ingest.holes import Ask

logger = logging.getLogger(__name__)

LOOK_SECONDS = 900
"""A hole is seen within a quarter of an hour, as fresh as what is asked for. Looking reads some days of the register,
for which BigQuery charges."""

ASKS_AT_ONCE = 4
"""Runs requested by one look at most, each of a day or less, which for all streams takes three quarters of an hour at
the archive's pace. The others follow when these have ended, the newest first."""


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
    """One run for each request that is due, or a skip while one of them is still active."""
    from energy_assets.ingest.asked import keep_memory
    from energy_assets.ingest.holes import find_holes

    root = platform.settings().iris_drop_dir
    if not root.exists():
        yield dg.SkipReason(f"{root} is not there; `energy-assets iris listen` makes it")
        return
    skip = while_active(context.instance, IRIS_REPAIR, LONGEST_PAST)
    if skip is not None:
        yield skip
        return
    now = datetime.now(tz=UTC)
    with explained(), platform.warehouse() as warehouse:
        found = find_holes(root, warehouse, now)
        asks = found.asks[:ASKS_AT_ONCE]
        keep_memory(root, found.memory.asking((cell for ask in asks for cell in ask.cells()), now))
    if found.doubt:
        logger.warning("holes are found by heartbeats and receipts only: %s", found.doubt)
    if not asks:
        given_up = len(found.in_state("given_up"))
        rest = f", {given_up} given up" if given_up else ""
        yield dg.SkipReason(f"nothing is to be asked of the archive now: {len(found.holes)} holes known{rest}")
    for ask in asks:
        yield _request(ask, now)


def _request(ask: "Ask", now: datetime) -> dg.RunRequest:
    config = RefreshConfig(refetch=False, from_utc=ask.from_utc.isoformat(), to_utc=ask.to_utc.isoformat())
    return dg.RunRequest(
        run_key=f"{now:%Y-%m-%dT%H:%MZ} {ask.from_utc.isoformat()} {ask.to_utc.isoformat()} {len(ask.entries)}",
        partition_key=ask.day.isoformat(),
        asset_selection=[key_of(d) for d in ask.entries],
        asset_check_keys=NO_CHECKS,
        run_config=dg.RunConfig(ops={"iris": config}),
    )
