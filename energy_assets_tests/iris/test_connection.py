"""From settings to a connection: what is missing is named, what is secret is not shown, what errors mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from energy_assets.errors import SettingsError
from energy_assets.settings import Settings, load_settings, variable_names
from energy_assets.sources.iris.connection import Address, connection_of, secret_warning
from energy_assets.sources.iris.refusals import MOST_SHOWN, in_short, refusal
from energy_assets.sources.iris.tally import MOST_GAPS, SWAPPED, Numbering, Tally
from energy_assets.sources.redaction import Redactor

ROOT = Path(__file__).parents[2]
STRING = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=s3cr3t/key="
NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
ADDRESS = Address("iris.q", "ns.servicebus.windows.net")


def given_all(**changed: Any) -> Settings:
    values = {"iris_client_id": "id", "iris_client_secret": SecretStr("s3cr3t"), "iris_queue_name": "iris.q"}
    return Settings(**(values | changed))


def refused(settings: Settings) -> str:
    with pytest.raises(SettingsError) as caught:
        connection_of(settings)
    assert "s3cr3t" not in str(caught.value)
    return str(caught.value)


def test_production_needs_three_settings():
    address = connection_of(given_all()).address
    assert str(address) == "iris.q in elexon-insights-iris.servicebus.windows.net"
    assert (address.authority, address.endpoint, address.ca, address.websocket) == (None, None, None, False)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["iris_client_id"], "IRIS_CLIENT_ID is not set: "),
        (["iris_client_secret", "iris_queue_name"], "IRIS_CLIENT_SECRET and IRIS_QUEUE_NAME are not set: "),
        (
            ["iris_client_id", "iris_client_secret", "iris_queue_name"],
            "IRIS_CLIENT_ID, IRIS_CLIENT_SECRET and IRIS_QUEUE_NAME are not set: ",
        ),
    ],
)
def test_exactly_what_is_missing_is_named(missing: list[str], named: str):
    assert refused(given_all(**dict.fromkeys(missing))).startswith(named)


def test_a_connection_string_stands_for_the_others():
    connection = connection_of(Settings(iris_connection_string=SecretStr(f"{STRING};EntityPath=iris.q")))
    assert connection.address == ADDRESS
    named = Settings(iris_connection_string=SecretStr(STRING), iris_queue_name="iris.other")
    assert connection_of(named).address.queue == "iris.other"


@pytest.mark.parametrize(
    ("string", "told"),
    [
        (STRING, "IRIS_QUEUE_NAME is not set, and IRIS_CONNECTION_STRING has no EntityPath"),
        ("s3cr3t", "IRIS_CONNECTION_STRING is not usable: "),
        ("Endpoint=sb://ns/;SharedAccessKey=s3cr3t", "IRIS_CONNECTION_STRING is not usable: "),
    ],
)
def test_a_connection_string_that_cannot_be_used_is_not_shown(string: str, told: str):
    assert refused(Settings(iris_connection_string=SecretStr(string))).startswith(told)


def test_what_cannot_be_used_is_named(tmp_path: Path):
    assert "which is no file" in refused(given_all(iris_ca=tmp_path / "none.pem"))
    assert refused(given_all(iris_tenant_id="a b/c")).startswith("IRIS_TENANT_ID is 'a b/c'")


def test_a_namespace_may_be_a_whole_host_name():
    assert connection_of(given_all(iris_namespace="a.example")).address.namespace == "a.example"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("ENERGY_ASSETS_IRIS_ENDPOINT", "127.0.0.1:5671", "sb://127.0.0.1:5671"),
        ("ENERGY_ASSETS_IRIS_ENDPOINT", "amqps://localhost:1/", "sb://localhost:1"),
        ("ENERGY_ASSETS_IRIS_AUTHORITY", "https://127.0.0.1:1/", "https://127.0.0.1:1"),
        ("ENERGY_ASSETS_IRIS_TRANSPORT", "WebSocket", "websocket"),
        ("IRIS_SECRET_EXPIRES", "2028-07-15", date(2028, 7, 15)),
    ],
)
def test_settings_are_read(name: str, value: str, kept: object):
    settings = load_settings({name: value}, env_file=None)
    assert getattr(settings, name.lower().removeprefix("energy_assets_")) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENERGY_ASSETS_IRIS_ENDPOINT", "https://127.0.0.1:1"),
        ("ENERGY_ASSETS_IRIS_ENDPOINT", "127.0.0.1"),
        ("ENERGY_ASSETS_IRIS_ENDPOINT", "u:p@127.0.0.1:1"),
        ("ENERGY_ASSETS_IRIS_AUTHORITY", "http://127.0.0.1:1"),
        ("ENERGY_ASSETS_IRIS_TRANSPORT", "http"),
        ("ENERGY_ASSETS_IRIS_MIN_FREE_GB", "-1"),
        ("ENERGY_ASSETS_IRIS_SILENCE_SECONDS", "0"),
        ("ENERGY_ASSETS_IRIS_GIVE_UP_SECONDS", "never"),
        ("IRIS_SECRET_EXPIRES", "15/07/2028"),
        ("IRIS_SECRET_EXPIRES", "1846972800"),
    ],
)
def test_wrong_settings_are_refused_by_name(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        load_settings({name: value}, env_file=None)


def test_the_key_inside_a_connection_string_is_a_secret_of_its_own():
    settings = Settings(iris_connection_string=SecretStr(STRING))
    assert Redactor(settings.secrets())("refused key s3cr3t/key=") == "refused key ***"


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (None, None),
        (61, None),
        (60, "ends on 2026-09-13, in 60 days"),
        (0, "ended on 2026-07-15"),
        (-9, "ended on 2026-07-06"),
    ],
)
def test_a_secret_that_ends_is_warned_of(days: int | None, told: str | None):
    today = NOON.date()
    warning = secret_warning(None if days is None else today + timedelta(days=days), today)
    assert (warning is None) if told is None else (warning is not None and told in warning)


def test_an_error_that_may_pass_is_no_refusal():
    from azure.servicebus import exceptions as sdk

    for error in (OSError("refused"), TimeoutError(), sdk.ServiceBusServerBusyError(), Exception("AADSTS90033: busy")):
        assert refusal(error, ADDRESS) is None


def test_the_whole_chain_is_read():
    try:
        try:
            raise ValueError("AADSTS700016: no such client")
        except ValueError as inner:
            raise RuntimeError("Handler failed") from inner
    except RuntimeError as error:
        told = refusal(error, ADDRESS)
        assert in_short(error) == "RuntimeError: Handler failed, from ValueError: AADSTS700016: no such client"
    assert str(told).startswith("The client of IRIS_CLIENT_ID does not exist in the tenant (AADSTS700016)")


@given(st.text())
def test_an_error_fits_a_line(text: str):
    told = in_short(ValueError(text))
    assert len(told) <= MOST_SHOWN
    assert "\n" not in told


def test_holes_in_the_numbering_close_again():
    numbering = Numbering()
    for number in (5, 6, 10, 12):
        numbering.see(number, NOON + timedelta(seconds=number))
    assert numbering.missing == 4
    assert [(g.first, g.last) for g in numbering.newest(9)] == [(7, 9), (11, 11)]
    assert numbering.newest(1)[0].from_utc == NOON + timedelta(seconds=10)
    for number in (8, 8, 3, 11, 12):
        numbering.see(number, NOON)
    assert [(g.first, g.last) for g in numbering.newest(9)] == [(7, 7), (9, 9)]
    assert numbering.greatest == 12


@given(st.lists(st.integers(0, 40)))
def test_missing_is_what_was_not_seen(numbers: list[int]):
    numbering = Numbering()
    for number in numbers:
        numbering.see(number, NOON)
    if numbers:
        between = set(range(numbers[0], max(numbers) + 1))
        assert numbering.missing == len(between - set(numbers))


def test_partitions_are_numbered_apart():
    numbering = Numbering(7, NOON)
    for number in range(8, 12):
        for partition in (0, 1, 5):
            numbering.see((partition << 48) + number, NOON)
    assert numbering.missing == 0
    numbering.see((5 << 48) + 14, NOON)
    assert [(g.first - (5 << 48), g.last - (5 << 48)) for g in numbering.newest(9)] == [(12, 13)]
    assert numbering.greatest == (5 << 48) + 14


def test_a_queue_that_was_made_anew_is_numbered_anew():
    numbering = Numbering()
    for number in (1, 2, 900):
        numbering.see(number, NOON)
    numbering.see(2, NOON + SWAPPED)
    assert (numbering.greatest, numbering.missing) == (900, 897), "delivered again"
    numbering.see(1, NOON + SWAPPED + timedelta(seconds=1))
    assert (numbering.greatest, numbering.missing) == (1, 0)
    numbering.see(4, NOON + 2 * SWAPPED)
    assert [(g.first, g.last) for g in numbering.newest(9)] == [(2, 3)]


def test_holes_are_remembered_up_to_a_number():
    numbering = Numbering(0, NOON)
    for number in range(2, 2 * MOST_GAPS + 20, 2):
        numbering.see(number, NOON)
    assert numbering.missing == MOST_GAPS


def test_the_slowest_message_is_told_once():
    tally = Tally()
    for seconds in (1.0, 3.0, 2.0):
        tally.saw_lag(seconds)
    assert (tally.lag_seconds, tally.take_worst_lag(), tally.take_worst_lag()) == (2.0, 3.0, None)


def test_every_setting_is_in_the_page():
    page = (ROOT / "docs" / "iris.md").read_text()
    assert [
        name for name in variable_names() if "IRIS" in name and "ARCHIVE" not in name and f"`{name}`" not in page
    ] == []


def test_the_service_is_restarted_and_may_finish_its_batch():
    unit = (ROOT / "deploy" / "energy-assets-iris.service").read_text().splitlines()
    assert {"Restart=always", "KillSignal=SIGTERM", "NoNewPrivileges=true", "StartLimitIntervalSec=0"} <= set(unit)
    assert any(line.startswith("ExecStart=") and line.endswith("energy-assets iris listen") for line in unit)


def test_the_container_is_built_of_a_plain_image():
    lines = (ROOT / "deploy" / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM ")] == ["FROM python:3.13-slim"]
    assert not any("IRIS_" in line for line in lines)
