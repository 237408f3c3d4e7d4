"""What providers restate, withdraw and republish: nothing is overwritten without trace, on either clock."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

import energy_assets
from energy_assets.catalogue import dataset
from energy_assets.errors import UnknownAsOfError, WarehouseError
from energy_assets.sandbox.rows import micros
from energy_assets.sandbox.synthetic import Edit
from energy_assets_tests.e2e.world import World, utc

DAY = "2026-09-15"
AT = "CAST(? AS TIMESTAMP)"


def provider(world: World, code: str, **match: Any) -> list[dict[str, Any]]:
    """The provider's rows of the day that have these members."""
    entry = dataset(code)
    rows = [r for b in entry.branch_choices() for r in world.source.rows(entry, date.fromisoformat(DAY), b)]
    return [r for r in rows if all(r.get(name) == value for name, value in match.items())]


def macro(world: World, name: str, moment: datetime, rest: str) -> list[tuple[Any, ...]]:
    """A table macro's rows at a moment."""
    return world.sql(f"SELECT {rest.replace('FROM', f'FROM {name}({AT})')}", [moment.replace(tzinfo=None)])


def test_a_half_hour_republished_two_days_later_revises_one_row_in_one_partition(world: World) -> None:
    world.clock.set("2026-09-16T09:00")
    world.one("FUELHH", DAY)
    one = {"settlementPeriod": 20, "fuelType": "CCGT"}
    (before,) = provider(world, "FUELHH", **one)
    late = {"generation": before["generation"] + 111, "publishTime": "2026-09-17T10:00:00Z"}
    world.source.edit(Edit("change", "FUELHH", one, late))

    world.clock.set("2026-09-18T09:00")
    outcome = world.one("FUELHH", DAY)
    assert (outcome.counts.inserted, outcome.counts.updated) == (0, 1)
    assert outcome.days == (date.fromisoformat(DAY),)
    assert world.stored_rows("FUELHH") == world.provider_rows("FUELHH", DAY)
    assert world.sql("SELECT DISTINCT _partition_day FROM bmrs_fuelhh") == [(date.fromisoformat(DAY),)]
    (row,) = world.dicts("SELECT * FROM bmrs_fuelhh WHERE settlementPeriod = 20 AND fuelType = 'CCGT'")
    (old,) = world.history("FUELHH")
    assert (row["generation"], old["generation"]) == (late["generation"], before["generation"])
    assert (old["_change"], old["_superseded_by"]) == ("revised", row["_receipt_id"])
    assert old["_partition_day"] == row["_partition_day"] == date.fromisoformat(DAY)
    assert old["_superseded_utc"] == row["_ingested_utc"]
    # The third reading, a week later, finds nothing to do.
    world.clock.set("2026-09-24T09:00")
    outcome = world.one("FUELHH", DAY)
    assert (outcome.requests, outcome.counts.updated, len(world.history("FUELHH"))) == (1, 0, 1)


def test_the_dummy_row_of_a_period_goes_when_actions_come(world: World) -> None:
    world.one("DISBSAD", DAY)
    dummy = next(r for r in provider(world, "DISBSAD", id=1) if r["service"] is None)
    period = {"settlementPeriod": dummy["settlementPeriod"]}
    actions = [
        {
            **dummy,
            "id": n,
            "service": "Energy trade",
            "partyId": "PARTY",
            "assetId": f"A{n}",
            "volume": 40.5,
            "cost": 9.0,
        }
        for n in (1, 2)
    ]
    at = _period_start(dummy["settlementPeriod"])
    world.source.edit(
        Edit("remove", "DISBSAD", period), *(Edit("add", "DISBSAD", values=row, at=at) for row in actions)
    )

    outcome = world.one("DISBSAD", DAY, refetch=True)
    assert (outcome.counts.inserted, outcome.counts.withdrawn) == (2, 1)
    held = world.dicts(f"SELECT * FROM bmrs_disbsad WHERE settlementPeriod = {dummy['settlementPeriod']} ORDER BY id")
    assert [(r["id"], r["service"]) for r in held] == [(1, "Energy trade"), (2, "Energy trade")]
    assert world.stored_rows("DISBSAD") == world.provider_rows("DISBSAD", DAY)
    (gone,) = world.history("DISBSAD")
    assert (gone["_change"], gone["id"], gone["service"]) == ("withdrawn", 1, None)


