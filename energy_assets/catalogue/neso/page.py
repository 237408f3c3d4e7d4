"""The page ``docs/neso.md``, made from the catalogue.

Only the page's layout and what is said about the portal as a whole belong here; wording of a single entry is in
``describe``, facts are in the entries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from energy_assets.catalogue import neso
from energy_assets.catalogue.describe import FILE_KINDS, facts
from energy_assets.catalogue.model import Dataset, Field
from energy_assets.catalogue.neso.build import LICENCE
from energy_assets.catalogue.neso.fields import DERIVED, VOCABULARY

PAGE = "docs/neso.md"
"""Where the page is kept, below the repository's root."""

_LINES = (
    ("Package", "Resources"),
    ("Key", "Versions", "Current", "A row belongs to"),
    ("A file is", "Issued", "Start and end from"),
    ("Some files lack", "Columns that come and go", "Left out unless asked for"),
    ("Looked at", "Begins", "Rows a day", "Profiles"),
)
"""The lines of an entry: facts that are read together. What the group's table shows is not repeated."""


def page() -> str:
    """The whole page as Markdown, ending in a newline."""
    groups = list(dict.fromkeys(d.group for d in neso.ENTRIES))
    parts = [_opening(groups), _left_out()]
    parts += [_group(name, [d for d in neso.ENTRIES if d.group == name]) for name in groups]
    parts.append(_vocabulary())
    return "\n\n".join(parts) + "\n"


def _opening(groups: Sequence[str]) -> str:
    packages = {d.query.path for d in neso.ENTRIES}
    kinds = Counter(str(d.files.kind) for d in neso.ENTRIES if d.files is not None)
    counts = Counter(d.group for d in neso.ENTRIES)
    rows = [(f"[{_heading(name)}](#{_anchor(name)})", str(counts[name])) for name in groups]
    derived = [(f"`{f.name}`", f.type, f.meaning) for f in DERIVED.values()]
    return "\n\n".join(
        (
            "# NESO data portal",
            LICENCE,
            "Made from the catalogue by `energy-assets catalogue docs`; a test fails when it is not current. "
            "`energy-assets catalogue show neso/historic_demand` prints one entry with the meaning of every column.",
            f"{len(neso.ENTRIES)} families of {len(packages)} packages. A family is what has the same columns: "
            "files by year, month or issue, live and archived. It is one asset (`neso/<family>`) and one table "
            "(`neso_<family>`). Files are found by package and name of the resource, so next year's file belongs to "
            "its family without a release.",
            _table(("portal group", "families"), rows),
            "**A file is** "
            + "; ".join(f"*{kind}* ({kinds[kind]}), {text}" for kind, text in FILE_KINDS.items())
            + ".",
            "**Headers** are compared exactly; each column has all spellings that it has had. A column that is "
            "unknown, missing without being optional, or there twice refuses the whole file, which is kept as it came. "
            "Columns are named by the header in snake case.",
            "**Cells**: blanks around them and rows without any value are dropped. In columns of numbers, dates and "
            "times `NA`, `N/A` and `-` are no value, and numbers may have commas between thousands. Dates with slashes "
            "have the day first. Zeros in front of an identifier stay. A cell that is not what its column says puts "
            "the row into `_quarantine`; with more than one row in a hundred of those the file is refused.",
            "**Labels** are kept as they came where their clock is local or not stated, in the one form "
            "`2026-01-31T10:30:00`. Where they can be told, `start_utc` and `end_utc` say the same in UTC. Where they "
            "cannot (a period that the day does not have, an hour that the clock shows twice), these are null, "
            "`utc_note` says why, and the row stays: its value is the provider's word.",
            _table(("column that is derived", "type", "meaning"), derived),
            "**Persons**: columns with telephone numbers and e-mail addresses are not stored unless a setting asks for "
            "them, nor are they shown in `_quarantine`.",
        )
    )


def _left_out() -> str:
    rows = [
        (f"`{left.package}`", f"`{left.resources}`" if left.resources else "all", left.reason) for left in neso.LEFT_OUT
    ]
    return "\n\n".join(("## What is left out", _table(("package", "resources", "reason"), rows)))


def _group(name: str, members: Sequence[Dataset]) -> str:
    rows = [
        (f"[{d.alias}](#{d.alias})", d.title, d.files.kind if d.files else "", d.timing.cadence, d.proof)
        for d in members
    ]
    head = ("family", "title", "kind", "published", "proof")
    return "\n\n".join((f"## {_heading(name)}", _table(head, rows), *(_entry(d) for d in members)))


def _entry(dataset: Dataset) -> str:
    known = dict(facts(dataset))
    lines = ["; ".join(f"**{label}** {known[label]}" for label in line if label in known) for line in _LINES]
    lines.append("**Columns** " + ", ".join(_column(f) for f in dataset.fields))
    if dataset.notes:
        lines.append("**Mind** " + " ".join(dataset.notes))
    if dataset.unsure:
        lines.append("**Not established** " + " ".join(dataset.unsure))
    about = f"{dataset.description} [Provider's page]({dataset.docs_url})"
    return "\n\n".join((f"### {dataset.alias}", about, "\n".join(f"- {line}" for line in lines if line)))


def _vocabulary() -> str:
    used: dict[str, list[tuple[str, Field]]] = {}
    for dataset in neso.ENTRIES:
        for f in dataset.fields:
            if f.origin == "row":
                used.setdefault(f.name, []).append((str(dataset.alias), f))
    rows = []
    for name in sorted(used):
        common = VOCABULARY.get(name)
        if common is not None and any(f.meaning == common.meaning for _, f in used[name]):
            rows.append((f"`{name}`", common.type, common.unit or "", common.meaning))
        special = [(alias, f) for alias, f in used[name] if common is None or f.meaning != common.meaning]
        for text in dict.fromkeys(f.meaning for _, f in special):
            those = [(alias, f) for alias, f in special if f.meaning == text]
            first = those[0][1]
            rows.append((f"`{name}` in {', '.join(a for a, _ in those)}", first.type, first.unit or "", text))
    words = "What a name means in every family that has it. Numbers are IEEE doubles."
    return "\n\n".join(("## Columns", words, _table(("column", "type", "unit", "meaning"), rows)))


def _column(field: Field) -> str:
    return f"`{field.name}`" + (f" ({field.unit})" if field.unit else "")


def _heading(group: str) -> str:
    return group.rstrip("1").replace("_", " ").capitalize()


def _anchor(group: str) -> str:
    return _heading(group).lower().replace(" ", "-")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
