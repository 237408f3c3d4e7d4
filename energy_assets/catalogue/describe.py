"""A catalogue entry in words and as plain values, for the documentation page, the command line and whoever reads JSON.

Only wording belongs here; the facts are the entry's.
"""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date, timedelta
from typing import cast

from energy_assets.catalogue.model import (
    Dataset,
    Files,
    IntervalRule,
    Issue,
    LabelInterval,
    Lag,
    OrderBy,
    PairInterval,
    RangeInterval,
    SettlementInterval,
    TimesInterval,
    WindowCheck,
)

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
"""What JSON can hold."""

_MINUTES_PER_HOUR = 60
_MINUTES_PER_DAY = 1440

REVISIONS = {
    "vintage": "every publication is kept",
    "revised_in_place": "the newest value replaces, the former goes to history",
    "document_revision": "every revision is kept",
    "event_log": "rows are added only",
    "immutable": "never changes",
}
"""Revision rules in words."""


def facts(dataset: Dataset) -> list[tuple[str, str]]:
    """What is worth knowing about an entry, as label and text, most important first; empty facts are left out."""
    table, timing = dataset.table, dataset.timing
    rows = [
        ("Table", f"`{table.name}`"),
        ("Key", _columns(table.event_key)),
        ("Versions", _columns(table.version_columns)),
        ("Current", "greatest " + ", then ".join(_order(o) for o in table.latest_order) if table.latest_order else ""),
        ("Where null", ", ".join(f"`{b}` stands in for `{a}`" for a, b in table.key_fallback)),
        ("Replaced whole within", _columns(table.replace_scope)),
        ("Revisions", REVISIONS[dataset.revision]),
        ("A row belongs to", _storage(dataset)),
        *(_asked(dataset) if dataset.files is None else file_facts(dataset.files)),
        ("Published", f"{timing.cadence} ({timing.standing})"),
        ("Asked again", _asking(dataset) if dataset.files is None else ""),
        ("An empty answer", _empty(dataset)),
        ("Begins", f"{dataset.begins:%Y-%m-%d}"),
        ("Rows a day", f"about {dataset.rows_per_day:,}" if dataset.rows_per_day else ""),
        ("Profiles", ", ".join(dataset.profiles)),
        ("IRIS", dataset.iris_stream or ""),
        ("Formerly", dataset.legacy_code or ""),
        ("Left out", _columns(dataset.ignored)),
        ("Proof", dataset.proof),
    ]
    return [(label, text) for label, text in rows if text]


def _asked(dataset: Dataset) -> list[tuple[str, str]]:
    return [
        ("Asked by", _request(dataset)),
        ("Windows", window_text(dataset)),
        ("Limit", dataset.query.limit),
        ("Shown in the window by", _check(dataset.check)),
    ]


FILE_KINDS = {
    "history": "rows of their own days",
    "forecast": "one issue of a forecast",
    "register": "a snapshot, with the other files of the family; stored when it has changed",
}
"""What a file is, in words."""

_WAYS = {"file": "files", "datastore": "tables without a file", "both": "files, and tables without one"}


def _personal_rows(files: Files) -> str:
    rule = files.personal_rows
    return f"{_columns(rule.columns)} where `{rule.named_in}` names a contact" if rule is not None else ""


def file_facts(files: Files) -> list[tuple[str, str]]:
    """What is worth knowing about a family of files, as label and text; empty facts are left out."""
    rows = [
        ("Package", f"`{files.package}`"),
        ("Resources", f"`{files.resources}` ({_WAYS[files.way]})"),
        ("A file is", FILE_KINDS[files.kind]),
        ("Issued", ", else ".join(_issue(issue) for issue in files.issue)),
        ("Start and end from", _interval(files.interval)),
        ("Some files lack", _columns(files.optional)),
        ("Left out unless asked for", _columns(tuple(f.name for f in files.personal))),
        ("Left empty unless asked for", _personal_rows(files)),
        ("Columns that come and go", f"headers like `{files.grows}`" if files.grows else ""),
        ("Looked at", f"every {minutes_text(files.probe_minutes)} where the portal does not say when it changed"),
    ]
    return [(label, text) for label, text in rows if text]


def _issue(issue: Issue) -> str:
    if issue.way == "column":
        return f"`{issue.column}`"
    return {
        "file_name": "the time in the file's name",
        "resource_name": "the month in the resource's name",
        "last_modified": "when the portal says that the file changed",
    }[issue.way]


