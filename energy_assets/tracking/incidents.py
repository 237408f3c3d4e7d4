"""What is wrong and who was told of it: conditions, the incidents that they become, and the rules of telling.

Pure: a ledger goes in with what was found and the time, another ledger comes out. The file that holds it is in
``ledger_file``, the words are in ``messages``, sending is in ``delivery``.

Told is not a flag but a debt: as soon as somebody is to be told, the ledger says so, and it is paid when a delivery was
confirmed. So a crash at any moment may repeat a message and never loses one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Literal

import msgspec

from energy_assets.calendar import LONDON
from energy_assets.checks.model import Severity

Kind = Literal[
    "run_failed",
    "dataset_stale",
    "gap",
    "listener_silent",
    "disk_low",
    "credentials",
    "check_failed",
    "outdated",
]
News = Literal["opened", "escalated", "resolved"]
"""What a message is about."""

RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
"""The most severe first."""

SETTLED_AFTER = timedelta(minutes=30)
"""How long a condition has to be absent until its incident is over. Two ticks of the refresh: what fails in every other
one is one incident, and nobody is told that all is well just before it is not."""

FORGOTTEN_AFTER = timedelta(days=7)
"""Resolved incidents are shown for a week; who could not be told of one by then is not told any more."""

MOST_RESOLVED = 500
"""Resolved incidents kept at most, the newest: with the open ones about a megabyte."""

MOST_IN_SCOPE = 200
"""Conditions of one scope that become incidents of their own; the rest are counted in one more. Each dataset of a
provider may have one, and nobody reads more."""

TRY_AGAIN = timedelta(minutes=1)
TRY_AGAIN_MOST = timedelta(hours=1)
"""Time after a failed delivery before the next to the same address; it doubles from one to the other."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now.

    Attributes:
        key: Stable identity within its scope, as ``stale bmrs/fuelinst``.
        kind: What sort of thing.
        severity: How bad.
        subject: A few words: what is wrong with what.
        text: A sentence or two with the particulars; may change from report to report.
        remedy: What to do.
    """

    key: str
    kind: Kind
    severity: Severity
    subject: str
    text: str
    remedy: str = ""


class Debt(msgspec.Struct, frozen=True, array_like=True):
    """That an address is to be told, since when, and when it was."""

    owed_utc: Instant
    paid_utc: Instant | None = None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A condition from its first report until it has stayed away.

    Attributes:
        number: Its name in the ledger.
        scope: Who reports it.
        key: The condition's.
        kind: The condition's.
        severity: As last reported, like the three texts.
        worst: The greatest severity that it has had; what gets worse is told once more.
        subject: What is wrong with what.
        text: The particulars.
        remedy: What to do.
        opened_utc: First report.
        seen_utc: Last report that named it.
        resolved_utc: First report since that did not; ``None`` while it holds.
        due_utc: When it was first to be told to anybody; ``None`` while quiet hours keep it back.
        opened: Debts of telling it, by address.
        escalated: Debts of escalating it, by address.
        resolved: Debts of telling its end, by address.
    """

    number: int
    scope: str
    key: str
    kind: Kind
    severity: Severity
    subject: str
    text: str
    remedy: str
    opened_utc: Instant
    seen_utc: Instant
    worst: Severity = "error"
    resolved_utc: Instant | None = None
    due_utc: Instant | None = None
    opened: dict[str, Debt] = {}
    escalated: dict[str, Debt] = {}
    resolved: dict[str, Debt] = {}

    @property
    def holds(self) -> bool:
        """Whether the condition was there in its scope's last report."""
        return self.resolved_utc is None

    def over(self, now: datetime, settled_after: timedelta) -> bool:
        """Whether it has stayed away for long enough; if it comes again it is another incident."""
        return self.resolved_utc is not None and now - self.resolved_utc >= settled_after

    def debts(self, news: News) -> dict[str, Debt]:
        """Who is, or was, to be told."""
        return {"opened": self.opened, "escalated": self.escalated, "resolved": self.resolved}[news]

    def told_utc(self) -> datetime | None:
        """When anybody was first told of it."""
        return min((d.paid_utc for d in (*self.opened.values(), *self.escalated.values()) if d.paid_utc), default=None)