def test_a_row_withdrawn_from_the_stack_leaves_a_tombstone(world: World) -> None:
    world.one("ISPSTACK", DAY)
    stack = world.dicts(
        "SELECT settlementPeriod, bidOffer, max(sequenceNumber) AS last FROM bmrs_ispstack GROUP BY ALL "
        "HAVING last > 1 ORDER BY ALL LIMIT 1"
    )[0]
    branch = (("bidOffer", stack["bidOffer"]),)
    match = {"settlementPeriod": stack["settlementPeriod"], "sequenceNumber": stack["last"]}
    world.source.edit(Edit("remove", "ISPSTACK", match, branch=branch))

    outcome = world.one("ISPSTACK", DAY, refetch=True)
    assert (outcome.counts.withdrawn, outcome.counts.updated, outcome.counts.inserted) == (1, 0, 0)
    assert world.stored_rows("ISPSTACK") == world.provider_rows("ISPSTACK", DAY)
    (tombstone,) = world.history("ISPSTACK")
    assert tombstone["_change"] == "withdrawn"
    assert {name: tombstone[name] for name in match} == match
    assert tombstone["bidOffer"] == stack["bidOffer"], "the other side of the period is another set"


def test_an_amended_acceptance_replaces_its_whole_profile(world: World) -> None:
    world.one("BOALF", DAY)
    number, unit = (
        provider(world, "BOALF")[200]["acceptanceNumber"],
        provider(world, "BOALF")[200]["nationalGridBmUnit"],
    )
    profile = sorted(
        provider(world, "BOALF", acceptanceNumber=number, nationalGridBmUnit=unit), key=lambda r: r["timeFrom"]
    )
    assert len(profile) == 3
    amended = {**profile[0], "timeTo": profile[-1]["timeTo"], "levelTo": 7.0, "acceptanceTime": profile[0]["timeFrom"]}
    assert amended["acceptanceTime"] > profile[0]["acceptanceTime"]
    world.source.edit(
        Edit("remove", "BOALF", {"acceptanceNumber": number, "nationalGridBmUnit": unit}),
        Edit("add", "BOALF", values=amended, at=micros(datetime.fromisoformat(amended["timeFrom"]))),
    )

    outcome = world.one("BOALF", DAY, refetch=True)
    assert (outcome.counts.inserted, outcome.counts.withdrawn, outcome.counts.updated) == (1, 3, 0)
    held = world.dicts(f"SELECT * FROM bmrs_boalf WHERE acceptanceNumber = {number} AND nationalGridBmUnit = '{unit}'")
    assert [(r["levelTo"], r["levelFrom"]) for r in held] == [(7.0, profile[0]["levelFrom"])]
    assert world.stored_rows("BOALF") == world.provider_rows("BOALF", DAY)
    assert sorted(h["levelTo"] for h in world.history("BOALF")) == sorted(r["levelTo"] for r in profile)


def test_a_revised_price_reads_differently_on_both_sides_of_its_ingestion(world: World) -> None:
    before = world.clock.set("2026-09-16T09:00")
    world.clock.forward(minutes=1)
    world.one("DISEBSP", DAY)
    first = {r["settlementPeriod"]: r["systemSellPrice"] for r in provider(world, "DISEBSP")}
    between = world.clock.forward(minutes=1)

    world.source.revision = 1
    world.clock.set("2026-09-17T13:00")
    outcome = world.one("DISEBSP", DAY)
    assert outcome.counts.updated > 0
    second = {r["settlementPeriod"]: r["systemSellPrice"] for r in provider(world, "DISEBSP")}
    after = world.clock.forward(minutes=1)
    assert {p for p in first if first[p] != second[p]}

    def held(moment: datetime) -> dict[int, float | None]:
        rows = energy_assets.read(
            "DISEBSP", DAY, DAY, ingested_as_of=moment, as_arrow=True, settings=world.settings
        ).to_pylist()
        return {r["settlementPeriod"]: r["systemSellPrice"] for r in rows}

    assert held(between) == first
    assert held(after) == second
    for moment, prices in ((between, first), (after, second)):
        rows = macro(world, "bmrs_disebsp_ingested_as_of", moment, "settlementPeriod, systemSellPrice FROM")
        assert dict(rows) == prices
    # Before the first ingestion the answer is "unknown", not today's value.
    with pytest.raises(UnknownAsOfError, match="what was held then is unknown"):
        held(before)
    assert macro(world, "bmrs_disebsp_ingested_as_of", before, "settlementPeriod FROM") == []


