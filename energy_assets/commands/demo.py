"""``energy-assets demo``: a first look. Real data where Elexon answers, a local stand-in's otherwise."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from rich.console import Console

    from energy_assets.catalogue.model import Dataset, Proof
    from energy_assets.ingest.engine import Engine
    from energy_assets.ingest.model import Outcome
    from energy_assets.settings import Settings

SANDBOX_AGE_DAYS = 28
"""How long ago the sandbox's day is: four weeks, so that every dataset has published it, the first settlement run
included, on any day that the demo is run, holidays or not."""

REAL_SELECTION = "profile:core"
"""Of Elexon's datasets: NESO asks to be asked once a second, and a first look should take a minute."""

SANDBOX_SELECTION = "all"

PROOFS: dict[Proof, str] = {
    "recorded": "bodies of the real API were seen",
    "specified": "as Elexon's specification says",
    "inferred": "from public code, in no specification",
}


@dataclass(frozen=True, slots=True)
class _Demo:
    """What is shown: these datasets for this day; registers and what comes as files for today."""

    settings: Settings
    engine: Engine
    datasets: tuple[Dataset, ...]
    day: date
    today: date
    real: bool

    @property
    def parts(self) -> Iterator[tuple[tuple[Dataset, ...], date]]:
        """Datasets with the day that they are read for."""
        dated = tuple(d for d in self.datasets if not d.is_register and d.files is None)
        present = tuple(d for d in self.datasets if d not in dated)
        yield dated, self.day
        if present:
            yield present, self.today


def demo(
    ctx: typer.Context,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use the sandbox even where Elexon can be reached.")
    ] = False,
) -> None:
    """Load one day and look at it: yesterday's core data from Elexon, or every dataset from the sandbox.

    Loads the day, shows what the warehouse then holds and how far each catalogue entry is proved, and loads it once
    more to show that nothing changes. Sandbox rows go to a warehouse of their own and are labelled SANDBOX.
    """
    begun = time.monotonic()
    settings = console.prepare(ctx)
    out = console.stdout()
    reason = _why_not_real(settings, offline)
    if reason is None:
        _run(out, _real(settings), begun)
        return
    console.say(out, f"{reason} The demo uses the sandbox: made-up data from this machine, in the right shape.")
    with _sandbox(settings) as demo_settings:
        _run(out, _synthetic(demo_settings), begun)


def _why_not_real(settings: Settings, offline: bool) -> str | None:
    """Why Elexon is not asked, or ``None``."""
    from energy_assets.commands.outcomes import shortened
    from energy_assets.tracking.verify import unreachable

    if offline:
        return "Offline, as asked."
    if settings.warehouse != "duckdb":
        return f"The demo leaves the {settings.warehouse} warehouse alone."
    with console.progress_of("looking for Elexon"):
        reason = unreachable(settings)
    return None if reason is None else f"Elexon cannot be reached from here: {shortened(reason).removesuffix('.')}."


def _real(settings: Settings) -> _Demo:
    from energy_assets.calendar import settlement_day
    from energy_assets.wiring import open_engine

    engine = open_engine(settings)
    today = settlement_day(engine.clock())
    core = tuple(d for d in console.chosen(REAL_SELECTION) if d.provider == "bmrs")
    return _Demo(settings, engine, core, today - timedelta(days=1), today, real=True)


def _synthetic(settings: Settings) -> _Demo:
    from energy_assets.calendar import settlement_day
    from energy_assets.wiring import open_engine

    engine = open_engine(settings)
    today = settlement_day(engine.clock())
    day = today - timedelta(days=SANDBOX_AGE_DAYS)
    return _Demo(settings, engine, console.chosen(SANDBOX_SELECTION), day, today, real=False)


@contextmanager
def _sandbox(settings: Settings) -> Iterator[Settings]:
    """Settings that lead to a sandbox, which runs while the context lasts, and to a home below the user's."""
    from energy_assets.sandbox.elexon import ElexonSandbox
    from energy_assets.sandbox.neso.app import NesoSandbox, running_neso
    from energy_assets.sandbox.neso.maker import CatalogueMaker
    from energy_assets.sandbox.server import running
    from energy_assets.settings import load_settings
    from energy_assets.wiring import utc_now

    home = settings.home / "demo"
    # A portal that publishes meanwhile would change what is loaded a second time.
    begun = utc_now()
    files = NesoSandbox(CatalogueMaker(), clock=lambda: begun)
    with running(ElexonSandbox()) as url, running_neso(files) as portal:
        own = {name: value for name, value in os.environ.items() if not name.startswith("BMRS_API_KEY_")}
        demo_settings = load_settings(
            own
            | {
                "ENERGY_ASSETS_HOME": str(home),
                "ENERGY_ASSETS_WAREHOUSE": "duckdb",
                "ENERGY_ASSETS_DUCKDB_PATH": str(home / "energy.duckdb"),
                "ENERGY_ASSETS_ELEXON_URL": url,
                "ENERGY_ASSETS_NESO_URL": portal,
                "ENERGY_ASSETS_NESO_REQUEST_SECONDS": "0",
                "ENERGY_ASSETS_NESO_DATASTORE_SECONDS": "0",
            }
        )
        console.set_up_logging(demo_settings, shown=False)
        yield demo_settings


