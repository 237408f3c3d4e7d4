"""The one interface that every warehouse implements; nothing here knows SQL or a store.

Its write primitive: within a scope (days, and the key columns of the replace scope where the fact is a set), make the
table hold these rows; move what they displace into history; record these receipts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pyarrow as pa

from energy_assets.catalogue.model import FieldType, Table
from energy_assets.ingest.model import Gap, Receipt, Seen, Window, WriteBatch, WriteResult

if TYPE_CHECKING:
    from energy_assets.warehouse.sql import Dialect

ReadView = Literal["rows", "latest", "history"]

Answer = Sequence[tuple[Any, ...]]
"""Rows that a statement gave; instants in them are UTC without a zone, as columns hold them."""


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """What a warehouse knows about one table, for the status report.

    Attributes:
        table: Table name.
        last_success_utc: When the newest covering receipt was recorded.
        newest_day: Greatest ``_partition_day`` that has rows.
        newest_utc: Greatest value of the asked-for event-time column, where one was given.
        rows_today: Rows whose ``_partition_day`` is the asked-for day.
        last_status: Status of the newest receipt.
        last_recorded_utc: When the newest receipt was recorded.
        last_reason: Its reason.
        quarantined: Rows in quarantine.
    """

    table: str
    last_success_utc: datetime | None
    newest_day: date | None
    newest_utc: datetime | None
    rows_today: int
    last_status: str | None
    last_recorded_utc: datetime | None
    last_reason: str
    quarantined: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What jobs in a billed store came to.

    Attributes:
        jobs: Jobs run.
        loads: Load jobs among them.
        calls: API calls.
        bytes_billed: Bytes that on-demand pricing charges.
        slot_ms: Slot time, milliseconds.
    """

    jobs: int = 0
    loads: int = 0
    calls: int = 0
    bytes_billed: int = 0
    slot_ms: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Location:
    """Where a table is.

    Attributes:
        name: Qualified name, as it is written in SQL.
        link: Address of its page in the store's console, where there is one.
    """

    name: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement is put together for: one store as it is now.

    Attributes:
        dialect: The store's spelling.
        schema: Schema of all tables.
        columns: Stored columns by table, of the tables that are there.
        ids: Identity of each table of ours.
        heavy_days: Days of a heavy table that one statement can count distinct values of, in the store's memory.
    """

    dialect: Dialect
    schema: str
    columns: Mapping[str, Collection[str]]
    ids: Mapping[str, str]
    heavy_days: int = 1


class Warehouse(Protocol):
    """A store of typed rows, their history and the receipts of the requests that brought them."""

    name: str
    writers: int
    """Calls that write which may be under way at once; more would only wait for each other."""

    def check(self) -> None:
        """Look whether the store can be used at all, before anything is fetched for it.

        Raises:
            WarehouseError: It cannot; the message says what to do.
        """
        ...

    def session(self, *, write: bool = True) -> AbstractContextManager[None]:
        """Hold the store open over several calls; without it each call opens and closes by itself. Re-entrant.

        Args:
            write: Whether any of the calls writes; ``False`` lets others read meanwhile.
        """
        ...

    def coverage(
        self, tables: Sequence[Table], from_utc: datetime, to_utc: datetime, since: datetime | None = None
    ) -> Mapping[str, Sequence[Seen]]:
        """Believed receipts that overlap ``[from_utc, to_utc)``, by dataset code.

        A receipt is believed only while its table is the one it wrote to and the days it touched still hold at least
        the rows recorded. Receipts requested before ``since`` are left out.
        """
        ...

    def claim(self, kind: Literal["provider", "sandbox"]) -> None:
        """Say where this store's rows come from; the first word counts.

        Raises:
            ForeignRowsError: The store holds rows of the other kind; synthetic and real data never mix.
        """
        ...

    def windows_with_bodies(
        self, table: Table, digests: Collection[str], around: tuple[datetime, datetime]
    ) -> Mapping[str, Sequence[Window]]:
        """Windows of the dataset whose non-empty, covering receipts have one of these body digests, by digest.

        Only windows that begin within ``around``, both ends inclusive, are looked at.
        """
        ...

    def rows_of(self, table: Table, window: Window) -> int:
        """Stored rows that this window, or one wholly inside it of the same branch, brought; 0 without a table."""
        ...

    def windows_behind(self, table: Table, from_day: date, to_day: date) -> Sequence[Window]:
        """Windows of the receipts that brought the rows that stand on these settlement days, both inclusive."""
        ...

    def write(self, batch: WriteBatch) -> WriteResult:
        """Make the batch true in one commit; on any error the store is as it was.

        Of a set that is replaced whole, members that a window of the batch asked for and did not bring are withdrawn;
        so is a whole set, where the window that brought it lies inside one of the batch that brought others. A window
        without rows withdraws nothing.

        Raises:
            WarehouseError: The store refused; the message names table and remedy.
        """
        ...

    def record(self, receipts: Sequence[Receipt], quarantine: pa.Table | None = None) -> None:
        """Append receipts (and quarantined rows) that come without rows: failures, empty answers."""
        ...

    def note_gaps(self, gaps: Sequence[Gap]) -> None:
        """Append to the ledger of gaps what has changed about some; nothing is looked at or compared.

        Raises:
            WarehouseError: The store refused.
        """
        ...

    def read(
        self,
        table: Table,
        from_day: date,
        to_day: date,
        *,
        columns: Sequence[str] | None = None,
        view: ReadView = "rows",
        ingested_as_of: datetime | None = None,
        published_as_of: datetime | None = None,
    ) -> pa.Table:
        """Rows of the settlement days ``from_day`` to ``to_day``, both inclusive, ordered by natural key.

        Raises:
            UnknownAsOfError: ``ingested_as_of`` lies before the first ingestion of these days.
            WarehouseError: The table has no publication time and ``published_as_of`` is asked for.
        """
        ...

    def status(self, tables: Sequence[Table], today: date, event_columns: Mapping[str, str]) -> Sequence[DatasetStatus]:
        """What is held of each table; ``event_columns`` maps table names to their event-time column."""
        ...

    def answers(self, what: str, make: Callable[[Place], Sequence[str]]) -> Sequence[Answer]:
        """Rows of each of some statements that only read; none where nothing has been stored yet.

        A store that can lets all of them see the same commits. Rows are held in memory: ask for sums, never for rows.

        Args:
            what: What the statements do, for messages.
            make: Puts them together, in the store's own spelling.

        Raises:
            WarehouseError: The store refused.
        """
        ...

    def usage(self) -> Mapping[str, Usage]:
        """What this object's work has used so far, by table name; empty for a store that nobody bills."""
        ...

    def location(self, table: Table) -> Location:
        """Where a table is, for people."""
        ...

    def close(self) -> None:
        """Release everything; a later call opens again."""
        ...


