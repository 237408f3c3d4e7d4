"""``energy-assets verify``: is the catalogue right about the real API?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.settings import Settings
    from energy_assets.tracking.verify import Verdict, Verification

STDOUT = Path("-")

STYLES: dict[Verdict, str] = {"agrees": "green", "differs": "red", "empty": "yellow"}


def verify(
    ctx: typer.Context,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", metavar="SELECTION", help="Only these; may be repeated. Everything without it."),
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON; - for standard output.")
    ] = None,
) -> None:
    """Ask every endpoint for a known past window and report what differs from its catalogue entry.

    Compares status codes, fields, types, window limits, cadence, keys that repeat and sizes. Writes nothing to the
    warehouse. Exit code 1 when something differs. The JSON report can be attached to a bug report.
    """
    from energy_assets.commands.outcomes import shortened
    from energy_assets.errors import TransportError
    from energy_assets.tracking.verify import unreachable
    from energy_assets.tracking.verify import verify as run
    from energy_assets.wiring import open_engine, utc_now

    settings = console.prepare(ctx)
    datasets = console.chosen(",".join(dataset) if dataset else "all")
    reason = unreachable(settings)
    if reason is not None:
        raise TransportError(
            f"nothing could be verified, because the API cannot be reached: {shortened(reason).removesuffix('.')}; "
            "check the network and ENERGY_ASSETS_ELEXON_URL"
        )
    now = utc_now()
    with console.progress_of("asking") as show:
        done: list[Verification] = []

        def on_done(one: Verification) -> None:
            done.append(one)
            show(f"{len(done)} of {len(datasets)} datasets, last {one.dataset.code}", len(done), len(datasets))

        results = run(datasets, open_engine(settings).open_source, now, on_done)
    report = verification_json(results, settings, now)
    if as_json is not None and as_json != STDOUT:
        _write(as_json, report)
    if as_json == STDOUT:
        console.write_json(report)
    else:
        _show(results, settings, as_json)
    if any(r.verdict == "differs" for r in results):
        raise typer.Exit(console.FAILED)


def verification_json(results: Sequence[Verification], settings: Settings, now: datetime) -> dict[str, object]:
    """The report for bug reports; holds no secret."""
    from energy_assets.sources.http import user_agent

    return {
        "verified_utc": now,
        "url": settings.elexon_url,
        "client": user_agent(),
        "datasets": [
            {
                "dataset": r.dataset.name,
                "verdict": r.verdict,
                "proof_of_entry": r.dataset.proof,
                "windows": [{"from_utc": w.from_utc, "to_utc": w.to_utc, "branch": w.branch_text} for w in r.windows],
                "url": r.url,
                "http_status": r.status,
                "rows": r.rows,
                "bytes": r.bytes,
                "seconds": round(r.seconds, 3),
                "findings": [{"kind": f.kind, "differs": f.differs, "text": f.text} for f in r.findings],
            }
            for r in results
        ],
    }


def _show(results: Sequence[Verification], settings: Settings, written: Path | None) -> None:
    from rich.text import Text

    out = console.stdout()
    table = console.new_table("dataset", "verdict", ">rows", ">size", "~what was seen")
    for r in results:
        seen = Text("\n").join(Text(f.text, style="" if f.differs else "dim") for f in r.findings)
        verdict = Text(r.verdict, style=STYLES[r.verdict])
        table.add_row(r.dataset.code, verdict, console.count(r.rows), console.size(r.bytes), seen)
    out.print(table)
    out.print()
    tally = Counter(r.verdict for r in results)
    parts = [f"{tally[v]} {word}" for v, word in _WORDS.items() if tally[v]]
    asked = f"{console.plural(len(results), 'dataset')} asked at {settings.elexon_url}"
    console.say(out, f"{asked}: {', '.join(parts)}.")
    if written is not None:
        console.say(out, f"Report: {written}")


_WORDS: dict[Verdict, str] = {
    "agrees": "as the catalogue says",
    "differs": "different",
    "empty": "without rows, so nothing was compared",
}


def _write(path: Path, report: dict[str, object]) -> None:
    from energy_assets.errors import SettingsError

    try:
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False, default=console.json_default) + "\n")
    except OSError as error:
        raise SettingsError(
            f"the report cannot be written to {path} ({error.strerror}); choose another --json"
        ) from error
