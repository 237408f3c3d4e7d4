"""Recorded bodies, served as if the provider still held them.

Finding bodies in a folder, telling which dataset they are of, and placing their rows on the window axis belongs here.
Rows keep the bytes in which they were recorded; nothing is rounded, filled in or put right, apart from renamed members.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from energy_assets.calendar import period_start_utc, settlement_day
from energy_assets.catalogue import datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import CalendarError
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.rows import EMPTY, Block, Branch, instant_of, micros

MANIFEST = "MANIFEST.yaml"

OTHER_NAMES = {"LOLPDM": "LOLPDRM", "SYS_WARN": "SYSWARN", "IMBALANGC": "IMBALNGC"}
"""Datasets under names that the provider uses elsewhere."""

MEMBERS = {
    "bmuid": "bmUnit",
    "bmunitid": "bmUnit",
    "offerprice": "offer",
    "bidprice": "bid",
    "ngbmunit": "nationalGridBmUnit",
    "nationalgridbmunitid": "nationalGridBmUnit",
}
"""Members under names that others gave them, spelt without case and marks."""

KNOWN_SHARE = 0.5
"""Least share of a body's members that the entry must know: below it the body is another view or format."""

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_ALWAYS = np.iinfo(np.int64).min

_records = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw]


_envelope = msgspec.json.Decoder(_Envelope)

Record = tuple[bytes, dict[str, Any]]
"""One row: its bytes, and its members as Python values."""


class _Skip(Exception):  # noqa: N818 - an answer, not an error
    """A body that is not served, with the reason."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One body that was found.

    Attributes:
        file: Path below the folder.
        dataset: Dataset code it is served as; empty where skipped.
        rows: Rows served.
        unplaced: Rows left out because no window would hold them.
        days: Settlement days of the window axis that have rows.
        reason: Why it is not served; empty where it is.
    """

    file: str
    dataset: str = ""
    rows: int = 0
    unplaced: int = 0
    days: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Body:
    path: Path
    name: str
    said: str
    url: str = ""


@dataclass
class _Rows:
    """Rows of one dataset and branch while they are gathered."""

    at: list[int] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)


class Replay:
    """A source of recorded rows.

    Attributes:
        bodies: Every body found, served or skipped.
    """

    def __init__(self, folder: Path, catalogue: Sequence[Dataset] | None = None) -> None:
        """Read a folder of bodies.

        Raises:
            SandboxError: There is no such folder, or it holds nothing that can be served.
        """
        if not folder.is_dir():
            raise SandboxError(f"there is no folder {folder} to replay; give the one that holds recorded bodies")
        self._names = _Names(datasets("bmrs") if catalogue is None else catalogue)
        self._gathered: dict[tuple[str, Branch], _Rows] = defaultdict(_Rows)
        self.bodies = self._one_reading([self._read(body) for body in _bodies(folder)])
        self._blocks = {key: _block(rows) for key, rows in self._gathered.items()}
        self._gathered.clear()
        if not self._blocks:
            raise SandboxError(
                f"no body in {folder} could be served: {'; '.join(_reasons(self.bodies)) or 'it is empty'}"
            )

    def select(self, dataset: Dataset, branch: Branch, low: int, high: int, now: int) -> bytes:
        """Recorded rows in the closed interval; ``now`` hides nothing that was recorded."""
        return self._blocks.get((dataset.code, branch), EMPTY).select(low, high, now)

    def newest(self, dataset: Dataset, branch: Branch, until: int, now: int) -> int | None:
        """The greatest recorded place not after ``until``."""
        return self._blocks.get((dataset.code, branch), EMPTY).newest(until, now)

    def register(self, dataset: Dataset, now: int) -> bytes:
        """The largest recorded reading of a register."""
        return self._blocks.get((dataset.code, ()), EMPTY).text[:-1]

    def listed(self) -> dict[str, list[dict[str, Any]]]:
        """What is served, and what is skipped and why."""
        served = [asdict(body) for body in self.bodies if not body.reason]
        return {"served": served, "skipped": [asdict(body) for body in self.bodies if body.reason]}

    def _one_reading(self, bodies: Sequence[Recorded]) -> list[Recorded]:
        """Bodies with all readings of a register but the first largest marked as skipped."""
        chosen: dict[str, Recorded] = {}
        for body in bodies:
            if self._names.is_register(body.dataset) and body.rows > chosen.get(body.dataset, Recorded("")).rows:
                chosen[body.dataset] = body
        reason = "a smaller reading of a register that is served from another body"
        return [
            body if chosen.get(body.dataset, body) is body else Recorded(body.file, reason=reason) for body in bodies
        ]

    def _read(self, body: _Body) -> Recorded:
        """Take a body's rows, or say why not."""
        try:
            dataset = self._names.dataset(body)
            branch = _branch(dataset, body)
            records = list(self._records(dataset, body))
            _check_shape(dataset, records)
            return self._take(dataset, branch, body, records)
        except _Skip as skip:
            return Recorded(body.name, reason=str(skip))

    def _records(self, dataset: Dataset, body: _Body) -> Iterator[Record]:
        raw = body.path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        rename = self._names.renames(dataset)
        if body.path.suffix.lower() == ".csv":
            return _csv_records(dataset, raw, rename)
        if dataset.query.scalars:
            return ((bytes(item), {"value": msgspec.json.decode(item)}) for item in _json_rows(raw))
        return (_json_record(bytes(item), rename) for item in _json_rows(raw))

    def _take(self, dataset: Dataset, branch: Branch, body: _Body, records: Sequence[Record]) -> Recorded:
        gathered = self._gathered[dataset.code, branch]
        if dataset.check.kind == "none":
            if len(gathered.texts) < len(records):
                gathered.at, gathered.texts = [0] * len(records), [text for text, _ in records]
            return Recorded(body.name, dataset.code, len(records))
        places = [_place(dataset, row) for _, row in records]
        kept = [(at, text) for at, (text, _) in zip(places, records, strict=True) if at is not None]
        gathered.at.extend(at for at, _ in kept)
        gathered.texts.extend(text for _, text in kept)
        days = sorted({settlement_day(instant_of(at)).isoformat() for at, _ in kept})
        return Recorded(body.name, dataset.code, len(kept), len(records) - len(kept), tuple(days))


