"""Every IRIS stream: the rows of a BMRS dataset as they are pushed, message by message.

Entries are made from those of BMRS, so fields and keys are said once; what differs (the name on IRIS, what says how a
row arrived, the day it belongs to) is here. The table that keeps unknown streams and the register of all messages are
here too. Nothing here fetches or stores.

A row is identified by its message and its place in it, so every row of every message is kept once, however often the
message is delivered and by whichever way. The ``_latest`` view has one row per fact, as BMRS would show it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from energy_assets.catalogue import bmrs
from energy_assets.catalogue.bmrs.build import LICENCE
from energy_assets.catalogue.derived import MELS_RESOLVED, MILS_RESOLVED, RESOLVED_NAMES
from energy_assets.catalogue.model import (
    Dataset,
    Field,
    Lag,
    OrderBy,
    Precedence,
    Query,
    StorageAxis,
    Table,
    Timing,
    Unfolded,
    Unites,
    WindowCheck,
)

GROUP = "iris"

ARCHIVE_BEGINS = date(2023, 11, 1)
"""About when IRIS began; the name of the oldest archived message met says 14 November 2023."""

BRANCHES = (("_source_api", ("IRIS-ARCHIVE",)),)
"""Windows are asked of the archive; what the queue brings is loaded by the drop folder's own windows."""

ARCHIVE_HOUR = 60
"""Minutes of one window: a few hundred messages of a busy stream, so an interrupted refill has little to repeat."""

_ENVELOPE = (
    Field("_message_id", "text", "Identifier of the message, the name of its file in the archive.", nullable=False),
    Field("_message_sha256", "text", "SHA-256 of the message's JSON in one canonical form.", nullable=False),
    Field("_message_row", "integer", "Place of the row in its message, from 0.", nullable=False),
    Field(
        "_enqueued_utc",
        "instant",
        "When the message entered the queue; of an archived message, when it was uploaded. UTC.",
        nullable=False,
        hashed=False,
    ),
    Field("_sequence_number", "integer", "Number that the queue gave the message.", hashed=False),
)

MESSAGE_KEY = ("_message_id", "_message_sha256", "_message_row")
"""What identifies a row: its message, by id and content, and its place in it."""

MESSAGE_MEMBERS = frozenset(f.name for f in _ENVELOPE)
"""Members that are ours; a message whose rows bring one is not believed."""

_ARRIVAL = (OrderBy("_enqueued_utc"), OrderBy("_sequence_number"))

_STORAGE = StorageAxis("instant", "_enqueued_utc", "A message belongs to the day on which it was sent.")

_UNSURE_SHAPE = "No message of this stream has been seen: fields and keys are those of the BMRS dataset."

_UNLISTED = {
    "MDO": ("MDO", "MDO", "Whether IRIS carries it: the list of streams is older than the dataset."),
    "MDB": ("MDB", "MDB", "Whether IRIS carries it: the list of streams is older than the dataset."),
    "MIBM_MID": ("MID", "mibm_mid", "What it brings beside MID, whose fields are assumed."),
}
"""Streams that no BMRS entry names: code to BMRS code, name on IRIS, and what is not known."""

_SIDE = "Whether rows say on IRIS whether they are bids or offers, which on the API only the path does."

_RESOLVED = (
    "Whether what these declarations come to by Elexon's published rules equals the API's answer: nothing live has "
    "been compared."
)

_PRECEDENCE: dict[str, Precedence] = {
    # An acceptance has one time and a calculation one moment of creation: a later one replaces the set.
    "BOALF": "publication",
    "ISPSTACK": "publication",
    "BOAV": "publication",
    "DISPTAV": "publication",
    "EBOCF": "publication",
    # Nothing tells what was published when, or pieces of one profile are published at different times.
    "DISBSAD": "asked",
    "MDO": "asked",
    "MDB": "asked",
    "MELS": "set",
    "MILS": "set",
}
"""What stands in the view of API and stream, for facts that are sets; for others the newest publication of the row."""

