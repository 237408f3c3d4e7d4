"""Export and import limits resolved: what the declarations of a unit come to, by Elexon's published rules.

Arrow in, Arrow out: declarations as IRIS sends them, rows of the resolved tables as the catalogue describes them.
Nothing here reads or writes a store.

The rules ("Logic for Creating a Resolved Position for Maximum Export Limits", elexon-data/insights-docs, May 2025):

- Every instant of a unit belongs to the declaration with the greatest ``notificationSequence``; of equal ones to that
  with the later ``notificationTime``. In which order declarations arrive does not matter.
- What a declaration keeps of its span is cut in time only. Both of its levels stay as declared and are never
  interpolated, so a slope may be squeezed, stretched or repeated, and every level can be traced to a declared one.
- Pieces are cut where settlement periods meet: the published diagram has a declaration "split across settlement
  boundary", and the API's rows carry the settlement period that they lie in.

What the rules leave open is decided here so that the answer depends on the declarations alone:

- Declarations that equal each other in unit, times, levels, sequence and notification time are one, however many
  messages repeat them.
- Of declarations with equal sequence and notification time the shorter one stands, because a part says the same more
  exactly than the whole; then the one that begins later; then the one with the greater levels.
- A declaration that ends where it begins, or before, covers no instant and changes nothing.
- Pieces of one declaration that meet inside a period are one row; those of different declarations stay apart, although
  the rules would allow to join them where sequence and levels agree.

That the API's own answer is the same is not proved: no live message has been compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa

from energy_assets import arrow, calendar
from energy_assets.catalogue.derived import DECLARED_AFTER, DECLARED_AHEAD

DECLARED_COLUMNS = (
    "nationalGridBmUnit",
    "bmUnit",
    "timeFrom",
    "timeTo",
    "levelFrom",
    "levelTo",
    "notificationTime",
    "notificationSequence",
    "_enqueued_utc",
    "_partition_day",
)
"""What is read of a table of raw declarations. The settlement day and period of a raw row are not: a redeclaration may
span several, so only its times say where it belongs."""

RESOLVED_SCHEMA = pa.schema(
    [
        ("settlement_date", pa.date32()),
        ("settlement_period", pa.int64()),
        ("national_grid_bm_unit", pa.string()),
        ("bm_unit", pa.string()),
        ("from_utc", pa.timestamp("us")),
        ("to_utc", pa.timestamp("us")),
        ("level_from_mw", pa.float64()),
        ("level_to_mw", pa.float64()),
        ("notification_utc", pa.timestamp("us")),
        ("notification_sequence", pa.int64()),
        ("declared_from_utc", pa.timestamp("us")),
        ("declared_to_utc", pa.timestamp("us")),
        ("enqueued_utc", pa.timestamp("us")),
    ]
)
"""Rows of a resolved position; instants are UTC without a zone, spans half-open."""

_HALF_HOUR = "CREATE TEMP MACRO half_hour(instant) AS epoch_us(instant) // 1800000000"
"""Number of the half hour of an instant. Settlement periods begin on half hours of UTC, clock changes included."""

_QUERY = """
WITH days AS (
    SELECT unnest(CAST($days AS DATE[])) AS day, unnest(CAST($begins AS TIMESTAMP[])) AS begins,
        unnest(CAST($periods AS BIGINT[])) AS periods
), periods AS (
    SELECT day, n + 1 AS period, begins + n * INTERVAL 30 MINUTE AS start,
        half_hour(begins) + n AS half
    FROM (SELECT day, begins, unnest(range(periods)) AS n FROM days)
), valid AS (
    SELECT coalesce("nationalGridBmUnit", "bmUnit") AS unit, "nationalGridBmUnit" AS neso, "bmUnit" AS elexon,
        "timeFrom" AS t0, "timeTo" AS t1, "levelFrom" AS l0, "levelTo" AS l1, "notificationSequence" AS sequence,
        "notificationTime" AS notified, _enqueued_utc AS enqueued, _partition_day AS sent
    FROM declared WHERE "timeFrom" < "timeTo" AND coalesce("nationalGridBmUnit", "bmUnit") IS NOT NULL
), spread AS (
    SELECT valid.*, unnest(range(half_hour(greatest(t0, $first)),
        half_hour(least(t1, $last) - INTERVAL 1 MICROSECOND) + 1)) AS half
    FROM valid WHERE t0 < $last AND t1 > $first
), pieces AS (
    SELECT half, day, period, unit, t0, t1, l0, l1, sequence, notified, max(neso) AS neso, max(elexon) AS elexon,
        min(enqueued) AS enqueued, greatest(t0, start) AS begins, least(t1, start + INTERVAL 30 MINUTE) AS ends
    FROM spread JOIN periods USING (half) WHERE sent BETWEEN day - $ahead AND day + $after
    GROUP BY ALL
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY half, unit ORDER BY sequence DESC NULLS LAST, notified DESC NULLS LAST,
        t1 - t0, t0 DESC, l0 DESC NULLS LAST, l1 DESC NULLS LAST) AS place
    FROM pieces
), steps AS (
    SELECT half, unit, moment AS begins, lead(moment) OVER (PARTITION BY half, unit ORDER BY moment) AS ends
    FROM (SELECT half, unit, begins AS moment FROM ranked UNION SELECT half, unit, ends FROM ranked)
), held AS (
    SELECT half, unit, S.begins, S.ends, min(place) AS place FROM steps S JOIN ranked R USING (half, unit)
    WHERE R.begins <= S.begins AND S.ends <= R.ends GROUP BY ALL
), turns AS (
    SELECT *, coalesce(lag(place) OVER before <> place OR lag(ends) OVER before <> begins, TRUE) AS turned
    FROM held WINDOW before AS (PARTITION BY half, unit ORDER BY begins)
), runs AS (
    SELECT *, count(*) FILTER (turned) OVER (PARTITION BY half, unit ORDER BY begins) AS run FROM turns
), joined AS (
    SELECT half, unit, place, min(begins) AS begins, max(ends) AS ends FROM runs GROUP BY half, unit, place, run
)
SELECT day AS settlement_date, period AS settlement_period, neso AS national_grid_bm_unit, elexon AS bm_unit,
    J.begins AS from_utc, J.ends AS to_utc, CAST(l0 AS DOUBLE) AS level_from_mw, CAST(l1 AS DOUBLE) AS level_to_mw,
    notified AS notification_utc, sequence AS notification_sequence, t0 AS declared_from_utc, t1 AS declared_to_utc,
    enqueued AS enqueued_utc
