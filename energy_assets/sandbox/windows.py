"""What a request to the Elexon stand-in wants: paths and parameters, read into intervals of the window axis.

Paths and parameters are those of the catalogue, read backwards; what the provider does beyond them (limits, parameters
that may be missing, other ways of naming a window) is written here as the API documents it or was seen to do. Rows and
answers belong to ``elexon``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from energy_assets.calendar import day_bounds_utc, days_between, periods_in_day
from energy_assets.catalogue.model import Dataset
from energy_assets.errors import CalendarError
from energy_assets.sandbox.faults import Fault
from energy_assets.sandbox.rows import DAY, PERIOD, Branch, micros
from energy_assets.sandbox.words import split

WITHOUT_WINDOW = frozenset(
    split(
        "DCI IMBALNGC INDDEM INDGEN INDO ITSDO MELNGC NDF NDFD NDFW OCNMF3Y OCNMF3Y2 OCNMFD OCNMFD2 SYSWARN TEMP TSDF "
        "TSDFD TSDFW UOU2T14D UOU2T3YW WINDFOR FOU2T14D FOU2T3YW NOU2T14D NOU2T3YW NONBM SEL SIL FUELHH FUELINST FREQ"
    )
)
"""Datasets that answer with their latest rows where the window is missing or misspelt; the others answer 404."""

SETTLEMENT_DATES = frozenset({"PN", "QPN", "MDO", "MDB"})
"""Datasets whose ``from`` and ``to`` are settlement dates also without settlement periods."""

PLAIN_BY_PERIOD = frozenset({"PN", "QPN", "B1610", "MDO", "MDB", "TUDM"})
"""Datasets whose plain endpoint takes one settlement period at a time."""

BY_PUBLICATION_TOO = frozenset({"FUELHH", "FUELINST"})
"""Datasets asked by settlement date or, instead, by publication."""

_HOURS = {"BOD": 1, "MELS": 1, "MILS": 1, "UOU2T14D": 4, "LOLPDRM": 12}
_DAYS = {
    1: "FREQ SOSO CBS IMBALNGC INDDEM INDGEN MELNGC NDF PBC TSDF BOALF REMIT NONBM",
    4: "AGPT",
    7: "AGWS AOBE ATL BEB DAG DATL DGWS OCNMF3Y OCNMF3Y2 OCNMFD OCNMFD2 FUELHH FUELINST",
    92: "NDFD TSDFD",
    366: "NDFW TSDFW RZDF RZDR",
    367: "FEIB MATL WATL YATL",
    731: "ABUC CCM IGCA IGCPU INDOD PPBR",
    7305: "YAFM",
}
PLAIN_LIMITS: Mapping[str, timedelta] = {
    **{code: timedelta(hours=hours) for code, hours in _HOURS.items()},
    **{code: timedelta(days=days) for days, codes in _DAYS.items() for code in codes.split()},
}
"""Longest windows of the plain endpoints, as stated or as met; the streams of the same data take more."""

_PUBLISH_BOUNDS = (("publishDateTimeFrom", "{from}"), ("publishDateTimeTo", "{to}"))

Params = tuple[tuple[str, str], ...]
Span = tuple[int, int]
Bound = tuple[str, str]
"""A parameter's name and the value sent."""


