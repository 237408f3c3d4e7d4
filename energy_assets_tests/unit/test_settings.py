"""Settings: defaults, precedence, and one clear sentence for everything that is wrong."""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from energy_assets.errors import SettingsError
from energy_assets.settings import Settings, load_settings, variable_names


def load(**variables: str) -> Settings:
    return load_settings(variables, env_file=None)


def refusal(**variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**variables)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_everything_has_a_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert settings.home == tmp_path / ".energy_assets"
    assert settings.duckdb_path == tmp_path / ".energy_assets" / "energy.duckdb"
    assert settings.iris_drop_dir == tmp_path / ".energy_assets" / "iris"
    assert (settings.warehouse, settings.schema_name, settings.profile) == ("duckdb", "uk_energy_insights", "all")
    assert (settings.keep_bodies_days, settings.log_level) == (3, "INFO")
    assert settings.elexon_url == "https://data.elexon.co.uk/bmrs/api/v1"
    assert (settings.elexon_requests_per_second, settings.elexon_concurrency) == (80.0, 16)
    assert settings.bmrs_api_keys == ()
    assert settings.source_api_label == "BMRS"
    assert (settings.bigquery_max_bytes_billed, settings.bigquery_price_per_tib_gbp) == (100 * 10**9, 5.0)
    assert settings.bigquery_require_partition_filter is False


