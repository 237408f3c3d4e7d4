"""Metrics say what the status says, in a form that Prometheus' own parser reads, and spare the store."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from energy_assets.commands.metrics import measuring
from energy_assets.errors import SettingsError, WarehouseBusyError
from energy_assets.settings import Settings, load_settings
from energy_assets.tracking.metrics import KEPT_SECONDS, LOOPBACK, Measured, Metrics, count_receipts, registry_of
from energy_assets.tracking.overview import Section
from energy_assets.warehouse.duckdb import DuckDBWarehouse
from energy_assets_tests.unit.test_overview import NOW, known
from energy_assets_tests.unit.test_status import SMSG, cover, last_days

Samples = dict[tuple[str, tuple[str, ...]], float]

LISTENER = {
    "alive": True,
    "linked": False,
    "lag_seconds": 1.5,
    "last_beat_utc": (NOW - timedelta(seconds=40)).isoformat(),
    "newest_message_utc": (NOW - timedelta(minutes=5)).isoformat(),
    "waiting_files": 3,
    "waiting_bytes": 4096,
}
SECTIONS = (
    Section("listener", "IRIS listener", ("running",), ("cannot receive",), LISTENER),
    Section("disk", "disk", ("fine",), (), {"home_free_bytes": 5e9, "home_total_bytes": 9e9, "warehouse_bytes": 7}),
    Section("alerts", "alerts", ("2 open",), (), {"open": [{}, {}]}),
    Section("checks", "checks", ("fine",), (), {"failing": [{}]}),
    Section("gaps", "gaps", ("one",), (), [{"why": "missed"}]),
)
MEASURED = Measured(known(sections=SECTIONS, stale=("bmrs/temp",)), {("MID", "failed"): 4}, "duckdb")


def samples(metrics: Metrics) -> Samples:
    text = generate_latest(registry_of(metrics)).decode()
    return {
        (s.name.removeprefix("energy_assets_"), tuple(s.labels.values())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_every_number_of_the_status_has_a_metric() -> None:
    found = samples(Metrics(lambda: MEASURED))
    assert found["dataset_state", ("bmrs/mid", "failed")] == 1
    assert found["dataset_state", ("bmrs/mid", "ok")] == 0
    assert found["dataset_last_success_timestamp_seconds", ("bmrs/fuelhh",)] == NOW.timestamp()
    assert ("dataset_last_success_timestamp_seconds", ("bmrs/mid",)) not in found, "it never had one"
    assert found["dataset_newest_timestamp_seconds", ("bmrs/fuelhh",)] == (NOW - timedelta(hours=1)).timestamp()
    assert found["dataset_rows_today", ("bmrs/indo",)] == 3
    assert found["dataset_missing_windows", ("bmrs/indo",)] == 4
    assert found["dataset_quarantined_rows", ("bmrs/indo",)] == 2
    assert (found["dataset_stale", ("bmrs/temp",)], found["dataset_stale", ("bmrs/indo",)]) == (1, 0)
    assert found["receipts", ("bmrs/mid", "failed")] == 4
    assert (found["iris_listener_alive", ()], found["iris_listener_linked", ()]) == (1, 0)
    assert (found["iris_listener_beat_age_seconds", ()], found["iris_newest_message_age_seconds", ()]) == (40, 300)
    assert found["iris_listener_lag_seconds", ()] == 1.5
    assert (found["iris_waiting_files", ()], found["iris_waiting_bytes", ()]) == (3, 4096)
    assert (found["disk_free_bytes", ()], found["disk_size_bytes", ()], found["warehouse_bytes", ()]) == (5e9, 9e9, 7)
    assert (found["alerts_open", ()], found["checks_failing", ()]) == (2, 1)
    assert (found["gaps", ("missed",)], found["gaps", ("not_due",)]) == (1, 0)
    assert found["wrong", ()] == len(MEASURED.overview.wrong)
    assert next(v for (name, _), v in found.items() if name == "build_info") == 1
    assert found["look_success", ()] == 1


def test_a_dataset_that_nobody_asked_for_has_its_state_and_nothing_else() -> None:
    found = [name for name, labels in samples(Metrics(lambda: MEASURED)) if labels[:1] == ("bmrs/freq",)]
    assert set(found) == {"dataset_state"}


def test_the_store_is_looked_at_once_however_often_it_is_scraped() -> None:
    looks, seconds = [], [0.0]

    def look() -> Measured:
        looks.append(1)
        return MEASURED

    metrics = Metrics(look, clock=lambda: seconds[0])
    assert not looks, "nor to be registered"
    registry = registry_of(metrics)
    threads = [threading.Thread(target=generate_latest, args=(registry,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1
    seconds[0] = KEPT_SECONDS
    generate_latest(registry)
    assert len(looks) == 2


def test_a_look_that_fails_keeps_the_last_numbers_and_says_so() -> None:
    answers: list[Measured | Exception] = [MEASURED, WarehouseBusyError("held"), replace(MEASURED, receipts={})]

    def look() -> Measured:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    metrics = Metrics(look, kept_seconds=0)
    assert samples(metrics)["look_success", ()] == 1
    again = samples(metrics)
    assert (again["look_success", ()], again["dataset_rows_today", ("bmrs/indo",)]) == (0, 3)
    assert samples(metrics)["look_success", ()] == 1


def test_who_asks_does_not_wait_for_a_store_that_is_held() -> None:
    free = threading.Event()
    free.set()

    def look() -> Measured:
        assert free.wait(30)
        return MEASURED

    metrics = Metrics(look, kept_seconds=0, wait_seconds=0.05)
    assert samples(metrics)["look_success", ()] == 1
    free.clear()
    held = samples(metrics)
    assert (held["look_success", ()], held["dataset_rows_today", ("bmrs/indo",)]) == (0, 3), "the last numbers"
    assert samples(metrics)["look_success", ()] == 0
    free.set()
    assert samples(Metrics(look, wait_seconds=None))["look_success", ()] == 1


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = Settings(home=tmp_path / "home")
    made.prepare_home()
    yield made


def test_receipts_of_a_day_are_counted(settings: Settings) -> None:
    store = DuckDBWarehouse(settings.duckdb_path, settings.schema_name, clock=lambda: NOW)
    assert count_receipts(store, NOW) == {}
    cover(store, SMSG, last_days(3))
    cover(store, SMSG, last_days(2), status="suspect")
    assert count_receipts(store, NOW + timedelta(hours=1)) == {("SMSG", "silent"): 3, ("SMSG", "suspect"): 2}
    assert count_receipts(store, NOW + timedelta(hours=25)) == {}
    store.close()


def test_a_real_home_is_served_over_http_on_loopback(settings: Settings) -> None:
    store = DuckDBWarehouse(settings.duckdb_path, settings.schema_name)
    cover(store, SMSG, last_days(3))
    store.close()
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    server, thread = start_http_server(port, LOOPBACK, registry_of(measuring(settings)))
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    names = {f.name for f in text_string_to_metric_families(text)}
    assert {"energy_assets_build_info", "energy_assets_dataset_state", "energy_assets_disk_free_bytes"} <= names


@pytest.mark.parametrize("port", ["0", "70000", "x"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="ENERGY_ASSETS_METRICS_PORT"):
        load_settings({"ENERGY_ASSETS_METRICS_PORT": port}, None)
