"""Registers: what units, fuels, interconnectors and participants there are, as snapshots by day."""

from __future__ import annotations

from energy_assets.catalogue.bmrs.build import entry
from energy_assets.catalogue.fields import fields, meaning
from energy_assets.catalogue.model import (
    Dataset,
    Field,
    Lag,
    Profile,
    Proof,
    Query,
    StorageAxis,
    Timing,
    WindowCheck,
)

GROUP = "reference"


def _register(
    code: str,
    title: str,
    description: str,
    *,
    path: str,
    columns: tuple[Field, ...],
    key: str = "value",
    profiles: tuple[Profile, ...] = (),
    proof: Proof = "specified",
    rows_per_day: int | None = None,
    unsure: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    legacy: str | None = None,
) -> Dataset:
    """Read whole a few times a day; a day holds its last reading, and what went missing within it goes to history."""
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=columns,
        key=f"_partition_day {key}",
        scope="_partition_day",
        storage=StorageAxis("snapshot", None, "A register has no time of its own: the day on which it was read."),
        query=Query(path, unit="snapshot", limit="the whole register", scalars=key == "value"),
        check=WindowCheck("none", reason="The answer is what the provider holds now."),
        revision="revised_in_place",
        timing=Timing("when the register changes", "unknown", settled=Lag(), poll_minutes=360),
        profiles=profiles,
        may_repeat=True,
        rows_per_day=rows_per_day,
        proof=proof,
        unsure=unsure,
        notes=("Only the present can be read: days before the first reading stay empty.", *notes),
        legacy=legacy,
    )


BMUNITS = _register(
    "BMUNITS",
    "BM units",
    "Register of Balancing Mechanism units with owner, fuel, capacities and credit figures.",
    path="/reference/bmunits/all",
    columns=fields(
        "nationalGridBmUnit elexonBmUnit eic fuelType leadPartyName bmUnitType fpnFlag bmUnitName leadPartyId "
        "demandCapacity generationCapacity productionOrConsumptionFlag transmissionLossFactor "
        "workingDayCreditAssessmentImportCapability nonWorkingDayCreditAssessmentImportCapability "
        "workingDayCreditAssessmentExportCapability nonWorkingDayCreditAssessmentExportCapability "
        "creditQualifyingStatus demandInProductionFlag gspGroupId gspGroupName interconnectorId"
    ),
    # eic too: one unit stands twice, with two of them.
    key="nationalGridBmUnit elexonBmUnit eic",
    profiles=("core", "battery", "trading", "settlement"),
    proof="recorded",
    rows_per_day=3100,
    notes=(
        "Numbers arrive as text and are stored as numbers.",
        "Either id may be null.",
        "Capacities of interconnector units are registered per trader and do not add up.",
    ),
    legacy="BMUNITSEARCH",
)

FUELTYPES = _register(
    "FUELTYPES",
    "Fuel types",
    "Fuel and interconnector codes.",
    path="/reference/fueltypes/all",
    columns=fields("value", meaning("value", "Fuel or interconnector code.")),
)

INTERCONNECTORS = _register(
    "INTERCONNECTORS",
    "Interconnectors",
    "Interconnectors with their names and bidding zones.",
    path="/reference/interconnectors/all",
    columns=fields(
        "interconnectorId interconnectorName interconnectorBiddingZone",
        meaning("interconnectorName", "Name of the interconnector."),
    ),
    key="interconnectorId",
    unsure=("Whether interconnectorId is the INT* code of the fuel types.",),
)

REMIT_PARTICIPANTS = _register(
    "REMIT_PARTICIPANTS",
    "REMIT participants",
    "Participants that occur in outage messages.",
    path="/reference/remit/participants/all",
    columns=fields("value", meaning("value", "Id of the participant.")),
)

REMIT_ASSETS = _register(
    "REMIT_ASSETS",
    "REMIT assets",
    "Assets that occur in outage messages.",
    path="/reference/remit/assets/all",
    columns=fields("value", meaning("value", "Id of the asset.")),
)

REMIT_FUELTYPES = _register(
    "REMIT_FUELTYPES",
    "REMIT fuel types",
    "Fuel types that occur in outage messages; not the codes of FUELTYPES.",
    path="/reference/remit/fueltypes/all",
    columns=fields("value", meaning("value", "Fuel type in the words of the messages.")),
)

ENTRIES = (BMUNITS, FUELTYPES, INTERCONNECTORS, REMIT_PARTICIPANTS, REMIT_ASSETS, REMIT_FUELTYPES)
