"""The words of alerts: what a message says about one incident or a list of them, within bounds.

Plain text; what a service makes of it is the service's. No secret is known here: texts are redacted before they become
incidents, and once more by whoever sends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from energy_assets.checks.model import Severity
from energy_assets.tracking.incidents import RANK, Condition, Incident, News

Tone = Literal["info", "warning", "error", "good"]

LISTED_MOST = 10
"""Incidents that one message names; it counts the others."""

SUBJECT_MOST = 120
KEY_MOST = 200
TEXT_MOST = 600
"""Characters of a condition's parts: a list of ten full ones stays within what chat services take (4,000 and more), as
each is cut again in a list."""

LISTED_TEXT_MOST = 200
"""Characters of a text within a list."""

APP = "energy_assets"

_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
"""White space, control characters, and halves of characters, which no file or service takes."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        title: One line.
        body: Some lines.
        tone: How a service may colour it.
    """

    title: str
    body: str
    tone: Tone


def cleaned(condition: Condition) -> Condition:
    """The condition with each part on one line and within its bound: texts come from providers and exceptions."""
    return replace(
        condition,
        key=clipped(condition.key, KEY_MOST),
        subject=clipped(condition.subject, SUBJECT_MOST),
        text=clipped(condition.text, TEXT_MOST),
        remedy=clipped(condition.remedy, TEXT_MOST),
    )


def clipped(text: str, most: int) -> str:
    """The text on one line, cut with an ellipsis where it is longer than ``most`` characters."""
    line = _SPACES.sub(" ", text).strip()
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def compose(news: News, incidents: Sequence[Incident], now: datetime) -> Message:
    """One message about incidents that are told together.

    Args:
        news: What is told of them.
        incidents: At least one, the most severe first.
        now: The present, aware UTC.
    """
    if len(incidents) == 1:
        return _of_one(news, incidents[0], now)
    words: dict[News, str] = {
        "opened": "{n} new problems",
        "escalated": "{n} problems are not resolved",
        "resolved": "{n} problems are resolved",
    }
    lines = [_listed(news, i, now) for i in incidents[:LISTED_MOST]]
    if len(incidents) > LISTED_MOST:
        option = " --all" if news == "resolved" else ""
        lines.append(f"and {len(incidents) - LISTED_MOST:,} more: `energy-assets alerts list{option}` names them")
    title = f"{APP}: {words[news].format(n=f'{len(incidents):,}')}"
    return Message(title, "\n".join(lines), _tone(news, incidents))


def trial(now: datetime) -> Message:
    """What ``energy-assets alerts test`` sends."""
    return Message(
        f"{APP}: test of alerts", f"Sent at {_at(now)} by `energy-assets alerts test`. Nothing is wrong.", "info"
    )


def lasted(span: timedelta) -> str:
    """A span in one unit: ``40 min``, ``3 h``, ``2 d``."""
    if span < timedelta(hours=2):
        return f"{max(span, timedelta(0)) // timedelta(minutes=1)} min"
    return f"{span // timedelta(hours=1)} h" if span < timedelta(days=2) else f"{span.days} d"


def _of_one(news: News, incident: Incident, now: datetime) -> Message:
    heads: dict[News, str] = {
        "opened": incident.severity,
        "escalated": f"{incident.severity}, not resolved for {lasted(now - incident.opened_utc)}",
        "resolved": "resolved",
    }
    lines = [incident.text] if news != "resolved" else [f"It was: {incident.text}"]
    if incident.remedy and news != "resolved":
        lines.append(f"What to do: {incident.remedy}")
    lines.append(_when(news, incident))
    return Message(f"{APP}: {heads[news]}: {incident.subject}", "\n".join(lines), _tone(news, [incident]))


def _listed(news: News, incident: Incident, now: datetime) -> str:
    if news == "resolved":
        return f"- {incident.subject} ({_when(news, incident)})"
    text = clipped(f"{incident.text} {incident.remedy}", LISTED_TEXT_MOST)
    return f"- {incident.severity}: {incident.subject} ({_when(news, incident)}): {text}"


def _when(news: News, incident: Incident) -> str:
    since = f"since {_at(incident.opened_utc)}"
    if news != "resolved" or incident.resolved_utc is None:
        return since
    span = lasted(incident.resolved_utc - incident.opened_utc)
    return f"from {_at(incident.opened_utc)} to {_at(incident.resolved_utc)}, {span}"


def _tone(news: News, incidents: Sequence[Incident]) -> Tone:
    if news == "resolved":
        return "good"
    worst: Severity = min((i.severity for i in incidents), key=lambda s: RANK[s])
    return worst


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}"
