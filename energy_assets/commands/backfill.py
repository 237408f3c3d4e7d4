"""``energy-assets backfill``: long ranges in bounded, resumable pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.catalogue.model import Dataset
    from energy_assets.ingest.backfill import Estimate, Piece
    from energy_assets.ingest.engine import Engine
    from energy_assets.ingest.model import Outcome, Policy
    from energy_assets.settings import Settings

TODAY = "today"


def _day_or_today(text: str) -> date:
    if text == TODAY:
        from energy_assets.calendar import settlement_day
        from energy_assets.wiring import utc_now

        return settlement_day(utc_now())
    return console.day(text)


def backfill(
    ctx: typer.Context,
    selection: console.Selection,
    from_day: Annotated[
        date,
        typer.Option("--from", metavar="DAY", parser=_day_or_today, help="First settlement day, as 2026-07-15."),
    ],
    to_day: Annotated[
        date,
        typer.Option("--to", metavar="DAY", parser=_day_or_today, help="Last settlement day, included; or `today`."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be asked for, and how long.")] = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Ask again for what is already covered.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Estimate or outcomes as JSON on standard output.")] = False,
) -> None:
    """Fill a range of past days, oldest first, in pieces of at most 92 days.

    What is covered is not asked for again, so an interrupted backfill goes on where it was when it is started again;
    one with --refetch goes on too, for a week. One backfill runs at a time; live refreshes go on beside it.
    """
    from energy_assets.commands.refresh import refuse_impossible
    from energy_assets.ingest import backfill as domain
    from energy_assets.ingest.model import Policy
    from energy_assets.wiring import open_engine

    console.check_range(from_day, to_day)
    settings = console.prepare(ctx)
    datasets = console.chosen(selection)
    engine = open_engine(settings)
    refuse_impossible(datasets, from_day, to_day, engine)
    now = engine.clock()
    if dry_run:
        since = domain.refetch_since(settings.home, datasets, from_day, to_day, now) if refetch else None
        _show_estimate(_estimate(datasets, from_day, to_day, engine, since), settings, as_json)
        return
    with domain.lane(settings.home, f"{selection} from {from_day} to {to_day}", now):
        launch = domain.launch(settings.home, datasets, from_day, to_day, now) if refetch else None
        if launch is not None and launch.resumed:
            console.stderr().print(f"Going on with the refetch launched at {launch.at:%Y-%m-%d %H:%MZ}.")
        policy = Policy(launch.at if launch else None, run_id=f"backfill-{now:%Y%m%dT%H%M%SZ}", whole=True)
        estimates = _estimate(datasets, from_day, to_day, engine, policy.refetch_since)
        outcomes = _work(estimates, from_day, to_day, policy, engine)
        failed = any(o.status == "failed" for o in outcomes)
        if launch is not None and not failed:
            launch.finish()
    _show_outcomes(estimates, outcomes, as_json)
    if failed:
        raise typer.Exit(console.FAILED)


def _estimate(
    datasets: Sequence[Dataset], from_day: date, to_day: date, engine: Engine, since: datetime | None
) -> list[Estimate]:
    from energy_assets.ingest.backfill import estimate

    with console.progress_of("reading receipts and planning"):
        return estimate(datasets, from_day, to_day, engine, since)


def _work(estimates: Sequence[Estimate], from_day: date, to_day: date, policy: Policy, engine: Engine) -> list[Outcome]:
    """Run the pieces with a live line: days, windows, rows, requests, time left."""
    from energy_assets.ingest.backfill import run

    with console.progress_of("starting") as show:
        tally = _Tally(estimates, show)
        outcomes = run(
            [e.dataset for e in estimates if not e.skipped],
            from_day,
            to_day,
            policy,
            engine,
            on_piece=tally.piece,
            on_outcome=tally.outcome,
            on_progress=tally.progress,
        )
    if tally.at is not None and tally.at.index < tally.at.count:
        ended = f"Stopped after piece {tally.at.index} of {tally.at.count}, which brought nothing but failures"
        console.say(console.stderr(), f"{ended}; the same command goes on from here.", "yellow")
    return outcomes


class _Tally:
    """What has been worked off so far, each window weighed by the time it is expected to take.

    A planned chunk's windows are counted as they finish, and once more exactly when its outcome comes.

    Attributes:
        at: The piece that is worked on, or was last.
    """

    def __init__(self, estimates: Sequence[Estimate], show: Callable[[str, float, float | None], None]) -> None:
        from energy_assets.ingest.backfill import window_seconds

        self._show = show
        self._weight = {e.dataset.code: window_seconds(e) for e in estimates}
        self._planned = sum(len(e.windows) for e in estimates)
        self._total = sum(len(e.windows) * self._weight[e.dataset.code] for e in estimates)
        self._finished: dict[str, int] = {}
        self._running: dict[str, int] = {}
        self._rows = self._requests = 0
        self._where = ""
        self.at: Piece | None = None

    def piece(self, piece: Piece) -> None:
        """A piece begins."""
        self.at = piece
        self._where = f"{piece.from_day} to {piece.to_day} ({piece.index}/{piece.count})"
        err = console.stderr()
        if piece.count > 1 and not err.is_terminal:
            # No live line is seen in a log; a line per piece shows there that the work goes on.
            console.say(err, f"Piece {piece.index} of {piece.count}: {piece.from_day} to {piece.to_day}")
        self._tell()

    def progress(self, code: str, done: int, planned: int) -> None:
        """Windows of a dataset are done in the chunk that is being worked on."""
        self._running[code] = done
        self._tell()

    def outcome(self, outcome: Outcome) -> None:
        """A dataset's chunk is done."""
        self._running.pop(outcome.dataset, None)
        self._finished[outcome.dataset] = self._finished.get(outcome.dataset, 0) + outcome.windows
        self._rows += outcome.counts.fetched
        self._requests += outcome.requests
        self._tell()

    def _tell(self) -> None:
        codes = {*self._finished, *self._running}
        windows = {code: self._finished.get(code, 0) + self._running.get(code, 0) for code in codes}
        done = sum(number * self._weight.get(code, 0.0) for code, number in windows.items())
        text = (
            f"{self._where}: {sum(windows.values()):,}/{self._planned:,} windows, {self._rows:,} rows, "
            f"{self._requests:,} requests"
        )
        self._show(text, min(done, self._total), self._total or None)


