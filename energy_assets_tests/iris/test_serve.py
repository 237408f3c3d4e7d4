"""The sandbox in a process of its own, steered from here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.control import read_feed, read_message_json, read_rules, rules_json
from energy_assets.sandbox.iris.feeder import MARK, Feed
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Rules
from energy_assets.sandbox.iris.remote import RemoteIris, serving_iris
from energy_assets.sandbox.iris.serve import options_of
from energy_assets.sources.iris.envelope import decode, encode
from energy_assets.sources.iris.message import envelope_of, shape_of
from energy_assets_tests.iris.sdk import body, numbered, receive, receiver


@pytest.fixture(scope="module")
def served() -> Iterator[RemoteIris]:
    """One process for all tests; each leaves its queue empty and its faults disarmed."""
    with serving_iris(["--queue", "iris.served", "--lock-seconds", "30"]) as iris:
        yield iris


def test_messages_go_there_and_come_from_there(served: RemoteIris) -> None:
    odd = Message(UUID(int=7), "../odd", (b"\xff", b"\x00"), {MARK: True}, timedelta(hours=1))
    first, second = served.put([odd, *numbered(1)])
    before = served.state().messages.completed
    assert served.addresses.queue == "iris.served"
    with receiver(served.addresses) as receiving:
        one, two = receive(receiving, 2)
        assert (one.message_id, one.subject, body(one)) == (UUID(int=7), "../odd", b"\xff\x00")
        assert one.application_properties == {b"x-sandbox": True}
        assert served.state().messages.locked == 2
        receiving.complete_message(one)
        receiving.dead_letter_message(two, reason="why", error_description="because")
    assert served.completed()[-1] == (first, str(UUID(int=7)))
    assert served.state().messages.completed == before + 1
    [letter] = served.dead_letters()
    assert (letter.sequence, letter.message_id, letter.reason) == (second, "m0.json", "why")


def test_faults_rules_and_settings_are_steered(served: RemoteIris) -> None:
    number = served.fault("refuse_attach", condition="not-found", count=1)
    assert [fault["id"] for fault in served.faults()] == [number]
    served.clear(number)
    served.fault("swallow")
    served.clear()
    assert served.faults() == []
    served.govern(Rules(timedelta(seconds=20), most_deliveries=4))
    served.configure(second_consumer="refuse", token_seconds=600)
    served.configure(second_consumer="compete")
    with pytest.raises(SandboxError, match="there is no fault 'nonsense'"):
        served.fault("nonsense")  # type: ignore[arg-type]


def test_the_broker_is_taken_down_and_up(served: RemoteIris) -> None:
    served.stop()
    assert not served.state().listening
    served.start()
    served.restart()
    assert served.state().listening


def test_it_is_fed_there(served: RemoteIris) -> None:
    ready, fed = served.state().messages.ready, served.state().fed
    served.feed(Feed(count=30, streams=("FREQ",), from_utc=datetime(2026, 7, 15, tzinfo=UTC)))
    assert served.state().messages.ready == ready + 30
    served.feed(Feed(count=None, rate=500.0, streams=("FREQ",)))
    served.wait(lambda state: state.fed > fed + 30)
    served.stop_feeding()
    assert not served.state().feeding


def test_a_request_that_says_nothing_sensible_is_refused(served: RemoteIris) -> None:
    with httpx.Client(base_url=served.control, trust_env=False) as client:
        for path, content in (("/messages", 1), ("/feed", {"colour": "red"}), ("/settings", {"colour": "red"})):
            answer = client.post(path, json=content)
            assert answer.status_code == 400
            assert "error" in answer.json()


def test_it_ends_when_its_standard_input_ends() -> None:
    command = [sys.executable, "-m", "energy_assets.sandbox.iris.serve"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(done.stdout)
    assert said["endpoint"].startswith("sb://127.0.0.1:")
    assert not Path(said["ca"]).exists()


def test_a_port_that_is_taken_is_told(served: RemoteIris) -> None:
    port = str(served.addresses.port)
    command = [sys.executable, "-m", "energy_assets.sandbox.iris.serve", "--port", port]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr


def test_options_and_json_say_the_same() -> None:
    options = options_of(["--lock-seconds", "4", "--most-deliveries", "2", "--second-consumer", "steal"])
    assert options.rules == Rules(timedelta(seconds=4), 2)
    assert options.second_consumer == "steal"
    assert read_rules(rules_json(options.rules)) == options.rules
    assert read_feed({"count": 3, "folder": "x", "from_utc": "2026-07-15T00:00:00+00:00"}) == Feed(
        count=3, folder=Path("x"), from_utc=datetime(2026, 7, 15, tzinfo=UTC)
    )
    by_hand = read_message_json({"message_id": "a", "subject": "FREQ", "body": "[]", "properties": {"n": 1}})
    assert by_hand == Message("a", "FREQ", b"[]", {"n": 1})


def test_the_file_name_that_a_sender_gave_is_kept_and_is_the_id_only_where_there_is_none() -> None:
    given = {"source_file_name": "FREQ_1.json"}
    sent = [Message(None, "FREQ", b"[]", given), Message("own", "FREQ", b"[]", given), Message("own", "FREQ", b"[]")]
    now = datetime.now(tz=UTC)
    with serving_iris() as served, receiver(served.addresses) as receiving:
        served.put(sent)
        messages = receive(receiving, 3)
        told = [envelope_of(message, body(message), "iris.served", now) for message in messages]
        assert "file name 'FREQ_1.json'" in shape_of(messages[0], b"[]", now)
        for message in messages:
            receiving.complete_message(message)
    kept = [(e.message_id, e.file_name) for e in map(decode, map(encode, told))]
    assert kept == [("FREQ_1.json", "FREQ_1.json"), ("own", "FREQ_1.json"), ("own", None)]
