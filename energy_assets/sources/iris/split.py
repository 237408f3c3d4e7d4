"""A manifest's files taken apart by stream: parts that the refresh machinery can fetch like any provider's answers.

Both layouts become envelopes here. What is in a body is not looked at; what is no envelope is kept as a message of
its own, so that nothing is lost. Nothing here types, writes or deletes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes

import msgspec

from energy_assets.catalogue.iris import BY_STREAM, UNMAPPED
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import SpoolError
from energy_assets.ingest.model import Body, Window
from energy_assets.sources.iris.backlog import Backlog, File, Manifest
from energy_assets.sources.iris.envelope import Envelope, Origin, body_digest, encode, seal, stream_of
from energy_assets.sources.iris.found import AHEAD, IRIS_BEGINS, SEGMENTS, reason_of, written_utc
from energy_assets.sources.iris.lines import BEGINNING, LINE_MOST, cut_of, read_segment, too_large, whole

PART_BYTES = 5 << 20
"""Size at which a part is full: two of them are typed at once, and typing takes about ten times the size."""

PART_MESSAGES = 20_000
"""The same for small messages, whose register counts and not their size."""

BRANCH = (("_source_api", "IRIS"),)
"""Branch of the windows: what the queue brings never stands for what the archive was asked for, or the reverse."""

TICK = timedelta(microseconds=1)

_NAMED_TIME = re.compile(r"_(\d{12})(?:_|\.|$)")
"""Minute in a message's file name, as the provider names them."""


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
        unread: Files that could not be read, with the reason; what was read of them before is in the parts.
        messages: Messages in all parts.
    """

    parts: dict[str, list[Part]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    messages: int = 0


def envelopes(
    backlog: Backlog, manifest: Manifest, now: datetime, missing: list[str], unread: dict[str, str] | None = None
) -> Iterator[Envelope]:
    """Every message of a manifest's files.

    Args:
        backlog: The drop folder.
        manifest: The manifest.
        now: The present, aware UTC.
        missing: Gains the names of files that are gone.
        unread: Gains the names of files that cannot be read, with the reason.

    Raises:
        SpoolError: The manifest names what is no file of the drop folder.
    """
    for message, _, _ in _found(backlog, manifest, now, missing, unread):
        yield message


def whole_of(
    backlog: Backlog, manifest: Manifest, now: datetime, digests: Collection[str]
) -> Iterator[Iterator[bytes]]:
    """A manifest's messages whose bodies have one of these digests, each as a line of a segment in pieces.

    Raises:
        SpoolError: See ``envelopes``.
    """
    for message, path, line in _found(backlog, manifest, now, [], None):
        if body_digest(message) in digests:
            yield whole(message, path, line=line)


def _found(
    backlog: Backlog, manifest: Manifest, now: datetime, missing: list[str], unread: dict[str, str] | None
) -> Iterator[tuple[Envelope, Path, bool]]:
    """Every message with its file, and whether it is a line of it."""
    for file in manifest.files:
        path = backlog.path(file)
        written = written_utc(file.mtime_ns, manifest.created_utc)
        try:
            if file.path.startswith(f"{SEGMENTS}/"):
                yield from ((message, path, True) for message in _segment(path, file, written))
            else:
                yield _single(path, file, written, now), path, False
        except FileNotFoundError:
            missing.append(file.path)
        except OSError as error:
            if unread is not None:
                unread[file.path] = reason_of(error)


def split(backlog: Backlog, manifest: Manifest, folder: Path, now: datetime) -> Split:
    """Write the messages of a manifest's files, of the streams that it still waits for, into parts below ``folder``.

    Raises:
        SpoolError: A part cannot be written.
    """
    result = Split()
    opened: dict[tuple[str, bool], _Open] = {}
    count = 0
    with ExitStack() as stack:
        for message in envelopes(backlog, manifest, now, result.missing, result.unread):
            dataset = UNMAPPED if message.stream is None else BY_STREAM.get(message.stream, UNMAPPED)
            if manifest.streams is not None and dataset.code not in manifest.streams:
                continue
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
        self._mixed = len({part.sandbox for part in self._parts.values()}) > 1
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
            pushed=True,
            mixed=self._mixed,
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


def _segment(path: Path, file: File, written: datetime) -> Iterator[Envelope]:
    source: Origin = "IRIS-FILE"
    for number, found in enumerate(read_segment(path)):
        if isinstance(found, bytes):
            # Not ours, or torn: kept as it is, where unknown messages are kept, and thought to come as the others did.
            yield _odd(found, file, number, written, "SANDBOX" if source == "SANDBOX" else "IRIS-FILE")
        else:
            source = found.source
            yield found


def _single(path: Path, file: File, written: datetime, now: datetime) -> Envelope:
    """A file of one message: the folder is its stream, the name its id."""
    parts = file.path.split("/")
    subject = os.fsdecode(unquote_to_bytes(parts[0])) if len(parts) > 1 else None
    name = path.name.encode(errors="replace").decode()
    size = path.stat().st_size
    with path.open("rb") as stream:
        body = stream.read(size if size <= LINE_MOST else BEGINNING)
    message = seal(
        body,
        subject=subject if stream_of(subject) else None,
        message_id=name,
        sequence_number=None,
        enqueued_utc=_sent(name, written),
        received_utc=now,
        source="IRIS-FILE",
        origin=file.path,
    )
    if size <= LINE_MOST:
        return message
    return msgspec.structs.replace(message, refused=too_large(size), cut=cut_of(path))


def _sent(name: str, written: datetime) -> datetime:
    """When a message was sent, by its file's name where that can be true, else when the file was written.

    The name counts however much older it is: a client that works off a backlog writes files days after the messages
    were sent, and a copy of a file keeps its name and not its time, so that a message is found to be the same one.
    """
    found = _NAMED_TIME.search(name)
    if found is None:
        return written
    try:
        named = datetime.strptime(found.group(1), "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return written
    return named if IRIS_BEGINS <= named <= written + AHEAD else written


def _odd(line: bytes, file: File, number: int, written: datetime, source: Origin) -> Envelope:
    return seal(
        line,
        subject=None,
        message_id=f"{file.path}:{number}",
        sequence_number=None,
        enqueued_utc=written,
        received_utc=written,
        source=source,
        origin=file.path,
    )


def _full(path: Path, error: OSError) -> SpoolError:
    return SpoolError(
        f"{path} cannot be written ({error.strerror}): free space on the disk of ENERGY_ASSETS_HOME; the messages "
        "stay in the drop folder and are loaded later."
    )
