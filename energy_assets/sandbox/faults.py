"""Faults on request, and the record of every request: how tests make a provider misbehave, and see who asked.

What a fault does to rows and bodies belongs here; when a request meets it is ``elexon``'s business. A fault is scoped
by dataset, by the requests it lets pass first, by how many it hits and by probability.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from threading import Lock
from typing import Any, Literal, get_args, overload

from energy_assets.catalogue.model import Dataset
from energy_assets.errors import EnergyAssetsError

Kind = Literal[
    "latency",
    "status",
    "reset",
    "short",
    "truncate",
    "truncate_comma",
    "html",
    "empty",
    "identical",
    "wrong_window",
    "ignore_parameters",
    "small_limit",
    "start_end_empty",
    "boundary",
    "duplicate_rows",
    "new_column",
    "missing_column",
    "rename_column",
    "reorder_columns",
    "untypable",
    "vanished",
    "same_marker",
    "endless",
    "busy",
    "moved",
    "date_format",
    "reload",
]
"""What goes wrong.

- ``latency``: wait ``seconds``.
- ``status``: answer with ``status``, and with ``Retry-After`` where ``seconds`` is positive.
- ``reset``, ``short``: reset or close the connection in mid-body.
- ``truncate``, ``truncate_comma``: a whole answer whose JSON ends early, or right after a comma between two rows.
- ``html``: a web page with status 200.
- ``empty``: no rows.
- ``identical``: the first body, for every window.
- ``wrong_window``: rows of ``days`` earlier.
- ``ignore_parameters``: the latest rows, for every window.
- ``small_limit``: 400 above ``minutes``, naming them.
- ``start_end_empty``: nothing where both bounds are given alike.
- ``boundary``: rows at the excluded end as well, and the newest row twice.
- ``duplicate_rows``: every row twice.
- ``new_column``, ``missing_column``, ``rename_column``, ``reorder_columns``: change ``column`` in every row.
- ``untypable``: a word where a number belongs, in ``share`` of the rows (0: in one).
- ``vanished``: a blob that the archive lists is not there.
- ``same_marker``, ``endless``: every page of the archive's listing says that there is another, by the same marker or by
  a new one.
- ``busy``: 409 without a word on what is wrong, as NESO's portal answers under load.
- ``moved``: a resource of NESO's portal has another id while the fault is in force.
- ``date_format``: dates of NESO's files are ``DD/MM/YYYY`` while the fault is in force.
- ``reload``: a table of NESO's portal is loaded anew, with one row more, after the request.
"""

Row = dict[str, Any]

HTML = b"<!DOCTYPE html><html><body><h1>Service temporarily unavailable</h1></body></html>"


class SandboxError(EnergyAssetsError):
    """A sandbox was asked for something that it does not know."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of misbehaving.

    Attributes:
        kind: What goes wrong.
        dataset: Dataset code; ``None`` for all.
        skip: Matching requests that pass unharmed first.
        count: Requests that it hits, ``None`` for ever.
        probability: Chance that a matching request is hit.
        status: HTTP status of ``status``.
        seconds: Delay of ``latency``; ``Retry-After`` of ``status`` where positive.
        days: Distance of ``wrong_window``.
        minutes: Limit of ``small_limit``.
        column: Column concerned; by default one that is no key.
        name: New name of ``rename_column``.
        share: Share of rows of ``untypable``; 0 means exactly one row.
    """

    kind: Kind
    dataset: str | None = None
    skip: int = 0
    count: int | None = None
    probability: float = 1.0
    status: int = 500
    seconds: float = 0.0
    days: int = 7
    minutes: int = 60
    column: str | None = None
    name: str = "renamedColumn"
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SandboxError(f"there is no fault {self.kind!r}; there are {', '.join(get_args(Kind))}")


@dataclass(slots=True)
class _Armed:
    fault: Fault
    matched: int = 0
    hit: int = 0


class Faults:
    """The faults in force; may be changed while the sandbox serves."""

    def __init__(self, seed: int = 0) -> None:
        self._armed: dict[int, _Armed] = {}
        self._next = 1
        self._random = random.Random(seed)
        self._lock = Lock()

    def add(self, kind: Kind, **options: Any) -> int:  # noqa: ANN401 - each option has its own type in Fault
        """Arm a fault; options are the attributes of ``Fault``.

        Returns:
            A number to remove it by.

        Raises:
            SandboxError: Unknown kind or option.
        """
        unknown = set(options) - {f.name for f in fields(Fault)}
        if unknown:
            raise SandboxError(f"a fault has no option {', '.join(sorted(unknown))}")
        with self._lock:
            number = self._next
            self._next += 1
            self._armed[number] = _Armed(Fault(kind, **options))
        return number

    def remove(self, number: int) -> None:
        """Disarm one fault; an unknown number is no error, the fault is gone either way."""
        with self._lock:
            self._armed.pop(number, None)

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._armed.clear()

    def hits(self, *names: str | None) -> list[Fault]:
        """The faults that befall one request, in the order in which they were added; each call counts as a request.

        Args:
            names: The dataset; or several names of what is asked for, any of which a fault may be scoped by.
        """
        with self._lock:
            return [armed.fault for armed in self._armed.values() if self._strikes(armed, names)]

    def standing(self, kind: Kind, *names: str) -> Fault | None:
        """The first fault of a kind that is in force for one of the names, whatever requests it lets pass or hits."""
        with self._lock:
            ours = (armed.fault for armed in self._armed.values() if armed.fault.kind == kind)
            return next((fault for fault in ours if fault.dataset is None or fault.dataset in names), None)

    def listed(self) -> list[dict[str, Any]]:
        """Armed faults with how many requests each has hit."""
        with self._lock:
            return [{"id": n, "hit": armed.hit, **asdict(armed.fault)} for n, armed in self._armed.items()]

    def _strikes(self, armed: _Armed, names: Sequence[str | None]) -> bool:
        fault = armed.fault
        if fault.dataset is not None and fault.dataset not in names:
            return False
        armed.matched += 1
        spent = fault.count is not None and armed.hit >= fault.count
        if armed.matched <= fault.skip or spent or self._random.random() >= fault.probability:
            return False
        armed.hit += 1
        return True


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was received.

    Attributes:
        path: Path below the base URL, as sent.
        params: Query parameters in the order sent.
        dataset: Dataset code, ``None`` where the path is unknown.
        received_utc: When.
        in_flight: Requests being answered at that moment, this one included.
    """

    path: str
    params: tuple[tuple[str, str], ...]
    dataset: str | None
    received_utc: datetime
    in_flight: int


