"""Dagster's code location: imported, and its repository resolved."""

from __future__ import annotations

from measure import Series, run
from report import Result, at_most


def load(rounds: int) -> Result:
    """A fresh process each time, as Dagster's own are."""
    result = Result("location", "The code location loaded")
    series = Series()
    result.series = {"import and resolve": series}
    for _ in range(rounds):
        series.add(run("programs/load.py"))
    result.figures = [
        at_most("import energy_assets.definitions and resolve its repository", series.median("inside"), 2, "s"),
        at_most("the same with the interpreter's start and exit", series.median(), 2, "s"),
    ]
    result.notes = [f"{series.runs[-1].told['assets']} assets, every job resolved."]
    return result
