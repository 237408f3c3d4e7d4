"""A look at everything that may be missing: reads ledger, receipts and drop folder, and says what the ledger lacks.

What counts as missing is decided in ``gaps``. No provider is asked, and no row of data is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.holdings import RESOURCE
from energy_assets.ingest.holes import NUMBERS_BACK, find_holes
from energy_assets.ingest.model import Gap
from energy_assets.ingest.outages import Hole
from energy_assets.ingest.planner import fetch_interval, missing
from energy_assets.tracking.gaps import (
    MESSAGES_TABLE,
    REPAIR_DAYS,
    Found,
    accepted_holes,
    family_gaps,
    hole_gaps,
    now_open,
    reconcile,
    still_open,
    windowed_gaps,
)
from energy_assets.warehouse.interface import Warehouse
from energy_assets.warehouse.ledger import Trouble, read_evidence, read_gaps
from energy_assets.warehouse.service import parse_branch

LOOK_DAYS = 8
"""Settlement days that a look judges, today included: what schedules look at, and one. Days of open gaps are judged as
well, so that they close."""

LONGEST_LOOK_DAYS = REPAIR_DAYS + 2
"""Settlement days that the daily look judges: all that the repair asks for, and today and yesterday."""


@dataclass(frozen=True)
class Look:
    """What a look came to.

    Attributes:
        gaps: Gaps that are open now, of all tables.
        changes: What is to be written to the ledger for that.
        known: The gaps that were open in the ledger.
    """

    gaps: tuple[Gap, ...]
    changes: tuple[Gap, ...]
    known: tuple[Gap, ...] = ()


def judged_datasets(datasets: Sequence[Dataset], profile: str) -> tuple[Dataset, ...]:
    """The entries whose gaps are told of: those of the profile, and what is pushed."""
    return tuple(d for d in datasets if profile in d.profiles or d.provider == "iris")


def names_of(datasets: Sequence[Dataset]) -> dict[str, str]:
    """Names of datasets by table, as people know them, with that of every stream together."""
    return {MESSAGES_TABLE: "iris"} | {d.table.name: d.name for d in datasets}


def look(
    datasets: Sequence[Dataset], warehouse: Warehouse, now: datetime, *, days: int = LOOK_DAYS, root: Path | None = None
) -> Look:
    """Look what is missing of some datasets that are kept current.

    Args:
        datasets: Catalogue entries; registers miss nothing.
        warehouse: Whose ledger and receipts are read.
        now: The present, aware UTC.
        days: Settlement days judged, today included; those of open gaps come on top.
        root: The drop folder, where the push service is to be judged as well.

    Raises:
        WarehouseError: The warehouse cannot be read.
        SpoolError: The drop folder cannot be read.
    """
    with warehouse.session(write=False):
        known = read_gaps(warehouse)
        windowed = [d for d in datasets if d.files is None and d.provider != "iris" and not d.is_register]
        families = [d for d in datasets if d.files is not None]
        judging = _Judging(windowed, families, warehouse, now)
        found, judged = judging.judge(known, days)
        if root is not None and root.exists():
            codes = {d.table.name: d.code for d in datasets if d.provider == "iris"}
            holes = find_holes(root, warehouse, now, thorough=False).holes
            pushed = [g for g in known if g.table == MESSAGES_TABLE or g.table in codes]
            found += accepted_holes(hole_gaps(holes, codes), pushed)
            entries = {d.table.name: d for d in datasets if d.provider == "iris" and d.query.path}
            judged += [g for g in pushed if _is_looked_at(g, holes, now) or _was_filled(g, entries, warehouse, now)]
    changes = reconcile(found, judged, now)
    return Look(tuple(now_open(known, changes)), tuple(changes), tuple(known))


def keep(look: Look, warehouse: Warehouse) -> None:
    """Write what a look has found to the ledger, but where somebody else has written to it since, as a person does.

    Raises:
        WarehouseError: The store refused.
    """
    before = {g.key: g for g in look.known}
    since = {g.key: g for g in read_gaps(warehouse)} if look.changes else {}
    warehouse.note_gaps([g for g in look.changes if since.get(g.key) == before.get(g.key)])


def _is_looked_at(gap: Gap, holes: Iterable[Hole], now: datetime) -> bool:
    """Whether a gap that is found no more is none any more: older holes are found while heartbeats tell of them."""
    return gap.to_utc >= now - NUMBERS_BACK or any(
        gap.table in (h.tables or (MESSAGES_TABLE,)) and h.from_utc < gap.to_utc and h.to_utc > gap.from_utc
        for h in holes
    )


def _was_filled(gap: Gap, entries: Mapping[str, Dataset], warehouse: Warehouse, now: datetime) -> bool:
    """Whether the archive has answered for the whole of a gap of one stream."""
    entry = entries.get(gap.table)
    if entry is None:
        return False
    seen = warehouse.coverage([entry.table], gap.from_utc, gap.to_utc).get(entry.code, ())
    first, last = (calendar.settlement_day(at) for at in (gap.from_utc, gap.to_utc - timedelta(microseconds=1)))
    left = missing(entry, first, last, seen, now)
    return not any(w.from_utc < gap.to_utc and w.to_utc > gap.from_utc for w in left)


@dataclass(frozen=True)
class _Judging:
    """One look at what is asked for."""

    windowed: Sequence[Dataset]
    families: Sequence[Dataset]
    warehouse: Warehouse
    now: datetime

    def judge(self, known: Sequence[Gap], days: int) -> tuple[list[Found], list[Gap]]:
        """What is missing, and the known gaps that this look has judged."""
        entries = (*self.windowed, *self.families)
        if not entries:
            return [], []
        tables = {d.table.name for d in entries}
        own = [g for g in known if g.table in tables]
        first, last = self._days(own, days)
        spans = {d.code: fetch_interval(d, first, last) for d in entries}
        begins = {d.table.name: spans[d.code][0] for d in self.windowed}
        low, high = min(begin for begin, _ in spans.values()), max(end for _, end in spans.values())
        quarter = calendar.day_start_utc(last - timedelta(days=LONGEST_LOOK_DAYS))
        kept_since = quarter if low >= quarter else low - timedelta(days=LONGEST_LOOK_DAYS)
        evidence = read_evidence(self.warehouse, tables, low, high, kept_since)
        seen = self.warehouse.coverage([d.table for d in self.windowed], low, high) if self.windowed else {}
        troubles: dict[str, list[Trouble]] = defaultdict(list)
        for trouble in evidence.troubles:
            troubles[trouble.table].append(trouble)
        found: list[Found] = []
        judged: list[Gap] = []
        for d in self.families:
            mine = [g for g in own if g.table == d.table.name]
            found += family_gaps(d, troubles[d.table.name], mine)
            judged += mine
        for d in self.windowed:
            since = evidence.kept.get(d.table.name)
            if since is None:
                # Nobody keeps it, so nothing of it is missing; what was is left as it is.
                continue
            begin = spans[d.code][0]
            mine = [g for g in own if g.table == d.table.name and g.to_utc > begin]
            kept = max(first, calendar.settlement_day(since))
            new = windowed_gaps(d, kept, last, since, seen.get(d.code, ()), troubles[d.table.name], mine, self.now)
            found += [_continued(item, mine, begin) for item in new]
            judged += mine
        past = self._past([g for g in own if g.table in begins and g.to_utc <= begins[g.table]], days)
        found += (item for _, items in past for item in items)
        judged += (gap for gap, _ in past)
        return found, judged

    def _past(self, known: Sequence[Gap], days: int) -> list[tuple[Gap, list[Found]]]:
        """What is left of gaps from before the days judged, of which a backfill may have brought something.

        What was never published, which gathers over years, is looked at by the longest look only.
        """
        by_table = {d.table.name: d for d in self.windowed}
        chosen: dict[str, list[Gap]] = defaultdict(list)
        for gap in known:
            if gap.table in by_table and (gap.why != "never_published" or days >= LONGEST_LOOK_DAYS):
                chosen[gap.table].append(gap)
        found = []
        for table, gaps in chosen.items():
            entry = by_table[table]
            span = min(g.from_utc for g in gaps), max(g.to_utc for g in gaps)
            seen = self.warehouse.coverage([entry.table], *span).get(entry.code, ())
            found += [(gap, still_open(gap, entry, seen, self.now)) for gap in gaps]
        return found

    def _days(self, known: Sequence[Gap], days: int) -> tuple[date, date]:
        """The days judged: the last ones, and those back to the oldest open gap that the repair may still close."""
        today = calendar.settlement_day(self.now)
        first = today - timedelta(days=days - 1)
        waiting = [calendar.settlement_day(g.from_utc) for g in known if g.why != "never_published"]
        oldest = today - timedelta(days=LONGEST_LOOK_DAYS - 1)
        return min(first, max(oldest, min(waiting, default=first))), today


def _continued(item: Found, known: Sequence[Gap], begin: datetime) -> Found:
    """A gap that began before the days judged keeps its beginning."""
    for gap in known:
        if (
            gap.from_utc < begin <= gap.to_utc
            and gap.from_utc < item.from_utc <= begin
            and gap.branch == item.branch
            and gap.why == item.why
        ):
            return replace(item, from_utc=gap.from_utc)
    return item


def mark(gaps: Sequence[Gap], from_day: date, to_day: date, note: str, now: datetime) -> list[Gap]:
    """Open gaps as never published, by a person's word, on some settlement days; the rest of them stays as it is.

    That of a file is marked as a whole: its days are those of asking for it.

    Args:
        gaps: Open gaps.
        from_day: First settlement day.
        to_day: Last one, inclusive.
        note: Why.
        now: The present, aware UTC.
    """
    begin, end = calendar.day_start_utc(from_day), calendar.day_bounds_utc(to_day)[1]
    changes: list[Gap] = []
    for gap in gaps:
        low, high = max(gap.from_utc, begin), min(gap.to_utc, end)
        if not gap.is_open or low >= high:
            continue
        if RESOURCE in dict(parse_branch(gap.branch)):
            low, high = gap.from_utc, gap.to_utc
        marked = replace(gap, from_utc=low, to_utc=high, why="never_published", note=note, recorded_utc=None)
        changes.append(marked)
        if gap.from_utc < low:
            changes.append(replace(gap, to_utc=low, recorded_utc=None))
        if high < gap.to_utc:
            changes.append(replace(gap, from_utc=high, recorded_utc=None))
    return changes


def take_back(gaps: Sequence[Gap], from_day: date, to_day: date, now: datetime) -> list[Gap]:
    """Gaps that were never published closed in the ledger, so that the next look judges them anew."""
    begin, end = calendar.day_start_utc(from_day), calendar.day_bounds_utc(to_day)[1]
    return [
        replace(gap, closed_utc=now, recorded_utc=None, note="taken back")
        for gap in gaps
        if gap.is_open and gap.why == "never_published" and gap.from_utc < end and gap.to_utc > begin
    ]
