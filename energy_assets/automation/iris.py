"""IRIS in Dagster: the sensor that sees what waits in the drop folder, the job that loads it, and the clean-up.

Loading is a job of one op and not a run of assets: which streams a segment holds is known when it is read, and a run
that plans ninety assets every half minute would fill Dagster's own storage. The op reports the partitions that it
changed, each at most every quarter of an hour. The assets of ``assets.provider`` fill the past from the archive.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.assets import reporting
from energy_assets.assets.provider import explained
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import key_of
from energy_assets.automation.jobs import LIVE_TAGS, LONGEST_LIVE
from energy_assets.catalogue.iris import ENTRIES, UNMAPPED

if TYPE_CHECKING:
    from energy_assets.ingest.loading import Loaded
    from energy_assets.ingest.model import Outcome
    from energy_assets.sources.iris.backlog import Backlog, Manifest

IRIS_LOAD = "iris_load"
IRIS_CLEANUP = "iris_cleanup"

SENSE_SECONDS = 30
"""Half of the minute within which a message is to be in the warehouse; the other half is for the run."""

MANIFEST_TAG = "energy_assets/manifest"

LOST_AFTER = timedelta(minutes=10)
"""Age from which a run that has begun counts as lost with its machine: a load takes seconds, and one that is done twice
changes nothing."""

WAITING = frozenset({dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED})
"""Statuses of a run that has not begun."""

REPORT_EVERY = timedelta(minutes=15)
"""How often a partition is reported as materialized at most: as often as the datasets that are asked for."""

EVERY_HOUR = "37 * * * *"
"""Off the quarter hours, when refreshes start."""


class LoadConfig(dg.Config):
    """What is to be loaded.

    Attributes:
        manifest: Identifier of an open manifest of the drop folder.
    """

    manifest: str


@dg.op(description="Loads the messages of one manifest; a second time changes nothing.")
def load_manifest(context: dg.OpExecutionContext, config: LoadConfig, platform: dg.ResourceParam[Platform]) -> None:
    """Load one manifest, report the partitions that changed, and fail where a stream could not be loaded."""
    from energy_assets.ingest.loading import load
    from energy_assets.ingest.model import Policy
    from energy_assets.sources.iris.backlog import Backlog, shown, unread_error

    backlog = Backlog(platform.settings().iris_drop_dir)
    with explained(), platform.engine() as engine:
        manifest = backlog.manifest(config.manifest)
        if manifest is None:
            context.log.info(f"{config.manifest} has been loaded already, or is part of another manifest now")
            return
        loaded = load(manifest, backlog, engine, Policy(run_id=context.run_id))
        usage = engine.warehouse.usage()
    context.log.info(f"{dict(shown(manifest))}, {loaded.messages} messages; {reporting.summary(loaded.outcomes)}")
    if tags := reporting.cost_tags(usage):
        context.instance.add_run_tags(context.run_id, tags)
    _warn(context, loaded)
    for outcome in loaded.outcomes:
        _report(context, outcome)
    message = reporting.failure_message(loaded.outcomes) or (unread_error(loaded.unread) if loaded.unread else None)
    if message is not None:
        raise dg.Failure(f"{message} The rest is loaded; this is tried again.", allow_retries=False)


@dg.job(
    name=IRIS_LOAD,
    tags=LIVE_TAGS,
    executor_def=dg.in_process_executor,
    description="Loads messages from the drop folder, one manifest a run.",
)
def iris_load() -> None:
    """Loads one manifest."""
    load_manifest()


@dg.op(description="Deletes files that were loaded more than an hour ago and are in the warehouse, and nothing else.")
def clean_drop_folder(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    """Delete what has been loaded for a while and is still held."""
    from energy_assets.ingest.loading import clean
    from energy_assets.sources.iris.backlog import Backlog

    folder = platform.settings().iris_drop_dir
    if not folder.exists():
        context.log.info(f"{folder} is not there; `energy-assets iris listen` makes it")
        return
    with explained(), platform.warehouse() as warehouse:
        cleaned = clean(Backlog(folder), warehouse, datetime.now(tz=UTC))
    context.log.info(f"loaded files deleted: {cleaned.deleted}")
    for name in cleaned.released:
        context.log.error(f"{name} was loaded and is not in this warehouse (any more); its files are loaded again")
    for path, reason in cleaned.stuck.items():
        context.log.error(f"{path} cannot be deleted ({reason}); it is tried again")


@dg.job(name=IRIS_CLEANUP, executor_def=dg.in_process_executor, description="Deletes loaded files of the drop folder.")
def iris_cleanup() -> None:
    """Deletes loaded files."""
    clean_drop_folder()


iris_cleanup_schedule = dg.ScheduleDefinition(
    name=f"{IRIS_CLEANUP}_schedule",
    job=iris_cleanup,
    cron_schedule=EVERY_HOUR,
    execution_timezone="Europe/London",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
"""Every hour."""


@dg.sensor(
    name="iris_drop_folder_sensor",
    job_name=IRIS_LOAD,
    minimum_interval_seconds=SENSE_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a run for each batch of messages that waits in the drop folder.",
)
def iris_drop_folder_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Choose what is loaded together; a manifest whose run failed is asked for again, ever more rarely."""
    from energy_assets.sources.iris.backlog import TO_LOAD, Backlog

    settings = platform.settings()
    backlog = Backlog(settings.iris_drop_dir)
    if not settings.iris_drop_dir.exists():
        yield dg.SkipReason(f"{settings.iris_drop_dir} is not there; `energy-assets iris listen` makes it")
        return
    now = datetime.now(tz=UTC)
    gathering = _gathering(backlog, now, timedelta(seconds=settings.iris_batch_seconds))
    manifests = [m for state in TO_LOAD for m in backlog.manifests(state)] if gathering else backlog.choose(now)
    requests = [r for m in manifests if (r := _request(context.instance, m, now)) is not None]
    if not requests:
        yield dg.SkipReason(_idle(manifests, "messages gather" if gathering else "nothing new waits"))
    yield from requests


