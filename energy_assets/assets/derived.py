"""Derived tables as assets: what they read, and the frame types that they are checked against.

They are read and written through the warehouse's IO manager, and run in a job of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import dagster as dg

from energy_assets.assets.freshness import policy_of
from energy_assets.assets.generation_mix import FUELHH_COLUMNS, generation_mix
from energy_assets.assets.partitions import DAYS
from energy_assets.assets.specs import IO_MANAGER_KEY, OWNER, Storage, table_metadata
from energy_assets.catalogue import dataset
from energy_assets.catalogue.derived import GENERATION_MIX
from energy_assets.warehouse.io_manager import COLUMNS

SOURCE = dg.AssetKey(["bmrs", "fuelhh"])

BUSY_RETRIES = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL)
"""The store has one writer and readers of other processes; whoever holds it for minutes is worth waiting for twice."""

MOST_PERIODS = 50
"""Settlement periods of the day on which clocks go back."""


def derived_assets(storage: Storage) -> Sequence[dg.AssetsDefinition]:
    """Every derived asset.

    Args:
        storage: The warehouse that the UI shows.
    """

    # One asset, yet a multi_asset: the backfill policy that ranges on the command line ask for is in beta elsewhere.
    @dg.multi_asset(
        name="generation_mix_half_hourly",
        ins={"fuelhh": dg.AssetIn(key=SOURCE, metadata={COLUMNS: list(FUELHH_COLUMNS)})},
        outs={
            "mix": dg.AssetOut(
                key=["gb", "generation_mix_half_hourly"],
                dagster_type=GENERATION_MIX_FRAME,
                description=GENERATION_MIX.description,
                io_manager_key=IO_MANAGER_KEY,
                metadata=table_metadata(GENERATION_MIX, storage),
                group_name="gb",
                owners=[OWNER],
                kinds={"pandas", storage.kind},
                tags={"cadence": "half_hourly", "revisions": "revised_in_place"},
                freshness_policy=policy_of(dataset("bmrs/fuelhh")),
            )
        },
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=BUSY_RETRIES,
    )
    def generation_mix_half_hourly(fuelhh: Any) -> Any:  # noqa: ANN401 - pandas loads in the run, not with the location
        return generation_mix(fuelhh)

    return [generation_mix_half_hourly]


@cache
def generation_mix_type() -> dg.DagsterType:
    """The dagster-pandas type of the generation mix: columns, value ranges, nulls only where they mean something."""
    # Published without types, hence ``Any``.
    dagster_pandas: Any = import_module("dagster_pandas")
    column = dagster_pandas.PandasColumn

    with warnings.catch_warnings():
        # dagster-pandas is in beta as a whole and says so for every column; the pinned version is what we rely on.
        warnings.simplefilter("ignore", dg.BetaWarning)
        frame: dg.DagsterType = dagster_pandas.create_dagster_pandas_dataframe_type(
            name="GenerationMixFrame",
            columns=[
                column("settlement_date", is_required=True),
                column.integer_column("settlement_period", min_value=1, max_value=MOST_PERIODS),
                column("start_utc"),
                column.string_column("fuel_type"),
                column.boolean_column("is_interconnector"),
                column.numeric_column("generation_mw", ignore_missing_vals=True),
                column.numeric_column("share_pct", min_value=0, max_value=100, ignore_missing_vals=True),
            ],
        )
    return frame


def _check_generation_mix(context: dg.TypeCheckContext, value: object) -> dg.TypeCheck:
    return generation_mix_type().type_check(context, value)


GENERATION_MIX_FRAME = dg.DagsterType(
    name="GenerationMixHalfHourly",
    type_check_fn=_check_generation_mix,
    description="Generation by fuel and settlement period; one row per period and fuel.",
)
"""Stands for ``generation_mix_type`` until a value is checked, because that type cannot be had without pandas."""
