"""Spreadsheets as the stand-in of Google Sheets keeps them: worksheets, cells, A1 ranges, and changes to all of them.

Only what a spreadsheet is; requests, quotas and misbehaviour belong to ``sheets``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROWS, COLUMNS = 1000, 26
"""A new worksheet's grid."""

_RANGE = re.compile(r"(?:'((?:[^']|'')+)'|([^'!]+))(?:!(.+))?")
_A1 = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]+)")

Place = tuple[int, int]


class WrongRequestError(Exception):
    """A request that Google answers with HTTP 400."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that is computed: text that was entered as a person would, beginning with ``=``."""

    source: str


@dataclass
class Worksheet:
    """One worksheet; rows and columns are counted from 0.

    Attributes:
        sheet_id: Its number.
        title: Its name.
        rows: Rows of its grid.
        columns: Columns of its grid.
        cells: Values that are not blank.
        formats: Formats by cell.
        rules: Rules of conditional formatting.
        frozen: Rows that stay in sight.
        widths: Pixels by column.
    """

    sheet_id: int
    title: str
    rows: int = ROWS
    columns: int = COLUMNS
    cells: dict[Place, Any] = field(default_factory=dict)
    formats: dict[Place, Any] = field(default_factory=dict)
    rules: list[Any] = field(default_factory=list)
    frozen: int = 0
    widths: dict[int, int] = field(default_factory=dict)

    def values(
        self, top: int = 0, left: int = 0, bottom: int | None = None, right: int | None = None
    ) -> list[list[Any]]:
        """Cells of a rectangle with exclusive ends, blank rows below and blank cells at the end of rows left out."""
        bottom, right = self.rows if bottom is None else bottom, self.columns if right is None else right
        inside = {(r, c): v for (r, c), v in self.cells.items() if top <= r < bottom and left <= c < right}
        height = max((r + 1 for r, _ in inside), default=top) - top
        lengths = [0] * height
        for r, c in inside:
            lengths[r - top] = max(lengths[r - top], c + 1 - left)
        return [[inside.get((top + r, left + c), "") for c in range(lengths[r])] for r in range(height)]

    def put(self, top: int, left: int, values: Sequence[Sequence[Any]]) -> int:
        """Set cells; ``None`` leaves one as it is and an empty text makes it blank.

        Returns:
            How many cells were set.
        """
        count = 0
        for r, line in enumerate(values, top):
            for c, value in enumerate(line, left):
                if value is None:
                    continue
                count += 1
                if value == "":
                    self.cells.pop((r, c), None)
                else:
                    self.cells[r, c] = value
        return count

    def insert(self, dimension: str, start: int, end: int) -> None:
        """Insert blank rows or columns; what is there moves down or right."""
        number = end - start
        if dimension == "ROWS":
            self.rows += number
            self._move(lambda r, c: (r + number if r >= start else r, c))
        else:
            self.columns += number
            self._move(lambda r, c: (r, c + number if c >= start else c))
            self.widths = {c + number if c >= start else c: w for c, w in self.widths.items()}

    def delete(self, dimension: str, start: int, end: int) -> None:
        """Delete rows or columns with what is in them."""
        axis, number = (0, end - start) if dimension == "ROWS" else (1, end - start)
        for kept in (self.cells, self.formats):
            for place in [p for p in kept if start <= p[axis] < end]:
                del kept[place]
        if axis == 0:
            self.rows -= number
            self._move(lambda r, c: (r - number if r >= end else r, c))
        else:
            self.columns -= number
            self._move(lambda r, c: (r, c - number if c >= end else c))

    def _move(self, to: Callable[[int, int], Place]) -> None:
        self.cells = {to(*place): value for place, value in self.cells.items()}
        self.formats = {to(*place): form for place, form in self.formats.items()}


