"""The few conversions between Arrow and numpy that the way of the data needs, without pandas.

pyarrow imports pandas the first time it converts a Python or numpy value (``pa.array``, ``pa.scalar``, ``to_numpy``,
``Schema.empty_table``): 0.3 seconds and 40 MB for every process that refreshes, and no use to it. Here buffers are
handed over instead. Pandas is for people, at the edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def empty(schema: pa.Schema) -> pa.Table:
    """A table without rows."""
    return pa.Table.from_batches([], schema)


def from_numpy(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """An array without nulls over the memory of ``values``, whose items must be as wide as those of ``kind``."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def flags(values: NDArray[np.bool_]) -> pa.Array:
    """Booleans as an array, to filter a table by."""
    packed = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(packed)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """An array of texts; ``None`` is null. Half a surrogate pair, which no encoding has, becomes a question mark."""
    encoded = [b"" if value is None else value.encode(errors="replace") for value in values]
    ends = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(item) for item in encoded], out=ends[1:])
    data = pa.py_buffer(b"".join(encoded))
    wide = [_validity([v is not None for v in values]), pa.py_buffer(ends), data]
    return pa.Array.from_buffers(pa.large_string(), len(values), wide).cast(pa.string())


def integers(values: Sequence[int | None], kind: pa.DataType) -> pa.Array:
    """An array of 64-bit integers, or of what is stored as such; ``None`` is null."""
    own = np.array([0 if value is None else value for value in values], dtype=np.int64)
    return pa.Array.from_buffers(kind, len(own), [_validity([v is not None for v in values]), pa.py_buffer(own)])


def _validity(present: Sequence[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.array(present, dtype=np.bool_), bitorder="little"))


def repeated(text: str, count: int) -> pa.Array:
    """An array of the same text ``count`` times."""
    data = text.encode()
    ends = np.array([0, len(data)], dtype=np.int32)
    one = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(data)])
    return pa.repeat(one[0], count)


def to_numpy(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """The values of a column of fixed width, and anything where it is null.

    Integers, dates and timestamps come as integers of their width, booleans as ``uint8``.
    """
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    kind = np.dtype(f"{_letter(column.type)}{column.type.bit_width // 8}")
    if not len(column):
        return np.empty(0, kind)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def _letter(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "f"
    return "u" if pa.types.is_unsigned_integer(kind) else "i"