class Trouble(msgspec.Struct, frozen=True):
    """An address that does not take messages.

    Attributes:
        since_utc: First of the failures in a row.
        failures: How many.
        again_utc: When it is tried again.
        reason: Why, of the last one.
    """

    since_utc: Instant
    failures: int
    again_utc: Instant
    reason: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is remembered.

    Attributes:
        version: Of this layout.
        last_number: Greatest number ever given to an incident.
        incidents: Open ones, and those lately resolved.
        trouble: Addresses that do not take messages.
    """

    version: int = 1
    last_number: int = 0
    incidents: tuple[Incident, ...] = ()
    trouble: dict[str, Trouble] = {}


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is told, and when.

    Attributes:
        told: Names of the addresses that are told of every incident.
        escalated_to: Names of those that are told of what lasts.
        escalate_after: How long it lasts then.
        quiet: Wall-clock times in Europe/London, half-open, between which nobody is told; ``None`` for never.
        errors_pass: Whether errors are told all the same.
        settled_after: How long a condition stays away until its incident is over.
    """

    told: tuple[str, ...] = ()
    escalated_to: tuple[str, ...] = ()
    escalate_after: timedelta = timedelta(hours=1)
    quiet: tuple[time, time] | None = None
    errors_pass: bool = False
    settled_after: timedelta = SETTLED_AFTER

    def may_tell(self, severity: Severity, now: datetime) -> bool:
        """Whether something of a severity is told at an instant (aware)."""
        if self.quiet is None or (self.errors_pass and severity == "error"):
            return True
        first, last = self.quiet
        wall = now.astimezone(LONDON).time().replace(tzinfo=None)
        within = first <= wall < last if first < last else wall >= first or wall < last
        return not within


def observe(ledger: Ledger, scope: str, conditions: Sequence[Condition], now: datetime, rules: Rules) -> Ledger:
    """What a report makes of the ledger.

    Args:
        ledger: As it was.
        scope: Whose conditions these are.
        conditions: All that hold there now; what held and is absent is resolved.
        now: The present, aware UTC.
        rules: Who is told, and when.
    """
    ledger = _not_ahead(ledger, now)
    current = {i.key: i for i in ledger.incidents if i.scope == scope and not i.over(now, rules.settled_after)}
    holding = {c.key: c for c in _bounded(scope, conditions, current.keys())}
    kept = [i if current.get(i.key) is not i else _seen(i, holding.get(i.key), now) for i in ledger.incidents]
    new = [
        _new(number, scope, condition, now)
        for number, condition in enumerate((c for k, c in holding.items() if k not in current), ledger.last_number + 1)
    ]
    return advance(
        msgspec.structs.replace(ledger, incidents=(*kept, *new), last_number=ledger.last_number + len(new)), now, rules
    )


def advance(ledger: Ledger, now: datetime, rules: Rules) -> Ledger:
    """What the passing of time makes of the ledger: debts that fall due, and what is forgotten."""
    ledger = _not_ahead(ledger, now)
    incidents = _remembered([_owing(i, now, rules) for i in ledger.incidents], now)
    known = {*rules.told, *rules.escalated_to}
    trouble = {name: t for name, t in ledger.trouble.items() if name in known}
    return msgspec.structs.replace(ledger, incidents=tuple(incidents), trouble=trouble)


def unpaid(ledger: Ledger, address: str, news: News, now: datetime, rules: Rules) -> list[Incident]:
    """What an address is to be told now in one message, the most severe first.

    Nothing while it is in trouble and not to be tried yet. Of an incident that is no longer there only its end is told.
    """
    trouble = ledger.trouble.get(address)
    if trouble is not None and now < trouble.again_utc:
        return []
    owed = [
        i
        for i in ledger.incidents
        if (debt := i.debts(news).get(address)) is not None
        and debt.paid_utc is None
        and i.holds == (news != "resolved")
        and rules.may_tell(i.severity, now)
    ]
    return sorted(owed, key=lambda i: (RANK[i.severity], i.number))


def pay(ledger: Ledger, address: str, news: News, told: Iterable[Incident], now: datetime) -> Ledger:
    """The ledger after a delivery was confirmed; what has got worse since it was sent is still owed."""
    debts = {(i.number, i.debts(news)[address]) for i in told}
    incidents = tuple(
        _paid(i, address, news, now) if (i.number, i.debts(news).get(address)) in debts else i for i in ledger.incidents
    )
    trouble = {name: t for name, t in ledger.trouble.items() if name != address}
    return msgspec.structs.replace(ledger, incidents=incidents, trouble=trouble)


def fail(ledger: Ledger, address: str, reason: str, now: datetime) -> Ledger:
    """The ledger after a delivery failed."""
    before = ledger.trouble.get(address)
    failures = before.failures + 1 if before else 1
    wait: timedelta = min(TRY_AGAIN * 2 ** min(failures - 1, 10), TRY_AGAIN_MOST)
    now_in = Trouble(before.since_utc if before else now, failures, now + wait, reason)
    return msgspec.structs.replace(ledger, trouble=ledger.trouble | {address: now_in})


