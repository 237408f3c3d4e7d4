"""Segments read line by line, whatever their lines are: one that is too large to be held is read as its beginning.

What becomes of such a message belongs here as far as bytes go: where it lies, its digest, and how it is copied whole
without being held. What it means is the loader's question.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from energy_assets.errors import ContractError
from energy_assets.sources.iris.envelope import Cut, Envelope, decode, encode

LINE_MOST = 24 << 20
"""Bytes of the longest line, and of the largest file of one message, that is held in memory and looked into. Messages
seen have kilobytes; what one is parsed into can take twenty times its size."""

BEGINNING = 64 << 10
"""Bytes of a longer one that are looked at and kept as evidence; all that stands before the body fits in."""

PIECE = 3 << 18
"""Bytes that are read at once of what is not held; a multiple of three, so that pieces in base64 are one text."""

_BODY = b',"body":'
"""Begins the body in a line. Quotes inside of values are escaped, so nothing before it looks like it."""


def read_segment(path: Path) -> Iterator[Envelope | bytes]:
    """The envelopes of a segment; a line that is none comes as its bytes, cut to a beginning where it is too long.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        if path.stat().st_size <= LINE_MOST:
            yield from map(_decoded, stream)
            return
        while line := stream.readline(LINE_MOST):
            held = line.endswith(b"\n") or len(line) < LINE_MOST
            yield _decoded(line) if held else _beginning(stream, line)


def too_large(size: int) -> str:
    """Why a message of that many bytes is not read."""
    return f"the message is too large to be read ({size:,} bytes, at most {LINE_MOST:,})"


def whole(message: Envelope, path: Path, *, line: bool) -> Iterator[bytes]:
    """A message as a line of a segment, in pieces; one that is cut is copied from where it lies.

    Args:
        message: The message.
        path: The file that it was read from.
        line: Whether it is a line of that file, or all of it.

    Raises:
        OSError: The file cannot be read.
    """
    plain = msgspec.structs.replace(message, refused=None, cut=None)
    if message.cut is None:
        yield encode(plain)
    elif line:
        yield from _pieces(path, message.cut)
    else:
        empty = encode(msgspec.structs.replace(plain, body=None, body_base64=""))
        ending = b'"}\n'
        yield empty.removesuffix(ending)
        yield from map(base64.b64encode, _pieces(path, message.cut))
        yield ending


def cut_of(path: Path) -> Cut:
    """What is to be known of a file of one message that is too large to be held."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
        return Cut(begin=0, length=stream.tell(), sha256=digest.hexdigest())


def _decoded(line: bytes) -> Envelope | bytes:
    try:
        return decode(line)
    except ContractError:
        return line


def _beginning(stream: BinaryIO, line: bytes) -> Envelope | bytes:
    """What can be said of the message whose line begins like this; the stream then stands behind it."""
    begin = stream.tell() - len(line)
    body = max(line.find(_BODY, 0, BEGINNING), 0)
    digest = hashlib.sha256(memoryview(line)[body:])
    head, shown = line[:body], line[body + len(_BODY) : body + len(_BODY) + BEGINNING]
    del line
    while piece := stream.readline(PIECE):
        digest.update(piece)
        if piece.endswith(b"\n"):
            break
    length = stream.tell() - begin
    # A header that was read whole is followed by nothing that could make it invalid.
    found = _decoded(head + b',"body":null,"body_base64":null}')
    if isinstance(found, bytes):
        return head + shown
    return msgspec.structs.replace(
        found,
        body=shown.decode(errors="replace"),
        refused=too_large(length - body),
        cut=Cut(begin=begin, length=length, sha256=digest.hexdigest()),
    )


def _pieces(path: Path, cut: Cut) -> Iterator[bytes]:
    left = cut.length
    with path.open("rb") as stream:
        stream.seek(cut.begin)
        while left > 0 and (piece := stream.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
