"""The warehouse's own tables: receipts, quarantine, rows per day, table identities, schema version.

Their shapes, the numbered migrations that make them, and receipts as rows belong here; how a store runs the statements
does not. All are append-only: the newest row of a subject counts, so that no two writers contend for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from energy_assets.errors import WarehouseError
from energy_assets.ingest.model import COVERING, Gap, Receipt, Seen, Window
from energy_assets.warehouse.sql import Dialect, StoredType

META = "_meta"
RECEIPTS = "_receipts"
RECEIPTS_LATEST = "_receipts_latest"
QUARANTINE = "_quarantine"
DAYS = "_days"
TABLES = "_tables"
ORIGIN = "_origin"
COMMITS = "_commits"
GAPS = "_gaps"
GAPS_LATEST = "_gaps_latest"
COMPLETENESS = "completeness"

COUNTED = ("fetched", "inserted", "updated", "unchanged", "duplicate", "boundary", "late", "quarantined", "withdrawn")
"""The counts of a receipt, each a column."""

RECEIPT_COLUMNS: tuple[tuple[str, StoredType], ...] = (
    ("receipt_id", "text"),
    ("dataset", "text"),
    ("table_name", "text"),
    ("table_id", "text"),
    ("window_from_utc", "instant"),
    ("window_to_utc", "instant"),
    ("branch", "text"),
    ("status", "text"),
    ("requested_utc", "instant"),
    ("recorded_utc", "instant"),
    ("run_id", "text"),
    ("url", "text"),
    ("http_status", "integer"),
    ("body_sha256", "text"),
    ("body_bytes", "integer"),
    ("attempts", "integer"),
    *((name, "integer") for name in COUNTED),
    ("new_columns", "texts"),
    ("missing_columns", "texts"),
    ("reason", "text"),
    ("days", "dates"),
)
"""One row per window asked for. ``table_id`` is the identity of the table written to, empty where none was there yet;
``days`` the settlement days of the answer's rows."""

QUARANTINE_COLUMNS: tuple[tuple[str, StoredType], ...] = (
    ("dataset", "text"),
    ("receipt_id", "text"),
    ("window_from_utc", "instant"),
    ("window_to_utc", "instant"),
    ("recorded_utc", "instant"),
    ("row_number", "integer"),
    ("reason", "text"),
    ("raw", "text"),
)

DAYS_COLUMNS: tuple[tuple[str, StoredType], ...] = (
    ("table_name", "text"),
    ("table_id", "text"),
    ("day", "date"),
    ("rows", "integer"),
    ("seq", "integer"),
    ("lost_utc", "instant"),
    ("recorded_utc", "instant"),
)
"""Rows that a settlement day held after a commit; the greatest ``seq`` of a day counts. ``lost_utc`` is set by the
write that found fewer rows than the record before it said: receipts older than that moment no longer vouch for the
day."""

TABLES_COLUMNS: tuple[tuple[str, StoredType], ...] = (
    ("table_name", "text"),
    ("table_id", "text"),
    ("dataset", "text"),
    ("natural_key", "text"),
    ("views", "text"),
    ("recorded_utc", "instant"),
)
"""Identity of each stored table, with the natural key it is merged by and a digest of its views and functions, so
that a change of either in the catalogue is noticed; the newest row of a table counts."""

ORIGIN_COLUMNS: tuple[tuple[str, StoredType], ...] = (("kind", "text"), ("claimed_utc", "instant"))
"""Where the store's rows come from, ``provider`` or ``sandbox``; one row."""

COMMITS_COLUMNS: tuple[tuple[str, StoredType], ...] = (
    ("slot", "integer"),
    ("table_name", "text"),
    ("table_id", "text"),
    ("generation", "integer"),
    ("run_id", "text"),
    ("recorded_utc", "instant"),
)
"""Commits that changed a table, counted from 1, in a store that several processes write to at once: each commit takes
the number after the greatest, and only one can have it. ``slot`` is made from the table's identity and is the table's
own as a rule, so that a store can keep the commits of each apart."""

SLOTS = 4_000
"""Slots of commits: as many as a store may partition by, many times the number of tables."""

GAPS_COLUMNS: tuple[tuple[str, StoredType], ...] = (
    ("dataset", "text"),
    ("table_name", "text"),
    ("window_from_utc", "instant"),
    ("window_to_utc", "instant"),
    ("branch", "text"),
    ("why", "text"),
    ("since_utc", "instant"),
    ("opened_utc", "instant"),
    ("closed_utc", "instant"),
    ("recorded_utc", "instant"),
    ("note", "text"),
)
"""What is missing, each time that something about it changes; of one table, branch and beginning the newest row
counts."""

