"""A day of BOD from local HTTP to a table that can be queried: ours, the predecessor's way, the limit; then the same
again."""

from __future__ import annotations

import shutil
import statistics
import sys
from datetime import date, timedelta
from pathlib import Path

from measure import Run, Series, dagster_home, get, home, measure, ratio, run, server, variables
from report import Figure, Result, at_least, at_most

DAY = date(2026, 1, 15)
UNITS = 2500
"""BM units with bids: 480,000 rows a day, about twice what there are today."""

AGAIN = 5
OTHER_DAYS = 9
"""Days beside the one that is fetched again, so that the table holds ten times its rows."""

OURS = "energy_assets"
TABLE = "energy_assets, until the table can be queried"
LIMIT = "limit"
LIMIT_IN_PIECES = "limit, in pieces of two hours"
PREDECESSOR = "predecessor, apply per row"
HASH_LIST = "predecessor, list of hashes"
TWICE = "energy_assets, twice the rows"
DAGSTER = "dagster asset materialize"

ROWS_OF_UNIT = 4 * 48


def first_load(rounds: int, units: int) -> Result:
    """The day into an empty store."""
    result = Result("bod", f"A day of BOD, {units * ROWS_OF_UNIT:,} rows")
    result.series = {
        label: Series() for label in (TABLE, OURS, LIMIT, LIMIT_IN_PIECES, PREDECESSOR, HASH_LIST, TWICE, DAGSTER)
    }
    with server("--units", units) as url, server("--units", 2 * units) as twice:
        for address in (url, twice):
            get(f"{address}/prepare/BOD?from={DAY}")
        for _ in range(rounds):
            _first_load_round(result.series, url, twice, units)
        size = int(get(f"{url}/asked")["bytes"])
    s = result.series
    result.figures = [
        at_least("faster than the predecessor's way", ratio(s[PREDECESSOR], s[TABLE]), 6, "×"),
        at_least("speed of the limit", ratio(s[LIMIT], s[TABLE]), 0.5, "×"),
        Figure("speed of the limit in pieces, on two threads", ratio(s[LIMIT_IN_PIECES], s[TABLE]), "×"),
        Figure("faster than the predecessor with a list of hashes", ratio(s[HASH_LIST], s[TABLE]), "×"),
        Figure("faster than the predecessor's way, housekeeping included", ratio(s[PREDECESSOR], s[OURS]), "×"),
        at_most("peak memory", max(s[OURS].values("peak")), 450, "MB"),
        at_most("memory at twice the rows", ratio(s[TWICE], s[OURS], "peak"), 1.2, "×"),
        Figure("more with `dagster asset materialize`", difference(s[DAGSTER], s[OURS]), "s"),
    ]
    result.notes = [
        f"{size / rounds / 1e6:,.0f} MB of JSON left the server in each round, uncompressed, without latency or limits.",
        "Predecessor: one request, `httpx` and `pandas`, MD5 of each row's JSON, `drop_duplicates`, append to DuckDB.",
        "Limit: one request streamed to disk, typed `read_json`, distinct on the key, the day replaced. It keeps no "
        "receipt, no history and no provenance, checks nothing, and does not hash.",
        "Ours keeps the defaults: receipts, contract and hashes. The bodies are compressed after the last commit, which "
        "the row that ends with the table leaves out and every other row includes.",
    ]
    return result


def _first_load_round(series: dict[str, Series], url: str, twice: str, units: int) -> None:
    for label, program, options in (
        (LIMIT, "baselines/limit.py", ()),
        (OURS, "programs/refresh.py", ()),
        (LIMIT_IN_PIECES, "baselines/limit.py", ("--pieces", 4)),
        (TWICE, "programs/refresh.py", ()),
        (HASH_LIST, "baselines/predecessor.py", ("--hash-list",)),
        (PREDECESSOR, "baselines/predecessor.py", ()),
    ):
        with home() as folder:
            address, rows = (twice, 2 * units) if label == TWICE else (url, units)
            done = series[label].add(run(program, "--url", address, "--home", folder, "--day", DAY, *options))
            if done.told["rows"] != rows * ROWS_OF_UNIT:
                raise RuntimeError(f"{label}: {done.told['rows']} rows instead of {rows * ROWS_OF_UNIT}")
            if label == OURS:
                series[TABLE].add(_until_the_table(done))
                check_rows(folder, rows * ROWS_OF_UNIT)
    with home() as folder:
        series[DAGSTER].add(_through_dagster(folder, url, units))


