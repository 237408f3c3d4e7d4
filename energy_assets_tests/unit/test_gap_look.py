"""Looks at a warehouse with receipts: the ledger after clock changes, half repairs, killed and rival looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets import calendar
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import Counts, Gap, Receipt, Window
from energy_assets.ingest.outages import Hole
from energy_assets.ingest.writing import new_receipt_id
from energy_assets.tracking import gap_look
from energy_assets.tracking.gap_look import LONGEST_LOOK_DAYS, keep, look, mark
from energy_assets.tracking.gaps import IRIS, MESSAGES_TABLE
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.warehouse.ledger import read_completeness, read_gaps

MID = dataset("MID")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Home:
    """A warehouse with receipts of MID, and a present."""

    def __init__(self, path: Path, today: date) -> None:
        self.now = calendar.day_start_utc(today) + 14 * HOUR
        self.warehouse = DuckDBWarehouse(path / "w.duckdb", "gb", clock=self.tick)

    def tick(self) -> datetime:
        """The present; no two moments are the same."""
        self.now += timedelta(microseconds=1)
        return self.now

    def asked(self, first: date, last: date, *, but: tuple[date, ...] = (), status: str = "silent") -> None:
        """Receipts of whole days, requested two days after each, as far as that was."""
        made = []
        for day in calendar.days_between(first, last):
            if day not in but:
                window = Window(*calendar.day_bounds_utc(day))
                at = min(self.now, window.to_utc + 2 * DAY)
                made.append(Receipt(new_receipt_id(at), "MID", MID.table.name, window, status, at, "test"))  # type: ignore[arg-type]
        self.warehouse.record(made)

    def look(self, days: int = gap_look.LOOK_DAYS, **others: object) -> list[Gap]:
        """Open gaps after a look that is kept."""
        keep(look([MID], self.warehouse, self.now, days=days, **others), self.warehouse)  # type: ignore[arg-type]
        return read_gaps(self.warehouse)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path, date(2026, 7, 20))
    yield made
    made.warehouse.close()


@pytest.mark.parametrize(
    ("gone", "hours"),
    [
        (date(2026, 3, 29), 23),
        (date(2026, 10, 25), 25),
        (date(2028, 2, 29), 24),
        (date(2027, 12, 31), 24),
    ],
)
def test_an_unasked_day_between_asked_ones_is_a_gap_of_its_own_hours(tmp_path: Path, gone: date, hours: int) -> None:
    home = Home(tmp_path, gone + 5 * DAY)
    home.asked(gone - 5 * DAY, gone + 5 * DAY, but=(gone,))
    (gap,) = home.look()
    assert (gap.from_utc, gap.to_utc) == calendar.day_bounds_utc(gone)
    assert (gap.to_utc - gap.from_utc, gap.why) == (hours * HOUR, "missed")
    assert [g.key for g in mark([gap], gone, gone, "x", home.now)] == [gap.key], "the day as people name it"
    missing = [row.missing_hours for row in read_completeness(home.warehouse) if row.missing_hours]
    assert missing == [hours]
    home.asked(gone, gone)
    assert home.look() == []
    assert all(row.missing_hours == 0 for row in read_completeness(home.warehouse))


def test_half_repaired_gaps_go_on_with_their_age(home: Home) -> None:
    gone = tuple(date(2026, 7, n) for n in (13, 14, 15))
    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=gone)
    (whole,) = home.look()
    home.now += 5 * HOUR
    home.asked(date(2026, 7, 19), date(2026, 7, 20))
    home.asked(gone[1], gone[1])
    first, last = home.look()
    assert (first.from_utc, last.to_utc) == (whole.from_utc, whole.to_utc)
    assert first.opened_utc == last.opened_utc == whole.opened_utc
    home.asked(gone[0], gone[0])
    assert [g.key for g in home.look()] == [last.key]
    home.asked(gone[2], gone[2])
    assert home.look() == []


def test_a_gap_that_is_older_than_the_repair_asks_closes_when_a_backfill_has_filled_it(home: Home) -> None:
    gone, accepted = date(2026, 7, 14), date(2026, 7, 16)
    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=(gone, gone + DAY, accepted))
    home.warehouse.note_gaps(mark(home.look(), accepted, accepted, "gone", home.now))
    home.now += 200 * DAY
    today = calendar.settlement_day(home.now)
    home.asked(today - 30 * DAY, today)
    before = home.look()
    assert [(g.why, g.note) for g in before] == [("missed", ""), ("never_published", "gone")]
    assert home.look() == before
    home.asked(gone, gone)
    rest, _ = home.look()
    assert (rest.from_utc, rest.to_utc) == calendar.day_bounds_utc(gone + DAY)
    home.asked(gone + DAY, accepted)
    assert home.look(LONGEST_LOOK_DAYS) == []
    notes = {g.why: g.note for g in read_gaps(home.warehouse, closed=True)}
    assert notes == {"missed": "filled", "never_published": "published after all"}


def test_what_a_person_says_while_a_look_is_under_way_stands(home: Home) -> None:
    gone = date(2026, 7, 14)
    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=(gone, gone + DAY))
    home.look()
    home.asked(gone, gone)
    slow = look([MID], home.warehouse, home.now)
    home.now += timedelta(minutes=1)
    fast = look([MID], home.warehouse, home.now)
    keep(fast, home.warehouse)
    home.warehouse.note_gaps(mark(read_gaps(home.warehouse), gone, gone + DAY, "Elexon says so", home.now))
    home.now += timedelta(minutes=1)
    keep(slow, home.warehouse)
    (gap,) = home.look()
    assert (gap.why, gap.note) == ("never_published", "Elexon says so")


def test_two_looks_at_once_open_one_gap(home: Home) -> None:
    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=(date(2026, 7, 14),))
    looks = [look([MID], home.warehouse, home.now + timedelta(minutes=n)) for n in range(2)]
    for one in looks:
        keep(one, home.warehouse)
        home.now += timedelta(minutes=1)
    (gap,) = read_gaps(home.warehouse)
    assert gap.opened_utc == looks[0].changes[0].opened_utc


def test_a_look_that_was_killed_after_some_of_its_rows_is_made_good_by_the_next(home: Home) -> None:
    gone = date(2026, 7, 14)
    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=(gone, gone + DAY))
    home.look()
    home.asked(gone, gone)
    found = look([MID], home.warehouse, home.now)
    assert len(found.changes) == 2
    for change in found.changes:
        # A store that writes in pieces may have written one of them.
        keep(replace(found, changes=(change,)), home.warehouse)
        (gap,) = home.look()
        assert (gap.from_utc, gap.to_utc) == calendar.day_bounds_utc(gone + DAY)


def test_a_day_that_is_not_due_is_opened_when_it_is_missed_and_not_before(home: Home) -> None:
    """People are told of what lasts; the days that a publication may take are no part of that."""
    entry = dataset("B1610")
    made = []
    for day in calendar.days_between(date(2026, 6, 20), date(2026, 7, 9)):
        window = Window(*calendar.day_bounds_utc(day))
        at = window.to_utc + 9 * DAY
        made.append(Receipt(new_receipt_id(at), entry.code, entry.table.name, window, "silent", at, "t"))
    home.warehouse.record(made)
    first = calendar.day_start_utc(date(2026, 7, 10))
    listed: dict[str, Gap] = {}
    for n in range(10):
        home.now = calendar.day_start_utc(date(2026, 7, 13)) + n * DAY
        keep(look([entry], home.warehouse, home.now, days=LONGEST_LOOK_DAYS), home.warehouse)
        listed = {g.why: g for g in read_gaps(home.warehouse) if g.from_utc == first} or listed
        if "missed" in listed:
            break
    published = calendar.lag_end(entry.timing.available, first, first + DAY)
    assert listed["missed"].opened_utc > published and listed["missed"].since_utc >= published


def test_holes_of_iris_that_are_looked_at_no_more_are_not_called_filled(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holes: list[Hole] = []

    class Holes:
        def __init__(self) -> None:
            self.holes = tuple(holes)

    monkeypatch.setattr(gap_look, "find_holes", lambda *_, **__: Holes())
    lost = Hole(home.now - 6 * HOUR, home.now - HOUR, (), "3 sequence numbers were skipped")
    holes.append(lost)
    (gap,) = home.look(root=tmp_path)
    assert (gap.dataset, gap.table, gap.why) == (IRIS, MESSAGES_TABLE, "missed")
    home.now += 6 * DAY
    holes.clear()
    assert home.look(root=tmp_path) == [gap], "nobody looks at it any more, and nobody has filled it"
    holes.append(replace(lost, state="filled"))
    assert home.look(root=tmp_path) == []


def test_an_old_hole_of_one_stream_closes_when_the_archive_has_answered_for_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = dataset("iris/fuelinst")
    begin = home.now.replace(minute=40)
    holes = [Hole(begin, begin + HOUR, (stream.table.name,), "3 sequence numbers were skipped")]

    class Holes:
        def __init__(self) -> None:
            self.holes = tuple(holes)

    def found() -> list[Gap]:
        keep(look([stream], home.warehouse, home.now, root=tmp_path), home.warehouse)
        return read_gaps(home.warehouse)

    def answered(hour: int) -> None:
        at = begin.replace(minute=0) + hour * HOUR
        window = Window(at, at + HOUR, (("_source_api", "IRIS-ARCHIVE"),))
        made = Receipt(new_receipt_id(at), stream.code, stream.table.name, window, "silent", home.now, "test")
        home.warehouse.record([made])

    monkeypatch.setattr(gap_look, "find_holes", lambda *_, **__: Holes())
    home.now += 2 * HOUR
    (gap,) = found()
    holes.clear()
    home.now += 9 * DAY
    answered(0)
    assert found() == [gap], "half of it"
    answered(1)
    assert found() == []


def test_a_person_s_word_on_a_hole_of_iris_stands(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hole = Hole(home.now - 30 * HOUR, home.now - 29 * HOUR, (), "nobody listened")

    class Holes:
        holes = (hole,)

    monkeypatch.setattr(gap_look, "find_holes", lambda *_, **__: Holes())
    day = calendar.settlement_day(hole.from_utc)
    home.warehouse.note_gaps(mark(home.look(root=tmp_path), day, day + DAY, "not wanted", home.now))
    for _ in range(2):
        home.now += HOUR
        (gap,) = home.look(root=tmp_path)
        assert (gap.why, gap.note) == ("never_published", "not wanted")


def test_a_dataset_that_is_not_kept_any_more_alarms_nobody(home: Home) -> None:
    from energy_assets.tracking.gap_look import names_of
    from energy_assets.tracking.gaps import conditions

    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=(date(2026, 7, 14),))
    gaps = home.look()
    later = home.now + 2 * DAY
    (told,) = conditions(gaps, names_of([MID]), later)
    assert "energy-assets gaps accept 'bmrs/mid' --from 2026-07-14 --to 2026-07-14" in told.remedy
    assert conditions(gaps, names_of([dataset("FUELINST")]), later) == []


def test_rows_in_quarantine_do_not_hide_what_was_never_asked_for(home: Home) -> None:
    gone = date(2026, 7, 14)
    home.asked(date(2026, 7, 1), date(2026, 7, 20), but=(gone,))
    window = Window(*calendar.day_bounds_utc(gone - DAY))
    at = home.now
    bad = Receipt(
        new_receipt_id(at), "MID", MID.table.name, window, "written", at, "t", counts=Counts(50, quarantined=2)
    )
    home.warehouse.record([bad])
    assert [g.why for g in home.look()] == ["quarantined", "missed"]
