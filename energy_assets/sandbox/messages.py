"""The synthetic messages of IRIS: which there are, when each was sent, what it says; the same for queue and archive.

Rows are those that the stand-in of the API has, cut into messages by the second in which they became known. How a
message travels (AMQP, blobs) belongs to the stand-ins that send it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from pathlib import Path
from threading import Lock

import numpy as np

from energy_assets.calendar import days_between, settlement_day
from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.frame import Volume, seed_of
from energy_assets.sandbox.rows import SECOND, Branch, instant_of, micros
from energy_assets.sandbox.synthetic import Synthetic
from energy_assets.sources.iris.envelope import decode, raw_body

FOLDER = "data"
"""Folder of the archive that holds one folder for each stream."""

OTHER_STREAMS = {"MDO": "MDO", "MDB": "MDB", "mibm_mid": "MID"}
"""Streams that no entry names, with the dataset whose rows they bring."""

EARLY, LATE = timedelta(days=2), timedelta(days=2)
"""How far from its place on the window axis a row may become known, besides the entry's own lag: forecasts before the
time that they are about, facts after it."""

REFERENCES = {
    "time": "MDP MDV MNZT MZT NDZ NTB NTO RDRE RDRI RURE RURI SEL SIL",
    "createdDateTime": "BOAV DISEBSP DISPTAV EBOCF ISPSTACK SMSG",
    "settlementDate": "DISBSAD NETBSAD PPBR QAS",
    "timeFrom": "BOD PN QPN",
    "timeTo": "MELS MILS",
    "startTime": "MID mibm_mid",
    "acceptanceTime": "BOALF",
    "measurementTime": "FREQ",
    "createdTime": "REMIT",
}
"""Member that the archive's tag ``Timestamp`` repeats, by stream, as documented; ``publishTime`` for all others."""

_REFERENCE = {stream: member for member, streams in REFERENCES.items() for stream in streams.split()}
_MINUTE = re.compile(r"_(\d{12})_")


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as it was sent and as it was archived.

    Attributes:
        stream: The stream, also the subject in the queue.
        message_id: Its id in the queue and the name of its file in the archive.
        sent_utc: When it entered the queue and was uploaded, aware UTC, whole seconds.
        timestamp: Value of the archive's tag ``Timestamp``.
        body: What it says, as archived: a JSON array of rows.
    """

    stream: str
    message_id: str
    sent_utc: datetime
    timestamp: str
    body: bytes

    @property
    def blob(self) -> str:
        """Name of its blob in the archive's container."""
        return f"{FOLDER}/{self.stream}/{self.message_id}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of its blob."""
        return {"Dataset": self.stream, "Timestamp": self.timestamp, "UploadTime": tag_time(self.sent_utc)}

    @property
    def pushed(self) -> bytes:
        """The body as the queue carries it: a JSON string whose content is the archived text."""
        return json.dumps(self.body.decode()).encode()


