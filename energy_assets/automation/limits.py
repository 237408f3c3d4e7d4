"""Resolved limits follow their declarations: what was sent on a day is computed anew for every day that it concerns.

Days of sending come from what Dagster recorded of the streams; which settlement days they concern is read from the
declarations within the run, so that a sensor never waits for the store. A job of one op and not a run of assets, as in
``automation.iris``: a run of assets would have to plan every day that might be concerned.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets import calendar
from energy_assets.assets.limits import BUSY_RETRIES, SOURCES, numbers, resolve_days
from energy_assets.assets.resources import Platform
from energy_assets.automation.iris import REPORT_EVERY
from energy_assets.automation.jobs import LIVE_TAGS, LONGEST_LIVE
from energy_assets.automation.schedules import while_active
from energy_assets.automation.sensors import EVENTS_AT_ONCE, POLL_SECONDS
from energy_assets.catalogue import dataset
from energy_assets.errors import EnergyAssetsError
from energy_assets.warehouse.io_manager import failure

if TYPE_CHECKING:
    from energy_assets.warehouse.interface import Warehouse

GB_LIMITS = "gb_limits"

LOOK_AGAIN = REPORT_EVERY + timedelta(minutes=5)
"""Time after a report of a day at which it is followed once more, unless it was reported again meanwhile: rows that are
loaded within ``REPORT_EVERY`` of a report are not reported themselves. Some minutes more, so that a stream that never
rests is followed once per report and not twice."""

DAYS_PER_RUN = 31
"""Days of sending that one run follows; the rest of a long refill waits for the next, so that the present never waits
longer than that run."""

RETRY_AFTER = timedelta(minutes=10)
"""Time after a failed run at which its days are followed again, where nothing new has done so before."""

SUCCEEDED = [dg.DagsterRunStatus.SUCCESS]

FOLLOW_TAG = "energy_assets/follow"
"""Tag of a run with which the sensor finds again what has become of the days that it was to follow."""


class FollowConfig(dg.Config):
    """Which declarations are followed.

    Attributes:
        sent: Days of sending (``2026-07-15``) by resolved asset (``gb/mels_resolved``).
    """

    sent: dict[str, list[str]]


@dg.op(
    description="Computes resolved limits for every day that declarations of some days of sending concern.",
    retry_policy=BUSY_RETRIES,
)
def follow_declarations(
    context: dg.OpExecutionContext, config: FollowConfig, platform: dg.ResourceParam[Platform]
) -> None:
    """Find the settlement days, make the tables hold their position, and report the days that changed."""
    today = calendar.settlement_day(datetime.now(tz=UTC))
    try:
        with platform.warehouse() as warehouse:
            for name, sent in sorted(config.sent.items()):
                days = _concerned(context, warehouse, name, [date.fromisoformat(day) for day in sent])
                for written in resolve_days(warehouse, name, days, context.run_id):
                    # Tomorrow has no partition yet; its rows are reported with it.
                    for day in (d for d in written.days if written.changed and d <= today):
                        event = dg.AssetMaterialization(
                            name.split("/"), partition=day.isoformat(), metadata=numbers([written])
                        )
                        context.log_event(event)
    except EnergyAssetsError as error:
        raise failure(error) from error


def _concerned(context: dg.OpExecutionContext, warehouse: "Warehouse", name: str, sent: Iterable[date]) -> set[date]:
    """Settlement days that the declarations sent on these days concern."""
    from energy_assets.ingest.limits import touched_days

    found: set[date] = set()
    for day in sent:
        rows = warehouse.read(dataset(SOURCES[name]).table, day, day, columns=["timeFrom", "timeTo"])
        days, beyond = touched_days(rows, day)
        found.update(days)
        if beyond:
            context.log.warning(
                f"{name}: {beyond} declarations sent on {day} concern days too far from it; they count for the nearer "
                "days only"
            )
    return found


@dg.job(
    name=GB_LIMITS,
    tags=LIVE_TAGS,
    executor_def=dg.in_process_executor,
    description="Resolves limits for the days that new declarations concern.",
)
def gb_limits() -> None:
    """Follows the declarations of some days of sending."""
    follow_declarations()


@dg.sensor(
    name=f"{GB_LIMITS}_sensor",
    job_name=GB_LIMITS,
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Follows iris/mels and iris/mils.",
)
def gb_limits_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Choose the days of sending that are to be followed now; days gather while a run of the job is active."""
    skip = while_active(context.instance, GB_LIMITS, LONGEST_LIVE)
    if skip is not None:
        return skip
    now = datetime.now(tz=UTC)
    cursor = Cursor.of(context.cursor)
    for token in list(cursor.under_way):
        cursor.settle(token, _succeeded(context.instance, token), now)
    news = {name: _reported(context.instance, name, cursor) for name in SOURCES}
    chosen = cursor.choose(news, now)
    if not chosen:
        return dg.SensorResult(skip_reason="no new declarations", cursor=cursor.text())
    token = now.isoformat()
    cursor.under_way[token] = chosen
    config = dg.RunConfig(ops={"follow_declarations": FollowConfig(sent=_as_text(chosen))})
    request = dg.RunRequest(run_key=token, run_config=config, tags={FOLLOW_TAG: token})
    return dg.SensorResult(run_requests=[request], cursor=cursor.text())