def _not_ahead(ledger: Ledger, now: datetime) -> Ledger:
    """The ledger with nothing later than now: a clock that was ahead must not silence anybody until then."""
    incidents = tuple(
        msgspec.structs.replace(
            i,
            opened_utc=min(i.opened_utc, now),
            seen_utc=min(i.seen_utc, now),
            resolved_utc=i.resolved_utc and min(i.resolved_utc, now),
            due_utc=i.due_utc and min(i.due_utc, now),
        )
        for i in ledger.incidents
    )
    trouble = {
        name: msgspec.structs.replace(t, again_utc=min(t.again_utc, now + TRY_AGAIN_MOST))
        for name, t in ledger.trouble.items()
    }
    return msgspec.structs.replace(ledger, incidents=incidents, trouble=trouble)


def _bounded(scope: str, conditions: Iterable[Condition], known: Collection[str]) -> list[Condition]:
    """At most ``MOST_IN_SCOPE``, those that are incidents already first, and one that counts the rest."""
    by_key = {c.key: c for c in conditions}
    ordered = sorted(by_key.values(), key=lambda c: (c.key not in known, RANK[c.severity]))
    kept, rest = ordered[:MOST_IN_SCOPE], ordered[MOST_IN_SCOPE:]
    if rest:
        worst = min(rest, key=lambda c: RANK[c.severity])
        kept.append(
            Condition(
                f"more in {scope}",
                worst.kind,
                worst.severity,
                f"{len(rest):,} more in {scope}",
                f"Besides {MOST_IN_SCOPE} told one by one, {len(rest):,} more hold, as {worst.subject}.",
                worst.remedy,
            )
        )
    return kept


def _new(number: int, scope: str, condition: Condition, now: datetime) -> Incident:
    return Incident(
        number=number,
        scope=scope,
        key=condition.key,
        kind=condition.kind,
        severity=condition.severity,
        worst=condition.severity,
        subject=condition.subject,
        text=condition.text,
        remedy=condition.remedy,
        opened_utc=now,
        seen_utc=now,
    )


def _seen(incident: Incident, condition: Condition | None, now: datetime) -> Incident:
    """The incident after a report with or without its condition."""
    if condition is None:
        return incident if incident.resolved_utc else msgspec.structs.replace(incident, resolved_utc=now)
    worse = RANK[condition.severity] < RANK[incident.worst]
    return msgspec.structs.replace(
        incident,
        opened={} if worse else incident.opened,
        worst=condition.severity if worse else incident.worst,
        severity=condition.severity,
        subject=condition.subject,
        text=condition.text,
        remedy=condition.remedy,
        seen_utc=now,
        resolved_utc=None,
    )


def _owing(incident: Incident, now: datetime, rules: Rules) -> Incident:
    """The incident with the debts that have fallen due."""
    if incident.holds:
        due = incident.due_utc or (now if rules.may_tell(incident.severity, now) else None)
        if due is None:
            return incident
        lasts = now - due >= rules.escalate_after
        return msgspec.structs.replace(
            incident,
            due_utc=due,
            opened=_indebted(incident.opened, rules.told, now),
            escalated=_indebted(incident.escalated, rules.escalated_to if lasts else (), now),
        )
    if not incident.over(now, rules.settled_after):
        return incident
    # Also those whom no message has reached: the end tells what it was the end of.
    concerned = {**incident.opened, **incident.escalated}
    return msgspec.structs.replace(incident, resolved=_indebted(incident.resolved, concerned, now))


def _indebted(debts: dict[str, Debt], addresses: Iterable[str], now: datetime) -> dict[str, Debt]:
    return {**dict.fromkeys(addresses, Debt(now)), **debts}


def _paid(incident: Incident, address: str, news: News, now: datetime) -> Incident:
    debts = incident.debts(news)
    return msgspec.structs.replace(incident, **{news: debts | {address: Debt(debts[address].owed_utc, now)}})


def _remembered(incidents: Sequence[Incident], now: datetime) -> Iterator[Incident]:
    ended = sorted((i.resolved_utc for i in incidents if i.resolved_utc is not None), reverse=True)
    oldest = ended[MOST_RESOLVED - 1] if len(ended) >= MOST_RESOLVED else None
    for incident in incidents:
        at = incident.resolved_utc
        if at is None or (now - at < FORGOTTEN_AFTER and (oldest is None or at >= oldest)):
            yield incident
