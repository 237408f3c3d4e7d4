"""The stand-in's manners over real HTTP: paths, parameters, envelopes, refusals and what it records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from energy_assets.calendar import day_bounds_utc, period_start_utc
from energy_assets.catalogue import dataset, datasets
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Window
from energy_assets.sandbox.elexon import BASE_PATH, ElexonSandbox
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.server import bound, running
from energy_assets.sources.elexon import render

DAY = date(2026, 1, 15)
NOW = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> ElexonSandbox:
    return ElexonSandbox(clock=lambda: NOW)


@pytest.fixture(scope="module")
def client(sandbox: ElexonSandbox) -> Iterator[httpx.Client]:
    with running(sandbox) as url, httpx.Client(base_url=url) as client:
        yield client


def rows(response: httpx.Response) -> list:
    assert response.status_code == 200, response.text
    body = response.json()
    return body if isinstance(body, list) else body["data"]


def windows(entry: Dataset, day: date) -> list[Window]:
    """A few windows of the kind that the entry's query asks for."""
    start, end = day_bounds_utc(day)
    query, branches = entry.query, list(entry.branch_choices())
    if query.unit == "instant":
        end = min(end, start + timedelta(minutes=query.most))
    if query.unit == "period":
        last = min(query.most, 48)
        end = period_start_utc(day, last) + timedelta(minutes=30)
    return [Window(start, end, branch) for branch in branches]


@pytest.mark.parametrize("code", [d.code for d in datasets("bmrs")])
def test_every_entry_is_answered_under_its_own_path_and_parameters(code: str, client: httpx.Client) -> None:
    entry = dataset(code)
    day = max(DAY, entry.begins + timedelta(days=1))
    for window in windows(entry, day):
        path, params = render(entry, window)
        response = client.get(path, params=params)
        assert response.headers["x-energy-assets-sandbox"] == "1"
        found = rows(response)
        if entry.query.scalars:
            assert all(isinstance(value, str) for value in found)
            continue
        wanted = {f.name for f in entry.fields if f.origin == "row" and not f.name.startswith("_")}
        allowed = wanted | {alias for f in entry.fields for alias in f.aliases} | set(entry.ignored)
        assert all(row.keys() <= allowed for row in found)
        # A first hour may be before the first publication of a day; a day is not.
        assert found or (entry.query.unit == "instant" and entry.query.most < 1440)


def test_the_base_path_may_be_left_out(client: httpx.Client) -> None:
    root = str(client.base_url).removesuffix(BASE_PATH + "/")
    assert httpx.get(root + "/health").json() == {"status": 2}


@pytest.mark.parametrize("path", ["/datasets/FREQ/stream", "/datasets/freq/STREAM", "/datasets/Freq/stream/"])
def test_paths_do_not_mind_case(path: str, client: httpx.Client) -> None:
    asked = {"measurementDateTimeFrom": "2026-01-15T00:00Z", "measurementDateTimeTo": "2026-01-15T01:00Z"}
    assert len(rows(client.get(path, params=asked))) == 241


def test_envelopes(client: httpx.Client) -> None:
    asked = {"publishDateTimeFrom": "2026-01-15T00:00Z", "publishDateTimeTo": "2026-01-15T23:00Z"}
    assert list(client.get("/datasets/WINDFOR", params=asked).json()) == ["data"]
    assert isinstance(client.get("/datasets/WINDFOR/stream", params=asked).json(), list)
    prices = client.get("/balancing/settlement/system-prices/2026-01-15").json()
    assert prices["metadata"] == {"datasets": ["DISEBSP"]} and len(prices["data"]) == 48
    assert isinstance(client.get("/reference/bmunits/all").json(), list)
    assert "CCGT" in client.get("/reference/fueltypes/all").json()


def test_registers_send_numbers_as_text(client: httpx.Client) -> None:
    units = rows(client.get("/reference/bmunits/all"))
    sent = {unit["generationCapacity"] for unit in units} - {None}
    assert sent and all(isinstance(value, str) for value in sent)