# What follows serves copying one store into another.

Origin = Literal["provider", "sandbox"]

Relation = Literal["rows", "history", "quarantine", "gaps", "days", "receipts"]
"""What a store keeps of one table, in the order in which it is copied: receipts vouch for everything before them."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one relation of a table holds on some days.

    Attributes:
        table: The table's description.
        relation: Which of its relations.
        from_day: First day: of rows, history and rows per day the settlement day, of receipts, quarantine and gaps the
            UTC day on which the window begins.
        to_day: Last day, inclusive.
        until: Leave out what was recorded later, but for rows and history.
    """

    table: Table
    relation: Relation
    from_day: date
    to_day: date
    until: datetime | None = None

    def __str__(self) -> str:
        days = f"{self.from_day}" if self.from_day == self.to_day else f"{self.from_day} to {self.to_day}"
        return f"{self.table.name} ({self.relation}, {days})"


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as it is stored.

    Attributes:
        table_id: Its identity.
        columns: Stored columns with their types, uncatalogued ones included.
    """

    table_id: str
    columns: Mapping[str, FieldType]


@dataclass(frozen=True, slots=True)
class Recorded:
    """When the newest records about a table were written; ``None`` where there are none.

    Attributes:
        receipt_utc: The newest receipt.
        gap_utc: The newest row of the ledger of gaps, which is kept apart from any refresh.
    """

    receipt_utc: datetime | None = None
    gap_utc: datetime | None = None


class Parts(Protocol):
    """A store's relations as they are stored, to be read and replaced in parts."""

    place: str
    """Where the store is, for people."""

    def origin(self) -> Origin | None:
        """Where the store's rows come from; ``None`` where nothing was ever written."""
        ...

    def names(self) -> set[str]:
        """Tables of which anything is held: rows, receipts of requests that brought none, or gaps."""
        ...

    def held(self, table: Table) -> StoredTable | None:
        """The table as it is stored; ``None`` where there is none of ours."""
        ...

    def prepare(self, table: Table, columns: Mapping[str, FieldType]) -> StoredTable:
        """Make the table, or give it the columns that it lacks.

        Raises:
            WarehouseError: A foreign table has the name, or a column cannot have its.
        """
        ...

    def newest(self, table: Table) -> Recorded:
        """When the newest record of each kind was written about the table."""
        ...

    def generation(self, table: Table) -> int:
        """A number that changes with every commit of another that changes the table."""
        ...

    def days(self, parts: Sequence[Part]) -> Sequence[Mapping[date, int]]:
        """Rows of each day of some parts of one table, days without any left out."""
        ...

    def batches(self, part: Part, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of a part, unordered, a batch at a time; lists as text (see ``energy_assets.warehouse.parts``)."""
        ...

    def replace(self, part: Part, batches: Iterable[pa.Table], before: int, generation: int) -> int:
        """Put rows in the place of a part's, in one commit that happens or does not.

        Args:
            part: What is replaced.
            batches: What is to be there, in the shape that ``batches`` gives.
            before: Rows that the part has now.
            generation: The table's generation now.

        Returns:
            The table's generation after it.

        Raises:
            MovedError: Somebody else has changed the table meanwhile; nothing was replaced.
            WarehouseError: The store refused; nothing was replaced.
        """
        ...


class Transferable(Protocol):
    """A store that can be copied into another, and another into it."""

    def parts(self) -> Parts:
        """The store's relations as they are stored."""
        ...
