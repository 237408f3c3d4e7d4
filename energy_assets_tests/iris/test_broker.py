"""The broker as the unmodified client library meets it: TLS, a client-secret credential, tokens, locks, faults."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris import faults
from energy_assets.sandbox.iris.certificates import HOST
from energy_assets.sandbox.iris.codec import Described, Ulong
from energy_assets.sandbox.iris.frames import (
    AMQP_HEADER,
    MAX_FRAME,
    SASL_HEADER,
    FrameBuffer,
    Kind,
    read_frame,
    write_frame,
)
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Counts, Rules
from energy_assets.sandbox.iris.running import Iris, Options, now, running_iris
from energy_assets.sandbox.iris.steering import Addresses
from energy_assets_tests.iris.sdk import EMPTY, async_receiver, body, client, numbered, receive, receiver

SHORT = timedelta(milliseconds=300)
"""A lock that ends while a test waits for it."""


class Clock:
    """The time of this machine, which a test can set forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now() + self.ahead


# After faults the library leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def _left_sockets() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def iris() -> Iterator[Iris]:
    with running_iris() as running:
        yield running


def together(check: Callable[..., None], *cases: tuple[Any, ...]) -> None:
    """Check cases side by side: the library sleeps most of the time that it takes to open a link."""
    with ThreadPoolExecutor(len(cases)) as pool:
        checks = {repr(case): pool.submit(check, *case) for case in cases}
    failed = {case: str(error) for case, checked in checks.items() if (error := checked.exception()) is not None}
    assert failed == {}


# Messages and their settlement.


def test_messages_come_as_they_were_put_and_are_completed(iris: Iris) -> None:
    iris.put(numbered(3))
    with receiver(iris.addresses, prefetch_count=10) as receiving:
        for number, message in enumerate(receive(receiving, 3)):
            told = (message.message_id, message.subject, body(message))
            assert told == (f"m{number}.json", "FUELINST", b"%d" % number)
            assert (message.sequence_number, message.delivery_count) == (number + 1, 0)
            assert message.locked_until_utc is not None
            assert message.enqueued_time_utc is not None
            assert message.locked_until_utc > message.enqueued_time_utc
            receiving.complete_message(message)
    state = iris.state()
    assert (state.messages.completed, state.messages.ready, state.messages.locked) == (3, 0, 0)
    assert iris.completed() == [(1, "m0.json"), (2, "m1.json"), (3, "m2.json")]


