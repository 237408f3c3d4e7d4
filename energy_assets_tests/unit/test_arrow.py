"""Arrow and numpy without pandas: the same values, and pandas stays away."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from energy_assets import arrow

TYPED = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from energy_assets import arrow
from energy_assets.catalogue import dataset
from energy_assets.ingest.model import QUARANTINE_SCHEMA, Window
from energy_assets.ingest.typed import Stamp, TypingEngine

arrow.empty(QUARANTINE_SCHEMA)
body = Path(sys.argv[1])
row = {"dataset": "MID", "startTime": "2026-07-15T10:00:00Z", "dataProvider": "APXMIDP", "settlementDate": "2026-07-15",
       "settlementPeriod": 23, "price": None, "volume": 100}
day = Window(datetime(2026, 7, 14, 23, tzinfo=UTC), datetime(2026, 7, 15, 23, tzinfo=UTC))
engine = TypingEngine()
stamp = Stamp(day, "0", day.to_utc, "BMRS")
bids = [{**row, "dataset": "BOD", "timeFrom": "2026-07-15T10:00:00Z", "timeTo": "2026-07-15T10:30:00Z", "pairId": 1,
         "levelFrom": 1, "levelTo": 1, "nationalGridBmUnit": unit} for unit in ("A", None)]
for code, rows in (("MID", [row]), ("MID", [row, {**row, "dataProvider": "N2EXMIDP", "new": 1}]), ("MID", []),
                   ("BOD", [{**bid, "bmUnit": "B"} for bid in bids])):
    body.write_text(json.dumps(rows))
    assert engine.type_body(dataset(code), body, stamp).fetched == len(rows)
    assert "pandas" not in sys.modules, code
"""


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2, 3], pa.int64(), [1, 2, 3]),
        ([1.5, -0.0], pa.float64(), [1.5, -0.0]),
        ([True, False, True], pa.bool_(), [1, 0, 1]),
        ([date(1970, 1, 3)], pa.date32(), [2]),
        ([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"), [1_000_000]),
        ([2**64 - 1], pa.uint64(), [2**64 - 1]),
        ([], pa.int64(), []),
    ],
)
def test_values_are_seen_as_numpy_sees_them(values: list[object], kind: pa.DataType, expected: list[object]) -> None:
    array = pa.array(values, kind)
    assert arrow.to_numpy(array).tolist() == expected
    assert arrow.to_numpy(pa.chunked_array([array[:1], array[1:]])).tolist() == expected
    assert arrow.to_numpy(array[1:]).tolist() == expected[1:]


def test_what_numpy_holds_becomes_an_array_of_the_type_wanted() -> None:
    made = arrow.from_numpy(np.array([0, 1_000_000]), pa.timestamp("us"))
    assert made.to_pylist() == [datetime(1970, 1, 1), datetime(1970, 1, 1, 0, 0, 1)]
    assert made.null_count == 0


def test_an_empty_table_has_its_columns() -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.int64())])
    assert arrow.empty(schema).schema == schema
    assert arrow.empty(schema).num_rows == 0


def test_a_body_is_typed_without_pandas(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", TYPED, str(tmp_path / "body.json")], check=True)