class Messages:
    """All messages of all streams at any time, and those that a test puts among them.

    Safe to use from several threads.

    Attributes:
        source: Where the rows come from.
        streams: Streams that have synthetic messages, by name; with the dataset whose rows they bring.
    """

    def __init__(self, source: Synthetic | None = None, *, catalogue: Sequence[Dataset] | None = None) -> None:
        self.source = source if source is not None else Synthetic()
        entries = datasets() if catalogue is None else catalogue
        self.streams = streams_of(entries)
        self._put: dict[str, Message] = {}
        self._lock = Lock()

    @classmethod
    def of(cls, seed: int = 0, volume: Volume | None = None) -> Messages:
        """Messages of the world that a seed makes, with as many rows as the volume says."""
        return cls(Synthetic(seed, volume))

    @classmethod
    def only(cls, messages: Iterable[Message]) -> Messages:
        """These messages and no synthetic ones."""
        made = cls(catalogue=())
        made.put(*messages)
        return made

    def put(self, *messages: Message) -> None:
        """Add messages; one whose blob exists takes its place."""
        with self._lock:
            self._put |= {message.blob: message for message in messages}

    def between(self, stream: str, from_utc: datetime, to_utc: datetime) -> list[Message]:
        """Messages of a stream sent in the half-open interval, in the order in which they were sent."""
        with self._lock:
            put = [m for m in self._put.values() if m.stream == stream and from_utc <= m.sent_utc < to_utc]
            taken = set(self._put)
        made = [m for m in self._made(stream, from_utc, to_utc) if m.blob not in taken]
        return sorted((*put, *made), key=_order)

    def all_between(
        self, from_utc: datetime, to_utc: datetime, streams: Iterable[str] | None = None
    ) -> Iterator[Message]:
        """Messages of several streams (of all by default) sent in the half-open interval, in order."""
        names = self.names() if streams is None else streams
        return merge(*(self.between(name, from_utc, to_utc) for name in names), key=_order)

    def names(self) -> list[str]:
        """Streams that have messages."""
        with self._lock:
            return sorted({*self.streams, *(message.stream for message in self._put.values())})

    def blob(self, name: str) -> Message | None:
        """The message of a blob, or ``None`` where there is no such blob."""
        with self._lock:
            put = self._put.get(name)
        if put is not None:
            return put
        folder, _, rest = name.partition("/")
        stream, _, message_id = rest.partition("/")
        minute = _minute_of(message_id)
        if folder != FOLDER or minute is None:
            return None
        found = self._made(stream, minute, minute + timedelta(minutes=1))
        return next((message for message in found if message.message_id == message_id), None)

    def _made(self, stream: str, from_utc: datetime, to_utc: datetime) -> Iterator[Message]:
        """Synthetic messages of a stream, in no particular order."""
        dataset = self.streams.get(stream)
        if dataset is None or from_utc >= to_utc:
            return
        lag = timedelta(minutes=max(dataset.timing.available.minutes, 0))
        first, last = settlement_day(from_utc - LATE - lag), settlement_day(to_utc + EARLY)
        for number, branch in enumerate(dataset.branch_choices(), start=1):
            for day in days_between(first, last):
                yield from self._of_day(stream, dataset, (number, branch), day, (from_utc, to_utc))

    def _of_day(
        self,
        stream: str,
        dataset: Dataset,
        branch: tuple[int, Branch],
        day: date,
        sent: tuple[datetime, datetime],
    ) -> Iterator[Message]:
        """Messages whose rows lie in one settlement day of the window axis."""
        number, choice = branch
        block = self.source.block(dataset, choice, day)
        seconds = -(-block.visible // SECOND)
        low, high = (-(-micros(bound) // SECOND) for bound in sent)
        chosen = np.flatnonzero((seconds >= low) & (seconds < high))
        for second in np.unique(seconds[chosen]).tolist():
            rows = chosen[seconds[chosen] == second].tolist()
            texts = [block.text[int(block.offsets[i]) : int(block.offsets[i + 1]) - 1] for i in rows]
            sent_utc = instant_of(second * SECOND)
            serial = seed_of(self.source.seed, self.source.revision, stream, number, day, second) % 10**8
            yield Message(
                stream=stream,
                message_id=f"{stream}_{sent_utc:%Y%m%d%H%M}_SANDBOX-{stream}-{serial:08d}-{number}.json",
                sent_utc=sent_utc,
                timestamp=_timestamp(stream, texts[0], sent_utc),
                body=b"[" + b",".join(texts) + b"]",
            )


def streams_of(entries: Sequence[Dataset]) -> dict[str, Dataset]:
    """Streams by name, with the dataset of the API that has the same rows."""
    provided = {entry.code: entry for entry in entries if entry.provider == "bmrs"}
    named = {entry.iris_stream: entry for entry in provided.values() if entry.iris_stream is not None}
    others = {stream: provided[code] for stream, code in OTHER_STREAMS.items() if code in provided}
    return others | named


def recorded(folder: Path) -> list[Message]:
    """Messages kept on disk: segments of a drop folder (``*.ndjson``) and files of one message, ``STREAM/ID.json``.

    A file of one message says nothing of the time at which it was sent; that is read from its name, else it is the
    time at which the file was written.

    Raises:
        SandboxError: The folder holds no message, or cannot be read.
    """
    try:
        found = [message for path in sorted(folder.rglob("*.ndjson")) for message in _of_segment(path)]
        found += [_of_file(path) for path in sorted(folder.rglob("*.json")) if path.parent != folder]
    except OSError as error:
        raise SandboxError(f"{folder} cannot be read ({error.strerror})") from error
    if not found:
        raise SandboxError(f"{folder} holds no message: neither *.ndjson nor STREAM/*.json")
    return found


def tag_time(instant: datetime) -> str:
    """An instant as the archive's tags have it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _of_segment(path: Path) -> Iterator[Message]:
    for line in path.read_bytes().splitlines():
        envelope = decode(line)
        sent_utc = envelope.enqueued_utc.replace(microsecond=0)
        stream = envelope.stream or "unknown"
        yield Message(stream, envelope.message_id, sent_utc, tag_time(sent_utc), raw_body(envelope))


def _of_file(path: Path) -> Message:
    written = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    sent_utc = _minute_of(path.name) or written
    return Message(path.parent.name, path.name, sent_utc, tag_time(sent_utc), path.read_bytes())


def _order(message: Message) -> tuple[datetime, str, str]:
    return message.sent_utc, message.stream, message.message_id


def _minute_of(message_id: str) -> datetime | None:
    """The minute that a message's id tells."""
    found = _MINUTE.search(message_id)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _timestamp(stream: str, row: bytes, sent_utc: datetime) -> str:
    """The time that a message is about, by its first row; when it was sent where the row does not tell."""
    told = json.loads(row).get(_REFERENCE.get(stream, "publishTime"))
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return tag_time(sent_utc)
    return tag_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
