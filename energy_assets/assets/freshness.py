"""How long an asset may go without a materialization: the first of three layers of freshness.

It says whether the machinery ran. Whether rows came is the check ``freshness``, whether all of them came the check
``expected_periods``. Windows follow from the catalogue entry; a scheduled refresh reports every day of an asset once at
least, and each time that rows changed.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from energy_assets.catalogue.model import Dataset
from energy_assets.checks.expected import rhythm

HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)

OFTEN = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=6), warn_window=timedelta(hours=2))
"""For what has something new every half hour: two hours are eight missed refreshes, six are how long it may settle."""

HOURLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=12), warn_window=timedelta(hours=4))

DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=54), warn_window=timedelta(hours=30))
"""For what is reported once a day at least: a day and some hours for a late morning, one day missed altogether."""

WORKING_DAYS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=10), warn_window=timedelta(days=6))
"""For what settles by working days: Easter has four days without one, Christmas more."""

SELDOM = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=400), warn_window=timedelta(days=100))
"""For what is silent as long as nothing happens, and for files that are reissued when somebody does so: not even a year
without anything is likely."""


def policy_of(dataset: Dataset) -> dg.FreshnessPolicy:
    """The policy of one dataset, and of what is derived from it."""
    if dataset.files is not None:
        return SELDOM
    step = rhythm(dataset)
    if dataset.provider == "iris":
        # Only what arrives is reported of a stream.
        return SELDOM if step is None else _by_rhythm(step)
    lag = dataset.timing.available
    if lag.run is not None or lag.working_days:
        return WORKING_DAYS
    return DAILY if step is None else _by_rhythm(step)


def _by_rhythm(step: timedelta) -> dg.FreshnessPolicy:
    if step <= HALF_HOUR:
        return OFTEN
    return HOURLY if step < DAY / 2 else DAILY
