"""What all commands share: consoles, arguments, how numbers and times are written, and how an error is told.

Light at import: Rich's parts and the package's own load when a command runs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from energy_assets.errors import EnergyAssetsError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from energy_assets.catalogue.model import Dataset
    from energy_assets.settings import Settings

FAILED = 1
"""Exit code when something was asked for and did not come about."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

PIPED_WIDTH = 120
"""Columns when the output is no terminal and ``COLUMNS`` says nothing: wide enough that no cell of ours is cut."""

Selection = Annotated[
    str,
    typer.Argument(
        metavar="SELECTION",
        help="Datasets: names or globs separated by commas (FUELINST, bmrs/fuel*), group:NAME, profile:NAME or all.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Options:
    """The options that stand before every command."""

    log_level: str | None = None
    debug: bool = False


class SentenceGroup(TyperGroup):
    """A command group that tells an expected error as one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the context and result types are Typer's own
        """Run the command; expected errors end it with exit code 1."""
        try:
            return super().invoke(ctx)
        except EnergyAssetsError as error:
            if ctx.params.get("debug"):
                raise
            tell_error(str(error))
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            stderr().print("Stopped. What was written stays; the same command goes on from here.", style="yellow")
            raise typer.Exit(INTERRUPTED) from None


def stdout() -> Console:
    """The console for results."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console for progress and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def say(out: Console, sentence: str, style: str = "") -> None:
    """A sentence, broken between words on a terminal and left whole in a pipe."""
    from rich.text import Text

    out.print(Text(sentence, style=style), soft_wrap=not out.is_terminal)


def say_command(out: Console, line: str) -> None:
    """A line that holds a command to copy, which must not be broken."""
    from rich.text import Text

    out.print(Text(line), soft_wrap=True)


def tell_error(sentence: str) -> None:
    """One red sentence on standard error."""
    from rich.text import Text

    err = stderr()
    err.print(Text.assemble(("Error: ", "bold red"), (sentence, "red")), soft_wrap=not err.is_terminal)


def write_json(value: object) -> None:
    """One JSON document on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=json_default) + "\n")


def json_default(value: object) -> str:
    """Dates and instants as ISO 8601 text, instants with ``Z``."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def iso(instant: datetime) -> str:
    """An instant as RFC 3339 text in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def prepare(ctx: typer.Context) -> Settings:
    """Settings from the environment, with logging set up as the options say.

    Records go to the home's log file; they are shown on the console only when ``--log-level`` asks for them, because
    commands tell outcomes themselves.
    """
    from energy_assets import logs
    from energy_assets.settings import load_settings

    options = ctx.find_object(Options) or Options()
    environ = dict(os.environ)
    if options.log_level is not None:
        environ["ENERGY_ASSETS_LOG_LEVEL"] = options.log_level
    settings = load_settings(environ)
    set_up_logging(settings, shown=options.log_level is not None)
    ctx.call_on_close(logs.release)
    return settings


def set_up_logging(settings: Settings, *, shown: bool) -> None:
    """Log to the settings' home, and on the console only where that is asked for."""
    from energy_assets import logs

    logs.configure(settings)
    if shown:
        return
    for handler in logging.getLogger(logs.LOGGER).handlers:
        if isinstance(handler, logs.ConsoleHandler):
            handler.setLevel(logging.CRITICAL)


def chosen(selection: str) -> tuple[Dataset, ...]:
    """The datasets that a selection names.

    Raises:
        CatalogueError: It names something unknown; the message suggests the nearest.
    """
    from energy_assets.catalogue import select

    return select(selection)


def day(text: str) -> date:
    """A day given as ``2026-07-15``.

    Raises:
        typer.BadParameter: It is no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-07-15") from None


def check_range(from_day: date, to_day: date) -> None:
    """Refuse a range without days.

    Raises:
        typer.BadParameter: ``to_day`` comes before ``from_day``.
    """
    if to_day < from_day:
        raise typer.BadParameter(f"--from {from_day} comes after --to {to_day}; give the earlier day first")


def count(number: int | None) -> str:
    """``1,234,567``; a dash where there is none."""
    return "–" if number is None else f"{number:,}"


def size(number: float) -> str:
    """Bytes in a unit that keeps the number short: ``126 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds in a unit that keeps the number short: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def ago(instant: datetime | None, now: datetime) -> str:
    """How long an instant is past: ``4 min ago``; a dash for none."""
    if instant is None:
        return "–"
    passed = now - instant
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(hours=48):
        return f"{passed // timedelta(hours=1)} h ago"
    return f"{passed.days} d ago"


def plural(number: int, word: str) -> str:
    """``1 dataset``, ``2 datasets``."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def new_table(*columns: str) -> Table:
    """A table without frame, whose cells are not wrapped.

    A column whose name begins with ``>`` is aligned right; one that begins with ``~`` holds prose, or names that may be
    too long, and is wrapped.
    """
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        if column.startswith(">"):
            table.add_column(column[1:], justify="right", no_wrap=True)
        elif column.startswith("~"):
            table.add_column(column[1:], overflow="fold")
        else:
            table.add_column(column, no_wrap=True)
    return table


@contextmanager
def progress_of(beginning: str) -> Iterator[Callable[[str, float, float | None], None]]:
    """A live bar with a line of text above it on standard error while work goes on; nothing where it is no terminal.

    Args:
        beginning: The text until there is something to count.

    Yields:
        A function that takes the text, what is done, and what there is to do (``None`` while unknown).
    """
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    console = stderr()
    if not console.is_terminal:
        yield lambda text, done, total: None
        return
    line = Text(beginning, no_wrap=True, overflow="ellipsis")
    remaining = TimeRemainingColumn(compact=True)
    bar = Progress(SpinnerColumn(), BarColumn(40), TimeElapsedColumn(), TextColumn("left"), remaining, console=console)
    task = bar.add_task("", total=None)

    def show(text: str, done: float, total: float | None) -> None:
        line.plain = text
        bar.update(task, completed=done, total=total)

    with Live(Group(line, bar), console=console, transient=True):
        yield show


def by_reason(reasons: Iterable[tuple[Dataset, str]]) -> list[str]:
    """One line per reason, naming the datasets that share it: each reason begins with its dataset's code."""
    shared: dict[str, list[Dataset]] = {}
    for entry, reason in reasons:
        shared.setdefault(reason.removeprefix(entry.code).lstrip(), []).append(entry)
    return [f"{names(which)} {reason}" for reason, which in shared.items()]


def names(datasets: Sequence[Dataset], most: int = 6) -> str:
    """A few dataset codes in words: ``BOD, MID and 12 more``."""
    codes = [d.code for d in datasets]
    if len(codes) <= most:
        return ", ".join(codes)
    return f"{', '.join(codes[: most - 1])} and {len(codes) - most + 1} more"
