"""Can BigQuery be used as the settings say? Asked before the first request to a provider leaves.

Credentials, project, dataset, its location, permissions and billing, in this order, and every answer that stands in the
way is one sentence with what to do. The dataset is made when it does not exist; apart from that nothing stays. What a
table looks like is not known here.

Permissions on a dataset cannot be asked for. Where the receipts exist already, those on them are; before that a small
table and a table function are made, used and dropped, as a refresh will do. Nothing of this is charged for: metadata
calls, dry runs and read sessions are free, and a statement over an empty table bills no bytes.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import bigquery

from energy_assets.errors import WarehouseError
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery.connection import Connection
from energy_assets.warehouse.bigquery.jobs import CALL_SECONDS, NO_RETRY, OWNER, Jobs, told

log = logging.getLogger(__name__)

PROJECT_ROLE = "roles/bigquery.jobUser"
DATASET_ROLE = "roles/bigquery.dataEditor"
READ_ROLE = "roles/bigquery.readSessionUser"
CREATE_ROLE = "roles/bigquery.user"

TABLE_PERMISSIONS = (
    "bigquery.tables.delete",
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.update",
    "bigquery.tables.updateData",
)

MAKE_PERMISSIONS = ("bigquery.tables.create", "bigquery.routines.create", "bigquery.routines.delete")

TRIAL_LIFE = timedelta(hours=1)
"""After this BigQuery drops the trial table by itself, should this process die over it."""

_NOT_ENABLED = ("accessNotConfigured", "SERVICE_DISABLED", "has not been used in project", "has not enabled BigQuery")
_NO_BILLING = ("billingNotEnabled", "accountDisabled", "Billing has not been enabled", "free tier", "billing account")
_NO_PLACE = re.compile(r"not found in location|in(?:valid|correct)[^.]*\b(?:location|region)", re.IGNORECASE)
_PERIMETER = ("VPC Service Controls", "vpcServiceControls")
_QUOTA = frozenset({"quotaExceeded", "rateLimitExceeded", "jobRateLimitExceeded"})
_GUARD = ("bytesBilledLimitExceeded", "exceeded limit for bytes billed")


def preflight(jobs: Jobs, *, make: bool = True) -> None:
    """Make sure that refreshes can work; makes the dataset when there is none.

    Args:
        jobs: What runs statements.
        make: Whether the dataset may be made; without it a missing one is only not looked into further.

    Raises:
        WarehouseError: They cannot; the message says why and what to do.
        SettingsError: A stand-in is named without its storage API.
    """
    _reach_project(jobs)
    if not _find_dataset(jobs, make=make):
        return
    if not _receipts_allow(jobs):
        _try_out(jobs)


def _reach_project(jobs: Jobs) -> None:
    connection = jobs.connection
    project = connection.project
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)

    def ask(client: bigquery.Client) -> object:
        return client.query(
            "SELECT 1",
            job_config=config,
            location=connection.location,
            retry=NO_RETRY,
            job_retry=NO_RETRY,
            timeout=CALL_SECONDS,
        )

    denied = (
        f"The credentials may not run jobs in project {project}, or there is no such project: grant "
        f"{PROJECT_ROLE} on it, or correct GOOGLE_CLOUD_PROJECT."
    )
    with _explained(connection, denied):
        try:
            jobs.call(f"Asking project {project}", ask)
        except api.NotFound as error:
            unknown = f"There is no project {project}: correct GOOGLE_CLOUD_PROJECT."
            raise WarehouseError(_quoting(_wrong_place(connection, error) or unknown, error)) from error


def _find_dataset(jobs: Jobs, *, make: bool) -> bool:
    """Whether the dataset is there, or was made."""
    connection = jobs.connection
    name = _dataset_name(connection)
    reference = bigquery.DatasetReference(connection.project, connection.dataset)

    def get(client: bigquery.Client) -> bigquery.Dataset:
        return client.get_dataset(reference, retry=NO_RETRY, timeout=CALL_SECONDS)

    def look() -> bigquery.Dataset | None:
        denied = f"The credentials may not see the dataset {name}: grant {DATASET_ROLE} on it."
        with _explained(connection, denied):
            try:
                return jobs.call(f"Looking at the dataset {name}", get)
            except api.NotFound:
                return None

    found = look()
    if found is None and not make:
        return False
    if found is None:
        _make_dataset(jobs, reference)
        found = look()
    if found is None:
        raise WarehouseError(f"The dataset {name} was made and is gone again: refresh again in a minute.")
    if found.location and found.location.casefold() != connection.location.casefold():
        raise WarehouseError(
            f"The dataset {name} is in {found.location}, but ENERGY_ASSETS_BIGQUERY_LOCATION is {connection.location}: "
            f"set that to {found.location}, or name another dataset by ENERGY_ASSETS_SCHEMA, because a dataset cannot "
            "be moved."
        )
    return True


def _make_dataset(jobs: Jobs, reference: bigquery.DatasetReference) -> None:
    connection = jobs.connection
    name = _dataset_name(connection)
    wanted = bigquery.Dataset(reference)
    wanted.location = connection.location
    wanted.description = "Great Britain's electricity-market data, kept by energy_assets."
    wanted.labels = {"owner": OWNER}
    denied = (
        f"There is no dataset {name}, and the credentials may not make it: grant {CREATE_ROLE} on the project, or let "
        f"an administrator run `bq --location={connection.location} mk --dataset "
        f"{connection.project}:{connection.dataset}` and grant {DATASET_ROLE} on it."
    )
    with _explained(connection, denied):
        try:
            jobs.call(
                f"Making the dataset {name}",
                lambda client: client.create_dataset(wanted, retry=NO_RETRY, timeout=CALL_SECONDS),
            )
        except api.Conflict:
            return
    log.info("Made the dataset %s in %s.", name, connection.location)


def _receipts_allow(jobs: Jobs) -> bool:
    """Ask what may be done with the receipts; ``False`` when there are none."""
    connection = jobs.connection
    receipts = _table(connection, service.RECEIPTS)

    def ask(client: bigquery.Client) -> dict[str, Any]:
        return client.test_iam_permissions(receipts, TABLE_PERMISSIONS, retry=NO_RETRY, timeout=CALL_SECONDS)

    with _explained(connection, _may_not_change(connection, TABLE_PERMISSIONS)):
        try:
            granted = jobs.call("Asking for permissions", ask)
        except api.NotFound:
            return False
    missing = [p for p in TABLE_PERMISSIONS if p not in granted.get("permissions", [])]
    if missing:
        raise WarehouseError(_may_not_change(connection, missing))
    _open_session(jobs, receipts)
    return True


def _try_out(jobs: Jobs) -> None:
    """Make, change, read and drop a table, and a function that reads it."""
    connection = jobs.connection
    reference = _table(connection, f"_preflight_{uuid.uuid4().hex}")
    trial = bigquery.Table(reference, schema=[bigquery.SchemaField("day", "DATE")])
    trial.expires = datetime.now(UTC) + TRIAL_LIFE
    trial.labels = {"owner": OWNER}

    def make(client: bigquery.Client) -> None:
        client.create_table(trial, retry=NO_RETRY, timeout=CALL_SECONDS)

    def drop(client: bigquery.Client) -> None:
        client.delete_table(reference, not_found_ok=True, retry=NO_RETRY, timeout=CALL_SECONDS)

    with _explained(connection, _may_not_change(connection, (*MAKE_PERMISSIONS, *TABLE_PERMISSIONS))):
        jobs.call(
            "Making a trial table", lambda client: client.create_table(trial, retry=NO_RETRY, timeout=CALL_SECONDS)
        )
        try:
            name = f"`{_dataset_name(connection)}.{reference.table_id}`"
            function = f"`{_dataset_name(connection)}.{reference.table_id}_of`"
            script = (
                f"DELETE FROM {name} WHERE day IS NULL;\n"
                f"CREATE OR REPLACE TABLE FUNCTION {function}(moment TIMESTAMP) AS SELECT day FROM {name};\n"
                f"DROP TABLE FUNCTION IF EXISTS {function};"
            )
            jobs.query(script, what="Changing a trial table", purpose="preflight")
            _open_session(jobs, reference)
        except WarehouseError:
            # Tried once only: it expires, and the error at hand is the one to tell.
            with suppress(api.GoogleAPIError, requests.RequestException, auth.GoogleAuthError):
                drop(connection.client)
            raise
        jobs.call("Dropping the trial table", drop)


def _open_session(jobs: Jobs, table: bigquery.TableReference) -> None:
    """Open a read session, which is free and ends by itself."""
    from google.cloud.bigquery_storage_v1 import types

    connection = jobs.connection
    wanted = types.ReadSession(table=table.path.removeprefix("/"), data_format=types.DataFormat.ARROW)
    denied = (
        f"The credentials may not read tables of project {connection.project} through the storage API: grant "
        f"{READ_ROLE} on the project."
    )

    def ask(_: bigquery.Client) -> object:
        return connection.reader.create_read_session(
            parent=f"projects/{connection.project}",
            read_session=wanted,
            max_stream_count=1,
            retry=NO_RETRY,
            timeout=CALL_SECONDS,
        )

    # Whether sessions may be opened is decided before the table is looked for, which may be too new to be found.
    with _explained(connection, denied), suppress(api.NotFound):
        jobs.call("Opening a read session", ask)


def _table(connection: Connection, name: str) -> bigquery.TableReference:
    return bigquery.DatasetReference(connection.project, connection.dataset).table(name)


def _dataset_name(connection: Connection) -> str:
    return f"{connection.project}.{connection.dataset}"


def _may_not_change(connection: Connection, permissions: tuple[str, ...] | list[str]) -> str:
    needed = f"{', '.join(permissions[:-1])} and {permissions[-1]}" if len(permissions) > 1 else permissions[0]
    return (
        f"The credentials may not make or change tables of {_dataset_name(connection)}: grant {DATASET_ROLE} on the "
        f"dataset, which gives {needed}."
    )


@contextmanager
def _explained(connection: Connection, denied: str) -> Iterator[None]:
    """Tell what a refusal means; ``denied`` is the sentence for missing permission."""
    try:
        yield
    except WarehouseError as error:
        cause = error.__cause__
        sentence = _sentence(connection, cause, denied)
        if sentence is None:
            raise
        raise WarehouseError(_quoting(sentence, cause)) from cause


def _sentence(connection: Connection, cause: BaseException | None, denied: str) -> str | None:
    """What an error of Google's libraries means here, or ``None`` where the error speaks for itself."""
    if isinstance(cause, (requests.RequestException, auth.TransportError)):
        return (
            f"Nothing answers at {connection.client._connection.API_BASE_URL}: check BIGQUERY_EMULATOR_HOST."
            if connection.console is None
            else "Google cannot be reached: check the network and HTTPS_PROXY."
        )
    if isinstance(cause, auth.DefaultCredentialsError):
        return (
            "No Google credentials were found: run `gcloud auth application-default login`, or set "
            "GOOGLE_APPLICATION_CREDENTIALS to a key file."
        )
    if isinstance(cause, (auth.GoogleAuthError, api.Unauthorized)):
        return (
            "Google refuses the credentials, which may have expired: run `gcloud auth application-default login` "
            "again, or replace the key file that GOOGLE_APPLICATION_CREDENTIALS names."
        )
    return _refusal(connection, cause, denied) if isinstance(cause, api.GoogleAPICallError) else None


