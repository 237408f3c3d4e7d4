"""BigQuery as the warehouse, against the server of the tests: a day of BOD; every dataset while each job takes seconds;
calls, load jobs and bytes billed of a tick, a day and a month.

A local server bills nothing and decides nothing about pruning: bytes are computed from the texts of the jobs of a tick
(``programs/bytes_billed.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bod import DAY as BOD_DAY
from bod import ROWS_OF_UNIT
from everything import DAY, NOW, provider
from measure import ROOT, Run, Series, get, home, run, server
from report import Figure, NotHereError, Result, at_most

sys.path.insert(0, str(ROOT))
from energy_assets_tests.bigquery.proxy import Proxy, proxied
from energy_assets_tests.bigquery.server import Addresses, absence, running

JOB_SECONDS = (3.0, 10.0)
"""How much longer every job is made to last: small jobs of BigQuery take seconds, most of them in a queue."""

LATER = timedelta(minutes=15)
"""From one tick to the next."""

TARGET_SECONDS = 300
TICKS = 96
DAYS_OF_MONTH = 365.25 / 12
TIB = 2**40
GIB = 2**30

IRIS_BATCHES = 24 * 12
"""Batches of pushed messages in a day, one each five minutes."""

LOADS_OF_TABLE = 1_500
LOADS_OF_PROJECT = 100_000
DML_OF_TABLE = 25
"""BigQuery's bounds: load jobs a table and day, load jobs a project and day, changes of a table in ten seconds."""

BOD_DUCKDB = "a day of BOD into DuckDB"
BOD_FIRST = "a day of BOD into BigQuery's stand-in"
BOD_AGAIN = "the same day fetched again"
FIRST = "every dataset, first run ever, 3–10 s a job"
TICK = "every dataset, 15 minutes later, 3–10 s a job"


@dataclass(frozen=True)
class Line:
    """A fresh BigQuery server behind the proxy."""

    addresses: Addresses
    proxy: Proxy

    def refresh(self, folder: Path, *options: object) -> Run:
        """A refresh into it, with the calls that came."""
        before = len(self.proxy.calls())
        where = ("--rest", self.proxy.address, "--storage", self.addresses.storage, "--home", folder)
        done = run("programs/bigquery_refresh.py", *where, *options)
        return Run(done.wall, done.cpu, done.peak, {**done.told, "calls": len(self.proxy.calls()) - before})


@contextmanager
def line() -> Iterator[Line]:
    """A server of its own for each use, so that one measurement does not find another's tables."""
    with running() as addresses, proxied(addresses.rest) as proxy:
        yield Line(addresses, proxy)


def warehouse(rounds: int, units: int) -> Result:
    """All of it.

    Raises:
        NotHereError: There is no BigQuery server on this Python.
    """
    why, _ = absence()
    if why:
        raise NotHereError(why)
    result = Result("bigquery", "BigQuery as the warehouse")
    s = result.series = {label: Series() for label in (BOD_DUCKDB, BOD_FIRST, BOD_AGAIN, FIRST, TICK)}
    with home() as folder:
        records = folder / "first.json", folder / "tick.json"
        _ticks(s, *records)
        first, tick = (run("programs/bytes_billed.py", "--record", r, "--today", DAY).told for r in records)
    for _ in range(rounds):
        _bod_round(s, units)
    result.figures = [*_bod_figures(s), *_tick_figures(s, first, tick), *_day_figures(s, tick), *_bytes_figures(tick)]
    result.notes = [*_notes(s, units), *_arithmetic(tick)]
    return result


def _bod_round(s: dict[str, Series], units: int) -> None:
    rows = units * ROWS_OF_UNIT
    with server("--units", units) as url:
        get(f"{url}/prepare/BOD?from={BOD_DAY}")
        with home() as folder:
            s[BOD_DUCKDB].add(run("programs/refresh.py", "--url", url, "--home", folder, "--day", BOD_DAY))
        with home() as folder, line() as bigquery:
            first = s[BOD_FIRST].add(bigquery.refresh(folder, "--url", url, "--day", BOD_DAY))
            again = s[BOD_AGAIN].add(bigquery.refresh(folder, "--url", url, "--day", BOD_DAY, "--refetch"))
    if first.told["inserted"] != rows:
        raise RuntimeError(f"{first.told['inserted']} rows inserted instead of {rows}")
    if (again.told["rows"], again.told["inserted"], again.told["updated"]) != (rows, 0, 0):
        raise RuntimeError(f"the second run changed something: {dict(again.told)}")


