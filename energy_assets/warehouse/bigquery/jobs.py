"""Running jobs: ids that make a repeated call harmless, waiting, backing off, and counting what each job cost.

What a job does is its caller's business; which errors are worth another attempt is decided here and nowhere else.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import bigquery

from energy_assets.errors import WarehouseBusyError, WarehouseError
from energy_assets.warehouse.bigquery.connection import Connection
from energy_assets.warehouse.interface import Usage

log = logging.getLogger(__name__)

T = TypeVar("T")

OWNER = "energy_assets"
"""Value of the label ``owner`` on every job and table, by which costs are found again."""

CALL_SECONDS = 60.0
"""Longest wait for one API call's answer: they take well under a second, uploads of a batch a few."""

POLL_SECONDS = 60.0
"""Longest wait for one word about a job; while it says that it runs, it is asked again."""

JOB_SECONDS = 900.0
"""Longest wait for a job: merges of a heavy day take seconds, and a queue of twenty of them minutes."""

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
PATIENCE = 300.0
"""Back-off between attempts, in seconds: doubled each time, with jitter, until five minutes have passed. Rate limits
of BigQuery are per ten seconds or per minute; whatever lasts longer is told to the user."""

PROBE_SECONDS = 30.0
"""Once a call has been given up because nothing answers, one call in so many seconds is tried, and the others are
refused at once: the hundred datasets of a refresh must not wait out the same outage one after another."""

LOADS_PER_DAY = 50_000
"""Load jobs that one process starts in a day at most, failed ones counted: half of a project's 100,000. A guard
against a loop that runs away, not a count of the project's: that would take dozens of calls to list its jobs."""

NO_RETRY: Any = None
"""Given to Google's client, whose own retries would hide how often a call was made and wait for ten minutes; the
client's types do not know that it may be none."""

TRANSIENT = frozenset(
    {
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
        "rateLimitExceeded",
        "quotaExceeded",
        "tableUnavailable",
    }
)
"""Reasons after which the same job may succeed."""

_CONFLICTS = ("aborted due to concurrent update", "Could not serialize access", "Transaction conflict")
"""Texts by which BigQuery tells a transaction that met another's; the last is a stand-in's."""

_BAD_IN_LABEL = re.compile(r"[^a-z0-9_-]")
_BAD_IN_ID = re.compile(r"[^A-Za-z0-9_-]")

_CALL_ERRORS = (api.GoogleAPIError, requests.RequestException, auth.TransportError)


class OutrunError(Exception):
    """Another writer has the job id, and with it the turn.

    Attributes:
        job_id: That writer's job.
        hidden: Whether it belongs to an account whose jobs these credentials may not look at.
    """

    def __init__(self, job_id: str, *, hidden: bool = False) -> None:
        super().__init__(job_id)
        self.job_id = job_id
        self.hidden = hidden


class UnsettledJobError(WarehouseBusyError):
    """A job was begun, or may have been, and how it ended is not known: what it reads must stay."""