def _show_estimate(estimates: Sequence[Estimate], settings: Settings, as_json: bool) -> None:
    from energy_assets.calendar import settlement_day
    from energy_assets.ingest.backfill import seconds

    time = seconds(estimates, settings.elexon_requests_per_second, settings.elexon_concurrency)
    if as_json:
        console.write_json(_estimate_json(estimates, time))
        return
    out = console.stdout()
    asked = [e for e in estimates if e.windows]
    if asked:
        table = console.new_table("dataset", ">requests", ">days", ">about rows", ">about size", "first day")
        for e in asked:
            mark = "" if e.known else " ?"
            rows, size = f"{_rough(e.rows):,}{mark}", f"{console.size(e.bytes)}{mark}"
            first = str(settlement_day(e.windows[0].from_utc))
            table.add_row(e.dataset.code, console.count(len(e.windows)), console.count(e.days), rows, size, first)
        out.print(table)
        out.print()
    for line in _estimate_lines(estimates, time):
        console.say(out, line)


def _estimate_lines(estimates: Sequence[Estimate], time: float) -> list[str]:
    asked = [e for e in estimates if e.windows]
    skipped = [e for e in estimates if e.skipped]
    filed = [e for e in estimates if e.dataset.files is not None and not e.skipped]
    idle = len(estimates) - len(asked) - len(skipped) - len(filed)
    requests, rows, size = (
        sum(len(e.windows) for e in asked),
        sum(e.rows for e in asked),
        sum(e.bytes for e in asked),
    )
    if not asked and filed:
        lines = []
    elif not asked:
        lines = ["Nothing is to be asked for: everything in these days is covered or not due."]
    else:
        lines = [
            f"{console.plural(len(asked), 'dataset')}, {console.plural(requests, 'request')}, about "
            f"{_rough(rows):,} rows, {console.size(size)} of JSON, {console.duration(time)}. Nothing was asked for yet."
        ]
    if any(not e.known for e in asked):
        lines.append("?: the entry does not know how many rows a day has, so this is a guess.")
    if idle:
        lines.append(f"{console.plural(idle, 'dataset')} covered or not due.")
    if filed:
        number = console.plural(len(filed), "dataset")
        lines.append(f"{number} in whole files: what the portal has and the warehouse lacks, whichever the days.")
    return [*lines, *(f"Skipped: {line}." for line in console.by_reason((e.dataset, e.reason) for e in skipped))]


def _estimate_json(estimates: Sequence[Estimate], time: float) -> dict[str, object]:
    return {
        "requests": sum(len(e.windows) for e in estimates),
        "rows_estimate": sum(e.rows for e in estimates),
        "bytes_estimate": sum(e.bytes for e in estimates),
        "seconds_estimate": round(time, 1),
        "datasets": [
            {
                "dataset": e.dataset.name,
                "requests": len(e.windows),
                "rows_estimate": e.rows,
                "bytes_estimate": e.bytes,
                "rows_per_day_known": e.known,
                "skipped": e.skipped,
                "reason": e.reason,
                "windows": [{"from_utc": w.from_utc, "to_utc": w.to_utc, "branch": w.branch_text} for w in e.windows],
            }
            for e in estimates
        ],
    }


def _show_outcomes(estimates: Sequence[Estimate], outcomes: Sequence[Outcome], as_json: bool) -> None:
    from energy_assets.commands.outcomes import outcome_json, show_outcomes

    possible = [e.dataset for e in estimates if not e.skipped]
    skipped = [e for e in estimates if e.skipped]
    if as_json:
        told = [outcome_json(o, d) for o, d in zip(outcomes, possible, strict=True)]
        told += [{"dataset": e.dataset.name, "status": "skipped", "reason": e.reason} for e in skipped]
        console.write_json(told)
        return
    out = console.stdout()
    show_outcomes(out, possible, outcomes)
    for line in console.by_reason((e.dataset, e.reason) for e in skipped):
        console.say(out, f"Skipped: {line}.")


def _rough(number: int) -> int:
    """Two significant digits: an estimate must not look like a count."""
    digits = max(0, len(str(number)) - 2)
    return round(number, -digits)
