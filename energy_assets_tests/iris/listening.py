"""A listener against the sandbox, in this process or in one of its own, and what it has left on disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from energy_assets.sandbox.iris.messages import Message
from energy_assets.sandbox.iris.steering import Steering
from energy_assets.settings import Settings
from energy_assets.sources.iris.connection import Connection, connection_of
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.envelope import Envelope, decode
from energy_assets.sources.iris.heartbeat import Beat, read_state
from energy_assets.sources.iris.listener import Limits, listen
from energy_assets.sources.iris.tally import Tally

ENDS_WITHIN = 60.0


def messages(count: int, start: int = 0) -> list[Message]:
    return [
        Message(f"m{n}.json", "FUELINST", b'{"n": %d}' % n, {"x-sandbox": True}) for n in range(start, start + count)
    ]


def ids(count: int) -> set[str]:
    return {f"m{n}.json" for n in range(count)}


def settings_of(iris: Steering, home: Path, **changed: Any) -> Settings:
    at = iris.addresses
    values: dict[str, Any] = {
        "iris_client_id": at.client_id,
        "iris_client_secret": SecretStr(at.client_secret),
        "iris_queue_name": at.queue,
        "iris_namespace": at.namespace,
        "iris_tenant_id": at.tenant_id,
        "iris_authority": at.authority,
        "iris_endpoint": at.endpoint,
        "iris_ca": Path(at.ca),
    }
    return Settings(home=home, **(values | changed))


def connection_to(iris: Steering, home: Path, **changed: Any) -> Connection:
    return connection_of(settings_of(iris, home, **changed))


def folder_in(home: Path) -> DropFolder:
    return DropFolder(home / "iris")


def limits(**changed: Any) -> Limits:
    """Short waits: what they are is no subject of these tests."""
    values: dict[str, Any] = {
        "min_free_bytes": 0,
        "silence_seconds": 60,
        "give_up_seconds": 60,
        "wait_seconds": 0.3,
        "longest_pause_seconds": 0.2,
        "room_seconds": 0.02,
    }
    return Limits(**(values | changed))


async def listened(
    iris: Steering,
    home: Path,
    *,
    stop: asyncio.Event | None = None,
    drain: bool = True,
    limit: Limits | None = None,
    **more: Any,
) -> Tally:
    async with asyncio.timeout(ENDS_WITHIN):
        return await listen(
            connection_to(iris, home), folder_in(home), limit or limits(), stop or asyncio.Event(), drain=drain, **more
        )


def drained(iris: Steering, home: Path, **more: Any) -> Tally:
    return asyncio.run(listened(iris, home, **more))


def listened_until(iris: Steering, home: Path, enough: Callable[[Tally], bool], **more: Any) -> Tally:
    """Listen until what has been counted is enough."""

    async def run() -> Tally:
        stop = asyncio.Event()
        return await listened(
            iris, home, stop=stop, drain=False, on_progress=lambda tally: stop.set() if enough(tally) else None, **more
        )

    return asyncio.run(run())


def segments(home: Path) -> list[Path]:
    return sorted((home / "iris" / "segments").rglob("*.ndjson"))


def stored(home: Path) -> list[Envelope]:
    return [decode(line) for path in segments(home) for line in path.read_bytes().splitlines(keepends=True)]


def stored_ids(home: Path) -> list[str]:
    return [envelope.message_id for envelope in stored(home)]


def files_outside(home: Path) -> list[str]:
    """Files that are neither segments nor the listener's own."""
    known = {"listener.lock", "heartbeat.json"}
    found = [p for p in home.rglob("*") if p.is_file() and p.name not in known and "logs" not in p.parts]
    return [str(p) for p in found if p not in segments(home) and p.parent.name != "heartbeats"]


def last_beat(home: Path) -> Beat:
    state = read_state(home / "iris")
    assert state is not None
    return state.beat


def environment_of(iris: Steering, home: Path, **changed: str) -> dict[str, str]:
    at = iris.addresses
    given = {
        "ENERGY_ASSETS_HOME": str(home),
        "IRIS_CLIENT_ID": at.client_id,
        "IRIS_CLIENT_SECRET": at.client_secret,
        "IRIS_QUEUE_NAME": at.queue,
        "IRIS_NAMESPACE": at.namespace,
        "IRIS_TENANT_ID": at.tenant_id,
        "ENERGY_ASSETS_IRIS_AUTHORITY": at.authority,
        "ENERGY_ASSETS_IRIS_ENDPOINT": at.endpoint,
        "ENERGY_ASSETS_IRIS_CA": at.ca,
    }
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("ENERGY_ASSETS_", "IRIS_"))}
    return kept | given | changed


COMMAND = [sys.executable, "-W", "error", "-c", "from energy_assets.cli import main; main()", "iris", "listen"]


def start(environment: dict[str, str], *arguments: str, program: list[str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*(program or COMMAND), *arguments],
        env=environment,
        cwd=environment["ENERGY_ASSETS_HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=ENDS_WITHIN)
    return process.returncode, out, err
