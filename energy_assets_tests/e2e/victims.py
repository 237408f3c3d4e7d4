"""What the kill tests run in processes of their own: a plain refresh and a Dagster run, as their users start them.

The processes are forked from a server that has imported the libraries, so that a round costs the work and not the
imports. Nothing in them differs from production but the pace.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from datetime import date
from multiprocessing.context import ForkServerContext
from pathlib import Path

CODES = ("BOD", "FUELINST", "ISPSTACK")
PRELOADED = ["dagster._cli", "energy_assets.definitions", "energy_assets.ingest.refresh", "energy_assets.wiring"]
PRELOADED += ["energy_assets.sources.elexon", "energy_assets.warehouse.duckdb", "energy_assets_tests.e2e.victims"]


def context() -> ForkServerContext:
    """Where victims come from."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


def environment(home: Path, url: str) -> dict[str, str]:
    """Variables of a victim."""
    return {
        "ENERGY_ASSETS_HOME": str(home),
        "ENERGY_ASSETS_ELEXON_URL": url,
        "ENERGY_ASSETS_ELEXON_REQUESTS_PER_SECOND": "200",
        "DAGSTER_HOME": str(home / "dagster"),
    }


def plain(variables: Mapping[str, str], output: str, day: str, refetch: bool) -> None:
    """A refresh as the command line does it; the exit code says whether all is well."""
    _prepare(variables, output)
    from energy_assets.catalogue import select
    from energy_assets.ingest.model import Policy
    from energy_assets.ingest.refresh import refresh
    from energy_assets.settings import load_settings
    from energy_assets.wiring import open_engine, utc_now

    settings = load_settings(env_file=None)
    policy = Policy(refetch_since=utc_now() if refetch else None, run_id="victim")
    chosen = date.fromisoformat(day)
    outcomes = refresh(select(",".join(CODES)), chosen, chosen, policy, open_engine(settings))
    failed = [o.reason for o in outcomes if o.status not in ("written", "unchanged", "silent")]
    if failed:
        raise SystemExit("; ".join(failed))


def dagster(variables: Mapping[str, str], output: str, day: str) -> None:
    """``dagster asset materialize``, which always asks again."""
    _prepare(variables, output)
    from dagster._cli import create_dagster_cli

    selection = " or ".join(f'key:"bmrs/{code.lower()}"' for code in CODES)
    arguments = ["asset", "materialize", "--select", selection, "--partition", day, "-m", "energy_assets.definitions"]
    create_dagster_cli()(args=arguments, prog_name="dagster")


def _prepare(variables: Mapping[str, str], output: str) -> None:
    os.environ.update(variables)
    # An environment of the developer's own must not leak in.
    os.chdir(variables["ENERGY_ASSETS_HOME"])
    file = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
