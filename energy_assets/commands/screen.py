"""The live screen of ``energy-assets status --watch``: what fits of an overview into a terminal, looked at anew.

Only the layout and the keeping up; what is shown is put together in ``energy_assets.tracking.overview``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from energy_assets.commands import console
from energy_assets.commands.status import NARROW, STYLES, newest_text, outcome_text, providers_table
from energy_assets.errors import EnergyAssetsError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from energy_assets.tracking.overview import Overview
    from energy_assets.tracking.status import DatasetReport, State

EVERY_SECONDS = 30.0
"""Between two looks: data come every few minutes, and a look has the warehouse for a moment."""

REDRAW_SECONDS = 1.0
"""Between two drawings of what is known, so that ages move on and a terminal of another size is filled at once."""

WRONG_SHARE = 4
"""One line in so many is for what is wrong, three at least; all of it is in ``energy-assets status``."""

NAME_WIDTH = 24
OTHERS_WIDTH = 90
"""Columns that a dataset's line takes without that reason, at most."""

WIDE = 120
"""From this width on a dataset's line has room for why its last request failed."""

ORDER: Sequence[State] = ("failed", "suspect", "missing", "ok")
"""Datasets in the order in which they are shown: what is wrong is never cut off by what is not."""


def keep_showing(look: Callable[[], Overview], out: Console | None = None, looks: int | None = None) -> None:
    """Show what is known, look anew every 30 seconds, until Ctrl-C.

    A look that fails leaves the last one on the screen, with the reason.

    Args:
        look: Looks.
        out: The terminal, by default that of the process.
        looks: Looks after which to end by itself; ``None`` for never.
    """
    from rich.live import Live

    out = out or console.stdout()
    known: Overview | None = None
    trouble = ""
    with Live(console=out, screen=out.is_terminal, auto_refresh=False, transient=False) as live:
        live.update(_waiting(), refresh=True)
        done = 0
        while True:
            try:
                known, trouble = look(), ""
            except EnergyAssetsError as error:
                trouble = str(error)
            done += 1
            until = time.monotonic() + EVERY_SECONDS
            while True:
                live.update(screen(known, out.width, out.height, _now(), trouble), refresh=True)
                if done == looks or time.monotonic() >= until:
                    break
                time.sleep(REDRAW_SECONDS)
            if done == looks:
                return


def screen(known: Overview | None, width: int, height: int, now: datetime, trouble: str = "") -> RenderableType:
    """What fits into a terminal: head, providers, what is wrong, the other sections, then datasets, the worst first.

    Args:
        known: What was last seen; ``None`` before the first look has succeeded.
        width: Columns.
        height: Lines; the result has no more.
        now: The present, for the age of what is shown.
        trouble: Why the last look failed; empty where it did not.
    """
    from rich.console import Group
    from rich.text import Text

    if known is None:
        return Group(_line(f"energy-assets: {trouble}", "red")) if trouble else _waiting()
    parts: list[RenderableType] = [_head(known, width, now, trouble)]
    left = height - 1
    providers = providers_table(known, brief=width < NARROW)
    parts += [providers]
    left -= len(known.providers) + 2
    wrong = list(_wrong(known, max(3, height // WRONG_SHARE)))
    lines = [*wrong, *_sections(known)]
    shown = lines[: max(left, 0)]
    parts += shown
    left -= len(shown)
    held = [r for r in known.reports if r.state != "empty"]
    # A heading with its rule, and a line that counts the rest.
    if left >= 4 and held:
        parts += [Text(), _datasets(held, known.now, width, left - 4)]
        more = len(held) - (left - 4)
        if more > 0:
            parts.append(_line(f"and {console.plural(more, 'dataset')} more: energy-assets status", "dim"))
    return Group(*parts)


def _now() -> datetime:
    from energy_assets.wiring import utc_now

    return utc_now()


def _waiting() -> Text:
    return _line("energy-assets: looking …", "dim")


def _line(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _head(known: Overview, width: int, now: datetime, trouble: str) -> Text:
    from rich.text import Text

    count = len(known.wrong)
    verdict = ("all is well", "bold green") if not count else (f"{count} wrong", "bold red")
    seconds = max(now - known.now, timedelta(0)) // timedelta(seconds=1)
    seen = f"  {known.now:%Y-%m-%d %H:%M:%SZ}, {seconds} s ago"
    last = (f"  not read since: {trouble}", "red") if trouble else ("  Ctrl-C ends", "dim")
    head = Text.assemble(("energy-assets ", "bold"), verdict, seen, last, no_wrap=True, overflow="ellipsis")
    head.truncate(width, overflow="ellipsis")
    return head


def _wrong(known: Overview, most: int) -> Iterator[Text]:
    wrong = known.wrong
    kept = wrong if len(wrong) <= most else wrong[: most - 1]
    for sentence in kept:
        yield _line(f"! {sentence}", "red")
    if len(kept) < len(wrong):
        yield _line(f"! and {len(wrong) - len(kept)} more: energy-assets status", "red")


def _sections(known: Overview) -> Iterator[Text]:
    from rich.text import Text

    for section in known.sections:
        style = "red" if section.wrong else ""
        first = section.lines[0] if section.lines else "–"
        yield Text.assemble((f"{section.title}: ", "bold"), (first, style), no_wrap=True, overflow="ellipsis")


def _datasets(held: Sequence[DatasetReport], now: datetime, width: int, most: int) -> Table:
    columns = ["dataset", "success", "newest (UTC)", ">today", ">missing", "outcome"]
    wide = width >= WIDE
    table = console.new_table(*columns, *(["reason"] if wide else []))
    for report in sorted(held, key=lambda r: ORDER.index(r.state))[:most]:
        name = report.dataset.name
        cells = [
            name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…",
            console.ago(report.held.last_success_utc, now),
            newest_text(report),
            console.count(report.held.rows_today),
            console.count(len(report.missing)),
        ]
        reason = _line(report.held.last_reason, STYLES[report.state] if report.state == "failed" else "dim")
        reason.truncate(max(width - OTHERS_WIDTH, 0), overflow="ellipsis")
        table.add_row(*cells, outcome_text(report), *([reason] if wide else []))
    return table
