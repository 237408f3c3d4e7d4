"""The sheet over real HTTP by the real gspread, against the stand-in: faults, people, formulas, quotas, refusals."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gspread
import pytest
from google.auth.credentials import AnonymousCredentials
from gspread.exceptions import APIError

from energy_assets.errors import SettingsError, SheetError, SheetUnreachableError
from energy_assets.sandbox.server import running
from energy_assets.sandbox.sheets import SHEET_ID, SHEETS_PATH, SheetsSandbox
from energy_assets.sandbox.sheets_model import Worksheet
from energy_assets.settings import load_settings
from energy_assets.tracking.sheet import HEARTBEAT, MAY_LAG, SUMMARY, Patience, Sheet
from energy_assets.tracking.sheet_book import Book, open_book
from energy_assets.tracking.sheet_layout import Block
from energy_assets.tracking.sheet_rows import HEADERS, Row
from energy_assets.wiring import open_sheet

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
TITLE = "Status"
ROWS = [Row("BMRS", name, NOW, "SUCCESS", NOW) for name in ("FUELINST", "MID", "FREQ", "BOD")]
FAILED = [Row("BMRS", row.dataset, NOW, "FAILED", NOW, "HTTP 503.") for row in ROWS]


@dataclass
class World:
    """The stand-in, a sheet in it, and a clock that waits move on."""

    app: SheetsSandbox
    url: str
    book: Book
    waits: list[float] = field(default_factory=list)

    def patience(self, **options) -> Patience:
        return Patience(sleep=self.waits.append, clock=lambda: sum(self.waits), chance=lambda: 1.0, **options)

    def sheet(self, **options) -> Sheet:
        return Sheet(self.book, TITLE, self.patience(**options))

    def tab(self, title: str = TITLE) -> Worksheet:
        return self.app.books[SHEET_ID].tab(title)

    def lines(self, title: str = TITLE) -> list[list[object]]:
        return [line + [""] * (6 - len(line)) for line in self.tab(title).values()]

    def asked(self) -> list[str | None]:
        kinds = [asked.dataset for asked in self.app.requests]
        self.app.requests.clear()
        return kinds


@pytest.fixture
def world() -> Iterator[World]:
    app = SheetsSandbox()
    with running(app, path=SHEETS_PATH) as url:
        yield World(app, url, open_book(SHEET_ID, None, url, (2.0, 0.3)))


@pytest.fixture
def synced(world: World) -> World:
    world.sheet().sync(ROWS, NOW)
    world.app.requests.clear()
    return world


def content(rows: list[Row]) -> list[list[object]]:
    return [list(HEADERS), *(list(row.cells) for row in rows)]


def test_the_first_sync_makes_worksheets_with_formatting_and_later_ones_read_once_and_write_once(world: World) -> None:
    first = world.sheet().sync(ROWS, NOW)
    assert first.rows == 4 and len(first.notices) == 2
    assert world.lines() == content(ROWS)
    tab = world.tab()
    assert tab.frozen == 1 and tab.formats[0, 0]["textFormat"]["bold"] and len(tab.rules) == 3
    assert tab.widths[5] > tab.widths[0]
    assert world.lines(SUMMARY)[5][:3] == ["BMRS", 4, 4]
    world.asked()
    assert not world.sheet().sync(ROWS, NOW + timedelta(minutes=15)).written
    assert world.asked() == ["read"]
    changed = world.sheet().sync(FAILED, NOW + timedelta(minutes=30))
    assert (changed.rows, changed.calls, world.asked()) == (4, 2, ["read", "write"])
    assert world.lines() == content(FAILED)


def test_a_summary_that_grows_old_is_written_although_nothing_differs(synced: World) -> None:
    later = NOW + HEARTBEAT
    assert synced.sheet().sync(ROWS, later).written
    assert synced.lines(SUMMARY)[1][1] == "2026-07-15T13:00:00Z"


@pytest.mark.parametrize("text", ["=1+1", "=IMPORTXML(A1)", "+1", "-1", "@x", "'=1", "1e5", "TRUE", "2026-07-15"])
def test_text_stays_text_whatever_it_begins_with(world: World, text: str) -> None:
    world.sheet().sync([Row("BMRS", "FUELINST", NOW, "FAILED", NOW, text)], NOW)
    assert world.lines()[1][5] == text
    assert world.app.books[SHEET_ID].formulas == 0
    assert not world.sheet().sync([Row("BMRS", "FUELINST", NOW, "FAILED", NOW, text)], NOW).written


def test_the_stand_in_would_compute_a_formula_that_is_entered_as_people_do(world: World) -> None:
    client = world.book._http
    url = f"https://sheets.googleapis.com/v4/spreadsheets/{SHEET_ID}/values/Sheet1!A1"
    client.request("put", url, params={"valueInputOption": "USER_ENTERED"}, json={"values": [["=1+1"]]})
    assert world.app.books[SHEET_ID].formulas == 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 429}),
        ("status", {"status": 503}),
        ("status", {"status": 500}),
        ("html", {}),
        ("latency", {"seconds": 0.6}),
        ("reset", {}),
    ],
)
@pytest.mark.parametrize("call", ["read", "write"])
def test_a_fault_that_passes_is_waited_out_and_nothing_is_done_twice(
    synced: World, kind, options: dict[str, object], call: str
) -> None:
    synced.app.faults.add(kind, dataset=call, count=2, **options)
    done = synced.sheet().sync(FAILED, NOW)
    assert done.written or (call, kind) in {("write", "reset"), ("write", "latency")}, "a lost answer had its effect"
    assert synced.waits and synced.lines() == content(FAILED)
    assert synced.app.appended == 0


def test_a_refill_time_that_is_told_is_waited_for(synced: World) -> None:
    synced.app.faults.add("status", dataset="read", count=1, status=429, seconds=37)
    synced.sheet().sync(FAILED, NOW)
    assert synced.waits == [37.0]


def test_the_quota_of_a_minute_is_outlasted(synced: World) -> None:
    synced.app.clock = lambda: NOW + timedelta(seconds=sum(synced.waits))
    synced.app._recent[True].clear()
    synced.app._recent[True].extend([NOW] * 60)
    synced.sheet().sync(FAILED, NOW)
    assert sum(synced.waits) >= 60 and synced.lines() == content(FAILED)


def test_a_sheet_that_stays_away_is_given_up_in_bounded_time_without_a_web_page_in_the_message(synced: World) -> None:
    synced.app.faults.add("status", dataset="read", status=503)
    with pytest.raises(SheetUnreachableError) as told:
        synced.sheet().sync(FAILED, NOW)
    assert "tried 8 times (reading it failed with HTTP 503)" in str(told.value) and "<" not in str(told.value)
    assert 60 < sum(synced.waits) < 240 and len(synced.asked()) == 8
    with pytest.raises(SheetUnreachableError, match="tried once"):
        synced.sheet(seconds=0.5).sync(FAILED, NOW)


def test_nobody_listening_is_a_sheet_that_cannot_be_reached() -> None:
    sheet = Sheet(open_book(SHEET_ID, None, "http://127.0.0.1:9", (0.5, 0.5)), TITLE, Patience(1))
    with pytest.raises(SheetUnreachableError):
        sheet.sync(ROWS, NOW)


def test_a_refusal_is_told_at_once_with_what_to_do(synced: World) -> None:
    synced.app.faults.add("status", dataset="read", status=403, count=1)
    with pytest.raises(SheetError, match="as an editor") as told:
        synced.sheet().sync(ROWS, NOW)
    assert not isinstance(told.value, SheetUnreachableError) and synced.waits == []
    with pytest.raises(SheetError, match="set ENERGY_ASSETS_SHEET_ID"):
        Sheet(open_book("another-one", None, synced.url), TITLE, Patience(1)).sync(ROWS, NOW)


def test_an_inserted_column_is_kept_and_jumped_over(synced: World) -> None:
    synced.tab().insert("COLUMNS", 3, 4)
    synced.tab().put(0, 3, [["Contact"], ["Ada"], ["Grace"]])
    synced.sheet().sync(FAILED, NOW)
    assert synced.asked() == ["read", "write"]
    assert [line[3] for line in synced.lines()[:3]] == ["Contact", "Ada", "Grace"]
    assert [line[:3] + line[4:] for line in synced.tab().values()] == content(FAILED)


@pytest.mark.parametrize("gone", [TITLE, SUMMARY])
def test_a_deleted_worksheet_is_made_again(synced: World, gone: str) -> None:
    book = synced.app.books[SHEET_ID]
    book.tabs.remove(book.tab(gone))
    notices = synced.sheet().sync(FAILED, NOW).notices
    assert notices == [f"the worksheet {gone} was not there and was made"]
    assert synced.lines() == content(FAILED) and synced.lines(SUMMARY)[5][3] == 4


@pytest.mark.parametrize("name", ["Renamed it!", "it's/odd", "A1", "Ünïcode 1"])
def test_a_renamed_worksheet_is_followed_and_a_renamed_summary_named_back(synced: World, name: str) -> None:
    synced.tab().title = name
    synced.tab(SUMMARY).title = "Old summary"
    (first, second) = synced.sheet().sync(FAILED, NOW).notices
    assert first.startswith(f"the worksheet Status is called {name} now") and "Old summary" in second
    assert synced.lines(name) == content(FAILED)
    assert {tab.title for tab in synced.app.books[SHEET_ID].tabs} == {"Sheet1", name, SUMMARY}


def test_a_removed_header_row_is_inserted_again(synced: World) -> None:
    synced.tab().delete("ROWS", 0, 1)
    assert "the header row was not there" in synced.sheet().sync(FAILED, NOW).notices[0]
    assert synced.lines() == content(FAILED)


def test_a_grid_that_is_too_small_grows(synced: World) -> None:
    tab = synced.tab()
    tab.rows, tab.columns = 5, 6
    many = [Row("BMRS", f"D{n}", NOW, "SUCCESS", NOW) for n in range(600)]
    synced.sheet().sync(many, NOW)
    assert len(synced.lines()) == 1 + len(ROWS) + 600
    tab = synced.tab()
    tab.delete("COLUMNS", 3, 6)
    synced.sheet().sync(many, NOW)
    assert synced.lines()[600][3:] == ["SUCCESS", "2026-07-15T12:00:00Z", ""]


def test_a_worksheet_that_goes_away_between_reading_and_writing_is_no_end(synced: World) -> None:
    book = synced.book
    write = book.write

    def interrupted(changes) -> None:
        book.write = write
        synced.app.books[SHEET_ID].tabs.remove(synced.tab())
        write(changes)

    book.write = interrupted
    synced.sheet().sync(FAILED, NOW)
    assert synced.lines() == content(FAILED)


def test_a_column_inserted_between_reading_and_writing_is_made_good_by_the_next_sync(synced: World) -> None:
    book, write = synced.book, synced.book.write

    def interrupted(changes) -> None:
        book.write = write
        synced.tab().insert("COLUMNS", 0, 1)
        write(changes)

    book.write = interrupted
    synced.sheet().sync(FAILED, NOW)
    synced.sheet().sync(FAILED, NOW)
    assert not synced.sheet().sync(FAILED, NOW).written
    assert not [d for d in synced.sheet().check(lambda moment: FAILED, NOW) if not d.lags]


def test_setting_up_twice_formats_once(synced: World) -> None:
    synced.sheet().setup(ROWS, NOW)
    synced.sheet().setup(ROWS, NOW)
    assert len(synced.tab().rules) == 3 and synced.lines() == content(ROWS)


def test_a_worksheet_of_the_older_collector_is_used_as_it_is(world: World) -> None:
    old = Worksheet(7, TITLE)
    old.put(0, 0, [list(HEADERS), ["BMRS", "MID", "2025-09-20 13:40", "SUCCESS", "2025-09-20", ""]])
    world.app.books[SHEET_ID].tabs.append(old)
    world.sheet().setup(ROWS, NOW)
    assert [line[1] for line in world.lines()] == ["Dataset", "MID", "FUELINST", "FREQ", "BOD"]
    assert world.tab().sheet_id == 7 and len(world.tab().rules) == 3


def test_check_names_each_difference_and_changes_nothing(synced: World) -> None:
    def told(rows=ROWS, now: datetime = NOW) -> list[tuple[str, bool]]:
        return [(f"{d.what}: {d.text}", d.lags) for d in synced.sheet().check(lambda moment: rows, now)]

    assert told() == []
    synced.tab().put(1, 3, [["FAILED"]])
    synced.tab().put(2, 3, [["STARTED", None, "A refresh has been under way since 2026-07-15T11:59:00Z."]])
    assert told() == [("BMRS FUELINST: Status is FAILED, not SUCCESS", False)]
    newer = [ROWS[0], ROWS[1], Row("BMRS", "FREQ", NOW, "FAILED", NOW + timedelta(minutes=1), "why"), ROWS[3]]
    assert told(newer)[1][1], "it came to pass since the sheet was written"
    late = told(newer, NOW + MAY_LAG + timedelta(minutes=1))
    assert late[0][0].startswith("Summary: was last written 2026-07-15 12:00Z") and not any(lags for _, lags in late)
    synced.tab().delete("ROWS", 4, 5)
    assert ("BMRS BOD: has no row", False) in told(now=NOW + 2 * MAY_LAG)
    synced.tab().delete("COLUMNS", 3, 4)
    assert told() == [("Status: lacks the columns Status", False)]
    synced.tab().title = "Other"
    assert told()[0][0].startswith("worksheets: Status or Summary is not there, but only Sheet1,")
    assert set(synced.asked()) == {"read"}


def test_the_stand_in_refuses_what_google_refuses(synced: World) -> None:
    for block in (Block(0, 30, (("x",),)), Block(10_000, 0, (("x",),))):
        with pytest.raises(Exception, match="somebody changed the worksheets"):
            synced.book.write({TITLE: [block]})
    plain = gspread.http_client.HTTPClient(AnonymousCredentials())
    plain.session.trust_env = False
    with pytest.raises(APIError, match="is required"):
        plain.request("put", f"{synced.url}/v4/spreadsheets/{SHEET_ID}/values/Sheet1!A1", json={"values": [["x"]]})
    with pytest.raises(APIError):
        plain.request("post", f"{synced.url}/v4/spreadsheets/{SHEET_ID}/values/Sheet1:append", json={"values": [["x"]]})
    assert synced.app.appended == 1 and synced.lines() == content(ROWS)


def test_a_write_of_which_one_part_is_refused_changes_nothing(synced: World) -> None:
    with pytest.raises(Exception, match="Unable to parse range"):
        synced.book.write({TITLE: [Block(1, 0, (("x",),))], "No such tab": [Block(0, 0, (("y",),))]})
    assert synced.lines() == content(ROWS)


SHEET_ADDRESS = "https://docs.google.com/spreadsheets/d/1AbC_d-e234567890/edit?gid=0#gid=0"


@pytest.mark.parametrize(
    ("given", "identifier"), [(SHEET_ADDRESS, "1AbC_d-e234567890"), ("1AbC_d-e234567890", "1AbC_d-e234567890")]
)
def test_a_sheet_is_named_by_its_address_or_identifier(given: str, identifier: str) -> None:
    assert load_settings({"ENERGY_ASSETS_SHEET_ID": given}, None).sheet_id == identifier


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SHEETS_URL", "https://sheets.googleapis.com", "an address of this machine"),
        ("SHEETS_URL", "http://192.168.1.4:8000", "an address of this machine"),
        ("SHEETS_URL", "127.0.0.1:8000", "must begin with http"),
        ("SHEET_ID", "https://example.com/sheet", "ENERGY_ASSETS_SHEET_ID"),
        ("SHEET_WORKSHEET", "Summary", "that worksheet is the summary"),
    ],
)
def test_wrong_settings_are_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings({f"ENERGY_ASSETS_{name}": value}, None)


def test_without_a_sheet_or_credentials_it_is_said_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No sheet is configured"):
        open_sheet(load_settings({}, None))
    key = tmp_path / "key.json"
    variables = {"ENERGY_ASSETS_SHEET_ID": "1AbC_d-e234567890", "ENERGY_ASSETS_SHEET_CREDENTIALS": str(key)}
    with pytest.raises(SheetError, match="cannot be read"):
        open_sheet(load_settings(variables, None))
    key.write_text(json.dumps({"type": "service_account", "private_key": "hunter2"}))
    with pytest.raises(SheetError, match="is no key file") as told:
        open_sheet(load_settings(variables, None))
    assert "hunter2" not in str(told.value) and told.value.__cause__ is None


@pytest.mark.parametrize("content", ["[]", "null", '"hunter2"', "", "\0"])
def test_a_key_file_of_anything_else_is_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    key = tmp_path / "key.json"
    key.write_text(content)
    with pytest.raises(SheetError, match="is no key file"):
        open_book(SHEET_ID, key)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(SheetError, match="No credentials for Google were found"):
        open_book(SHEET_ID)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with pytest.raises(SheetError, match="The key file of GOOGLE_APPLICATION_CREDENTIALS cannot be read"):
        open_book(SHEET_ID)


def test_nothing_of_what_is_written_is_logged(synced: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "energy_assets")
    synced.app.faults.add("status", dataset="read", count=1, status=503)
    synced.sheet().sync([Row("BMRS", "MID", NOW, "FAILED", NOW, "private")], NOW)
    assert "tried again" in caplog.text and "private" not in caplog.text
