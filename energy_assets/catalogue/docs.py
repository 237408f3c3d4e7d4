"""The page ``docs/datasets.md``, made from the catalogue.

Only the page's layout and what is said about the catalogue as a whole belong here; wording of a single entry is in
``describe``, facts are in the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from energy_assets.catalogue import datasets
from energy_assets.catalogue.bmrs.build import LICENCE
from energy_assets.catalogue.derived import TABLES
from energy_assets.catalogue.describe import REVISIONS, facts, window_text
from energy_assets.catalogue.fields import VOCABULARY
from energy_assets.catalogue.model import Dataset, Field, Table

PAGE = "docs/datasets.md"
"""Where the page is kept, below the repository's root."""

_LINES = (
    ("Key", "Versions", "Where null", "Current", "Replaced whole within"),
    ("A row belongs to",),
    ("Asked by", "Windows", "Limit", "Shown in the window by", "Left out"),
    ("Asked again", "An empty answer"),
    ("Begins", "Rows a day", "IRIS", "Formerly", "Profiles"),
)
"""The lines of an entry: facts that are read together. What the group's table shows is not repeated."""

_PROOFS = (
    ("recorded", "answers recorded by others were read, and the entry agrees with them"),
    ("specified", "taken from the provider's specification"),
    ("inferred", "pieced together from what others have observed"),
)

_NOT_ASSETS = (
    ("`/balancing/acceptances*`", "BOALF"),
    ("`/balancing/bid-offer*`", "BOD, without pairs whose levels are both zero"),
    ("`/balancing/physical*`", "PN, QPN, MELS, MILS"),
    ("`/balancing/dynamic*`", "the dynamic parameters"),
    ("`/balancing/nonbm/*`", "DISBSAD, NETBSAD, NONBM, QAS"),
    ("`/balancing/pricing/market-index`", "MID"),
    ("`/balancing/settlement/default-notices`, `/CDN`", "CDN"),
    ("`/balancing/settlement/summary/*`", "ISPSTACK, DISEBSP, MID, NETBSAD"),
    ("`/balancing/settlement/market-depth/*`", "IMBALNGC, BOD, DISEBSP, DISPTAV"),
    ("`/balancing/settlement/acceptances/*`", "ISPSTACK, BOALF, BOD"),
    ("`/demand/actual/total`, `/demand/total/actual`", "ATL"),
    ("`/demand/outturn`, `/demand/outturn/daily`", "INDO, ITSDO, INDOD, whose streams the catalogue does use"),
    ("`/demand`, `/demand/stream`, `/demand/summary`, `/demand/outturn/summary`", "INDO, FUELINST"),
    ("`/demand/rollingSystemDemand`, `/generation/outturn*`", "FUELINST, FUELHH, partly thinned out"),
    ("`/demand/peak*` but for the settlement view", "S0142, ITSDO, FUELHH"),
    ("`/demand/by-restoration-zone/*`", "RZDR"),
    ("`/forecast/availability/*`", "FOU2T14D, FOU2T3YW, NOU2*, UOU2*"),
    ("`/forecast/demand/*`", "NDF, TSDF, NDFD, TSDFD, NDFW, TSDFW, DATL, WATL"),
    ("`/forecast/generation/*`", "WINDFOR, DAG, DGWS"),
    ("`/forecast/indicated/*`", "INDDEM, INDGEN, IMBALNGC, MELNGC"),
    ("`/forecast/margin/*`, `/forecast/surplus/*`", "OCNMF*; the weekly history is used for OCNMFW and OCNMFW2"),
    ("`/forecast/system/loss-of-load`, `/lolpdrm/forecast/evolution`", "LOLPDRM"),
    ("`/generation/actual/per-type*`", "AGPT, AGWS"),
    ("`/remit*`, `/interop/*`", "REMIT, most of them without earlier revisions"),
    ("`/reference/bmunits`", "BMUNITS"),
    ("`/soso/prices`", "SOSO"),
    ("`/system/*`", "FREQ, DCI, SYSWARN"),
    ("`/temperature`", "TEMP"),
)
"""Endpoints that only re-cut datasets, with the datasets they are cut from."""


def page() -> str:
    """The whole page as Markdown, ending in a newline."""
    everything = datasets("bmrs")
    parts = [_opening(everything), _not_assets()]
    parts += [_group(name, tuple(members)) for name, members in groupby(everything, key=lambda d: d.group)]
    parts += [_derived(), _pushed(), _vocabulary(everything)]
    return "\n\n".join(parts) + "\n"


def _opening(everything: Sequence[Dataset]) -> str:
    groups = [(name, tuple(members)) for name, members in groupby(everything, key=lambda d: d.group)]
    proved = {proof: sum(d.proof == proof for d in everything) for proof, _ in _PROOFS}
    rows = [(f"[{_heading(name)}](#{_group_anchor(name)})", str(len(m)), _codes(m)) for name, m in groups]
    return "\n\n".join(
        (
            "# Datasets",
            LICENCE,
            "Made from the catalogue by `energy-assets catalogue docs`; a test fails when it is not current. "
            "`energy-assets catalogue show CODE` prints one entry with the meaning of every column.",
            f"{len(everything)} datasets of Elexon's BMRS, each one asset (`bmrs/<code>`) and one table "
            "(`bmrs_<code>`), in lower case.",
            _table(("group", "datasets", "codes"), rows),
            "**A row belongs to** one settlement day, a Europe/London calendar day, kept in `_partition_day`. "
            "Facts belong to the day of the event, publications to the day on which they were published. "
            "Times are UTC; intervals include their start and exclude their end.",
            "**Revisions**: " + "; ".join(f"*{name}*, {text}" for name, text in REVISIONS.items()) + ".",
            "**Windows** are the smallest piece for which it is recorded that it was read, and the most that one "
            "request asks for. A limit that the provider names in an answer is obeyed, whatever stands here.",
            "**Proof**: " + "; ".join(f"*{name}* ({proved[name]}), {text}" for name, text in _PROOFS) + ".",
        )
    )


