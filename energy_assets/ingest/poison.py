"""Messages that the typing engine refuses: found by cutting a segment in halves, so that they take no other with them.

What is refused foreseeably is decided in ``messages``; here is the rest, whatever it is. The engine itself, and what a
refused message's quarantine says, belong elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from energy_assets import arrow
from energy_assets.errors import SpoolError
from energy_assets.ingest.messages import Span, Unpacked

if TYPE_CHECKING:
    from energy_assets.ingest.typed import Typed

GIVE_UP_AFTER = 100
"""Messages refused one by one, with none accepted, after which the engine and not a message is to blame."""

SAID_MOST = 200
"""Characters of an engine's error in a reason."""

NOT_THEIRS = (OSError, SpoolError, duckdb.IOException)
"""What no message is the cause of: the disk."""


class Halving:
    """Types as much of a segment as the engine takes.

    Args:
        read: Types a file of rows.
        unpacked: The segment.

    Attributes:
        reasons: Why a message was refused, by its place in the segment.
    """

    def __init__(self, read: Callable[[Path], Typed], unpacked: Unpacked) -> None:
        self._read = read
        self._unpacked = unpacked
        self._rows = 0
        self._typed: list[Typed] = []
        self.reasons: dict[int, str] = {}

    def run(self, error: Exception) -> Typed:
        """What can be typed, after the engine has refused the whole with this error.

        Raises:
            EnergyAssetsError: No message is to blame for it.
            OSError: The disk refused.
        """
        self._cut(list(self._unpacked.spans), error)
        if not self._typed:
            self._try([])
        return _joined(self._typed)

    def _cut(self, spans: list[Span], error: Exception) -> None:
        cause = error.__cause__ or error
        if not spans or isinstance(error, NOT_THEIRS) or isinstance(cause, NOT_THEIRS):
            raise error
        if len(spans) == 1:
            self._refuse(spans[0], error, cause)
            return
        middle = len(spans) // 2
        for half in (spans[:middle], spans[middle:]):
            self._try(half)

    def _refuse(self, span: Span, error: Exception, cause: BaseException) -> None:
        said = " ".join(str(cause).split())[:SAID_MOST]
        self.reasons[span.number] = f"the message cannot be typed ({type(cause).__name__}: {said})"
        if not self._typed and len(self.reasons) >= GIVE_UP_AFTER:
            raise error

    def _try(self, spans: list[Span]) -> None:
        piece = self._piece(spans[0].begin, spans[-1].end) if spans else self._piece(0, 0)
        try:
            typed = self._read(piece)
        except Exception as error:
            # The wall between messages: whatever it is, it is a message's fault until none of them can be read.
            failed: Exception | None = error
        else:
            failed = None
            own = arrow.to_numpy(typed.quarantine.column("row_number")) + self._rows
            numbers = arrow.from_numpy(own, pa.int64())
            place = typed.quarantine.schema.get_field_index("row_number")
            quarantine = typed.quarantine.set_column(place, "row_number", numbers)
            self._typed.append(replace(typed, quarantine=quarantine))
            self._rows += typed.fetched
        finally:
            piece.unlink()
        if failed is not None:
            self._cut(spans, failed)

    def _piece(self, begin: int, end: int) -> Path:
        """A file with some of the rows, as an array."""
        rows = self._unpacked.rows
        piece = rows.with_name(f"{rows.name}.piece")
        with rows.open("rb") as source:
            source.seek(begin)
            piece.write_bytes(b"[" + source.read(end - begin) + b"]")
        return piece


def _joined(pieces: list[Typed]) -> Typed:
    """One result for the pieces of a segment."""
    told = [set(piece.missing) for piece in pieces if piece.fetched]
    return replace(
        pieces[0],
        rows=pa.concat_tables([piece.rows for piece in pieces], promote_options="default"),
        quarantine=pa.concat_tables([piece.quarantine for piece in pieces]),
        fetched=sum(piece.fetched for piece in pieces),
        boundary=sum(piece.boundary for piece in pieces),
        duplicate=sum(piece.duplicate for piece in pieces),
        extra=tuple({f.name: f for piece in pieces for f in piece.extra}.values()),
        missing=tuple(name for name in pieces[0].missing if all(name in own for own in told)),
    )
