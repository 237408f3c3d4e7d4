"""From a file on disk to columns of text: encodings, archives, headers, CSV and the answers of a table's search.

What the text means is not known here: a sheet says which headers there are and gives the cells under them, in batches
of bounded size, with what of the file is no row of that shape. Nothing here fetches, types or stores.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from energy_assets import arrow
from energy_assets.errors import ContractError

Form = Literal["csv", "search"]
"""``csv``: a file or a table's dump. ``search``: answers of ``datastore_search``, or of a service that gives rows under
``data``, one JSON object a line or a single one."""

BLOCK = 1024 * 1024
"""Bytes that are parsed at once; the parser reads ahead by many blocks, and with larger ones takes 200 MB more."""

TOGETHER = 4
"""Blocks that make a batch, some 50,000 rows: a statement for every block would take longer to plan than to run."""

HEAD = 1024 * 1024
"""Bytes in which the header must be: the widest known is 4 kB."""

SEARCH_ROWS = 50_000
"""Rows of an answer that are taken at once."""

LARGEST_ANSWER = 512 * 1024 * 1024
"""Bytes of one JSON answer: 32,000 rows of the widest table come to a tenth of it."""

LARGEST_INFLATED = 8 * 1024**3
"""Bytes that an archive may unpack to: thirty times the largest file known, and a bound for nonsense."""

ODD_MOST = 100_000
"""Rows of another width that are kept of a file: with more of them it is no table of this header."""

INTERNAL = frozenset({"_id", "_full_text"})
"""Columns that the portal's database adds."""

_ZIP = b"PK\x03\x04"


class UnreadableSheetError(ContractError):
    """The file is no table of the form that was expected."""


@dataclass(frozen=True)
class OddRow:
    """A row of another width than the header: its number from 0, its text, and whether the file ends inside it."""

    number: int
    text: str
    cells: int
    last: bool


@dataclass(frozen=True)
class Batch:
    """Some rows: columns ``c0``, ``c1`` … of text, and the number of each from 0 in the file."""

    cells: pa.Table
    numbers: NDArray[np.int64]


@dataclass
class Sheet:
    """A readable file.

    Attributes:
        header: Headers in their order, blanks around them taken off; those of the portal's database are left out.
        announced: Rows that the answers say the table has, where they say it.
        unended: Whether the file ends without an end of line.
        odd: Rows of another width, complete once all batches have been taken.
        rows: Rows so far, those without any value left out.
        blank: Rows without any value so far.
    """

    header: tuple[str, ...]
    announced: int | None = None
    unended: bool = False
    odd: list[OddRow] = field(default_factory=list)
    rows: int = 0
    blank: int = 0

    def batches(self) -> Iterator[Batch]:
        """The rows from the beginning."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove what was unpacked beside the file."""

    def _counted(self, cells: pa.Table, first: int) -> Batch:
        """Rows that have any value, numbered, without blanks around cells."""
        cells = pa.table([pc.utf8_trim_whitespace(column) for column in cells.columns], cells.column_names)
        numbers = np.arange(first, first + cells.num_rows, dtype=np.int64)
        empty = np.ones(cells.num_rows, dtype=np.bool_)
        for column in cells.columns:
            if not empty.any():
                break
            empty &= _blanks(column)
        if empty.any():
            cells, numbers = cells.filter(arrow.flags(~empty)), numbers[~empty]
        self.rows += cells.num_rows
        self.blank += int(empty.sum())
        return Batch(cells, numbers)


def open_sheet(body: Path, form: Form, encodings: tuple[str, ...], db: duckdb.DuckDBPyConnection) -> Sheet:
    """Look at a file and find its header.

    Args:
        body: The file.
        form: What it was asked for as.
        encodings: Encodings in the order in which they are tried.
        db: A connection that reads JSON; used until the sheet is closed.

    Raises:
        UnreadableSheetError: The file is empty, is another thing than was asked for, or is damaged.
    """
    if form == "search":
        return _SearchSheet(body, db)
    return _CsvSheet(body, encodings)


