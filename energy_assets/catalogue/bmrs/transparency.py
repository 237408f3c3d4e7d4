"""The transparency regulation's documents: load, generation, capacity and balancing, every revision kept."""

from __future__ import annotations

from datetime import date

from energy_assets.catalogue.bmrs.build import (
    DAY,
    LIMIT_ONE_DAY,
    NEXT_DAY,
    TRANSPARENCY_BEGINS,
    UNSURE_BEGIN,
    by_instant,
    entry,
    order,
    publication_day,
    publish_query,
    published,
)
from energy_assets.catalogue.fields import GBP_PER_MW, MW, MWH, fields, meaning
from energy_assets.catalogue.model import Dataset, EmptyMeaning, Field, Lag, OrderBy, Profile, Proof, Standing

GROUP = "transparency"

_DOCUMENT = "dataset documentId documentRevisionNumber publishTime"
_PERIOD = "startTime settlementDate settlementPeriod"
_UNIT_INFERRED = ("Units of the values are inferred.",)


def _document(
    code: str,
    title: str,
    description: str,
    values: str,
    *special: Field,
    key: str,
    cadence: str,
    days: int,
    limit: str,
    lead: str = _DOCUMENT,
    versions: str = "documentId documentRevisionNumber publishTime",
    latest: tuple[OrderBy, ...] = order("publishTime", "documentRevisionNumber"),
    atom: int = DAY,
    most: int | None = None,
    standing: Standing = "unknown",
    poll: int = 120,
    per_day: int | None = None,
    rereads: tuple[Lag, ...] = NEXT_DAY,
    empty: EmptyMeaning = "silent",
    heavy: bool = False,
    profiles: tuple[Profile, ...] = (),
    begins: date = TRANSPARENCY_BEGINS,
    rows_per_day: int | None = None,
    proof: Proof = "specified",
    unsure: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    legacy: str | None = None,
) -> Dataset:
    """A value is published in a document and corrected by a higher revision or another document; all are kept.

    ``days`` is the longest window, one day below a limit of several days: London days of 25 hours stay within it.
    """
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(f"{lead} {values}", *special),
        key=key,
        versions=versions,
        latest=latest,
        published="publishTime",
        storage=publication_day(),
        query=publish_query(code, atom=atom, most=most or days * DAY, limit=limit),
        check=by_instant("publishTime"),
        revision="document_revision",
        timing=published(cadence, standing, poll=poll, per_day=per_day, rereads=rereads),
        heavy=heavy,
        profiles=profiles,
        empty=empty,
        begins=begins,
        rows_per_day=rows_per_day,
        iris=code,
        proof=proof,
        unsure=(*unsure, UNSURE_BEGIN),
        notes=notes,
        legacy=legacy,
    )


def _stated(days: int) -> str:
    return f"{days} days, stated for the plain endpoint"


_HALF_HOURLY = "every settlement period, about 150 minutes after its start"

ATL = _document(
    "ATL",
    "Actual total load",
    "Mean load of the system over every settlement period.",
    f"{_PERIOD} quantity",
    key="settlementDate settlementPeriod",
    cadence="every settlement period",
    standing="learned",
    poll=10,
    atom=360,
    days=6,
    limit=_stated(7),
    empty="suspect",
    rows_per_day=48,
    proof="recorded",
    legacy="B0610",
)
AGPT = _document(
    "AGPT",
    "Actual generation by type",
    "Mean generation over every settlement period, by type of production.",
    f"businessType psrType quantity {_PERIOD}",
    key="settlementDate settlementPeriod psrType businessType",
    cadence=_HALF_HOURLY,
    standing="learned",
    poll=10,
    atom=360,
    days=3,
    limit=_stated(4),
    empty="suspect",
    profiles=("trading",),
    rows_per_day=550,
    notes=("The last periods of a day are published on the next day, and stored there.",),
    legacy="B1620",
)
AGWS = _document(
    "AGWS",
    "Actual wind and solar generation",
    "Mean wind and solar generation over every settlement period, measured or estimated.",
    f"businessType psrType quantity {_PERIOD}",
    key="settlementDate settlementPeriod psrType businessType",
    cadence=_HALF_HOURLY,
    standing="learned",
    poll=10,
    atom=360,
    days=6,
    limit=_stated(7),
    empty="suspect",
    profiles=("trading",),
    rows_per_day=144,
    proof="recorded",
    notes=("Types are Solar, Wind Onshore and Wind Offshore.",),
    legacy="B1630",
)
DATL = _document(
    "DATL",
    "Total load forecast, day ahead",
    "Forecast of the mean load over every settlement period of the next day.",
    f"{_PERIOD} quantity",
    key="settlementDate settlementPeriod",
    cadence="daily, inferred",
    days=6,
    limit=_stated(7),
    profiles=("forecast",),
    rows_per_day=48,
    legacy="B0620",
)
DAG = _document(
    "DAG",
    "Generation forecast, day ahead",
    "Forecast of total generation over every settlement period of the next day.",
    f"quantity {_PERIOD}",
    key="settlementDate settlementPeriod",
    cadence="daily, inferred",
    days=6,
    limit=_stated(7),
    profiles=("forecast",),
    rows_per_day=48,
    legacy="B1430",
)
DGWS = _document(
    "DGWS",
    "Wind and solar forecast",
    "Forecast of wind and solar generation over every settlement period, day ahead and intraday.",
    f"processType businessType psrType quantity {_PERIOD}",
    key="settlementDate settlementPeriod psrType businessType processType",
    cadence="several times a day, inferred",
    poll=50,
    days=6,
    limit=_stated(7),
    profiles=("trading", "forecast"),
    legacy="B1440",
)


