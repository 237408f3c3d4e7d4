"""The evaluators: what is held of a dataset, its catalogue entry and the time go in, a finding comes out.

Pure. Which checks make sense for a dataset is in ``specs``, what is expected of a day in ``expected``; the rest of the
package calls ``evaluate``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median

from energy_assets import calendar
from energy_assets.checks.expected import due_count, due_instant, expectation, rhythm, scaled, settled
from energy_assets.checks.facts import HISTORY, ColumnFacts, DayFacts
from energy_assets.checks.held import Held, ask_again, failed, passed, some
from energy_assets.checks.model import CheckSpec, Finding, Severity
from energy_assets.checks.specs import (
    BOUNDS,
    EXPECTED_PERIODS,
    FRESHNESS,
    IN_WINDOW,
    NULL_RULES,
    QUARANTINE,
    RECEIPTS_AGAINST_ROWS,
    RECONCILIATION,
    REPEATED_SAMPLE,
    ROW_COUNT,
    SCHEMA_DRIFT,
    UNIQUE_KEY,
    specs_for,
)
from energy_assets.tracking.status import event_column

BAD_SHARE = 0.01
"""Share of quarantined rows from which it is an error: the same at which a window is refused."""

SAME_WEEKDAY = 4
"""Days of the same weekday that make a history by themselves."""

SAME_KIND = 5
"""Days of the same kind, working week or weekend, that make one otherwise."""

DEVIATIONS = 6.0
"""Median absolute deviations, as standard deviations, beyond which a count is unusual."""

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of normally spread counts is this much smaller than their standard deviation."""

UNUSUAL_SHARE = 0.3
"""Least difference from the median that is unusual, where the history hardly varies."""

UNUSUAL_ROWS = 10
"""The same in rows, for datasets that hold few."""

VERY_LATE = timedelta(hours=6)
"""Lateness beyond two publications from which it is an error: no provider catches up within the hour any more."""

TAG = "dataset"
"""Column with the dataset's own code: some endpoints leave it out, and nobody needs it."""

AHEAD = timedelta(days=2)
"""How far in the future the newest row may lie: until the end of tomorrow, of which plans are published."""

INTERVAL_START = "startTime"
"""Column with the beginning of the interval that a row is about."""

WEEKEND = 5
"""Monday is 0."""


def evaluate(held: Held) -> list[Finding]:
    """What every rule finds; nothing where the dataset was never asked for, because then nobody keeps it."""
    if not held.asked:
        return []
    return [JUDGES[spec](spec, held) for spec in specs_for(held.dataset) if spec in JUDGES]


def _again(held: Held, days: Sequence[date] | Mapping[date, object]) -> str:
    chosen = sorted(days) or [held.first, held.last]
    return f"ask again with {ask_again(held.dataset, chosen[0], chosen[-1])}"


def _from(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}" if moment is not None else "an unknown moment"


# What was fetched, and what became of it.


def reconciliation(spec: CheckSpec, held: Held) -> Finding:
    """Fetched = inserted + updated + unchanged + duplicate + boundary + late + quarantined, window by window."""
    receipts = held.facts.receipts
    numbers = {"windows": receipts.windows, "fetched": receipts.fetched}
    if not receipts.unreconciled:
        return passed(spec, held, f"{receipts.fetched} rows of {receipts.windows} windows accounted for", numbers)
    text = (
        f"rows of {receipts.unreconciled} of {receipts.windows} windows are not all accounted for, the first from "
        f"{_from(receipts.unreconciled_utc)}"
    )
    return failed(spec, held, (), text, _again(held, ()), numbers | {"unreconciled": receipts.unreconciled})


