"""Headers of a portal's file against its catalogue entry: what belongs where, and what does not match.

Headers are compared exactly; every spelling that is taken is in the entry. Nothing is read here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from energy_assets.catalogue.model import Dataset, Field, Files
from energy_assets.ingest.casting import Layout


@dataclass(frozen=True)
class Matched:
    """A header that was compared.

    Attributes:
        layout: Which cells belong to which columns.
        missing: Columns of the entry that the file does not have.
        difference: What does not match, in words; empty where it does.
    """

    layout: Layout
    missing: tuple[str, ...]
    difference: str


def match(dataset: Dataset, header: Sequence[str]) -> Matched:
    """Compare a file's header with the entry's."""
    files = _files(dataset)
    known = {spelled: f.name for f in dataset.fields if f.origin == "row" for spelled in (f.aliases or (f.name,))}
    left_out = {*files.ignored, *(spelled for f in files.personal for spelled in f.aliases)}
    cells: dict[str, int] = {}
    headers: dict[str, str] = {}
    grown: list[tuple[Field, int]] = []
    unnamed, unknown, repeated = [], [], []
    for place, name in enumerate(header):
        column = known.get(name)
        if not name:
            unnamed.append(place)
        elif column is not None and column in cells:
            repeated.append(name)
        elif column is not None:
            cells[column] = place
            headers[column] = name
        elif name in left_out:
            continue
        elif files.grows is not None and re.fullmatch(files.grows, name):
            grown.append((_grown(name, files, [dataset.fields, [f for f, _ in grown]]), place))
        else:
            unknown.append(name)
    absent = tuple(f.name for f in dataset.fields if f.origin == "row" and f.name not in cells)
    by_name = dataset.table.by_name
    lacking = [(by_name[name].aliases or (name,))[0] for name in absent if name not in files.optional]
    difference = "; ".join(
        f"{word} {', '.join(repr(name) for name in names)}"
        for word, names in (("missing", lacking), ("unknown", unknown), ("repeated", repeated))
        if names
    )
    return Matched(Layout(cells, tuple(grown), tuple(unnamed), headers), absent, difference)


def _files(dataset: Dataset) -> Files:
    if dataset.files is None:
        raise ValueError(f"{dataset.code} does not come as files")
    return dataset.files


def _grown(name: str, files: Files, others: Sequence[Sequence[Field]]) -> Field:
    """A column that the entry lets come and go, under a name that no other has."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name.replace("£", "GBP")).strip("_").lower() or "unnamed"
    plain = f"c_{plain}" if plain[0].isdigit() else plain
    taken = {f.name for fields in others for f in fields}
    own, count = plain, 1
    while own in taken:
        count += 1
        own = f"{plain}_{count}"
    return Field(own, files.grows_type, "Column that comes and goes.", aliases=(name,))
