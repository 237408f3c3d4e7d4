"""Several files as one snapshot: rows that more than one of them has, and numbers that tell rows of one key apart.

Typed rows in, typed rows out. Which files make up a register is decided in ``holdings``, and what a snapshot replaces
by who writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from energy_assets import arrow
from energy_assets.catalogue.model import Table
from energy_assets.ingest.hashing import RowWords
from energy_assets.ingest.typed import Typed

REPEAT = "repeat"


def united(files: Sequence[Typed], table: Table) -> list[Typed]:
    """The files' rows as those of one table, each file for itself.

    A row that an earlier file has as well is a duplicate of it: a file may stand on the portal twice while another id
    takes its place. Rows of one key that differ are numbered on through all files where the table numbers them.

    Args:
        files: The rows of each file, complete with provenance.
        table: The register.
    """
    if len(files) < 2:
        return list(files)
    own = [f.name for f in table.fields if f.name != REPEAT]
    kept = _once(files, own)
    return _numbered(kept, table) if REPEAT in table.natural_key else kept


def ranks(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row its number, from 1, among those with its key."""
    order = np.argsort(keys, kind="stable")
    first = np.concatenate([[True], keys[order][1:] != keys[order][:-1]])
    starts = np.maximum.accumulate(np.where(first, np.arange(len(keys)), 0))
    found = np.empty(len(keys), np.int64)
    found[order] = np.arange(len(keys)) - starts + 1
    return found


def _once(files: Sequence[Typed], own: Sequence[str]) -> list[Typed]:
    """Each row as often as the file says that has it most often."""
    seen: NDArray[np.uint64] = np.empty(0, np.uint64)
    kept = []
    for typed in files:
        values = RowWords(typed.rows).hashes([*own, *(f.name for f in typed.extra)])
        # A row and which of its like it is in its own file: the third of three is new where others have two.
        numbered = values ^ (ranks(values).astype(np.uint64) << np.uint64(1))
        new = ~np.isin(numbered, seen)
        seen = np.concatenate([seen, numbered[new]])
        rows = typed.rows if new.all() else typed.rows.filter(arrow.flags(new))
        kept.append(replace(typed, rows=rows, duplicate=typed.duplicate + int((~new).sum())))
    return kept


def _numbered(files: Sequence[Typed], table: Table) -> list[Typed]:
    """Rows of one key numbered through all files, in their order."""
    key = [name for name in table.natural_key if name in table.by_name and name != REPEAT]
    numbers = ranks(np.concatenate([RowWords(typed.rows).keys(key, {}) for typed in files]))
    found, first = [], 0
    for typed in files:
        rows, count = typed.rows, typed.rows.num_rows
        again = arrow.from_numpy(numbers[first : first + count], pa.int64())
        rows = rows.set_column(rows.column_names.index(REPEAT), REPEAT, again)
        found.append(replace(typed, rows=_hashed(rows, typed, table)))
        first += count
    return found


def _hashed(rows: pa.Table, typed: Typed, table: Table) -> pa.Table:
    names = [*(f.name for f in table.fields if f.hashed), *(f.name for f in typed.extra)]
    hashes = arrow.from_numpy(RowWords(rows).hashes(names), pa.int64())
    return rows.set_column(rows.column_names.index("_hash_key"), "_hash_key", hashes)