def receipts_against_rows(spec: CheckSpec, held: Held) -> Finding:
    """Rows of each day against what its newest commit recorded."""
    facts = held.facts
    wrong = {
        day: (facts.days[day].rows if day in facts.days else 0, facts.recorded.get(day))
        for day in held.days
        if (day in facts.recorded and (day not in facts.days or facts.days[day].rows != facts.recorded[day]))
    }
    if not facts.exists and facts.receipts.answered:
        return failed(spec, held, (), "receipts tell of rows and the table is gone", _again(held, ()))
    numbers = {"days": len(facts.days), "rows": sum(d.rows for d in facts.days.values())}
    if not wrong:
        return passed(spec, held, f"{numbers['rows']} rows, as recorded", numbers)
    day, (rows, recorded) = next(iter(wrong.items()))
    text = f"{rows} rows are there on {day} and {recorded} were recorded: somebody else changed the table"
    lost = sum((recorded or 0) - rows for rows, recorded in wrong.values())
    return failed(spec, held, wrong, text, _again(held, wrong), numbers | {"lost": lost})


def quarantine(spec: CheckSpec, held: Held) -> Finding:
    """Rows that could not be read, in the newest receipt of each window."""
    receipts = held.facts.receipts
    bad, fetched = receipts.counts.get("quarantined", 0), receipts.fetched
    numbers = {"quarantined": bad, "fetched": fetched}
    if not bad:
        return passed(spec, held, f"all of {fetched} rows read", numbers)
    text = (
        f"{bad} of {fetched} rows are in quarantine, in {receipts.quarantined} windows, the first from "
        f"{_from(receipts.quarantined_utc)}"
    )
    remedy = f"read their reasons in _quarantine, where dataset = '{held.dataset.code}', then {_again(held, ())}"
    severity: Severity = "error" if bad > BAD_SHARE * fetched else spec.severity
    return failed(spec, held, (), text, remedy, numbers, severity)


def schema_drift(spec: CheckSpec, held: Held) -> Finding:
    """Columns that the catalogue does not know, and catalogued ones that no window brought any more."""
    receipts = held.facts.receipts
    new = receipts.new_columns
    gone = {
        name: facts
        for name, facts in receipts.missing_columns.items()
        if name != TAG and receipts.answered and facts.windows >= receipts.answered
    }
    numbers = {"new": len(new), "missing": len(gone)}
    if not new and not gone:
        return passed(spec, held, "columns as catalogued", numbers)
    said = [_columns("new", new), _columns("missing", gone)]
    remedy = "report it, so that the catalogue follows; new columns are kept meanwhile, missing ones are null"
    return failed(spec, held, (), " and ".join(filter(None, said)), remedy, numbers)


def _columns(what: str, columns: Mapping[str, ColumnFacts]) -> str:
    if not columns:
        return ""
    since = min(facts.first_utc for facts in columns.values())
    plural = "s" if len(columns) > 1 else ""
    return f"{what} column{plural} {some(sorted(columns))} since the window from {_from(since)}"


# Rows as they stand.


def unique_key(spec: CheckSpec, held: Held) -> Finding:
    """Natural keys that stand more than once on one day."""
    wrong = {day: facts for day, facts in held.facts.days.items() if facts.repeated}
    if not wrong:
        return passed(spec, held, "no key stands twice", {"repeated": 0})
    repeated = sum(facts.repeated for facts in wrong.values())
    first = next(iter(wrong.values())).first_repeated
    remedy = (
        "somebody else wrote to the table: remove the copies, or drop the table and ask again with "
        f"{ask_again(held.dataset, min(wrong), max(wrong))}"
    )
    text = f"rows that repeat the natural key of another: {repeated}, the first {first}"
    return failed(spec, held, wrong, text, remedy, {"repeated": repeated})


def in_window(spec: CheckSpec, held: Held) -> Finding:
    """Rows outside the window that brought them."""
    wrong = {day: facts for day, facts in held.facts.days.items() if facts.outside}
    if not wrong:
        return passed(spec, held, "every row lies in its window", {"outside": 0})
    outside = sum(facts.outside for facts in wrong.values())
    first = next(iter(wrong.values())).first.get("outside", "")
    text = f"rows outside the window that was asked for: {outside}, the first {first}"
    remedy = f"the provider did not answer what was asked: delete these rows and {_again(held, wrong)}"
    return failed(spec, held, wrong, text, remedy, {"outside": outside})


