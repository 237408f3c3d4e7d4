"""The types a catalogue entry is made of.

Only shapes and the facts derived from them belong here: no entry, no I/O, no provider. Every other part of the
package (planner, typing, warehouse, assets, sandbox, docs) reads these objects and never a dataset's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

FieldType = Literal["text", "integer", "number", "boolean", "date", "instant", "json"]
"""Stored types. ``number`` is an IEEE double (every measured value); ``integer`` a 64-bit count, period or identifier;
``instant`` a UTC timestamp with microseconds; ``json`` a nested member kept as compact JSON text."""

Origin = Literal["row", "request", "derived"]
"""Where a column's value comes from: the provider's row, the request that asked for it (a path branch), or other
columns of the row by a rule of the entry."""

Revision = Literal["vintage", "revised_in_place", "document_revision", "event_log", "immutable"]
Proof = Literal["recorded", "specified", "inferred"]
Standing = Literal["stated", "learned", "unknown"]
QueryUnit = Literal["instant", "day", "period", "snapshot"]
EmptyMeaning = Literal["suspect", "silent"]
Framing = Literal["rows", "messages", "raw", "files"]
Profile = Literal["core", "battery", "trading", "settlement", "forecast", "all"]

Precedence = Literal["row", "publication", "asked", "set"]
"""Which of two tables' rows stand where both have the same facts, and where facts are sets.

``row``: row by row, the newest publication. ``publication``: set by set, the newest publication of the set, whole; for
sets that are published at one moment. ``asked``: set by set, what the provider answered when asked, where there is any;
for sets whose publications cannot be told apart. ``set``: set by set, the one with the newest member, whole; for sets
that keep members of older publications."""

SETTLEMENT_RUNS = ("II", "SF", "R1", "R2", "R3", "RF", "DF")
"""Settlement runs in the order in which they are calculated; a later run supersedes an earlier one."""

PROVENANCE: tuple[tuple[str, FieldType], ...] = (
    ("_dataset", "text"),
    ("_partition_day", "date"),
    ("_window_from_utc", "instant"),
    ("_window_to_utc", "instant"),
    ("_ingested_utc", "instant"),
    ("_source_api", "text"),
    ("_receipt_id", "text"),
    ("_hash_key", "integer"),
)
"""Columns that every row carries after the provider's own, in storage order."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a table, as the provider publishes it.

    Attributes:
        name: Column name, the provider's spelling.
        type: Stored type.
        meaning: What the value says, with sign and interval convention where they matter.
        unit: Unit of measurement, or ``None`` for text, codes and times.
        nullable: Whether the provider may leave it out or send null.
        aliases: Other member names under which the provider sends the same value.
        origin: ``request`` when only the request knows the value.
        low: Least physically possible value, inclusive.
        high: Greatest physically possible value, inclusive.
        sentinels: Values that are codes and not measurements (kept as they come, excluded from bounds).
        hashed: Whether another value is a revision of the row; not so for what only says how the row arrived.
    """

    name: str
    type: FieldType
    meaning: str
    unit: str | None = None
    nullable: bool = True
    aliases: tuple[str, ...] = ()
    origin: Origin = "row"
    low: float | None = None
    high: float | None = None
    sentinels: tuple[float, ...] = ()
    hashed: bool = True


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One column that orders publications of a fact; ``ranks`` lists codes from earliest to latest."""

    column: str
    ranks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StorageAxis:
    """Which settlement day a row belongs to (``_partition_day``).

    ``date``: the column holds the settlement day. ``instant``: the Europe/London day of a UTC instant.
    ``snapshot``: the day on which the register was read (no column).
    """

    kind: Literal["date", "instant", "snapshot"]
    column: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WindowCheck:
    """How a row is shown to lie inside the window that was asked for.

    ``instant``: ``column`` lies in ``[from, to)``. ``date``: the settlement day in ``column`` lies in the window.
    ``period``: settlement day ``column`` and settlement period ``period_column`` lie in it. ``none``: a register, which
    has no window. A row at exactly the inclusive upper bound is the next window's and is set aside, not an error.
    """

    kind: Literal["instant", "date", "period", "none"]
    column: str | None = None
    period_column: str | None = None
    before: timedelta = timedelta(0)
    after: timedelta = timedelta(0)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """How a window becomes one request.

    Attributes:
        path: Path below the API's base URL; may hold placeholders.
        params: Query parameters, name to template, in the order sent.
        unit: What windows are cut into: ``instant`` (minutes), ``day`` (settlement days), ``period`` (settlement
            periods of one day) or ``snapshot`` (no window: what the provider holds now).
        atom: The smallest piece, in the unit's measure, for which receipts are judged and re-asked.
        most: The most one request asks for, in the same measure.
        limit: The provider's own limit in words, with how it is known.
        branches: Path or parameter choices that each need a request of their own; each becomes a column of the row.
        reach: Minutes before and after a settlement day in which, on the fetch axis, rows of that day may lie; not
            zero only where fetch axis and storage axis differ.
        scalars: The body is an array of plain values, stored in the single column.
        framing: What a body holds: ``rows``, the provider's array of records; ``messages``, a segment of pushed
            messages, each with records of its own; ``raw``, such a segment whose messages are records themselves;
            ``files``, a file of a portal, read by the rules in ``Dataset.files``.

    Templates may use: ``{from}`` ``{to}`` (RFC 3339, UTC, both sent inclusive), ``{date}`` ``{date_from}``
    ``{date_to}`` (settlement days, last one inclusive), ``{period}`` ``{period_from}`` ``{period_to}`` ``{periods}``
    (the last one repeats the parameter), ``{season}`` (year in which the winter of the window begins), ``{as_of}``
    (last instant of the window) and the names of the branches.
    """

    path: str
    params: tuple[tuple[str, str], ...] = ()
    unit: QueryUnit = "instant"
    atom: int = 1440
    most: int = 1440
    limit: str = "none known"
    branches: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reach: tuple[int, int] = (0, 0)
    scalars: bool = False
    framing: Framing = "rows"


