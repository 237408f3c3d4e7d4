"""How assets read tables and derived ones are written: types, zones, column names, failures, and writing twice."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from energy_assets import calendar, read
from energy_assets.assets.generation_mix import generation_mix
from energy_assets.assets.partitions import DAYS, range_tags
from energy_assets.assets.specs import IO_MANAGER_KEY
from energy_assets.catalogue.derived import GENERATION_MIX
from energy_assets.warehouse.io_manager import WarehouseIOManager
from energy_assets_tests.definitions.conftest import DAY, Runs, failure_text

MIX = "gb/generation_mix_half_hourly"
KEY = dg.AssetKey(MIX.split("/"))


def derive(run: Runs, day: date | tuple[date, date] = DAY) -> dg.ExecuteInProcessResult:
    return run([MIX], day)


def read_by(
    run: Runs, annotation: type, day: date | tuple[date, date] = DAY, **metadata: Any
) -> list[pd.DataFrame | pa.Table]:
    """What an asset whose input is annotated so gets of FUELHH."""
    got: list[pd.DataFrame | pa.Table] = []

    def body(fuelhh) -> None:
        got.append(fuelhh)

    body.__annotations__ = {"fuelhh": annotation, "return": None}
    source = dg.AssetIn(key=["bmrs", "fuelhh"], metadata=metadata, input_manager_key=IO_MANAGER_KEY)
    reader = dg.asset(name="reader", ins={"fuelhh": source}, partitions_def=DAYS)(body)
    first, last = day if isinstance(day, tuple) else (day, day)
    about: dict[str, Any] = {"partition_key": str(first)} if first == last else {"tags": range_tags(first, last)}
    result = dg.materialize(
        [reader, dg.AssetSpec(["bmrs", "fuelhh"], partitions_def=DAYS)],
        resources={IO_MANAGER_KEY: WarehouseIOManager(run.platform.warehouse)},
        instance=run.instance,
        **about,
    )
    assert result.success
    return got


def mix_rows(run: Runs) -> pd.DataFrame:
    return read(MIX, DAY - timedelta(days=5), DAY + timedelta(days=400), settings=run.platform.settings())


def test_an_input_is_pandas_with_aware_utc_instants(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    (frame,) = read_by(run, pd.DataFrame)
    assert isinstance(frame, pd.DataFrame)
    assert str(frame["startTime"].dtype) == "datetime64[us, UTC]"
    assert frame["startTime"].min() == pd.Timestamp(calendar.day_start_utc(DAY))
    assert len(frame) == run.rows("fuelhh")


def test_an_input_is_arrow_where_the_annotation_says_so(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    (table,) = read_by(run, pa.Table)
    assert isinstance(table, pa.Table)
    assert table.schema.field("startTime").type == pa.timestamp("us")
    assert table.num_rows == run.rows("fuelhh")


def test_an_input_holds_the_days_of_the_run_and_no_other(run: Runs) -> None:
    first, last = DAY, DAY + timedelta(days=2)
    run(["bmrs/fuelhh"], (first - timedelta(days=1), last + timedelta(days=1)))
    (table,) = read_by(run, pa.Table, (first, last))
    assert set(table.column("_partition_day").to_pylist()) == {first + timedelta(days=n) for n in range(3)}


def test_an_input_may_name_columns_and_a_view(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    (table,) = read_by(run, pa.Table, columns=["fuelType", "generation"], view="latest")
    assert table.column_names == ["fuelType", "generation"]


@pytest.mark.parametrize(
    ("day", "periods"), [(DAY, 48), (date(2026, 3, 29), 46), (date(2024, 10, 27), 50), (date(2024, 2, 29), 48)]
)
def test_the_mix_has_every_period_of_its_day_and_shares_add_up(run: Runs, day: date, periods: int) -> None:
    run(["bmrs/fuelhh"], day)
    assert derive(run, day).success
    rows = read(MIX, day, day, settings=run.platform.settings())
    assert sorted(set(rows["settlement_period"])) == list(range(1, periods + 1))
    starts = rows.groupby("settlement_period")["start_utc"].first().sort_index()
    assert list(starts) == [pd.Timestamp(calendar.period_start_utc(day, p)) for p in range(1, periods + 1)]
    sums = rows.groupby("settlement_period")["share_pct"].sum()
    assert sums.to_numpy() == pytest.approx(100)
    assert rows["share_pct"].isna().equals(~(rows["generation_mw"] > 0))
    assert set(rows.loc[rows["is_interconnector"], "fuel_type"].str[:3]) == {"INT"}
    assert (rows["_partition_day"] == day).all()
    assert set(rows["_source_api"]) == {"DERIVED"}


def test_deriving_twice_changes_nothing(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    first, again = derive(run), derive(run)
    ((_, told),) = run.told(first, MIX)
    count = told["rows_inserted"]
    assert count == run.rows("fuelhh")
    ((_, told),) = run.told(again, MIX)
    assert told == {"rows_inserted": 0, "rows_updated": 0, "rows_unchanged": count, "rows_withdrawn": 0}


def test_a_revised_source_revises_its_rows_and_keeps_the_old_ones(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    derive(run)
    run.sql("UPDATE bmrs_fuelhh SET generation = generation + 1000 WHERE settlementPeriod = 7 AND fuelType = 'CCGT'")
    ((_, told),) = run.told(derive(run), MIX)
    assert told["rows_inserted"] == 0
    assert told["rows_updated"] >= 1
    history = run.sql("SELECT DISTINCT settlement_period, _change FROM gb_generation_mix_half_hourly_history")
    assert history == [(7, "revised")]


def test_a_fuel_that_vanishes_from_its_source_is_withdrawn(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    derive(run)
    run.sql("DELETE FROM bmrs_fuelhh WHERE settlementPeriod = 7 AND fuelType = 'CCGT'")
    ((_, told),) = run.told(derive(run), MIX)
    assert told["rows_withdrawn"] == 1
    assert len(mix_rows(run).query("settlement_period == 7 and fuel_type == 'CCGT'")) == 0


def test_a_range_of_derived_days_is_one_run(run: Runs) -> None:
    days = (DAY, DAY + timedelta(days=2))
    run(["bmrs/fuelhh"], days)
    result = derive(run, days)
    assert result.success
    assert [p for p, _ in run.told(result, MIX)] == [str(DAY + timedelta(days=n)) for n in range(3)]
    assert len(set(mix_rows(run)["_partition_day"])) == 3


def test_source_and_derived_table_can_be_materialized_in_one_run(run: Runs) -> None:
    result = run(["bmrs/fuelhh", MIX])
    assert result.success
    assert len(mix_rows(run)) == run.rows("fuelhh")


def test_a_derived_table_without_its_source_says_what_to_do(run: Runs) -> None:
    result = derive(run)
    assert not result.success
    assert "refresh FUELHH first" in failure_text(result)


def test_a_day_without_source_rows_writes_nothing_and_keeps_what_is_there(run: Runs) -> None:
    run(["bmrs/fuelhh"])
    derive(run)
    before = len(mix_rows(run))
    assert derive(run, DAY + timedelta(days=30)).success
    assert len(mix_rows(run)) == before


def write(run: Runs, frame: pd.DataFrame | pa.Table, day: date = DAY) -> dg.ExecuteInProcessResult:
    """Give rows to the IO manager as an asset body does."""

    @dg.asset(key=KEY, partitions_def=DAYS, io_manager_key=IO_MANAGER_KEY)
    def mix() -> Any:
        return frame

    return dg.materialize(
        [mix],
        partition_key=str(day),
        resources={IO_MANAGER_KEY: WarehouseIOManager(run.platform.warehouse)},
        instance=run.instance,
        raise_on_error=False,
    )


def frame_of(day: date) -> pd.DataFrame:
    """A small mix, columns in another order than declared."""
    return generation_mix(
        pd.DataFrame(
            {
                "fuelType": ["CCGT", "INTFR", "PS"],
                "generation": [300.1, 100.0, -50.0],
                "settlementPeriod": [1, 1, 1],
                "settlementDate": [day] * 3,
                "startTime": pd.to_datetime([calendar.day_start_utc(day)] * 3),
            }
        )
    )[
        [
            "share_pct",
            "fuel_type",
            "start_utc",
            "generation_mw",
            "is_interconnector",
            "settlement_period",
            "settlement_date",
        ]
    ]


COLUMNS = [f.name for f in GENERATION_MIX.fields]


@pytest.mark.parametrize("as_arrow", [False, True])
def test_rows_go_by_name_and_come_back_equal(run: Runs, as_arrow: bool) -> None:
    frame = frame_of(DAY)
    given = pa.Table.from_pandas(frame, preserve_index=False) if as_arrow else frame
    assert write(run, given).success
    back = mix_rows(run)[COLUMNS].sort_values("fuel_type").reset_index(drop=True)
    wanted = frame[COLUMNS].sort_values("fuel_type").reset_index(drop=True)
    pd.testing.assert_frame_equal(back, wanted, check_dtype=False)
    assert back["generation_mw"].tolist() == wanted["generation_mw"].tolist()


def test_local_times_are_stored_as_the_instant_that_they_mean(run: Runs) -> None:
    frame = frame_of(DAY)
    frame["start_utc"] = frame["start_utc"].dt.tz_convert("Europe/London")
    assert write(run, frame).success
    assert set(mix_rows(run)["start_utc"]) == {pd.Timestamp(2024, 7, 14, 23, tz="UTC")}


def test_a_missing_or_unknown_column_is_refused_by_name_and_writes_nothing(run: Runs) -> None:
    write(run, frame_of(DAY))
    frame = frame_of(DAY).rename(columns={"generation_mw": "generation"}).assign(fuel_type="NEW")
    result = write(run, frame)
    assert "generation" in failure_text(result) and "generation_mw" in failure_text(result)
    assert set(mix_rows(run)["fuel_type"]) == {"CCGT", "INTFR", "PS"}


def test_a_value_that_does_not_fit_is_refused_and_writes_nothing(run: Runs) -> None:
    frame = frame_of(DAY)
    frame["settlement_period"] = ["one", "1", "1"]
    assert "gb_generation_mix_half_hourly" in failure_text(write(run, frame))


def test_rows_of_another_day_are_refused_and_write_nothing(run: Runs) -> None:
    write(run, frame_of(DAY))
    text = failure_text(write(run, frame_of(DAY + timedelta(days=1))))
    assert "2024-07-16" in text and "nothing was written" in text
    assert set(mix_rows(run)["_partition_day"]) == {DAY}


def test_every_write_leaves_a_receipt(run: Runs) -> None:
    write(run, frame_of(DAY))
    write(run, frame_of(DAY))
    receipts = run.sql("SELECT status, window_from_utc, window_to_utc FROM _receipts ORDER BY recorded_utc")
    start, end = (at.replace(tzinfo=None) for at in calendar.day_bounds_utc(DAY))
    assert receipts == [("written", start, end), ("unchanged", start, end)]