def _until_the_table(done: Run) -> Run:
    """The run without what follows the last commit: bodies are compressed when the rows are in the table."""
    after = done.told["housekeeping_s"]
    return Run(done.wall - after, done.cpu, done.peak, {**done.told, "inside_s": done.told["inside_s"] - after})


def _through_dagster(folder: Path, url: str, units: int) -> Run:
    environment = variables(folder, url) | dagster_home(folder)
    chosen = ["--select", 'key:"bmrs/bod"', "--partition", str(DAY)]
    command = ["dagster", "asset", "materialize", "-m", "energy_assets.definitions", *chosen]
    done = measure([sys.executable, "-m", *command], environment)
    check_rows(folder, units * ROWS_OF_UNIT)
    return Run(done.wall, done.cpu, done.peak, {"inside_s": done.wall, "rows": units * ROWS_OF_UNIT})


def difference(above: Series, below: Series) -> float:
    """Median over pairs of how many seconds more ``above`` took."""
    return statistics.median(a - b for a, b in zip(above.values(), below.values(), strict=True))


def check_rows(folder: Path, expected: int) -> None:
    """That the store holds just these rows, each key once.

    Raises:
        RuntimeError: It does not.
    """
    file = folder / "energy.duckdb"
    told = run("programs/rows.py", "--file", file, "--table", "uk_energy_insights.bmrs_bod", "--dataset", "BOD").told
    if (told["rows"], told["distinct"]) != (expected, expected):
        raise RuntimeError(f"the table holds {told['rows']} rows of {told['distinct']} keys instead of {expected}")


FIRST = "first load"
TIMES = [f"again, {n}." for n in range(1, AGAIN + 1)]
INTO_TEN = "again, ten times the rows in the table"
NEW_DAY = "a new day, nine days in the table"


def again(rounds: int, units: int) -> Result:
    """The day fetched again and again, then with nine other days beside it."""
    rows = units * ROWS_OF_UNIT
    result = Result("refetch", "The same day of BOD again")
    result.series = {label: Series() for label in (FIRST, *TIMES, NEW_DAY, INTO_TEN)}
    with server("--units", units) as url, home() as other:
        _fill(url, other, units)
        get(f"{url}/prepare/BOD?from={DAY}")
        for _ in range(rounds):
            _again_round(result.series, url, other, rows)
    s = result.series
    result.figures = [
        at_most("fifth time against the first load", ratio(s[TIMES[-1]], s[FIRST]), 1.1, "×"),
        at_most("fifth time against the first time again", ratio(s[TIMES[-1]], s[TIMES[0]]), 1.1, "×"),
        at_most("with ten times the rows in the table", ratio(s[INTO_TEN], s[TIMES[-1]]), 1.3, "×"),
        at_most("a new day with nine days in the table", ratio(s[NEW_DAY], s[FIRST]), 1.3, "×"),
        at_most("peak memory", max(max(x.values("peak")) for x in s.values()), 450, "MB"),
    ]
    result.notes = [f"After every run the table holds {rows:,} rows of the day, each key once; nothing was updated."]
    return result


def _fill(url: str, folder: Path, units: int) -> None:
    """Nine other days, not measured."""
    for back in range(1, OTHER_DAYS + 1):
        run("programs/refresh.py", "--url", url, "--home", folder, "--day", DAY - timedelta(days=back))
    check_rows(folder, units * ROWS_OF_UNIT * OTHER_DAYS)


def _again_round(series: dict[str, Series], url: str, other: Path, rows: int) -> None:
    with home() as folder:
        refresh = ("programs/refresh.py", "--url", url, "--day", DAY, "--home")
        series[FIRST].add(run(*refresh, folder))
        for label in TIMES:
            done = series[label].add(run(*refresh, folder, "--refetch"))
            if (done.told["rows"], done.told["inserted"], done.told["updated"]) != (rows, 0, 0):
                raise RuntimeError(f"{label} changed something: {dict(done.told)}")
        check_rows(folder, rows)
    with home() as folder:
        shutil.copytree(other, folder, dirs_exist_ok=True)
        series[NEW_DAY].add(run(*refresh, folder))
        series[INTO_TEN].add(run(*refresh, folder, "--refetch"))
        check_rows(folder, rows * (OTHER_DAYS + 1))
