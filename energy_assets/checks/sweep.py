"""One look at everything that is held of some datasets, and what the evaluators find in it.

Asks the warehouse and the planner; no provider, no clock, no Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.checks.cross import cross_findings
from energy_assets.checks.facts import Question
from energy_assets.checks.held import Held
from energy_assets.checks.model import Finding
from energy_assets.checks.rules import evaluate
from energy_assets.ingest.planner import fetch_interval, missing
from energy_assets.tracking.status import event_column
from energy_assets.warehouse.facts import read_facts
from energy_assets.warehouse.interface import Warehouse


def sweep(
    datasets: Sequence[Dataset], warehouse: Warehouse, from_day: date, to_day: date, now: datetime
) -> list[Finding]:
    """Findings about every dataset that is kept, for the settlement days ``from_day`` to ``to_day``, both inclusive.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    helds = look(datasets, warehouse, from_day, to_day, now)
    found = [finding for held in helds for finding in evaluate(held)]
    return found + cross_findings(helds, warehouse, from_day, to_day, now)


def look(datasets: Sequence[Dataset], warehouse: Warehouse, from_day: date, to_day: date, now: datetime) -> list[Held]:
    """What is held of each dataset on these days, in the order given.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    if not datasets:
        return []
    tables = [d.table for d in datasets]
    columns = {d.table.name: column for d in datasets if (column := event_column(d)) is not None}
    status = {s.table: s for s in warehouse.status(tables, calendar.settlement_day(now), columns)}
    asked = [d for d in datasets if status[d.table.name].last_status is not None]
    facts = read_facts(warehouse, [Question.of(d) for d in asked], from_day, to_day)
    spans = [fetch_interval(d, from_day, to_day) for d in asked] or [(now, now)]
    seen = warehouse.coverage([d.table for d in asked], min(s for s, _ in spans), max(e for _, e in spans))
    found = []
    for dataset in datasets:
        known = status[dataset.table.name]
        if known.last_status is None:
            found.append(Held(dataset, from_day, to_day, now, asked=False))
            continue
        windowed = dataset.files is None and dataset.provider != "iris"
        open_windows = missing(dataset, from_day, to_day, seen.get(dataset.code, ()), now) if windowed else ()
        found.append(
            Held(
                dataset,
                from_day,
                to_day,
                now,
                facts[dataset.table.name],
                known.newest_day,
                known.newest_utc,
                missing=open_windows,
            )
        )
    return found
