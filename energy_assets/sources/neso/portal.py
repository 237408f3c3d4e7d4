"""What exists on the portal: packages and resources as one sweep of its catalogue told them, and what changed since.

Values and pure functions only: the sweep itself is ``sweep``'s business, which resources are wanted the catalogue's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from energy_assets.errors import ContractError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a package: a file, a table, or both.

    Attributes:
        id: The portal's id; it may be replaced by another one at any time.
        package: Slug of its package.
        package_id: Id of its package.
        name: Name without blanks around it, otherwise as the portal spells it.
        position: Place in its package, from 0.
        format: What the portal says it is, such as ``CSV``; its letters are not always upper case.
        url: Where its file is now; the name of the file may change every day.
        url_type: ``upload`` for a file, ``datastore`` for a table alone; empty for a link to elsewhere.
        datastore_active: Whether it can be read as a table.
        last_modified: When its file was last changed, as told: text, compared as text; empty where never told.
        last_modified_utc: The same as an instant, aware UTC; ``None`` where it is none.
        created_utc: When it was made, aware UTC, where known.
        metadata_modified_utc: When anything about it was last edited, aware UTC, where known.
    """

    id: str
    package: str
    package_id: str
    name: str
    position: int = 0
    format: str = ""
    url: str = ""
    url_type: str = ""
    datastore_active: bool = False
    last_modified: str = ""
    last_modified_utc: datetime | None = None
    created_utc: datetime | None = None
    metadata_modified_utc: datetime | None = None

    @property
    def is_file(self) -> bool:
        """Whether there is an uploaded file to download."""
        return self.url_type == "upload"

    @property
    def is_table(self) -> bool:
        """Whether there is a table and no file."""
        return self.url_type == "datastore"

    def __str__(self) -> str:
        return f"{self.package}/{self.name}"


