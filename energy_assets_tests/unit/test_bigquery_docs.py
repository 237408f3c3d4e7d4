"""The examples of docs/bigquery.md run as they stand."""

from __future__ import annotations

import re
import uuid
from datetime import date
from pathlib import Path

from energy_assets.catalogue import dataset
from energy_assets.warehouse.bigquery.connection import emulated
from energy_assets.warehouse.bigquery.store import BigQueryWarehouse
from energy_assets_tests.contract.store import batch, window

PAGE = (Path(__file__).parents[2] / "docs" / "bigquery.md").read_text(encoding="utf-8")
DAY = date(2026, 7, 1)


def queries() -> list[str]:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    return [text for block in blocks for text in block.split(";") if "SELECT" in text]


def test_the_queries_of_the_page_are_understood(bigquery_server):
    project = f"docs-{uuid.uuid4().hex[:8]}"
    address = bigquery_server.rest, bigquery_server.storage
    warehouse = BigQueryWarehouse(emulated(project, "uk_energy_insights", "europe-west2", *address))
    values = {"text": "WIND", "integer": 10, "number": 1.0, "boolean": True, "json": "{}", "date": DAY}
    try:
        for code in ("FUELINST", "WINDFOR", "DISEBSP"):
            table = dataset(code).table
            asked = window(DAY)
            noon = asked.from_utc.replace(tzinfo=None, hour=12, day=1)
            row = {f.name: noon if f.type == "instant" else values[f.type] for f in table.fields}
            warehouse.write(batch(table, [row], asked))
        assert len(queries()) == 5
        for text in queries():
            warehouse.jobs.query(text, what="Running an example")
    finally:
        warehouse.close()


def test_the_page_names_every_setting_of_bigquery():
    from energy_assets.settings import variable_names

    ours = {n for n in variable_names() if "BIGQUERY" in n} | {
        "GOOGLE_CLOUD_PROJECT",
        "ENERGY_ASSETS_IRIS_BATCH_SECONDS",
    }
    assert {name for name in ours if name not in PAGE} == set()
