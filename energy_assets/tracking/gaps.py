"""What is missing, since when and why: receipts and what the ledger knows go in, changes of the ledger come out.

Pure: nothing here reads a store, a folder or a clock. Reading and writing are in ``gap_look``, the ledger's SQL in
``energy_assets.warehouse.ledger``.

Judged are atoms of the planner's grid. One is missed when something of it could have been asked for and has not been
for four of its polls, whether or not it has settled: what the schedule does in time is no gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset, Lag
from energy_assets.errors import CalendarError
from energy_assets.ingest.holdings import RESOURCE
from energy_assets.ingest.model import Gap, GapWhy, Seen, Window
from energy_assets.ingest.outages import HOUR, Hole
from energy_assets.ingest.planner import SUSPECT_GIVE_UP, Judged, judged
from energy_assets.tracking.incidents import Condition
from energy_assets.tracking.messages import lasted
from energy_assets.tracking.watch import STALE_PAST, STALE_POLLS, TICK
from energy_assets.warehouse.ledger import Trouble
from energy_assets.warehouse.service import parse_branch

NEVER_AFTER = SUSPECT_GIVE_UP
"""Age of a window at which its empty answer is the last word: that it was never published. The planner asks no more
from then on, so that the ledger and the requests agree."""

NOT_DUE_AFTER = timedelta(days=1)
"""Age from which what is not published yet is listed: before that nobody misses it."""

TOLD_AFTER = timedelta(hours=3)
"""How long something missed stays open until people are told, of today and yesterday: twelve refreshes have asked."""

TOLD_AFTER_PAST = timedelta(hours=13)
"""The same for earlier days, which the repair asks for every six hours: two of them have."""

LIVE_DAYS = 2
"""Today and yesterday."""

HOLE_AFTER = timedelta(hours=1)
"""Length from which an outage of the listener is a gap while it lasts; a restart is none."""

MESSAGES_TABLE = "_iris_messages"
IRIS = "IRIS"
"""What a hole of every stream is recorded under."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something missing now; see ``Gap``."""

    dataset: str
    table: str
    from_utc: datetime
    to_utc: datetime
    branch: str
    why: GapWhy
    since_utc: datetime
    note: str = ""

    @property
    def lane(self) -> tuple[str, str]:
        """Gaps of one lane do not overlap."""
        return self.table, self.branch


def windowed_gaps(
    dataset: Dataset,
    from_day: date,
    to_day: date,
    kept_utc: datetime,
    seen: Sequence[Seen],
    troubles: Sequence[Trouble],
    known: Sequence[Gap],
    now: datetime,
) -> list[Found]:
    """Gaps of a dataset that is asked for by windows.

    Args:
        dataset: The catalogue entry, no register and no family of files.
        from_day: First settlement day.
        to_day: Last settlement day, inclusive.
        kept_utc: Since when it is kept; nothing before that is missing.
        seen: Believed receipts that overlap the days.
        troubles: Its windows that failed or have rows in quarantine.
        known: Its open gaps in the ledger.
        now: The present, aware UTC.
    """
    never = [g for g in known if g.why == "never_published"]
    pieces = [
        part
        for item in judged(dataset, from_day, to_day, seen, now)
        if item.window.to_utc > kept_utc
        for piece in _piece(dataset, item, now)
        for part in _accepted(_explained(piece, troubles), never)
    ]
    found = list(_joined(pieces))
    return [*found, *_quarantined(dataset, troubles, seen, found)]


def _piece(dataset: Dataset, item: Judged, now: datetime) -> Iterator[Found]:
    """What is missing of one atom, if anything."""
    window, timing = item.window, dataset.timing
    asked = max((at for at in (item.covered_utc, item.empty_utc) if at is not None), default=None)
    if window.from_utc >= now:
        return
    if calendar.lag_passed(timing.settled, window.from_utc, window.to_utc, now):
        yield from _settled(dataset, item, asked, now)
    elif not _is_published(timing.available, window, now) or (asked is not None and asked >= window.to_utc):
        if item.covered_utc is None and now - window.to_utc >= NOT_DUE_AFTER:
            yield _found(dataset, window, "not_due", window.to_utc)
    else:
        # What had not happened yet when it was last asked for.
        begin = max(window.from_utc, asked or window.from_utc)
        since = max(begin, _published(timing.available, window))
        if now - since >= patience(dataset, window, now):
            yield _found(dataset, Window(begin, min(window.to_utc, now), window.branch), "missed", since)


