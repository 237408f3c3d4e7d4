"""What a refresh works with, whatever it asks for: warehouse, sources, spool and clock, and house-keeping around it.

Nothing here plans, fetches or writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from energy_assets.errors import SpoolError
from energy_assets.ingest.model import Outcome, Source
from energy_assets.ingest.spool import Spool
from energy_assets.warehouse.interface import Warehouse

if TYPE_CHECKING:
    from energy_assets.sources.neso.client import PortalAccess

logger = logging.getLogger(__name__)

OnOutcome = Callable[[Outcome], None]
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Engine:
    """What a refresh works with.

    Attributes:
        warehouse: Where rows go.
        open_source: Per provider, how to open its source; called once a refresh, inside its event loop.
        spool: Where bodies lie while they are worked on.
        source_api: Per provider, the ``_source_api`` of its rows.
        clock: The present, aware UTC.
        portal: The portal that families of files are on; ``None`` where nobody asks for any.
        personal: Whether columns with data about persons are kept.
    """

    warehouse: Warehouse
    open_source: Mapping[str, Callable[[], Source]]
    spool: Spool
    source_api: Mapping[str, str]
    clock: Callable[[], datetime]
    portal: PortalAccess | None = None
    personal: bool = False


@contextmanager
def tidied_spool(engine: Engine) -> Iterator[None]:
    """House-keeping of the spool around work that keeps bodies: old ones go before it, new ones are compressed after.

    What cannot be tidied is worth a warning, never a failure.
    """
    tidy(lambda: engine.spool.sweep(engine.clock()))
    yield
    tidy(engine.spool.compress_pending)


def tidy(work: Callable[[], object]) -> None:
    """House-keeping of the spool: worth a warning when it fails, never an outcome."""
    try:
        work()
    except SpoolError as error:
        logger.warning("the spool could not be tidied: %s", error)
