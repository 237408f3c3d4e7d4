"""From a catalogue entry to the asset spec that the UI shows: schema, units, tags, links.

Only facts that the entry states or that follow from it; no behaviour. Everything large stands here, in definition
metadata, because metadata of an event is copied for every partition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from energy_assets.assets.freshness import policy_of
from energy_assets.assets.partitions import DAYS
from energy_assets.catalogue.model import PROVENANCE, Dataset, Field, Table
from energy_assets.wiring import TablePlace

OWNER = "team:energy-data"
IO_MANAGER_KEY = "warehouse_io_manager"

PROVIDER_KINDS = {"bmrs": "elexon", "iris": "elexon", "neso": "ckan"}
"""The technology that the UI shows for a provider."""

PROVENANCE_MEANING = {
    "_dataset": "Dataset code.",
    "_partition_day": "Settlement day that the row belongs to, the key of its partition.",
    "_window_from_utc": "Start of the window whose answer brought the row (included), UTC; of files the day of asking.",
    "_window_to_utc": "End of that window (excluded), UTC.",
    "_ingested_utc": "When the row was written here, UTC.",
    "_source_api": "Where the row came from: BMRS, IRIS, IRIS-ARCHIVE, NESO, SANDBOX if made up, DERIVED if computed.",
    "_receipt_id": "Receipt of the request that brought the row.",
    "_hash_key": "Hash of the provider's columns, by which a revision is seen.",
}

CONTINUOUS = 96
"""Publications a day from which a dataset is new at every tick of the quarter-hourly refresh."""

HALF_HOURLY = 46
"""Publications on the shortest day of a dataset with one per settlement period."""

HOURLY = 23

MINUTES_PER_DAY = 1440


@dataclass(frozen=True, slots=True)
class Storage:
    """What the UI shows of the warehouse.

    Attributes:
        kind: ``duckdb`` or ``bigquery``.
        place: Where a table is, by its name.
    """

    kind: str
    place: Callable[[str], TablePlace]


def key_of(dataset: Dataset) -> dg.AssetKey:
    """The dataset's asset key, ``bmrs/fuelinst``."""
    return dg.AssetKey(list(dataset.asset_key))


def dataset_spec(dataset: Dataset, storage: Storage) -> dg.AssetSpec:
    """The asset of one dataset.

    Args:
        dataset: The catalogue entry.
        storage: The warehouse that holds its table.
    """
    spec = dg.AssetSpec(
        key=key_of(dataset),
        description=_description(dataset),
        group_name=dataset.group,
        owners=[OWNER],
        kinds={PROVIDER_KINDS[dataset.provider], storage.kind},
        tags=_tags(dataset),
        metadata=table_metadata(dataset.table, storage) | _facts(dataset),
        partitions_def=DAYS,
        freshness_policy=policy_of(dataset),
    )
    return spec.with_io_manager_key(IO_MANAGER_KEY)


def table_metadata(table: Table, storage: Storage) -> dict[str, object]:
    """Column schema, name, place and key of a table, as the UI understands them."""
    place = storage.place(table.name)
    metadata: dict[str, object] = {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": place.name,
        "table": place.text,
        "natural_key": ", ".join(table.natural_key),
    }
    if place.link is not None:
        metadata["console"] = dg.MetadataValue.url(place.link)
    return metadata


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with meaning and unit: the provider's, then provenance."""
    keys = frozenset(table.event_key)
    own = [_column(f, required=f.name in keys and not f.nullable) for f in table.fields]
    return dg.TableSchema(columns=own + [_provenance_column(name, kind) for name, kind in PROVENANCE])


def cadence(dataset: Dataset) -> Literal["continuous", "half_hourly", "hourly", "daily", "snapshot", "irregular"]:
    """How often something new is published, in one word that can be selected by."""
    if dataset.is_register:
        return "snapshot"
    often = dataset.timing.publications_per_day
    if dataset.files is not None:
        often = MINUTES_PER_DAY // dataset.files.probe_minutes
    if often is None:
        return "irregular"
    if often >= CONTINUOUS:
        return "continuous"
    if often >= HALF_HOURLY:
        return "half_hourly"
    return "hourly" if often >= HOURLY else "daily"


def _tags(dataset: Dataset) -> dict[str, str]:
    """``profile/<name>`` without a value, because a dataset has several; the others are single words."""
    profiles = {f"profile/{name}": "" for name in dataset.profiles}
    return {"cadence": cadence(dataset), "revisions": dataset.revision} | profiles


def _description(dataset: Dataset) -> str:
    # Lists of assets show the beginning as plain text.
    lines = [f"{dataset.title}. {dataset.description}"]
    lines += [f"- {note}" for note in dataset.notes]
    lines += [f"- Not established: {doubt}" for doubt in dataset.unsure]
    return "\n".join([lines[0], "", *lines[1:]]).rstrip()


def _facts(dataset: Dataset) -> dict[str, object]:
    facts: dict[str, object] = {
        "cadence": dataset.timing.cadence,
        "begins": dataset.begins.isoformat(),
        "proved": dataset.proof,
        "licence": dataset.licence,
    }
    if dataset.docs_url is not None:
        facts["dagster/uri"] = dg.MetadataValue.url(dataset.docs_url)
    if dataset.legacy_code is not None:
        facts["legacy_code"] = dataset.legacy_code
    if dataset.files is not None:
        facts |= {"package": dataset.files.package, "resources": dataset.files.resources, "kind": dataset.files.kind}
    return facts


def _column(field: Field, *, required: bool) -> dg.TableColumn:
    unit = f" Unit: {field.unit}." if field.unit else ""
    return dg.TableColumn(
        name=field.name,
        type=field.type,
        description=f"{field.meaning}{unit}",
        constraints=dg.TableColumnConstraints(nullable=not required),
        tags={"unit": field.unit} if field.unit else None,
    )


def _provenance_column(name: str, kind: str) -> dg.TableColumn:
    return dg.TableColumn(
        name=name,
        type=kind,
        description=PROVENANCE_MEANING[name],
        constraints=dg.TableColumnConstraints(nullable=False),
    )
