"""What is held against what Elexon says that it has: a witness that does not depend on our windows and receipts.

Pure; the asking is in ``energy_assets.sources.elexon_status``. What a data point is, Elexon does not say, so counts are
told and not judged: a period that has data points and no row is what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from energy_assets.checks.expected import settled
from energy_assets.checks.facts import PERIOD
from energy_assets.checks.held import Held, ask_again, failed, passed, some
from energy_assets.checks.model import Finding
from energy_assets.checks.specs import AGREES_WITH_ELEXON, LAST_UPDATE
from energy_assets.sources.elexon_status import Points

UPDATE_PATIENCE = timedelta(hours=2)
"""How much younger than the newest answer an update may be: eight refreshes, more for what is polled less often."""


def agrees_with_elexon(held: Held, points: Points, rows: Mapping[tuple[date, int], int]) -> Finding:
    """Periods of settled days that have data points and no row.

    Args:
        held: The dataset on the days that were asked about.
        points: Elexon's data points by settlement day and period.
        rows: Rows held by settlement day and period; without periods only days are compared.
    """
    days = {day for day in held.wanted if settled(held.dataset, day, held.now)}
    counted = {key: n for key, n in points.items() if n and key[0] in days}
    if PERIOD in held.dataset.table.by_name:
        lacking = sorted(key for key in counted if not rows.get(key))
        names = [f"{day} period {period}" for day, period in lacking]
    else:
        lacking = sorted({(day, 0) for day, _ in counted if day not in held.facts.days})
        names = [f"{day}" for day, _ in lacking]
    numbers = {"data_points": sum(counted.values()), "rows": sum(rows.values()), "lacking": len(lacking)}
    if not lacking:
        return passed(AGREES_WITH_ELEXON, held, f"rows wherever Elexon counts any of {len(counted)} periods", numbers)
    days = {day for day, _ in lacking}
    remedy = f"ask again with {ask_again(held.dataset, min(days), max(days))}"
    return failed(
        AGREES_WITH_ELEXON, held, days, f"Elexon has data and nothing is held of {some(names)}", remedy, numbers
    )


def last_update(held: Held, updated: datetime, asked: datetime | None) -> Finding:
    """An update that nobody has asked for since.

    Args:
        held: The dataset.
        updated: When Elexon last updated it.
        asked: When an answer was last taken.
    """
    patience = max(UPDATE_PATIENCE, 2 * timedelta(minutes=held.dataset.timing.poll_minutes))
    said = f"Elexon updated it at {updated:%Y-%m-%d %H:%MZ}"
    if asked is not None and updated - asked <= patience:
        return passed(LAST_UPDATE, held, said)
    since = f"an answer was last taken at {asked:%Y-%m-%d %H:%MZ}" if asked is not None else "no answer was ever taken"
    remedy = (
        "look whether the schedule runs (`energy-assets status`), then ask again with "
        f"{ask_again(held.dataset, held.last, held.last)}"
    )
    return failed(LAST_UPDATE, held, [held.last], f"{said} and {since}", remedy)
