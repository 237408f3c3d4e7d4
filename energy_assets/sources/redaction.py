"""Taking secrets out of text before anyone can read it.

Knows how a secret may look inside a message or URL; which secrets exist is told by whoever holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

MASK = "***"
"""What is shown in place of a secret."""

_TELLING = "api[-_]?key|access[-_]?key|auth|authorization|code|credential|key|pass(?:word)?|secret|sig|signature|token"
_IN_QUERY = re.compile(rf"([?&;](?:[\w.-]*[-_.])?(?:{_TELLING})=)[^&#;\s'\"]+", re.IGNORECASE)
_IN_AUTHORITY = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/?#\s@'\"]+@", re.IGNORECASE)


class Redactor:
    """Replaces known secrets, and whatever a URL holds in the places where secrets are carried.

    Args:
        secrets: Values that must never be shown; empty ones are left out.
    """

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        plain = {secret.get_secret_value() for secret in secrets} - {""}
        forms = {form for value in plain for form in (value, quote(value, safe=""), quote_plus(value))}
        # The longest first: a secret that begins with another one must go whole.
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """``text`` with every secret replaced by ``***``."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _IN_QUERY.sub(rf"\g<1>{MASK}", text)
        return _IN_AUTHORITY.sub(rf"\g<1>{MASK}@", text)