def _pushed() -> str:
    streams = datasets("iris")
    by_name = {d.iris_stream: d for d in datasets("bmrs") if d.iris_stream is not None}
    rows = [
        (
            f"`{d.name}`",
            f"`{d.table.name}`",
            f"[{by_name[d.iris_stream].code}](#{_anchor(by_name[d.iris_stream])})" if d.iris_stream in by_name else "",
            " ".join(d.unsure[1:]),
        )
        for d in streams
    ]
    head = ("asset", "table", "rows as in", "not established")
    return "\n\n".join(
        (
            "## IRIS streams",
            f"{len(streams) - 1} streams and a table for messages of unknown ones. A stream's table has every row of "
            "every message, with the columns of its BMRS dataset and five more: `_message_id`, `_message_sha256`, "
            "`_message_row`, `_enqueued_utc` and `_sequence_number`. A row belongs to the day on which its message was "
            "sent; `<table>_latest` has one row per fact. No message has been recorded: fields and keys are "
            "those of the BMRS dataset. [docs/iris.md](iris.md) says how they come here.",
            _table(head, rows),
        )
    )


def _not_assets() -> str:
    return "\n\n".join(
        (
            "## What is not an asset",
            "These endpoints only re-cut datasets that are stored whole:",
            _table(("endpoint", "re-cut from"), _NOT_ASSETS),
            "`/data-status/*` (data points held per settlement period) and `/datasets/metadata/latest` (newest update "
            "of every dataset) are used by checks. `/health` tells whether the service is up.",
        )
    )


def _group(name: str, members: Sequence[Dataset]) -> str:
    rows = [
        (f"[{d.code}](#{_anchor(d)})", d.title, d.revision.replace("_", " "), window_text(d), d.timing.cadence, d.proof)
        for d in members
    ]
    head = ("code", "title", "revisions", "windows", "published", "proof")
    return "\n\n".join((f"## {_heading(name)} datasets", _table(head, rows), *(_entry(d) for d in members)))


def _entry(dataset: Dataset) -> str:
    known = dict(facts(dataset))
    lines = ["; ".join(f"**{label}** {known[label]}" for label in line if label in known) for line in _LINES]
    lines.append("**Columns** " + ", ".join(_column(f) for f in dataset.fields))
    if dataset.notes:
        lines.append("**Mind** " + " ".join(dataset.notes))
    if dataset.unsure:
        lines.append("**Not established** " + " ".join(dataset.unsure))
    about = f"{dataset.description} [Provider's page]({dataset.docs_url})"
    return "\n\n".join((f"### {dataset.code}", about, "\n".join(f"- {line}" for line in lines)))


def _derived() -> str:
    return "\n\n".join(("## Derived tables", *(_derived_table(name, table) for name, table in TABLES.items())))


def _derived_table(name: str, table: Table) -> str:
    rows = [(f"`{f.name}`", f.type, f.unit or "", f.meaning) for f in table.fields]
    head = ("column", "type", "unit", "meaning")
    return "\n\n".join((f"### {name}", table.description, _table(head, rows)))


def _vocabulary(everything: Sequence[Dataset]) -> str:
    own: dict[str, list[tuple[str, Field]]] = {}
    for d in everything:
        for f in d.fields:
            if f.meaning != VOCABULARY[f.name].meaning:
                own.setdefault(f.name, []).append((d.code, f))
    rows = []
    for name, field in sorted(VOCABULARY.items(), key=lambda item: item[0].lower()):
        rows.append((f"`{name}`", field.type, field.unit or "", field.meaning))
        for special, codes in _by_meaning(own.get(name, ())):
            rows.append((f"in {codes}", special.type, special.unit or "", special.meaning))
    return "\n\n".join(
        (
            "## Columns",
            "What a name means in every dataset that has it, and under it where it means something else. "
            "Numbers are IEEE doubles; every row also carries the columns that begin with `_`.",
            _table(("column", "type", "unit", "meaning"), rows),
        )
    )


def _by_meaning(uses: Iterable[tuple[str, Field]]) -> list[tuple[Field, str]]:
    """Uses that differ from the vocabulary, those with the same words together."""
    together: dict[str, tuple[Field, list[str]]] = {}
    for code, field in uses:
        together.setdefault(field.meaning, (field, []))[1].append(code)
    return [(field, ", ".join(codes)) for field, codes in together.values()]


def _column(field: Field) -> str:
    return f"`{field.name}`" + (f" ({field.unit})" if field.unit else "")


def _codes(members: Iterable[Dataset]) -> str:
    return ", ".join(f"[{d.code}](#{_anchor(d)})" for d in members)


def _anchor(dataset: Dataset) -> str:
    return dataset.code.lower()


def _heading(group: str) -> str:
    return group.replace("_", " ").capitalize()


def _group_anchor(group: str) -> str:
    return f"{group.replace('_', '-')}-datasets"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
