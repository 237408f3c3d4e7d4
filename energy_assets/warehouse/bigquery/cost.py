"""What BigQuery has charged for: our jobs by table and day, and bytes turned into pounds.

Only reading and adding up belongs here; jobs are labelled in ``jobs``. Google's libraries load when jobs are read, so
that the arithmetic can be had without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from energy_assets.errors import WarehouseError

if TYPE_CHECKING:
    from google.cloud import bigquery

    from energy_assets.warehouse.bigquery.jobs import Jobs
    from energy_assets.warehouse.interface import Usage

TIB = 2**40

KEPT = timedelta(days=180)
"""How long BigQuery remembers jobs."""

PAGE = 1000
"""Jobs that one call lists, which is the most."""

LOAD_JOBS_PER_DAY = 100_000
"""Load jobs that BigQuery allows a project in a day."""

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Line:
    """What the jobs about one table came to on one day.

    Attributes:
        day: Day on which they were started, UTC.
        table: The table; empty for jobs about several.
        jobs: Jobs.
        loads: Load jobs among them, which are free.
        bytes_billed: Bytes that on-demand pricing charges.
        slot_ms: Slot time, milliseconds.
    """

    day: date
    table: str
    jobs: int = 0
    loads: int = 0
    bytes_billed: int = 0
    slot_ms: int = 0

    @property
    def slot_hours(self) -> float:
        """Slot time in hours."""
        return self.slot_ms / HOUR_MS

    def pounds(self, price_per_tib: float) -> float:
        """What the bytes cost."""
        return self.bytes_billed / TIB * price_per_tib


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of some days.

    Attributes:
        lines: By day, then table.
        everyone: Whether jobs of all users were seen, or those of these credentials only.
    """

    lines: Sequence[Line]
    everyone: bool


def read_costs(jobs: Jobs, from_day: date, to_day: date) -> Costs:
    """Our jobs of the days ``from_day`` to ``to_day`` (UTC), both inclusive; a script counts as one job.

    Of several datasets in one project only this one's jobs count, and those that do not say which they were for.

    Raises:
        WarehouseError: BigQuery refuses or does not answer.
    """
    from google.api_core import exceptions as api

    try:
        return Costs(_listed(jobs, from_day, to_day, everyone=True), everyone=True)
    except WarehouseError as error:
        if not isinstance(error.__cause__, api.Forbidden):
            raise
    try:
        return Costs(_listed(jobs, from_day, to_day, everyone=False), everyone=False)
    except WarehouseError as error:
        if not isinstance(error.__cause__, api.Forbidden):
            raise
        raise WarehouseError(
            f"The credentials may not list the jobs of project {jobs.connection.project}: grant "
            "roles/bigquery.resourceViewer on it."
        ) from error.__cause__


def _listed(jobs: Jobs, from_day: date, to_day: date, *, everyone: bool) -> list[Line]:
    from energy_assets.warehouse.bigquery.jobs import CALL_SECONDS, NO_RETRY

    begin = datetime.combine(from_day, time(), UTC)
    end = datetime.combine(to_day + timedelta(days=1), time(), UTC)

    def listed(client: bigquery.Client) -> list[Line]:
        found = client.list_jobs(
            all_users=everyone or None,
            min_creation_time=begin,
            max_creation_time=end,
            page_size=PAGE,
            retry=NO_RETRY,
            timeout=CALL_SECONDS,
        )
        # The end of the range belongs to it for BigQuery.
        own = (job for job in found if begin <= job.created < end)
        return summed(line for job in own if (line := line_of(job, jobs.connection.dataset)) is not None)

    return jobs.call("Listing the project's jobs", listed)


def line_of(job: Any, schema: str) -> Line | None:  # noqa: ANN401 - any kind of job
    """What one job came to, or ``None`` for one that is not ours, or another dataset's."""
    from energy_assets.warehouse.bigquery.jobs import OWNER, label

    labels = job.labels or {}
    if labels.get("owner") != OWNER or labels.get("schema", label(schema)) != label(schema):
        return None
    return Line(
        job.created.astimezone(UTC).date(),
        labels.get("table", ""),
        jobs=1,
        loads=int(job.job_type == "load"),
        bytes_billed=getattr(job, "total_bytes_billed", None) or 0,
        slot_ms=getattr(job, "slot_millis", None) or 0,
    )


def summed(lines: Iterable[Line]) -> list[Line]:
    """One line for each day and table, in this order."""
    sums: dict[tuple[date, str], Line] = {}
    for line in lines:
        key = (line.day, line.table)
        sums[key] = _plus(sums.get(key, Line(*key)), line)
    return [sums[key] for key in sorted(sums)]


def by_table(lines: Sequence[Line]) -> list[Line]:
    """One line for each table, dearest first; its day is the first of all."""
    if not lines:
        return []
    first = min(line.day for line in lines)
    sums: dict[str, Line] = {}
    for line in lines:
        sums[line.table] = _plus(sums.get(line.table, Line(first, line.table)), line)
    return sorted(sums.values(), key=lambda line: (-line.bytes_billed, -line.jobs, line.table))


def by_day(lines: Sequence[Line]) -> list[Line]:
    """One line for each day, without a table."""
    sums: dict[date, Line] = {}
    for line in lines:
        sums[line.day] = _plus(sums.get(line.day, Line(line.day, "")), line)
    return [sums[day] for day in sorted(sums)]


def total(lines: Sequence[Line]) -> Line:
    """Everything as one line; its day and table mean nothing."""
    whole = Line(date.min, "")
    for line in lines:
        whole = _plus(whole, line)
    return whole


def _plus(sum_: Line, line: Line) -> Line:
    return Line(
        sum_.day,
        sum_.table,
        sum_.jobs + line.jobs,
        sum_.loads + line.loads,
        sum_.bytes_billed + line.bytes_billed,
        sum_.slot_ms + line.slot_ms,
    )


def numbers(used: Usage | None) -> dict[str, float]:
    """What a run's jobs came to, for its metadata; nothing where nothing was used."""
    if used is None:
        return {}
    found = {"bytes_billed": used.bytes_billed, "slot_seconds": round(used.slot_ms / 1000, 1), "jobs": used.jobs}
    return {name: value for name, value in found.items() if value}


def whole(usage: Mapping[str, Usage]) -> dict[str, float]:
    """The same of everything together, with the calls and load jobs that limits are set on."""
    used = list(usage.values())
    found = {
        "jobs": sum(u.jobs for u in used),
        "load_jobs": sum(u.loads for u in used),
        "api_calls": sum(u.calls for u in used),
        "bytes_billed": sum(u.bytes_billed for u in used),
        "slot_seconds": round(sum(u.slot_ms for u in used) / 1000, 1),
    }
    return found if used else {}