def _ticks(s: dict[str, Series], first: Path, tick: Path) -> None:
    """The first run ever late in the day, and the tick after it, each job slowed down."""
    now = datetime.fromisoformat(NOW)
    with home() as folder, line() as bigquery:
        bigquery.proxy.delay(JOB_SECONDS, per="job")
        for label, at, record in ((FIRST, now, first), (TICK, now + LATER, tick)):
            with provider(at.isoformat(), 0) as url:
                options = ("--url", f"{url}/bmrs/api/v1", "--datasets", "bmrs/*", "--day", DAY, "--now", at.isoformat())
                s[label].add(bigquery.refresh(folder, *options, "--record", record))


def _bod_figures(s: dict[str, Series]) -> list[Figure]:
    again = s[BOD_AGAIN].runs[-1].told
    return [
        Figure("BOD, wall", s[BOD_FIRST].median(), "s"),
        Figure("BOD, wall into DuckDB", s[BOD_DUCKDB].median(), "s"),
        at_most("BOD, peak memory", max(s[BOD_FIRST].values("peak")), 450, "MB"),
        at_most("BOD again, peak memory", max(s[BOD_AGAIN].values("peak")), 450, "MB"),
        Figure("BOD, jobs", s[BOD_FIRST].told("jobs"), ""),
        Figure("BOD, load jobs among them", s[BOD_FIRST].told("load_jobs"), ""),
        Figure("BOD, API calls", s[BOD_FIRST].told("calls"), ""),
        at_most("BOD again, rows inserted or updated", again["inserted"] + again["updated"], 0, ""),
    ]


def _tick_figures(s: dict[str, Series], first: Mapping[str, Any], tick: Mapping[str, Any]) -> list[Figure]:
    found = []
    for label, what, told in ((FIRST, "first run ever", first), (TICK, "tick", tick)):
        found += [
            at_most(f"{what}, 3–10 s a job", s[label].median(), TARGET_SECONDS, "s"),
            Figure(f"{what}, jobs", s[label].told("jobs"), ""),
            Figure(f"{what}, load jobs among them", s[label].told("load_jobs"), ""),
            Figure(f"{what}, API calls", s[label].told("calls"), ""),
            at_most(f"{what}, jobs in 10 s that append to `_receipts`", told["most_in_10_s"], DML_OF_TABLE, ""),
        ]
    return found


def _day_figures(s: dict[str, Series], tick: Mapping[str, Any]) -> list[Figure]:
    jobs, loads, calls = (s[TICK].told(name) for name in ("jobs", "load_jobs", "calls"))
    iris_jobs = IRIS_BATCHES * (1 + 2 * tick["streams"])
    return [
        at_most("load jobs a day", TICKS * loads, LOADS_OF_PROJECT, ""),
        at_most("load jobs a day, IRIS on", TICKS * loads + IRIS_BATCHES, LOADS_OF_PROJECT, ""),
        at_most("load jobs a day into one table", 1, LOADS_OF_TABLE, ""),
        Figure("API calls a day", TICKS * calls, ""),
        Figure("API calls a day, IRIS on", TICKS * calls + iris_jobs * calls / jobs, ""),
        Figure("jobs a day, IRIS on", TICKS * jobs + iris_jobs, ""),
    ]


def _bytes_figures(tick: Mapping[str, Any]) -> list[Figure]:
    billed, month = tick["billed"], TICKS * DAYS_OF_MONTH
    partitions = max(map(int, tick["touched"]))
    pounds = tick["price_per_tib"] / TIB
    return [
        Figure("bytes billed by a tick after ten years", billed / GIB, "GiB"),
        Figure("the same with MERGEs that are not pruned", tick["unpruned"] / GIB, "GiB"),
        Figure("unpruned MERGEs bill", tick["unpruned"] / billed, "×"),
        at_most("partitions of a table that a tick touches", partitions, 2, ""),
        Figure("of a tick, what is only the 10 MB minimum", tick["least"] / GIB, "GiB"),
        Figure("of a tick, `_commits`", tick["by_kind"].get("_commits", {"billed": 0})["billed"] / GIB, "GiB"),
        Figure("bytes billed a day", billed * TICKS / TIB, "TiB"),
        Figure("bytes billed a month", billed * month / TIB, "TiB"),
        Figure("a month, 1 TiB free", max(0.0, billed * month - TIB) * pounds, "£"),
        Figure("a month, if clusters prune service tables", max(0.0, tick["clustered"] * month - TIB) * pounds, "£"),
        Figure("a month, if every reference cost 10 MB", max(0.0, tick["floor"] * month - TIB) * pounds, "£"),
        Figure("IRIS on, a month more at most, 10 MB a reference", _iris_bytes(tick) * DAYS_OF_MONTH * pounds, "£"),
    ]


