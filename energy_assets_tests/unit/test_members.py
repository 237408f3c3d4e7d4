"""Members counted in a body's bytes: right where it gives an answer, and no answer where bytes cannot tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_assets.ingest.members import PIECE_BYTES, count_members

NAMES = ["dataset", "bmUnit", "unit"]


def counted(folder: Path, text: str) -> Any:
    path = folder / "body.json"
    path.write_text(text, encoding="utf-8")
    return count_members(path, NAMES)


def test_members_are_counted_whatever_stands_after_the_colon(tmp_path: Path) -> None:
    found = counted(tmp_path, '[{"dataset":"BOD","bmUnit": null},\n {"dataset":\t1, "odd":2}]')
    assert found.total == 4
    assert found.named == {"dataset": 2, "bmUnit": 1, "unit": 0}


@pytest.mark.parametrize("text", ['[{"dataset" : 1}]', '[{"dataset"\n:1}]', '[{"text":"note : this"}]'])
def test_a_blank_before_a_colon_gives_no_answer(tmp_path: Path, text: str) -> None:
    assert counted(tmp_path, text) is None


def test_text_that_looks_like_a_member_makes_the_total_too_large_and_never_too_small(tmp_path: Path) -> None:
    found = counted(tmp_path, json.dumps([{"text": 'he said "bmUnit":', "bmUnit": 1}]))
    assert found.total == 3
    assert found.named["bmUnit"] == 1


@pytest.mark.parametrize("shift", range(12))
def test_members_on_the_edge_of_two_pieces_are_counted_once(tmp_path: Path, shift: int) -> None:
    head = '[{"unit":"' + "x" * (PIECE_BYTES - 18 - shift) + '",'
    found = counted(tmp_path, head + '"bmUnit":1,"dataset":2}]')
    assert found.total == 3
    assert found.named == {"dataset": 1, "bmUnit": 1, "unit": 1}


@given(st.lists(st.dictionaries(st.sampled_from([*NAMES, "other"]), st.integers() | st.none()), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_counts_are_those_of_the_records(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    found = counted(tmp_path, json.dumps(rows))
    assert found.total == sum(len(row) for row in rows)
    assert found.named == {name: sum(name in row for row in rows) for name in NAMES}
