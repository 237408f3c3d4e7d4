"""``read``: the rows of a dataset as a frame, for people.

Names, days and instants as people write them become one call of the warehouse; nothing here knows a store. The pandas
types that people meet are decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, overload

from energy_assets.catalogue.model import Table
from energy_assets.errors import WarehouseError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from energy_assets.settings import Settings
    from energy_assets.warehouse.interface import Warehouse


@overload
def read(
    name: str,
    from_day: str | date,
    to_day: str | date,
    *,
    columns: Sequence[str] | None = None,
    as_arrow: Literal[False] = False,
    latest: bool = False,
    ingested_as_of: datetime | None = None,
    published_as_of: datetime | None = None,
    settings: Settings | None = None,
) -> pd.DataFrame: ...


@overload
def read(
    name: str,
    from_day: str | date,
    to_day: str | date,
    *,
    columns: Sequence[str] | None = None,
    as_arrow: Literal[True],
    latest: bool = False,
    ingested_as_of: datetime | None = None,
    published_as_of: datetime | None = None,
    settings: Settings | None = None,
) -> pa.Table: ...


def read(
    name: str,
    from_day: str | date,
    to_day: str | date,
    *,
    columns: Sequence[str] | None = None,
    as_arrow: bool = False,
    latest: bool = False,
    ingested_as_of: datetime | None = None,
    published_as_of: datetime | None = None,
    settings: Settings | None = None,
) -> pd.DataFrame | pa.Table:
    """Rows of a dataset or derived table, from whichever warehouse is set, which is opened for a moment only.

    Args:
        name: ``bmrs/fuelinst``, ``FUELINST``, or a derived table such as ``gb/generation_mix_half_hourly``.
        from_day: First settlement day (Europe/London), a date or ``2026-07-01``.
        to_day: Last settlement day, inclusive.
        columns: Columns wanted; by default all, provenance included.
        as_arrow: Give an Arrow table (instants UTC without a zone) instead of a pandas frame (instants aware UTC,
            integers and booleans nullable).
        latest: One row per event, its newest publication among these days, instead of every publication.
        ingested_as_of: What this warehouse held at that aware instant.
        published_as_of: What the provider had published at that aware instant, one row per event.
        settings: Settings to use; by default those of the environment.

    Returns:
        The rows in the order of the natural key.

    Raises:
        CatalogueError: The name is unknown.
        UnknownAsOfError: Nothing of these days had been ingested at ``ingested_as_of``.
        WarehouseError: Nothing was fetched yet, a column or day is not one, or the store is busy.
    """
    rows = _open(settings).read(
        table_named(name),
        as_day(from_day),
        as_day(to_day),
        columns=columns,
        view="latest" if latest else "rows",
        ingested_as_of=ingested_as_of,
        published_as_of=published_as_of,
    )
    return rows if as_arrow else to_pandas(rows)


def _open(settings: Settings | None) -> Warehouse:
    from energy_assets.settings import load_settings
    from energy_assets.wiring import open_warehouse

    return open_warehouse(settings if settings is not None else load_settings())


def table_named(name: str) -> Table:
    """The table of a dataset or derived asset, by any of its names.

    Raises:
        CatalogueError: Nothing is called that.
    """
    from energy_assets.catalogue import dataset, derived

    found = derived.TABLES.get(name.lower())
    return found if found is not None else dataset(name).table


def as_day(day: str | date) -> date:
    """A settlement day from a date or its ISO text.

    Raises:
        WarehouseError: It is neither; an instant has no day before it is said whose.
    """
    if isinstance(day, datetime):
        raise WarehouseError(f"{day} is an instant; give the settlement day as a date.")
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise WarehouseError(f"{day!r} is not a settlement day; write it as 2026-07-01.") from None


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """Arrow rows as a frame: instants aware UTC, integers and booleans nullable, dates as ``datetime.date``."""
    import pandas as pd
    import pyarrow as pa

    aware = [pa.field(f.name, pa.timestamp("us", "UTC")) if pa.types.is_timestamp(f.type) else f for f in rows.schema]
    kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = rows.cast(pa.schema(aware)).to_pandas(types_mapper=kinds.get)
    return frame
