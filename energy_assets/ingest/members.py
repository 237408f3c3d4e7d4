"""How often members occur in a JSON text, counted in its bytes: a second parse would cost as much as the first.

The counts are of what looks like a member's name. A text value can look like one too, so they prove only that nothing
else is there when they add up; whoever asks must have a slower way for when they do not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PIECE_BYTES = 1 << 18
"""Read at once: fits a core's own cache, in which the passes over it run four times as fast as over the whole."""

_QUOTE, _COLON, _SPACE = ord('"'), ord(":"), ord(" ")


@dataclass(frozen=True, slots=True)
class MemberCount:
    """What a text holds.

    Attributes:
        total: Names of members, of any kind and depth, and text that looks like one.
        named: The same for each name that was asked for.
    """

    total: int
    named: dict[str, int]


def count_members(text: Path, names: Sequence[str]) -> MemberCount | None:
    """Count members in a JSON text.

    Args:
        text: File with the text, UTF-8.
        names: Members to be counted one by one.

    Returns:
        The counts, or ``None`` where blanks stand before a colon, so that names cannot be told by their bytes.
    """
    needles = {name: json.dumps(name, ensure_ascii=False).encode() + b":" for name in names}
    named = dict.fromkeys(names, 0)
    total = 0
    overlap = max((len(needle) for needle in needles.values()), default=2) - 1
    with text.open("rb") as file:
        tail = b""
        while piece := file.read(PIECE_BYTES):
            seen = tail + piece
            pairs = _pairs(seen)
            if pairs is None:
                return None
            total += pairs - (_pairs(tail) or 0)
            for name, needle in needles.items():
                named[name] += seen.count(needle) - tail.count(needle)
            tail = seen[-overlap:]
    return MemberCount(total, named)


def _pairs(text: bytes) -> int | None:
    """How often a quote is followed by a colon; ``None`` where a colon follows a blank."""
    codes = np.frombuffer(text, dtype=np.uint8)
    before, colon = codes[:-1], codes[1:] == _COLON
    if np.any(colon & (before <= _SPACE)):
        return None
    return int(np.count_nonzero(colon & (before == _QUOTE)))
