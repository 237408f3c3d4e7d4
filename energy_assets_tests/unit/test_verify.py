"""``verify`` sees every way in which a provider can differ; the provider is a sandbox with faults, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from energy_assets.calendar import lag_passed, settlement_day
from energy_assets.catalogue import dataset, datasets, select
from energy_assets.catalogue.model import Dataset
from energy_assets.sandbox.elexon import ElexonSandbox
from energy_assets.sandbox.server import running
from energy_assets.settings import Settings
from energy_assets.sources.elexon import ElexonSource
from energy_assets.tracking.verify import Kind, Verification, known_window, unreachable, verify

NOW = datetime(2026, 10, 15, 12, 0, tzinfo=UTC)


class Provider:
    """A running sandbox and the settings that lead to it."""

    def __init__(self, sandbox: ElexonSandbox, url: str) -> None:
        self.sandbox = sandbox
        self.settings = Settings(elexon_url=url)

    def verify(self, *entries: Dataset | str) -> list[Verification]:
        chosen = [dataset(e) if isinstance(e, str) else e for e in entries]
        return verify(chosen, {"bmrs": lambda: ElexonSource.from_settings(self.settings)}, NOW)

    def seen(self, entry: Dataset | str) -> dict[Kind, str]:
        """What differs, by kind."""
        return {f.kind: f.text for f in self.verify(entry)[0].findings if f.differs}


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    sandbox = ElexonSandbox(clock=lambda: NOW)
    with running(sandbox) as url:
        yield Provider(sandbox, url)


@pytest.fixture
def provider(running_provider: Provider) -> Iterator[Provider]:
    yield running_provider
    running_provider.sandbox.faults.clear()


@pytest.mark.parametrize("entry", datasets("bmrs"), ids=lambda d: d.code)
def test_the_window_asked_for_is_final_and_one_request(entry: Dataset) -> None:
    window = known_window(entry, NOW)
    assert window is not None
    if entry.query.unit == "snapshot":
        assert settlement_day(window.from_utc) == settlement_day(NOW)
        return
    assert lag_passed(entry.timing.settled, window.from_utc, window.to_utc, NOW)
    assert settlement_day(window.from_utc) >= min(entry.begins, settlement_day(window.from_utc))
    assert window.branch in set(entry.branch_choices())
    assert known_window(entry, NOW) == window, "the same moment gives the same window"


def test_as_much_is_asked_for_as_the_entry_allows() -> None:
    windows = {code: known_window(dataset(code), NOW) for code in ("FUELINST", "FREQ", "BOD")}
    lengths = {code: w.to_utc - w.from_utc for code, w in windows.items() if w is not None}
    assert lengths == {"FUELINST": timedelta(days=7), "FREQ": timedelta(days=1), "BOD": timedelta(hours=2)}


def test_a_dataset_too_young_for_a_final_window_is_left_alone(provider: Provider) -> None:
    young = replace(dataset("FREQ"), begins=date(2026, 10, 14))
    assert known_window(young, NOW) is None
    result = provider.verify(young)[0]
    assert (result.verdict, result.rows) == ("empty", 0)


def test_the_whole_catalogue_agrees_with_the_sandbox_made_from_it(provider: Provider) -> None:
    entries = [d for d in datasets("bmrs") if d.code not in ("YAFM", "IGCA", "IGCPU", "ABUC", "PPBR", "CCM")]
    results = provider.verify(*entries)
    assert [r.dataset for r in results] == entries
    assert {r.dataset.code: r.findings for r in results if r.verdict == "differs"} == {}
    assert all(r.status == 200 and r.rows and r.bytes for r in results if r.verdict == "agrees")


def test_an_unknown_field_is_named(provider: Provider) -> None:
    provider.sandbox.faults.add("new_column", dataset="MID", column="surprise")
    assert provider.seen("MID") == {"unknown field": "members that the entry does not know: surprise"}


def test_a_field_gone_missing_is_named(provider: Provider) -> None:
    provider.sandbox.faults.add("missing_column", dataset="MID", column="volume")
    assert provider.seen("MID") == {"missing field": "no row has: volume"}


def test_a_renamed_field_is_both(provider: Provider) -> None:
    provider.sandbox.faults.add("rename_column", dataset="MID", column="volume", name="tradedVolume")
    assert set(provider.seen("MID")) == {"unknown field", "missing field"}


def test_a_missing_row_tag_is_a_remark(provider: Provider) -> None:
    provider.sandbox.faults.add("missing_column", dataset="MID", column="dataset")
    result = provider.verify("MID")[0]
    assert (result.verdict, [f.text for f in result.findings]) == ("agrees", ["no row has: dataset"])


def test_members_left_out_by_a_provider_that_leaves_nulls_out_are_a_remark(provider: Provider) -> None:
    remit = provider.verify("REMIT")[0]
    assert remit.verdict == "agrees"


def test_a_type_that_does_not_fit_is_shown_with_its_member(provider: Provider) -> None:
    provider.sandbox.faults.add("untypable", dataset="FREQ", column="frequency")
    assert provider.seen("FREQ") == {"type": "1 of 5761 rows: frequency is not a number"}


def test_many_untypable_rows_are_told_once(provider: Provider) -> None:
    provider.sandbox.faults.add("untypable", dataset="FREQ", column="frequency", share=0.5)
    assert "cannot be typed, first: frequency is not a number" in provider.seen("FREQ")["type"]


def test_an_ignored_parameter_shows_as_rows_of_another_window(provider: Provider) -> None:
    provider.sandbox.faults.add("ignore_parameters", dataset="FREQ")
    assert "lie outside the window" in provider.seen("FREQ")["window"]


def test_a_smaller_limit_is_named_and_the_rest_still_compared(provider: Provider) -> None:
    provider.sandbox.faults.add("small_limit", dataset="FREQ", minutes=240)
    provider.sandbox.faults.add("new_column", dataset="FREQ", column="surprise")
    seen = provider.seen("FREQ")
    assert set(seen) == {"window limit", "unknown field"}
    assert seen["window limit"] == "the entry asks for 1 day at once, the provider allows 4 hours"


@pytest.mark.parametrize("status", [400, 404])
def test_an_error_status_is_told_with_the_url(provider: Provider, status: int) -> None:
    provider.sandbox.faults.add("status", dataset="FREQ", status=status)
    result = provider.verify("FREQ")[0]
    assert (result.verdict, result.status) == ("differs", status)
    assert result.findings[0].kind == "status"
    assert provider.settings.elexon_url in result.findings[0].text


def test_an_empty_answer_differs_only_where_data_were_due(provider: Provider) -> None:
    provider.sandbox.faults.add("empty", dataset="FREQ")
    provider.sandbox.faults.add("empty", dataset="SYSWARN")
    due, quiet = (provider.verify(code)[0] for code in ("FREQ", "SYSWARN"))
    assert (due.verdict, quiet.verdict) == ("differs", "empty")
    assert "empty" in provider.seen("FREQ")


def test_rows_that_repeat_are_a_remark(provider: Provider) -> None:
    provider.sandbox.faults.add("duplicate_rows", dataset="MID")
    result = provider.verify("MID")[0]
    assert result.verdict == "agrees"
    assert [f.kind for f in result.findings] == ["repeated key"]


def test_another_rhythm_is_told(provider: Provider) -> None:
    timing = replace(dataset("MID").timing, publications_per_day=24)
    assert provider.seen(replace(dataset("MID"), timing=timing)) == {
        "cadence": "48.0 different startTime a day, and the entry says 24"
    }


def test_sizes_are_a_remark_where_a_sandbox_answers(provider: Provider) -> None:
    result = provider.verify(replace(dataset("MID"), rows_per_day=5000))[0]
    assert result.verdict == "agrees"
    assert [f.text for f in result.findings] == ["96 rows a day, and the entry says about 5,000"]


def test_every_branch_is_asked(provider: Provider) -> None:
    result = provider.verify("BOAV")[0]
    assert {w.branch_text for w in result.windows} == {"bidOffer=bid", "bidOffer=offer"}


def test_results_are_told_as_they_come(provider: Provider) -> None:
    told: list[str] = []
    source = {"bmrs": lambda: ElexonSource.from_settings(provider.settings)}
    verify(select("MID,FREQ"), source, NOW, on_done=lambda r: told.append(r.dataset.code))
    assert sorted(told) == ["FREQ", "MID"]


def test_a_provider_that_answers_is_reachable_and_one_that_does_not_is_told_in_a_sentence(provider: Provider) -> None:
    assert unreachable(provider.settings) is None
    reason = unreachable(Settings(elexon_url="http://127.0.0.1:9/bmrs/api/v1"))
    assert reason is not None
    assert "127.0.0.1:9" in reason
    assert "\n" not in reason


def test_a_provider_that_says_it_is_down_is_not_reachable(provider: Provider) -> None:
    provider.sandbox.faults.add("status", status=503)
    assert "503" in str(unreachable(provider.settings))
