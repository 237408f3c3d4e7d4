"""A provider, a warehouse and a clock: everything an end-to-end test needs, with nothing replaced but time.

The provider is the sandbox behind real HTTP, the warehouse a real DuckDB file in a folder of its own. The clock is
shared by planner, client, warehouse and provider, so that a test can let days pass. Only retries are quicker than in
production.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from energy_assets import calendar
from energy_assets.catalogue import dataset, select
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.engine import Engine
from energy_assets.ingest.model import Outcome, Policy
from energy_assets.ingest.refresh import refresh
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.synthetic import Synthetic
from energy_assets.settings import Settings, load_settings
from energy_assets.sources.elexon import ElexonSource
from energy_assets.sources.http import HttpClient, Patience
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets.wiring import open_engine

QUICK = Patience(attempts=4, backoff=0.01, backoff_least=0.0, backoff_most=0.02, deadline=60.0, read=30.0)
"""Waits short enough for a test, limits long enough for a busy machine."""

REQUESTS_PER_SECOND = 2000.0
"""Loopback needs no pace."""

LOCK_WAIT_SECONDS = 30.0

Row = dict[str, Any]


def utc(text: str) -> datetime:
    """An aware UTC instant from ``2026-07-15T10:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Clock:
    """The present, moved by hand; every look takes a microsecond, so that no two moments are the same."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now

    def set(self, now: datetime | str) -> datetime:
        """Go to a moment."""
        self._now = utc(now) if isinstance(now, str) else now
        return self._now

    def forward(self, **delta: float) -> datetime:
        """Let time pass."""
        self._now += timedelta(**delta)
        return self._now


class World:
    """One provider with one home.

    Attributes:
        app: The provider.
        url: Its address.
        home: Folder of everything kept.
        clock: The present.
        patience: How long the client tries.
        lock_wait: Longest wait for another process that holds the warehouse, in seconds.
        schema: Schema of the tables, where it is not the usual one.
        label: ``_source_api`` in place of the one that the address implies.
    """

    def __init__(self, app: ElexonSandbox, url: str, home: Path, clock: Clock) -> None:
        self.app = app
        self.url = url
        self.home = home
        self.clock = clock
        self.patience = QUICK
        self.lock_wait = LOCK_WAIT_SECONDS
        self.label: str | None = None
        self.schema = ""

    @property
    def settings(self) -> Settings:
        """Settings as variables would give them."""
        variables = {"ENERGY_ASSETS_HOME": str(self.home), "ENERGY_ASSETS_ELEXON_URL": self.url}
        if self.schema:
            variables["ENERGY_ASSETS_SCHEMA"] = self.schema
        return load_settings(variables, None)

    @property
    def source(self) -> Synthetic:
        """Where the provider's rows come from."""
        assert isinstance(self.app.source, Synthetic)
        return self.app.source

    @property
    def warehouse(self) -> DuckDBWarehouse:
        """The store, on this world's clock."""
        settings = self.settings
        return DuckDBWarehouse(
            settings.duckdb_path, settings.schema_name, clock=self.clock, wait_seconds=self.lock_wait
        )

    def engine(self) -> Engine:
        """What ``open_engine`` makes of the settings, on this world's clock and patience."""
        # Before the one of the settings: the patience of a process with a file is that of its first object.
        warehouse = self.warehouse
        made = open_engine(self.settings)
        return replace(
            made,
            warehouse=warehouse,
            open_source={"bmrs": self._open_source},
            source_api={"bmrs": self.label} if self.label else made.source_api,
            clock=self.clock,
        )

    def _open_source(self) -> ElexonSource:
        return ElexonSource(
            HttpClient(
                self.url,
                requests_per_second=REQUESTS_PER_SECOND,
                concurrency=16,
                patience=self.patience,
                now=self.clock,
            )
        )

    def refresh(
        self,
        selection: str | Sequence[Dataset],
        first: str,
        last: str | None = None,
        *,
        refetch: bool = False,
        run_id: str = "test",
    ) -> dict[str, Outcome]:
        """Refresh settlement days ``first`` to ``last`` of what the provider has; outcomes by dataset code."""
        chosen = select(selection) if isinstance(selection, str) else selection
        datasets = [d for d in chosen if d.provider == "bmrs"]
        policy = Policy(refetch_since=self.clock() if refetch else None, run_id=run_id)
        days = date.fromisoformat(first), date.fromisoformat(last or first)
        return {o.dataset: o for o in refresh(datasets, *days, policy, self.engine())}

    def one(self, code: str, first: str, last: str | None = None, *, refetch: bool = False) -> Outcome:
        """Refresh one dataset."""
        return self.refresh(code, first, last, refetch=refetch)[dataset(code).code]

    def sql(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a user sees who opens the file."""
        with duckdb.connect(str(self.settings.duckdb_path), read_only=True) as connection:
            connection.execute(f"USE {self.settings.schema_name}")
            return connection.execute(query, parameters).fetchall()

    def dicts(self, query: str) -> list[Row]:
        """Rows by column name."""
        with duckdb.connect(str(self.settings.duckdb_path), read_only=True) as connection:
            connection.execute(f"USE {self.settings.schema_name}")
            return connection.sql(query).to_arrow_table().to_pylist()

    def count(self, table: str) -> int:
        """Rows of a table; 0 where it does not exist."""
        return int(self.sql(f"SELECT count(*) FROM {table}")[0][0]) if self.has(table) else 0

    def counts(self) -> dict[str, int]:
        """Rows of every table that is there, history and service tables included."""
        if not self.settings.duckdb_path.exists():
            return {}
        schema = self.settings.schema_name
        names = [n for (n,) in self.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [schema])]
        parts = (f"SELECT '{name}', count(*) FROM {name}" for name in names)
        return dict(self.sql(" UNION ALL ".join(parts)))

    def has(self, table: str) -> bool:
        """Whether the schema has the table."""
        if not self.settings.duckdb_path.exists():
            return False
        schema = self.settings.schema_name
        found = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
        return bool(self.sql(found, [schema, table])[0][0])

    def receipts(self, code: str) -> list[Row]:
        """Receipts of a dataset, oldest first."""
        return self.dicts(f"SELECT * FROM _receipts WHERE dataset = '{code}' ORDER BY recorded_utc, receipt_id")

    def history(self, code: str) -> list[Row]:
        """Displaced rows of a dataset."""
        name = f"{dataset(code).table.name}_history"
        return self.dicts(f"SELECT * FROM {name} ORDER BY _superseded_utc") if self.has(name) else []

    def provider_rows(self, code: str, first: str, last: str | None = None) -> Counter[str]:
        """What the provider holds of these settlement days of the window axis, each row as sorted JSON."""
        entry = dataset(code)
        days = calendar.days_between(date.fromisoformat(first), date.fromisoformat(last or first))
        found: Counter[str] = Counter()
        for day in days:
            for branch in entry.branch_choices():
                found.update(row_text({**row, **dict(branch)}, entry) for row in self.source.rows(entry, day, branch))
        return found

    def stored_rows(self, code: str) -> Counter[str]:
        """What the table holds, in the provider's columns, each row as sorted JSON."""
        entry = dataset(code)
        return Counter(row_text(row, entry) for row in self.dicts(f"SELECT * FROM {entry.table.name}"))

    def stored(self, code: str) -> Counter[str]:
        """What the table holds, nothing where there is none yet."""
        return self.stored_rows(code) if self.has(dataset(code).table.name) else Counter()

    def repeated_keys(self, codes: Sequence[str]) -> dict[str, int]:
        """Natural keys that stand more than once, counted by dataset; a store in order has none."""
        parts = []
        for code in codes:
            table = dataset(code).table
            fallback = dict(table.key_fallback)
            key = ", ".join(
                f'coalesce("{c}", "{fallback[c]}")' if c in fallback else f'"{c}"' for c in table.natural_key
            )
            repeated = f"SELECT 1 FROM {table.name} GROUP BY {key} HAVING count(*) > 1"
            parts.append(f"SELECT '{code}' AS code, count(*) AS keys FROM ({repeated})")
        return dict(self.sql(f"SELECT * FROM ({' UNION ALL '.join(parts)}) WHERE keys > 0"))

    def asked(self, code: str) -> list[Mapping[str, str]]:
        """Parameters of every request for a dataset."""
        return [dict(request.params) for request in self.app.requests.of(code)]


def row_text(row: Row, entry: Dataset) -> str:
    """A row in the provider's columns, written in one way for rows sent and rows stored."""
    values = {f.name: _plain(row.get(f.name), f.type) for f in entry.fields}
    return json.dumps({name: value for name, value in values.items() if value is not None}, sort_keys=True)


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "instant":
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at.isoformat()
    if kind == "date":
        return value.isoformat() if isinstance(value, date) else value[:10]
    if kind == "json":
        return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
    return float(value) if kind in ("number", "integer") else value
