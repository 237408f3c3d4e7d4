"""The listener against a broker over real sockets: nothing lost, whatever happens in between."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from energy_assets.errors import RefusedError, SecondListenerError, SpoolError, UnreachableError
from energy_assets.sandbox.iris.codec import Described
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.running import Iris, running_iris
from energy_assets.sources.iris import connection, dropfolder, heartbeat, keeper
from energy_assets.sources.iris.envelope import raw_body
from energy_assets.sources.iris.heartbeat import Beat, State, read_beats
from energy_assets.sources.iris.tally import Tally
from energy_assets_tests.iris.listening import (
    connection_to,
    drained,
    end_of,
    environment_of,
    files_outside,
    folder_in,
    ids,
    last_beat,
    limits,
    listened,
    listened_until,
    messages,
    segments,
    start,
    stored,
    stored_ids,
)
from energy_assets_tests.iris.sdk import receive, receiver

# The SDK drops a connection that does not answer without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:(unclosed|loop is closed):ResourceWarning")

quick = pytest.mark.parametrize("lock", [timedelta(seconds=1)], ids=["quick"])
"""Locks end within the test, so that what was left open comes again."""


@pytest.fixture(autouse=True)
def dropped_connections() -> Iterator[None]:
    """What the SDK dropped is collected here, and not while another test runs."""
    yield
    gc.collect()


@pytest.fixture
def lock() -> timedelta:
    return timedelta(seconds=60)


@pytest.fixture
def iris(lock: timedelta) -> Iterator[Iris]:
    with running_iris(lock=lock) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is never answered is given up at once."""
    monkeypatch.setattr(connection, "ATTEMPT_SECONDS", 1.0)
    monkeypatch.setattr(connection, "OPEN_SECONDS", 2.0)
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 3.0)
    monkeypatch.setattr(keeper, "SETTLE_SECONDS", 0.5)


def events(home: Path) -> list[str]:
    beats = read_beats(home / "iris", datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    return [beat.event for beat in beats if beat.event != "alive"]


def test_every_message_is_durable_and_then_completed(iris: Iris, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    before = datetime.now(UTC)
    iris.put([*messages(1200), Message("real.json", "REMIT", b"{}")])
    with caplog.at_level(logging.INFO, "energy_assets"):
        tally = drained(iris, tmp_path)
    assert (tally.received, tally.durable, tally.completed, tally.unconfirmed) == (1201, 1201, 1201, 0)
    assert Counter(stored_ids(tmp_path)) == Counter(ids(1200) | {"real.json"})
    assert iris.state().messages.completed == 1201
    assert not tally.rebuilt
    assert files_outside(tmp_path) == []
    assert events(tmp_path) == ["started", "restored", "stopped"]
    # What the queue said is in the envelope.
    envelopes = stored(tmp_path)
    made, real = envelopes[0], envelopes[-1]
    assert (made.source, real.source) == ("SANDBOX", "IRIS")
    assert (made.stream, made.subject, made.message_id) == ("FUELINST", "FUELINST", "m0.json")
    assert (made.sequence_number, real.sequence_number, made.delivery_count) == (1, 1201, 0)
    assert made.origin == iris.addresses.queue
    assert raw_body(made) == b'{"n": 0}'
    assert abs(made.enqueued_utc - before) < timedelta(minutes=1)
    assert before <= made.received_utc <= datetime.now(UTC)
    # The first message is described, once.
    (line,) = [r.getMessage() for r in caplog.records if "first message" in r.getMessage()]
    assert "body data of 8 bytes beginning b'{\"n\": 0}'" in line
    assert "delivery count 0" in line


HOSTILE_SUBJECTS = ["../escape", "/etc/passwd", "a\0b", "..", "", None, "Ünïcode/☃", "A" * 5000, "C:\\x", "FUELINST\n"]
HOSTILE_IDS: list[Any] = [
    "../../escape.json",
    "/abs.json",
    "a\0b",
    "☃",
    None,
    b"\xff\x00",
    UUID(int=7),
    42,
    0,
    "x" * 5000,
]


def test_words_of_hostile_messages_stay_words(iris: Iris, tmp_path: Path):
    home = tmp_path / "home"
    pairs = [(s, "id") for s in HOSTILE_SUBJECTS] + [("FUELINST", i) for i in HOSTILE_IDS]
    iris.put([Message(message_id, subject, b"{}") for subject, message_id in pairs])
    tally = drained(iris, home)
    assert tally.completed == len(pairs)
    envelopes = sorted(stored(home), key=lambda e: e.sequence_number or 0)
    assert [e.subject for e in envelopes[: len(HOSTILE_SUBJECTS)]] == HOSTILE_SUBJECTS
    assert {e.stream for e in envelopes[: len(HOSTILE_SUBJECTS)]} == {None}
    assert [e.message_id for e in envelopes[len(HOSTILE_SUBJECTS) :]][4:9] == [
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "ff00",
        str(UUID(int=7)),
        "42",
        "0",
    ]
    assert files_outside(home) == []
    assert list(tmp_path.iterdir()) == [home]


VALUE, SEQUENCE = 0x77, 0x76


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (None, b""),
        (b"", b""),
        ((b"ab", b"", b"cd"), b"abcd"),
        (Described(VALUE, "text ☃"), "text ☃".encode()),
        (Described(VALUE, b"\xff\x00"), b"\xff\x00"),
        (Described(VALUE, {"a": [1, None, True]}), b'{"a": [1, null, true]}'),
        (Described(VALUE, None), b""),
        (Described(SEQUENCE, [1, "two"]), b'[[1, "two"]]'),
        (b"\xff\xfe\x00 not text", b"\xff\xfe\x00 not text"),
        (b"\xef\xbb\xbf{}", b"\xef\xbb\xbf{}"),
        (b"NaN \x00 [[[[", b"NaN \x00 [[[["),
    ],
)
def test_a_body_of_any_kind_is_kept_as_it_is(bodies_seen: dict[str, bytes], body: Any, kept: bytes):
    assert bodies_seen[repr(body)] == kept


