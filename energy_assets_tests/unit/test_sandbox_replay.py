"""Recorded bodies: found, told apart, placed on the window axis and served as they were recorded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import httpx
import pytest
import yaml

from energy_assets.calendar import day_bounds_utc
from energy_assets.catalogue import dataset
from energy_assets.catalogue.model import Dataset
from energy_assets.ingest.model import Window
from energy_assets.sandbox.elexon import BASE_PATH, ElexonSandbox
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.replay import Replay
from energy_assets.sandbox.server import running
from energy_assets.sources.elexon import render
from energy_assets_tests import samples

PRICES = """{"metadata": {"datasets": ["DISEBSP"]}, "data": [
 {"settlementDate": "2026-08-01", "settlementPeriod": 5, "startTime": "2026-08-01T01:00:00Z",
  "createdDateTime": "2026-08-02T01:44:33Z", "systemSellPrice": 160.000000000000000000,
  "netImbalanceVolume": 344.249492314814801830, "replacementPrice": null}]}"""

OUTTURN = """[{"dataset": "FUELHH", "publishTime": "2026-08-01T00:30:00Z", "startTime": "2026-08-01T00:00:00Z",
 "settlementDate": "2026-08-01", "settlementPeriod": 3, "fuelType": "WIND", "generation": 5},
 {"dataset": "FUELHH", "publishTime": "2026-08-02T00:30:00Z", "startTime": "2026-08-02T00:00:00Z",
 "settlementDate": "2026-08-02", "settlementPeriod": 3, "fuelType": "WIND", "generation": 6}]"""

BIDS = """dataset,settlementDate,settlement_period,timeFrom,level_from,timeTo,level_to,pair_id,offer_price,bid_price,\
nationalGridBmUnit,bmu_id
BOD,2026-08-01,4,2026-08-01T00:30:00Z,-15,2026-08-01T01:00:00Z,-15,-1,80.0,-99999.00,ABERU-1,
"""

STACK = """{"data": [{"settlementDate": "2026-08-01", "settlementPeriod": 15, "sequenceNumber": 1,
 "volume": -0.19166666666666668}]}"""

UNITS = """[{"nationalGridBmUnit": "A-1", "elexonBmUnit": null, "generationCapacity": "15.400"},
 {"nationalGridBmUnit": "B-1", "elexonBmUnit": "T_B-1", "generationCapacity": null}]"""

FILES = {
    "DISEBSP/prices.json": PRICES,
    "FUELHH/outturn.json": OUTTURN,
    "BOD/bids.csv": BIDS,
    "ISPSTACK/stack_bid_2026-08-01_15.json": STACK,
    "ISPSTACK/side_unknown.json": STACK,
    "reference_bmunits/units.json": UNITS,
    "reference_bmunits/empty.json": "[]",
    "reference_bmunits/fewer.json": '[{"nationalGridBmUnit": "B-1", "elexonBmUnit": "T_B-1"}]',
    "DISEBSP/legacy.csv": "Settlement Date,Settlement Period,System Sell Price(£/MWh)\n01/08/2026,1,52.25\n",
    "FUELHH/nested.json": '[{"startTime": "2026-08-01T00:00:00Z", "settlementPeriod": 1, "data": []}]',
    "FUELHH/broken.json": '{"data": [',
    "market_depth/depth.json": '{"data": [{"settlementDate": "2026-08-01"}]}',
    "error_body/error.json": '{"type": "x", "status": 400}',
    "MID/error.json": '{"type": "x", "status": 400}',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded")
    for name, text in FILES.items():
        path = root / "bmrs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with running(ElexonSandbox(Replay(folder))) as url, httpx.Client(base_url=url) as client:
        yield client


def test_numbers_keep_the_text_in_which_they_were_recorded(client: httpx.Client) -> None:
    text = client.get("/balancing/settlement/system-prices/2026-08-01").text
    assert '"systemSellPrice": 160.000000000000000000' in text
    assert '"netImbalanceVolume": 344.249492314814801830' in text


def test_only_rows_of_the_window_are_served(client: httpx.Client) -> None:
    def asked(day: str) -> list[dict]:
        params = {"settlementDateFrom": day, "settlementDateTo": day}
        return client.get("/datasets/FUELHH/stream", params=params).json()

    assert [row["generation"] for row in asked("2026-08-01")] == [5]
    assert [row["generation"] for row in asked("2026-08-02")] == [6]
    assert asked("2026-08-03") == []


def test_a_csv_body_becomes_the_json_that_the_provider_sends(client: httpx.Client) -> None:
    asked = {"from": "2026-08-01T00:00Z", "to": "2026-08-01T00:00Z", "settlementPeriodFrom": 4, "settlementPeriodTo": 4}
    response = client.get("/datasets/BOD/stream", params=asked)
    assert '"bid":-99999.00' in response.text
    (row,) = response.json()
    assert row == {
        "dataset": "BOD",
        "settlementDate": "2026-08-01",
        "settlementPeriod": 4,
        "timeFrom": "2026-08-01T00:30:00Z",
        "levelFrom": -15,
        "timeTo": "2026-08-01T01:00:00Z",
        "levelTo": -15,
        "pairId": -1,
        "offer": 80.0,
        "bid": -99999.0,
        "nationalGridBmUnit": "ABERU-1",
        "bmUnit": None,
    }


def test_the_side_is_known_from_the_file_name(client: httpx.Client) -> None:
    assert len(client.get("/balancing/settlement/stack/all/bid/2026-08-01/15").json()["data"]) == 1
    assert client.get("/balancing/settlement/stack/all/offer/2026-08-01/15").json()["data"] == []


def test_a_register_is_served_whole(client: httpx.Client) -> None:
    assert client.get("/reference/bmunits/all").json() == json.loads(UNITS)


def test_what_was_not_recorded_is_empty(client: httpx.Client) -> None:
    asked = {"publishDateTimeFrom": "2026-08-01T00:00Z", "publishDateTimeTo": "2026-08-02T00:00Z"}
    assert client.get("/datasets/REMIT/stream", params=asked).json() == []


def test_skipped_bodies_are_listed_with_the_reason(client: httpx.Client) -> None:
    listed = httpx.get(str(client.base_url).removesuffix(BASE_PATH + "/") + "/replay").json()
    assert {body["dataset"]: body["rows"] for body in listed["served"]} == {
        "DISEBSP": 1,
        "FUELHH": 2,
        "BOD": 1,
        "ISPSTACK": 1,
        "BMUNITS": 2,
    }
    reasons = {Path(body["file"]).name: body["reason"] for body in listed["skipped"]}
    assert "which bidOffer" in reasons["side_unknown.json"]
    assert "no records" in reasons["empty.json"]
    assert "a smaller reading" in reasons["fewer.json"]
    assert "another view" in reasons["legacy.csv"]
    assert "lack settlementDate" in reasons["nested.json"]
    assert "no JSON" in reasons["broken.json"]
    assert "names no dataset" in reasons["depth.json"]
    assert any("no array" in body["reason"] for body in listed["skipped"] if body["file"] == "bmrs/MID/error.json")


def test_a_manifest_tells_dataset_and_side(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(STACK)
    url = "https://data.elexon.co.uk/bmrs/api/v1/balancing/settlement/stack/all/offer/2026-08-01/15"
    told = {"files": [{"file": "a.json", "dataset": "stack of one period", "url": url}]}
    (tmp_path / "MANIFEST.yaml").write_text(yaml.safe_dump(told))
    (body,) = Replay(tmp_path).bodies
    assert (body.dataset, body.rows, body.days) == ("ISPSTACK", 1, ("2026-08-01",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no folder"),
        ({}, "empty"),
        ({"FUELHH/x.json": "[]"}, "no records"),
        ({"MANIFEST.yaml": "- a"}, "no manifest"),
    ],
)
def test_a_folder_that_cannot_be_replayed_is_an_error(content: dict | None, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "bodies"
    for name, text in (content or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if content is not None:
        folder.mkdir(exist_ok=True)
    with pytest.raises(SandboxError, match=message):
        Replay(folder)


@pytest.fixture(scope="module")
def sampled() -> Replay:
    if not samples.folder().is_dir():
        pytest.skip(f"no recorded samples in {samples.folder()}; set ENERGY_ASSETS_SAMPLES to the folder that has them")
    return Replay(samples.folder())


def everything(replay: Replay, code: str) -> list[dict]:
    entry = dataset(code)
    text = b",".join(
        piece
        for branch in entry.branch_choices()
        if (piece := replay.select(entry, branch, -(2**62), 2**62, 0) or replay.register(entry, 0))
    )
    return json.loads(b"[" + text + b"]")


def test_every_record_of_a_served_sample_is_there(sampled: Replay) -> None:
    served = {body.file: body for body in sampled.bodies if not body.reason}
    assert all(body.unplaced == 0 for body in served.values())
    wanted: Counter[str] = Counter()
    for sample in samples.bmrs_samples():
        name = sample.path.relative_to(samples.folder()).as_posix()
        if name in served and dataset(sample.code).check.kind != "none":
            wanted[sample.code] += len(sample.records)
    assert {code: len(everything(sampled, code)) for code in wanted} == wanted


def test_json_records_are_served_value_for_value(sampled: Replay) -> None:
    served = {body.file for body in sampled.bodies if not body.reason}
    for sample in samples.bmrs_samples():
        name = sample.path.relative_to(samples.folder()).as_posix()
        if name in served and sample.path.suffix == ".json" and dataset(sample.code).check.kind != "none":
            there = everything(sampled, sample.code)
            assert all(record in there for record in sample.records), name


def test_only_other_views_and_closed_formats_are_skipped(sampled: Replay) -> None:
    skipped = {body.file for body in sampled.bodies if body.reason and body.file.startswith("bmrs/")}
    assert {Path(file).parent.name for file in skipped} <= {
        "AGPT",
        "BOD",
        "DISEBSP",
        "FUELHH",
        "PN_QPN_MEL_MIL_BOALF",
        "error_body",
        "market_depth",
        "reference_bmunits",
    }


@pytest.mark.parametrize("code", ["MID", "FUELINST", "BOALF", "REMIT", "DISEBSP", "WINDFOR", "MELS", "FREQ"])
def test_samples_are_served_for_the_windows_that_the_project_asks(code: str, sampled: Replay) -> None:
    entry = dataset(code)
    days = {day for body in sampled.bodies if body.dataset == code for day in body.days}
    found = set()
    with running(ElexonSandbox(sampled)) as url, httpx.Client(base_url=url) as client:
        for window in chain.from_iterable(windows_of(entry, date.fromisoformat(day)) for day in sorted(days)):
            path, params = render(entry, window)
            body = client.get(path, params=params).raise_for_status().json()
            found.update(map(json.dumps, body if isinstance(body, list) else body["data"]))
    assert {json.dumps(row) for row in everything(sampled, code)} == found


def windows_of(entry: Dataset, day: date) -> Iterator[Window]:
    """Windows that cover a whole settlement day of a dataset, none larger than one request asks for."""
    start, end = day_bounds_utc(day)
    if entry.query.unit == "day":
        yield Window(start, end)
        return
    step = timedelta(minutes=entry.query.most * (30 if entry.query.unit == "period" else 1))
    while start < end:
        yield Window(start, min(start + step, end))
        start += step
