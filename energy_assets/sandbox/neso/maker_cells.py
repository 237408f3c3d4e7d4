"""Cells of synthetic files that say who, what and how much, and the columns of a file as a whole.

Words of the key tell entities apart; everything else is drawn from the fact that the row states, inside the bounds of
its field, so that a fact has the same values wherever it stands. Cells that say when are made elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod

from energy_assets.catalogue.model import Field, IntervalRule
from energy_assets.sandbox.frame import seed_of
from energy_assets.sandbox.neso.maker_rows import Layout, Row
from energy_assets.sandbox.neso.maker_spans import Life
from energy_assets.sandbox.neso.maker_style import Style, share
from energy_assets.sandbox.neso.maker_times import Making, timed
from energy_assets.sandbox.neso.maker_words import (
    FREE,
    GROWN,
    PERSONAL,
    UNITS_OF_VALUES,
    is_free,
    is_unit,
    plain_text,
    words_of,
)
from energy_assets.sandbox.words import UNITS, neso_unit

_OPTIONAL = 3 / 4
"""Share of the resources that have a column which some lack."""

_NULLS = 1 / 40
"""Share of cells without a value, where that is allowed."""

_RANGES = {
    "MW": (0.0, 900.0),
    "MWh": (-120.0, 400.0),
    "TWh": (15.0, 25.0),
    "Mvarh": (0.0, 4000.0),
    "GBP": (-2000.0, 9000.0),
    "GBP million": (0.0, 80.0),
    "GBP/MWh": (-80.0, 260.0),
    "GBP/MW/h": (-2.0, 30.0),
    "GVA.s": (140.0, 320.0),
    "MVA.s": (900.0, 4000.0),
    "gCO2/kWh": (20.0, 320.0),
    "Hz": (49.8, 50.2),
    "%": (0.0, 60.0),
    "1": (0.0, 1.0),
}
_PLAIN = (0.0, 100.0)
_NAMED_RANGES = (
    (r"_lat$", (50.0, 58.5)),
    (r"_lon$", (-6.0, 1.5)),
    (r"^(nd|tsd.*|day_min|night_min)$|demand", (18_000.0, 42_000.0)),
    (r"(^|_)flow(_|$)|transfer", (-1000.0, 1000.0)),
)
"""Ranges by name, of power and angles, where the unit says too little."""

_RESOURCE = 100
"""More things than a file is about."""

_WHOLE = frozenset({"MW", "Mvarh"})
_DIGITS = 3
_STEPS = re.compile(r"Stage|Gate")

_CHANGING = ("State", "Whether", "Why", "T for", "Carbon intensity")
"""How the meaning of words begins that differ from fact to fact."""

_TEXTS = 50
"""Texts of a column without vocabulary."""

Draw = Callable[[Row], float]


@dataclass(frozen=True)
class Columns:
    """The columns of one resource.

    Attributes:
        layout: How its rows are laid out.
        life: Its life.
        style: Its manners.
    """

    layout: Layout
    life: Life
    style: Style

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The columns that the file has, in order: the entry's own, one that came by, and those about persons."""
        files = self.layout.files
        own = [f for f in self.layout.dataset.fields if f.origin == "row" and self._has(f)]
        return (*own, *self._grown(), *files.personal)

    @property
    def header(self) -> list[str]:
        """The headers."""
        return [f.aliases[0] for f in self.fields]

    @cached_property
    def many(self) -> bool:
        """Whether the file holds more than one issue."""
        if self.layout.published:
            return True
        issued = {issue.column for issue in self.layout.files.issue if issue.way == "column"}
        return self.life.archive and any(f.name in issued for f in self.fields)

    @cached_property
    def entities(self) -> int:
        """How many things the file is about."""
        bounded = [len(words) for words in self._keys.values() if words]
        if not self._keys:
            return self.layout.entities(1)
        return self.layout.entities(prod(bounded) if len(bounded) == len(self._keys) else None)

    def makings(self) -> list[Making]:
        """What makes the cells of each column."""
        return [self._making(field) for field in self.fields]

    def _has(self, field: Field) -> bool:
        """Whether the resource has a column that some lack.

        Of an issue it is the archive that names it, or the only resource that there is; a key needs all its parts.
        """
        files = self.layout.files
        if field.name not in files.optional:
            return True
        if any(issue.column == field.name for issue in files.issue):
            return self.life.archive or len(files.known) == 1
        return field.name in self._keyed or self.style.chance(f"has {field.name}") < _OPTIONAL

    def _grown(self) -> list[Field]:
        files = self.layout.files
        if files.grows is None:
            return []
        header = next(text for text in GROWN if re.fullmatch(files.grows, text))
        return [Field(header, files.grows_type, "Column that comes and goes.", aliases=(header,))]

    @cached_property
    def _keyed(self) -> frozenset[str]:
        return frozenset(self.layout.dataset.table.natural_key)

    @cached_property
    def _keys(self) -> dict[str, tuple[str, ...]]:
        """Words of the columns that tell entities apart; none where any number can be told apart."""
        own = (f for f in self.layout.dataset.fields if f.origin == "row" and f.name in self._keyed)
        timeless = [f for f in own if timed(self.layout, self.style, f) is None]
        return {f.name: _entity_words(f, self.style.name) for f in timeless if f.type in ("text", "integer")}

    def _making(self, field: Field) -> Making:
        """What makes the cells of a column, with gaps where they are allowed."""
        made = timed(self.layout, self.style, field)
        if made is None:
            made = self._named(field) if field.name in self._keys else self._valued(field)
        if not self._may_lack(field):
            return made
        gap, salt = self.style.gap(field), seed_of(field.name, "gap")
        return lambda row: gap if share(row.seed, salt) < _NULLS else made(row)

    def _may_lack(self, field: Field) -> bool:
        """Whether a cell may be empty: not what a row is known by, nor what its place in time follows from."""
        files = self.layout.files
        placed = {files.day_of, *_columns_of(files.interval), *(issue.column for issue in files.issue)}
        if field.name in placed or not field.nullable:
            return False
        return field.name not in self._keyed or (files.repeats and field.type == "number")

    def _named(self, field: Field) -> Making:
        """A column of the key: together they tell the entities apart."""
        words = self._keys[field.name]
        if words:
            step = self._step(field.name)
            return lambda row: words[row.entity // step % len(words)]
        numbered = self._register or field.meaning.startswith("Number of")
        if field.name == "id" or (field.name.endswith("_id") and not is_unit(field) and not numbered):
            return lambda row: str(_serial(row)) if field.type == "integer" else plain_text(field, _serial(row))
        if field.type == "integer":
            return lambda row: str(row.entity + 1)
        base = self._place * _RESOURCE if self._register or is_free(field) else 0
        if is_unit(field):
            return lambda row: neso_unit(base + row.entity)
        return lambda row: plain_text(field, base + row.entity)

    @property
    def _register(self) -> bool:
        return self.layout.files.kind == "register"

    @property
    def _place(self) -> int:
        """Place of the resource among those of the family: files of one register are about different things."""
        return next(n for n, known in enumerate(self.layout.files.known) if known.name == self.style.name)

    def _step(self, name: str) -> int:
        """How many entities share each word of a column: only where words alone tell entities apart."""
        below = 1
        if any(not words for words in self._keys.values()):
            return below
        for other, words in self._keys.items():
            if other == name:
                break
            below *= len(words)
        return below

    def _valued(self, field: Field) -> Making:
        """A column beside the key."""
        if field in self.layout.files.personal:
            text = next(text for part, text in PERSONAL.items() if part in field.name)
            return lambda row: text.format(number=row.owner % 1000)
        if field.type == "text":
            return self._text(field)
        draw = self._draw(field)
        if field.type == "integer":
            low, high = _range(field)
            return lambda row: str(round(low + (high - low) * draw(row)))
        return self._number(field, draw)

    def _draw(self, field: Field) -> Draw:
        """A uniform number for each fact and its revisions; capacities are those of the entity."""
        # What only the resource's name tells, such as its settlement run, tells its facts from those of others.
        told = (words[0] for words in self._keys.values() if len(words) == 1)
        salt = seed_of(field.name, *told)
        if "capacity" in field.name and not self._register:
            return lambda row: share(row.owner, salt)
        return lambda row: share(row.seed + row.level, salt)

    def _number(self, field: Field, draw: Draw) -> Making:
        low, high = _range(field)
        digits = 0 if field.unit in _WHOLE or _STEPS.match(field.meaning) else _DIGITS
        return lambda row: self.style.number(field, round(low + (high - low) * draw(row), digits))

    def _text(self, field: Field) -> Making:
        """Words of a column, or texts made of its name: the entity's own, unless they change from fact to fact."""
        words = FREE if is_free(field) else words_of(field, self.style.name)
        if field.name == "unit" and "value" in self.layout.dataset.table.by_name:
            words = UNITS_OF_VALUES
        salt = seed_of(field.name)
        if words and (is_free(field) or field.meaning.startswith(_CHANGING)):
            return lambda row: words[int(share(row.seed + row.level, salt) * len(words))]
        if words:
            return lambda row: words[int(share(row.owner, salt) * len(words))]
        if is_unit(field):
            return lambda row: neso_unit(int(share(row.owner, salt) * UNITS))
        return lambda row: plain_text(field, int(share(row.owner + row.level, salt) * _TEXTS))


def _entity_words(field: Field, resource: str) -> tuple[str, ...]:
    """Words by which a column of the key tells entities apart; none where it numbers them."""
    if field.meaning.startswith("EFA block"):
        return tuple(map(str, range(1, 7)))
    return words_of(field, resource) if field.type == "text" else ()


def _columns_of(rule: IntervalRule | None) -> tuple[str, ...]:
    """The columns that an interval rule reads."""
    names = ("day", "period", "column", "start", "end") if rule is not None else ()
    return tuple(name for name in (getattr(rule, part, None) for part in names) if name)


def _serial(row: Row) -> int:
    """A number that no other row of the family has near it in time."""
    return row.slot.day.toordinal() * 1000 + row.slot.number * 10 + row.entity


def _range(field: Field) -> tuple[float, float]:
    """Bounds of made values: by name or unit, inside those of the field."""
    low, high = _RANGES.get(field.unit or "", _PLAIN)
    if field.unit in ("MW", "degree") and not field.meaning.startswith("Most"):
        low, high = next((bounds for part, bounds in _NAMED_RANGES if re.search(part, field.name)), (low, high))
    if field.meaning.startswith("1 where"):
        low, high = 0.0, 1.0
    if _STEPS.match(field.meaning):
        low, high = 1.0, 4.0
    low = low if field.low is None else max(low, field.low)
    high = high if field.high is None else min(high, field.high)
    return low, max(low, high)