def _settled(dataset: Dataset, item: Judged, asked: datetime | None, now: datetime) -> Iterator[Found]:
    window, empty = item.window, item.empty_utc
    settles = calendar.lag_end(dataset.timing.settled, window.from_utc, window.to_utc)
    if item.covered_utc is not None and item.covered_utc >= settles:
        return
    if empty is not None and empty >= settles:
        if empty - window.to_utc >= NEVER_AFTER:
            note = f"the provider was asked until {empty:%Y-%m-%d %H:%MZ} and had nothing"
            yield _found(dataset, window, "never_published", settles, note)
        else:
            yield _found(dataset, window, "suspect", settles, f"empty when asked at {empty:%Y-%m-%d %H:%MZ}")
        return
    since = settles if asked is not None else _published(dataset.timing.available, window)
    if now - since >= patience(dataset, window, now):
        yield _found(dataset, window, "missed", since)


def patience(dataset: Dataset, window: Window, now: datetime) -> timedelta:
    """How long something of a window may wait when it is due: four looks at its day, as long as staleness takes."""
    poll = timedelta(minutes=dataset.timing.poll_minutes)
    back = (calendar.settlement_day(now) - calendar.settlement_day(window.to_utc - timedelta(microseconds=1))).days
    if back <= 0:
        return STALE_POLLS * max(poll, TICK)
    return STALE_POLLS * max(poll, HOUR) if back < LIVE_DAYS else max(STALE_PAST, STALE_POLLS * poll)


def _is_published(available: Lag, window: Window, now: datetime) -> bool:
    """Whether asking makes sense yet, as the planner sees it."""
    return available == Lag() or calendar.lag_passed(available, window.from_utc, window.to_utc, now)


def _published(available: Lag, window: Window) -> datetime:
    return window.from_utc if available == Lag() else calendar.lag_end(available, window.from_utc, window.to_utc)


def _found(dataset: Dataset, window: Window, why: GapWhy, since: datetime, note: str = "") -> Found:
    return Found(dataset.code, dataset.table.name, window.from_utc, window.to_utc, window.branch_text, why, since, note)


def _explained(piece: Found, troubles: Iterable[Trouble]) -> Found:
    """A missed piece with the failure that kept it away."""
    if piece.why != "missed":
        return piece
    failed = [
        t
        for t in troubles
        if t.failed and t.branch == piece.branch and t.from_utc < piece.to_utc and t.to_utc > piece.from_utc
    ]
    if not failed:
        return piece
    newest = max(failed, key=lambda t: t.recorded_utc)
    return replace(piece, why="quarantined" if newest.quarantined else "missed", note=newest.reason)


def _accepted(piece: Found, never: Iterable[Gap]) -> Iterator[Found]:
    """A piece cut where the ledger has it as never published: that stands until it is there, or taken back."""
    at = piece.from_utc
    own = (g for g in never if g.branch == piece.branch and g.from_utc < piece.to_utc and g.to_utc > piece.from_utc)
    for gap in sorted(own, key=lambda g: g.from_utc):
        begin, end = max(at, gap.from_utc), min(piece.to_utc, gap.to_utc)
        if at < begin:
            yield replace(piece, from_utc=at, to_utc=begin)
        if begin < end:
            yield replace(
                piece, from_utc=begin, to_utc=end, why="never_published", since_utc=gap.since_utc, note=gap.note
            )
            at = end
    if at < piece.to_utc:
        yield replace(piece, from_utc=at)


def _joined(pieces: Iterable[Found]) -> Iterator[Found]:
    """Pieces that touch and are missing for one reason as one, with the first note."""
    current: Found | None = None
    for piece in pieces:
        if current is not None and _is_next(current, piece):
            note = current.note or piece.note
            current = replace(
                current, to_utc=piece.to_utc, since_utc=min(current.since_utc, piece.since_utc), note=note
            )
            continue
        if current is not None:
            yield current
        current = piece
    if current is not None:
        yield current


