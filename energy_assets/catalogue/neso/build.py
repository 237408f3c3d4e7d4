"""Builders that turn the few facts of one family of NESO files into a whole catalogue entry.

What families share (naming, derived columns, storage, spellings of headers) belongs here; what is said about a single
family belongs in the module of its portal group, words for columns in ``fields``, what has been seen on the portal in
``resources``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from energy_assets.catalogue.model import (
    Clock,
    Dataset,
    DateFormat,
    DayShape,
    Field,
    FieldType,
    FileKind,
    Files,
    FileWay,
    IntervalRule,
    Issue,
    OrderBy,
    PairInterval,
    PersonalRows,
    Profile,
    Proof,
    Query,
    Revision,
    SettlementInterval,
    StorageAxis,
    Table,
    TextRules,
    Timing,
    WindowCheck,
    Zone,
)
from energy_assets.catalogue.neso.fields import DERIVED, VOCABULARY
from energy_assets.catalogue.neso.resources import RESOURCES

LICENCE = "Supported by National Energy SO Open Data."
"""The line that the licence asks for wherever the data are shown."""

_DOCS = "https://www.neso.energy/data-portal/"

ANY_DAY: tuple[DayShape, ...] = ("iso", "slash", "month_name", "month_name_short")
"""Dates are written in one of these, except where an entry says otherwise; all slash dates measured so far have the day
first. Whole numbers are never taken for dates unasked."""

USUAL_TEXT = TextRules()

LAST_MODIFIED = Issue("last_modified")

UNSURE_ZONE = "Which clock its times show is not stated; they are kept as written."
UNSURE_UTC = "That its times are UTC is not stated."
UNSURE_LOCAL = "That its times are local is judged by what has been seen."
UNSURE_KEY = "That no two rows have the same key has not been measured."
UNSURE_HEADERS = "The columns are those of July 2026; a wave of renames has followed."
ISSUES_TWICE = (
    "Whether the archive gives an issue the same time as the portal gives the live file: where not, it stands twice."
)

_UNITS = re.compile(r" ?\(([A-Za-z]+)\)$")


def columns(text: str, *special: Field) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """Fields of one family, and the names of those that some of its files lack.

    Args:
        text: One column a line: its header, other spellings behind ``|``, its name behind ``->`` where that is not the
            header in snake case; ``?`` in front where files may lack it.
        special: Fields that mean something else in this family, made with ``fields.meaning``.

    Raises:
        KeyError: A name is not in the vocabulary, or a special field is not among the names.
    """
    own = {f.name: f for f in special}
    found: list[Field] = []
    optional: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        spelled, _, named = line.removeprefix("? ").partition(" -> ")
        headers = [header.strip() for header in spelled.split(" | ")]
        name = named.strip() or snake(headers[0])
        field = own.pop(name) if name in own else VOCABULARY[name]
        found.append(replace(field, aliases=tuple(_spellings(headers))))
        if line.startswith("? "):
            optional.append(name)
    if own:
        raise KeyError(f"special fields that are not chosen: {sorted(own)}")
    return tuple(found), tuple(optional)


def _spellings(headers: Iterable[str]) -> dict[str, None]:
    """The headers, and how the renames of 2026 write those with a unit in brackets, a slash or a pound sign."""
    found: dict[str, None] = {}
    for header in headers:
        found[header] = None
        renamed = _UNITS.sub(r"_\1", header.replace("£/MWh", "GBP per MWh").replace("£", "GBP"))
        renamed = re.sub(r" ?\((GBP[^()]*)\)$", r"_\1", renamed)
        found.setdefault(renamed)
        found.setdefault(renamed.replace("/", ""))
    return found


def snake(header: str) -> str:
    """A header as a column name: lower case, words by underscores, pound signs in letters."""
    text = header.strip().replace("Â£", "GBP").replace("£", "GBP")
    if re.search(r"[a-z]", text):
        text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()


def utc(*names: str) -> tuple[Clock, ...]:
    """Columns whose times are UTC."""
    return _clocks("utc", names)


def local(*names: str) -> tuple[Clock, ...]:
    """Columns whose times are those of the London clock."""
    return _clocks("local", names)


def unstated(*names: str) -> tuple[Clock, ...]:
    """Columns whose clock the provider does not name."""
    return _clocks("unstated", names)


def _clocks(zone: Zone, names: Iterable[str]) -> tuple[Clock, ...]:
    return tuple(Clock(name, zone) for name in names)


def issued_in(column: str) -> tuple[Issue, ...]:
    """A forecast whose rows name their issue, where they do; the live file does not and has the portal's word."""
    return (Issue("column", column), LAST_MODIFIED)


