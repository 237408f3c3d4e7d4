"""Takes messages off a queue in one of three ways, and tells how many a second.

- ``listener``: received, on disk with ``fsync``, completed: what ``energy-assets iris listen`` does.
- ``official``: the loop of Elexon's Python client: one message at a time, a file each, completed before the next.
- ``receive``: received and nothing else, which is what the queue itself can give.

The queue is filled before; the clock runs from the first batch (or message) to the last completion, so connecting and
the wait for an empty queue are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.remote import RemoteIris
from energy_assets.sandbox.iris.steering import Addresses
from energy_assets.settings import Settings
from energy_assets.sources.iris.connection import PREFETCH, Connection, connection_of
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.listener import Limits, listen
from energy_assets.sources.iris.tally import Tally

Taken = tuple[int, float]
"""Messages within the clock, and its seconds."""


def connection(at: Addresses, endpoint: str, home: Path) -> Connection:
    return connection_of(
        Settings(
            home=home,
            iris_client_id=at.client_id,
            iris_client_secret=SecretStr(at.client_secret),
            iris_queue_name=at.queue,
            iris_namespace=at.namespace,
            iris_tenant_id=at.tenant_id,
            iris_authority=at.authority,
            iris_endpoint=endpoint,
            iris_ca=Path(at.ca),
        )
    )


def listener(at: Addresses, endpoint: str, home: Path, count: int) -> Taken:
    marks: list[tuple[int, float]] = []

    def mark(tally: Tally) -> None:
        if tally.completed and (not marks or tally.completed > marks[-1][0]):
            marks.append((tally.completed, time.perf_counter()))

    limits = Limits(min_free_bytes=0, silence_seconds=300, give_up_seconds=60)
    folder = DropFolder(home / "iris")
    asyncio.run(listen(connection(at, endpoint, home), folder, limits, asyncio.Event(), drain=True, on_progress=mark))
    (first, began), (last, ended) = marks[0], marks[-1]
    assert last == count, f"{last} of {count} messages were completed"
    return last - first, ended - began


def official(at: Addresses, endpoint: str, home: Path, count: int) -> Taken:
    from azure.identity import ClientSecretCredential
    from azure.servicebus import ServiceBusClient, TransportType

    credential = ClientSecretCredential(
        at.tenant_id,
        at.client_id,
        at.client_secret,
        authority=at.authority,
        disable_instance_discovery=True,
        connection_verify=at.ca,
    )
    client = ServiceBusClient(
        at.namespace,
        credential,
        custom_endpoint_address=endpoint,
        transport_type=TransportType.Amqp,
        connection_verify=at.ca,
    )
    began, taken = 0.0, 0
    with client, client.get_queue_receiver(at.queue) as receiver:
        for message in receiver:
            if not taken:
                began = time.perf_counter()
            folder = home / str(message.subject)
            folder.mkdir(exist_ok=True)
            with (folder / str(message.message_id)).open("w+") as file:
                file.write(str(message))
            receiver.complete_message(message)
            taken += 1
            if taken == count:
                return taken, time.perf_counter() - began
    raise AssertionError(f"{taken} of {count} messages came")


def receive(at: Addresses, endpoint: str, home: Path, count: int) -> Taken:
    async def take() -> Taken:
        from azure.servicebus import ServiceBusReceiveMode

        opened = connection(at, endpoint, home)
        client = opened._client()
        mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
        began, first, taken = 0.0, 0, 0
        async with client, client.get_queue_receiver(at.queue, prefetch_count=PREFETCH, receive_mode=mode) as receiver:
            while taken < count:
                taken += len(await receiver.receive_messages(PREFETCH, max_wait_time=5))
                if not first:
                    first, began = taken, time.perf_counter()
        ended = time.perf_counter()
        await opened.close()
        return taken - first, ended - began

    return asyncio.run(take())


WAYS = {"listener": listener, "official": official, "receive": receive}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("queue", help="address that far_queue.py printed")
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True, help="of a body")
    given = parser.parse_args()
    parts = urlsplit(given.queue)
    iris = RemoteIris(f"{parts.scheme}://{parts.netloc}")
    body = b"x" * given.bytes
    iris.put(Message(f"m{n}.json", "FUELINST", body, {"x-sandbox": True}) for n in range(given.messages))
    with tempfile.TemporaryDirectory(prefix="energy-assets-bench-") as home:
        taken, seconds = WAYS[given.way](
            iris.addresses, parse_qs(parts.query)["endpoint"][0], Path(home), given.messages
        )
    iris.close()
    rate = taken / seconds
    print(json.dumps({"per_second": rate, "inside_s": seconds, "steps_s": {"per 1,000 messages": 1000 / rate}}))


if __name__ == "__main__":
    main()