def _is_next(current: Found, piece: Found) -> bool:
    touches = current.lane == piece.lane and current.why == piece.why and current.to_utc == piece.from_utc
    return touches and (piece.why != "never_published" or current.note == piece.note)


def _quarantined(
    dataset: Dataset, troubles: Iterable[Trouble], seen: Sequence[Seen], found: Sequence[Found]
) -> Iterator[Found]:
    """Windows that are held but for some rows, where no later answer took their place."""
    last: dict[str, datetime] = {}
    for t in sorted((t for t in troubles if t.quarantined and not t.failed), key=lambda t: (t.branch, t.from_utc)):
        if any(f.branch == t.branch and f.from_utc < t.to_utc and f.to_utc > t.from_utc for f in found):
            continue
        branch = parse_branch(t.branch)
        later = any(
            s.window.branch == branch
            and s.window.from_utc <= t.from_utc
            and t.to_utc <= s.window.to_utc
            and s.covered_utc is not None
            and s.covered_utc > t.requested_utc
            for s in seen
        )
        if not later and last.get(t.branch, t.from_utc) <= t.from_utc:
            last[t.branch] = t.to_utc
            note = f"{t.quarantined:,} {'row' if t.quarantined == 1 else 'rows'} could not be typed"
            window = Window(t.from_utc, t.to_utc, branch)
            yield _found(dataset, window, "quarantined", t.recorded_utc, note)


def family_gaps(dataset: Dataset, troubles: Iterable[Trouble], known: Sequence[Gap]) -> list[Found]:
    """Resources of a family of files whose newest receipt is a failure or suspect; the package where all is absent.

    A person's word that one was never published stands until it is read.

    Args:
        dataset: The family.
        troubles: The newest receipt of each version of its resources, whatever became of it.
        known: Its open gaps in the ledger.
    """
    by_resource: dict[str, list[Trouble]] = defaultdict(list)
    for trouble in sorted(troubles, key=lambda t: t.recorded_utc):
        resource = dict(parse_branch(trouble.branch)).get(RESOURCE, "")
        if resource:
            by_resource[f"{RESOURCE}={resource}"].append(trouble)
    before = {g.branch: g for g in known}
    found = []
    for branch, own in by_resource.items():
        newest, first_seen = own[-1], before.get(branch)
        if not (newest.failed or newest.empty):
            continue
        successes = [t.recorded_utc for t in own if not (t.failed or t.empty)]
        first = next(t for t in own if not successes or t.recorded_utc > successes[-1])
        why: GapWhy = "suspect" if newest.empty else "quarantined" if newest.quarantined else "missed"
        note = newest.reason
        if first_seen is not None and first_seen.why == "never_published":
            why, note = first_seen.why, first_seen.note
        found.append(
            Found(
                dataset.code,
                dataset.table.name,
                first_seen.from_utc if first_seen else first.from_utc,
                newest.to_utc,
                branch,
                why,
                first_seen.since_utc if first_seen else first.recorded_utc,
                note,
            )
        )
    return found


def hole_gaps(holes: Iterable[Hole], codes: Mapping[str, str]) -> list[Found]:
    """Holes of the push service that are not filled; one in the archive's answers is never published.

    Args:
        holes: As ``ingest.holes`` finds them.
        codes: Dataset codes by table name.
    """
    found: dict[tuple[str, datetime], Found] = {}
    for hole in holes:
        if hole.state == "filled" or ((hole.queued or hole.lasting) and hole.to_utc - hole.from_utc < HOLE_AFTER):
            continue
        why: GapWhy = "never_published" if hole.state == "given_up" else "missed"
        notes = {"given_up": "the archive does not have it", "asked": "the archive has been asked"}
        note = f"{hole.reason}; {notes[hole.state]}" if hole.state in notes else hole.reason
        for table in hole.tables or (MESSAGES_TABLE,):
            code = codes.get(table, IRIS)
            gap = Found(code, table, hole.from_utc, hole.to_utc, "", why, hole.from_utc, note)
            other = found.get((table, hole.from_utc))
            if other is None or other.to_utc < gap.to_utc:
                found[table, hole.from_utc] = gap
    return list(found.values())


