"""From a portal's file to typed rows: the header is matched, every cell typed by rule, every row accounted for.

A file is read twice over, never held: once to type it into a stage beside it and to see all of it (widths, types, keys,
labels that the clock shows twice), and once from the stage, in pieces, when it has been found sound. So nothing is
half loaded, whatever the size. Nothing here fetches or stores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from energy_assets import arrow, calendar
from energy_assets.catalogue.model import Dataset, Field, Issue
from energy_assets.errors import ContractError
from energy_assets.ingest import casting
from energy_assets.ingest.casting import Caster, Layout
from energy_assets.ingest.columns import INSTANT, Stamp, micros, stamped
from energy_assets.ingest.hashing import RowWords, hash_rows
from energy_assets.ingest.headers import match
from energy_assets.ingest.model import QUARANTINE_SCHEMA
from energy_assets.ingest.sheets import Form, Sheet, UnreadableSheetError, open_sheet
from energy_assets.ingest.snapshots import ranks
from energy_assets.ingest.typed import HOLD_BACK_ROWS, QUARANTINE_LIMIT, RefusedBodyError, Typed

if TYPE_CHECKING:
    from energy_assets.sources.neso.portal import Resource

__all__ = ["Part", "TableReader", "TableReading", "with_personal"]

CHUNK_ROWS = 100_000
"""Most rows that are handed over at once: some tens of megabytes with their texts."""

READER_MEMORY = "160MB"
"""Memory of the statements of one reader: a batch is a few megabytes, and answers of a search up to some tens."""

NOTED_MOST = 100_000
"""Bad rows of which anything is kept: a hundredth of a file of ten million rows, the most that is let pass. A file with
more of them is refused, and they would take more memory than its reading."""

HOUR = 3600 * 1_000_000

_SECOND_HOUR = np.uint64(0x9E3779B97F4A7C15)
"""Tells the key of a row in the second of two hours from that of its namesake in the first."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a file besides its bytes.

    Attributes:
        resource: Name of the resource.
        file_name: Name of the file, which says at times when a forecast was issued.
        last_modified_utc: When the portal says that it changed.
        total: Rows that it must have, where the portal says so.
        form: What it was asked for as.
        at_least: Rows that it must have at least, where something else than the file tells.
    """

    resource: str
    file_name: str = ""
    last_modified_utc: datetime | None = None
    total: int | None = None
    form: Form = "csv"
    at_least: int = 0

    @classmethod
    def of(cls, resource: Resource, form: Form = "csv", total: int | None = None, at_least: int = 0) -> Part:
        """What a portal tells of a resource's file."""
        name = unquote(PurePosixPath(urlsplit(resource.url).path).name)
        return cls(resource.name, name, resource.last_modified_utc, total, form, at_least)


def with_personal(dataset: Dataset) -> Dataset:
    """The same entry with the columns about persons that it leaves out."""
    files = dataset.files
    if files is None or not files.leaves_persons_out:
        return dataset
    table = replace(dataset.table, fields=(*dataset.table.fields, *files.personal))
    return replace(dataset, table=table, files=replace(files, personal=(), personal_rows=None))


class TableReader:
    """Reads files, one at a time; hold one per worker thread and close it."""

    def __init__(self, threads: int = 1) -> None:
        pa.set_memory_pool(pa.system_memory_pool())
        self._db = duckdb.connect(":memory:")
        for setting in (f"threads={int(threads)}", f"memory_limit='{READER_MEMORY}'", "TimeZone='UTC'"):
            self._db.execute(f"SET {setting}")
        for statement in casting.variables():
            self._db.execute(statement)

    def close(self) -> None:
        """Release the reader's memory."""
        self._db.close()

    def read(self, dataset: Dataset, body: Path, part: Part, stamp: Stamp) -> TableReading:
        """Read one whole file and find it sound; its rows are then taken from what comes back, which must be closed.

        Args:
            dataset: The catalogue entry, of a family of files.
            body: The file.
            part: What is known of it.
            stamp: What provenance is to say; of a register, the day of its window is the snapshot's.

        Raises:
            RefusedBodyError: The file is no such table, is cut off, has another header, or too many of its rows cannot
                be typed. Nothing of it may be stored; the caller keeps it as it is.
        """
        reading = TableReading(self._db, dataset, body, part, stamp)
        try:
            reading.validate()
        except UnreadableSheetError as error:
            reading.close()
            raise reading.refusal(str(error)) from error
        except BaseException:
            reading.close()
            raise
        return reading


