"""How a synthetic file of the portal is written: encoding, ends of lines, dates, times, numbers and gaps.

Every shape that is used is one that the entry takes. Each resource has manners of its own, as on the portal, and keeps
them; what the datastore writes has none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from energy_assets.catalogue.model import Clock, DayShape, Field, Files, TextRules
from energy_assets.sandbox.frame import seed_of

Cell = str | None

_MASK = (1 << 64) - 1

_DAYS: dict[DayShape, tuple[str, ...]] = {
    "iso": ("%Y-%m-%d", "%Y-%m-%dT00:00:00"),
    "iso_time": ("%Y-%m-%dT00:00:00", "%Y-%m-%d"),
    "compact": ("%Y%m%d",),
    "slash": ("%d/%m/%Y",),
    "month_name": ("%d-%b-%Y",),
    "month_name_short": ("%d-%b-%y",),
}
_CLOCKS = {
    "iso": ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"),
    "slash": ("%d/%m/%Y %H:%M:%S",),
}

_WITH_COMMAS = 4
"""One resource in so many puts commas between thousands, where the entry takes them."""


def share(seed: int, salt: int) -> float:
    """A uniform number in [0, 1) of two 64-bit numbers."""
    mixed = seed ^ salt
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return (mixed ^ mixed >> 31) / (_MASK + 1)


@dataclass(frozen=True)
class Style:
    """The manners of one resource.

    Attributes:
        files: The family's rules.
        name: Name of the resource.
        seed: Chooses among what the rules take.
        plain: Whether it is a table without a file: its values are written as the datastore does.
    """

    files: Files
    name: str
    seed: int
    plain: bool

    @classmethod
    def of(cls, files: Files, name: str, *, plain: bool) -> Style:
        """The manners that a resource always has."""
        return cls(files, name, seed_of(files.package, name, "style"), plain)

    def chance(self, what: str) -> float:
        """A uniform number in [0, 1) that is always the same for the resource."""
        return share(self.seed, seed_of(what))

    def day_format(self, column: str) -> str:
        """How the dates of a column are written, as ``strftime`` takes it."""
        rules = (r for r in self.files.dates if not r.columns or column in r.columns)
        shapes = next(rule.shapes for rule in rules if re.fullmatch(rule.resources, self.name))
        return self._chosen([text for shape in shapes for text in _DAYS[shape]], "day")

    def clock_format(self, clock: Clock) -> str:
        """How the times of a column are written, as ``strftime`` takes it."""
        return self._chosen([text for shape in clock.shapes for text in _CLOCKS[shape]], "clock")

    def number(self, field: Field, value: float) -> str:
        """A number, with commas or a percent sign where the entry takes them and the resource has them."""
        text = str(int(value)) if value == int(value) else repr(value)
        rules = self.files.text
        if self.plain:
            return text
        if field.name in rules.percent:
            return f"{text}%"
        commas = rules.thousands and field.type == "number" and self.seed % _WITH_COMMAS == 0
        return f"{float(text):,.3f}".rstrip("0").rstrip(".") if commas and abs(value) >= 1000 else text

    def gap(self, field: Field) -> Cell:
        """What stands where there is no value."""
        if self.plain:
            return None
        if field.type == "text" and not any(clock.column == field.name for clock in self.files.clocks):
            return ""
        return self._chosen(["", *self.files.text.nulls], "gap")

    def written(self, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
        """The file."""
        text = io.StringIO(newline="")
        end = "\n" if self.chance("end") < 1 / 3 else "\r\n"
        writer = csv.writer(text, lineterminator=end)
        writer.writerow(header)
        writer.writerows([cell or "" for cell in row] for row in rows)
        return text.getvalue().encode(self._encoding(text.getvalue(), self.files.text))

    def _encoding(self, text: str, rules: TextRules) -> str:
        legacy = "cp1252" in rules.encodings and not text.isascii() and self.chance("legacy") < 1 / 2
        if legacy:
            return "cp1252"
        return "utf-8-sig" if self.chance("mark") < 1 / 2 else "utf-8"

    def _chosen(self, choices: Sequence[str], what: str) -> str:
        return choices[0] if self.plain else choices[int(self.chance(what) * len(choices))]
