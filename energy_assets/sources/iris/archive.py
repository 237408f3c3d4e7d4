"""The public IRIS archive: a stream and a window of upload times become one segment of messages on disk.

The archive is a public blob container. Its tags are searched for what was uploaded in the window, and every blob found
becomes one envelope, in the order of upload. What a message says is judged elsewhere.

Blobs are always asked for whole: the front before the store knows only the standard range header, where the store's
own SDK sends another one. Nothing of an interrupted window is kept: catalogue windows are an hour long, those that were
done have receipts, and a file of unknown age is no message.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import msgspec

from energy_assets.catalogue.model import Dataset
from energy_assets.errors import (
    CatalogueError,
    ContractError,
    FetchError,
    StatusError,
    TransportError,
    WindowTooLargeError,
)
from energy_assets.ingest.model import Body, Window
from energy_assets.ingest.spool import disk_error
from energy_assets.sources.body import BrokenBodyError, part_of
from energy_assets.sources.http import HttpClient, Patience
from energy_assets.sources.iris.envelope import Envelope, encode, seal, stream_of

if TYPE_CHECKING:
    from energy_assets.settings import Settings

STORE_VERSION = "2021-12-02"
"""Version of the blob store's interface that answers are read by. The search of one container came with 2021-04-10;
without a version an anonymous request is answered by whatever the account takes as its default."""

PAGE_BLOBS = 5_000
"""The most that a search gives at once."""

MOST_PAGES = 200
"""A million blobs, several days of all streams together: a window that has more pages has a list without an end."""

AHEAD = 32
"""Blobs of one window that may be on their way or wait on disk for their turn: twice the requests in flight, so that a
slow one does not stop the others."""

BLOB_MOST_BYTES = 128 << 20
"""Largest blob, ten times the largest that is known (13 MB); a message queue takes 100 MB at most."""

GONE_MOST = 3
"""Blobs of one window that may be listed and gone, each of which is kept as a message that cannot be read; with more
the archive is broken, and the window fails."""

SEGMENT_MOST_BYTES = 2 << 30
"""Largest segment, as for any other body; a window with more is asked for in halves."""

BLOBS_SUFFIX = ".blobs"
"""Of the folder beside the destination in which blobs wait for their turn."""

PATIENCE = Patience()
"""The HTTP client's own waits and limits: they fit blobs as well."""