@dataclass
class Spreadsheet:
    """Worksheets in their order.

    Attributes:
        tabs: The worksheets.
        formulas: Formulas that were entered so far, and would have been computed.
    """

    tabs: list[Worksheet] = field(default_factory=lambda: [Worksheet(0, "Sheet1")])
    formulas: int = 0

    def tab(self, title: str) -> Worksheet:
        """A worksheet by name.

        Raises:
            WrongRequestError: There is none.
        """
        for tab in self.tabs:
            if tab.title == title:
                return tab
        raise WrongRequestError(f"Unable to parse range: {title}")

    def numbered(self, sheet_id: int) -> Worksheet:
        """A worksheet by number.

        Raises:
            WrongRequestError: There is none.
        """
        for tab in self.tabs:
            if tab.sheet_id == sheet_id:
                return tab
        raise WrongRequestError(f"No grid with id: {sheet_id}")

    def resolve(self, text: str) -> tuple[Worksheet, int, int, int, int]:
        """What an A1 range names: worksheet, first row and column, and the row and column after the last.

        Raises:
            WrongRequestError: It names nothing, or something beyond the grid.
        """
        match = _RANGE.fullmatch(text)
        if match is None:
            raise WrongRequestError(f"Unable to parse range: {text}")
        title, cells = match[1].replace("''", "'") if match[1] is not None else match[2], match[3]
        try:
            tab = self.tab(title)
        except WrongRequestError:
            raise WrongRequestError(f"Unable to parse range: {text}") from None
        if not cells:
            return tab, 0, 0, tab.rows, tab.columns
        ends = [_A1.fullmatch(part) for part in cells.split(":")]
        if not 1 <= len(ends) <= 2 or any(end is None for end in ends):
            raise WrongRequestError(f"Unable to parse range: {text}")
        places = [(int(end[2]) - 1, column_of(end[1])) for end in ends if end is not None]
        (top, left), (bottom, right) = places[0], places[-1]
        if bottom >= tab.rows or right >= tab.columns:
            raise WrongRequestError(
                f"Range ({text}) exceeds grid limits. Max rows: {tab.rows}, max columns: {tab.columns}"
            )
        return tab, top, left, bottom + 1, right + 1

    def write(self, text: str, values: Sequence[Sequence[Any]], option: str) -> int:
        """Put values into a range, as they are (``RAW``) or as if a person typed them.

        Raises:
            WrongRequestError: The range does not hold them, or an option or value is none.
        """
        if option not in ("RAW", "USER_ENTERED"):
            raise WrongRequestError("'valueInputOption' is required but not specified")
        tab, top, left, bottom, right = self.resolve(text)
        if len(values) > bottom - top or any(len(line) > right - left for line in values):
            raise WrongRequestError(f"Requested writing within range [{text}], but tried writing outside of it")
        if any(not isinstance(v, str | int | float | bool | None) for line in values for v in line):
            raise WrongRequestError("Invalid values: only texts, numbers and truth values")
        if option == "USER_ENTERED":
            values = [[self._entered(v) for v in line] for line in values]
        return tab.put(top, left, values)

    def _entered(self, value: Any) -> Any:  # noqa: ANN401 - a cell of any kind
        if isinstance(value, str) and value.startswith("="):
            self.formulas += 1
            return Formula(value)
        return value

    def change(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One request of ``spreadsheets.batchUpdate``.

        Raises:
            WrongRequestError: It cannot be done, or is not one of those that the stand-in knows.
        """
        ((kind, given),) = request.items()
        known: dict[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
            "addSheet": self._add,
            "deleteSheet": self._remove,
            "updateSheetProperties": self._update,
            "insertDimension": lambda g: self.numbered(g["range"]["sheetId"]).insert(*_span(g["range"])),
            "deleteDimension": lambda g: self.numbered(g["range"]["sheetId"]).delete(*_span(g["range"])),
            "appendDimension": self._append,
            "updateDimensionProperties": self._widen,
            "repeatCell": self._repeat,
            "addConditionalFormatRule": self._rule,
        }
        if kind not in known:
            raise WrongRequestError(f'Invalid JSON payload received. Unknown name "{kind}": Cannot find field.')
        return known[kind](given) or {}

    def _add(self, given: Mapping[str, Any]) -> dict[str, Any]:
        properties = given["properties"]
        number = properties.get("sheetId", max((tab.sheet_id for tab in self.tabs), default=0) + 1)
        title = properties["title"]
        if any(tab.title == title for tab in self.tabs):
            raise WrongRequestError(f'A sheet with the name "{title}" already exists. Please enter another name.')
        if any(tab.sheet_id == number for tab in self.tabs):
            raise WrongRequestError(f"Sheet with id {number} already exists")
        grid = properties.get("gridProperties", {})
        tab = Worksheet(number, title, grid.get("rowCount", ROWS), grid.get("columnCount", COLUMNS))
        tab.frozen = grid.get("frozenRowCount", 0)
        self.tabs.append(tab)
        return {"addSheet": {"properties": described(tab)}}

    def _remove(self, given: Mapping[str, Any]) -> None:
        tab = self.numbered(given["sheetId"])
        if len(self.tabs) == 1:
            raise WrongRequestError("You can't remove all the sheets in a document.")
        self.tabs.remove(tab)

    def _update(self, given: Mapping[str, Any]) -> None:
        properties, fields = given["properties"], given["fields"].split(",")
        tab = self.numbered(properties["sheetId"])
        if "title" in fields:
            if any(other.title == properties["title"] for other in self.tabs if other is not tab):
                raise WrongRequestError(f'A sheet with the name "{properties["title"]}" already exists.')
            tab.title = properties["title"]
        if "gridProperties.frozenRowCount" in fields:
            tab.frozen = properties["gridProperties"]["frozenRowCount"]

    def _append(self, given: Mapping[str, Any]) -> None:
        tab = self.numbered(given["sheetId"])
        if given["dimension"] == "ROWS":
            tab.rows += given["length"]
        else:
            tab.columns += given["length"]

    def _widen(self, given: Mapping[str, Any]) -> None:
        tab = self.numbered(given["range"]["sheetId"])
        _, start, end = _span(given["range"])
        tab.widths.update(dict.fromkeys(range(start, end), given["properties"]["pixelSize"]))

    def _repeat(self, given: Mapping[str, Any]) -> None:
        tab, cells = self.numbered(given["range"]["sheetId"]), given["range"]
        for r in range(cells.get("startRowIndex", 0), cells.get("endRowIndex", tab.rows)):
            for c in range(cells.get("startColumnIndex", 0), cells.get("endColumnIndex", tab.columns)):
                tab.formats[r, c] = given["cell"]["userEnteredFormat"]

    def _rule(self, given: Mapping[str, Any]) -> None:
        rule = given["rule"]
        self.numbered(rule["ranges"][0]["sheetId"]).rules.insert(given.get("index", 0), rule)


def described(tab: Worksheet) -> dict[str, Any]:
    """A worksheet's properties as Google tells them."""
    grid: dict[str, Any] = {"rowCount": tab.rows, "columnCount": tab.columns}
    if tab.frozen:
        grid["frozenRowCount"] = tab.frozen
    return {"sheetId": tab.sheet_id, "title": tab.title, "sheetType": "GRID", "gridProperties": grid}


def column_of(letters: str) -> int:
    """The column of its letters, from 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def letters_of(column: int) -> str:
    """The letters of a column, counted from 0."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def a1(tab: Worksheet, top: int, left: int, bottom: int, right: int) -> str:
    """A rectangle with exclusive ends in A1, with its worksheet; quoted where the name is no plain word."""
    title = (
        tab.title if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", tab.title) else "'" + tab.title.replace("'", "''") + "'"
    )
    return f"{title}!{letters_of(left)}{top + 1}:{letters_of(right - 1)}{bottom}"


def _span(cells: Mapping[str, Any]) -> tuple[str, int, int]:
    return cells["dimension"], cells["startIndex"], cells["endIndex"]
