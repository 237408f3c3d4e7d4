"""Downloading the file of a resource from where the portal says that it is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from energy_assets.errors import ContractError, FetchError
from energy_assets.ingest.model import Body
from energy_assets.sources.neso.portal import Resource
from energy_assets.sources.neso.storing import FILE_MOST_BYTES, HEADERS, Stored, store
from energy_assets.sources.neso.wire import Received, Wire, explained


@dataclass(frozen=True, slots=True)
class Download:
    """The file of a resource on disk.

    Attributes:
        body: The file, its digest and where it came from.
        resource: The resource as the sweep told it; its ``last_modified`` is what the file is known by.
        zipped: Whether it is a ZIP archive, whatever its name and format say.
        modified_utc: When the storage says that it was changed, aware UTC, where it says.
    """

    body: Body
    resource: Resource
    zipped: bool
    modified_utc: datetime | None


async def download(
    wire: Wire, resource: Resource, destination: Path, *, most: int = FILE_MOST_BYTES, group: str = ""
) -> Download:
    """Get the file of an ``upload`` into ``destination``, which appears only when it is whole.

    The portal answers with an address of its storage that is signed for a short time: it is followed as told, and a
    transfer that breaks begins again at the portal.

    Args:
        wire: The portal.
        resource: From a sweep just made: addresses of files change from day to day.
        destination: File to make; its folder exists.
        most: Most bytes allowed.
        group: Requests that are counted together.

    Raises:
        TransportError: No whole file came after all attempts.
        StatusError: The portal or its storage refused; 404 where the file is gone.
        ContractError: The resource has no uploaded file, or the file is larger than allowed.
        SpoolError: The disk refused.
    """
    what = f"NESO {resource}"
    if not resource.is_file or not resource.url:
        raise ContractError(
            f"{what}: the portal has no uploaded file of it ({resource.url_type or 'a link'}); nothing was sent, so "
            "correct the catalogue entry."
        )

    async def receive(response: httpx.Response) -> Stored:
        return await store(response, destination, most, what)

    try:
        received = await wire.get(resource.url, wire.lanes.portal, receive, headers=HEADERS, group=group)
    except FetchError as error:
        told = explained(error, what)
    else:
        stored = received.value
        return Download(body_of(received, stored, destination), resource, stored.zipped, stored.modified_utc)
    raise told


def body_of(received: Received[Stored], stored: Stored, path: Path) -> Body:
    """A stored file as the rest of the project knows bodies."""
    return Body(
        path=path,
        url=received.url,
        status=received.status,
        sha256=stored.sha256,
        size=stored.size,
        attempts=received.attempts,
        requested_utc=received.requested_utc,
        sandbox=received.sandbox,
    )
