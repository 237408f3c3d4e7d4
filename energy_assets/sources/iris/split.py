"""A manifest's files taken apart by stream: parts that the refresh machinery can fetch like any provider's answers.

Both layouts become envelopes here. What is in a body is not looked at; what is no envelope is kept as a message of
its own, so that nothing is lost. Nothing here types, writes or deletes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes

from energy_assets.catalogue.iris import BY_STREAM, UNMAPPED
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import ContractError, SpoolError
from energy_assets.ingest.model import Body, Window
from energy_assets.sources.iris.backlog import SEGMENTS, Backlog, File, Manifest
from energy_assets.sources.iris.envelope import Envelope, decode, encode, seal, stream_of

PART_BYTES = 8 << 20
"""Size at which a part is full: a few of them are typed at once, and typing takes about five times the size."""

PART_MESSAGES = 20_000
"""The same for small messages, whose register counts and not their size."""

BRANCH = (("_source_api", "IRIS"),)
"""Branch of the windows: what the queue brings never stands for what the archive was asked for, or the reverse."""

TICK = timedelta(microseconds=1)

_NAMED_TIME = re.compile(r"_(\d{12})(?:_|\.|$)")
"""Minute in a message's file name, as the provider names them."""

NAMED_TIME_SLACK = timedelta(days=4)
"""How much earlier than the file its name may say it was sent: the queue keeps messages for three days."""


@dataclass(frozen=True, slots=True)
class Part:
    """Messages of one stream that are typed together.

    Attributes:
        dataset: The stream's entry.
        window: From the first message to just after the last, by enqueuing; unique among the manifest's parts.
        path: File of envelopes.
        messages: Their number.
        url: What the receipt names.
        sandbox: Whether a stand-in sent them.
    """

    dataset: Dataset
    window: Window
    path: Path
    messages: int
    url: str
    sandbox: bool


@dataclass
class _Open:
    """A part that is being written."""

    dataset: Dataset
    sandbox: bool
    path: Path
    stream: IO[bytes]
    first: datetime
    last: datetime
    size: int = 0
    messages: int = 0


