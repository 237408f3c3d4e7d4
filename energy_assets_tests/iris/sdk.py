"""The unmodified client library on the way that production takes, led to a sandbox on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver, TransportType
from azure.servicebus.aio import ServiceBusClient as AsyncServiceBusClient
from azure.servicebus.aio import ServiceBusReceiver as AsyncServiceBusReceiver

from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.steering import Addresses

POLL = 0.02
"""Seconds of one wait of the library for bytes; its own 0.2 make every step slow."""

WAIT = 20.0
"""Longest wait for a message that is there, on a busy machine."""

EMPTY = 0.2
"""Wait for a message that must not be there."""


def _way(addresses: Addresses) -> dict[str, Any]:
    return {
        "custom_endpoint_address": addresses.endpoint,
        "transport_type": TransportType.Amqp,
        "connection_verify": addresses.ca,
        "retry_total": 0,
    }


def _credential(addresses: Addresses) -> dict[str, Any]:
    return {
        "tenant_id": addresses.tenant_id,
        "client_id": addresses.client_id,
        "client_secret": addresses.client_secret,
        "authority": addresses.authority,
        "disable_instance_discovery": True,
        "connection_verify": addresses.ca,
        "retry_total": 0,
    }


@contextmanager
def client(addresses: Addresses) -> Iterator[ServiceBusClient]:
    with (
        ClientSecretCredential(**_credential(addresses)) as credential,
        ServiceBusClient(addresses.namespace, credential, **_way(addresses)) as opened,
    ):
        yield opened


QUICK: dict[str, Any] = {
    "socket_timeout": POLL,
    # The thread that keeps connections alive sleeps for a second at a time, and its end is waited for.
    "keep_alive": 0,
    "prefetch_count": 1,
}
"""Options of receivers; the client's own do not reach them."""


@contextmanager
def receiver(addresses: Addresses, queue: str = "", **options: Any) -> Iterator[ServiceBusReceiver]:
    with (
        client(addresses) as opened,
        opened.get_queue_receiver(queue or addresses.queue, **(QUICK | options)) as receiving,
    ):
        yield receiving


@asynccontextmanager
async def async_receiver(addresses: Addresses, **options: Any) -> AsyncIterator[AsyncServiceBusReceiver]:
    async with (
        AsyncClientSecretCredential(**_credential(addresses)) as credential,
        AsyncServiceBusClient(addresses.namespace, credential, **_way(addresses)) as opened,
        opened.get_queue_receiver(addresses.queue, **(QUICK | options)) as receiving,
    ):
        yield receiving


def receive(receiving: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    """So many messages; fewer where none comes any more."""
    got: list[ServiceBusReceivedMessage] = []
    while len(got) < count:
        more = receiving.receive_messages(count - len(got), max_wait_time=WAIT)
        if not more:
            break
        got += more
    return got


def body(message: ServiceBusReceivedMessage) -> bytes:
    return b"".join(message.body)


def numbered(count: int, first: int = 0) -> list[Message]:
    return [Message(f"m{n}.json", "FUELINST", b"%d" % n) for n in range(first, first + count)]


def elsewhere(addresses: Addresses, endpoint: str) -> Addresses:
    """The same way in, over another line."""
    return replace(addresses, endpoint=endpoint)
