"""How the outcomes of a refresh are shown: a table of what changed, a line for the rest, a sentence per failure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from energy_assets.catalogue.model import Dataset
from energy_assets.commands.console import by_reason, count, new_table, plural, say, stdout, write_json
from energy_assets.ingest.model import Counts, Outcome, OutcomeStatus

SHOW_ALL_UP_TO = 12
"""Selections of up to this many datasets are listed whole; longer ones only where there is something to tell."""

ALIKE_FROM = 3
"""Failures with the same cause are told as one line from this many on."""

WORDS: dict[OutcomeStatus, tuple[str, str]] = {
    "written": ("written", "green"),
    "unchanged": ("unchanged", ""),
    "silent": ("nothing new", ""),
    "not_due": ("not due", "dim"),
    "before_begin": ("skipped", "dim"),
    "suspect": ("empty?", "yellow"),
    "failed": ("failed", "red"),
}

_URL = re.compile(r"(https?://[^/\s;,]+)[^\s;]*")
_TRIED = re.compile(r"; tried [^;.]*?(?: in [\d.]+ s)?(?=[;.]|$)")
_DIGITS = re.compile(r"\d+")


def show_outcomes(console: Console, datasets: Sequence[Dataset], outcomes: Sequence[Outcome]) -> None:
    """Table, summary and failures of one refresh."""
    telling = [o for o in outcomes if len(outcomes) <= SHOW_ALL_UP_TO or o.status in ("written", "suspect", "failed")]
    alike = common_failure([o for o in outcomes if o.status == "failed"])
    if alike is not None:
        telling = [o for o in telling if o.status != "failed"]
    if telling:
        table = new_table("dataset", "outcome", ">asked", ">rows", ">new", ">changed", ">same")
        for outcome in telling:
            word, style = WORDS[outcome.status]
            counts = outcome.counts
            table.add_row(
                outcome.dataset,
                Text(word, style=style),
                count(outcome.requests),
                count(counts.fetched),
                count(counts.inserted),
                count(counts.updated + counts.withdrawn),
                count(counts.unchanged),
            )
        console.print(table)
        console.print()
    say(console, summary(outcomes))
    for line in remarks(datasets, outcomes):
        say(console, f"  {line}")
    show_failures(console, outcomes)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Datasets by outcome, then rows by what became of them."""
    tally = Counter(o.status for o in outcomes)
    parts = [f"{tally[status]} {word}" for status, (word, _) in WORDS.items() if tally[status]]
    total = sum((o.counts for o in outcomes), Counts())
    fates = [f"{total.inserted:,} inserted", f"{total.updated:,} updated"]
    further = {
        "withdrawn": total.withdrawn,
        "the same as before": total.unchanged,
        "repeated at a window's end or in the same answer": total.boundary + total.duplicate,
        "older than what is held": total.late,
        "set aside": total.quarantined,
    }
    fates += [f"{number:,} {word}" for word, number in further.items() if number]
    requests = sum(o.requests for o in outcomes)
    return (
        f"{plural(len(outcomes), 'dataset')}: {', '.join(parts)}. {plural(total.fetched, 'row')} in "
        f"{plural(requests, 'request')}: {', '.join(fates)}."
    )


def remarks(datasets: Sequence[Dataset], outcomes: Sequence[Outcome]) -> list[str]:
    """What is worth a look without being a failure."""
    pairs = list(zip(datasets, outcomes, strict=True))
    lines = by_reason((d, o.reason) for d, o in pairs if o.status == "before_begin")
    idle = [(d, o.reason) for d, o in pairs if o.status == "not_due" and o.reason]
    if len(idle) <= ALIKE_FROM:
        lines += by_reason(idle)
    for outcome in outcomes:
        if outcome.status == "suspect" or outcome.suspect:
            windows = plural(len(outcome.suspect), "window")
            lines.append(f"{outcome.dataset}: {windows} came back empty although data were due")
        if outcome.counts.quarantined:
            lines.append(f"{outcome.dataset}: {plural(outcome.counts.quarantined, 'row')} set aside in _quarantine")
        if outcome.new_columns:
            lines.append(f"{outcome.dataset}: new columns kept as text: {', '.join(outcome.new_columns)}")
    return lines


def show_failures(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One sentence per failed dataset; one line for all where they failed alike."""
    failed = [o for o in outcomes if o.status == "failed"]
    if not failed:
        return
    console.print()
    alike = common_failure(failed)
    if alike is not None:
        asked = [o for o in outcomes if o.windows or o.failures]
        which = "All" if len(failed) == len(asked) else "Of the datasets that were asked for,"
        say(console, f"{which} {len(failed)} failed for one reason: {alike}", "red")
        return
    console.print(f"{plural(len(failed), 'dataset')} failed:")
    for outcome in failed:
        more = len(outcome.failures) - 1
        extra = f" (and {plural(more, 'window')} more)" if more > 0 else ""
        say(console, f"  {_named(outcome)}{extra}", "red")


def common_failure(failed: Sequence[Outcome]) -> str | None:
    """The one cause of several failures, without what differs between them (window, path, tries), or ``None``."""
    if len(failed) < ALIKE_FROM:
        return None
    causes = {_DIGITS.sub("#", cause(o.reason, o.dataset)): cause(o.reason, o.dataset) for o in failed}
    return next(iter(causes.values())) if len(causes) == 1 else None


def cause(reason: str, dataset: str) -> str:
    """A failure's sentence without dataset, window, path and number of tries."""
    text = shortened(reason)
    head, separator, tail = text.partition(": ")
    return tail if separator and head.startswith(dataset) else text


def shortened(reason: str) -> str:
    """A failure's sentence without the path that was asked for and the number of tries."""
    return _TRIED.sub("", _URL.sub(r"\1", reason))


def tell_outcomes(datasets: Sequence[Dataset], outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Outcomes on standard output, for people or for scripts."""
    if as_json:
        write_json([outcome_json(o, d) for o, d in zip(outcomes, datasets, strict=True)])
    else:
        show_outcomes(stdout(), datasets, outcomes)


def outcome_json(outcome: Outcome, dataset: Dataset) -> dict[str, object]:
    """An outcome for scripts."""
    return {
        "dataset": dataset.name,
        "status": outcome.status,
        "reason": outcome.reason,
        **asdict(outcome.counts),
        "windows": outcome.windows,
        "requests": outcome.requests,
        "bytes": outcome.bytes,
        "failures": list(outcome.failures),
        "suspect_windows": len(outcome.suspect),
        "new_columns": list(outcome.new_columns),
        "missing_columns": list(outcome.missing_columns),
        "days": list(outcome.days),
    }


def _named(outcome: Outcome) -> str:
    return outcome.reason if outcome.reason.startswith(outcome.dataset) else f"{outcome.dataset}: {outcome.reason}"
