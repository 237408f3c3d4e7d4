"""A sandbox in a process of its own: starting it, and steering it as if it were in this one.

A broker outlives the listener that a test kills, and does not share a processor's time slice with what a benchmark
measures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.broker import SecondConsumer
from energy_assets.sandbox.iris.control import feed_json, message_json, rules_json
from energy_assets.sandbox.iris.faults import Kind
from energy_assets.sandbox.iris.feeder import Feed
from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.queue import Counts, Rules
from energy_assets.sandbox.iris.steering import Addresses, DeadLetter, State, Steering

STARTS_WITHIN = 60.0
"""Seconds in which the process has to be up: it takes one, and more on a machine that is busy."""

ENDS_WITHIN = 10.0
"""Seconds that the process is given at the end before it is killed."""

ANSWERS_WITHIN = 300.0
"""Seconds for a call: feeding all at once takes as long as making the messages."""


class RemoteIris(Steering):
    """Steers a sandbox over its control endpoints.

    Attributes:
        control: Address of the endpoints.
    """

    def __init__(self, control: str) -> None:
        self.control = control
        # Loopback is never reached through a proxy, whatever the environment says.
        self._client = httpx.Client(base_url=control, timeout=ANSWERS_WITHIN, trust_env=False)
        self._addresses: Addresses | None = None

    def close(self) -> None:
        """Steer no more."""
        self._client.close()

    def _ask(self, method: str, path: str, content: Any = None) -> Any:  # noqa: ANN401 - JSON
        response = self._client.request(method, path, json=content)
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise SandboxError(response.json()["error"])
        response.raise_for_status()
        return response.json()

    @property
    def addresses(self) -> Addresses:
        """How a client comes in."""
        if self._addresses is None:
            self._addresses = Addresses(**self._ask("GET", "/addresses"))
        return self._addresses

    def put(self, messages: Iterable[Message]) -> list[int]:
        """Put messages into the queue and give their sequence numbers."""
        answer = self._ask("POST", "/messages", [message_json(message) for message in messages])
        numbers: list[int] = answer["sequence_numbers"]
        return numbers

    def feed(self, feed: Feed) -> None:
        """Have messages put by the feeder: all before this returns, where no rate is given, else as time goes on."""
        self._ask("POST", "/feed", feed_json(feed))

    def stop_feeding(self) -> None:
        """Put no more."""
        self._ask("DELETE", "/feed")

    def state(self) -> State:
        """What it holds and has seen."""
        answer: Mapping[str, Any] = self._ask("GET", "/state")
        return State(**{**answer, "messages": Counts(**answer["messages"])})

    def completed(self) -> list[tuple[int, str]]:
        """Sequence number and id of each completed message, in the order of completion."""
        return [(number, message_id) for number, message_id in self._ask("GET", "/completed")]

    def dead_letters(self) -> list[DeadLetter]:
        """What lies among the dead letters."""
        return [DeadLetter(**letter) for letter in self._ask("GET", "/dead-letters")]

    def fault(self, kind: Kind, **options: Any) -> int:  # noqa: ANN401 - each option has its own type
        """Arm a fault; options are the attributes of ``faults.Fault``.

        Returns:
            A number to remove it by.
        """
        return int(self._ask("POST", "/faults", {"kind": kind, **options})["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Armed faults with how often each has struck."""
        listed: list[dict[str, Any]] = self._ask("GET", "/faults")
        return listed

    def clear(self, number: int | None = None) -> None:
        """Disarm one fault, or all."""
        self._ask("DELETE", "/faults" if number is None else f"/faults/{number}")

    def govern(self, rules: Rules) -> None:
        """Give the queue other properties, for locks and messages to come."""
        self._ask("POST", "/rules", rules_json(rules))

    def configure(
        self,
        *,
        secret_expired: bool | None = None,
        authority_unavailable: bool | None = None,
        token_seconds: int | None = None,
        second_consumer: SecondConsumer | None = None,
    ) -> None:
        """Change how clients are let in; what is not given stays as it is."""
        given = {
            "secret_expired": secret_expired,
            "authority_unavailable": authority_unavailable,
            "token_seconds": token_seconds,
            "second_consumer": second_consumer,
        }
        self._ask("POST", "/settings", given)

    def stop(self) -> None:
        """Take the broker down: connections are reset and new ones refused, the queue stays."""
        self._ask("POST", "/broker/stop")

    def start(self) -> None:
        """Bring the broker up again, on the same port."""
        self._ask("POST", "/broker/start")


@contextmanager
def serving_iris(options: Sequence[str] = ()) -> Iterator[RemoteIris]:
    """A sandbox in a process of its own, for as long as the context lasts.

    Args:
        options: Of ``python -m energy_assets.sandbox.iris.serve``, such as ``["--lock-seconds", "4"]``.

    Raises:
        SandboxError: It does not start.
    """
    command = [sys.executable, "-m", "energy_assets.sandbox.iris.serve", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        assert process.stdout is not None  # noqa: S101 - it was asked for
        timer = threading.Timer(STARTS_WITHIN, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            raise SandboxError(f"the sandbox of IRIS did not start within {STARTS_WITHIN:.0f} seconds")
        iris = RemoteIris(json.loads(line)["control"])
        try:
            yield iris
        finally:
            iris.close()
            process.stdin.close()
            try:
                process.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
