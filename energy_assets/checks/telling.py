"""What of the findings is worth an event, and what stands of older ones.

Pure. Every event is kept, so what has not changed is told rarely: a verdict when it changes, a red one once a day, a
green one once a week, so that the UI shows that somebody looks. A look at two days does not clear what a look at a
month found on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zlib import crc32

from energy_assets.checks.model import Finding, Severity
from energy_assets.checks.specs import FRESHNESS, LATENESS, UNUSUAL
from energy_assets.tracking.incidents import Condition

RED_AGAIN = timedelta(hours=24)
"""Time after which a red verdict is told once more."""

GREEN_AGAIN = timedelta(days=6)
"""Least time after which a green verdict is told once more; up to two days are added, check by check, so that not all
of them come in one night."""

SPREAD_HOURS = 48

GREEN_AT_ONCE = 200
"""Green verdicts that nobody waits for told by one look at most: a thousand take a store a minute, when a look has
never been told before; the next looks tell the rest."""

PRESENT = frozenset({FRESHNESS.name, LATENESS.name})
"""Checks that are about the present: a verdict about a later moment replaces an older one, whatever days were at
fault."""

UNUSUAL_FOR = timedelta(days=7)
"""Age at which a day is not judged as unusual any more, so that no later look can clear it: what was unusual then is
history."""

RANK: Mapping[Severity, int] = {"info": 0, "warning": 1, "error": 2}

Key = tuple[str, str]
"""Dataset code and name of the check."""


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict that was told.

    Attributes:
        passed: What it was.
        at: When it was told, aware.
        severity: How bad it was.
        from_day: First day at fault, where it was about days.
        to_day: Last one.
        text: Its sentence.
        hidden: Whether people do not see it, because a run that was to look anew has ended without a verdict.
    """

    passed: bool
    at: datetime
    severity: Severity = "info"
    from_day: date | None = None
    to_day: date | None = None
    text: str = ""
    hidden: bool = False


def key_of(finding: Finding) -> Key:
    """What a verdict is about."""
    return finding.dataset, finding.check


def widened(findings: Iterable[Finding], told: Mapping[Key, Told], looked: tuple[date, date]) -> list[Finding]:
    """The findings of one look at some days, red ones with the days of an older red verdict that it did not look at.

    A verdict replaces the one before it, and days that nobody has looked at again would be forgotten with that.
    """
    return [_with_older(finding, told.get(key_of(finding)), looked) for finding in findings]


def _with_older(finding: Finding, before: Told | None, looked: tuple[date, date]) -> Finding:
    days = finding.from_day, finding.to_day
    if finding.passed or finding.check in PRESENT or before is None or before.passed or None in days:
        return finding
    first, last = before.from_day, before.to_day
    if first is None or last is None or (looked[0] <= first and last <= looked[1]):
        return finding
    return replace(
        finding,
        from_day=min(first, finding.from_day or first),
        to_day=max(last, finding.to_day or last),
        severity=max(finding.severity, before.severity, key=RANK.__getitem__),
    )


def worth_telling(findings: Iterable[Finding], told: Mapping[Key, Told], now: datetime) -> list[Finding]:
    """The findings of one look that are to be told, and what stands of hidden verdicts.

    Args:
        findings: What the look found.
        told: The newest verdict that was told, by what it is about.
        now: The present, aware.
    """
    found = list(findings)
    stands = {key_of(f): f for f in [*found, *standing(found, told)]}
    hidden = [key for key, verdict in told.items() if verdict.hidden]
    news = [f for f in found if key_of(f) not in hidden and _is_news(f, told.get(key_of(f)), now)]
    news += [stands[key] for key in hidden if key in stands]
    waited_for = [f for f in news if not f.passed or _was_red(told.get(key_of(f)))]
    others = [f for f in news if f.passed and not _was_red(told.get(key_of(f)))]
    return waited_for + others[:GREEN_AT_ONCE]


def _was_red(before: Told | None) -> bool:
    return before is not None and not before.passed


def standing(findings: Iterable[Finding], told: Mapping[Key, Told]) -> list[Finding]:
    """What is wrong after a look: what it found, and older findings on days that it did not look at."""
    found = list(findings)
    now_red = [f for f in found if not f.passed]
    again = {key_of(f) for f in now_red}
    seen = {key_of(f): f for f in found}
    older = [
        Finding(check, dataset, t.from_day, t.to_day, False, t.severity, t.text)
        for (dataset, check), t in told.items()
        if not t.passed and (dataset, check) not in again and not _clears(seen.get((dataset, check)), t)
    ]
    return [*now_red, *older]


def conditions(findings: Iterable[Finding], names: Mapping[str, str]) -> list[Condition]:
    """What people are to be told of findings that did not pass: one condition for each dataset and check.

    Args:
        findings: What is wrong (``standing``).
        names: Names of datasets as users type them, by code.
    """
    return [
        Condition(
            f"{f.check} {names[f.dataset]}",
            "check_failed",
            f.severity,
            f"{names[f.dataset]}: {f.check.replace('_', ' ')}",
            f.text,
        )
        for f in findings
    ]


def _is_news(finding: Finding, before: Told | None, now: datetime) -> bool:
    if before is None:
        return True
    age = now - before.at
    if finding.passed:
        if before.passed:
            return age >= GREEN_AGAIN + _spread(key_of(finding))
        return _clears(finding, before)
    return before.passed or RANK[finding.severity] > RANK[before.severity] or age >= RED_AGAIN


def _clears(finding: Finding | None, before: Told) -> bool:
    """Whether a green finding says that what an older one found is no more."""
    if finding is None or not finding.passed:
        return False
    if before.from_day is None or before.to_day is None or finding.from_day is None or finding.to_day is None:
        return True
    if finding.check in PRESENT:
        return before.to_day <= finding.to_day
    if finding.check == UNUSUAL.name and finding.to_day - before.to_day >= UNUSUAL_FOR:
        return True
    return finding.from_day <= before.from_day and before.to_day <= finding.to_day


def _spread(key: Key) -> timedelta:
    """A part of two days that is always the same for one check."""
    return timedelta(hours=crc32("/".join(key).encode()) % SPREAD_HOURS)
