"""Changes to worksheets themselves, as Google's ``spreadsheets.batchUpdate`` takes them: new ones, size, formatting.

What is formatted and when is decided in ``sheet``; nothing here asks anything.
"""

from __future__ import annotations

from energy_assets.tracking.sheet_book import Request, TabInfo
from energy_assets.tracking.sheet_layout import Layout
from energy_assets.tracking.sheet_rows import HEADERS, SUMMARY_HEADERS

SPARE_ROWS = 50
"""Rows by which a full worksheet grows: a few datasets more do not need it changed each time."""

COLOURS = {"SUCCESS": (0.85, 0.94, 0.83), "FAILED": (0.96, 0.8, 0.8), "STARTED": (1.0, 0.95, 0.8)}
WIDTHS = (80, 220, 170, 90, 170, 560)
"""Pixels of each column: the longest code, an instant, a sentence."""

GREY = {"red": 0.9, "green": 0.9, "blue": 0.9}


def added(sheet_id: int | None, title: str, frozen: int) -> Request:
    """A new worksheet, with a number where that is free, whose first ``frozen`` rows stay in sight."""
    grid = {"rowCount": 500 if frozen else 50, "columnCount": 12, "frozenRowCount": frozen}
    number = {} if sheet_id is None else {"sheetId": sheet_id}
    return {"addSheet": {"properties": {**number, "title": title, "gridProperties": grid}}}


def renamed(sheet_id: int, title: str) -> Request:
    """Another name."""
    return {"updateSheetProperties": {"properties": {"sheetId": sheet_id, "title": title}, "fields": "title"}}


def inserted_row(sheet_id: int) -> Request:
    """A blank row above everything."""
    top = {"sheetId": sheet_id, "dimension": "ROWS", "startIndex": 0, "endIndex": 1}
    return {"insertDimension": {"range": top, "inheritFromBefore": False}}


def grown(sheet_id: int, rows: int, columns: int) -> list[Request]:
    """Rows and columns below and right of everything; spare rows with them, none where none are wanted."""
    lengths = {"ROWS": rows + SPARE_ROWS if rows else 0, "COLUMNS": columns}
    return [
        {"appendDimension": {"sheetId": sheet_id, "dimension": dimension, "length": length}}
        for dimension, length in lengths.items()
        if length
    ]


def formats(tab: TabInfo, layout: Layout) -> list[Request]:
    """Header bold, grey and always in sight; columns wide enough; a colour for each status, once."""
    header, sheet = layout.header, {"sheetId": tab.sheet_id}
    frozen = {"properties": {**sheet, "gridProperties": {"frozenRowCount": header + 1}}}
    requests: list[Request] = [
        {"updateSheetProperties": {**frozen, "fields": "gridProperties.frozenRowCount"}},
    ]
    for column, width in zip(layout.columns, WIDTHS, strict=True):
        cell = {**sheet, "startRowIndex": header, "endRowIndex": header + 1}
        requests += [
            _bold({**cell, "startColumnIndex": column, "endColumnIndex": column + 1}),
            _wide(tab, column, width),
        ]
    if tab.coloured:
        return requests
    column = layout.columns[HEADERS.index("Status")]
    below = {**sheet, "startRowIndex": header + 1, "startColumnIndex": column, "endColumnIndex": column + 1}
    return requests + [_coloured(below, status, n) for n, status in enumerate(COLOURS)]


def summary_formats(tab: TabInfo) -> list[Request]:
    """Title and headers bold; columns wide enough."""
    lines = ({"sheetId": tab.sheet_id, "startRowIndex": r, "endRowIndex": r + 1} for r in (0, 4))
    bold = [_bold({**line, "startColumnIndex": 0, "endColumnIndex": len(SUMMARY_HEADERS)}) for line in lines]
    return [*bold, _wide(tab, 1, WIDTHS[2]), _wide(tab, len(SUMMARY_HEADERS) - 1, WIDTHS[2])]


def _bold(cells: Request) -> Request:
    form = {"textFormat": {"bold": True}, "backgroundColor": GREY}
    fields = "userEnteredFormat(textFormat.bold,backgroundColor)"
    return {"repeatCell": {"range": cells, "cell": {"userEnteredFormat": form}, "fields": fields}}


def _wide(tab: TabInfo, column: int, pixels: int) -> Request:
    place = {"sheetId": tab.sheet_id, "dimension": "COLUMNS", "startIndex": column, "endIndex": column + 1}
    return {"updateDimensionProperties": {"range": place, "properties": {"pixelSize": pixels}, "fields": "pixelSize"}}


def _coloured(cells: Request, status: str, index: int) -> Request:
    colour = dict(zip(("red", "green", "blue"), COLOURS[status], strict=True))
    condition = {"type": "TEXT_EQ", "values": [{"userEnteredValue": status}]}
    rule = {"ranges": [cells], "booleanRule": {"condition": condition, "format": {"backgroundColor": colour}}}
    return {"addConditionalFormatRule": {"rule": rule, "index": index}}
