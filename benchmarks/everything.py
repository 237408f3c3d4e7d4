"""``bmrs_refresh`` of every dataset with 100 ms before each answer; again at once; and what Dagster keeps of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Run, Series, dagster_home, get, helper, home, ratio, run, server, variables
from report import Figure, Result, at_least, at_most

DAY = "2026-07-15"
NOW = "2026-07-15T20:07:00+00:00"
"""A late tick of the day: nearly all of today is to be asked for, which is the most that one run has to do."""

LATENCY = 0.1
MEBIBYTE = 2**20

OURS = "energy_assets, empty store"
AGAIN = "energy_assets, again at once"
SERIAL = "energy_assets, one request at a time"
PLAIN = "the same requests one after another, bodies thrown away"
DAGSTER = "through Dagster, empty store"
DAGSTER_AGAIN = "through Dagster, again at once"


def refresh(rounds: int, latency: float = LATENCY) -> Result:
    """All datasets for one settlement day."""
    result = Result("everything", "Every dataset refreshed, 100 ms a request")
    s = result.series = {label: Series() for label in (OURS, AGAIN, SERIAL, PLAIN, DAGSTER, DAGSTER_AGAIN)}
    asked: list[dict[str, Any]] = []
    with provider(NOW, latency) as url:
        with home() as folder:
            run(*_refresh(url, folder))
            get(f"{url}/asked")
        for _ in range(rounds):
            asked = _round(s, url)
    with provider(None, latency) as url:
        for number in range(rounds + 1):
            with home() as folder:
                first, second = _through_dagster(url, folder)
            # The first time fills the server's store of answers.
            if number:
                s[DAGSTER].add(first)
                s[DAGSTER_AGAIN].add(second)
    first, second = (len(a["paths"]) for a in asked)
    result.figures = [
        at_least("faster than the same refresh with one request at a time", ratio(s[SERIAL], s[OURS]), 5, "×"),
        at_least("faster than the bare requests one after another", _without_start(s[PLAIN], s[OURS]), 5, "×"),
        at_most("without start-up", s[OURS].told("refresh_s"), 15, "s"),
        at_most("again at once", s[AGAIN].median(), 5, "s"),
        at_most(f"requests again at once, after {first}", second, first, ""),
        Figure("most requests in flight", asked[0]["peak"], ""),
        *_events(s[DAGSTER], s[DAGSTER_AGAIN]),
    ]
    result.notes = [
        f"{first} requests at {NOW[11:16]} UTC of the day, {asked[0]['bytes'] / 1e6:.1f} MB; synthetic rows at the demo's "
        "size, answered from memory.",
        "The client keeps to its default pace, which its settings state; at that pace alone "
        f"{first} requests take {_least_seconds(first):.1f} s.",
        "Through Dagster the run is made in process, as its run worker does, at the real time of day.",
    ]
    return result


def _refresh(url: str, folder: Path, *options: object) -> tuple[object, ...]:
    common = ("--url", f"{url}/bmrs/api/v1", "--home", folder, "--datasets", "bmrs/*", "--day", DAY, "--now", NOW)
    return ("programs/refresh.py", *common, *options)


def _round(s: dict[str, Series], url: str) -> list[dict[str, Any]]:
    """One run of each way; gives what the first refresh and its repetition asked for."""
    with home() as folder:
        s[OURS].add(_timed(run(*_refresh(url, folder))))
        first = get(f"{url}/asked")
        s[AGAIN].add(run(*_refresh(url, folder)))
        second = get(f"{url}/asked")
    with home() as folder:
        s[SERIAL].add(run(*_refresh(url, folder, "--concurrency", 1)))
        paths = folder / "paths.json"
        paths.write_text(json.dumps(first["paths"]))
        s[PLAIN].add(run("programs/one_after_another.py", "--url", url, "--paths", paths))
    get(f"{url}/asked")
    return [first, second]


def _timed(done: Run) -> Run:
    return Run(done.wall, done.cpu, done.peak, {**done.told, "refresh_s": done.told["steps_s"]["refresh"]})


def _without_start(plain: Series, ours: Series) -> float:
    """Both without imports: what the requests take against what the refresh takes."""
    pairs = zip(plain.runs, ours.runs, strict=True)
    ratios = sorted(a.told["steps_s"]["requests"] / b.told["steps_s"]["refresh"] for a, b in pairs)
    return float(ratios[len(ratios) // 2])


def _least_seconds(requests: int) -> float:
    """How long the client's own pace makes so many requests last."""
    told = run("programs/pace.py", "--requests", requests).told
    return float(told["seconds"])


@contextmanager
def provider(now: str | None, latency: float) -> Iterator[str]:
    """The sandbox behind a server that keeps its answers, so that making rows is not what is measured."""
    command = [str(Path(sys.executable).with_name("energy-assets")), "sandbox", "--port", "0"]
    with helper([*command, "--now", now] if now else command) as sandbox:
        origin = sandbox.removesuffix("/bmrs/api/v1")
        with server("--behind", origin, "--latency", latency) as url:
            yield url


def _through_dagster(url: str, folder: Path) -> tuple[Run, Run]:
    environment = variables(folder, f"{url}/bmrs/api/v1") | dagster_home(folder)
    first = run("programs/dagster_refresh.py", environment=environment)
    return first, run("programs/dagster_refresh.py", environment=environment)


def _events(first: Series, again: Series) -> list[Figure]:
    """What Dagster's storage grows by, and what that makes of a day of ticks."""
    return [
        Figure("Dagster's storage, per run that fetches everything", first.told("bytes") / 1024, "kB"),
        Figure("Dagster's storage, per run that finds nothing due", again.told("bytes") / 1024, "kB"),
        at_most("the same, at */15 for a day", again.told("bytes_per_day") / MEBIBYTE, 20, "MB"),
        Figure("of the time through Dagster, start and definitions", first.told("start_s"), "s"),
    ]