META_COLUMNS: tuple[tuple[str, StoredType], ...] = (("version", "integer"), ("applied_utc", "instant"))


@dataclass(frozen=True)
class Migration:
    """One numbered step of the service tables' schema.

    Attributes:
        version: Number, counting from 1 without gaps.
        statements: Makes the step's statements for a dialect and schema.
    """

    version: int
    statements: Callable[[Dialect, str], Sequence[str]]


def _first(dialect: Dialect, schema: str) -> list[str]:
    tables = (
        (RECEIPTS, RECEIPT_COLUMNS),
        (QUARANTINE, QUARANTINE_COLUMNS),
        (DAYS, DAYS_COLUMNS),
        (TABLES, TABLES_COLUMNS),
        (ORIGIN, ORIGIN_COLUMNS),
    )
    statements = [_made(dialect, schema, n, c) for n, c in tables]
    names = dialect.identifiers([name for name, _ in RECEIPT_COLUMNS], "R")
    newest = (
        f"SELECT {names} FROM {dialect.qualified(schema, RECEIPTS)} R WHERE TRUE QUALIFY row_number() OVER "
        f"(PARTITION BY R.table_name, R.window_from_utc, R.window_to_utc, R.branch "
        f"ORDER BY R.recorded_utc DESC, R.receipt_id DESC) = 1"
    )
    return [*statements, f"CREATE OR REPLACE VIEW {dialect.qualified(schema, RECEIPTS_LATEST)} AS {newest}"]


def _second(dialect: Dialect, schema: str) -> list[str]:
    return [_made(dialect, schema, COMMITS, COMMITS_COLUMNS)]


def _third(dialect: Dialect, schema: str) -> list[str]:
    names = dialect.identifiers([name for name, _ in GAPS_COLUMNS], "G")
    newest = (
        f"SELECT {names} FROM {dialect.qualified(schema, GAPS)} G WHERE TRUE QUALIFY row_number() OVER "
        f"(PARTITION BY G.table_name, G.branch, G.window_from_utc "
        f"ORDER BY G.recorded_utc DESC, G.window_to_utc DESC, G.why) = 1"
    )
    return [
        _made(dialect, schema, GAPS, GAPS_COLUMNS),
        f"CREATE OR REPLACE VIEW {dialect.qualified(schema, GAPS_LATEST)} AS {newest}",
        f"CREATE OR REPLACE VIEW {dialect.qualified(schema, COMPLETENESS)} AS {completeness_body(dialect, schema)}",
    ]


YEARS = range(2001, 2061)
"""Years that the completeness knows: from the first partition on."""