def test_a_wind_forecast_reads_as_it_had_been_published(world: World) -> None:
    world.one("WINDFOR", DAY)
    rows = provider(world, "WINDFOR")
    issues = sorted({r["publishTime"] for r in rows})
    start = next(r["startTime"] for r in rows if sum(o["startTime"] == r["startTime"] for o in rows) == len(issues))
    by_issue = {r["publishTime"]: r["generation"] for r in rows if r["startTime"] == start}
    assert len(set(by_issue.values())) > 2

    for issue, later in zip(issues, [*issues[1:], None], strict=True):
        for moment in (datetime.fromisoformat(issue), later and _just_before(later)):
            if moment is None:
                continue
            frame = energy_assets.read("WINDFOR", DAY, DAY, published_as_of=moment, settings=world.settings)
            event = frame[frame["startTime"] == datetime.fromisoformat(start)]
            assert event["generation"].tolist() == [by_issue[issue]]
            assert not frame["startTime"].duplicated().any()
            found = macro(
                world,
                "bmrs_windfor_published_as_of",
                moment,
                f"generation FROM WHERE startTime = TIMESTAMP '{datetime.fromisoformat(start):%Y-%m-%d %H:%M:%S}'",
            )
            assert found == [(by_issue[issue],)]
    early = energy_assets.read("WINDFOR", DAY, DAY, published_as_of=_just_before(issues[0]), settings=world.settings)
    assert len(early) == 0


def test_the_two_clocks_are_not_mixed(world: World) -> None:
    world.refresh("WINDFOR,MID", DAY)
    now = world.clock()
    with pytest.raises(WarehouseError, match="not both"):
        energy_assets.read("WINDFOR", DAY, DAY, ingested_as_of=now, published_as_of=now, settings=world.settings)
    with pytest.raises(WarehouseError, match="no publication time"):
        energy_assets.read("MID", DAY, DAY, published_as_of=now, settings=world.settings)


def test_a_restatement_that_comes_after_a_newer_one_does_not_undo_it(world: World) -> None:
    """An answer from a stale cache is kept as late, and the newer value stands."""
    world.one("FUELHH", DAY)
    one = {"settlementPeriod": 3, "fuelType": "CCGT"}
    (old,) = provider(world, "FUELHH", **one)
    world.source.edit(Edit("change", "FUELHH", one, {"generation": 1.5, "publishTime": "2026-09-17T10:00:00Z"}))
    assert world.one("FUELHH", DAY, refetch=True).counts.updated == 1
    world.source.edit(Edit("change", "FUELHH", one, {k: old[k] for k in ("generation", "publishTime")}))
    for late in (1, 1):
        outcome = world.one("FUELHH", DAY, refetch=True)
        assert (outcome.counts.updated, outcome.counts.late) == (0, late)
    assert world.sql("SELECT generation FROM bmrs_fuelhh WHERE settlementPeriod = 3 AND fuelType = 'CCGT'") == [(1.5,)]
    assert sorted(h["_change"] for h in world.history("FUELHH")) == ["revised"]


def _period_start(period: int) -> int:
    return micros(utc("2026-09-14T23:00")) + (period - 1) * 30 * 60_000_000


def _just_before(instant: str) -> datetime:
    return datetime.fromisoformat(instant).replace(second=0) - (utc("2026-01-01T00:01") - utc("2026-01-01T00:00"))
