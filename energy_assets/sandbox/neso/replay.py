"""Recorded files and answers of the portal, put on the shelf as if it still held them.

Bytes are served as they were recorded. Which package and resource a folder's files are of is told by the caller: the
recordings themselves know at most an id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.neso.shelf import Entry, Shelf
from energy_assets.sandbox.neso.tables import Rows
from energy_assets.sources.neso.portal import instant

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded file.

    Attributes:
        file: Path below the folder.
        folder: Name of the folder that it lies in.
        resource_id: Id that the recording tells; empty where it tells none.
        package: Slug under which it is served; empty where it is not.
        name: Name of the resource under which it is served.
        rows: Rows of a recorded answer; ``None`` for files, which are not looked into.
        reason: Why it is not served; empty where it is.
    """

    file: str
    folder: str
    resource_id: str = ""
    package: str = ""
    name: str = ""
    rows: int | None = None
    reason: str = ""


Placing = Callable[[Recorded], tuple[str, str] | None]
"""Tells package and name of the resource that a recording is of, or ``None`` to leave it out."""


def by_folder(recorded: Recorded) -> tuple[str, str]:
    """The folder as the package, the file as the resource."""
    return recorded.folder.replace("_", "-"), Path(recorded.file).stem


def replay(folder: Path, shelf: Shelf, placing: Placing = by_folder) -> list[Recorded]:
    """Put everything recorded in a folder on a shelf: files as uploads, answers of ``datastore_search`` as tables.

    Returns:
        Every file found, served or not.

    Raises:
        SandboxError: There is no such folder, or nothing in it can be served.
    """
    if not folder.is_dir():
        raise SandboxError(f"there is no folder {folder} to replay; give the one that holds recorded files")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [one for path in paths for one in _put(path, path.relative_to(folder).as_posix(), shelf, placing)]
    if not any(not one.reason for one in found):
        raise SandboxError(f"nothing in {folder} could be served; it should hold CSV files or answers of the portal")
    return found


def _put(path: Path, file: str, shelf: Shelf, placing: Placing) -> Iterator[Recorded]:
    told = Recorded(file, path.parent.name)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".zip"):
        yield _placed(told, Entry("", "", file_name=path.name), path.read_bytes(), shelf, placing)
    elif suffix == ".json":
        yield from _put_answer(told, path, shelf, placing)
    else:
        yield Recorded(
            told.file, told.folder, reason=f"{suffix or 'a file without a suffix'} is not what the portal sends"
        )


def _put_answer(told: Recorded, path: Path, shelf: Shelf, placing: Placing) -> Iterator[Recorded]:
    """A recorded answer of the portal."""
    try:
        answer = json.loads(path.read_bytes().removeprefix(BYTE_ORDER_MARK), parse_float=_Digits, parse_int=_Digits)
        result = answer["result"]
    except (ValueError, KeyError, TypeError):
        yield Recorded(told.file, told.folder, reason="no answer of CKAN")
        return
    if isinstance(result, dict) and "records" in result:
        yield _put_table(told, result, shelf, placing)
    elif isinstance(result, dict) and "resources" in result:
        yield from _put_listing(told, result, shelf)
    else:
        yield Recorded(told.file, told.folder, reason="an answer without records or resources")


def _put_table(told: Recorded, result: Mapping[str, Any], shelf: Shelf, placing: Placing) -> Recorded:
    columns = tuple((field["id"], field.get("type", "text")) for field in result["fields"])
    info = {field["id"]: field["info"] for field in result["fields"] if field.get("info")}
    rows = Rows.from_records(columns, [_plain(record) for record in result["records"]])
    id_ = str(result.get("resource_id", ""))
    entry = Entry("", "", url_type="datastore", columns=columns, info=info, id=id_)
    known = Recorded(told.file, told.folder, id_, rows=len(rows.cells))
    return _placed(known, entry, rows, shelf, placing)


def _put_listing(told: Recorded, result: Mapping[str, Any], shelf: Shelf) -> Iterator[Recorded]:
    """A recorded package: its resources are listed, and those without a recorded file have none."""
    held = {(entry.package, entry.name) for entry in shelf.entries()}
    for resource in result["resources"]:
        entry = Entry(
            package=result["name"],
            name=resource["name"],
            url_type="datastore" if resource.get("url_type") == "datastore" else "upload",
            file_name=str(resource["url"]).rsplit("/", 1)[-1],
            modified_utc=instant(resource.get("last_modified")),
            id=resource["id"],
        )
        if entry.key not in held:
            shelf.put(entry, None)
        yield Recorded(told.file, told.folder, entry.id, *entry.key)


def _placed(told: Recorded, entry: Entry, content: bytes | Rows, shelf: Shelf, placing: Placing) -> Recorded:
    place = placing(told)
    if place is None:
        return Recorded(told.file, told.folder, told.resource_id, reason="of no resource that is known")
    package, name = place
    put = shelf.put(
        Entry(
            package,
            name,
            url_type=entry.url_type,
            file_name=entry.file_name,
            columns=entry.columns,
            info=entry.info,
            id=entry.id,
        ),
        content,
    )
    return Recorded(told.file, told.folder, put.id, package, put.name, told.rows)


class _Digits(str):
    """A number with the digits that it was recorded with."""

    __slots__ = ()


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, _Digits) else value for name, value in record.items()}