def completeness_body(dialect: Dialect, schema: str) -> str:
    """Hours expected and hours held, by dataset and year, from receipts and the ledger alone.

    Expected are, for each branch of a dataset's query, the hours from the first window that was ever held to the end
    of the last one, or of the last open gap. Held are those that a covering receipt's window spans, up to the moment
    of the request, less what open gaps name as missed, suspect or never published. A year begins at midnight of 1
    January, which is the same in London and in UTC. Files of a portal and messages of a queue are not asked for by
    windows and have no rows here.
    """
    instant = dialect.instant
    years = " UNION ALL ".join(
        f"SELECT {year} AS y, {instant(datetime(year, 1, 1, tzinfo=UTC))} AS y0, "
        f"{instant(datetime(year + 1, 1, 1, tzinfo=UTC))} AS y1"
        for year in YEARS
    )
    receipts, gaps = dialect.qualified(schema, RECEIPTS), dialect.qualified(schema, GAPS_LATEST)
    windowed = "{0}.branch NOT LIKE 'resource=%' AND {0}.table_name NOT LIKE '%iris%'"
    key = "table_name, branch"
    order = f"PARTITION BY {key} ORDER BY b, e ROWS BETWEEN UNBOUNDED PRECEDING AND"
    begin, end = "greatest(A.b, Y.y0)", "least(A.e, Y.y1)"
    hours = f"({dialect.seconds.format(instant=end)} - {dialect.seconds.format(instant=begin)}) / 3600.0"
    lost_begin, lost_end = "greatest(A.b, G.b, Y.y0)", "least(A.e, G.e, Y.y1)"
    lost = f"({dialect.seconds.format(instant=lost_end)} - {dialect.seconds.format(instant=lost_begin)}) / 3600.0"
    within = f"{begin} < {end}"
    return (
        f"WITH years AS ({years}), "
        f"spans AS (SELECT R.dataset AS dataset, R.table_name AS table_name, R.branch AS branch, "
        f"R.window_from_utc AS b, max(least(R.window_to_utc, R.requested_utc)) AS e FROM {receipts} R "
        f"WHERE R.status IN ({covering_statuses(dialect)}) AND R.requested_utc > R.window_from_utc "
        f"AND {windowed.format('R')} GROUP BY R.dataset, R.table_name, R.branch, R.window_from_utc), "
        f"marked AS (SELECT dataset, {key}, b, e, "
        f"CASE WHEN b <= max(e) OVER ({order} 1 PRECEDING) THEN 0 ELSE 1 END AS fresh FROM spans), "
        f"numbered AS (SELECT dataset, {key}, b, e, sum(fresh) OVER ({order} CURRENT ROW) AS island FROM marked), "
        f"islands AS (SELECT dataset, {key}, min(b) AS b, max(e) AS e FROM numbered GROUP BY dataset, {key}, island), "
        f"gaps AS (SELECT G.dataset AS dataset, G.table_name AS table_name, G.branch AS branch, "
        f"G.window_from_utc AS b, G.window_to_utc AS e, G.why AS why FROM {gaps} G "
        f"WHERE G.closed_utc IS NULL AND G.why IN ('missed', 'suspect', 'never_published') "
        f"AND {windowed.format('G')}), "
        f"ends AS (SELECT dataset, {key}, b, e FROM islands UNION ALL SELECT dataset, {key}, b, e FROM gaps), "
        f"kept AS (SELECT dataset, {key}, min(b) AS b, max(e) AS e FROM ends GROUP BY dataset, {key}), "
        f"parts AS (SELECT A.dataset, A.table_name, Y.y, {hours} AS expected, 0.0 AS held, 0.0 AS never "
        f"FROM kept A CROSS JOIN years Y WHERE {within} UNION ALL "
        f"SELECT A.dataset, A.table_name, Y.y, 0.0, {hours}, 0.0 FROM islands A CROSS JOIN years Y WHERE {within} "
        f"UNION ALL SELECT A.dataset, A.table_name, Y.y, 0.0, -{lost}, 0.0 FROM islands A JOIN gaps G "
        f"ON A.table_name = G.table_name AND A.branch = G.branch CROSS JOIN years Y WHERE {lost_begin} < {lost_end} "
        f"UNION ALL SELECT A.dataset, A.table_name, Y.y, 0.0, 0.0, {hours} FROM gaps A CROSS JOIN years Y "
        f"WHERE {within} AND A.why = 'never_published') "
        f"SELECT P.dataset AS dataset, P.table_name AS table_name, P.y AS year, "
        f"round(sum(P.expected), 3) AS expected_hours, round(sum(P.held), 3) AS held_hours, "
        f"round(sum(P.never), 3) AS never_published_hours, "
        f"round(sum(P.expected) - sum(P.held) - sum(P.never), 3) AS missing_hours, "
        f"CASE WHEN sum(P.expected) > sum(P.never) "
        f"THEN round(sum(P.held) / (sum(P.expected) - sum(P.never)), 6) END AS completeness "
        f"FROM parts P GROUP BY P.dataset, P.table_name, P.y"
    )


def _made(dialect: Dialect, schema: str, name: str, columns: Sequence[tuple[str, StoredType]]) -> str:
    """The statement that makes a table; harmless where an interrupted step has made it already."""
    options = dialect.service_options.get(name, "")
    made = f"CREATE TABLE IF NOT EXISTS {dialect.qualified(schema, name)} ({dialect.columns(columns)})"
    return f"{made} {options}".rstrip()


MIGRATIONS: tuple[Migration, ...] = (Migration(1, _first), Migration(2, _second), Migration(3, _third))
"""Every step from an empty schema to this version's; a released step is never edited, only followed by another."""


MADE = frozenset(
    {META, RECEIPTS, RECEIPTS_LATEST, QUARANTINE, DAYS, TABLES, ORIGIN, COMMITS, GAPS, GAPS_LATEST, COMPLETENESS}
)
"""Tables and views that the steps make: where one is gone, every step is run again, which harms none of the others."""