def accepted_holes(found: Iterable[Found], known: Iterable[Gap]) -> list[Found]:
    """Holes, cut where the ledger has them as never published."""
    never: dict[str, list[Gap]] = defaultdict(list)
    for gap in known:
        if gap.why == "never_published":
            never[gap.table].append(gap)
    return [part for item in found for part in _accepted(item, never[item.table])]


def still_open(gap: Gap, dataset: Dataset, seen: Sequence[Seen], now: datetime) -> list[Found]:
    """What is left of a gap whose days are not judged any more: what no receipt covers by now, as the ledger has it.

    Args:
        gap: An open gap of a dataset that is asked for by windows.
        dataset: The catalogue entry.
        seen: Believed receipts that overlap it.
        now: The present, aware UTC.
    """
    first, last = (calendar.settlement_day(at) for at in (gap.from_utc, gap.to_utc - timedelta(microseconds=1)))
    left = [
        Found(gap.dataset, gap.table, begin, end, gap.branch, gap.why, gap.since_utc, gap.note)
        for item in windowed_gaps(dataset, first, last, gap.from_utc, seen, (), (), now)
        if item.branch == gap.branch
        and (begin := max(item.from_utc, gap.from_utc)) < (end := min(item.to_utc, gap.to_utc))
    ]
    return list(_joined(left))


def reconcile(found: Sequence[Found], known: Sequence[Gap], now: datetime) -> list[Gap]:
    """What is to be written to the ledger: gaps that are new, changed, or closed.

    A gap that goes on under another beginning, because its first part was filled, keeps when it was opened.

    Args:
        found: What is missing now.
        known: Open gaps of the same tables and days in the ledger.
        now: The present, aware UTC.
    """
    by_key = {gap.key: gap for gap in known}
    lanes: dict[tuple[str, str], list[Gap]] = defaultdict(list)
    for gap in known:
        lanes[gap.table, gap.branch].append(gap)
    changes = []
    keys = set()
    for item in found:
        same = by_key.get((*item.lane, item.from_utc))
        gap = _gap(item, same, lanes[item.lane], now)
        keys.add(gap.key)
        if same is None or gap != replace(same, recorded_utc=None):
            changes.append(gap)
    by_lane: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for item in found:
        by_lane[item.lane].append(item)
    closed = [gap for gap in known if gap.key not in keys]
    return [*changes, *(_closed(gap, by_lane[gap.table, gap.branch], now) for gap in closed)]


def _gap(item: Found, same: Gap | None, lane: Iterable[Gap], now: datetime) -> Gap:
    if same is not None and same.why == "not_due" and item.why != "not_due":
        # Until it was due nothing was missing, and nobody waited.
        same = None
    before = same
    if before is None and item.why != "not_due":
        touching = (g for g in lane if g.from_utc <= item.to_utc and g.to_utc >= item.from_utc)
        before = next((g for g in touching if g.why not in ("not_due", "never_published")), None)
    return Gap(
        dataset=item.dataset,
        table=item.table,
        from_utc=item.from_utc,
        to_utc=item.to_utc,
        branch=item.branch,
        why=item.why,
        since_utc=min(same.since_utc, item.since_utc) if same else item.since_utc,
        opened_utc=before.opened_utc if before else now,
        note=item.note,
    )


def _closed(gap: Gap, found: Iterable[Found], now: datetime) -> Gap:
    rest = [f.from_utc for f in found if f.from_utc < gap.to_utc and f.to_utc > gap.from_utc]
    note = f"goes on from {min(rest):%Y-%m-%d %H:%MZ}" if rest else CLOSED[gap.why]
    return replace(gap, closed_utc=now, recorded_utc=None, note=note)


CLOSED: Mapping[GapWhy, str] = {
    "missed": "filled",
    "quarantined": "read again without rows in quarantine",
    "suspect": "filled",
    "not_due": "published, or due by now",
    "never_published": "published after all",
}
"""What is noted of a gap that is no more."""


def now_open(known: Iterable[Gap], changes: Iterable[Gap]) -> list[Gap]:
    """Open gaps after some changes, by table and time."""
    gaps = {gap.key: gap for gap in (*known, *changes)}
    return sorted((g for g in gaps.values() if g.is_open), key=lambda g: (g.table, g.from_utc, g.branch))


