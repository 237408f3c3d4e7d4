"""One year of FUELINST by windows of settlement days: requests, time, rows a second."""

from __future__ import annotations

from datetime import date

from measure import Series, get, home, run, server
from report import Figure, Result

FIRST = date(2024, 10, 1)
DAYS = 365
OURS = "energy_assets"


def fuelinst(rounds: int, days: int) -> Result:
    """A year into an empty store, then the whole of it fetched again."""
    result = Result("year", f"FUELINST, {days} days")
    loaded, refetched = Series(), Series()
    result.series = {OURS: loaded, "fetched again": refetched}
    with server() as url:
        refresh = (
            "programs/refresh.py",
            "--url",
            url,
            "--datasets",
            "FUELINST",
            "--day",
            FIRST,
            "--days",
            days,
            "--home",
        )
        _prepare(url, days)
        for _ in range(rounds):
            with home() as folder:
                loaded.add(run(*refresh, folder))
                size = int(get(f"{url}/asked")["bytes"])
                again = refetched.add(run(*refresh, folder, "--refetch"))
                if again.told["inserted"] or again.told["updated"]:
                    raise RuntimeError(f"the second time changed something: {dict(again.told)}")
                get(f"{url}/asked")
    rows = loaded.told("rows")
    result.figures = [
        Figure("rows", rows, ""),
        Figure("requests", loaded.told("requests"), ""),
        Figure("JSON", size / 1e6, "MB"),
        Figure("wall", loaded.median(), "s"),
        Figure("rows a second", rows / loaded.median(), ""),
        Figure("peak memory", max(loaded.values("peak") + refetched.values("peak")), "MB"),
    ]
    result.notes = [
        "Windows of seven settlement days, 20 fuels each five minutes; no latency and no limit at the server."
    ]
    return result


def _prepare(url: str, days: int) -> None:
    last = date.fromordinal(FIRST.toordinal() + days - 1)
    get(f"{url}/prepare/FUELINST?settlementDateFrom={FIRST}&settlementDateTo={last}")