@dataclass(frozen=True, slots=True)
class Package:
    """One package.

    Attributes:
        id: The portal's id.
        name: Slug; it is what addresses and the catalogue use.
        title: Title.
        metadata_modified_utc: When anything about it was last edited, aware UTC, where known.
        resources: In the order of the portal.
        extras: Free text such as ``Update frequency``; keys are spelt differently from package to package.
    """

    id: str
    name: str
    title: str
    metadata_modified_utc: datetime | None
    resources: tuple[Resource, ...]
    extras: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Portal:
    """Everything that one sweep told.

    Attributes:
        packages: In the order of their slugs.
        swept_utc: When the sweep began, aware UTC.
        requests: HTTP requests that it took.
        sandbox: Whether a local stand-in answered, by its own word.
    """

    packages: tuple[Package, ...]
    swept_utc: datetime
    requests: int = 0
    sandbox: bool = False

    @cached_property
    def by_slug(self) -> Mapping[str, Package]:
        """Packages by slug."""
        return {package.name: package for package in self.packages}

    @cached_property
    def by_id(self) -> Mapping[str, Resource]:
        """Resources by id."""
        return {resource.id: resource for resource in self.resources()}

    def resources(self) -> Iterator[Resource]:
        """Every resource of every package."""
        for package in self.packages:
            yield from package.resources

    def named(self, package: str, name: str) -> Resource:
        """The one resource of that name, compared without blanks around it.

        Raises:
            ContractError: There is none, or there are several.
        """
        held = self.by_slug.get(package)
        found = [resource for resource in held.resources if resource.name == name.strip()] if held else []
        if len(found) == 1:
            return found[0]
        said = f"{len(found)} resources" if held else "no package of that slug, and so no resource"
        raise ContractError(
            f"{package}/{name}: the portal has {said} of that name; it was moved or renamed, so correct the catalogue "
            "entry."
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that is told otherwise than before: the attributes that differ."""

    before: Resource
    now: Resource

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes that differ, those left out that move with any edit."""
        return tuple(name for name in _COMPARED if getattr(self.before, name) != getattr(self.now, name))


@dataclass(frozen=True, slots=True)
class Changes:
    """How a sweep differs from the one before.

    Attributes:
        new: Resources with an id never told before.
        vanished: Resources whose id is told no more.
        changed: Resources told otherwise.
        moved: Resources of both lists whose package and name are the same: another id took the place of one.
        first: Whether there was no sweep before; then everything else is empty.
    """

    new: tuple[Resource, ...] = ()
    vanished: tuple[Resource, ...] = ()
    changed: tuple[Change, ...] = ()
    moved: tuple[Change, ...] = ()
    first: bool = False

    def __bool__(self) -> bool:
        return bool(self.new or self.vanished or self.changed)


_NOISY = frozenset({"position", "metadata_modified_utc", "last_modified_utc", "created_utc"})
_COMPARED = tuple(f.name for f in fields(Resource) if f.name not in _NOISY)


def compare(before: Iterable[Resource], now: Iterable[Resource]) -> Changes:
    """What is new, gone and changed, by the ids of resources."""
    old = {resource.id: resource for resource in before}
    fresh = {resource.id: resource for resource in now}
    new = tuple(resource for key, resource in fresh.items() if key not in old)
    vanished = tuple(resource for key, resource in old.items() if key not in fresh)
    changed = (Change(old[key], resource) for key, resource in fresh.items() if key in old)
    gone = {(resource.package, resource.name): resource for resource in vanished}
    moved = (Change(gone[place], r) for r in new if (place := (r.package, r.name)) in gone)
    return Changes(new, vanished, tuple(c for c in changed if c.attributes), tuple(moved))


class _Extra(msgspec.Struct):
    key: Any = ""
    value: Any = None


class _Resource(msgspec.Struct):
    id: str
    name: str | None = None
    position: int | None = None
    format: str | None = None
    url: str | None = None
    url_type: str | None = None
    datastore_active: bool | None = None
    last_modified: str | None = None
    created: str | None = None
    metadata_modified: str | None = None


class _Package(msgspec.Struct):
    id: str
    name: str
    title: str | None = None
    metadata_modified: str | None = None
    resources: list[_Resource] | None = None
    extras: list[_Extra] | None = None


class _Page(msgspec.Struct):
    count: int
    results: list[_Package]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a sweep: packages, and how many the portal says there are in all."""

    count: int
    packages: tuple[Package, ...]


def read_page(result: msgspec.Raw) -> Page:
    """A page of ``package_search``.

    Raises:
        ContractError: It has not the members that a sweep needs.
    """
    try:
        page = msgspec.json.decode(result, type=_Page)
    except msgspec.DecodeError as error:
        raise _misshapen("package_search", error) from error
    return Page(page.count, tuple(map(_package, page.results)))


def read_package(result: msgspec.Raw) -> Package:
    """A package as ``package_show`` tells it.

    Raises:
        ContractError: It has not the members that are needed.
    """
    try:
        return _package(msgspec.json.decode(result, type=_Package))
    except msgspec.DecodeError as error:
        raise _misshapen("package_show", error) from error


def _misshapen(action: str, error: msgspec.DecodeError) -> ContractError:
    return ContractError(
        f"The portal's answer to {action} is not as CKAN documents it ({error}); nothing was taken from it, and if "
        "this persists the portal has changed."
    )


def _package(told: _Package) -> Package:
    resources = (_resource(told, place, resource) for place, resource in enumerate(told.resources or ()))
    return Package(
        id=told.id,
        name=told.name,
        title=(told.title or "").strip(),
        metadata_modified_utc=instant(told.metadata_modified),
        resources=tuple(resources),
        extras=tuple((str(extra.key), str(extra.value or "")) for extra in told.extras or ()),
    )


def _resource(package: _Package, place: int, told: _Resource) -> Resource:
    return Resource(
        id=told.id,
        package=package.name,
        package_id=package.id,
        name=(told.name or "").strip(),
        position=place if told.position is None else told.position,
        format=(told.format or "").strip(),
        url=(told.url or "").strip(),
        url_type=told.url_type or "",
        datastore_active=bool(told.datastore_active),
        last_modified=told.last_modified or "",
        last_modified_utc=instant(told.last_modified),
        created_utc=instant(told.created),
        metadata_modified_utc=instant(told.metadata_modified),
    )


def instant(text: str | None) -> datetime | None:
    """An instant that CKAN tells as ISO text without a zone, which is UTC; ``None`` where it tells none.

    A text that is no time is logged and set aside: one odd resource must not hide the other thousand, and whether
    something changed is seen by comparing texts.
    """
    if not text:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        log.warning("the portal tells %r as a time, which is none", text)
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
