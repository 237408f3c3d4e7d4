"""The largest files of NESO's portal, over HTTP into DuckDB: memory and time, beside pandas with the same files."""

from __future__ import annotations

import sys
from pathlib import Path

from measure import HERE, Series, helper, home, ratio, run
from report import Figure, Result, at_most

SKIP_ROWS = 5_500_000
FREQUENCY_ROWS = 2_678_400
"""A month of skip rates, and each second of a month: the most rows that one file is known to have of each."""

MEMORY_MB = 600
MILLION = 1e6

FILES = {
    "skip rates": ("skip", "neso/skip_rate_all_bm", "date"),
    "frequency": ("frequency", "neso/system_frequency", "dtm"),
}


def load(rounds: int, part: float = 1.0) -> Result:
    """Both files into an empty store, and by pandas, in turns."""
    rows = {"skip rates": round(SKIP_ROWS * part), "frequency": round(FREQUENCY_ROWS * part)}
    result = Result("neso", "The largest files of NESO's portal into DuckDB")
    with home() as folder:
        counts = ("--skip", rows["skip rates"], "--frequency", rows["frequency"])
        filled = run("programs/neso_fill.py", folder, *counts)
        with helper([sys.executable, str(HERE / "programs" / "neso_serve.py"), str(folder)]) as url:
            for what, (name, family, dates) in FILES.items():
                ours, theirs = Series(), Series()
                result.series |= {what: ours, f"{what}, pandas": theirs}
                for _ in range(rounds):
                    _loaded(ours, rows[what], url, family)
                    _appended(theirs, folder / f"{name}.csv", dates)
                result.figures += _figures(what, rows[what], filled.told["bytes"][name], ours, theirs)
    result.notes = [
        "Over HTTP from the stand-in, which shares the machine: found by a sweep, fetched to disk, read whole and typed, "
        "keys checked over the whole file, hashed, stamped, written in commits with receipts, and kept compressed.",
        "pandas reads the same file from disk and appends it: no key, no check, no history.",
        "Both into a new DuckDB file. Seconds are of the whole process, its start included.",
    ]
    return result


def _loaded(series: Series, rows: int, url: str, family: str) -> None:
    with home() as folder:
        told = series.add(run("programs/neso_load.py", "--url", url, "--home", folder, "--family", family)).told
    if (told["inserted"], told["quarantined"]) != (rows, 0):
        raise RuntimeError(f"{told['inserted']:,} of {rows:,} rows were written")


def _appended(series: Series, file: Path, dates: str) -> None:
    with home() as folder:
        series.add(run("programs/neso_pandas.py", "--file", file, "--home", folder, "--dates", dates))


def _figures(what: str, rows: int, size: int, ours: Series, theirs: Series) -> list[Figure]:
    return [
        Figure(f"{what}, rows", rows, ""),
        Figure(f"{what}, file", size / MILLION, "MB"),
        Figure(f"{what}, per million rows", ours.median() / (rows / MILLION), "s"),
        Figure(f"{what}, per million rows, pandas", theirs.median() / (rows / MILLION), "s"),
        Figure(f"{what}, times pandas", ratio(ours, theirs), "×"),
        at_most(f"{what}, peak memory", max(ours.values("peak")), MEMORY_MB, "MB"),
        Figure(f"{what}, peak memory, pandas", max(theirs.values("peak")), "MB"),
    ]
