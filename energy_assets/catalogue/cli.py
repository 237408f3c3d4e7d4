"""``energy-assets catalogue``: list, search and show entries, and keep the documentation page current.

Only the command line belongs here; wording is in ``describe`` and ``docs``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from energy_assets.catalogue import dataset, datasets, select
from energy_assets.catalogue.describe import as_plain, facts
from energy_assets.catalogue.docs import PAGE, page
from energy_assets.catalogue.model import Dataset
from energy_assets.catalogue.neso import LEFT_OUT
from energy_assets.catalogue.neso import page as neso
from energy_assets.errors import CatalogueError

app = typer.Typer(help="What datasets there are, and everything known about each.", no_args_is_help=False)

_T = TypeVar("_T")

USAGE_ERROR = 2
"""Exit code for a dataset, group or profile that does not exist: the caller asked for the wrong thing."""

STALE = 1
"""Exit code of ``docs --check`` when the page does not agree with the catalogue."""


class Provider(StrEnum):
    """Providers of the catalogue."""

    BMRS = "bmrs"
    IRIS = "iris"
    NESO = "neso"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.callback(invoke_without_command=True)
def main(context: typer.Context, as_json: AsJson = False) -> None:
    """List every dataset; the commands below search, show and document."""
    if context.invoked_subcommand is None:
        _print_list(datasets(), as_json)
        if not as_json:
            _print_counts()


@app.command("list")
def list_command(
    selection: Annotated[
        str, typer.Argument(help="Names, globs, group:NAME, profile:NAME or all (of what is asked for), with commas.")
    ] = "all",
    provider: Annotated[
        Provider | None, typer.Option(help="List all of a provider instead, also what is not loaded yet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the datasets of a selection."""
    _print_list(datasets(provider.value) if provider else _or_exit(lambda: select(selection)), as_json)


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(help="Words that must all occur: codes, titles, columns, notes.")],
    as_json: AsJson = False,
) -> None:
    """List the datasets whose entry holds every word."""
    _print_list([d for d in datasets() if all(word.lower() in _haystack(d) for word in words)], as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Code or name: FUELINST, bmrs/fuelinst.")], as_json: AsJson = False
) -> None:
    """Print one entry whole."""
    portal = {d.name: d for d in datasets("neso")}
    found = portal.get(name.strip().lower()) or _or_exit(lambda: dataset(name))
    if as_json:
        _print_json(as_plain(found))
    else:
        _print_entry(found)


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when the page is not current.")] = False,
    path: Annotated[Path, typer.Option(help="The page.")] = Path(PAGE),
) -> None:
    """Write the documentation pages, or check that they are current; that of NESO stands beside the other."""
    _document(path, page(), check)
    _document(path.with_name(Path(neso.PAGE).name), neso.page(), check)


def _document(path: Path, text: str, check: bool) -> None:
    current = path.read_text(encoding="utf-8") if path.is_file() else ""
    if check and text != current:
        typer.echo(f"{path} does not agree with the catalogue; run `energy-assets catalogue docs`.", err=True)
        raise typer.Exit(STALE)
    if not check and text != current:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"{path} written")
    else:
        typer.echo(f"{path} is current")


def _or_exit(choose: Callable[[], _T]) -> _T:
    """The choice, or the catalogue's one sentence on the error stream and a usage exit code."""
    try:
        return choose()
    except CatalogueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE_ERROR) from error


def _haystack(entry: Dataset) -> str:
    columns = " ".join(f.name for f in entry.fields)
    words = (entry.name, entry.title, entry.description, entry.group, entry.legacy_code or "", columns, *entry.notes)
    return " ".join(words).lower()


def _print_list(chosen: Sequence[Dataset], as_json: bool) -> None:
    if as_json:
        _print_json([as_plain(d) for d in chosen])
        return
    table = RichTable("code", "title", "group", "published", "proof", title=f"{len(chosen)} datasets")
    for d in chosen:
        table.add_row(d.code, d.title, d.group, d.timing.cadence, d.proof)
    Console().print(table)


def _print_counts() -> None:
    """How many entries every provider has, and what of NESO's portal is accounted for otherwise."""
    packages = {d.files.package for d in datasets("neso") if d.files is not None}
    left_out = {left.package for left in LEFT_OUT} - packages
    counts = ", ".join(f"{provider.value} {len(datasets(provider.value))}" for provider in Provider)
    typer.echo(f"By provider: {counts}.")
    typer.echo(
        f"Of NESO's packages {len(packages)} are in entries and {len(left_out)} are left out, each for a reason."
    )


def _print_entry(entry: Dataset) -> None:
    console = Console()
    console.print(Text(f"{entry.name}: {entry.title}", style="bold"))
    console.print(Text(entry.description))
    about = RichTable(show_header=False, box=None, padding=(0, 2, 0, 0))
    about.add_column(no_wrap=True)
    about.add_column(overflow="fold")
    for label, text in [*facts(entry), ("Provider's page", entry.docs_url or ""), ("Licence", entry.licence)]:
        about.add_row(Text(label), Text(text.replace("`", "")))
    console.print(about)
    columns = RichTable("column", "type", "unit", "null", "meaning")
    for f in entry.fields:
        columns.add_row(f.name, f.type, f.unit or "", "yes" if f.nullable else "no", Text(f.meaning))
    console.print(columns)
    for note in entry.notes:
        console.print(Text(f"- {note}"))
    for doubt in entry.unsure:
        console.print(Text(f"- Not established: {doubt}"))


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