FROM joined J JOIN ranked R USING (half, unit, place) ORDER BY unit, J.begins
"""

_TOUCHED = """
SELECT day FROM (SELECT unnest(CAST($days AS DATE[])) AS day, unnest(CAST($begins AS TIMESTAMP[])) AS begins,
    unnest(CAST($ends AS TIMESTAMP[])) AS ends)
WHERE EXISTS (SELECT 1 FROM declared WHERE "timeFrom" < "timeTo" AND "timeFrom" < ends AND "timeTo" > begins)
ORDER BY day
"""

_BEYOND = """
SELECT count(*) FROM declared WHERE "timeFrom" < "timeTo" AND ("timeFrom" < $first OR "timeTo" > $last)
"""


def resolve(declared: pa.Table, days: Sequence[date]) -> pa.Table:
    """The resolved position of settlement days.

    A declaration counts for a settlement day when it was sent at most ``DECLARED_AHEAD`` before it and
    ``DECLARED_AFTER`` after it, so the answer for a day is the same alone and among others.

    Args:
        declared: Raw declarations of any units with ``DECLARED_COLUMNS`` (by name; instants UTC without a zone,
            ``_partition_day`` the day of sending), those that concern other days included. All that were sent on
            ``sent_days(days)`` must be there.
        days: Settlement days wanted.

    Returns:
        ``RESOLVED_SCHEMA``, ordered by unit and time. A unit has no row for times about which nothing was declared.
    """
    wanted = sorted(set(days))
    if not wanted:
        return arrow.empty(RESOLVED_SCHEMA)
    bounds = [calendar.day_bounds_utc(day) for day in wanted]
    parameters = {
        "days": wanted,
        "begins": [_naive(begin) for begin, _ in bounds],
        "periods": [calendar.periods_in_day(day) for day in wanted],
        "first": _naive(bounds[0][0]),
        "last": _naive(bounds[-1][1]),
        "ahead": DECLARED_AHEAD.days,
        "after": DECLARED_AFTER.days,
    }
    with _engine(declared.select(DECLARED_COLUMNS)) as connection:
        return connection.sql(_QUERY, params=parameters).to_arrow_table().cast(RESOLVED_SCHEMA)


def sent_days(days: Sequence[date]) -> tuple[date, date]:
    """First and last day on which a declaration about any of the settlement days can have been sent, both inclusive."""
    return min(days) - DECLARED_AHEAD, max(days) + DECLARED_AFTER


def touched_days(declared: pa.Table, sent: date) -> tuple[list[date], int]:
    """The settlement days that the declarations sent on one day concern.

    Args:
        declared: All declarations sent on the day, with ``timeFrom`` and ``timeTo``.
        sent: The day of sending.

    Returns:
        The days, ascending, and how many declarations reach further than ``DECLARED_AFTER`` back or ``DECLARED_AHEAD``
        forward from the day of sending, where they do not count.
    """
    near = list(calendar.days_between(sent - DECLARED_AFTER, sent + DECLARED_AHEAD))
    bounds = [calendar.day_bounds_utc(day) for day in near]
    begins, ends = ([_naive(bound[side]) for bound in bounds] for side in (0, 1))
    with _engine(declared.select(["timeFrom", "timeTo"])) as connection:
        found = connection.execute(_TOUCHED, {"days": near, "begins": begins, "ends": ends}).fetchall()
        beyond = connection.execute(_BEYOND, {"first": begins[0], "last": ends[-1]}).fetchall()
    return [day for (day,) in found], int(beyond[0][0])


@contextmanager
def _engine(declared: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """An embedded database for one question about ``declared``."""
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET TimeZone='UTC'")
        connection.execute(_HALF_HOUR)
        connection.register("declared", declared)
        yield connection
    finally:
        connection.close()


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
