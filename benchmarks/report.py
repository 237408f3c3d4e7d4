"""Result files and the page that people read, made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from measure import Series, machine

SECTIONS = ("bod", "refetch", "everything", "year", "location", "iris", "iris_load", "iris_live", "neso", "bigquery")
"""Order of the page; a result file that is not there is left out."""


class NotHereError(Exception):
    """A benchmark cannot run in this environment; the text says what it needs."""


@dataclass(frozen=True)
class Figure:
    """One number that was asked for.

    Attributes:
        what: What it is, in words.
        value: The number.
        unit: Its unit, ``×`` for a ratio.
        target: The bound in words, or empty where there is none.
        met: Whether the bound holds; ``None`` without one.
    """

    what: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: float, bound: float, unit: str) -> Figure:
    return Figure(what, round(value, 3), unit, f"≤ {bound:g} {unit}".strip(), value <= bound)


def at_least(what: str, value: float, bound: float, unit: str) -> Figure:
    return Figure(what, round(value, 3), unit, f"≥ {bound:g} {unit}".strip(), value >= bound)


@dataclass
class Result:
    """What one benchmark found."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    series: dict[str, Series] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """As JSON, replacing an earlier one of this name."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "name": self.name,
            "title": self.title,
            "machine": machine(),
            "figures": [asdict(f) for f in self.figures],
            "series": {label: s.summary() for label, s in self.series.items()},
            "notes": self.notes,
        }
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_page(results: Path, page: Path) -> None:
    """The page for people, from all result files."""
    found = [
        json.loads((results / f"{n}.json").read_text("utf-8")) for n in SECTIONS if (results / f"{n}.json").exists()
    ]
    lines = ["# Benchmarks", "", *_introduction(found)]
    for content in found:
        lines += ["", f"## {content['title']}", "", *_figures(content["figures"]), "", *_series(content["series"])]
        lines += ["", *(f"- {note}" for note in content["notes"])] if content["notes"] else []
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _introduction(found: Sequence[Mapping[str, Any]]) -> list[str]:
    facts = found[-1]["machine"] if found else {}
    loads = ", ".join(f"{c['name']} {c['machine']['load average']}" for c in found)
    return [
        "Written by `make bench`; the numbers behind each section are in `results/`. Each measured run is a process of its "
        "own: *wall* is from its start to its exit, *inside* leaves out the interpreter's start and exit, *CPU* and *peak* "
        "are the operating system's own account of it (`wait4`). Ways that are compared take turns in one sitting, and a "
        "ratio is the median over these pairs. A table gives medians, with least and greatest in brackets.",
        "",
        ", ".join(f"{name} {value}" for name, value in facts.items() if name != "load average") + ".",
        "",
        f"Other work ran on the machine (load average when each benchmark ended: {loads}); ratios bear that better than "
        "seconds do.",
    ]


def _figures(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = ["| figure | measured | target | |", "|---|---|---|---|"]
    for f in figures:
        met = {True: "met", False: "**missed**", None: ""}[f["met"]]
        rows.append(f"| {f['what']} | {_number(f['value'])} {f['unit']} | {f['target']} | {met} |")
    return rows


def _series(series: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = ["| way | n | wall s | inside s | CPU s | peak MB | steps inside, s |", "|---|---|---|---|---|---|---|"]
    for label, s in series.items():
        cells = [_spread(s[key]) for key in ("wall_s", "inside_s", "cpu_s", "peak_mb")]
        steps = ", ".join(f"{name} {value:.2f}" for name, value in s["steps_s"].items())
        rows.append(f"| {label} | {s['n']} | {' | '.join(cells)} | {steps} |")
    return rows


def _spread(values: Sequence[float]) -> str:
    middle, least, greatest = (_number(v) for v in values)
    return middle if least == greatest else f"{middle} [{least}–{greatest}]"


def _number(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}"