def test_an_unknown_parameter_is_ignored(client: httpx.Client) -> None:
    asked = {"measurementDateTimeFrom": "2026-01-15T00:00Z", "measurementDateTimeTo": "2026-01-15T00:01Z"}
    assert rows(client.get("/datasets/FREQ", params={**asked, "page": "2"})) == rows(
        client.get("/datasets/FREQ", params=asked)
    )


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/datasets/FREQ", {"publishDateTimeFrom": "2026-01-15T00:00Z", "publishDateTimeTo": "2026-01-15T01:00Z"}),
        ("/datasets/FUELINST/stream", {"from": "2026-01-15", "to": "2026-01-16"}),
        ("/datasets/WINDFOR", {"publishDateTimefrom": "2026-01-15T00:00Z", "publishDateTimeTo": "2026-01-15T01:00Z"}),
        ("/datasets/NDF", {}),
    ],
)
def test_misspelt_windows_get_the_latest_rows_with_200(path: str, params: dict, client: httpx.Client) -> None:
    found = rows(client.get(path, params=params))
    assert found
    text = str(found)
    assert "2027-05-31" in text and "2026-01-15" not in text


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/datasets/PN", {"settlementDate": "2026-01-15"}),
        ("/datasets/AGPT", {"from": "2026-01-15", "to": "2026-01-16"}),
        ("/datasets/REMIT/stream", {"publishDateTimeFrom": "2026-01-15T00:00Z"}),
        ("/datasets/BOD/stream", {}),
        ("/datasets/NOSUCH", {}),
        ("/balancing/settlement/system-prices", {}),
    ],
)
def test_a_missing_required_parameter_is_404(path: str, params: dict, client: httpx.Client) -> None:
    assert client.get(path, params=params).status_code == 404


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        (
            "/datasets/BOD",
            {"from": "2026-01-15T00:00Z", "to": "2026-01-15T02:00Z"},
            "The date range between From and To inclusive must not exceed 1 hour",
        ),
        (
            "/datasets/NDF",
            {"publishDateTimeFrom": "2026-01-15T00:00Z", "publishDateTimeTo": "2026-01-17T00:00Z"},
            "The date range between PublishDateTimeFrom and PublishDateTimeTo inclusive must not exceed 1 day",
        ),
        (
            "/datasets/REMIT/stream",
            {"publishDateTimeFrom": "2026-01-15T00:00Z", "publishDateTimeTo": "2026-01-16T01:00Z"},
            "The date range between PublishDateTimeFrom and PublishDateTimeTo inclusive must not exceed 1 day",
        ),
        (
            "/datasets/FUELHH/stream",
            {"settlementDateFrom": "2026-01-15", "settlementDateTo": "2026-01-22"},
            "The date range between SettlementDateFrom and SettlementDateTo inclusive must not exceed 7 days",
        ),
        (
            "/datasets/FREQ",
            {"measurementDateTimeFrom": "2026-01-16T00:00Z", "measurementDateTimeTo": "2026-01-15T00:00Z"},
            "The From field must not be later than the To field",
        ),
    ],
)
def test_a_window_over_the_limit_is_refused_under_the_empty_key(
    path: str, params: dict, text: str, client: httpx.Client
) -> None:
    response = client.get(path, params=params)
    assert response.status_code == 400
    problem = response.json()
    assert problem["title"] == "One or more validation errors occurred." and problem["status"] == 400
    assert problem["errors"] == {"": [text]}


def test_a_limit_met_exactly_is_accepted_also_on_a_long_day(client: httpx.Client) -> None:
    half_day = {"publishDateTimeFrom": "2026-01-15T00:00Z", "publishDateTimeTo": "2026-01-15T12:00Z"}
    assert rows(client.get("/datasets/LOLPDRM", params=half_day))
    week = {"settlementDateFrom": "2026-10-19", "settlementDateTo": "2026-10-25"}
    found = rows(client.get("/datasets/FUELHH/stream", params=week))
    assert len({(row["settlementDate"], row["settlementPeriod"]) for row in found}) == 6 * 48 + 50


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/datasets/FREQ", {"measurementDateTimeFrom": "yesterday", "measurementDateTimeTo": "2026-01-15T00:00Z"}),
        ("/datasets/FUELHH", {"settlementDateFrom": "2026-02-30", "settlementDateTo": "2026-03-01"}),
        ("/datasets/PN", {"settlementDate": "2026-01-15", "settlementPeriod": "51"}),
        ("/datasets/PN", {"settlementDate": "2026-01-15", "settlementPeriod": "0"}),
        ("/balancing/settlement/stack/all/both/2026-01-15/1", {}),
        ("/balancing/settlement/stack/all/bid/2026-01-15/51", {}),
    ],
)
def test_a_wrong_value_is_400(path: str, params: dict, client: httpx.Client) -> None:
    response = client.get(path, params=params)
    assert response.status_code == 400 and response.json()["errors"]