def test_an_id_has_any_type_of_amqp(iris: Iris) -> None:
    ids: list[Any] = ["text", b"\x00\xff", Ulong(17), UUID(int=5), None, "../../x", "nul\x00"]
    iris.put(Message(message_id, "S") for message_id in ids)
    with receiver(iris.addresses, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiving:
        assert [message.message_id for message in receive(receiving, len(ids))] == ids
    assert iris.state().messages.completed == len(ids)


def test_bodies_and_subjects_of_all_kinds(iris: Iris) -> None:
    big = b"\x5a" * (5 * 2**20)
    iris.put(
        [
            Message(0, "../escape", b""),
            Message(1, None, (b"in ", b"parts")),
            Message(2, "/nul\x00", Described(Ulong(0x77), "a value")),
            Message(3, "ünï", Described(Ulong(0x76), [1, 2])),
            Message(4, "BIG", big, {"x-sandbox": True, "n": 1}),
        ]
    )
    with receiver(iris.addresses, prefetch_count=5) as receiving:
        messages = receive(receiving, 5)
        for message in messages:
            receiving.complete_message(message)
    assert [m.subject for m in messages] == ["../escape", None, "/nul\x00", "ünï", "BIG"]
    assert [body(messages[n]) for n in (0, 1, 4)] == [b"", b"in parts", big]
    assert messages[2].body == b"a value"
    assert list(messages[3].body) == [[1, 2]]
    assert messages[4].application_properties == {b"x-sandbox": True, b"n": 1}


def test_a_message_that_no_client_reads_ends_among_the_dead_letters() -> None:
    """The library falls silent over it, and reads on when it is opened anew."""
    bomb: list[Any] = []
    for _ in range(100):
        bomb = [bomb]
    with running_iris(Options(rules=Rules(SHORT, most_deliveries=2))) as iris:
        iris.put([Message("bomb", "S", Described(Ulong(0x77), bomb))])
        consume_until(iris, lambda counts: counts.dead_lettered == 1)
        assert [letter.message_id for letter in iris.dead_letters()] == ["bomb"]


def test_an_abandoned_message_comes_again_and_at_last_is_a_dead_letter(iris: Iris) -> None:
    iris.govern(Rules(most_deliveries=3))
    iris.put(numbered(1))
    with receiver(iris.addresses) as receiving:
        for failed in range(3):
            [message] = receive(receiving, 1)
            assert message.delivery_count == failed
            receiving.abandon_message(message)
        assert receiving.receive_messages(1, max_wait_time=EMPTY) == []
    with receiver(iris.addresses, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiving:
        [letter] = receive(receiving, 1)
        assert letter.dead_letter_reason == "MaxDeliveryCountExceeded"
        receiving.complete_message(letter)
    assert iris.dead_letters() == []


def test_a_consumer_may_bury_and_defer(iris: Iris) -> None:
    iris.put(numbered(2))
    with receiver(iris.addresses) as receiving:
        [first, second] = receive(receiving, 2)
        receiving.dead_letter_message(first, reason="broken", error_description="not JSON")
        receiving.defer_message(second)
        assert iris.state().messages.deferred == 1
        [again] = receiving.receive_deferred_messages([2])
        assert body(again) == b"1"
        receiving.complete_message(again)
        with pytest.raises(ServiceBusError):
            receiving.receive_deferred_messages([2])
    [letter] = iris.dead_letters()
    assert (letter.sequence, letter.message_id, letter.reason) == (1, "m0.json", "broken")
    assert letter.description == "not JSON"


def test_a_look_at_the_queue_takes_nothing(iris: Iris) -> None:
    iris.put(numbered(3))
    with receiver(iris.addresses) as receiving:
        assert [m.message_id for m in receiving.peek_messages(2)] == ["m0.json", "m1.json"]
        assert [m.sequence_number for m in receiving.peek_messages(5, sequence_number=3)] == [3]
        assert receiving.peek_messages(1, sequence_number=9) == []
    assert iris.state().messages.ready == 3


def test_a_lock_can_be_renewed_until_it_has_ended() -> None:
    clock = Clock()
    with running_iris(clock=clock) as iris, receiver(iris.addresses) as receiving:
        iris.put(numbered(1))
        [message] = receive(receiving, 1)
        before = message.locked_until_utc
        clock.ahead += 50_000
        assert before is not None
        assert receiving.renew_message_lock(message) > before
        clock.ahead += 61_000
        with pytest.raises(MessageLockLostError):
            receiving.renew_message_lock(message)


def test_a_lock_ends_and_the_message_comes_to_whoever_waits() -> None:
    with running_iris(lock=SHORT) as iris, receiver(iris.addresses) as receiving:
        iris.put(numbered(1))
        [lost] = receive(receiving, 1)
        [again] = receive(receiving, 1)
        assert (again.sequence_number, again.delivery_count) == (lost.sequence_number, 1)
        assert again.lock_token != lost.lock_token
        receiving.complete_message(again)
        with pytest.raises(MessageLockLostError):
            receiving.complete_message(lost)


def test_only_the_broker_knows_that_a_lock_was_lost(iris: Iris) -> None:
    iris.put(numbered(1))
    iris.fault("lock_lost", count=1)
    with receiver(iris.addresses) as receiving:
        [message] = receive(receiving, 1)
        with pytest.raises(MessageLockLostError):
            receiving.complete_message(message)
    assert iris.state().messages.completed == 0


def test_what_was_taken_when_a_consumer_died_comes_after_its_lock() -> None:
    clock = Clock()
    with running_iris(clock=clock) as iris:
        iris.put(numbered(4))
        with receiver(iris.addresses) as receiving:
            receive(receiving, 2)
            iris.fault("reset")
        assert iris.state().messages.locked >= 2
        clock.ahead += 61_000
        with receiver(iris.addresses) as receiving:
            again = receive(receiving, 4)
        assert [message.message_id for message in again] == [f"m{n}.json" for n in range(4)]
        assert [message.delivery_count for message in again[:2]] == [1, 1]


def test_what_a_consumer_has_not_looked_at_is_given_back(iris: Iris) -> None:
    iris.put(numbered(10))
    with receiver(iris.addresses, prefetch_count=9) as receiving:
        receive(receiving, 1)
    counts = iris.wait(lambda state: state.connections == 0).messages
    assert (counts.locked, counts.ready) == (1, 9)


def test_a_client_may_send_as_for_replaying_dead_letters(iris: Iris) -> None:
    with client(iris.addresses) as opened, opened.get_queue_sender(iris.addresses.queue) as sending:
        sending.send_messages(ServiceBusMessage(b"again", message_id="r", subject="REMIT"))
        sending.send_messages(ServiceBusMessage(b"x" * 200_000, message_id="s", subject="REMIT"))
    with receiver(iris.addresses) as receiving:
        [one, two] = receive(receiving, 2)
        assert (one.message_id, one.subject, body(one), len(body(two))) == ("r", "REMIT", b"again", 200_000)


def test_a_thousand_messages_are_settled_together_by_the_asynchronous_client(iris: Iris) -> None:
    async def consume() -> None:
        async with async_receiver(iris.addresses, prefetch_count=250) as receiving:
            left = 1000
            while left:
                batch = await receiving.receive_messages(250, max_wait_time=20)
                await asyncio.gather(*(receiving.complete_message(message) for message in batch))
                left -= len(batch)

    iris.put(numbered(1000))
    asyncio.run(consume())
    assert [number for number, _ in iris.completed()] == list(range(1, 1001))


# Who may come in.


def refused(iris: Iris, addresses: Addresses | None = None, **options: Any) -> Exception:
    """What a client meets that is not let in."""
    with pytest.raises(ServiceBusError) as caught, receiver(addresses or iris.addresses, **options):
        pytest.fail("it was let in")
    return caught.value


def test_a_wrong_credential_is_refused_by_name(iris: Iris) -> None:
    assert "AADSTS7000215" in str(refused(iris, replace(iris.addresses, client_secret="wrong")))
    # The library's own words: it keeps the answer, AADSTS90002, to itself.
    wrong = replace(iris.addresses, tenant_id="00000000-0000-0000-0000-000000000001")
    assert "double check your tenant name" in str(refused(iris, wrong))


def test_an_expired_secret_is_refused_by_name(iris: Iris) -> None:
    iris.configure(secret_expired=True)
    assert "AADSTS7000222" in str(refused(iris))
    iris.configure(secret_expired=False, authority_unavailable=True)
    refused(iris)
    iris.configure(authority_unavailable=False)
    with receiver(iris.addresses):
        assert iris.state().tokens == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"tenant_id": "00000000-0000-0000-0000-000000000001"}, "AADSTS90002"),
    ],
)
def test_the_asynchronous_credential_is_refused_by_name(iris: Iris, change: dict[str, str], code: str) -> None:
    async def come_in() -> None:
        async with async_receiver(replace(iris.addresses, **change)):
            pytest.fail("it was let in")

    with pytest.raises(ServiceBusError, match=code):
        asyncio.run(come_in())


