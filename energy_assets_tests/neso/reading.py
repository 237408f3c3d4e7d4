"""Reading small files in tests: what the tests write, what comes back, and how it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.columns import Stamp
from energy_assets.ingest.model import Window
from energy_assets.ingest.tables import Part, TableReader
from energy_assets.ingest.typed import Typed

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
CHANGED = datetime(2026, 10, 8, 12, 0, 30, tzinfo=UTC)
STAMP = Stamp(Window(NOW.replace(hour=0), NOW), "receipt", NOW, "NESO")

Row = dict[str, Any]


def family(alias: str) -> Dataset:
    """An entry by the second part of its name."""
    return next(d for d in datasets("neso") if d.alias == alias)


@dataclass(frozen=True)
class Read:
    """What one file came to."""

    chunks: tuple[Typed, ...]
    fetched: int
    blank: int
    announced: int | None

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order in which they came."""
        return pa.concat_tables([chunk.rows for chunk in self.chunks]).to_pylist()

    @property
    def quarantine(self) -> list[Row]:
        """All quarantined rows."""
        return pa.concat_tables([chunk.quarantine for chunk in self.chunks]).to_pylist()

    @property
    def duplicate(self) -> int:
        """Rows that say nothing else than another."""
        return sum(chunk.duplicate for chunk in self.chunks)

    def __post_init__(self) -> None:
        assert self.fetched == sum(chunk.fetched for chunk in self.chunks)
        assert self.fetched == len(self.rows) + self.duplicate + len(self.quarantine)


def read(
    entry: Dataset | str,
    body: Path | str | bytes,
    folder: Path,
    *,
    resource: str = "",
    most: int = 100_000,
    **part: Any,
) -> Read:
    """Read one file, given as a path or as what is in it; nothing may stay beside it."""
    dataset = family(entry) if isinstance(entry, str) else entry
    folder.mkdir(exist_ok=True)
    path = folder / "body"
    if isinstance(body, Path):
        path.write_bytes(body.read_bytes())
    else:
        path.write_bytes(body.encode() if isinstance(body, str) else body)
    reader = TableReader()
    try:
        with reader.read(dataset, path, Part(resource or "a resource", **part), STAMP) as reading:
            chunks = tuple(reading.chunks(most))
            return Read(chunks, reading.fetched, reading.blank, reading.announced)
    finally:
        reader.close()
        assert [p.name for p in folder.iterdir()] == ["body"]


def utc(text: str) -> datetime:
    """A UTC instant as stored, from ``2026-03-29 01:00``."""
    return datetime.fromisoformat(text)
