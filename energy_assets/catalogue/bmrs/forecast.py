"""Forecasts of demand, generation, availability and margin: every publication is kept."""

from __future__ import annotations

from datetime import date, timedelta

from energy_assets.catalogue.bmrs.build import (
    BY_NESO_UNIT,
    DAY,
    LIMIT_ONE_DAY,
    NEXT_DAY,
    UNSURE_BEGIN,
    entry,
    instant_query,
    order,
    publication_day,
    publish_query,
    published,
    vintage,
)
from energy_assets.catalogue.fields import MW, fields, meaning
from energy_assets.catalogue.model import Dataset, Field, Lag, Profile, Proof, Query, Standing, Timing, WindowCheck

GROUP = "forecast"


def _day_ahead(
    code: str, title: str, description: str, value: Field, *, zones: int = 18, profiles: tuple[Profile, ...] = ()
) -> Dataset:
    """Half-hourly points of today and tomorrow, restated about every half hour: 54 points in every zone."""
    one_zone = zones == 1
    return vintage(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(f"dataset {value.name} publishTime startTime settlementDate settlementPeriod boundary", value),
        key="settlementDate settlementPeriod boundary",
        query=publish_query(code, atom=DAY // 4 if one_zone else DAY // 6, most=DAY, limit=LIMIT_ONE_DAY),
        timing=published("about every 30 minutes, documented as daily", "learned", poll=10, per_day=48),
        profiles=("forecast", *profiles),
        rows_per_day=54 * 48 * zones,
        proof="recorded",
        notes=("Only the national boundary is published.",) if one_zone else ("18 boundaries: N and B1 to B17.",),
        unsure=(UNSURE_BEGIN,),
        legacy="FORDAYDEM" if value.name in ("demand", "generation") else "MELIMBALNGC",
    )


NDF = _day_ahead(
    "NDF",
    "National demand forecast, day ahead",
    "Forecast of national demand for today and tomorrow.",
    meaning("demand", "Mean over the half hour."),
    zones=1,
    profiles=("core", "battery", "trading"),
)
TSDF = _day_ahead(
    "TSDF",
    "Transmission system demand forecast, day ahead",
    "Forecast of demand on the transmission system for today and tomorrow, by zone.",
    meaning("demand", "Mean over the half hour."),
    profiles=("trading",),
)
INDDEM = _day_ahead(
    "INDDEM",
    "Indicated demand",
    "Demand that the units' notifications add up to for today and tomorrow, by zone.",
    meaning("demand", "Sum of the notified demand, negative."),
)
INDGEN = _day_ahead(
    "INDGEN",
    "Indicated generation",
    "Generation that the units' notifications add up to for today and tomorrow, by zone.",
    meaning("generation", "Sum of the notified generation, positive."),
)
IMBALNGC = _day_ahead(
    "IMBALNGC",
    "Indicated imbalance",
    "Indicated generation against the demand forecast for today and tomorrow, by zone.",
    meaning("imbalance", "Indicated generation less forecast demand."),
    profiles=("trading",),
)
MELNGC = _day_ahead(
    "MELNGC",
    "Indicated margin",
    "What the units' export limits leave above the demand forecast for today and tomorrow, by zone.",
    meaning("margin", "Sum of export limits less forecast demand."),
    profiles=("trading",),
)

WINDFOR = vintage(
    "WINDFOR",
    "Wind generation forecast",
    "Forecast of total wind generation at hourly points.",
    group=GROUP,
    fields=fields(
        "dataset publishTime startTime generation", meaning("generation", "Forecast at startTime; points are hourly.")
    ),
    key="startTime",
    query=publish_query("WINDFOR", atom=DAY, most=31 * DAY),
    timing=published("8 times a day: 03:30 05:30 08:30 10:30 12:30 16:30 19:30 23:30", "stated", poll=10, per_day=8),
    profiles=("core", "battery", "trading", "forecast"),
    rows_per_day=584,
    proof="recorded",
    notes=("An issue also holds hours before its publication.", "It has no settlement columns."),
    unsure=("The zone of the stated times; those seen agree with UTC.", UNSURE_BEGIN),
    legacy="WINDFORFUELHH, WINDFORPK",
)

LOLPDRM = vintage(
    "LOLPDRM",
    "Loss of load probability",
    "Forecast probability that demand is not met, and the derated margin behind it.",
    group=GROUP,
    fields=fields(
        "dataset publishTime publishingPeriodCommencingTime startTime settlementDate settlementPeriod "
        "lossOfLoadProbability deratedMargin"
    ),
    key="settlementDate settlementPeriod",
    query=publish_query("LOLPDRM", atom=DAY // 6, most=DAY // 2, limit="12 hours, met"),
    timing=published("every 30 minutes", "stated", poll=10, per_day=48),
    profiles=("battery", "trading", "forecast"),
    iris="LOLPDM",
    proof="recorded",
    notes=("Rows and IRIS call it LOLPDM.",),
    unsure=(UNSURE_BEGIN,),
)


def _by_date(
    code: str,
    title: str,
    description: str,
    value: str,
    *,
    cadence: str,
    per_day: int,
    days: int,
    limit: str,
    proof: Proof = "specified",
) -> Dataset:
    """Thirteen days, from the second to the fourteenth ahead, restated with every publication."""
    return vintage(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(f"dataset publishTime forecastDate {value}", *_demand_peak(value)),
        key="forecastDate",
        query=publish_query(code, atom=DAY, most=days * DAY, limit=limit),
        timing=published(cadence, "stated", poll=120 if per_day == 1 else 50, per_day=per_day),
        rows_per_day=13 * per_day,
        proof=proof,
        unsure=(UNSURE_BEGIN,),
        legacy="DEMMF2T14D",
    )


def _by_week(
    code: str,
    title: str,
    description: str,
    value: str,
    *,
    cadence: str,
    per_day: int | None,
    days: int,
    limit: str,
    legacy: str,
) -> Dataset:
    """Weeks named by year and number, restated with every publication."""
    weekly = per_day is None
    return vintage(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(f"dataset publishTime year week {value}", *_demand_peak(value)),
        key="year week",
        query=publish_query(code, atom=DAY, most=days * DAY, limit=limit),
        timing=published(cadence, "stated", poll=120 if weekly else 50, per_day=per_day),
        empty="silent" if weekly else "suspect",
        rows_per_day=None if per_day is None else 155 * per_day,
        notes=("A row names its week by year and number only.",),
        unsure=(UNSURE_BEGIN,),
        legacy=legacy,
    )


def _demand_peak(value: str) -> tuple[Field, ...]:
    return (meaning("demand", "Highest half-hourly mean of the day or week."),) if value == "demand" else ()


_92_DAYS = "92 days, stated for the plain endpoint"
_366_DAYS = "366 days, stated for the plain endpoint"
_7_DAYS = "7 days, stated for the plain endpoint"
_THURSDAY = "weekly, Thursdays from 16:00"

NDFD = _by_date(
    "NDFD",
    "National demand forecast, 2 to 14 days",
    "Forecast of the daily peak of national demand.",
    "demand",
    cadence="daily",
    per_day=1,
    days=91,
    limit=_92_DAYS,
    proof="recorded",
)
TSDFD = _by_date(
    "TSDFD",
    "Transmission system demand forecast, 2 to 14 days",
    "Forecast of the daily peak of demand on the transmission system.",
    "demand",
    cadence="daily",
    per_day=1,
    days=91,
    limit=_92_DAYS,
    proof="recorded",
)
OCNMFD = _by_date(
    "OCNMFD",
    "Generation surplus, 2 to 14 days",
    "Forecast of generation beyond demand and reserve, by day.",
    "surplus",
    cadence="hourly",
    per_day=24,
    days=6,
    limit=_7_DAYS,
)
OCNMFD2 = _by_date(
    "OCNMFD2",
    "Generation margin, 2 to 14 days",
    "Forecast of generation beyond demand, by day.",
    "margin",
    cadence="hourly",
    per_day=24,
    days=6,
    limit=_7_DAYS,
)
NDFW = _by_week(
    "NDFW",
    "National demand forecast, 2 to 52 weeks",
    "Forecast of the weekly peak of national demand.",
    "demand",
    cadence=_THURSDAY,
    per_day=None,
    days=365,
    limit=_366_DAYS,
    legacy="DEMMF2T52W",
)
TSDFW = _by_week(
    "TSDFW",
    "Transmission system demand forecast, 2 to 52 weeks",
    "Forecast of the weekly peak of demand on the transmission system.",
    "demand",
    cadence=_THURSDAY,
    per_day=None,
    days=365,
    limit=_366_DAYS,
    legacy="DEMMF2T52W",
)
OCNMF3Y = _by_week(
    "OCNMF3Y",
    "Generation surplus, 2 to 156 weeks",
    "Forecast of generation beyond demand and reserve, by week.",
    "surplus",
    cadence="hourly",
    per_day=24,
    days=6,
    limit=_7_DAYS,
    legacy="OCNMF3Y",
)
OCNMF3Y2 = _by_week(
    "OCNMF3Y2",
    "Generation margin, 2 to 156 weeks",
    "Forecast of generation beyond demand, by week.",
    "margin",
    cadence="hourly",
    per_day=24,
    days=6,
    limit=_7_DAYS,
    legacy="OCNMF3Y2",
)


def _history_view(code: str, title: str, description: str, path: str, value: str) -> Dataset:
    """No dataset endpoint: a view tells the forecast as it stood at a time, asked for the end of every day.

    The newest publication at the end of a day is at most a week old, two weeks when one is left out over a holiday. The
    lower tolerance holds that; an answer with the latest data instead of the asked-for would lie above the window.
    """
    return entry(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(f"publishTime {value} week year weekStartDate"),
        key="year week",
        versions="publishTime",
        latest=order("publishTime"),
        published="publishTime",
        storage=publication_day(),
        query=Query(
            path, (("publishTime", "{as_of}"), ("range", "52W")), unit="day", atom=1, most=1, limit="one publication"
        ),
        check=WindowCheck(
            "instant",
            "publishTime",
            before=timedelta(days=15),
            reason="The view answers with the newest publication at that time, which may be a week old or two.",
        ),
        revision="vintage",
        timing=published("weekly", "unknown", poll=120),
        profiles=("forecast",),
        empty="silent",
        may_repeat=True,
        rows_per_day=None,
        iris=code,
        notes=(
            "Days between two publications return the earlier one again.",
            "The longer range is a dataset of its own.",
        ),
        unsure=(
            "That the view answers with the newest publication before the time asked for, not only at its exact time.",
            "Of two publications on one day only the later is seen.",
            UNSURE_BEGIN,
        ),
        legacy="DEMMF2T52W",
    )


OCNMFW = _history_view(
    "OCNMFW",
    "Generation surplus, 2 to 52 weeks",
    "Forecast of generation beyond demand and reserve, by week, one year ahead.",
    "/forecast/surplus/weekly/history",
    "surplus",
)
OCNMFW2 = _history_view(
    "OCNMFW2",
    "Generation margin, 2 to 52 weeks",
    "Forecast of generation beyond demand, by week, one year ahead.",
    "/forecast/margin/weekly/history",
    "margin",
)


def _availability(
    code: str,
    title: str,
    description: str,
    columns: str,
    *,
    key: str,
    atom: int,
    most: int,
    stream: bool = False,
    limit: str = "none known",
    fallback: tuple[tuple[str, str], ...] = (),
    heavy: bool = False,
    rows_per_day: int,
    profiles: tuple[Profile, ...] = ("forecast", "trading"),
    standing: Standing = "unknown",
    per_day: int | None = 24,
    rereads: tuple[Lag, ...] = NEXT_DAY,
    proof: Proof = "specified",
    notes: tuple[str, ...] = (),
    unsure: tuple[str, ...] = (),
    legacy: str | None = None,
) -> Dataset:
    """Output that can be used, restated about every hour."""
    return vintage(
        code,
        title,
        description,
        group=GROUP,
        fields=fields(columns),
        key=key,
        fallback=fallback,
        query=publish_query(code, atom=atom, most=most, limit=limit, stream=stream),
        timing=published("about hourly", standing, poll=50, per_day=per_day, rereads=rereads),
        heavy=heavy,
        # An hour may fall between two hourly publications; a missing one shows in the number of publications a day.
        empty="silent" if atom <= 60 else "suspect",
        profiles=profiles,
        rows_per_day=rows_per_day,
        proof=proof,
        notes=notes,
        unsure=(*unsure, UNSURE_BEGIN),
        legacy=legacy,
    )


_BY_FUEL_NOTE = ("Zone and name are null for fuels; interconnector tells the two kinds apart.", "There is no stream.")

FOU2T14D = _availability(
    "FOU2T14D",
    "Availability by fuel, 2 to 14 days",
    "Output expected to be available, by fuel and interconnector and day.",
    "dataset fuelType publishTime systemZone forecastDate forecastDateTimezone outputUsable biddingZone "
    "interconnectorName interconnector",
    key="forecastDate fuelType",
    atom=DAY // 6,
    most=DAY,
    rows_per_day=6_000,
    standing="learned",
    proof="recorded",
    notes=_BY_FUEL_NOTE,
)
FOU2T3YW = _availability(
    "FOU2T3YW",
    "Availability by fuel, 2 to 156 weeks",
    "Output expected to be available, by fuel and interconnector and week.",
    "dataset fuelType publishTime systemZone calendarWeekNumber year outputUsable biddingZone interconnectorName "
    "interconnector",
    key="year calendarWeekNumber fuelType",
    atom=DAY // 6,
    most=DAY,
    rows_per_day=72_000,
    notes=_BY_FUEL_NOTE,
    unsure=("How often it is published.",),
    legacy="FOU2T52W",
)
NOU2T14D = _availability(
    "NOU2T14D",
    "National availability, 2 to 14 days",
    "Output expected to be available in the nation, by day.",
    "dataset publishTime systemZone forecastDate forecastDateTimezone outputUsable",
    key="forecastDate",
    atom=DAY // 4,
    most=DAY * 7,
    rows_per_day=312,
    notes=("There is no stream.",),
    unsure=("How often it is published.",),
)
NOU2T3YW = _availability(
    "NOU2T3YW",
    "National availability, 2 to 156 weeks",
    "Output expected to be available in the nation, by week.",
    "dataset publishTime systemZone calendarWeekNumber year outputUsable",
    key="year calendarWeekNumber",
    atom=DAY // 4,
    most=DAY * 7,
    rows_per_day=3_700,
    notes=("There is no stream.",),
    unsure=("How often it is published.",),
    legacy="NOU2T52W",
)
UOU2T14D = _availability(
    "UOU2T14D",
    "Availability by unit, 2 to 14 days",
    "Output expected to be available, by BM unit and day.",
    "dataset fuelType nationalGridBmUnit bmUnit publishTime forecastDate outputUsable",
    key="forecastDate nationalGridBmUnit",
    fallback=BY_NESO_UNIT,
    stream=True,
    atom=DAY // 12,
    most=DAY // 6,
    limit="4 hours, met by others",
    heavy=True,
    rows_per_day=216_000,
    standing="learned",
    rereads=(),
    proof="recorded",
    notes=("About 81 units have no Elexon id.",),
)
UOU2T3YW = _availability(
    "UOU2T3YW",
    "Availability by unit, 2 to 156 weeks",
    "Output expected to be available, by BM unit and week.",
    "dataset fuelType nationalGridBmUnit bmUnit publishTime week year outputUsable",
    key="year week nationalGridBmUnit",
    fallback=BY_NESO_UNIT,
    stream=True,
    atom=60,
    most=60,
    limit="100 requests a minute, stated; an hour is about 92,000 rows, 13 MB",
    heavy=True,
    profiles=("forecast",),
    rows_per_day=2_200_000,
    standing="learned",
    rereads=(),
    notes=("The heaviest dataset: about 300 MB a day.",),
    legacy="UOU2T52W",
)

_RESTORATION = (
    "dataset submissionDateTime publishTime settlementDate region gspGroupId forecastDemand60 forecastDemand100"
)

RZDF = entry(
    "RZDF",
    "Restoration demand forecast",
    "Forecast peak demand of every restoration region, at 60 % and full restoration.",
    group=GROUP,
    fields=fields(_RESTORATION),
    key="settlementDate region gspGroupId",
    versions="submissionDateTime publishTime",
    latest=order("submissionDateTime", "publishTime"),
    published="publishTime",
    storage=publication_day("submissionDateTime", "The endpoint selects by submission, and it is in the key."),
    query=instant_query(
        "/datasets/RZDF/stream",
        "submissionDateTimeFrom",
        "submissionDateTimeTo",
        atom=DAY,
        most=30 * DAY,
        limit="12 months, stated for the plain endpoint",
    ),
    check=WindowCheck("instant", "submissionDateTime"),
    revision="vintage",
    timing=Timing("about daily", "unknown", settled=Lag(minutes=DAY), poll_minutes=120, rereads=NEXT_DAY),
    profiles=("forecast",),
    empty="silent",
    begins=date(2024, 8, 1),
    notes=("Times come without a zone and are taken as UTC.", "Not on IRIS."),
    unsure=(f"Units ({MW} is inferred) and the zone of the times.", "How often it is submitted.", UNSURE_BEGIN),
)

ENTRIES = (
    NDF,
    TSDF,
    INDDEM,
    INDGEN,
    IMBALNGC,
    MELNGC,
    WINDFOR,
    LOLPDRM,
    NDFD,
    TSDFD,
    OCNMFD,
    OCNMFD2,
    NDFW,
    TSDFW,
    OCNMFW,
    OCNMFW2,
    OCNMF3Y,
    OCNMF3Y2,
    FOU2T14D,
    FOU2T3YW,
    NOU2T14D,
    NOU2T3YW,
    UOU2T14D,
    UOU2T3YW,
    RZDF,
)
