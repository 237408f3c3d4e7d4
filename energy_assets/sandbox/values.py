"""Values for the coordinates of a frame, as JSON texts, chosen by field name, unit and type.

One generator per kind of field; none knows a dataset. Layout of rows belongs to ``frame``, requests to ``elexon``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from energy_assets.catalogue.model import Dataset, Field
from energy_assets.sandbox.frame import AHEAD, FACTS_A_DAY, Frame, Ints, day_number, period_number, seed_of
from energy_assets.sandbox.rows import HOUR, MINUTE, PERIOD, Micros, instant_of
from energy_assets.sandbox.shape import RUN_COLUMN, WEEKS, YEARS, Shape, shape_of
from energy_assets.sandbox.words import FUELS, MONTHS, RUNS, UNIT_COLUMNS, UNITS, WORDS, elexon_unit, neso_unit, split

Floats = npt.NDArray[np.float64]
Texts = list[str]

WITHOUT_ZONE = frozenset({"halfHourEndTime", "endTime", "fileCreationTime", "submissionDateTime"})
"""Instants that the provider sends in UTC without saying so."""

ROW_TAGS = {"LOLPDRM": "LOLPDM"}
"""Datasets whose rows carry another name than their path."""

_STARTS = frozenset(split("startTime timeFrom time measurementTime settlementPeriodStartDateTime eventStartTime"))
_ENDS = frozenset(split("timeTo endTime halfHourEndTime settlementPeriodEndDateTime eventEndTime"))

_SAME = {"systemBuyPrice": "systemSellPrice", "finalPrice": "originalPrice"}
"""Columns that carry the same value as another."""

_NULLS = 1 / 48
"""Share of null values in a column that may be null and is no key."""

_SENTINELS = 1 / 64
"""Share of rows whose value is a code where the field has such codes."""

_RANGES = {
    "MW": (0.0, 900.0),
    "MWh": (-120.0, 400.0),
    "GBP": (-2000.0, 9000.0),
    "factor": (0.98, 1.02),
}
_PLAIN = (0.0, 100.0)
_NAMED_RANGES = (
    ("frequency", (49.8, 50.2)),
    ("temperature", (-4.0, 28.0)),
    ("probability", (0.0, 0.05)),
    ("transmissionsystemdemand", (19_000.0, 44_000.0)),
    ("demandoutturn", (18_000.0, 42_000.0)),
)
"""Ranges by a part of the field's name, where the unit says too little."""


def texts_of(dataset: Dataset, frame: Frame, names: Sequence[str]) -> list[Texts]:
    """One list of JSON texts per named column, each as long as the frame."""
    shape = shape_of(dataset)
    return [_texts(dataset, shape, frame, dataset.table.by_name[name]) for name in names]


