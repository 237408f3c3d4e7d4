"""How Dagster assets read tables and how derived assets are written; the only Dagster code of the warehouse.

Reading gives the rows of the run's partitions as pandas or Arrow, whichever the input's annotation names. Writing goes
through the warehouse's one write primitive: by column name, with the declared types, as a merge within one commit, so
writing the same thing twice changes nothing and a failure leaves the table as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from energy_assets import calendar
from energy_assets.catalogue.model import Table
from energy_assets.errors import ContractError, EnergyAssetsError, WarehouseBusyError
from energy_assets.warehouse.bigquery import cost
from energy_assets.warehouse.reading import table_named, to_pandas

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from energy_assets.ingest.model import Receipt
    from energy_assets.warehouse.interface import ReadView, Warehouse

SOURCE_API = "DERIVED"
"""``_source_api`` of computed rows: they came from no provider."""

VIEW = "view"
COLUMNS = "columns"


class WarehouseIOManager(dg.IOManager):
    """Reads any asset's table and writes derived ones, in whichever warehouse the settings name.

    An input's metadata may hold ``view`` (``rows``, ``latest`` or ``history``; ``rows`` by default) and ``columns``.
    Instants come as UTC: aware in pandas, ``timestamp[us]`` in Arrow.
    """

    def __init__(self, open_warehouse: Callable[[], AbstractContextManager[Warehouse]]) -> None:
        self._open_warehouse = open_warehouse

    def load_input(self, context: dg.InputContext) -> pd.DataFrame | pa.Table:
        """Rows of the upstream table for the partitions of the run.

        Raises:
            dg.Failure: The warehouse refuses; nothing is retried in vain.
        """
        metadata = context.definition_metadata or {}
        first, last = _days(context.asset_partition_keys)
        try:
            with self._open_warehouse() as warehouse:
                rows = warehouse.read(
                    table_named("/".join(context.asset_key.path)),
                    first,
                    last,
                    columns=metadata.get(COLUMNS),
                    view=cast("ReadView", metadata.get(VIEW, "rows")),
                )
        except EnergyAssetsError as error:
            raise failure(error) from error
        return rows if _wants_arrow(context.dagster_type.typing_type) else to_pandas(rows)

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame | pa.Table) -> None:
        """Make the derived table hold these rows for the partitions of the run.

        Raises:
            dg.Failure: The rows are not those that the table declares, lie outside the run, or the warehouse refuses.
        """
        table = table_named("/".join(context.asset_key.path))
        first, last = _days(context.asset_partition_keys)
        try:
            with self._open_warehouse() as warehouse:
                receipt = write_derived(warehouse, table, obj, first, last, context.run_id)
                used = warehouse.usage().get(table.name)
        except EnergyAssetsError as error:
            raise failure(error) from error
        counts = receipt.counts
        context.add_output_metadata(
            {
                "rows_inserted": counts.inserted,
                "rows_updated": counts.updated,
                "rows_unchanged": counts.unchanged,
                "rows_withdrawn": counts.withdrawn,
                **cost.numbers(used),
            }
        )


def write_derived(
    warehouse: Warehouse, table: Table, rows: pd.DataFrame | pa.Table, first: date, last: date, run_id: str
) -> Receipt:
    """Merge computed rows into a derived table, with one receipt for the days ``first`` to ``last``, both inclusive.

    Args:
        warehouse: Where to.
        table: The table's description.
        rows: Columns by name, exactly those of the description; order and index do not matter.
        first: First settlement day that the rows may belong to.
        last: Last one.
        run_id: Who writes.

    Returns:
        The completed receipt.

    Raises:
        ContractError: A column is missing or unknown, a value does not fit, or a row belongs to another day.
        WarehouseError: The store refused; nothing was written.
    """
    from energy_assets.ingest.model import QUARANTINE_SCHEMA, Counts, Receipt, Window, WriteBatch
    from energy_assets.ingest.typed import Stamp, stamp_rows
    from energy_assets.ingest.writing import new_receipt_id

    now = datetime.now(tz=UTC)
    window = Window(calendar.day_start_utc(first), calendar.day_bounds_utc(last)[1])
    stamp = Stamp(window, new_receipt_id(now), now, SOURCE_API)
    stamped = stamp_rows(table, _as_arrow(table, rows), stamp)
    _refuse_other_days(table, stamped, first, last)
    receipt = Receipt(
        receipt_id=stamp.receipt_id,
        dataset=table.dataset,
        table=table.name,
        window=window,
        status="written" if stamped.num_rows else "silent",
        requested_utc=now,
        run_id=run_id,
        counts=Counts(fetched=stamped.num_rows),
    )
    if not stamped.num_rows:
        warehouse.record([receipt])
        return receipt
    (done,) = warehouse.write(WriteBatch(table, stamped, (receipt,), QUARANTINE_SCHEMA.empty_table())).receipts
    return done


def failure(error: EnergyAssetsError) -> dg.Failure:
    """One sentence for the run; only a busy store is worth another attempt."""
    return dg.Failure(str(error), allow_retries=isinstance(error, WarehouseBusyError))


def _as_arrow(table: Table, rows: pd.DataFrame | pa.Table) -> pa.Table:
    """Rows as Arrow with instants in microseconds, as they are stored; pandas counts nanoseconds by default."""
    import pyarrow as pa

    try:
        arrow = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
        fields = [
            f.with_type(pa.timestamp("us", f.type.tz)) if pa.types.is_timestamp(f.type) else f for f in arrow.schema
        ]
        return arrow.cast(pa.schema(fields))
    except pa.ArrowException as error:
        raise ContractError(f"{table.name}: a column cannot be stored: {error}") from error


def _refuse_other_days(table: Table, stamped: pa.Table, first: date, last: date) -> None:
    import pyarrow.compute as pc

    found = pc.min_max(stamped.column("_partition_day")).as_py()
    if stamped.num_rows and not first <= found["min"] <= found["max"] <= last:
        raise ContractError(
            f"{table.name}: rows of {found['min']} to {found['max']} in a run about {first} to {last}; "
            "nothing was written"
        )


def _days(keys: Any) -> tuple[date, date]:  # noqa: ANN401 - Dagster does not say
    days = sorted(date.fromisoformat(key) for key in keys)
    return days[0], days[-1]


def _wants_arrow(annotation: Any) -> bool:  # noqa: ANN401 - any type may stand in an annotation
    """Compared by name, so that asking does not import pyarrow."""
    return getattr(annotation, "__module__", "").startswith("pyarrow") and annotation.__name__ == "Table"
