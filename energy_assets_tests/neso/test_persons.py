"""Contacts in the capacity market's unit table: nowhere unless a setting asks for them, and then in columns of their
own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from energy_assets.catalogue import dataset
from energy_assets.settings import load_settings
from energy_assets.wiring import open_engine
from energy_assets_tests.neso.home import Clock, Home
from energy_assets_tests.neso.world import Stage

UNITS = "neso/capacity_units"
CHANGES = "neso/capacity_unit_changes"
PLACE = ("capacity-market-register", "Capacity Market Unit (CMU)")
EMAIL, PHONE = "somebody@example.com", "020 7946 0000"
COLUMNS = ("secondary_trading_contact_email", "secondary_trading_contact_telephone")
PERSONAL = ("Secondary Trading Contact_Telephone", "Secondary Trading Contact_Email")
HEADERS = [f.aliases[0] for f in dataset(UNITS).fields if f.origin == "row"]


@pytest.fixture
def home(portal_stage: tuple[Stage, str], tmp_path: Path) -> Iterator[Home]:
    stage, url = portal_stage
    clock = Clock(datetime(2026, 10, 8, 12, tzinfo=UTC))
    made = Home.of(stage.fresh(clock=clock), url, tmp_path, clock)
    yield made
    made.warehouse.close()


def units(count: int = 200, *, bad: int = 0, header: str = "") -> str:
    names = [*PERSONAL, *HEADERS]
    lines = [header or ",".join(names)]
    for number in range(count):
        own = {"CMU ID": f"CMU{number}", PERSONAL[0]: PHONE, PERSONAL[1]: EMAIL}
        own |= {"Amount of Credit Cover": "not a number"} if number < bad else {}
        lines.append(",".join(own.get(name, "1") for name in names))
    return "\n".join(lines) + "\n"


def everything(home: Home) -> str:
    """All that the home holds of anything: tables with quarantine and receipts, kept bodies, files of the portal."""
    with home.warehouse._holder.use(write=False) as cursor:  # type: ignore[attr-defined]
        tables = [name for (name,) in cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        held = [repr(cursor.execute(f'SELECT * FROM gb."{name}"').fetchall()) for name in tables]
    for path in home.folder.rglob("*"):
        if path.is_file() and ".duckdb" not in path.name:
            with pa.input_stream(path, compression="zstd" if path.suffix == ".zst" else None) as body:
                held.append(body.read().decode("utf-8", "replace"))
    return "\n".join(held)


def columns(home: Home) -> set[str]:
    with home.warehouse._holder.use(write=False) as cursor:  # type: ignore[attr-defined]
        found = cursor.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'neso_capacity_units'")
        return {name for (name,) in found.fetchall()}


@pytest.mark.parametrize("bad", [0, 1])
def test_contacts_are_nowhere(home: Home, bad: int) -> None:
    home.put(*PLACE, units(bad=bad))
    (outcome,) = home.refresh(UNITS)
    assert (outcome.status, outcome.counts.inserted, outcome.counts.quarantined) == ("written", 200 - bad, bad)
    held = everything(home)
    assert "CMU7" in held
    assert EMAIL not in held
    assert PHONE not in held
    assert not columns(home) & set(COLUMNS)


@pytest.mark.parametrize(
    "body", [units(50, bad=20), units(50, header="a,b"), units(50)[:-9]], ids=["values", "header", "cut"]
)
def test_nor_where_the_file_is_refused(home: Home, body: str) -> None:
    home.put(*PLACE, body)
    (outcome,) = home.refresh(UNITS)
    assert (outcome.status, outcome.counts.inserted) == ("failed", 0)
    held = everything(home)
    assert EMAIL not in held
    assert PHONE not in held


def changes() -> str:
    entry = dataset(CHANGES)
    names = [f.aliases[0] for f in entry.fields if f.origin == "row"]
    about = {"Secondary Trading Contact - Email": EMAIL, "SECONDARY TRADING CONTACT_TELEPHONE": PHONE, "Status": "Live"}
    lines = [",".join(names)]
    for attribute, value in about.items():
        own = {"Attribute": attribute, "Previous": value, "Latest": f"{value} too", "Change Date": "2026-01-02"}
        lines.append(",".join(own.get(name, "1") for name in names))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("wanted", [False, True])
def test_a_change_of_a_contact_is_told_without_what_was_and_is_written(home: Home, wanted: bool) -> None:
    home.put(PLACE[0], "Capacity Market Unit (CMU) History", changes())
    (outcome,) = home.refresh(CHANGES, personal=wanted)
    assert (outcome.status, outcome.counts.inserted) == ("written", 3)
    told = {r["previous"] for r in home.rows(CHANGES)}
    assert told == ({EMAIL, PHONE, "Live"} if wanted else {None, "Live"})
    held = everything(home)
    assert (EMAIL in held, PHONE in held) == (wanted, wanted)


def test_bodies_of_others_are_kept(home: Home) -> None:
    home.put("system-inertia-cost", "GB System Inertia Costs 2026", "Settlement Date,Cost_per_GVAs\n2026-04-03,3\n")
    home.refresh("neso/system_inertia_cost")
    assert "2026-04-03,3" in everything(home)


def test_the_setting_brings_them_in(home: Home) -> None:
    home.put(*PLACE, units())
    (outcome,) = home.refresh(UNITS, personal=True)
    assert (outcome.status, outcome.counts.inserted) == ("written", 200)
    assert columns(home) >= set(COLUMNS)
    assert everything(home).count(EMAIL) >= 400, "in the table and in the body that is kept"


def test_switched_on_later_it_adds_the_columns(home: Home) -> None:
    home.put(*PLACE, units())
    home.refresh(UNITS)
    home.clock.forward(days=1)
    home.put(*PLACE, units())
    (outcome,) = home.refresh(UNITS, personal=True)
    assert (outcome.status, outcome.counts.inserted) == ("written", 200)
    with home.warehouse._holder.use(write=False) as cursor:  # type: ignore[attr-defined]
        told = cursor.execute(
            f"SELECT _partition_day::VARCHAR, {COLUMNS[0]}, count(*) FROM gb.neso_capacity_units GROUP BY ALL"
        ).fetchall()
    assert sorted(told) == [("2026-10-08", None, 200), ("2026-10-09", EMAIL, 200)]


def test_switched_on_a_person_reads_the_day_again(home: Home) -> None:
    home.put(*PLACE, units())
    home.refresh(UNITS)
    home.clock.forward(hours=1)
    (outcome,) = home.refresh(UNITS, personal=True, refetch=True)
    assert (outcome.status, outcome.windows) == ("written", 1)
    assert EMAIL in everything(home)
    # And switched off again, the same file is another snapshot without them.
    home.clock.forward(hours=1)
    (outcome,) = home.refresh(UNITS, refetch=True)
    assert outcome.windows == 1
    assert {row["cmu_id"] for row in home.rows(UNITS, view="latest")} == {f"CMU{n}" for n in range(200)}


def test_the_setting_is_off_unless_it_is_set(tmp_path: Path) -> None:
    def engine(**variables: str) -> bool:
        given = {"ENERGY_ASSETS_HOME": str(tmp_path), **variables}
        made = open_engine(load_settings(given, env_file=None))
        made.warehouse.close()
        return made.personal

    assert not engine()
    assert engine(ENERGY_ASSETS_NESO_PERSONAL_DATA="true")
