"""What the ledger has as never published, in the words of the planner: nobody asks for it or counts it as missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from energy_assets.ingest.model import Gap, Seen, Window
from energy_assets.warehouse.service import parse_branch


def accepted(gaps: Iterable[Gap], now: datetime) -> dict[str, list[Seen]]:
    """What is never published as if it were held, by dataset code: for planning and counting, not for the truth."""
    found: dict[str, list[Seen]] = defaultdict(list)
    for gap in gaps:
        if gap.is_open and gap.why == "never_published":
            found[gap.dataset].append(Seen(Window(gap.from_utc, gap.to_utc, parse_branch(gap.branch)), now, None))
    return found
