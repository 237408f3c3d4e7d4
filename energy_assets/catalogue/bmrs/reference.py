"""Registers: what units, fuels, interconnectors and participants there are, as snapshots by day."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import entry
from energy_assets.catalogue.fields import fields
from energy_assets.catalogue.model import Dataset, Field, Lag, Profile, Query, StorageAxis, Timing, WindowCheck

GROUP = "reference"


def _register(
    code: str,
    title: str,
    description: str,
    *,
    path: str,
    columns: tuple[Field, ...],
    key: str,
    scalars: bool = False,
    profiles: tuple[Profile, ...] = (),
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A register is read whole; every day keeps the last reading of that day."""
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=columns,
        key=f"_partition_day {key}",
        scope="_partition_day",
        storage=StorageAxis("snapshot", None, "Registers have no time of their own."),
        query=Query(path, unit="snapshot", limit="whole register", scalars=scalars),
        check=WindowCheck("none", reason="The answer is what the provider holds now."),
        revision="revised_in_place",
        timing=Timing("when the register changes", "unknown", settled=Lag(), poll_minutes=360),
        profiles=profiles,
        may_repeat=True,
        begins=date(2001, 1, 1),
        proof="recorded" if code == "BMUNITS" else "specified",
        notes=notes,
    )


BMUNITS = _register(
    "BMUNITS",
    "BM units",
    "Register of Balancing Mechanism units with owner, fuel, capacities and credit figures.",
    path="/reference/bmunits/all",
    columns=fields(
        "nationalGridBmUnit elexonBmUnit eic fuelType leadPartyName bmUnitType fpnFlag bmUnitName leadPartyId demandCapacity "
        "generationCapacity productionOrConsumptionFlag transmissionLossFactor workingDayCreditAssessmentImportCapability "
        "nonWorkingDayCreditAssessmentImportCapability workingDayCreditAssessmentExportCapability "
        "nonWorkingDayCreditAssessmentExportCapability creditQualifyingStatus demandInProductionFlag gspGroupId gspGroupName "
        "interconnectorId"
    ),
    key="nationalGridBmUnit elexonBmUnit",
    profiles=("core", "battery", "trading", "settlement"),
    notes=("Numbers arrive as text and are stored as numbers.",),
)

FUELTYPES = _register(
    "FUELTYPES",
    "Fuel types",
    "List of fuel and interconnector codes.",
    path="/reference/fueltypes/all",
    columns=fields("value", value={"meaning": "Fuel or interconnector code."}),
    key="value",
    scalars=True,
)

ENTRIES = (BMUNITS, FUELTYPES)
