"""IRIS messages from the drop folder into DuckDB: small ones, a backlog of days, and from the queue to a query."""

from __future__ import annotations

from pathlib import Path

from measure import Run, Series, dagster_home, home, run, variables
from report import Figure, Result, at_least, at_most

SMALL = 100_000
"""Messages of one row: as many as ten hours bring of all streams."""

RATE = 5.0
"""Messages a second: two to three times what was told of the real queue."""

WARM_SECONDS = 45.0
"""Time that passes before: the daemon's processes have started and most tables have been made."""

SECONDS = 600.0
"""Time that is measured: twenty batches, and a tick of the quarter-hourly refresh among them or not."""

NOWHERE = "http://127.0.0.1:9/"
MEGABYTE = 1e6
MEBIBYTE = 2**20


def load(rounds: int, small: int = SMALL, part: float = 1.0) -> Result:
    """Small messages in segments, and the backlog: by the loader itself, and through Dagster's runs."""
    s = {"small messages": Series(), "backlog": Series(), "backlog, through Dagster": Series()}
    filled = {}
    for _ in range(rounds):
        filled["small"] = _drained(s["small messages"], "--small", small)
    # Filling takes longer than draining, and a drain lasts minutes: twice tells enough.
    for _ in range(min(rounds, 2)):
        filled["backlog"] = _drained(s["backlog"], "--backlog", part)
        _drained(s["backlog, through Dagster"], "--backlog", part, dagster=True)
    files, size = filled["backlog"].told["messages"], filled["backlog"].told["bytes"]
    plain, dagster = s["backlog"], s["backlog, through Dagster"]
    result = Result("iris_load", "IRIS messages from the drop folder into DuckDB", series=s)
    result.figures = [
        at_least("small messages, without start-up", s["small messages"].told("per_second"), 10_000, "messages/s"),
        Figure("small messages, peak memory", max(s["small messages"].values("peak")), "MB"),
        Figure("backlog", size / MEGABYTE, "MB"),
        Figure("backlog, rows", plain.told("rows"), ""),
        at_most("backlog drained", max(plain.values()), 180, "s"),
        at_most("backlog, peak memory", max(plain.values("peak")), 600, "MB"),
        at_most("backlog drained through Dagster's runs", max(dagster.values()), 180, "s"),
        at_most("backlog through Dagster's runs, peak memory", max(dagster.values("peak")), 600, "MB"),
    ]
    result.notes = [
        f"Small messages: {small:,} of one row, MILS, MELS and FREQ mixed, packed as on the queue, in segments of the "
        f"listener's size; {filled['small'].told['bytes'] / MEGABYTE:.0f} MB of bodies.",
        f"Backlog: {files:,} files of one message each, over two days: MILS and MELS of one row are 70 % of the files, "
        "fifty of UOU2T3YW (75,000 rows, 13 MB) 40 % of the bytes; BOALF of 50 rows, INDGEN of 900, BOD of 500, FUELINST "
        f"of 20. It is loaded as {plain.told('manifests'):.0f} manifests.",
        "Every message is registered, every row checked, hashed and stamped with its message; figures are of the "
        "slowest run. Through Dagster: the sensor is evaluated at its interval and each run made in one process, one after the "
        "other, as run workers make them.",
    ]
    return result


def _drained(series: Series, *filling: object, dagster: bool = False) -> Run:
    """Fill a new home, drain it, and give what was filled."""
    with home() as folder:
        filled = run("programs/iris_fill.py", folder / "iris", *filling)
        environment = variables(folder, NOWHERE)
        if dagster:
            environment |= dagster_home(folder)
        drained = series.add(
            run("programs/iris_drain.py", *(["--dagster"] if dagster else []), environment=environment)
        )
    if drained.told["messages"] != filled.told["messages"]:
        raise RuntimeError(f"{drained.told['messages']} of {filled.told['messages']} messages were loaded")
    return filled


def live(seconds: float = SECONDS, warm: float = WARM_SECONDS, rate: float = RATE) -> Result:
    """From the queue to a query, with everything running."""
    series = Series()
    with home() as folder:
        environment = _live_home(folder)
        options = ("--rate", rate, "--seconds", seconds, "--warm", warm)
        told = series.add(run("programs/iris_live.py", *options, environment=environment)).told
    steps = ", ".join(f"{name} {value:.1f} s" for name, value in told["steps_s"].items())
    result = Result("iris_live", f"From the queue to a query, {rate:g} messages a second", series={"all of it": series})
    result.figures = [
        at_most("enqueued to queryable, p95", told["p95"], 60, "s"),
        Figure("enqueued to queryable, p50", told["p50"], "s"),
        Figure("enqueued to queryable, slowest", told["most"], "s"),
        Figure("messages", told["messages"], ""),
        Figure("missing", told["missing"], ""),
        Figure("seconds between two batches", told["tick_s"], "s"),
        Figure("Dagster's storage, per run", told["bytes_per_run"] / 1024, "kB"),
        Figure("Dagster's storage, per report of a partition", told["bytes_per_report"] / 1024, "kB"),
        Figure("Dagster's storage, a day of loading", told["bytes_per_day"] / MEBIBYTE, "MB"),
    ]
    result.notes = [
        f"Mean way of a message: {steps}. The limit is the wait for the sensor's next tick, up to "
        f"{told['tick_s']:.0f} s; then comes the start of a process for the run.",
        "Real parts: queue on loopback with TLS, `energy-assets iris listen`, `dagster-daemon` with the whole code location "
        "and its default intervals, and a reader that opens the file for a moment each second. A message counts when its "
        "entry in the register can be read, which is written after its rows.",
        f"A day is {told['runs_per_day']:.0f} runs and at most {told['reports_per_day']:.0f} reports: one for each stream "
        "and day, each quarter of an hour. Housekeeping removes runs.",
    ]
    return result


def _live_home(folder: Path) -> dict[str, str]:
    """Settings of a home whose providers the program starts itself."""
    given = variables(folder, NOWHERE)
    del given["ENERGY_ASSETS_ELEXON_URL"]
    return given | dagster_home(folder)
