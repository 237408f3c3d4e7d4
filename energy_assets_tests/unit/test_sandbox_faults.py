"""Every fault does what it says, over real HTTP, for whom it says and as often as it says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from energy_assets.sandbox.elexon import BASE_PATH, ElexonSandbox
from energy_assets.sandbox.faults import Faults, SandboxError
from energy_assets.sandbox.server import running

WINDFOR = "/datasets/WINDFOR/stream?publishDateTimeFrom=2026-07-15T00:00Z&publishDateTimeTo=2026-07-16T00:00Z"
OTHER_DAY = "/datasets/WINDFOR/stream?publishDateTimeFrom=2026-06-01T00:00Z&publishDateTimeTo=2026-06-02T00:00Z"
FUELHH = "/datasets/FUELHH/stream?settlementDateFrom=2026-07-15&settlementDateTo=2026-07-15"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ElexonSandbox, str]]:
    app = ElexonSandbox(clock=lambda: datetime(2026, 8, 1, tzinfo=UTC))
    with running(app) as url:
        yield app, url


@pytest.fixture
def faults(served: tuple[ElexonSandbox, str]) -> Iterator[Faults]:
    yield served[0].faults
    served[0].faults.clear()


@pytest.fixture
def client(served: tuple[ElexonSandbox, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[1]) as client:
        yield client


def whole(client: httpx.Client, path: str = WINDFOR) -> list[dict]:
    return client.get(path).json()


def test_status_with_retry_after_a_number_of_times(faults: Faults, client: httpx.Client) -> None:
    faults.add("status", status=429, seconds=2, count=2)
    first, second, third = (client.get(WINDFOR) for _ in range(3))
    assert [r.status_code for r in (first, second, third)] == [429, 429, 200]
    assert first.headers["retry-after"] == "2"


@pytest.mark.parametrize("status", [403, 500, 503])
def test_status_for_ever(status: int, faults: Faults, client: httpx.Client) -> None:
    faults.add("status", status=status)
    responses = [client.get(WINDFOR) for _ in range(4)]
    assert {r.status_code for r in responses} == {status}
    assert "retry-after" not in responses[0].headers


def test_a_fault_keeps_to_its_dataset(faults: Faults, client: httpx.Client) -> None:
    faults.add("status", dataset="FUELHH")
    assert client.get(WINDFOR).status_code == 200
    assert client.get(FUELHH).status_code == 500


def test_a_fault_skips_the_first_requests(faults: Faults, client: httpx.Client) -> None:
    faults.add("status", skip=2, count=1)
    assert [client.get(WINDFOR).status_code for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_hits_by_chance_and_the_same_way_each_time() -> None:
    def hits() -> list[bool]:
        chance = Faults(seed=3)
        chance.add("status", probability=0.3)
        return [bool(chance.hits("FUELHH")) for _ in range(200)]

    assert hits() == hits()
    assert 30 < sum(hits()) < 90


def test_a_fault_is_removed_by_its_number(faults: Faults, client: httpx.Client) -> None:
    number = faults.add("status")
    faults.remove(number)
    assert client.get(WINDFOR).status_code == 200


def test_latency_and_requests_in_flight(served: tuple[ElexonSandbox, str], faults: Faults) -> None:
    app, url = served
    app.requests.clear()
    faults.add("latency", seconds=0.5)
    started = time.monotonic()

    async def together() -> None:
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.get(url + WINDFOR) for _ in range(4)))

    asyncio.run(together())
    assert time.monotonic() - started >= 0.5
    assert app.requests.peak > 1


def test_reset_in_mid_body(faults: Faults, client: httpx.Client) -> None:
    faults.add("reset", count=1)
    with pytest.raises(httpx.ReadError):
        client.get(WINDFOR)
    assert whole(client)


def test_closed_in_mid_body(faults: Faults, client: httpx.Client) -> None:
    faults.add("short", count=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        client.get(WINDFOR)
    assert whole(client)


@pytest.mark.parametrize("kind", ["truncate", "truncate_comma"])
def test_truncated_body_in_a_whole_answer(kind: str, faults: Faults, client: httpx.Client) -> None:
    faults.add(kind)
    response = client.get(WINDFOR)
    assert response.status_code == 200 and int(response.headers["content-length"]) == len(response.content)
    with pytest.raises(json.JSONDecodeError):
        response.json()
    assert response.text.endswith("},") == (kind == "truncate_comma")


def test_html_with_200(faults: Faults, client: httpx.Client) -> None:
    faults.add("html")
    response = client.get(WINDFOR)
    assert response.status_code == 200 and response.text.startswith("<!DOCTYPE html>")


def test_empty_body(faults: Faults, client: httpx.Client) -> None:
    faults.add("empty")
    assert whole(client) == []


def test_identical_body_for_every_window(faults: Faults, client: httpx.Client) -> None:
    assert client.get(WINDFOR).content != client.get(OTHER_DAY).content
    faults.add("identical")
    assert client.get(WINDFOR).content == client.get(OTHER_DAY).content


def test_wrong_window(faults: Faults, client: httpx.Client) -> None:
    faults.add("wrong_window", days=44)
    assert {row["publishTime"][:7] for row in whole(client)} == {"2026-06"}


def test_ignored_parameters_give_the_latest_rows_for_every_window(faults: Faults, client: httpx.Client) -> None:
    faults.add("ignore_parameters")
    assert whole(client) == whole(client, OTHER_DAY) != []
    assert {row["publishTime"][:10] for row in whole(client)} == {"2026-07-31"}


def test_a_smaller_limit_than_documented(faults: Faults, client: httpx.Client) -> None:
    faults.add("small_limit", minutes=360)
    response = client.get(WINDFOR)
    assert response.status_code == 400
    assert response.json()["errors"][""][0].endswith("must not exceed 6 hours")
    six = "/datasets/WINDFOR/stream?publishDateTimeFrom=2026-07-15T00:00Z&publishDateTimeTo=2026-07-15T06:00Z"
    assert client.get(six).status_code == 200


def test_start_equal_to_end_gives_nothing(faults: Faults, client: httpx.Client) -> None:
    faults.add("start_end_empty")
    assert whole(client, FUELHH) == []
    assert whole(client)


def test_boundary_rows_come_twice_and_from_beyond(faults: Faults, client: httpx.Client) -> None:
    plain = whole(client, FUELHH)
    faults.add("boundary")
    more = whole(client, FUELHH)
    assert more[0] == more[1]
    assert "2026-07-16" in {row["settlementDate"] for row in more} and "2026-07-16" not in {
        r["settlementDate"] for r in plain
    }
    assert [row for row in more if row["settlementDate"] == "2026-07-15"] == plain


def test_duplicate_rows(faults: Faults, client: httpx.Client) -> None:
    plain = whole(client)
    faults.add("duplicate_rows")
    assert whole(client) == [row for row in plain for _ in range(2)]


def test_a_new_column(faults: Faults, client: httpx.Client) -> None:
    faults.add("new_column", column="surprise")
    assert all("surprise" in row for row in whole(client))


def test_a_missing_column(faults: Faults, client: httpx.Client) -> None:
    faults.add("missing_column")
    assert all("generation" not in row for row in whole(client))


def test_a_renamed_column(faults: Faults, client: httpx.Client) -> None:
    plain = whole(client)
    faults.add("rename_column", column="generation", name="windGeneration")
    assert [row["windGeneration"] for row in whole(client)] == [row["generation"] for row in plain]


def test_reordered_columns(faults: Faults, client: httpx.Client) -> None:
    plain = whole(client)
    faults.add("reorder_columns")
    assert [list(row) for row in whole(client)] == [list(reversed(row)) for row in plain]
    assert whole(client) == plain


@pytest.mark.parametrize(("share", "bad"), [(0.0, 1), (0.05, 15)])
def test_untypable_rows(share: float, bad: int, faults: Faults, client: httpx.Client) -> None:
    faults.add("untypable", share=share)
    found = whole(client)
    assert sum(row["generation"] == "not a number" for row in found) == pytest.approx(bad, abs=1)


def test_faults_settings_and_requests_over_http(served: tuple[ElexonSandbox, str], client: httpx.Client) -> None:
    root = served[1].removesuffix(BASE_PATH)
    added = httpx.post(root + "/sandbox/faults", json={"kind": "status", "status": 503, "dataset": "WINDFOR"})
    assert added.status_code == 201
    assert client.get(WINDFOR).status_code == 503
    (listed,) = httpx.get(root + "/sandbox/faults").json()
    assert listed["kind"] == "status" and listed["hit"] == 1
    assert httpx.delete(f"{root}/sandbox/faults/{listed['id']}").json() == []
    assert client.get(WINDFOR).status_code == 200
    requests = httpx.get(root + "/sandbox/requests").json()
    assert requests["count"] == len(requests["requests"]) > 0
    assert httpx.delete(root + "/sandbox/requests").json()["count"] == 0
    changed = httpx.post(root + "/sandbox/settings", json={"revision": 1}).json()
    assert changed["revision"] == 1
    before = whole(client, FUELHH)
    httpx.post(root + "/sandbox/settings", json={"revision": 0})
    assert whole(client, FUELHH) != before


def test_rows_are_edited_over_http() -> None:
    app = ElexonSandbox(clock=lambda: datetime(2026, 8, 1, tzinfo=UTC))
    with running(app) as url:
        edit = {"kind": "remove", "dataset": "FUELHH", "match": {"fuelType": "CCGT"}}
        assert httpx.post(url.removesuffix(BASE_PATH) + "/sandbox/edits", json=[edit]).status_code == 201
        assert "CCGT" not in {row["fuelType"] for row in httpx.get(url + FUELHH).json()}


@pytest.mark.parametrize(("kind", "options"), [("explode", {}), ("status", {"colour": "red"})])
def test_an_unknown_fault_is_refused(kind: str, options: dict, served: tuple[ElexonSandbox, str]) -> None:
    with pytest.raises(SandboxError):
        Faults().add(kind, **options)
    refused = httpx.post(served[1].removesuffix(BASE_PATH) + "/sandbox/faults", json={"kind": kind, **options})
    assert (refused.status_code == 400 and "there" in refused.json()["error"]) or "option" in refused.json()["error"]