def pending(found: int, migrations: Sequence[Migration], where: str) -> Sequence[Migration]:
    """The steps that a store at version ``found`` still lacks.

    Raises:
        WarehouseError: The store was written by a newer version of this package.
    """
    newest = migrations[-1].version
    if found > newest:
        raise WarehouseError(
            f"{where} has service tables of version {found} and this energy_assets knows {newest}: upgrade "
            f"energy_assets."
        )
    return [step for step in migrations if step.version > found]


LONGEST_WINDOW = timedelta(days=400)
"""No request asks for more than a year: receipts that begin earlier cannot reach into a range, so a store that keeps
them by month need not look at them."""

Record = Mapping[str, object]
"""One row of a service table, by column: few enough at a time to go in as parameters."""


def as_rows(
    receipts: Sequence[Receipt], table_ids: Mapping[str, str], days: Mapping[str, Sequence[date]]
) -> list[Record]:
    """Receipts as rows of ``_receipts``.

    Args:
        receipts: Completed receipts; ``recorded_utc`` is set.
        table_ids: Identity of each table that exists, by name.
        days: Settlement days of the rows, by receipt.
    """
    return [_as_row(r, table_ids.get(r.table, ""), days.get(r.receipt_id, ())) for r in receipts]


def _as_row(receipt: Receipt, table_id: str, days: Sequence[date]) -> Record:
    if receipt.recorded_utc is None:
        raise ValueError(f"receipt {receipt.receipt_id} has no recorded_utc")
    return {
        "receipt_id": receipt.receipt_id,
        "dataset": receipt.dataset,
        "table_name": receipt.table,
        "table_id": table_id,
        "window_from_utc": naive(receipt.window.from_utc),
        "window_to_utc": naive(receipt.window.to_utc),
        "branch": receipt.window.branch_text,
        "status": receipt.status,
        "requested_utc": naive(receipt.requested_utc),
        "recorded_utc": naive(receipt.recorded_utc),
        "run_id": receipt.run_id,
        "url": receipt.url,
        "http_status": receipt.http_status,
        "body_sha256": receipt.body_sha256,
        "body_bytes": receipt.body_bytes,
        "attempts": receipt.attempts,
        **{name: getattr(receipt.counts, name) for name in COUNTED},
        "new_columns": list(receipt.new_columns),
        "missing_columns": list(receipt.missing_columns),
        "reason": receipt.reason,
        "days": list(days),
    }


def gap_rows(gaps: Sequence[Gap], now: datetime) -> list[Record]:
    """Gaps as rows of ``_gaps``, recorded now."""
    return [
        {
            "dataset": gap.dataset,
            "table_name": gap.table,
            "window_from_utc": naive(gap.from_utc),
            "window_to_utc": naive(gap.to_utc),
            "branch": gap.branch,
            "why": gap.why,
            "since_utc": naive(gap.since_utc),
            "opened_utc": naive(gap.opened_utc),
            "closed_utc": naive(gap.closed_utc) if gap.closed_utc else None,
            "recorded_utc": naive(now),
            "note": gap.note,
        }
        for gap in gaps
    ]


def day_rows(
    table_name: str, table_id: str, records: Sequence[tuple[date, int, int, datetime | None]], now: datetime
) -> list[Record]:
    """Records of ``_days``: day, rows, sequence number, and the moment a loss was found, where one was."""
    return [
        {
            "table_name": table_name,
            "table_id": table_id,
            "day": day,
            "rows": count,
            "seq": seq,
            "lost_utc": naive(lost) if lost else None,
            "recorded_utc": naive(now),
        }
        for day, count, seq, lost in records
    ]


def slot_of(table_id: str) -> int:
    """The slot of a table's commits, from its identity (a hexadecimal number)."""
    return int(table_id, 16) % SLOTS


def naive(moment: datetime) -> datetime:
    """An aware instant as the zone-less UTC value that columns hold."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime | None) -> datetime | None:
    """A column's zone-less UTC value as an aware instant."""
    return moment.replace(tzinfo=UTC) if moment is not None else None


def covering_statuses(dialect: Dialect) -> str:
    """The statuses that cover a window, as a list of literals."""
    return ", ".join(dialect.text(status) for status in sorted(COVERING))