def _texts(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    made = _MAKERS[field.type](dataset, shape, frame, field)
    if field.nullable and field.type in ("text", "number") and field.name not in _never_null(dataset):
        lacking = _shares(frame, field.name) < _NULLS
        absent = _no_data(shape, frame) if field.type == "number" else None
        for row in np.flatnonzero(lacking if absent is None else lacking & ~absent).tolist():
            made[row] = "null"
    return made


def _never_null(dataset: Dataset) -> frozenset[str]:
    """Columns that place or name a row; unit columns know their own nulls."""
    table = dataset.table
    placed = {table.storage.column, dataset.check.column, dataset.check.period_column, table.publish_column, "dataset"}
    ordered = {order.column for order in table.latest_order}
    return frozenset(name for name in (*placed, *ordered, *table.natural_key, *UNIT_COLUMNS) if name)


def _shares(frame: Frame, name: str) -> Floats:
    """A uniform number in [0, 1) for each row, of its own for each column."""
    name = _SAME.get(name, name)
    return (frame.draw * 7919.0 + seed_of(name) % 9973 / 9973.0) % 1.0


def _digit(shape: Shape, frame: Frame, name: str) -> Ints:
    """Which word of a key column each row's entity stands for."""
    below = 1
    for dim, size in shape.dims:
        if dim == name:
            return frame.entity // below % size
        below *= size
    return (frame.entity + frame.anchor) // below


def _unit_numbers(shape: Shape, frame: Frame) -> Ints:
    return _digit(shape, frame, "unit") % UNITS


def _coded(codes: Ints, text: Callable[[int], str | None]) -> Texts:
    """JSON of a function of small numbers, worked out once for each number."""
    seen, place = np.unique(codes, return_inverse=True)
    known = [json.dumps(text(int(code))) for code in seen.tolist()]
    return [known[i] for i in place.tolist()]


def _text(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    name = field.name
    if name == "dataset":
        return [json.dumps(ROW_TAGS.get(dataset.code, dataset.code))] * len(frame)
    if name in UNIT_COLUMNS or name == "id":
        elexon = name in ("bmUnit", "elexonBmUnit", "id")
        named = elexon_unit if elexon and _may_lack_id(dataset, name) else neso_unit
        return _coded(_unit_numbers(shape, frame), named)
    if name in ("month", "forecastMonth"):
        return _coded(_target_dates(frame, lambda d: d.month - 1), MONTHS.__getitem__)
    if name == RUN_COLUMN and name not in dict(shape.dims):
        return _coded(np.minimum(frame.level, len(RUNS) - 1), RUNS.__getitem__)
    if name == "amendmentFlag":
        return _coded((frame.level > 0).astype(np.int64), ("ORI", "UPD").__getitem__)
    if name == "value":
        return _coded(frame.entity, _listed(field))
    if name in ("affectedUnit", "assetId", "affectedUnitEIC"):
        return _coded(
            (_shares(frame, "affectedUnit") * UNITS).astype(np.int64), elexon_unit if name == "assetId" else neso_unit
        )
    if name in shape.serials:
        return _coded(frame.serial, _serial(dataset, name))
    if name in WORDS:
        words = WORDS[name]
        dims = dict(shape.dims)
        codes = _digit(shape, frame, name) if name in dims else (_shares(frame, name) * len(words)).astype(np.int64)
        return _coded(codes, lambda code: words[code % len(words)])
    if name.lower().endswith("id") or "number" in name.lower():
        return _coded(frame.serial // max(1, len(np.unique(frame.entity))), _serial(dataset, name))
    return _coded((_shares(frame, name) * 4).astype(np.int64), lambda code: f"{name} {code + 1}")


def _may_lack_id(dataset: Dataset, name: str) -> bool:
    """Whether a null is allowed in a unit column: another one must then name the unit."""
    table = dataset.table
    others = (UNIT_COLUMNS - {name}) & table.by_name.keys()
    named = name not in table.natural_key or name in dict(table.key_fallback) or bool(others & set(table.natural_key))
    return table.by_name[name].nullable and bool(others) and named


def _listed(field: Field) -> Callable[[int], str]:
    """The plain values of a register, by what its field says they are."""
    meaning = field.meaning.lower()
    if "fuel" in meaning:
        return lambda number: FUELS[number % len(FUELS)]
    if "participant" in meaning:
        return lambda number: f"SYNPARTY{number + 1:03d}"
    return neso_unit


def _serial(dataset: Dataset, name: str) -> Callable[[int], str]:
    return lambda number: f"SYN-{dataset.code}-{name.upper()[:3]}-{number:011d}"


def _target_dates(frame: Frame, part: Callable[[date], int]) -> Ints:
    """A part of each row's settlement day."""
    seen, place = np.unique(day_number(frame.start), return_inverse=True)
    parts = [part(_date(int(number))) for number in seen.tolist()]
    return np.array(parts, dtype=np.int64)[place]


def _date(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def _dates(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    numbers = day_number(frame.start)
    if field.name in ("forecastWeekCommencingDate", "weekStartDate"):
        numbers = numbers - (numbers + 3) % 7
    return _coded(numbers, lambda number: _date(number).isoformat())


def _instants(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    zone = "" if field.name in WITHOUT_ZONE else "Z"
    return _coded(
        _moments(dataset, frame, field.name) // 1000, lambda ms: f"{instant_of(ms * 1000):%Y-%m-%dT%H:%M:%S}{zone}"
    )


def _moments(dataset: Dataset, frame: Frame, name: str) -> Micros:
    """The instant that a field means, by its name."""
    if name == dataset.check.column and dataset.check.kind == "instant":
        return frame.at
    if name == "createdTime" and dataset.check.column == "publishTime":
        return frame.publish - 3 * MINUTE
    if name == dataset.table.publish_column:
        return frame.publish
    if name in _STARTS:
        return frame.start
    if name in _ENDS:
        return frame.end
    if name in AHEAD:
        return frame.start - AHEAD[name]
    return frame.publish // PERIOD * PERIOD if name == "publishingPeriodCommencingTime" else frame.publish


def _integers(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    if field.name in YEARS:
        return _plain(_years(dataset, frame))
    made = _KNOWN_INTEGERS.get(field.name)
    numbers = made(frame) if made else _measured(dataset, shape, frame, field).round().astype(np.int64)
    return _plain(numbers)


def _plain(numbers: Ints) -> Texts:
    return list(map(str, numbers.tolist()))


def _week(frame: Frame) -> Ints:
    return _target_dates(frame, lambda d: d.isocalendar().week)


def _years(dataset: Dataset, frame: Frame) -> Ints:
    """The calendar year; where the row also has a week, the year that the week belongs to."""
    if WEEKS & dataset.table.by_name.keys():
        return _target_dates(frame, lambda d: d.isocalendar().year)
    return _target_dates(frame, lambda d: d.year)


def _pairs(frame: Frame) -> Ints:
    return np.where(frame.member % 2 == 0, -1, 1) * (frame.member // 2 + 1)


def _acceptances(frame: Frame) -> Ints:
    """Numbers that go on from day to day: a unit does not use one again for months."""
    return frame.serial // FACTS_A_DAY % 100 * 100_000 + frame.serial % FACTS_A_DAY % 100_000 + 1


_KNOWN_INTEGERS: dict[str, Callable[[Frame], Ints]] = {
    "settlementPeriod": lambda f: period_number(f.start),
    "settlementPeriodFrom": lambda f: period_number(f.start),
    "settlementPeriodTo": lambda f: period_number(f.end - 1),
    "enteredDefaultSettlementPeriod": lambda f: period_number(f.start),
    "clearedDefaultSettlementPeriod": lambda f: period_number(f.end),
    "week": _week,
    "calendarWeekNumber": _week,
    "forecastWeek": _week,
    "pairId": _pairs,
    "bidOfferPairId": _pairs,
    "sequenceNumber": lambda f: f.member + 1,
    "id": lambda f: f.member + 1,
    "revisionNumber": lambda f: f.member + 1,
    "documentRevisionNumber": lambda f: f.member + 1,
    "acceptanceNumber": _acceptances,
    "acceptanceId": _acceptances,
    "notificationSequence": lambda f: f.serial % 100_000_000 + f.level,
    "runNumber": lambda f: f.level + 1,
    "creditDefaultLevel": lambda f: f.member + 1,
    "instructionSequence": lambda f: f.member + 1,
    "settlementPeriodDuration": lambda f: np.full(len(f), 30),
}


def _measured(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Floats:
    """A plausible measurement: inside the entry's bounds, negative where the quantity can be, moved by revisions."""
    low, high = _range(field)
    made = low + (high - low) * _shares(frame, field.name)
    if field.unit == "GBP/MWh":
        # Prices gather around a middle and are negative about one time in ten.
        made = np.clip(70.0 + 200.0 * (_shares(frame, field.name) - 0.42) ** 3 * 8, low, high)
    if field.name == "generation" and "fuelType" in dataset.table.by_name:
        made = np.where(_may_pump(shape, frame), made - (high - low) / 2, made)
    # A revision always moves the value, and never out of its bounds.
    moved = frame.level * min(1.25, (high - low) / 64)
    made = np.where(made + moved > high, made - moved, made + moved)
    absent = _no_data(shape, frame) if field.type == "number" else None
    if absent is not None:
        made = np.where(absent, 0.0, made)
    if field.sentinels:
        chosen = (_shares(frame, field.name + "!") * len(field.sentinels)).astype(np.int64)
        coded = np.array(field.sentinels)[chosen]
        made = np.where(_shares(frame, field.name + "?") < _SENTINELS, coded, made)
    return np.asarray(made, dtype=np.float64)


def _range(field: Field) -> tuple[float, float]:
    """Bounds of synthetic values: those of the unit, narrowed by the entry's."""
    low, high = (-80.0, 260.0) if field.unit == "GBP/MWh" else _RANGES.get(field.unit or "", _PLAIN)
    low, high = next((bounds for part, bounds in _NAMED_RANGES if part in field.name.lower()), (low, high))
    if field.name == "demand" and field.unit == "MW":
        low, high = 18_000.0, 42_000.0
    if field.low is not None:
        low = max(low, field.low)
    if field.high is not None:
        high = min(high, field.high)
    if low >= high:
        low, high = (field.low or 0.0), (field.high if field.high is not None else (field.low or 0.0) + 1.0)
    return low, high


def _may_pump(shape: Shape, frame: Frame) -> npt.NDArray[np.bool_]:
    """Rows of interconnectors and pumped storage, whose power runs both ways."""
    words = WORDS["fuelType"]
    both_ways = np.array([word == "PS" or word.startswith("INT") for word in words])
    return both_ways[_digit(shape, frame, "fuelType") % len(words)]


def _no_data(shape: Shape, frame: Frame) -> npt.NDArray[np.bool_] | None:
    """Rows that stand for the absence of data: an exchange without trades, a period without actions."""
    if "dataProvider" in dict(shape.dims):
        return np.asarray(_digit(shape, frame, "dataProvider") % 2 == 1)
    if shape.members == "actions":
        return idle(frame)
    return None


def idle(frame: Frame) -> npt.NDArray[np.bool_]:
    """Periods without adjustment actions, told by one dummy row; a revision brings actions."""
    return np.asarray((frame.members == 1) & (frame.level == 0))


def _numbers(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    made = _measured(dataset, shape, frame, field)
    if field.unit == "MW" and field.name != "quantity":
        texts = _plain(made.round().astype(np.int64))
    elif field.unit == "MWh" and dataset.table.publish_column == "createdDateTime":
        # Calculated volumes come with every digit of a double.
        texts = list(map(repr, made.tolist()))
    else:
        texts = list(map(repr, made.round(3).tolist()))
    # Registers send their numbers as text.
    return [f'"{text}"' for text in texts] if dataset.check.kind == "none" else texts


def _booleans(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    return ["true" if share < 0.3 else "false" for share in _shares(frame, field.name).tolist()]


def _nested(dataset: Dataset, shape: Shape, frame: Frame, field: Field) -> Texts:
    shares = _shares(frame, field.name).round(4).tolist()
    if "profile" in field.name.lower():
        return [
            json.dumps(_profile(a, b, round(300 * share)), separators=(",", ":"))
            for a, b, share in zip(frame.start.tolist(), frame.end.tolist(), shares, strict=True)
        ]
    sides = ("negative", "positive")
    return [
        json.dumps(
            {f"{side}{n}": round(40 * share, 3) if n == 1 else None for n in range(1, 7) for side in sides},
            separators=(",", ":"),
        )
        for share in shares
    ]


def _profile(start: int, end: int, capacity: int) -> list[dict[str, object]]:
    """Two steps of available capacity."""
    middle = start + (end - start) // (2 * HOUR) * HOUR
    cuts = [f"{instant_of(cut):%Y-%m-%dT%H:%M:%S.000Z}" for cut in (start, middle, end)]
    return [
        {"startTime": cuts[0], "endTime": cuts[1], "capacity": capacity},
        {"startTime": cuts[1], "endTime": cuts[2], "capacity": capacity // 2},
    ]


_MAKERS: dict[str, Callable[[Dataset, Shape, Frame, Field], Texts]] = {
    "text": _text,
    "integer": _integers,
    "number": _numbers,
    "boolean": _booleans,
    "date": _dates,
    "instant": _instants,
    "json": _nested,
}