def _blanks(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Where a column has nothing."""
    nothing: NDArray[np.bool_] = arrow.to_numpy(pc.binary_length(column)) == 0
    # Lengths of nulls are anything.
    return nothing | (arrow.to_numpy(column.is_null()) == 1) if column.null_count else nothing


@dataclass(frozen=True)
class _Look:
    """What the bytes of a file say: its encoding, and whether it ends in an end of line and outside quotes."""

    encoding: str
    unended: bool
    quoted: bool


class _CsvSheet(Sheet):
    """A CSV file, which may be zipped and in another encoding than UTF-8."""

    def __init__(self, body: Path, encodings: tuple[str, ...]) -> None:
        self._made: list[Path] = []
        try:
            path = self._unpacked(body)
            _refuse_other_things(path)
            look = _look(path, encodings)
            if look.quoted:
                raise UnreadableSheetError("the file ends inside quotes: it is cut off or damaged")
            self._path = path if look.encoding == "utf-8" else self._transcoded(path, look.encoding)
            raw, self._skip = _header(self._path)
        except BaseException:
            self.close()
            raise
        super().__init__(header=tuple(_trimmed(name) for name in raw), unended=look.unended)
        self._names = [f"c{i}" for i in range(len(raw))]

    def batches(self) -> Iterator[Batch]:
        self.rows = self.blank = 0
        self.odd = []
        first = 0
        types = dict.fromkeys(self._names, pa.string())
        try:
            reader = pa_csv.open_csv(
                self._path,
                read_options=pa_csv.ReadOptions(
                    column_names=self._names, skip_rows=self._skip, block_size=BLOCK, use_threads=False
                ),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._set_aside),
                convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
            )
            while blocks := list(islice(reader, TOGETHER)):
                cells = pa.Table.from_batches(blocks).combine_chunks()
                yield self._counted(cells, first + len(self.odd))
                first += cells.num_rows
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise UnreadableSheetError(f"the file is no CSV ({_first_line(error)})") from error
        if self.unended and self.odd:
            self._mark_last(first + len(self.odd))

    def close(self) -> None:
        for path in self._made:
            path.unlink(missing_ok=True)
        self._made.clear()

    def _set_aside(self, row: pa_csv.InvalidRow) -> str:
        if len(self.odd) >= ODD_MOST:
            return "error"
        number = row.number - self._skip - 1 if row.number is not None else -1
        self.odd.append(OddRow(number, row.text, row.actual_columns, last=False))
        return "skip"

    def _mark_last(self, lines: int) -> None:
        """Tell whether the file's last line, which has no end, is a row of another width."""
        tail = self._path.read_bytes()[-HEAD:] if self._path.stat().st_size <= HEAD else _tail(self._path)
        text = tail.decode(errors="replace").rsplit("\n", 1)[-1].strip("\r")
        last = self.odd[-1]
        if last.text.strip("\r\n") == text:
            self.odd[-1] = OddRow(last.number, last.text, last.cells, last=True)

    def _unpacked(self, body: Path) -> Path:
        with body.open("rb") as file:
            if file.read(len(_ZIP)) != _ZIP:
                return body
        try:
            with zipfile.ZipFile(body) as archive:
                return self._extracted(archive, body)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise UnreadableSheetError(f"the archive cannot be unpacked ({_first_line(error)})") from error

    def _extracted(self, archive: zipfile.ZipFile, body: Path) -> Path:
        found = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(found) != 1:
            raise UnreadableSheetError(f"the archive holds {len(found)} files, and a table is one")
        if found[0].file_size > LARGEST_INFLATED:
            raise UnreadableSheetError(f"the archive would unpack to {found[0].file_size:,} bytes")
        path = self._beside(body, "unzipped")
        with archive.open(found[0]) as packed, path.open("wb") as plain:
            while block := packed.read(BLOCK):
                plain.write(block)
        return path

    def _transcoded(self, path: Path, encoding: str) -> Path:
        target = self._beside(path, "utf8")
        with path.open(encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as out:
            while text := source.read(BLOCK):
                out.write(text)
        return target

    def _beside(self, path: Path, suffix: str) -> Path:
        made = path.with_name(f"{path.name}.{suffix}")
        self._made.append(made)
        return made


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-HEAD, io.SEEK_END)
        return file.read()


def _refuse_other_things(path: Path) -> None:
    """Refuse what is no CSV by its first character: a page or an answer in the place of a file."""
    with path.open("rb") as file:
        opening = file.read(4096)
    if opening.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableSheetError("the file is UTF-16, which no file of the portal has been")
    first = opening.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if not first:
        raise UnreadableSheetError("the file is empty, without even a header")
    if first == b"<":
        raise UnreadableSheetError("the body begins with '<': a web page came instead of the file")
    if first == b"{":
        raise UnreadableSheetError("the body begins with '{': an answer in JSON came instead of the file")


def _look(path: Path, encodings: tuple[str, ...]) -> _Look:
    """Read the file once for its encoding and its end.

    Raises:
        UnreadableSheetError: No encoding has all of its bytes, or it holds zeros.
    """
    decoders = {name: codecs.getincrementaldecoder(name)() for name in encodings}
    quotes, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if b"\0" in block:
                raise UnreadableSheetError("the file holds zero bytes: it is no text, or damaged")
            quotes += block.count(b'"')
            last = block[-1:]
            decoders = {name: d for name, d in decoders.items() if _decodes(d, block, final=False)}
    fitting = [name for name, decoder in decoders.items() if _decodes(decoder, b"", final=True)]
    if not fitting:
        raise UnreadableSheetError(f"the file is in none of the encodings {', '.join(encodings)}")
    return _Look(fitting[0], last not in (b"\n", b"\r"), quotes % 2 == 1)


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _header(path: Path) -> tuple[list[str], int]:
    """The first row that says something, and the number of lines up to its end."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(io.StringIO(file.read(HEAD), newline=""))
        try:
            for row in lines:
                if any(cell.strip() for cell in row):
                    return row, lines.line_num
        except csv.Error as error:
            raise UnreadableSheetError(f"the header cannot be read ({error})") from error
    raise UnreadableSheetError("the file has no header")


def _trimmed(name: str) -> str:
    return name.replace("\ufeff", "").replace("\xa0", " ").strip()


class _SearchSheet(Sheet):
    """Answers of a search: pages of records, one JSON object each."""

    def __init__(self, body: Path, db: duckdb.DuckDBPyConnection) -> None:
        # A connection of its own: the caller types a batch while the next one is still to come.
        self._db = db.cursor()
        size = min(max(body.stat().st_size + 1, 1 << 20), LARGEST_ANSWER)
        self._answers = f"read_json_objects('{_escape(str(body))}', format='auto', maximum_object_size={size})"
        _begins_as_json(body)
        try:
            self._records, announced = self._envelopes()
            members = self._headers()
        except duckdb.Error as error:
            raise UnreadableSheetError(f"the answer cannot be read ({_first_line(error)})") from error
        super().__init__(header=tuple(_trimmed(".".join(names)) for names in members), announced=announced)
        self._paths = ["$" + "".join(_step(name) for name in names) for names in members]

    def batches(self) -> Iterator[Batch]:
        self.rows = self.blank = 0
        first = 0
        paths = ", ".join(f"'{_escape(path)}'" for path in self._paths)
        columns = ", ".join(f"cells[{i + 1}] AS c{i}" for i in range(len(self._paths)))
        text = (
            f"SELECT {columns} FROM (SELECT json_extract_string(record, [{paths}]) AS cells FROM "
            f"(SELECT unnest(json_extract(json, '{self._records}[*]')) AS record FROM {self._answers}))"
        )
        try:
            for batch in self._db.sql(text).to_arrow_reader(SEARCH_ROWS):
                yield self._counted(pa.Table.from_batches([batch]), first)
                first += batch.num_rows
        except duckdb.Error as error:
            raise UnreadableSheetError(f"the answer cannot be read ({_first_line(error)})") from error

    def close(self) -> None:
        self._db.close()

    def _envelopes(self) -> tuple[str, int | None]:
        """Where the records are, and how many there are to be, once every answer has been found whole."""
        found = self._db.execute(
            "SELECT json_type(json), json_extract_string(json, '$.success'), "
            "json_type(json, '$.result.records'), json_type(json, '$.data'), "
            "json_extract_string(json, '$.result.records_truncated'), json_extract_string(json, '$.result.total'), "
            f"json_extract_string(json, '$.error.message') FROM {self._answers}"
        ).fetchall()
        if not found:
            raise UnreadableSheetError("the answer is empty")
        for kind, success, records, data, truncated, _, error in found:
            if kind != "OBJECT" or success == "false":
                raise UnreadableSheetError(f"the portal says that the search failed ({error or kind})")
            if truncated == "true":
                raise UnreadableSheetError("the portal has cut the answer off: ask for it in pages")
            if "ARRAY" not in (records, data):
                raise UnreadableSheetError("the answer has no records")
        totals = {int(row[5]) for row in found if row[5] is not None}
        if len(totals) > 1:
            raise UnreadableSheetError("the table was loaded anew between two pages: their totals differ")
        place = "$.result.records" if found[0][2] == "ARRAY" else "$.data"
        return place, totals.pop() if totals else None

    def _headers(self) -> list[tuple[str, ...]]:
        """The fields that the answers name, or the members that their records have, inner ones behind outer ones."""
        fields = self._db.execute(
            f"SELECT DISTINCT json_extract_string(json, '$.result.fields[*].id') FROM {self._answers}"
        ).fetchall()
        if len(fields) > 1:
            raise UnreadableSheetError("the table's columns changed between two pages")
        if fields and fields[0][0]:
            return [(name,) for name in fields[0][0] if name not in INTERNAL]
        return [names for names in self._members() if names[0] not in INTERNAL]

    def _members(self) -> list[tuple[str, ...]]:
        record = f"(SELECT unnest(json_extract(json, '{self._records}[*]')) AS record FROM {self._answers})"
        found = self._db.execute(
            "SELECT key, max(json_type(record, '/' || key)) FROM "
            f"(SELECT record, unnest(json_keys(record)) AS key FROM {record}) GROUP BY key ORDER BY key"
        ).fetchall()
        names: list[tuple[str, ...]] = []
        for key, kind in found:
            if kind != "OBJECT":
                names.append((key,))
                continue
            inner = self._db.execute(
                f"SELECT DISTINCT unnest(json_keys(record, '/{_escape(key)}')) AS k FROM {record} ORDER BY k"
            ).fetchall()
            names += [(key, name) for (name,) in inner]
        return names


def _begins_as_json(body: Path) -> None:
    with body.open("rb") as file:
        first = file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if first != b"{":
        shown = "a web page" if first == b"<" else "another thing"
        raise UnreadableSheetError(f"the body does not begin with '{{': {shown} came instead of an answer in JSON")


def _step(name: str) -> str:
    """A step of a JSON path."""
    quoted = name.replace('"', '\\"')
    return f'."{quoted}"'


def _escape(text: str) -> str:
    return text.replace("'", "''")


def _first_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", (str(error).splitlines() or [type(error).__name__])[0])[:200]