@dataclass(frozen=True)
class _Doubt:
    """A row whose label the clock shows twice: its group, what it says, and what its settlement period tells."""

    row: int
    group: int
    said: int
    by_period: int | None


class TableReading:
    """One file that has been found sound, or not.

    Attributes:
        fetched: Rows of the file, those without any value left out.
        blank: Rows without any value.
        duplicate: Rows that say nothing else than another.
        quarantine: Rows that cannot be stored.
        announced: Rows that the portal's answers say the table has.
        extra: Columns that come and go.
        missing: Columns of the entry that the file does not have.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, dataset: Dataset, body: Path, part: Part, stamp: Stamp) -> None:
        if dataset.files is None:
            raise ContractError(f"{dataset.code} does not come as files")
        self._db = db
        self._dataset = dataset
        self._files = dataset.files
        self._body = body
        self._part = part
        self._stamp = stamp
        self._stage = body.with_name(f"{body.name}.stage")
        self._sheet: Sheet | None = None
        self._keys: list[NDArray[np.uint64]] = []
        self._rows = 0
        self._bad: list[tuple[int, str, str]] = []
        self._unnoted = 0
        self._halves = 0
        self._doubts: list[_Doubt] = []
        self._dropped = np.empty(0, np.int64)
        self._repeats: dict[int, int] = {}
        self._folds: dict[int, tuple[int, str | None]] = {}
        self.fetched = self.blank = self.duplicate = 0
        self.announced: int | None = None
        self.extra: tuple[Field, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.quarantine = arrow.empty(QUARANTINE_SCHEMA)

    def __enter__(self) -> TableReading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was written beside the file."""
        if self._sheet is not None:
            self._sheet.close()
            self._sheet = None
        self._stage.unlink(missing_ok=True)

    def validate(self) -> None:
        """Read the file whole; afterwards its rows can be taken.

        Raises:
            RefusedBodyError: The file must not be loaded.
            UnreadableSheetError: The file is no table of the form that was asked for.
        """
        sheet = self._sheet = open_sheet(self._body, self._part.form, self._files.text.encodings, self._db)
        caster = self._caster(sheet)
        self._type_all(sheet, caster)
        self.fetched, self.blank, self.announced = sheet.rows + len(sheet.odd), sheet.blank, sheet.announced
        self._check_total()
        self._check_end(sheet)
        self._check_bad()
        self._tell_hours()
        self._settle_keys(caster)
        self._check_bad()
        # Every one of a file that is loaded, so that each of its rows is accounted for.
        self.quarantine = self._quarantined(self._bad, len(self._bad))

    def chunks(self, most: int = CHUNK_ROWS, next_receipt: Callable[[], str] | None = None) -> Iterator[Typed]:
        """The rows in pieces, each complete with provenance; the first piece carries quarantine and counts.

        A file without rows gives one piece without rows.

        Args:
            most: Most rows of a piece.
            next_receipt: Gives the receipt of each further piece; by default that of the first is that of all.
        """
        quarantine, duplicate, stamp = self.quarantine, self.duplicate, self._stamp
        for number, rows in enumerate(self._pieces(most)):
            if number and next_receipt is not None:
                stamp = replace(stamp, receipt_id=next_receipt())
            fetched = rows.num_rows + duplicate + quarantine.num_rows
            typed = stamped(rows, self._dataset.table, stamp)
            yield Typed(typed, quarantine, fetched, 0, duplicate, self.extra, self.missing)
            quarantine, duplicate = arrow.empty(QUARANTINE_SCHEMA), 0

    def refusal(self, message: str, quarantine: pa.Table | None = None) -> RefusedBodyError:
        """The error that refuses the file, naming dataset and resource."""
        kept = arrow.empty(QUARANTINE_SCHEMA) if quarantine is None else quarantine
        return RefusedBodyError(f"{self._dataset.code} {self._part.resource}: {message}", self.fetched, kept)

    def _caster(self, sheet: Sheet) -> Caster:
        """How the file's cells are typed, once its header has been matched."""
        matched = match(self._dataset, sheet.header)
        if matched.difference:
            evidence = self._quarantined([(0, f"header: {matched.difference}", json.dumps(list(sheet.header)))])
            raise self.refusal(f"the header does not match: {matched.difference}; the file is kept raw", evidence)
        self.extra = tuple(f for f, _ in matched.layout.extra)
        self.missing = matched.missing
        names = (self._part.resource, self._part.file_name)
        caster = Caster(self._dataset, matched.layout, names)
        if self._files.kind != "forecast":
            return caster
        column, instant = self._issued(matched.layout)
        return replace(caster, issue_column=column, issued=instant)

    def _issued(self, layout: Layout) -> tuple[str | None, datetime | None]:
        """The column that says when each row was issued, or the instant at which all were."""
        for issue in self._files.issue:
            if issue.way == "column":
                if issue.column in layout.cells:
                    return issue.column, None
                continue
            instant = self._named_instant(issue)
            if instant is not None:
                return None, instant
        raise self.refusal("nothing says when the forecast was issued: neither its rows nor its name nor the portal")

    def _named_instant(self, issue: Issue) -> datetime | None:
        if issue.way == "last_modified":
            instant = self._part.last_modified_utc
            if instant is not None and instant.utcoffset() is None:
                raise ValueError("the portal's time of change must be aware")
            return instant.astimezone(UTC) if instant is not None else None
        name = self._part.file_name if issue.way == "file_name" else self._part.resource.strip()
        found = re.fullmatch(issue.pattern or "", name)
        return _stamp_instant(found["stamp"], issue.zone) if found else None

    def _type_all(self, sheet: Sheet, caster: Caster) -> None:
        """Type every batch into the stage."""
        text, raw = caster.statement("batch"), caster.raw("batch")
        writer: pa.RecordBatchFileWriter | None = None
        try:
            for batch in sheet.batches():
                self._db.register("batch", batch.cells.append_column(casting.NUMBER, _int64(batch.numbers)))
                try:
                    typed = self._db.sql(text).to_arrow_table()
                    sound = self._sorted_out(typed, raw)
                finally:
                    self._db.unregister("batch")
                if writer is None:
                    options = pa.ipc.IpcWriteOptions(compression="lz4")
                    writer = pa.ipc.new_file(self._stage, sound.schema, options=options)
                writer.write_table(sound)
        except duckdb.Error as error:
            raise UnreadableSheetError(f"the rows cannot be typed ({str(error).splitlines()[0][:200]})") from error
        finally:
            if writer is not None:
                writer.close()

    def _sorted_out(self, typed: pa.Table, raw: str) -> pa.Table:
        """Sound rows of a batch with their number; the others are noted with their raw cells."""
        reasons = typed.column(casting.REASON)
        if reasons.null_count < typed.num_rows:
            self._note_bad(typed.filter(pc.is_valid(reasons)), raw)
            typed = typed.filter(pc.is_null(reasons))
        internal = [casting.REASON, casting.DOUBTFUL, casting.BY_PERIOD]
        sound = typed.drop_columns(internal)
        words = RowWords(sound)
        keys = words.keys(self._key_columns(), {})
        self._keys.append(keys)
        doubtful = arrow.to_numpy(typed.column(casting.DOUBTFUL)).view(np.bool_)
        if doubtful.any():
            said = words.hashes([f.name for f in self._dataset.fields if f.origin == "row"])
            periods = typed.column(casting.BY_PERIOD).to_pylist()
            self._doubts += [
                _Doubt(self._rows + int(i), int(keys[i]), int(said[i]), periods[i]) for i in np.flatnonzero(doubtful)
            ]
        self._rows += sound.num_rows
        return sound

    def _note_bad(self, bad: pa.Table, raw: str) -> None:
        """Keep number and reason of rows that cannot be typed, and the raw cells of the first."""
        room = HOLD_BACK_ROWS - len(self._bad)
        noted = bad.slice(0, max(NOTED_MOST - len(self._bad), 0))
        self._unnoted += bad.num_rows - noted.num_rows
        numbers = noted.column(casting.NUMBER).to_pylist()
        reasons = noted.column(casting.REASON).to_pylist()
        wanted = ", ".join(str(n) for n in numbers[: max(room, 0)])
        texts: dict[int, str] = {}
        if wanted:
            texts = dict(self._db.execute(f"SELECT * FROM ({raw}) WHERE {casting.NUMBER} IN ({wanted})").fetchall())
        self._bad += [(n, reason, texts.get(n, "")) for n, reason in zip(numbers, reasons, strict=True)]

    def _key_columns(self) -> list[str]:
        """The natural key without what is numbered here and without the snapshot's day."""
        table = self._dataset.table
        return [n for n in table.natural_key if n in table.by_name and n not in ("repeat", "utc_fold")]

    def _check_total(self) -> None:
        total = self._part.total
        if total is not None and total not in (self.fetched, self.fetched + self.blank):
            raise self.refusal(
                f"it has {self.fetched:,} rows and must have {total:,}: it is cut off, or the table was loaded anew"
            )
        if self.fetched + self.blank < self._part.at_least:
            raise self.refusal(
                f"it ends without an end of line after {self.fetched:,} rows, and its table on the portal has "
                f"{self._part.at_least:,}: it is cut off"
            )

    def _check_end(self, sheet: Sheet) -> None:
        """Judge rows of another width; the file may end inside a row only where the entry says that it does."""
        for odd in sheet.odd:
            reason = f"the row has {odd.cells} cells and the header {len(sheet.header)}"
            raw = json.dumps({"_text": self._without_persons(odd.text)})
            self._bad.append((odd.number, "the file ends inside this row" if odd.last else reason, raw))
        if not sheet.unended:
            return
        last = self.fetched + self.blank - 1
        cut = any(odd.last for odd in sheet.odd) or any(number >= last for number, _, _ in self._bad)
        if cut and not self._files.text.half_last_row:
            raise self.refusal("the file ends inside a row: it is cut off", self._quarantined(self._bad))
        self._halves = int(cut)

    def _without_persons(self, text: str) -> str:
        """A raw row; nothing of it where some of it must not be kept."""
        return "" if self._files.leaves_persons_out else text

    def _check_bad(self) -> None:
        """Refuse the file when too many of its rows are bad.

        Raises:
            RefusedBodyError: More than the limit.
        """
        bad = len(self._bad) + self._unnoted - self._halves
        if bad <= self.fetched * QUARANTINE_LIMIT and not self._unnoted:
            return
        first = min(self._bad)[1]
        raise self.refusal(
            f"{bad:,} of {self.fetched:,} rows cannot be stored, first: {first}", self._quarantined(self._bad)
        )

    def _tell_hours(self) -> None:
        """Tell which of two hours is meant by labels that the clock shows twice."""
        groups: dict[int, list[_Doubt]] = {}
        for doubt in self._doubts:
            groups.setdefault(doubt.group, []).append(doubt)
        for rows in groups.values():
            self._folds.update(_told(rows))

    def _settle_keys(self, caster: Caster) -> None:
        """Number rows of one key, or keep one of those that agree and quarantine those that contradict it."""
        for row in (row for row, (fold, _) in self._folds.items() if fold):
            part, place = self._part_of(row)
            self._keys[part][place] ^= _SECOND_HOUR
        rows = self._shared()
        if not len(rows):
            return
        keys = self._keys_of(rows)
        if self._files.repeats:
            self._repeats = dict(zip(rows.tolist(), ranks(keys).tolist(), strict=True))
        else:
            self._settle(rows, keys, caster)

    def _shared(self) -> NDArray[np.int64]:
        """Rows whose key another row has too, in the order of the file."""
        # One sorted copy of all keys is the most that is held: 8 bytes a row.
        ordered = np.concatenate([*self._keys, np.empty(0, np.uint64)])
        ordered.sort()
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        del ordered
        found, first = [np.empty(0, np.int64)], 0
        for keys in self._keys if len(twice) else ():
            places = np.minimum(np.searchsorted(twice, keys), len(twice) - 1)
            found.append(np.flatnonzero(twice[places] == keys) + first)
            first += len(keys)
        return np.concatenate(found)

    def _part_of(self, row: int) -> tuple[int, int]:
        """The batch that a row is in, and its place there."""
        for part, keys in enumerate(self._keys):
            if row < len(keys):
                return part, row
            row -= len(keys)
        raise IndexError(row)

    def _keys_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        found, first = [], 0
        for keys in self._keys:
            found.append(keys[rows[(rows >= first) & (rows < first + len(keys))] - first])
            first += len(keys)
        return np.concatenate(found)

    def _settle(self, rows: NDArray[np.int64], keys: NDArray[np.uint64], caster: Caster) -> None:
        """Of rows with one key keep the fullest, then the one with the greatest hash, so that order never matters.

        A row that says nothing else than the kept one is a duplicate of it; one that does is quarantined.
        """
        own = [f.name for f in self._dataset.fields if f.origin == "row"]
        own += [f.name for f in self.extra]
        taken = self._staged_rows(rows)
        taken = taken.append_column("_place", _int64(rows)).append_column("_key", _int64(keys.view(np.int64)))
        taken = taken.append_column("_hash", hash_rows(taken, own))
        self._db.register("shared", taken)
        try:
            filled = " + ".join(f"({_q(c)} IS NOT NULL)::INTEGER" for c in own)
            agrees = " AND ".join(f"(r.{_q(c)} IS NULL OR r.{_q(c)} = w.{_q(c)})" for c in own)
            found = self._db.execute(
                f"WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY _key ORDER BY {filled} DESC, _hash DESC, "
                f"_place) AS _rank FROM shared) SELECT r._place, r.{casting.NUMBER}, {agrees} "
                "FROM ranked r JOIN ranked w ON r._key = w._key AND w._rank = 1 WHERE r._rank > 1 ORDER BY r._place"
            ).fetchall()
        finally:
            self._db.unregister("shared")
        self._dropped = np.array([place for place, _, _ in found], np.int64)
        against = [number for _, number, agreed in found if not agreed]
        self.duplicate = len(found) - len(against)
        key = ", ".join(self._dataset.table.natural_key)
        reason = f"another row of the file has the same key ({key}) and other values"
        texts = self._raw_rows(set(against[:HOLD_BACK_ROWS]), caster)
        self._bad += [(number, reason, texts.get(number, "")) for number in against]

    def _raw_rows(self, numbers: set[int], caster: Caster) -> dict[int, str]:
        """Raw cells of some rows, from the file itself."""
        found: dict[int, str] = {}
        if not numbers or self._sheet is None:
            return found
        counted = (self._sheet.rows, self._sheet.blank, self._sheet.odd)
        for batch in self._sheet.batches():
            here = numbers & set(batch.numbers.tolist())
            if not here:
                continue
            self._db.register("batch", batch.cells.append_column(casting.NUMBER, _int64(batch.numbers)))
            wanted = ", ".join(map(str, here))
            text = f"SELECT * FROM ({caster.raw('batch')}) WHERE {casting.NUMBER} IN ({wanted})"
            found.update(self._db.execute(text).fetchall())
            self._db.unregister("batch")
        self._sheet.rows, self._sheet.blank, self._sheet.odd = counted
        return found

    def _staged(self) -> Iterator[tuple[int, pa.Table]]:
        """The stage's batches, each with the number of its first row."""
        if not self._stage.is_file():
            return
        first = 0
        with pa.OSFile(str(self._stage)) as file:
            reader = pa.ipc.open_file(file)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                yield first, pa.Table.from_batches([batch])
                first += batch.num_rows

    def _staged_rows(self, rows: NDArray[np.int64]) -> pa.Table:
        parts = []
        for first, batch in self._staged():
            here = rows[(rows >= first) & (rows < first + batch.num_rows)] - first
            if len(here):
                parts.append(batch.take(_int64(here)))
        return pa.concat_tables(parts)

    def _pieces(self, most: int) -> Iterator[pa.Table]:
        """Rows as the table has them, without provenance, in pieces of at most ``most``."""
        names = [f.name for f in self._dataset.fields] + [f.name for f in self.extra]
        empty = True
        for first, batch in self._staged():
            rows = self._finished(first, batch)
            for start in range(0, rows.num_rows, most):
                empty = False
                yield rows.select(names).slice(start, most)
        if empty:
            yield self._no_rows()

    def _finished(self, first: int, batch: pa.Table) -> pa.Table:
        """A batch with what only the whole file could tell, without the rows that are left out."""
        again = [row for row in range(first, first + batch.num_rows) if row in self._repeats] if self._repeats else []
        if again:
            numbers = np.ones(batch.num_rows, np.int64)
            numbers[np.array(again) - first] = [self._repeats[row] for row in again]
            batch = _put(batch, "repeat", _int64(numbers))
        batch = self._folded(first, batch)
        here = self._dropped[(self._dropped >= first) & (self._dropped < first + batch.num_rows)] - first
        if len(here):
            kept = np.ones(batch.num_rows, np.bool_)
            kept[here] = False
            batch = batch.filter(arrow.flags(kept))
        return batch

    def _folded(self, first: int, batch: pa.Table) -> pa.Table:
        """A batch with the hours told."""
        here = [row for row in self._folds if first <= row < first + batch.num_rows]
        if not here:
            return batch
        places = np.array(here, np.int64) - first
        folds = np.array([self._folds[row][0] for row in here], np.int64)
        notes = [self._folds[row][1] for row in here]
        known = np.array([note != casting.NOTE_DOUBT for note in notes])
        for name in ("start_utc", "end_utc"):
            batch = _put(batch, name, _moved(batch.column(name), places, folds * HOUR, known))
        said = batch.column("utc_note").to_pylist()
        for place, note in zip(places.tolist(), notes, strict=True):
            said[place] = said[place] or note
        batch = _put(batch, "utc_note", arrow.texts(said))
        if "utc_fold" not in batch.column_names:
            return batch
        all_folds = np.zeros(batch.num_rows, np.int64)
        all_folds[places] = folds
        return _put(batch, "utc_fold", _int64(all_folds))

    def _no_rows(self) -> pa.Table:
        kinds = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "date": pa.date32(),
            "instant": INSTANT,
        }
        return arrow.empty(pa.schema([(f.name, kinds[f.type]) for f in (*self._dataset.fields, *self.extra)]))

    def _quarantined(self, bad: Sequence[tuple[int, str, str]], most: int = HOLD_BACK_ROWS) -> pa.Table:
        """Bad rows as they are quarantined, in the order of the file."""
        rows = sorted(bad)[:most]
        count, window = len(rows), self._stamp.window
        instants = (window.from_utc, window.to_utc, self._stamp.ingested_utc)
        columns = [
            arrow.repeated(self._dataset.code, count),
            arrow.repeated(self._stamp.receipt_id, count),
            *(arrow.from_numpy(np.full(count, micros(i)), INSTANT) for i in instants),
            arrow.integers([number for number, _, _ in rows], pa.int64()),
            arrow.texts([reason for _, reason, _ in rows]),
            arrow.texts([raw for _, _, raw in rows]),
        ]
        return pa.table(columns, schema=QUARANTINE_SCHEMA)


