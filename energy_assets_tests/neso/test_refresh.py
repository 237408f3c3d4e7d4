"""Whole refreshes of families: what is asked for, what is kept, what is refused, over real HTTP into a real store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.catalogue import dataset
from energy_assets.ingest.families import GIVE_UP_AFTER
from energy_assets.ingest.model import Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.neso.app import DOWNLOAD
from energy_assets.sources.neso.due import REFUSED_REST, REST
from energy_assets.sources.neso.memory import Memory
from energy_assets_tests.neso.home import FIRST_DAY, LAST_DAY, Clock, Home
from energy_assets_tests.neso.world import Stage

EMBEDDED = "neso/embedded_forecast"
DEMAND = "neso/historic_demand"
REGISTER = "neso/interconnector_register"
TRADES = "neso/upcoming_trades"
REQUIREMENTS = "neso/dfs_requirement"

HEATING = "neso/fes_heating_stock"
HEATING_PACKAGE = dataset(HEATING).query.path

NOON = datetime(2026, 10, 8, 12, tzinfo=UTC)


@pytest.fixture
def home(portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
    stage, url = portal_stage
    clock = Clock(NOON)
    made = Home.of(stage.fresh(clock=clock), url, tmp_path, clock)
    yield made
    made.warehouse.close()


def embedded(*winds: int, issued: str = "2026-10-08T11:12:00") -> str:
    lines = [
        "DATE_GMT,TIME_GMT,SETTLEMENT_DATE,SETTLEMENT_PERIOD,EMBEDDED_WIND_FORECAST,EMBEDDED_WIND_CAPACITY,"
        "EMBEDDED_SOLAR_FORECAST,EMBEDDED_SOLAR_CAPACITY,Forecast_Datetime"
    ]
    for number, wind in enumerate(winds):
        hour, half = divmod(number + 24, 2)
        time = f"{hour - 1:02}:{'30' if half else '00'}:00"
        lines.append(f"2026-10-08,{time},2026-10-08,{number + 24},{wind},6606,0,21506,{issued}")
    return "\n".join(lines) + "\n"


def demand(*values: int, day: str = "2026-10-01") -> str:
    entry = dataset(DEMAND)
    header = [f.aliases[0] for f in entry.fields if f.origin == "row" and f.name not in entry.files.optional]
    lines = [",".join(header)]
    for period, value in enumerate(values, start=1):
        own = {"SETTLEMENT_DATE": day, "SETTLEMENT_PERIOD": str(period), "ND": str(value)}
        lines.append(",".join(own.get(name, "1") for name in header))
    return "\n".join(lines) + "\n"


def register(*projects: str) -> str:
    entry = dataset(REGISTER)
    header = [f.aliases[0] for f in entry.fields if f.origin == "row"]
    lines = [",".join(header)]
    for project in projects:
        own = {"Project Name": project, "Project Number": f"PRO-{project}", "MW Effective From": "30/06/2030"}
        numbers = {f.aliases[0]: "1" for f in entry.fields if f.type == "number" and f.origin == "row"}
        lines.append(",".join({**numbers, **own}.get(name, "x") for name in header))
    return "\n".join(lines) + "\n"


def put_demand(home: Home, *values: int, year: int = 2026, **more: str) -> None:
    home.put("historic-demand-data", f"Historic Demand Data {year}", demand(*values, **more))


class TestForecasts:
    def test_three_issues_are_three_vintages_and_one_is_latest(self, home: Home) -> None:
        for hour, wind in ((9, 100), (10, 110), (11, 120)):
            text = embedded(wind, wind + 1, issued=f"2026-10-08T{hour:02}:12:00")
            home.put("embedded-wind-and-solar-forecasts", "Embedded Solar and Wind Forecast", text)
            (outcome,) = home.refresh(EMBEDDED)
            assert (outcome.status, outcome.counts.inserted) == ("written", 2)
            home.clock.forward(hours=1)

        rows = home.rows(EMBEDDED)
        assert sorted(r["embedded_wind_forecast"] for r in rows) == [100, 101, 110, 111, 120, 121]
        latest = home.rows(EMBEDDED, view="latest")
        assert sorted(r["embedded_wind_forecast"] for r in latest) == [120, 121]

    def test_what_was_known_is_read_as_of_a_publication(self, home: Home) -> None:
        for hour, wind in ((9, 100), (11, 120)):
            text = embedded(wind, issued=f"2026-10-08T{hour:02}:12:00")
            home.put("embedded-wind-and-solar-forecasts", "Embedded Solar and Wind Forecast", text)
            home.refresh(EMBEDDED)
            home.clock.forward(hours=1)

        (known,) = home.rows(EMBEDDED, view="latest", published_as_of=datetime(2026, 10, 8, 10, tzinfo=UTC))
        assert known["embedded_wind_forecast"] == 100

    def test_a_file_that_was_replaced_after_it_was_listed_is_the_issue_that_it_is(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("energy_assets.ingest.families.FILES_AHEAD", 1)
        costs = dataset("neso/constraint_cost_forecast")

        def put_costs(value: float) -> None:
            text = f"Month,Constraint Cost (£m)\nApr-26,{value}\n"
            home.put(costs.query.path, "24 Months Ahead Constraint Cost Forecast", text)

        def progress(code: str, done: int, planned: int) -> None:
            if code != costs.code:
                home.clock.forward(minutes=5)
                put_costs(2.5)

        put_demand(home, 1)
        home.clock.forward(minutes=1)
        put_costs(1.5)
        policy = Policy(run_id="test")
        outcomes = refresh([costs, dataset(DEMAND)], FIRST_DAY, LAST_DAY, policy, home.engine(), on_progress=progress)
        assert [(o.status, o.failures) for o in outcomes] == [("written", ())] * 2
        (row,) = home.rows(costs)
        assert (row["constraint_cost_gbpm"], row["issue_utc"].minute) == (2.5, 6)
        assert home.refresh(costs)[0].windows == 0

    def test_an_issue_published_again_with_two_values_changed_gives_two_history_rows(self, home: Home) -> None:
        name = ("embedded-wind-and-solar-forecasts", "Embedded Solar and Wind Forecast")
        home.put(*name, embedded(1, 2, 3, 4))
        home.refresh(EMBEDDED)
        home.clock.forward(hours=1)
        home.put(*name, embedded(1, 20, 3, 40))
        (outcome,) = home.refresh(EMBEDDED)

        assert (outcome.counts.updated, outcome.counts.unchanged) == (2, 2)
        history = home.rows(EMBEDDED, view="history")
        assert sorted(r["embedded_wind_forecast"] for r in history) == [2, 4]


class TestHistories:
    def test_files_of_several_years_are_one_table(self, home: Home) -> None:
        put_demand(home, 1, 2, year=2025, day="2025-03-01")
        put_demand(home, 3)
        (outcome,) = home.refresh(DEMAND)

        assert (outcome.status, outcome.windows, outcome.counts.inserted) == ("written", 2, 3)
        assert outcome.days == (date(2025, 3, 1), date(2026, 10, 1))
        assert [r["nd"] for r in home.rows(DEMAND)] == [1, 2, 3]

    def test_every_row_leads_to_its_request(self, home: Home) -> None:
        put_demand(home, 1)
        home.refresh(DEMAND)
        (row,) = home.rows(DEMAND)
        (window,) = home.warehouse.windows_behind(dataset(DEMAND).table, date(2026, 10, 1), date(2026, 10, 1))
        assert dict(window.branch)["modified"] == "2026-10-08T12:00:00.000001"
        assert (row["_source_api"], row["_window_from_utc"]) == ("SANDBOX", datetime(2026, 10, 7, 23))

    def test_a_file_that_did_not_change_is_not_asked_for(self, home: Home) -> None:
        put_demand(home, 1)
        home.refresh(DEMAND)
        home.clock.forward(days=3)
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.status, outcome.windows, outcome.reason) == (
            "unchanged",
            0,
            "NESO_HISTORIC_DEMAND: the portal has nothing new",
        )
        assert set(home.asked()) == {"package_search"}

    def test_only_the_file_that_changed_is_asked_for(self, home: Home) -> None:
        put_demand(home, 1, 2, year=2025, day="2025-03-01")
        put_demand(home, 3)
        home.refresh(DEMAND)
        home.clock.forward(hours=1)
        put_demand(home, 4, 5)
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.windows, outcome.counts.inserted, outcome.counts.updated) == (1, 1, 1)
        assert [r["nd"] for r in home.rows(DEMAND)] == [1, 2, 4, 5]

    def test_rows_that_were_lost_are_read_again(self, home: Home) -> None:
        put_demand(home, 1, 2)
        home.refresh(DEMAND)
        with home.warehouse._holder.use(write=True) as cursor:  # type: ignore[attr-defined]
            cursor.execute("DELETE FROM gb.neso_historic_demand WHERE nd = 2")
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.windows, outcome.counts.inserted, outcome.counts.unchanged) == (1, 1, 1)

    def test_a_person_reads_again_the_files_behind_the_days(self, home: Home) -> None:
        put_demand(home, 1, year=2025, day="2025-03-01")
        put_demand(home, 3)
        home.refresh(DEMAND)
        (outcome,) = home.refresh(DEMAND, days=(date(2025, 3, 1), date(2025, 3, 2)), refetch=True)
        assert (outcome.status, outcome.windows, outcome.counts.unchanged) == ("unchanged", 1, 1)
        (outcome,) = home.refresh(DEMAND, days=(date(2024, 3, 1), date(2024, 3, 2)), refetch=True)
        assert outcome.windows == 0

    def test_only_days_whose_rows_changed_are_told(self, home: Home) -> None:
        days = ("2026-10-01", "2026-10-02", "2026-10-03")
        put_requirements(home, *(f"{day},10" for day in days))
        assert home.refresh(REQUIREMENTS)[0].days == tuple(map(date.fromisoformat, days))
        home.clock.forward(hours=1)
        put_requirements(home, *(f"{day},{10 + n % 2}" for n, day in enumerate(days)))
        (outcome,) = home.refresh(REQUIREMENTS)
        assert (outcome.status, outcome.days) == ("written", (date(2026, 10, 2),))

    def test_what_does_not_fit_into_a_call_is_told_and_asked_for_the_next_time(self, home: Home) -> None:
        for year in (2024, 2025, 2026):
            put_demand(home, 1, year=year, day=f"{year}-03-01")
        (outcome,) = home.refresh(DEMAND, most=2)
        assert (outcome.windows, outcome.reason) == (
            2,
            f"{outcome.dataset}: 1 further files are due and are asked for the next time",
        )
        (outcome,) = home.refresh(DEMAND, most=2)
        assert (outcome.windows, outcome.reason) == (1, "")

    def test_a_call_may_ask_for_everything_that_is_due(self, home: Home) -> None:
        for year in (2024, 2025, 2026):
            put_demand(home, 1, year=year, day=f"{year}-03-01")
        (outcome,) = home.refresh(DEMAND, most=2, whole=True)
        assert (outcome.windows, outcome.reason) == (3, "")

    def test_a_large_file_is_written_in_parts_that_count_together(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("energy_assets.ingest.families.CHUNK_ROWS", 10)
        put_demand(home, *range(48))
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.windows, outcome.counts.inserted, outcome.counts.fetched) == (5, 48, 48)
        windows = home.warehouse.windows_behind(dataset(DEMAND).table, date(2026, 10, 1), date(2026, 10, 1))
        assert [dict(w.branch).get("part") for w in windows] == ["1", "2", "3", "4", "5 last"]
        assert len({r["_receipt_id"] for r in home.rows(DEMAND)}) == 5
        (outcome,) = home.refresh(DEMAND)
        assert outcome.windows == 0

    def test_a_file_of_which_a_part_is_missing_is_read_again(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("energy_assets.ingest.families.CHUNK_ROWS", 10)
        put_demand(home, *range(48))
        home.refresh(DEMAND)
        with home.warehouse._holder.use(write=True) as cursor:  # type: ignore[attr-defined]
            cursor.execute("DELETE FROM gb._receipts WHERE branch LIKE '%part=5 last'")
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.counts.unchanged, outcome.counts.inserted) == (48, 0)

    def test_a_resource_with_another_id_is_read_and_nothing_is_doubled(self, home: Home) -> None:
        put_demand(home, 1)
        home.refresh(DEMAND)
        home.sandbox.shelf.move("historic-demand-data", "Historic Demand Data 2026")
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.windows, outcome.counts.unchanged, len(home.rows(DEMAND))) == (1, 1, 1)

    def test_a_resource_that_is_renamed_into_another_family_is_read_for_that_one(self, home: Home) -> None:
        entry, archive = dataset(REQUIREMENTS), dataset("neso/dfs_requirement_2025")
        assert entry.files is not None
        put_requirements(home, "2026-10-01,10")
        home.refresh(REQUIREMENTS, archive)
        (before,) = home.sandbox.shelf.entries()
        home.sandbox.shelf.remove(*before.key)
        header = ",".join(f.aliases[0] for f in archive.fields if f.origin == "row")
        values = {"date": "2026-10-01", "number": "10", "integer": "10"}
        row = ",".join(values.get(f.type, "") for f in archive.fields if f.origin == "row")
        name = "DFS Service Requirement (Archive 2025/2026)"
        home.put(entry.files.package, name, f"{header}\n{row}\n", id=before.id, modified_utc=before.modified_utc)
        outcome = home.refresh(REQUIREMENTS, archive)[1]
        assert (outcome.status, outcome.counts.inserted) == ("written", 1)

    def test_what_changes_while_a_long_refresh_lasts_is_not_missed(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("energy_assets.ingest.families.FILES_AHEAD", 1)
        fast = dataset("neso/national_carbon_intensity")
        header = ",".join(f.aliases[0] for f in fast.fields if f.origin == "row" and f.aliases)

        def put_fast(number: int) -> None:
            own = {"instant": "2026-10-08T12:00:00", "text": "low"}
            row = ",".join(own.get(f.type, str(number)) for f in fast.fields if f.origin == "row" and f.aliases)
            home.put(fast.query.path, "National Carbon Intensity Forecast", f"{header}\n{row}\n")

        def progress(code: str, done: int, planned: int) -> None:
            if code != fast.code:
                home.clock.forward(minutes=4)
                put_fast(done)

        put_fast(0)
        for year in range(2018, 2026):
            put_demand(home, 1, year=year, day=f"{year}-03-01")
        policy = Policy(run_id="test", waits=True)
        outcomes = refresh([fast, dataset(DEMAND)], FIRST_DAY, LAST_DAY, policy, home.engine(), on_progress=progress)
        assert [(o.status, o.failures) for o in outcomes] == [("written", ())] * 2
        assert outcomes[0].windows == 3
        assert len(home.rows(fast, view="history")) == 2

    def test_of_two_files_the_one_that_changed_later_counts_whichever_comes_first(self, home: Home) -> None:
        put_demand(home, 1, 1, year=2025)
        home.clock.forward(hours=1)
        put_demand(home, 2, 2)
        home.sandbox.faults.add("latency", dataset="historic-demand-data/Historic Demand Data 2025", seconds=0.5)
        home.refresh(DEMAND)
        assert [r["nd"] for r in home.rows(DEMAND)] == [2, 2]
        assert [r["nd"] for r in home.rows(DEMAND, view="history")] == [1, 1]

    def test_a_day_whose_rows_have_no_key_is_replaced_whole(self, home: Home) -> None:
        put_requirements(home, "2026-10-01,10", "2026-10-01,20", "2026-10-02,30")
        home.refresh(REQUIREMENTS)
        home.clock.forward(hours=1)
        put_requirements(home, "2026-10-01,10")
        (outcome,) = home.refresh(REQUIREMENTS)
        assert (outcome.counts.unchanged, outcome.counts.withdrawn) == (1, 1)
        assert [(str(r["delivery_date"]), r["repeat"]) for r in home.rows(REQUIREMENTS)] == [
            ("2026-10-01", 1),
            ("2026-10-02", 1),
        ]

    def test_a_day_that_is_read_in_several_batches_stays_whole(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("energy_assets.ingest.sheets.BLOCK", 1024)
        monkeypatch.setattr("energy_assets.ingest.sheets.TOGETHER", 1)
        put_requirements(home, *(f"2026-10-{1 + n % 2:02},{n}" for n in range(200)))
        (outcome,) = home.refresh(REQUIREMENTS)
        assert (outcome.counts.inserted, outcome.counts.withdrawn) == (200, 0)
        assert sorted(r["service_requirement_mw"] for r in home.rows(REQUIREMENTS)) == list(range(200))
        (outcome,) = home.refresh(REQUIREMENTS, refetch=True)
        assert (outcome.counts.unchanged, outcome.counts.withdrawn) == (200, 0)


class TestRegisters:
    PLACE = ("interconnector-register", "Interconnector Register")

    def test_a_snapshot_is_stored_when_its_content_changed(self, home: Home) -> None:
        home.put(*self.PLACE, register("A", "B"))
        assert home.refresh(REGISTER)[0].status == "written"
        home.clock.forward(days=1)
        home.put(*self.PLACE, register("B", "A"))
        (outcome,) = home.refresh(REGISTER)
        assert (outcome.status, outcome.windows, outcome.counts.unchanged) == ("unchanged", 1, 2)
        assert {r["_partition_day"] for r in home.rows(REGISTER)} == {date(2026, 10, 8)}

        home.clock.forward(days=1)
        home.put(*self.PLACE, register("A", "B", "C"))
        (outcome,) = home.refresh(REGISTER)
        assert (outcome.status, outcome.counts.inserted, outcome.days) == ("written", 3, (date(2026, 10, 10),))
        assert len(home.rows(REGISTER)) == 5
        assert {r["project_name"] for r in home.rows(REGISTER, view="latest")} == {"A", "B", "C"}
        assert home.refresh(REGISTER)[0].windows == 0

    def test_another_snapshot_of_the_day_takes_the_place_of_the_first(self, home: Home) -> None:
        home.put(*self.PLACE, register("A", "B"))
        home.refresh(REGISTER)
        home.clock.forward(hours=1)
        home.put(*self.PLACE, register("A", "C"))
        (outcome,) = home.refresh(REGISTER)
        assert (outcome.counts.inserted, outcome.counts.withdrawn) == (1, 1)
        assert [r["project_name"] for r in home.rows(REGISTER)] == ["A", "C"]

    def test_a_snapshot_that_was_lost_is_read_again(self, home: Home) -> None:
        home.put(*self.PLACE, register("A", "B"))
        home.refresh(REGISTER)
        home.clock.forward(days=1)
        home.put(*self.PLACE, register("A", "B"))
        home.refresh(REGISTER)
        with home.warehouse._holder.use(write=True) as cursor:  # type: ignore[attr-defined]
            cursor.execute("DELETE FROM gb.neso_interconnector_register")
        (outcome,) = home.refresh(REGISTER)
        assert (outcome.windows, outcome.counts.inserted) == (1, 2)

    def test_files_of_one_register_lose_no_row_and_double_none(self, home: Home) -> None:
        for year, lines in ((2024, "A,1\nB,2\nB,2\n"), (2025, "A,3\nB,2\nC,4\n")):
            text = "la_code,Local_Authority,Year,Pathway,Sector,Boilers\n" + "".join(
                f"{line[0]},x,2050,p,s,{line[2:]}\n" for line in lines.splitlines()
            )
            home.put(HEATING_PACKAGE, f"FES {year} local authority outputs 2050 residential all scenarios", text)
        (outcome,) = home.refresh(HEATING)
        assert (outcome.counts.fetched, outcome.counts.inserted, outcome.counts.duplicate) == (6, 5, 1)
        held = [(r["la_code"], r["repeat"], r["boilers"]) for r in home.rows(HEATING)]
        assert sorted(held) == [("A", 1, 1), ("A", 2, 3), ("B", 1, 2), ("B", 2, 2), ("C", 1, 4)]
        home.clock.forward(days=1)
        (outcome,) = home.refresh(HEATING, refetch=True)
        assert (outcome.status, outcome.counts.unchanged) == ("unchanged", 5)

    def test_a_register_without_rows_takes_nothing_away(self, home: Home) -> None:
        home.put(*self.PLACE, register("A"))
        home.refresh(REGISTER)
        home.clock.forward(days=1)
        home.put(*self.PLACE, register())
        (outcome,) = home.refresh(REGISTER)
        assert outcome.status == "suspect"
        assert "although 1 are held" in outcome.reason
        assert len(home.rows(REGISTER, view="latest")) == 1

    def test_the_past_of_a_register_cannot_be_read(self, home: Home) -> None:
        (outcome,) = home.refresh(REGISTER, days=(date(2026, 10, 1), date(2026, 10, 2)))
        assert (outcome.status, home.asked()) == ("not_due", [])
        assert "can only be read for today, 2026-10-08" in outcome.reason


class TestRefusals:
    def test_a_body_with_another_header_is_kept_and_nothing_of_it_loaded(self, home: Home) -> None:
        put_demand(home, 1)
        home.refresh(DEMAND)
        home.clock.forward(hours=1)
        text = demand(7, 8).replace("SETTLEMENT_PERIOD", "SETTLEMENT PERIOD NO")
        home.put("historic-demand-data", "Historic Demand Data 2026", text)
        (outcome,) = home.refresh(DEMAND)
        assert outcome.status == "failed"
        assert "SETTLEMENT PERIOD NO" in outcome.failures[0]
        assert [r["nd"] for r in home.rows(DEMAND)] == [1]
        kept = sorted((home.folder / "spool" / "NESO_HISTORIC_DEMAND").rglob("*.json*"))
        assert len(kept) == 2
        ((count,),) = quarantined(home)
        assert count == 1

    def test_a_refused_version_is_left_alone_and_the_next_one_is_not(self, home: Home) -> None:
        home.put("historic-demand-data", "Historic Demand Data 2026", "nonsense\n1\n")
        assert home.refresh(DEMAND)[0].status == "failed"
        home.clock.forward(seconds=REST.total_seconds() + 1)
        assert home.refresh(DEMAND)[0].windows == 0
        home.clock.forward(seconds=REFUSED_REST.total_seconds())
        assert home.refresh(DEMAND)[0].status == "failed"
        put_demand(home, 1)
        home.clock.forward(seconds=REST.total_seconds() + 1)
        assert home.refresh(DEMAND)[0].status == "written"

    def test_a_person_does_not_wait_for_what_was_refused(self, home: Home) -> None:
        home.put("historic-demand-data", "Historic Demand Data 2026", "nonsense\n1\n")
        assert home.refresh(DEMAND)[0].status == "failed"
        home.clock.forward(minutes=1)
        assert home.refresh(DEMAND, refetch=True)[0].status == "failed"
        assert home.refresh(DEMAND)[0].windows == 0

    def test_a_file_that_fails_holds_up_no_other(self, home: Home) -> None:
        home.put("historic-demand-data", "Historic Demand Data 2025", "<html>down for maintenance</html>")
        put_demand(home, 1)
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.status, outcome.counts.inserted, len(outcome.failures)) == ("failed", 1, 1)

    @pytest.mark.parametrize("status", [503, 429, 403, 409])
    def test_a_portal_that_is_gone_or_refuses_is_not_asked_for_every_file(self, home: Home, status: int) -> None:
        for year in range(2001, 2001 + 2 * GIVE_UP_AFTER + 8):
            put_demand(home, 1, year=year, day=f"{year}-03-01")
        home.sandbox.faults.add("status", dataset=DOWNLOAD, status=status)
        (outcome,) = home.refresh(DEMAND)
        assert outcome.status == "failed"
        assert "further files were not asked for" in outcome.failures[-1]

    def test_files_that_are_gone_say_nothing_of_the_others(self, home: Home) -> None:
        for year in range(2001, 2001 + 2 * GIVE_UP_AFTER + 8):
            put_demand(home, 1, year=year, day=f"{year}-03-01")
        home.sandbox.faults.add("status", dataset=DOWNLOAD, status=404, count=2 * GIVE_UP_AFTER)
        (outcome,) = home.refresh(DEMAND)
        assert (len(outcome.failures), outcome.counts.inserted) == (2 * GIVE_UP_AFTER, 8)

    def test_a_portal_that_lists_nothing_has_lost_no_family(self, home: Home) -> None:
        (outcome,) = home.refresh(DEMAND)
        assert (outcome.status, home.asked()) == ("failed", ["package_search"])
        assert outcome.reason.startswith("NESO_HISTORIC_DEMAND: the portal lists no package;")
        assert not Memory(home.folder).path.exists()

    def test_a_family_that_the_portal_no_longer_has_fails_with_a_sentence(self, home: Home) -> None:
        home.put("some-package", "x", "a\n1\n")
        (outcome,) = home.refresh(DEMAND)
        assert outcome.status == "failed"
        assert "the portal has no package historic-demand-data" in outcome.reason


class TestTables:
    def test_a_table_is_probed_when_its_cadence_has_passed_and_not_before(self, home: Home) -> None:
        put_trades(home, "10")
        assert home.refresh(TRADES)[0].status == "written"
        home.clock.forward(minutes=9)
        assert (home.refresh(TRADES)[0].windows, set(home.asked())) == (0, {"package_search"})
        home.clock.forward(minutes=2)
        put_trades(home, "11")
        (outcome,) = home.refresh(TRADES)
        assert (outcome.windows, outcome.counts.updated) == (1, 1)
        assert home.asked().count("datastore_search") == 1


def put_requirements(home: Home, *days_and_volumes: str) -> None:
    entry = dataset(REQUIREMENTS)
    assert entry.files is not None
    header = [f.aliases[0] for f in entry.fields if f.origin == "row"]
    lines = [",".join(header)]
    for text in days_and_volumes:
        day, volume = text.split(",")
        own = {"Delivery Date": day, "Service Requirement MW": volume}
        lines.append(",".join(own.get(name, "") for name in header))
    home.put(entry.files.package, "DFS Service Requirement", "\n".join(lines) + "\n")


def put_trades(home: Home, volume: str) -> None:
    entry = dataset(TRADES)
    header = [f.aliases[0] for f in entry.fields if f.origin == "row"]
    own = {"ID": "1", "Date": "2026-10-08", "SP": "3", "Volume": volume, "Price": "5", "Cost": "50"}
    text = ",".join(header) + "\n" + ",".join(own.get(name, "") for name in header) + "\n"
    home.put("upcoming-trades", "Upcoming Trades", text, url_type="datastore")


def quarantined(home: Home) -> list[tuple[int]]:
    with home.warehouse._holder.use(write=False) as cursor:  # type: ignore[attr-defined]
        return cursor.execute("SELECT count(*) FROM gb._quarantine").fetchall()


def test_days_before_a_family_begins_are_not_asked_for(home: Home) -> None:
    entry = dataset(EMBEDDED)
    day = entry.begins - timedelta(days=1)
    (outcome,) = home.refresh(EMBEDDED, days=(day, day))
    assert (outcome.status, home.asked()) == ("before_begin", [])