def test_a_client_that_does_not_trust_the_authority_does_not_come_in(iris: Iris) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection((HOST, iris.addresses.port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
        context.wrap_socket(plain, server_hostname=HOST),
    ):
        pytest.fail("it was let in")


def test_a_token_is_refused_on_request(iris: Iris) -> None:
    for status in (401, 404):
        iris.fault("refuse_token", status=status, count=1)
        refused(iris)
    with receiver(iris.addresses):
        assert [fault["hit"] for fault in iris.faults()] == [1, 1]


def test_a_token_of_another_authority_is_refused(iris: Iris, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    with running_iris() as other:
        # Both certificates are trusted, so that only the token is foreign.
        both.write_text(Path(iris.addresses.ca).read_text() + Path(other.addresses.ca).read_text())
        refused(iris, replace(other.addresses, endpoint=iris.addresses.endpoint, ca=str(both)))


def test_a_consumer_is_detached_when_its_token_ends(iris: Iris, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client believes that its token lives for an hour, so it is the broker that ends the matter."""
    issue = iris._issuer.issue

    def brief(client_id: str) -> str:
        iris.account.expired, iris._issuer.seconds = True, 2
        return issue(client_id)

    monkeypatch.setattr(iris._issuer, "issue", brief)
    with pytest.raises(ServiceBusError) as caught, receiver(iris.addresses) as receiving:
        while True:
            receiving.receive_messages(1, max_wait_time=EMPTY)
    assert "AADSTS7000222" in str(caught.value) or "xpired" in str(caught.value)


def test_a_token_that_has_ended_is_refused() -> None:
    clock = Clock()
    with running_iris(Options(token_seconds=3600), clock=clock) as iris:
        token = iris._issuer.issue("c")
        assert iris._broker.refusal(token) is None
        clock.ahead += 3_601_000
        assert iris._broker.refusal(token) == "ExpiredToken: The token is expired."


def test_another_queue_is_not_there(iris: Iris) -> None:
    assert isinstance(refused(iris, queue="iris.other"), MessagingEntityNotFoundError)


def test_a_consumer_is_refused_with_a_condition() -> None:
    def check(condition: str, error: type[Exception]) -> None:
        with running_iris() as iris:
            iris.fault("refuse_attach", condition=condition, count=1)
            assert isinstance(refused(iris), error)

    # One after another: opened together, the client's transports lose their sockets to one another now and then.
    check("not-found", MessagingEntityNotFoundError)
    check("unauthorized", ServiceBusAuthorizationError)
    check("resource-limit", ServiceBusQuotaExceededError)
    check("server-busy", ServiceBusServerBusyError)
    check("entity-disabled", MessagingEntityDisabledError)


def test_consumers_share_a_queue(iris: Iris) -> None:
    with receiver(iris.addresses) as first, receiver(iris.addresses) as second:
        iris.put(numbered(4))
        assert {m.message_id for r in (first, second) for m in receive(r, 2)} == {f"m{n}.json" for n in range(4)}


def test_a_second_consumer_may_be_refused(iris: Iris) -> None:
    iris.configure(second_consumer="refuse")
    with receiver(iris.addresses):
        assert isinstance(refused(iris), ServiceBusQuotaExceededError)
    iris.wait(lambda state: state.connections == 0)
    with receiver(iris.addresses):
        assert iris.state().connections == 1


def test_a_second_consumer_may_take_over(iris: Iris) -> None:
    iris.configure(second_consumer="steal")
    with receiver(iris.addresses) as first, receiver(iris.addresses) as second:
        iris.put(numbered(1))
        assert len(receive(second, 1)) == 1
        with pytest.raises(ServiceBusError):
            first.receive_messages(1, max_wait_time=1)


# Faults.


def consume_until(iris: Iris, reached: Callable[[Counts], bool]) -> None:
    """Take and complete as a patient consumer: opened anew whenever something failed, or nothing came."""
    for _ in range(50):
        with (
            contextlib.suppress(ServiceBusError),
            receiver(iris.addresses, prefetch_count=20, timeout=1) as receiving,
        ):
            while batch := receiving.receive_messages(20, max_wait_time=EMPTY):
                for message in batch:
                    receiving.complete_message(message)
        if reached(iris.state().messages):
            return
    pytest.fail(f"it was not reached: {iris.state()}")


def test_a_fault_loses_nothing() -> None:
    def check(kind: faults.Kind, options: dict[str, Any]) -> None:
        with running_iris(Options(rules=Rules(SHORT, most_deliveries=1000))) as iris:
            iris.put(numbered(40))
            iris.fault(kind, **options)
            consume_until(iris, lambda counts: counts.completed == 40)
            assert sorted(number for number, _ in iris.completed()) == list(range(1, 41))
            assert iris.faults()[0]["hit"] >= 1

    once = {"skip": 7, "count": 1}
    together(
        check,
        ("reset", once),
        ("reset", once | {"on": "settlement"}),
        ("close", once),
        ("detach", once),
        ("detach", once | {"condition": "server-busy"}),
        ("garbage", once),
        ("slow", {"seconds": 0.001}),
    )


def test_a_duplicate_has_the_same_id_and_another_number(iris: Iris) -> None:
    iris.fault("duplicate", count=1)
    iris.put(numbered(1))
    with receiver(iris.addresses) as receiving:
        assert [(m.message_id, m.sequence_number) for m in receive(receiving, 2)] == [("m0.json", 1), ("m0.json", 2)]


def test_order_is_lost_when_it_is_asked_for(iris: Iris) -> None:
    iris.fault("out_of_order")
    iris.put(numbered(50))
    with receiver(iris.addresses, prefetch_count=49) as receiving:
        got = [message.sequence_number for message in receive(receiving, 50)]
    assert sorted(got, key=int) == list(range(1, 51))
    assert got != list(range(1, 51))


@pytest.mark.parametrize("applied", [True, False])
def test_a_swallowed_settlement_is_not_answered_and_asked_for_over_the_management_link(applied: bool) -> None:
    with running_iris() as iris, receiver(iris.addresses, timeout=0.2) as receiving:
        iris.put(numbered(1))
        iris.fault("swallow", applied=applied, count=1)
        [message] = receive(receiving, 1)
        if applied:
            with pytest.raises(MessageLockLostError):
                receiving.complete_message(message)
        else:
            receiving.complete_message(message)
        assert iris.state().messages.completed == 1


def test_a_black_hole_says_nothing_until_it_is_closed(iris: Iris) -> None:
    iris.put(numbered(1))
    with receiver(iris.addresses) as receiving:
        receiving.complete_message(receive(receiving, 1)[0])
        number = iris.fault("black_hole")
        iris.put(numbered(1))
        assert receiving.receive_messages(1, max_wait_time=EMPTY) == []
        assert iris.state().connections == 1
        iris.clear(number)
    with receiver(iris.addresses) as receiving:
        assert len(receive(receiving, 1)) == 1


def test_the_broker_goes_down_and_comes_back_on_its_port(iris: Iris) -> None:
    iris.put(numbered(1))
    with receiver(iris.addresses) as receiving:
        receiving.complete_message(receive(receiving, 1)[0])
        iris.stop()
        assert not iris.state().listening
        with pytest.raises(ConnectionRefusedError), socket.create_connection((HOST, iris.addresses.port)):
            pytest.fail("somebody listens")
        with pytest.raises(ServiceBusError):
            for _ in range(10):
                receiving.receive_messages(1, max_wait_time=EMPTY)
    port = iris.addresses.port
    iris.start()
    iris.restart()
    iris.put(numbered(1, first=1))
    assert iris.addresses.port == port
    with receiver(iris.addresses) as receiving:
        assert [m.message_id for m in receive(receiving, 1)] == ["m1.json"]


def test_unknown_faults_are_refused(iris: Iris) -> None:
    with pytest.raises(SandboxError, match="there is no fault"):
        iris.fault("nonsense")  # type: ignore[arg-type]
    with pytest.raises(SandboxError, match="has no option"):
        iris.fault("reset", colour="red")
    with pytest.raises(SandboxError, match="strikes on"):
        iris.fault("slow", on="now")


def test_a_state_that_never_comes_is_told(iris: Iris) -> None:
    with pytest.raises(SandboxError, match="did not come"):
        iris.wait(lambda state: state.messages.ready == 1, seconds=0.0)


# Peers that are no clients.


class Peer:
    """Speaks TLS to the broker and sends what a test says."""

    def __init__(self, iris: Iris) -> None:
        context = ssl.create_default_context(cafile=iris.addresses.ca)
        plain = socket.create_connection((HOST, iris.addresses.port), timeout=20)
        self.socket = context.wrap_socket(plain, server_hostname=HOST)
        self._buffer = FrameBuffer()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def hear(self) -> list[bytes]:
        """All that the broker says until it closes."""
        heard: list[bytes] = []
        while data := self.socket.recv(65536):
            heard += self._buffer.feed(data)
        return heard


def test_garbage_of_a_client_ends_its_connection(iris: Iris) -> None:
    with Peer(iris) as peer:
        peer.say(SASL_HEADER, AMQP_HEADER, b"\xff" * 64)
        heard = peer.hear()
    assert heard[0] == SASL_HEADER
    assert read_frame(heard[-1]).kind is Kind.CLOSE
    assert iris.wait(lambda state: state.connections == 0).accepted == 1


def test_a_silent_client_is_sent_away() -> None:
    with running_iris(Options(idle_seconds=0.05)) as iris, Peer(iris) as peer:
        peer.say(SASL_HEADER)
        [*_, last] = peer.hear()
        closed = read_frame(last)
    assert closed.kind is Kind.CLOSE
    assert closed.fields["error"].value[0] == "amqp:connection:forced"


def test_the_broker_announces_what_the_service_announces(iris: Iris) -> None:
    with Peer(iris) as peer:
        opened = write_frame(Kind.OPEN, container_id="c", idle_timeout=20)
        peer.say(AMQP_HEADER, opened, write_frame(Kind.BEGIN, next_outgoing_id=0, incoming_window=1, outgoing_window=1))
        empty = write_frame(Kind.ATTACH, name="l", handle=0, role=True)
        peer.say(empty, write_frame(Kind.CLOSE))
        frames = [read_frame(part) for part in peer.hear()[1:]]
    by_kind = {frame.kind: frame.fields for frame in frames}
    opening = by_kind[Kind.OPEN]
    assert (opening["max_frame_size"], opening["channel_max"], opening["idle_timeout"]) == (MAX_FRAME, 4999, 120_000)
    # Without a token nothing is given: an attach without source, and the reason.
    assert by_kind[Kind.ATTACH]["source"] is None
    assert by_kind[Kind.DETACH]["error"].value[0] == "amqp:unauthorized-access"
