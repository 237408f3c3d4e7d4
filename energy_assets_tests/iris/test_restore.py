"""Three days of a stream are deleted and come back from the archive, through Dagster, also after ``kill -9``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from energy_assets.calendar import day_bounds_utc
from energy_assets.sandbox.archive import ArchiveSandbox
from energy_assets.settings import load_settings
from energy_assets_tests.iris.archive_world import HOUR, MESSAGES, staged

FIRST, LAST = date(2026, 3, 28), date(2026, 3, 30)
BEGIN, END = day_bounds_utc(FIRST)[0], day_bounds_utc(LAST)[1]
HOURS = (END - BEGIN) // HOUR
KEY = dg.AssetKey(["iris", "fuelhh"])
TABLE = "bmrs_fuelhh_iris"
ENDS_WITHIN = 120.0
STALLS_FOR = 5.0
"""How long the archive keeps each further request waiting: the run is killed meanwhile, some of its days written."""

RUN = """
import sys
import dagster as dg
from energy_assets import definitions
from energy_assets.ingest import refresh

refresh.BATCH_REQUESTS = 20
first, last, backfill = sys.argv[1:]
tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
with dg.DagsterInstance.get() as instance:
    job = definitions.defs().resolve_implicit_global_asset_job_def()
    job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["iris", "fuelhh"])],
        tags={**tags, "dagster/backfill": backfill},
    )
"""
"""The run of a backfill of the UI, in a process of its own; so few requests in a commit because there are so few."""


class Refills:
    """A home with an archive, whose days are filled by runs that can be killed."""

    def __init__(self, home: Path, url: str, archive: ArchiveSandbox) -> None:
        self.home = home
        self.archive = archive
        variables = {
            "ENERGY_ASSETS_HOME": str(home),
            "ENERGY_ASSETS_IRIS_ARCHIVE_URL": url,
            "ENERGY_ASSETS_IRIS_ARCHIVE_REQUESTS_PER_SECOND": "100",
        }
        self.settings = load_settings(variables, None)
        (home / "dagster").mkdir(parents=True)
        (home / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("ENERGY_ASSETS_", "IRIS_", "DAGSTER_"))}
        self.environment = kept | variables | {"DAGSTER_HOME": str(home / "dagster")}

    def launch(self, name: str) -> None:
        """Launch a backfill, as the UI records it."""
        with self.instance() as instance:
            instance.add_backfill(
                PartitionBackfill(
                    backfill_id=name,
                    status=BulkActionStatus.REQUESTED,
                    from_failure=False,
                    tags={},
                    backfill_timestamp=datetime.now(UTC).timestamp(),
                    asset_selection=[KEY],
                )
            )

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home / "dagster"))

    def start(self, backfill: str) -> subprocess.Popen[bytes]:
        self.archive.requests.clear()
        with (self.home / "output").open("ab") as out:
            command = [sys.executable, "-c", RUN, FIRST.isoformat(), LAST.isoformat(), backfill]
            return subprocess.Popen(command, env=self.environment, cwd=self.home, stdout=out, stderr=out)

    def run(self, backfill: str) -> None:
        assert self.start(backfill).wait(ENDS_WITHIN) == 0, (self.home / "output").read_text()[-3000:]

    def sql(self, query: str, *, read_only: bool = True) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.duckdb_path), read_only=read_only) as connection:
            connection.execute(f"USE {self.settings.schema_name}")
            return connection.execute(query).fetchall()

    def rows(self) -> Counter[tuple[Any, ...]]:
        """What the messages say, without when and by which request it came."""
        return Counter(self.sql(f"SELECT * EXCLUDE (_receipt_id, _ingested_utc) FROM {TABLE}"))

    def windows_asked(self) -> int:
        return len(self.archive.requests.of("tags/FUELHH"))

    def count(self) -> int:
        try:
            return int(self.sql(f"SELECT count(*) FROM {TABLE}")[0][0])
        except duckdb.IOException:
            # The run writes just now.
            return 0

    def told(self) -> dict[str, Any]:
        """Numbers of the newest report."""
        with self.instance() as instance:
            record = instance.fetch_materializations(KEY, limit=1).records[0]
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}


@pytest.fixture
def refills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refills]:
    with staged() as (stage, url):
        archive = stage.fresh()
        archive.clock = lambda: END + timedelta(days=9)
        yield Refills(tmp_path / "home", url, archive)


def wait(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + ENDS_WITHIN
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
def test_deleted_days_come_back_and_a_killed_refill_goes_on(refills: Refills) -> None:
    refills.launch("first")
    refills.run("first")
    before = refills.rows()
    assert sum(before.values()) == sum(m.body.count(b'"fuelType"') for m in MESSAGES.between("FUELHH", BEGIN, END))

    refills.sql(f"DELETE FROM {TABLE}", read_only=False)
    refills.launch("second")
    stall = refills.archive.faults.add("latency", dataset="tags/FUELHH", skip=HOURS // 2, seconds=STALLS_FOR)
    killed = refills.start("second")
    wait(lambda: refills.count() > 0)
    killed.kill()
    assert killed.wait() < 0, "it was faster"
    refills.archive.faults.remove(stall)
    assert 0 < refills.count() < sum(before.values())
    refills.run("second")
    assert 0 < refills.windows_asked() < HOURS, "what had come before the kill is not asked for again"
    assert refills.rows() == before

    stored = refills.sql(f"SELECT * FROM {TABLE} ORDER BY ALL")
    refills.launch("third")
    refills.run("third")
    assert refills.windows_asked() == HOURS
    assert refills.sql(f"SELECT * FROM {TABLE} ORDER BY ALL") == stored
    assert (refills.told()["rows_inserted"], refills.told()["rows_updated"]) == (0, 0)