def _run(out: Console, demo: _Demo, begun: float) -> None:
    from energy_assets.commands.outcomes import show_failures, summary

    source = demo.settings.elexon_url if demo.real else "the sandbox"
    number = console.plural(len(demo.datasets), "dataset")
    console.say(out, f"Loading {number} for {demo.day} from {source} into {demo.settings.duckdb_path}")
    first, loaded = _load(demo, again=False)
    console.say(out, summary(first))
    show_failures(out, first)
    if all(o.status == "failed" for o in first):
        raise typer.Exit(console.FAILED)
    _show_status(out, demo)
    _show_files(out, demo, first)
    _show_proof(out, demo.datasets)
    second, again = _load(demo, again=True)
    unchanged = _show_second(out, second, real=demo.real)
    show_failures(out, second)
    everything = time.monotonic() - begun
    console.say(out, f"First time {loaded:.1f} s, second time {again:.1f} s, everything {everything:.1f} s.")
    _show_next(out, demo)
    if not unchanged or any(o.status == "failed" for o in (*first, *second)):
        raise typer.Exit(console.FAILED)


def _load(demo: _Demo, *, again: bool) -> tuple[list[Outcome], float]:
    """One refresh of the day and the seconds that it took; with ``again`` everything is asked for once more."""
    from energy_assets.commands.refresh import refresh_with_progress
    from energy_assets.ingest.model import Policy

    begun = time.monotonic()
    now = demo.engine.clock()
    policy = Policy(refetch_since=now if again else None, run_id=f"demo-{now:%Y%m%dT%H%M%SZ}", whole=True)
    outcomes: list[Outcome] = []
    for datasets, day in demo.parts:
        outcomes += refresh_with_progress(datasets, day, day, policy, demo.engine)
    return outcomes, time.monotonic() - begun


def _show_status(out: Console, demo: _Demo) -> None:
    from energy_assets.commands.status import show_status
    from energy_assets.tracking.status import evaluate_days

    now = demo.engine.clock()
    reports = []
    for datasets, day in demo.parts:
        shown = [d for d in datasets if d.files is None]
        reports += evaluate_days(shown, demo.engine.warehouse, now, day, day, rows_day=day)
    out.print()
    out.print(f"What the warehouse holds of {demo.day} (registers: of today)", style="bold")
    show_status(out, reports, now, rows_of="rows")


def _show_files(out: Console, demo: _Demo, outcomes: Sequence[Outcome]) -> None:
    """What was loaded of NESO's families, by the portal's groups."""
    rows = {o.dataset: o.counts.inserted for o in outcomes}
    families = [d for d in demo.datasets if d.files is not None]
    if not families:
        return
    table = console.new_table("group of NESO's portal", ">families", ">with rows", ">rows")
    for group in dict.fromkeys(d.group for d in families):
        held = [rows.get(d.code, 0) for d in families if d.group == group]
        table.add_row(group, *(console.count(n) for n in (len(held), sum(map(bool, held)), sum(held))))
    out.print()
    number = sum(1 for d in families if rows.get(d.code))
    out.print(f"{number} of {len(families)} families of NESO's portal have rows, all files of each", style="bold")
    out.print(table)


def _show_proof(out: Console, datasets: Sequence[Dataset]) -> None:
    table = console.new_table("proof", ">entries", "~datasets")
    for proof, meaning in PROOFS.items():
        codes = [d.code for d in datasets if d.proof == proof and d.files is None]
        families = sum(1 for d in datasets if d.proof == proof and d.files is not None)
        names = [*codes, *([f"and {console.plural(families, 'dataset')} of NESO"] if families else [])]
        if names:
            table.add_row(proof, console.count(len(codes) + families), f"{meaning}: {' '.join(names)}")
    out.print()
    out.print("How far each catalogue entry is proved", style="bold")
    out.print(table)


def _show_second(out: Console, second: Sequence[Outcome], *, real: bool) -> bool:
    """Say what the second time changed; ``True`` when that is nothing or, with real data, the provider's doing."""
    from energy_assets.ingest.model import Counts

    total = sum((o.counts for o in second), Counts())
    rows = console.plural(total.fetched, "row")
    out.print()
    out.print("The same day fetched a second time", style="bold")
    console.say(out, f"{rows} came again: {total.inserted} inserted, {total.updated} updated.")
    changed = [o.dataset for o in second if o.counts.inserted or o.counts.updated or o.counts.withdrawn]
    if not changed:
        return True
    if real:
        console.say(out, f"Elexon published something in between: {', '.join(changed)}.")
        return True
    console.tell_error(f"the same data changed the warehouse a second time ({', '.join(changed)}); please report this")
    return False


def _show_next(out: Console, demo: _Demo) -> None:
    home = "" if demo.real else f"ENERGY_ASSETS_HOME={_relative(demo.settings)} "
    reading = f'from energy_assets import read; print(read("bmrs/fuelhh", "{demo.day}", "{demo.day}"))'
    lines = (
        ("The rows in Python", f"{home}.venv/bin/python -c '{reading}'"),
        ("How it stands", f"{home}.venv/bin/energy-assets status"),
        ("What there is", ".venv/bin/energy-assets catalogue"),
        ("Real data, kept current", "make run, then http://localhost:3000"),
        ("To read", "README.md and docs/"),
    )
    out.print()
    out.print("Where to look next", style="bold")
    for what, how in lines:
        console.say_command(out, f"  {what + ':':25}{how}")


def _relative(settings: Settings) -> str:
    """The home as it is shortest to type from here."""
    from pathlib import Path

    here = Path.cwd()
    return str(settings.home.relative_to(here)) if settings.home.is_relative_to(here) else str(settings.home)
