"""Secrets leave no trace in text, in whatever form they were put into it."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from energy_assets.sources.redaction import MASK, Redactor


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/x?apikey=abc&from=1", "https://h/x?apikey=***&from=1"),
        ("https://h/x?from=1&APIKey=abc#f", "https://h/x?from=1&APIKey=***#f"),
        ("https://h/x?sv=1&sig=a%2Fb", "https://h/x?sv=1&sig=***"),
        ("https://h/x?x-api-key=abc", "https://h/x?x-api-key=***"),
        ("https://user:pass@h/x", "https://***@h/x"),
        ("amqps://user:pass@h:5671/q and more", "amqps://***@h:5671/q and more"),
        ("https://h/x?bmUnit=T_A-1&from=2026-01-15T00:00Z", "https://h/x?bmUnit=T_A-1&from=2026-01-15T00:00Z"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_places_where_secrets_are_carried_are_masked(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


def test_an_empty_secret_masks_nothing() -> None:
    assert Redactor([SecretStr("")])("text") == "text"


def test_a_secret_that_begins_with_another_goes_whole() -> None:
    assert Redactor([SecretStr("abc"), SecretStr("abcdef")])("<abcdef> <abc>") == f"<{MASK}> <{MASK}>"


@given(st.text(alphabet=st.characters(exclude_characters="*"), min_size=1), st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_is_gone_plain_or_quoted(secret: str, before: str, after: str) -> None:
    redact = Redactor([SecretStr(secret)])
    for form in (secret, quote(secret, safe=""), urlencode({"a": secret})[2:]):
        assert form not in redact(f"{before}{form}{after}").replace(MASK, "") or form in before + after
