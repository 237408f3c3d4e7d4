"""Builders that turn the few facts of one BMRS dataset into a whole catalogue entry.

What several entries share (naming, required columns, query families) belongs here; what is said about a single dataset
belongs in the module of its group.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from energy_assets.catalogue.model import (
    Dataset,
    EmptyMeaning,
    Field,
    OrderBy,
    Profile,
    Proof,
    Query,
    Revision,
    StorageAxis,
    Table,
    Timing,
    WindowCheck,
)

LICENCE = "Contains BMRS data © Elexon Limited copyright and database right 2026."
DOCS = "https://bmrs.elexon.co.uk/api-documentation/endpoint"

HOUR = 60
DAY = 1440
WHOLE_DAY = 50
"""Settlement periods: no day has more, so a piece of this size is always the whole day."""

PHYSICAL_BEGINS = date(2016, 1, 1)
TRANSPARENCY_BEGINS = date(2023, 5, 1)

BM_UNIT_BY_ELEXON = (("bmUnit", "nationalGridBmUnit"),)
BM_UNIT_BY_NESO = (("nationalGridBmUnit", "bmUnit"),)


def order(*columns: str) -> tuple[OrderBy, ...]:
    """Ordering by plain columns, most significant first."""
    return tuple(OrderBy(column) for column in columns)


def entry(
    code: str,
    title: str,
    description: str,
    *,
    group: str,
    fields: tuple[Field, ...],
    key: str,
    storage: StorageAxis,
    query: Query,
    check: WindowCheck,
    revision: Revision,
    timing: Timing,
    versions: str = "",
    latest: tuple[OrderBy, ...] = (),
    published: str | None = None,
    fallback: tuple[tuple[str, str], ...] = (),
    scope: str = "",
    set_column: str | None = None,
    heavy: bool = False,
    profiles: tuple[Profile, ...] = (),
    empty: EmptyMeaning = "suspect",
    may_repeat: bool = False,
    ignored: tuple[str, ...] = (),
    begins: date = date(2001, 1, 1),
    rows_per_day: int | None = None,
    rows_per_period: int | None = None,
    iris: str | None = None,
    proof: Proof = "specified",
    unsure: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    legacy: str | None = None,
) -> Dataset:
    """One entry; ``key``, ``versions`` and ``scope`` are column names separated by blanks."""
    table = Table(
        name=f"bmrs_{code.lower()}",
        dataset=code,
        fields=_with_required(fields, key.split(), versions.split(), storage, check, fallback),
        event_key=tuple(key.split()),
        version_columns=tuple(versions.split()),
        latest_order=latest,
        publish_column=published,
        storage=storage,
        key_fallback=fallback,
        replace_scope=tuple(scope.split()),
        set_column=set_column,
        heavy=heavy,
        description=description,
    )
    return Dataset(
        code=code,
        provider="bmrs",
        title=title,
        description=description,
        group=group,
        profiles=(*profiles, "all"),
        query=query,
        table=table,
        check=check,
        revision=revision,
        timing=timing,
        empty=empty,
        may_repeat=may_repeat,
        ignored=ignored,
        begins=begins,
        rows_per_day=rows_per_day,
        rows_per_period=rows_per_period,
        iris_stream=iris,
        proof=proof,
        unsure=unsure,
        notes=notes,
        legacy_code=legacy,
        docs_url=DOCS + query.path.removesuffix("/stream"),
        licence=LICENCE,
    )


def _with_required(
    fields: tuple[Field, ...],
    key: list[str],
    versions: list[str],
    storage: StorageAxis,
    check: WindowCheck,
    fallback: tuple[tuple[str, str], ...],
) -> tuple[Field, ...]:
    """Marks the columns without which a row has no place: its day, its window and the numbers and times of its key.

    Text in a key may be null (the provider leaves units and directions out); numbers and times in it never are.
    """
    placed = {storage.column, check.column, check.period_column}
    excused = {column for column, _ in fallback} | set(versions) - {storage.column, check.column}

    def required(f: Field) -> bool:
        return (
            f.name in placed or (f.name in key and f.name not in excused and f.type != "text") or f.origin == "request"
        )

    return tuple(replace(f, nullable=not required(f)) for f in fields)


def period_query(
    path: str, *, atom: int, most: int, instant_dates: bool = True, limit: str = "none known", **names: Any
) -> Query:
    """A stream asked by settlement day with a range of its periods: inclusive bounds then cost no overlap.

    Args:
        path: Path of the stream.
        atom: Settlement periods for which receipts are judged.
        most: Settlement periods that one request asks for.
        instant_dates: Whether the date parameters are date-times whose time is ignored.
        limit: The provider's limit in words.
        names: ``start`` and ``end``: the names of the date parameters where they are not ``from`` and ``to``.
    """
    midnight = "T00:00Z" if instant_dates else ""
    params = (
        (names.get("start", "from"), "{date_from}" + midnight),
        (names.get("end", "to"), "{date_to}" + midnight),
        ("settlementPeriodFrom", "{period_from}"),
        ("settlementPeriodTo", "{period_to}"),
    )
    return Query(path, params, unit="period", atom=atom, most=most, limit=limit)


def instant_query(path: str, start: str, end: str, *, atom: int, most: int, limit: str = "none known") -> Query:
    """An endpoint asked by a window of instants in minutes."""
    return Query(path, ((start, "{from}"), (end, "{to}")), unit="instant", atom=atom, most=most, limit=limit)


def publish_query(code: str, *, atom: int, most: int, limit: str = "none known", stream: bool = True) -> Query:
    """The plain dataset endpoint (its stream where there is one), asked by a window of publication times."""
    path = f"/datasets/{code}" + ("/stream" if stream else "")
    return instant_query(path, "publishDateTimeFrom", "publishDateTimeTo", atom=atom, most=most, limit=limit)


def by_period() -> WindowCheck:
    """Rows carry the settlement day and period that were asked for."""
    return WindowCheck("period", "settlementDate", "settlementPeriod")


def by_day(column: str = "settlementDate") -> WindowCheck:
    """Rows carry the settlement day that was asked for."""
    return WindowCheck("date", column)


def by_instant(column: str) -> WindowCheck:
    """Rows carry an instant inside the window that was asked for."""
    return WindowCheck("instant", column)


def settlement_day(reason: str = "") -> StorageAxis:
    """A fact belongs to its settlement day."""
    return StorageAxis("date", "settlementDate", reason)


def publication_day(column: str = "publishTime", reason: str = "") -> StorageAxis:
    """A vintage, document or message belongs to the London day of its publication."""
    return StorageAxis("instant", column, reason)
