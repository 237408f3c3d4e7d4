"""IRIS messages taken off a queue that is 20 ms away, in our way and in that of Elexon's Python client."""

from __future__ import annotations

import statistics
import sys

from measure import HERE, Series, helper, run
from report import Result, at_least

ROUND_TRIP = 0.02
"""Seconds to the data centre and back, as within one country."""

BODY_BYTES = 400
"""A small stream's message, of which there are most."""

MESSAGES = 10_000

OFFICIAL_MESSAGES = 200
"""The official loop takes one in two round trips: 200 last as long as 10,000 do here."""


def take(rounds: int, messages: int = MESSAGES) -> Result:
    """The listener, the official client's loop and the queue's own limit, in turns."""
    ways = {"listener": Series(), "official": Series(), "receive": Series()}
    counts = {"listener": messages, "official": OFFICIAL_MESSAGES, "receive": messages}
    command = [sys.executable, str(HERE / "far_queue.py"), "--round-trip", str(ROUND_TRIP)]
    with helper(command) as queue:
        for _ in range(rounds):
            for way, series in ways.items():
                options = ("--messages", counts[way], "--bytes", BODY_BYTES)
                series.add(run("programs/iris_take.py", way, queue, *options))
    ours, theirs, limit = (series.told("per_second") for series in ways.values())
    pairs = zip(ways["listener"].runs, ways["official"].runs, strict=True)
    times = statistics.median(a.told["per_second"] / b.told["per_second"] for a, b in pairs)
    figures = [
        at_least("received, durable and completed, 400-byte bodies, 20 ms round trip", ours, 1200, "messages/s"),
        at_least("as many times the loop of Elexon's Python client", times, 20, "×"),
    ]
    notes = [
        f"The official loop takes {theirs:.0f} messages/s: it has one message in hand and completes it before it asks "
        "for the next.",
        f"Only receiving, without disk and completion, gives {limit:.0f} messages/s: the stand-in is not the limit.",
        "The stand-in and the line that delays bytes by half the round trip each way are processes of their own; TLS, "
        "token and peek-lock are as in production. Each segment is made durable (`fsync` of file and folder) before "
        "its messages are completed; the official loop's files are not.",
    ]
    return Result("iris", "Messages off a queue 20 ms away", figures, ways, notes)