def test_the_home_stays_where_it_was_at_loading(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load(ENERGY_ASSETS_HOME="here")
    monkeypatch.chdir("/")
    assert settings.home == tmp_path / "here"
    assert settings.duckdb_path == tmp_path / "here" / "energy.duckdb"


def test_a_path_of_its_own_does_not_follow_the_home(tmp_path):
    settings = load(ENERGY_ASSETS_HOME=str(tmp_path), ENERGY_ASSETS_DUCKDB_PATH="~/w.duckdb")
    assert settings.duckdb_path == Path.home() / "w.duckdb"


def test_the_process_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("ENERGY_ASSETS_PROFILE", "core")
    assert load_settings(env_file=None).profile == "core"
    assert Settings().profile == "all"


def test_the_environment_goes_before_the_file_and_empty_is_not_set(tmp_path):
    file = tmp_path / "settings.env"
    file.write_text("ENERGY_ASSETS_PROFILE=core\nexport ENERGY_ASSETS_SCHEMA='mine'  # why\nOTHER_PROGRAMS=1\n\n")
    settings = load_settings({"ENERGY_ASSETS_PROFILE": "battery", "ENERGY_ASSETS_SCHEMA": "theirs"}, file)
    assert (settings.profile, settings.schema_name) == ("battery", "theirs")
    settings = load_settings({"ENERGY_ASSETS_KEEP_BODIES_DAYS": " "}, file)
    assert (settings.profile, settings.schema_name, settings.keep_bodies_days) == ("core", "mine", 3)


def test_a_missing_file_is_no_error(tmp_path):
    assert load_settings({}, tmp_path / ".env").profile == "all"


@pytest.mark.parametrize("line", ["ENERGY_ASSETS_PROFILE core", "ENERGY_ASSETS_PROFILE", "='core'"])
def test_a_line_that_is_no_assignment_is_refused_and_not_shown(tmp_path, line):
    file = tmp_path / ".env"
    file.write_text(f"ENERGY_ASSETS_SCHEMA=mine\n{line}\n")
    with pytest.raises(SettingsError, match=r"Line 2 of .*\.env is not NAME=value; mend or remove it\.") as caught:
        load_settings({}, file)
    assert "core" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({}, tmp_path)
    file = tmp_path / ".env"
    file.write_bytes(b"ENERGY_ASSETS_SCHEMA=\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        load_settings({}, file)


def test_any_other_warehouse_is_refused():
    assert refusal(ENERGY_ASSETS_WAREHOUSE="postgres") == (
        "ENERGY_ASSETS_WAREHOUSE is 'postgres', but it should be 'duckdb' or 'bigquery'."
    )
    assert load(ENERGY_ASSETS_WAREHOUSE="bigquery").warehouse == "bigquery"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ENERGY_ASSETS_HOEM", "ENERGY_ASSETS_HOME"),
        ("ENERGY_ASSETS_WAREHOUS", "ENERGY_ASSETS_WAREHOUSE"),
        ("energy_assets_profile", "ENERGY_ASSETS_PROFILE"),
        ("ENERGY_ASSETS_DUCKDB", "ENERGY_ASSETS_DUCKDB_PATH"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest(name, nearest):
    assert refusal(**{name: "x"}) == f"{name} is not a setting; the nearest is {nearest}."


def test_a_misspelt_variable_in_the_file_is_refused(tmp_path):
    file = tmp_path / ".env"
    file.write_text("ENERGY_ASSETS_KEEP_BODIES=9\n")
    with pytest.raises(SettingsError, match="the nearest is ENERGY_ASSETS_KEEP_BODIES_DAYS"):
        load_settings({}, file)


@pytest.mark.parametrize("schema", ["a-b", 'x"; drop', "Capital", "1st", "_x", "information_schema", "a" * 64])
def test_a_schema_that_is_no_safe_identifier_is_refused(schema):
    assert "ENERGY_ASSETS_SCHEMA" in refusal(ENERGY_ASSETS_SCHEMA=schema)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENERGY_ASSETS_KEEP_BODIES_DAYS", "-1"),
        ("ENERGY_ASSETS_KEEP_BODIES_DAYS", "soon"),
        ("ENERGY_ASSETS_ELEXON_REQUESTS_PER_SECOND", "0"),
        ("ENERGY_ASSETS_ELEXON_REQUESTS_PER_SECOND", "inf"),
        ("ENERGY_ASSETS_ELEXON_REQUESTS_PER_SECOND", "1000"),
        ("ENERGY_ASSETS_ELEXON_CONCURRENCY", "0"),
        ("ENERGY_ASSETS_ELEXON_CONCURRENCY", "65"),
        ("ENERGY_ASSETS_LOG_LEVEL", "loud"),
        ("ENERGY_ASSETS_PROFILE", "everything"),
        ("ENERGY_ASSETS_BIGQUERY_MAX_BYTES_BILLED", "-1"),
        ("ENERGY_ASSETS_BIGQUERY_MAX_BYTES_BILLED", "100 GB"),
        ("ENERGY_ASSETS_BIGQUERY_REQUIRE_PARTITION_FILTER", "perhaps"),
        ("ENERGY_ASSETS_BIGQUERY_PRICE_PER_TIB_GBP", "-5"),
        ("ENERGY_ASSETS_IRIS_BATCH_SECONDS", "0"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_possible(name, value):
    message = refusal(**{name: value})
    assert message.startswith(f"{name} is {value!r}, but it should be ")
    assert message.count(".") == 1


def test_every_wrong_value_is_named_at_once():
    message = refusal(ENERGY_ASSETS_LOG_LEVEL="loud", ENERGY_ASSETS_HOME="/x", ENERGY_ASSETS_PROFILE="big")
    assert "ENERGY_ASSETS_LOG_LEVEL" in message
    assert "ENERGY_ASSETS_PROFILE" in message
    assert "ENERGY_ASSETS_HOME" not in message


@pytest.mark.parametrize(
    "url", ["data.elexon.co.uk", "ftp://host/x", "https://", "https://me:hunter2@host", "http://[::1", "file:///etc"]
)
def test_an_address_that_is_none_is_refused_without_showing_it(url):
    message = refusal(ENERGY_ASSETS_ELEXON_URL=url)
    assert message.startswith("ENERGY_ASSETS_ELEXON_URL is not usable: ")
    assert "hunter2" not in message


def test_an_address_loses_its_last_slash():
    assert load(ENERGY_ASSETS_ELEXON_URL="https://proxy.example/elexon/").elexon_url == "https://proxy.example/elexon"


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("http://127.0.0.1:8765/bmrs/api/v1", "SANDBOX"),
        ("http://localhost:8765", "SANDBOX"),
        ("http://[::1]:8765", "SANDBOX"),
        ("https://proxy.example/elexon", "BMRS"),
    ],
)
def test_rows_from_a_loopback_address_are_labelled_as_made_up(url, label):
    assert load(ENERGY_ASSETS_ELEXON_URL=url).source_api_label == label


def test_pushed_messages_gather_as_long_as_suits_the_warehouse():
    assert load().iris_batch_seconds == 30
    assert load(ENERGY_ASSETS_WAREHOUSE="bigquery").iris_batch_seconds == 300
    assert load(ENERGY_ASSETS_WAREHOUSE="bigquery", ENERGY_ASSETS_IRIS_BATCH_SECONDS="20").iris_batch_seconds == 20


@pytest.mark.parametrize("address", ["127.0.0.1:9060", "http://127.0.0.1:9060", "grpc://127.0.0.1:9060/"])
def test_a_storage_endpoint_is_a_host_and_a_port_with_or_without_a_scheme(address):
    assert load(ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT=address).bigquery_storage_endpoint == "127.0.0.1:9060"


@pytest.mark.parametrize(
    "address", ["localhost", ":9060", "https://host:1", "host:99999", "host:1/x", "me:hunter2@host:1", "[::1:2"]
)
def test_a_storage_endpoint_that_is_none_is_refused_without_showing_it(address):
    message = refusal(ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT=address)
    assert message.startswith("ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT is not usable: ")
    assert "hunter2" not in message


def test_an_emulator_needs_its_scheme():
    assert "http://" in refusal(BIGQUERY_EMULATOR_HOST="127.0.0.1:9050")


def test_an_emulator_is_not_google_itself():
    message = refusal(BIGQUERY_EMULATOR_HOST="https://bigquery.googleapis.com")
    assert message.startswith("BIGQUERY_EMULATOR_HOST is not usable: ")
    assert "names Google itself" in message


def test_keys_are_collected_in_their_order_once_each():
    settings = load(BMRS_API_KEY_10="ten", BMRS_API_KEY_2="two", BMRS_API_KEY_20="two", BMRS_API_KEY_1="")
    assert [key.get_secret_value() for key in settings.bmrs_api_keys] == ["two", "ten"]


@pytest.mark.parametrize("name", ["BMRS_API_KEY_0", "BMRS_API_KEY_21", "BMRS_API_KEY_X"])
def test_a_key_beyond_the_twenty_is_refused_and_not_shown(name):
    message = refusal(**{name: "s3cret"})
    assert message == f"{name} is not a setting; keys are BMRS_API_KEY_1 to BMRS_API_KEY_20."


def test_secrets_are_never_shown():
    secret = "s3cret-value"
    settings = load(
        BMRS_API_KEY_1=secret,
        IRIS_CLIENT_SECRET=secret,
        IRIS_CONNECTION_STRING=secret,
        ENERGY_ASSETS_ALERT_URLS=f"ntfy://{secret}, mailto://{secret}@example.org",
    )
    assert secret not in f"{settings!r} {settings!s} {settings.model_dump()} {settings.model_dump_json()}"
    assert len(settings.secrets()) == 5
    assert all(isinstance(value, SecretStr) for value in settings.secrets())
    message = refusal(BMRS_API_KEY_1=secret, IRIS_CONNECTION_STRING=secret, ENERGY_ASSETS_LOG_LEVEL="loud")
    assert secret not in message


def test_alert_addresses_are_separated_by_spaces_or_commas_and_keep_commas_of_their_own():
    text = "https://hooks.slack.com/services/A/B/C,mailto://h?to=a@example.org,b@example.org ,\n json://h/x,"
    settings = load(ENERGY_ASSETS_ALERT_URLS=text, ENERGY_ASSETS_ALERT_ESCALATION_URLS="ntfy://one")
    assert [u.get_secret_value() for u in settings.alert_urls] == [
        "https://hooks.slack.com/services/A/B/C",
        "mailto://h?to=a@example.org,b@example.org",
        "json://h/x",
    ]
    assert [u.get_secret_value() for u in settings.alert_escalation_urls] == ["ntfy://one"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URLS", "ntfy://fine s3cret"),
        ("ESCALATION_URLS", "s3cret"),
        ("HEARTBEAT_URL", "ftp://s3cret"),
        ("HEARTBEAT_URL", "s3cret"),
    ],
)
def test_an_alert_address_that_is_none_is_refused_and_not_shown(name, value):
    message = refusal(**{f"ENERGY_ASSETS_ALERT_{name}": value})
    assert message.startswith(f"ENERGY_ASSETS_ALERT_{name} is not usable")
    assert "s3cret" not in message


@pytest.mark.parametrize(("text", "first", "last"), [("22:00-07:00", 22, 7), ("9:00 - 17:00", 9, 17)])
def test_quiet_hours_are_two_times_of_day(text, first, last):
    assert load(ENERGY_ASSETS_ALERT_QUIET_HOURS=text).alert_quiet_hours == (time(first), time(last))


@pytest.mark.parametrize("text", ["22:00", "22-7", "24:00-07:00", "22:60-07:00", "07:00-07:00", "22:00-07:00-08:00"])
def test_quiet_hours_that_are_none_are_refused(text):
    assert "two different times of day, as 22:00-07:00" in refusal(ENERGY_ASSETS_ALERT_QUIET_HOURS=text)


def test_a_home_folder_that_nobody_has_is_refused():
    assert "ENERGY_ASSETS_DUCKDB_PATH" in refusal(ENERGY_ASSETS_DUCKDB_PATH="~nobody-of-this-name/w.duckdb")


@given(st.dictionaries(st.sampled_from(sorted(variable_names())), st.text(max_size=30)))
def test_any_value_gives_settings_or_a_settings_error(variables):
    try:
        settings = load_settings(variables, env_file=None)
    except SettingsError as error:
        assert str(error).endswith(".")
    else:
        assert settings.home.is_absolute()


def test_settings_are_frozen_and_built_by_name_in_code(tmp_path):
    settings = Settings(home=tmp_path, keep_bodies_days=0)
    assert settings.duckdb_path == tmp_path / "energy.duckdb"
    with pytest.raises(ValidationError, match="frozen"):
        settings.keep_bodies_days = 1
    with pytest.raises(ValidationError, match="extra"):
        Settings(hom=tmp_path)


def test_prepare_home_makes_the_folders_again_and_again(tmp_path):
    settings = Settings(home=tmp_path / "a" / "b", duckdb_path=tmp_path / "c" / "w.duckdb")
    settings.prepare_home()
    settings.prepare_home()
    assert settings.logs_dir.is_dir()
    assert list((tmp_path / "c").iterdir()) == []


def test_a_home_that_cannot_be_written_is_named_with_its_variable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file/home cannot be written \(.+\): set ENERGY_ASSETS_HOME to"):
        Settings(home=tmp_path / "file" / "home").prepare_home()
    with pytest.raises(SettingsError, match="set ENERGY_ASSETS_DUCKDB_PATH to"):
        Settings(home=tmp_path, duckdb_path=tmp_path / "file" / "w.duckdb").prepare_home()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_home_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="Permission denied"):
        Settings(home=tmp_path / "home").prepare_home()
