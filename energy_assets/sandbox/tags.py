"""The language of a blob store's tag search: what a ``where`` may say, and which tags it fits.

Written after Azure's published rules for 'Find Blobs by Tags in Container'. Nothing here knows a blob or a request.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_TAGS = 10
"""A blob has no more tags, so a search can name no more."""

MOST_KEY = 128
MOST_VALUE = 256
"""Longest name and value of a tag."""

_COMPARE = {"=": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SIDES = {"=": "=", ">": ">", ">=": ">", "<": "<", "<=": "<"}
_ALLOWED = re.compile(r"[A-Za-z0-9 +\-.:=_/]*")
_CONDITION = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>@?[A-Za-z_][A-Za-z0-9_]*))\s*(?P<sign><>|>=|<=|=|>|<)\s*'(?P<value>[^']*)'\s*"""
)
_AND = re.compile(r"AND\b", re.IGNORECASE)


class TagQueryError(Exception):
    """A ``where`` that the store refuses; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a tag with a value.

    Attributes:
        tag: Name of the tag, case-sensitive.
        sign: ``=``, ``>``, ``>=``, ``<`` or ``<=``.
        value: What it is compared with, as text, character by character.
    """

    tag: str
    sign: str
    value: str

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Whether the tags have the one named, with such a value."""
        return self.tag in tags and bool(_COMPARE[self.sign](tags[self.tag], self.value))


def parse(where: str) -> tuple[Condition, ...]:
    """The conditions that a search joins with ``AND``.

    Names of tags stand in double quotes, or bare where they look like an identifier; values stand in single quotes. A
    tag is compared once, or with one bound on each side.

    Raises:
        TagQueryError: It is anything else: ``OR``, ``<>``, brackets, a container, characters that no tag has.
    """
    conditions: list[Condition] = []
    place = 0
    while True:
        match = _CONDITION.match(where, place)
        if match is None:
            raise TagQueryError(f"Error parsing query at or near character position {place + 1}: unexpected text")
        conditions.append(_condition(match))
        place = match.end()
        if place == len(where):
            break
        joint = _AND.match(where, place)
        if joint is None:
            raise TagQueryError(f"Error parsing query at or near character position {place + 1}: expected AND")
        place = joint.end()
    _check_together(conditions)
    return tuple(conditions)


def fit(conditions: Sequence[Condition], tags: Mapping[str, str]) -> bool:
    """Whether all conditions hold of the tags."""
    return all(condition.fits(tags) for condition in conditions)


def _condition(match: re.Match[str]) -> Condition:
    bare, sign, value = match["bare"], match["sign"], match["value"]
    tag = match["quoted"] if bare is None else bare
    if tag.startswith("@"):
        raise TagQueryError("Error parsing query: Cannot have container in both uri and query")
    if sign not in _COMPARE:
        raise TagQueryError(f"Error parsing query: operator {sign} is not supported")
    if not 1 <= len(tag) <= MOST_KEY or not _ALLOWED.fullmatch(tag):
        raise TagQueryError("Error parsing query: not the name of a tag")
    if len(value) > MOST_VALUE or not _ALLOWED.fullmatch(value):
        raise TagQueryError("Error parsing query: not the value of a tag")
    return Condition(tag, sign, value)


def _check_together(conditions: Sequence[Condition]) -> None:
    """Refuse conditions that no range can mean."""
    sides: dict[str, list[str]] = {}
    for condition in conditions:
        sides.setdefault(condition.tag, []).append(_SIDES[condition.sign])
    if len(sides) > MOST_TAGS:
        raise TagQueryError(f"Error parsing query: there can be at most {MOST_TAGS} unique tags in a query")
    for of_one in sides.values():
        if len(of_one) > 1 and sorted(of_one) != ["<", ">"]:
            raise TagQueryError(
                "Error parsing query: can't have multiple conditions for a single tag unless they define a range"
            )
