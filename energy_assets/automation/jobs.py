"""Jobs: what is launched together, and in which lane of the run queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from energy_assets.assets.specs import key_of
from energy_assets.catalogue.model import Dataset

LANE = "energy_assets/lane"
LIVE = "live"
BACKFILL = "backfill"
REPAIR = "repair"
PORTAL = "portal"
"""Values of the lane tag. ``deploy/dagster.yaml`` bounds the runs of all but the first, so that live refresh keeps a
slot. What the push service missed does not wait for a backfill of hours, nor the reverse; NESO's portal asks for a pace
that can make a refresh last most of an hour."""

MAX_RUNTIME = "dagster/max_runtime"
LONGEST_LIVE = timedelta(minutes=30)
"""A live run takes seconds to minutes. When the machine dies under one, nothing else ends it, and a run that counts as
started makes its schedule skip: two ticks are lost this way, not the six hours of the instance's own limit."""

LONGEST_PAST = timedelta(hours=6)
"""The same for runs about the past, as the instance's settings have it: a quarter of every dataset takes less."""

PRIORITY = "dagster/priority"
"""The run queue takes greater ones first; runs without have 0."""

LIVE_TAGS = {LANE: LIVE, PRIORITY: "10", MAX_RUNTIME: str(int(LONGEST_LIVE.total_seconds()))}
PAST_TAGS = {LANE: BACKFILL, MAX_RUNTIME: str(int(LONGEST_PAST.total_seconds()))}
REPAIR_TAGS = PAST_TAGS | {LANE: REPAIR}

NO_CHECKS: Sequence[dg.AssetCheckKey] = ()
"""Goes with every selection of assets that is requested. Without it Dagster plans all checks of these assets too, and
shows what no step of the run evaluates as skipped, over the verdicts of the looks."""

BMRS_REFRESH = "bmrs_refresh"
BMRS_REVISIONS = "bmrs_revisions"
BMRS_REPAIR = "bmrs_repair"
IRIS_REPAIR = "iris_repair"
GB_DERIVED = "gb_derived"


def bmrs_refresh(datasets: Sequence[Dataset]) -> dg.UnresolvedAssetJobDefinition:
    """Today, and yesterday while its late data come in."""
    return dg.define_asset_job(
        BMRS_REFRESH,
        _assets(datasets),
        description="Keeps today current: asks Elexon for what no receipt covers yet.",
        tags=LIVE_TAGS,
    )


def bmrs_revisions(datasets: Sequence[Dataset]) -> dg.UnresolvedAssetJobDefinition:
    """Days of the past that settle or are read once more."""
    return dg.define_asset_job(
        BMRS_REVISIONS,
        _assets(datasets),
        description="Reads past days again when Elexon revises them: the last week, and days of a new settlement run.",
        tags=PAST_TAGS,
    )


def bmrs_repair(datasets: Sequence[Dataset]) -> dg.UnresolvedAssetJobDefinition:
    """Days of the past that are found open."""
    return dg.define_asset_job(
        BMRS_REPAIR,
        _assets(datasets),
        description="Fills days of the last quarter for which receipts or rows are missing.",
        tags=PAST_TAGS,
    )


def iris_repair(streams: Sequence[Dataset]) -> dg.UnresolvedAssetJobDefinition:
    """Messages of the past, from the archive."""
    return dg.define_asset_job(
        IRIS_REPAIR,
        _assets(streams),
        description="Fills from the public archive what the queue brought and nobody took.",
        tags=REPAIR_TAGS,
    )


def gb_derived(assets: Sequence[dg.AssetsDefinition]) -> dg.UnresolvedAssetJobDefinition:
    """Derived tables, apart from what they read: a failed dataset must not skip them all."""
    return dg.define_asset_job(
        GB_DERIVED,
        dg.AssetSelection.assets(*assets).without_checks(),
        description="Computes derived tables for the days whose source tables changed.",
        tags=LIVE_TAGS,
    )


def _assets(datasets: Sequence[Dataset]) -> dg.AssetSelection:
    """The datasets without their checks, of which every refresh would plan a thousand events."""
    return dg.AssetSelection.assets(*(key_of(d) for d in datasets)).without_checks()
