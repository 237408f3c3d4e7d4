"""How a sandbox is told what to do and asked how it stands, be it in this process or in another.

The words of both belong here: addresses, state, and the methods that ``running.Iris`` and ``remote.RemoteIris`` share.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.broker import SecondConsumer
from energy_assets.sandbox.iris.faults import Kind
from energy_assets.sandbox.iris.feeder import Feed
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Counts, Rules

LOOKS_EVERY = 0.01
"""Seconds between two looks at the state."""

WAITS_AT_MOST = 60.0
"""Seconds in which a state that is waited for has to come, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """How a client comes in.

    Attributes:
        namespace: Name of the namespace, which the client keeps.
        queue: The queue.
        endpoint: Where the client's connection is led to instead, as ``custom_endpoint_address`` takes it.
        authority: Where tokens come from, as the credential's ``authority`` takes it.
        ca: File of the certificate authority that the client has to trust.
        tenant_id: Directory of the credential.
        client_id: Application of the credential.
        client_secret: Its secret.
    """

    namespace: str
    queue: str
    endpoint: str
    authority: str
    ca: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def port(self) -> int:
        """Port of the broker."""
        return int(self.endpoint.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class State:
    """What a sandbox holds and has seen.

    Attributes:
        messages: How many messages are where.
        connections: Connections that stand.
        accepted: Connections so far.
        tokens: Tokens issued so far.
        fed: Messages that the feeder has put.
        feeding: Whether the feeder is at work.
        listening: Whether the broker can be reached.
    """

    messages: Counts
    connections: int
    accepted: int
    tokens: int
    fed: int
    feeding: bool
    listening: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message among the dead letters.

    Attributes:
        sequence: Its number.
        message_id: Its id as text.
        reason: Why it lies there.
        description: The same in a sentence.
    """

    sequence: int
    message_id: str
    reason: str
    description: str


class Steering(ABC):
    """What can be done with a sandbox that runs; from any thread."""

    @property
    @abstractmethod
    def addresses(self) -> Addresses:
        """How a client comes in."""

    @abstractmethod
    def put(self, messages: Iterable[Message]) -> list[int]:
        """Put messages into the queue and give their sequence numbers."""

    @abstractmethod
    def feed(self, feed: Feed) -> None:
        """Have messages put by the feeder: all before this returns, where no rate is given, else as time goes on."""

    @abstractmethod
    def stop_feeding(self) -> None:
        """Put no more."""

    @abstractmethod
    def state(self) -> State:
        """What it holds and has seen."""

    @abstractmethod
    def completed(self) -> list[tuple[int, str]]:
        """Sequence number and id of each completed message, in the order of completion."""

    @abstractmethod
    def dead_letters(self) -> list[DeadLetter]:
        """What lies among the dead letters."""

    @abstractmethod
    def fault(self, kind: Kind, **options: Any) -> int:  # noqa: ANN401 - each option has its own type
        """Arm a fault; options are the attributes of ``faults.Fault``.

        Returns:
            A number to remove it by.
        """

    @abstractmethod
    def faults(self) -> list[dict[str, Any]]:
        """Armed faults with how often each has struck."""

    @abstractmethod
    def clear(self, number: int | None = None) -> None:
        """Disarm one fault, or all."""

    @abstractmethod
    def govern(self, rules: Rules) -> None:
        """Give the queue other properties, for locks and messages to come."""

    @abstractmethod
    def configure(
        self,
        *,
        secret_expired: bool | None = None,
        authority_unavailable: bool | None = None,
        token_seconds: int | None = None,
        second_consumer: SecondConsumer | None = None,
    ) -> None:
        """Change how clients are let in; what is not given stays as it is."""

    @abstractmethod
    def stop(self) -> None:
        """Take the broker down: connections are reset and new ones refused, the queue stays."""

    @abstractmethod
    def start(self) -> None:
        """Bring the broker up again, on the same port."""

    def restart(self) -> None:
        """Take the broker down and up again; locks go on."""
        self.stop()
        self.start()

    def wait(self, reached: Callable[[State], bool], seconds: float = WAITS_AT_MOST) -> State:
        """Wait until a state is reached.

        Raises:
            SandboxError: It is not reached in time; the message tells the last one.
        """
        deadline = time.monotonic() + seconds
        while not reached(state := self.state()):
            if time.monotonic() > deadline:
                raise SandboxError(f"the sandbox did not come into the state that was waited for; it is {state}")
            time.sleep(LOOKS_EVERY)
        return state