def _refusal(connection: Connection, cause: api.GoogleAPICallError, denied: str) -> str | None:
    """What an answer of BigQuery means here."""
    reasons = {str(e.get("reason")) for e in cause.errors if isinstance(e, dict)}
    signs = f"{cause} {' '.join(str(e) for e in cause.errors)}"
    project = connection.project
    if any(sign in signs for sign in _NOT_ENABLED):
        return (
            f"The BigQuery API is not enabled in project {project}: run `gcloud services enable "
            f"bigquery.googleapis.com bigquerystorage.googleapis.com --project {project}` and wait a minute."
        )
    if any(sign in signs for sign in _NO_BILLING):
        return (
            f"Project {project} has no billing, and BigQuery changes no rows without (its sandbox refuses MERGE and "
            "DELETE): link a billing account at https://console.cloud.google.com/billing; the first TiB that queries "
            "read in a month is free."
        )
    if any(sign in signs for sign in _PERIMETER):
        return (
            f"VPC Service Controls keep these credentials, or this machine, out of project {project}: let an "
            "administrator of the organisation add an access level or a rule for them to the perimeter."
        )
    if reasons & _QUOTA:
        return (
            f"A quota of project {project} is used up: try again later, or raise it under IAM & Admin, Quotas, in the "
            "console."
        )
    if any(sign in signs for sign in _GUARD):
        return "ENERGY_ASSETS_BIGQUERY_MAX_BYTES_BILLED is too low for any query: set more, or 0 for no guard."
    # The Storage Read API gives no reason with its refusal.
    if isinstance(cause, api.Forbidden) and ("accessDenied" in reasons or not reasons - {"None"}):
        return denied
    return _wrong_place(connection, cause) if isinstance(cause, api.BadRequest) else None


def _wrong_place(connection: Connection, error: api.GoogleAPICallError) -> str | None:
    """The sentence for a location that does not exist, where the service says so."""
    if not _NO_PLACE.search(str(error)):
        return None
    return (
        f"BigQuery does not know the location {connection.location}: set ENERGY_ASSETS_BIGQUERY_LOCATION to a region "
        "such as europe-west2, or to EU or US."
    )


def _quoting(sentence: str, cause: BaseException | None) -> str:
    """The sentence, and in brackets what Google's libraries said themselves."""
    text = told(cause) if isinstance(cause, Exception) else ""
    return f"{sentence.removesuffix('.')} (Google: {text})." if text else sentence