def parse_branch(text: str) -> tuple[tuple[str, str], ...]:
    """The branch of a window from its stored text."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return tuple((name, value) for name, _, value in pairs)


def as_window(from_utc: datetime, to_utc: datetime, branch: str) -> Window:
    """A stored window as the planner knows it."""
    return Window(from_utc.replace(tzinfo=UTC), to_utc.replace(tzinfo=UTC), parse_branch(branch))


def as_seen(row: Sequence[object]) -> Seen:
    """A row of the coverage query: window bounds, branch, newest covering and newest empty request."""
    from_utc, to_utc, branch, covered, empty = row
    assert isinstance(from_utc, datetime) and isinstance(to_utc, datetime)  # noqa: S101 - types of the query's columns
    return Seen(as_window(from_utc, to_utc, str(branch)), aware(_moment(covered)), aware(_moment(empty)))


def _moment(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def believed_receipts(
    dialect: Dialect,
    schema: str,
    identities: str,
    spoiled: str | None,
    from_utc: datetime,
    to_utc: datetime,
    since: datetime | None,
) -> str:
    """The coverage query: per table, window and branch the newest believed covering and the newest empty request.

    Args:
        dialect: The store's spelling.
        schema: Schema of the service tables.
        identities: Relation ``(table_name, table_id)`` of the asked-for tables; an empty id where the table is not
            there.
        spoiled: Relation ``(table_name, day, believed_from)`` of days whose rows went missing: receipts of such a day
            count only when recorded at ``believed_from`` or later, and not at all where it is null; ``None`` where
            there are none.
        from_utc: Start of the asked-for range.
        to_utc: End of the range, exclusive.
        since: Receipts requested before this are left out.
    """
    later = f" AND R.requested_utc >= {dialect.instant(since)}" if since else ""
    sound = ""
    if spoiled is not None:
        sound = (
            f" AND NOT EXISTS (SELECT 1 FROM {spoiled} B WHERE B.table_name = R.table_name "
            f"AND {dialect.member.format(item='B.day', array='R.days')} "
            f"AND (B.believed_from IS NULL OR R.recorded_utc < B.believed_from))"
        )
    return (
        f"SELECT R.table_name, R.window_from_utc, R.window_to_utc, R.branch, "
        f"max(CASE WHEN R.status IN ({covering_statuses(dialect)}) THEN R.requested_utc END), "
        f"max(CASE WHEN R.status IN ('suspect', 'not_due') THEN R.requested_utc END) "
        f"FROM {dialect.qualified(schema, RECEIPTS)} R JOIN {identities} I ON R.table_name = I.table_name "
        f"WHERE {overlapping(dialect, from_utc, to_utc)}{later} "
        f"AND (R.table_id = '' OR R.table_id = I.table_id){sound} "
        f"GROUP BY R.table_name, R.window_from_utc, R.window_to_utc, R.branch"
    )


RESOURCE = "CASE WHEN R.branch LIKE 'resource=%' THEN substr(R.branch, 1, 45) ELSE '' END"
"""What a receipt ``R`` is about besides its window, where a table is filled from several files: the file's id. Whether
the newest request failed is a question about each."""

FAILURE_COUNTS_FOR = "INTERVAL 2 DAY"
"""How much older than the table's newest receipt a file's failure may be and still be the table's: what is there and
fails is asked for again every day, and what is not there any more is nobody's failure."""


def behind(dialect: Dialect, schema: str, table_name: str, from_day: date, to_day: date) -> str:
    """The windows of the receipts that brought the stored rows of some days."""
    days = f"T.{dialect.partition_day} BETWEEN {dialect.day(from_day)} AND {dialect.day(to_day)}"
    rows = f"SELECT DISTINCT T._receipt_id FROM {dialect.qualified(schema, table_name)} T WHERE {days}"
    return (
        f"SELECT DISTINCT R.window_from_utc, R.window_to_utc, R.branch FROM {dialect.qualified(schema, RECEIPTS)} R "
        f"JOIN ({rows}) N ON R.receipt_id = N._receipt_id "
        f"WHERE R.table_name = {dialect.text(table_name)} ORDER BY 1, 2, 3"
    )


def recorded_since(dialect: Dialect, schema: str, since: datetime) -> str:
    """Receipts recorded since a moment: ``(dataset, status, count)``."""
    return (
        f"SELECT R.dataset, R.status, count(*) FROM {dialect.qualified(schema, RECEIPTS)} R "
        f"WHERE R.recorded_utc >= {dialect.instant(since)} GROUP BY R.dataset, R.status"
    )


def overlapping(dialect: Dialect, from_utc: datetime, to_utc: datetime) -> str:
    """The condition that the window of a receipt ``R`` overlaps a range, with constant bounds on its beginning."""
    return (
        f"R.window_from_utc >= {dialect.instant(from_utc - LONGEST_WINDOW)} "
        f"AND R.window_from_utc < {dialect.instant(to_utc)} AND R.window_to_utc > {dialect.instant(from_utc)}"
    )
