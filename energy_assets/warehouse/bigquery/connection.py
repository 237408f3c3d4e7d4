"""Reaching BigQuery: one REST client per thread, one client of the Storage Read API, and where they point.

Which credentials are used is decided by whoever opens the clients; nothing here reads settings or starts a job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.cloud import bigquery
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

OpenClient = Callable[[], AbstractContextManager["bigquery.Client"]]
OpenReader = Callable[[], "BigQueryReadClient"]

UNLIMITED_MESSAGE = ("grpc.max_receive_message_length", -1)
"""A message of the Storage Read API holds several megabytes of rows; gRPC's own limit is four."""


class Connection:
    """Clients for one dataset of one project.

    Args:
        project: Project that jobs run in and that holds the dataset.
        dataset: The dataset.
        location: Where the dataset is.
        open_client: Opens a REST client; called once per thread, because its HTTP session is not made for sharing.
        open_reader: Opens the client of the Storage Read API.
        console: Address of the web console, ``None`` for a stand-in that has none.
    """

    def __init__(
        self,
        project: str,
        dataset: str,
        location: str,
        open_client: OpenClient,
        open_reader: OpenReader,
        *,
        console: str | None = None,
    ) -> None:
        self.project = project
        self.dataset = dataset
        self.location = location
        self.console = console
        self._open_client = open_client
        self._open_reader = open_reader
        self._lock = threading.Lock()
        self._local = threading.local()
        self._opened = ExitStack()
        self._reader: BigQueryReadClient | None = None

    @property
    def client(self) -> bigquery.Client:
        """This thread's REST client."""
        held = getattr(self._local, "held", None)
        if held is None or held[0] is not self._opened:
            with self._lock:
                held = self._local.held = (self._opened, self._opened.enter_context(self._open_client()))
        client: bigquery.Client = held[1]
        return client

    @property
    def reader(self) -> BigQueryReadClient:
        """The client of the Storage Read API, which all threads share."""
        with self._lock:
            if self._reader is None:
                self._reader = self._open_reader()
            return self._reader

    def close(self) -> None:
        """Close every client; the next use opens new ones."""
        with self._lock:
            opened, self._opened = self._opened, ExitStack()
            reader, self._reader = self._reader, None
        opened.close()
        if reader is not None:
            reader.transport.close()

    def table_link(self, table: str) -> str | None:
        """Address of a table's page in the console."""
        if self.console is None:
            return None
        return f"{self.console}?project={self.project}&ws=!1m5!1m4!4m3!1s{self.project}!2s{self.dataset}!3s{table}"


def emulated(project: str, dataset: str, location: str, rest: str, storage: str | None) -> Connection:
    """A connection to a local stand-in, with anonymous credentials.

    Args:
        project: Project name.
        dataset: Dataset name.
        location: Location that the dataset is to have.
        rest: Address of the REST API, with scheme.
        storage: ``host:port`` of the Storage Read API, with or without scheme; without one, reading fails.
    """

    @contextmanager
    def open_client() -> Iterator[bigquery.Client]:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        client = bigquery.Client(
            project=project,
            location=location,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": rest},
        )
        try:
            yield client
        finally:
            client.close()

    def open_reader() -> BigQueryReadClient:
        import grpc
        from google.cloud.bigquery_storage_v1 import BigQueryReadClient
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

        if storage is None:
            from energy_assets.errors import SettingsError

            raise SettingsError(
                "BIGQUERY_EMULATOR_HOST is set without ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT: tables are read "
                "through the storage API, so set its host and port too"
            )
        address = storage.partition("://")[2] or storage
        channel = grpc.insecure_channel(address, options=[UNLIMITED_MESSAGE])
        return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))

    return Connection(project, dataset, location, open_client, open_reader)
