"""The turn at a table's next commit: of all writers that saw the same state one gets to run its transaction.

The transaction's job id is made from the generation that it is to bring about, and a job id runs once. Ids whose
transaction failed are stepped over. What a transaction says, and what is compared before it, is not known here.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator

from energy_assets.errors import WarehouseBusyError
from energy_assets.warehouse import service
from energy_assets.warehouse.bigquery.dialect import BIGQUERY
from energy_assets.warehouse.bigquery.jobs import (
    FIRST_WAIT,
    JOB_SECONDS,
    LONGEST_WAIT,
    JobFailedError,
    Jobs,
    OutrunError,
    safe_job_id,
)

log = logging.getLogger(__name__)

MOVED = "energy_assets: the table has changed since it was compared"
"""What a transaction says when it is not to happen."""

STEPS_MOST = 1_000
"""Failed transactions of one generation that are stepped over, each by two calls; each was tried and left nothing."""


def expect(condition: str) -> str:
    """A statement that ends a transaction unless the condition holds.

    A query, because these are what Google's list of statements in a transaction names; ASSERT is not on it.
    """
    return f"SELECT IF({condition}, 1, ERROR({BIGQUERY.text(MOVED)}))"


def newest_generation(schema: str, table_id: str) -> str:
    """A query for the number of a table's newest commit, 0 before the first; it reads the table's own slot only."""
    commits = BIGQUERY.qualified(schema, service.COMMITS)
    own = f"slot = {service.slot_of(table_id)} AND table_id = {BIGQUERY.text(table_id)}"
    return f"SELECT coalesce(max(generation), 0) AS generation FROM {commits} WHERE {own}"


class Fence:
    """One writer's turns at the commits of one table.

    Args:
        jobs: Runs jobs.
        table: The table's name.
        table_id: Its identity, or that of whatever is counted in ``_commits``.
        what: What is to be done, for messages.
    """

    def __init__(self, jobs: Jobs, table: str, table_id: str, what: str) -> None:
        self._jobs = jobs
        self._table = table
        self._table_id = table_id
        self._what = what
        self._generation = -1
        self._begin()

    def _begin(self) -> None:
        self._attempt = 0
        self._failed = 0
        self._waits: Iterator[float | None] = self._jobs.waits()
        self._hidden_since: float | None = None
        self._pause = FIRST_WAIT

    def run(self, generation: int, send: Callable[[str], None]) -> bool:
        """Run the transaction that follows a generation; ``False`` where the state has to be looked at again.

        Args:
            generation: Number of the table's newest commit, as just read.
            send: Runs the transaction under a job id, as ``Jobs.once`` does.

        Raises:
            JobFailedError: It failed for good, or again and again.
            WarehouseBusyError: Another writer's job does not end, or cannot be looked at.
            WarehouseError: The service refuses, or does not answer.
        """
        if generation != self._generation:
            self._generation = generation
            self._begin()
        while self._attempt < STEPS_MOST:
            try:
                send(self._job_id())
                return True
            except OutrunError as other:
                if other.hidden:
                    self._wait_for_hidden(other.job_id)
                    return False
                failed = self._jobs.wait(other.job_id)
                # Also past one that succeeded: if its commit is there, the generation is another; if it has been taken
                # back since (the dataset restored), nobody could commit any more.
                self._attempt += 1
                if failed is None:
                    return False
            except JobFailedError as error:
                self._attempt += 1
                if MOVED in str(error):
                    return False
                if not error.transient:
                    raise
                self._back_off(error)
        raise WarehouseBusyError(
            f"{self._what} failed: the last {STEPS_MOST} transactions of the table have failed; look at the jobs named "
            f"{self._job_id().rpartition('-')[0]}-… in the console, mend what they say, then refresh."
        )

    def _job_id(self) -> str:
        # With the dataset: a copy of it has tables of the same identity.
        return safe_job_id(
            "commit",
            self._jobs.connection.dataset,
            self._table,
            self._table_id,
            str(self._generation + 1),
            str(self._attempt),
        )

    def _back_off(self, error: JobFailedError) -> None:
        self._failed += 1
        wait = next(self._waits)
        if wait is None:
            raise JobFailedError(
                f"{self._what} failed {self._failed} times, and no other writer was faster; the last time: {error}",
                transient=True,
            ) from error
        log.info("%s; trying again in %.1f s", error, wait)
        time.sleep(wait)

    def _wait_for_hidden(self, job_id: str) -> None:
        """Let another account's job get on: whether it has ended shows in the table only."""
        now = time.monotonic()
        if self._hidden_since is None:
            self._hidden_since = now
        if now - self._hidden_since > JOB_SECONDS:
            raise WarehouseBusyError(
                f"{self._what} failed: the job {job_id} of another account has the turn and does not end, or has "
                "failed, which these credentials may not see: grant them bigquery.jobs.get on the project "
                "(roles/bigquery.resourceViewer has it), then refresh."
            )
        time.sleep(random.uniform(self._pause / 2, self._pause))  # noqa: S311
        self._pause = min(2 * self._pause, LONGEST_WAIT)
