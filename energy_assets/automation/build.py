"""Assembles the code location from catalogue, assets and automation; every part can be replaced by the caller.

Tests and tools build variants here instead of patching ``energy_assets.definitions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import dagster as dg

from energy_assets import catalogue
from energy_assets.assets.checks import provider_checks
from energy_assets.assets.derived import SOURCE, derived_assets
from energy_assets.assets.limits import limits_assets
from energy_assets.assets.provider import provider_assets
from energy_assets.assets.resources import Platform
from energy_assets.assets.specs import IO_MANAGER_KEY, Storage, dataset_spec
from energy_assets.automation import (
    alerts,
    checks,
    gaps,
    iris,
    iris_repair,
    jobs,
    limits,
    neso,
    schedules,
    sensors,
    sheet,
)
from energy_assets.automation.housekeeping import housekeeping, housekeeping_schedule
from energy_assets.catalogue.model import Dataset
from energy_assets.warehouse.io_manager import WarehouseIOManager
from energy_assets.wiring import table_place


def build_definitions(platform: Platform | None = None, datasets: Sequence[Dataset] | None = None) -> dg.Definitions:
    """The code location.

    Args:
        platform: Settings and what they describe. Read once here, for what the UI shows of the warehouse, and again in
            every run; by default those of the environment.
        datasets: Catalogue entries in place of all.

    Raises:
        SettingsError: A setting is wrong; Dagster shows the sentence in place of the location.
    """
    entries = tuple(catalogue.datasets() if datasets is None else datasets)
    platform = platform or Platform()
    shown = platform.settings()
    bmrs = [d for d in entries if d.provider == "bmrs"]
    pushed = [d for d in entries if d.provider == "iris"]
    archived = [d for d in pushed if d.query.path]
    families = [d for d in entries if d.provider == "neso"]
    storage = Storage(shown.warehouse, partial(table_place, shown))
    derived = derived_assets(storage)
    looked_at = {"bmrs": bmrs, "iris": pushed, "neso": families}
    looks = [checks.looks(provider, own) for provider, own in looked_at.items() if own]
    return dg.Definitions(
        assets=[
            provider_assets("bmrs", bmrs, storage),
            provider_assets("iris", archived, storage),
            # What no stream's name is known of cannot be asked for; the load reports it.
            *(dataset_spec(d, storage) for d in pushed if not d.query.path),
            provider_assets("neso", families, storage),
            *derived,
            *limits_assets(storage),
        ],
        asset_checks=[provider_checks(provider, own) for provider, own in looked_at.items() if own],
        jobs=[
            jobs.bmrs_refresh(bmrs),
            jobs.bmrs_revisions(bmrs),
            jobs.bmrs_repair(bmrs),
            jobs.gb_derived(derived),
            limits.gb_limits,
            jobs.iris_repair(archived),
            iris.iris_load,
            iris.iris_cleanup,
            neso.neso_refresh(families),
            sheet.sync_sheet,
            gaps.gaps_job(entries),
            housekeeping,
            *(look.job for look in looks),
        ],
        schedules=[
            schedules.bmrs_refresh_schedule(bmrs),
            schedules.bmrs_revisions_schedule(bmrs),
            schedules.bmrs_repair_schedule(bmrs),
            iris.iris_cleanup_schedule,
            neso.neso_refresh_schedule(families),
            housekeeping_schedule,
            gaps.gaps_schedule,
            *(schedule for look in looks for schedule in look.schedules),
        ],
        sensors=[
            sensors.gb_derived_sensor(SOURCE, derived),
            limits.gb_limits_sensor,
            iris.iris_drop_folder_sensor,
            iris_repair.iris_repair_sensor,
            sheet.sheet_sensor(shown.sheet_id is not None),
            alerts.alerts_sensor,
            alerts.alerts_stale_sensor(entries),
        ],
        resources={"platform": platform, IO_MANAGER_KEY: WarehouseIOManager(platform.warehouse)},
        # One process per run: libraries load once, and twenty steps cost 2 s here against 10 to 23 s in processes.
        executor=dg.in_process_executor,
    )