_STEADS = {"MELS": MELS_RESOLVED, "MILS": MILS_RESOLVED}
"""Tables whose rows, and not the raw declarations, are facts like the API's."""

_SPANNED = ("settlementDate", "settlementPeriod")
"""What a declaration that spans several settlement periods may do without; its times say where it belongs."""

_OUTAGES = Unfolded(
    view="bmrs_remit_outage_profiles",
    column="outageProfile",
    members=(
        Field("startTime", "instant", "Start of the step (included), UTC."),
        Field("endTime", "instant", "End of the step (excluded), UTC."),
        Field("capacity", "number", "Capacity available during the step.", "MW"),
    ),
    kept=("mrid", "revisionNumber", "createdTime", "eventStatus", "unavailabilityType", "assetId", "affectedUnit"),
    document=("mrid",),
    without=("eventStatus", "Dismissed"),
)
"""What outages leave available, step by step: newest revisions only, without messages that were dismissed."""


def _united(base: Dataset) -> Unites:
    """How a stream is shown with what the API answers."""
    stead = _STEADS.get(base.code)
    remit = base.code == "REMIT"
    return Unites(
        view=f"{base.table.name}_all",
        other=base.table,
        precedence=_PRECEDENCE.get(base.code, "row"),
        # The same revision may come with another creation time; the later one stands.
        key=("mrid", "revisionNumber") if remit else (),
        stead=stead,
        named=RESOLVED_NAMES if stead is not None else (),
        unfolded=(_OUTAGES,) if remit else (),
    )


def _entry(base: Dataset, code: str, stream: str, *doubts: str) -> Dataset:
    """The stream that brings the rows of a BMRS dataset."""
    sided = any(f.origin == "request" for f in base.fields)
    own = tuple(replace(f, origin="row", nullable=True) if f.origin == "request" else f for f in base.fields)
    if code in _STEADS:
        own = tuple(replace(f, nullable=True) if f.name in _SPANNED else f for f in own)
    table = Table(
        name=f"bmrs_{code.lower()}_iris",
        dataset=f"{code}_IRIS",
        fields=(*own, *_ENVELOPE),
        event_key=base.table.event_key,
        version_columns=tuple(dict.fromkeys((*base.table.version_columns, *MESSAGE_KEY))),
        latest_order=(*base.table.latest_order, *_ARRIVAL),
        publish_column=base.table.publish_column or "_enqueued_utc",
        storage=_STORAGE,
        key_fallback=base.table.key_fallback,
        heavy=base.table.heavy,
        reach_days=1,
        # A stream that brings another dataset's rows under its own name is not known to bring the same facts.
        unites=_united(base) if code == base.code else None,
        description=f"{base.title}, as pushed by IRIS: every row of every message.",
    )
    return Dataset(
        code=f"{code}_IRIS",
        provider="iris",
        title=f"{base.title} (IRIS)",
        description=f"{base.description.rstrip('.')}, as pushed: every row of every message.",
        group=GROUP,
        profiles=base.profiles,
        query=_query(stream, "messages"),
        table=table,
        check=WindowCheck("none"),
        revision="immutable",
        timing=_timing(base.timing.cadence),
        empty="silent",
        may_repeat=True,
        ignored=base.ignored,
        begins=max(ARCHIVE_BEGINS, base.begins),
        rows_per_day=base.rows_per_day,
        iris_stream=stream,
        proof="inferred",
        unsure=(_UNSURE_SHAPE, *((_SIDE,) if sided else ()), *((_RESOLVED,) if code in _STEADS else ()), *doubts),
        notes=base.notes,
        docs_url=base.docs_url,
        licence=LICENCE,
        alias=stream,
    )


def _query(stream: str, framing: str) -> Query:
    return Query(
        path=stream,
        unit="instant",
        atom=ARCHIVE_HOUR,
        most=ARCHIVE_HOUR,
        limit="none; one answer lists the messages of a window, each is a download of its own",
        branches=BRANCHES,
        framing="raw" if framing == "raw" else "messages",
    )


