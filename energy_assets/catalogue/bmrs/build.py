"""Builders that turn the few facts of one BMRS dataset into a whole catalogue entry.

What several entries share (naming, required columns, query and publication families) belongs here; what is said about a
single dataset belongs in the module of its group.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from urllib.parse import quote

from energy_assets.catalogue.model import (
    Dataset,
    EmptyMeaning,
    Field,
    Lag,
    OrderBy,
    Profile,
    Proof,
    Query,
    Revision,
    Standing,
    StorageAxis,
    Table,
    Timing,
    WindowCheck,
)

LICENCE = "Contains BMRS data © Elexon Limited copyright and database right 2026."
"""The line that the licence asks for wherever the data are shown."""

_DOCS = "https://bmrs.elexon.co.uk/api-documentation/endpoint"
_PATH_NAMES = {"{date}": "{settlementDate}", "{period}": "{settlementPeriod}", "{season}": "{triadSeason}"}

DAY = 1440
"""Minutes; windows of several days are whole multiples of it."""

WHOLE_DAY = 50
"""Settlement periods: no day has more, so a piece of this size is always the whole day."""

PHYSICAL_BEGINS = date(2016, 1, 1)
TRANSPARENCY_BEGINS = date(2023, 5, 1)

UNSURE_BEGIN = "The first day with data (the earliest possible is given)."

BY_ELEXON_UNIT = (("bmUnit", "nationalGridBmUnit"),)
"""Settlement sets are keyed by Elexon's id: many supplier units have no other."""

BY_NESO_UNIT = (("nationalGridBmUnit", "bmUnit"),)
"""Physical sets are keyed by NESO's id: units that are not in settlement have no other."""

NEXT_DAY = (Lag(minutes=DAY),)
"""One more reading a day later: a provider's outage may delay rows whose publication time is older."""

LIMIT_ONE_DAY = "1 day, stated for the plain endpoint"


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
    begins: date = PHYSICAL_BEGINS,
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
        fields=_with_required(fields, set(key.split()), {column for column, _ in fallback}, storage, check),
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
        docs_url=_docs_url(query.path),
        licence=LICENCE,
    )


def _docs_url(path: str) -> str:
    for ours, theirs in _PATH_NAMES.items():
        path = path.replace(ours, theirs)
    return _DOCS + quote(path.removesuffix("/stream"))


def _with_required(
    fields: tuple[Field, ...], key: set[str], excused: set[str], storage: StorageAxis, check: WindowCheck
) -> tuple[Field, ...]:
    """Marks the columns without which a row has no place: day, window, and the numbers and times of the event key.

    Text in a key may be null (the provider leaves units and directions out); numbers and times in it never are.
    """
    placed = {storage.column, check.column, check.period_column}

    def required(f: Field) -> bool:
        named = f.name in key and f.name not in excused and f.type != "text"
        return f.name in placed or named or f.origin == "request"

    return tuple(replace(f, nullable=not required(f)) for f in fields)


def period_query(
    path: str,
    *,
    atom: int,
    most: int,
    start: str = "from",
    end: str = "to",
    midnight: str = "T00:00Z",
    limit: str = "none known",
) -> Query:
    """A stream asked by settlement day with a range of its periods: inclusive bounds then cost no overlap.

    Args:
        path: Path of the stream.
        atom: Settlement periods for which receipts are judged.
        most: Settlement periods that one request asks for.
        start: Name of the parameter of the first settlement day.
        end: Name of the parameter of the last settlement day.
        midnight: What follows the day where the parameter is a date-time (its time is ignored); empty for a date.
        limit: The provider's limit in words.
    """
    params = (
        (start, "{date_from}" + midnight),
        (end, "{date_to}" + midnight),
        ("settlementPeriodFrom", "{period_from}"),
        ("settlementPeriodTo", "{period_to}"),
    )
    return Query(path, params, unit="period", atom=atom, most=most, limit=limit)


def day_query(path: str, start: str, end: str, *, most: int, limit: str = "none known") -> Query:
    """An endpoint asked by a range of settlement days, both ends included."""
    return Query(path, ((start, "{date_from}"), (end, "{date_to}")), unit="day", atom=1, most=most, limit=limit)


def instant_query(
    path: str,
    start: str,
    end: str,
    *,
    atom: int,
    most: int,
    limit: str = "none known",
    reach: tuple[int, int] = (0, 0),
) -> Query:
    """An endpoint asked by a window of instants; ``atom``, ``most`` and ``reach`` in minutes."""
    params = ((start, "{from}"), (end, "{to}"))
    return Query(path, params, unit="instant", atom=atom, most=most, limit=limit, reach=reach)


def publish_query(
    code: str,
    *,
    atom: int,
    most: int,
    limit: str = "none known",
    stream: bool = True,
    reach: tuple[int, int] = (0, 0),
) -> Query:
    """The dataset's own endpoint (its stream where there is one), asked by a window of publication times."""
    path = f"/datasets/{code}" + ("/stream" if stream else "")
    start, end = "publishDateTimeFrom", "publishDateTimeTo"
    return instant_query(path, start, end, atom=atom, most=most, limit=limit, reach=reach)


def by_period() -> WindowCheck:
    """Rows carry the settlement day and period that were asked for."""
    return WindowCheck("period", "settlementDate", "settlementPeriod")


def by_day() -> WindowCheck:
    """Rows carry the settlement day that was asked for."""
    return WindowCheck("date", "settlementDate")


def by_instant(column: str) -> WindowCheck:
    """Rows carry an instant inside the window that was asked for."""
    return WindowCheck("instant", column)


def settlement_day(reason: str = "") -> StorageAxis:
    """A fact belongs to its settlement day."""
    return StorageAxis("date", "settlementDate", reason)


def publication_day(column: str = "publishTime", reason: str = "") -> StorageAxis:
    """A vintage, document or message belongs to the London day of its publication."""
    return StorageAxis("instant", column, reason)


def published(
    cadence: str,
    standing: Standing,
    *,
    poll: int,
    per_day: int | None = None,
    rereads: tuple[Lag, ...] = NEXT_DAY,
) -> Timing:
    """Timing of a publish window: rows appear within minutes, and four hours see out an ordinary delay."""
    settled = Lag(minutes=240)
    return Timing(cadence, standing, settled=settled, poll_minutes=poll, rereads=rereads, publications_per_day=per_day)


def vintage(
    code: str,
    title: str,
    description: str,
    *,
    group: str,
    fields: tuple[Field, ...],
    key: str,
    query: Query,
    timing: Timing,
    fallback: tuple[tuple[str, str], ...] = (),
    heavy: bool = False,
    profiles: tuple[Profile, ...] = ("forecast",),
    empty: EmptyMeaning = "suspect",
    rows_per_day: int | None = None,
    iris: str | None = None,
    proof: Proof = "specified",
    unsure: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    legacy: str | None = None,
) -> Dataset:
    """A forecast of which every publication is kept, asked for and stored by publication time."""
    return entry(
        code,
        title,
        description,
        group=group,
        fields=fields,
        key=key,
        versions="publishTime",
        latest=order("publishTime"),
        published="publishTime",
        fallback=fallback,
        storage=publication_day(),
        query=query,
        check=by_instant("publishTime"),
        revision="vintage",
        timing=timing,
        heavy=heavy,
        profiles=profiles,
        empty=empty,
        rows_per_day=rows_per_day,
        iris=iris or code,
        proof=proof,
        unsure=unsure,
        notes=notes,
        legacy=legacy,
    )
