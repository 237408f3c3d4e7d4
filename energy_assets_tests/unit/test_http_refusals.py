"""What a refusal's words say: limits in every spelling met or likely, the provider's sentences, ``Retry-After``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.sources.refusals import WORDS_MOST, named_limit, names_limit, provider_words, retry_after

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (
            "The date range between PublishDateTimeFrom and PublishDateTimeTo inclusive must not exceed 1 day",
            timedelta(days=1),
        ),
        ("The date range between From and To inclusive must not exceed 1 hour", timedelta(hours=1)),
        ("The date range between From and To inclusive must not exceed 7 days", timedelta(days=7)),
        ("The date range must not exceed 12 hours", timedelta(hours=12)),
        ("The date range must not exceed 24 hours", timedelta(days=1)),
        ("The range must not exceed 12:00:00", timedelta(hours=12)),
        ("The range must not exceed 1.00:00:00", timedelta(days=1)),
        ("The range must not exceed PT1H", timedelta(hours=1)),
        ("The range must not exceed P1D", timedelta(days=1)),
        ("The range must not exceed P1DT12H", timedelta(hours=36)),
        ("The maximum window is 92 days.", timedelta(days=92)),
        ("A window of 2 days exceeds the maximum of 1 day", timedelta(days=1)),
        ("Window too large: asked 48 hours, allowed 24-hour", timedelta(days=1)),
        ("Requests are limited to an hour", timedelta(hours=1)),
        ("No more than one week may be requested", timedelta(days=7)),
        ("Range cannot be more than 30 minutes", timedelta(minutes=30)),
        ("Range must not exceed 12 months", timedelta(days=336)),
        ("From 2026-01-15T00:00:00Z to 2026-01-16T00:00:00Z must not exceed 1 hour", timedelta(hours=1)),
    ],
)
def test_limit_is_read(text: str, limit: timedelta) -> None:
    assert names_limit(text)
    assert named_limit(text) == limit


@pytest.mark.parametrize(
    "text",
    [
        "The From field must not be later than the To field",
        "Errors found when parsing DateTimes",
        "The value 'x' is not valid for SettlementPeriod.",
        "SettlementPeriod must be between 1 and 50",
        "settlementPeriod must not exceed 50",
        "One or more validation errors occurred.",
        "Use P1D for a day",
        "",
    ],
)
def test_other_refusals_name_none(text: str) -> None:
    assert not names_limit(text)
    assert named_limit(text) is None


@pytest.mark.parametrize("text", ["The date range is too large", "The window between From and To exceeds the maximum"])
def test_a_limit_without_a_number_is_one_all_the_same(text: str) -> None:
    assert names_limit(text)
    assert named_limit(text) is None


@given(st.integers(1, 999), st.sampled_from(["minute", "hour", "day", "week"]))
def test_any_number_of_any_unit_is_read(amount: int, unit: str) -> None:
    text = f"The date range must not exceed {amount} {unit}{'s' if amount > 1 else ''}"
    assert named_limit(text) == timedelta(**{f"{unit}s": amount})


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing(text: str) -> None:
    limit = named_limit(text)
    assert limit is None or limit > timedelta(0)
    assert len(provider_words(text)) <= WORDS_MOST


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"title": "Invalid", "errors": {"": ["too  long", "and\nbad"]}}), "too long; and bad"),
        (json.dumps({"title": "Invalid", "errors": {"from": ["is required"]}}), "from: is required"),
        (json.dumps({"title": "Invalid", "errors": {"from": "is required"}}), "from: is required"),
        (json.dumps({"statusCode": 403, "message": "Out of call volume quota."}), "Out of call volume quota."),
        (json.dumps({"title": "Not Found", "errors": {}}), "Not Found"),
        (json.dumps("just words"), "just words"),
        (json.dumps([1, 2]), ""),
        ("plain words", "plain words"),
        ("<html><body>Bad Gateway</body></html>", ""),
        (
            "\ufeff<?xml?><Error><Code>ServerBusy</Code><Message>Busy &amp; full.\nId:1</Message></Error>",
            "ServerBusy: Busy & full.",
        ),
        ("<Error><Code>ServerBusy</Code></Error>", "ServerBusy"),
        ("", ""),
    ],
)
def test_the_providers_words_are_found(body: str, words: str) -> None:
    assert provider_words(body) == words


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Sun, 25 Oct 2026 01:30:10 +0100", 10.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text(max_size=40))
def test_retry_after_never_fails_and_is_never_negative(header: str) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or seconds >= 0
