"""Small tables, one per way in which a fact can change."""

from __future__ import annotations

from energy_assets.catalogue.model import Field, OrderBy, StorageAxis, Table

PRICES = Table(
    name="test_prices",
    dataset="PRICES",
    fields=(
        Field("settlementDate", "date", "", nullable=False),
        Field("settlementPeriod", "integer", "", nullable=False),
        Field("createdDateTime", "instant", ""),
        Field("price", "number", ""),
        Field("code", "text", ""),
    ),
    event_key=("settlementDate", "settlementPeriod"),
    version_columns=(),
    latest_order=(OrderBy("createdDateTime"),),
    publish_column="createdDateTime",
    storage=StorageAxis("date", "settlementDate"),
)

FORECAST = Table(
    name="test_forecast",
    dataset="FORECAST",
    fields=(
        Field("publishTime", "instant", "", nullable=False),
        Field("startTime", "instant", "", nullable=False),
        Field("value", "number", ""),
    ),
    event_key=("startTime",),
    version_columns=("publishTime",),
    latest_order=(OrderBy("publishTime"),),
    publish_column="publishTime",
    storage=StorageAxis("instant", "publishTime"),
)

RUNS = Table(
    name="test_runs",
    dataset="RUNS",
    fields=(
        Field("settlementDate", "date", "", nullable=False),
        Field("settlementPeriod", "integer", "", nullable=False),
        Field("bmUnit", "text", ""),
        Field("otherUnit", "text", ""),
        Field("settlementRunType", "text", ""),
        Field("quantity", "number", ""),
    ),
    event_key=("settlementDate", "settlementPeriod", "bmUnit"),
    version_columns=("settlementRunType",),
    latest_order=(OrderBy("settlementRunType", ("II", "SF", "R1", "RF", "DF")),),
    publish_column=None,
    storage=StorageAxis("date", "settlementDate"),
    key_fallback=(("bmUnit", "otherUnit"),),
)

ACTIONS = Table(
    name="test_actions",
    dataset="ACTIONS",
    fields=(
        Field("settlementDate", "date", "", nullable=False),
        Field("settlementPeriod", "integer", "", nullable=False),
        Field("id", "integer", ""),
        Field("cost", "number", ""),
    ),
    event_key=("settlementDate", "settlementPeriod", "id"),
    version_columns=(),
    latest_order=(),
    publish_column=None,
    storage=StorageAxis("date", "settlementDate"),
    replace_scope=("settlementDate", "settlementPeriod"),
)

PROFILE = Table(
    name="test_profile",
    dataset="PROFILE",
    fields=(
        Field("unit", "text", ""),
        Field("number", "integer", "", nullable=False),
        Field("acceptanceTime", "instant", ""),
        Field("timeFrom", "instant", "", nullable=False),
        Field("level", "number", ""),
    ),
    event_key=("unit", "number", "timeFrom"),
    version_columns=(),
    latest_order=(OrderBy("acceptanceTime"),),
    publish_column="acceptanceTime",
    storage=StorageAxis("instant", "timeFrom"),
    replace_scope=("unit", "number"),
    set_column="timeFrom",
)

REGISTER = Table(
    name="test_register",
    dataset="REGISTER",
    fields=(Field("unit", "text", ""), Field("capacity", "number", ""), Field("details", "json", "")),
    event_key=("_partition_day", "unit"),
    version_columns=(),
    latest_order=(),
    publish_column=None,
    storage=StorageAxis("snapshot"),
    replace_scope=("_partition_day",),
)