STREAM_TAG = "Dataset"
UPLOAD_TAG = "UploadTime"


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """One blob that a search found; the order is that of upload.

    Attributes:
        uploaded_utc: When it was uploaded, aware UTC.
        name: Its name in the container, ``data/STREAM/FILE``.
    """

    uploaded_utc: datetime
    name: str

    @property
    def message_id(self) -> str:
        """The id of the message: the name of its file, as Elexon's clients name files by the ids of messages."""
        return self.name.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a search.

    Attributes:
        blobs: Name and tags of each blob.
        marker: What asks for the next page; empty on the last one.
    """

    blobs: tuple[tuple[str, dict[str, str]], ...]
    marker: str


@dataclass(slots=True)
class _Listing:
    """What a search found over all pages."""

    blobs: dict[str, Blob] = field(default_factory=dict)
    answers: list[Body] = field(default_factory=list)


class ArchiveSource:
    """The archive as a ``Source``: windows of upload times in, segments of envelopes on disk out.

    ``Dataset.query.path`` is the stream's name as the archive spells it. A window without blobs gives an empty file.
    Memory holds one message and the list of a window's names; the messages themselves wait on disk.

    Args:
        client: The client for the archive's address; closed together with this object.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @classmethod
    def from_settings(cls, settings: Settings) -> ArchiveSource:
        """The source at the address, with the rate and bound that the settings give."""
        return cls(
            archive_client(
                settings.iris_archive_url,
                requests_per_second=settings.iris_archive_requests_per_second,
                concurrency=settings.iris_archive_concurrency,
            )
        )

    async def fetch(self, dataset: Dataset, window: Window, destination: Path) -> Body:
        """Write what was uploaded in one window into ``destination``, one envelope a line.

        Returns:
            The segment: its digest and size, the address of the search, the requests that all of it took, and when
            the search was sent.

        Raises:
            TransportError: A list or a blob did not come whole after all retries.
            StatusError: The archive answered with an error after all retries, or with one that no retry mends; 404
                where more than ``GONE_MOST`` blobs were listed and are gone.
            WindowTooLargeError: The window holds more than one segment may.
            ContractError: The archive listed what was not asked for, or without an end; or the window does not fit,
                and nothing was sent.
            CatalogueError: The entry names no stream; nothing was sent.
            SpoolError: The disk refused.
        """
        ask = _Ask.of(dataset, window)
        folder = destination.with_name(destination.name + BLOBS_SUFFIX)
        try:
            folder.mkdir()
            listing = await self._list(ask, folder)
            return await self._gather(ask, listing, folder, destination)
        except FetchError as error:
            explained = _explained(error, ask)
        except OSError as error:
            raise disk_error(destination, error) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise explained

    def url(self, dataset: Dataset, window: Window) -> str:
        """The URL of the search that ``fetch`` would begin with."""
        return self._client.url("", _Ask.of(dataset, window).params())

    def requests_sent(self, dataset: Dataset) -> int:
        """Requests sent for a dataset so far, retries included."""
        return self._client.requests_sent(dataset.code)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _list(self, ask: _Ask, folder: Path) -> _Listing:
        """All pages of the search.

        Raises:
            ContractError: A blob was not asked for, or the pages have no end.
        """
        listing = _Listing()
        markers = {""}
        marker = ""
        for _ in range(MOST_PAGES):
            answer = await self._client.download(
                "", ask.params(marker), folder / "page.xml", group=ask.dataset.code, check=_check_page
            )
            listing.answers.append(answer)
            page = await asyncio.to_thread(read_page, answer.path)
            listing.blobs |= {name: ask.blob(name, tags) for name, tags in page.blobs}
            marker = page.marker
            if not marker:
                return listing
            if marker in markers:
                raise ask.broken("has a list whose pages repeat")
            markers.add(marker)
        raise ask.broken(f"has a list of more than {MOST_PAGES} pages")

    async def _gather(self, ask: _Ask, listing: _Listing, folder: Path, destination: Path) -> Body:
        """Download what was found and write it down in order."""
        first = listing.answers[0]
        attempts = sum(answer.attempts for answer in listing.answers)
        part = part_of(destination)
        try:
            with part.open("wb") as file:
                segment = _Segment(ask, file, first.sandbox)
                waiting: deque[tuple[Blob, asyncio.Task[Body | _Gone]]] = deque()
                try:
                    for number, blob in enumerate(sorted(listing.blobs.values())):
                        if len(waiting) == AHEAD:
                            attempts += await self._write_next(segment, waiting)
                        task = asyncio.create_task(self._download(ask, blob, folder / f"{number}"))
                        waiting.append((blob, task))
                    while waiting:
                        attempts += await self._write_next(segment, waiting)
                finally:
                    await _give_up(task for _, task in waiting)
            part.replace(destination)
        finally:
            part.unlink(missing_ok=True)
        return Body(
            path=destination,
            url=first.url,
            status=first.status,
            sha256=segment.digest,
            size=segment.size,
            attempts=attempts,
            requested_utc=first.requested_utc,
            sandbox=first.sandbox,
        )

    async def _write_next(self, segment: _Segment, waiting: deque[tuple[Blob, asyncio.Task[Body | _Gone]]]) -> int:
        """Write down the blob whose turn it is; returns the requests that it took.

        Raises:
            StatusError: It is gone, and so are too many others.
        """
        blob, task = waiting[0]
        body = await task
        waiting.popleft()
        if isinstance(body, _Gone):
            segment.miss(blob, body, self._client.url(_path(blob)))
            return 1
        await asyncio.to_thread(segment.add, blob, body, self._client.url(_path(blob)))
        return body.attempts

    async def _download(self, ask: _Ask, blob: Blob, path: Path) -> Body | _Gone:
        """One blob on disk, whatever it holds, or word that it is gone.

        Raises:
            StatusError: The archive answered with another error.
            ContractError: It is larger than any message.
        """
        try:
            return await self._client.download(_path(blob), (), path, group=ask.dataset.code, check=_accept)
        except StatusError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            said = str(error).removesuffix(".")
            return _Gone(StatusError(f"{blob.name} is listed and gone ({said})", error.status), datetime.now(tz=UTC))
        except WindowTooLargeError:
            raise ask.broken(f"holds {blob.name}, which is larger than {BLOB_MOST_BYTES:,} bytes") from None


