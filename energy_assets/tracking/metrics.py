"""The status as Prometheus metrics: families made of an overview, kept for some seconds, served on loopback.

What the numbers mean is decided in ``overview`` and ``status``; here they only get names. A look that fails leaves the
last numbers and says so in two metrics, so that an alert can tell old numbers from good ones.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from energy_assets.errors import EnergyAssetsError
from energy_assets.ingest.model import GapWhy
from energy_assets.tracking.status import State
from energy_assets.warehouse import service
from energy_assets.warehouse.interface import Place, Warehouse

if TYPE_CHECKING:
    from energy_assets.tracking.overview import Overview, Section

logger = logging.getLogger(__name__)

KEPT_SECONDS = 30.0
"""How long numbers are handed out without another look: several scrapers, or an eager one, cost no more than one. What
is measured changes every few minutes."""

WAIT_SECONDS = 5.0
"""How long who asks waits for a look: Prometheus gives up after ten seconds by itself, and a process that holds the
DuckDB file is waited for a minute. The look goes on, and its numbers are there for the next who asks."""

RECEIPTS_WITHIN = timedelta(days=1)
"""Receipts of a day are counted: with the lifetime of a store the count would only grow slower to read."""

STATES: tuple[State, ...] = get_args(State)

LOOPBACK = "127.0.0.1"
"""Numbers are served to this machine only; who wants them elsewhere puts a proxy with a login before it."""


@dataclass(frozen=True)
class Measured:
    """What metrics are made of.

    Attributes:
        overview: What is known.
        receipts: Receipts recorded within the last day, by dataset code and status.
        warehouse: Which store it is.
    """

    overview: Overview
    receipts: Mapping[tuple[str, str], int]
    warehouse: str


def count_receipts(warehouse: Warehouse, now: datetime) -> dict[tuple[str, str], int]:
    """Receipts recorded within the last day, by dataset code and status.

    Raises:
        WarehouseError: The receipts cannot be read.
    """

    def make(place: Place) -> list[str]:
        return [service.recorded_since(place.dialect, place.schema, now - RECEIPTS_WITHIN)]

    answers = warehouse.answers("Counting receipts", make)
    return {(dataset, status): int(count) for dataset, status, count in (answers[0] if answers else ())}


class Metrics(Collector):
    """Collects at most once in some seconds, whoever asks.

    Args:
        look: Measures.
        kept_seconds: How long what was measured is handed out.
        wait_seconds: How long a look is waited for; ``None`` for until it ends.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        look: Callable[[], Measured],
        kept_seconds: float = KEPT_SECONDS,
        wait_seconds: float | None = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._kept_seconds = kept_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._families: list[Metric] = []
        self._looking: threading.Thread | None = None
        self._until = 0.0
        self._sound = False
        self._seconds = 0.0

    def collect(self) -> Iterator[Metric]:
        """The families, measured anew where they are too old; the last ones where that takes too long."""
        looking = self._begun()
        looking.join(self._wait_seconds)
        with self._lock:
            families, seconds = list(self._families), self._seconds
            sound = self._sound and not looking.is_alive()
        yield from families
        yield _gauge(
            "energy_assets_look_success", "Whether the last look at the warehouse succeeded (1) or not.", sound
        )
        yield _gauge("energy_assets_look_seconds", "How long the last look took.", seconds)

    def describe(self) -> list[Metric]:
        """Nothing: a registry must not look at the warehouse only to learn names."""
        return []

    def _begun(self) -> threading.Thread:
        """The look that is under way, or was the last; a new one where that is too old."""
        with self._lock:
            if self._looking is None or (not self._looking.is_alive() and self._clock() >= self._until):
                # As a daemon it does not keep the process.
                self._looking = threading.Thread(target=self._measure, name="metrics", daemon=True)
                self._looking.start()
            return self._looking

    def _measure(self) -> None:
        began, found = self._clock(), None
        try:
            found = list(families(self._look()))
        except (EnergyAssetsError, OSError) as error:
            logger.warning("metrics keep their last numbers: %s", error)
        finally:
            with self._lock:
                self._families = self._families if found is None else found
                self._sound = found is not None
                self._until = self._clock() + self._kept_seconds
                self._seconds = self._clock() - began


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """A registry with these metrics alone: nothing about this process."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return registry


def families(measured: Measured) -> Iterator[Metric]:
    """Every metric family of what was measured."""
    overview = measured.overview
    yield _build(measured.warehouse)
    yield _gauge("energy_assets_generated_timestamp_seconds", "When these numbers were made.", _epoch(overview.now))
    yield _gauge(
        "energy_assets_wrong", "Things that somebody has to see to; as `status` tells them.", len(overview.wrong)
    )
    yield from _of_datasets(overview)
    yield _receipts(measured.receipts, {r.dataset.code: r.dataset.name for r in overview.reports})
    sections = {s.name: s for s in overview.sections}
    yield from _of_listener(sections.get("listener"), overview.now)
    yield from _of_disk(sections.get("disk"))
    yield from _of_counts(sections)


def _of_datasets(overview: Overview) -> Iterator[Metric]:
    labels = ["dataset"]
    success = GaugeMetricFamily(
        "energy_assets_dataset_last_success_timestamp_seconds", "When a request last succeeded.", labels=labels
    )
    newest = GaugeMetricFamily(
        "energy_assets_dataset_newest_timestamp_seconds", "Instant of the newest row.", labels=labels
    )
    rows = GaugeMetricFamily("energy_assets_dataset_rows_today", "Rows of the present settlement day.", labels=labels)
    missing = GaugeMetricFamily(
        "energy_assets_dataset_missing_windows",
        f"Windows that have settled and are not covered, of the last {overview.days} days.",
        labels=labels,
    )
    quarantined = GaugeMetricFamily("energy_assets_dataset_quarantined_rows", "Rows in quarantine.", labels=labels)
    state = GaugeMetricFamily(
        "energy_assets_dataset_state", "1 for the state that the dataset is in.", labels=["dataset", "state"]
    )
    stale = GaugeMetricFamily("energy_assets_dataset_stale", "Whether it should have had a success.", labels=labels)
    for report in overview.reports:
        name, held = [report.dataset.name], report.held
        for possible in STATES:
            state.add_metric([*name, possible], float(report.state == possible))
        if report.state == "empty":
            continue
        if held.last_success_utc is not None:
            success.add_metric(name, _epoch(held.last_success_utc))
        if held.newest_utc is not None:
            newest.add_metric(name, _epoch(held.newest_utc))
        rows.add_metric(name, held.rows_today)
        missing.add_metric(name, len(report.missing))
        quarantined.add_metric(name, held.quarantined)
        stale.add_metric(name, float(name[0] in overview.stale))
    yield from (state, success, newest, rows, missing, quarantined, stale)


def _receipts(receipts: Mapping[tuple[str, str], int], names: Mapping[str, str]) -> Metric:
    family = GaugeMetricFamily(
        "energy_assets_receipts", "Receipts recorded in the last 24 hours.", labels=["dataset", "status"]
    )
    for (code, status), count in sorted(receipts.items()):
        family.add_metric([names.get(code, code), status], count)
    return family


def _of_listener(section: Section | None, now: datetime) -> Iterator[Metric]:
    plain = _plain(section)
    if plain is None or plain.get("last_beat_utc") is None:
        return
    yield _gauge("energy_assets_iris_listener_alive", "Whether the listener beats.", bool(plain["alive"]))
    yield _gauge("energy_assets_iris_listener_linked", "Whether it can receive.", bool(plain["linked"]))
    for key, name, text in (
        ("last_beat_utc", "energy_assets_iris_listener_beat_age_seconds", "Age of the listener's last beat."),
        ("newest_message_utc", "energy_assets_iris_newest_message_age_seconds", "Age of the newest message held."),
    ):
        said = plain.get(key)
        if isinstance(said, str):
            yield _gauge(name, text, max((now - datetime.fromisoformat(said)).total_seconds(), 0.0))
    if plain.get("lag_seconds") is not None:
        text = "Time from queue to disk of the slowest message since the beat before the last."
        yield _gauge("energy_assets_iris_listener_lag_seconds", text, _number(plain["lag_seconds"]))
    for key, name, text in (
        ("waiting_files", "energy_assets_iris_waiting_files", "Files that wait to be loaded."),
        ("waiting_bytes", "energy_assets_iris_waiting_bytes", "Their size."),
    ):
        yield _gauge(name, text, _number(plain[key]))


def _of_disk(section: Section | None) -> Iterator[Metric]:
    plain = _plain(section)
    for key, name, text in (
        ("home_free_bytes", "energy_assets_disk_free_bytes", "Free space on the home's disk."),
        ("home_total_bytes", "energy_assets_disk_size_bytes", "Size of the home's disk."),
        ("warehouse_bytes", "energy_assets_warehouse_bytes", "Size of the warehouse file."),
    ):
        if plain is not None and key in plain:
            yield _gauge(name, text, _number(plain[key]))


def _of_counts(sections: Mapping[str, Section]) -> Iterator[Metric]:
    gaps = sections.get("gaps")
    if gaps is not None and isinstance(gaps.plain, Sequence):
        tally = Counter(str(g["why"]) for g in gaps.plain if isinstance(g, Mapping))
        family = GaugeMetricFamily("energy_assets_gaps", "Gaps that the ledger has open.", labels=["why"])
        for why in get_args(GapWhy):
            family.add_metric([why], tally[why])
        yield family
    for section, key, name, text in (
        ("alerts", "open", "energy_assets_alerts_open", "Incidents that are open."),
        ("checks", "failing", "energy_assets_checks_failing", "Checks that did not pass when last told of."),
    ):
        plain = _plain(sections.get(section))
        listed = plain.get(key) if plain is not None else None
        if isinstance(listed, Sequence):
            yield _gauge(name, text, len(listed))


def _plain(section: Section | None) -> Mapping[str, object] | None:
    return section.plain if section is not None and isinstance(section.plain, Mapping) else None


def _build(warehouse: str) -> Metric:
    try:
        release = version("energy-assets")
    except PackageNotFoundError:
        release = "unknown"
    info = InfoMetricFamily("energy_assets_build", "What is running.")
    info.add_metric([], {"version": release, "python": python_version(), "warehouse": warehouse})
    return info


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _epoch(moment: datetime) -> float:
    return moment.timestamp()
