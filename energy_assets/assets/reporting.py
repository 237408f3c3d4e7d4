"""What a run tells Dagster: for which days an asset counts as materialized, with which numbers, and why a run failed.

Pure functions of outcomes; the events themselves are made in ``energy_assets.assets.provider``.

Events are a budget: one is kept for every asset, day and report. A scheduled run therefore reports only days whose rows
changed and covered days that Dagster does not know of yet (after a run was killed, or when the first answer was an
honest nothing). A person's run reports all of its days. When a run fails, Dagster shows every planned asset that it
heard nothing of as failed, so then whatever is covered is reported, and what stays red is what failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from energy_assets.assets.partitions import LONGEST_RANGE
from energy_assets.calendar import days_between
from energy_assets.catalogue.model import Dataset
from energy_assets.warehouse.bigquery import cost

if TYPE_CHECKING:
    from energy_assets.ingest.model import Outcome
    from energy_assets.warehouse.interface import Usage

COST_TAG = "energy_assets/"
"""Beginning of the run tags that say what a run's jobs came to, those that concern several tables included."""

COMPLETE = frozenset({"written", "unchanged", "silent"})
"""Outcomes after which the run's days hold everything that the provider has published of them."""

RECENT_DAYS = LONGEST_RANGE
"""Changed days, back from today, that are reported beside the days of a run: a quarter, as much as one run about the
past holds. The first load of a family changes every day since 2001, which would be 9,000 events; what is older counts
as materialized once somebody backfills it, which asks for nothing that is held."""

MOST_REASONS = 10
"""Different reasons told in one message; every failed dataset is named all the same."""

REASON_LENGTH = 400
"""Characters of one reason: a sentence with a URL; log files and receipts have the whole."""


def possible_days(dataset: Dataset, first: date, last: date, today: date) -> tuple[date, date] | None:
    """The part of the run's days on which the dataset can have rows, both inclusive, or ``None``."""
    first = max(first, dataset.begins)
    last = min(last, today)
    if dataset.is_register:
        first = max(first, today)
    return (first, last) if first <= last else None


def days_to_report(
    outcome: Outcome, possible: tuple[date, date], known: Collection[date], *, everything: bool
) -> tuple[date, ...]:
    """Days for which a run that speaks of single days reports a dataset.

    Args:
        outcome: What the refresh came to.
        possible: First and last day of the run on which the dataset can have rows.
        known: Days of the run that Dagster already knows as materialized.
        everything: Whether every complete day is reported, known or not.
    """
    if outcome.status == "failed":
        return ()
    own = set(days_between(*possible))
    complete = own if outcome.status in COMPLETE else set()
    changed = own.intersection(outcome.days) if _changed(outcome) else set()
    return tuple(sorted(changed | (complete if everything else complete.difference(known))))


def recent_changes(outcome: Outcome, today: date) -> tuple[date, ...]:
    """Changed days that are reported wherever they lie, of a dataset that comes as files.

    Which days a file is about is known when it has been read. Days to come have no partition yet. What a file brought
    stands, whatever became of the others.

    Args:
        outcome: What the refresh came to; its days are those whose rows changed.
        today: The present settlement day.
    """
    first = today - timedelta(days=RECENT_DAYS - 1)
    return tuple(day for day in outcome.days if first <= day <= today)


def speaks_for_all(outcome: Outcome) -> bool:
    """Whether a person's run may call all of its days materialized.

    Rows with a doubtful gap count, and say so in their numbers; a doubtful nothing does not.
    """
    return outcome.status in COMPLETE or (outcome.status == "suspect" and outcome.counts.fetched > 0)


def _changed(outcome: Outcome) -> bool:
    counts = outcome.counts
    return counts.inserted + counts.updated + counts.withdrawn + counts.late > 0


def numbers(outcome: Outcome, days: int, used: Usage | None = None) -> dict[str, float]:
    """Metadata of a materialization: a few counts of the whole run, zeros left out beyond the first three.

    Args:
        outcome: What the refresh came to.
        days: Days that are reported with these numbers.
        used: What the warehouse's jobs about the table came to, where somebody bills them.
    """
    counts = outcome.counts
    always = {"rows_inserted": counts.inserted, "rows_updated": counts.updated, "requests": outcome.requests}
    others = {
        "rows_withdrawn": counts.withdrawn,
        "rows_late": counts.late,
        "rows_quarantined": counts.quarantined,
        "windows_suspect": len(outcome.suspect),
        "new_columns": len(outcome.new_columns),
        "days_in_run": days if days > 1 else 0,
    }
    return always | {name: value for name, value in others.items() if value} | cost.numbers(used)


def totals(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Metadata of a run that is about many datasets: a few numbers of all together."""
    return {
        "datasets": len(outcomes),
        "failed": sum(o.status == "failed" for o in outcomes),
        "files": sum(o.windows for o in outcomes),
        "bytes": sum(o.bytes for o in outcomes),
        "rows_inserted": sum(o.counts.inserted for o in outcomes),
        "rows_updated": sum(o.counts.updated for o in outcomes),
        "rows_withdrawn": sum(o.counts.withdrawn for o in outcomes),
        "rows_quarantined": sum(o.counts.quarantined for o in outcomes),
        "requests": sum(o.requests for o in outcomes),
    }


def cost_tags(usage: Mapping[str, Usage]) -> dict[str, str]:
    """Run tags with what all jobs of the run came to; none where nobody bills."""
    return {f"{COST_TAG}{name}": str(value) for name, value in cost.whole(usage).items()}


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line for the run's log."""
    statuses = Counter(o.status for o in outcomes)
    inserted = sum(o.counts.inserted for o in outcomes)
    updated = sum(o.counts.updated for o in outcomes)
    requests = sum(o.requests for o in outcomes)
    parts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    return f"{len(outcomes)} datasets: {parts}; {inserted} rows inserted, {updated} updated, {requests} requests"


def failure_message(outcomes: Sequence[Outcome]) -> str | None:
    """Which datasets failed and why, or ``None`` when none did; datasets that failed alike share their reason."""
    failed = [o for o in outcomes if o.status == "failed"]
    if not failed:
        return None
    alike: dict[str, list[str]] = {}
    for outcome in failed:
        alike.setdefault(_reason(outcome), []).append(outcome.dataset)
    told = [f"{', '.join(codes)}: {reason}" for reason, codes in list(alike.items())[:MOST_REASONS]]
    rest = [code for codes in list(alike.values())[MOST_REASONS:] for code in codes]
    more = [f"and, for reasons that the log has, {', '.join(rest)}"] if rest else []
    others = "" if len(failed) == len(outcomes) else ", the others were not held up"
    return f"{len(failed)} of {len(outcomes)} datasets failed{others}. {'; '.join(told + more)}"


def _reason(outcome: Outcome) -> str:
    """The first failure without the dataset's name, and how many windows share the fate."""
    text = outcome.failures[0] if outcome.failures else outcome.reason
    text = text.removeprefix(outcome.dataset).lstrip(":, ")
    short = text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1] + "…"
    more = len(outcome.failures) - 1
    return f"{short} ({more} more)" if more > 0 else short