def archive_client(
    base_url: str, *, requests_per_second: float, concurrency: int, patience: Patience = PATIENCE
) -> HttpClient:
    """The client that ``ArchiveSource`` needs; see ``HttpClient`` for the arguments.

    Raises:
        SettingsError: ``base_url`` is not an http(s) address without user, query and fragment.
    """
    return HttpClient(
        base_url,
        requests_per_second=requests_per_second,
        concurrency=concurrency,
        headers={"Accept": "*/*", "x-ms-version": STORE_VERSION},
        patience=patience,
        body_most=BLOB_MOST_BYTES,
    )


def read_page(path: Path) -> Page:
    """What one page of a search says.

    Raises:
        BrokenBodyError: It is cut, or not the list of a search.
    """
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BrokenBodyError(f"it is no list of blobs: it is not UTF-8 ({error.reason})") from error
    # In any other encoding, which the parser would recognise by its zero bytes, the words below would look otherwise.
    if "\0" in text or "<!DOCTYPE" in text:
        raise BrokenBodyError("it is no list of blobs: it declares a document type, or is not UTF-8")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type nothing in it can expand
    except ElementTree.ParseError as error:
        raise BrokenBodyError(f"its XML is not whole ({error})") from error
    if root.tag != "EnumerationResults" or root.find("Blobs") is None:
        raise BrokenBodyError(f"it is no list of blobs but <{root.tag}>")
    return Page(tuple(map(_listed, root.iterfind("Blobs/Blob"))), root.findtext("NextMarker") or "")


@dataclass(frozen=True, slots=True)
class _Ask:
    """One window of one stream, as the archive's tags have it."""

    dataset: Dataset
    window: Window
    stream: str
    low: str
    high: str

    @classmethod
    def of(cls, dataset: Dataset, window: Window) -> _Ask:
        stream = stream_of(dataset.query.path)
        if stream is None:
            raise CatalogueError(
                f"{dataset.code} names no IRIS stream ({dataset.query.path!r}): the archive is asked stream by stream."
            )
        for bound in (window.from_utc, window.to_utc):
            if bound.tzinfo is None or bound.microsecond:
                raise _misfit(dataset, window, "has a bound that is not a whole second of a known zone")
        if window.from_utc >= window.to_utc:
            raise _misfit(dataset, window, "is empty")
        return cls(dataset, window, stream, _tag_time(window.from_utc), _tag_time(window.to_utc))

    @property
    def name(self) -> str:
        return f"{self.dataset.code}, {self.window}"

    def params(self, marker: str = "") -> tuple[tuple[str, str], ...]:
        """Parameters of the search, and of its further pages."""
        where = (
            f"\"{STREAM_TAG}\" = '{self.stream}' AND \"{UPLOAD_TAG}\" >= '{self.low}' AND "
            f"\"{UPLOAD_TAG}\" < '{self.high}'"
        )
        asked = (("comp", "blobs"), ("restype", "container"), ("where", where), ("maxresults", str(PAGE_BLOBS)))
        return (*asked, ("marker", marker)) if marker else asked

    def blob(self, name: str, tags: dict[str, str]) -> Blob:
        """A blob that was listed.

        Bounds are compared as the store compares them, as text: so a time that is written otherwise than documented is
        still in one window and in no other.

        Raises:
            ContractError: It is of another stream or time.
        """
        uploaded = tags.get(UPLOAD_TAG, "")
        if tags.get(STREAM_TAG) != self.stream or not self.low <= uploaded < self.high:
            raise self.broken(f"lists {name!r} with the tags {tags}, which was not asked for")
        moment = _instant(uploaded)
        if moment is None:
            raise self.broken(f"lists {name!r} with {uploaded!r} as its time of upload, which is no time")
        return Blob(moment, name)

    def broken(self, what: str) -> ContractError:
        return ContractError(
            f"{self.name}: the archive {what}; nothing was written, and if this persists the archive has changed."
        )


@dataclass(frozen=True, slots=True)
class _Gone:
    """A blob that was listed and is not there."""

    error: StatusError
    asked_utc: datetime