class _Names:
    """Which dataset a body is of, and how its members are called."""

    def __init__(self, catalogue: Sequence[Dataset]) -> None:
        self._codes = {d.code: d for d in catalogue}
        self._catalogue = catalogue

    @cached_property
    def _folders(self) -> dict[str, Dataset]:
        """Registers by the words of their path: ``reference_bmunits``."""
        registers = (d for d in self._catalogue if d.check.kind == "none")
        return {"_".join(p for p in d.query.path.upper().split("/") if p not in ("", "ALL")): d for d in registers}

    def is_register(self, code: str) -> bool:
        """Whether a code is a register's."""
        return code in self._codes and self._codes[code].check.kind == "none"

    def dataset(self, body: _Body) -> Dataset:
        """The dataset that the manifest, the folder or the URL says.

        Raises:
            _Skip: None of them does.
        """
        said = body.said.upper()
        found = self._codes.get(OTHER_NAMES.get(said, said)) or self._folders.get(said) or self._by_url(body.url)
        if found is None:
            raise _Skip(f"{body.said or 'the folder'} names no dataset of the catalogue")
        return found

    def _by_url(self, url: str) -> Dataset | None:
        path = url.partition("?")[0].lower().rstrip("/")
        for dataset in self._catalogue:
            own = dataset.query.path.lower().removesuffix("/stream")
            fixed = re.escape(own.split("{")[0].rstrip("/"))
            if path and re.search(fixed + r"(/stream|$)" if "{" not in own else fixed + "/", path):
                return dataset
        return None

    def renames(self, dataset: Dataset) -> dict[str, str]:
        """The entry's name of each member, by its spelling without case and marks."""
        own = {_spelt(f.name): f.name for f in dataset.fields}
        aliases = {_spelt(alias): alias for f in dataset.fields for alias in f.aliases}
        others = {other: name for other, name in MEMBERS.items() if name in dataset.table.by_name}
        return {**others, **aliases, **own}


def _reasons(bodies: Iterable[Recorded]) -> list[str]:
    """The first few reasons for skipping."""
    return [f"{body.file}: {body.reason}" for body in bodies if body.reason][:3]


