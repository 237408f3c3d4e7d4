"""Reading CKAN's answers: the three checks on every one of them, and what its refusals mean.

Pure functions over text; who asks, and how often, is the wire's business.
"""

from __future__ import annotations

from typing import Any

import msgspec

from energy_assets.errors import ContractError
from energy_assets.sources import refusals
from energy_assets.sources.body import BrokenBodyError

FINAL = frozenset({"Validation Error", "Search Query Error"})
"""Kinds of error that CKAN answers with 409 where the request is at fault. Without one of these words a 409 is what the
portal answers under load."""


UNSAID = frozenset({"__type", "query", "info"})
"""Members of a refusal that repeat the request or the database's own state."""


class _Kind(msgspec.Struct):
    kind: str = msgspec.field(name="__type", default="")


class _Refusal(msgspec.Struct):
    error: _Kind


class _Told(msgspec.Struct):
    error: dict[str, Any]


class _Envelope(msgspec.Struct):
    success: Any = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: Any = None


_refusal = msgspec.json.Decoder(_Refusal)
_told = msgspec.json.Decoder(_Told)
_envelope = msgspec.json.Decoder(_Envelope)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def is_final(text: str) -> bool:
    """Whether a 409 says what is wrong with the request, so that asking again will not help."""
    try:
        return _refusal.decode(text).error.kind in FINAL
    except msgspec.DecodeError:
        return False


def words_of(text: str) -> str:
    """What a refusal says, in one line: CKAN's own words, or those of whoever answered in its place."""
    try:
        told = _told.decode(text).error
    except msgspec.DecodeError:
        return refusals.provider_words(text)
    parts = [
        str(value) if name == "message" else f"{name}: {_joined(value)}"
        for name, value in told.items()
        if name not in UNSAID and value
    ]
    return refusals.provider_words("; ".join(parts))


def result_of(body: bytes, what: str) -> msgspec.Raw:
    """The ``result`` of an answer that came with status 200.

    Args:
        body: The answer.
        what: The request in a few words, for messages.

    Raises:
        BrokenBodyError: It is no whole JSON object: cut, or a page of HTML.
        ContractError: CKAN itself says that it failed, or the object is no envelope.
    """
    try:
        envelope = _envelope.decode(body.removeprefix(BYTE_ORDER_MARK))
    except msgspec.DecodeError as error:
        begin = body.lstrip()[:1]
        said = "it is a page of HTML" if begin == b"<" else f"it is not one whole JSON object ({error})"
        raise BrokenBodyError(said) from None
    if envelope.success is not True:
        words = words_of(body.decode("utf-8", "replace")) if envelope.error else ""
        raise ContractError(
            f"{what}: the portal answered 200 without success" + (f" ({words})" if words else "") + "; nothing was "
            "taken from it and the next refresh asks again."
        )
    if not bytes(envelope.result):
        raise ContractError(f"{what}: the portal's answer has no result; nothing was taken from it.")
    return envelope.result


def _joined(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