def repeated_sample(spec: CheckSpec, held: Held) -> Finding:
    """Equal answers of distant windows, and equal rows that several windows brought."""
    bodies = () if held.dataset.may_repeat else held.facts.receipts.bodies
    copies = sum(facts.copies for facts in held.facts.days.values())
    numbers = {"bodies": len(bodies), "copies": copies}
    if not bodies and not copies:
        return passed(spec, held, "no answer came twice", numbers)
    days = [day for day, facts in held.facts.days.items() if facts.copies]
    said = f"rows that came again, equal, for other windows: {copies}"
    if bodies:
        windows = sum(body.windows for body in bodies)
        first = min(body.first_utc for body in bodies)
        said = f"{windows} windows without a common bound, the first from {_from(first)}, had equal answers"
    remedy = (
        "the provider seems to repeat a sample whatever it is asked for: compare one window with "
        f"`energy-assets verify --dataset {held.dataset.name}`, then {_again(held, days)}"
    )
    return failed(spec, held, days, said, remedy, numbers)


def null_rules(spec: CheckSpec, held: Held) -> Finding:
    """Required columns without a value."""
    wrong, nulls, columns = _by_column(held, lambda facts: facts.nulls)
    if not wrong:
        return passed(spec, held, "required columns are filled", {"nulls": 0})
    first = next(iter(wrong.values())).first.get(columns[0], "")
    text = f"rows without a value in {some(columns)}: {nulls}, the first {first}"
    return failed(spec, held, wrong, text, _again(held, wrong), {"nulls": nulls})


def bounds(spec: CheckSpec, held: Held) -> Finding:
    """Values outside what the catalogue holds possible; codes that are no measurements do not count."""
    wrong, beyond, columns = _by_column(held, lambda facts: facts.beyond)
    if not wrong:
        return passed(spec, held, "values lie within bounds", {"beyond": 0})
    first = next(iter(wrong.values())).first.get(f"{columns[0]} beyond", "")
    text = f"values of {some(columns)} outside physical bounds: {beyond}, the first {first}"
    remedy = f"look whether the provider has corrected it: {_again(held, wrong)}; report bounds that are too narrow"
    return failed(spec, held, wrong, text, remedy, {"beyond": beyond})


def _by_column(
    held: Held, counts: Callable[[DayFacts], Mapping[str, int]]
) -> tuple[dict[date, DayFacts], int, list[str]]:
    """Days on which something is counted by column, its sum, and the columns in the order of their first day."""
    wrong = {day: facts for day, facts in held.facts.days.items() if counts(facts)}
    total = sum(sum(counts(facts).values()) for facts in wrong.values())
    return wrong, total, list(dict.fromkeys(name for facts in wrong.values() for name in counts(facts)))


# What should be there.


def expected_periods(spec: CheckSpec, held: Held) -> Finding:
    """Periods, instants or publications that are due and not there; windows that settled without an answer."""
    expected = expectation(held.dataset)
    short: dict[date, tuple[int, int]] = {}
    for day in held.wanted if expected is not None else ():
        facts = held.facts.days.get(day)
        due = due_count(held.dataset, day, held.now)
        if expected is None or due <= 0:
            continue
        found = 0 if facts is None else expected.found(facts)
        if found < due:
            short[day] = (found, due)
    numbers = {"days_short": len(short), "windows_missing": len(held.missing)}
    if short and expected is not None:
        day, (found, due) = min(short.items())
        lacking = sum(d - f for f, d in short.values())
        text = f"{found} of {due} {expected.what} that are due are there on {day}"
        return failed(spec, held, short, text, _again(held, short), numbers | {"lacking": lacking})
    if held.missing:
        days = {calendar.settlement_day(w.from_utc) for w in held.missing}
        text = f"settled windows that were never answered: {len(held.missing)}, the first {held.missing[0]}"
        return failed(spec, held, days, text, _again(held, sorted(days)), numbers)
    return passed(spec, held, "what is due is there", numbers)