def _interval(rule: IntervalRule | None) -> str:
    if isinstance(rule, SettlementInterval):
        return f"settlement day `{rule.day}` and period `{rule.period}`"
    if isinstance(rule, LabelInterval):
        return f"`{rule.column}`, the {rule.edge} of {minutes_text(rule.minutes)}"
    if isinstance(rule, PairInterval):
        return f"`{rule.start}`" + (f" and `{rule.end}`" if rule.end else "")
    if isinstance(rule, TimesInterval):
        clock = "UTC" if rule.zone == "utc" else "the local clock"
        return f"`{rule.day}` with `{rule.start}` and `{rule.end}`, {clock}"
    if isinstance(rule, RangeInterval):
        clock = "UTC" if rule.zone == "utc" else "the local clock"
        return (f"`{rule.day}` and " if rule.day else "") + f"the hours in `{rule.column}`, {clock}"
    return ""


def window_text(dataset: Dataset) -> str:
    """Smallest and largest window in words: ``2 to 4 settlement periods``."""
    query = dataset.query
    if query.unit == "snapshot":
        return "the whole register"
    if query.unit == "instant":
        least, most = minutes_text(query.atom), minutes_text(query.most)
    elif query.unit == "day":
        least, most = _count(query.atom, "day"), _count(query.most, "day")
    else:
        least, most = _periods(query.atom), _periods(query.most)
    return least if least == most else f"{least} to {most}"


def minutes_text(minutes: int) -> str:
    """A length of time in its largest whole unit."""
    if minutes % _MINUTES_PER_DAY == 0 and minutes:
        return _count(minutes // _MINUTES_PER_DAY, "day")
    if minutes % _MINUTES_PER_HOUR == 0 and minutes:
        return _count(minutes // _MINUTES_PER_HOUR, "hour")
    return _count(minutes, "minute")


def lag_text(lag: Lag) -> str:
    """A lag in words: ``2 working days after the II run``, ``6 hours after the window``, ``the window's end``."""
    start = f"the {lag.run} run" if lag.run else ""
    lengths = [
        _count(lag.working_days, "working day") if lag.working_days else "",
        minutes_text(lag.minutes) if lag.minutes else "",
    ]
    length = " and ".join(part for part in lengths if part)
    if not length:
        return start or "the window's end"
    return f"{length} after {start or ('the day' if lag.working_days else 'the window')}"


def as_plain(dataset: Dataset) -> dict[str, Plain]:
    """The whole entry as plain values, with its derived names."""
    whole = cast("dict[str, Plain]", _plain(dataset))
    natural_key: list[Plain] = list(dataset.table.natural_key)
    return {"name": dataset.name, "natural_key": natural_key, **whole}


def _plain(value: object) -> Plain:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclass_fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return cast("Plain", value)


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _periods(number: int) -> str:
    return "1 day" if number == 50 else _count(number, "settlement period")


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _order(by: OrderBy) -> str:
    return f"`{by.column}`" + (f" ({' < '.join(by.ranks)})" if by.ranks else "")


def _storage(dataset: Dataset) -> str:
    axis = dataset.table.storage
    text = {
        "date": f"the settlement day `{axis.column}`",
        "instant": f"the London day of `{axis.column}`",
        "snapshot": "the day on which it was read",
    }[axis.kind]
    return f"{text}. {axis.reason}" if axis.reason else text


def _request(dataset: Dataset) -> str:
    query = dataset.query
    names = dict.fromkeys(name for name, _ in query.params)
    text = f"`{query.path}`"
    if names:
        text += " with " + ", ".join(f"`{name}`" for name in names)
    if any(query.reach):
        before, after = query.reach
        parts = [f"{minutes_text(m)} {side} the day" for m, side in ((before, "before"), (after, "after")) if m]
        text += f"; its rows are looked for until {' and '.join(parts)}"
    return text


def _check(check: WindowCheck) -> str:
    if check.kind == "none":
        return ""
    text = f"`{check.column}`" + (f", `{check.period_column}`" if check.period_column else "")
    if check.before or check.after:
        text += f" (up to {check.before.days} days before, {check.after.days} after)"
    return f"{text}. {check.reason}" if check.reason else text


def _asking(dataset: Dataset) -> str:
    timing = dataset.timing
    first = f"not before {lag_text(timing.available)}; " if timing.available != Lag() else ""
    text = f"{first}every {minutes_text(timing.poll_minutes)} until {lag_text(timing.settled)}"
    if timing.rereads:
        text += "; once more " + ", ".join(lag_text(lag) for lag in timing.rereads)
    return text


def _empty(dataset: Dataset) -> str:
    if dataset.files is not None:
        return "is a file with nothing but its header, and honest"
    return "means nothing happened" if dataset.empty == "silent" else "is suspect once data are due"