def _idle(manifests: Sequence["Manifest"], otherwise: str) -> str:
    """Why no run is requested."""
    from energy_assets.sources.iris.backlog import counted

    failed = sum(m.failed_utc is not None for m in manifests)
    parts = [f"{counted(len(manifests) - failed)} being loaded"] if len(manifests) > failed else []
    parts += [f"{counted(failed)} to be tried again, see `energy-assets iris status`"] if failed else []
    return "; ".join(parts) or otherwise


def _gathering(backlog: "Backlog", now: datetime, interval: timedelta) -> bool:
    """Whether the last batch was chosen so lately that messages still gather for the next one."""
    newest = backlog.newest_choice(now)
    # The sensor comes a little early or late; half of its own interval is not worth a whole one more.
    return newest is not None and now - newest < interval - timedelta(seconds=SENSE_SECONDS / 2)


def _request(instance: dg.DagsterInstance, manifest: "Manifest", now: datetime) -> dg.RunRequest | None:
    """A run for a manifest, unless one is under way or failed a short while ago."""
    if not manifest.is_due(now):
        return None
    records = instance.get_run_records(dg.RunsFilter(tags={MANIFEST_TAG: manifest.manifest_id}))
    if records and now < _free_utc(max(records, key=lambda r: r.create_timestamp), len(records), manifest):
        return None
    return dg.RunRequest(
        run_key=f"{manifest.manifest_id} {len(records) + 1}",
        tags={MANIFEST_TAG: manifest.manifest_id, "energy_assets/day": manifest.day.isoformat()},
        run_config=dg.RunConfig(ops={"load_manifest": LoadConfig(manifest=manifest.manifest_id)}),
    )


def _free_utc(newest: dg.RunRecord, runs: int, manifest: "Manifest") -> datetime:
    """From when on another run may be requested after a manifest's newest one."""
    from energy_assets.sources.iris.backlog import retry_wait

    changed = newest.update_timestamp.astimezone(UTC)
    if newest.dagster_run.is_finished:
        # A load that failed has said in the manifest when it is due; a run that was killed has not.
        return changed if manifest.failed_utc is not None else changed + retry_wait(runs)
    if newest.dagster_run.status in WAITING:
        return newest.create_timestamp.astimezone(UTC) + LONGEST_LIVE
    # A run that was lost with its machine looks alive for ever.
    return changed + LOST_AFTER


def _warn(context: dg.OpExecutionContext, loaded: "Loaded") -> None:
    """Say what a person should know although the load went well."""
    if loaded.missing:
        context.log.error(f"{len(loaded.missing)} files vanished before they were loaded, first {loaded.missing[0]}")
    if loaded.unreadable:
        context.log.warning(f"{loaded.unreadable} messages could not be read; _quarantine names the reasons")
    unmapped = sum(o.counts.inserted for o in loaded.outcomes if o.dataset == UNMAPPED.code)
    if unmapped:
        context.log.warning(
            f"{unmapped} messages are of unknown streams; {UNMAPPED.table.name} holds them as they came"
        )


def _report(context: dg.OpExecutionContext, outcome: "Outcome") -> None:
    """Report the days whose rows changed, unless that was done a short while ago."""
    entry = next(d for d in ENTRIES if d.code == outcome.dataset)
    if outcome.status == "failed" or not outcome.counts.inserted:
        return
    for day in outcome.days:
        if _due(context.instance, key_of(entry), day):
            numbers = reporting.numbers(outcome, len(outcome.days))
            context.log_event(dg.AssetMaterialization(key_of(entry), partition=day.isoformat(), metadata=numbers))


def _due(instance: dg.DagsterInstance, key: dg.AssetKey, day: date) -> bool:
    """Whether a partition's last report is old enough for another."""
    same = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day.isoformat()])
    records = instance.fetch_materializations(same, limit=1).records
    return not records or datetime.now(tz=UTC).timestamp() - records[0].timestamp >= REPORT_EVERY.total_seconds()
