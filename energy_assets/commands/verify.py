"""``energy-assets verify``: is the catalogue right about the real API?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from energy_assets.catalogue.model import Dataset
    from energy_assets.settings import Settings
    from energy_assets.sources.neso.portal import Resource
    from energy_assets.tracking.verify import Verdict, Verification
    from energy_assets.tracking.verify_portal import Expected, PortalVerification

STDOUT = Path("-")

NEW_MOST = 10
"""New resources that are named; the JSON report has all."""

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

    Compares status codes, fields, types, window limits, cadence, keys that repeat and sizes. Of NESO's portal it
    compares what is listed, and reads the newest file of each family. Writes nothing to the warehouse. Exit code 1 when
    something differs. The JSON report can be attached to a bug report.
    """
    from energy_assets.wiring import utc_now

    settings = console.prepare(ctx)
    datasets = console.chosen(",".join(dataset) if dataset else "all")
    now = utc_now()
    windows = [d for d in datasets if d.files is None]
    families = [d for d in datasets if d.files is not None]
    with console.progress_of("asking") as show:
        done: list[Verification] = []

        def on_done(one: Verification) -> None:
            done.append(one)
            show(f"{len(done)} of {len(datasets)} datasets, last {one.dataset.code}", len(done), len(datasets))

        results = _windows(windows, settings, now, on_done) if windows else []
        portal = _portal(families, settings, now, on_done) if families else None
    everything = [*results, *(portal.families if portal is not None else ())]
    report = verification_json(everything, settings, now, portal.new if portal is not None else ())
    if as_json is not None and as_json != STDOUT:
        _write(as_json, report)
    if as_json == STDOUT:
        console.write_json(report)
    else:
        _show(results, portal, settings, as_json)
    if any(r.verdict == "differs" for r in everything) or (portal is not None and portal.new):
        raise typer.Exit(console.FAILED)


def _windows(
    datasets: Sequence[Dataset], settings: Settings, now: datetime, on_done: Callable[[Verification], None]
) -> list[Verification]:
    """Ask Elexon.

    Raises:
        TransportError: It cannot be reached.
    """
    from energy_assets.commands.outcomes import shortened
    from energy_assets.errors import TransportError
    from energy_assets.tracking.verify import unreachable
    from energy_assets.tracking.verify import verify as run
    from energy_assets.wiring import open_engine

    reason = unreachable(settings)
    if reason is not None:
        raise TransportError(
            f"nothing could be verified, because the API cannot be reached: {shortened(reason).removesuffix('.')}; "
            "check the network and ENERGY_ASSETS_ELEXON_URL"
        )
    return run(datasets, open_engine(settings).open_source, now, on_done)


def _portal(
    families: Sequence[Dataset], settings: Settings, now: datetime, on_done: Callable[[Verification], None]
) -> PortalVerification:
    """Ask NESO's portal, and say beforehand how long that takes.

    Raises:
        FetchError: It cannot be reached, or does not tell what it has.
    """
    from energy_assets.catalogue import datasets
    from energy_assets.sources.neso.client import NesoPortal
    from energy_assets.tracking.verify_portal import verify_portal

    def on_expected(expected: Expected) -> None:
        pace = f"1 every {settings.neso_request_seconds:g} s and 1 every {settings.neso_datastore_seconds:g} s"
        what = f"{console.plural(expected.files, 'file')} and {console.plural(expected.tables, 'table')}"
        least = console.duration(expected.least.total_seconds())
        console.say(console.stderr(), f"NESO's portal is asked for {what}, {pace}: {least} or more.")

    settings.prepare_home()
    seconds = (settings.neso_request_seconds, settings.neso_datastore_seconds)
    everything = [d for d in datasets("neso") if d.files is not None]
    open_portal = partial(NesoPortal.from_settings, settings)
    return verify_portal(families, everything, open_portal, now, seconds, on_expected, on_done)


def verification_json(
    results: Sequence[Verification], settings: Settings, now: datetime, new: Sequence[Resource] = ()
) -> dict[str, object]:
    """The report for bug reports; holds no secret.

    Args:
        results: What came of each dataset.
        settings: Where they were asked for.
        now: When, aware.
        new: Resources of NESO's portal that no family takes.
    """
    from energy_assets.sources.http import user_agent

    return {
        "verified_utc": now,
        "url": settings.elexon_url,
        "neso_url": settings.neso_url,
        "client": user_agent(),
        "datasets": [
            {
                "dataset": r.dataset.name,
                "verdict": r.verdict,
                "proof_of_entry": r.dataset.proof,
                "windows": [{"from_utc": w.from_utc, "to_utc": w.to_utc, "branch": w.branch_text} for w in r.windows],
                "resource": r.resource,
                "url": r.url,
                "http_status": r.status,
                "rows": r.rows,
                "bytes": r.bytes,
                "seconds": round(r.seconds, 3),
                "findings": [{"kind": f.kind, "differs": f.differs, "text": f.text} for f in r.findings],
            }
            for r in results
        ],
        "new_resources": [{"package": r.package, "name": r.name, "id": r.id} for r in new],
    }


def _show(
    results: Sequence[Verification], portal: PortalVerification | None, settings: Settings, written: Path | None
) -> None:
    from rich.text import Text

    out = console.stdout()
    families = portal.families if portal is not None else ()
    table = console.new_table("dataset", "verdict", ">rows", ">size", "~what was seen")
    for r in (*results, *families):
        seen = Text("\n").join(Text(f.text, style="" if f.differs else "dim") for f in r.findings)
        verdict = Text(r.verdict, style=STYLES[r.verdict])
        table.add_row(r.dataset.code, verdict, console.count(r.rows), console.size(r.bytes), seen)
    out.print(table)
    out.print()
    for found, url in ((results, settings.elexon_url), (families, settings.neso_url)):
        if found:
            tally = Counter(r.verdict for r in found)
            parts = [f"{tally[v]} {word}" for v, word in _WORDS.items() if tally[v]]
            asked = f"{console.plural(len(found), 'dataset')} asked at {url}"
            console.say(out, f"{asked}: {', '.join(parts)}.")
    if portal is not None and portal.new:
        names = ", ".join(map(str, portal.new[:NEW_MOST]))
        more = f" and {len(portal.new) - NEW_MOST} more" if len(portal.new) > NEW_MOST else ""
        console.say(out, f"New on the portal and in no family: {names}{more}.")
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
