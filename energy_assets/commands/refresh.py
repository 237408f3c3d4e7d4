"""``energy-assets refresh``: one refresh in this process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.catalogue.model import Dataset
    from energy_assets.ingest.engine import Engine
    from energy_assets.ingest.model import Outcome, Policy


def refresh(
    ctx: typer.Context,
    selection: console.Selection,
    from_day: Annotated[
        date | None,
        typer.Option("--from", metavar="DAY", parser=console.day, help="First settlement day, as 2026-07-15."),
    ] = None,
    to_day: Annotated[
        date | None,
        typer.Option("--to", metavar="DAY", parser=console.day, help="Last settlement day; today without it."),
    ] = None,
    today: Annotated[bool, typer.Option("--today", help="Only today, which is the default.")] = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Ask again for what is already covered.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Outcomes as JSON on standard output.")] = False,
) -> None:
    """Bring datasets up to date for today, or for some days.

    Asks only for what is missing or due again, and says what became of every dataset. For more than a few months use
    `energy-assets backfill`.
    """
    from energy_assets import calendar
    from energy_assets.commands.outcomes import tell_outcomes
    from energy_assets.ingest.model import Policy
    from energy_assets.wiring import open_engine, utc_now

    now = utc_now()
    first, last = _days(from_day, to_day, today, calendar.settlement_day(now))
    settings = console.prepare(ctx)
    datasets = console.chosen(selection)
    engine = open_engine(settings)
    refuse_impossible(datasets, first, last, engine)
    policy = Policy(refetch_since=now if refetch else None, run_id=f"refresh-{now:%Y%m%dT%H%M%SZ}", whole=True)
    outcomes = refresh_with_progress(datasets, first, last, policy, engine)
    tell_outcomes(datasets, outcomes, as_json=as_json)
    if any(o.status == "failed" for o in outcomes):
        raise typer.Exit(console.FAILED)


def refresh_with_progress(
    datasets: Sequence[Dataset], first: date, last: date, policy: Policy, engine: Engine
) -> list[Outcome]:
    """One refresh with a live line that counts windows."""
    from energy_assets.ingest.refresh import refresh as run

    counted: dict[str, tuple[int, int]] = {}
    with console.progress_of("planning") as show:

        def on_progress(code: str, done: int, planned: int) -> None:
            counted[code] = (done, planned)
            finished, total = (sum(values) for values in zip(*counted.values(), strict=True))
            show(f"{finished:,} of {total:,} windows of {len(counted)} datasets, last {code}", finished, total)

        return run(datasets, first, last, policy, engine, on_progress=on_progress)


def refuse_impossible(datasets: Sequence[Dataset], first: date, last: date, engine: Engine) -> None:
    """Refuse days for which none of the datasets can ever have data; in a mixed selection those are skipped instead.

    Raises:
        CatalogueError: Nothing of the selection can be asked for.
    """
    from energy_assets.errors import CatalogueError
    from energy_assets.ingest.backfill import impossible

    reasons = [impossible(d, first, last, engine.clock()) for d in datasets]
    given = [reason for reason in reasons if reason is not None]
    if len(given) < len(datasets):
        return
    more = f" and so for {len(given) - 1} more" if len(given) > 1 else ""
    raise CatalogueError(f"nothing can be asked for in these days: {given[0]}{more}; choose other days")


def _days(from_day: date | None, to_day: date | None, today: bool, present: date) -> tuple[date, date]:
    if today and (from_day or to_day):
        raise typer.BadParameter("--today stands alone; leave out --from and --to, or --today")
    if to_day is not None and from_day is None:
        raise typer.BadParameter("--to needs --from as well")
    first, last = from_day or present, to_day or present
    console.check_range(first, last)
    return first, last