@dataclass(frozen=True, slots=True)
class Lag:
    """A delay after a window's end: working days or a settlement run's date for its day, then minutes."""

    minutes: int = 0
    working_days: int = 0
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """When a dataset is published and when a window of it is to be asked for again.

    Attributes:
        cadence: The publication rhythm in words.
        standing: How the lag is known.
        available: Before the window's end plus this nothing can be there: asking is not due.
        settled: Until the window's end plus this the window is provisional and is asked for again.
        poll_minutes: Least time between two asks of a provisional window.
        rereads: Later moments at which a settled window is read once more, because the provider revises it.
        publications_per_day: Expected distinct publications or instants per normal day, where known.
    """

    cadence: str
    standing: Standing
    available: Lag = Lag()
    settled: Lag = Lag(minutes=360)
    poll_minutes: int = 10
    rereads: tuple[Lag, ...] = ()
    publications_per_day: int | None = None


@dataclass(frozen=True)
class Unfolded:
    """A view with one row for each element of a JSON array, of the newest row of each document only.

    Attributes:
        view: Name of the view.
        column: Column that holds the array.
        members: Members of an element, each a column of the view; one that cannot be read is null.
        kept: Columns of the row that stand beside them.
        document: Columns that name the document, of which the newest row counts.
        without: Column and value by which a document is left out; rows that lack it stay.
    """

    view: str
    column: str
    members: tuple[Field, ...]
    kept: tuple[str, ...]
    document: tuple[str, ...]
    without: tuple[str, str]


