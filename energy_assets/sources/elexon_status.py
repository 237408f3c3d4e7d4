"""What Elexon says that it has: data points per settlement period, and when each dataset was last updated.

Requests and reading of the answers belong here; comparing them with what is held does not.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from energy_assets.errors import ContractError
from energy_assets.sources.http import HttpClient, Patience

METADATA_PATH = "/datasets/metadata/latest"

PATIENCE = Patience(attempts=3, deadline=30.0)
"""Somebody may wait for the verdict, and what Elexon says now it says in an hour: about two seconds of waits, and no
more than half a minute altogether."""

OTHER_NAMES = {"IMBALANGC": "IMBALNGC", "LOLPDM": "LOLPDRM", "SYS_WARN": "SYSWARN"}
"""Names in the list of last updates that differ from the codes in paths."""

Points = Mapping[tuple[date, int], int]
"""Data points by settlement day and period."""


@dataclass(frozen=True)
class ElexonWord:
    """What Elexon says that it has.

    Attributes:
        points: Data points of each settlement period, by dataset code.
        updated: When a dataset was last updated, by code.
    """

    points: Mapping[str, Points] = field(default_factory=dict)
    updated: Mapping[str, datetime] = field(default_factory=dict)


def ask(client: HttpClient, codes: Sequence[str], from_day: date, to_day: date, *, updates: bool = True) -> ElexonWord:
    """Ask for what there is of some datasets on some settlement days, both inclusive; closes the client.

    Args:
        client: Client of Elexon's address.
        codes: Datasets whose data points are asked for.
        from_day: First settlement day.
        to_day: Last one.
        updates: Whether the last updates of all datasets are asked for.

    Raises:
        FetchError: Elexon was not reached, or refused.
        ContractError: An answer has not the shape that its description states.
    """
    return asyncio.run(_ask(client, codes, (from_day, to_day), updates))


async def _ask(client: HttpClient, codes: Sequence[str], days: tuple[date, date], updates: bool) -> ElexonWord:
    params = (("settlementDateFrom", days[0].isoformat()), ("settlementDateTo", days[1].isoformat()))
    wanted = {code: (f"/data-status/{code}", params) for code in codes}
    with tempfile.TemporaryDirectory() as folder:
        async with client:

            async def rows(path: str, asked: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
                target = Path(folder) / f"{path.rsplit('/', 1)[1]}.json"
                body = await client.download(path, asked, target, group="status")
                return _rows(body.path, path)

            answers = await asyncio.gather(*(rows(path, asked) for path, asked in wanted.values()))
            latest = await rows(METADATA_PATH, ()) if updates else []
    points = {code: _points(answer) for code, answer in zip(wanted, answers, strict=True)}
    return ElexonWord(points, dict(_update(row) for row in latest))


def _rows(path: Path, asked: str) -> list[dict[str, Any]]:
    body = json.loads(path.read_text(encoding="utf-8"))
    rows = body.get("data") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise ContractError(f"{asked}: the answer holds no list of rows; Elexon has changed it, so report it")
    return rows


def _points(rows: Sequence[Mapping[str, Any]]) -> Points:
    try:
        return {
            (date.fromisoformat(r["settlementDate"][:10]), int(r["settlementPeriod"])): int(r["dataPointCount"])
            for r in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"/data-status: a row is not as described ({error!r}); report it") from error


def _update(row: Mapping[str, Any]) -> tuple[str, datetime]:
    try:
        name, at = str(row["dataset"]), datetime.fromisoformat(str(row["lastUpdated"]).replace("Z", "+00:00"))
    except (KeyError, ValueError) as error:
        raise ContractError(f"{METADATA_PATH}: a row is not as described ({error!r}); report it") from error
    return OTHER_NAMES.get(name, name), at if at.tzinfo is not None else at.replace(tzinfo=UTC)
