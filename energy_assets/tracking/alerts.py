"""Alerts: what is wrong becomes an incident, and people are told of it once, again when it lasts, and when it is over.

The entry point of everyone who finds something wrong: ``open_alerts(settings).report("checks bmrs", conditions, now)``
with all that is wrong within the scope now. What is wrong is found elsewhere (``watch`` needs no orchestrator); rules
are in ``incidents``, the file in ``ledger_file``, words in ``messages``, sending in ``delivery``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from energy_assets.errors import SpoolError
from energy_assets.sources.redaction import Redactor
from energy_assets.tracking.delivery import Address, addresses, beat, send
from energy_assets.tracking.incidents import (
    Condition,
    Incident,
    Ledger,
    News,
    Rules,
    advance,
    fail,
    observe,
    pay,
    unpaid,
)
from energy_assets.tracking.ledger_file import LedgerFile
from energy_assets.tracking.messages import Message, cleaned, compose, trial

if TYPE_CHECKING:
    from pydantic import SecretStr

    from energy_assets.settings import Settings

__all__ = ["Alerts", "Condition", "Reported", "Sent", "open_alerts"]

logger = logging.getLogger(__name__)

SENDING_SECONDS = 25.0
"""After this long a report begins no further delivery: a sensor has a minute, and a mail server that does not answer
takes fifteen seconds. What is left is sent by the next report."""

TURNS_MOST = 3
"""Times that a sender looks again for what others have reported while it sent; theirs go out with the next report
otherwise."""

DEAF_AFTER = 3
"""Failures in a row from which an address counts as deaf, so that the heartbeat stops: of one lost delivery nobody has
to know."""

NEWS: tuple[News, ...] = ("resolved", "opened", "escalated")
"""Messages in their order: the end of an incident must not be read as that of one like it that has opened since."""

Send = Callable[[Address, Message], str | None]
Beat = Callable[["SecretStr"], str | None]


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a report.

    Attributes:
        opened: Incidents that it opened.
        resolved: Incidents whose condition it did not name any more.
        messages: Messages that were delivered meanwhile, of this scope or another.
        failed: Deliveries that failed, one sentence each.
        error: Why nothing could be remembered; nobody is told then.
    """

    opened: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    messages: int = 0
    failed: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a test message.

    Attributes:
        label: The address, for people.
        reason: Why it was not taken; ``None`` when it was.
    """

    label: str
    reason: str | None


@dataclass
class _Round:
    """What a process has sent so far."""

    messages: int = 0
    failed: list[str] = field(default_factory=list)


class Alerts:
    """The alerts of one home.

    Args:
        ledger: Where incidents are remembered.
        rules: Who is told, and when.
        told: The addresses that the rules name.
        heartbeat: Address that a watcher elsewhere waits for.
        redact: Takes secrets out of a text.
        send: Sends a message; tells why it was not taken.
        beat: Asks for the heartbeat's address; tells why that failed.
    """

    def __init__(
        self,
        ledger: LedgerFile,
        rules: Rules,
        told: Iterable[Address] = (),
        heartbeat: SecretStr | None = None,
        redact: Redactor | None = None,
        send: Send = send,
        beat: Beat = beat,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._told: Mapping[str, Address] = {a.name: a for a in told}
        self._heartbeat = heartbeat
        self._redact = redact or Redactor()
        self._send = send
        self._beat = beat

    def report(self, scope: str, conditions: Sequence[Condition], now: datetime) -> Reported:
        """Take what is wrong within a scope, and tell whoever is to be told of anything by now.

        One incident is one message, however often it is reported. What held in the scope before and is absent now is
        resolved. Never raises for a disk or a service: work must not fail because nobody could be told of it. Failures
        are logged, returned, and made good by a later report of any scope.

        Args:
            scope: Who reports, as ``checks bmrs`` or ``listener``.
            conditions: All that is wrong there now, each key once.
            now: The present, aware.

        Raises:
            ValueError: ``now`` is naive.
        """
        now = _aware(now)
        clean = [self._clean(c) for c in conditions]
        try:
            before, after = self._ledger.change(lambda ledger: observe(ledger, scope, clean, now, self._rules))
        except SpoolError as error:
            logger.error("%s", error)
            return Reported(error=str(error))
        opened, resolved = _difference(before, after)
        for incident in opened:
            logger.warning("incident %d opened: %s: %s", incident.number, incident.subject, incident.text)
        for incident in resolved:
            logger.info("incident %d no longer holds: %s", incident.number, incident.subject)
        done = self.deliver(now)
        return replace(done, opened=tuple(i.key for i in opened), resolved=tuple(i.key for i in resolved))

    def deliver(self, now: datetime) -> Reported:
        """Tell whoever is to be told by now, without a report: escalations, ends of quiet hours, repeated deliveries.

        Never raises for a disk or a service, as ``report``.
        """
        now, done = _aware(now), _Round()
        until = time.monotonic() + SENDING_SECONDS
        try:
            for _ in range(TURNS_MOST):
                _, ledger = self._ledger.change(lambda ledger: advance(ledger, now, self._rules))
                # Somebody who reports while another sends leaves it to them: so they look again when they have sent.
                if not self._anything(ledger, now) or time.monotonic() >= until:
                    break
                with self._ledger.sending() as ours:
                    if not ours:
                        break
                    self._send_all(now, until, done)
        except SpoolError as error:
            logger.error("%s", error)
            return Reported(messages=done.messages, failed=tuple(done.failed), error=str(error))
        return Reported(messages=done.messages, failed=tuple(done.failed))

    def heartbeat(self, now: datetime) -> str | None:
        """Let the watcher elsewhere know that alerts work; no beat while incidents are not remembered or told.

        Returns:
            Why there was no beat; ``None`` where there was one or none is wanted.
        """
        if self._heartbeat is None:
            return None
        try:
            _, ledger = self._ledger.change(lambda ledger: advance(ledger, _aware(now), self._rules), anew=True)
        except SpoolError as error:
            return str(error)
        deaf = [
            self._told[name].label
            for name, t in ledger.trouble.items()
            if t.failures >= DEAF_AFTER and name in self._told
        ]
        if deaf:
            reason: str | None = f"no heartbeat while messages cannot be delivered to {', '.join(deaf)}"
        elif cause := self._beat(self._heartbeat):
            reason = f"the address of ENERGY_ASSETS_ALERT_HEARTBEAT_URL did not take the heartbeat: {cause}"
        else:
            return None
        logger.warning("%s", reason)
        return reason

    def incidents(self) -> tuple[Incident, ...]:
        """All that are remembered, open ones first, the oldest first.

        Raises:
            SpoolError: The home cannot be read.
        """
        return tuple(sorted(self._ledger.read().incidents, key=lambda i: (not i.holds, i.number)))

    def trouble(self) -> Mapping[str, str]:
        """Why addresses do not take messages, by their labels.

        Raises:
            SpoolError: The home cannot be read.
        """
        found = self._ledger.read().trouble
        return {self._told[name].label: trouble.reason for name, trouble in found.items() if name in self._told}

    def test(self, now: datetime) -> list[Sent]:
        """Send a test message to every address and ask for the heartbeat's; incidents are left as they are."""
        tried = [Sent(a.label, self._send(a, trial(_aware(now)))) for a in self._told.values()]
        if self._heartbeat is not None:
            tried.append(Sent("heartbeat (ENERGY_ASSETS_ALERT_HEARTBEAT_URL)", self._beat(self._heartbeat)))
        return tried

    def _clean(self, condition: Condition) -> Condition:
        return cleaned(
            replace(
                condition,
                key=self._redact(condition.key),
                subject=self._redact(condition.subject),
                text=self._redact(condition.text),
                remedy=self._redact(condition.remedy),
            )
        )

    def _anything(self, ledger: Ledger, now: datetime) -> bool:
        return any(unpaid(ledger, name, news, now, self._rules) for name in self._told for news in NEWS)

    def _send_all(self, now: datetime, until: float, done: _Round) -> None:
        """Every message that is due, those last whose address does not take any: it must not use up others' time."""
        trouble = self._ledger.read().trouble
        for address in sorted(self._told.values(), key=lambda a: a.name in trouble):
            for news in NEWS:
                incidents = unpaid(self._ledger.read(), address.name, news, now, self._rules)
                if not incidents:
                    continue
                if time.monotonic() >= until or not self._send_one(address, news, incidents, now, done):
                    break

    def _send_one(
        self, address: Address, news: News, incidents: Sequence[Incident], now: datetime, done: _Round
    ) -> bool:
        reason = self._send(address, compose(news, incidents, now))
        if reason is None:
            self._ledger.change(lambda ledger: pay(ledger, address.name, news, incidents, now))
            done.messages += 1
            return True
        self._ledger.change(lambda ledger: fail(ledger, address.name, reason, now))
        many = f"{len(incidents)} incidents" if len(incidents) > 1 else "an incident"
        sentence = f"{address.label} could not be told of {many} ({news}): {reason}"
        logger.warning("%s", sentence)
        done.failed.append(sentence)
        return False


def open_alerts(settings: Settings) -> Alerts:
    """The alerts that the settings describe; nothing is read or sent yet."""
    told = addresses(settings.alert_urls, "ENERGY_ASSETS_ALERT_URLS")
    further = addresses(settings.alert_escalation_urls, "ENERGY_ASSETS_ALERT_ESCALATION_URLS")
    rules = Rules(
        told=tuple(a.name for a in told),
        escalated_to=tuple(a.name for a in further),
        escalate_after=timedelta(minutes=settings.alert_escalate_minutes),
        quiet=settings.alert_quiet_hours,
        errors_pass=settings.alert_errors_in_quiet_hours,
    )
    # An address of both settings is one address, named after the first.
    everyone = {a.name: a for a in (*further, *told)}.values()
    return Alerts(
        LedgerFile(settings.home), rules, everyone, settings.alert_heartbeat_url, Redactor(settings.secrets())
    )


def _difference(before: Ledger, after: Ledger) -> tuple[list[Incident], list[Incident]]:
    held = {i.number for i in before.incidents if i.holds}
    opened = [i for i in after.incidents if i.number > before.last_number]
    return opened, [i for i in after.incidents if i.number in held and not i.holds]


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("alerts need an aware instant")
    return now.astimezone(UTC)
