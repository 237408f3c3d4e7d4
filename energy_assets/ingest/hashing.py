"""``_hash_key``: 64 bits that change when any value of a row changes, computed column by column.

The hash is a sum over the non-null values of a mix of column name and value. So it does not depend on the order of
columns, and a column that is added later and is null leaves it as it was. It is stored, so its definition must never
change: library hashes (DuckDB's, Arrow's, Python's) are free to change between versions and are not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from energy_assets import arrow

Words = NDArray[np.uint64]
Nulls = NDArray[np.bool_]

REMEMBERED_TEXTS = 1 << 16
"""Distinct texts whose digests are kept: the same units, fuels and directions come back in every window."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class RowWords:
    """Every value of some rows as 64 bits, column by column, each column worked out once.

    Args:
        rows: Typed rows; text, 64-bit integers, doubles, booleans, dates and microsecond timestamps.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._made: dict[str, tuple[Words, Nulls | None]] = {}

    def hashes(self, columns: Sequence[str]) -> Words:
        """One hash per row over the given columns."""
        total = np.zeros(self._rows.num_rows, dtype=np.uint64)
        for name in columns if self._rows.num_rows else ():
            total += _named(name, *self._column(name))
        return total

    def keys(self, columns: Sequence[str], fallback: Mapping[str, str]) -> Words:
        """One hash per row over key columns, of which some may be null and then have a fallback's value.

        For comparisons among these rows only.
        """
        total = np.zeros(self._rows.num_rows, dtype=np.uint64)
        for name in columns if self._rows.num_rows else ():
            words, nulls = self._column(name)
            if nulls is not None and name in fallback:
                others, absent = self._column(fallback[name])
                words = np.where(nulls, others, words)
                nulls = nulls & absent if absent is not None else None
            total += _named(name, words, nulls)
        return total

    def _column(self, name: str) -> tuple[Words, Nulls | None]:
        if name not in self._made:
            column = self._rows.column(name)
            nulls = arrow.to_numpy(column.is_null()).view(np.bool_) if column.null_count else None
            self._made[name] = _words(column), nulls
        return self._made[name]


def hash_rows(rows: pa.Table, columns: Sequence[str]) -> pa.Array:
    """``_hash_key`` over the given columns: one signed 64-bit integer per row."""
    return arrow.from_numpy(RowWords(rows).hashes(columns), pa.int64())


def content_digest(rows: pa.Table, columns: Sequence[str]) -> int:
    """64 bits that say which rows there are, each as often as it occurs, in whatever order.

    Digests of parts add up, modulo 2^64, to that of the whole. Each row is mixed once more before it is added, so that
    a value cannot change its row unseen.
    """
    return int(_mixed(RowWords(rows).hashes(columns)).sum(dtype=np.uint64))


def _named(name: str, words: Words, nulls: Nulls | None) -> Words:
    """A column's part of the hash."""
    mixed = _mixed(words ^ _text_word(name))
    if nulls is not None:
        mixed[nulls] = 0
    return mixed


def _words(column: pa.ChunkedArray) -> Words:
    """Each value as 64 bits; nulls as anything."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _string_words(column)
    values = arrow.to_numpy(column)
    if pa.types.is_floating(kind):
        # Adding zero makes -0.0 the same as 0.0. Under a null lies anything, a signalling NaN among it.
        with np.errstate(invalid="ignore"):
            return (values + 0.0).view(np.uint64)
    return values.astype(np.int64).view(np.uint64)


def _string_words(column: pa.ChunkedArray) -> Words:
    """Text as the first 64 bits of its BLAKE2b digest, computed once for each distinct text."""
    encoded = column.combine_chunks().dictionary_encode()
    # One word more, so that a column of nulls alone has something to point at.
    distinct = np.array([_text_word(text) for text in [*encoded.dictionary.to_pylist(), ""]], dtype=np.uint64)
    indices = arrow.to_numpy(encoded.indices)
    if column.null_count:
        indices = np.where(arrow.to_numpy(column.is_null()), 0, indices)
    words: Words = distinct[indices]
    return words


@lru_cache(maxsize=REMEMBERED_TEXTS)
def _text_word(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _mixed(words: Words) -> Words:
    """SplitMix64's finaliser: every bit of the input moves about half of the output's."""
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))