def _load_range(
    code: str,
    title: str,
    description: str,
    target: str,
    *,
    key: str,
    cadence: str,
    legacy: str,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Lowest and highest load of a day or week to come."""
    return _document(
        code,
        title,
        description,
        f"{target} minimumPossible maximumAvailable",
        key=key,
        cadence=cadence,
        days=366,
        limit=_stated(367),
        profiles=("forecast",),
        notes=notes,
        legacy=legacy,
    )


WATL = _load_range(
    "WATL",
    "Total load forecast, week ahead",
    "Lowest and highest load forecast for every day of the next week.",
    "forecastDate forecastWeek",
    key="forecastDate",
    cadence="weekly, inferred",
    legacy="B0630",
)
MATL = _load_range(
    "MATL",
    "Total load forecast, month ahead",
    "Lowest and highest load forecast for every week of the next month.",
    "forecastWeekCommencingDate forecastYear forecastMonth",
    key="forecastYear forecastMonth forecastWeekCommencingDate",
    cadence="monthly, inferred",
    legacy="B0640",
    notes=("A week across two months can stand under both.",),
)
YATL = _load_range(
    "YATL",
    "Total load forecast, year ahead",
    "Lowest and highest load forecast for every week of the next year.",
    "forecastYear forecastWeek",
    key="forecastYear forecastWeek",
    cadence="yearly, inferred",
    legacy="B0650",
)
YAFM = _document(
    "YAFM",
    "Forecast margin, year ahead",
    "Forecast margin of generation over load for the year ahead.",
    "businessType year quantity",
    meaning("quantity", "Margin of the year."),
    key="year businessType",
    cadence="yearly, inferred",
    days=3650,
    limit=_stated(7305),
    profiles=("forecast",),
    legacy="B0810",
)
IGCA = _document(
    "IGCA",
    "Installed capacity by type",
    "Installed generation capacity, by type of production and year.",
    "businessType psrType year quantity",
    meaning("quantity", "Installed capacity.", low=0),
    key="year psrType businessType",
    cadence="yearly, inferred",
    days=730,
    limit=_stated(731),
    legacy="B1410",
)
IGCPU = _document(
    "IGCPU",
    "Installed capacity by unit",
    "Installed capacity of every production unit of 100 MW or more.",
    "effectiveFrom psrType registeredResourceEicCode registeredResourceName bmUnit voltageLimit installedCapacity",
    lead="dataset documentId publishTime",
    key="registeredResourceEicCode bmUnit effectiveFrom",
    versions="documentId publishTime",
    latest=order("publishTime", "documentId"),
    cadence="irregular, inferred",
    days=730,
    limit=_stated(731),
    begins=date(2023, 1, 1),
    notes=(
        "Migrated rows all carry the publication time 2023-01-01 00:00, which cannot order them.",
        "There is no revision number.",
    ),
    unsure=("The unit of voltageLimit.",),
    legacy="B1420",
)
ABUC = _document(
    "ABUC",
    "Balancing reserve under contract",
    "Reserve that the system operator has under contract.",
    "businessType psrType marketAgreementType flowDirection settlementDate quantity",
    meaning("quantity", "Contracted power."),
    key="settlementDate businessType psrType marketAgreementType flowDirection",
    cadence="irregular, inferred",
    days=730,
    limit=_stated(731),
    profiles=("trading",),
    legacy="B1720",
)
PPBR = _document(
    "PPBR",
    "Price of procured reserve",
    "Prices that the system operator pays for reserve.",
    "psrType marketAgreementType flowDirection settlementDate amount",
    meaning("amount", "Price of the reserve; unit inferred.", unit=GBP_PER_MW),
    key="settlementDate psrType marketAgreementType flowDirection",
    cadence="irregular, inferred",
    days=730,
    limit=_stated(731),
    profiles=("trading",),
    unsure=_UNIT_INFERRED,
    notes=("IRIS tags the stream with settlementDate.",),
    legacy="B1730",
)
FEIB = _document(
    "FEIB",
    "Expenditure and income for balancing",
    "What balancing cost and earned the system operator in a month.",
    "status year month amount priceDirection",
    key="year month priceDirection status",
    cadence="monthly, inferred",
    days=366,
    limit=_stated(367),
    notes=("Figures of one month may come with several standings, the last of them final.",),
    legacy="B1790",
)
CCM = _document(
    "CCM",
    "Cost of congestion management",
    "What congestion management cost in a month.",
    "businessType year month amount",
    key="year month businessType",
    cadence="monthly, inferred",
    days=730,
    limit=_stated(731),
    legacy="B1330",
)
AOBE = _document(
    "AOBE",
    "Accepted balancing energy",
    "Balancing energy that was offered and accepted, by direction.",
    f"timeSeriesId flowDirection quantity secondaryQuantity {_PERIOD}",
    meaning("quantity", "Accepted energy of the settlement period; unit inferred.", unit=MWH),
    key="settlementDate settlementPeriod flowDirection timeSeriesId",
    cadence="every settlement period, inferred",
    poll=10,
    atom=360,
    days=6,
    limit=_stated(7),
    profiles=("trading",),
    unsure=(*_UNIT_INFERRED, "How often it is published."),
)
BEB = _document(
    "BEB",
    "Balancing energy bids",
    "Volumes and prices of all balancing energy bids.",
    f"bidId flowDirection quantity energyPrice {_PERIOD}",
    meaning("quantity", "Offered power; unit inferred."),
    key="settlementDate settlementPeriod bidId",
    cadence="every settlement period, inferred",
    poll=10,
    # Every bid of the market: up to the volume of BOD, 3 MB an hour.
    atom=120,
    most=360,
    days=6,
    limit=_stated(7),
    heavy=True,
    rereads=(),
    profiles=("trading",),
    unsure=(*_UNIT_INFERRED, "How large it is and how often it is published."),
)
CBS = _document(
    "CBS",
    "Current balancing state",
    "Current state of balance of the system, by direction.",
    "flowDirection quantity timeFrom timeTo settlementDate settlementPeriod",
    meaning("quantity", "Imbalance in this direction; unit inferred.", unit=MW),
    meaning("timeFrom", "Start of the interval (included), UTC."),
    meaning("timeTo", "End of the interval (excluded), UTC."),
    key="timeFrom timeTo flowDirection",
    cadence="about every minute to half hour, inferred",
    poll=10,
    atom=240,
    days=1,
    limit=LIMIT_ONE_DAY,
    profiles=("trading",),
    unsure=(*_UNIT_INFERRED, "How often it is published."),
)
PBC = _document(
    "PBC",
    "Procured balancing capacity",
    "Balancing capacity that was procured, with its price.",
    f"timeSeriesId flowDirection psrType quantity procurementPrice {_PERIOD}",
    meaning("quantity", "Procured power; unit inferred."),
    key="settlementDate settlementPeriod psrType flowDirection timeSeriesId",
    cadence="daily, inferred",
    poll=50,
    atom=360,
    days=1,
    limit=LIMIT_ONE_DAY,
    profiles=("trading",),
    unsure=(*_UNIT_INFERRED, "How often it is published."),
)

ENTRIES = (
    ATL,
    AGPT,
    AGWS,
    DATL,
    DAG,
    DGWS,
    WATL,
    MATL,
    YATL,
    YAFM,
    IGCA,
    IGCPU,
    ABUC,
    PPBR,
    FEIB,
    CCM,
    AOBE,
    BEB,
    CBS,
    PBC,
)
