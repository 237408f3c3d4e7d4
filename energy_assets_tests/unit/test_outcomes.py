"""How outcomes are told: one line for failures with one cause, a sentence each otherwise."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from energy_assets.catalogue import select
from energy_assets.commands.console import ago, by_reason, count, duration, names, plural, size
from energy_assets.commands.outcomes import cause, common_failure, shortened, show_outcomes, summary
from energy_assets.ingest.model import Counts, Outcome

UNREACHED = (
    "{0}, 2026-07-14T23:00Z to 2026-07-15T23:00Z: GET http://host:9/datasets/{0}?a=b was not reached (refused); "
    "tried {1}; ask later."
)


def failed(code: str, tried: str = "6 times in 3 s") -> Outcome:
    reason = UNREACHED.format(code, tried)
    return Outcome(code, "failed", windows=1, failures=(reason,), reason=reason)


def shown(*outcomes: Outcome) -> str:
    file = StringIO()
    by_code = {d.code: d for d in select("all")}
    show_outcomes(Console(file=file, width=200), [by_code[o.dataset] for o in outcomes], outcomes)
    return file.getvalue()


def test_failures_with_one_cause_are_told_as_one_line() -> None:
    text = shown(failed("MID"), failed("INDO", "once in 0 s"), failed("FREQ"))
    assert "All 3 failed for one reason: GET http://host:9 was not reached (refused); ask later." in text
    assert text.count("not reached") == 1


def test_datasets_that_were_not_asked_for_do_not_weaken_the_line() -> None:
    idle = Outcome("BMUNITS", "not_due", reason="BMUNITS is a register")
    assert "All 3 failed for one reason" in shown(failed("MID"), failed("INDO"), failed("FREQ"), idle)
    asked = Outcome("ITSDO", "written", windows=1, counts=Counts(fetched=48, inserted=48))
    assert "Of the datasets that were asked for, 3 failed for one reason" in shown(
        failed("MID"), failed("INDO"), failed("FREQ"), asked
    )


def test_failures_with_different_causes_get_a_sentence_each() -> None:
    other = Outcome(
        "FREQ", "failed", windows=1, failures=("FREQ: 3 rows outside", "FREQ: more"), reason="FREQ: 3 rows outside"
    )
    text = shown(failed("MID"), failed("INDO"), other)
    assert text.count("not reached") == 2
    assert "FREQ: 3 rows outside (and 1 window more)" in text


def test_few_failures_keep_their_own_sentences() -> None:
    assert common_failure([failed("MID"), failed("INDO")]) is None


def test_a_cause_leaves_out_dataset_window_path_and_tries() -> None:
    assert (
        cause(UNREACHED.format("MID", "once in 0 s"), "MID")
        == "GET http://host:9 was not reached (refused); ask later."
    )
    assert cause("The disk is full: free space.", "MID") == "The disk is full: free space."
    assert (
        shortened("GET https://h/a/b?c=d was answered 500; tried 6 times in 14 s.") == "GET https://h was answered 500."
    )


def test_a_long_selection_lists_only_what_changed_and_a_short_one_everything() -> None:
    same = [Outcome(d.code, "unchanged") for d in select("all")[:13]]
    assert "FUELINST" not in shown(*same)
    assert "FUELINST" in shown(*same[:12])


def test_text_in_square_brackets_is_text() -> None:
    outcome = Outcome("MID", "failed", windows=1, failures=("MID: [red]x[/red]",), reason="MID: [red]x[/red]")
    assert "[red]x[/red]" in shown(outcome)


def test_every_fetched_row_is_accounted_for_in_the_summary() -> None:
    counts = Counts(
        fetched=15, inserted=1, updated=2, unchanged=3, duplicate=1, boundary=2, late=2, quarantined=4, withdrawn=9
    )
    assert summary([Outcome("MID", "written", counts, requests=3)]) == (
        "1 dataset: 1 written. 15 rows in 3 requests: 1 inserted, 2 updated, 9 withdrawn, 3 the same as before, "
        "3 repeated at a window's end or in the same answer, 2 older than what is held, 4 set aside."
    )


def test_reasons_that_are_shared_are_told_once() -> None:
    pairs = [(d, f"{d.code} begins later") for d in select("MID,INDO")] + [(d, "other") for d in select("FREQ")]
    assert by_reason(pairs) == ["INDO, MID begins later", "FREQ other"]


def test_long_lists_of_names_are_cut() -> None:
    assert names(select("FUELINST,FUELHH")) == "FUELINST, FUELHH"
    assert names(select("all")).endswith(f"and {len(select('all')) - 5} more")


@pytest.mark.parametrize(
    ("given", "text"),
    [(0.2, "under 1 s"), (40, "40 s"), (89.4, "89 s"), (600, "10 min"), (7200, "2.0 h"), (10**6, "11.6 days")],
)
def test_durations_are_short(given: float, text: str) -> None:
    assert duration(given) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (126e6, "126 MB"), (58e9, "58 GB"), (3e13, "30.0 TB")],
)
def test_sizes_are_short(given: float, text: str) -> None:
    assert size(given) == text


def test_numbers_and_ages() -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime(2026, 7, 15, 12, tzinfo=UTC)
    assert (count(None), count(1234567), plural(1, "row"), plural(2000, "row")) == (
        "–",
        "1,234,567",
        "1 row",
        "2,000 rows",
    )
    ages = [timedelta(seconds=5), timedelta(minutes=59), timedelta(hours=47), timedelta(days=9)]
    assert [ago(now - age, now) for age in ages] == ["just now", "59 min ago", "47 h ago", "9 d ago"]
    assert ago(None, now) == "–"