def told_after(gap: Gap, now: datetime) -> timedelta:
    """How long a gap stays open until people are told of it."""
    live = calendar.settlement_day(gap.to_utc) > calendar.settlement_day(now) - timedelta(days=LIVE_DAYS)
    return TOLD_AFTER if live else TOLD_AFTER_PAST


def conditions(gaps: Iterable[Gap], names: Mapping[str, str], now: datetime) -> list[Condition]:
    """What people are to be told: datasets with something that was missed and has stayed open.

    Args:
        gaps: Open gaps.
        names: Names of the datasets that are kept, as people know them, by table; of others nobody is told.
        now: The present, aware UTC.
    """
    lasting: dict[str, list[Gap]] = defaultdict(list)
    for gap in gaps:
        if gap.table in names and gap.why == "missed" and now - gap.opened_utc >= told_after(gap, now):
            lasting[gap.table].append(gap)
    return [_condition(names[table], own, now) for table, own in sorted(lasting.items())]


def _condition(name: str, gaps: Sequence[Gap], now: datetime) -> Condition:
    first, last = min(g.from_utc for g in gaps), max(g.to_utc for g in gaps)
    opened = min(g.opened_utc for g in gaps)
    note = next((f" {g.note}" for g in gaps if g.note), "")
    count = f"{len(gaps)} gaps" if len(gaps) > 1 else "A gap"
    days = f"--from {calendar.settlement_day(first)} --to {calendar.settlement_day(last - timedelta(microseconds=1))}"
    # A hole of every stream has the name of all.
    chosen = "iris/*" if any(g.table == MESSAGES_TABLE for g in gaps) else name
    lasts = f"open for {lasted(now - opened)}"
    return Condition(
        f"gap {name}",
        "gap",
        "warning",
        f"{name} has a gap",
        f"{count} between {first:%Y-%m-%d %H:%MZ} and {last:%Y-%m-%d %H:%MZ}, {lasts}.{note}",
        f"`energy-assets gaps '{chosen}'` says why and what will happen; `energy-assets gaps accept '{chosen}' {days} "
        "--note ...` if it was never published.",
    )


def outlook(gap: Gap, dataset: Dataset | None, now: datetime) -> str:
    """What will become of a gap, in words."""
    match gap.why:
        case "never_published":
            return "nothing: it is not asked for again"
        case "suspect" if dataset is not None and dataset.files is not None:
            return "read again when the portal has it anew"
        case "suspect":
            return f"asked for again until {gap.to_utc + NEVER_AFTER:%Y-%m-%d}"
        case "quarantined":
            return "its rows are in _quarantine; a refresh with --refetch reads it again"
        case "not_due":
            return _when_due(gap, dataset)
        case "missed":
            return _when_asked(gap, dataset, now)


def _when_due(gap: Gap, dataset: Dataset | None) -> str:
    if dataset is None:
        return "asked for when it is due"
    first = calendar.day_bounds_utc(calendar.settlement_day(gap.from_utc))
    try:
        due = calendar.lag_end(dataset.timing.settled, *first)
    except CalendarError:
        return "asked for when it is published"
    return f"the first of it is due by {due:%Y-%m-%d}"


def _when_asked(gap: Gap, dataset: Dataset | None, now: datetime) -> str:
    if dataset is None or dataset.provider == "iris":
        return "the queue brings it, or the archive is asked"
    if dataset.files is not None:
        return "tried again with the next looks at the portal"
    age = (calendar.settlement_day(now) - calendar.settlement_day(gap.to_utc - timedelta(microseconds=1))).days
    if age < LIVE_DAYS:
        return "the next refresh asks for it"
    first = calendar.settlement_day(gap.from_utc)
    if age < LIVE_DAYS + REPAIR_DAYS:
        last = calendar.settlement_day(now) + timedelta(days=LIVE_DAYS + REPAIR_DAYS - 1 - age)
        return f"the next repair asks for it, every six hours until {last}"
    return f"nothing by itself: energy-assets backfill {dataset.name} --from {first}"


REPAIR_DAYS = 92
"""How far back the repair asks, as ``automation.repair`` has it."""