class JobFailedError(WarehouseError):
    """A job ended with an error.

    Attributes:
        transient: Whether the same work may succeed later.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class Jobs:
    """Runs jobs of one dataset.

    Args:
        connection: Clients.
        maximum_bytes_billed: Bytes above which BigQuery refuses a query instead of charging for it; 0 for no guard.
        patience: Seconds after which a call or job that fails transiently is given up.
    """

    def __init__(self, connection: Connection, *, maximum_bytes_billed: int = 0, patience: float = PATIENCE) -> None:
        self._connection = connection
        self._maximum = maximum_bytes_billed
        self._patience = patience
        self._lock = threading.Lock()
        self._usage: dict[str, Usage] = {}
        self._loads: Counter[str] = Counter()
        self._outage: _Outage | None = None

    @property
    def connection(self) -> Connection:
        """The clients that the jobs use."""
        return self._connection

    # Counting.

    def usage(self) -> Mapping[str, Usage]:
        """What was used so far, by table; ``""`` for what concerns several."""
        with self._lock:
            return dict(self._usage)

    def _count(self, table: str, used: Usage) -> None:
        with self._lock:
            self._usage[table] = self._usage.get(table, Usage()) + used

    def _count_job(self, table: str, job: Any) -> None:  # noqa: ANN401 - any kind of job
        billed = getattr(job, "total_bytes_billed", None) or 0
        self._count(table, Usage(1, int(job.job_type == "load"), 0, billed, getattr(job, "slot_millis", None) or 0))

    def _count_load(self) -> None:
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        with self._lock:
            self._loads[day] += 1
            if self._loads[day] > LOADS_PER_DAY:
                raise WarehouseError(
                    f"{LOADS_PER_DAY} load jobs were started today, half of what BigQuery allows a project in a day: "
                    "write larger batches, or wait for tomorrow (UTC)."
                )

    # Calls.

    def call(self, what: str, function: Callable[[bigquery.Client], T], table: str = "") -> T:
        """One API call, tried again while that may help.

        Raises:
            google.api_core.exceptions.NotFound: There is no such thing.
            google.api_core.exceptions.Conflict: It exists already.
            google.api_core.exceptions.PreconditionFailed: It has changed meanwhile.
            WarehouseError: The service refuses, or does not answer.
        """
        self._refuse_in_outage(what)
        for wait in self.waits():
            try:
                self._count(table, Usage(calls=1))
                found = function(self._connection.client)
            except _CALL_ERRORS as error:
                if not _is_silence(error):
                    self._outage = None
                if isinstance(error, (api.NotFound, api.Conflict, api.PreconditionFailed)):
                    raise
                if wait is None or self._outage is not None or not _worth_repeating(error):
                    self._note_outage(error)
                    raise WarehouseError(f"{what} failed: {told(error)}.") from error
                log.info("%s: %s; trying again in %.1f s", what, told(error), wait)
                time.sleep(wait)
            except auth.GoogleAuthError as error:
                raise WarehouseError(
                    f"{what} failed: no usable Google credentials ({_line(str(error))}); run `gcloud auth "
                    "application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file."
                ) from error
            else:
                self._outage = None
                return found
        raise AssertionError("the last wait is None")

    def _note_outage(self, error: Exception) -> None:
        """Remember that nothing answers; who has no patience at all asks again of his own accord."""
        if self._patience and _is_silence(error):
            self._outage = _Outage(error, time.monotonic() + PROBE_SECONDS)

    def _refuse_in_outage(self, what: str) -> None:
        """Refuse a call while nothing answers, but for one now and then that looks whether it is over."""
        with self._lock:
            outage = self._outage
            if outage is None:
                return
            now = time.monotonic()
            if now >= outage.probe_at:
                self._outage = replace(outage, probe_at=now + PROBE_SECONDS)
                return
        raise WarehouseError(
            f"{what} was not tried: {told(outage.error)}, and {self._patience:.0f} seconds of asking again have not "
            "helped; refresh when BigQuery answers."
        ) from outage.error

    def waits(self) -> Iterator[float | None]:
        """Seconds to wait after each failed attempt; ``None`` when it was the last."""
        until = time.monotonic() + self._patience
        wait = FIRST_WAIT
        while True:
            now = time.monotonic()
            yield min(random.uniform(wait / 2, wait), max(0.0, until - now)) if now < until else None  # noqa: S311
            wait = min(2 * wait, LONGEST_WAIT)

    # Jobs.

    def query(self, text: str, *, what: str, table: str = "", purpose: str = "read") -> list[Any]:
        """Run a statement or script to its end and give its rows; see ``take``."""
        return self.take(text, list, what=what, table=table, purpose=purpose)

    def take(
        self,
        text: str,
        fetch: Callable[[bigquery.table.RowIterator], T],
        *,
        what: str,
        job_id: str = "",
        table: str = "",
        purpose: str = "read",
    ) -> T:
        """Run a statement or script to its end; attempts after transient failures have ids of their own.

        Args:
            text: GoogleSQL.
            fetch: Takes the rows, anew when the line fails meanwhile.
            what: What it does, for messages.
            job_id: Start of the job's id; by default a random one.
            table: The table that it is about, for labels and costs.
            purpose: One word, for labels.

        Raises:
            JobFailedError: It failed for good.
            WarehouseError: The service refuses, or does not answer.
        """
        base = job_id or new_job_id(purpose, table)
        for attempt, wait in enumerate(self.waits()):
            try:
                job = self._begin(text, f"{base}-{attempt}", what, table, purpose)
                return self._finish(job, what, table, fetch)
            except JobFailedError as error:
                if wait is None or not error.transient:
                    raise
                log.info("%s; trying again in %.1f s", error, wait)
                time.sleep(wait)
        raise AssertionError("the last wait is None")

    def once(self, text: str, *, what: str, job_id: str, table: str, purpose: str) -> None:
        """Run a script whose id only one writer can have.

        Raises:
            OutrunError: Another writer's job has the id.
            JobFailedError: It failed; nothing of its transaction stays.
            WarehouseError: The service refuses, or does not answer.
        """
        self._finish(self._begin(text, job_id, what, table, purpose), what, table, _nothing)

    def copy_once(self, source: str, target: str, *, what: str, job_id: str, table: str, purpose: str) -> None:
        """Put a table's rows, columns and partitions in the place of another's, by a job as ``once`` runs one."""
        token = uuid.uuid4().hex
        place = bigquery.DatasetReference(self._connection.project, self._connection.dataset)
        config = bigquery.CopyJobConfig(
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            labels={**labels(table, purpose, self._connection.dataset), "token": token},
        )

        def start(client: bigquery.Client) -> Any:  # noqa: ANN401 - any kind of job
            return client.copy_table(
                place.table(source),
                place.table(target),
                job_id=job_id,
                location=self._connection.location,
                job_config=config,
                retry=NO_RETRY,
                timeout=CALL_SECONDS,
            )

        self._finish(self._own(token, job_id, what, start), what, table, _nothing)

    def wait(self, job_id: str) -> str | None:
        """Wait for another writer's job; gives its error, ``None`` when it succeeded."""
        until = time.monotonic() + JOB_SECONDS
        pause = FIRST_WAIT / 4
        while True:
            seen = self.call("Waiting for another writer", lambda client: self._get(client, job_id))
            if seen.state == "DONE":
                return str(seen.error_result.get("message", "failed")) if seen.error_result else None
            if time.monotonic() > until:
                raise WarehouseBusyError(
                    f"Another writer's job {job_id} has been running for {JOB_SECONDS / 60:.0f} minutes: look at "
                    "it in the console, or cancel it there, then refresh."
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_WAIT / 10)

    def load(
        self,
        file: Path,
        table: str,
        schema: Sequence[bigquery.SchemaField],
        *,
        what: str,
        job_id: str,
        about: str,
    ) -> None:
        """Load a Parquet file into an empty table, by column name, whole or not at all.

        Raises:
            JobFailedError: It failed for good.
            WarehouseError: The service refuses, or does not answer.
        """
        connection = self._connection
        reference = bigquery.DatasetReference(connection.project, connection.dataset).table(table)
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=list(schema),
            write_disposition=bigquery.WriteDisposition.WRITE_EMPTY,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            labels=labels(about, "stage", connection.dataset),
        )

        def start(client: bigquery.Client, name: str) -> Any:  # noqa: ANN401 - any kind of job
            with file.open("rb") as stream:
                return client.load_table_from_file(
                    stream,
                    reference,
                    size=file.stat().st_size,
                    job_id=name,
                    location=connection.location,
                    job_config=config,
                    timeout=CALL_SECONDS,
                )

        for attempt, wait in enumerate(self.waits()):
            name = f"{job_id}-{attempt}"
            self._count_load()
            try:
                self._finish(self._existing_or(name, what, partial(start, name=name)), what, about, _nothing)
                return
            except JobFailedError as error:
                if wait is None or not error.transient:
                    raise
                log.info("%s; trying again in %.1f s", error, wait)
                time.sleep(wait)

    def _begin(self, text: str, job_id: str, what: str, table: str, purpose: str) -> Any:  # noqa: ANN401
        token = uuid.uuid4().hex
        config = bigquery.QueryJobConfig(
            labels={**labels(table, purpose, self._connection.dataset), "token": token},
            use_query_cache=False,
            default_dataset=f"{self._connection.project}.{self._connection.dataset}",
        )
        if self._maximum:
            config.maximum_bytes_billed = self._maximum

        def start(client: bigquery.Client) -> Any:  # noqa: ANN401 - any kind of job
            return client.query(
                text,
                job_config=config,
                job_id=job_id,
                location=self._connection.location,
                retry=NO_RETRY,
                job_retry=None,
                timeout=CALL_SECONDS,
            )

        return self._own(token, job_id, what, start)

    def _own(self, token: str, job_id: str, what: str, start: Callable[[bigquery.Client], T]) -> T | Any:  # noqa: ANN401
        """A job that bears our token.

        Raises:
            OutrunError: Another writer's job has the id.
        """
        try:
            job: Any = self._existing_or(job_id, what, start)
        except WarehouseError as error:
            if isinstance(error, JobFailedError) or isinstance(error.__cause__, api.ClientError):
                raise
            raise UnsettledJobError(_still(error, job_id)) from error.__cause__
        if job.labels.get("token") != token:
            raise OutrunError(job_id)
        return job

    def _existing_or(self, job_id: str, what: str, start: Callable[[bigquery.Client], T]) -> T | Any:  # noqa: ANN401
        """A new job, or the one that has the id: a call whose answer was lost may have started it."""
        try:
            return self.call(what, start)
        except api.Conflict:
            return self._theirs(job_id, what)
        except api.NotFound as error:
            raise JobFailedError(f"{what} failed: {told(error)}.", transient=False) from error

    def _theirs(self, job_id: str, what: str) -> Any:  # noqa: ANN401 - any kind of job
        """The job that has an id already; one that we may not see is not ours."""
        try:
            return self.call(what, lambda client: self._get(client, job_id))
        except WarehouseError as error:
            if isinstance(error.__cause__, api.Forbidden) and not _reasons(error.__cause__) & TRANSIENT:
                raise OutrunError(job_id, hidden=True) from error
            raise

    def _get(self, client: bigquery.Client, job_id: str) -> Any:  # noqa: ANN401 - any kind of job
        return client.get_job(job_id, location=self._connection.location, retry=NO_RETRY, timeout=CALL_SECONDS)

    def _finish(self, job: Any, what: str, table: str, fetch: Callable[[Any], T]) -> T:  # noqa: ANN401
        until = time.monotonic() + JOB_SECONDS
        with self._told(job, what):
            try:
                while True:
                    try:
                        return self.call(what, lambda _: fetch(_result(job)), table)
                    except _RunningError:
                        if time.monotonic() > until:
                            raise UnsettledJobError(
                                f"{what} failed: its job {job.job_id} has been running for {JOB_SECONDS / 60:.0f} "
                                "minutes: look at it in the console, or cancel it there, then refresh."
                            ) from None
                        log.info("%s: job %s goes on", what, job.job_id)
            except WarehouseError as error:
                if isinstance(error, UnsettledJobError) or job.state == "DONE":
                    raise
                raise UnsettledJobError(_still(error, job.job_id)) from error.__cause__
            finally:
                self._count_job(table, job)

    @contextmanager
    def _told(self, job: Any, what: str) -> Iterator[None]:  # noqa: ANN401 - any kind of job
        try:
            yield
        except _JobError as error:
            raise JobFailedError(
                f"{what} failed: {told(error.cause)} (job {job.job_id}).", transient=_is_transient(error.cause)
            ) from error.cause
        except (api.NotFound, api.Conflict, api.PreconditionFailed) as error:
            raise JobFailedError(f"{what} failed: {told(error)} (job {job.job_id}).", transient=False) from error


