"""Sensors: what follows from what Dagster has recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import dagster as dg

from energy_assets.assets.partitions import range_tags, spans
from energy_assets.automation.jobs import GB_DERIVED, LIVE_TAGS, LONGEST_LIVE, PAST_TAGS
from energy_assets.automation.schedules import while_active

POLL_SECONDS = 60
"""A derived table follows its sources within about a minute; more often would only write ticks."""

EVENTS_AT_ONCE = 1000
"""Materializations looked at per tick: years of a backfill are worked off in a few ticks, each well within the minute
that Dagster gives a sensor."""

LIVE_DAYS = 2
"""A range this short is the live refresh's; a longer one gives way to it."""


def gb_derived_sensor(source: dg.AssetKey, derived: Sequence[dg.AssetsDefinition]) -> dg.SensorDefinition:
    """Computes derived tables again for exactly the days for which their source was materialized.

    A sensor and not a schedule, because the past changes too: a settlement run or a backfill of the source must reach
    the derived table. Days gather while a run of the job is active.

    Args:
        source: The asset that the derived ones read.
        derived: The derived assets.
    """

    @dg.sensor(
        name=f"{GB_DERIVED}_sensor",
        job_name=GB_DERIVED,
        minimum_interval_seconds=POLL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Follows {source.to_user_string()}.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        skip = while_active(context.instance, GB_DERIVED, LONGEST_LIVE)
        if skip is not None:
            return skip
        after = int(context.cursor) if context.cursor else None
        records = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=source, after_storage_id=after), limit=EVENTS_AT_ONCE, ascending=True
        ).records
        days = {date.fromisoformat(r.partition_key) for r in records if r.partition_key}
        if not days:
            return dg.SkipReason(f"{source.to_user_string()} has no new days")
        requests = [_run_request(first, last) for first, last in spans(days)]
        return dg.SensorResult(run_requests=requests, cursor=str(records[-1].storage_id))

    return sensor


def _run_request(first: date, last: date) -> dg.RunRequest:
    lane = LIVE_TAGS if (last - first).days < LIVE_DAYS else PAST_TAGS
    single = first == last
    return dg.RunRequest(
        partition_key=first.isoformat() if single else None,
        tags=lane | ({} if single else range_tags(first, last)),
    )
