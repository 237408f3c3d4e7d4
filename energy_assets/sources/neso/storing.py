"""Putting a file of the portal on disk: length, digest and a look at its first bytes.

An open answer in, a file out. Where the answer comes from, and what its rows mean, does not belong here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from energy_assets.errors import ContractError
from energy_assets.ingest.spool import disk_error
from energy_assets.sources.body import BrokenBodyError, OversizeError, Written, part_of, write_body
from energy_assets.sources.http import FRAMING

HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""As it lies in the storage: its length can be compared only where nobody compresses it on the way."""

FILE_MOST_BYTES = 2 << 30
"""Largest file where an entry names no other size: six times the largest that is known, and less than a small disk has
free."""

HEAD_BYTES = 1024
"""First bytes that are looked at."""

ZIP = b"PK\x03\x04"
MARKUP = (b"<", b"{")
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file on disk.

    Attributes:
        sha256: Hex digest of its bytes.
        size: Bytes.
        zipped: Whether it is a ZIP archive, whatever the portal calls it; spreadsheets are archives too.
        modified_utc: When the storage says that it was changed, aware UTC; ``None`` where it does not say.
    """

    sha256: str
    size: int
    zipped: bool
    modified_utc: datetime | None


async def store(response: httpx.Response, destination: Path, most: int, what: str) -> Stored:
    """Write an answer's body to ``destination``, which appears only when it is whole.

    Args:
        response: An answer with status 200, its body not yet read.
        destination: File to make; its folder exists.
        most: Most bytes allowed.
        what: The file as messages name it.

    Raises:
        BrokenBodyError: It is cut, empty, or no file of rows but a page.
        ContractError: It is larger than allowed.
        SpoolError: The disk refused.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if not (encoding or FRAMING & response.headers.keys()):
        raise BrokenBodyError("nothing tells where it ends")
    part = part_of(destination)
    try:
        with part.open("wb") as file:
            written = await write_body(response.aiter_raw(), encoding, file, most, json=False)
        _check_length(response, encoding, written)
        zipped = await asyncio.to_thread(_look, part)
        part.replace(destination)
    except OversizeError:
        raise ContractError(
            f"{what}: the file has more than the {most:,} bytes that are allowed for it; nothing was kept, so look at "
            "it and raise the limit in the catalogue entry if it is what it should be."
        ) from None
    except OSError as error:
        raise disk_error(part, error) from error
    finally:
        part.unlink(missing_ok=True)
    return Stored(written.sha256, written.size, zipped, _modified(response))


def _check_length(response: httpx.Response, encoding: str, written: Written) -> None:
    told = response.headers.get("content-length", "")
    if encoding in ("", "identity") and told and told != str(written.size):
        raise BrokenBodyError(f"it has {written.size} bytes, and {told} were announced")


def _look(path: Path) -> bool:
    """Whether a file is a ZIP archive.

    Raises:
        BrokenBodyError: It is empty, or a page.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for mark in BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    text = head.lstrip(b" \t\r\n\0")
    if not text:
        raise BrokenBodyError("it is empty")
    if text.startswith(MARKUP):
        raise BrokenBodyError(f"it begins with {text[:1].decode()!r}, as a page does and no file of rows")
    return head.startswith(ZIP)


def _modified(response: httpx.Response) -> datetime | None:
    try:
        told = parsedate_to_datetime(response.headers.get("last-modified", ""))
    except ValueError:
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
