"""From settings to a receiver of the queue: addresses, credentials, trust, and the SDK's own limits.

What is done with a receiver belongs to ``listener``; what an error means belongs to ``refusals``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_assets.errors import SettingsError

if TYPE_CHECKING:
    from azure.identity.aio import ClientSecretCredential
    from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
    from pydantic import SecretStr

    from energy_assets.settings import Settings

logger = logging.getLogger(__name__)

SERVICE_BUS_DOMAIN = "servicebus.windows.net"

PREFETCH = 500
"""Messages that the service sends ahead: a batch. At 20 ms round trip 200 give 1,800 a second, 500 give 3,000, and
1,000 no more; whatever is not taken in time loses its lock and comes again."""

SOCKET_SECONDS = 0.05
"""Longest wait of one socket read. The SDK's own 0.2 s is paid once per batch when the last outcome has come, and costs
a third of the rate at 20 ms round trip."""

ATTEMPT_SECONDS = 15.0
"""One attempt at opening the link: without it an attach that is never answered would be waited for without end."""

OPEN_SECONDS = 30.0
"""Token, connection and link together."""

CLOSE_SECONDS = 10.0
"""Closing tells the service which messages to hand out again; a link that does not answer is dropped."""

SECRET_WARNING = timedelta(days=60)
"""A secret lives two years: from its 22nd month on there is time to ask Elexon for another one."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the queue is.

    Attributes:
        queue: Its name.
        namespace: Host name of its namespace.
        authority: Address of a stand-in for Entra.
        endpoint: Address of a stand-in for the namespace.
        ca: File of the certificates that the stand-ins are checked against.
        websocket: Whether AMQP goes through web sockets.
    """

    queue: str
    namespace: str
    authority: str | None = None
    endpoint: str | None = None
    ca: Path | None = None
    websocket: bool = False

    def __str__(self) -> str:
        return f"{self.queue} in {self.namespace}"


class Connection:
    """Opens receivers of one queue, one at a time.

    Args:
        address: Where the queue is.
        tenant_id: Entra tenant that issues tokens.
        client_id: Client that may read the queue.
        secret: Its secret, or the connection string.
        by_string: Whether ``secret`` is a connection string.

    Attributes:
        address: Where the queue is.
    """

    def __init__(
        self, address: Address, tenant_id: str, client_id: str, secret: SecretStr, *, by_string: bool = False
    ) -> None:
        self.address = address
        self._tenant_id = tenant_id
        self._client_id = client_id
        self._secret = secret
        self._by_string = by_string
        self._credential: ClientSecretCredential | None = None

    @asynccontextmanager
    async def receiver(self) -> AsyncIterator[ServiceBusReceiver]:
        """A receiver whose link is open; closed at the end, within ``CLOSE_SECONDS``.

        Raises:
            TimeoutError: The link did not open in time.
            Exception: Whatever the SDK raises when it cannot open the link.
        """
        client = self._client()
        receiver = client.get_queue_receiver(self.address.queue, prefetch_count=PREFETCH)
        try:
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await receiver.__aenter__()
            except BaseException:
                # A token that is in doubt is not shown again.
                await self.close()
                raise
            _open_no_more(receiver)
            yield receiver
        finally:
            await _closed("receiver", receiver.close())
            await _closed("client", client.close())

    async def close(self) -> None:
        """Let go of the credential and the token that it keeps; a later receiver asks for another."""
        credential, self._credential = self._credential, None
        if credential is not None:
            await _closed("credential", credential.close())

    def _client(self) -> ServiceBusClient:
        from azure.servicebus import TransportType
        from azure.servicebus.aio import ServiceBusClient

        options: dict[str, Any] = {
            # Trying again is ours: the SDK would open the receiver anew from each of a batch's settlements at once.
            "retry_total": 0,
            "socket_timeout": SOCKET_SECONDS,
            "try_timeout": ATTEMPT_SECONDS,
            # Always given: with an endpoint of its own the SDK takes web sockets by default.
            "transport_type": TransportType.AmqpOverWebsocket if self.address.websocket else TransportType.Amqp,
        }
        if self.address.endpoint is not None:
            options["custom_endpoint_address"] = self.address.endpoint
        if self.address.ca is not None:
            options["connection_verify"] = str(self.address.ca)
        if self._by_string:
            return ServiceBusClient.from_connection_string(self._secret.get_secret_value(), **options)
        return ServiceBusClient(self.address.namespace, self._credentials(), **options)

    def _credentials(self) -> ClientSecretCredential:
        from azure.identity.aio import ClientSecretCredential

        if self._credential is None:
            options: dict[str, Any] = {}
            if self.address.authority is not None:
                # Discovery would ask Microsoft whether the stand-in is one of its own.
                options = {"authority": self.address.authority, "disable_instance_discovery": True}
            if self.address.ca is not None:
                options["connection_verify"] = str(self.address.ca)
            self._credential = ClientSecretCredential(
                self._tenant_id, self._client_id, self._secret.get_secret_value(), **options
            )
        return self._credential


def connection_of(settings: Settings) -> Connection:
    """The connection that the settings describe; nothing is opened yet.

    Raises:
        SettingsError: Something is missing, and what; or a value cannot be used.
    """
    if settings.iris_ca is not None and not settings.iris_ca.is_file():
        raise SettingsError(f"ENERGY_ASSETS_IRIS_CA names {settings.iris_ca}, which is no file; mend or remove it.")
    if settings.iris_connection_string is not None:
        return _by_string(settings, settings.iris_connection_string)
    given = {
        "IRIS_CLIENT_ID": settings.iris_client_id,
        "IRIS_CLIENT_SECRET": settings.iris_client_secret,
        "IRIS_QUEUE_NAME": settings.iris_queue_name,
    }
    client_id, secret, queue = settings.iris_client_id, settings.iris_client_secret, settings.iris_queue_name
    if client_id is None or secret is None or queue is None:
        missing = [name for name, value in given.items() if value is None]
        raise SettingsError(
            f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} not set: register at bmrs.elexon.co.uk/iris "
            "and set what it shows for your queue, or IRIS_CONNECTION_STRING."
        )
    _check_tenant(settings.iris_tenant_id)
    return Connection(
        _address(settings, queue, _host(settings.iris_namespace)), settings.iris_tenant_id, client_id, secret
    )


def secret_warning(expires: date | None, today: date) -> str | None:
    """What to say about the client's secret: a sentence when it ends within ``SECRET_WARNING`` or has ended."""
    if expires is None or expires - today > SECRET_WARNING:
        return None
    ends = f"ended on {expires}" if expires <= today else f"ends on {expires}, in {(expires - today).days} days"
    return (
        f"The secret of the IRIS client {ends}: make another one at bmrs.elexon.co.uk/iris and set IRIS_CLIENT_SECRET."
    )