class _JobError(Exception):
    """The job's own error, told apart from those of asking about it."""

    def __init__(self, cause: api.GoogleAPIError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _RunningError(Exception):
    """The job goes on."""


@dataclass(frozen=True)
class _Outage:
    """Nothing answers: what was met, and when to look again (by the monotonic clock)."""

    error: Exception
    probe_at: float


def _result(job: Any) -> Any:  # noqa: ANN401 - rows of a query, else the job
    arguments: dict[str, Any] = {"retry": NO_RETRY, "timeout": POLL_SECONDS}
    if job.job_type == "query":
        arguments["job_retry"] = None
    try:
        return job.result(**arguments)
    except futures.TimeoutError as error:
        # The client says the same of a job that goes on and of an answer that does not come.
        if isinstance(error.__cause__, requests.RequestException):
            raise error.__cause__ from None
        raise _RunningError from error
    except _CALL_ERRORS as error:
        if isinstance(error, api.GoogleAPICallError) and job.error_result:
            raise _JobError(error) from error
        raise


def _still(error: WarehouseError, job_id: str) -> str:
    """A message of a job that may go on."""
    return f"{str(error).removesuffix('.')} (job {job_id} may still run)."


def _nothing(_: object) -> None:
    """Takes no rows."""


def labels(table: str, purpose: str, schema: str) -> dict[str, str]:
    """Labels of a job: who, about which table of which BigQuery dataset, to what end."""
    return {"owner": OWNER, "schema": label(schema), "table": label(table), "purpose": purpose}


def label(text: str) -> str:
    """A text as a label's value."""
    return _BAD_IN_LABEL.sub("_", text.lower())[:63]


def new_job_id(*words: str) -> str:
    """A job id that no other has, beginning with our name and the words."""
    return safe_job_id(*words, uuid.uuid4().hex)


def safe_job_id(*words: str) -> str:
    """A job id from words: the same for the same words."""
    return _BAD_IN_ID.sub("_", "-".join((OWNER, *(word for word in words if word))))


def told(error: Exception) -> str:
    """An error in one line, without addresses and ids that change from call to call."""
    text = error.message if isinstance(error, api.GoogleAPICallError) else str(error)
    if isinstance(error, requests.ConnectionError):
        return "BigQuery cannot be reached"
    if isinstance(error, requests.Timeout):
        return "BigQuery did not answer in time"
    return _line(text).removesuffix(".")


def _line(text: str) -> str:
    text = re.sub(r"^(?:GET|POST|PUT|PATCH|DELETE) \S+: ", "", text.strip())
    text = re.sub(r"; reason: .*", "", text.splitlines()[0] if text else "no reason given")
    return re.sub(r"\s+", " ", text)[:300]


def _reasons(error: Exception) -> set[str]:
    found = getattr(error, "errors", None) or []
    return {str(e.get("reason")) for e in found if isinstance(e, dict)}


def _is_transient(error: Exception) -> bool:
    return (
        bool(_reasons(error) & TRANSIENT)
        or isinstance(error, (api.ServerError, api.TooManyRequests))
        or any(sign in str(error) for sign in _CONFLICTS)
    )


def is_refused(error: Exception) -> bool:
    """Whether something was never sent, or refused for good by what it was."""
    if isinstance(error, JobFailedError):
        return not error.transient
    return not isinstance(error, WarehouseError) or isinstance(error.__cause__, api.BadRequest)


def _is_silence(error: Exception) -> bool:
    """Whether no answer came, or none from BigQuery itself."""
    return isinstance(error, (requests.RequestException, auth.TransportError, api.RetryError, api.ServerError))


def _worth_repeating(error: Exception) -> bool:
    return isinstance(error, (requests.RequestException, auth.TransportError, api.RetryError)) or _is_transient(error)
