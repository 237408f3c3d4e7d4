"""Reading what a provider says when it refuses: its words, the limit they name, the wait it asks for.

Pure functions over text; what to do about a refusal is the client's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

WORDS_MOST = 200
"""Characters of the provider's words in a message: two of its sentences, and still one line in a log."""

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    # The shortest month and year: a limit that is read too small only costs one request more.
    "month": timedelta(days=28),
    "year": timedelta(days=365),
}
_NUMBER_WORDS = {"a": 1.0, "an": 1.0, "one": 1.0, "single": 1.0, "two": 2.0, "seven": 7.0, "twelve": 12.0}

_LIMITING = re.compile(
    r"exceed|no more than|at most|no longer than|not be (?:longer|greater|more)|maximum|limited to|limit of|up to"
    r"|must be (?:less|within|shorter|no)|too (?:long|large|wide|big)|longer than|greater than|more than",
    re.IGNORECASE,
)
_ABOUT_RANGE = re.compile(r"\b(?:range|window|interval|span|duration|between)\b", re.IGNORECASE)
_WORDED = re.compile(
    rf"(?<![\w.:-])(\d+(?:\.\d+)?|{'|'.join(_NUMBER_WORDS)})[\s-]?({'|'.join(_UNITS)})s?\b", re.IGNORECASE
)
_ISO = re.compile(r"\bP(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?(?!\w)")
_CLOCK = re.compile(r"(?<![\dT:.+-])(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?![\d:])")


def provider_words(body: str) -> str:
    """What a refusal's body says, in one line of at most ``WORDS_MOST`` characters; empty when it says nothing.

    A validation problem (``{"title": …, "errors": {member: [text, …]}}``) is given as its error texts, each with the
    member that it is about; other JSON as its ``detail``, ``message`` or ``title``; an error of a blob store as its
    code and first line; a page of HTML as nothing.
    """
    try:
        problem = json.loads(body)
    except ValueError:
        text = _marked_up(body) if body.lstrip("\ufeff \r\n\t").startswith("<") else body
    else:
        text = "; ".join(_problem_texts(problem))
    text = " ".join(text.split())
    return text if len(text) <= WORDS_MOST else text[: WORDS_MOST - 1].rstrip() + "…"


def _marked_up(body: str) -> str:
    """Code and first line of a blob store's ``<Error>``; its further lines name the request and the time."""
    told = (re.search(rf"<{tag}>([^<\n]*)", body) for tag in ("Code", "Message"))
    return ": ".join(unescape(found[1].strip()) for found in told if found)


def _problem_texts(problem: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(problem, str):
        yield problem
    if not isinstance(problem, dict):
        return
    errors = problem.get("errors")
    if isinstance(errors, dict) and errors:
        for member, texts in errors.items():
            for text in texts if isinstance(texts, list) else [texts]:
                yield f"{member}: {text}" if member else str(text)
        return
    for name in ("detail", "message", "error", "title"):
        if isinstance(problem.get(name), str):
            yield problem[name]
            return


def names_limit(text: str) -> bool:
    """Whether a refusal is about a window that is too long, whether or not it says how long it may be."""
    return bool(_LIMITING.search(text) and (_ABOUT_RANGE.search(text) or named_limit(text)))


def named_limit(text: str) -> timedelta | None:
    """The longest window that a refusal allows, or ``None`` where it names none.

    Reads "1 day", "7 days", "24 hours", "an hour", ``PT1H``, ``12:00:00`` and ``1.00:00:00``. Where several are named
    the smallest counts: the others describe the window that was refused.
    """
    if not _LIMITING.search(text):
        return None
    return min((found for found in _durations(text) if found > timedelta(0)), default=None)


def _durations(text: str) -> Iterator[timedelta]:
    for amount, unit in _WORDED.findall(text):
        yield _UNITS[unit.lower()] * (_NUMBER_WORDS.get(amount.lower()) or float(amount))
    for match in _ISO.finditer(text):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        yield timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    for match in _CLOCK.finditer(text):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        yield timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks to wait, never negative; ``None`` without one that can be read.

    Args:
        header: Whole seconds or an HTTP date.
        now: The present, aware; only a date needs it.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())