class Refused(Exception):  # noqa: N818 - a status of the provider, not an error of ours
    """A request that the provider turns down."""

    def __init__(self, status: int, member: str = "", text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.member = member
        self.text = text


@dataclass(frozen=True)
class Endpoint:
    """One path of the API.

    Attributes:
        dataset: The dataset it serves.
        pattern: The path, with a group for each placeholder.
        params: Window parameters, name to template.
        plain: Whether it is the plain dataset endpoint, which has limits of its own.
        siblings: Further datasets whose values come in the same answer.
    """

    dataset: Dataset
    pattern: re.Pattern[str]
    params: Params
    plain: bool
    siblings: tuple[Dataset, ...] = ()

    @cached_property
    def roles(self) -> dict[str, str]:
        """What each window parameter means, by name."""
        found = {name: re.search(r"\{(\w+)\}", template) for name, template in self.params}
        return {name: match.group(1) for name, match in found.items() if match}

    @cached_property
    def constants(self) -> dict[str, str]:
        """Parameters that are always sent alike."""
        return {name: template for name, template in self.params if "{" not in template}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants: closed intervals of the window axis, or the latest rows up to a moment.

    Attributes:
        spans: Intervals, newest first; ``None`` for the latest rows.
        branch: The branch of the query.
        until: Latest place that counts where ``spans`` is ``None``.
        same: Whether both bounds were given alike.
        publications: The intervals are of publication times although the window axis is another.
    """

    spans: tuple[Span, ...] | None
    branch: Branch = ()
    until: int | None = None
    same: bool = False
    publications: bool = False


def endpoints(entries: Sequence[Dataset]) -> tuple[Endpoint, ...]:
    """Every path of the catalogue, and the plain dataset endpoints beside them."""
    made: dict[tuple[str, Params], Endpoint] = {}
    for dataset in entries:
        path, params = dataset.query.path, dataset.query.params
        key = (path, tuple((name, template) for name, template in params if "{" not in template))
        shared = made.get(key)
        if shared is not None:
            made[key] = replace(shared, siblings=(*shared.siblings, dataset))
        else:
            made[key] = Endpoint(dataset, _pattern(path), params, plain=path == f"/datasets/{dataset.code}")
        plain = _plain(dataset)
        if plain is not None:
            made[f"/datasets/{dataset.code}", ()] = plain
    return tuple(made.values())


def _plain(dataset: Dataset) -> Endpoint | None:
    """The plain endpoint of a dataset that is asked in another way; ``None`` where it has none or is asked so."""
    path = f"/datasets/{dataset.code}"
    if dataset.query.path == path + "/stream":
        return Endpoint(dataset, _pattern(path), dataset.query.params, plain=True)
    if not dataset.query.path.startswith("/datasets/") and dataset.code in WITHOUT_WINDOW | PLAIN_LIMITS.keys():
        return Endpoint(dataset, _pattern(path), _PUBLISH_BOUNDS, plain=True)
    return None


def _pattern(path: str) -> re.Pattern[str]:
    """A path template as a pattern; the provider does not mind case or a slash at the end."""
    pieces = re.split(r"\{(\w+)\}", path)
    text = "".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(pieces))
    return re.compile(text + "/?", re.IGNORECASE)


def read_ask(endpoint: Endpoint, values: Mapping[str, str], params: Params) -> Ask:
    """What a request wants.

    Args:
        endpoint: The endpoint that the path belongs to.
        values: What stands in the path's placeholders.
        params: Query parameters as sent; unknown ones are ignored.

    Raises:
        Refused: 404 where a required parameter is missing, 400 where a value is wrong.
    """
    dataset, given = endpoint.dataset, dict(params)
    branch = tuple(
        (name, _branch_value(endpoint, name, choices, values, given)) for name, choices in dataset.query.branches
    )
    if dataset.check.kind == "none":
        return Ask(None, branch)
    if endpoint.plain and dataset.code in PLAIN_BY_PERIOD:
        return _period_ask(branch, given)
    if _by_publication(endpoint, given):
        low, high = (micros(instant(name, given[name])) for name, _ in _PUBLISH_BOUNDS)
        return Ask((_checked(low, high),), branch, publications=True)
    if "publishDate" in given and dataset.check.column == "publishTime":
        day = _date("publishDate", given["publishDate"])
        return Ask((_days_span(day, day),), branch)
    return _window_ask(endpoint, values, params, branch)


def _by_publication(endpoint: Endpoint, given: Mapping[str, str]) -> bool:
    """Whether a window of publication times is asked of a dataset whose own axis is another."""
    names = {name for name, _ in _PUBLISH_BOUNDS}
    takes = endpoint.dataset.code in BY_PUBLICATION_TOO or names <= endpoint.roles.keys()
    return takes and names <= given.keys() and endpoint.dataset.check.column != "publishTime"


def _branch_value(
    endpoint: Endpoint, name: str, choices: Sequence[str], values: Mapping[str, str], given: Mapping[str, str]
) -> str:
    """The branch that a path or a parameter names."""
    sent = next((given[p] for p, role in endpoint.roles.items() if role == name and p in given), None)
    text = values.get(name) or sent
    if text is None:
        raise Refused(404)
    if text not in choices:
        raise Refused(400, name, f"The value '{text}' is not valid.")
    return text


def _period_ask(branch: Branch, given: Mapping[str, str]) -> Ask:
    if not {"settlementDate", "settlementPeriod"} <= given.keys():
        raise Refused(404)
    day = _date("settlementDate", given["settlementDate"])
    period = _period("settlementPeriod", given["settlementPeriod"])
    return Ask((_periods_span(day, period, day, period),), branch)


def _window_ask(endpoint: Endpoint, values: Mapping[str, str], params: Params, branch: Branch) -> Ask:
    """The window by the roles of the endpoint's own parameters and path."""
    given = dict(params)
    bounds = {role: (name, given[name]) for name, role in endpoint.roles.items() if name in given}
    bounds.update({role: (role, value) for role, value in values.items()})
    if "as_of" in bounds:
        return Ask(None, branch, until=micros(instant(*bounds["as_of"])))
    if "season" in bounds:
        return Ask((_season_span(bounds["season"][1]),), branch)
    low, high = _first(bounds, "from", "date_from", "date"), _first(bounds, "to", "date_to", "date")
    if low is None or high is None:
        return _latest_or_404(endpoint, branch)
    single = {name for name, role in endpoint.roles.items() if role in ("periods", "period")}
    numbers = [_period(name, value) for name, value in params if name in single or name == "settlementPeriod"]
    if "period" in values:
        numbers.append(_period("settlementPeriod", values["period"]))
    return Ask(_spans(endpoint, low, high, given, numbers), branch, same=low[1] == high[1])


def _latest_or_404(endpoint: Endpoint, branch: Branch) -> Ask:
    """What comes without a window."""
    needs = {"from", "to", "date", "date_from", "date_to", "as_of"} & set(endpoint.roles.values())
    if needs and endpoint.dataset.code not in WITHOUT_WINDOW:
        raise Refused(404)
    return Ask(None, branch)


def _first(bounds: Mapping[str, Bound], *roles: str) -> Bound | None:
    return next((bounds[role] for role in roles if role in bounds), None)


def _spans(
    endpoint: Endpoint, low: Bound, high: Bound, given: Mapping[str, str], numbers: Sequence[int]
) -> tuple[Span, ...]:
    """Closed intervals between two bounds, newest first; with single settlement periods, one for each."""
    first = _bound(endpoint, low, given.get("settlementPeriodFrom"), lower=True)
    last = _bound(endpoint, high, given.get("settlementPeriodTo"), lower=False)
    span = _checked(first, last)
    if not numbers:
        return (span,)
    days = days_between(_date(*low), _date(*high))
    spans = [_periods_span(day, number, day, number) for day in days for number in set(numbers)]
    return tuple(sorted((s for s in spans if s[0] <= s[1]), reverse=True))


def _checked(low: int, high: int) -> Span:
    """An interval that does not run backwards; a settlement period that its day does not have is an empty one."""
    if low > high + 1:
        raise Refused(400, "", "The From field must not be later than the To field")
    return low, high


def _bound(endpoint: Endpoint, bound: Bound, period: str | None, *, lower: bool) -> int:
    """One bound as a place on the axis, included.

    ``from`` and ``to`` are settlement dates when a settlement period comes with them, instants otherwise; other
    parameters mean what their role says.
    """
    name, value = bound
    if name in ("from", "to"):
        by_day = endpoint.dataset.code in SETTLEMENT_DATES or period is not None
    else:
        by_day = "date" in endpoint.roles.get(name, name)
    if not by_day:
        return micros(instant(name, value))
    day = _date(name, value)
    number = 1 if lower else 50
    if period is not None:
        number = _period("settlementPeriodFrom" if lower else "settlementPeriodTo", period)
    start, end = _periods_span(day, number, day, number)
    return start if lower else end


def _periods_span(first_day: date, first: int, last_day: date, last: int) -> Span:
    """From the begin of one settlement period to the last moment of another.

    A period that its day does not have lies at the day's end and has no length.
    """
    start = micros(day_bounds_utc(first_day)[0]) + (min(first, periods_in_day(first_day) + 1) - 1) * PERIOD
    end = micros(day_bounds_utc(last_day)[0]) + min(last, periods_in_day(last_day)) * PERIOD
    return start, end - 1


def _days_span(first: date, last: date) -> Span:
    return micros(day_bounds_utc(first)[0]), micros(day_bounds_utc(last)[1]) - 1


def _season_span(text: str) -> Span:
    """The winter that begins in a year: November to February."""
    if not re.fullmatch(r"(19|20)\d\d", text):
        raise Refused(400, "triadSeason", f"The value '{text}' is not valid.")
    year = int(text)
    return _days_span(date(year, 11, 1), date(year + 1, 3, 1) - timedelta(days=1))


def instant(name: str, text: str) -> datetime:
    """A date-time as the provider reads it: a bare date is midnight UTC, no zone means UTC.

    Raises:
        Refused: It is none.
    """
    try:
        # An offset's plus sign that was not encoded arrives as a blank.
        value = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
    except ValueError:
        raise Refused(400, name, f"The value '{text}' is not valid.") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _date(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text[:10])
        day_bounds_utc(day)
    except (ValueError, CalendarError):
        raise Refused(400, name, f"The value '{text}' is not valid.") from None
    return day


def _period(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,2}", text) or not 1 <= int(text) <= 50:
        raise Refused(400, name, "Settlement period must be between 1 and 50.")
    return int(text)


def bent_ask(ask: Ask, faults: Sequence[Fault]) -> Ask:
    """An ask as a confused provider understands it."""
    for fault in faults:
        if fault.kind == "ignore_parameters":
            ask = replace(ask, spans=None, until=None, publications=False)
        elif fault.kind == "wrong_window" and ask.spans is not None:
            away = fault.days * DAY
            ask = replace(ask, spans=tuple((low - away, high - away) for low, high in ask.spans))
        elif fault.kind == "boundary" and ask.spans is not None:
            ask = replace(ask, spans=tuple((low, high + 1) for low, high in ask.spans))
    return ask


def check_limit(endpoint: Endpoint, ask: Ask, params: Params, faults: Sequence[Fault]) -> None:
    """Refuse a window that is longer than the endpoint takes.

    Raises:
        Refused: With the provider's sentence, which names the limit.
    """
    limits = [timedelta(minutes=fault.minutes) for fault in faults if fault.kind == "small_limit"]
    own = PLAIN_LIMITS.get(endpoint.dataset.code) if endpoint.plain else _told_limit(endpoint.dataset)
    limits.extend([own] if own else [])
    if not limits or not ask.spans:
        return
    limit = min(limits)
    length = timedelta(microseconds=ask.spans[0][1] - ask.spans[-1][0])
    by_day = "date_from" in endpoint.roles.values() and limit >= timedelta(days=1)
    # Days are counted as days: one of them may have 25 hours.
    if length > limit + timedelta(hours=1 if by_day else 0):
        names = [name for name in dict(params) if name in endpoint.roles]
        first, last = (name[:1].upper() + name[1:] for name in (names[:2] if len(names) > 1 else ("from", "to")))
        raise Refused(400, "", f"The date range between {first} and {last} inclusive must not exceed {_spoken(limit)}")


def _told_limit(dataset: Dataset) -> timedelta | None:
    """The limit that an entry states for the very endpoint that it uses."""
    told = dataset.query.limit
    match = re.match(r"(\d+) (minute|hour|day)s?\b", told)
    if match is None or any(word in told for word in ("plain", "view", "stream")):
        return None
    return timedelta(**{match.group(2) + "s": int(match.group(1))})


def _spoken(limit: timedelta) -> str:
    """A limit in the provider's words."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if limit >= size and limit % size == timedelta(0):
            number = limit // size
            return f"{number} {unit}" + ("" if number == 1 else "s")
    return f"{limit.total_seconds():g} seconds"
