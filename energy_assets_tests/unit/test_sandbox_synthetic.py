"""Synthetic rows: every entry, every kind of day, always the same, however the window is cut."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.calendar import day_bounds_utc, period_of, periods_in_day, settlement_day
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset, Field
from energy_assets.sandbox.frame import Volume
from energy_assets.sandbox.rows import Block, BlockCache, micros
from energy_assets.sandbox.synthetic import Edit, Synthetic

NORMAL = date(2026, 7, 15)
SHORT = date(2027, 3, 28)
LONG = date(2026, 10, 25)
LEAP = date(2028, 2, 29)
LATER = micros(datetime(2029, 1, 1, tzinfo=UTC))

CODES = [d.code for d in datasets("bmrs")]
EVENTS = [d.code for d in datasets("bmrs") if d.check.kind != "none"]

SOURCE = Synthetic()


def rows_of(entry: Dataset, day: date, branch, source: Synthetic = SOURCE) -> list[dict]:
    if entry.check.kind != "none":
        return source.rows(entry, day, branch)
    values = json.loads(b"[" + source.register(entry, LATER) + b"]")
    return [{"value": value} for value in values] if entry.query.scalars else values


def sent(entry: Dataset) -> dict[str, Field]:
    return {f.name: f for f in entry.fields if f.origin == "row" and not f.name.startswith("_")}


def moment(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def assert_typed(field: Field, value: object, register: bool) -> None:
    if value is None:
        assert field.nullable, f"{field.name} may not be null"
        return
    if register and field.type == "number":
        assert isinstance(value, str)
        float(value)
        return
    types = {"text": str, "integer": int, "number": (int, float), "boolean": bool, "date": str, "instant": str}
    assert isinstance(value, types.get(field.type, (dict, list))), (field.name, value)
    if field.type == "date":
        date.fromisoformat(value)
    if field.type == "instant":
        moment(value)
    if field.type in ("integer", "number") and value not in field.sentinels:
        assert field.low is None or value >= field.low, (field.name, value)
        assert field.high is None or value <= field.high, (field.name, value)


def assert_in_day(entry: Dataset, row: dict, day: date) -> None:
    check = entry.check
    if check.kind == "instant":
        assert settlement_day(moment(row[check.column])) == day
    elif check.kind != "none":
        assert row[check.column] == day.isoformat()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("day", [NORMAL, SHORT, LONG, LEAP], ids=["normal", "46", "50", "leap"])
def test_every_entry_has_typed_rows_in_the_day_with_unique_keys(code: str, day: date) -> None:
    entry = dataset(code)
    key = [name for name in entry.table.natural_key if name in sent(entry)]
    for branch in entry.branch_choices():
        rows = rows_of(entry, day, branch)
        assert rows
        for row in rows:
            assert row.keys() == sent(entry).keys()
            assert_in_day(entry, row, day)
            for name, field in sent(entry).items():
                assert_typed(field, row[name], entry.check.kind == "none")
        repeated = [k for k, n in Counter(tuple(row[name] for name in key) for row in rows).items() if n > 1]
        assert not repeated


@pytest.mark.parametrize(("day", "periods"), [(NORMAL, 48), (SHORT, 46), (LONG, 50)])
@pytest.mark.parametrize("code", ["FUELHH", "INDO", "MID", "BOD", "PN", "DISEBSP", "DISBSAD", "NETBSAD", "TUDM"])
def test_facts_fill_every_settlement_period_of_the_day(code: str, day: date, periods: int) -> None:
    rows = SOURCE.rows(dataset(code), day)
    assert {row["settlementPeriod"] for row in rows} == set(range(1, periods + 1)) and periods == periods_in_day(day)
    for row in rows:
        begin = row.get("startTime") or row.get("timeFrom")
        if begin:
            assert period_of(moment(begin)) == (day, row["settlementPeriod"])


@pytest.mark.parametrize(("day", "instants"), [(NORMAL, 5760), (SHORT, 5520), (LONG, 6000)])
def test_frequency_comes_every_fifteen_seconds(day: date, instants: int) -> None:
    times = sorted(moment(row["measurementTime"]) for row in SOURCE.rows(dataset("FREQ"), day))
    assert len(times) == instants
    assert {b - a for a, b in pairwise(times)} == {timedelta(seconds=15)}


def test_rows_come_newest_first() -> None:
    times = [row["startTime"] for row in SOURCE.rows(dataset("FUELINST"), NORMAL)]
    assert times == sorted(times, reverse=True)


def test_another_source_and_another_order_give_the_same_rows() -> None:
    other = Synthetic()
    for code in reversed(EVENTS):
        entry = dataset(code)
        for branch in entry.branch_choices():
            assert other.block(entry, branch, NORMAL).text == SOURCE.block(entry, branch, NORMAL).text


def test_another_seed_gives_other_values() -> None:
    entry = dataset("FUELHH")
    assert Synthetic(seed=1).rows(entry, NORMAL) != SOURCE.rows(entry, NORMAL)


@settings(max_examples=60, deadline=None)
@given(
    code=st.sampled_from(["FUELINST", "BOALF", "REMIT", "NDF", "UOU2T14D", "MELS", "SEL", "AGPT", "FREQ"]),
    day=st.sampled_from([NORMAL, SHORT, LONG]),
    minutes=st.lists(st.integers(0, 1500), max_size=5),
)
def test_windows_that_touch_add_up_to_the_day(code: str, day: date, minutes: list[int]) -> None:
    entry = dataset(code)
    low, high = (micros(bound) for bound in day_bounds_utc(day))
    cuts = sorted({low, high, *(min(low + m * 60_000_000, high) for m in minutes)})
    pieces = [SOURCE.select(entry, (), a, b - 1, LATER) for a, b in pairwise(cuts)]
    assert b",".join(piece for piece in reversed(pieces) if piece) == SOURCE.block(entry, (), day).text[:-1]


def test_both_bounds_of_a_window_are_included() -> None:
    entry = dataset("FREQ")
    start = micros(datetime(2026, 7, 15, 10, tzinfo=UTC))
    rows = json.loads(b"[" + SOURCE.select(entry, (), start, start + 3_600_000_000, LATER) + b"]")
    assert len(rows) == 241


def test_nothing_later_than_the_present_is_served() -> None:
    now = datetime(2026, 7, 15, 10, 3, tzinfo=UTC)
    entry = dataset("FUELINST")
    low, high = (micros(bound) for bound in day_bounds_utc(NORMAL))
    rows = json.loads(b"[" + SOURCE.select(entry, (), low, high, micros(now)) + b"]")
    assert max(moment(row["publishTime"]) for row in rows) == datetime(2026, 7, 15, 10, 0, tzinfo=UTC)


def test_a_settlement_run_is_seen_only_once_it_is_held() -> None:
    entry = dataset("TUDM")
    low, high = (micros(bound) - 1 for bound in day_bounds_utc(NORMAL))
    seen = {}
    for days in (5, 9, 30, 500):
        now = micros(datetime(2026, 7, 15, tzinfo=UTC) + timedelta(days=days))
        rows = json.loads(b"[" + SOURCE.select(entry, (), low, high, now) + b"]")
        seen[days] = {row["settlementRunType"] for row in rows}
    assert seen == {5: set(), 9: {"II"}, 30: {"II", "SF"}, 500: {"II", "SF", "R1", "R2", "R3", "RF"}}


def test_days_before_the_data_begin_are_empty() -> None:
    entry = dataset("REMIT")
    assert SOURCE.rows(entry, entry.begins - timedelta(days=1)) == []
    assert SOURCE.rows(entry, entry.begins)


def test_the_peculiar_rows_of_the_real_thing_occur() -> None:
    bod = SOURCE.rows(dataset("BOD"), NORMAL)
    assert any(abs(row["offer"] or 0) == 99999 for row in bod), "sentinel prices"
    assert any(row["bmUnit"] is None for row in bod), "units without an Elexon id"
    prices = [row["systemSellPrice"] for row in SOURCE.rows(dataset("DISEBSP"), NORMAL)]
    assert min(price for price in prices if price is not None) < 0, "negative prices"
    n2ex = [row for row in SOURCE.rows(dataset("MID"), NORMAL) if row["dataProvider"] == "N2EXMIDP"]
    assert n2ex and all(row["price"] == row["volume"] == 0 for row in n2ex), "no data as zero"
    wind = SOURCE.rows(dataset("WINDFOR"), NORMAL)
    assert any(row["startTime"] < row["publishTime"] for row in wind), "forecast rows in the past"
    profile = Counter(
        (row["settlementPeriod"], row["nationalGridBmUnit"]) for row in SOURCE.rows(dataset("PN"), NORMAL)
    )
    assert max(profile.values()) > 1, "several segments in one period"
    assert {row["dataset"] for row in SOURCE.rows(dataset("LOLPDRM"), NORMAL)} == {"LOLPDM"}, "row tag"
    assert SOURCE.rows(dataset("B1610"), NORMAL)[0]["halfHourEndTime"][-1] != "Z", "UTC without saying so"
    assert isinstance(SOURCE.rows(dataset("REMIT"), NORMAL)[0]["outageProfile"], list), "nested members"
    crossing = SOURCE.rows(dataset("BOALF"), NORMAL)
    assert any(row["settlementPeriodTo"] < row["settlementPeriodFrom"] for row in crossing), "profiles over midnight"


def test_a_dummy_row_stands_for_a_period_without_adjustment_actions() -> None:
    rows = SOURCE.rows(dataset("DISBSAD"), NORMAL)
    idle = [row for row in rows if row["assetId"] is None and row["service"] is None and row["volume"] == 0]
    assert idle and all(row["id"] == 1 and row["cost"] == 0 and row["partyId"] is None for row in idle)
    busy = {row["settlementPeriod"] for row in rows if row["id"] > 1}
    assert busy and not busy & {row["settlementPeriod"] for row in idle}


@pytest.mark.parametrize("code", EVENTS)
def test_a_revision_changes_only_what_the_provider_revises_in_place(code: str) -> None:
    entry = dataset(code)
    branch = next(iter(entry.branch_choices()))
    before, after = SOURCE.rows(entry, NORMAL, branch), Synthetic(revision=1).rows(entry, NORMAL, branch)
    if entry.revision != "revised_in_place":
        assert before == after
        return
    unchanged = [row for row in after if row in before]
    assert len(unchanged) < len(after) or len(after) < len(before) or code == "CDN"
    assert len(unchanged) >= len(before) / 2 or len(before) == 1


def test_a_revised_stack_loses_a_row_and_is_calculated_again() -> None:
    entry = dataset("ISPSTACK")
    before = SOURCE.rows(entry, NORMAL, (("bidOffer", "bid"),))
    after = Synthetic(revision=1).rows(entry, NORMAL, (("bidOffer", "bid"),))
    ranks = {(row["settlementPeriod"], row["sequenceNumber"]) for row in before}
    left = {(row["settlementPeriod"], row["sequenceNumber"]) for row in after}
    assert left < ranks
    calculated = {row["settlementPeriod"]: row["createdDateTime"] for row in before}
    assert any(row["createdDateTime"] > calculated[row["settlementPeriod"]] for row in after)


def test_an_amended_acceptance_has_another_profile() -> None:
    before, after = (Synthetic(revision=n).rows(dataset("BOALF"), NORMAL) for n in (0, 1))
    amended = {row["acceptanceNumber"] for row in after if row["amendmentFlag"] == "UPD"}
    assert amended
    segments = [Counter(row["acceptanceNumber"] for row in rows) for rows in (before, after)]
    assert any(segments[1][number] < segments[0][number] for number in amended)


def test_actions_take_the_place_of_dummy_rows() -> None:
    before, after = (Synthetic(revision=3).rows(dataset("DISBSAD"), NORMAL), SOURCE.rows(dataset("DISBSAD"), NORMAL))
    dummies = [{row["settlementPeriod"] for row in rows if row["assetId"] is None} for rows in (after, before)]
    assert dummies[1] < dummies[0]


def test_single_rows_are_edited() -> None:
    entry = dataset("FUELHH")
    source = Synthetic()
    whole = source.rows(entry, NORMAL)
    mine = {"settlementDate": NORMAL.isoformat(), "fuelType": "CCGT"}
    source.edit(
        Edit("change", "FUELHH", {**mine, "settlementPeriod": 10}, {"generation": 12345}),
        Edit("remove", "FUELHH", {**mine, "settlementPeriod": 11}),
        Edit("add", "FUELHH", values={"fuelType": "NEW"}, at=micros(datetime(2026, 7, 15, 12, tzinfo=UTC))),
    )
    edited = source.rows(entry, NORMAL)
    assert len(edited) == len(whole)
    assert [r["generation"] for r in edited if r.get("settlementPeriod") == 10 and r["fuelType"] == "CCGT"] == [12345]
    assert not [r for r in edited if r.get("settlementPeriod") == 11 and r["fuelType"] == "CCGT"]
    assert [r for r in edited if r["fuelType"] == "NEW"] == [{"fuelType": "NEW"}]
    assert source.rows(entry, NORMAL + timedelta(days=1)) == SOURCE.rows(entry, NORMAL + timedelta(days=1))


@pytest.mark.parametrize(("code", "rows"), [("FUELINST", 5760), ("BOALF", 15_000), ("WINDFOR", 584)])
def test_a_full_day_has_about_the_rows_that_the_entry_states(code: str, rows: int) -> None:
    entry = dataset(code)
    assert entry.rows_per_day is not None
    full = len(Synthetic(volume=Volume(full=1.0)).block(entry, (), NORMAL))
    assert full == pytest.approx(rows, rel=0.05)


def test_the_rows_of_one_dataset_can_be_set() -> None:
    entry = dataset("BOD")
    block = Synthetic(volume=Volume(rows=(("BOD", 9_600),))).block(entry, (), NORMAL)
    assert len(block) == 9_600


def one_row(text: str) -> Block:
    place = np.zeros(1, dtype=np.int64)
    return Block.of(place, place, [text])


def test_a_day_that_many_ask_for_at_once_is_built_once() -> None:
    cache, built = BlockCache(1_000), []

    def build() -> Block:
        built.append(1)
        return one_row("{}")

    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(lambda _: cache.get("day", build), range(64)))
    assert len(built) == 1 and all(block is blocks[0] for block in blocks)


def test_the_least_recently_used_days_are_forgotten() -> None:
    cache = BlockCache(250)
    first = cache.get(1, lambda: one_row("1" * 100))
    cache.get(2, lambda: one_row("2" * 100))
    assert cache.get(1, lambda: one_row("again")) is first
    cache.get(3, lambda: one_row("3" * 100))
    assert cache.get(1, lambda: one_row("again")) is first
    assert cache.get(2, lambda: one_row("again")).texts() == ["again"]