def entry(
    name: str,
    title: str,
    description: str,
    *,
    group: str,
    package: str,
    resources: str,
    kind: FileKind,
    columns: tuple[tuple[Field, ...], tuple[str, ...]],
    key: str,
    cadence: str,
    day: str | None = None,
    versions: str = "",
    latest: tuple[OrderBy, ...] = (),
    published: str | None = None,
    scope: str = "",
    way: FileWay | None = None,
    issue: tuple[Issue, ...] = (),
    clocks: tuple[Clock, ...] = (),
    interval: IntervalRule | None = None,
    day_of: str | None = None,
    dates: tuple[DateFormat, ...] = (),
    ignored: tuple[str, ...] = (),
    grows: str | None = None,
    grows_type: FieldType = "number",
    personal: tuple[Field, ...] = (),
    personal_rows: PersonalRows | None = None,
    repeats: bool = False,
    text: TextRules = USUAL_TEXT,
    probe_minutes: int = 1440,
    heavy: bool = False,
    profiles: tuple[Profile, ...] = (),
    begins: date = date(2019, 11, 5),
    rows_per_day: int | None = None,
    proof: Proof = "inferred",
    notes: tuple[str, ...] = (),
    unsure: tuple[str, ...] = (),
) -> Dataset:
    """One entry; ``key``, ``versions`` and ``scope`` are column names separated by blanks.

    Where equal rows are numbered, the only file of a family holds whole days, unless ``scope`` says otherwise.

    Times of an ``interval`` rule that is a pair of UTC columns need no derived ones: the columns are the instants.
    """
    own, optional = columns
    rules = Files(
        package=package,
        resources=resources,
        kind=kind,
        way=way or _way(package, resources),
        known=tuple(r for r in RESOURCES.get(package, ()) if re.fullmatch(resources, r.name)),
        issue=issue,
        optional=optional,
        ignored=ignored,
        grows=grows,
        grows_type=grows_type,
        dates=(*dates, DateFormat(ANY_DAY)),
        clocks=clocks,
        interval=interval,
        day_of=day_of,
        personal=personal,
        personal_rows=personal_rows,
        repeats=repeats,
        text=text,
        probe_minutes=probe_minutes,
    )
    storage = _storage(rules, day)
    event_key = (*_day_key(storage), *key.split())
    version_columns = tuple(versions.split())
    if repeats:
        event_key = (*event_key, "repeat")
    elif any(f.name == "utc_fold" for f in _derived(rules)):
        event_key = (*event_key, "utc_fold")
    if kind == "forecast":
        version_columns = (*version_columns, "issue_utc")
        latest, published = (OrderBy("issue_utc"),), "issue_utc"
    table = Table(
        name=f"neso_{name.lower()}",
        dataset=f"NESO_{name}",
        fields=_with_required((*own, *_derived(rules)), event_key + version_columns, storage, repeats),
        event_key=event_key,
        version_columns=version_columns,
        latest_order=latest,
        publish_column=published,
        storage=storage,
        replace_scope=_scope(rules, storage, tuple(scope.split())),
        heavy=heavy,
        description=description,
    )
    return Dataset(
        code=f"NESO_{name}",
        provider="neso",
        title=title,
        description=description,
        group=group,
        profiles=(*profiles, "all"),
        query=Query(package, unit="snapshot", limit="whole files", framing="files"),
        table=table,
        check=WindowCheck("none", reason="A file is the provider's choice of rows."),
        revision=_revision(kind, version_columns),
        timing=Timing(cadence, "learned", poll_minutes=probe_minutes),
        empty="silent",
        may_repeat=True,
        begins=begins,
        rows_per_day=rows_per_day,
        proof=proof,
        unsure=unsure,
        notes=notes,
        docs_url=_DOCS + package,
        licence=LICENCE,
        alias=name.lower(),
        files=rules,
    )


