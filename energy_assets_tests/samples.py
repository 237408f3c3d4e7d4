"""Recorded provider answers kept outside the repository, and what a table must hold of them.

``ENERGY_ASSETS_SAMPLES`` names a folder with a ``MANIFEST.yaml``; the default is ``../shared/samples``. Tests skip,
saying so, where it is absent. Files are read and values compared without the code under test; of the catalogue's
entries only names, types and keys are used.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from energy_assets.catalogue.model import Dataset, Field

Record = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]

CODES = {
    "REFERENCE_BMUNITS": "BMUNITS",
    "REFERENCE_FUELTYPES": "FUELTYPES",
    "REFERENCE_INTERCONNECTORS": "INTERCONNECTORS",
}
"""Manifest names that differ from the catalogue's codes."""

CSV_NAMES = {
    "bmuId": "bmUnit",
    "offerPrice": "offer",
    "bidPrice": "bid",
}
"""Column names that the sources of recorded CSV files chose, after snake case has become camel case."""

LONDON = ZoneInfo("Europe/London")

LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True)
class Sample:
    """One recorded file: where it lies, what the manifest says of it."""

    path: Path
    code: str
    kind: str
    url: str

    @property
    def records(self) -> list[Any]:
        """The file's records, numbers kept as doubles."""
        if self.path.suffix == ".csv":
            return list(_csv_records(self.path))
        body = json.loads(self.path.read_text(encoding="utf-8-sig"), parse_int=_number)
        return body if isinstance(body, list) else body["data"]

    @property
    def has_records(self) -> bool:
        """Whether the file holds an answer with records, and not an error or a report of the closed legacy service."""
        if "legacy" in self.kind.lower() and self.path.suffix == ".csv":
            return False
        if self.path.suffix == ".csv":
            return True
        body = json.loads(self.path.read_text(encoding="utf-8-sig"))
        return isinstance(body, list) or isinstance(body.get("data"), list)


def folder() -> Path:
    """Where the samples would be."""
    return Path(os.environ.get("ENERGY_ASSETS_SAMPLES") or ROOT.parent / "shared" / "samples")


def bmrs_samples() -> list[Sample]:
    """All recorded BMRS files that the manifest names; empty where there are no samples."""
    manifest = folder() / "MANIFEST.yaml"
    if not manifest.is_file():
        return []
    entries = yaml.safe_load(manifest.read_text(encoding="utf-8"))["files"]
    found = []
    for entry in entries:
        if not entry["file"].startswith("bmrs/"):
            continue
        name = str(entry["dataset"]).upper()
        found.append(
            Sample(folder() / entry["file"], CODES.get(name, name), str(entry["kind"]), str(entry.get("url", "")))
        )
    return found


def _number(text: str) -> int | float:
    return int(text)


def _csv_records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield {_camel(name): value if value != "" else None for name, value in row.items()}


def _camel(name: str) -> str:
    """A member's name from a header in camel case, snake case or, as Elexon's own CSV answers have it, Pascal case."""
    camel = re.sub(r"_([a-z])", lambda m: m.group(1).upper(), name)
    camel = camel[:1].lower() + camel[1:]
    return CSV_NAMES.get(camel, camel)


def rows_of(entry: Dataset) -> list[Record]:
    """Every recorded row of a dataset; errors, legacy reports and views that lack the key or the day are none."""
    table, check = entry.table, entry.check
    keys = (n for n in table.event_key if not table.by_name[n].nullable and table.by_name[n].origin == "row")
    needed = {*keys, table.storage.column, check.column, check.period_column} - {None}
    return [
        record
        for sample in bmrs_samples()
        if sample.code == entry.code and sample.has_records and "legacy" not in sample.kind.lower()
        for record in sample.records
        if all(record.get(name) is not None for name in needed)
    ]


def day_of(kind: str, value: str) -> date:
    """The settlement day of a date's text, or the London day of an instant's."""
    return instant(value).astimezone(LONDON).date() if kind == "instant" else date.fromisoformat(value[:10])


def expected(entry: Dataset, record: Any, branch: Mapping[str, str]) -> tuple[Any, ...]:
    """What the table must hold of a record, in the order of the entry's fields."""
    if entry.query.scalars:
        return (record,)
    return tuple(
        branch[f.name]
        if f.origin == "request"
        else _value(f, next((record[m] for m in (f.name, *f.aliases) if record.get(m) is not None), None))
        for f in entry.fields
    )


def comparable(entry: Dataset, row: Record) -> tuple[Any, ...]:
    """A stored row as ``expected`` writes it."""
    values = ((f, row[f.name]) for f in entry.fields)
    return tuple(
        json.dumps(json.loads(value), sort_keys=True) if f.type == "json" and value is not None else value
        for f, value in values
    )


def standing(entry: Dataset, rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], set[tuple[Any, ...]]]:
    """Rows that may stand in the table, by natural key: the newest, without those that a fuller one agrees with.

    More than one row of a key contradict each other, and any of them may stand.
    """
    names = [f.name for f in entry.fields]
    key = [names.index(n) for n in entry.table.natural_key]
    order = [names.index(o.column) for o in entry.table.latest_order if not o.ranks]
    groups: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[i] for i in key), set()).add(row)
    for found in groups.values():
        newest = max(_order(row, order) for row in found)
        fullest = {row for row in found if not any(_agrees(row, other) for other in found - {row})}
        found &= {row for row in fullest if _order(row, order) == newest}
    return groups


def _agrees(row: tuple[Any, ...], fuller: tuple[Any, ...]) -> bool:
    """Whether every value of a row is also in the fuller one."""
    return all(value is None or value == other for value, other in zip(row, fuller, strict=True))


def _order(row: tuple[Any, ...], columns: list[int]) -> tuple[tuple[bool, Any], ...]:
    return tuple((row[i] is not None, row[i]) for i in columns)


def instant(text: str) -> datetime:
    """An aware UTC instant; text without an offset is UTC."""
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _value(field: Field, value: Any) -> Any:
    if value is None:
        return None
    match field.type:
        case "number":
            return float(value)
        case "integer":
            return int(float(value))
        case "boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        case "date":
            return date.fromisoformat(value[:10])
        case "instant":
            return instant(value).replace(tzinfo=None)
        case "json":
            return json.dumps(value, sort_keys=True)
        case _:
            return value if isinstance(value, str) else json.dumps(value)
