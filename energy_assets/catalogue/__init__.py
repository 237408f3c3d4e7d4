"""What exists: one typed entry per dataset, and the ways of choosing among them.

Entries and lookups belong here. Nothing here fetches, stores, reads settings or the clock; importing is pure and cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from typing import get_args

from energy_assets.catalogue.model import Dataset, Profile
from energy_assets.errors import CatalogueError

__all__ = ["dataset", "datasets", "select"]


@cache
def datasets(provider: str | None = None) -> tuple[Dataset, ...]:
    """All entries, or those of one provider (``bmrs``, ``iris``, ``neso``), in reading order."""
    from energy_assets.catalogue import bmrs, iris, neso

    return tuple(d for d in (*bmrs.ENTRIES, *iris.ENTRIES, *neso.ENTRIES) if provider in (None, d.provider))


@cache
def _asked() -> tuple[Dataset, ...]:
    """Entries whose provider is asked for them, as opposed to pushing them."""
    return tuple(d for d in datasets() if d.query.framing in ("rows", "files"))


@cache
def _by_name() -> dict[str, Dataset]:
    """Entries by every spelling that ``dataset`` takes, in lower case."""
    return {name: d for d in datasets() for name in (d.name, d.code.lower())}


def dataset(name: str) -> Dataset:
    """One entry by code or name: ``FUELINST``, ``fuelinst``, ``bmrs/fuelinst``.

    Raises:
        CatalogueError: No such dataset; the message suggests the nearest.
    """
    wanted = name.strip().lower()
    found = _by_name().get(wanted)
    if found is None:
        raise CatalogueError(_unknown("dataset", name, tuple(_by_name())))
    return found


def select(expression: str, profile: Profile | None = None) -> tuple[Dataset, ...]:
    """The entries that an expression names, each once, in catalogue order.

    Args:
        expression: Comma-separated terms, any of which may match: a name, a glob (``bmrs/*``, ``iris/*``, ``UOU*``),
            ``group:forecast``, ``profile:core`` or ``all``. Streams that are pushed are chosen by name, by a glob with
            their provider, or as ``group:iris``: their past is one download a message, which nobody asks for in
            passing.
        profile: Keep only entries of this profile.

    Raises:
        CatalogueError: The expression is empty, or a term matches nothing; the message suggests the nearest.
    """
    terms = [term.strip() for term in expression.split(",") if term.strip()]
    if not terms:
        raise CatalogueError("no dataset selected: give a name, a glob, group:NAME, profile:NAME or all")
    chosen = {d.code for term in terms for d in _matching(term)}
    return tuple(d for d in datasets() if d.code in chosen and (profile is None or profile in d.profiles))


def _matching(term: str) -> tuple[Dataset, ...]:
    """The entries of one term; at least one."""
    kind, _, value = term.partition(":")
    if term.lower() == "all":
        return _asked()
    if value and kind.lower() == "group":
        return _labelled("group", value, {d.group for d in datasets()}, lambda d, v: d.group == v)
    if value and kind.lower() == "profile":
        return _labelled("profile", value, set(get_args(Profile)), lambda d, v: v in d.profiles and d in _asked())
    if any(mark in term for mark in "*?["):
        pattern = term.lower()
        by_code = tuple(d for d in _asked() if fnmatchcase(d.code.lower(), pattern))
        found = by_code or tuple(d for d in datasets() if fnmatchcase(d.name, pattern))
        if not found:
            raise CatalogueError(f"no dataset matches {term!r}; `energy-assets catalogue` lists them all")
        return found
    return (dataset(term),)


def _labelled(
    kind: str, value: str, known: Iterable[str], carries: Callable[[Dataset, str], bool]
) -> tuple[Dataset, ...]:
    """The entries that carry a group or profile."""
    label = value.strip().lower()
    if label not in known:
        raise CatalogueError(_unknown(kind, value, tuple(known)))
    return tuple(d for d in datasets() if carries(d, label))


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> str:
    """One sentence that names what is unknown and the nearest known spelling."""
    near = get_close_matches(name.strip().lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0].upper() if kind == 'dataset' and '/' not in near[0] else near[0]}?" if near else ""
    return f"unknown {kind} {name!r}; " + (hint or "`energy-assets catalogue` lists what there is")