def _iris_bytes(tick: Mapping[str, Any]) -> float:
    """Bytes billed a day for batches that bring news of every stream, at the least that a reference costs."""
    of_stream = sum(tick["references_of_job"].get(purpose, 0) for purpose in ("compare", "commit"))
    return float(IRIS_BATCHES * tick["streams"] * of_stream * tick["least_of_reference"])


def _notes(s: dict[str, Series], units: int) -> list[str]:
    first, tick = (s[label].runs[-1].told for label in (FIRST, TICK))
    return [
        f"A day of BOD is {units * ROWS_OF_UNIT:,} rows; the server shares the machine's cores with what is measured, "
        "and its work is in the wall time.",
        f"Ticks at {NOW[11:16]} UTC and 15 minutes later, {first['requests']} and {tick['requests']} requests, synthetic "
        "rows at the demo's size. The proxy lets the client wait 3 to 10 s for the end of every job, drawn evenly; the "
        "provider answers at once. The server does in turn what BigQuery does at the same time.",
        f"Jobs by purpose, first run: {_listed(first['purposes'])}; tick: {_listed(tick['purposes'])}.",
        "API calls are those that reached the proxy, with asking whether jobs are done; slow jobs are asked for more.",
    ]


def _listed(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {count:g}" for name, count in counts.items())


def _arithmetic(tick: Mapping[str, Any]) -> list[str]:
    streams, price = tick["streams"], tick["price_per_tib"]
    kinds = ", ".join(f"{k} {v['billed'] / GIB:.2f} GiB in {v['references']}" for k, v in tick["by_kind"].items())
    statements = ", ".join(f"{k} {v['billed'] / GIB:.2f} GiB" for k, v in tick["by_statement"].items())
    month = tick["billed"] * TICKS * DAYS_OF_MONTH / TIB
    rows = ", ".join(f"`{name}` {count:g}" for name, count in tick["rows_of_tick"].items())
    return [
        f"A day is {TICKS} ticks like this one. IRIS adds {IRIS_BATCHES} batches a day, one each five minutes; assumed is "
        f"that each brings news of all {streams} streams, with one staged load, and for each stream one comparison and "
        f"one transaction: {IRIS_BATCHES} × (1 + 2 × {streams}) jobs, with as many API calls each as in the tick. Quiet "
        "streams take nothing, so this is the most.",
        f"Quotas: {LOADS_OF_TABLE:,} load jobs a table and day (each staging table takes one, targets none), "
        f"{LOADS_OF_PROJECT:,} a project and day, two changes of a table at a time with 20 waiting (a process has at most "
        f"one of each table) and {DML_OF_TABLE} statements a table in ten seconds, which `_receipts` comes nearest to.",
        "Bytes: each statement of the recorded tick, parsed; for each table that it reads, the columns it names in the "
        "partitions that its constants leave, at least 10 MB (2²⁰) a table; several references of a table in one "
        "statement count as one. MERGE, UPDATE and DELETE count all columns of the partitions of their target, as Google "
        "states for a MERGE that has an UPDATE. Scripts are billed by statement; INSERT … VALUES reads no table. Clusters "
        "count for nothing unless a row says so.",
        "Sizes after ten years: rows a day from the catalogue (500 where unknown), numbers, dates and instants 8 bytes, "
        "texts 16, JSON 402, history as large as its table, a month's partition as on its last day, staging as it was. "
        f"Service tables have ten years of ticks, each with as many rows as this one: {rows}.",
        f"Billed by what was read: {kinds} references. By statement: {statements}.",
        f"A month: {tick['billed'] / GIB:.2f} GiB × {TICKS} × {DAYS_OF_MONTH:.2f} ÷ 1024 = {month:.1f} TiB; less 1 TiB "
        f"free, × £{price:.2f} = £{max(0.0, month - 1) * price:.0f}. Loading, metadata and dry runs are free.",
        f"The 10 MB minimum: {tick['references']} references of tables in a tick are {tick['floor'] / GIB:.2f} GiB even "
        "if every table were empty. Fewer statements lower it, not smaller tables.",
        f"IRIS by the same minimum: {IRIS_BATCHES} batches × {streams} streams × "
        f"{tick['references_of_job'].get('compare', 0):g} references of a comparison and "
        f"{tick['references_of_job'].get('commit', 0):g} of a transaction × 10 MB = "
        f"{_iris_bytes(tick) / TIB:.2f} TiB a day, if every batch brings news of every stream.",
    ]