def _way(package: str, resources: str) -> FileWay:
    """What is known of the family's resources: files, tables without one, or both."""
    found = {r.datastore_only for r in RESOURCES.get(package, ()) if re.fullmatch(resources, r.name)}
    if found == {True, False}:
        return "both"
    return "datastore" if found == {True} else "file"


def _revision(kind: FileKind, version_columns: tuple[str, ...]) -> Revision:
    if kind == "history" and version_columns:
        return "document_revision"
    return "vintage" if kind == "forecast" else "revised_in_place"


def _storage(rules: Files, day: str | None) -> StorageAxis:
    if rules.kind == "register":
        return StorageAxis("snapshot", None, "A register has no time of its own: the day on which it was read.")
    if rules.kind == "forecast":
        return StorageAxis("instant", "issue_utc", "All rows of an issue belong to its day.")
    if day is not None:
        return StorageAxis("date", day)
    if _keeps_day(rules):
        return StorageAxis("date", "day", "The day that the label shows.")
    return StorageAxis("instant", rules.day_of)


def _scope(rules: Files, storage: StorageAxis, scope: tuple[str, ...]) -> tuple[str, ...]:
    """The set that a file replaces whole: a register's snapshot, and the day where numbers tell equal rows apart.

    A row with another value is another row there, which the one that it stands for would outlive. Where several files
    make up a family, that one of them holds whole days of it has to be said.
    """
    if rules.kind == "register":
        return ("_partition_day",)
    alone = len(rules.known) == 1 and re.fullmatch(r"[^?*|+]*", rules.resources) is not None
    if rules.repeats and rules.kind == "history" and alone and not scope and storage.column:
        return (storage.column,)
    return scope


def _keeps_day(rules: Files) -> bool:
    """Whether a row's day is a column of its own: not where it follows from an instant."""
    return rules.day_of is not None and rules.day_of not in {c.column for c in rules.clocks if c.zone == "utc"}


def _day_key(storage: StorageAxis) -> tuple[str, ...]:
    """The part of the key that the day adds."""
    if storage.kind == "snapshot":
        return ("_partition_day",)
    return ("day",) if storage.column == "day" else ()


def _derived(rules: Files) -> tuple[Field, ...]:
    """Columns that the rules add to the provider's."""
    names: list[str] = []
    if _keeps_day(rules):
        names.append("day")
    if rules.kind == "forecast":
        names.append("issue_utc")
    if rules.interval is not None:
        names += ["start_utc", "end_utc"]
        if _may_fail(rules):
            names.append("utc_note")
        if _may_fold(rules):
            names.append("utc_fold")
    if rules.repeats:
        names.append("repeat")
    return tuple(DERIVED[name] for name in names)


def _zone(rules: Files) -> Zone:
    """The clock that the interval rule reads."""
    interval = rules.interval
    if interval is None or isinstance(interval, SettlementInterval):
        return "utc"
    named = getattr(interval, "zone", None)
    if named is not None:
        return "local" if named == "local" else "utc"
    column = interval.start if isinstance(interval, PairInterval) else getattr(interval, "column", "")
    return next(clock.zone for clock in rules.clocks if clock.column == column)


def _may_fail(rules: Files) -> bool:
    """Whether a row may have labels that are no instants: no such period, or a time that the clock does not show."""
    return isinstance(rules.interval, SettlementInterval) or _zone(rules) == "local"


def _may_fold(rules: Files) -> bool:
    """Whether one label may stand for two instants: only then must rows be told apart by more than it."""
    return _zone(rules) == "local" and not rules.repeats


def _with_required(
    fields: tuple[Field, ...], key: tuple[str, ...], storage: StorageAxis, repeats: bool
) -> tuple[Field, ...]:
    """Marks the columns without which a row has no place: its day, and the numbers and times of its key.

    Where equal rows are numbered the key is all they say, and any of it may be missing.
    """

    def required(f: Field) -> bool:
        if f.name in {storage.column, "issue_utc", "utc_fold", "repeat"}:
            return True
        return f.name in key and f.type != "text" and not repeats

    return tuple(replace(f, nullable=not required(f)) for f in fields)
