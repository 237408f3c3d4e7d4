"""Resolved limits as assets: from which declarations a day is computed, and how what they come to is written.

The rules are in ``energy_assets.ingest.limits``. The source is partitioned by the day of sending and the result by
settlement day, so a partition here reads the days of sending around it. Rows are read and written in the body and not
by the IO manager, because a long range is worked off in pieces; writing is the IO manager's own function.
"""

# Annotations are not postponed here: Dagster reads types from functions as they stand.
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_assets import calendar
from energy_assets.assets.freshness import policy_of
from energy_assets.assets.partitions import DAYS, days_of, spans
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import IO_MANAGER_KEY, OWNER, Storage, table_metadata
from energy_assets.catalogue import dataset
from energy_assets.catalogue.derived import DECLARED_AFTER, DECLARED_AHEAD, TABLES
from energy_assets.errors import EnergyAssetsError
from energy_assets.warehouse.io_manager import failure, write_derived

if TYPE_CHECKING:
    from energy_assets.ingest.model import Counts
    from energy_assets.warehouse.interface import Warehouse

SOURCES: Mapping[str, str] = {"gb/mels_resolved": "iris/mels", "gb/mils_resolved": "iris/mils"}
"""Streams of raw declarations by the asset that resolves them."""

DAYS_AT_ONCE = 3
"""Settlement days that are computed together: with the days of sending around them a million declarations, 100 MB."""

BUSY_RETRIES = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL)
"""A store that another process holds is worth waiting for twice."""


@dataclass(frozen=True)
class Written:
    """What became of the rows of neighbouring settlement days.

    Attributes:
        days: The days.
        counts: Rows by what became of them.
        changed: Whether the table now holds something else.
    """

    days: tuple[date, ...]
    counts: "Counts"
    changed: bool


def limits_assets(storage: Storage) -> Sequence[dg.AssetsDefinition]:
    """The assets of resolved limits, each a step of its own.

    Args:
        storage: The warehouse that the UI shows.
    """
    return [_limits_asset(name, storage) for name in SOURCES]


def _limits_asset(name: str, storage: Storage) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name.partition("/")[2],
        specs=[_spec(name, storage)],
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=BUSY_RETRIES,
    )
    def asset(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        days = list(calendar.days_between(*days_of(context)))
        try:
            with platform.warehouse() as warehouse:
                written = resolve_days(warehouse, name, days, context.run.run_id)
        except EnergyAssetsError as error:
            raise failure(error) from error
        yield dg.MaterializeResult(asset_key=name.split("/"), metadata=numbers(written))

    return asset


def _spec(name: str, storage: Storage) -> dg.AssetSpec:
    table = TABLES[name]
    return dg.AssetSpec(
        key=name.split("/"),
        deps=[dg.AssetDep(SOURCES[name].split("/"), partition_mapping=_sent_around())],
        description=table.description,
        group_name="gb",
        owners=[OWNER],
        kinds={"arrow", storage.kind},
        tags={"cadence": "continuous", "revisions": "revised_in_place"},
        metadata=table_metadata(table, storage),
        partitions_def=DAYS,
        freshness_policy=policy_of(dataset(SOURCES[name])),
    ).with_io_manager_key(IO_MANAGER_KEY)


def _sent_around() -> dg.TimeWindowPartitionMapping:
    """The days of sending that a settlement day is computed from, as the UI shows them."""
    with warnings.catch_warnings():
        # That days of sending may not have come yet can be said only by a parameter in beta; its version is pinned.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-DECLARED_AHEAD.days,
            end_offset=DECLARED_AFTER.days,
            allow_nonexistent_upstream_partitions=True,
        )


def resolve_days(warehouse: "Warehouse", name: str, days: Iterable[date], run_id: str) -> Sequence[Written]:
    """Compute settlement days of a resolved table anew and make the table hold them.

    Args:
        warehouse: Where declarations are read and the position is written.
        name: The table's asset, a key of ``SOURCES``.
        days: Settlement days.
        run_id: Who writes.

    Returns:
        What became of the rows of each range of neighbouring days.

    Raises:
        WarehouseError: No declaration was ever loaded, or the store refused; pieces before that are written.
    """
    from energy_assets.ingest.limits import DECLARED_COLUMNS, resolve, sent_days

    source, table = dataset(SOURCES[name]).table, TABLES[name]
    done = []
    # A write speaks for every day between its first and last, so each is of neighbours only.
    for first, last in spans(days, DAYS_AT_ONCE):
        piece = list(calendar.days_between(first, last))
        declared = warehouse.read(source, *sent_days(piece), columns=DECLARED_COLUMNS)
        receipt = write_derived(warehouse, table, resolve(declared, piece), first, last, run_id)
        done.append(Written(tuple(piece), receipt.counts, changed=receipt.status == "written"))
    return done


def numbers(written: Sequence[Written]) -> dict[str, int]:
    """Metadata of a materialization, as the IO manager gives it."""
    return {
        "rows_inserted": sum(w.counts.inserted for w in written),
        "rows_updated": sum(w.counts.updated for w in written),
        "rows_unchanged": sum(w.counts.unchanged for w in written),
        "rows_withdrawn": sum(w.counts.withdrawn for w in written),
    }
