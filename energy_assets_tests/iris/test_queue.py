"""The lock model of a queue, with a clock that a test sets."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Delivery, LockLostError, Outcome, Queue, Rules

LOCK = 10_000
RULES = Rules(lock=timedelta(milliseconds=LOCK), most_deliveries=3, ttl=timedelta(hours=1))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Queue:
    return Queue("q", clock, RULES)


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [delivery.entry.sequence for delivery in deliveries]


def messages(count: int) -> list[Message]:
    return [Message(f"m{n}") for n in range(count)]


def buried(queue: Queue) -> Queue:
    assert queue.dead_letters is not None
    return queue.dead_letters


def test_messages_are_handed_out_once_in_their_order(queue: Queue) -> None:
    assert queue.put(messages(5)) == [1, 2, 3, 4, 5]
    assert numbers(queue.acquire(3)) == [1, 2, 3]
    assert numbers(queue.acquire(9)) == [4, 5]
    assert queue.acquire(9) == []


def test_a_completed_message_is_gone(queue: Queue, clock: Clock) -> None:
    queue.put(messages(1))
    [held] = queue.acquire(1)
    queue.settle(held.token, Outcome.COMPLETE)
    clock.now += 10 * LOCK
    assert queue.acquire(1) == []
    assert queue.completed() == [(1, "m0")]
    with pytest.raises(LockLostError):
        queue.settle(held.token, Outcome.COMPLETE)


def test_a_lock_ends_and_the_message_comes_back_with_its_number(queue: Queue, clock: Clock) -> None:
    queue.put(messages(2))
    first, second = queue.acquire(2)
    assert first.locked_until == clock.now + LOCK
    clock.now += LOCK - 1
    queue.settle(second.token, Outcome.COMPLETE)
    assert queue.acquire(1) == []
    clock.now += 1
    [again] = queue.acquire(1)
    assert (again.entry.sequence, again.entry.failed) == (1, 1)
    assert again.token != first.token
    with pytest.raises(LockLostError):
        queue.settle(first.token, Outcome.COMPLETE)
    queue.settle(again.token, Outcome.COMPLETE)


def test_a_renewed_lock_lasts_its_full_time_again(queue: Queue, clock: Clock) -> None:
    queue.put(messages(1))
    [held] = queue.acquire(1)
    clock.now += LOCK - 1
    assert queue.renew(held.token) == clock.now + LOCK
    clock.now += LOCK - 1
    assert queue.expire() == 0
    clock.now += 1
    assert queue.expire() == 1
    with pytest.raises(LockLostError):
        queue.renew(held.token)


def test_the_next_end_of_a_lock_is_known(queue: Queue, clock: Clock) -> None:
    assert queue.next_end() is None
    queue.put(messages(1))
    [held] = queue.acquire(1)
    assert queue.next_end() == clock.now + LOCK
    queue.settle(held.token, Outcome.COMPLETE)
    assert queue.next_end() is None


def test_a_released_message_has_not_failed_and_an_abandoned_one_has(queue: Queue) -> None:
    queue.put(messages(1))
    [held] = queue.acquire(1)
    queue.settle(held.token, Outcome.RELEASE)
    [held] = queue.acquire(1)
    assert held.entry.failed == 0
    queue.settle(held.token, Outcome.ABANDON)
    [held] = queue.acquire(1)
    assert held.entry.failed == 1


def test_what_came_back_goes_out_before_what_came_later(queue: Queue) -> None:
    queue.put(messages(4))
    held = queue.acquire(2)
    queue.settle(held[1].token, Outcome.ABANDON)
    queue.settle(held[0].token, Outcome.ABANDON)
    assert numbers(queue.acquire(4)) == [1, 2, 3, 4]


@pytest.mark.parametrize("how", ["abandoned", "expired"])
def test_too_many_failures_make_a_dead_letter(queue: Queue, clock: Clock, how: str) -> None:
    queue.put([Message("m", "S", b"body", {"kept": 1})])
    for _ in range(RULES.most_deliveries):
        [held] = queue.acquire(1)
        if how == "abandoned":
            queue.settle(held.token, Outcome.ABANDON)
        else:
            clock.now += LOCK
            queue.expire()
    assert queue.acquire(1) == []
    [letter] = buried(queue).acquire(9)
    assert letter.entry.message.properties["DeadLetterReason"] == "MaxDeliveryCountExceeded"
    assert (letter.entry.message.body, letter.entry.message.properties["kept"]) == (b"body", 1)
    assert queue.counts().dead_lettered == 1


def test_dead_letters_stay_whatever_happens_to_them(queue: Queue, clock: Clock) -> None:
    queue.put(messages(1))
    [held] = queue.acquire(1)
    queue.settle(held.token, Outcome.DEAD_LETTER, {"DeadLetterReason": "bad", "DeadLetterErrorDescription": "why"})
    clock.now += RULES.ttl // timedelta(milliseconds=1) * 10
    for _ in range(2 * RULES.most_deliveries):
        [letter] = buried(queue).acquire(1)
        buried(queue).settle(letter.token, Outcome.ABANDON)
    [letter] = buried(queue).acquire(1)
    assert letter.entry.message.properties == {"DeadLetterReason": "bad", "DeadLetterErrorDescription": "why"}
    buried(queue).settle(letter.token, Outcome.COMPLETE)
    assert queue.counts().dead_lettered == 0


def test_a_deferred_message_comes_only_by_its_number(queue: Queue) -> None:
    queue.put(messages(1))
    [held] = queue.acquire(1)
    queue.settle(held.token, Outcome.DEFER)
    assert queue.acquire(1) == []
    assert queue.counts().deferred == 1
    [again] = queue.receive_deferred([1])
    with pytest.raises(LockLostError):
        queue.receive_deferred([1])
    queue.settle(again.token, Outcome.ABANDON)
    assert queue.acquire(1) == []
    [again] = queue.receive_deferred([1])
    queue.settle(again.token, Outcome.COMPLETE)
    assert queue.counts().deferred == 0
    with pytest.raises(LockLostError):
        queue.receive_deferred([1])


def test_messages_have_their_time(queue: Queue, clock: Clock) -> None:
    queue.put([Message("short", ttl=timedelta(seconds=1)), Message("usual")])
    clock.now += 1000
    assert [entry.message.label for entry in queue.peek(1, 9)] == ["usual"]
    [held] = queue.acquire(9)
    assert held.entry.message.label == "usual"
    assert queue.counts().expired == 1


def test_expired_messages_are_dead_letters_where_the_rules_say_so(queue: Queue, clock: Clock) -> None:
    queue.rules = Rules(ttl=timedelta(seconds=1), bury_expired=True)
    queue.put(messages(1))
    clock.now += 1000
    assert queue.acquire(1) == []
    [letter] = buried(queue).acquire(1)
    assert letter.entry.message.properties["DeadLetterReason"] == "TTLExpiredException"


def test_a_look_takes_nothing(queue: Queue) -> None:
    queue.put(messages(4))
    queue.acquire(1)
    assert [entry.sequence for entry in queue.peek(2, 2)] == [2, 3]
    assert [entry.sequence for entry in queue.peek(1, 9)] == [1, 2, 3, 4]


class Consumers(RuleBasedStateMachine):
    """Whatever consumers do in whatever order, each message is in one place and is completed once at most."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = Queue("q", self.clock, RULES)
        self.put_so_far = 0
        self.live: dict[UUID, int] = {}

    @rule(count=st.integers(1, 4))
    def put(self, count: int) -> None:
        self.queue.put(messages(count))
        self.put_so_far += count

    @rule(target=held, most=st.integers(1, 4))
    def acquire(self, most: int) -> list[UUID]:
        taken = self.queue.acquire(most)
        self._forget_ended()
        assert not set(numbers(taken)) & self._held_numbers()
        self.live |= {delivery.token: delivery.locked_until for delivery in taken}
        return [delivery.token for delivery in taken]

    @rule(tokens=consumes(held), outcome=st.sampled_from(Outcome))
    def settle(self, tokens: list[UUID], outcome: Outcome) -> None:
        self._forget_ended()
        for token in tokens:
            if self.live.pop(token, None) is not None:
                self.queue.settle(token, outcome)
            else:
                with pytest.raises(LockLostError):
                    self.queue.settle(token, outcome)

    @rule(tokens=held)
    def renew(self, tokens: list[UUID]) -> None:
        self._forget_ended()
        for token in tokens:
            if token in self.live:
                self.live[token] = self.queue.renew(token)

    @rule(milliseconds=st.integers(1, LOCK))
    def wait(self, milliseconds: int) -> None:
        self.clock.now += milliseconds

    def _forget_ended(self) -> None:
        self.live = {token: end for token, end in self.live.items() if end > self.clock.now}

    def _held_numbers(self) -> set[int]:
        return {self.queue._locks[token].entry.sequence for token in self.live}

    @invariant()
    def each_message_is_in_one_place(self) -> None:
        counts = self.queue.counts()
        self._forget_ended()
        assert counts.locked == len(self.live)
        assert (
            counts.ready + counts.locked + counts.deferred + counts.dead_lettered + counts.completed == self.put_so_far
        )
        completed = [number for number, _ in self.queue.completed()]
        assert len(completed) == len(set(completed))
        assert not set(completed) & {entry.sequence for entry in self.queue.entries()}


TestConsumers = Consumers.TestCase
