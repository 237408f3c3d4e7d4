"""A process that writes to a store until it is done or killed: ``python -m energy_assets_tests.contract.worker``.

Arguments: store, location, first batch, batches, rows per batch. Batch ``n`` is the same in every process. Prints the
number of each batch when its commit has returned.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta

from energy_assets.ingest.model import WriteBatch
from energy_assets_tests.contract.store import DAY, batch, reopen, window
from energy_assets_tests.contract.tables import PRICES


def numbered(number: int, rows: int) -> WriteBatch:
    """Batch ``number``: keys of its own, on two days, and a quarter that every batch has in common."""
    own = [
        {
            "settlementDate": DAY - timedelta(days=i % 2),
            "settlementPeriod": number * rows + i if i % 4 else i,
            "createdDateTime": datetime(2026, 7, 15),
            "price": float(i),
        }
        for i in range(rows)
    ]
    start = window().from_utc + timedelta(minutes=number)
    asked = type(window())(start, start + timedelta(minutes=1))
    return batch(PRICES, own, asked, body_sha256=f"{number:064x}")


def main(store: str, location: str, first: int, count: int, rows: int) -> None:
    """Write batches one after another."""
    warehouse = reopen(store, location)
    with warehouse.session():
        for number in range(first, first + count):
            written = numbered(number, rows)
            unique = {r.receipt_id: f"{os.getpid()}-{r.receipt_id}" for r in written.receipts}
            renamed = tuple(r.with_(receipt_id=unique[r.receipt_id]) for r in written.receipts)
            column = written.rows.column_names.index("_receipt_id")
            ids = [unique[value] for value in written.rows.column("_receipt_id").to_pylist()]
            staged = written.rows.set_column(column, "_receipt_id", [ids])
            warehouse.write(WriteBatch(written.table, staged, renamed, written.quarantine))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(value) for value in sys.argv[3:6]))
