"""Registers of connections: projects that have or want a place on the network."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.model import Dataset, Field, Profile, Proof
from energy_assets.catalogue.neso.build import columns, entry
from energy_assets.catalogue.neso.fields import RATIO, meaning

GROUP = "connection_registers"

_STAGE = meaning("stage", "Stage of the project.", type_="number", unit=RATIO)


def _register(
    name: str,
    title: str,
    description: str,
    *,
    package: str,
    resources: str,
    own: tuple[tuple[Field, ...], tuple[str, ...]],
    key: str,
    rows: int,
    proof: Proof = "specified",
    profiles: tuple[Profile, ...] = (),
) -> Dataset:
    """A register without key of its own: every file is a snapshot, and rows that are alike are numbered."""
    return entry(
        name,
        title,
        description,
        group=GROUP,
        package=package,
        resources=resources,
        kind="register",
        columns=own,
        key=key,
        repeats=True,
        cadence="Tuesdays and Fridays",
        profiles=profiles,
        begins=date(2021, 1, 13),
        rows_per_day=rows,
        proof=proof,
        notes=("The portal keeps no past: snapshots begin with the first reading here.",),
    )


TEC_REGISTER = _register(
    "TEC_REGISTER",
    "Transmission entry capacity",
    "Projects with transmission entry capacity, built and queued.",
    package="transmission-entry-capacity-tec-register",
    resources=r"TEC Register",
    own=columns(
        """
        Project Name
        Customer Name
        Connection Site
        Stage
        MW Connected
        MW Increase / Decrease
        Cumulative Total Capacity (MW)
        MW Effective From
        Project Status
        Agreement Type
        HOST TO
        Plant Type
        Project ID
        Project Number
        ? Gate
        """,
        _STAGE,
    ),
    key="project_id project_number stage",
    rows=2196,
    profiles=("core",),
)
EMBEDDED_REGISTER = _register(
    "EMBEDDED_REGISTER",
    "Embedded generation",
    "Projects on distribution networks that have an agreement with the system operator.",
    package="embedded-register",
    resources=r"Embedded Register",
    own=columns(
        """
        Project Name
        Customer Name
        Connection Site
        Stage
        MW Connected
        MW Increase / Decrease
        Cumulative Total Capacity (MW)
        MW Effective From
        Project Status
        HOST TO
        Plant Type
        Project ID
        Project Number
        ? Gate
        """,
        _STAGE,
    ),
    key="project_id project_number stage",
    rows=561,
)
INTERCONNECTOR_REGISTER = _register(
    "INTERCONNECTOR_REGISTER",
    "Interconnectors",
    "Interconnectors, built and queued, with what they may import and export.",
    package="interconnector-register",
    resources=r"Interconnector Register",
    own=columns(
        """
        Project Name
        Customer Name
        Connection Site
        Stage
        MW Import - Current
        MW Export - Current
        MW Import - Increase / Decrease
        MW Export - Increase / Decrease
        MW Import - Total
        MW Export - Total
        MW Effective From
        Project Status
        HOST TO
        Project Number
        ? Gate
        """,
        _STAGE,
    ),
    key="project_number stage",
    rows=35,
    proof="recorded",
    profiles=("core",),
)

ENTRIES = (TEC_REGISTER, EMBEDDED_REGISTER, INTERCONNECTOR_REGISTER)