def _told(rows: Sequence[_Doubt]) -> dict[int, tuple[int, str | None]]:
    """Which hour each of the rows with one label is, 0 or 1, and why.

    Two rows are told by their settlement periods, or by their order: the earlier is summer time. A single one is told
    by its period. Of more than two, those that say the same are taken for one.
    """
    periods = [row.by_period for row in rows]
    if None not in periods and len(set(periods)) == len(periods):
        return {row.row: (int(row.by_period or 0), casting.NOTE_BY_PERIOD) for row in rows}
    if len(rows) == 2:
        return {row.row: (i, casting.NOTE_BY_ORDER) for i, row in enumerate(rows)}
    sayings = list(dict.fromkeys(row.said for row in rows))
    if len(sayings) == 2:
        return {row.row: (sayings.index(row.said), casting.NOTE_BY_ORDER) for row in rows}
    return {row.row: (0, casting.NOTE_DOUBT) for row in rows}


def _stamp_instant(text: str, zone: str) -> datetime:
    """The instant that a name shows: digits, or a month in words and a year, which stand for its first day."""
    shape = "%B %Y" if not text.isdigit() else "%Y%m%d%H%M" if len(text) > len("20260131") else "%Y%m%d"
    face = datetime.strptime(text, shape).replace(tzinfo=UTC)
    return face.replace(tzinfo=calendar.LONDON).astimezone(UTC) if zone == "local" else face


def _moved(
    column: pa.ChunkedArray, places: NDArray[np.int64], by: NDArray[np.int64], known: NDArray[np.bool_]
) -> pa.Array:
    """Instants, some of them later by microseconds, or null where it is not known by how many."""
    values = arrow.to_numpy(column).copy()
    valid = arrow.to_numpy(column.is_valid()).astype(np.bool_)
    values[places] += by
    valid[places] &= known
    packed = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(INSTANT, len(values), [packed, pa.py_buffer(values)])


def _int64(values: NDArray[np.int64]) -> pa.Array:
    return arrow.from_numpy(values, pa.int64())


def _put(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
