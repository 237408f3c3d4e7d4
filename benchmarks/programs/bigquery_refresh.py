"""Refreshes into a BigQuery server, as a process to be measured; tells what its jobs were, and keeps their texts."""

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import threading  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import replace  # noqa: E402
from datetime import UTC, date, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, BinaryIO  # noqa: E402

import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from google.cloud import bigquery  # noqa: E402

from energy_assets.catalogue import select  # noqa: E402
from energy_assets.ingest.engine import Engine  # noqa: E402
from energy_assets.ingest.model import Policy  # noqa: E402
from energy_assets.ingest.refresh import refresh  # noqa: E402
from energy_assets.settings import Settings  # noqa: E402
from energy_assets.sources.elexon import ElexonSource  # noqa: E402
from energy_assets.sources.http import HttpClient  # noqa: E402
from energy_assets.warehouse.bigquery.store import BigQueryWarehouse  # noqa: E402
from energy_assets.wiring import open_connection, open_engine  # noqa: E402

IMPORTED = time.perf_counter()

VALUE_BYTES = 8
"""Bytes that BigQuery counts for a number, date or instant."""

TEXT_BYTES = 2
"""Bytes that it counts for a text besides its characters."""


class Recorder:
    """Wraps the client's calls that start jobs, and keeps what they were asked to do.

    Args:
        measured: Whether staged rows are read again for their size; that costs memory.
    """

    def __init__(self, *, measured: bool) -> None:
        self._measured = measured
        self._lock = threading.Lock()
        self._query = bigquery.Client.query
        self._load = bigquery.Client.load_table_from_file
        self.purposes: Counter[str] = Counter()
        self.queries: list[dict[str, Any]] = []
        self.staged: dict[str, dict[str, int]] = {}

    def install(self) -> None:
        """From now on every client of this process is recorded."""
        recorder = self

        def query(client: bigquery.Client, text: str, **options: Any) -> Any:
            config = options["job_config"]
            # A dry run is no job and costs nothing.
            if not config.dry_run:
                table, purpose = config.labels["table"], config.labels["purpose"]
                at = round(time.perf_counter() - IMPORTED, 3)
                with recorder._lock:
                    recorder.purposes[purpose] += 1
                    recorder.queries.append({"table": table, "purpose": purpose, "text": text, "at_s": at})
            return recorder._query(client, text, **options)

        def load(client: bigquery.Client, stream: BinaryIO, table: Any, **options: Any) -> Any:
            with recorder._lock:
                recorder.purposes["stage"] += 1
                if recorder._measured:
                    recorder.staged[table.table_id] = stored_bytes(pq.read_table(stream))
                    stream.seek(0)
            return recorder._load(client, stream, table, **options)

        bigquery.Client.query = query  # type: ignore[method-assign, assignment]
        bigquery.Client.load_table_from_file = load  # type: ignore[method-assign, assignment]


def stored_bytes(rows: pa.Table) -> dict[str, int]:
    """Bytes of each column as BigQuery counts them; a null has none."""
    found = {}
    for name in rows.column_names:
        column = rows.column(name)
        there = len(column) - column.null_count
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found[name] = TEXT_BYTES * there + (pc.sum(pc.binary_length(column)).as_py() or 0)
        else:
            found[name] = (1 if pa.types.is_boolean(column.type) else VALUE_BYTES) * there
    return found


def clock_from(now: datetime | None) -> Callable[[], datetime]:
    """A clock that goes on from ``now``."""
    offset = now - datetime.now(UTC) if now else timedelta(0)
    return lambda: datetime.now(UTC) + offset


def engine_at(settings: Settings, clock: Callable[[], datetime]) -> Engine:
    """What a refresh works with, all of it at the clock's time: the next tick believes receipts by their age."""

    def source() -> ElexonSource:
        pace = {"requests_per_second": settings.elexon_requests_per_second, "concurrency": settings.elexon_concurrency}
        return ElexonSource(HttpClient(settings.elexon_url, **pace, now=clock))

    warehouse = BigQueryWarehouse(
        open_connection(settings), clock=clock, maximum_bytes_billed=settings.bigquery_max_bytes_billed
    )
    return replace(open_engine(settings), clock=clock, warehouse=warehouse, open_source={"bmrs": source})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--rest", required=True, help="address of BigQuery's REST API")
    parser.add_argument("--storage", required=True, help="its storage API")
    parser.add_argument("--datasets", default="BOD")
    parser.add_argument("--day", type=date.fromisoformat, required=True)
    parser.add_argument("--now", type=datetime.fromisoformat)
    parser.add_argument("--refetch", action="store_true")
    parser.add_argument("--record", type=Path, help="file for the texts of all jobs and the sizes of staged rows")
    args = parser.parse_args()
    settings = Settings(
        home=args.home,
        elexon_url=args.url,
        warehouse="bigquery",
        bigquery_emulator_host=args.rest,
        bigquery_storage_endpoint=args.storage,
    )
    recorder = Recorder(measured=args.record is not None)
    recorder.install()
    clock = clock_from(args.now)
    engine = engine_at(settings, clock)
    policy = Policy(refetch_since=clock() if args.refetch else None, run_id="benchmark")
    ready: list[float] = []
    outcomes = refresh(
        select(args.datasets),
        args.day,
        args.day,
        policy,
        engine,
        on_outcome=lambda _: ready.append(time.perf_counter()),
    )
    used = list(engine.warehouse.usage().values())
    engine.warehouse.close()
    done = time.perf_counter()
    if args.record:
        args.record.write_text(json.dumps({"queries": recorder.queries, "staged": recorder.staged}), encoding="utf-8")
    counts = sum((o.counts for o in outcomes[1:]), outcomes[0].counts)
    result = {
        "rows": counts.fetched,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "requests": sum(o.requests for o in outcomes),
        "jobs": sum(u.jobs for u in used),
        "load_jobs": sum(u.loads for u in used),
        "purposes": dict(sorted(recorder.purposes.items())),
        "failures": [failure for o in outcomes for failure in o.failures],
        "inside_s": done - BEGUN,
        "housekeeping_s": done - ready[-1],
        "steps_s": {"imports": IMPORTED - BEGUN, "refresh": ready[-1] - IMPORTED, "housekeeping": done - ready[-1]},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