class RequestLog(Sequence[Asked]):
    """Every request in order of arrival, and the greatest number in flight at once."""

    def __init__(self) -> None:
        self._asked: list[Asked] = []
        self._now = 0
        self.peak = 0
        self._lock = Lock()

    def begin(
        self, path: str, params: tuple[tuple[str, str], ...], dataset: str | None, received_utc: datetime
    ) -> None:
        """A request has arrived."""
        with self._lock:
            self._now += 1
            self.peak = max(self.peak, self._now)
            self._asked.append(Asked(path, params, dataset, received_utc, self._now))

    def end(self) -> None:
        """A request has been answered."""
        with self._lock:
            self._now -= 1

    @property
    def under_way(self) -> int:
        """Requests that are being answered, also those whose client has gone."""
        return self._now

    def of(self, dataset: str) -> list[Asked]:
        """Requests for one dataset."""
        return [asked for asked in tuple(self._asked) if asked.dataset == dataset]

    def clear(self) -> None:
        """Forget what was asked so far."""
        with self._lock:
            self._asked.clear()
            self.peak = self._now

    @overload
    def __getitem__(self, index: int) -> Asked: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Asked]: ...
    def __getitem__(self, index: int | slice) -> Asked | Sequence[Asked]:
        return self._asked[index]

    def __len__(self) -> int:
        return len(self._asked)


def bent(rows: list[Row], faults: Sequence[Fault], dataset: Dataset) -> list[Row]:
    """Rows after every fault that changes rows."""
    for fault in faults:
        change = _CHANGES.get(fault.kind)
        if change and rows:
            rows = change(rows, fault, dataset)
    return rows


def bends(faults: Sequence[Fault]) -> bool:
    """Whether any of the faults changes rows."""
    return any(fault.kind in _CHANGES for fault in faults)


def cut(body: bytes, *, after_comma: bool) -> bytes:
    """A body that ends early: at about two thirds, or right after a comma near there, between two rows if it can be."""
    place = max(1, len(body) * 2 // 3)
    if not after_comma:
        return body[:place]
    between = body.rfind(b"},", 0, place)
    return body[: between + 2] if between >= 0 else body[: body.rfind(b",", 0, place) + 1]


def _column(fault: Fault, dataset: Dataset, row: Mapping[str, Any]) -> str:
    """The column that a fault concerns: the one named, or the last number that is no key."""
    if fault.column is not None:
        return fault.column
    key = set(dataset.table.natural_key)
    numbers = [
        f.name for f in dataset.fields if f.name in row and f.name not in key and f.type in ("number", "integer")
    ]
    return numbers[-1] if numbers else list(row)[-1]


def _new_column(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    return [{**row, fault.column or "newColumn": "something new"} for row in rows]


def _missing_column(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    gone = _column(fault, dataset, rows[0])
    return [{name: value for name, value in row.items() if name != gone} for row in rows]


def _rename_column(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    old = _column(fault, dataset, rows[0])
    return [{fault.name if name == old else name: value for name, value in row.items()} for row in rows]


def _reorder_columns(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    return [dict(reversed(row.items())) for row in rows]


def _duplicate_rows(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    return [row for row in rows for _ in range(2)]


def _boundary(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    return [rows[0], *rows]


def _untypable(rows: list[Row], fault: Fault, dataset: Dataset) -> list[Row]:
    spoilt = _column(fault, dataset, rows[0])
    number = max(1, round(len(rows) * fault.share))
    step = max(1, len(rows) // number)
    chosen = set(list(range(0, len(rows), step))[:number])
    return [{**row, spoilt: "not a number"} if i in chosen else row for i, row in enumerate(rows)]


_CHANGES: dict[str, Callable[[list[Row], Fault, Dataset], list[Row]]] = {
    "new_column": _new_column,
    "missing_column": _missing_column,
    "rename_column": _rename_column,
    "reorder_columns": _reorder_columns,
    "duplicate_rows": _duplicate_rows,
    "boundary": _boundary,
    "untypable": _untypable,
}


def dumped(rows: Iterable[Row]) -> bytes:
    """Rows as JSON, joined by commas."""
    return b",".join(json.dumps(row, separators=(",", ":")).encode() for row in rows)
