"""Recorded provider answers kept outside the repository, read without the code under test.

``ENERGY_ASSETS_SAMPLES`` names a folder with a ``MANIFEST.yaml``; the default is ``../shared/samples``. Tests skip,
saying so, where it is absent.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
    camel = re.sub(r"_([a-z])", lambda m: m.group(1).upper(), name)
    return CSV_NAMES.get(camel, camel)