@pytest.mark.parametrize(
    ("day", "period", "some"),
    [("2026-01-15", 48, True), ("2026-01-15", 49, False), ("2026-10-25", 50, True), ("2026-03-29", 47, False)],
)
def test_settlement_periods_49_and_50_hold_rows_on_the_long_day_only(
    day: str, period: int, some: bool, client: httpx.Client
) -> None:
    asked = {"settlementDate": day, "settlementPeriod": period}
    assert bool(rows(client.get("/datasets/PN", params=asked))) == some
    assert bool(rows(client.get(f"/balancing/settlement/stack/all/offer/{day}/{period}"))) == some


def test_from_and_to_are_settlement_dates_where_periods_come_with_them(client: httpx.Client) -> None:
    asked = {
        "from": "2026-07-15T00:00Z",
        "to": "2026-07-15T00:00Z",
        "settlementPeriodFrom": 1,
        "settlementPeriodTo": 50,
    }
    found = rows(client.get("/datasets/MID/stream", params=asked))
    assert {row["settlementDate"] for row in found} == {"2026-07-15"}
    assert {row["settlementPeriod"] for row in found} == set(range(1, 49))
    instants = rows(client.get("/datasets/MID/stream", params={"from": "2026-07-15T00:00Z", "to": "2026-07-15T01:00Z"}))
    assert {row["startTime"] for row in instants} == {f"2026-07-15T{time}:00Z" for time in ("00:00", "00:30", "01:00")}


def test_outturn_may_be_asked_by_publication_instead(client: httpx.Client) -> None:
    asked = {"publishDateTimeFrom": "2026-07-15T00:00Z", "publishDateTimeTo": "2026-07-15T00:10Z"}
    found = rows(client.get("/datasets/FUELINST/stream", params=asked))
    assert {row["publishTime"] for row in found} == {f"2026-07-15T00:{minute}:00Z" for minute in ("00", "05", "10")}


def test_datasets_that_share_an_answer_have_their_own_members(client: httpx.Client) -> None:
    asked = {"settlementDateFrom": "2026-07-15", "settlementDateTo": "2026-07-15"}
    found = rows(client.get("/demand/outturn/stream", params=asked))
    assert len(found) == 48
    assert {"initialDemandOutturn", "initialTransmissionSystemDemandOutturn"} <= found[0].keys()
    asked = {"publishDateTimeFrom": "2026-07-15T00:00Z", "publishDateTimeTo": "2026-07-15T01:00Z"}
    plain = rows(client.get("/datasets/INDO", params=asked))
    assert len(plain) == 3 and "demand" in plain[0]


def test_rows_are_filtered_by_repeated_parameters(client: httpx.Client) -> None:
    asked = [("settlementDateFrom", DAY), ("settlementDateTo", DAY), ("fuelType", "CCGT"), ("fuelType", "WIND")]
    found = rows(client.get("/datasets/FUELHH", params=[(name, str(value)) for name, value in asked]))
    assert {row["fuelType"] for row in found} == {"CCGT", "WIND"}


def test_a_window_in_the_future_is_empty(client: httpx.Client) -> None:
    asked = {"settlementDateFrom": "2027-08-01", "settlementDateTo": "2027-08-01"}
    assert client.get("/datasets/FUELHH", params=asked).json() == {"data": []}


def test_completeness_and_last_updates(client: httpx.Client) -> None:
    asked = {"settlementDateFrom": "2026-10-25", "settlementDateTo": "2026-10-25"}
    points = rows(client.get("/data-status/DISEBSP", params=asked))
    assert [point["settlementPeriod"] for point in points] == list(range(1, 51))
    assert {point["dataPointCount"] for point in points} == {1}
    assert len(rows(client.get("/data-status/BOD"))) == 25
    updated = {row["dataset"]: row["lastUpdated"] for row in rows(client.get("/datasets/metadata/latest"))}
    assert updated["FUELINST"] == "2027-05-31T23:55:00Z"


def test_requests_are_recorded(sandbox: ElexonSandbox, client: httpx.Client) -> None:
    sandbox.requests.clear()
    client.get("/datasets/TEMP", params={"publishDateTimeFrom": "2026-01-01", "publishDateTimeTo": "2026-01-02"})
    client.get("/nothing")
    assert [(asked.path, asked.dataset) for asked in sandbox.requests] == [
        ("/datasets/TEMP", "TEMP"),
        ("/nothing", None),
    ]
    assert sandbox.requests[0].params[0] == ("publishDateTimeFrom", "2026-01-01")
    assert len(sandbox.requests.of("TEMP")) == 1 and sandbox.requests.peak == 1


def test_a_taken_port_is_named() -> None:
    with bound() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"port {port} .* choose another"):
            bound(port)
