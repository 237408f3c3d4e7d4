"""SQL that turns the text of a portal's file into typed columns, by the rules of its catalogue entry.

One statement types one batch: every cell is trimmed, cast by its rule, and where it cannot be, the row gets a reason.
Clock changes come from ``calendar``. Nothing here reads a file or runs a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from energy_assets import calendar
from energy_assets.catalogue.model import (
    Clock,
    ClockShape,
    Dataset,
    DayShape,
    Field,
    Files,
    LabelInterval,
    PairInterval,
    RangeInterval,
    SettlementInterval,
    TextRules,
    TimesInterval,
    Zone,
)
from energy_assets.ingest.columns import EXACT_INTEGER

REASON = "_reason"
NUMBER = "_number"
DOUBTFUL = "_doubtful"
"""Whether the clock shows the row's label twice, so that other rows have to tell which hour is meant."""

BY_PERIOD = "_by_period"
"""What the settlement period says of a doubtful label: 0 the first hour, 1 the second, null nothing."""

NOTE_GAP = "the clock does not show this time: it goes forward on this night"
NOTE_DOUBT = "the clock shows this time twice on this night, and nothing says which is meant"
NOTE_BY_ORDER = "the clock shows this time twice on this night: told by the order of the rows"
NOTE_BY_PERIOD = "the clock shows this time twice on this night: told by the settlement period"
NOTE_PERIOD = "the day has no such settlement period"
NOTE_UNREAD = "the time of day cannot be read"

FIRST_YEAR = 2000
LAST_YEAR = 2040
"""Years whose clock changes are written into the statements; dates outside have no UTC times."""

_STORED = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "date": "DATE", "instant": "TIMESTAMP"}

