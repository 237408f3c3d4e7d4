"""Settings become objects: which warehouse, which address, and one sentence where that cannot be."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from energy_assets import wiring
from energy_assets.errors import SettingsError
from energy_assets.settings import Settings
from energy_assets.warehouse.duckdb import DuckDBWarehouse


def bigquery(home: Path, **more: object) -> Settings:
    return Settings(home=home, warehouse="bigquery", **more)


def test_duckdb_is_the_default(tmp_path):
    assert isinstance(wiring.open_warehouse(Settings(home=tmp_path)), DuckDBWarehouse)


def test_bigquery_without_a_project_is_one_sentence(tmp_path):
    with pytest.raises(SettingsError) as caught:
        wiring.open_warehouse(bigquery(tmp_path))
    assert str(caught.value) == (
        "ENERGY_ASSETS_WAREHOUSE=bigquery needs a project: set GOOGLE_CLOUD_PROJECT to the one that is to hold the "
        "dataset uk_energy_insights and run the jobs."
    )


@pytest.mark.parametrize("missing", wiring.GOOGLE_LIBRARIES)
def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch, missing):
    def find(name: str) -> object:
        return None if name == missing else importlib.util.find_spec(name)

    monkeypatch.setattr(wiring, "find_spec", find)
    with pytest.raises(SettingsError, match=rf"{missing}, which is not installed.*energy_assets\[bigquery\]"):
        wiring.open_warehouse(bigquery(tmp_path, google_cloud_project="mine"))


def test_a_library_whose_parent_is_missing_is_missing(tmp_path, monkeypatch):
    def find(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(wiring, "find_spec", find)
    with pytest.raises(SettingsError, match="not installed"):
        wiring.open_warehouse(bigquery(tmp_path, google_cloud_project="mine"))


def test_the_emulator_needs_no_project_and_has_no_console(tmp_path):
    settings = bigquery(tmp_path, bigquery_emulator_host="http://127.0.0.1:1", schema_name="mine")
    connection = wiring.open_connection(settings)
    assert (connection.project, connection.dataset, connection.location) == ("local", "mine", "europe-west2")
    assert connection.table_link("bmrs_mid") is None
    with connection.client as client:
        assert client._connection.API_BASE_URL == "http://127.0.0.1:1"
        assert type(client._credentials).__name__ == "AnonymousCredentials"


def test_the_real_service_is_reached_with_the_credentials_that_google_finds(tmp_path, monkeypatch):
    from google.auth.credentials import AnonymousCredentials

    asked: list[object] = []

    def default(*args: object, **kwargs: object) -> tuple[object, str]:
        asked.append(args)
        return AnonymousCredentials(), "theirs"

    monkeypatch.setattr("google.auth.default", default)
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    connection = wiring.open_connection(bigquery(tmp_path, google_cloud_project="mine"))
    assert not asked, "credentials are looked for before they are needed"
    assert (connection.client.project, connection.client.location) == ("mine", "europe-west2")
    assert connection.client._connection.API_BASE_URL == "https://bigquery.googleapis.com"
    assert connection.reader.transport.host == "bigquerystorage.googleapis.com:443"
    connection.close()


def test_a_tables_place_is_told_without_opening_anything(tmp_path):
    settings = Settings(home=tmp_path)
    place = wiring.table_place(settings, "bmrs_mid")
    assert place.name == "uk_energy_insights.bmrs_mid"
    assert place.text == f"{tmp_path}/energy.duckdb: uk_energy_insights.bmrs_mid"
    assert place.link is None
    place = wiring.table_place(bigquery(tmp_path, google_cloud_project="mine"), "bmrs_mid")
    assert place.name == place.text == "mine.uk_energy_insights.bmrs_mid"
    assert place.link is not None
    assert place.link.startswith("https://console.cloud.google.com/bigquery?project=mine&")
    assert wiring.warehouse_place(Settings(home=tmp_path)) == f"{tmp_path}/energy.duckdb"
    assert wiring.warehouse_place(bigquery(tmp_path, google_cloud_project="mine")) == "mine.uk_energy_insights"
    assert list(tmp_path.iterdir()) == []


def test_bigquery_is_opened_with_the_guards_that_are_set(tmp_path):
    from energy_assets.warehouse.bigquery.store import BigQueryWarehouse

    warehouse = wiring.open_warehouse(bigquery(tmp_path, google_cloud_project="mine"))
    assert isinstance(warehouse, BigQueryWarehouse)
    assert (warehouse.schema, dict(warehouse.usage())) == ("uk_energy_insights", {})
