"""``energy-assets alerts``: what is wrong and who was told, a look without Dagster, and a test of every address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from energy_assets.commands import console

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.text import Text

    from energy_assets.checks.model import Severity
    from energy_assets.tracking.alerts import Sent
    from energy_assets.tracking.incidents import Debt, Incident

app = typer.Typer(
    name="alerts",
    cls=console.SentenceGroup,
    no_args_is_help=True,
    help="What is wrong now and who was told of it; a test of every address.",
)

STYLES: dict[Severity, str] = {"error": "red", "warning": "yellow", "info": ""}

AsJson = Annotated[bool, typer.Option("--json", help="As JSON on standard output.")]


@app.command("list")
def list_incidents(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those resolved in the last week as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show open incidents: since when, how bad, and when somebody was told.

    Ends with exit code 0 whatever is open; `energy-assets status` is for monitors.
    """
    from energy_assets.tracking.alerts import open_alerts
    from energy_assets.wiring import utc_now

    alerts = open_alerts(console.prepare(ctx))
    incidents = [i for i in alerts.incidents() if every or i.holds]
    trouble = alerts.trouble()
    if as_json:
        console.write_json({"incidents": [incident_json(i) for i in incidents], "undeliverable": trouble})
        return
    _show(incidents, trouble, utc_now())


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Look for what is wrong without Dagster, and tell whoever is to be told: for a timer beside the daemon.

    Looks at disk, listener, credentials, datasets without a success for too long and gaps, and keeps the ledger of
    gaps. Incidents are those that Dagster reports, so nobody is told twice. Exit code 1 when something could not be
    looked at or told.
    """
    from energy_assets.catalogue import datasets
    from energy_assets.tracking.alerts import open_alerts
    from energy_assets.tracking.gap_look import judged_datasets, keep, look, names_of
    from energy_assets.tracking.gaps import conditions
    from energy_assets.tracking.status import evaluate
    from energy_assets.tracking.watch import asked_families, expected, stale_conditions, watch
    from energy_assets.wiring import open_warehouse, utc_now

    settings = console.prepare(ctx)
    now = utc_now()
    watched = watch(settings, now)
    alerts = open_alerts(settings)
    reported = [alerts.report(scope, conditions, now) for scope, conditions in watched.found.items()]
    # After the rest: a warehouse that cannot be read must not keep it from being told.
    warehouse = open_warehouse(settings)
    reports = evaluate(expected(datasets(), settings.profile), warehouse, now, days=1, newest=False)
    reported.append(alerts.report("stale", stale_conditions(reports, now, asked_families(settings)), now))
    judged = judged_datasets(datasets(), settings.profile)
    found = look(judged, warehouse, now, root=settings.iris_drop_dir)
    keep(found, warehouse)
    reported.append(alerts.report("gaps", conditions(found.gaps, names_of(judged), now), now))
    holding = [i for i in alerts.incidents() if i.holds]
    failures = [*watched.failures, *(e for r in reported for e in (*r.failed, *filter(None, [r.error])))]
    if as_json:
        console.write_json({"incidents": [incident_json(i) for i in holding], "failures": failures})
    else:
        _show(holding, alerts.trouble(), now)
        for sentence in failures:
            console.say(console.stdout(), sentence, "red")
    if failures:
        raise typer.Exit(console.FAILED)


@app.command()
def test(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Send a test message to every address, ask for the heartbeat's, and say which worked.

    Addresses are named by their scheme and place in the setting. Exit code 1 when one did not work or none is set.
    """
    from energy_assets.errors import SettingsError
    from energy_assets.tracking.alerts import open_alerts
    from energy_assets.wiring import utc_now

    tried = open_alerts(console.prepare(ctx)).test(utc_now())
    if not tried:
        raise SettingsError("Nobody can be told: set ENERGY_ASSETS_ALERT_URLS to one or more Apprise addresses.")
    if as_json:
        console.write_json([{"address": s.label, "worked": s.reason is None, "reason": s.reason} for s in tried])
    else:
        _show_tried(tried)
    if any(s.reason is not None for s in tried):
        raise typer.Exit(console.FAILED)


def incident_json(incident: Incident) -> dict[str, object]:
    """An incident for scripts; addresses are counted, not named."""
    return {
        "number": incident.number,
        "scope": incident.scope,
        "key": incident.key,
        "kind": incident.kind,
        "severity": incident.severity,
        "subject": incident.subject,
        "text": incident.text,
        "remedy": incident.remedy,
        "opened_utc": incident.opened_utc,
        "seen_utc": incident.seen_utc,
        "resolved_utc": incident.resolved_utc,
        "opened": _debts(incident.opened),
        "escalated": _debts(incident.escalated),
        "resolved": _debts(incident.resolved),
    }


def _debts(debts: Mapping[str, Debt]) -> dict[str, object]:
    told = [d.paid_utc for d in debts.values() if d.paid_utc is not None]
    return {"told": len(told), "to_be_told": len(debts) - len(told), "first_told_utc": min(told, default=None)}


def _show(incidents: Sequence[Incident], trouble: Mapping[str, str], now: datetime) -> None:
    out = console.stdout()
    if incidents:
        table = console.new_table(">no", "since (UTC)", "lasted", "severity", "told", "~what")
        for incident in incidents:
            table.add_row(
                str(incident.number),
                f"{incident.opened_utc:%Y-%m-%d %H:%M}",
                console.duration(((incident.resolved_utc or now) - incident.opened_utc).total_seconds()),
                _severity(incident),
                _told(incident, now),
                f"{incident.subject}: {incident.text}",
            )
        out.print(table)
        out.print()
    open_ones = sum(i.holds for i in incidents)
    console.say(
        out, f"{console.plural(open_ones, 'incident')} open." if open_ones else "Nothing is wrong, as far as known."
    )
    for label, reason in trouble.items():
        console.say(out, f"Not delivered to {label}: {reason}; it is tried again.", "red")


def _show_tried(tried: Sequence[Sent]) -> None:
    from rich.text import Text

    table = console.new_table("address", "~outcome")
    for sent in tried:
        outcome = Text("taken", style="green") if sent.reason is None else Text(sent.reason, style="red")
        table.add_row(sent.label, outcome)
    console.stdout().print(table)


def _severity(incident: Incident) -> Text:
    from rich.text import Text

    return (
        Text(incident.severity, style=STYLES[incident.severity]) if incident.holds else Text("resolved", style="green")
    )


def _told(incident: Incident, now: datetime) -> str:
    told = incident.told_utc()
    if told is not None:
        return f"{console.ago(told, now)}, escalated" if _escalated(incident) else console.ago(told, now)
    if incident.due_utc is None:
        return "quiet hours" if incident.holds else "–"
    return "not yet" if incident.opened else "nobody is set"


def _escalated(incident: Incident) -> bool:
    return any(d.paid_utc is not None for d in incident.escalated.values())
