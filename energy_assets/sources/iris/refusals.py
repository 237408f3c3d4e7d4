"""What an error of Azure's libraries means: refused for good, and by what sentence, or worth another try.

The libraries wrap one another's errors, and over an endpoint of its own the queue's client calls a refusal a lost
connection: so the whole chain is read.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from energy_assets.errors import RefusedError
from energy_assets.sources.iris.connection import Address

MOST_SHOWN = 200
"""Characters of an error that fit a line of the log."""

_ENTRA = {
    "7000222": "The secret of the IRIS client has expired ({code}): make another one at bmrs.elexon.co.uk/iris and set "
    "IRIS_CLIENT_SECRET.",
    "7000215": "The secret of the IRIS client is wrong ({code}): set IRIS_CLIENT_SECRET to the secret's value, not to "
    "its id.",
    "90002": "The tenant of IRIS_TENANT_ID does not exist ({code}): remove the setting, or set the id that Elexon "
    "shows.",
    "900023": "IRIS_TENANT_ID is no tenant's id ({code}): remove the setting, or set the id that Elexon shows.",
    "700016": "The client of IRIS_CLIENT_ID does not exist in the tenant ({code}): set the id that Elexon shows for "
    "your queue.",
    "7000112": "The client of IRIS_CLIENT_ID is disabled ({code}): ask Elexon.",
}
"""Answers of Entra that another try does not change, by number."""

_ENTRA_CODE = re.compile(r"AADSTS(\d+)")
_CBS_REFUSED = re.compile(r"CBS Token authentication failed\.\s+Status code: (401|403|404)\b")


def refusal(error: BaseException, address: Address) -> RefusedError | None:
    """The sentence for an error that another try does not change, or ``None`` for any other.

    Args:
        error: What was raised while the link was opened.
        address: The queue that was asked for.
    """
    from azure.servicebus import exceptions as sdk

    chain = list(_chain(error))
    text = "\n".join(map(str, chain))
    for code in _ENTRA_CODE.findall(text):
        if code in _ENTRA:
            return RefusedError(_ENTRA[code].format(code=f"AADSTS{code}"))
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        return RefusedError(
            f"The certificate of {address.endpoint or address.namespace} is not trusted: set ENERGY_ASSETS_IRIS_CA to "
            "the certificates of whoever stands between, or remove ENERGY_ASSETS_IRIS_ENDPOINT."
        )
    if any(isinstance(e, sdk.MessagingEntityNotFoundError) for e in chain):
        return RefusedError(f"There is no queue {address}: set IRIS_QUEUE_NAME to the name that Elexon shows for it.")
    denied = (sdk.ServiceBusAuthorizationError, sdk.ServiceBusAuthenticationError)
    if any(isinstance(e, denied) for e in chain) or _CBS_REFUSED.search(text):
        return RefusedError(
            f"The queue {address} refuses this client: set IRIS_CLIENT_ID, IRIS_CLIENT_SECRET and IRIS_QUEUE_NAME to "
            "what belongs together, or ask Elexon whether the queue still exists."
        )
    return None


def in_short(error: BaseException) -> str:
    """An error in one line for the log and the heartbeat, the deepest cause last."""
    chain = list(_chain(error))
    first, last = chain[0], chain[-1]
    told = _line(first) if first is last or str(last) in str(first) else f"{_line(first)}, from {_line(last)}"
    return told if len(told) <= MOST_SHOWN else f"{told[: MOST_SHOWN - 1]}…"


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that led to it, each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        # ``inner_exception`` is where Azure's libraries keep what they wrap.
        waiting += [one.__cause__, one.__context__, getattr(one, "inner_exception", None)]