@dataclass
class Cursor:
    """What the sensor remembers, by resolved asset.

    Attributes:
        after: Newest record of the stream that was seen.
        look: When each day of sending is to be followed once more.
        under_way: Days of the runs that are not known to have succeeded, by the value of their tag.
    """

    after: dict[str, int] = field(default_factory=dict)
    look: dict[str, dict[date, datetime]] = field(default_factory=dict)
    under_way: dict[str, dict[str, list[date]]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str | None) -> "Cursor":
        """The cursor that was kept as text; an empty one where none was."""
        if not text:
            return cls()
        kept = json.loads(text)
        look = {
            name: {date.fromisoformat(day): datetime.fromisoformat(at) for day, at in days.items()}
            for name, days in kept["look"].items()
        }
        under_way = {
            token: {name: [date.fromisoformat(day) for day in days] for name, days in chosen.items()}
            for token, chosen in kept.get("under_way", {}).items()
        }
        return cls(kept["after"], look, under_way)

    def text(self) -> str:
        """The cursor as text."""
        look = {n: {day.isoformat(): at.isoformat() for day, at in days.items()} for n, days in self.look.items()}
        under_way = {token: _as_text(chosen) for token, chosen in self.under_way.items()}
        return json.dumps({"after": self.after, "look": look, "under_way": under_way})

    def settle(self, token: str, succeeded: bool, now: datetime) -> None:
        """Take note of a run that has ended, or never began; days of one that did not succeed are followed again.

        Args:
            token: The value of its tag.
            succeeded: Whether it did all that it was to do.
            now: The present, aware.
        """
        for name, days in self.under_way.pop(token).items():
            look = self.look.setdefault(name, {})
            for day in () if succeeded else days:
                look[day] = min(look.get(day, now + RETRY_AFTER), now + RETRY_AFTER)

    def choose(self, news: Mapping[str, Mapping[date, datetime]], now: datetime) -> dict[str, list[date]]:
        """Days of sending to be followed now, newest first where there are too many.

        Args:
            news: When each day was newly reported, by resolved asset.
            now: The present, aware.
        """
        chosen: dict[str, list[date]] = {}
        for name in SOURCES:
            look = self.look.setdefault(name, {})
            due = {day for day, at in look.items() if at <= now}
            fresh = news.get(name, {})
            taken = sorted(due | fresh.keys(), reverse=True)
            for day in taken[:DAYS_PER_RUN]:
                look.pop(day, None)
                if day in fresh:
                    look[day] = fresh[day] + LOOK_AGAIN
            look.update(dict.fromkeys(taken[DAYS_PER_RUN:], now))
            if taken:
                chosen[name] = sorted(taken[:DAYS_PER_RUN])
        return chosen


def _reported(instance: dg.DagsterInstance, name: str, cursor: Cursor) -> dict[date, datetime]:
    """Days of the stream that were reported since the cursor, and when; the cursor moves on."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(SOURCES[name].split("/")), after_storage_id=cursor.after.get(name)),
        limit=EVENTS_AT_ONCE,
        ascending=True,
    ).records
    if records:
        cursor.after[name] = records[-1].storage_id
    return {
        date.fromisoformat(r.partition_key): datetime.fromtimestamp(r.timestamp, tz=UTC)
        for r in records
        if r.partition_key
    }


def _succeeded(instance: dg.DagsterInstance, token: str) -> bool:
    """Whether a run with the tag's value has done its work; one that nobody has begun has not."""
    return bool(instance.get_run_records(dg.RunsFilter(tags={FOLLOW_TAG: token}, statuses=SUCCEEDED), limit=1))


def _as_text(chosen: Mapping[str, Sequence[date]]) -> dict[str, list[str]]:
    return {name: [day.isoformat() for day in days] for name, days in chosen.items()}
