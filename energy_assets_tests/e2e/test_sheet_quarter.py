"""Ninety days of refreshes mirrored by the real gspread into a stand-in that misbehaves, and that people work in."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import SheetUnreachableError
from energy_assets.sandbox.server import running
from energy_assets.sandbox.sheets import SHEET_ID, SHEETS_PATH, SheetsSandbox
from energy_assets.sandbox.sheets_model import Worksheet
from energy_assets.tracking.sheet import SUMMARY, Patience, Sheet
from energy_assets.tracking.sheet_book import open_book
from energy_assets.tracking.sheet_rows import HEADERS, Row, rows_of, summary_of
from energy_assets.tracking.status import DatasetReport
from energy_assets.warehouse.interface import DatasetStatus

logger = logging.getLogger(__name__)

BEGIN = datetime(2026, 1, 15, tzinfo=UTC)
DAYS = 90
EVERY = timedelta(hours=4)
"""Between two refreshes; each changes what several datasets are at."""

SEED = 6
TIMEOUT = (2.0, 0.15)
TITLE = "Status"

REASONS = ("=HYPERLINK(A1)", "+1", "HTTP 503.", "-2+3", "@now", "=1+1")
"""Notes of failures, most of them looking like formulas."""

FAULTS = (
    ("status", {"status": 429}, 0.02),
    ("status", {"status": 503}, 0.02),
    ("html", {}, 0.01),
    ("latency", {"seconds": 0.3}, 0.01),
    ("reset", {}, 0.02),
)
"""Each befalls one request of so many, of reads, writes and changes alike."""


@dataclass
class Quarter:
    """Datasets whose state changes by chance, and a clock that only this moves on."""

    entries: Sequence[Dataset]
    chance: random.Random
    now: datetime = BEGIN
    held: dict[str, DatasetStatus] = field(default_factory=dict)
    begun: dict[str, datetime] = field(default_factory=dict)

    def refresh(self) -> list[Row]:
        """Some datasets are asked for, with one outcome or another; every row as it is then."""
        self.now += EVERY
        self.begun.clear()
        for entry in self.chance.sample(list(self.entries), 8):
            if self.chance.random() < 0.1:
                self.begun[entry.name] = self.now
                continue
            failed = self.chance.random() < 0.3
            before = self.held.get(entry.name)
            success = self.now if not failed else before.last_success_utc if before else None
            status, reason = ("failed", self.chance.choice(REASONS)) if failed else ("written", "")
            name = entry.table.name
            self.held[entry.name] = DatasetStatus(name, success, None, None, 0, status, self.now, reason, 0)
        blank = (None, None, None, 0, None, None, "", 0)
        reports = [
            DatasetReport(e, self.held.get(e.name) or DatasetStatus(e.table.name, *blank), ()) for e in self.entries
        ]
        return rows_of(reports, self.now, self.begun)

    def seconds(self) -> float:
        return self.now.timestamp()

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Person:
    """Somebody with the sheet open."""

    app: SheetsSandbox
    chance: random.Random
    acts: Counter[str] = field(default_factory=Counter)
    columns: int = 0

    def meddle(self) -> None:
        """Now and then something is inserted, removed, renamed, copied or sorted."""
        if self.chance.random() > 0.06:
            return
        book = self.app.books[SHEET_ID]
        tab = next((t for t in book.tabs if t.title not in (SUMMARY, "Sheet1")), None)
        acts = ["column", "delete", "delete summary", "rename", "row", "copy", "delete row", "our column", "sort"]
        act = self.chance.choice(acts)
        self.acts[act] += 1
        if act == "delete summary":
            book.tabs = [t for t in book.tabs if t.title != SUMMARY]
        elif tab is not None:
            self._meddle_with(act, tab)

    def _meddle_with(self, act: str, tab: Worksheet) -> None:
        rows = [r for r, line in enumerate(tab.values()) if any(line)]
        if act == "delete":
            self.app.books[SHEET_ID].tabs.remove(tab)
            self.columns = 0
        elif act == "rename":
            tab.title = TITLE if tab.title != TITLE else "Market data!"
        elif act == "column" and self.columns < 5:
            self.columns += 1
            place = self.chance.randrange(6)
            tab.insert("COLUMNS", place, place + 1)
            tab.put(0, place, [[f"Mine {self.columns}"], *[[f"theirs {r}"] for r in rows[1:5]]])
        elif act == "our column":
            ours = [c for c, name in enumerate(tab.values()[0]) if name in HEADERS[2:]]
            place = self.chance.choice(ours)
            tab.delete("COLUMNS", place, place + 1)
        elif act == "row":
            tab.insert("ROWS", 3, 4)
        elif act == "delete row":
            place = self.chance.randrange(1, len(rows))
            tab.delete("ROWS", place, place + 1)
        elif act == "copy":
            line = tab.values()[self.chance.choice(rows[1:])]
            tab.put(rows[-1] + 1, 0, [line])
        elif act == "sort":
            lines = sorted(tab.values()[1:], key=lambda line: [str(cell) for cell in line[::-1]])
            width = max(map(len, lines))
            tab.put(1, 0, [line + [""] * (width - len(line)) for line in lines])


def found(tab: Worksheet) -> list[tuple[str, ...]]:
    """Rows under our headers, wherever those are."""
    lines = tab.values()
    columns = [lines[0].index(name) for name in HEADERS]
    rows = [tuple(str(line[c]) if c < len(line) else "" for c in columns) for line in lines[1:]]
    return [row for row in rows if any(row)]


def test_ninety_days_of_refreshes_end_with_the_right_content() -> None:
    chance = random.Random(SEED)
    quarter = Quarter(datasets("bmrs")[:40], chance)
    app = SheetsSandbox(seed=SEED, clock=lambda: quarter.now)
    for kind, options, probability in FAULTS:
        app.faults.add(kind, probability=probability, **options)
    person = Person(app, chance)
    told: Counter[str] = Counter()
    with running(app, path=SHEETS_PATH) as url:
        patience = Patience(sleep=quarter.wait, clock=quarter.seconds, chance=chance.random)
        book = open_book(SHEET_ID, None, url, TIMEOUT)
        sheet = Sheet(book, TITLE, patience)
        while quarter.now < BEGIN + timedelta(days=DAYS):
            rows = quarter.refresh()
            asked = quarter.now
            try:
                done = sheet.sync(rows, asked)
            except SheetUnreachableError:
                told["given up"] += 1
                continue
            told["written" if done.written else "as it was"] += 1
            told["notices"] += len(done.notices)
            # Four hours pass in a moment here: what a client gave up waiting for must not be done after the next sync.
            while app.requests.under_way:
                time.sleep(0.01)
            right(app, rows)
            assert sum(str(name).startswith("Mine") for name in status_tab(app).values()[0]) == person.columns
            person.meddle()
        hits = Counter(f"{f['kind']} {f['status']}" for f in app.faults.listed() for _ in range(f["hit"]))
        calls = Counter(str(asked.dataset) for asked in app.requests)
        made = book.calls
        app.faults.clear()
        rows = quarter.refresh()
        sheet.sync(rows, quarter.now)
        assert not sheet.sync(rows, quarter.now).written
    right(app, rows)
    summary = [[str(cell) for cell in line] for line in app.books[SHEET_ID].tab(SUMMARY).values()]
    wanted = [[str(cell) for cell in line] for line in summary_of(rows, quarter.now)]
    assert [line + [""] * (7 - len(line)) for line in summary] == wanted[: len(summary)]
    assert app.books[SHEET_ID].formulas == 0 and app.appended == 0
    assert any(note.startswith("=") for _, _, _, _, _, note in found(status_tab(app)))
    assert len(hits) == len(FAULTS) and len(person.acts) == 9, "everything befell it"
    syncs = sum(told[what] for what in ("written", "as it was", "given up"))
    logger.info("%d syncs %s, requests %s, faults %s, people %s", syncs, told, calls, hits, person.acts)
    assert calls.total() == made
    assert calls.total() < 4 * syncs, "a read and a write each, and what faults and people cost"


def status_tab(app: SheetsSandbox) -> Worksheet:
    (tab,) = (t for t in app.books[SHEET_ID].tabs if t.title not in (SUMMARY, "Sheet1"))
    return tab


def right(app: SheetsSandbox, rows: Sequence[Row]) -> None:
    """Every dataset has one row, and it says what it should."""
    tab = status_tab(app)
    assert sorted(found(tab)) == sorted(row.cells for row in rows)
