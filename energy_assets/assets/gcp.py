"""BigQuery clients as Dagster's integration makes them; the only place that imports ``dagster_gcp``.

Credentials are Google's application default ones: those of ``gcloud auth application-default login``, a key file or
workload identity configuration named by ``GOOGLE_APPLICATION_CREDENTIALS``, or the service account of the machine. None
are read or kept here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from energy_assets.warehouse.bigquery.connection import Connection

if TYPE_CHECKING:
    from google.cloud import bigquery
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

CONSOLE = "https://console.cloud.google.com/bigquery"


def connect(project: str, dataset: str, location: str) -> Connection:
    """A connection to BigQuery; nothing is opened and no credentials are looked for before it is used.

    Args:
        project: Project that jobs run in and that holds the dataset.
        dataset: The dataset.
        location: Where it is.
    """

    @contextmanager
    def open_client() -> Iterator[bigquery.Client]:
        from dagster_gcp import BigQueryResource

        with BigQueryResource(project=project, location=location).get_client() as client:
            try:
                yield client
            finally:
                client.close()

    def open_reader() -> BigQueryReadClient:
        from google.cloud.bigquery_storage_v1 import BigQueryReadClient

        with open_client() as client:
            # The client has no public name for the credentials that it found.
            return BigQueryReadClient(credentials=client._credentials)

    return Connection(project, dataset, location, open_client, open_reader, console=CONSOLE)
