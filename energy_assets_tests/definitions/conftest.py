"""A provider on loopback, a home of its own and a Dagster instance for every test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from energy_assets.assets.resources import Platform
from energy_assets.automation.build import build_definitions
from energy_assets.catalogue import dataset
from energy_assets.ingest.engine import Engine
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.settings import Settings, load_settings
from energy_assets.sources.elexon import ElexonSource
from energy_assets.sources.http import HttpClient, Patience

DAY = date(2024, 7, 15)
"""A summer day that has settled in every respect; the sandbox serves any."""

QUICK = Patience(backoff=0.02, backoff_least=0.0, backoff_most=0.05)
"""Six attempts as ever, with waits that a test can afford."""


class ImpatientPlatform(Platform):
    """The real thing, but for the waits between attempts."""

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        settings = self.settings()

        def source() -> ElexonSource:
            client = HttpClient(settings.elexon_url, requests_per_second=200, concurrency=16, patience=QUICK)
            return ElexonSource(client)

        with super().engine() as engine:
            yield replace(engine, open_source={"bmrs": source})


@dataclass
class Runs:
    """Runs jobs of a small code location and looks at what they left."""

    platform: Platform
    instance: dg.DagsterInstance

    def __call__(
        self,
        names: Sequence[str],
        day: date | tuple[date, date] = DAY,
        *,
        refetch: bool | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets as a person or a schedule would: for a day, or for a range as one run."""
        defs = self.definitions(names)
        chosen = [dg.AssetKey(n.split("/")) for n in names]
        job = defs.resolve_implicit_global_asset_job_def()
        first, last = day if isinstance(day, tuple) else (day, day)
        about: dict[str, Any] = (
            {"partition_key": first.isoformat()}
            if first == last
            else {
                "tags": {
                    "dagster/asset_partition_range_start": first.isoformat(),
                    "dagster/asset_partition_range_end": last.isoformat(),
                }
            }
        )
        about["tags"] = {**about.get("tags", {}), **(tags or {})}
        config = {} if refetch is None else {"ops": {"bmrs": {"config": {"refetch": refetch}}}}
        return job.execute_in_process(
            run_config=config, instance=self.instance, asset_selection=chosen, raise_on_error=False, **about
        )

    def definitions(self, names: Sequence[str]) -> dg.Definitions:
        codes = {n for n in names if n.startswith("bmrs/")} | {"bmrs/fuelhh"}
        return build_definitions(self.platform, [dataset(n) for n in sorted(codes)])

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        settings: Settings = self.platform.settings()
        with duckdb.connect(settings.duckdb_path) as connection:
            connection.execute(f"USE {settings.schema_name}")
            return connection.sql(text).fetchall() if text.startswith("SELECT") else connection.execute(text).fetchall()

    def rows(self, name: str) -> int:
        (count,) = self.sql(f"SELECT count(*) FROM bmrs_{name.removeprefix('bmrs/')}")[0]
        return count

    def told(self, result: dg.ExecuteInProcessResult, name: str) -> list[tuple[str | None, dict[str, Any]]]:
        """Partition and numbers of every materialization of an asset that the run left in the instance, in order."""
        filters = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name.split("/")))
        records = self.instance.fetch_materializations(filters, limit=1000, ascending=True).records
        return [
            (r.partition_key, {label: value.value for label, value in r.asset_materialization.metadata.items()})
            for r in records
            if r.run_id == result.run_id and r.asset_materialization is not None
        ]


@pytest.fixture
def sandbox() -> ElexonSandbox:
    return ElexonSandbox()


@pytest.fixture
def platform(tmp_path: Path, sandbox: ElexonSandbox) -> Iterator[Platform]:
    with running(sandbox) as url:
        variables = {
            "ENERGY_ASSETS_HOME": str(tmp_path / "home"),
            "ENERGY_ASSETS_ELEXON_URL": url,
            "ENERGY_ASSETS_LOG_LEVEL": "WARNING",
        }
        yield ImpatientPlatform(lambda: load_settings(variables, None))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def run(platform: Platform, instance: dg.DagsterInstance) -> Runs:
    return Runs(platform, instance)


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step says, without stack traces."""
    texts = [
        event.step_failure_data.error.message for event in result.all_events if event.event_type_value == "STEP_FAILURE"
    ]
    return "\n".join(texts)
