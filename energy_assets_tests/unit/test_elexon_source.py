"""Elexon's requests: every query style on ordinary and clock-change days, and what its errors tell the user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets import calendar
from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset, Query, StorageAxis, Table, Timing, WindowCheck
from energy_assets.errors import CatalogueError, ContractError, StatusError, TransportError, WindowTooLargeError
from energy_assets.ingest.model import Window
from energy_assets.ingest.planner import atoms_of
from energy_assets.settings import Settings
from energy_assets.sources.elexon import ElexonSource, render
from energy_assets_tests.unit.loopback import Naps, Peer, Reply

SPRING, AUTUMN, LEAP, SUMMER = date(2026, 3, 29), date(2026, 10, 25), date(2028, 2, 29), date(2026, 7, 15)
DAYS = (SPRING, AUTUMN, LEAP, SUMMER, date(2026, 1, 15))


def entry(path: str = "/datasets/X", params: Sequence[tuple[str, str]] = (), **query: Any) -> Dataset:
    table = Table("bmrs_x", "X", (), (), (), (), None, StorageAxis("snapshot"))
    return Dataset(
        "X", "bmrs", "", "", "", (), Query(path, tuple(params), **query), table, WindowCheck("none"), "immutable",
        Timing("", "unknown"),
    )  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def span(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def whole(first: date, last: date | None = None, branch: tuple[tuple[str, str], ...] = ()) -> Window:
    return Window(calendar.day_start_utc(first), calendar.day_bounds_utc(last or first)[1], branch)


def periods(day: date, first: int, last: int) -> Window:
    return Window(calendar.period_start_utc(day, first), calendar.period_start_utc(day, last) + timedelta(minutes=30))


FROM_TO = (("publishDateTimeFrom", "{from}"), ("publishDateTimeTo", "{to}"))
DATES = (("settlementDateFrom", "{date_from}"), ("settlementDateTo", "{date_to}"))
STREAM = (
    ("from", "{date_from}T00:00Z"),
    ("to", "{date_to}T00:00Z"),
    ("settlementPeriodFrom", "{period_from}"),
    ("settlementPeriodTo", "{period_to}"),
)


class TestInstants:
    @pytest.mark.parametrize(
        ("window", "low", "high"),
        [
            (whole(SPRING), "2026-03-29T00:00Z", "2026-03-29T23:00Z"),
            (whole(AUTUMN), "2026-10-24T23:00Z", "2026-10-26T00:00Z"),
            (whole(SUMMER), "2026-07-14T23:00Z", "2026-07-15T23:00Z"),
            (span("2026-01-15T23:00:01Z", "2026-01-16T00:00:15Z"), "2026-01-15T23:00:01Z", "2026-01-16T00:00:15Z"),
            (span("2026-07-16T00:00+01:00", "2026-07-16T01:00+01:00"), "2026-07-15T23:00Z", "2026-07-16T00:00Z"),
        ],
    )
    def test_are_sent_in_utc_with_seconds_only_where_they_count(self, window: Window, low: str, high: str) -> None:
        assert render(entry(params=FROM_TO), window) == (
            "/datasets/X",
            (("publishDateTimeFrom", low), ("publishDateTimeTo", high)),
        )

    def test_as_of_is_the_last_second_inside(self) -> None:
        assert render(entry(params=(("at", "{as_of}"),)), whole(SUMMER))[1] == (("at", "2026-07-15T22:59:59Z"),)

    def test_may_name_the_settlement_days_that_they_are(self) -> None:
        assert render(entry(params=DATES), whole(SPRING))[1] == (
            ("settlementDateFrom", "2026-03-29"),
            ("settlementDateTo", "2026-03-29"),
        )

    def test_may_not_name_days_that_they_only_touch(self) -> None:
        with pytest.raises(ContractError, match="begin and end with a settlement day"):
            render(entry(params=DATES), span("2026-07-15T00:00Z", "2026-07-16T00:00Z"))


class TestDays:
    @pytest.mark.parametrize("day", DAYS)
    def test_one(self, day: date) -> None:
        path, params = render(entry("/system-prices/{date}", unit="day"), whole(day))
        assert (path, params) == (f"/system-prices/{day}", ())

    def test_last_one_is_sent_inclusive(self) -> None:
        assert render(entry(params=DATES, unit="day"), whole(date(2026, 3, 27), date(2026, 3, 31)))[1] == (
            ("settlementDateFrom", "2026-03-27"),
            ("settlementDateTo", "2026-03-31"),
        )

    def test_several_are_not_sent_as_one(self) -> None:
        with pytest.raises(ContractError, match="several settlement days"):
            render(entry("/system-prices/{date}", unit="day"), whole(date(2026, 3, 28), SPRING))

    @pytest.mark.parametrize("shift", [timedelta(minutes=30), timedelta(hours=1), -timedelta(seconds=1)])
    def test_off_the_settlement_days_bounds_are_refused(self, shift: timedelta) -> None:
        window = whole(SUMMER)
        for crooked in (
            Window(window.from_utc + shift, window.to_utc),
            Window(window.from_utc, window.to_utc + shift),
            Window(window.from_utc + shift, window.to_utc + shift),
        ):
            with pytest.raises(ContractError, match=r"X: the window .* settlement day; nothing was sent"):
                render(entry(params=FROM_TO, unit="day"), crooked)

    @pytest.mark.parametrize(
        ("first", "last", "season"),
        [
            (date(2026, 1, 15), None, "2025"),
            (date(2026, 3, 31), None, "2025"),
            (date(2026, 4, 1), date(2027, 3, 31), "2026"),
            (date(2026, 11, 1), None, "2026"),
        ],
    )
    def test_belong_to_the_winter_that_begins_in_a_year(self, first: date, last: date | None, season: str) -> None:
        assert render(entry("/peak/{season}", unit="day"), whole(first, last))[0] == f"/peak/{season}"

    def test_of_two_winters_are_refused(self) -> None:
        with pytest.raises(ContractError, match="two winters"):
            render(entry("/peak/{season}", unit="day"), whole(date(2026, 3, 31), date(2026, 4, 1)))


class TestPeriods:
    @pytest.mark.parametrize("day", DAYS)
    def test_every_one_of_a_day_alone(self, day: date) -> None:
        last = calendar.periods_in_day(day)
        stack = entry("/stack/{bidOffer}/{date}/{period}", unit="period", branches=(("bidOffer", ("bid", "offer")),))
        paths = [
            render(stack, Window(w.from_utc, w.to_utc, branch))[0]
            for branch in stack.branch_choices()
            for w in (periods(day, n, n) for n in range(1, last + 1))
        ]
        assert paths == [f"/stack/{side}/{day}/{n}" for side in ("bid", "offer") for n in range(1, last + 1)]

    @pytest.mark.parametrize(("day", "last"), [(SPRING, 46), (AUTUMN, 50), (SUMMER, 48)])
    def test_range_of_a_whole_day(self, day: date, last: int) -> None:
        assert render(entry(params=STREAM, unit="period"), whole(day))[1] == (
            ("from", f"{day}T00:00Z"),
            ("to", f"{day}T00:00Z"),
            ("settlementPeriodFrom", "1"),
            ("settlementPeriodTo", str(last)),
        )

    def test_repeat_the_parameter(self) -> None:
        fuel = entry(params=(("settlementDate", "{date}"), ("settlementPeriod", "{periods}")), unit="period")
        assert render(fuel, periods(AUTUMN, 48, 50))[1] == (
            ("settlementDate", "2026-10-25"),
            ("settlementPeriod", "48"),
            ("settlementPeriod", "49"),
            ("settlementPeriod", "50"),
        )

    def test_several_are_not_sent_as_one(self) -> None:
        with pytest.raises(ContractError, match="several settlement periods"):
            render(entry("/{date}/{period}", unit="period"), periods(SUMMER, 1, 2))

    def test_across_midnight_in_london_are_refused(self) -> None:
        with pytest.raises(ContractError, match="crosses the end of a settlement day"):
            render(entry(params=STREAM, unit="period"), span("2026-07-15T22:30Z", "2026-07-15T23:30Z"))

    def test_off_the_half_hours_are_refused(self) -> None:
        with pytest.raises(ContractError, match="begin and end with a settlement period"):
            render(entry(params=STREAM, unit="period"), span("2026-07-15T12:00Z", "2026-07-15T12:45Z"))

    @given(st.dates(date(2001, 1, 1), date(2040, 12, 31)), st.data())
    def test_come_back_as_the_window_that_was_meant(self, day: date, data: st.DataObject) -> None:
        count = calendar.periods_in_day(day)
        first = data.draw(st.integers(1, count))
        last = data.draw(st.integers(first, count))
        params = dict(render(entry(params=STREAM, unit="period"), periods(day, first, last))[1])
        sent = date.fromisoformat(params["from"][:10])
        low = calendar.period_start_utc(sent, int(params["settlementPeriodFrom"]))
        high = calendar.period_start_utc(sent, int(params["settlementPeriodTo"])) + timedelta(minutes=30)
        assert params["from"] == params["to"]
        assert Window(low, high) == periods(day, first, last)


@given(
    st.datetimes(datetime(2001, 1, 1), datetime(2040, 12, 31)),
    st.integers(1, 10_000_000),
    st.integers(-14, 14),
)
def test_instants_come_back_as_the_window_that_was_meant(start: datetime, seconds: int, offset: int) -> None:
    low = start.replace(microsecond=0, tzinfo=timezone(timedelta(hours=offset)))
    high = low + timedelta(seconds=seconds)
    sent = [datetime.fromisoformat(value) for _, value in render(entry(params=FROM_TO), Window(low, high))[1]]
    assert sent == [low, high]
    assert all(instant.utcoffset() == timedelta(0) for instant in sent)


@given(st.dates(date(2001, 1, 1), date(2040, 12, 1)), st.integers(0, 400))
def test_days_come_back_as_the_window_that_was_meant(first: date, more: int) -> None:
    window = whole(first, first + timedelta(days=more))
    low, high = (date.fromisoformat(value) for _, value in render(entry(params=DATES, unit="day"), window)[1])
    assert whole(low, high) == window


class TestRefusedBeforeSending:
    @pytest.mark.parametrize(
        ("window", "what"),
        [
            (span("2026-01-15T00:00", "2026-01-16T00:00"), "without time zone"),
            (span("2026-01-15T00:00:00.5Z", "2026-01-16T00:00Z"), "whole second"),
            (span("2026-01-15T00:00Z", "2026-01-15T00:00Z"), "is empty"),
            (span("2026-01-16T00:00Z", "2026-01-15T00:00Z"), "is empty"),
            (Window(at("2026-01-15T00:00Z"), at("2026-01-16T00:00Z"), (("side", "bid"),)), "no branch"),
        ],
    )
    def test_windows_that_mean_nothing(self, window: Window, what: str) -> None:
        with pytest.raises(ContractError, match=what):
            render(entry(params=FROM_TO), window)

    @pytest.mark.parametrize("branch", [(), (("side", "both"),), (("other", "bid"),)])
    def test_branches_that_the_entry_does_not_have(self, branch: tuple[tuple[str, str], ...]) -> None:
        with pytest.raises(ContractError, match="no branch"):
            render(entry("/{side}", branches=(("side", ("bid", "offer")),)), whole(SUMMER, None, branch))

    @pytest.mark.parametrize(
        ("unit", "template"),
        [
            ("instant", "{fron}"),
            ("instant", "{}"),
            ("instant", "{period}"),
            ("day", "{period_from}"),
            ("day", "{periods}"),
            ("period", "{periods}x"),
            ("snapshot", "{from}"),
            ("snapshot", "{date}"),
        ],
    )
    def test_placeholders_that_do_not_exist(self, unit: Any, template: str) -> None:
        with pytest.raises(CatalogueError, match="correct the catalogue entry"):
            render(entry(params=(("a", template),), unit=unit), periods(SUMMER, 1, 48))

    def test_register_is_asked_for_without_parameters(self) -> None:
        assert render(entry("/reference/bmunits/all", unit="snapshot"), whole(SUMMER)) == ("/reference/bmunits/all", ())

    def test_path_values_are_encoded(self) -> None:
        odd = entry("/a/{name}", branches=(("name", ("a/b c",)),), unit="snapshot")
        assert render(odd, whole(SUMMER, None, (("name", "a/b c"),)))[0] == "/a/a%2Fb%20c"


@pytest.mark.parametrize("dataset", [d for d in datasets("bmrs") if d.provider == "bmrs"], ids=lambda d: d.code)
@pytest.mark.parametrize("day", [SPRING, AUTUMN, SUMMER])
def test_every_entry_can_be_asked_for_every_atom_of_a_day(dataset: Dataset, day: date) -> None:
    asked = set()
    atoms = atoms_of(dataset, day, day, calendar.day_start_utc(day) + timedelta(hours=12))
    for atom in atoms:
        for branch in dataset.branch_choices():
            path, params = render(dataset, Window(atom.from_utc, atom.to_utc, branch))
            assert "{" not in path + str(params)
            assert path.startswith("/")
            asked.add((path, params))
    assert len(asked) == len(atoms) * len(list(dataset.branch_choices()))


class TestSource:
    DATASET = entry("/datasets/X/stream", FROM_TO)
    WINDOW = whole(SUMMER)

    def ask(self, script: list[Reply], to: Path) -> tuple[Any, Peer, int]:
        async def run() -> tuple[Any, Peer, int]:
            async with Peer(script) as peer:
                source = ElexonSource(peer.client(sleep=Naps()))
                try:
                    outcome: Any = await source.fetch(self.DATASET, self.WINDOW, to)
                except Exception as error:
                    outcome = error
                finally:
                    await source.aclose()
                return outcome, peer, source.requests_sent(self.DATASET)

        return asyncio.run(run())

    def test_puts_the_body_where_it_was_told(self, tmp_path: Path) -> None:
        body, peer, sent = self.ask([Reply(status=503), Reply(body=b"[1]")], tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"[1]"
        assert (sent, body.attempts, len(peer.requests)) == (2, 2, 2)
        parts = urlsplit(body.url)
        assert parts.path == "/api/v1/datasets/X/stream"
        assert parse_qsl(parts.query) == [
            ("publishDateTimeFrom", "2026-07-14T23:00Z"),
            ("publishDateTimeTo", "2026-07-15T23:00Z"),
        ]
        assert peer.requests[0].target == f"{parts.path}?{parts.query}"

    def test_url_is_the_one_that_fetch_asks(self, tmp_path: Path) -> None:
        async def run() -> tuple[str, str]:
            async with Peer([Reply()]) as peer:
                source = ElexonSource(peer.client())
                body = await source.fetch(self.DATASET, self.WINDOW, tmp_path / "b")
                await source.aclose()
                return source.url(self.DATASET, self.WINDOW), body.url

        told, asked = asyncio.run(run())
        assert told == asked

    @pytest.mark.parametrize("status", [403, 404, 400, 500])
    def test_errors_name_dataset_window_and_remedy_in_one_sentence(self, tmp_path: Path, status: int) -> None:
        error, _, _ = self.ask([Reply(status=status, body=b'{"title":"No."}')], tmp_path / "b")
        assert isinstance(error, StatusError)
        assert error.status == status
        assert str(error).startswith("X, 2026-07-14T23:00Z to 2026-07-15T23:00Z: GET http")
        remedy = "next refresh asks again" if status in (403, 500) else "correct the catalogue entry"
        assert remedy in str(error)
        assert str(error).endswith(".")
        assert error.__cause__ is None

    def test_a_missing_parameter_is_not_taken_for_no_data(self, tmp_path: Path) -> None:
        error, peer, _ = self.ask([Reply(status=404, body=b"")], tmp_path / "b")
        assert "a required parameter is missing or misspelt" in str(error)
        assert len(peer.requests) == 1

    def test_a_broken_connection_names_dataset_and_remedy(self, tmp_path: Path) -> None:
        error, _, _ = self.ask([Reply(cut=3)], tmp_path / "b")
        assert isinstance(error, TransportError)
        assert str(error).startswith("X, 2026-07-14T23:00Z")
        assert "ENERGY_ASSETS_ELEXON_URL" in str(error)

    @pytest.mark.parametrize(
        ("words", "limit"),
        [
            ("The date range must not exceed 1 hour", timedelta(hours=1)),
            ("The date range must not exceed 1 day", None),
            ("The date range must not exceed 7 days", None),
            ("The date range is too long", None),
        ],
    )
    def test_a_limit_is_passed_on_only_where_it_is_shorter(
        self, tmp_path: Path, words: str, limit: timedelta | None
    ) -> None:
        refusal = Reply(status=400, body=json.dumps({"errors": {"": [words]}}).encode())
        error, _, _ = self.ask([refusal], tmp_path / "b")
        assert isinstance(error, WindowTooLargeError)
        assert error.limit == limit
        assert words in str(error)

    def test_nothing_leaves_for_a_window_that_does_not_fit(self, tmp_path: Path) -> None:
        async def run() -> Peer:
            async with Peer([Reply()]) as peer:
                source = ElexonSource(peer.client())
                crooked = Window(datetime(2026, 1, 15), datetime(2026, 1, 16))
                with pytest.raises(ContractError):
                    await source.fetch(self.DATASET, crooked, tmp_path / "b")
                await source.aclose()
                return peer

        assert asyncio.run(run()).requests == []

    def test_settings_give_address_and_keys(self, tmp_path: Path) -> None:
        async def run() -> Peer:
            async with Peer([Reply()]) as peer:
                settings = Settings(elexon_url=peer.url, bmrs_api_keys=("key-1", "key-2"))
                source = ElexonSource.from_settings(settings)
                for n in range(3):
                    await source.fetch(self.DATASET, self.WINDOW, tmp_path / str(n))
                await source.aclose()
                return peer

        sent = [r.headers["x-api-key"] for r in asyncio.run(run()).requests]
        assert sent == ["key-1", "key-2", "key-1"]