@dataclass
class Split:
    """What a manifest came apart into.

    Attributes:
        parts: Parts by dataset code, in the order of their windows.
        missing: Files that were there when the manifest was made and are not any more.
        messages: Messages in all parts.
    """

    parts: dict[str, list[Part]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    messages: int = 0


def envelopes(backlog: Backlog, manifest: Manifest, now: datetime, missing: list[str]) -> Iterator[Envelope]:
    """Every message of a manifest's files; names of files that are gone are added to ``missing``.

    Raises:
        SpoolError: A file cannot be read.
    """
    for file in manifest.files:
        path = backlog.path(file)
        try:
            if file.path.startswith(f"{SEGMENTS}/"):
                yield from _segment(path, file, now)
            else:
                yield _single(path, file, now)
        except FileNotFoundError:
            missing.append(file.path)
        except OSError as error:
            raise SpoolError(f"{path} cannot be read ({error.strerror}): see to its permissions or disk.") from error


def split(backlog: Backlog, manifest: Manifest, folder: Path, now: datetime) -> Split:
    """Write the messages of a manifest's files into parts below ``folder``.

    Raises:
        SpoolError: A file cannot be read or written.
    """
    result = Split()
    opened: dict[tuple[str, bool], _Open] = {}
    count = 0
    with ExitStack() as stack:
        for message in envelopes(backlog, manifest, now, result.missing):
            dataset = UNMAPPED if message.stream is None else BY_STREAM.get(message.stream, UNMAPPED)
            key = (dataset.code, message.source == "SANDBOX")
            part = opened.get(key)
            if part is None:
                count += 1
                path = folder / f"{count:05d}"
                stream = stack.enter_context(_opened(path))
                part = opened[key] = _Open(dataset, key[1], path, stream, message.enqueued_utc, message.enqueued_utc)
            line = encode(message)
            _write(part, line)
            part.first, part.last = min(part.first, message.enqueued_utc), max(part.last, message.enqueued_utc)
            if part.size >= PART_BYTES or part.messages >= PART_MESSAGES:
                _close(result, opened.pop(key), manifest)
        for part in opened.values():
            _close(result, part, manifest)
    return result


class DropSource:
    """A manifest's parts in the shape of a provider's source.

    Args:
        parts: Parts by dataset code.
        clock: The present, aware UTC.
    """

    def __init__(self, parts: Mapping[str, Sequence[Part]], clock: Callable[[], datetime]) -> None:
        self._parts = {(code, part.window): part for code, own in parts.items() for part in own}
        self._taken: dict[str, int] = {}
        self._clock = clock

    async def fetch(self, dataset: Dataset, window: Window, destination: Path) -> Body:
        """Hand a part over; see ``Source``."""
        part = self._parts[dataset.code, window]
        digest = hashlib.sha256()
        with part.path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        size = part.path.stat().st_size
        part.path.replace(destination)
        self._taken[dataset.code] = self._taken.get(dataset.code, 0) + 1
        return Body(
            path=destination,
            url=part.url,
            status=200,
            sha256=digest.hexdigest(),
            size=size,
            attempts=1,
            requested_utc=self._clock(),
            sandbox=part.sandbox,
        )

    def url(self, dataset: Dataset, window: Window) -> str:
        """The part's name in its manifest."""
        return self._parts[dataset.code, window].url

    def requests_sent(self, dataset: Dataset) -> int:
        """Parts handed over."""
        return self._taken.get(dataset.code, 0)

    async def aclose(self) -> None:
        """Nothing is open."""


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise _full(path, error) from error


def _write(part: _Open, line: bytes) -> None:
    try:
        part.stream.write(line)
    except OSError as error:
        raise _full(part.path, error) from error
    part.size += len(line)
    part.messages += 1


def _close(result: Split, part: _Open, manifest: Manifest) -> None:
    try:
        part.stream.close()
    except OSError as error:
        raise _full(part.path, error) from error
    own = result.parts.setdefault(part.dataset.code, [])
    window = Window(part.first, part.last + TICK, BRANCH)
    taken = {p.window for p in own}
    while window in taken:
        window = Window(window.from_utc, window.to_utc + TICK, BRANCH)
    url = f"drop:{manifest.manifest_id}/{part.dataset.alias or part.dataset.code}/{len(own) + 1}"
    own.append(Part(part.dataset, window, part.path, part.messages, url, part.sandbox))
    result.messages += part.messages


def _segment(path: Path, file: File, now: datetime) -> Iterator[Envelope]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            try:
                yield decode(line)
            except ContractError:
                # Not ours, or torn: kept as it is, where unknown messages are kept.
                yield _odd(line, file, number, now)


def _single(path: Path, file: File, now: datetime) -> Envelope:
    """A file of one message: the folder is its stream, the name its id."""
    parts = file.path.split("/")
    subject = os.fsdecode(unquote_to_bytes(parts[0])) if len(parts) > 1 else None
    written = datetime.fromtimestamp(file.mtime_ns / 1e9, tz=UTC)
    name = path.name.encode(errors="replace").decode()
    return seal(
        path.read_bytes(),
        subject=subject if stream_of(subject) else None,
        message_id=name,
        sequence_number=None,
        enqueued_utc=_sent(name, written),
        received_utc=now,
        source="IRIS-FILE",
        origin=file.path,
    )


def _sent(name: str, written: datetime) -> datetime:
    """When a message was sent, by its file's name where that is plausible, else when the file was written.

    A client that works off a backlog writes files days after the messages were sent.
    """
    found = _NAMED_TIME.search(name)
    if found is None:
        return written
    try:
        named = datetime.strptime(found.group(1), "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return written
    return named if written - NAMED_TIME_SLACK <= named <= written else written


def _odd(line: bytes, file: File, number: int, now: datetime) -> Envelope:
    return seal(
        line,
        subject=None,
        message_id=f"{file.path}:{number}",
        sequence_number=None,
        enqueued_utc=datetime.fromtimestamp(file.mtime_ns / 1e9, tz=UTC),
        received_utc=now,
        source="IRIS-FILE",
        origin=file.path,
    )


def _full(path: Path, error: OSError) -> SpoolError:
    return SpoolError(
        f"{path} cannot be written ({error.strerror}): free space on the disk of ENERGY_ASSETS_HOME; the messages "
        "stay in the drop folder and are loaded later."
    )