def _spelt(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _bodies(folder: Path) -> list[_Body]:
    """The bodies of a folder: those that its manifest lists, else every file under a folder named like its dataset."""
    manifest = folder / MANIFEST
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != manifest)
    listed = _manifest(manifest) if manifest.is_file() else {}
    bodies = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        told = listed.get(name, {})
        parent = path.parent.name if path.parent != folder else path.stem
        bodies.append(_Body(path, name, str(told.get("dataset", parent)), str(told.get("url", ""))))
    return bodies


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Entries of a manifest by file.

    Raises:
        SandboxError: It is no YAML with a list of files.
    """
    try:
        content = yaml.safe_load(path.read_text())
        return {str(entry["file"]): entry for entry in content["files"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise SandboxError(
            f"{path} is no manifest: it must hold a list of files, each with file and dataset"
        ) from error


def _branch(dataset: Dataset, body: _Body) -> Branch:
    """The branch that only the request knew, from the recorded URL or the file's name.

    Raises:
        _Skip: Neither tells.
    """
    chosen = []
    for name, choices in dataset.query.branches:
        words = re.split(r"[^a-z0-9]+", f"{body.url.partition('?')[0]} {body.name}".lower())
        told = {choice for choice in choices if choice.lower() in words}
        if len(told) != 1:
            raise _Skip(f"neither URL nor file name says which {name} it is: one of {', '.join(choices)}")
        chosen.append((name, told.pop()))
    return tuple(chosen)


def _json_rows(raw: bytes) -> list[msgspec.Raw]:
    """The records of a JSON body, in any envelope.

    Raises:
        _Skip: It is no JSON, or no array of records.
    """
    try:
        return _records.decode(raw)
    except msgspec.DecodeError:
        pass
    try:
        return _envelope.decode(raw).data
    except msgspec.ValidationError as error:
        raise _Skip("no array of records: neither bare nor under data") from error
    except msgspec.DecodeError as error:
        raise _Skip(f"no JSON: {error}") from error


def _json_record(text: bytes, renames: Mapping[str, str]) -> Record:
    """One record; its bytes are kept unless members have to be renamed.

    Raises:
        _Skip: It is no object.
    """
    try:
        members = _members.decode(text)
    except msgspec.ValidationError as error:
        raise _Skip("its records are no objects") from error
    names = {name: renames.get(_spelt(name), name) for name in members}
    if all(name == new for name, new in names.items()):
        return text, msgspec.json.decode(text)
    pieces = (msgspec.json.encode(names[name]) + b":" + bytes(value) for name, value in members.items())
    text = b"{" + b",".join(pieces) + b"}"
    return text, msgspec.json.decode(text)


def _csv_records(dataset: Dataset, raw: bytes, renames: Mapping[str, str]) -> Iterator[Record]:
    """Rows of a CSV file as the JSON that the provider would have sent; numbers keep their digits.

    Raises:
        _Skip: It is no text.
    """
    try:
        reader = csv.reader(io.StringIO(raw.decode()))
    except UnicodeDecodeError as error:
        raise _Skip("no text in UTF-8") from error
    # Elexon's own CSV answers write members in Pascal case.
    header = [renames.get(_spelt(name), name[:1].lower() + name[1:]) for name in next(reader, [])]
    if not header:
        raise _Skip("empty")
    types = [dataset.table.by_name[name].type if name in dataset.table.by_name else "text" for name in header]
    for cells in filter(None, reader):
        pieces = (
            msgspec.json.encode(name) + b":" + _cell(cell, type_)
            for name, cell, type_ in zip(header, cells, types, strict=False)
        )
        text = b"{" + b",".join(pieces) + b"}"
        yield text, msgspec.json.decode(text)


def _cell(cell: str, type_: str) -> bytes:
    """One CSV value as JSON."""
    if not cell:
        return b"null"
    if type_ in ("number", "integer") and _NUMBER.fullmatch(cell):
        return cell.encode()
    if type_ == "boolean" and cell.lower() in ("true", "false"):
        return cell.lower().encode()
    return msgspec.json.encode(cell)


def _check_shape(dataset: Dataset, records: Sequence[Record]) -> None:
    """Tell rows of the dataset from other views and older formats of the same facts.

    Raises:
        _Skip: They are no rows of the dataset.
    """
    if not records:
        raise _Skip("no records")
    members = {name for _, row in records for name in row}
    known = (
        {f.name for f in dataset.fields} | {alias for f in dataset.fields for alias in f.aliases} | set(dataset.ignored)
    )
    if len(members & known) < KNOWN_SHARE * len(members):
        raise _Skip(f"another format: only {len(members & known)} of its {len(members)} members are known")
    key = [dataset.table.by_name[name] for name in dataset.table.event_key if name in dataset.table.by_name]
    missing = [f.name for f in key if not f.nullable and f.origin == "row" and f.name not in members]
    if missing:
        raise _Skip(f"another view: its records lack {', '.join(missing)}")
    measured = [f for f in dataset.fields if f.type == "number" and f.name not in dataset.table.natural_key]
    if dataset.check.kind != "none" and measured and not any({f.name, *f.aliases} & members for f in measured):
        raise _Skip("another view: its records have none of the dataset's measurements")


def _place(dataset: Dataset, row: Mapping[str, Any]) -> int | None:
    """Where a row lies on the window axis; ``None`` where it cannot be told."""
    check = dataset.check
    if check.kind == "instant":
        return _instant(row.get(check.column or ""))
    day = _day(row.get(check.column or ""))
    if day is None:
        return None
    period = row.get(check.period_column or "settlementPeriod")
    try:
        return micros(period_start_utc(day, int(period) if period is not None else 1))
    except (CalendarError, ValueError, TypeError):
        # A period that the day does not have: still served with its day, for the contract to judge.
        return micros(period_start_utc(day, 1))


@lru_cache(maxsize=65536)
def _instant(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return micros(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


@lru_cache(maxsize=65536)
def _day(value: object) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        day = date.fromisoformat(value[:10])
        period_start_utc(day, 1)
    except (ValueError, CalendarError):
        return None
    return day


def _block(rows: _Rows) -> Block:
    """Gathered rows as a block, visible at any time."""
    at = np.array(rows.at, dtype=np.int64)
    return Block.of(at, np.full(len(at), _ALWAYS, dtype=np.int64), rows.texts)
