"""Network charges: tariffs."""

from __future__ import annotations

from energy_assets.catalogue.model import Dataset, Field
from energy_assets.catalogue.neso.build import columns, entry

GROUP = "network_charges"

AAHEDC_TARIFFS = entry(
    "AAHEDC_TARIFFS",
    "Levy for high-cost distribution areas",
    "Tariff of the levy that helps areas where distribution is dear, by year.",
    group=GROUP,
    package="aahedc-tariffs",
    resources=r"AAHEDC Tariffs",
    kind="register",
    columns=columns(
        """
        Publication Type
        Year FY | Year_FY
        Published Date
        Total Scheme Tariff in p/kwh -> total_scheme_tariff_in_p_per_kwh
        Shetland Tariff in p/kwh -> shetland_tariff_in_p_per_kwh
        AAHEDC tariff excluding the Shetland Assistance Amount in p/kwh -> aahedc_tariff_without_shetland_in_p_per_kwh
        """
    ),
    key="publication_type year_fy published_date",
    repeats=True,
    cadence="twice a year",
)


def _tariff(name: str, title: str, description: str, resources: str, own: str, key: str, *special: Field) -> Dataset:
    """One table of charges for the use of the transmission network."""
    return entry(
        f"TNUOS_{name}",
        title,
        description,
        group=GROUP,
        package="transmission-network-use-of-system-tnuos-tariffs",
        resources=resources,
        kind="register",
        columns=columns(own, *special),
        key=f"publication year_fy published_date {key}",
        repeats=True,
        cadence="every quarter",
        notes=("Drafts and final tariffs stand side by side.",),
    )


_HEAD = """
    Publication
    Year_FY | Year FY
    Published_Date | Published Date
"""
_ZONE = (
    _HEAD
    + """
    Zone_No
    Zone_Name
"""
)

EMBEDDED_EXPORT = _tariff(
    "EMBEDDED_EXPORT",
    "Transmission charges: embedded export",
    "Tariff for exports on the distribution networks, by zone.",
    r"Embedded Export Tariffs",
    _ZONE
    + """
    Locational_£/kW -> locational_gbp_per_kw
    AGIC_£/kW -> agic_gbp_per_kw
    PhasedResidual_£/kW -> phased_residual_gbp_per_kw
    EET(Floored)_£/kW -> eet_floored_gbp_per_kw
    """,
    "zone_no",
)
HALF_HOURLY_DEMAND = _tariff(
    "HALF_HOURLY_DEMAND",
    "Transmission charges: demand metered by half hours",
    "Tariff for demand metered by half hours, by zone.",
    r"Half-Hourly \(HH\) Demand Tariffs",
    _ZONE
    + """
    Peak_£/kW -> peak_gbp_per_kw
    YearRound_£/kW -> year_round_gbp_per_kw
    HH_SGD_Adjustment_£/kW -> hh_sgd_adjustment_gbp_per_kw
    HHTariff(Floored)_£/kW -> hh_tariff_floored_gbp_per_kw
    """,
    "zone_no",
)
LOCAL_OFFSHORE = _tariff(
    "LOCAL_OFFSHORE",
    "Transmission charges: offshore generators",
    "Local tariffs of offshore generators.",
    r"Local Offshore Generator Tariffs",
    _HEAD
    + """
    OffshoreGenerator
    Substation_£/kW -> substation_gbp_per_kw
    Circuit_£/kW -> circuit_gbp_per_kw
    ETUoS_£/kW -> etuos_gbp_per_kw
    """,
    "offshore_generator",
)
LOCAL_SUBSTATION = _tariff(
    "LOCAL_SUBSTATION",
    "Transmission charges: substations",
    "Local tariffs of substations, by voltage, size and kind of connection.",
    r"Local Substation TNUoS Tariff",
    _HEAD
    + """
    Voltage
    Sum of TEC at Connecting Substation
    Connection Type
    Tariff
    """,
    "voltage sum_of_tec_at_connecting_substation connection_type",
)
NON_HALF_HOURLY_DEMAND = _tariff(
    "NON_HALF_HOURLY_DEMAND",
    "Transmission charges: demand not metered by half hours",
    "Tariff for demand that is not metered by half hours, by zone.",
    r"Non Half-Hourly \(NHH\) Demand Tariffs",
    _ZONE
    + """
    NHH_Zonal_p/kWh -> nhh_zonal_p_per_kwh
    NHH_SGD_Adjustment_p/kWh -> nhh_sgd_adjustment_p_per_kwh
    NHHTariff(Floored)_p/kWh -> nhh_tariff_floored_p_per_kwh
    """,
    "zone_no",
)
ONSHORE_GENERATION = _tariff(
    "ONSHORE_GENERATION",
    "Transmission charges: onshore generators",
    "Tariffs of onshore generators, by zone.",
    r"Onshore Generator Tariffs",
    _ZONE
    + """
    SystemPeak_£/kW -> system_peak_gbp_per_kw
    SharedYearRound_£/kW -> shared_year_round_gbp_per_kw
    NotSharedYearRound_£/kW -> not_shared_year_round_gbp_per_kw
    Residual_£/kW -> residual_gbp_per_kw
    SmallGenDiscount_£/kW -> small_gen_discount_gbp_per_kw
    """,
    "zone_no",
)
ONSHORE_LOCAL_CIRCUIT = _tariff(
    "ONSHORE_LOCAL_CIRCUIT",
    "Transmission charges: local circuits",
    "Local tariffs of onshore circuits, by substation.",
    r"Onshore Local Circuit Tariffs",
    _HEAD
    + """
    Substation_Name
    Tariff_£/kW -> tariff_gbp_per_kw
    """,
    "substation_name",
)
DEMAND_RESIDUAL = _tariff(
    "DEMAND_RESIDUAL",
    "Transmission charges: demand residual",
    "Residual charge on demand by site and day, by band.",
    r"Transmission Demand Residual \(TDR\) Tariffs",
    _HEAD
    + """
    TDR Band
    TDR Tariff in £/(Site Day) | TDR Tariff in Â£/(Site Day) -> tdr_tariff_gbp_per_site_day
    Notes
    """,
    "tdr_band",
)

ENTRIES = (
    AAHEDC_TARIFFS,
    EMBEDDED_EXPORT,
    HALF_HOURLY_DEMAND,
    LOCAL_OFFSHORE,
    LOCAL_SUBSTATION,
    NON_HALF_HOURLY_DEMAND,
    ONSHORE_GENERATION,
    ONSHORE_LOCAL_CIRCUIT,
    DEMAND_RESIDUAL,
)
