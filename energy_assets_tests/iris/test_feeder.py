"""What the feeder puts into the queue, and how fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Event

import pytest

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.feeder import MARK, Feed, Feeder
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.running import running_iris

DAY = datetime(2026, 7, 15, tzinfo=UTC)
STREAMS = ("FREQ", "FUELINST", "mibm_mid")


def rows(message: Message) -> list[dict[str, object]]:
    """Rows of a message's body, once decoded or twice."""
    assert isinstance(message.body, bytes)
    read = json.loads(message.body)
    read = json.loads(read) if isinstance(read, str) else read
    assert isinstance(read, list)
    return read


def test_synthetic_messages_look_like_those_of_iris_and_say_that_they_are_not() -> None:
    made = list(Feed(count=200, streams=STREAMS, from_utc=DAY).messages())
    assert len(made) == 200
    assert {message.subject for message in made} == set(STREAMS)
    assert len({message.message_id for message in made}) == 200
    for message in made:
        assert str(message.message_id).startswith(f"{message.subject}_20260715")
        assert str(message.message_id).endswith(".json")
        assert message.properties == {MARK: True}
        assert message.body.startswith(b'"[')  # type: ignore[union-attr]
        assert {row["dataset"] for row in rows(message)} <= {"FREQ", "FUELINST", "MID"}


def test_the_same_feed_makes_the_same_messages_and_another_seed_others() -> None:
    feed = Feed(count=50, streams=STREAMS, from_utc=DAY)
    assert list(feed.messages()) == list(feed.messages())
    assert list(feed.messages()) != list(Feed(count=50, streams=STREAMS, from_utc=DAY, seed=1).messages())


def test_bodies_may_be_encoded_once() -> None:
    once = Feed(count=20, streams=("FREQ",), from_utc=DAY, encoding="single").messages()
    twice = Feed(count=20, streams=("FREQ",), from_utc=DAY).messages()
    for one, other in zip(once, twice, strict=True):
        assert one.body.startswith(b"[")  # type: ignore[union-attr]
        assert rows(one) == rows(other)


def test_synthetic_messages_go_on_day_after_day() -> None:
    made = islice(Feed(count=None, rate=1.0, streams=("INDOD",), from_utc=DAY).messages(), 3)
    assert len({str(message.message_id)[:14] for message in made}) == 3


def test_recorded_messages_are_fed_once_and_not_encoded_a_third_time(tmp_path: Path) -> None:
    bodies = {"plain": b'[{"a": 1}]', "twice": json.dumps('[{"a": 1}]').encode(), "torn": b"\xff\xfe"}
    folder = tmp_path / "FREQ"
    folder.mkdir()
    for name, body in bodies.items():
        (folder / f"FREQ_202607151200_{name}.json").write_bytes(body)
    doubled = {str(m.message_id)[18:-5]: m.body for m in Feed(count=None, folder=tmp_path).messages()}
    assert doubled == {"plain": bodies["twice"], "twice": bodies["twice"], "torn": bodies["torn"]}
    kept = {str(m.message_id)[18:-5]: m.body for m in Feed(folder=tmp_path, encoding="recorded").messages()}
    assert kept == bodies


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rate": 0.0}, "positive"),
        ({"count": None}, "no end"),
        ({"streams": ("NONSENSE",)}, "there is no stream NONSENSE"),
    ],
)
def test_a_feed_that_cannot_be_is_refused(options: dict[str, object], why: str) -> None:
    with pytest.raises(SandboxError, match=why):
        Feed(**options).messages()  # type: ignore[arg-type]


class Time:
    """Time that passes only when somebody waits."""

    def __init__(self, stops_at: float) -> None:
        self.now = 0.0
        self._stops_at = stops_at

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self._stops_at

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.is_set()


def endless() -> Iterator[Message]:
    while True:
        yield Message("m")


@pytest.mark.parametrize("rate", [0.5, 7.0, 1000.0])
def test_messages_are_put_at_the_rate(rate: float) -> None:
    time, put = Time(stops_at=10.0), []
    feeder = Feeder(put.extend, endless(), rate, clock=time)
    feeder.run(time)  # type: ignore[arg-type]
    assert abs(feeder.fed - 10 * rate) <= 0.05 * 10 * rate + 1
    assert len(put) == feeder.fed


def test_without_a_rate_all_are_put_at_once() -> None:
    put: list[Message] = []
    feeder = Feeder(put.extend, islice(endless(), 2500))
    feeder.run(Event())
    assert (feeder.fed, len(put)) == (2500, 2500)


def test_a_sandbox_is_fed() -> None:
    with running_iris() as iris:
        iris.feed(Feed(count=100, streams=("FREQ",), from_utc=DAY))
        assert iris.state().messages.ready == 100
        iris.feed(Feed(count=5, rate=1000.0, streams=("FREQ",), from_utc=DAY))
        state = iris.wait(lambda state: not state.feeding)
        assert (state.fed, state.messages.ready) == (105, 105)
        iris.feed(Feed(count=None, rate=1000.0, streams=("FREQ",), from_utc=DAY))
        iris.wait(lambda state: state.fed > 110)
        iris.stop_feeding()
        assert not iris.state().feeding
