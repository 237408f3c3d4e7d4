"""Whatever people do to a worksheet: our rows are there once, and what is theirs is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from energy_assets.tracking.sheet_layout import Plan, at, find, plan
from energy_assets.tracking.sheet_rows import HEADERS, Row

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
ROWS = [Row("BMRS", name, NOW, "SUCCESS", NOW) for name in ("FUELINST", "MID", "FREQ", "BOD")]
Grid = list[list[object]]


def sheet(rows: Sequence[Row] = ROWS) -> Grid:
    return [list(HEADERS), *(list(row.cells) for row in rows)]


def done(grid: Grid, made: Plan) -> Grid:
    """The grid after the plan."""
    grid = [[], *map(list, grid)] if made.layout.pushed else [list(line) for line in grid]
    for block in made.blocks:
        for r, line in enumerate(block.values, block.row):
            for c, value in enumerate(line, block.column):
                grid += [[] for _ in range(r + 1 - len(grid))]
                grid[r] += [""] * (c + 1 - len(grid[r]))
                grid[r][c] = value
    return grid


def ours(grid: Grid) -> list[tuple[str, ...]]:
    """Rows of ours, in the order in which they stand."""
    layout = find(grid, [row.key for row in ROWS])
    lines = [tuple(at(grid, r, c) for c in layout.columns) for r in range(len(grid)) if r != layout.header]
    return [line for line in lines if any(line)]


def settled(grid: Grid, rows: Sequence[Row] = ROWS) -> Grid:
    """The grid after one plan, of which a second finds nothing to change."""
    after = done(grid, plan(grid, rows))
    assert plan(after, rows).blocks == ()
    return after


def test_an_empty_sheet_gets_everything_and_a_full_one_nothing() -> None:
    assert settled([]) == sheet()
    assert plan(sheet(), ROWS).blocks == ()


def test_only_rows_that_differ_are_written_each_in_its_place() -> None:
    changed = [*ROWS[:2], Row("BMRS", "FREQ", None, "FAILED", NOW, "=1+1"), ROWS[3]]
    (block,) = plan(sheet(), changed).blocks
    assert (block.row, block.column, block.values) == (3, 0, (changed[2].cells,))


def test_rows_that_were_sorted_keep_their_new_places() -> None:
    grid = [list(HEADERS), *(list(row.cells) for row in reversed(ROWS))]
    changed = [Row("BMRS", "FUELINST", NOW, "FAILED", NOW, "why"), *ROWS[1:]]
    assert [line[1] for line in ours(settled(grid, changed))] == ["BOD", "FREQ", "MID", "FUELINST"]


def test_a_column_of_somebody_else_is_jumped_over() -> None:
    grid = [[*line[:2], "mine" if r == 0 else f"note {r}", *line[2:]] for r, line in enumerate(sheet())]
    changed = [Row("BMRS", r.dataset, NOW, "FAILED", NOW, "why") for r in ROWS]
    made = plan(grid, changed)
    assert {(b.column, len(b.values[0])) for b in made.blocks} == {(0, 2), (3, 4)}
    after = done(grid, made)
    assert [line[2] for line in after] == ["mine", "note 1", "note 2", "note 3", "note 4"]
    assert ours(after) == [row.cells for row in changed]


def test_a_header_of_the_same_name_is_not_taken_for_ours() -> None:
    grid = [[*("Notes" if r == 0 else f"theirs {r}",), *line] for r, line in enumerate(sheet())]
    changed = [Row("BMRS", r.dataset, NOW, "FAILED", NOW, "why") for r in ROWS]
    after = settled(grid, changed)
    assert [line[0] for line in after] == ["Notes", "theirs 1", "theirs 2", "theirs 3", "theirs 4"]


def test_lost_columns_come_back_right_of_everything() -> None:
    grid = [[*line[:3], *line[4:], "x"] for line in sheet()]
    after = settled(grid)
    assert [line[-1] for line in after] == ["Status", *["SUCCESS"] * 4]
    assert [line[5] for line in after] == ["x"] * 5
    assert ours(after) == [row.cells for row in ROWS]


def test_rows_that_lost_their_names_are_named_again_and_not_doubled() -> None:
    for lost in ([0], [1], [0, 1]):
        grid = [[cell for c, cell in enumerate(line) if c not in lost] for line in sheet()]
        assert sorted(ours(settled(grid))) == sorted(row.cells for row in ROWS)


def test_a_header_row_that_was_removed_is_inserted_again() -> None:
    made = plan(sheet()[1:], ROWS)
    assert made.layout.pushed
    assert settled(sheet()[1:]) == sheet()
    cleared: Grid = [[""] * 6, *sheet()[1:]]
    assert not plan(cleared, ROWS).layout.pushed and settled(cleared) == sheet()


def test_a_sheet_that_is_somebody_elses_is_extended_to_the_right() -> None:
    grid: Grid = [["Name", "Telephone"], ["Ada", "1"], ["Grace", "2"]]
    after = settled(grid)
    assert [line[:2] for line in after[:3]] == grid
    assert [line[2] for line in after[:2]] == ["Source", "BMRS"]


def test_a_row_that_was_copied_is_emptied_once() -> None:
    grid = [*sheet(), [*ROWS[0].cells, "mine"]]
    made = plan(grid, ROWS)
    assert made.repeated == (("BMRS", "FUELINST"),)
    after = done(grid, made)
    assert after[5] == ["", "", "", "", "", "", "mine"] and plan(after, ROWS).blocks == ()


def test_rows_of_datasets_that_are_new_follow_below_and_unknown_ones_stay() -> None:
    grid = [*sheet(ROWS[:2]), ["BMRS", "RETIRED", "long ago", "SUCCESS", "", ""]]
    after = settled(grid)
    assert [line[1] for line in after[1:]] == ["FUELINST", "MID", "RETIRED", "FREQ", "BOD"]


def test_titles_above_the_headers_stay() -> None:
    grid: Grid = [["Our markets"], [], *sheet()]
    changed = [*ROWS[:3], Row("BMRS", "BOD", NOW, "FAILED", NOW, "why")]
    after = settled(grid, changed)
    assert after[:3] == [["Our markets"], [], list(HEADERS)] and after[6][3] == "FAILED"


def test_rows_that_were_sorted_above_the_headers_are_not_doubled() -> None:
    header, *rows = sheet()
    assert settled([["Our markets"], *rows[:3], header, *rows[3:]]) == [["Our markets"], *rows[:3], header, *rows[3:]]


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(["insert row", "insert column", "delete row", "delete column", "sort", "sort all", "copy row"]),
        st.integers(0, 12),
    ),
    max_size=8,
)


@given(PEOPLE, st.lists(st.sampled_from(["SUCCESS", "FAILED", "STARTED"]), min_size=4, max_size=4))
def test_whatever_people_do_every_dataset_has_one_right_row_and_their_cells_stay(acts, statuses) -> None:
    grid = sheet()
    for act, place in acts:
        grid = acted(grid, act, place)
    rows = [Row("BMRS", r.dataset, NOW, s, NOW, "=1+1") for r, s in zip(ROWS, statuses, strict=True)]
    theirs = sorted(text for line in grid for text in line if str(text).startswith("theirs"))
    after = settled(grid, rows)
    known = [line for line in ours(after) if line[1] in {r.dataset for r in rows} and line[0] == "BMRS"]
    assert sorted(known) == sorted(row.cells for row in rows)
    assert sorted(text for line in after for text in line if str(text).startswith("theirs")) == theirs


def acted(grid: Grid, act: str, place: int) -> Grid:
    """What a person did to the grid."""
    grid, width = [list(line) for line in grid], max((len(line) for line in grid), default=0)
    grid = [line + [""] * (width - len(line)) for line in grid]
    row, column = place % (len(grid) + 1), place % (width + 1)
    if act == "insert row":
        return [*grid[:row], [], *grid[row:]]
    if act == "insert column":
        return [[*line[:column], f"theirs {place} {r}", *line[column:]] for r, line in enumerate(grid)]
    if act == "delete row":
        return [*grid[:row], *grid[row + 1 :]]
    if act == "delete column":
        return [[*line[:column], *line[column + 1 :]] for line in grid]
    if act == "copy row" and row < len(grid):
        return [*grid, list(grid[row])]
    if act == "sort all":
        return sorted(grid, key=str, reverse=bool(place % 2))
    return grid[:1] + sorted(grid[1:], key=str, reverse=bool(place % 2))