@dataclass(frozen=True)
class Unites:
    """A view that shows a table's rows and those of another with the same facts as one.

    It has the other table's columns, its order of publications and its settlement days. Where publications are equal
    or nothing orders them, the other table's row stands.

    Attributes:
        view: Name of the view.
        other: The other table, of rows that the provider was asked for.
        precedence: Which rows stand.
        key: Columns that identify a row in the view; those of the other table's natural key where empty.
        stead: Table whose rows stand in for this one's, where this one's are not facts of the same kind.
        named: The other table's columns with the names that ``stead`` has for them; what is not there is null.
        unfolded: Views over this one.
    """

    view: str
    other: Table
    precedence: Precedence = "row"
    key: tuple[str, ...] = ()
    stead: Table | None = None
    named: tuple[tuple[str, str], ...] = ()
    unfolded: tuple[Unfolded, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that must be there for the view besides the one that it belongs to."""
        return (self.other,) if self.stead is None else (self.other, self.stead)


@dataclass(frozen=True)
class Table:
    """What a warehouse must know to store a fact correctly; shared by provider datasets and derived tables.

    Attributes:
        name: Table name in the schema, lower case.
        dataset: Dataset code, the value of ``_dataset``.
        fields: Columns besides provenance, in storage order.
        event_key: Columns that name the fact.
        version_columns: Columns that tell kept publications of the same fact apart (part of the natural key).
        latest_order: Columns that order publications, most significant first; the greatest is current.
        publish_column: Instant of publication that ``published_as_of`` reads, or ``None`` where there is none.
        storage: Which day a row belongs to.
        key_fallback: Key columns that may be null, with the column that identifies the row instead.
        replace_scope: Key columns of the set that is replaced whole, empty where rows are upserted one by one.
        set_column: Instant column that says which members of a set a window covers; empty when a window always holds
            whole sets.
        heavy: Whether a day is large enough for partitions by day in a warehouse that limits their number.
        reach_days: How far apart the days may be on which the same row arrives by two ways; 0 where the day follows
            from the natural key.
        unites: The view that shows the rows with those of another table as one, made together with this table.
        description: One sentence for catalogues of the warehouse.
    """

    name: str
    dataset: str
    fields: tuple[Field, ...]
    event_key: tuple[str, ...]
    version_columns: tuple[str, ...]
    latest_order: tuple[OrderBy, ...]
    publish_column: str | None
    storage: StorageAxis
    key_fallback: tuple[tuple[str, str], ...] = ()
    replace_scope: tuple[str, ...] = ()
    set_column: str | None = None
    heavy: bool = False
    reach_days: int = 0
    unites: Unites | None = None
    description: str = ""

    @cached_property
    def natural_key(self) -> tuple[str, ...]:
        """Event key and version columns, each once, in order."""
        return tuple(dict.fromkeys(self.event_key + self.version_columns))

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Fields by column name."""
        return {f.name: f for f in self.fields}

    @cached_property
    def columns(self) -> tuple[tuple[str, FieldType], ...]:
        """All stored columns with their types: the provider's, then provenance."""
        return tuple((f.name, f.type) for f in self.fields) + PROVENANCE


FileKind = Literal["history", "forecast", "register"]
"""``history``: a row belongs to its own day. ``forecast``: a file is one issue, all its rows belong to the day of the
issue, and every issue is kept. ``register``: all files of the family together are one snapshot, stored when its content
has changed."""

FileWay = Literal["file", "datastore", "both"]
"""``file``: uploads, downloaded. ``datastore``: tables without a file, dumped. ``both``: some of the family's resources
are the one, some the other; the portal says which."""

DayShape = Literal["iso", "iso_time", "compact", "slash", "month_name", "month_name_short"]
"""How a date may be written. ``iso``: 2026-01-31, also with midnight behind it. ``iso_time``: the same with any time of
day, which is cut off. ``compact``: 20260131. ``slash``: 31/01/2026, day first, also with midnight. ``month_name``:
31-Jan-2026. ``month_name_short``: 31-Jan-26, always of this century. No two of them can be taken for one another."""

ClockShape = Literal["iso", "slash"]
"""How a date with a time of day may be written. ``iso``: 2026-01-31T10:30, with blank or T, seconds and Z or none.
``slash``: 31/01/2026 10:30, day first, with seconds or without."""

Zone = Literal["utc", "local", "unstated"]
"""``utc``: the label is UTC, whatever stands behind it. ``local``: the clock of Europe/London, also where a Z stands
behind it. ``unstated``: the provider does not say."""

Edge = Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class DateFormat:
    """How the dates of some columns are written, in some resources of the family.

    Attributes:
        shapes: Shapes that are taken, tried in this order.
        columns: Columns that it holds for; empty for all date columns.
        resources: Regular expression that the name of the resource or of the file must match in full.
    """

    shapes: tuple[DayShape, ...]
    columns: tuple[str, ...] = ()
    resources: str = ".*"


@dataclass(frozen=True, slots=True)
class Clock:
    """A column with date and time of day.

    In UTC it is stored as an instant. Otherwise it is stored as text in one form, ``2026-01-31T10:30:00``, which says
    what the provider's label says and no more.

    Attributes:
        column: The column.
        zone: Which clock it shows.
        shapes: Shapes that are taken.
        utc_since: Labels from this day on are UTC, whatever ``zone`` says.
    """

    column: str
    zone: Zone
    shapes: tuple[ClockShape, ...] = ("iso", "slash")
    utc_since: date | None = None


@dataclass(frozen=True, slots=True)
class SettlementInterval:
    """``start_utc`` and ``end_utc`` are those of a settlement period of a settlement day."""

    day: str
    period: str


@dataclass(frozen=True, slots=True)
class LabelInterval:
    """``start_utc`` and ``end_utc`` follow from a label that marks one edge of an interval of known length.

    Attributes:
        column: A ``Clock``.
        edge: The edge that the label marks.
        minutes: Length of the interval.
        period: Column with the settlement period, which decides between the two readings of a label in the hour that
            the autumn clock shows twice.
    """

    column: str
    edge: Edge
    minutes: int = 30
    period: str | None = None


@dataclass(frozen=True, slots=True)
class PairInterval:
    """``start_utc`` and ``end_utc`` follow from two labels; without the second the end is null."""

    start: str
    end: str | None = None


@dataclass(frozen=True, slots=True)
class TimesInterval:
    """``start_utc`` and ``end_utc`` follow from a day and times of that day.

    Times are ``HH:MM``, ``HH:MM:SS`` or the number HHMM, of which 2400 closes the day. An end before the start is on
    the next day.
    """

    day: str
    start: str
    end: str
    zone: Zone


@dataclass(frozen=True, slots=True)
class RangeInterval:
    """``start_utc`` and ``end_utc`` follow from text such as ``2026-01-31 10:00 - 11:00``.

    Attributes:
        column: The text.
        zone: Which clock it shows.
        day: Column with the day, where the text has times only.
        european_day: The day is that of central Europe, so its first hours lie on the evening before in UTC.
    """

    column: str
    zone: Zone
    day: str | None = None
    european_day: bool = False


IntervalRule = SettlementInterval | LabelInterval | PairInterval | TimesInterval | RangeInterval
"""How ``start_utc`` (included) and ``end_utc`` (excluded) are derived. Where they cannot be they are null, the row
stays, and ``utc_note`` says why."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One way in which the instant at which a forecast was issued is known.

    Attributes:
        way: ``column``: a ``Clock`` or a date of the row; ``file_name``, ``resource_name``: digits in the name;
            ``last_modified``: the portal's word on the file.
        column: The column.
        pattern: Regular expression with a group ``stamp``: ``YYYYMMDDHHMM`` or ``YYYYMMDD``, or a month in words and a
            year, which stand for its first day.
        zone: Which clock a name shows.
    """

    way: Literal["column", "file_name", "resource_name", "last_modified"]
    column: str | None = None
    pattern: str | None = None
    zone: Zone = "utc"


@dataclass(frozen=True, slots=True)
class TextRules:
    """How the text of a family's files becomes values.

    Attributes:
        encodings: Encodings in the order in which they are tried; a byte that none of them has refuses the file.
        nulls: Texts that say in a column of numbers, dates or times that there is no value. In text they are text.
        thousands: Whether numbers may have commas between thousands.
        percent: Columns of numbers that may have a percent sign behind them.
        half_last_row: Whether the file may end inside its last row, because the provider's does: that row is
            quarantined. Elsewhere such a file is refused as cut off.
    """

    encodings: tuple[str, ...] = ("utf-8", "cp1252")
    nulls: tuple[str, ...] = ("NA", "N/A", "-")
    thousands: bool = True
    percent: tuple[str, ...] = ()
    half_last_row: bool = False


@dataclass(frozen=True, slots=True)
class KnownResource:
    """A resource that somebody has seen on the portal: its name, its id, and whether it is a table without a file."""

    name: str
    id: str
    datastore_only: bool = False


@dataclass(frozen=True, slots=True)
class PersonalRows:
    """Rows that may tell data about persons by what one of their cells says.

    Attributes:
        named_in: Column that says what a row is about.
        pattern: Regular expression that is found in it, in upper or lower case, where that is a person.
        columns: Columns that are left empty in such a row.
    """

    named_in: str
    pattern: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Files:
    """How the files of one family are found on a portal, and how they are read.

    Headers are compared exactly, after blanks around them are taken off: a field's own header and its earlier and later
    spellings are its ``aliases``. A column that is neither known nor covered by ``grows``, one that is missing without
    being ``optional``, and a repeated one refuse the whole file.

    Attributes:
        package: Slug of the package.
        resources: Regular expression that a resource's name must match in full, blanks around it taken off.
        kind: What a file is.
        way: How the family's resources are published.
        known: Resources that have been seen. A check and an example, never a selector.
        issue: How the instant of issue is known, for forecasts; the first way that is possible counts.
        optional: Columns that some files of the family do not have.
        ignored: Headers that are knowingly left out.
        grows: Regular expression of headers that may come and go; such columns are kept under their name in snake case.
        grows_type: Type of those columns.
        dates: How dates are written; the first whose ``resources`` match counts.
        clocks: Columns with date and time of day.
        interval: How ``start_utc`` and ``end_utc`` are derived.
        day_of: Column whose day is kept as ``day``, where rows have no column with their day.
        personal: Columns with data about persons, not among the table's unless asked for.
        personal_rows: Rows with such data in columns that are otherwise about other things, left empty likewise.
        repeats: Whether equal rows are facts of their own: they are numbered in ``repeat``.
        text: How text becomes values.
        probe_minutes: How often a table without change stamp is to be looked at.
    """

    package: str
    resources: str
    kind: FileKind
    way: FileWay = "file"
    known: tuple[KnownResource, ...] = ()
    issue: tuple[Issue, ...] = ()
    optional: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    grows: str | None = None
    grows_type: FieldType = "number"
    dates: tuple[DateFormat, ...] = ()
    clocks: tuple[Clock, ...] = ()
    interval: IntervalRule | None = None
    day_of: str | None = None
    personal: tuple[Field, ...] = ()
    personal_rows: PersonalRows | None = None
    repeats: bool = False
    text: TextRules = TextRules()
    probe_minutes: int = 1440

    @property
    def leaves_persons_out(self) -> bool:
        """Whether the files have data about persons that are not stored."""
        return bool(self.personal) or self.personal_rows is not None

    def holds(self, resource: str) -> bool:
        """Whether a resource of the package, by its name, is one of the family."""
        return re.fullmatch(self.resources, resource.strip()) is not None


@dataclass(frozen=True)
class Dataset:
    """One provider dataset: one catalogue entry, one asset, one table.

    Attributes:
        code: The provider's code, upper case; unique in the catalogue.
        provider: Provider key (``bmrs``, ``iris``, ``neso``); first part of the asset key.
        title: Short name.
        description: What it is, in our words.
        group: Asset group.
        profiles: Named selections that the schedules may keep current; every entry is in ``all``.
        query: How windows become requests.
        table: How rows are stored.
        check: How rows are shown to lie in the window.
        revision: What the provider does to a published fact.
        timing: Publication rhythm, lags and re-reads.
        empty: What an empty answer means once data are due.
        may_repeat: Whether two distant windows may honestly have equal bodies.
        ignored: Members that are knowingly left out (another dataset's value in a shared answer).
        begins: First settlement day with data.
        rows_per_day: Rough rows on a normal day; ``None`` where unknown.
        rows_per_period: Exact rows per settlement period where every period must have them.
        iris_stream: Name of the IRIS stream with the same rows.
        proof: How far the entry is shown to be right.
        unsure: What is not established, one sentence each.
        notes: What a user of the data should know, one sentence each.
        legacy_code: Name in the service that closed in 2024.
        docs_url: The provider's page.
        alias: Second part of the asset key where that is not the code.
        files: How the dataset's files are found and read, where it comes as files of a portal.
    """

    code: str
    provider: str
    title: str
    description: str
    group: str
    profiles: tuple[Profile, ...]
    query: Query
    table: Table
    check: WindowCheck
    revision: Revision
    timing: Timing
    empty: EmptyMeaning = "suspect"
    may_repeat: bool = False
    ignored: tuple[str, ...] = ()
    begins: date = date(2001, 1, 1)
    rows_per_day: int | None = None
    rows_per_period: int | None = None
    iris_stream: str | None = None
    proof: Proof = "specified"
    unsure: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    legacy_code: str | None = None
    docs_url: str | None = None
    licence: str = field(default="")
    alias: str | None = None
    files: Files | None = None

    @property
    def is_register(self) -> bool:
        """Whether it says how things are, and so can only be read for today."""
        return self.table.storage.kind == "snapshot"

    @property
    def name(self) -> str:
        """Name as users type it: ``bmrs/fuelinst``."""
        return "/".join(self.asset_key)

    @property
    def asset_key(self) -> tuple[str, str]:
        """Dagster asset key: provider, then code or alias in lower case."""
        return (self.provider, (self.alias or self.code).lower())

    @property
    def fields(self) -> tuple[Field, ...]:
        """The table's columns besides provenance."""
        return self.table.fields

    def branch_choices(self) -> Iterator[tuple[tuple[str, str], ...]]:
        """Every combination of branch values; one empty combination where the query has no branches."""
        combinations: list[tuple[tuple[str, str], ...]] = [()]
        for name, values in self.query.branches:
            combinations = [(*chosen, (name, value)) for chosen in combinations for value in values]
        yield from combinations