@pytest.fixture(scope="module")
def bodies_seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Each body of the test above as it lies on disk; one listener takes them all."""
    (mark,) = [m for m in test_a_body_of_any_kind_is_kept_as_it_is.pytestmark if m.name == "parametrize"]
    bodies = [repr(body) for body, _ in mark.args[1]]
    home = tmp_path_factory.mktemp("bodies")
    with running_iris() as iris:
        iris.put([Message(f"b{n}", "FUELINST", body) for n, (body, _) in enumerate(mark.args[1])])
        drained(iris, home)
    return {bodies[int(e.message_id[1:])]: raw_body(e) for e in stored(home)}


def test_a_large_message_comes_through_among_small_ones(iris: Iris, tmp_path: Path):
    large = bytes(range(256)) * 20_000
    iris.put([*messages(3), Message("large", "BOD", large), *messages(3, start=3)])
    assert drained(iris, tmp_path).completed == 7
    assert [raw_body(e) for e in stored(tmp_path) if e.message_id == "large"] == [large]


def test_segments_are_bounded_by_bytes_and_what_is_too_large_goes_to_the_dead_letters(iris: Iris, tmp_path: Path):
    small = [Message(f"m{n}.json", "FUELINST", b"x" * 400) for n in range(20)]
    iris.put([*small[:10], Message("huge", "BOD", b"x" * 2000), *small[10:]])
    tally = drained(iris, tmp_path, limit=limits(batch_bytes=1000, message_bytes=1500))
    assert (tally.received, tally.completed, tally.dead_lettered, tally.bytes) == (21, 20, 1, 8000)
    assert all(len(path.read_bytes().splitlines()) <= 2 for path in segments(tmp_path))
    assert set(stored_ids(tmp_path)) == ids(20)
    (buried,) = iris.dead_letters()
    assert (buried.message_id, buried.reason, buried.description) == ("huge", "TooLarge", "2000 bytes, 1500 at most")


FAULTS: dict[str, list[dict[str, Any]]] = {
    "reset": [{"on": "delivery", "skip": 150}, {"on": "settlement", "skip": 250}],
    "close": [{"on": "delivery", "skip": 150}, {"on": "settlement", "skip": 250}],
    "detach": [
        {"on": "settlement", "skip": 50},
        {"on": "settlement", "skip": 150, "condition": "unauthorized"},
        {"on": "delivery", "skip": 350, "condition": "server-busy"},
    ],
    "garbage": [{"on": "delivery", "skip": 250}],
    "swallow": [{"skip": 250}, {"skip": 350, "applied": True}],
    "refuse_attach": [{}, {"condition": "resource-limit"}],
}


@quick
@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_lost_when_the_link_breaks(iris: Iris, impatient: None, tmp_path: Path, kind: Any):
    iris.put(messages(400))
    for options in FAULTS[kind]:
        iris.fault(kind, count=1, **options)
    tally = drained(iris, tmp_path)
    assert set(stored_ids(tmp_path)) == ids(400)
    assert iris.state().messages.completed == 400
    assert sum(tally.rebuilt.values()) >= 1
    # A lost link is not reopened by every settlement that was in flight.
    assert iris.state().accepted <= 1 + sum(tally.rebuilt.values())
    assert files_outside(tmp_path) == []


@quick
def test_a_link_that_died_in_silence_is_made_anew(iris: Iris, impatient: None, tmp_path: Path):
    iris.put(messages(50))

    async def run() -> Tally:
        stop = asyncio.Event()
        limit = limits(silence_seconds=0.5)
        listening = asyncio.create_task(listened(iris, tmp_path, stop=stop, drain=False, limit=limit))
        await asyncio.to_thread(iris.wait, lambda s: s.messages.completed == 50)
        await asyncio.to_thread(iris.fault, "black_hole")
        iris.put(messages(50, start=50))
        while "lost" not in events(tmp_path):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(iris.clear)
        await asyncio.to_thread(iris.wait, lambda s: s.messages.completed == 100)
        stop.set()
        return await listening

    tally = asyncio.run(run())
    assert tally.rebuilt["silence"] >= 1
    assert set(stored_ids(tmp_path)) == ids(100)
    assert events(tmp_path) == ["started", "restored", "lost", "restored", "stopped"]


def test_a_quiet_queue_is_asked_anew_and_is_no_outage(iris: Iris, tmp_path: Path):
    tally = listened_until(iris, tmp_path, lambda t: t.rebuilt["silence"] >= 1, limit=limits(silence_seconds=0.4))
    assert set(tally.rebuilt) == {"silence"}
    assert "lost" not in events(tmp_path)


@quick
def test_a_broker_that_goes_and_comes_back_is_an_outage_in_the_heartbeat(iris: Iris, impatient: None, tmp_path: Path):
    iris.put(messages(50))

    async def run() -> Tally:
        stop = asyncio.Event()
        listening = asyncio.create_task(listened(iris, tmp_path, stop=stop, drain=False))
        await asyncio.to_thread(iris.wait, lambda s: s.messages.completed == 50)
        await asyncio.to_thread(iris.stop)
        while "lost" not in events(tmp_path):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(iris.start)
        iris.put(messages(50, start=50))
        await asyncio.to_thread(iris.wait, lambda s: s.messages.completed == 100)
        stop.set()
        return await listening

    tally = asyncio.run(run())
    assert set(stored_ids(tmp_path)) == ids(100)
    assert events(tmp_path) == ["started", "restored", "lost", "restored", "stopped"]
    assert sum(tally.rebuilt.values()) >= 1


@quick
def test_a_lost_lock_is_unconfirmed_and_the_link_stays(iris: Iris, tmp_path: Path):
    iris.put(messages(30))
    iris.fault("lock_lost", count=5)
    tally = drained(iris, tmp_path)
    assert tally.unconfirmed >= 5
    assert not tally.rebuilt
    assert set(stored_ids(tmp_path)) == ids(30)
    assert len(stored_ids(tmp_path)) == tally.durable == 30 + tally.redelivered
    assert last_beat(tmp_path).unconfirmed == tally.unconfirmed


@quick
def test_messages_whose_locks_end_while_the_disk_is_slow_come_again(
    iris: Iris, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    iris.put(messages(20))
    write, waited = dropfolder.DropFolder.write_segment, []

    def slow(self: dropfolder.DropFolder, *arguments: Any) -> Path:
        path = write(self, *arguments)
        if not waited:
            waited.append(True)
            iris.wait(lambda s: s.messages.deliveries >= 40)
        return path

    monkeypatch.setattr(dropfolder.DropFolder, "write_segment", slow)
    tally = drained(iris, tmp_path)
    assert tally.unconfirmed >= 1
    assert set(stored_ids(tmp_path)) == ids(20)
    assert iris.state().messages.completed == 20


@quick
def test_a_token_that_ends_is_renewed(iris: Iris, tmp_path: Path):
    iris.configure(token_seconds=2)
    number = iter(range(100_000))

    def enough(tally: Tally) -> bool:
        iris.put(messages(1, start=next(number)))
        return iris.state().tokens >= 2

    listened_until(iris, tmp_path, enough)
    iris.configure(token_seconds=3600)
    drained(iris, tmp_path)
    assert iris.state().messages.completed == iris.state().messages.accepted
    assert set(stored_ids(tmp_path)) == ids(next(number))


def test_a_full_disk_stops_receiving_and_the_queue_keeps_everything(iris: Iris, tmp_path: Path):
    iris.put(messages(10))
    seen: list[int] = []

    def free() -> int:
        # Room for the first batch, then none until the link has been closed.
        seen.append(iris.state().connections)
        kept = len(segments(tmp_path))
        return 0 if kept and seen[-1] == 0 and len(seen) < 40 else (1000 if not kept or len(seen) >= 40 else 0)

    def enough(now: Tally) -> bool:
        if now.completed == 10 and "paused" not in events(tmp_path):
            iris.put(messages(10, start=10))
        return now.completed == 20

    tally = listened_until(iris, tmp_path, enough, limit=limits(min_free_bytes=500), free_bytes=free)
    assert tally.completed == 20
    assert events(tmp_path) == ["started", "restored", "paused", "resumed", "stopped"]
    assert 0 in seen


def test_a_full_disk_cannot_be_drained_into(iris: Iris, tmp_path: Path):
    iris.put(messages(3))
    with pytest.raises(SpoolError, match=r"0\.00 GB left, 2 are needed; free space"):
        drained(iris, tmp_path, limit=limits(min_free_bytes=2e9), free_bytes=lambda: 0)
    assert iris.state().messages.ready == 3


@quick
def test_a_segment_that_cannot_be_written_is_not_completed(iris: Iris, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    iris.put(messages(10))
    write, failed = dropfolder.write_durably, []

    def full(path: Path, content: bytes) -> None:
        if not failed:
            failed.append(path)
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(dropfolder, "write_durably", full)
    tally = drained(iris, tmp_path)
    assert tally.rebuilt == {"write": 1}
    assert set(stored_ids(tmp_path)) == ids(10)
    assert iris.state().messages.completed == 10


def test_numbers_that_were_skipped_are_noticed_over_a_restart(iris: Iris, tmp_path: Path):
    with folder_in(tmp_path).claim():
        earlier = Beat(utc=datetime.now(UTC), event="stopped", linked=False, run="a", last_sequence=0)
        state = State(beat=earlier, queue=iris.addresses.queue, pid=1, started_utc=earlier.utc)
        heartbeat.Heart(folder_in(tmp_path)).state(state)
    iris.put(messages(5))
    with receiver(iris.addresses) as another:
        for taken in receive(another, 3):
            another.complete_message(taken)
    drained(iris, tmp_path)
    assert (last_beat(tmp_path).last_sequence, last_beat(tmp_path).missing) == (5, 3)


def test_a_heartbeat_that_cannot_be_written_ends_nothing(
    iris: Iris, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(heartbeat.Heart, "line", full)
    iris.put(messages(2))
    assert drained(iris, tmp_path).completed == 2
    assert "The heartbeat cannot be written (No space left on device)" in caplog.text


def refused(iris: Iris, home: Path, **changed: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        asyncio.run(_once(iris, home, **changed))
    told = str(caught.value)
    assert iris.addresses.client_secret not in told
    return told


async def _once(iris: Iris, home: Path, **changed: Any) -> None:
    from energy_assets.sources.iris.listener import listen

    async with asyncio.timeout(60):
        await listen(connection_to(iris, home, **changed), folder_in(home), limits(), asyncio.Event(), drain=True)


def test_an_expired_secret_is_one_sentence(iris: Iris, tmp_path: Path):
    iris.configure(secret_expired=True)
    told = refused(iris, tmp_path)
    assert told.startswith("The secret of the IRIS client has expired (AADSTS7000222): make another one")
    assert events(tmp_path) == ["started", "stopped"]


def test_a_wrong_secret_is_one_sentence(iris: Iris, tmp_path: Path):
    from pydantic import SecretStr

    told = refused(iris, tmp_path, iris_client_secret=SecretStr("wrong"))
    assert told.startswith("The secret of the IRIS client is wrong (AADSTS7000215)")


def test_a_wrong_tenant_is_one_sentence(iris: Iris, tmp_path: Path):
    told = refused(iris, tmp_path, iris_tenant_id=str(UUID(int=1)))
    assert told.startswith("The tenant of IRIS_TENANT_ID does not exist (AADSTS90002)")


def test_an_unknown_queue_is_one_sentence(iris: Iris, tmp_path: Path):
    assert refused(iris, tmp_path, iris_queue_name="iris.other").startswith("There is no queue iris.other in ")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("refuse_attach", {"condition": "unauthorized"}),
        ("refuse_token", {"status": 401}),
        ("refuse_token", {"status": 404}),
    ],
)
def test_a_queue_that_refuses_is_one_sentence(iris: Iris, tmp_path: Path, kind: Any, options: dict[str, Any]):
    iris.fault(kind, **options)
    assert refused(iris, tmp_path).startswith(f"The queue {iris.addresses.queue} in ")


def test_a_certificate_that_is_not_trusted_is_one_sentence(iris: Iris, tmp_path: Path):
    assert "is not trusted: set ENERGY_ASSETS_IRIS_CA" in refused(iris, tmp_path, iris_ca=None)


@quick
def test_a_refusal_in_the_middle_of_work_is_not_believed_at_once(iris: Iris, tmp_path: Path):
    iris.put(messages(20))
    iris.fault("reset", on="settlement", skip=5, count=1)
    iris.fault("refuse_attach", condition="unauthorized", skip=1, count=2)
    tally = drained(iris, tmp_path)
    assert tally.rebuilt["open"] == 2
    assert iris.state().messages.completed == 20


def test_a_queue_out_of_reach_is_given_up_after_a_while(iris: Iris, impatient: None, tmp_path: Path):
    iris.stop()
    with pytest.raises(UnreachableError, match=r"could not be listened to for \d+ s, at last because of "):
        drained(iris, tmp_path, limit=limits(give_up_seconds=0.5))


def test_a_token_endpoint_out_of_order_is_tried_again(iris: Iris, impatient: None, tmp_path: Path):
    iris.configure(authority_unavailable=True)
    with pytest.raises(UnreachableError):
        drained(iris, tmp_path, limit=limits(give_up_seconds=0.5))


def test_a_second_listener_is_refused(iris: Iris, tmp_path: Path):
    with folder_in(tmp_path).claim(), pytest.raises(SecondListenerError):
        drained(iris, tmp_path)
    assert iris.state().accepted == 0


def test_stopping_ends_a_wait_for_the_network_at_once(iris: Iris, tmp_path: Path):
    iris.fault("refuse_token", status=0)

    async def run() -> Tally:
        stop = asyncio.Event()
        listening = asyncio.create_task(listened(iris, tmp_path, stop=stop, drain=False))
        await asyncio.to_thread(iris.wait, lambda s: s.tokens >= 1)
        stop.set()
        return await listening

    assert asyncio.run(run()).received == 0
    assert events(tmp_path) == ["started", "stopped"]


# The command, in processes of its own.


def test_the_command_drains_and_says_what_it_did(iris: Iris, tmp_path: Path):
    iris.put(messages(250))
    code, out, err = end_of(start(environment_of(iris, tmp_path), "--drain"))
    assert (code, out.split(", lag")[0]) == (0, "The queue is empty: 250 received, 250 durable, 250 completed"), err
    assert set(stored_ids(tmp_path)) == ids(250)
    assert "Listening to iris.sandbox in " in err
    assert "Traceback" not in err


def test_sigterm_finishes_the_batch(iris: Iris, tmp_path: Path):
    iris.put(messages(1000))
    process = start(environment_of(iris, tmp_path))
    iris.wait(lambda s: s.messages.completed >= 200)
    process.send_signal(signal.SIGTERM)
    code, out, err = end_of(process)
    assert (code, out[:9]) == (0, "Stopped: "), err
    counts = iris.state().messages
    assert len(stored_ids(tmp_path)) == counts.completed
    assert (counts.locked, counts.completed + counts.ready) == (0, 1000)
    assert files_outside(tmp_path) == []


def test_a_second_command_is_told_so(iris: Iris, tmp_path: Path):
    environment = environment_of(iris, tmp_path)
    first = start(environment)
    try:
        iris.wait(lambda s: s.connections == 1)
        code, out, err = end_of(start(environment))
        assert (code, out) == (5, "")
        assert "Error: Another listener writes to" in err
    finally:
        first.send_signal(signal.SIGTERM)
        assert end_of(first)[0] == 0


@pytest.mark.parametrize(
    ("changed", "code", "sentence"),
    [
        (
            {"IRIS_CLIENT_SECRET": "", "IRIS_QUEUE_NAME": ""},
            3,
            "IRIS_CLIENT_SECRET and IRIS_QUEUE_NAME are not set: register at bmrs.elexon.co.uk/iris",
        ),
        ({"IRIS_CLIENT_SECRET": "wrong"}, 3, "The secret of the IRIS client is wrong (AADSTS7000215)"),
        ({"ENERGY_ASSETS_IRIS_ENDPOINT": "sb://127.0.0.1:1"}, 4, "could not be listened to for"),
    ],
)
def test_the_command_ends_with_one_sentence_and_its_code(
    iris: Iris, tmp_path: Path, changed: dict[str, str], code: int, sentence: str
):
    environment = environment_of(iris, tmp_path, ENERGY_ASSETS_IRIS_GIVE_UP_SECONDS="1", **changed)
    ended, out, err = end_of(start(environment))
    assert (ended, out) == (code, ""), err
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert sentence in errors[0]
    assert "Traceback" not in err


KILLED = """
import os, signal
from energy_assets.sources.iris import dropfolder
write = dropfolder.write_durably
left = [2]
def killed(path, content):
    write(path, content)
    if path.suffix == ".ndjson":
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
dropfolder.write_durably = killed
from energy_assets.cli import main
main()
"""


@quick
def test_a_kill_between_durable_and_completed_costs_repetition_only(iris: Iris, tmp_path: Path):
    iris.put(messages(1200))
    program = [sys.executable, "-c", KILLED, "iris", "listen"]
    environment = environment_of(iris, tmp_path)
    assert end_of(start(environment, program=program))[0] == -signal.SIGKILL
    before = len(stored_ids(tmp_path))
    assert before > iris.state().messages.completed
    (tmp_path / "iris" / "segments" / "2026-01-01").mkdir()
    (tmp_path / "iris" / "segments" / "2026-01-01" / ".x.tmp").write_text("half")
    iris.wait(lambda s: s.messages.locked == 0)
    code, _, err = end_of(start(environment, "--drain"))
    assert code == 0, err
    found = Counter(stored_ids(tmp_path))
    assert set(found) == ids(1200)
    assert set(found.values()) == {1, 2}
    assert files_outside(tmp_path) == []
    assert events(tmp_path) == ["started", "restored", "started", "restored", "stopped"]


def test_a_terminal_shows_a_live_line(iris: Iris, tmp_path: Path):
    import os
    import pty

    iris.put(messages(20))
    ours, theirs = pty.openpty()
    environment = environment_of(iris, tmp_path, TERM="xterm", COLUMNS="100")
    from energy_assets_tests.iris.listening import COMMAND

    process = subprocess.Popen(
        [*COMMAND, "--drain"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"20 received, 20 durable, 20 completed, lag" in shown
    assert out.startswith("The queue is empty: 20 received")