def _timing(cadence: str) -> Timing:
    """An archived message is there soon after it was sent; how soon is not stated, so an hour is left for it."""
    return Timing(f"{cadence}; pushed", "unknown", settled=Lag(minutes=60), poll_minutes=15)


def _streams() -> tuple[Dataset, ...]:
    listed = [_entry(d, d.code, d.iris_stream) for d in bmrs.ENTRIES if d.iris_stream is not None]
    by_code = {d.code: d for d in bmrs.ENTRIES}
    others = [_entry(by_code[base], code, stream, doubt) for code, (base, stream, doubt) in _UNLISTED.items()]
    return (*listed, *others)


UNMAPPED = Dataset(
    code="IRIS_UNMAPPED",
    provider="iris",
    title="Messages of unknown streams",
    description="Every message whose stream the catalogue does not know, whole and as it came.",
    group=GROUP,
    profiles=("core", "battery", "trading", "settlement", "forecast", "all"),
    query=_query("", "raw"),
    table=Table(
        name="iris_unmapped",
        dataset="IRIS_UNMAPPED",
        fields=(
            Field("stream", "text", "Name of the stream, where the subject is a possible one."),
            Field("subject", "text", "Subject of the message."),
            Field("body", "text", "The message's body as text."),
            *(f for f in _ENVELOPE if f.name != "_message_row"),
        ),
        event_key=("_message_id", "_message_sha256"),
        version_columns=(),
        latest_order=_ARRIVAL,
        publish_column="_enqueued_utc",
        storage=_STORAGE,
        reach_days=1,
        description="IRIS messages of streams that the catalogue does not know.",
    ),
    check=WindowCheck("none"),
    revision="immutable",
    timing=_timing("whenever a stream is new"),
    empty="silent",
    may_repeat=True,
    begins=ARCHIVE_BEGINS,
    proof="inferred",
    licence=LICENCE,
    alias="unmapped",
)
"""Where a message goes that nobody expected: kept raw, and reported, until the catalogue knows its stream."""

MESSAGES = Table(
    name="_iris_messages",
    dataset="IRIS_MESSAGES",
    fields=(
        Field("stream", "text", "Name of the stream, where the subject is a possible one."),
        Field("message_id", "text", "Identifier of the message.", nullable=False),
        Field("message_sha256", "text", "SHA-256 of its JSON in one canonical form; of its bytes where it has none."),
        Field("status", "text", "loaded, unreadable (in _quarantine) or unmapped (in iris_unmapped)."),
        Field("reason", "text", "Why it could not be read."),
        Field("rows", "integer", "Rows that it holds."),
        Field("bytes", "integer", "Size of its body as sent.", unit="byte", hashed=False),
        Field("table_name", "text", "Table that its rows are in."),
        Field("enqueued_utc", "instant", "When it entered the queue (archive: uploaded), UTC.", hashed=False),
        Field("received_utc", "instant", "When it came to us, UTC.", hashed=False),
        Field("sequence_number", "integer", "Number that the queue gave it.", hashed=False),
        Field("source", "text", "Which way it came: IRIS, IRIS-ARCHIVE, IRIS-FILE or SANDBOX.", hashed=False),
        Field("origin", "text", "Queue, blob or file that it came from.", hashed=False),
        Field("receipt_id", "text", "Receipt of the window that brought its rows.", hashed=False),
    ),
    event_key=("stream", "message_id"),
    version_columns=("message_sha256",),
    latest_order=(OrderBy("enqueued_utc"),),
    publish_column=None,
    storage=StorageAxis("instant", "enqueued_utc"),
    reach_days=1,
    description="Every IRIS message that was loaded, by which way, and what became of it.",
)
"""The register of messages: what was loaded, and what could not be read."""

ENTRIES: tuple[Dataset, ...] = (*_streams(), UNMAPPED)
"""All streams in the order of their BMRS datasets, then the table of unknown ones."""

BY_STREAM = {d.iris_stream: d for d in ENTRIES if d.iris_stream is not None}
"""Entries by the stream's name, which IRIS spells in one way only."""