class _Segment:
    """Writes envelopes, and hashes what it writes; used by one thread at a time."""

    def __init__(self, ask: _Ask, file: BinaryIO, sandbox: bool) -> None:
        self._ask = ask
        self._file = file
        self._hash = hashlib.sha256()
        self._sandbox = sandbox
        self._gone = 0
        self.size = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def add(self, blob: Blob, body: Body, origin: str) -> None:
        """Append a blob and remove its file.

        Raises:
            WindowTooLargeError: The segment would be too large.
        """
        self._put(self._sealed(blob, body.path.read_bytes(), body.requested_utc, origin, sandbox=body.sandbox))
        body.path.unlink()

    def miss(self, blob: Blob, gone: _Gone, origin: str) -> None:
        """Append a message without a body that says that its blob is gone; the loader sets it aside.

        Raises:
            StatusError: Too many are gone.
            WindowTooLargeError: The segment would be too large.
        """
        self._gone += 1
        if self._gone > GONE_MOST:
            raise gone.error
        empty = self._sealed(blob, b"", gone.asked_utc, origin, sandbox=self._sandbox)
        self._put(msgspec.structs.replace(empty, refused=str(gone.error)))

    def _sealed(self, blob: Blob, body: bytes, received_utc: datetime, origin: str, *, sandbox: bool) -> Envelope:
        return seal(
            body,
            subject=self._ask.stream,
            message_id=blob.message_id,
            sequence_number=None,
            enqueued_utc=blob.uploaded_utc,
            received_utc=received_utc,
            source="SANDBOX" if sandbox else "IRIS-ARCHIVE",
            origin=origin,
        )

    def _put(self, envelope: Envelope) -> None:
        line = encode(envelope)
        self.size += len(line)
        if self.size > SEGMENT_MOST_BYTES:
            raise WindowTooLargeError(f"the window holds more than {SEGMENT_MOST_BYTES:,} bytes of messages", None)
        self._file.write(line)
        self._hash.update(line)


async def _give_up(tasks: Iterator[asyncio.Task[Body | _Gone]]) -> None:
    """End downloads that nobody waits for any more."""
    left = list(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _accept(path: Path) -> None:
    """Every blob is somebody's message, JSON or not."""


def _check_page(path: Path) -> None:
    read_page(path)


def _listed(blob: ElementTree.Element) -> tuple[str, dict[str, str]]:
    """Name and tags of a blob; a name that XML cannot hold comes percent-encoded and says so."""
    name = blob.find("Name")
    text = "" if name is None else name.text or ""
    encoded = name is not None and name.get("Encoded") == "true"
    tags = {tag.findtext("Key") or "": tag.findtext("Value") or "" for tag in blob.iterfind("Tags/TagSet/Tag")}
    return unquote(text) if encoded else text, tags


def _path(blob: Blob) -> str:
    return "/" + quote(blob.name, safe="/")


def _instant(tag: str) -> datetime | None:
    """The instant that a tag tells, aware UTC; ``None`` where it tells none or not in which zone."""
    try:
        moment = datetime.fromisoformat(tag)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _tag_time(instant: datetime) -> str:
    """An instant as the archive's tags have it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _misfit(dataset: Dataset, window: Window, what: str) -> ContractError:
    span = f"{window.from_utc.isoformat()} to {window.to_utc.isoformat()}"
    return ContractError(
        f"{dataset.code}: the window {span} {what}; nothing was sent, which is a fault in the planner."
    )


def _explained(error: FetchError, ask: _Ask) -> FetchError:
    """The same error, naming dataset and window and what to do."""
    said = f"{ask.name}: {str(error).removesuffix('.')}"
    again = "nothing was written and the next refresh asks again"
    if isinstance(error, WindowTooLargeError):
        return WindowTooLargeError(f"{said}; a shorter window is to be asked for.", error.limit)
    if isinstance(error, StatusError) and error.status == HTTPStatus.BAD_REQUEST:
        return StatusError(f"{said}; asking again will not help: the archive's search has changed.", error.status)
    if isinstance(error, StatusError):
        return StatusError(
            f"{said}; {again}, so check ENERGY_ASSETS_IRIS_ARCHIVE_URL only if this persists.", error.status
        )
    return TransportError(
        f"{said}; {again}, so check the network and ENERGY_ASSETS_IRIS_ARCHIVE_URL only if this persists."
    )
