"""The code location: the one Definitions object and nothing else.

It is built when Dagster loads the location, or by calling ``defs()``; importing this module reads no setting.
"""

from __future__ import annotations

import dagster as dg

from energy_assets.automation.build import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, jobs, schedules and sensors as the environment's settings describe them."""
    return build_definitions()