def _by_string(settings: Settings, string: SecretStr) -> Connection:
    from azure.servicebus import parse_connection_string

    try:
        parsed = parse_connection_string(string.get_secret_value())
    except ValueError as error:
        # Not chained: a traceback may show the string.
        raise SettingsError(f"IRIS_CONNECTION_STRING is not usable: {error}") from None
    queue = settings.iris_queue_name or parsed.entity_path
    if not queue:
        raise SettingsError(
            "IRIS_QUEUE_NAME is not set, and IRIS_CONNECTION_STRING has no EntityPath; name the queue in one of them."
        )
    address = _address(settings, queue, parsed.fully_qualified_namespace)
    return Connection(address, settings.iris_tenant_id, "", string, by_string=True)


def _address(settings: Settings, queue: str, namespace: str) -> Address:
    return Address(
        queue=queue,
        namespace=namespace,
        authority=settings.iris_authority,
        endpoint=settings.iris_endpoint,
        ca=settings.iris_ca,
        websocket=settings.iris_transport == "websocket",
    )


def _check_tenant(tenant_id: str) -> None:
    if not tenant_id.replace("-", "").replace(".", "").isalnum():
        raise SettingsError(f"IRIS_TENANT_ID is {tenant_id!r}, but a tenant's id is letters, digits, dots and hyphens.")


def _host(namespace: str) -> str:
    return namespace if "." in namespace else f"{namespace}.{SERVICE_BUS_DOMAIN}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _open_no_more(receiver: ServiceBusReceiver) -> None:
    """Keep the SDK from opening a link anew that was lost.

    Each settlement of a batch would do so by itself and at once: two hundred connections, of which one is kept and none
    closed. There is no option against it, hence the two private names; where the SDK has others, nothing changes.
    """
    from azure.servicebus.exceptions import ServiceBusConnectionError

    opened = receiver._open

    async def stay(timeout: float | None = None) -> None:
        if not receiver._running:
            raise ServiceBusConnectionError(message="The link is lost.")
        await opened(timeout)

    receiver._open = stay  # type: ignore[method-assign]


async def _closed(what: str, closing: Awaitable[None]) -> None:
    """Close in order where that is possible; what is broken is dropped."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await closing
    except Exception as error:  # The SDK raises whatever its broken state leads to, and nothing depends on it any more.
        logger.debug("The %s could not be closed in order: %r", what, error)