_DAY: dict[DayShape, tuple[str, str]] = {
    "iso": (r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?)?(Z|\+00(:?00)?)?", "TRY_CAST(left({v}, 10) AS DATE)"),
    "iso_time": (r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?Z?", "TRY_CAST(left({v}, 10) AS DATE)"),
    "compact": (r"\d{8}", "TRY_STRPTIME({v}, '%Y%m%d')::DATE"),
    "slash": (
        r"\d{1,2}/\d{1,2}/\d{4}( 0{1,2}:00(:00)?)?",
        "TRY_STRPTIME(split_part({v}, ' ', 1), '%d/%m/%Y')::DATE",
    ),
    "month_name": (r"\d{1,2}-[A-Za-z]{3}-\d{4}", "TRY_STRPTIME({v}, '%d-%b-%Y')::DATE"),
    "month_name_short": (
        r"\d{1,2}-[A-Za-z]{3}-\d{2}",
        "TRY_STRPTIME(left({v}, length({v}) - 2) || '20' || right({v}, 2), '%d-%b-%Y')::DATE",
    ),
}
"""Each shape as an expression that the whole text must match, and the SQL that reads it."""

_CLOCK: dict[ClockShape, tuple[str, str]] = {
    "iso": (
        r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?",
        "TRY_CAST(left(replace({v}, 'T', ' '), 10) || ' ' || "
        "coalesce(nullif(regexp_extract({v}, '\\d{{2}}:\\d{{2}}(:\\d{{2}}(\\.\\d+)?)?'), ''), '00:00') AS TIMESTAMP)",
    ),
    "slash": (
        r"\d{1,2}/\d{1,2}/\d{4}( \d{1,2}:\d{2}(:\d{2})?)?",
        "coalesce(TRY_STRPTIME({v}, '%d/%m/%Y %H:%M:%S'), TRY_STRPTIME({v}, '%d/%m/%Y %H:%M'), "
        "TRY_STRPTIME({v}, '%d/%m/%Y'))",
    ),
}

_OFFSET = r"[+-]\d{2}(:?\d{2})?$"
_THOUSANDS = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"


@dataclass(frozen=True)
class Layout:
    """Which cells of a file belong to which columns.

    Attributes:
        cells: Column of the table to number of the cell.
        extra: Columns that the entry lets come and go, as fields, with the number of the cell.
        unnamed: Cells without a header, which must be empty.
        headers: Column to the header that the file has.
    """

    cells: Mapping[str, int]
    extra: tuple[tuple[Field, int], ...]
    unnamed: tuple[int, ...]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Caster:
    """Writes the statement for one file.

    Attributes:
        dataset: The entry.
        layout: The file's columns.
        resource: Names by which its rules are chosen: of the resource, and of the file.
        issued: Instant of issue where it is the same for all rows; ``None`` where a column has it.
        issue_column: Column with the issue.
    """

    dataset: Dataset
    layout: Layout
    resource: tuple[str, str]
    issued: datetime | None = None
    issue_column: str | None = None

    @property
    def files(self) -> Files:
        """The entry's rules."""
        if self.dataset.files is None:
            raise ValueError(f"{self.dataset.code} does not come as files")
        return self.dataset.files

    @property
    def own(self) -> tuple[Field, ...]:
        """Columns that cells are cast to: the table's, without derived ones."""
        return tuple(f for f in self.dataset.fields if f.origin == "row")

    def statement(self, source: str) -> str:
        """The statement: own, extra and derived columns, then the row's number, doubt and reason."""
        cleaned = ", ".join([NUMBER, *self._cleaned()])
        typed = ", ".join([NUMBER, "cells", *self._typed()])
        faced = ", ".join(["*", *_faces(self)])
        derived = ", ".join(["*", *_interval(self)])
        final = ", ".join([*self._outputs(), NUMBER, *self._doubt(), f"{self._reason()} AS {REASON}"])
        return (
            f"SELECT {final} FROM (SELECT {derived} FROM (SELECT {faced} FROM (SELECT {typed} FROM "
            f"(SELECT {cleaned}, {self._unheaded()} AS cells FROM {source}))))"
        )

    def raw(self, source: str) -> str:
        """Raw cells of rows as JSON by header, without those that are left out."""
        cells = self.layout.cells
        pairs = [f"{_text(self.layout.headers[name])}, {self._cell(name, i)}" for name, i in cells.items()]
        pairs += [f"{_text(f.aliases[0])}, c{i}" for f, i in self.layout.extra]
        return f"SELECT {NUMBER}, json_object({', '.join(pairs)})::VARCHAR AS raw FROM {source}"

    def _cleaned(self) -> Iterator[str]:
        """Every cell; null where there is nothing in it."""
        for name, i in (*self.layout.cells.items(), *((f.name, i) for f, i in self.layout.extra)):
            yield f"nullif({self._cell(name, i)}, '') AS {_q('raw ' + name)}"

    def _cell(self, name: str, place: int) -> str:
        """A cell, null where it tells of a person and is left out."""
        rule = self.files.personal_rows
        if rule is None or name not in rule.columns or rule.named_in not in self.layout.cells:
            return f"c{place}"
        told = f"regexp_matches(c{self.layout.cells[rule.named_in]}, {_text(rule.pattern)}, 'i')"
        return f"CASE WHEN {told} THEN NULL ELSE c{place} END"

    def _unheaded(self) -> str:
        """Whether a value stands under no header."""
        parts = [f"nullif(c{i}, '') IS NOT NULL" for i in self.layout.unnamed]
        return " OR ".join(parts) or "FALSE"

    def _typed(self) -> Iterator[str]:
        for f in self._present():
            yield f"{_q('raw ' + f.name)}"
            yield f"{self._cast(f)} AS {_q('typed ' + f.name)}"

    def _present(self) -> tuple[Field, ...]:
        own = tuple(f for f in self.own if f.name in self.layout.cells)
        return (*own, *(f for f, _ in self.layout.extra))

    def _cast(self, f: Field) -> str:
        raw = _q("raw " + f.name)
        rules = self.files.text
        clock = self._clock(f.name)
        if clock is not None:
            return _clock_cast(_said(raw, rules), clock)
        if f.type == "text":
            return raw
        value = _said(raw, rules)
        if f.type == "date":
            return _day_cast(value, self._day_shapes(f.name))
        if f.name in rules.percent:
            value = f"rtrim(rtrim({value}, '%'))"
        number = _number(value, rules)
        return number if f.type == "number" else f"{number}"

    def _clock(self, name: str) -> Clock | None:
        return next((clock for clock in self.files.clocks if clock.column == name), None)

    def _day_shapes(self, name: str) -> tuple[DayShape, ...]:
        for rule in self.files.dates:
            if (not rule.columns or name in rule.columns) and any(
                re.fullmatch(rule.resources, n) for n in self.resource
            ):
                return rule.shapes
        raise ValueError(f"{self.dataset.code}: no rule for the dates in {name}")

    def _outputs(self) -> Iterator[str]:
        for f in self.dataset.fields:
            yield f"{self._output(f)} AS {_q(f.name)}"
        for f, _ in self.layout.extra:
            yield f"{self._stored(f)} AS {_q(f.name)}"

    def _output(self, f: Field) -> str:
        if f.origin == "row":
            return self._stored(f) if f.name in self.layout.cells else f"CAST(NULL AS {_STORED[f.type]})"
        if f.name == "day":
            return self._day()
        if f.name == "issue_utc":
            return self._issue()
        # What only the whole file can tell is put in later.
        return {"utc_fold": "CAST(0 AS BIGINT)", "repeat": "CAST(1 AS BIGINT)"}.get(f.name, f.name)

    def _stored(self, f: Field) -> str:
        value = _q("typed " + f.name)
        if f.type == "integer":
            whole = f"{value} = floor({value}) AND abs({value}) < {EXACT_INTEGER}"
            return f"CASE WHEN {whole} THEN CAST({value} AS BIGINT) END"
        if f.type == "number":
            return f"CASE WHEN isfinite({value}) THEN {value} END"
        if f.type == "text" and self._clock(f.name) is not None:
            return _shown(value)
        return value

    def _day(self) -> str:
        if isinstance(self.files.interval, RangeInterval) and self.files.day_of == self.files.interval.column:
            return "label_day"
        return f"CAST({_q('typed ' + str(self.files.day_of))} AS DATE)"

    def _issue(self) -> str:
        if self.issue_column is None:
            if self.issued is None:
                return "CAST(NULL AS TIMESTAMP)"
            return f"TIMESTAMP '{self.issued:%Y-%m-%d %H:%M:%S.%f}'"
        value = _q("typed " + self.issue_column)
        clock = self._clock(self.issue_column)
        if clock is None:
            return _earlier(f"CAST({value} AS TIMESTAMP)")
        if clock.zone != "local":
            return value
        told = f"coalesce({_earlier(value)}, {value})"
        if clock.utc_since is None:
            return told
        return f"CASE WHEN {value} >= TIMESTAMP '{clock.utc_since:%Y-%m-%d}' THEN {value} ELSE {told} END"

    def _doubt(self) -> tuple[str, str]:
        if any(f.name == "utc_fold" for f in self.dataset.fields) or self._local_interval():
            return f"coalesce(doubtful, FALSE) AS {DOUBTFUL}", f"by_period AS {BY_PERIOD}"
        return f"FALSE AS {DOUBTFUL}", f"CAST(NULL AS INTEGER) AS {BY_PERIOD}"

    def _local_interval(self) -> bool:
        return self.files.interval is not None and not isinstance(self.files.interval, SettlementInterval)

    def _reason(self) -> str:
        """SQL text giving the first reason why a row cannot be stored, or null."""
        faults = [("cells", "'a value stands under no header'")]
        faults += [fault for f in self._present() for fault in self._faults(f)]
        faults += [
            (f"{self._output(f)} IS NULL", f"'{_e(self.layout.headers.get(f.name, f.name))} is missing'")
            for f in self.dataset.fields
            if not f.nullable and f.name not in ("utc_fold", "repeat")
        ]
        return "CASE " + " ".join(f"WHEN {condition} THEN {text}" for condition, text in faults) + " END"

    def _faults(self, f: Field) -> Iterator[tuple[str, str]]:
        clock = self._clock(f.name)
        if f.type == "text" and clock is None:
            return
        raw, typed = _said(_q("raw " + f.name), self.files.text), self._stored(f)
        kind = "a date and time" if clock else {"date": "a date", "integer": "a whole number"}.get(f.type, "a number")
        name = _e(self.layout.headers.get(f.name, f.aliases[0] if f.aliases else f.name))
        yield (
            f"{_q('raw ' + f.name)} IS NOT NULL AND {raw} IS NOT NULL AND {typed} IS NULL",
            f"'{name} is not {kind}: ' || left({_q('raw ' + f.name)}, 80)",
        )


def _said(raw: str, rules: TextRules) -> str:
    """A cell, null where its text says that there is no value."""
    if not rules.nulls:
        return raw
    return f"CASE WHEN {raw} NOT IN ({', '.join(_text(t) for t in rules.nulls)}) THEN {raw} END"


def _number(value: str, rules: TextRules) -> str:
    plain = f"CASE WHEN NOT contains({value}, '_') THEN TRY_CAST({value} AS DOUBLE) END"
    if not rules.thousands:
        return plain
    joined = f"TRY_CAST(replace({value}, ',', '') AS DOUBLE)"
    commas = f"contains({value}, ',')"
    whole = f"CASE WHEN regexp_full_match({value}, '{_THOUSANDS}') THEN {joined} END"
    return f"CASE WHEN {commas} THEN {whole} ELSE {plain} END"


def _by_shape(value: str, shapes: Iterator[tuple[str, str]]) -> str:
    tried = " ".join(
        f"WHEN regexp_full_match({value}, '{pattern}') THEN {read.format(v=value)}" for pattern, read in shapes
    )
    return f"CASE {tried} END"


def _day_cast(value: str, shapes: Sequence[DayShape]) -> str:
    """A date by the shapes that it may have; the most common one is read without a pattern."""
    tried = _by_shape(value, (_DAY[shape] for shape in shapes))
    if "iso" not in shapes and "iso_time" not in shapes:
        return tried
    return (
        f"CASE WHEN strlen({value}) = 10 AND {value} LIKE '____-__-__' THEN TRY_CAST({value} AS DATE) ELSE {tried} END"
    )


def _clock_cast(value: str, clock: Clock) -> str:
    """A label as a timestamp: in UTC an offset counts, elsewhere what stands behind the time does not."""
    face = _by_shape(value, (_CLOCK[shape] for shape in clock.shapes))
    if clock.zone == "utc":
        moved = f"TRY_CAST({value} AS TIMESTAMPTZ)::TIMESTAMP"
        face = f"CASE WHEN regexp_matches({value}, ':\\d{{2}}.*{_OFFSET}') THEN {moved} ELSE {face} END"
    if "iso" not in clock.shapes:
        return face
    # The common form, 2026-01-31T10:30:00, is told by its length and read without a pattern: five times as fast.
    common = f"strlen({value}) = 19 AND {value} LIKE '____-__-_____:__:__'"
    return f"CASE WHEN {common} THEN TRY_CAST({value} AS TIMESTAMP) ELSE {face} END"


def _shown(value: str) -> str:
    """A label's one form; fractions of a second stay where there are any."""
    return f"rtrim(rtrim(strftime({value}, '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.')"


def variables() -> Iterator[str]:
    """Statements that every connection needs once: the instants at which summer time begins and ends, by year."""
    spans = calendar.summer_time_spans(FIRST_YEAR, LAST_YEAR)
    for name, instants in zip(("springs", "autumns"), zip(*spans, strict=True), strict=True):
        shown = ", ".join(f"TIMESTAMP '{instant:%Y-%m-%d %H:%M}'" for instant in instants)
        yield f"SET VARIABLE {name} = [{shown}]"


def _spring(face: str) -> str:
    return f"getvariable('springs')[year({face}) - {FIRST_YEAR - 1}]"


def _autumn(face: str) -> str:
    return f"getvariable('autumns')[year({face}) - {FIRST_YEAR - 1}]"


_HOUR = "INTERVAL 1 HOUR"


def _earlier(face: str) -> str:
    """The UTC instant of a local time, the earlier one where there are two; null where there is none."""
    spring, autumn = _spring(face), _autumn(face)
    return (
        f"CASE WHEN {face} < {spring} OR {face} >= {autumn} + {_HOUR} THEN {face} "
        f"WHEN {face} >= {spring} + {_HOUR} THEN {face} - {_HOUR} END"
    )


def _earlier_end(face: str) -> str:
    """The same for the end of an interval, for which the limits of the hours count the other way."""
    spring, autumn = _spring(face), _autumn(face)
    return (
        f"CASE WHEN {face} <= {spring} OR {face} > {autumn} + {_HOUR} THEN {face} "
        f"WHEN {face} >= {spring} + {_HOUR} THEN {face} - {_HOUR} END"
    )


def _twice(face: str) -> str:
    """Whether the clock shows a time twice, read as the start of an interval."""
    return f"{face} >= {_autumn(face)} AND {face} < {_autumn(face)} + {_HOUR}"


def _twice_end(face: str) -> str:
    return f"{face} >= {_autumn(face)} AND {face} <= {_autumn(face)} + {_HOUR}"


def _faces(caster: Caster) -> Iterator[str]:
    """``face_start`` and ``face_end``, the labels as times of their clock; ``unread`` where they cannot be told."""
    rule = caster.files.interval
    start = end = "CAST(NULL AS TIMESTAMP)"
    unread = "FALSE"
    if isinstance(rule, SettlementInterval):
        start = f"CAST({_typed_name(rule.day)} AS TIMESTAMP)"
    elif isinstance(rule, LabelInterval):
        start = _typed_name(rule.column)
    elif isinstance(rule, PairInterval):
        start = _typed_name(rule.start)
        end = _typed_name(rule.end) if rule.end is not None and rule.end in caster.layout.cells else end
    elif isinstance(rule, TimesInterval):
        start, end, unread = _times(rule, caster)
    elif isinstance(rule, RangeInterval):
        start, end, unread = _range(rule)
        yield f"{_range_day(rule)} AS label_day"
    yield f"{start} AS face_start"
    yield f"{end} AS face_end"
    yield f"{unread} AS unread"


def _interval(caster: Caster) -> Iterator[str]:
    """``start_utc``, ``end_utc``, ``utc_note``, ``doubtful`` and ``by_period`` of the entry's rule."""
    rule = caster.files.interval
    if isinstance(rule, SettlementInterval):
        yield from _settlement(rule)
    elif isinstance(rule, LabelInterval):
        yield from _label(rule, caster.files)
    elif isinstance(rule, PairInterval):
        yield from _edges(_zone_of(rule.start, caster.files))
    elif rule is not None:
        yield from _edges(rule.zone)


def _typed_name(name: str) -> str:
    return _q("typed " + name)


def _settlement(rule: SettlementInterval) -> Iterator[str]:
    period, day = _typed_name(rule.period), "CAST(face_start AS DATE)"
    periods = (
        f"CASE WHEN {day} = CAST({_spring('face_start')} AS DATE) THEN 46 "
        f"WHEN {day} = CAST({_autumn('face_start')} AS DATE) THEN 50 ELSE 48 END"
    )
    known = f"{period} = floor({period}) AND {period} BETWEEN 1 AND {periods}"
    start = f"CASE WHEN {known} THEN {_earlier('face_start')} + to_minutes(CAST(30 * ({period} - 1) AS BIGINT)) END"
    yield f"{start} AS start_utc"
    yield f"{start} + INTERVAL 30 MINUTE AS end_utc"
    yield f"CASE WHEN {start} IS NULL THEN {_text(NOTE_PERIOD)} END AS utc_note"


def _label(rule: LabelInterval, files: Files) -> Iterator[str]:
    face, length = "face_start", f"INTERVAL {rule.minutes} MINUTE"
    local = _zone_of(rule.column, files) == "local"
    read, twice = (_earlier, _twice) if rule.edge == "start" else (_earlier_end, _twice_end)
    at = f"({read(face)})" if local else face
    start = at if rule.edge == "start" else f"{at} - {length}"
    yield f"{start} AS start_utc"
    yield f"{at if rule.edge == 'end' else f'{at} + {length}'} AS end_utc"
    if not local:
        yield _TOLD
        return
    yield f"CASE WHEN {at} IS NULL AND {face} IS NOT NULL THEN {_text(NOTE_GAP)} END AS utc_note"
    yield f"{twice(face)} AS doubtful"
    yield f"{_by_period(rule, start)} AS by_period"


_TOLD = "CAST(NULL AS VARCHAR) AS utc_note, FALSE AS doubtful, CAST(NULL AS INTEGER) AS by_period"
"""Where labels are UTC there is nothing to say."""


def _by_period(rule: LabelInterval, start: str) -> str:
    """What the settlement period says of a label that the clock shows twice."""
    if rule.period is None:
        return "CAST(NULL AS INTEGER)"
    # On that night the day begins in summer time, an hour before midnight UTC.
    begins = f"(CAST(CAST({_autumn('face_start')} AS DATE) AS TIMESTAMP) - {_HOUR})"
    first = f"(date_diff('minute', {begins}, {start}) // 30 + 1)"
    period = _typed_name(rule.period)
    return f"CASE WHEN {period} = {first} THEN 0 WHEN {period} = {first} + 2 THEN 1 END"


def _zone_of(column: str, files: Files) -> Zone:
    return next(clock.zone for clock in files.clocks if clock.column == column)


def _edges(zone: Zone) -> Iterator[str]:
    """Both edges from two faces of one clock; an end in doubt goes with a start in doubt, or is null."""
    start, end = "face_start", "face_end"
    if zone != "local":
        yield f"{start} AS start_utc"
        yield f"{end} AS end_utc"
        yield f"CASE WHEN unread THEN {_text(NOTE_UNREAD)} END AS utc_note"
        yield "FALSE AS doubtful"
        yield "CAST(NULL AS INTEGER) AS by_period"
        return
    first, last = f"({_earlier(start)})", f"({_earlier_end(end)})"
    alone = f"(({_twice_end(end)}) AND {start} < {_autumn(end)})"
    yield f"{first} AS start_utc"
    yield f"CASE WHEN NOT {alone} THEN {last} END AS end_utc"
    yield (
        f"CASE WHEN unread THEN {_text(NOTE_UNREAD)} "
        f"WHEN {start} IS NOT NULL AND {first} IS NULL THEN {_text(NOTE_GAP)} "
        f"WHEN {alone} THEN {_text(NOTE_DOUBT)} "
        f"WHEN {end} IS NOT NULL AND {last} IS NULL THEN {_text(NOTE_GAP)} END AS utc_note"
    )
    yield f"{_twice(start)} AS doubtful"
    yield "CAST(NULL AS INTEGER) AS by_period"


def _minutes(column: str, caster: Caster) -> str:
    """Minutes of the day that a cell with a time of day says; null where it cannot be read."""
    value = _typed_name(column)
    if caster.dataset.table.by_name[column].type != "integer":
        return _clock_minutes(value)
    number = f"CAST({value} AS BIGINT)"
    known = f"{value} BETWEEN 0 AND 2400 AND {value} = floor({value}) AND {number} % 100 < 60"
    return f"CASE WHEN {known} THEN {number} // 100 * 60 + {number} % 100 END"


def _clock_minutes(value: str) -> str:
    hours, minutes = (f"CAST(split_part({value}, ':', {part}) AS BIGINT)" for part in (1, 2))
    return (
        f"CASE WHEN regexp_full_match({value}, '([01]?\\d|2[0-3]):[0-5]\\d(:00)?|24:00(:00)?') "
        f"THEN {hours} * 60 + {minutes} END"
    )


def _at(day: str, minutes: str) -> str:
    return f"(CAST({day} AS TIMESTAMP) + to_minutes({minutes}))"


def _times(rule: TimesInterval, caster: Caster) -> tuple[str, str, str]:
    day = _typed_name(rule.day)
    first, last = f"({_minutes(rule.start, caster)})", f"({_minutes(rule.end, caster)})"
    later = f"{last} + CASE WHEN {last} < {first} THEN 1440 ELSE 0 END"
    return _at(day, first), _at(day, later), f"{first} IS NULL"


_RANGE = (
    r"((\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4})[T ,]*)?(\d{1,2}:\d{2})(?::00)? *(?:-|–|to) *"
    r"((\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4}) )?(\d{1,2}:\d{2})(?::00)?"
)
"""Day and hours: the day is group 2, the hours are groups 3 and 6."""


def _range_day(rule: RangeInterval) -> str:
    """The day of a range: a column's, or the one in front of the hours."""
    if rule.day is not None:
        return _typed_name(rule.day)
    shown = f"regexp_extract({_typed_name(rule.column)}, '^{_RANGE}$', 2)"
    return _by_shape(shown, (_DAY[shape] for shape in ("iso", "slash")))


def _range(rule: RangeInterval) -> tuple[str, str, str]:
    text, day = _typed_name(rule.column), f"({_range_day(rule)})"
    hours = (f"regexp_extract({text}, '^{_RANGE}$', {group})" for group in (3, 6))
    first, last = (f"({_clock_minutes(hour)})" for hour in hours)
    begins = first
    if rule.european_day:
        face = f"CAST({day} AS TIMESTAMP)"
        # The day begins at 23:00 UTC of the evening before, in summer at 22:00; clocks change together with London's.
        summer = f"{face} >= {_spring(face)} AND {face} < {_autumn(face)}"
        evening = f"CASE WHEN {summer} THEN 1320 ELSE 1380 END"
        begins = f"({first} - CASE WHEN {first} >= {evening} THEN 1440 ELSE 0 END)"
    length = f"(({last} - {first} + 1440) % 1440)"
    span = f"CASE WHEN {length} = 0 THEN 1440 ELSE {length} END"
    return _at(day, begins), _at(day, f"{begins} + {span}"), f"{first} IS NULL OR {last} IS NULL"


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _e(text: str) -> str:
    return text.replace("'", "''")


def _text(text: str) -> str:
    return f"'{_e(text)}'"
