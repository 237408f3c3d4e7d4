"""A mixture of messages such as a day brings, and what the tables must hold when all have been loaded."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from energy_assets.catalogue.iris import BY_STREAM
from energy_assets.ingest.messages import rows_of
from energy_assets.sandbox.iris.feeder import MARK
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.messages import Messages
from energy_assets_tests.e2e.world import row_text

Row = dict[str, Any]
Status = Literal["loaded", "unreadable", "unmapped"]

DAY = datetime(2026, 7, 15, tzinfo=UTC)
"""Rows are varied from those that the sandbox has on this day."""

UNKNOWN = "TOMORROW"
"""A stream that the catalogue does not know."""

SHARES = {"MILS": 380, "MELS": 320, "FREQ": 150, "FUELINST": 60, "REMIT": 40, "BOD": 20, UNKNOWN: 20}
"""Messages of each stream in about a thousand."""

ROWS = {"FUELINST": 20, "BOD": 30}
"""Rows of a message; one where nothing is said."""

BIG_EVERY, BIG_ROWS = 2_500, 2_000
"""So many messages bring one large one, of BOD: two thirds of a megabyte."""

ODD_EVERY = 250
"""So many messages bring one that cannot be read, and one that takes the id of another."""

UNREADABLE = (b'"[{\\"dataset\\": "', b"\xff\xfe", b"", b'"[1, 2]"', b'"[{\\"frequency\\": 1, \\"_message_id\\": 1}]"')

VARIED = {"MILS": "levelFrom", "MELS": "levelTo", "FREQ": "frequency", "FUELINST": "generation", "BOD": "bid"}
"""Member whose value makes a row unlike all others; a text where nothing is said."""


@dataclass(frozen=True)
class Fed:
    """A message that is fed, and what is to become of it."""

    message: Message
    status: Status
    rows: tuple[Row, ...] = ()

    @property
    def stream(self) -> str:
        """Its stream."""
        assert self.message.subject is not None
        return self.message.subject


def mixture(count: int, seed: int) -> list[Fed]:
    """So many messages in an order of their own, the same for the same seed."""
    chance = random.Random(seed)
    templates = _templates()
    names = list(SHARES)
    drawn = chance.choices(names, weights=[SHARES[n] for n in names], k=count)
    fed: list[Fed] = []
    for number, stream in enumerate(drawn):
        if number % ODD_EVERY == ODD_EVERY - 1:
            fed.append(_unreadable(number))
        elif number % ODD_EVERY == ODD_EVERY - 2:
            fed.append(_readable("FREQ", number, 1, templates, f"FREQ_{number - ODD_EVERY // 2}_reused.json"))
            fed.append(_readable("FREQ", number + count, 1, templates, fed[-1].message.label))
        elif number % BIG_EVERY == BIG_EVERY // 2:
            fed.append(_readable("BOD", number, BIG_ROWS, templates))
        elif stream == UNKNOWN:
            fed.append(Fed(_message(UNKNOWN, number, json.dumps([{"number": number}]).encode()), "unmapped"))
        else:
            fed.append(_readable(stream, number, ROWS.get(stream, 1), templates))
    del fed[count:]
    return fed


def _templates() -> dict[str, Row]:
    """One row of each stream, as the sandbox has them."""
    made = Messages.of()
    streams = [s for s in SHARES if s != UNKNOWN]
    return {s: json.loads(made.between(s, DAY, DAY + timedelta(hours=6))[0].body)[0] for s in streams}


def _readable(stream: str, number: int, rows: int, templates: dict[str, Row], message_id: str = "") -> Fed:
    varied = VARIED.get(stream)
    made = []
    for place in range(rows):
        value = number + place / 8192
        made.append(templates[stream] | ({varied: value} if varied else {"mrid": f"SYN-{number}-{place}"}))
    body = json.dumps(json.dumps(made)).encode()
    return Fed(_message(stream, number, body, message_id), "loaded", tuple(made))


def _unreadable(number: int) -> Fed:
    body = UNREADABLE[number // ODD_EVERY % len(UNREADABLE)]
    return Fed(_message("FREQ", number, body), "unreadable")


def _message(stream: str, number: int, body: bytes, message_id: str = "") -> Message:
    return Message(message_id or f"{stream}_202607150000_{number:08d}.json", stream, body, {MARK: True})


def expected_register(fed: Sequence[Fed]) -> Counter[tuple[str, str, str, int]]:
    """Stream, id, status and rows of each message; bodies that differ are messages that differ."""
    told = {(f.stream, f.message.message_id, f.message.body): f for f in fed}
    return Counter((f.stream, f.message.label, f.status, _count(f)) for f in told.values())


def _count(fed: Fed) -> int:
    return 1 if fed.status == "unmapped" else len(fed.rows)


def expected_rows(fed: Sequence[Fed], stream: str) -> Counter[tuple[str, str, int, str]]:
    """Id, digest, place and content of each row of a stream's table."""
    entry = BY_STREAM[stream]
    found: Counter[tuple[str, str, int, str]] = Counter()
    for one in fed:
        if one.stream == stream and one.status == "loaded":
            assert isinstance(one.message.body, bytes)
            digest = rows_of(one.message.body)[0]
            found.update((one.message.label, digest, n, row_text(row, entry)) for n, row in enumerate(one.rows))
    return found