def freshness(spec: CheckSpec, held: Held) -> Finding:
    """The newest row against the newest that has settled by the dataset's own lag."""
    due = due_instant(held.dataset, held.as_of)
    newest, step = held.newest_utc, rhythm(held.dataset)
    if newest is None and held.newest_day is not None:
        newest = calendar.day_bounds_utc(held.newest_day)[1]
    if due is not None and step is not None and event_column(held.dataset) == INTERVAL_START:
        # What settles at the end of its interval is told by its start.
        due -= step
    if due is None or held.kept_from is None or calendar.settlement_day(due) < held.kept_from:
        return passed(spec, held, "nothing is due yet")
    late = 0.0 if newest is None else max(0.0, (due - newest).total_seconds() / 60)
    if newest is not None and newest > held.now + AHEAD:
        text = f"the newest row is of {newest:%Y-%m-%d %H:%MZ}, which is still to come and hides the others' age"
        remedy = f"no provider sends such a row: delete it, then {_again(held, [held.last])}"
        return failed(spec, held, [held.last], text, remedy, severity="error")
    if newest is not None and newest >= due:
        return passed(spec, held, f"the newest row is of {newest:%Y-%m-%d %H:%MZ}", {"late_minutes": 0})
    said = "there is no row" if newest is None else f"the newest row is of {newest:%Y-%m-%d %H:%MZ}"
    text = f"{said} and there should be one of {due:%Y-%m-%d %H:%MZ} or later"
    remedy = (
        "look whether refreshes fail (`energy-assets status`), else whether the provider is late; then "
        f"{_again(held, [held.last])}"
    )
    severity: Severity = (
        "error"
        if newest is None or (step is not None and late > (VERY_LATE + 2 * step).total_seconds() / 60)
        else spec.severity
    )
    return failed(spec, held, [held.last], text, remedy, {"late_minutes": round(late)}, severity)


def row_count(spec: CheckSpec, held: Held) -> Finding:
    """Rows of settled days against days like them in the eight weeks before."""
    unusual: dict[date, tuple[int, float]] = {}
    judged = 0
    for day in held.days:
        if not settled(held.dataset, day, held.now):
            continue
        usual = _usual(held.facts.recorded, day)
        if usual is None:
            continue
        judged += 1
        middle, tolerance = usual
        found = held.facts.days[day].rows if day in held.facts.days else 0
        if abs(scaled(found, day) - middle) > tolerance:
            unusual[day] = (found, middle)
    numbers = {"days_judged": judged}
    if not unusual:
        return passed(spec, held, f"{judged} days compared with days like them", numbers)
    day, (found, middle) = min(unusual.items())
    text = f"{found} rows on {day} where days like it have about {middle:.0f}"
    remedy = f"look at the day; where rows are lacking {_again(held, unusual)}"
    return failed(spec, held, unusual, text, remedy, numbers | {"rows": found, "usual": middle})


def _usual(recorded: Mapping[date, int], day: date) -> tuple[float, float] | None:
    """Median rows of days like this one and how far a count may be from it; ``None`` without enough of them."""
    before = {d: scaled(rows, d) for d, rows in recorded.items() if day - HISTORY <= d < day}
    same = [rows for d, rows in before.items() if d.weekday() == day.weekday()]
    if len(same) < SAME_WEEKDAY:
        same = [rows for d, rows in before.items() if (d.weekday() >= WEEKEND) == (day.weekday() >= WEEKEND)]
        if len(same) < SAME_KIND:
            return None
    middle = median(same)
    spread = MAD_TO_SIGMA * median(abs(rows - middle) for rows in same)
    return middle, max(DEVIATIONS * spread, UNUSUAL_SHARE * middle, UNUSUAL_ROWS)


JUDGES: Mapping[CheckSpec, Callable[[CheckSpec, Held], Finding]] = {
    RECONCILIATION: reconciliation,
    RECEIPTS_AGAINST_ROWS: receipts_against_rows,
    UNIQUE_KEY: unique_key,
    IN_WINDOW: in_window,
    REPEATED_SAMPLE: repeated_sample,
    EXPECTED_PERIODS: expected_periods,
    NULL_RULES: null_rules,
    BOUNDS: bounds,
    SCHEMA_DRIFT: schema_drift,
    FRESHNESS: freshness,
    ROW_COUNT: row_count,
    QUARANTINE: quarantine,
}
"""The evaluator of each check whose facts are ``Held``; those that learn read the warehouse themselves."""
