"""The rules of telling, by themselves: for any course of reports, failures and nights nobody is told twice or never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from energy_assets.tracking.alerts import Alerts
from energy_assets.tracking.delivery import Address
from energy_assets.tracking.incidents import (
    FORGOTTEN_AFTER,
    MOST_RESOLVED,
    SETTLED_AFTER,
    Incident,
    Ledger,
    Rules,
    advance,
    fail,
    observe,
)
from energy_assets.tracking.ledger_file import LedgerFile
from energy_assets.tracking.messages import Message, compose
from energy_assets_tests.unit.alerting import condition

NOW = datetime(2026, 7, 15, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NIGHT = (time(22), time(7))


@pytest.mark.parametrize(
    ("instant", "quiet"),
    [
        ("2026-07-15T20:59:59+00:00", False),
        ("2026-07-15T21:00:00+00:00", True),
        ("2026-07-16T05:59:59+00:00", True),
        ("2026-07-16T06:00:00+00:00", False),
        ("2026-01-15T21:30:00+00:00", False),
        ("2026-01-15T22:00:00+00:00", True),
        ("2026-01-16T06:59:59+00:00", True),
        ("2026-01-16T07:00:00+00:00", False),
        # The nights in which clocks change.
        ("2026-03-29T00:59:00+00:00", True),
        ("2026-03-29T01:00:00+00:00", True),
        ("2026-03-29T06:00:00+00:00", False),
        ("2026-10-25T06:00:00+00:00", True),
        ("2026-10-25T07:00:00+00:00", False),
    ],
)
def test_quiet_hours_are_londons(instant: str, quiet: bool):
    at = datetime.fromisoformat(instant)
    assert Rules(quiet=NIGHT).may_tell("warning", at) is not quiet
    assert Rules(quiet=NIGHT).may_tell("error", at) is not quiet
    assert Rules(quiet=NIGHT, errors_pass=True).may_tell("error", at)
    assert Rules(quiet=NIGHT, errors_pass=True).may_tell("warning", at) is not quiet


def test_quiet_hours_may_lie_within_a_day():
    rules = Rules(quiet=(time(12), time(13)))
    at = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
    assert [rules.may_tell("info", at + n * timedelta(hours=1)) for n in (-1, 0, 1)] == [True, False, True]
    assert Rules().may_tell("info", at)


def test_resolved_incidents_are_forgotten():
    ledger = observe(Ledger(), "s", [condition()], NOW, Rules())
    ledger = observe(ledger, "s", [], NOW, Rules())
    assert advance(ledger, NOW + FORGOTTEN_AFTER - MINUTE, Rules()).incidents
    assert advance(ledger, NOW + FORGOTTEN_AFTER, Rules()).incidents == ()


def test_no_more_than_a_bound_of_resolved_incidents_is_kept():
    ledger, rules = Ledger(), Rules(settled_after=timedelta(0))
    for turn in range(MOST_RESOLVED // 100 + 3):
        now = NOW + turn * MINUTE
        ledger = observe(ledger, "s", [condition(f"{turn} {n}") for n in range(100)], now, rules)
        ledger = observe(ledger, "s", [], now + MINUTE / 2, rules)
    assert len(ledger.incidents) == MOST_RESOLVED
    assert min(i.number for i in ledger.incidents) == 301


def test_waits_grow_to_a_bound_and_an_address_that_is_gone_is_forgotten():
    ledger = Ledger()
    waits = []
    for _ in range(10):
        ledger = fail(ledger, "x", "why", NOW)
        waits.append((ledger.trouble["x"].again_utc - NOW) // MINUTE)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert advance(ledger, NOW, Rules(told=("y",))).trouble == {}


def test_an_incident_takes_on_what_is_last_said_of_it():
    ledger = observe(Ledger(), "s", [condition(text="one")], NOW, Rules())
    ledger = observe(ledger, "s", [condition(severity="error", text="two")], NOW + MINUTE, Rules())
    (incident,) = ledger.incidents
    assert (incident.text, incident.severity, incident.opened_utc) == ("two", "error", NOW)
    assert incident.seen_utc == NOW + MINUTE


def test_a_message_about_many_names_the_worst_first_and_counts_the_rest():
    ledger = observe(Ledger(), "s", [condition(str(n)) for n in range(12)], NOW, Rules())
    message = compose("resolved", [_ended(i) for i in ledger.incidents], NOW)
    assert message.title == "energy_assets: 12 problems are resolved"
    assert message.body.splitlines()[-1] == "and 2 more: `energy-assets alerts list --all` names them"
    assert message.tone == "good"
    escalated = compose("escalated", ledger.incidents, NOW + timedelta(hours=3))
    assert (escalated.title, escalated.tone) == ("energy_assets: 12 problems are not resolved", "warning")


def _ended(incident: Incident) -> Incident:
    import msgspec

    return msgspec.structs.replace(incident, resolved_utc=NOW + 5 * MINUTE)


@dataclass
class Step:
    """A report: minutes since the last by a clock that may be put back, keys that hold, addresses that take nothing, a
    crash right after sending."""

    minutes: int
    keys: frozenset[str]
    deaf: frozenset[str]
    crash: bool


@dataclass
class People:
    """Those who are told; remembers what, and fails when told to."""

    deaf: frozenset[str] = frozenset()
    crash: bool = False
    heard: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: {"m": [], "e": []})

    def send(self, address: Address, message: Message) -> str | None:
        if address.name in self.deaf:
            return "deaf"
        kind = (
            "resolved"
            if "resolved" in message.title and "not resolved" not in message.title
            else "escalated"
            if "not resolved" in message.title
            else "opened"
        )
        for key in "abc":
            times = f"{message.title}\n{message.body}".count(f"{key} is stale")
            self.heard[address.name] += [(kind, key)] * times
        if self.crash:
            raise KeyboardInterrupt
        return None


steps = st.builds(
    Step,
    st.sampled_from([1, 5, 15, 29, 31, 120, 700, -1, -31, -500_000]),
    st.frozensets(st.sampled_from("abc")),
    st.frozensets(st.sampled_from("me")),
    st.sampled_from([False, False, False, True]),
)


@settings(max_examples=50)
@given(st.lists(steps, max_size=15), st.booleans())
def test_nobody_is_told_twice_or_never_whatever_happens(course: Sequence[Step], nights: bool):
    people = People()
    rules = Rules(("m",), ("e",), timedelta(minutes=60), NIGHT if nights else None)
    everyone = [Address(name, name, SecretStr("x")) for name in "me"]
    with TemporaryDirectory() as folder:
        alerts = Alerts(LedgerFile(Path(folder)), rules, everyone, send=people.send)
        now, crashes = NOW, 0
        seen: dict[int, Incident] = {}
        for step in course:
            now += step.minutes * MINUTE
            people.deaf, people.crash = step.deaf, step.crash
            try:
                alerts.report("s", [condition(key) for key in sorted(step.keys)], now)
            except KeyboardInterrupt:
                crashes += 1
            seen |= {i.number: i for i in alerts.incidents()}
        people.deaf, people.crash = frozenset(), False
        # Everything ends well: nothing holds, everybody listens, and it is day.
        for hours in (0, 1, 2, 14):
            alerts.report("s", [], now + timedelta(hours=hours))
        ended = {i.number: i for i in alerts.incidents()}
    told = Counter(people.heard["m"])
    for key in "abc":
        due = [i for n, i in ended.items() if i.key == key and i.due_utc is not None]
        # Each that was ever due has an end that was told, and none that was not.
        # A crash repeats a message, which may be about all of them.
        assert len(due) <= told["resolved", key] <= len(due) * (1 + crashes)
        assert told["opened", key] <= len(due) * (1 + crashes)
        assert all(i.resolved["m"].paid_utc for i in due)
        quiet = [i for i in ended.values() if i.key == key and i.due_utc is None]
        assert all(not i.opened and not i.escalated and not i.resolved for i in quiet)
        escalated = [i for i in due if i.escalated]
        assert Counter(people.heard["e"])["escalated", key] <= len(escalated) + crashes
        assert Counter(people.heard["e"])["resolved", key] >= len(escalated)
    assert timedelta(hours=1) > SETTLED_AFTER, "the ends above take it for granted"
